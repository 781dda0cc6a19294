"""Certificate revocation lists (RFC 5280 §5; ICAO 9303-12 §7.2)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self

from asn1crypto import core, x509

from idverify import _asn1, _tlv
from idverify.chip.pki.names import Name
from idverify.crypto import signature as sig
from idverify.crypto.signature import AlgorithmId, PublicKey, SignatureAlgorithm
from idverify.errors import MalformedDataError
from idverify.oids import Extension

MAX_REVOKED: Final = 200_000


class _Extension(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012 - asn1crypto's way
        ("oid", core.ObjectIdentifier),
        ("critical", core.Boolean, {"default": False}),
        ("value", core.OctetString),
    ]


class _Extensions(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Extension


class _Revoked(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("serial", core.Integer),
        ("date", x509.Time),
        ("extensions", _Extensions, {"optional": True}),
    ]


class _RevokedList(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Revoked


class _Tbs(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer, {"optional": True}),
        ("signature", AlgorithmId),
        ("issuer", core.Any),
        ("this_update", x509.Time),
        ("next_update", x509.Time, {"optional": True}),
        ("revoked", _RevokedList, {"optional": True}),
        ("extensions", _Extensions, {"explicit": 0, "optional": True}),
    ]


class _List(core.Sequence):  # type: ignore[misc]
    _fields = [("tbs", _Tbs), ("algorithm", AlgorithmId), ("signature", core.BitString)]  # noqa: RUF012


_REASONS: Final = {
    0: "unspecified",
    1: "key-compromise",
    2: "ca-compromise",
    3: "affiliation-changed",
    4: "superseded",
    5: "cessation-of-operation",
    6: "certificate-hold",
    8: "remove-from-crl",
    9: "privilege-withdrawn",
    10: "aa-compromise",
}


@dataclass(frozen=True, slots=True)
class RevokedCertificate:
    """One line of a revocation list.

    Attributes:
        date: when it was revoked.
        reason: reason code in the words of RFC 5280 §5.3.1, or None.
    """

    date: datetime
    reason: str | None


@dataclass(frozen=True)
class RevocationList:
    """A CRL as read; nothing is verified.

    Attributes:
        der: the bytes as read.
        tbs: the signed part.
        issuer: who issued it.
        this_update: when.
        next_update: when the next one is due; None where it does not say.
        authority_key_id: identifier of the issuer's key, or None.
        number: CRL number, or None.
        revoked: serial number to what is said of it.
        unknown_critical: dotted identifiers of critical extensions that are not handled: such a list cannot clear
            anybody (RFC 5280 §5.2).
    """

    der: bytes = field(repr=False)
    tbs: bytes = field(repr=False)
    issuer: Name
    this_update: datetime
    next_update: datetime | None
    authority_key_id: bytes | None
    number: int | None
    revoked: Mapping[int, RevokedCertificate] = field(repr=False)
    unknown_critical: frozenset[str]
    signature: bytes = field(repr=False)
    algorithm: bytes = field(repr=False)

    @classmethod
    def parse(cls, der: bytes) -> Self:
        """Read a CRL.

        Raises:
            MalformedDataError: no CRL, or more than :data:`MAX_REVOKED` lines.
        """
        what = "certificate revocation list"
        value = _asn1.load(_List, der, what=what, max_elements=_asn1.MAX_LIST_ELEMENTS)
        with _asn1.guard(what):
            tbs = value["tbs"]
            if _asn1.raw(value["algorithm"], what=what) != _asn1.raw(tbs["signature"], what=what):  # RFC 5280 §5.1.1.2
                raise MalformedDataError(f"{what}: the signed and the unsigned signature algorithm differ")
            revoked: dict[int, RevokedCertificate] = {}
            if _asn1.present(tbs["revoked"]):
                if len(tbs["revoked"]) > MAX_REVOKED:
                    raise MalformedDataError(f"{what}: more than {MAX_REVOKED} lines")
                for line in tbs["revoked"]:
                    revoked[int(line["serial"].native)] = RevokedCertificate(
                        _time(line["date"]), _reason(line["extensions"])
                    )
            extensions = _extensions(tbs["extensions"])
            bits = bytes(value["signature"].contents or b"")
            return cls(
                der=bytes(der),
                tbs=_asn1.raw(tbs, what=what),
                issuer=Name.parse(_asn1.raw(tbs["issuer"], what=what)),
                this_update=_time(tbs["this_update"]),
                next_update=_time(tbs["next_update"]) if _asn1.present(tbs["next_update"]) else None,
                authority_key_id=_key_id(extensions),
                number=_number(extensions),
                revoked=revoked,
                unknown_critical=frozenset(
                    oid
                    for oid, (critical, _) in extensions.items()
                    if critical and oid not in (Extension.AUTHORITY_KEY_IDENTIFIER, Extension.CRL_NUMBER)
                ),
                signature=bits[1:],
                algorithm=_asn1.raw(value["algorithm"], what=what),
            )

    @functools.cached_property
    def signature_algorithm(self) -> SignatureAlgorithm:
        """The algorithm of the issuer's signature.

        Raises:
            MalformedDataError, UnsupportedAlgorithmError
        """
        return SignatureAlgorithm.parse(self.algorithm, what="revocation list's signature algorithm")

    def verify(self, issuer_key: PublicKey) -> bool:
        """Whether the list's signature verifies under ``issuer_key``.

        Raises:
            MalformedDataError, UnsupportedAlgorithmError
        """
        return sig.verify(issuer_key, self.signature_algorithm, self.signature, self.tbs)

    def __hash__(self) -> int:
        return hash(self.der)


def _time(value: Any) -> datetime:
    moment = value.native
    if not isinstance(moment, datetime):
        raise MalformedDataError("certificate revocation list: a time that no calendar has")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _extensions(value: Any) -> dict[str, tuple[bool, bytes]]:
    if not _asn1.present(value):
        return {}
    return {item["oid"].dotted: (bool(item["critical"].native), bytes(item["value"].native)) for item in value}


def _reason(value: Any) -> str | None:
    found = _extensions(value).get(Extension.REASON_CODE)
    if found is None:
        return None
    value = _tlv.parse(found[1], 0x0A, what="reason code").value
    return _REASONS.get(value[0] if len(value) == 1 else -1, "unknown")


def _key_id(extensions: Mapping[str, tuple[bool, bytes]]) -> bytes | None:
    found = extensions.get(Extension.AUTHORITY_KEY_IDENTIFIER)
    if found is None:
        return None
    try:
        value = _asn1.native(_asn1.load(x509.AuthorityKeyIdentifier, found[1], what="key id"), what="key id")
    except MalformedDataError:
        return None
    key_id: bytes | None = value["key_identifier"]
    return key_id


def _number(extensions: Mapping[str, tuple[bool, bytes]]) -> int | None:
    found = extensions.get(Extension.CRL_NUMBER)
    if found is None:
        return None
    try:
        return int(_asn1.native(_asn1.load(core.Integer, found[1], what="CRL number"), what="CRL number"))
    except MalformedDataError:
        return None
