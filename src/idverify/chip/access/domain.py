"""The groups in which PACE and chip authentication agree on keys: elliptic curves and prime fields, behind one face.

Public keys travel encoded: an uncompressed point, or an unsigned integer of the least number of bytes
(BSI TR-03110-3 §D.2.1; ICAO 9303-11 §9.4). Shared secrets have the fixed length of the field.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from idverify import _tlv
from idverify.chip.lds import _der
from idverify.crypto import curves, dh, ec
from idverify.crypto.curves import Curve
from idverify.crypto.dh import DhGroup
from idverify.crypto.ec import Point, PrivateScalar
from idverify.crypto.signature import PublicKey
from idverify.errors import MalformedDataError, UnsupportedAlgorithmError
from idverify.oids import DomainParameters

Randomness = Callable[[int], bytes]
_PUBLIC_KEY: Final = 0x7F49
_EC_POINT: Final = 0x86
_DH_VALUE: Final = 0x84
_MAX_FIRST_DH: Final = 7


@dataclass(frozen=True, slots=True)
class EcKey:
    """An ephemeral key pair on a curve.

    Attributes:
        public: the encoded point.
    """

    curve: Curve
    scalar: PrivateScalar = field(repr=False)
    public: bytes = field(repr=False)

    def agree(self, peer: bytes) -> bytes:
        """The shared secret K with the other side's encoded key (ECKA, BSI TR-03111 §4.3.1).

        Raises:
            MalformedDataError: no point of the curve.
        """
        return self.scalar.agree(ec.decode_point(self.curve, peer))

    def reveal(self) -> int:
        """The private key, on purpose."""
        return self.scalar.reveal()


@dataclass(frozen=True, slots=True)
class EcDomain:
    """A curve with a generator, which PACE replaces.

    Attributes:
        curve: the curve.
        generator: the generator; None is the curve's own.
    """

    curve: Curve
    generator: Point | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Name for reports."""
        return self.curve.name

    @property
    def element_bytes(self) -> int:
        """Bytes of an encoded public key."""
        return 1 + 2 * self.curve.coordinate_bytes

    def generate(self, rng: Randomness) -> EcKey:
        """A fresh key pair."""
        return self.key(ec.draw_scalar(self.curve, rng))

    def key(self, secret: int) -> EcKey:
        """The key pair of a private key.

        Raises:
            ValueError: out of range.
        """
        scalar = PrivateScalar(self.curve, secret)
        public = scalar.public_point() if self.generator is None else scalar.multiply(self.generator)
        return EcKey(self.curve, scalar, ec.encode_point(self.curve, public))

    def map_generic(self, nonce: bytes, key: EcKey, peer: bytes) -> EcDomain:
        """Ĝ = s·G + H with H = KA(key, peer) (ICAO 9303-11 §4.4.3.3.1).

        Raises:
            MalformedDataError: ``peer`` is no point of the curve.
        """
        shared = key.scalar.multiply(ec.decode_point(self.curve, peer, what="mapping key"))
        s = int.from_bytes(nonce, "big") % self.curve.n
        return EcDomain(self.curve, shared if s == 0 else ec.add(self.curve, ec.base_multiply(self.curve, s), shared))

    def map_integrated(self, number: int) -> EcDomain:
        """Ĝ = f_G(number), the point encoding in affine coordinates (§4.4.3.3.2, appendix B.2).

        Raises:
            UnsupportedAlgorithmError: p ≢ 3 mod 4 (secp224r1, which §9.5.1 excludes).
            MalformedDataError: a number for which the encoding is not defined (probability 2⁻¹⁹⁰ and less).
        """
        p, a, b = self.curve.p, self.curve.a, self.curve.b
        if p % 4 != 3:
            raise UnsupportedAlgorithmError(f"integrated mapping is not defined on {self.curve.name}")
        alpha = -number * number % p
        denominator = (alpha + alpha * alpha) % p
        if denominator == 0:
            raise MalformedDataError("integrated mapping: the nonces map to no point")
        x2 = -b * pow(a, -1, p) * (1 + pow(denominator, -1, p)) % p
        x3 = alpha * x2 % p
        h2 = (x2 * x2 * x2 + a * x2 + b) % p
        u = number * number * number * h2 % p
        root = pow(h2, p - 1 - (p + 1) // 4, p)
        point = Point(x2, root * h2 % p) if root * root * h2 % p == 1 else Point(x3, root * u % p)
        return EcDomain(self.curve, ec.check_point(self.curve, point, what="integrated mapping"))

    @property
    def field_prime(self) -> int:
        """p."""
        return self.curve.p

    def public_key_object(self, protocol: str, public: bytes) -> bytes:
        """The public key data object without domain parameters (§9.4.5), as tokens are computed over it."""
        return _tlv.encode(_PUBLIC_KEY, _der.encode_oid(protocol), _tlv.encode(_EC_POINT, public))

    def compress(self, public: bytes) -> bytes:
        """Comp(PK): the x-coordinate (§7.1.4.2.3)."""
        return public[1 : 1 + self.curve.coordinate_bytes]

    def same(self, left: bytes, right: bytes) -> bool:
        """Whether two encoded public keys are the same element."""
        return left == right


@dataclass(frozen=True, slots=True)
class DhKey:
    """An ephemeral key pair in a prime field.

    Attributes:
        public: the unsigned integer.
    """

    group: DhGroup
    secret: int = field(repr=False)
    public: bytes = field(repr=False)

    def agree(self, peer: bytes) -> bytes:
        """The shared secret K, as long as the prime (PKCS #3 §8).

        Raises:
            MalformedDataError: ``peer`` is not of the group.
        """
        return self.group.encode(self.group.power(self.group.decode(peer), self.secret))

    def reveal(self) -> int:
        """The private key, on purpose."""
        return self.secret


@dataclass(frozen=True, slots=True)
class DhDomain:
    """A prime field with a generator, which PACE replaces.

    Attributes:
        group: the group.
        generator: the generator; None is the group's own.
    """

    group: DhGroup
    generator: int | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Name for reports."""
        return self.group.name

    @property
    def element_bytes(self) -> int:
        """Bytes of an encoded public key, at most."""
        return self.group.size

    def generate(self, rng: Randomness) -> DhKey:
        """A fresh key pair."""
        return self.key(self.group.draw_private(rng))

    def key(self, secret: int) -> DhKey:
        """The key pair of a private key."""
        base = self.group.g if self.generator is None else self.generator
        return DhKey(self.group, secret, _unsigned(self.group.power(base, secret)))

    def map_generic(self, nonce: bytes, key: DhKey, peer: bytes) -> DhDomain:
        """ĝ = g^s · h with h = KA(key, peer) (ICAO 9303-11 §4.4.3.3.1).

        Raises:
            MalformedDataError: ``peer`` is not of the group.
        """
        group = self.group
        shared = group.power(group.decode(peer, what="mapping key"), key.secret)
        s = int.from_bytes(nonce, "big")
        return DhDomain(group, group.check(group.power(group.g, s) * shared % group.p, what="mapped generator"))

    def map_integrated(self, number: int) -> DhDomain:
        """ĝ = number^((p − 1)/q) mod p, and not 1 (§4.4.3.3.2).

        Raises:
            UnsupportedAlgorithmError: the order of the subgroup is not known.
            MalformedDataError: ĝ = 1.
        """
        group = self.group
        if group.q is None:
            raise UnsupportedAlgorithmError("integrated mapping needs the order of the subgroup")
        mapped = pow(number, (group.p - 1) // group.q, group.p)
        return DhDomain(group, group.check(mapped, what="mapped generator"))

    @property
    def field_prime(self) -> int:
        """p."""
        return self.group.p

    def public_key_object(self, protocol: str, public: bytes) -> bytes:
        """The public key data object without domain parameters (§9.4.5), as tokens are computed over it."""
        return _tlv.encode(_PUBLIC_KEY, _der.encode_oid(protocol), _tlv.encode(_DH_VALUE, public))

    def compress(self, public: bytes) -> bytes:
        """Comp(PK): SHA-1 of the public value (§7.1.4.1.3)."""
        return hashlib.sha1(public, usedforsecurity=False).digest()

    def same(self, left: bytes, right: bytes) -> bool:
        """Whether two encoded public keys are the same element."""
        return int.from_bytes(left, "big") == int.from_bytes(right, "big")


Domain = EcDomain | DhDomain
AgreementKey = EcKey | DhKey


def standardized(parameter_id: int) -> Domain:
    """The standardised domain parameters of that identifier (ICAO 9303-11 table 12).

    Raises:
        UnsupportedAlgorithmError: reserved.
    """
    if parameter_id <= _MAX_FIRST_DH:
        return DhDomain(dh.by_parameter_id(parameter_id))
    return EcDomain(curves.by_parameter_id(parameter_id))


def from_algorithm_identifier(encoded: bytes, *, what: str = "domain parameters") -> Domain:
    """Domain parameters given as an AlgorithmIdentifier (§9.5): a standardised identifier, or explicit ones.

    Explicit curves must be standardised ones under another dress.

    Raises:
        MalformedDataError: no AlgorithmIdentifier.
        UnsupportedAlgorithmError: other parameters.
    """
    parts = _tlv.parse(encoded, _der.SEQUENCE, what=what).children(what=what)
    if not 1 <= len(parts) <= 2 or parts[0].tag != _der.OBJECT_IDENTIFIER:
        raise MalformedDataError(f"{what}: no AlgorithmIdentifier")
    oid = _der.decode_oid(parts[0].value, what=what)
    if len(parts) == 1:
        raise UnsupportedAlgorithmError(f"{what}: {oid} without parameters")
    if oid == DomainParameters.STANDARDIZED:
        return standardized(_der.decode_unsigned(parts[1], what=what))
    if oid in (DomainParameters.DH_PKCS3, DomainParameters.DH_PUBLIC_NUMBER):
        numbers = [_big(t, what=what) for t in parts[1].children(what=what) if t.tag == _der.INTEGER]
        if len(numbers) < 2:
            raise MalformedDataError(f"{what}: DH parameters without prime or generator")
        # X9.42 DomainParameters { p, g, q, … }; PKCS #3 DHParameter { p, g, privateValueLength }
        order = numbers[2] if oid == DomainParameters.DH_PUBLIC_NUMBER and len(numbers) > 2 else None
        return DhDomain(dh.from_explicit(p=numbers[0], g=numbers[1], q=order))
    if oid == DomainParameters.EC_PUBLIC_KEY:
        # the parser of subject public keys knows every dress of a curve; give it the generator as the key
        for curve in curves.CURVES:
            body = b"\0" + ec.encode_point(curve, ec.base_point(curve))
            info = _tlv.encode(_der.SEQUENCE, encoded, _tlv.encode(_der.BIT_STRING, body))
            try:
                key = PublicKey.from_spki(info, what=what)
            except MalformedDataError:
                continue
            if key.curve is not None:
                return EcDomain(key.curve)
    raise UnsupportedAlgorithmError(f"{what}: unknown domain parameters {oid}")


@dataclass(frozen=True, slots=True)
class StaticKey:
    """A chip's static key of chip authentication.

    Attributes:
        domain: its group.
        public: the encoded public key.
    """

    domain: Domain
    public: bytes = field(repr=False)


def static_key(spki: bytes, *, what: str = "chip authentication key") -> StaticKey:
    """A key out of a SubjectPublicKeyInfo (§9.1): standardised, named or explicit parameters, ECDH or DH.

    Raises:
        MalformedDataError: no SubjectPublicKeyInfo, or a key that is not of its group.
        UnsupportedAlgorithmError: other parameters.
    """
    parts = _tlv.parse(spki, _der.SEQUENCE, what=what).children(what=what)
    if len(parts) != 2 or parts[0].tag != _der.SEQUENCE or parts[1].tag != _der.BIT_STRING:
        raise MalformedDataError(f"{what}: no SubjectPublicKeyInfo")
    body = parts[1].value
    if body[:1] != b"\0":
        raise MalformedDataError(f"{what}: the key is no whole number of bytes")
    body = body[1:]
    oid = _der.decode_oid(
        _der.expect(_tlv.read_tlv(parts[0].value, what=what), _der.OBJECT_IDENTIFIER, what=what).value, what=what
    )
    if oid == DomainParameters.EC_PUBLIC_KEY:
        key = PublicKey.from_spki(spki, what=what)
        if key.curve is None:
            raise UnsupportedAlgorithmError(f"{what}: no key on a curve")
        return StaticKey(EcDomain(key.curve), ec.encode_point(key.curve, Point(key.x, key.y)))
    domain = from_algorithm_identifier(parts[0].raw, what=what)
    if isinstance(domain, EcDomain):
        return StaticKey(domain, ec.encode_point(domain.curve, ec.decode_point(domain.curve, body, what=what)))
    inner = _tlv.read_tlv(body, what=what) if body[:1] == b"\x02" else None
    value = _big(inner, what=what) if inner is not None and len(inner.raw) == len(body) else int.from_bytes(body, "big")
    return StaticKey(domain, _unsigned(domain.group.check(value, what=what)))


def _big(tlv: _tlv.Tlv, *, what: str) -> int:
    if tlv.tag != _der.INTEGER or not 1 <= len(tlv.value) <= dh.MAX_BITS // 8 + 1:
        raise MalformedDataError(f"{what}: an integer of {len(tlv.value)} bytes")
    return int.from_bytes(tlv.value, "big")


def _unsigned(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")
