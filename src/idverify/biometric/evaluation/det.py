"""The DET plot: FNMR over FMR on normal-deviate axes.

A. Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997. Needs matplotlib, the
extra ``eval``; it is imported when a plot is drawn.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.evaluation.metrics import ErrorCurve
from idverify.errors import ConfigurationError

SUFFIXES = (".png", ".svg")
_TICKS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.5)
_MAX_POINTS = 4_000


def _deviate(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    normal = NormalDist()
    return np.array([normal.inv_cdf(float(r)) for r in rates])


def _label(rate: float) -> str:
    return f"{rate * 100:g} %"


def det_points(curve: ErrorCurve) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The measured points with both rates strictly between 0 and 1, thinned to some thousands: FMR and FNMR."""
    inside = np.flatnonzero((curve.fmr > 0) & (curve.fmr < 1) & (curve.fnmr > 0) & (curve.fnmr < 1))
    if len(inside) > _MAX_POINTS:
        # Thinned evenly in the deviate of the FMR, so that the small rates keep their points.
        place = _deviate(curve.fmr[inside])
        marks = np.linspace(place[0], place[-1], _MAX_POINTS)
        inside = inside[np.unique(np.searchsorted(-place, -marks).clip(0, len(inside) - 1))]
    return curve.fmr[inside], curve.fnmr[inside]


def plot_det(curves: Mapping[str, ErrorCurve], path: Path, *, title: str = "") -> None:
    """Draws DET curves into a PNG or SVG file.

    Args:
        curves: by label.
        path: ends in ``.png`` or ``.svg``.
        title: above the plot.

    Raises:
        ConfigurationError: another suffix, matplotlib is missing, or the file cannot be written.
    """
    with drawn(path, title=title, height=6.0) as axes:
        _draw(axes, curves)


@contextlib.contextmanager
def drawn(path: Path, *, title: str, height: float) -> Iterator[Any]:
    """The axes of a plot 6.4 inches wide, which is written to ``path`` at the end.

    Raises:
        ConfigurationError: another suffix than :data:`SUFFIXES`, matplotlib is missing, or the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(f"a plot is written as {' or '.join(SUFFIXES)}, by the suffix of its file")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigurationError("plots need matplotlib: pip install 'idverify-emrtd[eval]'") from None
    figure = Figure(figsize=(6.4, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.grid(visible=True, alpha=0.3)
    yield axes
    try:
        figure.savefig(path)
    except OSError as error:
        raise ConfigurationError(f"the plot cannot be written: {error.strerror}") from None


def _draw(axes: Any, curves: Mapping[str, ErrorCurve]) -> None:
    for label, curve in curves.items():
        fmr, fnmr = det_points(curve)
        axes.plot(_deviate(fmr), _deviate(fnmr), drawstyle="steps-post", label=label)
    ticks = np.array(_TICKS)
    names = [_label(t) for t in _TICKS]
    axes.set_xticks(_deviate(ticks), names, rotation=45)
    axes.set_yticks(_deviate(ticks[2:]), names[2:])
    limits = _deviate(np.array([5e-7, 0.6, 5e-5, 0.6]))
    axes.set_xlim(limits[0], limits[1])
    axes.set_ylim(limits[2], limits[3])
    axes.set_xlabel("false match rate")
    axes.set_ylabel("false non-match rate")
    if curves:
        axes.legend()
