"""Views of finger minutiae records: the minutiae of one impression, as each edition writes them.

The records around them, and which edition is which: :mod:`idverify.formats.minutiae`.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass, field
from typing import Final

from idverify.errors import MalformedDataError
from idverify.formats.representation import SLACK, Capture, Reader

MAX_MINUTIAE: Final = 4096
WHAT: Final = "finger minutiae record"

_VIEW: Final = struct.Struct(">BBBB")
_VIEW_2009: Final = struct.Struct(">BBBBHHHHHHB")
_VIEW_2011: Final = struct.Struct(">BBHHBHHBB")
_MINUTIA: Final = struct.Struct(">HHBB")
_SHORT_MINUTIA: Final = struct.Struct(">HHB")
_LOW_14: Final = 0x3FFF

Frame = tuple[int, int, tuple[int, int]]
"""Width and height in pixels, and pixels a centimetre across and down."""


class MinutiaType(enum.IntEnum):
    """Type of a minutia (ISO/IEC 19794-2:2005 §6.3)."""

    OTHER = 0
    RIDGE_ENDING = 1
    BIFURCATION = 2
    RESERVED = 3


@dataclass(frozen=True, slots=True, repr=False)
class Minutia:
    """One minutia, personal data, in the units of its format.

    Attributes:
        x, y: coordinates; the origin is at the upper left, y points down.
        angle: steps of the format, counter-clockwise from the x axis.
        kind: type.
        quality: 0 … 100, 0 not reported (254 in the later formats); only in records.
        reserved: two bits that the standard reserves in records and in the normal card format.
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
class ViewFrame:
    """What a view says for itself in the formats of 2009 and 2011; the earlier ones say it once, for the record.

    Attributes:
        width, height: pixels of the image.
        resolution: pixels a centimetre, horizontal and vertical.
        capture: date, device, quality and certification records (2011).
        quality_algorithm: vendor and algorithm of the view's quality (2009).
        minutia_size: 6 bytes, or 5 for minutiae without quality (2011).
        ridge_ending: how ridge endings are placed, a code of 4 bits (2011).
    """

    width: int
    height: int
    resolution: tuple[int, int] = (197, 197)
    capture: Capture = field(default_factory=Capture)
    quality_algorithm: tuple[int, int] = (0, 0)
    minutia_size: int = 6
    ridge_ending: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerView:
    """One view of one finger.

    Attributes:
        position: finger position code, 1 right thumb … 10 left little; 0 unknown.
        view_number: 0 … 15.
        impression_type: 0 live-scan plain; 0 … 15 in the earlier formats.
        quality: 0 … 100; 254 not reported in the later formats.
        minutiae: the minutiae in pixels, angles in steps of the format; personal data.
        extended: type and data of each extended data area.
        frame: what only the formats of 2009 and 2011 say; None in the earlier ones.
    """

    position: int
    minutiae: tuple[Minutia, ...] = field(repr=False)
    view_number: int = 0
    impression_type: int = 0
    quality: int = 0
    extended: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)
    frame: ViewFrame | None = None


class Budget:
    """Minutiae that may still come in one record."""

    def __init__(self) -> None:
        self.left = MAX_MINUTIAE

    def spend(self, count: int) -> None:
        """So many come now.

        Raises:
            MalformedDataError: more than :data:`MAX_MINUTIAE` in all.
        """
        self.left -= count
        if self.left < 0:
            raise MalformedDataError(f"{WHAT}: more than {MAX_MINUTIAE} minutiae")


def read_minutiae(reader: Reader, count: int, budget: Budget, size: int = 6) -> tuple[Minutia, ...]:
    """The next ``count`` minutiae of 6 bytes, or of 5 without quality."""
    budget.spend(count)
    body = reader.take(count * size)
    if size == _SHORT_MINUTIA.size:
        rows = [(*row, 254) for row in _SHORT_MINUTIA.iter_unpack(body)]
    else:
        rows = list(_MINUTIA.iter_unpack(body))
    return tuple(
        Minutia(x & _LOW_14, y & _LOW_14, angle, MinutiaType(x >> 14), good, y >> 14) for x, y, angle, good in rows
    )


def _extended(reader: Reader) -> tuple[tuple[int, bytes], ...]:
    """Extended data areas: their length together, then type, length and data of each."""
    end = reader.number(2) + reader.at
    if end > len(reader.data):
        raise MalformedDataError(f"{WHAT}: cut off in the extended data")
    found = []
    while reader.at < end:
        if reader.at + 4 > end:
            raise MalformedDataError(f"{WHAT}: cut off in an extended data area")
        kind, size = reader.number(2), reader.number(2)
        if size < 4 or reader.at + size - 4 > end:
            raise MalformedDataError(f"{WHAT}: an extended data area of {size} bytes does not fit")
        found.append((kind, reader.take(size - 4)))
    return tuple(found)


def read_view(reader: Reader, budget: Budget) -> FingerView:
    """A view of 2004 and 2005."""
    position, mixed, quality, count = reader.unpack(_VIEW)
    minutiae = read_minutiae(reader, count, budget)
    return FingerView(
        position=position,
        view_number=mixed >> 4,
        impression_type=mixed & 0x0F,
        quality=quality,
        minutiae=minutiae,
        extended=_extended(reader),
    )


def read_view_2009(reader: Reader, budget: Budget) -> FingerView:
    """A view of ANSI/INCITS 378-2009, which has a frame of its own."""
    position, number, impression, quality, vendor, algorithm, *rest = reader.unpack(_VIEW_2009)
    width, height, across, down, count = rest
    minutiae = read_minutiae(reader, count, budget)
    return FingerView(
        position=position,
        view_number=number,
        impression_type=impression,
        quality=quality,
        minutiae=minutiae,
        extended=_extended(reader),
        frame=ViewFrame(
            width=width, height=height, resolution=(across, down), quality_algorithm=(vendor, algorithm)
        ),
    )  # fmt: skip


def read_view_2011(
    reader: Reader, certified: bool, budget: Budget, problems: list[str]
) -> tuple[FingerView, ViewFrame]:  # fmt: skip
    """A representation of ISO/IEC 19794-2:2011, and its frame."""
    start = reader.at
    length = reader.number(4)
    capture = Capture.read(reader, certified=certified)
    position, number, across, down, impression, width, height, mixed, count = reader.unpack(_VIEW_2011)
    size = mixed >> 4
    if size not in (_SHORT_MINUTIA.size, _MINUTIA.size):
        raise MalformedDataError(f"{WHAT}: minutiae of {size} bytes; 5 or 6 are defined")
    minutiae = read_minutiae(reader, count, budget, size)
    extended = _extended(reader)
    if abs(start + length - reader.at) > SLACK:
        raise MalformedDataError(f"{WHAT}: a representation declares {length} bytes, which do not fit")
    if start + length != reader.at:
        problems.append("the declared length of a representation is wrong")
    frame = ViewFrame(
        width=width,
        height=height,
        resolution=(across, down),
        capture=capture,
        minutia_size=size,
        ridge_ending=mixed & 0x0F,
    )
    view = FingerView(
        position=position,
        view_number=number,
        impression_type=impression,
        quality=capture.quality,
        minutiae=minutiae,
        extended=extended,
        frame=frame,
    )
    return view, frame


def encode_minutiae(view: FingerView, size: int = 6) -> bytes:
    """The minutiae of a view."""
    if size == _SHORT_MINUTIA.size:
        return b"".join(
            _SHORT_MINUTIA.pack(joined(m.kind, m.x), joined(m.reserved, m.y), m.angle) for m in view.minutiae
        )
    return b"".join(
        _MINUTIA.pack(joined(m.kind, m.x), joined(m.reserved, m.y), m.angle, m.quality) for m in view.minutiae
    )


def _encode_extended(view: FingerView) -> bytes:
    areas = b"".join(struct.pack(">HH", kind, len(value) + 4) + value for kind, value in view.extended)
    return struct.pack(">H", len(areas)) + areas


def encode_view(view: FingerView) -> bytes:
    """A view of 2004 and 2005."""
    mixed = view.view_number << 4 | view.impression_type & 0x0F
    head = _VIEW.pack(view.position, mixed, view.quality, len(view.minutiae))
    return head + encode_minutiae(view) + _encode_extended(view)


def encode_view_2009(view: FingerView, within: Frame) -> bytes:
    """A view of 2009, in the frame of its own or of the record."""
    width, height, resolution = within
    algorithm = view.frame.quality_algorithm if view.frame else (0, 0)
    head = _VIEW_2009.pack(
        view.position, view.view_number, view.impression_type, view.quality, *algorithm, width, height, *resolution,
        len(view.minutiae),
    )  # fmt: skip
    return head + encode_minutiae(view) + _encode_extended(view)


def encode_view_2011(view: FingerView, within: Frame, certified: bool) -> bytes:
    """A representation of 2011, likewise."""
    width, height, resolution = within
    frame = view.frame or ViewFrame(width=width, height=height, resolution=resolution)
    mixed = frame.minutia_size << 4 | frame.ridge_ending & 0x0F
    head = frame.capture.encode(certified=certified) + _VIEW_2011.pack(
        view.position, view.view_number, *resolution, view.impression_type, width, height, mixed, len(view.minutiae)
    )
    body = head + encode_minutiae(view, frame.minutia_size) + _encode_extended(view)
    return struct.pack(">I", 4 + len(body)) + body


def joined(high: int, low: int) -> int:
    """Two bits and fourteen.

    Raises:
        ValueError: one does not fit.
    """
    if not 0 <= low <= _LOW_14 or not 0 <= high <= 3:
        raise ValueError("a coordinate does not fit 14 bits")
    return high << 14 | low
