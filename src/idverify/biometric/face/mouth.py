"""Is the mouth to be seen, or is there a mask or a scarf before it? A logistic regression on gradients of the luma.

The weights lie in ``mouth.json`` and were learned by ``models/recipes/mouth_visible.py`` from photographs of uncovered
faces and the same faces with masks **drawn** over them: no photograph of a masked person was at hand. So it gives
advice, and decides nothing unless a policy says so. It looks at structure, not at colour: no colour of skin or cloth
enters.
"""

from __future__ import annotations

import json
import math
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.face.align import align_face, crop_transform
from idverify.biometric.image import Image, grey
from idverify.errors import BiometricError, ModelError

_SIDE: Final = 96
_SCALE: Final = 1.25
"""The crop: 24 pixels an inter-eye distance, from the forehead to below the chin."""
_LOWER: Final = (slice(40, 96), slice(16, 80))
"""From the middle of the nose to the chin."""
_UPPER: Final = (slice(24, 48), slice(16, 80))
"""Eyes and upper nose, whose contrast says how much contrast the lower half should have."""
_CELL, _BINS = 8, 8
_FLOOR: Final = 96.0
"""Added to a cell's length before it is divided by it, so that grain on a smooth cell stays small."""
FEATURES: Final = 7 * 8 * (_BINS + 2)
SMALLEST: Final = 16.0
"""Inter-eye distance in pixels below which nothing is said: too little is to be seen of any mouth."""


def features(image: Image, landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Histograms of gradient directions in 7 × 8 cells of the lower face, and their strength; ``(560,)``.

    After N. Dalal and B. Triggs, "Histograms of oriented gradients for human detection", CVPR 2005, without their
    blocks. Each cell gives its directions in eight bins of 22.5 degrees, divided by its own length; the logarithm of
    its strength; and that against the upper face's.

    Args:
        image: the picture.
        landmarks: ``(5, 2)`` as of :class:`~idverify.biometric.face.detect.DetectedFace`.

    Raises:
        BiometricError: landmarks that cannot be aligned.
    """
    part, moved = _thinned(image, landmarks)
    luma = grey(align_face(part, moved, side=_SIDE, crop_scale=_SCALE)).astype(np.float32)
    cells = _directions(luma[_LOWER])
    strength = np.log1p(cells.sum(axis=2))
    length = np.sqrt((cells**2).sum(axis=2, keepdims=True)) + _FLOOR
    above = math.log1p(float(_directions(luma[_UPPER]).sum(axis=2).mean()))
    return np.concatenate([(cells / length).ravel(), strength.ravel() / 6, (strength - above).ravel() / 3])


def _thinned(image: Image, landmarks: NDArray[np.float32]) -> tuple[Image, NDArray[np.float32]]:
    """Of a large face every second, third, … pixel of what lies about it, which is enough, and its landmarks there."""
    step = max(1, int(float(np.hypot(*(landmarks[1] - landmarks[0]))) / 64))
    if step == 1:
        return image, landmarks
    matrix = crop_transform(landmarks, side=_SIDE, crop_scale=_SCALE)
    corners = np.array([[0, 0], [_SIDE, 0], [0, _SIDE], [_SIDE, _SIDE]]) - matrix[:, 2]
    corners = corners @ np.linalg.inv(matrix[:, :2]).T
    height, width = image.shape[:2]
    low = np.clip((corners.min(axis=0) - 2 * step) // step * step, 0, [width - 1, height - 1]).astype(int)
    high = np.maximum(corners.max(axis=0) + 2 * step, low + 1).astype(int)
    part = np.ascontiguousarray(image[low[1] : high[1] : step, low[0] : high[0] : step])
    return Image(part), (landmarks - low.astype(np.float32)) / np.float32(step)


def _directions(luma: NDArray[np.float32]) -> NDArray[np.float64]:
    """Strength of the gradients by cell and direction, without their sign; ``(rows, columns, bins)``."""
    across, down = np.zeros_like(luma), np.zeros_like(luma)
    across[:, 1:-1] = luma[:, 2:] - luma[:, :-2]
    down[1:-1] = luma[2:] - luma[:-2]
    bins = np.minimum((np.arctan2(down, across) % np.pi * (_BINS / np.pi)).astype(np.int64), _BINS - 1)
    height, width = luma.shape[0] // _CELL, luma.shape[1] // _CELL
    cell = np.arange(luma.shape[0])[:, np.newaxis] // _CELL * width + np.arange(luma.shape[1]) // _CELL
    strength = np.hypot(across, down)
    found = np.bincount((cell * _BINS + bins).ravel(), strength.ravel(), minlength=height * width * _BINS)
    return np.asarray(found, np.float64).reshape(height, width, _BINS)


@cache
def _weights() -> tuple[NDArray[np.float64], float]:
    try:
        table = json.loads(resources.files(__package__).joinpath("mouth.json").read_text(encoding="utf-8"))
        weights, bias = np.array(table["weights"], np.float64), float(table["bias"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError("the table mouth.json of the library is missing or altered") from error
    if weights.shape != (FEATURES,) or not np.isfinite(weights).all() or not math.isfinite(bias):
        raise ModelError("the table mouth.json of the library is missing or altered")
    return weights, bias


def mouth_visible(image: Image, landmarks: NDArray[np.float32]) -> float:
    """How likely the mouth is to be seen, 0 … 1; NaN for faces too small to tell, or cut by the picture's edge.

    The number is a logistic regression's and no measured probability.

    Raises:
        ModelError: the library's table is missing or altered.
    """
    height, width = image.shape[:2]
    inside = bool(((landmarks >= 0) & (landmarks < (width, height))).all())
    if not inside or float(np.hypot(*(landmarks[1] - landmarks[0]))) < SMALLEST:
        return float("nan")
    weights, bias = _weights()
    try:
        value = float(features(image, landmarks) @ weights) + bias
    except BiometricError:
        return float("nan")
    return 1 / (1 + math.exp(-min(max(value, -50.0), 50.0)))
