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

Minutiae of two makers agree less: there more pairs are relaxed, several seeds are tried, the alignments that mate most
are followed side by side to the end, and the best one counts.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    """How widely an alignment is looked for: pairs (0: as many as cylinders), seeds to try, least support of a seed."""

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
        thorough: try several alignments, for about twice the time; where None, if one of the two comes from a
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
    search = _Search(*foreign) if thorough else _Search(0, 1, c.MIN_SUPPORT)
    found = _best(a, b, search, any_rotation)
    low, high = c.FOREIGN_MIRROR_CHECK if thorough else c.MIRROR_CHECK
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
    if support.alignments is None:
        return Comparison(_value(c.EARLY_SCALE * support.score * support.strength), local=support.score)
    return _global(a, b, *support.alignments, support.score)


def _value(raw: float) -> float:
    """Monotone map of the raw product to 0 … 1."""
    root = math.cbrt(max(raw, 0.0))
    return root / (1 + root)


def _local(a: Cylinders, b: Cylinders, side: float) -> Floats:
    """``(n, m)`` similarities; 0 where cylinders share too few cells or point to the other ``side``."""
    n, m = a.count, b.count
    blocks = a.mass_valid @ b.valid_mass
    mass_a, mass_b = blocks[:n, :m], blocks[n:, m:]
    gap = a.code @ b.code_t
    gap *= -2
    gap += mass_a
    gap += mass_b
    np.maximum(gap, 0, out=gap)
    np.sqrt(gap, out=gap)
    scale = np.sqrt(mass_a)
    scale += np.sqrt(mass_b)
    scale += 1e-6
    gap /= scale
    np.subtract(1, gap, out=gap)
    alike = a.heading @ b.heading_t > 0 if side > 0 else a.heading @ b.heading_t < 0
    alike &= blocks[n:, :m] >= c.MIN_COMMON_CELLS * CELL_COUNT
    gap *= alike
    return gap


def _pairs(local: Floats, wanted: int) -> tuple[np.ndarray, np.ndarray, Floats]:
    """The most telling pairs: similarity over the two best of the row and of the column.

    0 wanted: as many as the smaller print has cylinders.
    """
    n, m = local.shape
    rows = np.partition(local, m - 2, 1)[:, -2:].sum(1)
    columns = np.partition(local, n - 2, 0)[-2:].sum(0)
    columns += 1e-3
    telling = (local / (rows[:, np.newaxis] + columns)).ravel()
    count = min(wanted or min(n, m), n * m)
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
        apart = a.distance_a.take(first, 1).take(first, 0)
        apart -= b.distance_b.take(second, 1).take(second, 0)
        apart *= apart
        apart *= c.COMPATIBLE_DISTANCE
        turns = a.w[first] * b.w_conj[second]
        plane = turns.view(np.float32).reshape(count, 2)
        agree = plane @ plane.T
        radial = a.radial.take(first, 1).take(first, 0)
        radial *= b.radial_conj.take(second, 1).take(second, 0)
        agree += radial.real
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
        self.alignments: tuple[Complexes, Complexes] | None = None
        if seeds := _seeds(agree, support, search):
            weight = agree[seeds] * relaxed
            weight[np.arange(len(seeds)), seeds] = relaxed[seeds]
            weight *= weight > c.SEED_SHARE * weight.max(1, keepdims=True)
            place_a, place_b = (t.z[index] - np.complex64(t.centre) for t, index in ((a, first), (b, second)))
            self.alignments = _rigid(place_a, place_b, turns, weight)


def _seeds(agree: Floats, support: Floats, search: _Search) -> list[int]:
    """The pairs with most support, none of which agrees with an earlier one; spoils ``support``."""
    seeds: list[int] = []
    while len(seeds) < search.seeds:
        seed = int(support.argmax())
        if support[seed] < search.support:
            break
        seeds.append(seed)
        if search.seeds > 1:
            support *= agree[seed] <= c.SEED_REACH
            support[seed] = 0
    return seeds


def _rigid(za: Complexes, zb: Complexes, turns: Complexes, weight: Floats) -> tuple[Complexes, Complexes]:
    """Turns and shifts that carry ``za`` to ``zb`` best, one for each row of weights; directions count as levers."""
    terms = np.empty((len(za), 4), np.complex64)
    terms[:, 0], terms[:, 1], terms[:, 2], terms[:, 3] = za, zb, np.conj(za) * zb, np.conj(turns)
    sums = (weight @ terms.view(np.float32)).view(np.complex64)
    centres = sums[:, :2] / weight.sum(1, keepdims=True)
    centre_a, centre_b = centres[:, 0], centres[:, 1]
    turn = sums[:, 2] - np.conj(centre_a) * sums[:, 1]
    turn += np.float32(c.DIRECTION_LEVER) * sums[:, 3]
    turn /= np.maximum(np.abs(turn), np.float32(1e-9))
    return turn, centre_b - turn * centre_a


def _pair_count(n: int, m: int) -> int:
    """How many pairs make the local score ([MCC] eq. 19)."""
    rise = 1 / (1 + math.exp(-c.PAIRS_TAU * (min(n, m, 100) - c.PAIRS_MU)))
    return c.PAIRS_MIN + round(rise * (c.PAIRS_MAX - c.PAIRS_MIN))


def _global(a: Cylinders, b: Cylinders, turns: Complexes, shifts: Complexes, local: float) -> Comparison:
    """The best of several alignments, all followed side by side."""
    turns = turns[:, np.newaxis]
    z = a.centred * turns
    z += shifts[:, np.newaxis]
    w = a.all_w * turns
    last = len(c.ALIGNMENT_STEPS) - 1
    for number, (spread, bend) in enumerate(c.ALIGNMENT_STEPS):
        factors = _factors(z, w)
        mate, weight = _mates(factors, b.kernel, spread, bend)
        count = (weight > 0).sum(1)
        if number == last or not (count >= 3).any():
            break
        if len(z) > 1:
            kept = _promising(weight, count)
            z, w, mate, weight, turns = z[kept], w[kept], mate[kept], weight[kept], turns[kept]
        z, w = _stretched(z, w, b.centred.take(mate), weight)
    mass = (weight * np.sqrt(a.all_score * b.all_score.take(mate))).sum(1)
    share = np.minimum(2 * mass / (_overlap(a.all_score, b, factors) + c.PRIOR), 1)
    worth = mass * share * share
    best = int(worth.argmax())
    usual = _usual(len(a.all_score), len(b.all_score))
    turn = complex(turns[best, 0])
    return Comparison(
        _value(local * usual * float(worth[best])), local, int(count[best]), float(mass[best]), float(share[best]),
        math.atan2(turn.imag, turn.real),
    )  # fmt: skip


def _usual(n: int, m: int) -> float:
    """Weight of the mass by the number of minutiae: many mate more by chance, few align with much by chance."""
    few = min(1.0, min(n, m) / c.USUAL_COUNT)
    return float((c.USUAL_COUNT / math.sqrt(n * m)) ** c.COUNT_POWER * few**c.FEW_POWER)


def _promising(weight: Floats, count: NDArray[np.intp]) -> NDArray[np.intp]:
    """The alignments that mate most, those aside that mate fewer than three minutiae."""
    mass = weight.sum(1)
    mass *= count >= 3
    most = mass.argsort()[: -c.FOREIGN_KEPT - 1 : -1]
    found: NDArray[np.intp] = most[mass[most] > 0]
    return found


def _factors(z: Complexes, w: Complexes) -> Floats:
    """``(k, n, 6)`` left-hand side of the log-kernel product for n minutiae in k alignments."""
    plane = z.view(np.float32).reshape(*z.shape, 2)
    left = np.empty((*z.shape, 6), np.float32)
    np.multiply(plane, -2, out=left[..., :2])
    left[..., 2] = 1
    np.einsum("kij,kij->ki", plane, plane, out=left[..., 3])
    left[..., 4:] = w.view(np.float32).reshape(*z.shape, 2)
    return left


def _mates(left: Floats, kernel: Floats, spread: float, bend: float) -> tuple[NDArray[np.intp], Floats]:
    """The mate of every minutia of the first print, and the weight of the two, in every alignment.

    Returns:
        Two arrays ``(k, n)``; the weight is 0 where the two are not each other's nearest, or far apart.
    """
    # log-kernel -d²/2σ² - (1 - cos Δ)/β² of every minutia with every other, as one product, but for the 1/β² at its end
    k, n, _ = left.shape
    right, sharp = kernel * _scales(spread, bend), 1 / (bend * bend)
    factors = left.reshape(k * n, 6)
    log = factors @ right
    mate = log.argmax(1)
    best = log.take(mate + np.arange(0, log.size, log.shape[1])).reshape(k, n)
    best -= sharp
    mate = mate.reshape(k, n)
    back = (right.T @ factors.T).reshape(-1, k, n).argmax(2)
    mutual = back.take(mate * k + np.arange(k)[:, np.newaxis]) == np.arange(n)
    mutual &= best > c.MIN_LOG_KERNEL
    weight: Floats = np.exp(best, out=best)
    weight *= mutual
    return mate, weight


@functools.lru_cache(16)
def _scales(spread: float, bend: float) -> Floats:
    """``(6, 1)`` factors of the kernel's rows: four of places, two of directions."""
    return np.array([[-1 / (2 * spread * spread)]] * 4 + [[1 / (bend * bend)]] * 2, np.float32)


def _overlap(score: Floats, b: Cylinders, left: Floats) -> Floats:
    """Score of the minutiae of both prints that have enough of the other print's around them, ``(k,)``."""
    k, n, _ = left.shape
    close = (left.reshape(k * n, 6)[:, :4] @ b.kernel[:4] < c.OVERLAP_RADIUS**2).astype(np.float32)
    first = (close @ b.all_score >= c.OVERLAP_SUPPORT).reshape(k, n)
    second = score @ close.reshape(k, n, -1) >= c.OVERLAP_SUPPORT
    overlap: Floats = first @ score
    overlap += second @ b.all_score
    return overlap


def _stretched(z: Complexes, w: Complexes, wanted: Complexes, weight: Floats) -> tuple[Complexes, Complexes]:
    """Carries all minutiae by the affine maps that bring the mated ones nearer, within the stiffness.

    Args:
        z, w: ``(k, n)`` places and directions in k alignments.
        wanted: ``(k, n)`` places of their mates.
        weight: of the pairs, ``(k, n)``; 0 where there is none.
    """
    k, n = z.shape
    weighed = np.empty((k, 3, n), np.complex64)
    weighed[:, 0] = weight
    np.multiply(weight, z, out=weighed[:, 1])
    np.conj(weighed[:, 1], out=weighed[:, 2])
    terms = np.empty((k, n, 3), np.complex64)
    terms[..., 0] = 1
    terms[..., 1] = z
    np.subtract(wanted, z, out=terms[..., 2])
    maps = np.array([_affine(*sums) for sums in (weighed @ terms).tolist()], np.complex64)
    straight, fold, shift = maps.T[:, :, np.newaxis]
    moved = z * straight
    moved += np.conj(z) * fold
    moved += shift
    turn = np.exp(1j * straight.imag).astype(np.complex64)
    return moved, w * turn


_Row = tuple[complex, complex, complex]


def _affine(plain: _Row, turned: _Row, counter: _Row) -> _Row:
    """The map z → s·z + t·z* + shift of least squares within the stiffness, from sums over the mated minutiae.

    With f the places around their centre and g what they lack, all sums weighed, and S the stiffness:
    ``(Σ|f|² + 2S)·(s - 1) + (Σf*²)·t = Σf*·g`` and ``(Σf²)·(s - 1) + (Σ|f|² + 2S)·t = Σf·g``.

    Args:
        plain, turned, counter: sums of 1, z and g, with the factors 1, z and z*.
    """
    total, places, gaps = plain
    centre, drift = places / total, gaps / (total + 0.5)
    around = centre.conjugate()
    squares, along, across = turned[1] - centre * places, turned[2] - centre * gaps, counter[2] - around * gaps
    stiff = (counter[1] - around * places).real + 2 * c.STIFFNESS
    determinant = stiff * stiff - squares.real**2 - squares.imag**2
    straight = 1 + (stiff * across - squares.conjugate() * along) / determinant
    fold = (stiff * along - squares * across) / determinant
    return straight, fold, drift - (straight - 1) * centre - fold * around
