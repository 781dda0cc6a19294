"""What each choice of the face chain is worth: crop scale, mean vector, mirror images, chip portraits, several frames.

    python -m benchmarks.ablation_face --pairs pairs.txt --images DIR
    python -m benchmarks.ablation_face --pairs pairs.txt --images DIR --scales 0.91,0.95,1

Every comparison is made both ways, as a counter makes it: one picture as the chip's portrait, the other live. Chip
portraits are 240 x 320 pixels, JPEG 2000 of 15,000 octets, grey or in colour. In the tables by crop scale and of what a
grey portrait could be compared with, the folds of the pairs file are held apart: mean vectors and whitening come from
one fold, the misses from the other, and nobody is in both. In the table of the default the mean vector is the model's
own. ``--vectors FILE.npz`` keeps the vectors, which take most of the time, and takes them from there the next time.

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
from idverify.biometric.image import grey
from idverify.errors import NoFaceError

LEVELS = (1e-3, 1e-4, 1e-5)
SCALES = (0.80, 0.85, 0.88, 0.91, 0.93, 0.95, 0.97, 1.00)
OCTETS = 15_000
VIEWS = tuple(
    f"{view}{turned}"
    for view in ("live", "portrait", "chip", "colour chip", "grey live")
    for turned in ("", " mirrored")
)
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
    """The picture as a live one, as a portrait, and as a chip's portrait, grey and in colour."""
    portraits = (image, chip(OCTETS)(image), chip(OCTETS, colour=True)(image))
    return (
        (image, matcher.inspect(image)),
        *((portrait, matcher.inspect(portrait, kind=CaptureKind.PORTRAIT)) for portrait in portraits),
    )


def greyed(crop: np.ndarray) -> np.ndarray:
    return np.repeat(grey(Image(crop))[:, :, np.newaxis], 3, axis=2)


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
            crops = [align_face(i, view.face.landmarks, side=side, crop_scale=scale) for i, view in found]
            for crop in (*crops, *map(greyed, crops[:1])):
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


WAYS = ("both", "first", "second")
"""Which of two pictures is the portrait: each in turn, the one that sorts first, or the other."""


def compare(portraits: np.ndarray, lives: np.ndarray, subjects: np.ndarray, way: str = "both") -> Misses:
    """Every two pictures, in a way of :data:`WAYS`."""
    scores = portraits @ lives.T
    same = subjects[:, np.newaxis] == subjects[np.newaxis]
    each = np.ones(scores.shape, bool)
    other = {"both": ~np.eye(len(subjects), dtype=bool), "first": np.triu(each, 1), "second": np.tril(each, -1)}[way]
    genuine, impostor = np.sort(scores[same & other]), np.sort(scores[~same & other])

    def below(level: float) -> int:
        largest = impostor[len(impostor) - int(level * len(impostor) + 1e-9) - 1]  # the threshold lies just above it
        return int(np.searchsorted(genuine, largest, side="right"))

    rates = [below(level) / len(genuine) for level in np.logspace(-3, -5, 41)]
    return Misses(len(genuine), tuple(below(level) for level in LEVELS), float(np.mean(rates)))


def folds_of(listed: PairsFile) -> np.ndarray:
    fold = np.zeros(len(listed.images), int)
    for pair in listed.pairs:
        fold[[pair.a, pair.b]] = pair.fold
    return fold


def by_scale(found: Mapping[float, Vectors], listed: PairsFile, subjects: np.ndarray) -> None:
    """Misses of each fold with the mean vector of the other, at each crop scale."""
    fold = folds_of(listed)
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


def by_way(vectors: Vectors, centre: np.ndarray, subjects: np.ndarray) -> None:
    """What a chip's portrait costs, as the matcher is: by which of two pictures is the portrait."""
    lives = template(vectors, "live", centre)
    print("\n| portrait | which is it | missed at 1e-3, 1e-4, 1e-5 | of | TAR, % | mean FNMR |")
    print("|---|---|---|---|---|---|")
    for view, label in (("portrait", "clean"), ("colour chip", "chip, colour"), ("chip", "chip, grey")):
        portraits = template(vectors, view, centre, mirror=True)
        for way in WAYS:
            found = compare(portraits, lives, subjects, way)
            print(f"| {label} | {way} | {found} | {found.genuine:,} | {found.tar} | {100 * found.mean:.2f} % |")


def whitening(rows: np.ndarray, share: float) -> np.ndarray:
    """A matrix that takes the spread of people's vectors out, to the power of a share of it."""
    values, axes = np.linalg.eigh(np.cov(rows.T))
    return np.asarray((axes * np.maximum(values, 1e-6) ** (-share / 2)) @ axes.T, np.float32)


def by_counterpart(vectors: Vectors, listed: PairsFile, subjects: np.ndarray) -> None:
    """What a grey chip's portrait could be compared with; all that is learned comes from the other fold."""
    fold = folds_of(listed)
    rows: dict[str, list[Misses]] = {}
    for test in (0, 1):
        here, there = fold == test, fold != test
        others = {name: found[there] for name, found in vectors.items()}
        part = {name: found[here] for name, found in vectors.items()}
        centre = mean_of_people(others["live"], subjects[there])
        grey_centre = mean_of_people(others["chip"], subjects[there])
        clean = template(part, "portrait", centre, mirror=True)
        portrait = template(part, "chip", centre, mirror=True)
        own = template(part, "chip", grey_centre, mirror=True)
        live, without = template(part, "live", centre), template(part, "grey live", centre)
        without_own = template(part, "grey live", grey_centre)
        tried = {
            "clean portrait": (clean, live),
            "colour chip portrait": (template(part, "colour chip", centre, mirror=True), live),
            "the live picture (the default)": (portrait, live),
            "the live picture, mirrored too": (portrait, template(part, "live", centre, mirror=True)),
            "the live picture made grey": (portrait, without),
            "both": (portrait, normal(live + without)),
            "both, three parts in colour": (portrait, normal(3 * live + without)),
            "the live picture; a mean vector of grey portraits": (own, live),
            "the live picture made grey; that mean vector": (own, without_own),
            "both; that mean vector": (own, normal(live + without_own)),
        }
        for share in (0.1, 0.2, 0.3):
            white = whitening(template(others, "live", centre), share)
            tried[f"the live picture, whitened by {share}"] = (normal(portrait @ white), normal(live @ white))
        for label, (portraits, lives) in tried.items():
            rows.setdefault(label, []).append(compare(portraits, lives, subjects[here]))
    print("\n| grey chip portrait compared with | fold 1, learned on 2 | fold 2, learned on 1 | mean FNMR | of both |")
    print("|---|---|---|---|---|")
    for label, (one, two) in rows.items():
        means = f"{100 * one.mean:.2f} %, {100 * two.mean:.2f} % | {50 * (one.mean + two.mean):.2f} %"
        print(f"| {label} | {one} | {two} | {means} |")


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
        ("colour chip portraits, not mirrored", "colour chip", False, False, centre),
        ("colour chip portraits, mirrored (the default)", "colour chip", True, False, centre),
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


def kept_vectors(
    file: Path | None, listed: PairsFile, folder: Path, scales: Sequence[float]
) -> tuple[dict[float, Vectors], int]:
    """:func:`embed`, or what it found before."""
    if file is not None and file.exists():
        with np.load(file) as held:
            return {s: {v: held[f"{s} {v}"] for v in VIEWS} for s in scales}, int(held["lost"])
    found, lost = embed(listed, folder, scales)
    if file is not None:
        np.savez(file, lost=np.array(lost), **{f"{s} {v}": rows for s, by in found.items() for v, rows in by.items()})
    return found, lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True, help="pairs file in LFW's format, two folds")
    parser.add_argument("--images", type=Path, required=True, help="folder with Name/Name_0001.jpg")
    parser.add_argument("--scales", default=",".join(map(str, SCALES)), help="crop scales; the model's own always")
    parser.add_argument("--vectors", type=Path, help="where vectors are kept, or were (.npz)")
    args: Any = parser.parse_args()
    cv2.setNumThreads(1)
    listed, unit = read_pairs_file(args.pairs), Unit()
    own = unit.card.crop_scale
    scales = sorted({own, *(float(s) for s in args.scales.split(",") if s)})
    found, lost = kept_vectors(args.vectors, listed, args.images, scales)
    subjects = people(listed.images)
    print(f"{unit.card.identity}: {len(listed.images):,} pictures, {len(set(subjects.tolist()))} people, {lost} lost")
    if listed.folds == 2:
        by_scale(found, listed, subjects)
        by_counterpart(found[own], listed, subjects)
    by_way(found[own], unit.centre, subjects)
    by_choice(found[own], unit.centre, subjects)
    by_frames(found[own], unit.centre, subjects)


if __name__ == "__main__":
    main()
