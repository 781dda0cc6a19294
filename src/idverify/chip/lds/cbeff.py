"""Biometric information templates of DG2, DG3 and DG4 (ICAO 9303-10 §4.7.2; ISO/IEC 7816-11 annex; ISO/IEC 19785-3)::

    75 | 63 | 76 {
      7F61 { 02 number of instances, 7F60 { A1 header, 5F2E | 7F2E biometric data block } … } }

Declared lengths that are a few bytes off (:data:`SLACK`) are met in the field and are tolerated as long as every byte
that is used is inside the file; each such place is named in ``problems``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Self

from idverify import _tlv
from idverify.errors import MalformedDataError

GROUP: Final = 0x7F61
INSTANCE: Final = 0x7F60
_COUNT: Final = 0x02
_HEADER: Final = 0xA1
PRIMITIVE_DATA: Final = 0x5F2E
CONSTRUCTED_DATA: Final = 0x7F2E
_DATA: Final = (PRIMITIVE_DATA, CONSTRUCTED_DATA)
_DISCRETIONARY: Final = 0x53
_PROTECTED: Final = 0x7D  # encrypted BDB (ISO/IEC 7816-11): nothing here can open it

SLACK: Final = 8
MAX_INSTANCES: Final = 16
MAX_BLOCK_BYTES: Final = 1024 * 1024

FORMAT_OWNER_ISO: Final = 0x0101
"""ISO/IEC JTC 1/SC 37."""


@dataclass(frozen=True, slots=True)
class BiometricHeader:
    """Biometric header template (ICAO 9303-10 table 39).

    Attributes:
        objects: tag and value of every data object, in order.
    """

    objects: tuple[tuple[int, bytes], ...]

    def get(self, tag: int) -> bytes | None:
        """The value of the first object of that tag, or None."""
        return next((v for t, v in self.objects if t == tag), None)

    def _number(self, tag: int) -> int | None:
        value = self.get(tag)
        return int.from_bytes(value, "big") if value else None

    @property
    def version(self) -> int | None:
        """Patron header version (tag 80), ``0x0101`` for 1.1."""
        return self._number(0x80)

    @property
    def biometric_type(self) -> int | None:
        """Type (tag 81): 02 face, 08 finger, 10 iris."""
        return self._number(0x81)

    @property
    def biometric_subtype(self) -> int | None:
        """Subtype (tag 82): right (01) or left (02), finger in bits 3 to 5."""
        return self._number(0x82)

    @property
    def format_owner(self) -> int | None:
        """Format owner (tag 87); ``0x0101`` for ISO/IEC JTC 1/SC 37."""
        return self._number(0x87)

    @property
    def format_type(self) -> int | None:
        """Format type (tag 88)."""
        return self._number(0x88)

    @classmethod
    def make(
        cls,
        *,
        format_type: int,
        format_owner: int = FORMAT_OWNER_ISO,
        biometric_type: int | None = None,
        biometric_subtype: int | None = None,
        version: int | None = None,
    ) -> Self:
        """A header with the given objects, in the order of their tags."""
        values = (
            (0x80, version, 2),
            (0x81, biometric_type, 1),
            (0x82, biometric_subtype, 1),
            (0x87, format_owner, 2),
            (0x88, format_type, 2),
        )
        return cls(tuple((t, v.to_bytes(n, "big")) for t, v, n in values if v is not None))

    def encode(self) -> bytes:
        """The template A1."""
        return _tlv.encode(_HEADER, *(_tlv.encode(t, v) for t, v in self.objects))


@dataclass(frozen=True, slots=True)
class BiometricInstance:
    """One biometric information template.

    Attributes:
        header: its header.
        data: the biometric data block.
        data_tag: 5F2E (primitive) or 7F2E (constructed).
    """

    header: BiometricHeader
    data: bytes = field(repr=False)
    data_tag: int = PRIMITIVE_DATA

    def encode(self) -> bytes:
        """The template 7F60."""
        return _tlv.encode(INSTANCE, self.header.encode(), _tlv.encode(self.data_tag, self.data))


@dataclass(frozen=True, slots=True)
class BiometricGroup:
    """The biometric information template group of one file.

    Attributes:
        instances: the templates, in order.
        problems: deviations that did not hinder reading.
    """

    instances: tuple[BiometricInstance, ...]
    problems: tuple[str, ...] = ()


def parse_group(raw: bytes, tag: int, *, what: str) -> BiometricGroup:
    """Read the file of a biometric data group.

    Raises:
        MalformedDataError: another tag, a missing count, header, format or data block, lengths that are off by more
            than :data:`SLACK`, more than :data:`MAX_INSTANCES`, or an encrypted data block.
    """
    walker = _Walker(raw, what)
    start, end = walker.enter(0, len(raw), tag)
    start, end = walker.enter(start, end, GROUP)
    at = _tlv.read_tlv(raw, start, what=what)
    if at.tag != _COUNT or len(at.value) != 1:
        raise MalformedDataError(f"{what}: the number of instances (tag 02) is missing")
    count = at.value[0]
    if count > MAX_INSTANCES:
        raise MalformedDataError(f"{what}: {count} instances are beyond the cap of {MAX_INSTANCES}")
    position = start + len(at.raw)
    instances: list[BiometricInstance] = []
    for _ in range(count):
        if position >= end:
            raise MalformedDataError(f"{what}: {count} instances are announced, only {len(instances)} are there")
        inner_start, inner_end = walker.enter(position, end, INSTANCE)
        instances.append(_instance(walker, inner_start, inner_end, what=what))
        position = inner_end
    # an empty group may carry random bytes against recognition of the file (ICAO 9303-10 §4.7.3.1, tag 53)
    if position < end and raw[position] != _DISCRETIONARY:
        walker.problems.append("bytes follow the last instance")
    return BiometricGroup(tuple(instances), tuple(walker.problems))


def encode_group(tag: int, instances: Iterable[BiometricInstance], *, discretionary: bytes = b"") -> bytes:
    """The file of a biometric data group.

    Args:
        tag: 75, 63 or 76.
        instances: the templates.
        discretionary: random bytes for a group without instances (tag 53).
    """
    parts = [i.encode() for i in instances]
    if len(parts) > MAX_INSTANCES:
        raise ValueError(f"at most {MAX_INSTANCES} instances")
    extra = _tlv.encode(_DISCRETIONARY, discretionary) if discretionary else b""
    return _tlv.encode(tag, _tlv.encode(GROUP, _tlv.encode(_COUNT, bytes([len(parts)])), *parts, extra))


class _Walker:
    """Walks down the templates by offsets, so that lengths a few bytes off lose no byte of the file."""

    def __init__(self, raw: bytes, what: str) -> None:
        self.raw = raw
        self.what = what
        self.problems: list[str] = []

    def enter(self, start: int, limit: int, *tags: int) -> tuple[int, int]:
        """First and last-but-one offset of the value of the object at ``start``, which ends at ``limit`` at most.

        An end beyond ``limit`` by up to :data:`SLACK` bytes is taken back to where the file ends.
        """
        header = _tlv.read_header(self.raw, start, what=self.what)
        if header.tag not in tags:
            expected = " or ".join(f"{t:X}" for t in tags)
            raise MalformedDataError(f"{self.what}: expected tag {expected}, got {header.tag:X}")
        end = start + header.total
        if end > limit:
            if end - limit > SLACK:
                raise MalformedDataError(
                    f"{self.what}: tag {header.tag:X} declares {header.length} bytes, {end - limit} more than there are"
                )
            self.problems.append(f"the length of tag {header.tag:X} is {end - limit} too great")
            end = min(end, len(self.raw))
        return start + header.size, end


def _instance(walker: _Walker, start: int, end: int, *, what: str) -> BiometricInstance:
    first, last = walker.enter(start, end, _HEADER)
    header = BiometricHeader(
        tuple((t.tag, t.value) for t in _tlv.iter_tlv(walker.raw[first:last], what=f"{what} header"))
    )
    if header.get(0x87) is None or header.get(0x88) is None:
        raise MalformedDataError(f"{what}: format owner (tag 87) or format type (tag 88) is missing")
    if last >= end:
        raise MalformedDataError(f"{what}: the biometric data block (tag 5F2E) is missing")
    if walker.raw[last] == _PROTECTED:
        raise MalformedDataError(f"{what}: the biometric data block is encrypted")
    tag = _tlv.read_header(walker.raw, last, what=what).tag
    first, last = walker.enter(last, end, *_DATA)
    if last - first > MAX_BLOCK_BYTES:
        raise MalformedDataError(f"{what}: a data block of {last - first} bytes is beyond the cap")
    if last < end:
        walker.problems.append("bytes follow a biometric data block")
    return BiometricInstance(header, walker.raw[first:last], tag)
