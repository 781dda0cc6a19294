"""Whether one commit is slower than another: ratios of processor time from interleaved runs.

    python -m benchmarks.compare main HEAD
    python -m benchmarks.compare v0.1 . --limit 1.2 --cases read,face

Each commit gets a working tree of its own, and the same probe (``benchmarks/probe.py`` of this tree) runs against both,
each time in a fresh process and in the order A B, B A, A B …: what else the machine does hits both alike. A round gives
one ratio a case. Noise does not decide: a case counts as slower only where the confidence interval of the median ratio
lies above the limit as a whole, and lies there again in a second series of rounds that is made of the suspects alone.

The interval needs no shape of the noise: with n rounds, the true median lies between the k-th smallest and the k-th
largest ratio unless fewer than k rounds fell on one side of it, which the binomial distribution with p = 1/2 tells
(the sign test turned round; Conover, Practical Nonparametric Statistics, 3rd edition, section 3.2).

Exit status: 0 nothing is slower beyond the limit; 1 something is, twice; 2 the comparison could not be made.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PROBE = Path(__file__).with_name("probe.py")
LIMIT = 1.15
"""Ratio from which a case counts as slower. Seven rounds on a busy machine scatter by some percent."""
ALPHA = 0.02
"""Chance, both sides together, that the interval of one series misses the true median."""
ROUNDS = 7
"""The fewest rounds whose extremes make an interval of 98 %."""
BUDGET = 480.0
"""Seconds after which no new round begins."""
PROBE_TIMEOUT = 180.0


class ComparisonError(Exception):
    """The comparison could not be made."""


# ---- statistics ------------------------------------------------------------------------------------------------------


def tail(rounds: int, hits: int) -> float:
    """Probability of at most ``hits`` successes in so many fair tosses."""
    return sum(math.comb(rounds, k) for k in range(hits + 1)) / 2**rounds


def rank(rounds: int, alpha: float = ALPHA) -> int:
    """How far from the ends the interval's bounds lie: 1 for the smallest and largest value; 0 where there is none."""
    found = 0
    while 2 * tail(rounds, found) <= alpha:
        found += 1
    return found


def interval(ratios: Sequence[float], alpha: float = ALPHA) -> tuple[float, float] | None:
    """Bounds of the median with confidence ``1 - alpha`` at least, or None for too few values."""
    ordered, k = sorted(ratios), rank(len(ratios), alpha)
    return (ordered[k - 1], ordered[-k]) if k else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """One case over the rounds of one series.

    Attributes:
        case: its name.
        ratio: median of second commit over first; 1.1 is a tenth slower.
        low, high: confidence interval of the median; None for too few rounds.
        rounds: number of ratios.
        base_ms, head_ms: median processor time of each commit.
    """

    case: str
    ratio: float
    low: float | None
    high: float | None
    rounds: int
    base_ms: float
    head_ms: float

    def slower(self, limit: float) -> bool:
        """Whether the whole interval lies above the limit."""
        return self.low is not None and self.low > limit


def judge(base: Sequence[Mapping[str, float]], head: Sequence[Mapping[str, float]]) -> list[Verdict]:
    """A verdict for each case that every run of both commits has, in the probe's order."""
    verdicts = []
    for case in head[0] if head else ():
        if not all(case in run for run in (*base, *head)):
            continue
        pairs = [(a[case], b[case]) for a, b in zip(base, head, strict=True)]
        ratios = [b / a for a, b in pairs]
        bounds = interval(ratios)
        verdicts.append(
            Verdict(
                case=case,
                ratio=median(ratios),
                low=bounds[0] if bounds else None,
                high=bounds[1] if bounds else None,
                rounds=len(ratios),
                base_ms=median(a for a, _ in pairs),
                head_ms=median(b for _, b in pairs),
            )
        )
    return verdicts


# ---- runs ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its name, its commit, and the folder that it lies in."""

    name: str
    commit: str
    folder: Path


@contextlib.contextmanager
def checked_out(reference: str, repository: Path, scratch: Path, name: str) -> Iterator[Side]:
    """The commit in a working tree of its own; ``.`` stands for the repository's files as they are."""
    if reference == ".":
        yield Side(name, f"{_git(repository, 'rev-parse', 'HEAD')}, with changes", repository)
        return
    commit = _git(repository, "rev-parse", "--verify", f"{reference}^{{commit}}")
    folder = scratch / name
    _git(repository, "worktree", "add", "--detach", "--force", str(folder), commit)
    try:
        yield Side(name, commit, folder)
    finally:
        _git(repository, "worktree", "remove", "--force", str(folder))


def _git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ComparisonError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def run_probe(side: Side, probe: Path, cases: Sequence[str] = ()) -> dict[str, float]:
    """Milliseconds of processor time by case, from a fresh process that imports the library from ``side``."""
    environment = os.environ | {"PYTHONPATH": str(side.folder / "src"), "PYTHONHASHSEED": "0"}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-P", str(probe), *cases]
    try:
        done = subprocess.run(
            command, env=environment, cwd=side.folder, capture_output=True, text=True, check=False,
            timeout=PROBE_TIMEOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ComparisonError(f"the probe ran longer than {PROBE_TIMEOUT:.0f} s on {side.name}") from None
    if done.returncode:
        raise ComparisonError(f"the probe failed on {side.name}:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    if not Path(answer["library"]).resolve().is_relative_to(side.folder.resolve()):
        raise ComparisonError(f"the probe measured {answer['library']} instead of {side.folder}")
    return {name: float(value) for name, value in answer["cpu_ms"].items()}


def series(
    base: Side, head: Side, probe: Path, *, rounds: int, until: float, cases: Sequence[str] = ()
) -> list[Verdict]:
    """Rounds in turns, A B and B A, until there are enough or the time is over."""
    runs: dict[str, list[dict[str, float]]] = {base.name: [], head.name: []}
    for number in range(rounds):
        if time.monotonic() > until:
            break
        for side in (base, head) if number % 2 == 0 else (head, base):
            runs[side.name].append(run_probe(side, probe, cases))
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return judge(runs[base.name], runs[head.name])


def compare(base: Side, head: Side, probe: Path, *, rounds: int, limit: float, budget: float, cases: Sequence[str]) -> (
    tuple[list[Verdict], list[Verdict]]
):  # fmt: skip
    """All cases, and the second series of those that looked slower.

    Raises:
        ComparisonError: no case is common to both, or time was up before enough rounds were made.
    """
    until = time.monotonic() + budget
    first = series(base, head, probe, rounds=rounds, until=until, cases=cases)
    if not first:
        raise ComparisonError("the two commits have no case in common")
    if any(v.low is None for v in first):
        raise ComparisonError(f"{first[0].rounds} rounds are too few to tell; give more time or fewer cases")
    suspects = [v.case for v in first if v.slower(limit)]
    if not suspects:
        return first, []
    second = series(base, head, probe, rounds=rounds, until=until + budget / 4, cases=suspects)
    if not second or any(v.low is None for v in second):
        raise ComparisonError(f"no time was left to look at {', '.join(suspects)} again")
    return first, second


def table(verdicts: Sequence[Verdict], limit: float) -> str:
    """The verdicts as a table in Markdown."""
    lines = ["| case | first, ms | second, ms | ratio | 98 % interval | |", "|---|---:|---:|---:|---|---|"]
    for v in verdicts:
        bounds = f"{v.low:.3f} … {v.high:.3f}" if v.low is not None else "too few rounds"
        note = "slower" if v.slower(limit) else ""
        lines.append(f"| {v.case} | {v.base_ms:.3f} | {v.head_ms:.3f} | {v.ratio:.3f} | {bounds} | {note} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; see the module."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("base", help="the commit to compare with")
    parser.add_argument("head", nargs="?", default="HEAD", help="the commit in question; . for the files as they are")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds of each series, at least {ROUNDS}")
    parser.add_argument("--limit", type=float, default=LIMIT, help="ratio from which a case counts as slower")
    parser.add_argument("--cases", default="", help="names with commas between them; all where left out")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds after which no new round begins")
    parser.add_argument("--json", type=Path, help="where to write every figure")
    parser.add_argument("--repository", type=Path, default=ROOT, help=argparse.SUPPRESS)
    parser.add_argument("--probe", type=Path, default=PROBE, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if not rank(chosen.rounds) or chosen.limit < 1:
        parser.error(f"at least {ROUNDS} rounds, and a limit of at least 1")
    cases = [c for c in chosen.cases.split(",") if c]
    try:
        with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
            base, head = (
                stack.enter_context(checked_out(reference, chosen.repository, Path(scratch), name))
                for name, reference in (("base", chosen.base), ("head", chosen.head))
            )
            first, second = compare(
                base, head, chosen.probe, rounds=chosen.rounds, limit=chosen.limit, budget=chosen.budget, cases=cases
            )
    except ComparisonError as error:
        print(f"nothing was compared: {error}", file=sys.stderr)
        return 2
    slower = [v.case for v in second if v.slower(chosen.limit)]
    print(f"first: {base.commit}\nsecond: {head.commit}\nlimit: {chosen.limit}\n\n{table(first, chosen.limit)}")
    if second:
        print(f"\nAgain, those that looked slower:\n\n{table(second, chosen.limit)}")
    print("\n" + (f"slower in both series: {', '.join(slower)}" if slower else "nothing is slower beyond the limit"))
    if chosen.json:
        answer = {
            "base": base.commit, "head": head.commit, "limit": chosen.limit, "slower": slower,
            "first": [asdict(v) for v in first], "second": [asdict(v) for v in second],
        }  # fmt: skip
        chosen.json.write_text(json.dumps(answer, indent=2) + "\n", encoding="utf-8")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
