"""What the 2011 editions of ISO/IEC 19794 share: bounded reading, and the head of every representation.

ISO/IEC 19794-1:2011 gives all parts one representation header: capture date and time, capture device, quality records,
certification records (tables 2 of 19794-2, -4, -5 and -6:2011 begin with it).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final, Self

from idverify.errors import MalformedDataError

SLACK: Final = 8
"""Bytes by which a declared length may be wrong: met in the field."""
UNKNOWN_TIME: Final = b"\xff" * 9
NO_QUALITY: Final = 254

_CAPTURE: Final = struct.Struct(">9sBHH")
_QUALITY: Final = struct.Struct(">BHH")
_CERTIFICATION: Final = struct.Struct(">HB")


class Reader:
    """Big-endian numbers from hostile bytes; never beyond the end.

    Args:
        data: the record.
        what: its name, for messages.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self.data, self.what, self.at = data, what, 0

    @property
    def left(self) -> int:
        """Bytes that were not read."""
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes.

        Raises:
            MalformedDataError: so many are not there.
        """
        if count < 0 or count > self.left:
            raise MalformedDataError(f"{self.what}: cut off at byte {len(self.data)}")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int) -> int:
        """An unsigned number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big")

    def unpack(self, form: struct.Struct) -> tuple[int, ...]:
        """The fields of a structure of numbers."""
        return form.unpack(self.take(form.size))

    def rest(self, start: int, length: int, problems: list[str]) -> bytes:
        """What is left of a part of ``length`` bytes that began at ``start``.

        Raises:
            MalformedDataError: the part ended before here, or ends beyond the record, by more than :data:`SLACK` bytes.
        """
        over = start + length - self.at
        found = self.take(min(max(over, 0), self.left))
        if over != len(found):
            if abs(over - len(found)) > SLACK:
                raise MalformedDataError(f"{self.what}: a representation declares {length} bytes, which do not fit")
            problems.append("the declared length of a representation is wrong")
        return found

    def picture(self, problems: list[str]) -> bytes:
        """A picture after its length in four bytes; up to :data:`SLACK` bytes may be missing at the end of the file.

        Raises:
            MalformedDataError: none, or a length beyond the end.
        """
        length = self.number(4)
        if length > self.left:
            if length - self.left > SLACK:
                raise MalformedDataError(f"{self.what}: an image declares {length} bytes, more than there are")
            problems.append("the declared length of an image is wrong")
            length = self.left
        if not length:
            raise MalformedDataError(f"{self.what}: a representation has no picture")
        return self.take(length)


def check_length(declared: int, data: bytes, what: str, problems: list[str]) -> None:
    """The length that a record declares; up to :data:`SLACK` bytes off is a problem, more is refused.

    Raises:
        MalformedDataError: more than that.
    """
    if declared != len(data):
        if abs(declared - len(data)) > SLACK:
            raise MalformedDataError(f"{what}: it declares {declared} bytes and has {len(data)}")
        problems.append("the declared length of the record is wrong")


def check_end(left: int, what: str, problems: list[str], *, after: str = "representation") -> None:
    """What follows the last part of a record.

    Raises:
        MalformedDataError: more than :data:`SLACK` bytes.
    """
    if left > SLACK:
        raise MalformedDataError(f"{what}: {left} bytes follow the last {after}")
    if left:
        problems.append(f"bytes follow the last {after}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Head of a representation (ISO/IEC 19794-1:2011).

    Attributes:
        time: year (2 bytes), month, day, hour, minute, second, milliseconds (2 bytes); all ones for unknown.
        technology: capture device technology; 0 unknown.
        vendor: capture device vendor, registered with IBIA; 0 unknown.
        device: capture device type of that vendor.
        qualities: score (0 … 100, 255 failed), vendor and algorithm of each quality record.
        certifications: authority and scheme of each certification record; only where the record's flag is set.
    """

    time: bytes = field(default=UNKNOWN_TIME, repr=False)
    technology: int = 0
    vendor: int = 0
    device: int = 0
    qualities: tuple[tuple[int, int, int], ...] = ()
    certifications: tuple[tuple[int, int], ...] = ()

    @property
    def quality(self) -> int:
        """The first score, or 254 for none."""
        return self.qualities[0][0] if self.qualities else NO_QUALITY

    @classmethod
    def read(cls, reader: Reader, *, certified: bool) -> Self:
        """Read the head.

        Args:
            reader: at the capture date, after the length of the representation.
            certified: whether the record's certification flag is set.

        Raises:
            MalformedDataError: cut off.
        """
        time, technology, vendor, device = _CAPTURE.unpack(reader.take(_CAPTURE.size))
        qualities = tuple(_triple(reader) for _ in range(reader.number(1)))
        pairs: list[tuple[int, int]] = []
        for _ in range(reader.number(1) if certified else 0):
            authority, scheme = reader.unpack(_CERTIFICATION)
            pairs.append((authority, scheme))
        return cls(
            time=time, technology=technology, vendor=vendor, device=device, qualities=qualities,
            certifications=tuple(pairs),
        )  # fmt: skip

    def encode(self, *, certified: bool) -> bytes:
        """The head.

        Raises:
            ValueError: a number that does not fit its field.
        """
        try:
            head = _CAPTURE.pack(self.time, self.technology, self.vendor, self.device)
            head += bytes([len(self.qualities)]) + b"".join(_QUALITY.pack(*q) for q in self.qualities)
            if certified:
                head += bytes([len(self.certifications)])
                head += b"".join(_CERTIFICATION.pack(*c) for c in self.certifications)
        except struct.error:
            raise ValueError("a number does not fit its field") from None
        return head


def _triple(reader: Reader) -> tuple[int, int, int]:
    score, vendor, algorithm = reader.unpack(_QUALITY)
    return score, vendor, algorithm
