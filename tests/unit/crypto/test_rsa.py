from __future__ import annotations

import functools
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa as pyca
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import shared
from tests.vectors import load, unhex

from idverify.crypto import rsa
from idverify.crypto.signature import PublicKey
from idverify.errors import MalformedDataError, UnsupportedAlgorithmError

CHALLENGE = bytes(range(8))


@functools.cache
def key() -> tuple[int, int, int]:
    """(n, e, d) of a fresh key."""
    private = pyca.generate_private_key(65537, 1024)
    numbers = private.private_numbers()
    return numbers.public_numbers.n, 65537, numbers.d


def representative(bits: int, hash_name: str, trailer: bytes, m2: bytes, *, header: int = 0x6A) -> bytes:
    """A message representative, M1 filling what the hash and the trailer leave (ICAO 9303-11 §6.1.2.2)."""
    size = hashlib.new(hash_name).digest_size
    m1 = bytes(i * 7 & 0xFF for i in range(bits // 8 - 1 - size - len(trailer)))
    return bytes([header]) + m1 + hashlib.new(hash_name, m1 + m2).digest() + trailer


def sign(data: bytes, *, smaller: bool = False) -> bytes:
    n, _, d = key()
    s = pow(int.from_bytes(data, "big"), d, n)
    return (min(s, n - s) if smaller else s).to_bytes(128, "big")


def test_published_message_representative() -> None:
    example = load("aa_rsa_sha1")
    n, e, _ = key()
    signature = sign(unhex(example["message_representative_f"]))
    found = rsa.iso9796_2_verify(n, e, signature, unhex(example["rnd_ifd"]))
    assert found is not None
    assert found.m1.hex() == example["m1"]
    assert found.digest.hex() == example["hash_m"]
    assert (found.hash_name, found.trailer, found.partial) == ("sha1", "bc", True)


def test_signatures_of_real_chips() -> None:
    entries = json.loads(shared("vectors/aa/rsa_iso9796_signatures.json").read_text())["vectors"]
    assert len(entries) == 7
    for case in entries:
        spki = unhex(case["dg15"])[3:] if "dg15" in case else unhex(case["subject_public_key_info"])
        public = PublicKey.from_spki(spki)
        found = rsa.iso9796_2_verify(public.n, public.e, unhex(case["signature"]), unhex(case["rnd_ifd"]))
        assert (found is not None) == case["must_verify"]
        if found and "trailer" in case:
            assert (found.hash_name, found.trailer) == (case["hash_algorithm"], case["trailer"])


@pytest.mark.parametrize("smaller", [False, True])
@pytest.mark.parametrize(
    ("hash_name", "trailer"),
    [(h, "bc") for h in rsa.HASH_NAMES]
    + [("sha1", "33cc"), ("sha256", "34cc"), ("sha512", "35cc"), ("sha384", "36cc"), ("sha224", "38cc")],
)
def test_every_hash_and_trailer(hash_name: str, trailer: str, smaller: bool) -> None:
    n, e, _ = key()
    data = representative(1024, hash_name, unhex(trailer), CHALLENGE)
    signature = sign(data, smaller=smaller)
    found = rsa.iso9796_2_verify(n, e, signature, CHALLENGE)
    assert found is not None
    assert (found.hash_name, found.trailer) == (hash_name, trailer)
    assert rsa.iso9796_2_verify(n, e, signature, CHALLENGE[::-1]) is None
    assert rsa.iso9796_2_recover(n, e, signature, implicit_hash=hash_name) == found


def test_total_recovery_and_its_padding() -> None:
    n, e, _ = key()
    message = b"all of the message"
    body = message + hashlib.sha1(message).digest() + b"\xbc"
    data = b"\x4b" + b"\xbb" * (128 - 2 - len(body)) + b"\xba" + body
    found = rsa.iso9796_2_verify(n, e, sign(data), b"")
    assert found is not None
    assert (found.m1, found.partial) == (message, False)


def test_leading_zeros_do_not_matter() -> None:
    n, e, _ = key()
    for filler in range(2000):  # look for a signature whose first byte is zero
        m1 = filler.to_bytes(106, "big")
        data = b"\x6a" + m1 + hashlib.sha1(m1 + CHALLENGE).digest() + b"\xbc"
        signature = sign(data)
        if signature[0] == 0:
            break
    assert signature[0] == 0
    for form in (signature, signature.lstrip(b"\0"), bytes(16) + signature):
        assert rsa.iso9796_2_verify(n, e, form, CHALLENGE)
    assert rsa.iso9796_2_verify(n, e, bytes(17) + signature, CHALLENGE) is None


@pytest.mark.parametrize(
    "data",
    [
        representative(1024, "sha1", b"\xbc", CHALLENGE, header=0x2A),  # no 01 in front
        representative(1024, "sha1", b"\xbc", CHALLENGE, header=0x6C),  # no border
        b"\x6b" * 127 + b"\xbc",  # padding without an end
        representative(1024, "sha1", b"\x31\xcc", CHALLENGE),  # RIPEMD
        representative(1024, "sha1", b"\xbd", CHALLENGE),
        b"\x4b" + b"\xbb" * 115 + b"\xba" + bytes(10) + b"\xbc",  # shorter than a hash
    ],
)
def test_other_representatives_are_refused(data: bytes) -> None:
    n, e, _ = key()
    assert rsa.iso9796_2_verify(n, e, sign(data), CHALLENGE) is None
    with pytest.raises(MalformedDataError):
        rsa.iso9796_2_recover(n, e, sign(data))


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=140))
def test_arbitrary_bytes_do_not_verify(signature: bytes) -> None:
    n, e, _ = key()
    assert rsa.iso9796_2_verify(n, e, signature, CHALLENGE) is None


def test_every_flipped_bit_of_a_signature_is_refused() -> None:
    n, e, _ = key()
    genuine = sign(representative(1024, "sha256", b"\x34\xcc", CHALLENGE))
    for bit in range(0, 1024, 3):
        altered = bytearray(genuine)
        altered[bit // 8] ^= 1 << bit % 8
        assert rsa.iso9796_2_verify(n, e, bytes(altered), CHALLENGE) is None


def test_out_of_range_and_odd_lengths() -> None:
    n, e, _ = key()
    for signature in (b"", bytes(128), n.to_bytes(128, "big")):
        assert rsa.public_operation(n, e, signature) is None
    with pytest.raises(UnsupportedAlgorithmError, match="multiple of 8"):
        rsa.iso9796_2_verify(n >> 3 | 1, e, b"\x01", b"")
