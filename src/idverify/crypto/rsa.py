"""RSA signatures with message recovery: ISO/IEC 9796-2, digital signature scheme 1, as active authentication uses it
(ICAO 9303-11 §6.1.2.2).

The message representative is ``6A ‖ M1 ‖ H(M1 ‖ M2) ‖ trailer`` (partial recovery) or ``4B…BA ‖ M ‖ H(M) ‖ trailer``
(total recovery); the trailer is BC (option 1, SHA-1 unless agreed otherwise) or the hash's identifier and CC
(option 2).
Verification uses the public key only and needs no constant time.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from idverify.errors import MalformedDataError, UnsupportedAlgorithmError

_TRAILER_IMPLICIT: Final = 0xBC
_TRAILER_EXPLICIT: Final = 0xCC
# identifiers of ISO/IEC 10118-3, as ISO/IEC 9796-2 §8.1.2 puts them into the trailer
HASH_OF_TRAILER: Final = {0x33: "sha1", 0x34: "sha256", 0x35: "sha512", 0x36: "sha384", 0x38: "sha224"}
"""Hash algorithm by the first byte of a trailer xxCC. 31 and 32 (RIPEMD) are no hashes of this field."""
TRAILER_OF_HASH: Final = {name: number for number, name in HASH_OF_TRAILER.items()}
HASH_NAMES: Final = ("sha1", "sha224", "sha256", "sha384", "sha512")


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a signature with message recovery opens to.

    Attributes:
        m1: the recoverable part of the message.
        digest: the hash value inside.
        hash_name: ``sha1`` … ``sha512``: as the trailer names it, or the one that was assumed for the trailer BC.
        trailer: ``bc``, ``34cc`` ….
        partial: whether the header says that a part M2 is not inside.
    """

    m1: bytes = field(repr=False)
    digest: bytes
    hash_name: str
    trailer: str
    partial: bool


def public_operation(n: int, e: int, signature: bytes) -> bytes | None:
    """signature^e mod n with the length of n, or None where the signature is no number below n.

    Leading zero bytes, missing or too many, do not matter.
    """
    if not signature or len(signature) > (n.bit_length() + 7) // 8 + 16:
        return None
    number = int.from_bytes(signature, "big")
    if not 0 < number < n:
        return None
    return pow(number, e, n).to_bytes((n.bit_length() + 7) // 8, "big")


def iso9796_2_recover(n: int, e: int, signature: bytes, *, implicit_hash: str = "sha1") -> Recovered:
    """Open a signature of ISO/IEC 9796-2 scheme 1 without judging its hash.

    Both forms of a signature are read: s, and the smaller of s and n − s (§B.6 and §B.4 of that standard).

    Args:
        n, e: modulus and public exponent; the modulus has a whole number of bytes.
        signature: big-endian number, at most 16 spare leading zeros.
        implicit_hash: the hash that the trailer BC stands for, ``sha1`` … ``sha512``.

    Raises:
        MalformedDataError: the signature does not open to a message representative.
        UnsupportedAlgorithmError: a modulus whose length is no multiple of 8 bits.
    """
    for representative in _open(n, e, signature):
        found = _parse(representative, implicit_hash)
        if found is not None:
            return found
    raise MalformedDataError("ISO 9796-2: the signature does not open to a message with a known header and trailer")


def iso9796_2_verify(n: int, e: int, signature: bytes, m2: bytes) -> Recovered | None:
    """Verify a signature of ISO/IEC 9796-2 scheme 1 over M1 ‖ M2.

    The trailer BC names no hash: SHA-1, which ICAO asks for, is tried first, then the others of the field.

    Args:
        n, e, signature: as for :func:`iso9796_2_recover`.
        m2: the part of the message that is not inside the signature: the challenge.

    Returns:
        the recovered parts with the hash that was found, or None where the signature does not verify.

    Raises:
        UnsupportedAlgorithmError: a modulus whose length is no multiple of 8 bits.
    """
    for representative in _open(n, e, signature):
        names = HASH_NAMES if representative[-1] == _TRAILER_IMPLICIT else HASH_NAMES[:1]
        for name in names:
            found = _parse(representative, name)
            if found is None:
                continue
            hashed = hashlib.new(found.hash_name, found.m1 + m2, usedforsecurity=False).digest()
            if hmac.compare_digest(hashed, found.digest):
                return found
    return None


def _open(n: int, e: int, signature: bytes) -> tuple[bytes, ...]:
    if n.bit_length() % 8:
        raise UnsupportedAlgorithmError("ISO 9796-2: a modulus of a length that is no multiple of 8 bits")
    opened = public_operation(n, e, signature)
    if opened is None:
        return ()
    return opened, (n - int.from_bytes(opened, "big")).to_bytes(len(opened), "big")


def _parse(data: bytes, implicit_hash: str) -> Recovered | None:
    """The parts of a message representative, or None where header, padding or trailer are no such things."""
    if data[-1] == _TRAILER_IMPLICIT:
        hash_name, end, trailer = implicit_hash, len(data) - 1, "bc"
    elif data[-1] == _TRAILER_EXPLICIT and data[-2] in HASH_OF_TRAILER:
        hash_name, end, trailer = HASH_OF_TRAILER[data[-2]], len(data) - 2, data[-2:].hex()
    else:
        return None
    if data[0] & 0xC0 != 0x40:
        return None
    start = 0
    while data[start] & 0x0F != 0x0A:  # padding nibbles B up to the border nibble A
        if data[start] & 0x0F != 0x0B or start + 1 >= end:
            return None
        start += 1
    body = data[start + 1 : end]
    size = hashlib.new(hash_name, usedforsecurity=False).digest_size
    if len(body) < size:
        return None
    return Recovered(body[: len(body) - size], body[len(body) - size :], hash_name, trailer, bool(data[0] & 0x20))
