"""Certificates and revocation lists of a test issuer (RFC 5280; ICAO 9303-12 §7), with the flaws of real ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from idverify._tlv import encode as tlv
from idverify.emulator import _der
from idverify.emulator.keys import HASH_OIDS, DsaKey, EcKey, RsaKey, SigningKey
from idverify.errors import ConfigurationError
from idverify.oids import Extension, Hash, Icao, NameAttribute, Signature

StringType = Literal["utf8", "printable"]

DIGITAL_SIGNATURE: Final = 0
KEY_CERT_SIGN: Final = 5
CRL_SIGN: Final = 6


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when, UTC."""

    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Name:
    """A distinguished name; its country is always a PrintableString (ICAO 9303-12 §7.1.1.2).

    Attributes:
        country: as it is to be written: alpha-2, alpha-3, upper or lower case.
        organisation, unit, common_name: the other parts; an empty one is left out.
    """

    country: str
    organisation: str = ""
    unit: str = ""
    common_name: str = ""

    def encode(self, strings: StringType = "utf8") -> bytes:
        """The RDNSequence; two string types give two encodings of an equal name."""
        text = _der.utf8 if strings == "utf8" else _der.printable
        parts = (
            (NameAttribute.COUNTRY, self.country, _der.printable),
            (NameAttribute.ORGANIZATION, self.organisation, text),
            (NameAttribute.ORGANIZATIONAL_UNIT, self.unit, text),
            (NameAttribute.COMMON_NAME, self.common_name, text),
        )
        return _der.sequence(
            *(_der.set_of(_der.sequence(_der.oid(kind), write(value))) for kind, value, write in parts if value)
        )


@dataclass(frozen=True, slots=True)
class Scheme:
    """A signature algorithm with its parameters.

    Attributes:
        family: ``ecdsa``, ``rsa-pkcs1``, ``rsa-pss`` or ``dsa``.
        hash_name: ``sha1`` … ``sha512``.
        mgf_hash: hash of MGF1 for PSS; the same where None.
        salt_bytes: salt of PSS; the length of the hash where None.
        null_parameters: write NULL after ecdsa-with-SHA*, as some issuers do (RFC 5758 §3.2 asks for nothing there).
    """

    family: Literal["ecdsa", "rsa-pkcs1", "rsa-pss", "dsa"]
    hash_name: str = "sha256"
    mgf_hash: str | None = None
    salt_bytes: int | None = None
    null_parameters: bool = False

    @classmethod
    def for_key(cls, key: SigningKey, hash_name: str = "sha256", *, pss: bool = False) -> Scheme:
        """The usual scheme for that kind of key."""
        if isinstance(key, EcKey):
            return cls("ecdsa", hash_name)
        if isinstance(key, DsaKey):
            return cls("dsa", hash_name)
        return cls("rsa-pss" if pss else "rsa-pkcs1", hash_name)

    def algorithm(self) -> bytes:
        """The AlgorithmIdentifier."""
        name = self.hash_name.upper()
        if self.family == "ecdsa":
            null = _der.NULL if self.null_parameters else b""
            return _der.sequence(_der.oid(Signature["ECDSA_WITH_" + name]), null)
        if self.family == "dsa":
            return _der.sequence(_der.oid(Signature["DSA_WITH_" + name]))
        if self.family == "rsa-pkcs1":
            return _der.sequence(_der.oid(Signature[name + "_WITH_RSA"]), _der.NULL)
        salt = self.salt_bytes if self.salt_bytes is not None else hashlib.new(self.hash_name).digest_size
        mgf = _der.sequence(_der.oid(Hash.MGF1), hash_algorithm(self.mgf_hash or self.hash_name))
        parameters = _der.sequence(
            _der.explicit(0, hash_algorithm(self.hash_name)),
            _der.explicit(1, mgf),
            _der.explicit(2, _der.integer(salt)),
        )
        return _der.sequence(_der.oid(Signature.RSASSA_PSS), parameters)

    def sign(self, key: SigningKey, message: bytes) -> bytes:
        """The signature value.

        Raises:
            ConfigurationError: the key is of another kind.
        """
        if self.family == "ecdsa" and isinstance(key, EcKey):
            return key.sign(message, self.hash_name)
        if self.family == "dsa" and isinstance(key, DsaKey):
            return key.sign(message, self.hash_name)
        if self.family == "rsa-pkcs1" and isinstance(key, RsaKey):
            return key.sign_pkcs1(message, self.hash_name)
        if self.family == "rsa-pss" and isinstance(key, RsaKey):
            return key.sign_pss(message, self.hash_name, mgf_hash=self.mgf_hash, salt_bytes=self.salt_bytes)
        raise ConfigurationError(f"{self.family} cannot sign with that kind of key")


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSpec:
    """What a certificate says.

    Attributes:
        subject, issuer: names.
        serial: serial number; zero and negative ones can be written too.
        validity: from when to when.
        ca: whether it is a certification authority; None leaves BasicConstraints out.
        path_length: pathLenConstraint, or None; written beside ``ca=False`` too, as one real issuer does.
        key_usage: bit numbers of KeyUsage, critical; empty leaves the extension out.
        authority_key_id: bytes of the AuthorityKeyIdentifier, or None to leave it out.
        subject_key_id: whether to write a SubjectKeyIdentifier.
        document_types: MRZ document codes of a document signer (documentTypeList), or none.
        locality: alpha-3 code of the issuing state for SubjectAltName and IssuerAltName, or empty.
        crl_url: CRLDistributionPoints, or empty.
        extended_key_usage: dotted identifiers, critical.
        true_byte: the byte written for BOOLEAN TRUE; 01 is BER, not DER.
        explicit_parameters: spell out the curve of an EC key.
        strings: string type of both names.
        private_key_usage: from when to when the private key may be used, or None.
        more_extensions: (dotted identifier, critical, encoding) of any others.
    """

    subject: Name
    issuer: Name
    serial: int
    validity: Validity
    ca: bool | None = None
    path_length: int | None = None
    key_usage: tuple[int, ...] = ()
    authority_key_id: bytes | None = None
    subject_key_id: bool = True
    document_types: tuple[str, ...] = ()
    locality: str = ""
    crl_url: str = ""
    extended_key_usage: tuple[str, ...] = ()
    true_byte: int = 0xFF
    explicit_parameters: bool = False
    strings: StringType = "utf8"
    private_key_usage: Validity | None = None
    more_extensions: tuple[tuple[str, bool, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate and the private key that belongs to it.

    Attributes:
        der: the certificate.
        key: its key pair; never in a ``repr``.
        spec: what it says.
    """

    der: bytes = field(repr=False)
    key: SigningKey = field(repr=False)
    spec: CertificateSpec = field(repr=False)

    @property
    def key_id(self) -> bytes:
        """Its subject key identifier (RFC 5280 §4.2.1.2 method 1)."""
        return key_identifier(self.key)

    @property
    def serial(self) -> int:
        """Its serial number."""
        return self.spec.serial


def hash_algorithm(name: str, *, null: bool = False) -> bytes:
    """AlgorithmIdentifier of a hash, with or without NULL parameters (RFC 5754 §2 allows both)."""
    return _der.sequence(_der.oid(HASH_OIDS[name]), _der.NULL if null else b"")


def key_identifier(key: SigningKey) -> bytes:
    """SHA-1 of the public key bits."""
    content = (
        key.public_bytes if not isinstance(key, RsaKey) else _der.sequence(_der.integer(key.n), _der.integer(key.e))
    )
    return hashlib.sha1(content, usedforsecurity=False).digest()


def build_certificate(
    spec: CertificateSpec, key: SigningKey, *, signer: SigningKey, scheme: Scheme
) -> IssuedCertificate:
    """Sign a certificate for ``key``.

    Args:
        spec: what it says.
        key: the subject's key pair.
        signer: the issuer's key pair; ``key`` itself for a self-signed certificate.
        scheme: how to sign.
    """
    body = _der.sequence(
        _der.explicit(0, _der.integer(2)),
        _der.integer(spec.serial),
        scheme.algorithm(),
        spec.issuer.encode(spec.strings),
        _der.sequence(_der.time(spec.validity.not_before), _der.time(spec.validity.not_after)),
        spec.subject.encode(spec.strings),
        key.spki(explicit=spec.explicit_parameters),
        _der.explicit(3, _der.sequence(*_extensions(spec, key))),
    )
    der = _der.sequence(body, scheme.algorithm(), _der.bits(scheme.sign(signer, body)))
    return IssuedCertificate(der, key, spec)


def build_crl(
    *,
    issuer: IssuedCertificate,
    revoked: Mapping[int, datetime],
    this_update: datetime,
    next_update: datetime | None,
    number: int,
    scheme: Scheme,
) -> bytes:
    """A certificate revocation list (RFC 5280 §5; ICAO 9303-12 §7.1.4), DER.

    Args:
        issuer: who signs.
        revoked: serial numbers with the moment of their revocation.
        this_update, next_update: when issued, and when the next one is due (None leaves it out).
        number: CRL number.
        scheme: how to sign.
    """
    entries = b"".join(_der.sequence(_der.integer(serial), _der.time(at)) for serial, at in sorted(revoked.items()))
    authority = _der.sequence(_der.implicit(0, issuer.key_id))
    extensions = _der.sequence(
        _extension(Extension.AUTHORITY_KEY_IDENTIFIER, authority),
        _extension(Extension.CRL_NUMBER, _der.integer(number)),
    )
    body = _der.sequence(
        _der.integer(1),
        scheme.algorithm(),
        issuer.spec.subject.encode(issuer.spec.strings),
        _der.time(this_update),
        _der.time(next_update) if next_update else b"",
        _der.sequence(entries) if entries else b"",
        _der.explicit(0, extensions),
    )
    return _der.sequence(body, scheme.algorithm(), _der.bits(scheme.sign(issuer.key, body)))


def _extension(kind: str, value: bytes, *, critical: bool = False, true: int = 0xFF) -> bytes:
    flag = _der.boolean(True, true=true) if critical else b""
    return _der.sequence(_der.oid(kind), flag, _der.octets(value))


def _extensions(spec: CertificateSpec, key: SigningKey) -> list[bytes]:
    out: list[bytes] = []
    if spec.authority_key_id is not None:
        value = _der.sequence(_der.implicit(0, spec.authority_key_id))
        out.append(_extension(Extension.AUTHORITY_KEY_IDENTIFIER, value))
    if spec.subject_key_id:
        out.append(_extension(Extension.SUBJECT_KEY_IDENTIFIER, _der.octets(key_identifier(key))))
    if spec.key_usage:
        usage = _der.named_bits(*spec.key_usage)
        out.append(_extension(Extension.KEY_USAGE, usage, critical=True, true=spec.true_byte))
    if spec.ca is not None:
        flag = _der.boolean(True, true=spec.true_byte) if spec.ca else b""
        path = _der.integer(spec.path_length) if spec.path_length is not None else b""
        value = _der.sequence(flag, path)
        out.append(_extension(Extension.BASIC_CONSTRAINTS, value, critical=True, true=spec.true_byte))
    if spec.private_key_usage is not None:  # always GeneralizedTime (RFC 3280 §4.2.1.4)
        times = (spec.private_key_usage.not_before, spec.private_key_usage.not_after)
        encoded = (_der.implicit(i, f"{t:%Y%m%d%H%M%SZ}".encode()) for i, t in enumerate(times))
        out.append(_extension(Extension.PRIVATE_KEY_USAGE_PERIOD, _der.sequence(*encoded)))
    if spec.locality:
        locality = _der.sequence(
            _der.set_of(_der.sequence(_der.oid(NameAttribute.LOCALITY), _der.printable(spec.locality)))
        )
        names = _der.sequence(tlv(0xA4, locality))
        out += [_extension(Extension.SUBJECT_ALT_NAME, names), _extension(Extension.ISSUER_ALT_NAME, names)]
    if spec.document_types:
        types = _der.set_of(*(_der.printable(t) for t in spec.document_types))
        out.append(_extension(Icao.DOCUMENT_TYPE_LIST, _der.sequence(_der.integer(0), types)))
    if spec.extended_key_usage:
        usages = _der.sequence(*(_der.oid(o) for o in spec.extended_key_usage))
        out.append(_extension(Extension.EXTENDED_KEY_USAGE, usages, critical=True, true=spec.true_byte))
    if spec.crl_url:
        point = _der.sequence(_der.explicit(0, _der.explicit(0, _der.ia5(spec.crl_url, 0x86))))
        out.append(_extension(Extension.CRL_DISTRIBUTION_POINTS, _der.sequence(point)))
    out += [
        _extension(oid, value, critical=critical, true=spec.true_byte) for oid, critical, value in spec.more_extensions
    ]
    return out
