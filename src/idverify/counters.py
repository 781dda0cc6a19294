"""Many counters on one machine: one process, one set of models, fair queues.

A :class:`CounterPool` shares the matcher, the trust store and a bounded number of threads between counters. Reading
waits for cards and needs no processor, so each transaction reads on a thread of its caller; templates and passive
authentication queue for as many workers as there are processors, one job of each counter in turn. More transactions
than ``limit`` wait at the door instead of slowing those inside, and a free place goes to the counter that holds the
fewest; a counter that fails disturbs no other.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, Unpack

from idverify import limits
from idverify.decision import Policy, load
from idverify.engine.fair import FairDoor, FairExecutor
from idverify.errors import ConfigurationError
from idverify.verification import (
    AsyncLiveSource,
    AsyncPasswordSource,
    TransactionOptions,
    VerificationResult,
    run_async,
    verify,
)

if TYPE_CHECKING:
    from pathlib import Path

    from idverify.biometric.face.matcher import FaceMatcher
    from idverify.chip.pki.trust_store import TrustStore
    from idverify.chip.transport.base import Transport
    from idverify.engine.live import LivePicture, LiveSource
    from idverify.engine.posing import LiveChallenge
    from idverify.engine.visit import Passwords, PasswordSource

MAX_TRANSACTIONS: Final = 1024


@dataclass(frozen=True, slots=True)
class PoolHealth:
    """How a pool is doing; no holder data.

    Attributes:
        running: transactions inside.
        waiting: transactions at the door.
        completed: transactions that gave a decision.
        failed: transactions that ended in an exception.
        queued: templates and signatures that wait for a processor.
    """

    running: int
    waiting: int
    completed: int
    failed: int
    queued: int = 0


class CounterPool:
    """Verifies cards for many counters. Thread-safe; use it as a context manager, or close it.

    Args:
        trust: the trust anchors.
        policy: a policy, its name, or a TOML file.
        matcher: the face matcher that all counters share; one with a thread per inference where None.
        workers: threads for templates and passive authentication; as many as this process has processors where None.
            However many there are, networks run within :mod:`idverify.limits`.
        limit: transactions at one time, 1 … 1024.
        patience: how long a transaction waits at the door.
        waiting: transactions that wait there at one time, 0 … 1024; one more is refused at once.

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
        waiting: int = 256,
    ) -> None:
        if not 1 <= limit <= MAX_TRANSACTIONS:
            raise ConfigurationError(f"limit must be 1 … {MAX_TRANSACTIONS}, got {limit}")
        if not 0 <= waiting <= MAX_TRANSACTIONS:
            raise ConfigurationError(f"waiting must be 0 … {MAX_TRANSACTIONS}, got {waiting}")
        self._trust, self._policy = trust, load(policy)
        if matcher is None and self._policy.face_fmr is not None:
            from idverify.biometric.face.matcher import FaceMatcher

            matcher = FaceMatcher(threads=1)
        self._matcher = matcher
        self._limit, self._patience = limit, patience.total_seconds()
        self._work = FairExecutor(workers if workers is not None else limits.cores())
        # A thread for those at the door too, so that the door decides whose turn it is, not this executor's queue.
        self._readers = ThreadPoolExecutor(limit + waiting, thread_name_prefix="idverify-reader")
        self._door = FairDoor(limit, waiting)
        self._tasks = 0
        self._lock = threading.Lock()
        self._completed = self._failed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let running transactions end and give the threads back."""
        self._readers.shutdown(wait=True, cancel_futures=True)
        self._work.close()

    def warm_up(self) -> None:
        """Load the models before the first person comes."""
        if self._matcher is not None:
            self._matcher.warm_up()

    @property
    def health(self) -> PoolHealth:
        """How the pool is doing."""
        with self._lock:
            return PoolHealth(self._door.inside, self._door.waiting, self._completed, self._failed, self._work.queued)

    def verify(
        self,
        transport: Transport,
        passwords: Passwords | PasswordSource,
        *,
        live: LivePicture | LiveSource | LiveChallenge | None = None,
        counter: str = "",
        **options: Unpack[TransactionOptions],
    ) -> VerificationResult:
        """One transaction on the caller's thread; see :func:`idverify.verify` for options and errors.

        Args:
            transport, passwords, live, options: as of :func:`idverify.verify`.
            counter: whose transaction it is: places and processors are shared fairly between counters. Those without
                a name count as one.

        A ``timeout`` holds over the wait at the door as well.

        Raises:
            TransportTimeout: the pool was full for longer than its patience, or too many wait already.
            OperationCancelled: the token was set at the door, or the pool was closed.
        """
        timeout, began = options.get("timeout"), time.monotonic()
        patience = self._patience if timeout is None else min(self._patience, timeout.total_seconds())
        chosen: TransactionOptions = {
            "policy": self._policy, "matcher": self._matcher, "executor": self._work.of(counter), **options
        }  # fmt: skip
        with self._door.entered(counter, patience, options.get("cancel")):
            if timeout is not None:
                waited = timedelta(seconds=time.monotonic() - began)
                chosen["timeout"] = max(timeout - waited, timedelta(milliseconds=1))
            try:
                result = verify(transport, passwords, trust=self._trust, live=live, **chosen)
            except BaseException:
                self._count(failed=True)
                raise
        self._count(failed=False)
        return result

    async def averify(
        self,
        transport: Transport,
        passwords: Passwords | PasswordSource | AsyncPasswordSource,
        *,
        live: LivePicture | LiveSource | AsyncLiveSource | LiveChallenge | None = None,
        counter: str = "",
        **options: Unpack[TransactionOptions],
    ) -> VerificationResult:
        """:meth:`verify` for asyncio, with callbacks as of :func:`idverify.averify`: the event loop is never blocked.

        Cancelling the task ends the transaction; the card session is closed before ``CancelledError`` leaves.
        """
        self._door.check(self._tasks)
        self._tasks += 1
        try:
            return await run_async(
                lambda opened, taken, rest: self.verify(transport, opened, live=taken, counter=counter, **rest),
                passwords, live, options, self._readers,
            )  # fmt: skip
        finally:
            self._tasks -= 1

    def _count(self, *, failed: bool) -> None:
        with self._lock:
            if failed:
                self._failed += 1
            else:
                self._completed += 1
