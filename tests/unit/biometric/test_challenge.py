from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.biometric.face import (
    ADVICE,
    PROMPTS,
    Action,
    ActiveChallenge,
    BlinkWatch,
    ChallengeOptions,
    ChallengeReason,
    ChallengeResult,
    ChallengeState,
    DetectedFace,
    FaceMatcher,
    Observation,
    draw_actions,
    eye_view,
    head_pose,
    main_face,
    run_challenge,
)
from idverify.biometric.face.synthetic import Placing, SyntheticCamera
from idverify.biometric.frames import ArraySource, Frame
from idverify.biometric.image import Image
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
    turns = (Action.TURN_LEFT, Action.TURN_RIGHT)
    challenge = ActiveChallenge([action] if action in turns else [action, Action.TURN_LEFT])
    feed(challenge, [head(angle, flat=True, width=120 + i) for i, angle in enumerate(angles)])
    assert challenge.state is not ChallengeState.PASSED


@given(st.integers(1, 5), st.binary(min_size=200, max_size=200).filter(lambda noise: b"\xff" * 64 not in noise))
def test_actions_are_drawn_with_a_turn_and_without_repetition(count: int, noise: bytes) -> None:
    stream = iter(noise + bytes(range(256)) * 50)
    actions = draw_actions(count, lambda n: bytes(next(stream) for _ in range(n)))
    assert len(actions) == count
    assert any(a in (Action.TURN_LEFT, Action.TURN_RIGHT) for a in actions)
    stream = iter(noise + bytes(range(256)) * 50)
    assert Action.BLINK not in draw_actions(count, lambda n: bytes(next(stream) for _ in range(n)), blink=False)
    assert all(a is not b for a, b in itertools.pairwise(actions))


@pytest.mark.parametrize(("blink", "rows"), [(True, 10), (False, 6)])
def test_every_row_of_actions_with_a_turn_is_as_likely(blink: bool, rows: int) -> None:
    """Rows that hold no turn are drawn anew, so what is even is the row, not its first action."""
    source = random.Random(7)
    drawn = Counter(draw_actions(2, source.randbytes, blink=blink) for _ in range(5000))
    assert len(drawn) == rows
    assert all(0.8 < count * rows / 5000 < 1.2 for count in drawn.values())


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


def test_a_source_that_never_draws_a_turn_is_broken() -> None:
    closer_then_blink = itertools.cycle([2, 2])  # the third action of four, then the third of the three others
    with pytest.raises(ConfigurationError, match="for ever"):
        draw_actions(2, lambda n: bytes([next(closer_then_blink)]))


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


# ---- blinks


BLINK = [0.0] * 8 + [0.5, 1.0, 1.0, 1.0, 0.5] + [0.0] * 6


def blink_first(count: int) -> bytes:
    """Randomness that draws a blink, then a turn to the left."""
    return bytes([DRAWS.pop(0) if DRAWS else 0]) * count


DRAWS: list[int] = []


def posed(matcher: FaceMatcher, script: Sequence[Placing], **more: Any) -> ChallengeResult:
    DRAWS[:] = [3, 0]
    source = SyntheticCamera(
        picture("live"), main_face(matcher.detect(picture("live")), picture("live")), script, **more
    )
    return run_challenge(source, matcher, rng=blink_first)


def test_a_blink_and_a_turn_pass(matcher: FaceMatcher) -> None:
    script = [*(Placing(closed=c) for c in BLINK), *(Placing(yaw=y) for y in (0, 15, 30, 45, 45, 45))]
    found = posed(matcher, script)
    assert (found.passed, found.reason, found.unseen) == (True, ChallengeReason.OK, 0)
    assert found.actions == (Action.BLINK, Action.TURN_LEFT)


def test_a_blink_that_is_not_seen_is_no_failure_and_a_turn_takes_its_place(matcher: FaceMatcher) -> None:
    script = [Placing()] * 72 + [Placing(yaw=y) for y in (15, 30, 45, 45, 45, 30, 15, 0, 0, 0, 15, 30, 45, 45, 45)]
    found = posed(matcher, script, size=(320, 240))
    assert (found.passed, found.unseen) == (True, 1)
    assert found.actions == (Action.TURN_LEFT, Action.TURN_LEFT)


def test_a_print_that_cannot_blink_cannot_turn_in_its_place(matcher: FaceMatcher) -> None:
    script = [Placing(yaw=10 * np.sin(i / 3), shift=(i / 4, 0), light=1 + 0.1 * (i % 2)) for i in range(160)]
    found = posed(matcher, script, size=(320, 240), flat=True)
    assert (found.passed, found.reason, found.done, found.unseen) == (False, ChallengeReason.TIME_OUT, 0, 1)


def test_a_print_whose_landmarks_jump_is_looked_at_again(matcher: FaceMatcher) -> None:
    """Shifted by a few pixels, this one pretends to turn at the first look."""
    image = picture("live")
    face, script = main_face(matcher.detect(image), image), [Placing(shift=(i / 4, 0)) for i in range(60)]
    frames = list(SyntheticCamera(image, face, script, size=(320, 240), flat=True))
    options = replace(ONE, turn=12.0)
    once = ActiveChallenge([Action.TURN_LEFT], options)
    for frame in frames:
        once.feed(Observation(at=frame.at, face=matcher.inspect(frame.image).face, digest=bytes([frame.index])))
    assert once.state is ChallengeState.PASSED
    refused(run_challenge(frames, matcher, options=options, rng=LEFT), ChallengeReason.END_OF_STREAM)


def seen(first: float, again: float | None, at: float) -> Observation:
    marks = head(again).landmarks if again is not None else None
    return Observation(at=at, face=head(first), digest=f"{at}".encode(), again=marks)


@pytest.mark.parametrize(
    ("again", "done"), [(40.0, 1), (5.0, 0), (-30.0, 0), (None, 0)], ids=["both", "one", "opposite", "no second look"]
)
def test_both_looks_must_say_that_the_head_is_turned(again: float | None, done: int) -> None:
    challenge = ActiveChallenge([Action.TURN_LEFT], twice=True)
    for index in range(2):
        challenge.feed(seen(0, None, index * 0.1))
    assert challenge.prompt == "look-straight", "a first look alone is none"
    for index in range(2):
        challenge.feed(seen(0, 2, 0.2 + index * 0.1))
    assert challenge.prompt == "turn-left"
    assert challenge.doubts(head(40))
    assert not challenge.doubts(head(5))
    for index in range(3):
        challenge.feed(seen(40, again, 0.4 + index * 0.1))
    assert challenge.done == done


def test_too_small_a_face_is_not_asked_to_blink() -> None:
    challenge = ActiveChallenge([Action.BLINK, Action.TURN_LEFT], rng=LEFT)
    eyes = np.zeros((128, 128), np.float32)
    small = head(0, width=50)
    assert small.inter_eye < 30
    challenge.feed(Observation(at=0.0, face=small, digest=b"0", eyes=eyes))
    assert (challenge.unseen, challenge.actions[0]) == (1, Action.TURN_LEFT)


# ---- what the eyes show, frame by frame


def watched(
    matcher: FaceMatcher, script: Sequence[Placing], change: Callable[[Image, int], Image] = lambda i, _: i
) -> bool:
    image, watch, found = picture("live"), BlinkWatch(), False
    face = main_face(matcher.detect(image), image)
    for index, frame in enumerate(SyntheticCamera(image, face, script, size=(480, 360))):
        shown = change(frame.image, index)
        view = eye_view(shown, matcher.inspect(shown).face.landmarks)
        if watch.ready:
            found = watch.feed(view, frame.at) or found
        else:
            watch.look(view)
    return found


def lids(levels: Sequence[float]) -> list[Placing]:
    return [Placing(closed=c) for c in levels]


@pytest.mark.parametrize(
    ("levels", "blinked"),
    [
        (BLINK, True),
        ([0.0] * 20, False),
        ([0.0] * 8 + [1.0] * 12, False),  # closed, and never opened
        ([0.0] * 8 + [1.0] + [0.0] * 10, False),  # one frame may lie
        ([0.0] * 8 + [1.0] * 20 + [0.0] * 6, False),  # two seconds are no blink
        ([1.0] * 8 + [0.0] * 12, False),  # begun with closed eyes
    ],
    ids=["blink", "open", "stays closed", "one frame", "too long", "opened only"],
)
def test_what_lids_do(matcher: FaceMatcher, levels: list[float], blinked: bool) -> None:
    assert watched(matcher, lids(levels)) is blinked


def test_one_eye_is_no_blink(matcher: FaceMatcher) -> None:
    """The left half of the picture is that of open eyes."""
    still = list(SyntheticCamera(picture("live"), main_face(matcher.detect(picture("live")), picture("live")),
                                 lids([0.0] * len(BLINK)), size=(480, 360)))  # fmt: skip

    def half(image: Image, index: int) -> Image:
        mixed = image.copy()
        mixed[:, :240] = still[index].image[:, :240]
        return Image(mixed)

    assert not watched(matcher, lids(BLINK), half)


def test_no_change_of_the_whole_picture_is_a_blink(matcher: FaceMatcher) -> None:
    def darker(image: Image, index: int) -> Image:
        return Image((image * (0.4 if 9 <= index <= 11 else 1.0)).astype(np.uint8))

    def blurred(image: Image, index: int) -> Image:
        import cv2

        return Image(np.asarray(cv2.GaussianBlur(image, (0, 0), 3), np.uint8)) if 9 <= index <= 11 else image

    for change in (darker, blurred):
        assert not watched(matcher, lids([0.0] * 19), change)
    moved = [Placing(yaw=12 * np.sin(i / 2), shift=(8.0 * np.sin(i), 0), scale=1 + 0.02 * i) for i in range(20)]
    assert not watched(matcher, moved)


@given(st.lists(st.integers(0, 255), min_size=4, max_size=12))
@settings(max_examples=10, deadline=None)
def test_no_blank_or_wild_view_breaks_it(values: list[int]) -> None:
    watch, noise = BlinkWatch(), np.random.default_rng(1)
    for index, value in enumerate([*values, *values, *values]):
        view = np.full((128, 128), value, np.float32)
        if value % 2:
            view += noise.normal(0, 40, view.shape).astype(np.float32)
        if watch.ready:
            assert watch.feed(view, index * 0.1) in (True, False)
        else:
            watch.look(view)
