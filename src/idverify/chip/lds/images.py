"""Kinds of encoded pictures inside biometric records, told by their first bytes. Nothing is decoded here."""

from __future__ import annotations

import enum
from typing import Final


class ImageFormat(enum.StrEnum):
    """Encoding of a picture; the value is its media type."""

    JPEG = "image/jpeg"
    JP2 = "image/jp2"
    J2K = "image/j2c"
    PNG = "image/png"
    WSQ = "image/x-wsq"
    PGM = "image/x-portable-graymap"
    PPM = "image/x-portable-pixmap"
    RAW = "application/octet-stream"

    @property
    def jpeg2000(self) -> bool:
        """Whether it is JPEG 2000: a JP2 file or a bare codestream."""
        return self in (ImageFormat.JP2, ImageFormat.J2K)


_SIGNATURES: Final = (
    (b"\xff\xd8\xff", ImageFormat.JPEG),  # ISO/IEC 10918-1 annex B
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", ImageFormat.JP2),  # ISO/IEC 15444-1 §I.5.1
    (b"\xff\x4f\xff\x51", ImageFormat.J2K),  # ISO/IEC 15444-1 §A.4
    (b"\x89PNG\r\n\x1a\n", ImageFormat.PNG),  # ISO/IEC 15948 §5.2
    (b"\xff\xa0\xff", ImageFormat.WSQ),  # IAFIS-IC-0110, start of image and a marker
    *((b"P5" + space, ImageFormat.PGM) for space in (b"\n", b" ", b"\t", b"\r")),  # Netpbm, pgm(5)
    *((b"P6" + space, ImageFormat.PPM) for space in (b"\n", b" ", b"\t", b"\r")),  # Netpbm, ppm(5)
)


def grey_map(pixels: bytes, width: int, height: int) -> bytes:
    """Raw grey pixels of 8 bits as PGM, which is what the parts of ISO/IEC 39794 hold instead of raw ones.

    Raises:
        ValueError: not ``width`` times ``height`` bytes.
    """
    if width * height != len(pixels) or not pixels:
        raise ValueError(f"{len(pixels)} bytes are not {width} x {height} pixels")
    return b"P5\n%d %d\n255\n" % (width, height) + pixels


def sniff(image: bytes) -> ImageFormat | None:
    """The format that the first bytes show, or None."""
    return next((form for magic, form in _SIGNATURES if image.startswith(magic)), None)
