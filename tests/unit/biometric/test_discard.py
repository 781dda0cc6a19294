"""Error-versus-discard curves, against hand-worked ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from idverify.biometric.evaluation import error_versus_discard, plot_discard
from idverify.errors import ConfigurationError

SCORES = np.linspace(0, 1, 100)  # the ten lowest fail at 0.1


def test_a_measure_that_knows_all_takes_the_failures_first() -> None:
    curve = error_versus_discard(SCORES, SCORES, threshold=0.1)
    assert curve.fnmr[0] == pytest.approx(0.1)
    assert curve.at(0.06) == pytest.approx(4 / 94)
    assert curve.at(0.1) == curve.at(0.5) == 0
    assert curve.area < 0.2


def test_a_measure_that_knows_nothing_changes_nothing() -> None:
    curve = error_versus_discard(SCORES, np.full(100, 7), threshold=0.1)
    assert set(np.round(curve.fnmr, 12)) == {0.1}
    assert curve.area == pytest.approx(1)


def test_a_measure_that_is_wrong_makes_it_worse() -> None:
    curve = error_versus_discard(SCORES, -SCORES, threshold=0.1)
    assert curve.at(0.5) == pytest.approx(0.2)
    assert curve.area > 1


def test_threshold_by_its_rate() -> None:
    curve = error_versus_discard(SCORES, SCORES, fnmr=0.05)
    assert curve.fnmr[0] == pytest.approx(0.05)
    assert error_versus_discard(SCORES, SCORES, threshold=-1).area == 0


def test_callers_mistakes(tmp_path: Path) -> None:
    for arguments in ({}, {"fnmr": 0.1, "threshold": 0.1}):
        with pytest.raises(ConfigurationError):
            error_versus_discard(SCORES, SCORES, **arguments)
    with pytest.raises(ConfigurationError):
        error_versus_discard(SCORES, SCORES[1:], fnmr=0.1)
    with pytest.raises(ConfigurationError):
        plot_discard({}, tmp_path / "curve.txt")


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    curve = error_versus_discard(SCORES, SCORES, fnmr=0.1)
    plot_discard({"quality": curve}, tmp_path / "curve.png", title="test")
    assert (tmp_path / "curve.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
