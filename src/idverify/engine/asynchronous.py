"""A transaction under asyncio: on a thread, its callbacks on the event loop, ended by the task's cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Executor, Future
from typing import Any, TypeVar

from idverify.chip.transport.base import CancelToken
from idverify.errors import OperationCancelled

T = TypeVar("T")
A = TypeVar("A")


class AsyncCourse:
    """What one task's transaction needs. Made on the event loop.

    Attributes:
        cancelled: whether the task has been cancelled.

    Args:
        cancel: a cancel token of the caller's, beside the task's.
    """

    def __init__(self, cancel: CancelToken | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._cancel = cancel
        self._pending: set[Future[Any]] = set()
        self.cancelled = False

    def is_set(self) -> bool:
        """A cancel token."""
        return self.cancelled or (self._cancel is not None and self._cancel.is_set())

    def told(self, callback: Callable[[A], object] | None) -> Callable[[A], None] | None:
        """The callback, called on the event loop and not waited for."""
        if callback is None:
            return None
        return lambda value: self._call_soon(callback, value)

    def _call_soon(self, callback: Callable[[A], object], value: A) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, value)

    def asked(self, source: Any) -> Any:
        """A coroutine function as a function that waits for it on another thread; anything else as it is."""
        if not inspect.iscoroutinefunction(source):
            return source

        def ask(question: Any) -> Any:
            if self.is_set():
                raise OperationCancelled("the task was cancelled")
            future = asyncio.run_coroutine_threadsafe(source(question), self._loop)
            self._pending.add(future)
            if self.cancelled:  # meanwhile: whoever cancelled may not have seen this future
                future.cancel()
            try:
                return future.result()
            except CancelledError:
                raise OperationCancelled("the task was cancelled") from None
            finally:
                self._pending.discard(future)

        return ask

    async def run(self, call: Callable[[], T], executor: Executor) -> T:
        """The call's result from a thread of ``executor``; the event loop is never blocked.

        Where the task is cancelled, the call is told, and has ended before ``CancelledError`` leaves.
        """
        running: Awaitable[T] = self._loop.run_in_executor(executor, contextvars.copy_context().run, call)
        future = asyncio.ensure_future(running)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self.cancelled = True
            while not future.done():  # cancelled once more while waiting: the event loop must stay free for what ends
                for pending in tuple(self._pending):
                    pending.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
            if not future.cancelled():
                future.exception()  # it has been told; the caller hears of the cancellation
            raise
