"""What ``idverify inspect`` knows: bytes in, a kind and labelled lines out."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from idverify.errors import IdVerifyError, MalformedDataError, UnsupportedAlgorithmError

if TYPE_CHECKING:
    from idverify.chip.pki.certificate import Certificate

Fields = dict[str, Any]
_UNSHOWN = "a secret of its owner: nothing of it is shown here"
_MOST_LINES = 200
_DEEPEST = 8
_OID = re.compile(r"\b\d+(?:\.\d+){5,}\b")
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


def describe(data: bytes) -> Description:
    """The first reading of the bytes that succeeds.

    Raises:
        MalformedDataError: nothing that the library knows; the message says what came closest.
    """
    if not data:
        raise MalformedDataError("the file is empty")
    from idverify.cli import _known_keys

    secret = _known_keys.private_pem(data)
    if secret is not None:
        return Description(*secret, problems=(_UNSHOWN,))
    data = unpacked(data)
    first: IdVerifyError | None = None
    for reading in _readings(data):
        try:
            found = reading(data)
        except (MalformedDataError, UnsupportedAlgorithmError) as error:
            first = first or error
        else:
            more = (str(first),) if first is not None and reading in (_tree, _unread_sod) else ()
            return dataclasses.replace(found, problems=(*found.problems, *more))
    raise MalformedDataError(str(first))


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


def _readings(data: bytes) -> tuple[Reading, ...]:
    if data[:1] == b"\x30":
        return (_certificate, _master_list, _deviation_list, _cms, _crl, _private_key, _public_key, _tree)
    if data[:1] == b"\x77":
        return (_sod, _unread_sod, _tree)
    if data[:2] == b"\x7f\x21":
        return (_cv_certificate, _file, _tree)
    if data[:1] and (0x60 <= data[0] <= 0x7F or data[0] == 0x31):
        return (_file, _tree)
    return (_file, _picture)


def _file(data: bytes) -> Description:
    """A file of the chip or a biometric record; its personal data is revealed: the caller asked to see it."""
    from idverify._secret import Secret
    from idverify.chip.lds import describe as lds

    found = lds.describe(data)
    fields: Fields = {}
    for label, text in found.lines:
        value = text.reveal() if isinstance(text, Secret) else _OID.sub(lambda match: _known(match[0]), text)
        if label not in fields:
            fields[label] = value
        else:
            before = fields[label]
            fields[label] = [*(before if isinstance(before, list) else [before]), value]
    fields |= _keys(data)
    return Description(found.kind + (" (personal data)" if found.personal else ""), fields, found.problems)


def _keys(data: bytes) -> Fields:
    """The public keys of DG14 and DG15 in words."""
    from idverify.chip.lds.dg14 import DG14
    from idverify.chip.lds.dg15 import DG15
    from idverify.cli._known_keys import key_text

    if data[:1] == b"\x6f":
        return {"key": key_text(DG15.parse(data).public_key)}
    if data[:1] == b"\x6e":
        keys = DG14.parse(data).security_infos.chip_authentication_keys
        return {"keys": [key_text(info.public_key) for info in keys]} if keys else {}
    return {}


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


def _unread_sod(data: bytes) -> Description:
    """An EF.SOD that does not read as one: what lies around the place where it breaks."""
    from idverify.chip.lds.sod import EfSod
    from idverify.chip.pki.cms import SignedData

    signed = SignedData.parse(EfSod.parse(data).cms, what="EF.SOD")
    fields: Fields = {
        "content": _known(signed.content_type),
        "signers": [_signer(signer) for signer in signed.signers],
        "certificates": [certificate.label for certificate in signed.certificates],
    }
    tree = _tree(data)
    problems = (*tree.problems, *(d.value for d in signed.deviations))
    return Description(tree.kind, fields | tree.fields, problems)


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


def _crl(data: bytes) -> Description:
    from idverify.chip.pki.crl import RevocationList

    crl = RevocationList.parse(data)
    until = f"{crl.next_update:%Y-%m-%d}" if crl.next_update is not None else "not said"
    fields: Fields = {
        "issuer": crl.issuer.text,
        "this update": f"{crl.this_update:%Y-%m-%d}",
        "next update": until,
        "revoked": len(crl.revoked),
    }
    return Description("certificate revocation list", fields)


def _deviation_list(data: bytes) -> Description:
    from idverify.chip.pki.deviations import DeviationList

    found = DeviationList.parse(data)
    fields: Fields = {"country": found.country, "deviations": len(found.deviations)}
    return Description("deviation list", fields)


def _cv_certificate(data: bytes) -> Description:
    from idverify.chip.pki.cvc import CvCertificate

    certificate = CvCertificate.parse(data)
    fields: Fields = {
        "authority": certificate.authority_reference,
        "holder": certificate.holder_reference,
        "role": certificate.chat.role.name.lower().replace("_", " "),
        "valid": f"{certificate.effective} to {certificate.expires}",
        "key": _known(certificate.public_key.oid),
    }
    return Description("CV certificate", fields)


def _private_key(data: bytes) -> Description:
    from idverify.cli import _known_keys

    return Description(*_known_keys.private_key(data), problems=(_UNSHOWN,))


def _public_key(data: bytes) -> Description:
    from idverify.cli import _known_keys

    return Description(*_known_keys.public_key(data))


def _picture(data: bytes) -> Description:
    from idverify.biometric.codecs import probe_image

    header = probe_image(data)
    return Description("picture", {"format": header.format.value, "size": f"{header.width} x {header.height} pixels"})


def _tree(data: bytes) -> Description:
    """The data objects of a file that nothing else reads, as a tree of tags and lengths."""
    from idverify._tlv import Tlv, read_tlv
    from idverify.chip.lds.files import FileId

    what, lines = "data objects", list[str]()

    def walk(node: Tlv, depth: int) -> None:
        if len(lines) >= _MOST_LINES:
            return
        lines.append(f"{'  ' * depth}{node.tag:02X}  {len(node.value)} bytes")
        if node.constructed and depth < _DEEPEST:
            try:
                children = list(node.children(what=what))
            except MalformedDataError as error:
                lines.append(f"{'  ' * (depth + 1)}({error})")
                return
            for child in children:
                walk(child, depth + 1)

    outer = read_tlv(data, what=what)
    walk(outer, 0)
    problems = (f"{len(data) - len(outer.raw)} bytes after the end",) if len(outer.raw) < len(data) else ()
    label = next((f.label for f in FileId if f.tag == outer.tag and f.in_application), None)
    kind = f"looks like {label}, but does not read as one" if label else "data objects without a reading of their own"
    return Description(kind, {"tags and lengths": lines}, problems)


def digest(data: bytes) -> str:
    """SHA-256 of the file, hexadecimal."""
    return hashlib.sha256(data).hexdigest()
