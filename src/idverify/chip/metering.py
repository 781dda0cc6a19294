"""What a session spends its time on, and telling the caller about it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from idverify import _telemetry
from idverify.chip.reading import Phase, Progress


class Meter:
    """Wall time by phase, and progress on change only. Not thread-safe.

    Args:
        clock: seconds, growing.
        on_progress: called when the progress has changed.
    """

    def __init__(self, clock: Callable[[], float], on_progress: Callable[[Progress], None] | None = None) -> None:
        self.clock = clock
        self.milliseconds: dict[str, float] = {}
        self._on_progress = on_progress
        self._last: Progress | None = None

    @contextlib.contextmanager
    def timed(self, phase: Phase, **about: str) -> Iterator[None]:
        """Count the time of the block for ``phase``, less what inner phases took; ``about`` describes its span."""
        started, inner = self.clock(), sum(self.milliseconds.values())
        try:
            with _telemetry.span(phase.value, **about):
                yield
        finally:
            # What inner phases (reading while proving, recovering while reading) took is theirs.
            nested = sum(self.milliseconds.values()) - inner
            spent = (self.clock() - started) * 1000 - nested
            self.milliseconds[phase.value] = self.milliseconds.get(phase.value, 0.0) + max(spent, 0.0)

    def tell(self, progress: Progress) -> None:
        """Hand ``progress`` on where it differs from the last one."""
        if self._on_progress is not None and progress != self._last:
            self._last = progress
            self._on_progress(progress)
