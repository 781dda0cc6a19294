"""Untrusted bytes to pictures, and pictures to bytes: the only place that decodes.

The container is walked in pure Python first (:mod:`idverify.biometric._headers`), so that size and structure are
capped before a decoder allocates anything. What passes goes to OpenCV's decoders, which is imported on first use.
A decoder's own memory error, however, is beyond Python: integrators who take pictures from strangers decode in a
separate process. WSQ (the extra ``wsq``) always does, see :mod:`idverify.biometric._wsq_process`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify import limits
from idverify.biometric._headers import ImageFormat, ImageHeader, read_header
from idverify.biometric.image import MAX_PIXELS, Image, as_image, check_size
from idverify.errors import ConfigurationError, ImageError

__all__ = [
    "CHIP_FORMATS",
    "FINGER_FORMATS",
    "LIVE_FORMATS",
    "MAX_BYTES",
    "ImageFormat",
    "ImageHeader",
    "decode_image",
    "encode_jpeg",
    "encode_jpeg2000",
    "encode_png",
    "encode_wsq",
    "probe_image",
]

MAX_BYTES = 64 * 1024 * 1024
"""Largest encoded picture, 64 MiB."""

MAX_PIXELS_JPEG2000 = 16_000_000
"""JPEG 2000 decoders hold four bytes a sample: its cap is lower, 16 megapixels."""

MAX_PIXELS_WSQ = 16_000_000
"""So does the WSQ decoder."""

_WORKING_BYTES = {
    ImageFormat.JPEG: 12, ImageFormat.WEBP: 10, ImageFormat.TIFF: 12, ImageFormat.WSQ: 10,
}  # fmt: skip
"""Bytes that a decoder holds for a pixel, result included; 8 where nothing else is said. Measured, and rounded up."""

CHIP_FORMATS = frozenset({ImageFormat.JPEG, ImageFormat.JPEG2000, ImageFormat.PNG})
"""What ISO/IEC 19794-5 and 39794-5 let a chip hold."""

FINGER_FORMATS = CHIP_FORMATS | {ImageFormat.WSQ, ImageFormat.PNM}
"""What ISO/IEC 19794-4 and 39794-4 let a chip hold; raw pixels have no container."""

LIVE_FORMATS = frozenset(ImageFormat)
"""Everything that is read."""


def _cv2() -> Any:
    import cv2

    return cv2


def probe_image(data: bytes) -> ImageHeader:
    """Size, format and orientation from the header alone; nothing is decoded.

    Raises:
        ImageError: unknown, malformed or truncated bytes, or more than :data:`MAX_BYTES`.
    """
    if len(data) > MAX_BYTES:
        raise ImageError(f"the encoded picture has more than {MAX_BYTES} bytes")
    return read_header(bytes(data))


def decode_image(
    data: bytes,
    *,
    formats: Collection[ImageFormat] = LIVE_FORMATS,
    max_pixels: int = MAX_PIXELS,
    upright: bool = True,
) -> Image:
    """Decodes a picture from untrusted bytes.

    Args:
        data: JPEG (baseline, extended or progressive), PNG, JPEG 2000 (JP2 or raw codestream), WSQ, PGM, PPM, BMP,
            WebP or TIFF.
        formats: the formats that are allowed here; :data:`CHIP_FORMATS` for a portrait from a chip.
        max_pixels: cap on the number of pixels, checked in the header. JPEG 2000 and WSQ are capped at 16
            megapixels besides.
        upright: apply the Exif orientation of the file. A chip's portrait has none.

    Returns:
        RGB, 8 bits; grey is repeated, an alpha channel is dropped, 16 bits are scaled to 8.

    Raises:
        ImageError: not such a picture, truncated, or over the caps.
        ConfigurationError: a WSQ picture, and the extra ``wsq`` is not installed.

    Where many threads decode at once, they wait for one another at :func:`idverify.limits.set_limits`'s ``decoding``.
    """
    header = probe_image(data)
    if header.format not in formats:
        allowed = ", ".join(sorted(f.value for f in formats))
        raise ImageError(f"a {header.format.value} picture is not accepted here (allowed: {allowed})")
    own = {ImageFormat.JPEG2000: MAX_PIXELS_JPEG2000, ImageFormat.WSQ: MAX_PIXELS_WSQ}
    cap = min(max_pixels, own.get(header.format, max_pixels))
    check_size(header.width, header.height, max_pixels=cap)
    with limits.DECODING.share(working_bytes(header)):
        return _decode(bytes(data), header, cap, upright=upright)


def working_bytes(header: ImageHeader) -> int:
    """Memory that decoding such a picture takes, result included, at most about."""
    if header.format is ImageFormat.JPEG2000:  # four bytes a sample
        each = 8 + 4 * max(3, header.components)
    else:
        each = _WORKING_BYTES.get(header.format, 8)
    return header.width * header.height * each


def _decode(data: bytes, header: ImageHeader, cap: int, *, upright: bool) -> Image:
    if header.format is ImageFormat.WSQ:
        from idverify.biometric import _wsq_process

        return as_image(_wsq_process.decode(data, header), max_pixels=cap)
    cv2 = _cv2()
    raw = np.frombuffer(data, np.uint8)
    try:
        pixels = cv2.imdecode(raw, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except (cv2.error, MemoryError):
        pixels = None
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        raise ImageError(f"the {header.format.value} picture cannot be decoded; it is damaged")
    image = as_image(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), max_pixels=cap)
    return _turn(image, header.orientation) if upright else image


def _turn(image: Image, orientation: int) -> Image:
    """Undoes an Exif orientation (CIPA DC-008 4.6.4): 2 mirrored, 3 half turn, … 8 quarter turn."""
    if orientation == 1:
        return image
    pixels: NDArray[np.uint8] = image.transpose(1, 0, 2) if orientation >= 5 else image
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return Image(np.ascontiguousarray(pixels))


def _encode(extension: str, image: Image, parameters: list[int]) -> bytes:
    cv2 = _cv2()
    try:
        done, data = cv2.imencode(extension, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), parameters)
    except cv2.error:
        done, data = False, None
    if not done or data is None:
        raise ImageError(f"the picture cannot be written as {extension.removeprefix('.')}")
    return bytes(data.tobytes())


def encode_png(image: Image) -> bytes:
    """The picture as PNG, without loss."""
    return _encode(".png", image, [])


def encode_jpeg(image: Image, *, quality: int = 90) -> bytes:
    """The picture as baseline JPEG.

    Args:
        image: any picture.
        quality: 1 … 100.

    Raises:
        ConfigurationError: quality out of range.
    """
    if not 1 <= quality <= 100:
        raise ConfigurationError(f"JPEG quality is 1 to 100, not {quality}")
    return _encode(".jpg", image, [int(_cv2().IMWRITE_JPEG_QUALITY), quality])


def encode_jpeg2000(image: Image, *, max_bytes: int | None = None) -> bytes:
    """The picture as JP2; with ``max_bytes`` at the best quality that fits.

    Args:
        image: any picture.
        max_bytes: the size to stay within, such as 15 000 for a chip's portrait.

    Raises:
        ImageError: no compression reaches ``max_bytes``.
    """
    cv2 = _cv2()
    flag = int(cv2.IMWRITE_JPEG2000_COMPRESSION_X1000)
    if max_bytes is None:
        return _encode(".jp2", image, [flag, 1000])
    low, high, best = 1, 1000, b""
    while low <= high:
        middle = (low + high) // 2
        data = _encode(".jp2", image, [flag, middle])
        if len(data) <= max_bytes:
            best, low = data, middle + 1
        else:
            high = middle - 1
    if not best:
        raise ImageError(f"the picture cannot be written as JPEG 2000 of {max_bytes} bytes")
    return best


def encode_wsq(image: Image) -> bytes:
    """The picture in grey as WSQ at 0.75 bit a pixel, as finger images of 500 dpi are stored (IAFIS-IC-0110).

    Raises:
        ConfigurationError: the extra ``wsq`` is not installed.
        ImageError: the encoder refuses the picture.
    """
    from idverify.biometric import _wsq_process

    return _wsq_process.encode(_cv2().cvtColor(image, _cv2().COLOR_RGB2GRAY))
