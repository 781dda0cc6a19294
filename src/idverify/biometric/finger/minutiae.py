"""Minutiae as arrays: what the extractor gives, what records carry and what templates are made of."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.finger import constants as c
from idverify.errors import ConfigurationError

Floats = NDArray[np.float32]


class MinutiaKind(enum.IntEnum):
    """Type of a minutia, with the codes of ISO/IEC 19794-2."""

    OTHER = 0
    ENDING = 1
    BIFURCATION = 2


class FingerPosition(enum.IntEnum):
    """Finger, with the codes of ISO/IEC 19794-2 table 5 and ANSI/NIST-ITL."""

    UNKNOWN = 0
    RIGHT_THUMB = 1
    RIGHT_INDEX = 2
    RIGHT_MIDDLE = 3
    RIGHT_RING = 4
    RIGHT_LITTLE = 5
    LEFT_THUMB = 6
    LEFT_INDEX = 7
    LEFT_MIDDLE = 8
    LEFT_RING = 9
    LEFT_LITTLE = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Minutiae:
    """The minutiae of one print, best first. Immutable; the arrays are read-only and never shown by ``repr``.

    Attributes:
        x: pixels at 500 dpi from the left, ``float32`` of length n.
        y: pixels at 500 dpi from the top.
        angle: direction in radians, counter-clockwise from the x axis as one sees it, ``-π … π``.
        kind: :class:`MinutiaKind` codes, ``uint8``.
        score: 0 … 1, how sure the extractor is; 1 where a record says nothing.
        width: of the picture in pixels at 500 dpi.
        height: of the picture.
        position: finger, where known.
        quality: of the print, 0 … 100, or None.
    """

    x: Floats = field(repr=False)
    y: Floats = field(repr=False)
    angle: Floats = field(repr=False)
    kind: NDArray[np.uint8] = field(repr=False)
    score: Floats = field(repr=False)
    width: int
    height: int
    position: FingerPosition = FingerPosition.UNKNOWN
    quality: int | None = None

    def __post_init__(self) -> None:
        """Raises ConfigurationError where the arrays differ in length, or hold what is no number."""
        n = self.x.shape
        for name in ("x", "y", "angle", "score"):
            array = np.array(getattr(self, name), np.float32)
            if array.shape != n or array.ndim != 1 or not np.isfinite(array).all():
                raise ConfigurationError("minutiae are arrays of one length and of finite numbers")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        kind = np.array(self.kind, np.uint8)
        kind.flags.writeable = False
        object.__setattr__(self, "kind", kind)
        if kind.shape != n:
            raise ConfigurationError("minutiae are arrays of one length and of finite numbers")

    def __len__(self) -> int:
        return int(self.x.shape[0])

    def select(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Minutiae:
        """Those of an index or mask, in its order."""
        return Minutiae(
            x=self.x[index], y=self.y[index], angle=self.angle[index], kind=self.kind[index], score=self.score[index],
            width=self.width, height=self.height, position=self.position, quality=self.quality,
        )  # fmt: skip

    def best(self, count: int) -> Minutiae:
        """The ``count`` surest ones, surest first; ties keep their order."""
        return self.select(np.argsort(-self.score, kind="stable")[:count])


def from_rows(rows: NDArray[np.float32], *, width: int, height: int) -> Minutiae:
    """Minutiae from the rows of the network: x, y, cos, sin, probability of an ending, score."""
    ending = rows[:, 4] >= c.TYPE_THRESHOLD
    kind = np.where(ending, MinutiaKind.ENDING, MinutiaKind.BIFURCATION).astype(np.uint8)
    angle = np.arctan2(rows[:, 3], rows[:, 2])
    return Minutiae(
        x=rows[:, 0], y=rows[:, 1], angle=angle, kind=kind, score=np.clip(rows[:, 5], 0, 1), width=width, height=height
    )
