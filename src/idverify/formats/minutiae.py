"""Finger minutiae records: ISO/IEC 19794-2:2005 (§7) and :2011 (§8), ANSI/INCITS 378-2004 and 378-2009 (§6).

One structure for all of them, in the units of the record: pixels, and angles in the format's steps. Nothing is
converted here, so that a record is written back byte for byte. Cards have formats of their own:
:mod:`idverify.formats.card_minutiae`. The open library nbis-rs (packages ``nbis-py`` and ``nbis-python``) writes a
layout of its own under the name of ISO/IEC 19794-2:2005, without resolution and number of views; it is told apart,
read and written too, so that templates can be exchanged with it.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass, field
from typing import Final, Self

from idverify.errors import MalformedDataError
from idverify.formats.representation import SLACK, Capture, Reader, check_end

MAX_BYTES: Final = 1 << 20
MAX_VIEWS: Final = 176
"""Largest number of views of a record (16 views of 11 fingers)."""
MAX_MINUTIAE: Final = 4096

_WHAT: Final = "finger minutiae record"
_MAGIC: Final = b"FMR\0"
_FRAME: Final = struct.Struct(">HHHHBB")  # width, height, resolutions, views, reserved
_VIEW: Final = struct.Struct(">BBBB")
_VIEW_2009: Final = struct.Struct(">BBBBHHHHHHB")
_VIEW_2011: Final = struct.Struct(">BBHHBHHBB")
_MINUTIA: Final = struct.Struct(">HHBB")
_NBIS: Final = struct.Struct(">HHHBBB4sB")  # device, width, height, position, view, quality, reserved, minutiae
_SHORT_MINUTIA: Final = struct.Struct(">HHB")
_HEADER_2011: Final = 15
_LEAST_2011: Final = 34  # a representation without minutiae
_LOW_14: Final = 0x3FFF


class RecordFormat(enum.Enum):
    """Format of a record."""

    ISO_2005 = "ISO/IEC 19794-2:2005"
    ISO_2011 = "ISO/IEC 19794-2:2011"
    ANSI_2004 = "ANSI/INCITS 378-2004"
    ANSI_2009 = "ANSI/INCITS 378-2009"
    ANSI_2009_AM1 = "ANSI/INCITS 378-2009/AM 1"
    NBIS_RS = "nbis-rs, not the standard's layout"

    @property
    def version(self) -> bytes:
        """The four bytes after the format identifier."""
        return _VERSIONS[self]

    @property
    def angle_steps(self) -> int:
        """Steps of a full turn: 256, or 180 of two degrees."""
        return 256 if self in (RecordFormat.ISO_2005, RecordFormat.ISO_2011, RecordFormat.NBIS_RS) else 180

    @property
    def best_quality(self) -> int:
        """The highest quality of a minutia."""
        return 63 if self is RecordFormat.NBIS_RS else 100


_VERSIONS: Final = {
    RecordFormat.ISO_2005: b" 20\0",
    RecordFormat.ANSI_2004: b" 20\0",
    RecordFormat.ISO_2011: b"030\0",
    RecordFormat.ANSI_2009: b"030\0",
    RecordFormat.ANSI_2009_AM1: b"035\0",
    RecordFormat.NBIS_RS: b" 20\0",
}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MinutiaeRecord:
    """A finger minutiae record.

    Attributes:
        views: the finger views, at least one.
        width, height: pixels of the image; of the first view where each has a frame of its own.
        resolution: pixels a centimetre, horizontal and vertical; 197 is 500 dpi.
        capture_device: certification bits and device identifier; the identifier alone in the format of 2009.
        reserved: the reserved byte.
        format: the format.
        product: owner and type of the product that made it (ANSI formats).
        certified: certification flag (2011), or the certification byte (2009).
        problems: deviations that did not hinder reading.
    """

    views: tuple[FingerView, ...]
    width: int
    height: int
    resolution: tuple[int, int] = (197, 197)
    capture_device: int = 0
    reserved: int = 0
    format: RecordFormat = RecordFormat.ISO_2005
    product: tuple[int, int] = (0, 0)
    certified: int = 0
    problems: tuple[str, ...] = field(default=(), compare=False)

    def frame_of(self, view: FingerView) -> tuple[int, int, tuple[int, int]]:
        """Width, height and resolution that hold for one of its views."""
        if view.frame is None:
            return self.width, self.height, self.resolution
        return view.frame.width, view.frame.height, view.frame.resolution

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a record; a declared length up to :data:`~idverify.formats.representation.SLACK` bytes off is tolerated.

        Raises:
            MalformedDataError: no finger minutiae record of a known version, or lengths that do not fit.
        """
        if len(data) > MAX_BYTES:
            raise MalformedDataError(f"{_WHAT}: over {MAX_BYTES} bytes")
        kind = detect_format(data)
        reader, problems = Reader(data, _WHAT), list[str]()
        reader.take(8)
        if kind is RecordFormat.ISO_2011:
            return cls._read_2011(reader, problems)
        if kind is RecordFormat.NBIS_RS:
            return cls._read_nbis(reader, problems)
        return cls._read(kind, reader, problems)

    @classmethod
    def _read(cls, kind: RecordFormat, reader: Reader, problems: list[str]) -> Self:
        """The formats of 2004, 2005 and 2009: one header, then views."""
        declared = reader.number(2) or reader.number(4) if kind is RecordFormat.ANSI_2004 else reader.number(4)
        _check_length(declared, reader.data, problems)
        product = (0, 0) if kind is RecordFormat.ISO_2005 else (reader.number(2), reader.number(2))
        later = kind in (RecordFormat.ANSI_2009, RecordFormat.ANSI_2009_AM1)
        certified = reader.number(1) if later else 0
        device = reader.number(2)
        if later:
            count, reserved = reader.number(1), reader.number(1)
        else:
            width, height, across, down, count, reserved = reader.unpack(_FRAME)
        if not 1 <= count <= MAX_VIEWS:
            raise MalformedDataError(f"{_WHAT}: {count} views; expected 1 to {MAX_VIEWS}")
        budget = _Budget()
        views = tuple((_view_2009 if later else _view)(reader, budget) for _ in range(count))
        check_end(reader.left, _WHAT, problems, after="view")
        first = views[0].frame
        if first is not None:
            width, height, (across, down) = first.width, first.height, first.resolution
        return cls(
            views=views,
            width=width,
            height=height,
            resolution=(across, down),
            capture_device=device,
            reserved=reserved,
            format=kind,
            product=product,
            certified=certified,
            problems=tuple(problems),
        )

    @classmethod
    def _read_2011(cls, reader: Reader, problems: list[str]) -> Self:
        _check_length(reader.number(4), reader.data, problems)
        count, flag = reader.number(2), reader.number(1)
        if not 1 <= count <= MAX_VIEWS:
            raise MalformedDataError(f"{_WHAT}: {count} views; expected 1 to {MAX_VIEWS}")
        budget = _Budget()
        views = tuple(_view_2011(reader, bool(flag), budget, problems) for _ in range(count))
        check_end(reader.left, _WHAT, problems, after="view")
        first = views[0][1]
        return cls(
            views=tuple(v for v, _ in views),
            width=first.width,
            height=first.height,
            resolution=first.resolution,
            format=RecordFormat.ISO_2011,
            certified=flag,
            problems=tuple(dict.fromkeys(problems)),
        )

    @classmethod
    def _read_nbis(cls, reader: Reader, problems: list[str]) -> Self:
        _check_length(reader.number(4), reader.data, problems)
        device, width, height, position, mixed, quality, _, count = _NBIS.unpack(reader.take(_NBIS.size))
        view = FingerView(
            position=position,
            view_number=mixed >> 4,
            impression_type=mixed & 0x0F,
            quality=quality,
            minutiae=_minutiae(reader, count, _Budget()),
        )
        problems.append("the layout is that of nbis-rs, not the standard's")
        return cls(
            views=(view,),
            width=width,
            height=height,
            capture_device=device,
            format=RecordFormat.NBIS_RS,
            problems=tuple(problems),
        )

    def encode(self) -> bytes:
        """The record in its format.

        Raises:
            ValueError: a number that does not fit its field, or several views for nbis-rs, which has one.
        """
        try:
            return self._encode()
        except struct.error:
            raise ValueError("a number does not fit its field") from None

    def _encode(self) -> bytes:
        kind = self.format
        start = _MAGIC + kind.version
        if kind is RecordFormat.ISO_2011:
            body = b"".join(_encode_2011(v, self, bool(self.certified)) for v in self.views)
            return start + struct.pack(">IHB", _HEADER_2011 + len(body), len(self.views), self.certified) + body
        if kind in (RecordFormat.ANSI_2009, RecordFormat.ANSI_2009_AM1):
            body = struct.pack(">HHBHBB", *self.product, self.certified, self.capture_device, len(self.views),
                               self.reserved)  # fmt: skip
            body += b"".join(_encode_2009(v, self) for v in self.views)
            return start + struct.pack(">I", 12 + len(body)) + body
        if kind is RecordFormat.NBIS_RS:
            (view,) = self.views
            mixed = view.view_number << 4 | view.impression_type & 0x0F
            body = _NBIS.pack(
                self.capture_device, self.width, self.height, view.position, mixed, view.quality, bytes(4),
                len(view.minutiae),
            ) + _encode_minutiae(view)  # fmt: skip
            return start + struct.pack(">I", 12 + len(body)) + body
        body = _FRAME.pack(self.width, self.height, *self.resolution, len(self.views), self.reserved)
        body += b"".join(_encode_view(v) for v in self.views)
        if kind is RecordFormat.ISO_2005:
            return start + struct.pack(">IH", 14 + len(body), self.capture_device) + body
        body = struct.pack(">HHH", *self.product, self.capture_device) + body
        size = 10 + len(body)  # two bytes, or zero and four (INCITS 378-2004 §6.4.3)
        return start + (struct.pack(">H", size) if size < 0x10000 else struct.pack(">HI", 0, size + 4)) + body


def detect_format(data: bytes) -> RecordFormat:
    """The format of a record from its first bytes, and its lengths where two formats have the same version.

    Raises:
        MalformedDataError: no minutiae record, or an unknown version.
    """
    if len(data) < 12 or data[:4] != _MAGIC:
        raise MalformedDataError(f"{_WHAT}: the format identifier is not FMR")
    version = data[4:8]
    if version == RecordFormat.ANSI_2009_AM1.version:
        return RecordFormat.ANSI_2009_AM1
    if version == RecordFormat.ISO_2011.version:
        return RecordFormat.ANSI_2009 if _is_2009(data) else RecordFormat.ISO_2011
    if version != RecordFormat.ISO_2005.version:
        raise MalformedDataError(f"{_WHAT}: the version is none of 2.0, 3.0 and 3.5")
    # INCITS 378 has two bytes of length, or 0 and four; ISO has four
    long, (first, second) = int.from_bytes(data[8:12], "big"), struct.unpack_from(">HH", data, 8)
    if abs(long - len(data)) <= SLACK or (first == 0 and second >= 24):
        # nbis-rs has zeros where the standard has its number of views, which is one at least
        nbis = len(data) >= 26 and data[21:25] == bytes(4) and 26 + 6 * data[25] == len(data)
        return RecordFormat.NBIS_RS if nbis else RecordFormat.ISO_2005
    return RecordFormat.ANSI_2004


def _is_2009(data: bytes) -> bool:
    """Whether a record of version 3.0 cannot be one of ISO: its representations do not add up, the views of 2009 do."""
    count, at = int.from_bytes(data[12:14], "big"), _HEADER_2011
    for _ in range(min(count, MAX_VIEWS)):
        length = int.from_bytes(data[at : at + 4], "big")
        if length < _LEAST_2011 or at + length > len(data) + SLACK:
            return _adds_up_2009(data)
        at += length
    return at + SLACK < len(data) and _adds_up_2009(data)


def _adds_up_2009(data: bytes) -> bool:
    at, views = 21, data[19] if len(data) > 19 else 0
    for _ in range(views):
        if at + 19 > len(data):
            return False
        at += 17 + 6 * data[at + 16]  # then the length of the extended data
        at += 2 + int.from_bytes(data[at : at + 2], "big")
    return views > 0 and abs(at - len(data)) <= SLACK


def _check_length(declared: int, data: bytes, problems: list[str]) -> None:
    if declared != len(data):
        if abs(declared - len(data)) > SLACK:
            raise MalformedDataError(f"{_WHAT}: it declares {declared} bytes and has {len(data)}")
        problems.append("the declared length of the record is wrong")


class _Budget:
    """Minutiae that may still come."""

    def __init__(self) -> None:
        self.left = MAX_MINUTIAE

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise MalformedDataError(f"{_WHAT}: more than {MAX_MINUTIAE} minutiae")


def _minutiae(reader: Reader, count: int, budget: _Budget, size: int = 6) -> tuple[Minutia, ...]:
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
        raise MalformedDataError(f"{_WHAT}: cut off in the extended data")
    found = []
    while reader.at < end:
        if reader.at + 4 > end:
            raise MalformedDataError(f"{_WHAT}: cut off in an extended data area")
        kind, size = reader.number(2), reader.number(2)
        if size < 4 or reader.at + size - 4 > end:
            raise MalformedDataError(f"{_WHAT}: an extended data area of {size} bytes does not fit")
        found.append((kind, reader.take(size - 4)))
    return tuple(found)


def _view(reader: Reader, budget: _Budget) -> FingerView:
    position, mixed, quality, count = reader.unpack(_VIEW)
    minutiae = _minutiae(reader, count, budget)
    return FingerView(
        position=position,
        view_number=mixed >> 4,
        impression_type=mixed & 0x0F,
        quality=quality,
        minutiae=minutiae,
        extended=_extended(reader),
    )


def _view_2009(reader: Reader, budget: _Budget) -> FingerView:
    position, number, impression, quality, vendor, algorithm, *rest = reader.unpack(_VIEW_2009)
    width, height, across, down, count = rest
    minutiae = _minutiae(reader, count, budget)
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


def _view_2011(
    reader: Reader, certified: bool, budget: _Budget, problems: list[str]
) -> tuple[FingerView, ViewFrame]:  # fmt: skip
    start = reader.at
    length = reader.number(4)
    capture = Capture.read(reader, certified=certified)
    position, number, across, down, impression, width, height, mixed, count = reader.unpack(_VIEW_2011)
    size = mixed >> 4
    if size not in (_SHORT_MINUTIA.size, _MINUTIA.size):
        raise MalformedDataError(f"{_WHAT}: minutiae of {size} bytes; 5 or 6 are defined")
    minutiae = _minutiae(reader, count, budget, size)
    extended = _extended(reader)
    if abs(start + length - reader.at) > SLACK:
        raise MalformedDataError(f"{_WHAT}: a representation declares {length} bytes, which do not fit")
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


def _encode_minutiae(view: FingerView, size: int = 6) -> bytes:
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


def _encode_view(view: FingerView) -> bytes:
    mixed = view.view_number << 4 | view.impression_type & 0x0F
    head = _VIEW.pack(view.position, mixed, view.quality, len(view.minutiae))
    return head + _encode_minutiae(view) + _encode_extended(view)


def _encode_2009(view: FingerView, record: MinutiaeRecord) -> bytes:
    width, height, resolution = record.frame_of(view)
    algorithm = view.frame.quality_algorithm if view.frame else (0, 0)
    head = _VIEW_2009.pack(
        view.position, view.view_number, view.impression_type, view.quality, *algorithm, width, height, *resolution,
        len(view.minutiae),
    )  # fmt: skip
    return head + _encode_minutiae(view) + _encode_extended(view)


def _encode_2011(view: FingerView, record: MinutiaeRecord, certified: bool) -> bytes:
    width, height, resolution = record.frame_of(view)
    frame = view.frame or ViewFrame(width=width, height=height, resolution=resolution)
    mixed = frame.minutia_size << 4 | frame.ridge_ending & 0x0F
    head = frame.capture.encode(certified=certified) + _VIEW_2011.pack(
        view.position, view.view_number, *resolution, view.impression_type, width, height, mixed, len(view.minutiae)
    )
    body = head + _encode_minutiae(view, frame.minutia_size) + _encode_extended(view)
    return struct.pack(">I", 4 + len(body)) + body


def joined(high: int, low: int) -> int:
    """Two bits and fourteen.

    Raises:
        ValueError: one does not fit.
    """
    if not 0 <= low <= _LOW_14 or not 0 <= high <= 3:
        raise ValueError("a coordinate does not fit 14 bits")
    return high << 14 | low
