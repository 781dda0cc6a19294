"""Extensible biometric data blocks, ISO/IEC 39794-2, -4, -5 and -6, in their tagged binary (DER) encoding.

All parts share one frame (ISO/IEC 39794-1 §7; ISO/IEC 39794-5 application profile for eMRTDs)::

    DataBlock ::= [APPLICATION part] SEQUENCE {
      versionBlock         [0] SEQUENCE { generation [0] INTEGER, year [1] INTEGER },
      representationBlocks [1] SEQUENCE OF RepresentationBlock }

In a data group it stands inside ``7F2E { A1 { … } }``. Representations keep every tagged object they have, so that
what is not interpreted here is written back byte for byte: objects with unknown tags are extensions of a later edition,
which a reader skips, and a code that it does not know comes with a fallback that it does (ISO/IEC 39794-1 §6).

The tags are those of the ASN.1 modules ``id-icao-iso-iec-39794-1-ed-1-v1`` and ``-5-ed-1-v1`` (ICAO's application
profile for part 5, published with its data set), ``ISO-IEC-39794-4-ed-1-v2`` and ``ISO-IEC-39794-6-ed-1-v1`` (as the
open source of JMRTD quotes them; no published record of parts 4 and 6 was at hand). The module of part 2 could not be
had, so the inside of finger minutiae is kept as it is, and neither interpreted nor made up.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from idverify import _tlv
from idverify.chip.lds import _der
from idverify.chip.lds.images import ImageFormat, sniff
from idverify.errors import MalformedDataError

WRAPPER: Final = 0xA1
MAX_REPRESENTATIONS: Final = 32
MAX_OBJECTS: Final = 64


class Part(enum.Enum):
    """Part of ISO/IEC 39794.

    Attributes:
        number: part number, also the application tag.
        format_type: the CBEFF format type of its binary encoding, or None where it is not known here.
        tag: the outer tag.
    """

    FINGER_MINUTIAE = (2, None)
    FINGER_IMAGE = (4, 0x0028)
    FACE_IMAGE = (5, 0x002A)
    IRIS_IMAGE = (6, 0x002C)

    number: int
    format_type: int | None

    def __init__(self, number: int, format_type: int | None) -> None:
        self.number = number
        self.format_type = format_type

    @property
    def tag(self) -> int:
        """``[APPLICATION number]``, constructed."""
        return 0x60 | self.number


_PARTS: Final = {p.tag: p for p in Part}

# where a representation keeps its picture: tags from the outside inwards
_IMAGE_PATH: Final = {
    Part.FACE_IMAGE: (0xA1, 0xA0, 0xA0, 0x80),
    Part.FINGER_IMAGE: (0x83,),
    Part.IRIS_IMAGE: (0x89,),
}
_FACE_INFORMATION: Final = (0xA1, 0xA0, 0xA0, 0xA1)
_CAPTURED: Final = {Part.FACE_IMAGE: 0xA2, Part.FINGER_IMAGE: 0xA4, Part.IRIS_IMAGE: 0xA8}
_QUALITY: Final = {Part.FACE_IMAGE: 0xA3, Part.FINGER_IMAGE: 0xA6, Part.IRIS_IMAGE: 0xAB}
_IRIS_IMAGE_WITHOUT_RANGE: Final = 0x88
_SAMPLING: Final = 0xA7
_PER_CENTIMETRE: Final = 1
_TIME_FIELDS: Final = 7

QualityScore = tuple[int, int, int]
"""Organisation and algorithm as registered with IBIA, and the score, 0 … 100."""


@dataclass(frozen=True, slots=True)
class Representation:
    """One representation block.

    Attributes:
        part: the part that it belongs to.
        objects: tag and value of every object, in order; personal data.
    """

    part: Part
    objects: tuple[tuple[int, bytes], ...] = field(repr=False)

    def find(self, *path: int) -> bytes | None:
        """The value below ``path``, a chain of tags, or None.

        Raises:
            MalformedDataError: an object on the way is not readable.
        """
        value = next((v for t, v in self.objects if t == path[0]), None)
        for tag in path[1:]:
            if value is None:
                return None
            what = f"ISO/IEC 39794-{self.part.number}"
            value = next((c.value for c in _tlv.iter_tlv(value, what=what) if c.tag == tag), None)
        return value

    def code(self, *path: int) -> int | None:
        """A code below ``path``: CHOICE { code [0] INTEGER, extensionBlock [1] { fallback [0] INTEGER } }, or None."""
        value = self.find(*path, 0x80)
        if value is None:
            value = self.find(*path, 0xA1, 0x80)
        return None if value is None else _number(value, self.part)

    def number(self, *path: int) -> int | None:
        """An INTEGER below ``path``, or None."""
        value = self.find(*path)
        return None if value is None else _number(value, self.part)

    @property
    def image(self) -> bytes:
        """The encoded picture.

        Raises:
            MalformedDataError: there is none.
        """
        path = _IMAGE_PATH.get(self.part)
        value = self.find(*path) if path else None
        if self.lacks_range:
            value = self.find(_IRIS_IMAGE_WITHOUT_RANGE)
        if not value:
            raise MalformedDataError(f"ISO/IEC 39794-{self.part.number}: a representation has no picture")
        return value

    @property
    def image_format(self) -> ImageFormat:
        """What the picture's first bytes show, or RAW."""
        return sniff(self.image) or ImageFormat.RAW

    @property
    def lacks_range(self) -> bool:
        """Whether this is an iris without the range of the camera and all later objects one tag lower."""
        tags = {t for t, _ in self.objects}
        return self.part is Part.IRIS_IMAGE and 0x89 not in tags and _IRIS_IMAGE_WITHOUT_RANGE in tags

    @property
    def captured(self) -> tuple[int, ...] | None:
        """Year, month, day, hour, minute, second and millisecond of the capture, as many as the block says."""
        tag = _CAPTURED.get(self.part)
        if tag is not None:
            tag -= self.lacks_range
        block = self.find(tag) if tag is not None else None
        if block is None:
            return None
        found: list[int] = []
        for child in _tlv.iter_tlv(block, what=f"ISO/IEC 39794-{self.part.number}"):
            if child.tag != 0x80 + len(found) or len(found) == _TIME_FIELDS:
                break
            found.append(_number(child.value, self.part))
        return tuple(found)

    @property
    def quality(self) -> int | None:
        """The score of the first quality block, 0 … 100; None where there is none, or it says that it failed."""
        tag = _QUALITY.get(self.part)
        return None if tag is None else self.number(tag - self.lacks_range, _der.SEQUENCE, 0xA1, 0x80)

    @property
    def pixels_per_inch(self) -> float | None:
        """Spatial sampling rate of a finger image where the block says one; it may lie."""
        if self.part is not Part.FINGER_IMAGE:
            return None
        rate, unit = self.number(_SAMPLING, 0x80), self.number(_SAMPLING, 0x81)
        return None if rate is None else rate * (2.54 if unit == _PER_CENTIMETRE else 1.0)

    @property
    def impression(self) -> int | None:
        """Impression code of a finger image; 0 plain contact."""
        return self.code(0xA1) if self.part is Part.FINGER_IMAGE else None

    @property
    def format_code(self) -> int | None:
        """What the block calls the encoding of its picture, a code of its part."""
        if self.part is Part.FACE_IMAGE:
            return self.code(*_FACE_INFORMATION, 0xA0)
        return self.code({Part.FINGER_IMAGE: 0xA2, Part.IRIS_IMAGE: 0xA3}.get(self.part, 0xA0))

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of a face image in pixels where the block says them."""
        if self.part is not Part.FACE_IMAGE:
            return None
        width = self.number(*_FACE_INFORMATION, 0xA7, 0x80)
        height = self.number(*_FACE_INFORMATION, 0xA7, 0x81)
        return None if width is None or height is None else (width, height)

    @property
    def position(self) -> int | None:
        """Finger position code (part 4), or eye: 1 right, 2 left (part 6); else None."""
        if self.part is Part.FINGER_IMAGE:
            return self.code(0xA0)
        return self.number(0x80) if self.part is Part.IRIS_IMAGE else None

    def encode(self) -> bytes:
        """The SEQUENCE."""
        return _tlv.encode(_der.SEQUENCE, *(_tlv.encode(t, v) for t, v in self.objects))


@dataclass(frozen=True, slots=True)
class DataBlock:
    """A biometric data block.

    Attributes:
        part: the part of the standard.
        representations: at least one.
        generation: 3 for ISO/IEC 39794.
        year: year of the edition.
        others: objects after the representation blocks (extensions), as tag and value.
        version_others: objects after the year in the version block (extensions), as tag and value.
    """

    part: Part
    representations: tuple[Representation, ...]
    generation: int = 3
    year: int = 2019
    others: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)
    version_others: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a block, bare or inside its A1 wrapper.

        Raises:
            MalformedDataError: no such block, an unknown part, no representation, or more than
                :data:`MAX_REPRESENTATIONS`.
        """
        what = "ISO/IEC 39794"
        outer = _tlv.read_tlv(data, what=what)
        if outer.tag == WRAPPER:
            outer = _tlv.read_tlv(outer.value, what=what)
        part = _PARTS.get(outer.tag)
        if part is None:
            raise MalformedDataError(f"{what}: tag {outer.tag:X} is no part that this library knows")
        objects = outer.children(what=what)
        if [o.tag for o in objects[:2]] != [0xA0, 0xA1] or len(objects) > MAX_OBJECTS:
            raise MalformedDataError(f"{what}: the version block or the representation blocks are missing")
        version, blocks, *others = objects
        numbers = version.children(what=what)
        if [c.tag for c in numbers[:2]] != [0x80, 0x81] or len(numbers) > MAX_OBJECTS:
            raise MalformedDataError(f"{what}: the version block lacks generation or year")
        return cls(
            part,
            _representations(part, blocks),
            _number(numbers[0].value, part),
            _number(numbers[1].value, part),
            tuple((o.tag, o.value) for o in others),
            tuple((c.tag, c.value) for c in numbers[2:]),
        )

    def encode(self, *, wrapped: bool = True) -> bytes:
        """The block; inside its A1 wrapper as a data group holds it, unless told otherwise."""
        more = (_tlv.encode(t, v) for t, v in self.version_others)
        version = _tlv.encode(0xA0, _integer(0x80, self.generation), _integer(0x81, self.year), *more)
        blocks = _tlv.encode(0xA1, *(r.encode() for r in self.representations))
        block = _tlv.encode(self.part.tag, version, blocks, *(_tlv.encode(t, v) for t, v in self.others))
        return _tlv.encode(WRAPPER, block) if wrapped else block


def face_representation(
    image: bytes, *, size: tuple[int, int] | None = None, identifier: int = 0, others: Iterable[tuple[int, bytes]] = ()
) -> Representation:
    """A face representation with the mandatory fields of the eMRTD profile, and the size where given.

    Args:
        image: JPEG or JPEG 2000.
        size: width and height in pixels.
        identifier: number of the representation.
        others: further objects of the representation as tag and value, in the order of their tags.

    Raises:
        MalformedDataError: the picture is neither JPEG nor JPEG 2000.
    """
    form = sniff(image)
    if form is None or not (form is ImageFormat.JPEG or form.jpeg2000):
        raise MalformedDataError("face image: expected JPEG or JPEG 2000")
    information = _code(0xA0, 2 if form is ImageFormat.JPEG else 3)
    if size is not None:
        information += _tlv.encode(0xA7, _integer(0x80, size[0]), _integer(0x81, size[1]))
    block = _tlv.encode(0xA0, _tlv.encode(0x80, image), _tlv.encode(0xA1, information))
    picture = _tlv.encode(0xA1, _tlv.encode(0xA0, block))
    made = _representation(Part.FACE_IMAGE, _integer(0x80, identifier), picture)
    return Representation(made.part, (*made.objects, *others))


def finger_representation(
    image: bytes,
    *,
    position: int,
    impression: int = 0,
    resolution: int | None = None,
    quality: QualityScore | None = None,
    captured: Sequence[int] | None = None,
) -> Representation:
    """A finger image representation with its mandatory fields, and others where given.

    Args:
        image: PGM, WSQ, JPEG 2000 or PNG; the part has no JPEG.
        position: finger position code, 1 right thumb … 10 left little.
        impression: impression code; 0 plain contact.
        resolution: pixels an inch.
        quality: organisation, algorithm and score.
        captured: year, month, day … millisecond, from the year on as many as are known.

    Raises:
        MalformedDataError: a picture of another kind.
    """
    form = sniff(image)
    code = 2 if form and form.jpeg2000 else _FINGER_FORMATS.get(form)
    if code is None:
        raise MalformedDataError("finger image: expected PGM, WSQ, JPEG 2000 or PNG")
    objects = [_code(0xA0, position), _code(0xA1, impression), _code(0xA2, code), _tlv.encode(0x83, image)]
    if captured is not None:
        objects.append(_time(0xA4, captured))
    if quality is not None:
        objects.append(_quality(0xA6, quality))
    if resolution is not None:
        objects.append(_tlv.encode(_SAMPLING, _integer(0x80, resolution), _integer(0x81, 0)))
    return _representation(Part.FINGER_IMAGE, *objects)


def iris_representation(
    image: bytes,
    *,
    eye: int,
    captured: Sequence[int],
    kind: int = 1,
    depth: int = 8,
    distance: int | None = None,
    quality: QualityScore | None = None,
) -> Representation:
    """An iris image representation with its mandatory fields, and others where given.

    Args:
        image: PGM, PPM, PNG or JPEG 2000; the part has no JPEG.
        eye: 1 right, 2 left, 0 unknown.
        captured: year, month, day … millisecond of the capture, from the year on as many as are known.
        kind: 1 uncropped, 2 VGA, 3 cropped, 7 cropped and masked.
        depth: bits a pixel.
        distance: of camera and eye in millimetres, 2 … 65533; None writes that it was not assigned.
        quality: organisation, algorithm and score.

    Raises:
        MalformedDataError: a picture of another kind.
    """
    form = sniff(image)
    code = 4 if form and form.jpeg2000 else _IRIS_FORMATS.get(form)
    if code is None:
        raise MalformedDataError("iris image: expected PGM, PPM, PNG or JPEG 2000")
    objects = [
        _integer(0x80, eye),
        _code(0xA1, kind),
        _integer(0x82, depth),
        _code(0xA3, code),
        _integer(0x84, 0),  # orientations and compression history: undefined
        _integer(0x85, 0),
        _integer(0x86, 0),
        _tlv.encode(0xA7, _integer(0x81, 0) if distance is None else _integer(0x80, distance)),
        _time(0xA8, captured),
        _tlv.encode(0x89, image),
    ]
    if quality is not None:
        objects.append(_quality(0xAB, quality))
    return _representation(Part.IRIS_IMAGE, *objects)


def minutiae_representation(objects: Iterable[tuple[int, bytes]]) -> Representation:
    """A finger minutiae representation from its tagged objects, which are not interpreted here."""
    return Representation(Part.FINGER_MINUTIAE, tuple(objects))


_FINGER_FORMATS: Final[dict[ImageFormat | None, int]] = {
    ImageFormat.PGM: 0,
    ImageFormat.WSQ: 1,
    ImageFormat.PNG: 4,
}
_IRIS_FORMATS: Final[dict[ImageFormat | None, int]] = {
    ImageFormat.PGM: 0,
    ImageFormat.PPM: 1,
    ImageFormat.PNG: 2,
}


def _representations(part: Part, blocks: _tlv.Tlv) -> tuple[Representation, ...]:
    what = f"ISO/IEC 39794-{part.number}"
    found: list[Representation] = []
    for child in _tlv.iter_tlv(blocks.value, what=what):
        if len(found) >= MAX_REPRESENTATIONS:
            raise MalformedDataError(f"{what}: more than {MAX_REPRESENTATIONS} representations")
        objects = _der.expect(child, _der.SEQUENCE, what=what).children(what=what)
        if len(objects) > MAX_OBJECTS:
            raise MalformedDataError(f"{what}: a representation of {len(objects)} objects")
        found.append(Representation(part, tuple((o.tag, o.value) for o in objects)))
    if not found:
        raise MalformedDataError(f"{what}: no representation inside")
    return tuple(found)


def _representation(part: Part, *objects: bytes) -> Representation:
    return Representation(part, tuple((o.tag, o.value) for o in map(_tlv.read_tlv, objects)))


def _number(value: bytes, part: Part) -> int:
    if not 1 <= len(value) <= _der.MAX_SMALL_INTEGER_BYTES:
        raise MalformedDataError(f"ISO/IEC 39794-{part.number}: a number of {len(value)} bytes")
    return int.from_bytes(value, "big")


def _integer(tag: int, value: int) -> bytes:
    return _tlv.encode(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _time(tag: int, fields: Sequence[int]) -> bytes:
    """DateTimeBlock (ISO/IEC 39794-1): the year, and as much of the rest as is known."""
    if not 1 <= len(fields) <= _TIME_FIELDS:
        raise ValueError(f"a time has 1 to {_TIME_FIELDS} fields, from the year on")
    return _tlv.encode(tag, *(_integer(0x80 + i, n) for i, n in enumerate(fields)))


def _quality(tag: int, score: QualityScore) -> bytes:
    """QualityBlocks with one block (ISO/IEC 39794-1): the algorithm's registration and the score."""
    algorithm = _tlv.encode(0xA0, _integer(0x80, score[0]), _integer(0x81, score[1]))
    return _tlv.encode(tag, _tlv.encode(_der.SEQUENCE, algorithm, _tlv.encode(0xA1, _integer(0x80, score[2]))))


def _code(tag: int, value: int) -> bytes:
    return _tlv.encode(tag, _integer(0x80, value))
