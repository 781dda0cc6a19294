"""``idverify bench``: real transactions, honest figures."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from idverify.cli._app import app
from idverify.cli.bench import percentile


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_percentiles_are_values_with_enough_at_or_below(values: list[float], share: int) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(v <= found for v in values) * 100 >= share * len(values)
    assert sum(v < found for v in values) * 100 < share * len(values)


def test_no_values_have_no_percentile() -> None:
    assert percentile([], 50) == 0.0


def test_the_benchmark_verifies_for_real() -> None:
    done = CliRunner().invoke(app, ["bench", "--counters", "1,2", "--transactions", "1", "--kbit", "0", "--json"])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert [r["counters"] for r in answer["runs"]] == [1, 2]
    for run in answer["runs"]:
        assert run["accepted"] == run["transactions"] == run["counters"]
        assert run["latency_ms"]["p50"] > 0
        assert {"access", "read", "card", "passive_authentication", "face"} <= set(run["stage_ms_p50"])
    assert answer["machine"]["cores"]


@pytest.mark.parametrize("counters", ["", "0", "two", "1,9999"])
def test_nonsense_is_refused(counters: str) -> None:
    assert CliRunner().invoke(app, ["bench", "--counters", counters]).exit_code != 0
