"""The matcher's measured constants, chosen on prints that do not judge them.

    python -m benchmarks.sweep_finger_constants DIR --rounds 2
    python -m benchmarks.sweep_finger_constants DIR --rounds 2 --invented 12

DIR holds folders in FVC's layout. For every folder in turn the constants are chosen on the others: each starts far from
the shipped value and takes, one after the other in ``--rounds`` rounds, the value of its list with the least cost
there; a quarter of the impostor comparisons, for time, or one in ``--every``. The folder that was left out is then
compared with these constants. The pooled rates of the last rows but two are rates on databases that chose nothing, but
of as many engines with as many scales as there are databases. With ``--invented`` one set of constants is chosen on so
many invented fingers for each of four sensors, hard prints of six impressions each, and all of DIR judges it.

The cost (``--cost``):

* ``area``: what genuine comparisons lack in evidence, -log10 of the false match rate at their score, up to
  ``EVIDENCE``: the area over the DET down to there. The mean over the databases, at the scores of their pooled
  impostors, whose tail is taken as exponential beyond ``TAIL``. Every comparison near the threshold counts, not the few
  that are wrong.
* ``counts``: EER + FMR1000 + a tenth of ZeroFMR, pooled; ties by the distance of the distributions.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.ablation_finger_network import matcher_with

from idverify.biometric.codecs import decode_image
from idverify.biometric.evaluation.finger import find_impressions, rates_of
from idverify.biometric.finger import constants
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.matcher import compare
from idverify.biometric.finger.minutiae import Minutiae
from idverify.biometric.finger.template import FingerTemplate, make_template
from idverify.emulator.fingers import Placement, Sensor, SyntheticFinger

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


EVIDENCE = 6.0
TAIL = 0.01
SENSORS = (
    (Sensor.OPTICAL, (388, 374)), (Sensor.CAPACITIVE, (300, 300)), (Sensor.THERMAL, (328, 364)),
    (Sensor.OPTICAL, (240, 320)),
)  # fmt: skip
"""Of the invented databases."""
IMPRESSIONS = 6

Scores = tuple[np.ndarray, np.ndarray]
Cost = Callable[[list[Scores]], float]


class Database:
    """The prints of one sensor, with minutiae at the lowest threshold."""

    def __init__(self, prints: list[tuple[str, Minutiae]]) -> None:
        self.prints = [minutiae for _, minutiae in prints]
        pairs = itertools.combinations(range(len(prints)), 2)
        self.pairs = [(i, j, prints[i][0] == prints[j][0]) for i, j in pairs]
        self.templates: dict[float, list[FingerTemplate]] = {}

    def scores(self, every: int = 1) -> Scores:
        """Scores of all genuine and of every so many impostor comparisons, and which are genuine."""
        limit = constants.MINUTIA_THRESHOLD
        if limit not in self.templates:
            self.templates[limit] = [make_template(p.select(p.score >= limit), model="swept") for p in self.prints]
        templates = self.templates[limit]
        pairs = [pair for number, pair in enumerate(self.pairs) if pair[2] or number % every == 0]
        found = [compare(templates[i], templates[j]).value for i, j, _ in pairs]
        return np.array(found, np.float32), np.array([genuine for *_, genuine in pairs])


def real(folder: Path, matcher: FingerMatcher) -> dict[str, Database]:
    """One database for every folder of pictures."""
    prints: dict[str, list[tuple[str, Minutiae]]] = {}
    for i in find_impressions(folder):
        found = matcher.sample(decode_image(i.file.read_bytes())).minutiae
        prints.setdefault(i.database, []).append((i.finger, found))
    return {name: Database(held) for name, held in prints.items()}


def invented(fingers: int, matcher: FingerMatcher) -> list[Database]:
    """One database for every sensor; the fingers differ."""
    databases = []
    for number, (sensor, size) in enumerate(SENSORS):
        prints = []
        for index, impression in itertools.product(range(fingers), range(IMPRESSIONS)):
            if impression == 0:
                finger = SyntheticFinger(5000 + 100 * number + index)
            placement = hard(np.random.default_rng([number, index, impression]))
            picture = finger.impression(impression, sensor=sensor, size=size, placement=placement)
            prints.append((str(index), matcher.sample(picture).minutiae))
        databases.append(Database(prints))
    return databases


def hard(rng: np.random.Generator) -> Placement:
    """A finger that is laid on badly: partial, displaced, turned, distorted, dry or wet."""
    dx, dy = rng.normal(0, 45, 2)
    return Placement(
        dx=float(dx), dy=float(dy), rotation=float(rng.normal(0, 18)),
        distortion=float(min(abs(rng.normal(0, 14)), 40)), pressure=float(rng.uniform(-1, 1)),
        moisture=float(rng.uniform(-1, 1)), wear=float(rng.uniform(0, 1)),
        contact=(float(rng.uniform(0.35, 0.75)), float(rng.uniform(0.35, 0.75))),
    )  # fmt: skip


def pooled(parts: list[Scores]) -> tuple[np.ndarray, np.ndarray]:
    """All genuine and all impostor scores."""
    score, genuine = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
    return score[genuine], score[~genuine]


def counts(parts: list[Scores]) -> float:
    genuine, impostor = pooled(parts)
    rates = rates_of(genuine, impostor)
    apart = float(genuine.mean() - impostor.mean()) / float(genuine.std() + impostor.std())
    return rates["eer"] + rates["fmr1000"] + 0.1 * rates["zerofmr"] - 1e-4 * apart


def area(parts: list[Scores]) -> float:
    impostor = np.sort(pooled(parts)[1].astype(float))
    total, kept = len(impostor), max(int(TAIL * len(impostor)), 10)
    start = impostor[-kept - 1]
    excess = max(float((impostor[-kept:] - start).mean()), 1e-4)
    lack = []
    for score, genuine in parts:
        value = score[genuine].astype(float)
        above = np.maximum(total - np.searchsorted(impostor, value, side="left"), 1)
        tail = math.log10(total / kept) + (value - start) / excess / math.log(10)
        evidence = np.where(value > start, tail, np.log10(total / above))
        lack.append(float(np.maximum(EVIDENCE - evidence, 0).mean()))
    return float(np.mean(lack))


COSTS: dict[str, Cost] = {"area": area, "counts": counts}


def choose(databases: list[Database], rounds: int, every: int, cost: Cost) -> dict[str, Any]:
    """Constants by coordinate descent."""
    chosen = {name: values[0] for name, values in GRID.items()}
    put(chosen)
    for _, (name, values) in itertools.product(range(rounds), GRID.items()):
        costs = []
        for value in values:
            put({name: value})
            costs.append(cost([d.scores(every) for d in databases]))
        chosen[name] = values[int(np.argmin(costs))]
        put(chosen)
    return chosen


def put(values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(constants, name, value)


def row(name: str, parts: list[Scores], differ: str = "") -> str:
    rates = rates_of(*pooled(parts))
    return f"| {name} | " + " | ".join(f"{100 * v:.2f}" for v in rates.values()) + f" | {differ} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--every", type=int, default=4, help="choose by one in so many impostor comparisons")
    parser.add_argument("--cost", choices=sorted(COSTS), default="area")
    parser.add_argument("--invented", type=int, metavar="COUNT", help="choose on so many invented fingers a sensor")
    parser.add_argument("--network", type=Path, help="in the shipped one's place; see ablation_finger_network")
    args = parser.parse_args()
    shipped = {name: getattr(constants, name) for name in GRID}
    put({"MINUTIA_THRESHOLD": min(GRID["MINUTIA_THRESHOLD"])})
    matcher, cost = matcher_with(args.network), COSTS[args.cost]
    databases = real(args.folder, matcher)

    def differing(chosen: dict[str, Any]) -> str:
        return ", ".join(f"{k} {v}" for k, v in chosen.items() if v != shipped[k])

    print("| judged by | EER | FMR100 | FMR1000 | ZeroFMR | constants that differ from the shipped ones |")
    print("|---|---|---|---|---|---|")
    if args.invented:
        drawn = invented(args.invented, matcher)
        chosen = choose(drawn, args.rounds, args.every, cost)
        print(row("the invented prints that chose", [d.scores() for d in drawn], differing(chosen)), flush=True)
        parts = [d.scores() for d in databases.values()]
        for name, part in zip(databases, parts, strict=True):
            print(row(name, [part]))
        print(row("**pooled, constants from invented prints**", parts), flush=True)
    else:
        parts = []
        for name, database in databases.items():
            chosen = choose([d for n, d in databases.items() if n != name], args.rounds, args.every, cost)
            parts.append(database.scores())
            print(row(name, [parts[-1]], differing(chosen)), flush=True)
        print(row("**pooled, constants from the others**", parts), flush=True)
    put(shipped)
    print(row("pooled, constants as shipped", [d.scores() for d in databases.values()]))
    put({name: values[0] for name, values in GRID.items()})
    print(row("pooled, constants as at the start", [d.scores() for d in databases.values()]))


if __name__ == "__main__":
    main()
