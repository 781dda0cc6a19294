from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.vectors import load, unhex

from idverify.crypto import block
from idverify.crypto.block import BlockKey, Cipher
from idverify.errors import MalformedDataError

PRIMITIVES = load("primitives")
KEY = bytes(range(32))


def test_retail_mac_published() -> None:
    for case in PRIMITIVES["retail_mac"]:
        key = BlockKey(Cipher.DES3, unhex(case["key"]))
        assert key.mac_blocks(case["message_ascii"].encode()).hex() == case["mac"]


def test_retail_mac_of_bac_has_padding_of_its_own() -> None:
    bac = load("bac")
    assert block.mac(Cipher.DES3, unhex(bac["k_mac"]), unhex(bac["e_ifd"])).hex() == bac["m_ifd"]


def test_padding_published() -> None:
    for case in PRIMITIVES["padding_method_2"]:
        assert block.pad(unhex(case["data"]), case["block"]).hex() == case["padded"]
        assert block.unpad(unhex(case["padded"])).hex() == case["data"]


def test_tdes_cbc_published() -> None:
    for case in PRIMITIVES["tdes_cbc_zero_iv"]:
        key = unhex(case["key"])
        assert block.encrypt(Cipher.DES3, key, unhex(case["plaintext"])).hex() == case["ciphertext"]
        assert block.decrypt(Cipher.DES3, key, unhex(case["ciphertext"])).hex() == case["plaintext"]


def test_aes_cmac_published() -> None:
    # NIST SP 800-38B, appendix D.1, example 3 and D.3, example 10: the first eight bytes
    message = unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411")
    assert block.mac(Cipher.AES128, unhex("2b7e151628aed2a6abf7158809cf4f3c"), message).hex() == "dfa66747de9ae630"
    key = unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    assert block.mac(Cipher.AES256, key, message).hex() == "aaf3d8f1de5640c2"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(Cipher)), st.binary(max_size=80), st.binary(min_size=16, max_size=16))
def test_round_trip_and_key_reuse(cipher: Cipher, data: bytes, iv: bytes) -> None:
    key = BlockKey(cipher, KEY[: cipher.key_bytes])
    iv = iv[: cipher.block_bytes]
    padded = block.pad(data, cipher.block_bytes)
    for _ in range(2):  # the second time over the same prepared schedules
        assert block.unpad(key.decrypt(key.encrypt(padded, iv), iv)) == data
    assert key.encrypt_block(iv) == key.encrypt(iv)
    assert key.mac(data) == block.mac(cipher, KEY[: cipher.key_bytes], data)


@given(st.binary(max_size=70))
def test_cmac_is_that_of_the_library(data: bytes) -> None:
    other = CMAC(AES(KEY[:24]))
    other.update(data)
    assert block.mac(Cipher.AES192, KEY[:24], data) == other.finalize()[:8]


@pytest.mark.parametrize("bad", [b"", b"\0", b"\0" * 8, b"\x81", b"abc\x80\x01"])
def test_unpad_refuses(bad: bytes) -> None:
    with pytest.raises(MalformedDataError):
        block.unpad(bad)


def test_lengths_are_checked() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        BlockKey(Cipher.DES3, bytes(24))
    key = BlockKey(Cipher.AES128, bytes(16))
    with pytest.raises(MalformedDataError):
        key.decrypt(bytes(15))
    for wrong in (b"", bytes(15)):
        with pytest.raises(ValueError, match="whole blocks"):
            key.mac_blocks(wrong)
    with pytest.raises(ValueError, match="block"):
        key.encrypt_block(bytes(32))
    assert repr(key) == "BlockKey(AES-128)"
