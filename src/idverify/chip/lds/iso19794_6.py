"""Iris image record, ISO/IEC 19794-6, as DG4 holds it: the editions of 2005 (version 010, §6.5) and 2011 (020, §6).

ICAO 9303-10 §4.7.4 asks for the edition of 2005. The later one says format, size and depth with each representation,
which begins with the capture head of ISO/IEC 19794-1:2011.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final, Self

from idverify.chip.lds.images import ImageFormat, sniff
from idverify.errors import MalformedDataError
from idverify.formats.representation import SLACK, Capture, Reader, check_end, check_length

FORMAT_TYPE: Final = 0x0009
_MAGIC: Final = b"IIR\0"
_VERSION: Final = b"010\0"
_RECORD: Final = struct.Struct(">4s4sIHBHHHHHHBB16s")
_FEATURE: Final = struct.Struct(">BH")
_IMAGE: Final = struct.Struct(">HBHHI")
_VERSION_2011: Final = b"020\0"
_RECORD_2011: Final = struct.Struct(">4s4sIHBB")
_IMAGE_2011: Final = struct.Struct(">HBBBBHHBHHH12s")

MAX_IMAGES: Final = 16

IMAGE_FORMATS: Final = {
    0x02: "mono raw", 0x04: "RGB raw", 0x06: "mono JPEG", 0x08: "RGB JPEG",
    0x0A: "mono JPEG-LS", 0x0C: "RGB JPEG-LS", 0x0E: "mono JPEG 2000", 0x10: "RGB JPEG 2000",
}  # fmt: skip
"""Image formats (table 3)."""
IMAGE_FORMATS_2011: Final = {
    0x02: "mono raw", 0x04: "RGB raw", 0x06: "mono JPEG", 0x08: "RGB JPEG",
    0x0A: "mono JPEG 2000", 0x0C: "RGB JPEG 2000", 0x0E: "mono PNG", 0x10: "RGB PNG",
}  # fmt: skip
"""Image formats of the 2011 edition (its table 4)."""
EYES: Final = {0: "undefined", 1: "right", 2: "left"}
"""Biometric subtypes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IrisRepresentation:
    """What a representation of the 2011 edition says besides: the 2005 edition says some of it once, for the record.

    Attributes:
        capture: date, device, quality and certification records.
        image_type: 1 uncropped, 2 VGA, 3 cropped, 7 cropped and masked.
        format_code: code of :data:`IMAGE_FORMATS_2011`.
        properties: bits of orientation and of earlier compression.
        width, height: pixels.
        depth: bits a pixel.
        range: distance of camera and eye in millimetres; 0 unassigned, 1 failed.
        localisation: least and greatest centre x, centre y and diameter of the iris, 12 bytes.
        extended: bytes after the picture, as they are.
    """

    capture: Capture = field(default_factory=Capture)
    image_type: int = 1
    format_code: int = 0x0A
    properties: int = 0
    width: int = 0
    height: int = 0
    depth: int = 8
    range: int = 0
    localisation: bytes = field(default=bytes(12), repr=False)
    extended: bytes = field(default=b"", repr=False)


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
        representation: what only the 2011 edition says; None in the edition of 2005.
    """

    image: bytes = field(repr=False)
    image_format: ImageFormat
    eye: int
    number: int = 1
    quality: int = 254
    rotation: int = 0xFFFF
    rotation_uncertainty: int = 0xFFFF
    representation: IrisRepresentation | None = None

    def encode(self) -> bytes:
        """Image header and image data, edition of 2005."""
        return (
            _IMAGE.pack(self.number, self.quality, self.rotation, self.rotation_uncertainty, len(self.image))
            + self.image
        )

    def encode_2011(self, *, certified: bool = False) -> bytes:
        """The representation, edition of 2011.

        Raises:
            ValueError: a number that does not fit its field.
        """
        more = self.representation or IrisRepresentation()
        try:
            header = more.capture.encode(certified=certified) + _IMAGE_2011.pack(
                self.number,
                self.eye,
                more.image_type,
                more.format_code,
                more.properties,
                more.width,
                more.height,
                more.depth,
                more.range,
                self.rotation,
                self.rotation_uncertainty,
                more.localisation,
            )
            body = header + struct.pack(">I", len(self.image)) + self.image + more.extended
            return struct.pack(">I", 4 + len(body)) + body
        except struct.error:
            raise ValueError("a number does not fit its field") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class IrisImageRecord:
    """An iris image record.

    An edition of 2011 is one whose images have a ``representation``; the other fields of the record but ``certified``
    are then not used.

    Attributes:
        images: at least one; in the edition of 2005 those of one eye together.
        capture_device: vendor's identifier.
        properties: bit field of orientation, scan type and processing.
        diameter: expected iris diameter in pixels.
        format_code: code of :data:`IMAGE_FORMATS`.
        width, height: pixels of the raw image.
        depth: intensity depth in bits.
        transform: image transformation.
        device_id: 16 bytes.
        certified: certification flag of the 2011 edition.
        problems: deviations that did not hinder reading.
    """

    images: tuple[IrisImage, ...]
    capture_device: int = 0
    properties: int = 0
    diameter: int = 0
    format_code: int = 0x10
    width: int = 0
    height: int = 0
    depth: int = 24
    transform: int = 0
    device_id: bytes = field(default=bytes(16), repr=False)
    certified: bool = False
    problems: tuple[str, ...] = field(default=(), compare=False)

    @property
    def edition(self) -> int:
        """2005 or 2011."""
        return 2011 if any(i.representation for i in self.images) else 2005

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a record; declared lengths up to :data:`SLACK` bytes off are tolerated.

        Raises:
            MalformedDataError: no iris image record of version 010 or 020, no image, or lengths that do not fit.
        """
        what = "iris image record"
        if data[:8] == _MAGIC + _VERSION_2011:
            return cls._parse_2011(data)
        if len(data) < _RECORD.size:
            raise MalformedDataError(f"{what}: {len(data)} bytes are no record")
        magic, version, length, device, eyes, header, properties, diameter, code, width, height, *rest = (
            _RECORD.unpack_from(data)
        )
        depth, transform, device_id = rest
        if magic != _MAGIC:
            raise MalformedDataError(f"{what}: the format identifier is not IIR")
        if version != _VERSION:
            raise MalformedDataError(f"{what}: the version is neither 010 nor 020")
        if header != _RECORD.size:
            raise MalformedDataError(f"{what}: a header of {header} bytes; expected {_RECORD.size}")
        problems: list[str] = []
        check_length(length, data, what, problems)
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

    @classmethod
    def _parse_2011(cls, data: bytes) -> Self:
        what = "iris image record"
        reader = Reader(data, what)
        _, _, length, count, flag, _ = _RECORD_2011.unpack(reader.take(_RECORD_2011.size))
        if not 1 <= count <= MAX_IMAGES:
            raise MalformedDataError(f"{what}: {count} images; expected 1 to {MAX_IMAGES}")
        problems: list[str] = []
        check_length(length, data, what, problems)
        images = tuple(_image_2011(reader, bool(flag), problems) for _ in range(count))
        check_end(reader.left, what, problems)
        return cls(images=images, certified=bool(flag), problems=tuple(dict.fromkeys(problems)))

    def _encode_2011(self) -> bytes:
        body = b"".join(i.encode_2011(certified=self.certified) for i in self.images)
        size, eyes = _RECORD_2011.size + len(body), len({i.eye for i in self.images})
        return _RECORD_2011.pack(_MAGIC, _VERSION_2011, size, len(self.images), self.certified, eyes) + body

    def encode(self) -> bytes:
        """The record in its edition."""
        if self.edition == 2011:
            return self._encode_2011()
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


def _image_2011(reader: Reader, certified: bool, problems: list[str]) -> IrisImage:
    start = reader.at
    length = reader.number(4)
    capture = Capture.read(reader, certified=certified)
    number, eye, kind, code, properties, width, height, *rest = _IMAGE_2011.unpack(reader.take(_IMAGE_2011.size))
    depth, distance, rotation, uncertainty, localisation = rest
    image = reader.picture(problems)
    extended = reader.rest(start, length, problems)
    if code not in IMAGE_FORMATS_2011:
        problems.append("the image format is not a code of the standard")
    return IrisImage(
        image=image,
        image_format=sniff(image) or ImageFormat.RAW,
        eye=eye,
        number=number,
        quality=capture.quality,
        rotation=rotation,
        rotation_uncertainty=uncertainty,
        representation=IrisRepresentation(
            capture=capture,
            image_type=kind,
            format_code=code,
            properties=properties,
            width=width,
            height=height,
            depth=depth,
            range=distance,
            localisation=localisation,
            extended=extended,
        ),
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
    check_end(len(data) - position, what, problems, after="image")
    return tuple(images)
