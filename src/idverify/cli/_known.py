"""What ``idverify inspect`` knows: bytes in, a kind and labelled lines out."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from idverify.errors import IdVerifyError, MalformedDataError, UnsupportedAlgorithmError

if TYPE_CHECKING:
    from idverify.chip.lds.security_infos import SecurityInfos
    from idverify.chip.pki.certificate import Certificate

Fields = dict[str, Any]
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s+([A-Za-z0-9+/=\s]+)-----END \1-----")


@dataclass(frozen=True, slots=True)
class Description:
    """What a file holds.

    Attributes:
        kind: what it is, in the standard's words.
        fields: labelled values, in order; text, numbers or lists of text.
        problems: where it departs from its format.
    """

    kind: str
    fields: Fields = field(repr=False)
    problems: tuple[str, ...] = ()


def describe(data: bytes, name: str = "") -> Description:
    """The first reading of the bytes that succeeds; the file's name breaks ties.

    Raises:
        MalformedDataError: nothing that the library knows; the message says what came closest.
    """
    data = unpacked(data)
    wanted = _by_name(name) or _by_content(data)
    if not wanted:
        raise MalformedDataError(
            "nothing that this library knows: no file of a chip, certificate, list, record or picture"
        )
    last: IdVerifyError | None = None
    for reading in wanted:
        try:
            return reading(data)
        except (MalformedDataError, UnsupportedAlgorithmError) as error:
            last = error if last is None else last
    raise MalformedDataError(str(last))


def unpacked(data: bytes) -> bytes:
    """DER out of PEM."""
    match = _PEM.search(data[:100_000]) if data[:1] == b"-" else None
    if match is None:
        return data
    try:
        return base64.b64decode(match[2], validate=False)
    except ValueError as error:
        raise MalformedDataError("PEM: the text between the lines is no base64") from error


Reading = Callable[[bytes], Description]


def _by_name(name: str) -> tuple[Reading, ...]:
    stem = name.lower().removesuffix(".bin")
    return {"ef_cardaccess": (_card_access,), "ef_dir": (_tree("EF.DIR"),)}.get(stem, ())


def _by_content(data: bytes) -> tuple[Reading, ...]:
    if data[:4] == b"FAC\x00":
        return (_face_record,)
    if data[:4] == b"FMR\x00":
        return (_finger_record,)
    first = data[0] if data else -1
    tags: Mapping[int, tuple[Reading, ...]] = {
        0x60: (_com,),
        0x61: (_dg1, _tree("EF.DIR")),
        0x63: (_tree("DG3"),),
        0x6D: (_dg13, _tree("DG13")),
        0x6E: (_dg14,),
        0x6F: (_dg15,),
        0x75: (_dg2, _tree("DG2")),
        0x77: (_sod,),
        0x30: (_certificate, _master_list, _cms, _tree("ASN.1 sequence")),
        0x31: (_card_access, _tree("ASN.1 set")),
    }
    if first in tags:
        return tags[first]
    if data[:2] == b"\x7f\x21":
        return (_tree("CV certificate"),)
    if 0x64 <= first <= 0x76:
        return (_tree(_group_name(first)),)
    return (_picture,)


def _group_name(tag: int) -> str:
    from idverify.chip.lds.files import FileId

    file = FileId.from_tag(tag)
    return file.label if file is not None else f"data object {tag:02X}"


def _known(dotted: str) -> str:
    """An object identifier with its name where it has one."""
    import enum

    from idverify import oids

    for family in vars(oids).values():
        if isinstance(family, type) and issubclass(family, enum.StrEnum) and family is not enum.StrEnum:
            for member in family:
                if member.value == dotted:
                    return f"{member.name.lower().replace('_', '-')} ({dotted})"
    return dotted


def _com(data: bytes) -> Description:
    from idverify.chip.lds.com import EfCom

    com = EfCom.parse(data)
    fields: Fields = {
        "LDS version": com.lds_version,
        "Unicode version": com.unicode_version,
        "data groups": [f.label for f in com.data_groups],
    }
    if com.unknown_tags:
        fields["unknown tags"] = [f"{tag:02X}" for tag in com.unknown_tags]
    return Description("EF.COM", fields, com.problems)


def _dg1(data: bytes) -> Description:
    from idverify.chip.lds.dg1 import DG1

    mrz = DG1.parse(data).mrz
    fields: Fields = {
        "format": mrz.format.name,
        "MRZ": list(mrz.lines),
        "document code": mrz.document_code,
        "issuing state": mrz.issuing_state,
        "document number": mrz.document_number,
        "surname": mrz.surname,
        "given names": mrz.given_names,
        "date of birth": mrz.date_of_birth,
        "sex": mrz.sex,
        "date of expiry": "unlimited" if mrz.unlimited else mrz.date_of_expiry,
        "nationality": mrz.nationality,
        "check digits": "all correct" if mrz.check_digits_ok else "WRONG",
    }
    return Description("DG1, machine readable zone (personal data)", fields, mrz.problems)


def _dg2(data: bytes) -> Description:
    from idverify.chip.lds.dg2 import DG2

    dg2 = DG2.parse(data)
    faces = [
        f"{face.image_format.name} {face.width} x {face.height}, {len(face.image):,} bytes, {len(face.points)} points"
        for face in dg2.faces
    ]
    problems = (*dg2.problems, *(p for face in dg2.faces for p in face.problems))
    return Description("DG2, portrait (personal data)", {"faces": faces}, problems)


def _dg13(data: bytes) -> Description:
    from idverify.chip.lds.dg13_vn import CitizenDetails

    details = CitizenDetails.parse(data)
    shown = [f.name for f in dataclasses.fields(details) if f.name not in ("others", "problems", "raw")]
    fields: Fields = {n.replace("_", " "): getattr(details, n) for n in shown if getattr(details, n) is not None}
    for number, raw in details.others.items():
        fields[f"field {number}"] = raw.hex().upper()
    return Description("DG13 of the Vietnamese citizen card (personal data)", fields, details.problems)


def _infos(infos: SecurityInfos) -> Fields:
    lines = []
    for info in infos.infos:
        more = [
            f"{name.replace('_', ' ')} {getattr(info, name)}"
            for name in ("version", "parameter_id", "key_id", "signature_algorithm", "standardized_id")
            if getattr(info, name, None) is not None
        ]
        key = getattr(info, "public_key", None)
        if isinstance(key, bytes):
            more.append(_key_text(key))
        lines.append(", ".join([type(info).__name__, _known(info.protocol), *more]))
    return {"security infos": lines}


def _key_text(spki: bytes) -> str:
    from idverify.crypto.signature import PublicKey

    try:
        return str(PublicKey.from_spki(spki))
    except IdVerifyError:
        return "a key that this library cannot use"


def _card_access(data: bytes) -> Description:
    from idverify.chip.lds.security_infos import SecurityInfos

    infos = SecurityInfos.parse_card_access(data)
    problems = (f"{infos.trailing} bytes after the end",) if infos.trailing else ()
    return Description("EF.CardAccess, security infos", _infos(infos), problems)


def _dg14(data: bytes) -> Description:
    from idverify.chip.lds.dg14 import DG14

    return Description("DG14, security infos", _infos(DG14.parse(data).security_infos))


def _dg15(data: bytes) -> Description:
    from idverify.chip.lds.dg15 import DG15

    dg15 = DG15.parse(data)
    return Description("DG15, active authentication key", {"key": _key_text(dg15.public_key)})


def _sod(data: bytes) -> Description:
    from idverify.chip.lds.sod import EfSod, SecurityObject
    from idverify.chip.pki.cms import SignedData

    sod = EfSod.parse(data)
    signed = SignedData.parse(sod.cms, what="EF.SOD")
    security_object = SecurityObject.parse(signed.content)
    fields: Fields = {
        "hash algorithm": security_object.hash_algorithm,
        "LDS version": security_object.lds_version,
        "hashes": [f"DG{number:<3} {value.hex()}" for number, value in sorted(security_object.hashes.items())],
        "signers": [_signer(signer) for signer in signed.signers],
        "certificates": [certificate.label for certificate in signed.certificates],
    }
    trailing = (f"{sod.trailing} bytes after the end",) if sod.trailing else ()
    return Description("EF.SOD, document security object", fields, (*trailing, *(d.value for d in signed.deviations)))


def _signer(signer: Any) -> str:
    from idverify.crypto.signature import SignatureAlgorithm

    try:
        algorithm = str(SignatureAlgorithm.parse(signer.algorithm, hint=signer.digest))
    except IdVerifyError:
        algorithm = "unknown algorithm"
    who = signer.issuer.text if signer.issuer is not None else f"key {signer.key_id.hex() if signer.key_id else '?'}"
    return f"{algorithm}, issued by {who}"


def _certificate_fields(certificate: Certificate) -> Fields:
    def guarded(read: Callable[[], Any]) -> str:
        try:
            return str(read())
        except IdVerifyError as error:
            return f"({error})"

    constraints = certificate.basic_constraints
    authority = certificate.authority_key_id
    fields: Fields = {
        "subject": certificate.subject.text,
        "issuer": certificate.issuer.text,
        "serial number": f"{certificate.serial_number:x}",
        "valid": f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}",
        "key": guarded(lambda: certificate.public_key),
        "signature": guarded(lambda: certificate.signature_algorithm),
        "self-signed": guarded(lambda: "yes" if certificate.self_signed else "no"),
    }
    if constraints is not None:
        length = "" if constraints.path_length is None else f", path length {constraints.path_length}"
        fields["authority"] = ("yes" if constraints.ca else "no") + length
    if certificate.key_usage is not None:
        fields["key usage"] = sorted(certificate.key_usage)
    if certificate.document_types is not None:
        fields["document types"] = sorted(certificate.document_types)
    if certificate.subject_key_id is not None:
        fields["subject key"] = certificate.subject_key_id.hex()
    if authority is not None and authority.key_id is not None:
        fields["issuer's key"] = authority.key_id.hex()
    return fields


def _certificate(data: bytes) -> Description:
    from idverify.chip.pki.certificate import Certificate

    certificate = Certificate.parse(data)
    problems = ("a weak key or algorithm",) if certificate.weak else ()
    return Description("X.509 certificate", _certificate_fields(certificate), problems)


def _master_list(data: bytes) -> Description:
    from idverify.chip.pki.master_list import MasterList

    master = MasterList.parse(data)
    fields: Fields = {
        "version": master.version,
        "certificates": len(master.entries),
        "signature": f"{master.verdict.status.value} ({master.verdict.reason.value})",
        "signer": master.verdict.signer.label if master.verdict.signer is not None else None,
    }
    return Description("CSCA master list", fields)


def _cms(data: bytes) -> Description:
    from idverify.chip.pki.cms import SignedData

    signed = SignedData.parse(data)
    fields: Fields = {
        "content": _known(signed.content_type),
        "content size": len(signed.content),
        "signers": [_signer(signer) for signer in signed.signers],
        "certificates": [certificate.label for certificate in signed.certificates],
        "revocation lists": len(signed.crls),
    }
    return Description("CMS signed data", fields, tuple(d.value for d in signed.deviations))


def _face_record(data: bytes) -> Description:
    from idverify.chip.lds.iso19794_5 import FaceRecord

    record = FaceRecord.parse(data)
    faces = [
        f"{face.image_format.name} {face.width} x {face.height}, {len(face.image):,} bytes" for face in record.faces
    ]
    return Description("ISO/IEC 19794-5 face record (personal data)", {"faces": faces}, record.problems)


def _finger_record(data: bytes) -> Description:
    if len(data) < 24:
        raise MalformedDataError("ISO/IEC 19794-2 record: shorter than its header")
    return Description(
        "ISO/IEC 19794-2 finger minutiae record (personal data)",
        {
            "version": data[4:8].rstrip(b"\0").decode("ascii", "replace").strip(),
            "declared length": int.from_bytes(data[8:12], "big"),
        },
    )


def _picture(data: bytes) -> Description:
    from idverify.biometric.codecs import probe_image

    header = probe_image(data)
    return Description("picture", {"format": header.format.value, "size": f"{header.width} x {header.height} pixels"})


def _tree(kind: str) -> Reading:
    """The data objects of a file without a reading of its own, as a tree of tags and lengths."""

    def read(data: bytes) -> Description:
        from idverify._tlv import Tlv, read_tlv

        lines: list[str] = []

        def walk(node: Tlv, depth: int) -> None:
            if len(lines) >= 200:
                return
            lines.append(f"{'  ' * depth}{node.tag:02X}  {len(node.value)} bytes")
            if node.constructed and depth < 8:
                for child in node.children(what=kind):
                    walk(child, depth + 1)

        outer = read_tlv(data, what=kind)
        walk(outer, 0)
        problems = (f"{len(data) - len(outer.raw)} bytes after the end",) if len(outer.raw) < len(data) else ()
        return Description(kind, {"data objects": lines}, problems)

    return read


def digest(data: bytes) -> str:
    """SHA-256 of the file, hexadecimal."""
    return hashlib.sha256(data).hexdigest()
