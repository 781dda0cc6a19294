"""Another maker's records against live pictures: do their frames fit, what do they share with our minutiae, what fails?

    python -m benchmarks.measure_finger_records DIR

DIR holds prints in FVC's layout, or folders of them, with a record beside each picture, as for
``idverify evaluate finger --records``. First table: every record against our minutiae of its own picture. Scale, shift
in pixels and turn in degrees are those that carry the record's minutiae best onto ours, the median over the records of
a folder: 1, 0 and 0 where frame, origin and convention of direction are understood. Shared are minutiae within 12
pixels and 30° of one of ours, as a share of the record's. Second table: error rates in per cent of pictures against the
records of other pictures, which fingers fail at FMR 1 % and in how many of all failures, and milliseconds of the
processor a comparison.
"""

from __future__ import annotations

import argparse
import collections
import math
import time
from pathlib import Path

import numpy as np

from idverify.biometric.codecs import decode_image
from idverify.biometric.evaluation.finger import find_impressions, rates_of
from idverify.biometric.evaluation.metrics import threshold_at_fmr
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.matcher import similarity
from idverify.biometric.finger.minutiae import Minutiae
from idverify.biometric.finger.template import FingerTemplate

NEAR, ALIKE = 12.0, math.radians(30)
Print = tuple[str, FingerTemplate, FingerTemplate]


def read(folder: Path, matcher: FingerMatcher) -> dict[str, list[Print]]:
    """By database: finger, template of the picture, template of its record in the picture's frame."""
    found: dict[str, list[Print]] = {}
    for i in find_impressions(folder):
        picture = decode_image(i.file.read_bytes())
        record = i.file.with_suffix(".iso").read_bytes()
        (stored, *_) = matcher.template_of_record(record, true_size=(picture.shape[1], picture.shape[0]))
        found.setdefault(i.database, []).append((i.finger, matcher.template(picture), stored))
    return found


def fitted(record: Minutiae, ours: Minutiae) -> tuple[float, list[float]]:
    """Share of the record's minutiae that are among ours; scale and shift of both axes, and turn."""
    apart = np.hypot(record.x[:, np.newaxis] - ours.x, record.y[:, np.newaxis] - ours.y)
    turn = np.angle(np.exp(1j * (ours.angle - record.angle[:, np.newaxis])))
    apart[np.abs(turn) > ALIKE] = np.inf
    mate, same = apart.argmin(1), apart.min(1) <= NEAR
    if same.sum() < 6:
        return float(same.mean()), [math.nan] * 5
    mate, answer = mate[same], []
    for theirs, own in ((record.x[same], ours.x[mate]), (record.y[same], ours.y[mate])):
        answer += [float(np.polyfit(theirs, own, 1)[0]), float(np.median(own - theirs))]
    return float(same.mean()), [*answer, math.degrees(float(np.median(turn[same, mate])))]


def frames(name: str, prints: list[Print]) -> str:
    fits = [fitted(stored.minutiae, live.minutiae) for _, live, stored in prints]
    x, dx, y, dy, turn = np.nanmedian([f for _, f in fits], axis=0)
    counts = [np.mean([len(p[k].minutiae) for p in prints]) for k in (2, 1)]
    shares = sorted(share for share, _ in fits)
    return (
        f"| {name} | {counts[0]:.1f}, {counts[1]:.1f} | {x:.3f}, {y:.3f} | {dx:.1f}, {dy:.1f} | {turn:.1f} |"
        f" {100 * float(np.mean(shares)):.0f} % | {100 * shares[len(shares) // 10]:.0f} % |"
    )


def rates(name: str, prints: list[Print]) -> str:
    scores, genuine, fingers, times = [], [], [], []
    for i, (finger, live, _) in enumerate(prints):
        for j, (other, _, stored) in enumerate(prints):
            if i != j:
                start = time.process_time()
                scores.append(similarity(live, stored))
                times.append(1e3 * (time.process_time() - start))
                genuine.append(finger == other)
                fingers.append(finger)
    score, same = np.array(scores, np.float32), np.array(genuine)
    found = rates_of(score[same], score[~same])
    low = same & (score < threshold_at_fmr(score[~same], 0.01))
    failed = collections.Counter(np.array(fingers)[low].tolist()).most_common(2)
    worst = ", ".join(f"{finger}: {count}" for finger, count in failed)
    return (
        f"| {name} | " + " | ".join(f"{100 * v:.2f}" for v in found.values()) + f" | {worst} of {low.sum()} |"
        f" {np.median(times):.2f}, {np.mean(times):.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    databases = read(args.folder, FingerMatcher(threads=1))
    print("| database | minutiae: record, ours | scale x, y | shift x, y | turn | shared | a tenth has less than |")
    print("|---|---|---|---|---|---|---|")
    for name, prints in databases.items():
        print(frames(name, prints), flush=True)
    print("\n| database | EER | FMR100 | FMR1000 | ZeroFMR | fingers that fail most | ms: median, mean |")
    print("|---|---|---|---|---|---|---|")
    for name, prints in databases.items():
        print(rates(name, prints), flush=True)


if __name__ == "__main__":
    main()
