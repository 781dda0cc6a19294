"""How fit a face picture is, measure by measure, with advice to the person.

The measures follow components of ISO/IEC 29794-5 that need no model of their own, computed from the detector's
landmarks and the aligned crop. Scalars are this library's own straight lines between two limits; they are not the
standard's reference values and must not be quoted as such.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.face.detect import DetectedFace
from idverify.biometric.image import Image, grey


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


class QualityStatus(enum.Enum):
    """What a component says of the picture."""

    GOOD = "good"
    POOR = "poor"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityComponent:
    """One measure of one picture.

    Attributes:
        measure: which.
        raw: value in the measure's unit.
        scalar: 0 (unusable) … 100 (nothing to wish for).
        status: good from 50, unusable at 0.
        advice: key of :data:`ADVICE`, empty where the status is good.
    """

    measure: QualityMeasure
    raw: float
    scalar: int
    status: QualityStatus
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceQuality:
    """All components of one picture.

    Attributes:
        kind: the limits that were applied.
        components: one a measure.
    """

    kind: CaptureKind
    components: tuple[QualityComponent, ...]

    @property
    def scalar(self) -> int:
        """0 … 100: the weakest component decides."""
        return min(c.scalar for c in self.components)

    @property
    def status(self) -> QualityStatus:
        """The worst status."""
        return _status(self.scalar)

    @property
    def advice(self) -> tuple[str, ...]:
        """Keys of :data:`ADVICE`, the most pressing first, each once."""
        wanting = sorted((c for c in self.components if c.advice), key=lambda c: c.scalar)
        return tuple(dict.fromkeys(c.advice for c in wanting))

    def component(self, measure: QualityMeasure) -> QualityComponent:
        """The component of a measure."""
        return next(c for c in self.components if c.measure is measure)


ADVICE: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "show-face": {"en": "Face the camera; nothing over the face", "vi": "Hãy hướng mặt vào máy ảnh, không che mặt"},
        "come-closer": {"en": "Come closer to the camera", "vi": "Hãy lại gần máy ảnh hơn"},
        "move-back": {"en": "Move back a little", "vi": "Hãy lùi ra xa một chút"},
        "centre-face": {"en": "Bring the whole face into the picture", "vi": "Hãy đưa cả khuôn mặt vào khung hình"},
        "look-straight": {"en": "Look straight into the camera", "vi": "Hãy nhìn thẳng vào máy ảnh"},
        "hold-head-level": {"en": "Hold the head upright", "vi": "Hãy giữ đầu thẳng"},
        "one-person-only": {"en": "Only one person in the picture", "vi": "Chỉ một người trong khung hình"},
        "more-light": {"en": "More light on the face", "vi": "Cần thêm ánh sáng trên khuôn mặt"},
        "less-light": {"en": "Less light on the face", "vi": "Cần giảm ánh sáng trên khuôn mặt"},
        "even-light": {"en": "Light both sides of the face", "vi": "Cần chiếu sáng đều hai bên mặt"},
        "hold-still": {"en": "Hold still; clean the lens", "vi": "Hãy giữ yên; lau sạch ống kính"},
    }
)
"""Advice in plain words, by key and language."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """A straight line: scalar 0 at ``worst``, 100 at ``best``, and what to say."""

    worst: float
    best: float
    advice: str


_LIVE: Mapping[QualityMeasure, _Limit] = {
    QualityMeasure.SINGLE_FACE: _Limit(2.0, 1.0, "one-person-only"),
    QualityMeasure.INTER_EYE_DISTANCE: _Limit(20.0, 80.0, "come-closer"),
    QualityMeasure.FACE_SIZE: _Limit(0.08, 0.3, "come-closer"),
    QualityMeasure.MARGIN: _Limit(-0.1, 0.15, "centre-face"),
    QualityMeasure.SHARPNESS: _Limit(10.0, 150.0, "hold-still"),
    QualityMeasure.UNDER_EXPOSURE: _Limit(0.7, 0.1, "more-light"),
    QualityMeasure.OVER_EXPOSURE: _Limit(0.4, 0.03, "less-light"),
    QualityMeasure.DYNAMIC_RANGE: _Limit(3.0, 6.5, "more-light"),
    QualityMeasure.ILLUMINATION_UNIFORMITY: _Limit(0.05, 0.5, "even-light"),
    QualityMeasure.YAW: _Limit(45.0, 10.0, "look-straight"),
    QualityMeasure.PITCH: _Limit(45.0, 15.0, "look-straight"),
    QualityMeasure.ROLL: _Limit(45.0, 8.0, "hold-head-level"),
}
_PORTRAIT: Mapping[QualityMeasure, _Limit] = {
    **_LIVE,
    QualityMeasure.INTER_EYE_DISTANCE: _Limit(15.0, 55.0, "come-closer"),
    QualityMeasure.SHARPNESS: _Limit(5.0, 60.0, "hold-still"),
}
_LIMITS = {CaptureKind.LIVE: _LIVE, CaptureKind.PORTRAIT: _PORTRAIT}

_NOSE_DEPTH = 0.48
"""Height of the nose tip over the plane of the eyes, in inter-eye distances of an adult face."""
_EYE_MOUTH = 1.155
"""Distance of the eye line from the mouth line, in inter-eye distances of the frontal template."""
_NOSE_LEVEL = 0.494
"""Where the nose tip lies between eye line and mouth line in the frontal template."""


def head_pose(landmarks: NDArray[np.float32]) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees, roughly, from five landmarks.

    A rigid face under parallel projection: the nose tip stands out of the plane of eyes and mouth, and its shift along
    and across the eye line gives yaw and pitch by their tangents. Good to some ten degrees; sign and order are right.

    Args:
        landmarks: ``(5, 2)`` as of :class:`~idverify.biometric.face.detect.DetectedFace`.
    """
    left, right, nose, mouth_left, mouth_right = np.asarray(landmarks, np.float64)
    along = right - left
    distance = max(float(np.hypot(*along)), 1e-6)
    along = along / distance
    down = np.array([-along[1], along[0]])
    roll = float(np.degrees(np.arctan2(along[1], along[0])))
    middle = (left + right) / 2
    mouth = (mouth_left + mouth_right) / 2
    axis = (middle + mouth) / 2
    height = max(float((mouth - middle) @ down), 1e-6)
    level = float((nose - middle) @ down) / height
    yaw = float(np.degrees(np.arctan(float((nose - axis) @ along) / distance / _NOSE_DEPTH)))
    pitch = float(np.degrees(np.arctan((level - _NOSE_LEVEL) * _EYE_MOUTH / _NOSE_DEPTH)))
    return yaw, pitch, roll


def assess(
    image: Image, face: DetectedFace, crop: Image, *, rivals: int = 0, kind: CaptureKind = CaptureKind.LIVE
) -> FaceQuality:
    """All measures of one face.

    Args:
        image: the whole picture.
        face: the face in it.
        crop: the aligned crop of the face.
        rivals: number of other faces of comparable size.
        kind: which limits to apply.
    """
    height, width = image.shape[:2]
    left, top, wide, high = face.box
    yaw, pitch, roll = head_pose(face.landmarks)
    raw: dict[QualityMeasure, float] = {
        QualityMeasure.SINGLE_FACE: 1.0 + rivals,
        QualityMeasure.INTER_EYE_DISTANCE: face.inter_eye,
        QualityMeasure.FACE_SIZE: high / height,
        QualityMeasure.MARGIN: min(left, top, width - left - wide, height - top - high) / max(wide, 1e-6),
        QualityMeasure.YAW: yaw,
        QualityMeasure.PITCH: pitch,
        QualityMeasure.ROLL: roll,
        **_light(grey(crop)),
    }
    limits = _LIMITS[kind]
    return FaceQuality(kind=kind, components=tuple(_component(m, raw[m], limits[m]) for m in QualityMeasure))


_SIGNED = frozenset({QualityMeasure.YAW, QualityMeasure.PITCH, QualityMeasure.ROLL})


def _component(measure: QualityMeasure, raw: float, limit: _Limit) -> QualityComponent:
    value = abs(raw) if measure in _SIGNED else raw
    share = (value - limit.worst) / (limit.best - limit.worst)
    scalar = round(100 * min(1.0, max(0.0, share)))
    status = _status(scalar)
    advice = "" if status is QualityStatus.GOOD else limit.advice
    return QualityComponent(measure=measure, raw=raw, scalar=scalar, status=status, advice=advice)


def _status(scalar: int) -> QualityStatus:
    if scalar == 0:
        return QualityStatus.UNUSABLE
    return QualityStatus.POOR if scalar < 50 else QualityStatus.GOOD


def _light(luma: NDArray[np.uint8]) -> dict[QualityMeasure, float]:
    """Sharpness and exposure of the inner face: the middle 70 % of the crop in both directions."""
    side = luma.shape[0]
    inset = round(side * 0.15)
    inner = luma[inset : side - inset, inset : side - inset]
    x = inner.astype(np.float32)
    laplacian = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] - 4 * x[1:-1, 1:-1]
    share = np.bincount(inner.ravel(), minlength=256) / inner.size
    present = share[share > 0]
    half = inner.shape[1] // 2
    left, right = _histogram(inner[:, :half]), _histogram(inner[:, inner.shape[1] - half :])
    return {
        QualityMeasure.SHARPNESS: float(laplacian.var()),
        QualityMeasure.UNDER_EXPOSURE: float(share[:26].sum()),
        QualityMeasure.OVER_EXPOSURE: float(share[247:].sum()),
        QualityMeasure.DYNAMIC_RANGE: float(-(present * np.log2(present)).sum()),
        QualityMeasure.ILLUMINATION_UNIFORMITY: float(np.minimum(left, right).sum()),
    }


def _histogram(part: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Luma histogram of 32 bins, as shares."""
    return np.bincount(part.ravel() >> 3, minlength=32) / part.size
