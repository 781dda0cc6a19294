"""What all counters of one process may use together: threads of inference, and memory of picture decoders.

However many matchers, pools, sessions and threads there are, networks run on at most ``threads`` threads at once, and
pictures are decoded within ``decoding`` bytes; who comes later waits, in the order of coming. Waiting for a transaction
ends with its deadline or its cancel token; any other ends when those before have finished, which inference and decoding
always do. A thread that holds a share never waits for a second one of the same kind, and nobody holds one kind while
waiting for the other, so that nothing can lock up. A child process after ``fork`` begins with nothing lent.

The defaults are the processors that this process may run on and 512 MiB; ``IDVERIFY_MAX_THREADS`` and
``IDVERIFY_DECODER_MIB`` change them at the start, :func:`set_limits` at any time. A decoded picture belongs to whoever
asked for it and is not counted.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from idverify import _telemetry
from idverify.errors import ConfigurationError

__all__ = ["Limits", "Usage", "get_limits", "heeding", "set_limits", "usage"]

THREADS_VARIABLE: Final = "IDVERIFY_MAX_THREADS"
DECODER_VARIABLE: Final = "IDVERIFY_DECODER_MIB"
MAX_THREADS: Final = 4096
MAX_DECODING: Final = 1 << 40
_DECODER_MIB: Final = 512
_POLL_SECONDS: Final = 0.05

_heed: Final[ContextVar[Callable[[], None] | None]] = ContextVar("idverify_heed", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What may be used at once.

    Attributes:
        threads: of inference, 1 … 4096.
        decoding: bytes of picture decoders, 1 MiB … 1 TiB. A picture that needs more is decoded alone.
    """

    threads: int
    decoding: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What is used now, for monitoring.

    Attributes:
        threads: of inference that are lent.
        decoding: bytes that are lent to decoders.
        waiting: threads that wait for either.
    """

    threads: int
    decoding: int
    waiting: int


class Budget:
    """So many units, lent in the order of asking. Thread-safe.

    A share larger than the whole is lent while nothing else is. A thread that holds one gets further ones for nothing.

    Args:
        total: gives the units there are; asked when the first are wanted.
        name: in measurements.
    """

    def __init__(self, total: Callable[[], int], name: str) -> None:
        self._default, self._name = total, name
        self._total: int | None = None
        self.reset()

    def reset(self) -> None:
        """Nothing is lent and nobody waits: for a child process, which has neither the threads nor their work."""
        self._lock = threading.Lock()
        self._lent = 0
        self._waiting: deque[tuple[int, threading.Event]] = deque()
        self._mine = threading.local()

    @property
    def total(self) -> int:
        """Units there are."""
        with self._lock:
            return self._units()

    def resize(self, total: int) -> None:
        """Another number of units; what is lent above it comes back in its own time."""
        with self._lock:
            self._total = total
            self._hand_out()

    @property
    def lent(self) -> int:
        """Units that are in use."""
        with self._lock:
            return self._lent

    @property
    def waiting(self) -> int:
        """Threads that wait."""
        with self._lock:
            return len(self._waiting)

    @contextlib.contextmanager
    def share(self, units: int) -> Iterator[None]:
        """So many units during a block.

        Raises:
            Whatever the function of :func:`heeding` raises while waiting.
        """
        if getattr(self._mine, "holds", False):
            yield
            return
        taken = self._take(units)
        self._mine.holds = True
        try:
            yield
        finally:
            self._mine.holds = False
            self._give(taken)

    def _units(self) -> int:
        if self._total is None:
            self._total = self._default()
        return self._total

    def _take(self, units: int) -> int:
        turn = threading.Event()
        with self._lock:
            if not self._waiting and self._fits(units):
                self._lent += units
                return units
            self._waiting.append((units, turn))
        began = time.monotonic()
        try:
            while not turn.wait(_POLL_SECONDS):
                if (heed := _heed.get()) is not None:
                    heed()
        except BaseException:  # whatever ends the waiting: no unit may be lost, and those behind may fit now
            with self._lock:
                if turn.is_set():
                    self._lent = max(0, self._lent - units)
                else:
                    self._waiting.remove((units, turn))
                self._hand_out()
            raise
        _telemetry.measure("queue.wait", time.monotonic() - began, queue=self._name)
        return units

    def _fits(self, units: int) -> bool:
        return self._lent + units <= max(units, self._units())

    def _give(self, units: int) -> None:
        with self._lock:
            self._lent = max(0, self._lent - units)
            self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            units, turn = self._waiting.popleft()
            self._lent += units
            turn.set()


def cores() -> int:
    """Processors that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on this system
        return os.cpu_count() or 1


def _setting(variable: str, default: int, largest: int) -> int:
    try:
        value = int(os.environ.get(variable, default))
    except ValueError:
        value = 0
    if not 1 <= value <= largest:
        raise ConfigurationError(f"{variable} must be a whole number from 1 to {largest}")
    return value


INFERENCE: Final = Budget(lambda: _setting(THREADS_VARIABLE, cores(), MAX_THREADS), "inference")
"""Threads of inference."""
DECODING: Final = Budget(lambda: _setting(DECODER_VARIABLE, _DECODER_MIB, MAX_DECODING >> 20) << 20, "decoding")
"""Bytes of picture decoders."""


def get_limits() -> Limits:
    """The limits of this process.

    Raises:
        ConfigurationError: an environment variable is no whole number in its range.
    """
    return Limits(threads=INFERENCE.total, decoding=DECODING.total)


def set_limits(*, threads: int | None = None, decoding: int | None = None) -> Limits:
    """Other limits for this process, from now on; what is under way ends as it began.

    Args:
        threads: of inference, 1 … 4096; as before where None.
        decoding: bytes of picture decoders, 1 MiB … 1 TiB; as before where None.

    Raises:
        ConfigurationError: out of range.
    """
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise ConfigurationError(f"the threads of inference are 1 to {MAX_THREADS}, not {threads}")
    if decoding is not None and not 1 << 20 <= decoding <= MAX_DECODING:
        raise ConfigurationError(f"the memory of decoders is {1 << 20} to {MAX_DECODING} bytes, not {decoding}")
    if threads is not None:
        INFERENCE.resize(threads)
    if decoding is not None:
        DECODING.resize(decoding)
    return get_limits()


def usage() -> Usage:
    """What is used now."""
    return Usage(threads=INFERENCE.lent, decoding=DECODING.lent, waiting=INFERENCE.waiting + DECODING.waiting)


@contextlib.contextmanager
def heeding(check: Callable[[], None]) -> Iterator[None]:
    """While this thread waits in the block, ``check`` is called twenty times a second; what it raises ends the wait."""
    token = _heed.set(check)
    try:
        yield
    finally:
        _heed.reset(token)


def _after_fork() -> None:
    INFERENCE.reset()
    DECODING.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
