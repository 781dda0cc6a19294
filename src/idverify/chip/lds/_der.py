"""The few ASN.1 primitives that the chip's own files use (ITU-T X.690 §8.3, §8.19; DER for writing).

Small enough to do without asn1crypto: EF.CardAccess must be read before anything else, quickly, from hostile bytes.
"""

from __future__ import annotations

from typing import Final

from idverify import _tlv
from idverify.errors import MalformedDataError

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OBJECT_IDENTIFIER: Final = 0x06
UTF8_STRING: Final = 0x0C
PRINTABLE_STRING: Final = 0x13
IA5_STRING: Final = 0x16
SEQUENCE: Final = 0x30
SET: Final = 0x31

MAX_OID_BYTES: Final = 64
MAX_SMALL_INTEGER_BYTES: Final = 8


def decode_oid(content: bytes, *, what: str) -> str:
    """The dotted form of an OBJECT IDENTIFIER's contents.

    Raises:
        MalformedDataError: empty, cut off, padded, or longer than :data:`MAX_OID_BYTES`.
    """
    if not content or len(content) > MAX_OID_BYTES:
        raise MalformedDataError(f"{what}: an object identifier of {len(content)} bytes")
    arcs: list[int] = []
    value = 0
    fresh = True
    for byte in content:
        if fresh and byte == 0x80:
            raise MalformedDataError(f"{what}: an object identifier with a padded arc")
        value = value << 7 | byte & 0x7F
        fresh = not byte & 0x80
        if fresh:
            arcs.append(value)
            value = 0
    if not fresh:
        raise MalformedDataError(f"{what}: an object identifier is cut off")
    first = min(arcs[0] // 40, 2)
    return ".".join(str(a) for a in (first, arcs[0] - 40 * first, *arcs[1:]))


def encode_oid(dotted: str) -> bytes:
    """The whole OBJECT IDENTIFIER of a dotted form.

    Raises:
        ValueError: no object identifier.
    """
    parts = [int(p) for p in dotted.split(".")]
    if len(parts) < 2 or parts[0] > 2 or (parts[0] < 2 and parts[1] > 39) or min(parts) < 0:
        raise ValueError(f"not an object identifier: {dotted!r}")
    content = b""
    for arc in (parts[0] * 40 + parts[1], *parts[2:]):
        chunk = [arc & 0x7F]
        while arc := arc >> 7:
            chunk.append(arc & 0x7F | 0x80)
        content += bytes(reversed(chunk))
    return _tlv.encode(OBJECT_IDENTIFIER, content)


def decode_unsigned(tlv: _tlv.Tlv, *, what: str) -> int:
    """A non-negative INTEGER of at most :data:`MAX_SMALL_INTEGER_BYTES` bytes.

    Contents with the sign bit set are read as unsigned: chips in the field forget the leading zero.

    Raises:
        MalformedDataError: another tag, empty, or too long.
    """
    if tlv.tag != INTEGER or not 1 <= len(tlv.value) <= MAX_SMALL_INTEGER_BYTES:
        raise MalformedDataError(f"{what}: expected an INTEGER, got tag {tlv.tag:X} of {len(tlv.value)} bytes")
    return int.from_bytes(tlv.value, "big")


def encode_unsigned(value: int) -> bytes:
    """The DER INTEGER of a non-negative number.

    Raises:
        ValueError: negative.
    """
    if value < 0:
        raise ValueError("expected a number of zero or more")
    return _tlv.encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def expect(tlv: _tlv.Tlv, tag: int, *, what: str) -> _tlv.Tlv:
    """``tlv`` itself where it has that tag.

    Raises:
        MalformedDataError: another tag.
    """
    if tlv.tag != tag:
        raise MalformedDataError(f"{what}: expected tag {tag:02X}, got {tlv.tag:X}")
    return tlv
