"""The comparison of two commits: noise does not decide, and what is slower is found."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest
from benchmarks.compare import LIMIT, ROUNDS, interval, judge, main, rank, tail
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("rounds", "alpha", "expected"),
    # Ranks of the bounds for the median: Conover, table A3 (p = 0.5); the usual table of the sign test.
    [(5, 0.05, 0), (6, 0.05, 1), (8, 0.05, 1), (9, 0.05, 2), (12, 0.05, 3), (15, 0.05, 4), (20, 0.05, 6),
     (7, 0.01, 0), (8, 0.01, 1), (20, 0.01, 4), (6, 0.02, 0), (7, 0.02, 1)],
)  # fmt: skip
def test_ranks_are_those_of_the_sign_test(rounds: int, alpha: float, expected: int) -> None:
    assert rank(rounds, alpha) == expected


def test_tails_are_binomial() -> None:
    assert tail(7, 0) == pytest.approx(1 / 128)
    assert tail(10, 10) == 1
    assert tail(9, 4) == pytest.approx(0.5)


@given(st.lists(st.floats(0.1, 10), min_size=ROUNDS, max_size=40))
def test_the_interval_holds_the_middle(ratios: list[float]) -> None:
    bounds = interval(ratios)
    assert bounds is not None
    ordered = sorted(ratios)
    assert bounds[0] <= ordered[len(ordered) // 2] <= bounds[1]


def test_too_few_rounds_have_no_interval() -> None:
    assert interval([2.0] * (ROUNDS - 1)) is None
    assert not judge([{"a": 1.0}] * 6, [{"a": 9.0}] * 6)[0].slower(LIMIT)


def noisy(
    generator: random.Random, factor: float, rounds: int
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Rounds in which the load of the machine drifts by factors, common to both; each run has noise of its own."""
    base, head = [], []
    for _ in range(rounds):
        load = generator.choice((1.0, 1.3, 2.5))
        base.append({"a": 10 * load * generator.lognormvariate(0, 0.05)})
        head.append({"a": 10 * load * factor * generator.lognormvariate(0, 0.05)})
    return base, head


def shares(factor: float) -> tuple[float, float]:
    """How often one series, and two of them, call the second commit slower."""
    generator = random.Random(7)
    once = twice = 0
    for _ in range(1000):
        first, second = (judge(*noisy(generator, factor, ROUNDS))[0].slower(LIMIT) for _ in range(2))
        once, twice = once + first, twice + (first and second)
    return once / 1000, twice / 1000


def test_the_same_speed_is_never_slower_and_a_case_at_the_limit_hardly_ever() -> None:
    assert shares(1.0) == (0, 0)
    once, twice = shares(LIMIT)
    assert once < 0.02
    assert twice < 0.002


def test_half_as_slow_again_is_found() -> None:
    assert shares(1.5)[1] > 0.99


def test_one_wild_round_does_not_decide() -> None:
    base = [{"a": 10.0}] * ROUNDS
    assert not judge(base, [{"a": 100.0}] * (ROUNDS - 1) + [{"a": 10.0}])[0].slower(LIMIT)


def test_a_case_that_one_commit_lacks_is_left_out() -> None:
    assert [v.case for v in judge([{"a": 1.0}] * 7, [{"a": 1.0, "b": 1.0}] * 7)] == ["a"]


# ---- with git and processes ------------------------------------------------------------------------------------------

PROBE = """
import json, sys
import library
def cost(work):  # lines run, not time: the same whatever else the machine does
    lines = 0
    def count(frame, event, argument):
        nonlocal lines
        lines += event == "line"
        return count
    sys.settrace(count)
    work()
    sys.settrace(None)
    return lines / 1000
print(json.dumps({"library": library.__file__, "cpu_ms": {"work": cost(library.work), "rest": cost(library.rest)}}))
"""
LIBRARY = """
def work():
    for number in range({loops}):
        number * number
def rest():
    for number in range(10_000):
        number * number
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits: ``fast``, and ``slow`` that does three times the work."""
    folder = tmp_path / "repository"
    source = folder / "src" / "library.py"
    source.parent.mkdir(parents=True)
    (tmp_path / "probe.py").write_text(PROBE, encoding="utf-8")
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    for tag, loops in (("fast", 10_000), ("slow", 30_000)):
        source.write_text(LIBRARY.format(loops=loops), encoding="utf-8")
        for command in (("add", "-A"), ("commit", "-q", "-m", tag), ("tag", tag)):
            subprocess.run(["git", "-C", str(folder), *identity, *command], check=True)
    return folder


def run(repository: Path, *arguments: str) -> int:
    return main([*arguments, "--repository", str(repository), "--probe", str(repository.parent / "probe.py")])


def test_a_slower_commit_is_found_and_nothing_else(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = repository.parent / "answer.json"
    assert run(repository, "fast", "slow", "--limit", "1.5", "--json", str(answer)) == 1
    found = json.loads(answer.read_text(encoding="utf-8"))
    assert found["slower"] == ["work"]
    assert {v["case"]: v["ratio"] > 1.5 for v in found["first"]} == {"work": True, "rest": False}
    assert [v["case"] for v in found["second"]] == ["work", "rest"][: len(found["second"])]
    assert "slower in both series: work" in capsys.readouterr().out
    assert run(repository, "slow", "fast", "--limit", "1.5") == 0
    listed = subprocess.run(
        ["git", "-C", str(repository), "worktree", "list"], capture_output=True, text=True, check=True
    )
    assert len(listed.stdout.splitlines()) == 1, "a working tree was left behind"


def test_what_cannot_be_compared_is_no_verdict(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(repository, "fast", "nowhere") == 2
    assert run(repository, "fast", "slow", "--budget", "0") == 2
    (repository.parent / "probe.py").write_text("raise SystemExit(3)", encoding="utf-8")
    assert run(repository, "fast", "slow") == 2
    (repository.parent / "probe.py").write_text(
        'print(\'{"library": "/elsewhere/library.py", "cpu_ms": {}}\')', encoding="utf-8"
    )
    assert run(repository, "fast", ".") == 2
    assert "instead of" in capsys.readouterr().err
    for refused in (("--rounds", "3"), ("--limit", "0.5")):
        with pytest.raises(SystemExit):
            run(repository, "fast", "slow", *refused)
