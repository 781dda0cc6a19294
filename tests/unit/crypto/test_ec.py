from __future__ import annotations

import hashlib
import os

import ecdsa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.vectors import load, unhex

from idverify.crypto import _libcrypto, ec
from idverify.crypto.curves import CURVES, Curve, by_name
from idverify.crypto.ec import Point, PrivateScalar
from idverify.errors import MalformedDataError, UnsupportedAlgorithmError

OTHER = {
    "secp192r1": ecdsa.NIST192p,
    "brainpoolP192r1": ecdsa.BRAINPOOLP192r1,
    "secp224r1": ecdsa.NIST224p,
    "brainpoolP224r1": ecdsa.BRAINPOOLP224r1,
    "secp256r1": ecdsa.NIST256p,
    "brainpoolP256r1": ecdsa.BRAINPOOLP256r1,
    "brainpoolP320r1": ecdsa.BRAINPOOLP320r1,
    "secp384r1": ecdsa.NIST384p,
    "brainpoolP384r1": ecdsa.BRAINPOOLP384r1,
    "brainpoolP512r1": ecdsa.BRAINPOOLP512r1,
    "secp521r1": ecdsa.NIST521p,
}
every_curve = pytest.mark.parametrize("curve", CURVES, ids=lambda c: c.name)


def reference(curve: Curve, scalar: int, point: Point | None = None) -> Point:
    """k·P by another implementation."""
    other = OTHER[curve.name]
    start = other.generator if point is None else ecdsa.ellipticcurve.Point(other.curve, point.x, point.y)
    product = start * scalar
    return Point(int(product.x()), int(product.y()))


def test_mapping_products_of_the_published_example() -> None:
    example = load("pace_ecdh_gm")
    curve = by_name("brainpoolP256r1")
    mapping = example["map_nonce"]
    chip = ec.decode_point(curve, unhex(mapping["chip_public_key"]))
    scalar = int(mapping["terminal_private_key"], 16)
    assert ec.encode_point(curve, ec.base_multiply(curve, scalar)).hex() == mapping["terminal_public_key"]
    assert ec.encode_point(curve, ec.multiply(curve, scalar, chip)).hex() == mapping["shared_secret_h"]


@every_curve
def test_products_agree_with_a_second_implementation(curve: Curve) -> None:
    scalars = [1, 2, 3, curve.n - 1, curve.n - 2] + [ec.draw_scalar(curve, os.urandom) for _ in range(4)]
    point = reference(curve, ec.draw_scalar(curve, os.urandom))
    for scalar in scalars:
        key = PrivateScalar(curve, scalar)
        expected = reference(curve, scalar, point)
        assert key.public_point() == reference(curve, scalar)
        assert key.multiply(point) == expected
        assert key.agree(point) == ec.encode_x(curve, expected.x)
        assert ec.multiply_public(curve, scalar, point) == expected


@every_curve
def test_sums(curve: Curve) -> None:
    a, b = 0xA5A5A5, 0x5C5C5C5C
    left, right = ec.base_multiply(curve, a), ec.base_multiply(curve, b)
    assert ec.add(curve, left, right) == reference(curve, a + b)
    assert ec.add(curve, left, left) == reference(curve, 2 * a)
    with pytest.raises(MalformedDataError, match="infinity"):
        ec.add(curve, left, ec.negate(curve, left))
    with pytest.raises(MalformedDataError, match="infinity"):
        ec.multiply_public(curve, curve.n, left)


@every_curve
def test_ecdsa_of_a_second_implementation_verifies(curve: Curve) -> None:
    signer = ecdsa.SigningKey.generate(OTHER[curve.name])
    public = ec.decode_point(curve, signer.verifying_key.to_string("uncompressed"))
    for name in ("sha1", "sha224", "sha256", "sha384", "sha512"):
        digest = hashlib.new(name, b"message").digest()
        r, s = signer.sign_digest(digest, sigencode=lambda r, s, _: (r, s), allow_truncate=True)
        assert ec.verify_ecdsa(curve, public, digest, r, s)
        assert not ec.verify_ecdsa(curve, public, hashlib.new(name, b"massage").digest(), r, s)
        assert not ec.verify_ecdsa(curve, public, digest, s, r)
        assert not ec.verify_ecdsa(curve, ec.negate(curve, public), digest, r, s)
        for zero in ((0, s), (r, 0), (curve.n, s), (r, curve.n), (r + curve.n, s), (-r, s)):
            assert not ec.verify_ecdsa(curve, public, digest, *zero)


def test_ecdsa_own_arithmetic_handles_a_key_equal_to_the_generator() -> None:
    curve = by_name("brainpoolP224r1")
    signer = ecdsa.SigningKey.from_secret_exponent(1, OTHER[curve.name])
    digest = hashlib.sha256(b"message").digest()
    r, s = signer.sign_digest(digest, sigencode=lambda r, s, _: (r, s), allow_truncate=True)
    assert ec.verify_ecdsa(curve, ec.base_point(curve), digest, r, s)


@every_curve
def test_encodings(curve: Curve) -> None:
    point = ec.base_multiply(curve, 12345)
    encoded = ec.encode_point(curve, point)
    assert len(encoded) == 1 + 2 * curve.coordinate_bytes
    assert ec.decode_point(curve, encoded) == point
    hostile = [b"", b"\0", encoded[:-1], encoded + b"\0", b"\x02" + encoded[1:], b"\x04" + bytes(len(encoded) - 1)]
    hostile.append(encoded[:-1] + bytes([encoded[-1] ^ 1]))
    size = curve.coordinate_bytes
    if point.x + curve.p < 1 << 8 * size:  # the same point with an unreduced coordinate
        hostile.append(b"\x04" + (point.x + curve.p).to_bytes(size, "big") + encoded[1 + size :])
    for bad in hostile:
        with pytest.raises(MalformedDataError):
            ec.decode_point(curve, bad)
    if curve.name == "secp224r1":
        with pytest.raises(UnsupportedAlgorithmError):
            ec.decompress_point(curve, point.x, odd=bool(point.y & 1))
    else:
        assert ec.decompress_point(curve, point.x, odd=bool(point.y & 1)) == point
        assert ec.decompress_point(curve, point.x, odd=not point.y & 1) == ec.negate(curve, point)


@every_curve
def test_points_off_the_curve_meet_no_secret(curve: Curve) -> None:
    key = PrivateScalar(curve, 7)
    for bad in (Point(0, 0), Point(curve.gx, curve.gy ^ 1), Point(curve.gx + curve.p, curve.gy)):
        with pytest.raises(MalformedDataError):
            key.multiply(bad)
        with pytest.raises(MalformedDataError):
            key.agree(bad)
        with pytest.raises(MalformedDataError):
            ec.verify_ecdsa(curve, bad, bytes(32), 1, 1)


@every_curve
def test_scalars_out_of_range_are_refused(curve: Curve) -> None:
    for bad in (0, -1, curve.n, curve.n + 5):
        with pytest.raises(ValueError, match="secret scalar"):
            PrivateScalar(curve, bad)
    assert "7" not in repr(PrivateScalar(curve, 7)).replace(curve.name, "")


def test_drawing_rejects_and_stops() -> None:
    curve = by_name("brainpoolP256r1")
    answers = iter([bytes(32), b"\xff" * 32, curve.n.to_bytes(32, "big"), (5).to_bytes(32, "big")])
    assert ec.draw_scalar(curve, lambda n: next(answers)) == 5
    with pytest.raises(ValueError, match="no usable"):
        ec.draw_scalar(curve, bytes)
    with pytest.raises(ValueError, match="31 bytes"):
        ec.draw_scalar(curve, lambda n: bytes(n - 1))
    assert ec.draw_scalar(by_name("secp521r1"), lambda n: b"\xfe" + bytes(n - 2) + b"\x09") == 9


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 2**255), st.integers(1, 2**255))
def test_both_sides_agree(a: int, b: int) -> None:
    for curve in (by_name("secp256r1"), by_name("brainpoolP320r1")):
        left, right = PrivateScalar(curve, a), PrivateScalar(curve, b)
        assert left.agree(right.public_point()) == right.agree(left.public_point())
        assert left.multiply(right.public_point()) == right.multiply(left.public_point())


LACKED = [c for c in CURVES if c.primitive is None]
with_libcrypto = pytest.mark.skipif(not _libcrypto.has_power(), reason="no OpenSSL library of the system here")


@with_libcrypto
@every_curve
def test_no_secret_scalar_is_multiplied_in_python(curve: Curve, monkeypatch: pytest.MonkeyPatch) -> None:
    if not ec.is_constant_time(curve):
        pytest.skip(f"the OpenSSL library of the system lacks {curve.name}")

    def forbidden(*_: object) -> Point:
        raise AssertionError("a secret scalar in Python")

    for name in ("_ladder", "_add_complete", "_two_products"):
        monkeypatch.setattr(ec, name, forbidden)
    mine, yours = (PrivateScalar.generate(curve, os.urandom) for _ in range(2))
    assert mine.agree(yours.public_point()) == yours.agree(mine.public_point())
    assert mine.multiply(yours.public_point()) == yours.multiply(mine.public_point())


@pytest.mark.parametrize("curve", LACKED, ids=lambda c: c.name)
def test_both_ways_of_a_curve_that_cryptography_lacks_agree(curve: Curve) -> None:
    point = reference(curve, 987654321)
    for scalar in (1, 2, 3, 2**64, curve.n // 2, curve.n - 2, curve.n - 1, ec.draw_scalar(curve, os.urandom)):
        expected = reference(curve, scalar, point)
        assert ec._ladder(curve, scalar, point) == expected
        assert ec.multiply(curve, scalar, point) == expected


def test_an_unknown_curve_or_a_wrong_point_has_no_answer() -> None:
    curve = by_name("brainpoolP320r1")
    assert not _libcrypto.has_curve("1.2.3.4")
    assert _libcrypto.point_times("1.2.3.4", bytes(40), ec.encode_point(curve, ec.base_point(curve))) is None
    assert _libcrypto.point_times(curve.oid, (5).to_bytes(40, "big"), b"\x04" + bytes(79) + b"\x07") is None
    assert _libcrypto.point_times(curve.oid, bytes(40), ec.encode_point(curve, ec.base_point(curve))) is None


def test_the_ladder_does_the_same_work_for_every_scalar(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many additions for a small scalar as for a large one, none with infinity (but at the very ends)."""
    curve = by_name("brainpoolP320r1")
    genuine, counts = ec._add_complete, []

    def counted(curve: Curve, left: tuple[int, int, int], right: tuple[int, int, int]) -> tuple[int, int, int]:
        counts[-1] += 1
        assert left[2]
        assert right[2]
        return genuine(curve, left, right)

    monkeypatch.setattr(ec, "_add_complete", counted)
    monkeypatch.setattr(_libcrypto, "_library", lambda: None)
    monkeypatch.setattr(_libcrypto, "_group", lambda oid: None)
    assert not ec.is_constant_time(curve)
    for scalar in (2, 3, 2**100 + 1, curve.n // 2, curve.n - 9):
        counts.append(0)
        ec.multiply(curve, scalar, ec.base_point(curve))
    assert set(counts) == {2 * curve.n.bit_length() + 1}
