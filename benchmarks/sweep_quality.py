"""What the limits for portraits say of chip portraits: compressed, small, grey, old. And what a plain wall looks like.

Run as ``python -m benchmarks.sweep_quality DIR [--every N]``; DIR has a subfolder a person. Each picture is made a
portrait (cut to 3:4, 240 × 320) and spoilt as the row says, then judged by the library's limits for portraits. Poses
and second faces of press photographs are none of the compression's doing: the columns on the right leave yaw, pitch,
roll and single-face out. Exit status 1 where a row without them has more than 1 % unusable; the last row is there to
show that the limits can be missed, and does not count.

The last table is background uniformity: the pictures as they are, and with the background replaced by a plain wall. The
head is cut out for that by GrabCut (C. Rother et al., 2004), which knows nothing of the measure's ellipse.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from idverify.biometric import Image, as_image, decode_image, encode_jpeg, encode_jpeg2000
from idverify.biometric.face import CaptureKind, DetectedFace, FaceMatcher, LimitUse, QualityMeasure, QualityStatus
from idverify.biometric.face.measures import background_uniformity
from idverify.biometric.image import grey
from idverify.errors import BiometricError

SIZE = 240, 320
POSED = {QualityMeasure.YAW, QualityMeasure.PITCH, QualityMeasure.ROLL, QualityMeasure.SINGLE_FACE}


def portrait(image: Image) -> Image:
    rows, columns = image.shape[:2]
    wide = min(columns, round(rows * SIZE[0] / SIZE[1]))
    left = (columns - wide) // 2
    return as_image(cv2.resize(image[:, left : left + wide], SIZE, interpolation=cv2.INTER_AREA))


def jp2(size: int) -> Callable[[Image], Image]:
    return lambda image: decode_image(encode_jpeg2000(image, max_bytes=size))


def without_colour(image: Image) -> Image:
    return as_image(grey(image))


def faded(image: Image) -> Image:
    """An old print, scanned: less contrast, yellowed, soft."""
    paper = np.array([70.0, 62.0, 45.0])
    soft = cv2.GaussianBlur(image, (0, 0), 1.0)
    return as_image(np.clip(np.rint(soft * 0.6 + paper), 0, 255).astype(np.uint8))


ROWS: dict[str, Callable[[Image], Image]] = {
    "240 × 320, not compressed": lambda image: image,
    "JPEG 2000, 15 KB": jp2(15_000),
    "JPEG 2000, 8 KB": jp2(8_000),
    "JPEG, quality 30": lambda image: decode_image(encode_jpeg(image, quality=30)),
    "grey, JPEG 2000, 15 KB": lambda image: jp2(15_000)(without_colour(image)),
    "grey, JPEG 2000, 8 KB": lambda image: jp2(8_000)(without_colour(image)),
    "old print, JPEG 2000, 15 KB": lambda image: jp2(15_000)(faded(image)),
    "old print, grey, 8 KB": lambda image: jp2(8_000)(without_colour(faded(image))),
    "grey, 120 × 160, JPEG 2000, 3 KB": lambda image: jp2(3_000)(
        as_image(cv2.resize(without_colour(image), (120, 160), interpolation=cv2.INTER_AREA))
    ),
    "grey, 60 × 80, JPEG 2000, 1.5 KB": lambda image: jp2(1_500)(
        as_image(cv2.resize(without_colour(image), (60, 80), interpolation=cv2.INTER_AREA))
    ),
}


def on_a_wall(image: Image, face: DetectedFace) -> Image:
    """The picture with a plain background, as far as GrabCut finds the person."""
    height, width = image.shape[:2]
    x, y, w, h = face.box
    marks = np.full((height, width), cv2.GC_BGD, np.uint8)
    low, high = (int(max(x - 0.7 * w, 0)), int(max(y - 0.6 * h, 0))), (int(min(x + 1.7 * w, width)), height)
    marks[low[1] : high[1], low[0] : high[0]] = cv2.GC_PR_FGD
    marks[int(max(y, 0)) : int(y + h), int(max(x, 0)) : int(x + w)] = cv2.GC_FGD
    if not (marks == cv2.GC_BGD).any():
        return image  # the person fills it
    cv2.setRNGSeed(1)
    cv2.grabCut(image[:, :, ::-1].copy(), marks, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    person = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    alpha = cv2.GaussianBlur(person, (0, 0), 1.0)[..., np.newaxis]
    wall = np.array([205, 210, 215]) * np.linspace(1.03, 0.94, width)[np.newaxis, :, np.newaxis]
    return as_image(np.clip(np.rint(image * alpha + wall * (1 - alpha)), 0, 255).astype(np.uint8))


def main() -> int:
    cv2.setNumThreads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every Nth picture")
    args = parser.parse_args()
    matcher = FaceMatcher(threads=1)
    paths = sorted(args.faces.glob("*/*.jpg"))[:: args.every]
    all_rows: dict[str, Counter[str]] = {name: Counter() for name in ROWS}
    causes: dict[str, Counter[str]] = {name: Counter() for name in ROWS}
    for path in paths:
        image = decode_image(path.read_bytes())
        for name, change in ROWS.items():
            try:
                found = matcher.inspect(change(portrait(image)), kind=CaptureKind.PORTRAIT).quality
            except BiometricError:
                all_rows[name]["no face"] += 1
                continue
            all_rows[name][found.status.value] += 1
            rest = [c for c in found.components if c.use is LimitUse.DECIDES and c.measure not in POSED]
            weakest = min(rest, key=lambda c: c.scalar)
            all_rows[name][f"rest {weakest.status.value}"] += 1
            if weakest.status is not QualityStatus.GOOD:
                causes[name][weakest.measure.value] += 1
    print(f"{len(paths)} pictures\n")
    print("| portrait | no face | poor | unusable | poor but for pose | unusable but for pose | weakest where poor |")
    print("|---|---|---|---|---|---|---|")
    good = True
    for name, tally in all_rows.items():
        shares = [100 * tally[key] / len(paths) for key in ("poor", "unusable", "rest poor", "rest unusable")]
        why = ", ".join(f"{measure} {count}" for measure, count in causes[name].most_common(3))
        print(f"| {name} | {tally['no face']} | " + " | ".join(f"{s:.1f} %" for s in shares) + f" | {why} |")
        good &= shares[3] <= 1.0 or name == list(ROWS)[-1]
    background(matcher, paths[::4])
    return 0 if good else 1


def background(matcher: FaceMatcher, paths: list[Path]) -> None:
    walls: dict[str, list[float]] = {"as they are": [], "on a plain wall": []}
    for path in paths:
        image = decode_image(path.read_bytes())
        face = matcher.inspect(image).face
        for name, picture in (("as they are", image), ("on a plain wall", on_a_wall(image, face))):
            walls[name].append(background_uniformity(picture, face.landmarks))
    print("\n| background uniformity | 5 % | median | 95 % | poor or worse |\n|---|---|---|---|---|")
    for name, raw in walls.items():
        known = np.array([r for r in raw if not np.isnan(r)])
        low, middle, high = np.percentile(known, [5, 50, 95])
        poor = f"{100 * (known > 65).mean():.0f} %"
        print(f"| {name}, {len(known)} pictures | {low:.0f} | {middle:.0f} | {high:.0f} | {poor} |")


if __name__ == "__main__":
    sys.exit(main())
