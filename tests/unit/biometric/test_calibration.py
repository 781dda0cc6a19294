from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idverify.biometric import CalibrationPoint, CalibrationTable, default_registry
from idverify.biometric.calibration import load_table
from idverify.errors import ConfigurationError, ModelError


def table(*points: tuple[float, ...], impostor: int = 1_000_000) -> CalibrationTable:
    return CalibrationTable(
        id="t", model="m@1", model_sha256="0" * 64, metric="cosine", data="invented", protocol="invented",
        interval="invented", genuine=10, impostor=impostor, points=tuple(CalibrationPoint(*p) for p in points),
    )  # fmt: skip


SIMPLE = table((0.1, 1e-1, 5e-2, 2e-1, 0.0), (0.3, 1e-3, 5e-4, 2e-3, 0.1), (0.4, 1e-5, 5e-6, 2e-5, 0.2))


@pytest.mark.parametrize(
    ("score", "fmr"),
    [
        (-1.0, 1.0),
        (0.0999, 1.0),
        (0.1, 1e-1),
        (0.2, 1e-2),
        (0.3, 1e-3),
        (0.35, 1e-4),
        (0.4, 1e-5),
        (0.41, 1e-5),
        (1, 1e-5),
    ],
)
def test_between_points_the_logarithm_is_linear(score: float, fmr: float) -> None:
    assert SIMPLE.fmr(score) == pytest.approx(fmr, rel=1e-9)


def test_bounds_are_interpolated_alike() -> None:
    low, high = SIMPLE.bounds(0.2)
    assert (low, high) == (pytest.approx(5e-3), pytest.approx(2e-2))


@given(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5))
def test_a_higher_score_never_has_a_higher_rate(a: float, b: float) -> None:
    for measured in (SIMPLE, default_registry().calibration("lightcnn-v4-int8")):
        assert measured is not None
        low, high = min(a, b), max(a, b)
        assert measured.fmr(low) >= measured.fmr(high)
        bottom, top = measured.bounds(a)
        assert bottom <= measured.fmr(a) <= top


@given(st.floats(1e-5, 1e-1))
def test_threshold_is_the_inverse(fmr: float) -> None:
    assert SIMPLE.fmr(SIMPLE.threshold(fmr)) == pytest.approx(fmr, rel=1e-6)


@pytest.mark.parametrize("fmr", [9.9e-6, 1e-9, 0.0, -1.0, 0.2, math.nan])
def test_nothing_is_extrapolated(fmr: float) -> None:
    with pytest.raises(ConfigurationError, match="not extrapolated"):
        SIMPLE.threshold(fmr)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_score_must_be_finite(score: float) -> None:
    with pytest.raises(ConfigurationError):
        SIMPLE.fmr(score)


@pytest.mark.parametrize(
    "points",
    [
        [(0.1, 0.1, 0.05, 0.2, 0.0)],
        [(0.1, 0.1, 0.05, 0.2, 0.0), (0.1, 0.01, 0.005, 0.02, 0.0)],
        [(0.1, 0.1, 0.05, 0.2, 0.0), (0.2, 0.1, 0.05, 0.2, 0.0)],
        [(0.1, 0.1, 0.15, 0.2, 0.0), (0.2, 0.01, 0.005, 0.02, 0.0)],
        [(0.1, 0.1, 0.05, 0.2, 0.0), (0.2, 0.0, 0.0, 0.02, 0.0)],
        [(0.1, 0.1, 0.05, 0.2, 0.0), (math.nan, 0.01, 0.005, 0.02, 0.0)],
        [(0.1, 0.1, 0.05, 0.2, 0.0), (0.2, 1e-7, 5e-8, 2e-7, 0.0)],
    ],
    ids=["one point", "same score", "same rate", "outside interval", "zero rate", "nan", "below one pair"],
)
def test_impossible_tables_are_refused(points: list[tuple[float, ...]]) -> None:
    with pytest.raises(ModelError):
        table(*points)


def test_json_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(SIMPLE.to_json(), encoding="utf-8")
    assert load_table(path) == SIMPLE
    assert json.loads(SIMPLE.to_json())["data"] == "invented"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"points": [[1]]}', "{" * 5000, '{"points": 5}', "\ud800"[:0] + "nul"]
)
def test_malformed_tables_are_our_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError):
        load_table(path)


def test_missing_and_huge_tables_are_our_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        load_table(tmp_path / "none.json")
    (tmp_path / "huge.json").write_bytes(b" " * (1024 * 1024 + 1))
    with pytest.raises(ModelError, match="over"):
        load_table(tmp_path / "huge.json")


def test_measured_table_names_its_data_and_reaches_1e_5() -> None:
    measured = default_registry().calibration("lightcnn-v4-int8")
    assert measured is not None
    assert "Labeled Faces in the Wild" in measured.data
    assert measured.impostor > 1_000_000
    assert 0.2 < measured.threshold(1e-3) < measured.threshold(1e-4) < measured.threshold(1e-5) < 0.45
    assert np.all(np.diff([p.fnmr for p in measured.points]) >= 0)
