"""Signatures: against pyca/OpenSSL and python-ecdsa as second implementations, odd encodings, hostile bytes."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import ecdsa
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.crypto import der

from idverify.crypto import curves
from idverify.crypto.signature import (
    DsaDomain,
    KeyKind,
    PublicKey,
    Scheme,
    SignatureAlgorithm,
    digest,
    hash_name,
    hash_oid,
    verify,
    verify_ecdsa_digest,
)
from idverify.emulator.keys import DsaKey, EcKey, explicit_parameters, make_signing_key, pkcs8
from idverify.errors import IdVerifyError, MalformedDataError, UnsupportedAlgorithmError

MESSAGE = b"what the issuing state signed"
HASHES = {"sha1": hashes.SHA1(), "sha224": hashes.SHA224(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(),
          "sha512": hashes.SHA512()}  # fmt: skip
RSA = rsa.generate_private_key(65537, 2048)
RSA_KEY = PublicKey.rsa(RSA.public_key().public_numbers().n, 65537)
PYCA_CURVES = [c for c in curves.CURVES if c.primitive is not None]


def spki(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("name", HASHES)
def test_rsa_signatures_of_openssl_verify(name: str) -> None:
    plain = RSA.sign(MESSAGE, padding.PKCS1v15(), HASHES[name])
    salted = RSA.sign(MESSAGE, padding.PSS(padding.MGF1(HASHES[name]), HASHES[name].digest_size), HASHES[name])
    pkcs1 = SignatureAlgorithm(Scheme.RSA_PKCS1, name)
    pss = SignatureAlgorithm(Scheme.RSA_PSS, name, name, HASHES[name].digest_size)
    key = PublicKey.from_spki(spki(RSA.public_key()))
    assert key == RSA_KEY
    assert verify(key, pkcs1, plain, MESSAGE)
    assert verify(key, pss, salted, MESSAGE)
    assert not verify(key, pkcs1, salted, MESSAGE)
    assert not verify(key, pss, plain, MESSAGE)
    assert not verify(key, replace(pss, salt_length=HASHES[name].digest_size - 1), salted, MESSAGE)
    for bit in (0, 7, 1000, 2047):
        assert not verify(key, pkcs1, flipped(plain, bit), MESSAGE)
        assert not verify(key, pss, flipped(salted, bit), MESSAGE)
    assert not verify(key, pkcs1, plain, MESSAGE + b"!")
    assert pkcs1.weak is (name == "sha1")


def test_pss_with_another_mask_hash_and_salt() -> None:
    signature = RSA.sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA1()), 20), hashes.SHA256())
    assert verify(RSA_KEY, SignatureAlgorithm(Scheme.RSA_PSS, "sha256", "sha1", 20), signature, MESSAGE)
    assert verify(RSA_KEY, SignatureAlgorithm(Scheme.RSA_PSS, "sha256", "sha1", None), signature, MESSAGE)
    assert not verify(RSA_KEY, SignatureAlgorithm(Scheme.RSA_PSS, "sha256", "sha256", 20), signature, MESSAGE)


def test_leading_zeros_of_an_rsa_signature_may_be_missing_or_too_many() -> None:
    algorithm = SignatureAlgorithm(Scheme.RSA_PKCS1, "sha256")
    for counter in range(5000):
        message = str(counter).encode()
        signature = RSA.sign(message, padding.PKCS1v15(), hashes.SHA256())
        if signature[0] == 0:
            break
    assert verify(RSA_KEY, algorithm, signature, message)
    assert verify(RSA_KEY, algorithm, signature.lstrip(b"\0"), message)
    assert verify(RSA_KEY, algorithm, b"\0\0" + signature, message)
    assert not verify(RSA_KEY, algorithm, b"\1" + signature, message)
    assert not verify(RSA_KEY, algorithm, b"", message)


@pytest.mark.parametrize("curve", PYCA_CURVES, ids=lambda c: c.name)
@pytest.mark.parametrize("name", ["sha1", "sha256", "sha512"])
def test_ecdsa_signatures_of_openssl_verify(curve: curves.Curve, name: str) -> None:
    private = ec.generate_private_key(curve.primitive)
    signature = private.sign(MESSAGE, ec.ECDSA(HASHES[name]))
    key = PublicKey.from_spki(spki(private.public_key()))
    assert key.curve is curve
    assert not key.explicit
    algorithm = SignatureAlgorithm(Scheme.ECDSA, name)
    assert verify(key, algorithm, signature, MESSAGE)
    assert not verify(key, algorithm, signature, MESSAGE + b"!")
    assert not verify(key, algorithm, signature[:-1], MESSAGE)
    assert not verify(key, algorithm, flipped(signature, 8 * len(signature) - 8), MESSAGE)
    compressed = private.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )
    if curve.p % 4 == 3:
        assert PublicKey.from_point(curve, compressed) == key


@pytest.mark.parametrize("curve", [c for c in curves.CURVES if c.primitive is None], ids=lambda c: c.name)
def test_curves_that_openssl_s_interface_lacks_verify_signatures_of_python_ecdsa(curve: curves.Curve) -> None:
    bits = {192: ecdsa.BRAINPOOLP192r1, 224: ecdsa.BRAINPOOLP224r1, 320: ecdsa.BRAINPOOLP320r1}[curve.bits]
    private = ecdsa.SigningKey.generate(curve=bits)
    point = private.verifying_key.to_string("uncompressed")
    key = PublicKey.from_spki(der.ec_spki(der.oid(curve.oid), point))
    for name in ("sha1", "sha256", "sha512"):
        for encode, scheme in (
            (ecdsa.util.sigencode_der, Scheme.ECDSA),
            (ecdsa.util.sigencode_string, Scheme.ECDSA_PLAIN),
        ):
            signature = private.sign(MESSAGE, hashfunc=getattr(hashlib, name), sigencode=encode, allow_truncate=True)
            assert verify(key, SignatureAlgorithm(scheme, name), signature, MESSAGE)
            assert not verify(key, SignatureAlgorithm(scheme, name), signature, MESSAGE[:-1])


@pytest.mark.parametrize("curve", curves.CURVES, ids=lambda c: c.name)
def test_explicit_parameters_are_the_named_curve_and_nothing_else(curve: curves.Curve) -> None:
    point = (
        b"\x04" + curve.gx.to_bytes(curve.coordinate_bytes, "big") + curve.gy.to_bytes(curve.coordinate_bytes, "big")
    )
    key = PublicKey.from_spki(der.ec_spki(explicit_parameters(curve), point))
    assert key.curve is curve
    assert key.explicit
    assert key.weak is (curve.bits < 224)
    twice = EcKey.of(curve, 2).public_bytes  # another generator: CVE-2020-0601
    size = curve.coordinate_bytes
    for forged in (
        replace(curve, gx=int.from_bytes(twice[1 : 1 + size], "big"), gy=int.from_bytes(twice[1 + size :], "big")),
        replace(curve, b=curve.b ^ 1),
        replace(curve, a=curve.a ^ 1),
        replace(curve, n=curve.n - 2),
        replace(curve, p=curve.p - 2),
    ):
        with pytest.raises(UnsupportedAlgorithmError):
            PublicKey.from_spki(der.ec_spki(explicit_parameters(forged), point))
    with pytest.raises(MalformedDataError):
        PublicKey.from_spki(der.ec_spki(der.oid(curve.oid), flipped(point, 8 * len(point) - 8)))


@pytest.mark.parametrize("name", HASHES)
def test_algorithm_identifiers(name: str) -> None:
    assert hash_name(hash_oid(name)) == name
    assert digest(name, MESSAGE[:5], MESSAGE[5:]) == hashlib.new(name, MESSAGE).digest()
    suffix = {"sha224": 1, "sha256": 2, "sha384": 3, "sha512": 4}
    oid = f"1.2.840.10045.4.3.{suffix[name]}" if name in suffix else "1.2.840.10045.4.1"
    for parameters in (b"", b"\x05\x00"):  # NULL after ecdsa-with-SHA* is wrong and common
        parsed = SignatureAlgorithm.parse(der.sequence(der.oid(oid), parameters))
        assert parsed == SignatureAlgorithm(Scheme.ECDSA, name)
    specified = der.sequence(der.oid("1.2.840.10045.4.3"), der.sequence(der.oid(hash_oid(name))))
    assert SignatureAlgorithm.parse(specified) == SignatureAlgorithm(Scheme.ECDSA, name)
    for named_by_the_key, scheme in (("1.2.840.113549.1.1.1", Scheme.RSA_PKCS1), ("1.2.840.10045.2.1", Scheme.ECDSA)):
        encoded = der.sequence(der.oid(named_by_the_key), b"\x05\x00")
        assert SignatureAlgorithm.parse(encoded, hint=name) == SignatureAlgorithm(scheme, name)
        with pytest.raises(UnsupportedAlgorithmError):
            SignatureAlgorithm.parse(encoded)


def test_pss_parameters_default_and_missing() -> None:
    pss = der.oid("1.2.840.113549.1.1.10")
    assert SignatureAlgorithm.parse(der.sequence(pss, b"\x30\x00")) == SignatureAlgorithm(
        Scheme.RSA_PSS, "sha1", "sha1", 20
    )
    for nothing in (b"", b"\x05\x00"):
        parsed = SignatureAlgorithm.parse(der.sequence(pss, nothing), hint="sha384")
        assert parsed == SignatureAlgorithm(Scheme.RSA_PSS, "sha384", "sha384", None)
    with pytest.raises(UnsupportedAlgorithmError):
        SignatureAlgorithm.parse(der.sequence(pss, der.sequence(b"\xa3\x03\x02\x01\x02")))  # trailer field 2
    with pytest.raises(MalformedDataError):
        SignatureAlgorithm.parse(der.sequence(pss, der.sequence(b"\xa2\x04\x02\x02\x7f\xff")))


def test_what_does_not_go_together_is_refused() -> None:
    curve = curves.by_name("secp256r1")
    key = PublicKey.ec(curve, curve.gx, curve.gy)
    with pytest.raises(UnsupportedAlgorithmError):
        verify(key, SignatureAlgorithm(Scheme.RSA_PSS, "sha256", "sha256", 32), b"\0" * 64, MESSAGE)
    with pytest.raises(UnsupportedAlgorithmError):
        verify(RSA_KEY, SignatureAlgorithm(Scheme.ECDSA, "sha256"), b"\0" * 64, MESSAGE)
    with pytest.raises(UnsupportedAlgorithmError):
        verify_ecdsa_digest(RSA_KEY, b"", b"\0" * 32)
    for n, e in (
        (RSA_KEY.n << 1, 3),
        (RSA_KEY.n, 1),
        (RSA_KEY.n, 2),
        (RSA_KEY.n, 1 << 65 | 1),
        (3, 3),
        (1 << 9000 | 1, 3),
    ):
        with pytest.raises(UnsupportedAlgorithmError):
            PublicKey.rsa(n, e)
    with pytest.raises(UnsupportedAlgorithmError):
        SignatureAlgorithm.parse(der.sequence(der.oid("1.2.840.113549.1.1.4"), b"\x05\x00"))  # MD5
    with pytest.raises(UnsupportedAlgorithmError):
        hash_name("1.2.840.113549.2.5")


@pytest.mark.parametrize("pair", [(0, 1), (1, 0), (0, 0)])
@pytest.mark.parametrize("name", ["secp256r1", "brainpoolP224r1"])
def test_zero_and_too_large_ecdsa_values_never_verify(name: str, pair: tuple[int, int]) -> None:
    curve = curves.by_name(name)
    key = PublicKey.ec(curve, curve.gx, curve.gy)
    for r, s in (pair, (pair[0] * curve.n, pair[1] * curve.n), (pair[0] + curve.n, pair[1] + curve.n)):
        size = curve.order_bytes + 1
        signature = r.to_bytes(size, "big")[-curve.order_bytes :] + s.to_bytes(size, "big")[-curve.order_bytes :]
        assert not verify_ecdsa_digest(key, signature, b"\0" * 32, plain=True)


# ---- DSA -----------------------------------------------------------------------------------------------------------

DSA_KINDS = ("dsa-1024-160", "dsa-2048-224", "dsa-2048-256")


def dsa_key(kind: str) -> DsaKey:
    key = make_signing_key(kind, "signature")
    assert isinstance(key, DsaKey)
    return key


@pytest.mark.parametrize("name", HASHES)
@pytest.mark.parametrize("kind", DSA_KINDS)
def test_dsa_signatures_of_openssl_verify_and_ours_verify_there(kind: str, name: str) -> None:
    mine = dsa_key(kind)
    theirs = serialization.load_der_private_key(pkcs8(mine), None)
    assert isinstance(theirs, dsa.DSAPrivateKey)
    assert mine.spki() == theirs.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    theirs.public_key().verify(mine.sign(MESSAGE, name), MESSAGE, HASHES[name])
    key, algorithm = PublicKey.from_spki(mine.spki()), SignatureAlgorithm(Scheme.DSA, name)
    signature = theirs.sign(MESSAGE, HASHES[name])
    assert verify(key, algorithm, signature, MESSAGE)
    assert not verify(key, algorithm, signature, MESSAGE + b"!")
    assert not any(verify(key, algorithm, flipped(signature, bit), MESSAGE) for bit in range(0, 8 * len(signature), 3))
    assert key.weak
    assert str(key) == kind.rpartition("-")[0]


def test_a_dsa_key_of_openssl_s_own_making() -> None:
    theirs = dsa.generate_private_key(1024)
    encoded = theirs.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    algorithm = SignatureAlgorithm.parse(der.sequence(der.oid("1.2.840.10040.4.3")))
    assert algorithm == SignatureAlgorithm(Scheme.DSA, "sha1")
    assert algorithm.weak
    assert verify(PublicKey.from_spki(encoded), algorithm, theirs.sign(MESSAGE, hashes.SHA1()), MESSAGE)


def test_dsa_numbers_out_of_range_never_verify() -> None:
    mine = dsa_key("dsa-2048-256")
    key, algorithm, q = PublicKey.from_spki(mine.spki()), SignatureAlgorithm(Scheme.DSA, "sha256"), mine.order
    for r, s in ((0, 1), (1, 0), (q, 1), (1, q), (q + 1, 1)):
        assert not verify(key, algorithm, encode_dss_signature(r, s), MESSAGE)
    assert not verify(key, algorithm, bytes.fromhex("3006 0201FF 020101"), MESSAGE)  # r = −1
    assert not verify(key, algorithm, b"", MESSAGE)
    assert not verify(key, algorithm, bytes(64), MESSAGE)


def test_dsa_parameters_that_are_none_are_refused() -> None:
    mine = dsa_key("dsa-2048-256")
    p, q, g = mine.group.p, mine.order, mine.group.g
    assert PublicKey.dsa(DsaDomain(p, q, g), mine.public).kind is KeyKind.DSA
    for domain in (
        DsaDomain(p + 1, q, g), DsaDomain(p, q - 2, g), DsaDomain(p, q, 1), DsaDomain(p, q, p), DsaDomain(p, q, g + 1),
        DsaDomain(p >> 1100, q, g), DsaDomain(p << 4096 | 1, q, g), DsaDomain(p, q >> 20, g), DsaDomain(0, 0, 0),
    ):  # fmt: skip
        with pytest.raises(UnsupportedAlgorithmError):
            PublicKey.dsa(domain, mine.public)
    for y in (0, 1, p, p + mine.public, mine.public + 1, p - 1):
        with pytest.raises(MalformedDataError):
            PublicKey.dsa(DsaDomain(p, q, g), y)


def test_dsa_parameters_of_the_issuer_are_not_guessed() -> None:
    mine = dsa_key("dsa-1024-160")
    bare = der.sequence(der.sequence(der.oid("1.2.840.10040.4.1")), der.element(3, b"\0" + mine.public_bytes))
    with pytest.raises(UnsupportedAlgorithmError, match="without domain parameters"):
        PublicKey.from_spki(bare)


@pytest.mark.parametrize("scheme", [s for s in Scheme if s is not Scheme.DSA])
def test_a_dsa_key_verifies_nothing_but_dsa(scheme: Scheme) -> None:
    key = PublicKey.from_spki(dsa_key("dsa-1024-160").spki())
    with pytest.raises(UnsupportedAlgorithmError):
        verify(key, SignatureAlgorithm(scheme, "sha1", "sha1", 20), bytes(40), MESSAGE)


@pytest.mark.parametrize("curve", [curves.by_name("secp256r1"), curves.by_name("brainpoolP224r1")], ids=str)
def test_a_hybrid_point_is_read_and_must_agree_with_itself(curve: curves.Curve) -> None:
    size = curve.coordinate_bytes
    body = curve.gx.to_bytes(size, "big") + curve.gy.to_bytes(size, "big")
    right, wrong = (b"\x06", b"\x07") if curve.gy % 2 == 0 else (b"\x07", b"\x06")
    assert PublicKey.from_point(curve, right + body) == PublicKey.ec(curve, curve.gx, curve.gy)
    for bad in (wrong + body, right + body[:-1], right + body[size:] + body[:size]):
        with pytest.raises(MalformedDataError):
            PublicKey.from_point(curve, bad)


def test_weak_keys_say_so_and_reprs_stay_short() -> None:
    assert PublicKey.rsa((1 << 1023) | 1, 3).weak
    assert not RSA_KEY.weak
    assert str(RSA_KEY) == "rsa-2048"
    assert str(RSA_KEY.n) not in repr(RSA_KEY)
    assert RSA_KEY.kind is KeyKind.RSA


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_hostile_bytes_give_errors_of_the_tree_only(data: bytes) -> None:
    valid = der.ec_spki(explicit_parameters(curves.CURVES[4]), EcKey.of(curves.CURVES[4], 7).public_bytes)
    cut = len(data) % len(valid)
    for encoded in (data, valid[:cut] + data, valid[:cut] + data[:3] + valid[cut + 3 :]):
        for parse in (PublicKey.from_spki, SignatureAlgorithm.parse):
            try:
                parse(encoded)
            except IdVerifyError:
                continue
