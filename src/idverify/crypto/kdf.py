"""Key derivation (ICAO 9303-11 §9.7; BSI TR-03110-3 §A.2.3)."""

from __future__ import annotations

import hashlib
from typing import Final

from idverify.crypto.block import Cipher

COUNTER_ENCRYPTION: Final = 1
COUNTER_MAC: Final = 2
COUNTER_PASSWORD: Final = 3


def odd_parity(key: bytes) -> bytes:
    """``key`` with the lowest bit of each byte set so that the number of ones is odd (DES keys)."""
    return bytes((b & 0xFE) | (~(b >> 1).bit_count() & 1) for b in key)


def kdf(secret: bytes, counter: int, cipher: Cipher) -> bytes:
    """KDF(secret, counter): a key for ``cipher``.

    SHA-1 for 3DES and AES-128, SHA-256 for AES-192 and AES-256; 3DES keys get odd parity (§9.7.1.1, §9.7.1.2).

    Args:
        secret: the shared secret, any length.
        counter: 1 for encryption, 2 for authentication, 3 for a password; 0 … 2³² − 1.
        cipher: the cipher that the key is for.

    Returns:
        ``cipher.key_bytes`` bytes.
    """
    data = secret + counter.to_bytes(4, "big")
    if cipher in (Cipher.AES192, Cipher.AES256):
        return hashlib.sha256(data).digest()[: cipher.key_bytes]
    key = hashlib.sha1(data, usedforsecurity=False).digest()[:16]  # the standard's choice; no collision matters here
    return odd_parity(key) if cipher is Cipher.DES3 else key


def session_keys(secret: bytes, cipher: Cipher) -> tuple[bytes, bytes]:
    """(KSEnc, KSMAC) from a shared secret (§9.7.1)."""
    return kdf(secret, COUNTER_ENCRYPTION, cipher), kdf(secret, COUNTER_MAC, cipher)
