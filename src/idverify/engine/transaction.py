"""What a transaction tells and asks while it runs: events, attempts, one deadline, cancellation.

Nothing here knows a card or a picture. :class:`Course` is handed to everything that works for one transaction, on
whatever thread: it carries the deadline and the cancel token, and is the one way by which events reach the caller.
"""

from __future__ import annotations

import contextlib
import enum
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from idverify import _telemetry, limits
from idverify.chip.reading import Progress
from idverify.chip.transport.base import CancelToken
from idverify.decision import Outcome
from idverify.errors import ConfigurationError, OperationCancelled, TransportTimeout

if TYPE_CHECKING:
    from idverify.biometric.face.actions import Prompt

T = TypeVar("T")
P = ParamSpec("P")

MAX_RETRIES: Final = 10
_POLL_SECONDS: Final = 0.02


class Stage(enum.StrEnum):
    """The parts of a transaction. Those of the chip and of the pictures run at the same time."""

    CARD = "card"
    """From the first command to the last; :attr:`Event.progress` says how far."""
    LIVE_CAPTURE = "live-capture"
    """The caller's function takes a live picture, or a challenge is posed: :attr:`Event.prompt` says what is asked."""
    LIVE_TEMPLATE = "live-template"
    PORTRAIT_TEMPLATE = "portrait-template"
    FINGER_TEMPLATE = "finger-template"
    """One a picture, live or from DG3."""
    SIGNATURE = "signature"
    """The security object's signature and the signer's path, while the data groups are being read."""
    PASSIVE_AUTHENTICATION = "passive-authentication"
    """The whole of it, while the chip computes its proof."""
    ONLINE = "online"
    MATCHING = "matching"
    DECISION = "decision"
    """:attr:`Event.outcome` says which; ``PROGRESS`` where a rejection is certain and evidence is still to come."""


class State(enum.StrEnum):
    """What happened to a stage."""

    STARTED = "started"
    PROGRESS = "progress"
    RETRYING = "retrying"
    FINISHED = "finished"
    FAILED = "failed"


class RetryCause(enum.StrEnum):
    """Why something is done again."""

    CARD_MOVED = "card-moved"
    """The card moved, was reset or fell silent: it was opened anew, without anybody's doing."""
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 - the name of a cause
    """The chip does not accept the password: another one is asked for."""
    POOR_PICTURE = "poor-picture"
    """No face, several, or one that cannot be used: another picture is asked for."""
    CHALLENGE_NOT_PASSED = "challenge-not-passed"
    """The person did not do in time what was asked: other actions are drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a password, a picture or a card.

    Attributes:
        number: 0 for the first.
        left: how many more there may be after this one.
        cause: why there is another one; None for the first.
        advice: for a poor picture or a challenge that was not passed, keys of advice for the person
            (:data:`idverify.biometric.face.ADVICE`).
        tries_left: for a wrong password, the tries that the chip says are left; None where it does not say.
    """

    number: int
    left: int
    cause: RetryCause | None = None
    advice: tuple[str, ...] = ()
    tries_left: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often something is asked for again. A card that moves is the reading's: ``ReadOptions.max_recoveries``.

    Attributes:
        passwords: further passwords after a wrong one, 0 … 10; each may cost the chip a try.
        pictures: further pictures after a poor one, 0 … 10.
        challenges: further challenges after one that was not passed, 0 … 10; none after one that showed an attack.
    """

    passwords: int = 2
    pictures: int = 2
    challenges: int = 1

    def __post_init__(self) -> None:
        for name in ("passwords", "pictures", "challenges"):
            value: int = getattr(self, name)
            if not 0 <= value <= MAX_RETRIES:
                raise ConfigurationError(f"retries of {name} must be 0 … {MAX_RETRIES}, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened in a transaction; no holder data.

    Attributes:
        stage: where.
        state: what.
        at_ms: milliseconds since the transaction began.
        cpu_ms: processor time of the stage on its thread, when it has ended; None before, and for ``CARD`` it is that
            of the reader's side and of whatever answers in this process.
        progress: how far reading is, with ``CARD`` and ``PROGRESS``.
        attempt: with ``RETRYING``, and with ``LIVE_CAPTURE``.
        outcome: with ``DECISION``.
        prompt: with ``LIVE_CAPTURE`` and ``PROGRESS``: what the person is asked to do now; ``prompt.text("vi")``.
    """

    stage: Stage
    state: State
    at_ms: float
    cpu_ms: float | None = None
    progress: Progress | None = None
    attempt: Attempt | None = None
    outcome: Outcome | None = None
    prompt: Prompt | None = None


class Course:
    """One transaction's deadline, cancel token and events. Thread-safe.

    Args:
        timeout: from now to the decision.
        cancel: looked at before each step and while waiting.
        on_event: called for each event, one at a time, on the thread where it happens.
        clock: seconds, growing.

    Raises:
        ConfigurationError: the time is not positive.
    """

    def __init__(
        self,
        *,
        timeout: timedelta,
        cancel: CancelToken | None = None,
        on_event: Callable[[Event], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if timeout <= timedelta(0):
            raise ConfigurationError("the time for a transaction must be positive")
        self._clock, self._cancel, self._on_event = clock, cancel, on_event
        self._began = clock()
        self._deadline = self._began + timeout.total_seconds()
        self._telling = threading.Lock()
        self._context = _telemetry.context()
        self._over = False

    @property
    def listened(self) -> bool:
        """Whether anybody wants events."""
        return self._on_event is not None

    @property
    def left(self) -> timedelta:
        """Time until the deadline; a millisecond at least."""
        return timedelta(seconds=max(self._deadline - self._clock(), 0.001))

    def is_set(self) -> bool:
        """Whether the caller has cancelled, or the transaction is over: a cancel token for those who work for it."""
        return self._over or (self._cancel is not None and self._cancel.is_set())

    def check(self) -> None:
        """Raise where the transaction shall not go on.

        Raises:
            OperationCancelled, TransportTimeout
        """
        if self.is_set():
            raise OperationCancelled("the transaction was cancelled")
        if self._clock() >= self._deadline:
            raise TransportTimeout("the time for the whole transaction is over")

    def end(self) -> None:
        """Work that has not begun is not begun any more, and no event is told."""
        self._over = True

    def wait(self, future: Future[T]) -> T:
        """The future's result, or the end of the transaction, whichever is first.

        Raises:
            OperationCancelled, TransportTimeout: and whatever the work raised.
        """
        while True:
            self.check()
            try:
                return future.result(timeout=min(_POLL_SECONDS, self.left.total_seconds()))
            except CancelledError:
                raise OperationCancelled("the work was taken out of the queue") from None
            except NotYet as error:  # the work may end between the time-out and here
                if future.done() and not future.cancelled() and future.exception() is error:
                    raise  # a TimeoutError of the work itself

    def tell(
        self,
        stage: Stage,
        state: State,
        *,
        cpu_ms: float | None = None,
        progress: Progress | None = None,
        attempt: Attempt | None = None,
        outcome: Outcome | None = None,
        prompt: Prompt | None = None,
    ) -> None:
        """Hand an event to the caller."""
        if state is State.RETRYING and attempt is not None and attempt.cause is not None:
            _telemetry.measure("retries", cause=attempt.cause.value)
        if self._on_event is None or self._over:
            return
        with self._telling:
            self._on_event(
                Event(
                    stage=stage, state=state, at_ms=(self._clock() - self._began) * 1000, cpu_ms=cpu_ms,
                    progress=progress, attempt=attempt, outcome=outcome, prompt=prompt,
                )
            )  # fmt: skip

    @contextlib.contextmanager
    def stage(self, stage: Stage, *, attempt: Attempt | None = None) -> Iterator[None]:
        """A stage from its start to its end, on one thread. Where it waits for a processor, the deadline holds too.

        Raises:
            OperationCancelled, TransportTimeout: before it, or because of what its first event led to.
        """
        self.check()
        self.tell(stage, State.STARTED, attempt=attempt)
        self.check()
        started = time.thread_time()
        state = State.FAILED
        try:
            with _telemetry.span(stage.value, parent=self._context), limits.heeding(self.check):
                yield
            state = State.FINISHED
        finally:
            self.tell(stage, state, cpu_ms=(time.thread_time() - started) * 1000, attempt=attempt)


def in_thread(call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> Future[T]:
    """The call's result from a thread of its own, which a hanging call keeps without keeping the process alive.

    For what waits for people and networks, and would only take a place where processors are shared.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # it cannot be taken out of a queue

    def run() -> None:
        try:
            future.set_result(call(*arguments, **options))
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(error)

    threading.Thread(target=run, name="idverify-waiting", daemon=True).start()
    return future
