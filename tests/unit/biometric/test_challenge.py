from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.biometric.face import (
    ADVICE,
    PROMPTS,
    Action,
    ActiveChallenge,
    ChallengeOptions,
    ChallengeReason,
    ChallengeResult,
    ChallengeState,
    DetectedFace,
    FaceMatcher,
    Observation,
    draw_actions,
    head_pose,
    main_face,
    run_challenge,
)
from idverify.biometric.face.synthetic import Placing, SyntheticCamera
from idverify.biometric.frames import ArraySource, Frame
from idverify.errors import ConfigurationError, OperationCancelled
from tests.unit.biometric.pictures import picture

HEAD = np.array([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0, 0.07, 0.48], [-0.4, 0.65, 0], [0.4, 0.65, 0]])
"""Eyes, nose and mouth in inter-eye distances; the third axis points to the camera."""


def head(yaw: float, *, width: float = 120, at: tuple[float, float] = (320, 240), flat: bool = False) -> DetectedFace:
    """A face as parallel projection of a turned head, or of a turned print."""
    angle = np.radians(yaw)
    points = HEAD * [1, 1, 0 if flat else 1]
    x = points[:, 0] * np.cos(angle) + points[:, 2] * np.sin(angle)
    marks = np.stack([x, points[:, 1]], axis=1) * width / 2 + at
    box = (at[0] - width / 2, at[1] - width * 0.65, width, width * 1.3)
    return DetectedFace(box=box, landmarks=marks.astype(np.float32), confidence=0.9)


def feed(challenge: ActiveChallenge, faces: Sequence[DetectedFace | None], start: float = 0.0) -> ChallengeState:
    for index, face in enumerate(faces):
        digest = f"{start}/{index}".encode()
        challenge.feed(Observation(at=start + index * 0.1, face=face, digest=digest))
    return challenge.state


def turn(to: float, steps: int = 4, **more: float) -> list[DetectedFace]:
    return [head(to * i / steps, **more) for i in range(steps + 1)] + [head(to, **more)]  # type: ignore[arg-type]


def test_the_projection_is_the_one_that_head_pose_undoes() -> None:
    for yaw in (-30, 0, 15, 40):
        assert head_pose(head(yaw).landmarks)[0] == pytest.approx(yaw, abs=6)
        assert head_pose(head(yaw, flat=True).landmarks)[0] == pytest.approx(0, abs=1e-3)


def test_a_person_who_does_what_is_asked_passes() -> None:
    challenge = ActiveChallenge([Action.TURN_LEFT, Action.COME_CLOSER, Action.TURN_RIGHT])
    assert challenge.prompt == "look-straight"
    feed(challenge, [head(0), head(1)])
    assert challenge.prompt == "turn-left"
    feed(challenge, [*turn(30), *turn(30)[::-1], head(0)], 0.2)
    assert (challenge.done, challenge.prompt) == (1, "come-closer")
    feed(challenge, [head(0, width=120 + 8 * i) for i in range(8)], 1.6)
    assert challenge.done == 2
    feed(challenge, [head(0, width=176)] * 2, 2.4)
    assert challenge.prompt == "turn-right"
    assert feed(challenge, turn(-30, width=176), 2.6) is ChallengeState.PASSED
    assert challenge.prompt == "done"
    assert challenge.reason is ChallengeReason.OK


@pytest.mark.parametrize("action", [Action.TURN_LEFT, Action.TURN_RIGHT])
def test_a_print_that_is_turned_does_not_turn(action: Action) -> None:
    challenge = ActiveChallenge([action])
    sign = 1 if action is Action.TURN_LEFT else -1
    faces = [head(sign * 60 * np.sin(i / 8), flat=True) for i in range(80)]
    assert feed(challenge, [head(0, flat=True)] * 2 + faces) is ChallengeState.FAILED
    assert challenge.reason is ChallengeReason.TIME_OUT
    assert challenge.done == 0


def test_the_other_way_is_wrong() -> None:
    challenge = ActiveChallenge([Action.TURN_LEFT])
    feed(challenge, [head(0)] * 2)
    assert feed(challenge, turn(-30), 0.2) is ChallengeState.FAILED
    assert challenge.reason is ChallengeReason.WRONG_ACTION


def test_a_person_who_sits_askew_is_measured_from_there() -> None:
    challenge = ActiveChallenge([Action.TURN_LEFT])
    feed(challenge, [head(12)] * 3)
    feed(challenge, [head(y) for y in (16, 20, 22, 24, 24)], 0.3)
    assert challenge.done == 0
    assert feed(challenge, [head(30), head(34), head(34)], 0.8) is ChallengeState.PASSED


def running() -> ActiveChallenge:
    challenge = ActiveChallenge([Action.TURN_LEFT], ChallengeOptions(actions=1))
    feed(challenge, [head(0)] * 2)
    return challenge


@pytest.mark.parametrize(
    ("observe", "reason"),
    [
        (lambda: [Observation(at=0.2, face=head(0, at=(500, 240)), digest=b"x")], ChallengeReason.FACE_JUMPED),
        (lambda: [Observation(at=0.2, face=head(0, width=240), digest=b"x")], ChallengeReason.FACE_JUMPED),
        (lambda: [Observation(at=0.2, face=head(0), rivals=1, digest=b"x")], ChallengeReason.SEVERAL_FACES),
        (
            lambda: [Observation(at=0.2 + 0.2 * i, face=None, digest=bytes([i])) for i in range(5)],
            ChallengeReason.FACE_LOST,
        ),
        (lambda: [Observation(at=9.0, face=head(0), digest=b"x")], ChallengeReason.TIME_OUT),
        (lambda: [Observation(at=0.0, face=head(0), digest=b"x")], ChallengeReason.TIME_OUT),
        (
            lambda: [Observation(at=0.2 + i / 10, face=head(0), digest=b"same") for i in range(5)],
            ChallengeReason.FROZEN,
        ),
    ],
)
def test_what_breaks_the_track_ends_it(observe: Callable[[], list[Observation]], reason: ChallengeReason) -> None:
    challenge = running()
    for seen in observe():
        challenge.feed(seen)
    assert (challenge.state, challenge.reason) == (ChallengeState.FAILED, reason)
    assert feed(challenge, turn(30), 1.0) is ChallengeState.FAILED


def test_one_lying_frame_does_not_count() -> None:
    challenge = running()
    state = feed(challenge, [head(0), head(30), head(0), head(30), head(0)], 0.2)
    assert (state, challenge.done) == (ChallengeState.RUNNING, 0)


@settings(max_examples=200)
@given(st.lists(st.floats(-70, 70), max_size=40), st.sampled_from(list(Action)))
def test_no_print_passes_however_it_is_moved(angles: list[float], action: Action) -> None:
    challenge = ActiveChallenge([action, Action.TURN_LEFT] if action is Action.COME_CLOSER else [action])
    feed(challenge, [head(angle, flat=True, width=120 + i) for i, angle in enumerate(angles)])
    assert challenge.state is not ChallengeState.PASSED


@given(st.integers(1, 5), st.binary(min_size=200, max_size=200))
def test_actions_are_drawn_with_a_turn_and_without_repetition(count: int, noise: bytes) -> None:
    stream = iter(noise + bytes(range(256)) * 50)
    actions = draw_actions(count, lambda n: bytes(next(stream) for _ in range(n)))
    assert len(actions) == count
    assert any(a is not Action.COME_CLOSER for a in actions)
    assert all(a is not b for a, b in itertools.pairwise(actions))


def test_every_action_is_drawn_evenly() -> None:
    stream = iter(bytes(range(256)) * 40)
    firsts = [draw_actions(2, lambda n: bytes(next(stream) for _ in range(n)))[0] for _ in range(3000)]
    for action in Action:
        assert 0.25 < firsts.count(action) / 3000 < 0.42


def test_what_cannot_be_a_challenge() -> None:
    with pytest.raises(ConfigurationError, match="without a turn"):
        ActiveChallenge([Action.COME_CLOSER])
    for count in (0, 6):
        with pytest.raises(ConfigurationError):
            draw_actions(count)
    with pytest.raises(ConfigurationError, match="for ever"):
        draw_actions(2, lambda n: b"\xff" * n)
    for bad in ({"actions": 0}, {"turn": 5.0}, {"frames": 1}, {"gap": 0.0}, {"closer": 1.0}):
        with pytest.raises(ConfigurationError):
            ChallengeOptions(**bad)  # type: ignore[arg-type]


def test_prompts_are_spoken_in_both_languages() -> None:
    assert set(PROMPTS) == {"look-straight", "done", *(a.value for a in Action)}
    for words in (*PROMPTS.values(), *ADVICE.values()):
        assert set(words) == {"en", "vi"}


# ---- on pictures, with the synthetic camera


def LEFT(count: int) -> bytes:
    """Randomness that draws a turn to the left first."""
    return bytes(count)


ONE = ChallengeOptions(actions=1)
PERSON = [Placing(yaw=y) for y in (0, 0, 0, 15, 30, 40, 45, 45, 45)]


def camera(matcher: FaceMatcher, name: str, script: Sequence[Placing], *, flat: bool = False) -> SyntheticCamera:
    image = picture(name)
    return SyntheticCamera(image, main_face(matcher.detect(image), image), script, flat=flat)


def test_a_turning_person_passes_and_is_the_one_who_is_matched(matcher: FaceMatcher) -> None:
    prompts: list[str] = []
    with camera(matcher, "live", PERSON) as source:
        found = run_challenge(source, matcher, options=ONE, rng=LEFT, on_prompt=prompts.append)
    assert (found.passed, found.reason, found.done) == (True, ChallengeReason.OK, 1)
    assert prompts == ["look-straight", "turn-left", "done"]
    assert found.sample is not None
    score = matcher.compare(found.sample.template, matcher.template(picture("portrait")))
    assert score.value > matcher.threshold(1e-5)


def refused(found: ChallengeResult, reason: ChallengeReason) -> None:
    assert (found.passed, found.reason) == (False, reason)


def test_a_still_fed_in_as_a_stream_is_refused(matcher: FaceMatcher) -> None:
    still = picture("live")
    refused(run_challenge(ArraySource([still] * 20, fps=10), matcher, rng=LEFT), ChallengeReason.FROZEN)


@pytest.mark.parametrize(
    "script",
    [
        [Placing()] * 12,
        [Placing(yaw=y) for y in (0, 0, 0, 15, 25, 35, 40, 40, 35, 25, 0)],
        [Placing(scale=1 + i * 0.05, shift=(6.0 * i, 3.0 * i)) for i in range(12)],
    ],
    ids=["held", "turned", "moved nearer"],
)
def test_a_print_before_the_camera_is_refused(matcher: FaceMatcher, script: list[Placing]) -> None:
    with camera(matcher, "live", script, flat=True) as source:
        refused(run_challenge(source, matcher, options=ONE, rng=LEFT), ChallengeReason.END_OF_STREAM)


def test_a_change_of_person_is_refused(matcher: FaceMatcher) -> None:
    def both() -> Iterator[Frame]:
        first = list(camera(matcher, "live", PERSON[:3]))
        second = list(camera(matcher, "other", PERSON))[4:]
        for index, frame in enumerate([*first, *second]):
            yield replace(frame, at=index * 0.1, index=index)

    found = run_challenge(both(), matcher, options=replace(ONE, jump=5.0, turn=12.0), rng=LEFT)
    refused(found, ChallengeReason.FACE_CHANGED)


def test_cancelling_and_an_empty_stream(matcher: FaceMatcher) -> None:
    refused(run_challenge([], matcher), ChallengeReason.END_OF_STREAM)
    stop = threading.Event()
    stop.set()
    with pytest.raises(OperationCancelled):
        run_challenge(ArraySource([picture("live")]), matcher, cancel=stop)
