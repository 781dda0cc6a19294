"""PC/SC service and readers: what there is, in which state, and what the service's error codes mean.

pyscard is imported at the first call, never at import: ``pip install 'idverify-emrtd[pcsc]'`` brings it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from idverify.errors import (
    CardInUseError,
    CardRemovedError,
    NoCardError,
    ReaderNotFoundError,
    ServiceUnavailableError,
    TransportError,
    TransportTimeout,
)

# The bits of SCARD_READERSTATE.dwEventState
_STATE_PRESENT, _STATE_EXCLUSIVE, _STATE_IN_USE, _STATE_MUTE = 0x20, 0x80, 0x100, 0x200

_NO_PYSCARD = (
    "reading cards needs pyscard, which is not installed: pip install 'idverify-emrtd[pcsc]' "
    "(on Debian and Ubuntu it needs the packages swig, libpcsclite-dev and a C compiler)"
)
_NO_SERVICE = "the PC/SC service does not answer: install and start pcscd (on Debian: apt install pcscd)"

_ERRORS: Final[dict[int, tuple[type[TransportError], str]]] = {
    0x8010001D: (ServiceUnavailableError, _NO_SERVICE),
    0x8010001E: (ServiceUnavailableError, "the PC/SC service was stopped; start pcscd again and reopen the reader"),
    0x80100003: (ServiceUnavailableError, "the PC/SC service was restarted; reopen the reader"),
    0x80100013: (TransportError, "communication with the reader failed"),
    0x80100001: (TransportError, "the PC/SC service has an internal error"),
    0x80100014: (TransportError, "the PC/SC service has an unknown error"),
    0x80100009: (ReaderNotFoundError, "there is no such reader; is it plugged in?"),
    0x80100017: (ReaderNotFoundError, "the reader is not available; it was unplugged or is switched off"),
    0x8010002E: (ReaderNotFoundError, "no reader is connected"),
    0x8010000C: (NoCardError, "there is no card in the reader; lay it there and leave it"),
    0x80100066: (NoCardError, "the card does not answer; lay it flat on the reader, or turn it over"),
    0x80100067: (CardRemovedError, "the card has lost power; present it again"),
    0x80100068: (CardRemovedError, "the card was reset by another program; open it again"),
    0x80100069: (CardRemovedError, "the card was removed"),
    0x8010000B: (CardInUseError, "another program uses the card; close it and try again"),
    0x8010000A: (TransportTimeout, "the reader did not answer in time"),
    0x8010000F: (TransportError, "the card speaks neither T=0 nor T=1"),
    0x80100016: (TransportError, "the exchange with the card failed; it may have moved"),
    0x8010002F: (TransportError, "communication with the card failed; it may have moved"),
    0x80100008: (TransportError, "the answer of the card is longer than the reader carries"),
}


def scard() -> Any:
    """pyscard's low-level module.

    Raises:
        ServiceUnavailableError: pyscard is not installed, or the PC/SC library is missing.
    """
    try:
        import smartcard.scard as module
    except ImportError as error:
        if getattr(error, "name", "") in ("smartcard", "smartcard.scard"):
            raise ServiceUnavailableError(_NO_PYSCARD) from None
        raise ServiceUnavailableError("pyscard cannot be loaded: is the PC/SC library installed?") from error
    return module


def failure(result: int, doing: str) -> TransportError:
    """The exception for a PC/SC result code."""
    code = result & 0xFFFFFFFF
    kind, advice = _ERRORS.get(code, (TransportError, "the PC/SC service refused"))
    return kind(f"{doing}: {advice} (PC/SC {code:08X})")


def check(result: int, doing: str) -> None:
    """Raise :func:`failure` unless ``result`` is success."""
    if result & 0xFFFFFFFF:
        raise failure(result, doing)


@contextlib.contextmanager
def pcsc_context() -> Iterator[Any]:
    """A PC/SC context, released at the end."""
    api = scard()
    result, context = api.SCardEstablishContext(api.SCARD_SCOPE_SYSTEM)
    check(result, "connecting to the PC/SC service")
    try:
        yield context
    finally:
        api.SCardReleaseContext(context)


@dataclass(frozen=True, slots=True)
class ReaderState:
    """One reader.

    Attributes:
        name: the PC/SC name.
        index: its place in the list, from 0.
        present: whether a card is in it.
        atr: the card's answer to reset, empty where there is none or it does not answer.
        mute: a card is there but does not answer.
        exclusive: another program has the card to itself.
        in_use: some program has opened the card.
        changes: the reader's counter of insertions and removals.
    """

    name: str
    index: int
    present: bool = False
    atr: bytes = b""
    mute: bool = False
    exclusive: bool = False
    in_use: bool = False
    changes: int = 0


def reader_names(context: Any) -> list[str]:
    """The names of all readers, in PC/SC's order; empty where there is none."""
    result, names = scard().SCardListReaders(context, [])
    if result & 0xFFFFFFFF == 0x8010002E:
        return []
    check(result, "listing the readers")
    return list(names)


def reader_states(context: Any) -> tuple[ReaderState, ...]:
    """The state of all readers."""
    names = reader_names(context)
    if not names:
        return ()
    result, states = scard().SCardGetStatusChange(context, 0, [(name, 0) for name in names])
    if result & 0xFFFFFFFF not in (0, 0x8010000A):
        raise failure(result, "asking for the state of the readers")
    return tuple(_state(i, *state) for i, state in enumerate(states))


def _state(index: int, name: str, bits: int, atr: list[int]) -> ReaderState:
    present = bool(bits & _STATE_PRESENT)
    return ReaderState(
        name=name,
        index=index,
        present=present,
        atr=bytes(atr) if present else b"",
        mute=bool(bits & _STATE_MUTE),
        exclusive=bool(bits & _STATE_EXCLUSIVE),
        in_use=bool(bits & _STATE_IN_USE),
        changes=bits >> 16 & 0xFFFF,
    )


def list_readers() -> tuple[ReaderState, ...]:
    """All readers, each with card presence and ATR; empty where none is connected.

    Raises:
        ServiceUnavailableError: pyscard or the PC/SC service is missing.
    """
    with pcsc_context() as context:
        return reader_states(context)


def find_reader(selector: str | int | None = None) -> ReaderState:
    """The reader that ``selector`` means.

    Args:
        selector: a name or a part of one (letter case does not matter), an index from 0 (also as text), or None for
            the first reader with a contactless card on it, else with any card in it, else the first reader.

    Raises:
        ReaderNotFoundError: none or several match; the message lists the readers.
        ServiceUnavailableError: pyscard or the PC/SC service is missing.
    """
    return choose(list_readers(), selector)


def is_contactless(atr: bytes) -> bool:
    """Whether this is the ATR 3B 8n 80 01 … that PC/SC makes up for a contactless card (part 3 §3.1.3.2.3)."""
    return len(atr) >= 4 and atr[0] == 0x3B and atr[1] & 0xF0 == 0x80 and atr[2:4] == b"\x80\x01"


def choose(readers: tuple[ReaderState, ...], selector: str | int | None) -> ReaderState:
    """As :func:`find_reader`, among ``readers``."""
    if not readers:
        raise ReaderNotFoundError("no reader is connected; plug one in")
    if selector is None:
        filled = [r for r in readers if r.present and not r.mute]
        return next((r for r in filled if is_contactless(r.atr)), filled[0] if filled else readers[0])
    listing = ", ".join(f"{r.index}: {r.name}" for r in readers)
    if isinstance(selector, str):
        exact = [r for r in readers if r.name == selector]
        found = exact or [r for r in readers if selector.casefold() in r.name.casefold()]
        if selector.isascii() and selector.isdigit() and len(selector) < 4 and not exact:
            selector = int(selector)
        elif len(found) == 1:
            return found[0]
        else:
            problem = "several readers have" if found else "no reader has"
            raise ReaderNotFoundError(f"{problem} {selector!r} in the name; there are {listing}")
    if not 0 <= selector < len(readers):
        raise ReaderNotFoundError(f"there is no reader number {selector}; there are {listing}")
    return readers[selector]
