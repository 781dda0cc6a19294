"""The session's progress on the terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from idverify.presentation import wording

if TYPE_CHECKING:
    from idverify.chip.session import Progress
    from idverify.cli._ui import Progress as Display


def reporter(display: Display) -> Callable[[Progress], None]:
    """A callback for ``on_progress`` that drives ``display``."""

    def report(progress: Progress) -> None:
        words = wording.phase(progress.phase.name.lower())
        label = f" {progress.file.label}" if progress.file is not None else ""
        display.update(f"{words.vi} · {words.en}{label}", progress.bytes_done, progress.bytes_total)

    return report
