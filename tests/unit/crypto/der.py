"""A few lines of DER for the tests, apart from the library's own."""

from __future__ import annotations


def element(tag: int, value: bytes) -> bytes:
    size = len(value)
    if size < 128:
        return bytes([tag, size]) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + value


def sequence(*members: bytes) -> bytes:
    return element(0x30, b"".join(members))


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    out = b""
    for arc in (40 * first + second, *rest):
        part = bytes([arc & 0x7F])
        while arc := arc >> 7:
            part = bytes([0x80 | arc & 0x7F]) + part
        out += part
    return element(6, out)


def ec_spki(parameters: bytes, point: bytes) -> bytes:
    return sequence(sequence(oid("1.2.840.10045.2.1"), parameters), element(3, b"\0" + point))
