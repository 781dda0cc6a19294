"""Octets at rest: AES-256-GCM under a key of the caller (NIST SP 800-38D).

What is sealed is a magic of five octets, a nonce of 12 octets drawn anew for each, the ciphertext, and 16 octets of
tag. The magic and the caller's context are authenticated besides. One key must not seal more than 2^32 times (8.3).
"""

from __future__ import annotations

from collections.abc import Callable
from os import urandom

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from idverify._secret import Secret
from idverify.errors import ConfigurationError, MalformedDataError

KEY_BYTES = 32
OVERHEAD = 5 + 12 + 16
"""Octets that sealing adds."""
_NONCE = 12


def seal(
    plain: bytes, key: Secret[bytes], *, magic: bytes, context: bytes, rng: Callable[[int], bytes] = urandom
) -> bytes:
    """Octets that only the key opens.

    Raises:
        ConfigurationError: a key of another length than 32 octets, or a source of randomness that gives too little.
    """
    nonce = rng(_NONCE)
    if len(nonce) != _NONCE:
        raise ConfigurationError("the source of randomness gave another length than asked for")
    return magic + nonce + _cipher(key).encrypt(nonce, plain, magic + context)


def unseal(sealed: bytes, key: Secret[bytes], *, magic: bytes, context: bytes, what: str) -> bytes:
    """What :func:`seal` was given.

    Args:
        sealed: from :func:`seal`.
        key: the same key.
        magic: the same magic.
        context: the same context.
        what: what they should be, for messages.

    Raises:
        ConfigurationError: a key of another length than 32 octets.
        MalformedDataError: not sealed, altered, of another context, or under another key.
    """
    start = len(magic) + _NONCE
    if len(sealed) < start + 16 or not sealed.startswith(magic):
        raise MalformedDataError(f"these bytes are no sealed {what}")
    try:
        return _cipher(key).decrypt(sealed[len(magic) : start], sealed[start:], magic + context)
    except InvalidTag:
        raise MalformedDataError(
            f"the sealed {what} does not open: altered, of another context, or under another key"
        ) from None


def _cipher(key: Secret[bytes]) -> AESGCM:
    value = key.reveal()
    if len(value) != KEY_BYTES:
        raise ConfigurationError(f"the key for sealing has {KEY_BYTES} octets, not {len(value)}")
    return AESGCM(value)
