"""Block ciphers and message authentication codes of eMRTD protocols: two-key 3DES and AES.

Modes (ICAO 9303-11 §9.8, BSI TR-03110-3 §A.2.4 and appendix F): CBC; the retail MAC (ISO/IEC 9797-1 MAC algorithm 3)
for 3DES; CMAC (NIST SP 800-38B) for AES; both codes are cut to 8 bytes. Padding is method 2 of ISO/IEC 9797-1.

This is the only module that touches the ``decrepit`` part of cryptography: 3DES is weak, and BAC needs it.
"""

from __future__ import annotations

import enum
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher as _Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

from idverify.errors import MalformedDataError

MAC_BYTES: Final = 8
"""Length of every message authentication code of the field."""


class Cipher(enum.Enum):
    """A block cipher with its key length.

    Attributes:
        label: name in reports, ``3DES`` or ``AES-128`` ….
        key_bytes: bytes of a key: 16 for 3DES (K1‖K2), 16, 24 or 32 for AES.
        block_bytes: bytes of a block: 8 or 16.
    """

    DES3 = ("3DES", 16, 8)
    AES128 = ("AES-128", 16, 16)
    AES192 = ("AES-192", 24, 16)
    AES256 = ("AES-256", 32, 16)

    label: str
    key_bytes: int
    block_bytes: int

    def __init__(self, label: str, key_bytes: int, block_bytes: int) -> None:
        self.label = label
        self.key_bytes = key_bytes
        self.block_bytes = block_bytes


class BlockKey:
    """A key made ready: the key schedules are computed once and used for many messages.

    Not thread-safe. Nothing of the key is shown by ``repr``.

    Args:
        cipher: the block cipher.
        key: ``cipher.key_bytes`` bytes.

    Raises:
        ValueError: a key of another length.
    """

    __slots__ = ("_algorithm", "_cmac", "_ecb", "_single", "cipher")

    def __init__(self, cipher: Cipher, key: bytes) -> None:
        if len(key) != cipher.key_bytes:
            raise ValueError(f"a {cipher.label} key has {cipher.key_bytes} bytes, got {len(key)}")
        self.cipher = cipher
        self._algorithm: AES | TripleDES
        self._single: TripleDES | None = None
        self._cmac: CMAC | None = None
        if cipher is Cipher.DES3:
            self._algorithm = TripleDES(key[:8] + key[8:] + key[:8])
            self._single = TripleDES(key[:8] * 3)
        else:
            algorithm = AES(key)
            self._algorithm = algorithm
            self._cmac = CMAC(algorithm)
        self._ecb = _Cipher(self._algorithm, ECB()).encryptor()  # noqa: S305 - single blocks: IVs, last MAC step

    def __repr__(self) -> str:
        return f"BlockKey({self.cipher.label})"

    def encrypt(self, data: bytes, iv: bytes | None = None) -> bytes:
        """CBC encryption of whole blocks; ``iv`` of one block, zero where None."""
        context = _Cipher(self._algorithm, CBC(iv or bytes(self.cipher.block_bytes))).encryptor()
        return context.update(data) + context.finalize()

    def decrypt(self, data: bytes, iv: bytes | None = None) -> bytes:
        """CBC decryption.

        Raises:
            MalformedDataError: ``data`` is no whole number of blocks.
        """
        if len(data) % self.cipher.block_bytes:
            raise MalformedDataError(f"cryptogram: {len(data)} bytes are no whole number of {self.cipher.label} blocks")
        context = _Cipher(self._algorithm, CBC(iv or bytes(self.cipher.block_bytes))).decryptor()
        return context.update(data) + context.finalize()

    def encrypt_block(self, block: bytes) -> bytes:
        """One block alone, as initialisation vectors are made (TR-03110-3 appendix F.2)."""
        if len(block) != self.cipher.block_bytes:
            raise ValueError(f"a {self.cipher.label} block has {self.cipher.block_bytes} bytes, got {len(block)}")
        return self._ecb.update(block)

    def mac_blocks(self, data: bytes) -> bytes:
        """The 8-byte code of data that are padded already (one block at least).

        Raises:
            ValueError: no whole number of blocks.
        """
        if not data or len(data) % self.cipher.block_bytes:
            raise ValueError("data for the MAC must be padded to whole blocks")
        if self._cmac is not None:
            return self.mac(data)
        # MAC algorithm 3: DES-CBC under K1; the last block, being E(K1, D(K2, E(K1, ·))), is 3DES.
        chained = bytes(8)
        if len(data) > 8 and self._single is not None:
            context = _Cipher(self._single, CBC(chained)).encryptor()
            chained = context.update(data[:-8])[-8:]
        last = int.from_bytes(chained, "big") ^ int.from_bytes(data[-8:], "big")
        return self._ecb.update(last.to_bytes(8, "big"))

    def mac(self, data: bytes) -> bytes:
        """The 8-byte code of data of any length: retail MAC over padded data, or CMAC."""
        if self._cmac is None:
            return self.mac_blocks(pad(data, 8))
        context = self._cmac.copy()
        context.update(data)
        return context.finalize()[:MAC_BYTES]


def encrypt(cipher: Cipher, key: bytes, data: bytes, iv: bytes | None = None) -> bytes:
    """CBC encryption of whole blocks; ``iv`` of one block, zero where None."""
    return BlockKey(cipher, key).encrypt(data, iv)


def decrypt(cipher: Cipher, key: bytes, data: bytes, iv: bytes | None = None) -> bytes:
    """CBC decryption.

    Raises:
        MalformedDataError: ``data`` is no whole number of blocks.
    """
    return BlockKey(cipher, key).decrypt(data, iv)


def mac(cipher: Cipher, key: bytes, data: bytes) -> bytes:
    """The 8-byte code: the retail MAC with padding method 2 for 3DES, the cut CMAC for AES."""
    return BlockKey(cipher, key).mac(data)


def pad(data: bytes, block_bytes: int) -> bytes:
    """Padding method 2 of ISO/IEC 9797-1: 80, then 00 up to whole blocks; one byte at least."""
    return data + b"\x80" + bytes(-(len(data) + 1) % block_bytes)


def unpad(data: bytes, *, what: str = "cryptogram") -> bytes:
    """Remove padding method 2.

    Raises:
        MalformedDataError: the padding is not there.
    """
    stripped = data.rstrip(b"\0")
    if not stripped or stripped[-1] != 0x80:
        raise MalformedDataError(f"{what}: the padding is wrong")
    return stripped[:-1]
