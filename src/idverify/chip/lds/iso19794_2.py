"""Finger minutiae, ISO/IEC 19794-2:2005: the record format (§7) and the card formats (§8) of on-card comparison.

The record holds pixels and a resolution, the card formats hold 0.01 mm (normal) or 0.1 mm (compact). Numbers are kept
in the units of their format; nothing is converted here.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from idverify import _tlv
from idverify.errors import MalformedDataError

_MAGIC: Final = b"FMR\0"
_VERSION: Final = b" 20\0"
_RECORD: Final = struct.Struct(">4s4sIHHHHHBB")
_VIEW: Final = struct.Struct(">BBBB")
_MINUTIA: Final = struct.Struct(">HHBB")
_NORMAL: Final = struct.Struct(">HHB")
_COMPACT: Final = struct.Struct(">BBB")
_LOW_14: Final = 0x3FFF

MAX_VIEWS: Final = 176
MAX_MINUTIAE: Final = 4096
MAX_CARD_MINUTIAE: Final = 255
SLACK: Final = 8

DATA_TEMPLATE: Final = 0x7F2E
_MINUTIAE: Final = 0x81
_MINUTIAE_CONTEXT: Final = 0x90


class MinutiaType(enum.IntEnum):
    """Type of a minutia (§6.3)."""

    OTHER = 0
    RIDGE_ENDING = 1
    BIFURCATION = 2
    RESERVED = 3


class CardFormat(enum.Enum):
    """Layout of the minutiae of a card format.

    Attributes:
        size: bytes of one minutia.
        units_per_mm: units of the coordinates in one millimetre.
        angles: number of angle steps in a full turn.
    """

    NORMAL = (5, 100, 256)
    COMPACT = (3, 10, 64)

    size: int
    units_per_mm: int
    angles: int

    def __init__(self, size: int, units_per_mm: int, angles: int) -> None:
        self.size = size
        self.units_per_mm = units_per_mm
        self.angles = angles


class OrderMethod(enum.Enum):
    """What minutiae are ordered by (§8.3.3); the value is the method's bits of the order byte."""

    NONE = 0x00
    X_THEN_Y = 0x04
    Y_THEN_X = 0x08
    ANGLE = 0x0C
    POLAR = 0x10


@dataclass(frozen=True, slots=True, repr=False)
class Minutia:
    """One minutia, personal data, in the units of its format.

    Attributes:
        x, y: coordinates; the origin is at the upper left, y points down.
        angle: steps of the format, counter-clockwise from the x axis.
        kind: type.
        quality: 0 … 100, 0 not reported; only in the record format.
        reserved: two bits that the standard reserves in the record and the normal card format.
    """

    x: int
    y: int
    angle: int
    kind: MinutiaType = MinutiaType.OTHER
    quality: int = 0
    reserved: int = 0

    def __repr__(self) -> str:
        return "Minutia(<redacted>)"


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerView:
    """One view of one finger.

    Attributes:
        position: finger position code, 1 right thumb … 10 left little; 0 unknown.
        view_number: 0 … 15.
        impression_type: 0 … 15; 0 live-scan plain.
        quality: 0 … 100.
        minutiae: the minutiae in pixels, angles in steps of 360/256 degrees; personal data.
        extended: type and data of each extended data area.
    """

    position: int
    minutiae: tuple[Minutia, ...] = field(repr=False)
    view_number: int = 0
    impression_type: int = 0
    quality: int = 0
    extended: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MinutiaeRecord:
    """A finger minutiae record, version 2.0.

    Attributes:
        views: the finger views, at least one.
        width, height: pixels of the image.
        resolution: pixels a centimetre, horizontal and vertical; 197 is 500 dpi.
        capture_device: certification bits and device identifier.
        reserved: the reserved byte.
        problems: deviations that did not hinder reading.
    """

    views: tuple[FingerView, ...]
    width: int
    height: int
    resolution: tuple[int, int] = (197, 197)
    capture_device: int = 0
    reserved: int = 0
    problems: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a record; a declared length up to :data:`SLACK` bytes off is tolerated.

        Raises:
            MalformedDataError: no finger minutiae record of version 2.0, or lengths that do not fit.
        """
        what = "finger minutiae record"
        if len(data) < _RECORD.size:
            raise MalformedDataError(f"{what}: {len(data)} bytes are no record")
        magic, version, length, device, width, height, dpc_x, dpc_y, count, reserved = _RECORD.unpack_from(data)
        if magic != _MAGIC:
            raise MalformedDataError(f"{what}: the format identifier is not FMR")
        if version != _VERSION:
            raise MalformedDataError(f"{what}: the version is not 2.0")
        if not 1 <= count <= MAX_VIEWS:
            raise MalformedDataError(f"{what}: {count} views; expected 1 to {MAX_VIEWS}")
        problems = []
        if length != len(data):
            if abs(length - len(data)) > SLACK:
                raise MalformedDataError(f"{what}: it declares {length} bytes and has {len(data)}")
            problems.append("the declared length of the record is wrong")
        views = []
        total = 0
        position = _RECORD.size
        for _ in range(count):
            view, position = _view(data, position)
            views.append(view)
            total += len(view.minutiae)
            if total > MAX_MINUTIAE:
                raise MalformedDataError(f"{what}: more than {MAX_MINUTIAE} minutiae")
        if position != len(data):
            if len(data) - position > SLACK:
                raise MalformedDataError(f"{what}: {len(data) - position} bytes follow the last view")
            problems.append("bytes follow the last view")
        return cls(
            views=tuple(views),
            width=width,
            height=height,
            resolution=(dpc_x, dpc_y),
            capture_device=device,
            reserved=reserved,
            problems=tuple(problems),
        )

    def encode(self) -> bytes:
        """The record, version 2.0.

        Raises:
            ValueError: a number that does not fit its field.
        """
        body = b"".join(_encode_view(v) for v in self.views)
        try:
            return (
                _RECORD.pack(
                    _MAGIC,
                    _VERSION,
                    _RECORD.size + len(body),
                    self.capture_device,
                    self.width,
                    self.height,
                    *self.resolution,
                    len(self.views),
                    self.reserved,
                )
                + body
            )
        except struct.error:
            raise ValueError("a number does not fit its field") from None


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
        return b"".join(_NORMAL.pack(_joined(m.kind, m.x), _joined(m.reserved, m.y), m.angle) for m in minutiae)
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


def _view(data: bytes, start: int) -> tuple[FingerView, int]:
    what = "finger minutiae record"
    if start + _VIEW.size > len(data):
        raise MalformedDataError(f"{what}: cut off in a view header")
    position, mixed, quality, count = _VIEW.unpack_from(data, start)
    at = start + _VIEW.size
    end = at + count * _MINUTIA.size
    if end + 2 > len(data):
        raise MalformedDataError(f"{what}: cut off in the minutiae")
    minutiae = tuple(
        Minutia(x & _LOW_14, y & _LOW_14, angle, MinutiaType(x >> 14), good, y >> 14)
        for x, y, angle, good in _MINUTIA.iter_unpack(data[at:end])
    )
    length = int.from_bytes(data[end : end + 2], "big")
    at, last = end + 2, end + 2 + length
    if last > len(data):
        raise MalformedDataError(f"{what}: cut off in the extended data")
    extended = []
    while at < last:
        if at + 4 > last:
            raise MalformedDataError(f"{what}: cut off in an extended data area")
        kind, size = struct.unpack_from(">HH", data, at)
        if size < 4 or at + size > last:
            raise MalformedDataError(f"{what}: an extended data area of {size} bytes does not fit")
        extended.append((kind, data[at + 4 : at + size]))
        at += size
    view = FingerView(
        position=position,
        view_number=mixed >> 4,
        impression_type=mixed & 0x0F,
        quality=quality,
        minutiae=minutiae,
        extended=tuple(extended),
    )
    return view, last


def _encode_view(view: FingerView) -> bytes:
    try:
        areas = b"".join(struct.pack(">HH", kind, len(value) + 4) + value for kind, value in view.extended)
        minutiae = b"".join(
            _MINUTIA.pack(_joined(m.kind, m.x), _joined(m.reserved, m.y), m.angle, m.quality) for m in view.minutiae
        )
        mixed = view.view_number << 4 | view.impression_type & 0x0F
        head = _VIEW.pack(view.position, mixed, view.quality, len(view.minutiae))
        return head + minutiae + struct.pack(">H", len(areas)) + areas
    except struct.error:
        raise ValueError("a number does not fit its field") from None


def _joined(high: int, low: int) -> int:
    if not 0 <= low <= _LOW_14 or not 0 <= high <= 3:
        raise ValueError("a coordinate does not fit 14 bits")
    return high << 14 | low
