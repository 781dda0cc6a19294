"""Comparison of two templates.

1. Local: similarity of every cylinder of one print with every cylinder of the other, as matrix products ([MCC] eq. 17).
2. Pairs: the most similar ones, each weighed against the rivals in its row and column.
3. Relaxation: pairs support each other where their distances and directions agree ([LSA-R]).
4. Seed: the pair with most support, and what agrees with it, gives the first alignment. Where the support is weak the
   prints differ, and the comparison ends here.
5. Global: all minutiae are aligned, rigidly and then affinely, and mated; the score is the product of the local score,
   the mass of the mated minutiae against what their number lets expect, and the square of their share of the overlap.

A mirrored print shares the flow of its finger, and whorls and arches are nearly symmetric: where two prints are
somewhat alike, the first one is compared in a mirror as well, and is refused where that is more alike.

Minutiae of two makers agree less: there more pairs are relaxed, several seeds are tried, and the best alignment counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from idverify.biometric.finger import constants as c
from idverify.biometric.finger.minutiae import Floats
from idverify.biometric.finger.template import CELL_COUNT, RECORD, Complexes, Cylinders, FingerTemplate, mirrored


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison found.

    Attributes:
        value: similarity, 0 … 1.
        local: relaxed local score.
        mated: number of mated minutiae; 0 where the first stage told the prints apart.
        mass: their mass, weighed by score and nearness.
        share: share of the overlap that is mated, 0 … 1.
        rotation: of the first print onto the second, radians counter-clockwise.
        mirrored: the print was somewhat alike, but more so in a mirror: a picture the wrong way round, or chance.
    """

    value: float
    local: float = 0.0
    mated: int = 0
    mass: float = 0.0
    share: float = 0.0
    rotation: float = 0.0
    mirrored: bool = False


NOTHING = Comparison(0.0)


@dataclass(frozen=True, slots=True)
class _Search:
    """How widely an alignment is looked for: times as many pairs, seeds to try, least support of a seed."""

    pairs: int
    seeds: int
    support: float


def similarity(probe: FingerTemplate, reference: FingerTemplate, *, any_rotation: bool = False) -> float:
    """Similarity of two prints, 0 … 1; see :func:`compare`."""
    return compare(probe, reference, any_rotation=any_rotation).value


def compare(
    probe: FingerTemplate, reference: FingerTemplate, *, any_rotation: bool = False, thorough: bool | None = None
) -> Comparison:
    """Compares two prints. Pure and thread-safe; not exactly symmetric.

    Args:
        probe: the live print.
        reference: the stored print.
        any_rotation: try turns beyond 90° as well, for twice the time and twice the chances of an impostor; a sensor
            that guides the finger needs none of it ([MCC] δθ).
        thorough: try several alignments, for about four times the time; where None, if one of the two comes from a
            record of minutiae. Scores of both ways are on different scales.

    Returns:
        The similarity with its evidence; 0 where a template has too few minutiae.
    """
    a, b = probe.cylinders, reference.cylinders
    if a is None or b is None:
        return NOTHING
    if thorough is None:
        thorough = RECORD in (probe.model, reference.model)
    foreign = c.FOREIGN_PAIRS, c.FOREIGN_SEEDS, c.FOREIGN_SUPPORT
    search = _Search(*foreign) if thorough else _Search(1, 1, c.MIN_SUPPORT)
    found = _best(a, b, search, any_rotation)
    low, high = c.MIRROR_CHECK
    if low <= found.value < high and _best(mirrored(a), b, search, any_rotation).value > found.value:
        return Comparison(0.0, local=found.local, mirrored=True)
    return found


def _best(a: Cylinders, b: Cylinders, search: _Search, any_rotation: bool) -> Comparison:
    upright = _compare(a, b, 1.0, search)
    if not any_rotation:
        return upright
    turned = _compare(a, b, -1.0, search)
    return turned if turned.value > upright.value else upright


def _compare(a: Cylinders, b: Cylinders, side: float, search: _Search) -> Comparison:
    local = _local(a, b, side)
    first, second, start = _pairs(local, search.pairs)
    support = _Support(a, b, first, second, start, search)
    if not support.alignments:
        return Comparison(_value(c.EARLY_SCALE * support.score * support.strength), local=support.score)
    found = [_global(a, b, turn, shift, support.score) for turn, shift in support.alignments]
    return found[0] if len(found) == 1 else max(found, key=lambda comparison: comparison.value)


def _value(raw: float) -> float:
    """Monotone map of the raw product to 0 … 1."""
    root = math.cbrt(max(raw, 0.0))
    return root / (1 + root)


def _local(a: Cylinders, b: Cylinders, side: float) -> Floats:
    """``(n, m)`` similarities; 0 where cylinders share too few cells or point to the other ``side``."""
    n, m = a.count, b.count
    blocks = a.mass_valid @ b.valid_mass
    mass_a, mass_b = blocks[:n, :m], blocks[n:, m:]
    gap = mass_a + mass_b
    gap -= 2 * (a.code @ b.code_t)
    np.maximum(gap, 0, out=gap)
    np.sqrt(gap, out=gap)
    scale = np.sqrt(mass_a)
    scale += np.sqrt(mass_b)
    scale += 1e-6
    gap /= scale
    result: Floats = 1 - gap
    result *= (blocks[n:, :m] >= c.MIN_COMMON_CELLS * CELL_COUNT) & (a.heading @ b.heading_t * side > 0)
    return result


def _pairs(local: Floats, times: int) -> tuple[np.ndarray, np.ndarray, Floats]:
    """The most telling pairs: similarity over the two best of the row and of the column."""
    n, m = local.shape
    rows = np.partition(local, m - 2, 1)[:, -2:].sum(1)
    columns = np.partition(local, n - 2, 0)[-2:].sum(0)
    columns += 1e-3
    telling = (local / (rows[:, np.newaxis] + columns)).ravel()
    count = min(times * min(n, m), n * m)
    index = np.argpartition(telling, n * m - count)[-count:]
    first = index // m
    return first, index - first * m, local.ravel()[index]


class _Support:
    """Relaxed pairs, their best seeds and the alignments that they give."""

    __slots__ = ("alignments", "score", "strength")

    def __init__(
        self, a: Cylinders, b: Cylinders, first: np.ndarray, second: np.ndarray, start: Floats, search: _Search
    ) -> None:  # fmt: skip
        count = len(first)
        apart = a.distance_a.take(first, 0).take(first, 1)
        apart -= b.distance_b.take(second, 0).take(second, 1)
        apart *= apart
        apart *= c.COMPATIBLE_DISTANCE
        turns = a.w[first] * b.w_conj[second]
        plane = turns.view(np.float32).reshape(count, 2)
        agree = plane @ plane.T
        agree += (a.radial.take(first, 0).take(first, 1) * b.radial_conj.take(second, 0).take(second, 1)).real
        agree -= 2
        agree *= c.COMPATIBLE_DIRECTION
        agree -= apart
        np.exp(agree, out=agree)
        step = agree * np.float32((1 - c.RELAXATION_WEIGHT) / max(min(a.count, b.count) - 1, 1))
        step.ravel()[:: count + 1] += c.RELAXATION_WEIGHT
        relaxed = start
        for _ in range(c.RELAXATION_STEPS):
            relaxed = step @ relaxed
        wanted = _pair_count(a.count, b.count)
        kept = np.argpartition(relaxed / np.maximum(start, 1e-3), max(count - wanted, 0))[-wanted:]
        self.score = float(relaxed[kept].sum()) / wanted
        support = agree @ relaxed
        support += relaxed
        self.strength = float(support.max())
        self.alignments: list[tuple[complex, complex]] = []
        while len(self.alignments) < search.seeds:
            seed = int(support.argmax())
            if support[seed] < search.support:
                break
            weight = agree[seed] * relaxed
            weight[seed] = relaxed[seed]
            weight *= weight > c.SEED_SHARE * weight.max()
            self.alignments.append(_rigid(a.z[first], b.z[second], turns, weight))
            if search.seeds > 1:
                support[agree[seed] > c.SEED_REACH] = -1
                support[seed] = -1


def _rigid(za: Complexes, zb: Complexes, turns: Complexes, weight: Floats) -> tuple[complex, complex]:
    """Turn and shift that carry ``za`` to ``zb`` best, directions counting as levers."""
    total = float(weight.sum())
    centre_a, centre_b = complex(weight @ za) / total, complex(weight @ zb) / total
    turn = complex(np.vdot((za - np.complex64(centre_a)) * weight, zb - np.complex64(centre_b)))
    turn += c.DIRECTION_LEVER * complex(np.vdot(turns, weight))
    turn /= max(abs(turn), 1e-9)
    return turn, centre_b - turn * centre_a


def _pair_count(n: int, m: int) -> int:
    """How many pairs make the local score ([MCC] eq. 19)."""
    rise = 1 / (1 + math.exp(-c.PAIRS_TAU * (min(n, m, 100) - c.PAIRS_MU)))
    return c.PAIRS_MIN + round(rise * (c.PAIRS_MAX - c.PAIRS_MIN))


def _global(a: Cylinders, b: Cylinders, turn: complex, shift: complex, local: float) -> Comparison:
    z = a.all_z * np.complex64(turn)
    z += np.complex64(shift - b.centre)
    w = a.all_w * np.complex64(turn)
    count = len(z)
    left, every = np.empty((count, 6), np.float32), np.arange(count)
    last = len(c.ALIGNMENT_STEPS) - 1
    for number, (spread, bend) in enumerate(c.ALIGNMENT_STEPS):
        # log-kernel -d²/2σ² - (1 - cos Δ)/β² of every minutia with every other, as one product
        near, sharp = -1 / (2 * spread * spread), 1 / (bend * bend)
        plane = z.view(np.float32).reshape(count, 2)
        length = np.einsum("ij,ij->i", plane, plane)
        np.multiply(plane, -2 * near, out=left[:, :2])
        left[:, 2] = near
        left[:, 3] = near * length - sharp
        np.multiply(w.view(np.float32).reshape(count, 2), sharp, out=left[:, 4:])
        kernel = left @ b.kernel
        mate = kernel.argmax(1)
        log = kernel[every, mate]
        own = np.flatnonzero((kernel.argmax(0)[mate] == every) & (log > c.MIN_LOG_KERNEL))
        mate = mate[own]
        weight = np.exp(log[own])
        if number == last or len(own) < 3:
            break
        z, w = _stretched(z, w, z[own], b.centred[mate], weight)
    np.multiply(plane, -2, out=left[:, :2])
    left[:, 2] = 1
    left[:, 3] = length
    close = (left[:, :4] @ b.kernel[:4] < c.OVERLAP_RADIUS**2).astype(np.float32)
    overlap = float(a.all_score @ (close @ b.all_score >= c.OVERLAP_SUPPORT))
    overlap += float(b.all_score @ (a.all_score @ close >= c.OVERLAP_SUPPORT))
    mass = float(weight @ np.sqrt(a.all_score[own] * b.all_score[mate]))
    share = min(2 * mass / (overlap + c.PRIOR), 1.0)
    usual = (c.USUAL_COUNT / math.sqrt(count * len(b.all_score))) ** c.COUNT_POWER
    value = _value(local * mass * usual * share * share)
    return Comparison(value, local, len(own), mass, share, math.atan2(turn.imag, turn.real))


def _stretched(
    z: Complexes, w: Complexes, found: Complexes, wanted: Complexes, weight: Floats
) -> tuple[Complexes, Complexes]:
    """Carries all minutiae by the affine map that brings the mated ones nearer, within the stiffness."""
    gap = wanted - found
    total = float(weight.sum())
    centre, drift = complex(weight @ found) / total, complex(weight @ gap) / (total + 0.5)
    plane = (found - np.complex64(centre)).view(np.float32).reshape(-1, 2)
    weighed = plane * weight[:, np.newaxis]
    moments, pull = weighed.T @ plane, weighed.T @ (gap - np.complex64(drift))
    xx, yy, xy = float(moments[0, 0]) + c.STIFFNESS, float(moments[1, 1]) + c.STIFFNESS, float(moments[0, 1])
    determinant = xx * yy - xy * xy
    pull_x, pull_y = complex(pull[0]), complex(pull[1])
    by_x, by_y = (yy * pull_x - xy * pull_y) / determinant, (xx * pull_y - xy * pull_x) / determinant
    straight, mirrored = (by_x - 1j * by_y) / 2, (by_x + 1j * by_y) / 2
    shift = drift - straight * centre - mirrored * centre.conjugate()
    moved = z * np.complex64(1 + straight) + np.conj(z) * np.complex64(mirrored) + np.complex64(shift)
    turn = np.complex64(complex(math.cos(straight.imag), math.sin(straight.imag)))
    return moved.astype(np.complex64), (w * turn).astype(np.complex64)
