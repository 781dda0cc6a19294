"""Fair queues: places and processors shared between counters, so that a busy one does not starve the others."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar

from idverify import _telemetry
from idverify.chip.transport.base import CancelToken
from idverify.errors import ConfigurationError, OperationCancelled, TransportTimeout

P = ParamSpec("P")
T = TypeVar("T")
MAX_WORKERS: Final = 256
_POLL_SECONDS: Final = 0.05

_Job = tuple["Future[Any]", Callable[[], Any]]


class FairExecutor:
    """Threads that take one job of each counter in turn; the jobs of one counter in their order.

    Args:
        workers: threads, 1 … 256.

    Raises:
        ConfigurationError
    """

    def __init__(self, workers: int) -> None:
        if not 1 <= workers <= MAX_WORKERS:
            raise ConfigurationError(f"workers must be 1 … {MAX_WORKERS}, got {workers}")
        self._queues: OrderedDict[str, deque[_Job]] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"idverify-work-{n}", daemon=True) for n in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def queued(self) -> int:
        """Jobs that wait."""
        with self._changed:
            return sum(map(len, self._queues.values()))

    def of(self, counter: str) -> Executor:
        """An executor for the jobs of one counter."""
        return _Share(self, counter)

    def submit(self, counter: str, job: Callable[[], T]) -> Future[T]:
        """Queue a job of a counter.

        Raises:
            OperationCancelled: the executor was closed.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._closed:
                raise OperationCancelled("the pool is closed")
            self._queues.setdefault(counter, deque()).append((future, _telemetry.queued("work", job)))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Take out of the queue what has not begun, and wait for the rest."""
        with self._changed:
            self._closed = True
            left = list(itertools.chain.from_iterable(self._queues.values()))
            self._queues.clear()
            self._changed.notify_all()
        for future, _ in left:
            future.cancel()
            future.set_running_or_notify_cancel()
        for thread in self._threads:
            thread.join()

    def _next(self) -> _Job | None:
        with self._changed:
            while not self._queues:
                if self._closed:
                    return None
                self._changed.wait()
            counter, queue = self._queues.popitem(last=False)
            job = queue.popleft()
            if queue:
                self._queues[counter] = queue  # behind the others
            return job

    def _work(self) -> None:
        while (job := self._next()) is not None:
            future, call = job
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:  # noqa: BLE001 - handed to whoever waits
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            del job, future, call  # a thread that waits keeps nobody's picture


class _Share(Executor):
    """The executor of one counter; the threads are the pool's."""

    def __init__(self, shared: FairExecutor, counter: str) -> None:
        self._shared, self._counter = shared, counter

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._shared.submit(self._counter, lambda: fn(*args, **kwargs))


class FairDoor:
    """So many places. A free one goes to the counter that holds the fewest; of equals, to who has waited longest.

    Args:
        limit: places.
        waiting: who may wait for one at the same time; any number where None.
    """

    def __init__(self, limit: int, waiting: int | None = None) -> None:
        self._limit, self._most = limit, waiting
        self._lock = threading.Lock()
        self._holding: Counter[str] = Counter()
        self._waiting: list[tuple[str, threading.Event]] = []

    @property
    def inside(self) -> int:
        """Places that are taken."""
        with self._lock:
            return self._holding.total()

    @property
    def waiting(self) -> int:
        """Who waits for a place."""
        with self._lock:
            return len(self._waiting)

    def entered(self, counter: str, patience: float, cancel: CancelToken | None = None) -> Place:
        """A place, as a context manager."""
        return Place(self, counter, patience, cancel)

    def enter(self, counter: str, patience: float, cancel: CancelToken | None = None) -> None:
        """Wait for a place, so many seconds.

        Raises:
            TransportTimeout: there was none in time, or too many wait already.
            OperationCancelled: the token was set meanwhile.
        """
        with self._lock:
            if self._holding.total() < self._limit:
                self._holding[counter] += 1
                return
            if self._most is not None and len(self._waiting) >= self._most:
                raise self._full()
            turn = threading.Event()
            self._waiting.append((counter, turn))
        try:
            self._await(turn, patience, cancel)
        except BaseException:  # whatever ends the waiting, a token that raises among it: no place may be lost
            with self._lock:
                waits = (counter, turn) in self._waiting
                if waits:
                    self._waiting.remove((counter, turn))
            if not waits:
                self.leave(counter)
            raise

    def check(self, coming: int) -> None:
        """Raise TransportTimeout where so many, inside, waiting and on their way, leave no room for one more."""
        if self._most is not None and coming >= self._limit + self._most:
            raise self._full()

    def _full(self) -> TransportTimeout:
        return TransportTimeout(f"all {self._limit} places are taken and {self._most} wait already; try again later")

    def _await(self, turn: threading.Event, patience: float, cancel: CancelToken | None) -> None:
        deadline = time.monotonic() + patience
        while not turn.wait(max(0.0, min(_POLL_SECONDS, deadline - time.monotonic()))):
            if cancel is not None and cancel.is_set():
                raise OperationCancelled("the transaction was cancelled at the door")
            if time.monotonic() >= deadline:
                raise TransportTimeout(f"all {self._limit} places were taken for {patience:.0f} s; try again later")

    def leave(self, counter: str) -> None:
        """Give the place back, or to who comes next."""
        with self._lock:
            self._holding[counter] -= 1
            if not self._holding[counter]:
                del self._holding[counter]
            if self._waiting:
                chosen = min(self._waiting, key=lambda waiter: self._holding[waiter[0]])  # the first of equals
                self._waiting.remove(chosen)
                self._holding[chosen[0]] += 1
                chosen[1].set()


@dataclass(frozen=True, slots=True)
class Place:
    """A place behind the door; see :meth:`FairDoor.entered`."""

    door: FairDoor
    counter: str
    patience: float
    cancel: CancelToken | None = None

    def __enter__(self) -> None:
        began = time.monotonic()
        self.door.enter(self.counter, self.patience, self.cancel)
        _telemetry.measure("queue.wait", time.monotonic() - began, queue="door")

    def __exit__(self, *_: object) -> None:
        self.door.leave(self.counter)
