"""Algorithms of signatures: their identifiers and parameters, and the hashes of the field.

RSA PKCS#1 v1.5 and PSS (RFC 8017 §8), ECDSA with DER and with plain r‖s signatures (ANSI X9.62; BSI TR-03111 §4.2.1,
§5.2), DSA (FIPS 186-4 §4.7), SHA-1 to SHA-512.
"""

from __future__ import annotations

import enum
import functools
import hashlib
from dataclasses import dataclass
from typing import Final

from asn1crypto import core
from cryptography.hazmat.primitives import hashes

from idverify import _asn1
from idverify.errors import MalformedDataError, UnsupportedAlgorithmError
from idverify.oids import DomainParameters, Hash, PlainSignature, Signature

HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - old documents carry it; flagged as weak
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_HASH_OF_OID: Final[dict[str, str]] = {
    Hash.SHA1: "sha1",
    Hash.SHA224: "sha224",
    Hash.SHA256: "sha256",
    Hash.SHA384: "sha384",
    Hash.SHA512: "sha512",
}
_OID_OF_HASH: Final[dict[str, str]] = {name: str(oid) for oid, name in _HASH_OF_OID.items()}
WEAK_HASHES: Final = frozenset({"sha1"})


class Scheme(enum.StrEnum):
    """How a signature is made."""

    RSA_PKCS1 = "rsa-pkcs1v15"
    RSA_PSS = "rsa-pss"
    ECDSA = "ecdsa"
    ECDSA_PLAIN = "ecdsa-plain"
    DSA = "dsa"


_FIXED: Final[dict[str, tuple[Scheme, str]]] = {
    Signature.SHA1_WITH_RSA: (Scheme.RSA_PKCS1, "sha1"),
    Signature.SHA224_WITH_RSA: (Scheme.RSA_PKCS1, "sha224"),
    Signature.SHA256_WITH_RSA: (Scheme.RSA_PKCS1, "sha256"),
    Signature.SHA384_WITH_RSA: (Scheme.RSA_PKCS1, "sha384"),
    Signature.SHA512_WITH_RSA: (Scheme.RSA_PKCS1, "sha512"),
    Signature.ECDSA_WITH_SHA1: (Scheme.ECDSA, "sha1"),
    Signature.ECDSA_WITH_SHA224: (Scheme.ECDSA, "sha224"),
    Signature.ECDSA_WITH_SHA256: (Scheme.ECDSA, "sha256"),
    Signature.ECDSA_WITH_SHA384: (Scheme.ECDSA, "sha384"),
    Signature.ECDSA_WITH_SHA512: (Scheme.ECDSA, "sha512"),
    Signature.DSA_WITH_SHA1: (Scheme.DSA, "sha1"),
    Signature.DSA_WITH_SHA224: (Scheme.DSA, "sha224"),
    Signature.DSA_WITH_SHA256: (Scheme.DSA, "sha256"),
    Signature.DSA_WITH_SHA384: (Scheme.DSA, "sha384"),
    Signature.DSA_WITH_SHA512: (Scheme.DSA, "sha512"),
    PlainSignature.ECDSA_PLAIN_SHA1: (Scheme.ECDSA_PLAIN, "sha1"),
    PlainSignature.ECDSA_PLAIN_SHA224: (Scheme.ECDSA_PLAIN, "sha224"),
    PlainSignature.ECDSA_PLAIN_SHA256: (Scheme.ECDSA_PLAIN, "sha256"),
    PlainSignature.ECDSA_PLAIN_SHA384: (Scheme.ECDSA_PLAIN, "sha384"),
    PlainSignature.ECDSA_PLAIN_SHA512: (Scheme.ECDSA_PLAIN, "sha512"),
}


_SCHEME_OF_KEY: Final[dict[str, Scheme]] = {
    Signature.RSA_ENCRYPTION: Scheme.RSA_PKCS1,
    DomainParameters.EC_PUBLIC_KEY: Scheme.ECDSA,
    Signature.DSA: Scheme.DSA,
}


def hash_name(oid: str) -> str:
    """``sha1`` … ``sha512`` of a hash algorithm's dotted identifier.

    Raises:
        UnsupportedAlgorithmError: another hash.
    """
    try:
        return _HASH_OF_OID[oid]
    except KeyError:
        raise UnsupportedAlgorithmError(f"unknown hash algorithm {oid}") from None


def hash_oid(name: str) -> str:
    """The dotted identifier of ``sha1`` … ``sha512``.

    Raises:
        UnsupportedAlgorithmError: another name.
    """
    try:
        return _OID_OF_HASH[name]
    except KeyError:
        raise UnsupportedAlgorithmError(f"unknown hash algorithm {name!r}") from None


def digest(name: str, *data: bytes) -> bytes:
    """The hash of the concatenation of ``data``.

    Raises:
        UnsupportedAlgorithmError: a name other than ``sha1`` … ``sha512``.
    """
    if name not in HASHES:
        raise UnsupportedAlgorithmError(f"unknown hash algorithm {name!r}")
    state = hashlib.new(name, usedforsecurity=name not in WEAK_HASHES)
    for part in data:
        state.update(part)
    return state.digest()


class AlgorithmId(core.Sequence):  # type: ignore[misc]
    """AlgorithmIdentifier with untyped parameters (RFC 5280 §4.1.1.2): what the field writes there varies."""

    _fields = [  # noqa: RUF012 - asn1crypto's way
        ("algorithm", core.ObjectIdentifier),
        ("parameters", core.Any, {"optional": True}),
    ]

    def split(self, what: str) -> tuple[str, bytes]:
        """Dotted identifier, and the parameters' encoding: empty where absent or NULL."""
        with _asn1.guard(what):
            oid: str = self["algorithm"].dotted
            parameters = _asn1.raw(self["parameters"], what=what) if _asn1.present(self["parameters"]) else b""
        return oid, b"" if parameters == b"\x05\x00" else parameters


class _PssParameters(core.Sequence):  # type: ignore[misc]
    """RSASSA-PSS-params (RFC 8017 A.2.3)."""

    _fields = [  # noqa: RUF012
        ("hash", AlgorithmId, {"explicit": 0, "optional": True}),
        ("mask", AlgorithmId, {"explicit": 1, "optional": True}),
        ("salt", core.Integer, {"explicit": 2, "optional": True}),
        ("trailer", core.Integer, {"explicit": 3, "optional": True}),
    ]


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """A signature algorithm with its parameters.

    Attributes:
        scheme: how the signature is made.
        hash: ``sha1`` … ``sha512``.
        mask_hash: hash of MGF1, for PSS only.
        salt_length: salt bytes of PSS; None where the parameters are missing and any length is taken.
    """

    scheme: Scheme
    hash: str
    mask_hash: str | None = None
    salt_length: int | None = None

    @classmethod
    def parse(cls, encoded: bytes, *, hint: str | None = None, what: str = "signature algorithm") -> SignatureAlgorithm:
        """From the DER of an AlgorithmIdentifier.

        Args:
            encoded: the bytes.
            hint: name of the hash that stands elsewhere (CMS ``digestAlgorithm``), for identifiers that name none:
                rsaEncryption, id-ecPublicKey and id-dsa as signature algorithm, PSS without parameters.
            what: name for messages.

        Raises:
            MalformedDataError: not an AlgorithmIdentifier.
            UnsupportedAlgorithmError: an algorithm or parameter that is not known here.
        """
        return _parse_algorithm(encoded, hint, what)

    @property
    def weak(self) -> bool:
        """Whether the hash is one that collisions are known for."""
        return self.hash in WEAK_HASHES

    def __str__(self) -> str:
        if self.scheme is Scheme.RSA_PSS:
            salt = "any" if self.salt_length is None else self.salt_length
            return f"{self.scheme} {self.hash} mgf1-{self.mask_hash} salt {salt}"
        return f"{self.scheme} {self.hash}"


@functools.lru_cache(maxsize=256)
def _parse_algorithm(encoded: bytes, hint: str | None, what: str) -> SignatureAlgorithm:
    oid, parameters = _asn1.load(AlgorithmId, encoded, what=what).split(what)
    if oid in _FIXED:
        return SignatureAlgorithm(*_FIXED[oid])  # NULL or other parameters are of no consequence (seen: JP, AT, AE)
    if oid == Signature.RSASSA_PSS:
        return _pss(parameters, hint, what)
    if oid == Signature.ECDSA_WITH_SPECIFIED and parameters:
        return SignatureAlgorithm(
            Scheme.ECDSA, hash_name(_asn1.load(AlgorithmId, parameters, what=what).split(what)[0])
        )
    if oid in _SCHEME_OF_KEY:
        if hint is None:
            raise UnsupportedAlgorithmError(f"{what}: {oid} names no hash")
        return SignatureAlgorithm(_SCHEME_OF_KEY[oid], hint)
    raise UnsupportedAlgorithmError(f"{what}: unknown algorithm {oid}")


def _pss(parameters: bytes, hint: str | None, what: str) -> SignatureAlgorithm:
    if not parameters:
        name = hint or "sha1"
        return SignatureAlgorithm(Scheme.RSA_PSS, name, name, None)
    value = _asn1.load(_PssParameters, parameters, what=what)
    with _asn1.guard(what):
        name = mask_hash = "sha1"  # the defaults of RFC 8017 A.2.3
        if _asn1.present(value["hash"]):
            name = hash_name(value["hash"].split(what)[0])
        if _asn1.present(value["mask"]):
            mask, inner = value["mask"].split(what)
            if mask != Hash.MGF1:
                raise UnsupportedAlgorithmError(f"{what}: unknown mask generation function {mask}")
            mask_hash = hash_name(_asn1.load(AlgorithmId, inner, what=what).split(what)[0]) if inner else "sha1"
        salt = value["salt"].native
        trailer = value["trailer"].native
    if trailer not in (None, 1):
        raise UnsupportedAlgorithmError(f"{what}: unknown PSS trailer field")
    if salt is not None and not 0 <= salt <= 512:
        raise MalformedDataError(f"{what}: a PSS salt length out of range")
    return SignatureAlgorithm(Scheme.RSA_PSS, name, mask_hash, 20 if salt is None else salt)
