"""Bounded BER-TLV reader and DER writer (ISO/IEC 8825-1 §8.1; ISO/IEC 7816-4 §6.3).

Every read is bounded: tag and length bytes, nesting, number of elements and, above all, the bytes that are there.
Tags are plain integers of their encoded bytes: ``0x5F1F`` is the two bytes 5F 1F.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from idverify.errors import MalformedDataError

MAX_TAG_BYTES: Final = 4
MAX_LENGTH_BYTES: Final = 4
MAX_DEPTH: Final = 24
MAX_ELEMENTS: Final = 1024
_PADDING: Final = re.compile(rb"\0*")


@dataclass(frozen=True, slots=True)
class Header:
    """The tag and length of a data object.

    Attributes:
        tag: the tag bytes as one big-endian integer.
        length: the value's length in bytes.
        size: the number of bytes that tag and length take.
    """

    tag: int
    length: int
    size: int

    @property
    def total(self) -> int:
        """Bytes of the whole data object."""
        return self.size + self.length


@dataclass(frozen=True, slots=True)
class Tlv:
    """One data object inside the bytes it was read from.

    Attributes:
        tag: the tag bytes as one big-endian integer.
        value: the value's bytes; never in a ``repr``.
        raw: the whole data object as read; never in a ``repr``.
    """

    tag: int
    value: bytes = field(repr=False)
    raw: bytes = field(repr=False)

    @property
    def constructed(self) -> bool:
        """Whether the first tag byte has the constructed bit (b6)."""
        first = self.tag
        while first > 0xFF:
            first >>= 8
        return bool(first & 0x20)

    def children(self, *, what: str = "data object") -> tuple[Tlv, ...]:
        """The data objects inside the value, whether or not the tag says constructed.

        Raises:
            MalformedDataError: the value is no sequence of data objects.
        """
        return tuple(iter_tlv(self.value, what=what))

    def first(self, tag: int, *, what: str = "data object") -> Tlv | None:
        """The first child of that tag, or None."""
        return next((c for c in self.children(what=what) if c.tag == tag), None)


def read_header(data: bytes | memoryview, offset: int = 0, *, what: str = "data object") -> Header:
    """Read tag and length at ``offset``; the value need not be there.

    Raises:
        MalformedDataError: too few bytes, an indefinite length, or a tag or length beyond the caps.
    """
    position, end = offset, len(data)
    if position >= end:
        raise MalformedDataError(f"{what}: expected a tag at byte {offset}, but the data end there")
    tag = data[position]
    position += 1
    if tag & 0x1F == 0x1F:
        for _ in range(MAX_TAG_BYTES - 1):
            if position >= end:
                raise MalformedDataError(f"{what}: the tag at byte {offset} is cut off")
            byte = data[position]
            position += 1
            tag = tag << 8 | byte
            if not byte & 0x80:
                break
        else:
            raise MalformedDataError(f"{what}: the tag at byte {offset} is longer than {MAX_TAG_BYTES} bytes")
    if position >= end:
        raise MalformedDataError(f"{what}: the length at byte {position} is missing")
    length = data[position]
    position += 1
    if length == 0x80:
        raise MalformedDataError(f"{what}: indefinite length at byte {position - 1} is not allowed here")
    if length > 0x80:
        count = length & 0x7F
        if count > MAX_LENGTH_BYTES:
            raise MalformedDataError(f"{what}: a length of {count} bytes at byte {position - 1} is beyond the cap")
        if position + count > end:
            raise MalformedDataError(f"{what}: the length at byte {position - 1} is cut off")
        length = int.from_bytes(data[position : position + count], "big")
        position += count
    return Header(tag, length, position - offset)


def read_tlv(data: bytes, offset: int = 0, *, what: str = "data object") -> Tlv:
    """The data object that starts at ``offset``.

    Raises:
        MalformedDataError: it is cut off or its header is not readable.
    """
    header = read_header(data, offset, what=what)
    end = offset + header.total
    if end > len(data):
        raise MalformedDataError(
            f"{what}: tag {header.tag:X} declares {header.length} bytes, but only "
            f"{len(data) - offset - header.size} are there"
        )
    return Tlv(header.tag, bytes(data[offset + header.size : end]), bytes(data[offset:end]))


def parse(data: bytes, tag: int, *, what: str, allow_trailing: bool = False) -> Tlv:
    """Exactly one data object of the given tag.

    Args:
        data: the bytes.
        tag: the expected tag.
        what: name of the structure for messages.
        allow_trailing: accept bytes after the object (files may be padded).

    Raises:
        MalformedDataError: another tag, cut off, or trailing bytes.
    """
    tlv = read_tlv(data, what=what)
    if tlv.tag != tag:
        raise MalformedDataError(f"{what}: expected tag {tag:X}, got {tlv.tag:X}")
    if not allow_trailing and len(tlv.raw) != len(data):
        raise MalformedDataError(f"{what}: {len(data) - len(tlv.raw)} bytes follow the data object")
    return tlv


def iter_tlv(data: bytes, *, what: str = "data object", skip_padding: bool = False) -> Iterator[Tlv]:
    """The data objects that follow each other in ``data``.

    Args:
        data: the bytes.
        what: name of the structure for messages.
        skip_padding: skip 00 bytes between objects (ISO/IEC 7816-4 §6.3 allows them).

    Raises:
        MalformedDataError: at the first object that cannot be read, or beyond :data:`MAX_ELEMENTS`.
    """
    offset = 0
    for _ in range(MAX_ELEMENTS):
        if skip_padding and (padding := _PADDING.match(data, offset)) is not None:
            offset = padding.end()
        if offset >= len(data):
            return
        tlv = read_tlv(data, offset, what=what)
        offset += len(tlv.raw)
        yield tlv
    if offset < len(data):
        raise MalformedDataError(f"{what}: more than {MAX_ELEMENTS} data objects")


def encode_tag(tag: int) -> bytes:
    """The tag's bytes."""
    if tag < 0 or tag >= 1 << 8 * MAX_TAG_BYTES:
        raise ValueError(f"tag out of range: {tag:X}")
    return tag.to_bytes(max(1, (tag.bit_length() + 7) // 8), "big")


def encode_length(length: int) -> bytes:
    """A minimal (DER) length."""
    if length < 0x80:
        return bytes([length])
    body = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(body)]) + body


def encode(tag: int, *values: bytes) -> bytes:
    """The DER encoding of one data object whose value is the concatenation of ``values``."""
    value = b"".join(values)
    return encode_tag(tag) + encode_length(len(value)) + value
