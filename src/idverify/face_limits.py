"""What a picture of a face is measured by, and where the limits lie: words and numbers, so that policies can name them.

The measures are taken in :mod:`idverify.biometric.face.quality`. Each has two limits: from ``worst`` on a picture is
unusable, at ``best`` there is nothing to wish for. Live frames and chip portraits have limits of their own.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from idverify.errors import ConfigurationError


class CaptureKind(enum.Enum):
    """Where a picture comes from: limits differ."""

    LIVE = "live"
    PORTRAIT = "portrait"


class QualityMeasure(enum.Enum):
    """What is measured; the unit of the raw value in brackets."""

    SINGLE_FACE = "single-face"  # [faces of comparable size]
    INTER_EYE_DISTANCE = "inter-eye-distance"  # [pixels]
    FACE_SIZE = "face-size"  # [height of the face / height of the picture]
    MARGIN = "margin"  # [smallest distance of the box from an edge / width of the box; negative: cut]
    SHARPNESS = "sharpness"  # [variance of the Laplacian of the crop's luma]
    UNDER_EXPOSURE = "under-exposure"  # [share of the face with luma up to 25]
    OVER_EXPOSURE = "over-exposure"  # [share of the face with luma from 247]
    DYNAMIC_RANGE = "dynamic-range"  # [entropy of the luma histogram, bits]
    ILLUMINATION_UNIFORMITY = "illumination-uniformity"  # [overlap of the halves' luma histograms, 0 … 1]
    YAW = "yaw"  # [degrees; positive: the nose points to the image's right]
    PITCH = "pitch"  # [degrees; positive: looking down]
    ROLL = "roll"  # [degrees; positive: the head leans clockwise in the image]
    MOUTH_VISIBLE = "mouth-visible"  # [likelihood that no mask or scarf covers the mouth, 0 … 1]
    NATURAL_COLOUR = "natural-colour"  # [distance of the cheeks' mean a*, b* from those of skin, 0 … 100]
    BACKGROUND_UNIFORMITY = "background-uniformity"  # [mean gradient of the luma beside and above the head, 0 … 1443]


class LimitUse(enum.StrEnum):
    """What a measure is there for."""

    DECIDES = "decides"  # it counts in the picture's scalar and status
    ADVISES = "advises"  # the person is told; the picture is none the worse for it
    NOTED = "noted"  # measured and judged, and nothing follows


@dataclass(frozen=True, slots=True)
class Limit:
    """A straight line from unusable to nothing to wish for.

    Attributes:
        worst: raw value, without its sign, at which the scalar is 0.
        best: raw value at which it is 100; below ``worst`` where less is better.
        use: what the measure is there for.
    """

    worst: float
    best: float
    use: LimitUse = LimitUse.DECIDES

    def scalar(self, raw: float) -> int:
        """0 … 100; 0 for a value that could not be measured (NaN)."""
        if math.isnan(raw):
            return 0
        share = (raw - self.worst) / (self.best - self.worst)
        return round(100 * min(1.0, max(0.0, share)))


_M: Final = QualityMeasure
_LIVE: Final[Mapping[QualityMeasure, Limit]] = {
    _M.SINGLE_FACE: Limit(2.0, 1.0),
    _M.INTER_EYE_DISTANCE: Limit(20.0, 80.0),
    _M.FACE_SIZE: Limit(0.08, 0.3),
    _M.MARGIN: Limit(-0.1, 0.15),
    _M.SHARPNESS: Limit(10.0, 150.0),
    _M.UNDER_EXPOSURE: Limit(0.7, 0.1),
    _M.OVER_EXPOSURE: Limit(0.4, 0.03),
    _M.DYNAMIC_RANGE: Limit(3.0, 6.5),
    _M.ILLUMINATION_UNIFORMITY: Limit(0.05, 0.5),
    _M.YAW: Limit(45.0, 10.0),
    _M.PITCH: Limit(45.0, 15.0),
    _M.ROLL: Limit(45.0, 8.0),
    _M.MOUTH_VISIBLE: Limit(0.1, 0.9, LimitUse.ADVISES),
    _M.NATURAL_COLOUR: Limit(30.0, 0.0, LimitUse.NOTED),
    _M.BACKGROUND_UNIFORMITY: Limit(120.0, 10.0, LimitUse.NOTED),
}
_PORTRAIT: Final[Mapping[QualityMeasure, Limit]] = {
    **_LIVE,
    _M.INTER_EYE_DISTANCE: Limit(15.0, 55.0),
    _M.SHARPNESS: Limit(5.0, 60.0),
    _M.MOUTH_VISIBLE: Limit(0.1, 0.9, LimitUse.NOTED),
}
DEFAULTS: Final[Mapping[CaptureKind, Mapping[QualityMeasure, Limit]]] = MappingProxyType(
    {CaptureKind.LIVE: MappingProxyType(_LIVE), CaptureKind.PORTRAIT: MappingProxyType(_PORTRAIT)}
)
"""The limits where nobody states others."""

RANGES: Final[Mapping[QualityMeasure, tuple[float, float]]] = MappingProxyType(
    {
        _M.INTER_EYE_DISTANCE: (0.0, 16384.0),
        _M.FACE_SIZE: (0.0, 1.0),
        _M.MARGIN: (-1.0, 10.0),
        _M.SHARPNESS: (0.0, 1e6),
        _M.UNDER_EXPOSURE: (0.0, 1.0),
        _M.OVER_EXPOSURE: (0.0, 1.0),
        _M.DYNAMIC_RANGE: (0.0, 8.0),
        _M.ILLUMINATION_UNIFORMITY: (0.0, 1.0),
        _M.YAW: (0.0, 90.0),
        _M.PITCH: (0.0, 90.0),
        _M.ROLL: (0.0, 180.0),
        _M.MOUTH_VISIBLE: (0.0, 1.0),
        _M.NATURAL_COLOUR: (0.0, 100.0),
        _M.BACKGROUND_UNIFORMITY: (0.0, 1443.0),
    }
)
"""Values that a measure can take, without their sign; ``worst`` lies between them, so that it can be reached. A single
face is not among them: several faces are always refused."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,7}(?:\.[0-9]{1,9})?")
_Stated = tuple[tuple[QualityMeasure, Limit], ...]


def check_limit(measure: QualityMeasure, limit: Limit) -> None:
    """Refuses limits that mean nothing, or that every picture passes.

    Raises:
        ConfigurationError: a limit that is no number or outside the measure's range, two that are equal or the wrong
            way round, or a measure that has none.
    """
    if measure not in RANGES:
        raise ConfigurationError("has no limits: several faces are always refused")
    low, high = RANGES[measure]
    default = DEFAULTS[CaptureKind.LIVE][measure]
    more = default.best > default.worst
    if not (math.isfinite(limit.worst) and math.isfinite(limit.best) and low <= limit.best <= high):
        raise ConfigurationError(f"worst and best are numbers between {low:g} and {high:g}")
    if limit.worst == limit.best or (limit.best > limit.worst) is not more:
        raise ConfigurationError(
            f"more is {'better' if more else 'worse'}, so best lies {'above' if more else 'below'} worst"
        )
    if not (limit.worst > low if more else limit.worst < high):
        raise ConfigurationError(f"every picture would pass worst = {limit.worst:g}; write false where that is meant")


@dataclass(frozen=True, slots=True)
class FaceLimits:
    """Limits that somebody states; for all others :data:`DEFAULTS` hold.

    Attributes:
        live: those for live frames.
        portrait: those for chip portraits.

    Raises:
        ConfigurationError: as :func:`check_limit`, or a measure stated twice.
    """

    live: _Stated = ()
    portrait: _Stated = ()
    _table: dict[CaptureKind, dict[QualityMeasure, Limit]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        order = list(QualityMeasure)
        table = {}
        for kind in CaptureKind:
            stated = self.stated(kind)
            if len(stated) != len(self.live if kind is CaptureKind.LIVE else self.portrait):
                raise ConfigurationError(f"{kind.value}: a measure has limits twice")
            for measure, limit in stated.items():
                try:
                    check_limit(measure, limit)
                except ConfigurationError as error:
                    raise ConfigurationError(f"{kind.value}.{measure.value}: {error}") from None
            table[kind] = {**DEFAULTS[kind], **stated}
            object.__setattr__(self, kind.value, tuple(sorted(stated.items(), key=lambda item: order.index(item[0]))))
        object.__setattr__(self, "_table", table)

    def stated(self, kind: CaptureKind) -> dict[QualityMeasure, Limit]:
        """What is stated for a kind of picture."""
        return dict(self.live if kind is CaptureKind.LIVE else self.portrait)

    def of(self, kind: CaptureKind) -> Mapping[QualityMeasure, Limit]:
        """The limits of every measure for a kind of picture."""
        return MappingProxyType(self._table[kind])

    def judge(self, kind: CaptureKind, evidence: Mapping[str, str]) -> bool | None:
        """Whether recorded raw values keep to the limits that decide.

        Args:
            kind: of the picture.
            evidence: raw values by the measure's name, as a report holds them.

        Returns:
            False where a value is unusable, or else None where one that a stated limit asks for is not there.
        """
        complete = True
        for measure, limit in self.of(kind).items():
            if limit.use is not LimitUse.DECIDES or measure not in RANGES:
                continue
            text = evidence.get(measure.value, "")
            if _NUMBER.fullmatch(text):
                if limit.scalar(abs(float(text)) if measure in SIGNED else float(text)) == 0:
                    return False
            elif measure in self.stated(kind):
                complete = False
        return True if complete else None


SIGNED: Final = frozenset({_M.YAW, _M.PITCH, _M.ROLL})
"""Measures whose raw value has a sign that the limits do not see."""

NO_CHANGES: Final = FaceLimits()
"""Nothing stated: :data:`DEFAULTS` throughout."""
