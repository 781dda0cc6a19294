"""The groups of key agreement as the chip uses them: elliptic curves, and subgroups of prime fields.

One small interface over both, so that PACE and chip authentication read as the standard writes them
(ICAO 9303-11 §9.6; BSI TR-03110-3 §A.2).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final, Protocol

from idverify._tlv import encode as tlv
from idverify.crypto import curves, dh, ec
from idverify.emulator import _der
from idverify.emulator._apdu import SW_WRONG_DATA, Refusal
from idverify.emulator._random import Rng, draw_scalar
from idverify.errors import ConfigurationError, MalformedDataError
from idverify.oids import DomainParameters

_FIRST_CURVE: Final = 8


class Group(Protocol):
    """A group of prime order with its encodings. Elements travel as their encodings."""

    @property
    def public_tag(self) -> int:
        """Tag of a public key inside a public key data object (ICAO 9303-11 §9.4): 84 or 86."""
        ...

    @property
    def scalar_order(self) -> int:
        """Bound of private keys."""
        ...

    @property
    def field_prime(self) -> int:
        """p."""
        ...

    def draw(self, rng: Rng) -> int:
        """A private key."""
        ...

    def public(self, secret: int, base: bytes | None = None) -> bytes:
        """The public key to a private one, under another generator than the standard one where given."""
        ...

    def agree(self, secret: int, public: bytes) -> bytes:
        """The shared secret as the key derivation takes it. Refuses 6A80 what is no element."""
        ...

    def map_generic(self, nonce: int, secret: int, public: bytes) -> bytes:
        """The ephemeral generator of the generic mapping (ICAO 9303-11 §4.4.3.3.1)."""
        ...

    def map_integrated(self, number: int) -> bytes:
        """The ephemeral generator of the integrated mapping from R_p(s, t) (§4.4.3.3.2)."""
        ...

    def compress(self, public: bytes) -> bytes:
        """Comp(PK), as terminal authentication names a key (BSI TR-03110-3 §A.2.2.3)."""
        ...


@dataclass(frozen=True, slots=True)
class EcGroup:
    """An elliptic curve."""

    curve: curves.Curve

    @property
    def public_tag(self) -> int:
        return 0x86

    @property
    def scalar_order(self) -> int:
        return self.curve.n

    @property
    def field_prime(self) -> int:
        return self.curve.p

    def draw(self, rng: Rng) -> int:
        return draw_scalar(rng, self.curve.n)

    def public(self, secret: int, base: bytes | None = None) -> bytes:
        if base is None:
            return ec.encode_point(self.curve, ec.base_multiply(self.curve, secret))
        return ec.encode_point(self.curve, ec.multiply(self.curve, secret, self._decode(base)))

    def agree(self, secret: int, public: bytes) -> bytes:
        return ec.multiply(self.curve, secret, self._decode(public)).x.to_bytes(self.curve.coordinate_bytes, "big")

    def map_generic(self, nonce: int, secret: int, public: bytes) -> bytes:
        shared = ec.multiply(self.curve, secret, self._decode(public))
        nonce %= self.curve.n
        try:
            mapped = ec.add(self.curve, ec.base_multiply(self.curve, nonce), shared) if nonce else shared
        except MalformedDataError:
            raise Refusal(SW_WRONG_DATA) from None
        return ec.encode_point(self.curve, mapped)

    def map_integrated(self, number: int) -> bytes:
        """Point encoding of ICAO 9303-11 appendix B.2, affine version; p = 3 mod 4."""
        p, a, b = self.curve.p, self.curve.a, self.curve.b
        if p % 4 != 3:
            raise Refusal(SW_WRONG_DATA)
        alpha = -number * number % p
        x2 = -b * pow(a, -1, p) * (1 + pow(alpha + alpha * alpha, -1, p)) % p
        h2 = (x2 * x2 * x2 + a * x2 + b) % p
        root = pow(h2, p - 1 - (p + 1) // 4, p)
        if root * root * h2 % p == 1:
            return ec.encode_point(self.curve, ec.Point(x2, root * h2 % p))
        return ec.encode_point(self.curve, ec.Point(alpha * x2 % p, root * pow(number, 3, p) * h2 % p))

    def compress(self, public: bytes) -> bytes:
        return public[1 : 1 + self.curve.coordinate_bytes]

    def _decode(self, public: bytes) -> ec.Point:
        try:
            return ec.decode_point(self.curve, public)
        except MalformedDataError:
            raise Refusal(SW_WRONG_DATA) from None


@dataclass(frozen=True, slots=True)
class DhPrimeGroup:
    """A subgroup of a prime field. Private keys may be as long as the prime (PKCS #3)."""

    group: dh.DhGroup

    @property
    def public_tag(self) -> int:
        return 0x84

    @property
    def scalar_order(self) -> int:
        return self.group.p - 1

    @property
    def field_prime(self) -> int:
        return self.group.p

    def draw(self, rng: Rng) -> int:
        return draw_scalar(rng, self.group.p - 1)

    def public(self, secret: int, base: bytes | None = None) -> bytes:
        generator = self.group.g if base is None else int.from_bytes(base, "big")
        return self._encode(pow(generator, secret, self.group.p))

    def agree(self, secret: int, public: bytes) -> bytes:
        return self._encode(pow(self._decode(public), secret, self.group.p))

    def map_generic(self, nonce: int, secret: int, public: bytes) -> bytes:
        p = self.group.p
        return self._encode(pow(self.group.g, nonce, p) * pow(self._decode(public), secret, p) % p)

    def map_integrated(self, number: int) -> bytes:
        p, q = self.group.p, self.group.q
        mapped = pow(number, (p - 1) // q, p) if q else 1
        if mapped == 1:
            raise Refusal(SW_WRONG_DATA)
        return self._encode(mapped)

    def compress(self, public: bytes) -> bytes:
        return hashlib.sha1(public, usedforsecurity=False).digest()

    def _encode(self, element: int) -> bytes:
        return element.to_bytes(self.group.size, "big")

    def _decode(self, public: bytes) -> int:
        try:
            return self.group.decode(public)
        except MalformedDataError:
            raise Refusal(SW_WRONG_DATA) from None


def by_parameter_id(parameter_id: int) -> Group:
    """The group of standardised domain parameters (ICAO 9303-11 §9.5.1): 0 … 2 and 8 … 18.

    Raises:
        UnsupportedAlgorithmError: no such parameters.
    """
    if parameter_id >= _FIRST_CURVE:
        return EcGroup(curves.by_parameter_id(parameter_id))
    return DhPrimeGroup(dh.by_parameter_id(parameter_id))


@dataclass(frozen=True, slots=True)
class DhKey:
    """A Diffie-Hellman key pair in a prime field.

    Attributes:
        group: the group.
        secret: the private exponent; never in a ``repr``.
    """

    group: dh.DhGroup
    secret: int = field(repr=False)

    @property
    def public_bytes(self) -> bytes:
        """The public value with the length of the prime."""
        return DhPrimeGroup(self.group).public(self.secret)

    def spki(self, *, explicit: bool = True) -> bytes:
        """SubjectPublicKeyInfo: X9.42 parameters p, g, q (RFC 3279 §2.3.3), PKCS #3 ones where q is not known."""
        group = self.group
        numbers = (group.p, group.g) if group.q is None else (group.p, group.g, group.q)
        kind = DomainParameters.DH_PKCS3 if group.q is None else DomainParameters.DH_PUBLIC_NUMBER
        algorithm = _der.sequence(_der.oid(kind), _der.sequence(*(_der.integer(v) for v in numbers)))
        return _der.sequence(algorithm, _der.bits(_der.integer(int.from_bytes(self.public_bytes, "big"))))


def public_key_object(oid: str, group: Group, public: bytes) -> bytes:
    """The public key data object 7F49 that authentication tokens are computed over (ICAO 9303-11 §9.4.5)."""
    return tlv(0x7F49, _der.oid(oid), tlv(group.public_tag, public))


def standardised(key_agreement: str, parameter_id: int) -> bool:
    """Whether those parameters are of that kind (``DH`` or ``ECDH``).

    Raises:
        ConfigurationError: another word.
    """
    if key_agreement not in ("DH", "ECDH"):
        raise ConfigurationError(f"unknown key agreement {key_agreement!r}")
    return (parameter_id >= _FIRST_CURVE) == (key_agreement == "ECDH")
