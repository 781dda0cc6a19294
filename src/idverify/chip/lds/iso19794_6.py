"""Iris image record, ISO/IEC 19794-6:2005 (version 010, §6.5), as DG4 holds it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final, Self

from idverify.chip.lds.images import ImageFormat, sniff
from idverify.errors import MalformedDataError

FORMAT_TYPE: Final = 0x0009
_MAGIC: Final = b"IIR\0"
_VERSION: Final = b"010\0"
_RECORD: Final = struct.Struct(">4s4sIHBHHHHHHBB16s")
_FEATURE: Final = struct.Struct(">BH")
_IMAGE: Final = struct.Struct(">HBHHI")

SLACK: Final = 8
MAX_IMAGES: Final = 16

IMAGE_FORMATS: Final = {
    0x02: "mono raw", 0x04: "RGB raw", 0x06: "mono JPEG", 0x08: "RGB JPEG",
    0x0A: "mono JPEG-LS", 0x0C: "RGB JPEG-LS", 0x0E: "mono JPEG 2000", 0x10: "RGB JPEG 2000",
}  # fmt: skip
"""Image formats (table 3)."""
EYES: Final = {0: "undefined", 1: "right", 2: "left"}
"""Biometric subtypes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IrisImage:
    """One iris image.

    Attributes:
        image: the picture's bytes, personal data.
        image_format: what the picture's first bytes show; RAW otherwise.
        eye: 1 right, 2 left, 0 undefined.
        number: sequence number.
        quality: 0 … 100, or 254.
        rotation, rotation_uncertainty: 65535 is undefined.
    """

    image: bytes = field(repr=False)
    image_format: ImageFormat
    eye: int
    number: int = 1
    quality: int = 254
    rotation: int = 0xFFFF
    rotation_uncertainty: int = 0xFFFF

    def encode(self) -> bytes:
        """Image header and image data."""
        return (
            _IMAGE.pack(self.number, self.quality, self.rotation, self.rotation_uncertainty, len(self.image))
            + self.image
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IrisImageRecord:
    """An iris image record.

    Attributes:
        images: at least one, those of one eye together.
        capture_device: vendor's identifier.
        properties: bit field of orientation, scan type and processing.
        diameter: expected iris diameter in pixels.
        format_code: code of :data:`IMAGE_FORMATS`.
        width, height: pixels of the raw image.
        depth: intensity depth in bits.
        transform: image transformation.
        device_id: 16 bytes.
        problems: deviations that did not hinder reading.
    """

    images: tuple[IrisImage, ...]
    capture_device: int = 0
    properties: int = 0
    diameter: int = 0
    format_code: int = 0x10
    width: int
    height: int
    depth: int = 24
    transform: int = 0
    device_id: bytes = field(default=bytes(16), repr=False)
    problems: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a record; declared lengths up to :data:`SLACK` bytes off are tolerated.

        Raises:
            MalformedDataError: no iris image record of version 010, no image, or lengths that do not fit.
        """
        what = "iris image record"
        if len(data) < _RECORD.size:
            raise MalformedDataError(f"{what}: {len(data)} bytes are no record")
        magic, version, length, device, eyes, header, properties, diameter, code, width, height, *rest = (
            _RECORD.unpack_from(data)
        )
        depth, transform, device_id = rest
        if magic != _MAGIC:
            raise MalformedDataError(f"{what}: the format identifier is not IIR")
        if version != _VERSION:
            raise MalformedDataError(f"{what}: the version is not 010")
        if header != _RECORD.size:
            raise MalformedDataError(f"{what}: a header of {header} bytes; expected {_RECORD.size}")
        problems: list[str] = []
        if length != len(data):
            if abs(length - len(data)) > SLACK:
                raise MalformedDataError(f"{what}: it declares {length} bytes and has {len(data)}")
            problems.append("the declared length of the record is wrong")
        if code not in IMAGE_FORMATS:
            problems.append("the image format is not a code of the standard")
        images = _images(data, eyes, problems)
        return cls(
            images=images,
            capture_device=device,
            properties=properties,
            diameter=diameter,
            format_code=code,
            width=width,
            height=height,
            depth=depth,
            transform=transform,
            device_id=device_id,
            problems=tuple(problems),
        )

    def encode(self) -> bytes:
        """The record, version 010."""
        eyes = tuple(dict.fromkeys(i.eye for i in self.images))
        body = b""
        for eye in eyes:
            own = [i for i in self.images if i.eye == eye]
            body += _FEATURE.pack(eye, len(own)) + b"".join(i.encode() for i in own)
        return (
            _RECORD.pack(
                _MAGIC,
                _VERSION,
                _RECORD.size + len(body),
                self.capture_device,
                len(eyes),
                _RECORD.size,
                self.properties,
                self.diameter,
                self.format_code,
                self.width,
                self.height,
                self.depth,
                self.transform,
                self.device_id,
            )
            + body
        )


def _images(data: bytes, eyes: int, problems: list[str]) -> tuple[IrisImage, ...]:
    what = "iris image record"
    images: list[IrisImage] = []
    position = _RECORD.size
    for _ in range(eyes):
        if position + _FEATURE.size > len(data):
            raise MalformedDataError(f"{what}: cut off in a feature header")
        eye, count = _FEATURE.unpack_from(data, position)
        position += _FEATURE.size
        if len(images) + count > MAX_IMAGES:
            raise MalformedDataError(f"{what}: more than {MAX_IMAGES} images")
        for _ in range(count):
            if position + _IMAGE.size > len(data):
                raise MalformedDataError(f"{what}: cut off in an image header")
            number, quality, rotation, uncertainty, length = _IMAGE.unpack_from(data, position)
            position += _IMAGE.size
            end = position + length
            if end > len(data):
                if end - len(data) > SLACK:
                    raise MalformedDataError(f"{what}: an image declares {length} bytes, more than there are")
                problems.append("the declared length of an image is wrong")
                end = len(data)
            image = data[position:end]
            if not image:
                raise MalformedDataError(f"{what}: an eye has no picture")
            images.append(
                IrisImage(
                    image=image,
                    image_format=sniff(image) or ImageFormat.RAW,
                    eye=eye,
                    number=number,
                    quality=quality,
                    rotation=rotation,
                    rotation_uncertainty=uncertainty,
                )
            )
            position = end
    if not images:
        raise MalformedDataError(f"{what}: no image inside")
    if position < len(data):
        if len(data) - position > SLACK:
            raise MalformedDataError(f"{what}: {len(data) - position} bytes follow the last image")
        problems.append("bytes follow the last image")
    return tuple(images)
