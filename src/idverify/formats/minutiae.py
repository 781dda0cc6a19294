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
from idverify.formats.minutiae_views import (
    MAX_MINUTIAE,
    WHAT,
    Budget,
    FingerView,
    Minutia,
    MinutiaType,
    ViewFrame,
    encode_minutiae,
    encode_view,
    encode_view_2009,
    encode_view_2011,
    joined,
    read_minutiae,
    read_view,
    read_view_2009,
    read_view_2011,
)
from idverify.formats.representation import SLACK, Reader, check_end, check_length

__all__ = [
    "MAX_BYTES",
    "MAX_MINUTIAE",
    "MAX_VIEWS",
    "FingerView",
    "Minutia",
    "MinutiaType",
    "MinutiaeRecord",
    "RecordFormat",
    "ViewFrame",
    "detect_format",
    "joined",
]

MAX_BYTES: Final = 1 << 20
MAX_VIEWS: Final = 176
"""Largest number of views of a record (16 views of 11 fingers)."""

_MAGIC: Final = b"FMR\0"
_FRAME: Final = struct.Struct(">HHHHBB")  # width, height, resolutions, views, reserved
_NBIS: Final = struct.Struct(">HHHBBB4sB")  # device, width, height, position, view, quality, reserved, minutiae
_HEADER_2011: Final = 15
_LEAST_2011: Final = 34  # a representation without minutiae


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
            raise MalformedDataError(f"{WHAT}: over {MAX_BYTES} bytes")
        kind = detect_format(data)
        reader, problems = Reader(data, WHAT), list[str]()
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
        check_length(declared, reader.data, WHAT, problems)
        product = (0, 0) if kind is RecordFormat.ISO_2005 else (reader.number(2), reader.number(2))
        later = kind in (RecordFormat.ANSI_2009, RecordFormat.ANSI_2009_AM1)
        certified = reader.number(1) if later else 0
        device = reader.number(2)
        if later:
            count, reserved = reader.number(1), reader.number(1)
        else:
            width, height, across, down, count, reserved = reader.unpack(_FRAME)
        if not 1 <= count <= MAX_VIEWS:
            raise MalformedDataError(f"{WHAT}: {count} views; expected 1 to {MAX_VIEWS}")
        budget = Budget()
        views = tuple((read_view_2009 if later else read_view)(reader, budget) for _ in range(count))
        check_end(reader.left, WHAT, problems, after="view")
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
        check_length(reader.number(4), reader.data, WHAT, problems)
        count, flag = reader.number(2), reader.number(1)
        if not 1 <= count <= MAX_VIEWS:
            raise MalformedDataError(f"{WHAT}: {count} views; expected 1 to {MAX_VIEWS}")
        budget = Budget()
        views = tuple(read_view_2011(reader, bool(flag), budget, problems) for _ in range(count))
        check_end(reader.left, WHAT, problems, after="view")
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
        check_length(reader.number(4), reader.data, WHAT, problems)
        device, width, height, position, mixed, quality, _, count = _NBIS.unpack(reader.take(_NBIS.size))
        view = FingerView(
            position=position,
            view_number=mixed >> 4,
            impression_type=mixed & 0x0F,
            quality=quality,
            minutiae=read_minutiae(reader, count, Budget()),
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
            body = b"".join(encode_view_2011(v, self.frame_of(v), bool(self.certified)) for v in self.views)
            return start + struct.pack(">IHB", _HEADER_2011 + len(body), len(self.views), self.certified) + body
        if kind in (RecordFormat.ANSI_2009, RecordFormat.ANSI_2009_AM1):
            body = struct.pack(">HHBHBB", *self.product, self.certified, self.capture_device, len(self.views),
                               self.reserved)  # fmt: skip
            body += b"".join(encode_view_2009(v, self.frame_of(v)) for v in self.views)
            return start + struct.pack(">I", 12 + len(body)) + body
        if kind is RecordFormat.NBIS_RS:
            (view,) = self.views
            mixed = view.view_number << 4 | view.impression_type & 0x0F
            body = _NBIS.pack(
                self.capture_device, self.width, self.height, view.position, mixed, view.quality, bytes(4),
                len(view.minutiae),
            ) + encode_minutiae(view)  # fmt: skip
            return start + struct.pack(">I", 12 + len(body)) + body
        body = _FRAME.pack(self.width, self.height, *self.resolution, len(self.views), self.reserved)
        body += b"".join(encode_view(v) for v in self.views)
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
        raise MalformedDataError(f"{WHAT}: the format identifier is not FMR")
    version = data[4:8]
    if version == RecordFormat.ANSI_2009_AM1.version:
        return RecordFormat.ANSI_2009_AM1
    if version == RecordFormat.ISO_2011.version:
        return RecordFormat.ANSI_2009 if _is_2009(data) else RecordFormat.ISO_2011
    if version != RecordFormat.ISO_2005.version:
        raise MalformedDataError(f"{WHAT}: the version is none of 2.0, 3.0 and 3.5")
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
