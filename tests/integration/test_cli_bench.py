"""``idverify bench``: real transactions, honest figures; soaks that keep faults where they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from idverify.cli._app import app
from idverify.cli._bench_runs import bench_card, percentile
from idverify.cli._bench_soak import EXPECTED, KINDS, Soak, slope


def answer(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["bench", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_percentiles_are_values_with_enough_at_or_below(values: list[float], share: int) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(v <= found for v in values) * 100 >= share * len(values)
    assert sum(v < found for v in values) * 100 < share * len(values)


def test_no_values_have_no_percentile() -> None:
    assert percentile([], 50) == 0.0


def test_the_benchmark_verifies_for_real() -> None:
    found = answer("--counters", "1,2", "--transactions", "1", "--kbit", "0,848")
    assert [(r["kbit_s"], r["counters"]) for r in found["runs"]] == [(0, 1), (0, 2), (848, 1), (848, 2)]
    for run in found["runs"]:
        assert run["accepted"] == run["transactions"] == run["counters"]
        assert run["latency_ms"]["p50"] > 0
        assert {"access", "read", "card", "passive_authentication", "face"} <= set(run["stage_ms_p50"])
        costs = run["stage_cpu_ms_p50"]
        assert set(costs) >= {
            "card", "emulated-card", "live-template", "portrait-template", "signature", "passive-authentication",
            "matching",
        }  # fmt: skip
        assert all(v > 0 for v in costs.values())
    timed = found["runs"][2]
    assert timed["latency_ms"]["p50"] > timed["chip_ms_p50"] > 800
    assert timed["own_percent_p50"] > 0
    assert found["machine"]["cores"]
    assert found["machine"]["versions"]["idverify"]


def test_the_benchmarks_card_has_the_portrait_that_is_asked_for() -> None:
    from idverify import FileId
    from idverify.chip.lds.dg2 import DG2

    assert len(DG2.parse(bench_card().files[FileId.DG2]).portrait.image) == 20_000


def test_a_timeline_is_drawn_and_adds_up(tmp_path: Path) -> None:
    files = [tmp_path / "timeline.png", tmp_path / "timeline.svg"]
    found = answer("--transactions", "1", "--kbit", "848", *(a for f in files for a in ("--timeline", str(f))))
    timeline = found["timeline"]
    parts = ("card_ms", "between_commands_ms", "after_last_answer_ms", "to_the_caller_ms")
    assert sum(timeline[part] for part in parts) == pytest.approx(timeline["latency_ms"], abs=1)
    assert timeline["apdus"] > 15
    picture = cv2.imread(str(files[0]))
    assert picture is not None
    assert picture.std() > 10
    assert "<svg" in files[1].read_text(encoding="utf-8")
    assert CliRunner().invoke(app, ["bench", "--timeline", str(tmp_path / "timeline.pdf")]).exit_code != 0


@pytest.mark.parametrize(
    "arguments",
    [("--counters", c) for c in ("", "0", "two", "1,9999")]
    + [("--kbit", "115"), ("--soak", "1", "--fault-kinds", "flood")],
)
def test_nonsense_is_refused(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, ["bench", *arguments]).exit_code != 0


# ---- soak ------------------------------------------------------------------------------------------------------------


def test_faults_of_every_kind_stay_with_their_transaction() -> None:
    found = Soak(72, counters=8, faults=0.5, seed=3).run()
    assert found["transactions"] == 72
    assert all(count > 0 for count in found["faults"].values()), found["faults"]
    assert found["isolated"], found["astray"]
    assert found["left_in_pool"] == 0
    assert found["per_counter"]["fewest"] >= 5


def test_vanishing_readers_and_missing_models_in_every_third_transaction() -> None:
    arguments = ("--soak", "30", "--counters", "6", "--kbit", "0", "--faults", "0.33")
    found = answer(*arguments, "--fault-kinds", "reader-vanished,model-missing")["soak"]
    assert found["faults"]["reader-vanished"] + found["faults"]["model-missing"] >= 5
    assert sum(found["faults"].values()) == found["faults"]["reader-vanished"] + found["faults"]["model-missing"]
    assert found["isolated"]


def test_a_transaction_that_goes_astray_fails_the_soak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXPECTED, "wrong-password", "accept")
    done = CliRunner().invoke(
        app,
        ["bench", "--soak", "6", "--counters", "2", "--kbit", "0", "--faults", "1", "--fault-kinds", "wrong-password"],
    )
    assert done.exit_code == 1
    assert "wrong-password: WrongPasswordError" in done.output


def test_growth_is_the_median_slope_after_warming_up() -> None:
    climbing = [(n, 100 + 0.01 * n) for n in range(0, 2000, 100)]
    assert slope(climbing, 200) == pytest.approx(0.01)
    flat = [(0, 50.0), *((n, 249.0 + (n % 3) * 0.1) for n in range(200, 2000, 100))]
    assert abs(slope(flat, 200)) < 0.001
    assert slope([], 0) == 0
    assert "none" not in KINDS
