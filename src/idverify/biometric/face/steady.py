"""Landmarks that hold still: the detector looks again, at the face alone, from several places.

A detector that works on a grid moves its landmarks with the face's place on that grid: a flat picture that was only
shifted was seen to pretend a turn of the head of up to 17 degrees. The median of looks at shifted and scaled cuttings
errs elsewhere than the first look; what both say is so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.face.detect import DetectedFace, main_face
from idverify.biometric.image import Image
from idverify.errors import NoFaceError

_SIDE: Final = 256
_AROUND: Final = 2.0
_LOOKS: Final = ((0.0, 0.0, 1.0), (7.0, 3.0, 1.08), (-5.0, 6.0, 0.93))
"""Pixels to the right and down, and size of what is cut out."""


def look_again(
    image: Image, face: DetectedFace, detect: Callable[[Image], tuple[DetectedFace, ...]]
) -> NDArray[np.float32] | None:
    """The median of the landmarks of three more looks at a face, ``(5, 2)`` in pixels of the picture.

    Args:
        image: the picture.
        face: as it was found in it.
        detect: finds faces.

    Returns:
        None where fewer than two of the looks found it.

    Raises:
        ModelError: the model failed.
    """
    import cv2

    left, top, wide, high = face.box
    middle, found = np.array([left + wide / 2, top + high / 2]), []
    for right, down, size in _LOOKS:
        scale = _SIDE / max(max(wide, high) * _AROUND * size, 1.0)
        shift = _SIDE / 2 - scale * middle + (right, down)
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        part = Image(np.ascontiguousarray(cv2.warpAffine(image, matrix, (_SIDE, _SIDE), flags=flags)))
        try:
            found.append((main_face(detect(part), part).landmarks - shift) / scale)
        except NoFaceError:
            continue
    return np.asarray(np.median(found, axis=0), np.float32) if len(found) > 1 else None
