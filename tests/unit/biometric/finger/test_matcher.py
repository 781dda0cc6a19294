"""Templates and their comparison, on invented minutiae."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.biometric.finger import constants, matcher
from idverify.biometric.finger import constants as c
from idverify.biometric.finger.matcher import compare, similarity
from idverify.biometric.finger.minutiae import Minutiae
from idverify.biometric.finger.template import CELL_COUNT, make_template, mirrored
from idverify.errors import ConfigurationError
from tests.unit.biometric.finger.prints import invented, moved

DIFFERENT = 0.3


def score(a: Minutiae, b: Minutiae) -> float:
    return similarity(make_template(a), make_template(b))


def test_base_has_the_cells_within_the_radius() -> None:
    # 8 x 8 cells of 17.5 px: three in each corner lie beyond 70 px from the middle
    assert CELL_COUNT == 52


def test_cylinder_values_follow_the_definition() -> None:
    """One cell of one cylinder, computed from [MCC] eq. 4 to 12 with plain arithmetic."""
    print_ = invented(3, 12)
    template = make_template(print_)
    assert template.cylinders is not None
    best = print_.best(256)
    x, y, angle = best.x.astype(float), -best.y.astype(float), best.angle.astype(float)
    owner = int(np.argmin(np.hypot(x - template.cylinders.z[0].real, y - template.cylinders.z[0].imag)))
    step = 2 * c.RADIUS / c.CELLS
    centres = (np.arange(c.CELLS) - (c.CELLS - 1) / 2) * step
    cells = [(u, v) for u in centres for v in centres if u * u + v * v <= c.RADIUS**2]
    checked = 0
    for number, (u, v) in enumerate(cells):
        px = x[owner] + u * math.cos(angle[owner]) - v * math.sin(angle[owner])
        py = y[owner] + u * math.sin(angle[owner]) + v * math.cos(angle[owner])
        for section in range(c.SECTIONS):
            middle = -math.pi + (section + 0.5) * 2 * math.pi / c.SECTIONS
            total = 0.0
            for t in range(len(x)):
                if t == owner or math.hypot(x[t] - x[owner], y[t] - y[owner]) > c.RADIUS + 3 * c.SIGMA_SPACE:
                    continue
                apart = (x[t] - px) ** 2 + (y[t] - py) ** 2
                near = math.exp(-apart / (2 * c.SIGMA_SPACE**2)) / (2 * math.pi * c.SIGMA_SPACE**2)
                turn = math.remainder(middle - (angle[owner] - angle[t]), 2 * math.pi)
                half, spread = math.pi / c.SECTIONS, c.SIGMA_DIRECTION * math.sqrt(2)
                total += near * (math.erf((turn + half) / spread) - math.erf((turn - half) / spread)) / 2
            # the Gaussian of a separable pair of axes carries 1/(σ√2π) for each
            wanted = 1 / (1 + math.exp(-max(min(c.PSI_TAU * (total - c.PSI_MU), 60), -60)))
            found = float(template.cylinders.code[0, number * c.SECTIONS + section])
            if found:  # 0 marks an invalid cell
                assert found == pytest.approx(wanted, abs=0.02)
                checked += 1
    assert checked > 100


@pytest.mark.parametrize("turn", range(0, 360, 30))
def test_turned_print_is_the_same_finger(turn: int) -> None:
    first = invented(1)
    second = make_template(moved(first, turn=turn, shift=(15, -9), jitter=1.5, seed=turn))
    found = compare(make_template(first), second, any_rotation=True)
    if abs(math.remainder(turn, 360)) < 80:
        assert compare(make_template(first), second) == found
    assert found.value > 0.45
    assert found.mated > 25
    assert math.remainder(found.rotation - math.radians(turn), 2 * math.pi) == pytest.approx(0, abs=0.05)


def test_different_prints_score_low() -> None:
    templates = [make_template(invented(seed)) for seed in range(12)]
    scores = [similarity(a, b, any_rotation=True) for i, a in enumerate(templates) for b in templates[:i]]
    assert max(scores) < DIFFERENT


@pytest.mark.parametrize("seed", range(4))
def test_mirrored_print_is_another_finger(seed: int) -> None:
    first = invented(seed)
    mirrored = make_template(moved(first, mirror=True, turn=seed * 40))
    assert similarity(make_template(first), mirrored, any_rotation=True) < DIFFERENT


def test_mirrored_cylinders_are_those_of_the_mirrored_print() -> None:
    for seed in range(4):
        print_, other = invented(seed), make_template(moved(invented(seed), mirror=True, jitter=2, keep=0.7, seed=seed))
        anew = make_template(moved(print_, mirror=True)).cylinders
        seen = make_template(print_).cylinders
        assert anew is not None
        assert seen is not None
        seen = mirrored(seen)
        for name in ("code", "mass_valid", "heading", "w", "all_w", "distance_a"):
            assert np.allclose(getattr(seen, name), getattr(anew, name), atol=0.02), name
        apart = ~np.eye(seen.count, dtype=bool)  # no pair of a cylinder with itself
        assert np.allclose(seen.radial[apart], anew.radial[apart], atol=0.02)
        template = dataclasses.replace(make_template(print_), cylinders=seen)
        assert compare(template, other, thorough=False).value > 0.4


def test_what_is_more_alike_in_a_mirror_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    first, poor, other = (
        make_template(print_, model="m")
        for print_ in (invented(1), moved(invented(1), jitter=4, keep=0.4, seed=1), invented(2))
    )
    plain = compare(first, poor)
    assert plain.value > DIFFERENT
    monkeypatch.setattr(constants, "MIRROR_CHECK", (0.15, 1.0))
    assert compare(first, poor) == plain
    monkeypatch.setattr(matcher, "mirrored", lambda _: other.cylinders)
    assert compare(first, poor) == plain
    monkeypatch.setattr(matcher, "mirrored", lambda _: poor.cylinders)  # what the mirror shows is the very print
    refused = compare(first, poor)
    assert (refused.value, refused.mirrored) == (0.0, True)


def test_partial_prints_match() -> None:
    first = invented(5, 60)
    left = first.select(first.x < 0.75 * first.width)
    right = moved(first.select(first.x > 0.25 * first.width), turn=10, jitter=1)
    assert score(left, right) > DIFFERENT


def test_a_small_piece_of_a_finger_proves_less(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = invented(4, 40)
    near = np.argsort(np.hypot(whole.x - 180, whole.y - 200))[:15]
    piece, other = moved(whole.select(near), turn=10), moved(whole, turn=10)
    assert len(piece) == 15
    weighed = score(piece, whole), score(other, whole)
    assert weighed[0] > DIFFERENT
    monkeypatch.setattr(c, "FEW_POWER", 0.0)
    plain = score(piece, whole), score(other, whole)
    assert plain[1] == weighed[1], "whole prints are compared as they were"
    products = [(v / (1 - v)) ** 3 for v in (weighed[0], plain[0])]
    assert products[0] / products[1] == pytest.approx(0.5**0.65, rel=1e-3), "15 minutiae are half of the usual number"


def test_thorough_search_finds_what_one_seed_misses() -> None:
    """Most of the minutiae strange to each other, as between two makers; other fingers stay apart."""
    quick, thorough, impostor = [], [], []
    for seed in range(24):
        first = invented(seed, 40)
        second = moved(first, turn=seed, jitter=2.5, keep=0.35, seed=seed)
        strange = invented(100 + seed, 25)
        names = ("x", "y", "angle", "kind", "score")
        mixed = make_template(
            Minutiae(
                **{n: np.concatenate([getattr(second, n), getattr(strange, n)]) for n in names}, width=360, height=400
            )
        )
        one = make_template(first)
        quick.append(compare(one, mixed, thorough=False).value)
        thorough.append(compare(one, mixed).value)  # both come from records
        impostor.append(compare(make_template(invented(50 + seed, 40)), mixed, thorough=True).value)
    assert max(impostor) < 0.25
    assert sum(v > 0.25 for v in thorough) > sum(v > 0.25 for v in quick)


def test_alignments_side_by_side_are_those_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best of several alignments is the best of each followed alone; of many the promising ones are kept."""
    a, b = make_template(invented(1)).cylinders, make_template(moved(invented(1), turn=9, jitter=2)).cylinders
    assert a is not None
    assert b is not None
    angles = np.radians([9, 40, 7, -30, 11, 90])
    turns = np.exp(1j * angles).astype(np.complex64)
    shifts = np.array([2, 1, -4j, 30, 9, 3], np.complex64)
    alone = [matcher._global(a, b, turns[i : i + 1], shifts[i : i + 1], 0.5) for i in range(6)]
    values = [found.value for found in alone]
    assert max(values) > 0.5 > min(values)
    for kept in (2, 6):
        monkeypatch.setattr(constants, "FOREIGN_KEPT", kept)
        together = matcher._global(a, b, turns, shifts, 0.5)
        assert together.value == pytest.approx(max(values), abs=1e-4)
        assert together.mated == alone[int(np.argmax(values))].mated


def test_mirrored_record_is_another_finger() -> None:
    for seed in range(6):
        first = make_template(invented(seed), model="m")
        record = make_template(moved(invented(seed), mirror=True, jitter=1, seed=seed))
        assert compare(first, record).value < 0.25, seed
        assert compare(first, make_template(moved(invented(seed), jitter=1, seed=seed))).value > 0.45


def test_thorough_is_for_records() -> None:
    first, second = invented(1), moved(invented(1), turn=8, jitter=2, keep=0.6)
    own = make_template(first, model="m"), make_template(second, model="m")
    assert compare(*own) == compare(*own, thorough=False)
    record = make_template(second)
    assert compare(own[0], record) == compare(own[0], record, thorough=True)
    assert compare(own[0], record) != compare(*own, thorough=False)


def test_lost_and_spurious_minutiae_are_borne() -> None:
    first, strange = invented(6, 50), invented(7, 12)
    kept = moved(first, jitter=2, keep=0.75, seed=2)
    names = ("x", "y", "angle", "kind", "score")
    mixed = Minutiae(
        **{n: np.concatenate([getattr(kept, n), getattr(strange, n)]) for n in names}, width=360, height=400
    )
    assert score(first, mixed) > DIFFERENT


def test_order_of_minutiae_does_not_matter() -> None:
    first, second = invented(8), moved(invented(8), jitter=1)
    shuffled = second.select(np.random.default_rng(0).permutation(len(second)))
    assert score(first, second) == pytest.approx(score(first, shuffled), abs=1e-4)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_minutiae_match_nothing(count: int) -> None:
    few = invented(9).best(count)
    template = make_template(few)
    assert template.cylinders is None
    assert similarity(template, make_template(invented(9))) == 0
    assert similarity(template, template) == 0


def test_template_hides_its_minutiae_and_cannot_be_changed() -> None:
    template = make_template(invented(10))
    assert "x=" not in repr(template)
    assert "array" not in repr(template)
    assert template.cylinders is not None
    with pytest.raises(ValueError, match="read-only"):
        template.cylinders.code[0, 0] = 1
    assert template.nbytes > 10_000


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 80), st.integers(0, 2**32 - 1), st.booleans())
def test_any_minutiae_give_a_score_between_0_and_1(count: int, seed: int, heap: bool) -> None:
    rng = np.random.default_rng(seed)
    spread = 1.0 if heap else 1500.0
    prints = [
        Minutiae(
            x=rng.uniform(0, spread, count), y=rng.uniform(0, spread, count), angle=rng.uniform(-4, 4, count),
            kind=np.zeros(count, np.uint8), score=rng.uniform(0, 1, count), width=1600, height=1600,
        )
        for _ in range(2)
    ]  # fmt: skip
    for pair in (prints, [prints[0]] * 2):
        assert 0 <= score(*pair) < 1


def test_minutiae_are_checked() -> None:
    good = invented(1)
    with pytest.raises(ConfigurationError):
        Minutiae(x=good.x, y=good.y[:3], angle=good.angle, kind=good.kind, score=good.score, width=9, height=9)
    with pytest.raises(ConfigurationError):
        Minutiae(x=good.x * np.nan, y=good.y, angle=good.angle, kind=good.kind, score=good.score, width=9, height=9)
