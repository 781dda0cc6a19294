"""Minutiae records in and out: ISO/IEC 19794-2:2005 and :2011, ANSI/INCITS 378-2004, and the card formats.

Records come from chips, cards and other vendors' systems and are hostile: lengths and counts are checked before use,
and only :class:`~idverify.errors.MalformedDataError` comes out. Declared frames and resolutions may lie; what the
caller knows better goes into :func:`decode_record`.
"""

from __future__ import annotations

import enum
import math
import struct
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from idverify.biometric.finger import constants as c
from idverify.biometric.finger.minutiae import FingerPosition, Minutiae, MinutiaKind
from idverify.errors import ConfigurationError, MalformedDataError

MAX_BYTES: Final = 1 << 20
MAX_VIEWS: Final = 176
"""Largest number of views of a record (16 views of 11 fingers)."""
SLACK: Final = 8
"""Bytes by which a declared length may be wrong."""

_WHAT: Final = "finger minutiae record"
_LOW: Final = 0x3FFF
_MILLIMETRE: Final = c.DPI / 25.4


class RecordFormat(enum.Enum):
    """Format of a record."""

    ISO_2005 = "ISO/IEC 19794-2:2005"
    ISO_2011 = "ISO/IEC 19794-2:2011"
    ANSI_2004 = "ANSI/INCITS 378-2004"


class CardFormat(enum.Enum):
    """Card formats of ISO/IEC 19794-2:2005 §8: bytes of a minutia, units in a millimetre, steps of a turn, largest."""

    NORMAL = (5, 100, 256, _LOW)
    COMPACT = (3, 10, 64, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerRecord:
    """A decoded record.

    Attributes:
        format: its format.
        views: the minutiae of every view, at 500 dpi; personal data.
        width: as declared, in pixels of the record.
        height: as declared.
        resolution: as declared, pixels a centimetre, horizontal and vertical.
        problems: deviations that did not hinder reading.
    """

    format: RecordFormat
    views: tuple[Minutiae, ...] = field(repr=False)
    width: int
    height: int
    resolution: tuple[int, int]
    problems: tuple[str, ...] = ()


class _Reader:
    """Bounded reading of big-endian numbers."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise MalformedDataError(f"{_WHAT}: cut off at byte {len(self.data)}")
        self.at += count
        return self.data[self.at - count : self.at]

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    @property
    def left(self) -> int:
        return len(self.data) - self.at


def detect_format(data: bytes) -> RecordFormat:
    """The format of a record from its first bytes.

    Raises:
        MalformedDataError: no minutiae record, or an unknown version.
    """
    if len(data) < 12 or data[:4] != b"FMR\0":
        raise MalformedDataError(f"{_WHAT}: the format identifier is not FMR")
    if data[4:8] == b"030\0":
        return RecordFormat.ISO_2011
    if data[4:8] != b" 20\0":
        raise MalformedDataError(f"{_WHAT}: the version is neither 2.0 nor 3.0")
    # INCITS 378 has two bytes of length, or 0 and four; ISO has four, and records are below 64 KiB
    first, second = struct.unpack_from(">HH", data, 8)
    return RecordFormat.ISO_2005 if first == 0 and second >= 24 else RecordFormat.ANSI_2004


def decode_record(
    data: bytes, *, true_size: tuple[int, int] | None = None, true_dpi: float = c.DPI
) -> FingerRecord:  # fmt: skip
    """Reads a record.

    Args:
        data: the record.
        true_size: width and height in pixels of the picture that the minutiae were found in, where the caller knows
            them: places and directions are then mapped from the declared frame to this one, each axis by itself. Some
            vendors write one fixed frame whatever the sensor.
        true_dpi: resolution of that picture.

    Raises:
        MalformedDataError: no such record, or lengths that do not fit.
        ConfigurationError: ``true_size`` or ``true_dpi`` out of range.
    """
    if len(data) > MAX_BYTES:
        raise MalformedDataError(f"{_WHAT}: over {MAX_BYTES} bytes")
    if true_size is not None and not all(1 <= side <= _LOW for side in true_size):
        raise ConfigurationError("a true size is two sides of 1 to 16383 pixels")
    if not math.isfinite(true_dpi) or not c.DPI_RANGE[0] <= true_dpi <= c.DPI_RANGE[1]:
        raise ConfigurationError(f"a resolution lies between {c.DPI_RANGE[0]} and {c.DPI_RANGE[1]} dpi")
    kind = detect_format(data)
    reader, problems = _Reader(data), list[str]()
    reader.take(8)
    _check_length(kind, reader, problems)
    true = (true_size, true_dpi)
    if kind is RecordFormat.ISO_2011:
        return _decode_2011(reader, true, problems)
    reader.take(2 if kind is RecordFormat.ISO_2005 else 6)  # device; owner, type and device
    width, height, across, down = (reader.u16() for _ in range(4))
    count, _ = reader.u8(), reader.u8()
    if not 1 <= count <= MAX_VIEWS:
        raise MalformedDataError(f"{_WHAT}: {count} views; expected 1 to {MAX_VIEWS}")
    step = 2 * math.pi / 256 if kind is RecordFormat.ISO_2005 else math.radians(2)
    frame = _Frame(width, height, across, down, true, problems)
    views = []
    for _ in range(count):
        position, _, quality, number = (reader.u8() for _ in range(4))
        rows = struct.iter_unpack(">HHBB", reader.take(6 * number))
        views.append(frame.minutiae([(*row,) for row in rows], step, position, quality))
        reader.take(reader.u16())
    _check_end(reader, problems)
    return FingerRecord(
        format=kind, views=tuple(views), width=width, height=height, resolution=(across, down),
        problems=tuple(dict.fromkeys(problems)),
    )  # fmt: skip


def _check_length(kind: RecordFormat, reader: _Reader, problems: list[str]) -> None:
    declared = reader.u32() if kind is not RecordFormat.ANSI_2004 else reader.u16() or reader.u32()
    if declared != len(reader.data):
        if abs(declared - len(reader.data)) > SLACK:
            raise MalformedDataError(f"{_WHAT}: it declares {declared} bytes and has {len(reader.data)}")
        problems.append("the declared length is wrong")


def _check_end(reader: _Reader, problems: list[str]) -> None:
    if reader.left > SLACK:
        raise MalformedDataError(f"{_WHAT}: {reader.left} bytes follow the last view")
    if reader.left:
        problems.append("bytes follow the last view")


def _decode_2011(reader: _Reader, true: _True, problems: list[str]) -> FingerRecord:
    count, certified = reader.u16(), reader.u8()
    if not 1 <= count <= MAX_VIEWS:
        raise MalformedDataError(f"{_WHAT}: {count} views; expected 1 to {MAX_VIEWS}")
    views: list[Minutiae] = []
    head = (0, 0, 0, 0)
    for _ in range(count):
        end = reader.at + reader.u32()
        if end > len(reader.data) or end < reader.at + 30:
            raise MalformedDataError(f"{_WHAT}: the length of a representation does not fit")
        reader.take(9 + 1 + 2 + 2)  # capture time, technology, vendor, device
        blocks = reader.u8()
        quality = reader.take(5 * blocks)[0] if blocks else 0
        if certified:
            reader.take(3 * reader.u8())
        position, _ = reader.u8(), reader.u8()
        across, down, _, width, height = reader.u16(), reader.u16(), reader.u8(), reader.u16(), reader.u16()
        size, number = reader.u8() >> 4, reader.u8()
        if size not in (5, 6):
            raise MalformedDataError(f"{_WHAT}: minutiae of {size} bytes; 5 or 6 are defined")
        body = reader.take(size * number)
        rows = [
            (*struct.unpack_from(">HHB", body, size * i), body[size * i + 5] if size == 6 else 254)
            for i in range(number)
        ]
        reader.take(reader.u16())
        if reader.at != end:
            if abs(reader.at - end) > SLACK:
                raise MalformedDataError(f"{_WHAT}: the length of a representation does not fit")
            problems.append("the declared length of a representation is wrong")
        head = head if views else (width, height, across, down)
        frame = _Frame(width, height, across, down, true, problems)
        views.append(frame.minutiae(rows, 2 * math.pi / 256, position, quality))
    _check_end(reader, problems)
    return FingerRecord(
        format=RecordFormat.ISO_2011, views=tuple(views), width=head[0], height=head[1], resolution=(head[2], head[3]),
        problems=tuple(dict.fromkeys(problems)),
    )  # fmt: skip


_True = tuple[tuple[int, int] | None, float]


class _Frame:
    """From the pixels of a record to pixels at 500 dpi."""

    def __init__(
        self, width: int, height: int, across: int, down: int, true: _True, problems: list[str]
    ) -> None:  # fmt: skip
        size, dpi = true
        self.problems = problems
        if size is not None and width and height:
            self.scale = (size[0] / width * c.DPI / dpi, size[1] / height * c.DPI / dpi)
            self.size = (round(size[0] * c.DPI / dpi), round(size[1] * c.DPI / dpi))
            return
        self.scale = (self._scale(across), self._scale(down))
        self.size = (round(width * self.scale[0]), round(height * self.scale[1]))

    def _scale(self, per_centimetre: int) -> float:
        dpi = per_centimetre * 2.54
        if not c.DPI_RANGE[0] <= dpi <= c.DPI_RANGE[1]:
            self.problems.append("the declared resolution is impossible; 500 dpi taken")
            return 1.0
        return 1.0 if abs(dpi - c.DPI) < 0.01 * c.DPI else c.DPI / dpi

    def minutiae(self, rows: list[tuple[int, ...]], step: float, position: int, quality: int) -> Minutiae:
        table = np.array(rows, np.int64).reshape(-1, 5 if not rows else len(rows[0]))
        x, y = (table[:, i] & _LOW for i in (0, 1))
        angle = table[:, 2] * step
        along, up = np.cos(angle) * self.scale[0], np.sin(angle) * self.scale[1]
        sure = table[:, 3] if table.shape[1] > 3 else np.zeros(len(table))
        known = (sure >= 1) & (sure <= 100)
        kind = (table[:, 0] >> 14).astype(np.uint8)
        try:
            finger = FingerPosition(position)
        except ValueError:
            finger = FingerPosition.UNKNOWN
            self.problems.append("the finger position is unknown")
        return Minutiae(
            x=(x * self.scale[0]).astype(np.float32), y=(y * self.scale[1]).astype(np.float32),
            angle=np.arctan2(up, along).astype(np.float32), kind=np.where(kind > 2, 0, kind).astype(np.uint8),
            score=np.where(known, sure / 100, c.RECORD_SCORE).astype(np.float32), width=self.size[0],
            height=self.size[1], position=finger, quality=quality if 1 <= quality <= 100 else None,
        )  # fmt: skip


def _fields(minutiae: Minutiae, steps: int) -> list[tuple[int, int, int, int]]:
    """Type and x, y, angle in steps, quality 1 … 100 of the best minutiae, clipped to 14 bits."""
    best = minutiae.best(255)
    turn = np.rint(np.mod(best.angle, 2 * math.pi) / (2 * math.pi) * steps).astype(int) % steps
    x, y = (np.clip(np.rint(v), 0, _LOW).astype(int) for v in (best.x, best.y))
    sure = np.clip(np.rint(best.score * 100), 1, 100).astype(int)
    rows = zip(best.kind.tolist(), x.tolist(), y.tolist(), turn.tolist(), sure.tolist(), strict=True)
    return [(kind << 14 | a, b, t, q) for kind, a, b, t, q in rows]


def encode_record(views: tuple[Minutiae, ...], form: RecordFormat = RecordFormat.ISO_2005) -> bytes:
    """Writes a record at 500 dpi (197 pixels a centimetre), at most 255 minutiae a view.

    Args:
        views: one or more prints; the frame is the largest of theirs.
        form: the format.

    Raises:
        ConfigurationError: no view, too many, or a frame beyond 14 bits.
    """
    if not 1 <= len(views) <= MAX_VIEWS:
        raise ConfigurationError(f"a record has 1 to {MAX_VIEWS} views, not {len(views)}")
    width, height = max(v.width for v in views), max(v.height for v in views)
    if not (1 <= width <= _LOW and 1 <= height <= _LOW):
        raise ConfigurationError("the frame of a record is 1 to 16383 pixels a side")
    numbers = [sum(v.position == w.position for w in views[:i]) for i, v in enumerate(views)]
    if form is RecordFormat.ISO_2011:
        return _encode_2011(views, numbers)
    body = b""
    for view, number in zip(views, numbers, strict=True):
        rows = _fields(view, 256 if form is RecordFormat.ISO_2005 else 180)
        body += struct.pack(">BBBB", view.position, (number & 15) << 4, view.quality or 0, len(rows))
        body += b"".join(struct.pack(">HHBB", *row) for row in rows) + b"\0\0"
    tail = struct.pack(">HHHHBB", width, height, 197, 197, len(views), 0) + body
    if form is RecordFormat.ISO_2005:
        return b"FMR\0 20\0" + struct.pack(">IH", 14 + len(tail), 0) + tail
    size = 16 + len(tail)
    length = struct.pack(">H", size) if size < 0x10000 else struct.pack(">HI", 0, size + 4)
    return b"FMR\0 20\0" + length + struct.pack(">HHH", 1, 0, 0) + tail


def _encode_2011(views: tuple[Minutiae, ...], numbers: list[int]) -> bytes:
    body = b""
    for view, number in zip(views, numbers, strict=True):
        rows = _fields(view, 256)
        quality = b"\x01" + struct.pack(">BHH", view.quality, 0, 0) if view.quality is not None else b"\0"
        part = b"\xff" * 9 + struct.pack(">BHH", 0, 0, 0) + quality
        part += struct.pack(">BBHHBHH", view.position, number & 15, 197, 197, 0, view.width, view.height)
        part += bytes([0x60, len(rows)]) + b"".join(struct.pack(">HHBB", *row) for row in rows) + b"\0\0"
        body += struct.pack(">I", 4 + len(part)) + part
    return b"FMR\x00030\0" + struct.pack(">IHB", 15 + len(body), len(views), 0) + body


def encode_card(minutiae: Minutiae, form: CardFormat = CardFormat.COMPACT, *, most: int = 60) -> bytes:
    """The minutiae of a card format (the content of tag 81), best ``most`` ones, ordered by x, then y.

    Places are millimetre units from the upper left corner of the box around them where the picture is larger than the
    format's frame, else from that of the picture.
    """
    size, units, steps, largest = form.value
    best = minutiae.best(min(most, 255))
    scale = units / _MILLIMETRE
    x, y = best.x * scale, best.y * scale
    if len(best) and max(float(x.max()), float(y.max())) > largest:
        x, y = x - x.min(), y - y.min()
    turn = np.rint(np.mod(best.angle, 2 * math.pi) / (2 * math.pi) * steps).astype(int) % steps
    columns, lines = (np.rint(v).astype(int) for v in (x, y))
    rows = sorted(zip(columns.tolist(), lines.tolist(), turn.tolist(), best.kind.tolist(), strict=True))
    rows = [row for row in rows if row[0] <= largest and row[1] <= largest]
    if size == 3:
        return b"".join(struct.pack(">BBB", a, b, kind << 6 | t) for a, b, t, kind in rows)
    return b"".join(struct.pack(">HHB", kind << 14 | a, b, t) for a, b, t, kind in rows)


def decode_card(data: bytes, form: CardFormat = CardFormat.COMPACT) -> Minutiae:
    """Reads the minutiae of a card format.

    Raises:
        MalformedDataError: more than 255 minutiae, or a length that is no multiple of theirs.
    """
    size, units, steps, largest = form.value
    if len(data) % size or len(data) > 255 * size:
        raise MalformedDataError(f"card format: {len(data)} bytes are no minutiae of {size} bytes")
    if size == 3:
        rows = [(a, b, last & 0x3F, last >> 6) for a, b, last in struct.iter_unpack(">BBB", data)]
    else:
        rows = [(a & _LOW, b & _LOW, t, a >> 14) for a, b, t in struct.iter_unpack(">HHB", data)]
    table = np.array(rows, np.int64).reshape(-1, 4)
    scale = _MILLIMETRE / units
    angle = table[:, 2] * (2 * math.pi / steps)
    side = round(min(largest, max([1, *table[:, :2].ravel().tolist()])) * scale) + 1
    kind = np.where(table[:, 3] > 2, MinutiaKind.OTHER, table[:, 3]).astype(np.uint8)
    return Minutiae(
        x=(table[:, 0] * scale).astype(np.float32), y=(table[:, 1] * scale).astype(np.float32),
        angle=np.arctan2(np.sin(angle), np.cos(angle)).astype(np.float32), kind=kind,
        score=np.full(len(table), c.RECORD_SCORE, np.float32), width=side, height=side,
    )  # fmt: skip
