"""The matcher's measured constants, chosen on three databases and tested on the fourth.

Run as ``python -m benchmarks.sweep_finger_constants DIR``; DIR holds folders in FVC's layout. For every folder in turn
the constants are chosen on the others: each starts far from the shipped value and takes, one after the other in
``--rounds`` rounds, the value of its list with the least error there (EER + FMR1000 + a tenth of ZeroFMR, pooled; ties
by the distance of the distributions; a quarter of the impostor comparisons, for time, or one in ``--every``). The
folder that was left out is then compared with these constants. The pooled rates of the last rows but two are rates on
databases that chose nothing; the network is the shipped one throughout.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from idverify.biometric.codecs import decode_image
from idverify.biometric.evaluation.finger import find_impressions, rates_of
from idverify.biometric.finger import constants
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.matcher import compare
from idverify.biometric.finger.template import FingerTemplate, make_template

GRID: dict[str, tuple[Any, ...]] = {
    "MINUTIA_THRESHOLD": (0.3, 0.1, 0.15, 0.2, 0.25),
    "COMPATIBLE_DISTANCE": (0.11, 0.0069, 0.0139, 0.0277, 0.055),
    "COMPATIBLE_DIRECTION": (60.0, 7.0, 12.0, 20.0, 35.0),
    "MIN_SUPPORT": (0.15, 0.03, 0.045, 0.065, 0.09),
    "SEED_SHARE": (0.3, 0.02, 0.1, 0.2),
    "DIRECTION_LEVER": (2500.0, 0.0, 100.0, 400.0, 900.0),
    "ALIGNMENT_STEPS": (
        ((24.0, 0.5), (14.0, 0.4)), ((8.0, 0.25), (5.0, 0.2)), ((12.0, 0.35), (8.0, 0.28)),
        ((16.0, 0.45), (11.0, 0.35)),
    ),
    "MIN_LOG_KERNEL": (-4.5, -1.2, -2.3, -3.2),
    "STIFFNESS": (160000.0, 2000.0, 7000.0, 20000.0, 60000.0),
    "OVERLAP_RADIUS": (80.0, 20.0, 30.0, 40.0, 55.0),
    "OVERLAP_SUPPORT": (2.0, 0.3, 0.6, 1.0, 1.4),
    "PRIOR": (10.0, 0.5, 1.5, 3.0, 5.0),
    "COUNT_POWER": (0.0, 0.5, 0.75, 1.0),
}  # fmt: skip
"""Lists of values, the first being the start."""


class Database:
    """The prints of one folder, with minutiae at the lowest threshold."""

    def __init__(self, folder: Path, matcher: FingerMatcher) -> None:
        impressions = find_impressions(folder)
        self.prints = [matcher.sample(decode_image(i.file.read_bytes())).minutiae for i in impressions]
        pairs = itertools.combinations(range(len(impressions)), 2)
        self.pairs = [(i, j, impressions[i].finger == impressions[j].finger) for i, j in pairs]
        self.templates: dict[float, list[FingerTemplate]] = {}

    def scores(self, every: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Scores of all genuine and of every so many impostor comparisons, and which are genuine."""
        limit = constants.MINUTIA_THRESHOLD
        if limit not in self.templates:
            self.templates[limit] = [make_template(p.select(p.score >= limit), model="swept") for p in self.prints]
        templates = self.templates[limit]
        pairs = [pair for number, pair in enumerate(self.pairs) if pair[2] or number % every == 0]
        found = [compare(templates[i], templates[j]).value for i, j, _ in pairs]
        return np.array(found, np.float32), np.array([genuine for *_, genuine in pairs])


def pooled(databases: list[Database], every: int = 1) -> tuple[dict[str, float], float]:
    """Pooled rates with the constants as they are, and a cost."""
    parts = [d.scores(every) for d in databases]
    score, genuine = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
    rates = rates_of(score[genuine], score[~genuine])
    apart = float(score[genuine].mean() - score[~genuine].mean()) / float(score[genuine].std() + score[~genuine].std())
    return rates, rates["eer"] + rates["fmr1000"] + 0.1 * rates["zerofmr"] - 1e-4 * apart


def choose(databases: list[Database], rounds: int, every: int) -> dict[str, Any]:
    """Constants by coordinate descent."""
    chosen = {name: values[0] for name, values in GRID.items()}
    put(chosen)
    for _, (name, values) in itertools.product(range(rounds), GRID.items()):
        costs = []
        for value in values:
            put({name: value})
            costs.append(pooled(databases, every)[1])
        chosen[name] = values[int(np.argmin(costs))]
        put(chosen)
    return chosen


def put(values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(constants, name, value)


def row(name: str, rates: dict[str, float]) -> str:
    return f"| {name} | " + " | ".join(f"{100 * v:.2f}" for v in rates.values()) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--every", type=int, default=4, help="choose by one in so many impostor comparisons")
    args = parser.parse_args()
    shipped = {name: getattr(constants, name) for name in GRID}
    put({"MINUTIA_THRESHOLD": min(GRID["MINUTIA_THRESHOLD"])})
    matcher = FingerMatcher(threads=1)
    folders = sorted({i.file.parent for i in find_impressions(args.folder)})
    databases = {f.relative_to(args.folder).as_posix(): Database(f, matcher) for f in folders}
    print("| left out | EER | FMR100 | FMR1000 | ZeroFMR | constants that differ from the shipped ones |")
    print("|---|---|---|---|---|---|")
    parts = []
    for name, database in databases.items():
        chosen = choose([d for n, d in databases.items() if n != name], args.rounds, args.every)
        parts.append(database.scores())
        score, genuine = parts[-1]
        differ = ", ".join(f"{k} {v}" for k, v in chosen.items() if v != shipped[k])
        print(row(name, rates_of(score[genuine], score[~genuine])), differ, "|", flush=True)
    score, genuine = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
    print(row("**pooled, constants from the others**", rates_of(score[genuine], score[~genuine])), "|")
    put(shipped)
    print(row("pooled, constants as shipped", pooled(list(databases.values()))[0]), "|")
    put({name: values[0] for name, values in GRID.items()})
    print(row("pooled, constants as at the start", pooled(list(databases.values()))[0]), "|")


if __name__ == "__main__":
    main()
