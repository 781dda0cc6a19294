"""The session's progress on the terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from idverify.presentation import wording

if TYPE_CHECKING:
    from idverify.biometric.frames import CameraSource, VideoSource
    from idverify.chip.session import Progress
    from idverify.cli._ui import Progress as Display
    from idverify.engine.posing import LiveChallenge
    from idverify.engine.transaction import Attempt


def reporter(display: Display) -> Callable[[Progress], None]:
    """A callback for ``on_progress`` that drives ``display``."""

    def report(progress: Progress) -> None:
        words = wording.phase(progress.phase.name.lower())
        label = f" {progress.file.label}" if progress.file is not None else ""
        display.update(f"{words.vi} · {words.en}{label}", progress.bytes_done, progress.bytes_total)

    return report


def recording(place: str) -> VideoSource | None:
    """The video file in place of a camera, opened; None where a camera's number is given.

    Raises:
        ConfigurationError, ImageError: there is none, or it is no video.
    """
    from idverify.biometric.frames import VideoSource

    camera = place.isascii() and place.isdigit() and len(place) < 4
    return None if camera else VideoSource(Path(place))


def challenge(place: str, recorded: VideoSource | None, display: Display) -> LiveChallenge:
    """A challenge before a camera, by its number, or in a recording; what to do stands on the terminal."""
    from idverify.biometric.frames import CameraSource
    from idverify.engine.posing import LiveChallenge

    def opened(attempt: Attempt) -> CameraSource | VideoSource | None:
        if recorded is not None:
            return recorded if attempt.number == 0 else None
        if attempt.cause is not None:
            for words in (*map(wording.advice, attempt.advice), wording.CHALLENGE_AGAIN):
                display.tell(_both(words))
        return CameraSource(int(place))

    return LiveChallenge(opened, on_prompt=lambda prompt: display.tell(_both(wording.prompt(prompt))))


def _both(words: wording.Text) -> str:
    return f"{words.vi} · {words.en}"
