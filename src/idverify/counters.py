"""Many counters on one machine: one process, one set of models, fair queues.

A :class:`CounterPool` shares the matcher, the trust store and a bounded number of threads between counters. Reading
waits for cards and needs no processor, so each transaction reads on a thread of its caller; templates and passive
authentication queue, first come first served, for as many workers as there are processors. More transactions than
``limit`` wait at the door instead of slowing those inside; a counter that fails disturbs no other.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from idverify.decision import Policy, load
from idverify.errors import ConfigurationError, TransportTimeout
from idverify.verification import VerificationResult, verify

if TYPE_CHECKING:
    from pathlib import Path

    from idverify.biometric.face.matcher import FaceMatcher
    from idverify.chip.access.password import AccessPassword
    from idverify.chip.pki.trust_store import TrustStore
    from idverify.chip.transport.base import Transport

MAX_TRANSACTIONS: Final = 1024


@dataclass(frozen=True, slots=True)
class PoolHealth:
    """How a pool is doing; no holder data.

    Attributes:
        running: transactions inside.
        waiting: transactions at the door.
        completed: transactions that gave a decision.
        failed: transactions that ended in an exception.
    """

    running: int
    waiting: int
    completed: int
    failed: int


class CounterPool:
    """Verifies cards for many counters. Thread-safe; use it as a context manager, or close it.

    Args:
        trust: the trust anchors.
        policy: a policy, its name, or a TOML file.
        matcher: the face matcher that all counters share; one with a thread per inference where None.
        workers: threads for templates and passive authentication; the number of processors where None.
        limit: transactions at one time, 1 … 1024.
        patience: how long a transaction waits at the door.

    Raises:
        ConfigurationError, PolicyError, ModelError
    """

    def __init__(
        self,
        trust: TrustStore,
        *,
        policy: str | Path | Policy = "counter",
        matcher: FaceMatcher | None = None,
        workers: int | None = None,
        limit: int = 64,
        patience: timedelta = timedelta(seconds=60),
    ) -> None:
        if not 1 <= limit <= MAX_TRANSACTIONS:
            raise ConfigurationError(f"limit must be 1 … {MAX_TRANSACTIONS}, got {limit}")
        self._trust, self._policy = trust, load(policy)
        if matcher is None and self._policy.face_fmr is not None:
            from idverify.biometric.face.matcher import FaceMatcher

            matcher = FaceMatcher(threads=1)
        self._matcher = matcher
        self._limit, self._patience = limit, patience.total_seconds()
        self._work = ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="idverify-work")
        self._readers = ThreadPoolExecutor(limit, thread_name_prefix="idverify-reader")
        self._door = _FairDoor(limit)
        self._lock = threading.Lock()
        self._completed = self._failed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let running transactions end and give the threads back."""
        self._readers.shutdown(wait=True, cancel_futures=True)
        self._work.shutdown(wait=True, cancel_futures=True)

    def warm_up(self) -> None:
        """Load the models before the first person comes."""
        if self._matcher is not None:
            self._matcher.warm_up()

    @property
    def health(self) -> PoolHealth:
        """How the pool is doing."""
        with self._lock:
            return PoolHealth(self._door.inside, self._door.waiting, self._completed, self._failed)

    def verify(
        self, transport: Transport, passwords: AccessPassword | Sequence[AccessPassword], **options: Any
    ) -> VerificationResult:
        """One transaction on the caller's thread; see :func:`idverify.verify` for options and errors.

        Raises:
            TransportTimeout: the pool was full for longer than its patience.
        """
        options.setdefault("policy", self._policy)
        with self._door.entered(self._patience):
            try:
                result = verify(
                    transport, passwords, trust=self._trust, matcher=self._matcher, executor=self._work, **options
                )
            except BaseException:
                self._count(failed=True)
                raise
        self._count(failed=False)
        return result

    async def averify(
        self, transport: Transport, passwords: AccessPassword | Sequence[AccessPassword], **options: Any
    ) -> VerificationResult:
        """:meth:`verify` for asyncio: the event loop is never blocked, and cancelling the task ends the transaction.

        After a cancellation the card session is closed before ``CancelledError`` leaves.
        """
        token = threading.Event()
        options.setdefault("cancel", token)
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._readers, lambda: self.verify(transport, passwords, **options))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            token.set()
            await asyncio.wait([future])
            if not future.cancelled():
                future.exception()  # it has been told; the caller hears of the cancellation
            raise

    def _count(self, *, failed: bool) -> None:
        with self._lock:
            if failed:
                self._failed += 1
            else:
                self._completed += 1


class _FairDoor:
    """A semaphore that lets waiters in in the order in which they came."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._limit = limit
        self._lock = threading.Lock()
        self._queue: list[threading.Event] = []

    @property
    def inside(self) -> int:
        return self._limit - self._free

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def entered(self, patience: float) -> _Entered:
        return _Entered(self, patience)

    def enter(self, patience: float) -> None:
        with self._lock:
            if self._free and not self._queue:
                self._free -= 1
                return
            turn = threading.Event()
            self._queue.append(turn)
        deadline = time.monotonic() + patience
        while not turn.wait(max(0.0, deadline - time.monotonic())):
            with self._lock:
                if turn in self._queue:
                    self._queue.remove(turn)
                    raise TransportTimeout(f"all {self._limit} places were taken for {patience:.0f} s; try again later")

    def leave(self) -> None:
        with self._lock:
            if self._queue:
                self._queue.pop(0).set()  # the place is handed over
            else:
                self._free += 1


@dataclass(frozen=True, slots=True)
class _Entered:
    door: _FairDoor
    patience: float

    def __enter__(self) -> None:
        self.door.enter(self.patience)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.door.leave()
