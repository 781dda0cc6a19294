"""Error rates of a matcher from lists of scores.

One convention throughout: a comparison is accepted where ``score >= threshold``. FMR is the share of impostor
comparisons that are accepted, FNMR the share of genuine ones that are not (ISO/IEC 19795-1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.errors import ConfigurationError

Scores = NDArray[np.float32]


def _sorted(scores: NDArray[Any], what: str) -> Scores:
    values = np.sort(np.asarray(scores, np.float32).ravel())
    if not len(values) or not np.isfinite(values[[0, -1]]).all():
        raise ConfigurationError(f"the {what} scores are empty or hold no numbers")
    return values


def _above(score: np.float32) -> float:
    """The next normal float32 above a score."""
    return float(max(np.nextafter(score, np.float32(np.inf)), score + np.finfo(np.float32).tiny))


def fmr_at(impostor: NDArray[Any], threshold: float) -> float:
    """Share of impostor scores that are at least ``threshold``."""
    return float(np.mean(np.asarray(impostor, np.float32) >= np.float32(threshold)))


def fnmr_at(genuine: NDArray[Any], threshold: float) -> float:
    """Share of genuine scores that are below ``threshold``."""
    return float(np.mean(np.asarray(genuine, np.float32) < np.float32(threshold)))


def threshold_at_fmr(impostor: NDArray[Any], fmr: float) -> float:
    """The smallest threshold whose FMR on these scores is at most ``fmr``.

    With fewer than ``1 / fmr`` impostor scores this lies just above the largest of them, and says little.

    Raises:
        ConfigurationError: no scores, or ``fmr`` is not between 0 and 1.
    """
    if not 0 < fmr <= 1:
        raise ConfigurationError("a false match rate is above 0 and at most 1")
    values = _sorted(impostor, "impostor")
    allowed = math.floor(fmr * len(values) + 1e-9)
    if allowed >= len(values):
        return float(values[0])
    return _above(values[len(values) - allowed - 1])  # the largest score that must be refused


def fnmr_at_fmr(genuine: NDArray[Any], impostor: NDArray[Any], fmr: float) -> float:
    """FNMR at :func:`threshold_at_fmr`."""
    return fnmr_at(genuine, threshold_at_fmr(impostor, fmr))


@dataclass(frozen=True, slots=True)
class ErrorCurve:
    """FMR and FNMR at rising thresholds: the points of a DET curve.

    Attributes:
        threshold: ``(n,)`` float32, every distinct score and one above the largest.
        fmr: ``(n,)`` float64, falling.
        fnmr: ``(n,)`` float64, rising.
    """

    threshold: Scores
    fmr: NDArray[np.float64]
    fnmr: NDArray[np.float64]


def error_curve(genuine: NDArray[Any], impostor: NDArray[Any]) -> ErrorCurve:
    """The rates at every threshold at which they change.

    Raises:
        ConfigurationError: an empty list, or scores that are no numbers.
    """
    g, i = _sorted(genuine, "genuine"), _sorted(impostor, "impostor")
    levels = np.unique(np.concatenate([g, i]))
    levels = np.append(levels, np.float32(_above(levels[-1])))
    fmr = 1 - np.searchsorted(i, levels, side="left") / len(i)
    fnmr = np.searchsorted(g, levels, side="left") / len(g)
    return ErrorCurve(levels, fmr, fnmr)


def equal_error_rate(genuine: NDArray[Any], impostor: NDArray[Any]) -> tuple[float, float]:
    """The EER and its threshold: the mean of the two rates where they are nearest.

    Raises:
        ConfigurationError: an empty list, or scores that are no numbers.
    """
    curve = error_curve(genuine, impostor)
    index = int(np.argmin(np.abs(curve.fmr - curve.fnmr)))
    return float(curve.fmr[index] + curve.fnmr[index]) / 2, float(curve.threshold[index])


def wilson_interval(events: int, trials: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Confidence interval of a share, 95 % by default, for independent trials.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927. Comparisons
    that share a person are not independent: the true interval is wider; see :func:`subject_bootstrap`.

    Raises:
        ConfigurationError: not ``0 <= events <= trials`` with at least one trial.
    """
    if not 0 <= events <= trials or trials < 1:
        raise ConfigurationError("events lie between 0 and the number of trials")
    share = events / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def subject_bootstrap(
    subjects: NDArray[np.int64],
    similarity: Scores,
    thresholds: NDArray[Any],
    *,
    rounds: int = 1000,
    seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % intervals of the FMR at thresholds, with whole people drawn anew.

    N. Poh and S. Bengio, "Estimating the confidence interval of expected performance curve in biometric
    authentication using joint bootstrap", ICASSP 2007: comparisons of one person are kept together.

    Args:
        subjects: ``(n,)`` number of the person of each picture, 0 … k - 1.
        similarity: ``(n, n)`` scores of all pictures with all; those above the diagonal are used.
        thresholds: ``(t,)``.
        rounds: bootstrap rounds.
        seed: of the random draw.

    Returns:
        Lower and upper ends, ``(t,)`` each.
    """
    people = int(subjects.max()) + 1
    pictures = np.bincount(subjects, minlength=people).astype(np.float64)
    first, second = np.triu_indices(len(subjects), 1)
    other = subjects[first] != subjects[second]
    a, b, scores = subjects[first[other]], subjects[second[other]], similarity[first[other], second[other]]
    weights = np.random.default_rng(seed).multinomial(people, np.full(people, 1 / people), size=rounds).astype(float)
    drawn = weights @ pictures
    total = (drawn**2 - (weights**2) @ (pictures**2)) / 2
    weights, total = weights[total > 0], total[total > 0]  # of few people, one may be drawn alone: nothing to compare
    low, high = np.empty(len(thresholds)), np.empty(len(thresholds))
    for index, threshold in enumerate(thresholds):
        over = scores >= np.float32(threshold)
        cell, count = np.unique(a[over] * people + b[over], return_counts=True)
        matched = np.empty(len(weights))
        for start in range(0, len(weights), 50):
            part = weights[start : start + 50]
            matched[start : start + 50] = (part[:, cell // people] * part[:, cell % people]) @ count
        low[index], high[index] = np.quantile(matched / total, [0.025, 0.975])
    return low, high
