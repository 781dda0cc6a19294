"""What happens to fingers that are turned, cut, mirrored, inverted, resampled, spoilt, or not there at all: a table.

Run as ``python -m benchmarks.sweep_finger_robustness`` (invented fingers), or with a folder of pictures in FVC's
layout. For every finger its first two impressions are compared, the second one changed as the row says, and the changed
one with the first impressions of all other fingers. A match is a score at the calibration table's threshold for FMR
0.1 %. Exit status 1 where anything but a refusal was raised, where a mirrored print matches its own finger, or where a
picture without a finger matches. On invented fingers the second impression is also laid on otherwise: dry, wet, light,
hard, worn, distorted, on small sensors and on other kinds. ``--rows TEXT``: only the rows with TEXT in their name.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from idverify.biometric.codecs import decode_image
from idverify.biometric.evaluation.finger import find_impressions
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.matcher import compare
from idverify.biometric.finger.template import FingerTemplate
from idverify.emulator.fingers import Sensor, SyntheticFinger
from idverify.errors import ImageError, NoFingerError

Picture = np.ndarray


def grey(picture: Picture) -> Picture:
    return picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def turned(degrees: float) -> Callable[[Picture], Picture]:
    def change(picture: Picture) -> Picture:
        height, width = picture.shape
        side = int(np.hypot(height, width)) + 8
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        matrix[:, 2] += side / 2 - width / 2, side / 2 - height / 2
        border = int(np.median(picture[:3]))
        return cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_CUBIC, borderValue=border)

    return change


def half(side: int) -> Callable[[Picture], Picture]:
    """Keeps the half of the finger on one side: 0 left, 1 right, 2 top, 3 bottom."""

    def change(picture: Picture) -> Picture:
        found = picture.copy()
        ground = int(np.median(picture[:3]))
        ridges = np.abs(cv2.blur(picture, (9, 9)).astype(int) - ground) > 12
        axis = 0 if side < 2 else 1
        places = np.flatnonzero(ridges.sum(axis) > 8)
        middle = int(places.mean()) if len(places) else picture.shape[1 - axis] // 2
        cut = slice(middle, None) if side % 2 == 0 else slice(0, middle)
        found[(slice(None), cut) if axis == 0 else (cut, slice(None))] = ground
        return found

    return change


def resampled(dpi: int) -> Callable[[Picture], Picture]:
    method = cv2.INTER_AREA if dpi < 500 else cv2.INTER_CUBIC
    return lambda p: cv2.resize(p, None, fx=dpi / 500, fy=dpi / 500, interpolation=method)


def noise(seed: int) -> Callable[[Picture], Picture]:
    return lambda p: np.random.default_rng(seed).integers(0, 256, p.shape).astype(np.uint8)


def framed(p: Picture) -> Picture:
    down, over = max(480 - p.shape[0], 0), max(640 - p.shape[1], 0)
    return cv2.copyMakeBorder(p, 0, down, 0, over, cv2.BORDER_CONSTANT, value=int(np.median(p[:3])))


def ridges_of_nobody(p: Picture) -> Picture:
    y, x = np.mgrid[0 : p.shape[0], 0 : p.shape[1]]
    return np.rint(128 + 90 * np.sin(2 * np.pi * (x + 0.3 * y) / 9)).astype(np.uint8)


def packed(p: Picture) -> Picture:
    found = cv2.imdecode(cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 10])[1], cv2.IMREAD_GRAYSCALE)
    return np.asarray(found, np.uint8)


def grainy(p: Picture) -> Picture:
    return np.clip(np.rint(p + np.random.default_rng(2).normal(0, 30, p.shape)), 0, 255).astype(np.uint8)


def faint(p: Picture) -> Picture:
    """As if lifted from a surface: a quarter of the contrast, uneven ground, lines across, grain."""
    rng, (height, width) = np.random.default_rng(3), p.shape
    ground = cv2.resize(rng.normal(0, 25, (height // 40, width // 40)), (width, height), interpolation=cv2.INTER_CUBIC)
    found = 150 + 0.25 * (p.astype(np.float64) - 150) + ground
    for _ in range(6):
        start, end = rng.uniform(0, 1, (2, 2)) * (width, height)
        cv2.line(found, tuple(int(v) for v in start), tuple(int(v) for v in end), 60.0, 3)
    return np.clip(np.rint(found + rng.normal(0, 6, p.shape)), 0, 255).astype(np.uint8)


@dataclass
class Row:
    """A change, how the picture is read, and whether it should match."""

    name: str
    change: Callable[[Picture], Picture]
    same: bool = True
    finger: bool = True
    dpi: float = 500
    inverted: bool = False
    any_rotation: bool = False
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("match", "no", "refused", "raised", "false"), 0)
    )


def rows() -> list[Row]:
    found = [Row("unchanged", lambda p: p)]
    found += [Row(f"turned by {d}°", turned(d)) for d in (30, 60, 90)]
    found += [Row(f"turned by {d}°, any_rotation", turned(d), any_rotation=True) for d in range(0, 360, 45)]
    found += [Row(f"half of the finger, {n}", half(i)) for i, n in enumerate(("left", "right", "upper", "lower"))]
    found += [Row(f"{d} dpi", resampled(d), dpi=d) for d in (200, 250, 300, 400, 700, 1000)]
    found += [Row(f"{d} dpi, taken for 500", resampled(d)) for d in (400, 450, 475)]
    found += [
        Row("inverted, and said so", lambda p: 255 - p, inverted=True),
        Row("colour", lambda p: np.repeat(p[:, :, np.newaxis], 3, axis=2)),
        Row("weak contrast (a quarter)", lambda p: (p // 4 + 96).astype(np.uint8)),
        Row("frame of 640 × 480", framed),
        Row("JPEG of quality 10", packed),
        Row("grain (30 grey levels)", grainy),
        Row("blurred (2 px)", lambda p: cv2.GaussianBlur(p, (0, 0), 2)),
        Row("black frame", lambda p: cv2.copyMakeBorder(p, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=0)),
        Row("faint, lines across", faint),
        Row("inverted, not said", lambda p: 255 - p, same=False),
        Row("mirrored", lambda p: np.ascontiguousarray(p[:, ::-1]), same=False),
        Row("mirrored, any_rotation", lambda p: np.ascontiguousarray(p[:, ::-1]), same=False, any_rotation=True),
        Row("blank", lambda p: np.full_like(p, 230), same=False, finger=False),
        Row("noise", noise(1), same=False, finger=False),
        Row("parallel lines", ridges_of_nobody, same=False, finger=False),
    ]  # fmt: skip
    return found


LAID: dict[str, dict[str, Any]] = {
    "dry": {"moisture": -1.0},
    "wet": {"moisture": 1.0},
    "light": {"pressure": -1.0},
    "wet and hard": {"moisture": 1.0, "pressure": 1.0},
    "dry, light and worn": {"moisture": -1.0, "pressure": -1.0, "wear": 1.0},
    "distorted by 25 px": {"distortion": 25.0},
    "distorted by 40 px": {"distortion": 40.0},
    "half of the width and height": {"contact": (0.5, 0.5)},
    "sensor of 10.2 × 10.2 mm": {"size": (200, 200)},
    "sensor of 8.1 × 8.1 mm": {"size": (160, 160)},
    "sensor of 6.5 × 6.5 mm": {"size": (128, 128)},
    "sensor of 4.9 × 4.9 mm": {"size": (96, 96)},
}


def laid(name: str, invented: list[SyntheticFinger]) -> list[tuple[Picture, Picture]]:
    """First impressions, and second ones on a sensor of another kind, laid on as the name says."""
    pairs = []
    for number, finger in enumerate(invented):
        changes = dict(LAID[name])
        size = changes.pop("size", (388, 374))
        placement = dataclasses.replace(finger.placement(1, difficulty=0.4), **changes)
        second = finger.impression(1, placement=placement, sensor=list(Sensor)[number % 3], size=size)
        pairs.append((finger.impression(0, difficulty=0.4), second))
    return pairs


def fingers(folder: Path | None, invented: list[SyntheticFinger]) -> list[tuple[Picture, Picture]]:
    """First two impressions of every finger."""
    if folder is None:
        sensors = list(Sensor)
        return [
            (f.impression(0, difficulty=0.4), f.impression(1, difficulty=0.4, sensor=sensors[n % 3]))
            for n, f in enumerate(invented)
        ]
    grouped = itertools.groupby(find_impressions(folder), key=lambda i: (i.database, i.finger))
    pairs = [[grey(decode_image(i.file.read_bytes())) for i in list(group)[:2]] for _, group in grouped]
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]


def measure(
    row: Row, prints: list[tuple[Picture, Picture]], stored: list[FingerTemplate], matcher: FingerMatcher
) -> None:
    table = matcher.calibration
    threshold = table.threshold(1e-3) if table is not None else 1.0
    for number, (_, second) in enumerate(prints):
        try:
            probe = matcher.sample(row.change(second), dpi=row.dpi, inverted=row.inverted).template()
        except (NoFingerError, ImageError):
            row.counts["refused"] += 1
            continue
        except Exception as error:  # noqa: BLE001 - the sweep is there to find these
            print(f"{row.name}: {type(error).__name__}: {error}")
            row.counts["raised"] += 1
            continue
        scores = [compare(probe, t, any_rotation=row.any_rotation).value >= threshold for t in stored]
        row.counts["match" if scores[number] else "no"] += 1
        row.counts["false"] += sum(scores) - scores[number]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--count", type=int, default=20, help="invented fingers")
    parser.add_argument("--rows", default="", metavar="TEXT")
    args = parser.parse_args()
    matcher = FingerMatcher(threads=1)
    invented = [SyntheticFinger(500 + seed) for seed in range(args.count)]
    prints = fingers(args.folder, invented)
    stored = [matcher.template(first) for first, _ in prints]
    print(f"{len(prints)} fingers\n\n| picture | matches its finger | does not | refused | false matches with others |")
    print("|---|---|---|---|---|")
    bad = False
    laid_on = [Row(name, lambda p: p) for name in LAID] if args.folder is None else []
    for row in [*rows(), *laid_on]:
        if args.rows not in row.name:
            continue
        shown = laid(row.name, invented) if row.name in LAID else prints
        measure(row, shown, stored, matcher)
        n = row.counts
        others = len(prints) * (len(prints) - 1)
        print(f"| {row.name} | {n['match']} | {n['no']} | {n['refused']} | {n['false']} of {others} |", flush=True)
        bad |= bool(n["raised"]) or (("mirrored" in row.name or not row.finger) and bool(n["match"]))
        bad |= not row.finger and bool(n["false"])
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
