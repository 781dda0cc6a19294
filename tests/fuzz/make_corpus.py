"""Writes the seed corpus: small files of emulated cards with invented holders. Run from the repository's root::

python -m tests.fuzz.make_corpus
"""

from __future__ import annotations

import base64
import json
import random
import struct
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from idverify import _tlv, emulator
from idverify.audit import AuditLog
from idverify.biometric import decode_image, encode_wsq
from idverify.chip.access.password import AccessPassword
from idverify.chip.lds.displayed import DG5, DG7, Features
from idverify.chip.lds.files import FileId
from idverify.chip.lds.images import ImageFormat, grey_map
from idverify.chip.lds.iso19794_2 import FingerView, Minutia, MinutiaeRecord, MinutiaType, RecordFormat
from idverify.chip.lds.iso19794_4 import FingerImage, FingerImageRecord
from idverify.chip.lds.iso19794_6 import IrisImage, IrisImageRecord
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.session import DocumentSession
from idverify.chip.transport.memory import MemoryTransport
from idverify.chip.transport.trace import RecordingTransport
from idverify.emulator import Quirks, TestCvPki, TestPki, citizen_card, personalise
from idverify.emulator.biometrics import dg3, dg4, finger_pattern
from idverify.oids import Bsi, Icao
from tests.unit.crypto import der

CORPUS = Path(__file__).parent / "corpus"


def picture(suffix: str, *options: int, side: int = 40) -> bytes:
    """A small picture with some structure."""
    y, x = np.mgrid[0:side, 0:side]
    pixels = np.stack([(x * 6) % 256, (y * 6) % 256, ((x ^ y) * 4) % 256], axis=-1).astype(np.uint8)
    done, data = cv2.imencode(suffix, pixels, list(options))
    if not done:
        raise RuntimeError(suffix)
    return bytes(data.tobytes())


def files() -> Iterator[tuple[str, bytes]]:
    """Files of chips."""
    jpeg, jp2, png = (
        picture(".jpg", cv2.IMWRITE_JPEG_QUALITY, 40),
        picture(".jp2"),
        finger_pattern(3, width=16, height=20),
    )
    wanted = {
        "cccd-2021": None, "cccd-2024": None, "passport-eac": (14,), "passport-pace-many": (), "eid-eac2": (14,),
        "passport-aa-ecdsa": (14, 15), "cccd-moc": (),
    }  # fmt: skip
    for name, groups in wanted.items():
        card = personalise(name, seed=f"corpus {name}", portrait=jpeg)
        for file, data in card.files.items():
            if groups is not None and file.number is not None and file.number not in groups:
                continue
            if len(data) < 12_000:
                yield f"{name}-{file.file_name}", data
    yield "DG2-jp2.bin", citizen_card(seed=4, portrait=jp2).files[FileId.DG2]
    for encoding in ("19794-5:2011", "39794-5"):
        card = citizen_card(seed=4, portrait=jpeg, quirks=Quirks(dg2_encoding=encoding, feature_points=3))
        yield f"DG2-{encoding.replace(':', '-')}.bin", card.files[FileId.DG2]
    for encoding in ("19794-4", "19794-4:2011", "39794-4"):
        suffix = "" if encoding == "19794-4" else f"-{encoding.replace(':', '-')}"
        yield f"DG3{suffix}.bin", dg3({2: png, 7: jp2 if suffix else jpeg}, encoding=encoding)
    for encoding in ("19794-6", "19794-6:2011", "39794-6"):
        suffix = "" if encoding == "19794-6" else f"-{encoding.replace(':', '-')}"
        yield f"DG4{suffix}.bin", dg4({1: jp2 if suffix else jpeg}, encoding=encoding)
    yield "DG5.bin", DG5.encode([jpeg])
    yield "DG7.bin", DG7.encode([jpeg[:200]])
    for tag, number in Features.TAGS.items():
        yield f"DG{number}.bin", bytes((tag, 6, 0x02, 1, 1, 0x53, 1, number))
    details = {
        0x6B: ((0x5C, "5F0E5F105F2B"), (0x5F0E, b"TAN<<AN".hex()), (0x5F10, b"0123".hex()), (0x5F2B, "19900412")),
        0x6C: ((0x5C, "5F195F265F1B"), (0x5F19, b"UTOPIA".hex()), (0x5F26, b"20200102".hex()), (0x5F1B, b"NONE".hex())),
    }
    for tag, objects in details.items():
        body = b"".join(
            (t.to_bytes(2 if t > 255 else 1, "big")) + bytes([len(v) // 2]) + bytes.fromhex(v) for t, v in objects
        )
        yield f"details-{tag:02X}.bin", bytes((tag, len(body))) + body
    person = bytes.fromhex("5F50083230323030313032") + b"\x5f\x51\x07TAN<<AN" + b"\x5f\x52\x040123" + b"\x5f\x53\x03HUE"
    yield "DG16.bin", b"\x70" + bytes([len(person) + 5]) + b"\x02\x01\x01\xa1" + bytes([len(person)]) + person


def trust() -> Iterator[tuple[str, bytes]]:
    """Certificates, lists and what else a counter imports."""
    for kind in ("rsa-2048", "brainpoolP256r1", "secp384r1"):
        pki = TestPki(f"corpus {kind}", country="UT", csca_key=kind, dsc_key=kind)
        yield f"csca-{kind}.cer", pki.csca.der
        yield f"dsc-{kind}.cer", pki.dsc.der
        yield f"{kind}.spki", Certificate.parse(pki.csca.der).public_key_info
    pki = TestPki("corpus lists", country="UT")
    yield "list.crl", pki.crl([pki.dsc.serial])
    yield "list.ml", pki.master_list()
    yield from deviation_lists(pki)
    store = TrustStore.from_certificates([pki.csca.der])
    path = CORPUS / "store" / "store.idvstore"
    path.parent.mkdir(parents=True, exist_ok=True)
    store.save(path)
    whole = path.read_bytes()
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    length = int.from_bytes(whole[12:16], "big")
    path.with_suffix(".json").write_bytes(whole[16 : 16 + length])
    path.with_suffix(".sections").write_bytes(whole[16 + length + 32 :][:400])
    blob = base64.b64encode(pki.csca.der).decode()
    folded = "\n ".join(blob[i : i + 70] for i in range(0, len(blob), 70))
    yield (
        "list.ldif",
        (
            f"version: 1\ndn: cn=1,o=csca,c=UT,dc=data\nobjectClass: top\nuserCertificate;binary:: {folded}\n\n"
            "dn: cn=2,c=UT\nsn: 02\ncertificateRevocationList;binary:: MAA=\n\n"
        ).encode(),
    )
    lines = "\n".join(blob[i : i + 64] for i in range(0, len(blob), 64))
    yield "list.pem", f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n".encode()
    cv = TestCvPki()
    for number, data in enumerate(cv.chain):
        yield f"cv-{number}.cvcert", data
    yield "cv-cvca.cvcert", cv.cvca.der


def deviation_lists(pki: TestPki) -> Iterator[tuple[str, bytes]]:
    """A deviation list of ICAO and a defect list of BSI, each with one signer and one defect."""
    signer = Certificate.parse(pki.dsc.der)
    serial = der.element(2, (signer.serial_number or 0).to_bytes(17, "big"))
    wrong = der.sequence(der.oid(f"{Icao.DEVIATION_LIST}.2.2"), der.element(0xA0, der.element(2, b"\x02")))
    scope = der.element(0x80, b"I<") + der.element(0xA1, signer.issuer.raw + serial)
    scope += der.element(0xA5, der.element(0x13, b"123456789"))
    line = der.sequence(der.element(0x30, scope), der.element(0x31, wrong))
    content = der.sequence(der.element(2, b"\0"), der.element(0x31, line))
    by = pki.issue_dsc(800, extended_key_usage=(str(Icao.DEVIATION_LIST_SIGNING_KEY),), document_types=(), locality="")
    yield "icao.deviations", pki.sign(str(Icao.DEVIATION_LIST), content, signer=by)
    named = der.sequence(signer.issuer.raw, serial)
    defect = der.sequence(der.oid(f"{Bsi.DEFECT_LIST}.1.1"))
    line = der.sequence(named, der.element(4, bytes(32)), der.element(0x31, defect))
    content = der.sequence(der.element(2, b"\0"), der.oid("2.16.840.1.101.3.4.2.1"), der.element(0x31, line))
    yield "bsi.deviations", pki.sign(str(Bsi.DEFECT_LIST), content, signer=by)


def records() -> Iterator[tuple[str, bytes]]:
    """Biometric records on their own."""
    jpeg = picture(".jpg", cv2.IMWRITE_JPEG_QUALITY, 30)
    raw = citizen_card(seed=4, portrait=jpeg).files[FileId.DG2]
    at = raw.find(b"FAC\0")
    yield "face.fac", raw[at : at + int.from_bytes(raw[at + 8 : at + 12], "big")]
    raw = citizen_card(seed=4, portrait=jpeg, quirks=Quirks(dg2_encoding="39794-5")).files[FileId.DG2]
    yield "face.39794", _tlv.read_tlv(raw, raw.find(bytes.fromhex("7F2E"))).value
    png = finger_pattern(3, width=16, height=20)
    for name, raw in (
        ("finger.39794", dg3({2: png}, encoding="39794-4")),
        ("iris.39794", dg4({1: bytes(64 * 64)}, encoding="39794-6")),
    ):
        yield name, _tlv.read_tlv(raw, raw.find(bytes.fromhex("7F2E"))).value
    for name, magic, raw in (
        ("finger-2011.fir", b"FIR\0", dg3({2: png}, encoding="19794-4:2011")),
        ("iris-2011.iir", b"IIR\0", dg4({1: jpeg}, encoding="19794-6:2011")),
        ("face-2011.fac", b"FAC\0", citizen_card(
            seed=4, portrait=jpeg, quirks=Quirks(dg2_encoding="19794-5:2011")
        ).files[FileId.DG2]),
    ):  # fmt: skip
        at = raw.find(magic)
        yield name, raw[at : at + int.from_bytes(raw[at + 8 : at + 12], "big")]
    rng = random.Random(7)
    minutiae = tuple(
        Minutia(
            x=rng.randrange(300),
            y=rng.randrange(400),
            angle=rng.randrange(256),
            kind=MinutiaType.RIDGE_ENDING,
            quality=60,
        )
        for _ in range(12)
    )
    view = FingerView(position=2, minutiae=minutiae)
    record = MinutiaeRecord(views=(view,), width=300, height=400)
    for form in RecordFormat:
        suffix = "" if form is RecordFormat.ISO_2005 else f"-{form.name.lower()}"
        yield f"minutiae{suffix}.fmr", replace(record, format=form).encode()
    image = FingerImage(
        image=finger_pattern(3, width=16, height=20), image_format=ImageFormat.PNG, position=2, width=16, height=20
    )
    yield "finger.fir", FingerImageRecord(images=(image,), compression=5).encode()
    iris = IrisImage(image=jpeg, image_format=ImageFormat.JPEG, eye=1)
    yield "iris.iir", IrisImageRecord(images=(iris,), format_code=6, width=40, height=40, depth=8).encode()
    yield "card.min", bytes(rng.randrange(256) for _ in range(30))
    bit = bytes.fromhex("7F6000 8301 02 A114 8101 08 8702 0101 8802 0003 B107 8102 0C3C 8201 00".replace(" ", ""))
    yield "template.bit", bit[:2] + bytes([len(bit) - 3]) + bit[3:]


def images() -> Iterator[tuple[str, bytes]]:
    """Pictures in every format that is read."""
    yield "small.jpg", picture(".jpg", cv2.IMWRITE_JPEG_QUALITY, 40)
    yield "progressive.jpg", picture(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_QUALITY, 40)
    jp2 = picture(".jp2")
    yield "small.jp2", jp2
    yield "small.j2k", jp2[jp2.find(b"\xff\x4f\xff\x51") :]
    for suffix in (".png", ".bmp", ".webp", ".tiff"):
        yield f"small{suffix}", picture(suffix, side=16)
    yield "small.pgm", grey_map(bytes(range(16)) * 16, 16, 16)
    yield "small.wsq", encode_wsq(decode_image(finger_pattern(3, width=64, height=72)))
    jpeg = picture(".jpg", side=16)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    yield "turned.jpg", jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def texts() -> Iterator[tuple[str, bytes]]:
    """MRZ, QR, audit log, trace, policy, answers of a service."""
    holder = emulator.CitizenHolder.invent(5)
    yield "td1.mrz", holder.mrz.text.encode()
    for number, lines in enumerate(
        (
            ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"),
            ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"),
        )
    ):
        yield f"icao-{number}.mrz", "\n".join(lines).encode()
    yield "citizen.qr", holder.qr.encode()
    path = CORPUS / "texts" / "audit.tmp"
    path.parent.mkdir(parents=True, exist_ok=True)
    log = AuditLog(path, durability="os", now=lambda: datetime(2026, 1, 2, tzinfo=UTC))
    log.append("transaction", {"outcome": "accept", "policy": "counter", "list": [1, 2.5, None, True]})
    yield "audit.line", path.read_bytes()
    for extra in path.parent.glob("audit.tmp*"):
        extra.unlink()
    card = citizen_card(seed=4, portrait=picture(".jpg"))
    trace = CORPUS / "texts" / "trace.tmp"
    recording = RecordingTransport(MemoryTransport(card), trace, include_data=True)
    with DocumentSession(recording) as session:
        session.open([AccessPassword.can(card.can or "")])
    recording.close()
    yield "session.trace", b"".join(trace.read_bytes().splitlines(keepends=True)[:8])
    trace.unlink()
    yield "policy.toml", b'extends = "counter"\nface_fmr = 1e-5\ngroups = ["DG1"]\n[checks]\n"online.ds" = false\n'
    checks = [
        {"check": "pa.sod.signature", "status": "successful", "reason": "ok", "evidence": {"algorithm": "sha256"}},
        {"check": "pa.dg.hash", "status": "failed", "reason": "hash-mismatch", "subject": "DG1"},
    ]
    report = {
        "decision": {"outcome": "reject", "policy": "counter", "reasons": ["pa.dg.hash: hash-mismatch (DG1)"]},
        "checks": checks, "trust_store": "00", "verified_at": "2026-01-02T00:00:00+00:00",
        "scores": [{"modality": "face", "value": 0.5, "threshold": 0.3, "fmr": 1e-5, "model": "m@1"}],
    }  # fmt: skip
    yield "report.json", json.dumps(report).encode()
    yield "answer.json", json.dumps({"result": {"valid": True, "code": "A1"}, "transaction": "T-1"}).encode()
    yield "anchor.json", json.dumps({"number": 1, "hash": "00" * 32, "signature": "11" * 64}).encode()


def apdus() -> Iterator[tuple[str, bytes]]:
    """Commands and responses."""
    for number, text in enumerate(
        (
            "00A4020C02011C", "00B0000000", "00B09C0000", "0CB08E000D9701048E0812345678901234560000",
            "00A4040C07A0000002471001", "00B0000000000000", "10860000027C0000", "00220041000004800102FF0000",
            "9000", "6982",
            "870901ABCDEFABCDEFABCD990290008E0812345678901234569000",
        )
    ):  # fmt: skip
        yield f"{number}.apdu", bytes.fromhex(text)


def main() -> None:
    """Write everything."""
    total = 0
    for folder, source in (
        ("files", files()), ("trust", trust()), ("records", records()), ("images", images()), ("texts", texts()),
        ("apdus", apdus()),
    ):  # fmt: skip
        seen: set[bytes] = set()
        (CORPUS / folder).mkdir(parents=True, exist_ok=True)
        for name, data in source:
            if data not in seen:
                seen.add(data)
                (CORPUS / folder / name).write_bytes(data)
                total += len(data)
                print(f"{folder}/{name}: {len(data)} bytes")
    print(f"{total} bytes in all")


if __name__ == "__main__":
    main()
