from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.biometric.evaluation import (
    equal_error_rate,
    error_curve,
    fmr_at,
    fnmr_at,
    fnmr_at_fmr,
    subject_bootstrap,
    threshold_at_fmr,
    wilson_interval,
)
from idverify.biometric.evaluation.calibrate import levels
from idverify.errors import ConfigurationError

# Worked by hand: at 0.5 one of five impostors passes and one of five genuine does not.
GENUINE = np.array([0.9, 0.8, 0.7, 0.6, 0.4])
IMPOSTOR = np.array([0.5, 0.3, 0.2, 0.1, 0.0])


def test_hand_worked_rates() -> None:
    assert fmr_at(IMPOSTOR, 0.5) == 0.2
    assert fmr_at(IMPOSTOR, 0.51) == 0.0
    assert fnmr_at(GENUINE, 0.6) == 0.2
    assert fnmr_at(GENUINE, 0.61) == 0.4
    eer, threshold = equal_error_rate(GENUINE, IMPOSTOR)
    assert eer == pytest.approx(0.2)
    assert 0.4 < threshold <= 0.5
    assert fnmr_at_fmr(GENUINE, IMPOSTOR, 0.2) == 0.0 + 0.0
    assert fnmr_at_fmr(GENUINE, IMPOSTOR, 0.1) == 0.2


def test_separated_scores_have_no_error() -> None:
    assert equal_error_rate([3.0, 4.0], [1.0, 2.0])[0] == 0.0


def test_exchanged_scores_have_every_error() -> None:
    assert equal_error_rate([1.0, 2.0], [3.0, 4.0])[0] == 1.0


scores = st.lists(st.integers(0, 30), min_size=1, max_size=60)


@given(scores, st.floats(0.001, 1.0))
def test_threshold_is_the_smallest_that_keeps_the_rate(impostor: list[int], fmr: float) -> None:
    threshold = threshold_at_fmr(impostor, fmr)
    assert fmr_at(impostor, threshold) <= fmr + 1e-9
    lower = [t for t in sorted({*impostor, max(impostor) + 1}) if fmr_at(impostor, t) <= fmr + 1e-12]
    assert fmr_at(impostor, threshold) == fmr_at(impostor, lower[0])


@settings(max_examples=200)
@given(scores, scores)
def test_curve_and_eer_against_brute_force(genuine: list[int], impostor: list[int]) -> None:
    curve = error_curve(genuine, impostor)
    for threshold, fmr, fnmr in zip(curve.threshold, curve.fmr, curve.fnmr, strict=True):
        assert fmr == pytest.approx(sum(i >= threshold for i in impostor) / len(impostor))
        assert fnmr == pytest.approx(sum(g < threshold for g in genuine) / len(genuine))
    gaps = []
    for threshold in [*range(32)]:
        fmr = sum(i >= threshold for i in impostor) / len(impostor)
        fnmr = sum(g < threshold for g in genuine) / len(genuine)
        gaps.append((abs(fmr - fnmr), (fmr + fnmr) / 2))
    nearest = min(gap for gap, _ in gaps)
    candidates = [mean for gap, mean in gaps if math.isclose(gap, nearest, abs_tol=1e-12)]
    found = equal_error_rate(genuine, impostor)[0]
    assert any(math.isclose(found, mean, abs_tol=1e-12) for mean in candidates)


@pytest.mark.parametrize(("genuine", "impostor"), [([], [1.0]), ([1.0], []), ([math.nan], [1.0]), ([1.0], [math.inf])])
def test_lists_without_numbers_are_our_error(genuine: list[float], impostor: list[float]) -> None:
    with pytest.raises(ConfigurationError):
        error_curve(genuine, impostor)


@pytest.mark.parametrize("fmr", [0.0, -0.1, 1.1])
def test_rate_out_of_range_is_our_error(fmr: float) -> None:
    with pytest.raises(ConfigurationError):
        threshold_at_fmr(IMPOSTOR, fmr)


def test_wilson_against_published_values() -> None:
    # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998),
    # table I, method 3.
    for events, trials, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        assert wilson_interval(events, trials) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    with pytest.raises(ConfigurationError):
        wilson_interval(3, 2)


def test_bootstrap_surrounds_the_rate_and_follows_the_seed() -> None:
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(120, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    subjects = np.repeat(np.arange(60), 2)
    similarity = vectors @ vectors.T
    first, second = np.triu_indices(120, 1)
    other = subjects[first] != subjects[second]
    impostor = similarity[first[other], second[other]]
    thresholds = np.array([0.0, 0.4, 0.7])
    low, high = subject_bootstrap(subjects, similarity, thresholds, rounds=200, seed=1)
    for i, threshold in enumerate(thresholds):
        rate = fmr_at(impostor, threshold)
        assert low[i] < rate < high[i]
        assert high[i] - low[i] < 0.1
    again = subject_bootstrap(subjects, similarity, thresholds, rounds=200, seed=1)
    assert np.array_equal(low, again[0])


def test_bootstrap_is_wider_than_independence_where_people_cluster() -> None:
    # One person looks like everybody: whether that person is drawn moves the rate more than single pairs do.
    people = 40
    similarity = np.zeros((people, people), np.float32)
    similarity[0, :] = similarity[:, 0] = 1.0
    low, high = subject_bootstrap(np.arange(people), similarity, np.array([0.5]), rounds=400, seed=0)
    pairs = people * (people - 1) // 2
    independent = wilson_interval(people - 1, pairs)
    assert high[0] - low[0] > 1.5 * (independent[1] - independent[0])


def test_levels_end_where_ten_false_matches_are_left() -> None:
    assert levels(1_000)[-1] == pytest.approx(0.01)
    assert levels(1_250_180)[-1] == pytest.approx(1e-5)
    assert list(levels(10**6)) == sorted(levels(10**6), reverse=True)


def test_bootstrap_of_three_people_has_an_interval() -> None:
    similarity = np.zeros((9, 9), np.float32)
    similarity[:3, 3:6] = 0.9  # the first is always taken for the second
    low, high = subject_bootstrap(np.repeat(np.arange(3), 3), similarity, np.array([0.5]), rounds=300, seed=0)
    assert (low[0], high[0]) == (0.0, 1.0)
