"""Five-point alignment: the face as the embedding network was taught to see it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.image import Image
from idverify.errors import BiometricError

ARCFACE_SIDE = 112
ARCFACE_TEMPLATE: NDArray[np.float64] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Eyes, nose tip and mouth corners (image left first) in a crop of 112 × 112 pixels, as in ArcFace's training."""
ARCFACE_TEMPLATE.setflags(write=False)


def similarity_transform(source: NDArray[Any], target: NDArray[Any]) -> NDArray[np.float64]:
    """Rotation, scale and shift that bring points nearest to others, in least squares.

    S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", IEEE PAMI 13(4),
    1991, equations 40 to 42.

    Args:
        source: ``(n, 2)``, n at least 2.
        target: ``(n, 2)``.

    Returns:
        ``(2, 3)`` matrix M with ``target ≈ source @ M[:, :2].T + M[:, 2]``; never a reflection.

    Raises:
        BiometricError: points that are not finite, or that all coincide.
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 2 or len(a) < 2:
        raise BiometricError("alignment takes two equally long lists of points")
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    a, b = a - mean_a, b - mean_b
    variance = float((a**2).sum()) / len(a)
    if not np.isfinite(variance) or not np.isfinite(b).all() or variance < 1e-12:
        raise BiometricError("the landmarks of the face coincide or are no numbers; it cannot be aligned")
    u, singular, v = np.linalg.svd(b.T @ a / len(a))
    sign = np.array([1.0, -1.0 if np.linalg.det(u) * np.linalg.det(v) < 0 else 1.0])
    rotation = (u * sign) @ v
    scale = float((singular * sign).sum()) / variance
    return np.hstack([scale * rotation, (mean_b - scale * rotation @ mean_a)[:, np.newaxis]])


def crop_transform(landmarks: NDArray[np.float32], *, side: int, crop_scale: float = 1.0) -> NDArray[np.float64]:
    """``(2, 3)`` matrix from pixels of the picture to pixels of the crop that :func:`align_face` makes.

    Raises:
        BiometricError: landmarks that cannot be aligned.
    """
    centre = ARCFACE_SIDE / 2
    template = ((ARCFACE_TEMPLATE - centre) / crop_scale + centre) * (side / ARCFACE_SIDE)
    return similarity_transform(landmarks, template)


def align_face(image: Image, landmarks: NDArray[np.float32], *, side: int, crop_scale: float = 1.0) -> Image:
    """The square crop of a face, eyes level, at the template's place and size.

    Faces more than twice as large as the crop are first shrunk by area averaging, so that nothing aliases.

    Args:
        image: the picture.
        landmarks: ``(5, 2)`` pixels: image-left eye, image-right eye, nose tip, image-left mouth corner, image-right.
        side: side of the crop in pixels.
        crop_scale: 1.1 takes 10 % more around the face.

    Returns:
        RGB crop of ``side × side`` pixels; what lies outside the picture is black.

    Raises:
        BiometricError: landmarks that cannot be aligned.
    """
    import cv2

    matrix = crop_transform(landmarks, side=side, crop_scale=crop_scale)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if not 1e-3 < scale < 1e3:
        raise BiometricError("the landmarks of the face are too far apart or too near; it cannot be aligned")
    pixels: NDArray[np.uint8] = image
    if scale < 0.5:
        pixels, matrix = _shrunk(pixels, matrix, scale, side)
    crop = cv2.warpAffine(pixels, matrix, (side, side), flags=cv2.INTER_LINEAR)
    return Image(np.ascontiguousarray(crop))


def _shrunk(
    image: NDArray[np.uint8], matrix: NDArray[np.float64], scale: float, side: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The part of the picture under the crop, shrunk so that one of its pixels is about one of the crop's."""
    import cv2

    linear = np.linalg.inv(matrix[:, :2])
    corners = (np.array([[0, 0], [side, 0], [0, side], [side, side]]) - matrix[:, 2]) @ linear.T
    height, width = image.shape[:2]
    limits = np.array([width, height])
    low = np.clip(np.floor(corners.min(axis=0)) - 2, 0, limits - 1).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 2, low + 1, limits).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    size = np.maximum(1, np.rint((high - low) * scale)).astype(int)
    small = cv2.resize(part, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    grow = (high - low) / size
    # A pixel centre p of the small picture lies at (p + 0.5) * grow - 0.5 + low in the large one.
    moved = matrix.copy()
    moved[:, :2] = matrix[:, :2] * grow
    moved[:, 2] = matrix[:, :2] @ (0.5 * grow - 0.5 + low) + matrix[:, 2]
    return small, moved
