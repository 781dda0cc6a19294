from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st
from tests.vectors import load, unhex

from idverify.crypto.block import Cipher
from idverify.crypto.kdf import kdf, odd_parity, session_keys

CIPHERS = {"3des": Cipher.DES3, "aes-128": Cipher.AES128}


def test_published_derivations() -> None:
    for case in load("primitives")["kdf"]:
        cipher = CIPHERS[case["cipher"]]
        if "k_pi" in case:
            assert kdf(case["shared_secret_ascii"].encode(), 3, cipher).hex() == case["k_pi"]
        else:
            enc, mac = session_keys(unhex(case["shared_secret"]), cipher)
            assert (enc.hex(), mac.hex()) == (case["ks_enc"], case["ks_mac"])


def test_long_keys_come_from_sha256() -> None:
    digest = hashlib.sha256(b"secret" + b"\0\0\0\x02").digest()
    assert kdf(b"secret", 2, Cipher.AES256) == digest
    assert kdf(b"secret", 2, Cipher.AES192) == digest[:24]


@given(st.binary(max_size=40))
def test_parity_is_odd_and_touches_the_lowest_bit_only(key: bytes) -> None:
    adjusted = odd_parity(key)
    assert all(b.bit_count() % 2 == 1 for b in adjusted)
    assert all(a & 0xFE == b & 0xFE for a, b in zip(adjusted, key, strict=True))
