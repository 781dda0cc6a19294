"""On-card biometric comparison: the chip compares a probe's minutiae with its own, and answers yes or no.

ISO/IEC 24787 and 7816-11 for the commands, ISO/IEC 19794-2:2005 §8 for the compact card format. The comparison here is
small and plain; it is made for tests, not for security.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from idverify._tlv import encode as tlv
from idverify.chip.lds import cbeff
from idverify.chip.lds.iso19794_2 import Order, OrderMethod
from idverify.chip.lds.on_card import FORMAT_COMPACT, OnCardTemplate
from idverify.emulator._apdu import SW_NO_REFERENCE, SW_WRONG_DATA, Refusal, unique_objects
from idverify.emulator._random import Seed, SeededRandom
from idverify.errors import ConfigurationError

_BYTES: Final = 3
_STEPS: Final = 64  # angles of the compact format
_FINGER_TYPE: Final = 0x08
_NEAR: Final = 12  # tenths of a millimetre
_TURN: Final = 4
_SHIFT: Final = 16
_CANDIDATES: Final = 8
_LEAST: Final = 6

Compact = tuple[int, int, int]
"""x and y in tenths of a millimetre, angle in 64 steps."""


@dataclass(frozen=True, slots=True)
class OnCardFinger:
    """One enrolled finger.

    Attributes:
        reference: qualifier of the reference data, 1 … 31, P2 of VERIFY.
        minutiae: minutiae in compact card format, three bytes each; never in a ``repr``.
        subtype: CBEFF biometric subtype (9 right index …).
        min_minutiae, max_minutiae: how many the card takes.
        order: the order that it asks for, and checks.
        tries: wrong probes in a row until the reference is blocked.
        threshold: share of matched minutiae, 0 … 1, from which on the card says yes.
    """

    reference: int
    minutiae: bytes = field(repr=False)
    subtype: int = 9
    min_minutiae: int = 8
    max_minutiae: int = 60
    order: Order = field(default_factory=lambda: Order(OrderMethod.Y_THEN_X))
    tries: int = 5
    threshold: float = 0.4

    def __post_init__(self) -> None:
        if not 1 <= self.reference <= 31 or not self.minutiae or len(self.minutiae) % _BYTES:
            raise ConfigurationError("an enrolled finger needs a reference of 1 … 31 and minutiae of three bytes each")

    @property
    def information(self) -> bytes:
        """Its biometric information template 7F60."""
        header = cbeff.BiometricHeader.make(
            format_type=FORMAT_COMPACT, biometric_type=_FINGER_TYPE, biometric_subtype=self.subtype
        )
        return OnCardTemplate(
            header=header,
            reference=self.reference,
            min_minutiae=self.min_minutiae,
            max_minutiae=self.max_minutiae,
            order=self.order,
        ).encode()

    def accepts(self, data: bytes) -> bool:
        """Whether the probe in a VERIFY command is this finger.

        Raises:
            Refusal: 6A80, where the data are no probe in the format, number or order that the card asks for.
        """
        found = unique_objects(data)
        if set(found) == {0x7F2E}:
            found = unique_objects(found[0x7F2E])
        raw = found.get(0x81, b"")
        count = len(raw) // _BYTES
        if not raw or len(raw) % _BYTES or not self.min_minutiae <= count <= self.max_minutiae:
            raise Refusal(SW_WRONG_DATA)
        probe = decode(raw)
        if not self._ordered(probe):
            raise Refusal(SW_WRONG_DATA)
        return similarity(decode(self.minutiae), probe) >= self.threshold

    def _ordered(self, probe: list[Compact]) -> bool:
        keys = {OrderMethod.X_THEN_Y: (0, 1), OrderMethod.Y_THEN_X: (1, 0), OrderMethod.ANGLE: (2, 2)}
        axes = keys.get(self.order.method)
        if axes is None:
            return True
        values = [(m[axes[0]], m[axes[1]]) for m in probe]
        return values == sorted(values, reverse=self.order.descending)


class OnCardComparison:
    """The fingers of one chip with their retry counters, which outlive a reset."""

    def __init__(self, fingers: tuple[OnCardFinger, ...]) -> None:
        self._fingers = {finger.reference: finger for finger in fingers}
        self.tries = {finger.reference: finger.tries for finger in fingers}

    def information(self) -> bytes:
        """The group of all biometric information templates, 7F61."""
        count = tlv(0x02, bytes([len(self._fingers)]))
        return tlv(0x7F61, count, *(finger.information for finger in self._fingers.values()))

    def verify(self, reference: int, data: bytes) -> int:
        """VERIFY: the status word. Without data, the tries that are left."""
        finger = self._fingers.get(reference)
        if finger is None:
            raise Refusal(SW_NO_REFERENCE)
        left = self.tries[reference]
        if left == 0:
            return 0x6983
        if not data:
            return 0x63C0 | left
        if finger.accepts(data):
            self.tries[reference] = finger.tries
            return 0x9000
        self.tries[reference] = left - 1
        return 0x63C0 | left - 1


def decode(raw: bytes) -> list[Compact]:
    """Minutiae of the compact card format (ISO/IEC 19794-2:2005 §8.2)."""
    return [(raw[i], raw[i + 1], raw[i + 2] & 0x3F) for i in range(0, len(raw), _BYTES)]


def similarity(reference: list[Compact], probe: list[Compact]) -> float:
    """Share of minutiae that lie upon each other under the best turn and shift: matched² / (all × all), 0 … 1."""
    votes: Counter[tuple[int, int, int]] = Counter()
    for rx, ry, ra in reference:
        for px, py, pa in probe:
            turn = (ra - pa) % _STEPS
            if min(turn, _STEPS - turn) <= _STEPS // 6:
                x, y = _turned(px, py, turn)
                votes[turn // 2, round((rx - x) / _SHIFT), round((ry - y) / _SHIFT)] += 1
    best = 0
    for (turn, dx, dy), _ in votes.most_common(_CANDIDATES):
        offsets = _matched(reference, probe, 2 * turn, dx * _SHIFT, dy * _SHIFT, reach=2 * _NEAR)
        if len(offsets) >= _LEAST:  # once more from where the first round points to
            x, y = (sum(o[axis] for o in offsets) / len(offsets) for axis in (0, 1))
            best = max(best, len(_matched(reference, probe, 2 * turn, x, y, reach=_NEAR)))
    if best < _LEAST:
        return 0.0
    return best * best / (len(reference) * len(probe))


def _turned(x: float, y: float, turn: int) -> tuple[float, float]:
    angle = 2 * math.pi * turn / _STEPS
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


def _matched(
    reference: list[Compact], probe: list[Compact], turn: int, dx: float, dy: float, *, reach: float
) -> list[tuple[float, float]]:
    """The shift of every pair that lies within ``reach`` after the probe was turned and shifted."""
    free = set(range(len(reference)))
    offsets = []
    for px, py, pa in probe:
        x, y = _turned(px, py, turn)
        near = [
            (math.hypot(reference[i][0] - x - dx, reference[i][1] - y - dy), i)
            for i in free
            if min(d := (reference[i][2] - pa - turn) % _STEPS, _STEPS - d) <= _TURN
        ]
        if near and min(near)[0] <= reach:
            found = min(near)[1]
            free.discard(found)
            offsets.append((reference[found][0] - x, reference[found][1] - y))
    return offsets


def invent_minutiae(seed: Seed, count: int = 36) -> bytes:
    """An invented finger's minutiae, compact, ordered by y and x; the same for the same seed."""
    rng = SeededRandom(seed, "minutiae")
    found: list[Compact] = []
    while len(found) < count:
        new = (rng.between(20, 180), rng.between(20, 220), rng.below(_STEPS))
        if all(math.hypot(new[0] - x, new[1] - y) >= 2 * _NEAR for x, y, _ in found) or rng.below(50) == 0:
            found.append(new)
    return encode(found, rng)


def another_impression(minutiae: bytes, seed: Seed, *, shift: int = 12, lost: int = 6, noise: int = 3) -> bytes:
    """The same finger laid down again: shifted, some minutiae lost, some new, all a little off.

    Args:
        minutiae: the finger, compact.
        seed: fixes the impression.
        shift: greatest shift in tenths of a millimetre.
        lost: minutiae that are lost, and as many that are new.
        noise: greatest error of a coordinate.
    """
    rng = SeededRandom(seed, "impression")
    dx, dy = rng.between(-shift, shift), rng.between(-shift, shift)
    kept = decode(minutiae)
    for _ in range(min(lost, len(kept) - 1)):
        kept.pop(rng.below(len(kept)))
    moved = [
        (
            min(255, max(0, x + dx + rng.between(-noise, noise))),
            min(255, max(0, y + dy + rng.between(-noise, noise))),
            (a + rng.between(-1, 1)) % _STEPS,
        )
        for x, y, a in kept
    ]
    moved += [(rng.between(20, 180), rng.between(20, 220), rng.below(_STEPS)) for _ in range(lost)]
    return encode(moved, rng)


def encode(minutiae: list[Compact], rng: SeededRandom) -> bytes:
    """Compact bytes ordered by y and x, with minutia types drawn from ``rng``."""
    ordered = sorted(minutiae, key=lambda m: (m[1], m[0]))
    return b"".join(bytes((x, y, 1 + rng.below(2) << 6 | a)) for x, y, a in ordered)
