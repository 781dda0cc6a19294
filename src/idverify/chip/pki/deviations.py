"""Known defects of documents: deviation lists (ICAO 9303-12 §10) and defect lists (BSI TR-03129 appendix A).

A list says which documents of which signer have which defect. It can take trust away (a revoked signer, a compromised
chip key) and explain a failure (a group whose hash was wrong from the beginning); it never makes a failed check a
successful one.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self

from asn1crypto import core

from idverify import _asn1, _tlv
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.cms import SignedData, Verdict
from idverify.chip.pki.names import Name
from idverify.crypto.signature import AlgorithmId
from idverify.errors import MalformedDataError
from idverify.oids import Bsi, Icao

MAX_DEVIATIONS: Final = 20_000


class Defect(enum.StrEnum):
    """What is wrong, in stable words."""

    DS_SIGNATURE = "ds-signature"
    DS_ENCODING = "ds-encoding"
    CSCA_ENCODING = "csca-encoding"
    AA_KEY_COMPROMISED = "active-authentication-key-compromised"
    CA_KEY_COMPROMISED = "chip-authentication-key-compromised"
    KEY_OTHER = "certificate-or-key"
    DG_MALFORMED = "data-group-malformed"
    DG_HASH_WRONG = "data-group-hash-wrong"
    SOD_SIGNATURE_WRONG = "sod-signature-wrong"
    SOD_INVALID = "sod-invalid"
    COM_INCONSISTENT = "com-inconsistent"
    LDS_OTHER = "lds"
    MRZ_WRONG_DATA = "mrz-wrong-data"
    MRZ_WRONG_CHECK_DIGIT = "mrz-wrong-check-digit"
    MRZ_OTHER = "mrz"
    CHIP = "chip"
    NATIONAL_USE = "national-use"
    SIGNER_REVOKED = "signer-revoked"
    SIGNER_REPLACED = "signer-replaced"
    EID_DG_MALFORMED = "eid-data-group-malformed"
    EID_INTEGRITY = "eid-integrity"
    CARD_SECURITY_MALFORMED = "card-security-malformed"
    CHIP_SECURITY_MALFORMED = "chip-security-malformed"
    POWER_DOWN_REQUIRED = "power-down-required"
    UNKNOWN = "unknown"


_DEFECTS: Final[dict[str, Defect]] = {
    # ICAO 9303-12 §10.2
    f"{Icao.DEVIATION_LIST}.1": Defect.KEY_OTHER,
    f"{Icao.DEVIATION_LIST}.1.1": Defect.DS_SIGNATURE,
    f"{Icao.DEVIATION_LIST}.1.2": Defect.DS_ENCODING,
    f"{Icao.DEVIATION_LIST}.1.3": Defect.CSCA_ENCODING,
    f"{Icao.DEVIATION_LIST}.1.4": Defect.AA_KEY_COMPROMISED,
    f"{Icao.DEVIATION_LIST}.2": Defect.LDS_OTHER,
    f"{Icao.DEVIATION_LIST}.2.1": Defect.DG_MALFORMED,
    f"{Icao.DEVIATION_LIST}.2.2": Defect.DG_HASH_WRONG,
    f"{Icao.DEVIATION_LIST}.2.3": Defect.SOD_SIGNATURE_WRONG,
    f"{Icao.DEVIATION_LIST}.2.4": Defect.COM_INCONSISTENT,
    f"{Icao.DEVIATION_LIST}.3": Defect.MRZ_OTHER,
    f"{Icao.DEVIATION_LIST}.3.1": Defect.MRZ_WRONG_DATA,
    f"{Icao.DEVIATION_LIST}.3.2": Defect.MRZ_WRONG_CHECK_DIGIT,
    f"{Icao.DEVIATION_LIST}.4": Defect.CHIP,
    f"{Icao.DEVIATION_LIST}.5": Defect.NATIONAL_USE,
    # BSI TR-03129 A.1
    f"{Bsi.DEFECT_LIST}.1.1": Defect.SIGNER_REVOKED,
    f"{Bsi.DEFECT_LIST}.1.2": Defect.SIGNER_REPLACED,
    f"{Bsi.DEFECT_LIST}.1.3": Defect.CA_KEY_COMPROMISED,
    f"{Bsi.DEFECT_LIST}.1.4": Defect.AA_KEY_COMPROMISED,
    f"{Bsi.DEFECT_LIST}.2.1": Defect.DG_MALFORMED,
    f"{Bsi.DEFECT_LIST}.2.2": Defect.SOD_INVALID,
    f"{Bsi.DEFECT_LIST}.3.1": Defect.EID_DG_MALFORMED,
    f"{Bsi.DEFECT_LIST}.3.2": Defect.EID_INTEGRITY,
    f"{Bsi.DEFECT_LIST}.4.1": Defect.CARD_SECURITY_MALFORMED,
    f"{Bsi.DEFECT_LIST}.4.2": Defect.CHIP_SECURITY_MALFORMED,
    f"{Bsi.DEFECT_LIST}.4.3": Defect.POWER_DOWN_REQUIRED,
}


class _AnySet(core.SetOf):  # type: ignore[misc]
    _child_spec = core.Any


class _IssuerAndSerial(core.Sequence):  # type: ignore[misc]
    _fields = [("issuer", core.Any), ("serial", core.Integer)]  # noqa: RUF012 - asn1crypto's way


class _Period(core.Sequence):  # type: ignore[misc]
    _fields = [("first", core.GeneralizedTime), ("last", core.GeneralizedTime)]  # noqa: RUF012


class _DeviationList(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("algorithm", AlgorithmId, {"optional": True}),
        ("deviations", _AnySet),
    ]


class _DefectList(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("algorithm", core.ObjectIdentifier),
        ("defects", _AnySet),
    ]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which documents are meant; what is given must hold altogether (ICAO 9303-12 §10.2).

    Attributes:
        document_type: document code of the MRZ without fillers, or None.
        issuer, serial_number: the document signer's certificate, or None.
        key_id: its subject key identifier, or None.
        certificate_digest: hash of its certificate, or None.
        period: first and last moment of issue, or None.
        numbers: encodings of the document numbers one behind the other, or None for all.
    """

    document_type: str | None = None
    issuer: Name | None = None
    serial_number: int | None = None
    key_id: bytes | None = None
    certificate_digest: bytes | None = None
    period: tuple[datetime, datetime] | None = None
    numbers: bytes | None = field(default=None, repr=False)

    def covers(
        self,
        signer: Certificate,
        *,
        document_type: str | None = None,
        document_number: str | None = None,
        issued: datetime | None = None,
    ) -> bool:
        """Whether a document falls under this scope; what is not known of the document does not fall under it."""
        if self.issuer is not None and not (
            signer.issuer.matches(self.issuer) and signer.serial_number == self.serial_number
        ):
            return False
        if self.key_id is not None and signer.subject_key_id != self.key_id:
            return False
        if self.certificate_digest is not None and self.certificate_digest not in _digests(signer.der):
            return False
        if self.document_type is not None and document_type != self.document_type:
            return False
        if self.period is not None and (issued is None or not self.period[0] <= issued <= self.period[1]):
            return False
        return self.numbers is None or (document_number is not None and self._lists(document_number))

    def _lists(self, number: str) -> bool:
        # a list may hold hundreds of thousands of numbers: they are searched as they are encoded, tag and length
        # included; neither byte is a character of a document number, so no other place can fit
        needle = _tlv.encode(0x13, number.encode("ascii", "replace"))
        return self.numbers is not None and needle in self.numbers


@dataclass(frozen=True, slots=True)
class KnownDeviation:
    """One defect of the documents in a scope.

    Attributes:
        defect: what is wrong.
        oid: its dotted identifier, for those that are not known here.
        groups: data groups (1 … 16, 20 for EF.SOD, 21 for EF.COM) that it is about.
        scope: the documents.
        text: the issuer's words, or None.
    """

    defect: Defect
    oid: str
    groups: tuple[int, ...]
    scope: Scope
    text: str | None = None


@dataclass(frozen=True, slots=True)
class DeviationList:
    """A deviation list or defect list as read.

    Attributes:
        content_type: dotted content type: ICAO's or BSI's.
        deviations: its lines; lines that cannot be read are left out and counted in ``unreadable``.
        unreadable: number of such lines.
        signed: the CMS structure.
        verdict: whether the list's signature verifies under the certificate that it brings.
    """

    content_type: str
    deviations: tuple[KnownDeviation, ...] = field(repr=False)
    unreadable: int
    signed: SignedData = field(repr=False)
    verdict: Verdict

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a list and verify its own signature.

        Raises:
            MalformedDataError: neither of the two kinds of list.
        """
        return cls.from_signed(SignedData.parse(raw, what="deviation list", allow_trailing=True))

    @classmethod
    def from_signed(cls, signed: SignedData) -> Self:
        """The list inside a SignedData that was read already.

        Raises:
            MalformedDataError: its content is none of the two, or has more than :data:`MAX_DEVIATIONS` lines.
        """
        if signed.content_type == Icao.DEVIATION_LIST:
            spec, field_name, read = _DeviationList, "deviations", _read_deviation
        elif signed.content_type == Bsi.DEFECT_LIST:
            spec, field_name, read = _DefectList, "defects", _read_defect
        else:
            raise MalformedDataError("deviation list: the content is of another type")
        what = "deviation list"
        value: Any = _asn1.load(spec, signed.content, what=what, max_elements=_asn1.MAX_LIST_ELEMENTS)
        with _asn1.guard(what):
            if len(value[field_name]) > MAX_DEVIATIONS:
                raise MalformedDataError(f"{what}: more than {MAX_DEVIATIONS} lines")
            lines = [_asn1.raw(item, what=what) for item in value[field_name]]
        found: list[KnownDeviation] = []
        unreadable = 0
        for line in lines:
            try:
                found += read(line)
            except MalformedDataError:
                unreadable += 1
        verdict = signed.verify({signed.content_type})
        return cls(signed.content_type, tuple(found), unreadable, signed, verdict)

    @property
    def country(self) -> str | None:
        """Country of the list's signer."""
        return self.verdict.signer.country if self.verdict.signer else None

    def applying(
        self,
        signer: Certificate,
        *,
        document_type: str | None = None,
        document_number: str | None = None,
        issued: datetime | None = None,
    ) -> tuple[KnownDeviation, ...]:
        """The lines that concern a document.

        A deviation list speaks of the documents of its own state only; a defect list always names the signer.
        """
        if self.content_type == Icao.DEVIATION_LIST and self.country != (signer.country or signer.issuer.country):
            return ()
        return tuple(
            d
            for d in self.deviations
            if d.scope.covers(signer, document_type=document_type, document_number=document_number, issued=issued)
        )


def find(
    lists: Iterable[DeviationList],
    signer: Certificate,
    *,
    document_type: str | None = None,
    document_number: str | None = None,
    issued: datetime | None = None,
) -> tuple[KnownDeviation, ...]:
    """The lines of all lists that concern a document."""
    return tuple(
        deviation
        for item in lists
        for deviation in item.applying(
            signer, document_type=document_type, document_number=document_number, issued=issued
        )
    )


def _read_deviation(raw: bytes) -> Sequence[KnownDeviation]:
    """Deviation ::= SEQUENCE { documents, descriptions SET OF } (ICAO 9303-12 §10.2)."""
    what = "deviation"
    parts = _tlv.parse(raw, 0x30, what=what).children(what=what)
    if len(parts) != 2 or parts[0].tag != 0x30 or parts[1].tag != 0x31:
        raise MalformedDataError(f"{what}: expected documents and descriptions")
    scope = _read_scope(parts[0])
    found = []
    for description in parts[1].children(what=what):
        fields = description.children(what=what)
        text = next((_text(f.value) for f in fields if f.tag == 0x13), None)
        oid = next((_oid(f.raw) for f in fields if f.tag == 0x06), "")
        parameters = next((f.value for f in fields if f.tag in (0xA0, 0x80)), b"")
        found.append(KnownDeviation(_DEFECTS.get(oid, Defect.UNKNOWN), oid, _groups(parameters), scope, text))
    return found


def _read_scope(documents: _tlv.Tlv) -> Scope:
    what = "deviation's documents"
    fields: dict[str, Any] = {}
    for part in documents.children(what=what):
        if part.tag == 0x80:
            fields["document_type"] = _text(part.value).rstrip("<")
        elif part.tag == 0xA1:
            fields |= _signer(_tlv.encode(0x30, part.value))
        elif part.tag == 0x82:
            fields["key_id"] = part.value
        elif part.tag in (0x83, 0xA3):
            inner = part.value if part.tag == 0x83 else part.children(what=what)[-1].value
            fields["certificate_digest"] = inner
        elif part.tag == 0xA4:
            period = _asn1.load(_Period, _tlv.encode(0x30, part.value), what=what)
            with _asn1.guard(what):
                fields["period"] = (_utc(period["first"].native), _utc(period["last"].native))
        elif part.tag == 0xA5:
            fields["numbers"] = part.value
        else:
            raise MalformedDataError(f"{what}: an unknown criterion")  # ignoring it would widen the scope
    return Scope(**fields)


def _read_defect(raw: bytes) -> Sequence[KnownDeviation]:
    """Defect ::= SEQUENCE { signerIdentifier, certificateHash OPTIONAL, knownDefects SET OF } (TR-03129 A.1)."""
    what = "defect"
    fields: dict[str, Any] = {}
    found = []
    for part in _tlv.parse(raw, 0x30, what=what).children(what=what):
        if part.tag == 0x30:
            fields |= _signer(part.raw)
        elif part.tag == 0x80:
            fields["key_id"] = part.value
        elif part.tag == 0x04:
            fields["certificate_digest"] = part.value
        elif part.tag == 0x31:
            for known in part.children(what=what):
                members = known.children(what=what)
                oid = _oid(members[0].raw) if members else ""
                groups = _groups(members[1].raw) if len(members) > 1 else ()
                found.append((_DEFECTS.get(oid, Defect.UNKNOWN), oid, groups))
    if not fields:
        raise MalformedDataError(f"{what}: no signer is named")
    scope = Scope(**fields)
    return [KnownDeviation(defect, oid, groups, scope) for defect, oid, groups in found]


def _signer(raw: bytes) -> dict[str, Any]:
    what = "document signer identifier"
    value = _asn1.load(_IssuerAndSerial, raw, what=what)
    with _asn1.guard(what):
        return {
            "issuer": Name.parse(_asn1.raw(value["issuer"], what=what)),
            "serial_number": int(value["serial"].native),
        }


def _groups(parameters: bytes) -> tuple[int, ...]:
    """INTEGERs among the parameters: a data group, or a set of them."""
    try:
        found = []
        for item in _tlv.iter_tlv(parameters, what="parameters"):
            if item.tag == 0x02:
                found.append(int.from_bytes(item.value[:4], "big"))
            elif item.tag in (0x30, 0x31):
                found += _groups(item.value)
        return tuple(g for g in found if 1 <= g <= 21)
    except MalformedDataError:
        # an implicitly tagged INTEGER has no tag of its own
        return (parameters[0],) if len(parameters) == 1 and 1 <= parameters[0] <= 21 else ()


def _oid(raw: bytes) -> str:
    value = _asn1.load(core.ObjectIdentifier, raw, what="deviation type")
    with _asn1.guard("deviation type"):
        return str(value.dotted)


def _text(raw: bytes) -> str:
    text = raw[:2000].decode("ascii", "replace")
    return "".join(c if c.isprintable() else " " for c in text)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _digests(data: bytes) -> tuple[bytes, ...]:
    names = ("sha1", "sha224", "sha256", "sha384", "sha512")
    return tuple(hashlib.new(n, data, usedforsecurity=False).digest() for n in names)
