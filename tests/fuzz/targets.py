"""The fuzz targets: one for each parser that meets bytes of a chip, a camera, a list or a file.

A target takes bytes, parses them, and touches everything that the parsed value offers, because much is decoded late. A
value, or an exception of the library's tree, is fine; anything else is a finding.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import inspect
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from asn1crypto import core

from idverify import _asn1, _tlv
from idverify._secret import Secret
from idverify.audit import GENESIS, Anchor, Entry
from idverify.biometric import codecs
from idverify.biometric.finger import records, template
from idverify.chip import cccd, signed_list
from idverify.chip.access.password import AccessPassword
from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU
from idverify.chip.lds import cbeff, contents, describe, iso19794_2, mrz
from idverify.chip.lds.card_files import EfAtrInfo, EfCvca, EfDir
from idverify.chip.lds.com import EfCom
from idverify.chip.lds.details import DG11, DG12, DG16
from idverify.chip.lds.dg1 import DG1
from idverify.chip.lds.dg2 import DG2
from idverify.chip.lds.dg3 import DG3
from idverify.chip.lds.dg4 import DG4
from idverify.chip.lds.dg13_vn import CitizenDetails
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.dg15 import DG15
from idverify.chip.lds.displayed import DG5, DG7, Features
from idverify.chip.lds.files import DATA_GROUPS, FileId
from idverify.chip.lds.iso19794_4 import FingerImageRecord
from idverify.chip.lds.iso19794_5 import FaceRecord
from idverify.chip.lds.iso19794_6 import IrisImageRecord
from idverify.chip.lds.iso39794 import DataBlock
from idverify.chip.lds.on_card import OnCardTemplate
from idverify.chip.lds.security_infos import SecurityInfos
from idverify.chip.lds.sod import EfSod, SecurityObject
from idverify.chip.pki import ldif
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.cms import SignedData
from idverify.chip.pki.crl import RevocationList
from idverify.chip.pki.cvc import CvCertificate
from idverify.chip.pki.deviations import DeviationList
from idverify.chip.pki.importer import Importer
from idverify.chip.pki.master_list import MasterList
from idverify.chip.pki.passive_auth import verify_document
from idverify.chip.pki.store_file import StoreFile
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.secure_messaging import SecureMessaging
from idverify.chip.transport.trace import ReplayTransport
from idverify.crypto.block import Cipher
from idverify.crypto.signature import PublicKey, SignatureAlgorithm
from idverify.decision import COUNTER, Outcome, Policy
from idverify.dry_run import Recorded
from idverify.errors import IdVerifyError, PolicyError
from idverify.online import HttpDocumentCheck, HttpOptions, OnlineRequest

CORPUS: Final = Path(__file__).parent / "corpus"
AT: Final = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Target:
    """A parser under test.

    Attributes:
        name: what the command line calls it.
        run: takes the input.
        seeds: glob patterns inside the corpus.
        slow: whether one run costs milliseconds rather than microseconds.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: tuple[str, ...]
    slow: bool = False

    def corpus(self) -> list[bytes]:
        """The seeds."""
        paths = sorted({p for pattern in self.seeds for p in CORPUS.glob(pattern) if p.is_file()})
        return [p.read_bytes() for p in paths]


def touch(value: Any, depth: int = 5, budget: list[int] | None = None) -> None:
    """Read every attribute and property of a parsed value, and of the values inside."""
    budget = [400] if budget is None else budget
    budget[0] -= 1
    if depth < 0 or budget[0] < 0 or value is None:
        return
    if isinstance(value, Secret):
        touch(value.reveal(), depth - 1, budget)
    elif isinstance(value, (bytes, bytearray, memoryview, int, float, enum.Enum, datetime)):
        return
    elif isinstance(value, str):
        value.encode()  # a lone surrogate would break reports and JSON
    elif isinstance(value, Mapping):
        for k, v in list(value.items())[:40]:
            touch(k, depth - 1, budget)
            touch(v, depth - 1, budget)
    elif isinstance(value, (tuple, list, set, frozenset)):
        for item in list(value)[:40]:
            touch(item, depth - 1, budget)
    elif type(value).__module__.startswith("idverify"):
        repr(value)
        for name in _names(type(value)):
            try:
                inner = getattr(value, name)
            except IdVerifyError:
                continue
            touch(inner, depth - 1, budget)


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    names = {f.name for f in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
    for name, member in inspect.getmembers(kind):
        if isinstance(member, (property, functools.cached_property)) or inspect.ismemberdescriptor(member):
            names.add(name)
    return tuple(sorted(n for n in names if not n.startswith("_")))


def parsing(*parsers: Callable[[bytes], Any]) -> Callable[[bytes], int]:
    """A target that parses with each parser, touches what comes out, and says how many took the input."""

    def run(data: bytes) -> int:
        taken = 0
        for parser in parsers:
            try:
                value = parser(data)
            except IdVerifyError as error:
                str(error).encode()
            else:
                taken += 1
                touch(value)
        return taken

    return run


def text(parser: Callable[[str], Any]) -> Callable[[bytes], Any]:
    """A parser of text, fed with bytes in two readings: one may hold what UTF-8 cannot."""
    return lambda data: parser(data.decode("utf-8", "replace"))


def _tlv_walk(data: bytes) -> object:
    found = [_tlv.read_tlv(data)]
    for depth in range(_tlv.MAX_DEPTH):
        inner = found[-1].children()
        if not inner:
            return depth
        found.append(inner[-1])
    return list(_tlv.iter_tlv(data, skip_padding=True))


def _asn1_door(data: bytes) -> object:
    _asn1.scan(data, what="fuzz", allow_trailing=True)
    value = _asn1.load(core.Any, data, what="fuzz")
    _asn1.dump(value, what="fuzz")
    return _asn1.raw(value, what="fuzz")


def _asn1_native(data: bytes) -> object:
    return _asn1.native(_asn1.load(core.Sequence, data, what="fuzz"), what="fuzz")


def _certificate(data: bytes) -> object:
    certificate = Certificate.parse(data)
    touch(certificate)
    certificate.verify(certificate.public_key)
    certificate.valid_at(AT)
    return certificate


def _crl(data: bytes) -> object:
    crl = RevocationList.parse(data)
    touch(crl)
    crl.verify(_anchor().public_key)
    return crl


def _cms(data: bytes) -> object:
    signed = SignedData.parse(data, allow_trailing=True)
    touch(signed)
    return signed.verify({signed.content_type})


def _master_list(data: bytes) -> object:
    found = MasterList.parse(data)
    for der in found.entries[:5]:
        Certificate.parse(der)
    touch(found)
    return found


def _deviation_list(data: bytes) -> object:
    found = DeviationList.parse(data)
    touch(found)
    signer = Certificate.parse((CORPUS / "trust" / "dsc-rsa-2048.cer").read_bytes())
    return found.applying(signer, document_type="I", document_number="123456789", issued=AT)


def _cvc(data: bytes) -> object:
    certificate = CvCertificate.parse(data)
    certificate.describe()
    certificate.verify(certificate.public_key)
    return certificate


@functools.cache
def _anchor() -> Certificate:
    return Certificate.parse((CORPUS / "trust" / "csca-brainpoolP256r1.cer").read_bytes())


@functools.cache
def _trust() -> TrustStore:
    return TrustStore.from_certificates([p.read_bytes() for p in sorted((CORPUS / "trust").glob("csca*.cer"))])


@functools.cache
def _documents() -> dict[FileId, bytes]:
    names = {f: CORPUS / "files" / f"cccd-2021-{f.file_name}" for f in FileId}
    return {f: p.read_bytes() for f, p in names.items() if p.is_file()}


def _document(data: bytes) -> object:
    """A whole document with one file of the input: never raises, whatever the file."""
    files = _documents()
    turn = hashlib.sha256(data[:64]).digest()[0]
    order = [FileId.SOD, *sorted(files, key=lambda f: f.label)]
    report = verify_document({**files, order[turn % len(order)]: data}, trust=_trust(), at=AT)
    json.dumps(report.to_dict())
    return contents.check_contents({**files, order[turn % len(order)]: data})


def _import(data: bytes) -> object:
    importer = Importer(allow_unverified=True, at=AT)
    importer.add_bytes(data, "input")
    result = importer.result()
    json.dumps(result.to_dict()).encode()
    return result


def _ldif(data: bytes) -> object:
    ldif.looks_like(data)
    return [e for _, e in zip(range(100), ldif.parse(data), strict=False)]


def _walk_store(file: StoreFile) -> None:
    store = TrustStore(file)
    for entry in store.entries():
        touch(entry)
    store.counts()
    store.countries()
    list(store.candidates(issuer=_anchor().subject, key_id=_anchor().subject_key_id))
    store.document_signers_by_key(b"\0" * 20)
    list(file.find("prints", _anchor().fingerprint))


def _store(data: bytes) -> None:
    _walk_store(StoreFile(data))


@functools.cache
def _store_parts() -> tuple[bytes, bytes]:
    whole = (CORPUS / "store" / "store.idvstore").read_bytes()
    length = int.from_bytes(whole[12:16], "big")
    return whole[16 : 16 + length], whole[16 + length + 32 :]


def _store_inside(data: bytes) -> None:
    """Header and sections as the input has them, with checksums that fit: what damage alone cannot reach."""
    header, sections = _store_parts()
    if data[:1] == b"{":
        header = data
    else:
        fields = json.loads(header)
        sections = data + sections[len(data) :]
        for entry in fields["sections"].values():
            entry[2] = hashlib.sha256(sections[entry[0] : entry[0] + entry[1]]).hexdigest() if entry[2] else ""
        header = json.dumps(fields).encode()
    prefix = struct.pack(">8sII", b"IDVTRUST", 1, len(header))
    _walk_store(StoreFile(prefix + header + hashlib.sha256(header).digest() + sections))


def _audit(data: bytes) -> None:
    entry = Entry.parse(data)
    touch(entry)
    entry.problem(number=entry.number, previous=GENESIS)
    entry.problem(number=0, previous=entry.previous)
    entry.line()


def _anchor_line(data: bytes) -> object:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    found = Anchor.from_json(data.decode("utf-8", "replace"))
    found.to_json()
    return found.verify(Ed25519PublicKey.from_public_bytes(bytes(32)))


def _replay(data: bytes) -> None:
    transport = ReplayTransport(data.decode("utf-8", "replace").splitlines())
    touch((transport.atr, transport.max_apdu_size))
    for _ in range(4):
        try:
            transport.transmit(bytes.fromhex("00A4020C02011C"))
        except IdVerifyError:
            transport.finished  # noqa: B018


def _unprotect(data: bytes) -> None:
    for cipher in (Cipher.DES3, Cipher.AES128):
        channel = SecureMessaging.from_shared_secret(cipher, bytes(32))
        channel.protect(CommandAPDU(0, 0xB0, 0, 0, le=256))
        try:
            channel.unprotect(ResponseAPDU.parse(data))
        except IdVerifyError:
            if channel.alive and len(data) >= 2:
                raise AssertionError("a failed response must end the session") from None


def _recorded(data: bytes) -> object:
    """A recorded report: whatever it says, a policy decides, and never accepts what is not in it."""
    recorded = Recorded.from_json(data)
    decision = COUNTER.decide(recorded.report, recorded.scores)
    if decision.outcome is Outcome.ACCEPT and not recorded.scores:
        raise AssertionError("accepted without a comparison")
    return recorded


@functools.cache
def _online_check() -> tuple[HttpDocumentCheck, list[bytes]]:
    import httpx

    answers: list[bytes] = []
    options = HttpOptions(url="https://service.invalid/", verdict_path="result.valid", attempts=1)
    check = HttpDocumentCheck(options, clock=lambda: 0.0)
    check._client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=answers[-1])))
    return check, answers


def _online_answer(data: bytes) -> object:
    """The answer of a service: a result comes out of every one, and never an exception."""
    check, answers = _online_check()
    answers[:] = [data]
    request = OnlineRequest(signer_certificate=b"", personal_number=Secret("0"), device_id="fuzz")
    check._closed_until = float("-inf")
    return json.dumps(check.check(request).to_dict(), ensure_ascii=False).encode()


def _policy(data: bytes) -> object:
    import tomllib

    try:
        mapping = tomllib.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    try:
        return Policy.from_mapping({"id": "fuzz", **mapping})
    except PolicyError:
        return None


def _image(data: bytes) -> object:
    return codecs.decode_image(data, max_pixels=1 << 22)


def _finger_template(data: bytes) -> object:
    found = records.decode_record(data)
    touch(found)
    return [template.make_template(v) for v in found.views[:2]]


def _card_minutiae(data: bytes) -> object:
    for form in iso19794_2.CardFormat:
        try:
            touch(iso19794_2.decode_card_minutiae(data, form))
            touch(iso19794_2.CardTemplate.parse(data, form))
        except IdVerifyError:
            continue
    return [records.decode_card(data, form) for form in records.CardFormat]


def _mrz(value: str) -> object:
    found = mrz.Mrz.parse(value)
    mrz.document_validity(found, AT)
    cccd.number_from_mrz(found)
    return found


def _dg13(data: bytes) -> object:
    found = CitizenDetails.parse(data)
    return cccd.cross_check(DG1.parse(_documents()[FileId.DG1]), found), found


def _signed_list(data: bytes) -> object:
    found = signed_list.security_object(data)
    return signed_list.listed_groups(data, found), signed_list.complete(data, 2, found, lambda n: b"")


_DG: Final[dict[int, tuple[Callable[[bytes], Any], ...]]] = {
    1: (DG1.parse,), 2: (DG2.parse,), 3: (DG3.parse,), 4: (DG4.parse,), 5: (DG5.parse,), 6: (Features.parse,),
    7: (DG7.parse,), 8: (Features.parse,), 9: (Features.parse,), 10: (Features.parse,), 11: (DG11.parse,),
    12: (DG12.parse,), 13: (_dg13, Features.parse), 14: (DG14.parse,), 15: (DG15.parse,), 16: (DG16.parse,),
}  # fmt: skip

TARGETS: Final[dict[str, Target]] = {
    t.name: t
    for t in (
        Target("tlv", parsing(_tlv_walk), ("files/*", "apdus/*")),
        Target("asn1", parsing(_asn1_door, _asn1_native), ("files/*SOD*", "files/*CardAccess*", "trust/*.c*")),
        Target("sod", parsing(EfSod.parse, SecurityObject.parse, _signed_list), ("files/*SOD*",)),
        Target("cms", parsing(_cms), ("files/*CardSecurity*", "trust/*.ml"), slow=True),
        Target("certificate", parsing(_certificate), ("trust/*.cer",), slow=True),
        Target("crl", parsing(_crl), ("trust/*.crl",), slow=True),
        Target("master-list", parsing(_master_list), ("trust/*.ml",), slow=True),
        Target("deviation-list", parsing(_deviation_list), ("trust/*.deviations",), slow=True),
        Target("import", parsing(_import), ("trust/*",), slow=True),
        Target("ldif", parsing(_ldif), ("trust/*.ldif", "trust/*.pem")),
        Target("cv-certificate", parsing(_cvc), ("trust/*.cvcert",), slow=True),
        Target("public-key", parsing(PublicKey.from_spki, SignatureAlgorithm.parse), ("trust/*.spki",)),
        Target("mrz", parsing(text(_mrz), text(AccessPassword.from_mrz_text)), ("texts/*.mrz",)),
        Target("qr", parsing(text(cccd.parse_qr), text(cccd.parse_number)), ("texts/*.qr",)),
        Target(
            "security-infos",
            parsing(SecurityInfos.parse, SecurityInfos.parse_card_access),
            ("files/*CardAccess*", "files/*DG14*"),
        ),
        Target("com", parsing(EfCom.parse), ("files/*COM*",)),
        Target(
            "card-files",
            parsing(EfDir.parse, EfAtrInfo.parse, EfCvca.parse),
            ("files/*DIR*", "files/*CVCA*", "files/*ATR*"),
        ),
        *(
            Target(
                f"dg{f.number}",
                parsing(*_DG[f.number or 0]),
                (f"files/*{f.label}.bin", f"files/{f.label}-*", f"files/details-{f.tag:02X}.bin"),
            )
            for f in DATA_GROUPS
        ),
        Target("cbeff", parsing(lambda d: cbeff.parse_group(d, 0x75, what="DG2")), ("files/*DG2*",)),
        Target("iso19794-2", parsing(iso19794_2.MinutiaeRecord.parse, _finger_template), ("records/*.fmr",), slow=True),
        Target("card-minutiae", parsing(_card_minutiae), ("records/*.min",)),
        Target("on-card", parsing(OnCardTemplate.parse), ("records/*.bit",)),
        Target("iso19794-4", parsing(FingerImageRecord.parse), ("records/*.fir",)),
        Target("iso19794-5", parsing(FaceRecord.parse), ("records/*.fac",)),
        Target("iso19794-6", parsing(IrisImageRecord.parse), ("records/*.iir",)),
        Target("iso39794", parsing(DataBlock.parse), ("records/*.39794",)),
        Target("describe", parsing(describe.describe), ("files/*", "records/*")),
        Target("image", parsing(_image), ("images/*",), slow=True),
        Target("image-header", parsing(codecs.probe_image), ("images/*",)),
        Target("document", _document, ("files/cccd-2021*",), slow=True),
        Target("trust-store", parsing(_store), ("store/*",)),
        Target("trust-store-inside", parsing(_store_inside), ("store/*.json", "store/*.sections"), slow=True),
        Target("audit", parsing(_audit), ("texts/audit*",)),
        Target("anchor", parsing(_anchor_line), ("texts/anchor*",)),
        Target("trace", parsing(_replay), ("texts/*.trace",)),
        Target("apdu", parsing(CommandAPDU.parse, ResponseAPDU.parse), ("apdus/*",)),
        Target("secure-messaging", parsing(_unprotect), ("apdus/*",)),
        Target("policy", parsing(_policy), ("texts/*.toml",)),
        Target("recorded-report", parsing(_recorded), ("texts/report*",)),
        Target("online-answer", _online_answer, ("texts/answer*",)),
    )
}
"""Every target by name."""
