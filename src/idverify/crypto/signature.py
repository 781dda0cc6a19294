"""Signatures of the field: keys, algorithm identifiers and their verification.

RSA PKCS#1 v1.5 and PSS (RFC 8017 §8), ECDSA with DER and with plain r‖s signatures (ANSI X9.62; BSI TR-03111 §4.2.1,
§5.2), DSA (FIPS 186-4 §4.7), SHA-1 to SHA-512, named and explicit curves. Weak algorithms verify and say that they are
weak: whether that matters is for a policy.
"""

from __future__ import annotations

import enum
import functools
import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

from asn1crypto import core
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, padding, rsa, utils

from idverify import _asn1
from idverify.crypto import curves
from idverify.crypto import ec as points
from idverify.crypto.curves import Curve
from idverify.errors import MalformedDataError, UnsupportedAlgorithmError
from idverify.oids import DomainParameters, Hash, PlainSignature, Signature

MIN_RSA_BITS: Final = 512
MAX_RSA_BITS: Final = 8192
MAX_RSA_EXPONENT_BITS: Final = 64
DSA_SIZES: Final = {(1024, 160), (2048, 224), (2048, 256), (3072, 256)}
"""Bits of p and q (FIPS 186-4 §4.2)."""
STRONG_RSA_BITS: Final = 2048
STRONG_CURVE_BITS: Final = 224
"""ICAO 9303-12 §4.4 (2048 and 224 bits are the least that new certificates may use)."""

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
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
    if name not in _HASHES:
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


class _RsaKey(core.Sequence):  # type: ignore[misc]
    _fields = [("modulus", core.Integer), ("exponent", core.Integer)]  # noqa: RUF012


class _SubjectPublicKeyInfo(core.Sequence):  # type: ignore[misc]
    _fields = [("algorithm", AlgorithmId), ("key", core.BitString)]  # noqa: RUF012


class _DsaParameters(core.Sequence):  # type: ignore[misc]
    """Dss-Parms (RFC 3279 §2.3.2)."""

    _fields = [("p", core.Integer), ("q", core.Integer), ("g", core.Integer)]  # noqa: RUF012


class _FieldId(core.Sequence):  # type: ignore[misc]
    _fields = [("type", core.ObjectIdentifier), ("parameters", core.Any)]  # noqa: RUF012


class _CurveCoefficients(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("a", core.OctetString),
        ("b", core.OctetString),
        ("seed", core.BitString, {"optional": True}),
    ]


class _EcParameters(core.Sequence):  # type: ignore[misc]
    """SpecifiedECDomain (BSI TR-03111 §5.1.1.1; ANSI X9.62)."""

    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("field", _FieldId),
        ("curve", _CurveCoefficients),
        ("base", core.OctetString),
        ("order", core.Integer),
        ("cofactor", core.Integer, {"optional": True}),
        ("hash", AlgorithmId, {"optional": True}),
    ]


def _unsigned(value: Any) -> int:
    """An INTEGER's contents as an unsigned number: some keys lack the leading zero byte."""
    return int.from_bytes(bytes(value.contents or b""), "big")


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


class KeyKind(enum.StrEnum):
    """Families of public keys."""

    RSA = "rsa"
    EC = "ec"
    DSA = "dsa"


@dataclass(frozen=True, slots=True)
class DsaDomain:
    """Domain parameters of DSA (FIPS 186-4 §4.1).

    Attributes:
        p, q: primes; q divides p − 1.
        g: generator of the subgroup of order q.
    """

    p: int = field(repr=False)
    q: int = field(repr=False)
    g: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: RSA, on one of the standardised curves, or DSA.

    Attributes:
        kind: family.
        n, e: RSA modulus and public exponent; 0 for EC.
        curve: the curve, for EC only.
        x, y: the point; y alone is the public value of DSA.
        explicit: whether the curve came as explicit parameters.
        domain: the domain parameters, for DSA only.
        bits: bits of the modulus or of the field prime.
    """

    kind: KeyKind
    n: int = field(default=0, repr=False)
    e: int = field(default=0, repr=False)
    curve: Curve | None = None
    x: int = field(default=0, repr=False)
    y: int = field(default=0, repr=False)
    explicit: bool = False
    domain: DsaDomain | None = None

    @classmethod
    def rsa(cls, n: int, e: int) -> PublicKey:
        """An RSA key.

        Raises:
            UnsupportedAlgorithmError: modulus or exponent out of the range that is supported.
        """
        if not MIN_RSA_BITS <= n.bit_length() <= MAX_RSA_BITS or n % 2 == 0:
            raise UnsupportedAlgorithmError(f"an RSA modulus of {n.bit_length()} bits that cannot be used")
        if e < 3 or e % 2 == 0 or e.bit_length() > MAX_RSA_EXPONENT_BITS:
            raise UnsupportedAlgorithmError("an RSA public exponent that cannot be used")
        return cls(KeyKind.RSA, n=n, e=e)

    @classmethod
    def ec(cls, curve: Curve, x: int, y: int, *, explicit: bool = False) -> PublicKey:
        """An EC key.

        Raises:
            MalformedDataError: the point is not on the curve.
        """
        if not curve.contains(x, y):
            raise MalformedDataError(f"public key: the point is not on {curve.name}")
        return cls(KeyKind.EC, curve=curve, x=x, y=y, explicit=explicit)

    @classmethod
    def dsa(cls, domain: DsaDomain, y: int) -> PublicKey:
        """A DSA key. That p and q are primes is left to whoever has signed the certificate.

        Raises:
            UnsupportedAlgorithmError: sizes that FIPS 186-4 does not have, or parameters that are no subgroup.
            MalformedDataError: the public value is not of the subgroup.
        """
        p, q, g = domain.p, domain.q, domain.g
        if (p.bit_length(), q.bit_length()) not in DSA_SIZES or p % 2 == 0:
            raise UnsupportedAlgorithmError(
                f"DSA parameters of {p.bit_length()} and {q.bit_length()} bits that cannot be used"
            )
        if (p - 1) % q or not 1 < g < p or pow(g, q, p) != 1:
            raise UnsupportedAlgorithmError("DSA parameters that are no subgroup")
        if not 1 < y < p or pow(y, q, p) != 1:
            raise MalformedDataError("public key: not of the subgroup")
        return cls(KeyKind.DSA, y=y, domain=domain)

    @classmethod
    def from_point(cls, curve: Curve, encoded: bytes, *, explicit: bool = False) -> PublicKey:
        """An EC key from its uncompressed, compressed or hybrid point (BSI TR-03111 §3.2; ANSI X9.62 §4.3.6).

        Raises:
            MalformedDataError: another encoding, or a point that is not on the curve.
        """
        point = _decode_point(curve, encoded)
        return cls.ec(curve, point.x, point.y, explicit=explicit)

    @classmethod
    def from_spki(cls, encoded: bytes, *, what: str = "public key") -> PublicKey:
        """From a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), with named or explicit curve.

        Raises:
            MalformedDataError: not a SubjectPublicKeyInfo.
            UnsupportedAlgorithmError: another kind of key, or a curve that is not standardised.
        """
        info = _asn1.load(_SubjectPublicKeyInfo, encoded, what=what)
        with _asn1.guard(what):
            oid, parameters = info["algorithm"].split(what)
            contents = bytes(info["key"].contents or b"")
        if contents[:1] != b"\x00":
            raise MalformedDataError(f"{what}: the key is no whole number of bytes")
        body = contents[1:]
        if oid in (Signature.RSA_ENCRYPTION, Signature.RSASSA_PSS):
            value = _asn1.load(_RsaKey, body, what=what)
            with _asn1.guard(what):
                n, e = _unsigned(value["modulus"]), _unsigned(value["exponent"])
            return cls.rsa(n, e)
        if oid == DomainParameters.EC_PUBLIC_KEY:
            curve, explicit = _curve(parameters, what)
            return cls.from_point(curve, body, explicit=explicit)
        if oid == Signature.DSA:
            return cls.dsa(_dsa_domain(parameters, what), _unsigned(_asn1.load(core.Integer, body, what=what)))
        raise UnsupportedAlgorithmError(f"{what}: unknown kind of key {oid}")

    @property
    def bits(self) -> int:
        """Bits of the modulus or of the field prime."""
        if self.domain is not None:
            return self.domain.p.bit_length()
        return self.curve.bits if self.curve else self.n.bit_length()

    @property
    def weak(self) -> bool:
        """Whether the key is shorter than ICAO 9303-12 §4.4 asks of new certificates; DSA always (see FIPS 186-5)."""
        if self.domain is not None:
            return True
        return self.bits < (STRONG_CURVE_BITS if self.curve else STRONG_RSA_BITS)

    def __str__(self) -> str:
        if self.curve is None:
            return f"{self.kind}-{self.bits}"
        return f"ec {self.curve.name}" + (" explicit" if self.explicit else "")


def _dsa_domain(parameters: bytes, what: str) -> DsaDomain:
    if not parameters:  # RFC 3279 §2.3.2 lets them be the issuer's
        raise UnsupportedAlgorithmError(f"{what}: a DSA key without domain parameters")
    value = _asn1.load(_DsaParameters, parameters, what=what)
    with _asn1.guard(what):
        return DsaDomain(*(_unsigned(value[name]) for name in "pqg"))


def _curve(parameters: bytes, what: str) -> tuple[Curve, bool]:
    if not parameters:
        raise UnsupportedAlgorithmError(f"{what}: an EC key without domain parameters")
    if parameters[0] == 0x06:
        value = _asn1.load(core.ObjectIdentifier, parameters, what=what)
        with _asn1.guard(what):
            return curves.by_oid(value.dotted), False
    return _explicit_curve(parameters), True


@functools.lru_cache(maxsize=64)
def _explicit_curve(parameters: bytes) -> Curve:
    """The named curve of explicit parameters: every one of them must match."""
    what = "EC domain parameters"
    value = _asn1.load(_EcParameters, parameters, what=what)
    with _asn1.guard(what):
        if value["field"]["type"].dotted != DomainParameters.PRIME_FIELD:
            raise UnsupportedAlgorithmError(f"{what}: no prime field")
        prime = _asn1.load(core.Integer, _asn1.raw(value["field"]["parameters"], what=what), what=what)
        p = _unsigned(prime)
        a = int.from_bytes(value["curve"]["a"].native, "big")
        b = int.from_bytes(value["curve"]["b"].native, "big")
        base: bytes = value["base"].native
        n = _unsigned(value["order"])
        cofactor = value["cofactor"].native
    size = (p.bit_length() + 7) // 8
    if base[:1] == b"\x04" and len(base) == 1 + 2 * size:
        gx, gy = int.from_bytes(base[1 : 1 + size], "big"), int.from_bytes(base[1 + size :], "big")
        return curves.from_explicit(p=p, a=a, b=b, gx=gx, gy=gy, n=n, cofactor=cofactor)
    if base[:1] in (b"\x02", b"\x03") and len(base) == 1 + size:
        curve = curves.from_explicit(p=p, a=a, b=b, gx=int.from_bytes(base[1:], "big"), gy=None, n=n, cofactor=cofactor)
        if curve.gy & 1 == base[0] & 1:
            return curve
    raise UnsupportedAlgorithmError(f"{what}: a base point that is not the standardised one")


def _decode_point(curve: Curve, encoded: bytes) -> points.Point:
    size = curve.coordinate_bytes
    if encoded[:1] in (b"\x02", b"\x03") and len(encoded) == 1 + size:
        x = int.from_bytes(encoded[1:], "big")
        return points.decompress_point(curve, x, odd=encoded[0] == 0x03)
    if encoded[:1] in (b"\x06", b"\x07") and len(encoded) == 1 + 2 * size:  # hybrid: both coordinates and the sign
        if encoded[-1] & 1 != encoded[0] & 1:
            raise MalformedDataError(f"public key: a hybrid point on {curve.name} that contradicts itself")
        return points.decode_point(curve, b"\x04" + encoded[1:])
    return points.decode_point(curve, encoded)


_KIND_OF_SCHEME: Final = {
    Scheme.RSA_PKCS1: KeyKind.RSA,
    Scheme.RSA_PSS: KeyKind.RSA,
    Scheme.ECDSA: KeyKind.EC,
    Scheme.ECDSA_PLAIN: KeyKind.EC,
    Scheme.DSA: KeyKind.DSA,
}


def verify(key: PublicKey, algorithm: SignatureAlgorithm, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` is the signature of ``message`` under ``key``.

    Args:
        key: the public key.
        algorithm: the algorithm; its family must be the key's.
        signature: RSA: big-endian number, leading zeros may be missing or too many; ECDSA: DER, or r‖s for the plain
            format; DSA: DER.
        message: the bytes that were signed, not their hash.

    Raises:
        UnsupportedAlgorithmError: the algorithm and the key do not go together, or a key that cannot be used.
    """
    if key.kind is not _KIND_OF_SCHEME[algorithm.scheme]:
        raise UnsupportedAlgorithmError(f"a {algorithm.scheme} signature under a key of the kind {key.kind}")
    if key.kind is KeyKind.RSA:
        return _verify_rsa(key, algorithm, signature, message)
    if key.domain is not None:
        return _verify_dsa(key, key.domain, algorithm, signature, message)
    return verify_ecdsa_digest(
        key, signature, digest(algorithm.hash, message), plain=algorithm.scheme is Scheme.ECDSA_PLAIN
    )


def _verify_rsa(key: PublicKey, algorithm: SignatureAlgorithm, signature: bytes, message: bytes) -> bool:
    size = (key.n.bit_length() + 7) // 8
    number = signature.lstrip(b"\x00")  # RFC 8017 §8.2.2 asks for exactly `size` bytes; the field does not
    if len(number) > size or len(signature) > size + 16:
        return False
    chosen = _HASHES[algorithm.hash]
    scheme: padding.AsymmetricPadding = padding.PKCS1v15()
    if algorithm.scheme is Scheme.RSA_PSS:
        salt = padding.PSS.AUTO if algorithm.salt_length is None else algorithm.salt_length
        scheme = padding.PSS(padding.MGF1(_HASHES[algorithm.mask_hash or algorithm.hash]), salt)
    try:
        public = rsa.RSAPublicNumbers(key.e, key.n).public_key()
        public.verify(number.rjust(size, b"\x00"), message, scheme, chosen)
    except InvalidSignature:
        return False
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnsupportedAlgorithmError(f"an RSA key of {key.bits} bits that cannot be used") from error
    return True


def _verify_dsa(
    key: PublicKey, domain: DsaDomain, algorithm: SignatureAlgorithm, signature: bytes, message: bytes
) -> bool:
    """FIPS 186-4 §4.7; a hash longer than q is cut to its leftmost bits."""
    pair = _der_pair(signature)
    if pair is None or not all(0 < number < domain.q for number in pair):
        return False
    try:
        numbers = dsa.DSAParameterNumbers(domain.p, domain.q, domain.g)
        public = dsa.DSAPublicNumbers(key.y, numbers).public_key()
        public.verify(utils.encode_dss_signature(*pair), message, _HASHES[algorithm.hash])
    except InvalidSignature:
        return False
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnsupportedAlgorithmError(f"a DSA key of {key.bits} bits that cannot be used") from error
    return True


def verify_ecdsa_digest(key: PublicKey, signature: bytes, hashed: bytes, *, plain: bool = False) -> bool:
    """ECDSA over a hash that was computed already (ANSI X9.62 §7.4; BSI TR-03111 §4.2.1.2).

    Args:
        key: an EC key.
        signature: DER ``SEQUENCE { r, s }``, or r‖s of equal lengths where ``plain``.
        hashed: the hash, 20 to 64 bytes; longer ones than the order are cut by the algorithm.
        plain: see above.

    Raises:
        UnsupportedAlgorithmError: no EC key.
    """
    if key.curve is None:
        raise UnsupportedAlgorithmError("an ECDSA signature under a key that is not on a curve")
    pair = _plain_pair(signature, key.curve) if plain else _der_pair(signature)
    if pair is None:
        return False
    r, s = pair
    if not (0 < r < key.curve.n and 0 < s < key.curve.n):
        return False
    return points.verify_ecdsa(key.curve, points.Point(key.x, key.y), hashed, r, s)


def _der_pair(signature: bytes) -> tuple[int, int] | None:
    try:
        return utils.decode_dss_signature(signature)
    except ValueError:
        return None


def _plain_pair(signature: bytes, curve: Curve) -> tuple[int, int] | None:
    half, odd = divmod(len(signature), 2)
    if odd or not 0 < half <= curve.order_bytes:
        return None
    return int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
