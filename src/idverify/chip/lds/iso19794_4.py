"""Finger image record, ISO/IEC 19794-4, as DG3 holds it: the editions of 2005 (version 010, §7, §8) and 2011 (020, §8).

ICAO 9303-10 §4.7.3 asks for the edition of 2005. The later one moves resolution, depth and compression from the record
to each representation, which begins with the capture head of ISO/IEC 19794-1:2011.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final, Self

from idverify.chip.lds.images import ImageFormat, sniff
from idverify.errors import MalformedDataError
from idverify.formats.representation import SLACK, Capture, Reader, check_end, check_length

FORMAT_TYPE: Final = 0x0007
_MAGIC: Final = b"FIR\0"
_VERSION: Final = b"010\0"
_RECORD: Final = struct.Struct(">4s4s6sHHBBHHHHBBH")
_VIEW: Final = struct.Struct(">IBBBBBHHB")
_VERSION_2011: Final = b"020\0"
_RECORD_2011: Final = struct.Struct(">4s4sIHBB")
_IMAGE_2011: Final = struct.Struct(">BBBHHHHBBBHH")

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

COMPRESSION_2011: Final = {
    0: "uncompressed",
    1: "uncompressed, bit packed",
    2: "WSQ",
    3: "JPEG",
    4: "JPEG 2000, lossy",
    5: "JPEG 2000, lossless",
    6: "PNG",
}
"""Image compression algorithms of the 2011 edition (its table 9)."""
_FORMATS_2011: Final = {**_FORMATS, 5: _FORMATS[4], 6: _FORMATS[5]}
_PER_CENTIMETRE: Final = 2

POSITIONS: Final = (
    "unknown", "right thumb", "right index", "right middle", "right ring", "right little",
    "left thumb", "left index", "left middle", "left ring", "left little",
)  # fmt: skip
"""Finger positions 0 to 10 (table 6)."""


def position_name(position: int) -> str:
    """Words for a finger position; ISO/IEC 39794-4 has the same codes."""
    return POSITIONS[position] if position < len(POSITIONS) else f"position {position}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerRepresentation:
    """What a representation of the 2011 edition says besides: the 2005 edition says it once, for the record.

    Attributes:
        capture: date, device, quality and certification records.
        scale_units: 1 pixels an inch, 2 pixels a centimetre.
        scan_resolution, image_resolution: horizontal and vertical, in the scale units.
        depth: bits a pixel.
        compression: code of :data:`COMPRESSION_2011`.
        extended: extended data blocks (segmentation, annotation, comment), as they are; personal data.
    """

    capture: Capture = field(default_factory=Capture)
    scale_units: int = 1
    scan_resolution: tuple[int, int] = (500, 500)
    image_resolution: tuple[int, int] = (500, 500)
    depth: int = 8
    compression: int = 2
    extended: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerImage:
    """One finger (or palm) image.

    Attributes:
        image: the picture's bytes, personal data.
        image_format: the picture's encoding; RAW for uncompressed pixels.
        position: finger position code, 1 right thumb … 10 left little; 13 to 15 several fingers.
        width, height: pixels.
        view_count, view_number: views of this finger, and which one this is (from 1); the 2011 edition has no count.
        quality: 0 … 100; 254 undefined. Of the 2011 edition, the first score of its quality records.
        impression_type: code of table 7; 0 live-scan plain.
        reserved: the reserved byte.
        representation: what only the 2011 edition says; None in the edition of 2005.
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
    representation: FingerRepresentation | None = None

    @property
    def position_name(self) -> str:
        """Words for the position."""
        return position_name(self.position)

    def encode(self) -> bytes:
        """Finger image header and image data, edition of 2005."""
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

    def encode_2011(self, *, certified: bool = False) -> bytes:
        """The representation, edition of 2011.

        Args:
            certified: whether the record's certification flag is set.

        Raises:
            ValueError: a number that does not fit its field.
        """
        more = self.representation or FingerRepresentation()
        try:
            header = more.capture.encode(certified=certified) + _IMAGE_2011.pack(
                self.position,
                self.view_number,
                more.scale_units,
                *more.scan_resolution,
                *more.image_resolution,
                more.depth,
                more.compression,
                self.impression_type,
                self.width,
                self.height,
            )
            body = header + struct.pack(">I", len(self.image)) + self.image + more.extended
            return struct.pack(">I", 4 + len(body)) + body
        except struct.error:
            raise ValueError("a number does not fit its field") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerImageRecord:
    """A finger image record.

    An edition of 2011 is one whose images have a ``representation``; the fields of the record about resolution, depth
    and compression are then not used.

    Attributes:
        images: at least one.
        capture_device: vendor's identifier.
        acquisition_level: image acquisition level; 31 is 500 dpi.
        scale_units: 1 pixels an inch, 2 pixels a centimetre.
        scan_resolution, image_resolution: horizontal and vertical, in the scale units.
        depth: bits a pixel.
        compression: code of :data:`COMPRESSION`.
        reserved: the reserved bytes as a number.
        certified: certification flag of the 2011 edition.
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
    certified: bool = False
    problems: tuple[str, ...] = field(default=(), compare=False)

    @property
    def edition(self) -> int:
        """2005 or 2011."""
        return 2011 if any(i.representation for i in self.images) else 2005

    def pixels_per_inch(self, image: FingerImage) -> tuple[float, float]:
        """Horizontal and vertical resolution of one of its images as the record says; it may lie."""
        source: FingerRepresentation | FingerImageRecord = image.representation or self
        factor = 2.54 if source.scale_units == _PER_CENTIMETRE else 1.0
        return source.image_resolution[0] * factor, source.image_resolution[1] * factor

    def compression_name(self, image: FingerImage) -> str:
        """Words for the compression algorithm of one of its images."""
        if image.representation is not None:
            return COMPRESSION_2011.get(image.representation.compression, "unknown")
        return COMPRESSION.get(self.compression, "unknown")

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a record; declared lengths up to :data:`SLACK` bytes off are tolerated.

        Raises:
            MalformedDataError: no finger image record of version 010 or 020, no image, or lengths that do not fit.
        """
        what = "finger image record"
        if data[:8] == _MAGIC + _VERSION_2011:
            return cls._parse_2011(data)
        if len(data) < _RECORD.size:
            raise MalformedDataError(f"{what}: {len(data)} bytes are no record")
        magic, version, length, device, level, count, units, *rest = _RECORD.unpack_from(data)
        if magic != _MAGIC:
            raise MalformedDataError(f"{what}: the format identifier is not FIR")
        if version != _VERSION:
            raise MalformedDataError(f"{what}: the version is neither 010 nor 020")
        if not 1 <= count <= MAX_IMAGES:
            raise MalformedDataError(f"{what}: {count} fingers; expected 1 to {MAX_IMAGES}")
        scan_x, scan_y, image_x, image_y, depth, compression, reserved = rest
        problems: list[str] = []
        check_length(int.from_bytes(length, "big"), data, what, problems)
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

    @classmethod
    def _parse_2011(cls, data: bytes) -> Self:
        what = "finger image record"
        reader = Reader(data, what)
        _, _, length, count, flag, _ = _RECORD_2011.unpack(reader.take(_RECORD_2011.size))
        if not 1 <= count <= MAX_IMAGES:
            raise MalformedDataError(f"{what}: {count} representations; expected 1 to {MAX_IMAGES}")
        problems: list[str] = []
        check_length(length, data, what, problems)
        images = tuple(_image_2011(reader, bool(flag), problems) for _ in range(count))
        check_end(reader.left, what, problems)
        return cls(images=images, certified=bool(flag), problems=tuple(dict.fromkeys(problems)))

    def encode(self) -> bytes:
        """The record in its edition. Fingers are counted by their positions."""
        if self.edition == 2011:
            return self._encode_2011()
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

    def _encode_2011(self) -> bytes:
        body = b"".join(i.encode_2011(certified=self.certified) for i in self.images)
        size, fingers = _RECORD_2011.size + len(body), len({i.position for i in self.images})
        return _RECORD_2011.pack(_MAGIC, _VERSION_2011, size, len(self.images), self.certified, fingers) + body


def _image_2011(reader: Reader, certified: bool, problems: list[str]) -> FingerImage:
    start = reader.at
    length = reader.number(4)
    capture = Capture.read(reader, certified=certified)
    position, number, units, scan_x, scan_y, image_x, image_y, *rest = reader.unpack(_IMAGE_2011)
    depth, compression, impression, width, height = rest
    image = reader.picture(problems)
    extended = reader.rest(start, length, problems)
    found = ImageFormat.RAW if compression in (0, 1) else sniff(image)
    allowed = _FORMATS_2011.get(compression, ())
    if found not in allowed:
        problems.append("the compression algorithm is not that of the picture")
    return FingerImage(
        image=image,
        image_format=found or (allowed[0] if allowed else ImageFormat.RAW),
        position=position,
        width=width,
        height=height,
        view_number=number,
        quality=capture.quality,
        impression_type=impression,
        representation=FingerRepresentation(
            capture=capture,
            scale_units=units,
            scan_resolution=(scan_x, scan_y),
            image_resolution=(image_x, image_y),
            depth=depth,
            compression=compression,
            extended=extended,
        ),
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
    check_end(len(data) - position, what, problems, after="image")
    return tuple(images)
