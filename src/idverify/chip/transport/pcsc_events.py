"""Insertion and removal of cards and readers, as they happen."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from idverify.chip.transport.base import CancelToken
from idverify.chip.transport.pcsc_readers import ReaderState, check, choose, pcsc_context, reader_states, scard
from idverify.errors import OperationCancelled, ReaderNotFoundError, TransportTimeout

_SLICE_MS: Final = 200
_PLUG_AND_PLAY: Final = "\\\\?PnP?\\Notification"


class ReaderEventKind(enum.StrEnum):
    """What happened."""

    CARD_INSERTED = "card-inserted"
    CARD_REMOVED = "card-removed"
    READER_ADDED = "reader-added"
    READER_REMOVED = "reader-removed"


@dataclass(frozen=True, slots=True)
class ReaderEvent:
    """One event, with the reader's state after it (before it, for a reader that is gone)."""

    kind: ReaderEventKind
    reader: ReaderState


def wait_events(
    *,
    timeout: timedelta | None = None,
    cancel: CancelToken | None = None,
    include_present: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[ReaderEvent]:
    """Yield events until ``timeout`` is over (None: for ever) or ``cancel`` is set, looked at every 0.2 s.

    With ``include_present``, a card that is already there counts as inserted. A card that was taken out and put back
    between two looks shows as removed and inserted.

    Raises:
        ServiceUnavailableError: pyscard or the PC/SC service is missing, or pcscd was stopped meanwhile; call again
            when it is back.
    """
    deadline = None if timeout is None else clock() + timeout.total_seconds()
    with pcsc_context() as context:
        known = {r.name: r for r in reader_states(context)}
        if include_present:
            for reader in known.values():
                if reader.present:
                    yield ReaderEvent(ReaderEventKind.CARD_INSERTED, reader)
        while not (cancel is not None and cancel.is_set()):
            remaining = _SLICE_MS if deadline is None else min(_SLICE_MS, int((deadline - clock()) * 1000))
            if remaining <= 0:
                return
            _sleep_until_change(context, known, remaining)
            now = {r.name: r for r in reader_states(context)}
            yield from _differences(known, now)
            known = now


def wait_for_card(
    selector: str | int | None = None,
    *,
    timeout: timedelta | None = None,
    cancel: CancelToken | None = None,
) -> ReaderState:
    """Wait until a card is in the reader that ``selector`` means (None: in any reader).

    Raises:
        TransportTimeout: no card within ``timeout``.
        OperationCancelled: ``cancel`` was set.
        ReaderNotFoundError: several readers match, or, at the end, none.
        ServiceUnavailableError: pyscard or the PC/SC service is missing.
    """
    missing: ReaderNotFoundError | None = None
    for event in _looks(timeout, cancel):
        try:
            reader = choose(event, selector)
        except ReaderNotFoundError as error:
            missing = error
            continue
        missing = None
        if reader.present and not reader.mute:
            return reader
    if cancel is not None and cancel.is_set():
        raise OperationCancelled("waiting for a card was cancelled")
    if missing is not None:
        raise missing
    raise TransportTimeout("no card was presented in time")


def _looks(timeout: timedelta | None, cancel: CancelToken | None) -> Iterator[tuple[ReaderState, ...]]:
    deadline = None if timeout is None else time.monotonic() + timeout.total_seconds()
    with pcsc_context() as context:
        while not (cancel is not None and cancel.is_set()):
            readers = reader_states(context)
            yield readers
            remaining = _SLICE_MS if deadline is None else min(_SLICE_MS, int((deadline - time.monotonic()) * 1000))
            if remaining <= 0:
                return
            _sleep_until_change(context, {r.name: r for r in readers}, remaining)


def _sleep_until_change(context: object, known: dict[str, ReaderState], milliseconds: int) -> None:
    """Return at the first change of a known reader, when a reader comes, or after that time."""
    api = scard()
    waiting = [(name, _bits(reader)) for name, reader in known.items()]
    result, _ = api.SCardGetStatusChange(context, milliseconds, [*waiting, (_PLUG_AND_PLAY, 0)])
    if result & 0xFFFFFFFF in (0x80100009, 0x80100017, 0x8010000A):  # a reader went away, or nothing happened
        return
    check(result, "waiting for a card")


def _bits(reader: ReaderState) -> int:
    """The state bits that SCardGetStatusChange compares with."""
    bits = 0x20 if reader.present else 0x10
    bits |= 0x80 if reader.exclusive else 0
    bits |= 0x100 if reader.in_use else 0
    bits |= 0x200 if reader.mute else 0
    return bits | reader.changes << 16


def _differences(before: dict[str, ReaderState], now: dict[str, ReaderState]) -> Iterator[ReaderEvent]:
    for name, reader in before.items():
        if name not in now:
            if reader.present:
                yield ReaderEvent(ReaderEventKind.CARD_REMOVED, reader)
            yield ReaderEvent(ReaderEventKind.READER_REMOVED, reader)
    for name, reader in now.items():
        old = before.get(name)
        if old is None:
            yield ReaderEvent(ReaderEventKind.READER_ADDED, reader)
        swapped = old is not None and old.present and reader.present and reader.changes - old.changes >= 2
        if old is not None and old.present and (not reader.present or swapped):
            yield ReaderEvent(ReaderEventKind.CARD_REMOVED, reader)
        if reader.present and (old is None or not old.present or swapped):
            yield ReaderEvent(ReaderEventKind.CARD_INSERTED, reader)
