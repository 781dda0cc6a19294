"""Private keys of test issuers and test chips, made from a seed.

Not for production: keys come from reproducible randomness and RSA runs on plain integers.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec as pyca_ec
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from idverify import _tlv
from idverify._tlv import encode as tlv
from idverify.crypto import curves, dh, ec
from idverify.emulator import _der
from idverify.emulator._random import Rng, Seed, SeededRandom, draw_scalar
from idverify.errors import ConfigurationError, MalformedDataError, UnsupportedAlgorithmError
from idverify.oids import DomainParameters, Hash, Signature

HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - real issuers used it, so the emulator must be able to
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
"""pyca's hash for each name that the emulator knows."""

HASH_OIDS: Final = {name: str(Hash[name.upper()]) for name in HASHES}

_RSA_EXPONENT: Final = 65537
_SIEVE: Final = 4000


def digest(name: str, data: bytes) -> bytes:
    """The hash of ``data``; ``name`` as in :data:`HASHES`."""
    return hashlib.new(name, data, usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True)
class EcKey:
    """An elliptic-curve key pair.

    Attributes:
        curve: the curve.
        secret: the private scalar, 1 … n - 1; never in a ``repr``.
        point: the public point.
    """

    curve: curves.Curve
    secret: int = field(repr=False)
    point: ec.Point = field(repr=False)

    @classmethod
    def of(cls, curve: curves.Curve | str, secret: int) -> Self:
        """The pair of that scalar."""
        found = curves.by_name(curve) if isinstance(curve, str) else curve
        return cls(found, secret, ec.base_multiply(found, secret))

    @classmethod
    def generate(cls, curve: curves.Curve | str, rng: Rng) -> Self:
        """A pair drawn from ``rng``."""
        found = curves.by_name(curve) if isinstance(curve, str) else curve
        return cls.of(found, draw_scalar(rng, found.n))

    @classmethod
    def from_pkcs8(cls, der: bytes) -> Self:
        """A pair from PKCS #8 (RFC 5958) or SEC 1 DER, named curve or explicit parameters.

        Raises:
            ConfigurationError: no such key.
        """
        try:
            outer = _tlv.parse(der, 0x30, what="private key").children()
            parameters = None
            if outer[1].tag == 0x30:  # PKCS #8 around it
                parameters = outer[1].children()[1]
                outer = _tlv.parse(outer[2].value, 0x30, what="private key").children()
            if parameters is None:
                parameters = next(o for o in outer if o.tag == 0xA0).children()[0]
            return cls.of(_curve(parameters), int.from_bytes(outer[1].value, "big"))
        except (MalformedDataError, UnsupportedAlgorithmError, IndexError, StopIteration, ValueError) as error:
            raise ConfigurationError("expected an elliptic-curve private key in DER") from error

    @property
    def public_bytes(self) -> bytes:
        """The uncompressed point (BSI TR-03111 §3.2.1)."""
        return ec.encode_point(self.curve, self.point)

    def spki(self, *, explicit: bool = False) -> bytes:
        """SubjectPublicKeyInfo with the named curve, or with explicit parameters (RFC 3279 §2.3.5)."""
        parameters = explicit_parameters(self.curve) if explicit else _der.oid(self.curve.oid)
        algorithm = _der.sequence(_der.oid(DomainParameters.EC_PUBLIC_KEY), parameters)
        return _der.sequence(algorithm, _der.bits(self.public_bytes))

    def sign(self, message: bytes, hash_name: str) -> bytes:
        """ECDSA over ``message``, DER (RFC 3279 §2.2.3), with the nonce of RFC 6979 where pyca knows the curve."""
        r, s = self._sign(digest(hash_name, message))
        return _der.sequence(_der.integer(r), _der.integer(s))

    def sign_plain(self, message: bytes, hash_name: str) -> bytes:
        """ECDSA over ``message``, r‖s (BSI TR-03111 §5.2.1)."""
        r, s = self._sign(digest(hash_name, message))
        size = self.curve.order_bytes
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def _sign(self, hashed: bytes) -> tuple[int, int]:
        if self.curve.primitive is not None:
            key = pyca_ec.derive_private_key(self.secret, self.curve.primitive)
            algorithm = next(h for h in HASHES.values() if h.digest_size == len(hashed))
            der = key.sign(hashed, pyca_ec.ECDSA(Prehashed(algorithm), deterministic_signing=True))
            return decode_dss_signature(der)
        n = self.curve.n
        e = int.from_bytes(hashed, "big") >> max(0, len(hashed) * 8 - n.bit_length())
        rng = SeededRandom(self.secret.to_bytes(self.curve.order_bytes, "big") + hashed, "nonce")
        while True:
            k = draw_scalar(rng, n)
            r = ec.base_multiply(self.curve, k).x % n
            s = pow(k, -1, n) * (e + r * self.secret) % n
            if r and s:
                return r, s


@dataclass(frozen=True, slots=True)
class RsaKey:
    """An RSA key pair.

    Attributes:
        n, e: modulus and public exponent.
        d, p, q: private values; never in a ``repr``.
    """

    n: int = field(repr=False)
    e: int
    d: int = field(repr=False)
    p: int = field(repr=False)
    q: int = field(repr=False)

    @classmethod
    def generate(cls, bits: int, seed: Seed, *labels: str, e: int = _RSA_EXPONENT) -> RsaKey:
        """The pair of ``bits`` bits (a multiple of 16) that belongs to the seed; remembered, for it takes a while."""
        return _generate_rsa(bits, seed, labels, e)

    @classmethod
    def from_pkcs8(cls, der: bytes) -> Self:
        """A pair from PKCS #8 or PKCS #1 DER.

        Raises:
            ConfigurationError: no such key.
        """
        try:
            key = serialization.load_der_private_key(der, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise ConfigurationError("expected an RSA private key in DER") from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ConfigurationError("expected an RSA private key")
        numbers = key.private_numbers()
        public = numbers.public_numbers
        return cls(public.n, public.e, numbers.d, numbers.p, numbers.q)

    @property
    def size(self) -> int:
        """Bytes of the modulus."""
        return (self.n.bit_length() + 7) // 8

    def spki(self, *, explicit: bool = False) -> bytes:
        """SubjectPublicKeyInfo (RFC 3279 §2.3.1); ``explicit`` means nothing here."""
        algorithm = _der.sequence(_der.oid(Signature.RSA_ENCRYPTION), _der.NULL)
        return _der.sequence(algorithm, _der.bits(_der.sequence(_der.integer(self.n), _der.integer(self.e))))

    def private_operation(self, value: int) -> int:
        """RSASP1 (RFC 8017 §5.2.1) by the Chinese remainder theorem."""
        mp = pow(value % self.p, self.d % (self.p - 1), self.p)
        mq = pow(value % self.q, self.d % (self.q - 1), self.q)
        return mq + (mp - mq) * pow(self.q, -1, self.p) % self.p * self.q

    def sign_pkcs1(self, message: bytes, hash_name: str) -> bytes:
        """RSASSA-PKCS1-v1_5 (RFC 8017 §8.2)."""
        return self._pyca().sign(message, padding.PKCS1v15(), HASHES[hash_name])

    def sign_pss(
        self, message: bytes, hash_name: str, *, mgf_hash: str | None = None, salt_bytes: int | None = None
    ) -> bytes:
        """RSASSA-PSS (RFC 8017 §8.1); the salt is a hash of key and message, so that it can be repeated.

        Args:
            message: what to sign.
            hash_name: hash of the message.
            mgf_hash: hash of MGF1; the same where None.
            salt_bytes: length of the salt; that of the hash where None.
        """
        hashed = digest(hash_name, message)
        salt_bytes = len(hashed) if salt_bytes is None else salt_bytes
        salt = SeededRandom(self.d.to_bytes(self.size, "big") + message, "salt")(salt_bytes)
        bits = self.n.bit_length() - 1
        size = (bits + 7) // 8
        inner = digest(hash_name, bytes(8) + hashed + salt)
        if size < len(hashed) + salt_bytes + 2:
            raise ConfigurationError("the RSA key is too short for that hash and salt")
        block = bytes(size - salt_bytes - len(hashed) - 2) + b"\x01" + salt
        mask = mgf1(inner, len(block), mgf_hash or hash_name)
        masked = bytearray(a ^ b for a, b in zip(block, mask, strict=True))
        masked[0] &= 0xFF >> (8 * size - bits)
        encoded = bytes(masked) + inner + b"\xbc"
        return self.private_operation(int.from_bytes(encoded, "big")).to_bytes(self.size, "big")

    def _pyca(self) -> rsa.RSAPrivateKey:
        return _pyca_rsa(self.n, self.e, self.d, self.p, self.q)


@dataclass(frozen=True, slots=True)
class DsaKey:
    """A DSA key pair in one of the groups of RFC 5114, whose sizes are those of FIPS 186-4.

    Attributes:
        group: the domain parameters.
        secret: the private value, 1 … q - 1; never in a ``repr``.
        public: the public value.
    """

    group: dh.DhGroup
    secret: int = field(repr=False)
    public: int = field(repr=False)

    @classmethod
    def generate(cls, bits: int, order_bits: int, rng: Rng) -> Self:
        """A pair with p and q of these sizes: 1024 and 160, 2048 and 224, 2048 and 256.

        Raises:
            ConfigurationError: other sizes.
        """
        for group in dh.GROUPS:
            if group.q is not None and (group.p.bit_length(), group.q.bit_length()) == (bits, order_bits):
                secret = draw_scalar(rng, group.q)
                return cls(group, secret, pow(group.g, secret, group.p))
        raise ConfigurationError(f"a DSA key of {bits} and {order_bits} bits cannot be made here")

    @property
    def order(self) -> int:
        """q."""
        return self.group.q or 0

    def spki(self, *, explicit: bool = False) -> bytes:
        """SubjectPublicKeyInfo (RFC 3279 §2.3.2); ``explicit`` means nothing here."""
        numbers = (_der.integer(v) for v in (self.group.p, self.order, self.group.g))
        algorithm = _der.sequence(_der.oid(Signature.DSA), _der.sequence(*numbers))
        return _der.sequence(algorithm, _der.bits(self.public_bytes))

    @property
    def public_bytes(self) -> bytes:
        """The public value as an INTEGER."""
        return _der.integer(self.public)

    def sign(self, message: bytes, hash_name: str) -> bytes:
        """DSA over ``message``, DER (FIPS 186-4 §4.6; RFC 3279 §2.2.2), with a nonce made of key and message."""
        hashed = digest(hash_name, message)
        q = self.order
        z = int.from_bytes(hashed, "big") >> max(0, len(hashed) * 8 - q.bit_length())
        rng = SeededRandom(self.secret.to_bytes(32, "big") + hashed, "nonce")
        while True:
            k = draw_scalar(rng, q)
            r = pow(self.group.g, k, self.group.p) % q
            s = pow(k, -1, q) * (z + self.secret * r) % q
            if r and s:
                return _der.sequence(_der.integer(r), _der.integer(s))


PrivateKey = EcKey | RsaKey
"""A private key of the test world."""

SigningKey = PrivateKey | DsaKey
"""A key that certificates and documents can be signed with."""


def make_key(spec: str, seed: Seed, *labels: str) -> PrivateKey:
    """A key by name: a curve (``brainpoolP256r1``), or ``rsa-2048``; ``rsa-2048-e3`` has the public exponent 3.

    Raises:
        ConfigurationError: no such kind of key.
    """
    if spec.startswith("rsa-"):
        parts = spec.split("-")
        exponent = int(parts[2][1:]) if len(parts) > 2 else _RSA_EXPONENT
        return RsaKey.generate(int(parts[1]), seed, *labels, e=exponent)
    try:
        return EcKey.generate(spec, SeededRandom(seed, "key", spec, *labels))
    except UnsupportedAlgorithmError as error:
        raise ConfigurationError(f"no such kind of key: {spec!r}") from error


def make_signing_key(spec: str, seed: Seed, *labels: str) -> SigningKey:
    """As :func:`make_key`, and DSA: ``dsa-1024-160``, ``dsa-2048-224``, ``dsa-2048-256``.

    Raises:
        ConfigurationError: no such kind of key.
    """
    if not spec.startswith("dsa-"):
        return make_key(spec, seed, *labels)
    bits, _, order_bits = spec[4:].partition("-")
    return DsaKey.generate(int(bits), int(order_bits or 0), SeededRandom(seed, "key", spec, *labels))


def explicit_parameters(curve: curves.Curve) -> bytes:
    """ECParameters of the curve with every number spelled out (RFC 3279 §2.3.5; ANSI X9.62)."""
    size = curve.coordinate_bytes
    field_id = _der.sequence(_der.oid(DomainParameters.PRIME_FIELD), _der.integer(curve.p))
    coefficients = _der.sequence(_der.octets(curve.a.to_bytes(size, "big")), _der.octets(curve.b.to_bytes(size, "big")))
    base = b"\x04" + curve.gx.to_bytes(size, "big") + curve.gy.to_bytes(size, "big")
    return _der.sequence(
        _der.integer(1), field_id, coefficients, _der.octets(base), _der.integer(curve.n), _der.integer(1)
    )


def pkcs8(key: SigningKey) -> bytes:
    """The private key as PKCS #8 DER, for tests that hand it to other software."""
    if isinstance(key, RsaKey):
        algorithm = _der.sequence(_der.oid(Signature.RSA_ENCRYPTION), _der.NULL)
        inverse = pow(key.q, -1, key.p)
        numbers = (0, key.n, key.e, key.d, key.p, key.q, key.d % (key.p - 1), key.d % (key.q - 1), inverse)
        inner = _der.sequence(*(_der.integer(v) for v in numbers))
    elif isinstance(key, DsaKey):
        algorithm = _der.sequence(
            _der.oid(Signature.DSA), _der.sequence(*(_der.integer(v) for v in (key.group.p, key.order, key.group.g)))
        )
        inner = _der.integer(key.secret)
    else:
        algorithm = _der.sequence(_der.oid(DomainParameters.EC_PUBLIC_KEY), _der.oid(key.curve.oid))
        scalar = key.secret.to_bytes(key.curve.order_bytes, "big")
        inner = _der.sequence(_der.integer(1), _der.octets(scalar), tlv(0xA1, _der.bits(key.public_bytes)))
    return _der.sequence(_der.integer(0), algorithm, _der.octets(inner))


def mgf1(seed: bytes, size: int, hash_name: str) -> bytes:
    """MGF1 (RFC 8017 §B.2.1)."""
    out = b""
    counter = 0
    while len(out) < size:
        out += digest(hash_name, seed + counter.to_bytes(4, "big"))
        counter += 1
    return out[:size]


def _curve(parameters: _tlv.Tlv) -> curves.Curve:
    """The curve of an ECParameters: an object identifier, or every number spelled out (RFC 3279 §2.3.5)."""
    if parameters.tag == 0x06:
        return next(c for c in curves.CURVES if _der.oid(c.oid) == parameters.raw)
    _, field_id, coefficients, base, order = parameters.children()[:5]
    size = (len(base.value) - 1) // 2
    a, b = coefficients.children()[:2]
    numbers = (field_id.children()[1].value, a.value, b.value, base.value[1 : 1 + size], base.value[1 + size :])
    p, a_value, b_value, gx, gy = (int.from_bytes(v, "big") for v in numbers)
    return curves.from_explicit(p=p, a=a_value, b=b_value, gx=gx, gy=gy, n=int.from_bytes(order.value, "big"))


@functools.lru_cache(maxsize=64)
def _pyca_rsa(n: int, e: int, d: int, p: int, q: int) -> rsa.RSAPrivateKey:
    numbers = rsa.RSAPrivateNumbers(
        p=p, q=q, d=d, dmp1=d % (p - 1), dmq1=d % (q - 1), iqmp=pow(q, -1, p), public_numbers=rsa.RSAPublicNumbers(e, n)
    )
    return numbers.private_key()


@functools.lru_cache(maxsize=1)
def _small_primes() -> tuple[int, ...]:
    sieve = bytearray([1]) * _SIEVE
    for i in range(2, 64):
        sieve[i * i :: i] = bytes(len(range(i * i, _SIEVE, i)))
    return tuple(i for i in range(3, _SIEVE) if sieve[i])


def _prime(bits: int, rng: SeededRandom, e: int) -> int:
    """A prime of exactly ``bits`` bits with its two top bits set and gcd(p - 1, e) = 1."""
    while True:
        start = int.from_bytes(rng(bits // 8), "big") | 3 << (bits - 2) | 1
        span = bits * 8
        sieve = bytearray([1]) * span  # candidate start + 2 i
        for prime in _small_primes():
            first = -start * pow(2, -1, prime) % prime
            sieve[first::prime] = bytes(len(range(first, span, prime)))
        for i in range(span):
            candidate = start + 2 * i
            if sieve[i] and candidate.bit_length() == bits and (candidate - 1) % e and _is_prime(candidate, rng):
                return candidate


def _is_prime(n: int, rng: SeededRandom) -> bool:
    """Miller and Rabin: base 2, then six random bases (FIPS 186-5 appendix C.1)."""
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    bases = rng.child("bases")
    for number in range(7):
        x = pow(2 if number == 0 else 3 + bases.below(n - 5), odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


@functools.lru_cache(maxsize=64)
def _generate_rsa(bits: int, seed: Seed, labels: tuple[str, ...], e: int) -> RsaKey:
    if bits % 16 or bits < 512:
        raise ConfigurationError(f"an RSA key of {bits} bits cannot be made here")
    rng = SeededRandom(seed, "rsa", str(bits), str(e), *labels)
    p = q = _prime(bits // 2, rng, e)
    while p == q:
        q = _prime(bits // 2, rng, e)
    return RsaKey(p * q, e, pow(e, -1, (p - 1) * (q - 1)), p, q)
