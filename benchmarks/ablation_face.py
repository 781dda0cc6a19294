"""What each choice of the face chain is worth: crop scale, mean vector, mirror images, chip portraits, several frames.

    python -m benchmarks.ablation_face --pairs pairs.txt --images DIR
    python -m benchmarks.ablation_face --pairs pairs.txt --images DIR --scales 0.91,0.95,1

Every comparison is made both ways, as a counter makes it: one picture as the chip's portrait, the other live. Chip
portraits are grey, 240 x 320 pixels, JPEG 2000 of 15,000 octets. In the tables by crop scale the folds of the pairs
file are held apart: the mean vector comes from one fold, the misses from the other, and nobody is in both. In the table
of the default the mean vector is the model's own.

Vectors before the mean is taken off come from a node inside the graph (needs the package ``onnx``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from idverify.biometric import Image, decode_image, default_registry
from idverify.biometric.evaluation.face import PairsFile, people, read_pairs_file
from idverify.biometric.evaluation.sweep import chip
from idverify.biometric.face import CaptureKind, FaceMatcher, FaceView, align_face
from idverify.errors import NoFaceError

LEVELS = (1e-3, 1e-4, 1e-5)
SCALES = (0.80, 0.85, 0.88, 0.91, 0.93, 0.95, 0.97, 1.00)
OCTETS = 15_000
VIEWS = ("live", "live mirrored", "portrait", "portrait mirrored", "chip", "chip mirrored")
Vectors = Mapping[str, np.ndarray]
"""By view of :data:`VIEWS`: unit vectors ``(n, dim)`` before the mean is taken off, a row a picture."""


class Unit:
    """The embedding network, asked for its unit vector before the mean is taken off; and that mean."""

    def __init__(self) -> None:
        registry = default_registry()
        self.card = registry.default("face-embedding")
        graph = onnx.load_from_string(registry.load(self.card.id))
        graph.graph.output.append(helper.make_tensor_value_info("unit", TensorProto.FLOAT, None))
        self.centre = next(onnx.numpy_helper.to_array(c) for c in graph.graph.initializer if c.name == "centre")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        found = self._session.run(["unit"], {self.card.inputs[0].name: np.ascontiguousarray(crop[np.newaxis])})
        return np.asarray(found[0][0], np.float32)


def views(matcher: FaceMatcher, image: Image) -> tuple[tuple[Image, FaceView], ...]:
    """The picture as a live one, as a portrait, and as a chip's portrait."""
    small = chip(OCTETS)(image)
    return (
        (image, matcher.inspect(image)),
        (image, matcher.inspect(image, kind=CaptureKind.PORTRAIT)),
        (small, matcher.inspect(small, kind=CaptureKind.PORTRAIT)),
    )


def embed(listed: PairsFile, folder: Path, scales: Sequence[float]) -> tuple[dict[float, Vectors], int]:
    """The vectors of all pictures at each crop scale, and how many pictures gave no face (their rows are zeros)."""
    matcher, unit, lost = FaceMatcher(threads=1), Unit(), 0
    made: dict[float, dict[str, list[np.ndarray]]] = {scale: {view: [] for view in VIEWS} for scale in scales}
    side, nothing = unit.card.input_size[0], np.zeros(unit.card.output_dim, np.float32)
    for done, name in enumerate(listed.images, 1):
        if sys.stderr.isatty():
            print(f"\r{done}/{len(listed.images)}", end="", file=sys.stderr)
        try:
            found = views(matcher, decode_image((folder / name).read_bytes()))
        except NoFaceError:
            found, lost = (), lost + 1
        for scale in scales:
            seen: dict[bytes, np.ndarray] = {}
            rows = []
            for image, view in found:
                crop = align_face(image, view.face.landmarks, side=side, crop_scale=scale)
                for turned in (crop, np.ascontiguousarray(crop[:, ::-1])):
                    key = turned.tobytes()  # a portrait's crop is mostly that of the live picture
                    if key not in seen:
                        seen[key] = unit(turned)
                    rows.append(seen[key])
            for view_name, row in zip(VIEWS, rows or [nothing] * len(VIEWS), strict=True):
                made[scale][view_name].append(row)
    stacked: dict[float, Vectors] = {s: {v: np.stack(rows) for v, rows in by.items()} for s, by in made.items()}
    return stacked, lost


def normal(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)


def mean_of_people(rows: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    return np.mean([rows[subjects == s].mean(axis=0) for s in np.unique(subjects)], axis=0)


def template(vectors: Vectors, view: str, centre: np.ndarray, *, mirror: bool = False) -> np.ndarray:
    """Templates of all pictures as the matcher makes them, with a mean vector."""
    plain = normal(vectors[view] - centre)
    return normal(plain + normal(vectors[f"{view} mirrored"] - centre)) if mirror else plain


@dataclass(frozen=True, slots=True)
class Misses:
    """Genuine comparisons, those missed at each of :data:`LEVELS`, and FNMR averaged over FMR 1e-3 … 1e-5."""

    genuine: int
    missed: tuple[int, ...]
    mean: float

    def __str__(self) -> str:
        return ", ".join(map(str, self.missed))

    @property
    def tar(self) -> str:
        return " / ".join(f"{100 * (1 - m / self.genuine):.2f}" for m in self.missed)


def compare(portraits: np.ndarray, lives: np.ndarray, subjects: np.ndarray) -> Misses:
    """Every two pictures, both ways."""
    scores = portraits @ lives.T
    same = subjects[:, np.newaxis] == subjects[np.newaxis]
    other = ~np.eye(len(subjects), dtype=bool)
    genuine, impostor = np.sort(scores[same & other]), np.sort(scores[~same])

    def below(level: float) -> int:
        largest = impostor[len(impostor) - int(level * len(impostor) + 1e-9) - 1]  # the threshold lies just above it
        return int(np.searchsorted(genuine, largest, side="right"))

    rates = [below(level) / len(genuine) for level in np.logspace(-3, -5, 41)]
    return Misses(len(genuine), tuple(below(level) for level in LEVELS), float(np.mean(rates)))


def by_scale(found: Mapping[float, Vectors], listed: PairsFile, subjects: np.ndarray) -> None:
    """Misses of each fold with the mean vector of the other, at each crop scale."""
    fold = np.zeros(len(listed.images), int)
    for pair in listed.pairs:
        fold[[pair.a, pair.b]] = pair.fold
    print("\n| crop scale | fold 1, mean of fold 2 | fold 2, mean of fold 1 | mean FNMR | the same, chip portraits |")
    print("|---|---|---|---|---|")
    for scale, vectors in found.items():
        cells, means = [], []
        for view in ("portrait", "chip"):
            results = []
            for test in (0, 1):
                here, there = fold == test, fold != test
                centre = mean_of_people(vectors["live"][there], subjects[there])
                part = {name: rows[here] for name, rows in vectors.items()}
                lives = template(part, "live", centre)
                results.append(compare(template(part, view, centre), lives, subjects[here]))
            means.append(f"{100 * np.mean([r.mean for r in results]):.2f} %")
            if view == "portrait":
                cells = [f"{r} of {r.genuine:,}" for r in results]
        print(f"| {scale:.2f} | {cells[0]} | {cells[1]} | {means[0]} | {means[1]} |")


def by_choice(vectors: Vectors, centre: np.ndarray, subjects: np.ndarray) -> None:
    """Misses over all pictures, a choice a row; the model's own crop scale and mean vector."""
    none = np.zeros_like(centre)
    rows: list[tuple[str, str, bool, bool, np.ndarray]] = [
        ("vector as it comes", "portrait", False, False, none),
        ("less the mean vector", "portrait", False, False, centre),
        ("portraits mirrored (the default)", "portrait", True, False, centre),
        ("portraits and live pictures mirrored", "portrait", True, True, centre),
        ("chip portraits, vector as it comes", "chip", False, False, none),
        ("chip portraits, not mirrored", "chip", False, False, centre),
        ("chip portraits, mirrored (the default)", "chip", True, False, centre),
        ("chip portraits and live pictures, mirrored", "chip", True, True, centre),
    ]
    print("\n| | missed at 1e-3, 1e-4, 1e-5 | of | TAR, % | mean FNMR |\n|---|---|---|---|---|")
    for label, view, mirrored, both, mean in rows:
        portraits = template(vectors, view, mean, mirror=mirrored)
        found = compare(portraits, template(vectors, "live", mean, mirror=both), subjects)
        print(f"| {label} | {found} | {found.genuine:,} | {found.tar} | {100 * found.mean:.2f} % |")


def by_frames(vectors: Vectors, centre: np.ndarray, subjects: np.ndarray, *, draws: int = 20) -> None:
    """Live frames fused, against portraits from other pictures: people with four and more; the table's thresholds."""
    registry = default_registry()
    table = registry.calibration(registry.default("face-embedding").id)
    if table is None:
        return
    lives, portraits = template(vectors, "live", centre), template(vectors, "portrait", centre, mirror=True)
    rng, marks = np.random.default_rng(0), [table.threshold(level) for level in LEVELS]
    known = [s for s in np.unique(subjects) if np.sum(subjects == s) >= 4]
    print(
        f"\n{len(known)} people, {draws} draws\n\n| frames | FMR | FNMR | genuine | impostor |\n|---|---|---|---|---|"
    )
    for frames, stretched in ((1, False), (2, False), (3, False), (3, True)):
        genuine, impostor = [], []
        for _ in range(draws):
            for subject in known:
                mine = rng.permutation(np.flatnonzero(subjects == subject))
                probe = lives[mine[:frames]].mean(axis=0)
                if stretched:
                    probe = probe / np.linalg.norm(probe)
                genuine.append(portraits[mine[3:]] @ probe)
                impostor.append(portraits[subjects != subject] @ probe)
        good, bad = np.concatenate(genuine), np.concatenate(impostor)
        fmr = " / ".join(f"{np.mean(bad >= m):.1e}" for m in marks)
        fnmr = " / ".join(f"{100 * np.mean(good < m):.2f}" for m in marks)
        label = f"{frames}, stretched to length 1" if stretched else str(frames)
        print(f"| {label} | {fmr} | {fnmr} % | {len(good):,} | {len(bad):,} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True, help="pairs file in LFW's format, two folds")
    parser.add_argument("--images", type=Path, required=True, help="folder with Name/Name_0001.jpg")
    parser.add_argument("--scales", default=",".join(map(str, SCALES)), help="crop scales; the model's own always")
    args: Any = parser.parse_args()
    cv2.setNumThreads(1)
    listed, unit = read_pairs_file(args.pairs), Unit()
    own = unit.card.crop_scale
    scales = sorted({own, *(float(s) for s in args.scales.split(",") if s)})
    found, lost = embed(listed, args.images, scales)
    subjects = people(listed.images)
    print(f"{unit.card.identity}: {len(listed.images):,} pictures, {len(set(subjects.tolist()))} people, {lost} lost")
    if listed.folds == 2:
        by_scale(found, listed, subjects)
    by_choice(found[own], unit.centre, subjects)
    by_frames(found[own], unit.centre, subjects)


if __name__ == "__main__":
    main()
