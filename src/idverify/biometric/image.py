"""The one picture type of the biometric floor.

An :data:`Image` is an RGB, 8-bit, ``H × W × 3``, C-contiguous numpy array. Untrusted bytes become one in
:mod:`idverify.biometric.codecs`; arrays of a camera become one through :func:`as_image`. Nothing below checks again.
"""

from __future__ import annotations

from typing import NewType

import numpy as np
from numpy.typing import NDArray

from idverify.errors import ImageError

MAX_PIXELS = 40_000_000
"""Largest number of pixels of a picture, 40 megapixels."""

MAX_SIDE = 16_384
"""Longest side of a picture in pixels."""

Image = NewType("Image", NDArray[np.uint8])
"""RGB picture: ``uint8``, shape ``(height, width, 3)``, C-contiguous."""


def check_size(width: int, height: int, *, max_pixels: int = MAX_PIXELS) -> None:
    """Refuses a picture that is empty or over the caps.

    Args:
        width: pixels in a row.
        height: rows.
        max_pixels: cap on ``width * height``.

    Raises:
        ImageError: a side is below 1 or above :data:`MAX_SIDE`, or there are more than ``max_pixels`` pixels.
    """
    if width < 1 or height < 1:
        raise ImageError(f"the picture is empty ({width} x {height} pixels)")
    if width > MAX_SIDE or height > MAX_SIDE:
        raise ImageError(f"a side of the picture is over {MAX_SIDE} pixels ({width} x {height}); scale it down")
    if width * height > max_pixels:
        raise ImageError(f"the picture has more than {max_pixels} pixels ({width} x {height}); scale it down")


def as_image(array: NDArray[np.uint8], *, max_pixels: int = MAX_PIXELS) -> Image:
    """Checks an array and makes it an :data:`Image`.

    Args:
        array: ``uint8``; grey ``(H, W)`` or ``(H, W, 1)``, or RGB ``(H, W, 3)``. OpenCV's arrays are BGR: reverse
            the last axis first.
        max_pixels: cap on the number of pixels.

    Returns:
        The same array where it already fits, else a contiguous copy; grey is repeated in three channels.

    Raises:
        ImageError: wrong type, wrong shape, empty, or over the caps.
    """
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
        kind = getattr(array, "dtype", type(array).__name__)
        raise ImageError(f"a picture is an array of uint8, not of {kind}")
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        raise ImageError(f"a picture has the shape (height, width, 3), not {array.shape}")
    height, width, channels = array.shape
    check_size(width, height, max_pixels=max_pixels)
    if channels == 1:
        array = np.repeat(array, 3, axis=2)
    return Image(np.ascontiguousarray(array))


def grey(image: Image) -> NDArray[np.uint8]:
    """Luma of a picture after ITU-R BT.601, ``uint8``, shape ``(height, width)``."""
    luma = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.rint(luma).astype(np.uint8)
