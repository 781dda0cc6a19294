"""Where the library says what it does and how long it takes: spans and measurements, for whoever listens.

Nobody listens until :func:`idverify.observability.observe` is called; until then each call here costs one comparison.
Names and attributes are the library's own words: stages, files, outcomes, reason codes, counts and times; never holder
data, a reader's name, a certificate's subject or the message of an exception.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, Final, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

Attribute = str | int | float | bool | Sequence[str]

PREFIX: Final = "idverify."


class Span(Protocol):
    """A piece of work that is going on."""

    def set(self, **attributes: Attribute) -> None:
        """Say more about it."""
        ...


class Listener(Protocol):
    """Who takes spans and measurements."""

    def context(self) -> object:
        """Where the caller stands, to be handed to :meth:`span` on another thread."""
        ...

    def span(
        self, name: str, attributes: Mapping[str, Attribute], parent: object | None
    ) -> AbstractContextManager[Span]:
        """A span around a block."""
        ...

    def measure(self, name: str, value: float, attributes: Mapping[str, Attribute]) -> None:
        """A value of :data:`COUNTERS` or :data:`HISTOGRAMS`."""
        ...


COUNTERS: Final[Mapping[str, str]] = {
    "transactions": "transactions by outcome, policy and first reason",
    "retries": "what was done again, by cause",
}
HISTOGRAMS: Final[Mapping[str, tuple[str, str]]] = {
    "transaction.duration": ("s", "from the call to the decision"),
    "stage.duration": ("s", "one stage of a transaction"),
    "card.apdus": ("{command}", "commands of one transaction"),
    "card.bytes": ("By", "bytes exchanged with the card in one transaction"),
    "queue.wait": ("s", "time in a queue before work began"),
}


class _Nothing:
    def set(self, **attributes: Attribute) -> None:
        """Nobody listens."""

    def __enter__(self) -> _Nothing:
        return self

    def __exit__(self, *_: object) -> None:
        return None


_NOTHING: Final = _Nothing()
_listener: Listener | None = None
_lock: Final = threading.Lock()

transaction_id: Final[ContextVar[str]] = ContextVar("idverify_transaction", default="")
"""What joins the log lines of one transaction, on its own thread; empty outside."""


def listen(listener: Listener | None) -> None:
    """Have everything told to this listener; None: to nobody."""
    global _listener
    with _lock:
        _listener = listener


def listening() -> bool:
    """Whether anybody listens."""
    return _listener is not None


def context() -> object | None:
    """Where the caller stands, for :func:`span` on another thread."""
    return _listener.context() if _listener is not None else None


def span(name: str, *, parent: object | None = None, **attributes: Attribute) -> AbstractContextManager[Span]:
    """A span of that name around a block, and its duration as ``stage.duration``.

    Args:
        name: what is done; ``idverify.`` is put before it.
        parent: from :func:`context`; the span that is open on this thread where None.
        attributes: what it is about.
    """
    listener = _listener
    return _NOTHING if listener is None else _timed(listener, name, attributes, parent)


@contextlib.contextmanager
def _timed(listener: Listener, name: str, attributes: Mapping[str, Attribute], parent: object | None) -> Iterator[Span]:
    started, failed = time.perf_counter(), True
    try:
        with listener.span(PREFIX + name, attributes, parent) as made:
            yield made
        failed = False
    finally:
        listener.measure("stage.duration", time.perf_counter() - started, {"stage": name, "failed": failed})


def measure(name: str, value: float = 1, **attributes: Attribute) -> None:
    """A value of a counter or a histogram."""
    listener = _listener
    if listener is not None:
        listener.measure(name, value, attributes)


def queued(queue: str, job: Callable[[], T]) -> Callable[[], T]:
    """The job, which says when it begins how long it has waited."""
    if _listener is None:
        return job
    since = time.monotonic()

    def run() -> T:
        measure("queue.wait", time.monotonic() - since, queue=queue)
        return job()

    return run


def transaction(function: Callable[P, T]) -> Callable[P, T]:
    """A function whose every call is a transaction: it returns a result with a decision and a session."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        import secrets

        token = transaction_id.set(secrets.token_hex(8))
        try:
            return function(*args, **kwargs) if _listener is None else _told(lambda: function(*args, **kwargs))
        finally:
            transaction_id.reset(token)

    return run


def _told(call: Callable[[], T]) -> T:
    started = time.perf_counter()
    with span("transaction", transaction=transaction_id.get()) as here:
        try:
            result: Any = call()
        except BaseException as error:
            kind = type(error).__name__
            measure("transactions", outcome="error", policy="", reason=kind)
            measure("transaction.duration", time.perf_counter() - started, outcome="error")
            raise
        outcome, policy, reasons, session = _summary(result)
        here.set(
            outcome=outcome, policy=policy, reasons=reasons, transport=session.transport, access=session.access,
            apdus=session.apdus, bytes=session.bytes,
        )  # fmt: skip
    measure("transactions", outcome=outcome, policy=policy, reason=reasons[0] if reasons else "")
    measure("transaction.duration", time.perf_counter() - started, outcome=outcome)
    measure("card.apdus", session.apdus, transport=session.transport, access=session.access)
    measure("card.bytes", session.bytes, transport=session.transport, access=session.access)
    return result  # type: ignore[no-any-return]


def _summary(result: Any) -> tuple[str, str, list[str], Any]:
    """Outcome, policy and reasons of a result, the reasons without their subjects (a file, a certificate)."""
    decision = result.decision
    reasons = [reason.partition(" (")[0] for reason in decision.reasons]
    return decision.outcome.value, decision.policy, reasons, result.session
