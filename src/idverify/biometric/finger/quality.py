"""Quality of a print, from what the extractor measured anyway, with advice for the person at the counter.

The value estimates how useful the print is for comparison: it rises with the ridge area, with the number of sure
minutiae and with their sureness. Its constants are set by eye; error-versus-discard curves (``docs/fingerprint.md``)
show what it is worth. The quality of a finger is that of its best print.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np

from idverify.biometric.finger import constants as c
from idverify.biometric.finger.minutiae import Minutiae
from idverify.biometric.finger.segment import Foreground


class FingerAdvice(enum.Enum):
    """What the person at the sensor may do better."""

    PLACE = "place-the-finger"
    PRESS_HARDER = "press-harder"
    PRESS_LESS = "dry-the-finger-or-press-less"
    CENTRE = "centre-the-finger"
    MORE_AREA = "lay-the-finger-flat"


@dataclass(frozen=True, slots=True)
class FingerQuality:
    """Quality of one print.

    Attributes:
        value: 0 … 100; above 50 is good, below 20 try again.
        area_mm2: ridge area in square millimetres.
        sureness: mean score of the minutiae, 0 … 1.
        sure: number of minutiae above :data:`~idverify.biometric.finger.constants.SURE`.
        advice: what to do better, most useful first; empty for a good print.
    """

    value: int
    area_mm2: float
    sureness: float
    sure: int
    advice: tuple[FingerAdvice, ...]


def assess(minutiae: Minutiae, ground: Foreground) -> FingerQuality:
    """Quality of a print.

    Args:
        minutiae: of the print.
        ground: its foreground.
    """
    blocks = int(ground.blocks.sum())
    area = blocks * (c.BLOCK / c.DPI * 25.4) ** 2
    scores = minutiae.score
    sureness = float(scores.mean()) if len(scores) else 0.0
    sure = int((scores >= c.SURE).sum())
    enough = 1 - math.exp(-sure / c.SURE_COUNT)
    wide = 1 - math.exp(-area / c.WIDE_AREA)
    value = round(100 * enough * wide * min(sureness / c.FULL_SURENESS, 1.0))
    return FingerQuality(value, area, sureness, sure, _advice(value, area, sureness, ground))


def _advice(value: int, area: float, sureness: float, ground: Foreground) -> tuple[FingerAdvice, ...]:
    if value >= c.GOOD_QUALITY:
        return ()
    advice = []
    rows, columns = ground.blocks.shape
    if blocks := np.argwhere(ground.blocks).astype(float).tolist():
        middle = np.mean(blocks, axis=0)
        if abs(middle[0] / rows - 0.5) > c.OFF_CENTRE or abs(middle[1] / columns - 0.5) > c.OFF_CENTRE:
            advice.append(FingerAdvice.CENTRE)
    if area < c.SMALL_AREA:
        advice.append(FingerAdvice.MORE_AREA)
    if sureness < c.LOW_SURENESS:
        faint = ground.contrast < c.FAINT_CONTRAST
        advice.append(FingerAdvice.PRESS_HARDER if faint else FingerAdvice.PRESS_LESS)
    return tuple(advice)
