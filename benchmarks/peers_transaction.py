"""Processor time of one transaction by stage, beside what separate tools take for the same stages. One thread.

    pip install --group peers
    python -m benchmarks.peers_transaction --float lightcnn-v4-fp32.onnx

The float network is written by ``python models/recipes/lightcnn_v4.py fp32 --to FILE``.
Rows run in turns, so that a busy machine is unjust to all alike; times are of the processor, child processes included.

There is no second reader of chips that installs by name, so the peers are what one would build a counter from:

* PACE and chip authentication: ``ecdsa``'s curve arithmetic, the seven multiplications of generic mapping, key
  agreement and chip authentication; key derivation and tokens are left out.
* Secure messaging: ``pycryptodome``, AES-128-CBC and CMAC over the same bytes.
* Signature: ``openssl cms -verify -noverify``, a process of its own. The signer's path is not verified there, as
  OpenSSL refuses curves with explicit parameters, which the card's signer has; our row verifies it.
* MRZ: the package ``mrz``.
* Faces: OpenCV's detector and alignment, and the float network by OpenCV or by onnxruntime; no quality measures.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import subprocess
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import cv2
from benchmarks.peers_face import opencv_and_onnxruntime, opencv_dnn, with_opencv_detector

from idverify import AccessPassword, CounterPool, FileId, TrustStore
from idverify.biometric import as_image, decode_image
from idverify.chip.lds.dg2 import DG2
from idverify.chip.lds.sod import EfSod
from idverify.chip.transport.memory import MemoryTransport
from idverify.cli._bench_runs import bench_card, shared_matcher, transact
from idverify.cli._demo_card import picture


def spent() -> float:
    """Milliseconds of processor time of this process and of its children that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return 1000 * (own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime)


class Counting(MemoryTransport):
    """Counts what secure messaging has to protect."""

    sizes: list[tuple[int, int]]

    def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
        answer = super().transmit(apdu, timeout=timeout)
        if apdu[0] & 0x0C:
            self.sizes.append((len(apdu), len(answer)))
        return answer


def protected_sizes(card: Any) -> list[tuple[int, int]]:
    """Bytes of each protected command and its answer."""
    from idverify import DocumentSession

    transport = Counting(card.fresh())
    transport.sizes = []
    with DocumentSession(transport) as session:
        session.open(AccessPassword.can(str(card.can)))
        session.read_all()
        session.authenticate_chip()
    return transport.sizes


def key_agreement() -> None:
    """Two key pairs, two agreements and the mapping of PACE; a key pair and an agreement of chip authentication."""
    import secrets

    from ecdsa import BRAINPOOLP256r1

    base, order = BRAINPOOLP256r1.generator, BRAINPOOLP256r1.order
    theirs = base * 0x1234567890ABCDEF
    private = secrets.randbelow(order)
    _ = base * private  # mapping: our key
    shared = theirs * private
    mapped = base * secrets.randbelow(order) + shared
    private = secrets.randbelow(order)
    _ = mapped * private  # agreement: our key
    _ = (mapped * 0xABCDEF) * private
    private = secrets.randbelow(order)
    _ = base * private  # chip authentication
    _ = theirs * private


def messaging(sizes: list[tuple[int, int]]) -> None:
    """AES-128-CBC and CMAC over every protected byte."""
    from Crypto.Cipher import AES
    from Crypto.Hash import CMAC

    key = bytes(16)
    for sent, received in sizes:
        for size in (sent, received):
            block = bytes(-(-size // 16) * 16)
            AES.new(key, AES.MODE_ECB).encrypt(bytes(16))
            AES.new(key, AES.MODE_CBC, bytes(16)).decrypt(block)
            CMAC.new(key, block, ciphermod=AES).digest()


def signature(sod: Path) -> None:
    """The signature of EF.SOD, without the path."""
    command = ["openssl", "cms", "-verify", "-noverify", "-inform", "DER", "-in", str(sod), "-out", os.devnull]
    subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--float", type=Path, required=True, dest="network")
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    from mrz.checker.td1 import TD1CodeChecker

    cv2.setNumThreads(1)
    card, matcher = bench_card(), shared_matcher()
    sizes = protected_sizes(card)
    live, portrait = picture("live"), DG2.parse(card.files[FileId.DG2]).portrait.image
    text = "".join(card.mrz.split())
    lines = "\n".join(text[n : n + 30] for n in range(0, 90, 30))
    folder = tempfile.TemporaryDirectory()
    sod = Path(folder.name) / "sod.der"
    sod.write_bytes(EfSod.parse(card.files[FileId.SOD]).cms)
    pictures = as_image(decode_image(live)), as_image(decode_image(portrait))

    def decoding() -> None:
        decode_image(live)
        decode_image(portrait)

    peers: dict[str, Callable[[], object]] = {
        "PACE, chip authentication: ecdsa": key_agreement,
        "secure messaging: pycryptodome": lambda: messaging(sizes),
        "signature: openssl cms": lambda: signature(sod),
        "hashes: hashlib": lambda: [hashlib.sha256(raw).digest() for raw in card.files.values()],
        "MRZ: mrz": lambda: bool(TD1CodeChecker(lines)),
        "decoding two pictures: OpenCV": decoding,
        "two faces: OpenCV + DNN": with_opencv_detector(*pictures, opencv_dnn(chosen.network)),
        "two faces: OpenCV + onnxruntime": with_opencv_detector(*pictures, opencv_and_onnxruntime(chosen.network)),
    }
    ours: dict[str, list[float]] = {}
    theirs: dict[str, list[float]] = {name: [] for name in peers}
    trust, password = TrustStore.from_certificates(card.trust_anchors), AccessPassword.can(str(card.can))
    with CounterPool(trust, matcher=matcher, limit=1) as pool:
        for number in range(chosen.rounds + 1):
            record = transact(pool, card, password, live, 0)
            if record.outcome != "accept":
                raise SystemExit(f"the benchmark's card ended in {record.outcome}")
            for name, value in record.cpu().items() if number else ():
                ours.setdefault(name, []).append(value)
            for name, run in peers.items():
                before = spent()
                run()
                if number:
                    theirs[name].append(spent() - before)
    table("idverify", {name: median(v) for name, v in ours.items() if name != "emulated-card"})
    faces = {name: median(v) for name, v in theirs.items()}
    slower = max((n for n in faces if n.startswith("two faces")), key=faces.__getitem__)
    table("separate tools, the faster of the two for faces", {n: v for n, v in faces.items() if n != slower})
    print(f"\n{slower}: {faces[slower]:.1f} ms")


def table(title: str, rows: dict[str, float]) -> None:
    """One table in Markdown, with its sum."""
    print(f"\n| {title} | ms of processor time |\n|---|---:|")
    for name, value in rows.items():
        print(f"| {name} | {value:.2f} |")
    print(f"| **sum** | **{sum(rows.values()):.1f}** |")


if __name__ == "__main__":
    main()
