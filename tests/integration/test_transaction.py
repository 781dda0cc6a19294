"""The engine of a transaction: events, one deadline, cancellation anywhere, attempts, early decisions, asyncio."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import idverify
from idverify import (
    AccessPassword,
    Attempt,
    CheckId,
    CheckStatus,
    Event,
    FaceMatcher,
    FileId,
    MemoryTransport,
    Outcome,
    ReadOptions,
    Reason,
    Retries,
    RetryCause,
    Stage,
    State,
    TrustStore,
    VerificationResult,
    averify,
    emulator,
    verify,
)
from idverify.chip.pki import passive_auth
from idverify.decision import COUNTER
from idverify.emulator import Card, Fault, FaultKind
from idverify.errors import ConfigurationError, ImageError, OperationCancelled, TransportTimeout, WrongPasswordError
from idverify.report import CheckResult

PICTURES = Path(idverify.__file__).parent / "emulator" / "pictures"
LIVE, OTHER = (PICTURES / "live.jpg").read_bytes(), (PICTURES / "other.jpg").read_bytes()
BLANK = np.full((480, 640, 3), 127, np.uint8)
AT = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)


@cache
def genuine() -> Card:
    return emulator.citizen_card(seed=71)


@cache
def matcher() -> FaceMatcher:
    found = FaceMatcher(threads=1)
    found.warm_up()
    return found


@cache
def trust() -> TrustStore:
    return TrustStore.from_certificates(genuine().trust_anchors)


def can() -> AccessPassword:
    return AccessPassword.can(str(genuine().can))


def wrong() -> AccessPassword:
    return AccessPassword.can(str((int(str(genuine().can)) + 1) % 10**6).zfill(6))


class Slow(MemoryTransport):
    """A card that takes so many seconds for each answer."""

    def __init__(self, card: Card, seconds: float) -> None:
        super().__init__(card)
        self.seconds = seconds

    def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
        time.sleep(self.seconds)
        return super().transmit(apdu, timeout=timeout)


def run(card: Card | None = None, passwords: Any = None, *, seconds: float = 0.0, **changes: Any) -> VerificationResult:
    arguments: dict[str, Any] = {"trust": trust(), "live": LIVE, "at": AT, "matcher": matcher()} | changes
    return verify(Slow(card or genuine().fresh(), seconds), passwords or can(), **arguments)


def recorded(**changes: Any) -> tuple[VerificationResult, list[Event]]:
    events: list[Event] = []
    return run(on_event=events.append, **changes), events


# ---- events ----------------------------------------------------------------------------------------------------------


def test_every_stage_begins_and_ends_and_takes_time() -> None:
    result, events = recorded()
    assert result.decision.outcome is Outcome.ACCEPT
    stages = {Stage.CARD, Stage.LIVE_TEMPLATE, Stage.PORTRAIT_TEMPLATE, Stage.SIGNATURE, Stage.PASSIVE_AUTHENTICATION,
              Stage.MATCHING, Stage.DECISION}  # fmt: skip
    for state in (State.STARTED, State.FINISHED):
        assert sorted(e.stage for e in events if e.state is state) == sorted(stages)
    assert [e.at_ms for e in events] == sorted(e.at_ms for e in events)
    assert all((e.cpu_ms or 0) > 0 for e in events if e.state is State.FINISHED and e.stage is not Stage.DECISION)
    assert (events[-1].stage, events[-1].state, events[-1].outcome) == (Stage.DECISION, State.FINISHED, Outcome.ACCEPT)


def test_work_begins_as_soon_as_its_file_is_in() -> None:
    """The signature after EF.SOD, the portrait after DG2, each before the next file; the chip's proof comes last."""
    _, events = recorded()

    def first(wanted: Callable[[Event], bool]) -> float:
        return next(e.at_ms for e in events if wanted(e))

    def reading(file: FileId) -> float:
        return first(lambda e: e.progress is not None and e.progress.file is file)

    def started(stage: Stage) -> float:
        return first(lambda e: e.stage is stage and e.state is State.STARTED)

    card_ended = first(lambda e: e.stage is Stage.CARD and e.state is State.FINISHED)
    proof = first(lambda e: e.progress is not None and e.progress.phase is idverify.Phase.CHIP_AUTHENTICATION)
    assert reading(FileId.SOD) < started(Stage.SIGNATURE) < reading(FileId.DG2) < started(Stage.PORTRAIT_TEMPLATE)
    assert started(Stage.PORTRAIT_TEMPLATE) < card_ended
    assert reading(FileId.DG13) < proof < card_ended
    assert started(Stage.LIVE_TEMPLATE) < reading(FileId.SOD)


def test_events_come_one_at_a_time() -> None:
    inside, most = 0, 0

    def slow(_: Event) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.001)
        inside -= 1

    run(on_event=slow)
    assert most == 1


def test_the_signature_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    original = passive_auth._open_sod
    monkeypatch.setattr(passive_auth, "_open_sod", lambda *a: (calls.append(1), original(*a))[1])
    assert run().decision.outcome is Outcome.ACCEPT
    assert len(calls) == 1


# ---- cancellation ----------------------------------------------------------------------------------------------------


def test_cancelled_at_every_event_there_is_never_a_decision() -> None:
    _, all_events = recorded()
    decisive = len(all_events)
    for number in range(decisive - 1):  # at the very last one the decision has been made
        token, count = threading.Event(), 0

        def counting(event: Event, number: int = number, token: threading.Event = token) -> None:
            nonlocal count
            assert event.state is not State.FINISHED or event.outcome is None, f"decided after event {number}"
            if count == number:
                token.set()
            count += 1

        with ThreadPoolExecutor(2) as pool:
            with pytest.raises(OperationCancelled):
                run(on_event=counting, cancel=token, executor=pool)
            told = count
            time.sleep(0.001)
            assert count == told, "an event came after the end"
    assert decisive > 20


def test_cancelling_does_not_wait_for_a_template() -> None:
    """The way out does not lead through a queue that others fill."""
    token, release = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(release.wait, 60)
        threading.Timer(0.3, token.set).start()
        started = time.monotonic()
        with pytest.raises(OperationCancelled):
            run(cancel=token, executor=pool)
        assert time.monotonic() - started < 20
        release.set()


# ---- one deadline ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["camera", "queue", "card", "password", "online"])
def test_one_deadline_holds_over_whatever_is_waited_for(where: str) -> None:
    release = threading.Event()

    def hang(_: Attempt) -> bytes:
        release.wait(60)
        return LIVE

    class Service:
        def check(self, request: object) -> CheckResult:
            hang(Attempt(number=0, left=0))
            return CheckResult(check=CheckId.ONLINE_DS, status=CheckStatus.SUCCESSFUL)

    def late(_: Attempt) -> AccessPassword:
        time.sleep(0.6)
        return can()

    pool = ThreadPoolExecutor(1)
    if where == "queue":
        pool.submit(release.wait, 60)
    changes: dict[str, Any] = {"camera": {"live": hang}, "online": {"online": Service()}}.get(where, {})
    transport = Slow(genuine().fresh(), 0.05 if where == "card" else 0)
    started = time.monotonic()
    try:
        with pytest.raises(TransportTimeout):
            verify(
                transport, late if where == "password" else can(), trust=trust(), at=AT, matcher=matcher(),
                executor=pool, timeout=timedelta(seconds=0.5), **({"live": LIVE} | changes),
            )  # fmt: skip
        assert time.monotonic() - started < 30, "it waited for what hangs"
    finally:
        release.set()
        pool.shutdown()


def test_a_time_must_be_positive() -> None:
    with pytest.raises(ConfigurationError):
        run(timeout=timedelta(0))


# ---- attempts --------------------------------------------------------------------------------------------------------


def test_another_password_is_asked_for_and_a_refused_one_is_not_sent_again() -> None:
    asked: list[Attempt] = []

    def source(attempt: Attempt) -> AccessPassword:
        asked.append(attempt)
        return can() if attempt.number == 2 else wrong()

    result, events = recorded(passwords=source)
    assert result.decision.outcome is Outcome.ACCEPT
    assert [(a.number, a.left, a.cause) for a in asked] == [
        (0, 2, None), (1, 1, RetryCause.WRONG_PASSWORD), (2, 0, RetryCause.WRONG_PASSWORD)
    ]  # fmt: skip
    assert [e.attempt for e in events if e.stage is Stage.CARD and e.state is State.RETRYING] == asked[1:]


@pytest.mark.parametrize("answers", [1, 3])
def test_wrong_passwords_end_when_the_caller_has_no_other_or_the_bound_is_reached(answers: int) -> None:
    asked: list[Attempt] = []

    def source(attempt: Attempt) -> AccessPassword | None:
        asked.append(attempt)
        return wrong() if attempt.number < answers else None

    with pytest.raises(WrongPasswordError):
        run(passwords=source)
    assert len(asked) == min(answers + 1, 3)
    with pytest.raises(WrongPasswordError):
        run(passwords=source, retries=Retries(passwords=0))
    with pytest.raises(ConfigurationError):
        Retries(passwords=11)
    with pytest.raises(OperationCancelled, match="no password"):
        run(passwords=lambda _: None)


def test_a_card_that_moves_is_told_apart_from_a_wrong_password() -> None:
    card = genuine().fresh(faults=[Fault(FaultKind.REMOVE, at=14)])
    result, events = recorded(card=card)
    assert result.decision.outcome is Outcome.ACCEPT
    attempts = [e.attempt for e in events if e.state is State.RETRYING]
    assert attempts == [Attempt(number=1, left=1, cause=RetryCause.CARD_MOVED)]


def test_another_picture_is_asked_for_with_advice_while_the_chip_is_read() -> None:
    asked: list[tuple[Attempt, str]] = []

    def camera(attempt: Attempt) -> Any:
        asked.append((attempt, threading.current_thread().name))
        return [BLANK, b"\xff\xd8\xff broken off", LIVE][attempt.number]

    result, events = recorded(live=camera)
    assert result.decision.outcome is Outcome.ACCEPT
    assert result.live is not None
    assert result.live.reveal() == LIVE
    assert [a.cause for a, _ in asked] == [None, RetryCause.POOR_PICTURE, RetryCause.POOR_PICTURE]
    assert asked[1][0].advice == ("show-face",)
    assert all(name != threading.current_thread().name for _, name in asked)
    captures = [e for e in events if e.stage is Stage.LIVE_CAPTURE]
    card_ended = next(e.at_ms for e in events if e.stage is Stage.CARD and e.state is State.FINISHED)
    assert captures[0].at_ms < card_ended
    assert sum(e.state is State.RETRYING for e in captures) == 2


def test_the_best_of_poor_pictures_counts_and_pictures_are_bounded() -> None:
    numbers: list[int] = []

    def camera(attempt: Attempt) -> Any:
        numbers.append(attempt.number)
        return BLANK

    result = run(live=camera, retries=Retries(pictures=1))
    assert numbers == [0, 1]
    assert result.decision.outcome is Outcome.INCONCLUSIVE
    assert "face.match: no-face (live)" in result.decision.reasons
    assert result.advice == ("show-face",)
    missing = run(live=lambda _: None)
    assert "face.match: sample-missing (live)" in missing.decision.reasons
    with pytest.raises(ImageError):
        run(live=lambda _: b"\xff\xd8\xff never whole")


def test_what_a_camera_raises_reaches_the_caller() -> None:
    class UnpluggedError(Exception):
        pass

    def camera(_: Attempt) -> bytes:
        raise UnpluggedError

    with pytest.raises(UnpluggedError):
        run(live=camera)


# ---- as early as the policy allows -----------------------------------------------------------------------------------


def apdus(card: Card, **changes: Any) -> tuple[VerificationResult, int]:
    result = run(card, **changes)
    return result, result.session.apdus


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (emulator.expired_dsc, "pa.dsc.validity: expired"),
        (lambda card: emulator.flip_byte(card, FileId.DG1), "pa.dg.hash: hash-mismatch (DG1)"),
        (lambda card: emulator.flip_byte(card, FileId.DG15), "pa.dg.hash: hash-mismatch (DG15)"),
    ],
)
def test_a_certain_rejection_is_told_before_the_card_is_read_and_ends_reading_where_asked(
    tamper: Callable[[Card], Card], reason: str
) -> None:
    forged = tamper(genuine())
    result, events = recorded(card=forged, seconds=0.02)
    told = [e for e in events if e.stage is Stage.DECISION and e.state is State.PROGRESS]
    assert [e.outcome for e in told] == [Outcome.REJECT]
    card_ended = next(e.at_ms for e in events if e.stage is Stage.CARD and e.state is State.FINISHED)
    assert told[0].at_ms < card_ended
    assert result.decision.outcome is Outcome.REJECT
    unread = {c.subject for c in result.report.results(CheckId.DG_HASH) if c.status is CheckStatus.NOT_PERFORMED}
    assert unread <= {"DG3", "DG4"}  # what the chip does not hand out: all else was read to the end
    early = run(tamper(genuine()), early=True, seconds=0.02)
    assert early.decision.outcome is Outcome.REJECT
    assert any(r.startswith(reason) for r in early.decision.reasons), early.decision.reasons
    assert early.session.apdus < result.session.apdus
    assert not early.report.results(CheckId.CHIP_AUTHENTICATION)


def test_somebody_elses_face_ends_reading_early() -> None:
    beyond, ended = threading.Event(), threading.Event()

    def told(event: Event) -> None:
        if event.stage is Stage.PORTRAIT_TEMPLATE and event.state is State.FINISHED:
            ended.set()
        elif event.progress is not None and event.progress.file is FileId.DG13:
            beyond.set()

    class Patient(MemoryTransport):  # both templates are there before the chip's proof
        def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
            if beyond.is_set():
                assert ended.wait(60)
            time.sleep(0.02)
            return super().transmit(apdu, timeout=timeout)

    result = verify(
        Patient(genuine().fresh()), can(), trust=trust(), live=OTHER, at=AT, matcher=matcher(), early=True,
        on_event=told,
    )  # fmt: skip
    assert result.decision.outcome is Outcome.REJECT
    assert "face.match: below-threshold" in result.decision.reasons
    assert not result.report.results(CheckId.ACTIVE_AUTHENTICATION)


def test_early_leaves_out_what_no_check_of_the_policy_asks_for_and_nothing_else() -> None:
    full, early = run(), run(early=True)
    assert full.decision == early.decision
    assert early.decision.outcome is Outcome.ACCEPT
    named = replace(
        COUNTER, requirements=tuple(r for r in COUNTER.requirements if r.check is not CheckId.CCCD_CONSISTENCY)
    )
    fewer = run(genuine().fresh(), early=True, policy=named)
    assert fewer.decision.outcome is Outcome.ACCEPT
    assert FileId.DG13 not in fewer.files.reveal()
    assert {FileId.DG1, FileId.DG2, FileId.DG15} <= set(fewer.files.reveal())
    (unread,) = [c for c in fewer.report.results(CheckId.DG_HASH) if c.subject == "DG13"]
    assert (unread.status, unread.reason) == (CheckStatus.NOT_PERFORMED, Reason.NOT_READ)


def test_a_rejection_that_is_told_stays() -> None:
    """Where a policy only wants to look again, nothing is told to be rejected."""
    lenient = replace(
        COUNTER,
        requirements=tuple(
            replace(r, failed=Outcome.REVIEW) if r.check is CheckId.DSC_VALIDITY else r for r in COUNTER.requirements
        ),
    )
    result, events = recorded(card=emulator.expired_dsc(genuine()), policy=lenient)
    assert result.decision.outcome is Outcome.REVIEW
    assert not [e for e in events if e.stage is Stage.DECISION and e.state is State.PROGRESS]


# ---- asyncio ---------------------------------------------------------------------------------------------------------


def test_asyncio_runs_the_same_engine_with_callbacks_on_the_loop() -> None:
    async def main() -> tuple[VerificationResult, list[Event], set[int]]:
        events: list[Event] = []
        threads: set[int] = set()

        def told(event: Event) -> None:
            events.append(event)
            threads.add(threading.get_ident())

        async def camera(attempt: Attempt) -> Any:
            await asyncio.sleep(0.001)
            threads.add(threading.get_ident())
            return LIVE if attempt.number else BLANK

        async def keypad(attempt: Attempt) -> AccessPassword:
            threads.add(threading.get_ident())
            return can() if attempt.number else wrong()

        result = await averify(
            MemoryTransport(genuine().fresh()), keypad, trust=trust(), live=camera, at=AT, matcher=matcher(),
            on_event=told,
        )  # fmt: skip
        await asyncio.sleep(0)
        return result, events, threads

    result, events, threads = asyncio.run(main())
    assert result.decision.outcome is Outcome.ACCEPT
    assert threads == {threading.get_ident()}
    assert events[-1].outcome is Outcome.ACCEPT
    assert {e.attempt.cause for e in events if e.state is State.RETRYING and e.attempt} == {
        RetryCause.WRONG_PASSWORD, RetryCause.POOR_PICTURE
    }  # fmt: skip


@pytest.mark.parametrize("where", ["keypad", "camera", "card"])
def test_a_cancelled_task_ends_whatever_it_waits_for(where: str) -> None:
    async def main() -> bool:
        reached = asyncio.Event()

        async def waiting(_: Attempt) -> Any:
            reached.set()
            await asyncio.sleep(60)

        def told(event: Event) -> None:
            if where == "card" and event.progress is not None:
                reached.set()

        task = asyncio.create_task(
            averify(
                MemoryTransport(genuine().fresh()), waiting if where == "keypad" else can(), trust=trust(),
                live=waiting if where == "camera" else LIVE, at=AT, matcher=matcher(), on_event=told,
            )
        )  # fmt: skip
        await asyncio.wait_for(reached.wait(), 60)
        task.cancel()
        await asyncio.wait([task], timeout=60)
        return task.cancelled() or where == "card"

    assert asyncio.run(main())


def test_a_question_that_the_cancellation_did_not_see_is_cancelled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task is cancelled between a question's start and its entry in the list of those to cancel."""
    real = asyncio.run_coroutine_threadsafe
    seen = threading.Event()

    def late(coroutine: Any, loop: asyncio.AbstractEventLoop) -> Any:
        future = real(coroutine, loop)
        assert seen.wait(60)
        return future

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", late)

    async def main() -> list[str]:
        reached, ends = asyncio.Event(), []

        async def waiting(_: Attempt) -> Any:
            reached.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                ends.append("question")
                raise

        task = asyncio.create_task(averify(MemoryTransport(genuine().fresh()), waiting, trust=trust(), at=AT))
        await asyncio.wait_for(reached.wait(), 60)
        task.cancel()
        await asyncio.sleep(0.05)
        seen.set()
        await asyncio.wait([task], timeout=60)
        return [*ends, "task"] if task.cancelled() else ends

    assert asyncio.run(main()) == ["question", "task"]


def test_a_second_cancellation_does_not_block_the_event_loop() -> None:
    reached, release, ended = threading.Event(), threading.Event(), threading.Event()

    def blocking(_: Attempt) -> Any:
        reached.set()
        release.wait(60)
        ended.set()

    async def main() -> bool:
        task = asyncio.create_task(averify(MemoryTransport(genuine().fresh()), blocking, trust=trust(), at=AT))
        while not reached.is_set():  # cancelled sooner, there would be nothing to wait for
            await asyncio.sleep(0.005)
        for _ in range(3):
            await asyncio.sleep(0.05)
            task.cancel()
        await asyncio.sleep(0.05)
        free = not ended.is_set() and not task.done()
        release.set()
        await asyncio.wait([task], timeout=60)
        return free and task.cancelled()

    assert asyncio.run(main())


def test_work_in_a_queue_is_taken_out_when_the_card_fails() -> None:
    held: list[Future[Any]] = []

    class Holding(ThreadPoolExecutor):
        def submit(self, *_: Any, **__: Any) -> Future[Any]:
            held.append(Future())
            return held[-1]

    gone = genuine().fresh(faults=[Fault(FaultKind.REMOVE, at=n) for n in range(20, 24)])
    with pytest.raises(idverify.errors.TransportError):
        run(gone, executor=Holding(1), options=ReadOptions(max_recoveries=0))
    assert held
    assert held[0].cancelled()


def test_a_broken_live_picture_is_one_error_with_events_and_without() -> None:
    """Comparing early does not hide it, nor blame it on a file of the chip."""
    for changes in ({}, {"on_event": lambda _: None}, {"early": True}):
        with pytest.raises(ImageError):
            run(live=b"\xff\xd8\xff not a picture", seconds=0.01, **changes)
