"""How fit a face picture is, measure by measure, with advice to the person.

The measures follow components of ISO/IEC 29794-5 that need no model of their own, computed from the detector's
landmarks and the aligned crop. Scalars are this library's own straight lines between two limits; they are not the
standard's reference values and must not be quoted as such.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from idverify.biometric.face.detect import DetectedFace
from idverify.biometric.face.measures import background_uniformity, head_pose, light, natural_colour
from idverify.biometric.face.mouth import mouth_visible
from idverify.biometric.image import Image, grey
from idverify.face_limits import NO_CHANGES, SIGNED, CaptureKind, FaceLimits, Limit, LimitUse, QualityMeasure

__all__ = [
    "ADVICE",
    "CaptureKind",
    "FaceLimits",
    "FaceQuality",
    "LimitUse",
    "QualityComponent",
    "QualityMeasure",
    "QualityStatus",
    "assess",
    "head_pose",
]


class QualityStatus(enum.Enum):
    """What a component says of the picture."""

    GOOD = "good"
    POOR = "poor"
    UNUSABLE = "unusable"
    NOT_MEASURED = "not-measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityComponent:
    """One measure of one picture.

    Attributes:
        measure: which.
        raw: value in the measure's unit; NaN where it could not be measured.
        scalar: 0 (unusable) … 100 (nothing to wish for); 0 where it could not be measured.
        status: good from 50, unusable at 0.
        advice: key of :data:`ADVICE`, empty where the status is good or nothing was measured.
        use: what follows from it; only what decides counts in the picture's scalar and status.
    """

    measure: QualityMeasure
    raw: float
    scalar: int
    status: QualityStatus
    advice: str
    use: LimitUse = LimitUse.DECIDES

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this component."""
        return {
            "measure": self.measure.value, "raw": None if math.isnan(self.raw) else round(self.raw, 4),
            "scalar": self.scalar, "status": self.status.value, "use": self.use.value, "advice": self.advice,
        }  # fmt: skip


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
        """0 … 100: the weakest of the components that decide."""
        return min(c.scalar for c in self.components if c.use is LimitUse.DECIDES)

    @property
    def status(self) -> QualityStatus:
        """The worst status of the components that decide; one of them that could not be measured is unusable."""
        return _status(self.scalar)

    @property
    def advice(self) -> tuple[str, ...]:
        """Keys of :data:`ADVICE`, each once: of what decides the most pressing first, then of what only advises."""
        wanting = [c for c in self.components if c.advice and c.use is not LimitUse.NOTED]
        wanting.sort(key=lambda c: (c.use is LimitUse.ADVISES, c.scalar))
        return tuple(dict.fromkeys(c.advice for c in wanting))

    @property
    def evidence(self) -> dict[str, str]:
        """Raw values of the components that decide, by name, as reports hold them; others stay out of reports."""
        found = {c.measure.value: c.raw for c in self.components if c.use is LimitUse.DECIDES}
        return {name: f"{raw:.4f}" for name, raw in found.items() if not math.isnan(raw)}

    def component(self, measure: QualityMeasure) -> QualityComponent:
        """The component of a measure."""
        return next(c for c in self.components if c.measure is measure)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of all components."""
        return {
            "kind": self.kind.value, "scalar": self.scalar, "status": self.status.value,
            "components": [c.to_dict() for c in self.components],
        }  # fmt: skip


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
        "remove-mask": {"en": "Take off the mask or scarf", "vi": "Hãy bỏ khẩu trang hoặc khăn che mặt"},
        "white-light": {
            "en": "White light on the face; check the camera's colours",
            "vi": "Cần ánh sáng trắng; kiểm tra màu của máy ảnh",
        },
        "plain-background": {"en": "Stand before a plain background", "vi": "Hãy đứng trước phông nền trơn"},
        "hold-still": {"en": "Hold still; clean the lens", "vi": "Hãy giữ yên; lau sạch ống kính"},
    }
)
"""Advice in plain words, by key and language."""


_ADVICE: Mapping[QualityMeasure, str] = {
    QualityMeasure.SINGLE_FACE: "one-person-only",
    QualityMeasure.INTER_EYE_DISTANCE: "come-closer",
    QualityMeasure.FACE_SIZE: "come-closer",
    QualityMeasure.MARGIN: "centre-face",
    QualityMeasure.SHARPNESS: "hold-still",
    QualityMeasure.UNDER_EXPOSURE: "more-light",
    QualityMeasure.OVER_EXPOSURE: "less-light",
    QualityMeasure.DYNAMIC_RANGE: "more-light",
    QualityMeasure.ILLUMINATION_UNIFORMITY: "even-light",
    QualityMeasure.YAW: "look-straight",
    QualityMeasure.PITCH: "look-straight",
    QualityMeasure.ROLL: "hold-head-level",
    QualityMeasure.MOUTH_VISIBLE: "remove-mask",
    QualityMeasure.NATURAL_COLOUR: "white-light",
    QualityMeasure.BACKGROUND_UNIFORMITY: "plain-background",
}
_TOO_NEAR = 0.6
"""Share of the picture's width from which a face without margin is told to move back, not to the middle."""


def assess(
    image: Image,
    face: DetectedFace,
    crop: Image,
    *,
    rivals: int = 0,
    kind: CaptureKind = CaptureKind.LIVE,
    limits: FaceLimits = NO_CHANGES,
) -> FaceQuality:
    """All measures of one face.

    Args:
        image: the whole picture.
        face: the face in it.
        crop: the aligned crop of the face.
        rivals: number of other faces of comparable size.
        kind: which limits to apply.
        limits: limits that differ from the library's.
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
        QualityMeasure.MOUTH_VISIBLE: mouth_visible(image, face.landmarks),
        QualityMeasure.NATURAL_COLOUR: natural_colour(image, face.landmarks),
        QualityMeasure.BACKGROUND_UNIFORMITY: background_uniformity(image, face.landmarks),
        **light(grey(crop)),
    }
    advice = {**_ADVICE, QualityMeasure.MARGIN: "move-back"} if wide > _TOO_NEAR * width else _ADVICE
    table = limits.of(kind)
    return FaceQuality(kind=kind, components=tuple(_component(m, raw[m], table[m], advice[m]) for m in QualityMeasure))


def _component(measure: QualityMeasure, raw: float, limit: Limit, advice: str) -> QualityComponent:
    scalar = limit.scalar(abs(raw) if measure in SIGNED else raw)
    status = QualityStatus.NOT_MEASURED if math.isnan(raw) else _status(scalar)
    wanting = status in {QualityStatus.POOR, QualityStatus.UNUSABLE}
    return QualityComponent(
        measure=measure, raw=raw, scalar=scalar, status=status, advice=advice if wanting else "", use=limit.use
    )


def _status(scalar: int) -> QualityStatus:
    if scalar == 0:
        return QualityStatus.UNUSABLE
    return QualityStatus.POOR if scalar < 50 else QualityStatus.GOOD
