"""Extensible biometric data blocks, ISO/IEC 39794-2, -4, -5 and -6, in their tagged binary (DER) encoding.

All parts share one frame (ISO/IEC 39794-1 §7; ISO/IEC 39794-5 application profile for eMRTDs)::

    DataBlock ::= [APPLICATION part] SEQUENCE {
      versionBlock         [0] SEQUENCE { generation [0] INTEGER, year [1] INTEGER },
      representationBlocks [1] SEQUENCE OF RepresentationBlock }

In a data group it stands inside ``7F2E { A1 { … } }``. Representations keep every tagged object they have, so that what
is not interpreted here is written back byte for byte.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
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
    Part.IRIS_IMAGE: (0x88,),
}
_FACE_INFORMATION: Final = (0xA1, 0xA0, 0xA0, 0xA1)


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
        if not value:
            raise MalformedDataError(f"ISO/IEC 39794-{self.part.number}: a representation has no picture")
        return value

    @property
    def image_format(self) -> ImageFormat:
        """What the picture's first bytes show, or RAW."""
        return sniff(self.image) or ImageFormat.RAW

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
    """

    part: Part
    representations: tuple[Representation, ...]
    generation: int = 3
    year: int = 2019
    others: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)

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
        numbers = {c.tag: c.value for c in version.children(what=what)}
        if 0x80 not in numbers or 0x81 not in numbers:
            raise MalformedDataError(f"{what}: the version block lacks generation or year")
        return cls(
            part,
            _representations(part, blocks),
            _number(numbers[0x80], part),
            _number(numbers[0x81], part),
            tuple((o.tag, o.value) for o in others),
        )

    def encode(self, *, wrapped: bool = True) -> bytes:
        """The block; inside its A1 wrapper as a data group holds it, unless told otherwise."""
        version = _tlv.encode(0xA0, _integer(0x80, self.generation), _integer(0x81, self.year))
        blocks = _tlv.encode(0xA1, *(r.encode() for r in self.representations))
        block = _tlv.encode(self.part.tag, version, blocks, *(_tlv.encode(t, v) for t, v in self.others))
        return _tlv.encode(WRAPPER, block) if wrapped else block


def face_representation(image: bytes, *, size: tuple[int, int] | None = None, identifier: int = 0) -> Representation:
    """A face representation with the mandatory fields of the eMRTD profile, and the size where given.

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
    return _representation(Part.FACE_IMAGE, _integer(0x80, identifier), _tlv.encode(0xA1, _tlv.encode(0xA0, block)))


def finger_representation(image: bytes, *, position: int, impression: int = 0) -> Representation:
    """A finger image representation with its mandatory fields.

    Args:
        image: WSQ, JPEG 2000 or PNG; anything else is written as PGM.
        position: finger position code, 1 right thumb … 10 left little.
        impression: impression code; 0 plain contact.
    """
    form = sniff(image)
    code = 1 if form is ImageFormat.WSQ else 4 if form is ImageFormat.PNG else 2 if form and form.jpeg2000 else 0
    return _representation(
        Part.FINGER_IMAGE, _code(0xA0, position), _code(0xA1, impression), _code(0xA2, code), _tlv.encode(0x83, image)
    )


def iris_representation(
    image: bytes, *, eye: int, captured: tuple[int, int, int], kind: int = 1, depth: int = 8
) -> Representation:
    """An iris image representation with its mandatory fields.

    Args:
        image: PNG or JPEG 2000; anything else is written as PGM.
        eye: 1 right, 2 left, 0 unknown.
        captured: year, month and day of the capture.
        kind: 1 uncropped, 2 VGA, 3 cropped, 7 cropped and masked.
        depth: bits a pixel.
    """
    form = sniff(image)
    code = 2 if form is ImageFormat.PNG else 4 if form and form.jpeg2000 else 0
    return _representation(
        Part.IRIS_IMAGE,
        _integer(0x80, eye),
        _code(0xA1, kind),
        _integer(0x82, depth),
        _code(0xA3, code),
        _integer(0x84, 0),
        _integer(0x85, 0),
        _integer(0x86, 0),
        _tlv.encode(0xA7, *(_integer(0x80 + i, n) for i, n in enumerate(captured))),
        _tlv.encode(0x88, image),
    )


def minutiae_representation(objects: Iterable[tuple[int, bytes]]) -> Representation:
    """A finger minutiae representation from its tagged objects, which are not interpreted here."""
    return Representation(Part.FINGER_MINUTIAE, tuple(objects))


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


def _code(tag: int, value: int) -> bytes:
    return _tlv.encode(tag, _integer(0x80, value))
