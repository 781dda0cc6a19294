"""Pictures for DG2: the size of an encoded one, and chip-sized ones made from any."""

from __future__ import annotations

from importlib import resources
from typing import Any, Final, Literal

from idverify.chip.lds.images import ImageFormat, sniff
from idverify.errors import ConfigurationError

_NO_SIZE: Final = (0, 0)
_START_OF_FRAME: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def default_portrait() -> bytes:
    """The demonstration's portrait in chip size; its source stands in ``pictures/SOURCES.md``."""
    return resources.files("idverify.emulator").joinpath("pictures", "chip.jpg").read_bytes()


def image_size(image: bytes) -> tuple[int, int]:
    """Width and height in pixels of a JPEG, JPEG 2000, PNG or WSQ picture; (0, 0) where it is not understood."""
    form = sniff(image)
    if form is ImageFormat.JPEG:
        return _jpeg_size(image)
    if form is ImageFormat.J2K or form is ImageFormat.JP2:
        at = image.find(b"\xff\x4f\xff\x51")  # SIZ follows SOC (ISO/IEC 15444-1 §A.5.1)
        if at < 0 or len(image) < at + 24:
            return _NO_SIZE
        x1, y1, x0, y0 = (int.from_bytes(image[at + 8 + 4 * i : at + 12 + 4 * i], "big") for i in range(4))
        return max(0, x1 - x0), max(0, y1 - y0)
    if form is ImageFormat.PNG and len(image) >= 24:  # ISO/IEC 15948 §11.2.2
        return int.from_bytes(image[16:20], "big"), int.from_bytes(image[20:24], "big")
    if form is ImageFormat.WSQ:  # IAFIS-IC-0110, frame header
        at = image.find(b"\xff\xa2")
        if 0 < at <= len(image) - 10:
            return int.from_bytes(image[at + 8 : at + 10], "big"), int.from_bytes(image[at + 6 : at + 8], "big")
    return _NO_SIZE


def chip_portrait(
    image: bytes,
    *,
    width: int = 240,
    height: int = 320,
    max_bytes: int = 20_000,
    form: Literal["jpeg", "jp2", "j2k"] = "jpeg",
) -> bytes:
    """A picture as chips hold it: cut to its middle, shrunk, compressed. Needs OpenCV.

    Args:
        image: any encoded picture that OpenCV reads.
        width, height: size in pixels.
        max_bytes: greatest size of the result.
        form: JPEG, JPEG 2000, or its bare code stream.

    Raises:
        ConfigurationError: the picture cannot be read, or not be made that small.
    """
    import cv2
    import numpy as np

    pixels: Any = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ConfigurationError("the portrait is no picture that can be read")
    rows, columns = pixels.shape[:2]
    wide, high = (
        (columns, columns * height // width) if columns * height < rows * width else (rows * width // height, rows)
    )
    top, left = (rows - high) // 3, (columns - wide) // 2
    small = cv2.resize(pixels[top : top + high, left : left + wide], (width, height), interpolation=cv2.INTER_AREA)
    suffix = {"jpeg": ".jpg", "jp2": ".jp2", "j2k": ".jp2"}[form]
    option = cv2.IMWRITE_JPEG_QUALITY if form == "jpeg" else cv2.IMWRITE_JPEG2000_COMPRESSION_X1000
    for quality in (95, 90, 85, 80, 75, 70, 60, 50, 40, 30, 20, 10):
        done, encoded = cv2.imencode(suffix, small, [option, quality])
        out = bytes(encoded) if done else b""
        if form == "j2k":
            out = out[max(0, out.find(b"\xff\x4f\xff\x51")) :]
        if done and len(out) <= max_bytes:
            return out
    raise ConfigurationError(f"the portrait cannot be compressed to {max_bytes} bytes")


def _jpeg_size(image: bytes) -> tuple[int, int]:
    """From the frame header (ITU-T T.81 §B.2.2)."""
    at = 2
    while at + 9 <= len(image) and image[at] == 0xFF:
        marker, length = image[at + 1], int.from_bytes(image[at + 2 : at + 4], "big")
        if marker in _START_OF_FRAME:
            return int.from_bytes(image[at + 7 : at + 9], "big"), int.from_bytes(image[at + 5 : at + 7], "big")
        at += 2 + length
    return _NO_SIZE
