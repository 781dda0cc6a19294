"""Small pieces of fingers against whole prints: does the false match rate of the table hold for them?

    python -m benchmarks.measure_finger_pieces DIR
    python -m benchmarks.measure_finger_pieces --invented 12

DIR holds prints in FVC's layout, or folders of them. From every print the minutiae within squares of several sides
around its middle, shifted by chance, are compared with the prints of the other impressions and fingers (a part of them,
drawn). The rates are per cent at the score which the table of calibration gives for FMR 0.1 %, with
``FEW_POWER`` and without; there the threshold is the score that as many of the whole prints' impostors reach. Invented
prints are badly placed ones, as in ``sweep_finger_constants``: their strangers are more alike than people are, so their
threshold is their own, of the whole prints.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from benchmarks.sweep_finger_constants import Database, invented, put, real

from idverify.biometric.evaluation.metrics import threshold_at_fmr
from idverify.biometric.finger import constants
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.matcher import compare
from idverify.biometric.finger.minutiae import Minutiae
from idverify.biometric.finger.template import make_template

SIDES = (None, 260, 200, 160, 128, 96)
GENUINE, IMPOSTOR = 0.5, 0.35
"""Shares of the comparisons that are made."""


def piece(print_: Minutiae, side: int | None, rng: np.random.Generator) -> Minutiae:
    if side is None:
        return print_
    x, y = np.median(print_.x) + rng.normal(0, 25), np.median(print_.y) + rng.normal(0, 25)
    return print_.select((np.abs(print_.x - x) < side / 2) & (np.abs(print_.y - y) < side / 2))


def scores(databases: list[Database], side: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of the comparisons, which are genuine, and the minutiae of the pieces."""
    rng = np.random.default_rng(0)
    found, same, counts = [], [], []
    for database in databases:
        prints = [p.select(p.score >= constants.MINUTIA_THRESHOLD) for p in database.prints]
        whole = [make_template(p, model="whole") for p in prints]
        pieces = [make_template(piece(p, side, rng), model="piece") for p in prints]
        counts += [len(p.minutiae) for p in pieces]
        for i, j, genuine in database.pairs:
            if rng.random() < (GENUINE if genuine else IMPOSTOR):
                found.append(compare(pieces[i], whole[j]).value)
                same.append(genuine)
    return np.array(found, np.float32), np.array(same), np.array(counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--invented", type=int, default=12, metavar="COUNT", help="fingers a sensor")
    args = parser.parse_args()
    matcher = FingerMatcher(threads=1)
    drawn = args.folder is None
    databases = invented(args.invented, matcher) if drawn else list(real(args.folder, matcher).values())
    table, shipped = matcher.calibration, constants.FEW_POWER
    print("| side of the piece, px | minutiae, median | FMR, FNMR | without the weight |\n|---|---|---|---|")
    thresholds: dict[float, float] = {}
    for side in SIDES:
        cells = []
        for power in (shipped, 0.0):
            put({"FEW_POWER": power})
            score, same, counts = scores(databases, side)
            if side is None:
                own = threshold_at_fmr(score[~same], 1e-3)
                thresholds[power] = own if drawn or not power or table is None else table.threshold(1e-3)
            low, high = score[same] < thresholds[power], score[~same] >= thresholds[power]
            cells.append(f"{100 * high.mean():.2f}, {100 * low.mean():.1f}")
        print(f"| {side or 'whole'} | {np.median(counts):.0f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
