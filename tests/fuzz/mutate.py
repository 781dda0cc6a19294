"""A deterministic mutator for encodings: the same seed and number give the same bytes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

MAX_INPUT: Final = 1 << 20
"""Mutated inputs are cut to this many bytes."""

INTERESTING: Final = (
    b"", b"\0", b"\xff", b"\x7f", b"\x80", b"\x00\x00", b"\xff\xff", b"\x7f\xff", b"\x80\x00", b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x00\x00\x00", b"\x84\xff\xff\xff\xff", b"\x84\x7f\xff\xff\xff",
    b"\x85\x01\x00\x00\x00\x00", b"\x88\xff\xff\xff\xff\xff\xff\xff\xff", b"\x80\x00\x00", b"\x1f\x80\x80\x80\x80\x01",
    b"\x06\x00", b"\x06\x01\x80", b"\x02\x00", b"\x02\x01\x80", b"\x30\x80\x00\x00", b"\x31\x00", b"\x30\x00",
    b"\x17\x0d991332256161Z", b"\x18\x0f00000000000000Z", b"\x03\x01\x00", b"\x03\x02\x08\x00", b"\x0c\x01\xff",
    b"\x05\x00", b"\x1e\x01\x00", b"1e999", b"NaN", b"-1", b"null", b"[]", b"{}", b'"\\ud800"', b"9" * 5000,
    b"[" * 3000, b'{"a":' * 3000, b"<", b"\xc2\xb2", b"\xd9\xa0", b"\xef\xbb\xbf", b"\r\n", b"|", b": ", b":: ", b":< ",
)  # fmt: skip
"""Pieces on which decoders have stumbled: lengths, dates, integers, texts, numbers of JSON."""


def nested(tag: int, depth: int, *, definite: bool = True) -> bytes:
    """``depth`` constructed objects inside each other, with definite or indefinite lengths."""
    if not definite:
        return bytes((tag | 0x20, 0x80)) * depth + bytes(2) * depth
    value = b""
    for _ in range(depth):
        value = bytes([tag | 0x20]) + length_of(len(value)) + value
        if len(value) > MAX_INPUT:
            break
    return value


def length_of(number: int, octets: int = 0) -> bytes:
    """A BER length; with ``octets`` length octets where more are asked for than needed."""
    if number < 0x80 and not octets:
        return bytes([number])
    body = number.to_bytes(max(octets, (number.bit_length() + 7) // 8, 1), "big")
    return bytes([0x80 | len(body)]) + body


EXTREME: Final[tuple[bytes, ...]] = (
    b"", b"\0", b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x77\x84\xff\xff\xff\xff\x30\x80",
    b"\x30\x84\x00\x04\x00\x05\x06\x84\x00\x03\xff\xfe" + b"\x81" * 0x3FFFE,
    b"\x06\x83\x04\x00\x00" + b"\x88" * 0x40000, b"\x02\x83\x04\x00\x00" + b"\x7f" * 0x40000,
    nested(0x30, 3000), nested(0x30, 3000, definite=False), nested(0x61, 3000), nested(0x7F, 500),
    b"\x30\x83\x03\xff\xff" + b"\x05\x00" * 0x1FFFF, b"\x77" + length_of(0x20000) + b"\x30\x00" * 0x10000,
    b"\xff" * 4096, b"\x00" * 4096, b"\x1f" + b"\xff" * 4096, b"[" * 100_000, b'{"a":' * 50_000, b"9" * 20_000,
    b"-----BEGIN CERTIFICATE-----\n" * 500, b"dn:" + b" a\n" * 20_000, b"|" * 50_000, b"<" * 50_000,
)  # fmt: skip
"""Inputs that every target gets first: nesting, 4 GB lengths, object identifiers and integers of 256 KB."""


def headers(data: bytes, most: int = 400) -> list[tuple[int, int, int]]:
    """Where BER lengths seem to stand: offset of the length, its octets, and its value. Bounded; never fails."""
    found: list[tuple[int, int, int]] = []
    work = [(0, len(data))]
    while work and len(found) < most:
        at, end = work.pop()
        while at + 2 <= end and len(found) < most:
            tag, start = data[at], at
            at += 1
            if tag & 0x1F == 0x1F:
                while at < end and data[at] & 0x80:
                    at += 1
                at += 1
            if at >= end:
                break
            first, where = data[at], at
            octets = first & 0x7F if first > 0x80 else 0
            length = int.from_bytes(data[at + 1 : at + 1 + octets], "big") if octets else first & 0x7F
            at += 1 + octets
            if octets > 4 or at + length > end:
                break
            found.append((where, 1 + octets, length))
            if (tag & 0x20 or tag in (0x04, 0x03, 0x77)) and length:
                work.append((at, at + length))
            at += length
            if at <= start:
                break
    return found


def hostile(seed: bytes) -> list[bytes]:
    """What can be made of a good file: cut, over-long, with lengths of 4 GB, nested deeply, with a huge OID."""
    out = [seed[: len(seed) * part // 8] for part in range(8)]
    out += [seed + bytes(MAX_INPUT - len(seed)), seed + b"\x30\x00" * ((MAX_INPUT - len(seed)) // 2)]
    out += [seed * (MAX_INPUT // max(len(seed), 1))]
    places = headers(seed)
    for at, octets, _ in places[:: max(1, len(places) // 4)]:
        head, tail = seed[:at], seed[at + octets :]
        out.append(head + b"\x84\xff\xff\xff\xff" + tail)
        for bomb in (nested(0x30, 2000), b"\x06\x83\x04\x00\x00" + b"\x88" * 0x40000, b"\x30\x00" * 0x20000):
            out.append(head + length_of(len(bomb)) + bomb + tail)
    return out


class Mutator:
    """Draws inputs from seeds.

    Args:
        seeds: the corpus; at least one.
        seed: fixes the whole sequence.
    """

    def __init__(self, seeds: Sequence[bytes], seed: int | str = 0) -> None:
        self.seeds = list(seeds) or [b""]
        self.random = random.Random(seed)
        self._steps: tuple[Callable[[bytearray], None], ...] = (
            self._flip, self._flip, self._byte, self._byte, self._truncate, self._length, self._length, self._length,
            self._insert, self._delete, self._repeat, self._splice, self._interesting, self._interesting, self._move,
            self._indefinite, self._number, self._nest,
        )  # fmt: skip

    def draw(self) -> bytes:
        """The next input."""
        data = bytearray(self.random.choice(self.seeds))
        for _ in range(1 + min(int(self.random.expovariate(0.6)), 12)):
            self.random.choice(self._steps)(data)
            del data[MAX_INPUT:]
        return bytes(data)

    def mutate(self, data: bytes) -> bytes:
        """One further change to given bytes."""
        changed = bytearray(data)
        self.random.choice(self._steps)(changed)
        del changed[MAX_INPUT:]
        return bytes(changed)

    def _at(self, data: bytearray) -> int:
        """A place, the beginning (where headers stand) more often."""
        size = len(data)
        if size == 0:
            return 0
        return self.random.randrange(min(size, 64) if self.random.random() < 0.4 else size)

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._at(data)] ^= 1 << self.random.randrange(8)

    def _byte(self, data: bytearray) -> None:
        if data:
            data[self._at(data)] = self.random.randrange(256)

    def _truncate(self, data: bytearray) -> None:
        del data[self._at(data) :]

    def _length(self, data: bytearray) -> None:
        """Another length, on its own or with the octets it takes."""
        found = headers(bytes(data))
        if not found:
            return
        where, octets, length = self.random.choice(found)
        kind = self.random.randrange(5)
        new = (
            length_of(max(0, length + self.random.choice((-2, -1, 1, 2, 127, 128, 255, 256)))),
            length_of(length, self.random.randrange(2, 6)),
            length_of(self.random.choice((0, 1, 0x7F, 0x80, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))),
            bytes([self.random.randrange(256)]) * octets,
            length_of(0),
        )[kind]
        data[where : where + octets] = new

    def _insert(self, data: bytearray) -> None:
        at = self._at(data)
        data[at:at] = self.random.randbytes(self.random.choice((1, 1, 2, 4, 16, 300)))

    def _delete(self, data: bytearray) -> None:
        at = self._at(data)
        del data[at : at + self.random.choice((1, 1, 2, 3, 8, 64))]

    def _repeat(self, data: bytearray) -> None:
        at = self._at(data)
        size = self.random.choice((1, 4, 16, 64, 256))
        data[at:at] = data[at : at + size] * self.random.choice((1, 2, 8, 200))

    def _splice(self, data: bytearray) -> None:
        other = self.random.choice(self.seeds)
        cut = self._at(data)
        data[cut:] = other[self.random.randrange(len(other) + 1) :]

    def _interesting(self, data: bytearray) -> None:
        piece, at = self.random.choice(INTERESTING), self._at(data)
        data[at : at + (len(piece) if self.random.random() < 0.6 else 0)] = piece

    def _move(self, data: bytearray) -> None:
        """Exchange two whole objects."""
        found = headers(bytes(data))
        if len(found) < 2:
            return
        (a, ao, al), (b, bo, bl) = sorted(self.random.sample(found, 2))
        if a + ao + al <= b:
            first, second = data[a : a + ao + al], data[b : b + bo + bl]
            data[b : b + bo + bl] = first
            data[a : a + ao + al] = second

    def _indefinite(self, data: bytearray) -> None:
        found = headers(bytes(data))
        if found:
            where, octets, length = self.random.choice(found)
            data[where + octets + length : where + octets + length] = b"\0\0"
            data[where : where + octets] = b"\x80"

    def _number(self, data: bytearray) -> None:
        """A big-endian number of two or four bytes set to a border."""
        size = self.random.choice((2, 4))
        at = self._at(data)
        value = self.random.choice((0, 1, 0xFF, 0x7F, (1 << 8 * size) - 1, 1 << 8 * size - 1, len(data)))
        data[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "big")

    def _nest(self, data: bytearray) -> None:
        found = headers(bytes(data))
        if found and self.random.random() < 0.2:
            where, octets, length = self.random.choice(found)
            deep = nested(self.random.choice((0x30, 0x31, 0xA0, 0x61, 0x7F)), self.random.choice((5, 30, 60, 1500)))
            data[where : where + octets + length] = length_of(len(deep)) + deep
