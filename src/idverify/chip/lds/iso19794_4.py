"""Finger image record, ISO/IEC 19794-4:2005 (version 010, §7 and §8), as DG3 holds it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final, Self

from idverify.chip.lds.images import ImageFormat, sniff
from idverify.errors import MalformedDataError

FORMAT_TYPE: Final = 0x0007
_MAGIC: Final = b"FIR\0"
_VERSION: Final = b"010\0"
_RECORD: Final = struct.Struct(">4s4s6sHHBBHHHHBBH")
_VIEW: Final = struct.Struct(">IBBBBBHHB")

SLACK: Final = 8
MAX_IMAGES: Final = 32

COMPRESSION: Final = {
    0: "uncompressed",
    1: "uncompressed, bit packed",
    2: "WSQ",
    3: "JPEG",
    4: "JPEG 2000",
    5: "PNG",
}
"""Image compression algorithms (table 5)."""
_FORMATS: Final = {
    0: (ImageFormat.RAW,),
    1: (ImageFormat.RAW,),
    2: (ImageFormat.WSQ,),
    3: (ImageFormat.JPEG,),
    4: (ImageFormat.JP2, ImageFormat.J2K),
    5: (ImageFormat.PNG,),
}

POSITIONS: Final = (
    "unknown", "right thumb", "right index", "right middle", "right ring", "right little",
    "left thumb", "left index", "left middle", "left ring", "left little",
)  # fmt: skip
"""Finger positions 0 to 10 (table 6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerImage:
    """One finger (or palm) image.

    Attributes:
        image: the picture's bytes, personal data.
        image_format: the picture's encoding; RAW for uncompressed pixels.
        position: finger position code, 1 right thumb … 10 left little; 13 to 15 several fingers.
        width, height: pixels.
        view_count, view_number: views of this finger, and which one this is (from 1).
        quality: 0 … 100; 254 undefined.
        impression_type: code of table 7; 0 live-scan plain.
        reserved: the reserved byte.
    """

    image: bytes = field(repr=False)
    image_format: ImageFormat
    position: int
    width: int
    height: int
    view_count: int = 1
    view_number: int = 1
    quality: int = 254
    impression_type: int = 0
    reserved: int = 0

    @property
    def position_name(self) -> str:
        """Words for the position."""
        return POSITIONS[self.position] if self.position < len(POSITIONS) else f"position {self.position}"

    def encode(self) -> bytes:
        """Finger image header and image data."""
        header = _VIEW.pack(
            _VIEW.size + len(self.image),
            self.position,
            self.view_count,
            self.view_number,
            self.quality,
            self.impression_type,
            self.width,
            self.height,
            self.reserved,
        )
        return header + self.image


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerImageRecord:
    """A finger image record.

    Attributes:
        images: at least one.
        capture_device: vendor's identifier.
        acquisition_level: image acquisition level; 31 is 500 dpi.
        scale_units: 1 pixels an inch, 2 pixels a centimetre.
        scan_resolution, image_resolution: horizontal and vertical, in the scale units.
        depth: bits a pixel.
        compression: code of :data:`COMPRESSION`.
        reserved: the reserved bytes as a number.
        problems: deviations that did not hinder reading.
    """

    images: tuple[FingerImage, ...]
    capture_device: int = 0
    acquisition_level: int = 31
    scale_units: int = 1
    scan_resolution: tuple[int, int] = (500, 500)
    image_resolution: tuple[int, int] = (500, 500)
    depth: int = 8
    compression: int = 2
    reserved: int = 0
    problems: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a record; declared lengths up to :data:`SLACK` bytes off are tolerated.

        Raises:
            MalformedDataError: no finger image record of version 010, no image, or lengths that do not fit.
        """
        what = "finger image record"
        if len(data) < _RECORD.size:
            raise MalformedDataError(f"{what}: {len(data)} bytes are no record")
        magic, version, length, device, level, count, units, *rest = _RECORD.unpack_from(data)
        if magic != _MAGIC:
            raise MalformedDataError(f"{what}: the format identifier is not FIR")
        if version != _VERSION:
            raise MalformedDataError(f"{what}: the version is not 010")
        if not 1 <= count <= MAX_IMAGES:
            raise MalformedDataError(f"{what}: {count} fingers; expected 1 to {MAX_IMAGES}")
        scan_x, scan_y, image_x, image_y, depth, compression, reserved = rest
        problems: list[str] = []
        declared = int.from_bytes(length, "big")
        if declared != len(data):
            if abs(declared - len(data)) > SLACK:
                raise MalformedDataError(f"{what}: it declares {declared} bytes and has {len(data)}")
            problems.append("the declared length of the record is wrong")
        images = _images(data, count, compression, problems)
        return cls(
            images=images,
            capture_device=device,
            acquisition_level=level,
            scale_units=units,
            scan_resolution=(scan_x, scan_y),
            image_resolution=(image_x, image_y),
            depth=depth,
            compression=compression,
            reserved=reserved,
            problems=tuple(problems),
        )

    def encode(self) -> bytes:
        """The record, version 010. Fingers are counted by their positions."""
        body = b"".join(i.encode() for i in self.images)
        fingers = len({i.position for i in self.images})
        return (
            _RECORD.pack(
                _MAGIC,
                _VERSION,
                (_RECORD.size + len(body)).to_bytes(6, "big"),
                self.capture_device,
                self.acquisition_level,
                fingers,
                self.scale_units,
                *self.scan_resolution,
                *self.image_resolution,
                self.depth,
                self.compression,
                self.reserved,
            )
            + body
        )


def _images(data: bytes, fingers: int, compression: int, problems: list[str]) -> tuple[FingerImage, ...]:
    """Every view of ``fingers`` fingers; one whose length is off by a few bytes must be the last."""
    what = "finger image record"
    images: list[FingerImage] = []
    position = _RECORD.size
    for _ in range(fingers):
        views = 1
        number = 0
        while number < views:
            if len(images) >= MAX_IMAGES:
                raise MalformedDataError(f"{what}: more than {MAX_IMAGES} images")
            if position + _VIEW.size > len(data):
                raise MalformedDataError(f"{what}: cut off in a finger image header")
            length, finger, views, view, quality, impression, width, height, reserved = _VIEW.unpack_from(
                data, position
            )
            end = position + length
            if end > len(data):
                if end - len(data) > SLACK:
                    raise MalformedDataError(f"{what}: an image declares {length} bytes, more than there are")
                problems.append("the declared length of an image is wrong")
                end = len(data)
            image = data[position + _VIEW.size : end]
            if not image:
                raise MalformedDataError(f"{what}: a finger has no picture")
            found = ImageFormat.RAW if compression in (0, 1) else sniff(image)
            allowed = _FORMATS.get(compression, ())
            if found not in allowed:
                problems.append("the compression algorithm is not that of the picture")
            images.append(
                FingerImage(
                    image=image,
                    image_format=found or (allowed[0] if allowed else ImageFormat.RAW),
                    position=finger,
                    width=width,
                    height=height,
                    view_count=views,
                    view_number=view,
                    quality=quality,
                    impression_type=impression,
                    reserved=reserved,
                )
            )
            position = end
            number += 1
    if position < len(data):
        if len(data) - position > SLACK:
            raise MalformedDataError(f"{what}: {len(data) - position} bytes follow the last image")
        problems.append("bytes follow the last image")
    return tuple(images)
