"""The best print of a sensor, with advice to the person while the finger lies there.

A sensor is whatever gives frames of one finger at a known resolution. No vendor's driver is needed: a driver of one's
own is a class with ``dpi``, ``inverted`` and the three methods of :class:`~idverify.biometric.frames.FrameSource`.
Files are a sensor (:class:`FileSensor`), and so are invented fingers
(:class:`idverify.emulator.finger_sensor.SyntheticSensor`).
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from idverify.biometric.finger import constants as c
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.extract import FingerSample
from idverify.biometric.finger.minutiae import FingerPosition
from idverify.biometric.finger.quality import FingerAdvice
from idverify.biometric.finger.template import FingerTemplate
from idverify.biometric.frames import FileSource, FrameSource
from idverify.biometric.image import MAX_PIXELS
from idverify.errors import ConfigurationError, NoFingerError, OperationCancelled


class FingerSensor(FrameSource, Protocol):
    """A source of frames that knows its resolution.

    Attributes:
        dpi: pixels an inch of its frames.
        inverted: whether its ridges are light on dark ground.
    """

    dpi: float
    inverted: bool


class FileSensor(FileSource):
    """Picture files as a sensor, one frame each; as :class:`~idverify.biometric.frames.FileSource`."""

    def __init__(
        self, paths: Sequence[Path], *, dpi: float = c.DPI, inverted: bool = False, fps: float = 25.0,
        max_pixels: int = MAX_PIXELS,
    ) -> None:  # fmt: skip
        """Takes files in their order.

        Args:
            paths: the files.
            dpi: their true resolution.
            inverted: ridges are light on dark ground.
            fps: frames in a second: the times that the frames carry.
            max_pixels: cap on the pixels of a frame.

        Raises:
            ConfigurationError: ``dpi`` or ``fps`` out of range.
        """
        super().__init__(paths, fps=fps, max_pixels=max_pixels)
        if not c.DPI_RANGE[0] <= dpi <= c.DPI_RANGE[1]:
            raise ConfigurationError(
                f"a resolution lies between {c.DPI_RANGE[0]} and {c.DPI_RANGE[1]} dpi, not {dpi:g}"
            )
        self.dpi, self.inverted = float(dpi), inverted


class CancelToken(Protocol):
    """The caller's wish to stop; ``threading.Event`` is one."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


class FingerCaptureEnd(enum.Enum):
    """Why a capture ended."""

    GOOD = "good"  # enough good prints
    TIME_OUT = "time-out"  # the time was over; the best so far
    END_OF_STREAM = "end-of-stream"  # the sensor gave no more frames


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerCaptureOptions:
    """When to be content.

    Attributes:
        good: quality, 1 … 100, from which a print is good enough.
        keep: number of good prints that end the capture, and of prints that are kept, 1 … 16.
        seconds: longest duration, on the frames' clock and on the wall's.
        frames: largest number of frames to look at.
    """

    good: int = c.GOOD_QUALITY
    keep: int = 1
    seconds: float = 15.0
    frames: int = 10_000

    def __post_init__(self) -> None:
        """Raises ConfigurationError where a value is out of its range."""
        if not (1 <= self.good <= 100 and 1 <= self.keep <= 16 and self.seconds > 0 and self.frames >= 1):
            raise ConfigurationError("capture: good is 1 to 100, keep 1 to 16, seconds and frames are positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerCaptureStep:
    """What one frame showed.

    Attributes:
        index: of the frame.
        quality: 0 … 100; None where the frame shows no finger.
        advice: what to do better, most useful first.
        good: number of good prints so far.
    """

    index: int
    quality: int | None
    advice: tuple[FingerAdvice, ...]
    good: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerCapture:
    """What a capture gave; personal data.

    Attributes:
        samples: the best prints, best first; one or more.
        end: why it ended.
        seen: number of frames that were looked at.
    """

    samples: tuple[FingerSample, ...] = field(repr=False)
    end: FingerCaptureEnd
    seen: int

    @property
    def best(self) -> FingerSample:
        """The print of the highest quality; its quality is the finger's."""
        return self.samples[0]

    def templates(self) -> tuple[FingerTemplate, ...]:
        """Of all kept prints, for :meth:`FingerMatcher.best`."""
        return tuple(sample.template() for sample in self.samples)


def capture_finger(
    sensor: FingerSensor,
    matcher: FingerMatcher,
    *,
    position: FingerPosition = FingerPosition.UNKNOWN,
    options: FingerCaptureOptions | None = None,
    on_step: Callable[[FingerCaptureStep], None] | None = None,
    cancel: CancelToken | None = None,
) -> FingerCapture:
    """Watches an open sensor until it has given enough good prints, or the time is over.

    Latency is bounded by the options' time, one frame's work and the sensor's own patience.

    Args:
        sensor: opened, in a ``with`` block.
        matcher: finds and measures.
        position: the finger that is asked for.
        options: when to be content.
        on_step: called after each frame whose advice or number of good prints differs from the last one's.
        cancel: polled before each frame.

    Returns:
        The best prints; the caller decides whether ``best.quality`` suffices.

    Raises:
        NoFingerError: no frame showed a finger.
        OperationCancelled: the cancel token was set.
        ImageError: the sensor failed, or a frame is no picture of a finger.
        ModelError: a model is missing, altered or failed.
    """
    options = options if options is not None else FingerCaptureOptions()
    began, first, seen, good = time.monotonic(), None, 0, 0
    kept: list[FingerSample] = []
    last: FingerCaptureStep | None = None
    end = FingerCaptureEnd.END_OF_STREAM
    for frame in sensor:
        if cancel is not None and cancel.is_set():
            raise OperationCancelled("the capture was cancelled")
        first = frame.at if first is None else first
        if seen >= options.frames or max(frame.at - first, time.monotonic() - began) > options.seconds:
            end = FingerCaptureEnd.TIME_OUT
            break
        seen += 1
        try:
            sample = matcher.sample(frame.image, dpi=sensor.dpi, position=position, inverted=sensor.inverted)
        except NoFingerError:
            step = FingerCaptureStep(index=frame.index, quality=None, advice=(FingerAdvice.PLACE,), good=good)
        else:
            kept = sorted([*kept, sample], key=lambda s: -s.quality.value)[: options.keep]
            good += sample.quality.value >= options.good
            quality = sample.quality
            step = FingerCaptureStep(index=frame.index, quality=quality.value, advice=quality.advice, good=good)
        if on_step is not None and (last is None or (step.advice, step.good) != (last.advice, last.good)):
            on_step(step)
        last = step
        if good >= options.keep:
            end = FingerCaptureEnd.GOOD
            break
    if not kept:
        raise NoFingerError("no frame showed a finger; place it on the sensor")
    return FingerCapture(samples=tuple(kept), end=end, seen=seen)
