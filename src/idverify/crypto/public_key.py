"""Public keys of the field: RSA, on a standardised curve (named or explicit), DSA."""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass, field
from typing import Any, Final

from asn1crypto import core

from idverify import _asn1
from idverify.crypto import curves
from idverify.crypto import ec as points
from idverify.crypto.algorithm import AlgorithmId
from idverify.crypto.curves import Curve
from idverify.errors import MalformedDataError, UnsupportedAlgorithmError
from idverify.oids import DomainParameters, Signature

MIN_RSA_BITS: Final = 512
MAX_RSA_BITS: Final = 8192
MAX_RSA_EXPONENT_BITS: Final = 64
DSA_SIZES: Final = {(1024, 160), (2048, 224), (2048, 256), (3072, 256)}
"""Bits of p and q (FIPS 186-4 §4.2)."""
STRONG_RSA_BITS: Final = 2048
STRONG_CURVE_BITS: Final = 224
"""ICAO 9303-12 §4.4 (2048 and 224 bits are the least that new certificates may use)."""


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
