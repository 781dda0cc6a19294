"""What the access protocols share: status words turned into reasons, and dynamic authentication data."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Final, NoReturn

from idverify import _tlv
from idverify.chip.access.password import AccessPassword, PasswordKind
from idverify.chip.iso7816.apdu import MAX_EXTENDED, MAX_SHORT_LE, CardChannel, CommandAPDU, ResponseAPDU
from idverify.chip.iso7816.status import meaning
from idverify.errors import (
    AccessDeniedError,
    CardLockedError,
    MalformedDataError,
    ProtocolError,
    StatusWordError,
    TransportError,
    WrongPasswordError,
)

DYNAMIC_AUTHENTICATION_DATA: Final = 0x7C
_NO_TRY_LEFT: Final = 0x63C0
_REFUSED: Final = frozenset({0x6300, 0x6982, 0x6988, 0x6A80})
_BLOCKED: Final = frozenset({0x6983, 0x6984, 0x6985, 0x6283})


def general_authenticate(
    channel: CardChannel, objects: bytes, *, last: bool, long: bool = False
) -> tuple[ResponseAPDU, Mapping[int, bytes]]:
    """One GENERAL AUTHENTICATE (ICAO 9303-11 §4.4.4.2), chained unless ``last``.

    Args:
        channel: the card.
        objects: the data objects inside 7C.
        last: whether it ends the chain.
        long: whether the answer may be longer than a short APDU carries.

    Returns:
        the response, and the data objects of its 7C by tag (empty where the status word is not 9000).

    Raises:
        MalformedDataError: an answer that is no dynamic authentication data.
    """
    le = MAX_EXTENDED if long else MAX_SHORT_LE
    data = _tlv.encode(DYNAMIC_AUTHENTICATION_DATA, objects)
    response = channel.send(CommandAPDU(0x00 if last else 0x10, 0x86, 0x00, 0x00, data=data, le=le))
    if not response.ok or not response.data:
        return response, {}
    what = "GENERAL AUTHENTICATE response"
    outer = _tlv.parse(response.data, DYNAMIC_AUTHENTICATION_DATA, what=what)
    found: dict[int, bytes] = {}
    for child in outer.children(what=what):
        if child.tag in found:
            raise MalformedDataError(f"{what}: the data object {child.tag:X} comes twice")
        found[child.tag] = child.value
    return response, found


def tries_left(sw: int) -> int | None:
    """The counter of 63Cx, or None."""
    return sw & 0x0F if sw & 0xFFF0 == _NO_TRY_LEFT else None


COUNTED: Final = (PasswordKind.PIN, PasswordKind.PUK)
"""Passwords whose wrong tries the card counts until it blocks them (BSI TR-03110-2 §3.3.1)."""


@contextlib.contextmanager
def perhaps_counted(what: str) -> Iterator[None]:
    """Where the way to the card breaks now, say that nobody knows whether the card has counted a try.

    Args:
        what: what the card checks, for people (``the PIN``).

    Raises:
        TransportError: of the kind that it came as, with that sentence.
    """
    try:
        yield
    except TransportError as error:
        words = (
            f"This was while {what} was being checked: the try may have been counted. Ask before you spend another one"
        )
        # a transport of somebody else's may raise kinds of its own, which are made in ways of their own
        kind = next(k for k in type(error).__mro__ if k.__module__ == TransportError.__module__)
        raise kind(f"{error}. {words}") from error


def refuse_password(sw: int, *, command: str, password: AccessPassword) -> NoReturn:
    """Raise what a status word after a proof of knowledge means.

    Raises:
        CardLockedError: blocked, suspended, deactivated, or no try left.
        WrongPasswordError: the password is not the card's.
        AccessDeniedError: anything else.
    """
    cause = StatusWordError(sw, command=command, meaning=meaning(sw))
    name = password.kind.name
    left = tries_left(sw)
    if left == 0 or sw in _BLOCKED:
        raise CardLockedError(
            f"{cause}. The {name} is blocked or suspended on the card. {_unlock(password)}"
        ) from cause
    if left is not None or sw in _REFUSED:
        counted = "" if left is None else f" {left} {'try is' if left == 1 else 'tries are'} left."
        raise WrongPasswordError(
            f"{cause}. The card does not accept the {name}.{counted} {password.advice}. Do not try again unchecked",
            tries_left=left,
        ) from cause
    raise AccessDeniedError(f"{cause}. Access control failed") from cause


def _unlock(password: AccessPassword) -> str:
    if password.kind is PasswordKind.PIN:
        return "Open the card with its CAN first and then give the PIN once more, or unblock it with the PUK"
    return "Take the card out of the field, wait, and try another password; else the issuer must help"


def fail(sw: int, *, command: str, advice: str = "") -> NoReturn:
    """Raise for a step that failed before any password was judged.

    Raises:
        AccessDeniedError: always; its cause is the :class:`StatusWordError`.
    """
    cause = StatusWordError(sw, command=command, meaning=meaning(sw), advice=advice)
    raise AccessDeniedError(str(cause)) from cause


def require(objects: Mapping[int, bytes], tag: int, *, what: str) -> bytes:
    """The data object of that tag.

    Raises:
        ProtocolError: the card did not send it.
    """
    value = objects.get(tag)
    if not value:
        raise ProtocolError(f"{what}: the card sent no data object {tag:X}")
    return value
