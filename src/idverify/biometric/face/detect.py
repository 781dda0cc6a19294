"""Faces in a picture, by YuNet.

YuNet (W. Wu, H. Peng, S. Yu, "YuNet: a tiny millisecond-level face detector", 2023) looks at three grids of stride 8,
16 and 32. Decoding and non-maximum suppression are numpy here, so that the network runs on the same runtime as all
others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.face.align import align_face, crop_transform
from idverify.biometric.image import Image
from idverify.biometric.runtime import InferenceSession
from idverify.errors import NoFaceError

_STRIDES = (8, 16, 32)
_MULTIPLE = 32
_MAX_CANDIDATES = 2_000
_LEVEL_SIDE, _LEVEL_SCALE = 256, 1.3


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedFace:
    """One face, in pixels of the picture that was given.

    Attributes:
        box: left, top, width, height; may reach over the picture's edge.
        landmarks: ``(5, 2)`` float32: image-left eye, image-right eye, nose tip, image-left and -right mouth corner.
        confidence: the detector's, 0 … 1.
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32] = field(repr=False, compare=False)
    confidence: float

    @property
    def area(self) -> float:
        """Width times height of the box, in square pixels."""
        return self.box[2] * self.box[3]

    @property
    def lean(self) -> float:
        """Angle between all five landmarks and the upright template in degrees, without sign."""
        matrix = crop_transform(self.landmarks, side=_LEVEL_SIDE)
        return abs(float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))))

    @property
    def inter_eye(self) -> float:
        """Distance of the eye centres in pixels."""
        return float(np.linalg.norm(self.landmarks[1] - self.landmarks[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorOptions:
    """How to look for faces.

    Attributes:
        confidence: smallest confidence that counts.
        overlap: intersection over union above which the weaker of two boxes is dropped.
        sides: longest sides, in pixels, to which a larger picture is shrunk, tried in turn until a face of at least
            ``face`` pixels is found; a picture is never enlarged. The first is fast, the later ones find far faces.
        face: width in pixels, in the shrunk picture, from which landmarks are precise enough to stop.
        level: degrees of lean from which :meth:`FaceDetector.straighten` takes new landmarks. On small faces YuNet
            sees about half of a head's lean; on a large upright crop it sees nearly all of it.
    """

    confidence: float = 0.6
    overlap: float = 0.3
    sides: tuple[int, ...] = (320, 640, 1280)
    face: float = 60.0
    level: float = 6.0


class FaceDetector:
    """Finds faces. Thread-safe as its session is."""

    def __init__(self, session: InferenceSession, options: DetectorOptions | None = None) -> None:
        """Keeps a session on a YuNet graph with free height and width."""
        self._session = session
        self._options = options if options is not None else DetectorOptions()

    @property
    def options(self) -> DetectorOptions:
        """How it looks for faces."""
        return self._options

    def detect(self, image: Image) -> tuple[DetectedFace, ...]:
        """All faces, the most confident first; none is an empty tuple, not an error.

        Raises:
            ModelError: the network failed.
        """
        best: tuple[DetectedFace, ...] = ()
        longest = max(image.shape[:2])
        for side in self._options.sides:
            factor = min(1.0, side / longest)
            found = self._detect_at(image, factor)
            if found:
                best = found
                if main_face(found, image).box[2] * factor >= self._options.face:
                    break
            if factor == 1.0:
                break
        return best

    def straighten(self, image: Image, face: DetectedFace) -> DetectedFace:
        """The same face, with better landmarks where the head leans.

        Looks again at an upright, large crop of the face. Where that shows a lean of at least ``level`` degrees, its
        landmarks replace the first ones, and a third look refines them; else the face is given back as it was.

        Raises:
            BiometricError: the landmarks cannot be aligned.
            ModelError: the network failed.
        """
        second = self._look_again(image, face)
        return face if second.lean < self._options.level else self._look_again(image, second)

    def _look_again(self, image: Image, face: DetectedFace) -> DetectedFace:
        matrix = crop_transform(face.landmarks, side=_LEVEL_SIDE, crop_scale=_LEVEL_SCALE)
        crop = align_face(image, face.landmarks, side=_LEVEL_SIDE, crop_scale=_LEVEL_SCALE)
        found = self._detect_at(crop, 1.0)
        if not found:
            return face
        upright = main_face(found, crop).landmarks
        back = (upright - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
        return replace(face, landmarks=back.astype(np.float32))

    def _detect_at(self, image: Image, factor: float) -> tuple[DetectedFace, ...]:
        height, width = image.shape[:2]
        pixels: NDArray[np.uint8] = image
        if factor < 1.0:
            pixels = _shrunk(image, (max(1, round(width * factor)), max(1, round(height * factor))))
        rows, columns = pixels.shape[:2]
        canvas = np.zeros((1, 3, -(-rows // _MULTIPLE) * _MULTIPLE, -(-columns // _MULTIPLE) * _MULTIPLE), np.float32)
        canvas[0, :, :rows, :columns] = pixels[:, :, ::-1].transpose(2, 0, 1)
        outputs = self._session.run({"input": canvas})
        decoded = [
            _decode(outputs[f"cls_{s}"], outputs[f"obj_{s}"], outputs[f"bbox_{s}"], outputs[f"kps_{s}"],
                    stride=s, columns=canvas.shape[3] // s, confidence=self._options.confidence)
            for s in _STRIDES
        ]  # fmt: skip
        rows_found = np.concatenate(decoded)
        rows_found = rows_found[np.argsort(-rows_found[:, 14], kind="stable")][:_MAX_CANDIDATES]
        rows_found = rows_found[suppress(rows_found[:, :4], self._options.overlap)]
        rows_found[:, [0, 2, 4, 6, 8, 10, 12]] *= width / columns
        rows_found[:, [1, 3, 5, 7, 9, 11, 13]] *= height / rows
        return tuple(_face(row) for row in rows_found)


def _shrunk(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Shrunk by area averaging to a width and height; large pictures by halves first, which OpenCV does much faster."""
    import cv2

    width, height = size
    while pixels.shape[1] >= 4 * width and pixels.shape[0] >= 4 * height:
        pixels = cv2.resize(pixels, (pixels.shape[1] // 2, pixels.shape[0] // 2), interpolation=cv2.INTER_AREA)
    small: NDArray[np.uint8] = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return small


def _face(row: NDArray[np.float32]) -> DetectedFace:
    left, top, width, height = (float(v) for v in row[:4])
    return DetectedFace(
        box=(left, top, width, height), landmarks=row[4:14].reshape(5, 2).copy(), confidence=float(row[14])
    )


def _decode(
    cls: NDArray[np.float32],
    obj: NDArray[np.float32],
    box: NDArray[np.float32],
    points: NDArray[np.float32],
    *,
    stride: int,
    columns: int,
    confidence: float,
) -> NDArray[np.float32]:
    """Rows of left, top, width, height, ten landmark coordinates and confidence, for one stride."""
    score = np.sqrt(np.clip(cls[0, :, 0], 0, 1) * np.clip(obj[0, :, 0], 0, 1))
    index = np.flatnonzero(score >= confidence)
    grid = np.stack([index % columns, index // columns], axis=1).astype(np.float32)
    centre = (grid + box[0, index, :2]) * stride
    size = np.exp(np.minimum(box[0, index, 2:], 10.0)) * stride
    marks = (grid[:, np.newaxis] + points[0, index].reshape(-1, 5, 2)) * stride
    return np.concatenate(
        [centre - size / 2, size, marks.reshape(-1, 10), score[index, np.newaxis]], axis=1, dtype=np.float32
    )


def suppress(boxes: NDArray[np.float32], overlap: float) -> list[int]:
    """Greedy non-maximum suppression.

    Args:
        boxes: ``(n, 4)`` left, top, width, height, the best first.
        overlap: intersection over union above which a later box is dropped.

    Returns:
        Indices of the boxes that stay, in order.
    """
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    area = boxes[:, 2] * boxes[:, 3]
    left, keep = np.arange(len(boxes)), []
    while len(left):
        first, rest = left[0], left[1:]
        keep.append(int(first))
        inner = np.clip(np.minimum(high[first], high[rest]) - np.maximum(low[first], low[rest]), 0, None)
        common = inner[:, 0] * inner[:, 1]
        left = rest[common <= overlap * (area[first] + area[rest] - common)]
    return keep


def main_face(faces: Sequence[DetectedFace], image: Image) -> DetectedFace:
    """The face that the picture is of: large and near the middle.

    The largest value of box area less twice the squared distance of its centre from the picture's.

    Raises:
        NoFaceError: there is none.
    """
    if not faces:
        raise NoFaceError("no face was found in the picture; face the camera, with more light, nothing over the face")
    height, width = image.shape[:2]

    def rank(face: DetectedFace) -> float:
        left, top, wide, high = face.box
        across, down = left + wide / 2 - width / 2, top + high / 2 - height / 2
        return float(face.area - 2 * (across * across + down * down))

    return max(faces, key=rank)


def rivals(faces: Sequence[DetectedFace], main: DetectedFace, *, share: float = 0.25) -> tuple[DetectedFace, ...]:
    """Faces beside the main one whose area is at least ``share`` of its area: whose picture is this?"""
    return tuple(face for face in faces if face is not main and face.area >= share * main.area)
