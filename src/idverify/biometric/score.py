"""What a comparison says."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Modality(enum.Enum):
    """The body part that was compared."""

    FACE = "face"
    FINGER = "finger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The similarity of two samples, with the means to judge it.

    Attributes:
        value: similarity; higher is more alike. Its scale is the model's own.
        model: identity of the model, ``id@version``.
        fmr: false match rate at this value, from a measured table: the share of comparisons of different people that
            score at least as high. At its smallest measured rate the table ends, and this is that rate, an upper
            bound. None where the model has no table; a policy refuses such a score.
        fmr_bounds: 95 % confidence interval of ``fmr``, or None.
        calibration: identity of the table, or None.
        modality: face or finger.
    """

    value: float
    model: str
    fmr: float | None
    modality: Modality = Modality.FACE
    fmr_bounds: tuple[float, float] | None = None
    calibration: str | None = None
