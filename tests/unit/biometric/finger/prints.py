"""Invented minutiae for tests: random, and moved as a finger moves."""

from __future__ import annotations

import math

import numpy as np

from idverify.biometric.finger.minutiae import Minutiae


def invented(seed: int, count: int = 40, *, width: int = 360, height: int = 400) -> Minutiae:
    rng = np.random.default_rng(seed)
    places: list[np.ndarray] = []
    while len(places) < count:
        place = rng.uniform((20, 20), (width - 20, height - 20))
        if all(np.hypot(*(place - other)) > 12 for other in places):
            places.append(place)
    spots = np.array(places, np.float32)
    return Minutiae(
        x=spots[:, 0], y=spots[:, 1], angle=rng.uniform(-math.pi, math.pi, count).astype(np.float32),
        kind=rng.integers(1, 3, count).astype(np.uint8), score=rng.uniform(0.5, 1, count).astype(np.float32),
        width=width, height=height,
    )  # fmt: skip


def moved(
    print_: Minutiae, *, turn: float = 0.0, shift: tuple[float, float] = (0, 0), jitter: float = 0.0,
    keep: float = 1.0, mirror: bool = False, seed: int = 0,
) -> Minutiae:  # fmt: skip
    """Turned counter-clockwise by degrees about the middle, shifted, jittered, thinned, mirrored."""
    rng = np.random.default_rng([seed, 9])
    a, n = math.radians(turn), len(print_)
    x, y = print_.x - print_.width / 2, print_.height / 2 - print_.y
    angle = print_.angle
    if mirror:
        x, angle = -x, math.pi - angle
    u = math.cos(a) * x - math.sin(a) * y + rng.normal(0, jitter, n)
    v = math.sin(a) * x + math.cos(a) * y + rng.normal(0, jitter, n)
    angle = angle + a + rng.normal(0, jitter / 40, n)
    kept = np.flatnonzero(rng.uniform(0, 1, n) < keep)
    return Minutiae(
        x=(u + print_.width / 2 + shift[0]).astype(np.float32), y=(print_.height / 2 - v + shift[1]).astype(np.float32),
        angle=np.arctan2(np.sin(angle), np.cos(angle)).astype(np.float32), kind=print_.kind, score=print_.score,
        width=print_.width, height=print_.height,
    ).select(kept)  # fmt: skip
