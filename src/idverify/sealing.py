"""Reports at rest: sealed with AES-256-GCM under a key of the caller (:mod:`idverify.crypto.sealing`).

A sealed report is ``IDVR``, the version 1, a nonce of 12 octets, the ciphertext and 16 octets of tag. The context, such
as a file's name or a record's number, is authenticated: a sealed report does not open in another's place. Deleting the
key deletes everything under it. Templates have a form of their own (:mod:`idverify.biometric.protection`).
"""

from __future__ import annotations

from collections.abc import Callable
from os import urandom
from pathlib import Path
from typing import Final

from idverify._secret import Secret
from idverify.crypto import sealing
from idverify.crypto.sealing import KEY_BYTES
from idverify.errors import ConfigurationError, MalformedDataError

MAX_REPORT: Final = 64 * 1024 * 1024
"""Largest report that is sealed or opened, in bytes."""
_MAGIC: Final = b"IDVR\x01"


def seal_report(
    report: bytes, key: Secret[bytes], *, context: bytes = b"", rng: Callable[[int], bytes] = urandom
) -> bytes:
    """A report that only the key opens.

    Args:
        report: the bytes of a report: JSON, HTML, XML, or a raw file of a chip.
        key: 32 octets; it stays with the caller, away from what it seals.
        context: what the report belongs to, such as a record number: opening asks for the same octets.
        rng: source of the nonce.

    Raises:
        ConfigurationError: a key of another length, or a report of more than 64 MiB.
    """
    if len(report) > MAX_REPORT:
        raise ConfigurationError(f"a report of {len(report)} bytes is beyond the cap of {MAX_REPORT}")
    return sealing.seal(report, key, magic=_MAGIC, context=context, rng=rng)


def unseal_report(sealed: bytes, key: Secret[bytes], *, context: bytes = b"") -> bytes:
    """Opens a sealed report.

    Raises:
        ConfigurationError: a key of another length.
        MalformedDataError: not a sealed report, altered, of another context, or under another key.
    """
    if len(sealed) > MAX_REPORT + sealing.OVERHEAD:
        raise MalformedDataError("these bytes are no sealed report")
    return sealing.unseal(sealed, key, magic=_MAGIC, context=context, what="report")


def read_key(path: Path) -> Secret[bytes]:
    """A key for sealing from a file: 32 octets, or 64 hexadecimal digits.

    Raises:
        ConfigurationError: the file cannot be read, or holds no such key.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(4 * KEY_BYTES)
    except OSError as error:
        raise ConfigurationError(f"cannot read the key {path.name}: {error.strerror}") from None
    if len(raw) == KEY_BYTES:
        return Secret(raw)
    try:
        key = bytes.fromhex(raw.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"{path.name} holds no key: expected {KEY_BYTES} bytes, or their hexadecimal digits")
    return Secret(key)
