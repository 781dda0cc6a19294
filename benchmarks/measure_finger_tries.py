"""What several tries of one finger are worth: false matches and false non-matches of one, two and three live prints.

Run as ``python -m benchmarks.measure_finger_tries DIR``; DIR holds pictures in FVC's layout, or folders of them. Three
prints of a finger, drawn at random, are compared with a fourth of the same finger and with those of all others of the
database, at FMR 1e-3 divided by the number of comparisons, as a transaction does. The calibration table reaches two
comparisons, so of three prints the two of the best quality count.
"""

from __future__ import annotations

import argparse
import itertools
import random
from collections import defaultdict
from functools import cache
from pathlib import Path

from idverify.biometric.codecs import decode_image
from idverify.biometric.evaluation.finger import find_impressions
from idverify.biometric.finger.engine import FingerMatcher

FMR = 1e-3
ROWS = ("one print", "two prints", "the best two of three")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=6, help="triples of each finger against each stored print")
    args = parser.parse_args()
    matcher, rng = FingerMatcher(threads=1), random.Random(1)
    if matcher.calibration is None:
        raise SystemExit("the model has no calibration table")
    limits = [matcher.calibration.threshold(FMR / n) for n in (1, 2, 2)]
    impressions = find_impressions(args.folder)
    samples = [matcher.sample(decode_image(i.file.read_bytes())) for i in impressions]
    prints = defaultdict(list)
    for number, impression in enumerate(impressions):
        prints[impression.database, impression.finger].append(number)

    @cache
    def score(live: int, stored: int) -> float:
        return matcher.compare(samples[live].template(), samples[stored].template()).value

    counts = {genuine: [0] * (len(ROWS) + 1) for genuine in (True, False)}
    for live, stored in itertools.product(prints, prints):
        if live[0] != stored[0]:
            continue
        for reference in prints[stored]:
            triples = list(itertools.combinations([n for n in prints[live] if n != reference], 3))
            for drawn in rng.sample(triples, min(args.draws, len(triples))):
                tries = rng.sample(drawn, 3)
                best = sorted(tries, key=lambda n: samples[n].quality.value, reverse=True)[:2]
                count = counts[live == stored]
                count[-1] += 1
                for row, (chosen, limit) in enumerate(zip((tries[:1], tries[:2], best), limits, strict=True)):
                    count[row] += max(score(n, reference) for n in chosen) >= limit
    genuine, strange = counts[True], counts[False]
    print(f"{genuine[-1]} draws of one finger, {strange[-1]} of two")
    for row, name in enumerate(ROWS):
        print(f"  {name:24} FNMR {1 - genuine[row] / genuine[-1]:.2%}, FMR {strange[row] / strange[-1]:.3%}")


if __name__ == "__main__":
    main()
