"""The live picture of a transaction: given, or taken while the chip is being read; and taken again where it is poor.

:mod:`idverify.engine.posing` takes it from a challenge.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Union

from idverify.engine.posing import LiveChallenge, advice_on, pose
from idverify.engine.transaction import Attempt, Course, Retries, RetryCause, Stage, State, in_thread
from idverify.errors import BiometricError, ConfigurationError, ImageError, NoFaceError

if TYPE_CHECKING:
    from idverify.biometric.face.examiner import ChallengeResult
    from idverify.biometric.face.matcher import FaceMatcher, FaceSample
    from idverify.biometric.face.pad import PadScore, PassivePad
    from idverify.biometric.image import Image

LivePicture = Union[Path, str, bytes, "Image"]
"""A live picture: a file, an encoded picture, or an RGB array (height, width, 3) of uint8."""

LiveSource = Callable[[Attempt], "LivePicture | None"]
"""Takes a live picture, on a thread of its own; None: there is none to be had (any more)."""

MAX_LIVE_BYTES: Final = 64 * 1024 * 1024
"""Largest live picture file that is opened."""
_SHOW_FACE: Final = ("show-face",)


def read_live(live: LivePicture) -> bytes | Image:
    """The picture, read from its file where it is one.

    Raises:
        ConfigurationError: the file cannot be read.
        ImageError: it is larger than 64 MiB.
    """
    if isinstance(live, str | Path):
        path = Path(live)
        try:
            if path.stat().st_size > MAX_LIVE_BYTES:
                raise ImageError(f"the live picture is larger than {MAX_LIVE_BYTES} bytes")
            return path.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"cannot read the live picture {path.name}: {error.strerror}") from None
    return live


def decoded(picture: bytes | Image) -> Image:
    """The picture as an RGB array.

    Raises:
        ImageError: it cannot be decoded.
    """
    from idverify.biometric.codecs import decode_image
    from idverify.biometric.image import as_image

    return decode_image(picture) if isinstance(picture, bytes) else as_image(picture)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFace:
    """What became of the live picture.

    Attributes:
        picture: encoded as it was given or taken, an array as PNG; None where there is none.
        sample: the face in it, or None.
        problem: why there is no face that can be compared.
        pad: what presentation attack detection says of it; None where it was not asked.
        challenge: how the last challenge came out that was posed; None where none was.
        challenges: how many were posed.
    """

    picture: bytes | None = field(default=None, repr=False)
    sample: FaceSample | None = field(default=None, repr=False)
    problem: BiometricError | ImageError | None = None
    pad: PadScore | None = None
    challenge: ChallengeResult | None = field(default=None, repr=False)
    challenges: int = 0

    @property
    def advice(self) -> tuple[str, ...]:
        """Keys of advice for the person."""
        if self.challenge is not None and not self.challenge.passed:
            return advice_on(self.challenge.reason)
        if self.sample is not None:
            return self.sample.quality.advice
        return _SHOW_FACE if isinstance(self.problem, NoFaceError) else ()

    @property
    def usable(self) -> bool:
        """Whether the picture is good enough not to ask for another one."""
        from idverify.biometric.face.quality import QualityStatus

        sample = self.sample
        return sample is not None and not sample.rivals and sample.quality.status is not QualityStatus.UNUSABLE

    @property
    def _rank(self) -> tuple[bool, bool, float]:
        quality = self.sample.quality.scalar if self.sample is not None else -1.0
        return self.usable, self.sample is not None, float(quality)

    def or_better(self, other: LiveFace) -> LiveFace:
        """The better of two attempts; of equals, the later one."""
        return other if other._rank >= self._rank else self


def acquire(
    live: bytes | Image | LiveSource | LiveChallenge,
    matcher: FaceMatcher,
    executor: Executor,
    course: Course,
    retries: Retries,
    *,
    pad: PassivePad | None = None,
) -> Future[LiveFace]:
    """Begin with the live picture; templates are made on the executor.

    A function is called on a thread of its own, and again, at most ``retries.pictures`` times, while the picture is
    poor. It is not interrupted: one that hangs hangs alone, and the transaction ends at its deadline. What it raises
    is raised where the future is waited for.

    Args:
        live: the picture, a function that takes one, or a challenge; of a challenge, the frame that is matched.
        matcher: finds and measures the face.
        executor: shared by all who need a processor.
        course: the transaction.
        retries: how often to ask again.
        pad: looks for a presentation attack in the same picture; None: nobody does.
    """
    if isinstance(live, LiveChallenge):
        return in_thread(_challenge, live, matcher, executor, course, retries, pad)
    if not callable(live):
        return executor.submit(_analyse, matcher, live, course, pad)
    return in_thread(_take, live, matcher, executor, course, retries, pad)


def _take(
    source: LiveSource,
    matcher: FaceMatcher,
    executor: Executor,
    course: Course,
    retries: Retries,
    pad: PassivePad | None,
) -> LiveFace:
    best, cause = LiveFace(), None
    for number in range(retries.pictures + 1):
        attempt = Attempt(number=number, left=retries.pictures - number, cause=cause, advice=best.advice)
        if cause is not None:
            course.tell(Stage.LIVE_CAPTURE, State.RETRYING, attempt=attempt)
        with course.stage(Stage.LIVE_CAPTURE, attempt=attempt):
            taken = source(attempt)
        if taken is None:
            break
        course.check()
        picture = read_live(taken)
        try:
            found = course.wait(executor.submit(_analyse, matcher, picture, course, pad))
        except ImageError as error:  # a frame that the camera broke off; the next one may be whole
            found = LiveFace(problem=error)
        best, cause = best.or_better(found), RetryCause.POOR_PICTURE
        if best.usable:
            break
    if best.sample is None and isinstance(best.problem, ImageError):
        raise best.problem
    return best


def _challenge(
    live: LiveChallenge,
    matcher: FaceMatcher,
    executor: Executor,
    course: Course,
    retries: Retries,
    pad: PassivePad | None,
) -> LiveFace:
    found, posed = pose(live, matcher, executor, course, retries)
    if found is None or found.sample is None or found.frame is None:
        nobody = NoFaceError("nobody looked straight into the camera") if found is not None else None
        return LiveFace(problem=nobody, challenge=found, challenges=posed)
    picture, score = course.wait(executor.submit(_finish, found.frame.image, found.sample, course, pad))
    return LiveFace(picture=picture, sample=found.sample, pad=score, challenge=found, challenges=posed)


def _finish(image: Image, sample: FaceSample, course: Course, pad: PassivePad | None) -> tuple[bytes, PadScore | None]:
    from idverify.biometric.codecs import encode_png

    with course.stage(Stage.LIVE_TEMPLATE):
        return encode_png(image), pad.score(image, sample.face) if pad is not None else None


def _analyse(matcher: FaceMatcher, picture: bytes | Image, course: Course, pad: PassivePad | None) -> LiveFace:
    """Raises ImageError: the picture cannot be decoded."""
    from idverify.biometric.codecs import encode_png
    from idverify.biometric.face.quality import CaptureKind

    with course.stage(Stage.LIVE_TEMPLATE):
        image = decoded(picture)
        encoded = picture if isinstance(picture, bytes) else encode_png(image)
        try:
            sample = matcher.analyse(image, kind=CaptureKind.LIVE)
            score = pad.score(image, sample.face) if pad is not None else None
            return LiveFace(picture=encoded, sample=sample, pad=score)
        except BiometricError as error:
            return LiveFace(picture=encoded, problem=error)
