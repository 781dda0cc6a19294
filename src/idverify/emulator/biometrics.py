"""Fingers and irises of emulated documents: DG3 and DG4 from pictures, and test patterns where none are given.

The patterns have ridges and rings so that programs have something to show; they are no fingerprints and match nobody.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Final

from idverify.chip.lds.dg3 import DG3
from idverify.chip.lds.dg4 import DG4
from idverify.chip.lds.images import ImageFormat, sniff
from idverify.chip.lds.iso19794_4 import FingerImage, FingerImageRecord, FingerRepresentation
from idverify.chip.lds.iso19794_6 import IrisImage, IrisImageRecord, IrisRepresentation
from idverify.emulator._random import Seed, SeededRandom
from idverify.emulator.portrait import image_size
from idverify.errors import ConfigurationError, MalformedDataError

_COMPRESSION: Final = {
    ImageFormat.WSQ: 2,
    ImageFormat.JPEG: 3,
    ImageFormat.JP2: 4,
    ImageFormat.J2K: 4,
    ImageFormat.PNG: 5,
}
_COMPRESSION_2011: Final = {**_COMPRESSION, ImageFormat.PNG: 6}
_IRIS_FORMAT_2011: Final = {
    ImageFormat.JPEG: 0x06,
    ImageFormat.JP2: 0x0A,
    ImageFormat.J2K: 0x0A,
    ImageFormat.PNG: 0x0E,
    ImageFormat.RAW: 0x02,
}
_IRIS_CAPTURED: Final = (2026, 1, 2)  # ISO/IEC 39794-6 asks for a date; a fixed one keeps cards of a seed the same
_IRIS_FORMAT: Final = {ImageFormat.JPEG: 0x06, ImageFormat.JP2: 0x0E, ImageFormat.J2K: 0x0E}
_IRIS_RAW: Final = 0x02
_IRIS_SIDE: Final = 64


def dg3(fingers: Mapping[int, bytes], *, resolution: int = 500, encoding: str = "19794-4") -> bytes:
    """DG3 with one record a finger.

    Args:
        fingers: finger position 1 … 10 (right thumb first) to a WSQ, PNG, JPEG or JPEG 2000 picture.
        resolution: pixels an inch.
        encoding: ``19794-4`` (edition of 2005), ``19794-4:2011`` or ``39794-4``, which has no JPEG.

    Raises:
        ConfigurationError: a picture of another kind.
    """
    records = []
    density = (resolution, resolution)
    for position, picture in fingers.items():
        form = sniff(picture)
        if form not in _COMPRESSION:
            raise ConfigurationError("a finger's picture must be WSQ, PNG, JPEG or JPEG 2000")
        width, height = image_size(picture)
        later = FingerRepresentation(
            compression=_COMPRESSION_2011[form], scan_resolution=density, image_resolution=density
        )
        image = FingerImage(
            image=picture,
            image_format=form,
            position=position,
            width=width,
            height=height,
            representation=later if encoding == "19794-4:2011" else None,
        )
        code = _COMPRESSION[form]
        records.append(
            FingerImageRecord(images=(image,), compression=code, scan_resolution=density, image_resolution=density)
        )
    try:
        return DG3.encode(records, extensible=encoding == "39794-4")
    except MalformedDataError as error:
        raise ConfigurationError(str(error)) from None


def dg4(irises: Mapping[int, bytes], *, encoding: str = "19794-6") -> bytes:
    """DG4 with one record an eye.

    Args:
        irises: eye (1 right, 2 left) to a JPEG or JPEG 2000 picture, to PNG in the later encodings, or to 64 × 64 raw
            grey pixels.
        encoding: ``19794-6`` (edition of 2005), ``19794-6:2011`` or ``39794-6``, which has no JPEG.

    Raises:
        ConfigurationError: a picture of another kind.
    """
    records = []
    for eye, picture in irises.items():
        form = sniff(picture) or ImageFormat.RAW
        raw = form is ImageFormat.RAW and len(picture) == _IRIS_SIDE * _IRIS_SIDE
        later = form is ImageFormat.PNG and encoding != "19794-6"
        if not raw and not later and form not in _IRIS_FORMAT:
            raise ConfigurationError("an iris picture must be JPEG, JPEG 2000, or 64 × 64 raw pixels")
        width, height = (_IRIS_SIDE, _IRIS_SIDE) if raw else image_size(picture)
        more = IrisRepresentation(format_code=_IRIS_FORMAT_2011[form], width=width, height=height)
        image = IrisImage(
            image=picture, image_format=form, eye=eye, representation=more if encoding == "19794-6:2011" else None
        )
        records.append(
            IrisImageRecord(
                images=(image,),
                format_code=_IRIS_RAW if raw else _IRIS_FORMAT.get(form, _IRIS_RAW),
                width=width,
                height=height,
                depth=8,
            )
        )
    try:
        return DG4.encode(records, extensible=encoding == "39794-6", captured=_IRIS_CAPTURED)
    except MalformedDataError as error:
        raise ConfigurationError(str(error)) from None


def finger_pattern(seed: Seed, *, width: int = 120, height: int = 160) -> bytes:
    """A grey PNG with ridge-like waves around a centre; the same for the same seed."""
    rng = SeededRandom(seed, "finger pattern")
    centre_x, centre_y = rng.between(width // 3, 2 * width // 3), rng.between(height // 3, 2 * height // 3)
    stretch, phase, twist = 1 + rng.below(40) / 100, rng.below(628) / 100, rng.below(100) / 50 - 1

    def pixel(x: int, y: int) -> int:
        dx, dy = x - centre_x, (y - centre_y) / stretch
        wave = math.cos(math.hypot(dx, dy) * 0.7 + twist * math.atan2(dy, dx) + phase)
        return int(128 + 110 * wave)

    return _png(width, height, pixel)


def iris_pattern(seed: Seed) -> bytes:
    """64 × 64 grey pixels with rings; the same for the same seed."""
    rng = SeededRandom(seed, "iris pattern")
    phase = rng.below(628) / 100
    half = _IRIS_SIDE / 2
    return bytes(
        int(128 + 100 * math.cos(math.hypot(x - half, y - half) * 0.9 + phase))
        for y in range(_IRIS_SIDE)
        for x in range(_IRIS_SIDE)
    )


def _png(width: int, height: int, pixel: Callable[[int, int], int]) -> bytes:
    """An 8-bit grey PNG (ISO/IEC 15948)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(pixel(x, y) for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
