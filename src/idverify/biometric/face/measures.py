"""Measures of a face picture from five landmarks and the aligned crop, without a model of their own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.image import Image, grey
from idverify.face_limits import QualityMeasure

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


def light(luma: NDArray[np.uint8]) -> dict[QualityMeasure, float]:
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


_CHEEK = 0.3
"""Side of the square of a cheek in inter-eye distances, and :data:`_A` and :data:`_B` the skin's range of a* and b*:
ISO/IEC 29794-5:2025 §7.3.10, as the reference implementation OFIQ 1 computes it (``NaturalColour.cpp``)."""
_A, _B = (5.0, 25.0), (5.0, 35.0)
_UNNATURAL = 100.0
"""Raw value where a* or b* is negative: green or blue, no skin in white light."""
_NEUTRAL = 2.0
"""Length of (a*, b*) below which a picture is grey but for rounding; a grey one keeps its distance of 7.1."""
_TO_XYZ = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
"""Linear sRGB to CIE XYZ under D50 (Bradford), as OFIQ's."""
_WHITE = np.array([0.96422, 1.0, 0.82521])


def lab(rgb: NDArray[np.float64]) -> tuple[float, float, float]:
    """CIE 1976 L*, a*, b* under D50 of one sRGB colour.

    Args:
        rgb: three numbers, 0 … 255.
    """
    share = np.asarray(rgb, np.float64) / 255
    linear = np.where(share > 0.04045, ((share + 0.055) / 1.055) ** 2.4, share / 12.92)
    ratio = _TO_XYZ @ linear / _WHITE
    x, y, z = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return float(116 * y - 16), float(500 * (x - y)), float(200 * (y - z))


def natural_colour(image: Image, landmarks: NDArray[np.float32]) -> float:
    """Distance of the cheeks' mean colour from that of skin in white light, in a* and b*; 0 … 100, less is better.

    Squares below and outside the eyes, the colour averaged before it is converted. The distance is that from a* in
    5 … 25 and b* in 5 … 35; 100 where either is negative and the picture is not merely grey. NaN where the cheeks lie
    outside the picture.
    """
    left, right, middle, along, down, unit = _frame(landmarks)
    reach = float(((landmarks[3] + landmarks[4]) / 2 - middle) @ down)
    side = _CHEEK * unit
    drop = down * (reach + side) / 2
    parts = [
        part
        for centre in (left - along * side / 2 + drop, right + along * side / 2 + drop)
        if (part := _square(image, centre, side)).size
    ]
    if not parts:
        return float("nan")
    _, a, b = lab(np.concatenate(parts).mean(axis=0, dtype=np.float64))
    if min(a, b) < 0 and float(np.hypot(a, b)) >= _NEUTRAL:
        return _UNNATURAL
    return float(np.hypot(max(_A[0] - a, 0.0, a - _A[1]), max(_B[0] - b, 0.0, b - _B[1])))


def _square(image: Image, centre: NDArray[np.float64], side: float) -> NDArray[np.uint8]:
    """Pixels of an upright square, ``(n, 3)``; those outside the picture are not there."""
    low = np.maximum(np.rint(centre - side / 2), 0).astype(int)
    high = np.maximum(np.rint(centre + side / 2), low + 1).astype(int)
    return image[low[1] : high[1], low[0] : high[0]].reshape(-1, 3)


_GRID = 16.0
"""Pixels of an inter-eye distance in the small picture whose gradients are taken."""
_REACH = 3.0
"""How far beside and above the eyes the background is looked at, in inter-eye distances."""
_HEAD = (1.75, 2.4)
"""Half axes of the ellipse about the eyes' middle that is taken for head and hair, in inter-eye distances: an adult's
head is about 2.5 wide and 3.7 high, and hair adds to both."""
_SHOULDERS = 1.2
"""Distance below the eyes, in inter-eye distances, from which everything is taken for the body."""
_ENOUGH = 0.5
"""Smallest area of background that is judged, in squares of the inter-eye distance."""


def background_uniformity(image: Image, landmarks: NDArray[np.float32]) -> float:
    """Mean gradient of the luma beside and above the head; 0 … 1443, less is more uniform, NaN where none is seen.

    After ISO/IEC 29794-5:2025 §7.3.2 (mean length of the Sobel gradient over the background), with two departures: no
    network finds the background, it is what lies outside an ellipse about the head and above the shoulders, and the
    picture is brought to 16 pixels an inter-eye distance first. Wide hair, hats and hands count as background.
    """
    import cv2

    _, _, middle, along, down, unit = _frame(landmarks)
    height, width = image.shape[:2]
    reach = np.array([_REACH, _REACH]) * unit
    low = np.clip(np.floor(middle - reach), 0, [width, height]).astype(int)
    high = np.clip(np.ceil(middle + reach), low, [width, height]).astype(int)
    size = np.rint((high - low) * _GRID / unit).astype(int)
    if unit < 1 or min(size) < 3:
        return float("nan")
    step = max(1, int(unit / (2 * _GRID)))  # of large faces not every pixel is needed
    part = np.ascontiguousarray(image[low[1] : high[1] : step, low[0] : high[0] : step])
    luma = grey(Image(cv2.resize(part, size.tolist(), interpolation=cv2.INTER_AREA))).astype(np.float32)
    slope = cv2.magnitude(cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1))[1:-1, 1:-1]
    grow = (high - low) / size
    columns = (np.arange(1, size[0] - 1) + 0.5) * grow[0] + low[0] - middle[0]
    rows = (np.arange(1, size[1] - 1) + 0.5)[:, np.newaxis] * grow[1] + low[1] - middle[1]
    x = (columns * along[0] + rows * along[1]) / unit
    y = (columns * down[0] + rows * down[1]) / unit
    behind = ((x / _HEAD[0]) ** 2 + (y / _HEAD[1]) ** 2 > 1) & ((y < 0) | (np.abs(x) > _HEAD[0])) & (y < _SHOULDERS)
    if int(behind.sum()) < _ENOUGH * _GRID**2:
        return float("nan")
    return float(slope[behind].mean())


_Vector = NDArray[np.float64]


def _frame(landmarks: NDArray[np.float32]) -> tuple[_Vector, _Vector, _Vector, _Vector, _Vector, float]:
    """Eyes (image left first), their middle, unit vectors along the eye line and down the face, inter-eye distance."""
    left, right = np.asarray(landmarks[:2], np.float64)
    along = right - left
    unit = max(float(np.hypot(*along)), 1e-6)
    along = along / unit
    return left, right, (left + right) / 2, along, np.array([-along[1], along[0]]), unit
