"""Error-versus-discard curves: does a quality measure know which prints will fail?

P. Grother, E. Tabassi, "Performance of biometric quality measures", IEEE TPAMI 29 (2007) 531–543; ISO/IEC 29794-1:2024,
9.2. The genuine comparisons with the lowest quality of their two samples are left out, share by share, at a fixed
threshold: the FNMR of the rest should fall, at best as fast as the share itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.evaluation.det import drawn
from idverify.errors import ConfigurationError

SHARES: Final = tuple(i / 100 for i in range(0, 51, 2))
"""Shares that are left out: 0 to 50 %."""


@dataclass(frozen=True, slots=True)
class DiscardCurve:
    """FNMR over the share of genuine comparisons that were left out for their quality.

    Attributes:
        discarded: the shares, rising from 0.
        fnmr: FNMR of the rest.
        threshold: of the scores.
        genuine: number of comparisons.
    """

    discarded: tuple[float, ...]
    fnmr: tuple[float, ...]
    threshold: float
    genuine: int

    def at(self, share: float) -> float:
        """FNMR at a share, linear between the points."""
        return float(np.interp(share, self.discarded, self.fnmr))

    @property
    def area(self) -> float:
        """Mean FNMR over the curve against that without discarding: 1 for a measure that knows nothing, less is better.

        0 where nothing failed at the start.
        """
        return float(np.mean(self.fnmr) / self.fnmr[0]) if self.fnmr[0] else 0.0


def error_versus_discard(
    genuine: NDArray[Any], quality: NDArray[Any], *, fnmr: float | None = None, threshold: float | None = None
) -> DiscardCurve:
    """The curve of a quality measure.

    Args:
        genuine: scores of genuine comparisons, ``(n,)``.
        quality: the lower quality of each comparison's two samples, ``(n,)``.
        fnmr: the threshold is the one with this FNMR over all; or give
        threshold: the threshold itself.

    Raises:
        ConfigurationError: no comparisons, lengths that differ, or not exactly one of ``fnmr`` and ``threshold``.
    """
    scores, values = np.asarray(genuine, np.float64).ravel(), np.asarray(quality, np.float64).ravel()
    if len(scores) != len(values) or not len(scores) or (fnmr is None) == (threshold is None):
        raise ConfigurationError("a discard curve needs a score and a quality for each comparison, and one threshold")
    if threshold is None:
        threshold = float(np.quantile(scores, fnmr or 0.0))
    # among comparisons of one quality it is chance which go first: each counts by the mean of its group
    order = np.argsort(values, kind="stable")
    failed, groups = (scores < threshold)[order].astype(float), values[order]
    _, place, size = np.unique(groups, return_inverse=True, return_counts=True)
    failed = (np.bincount(place, weights=failed) / size)[place]
    rest = [failed[int(share * len(failed)) :] for share in SHARES]
    return DiscardCurve(SHARES, tuple(float(r.mean()) for r in rest), threshold, len(scores))


def plot_discard(curves: Mapping[str, DiscardCurve], path: Path, *, title: str = "") -> None:
    """Draws curves into a PNG or SVG file, with the line of a perfect measure.

    Args:
        curves: by label.
        path: ends in ``.png`` or ``.svg``.
        title: above the plot.

    Raises:
        ConfigurationError: another suffix, matplotlib is missing, or the file cannot be written.
    """
    with drawn(path, title=title, height=5.6) as axes:
        for label, curve in curves.items():
            share, rate = 100 * np.array(curve.discarded), 100 * np.array(curve.fnmr)
            (line,) = axes.plot(share, rate, label=f"{label}: {curve.genuine:,} genuine, area {curve.area:.2f}")
            best = np.maximum(rate[0] - share, 0) / (1 - share / 100)
            axes.plot(share, best, linestyle=":", color=line.get_color(), alpha=0.7)
        axes.set_xlabel("comparisons left out for their quality, %")
        axes.set_ylabel("FNMR of the rest, %")
        axes.set_ylim(bottom=0)
        if curves:
            axes.figure.legend(title="dotted: a perfect measure", loc="outside lower center")
