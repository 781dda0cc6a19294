"""Finger minutiae in the formats of on-card comparison, ISO/IEC 19794-2:2005 §8.

Cards hold 0.01 mm (normal format) or 0.1 mm (compact format). Numbers are kept in those units.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from idverify import _tlv
from idverify.errors import MalformedDataError
from idverify.formats.minutiae import Minutia, MinutiaType, joined

_NORMAL: Final = struct.Struct(">HHB")
_COMPACT: Final = struct.Struct(">BBB")
_LOW_14: Final = 0x3FFF

MAX_CARD_MINUTIAE: Final = 255
DATA_TEMPLATE: Final = 0x7F2E
_MINUTIAE: Final = 0x81
_MINUTIAE_CONTEXT: Final = 0x90


class CardFormat(enum.Enum):
    """Layout of the minutiae of a card format.

    Attributes:
        size: bytes of one minutia.
        units_per_mm: units of the coordinates in one millimetre.
        angles: number of angle steps in a full turn.
        largest: largest coordinate.
    """

    NORMAL = (5, 100, 256, 0x3FFF)
    COMPACT = (3, 10, 64, 0xFF)

    size: int
    units_per_mm: int
    angles: int
    largest: int

    def __init__(self, size: int, units_per_mm: int, angles: int, largest: int) -> None:
        self.size = size
        self.units_per_mm = units_per_mm
        self.angles = angles
        self.largest = largest


class OrderMethod(enum.Enum):
    """What minutiae are ordered by (§8.3.3); the value is the method's bits of the order byte."""

    NONE = 0x00
    X_THEN_Y = 0x04
    Y_THEN_X = 0x08
    ANGLE = 0x0C
    POLAR = 0x10


@dataclass(frozen=True, slots=True)
class CardTemplate:
    """Biometric data template of on-card comparison: 7F2E { 81 minutiae, further objects }.

    Attributes:
        minutiae: the minutiae in the units of the card format.
        others: tag and value of further objects (ridge counts, core, delta, cell quality).
        minutiae_tag: 81, or 90 as some cards write it.
    """

    minutiae: tuple[Minutia, ...] = field(repr=False)
    others: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)
    minutiae_tag: int = _MINUTIAE

    @classmethod
    def parse(cls, data: bytes, card_format: CardFormat = CardFormat.COMPACT) -> Self:
        """Read the template, or its content without the tag 7F2E.

        Raises:
            MalformedDataError: no minutiae object, or a length that is no multiple of the minutia's size.
        """
        what = "finger minutiae card format"
        first = _tlv.read_tlv(data, what=what)
        content = _tlv.parse(data, DATA_TEMPLATE, what=what).value if first.tag == DATA_TEMPLATE else data
        objects = tuple(_tlv.iter_tlv(content, what=what))
        found = next((o for o in objects if o.tag in (_MINUTIAE, _MINUTIAE_CONTEXT)), None)
        if found is None:
            raise MalformedDataError(f"{what}: the minutiae (tag 81) are missing")
        others = tuple((o.tag, o.value) for o in objects if o is not found)
        return cls(decode_card_minutiae(found.value, card_format), others, found.tag)

    def encode(self, card_format: CardFormat = CardFormat.COMPACT) -> bytes:
        """The template with its tag 7F2E.

        Raises:
            ValueError: a number that does not fit its field.
        """
        minutiae = _tlv.encode(self.minutiae_tag, encode_card_minutiae(self.minutiae, card_format))
        return _tlv.encode(DATA_TEMPLATE, minutiae, *(_tlv.encode(t, v) for t, v in self.others))


def decode_card_minutiae(data: bytes, card_format: CardFormat) -> tuple[Minutia, ...]:
    """Minutiae that follow each other in a card format (§8.2, §8.3).

    Raises:
        MalformedDataError: the length is no multiple of the minutia's size, or more than :data:`MAX_CARD_MINUTIAE`.
    """
    if len(data) % card_format.size:
        raise MalformedDataError(f"card format: {len(data)} bytes are no multiple of {card_format.size}")
    if len(data) > MAX_CARD_MINUTIAE * card_format.size:
        raise MalformedDataError(f"card format: more than {MAX_CARD_MINUTIAE} minutiae")
    if card_format is CardFormat.COMPACT:
        return tuple(Minutia(x, y, last & 0x3F, MinutiaType(last >> 6)) for x, y, last in _COMPACT.iter_unpack(data))
    return tuple(
        Minutia(x & _LOW_14, y & _LOW_14, angle, MinutiaType(x >> 14), reserved=y >> 14)
        for x, y, angle in _NORMAL.iter_unpack(data)
    )


def encode_card_minutiae(minutiae: Iterable[Minutia], card_format: CardFormat) -> bytes:
    """Minutiae in a card format.

    Raises:
        ValueError: a number that does not fit its field.
    """
    minutiae = tuple(minutiae)
    if any(m.angle >= card_format.angles for m in minutiae):
        raise ValueError(f"an angle is beyond the {card_format.angles} steps of the format")
    try:
        if card_format is CardFormat.COMPACT:
            return b"".join(_COMPACT.pack(m.x, m.y, m.kind << 6 | m.angle) for m in minutiae)
        return b"".join(_NORMAL.pack(joined(m.kind, m.x), joined(m.reserved, m.y), m.angle) for m in minutiae)
    except struct.error:
        raise ValueError("a number does not fit its field") from None


@dataclass(frozen=True, slots=True)
class Order:
    """Order of the minutiae that a card asks for (§8.3.3).

    Attributes:
        method: what they are ordered by; POLAR is the distance from their centre of mass, then the angle.
        descending: from the greatest to the smallest.
    """

    method: OrderMethod = OrderMethod.NONE
    descending: bool = False

    @classmethod
    def from_byte(cls, value: int) -> Self:
        """The order that a card writes as one byte.

        Raises:
            MalformedDataError: a method that the standard does not know.
        """
        direction = value & 0x03
        try:
            method = OrderMethod(value & ~0x03)
        except ValueError:
            raise MalformedDataError(f"minutiae order {value:02X} is not known") from None
        return cls() if direction not in (1, 2) else cls(method, direction == 2)

    def to_byte(self) -> int:
        """The order as one byte."""
        return 0 if self.method is OrderMethod.NONE else self.method.value | (2 if self.descending else 1)

    def arrange(self, minutiae: Sequence[Minutia]) -> tuple[Minutia, ...]:
        """``minutiae`` in this order."""
        if self.method is OrderMethod.NONE or not minutiae:
            return tuple(minutiae)
        centre_x = sum(m.x for m in minutiae) / len(minutiae)
        centre_y = sum(m.y for m in minutiae) / len(minutiae)
        keys: dict[OrderMethod, Callable[[Minutia], tuple[float, ...]]] = {
            OrderMethod.X_THEN_Y: lambda m: (m.x, m.y),
            OrderMethod.Y_THEN_X: lambda m: (m.y, m.x),
            OrderMethod.ANGLE: lambda m: (m.angle,),
            OrderMethod.POLAR: lambda m: ((m.x - centre_x) ** 2 + (m.y - centre_y) ** 2, m.angle),
        }
        return tuple(sorted(minutiae, key=keys[self.method], reverse=self.descending))
