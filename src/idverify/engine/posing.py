"""An active challenge as the live picture of a transaction: posed while the chip is being read."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Union

from idverify.engine.transaction import Attempt, Course, Retries, RetryCause, Stage, State
from idverify.errors import ConfigurationError

if TYPE_CHECKING:
    from idverify.biometric.face.actions import Prompt
    from idverify.biometric.face.challenge import ChallengeOptions, ChallengeReason
    from idverify.biometric.face.detect import DetectedFace
    from idverify.biometric.face.examiner import ChallengeResult
    from idverify.biometric.face.matcher import FaceMatcher, FaceSample, FaceTemplate, FaceView
    from idverify.biometric.face.quality import CaptureKind
    from idverify.biometric.frames import Frame
    from idverify.biometric.image import Image
    from idverify.biometric.score import Score

Stream = Iterable[Union["Frame", "Image"]]
"""Frames, or RGB arrays (height, width, 3) of uint8, which get the time at which they come. Opened and closed where it
is a context manager, as the sources of :mod:`idverify.biometric.frames` are."""

StreamSource = Callable[[Attempt], "Stream | None"]
"""Opens a stream, on a thread of its own; None: there is none to be had (any more)."""

_ADVICE: Final = {"several-faces": ("one-person-only",), "face-lost": ("show-face",), "face-jumped": ("hold-still",)}
_ATTACKS: Final = ("frozen", "face-changed")
"""Reasons after which nobody is asked again."""


@dataclass(frozen=True, slots=True)
class LiveChallenge:
    """A live person instead of a live picture: who stands there turns the head or comes closer, as drawn at random.

    Give it to ``verify(live=…)``. It runs on a thread of its own beside the reading; the frame that is matched with the
    portrait is the challenge's, of the face that moved. The check is ``face.challenge``.

    Attributes:
        frames: a function that opens a stream for an attempt, for instance ``lambda attempt: CameraSource(0)``, or a
            stream itself, which serves one attempt. It is read by one thread, and closed before the transaction ends,
            unless it hangs.
        options: how strict; the defaults where None.
        on_prompt: called with what the person is asked to do, whenever that changes, on the challenge's thread:
            ``prompt.text("vi")``. The same comes as events.
        rng: source of the actions.
    """

    frames: Stream | StreamSource = field(repr=False)
    options: ChallengeOptions | None = None
    on_prompt: Callable[[Prompt], None] | None = None
    rng: Callable[[int], bytes] = os.urandom

    def __post_init__(self) -> None:
        """Raises ConfigurationError where ``frames`` is neither."""
        if not callable(self.frames) and not hasattr(self.frames, "__iter__"):
            raise ConfigurationError("a challenge needs a stream of frames, or a function that opens one")

    def adapted(self, told: Callable[[Any], Any], asked: Callable[[Any], Any]) -> LiveChallenge:
        """The same with its functions brought to another thread."""
        return replace(self, frames=asked(self.frames), on_prompt=told(self.on_prompt))

    def stream(self, attempt: Attempt) -> Stream | None:
        """The stream for an attempt; None where there is no other one."""
        if callable(self.frames):
            return self.frames(attempt)
        return self.frames if attempt.number == 0 else None


def pose(
    live: LiveChallenge, matcher: FaceMatcher, executor: Executor, course: Course, retries: Retries
) -> tuple[ChallengeResult | None, int]:
    """Pose challenges until one is passed, shows an attack, or the attempts are used up.

    The costly steps run on the executor, one frame at a time, so that counters share processors fairly.

    Returns:
        the last result, None where there was no stream; and how many challenges were posed.

    Raises:
        OperationCancelled, TransportTimeout, ConfigurationError, ImageError, ModelError: and what the source raised.
    """
    from idverify.biometric.face.examiner import run_challenge

    queued = _Queued(matcher, executor, course)
    found: ChallengeResult | None = None
    for number in range(retries.challenges + 1):
        attempt = Attempt(
            number=number, left=retries.challenges - number,
            cause=None if found is None else RetryCause.CHALLENGE_NOT_PASSED,
            advice=() if found is None else advice_on(found.reason),
        )  # fmt: skip
        if found is not None:
            course.tell(Stage.LIVE_CAPTURE, State.RETRYING, attempt=attempt)
        with course.stage(Stage.LIVE_CAPTURE, attempt=attempt):
            stream = live.stream(attempt)
            if stream is None:
                return found, number
            with _opened(stream) as frames:
                found = run_challenge(
                    _checked(frames, course), queued, options=live.options, rng=live.rng, cancel=course,
                    on_prompt=_teller(live, course, attempt),
                )  # fmt: skip
        if found.passed or found.reason.value in _ATTACKS:
            return found, number + 1
    return found, retries.challenges + 1


def advice_on(reason: ChallengeReason) -> tuple[str, ...]:
    """Keys of advice to a person who did not pass."""
    return _ADVICE.get(reason.value, ())


def _teller(live: LiveChallenge, course: Course, attempt: Attempt) -> Callable[[Prompt], None]:
    def tell(prompt: Prompt) -> None:
        course.tell(Stage.LIVE_CAPTURE, State.PROGRESS, attempt=attempt, prompt=prompt)
        if live.on_prompt is not None and not course.is_set():
            live.on_prompt(prompt)

    return tell


@contextlib.contextmanager
def _opened(stream: Any) -> Iterator[Stream]:
    """The stream, entered where it is a context manager; a generator is closed."""
    with contextlib.ExitStack() as stack:
        if hasattr(stream, "__enter__"):
            yield stack.enter_context(stream)
            return
        frames = iter(stream)
        if hasattr(frames, "close"):
            stack.callback(frames.close)
        yield frames


def _checked(frames: Stream, course: Course) -> Iterator[Frame]:
    """The frames, as long as the transaction goes on; arrays get the time at which they come."""
    from idverify.biometric.frames import Frame
    from idverify.biometric.image import as_image

    for index, frame in enumerate(frames):
        course.check()
        yield frame if isinstance(frame, Frame) else Frame(image=as_image(frame), at=time.monotonic(), index=index)


class _Queued:
    """A matcher whose costly steps wait for a processor like everybody else's."""

    def __init__(self, matcher: FaceMatcher, executor: Executor, course: Course) -> None:
        self._matcher, self._executor, self._course = matcher, executor, course

    def inspect(self, image: Image, *, kind: CaptureKind) -> FaceView:
        self._course.check()
        return self._course.wait(self._executor.submit(self._matcher.inspect, image, kind=kind))

    def detect(self, image: Image) -> tuple[DetectedFace, ...]:
        self._course.check()
        return self._course.wait(self._executor.submit(self._matcher.detect, image))

    def embed(self, views: Sequence[FaceView]) -> tuple[FaceSample, ...]:
        self._course.check()
        return self._course.wait(self._executor.submit(self._matcher.embed, views))

    def compare(self, probe: FaceTemplate, reference: FaceTemplate) -> Score:
        return self._matcher.compare(probe, reference)

    def threshold(self, fmr: float) -> float:
        return self._matcher.threshold(fmr)
