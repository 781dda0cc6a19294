"""The best frames of a stream, with advice to the person while they stand there."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from idverify.biometric.face.matcher import FaceMatcher, FaceSample, FaceTemplate, FaceView, fuse
from idverify.biometric.face.quality import ADVICE, CaptureKind
from idverify.biometric.frames import Frame
from idverify.errors import BiometricError, ConfigurationError, NoFaceError, OperationCancelled


class CancelToken(Protocol):
    """The caller's wish to stop; ``threading.Event`` is one."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


class CaptureEnd(enum.Enum):
    """Why a capture ended."""

    GOOD = "good"  # enough good frames
    TIME_OUT = "time-out"  # the time was over; the best so far
    END_OF_STREAM = "end-of-stream"  # the source gave no more frames


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOptions:
    """When to be content.

    Attributes:
        good: quality, 0 … 100, from which a frame is good enough.
        keep: number of good frames that end the capture, and of frames that are embedded.
        apart: seconds between two kept frames at least; neighbours add nothing.
        seconds: longest duration on the frames' clock.
        frames: largest number of frames to look at.
        uncovered: whether a frame with a mask or scarf before the mouth is good only when the time is over, so that the
            person can take it off; see :mod:`idverify.biometric.face.mouth`.
        same: smallest similarity of kept frames to the best one; a frame below shows somebody else and is left out.
            0 … 1 on the model's scale.
    """

    good: int = 60
    keep: int = 3
    apart: float = 0.1
    seconds: float = 10.0
    frames: int = 10_000
    same: float = 0.4
    uncovered: bool = True

    def __post_init__(self) -> None:
        """Raises ConfigurationError where a value is out of its range."""
        if not (1 <= self.good <= 100 and 1 <= self.keep <= 16 and self.apart >= 0 and self.seconds > 0):
            raise ConfigurationError("capture: good is 1 to 100, keep 1 to 16, the times are positive")
        if self.frames < 1 or not 0 <= self.same <= 1:
            raise ConfigurationError("capture: frames is at least 1, same lies between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureStep:
    """What one frame showed, for the screen.

    Attributes:
        index: of the frame.
        quality: 0 … 100, or None without a face.
        advice: keys of :data:`~idverify.biometric.face.quality.ADVICE`, the most pressing first.
        kept: good frames so far.
    """

    index: int
    quality: int | None
    advice: tuple[str, ...]
    kept: int

    def text(self, language: str = "en") -> str:
        """The first advice in words; empty where there is none.

        Raises:
            ConfigurationError: no such language.
        """
        if language not in {"en", "vi"}:
            raise ConfigurationError("advice is spoken in 'en' and 'vi'")
        return ADVICE[self.advice[0]][language] if self.advice else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What a stream gave.

    Attributes:
        best: the sample of the best frame.
        frame: the best frame.
        samples: all kept samples of the same person, the best first.
        template: fused from them.
        end: why it ended.
        frames: frames that were looked at.
        seconds: wall-clock duration.
        advice: of the best frame.
    """

    best: FaceSample
    frame: Frame = field(repr=False, compare=False)
    samples: tuple[FaceSample, ...]
    template: FaceTemplate
    end: CaptureEnd
    frames: int
    seconds: float
    advice: tuple[str, ...]


_MASK: Final = "remove-mask"


@dataclass(slots=True)
class _Kept:
    frame: Frame
    view: FaceView
    covered: bool

    @property
    def rank(self) -> tuple[bool, int, float]:
        """An uncovered face first, then quality, then the larger face."""
        return not self.covered, self.view.quality.scalar, self.view.face.inter_eye

    def good(self, options: CaptureOptions) -> bool:
        """Whether nothing better need be waited for."""
        return self.view.quality.scalar >= options.good and not self.covered


def capture(
    source: Iterable[Frame],
    matcher: FaceMatcher,
    *,
    options: CaptureOptions | None = None,
    on_step: Callable[[CaptureStep], None] | None = None,
    cancel: CancelToken | None = None,
) -> Capture:
    """Watches a stream until it has enough good frames, or the time is over.

    Every frame is detected and measured; only those that are kept at the end are embedded. Latency is bounded by the
    options' time and by one frame's work.

    Args:
        source: frames, newest first seen; see :mod:`idverify.biometric.frames`.
        matcher: finds, measures and embeds.
        options: when to be content.
        on_step: called after each frame whose advice or number of good frames differs from the last one's.
        cancel: polled before each frame.

    Returns:
        The best frames; the caller decides whether ``best.quality`` suffices.

    Raises:
        NoFaceError: no frame showed a face.
        OperationCancelled: the cancel token was set.
        ImageError: the source failed.
        ModelError: a model is missing, altered or failed.
    """
    options = options if options is not None else CaptureOptions()
    start, first, last = time.monotonic(), None, None
    kept: list[_Kept] = []
    seen, good, end = 0, 0, CaptureEnd.END_OF_STREAM
    for frame in source:
        if cancel is not None and cancel.is_set():
            raise OperationCancelled("the capture was cancelled")
        first = frame.at if first is None else first
        if seen >= options.frames or frame.at - first > options.seconds:
            end = CaptureEnd.TIME_OUT
            break
        seen += 1
        view = _view(matcher, frame)
        if view is not None:
            covered = options.uncovered and _MASK in view.quality.advice
            _keep(kept, _Kept(frame, view, covered), options)
        good = sum(k.good(options) for k in kept)
        step = _step(frame, view, good)
        if on_step is not None and (last is None or (step.advice, step.kept) != (last.advice, last.kept)):
            on_step(step)
        last = step
        if good >= options.keep:
            end = CaptureEnd.GOOD
            break
    if not kept:
        raise NoFaceError("no frame showed a face; face the camera, with more light, nothing over the face")
    return _finish(kept, matcher, options, end, seen, time.monotonic() - start)


def _view(matcher: FaceMatcher, frame: Frame) -> FaceView | None:
    try:
        return matcher.inspect(frame.image, kind=CaptureKind.LIVE)
    except BiometricError:
        return None


def _step(frame: Frame, view: FaceView | None, good: int) -> CaptureStep:
    if view is None:
        return CaptureStep(index=frame.index, quality=None, advice=("show-face",), kept=good)
    return CaptureStep(index=frame.index, quality=view.quality.scalar, advice=view.quality.advice, kept=good)


def _keep(kept: list[_Kept], new: _Kept, options: CaptureOptions) -> None:
    """Keeps the best frames; of two that are too near in time, the better one."""
    near = next((k for k in kept if abs(k.frame.at - new.frame.at) < options.apart), None)
    if near is not None:
        if new.rank <= near.rank:
            return
        kept.remove(near)
    kept.append(new)
    kept.sort(key=lambda k: k.rank, reverse=True)
    del kept[options.keep :]


def _finish(
    kept: list[_Kept], matcher: FaceMatcher, options: CaptureOptions, end: CaptureEnd, seen: int, seconds: float
) -> Capture:
    samples = matcher.embed([k.view for k in kept])
    best = samples[0]
    same = tuple(s for s in samples if matcher.compare(s.template, best.template).value >= options.same)
    return Capture(
        best=best,
        frame=kept[0].frame,
        samples=same,
        template=fuse([s.template for s in same]),
        end=end,
        frames=seen,
        seconds=seconds,
        advice=best.quality.advice,
    )
