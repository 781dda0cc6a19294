"""Poses an active challenge to whoever stands before a camera.

Each frame is inspected and handed to :class:`~idverify.biometric.face.challenge.ActiveChallenge`, which judges it; at
the end the faces that made the movements are compared with the straight one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import urandom
from typing import Final, Protocol

from idverify.biometric.face.actions import Action, Prompt, draw_actions
from idverify.biometric.face.blink import eye_view
from idverify.biometric.face.capture import CancelToken
from idverify.biometric.face.challenge import (
    ActiveChallenge,
    ChallengeOptions,
    ChallengeReason,
    ChallengeState,
    Observation,
)
from idverify.biometric.face.detect import DetectedFace
from idverify.biometric.face.matcher import FaceSample, FaceTemplate, FaceView
from idverify.biometric.face.quality import CaptureKind, head_pose
from idverify.biometric.face.steady import look_again
from idverify.biometric.frames import Frame
from idverify.biometric.image import Image
from idverify.biometric.score import Score
from idverify.errors import BiometricError, OperationCancelled

MAX_FRAMES: Final = 10_000
"""Most frames of one challenge: a stream whose clock stands still ends as well."""


class Examiner(Protocol):
    """What a challenge needs of a :class:`~idverify.biometric.face.matcher.FaceMatcher`."""

    def inspect(self, image: Image, *, kind: CaptureKind) -> FaceView:
        """Finds and measures the main face; raises BiometricError where there is none."""
        ...

    def detect(self, image: Image) -> tuple[DetectedFace, ...]:
        """All faces of a picture."""
        ...

    def embed(self, views: Sequence[FaceView]) -> tuple[FaceSample, ...]:
        """A sample for each."""
        ...

    def compare(self, probe: FaceTemplate, reference: FaceTemplate) -> Score:
        """The similarity of two templates."""
        ...

    def threshold(self, fmr: float) -> float:
        """The score from which strangers pass at most at rate ``fmr``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeResult:
    """How a challenge came out.

    Attributes:
        passed: all actions done by one person in time. Evidence for a live person, not proof.
        reason: why not.
        actions: what was asked.
        done: how many were done.
        unseen: blinks that were asked for and not seen, so that turns took their places.
        frames: frames that were looked at.
        sample: the best straight frame, embedded: match this one with the portrait. None where there was none.
        frame: that frame, for a look at its surroundings; None where there was none.
    """

    passed: bool
    reason: ChallengeReason
    actions: tuple[Action, ...]
    done: int
    frames: int
    sample: FaceSample | None
    frame: Frame | None = field(default=None, repr=False, compare=False)
    unseen: int = 0


@dataclass(slots=True)
class _Kept:
    """What is kept of the stream: the best straight frame, and for each action its last view. Nothing grows."""

    straight: tuple[Frame, FaceView] | None = None
    acted: dict[int, FaceView] = field(default_factory=dict)

    def take(self, frame: Frame, view: FaceView, challenge: ActiveChallenge, awaiting: Prompt, done: int) -> None:
        if awaiting is not Prompt.LOOK_STRAIGHT:
            if challenge.done > done:
                self.acted[done] = view
        elif abs(head_pose(view.face.landmarks)[0]) <= challenge.options.neutral and (
            self.straight is None or view.quality.scalar > self.straight[1].quality.scalar
        ):
            self.straight = frame, view


def run_challenge(
    source: Iterable[Frame],
    matcher: Examiner,
    *,
    options: ChallengeOptions | None = None,
    rng: Callable[[int], bytes] = urandom,
    on_prompt: Callable[[Prompt], None] | None = None,
    cancel: CancelToken | None = None,
) -> ChallengeResult:
    """Poses a challenge over a stream.

    After the actions the face that did each of them is compared with the best straight one: the person who moved is
    the one whose template is given. One frame is kept, and one face an action.

    Args:
        source: frames, see :mod:`idverify.biometric.frames`.
        matcher: finds, measures and embeds.
        options: how strict.
        rng: source of the actions.
        on_prompt: called with the prompt whenever it changes, first of all with the first.
        cancel: polled before each frame.

    Raises:
        OperationCancelled: the cancel token was set.
        ConfigurationError: the model has no calibration table for the comparison.
        ImageError: the source failed.
        ModelError: a model is missing, altered or failed.
    """
    options = options if options is not None else ChallengeOptions()
    actions = draw_actions(options.actions, rng, blink=options.blink)
    challenge, kept = ActiveChallenge(actions, options, rng=rng, twice=True), _Kept()
    frames, told = 0, None
    for frame in source:
        if cancel is not None and cancel.is_set():
            raise OperationCancelled("the challenge was cancelled")
        awaiting, done, frames = challenge.prompt, challenge.done, frames + 1
        if on_prompt is not None and awaiting is not told:
            on_prompt(awaiting)
        told = awaiting
        view = _inspect(matcher, frame)
        challenge.feed(_observe(frame, view, challenge, matcher))
        if view is not None and challenge.state is not ChallengeState.FAILED:
            kept.take(frame, view, challenge, awaiting, done)
        if challenge.state is ChallengeState.RUNNING and frames >= MAX_FRAMES:
            challenge.fail(ChallengeReason.TIME_OUT)
        if challenge.state is not ChallengeState.RUNNING:
            break
    else:
        challenge.fail(ChallengeReason.END_OF_STREAM)
    sample = matcher.embed([kept.straight[1]])[0] if kept.straight is not None else None
    if challenge.state is ChallengeState.PASSED and not _one_person(matcher, sample, kept.acted, options):
        challenge.fail(ChallengeReason.FACE_CHANGED)
    if on_prompt is not None and challenge.state is ChallengeState.PASSED:
        on_prompt(challenge.prompt)
    return ChallengeResult(
        passed=challenge.state is ChallengeState.PASSED,
        reason=challenge.reason,
        actions=challenge.actions,
        done=challenge.done,
        frames=frames,
        sample=sample,
        frame=kept.straight[0] if kept.straight is not None else None,
        unseen=challenge.unseen,
    )


def _inspect(matcher: Examiner, frame: Frame) -> FaceView | None:
    try:
        return matcher.inspect(frame.image, kind=CaptureKind.LIVE)
    except BiometricError:
        return None


def _observe(frame: Frame, view: FaceView | None, challenge: ActiveChallenge, matcher: Examiner) -> Observation:
    digest = hashlib.blake2b(frame.image.tobytes(), digest_size=16).digest()
    if view is None:
        return Observation(at=frame.at, face=None, digest=digest)
    face = view.face
    again = look_again(frame.image, face, matcher.detect) if challenge.doubts(face) else None
    eyes = eye_view(frame.image, face.landmarks) if challenge.watching else None
    return Observation(at=frame.at, face=face, rivals=len(view.rivals), digest=digest, again=again, eyes=eyes)


def _one_person(
    matcher: Examiner, sample: FaceSample | None, acted: Mapping[int, FaceView], options: ChallengeOptions
) -> bool:
    if sample is None or not acted:
        return False
    limit = matcher.threshold(options.fmr)
    others = matcher.embed(list(acted.values()))
    return all(matcher.compare(sample.template, other.template).value >= limit for other in others)
