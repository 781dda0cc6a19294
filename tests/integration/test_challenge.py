"""An active challenge within a transaction: who moves as asked passes; nothing else is ever accepted."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest

from idverify import (
    AccessPassword,
    Attempt,
    CheckId,
    CheckResult,
    CheckStatus,
    Consent,
    CounterPool,
    Event,
    FaceMatcher,
    LiveChallenge,
    MemoryTransport,
    Outcome,
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
from idverify.biometric.codecs import decode_image
from idverify.biometric.face import (
    ChallengeOptions,
    ChallengeReason,
    DetectedFace,
    PadScore,
    PassivePad,
    Prompt,
    main_face,
)
from idverify.biometric.face.synthetic import Placing, SyntheticCamera, SyntheticPerson
from idverify.biometric.frames import ArraySource, Frame
from idverify.biometric.image import Image
from idverify.decision import COUNTER, STRICT, Policy, Requirement, named
from idverify.emulator import Card
from idverify.engine import matching, posing
from idverify.engine.transaction import Course
from idverify.errors import ConfigurationError, ImageError, OperationCancelled, TransportTimeout
from idverify.presentation import html_report
from idverify.presentation.tr03135 import tr03135_xml
from tests.unit.biometric.pictures import picture

AT = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
POSED = Policy(
    id="posed",
    requirements=(
        *(r for r in COUNTER.requirements if r.check is not CheckId.FACE_CHALLENGE),
        Requirement(check=CheckId.FACE_CHALLENGE, failed=Outcome.REVIEW),
    ),
)
ONE = ChallengeOptions(actions=1)
LEFT: Callable[[int], bytes] = bytes
"""Randomness that draws a turn to the left first."""
ONCE = Retries(challenges=0)


@cache
def genuine() -> Card:
    return emulator.citizen_card(seed=71)


@cache
def matcher() -> FaceMatcher:
    return FaceMatcher(threads=1)


@cache
def face_of(name: str) -> DetectedFace:
    image = picture(name)
    return main_face(matcher().detect(image), image)


def camera(script: Iterable[Placing], name: str = "live", *, flat: bool = False, fps: float = 10.0) -> SyntheticCamera:
    return SyntheticCamera(picture(name), face_of(name), script, size=(320, 240), flat=flat, fps=fps)


def person(**options: Any) -> LiveChallenge:
    """Somebody who does what is asked, whatever is drawn."""
    who = SyntheticPerson()
    return LiveChallenge(lambda attempt: camera(who), on_prompt=who.hear, **options)


def run(live: Any, **changes: Any) -> VerificationResult:
    card = genuine().fresh()
    trust = TrustStore.from_certificates(card.trust_anchors)
    arguments: dict[str, Any] = {"at": AT, "matcher": matcher(), "policy": POSED, "retries": ONCE} | changes
    return verify(MemoryTransport(card), AccessPassword.can(str(card.can)), trust=trust, live=live, **arguments)


def challenged(result: VerificationResult) -> CheckResult:
    (check,) = result.report.results(CheckId.FACE_CHALLENGE)
    return check


def refused(result: VerificationResult, reason: Reason) -> None:
    check = challenged(result)
    assert (check.status, check.reason) == (CheckStatus.FAILED, reason)
    assert result.decision.outcome in (Outcome.REVIEW, Outcome.INCONCLUSIVE)
    assert any(r.startswith(f"face.challenge: {reason}") for r in result.decision.reasons)


# ---- who does what is asked


@pytest.mark.parametrize("attempt", range(3))
def test_a_person_who_does_what_is_drawn_is_accepted(attempt: int) -> None:
    result = run(person(options=ChallengeOptions(actions=2 + attempt)))
    check = challenged(result)
    assert (check.status, check.reason) == (CheckStatus.SUCCESSFUL, Reason.OK)
    assert len(check.evidence["actions"].split()) == int(check.evidence["done"]) == 2 + attempt
    assert "no masks" in check.evidence["limits"]
    assert result.decision.outcome is Outcome.ACCEPT
    assert result.scores[0].fmr is not None
    assert result.scores[0].fmr < 1e-4


def test_the_frame_that_is_matched_and_scored_is_the_challenges_own() -> None:
    class Watching(PassivePad):
        seen: list[Image] = []

        def score(self, image: Image, face: DetectedFace) -> PadScore:
            self.seen.append(image)
            return PadScore(live=0.9, model="watching@1", face=200)

    frames: list[Frame] = []

    def recorded() -> Iterator[Frame]:
        for frame in camera([Placing(yaw=y) for y in (0, 0, 0, 15, 30, 45, 45, 45)]):
            frames.append(frame)
            yield frame

    result = run(LiveChallenge(recorded(), options=ONE, rng=LEFT), pad=Watching())
    assert result.decision.outcome is Outcome.ACCEPT
    assert result.live is not None
    matched = decode_image(result.live.reveal())
    (scored,) = Watching.seen
    assert any(matched is not f.image and np.array_equal(matched, f.image) for f in frames[:3])
    assert np.array_equal(scored, matched)
    assert result.report.status(CheckId.FACE_PAD) is CheckStatus.SUCCESSFUL


def test_prompts_come_as_events_and_to_the_callers_function() -> None:
    events: list[Event] = []
    heard: list[str] = []
    who = SyntheticPerson()

    def hear(prompt: Prompt) -> None:
        heard.append(prompt.text("vi"))
        who.hear(prompt)

    live = LiveChallenge(lambda attempt: camera(who), options=ONE, on_prompt=hear, rng=LEFT)
    assert run(live, on_event=events.append).decision.outcome is Outcome.ACCEPT
    told = [e.prompt for e in events if e.prompt is not None]
    assert told == ["look-straight", "turn-left", "done"]
    assert heard == ["Hãy nhìn thẳng vào máy ảnh", "Hãy quay đầu sang trái", "Cảm ơn"]
    assert all(e.stage is Stage.LIVE_CAPTURE and e.state is State.PROGRESS for e in events if e.prompt)
    with pytest.raises(ConfigurationError):
        Prompt.DONE.text("fr")


def test_arrays_get_the_time_at_which_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(posing, "time", SimpleNamespace(monotonic=lambda: next(ticks) * step))

    def arrays() -> Iterator[Image]:
        for frame in camera([Placing(yaw=y) for y in (0, 0, 0, 15, 30, 45, 45, 45)]):
            yield frame.image

    step = 0.1
    assert run(LiveChallenge(arrays(), options=ONE, rng=LEFT)).decision.outcome is Outcome.ACCEPT
    step = 2 * ONE.gap
    refused(run(LiveChallenge(arrays(), options=ONE, rng=LEFT)), Reason.FACE_LOST)


def test_reports_say_what_was_asked_and_what_that_is_worth() -> None:
    result = run(person())
    page = html_report(result)
    assert "One person made the movements that were asked for at random." in page
    assert "Một người đã làm đúng các cử động được yêu cầu ngẫu nhiên." in page
    assert b"<FaceChallenge" in tr03135_xml(result)


# ---- who does not


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (lambda: ArraySource([picture("live")] * 12, fps=10), Reason.FROZEN),
        (lambda: camera([Placing()] * 80), Reason.TIME_OUT),
        (lambda: camera([Placing(yaw=40 * np.sin(i / 4)) for i in range(80)], flat=True), Reason.TIME_OUT),
        (lambda: camera([Placing(scale=1 + i / 200, shift=(i / 2, 0)) for i in range(80)], flat=True), Reason.TIME_OUT),
        (lambda: camera([Placing(light=1 + 0.2 * (i % 2)) for i in range(80)], flat=True), Reason.TIME_OUT),
        (lambda: camera([Placing(yaw=y) for y in (0, 0, 0, -15, -30, -45, -45, -45)]), Reason.WRONG_ACTION),
        (lambda: camera([Placing(yaw=y) for y in (0, 0, 0, 15, 30, 45, 45, 45)], fps=0.4), Reason.FACE_LOST),
        (lambda: camera([Placing()] * 3), Reason.END_OF_STREAM),
        (lambda: blank(90), Reason.TIME_OUT),
        (list, Reason.END_OF_STREAM),
    ],
    ids=["still", "held", "turned print", "moved print", "flickering print", "wrong", "slow", "ends", "empty", "none"],
)
def test_nothing_that_does_not_move_as_asked_is_accepted(source: Callable[[], Any], reason: Reason) -> None:
    result = run(LiveChallenge(source(), options=ONE, rng=LEFT))
    refused(result, reason)
    for policy in (COUNTER, STRICT, named("airport-gate"), named("bank-2345"), without_a_word()):
        assert policy.decide(result.report, result.scores).outcome is not Outcome.ACCEPT


def without_a_word() -> Policy:
    """A policy that never heard of challenges."""
    return replace(
        COUNTER, requirements=tuple(r for r in COUNTER.requirements if r.check is not CheckId.FACE_CHALLENGE)
    )


def blank(count: int) -> ArraySource:
    noise = np.random.default_rng(0)
    return ArraySource((noise.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(count)), fps=10)


def test_somebody_else_who_moves_is_refused_and_not_asked_again() -> None:
    attempts: list[Attempt] = []

    def both(attempt: Attempt) -> Iterator[Frame]:
        attempts.append(attempt)
        first = list(camera([Placing()] * 3))
        second = list(camera([Placing(yaw=y) for y in (0, 15, 30, 45, 45, 45)], "other"))
        return (replace(f, at=i * 0.1, index=i) for i, f in enumerate([*first, *second[1:]]))

    options = replace(ONE, jump=5.0, turn=12.0)
    refused(run(LiveChallenge(both, options=options, rng=LEFT), retries=Retries(challenges=3)), Reason.FACE_CHANGED)
    assert len(attempts) == 1


def test_every_one_of_the_actions_must_be_the_same_persons() -> None:
    """Somebody who makes the first turn and hands over for the second one is not one person."""

    def handed_over() -> Iterator[Frame]:
        mine = list(camera([Placing(yaw=y) for y in (0, 0, 0, 15, 30, 45, 45, 45, 30, 15, 0, 0, 0)]))
        others = list(camera([Placing(yaw=y) for y in (0, -15, -30, -45, -45, -45)], "other"))
        for index, frame in enumerate([*mine, *others]):
            yield replace(frame, at=index * 0.1, index=index)

    def left_then_right(count: int) -> bytes:
        return bytes([draws.pop(0)]) * count

    draws = [0, 0]
    options = ChallengeOptions(actions=2, jump=5.0, turn=12.0)
    refused(run(LiveChallenge(handed_over(), options=options, rng=left_then_right)), Reason.FACE_CHANGED)


def test_a_stranger_who_does_everything_does_not_match() -> None:
    who = SyntheticPerson()
    result = run(LiveChallenge(lambda attempt: camera(who, "other"), options=ONE, on_prompt=who.hear))
    assert challenged(result).status is CheckStatus.SUCCESSFUL
    assert result.decision.outcome is Outcome.REJECT


# ---- attempts


def test_another_challenge_is_drawn_for_who_was_too_slow_and_the_last_one_counts() -> None:
    who = SyntheticPerson()
    attempts: list[Attempt] = []

    def opened(attempt: Attempt) -> Any:
        attempts.append(attempt)
        return camera([Placing()] * 2) if attempt.number == 0 else camera(who)

    result = run(LiveChallenge(opened, on_prompt=who.hear), retries=Retries(challenges=1))
    assert result.decision.outcome is Outcome.ACCEPT
    assert challenged(result).evidence["tries"] == "2"
    assert [(a.number, a.left, a.cause) for a in attempts] == [(0, 1, None), (1, 0, RetryCause.CHALLENGE_NOT_PASSED)]


@pytest.mark.parametrize("given", [1, 2, 3])
def test_there_is_an_end_to_the_attempts(given: int) -> None:
    """After so many streams the caller has no more, or the tries are used up: the last one that was posed counts."""
    posed: list[int] = []

    def opened(attempt: Attempt) -> Any:
        if attempt.number >= given:
            return None
        posed.append(attempt.number)
        return camera([Placing()] * 2)

    result = run(LiveChallenge(opened), retries=Retries(challenges=1))
    refused(result, Reason.END_OF_STREAM)
    assert challenged(result).evidence["tries"] == str(len(posed)) == str(min(given, 2))


def test_without_a_stream_nothing_was_posed() -> None:
    result = run(LiveChallenge(lambda attempt: None))
    check = challenged(result)
    assert (check.status, check.reason) == (CheckStatus.NOT_PERFORMED, Reason.SAMPLE_MISSING)
    assert result.decision.outcome is Outcome.INCONCLUSIVE


# ---- streams that fail, hang and never end


class Closing:
    """A stream that says whether it runs, three frames in, and whether it was closed."""

    def __init__(self, frames: Iterable[Any]) -> None:
        self.frames, self.running, self.closed = frames, threading.Event(), threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()

    def __iter__(self) -> Iterator[Any]:
        for number, frame in enumerate(self.frames):
            if number == 3:
                self.running.set()
            yield frame


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that ends waits for the step in progress however slow the machine is, not for a second at most."""
    monkeypatch.setattr(matching, "_RELEASE_SECONDS", 60)


def endless() -> Iterator[Image]:
    noise = np.random.default_rng(0)
    while True:
        time.sleep(0.01)
        yield Image(noise.integers(0, 255, (48, 64, 3), np.uint8))


@pytest.mark.usefixtures("patient")
def test_the_deadline_ends_a_stream_that_never_ends_and_the_camera_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Closing(endless())
    clock = partial(Course, clock=lambda: 61.0 if source.running.is_set() else 0.0)
    monkeypatch.setattr("idverify.verification.Course", clock)
    with pytest.raises(TransportTimeout):
        run(LiveChallenge(source, options=replace(ONE, seconds=1000)), timeout=timedelta(seconds=60))
    assert source.closed.is_set(), "closed before the exception leaves"


def test_a_stream_that_hangs_hangs_alone() -> None:
    stuck = threading.Event()

    def hanging() -> Iterator[Image]:
        stuck.wait(60)
        yield picture("live")

    try:
        started = time.monotonic()
        with pytest.raises(TransportTimeout):
            run(LiveChallenge(hanging()), timeout=timedelta(seconds=1))
        assert time.monotonic() - started < 30
    finally:
        stuck.set()


@pytest.mark.usefixtures("patient")
def test_cancelling_ends_it() -> None:
    source = Closing(endless())
    with pytest.raises(OperationCancelled):
        run(LiveChallenge(source, options=replace(ONE, seconds=1000)), cancel=source.running)
    assert source.closed.is_set()


@pytest.mark.parametrize("error", [ImageError("the camera is gone"), OSError("a driver of the caller's")])
def test_what_the_source_raises_is_raised_and_never_a_decision(error: Exception) -> None:
    def failing() -> Iterator[Frame]:
        yield from camera([Placing()] * 3)
        raise error

    source = Closing(failing())
    with pytest.raises(type(error)):
        run(LiveChallenge(source, options=ONE))
    assert source.closed.is_set()


@pytest.mark.parametrize("bad", ["no picture", np.zeros((4, 4), np.float64), None])
def test_what_is_no_picture_is_an_error(bad: Any) -> None:
    with pytest.raises(ImageError):
        run(LiveChallenge([bad]))


def test_no_thread_stays_behind_and_frames_are_not_kept() -> None:
    alive: list[weakref.ref[Any]] = []
    most = 0

    def watched() -> Iterator[Frame]:
        nonlocal most
        for frame in camera([Placing()] * 40):
            alive.append(weakref.ref(frame.image))
            most = max(most, sum(r() is not None for r in alive))
            yield frame

    before = threading.active_count()
    refused(run(LiveChallenge(watched(), options=replace(ONE, seconds=3))), Reason.TIME_OUT)
    assert 20 < len(alive) < 40
    assert most <= 5
    deadline = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before
    gc.collect()
    assert sum(r() is not None for r in alive) <= 1


def test_what_is_neither_stream_nor_function_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        LiveChallenge(7)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        Retries(challenges=11)


# ---- beside the rest of a transaction


def test_no_consent_no_camera() -> None:
    opened: list[Attempt] = []

    def never(attempt: Attempt) -> None:
        opened.append(attempt)

    policy = replace(POSED, requirements=(*POSED.requirements, Requirement(check=CheckId.CONSENT)), purposes=("gate",))
    result = run(LiveChallenge(never), policy=policy, consent=Consent(reference="r", purpose="advertising"))
    assert opened == []
    assert challenged(result).status is CheckStatus.NOT_PERFORMED
    assert result.decision.outcome is not Outcome.ACCEPT


@pytest.mark.usefixtures("patient")
def test_a_card_that_is_rejected_early_keeps_nobody_moving() -> None:
    class Patient(MemoryTransport):  # the camera runs before the card says anything
        def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
            assert source.running.wait(60)
            return super().transmit(apdu, timeout=timeout)

    source = Closing(endless())
    card = emulator.expired_dsc(genuine())
    trust = TrustStore.from_certificates(card.trust_anchors)
    result = verify(
        Patient(card), AccessPassword.can(str(card.can)), trust=trust, at=AT, matcher=matcher(), policy=POSED,
        live=LiveChallenge(source, options=replace(ONE, seconds=1000)), early=True, timeout=timedelta(seconds=120),
    )  # fmt: skip
    assert result.decision.outcome is Outcome.REJECT
    assert result.report.status(CheckId.FACE_MATCH) is CheckStatus.NOT_PERFORMED
    assert source.closed.is_set()


def test_a_gate_takes_a_passed_challenge_where_the_passive_score_settles_nothing() -> None:
    class TooSmall(PassivePad):
        def score(self, image: Image, face: DetectedFace) -> PadScore:
            return PadScore(live=0.9, model="small@1", face=40)

    gate = named("airport-gate")
    moved, shown = run(person(), pad=TooSmall(), policy=gate), run(picture("live"), pad=TooSmall(), policy=gate)
    assert not any(r.startswith("face.") for r in moved.decision.reasons)
    assert "face.pad: poor-quality (live)" in shown.decision.reasons


def test_asyncio_hears_prompts_on_the_loop_and_may_open_the_camera_there() -> None:
    async def serve() -> tuple[VerificationResult, set[threading.Thread]]:
        who, threads = SyntheticPerson(), set()

        async def opened(attempt: Attempt) -> Any:
            threads.add(threading.current_thread())
            return camera(who)

        def hear(prompt: Prompt) -> None:
            threads.add(threading.current_thread())
            who.hear(prompt)

        card = genuine().fresh()
        result = await averify(
            MemoryTransport(card), AccessPassword.can(str(card.can)), at=AT, matcher=matcher(), policy=POSED,
            trust=TrustStore.from_certificates(card.trust_anchors), live=LiveChallenge(opened, on_prompt=hear),
        )  # fmt: skip
        return result, threads

    result, threads = asyncio.run(serve())
    assert result.decision.outcome is Outcome.ACCEPT
    assert threads == {threading.main_thread()}


@pytest.mark.usefixtures("patient")
def test_cancelling_the_task_frees_the_camera() -> None:
    async def serve(source: Closing) -> None:
        card = genuine().fresh()
        task = asyncio.create_task(
            averify(
                MemoryTransport(card), AccessPassword.can(str(card.can)), at=AT, matcher=matcher(), policy=POSED,
                trust=TrustStore.from_certificates(card.trust_anchors),
                live=LiveChallenge(source, options=replace(ONE, seconds=1000)),
            )
        )  # fmt: skip
        while not source.running.is_set():
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    source = Closing(endless())
    asyncio.run(serve(source))
    assert source.closed.is_set()


def test_a_pool_poses_challenges_at_several_counters_and_none_goes_astray() -> None:
    cards = [emulator.citizen_card(seed=200 + n, pki=emulator.TestPki(9)) for n in range(3)]
    trust = TrustStore.from_certificates(emulator.TestPki(9).trust_anchors)

    def attack() -> LiveChallenge:
        return LiveChallenge(camera([Placing(yaw=40 * np.sin(i / 4)) for i in range(70)], flat=True))

    visits: Sequence[tuple[Card, Callable[[], LiveChallenge], Outcome]] = [
        (cards[n % 3], attack if n % 4 == 3 else person, Outcome.REVIEW if n % 4 == 3 else Outcome.ACCEPT)
        for n in range(12)
    ]
    before = threading.active_count()
    with CounterPool(trust, policy=POSED, matcher=matcher(), workers=2) as pool, ThreadPoolExecutor(4) as counters:

        def serve(number: int) -> Outcome:
            card, live, _ = visits[number]
            fresh = card.fresh()
            return pool.verify(
                MemoryTransport(fresh), AccessPassword.can(str(fresh.can)), live=live(), counter=str(number % 4), at=AT,
                retries=ONCE,
            ).decision.outcome  # fmt: skip

        outcomes = list(counters.map(serve, range(len(visits))))
        assert pool.health.completed == len(visits)
    assert outcomes == [v[2] for v in visits]
    deadline = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_every_reason_of_a_challenge_is_a_reason_of_reports() -> None:
    assert {r.value for r in ChallengeReason} <= {r.value for r in Reason}
