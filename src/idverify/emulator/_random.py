"""Reproducible randomness for personalisation and for chips under test. Never for anything that must stay secret."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, TypeVar

Seed: TypeAlias = int | str | bytes
"""What fixes every choice of the emulator."""

Rng: TypeAlias = Callable[[int], bytes]
"""A source of random bytes: asked for n, it answers n."""

_T = TypeVar("_T")
_BLOCK: Final = 32


class SeededRandom:
    """Bytes from SHA-256 in counter mode over a seed: the same on every machine and every version of Python."""

    def __init__(self, seed: Seed, *labels: str) -> None:
        raw = seed if isinstance(seed, bytes) else str(seed).encode()
        kind = type(seed).__name__.encode()
        material = b"\0".join((kind, raw, *(label.encode() for label in labels)))
        self._key = hashlib.sha256(b"idverify emulator\0" + material).digest()
        self._counter = 0
        self._pool = b""

    def __call__(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        while len(self._pool) < size:
            self._pool += hashlib.sha256(self._key + self._counter.to_bytes(8, "big")).digest()
            self._counter += 1
        out, self._pool = self._pool[:size], self._pool[size:]
        return out

    def child(self, label: str) -> SeededRandom:
        """An independent stream: what is drawn here does not shift what is drawn there."""
        return SeededRandom(self._key, label)

    def below(self, bound: int) -> int:
        """A number 0 … bound - 1, near enough to uniform."""
        return int.from_bytes(self((bound.bit_length() + 7) // 8 + 8), "big") % bound

    def between(self, low: int, high: int) -> int:
        """A number low … high."""
        return low + self.below(high - low + 1)

    def choice(self, items: Sequence[_T]) -> _T:
        """One of the items."""
        return items[self.below(len(items))]


def draw_scalar(rng: Rng, order: int) -> int:
    """A secret 1 … order - 1 by rejection: asks ``rng`` for as many bytes as ``order`` has, again if out of range."""
    size = (order.bit_length() + 7) // 8
    excess = -order.bit_length() % 8
    while True:
        raw = int.from_bytes(rng(size), "big")
        if 1 <= raw < order:
            return raw
        if 1 <= (masked := raw & (1 << size * 8 - excess) - 1) < order:
            return masked
