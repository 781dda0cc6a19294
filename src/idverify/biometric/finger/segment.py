"""Where the finger is: block-wise ridge energy, so that the network sees no empty background.

Ridges at 500 dpi are 5 to 15 pixels apart: the standard deviation of a block against its own smoothed surroundings is
high on ridges and low on glass, paper and shadows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.finger import constants as c

Grey = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Foreground:
    """The finger within a picture.

    Attributes:
        left, top, right, bottom: the box around it in pixels, right and bottom exclusive; the whole picture where no
            ridge was found.
        area: share of the picture that shows ridges, 0 … 1.
        contrast: median ridge contrast of the foreground in grey levels (standard deviation).
        blocks: foreground by blocks of :data:`~idverify.biometric.finger.constants.BLOCK` pixels.
        energy: ridge contrast by blocks, ``float32``.
    """

    left: int
    top: int
    right: int
    bottom: int
    area: float
    contrast: float
    blocks: NDArray[np.bool_]
    energy: NDArray[np.float32]


def find_foreground(grey: Grey) -> Foreground:
    """Finds the finger.

    Args:
        grey: ``uint8``, shape ``(height, width)``, at 500 dpi.
    """
    cv2 = _cv2()
    height, width = grey.shape
    picture = grey.astype(np.float32)
    coarse = cv2.blur(picture, (c.SURROUND, c.SURROUND), borderType=cv2.BORDER_REFLECT_101)
    square = np.square(picture - coarse)
    columns, rows = -(-width // c.BLOCK), -(-height // c.BLOCK)
    padded = cv2.copyMakeBorder(
        square, 0, rows * c.BLOCK - height, 0, columns * c.BLOCK - width, cv2.BORDER_REFLECT_101
    )
    energy = np.sqrt(cv2.resize(padded, (columns, rows), interpolation=cv2.INTER_AREA))
    smooth = cv2.blur(energy, (3, 3))
    strong = float(np.percentile(smooth, 95))
    blocks = smooth > max(c.MIN_CONTRAST, c.CONTRAST_SHARE * strong)
    kernel = np.ones((3, 3), np.uint8)
    opened = cv2.morphologyEx(blocks.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened)
    kept = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= c.MIN_BLOCKS]
    mask = np.isin(labels, kept)
    if not kept:
        return Foreground(0, 0, width, height, 0.0, 0.0, mask, energy)
    ys, xs = np.nonzero(mask)
    left, top = max(int(xs.min()) - 1, 0) * c.BLOCK, max(int(ys.min()) - 1, 0) * c.BLOCK
    right, bottom = min((int(xs.max()) + 2) * c.BLOCK, width), min((int(ys.max()) + 2) * c.BLOCK, height)
    contrast = float(np.median(energy[mask]))
    return Foreground(left, top, right, bottom, float(mask.mean()), contrast, mask, energy)


def _cv2() -> Any:
    import cv2

    return cv2
