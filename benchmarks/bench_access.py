"""PACE and BAC on the terminal's side, one protected READ BINARY, the verdict of active authentication.

    pytest benchmarks/bench_access.py --benchmark-enable

The card's answers are recorded before and cost nothing. ``extra_info.cpu_ms`` holds processor time; the clock of a
shared machine lies.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa as rsa_keys
from tests.unit.chip.access.model_card import ModelCard
from tests.vectors import load, unhex

from idverify import _tlv
from idverify.chip.access.bac import run_bac
from idverify.chip.access.domain import DhDomain, EcDomain, standardized
from idverify.chip.access.pace import run_pace
from idverify.chip.access.password import AccessPassword
from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU
from idverify.chip.lds.security_infos import PaceInfo
from idverify.chip.secure_messaging import SecureMessaging
from idverify.crypto import block, rsa
from idverify.crypto.block import Cipher

CAN = AccessPassword.can("500540")
ARCS = {("DH", "GM"): 1, ("ECDH", "GM"): 2, ("DH", "IM"): 3, ("ECDH", "IM"): 4, ("ECDH", "CAM"): 6}
CIPHER_ARCS = {Cipher.DES3: 1, Cipher.AES128: 2, Cipher.AES192: 3, Cipher.AES256: 4}


def measure(benchmark: Any, run: Callable[[], None], *, rounds: int, batch: int = 1) -> None:
    """Run the benchmark, and keep the median processor time of one ``run`` of a batch."""
    spent: list[float] = []
    for _ in range(20):
        start = time.process_time()
        for _ in range(batch):
            run()
        spent.append((time.process_time() - start) / batch)
    benchmark.extra_info["cpu_ms"] = round(1e3 * sorted(spent)[len(spent) // 2], 4)
    benchmark.pedantic(run, rounds=rounds, warmup_rounds=1)


class Replay:
    """Answers in order, at no cost; the terminal draws the numbers of the recorded run."""

    def __init__(self, answers: list[ResponseAPDU]) -> None:
        self.answers = iter(answers)

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        return next(self.answers)


class Recorder:
    """Keeps what the model card answers."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self.answers: list[ResponseAPDU] = []

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        self.answers.append(self.card.send(command))
        return self.answers[-1]


def drawn() -> tuple[list[bytes], Callable[[int], bytes]]:
    values: list[bytes] = []

    def rng(count: int) -> bytes:
        values.append(os.urandom(count))
        return values[-1]

    return values, rng


def ways() -> Iterator[Any]:
    """Every mapping over every standardised group (ICAO 9303-11 table 4, §4.4.3.3: CAM over curves only)."""
    for mapping in ("GM", "IM", "CAM"):
        for parameter_id in (*range(3), *range(8, 19)):
            domain = standardized(parameter_id)
            if mapping == "CAM" and isinstance(domain, DhDomain):
                continue
            if mapping == "IM" and isinstance(domain, EcDomain) and domain.curve.p % 4 != 3:
                continue  # secp224r1: the point encoding is defined for p = 3 mod 4 (appendix B.1)
            name = domain.name if isinstance(domain, EcDomain) else f"dh-{parameter_id}"
            yield pytest.param(mapping, parameter_id, id=f"{mapping}-{name}")


@pytest.mark.parametrize(("mapping", "parameter_id"), list(ways()))
def test_pace_terminal_side(benchmark: Any, mapping: str, parameter_id: int) -> None:
    cipher = Cipher.AES128
    protocol = f"0.4.0.127.0.7.2.2.4.{ARCS['DH' if parameter_id < 8 else 'ECDH', mapping]}.{CIPHER_ARCS[cipher]}"
    info = PaceInfo(protocol, 2, parameter_id)
    recorder = Recorder(ModelCard(protocol, parameter_id, cipher, mapping, b"500540", static_secret=12345))
    values, rng = drawn()
    run_pace(recorder, info, CAN, rng=rng)

    def run() -> None:
        rest = iter(values)
        run_pace(Replay(recorder.answers), info, CAN, rng=lambda count: next(rest))

    measure(benchmark, run, rounds=30)


def test_bac(benchmark: Any) -> None:
    example = load("bac")
    fields = example["mrz"]
    password = AccessPassword.mrz(fields["document_number"], fields["date_of_birth"], fields["date_of_expiry"])
    answers = [ResponseAPDU.parse(unhex(a["response"])) for a in example["apdus"]]

    def run() -> None:
        rest = iter([unhex(example["rnd_ifd"]), unhex(example["k_ifd"])])
        run_bac(Replay(answers), password, rng=lambda count: next(rest))

    measure(benchmark, run, rounds=200, batch=20)


def protected(cipher: Cipher, data: bytes) -> bytes:
    """The card's first answer, under keys of zeros."""
    size, key = cipher.block_bytes, bytes(cipher.key_bytes)
    counter = (2).to_bytes(size, "big")
    iv = None if cipher is Cipher.DES3 else block.encrypt(cipher, key, counter)
    body = _tlv.encode(0x87, b"\x01", block.encrypt(cipher, key, block.pad(data, size), iv)) + b"\x99\x02\x90\x00"
    code = block.BlockKey(cipher, key).mac_blocks(block.pad(counter + body, size))
    return body + b"\x8e\x08" + code


@pytest.mark.parametrize("cipher", list(Cipher), ids=lambda c: c.label)
@pytest.mark.parametrize("size", [223, 65_000])
def test_protected_read_binary(benchmark: Any, cipher: Cipher, size: int) -> None:
    """Both directions: protect the command, check and open the answer. Keys are prepared before, as in a session."""
    key = bytes(cipher.key_bytes)
    answer = ResponseAPDU(protected(cipher, os.urandom(size)), 0x9000)
    command = CommandAPDU(0x00, 0xB0, 0x01, 0x00, le=min(size, 65_536))
    session = SecureMessaging(cipher, key, key)

    def run() -> None:
        session._ssc = 0  # the same exchange again, under schedules prepared once as in a session
        session.protect(command)
        session.unprotect(answer)

    measure(benchmark, run, rounds=500, batch=50 if size < 1000 else 5)


def test_iso9796_2(benchmark: Any) -> None:
    numbers = rsa_keys.generate_private_key(65537, 2048).private_numbers()
    n, challenge = numbers.public_numbers.n, bytes(8)
    m1 = bytes(256 - 1 - 32 - 2)
    data = b"\x6a" + m1 + hashlib.sha256(m1 + challenge).digest() + b"\x34\xcc"
    signature = pow(int.from_bytes(data, "big"), numbers.d, n).to_bytes(256, "big")
    assert rsa.iso9796_2_verify(n, 65537, signature, challenge)

    def verify() -> None:
        rsa.iso9796_2_verify(n, 65537, signature, challenge)

    measure(benchmark, verify, rounds=300, batch=20)
