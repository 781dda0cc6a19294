"""A fingerprint sensor without a device: an invented finger laid on invented glass, as often as one likes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

import numpy as np

from idverify.biometric.frames import Frame
from idverify.biometric.image import as_image
from idverify.emulator.fingers import Picture, Placement, Sensor, SyntheticFinger
from idverify.errors import ConfigurationError

MAX_FRAMES: Final = 1_000


class SyntheticSensor:
    """Frames of one invented finger, as :class:`idverify.biometric.finger.capture.FingerSensor` gives them.

    Always the same from the same arguments. Frames carry made-up times.
    """

    dpi: float = 500.0
    inverted: bool = False

    def __init__(
        self,
        finger: SyntheticFinger,
        placements: Sequence[Placement | None] | int = 8,
        *,
        sensor: Sensor = Sensor.OPTICAL,
        size: tuple[int, int] = (388, 374),
        fps: float = 10.0,
    ) -> None:
        """Lays the finger on.

        Args:
            finger: the finger.
            placements: how it lies in each frame, None for empty glass; or a number of frames with drawn placements,
                after one frame of empty glass.
            sensor: model of the sensor.
            size: width and height of a frame.
            fps: frames in a second.

        Raises:
            ConfigurationError: out of range.
        """
        if isinstance(placements, int):
            drawn = [finger.placement(k) for k in range(max(min(placements, MAX_FRAMES), 0))]
            placements = [None, *drawn]
        if not 0.01 <= fps <= 1000 or not 1 <= len(placements) <= MAX_FRAMES + 1:
            raise ConfigurationError(f"a stream has 1 to {MAX_FRAMES} frames, 0.01 to 1000 in a second")
        self._finger, self._placements = finger, tuple(placements)
        self._sensor, self._size, self._step = sensor, size, 1 / fps

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""

    def __iter__(self) -> Iterator[Frame]:
        """The frames."""
        for index, placement in enumerate(self._placements):
            yield Frame(image=as_image(self._frame(index, placement)), at=index * self._step, index=index)

    def _frame(self, index: int, placement: Placement | None) -> Picture:
        if placement is not None:
            return self._finger.impression(index, placement=placement, sensor=self._sensor, size=self._size)
        rng = np.random.default_rng([self._finger.seed, 6, index])
        noise = rng.normal(225, 3, (self._size[1], self._size[0]))
        return np.clip(np.rint(noise), 0, 255).astype(np.uint8)
