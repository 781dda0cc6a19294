"""Measures a calibration table: score against false match rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from idverify.biometric.calibration import CalibrationPoint, CalibrationTable
from idverify.biometric.evaluation.face import MIN_FALSE_MATCHES, all_pair_scores, embed_files, people
from idverify.biometric.evaluation.metrics import fmr_at, fnmr_at, subject_bootstrap, threshold_at_fmr
from idverify.biometric.face.matcher import FaceMatcher
from idverify.errors import ConfigurationError

_MANTISSAS = (5.0, 2.0, 1.0)


def levels(impostor: int) -> tuple[float, ...]:
    """The rates at which a table of so many impostor comparisons has points: 0.5, 0.2, 0.1, 0.05, …"""
    found = [m * 10.0**-e for e in range(1, 13) for m in _MANTISSAS]
    return tuple(f for f in found if f * impostor >= MIN_FALSE_MATCHES)


def calibrate_faces(
    matcher: FaceMatcher,
    *,
    table_id: str,
    model_sha256: str,
    data: str,
    folder: Path,
    images: Sequence[str],
    rounds: int = 1000,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> CalibrationTable:
    """A table from every two pictures of a folder with a subfolder a person: the first as a portrait, the other live.

    Args:
        matcher: the matcher to measure.
        table_id: name of the table.
        model_sha256: of the model file.
        data: what the pictures are, in words.
        folder: the pictures.
        images: relative paths ``person/file``; the subfolder names the person.
        rounds: bootstrap rounds for the intervals.
        seed: of the bootstrap.
        on_progress: called after each picture.

    Raises:
        ConfigurationError: too few pictures or people, or a file cannot be read.
        ImageError: a picture cannot be decoded.
    """
    vectors = embed_files(matcher, folder, images, on_progress)
    kept = np.flatnonzero(vectors.present).tolist()
    subjects = people([images[i] for i in kept])
    if len(kept) < 2 or len(set(subjects.tolist())) < 2:
        raise ConfigurationError("calibration needs faces of at least two people")
    vectors = replace(
        vectors, portraits=vectors.portraits[kept], lives=vectors.lives[kept], present=vectors.present[kept]
    )
    genuine, impostor = all_pair_scores(vectors, subjects)
    rates = levels(len(impostor))
    if not len(genuine) or len(rates) < 2:
        raise ConfigurationError("calibration needs two pictures of some people, and more people")
    thresholds = [threshold_at_fmr(impostor, rate) for rate in rates]
    low, high = subject_bootstrap(
        subjects, vectors.portraits @ vectors.lives.T, np.array(thresholds), rounds=rounds, seed=seed
    )
    points = []
    for threshold, lower, upper in zip(thresholds, low, high, strict=True):
        rate = fmr_at(impostor, threshold)
        floor = 1 / len(impostor)
        points.append(
            CalibrationPoint(
                score=round(threshold, 6),
                fmr=rate,
                low=float(min(rate, max(lower, floor / 10))),
                high=float(max(rate, upper)),
                fnmr=fnmr_at(genuine, threshold),
            )
        )
    return CalibrationTable(
        id=table_id,
        model=matcher.model,
        model_sha256=model_sha256,
        metric="cosine",
        data=data,
        protocol=(
            f"every two of {len(kept)} pictures of {len(set(subjects.tolist()))} people, the first as a portrait, "
            "the other live, no failure counted"
        ),
        interval=f"95 %, bootstrap over people, {rounds} rounds",
        genuine=len(genuine),
        impostor=len(impostor),
        points=tuple(points),
    )
