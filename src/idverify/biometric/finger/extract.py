"""Minutiae from a picture: resampling, foreground, the LEADER network on the finger alone.

The network (its graph carries threshold, non-maximum suppression and the heads of direction and type) gives rows of
x, y, cosine and sine of the direction, probability of an ending, and score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.finger import constants as c
from idverify.biometric.finger.minutiae import FingerPosition, Minutiae, from_rows
from idverify.biometric.finger.quality import FingerQuality, assess
from idverify.biometric.finger.segment import Foreground, Grey, find_foreground
from idverify.biometric.finger.template import FingerTemplate, make_template
from idverify.biometric.image import check_size
from idverify.biometric.models import CPU, ModelRegistry, default_registry
from idverify.errors import ConfigurationError, ImageError, NoFingerError

TASK = "finger-minutiae"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FingerSample:
    """What the extractor saw in one picture; personal data.

    Attributes:
        minutiae: at 500 dpi, surest first.
        quality: 0 … 100 with its reasons.
        foreground: where the finger is.
        model: identity of the network.
        scale: pixels at 500 dpi for one pixel of the picture as given.
    """

    minutiae: Minutiae = field(repr=False)
    quality: FingerQuality
    foreground: Foreground = field(repr=False)
    model: str
    scale: float

    def template(self) -> FingerTemplate:
        """The sample with its cylinders, ready for comparison."""
        return make_template(self.minutiae, model=self.model)


class FingerExtractor:
    """Finds minutiae. Thread-safe; opens its network once, and never the network outside."""

    def __init__(
        self, registry: ModelRegistry | None = None, *, model_id: str | None = None, threads: int | None = None,
        providers: Sequence[str] = CPU,
    ) -> None:  # fmt: skip
        """Opens the network.

        Args:
            registry: the models; those of the package where None.
            model_id: a model of the task ``finger-minutiae``; the manifest's default where None.
            threads, providers: as in :class:`~idverify.biometric.runtime.OnnxSession`.

        Raises:
            ModelError: the model file is missing or altered.
            ConfigurationError: the model is of another task.
        """
        registry = registry if registry is not None else default_registry()
        self._card = registry.card(model_id) if model_id is not None else registry.default(TASK)
        if self._card.task != TASK:
            raise ConfigurationError(f"{self._card.identity} is a model for {self._card.task}, not for {TASK}")
        self._session = registry.session(self._card.id, threads=threads, providers=providers)

    @property
    def model(self) -> str:
        """Identity of the network, ``id@version``."""
        return self._card.identity

    def extract(
        self, picture: NDArray[np.uint8], *, dpi: float = c.DPI, position: FingerPosition = FingerPosition.UNKNOWN,
        inverted: bool = False,
    ) -> FingerSample:  # fmt: skip
        """Minutiae of one finger.

        Args:
            picture: ``uint8``; grey ``(H, W)`` or RGB ``(H, W, 3)``; dark ridges on light ground.
            dpi: its true resolution; the minutiae come at 500 dpi.
            position: the finger, where known.
            inverted: ridges are light on dark ground.

        Raises:
            ImageError: no such array, or too large or too small at 500 dpi.
            ConfigurationError: a resolution out of range.
            NoFingerError: no ridges, or too few minutiae for a template.
        """
        grey, scale = prepare(picture, dpi=dpi, inverted=inverted)
        ground = find_foreground(grey)
        if ground.area <= 0:
            raise NoFingerError("no ridges in the picture; place the finger on the sensor")
        height, width = grey.shape
        left, right = _widened(ground.left, ground.right, width)
        top, bottom = _widened(ground.top, ground.bottom, height)
        rows = self._rows(grey[top:bottom, left:right])
        rows[:, 0] += left
        rows[:, 1] += top
        inside = _on_finger(rows, ground)
        inside &= (rows[:, 0] >= c.EDGE) & (rows[:, 0] < width - c.EDGE)
        inside &= (rows[:, 1] >= c.EDGE) & (rows[:, 1] < height - c.EDGE)
        minutiae = from_rows(rows[inside], width=width, height=height)
        if len(minutiae) < c.MIN_MINUTIAE:
            raise NoFingerError(f"only {len(minutiae)} minutiae; show more of the finger")
        quality = assess(minutiae, ground)
        found = Minutiae(
            x=minutiae.x, y=minutiae.y, angle=minutiae.angle, kind=minutiae.kind, score=minutiae.score, width=width,
            height=height, position=position, quality=quality.value,
        )  # fmt: skip
        return FingerSample(minutiae=found, quality=quality, foreground=ground, model=self.model, scale=scale)

    def _rows(self, box: Grey) -> NDArray[np.float32]:
        """Rows of the network on a cut-out; sides that the picture could not widen to its multiple are padded."""
        cv2 = _cv2()
        height, width = box.shape
        down, over = -height % c.SIZE_MULTIPLE, -width % c.SIZE_MULTIPLE
        top, left = down // 2, over // 2
        padded = cv2.copyMakeBorder(
            box, top, down - top, left, over - left, cv2.BORDER_CONSTANT, value=int(np.median(box[0]))
        )
        tensor = padded.astype(np.float32)[np.newaxis, np.newaxis]
        threshold = np.array([c.MINUTIA_THRESHOLD], np.float32)
        rows = np.array(self._session.run({"image": tensor, "threshold": threshold})["minutiae"], np.float32)
        rows = rows[(rows[:, 5] >= c.MINUTIA_THRESHOLD) & np.isfinite(rows).all(1)]
        rows[:, 0] -= left
        rows[:, 1] -= top
        kept = (rows[:, 0] >= 0) & (rows[:, 0] < width) & (rows[:, 1] >= 0) & (rows[:, 1] < height)
        found: NDArray[np.float32] = rows[kept]
        return found


def _widened(low: int, high: int, side: int) -> tuple[int, int]:
    """The range with its surroundings, grown to the network's multiple as far as the picture reaches."""
    low, high = max(low - c.CONTEXT, 0), min(high + c.CONTEXT, side)
    missing = -(high - low) % c.SIZE_MULTIPLE
    before = min(missing // 2, low)
    after = min(missing - before, side - high)
    return low - before - min(missing - before - after, low - before), high + after


def _on_finger(rows: NDArray[np.float32], ground: Foreground) -> NDArray[np.bool_]:
    """Which rows lie in the foreground or the block beside it: ghosts of earlier fingers are not."""
    near = _cv2().dilate(ground.blocks.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    row = np.clip(rows[:, 1].astype(np.intp) // c.BLOCK, 0, near.shape[0] - 1)
    column = np.clip(rows[:, 0].astype(np.intp) // c.BLOCK, 0, near.shape[1] - 1)
    inside: NDArray[np.bool_] = near[row, column]
    return inside


def prepare(picture: NDArray[np.uint8], *, dpi: float = c.DPI, inverted: bool = False) -> tuple[Grey, float]:
    """Grey picture at 500 dpi with dark ridges, and the scale it was resampled by.

    Raises:
        ImageError: no such array, or too large or too small at 500 dpi.
        ConfigurationError: a resolution out of range.
    """
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        raise ImageError("a finger picture is an array of uint8")
    if picture.ndim == 3 and picture.shape[2] == 1:
        picture = picture[:, :, 0]
    if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] != 3):
        raise ImageError(f"a finger picture has the shape (height, width) or (height, width, 3), not {picture.shape}")
    check_size(picture.shape[1], picture.shape[0])
    low, high = c.DPI_RANGE
    if not math.isfinite(dpi) or not low <= dpi <= high:
        raise ConfigurationError(f"a resolution lies between {low} and {high} dpi, not at {dpi:g}")
    scale = c.DPI / dpi
    sides = [side * scale for side in picture.shape[:2]]
    if max(sides) > c.MAX_SIDE or min(sides) < c.MIN_SIDE:
        width, height = sides[1] / c.DPI * 25.4, sides[0] / c.DPI * 25.4
        raise ImageError(f"{width:.0f} x {height:.0f} mm is no single finger; is the resolution of {dpi:g} dpi right?")
    cv2 = _cv2()
    grey: Any = picture if picture.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    if abs(scale - 1) > 0.01:
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=method)
    else:
        scale = 1.0
    return np.ascontiguousarray(255 - grey if inverted else grey), scale


def _cv2() -> Any:
    import cv2

    return cv2
