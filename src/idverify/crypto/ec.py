"""Points of elliptic curves: what PACE, chip authentication and rare signatures need beyond plain ECDH.

Secret scalars stay inside OpenSSL wherever cryptography has the curve. Its ECDH gives x-coordinates only, so two
exchanges, with k and k + 1, give x(kP) and x((k+1)P), and y(kP) follows by the recovery of Okeya and Sakurai
(CHES 2001, for short Weierstraß curves). The three curves that cryptography lacks (brainpoolP192r1, P224r1, P320r1)
are computed by the OpenSSL library of the system, where there is one (:func:`is_constant_time`: on Linux, if its
libcrypto has the curve). Elsewhere they use a regular ladder over the complete addition formulas of Renes, Costello and
Batina (EUROCRYPT 2016, algorithm 1) with randomised projective coordinates: the same sequence of operations for every
scalar, though Python's integers are not strictly constant in time. Secrets on these curves are ephemeral keys of PACE
and chip authentication, used for one session; no lasting key of a terminal is ever on them.

Functions named ``public`` take public values only and are not constant in time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from idverify.crypto import _libcrypto
from idverify.crypto.curves import Curve
from idverify.errors import ConfigurationError, MalformedDataError, UnsupportedAlgorithmError

Randomness = Callable[[int], bytes]
"""A source of random bytes: called with a number of bytes, returns so many."""

_Projective = tuple[int, int, int]
_HASH_OF_LENGTH: Final[dict[int, hashes.HashAlgorithm]] = {
    20: hashes.SHA1(),  # noqa: S303 - the verifier is told a digest; whether it is weak is judged above
    28: hashes.SHA224(),
    32: hashes.SHA256(),
    48: hashes.SHA384(),
    64: hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class Point:
    """An affine point, never the point at infinity.

    Attributes:
        x, y: coordinates, 0 … p − 1.
    """

    x: int
    y: int


def encode_point(curve: Curve, point: Point) -> bytes:
    """The uncompressed encoding 04 ‖ x ‖ y (BSI TR-03111 §3.2.1)."""
    size = curve.coordinate_bytes
    return b"\x04" + point.x.to_bytes(size, "big") + point.y.to_bytes(size, "big")


def encode_x(curve: Curve, x: int) -> bytes:
    """A coordinate as a field element of fixed length (FE2OS, BSI TR-03111 §3.1.3)."""
    return x.to_bytes(curve.coordinate_bytes, "big")


def decode_point(curve: Curve, data: bytes, *, what: str = "public key") -> Point:
    """Decode an uncompressed point and check that it is on the curve (all curves here have cofactor 1).

    Raises:
        MalformedDataError: another length or form, the point at infinity, or no point of the curve.
    """
    size = curve.coordinate_bytes
    if len(data) != 1 + 2 * size or data[0] != 0x04:
        raise MalformedDataError(
            f"{what}: expected an uncompressed point of {1 + 2 * size} bytes on {curve.name}, got {len(data)} bytes"
        )
    point = Point(int.from_bytes(data[1 : 1 + size], "big"), int.from_bytes(data[1 + size :], "big"))
    return check_point(curve, point, what=what)


def check_point(curve: Curve, point: Point, *, what: str = "public key") -> Point:
    """``point`` itself, if it is on the curve.

    Raises:
        MalformedDataError: it is not.
    """
    if not curve.contains(point.x, point.y):
        raise MalformedDataError(f"{what}: the point is not on {curve.name}")
    return point


def decompress_point(curve: Curve, x: int, *, odd: bool, what: str = "public key") -> Point:
    """The point with coordinate x and the parity of y given (BSI TR-03111 §3.2.2).

    Raises:
        MalformedDataError: no such point.
        UnsupportedAlgorithmError: a field whose square roots are not implemented (secp224r1).
    """
    p = curve.p
    if p % 4 != 3:
        raise UnsupportedAlgorithmError(f"compressed points on {curve.name} are not supported")
    y = pow(x * x * x + curve.a * x + curve.b, (p + 1) // 4, p)
    if y & 1 != odd:
        y = (p - y) % p
    return check_point(curve, Point(x, y), what=what)


def base_point(curve: Curve) -> Point:
    """The generator G."""
    return Point(curve.gx, curve.gy)


def negate(curve: Curve, point: Point) -> Point:
    """−P."""
    return Point(point.x, -point.y % curve.p)


def add(curve: Curve, left: Point, right: Point) -> Point:
    """P + Q.

    Raises:
        MalformedDataError: the sum is the point at infinity.
    """
    return _affine(curve, _add_complete(curve, (left.x, left.y, 1), (right.x, right.y, 1)))


def is_constant_time(curve: Curve) -> bool:
    """Whether products with secret scalars are computed by OpenSSL here, and not in Python."""
    return curve.primitive is not None or _libcrypto.has_curve(curve.oid)


def draw_scalar(curve: Curve, rng: Randomness) -> int:
    """A uniform secret scalar 1 … n − 1, by rejection (BSI TR-03111 §4.1.1).

    Raises:
        ConfigurationError: the source gives no usable number in 64 tries, or numbers of the wrong length.
    """
    return draw_below(curve.n, rng)


def draw_below(bound: int, rng: Randomness) -> int:
    """A uniform number 1 … bound − 1, by rejection of what is beyond; spare high bits are masked.

    Raises:
        ConfigurationError: the source gives no usable number in 64 tries, or numbers of the wrong length.
    """
    bits = bound.bit_length()
    size = (bits + 7) // 8
    for _ in range(64):
        drawn = rng(size)
        if len(drawn) != size:
            raise ConfigurationError(f"the random source gave {len(drawn)} bytes for {size}")
        value = int.from_bytes(drawn, "big") & ((1 << bits) - 1)
        if 0 < value < bound:
            return value
    raise ConfigurationError("the random source gives no usable numbers")


class PrivateScalar:
    """A secret scalar whose OpenSSL keys are made once and used for several products.

    ``repr`` shows the curve only. Not thread-safe.

    Args:
        curve: the curve.
        secret: 1 … n − 1.

    Raises:
        ValueError: out of range.
    """

    __slots__ = ("_key", "_next", "_secret", "curve")

    def __init__(self, curve: Curve, secret: int) -> None:
        if not 1 <= secret < curve.n:
            raise ValueError("a secret scalar must be 1 … n − 1")
        self.curve = curve
        self._secret = secret
        self._key: ec.EllipticCurvePrivateKey | None = None
        self._next: ec.EllipticCurvePrivateKey | None = None
        if curve.primitive is not None:
            self._key = ec.derive_private_key(secret, curve.primitive)

    def __repr__(self) -> str:
        return f"PrivateScalar({self.curve.name})"

    def reveal(self) -> int:
        """The number itself, on purpose."""
        return self._secret

    @classmethod
    def generate(cls, curve: Curve, rng: Randomness) -> PrivateScalar:
        """A fresh one from ``rng``."""
        return cls(curve, draw_scalar(curve, rng))

    def public_point(self) -> Point:
        """k·G."""
        if self._key is None:
            return _times(self.curve, self._secret, base_point(self.curve))
        numbers = self._key.public_key().public_numbers()
        return Point(numbers.x, numbers.y)

    def multiply(self, point: Point) -> Point:
        """k·P with both coordinates.

        Raises:
            MalformedDataError: ``point`` is not on the curve.
        """
        curve = self.curve
        check_point(curve, point)
        if self._key is None or curve.primitive is None:
            return _times(curve, self._secret, point)
        if self._secret == curve.n - 1:
            return negate(curve, point)
        if self._next is None:
            self._next = ec.derive_private_key(self._secret + 1, curve.primitive)
        peer = _load_public(curve, point)
        x1 = int.from_bytes(self._key.exchange(ec.ECDH(), peer), "big")
        x2 = int.from_bytes(self._next.exchange(ec.ECDH(), peer), "big")
        p, a, b, x, y = curve.p, curve.a, curve.b, point.x, point.y
        numerator = 2 * b + (a + x * x1) * (x + x1) - x2 * (x - x1) * (x - x1)
        # also a check that both exchanges were computed soundly:
        return check_point(curve, Point(x1, numerator * pow(2 * y, -1, p) % p), what="product")

    def agree(self, point: Point) -> bytes:
        """The shared secret of ECKA: x(k·P) as a field element (BSI TR-03111 §4.3.1).

        Raises:
            MalformedDataError: ``point`` is not on the curve.
        """
        check_point(self.curve, point)
        if self._key is None:
            return encode_x(self.curve, _times(self.curve, self._secret, point).x)
        return self._key.exchange(ec.ECDH(), _load_public(self.curve, point))


def base_multiply(curve: Curve, secret: int) -> Point:
    """k·G for a secret k, 1 … n − 1.

    Raises:
        ValueError: k out of range.
    """
    return PrivateScalar(curve, secret).public_point()


def multiply(curve: Curve, secret: int, point: Point) -> Point:
    """k·P for a secret k, 1 … n − 1.

    Raises:
        ValueError: k out of range.
        MalformedDataError: ``point`` is not on the curve.
    """
    return PrivateScalar(curve, secret).multiply(point)


def multiply_public(curve: Curve, scalar: int, point: Point) -> Point:
    """k·P for public k and P; fast, not constant in time.

    Raises:
        MalformedDataError: the product is the point at infinity, or P is not on the curve.
    """
    check_point(curve, point)
    return _affine_jacobian(curve, _two_products(curve, scalar % curve.n, point, 0, point))


def verify_ecdsa(curve: Curve, public: Point, digest: bytes, r: int, s: int) -> bool:
    """Whether (r, s) is an ECDSA signature of a digest (BSI TR-03111 §4.2.1.2), on any curve of the table.

    A digest longer than the order is cut to its leftmost bits.

    Args:
        curve: the curve.
        public: the public key.
        digest: the hash value.
        r, s: the signature.

    Raises:
        MalformedDataError: the public key is not on the curve.
    """
    check_point(curve, public)
    n = curve.n
    if not (1 <= r < n and 1 <= s < n):
        return False
    algorithm = _HASH_OF_LENGTH.get(len(digest))
    if curve.primitive is not None and algorithm is not None:
        try:
            _load_public(curve, public).verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(algorithm)))
        except InvalidSignature:
            return False
        return True
    e = int.from_bytes(digest, "big") >> max(0, 8 * len(digest) - n.bit_length())
    w = pow(s, -1, n)
    result = _two_products(curve, e * w % n, base_point(curve), r * w % n, public)
    if result[2] == 0:
        return False
    return _affine_jacobian(curve, result).x % n == r


# ---- inside -----------------------------------------------------------------------------------------------------


def _load_public(curve: Curve, point: Point) -> ec.EllipticCurvePublicKey:
    if curve.primitive is None:
        raise UnsupportedAlgorithmError(f"{curve.name} is not available here")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve.primitive, encode_point(curve, point))
    except ValueError:
        raise MalformedDataError(f"public key: the point is not on {curve.name}") from None


def _add_complete(curve: Curve, left: _Projective, right: _Projective) -> _Projective:
    """Complete addition in homogeneous coordinates: right for equal, opposite and infinite points alike."""
    p, a, b3 = curve.p, curve.a, 3 * curve.b
    x1, y1, z1 = left
    x2, y2, z2 = right
    t0 = x1 * x2 % p
    t1 = y1 * y2 % p
    t2 = z1 * z2 % p
    t3 = ((x1 + y1) * (x2 + y2) - t0 - t1) % p
    t4 = ((x1 + z1) * (x2 + z2) - t0 - t2) % p
    t5 = ((y1 + z1) * (y2 + z2) - t1 - t2) % p
    z = (b3 * t2 + a * t4) % p
    x = (t1 - z) % p
    z = (t1 + z) % p
    t2 = a * t2 % p
    u = (3 * t0 + t2) % p
    v = (b3 * t4 + a * (t0 - t2)) % p
    return (t3 * x - t5 * v) % p, (x * z + u * v) % p, (t5 * z + t3 * u) % p


def _times(curve: Curve, secret: int, point: Point) -> Point:
    """k·P on a curve that cryptography lacks."""
    scalar = secret.to_bytes(curve.order_bytes, "big")
    product = _libcrypto.point_times(curve.oid, scalar, encode_point(curve, point))
    if product is None:
        return _ladder(curve, secret, point)
    return decode_point(curve, product, what="product")


def _ladder(curve: Curve, secret: int, point: Point) -> Point:
    """A Montgomery ladder of fixed length over the complete formulas, coordinates randomised afresh each time."""
    p, n = curve.p, curve.n
    check_point(curve, point)
    blind = 1 + secrets.randbelow(p - 1)
    start = (point.x * blind % p, point.y * blind % p, blind)
    # k + n or k + 2n, whichever is one bit longer than n: no leading zeros to tell from the time that they take
    longer = (secret + n, secret + 2 * n)
    secret = longer[longer[0].bit_length() <= n.bit_length()]
    registers: list[_Projective] = [start, _add_complete(curve, start, start)]
    for position in range(n.bit_length() - 1, -1, -1):
        bit = secret >> position & 1
        total = _add_complete(curve, registers[0], registers[1])
        double = _add_complete(curve, registers[bit], registers[bit])
        registers = [total, double] if bit else [double, total]
    return check_point(curve, _affine(curve, registers[0]), what="product")


def _affine(curve: Curve, point: _Projective) -> Point:
    x, y, z = point
    if z == 0:
        raise MalformedDataError(f"the point at infinity of {curve.name} came out")
    inverse = pow(z, -1, curve.p)
    return Point(x * inverse % curve.p, y * inverse % curve.p)


def _affine_jacobian(curve: Curve, point: _Projective) -> Point:
    x, y, z = point
    if z == 0:
        raise MalformedDataError(f"the point at infinity of {curve.name} came out")
    p = curve.p
    inverse = pow(z, -1, p)
    square = inverse * inverse % p
    return Point(x * square % p, y * square * inverse % p)


def _double_jacobian(curve: Curve, point: _Projective) -> _Projective:
    x, y, z = point
    if z == 0 or y == 0:
        return 1, 1, 0
    p = curve.p
    yy = y * y % p
    s = 4 * x * yy % p
    zz = z * z % p
    m = (3 * x * x + curve.a * zz * zz) % p
    x3 = (m * m - 2 * s) % p
    return x3, (m * (s - x3) - 8 * yy * yy) % p, 2 * y * z % p


def _add_mixed(curve: Curve, left: _Projective, right: Point) -> _Projective:
    x1, y1, z1 = left
    if z1 == 0:
        return right.x, right.y, 1
    p = curve.p
    zz = z1 * z1 % p
    h = (right.x * zz - x1) % p
    r = (right.y * zz * z1 - y1) % p
    if h == 0:
        return _double_jacobian(curve, left) if r == 0 else (1, 1, 0)
    hh = h * h % p
    hhh = h * hh % p
    v = x1 * hh % p
    x3 = (r * r - hhh - 2 * v) % p
    return x3, (r * (v - x3) - y1 * hhh) % p, z1 * h % p


def _two_products(curve: Curve, k: int, left: Point, m: int, right: Point) -> _Projective:
    """k·P + m·Q of public values: both scalars read together (Straus)."""
    both: Point | None = None
    if left.x != right.x:
        both = add(curve, left, right)
    accumulator: _Projective = (1, 1, 0)
    for position in range(max(k.bit_length(), m.bit_length()) - 1, -1, -1):
        accumulator = _double_jacobian(curve, accumulator)
        k_bit, m_bit = k >> position & 1, m >> position & 1
        if k_bit and m_bit and both is not None:
            accumulator = _add_mixed(curve, accumulator, both)
        else:
            if k_bit:
                accumulator = _add_mixed(curve, accumulator, left)
            if m_bit:
                accumulator = _add_mixed(curve, accumulator, right)
    return accumulator
