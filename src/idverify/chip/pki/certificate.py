"""X.509 certificates as countries really issue them (RFC 5280 §4; ICAO 9303-12 §7.1).

cryptography's own certificate type refuses explicit curve parameters, and with them fifteen countries. Here the
structure is read leniently (odd DER is no reason to reject an honest document), every byte is kept, and nothing is
verified while parsing.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from asn1crypto import core, x509

from idverify import _asn1, _tlv
from idverify.chip.pki.names import Name
from idverify.crypto import signature as sig
from idverify.crypto.signature import AlgorithmId, PublicKey, SignatureAlgorithm
from idverify.errors import IdVerifyError, MalformedDataError
from idverify.oids import Extension, Icao, NameAttribute

MAX_CERTIFICATE_BYTES: Final = 64 * 1024

_T = TypeVar("_T")


class _Extension(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012 - asn1crypto's way
        ("oid", core.ObjectIdentifier),
        ("critical", core.Boolean, {"default": False}),
        ("value", core.OctetString),
    ]


class _Extensions(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Extension


class _Validity(core.Sequence):  # type: ignore[misc]
    _fields = [("not_before", x509.Time), ("not_after", x509.Time)]  # noqa: RUF012


class _Tbs(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer, {"explicit": 0, "default": 0}),
        ("serial", core.Integer),
        ("signature", AlgorithmId),
        ("issuer", core.Any),
        ("validity", _Validity),
        ("subject", core.Any),
        ("key", core.Any),
        ("issuer_id", core.BitString, {"implicit": 1, "optional": True}),
        ("subject_id", core.BitString, {"implicit": 2, "optional": True}),
        ("extensions", _Extensions, {"explicit": 3, "optional": True}),
    ]


class _Certificate(core.Sequence):  # type: ignore[misc]
    _fields = [("tbs", _Tbs), ("algorithm", AlgorithmId), ("signature", core.BitString)]  # noqa: RUF012


class _DocumentTypes(core.SetOf):  # type: ignore[misc]
    _child_spec = core.PrintableString


class _DocumentTypeList(core.Sequence):  # type: ignore[misc]
    """DocumentTypeListSyntax (ICAO 9303-12 §7.1.1.6)."""

    _fields = [("version", core.Integer), ("types", _DocumentTypes)]  # noqa: RUF012


class _UsagePeriod(core.Sequence):  # type: ignore[misc]
    """PrivateKeyUsagePeriod (RFC 3280 §4.2.1.4)."""

    _fields = [  # noqa: RUF012
        ("not_before", core.GeneralizedTime, {"implicit": 0, "optional": True}),
        ("not_after", core.GeneralizedTime, {"implicit": 1, "optional": True}),
    ]


@dataclass(frozen=True, slots=True)
class BasicConstraints:
    """Basic constraints (RFC 5280 §4.2.1.9)."""

    ca: bool
    path_length: int | None


@dataclass(frozen=True, slots=True)
class AuthorityKeyId:
    """Authority key identifier (RFC 5280 §4.2.1.1)."""

    key_id: bytes | None
    serial_number: int | None


class Certificate:
    """One certificate; immutable, compared by its bytes.

    Attributes:
        der: the bytes as read.
        tbs: the signed part as read.
        version: 1 … 3.
        serial_number: serial number; zero and negative ones occur.
        issuer, subject: the names.
        not_before, not_after: validity, time zone aware.
        signature: the signature value.
    """

    __slots__ = (
        "__dict__",
        "_algorithm",
        "_extensions",
        "_key",
        "der",
        "issuer",
        "not_after",
        "not_before",
        "serial_number",
        "signature",
        "subject",
        "tbs",
        "version",
    )

    def __init__(self, der: bytes) -> None:
        """See :meth:`parse`."""
        what = "certificate"
        if len(der) > MAX_CERTIFICATE_BYTES:
            raise MalformedDataError(f"{what}: {len(der)} bytes are beyond the cap of {MAX_CERTIFICATE_BYTES}")
        value = _asn1.load(_Certificate, der, what=what)
        with _asn1.guard(what):
            tbs = value["tbs"]
            self.der: Final = der
            self.tbs: Final[bytes] = _asn1.raw(tbs, what=what)
            self.version: Final[int] = int(tbs["version"].native) + 1
            self.serial_number: Final[int] = int(tbs["serial"].native)
            self.issuer: Final = Name.parse(_asn1.raw(tbs["issuer"], what=what))
            self.subject: Final = Name.parse(_asn1.raw(tbs["subject"], what=what))
            self.not_before: Final = _time(tbs["validity"]["not_before"])
            self.not_after: Final = _time(tbs["validity"]["not_after"])
            self._key: Final[bytes] = _asn1.raw(tbs["key"], what=what)
            self._algorithm: Final[bytes] = _asn1.raw(value["algorithm"], what=what)
            if self._algorithm != _asn1.raw(tbs["signature"], what=what):  # RFC 5280 §4.1.1.2
                raise MalformedDataError(f"{what}: the signed and the unsigned signature algorithm differ")
            bits = bytes(value["signature"].contents or b"")
            self._extensions: Final[dict[str, tuple[bool, bytes]]] = {}
            if _asn1.present(tbs["extensions"]):
                for extension in tbs["extensions"]:
                    self._extensions.setdefault(
                        extension["oid"].dotted, (bool(extension["critical"].native), bytes(extension["value"].native))
                    )
        if bits[:1] != b"\x00":
            raise MalformedDataError(f"{what}: the signature is no whole number of bytes")
        self.signature: Final = bits[1:]

    @classmethod
    def parse(cls, der: bytes) -> Certificate:
        """Read a certificate; verifies nothing.

        Raises:
            MalformedDataError: not a certificate.
        """
        return cls(bytes(der))

    @functools.cached_property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate."""
        return hashlib.sha256(self.der).digest()

    @functools.cached_property
    def public_key(self) -> PublicKey:
        """The subject's key.

        Raises:
            MalformedDataError, UnsupportedAlgorithmError
        """
        return PublicKey.from_spki(self._key, what="certificate's public key")

    @functools.cached_property
    def signature_algorithm(self) -> SignatureAlgorithm:
        """The algorithm of the issuer's signature.

        Raises:
            MalformedDataError, UnsupportedAlgorithmError
        """
        return SignatureAlgorithm.parse(self._algorithm, what="certificate's signature algorithm")

    @property
    def public_key_info(self) -> bytes:
        """The SubjectPublicKeyInfo as read."""
        return self._key

    @functools.cached_property
    def public_key_bits_sha1(self) -> bytes:
        """SHA-1 of the key's BIT STRING contents: the usual subject key identifier (RFC 5280 §4.2.1.2, method 1)."""
        what = "certificate's public key"
        value = _asn1.load(core.Sequence, self._key, what=what)
        with _asn1.guard(what):
            contents = bytes(value[1].contents or b"")
        return sig.digest("sha1", contents[1:])

    def _extension(self, oid: Extension | str, read: Callable[[bytes], _T]) -> _T | None:
        """A decoded extension; None where it is absent or cannot be read."""
        found = self._extensions.get(str(oid))
        if found is None:
            return None
        try:
            return read(found[1])
        except IdVerifyError:
            return None

    @property
    def critical_extensions(self) -> frozenset[str]:
        """Dotted identifiers of the extensions that are marked critical."""
        return frozenset(oid for oid, (critical, _) in self._extensions.items() if critical)

    @functools.cached_property
    def unreadable_extensions(self) -> frozenset[str]:
        """Dotted identifiers of the known extensions whose content cannot be decoded; their properties are None."""
        read = {
            Extension.SUBJECT_KEY_IDENTIFIER: self.subject_key_id,
            Extension.AUTHORITY_KEY_IDENTIFIER: self.authority_key_id,
            Extension.KEY_USAGE: self.key_usage,
            Extension.EXTENDED_KEY_USAGE: self.extended_key_usage,
            Extension.BASIC_CONSTRAINTS: self.basic_constraints,
            Extension.PRIVATE_KEY_USAGE_PERIOD: self.private_key_usage,
        }
        return frozenset(str(oid) for oid, value in read.items() if value is None and str(oid) in self._extensions)

    @property
    def changes_name(self) -> bool:
        """Whether it says that the authority took another name (NameChange, ICAO 9303-12 §7.1.1)."""
        return str(Icao.NAME_CHANGE) in self._extensions

    @functools.cached_property
    def subject_key_id(self) -> bytes | None:
        """Subject key identifier, or None (RFC 5280 §4.2.1.2)."""
        return self._extension(Extension.SUBJECT_KEY_IDENTIFIER, _octets)

    @functools.cached_property
    def authority_key_id(self) -> AuthorityKeyId | None:
        """Authority key identifier, or None."""
        return self._extension(Extension.AUTHORITY_KEY_IDENTIFIER, _authority)

    @functools.cached_property
    def key_usage(self) -> frozenset[str] | None:
        """Key usage as RFC 5280 §4.2.1.3 names it (``digital_signature``, ``key_cert_sign`` …), or None."""
        return self._extension(Extension.KEY_USAGE, _key_usage)

    @functools.cached_property
    def extended_key_usage(self) -> frozenset[str] | None:
        """Dotted identifiers of the extended key usage, or None."""
        return self._extension(Extension.EXTENDED_KEY_USAGE, _extended)

    @functools.cached_property
    def basic_constraints(self) -> BasicConstraints | None:
        """Basic constraints, or None."""
        return self._extension(Extension.BASIC_CONSTRAINTS, _constraints)

    @functools.cached_property
    def private_key_usage(self) -> tuple[datetime | None, datetime | None] | None:
        """Private key usage period (ICAO 9303-12 §7.1.1), or None."""
        return self._extension(Extension.PRIVATE_KEY_USAGE_PERIOD, _usage_period)

    @functools.cached_property
    def document_types(self) -> frozenset[str] | None:
        """Document types that a document signer may sign (ICAO 9303-12 §7.1.1.6), or None."""
        return self._extension(Icao.DOCUMENT_TYPE_LIST, _types) or self._extension(Icao.DOCUMENT_TYPE_LIST_OLD, _types)

    @functools.cached_property
    def mrz_country(self) -> str | None:
        """Issuing state in the subject's alternative name, as in the MRZ (ICAO 9303-12 §7.1.1), or None."""
        return self._extension(Extension.SUBJECT_ALT_NAME, _alternative_locality)

    @property
    def country(self) -> str | None:
        """Country of the subject in capitals, or None."""
        return self.subject.country

    @property
    def names_itself(self) -> bool:
        """Whether issuer and subject are the same name. That does not mean self-signed: link certificates do it too."""
        return self.subject.key == self.issuer.key

    def verify(self, issuer_key: PublicKey) -> bool:
        """Whether the certificate's signature verifies under ``issuer_key``.

        Raises:
            MalformedDataError, UnsupportedAlgorithmError
        """
        return sig.verify(issuer_key, self.signature_algorithm, self.signature, self.tbs)

    @functools.cached_property
    def self_signed(self) -> bool:
        """Whether the signature verifies under the certificate's own key; False where that cannot be decided."""
        try:
            return self.verify(self.public_key)
        except IdVerifyError:
            return False

    @property
    def weak(self) -> bool:
        """Whether its key or the hash of its signature is weak; False where they are not known."""
        try:
            return self.public_key.weak or self.signature_algorithm.weak
        except IdVerifyError:
            return False

    def valid_at(self, at: datetime) -> bool:
        """Whether ``at`` lies within the validity, both ends included."""
        return self.not_before <= at <= self.not_after

    @property
    def label(self) -> str:
        """Subject and serial number, for people."""
        return f"{self.subject.text} (serial {self.serial_number:x})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    def __repr__(self) -> str:
        return f"Certificate({self.label})"


def _time(value: Any) -> datetime:
    moment = value.native
    if not isinstance(moment, datetime):
        raise MalformedDataError("certificate: a time that no calendar has")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _load(spec: type[Any], data: bytes) -> Any:
    return _asn1.load(spec, data, what="certificate extension")


def _octets(data: bytes) -> bytes:
    return bytes(_asn1.native(_load(core.OctetString, data), what="key identifier"))


def _authority(data: bytes) -> AuthorityKeyId:
    with _asn1.guard("authority key identifier"):
        value = _load(x509.AuthorityKeyIdentifier, data)
        key_id, serial = value["key_identifier"].native, value["authority_cert_serial_number"].native
    return AuthorityKeyId(key_id, serial)


def _key_usage(data: bytes) -> frozenset[str]:
    return frozenset(_asn1.native(_load(x509.KeyUsage, data), what="key usage"))


def _extended(data: bytes) -> frozenset[str]:
    with _asn1.guard("extended key usage"):
        return frozenset(item.dotted for item in _load(x509.ExtKeyUsageSyntax, data))


def _constraints(data: bytes) -> BasicConstraints:
    with _asn1.guard("basic constraints"):
        value = _load(x509.BasicConstraints, data)
        return BasicConstraints(bool(value["ca"].native), value["path_len_constraint"].native)


def _usage_period(data: bytes) -> tuple[datetime | None, datetime | None]:
    with _asn1.guard("private key usage period"):
        value = _load(_UsagePeriod, data)
        return _aware(value["not_before"].native), _aware(value["not_after"].native)


def _aware(moment: Any) -> datetime | None:
    """A time of an extension; one without a time zone is taken as UTC, as RFC 5280 §4.1.2.5.2 asks."""
    if not isinstance(moment, datetime):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _types(data: bytes) -> frozenset[str]:
    with _asn1.guard("document type list"):
        return frozenset(str(item.native) for item in _load(_DocumentTypeList, data)["types"])


def _alternative_locality(data: bytes) -> str | None:
    what = "subject alternative name"
    for name in _tlv.parse(data, 0x30, what=what).children(what=what):
        if name.tag == 0xA4:  # directoryName, explicitly tagged (RFC 5280 §4.2.1.6)
            found = Name.parse(name.value).attribute(NameAttribute.LOCALITY)
            if found:
                return found.strip().upper()
    return None
