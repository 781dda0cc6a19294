"""Face matching measured on pictures in LFW's layout.

Protocol: G. B. Huang et al., "Labeled Faces in the Wild", UMass TR 07-49, view 2: a threshold is chosen on all folds
but one and judged on that one. ``--all-pairs`` compares every two pictures that the pairs file names.

Every comparison is a counter's: one picture is made a template as the chip's portrait is, the other as the live picture
is; :class:`Ways` says which.
"""

from __future__ import annotations

import csv
import enum
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.codecs import decode_image
from idverify.biometric.evaluation.metrics import (
    ErrorCurve,
    Scores,
    equal_error_rate,
    error_curve,
    fnmr_at,
    threshold_at_fmr,
    wilson_interval,
)
from idverify.biometric.face.matcher import FaceMatcher
from idverify.biometric.face.quality import CaptureKind
from idverify.biometric.image import Image
from idverify.errors import BiometricError, ConfigurationError, ImageError

MAX_PAIRS_BYTES = 64 * 1024 * 1024
MIN_FALSE_MATCHES = 10
"""Impostor comparisons that must be able to pass before a rate below 0.001 is reported, or calibrated."""

FMR_LEVELS = (0.01, 0.001, 0.0001, 0.00001, 0.000001)
_NAME = re.compile(r"[^/\\\x00]{1,200}")
_FAILED = -1.0
"""Score of a comparison in which a picture gave no template: it never matches."""


class Ways(enum.StrEnum):
    """Which picture of two is the portrait: the first of the pair (of all pairs: that which sorts first), the second,
    or each in turn, which makes every comparison twice."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures by their place in the list, and whether they show one person."""

    a: int
    b: int
    genuine: bool
    fold: int


@dataclass(frozen=True, slots=True)
class PairsFile:
    """A parsed pairs file.

    Attributes:
        images: relative paths ``Name/Name_0001.jpg``, sorted.
        pairs: in the file's order.
        folds: number of folds.
    """

    images: tuple[str, ...]
    pairs: tuple[Pair, ...]
    folds: int

    def named_by(self, place: int) -> tuple[int, str]:
        """The first pair that names the picture of that place in ``images``, from 1, and as which of its two."""
        return next(
            (number, "first" if pair.a == place else "second")
            for number, pair in enumerate(self.pairs, 1)
            if place in (pair.a, pair.b)
        )

    def where(self, place: int) -> str:
        """That picture in words that name nobody."""
        number, which = self.named_by(place)
        return f"the {which} picture of pair {number} of the pairs file"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceEvaluation:
    """What was measured.

    Attributes:
        model: identity of the embedding model.
        accuracy_mean: mean accuracy over the folds of the pairs file.
        accuracy_std: standard error's numerator: the standard deviation over the folds (of the sample).
        eer: equal error rate.
        fnmr_at_fmr: FNMR by FMR, as decimal text; ``0.01`` and ``0.001`` always, smaller ones where at least ten
            impostor comparisons may pass.
        fnmr_interval: 95 % interval of each, comparisons taken as independent.
        threshold_at_fmr: the thresholds.
        fte: share of pictures without a template (failure to enrol).
        images: number of pictures.
        genuine: number of genuine comparisons.
        impostor: number of impostor comparisons.
        ways: which pictures were the portraits.
        ms_per_image_median: wall-clock milliseconds from the bytes of a live picture to its template, median.
        curve: the DET curve.
    """

    model: str
    accuracy_mean: float
    accuracy_std: float
    eer: float
    fnmr_at_fmr: Mapping[str, float]
    fnmr_interval: Mapping[str, tuple[float, float]]
    threshold_at_fmr: Mapping[str, float]
    fte: float
    images: int
    genuine: int
    impostor: int
    ways: Ways
    ms_per_image_median: float
    curve: ErrorCurve = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The figures as plain values; rates are fractions."""
        return {
            "model": self.model,
            "accuracy_mean": self.accuracy_mean,
            "accuracy_std": self.accuracy_std,
            "eer": self.eer,
            "fnmr_at_fmr": dict(self.fnmr_at_fmr),
            "fnmr_interval": {k: list(v) for k, v in self.fnmr_interval.items()},
            "threshold_at_fmr": dict(self.threshold_at_fmr),
            "fte": self.fte,
            "images": self.images,
            "genuine": self.genuine,
            "impostor": self.impostor,
            "ways": self.ways.value,
            "ms_per_image_median": self.ms_per_image_median,
        }


def read_pairs(text: str) -> PairsFile:
    """Parses LFW's pairs format.

    First line ``folds pairs`` or ``pairs`` (one fold); then, for each fold, that many lines ``name i j`` (one person)
    and as many ``name i other j`` (two people).

    Raises:
        ConfigurationError: not that format.
    """
    lines = [line.split("\t") if "\t" in line else line.split() for line in text.splitlines() if line.strip()]
    try:
        head = [int(v) for v in lines[0]]
        folds, count = (1, *head) if len(head) == 1 else head
        rows = [_row(line) for line in lines[1:]]
    except (IndexError, ValueError, TypeError):
        raise ConfigurationError("the pairs file is not in LFW's format") from None
    if folds < 1 or count < 1 or len(rows) != 2 * folds * count:
        promised = 2 * folds * count
        raise ConfigurationError(f"the first line of the pairs file promises {promised} pairs; {len(rows)} follow")
    images = tuple(sorted({name for a, b, _ in rows for name in (a, b)}))
    place = {name: i for i, name in enumerate(images)}
    pairs = tuple(Pair(place[a], place[b], genuine, i // (2 * count)) for i, (a, b, genuine) in enumerate(rows))
    return PairsFile(images, pairs, folds)


def _row(line: Sequence[str]) -> tuple[str, str, bool]:
    if len(line) == 3:
        return _file(line[0], line[1]), _file(line[0], line[2]), True
    name, first, other, second = line
    return _file(name, first), _file(other, second), False


def _file(name: str, number: str) -> str:
    if not _NAME.fullmatch(name) or name in {".", ".."}:
        raise ConfigurationError("the pairs file names a person that is no folder name")
    return f"{name}/{name}_{int(number):04d}.jpg"


def read_pairs_file(path: Path) -> PairsFile:
    """:func:`read_pairs` of a file.

    Raises:
        ConfigurationError: it cannot be read, is over 64 MiB, or not in that format.
    """
    try:
        if path.stat().st_size > MAX_PAIRS_BYTES:
            raise ConfigurationError(f"the pairs file is over {MAX_PAIRS_BYTES} bytes")
        return read_pairs(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError("the pairs file cannot be read") from None


def evaluate_faces(
    pairs: Path,
    images: Path,
    *,
    all_pairs: bool = False,
    matcher: FaceMatcher | None = None,
    scores: Path | None = None,
    portrait: Callable[[Image], Image] | None = None,
    ways: Ways = Ways.FIRST,
    on_progress: Callable[[int, int], None] | None = None,
) -> FaceEvaluation:
    """Runs the protocol.

    Args:
        pairs: pairs file.
        images: folder with ``Name/Name_0001.jpg``.
        all_pairs: error rates over every two pictures named in the file; the accuracy stays that of the pairs.
        matcher: the matcher to measure; the default one where None.
        scores: CSV file to write, ``a,b,genuine,score``, a line for each comparison; ``a`` is the portrait.
        portrait: what becomes of each picture before it is a portrait, such as ``evaluation.sweep.chip(15_000)``.
        ways: which picture of two is the portrait.
        on_progress: called after each picture with how many are done and how many there are.

    Raises:
        ConfigurationError: the pairs file is malformed, or a file cannot be read or written.
        ImageError: a picture cannot be decoded.
        ModelError: a model is missing, altered or failed.
    """
    listed = read_pairs_file(pairs)
    _need_files(listed, images)
    matcher = matcher if matcher is not None else FaceMatcher()
    matcher.warm_up()
    vectors = embed_files(matcher, images, listed.images, on_progress, where=listed.where, as_portrait=portrait)
    pairs_made = _in_ways(listed.pairs, ways)
    protocol = _pair_scores(vectors, pairs_made)
    truth = np.array([p.genuine for p in pairs_made])
    if scores is not None:
        _write_scores(scores, listed, vectors, ways, all_pairs=all_pairs)
    genuine, impostor = protocol[truth], protocol[~truth]
    if all_pairs:
        genuine, impostor = all_pair_scores(vectors, people(listed.images), ways)
    accuracy = fold_accuracy(protocol, truth, np.array([p.fold for p in pairs_made]), listed.folds)
    return _summary(matcher.model, ways, genuine, impostor, accuracy, vectors)


def _in_ways(pairs: Sequence[Pair], ways: Ways) -> tuple[Pair, ...]:
    """The pairs with the portrait first."""
    turned = [replace(pair, a=pair.b, b=pair.a) for pair in pairs]
    return (*(pairs if ways is not Ways.SECOND else ()), *(turned if ways is not Ways.FIRST else ()))


def _summary(
    model: str, ways: Ways, genuine: Scores, impostor: Scores, accuracy: tuple[float, float], vectors: FaceVectors
) -> FaceEvaluation:
    levels = [f for f in FMR_LEVELS if f >= 0.001 or f * len(impostor) >= MIN_FALSE_MATCHES]
    thresholds = {_decimal(f): threshold_at_fmr(impostor, f) for f in levels}
    missed = {k: round(fnmr_at(genuine, t) * len(genuine)) for k, t in thresholds.items()}
    return FaceEvaluation(
        model=model,
        accuracy_mean=accuracy[0],
        accuracy_std=accuracy[1],
        eer=equal_error_rate(genuine, impostor)[0],
        fnmr_at_fmr={k: n / len(genuine) for k, n in missed.items()},
        fnmr_interval={k: wilson_interval(n, len(genuine)) for k, n in missed.items()},
        threshold_at_fmr=thresholds,
        fte=1 - float(vectors.present.mean()),
        images=len(vectors.present),
        genuine=len(genuine),
        impostor=len(impostor),
        ways=ways,
        ms_per_image_median=statistics.median(vectors.milliseconds),
        curve=error_curve(genuine, impostor),
    )


def _decimal(rate: float) -> str:
    return f"{rate:.6f}".rstrip("0")


@dataclass(frozen=True, slots=True)
class FaceVectors:
    """Templates of picture files, each made twice: as a chip's portrait and as a live picture.

    Attributes:
        portraits: ``(n, dim)`` unit vectors, zero where there is none.
        lives: the same.
        present: ``(n,)`` whether a picture gave both.
        milliseconds: wall-clock time of each live template, from its bytes.
    """

    portraits: NDArray[np.float32]
    lives: NDArray[np.float32]
    present: NDArray[np.bool_]
    milliseconds: tuple[float, ...]


def _need_files(listed: PairsFile, folder: Path) -> None:
    """Say before anything is computed which pictures are missing.

    Raises:
        ConfigurationError: with the pair that names the first one; nobody's name is in it.
    """
    missing = [place for place, name in enumerate(listed.images) if not (folder / name).is_file()]
    if missing:
        more = f", and so are {len(missing) - 1} others" if len(missing) > 1 else ""
        raise ConfigurationError(f"{listed.where(min(missing, key=listed.named_by))} is missing{more}")


def embed_files(
    matcher: FaceMatcher,
    folder: Path,
    names: Sequence[str],
    on_progress: Callable[[int, int], None] | None = None,
    *,
    where: Callable[[int], str] = "picture {}".format,
    as_portrait: Callable[[Image], Image] | None = None,
) -> FaceVectors:
    """The templates of picture files, as a portrait's and as a live picture's.

    Args:
        matcher: makes them.
        folder: where the files are.
        names: their paths below it.
        on_progress: called with how many are done, of how many.
        where: what errors call the picture of that place in ``names``.
        as_portrait: what becomes of each picture before it is a portrait.

    Raises:
        ConfigurationError: a file cannot be read.
        ImageError: a picture cannot be decoded.
    """
    found: list[tuple[NDArray[np.float32], NDArray[np.float32]] | None] = []
    times: list[float] = []
    for done, name in enumerate(names, 1):
        try:
            data = (folder / name).read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{where(done - 1)} cannot be read: {error.strerror}") from None
        start = time.perf_counter()
        try:
            image = decode_image(data)
        except ImageError as error:
            raise ImageError(f"{where(done - 1)} cannot be decoded: {error}") from None
        live = _vector(matcher, image, CaptureKind.LIVE)
        times.append((time.perf_counter() - start) * 1000)
        portrait = _vector(matcher, as_portrait(image) if as_portrait else image, CaptureKind.PORTRAIT)
        found.append((portrait, live) if portrait is not None and live is not None else None)
        if on_progress is not None:
            on_progress(done, len(names))
    size = max((len(pair[0]) for pair in found if pair is not None), default=1)
    none = np.zeros(size, np.float32), np.zeros(size, np.float32)
    return FaceVectors(
        portraits=np.stack([(pair or none)[0] for pair in found]),
        lives=np.stack([(pair or none)[1] for pair in found]),
        present=np.array([pair is not None for pair in found]),
        milliseconds=tuple(times),
    )


def _vector(matcher: FaceMatcher, image: Image, kind: CaptureKind) -> NDArray[np.float32] | None:
    try:
        return matcher.template(image, kind=kind).embedding
    except BiometricError:
        return None


def people(images: Sequence[str]) -> NDArray[np.int64]:
    """A number for the person of each picture, from the folder's name."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name.split("/")[0], len(numbers)) for name in images], np.int64)


def _pair_scores(vectors: FaceVectors, pairs: Sequence[Pair]) -> Scores:
    a, b = np.array([p.a for p in pairs]), np.array([p.b for p in pairs])
    values = np.einsum("ij,ij->i", vectors.portraits[a], vectors.lives[b])
    return np.where(vectors.present[a] & vectors.present[b], values, _FAILED).astype(np.float32)


def _blocks(vectors: FaceVectors, ways: Ways) -> Iterator[tuple[int, slice, Scores]]:
    """For each picture, as a portrait: later ones or earlier ones, live, and its scores with them."""
    count = len(vectors.present)
    for start in range(0, count, 256):
        block = vectors.portraits[start : start + 256] @ vectors.lives.T
        block[~vectors.present[start : start + 256]] = _FAILED
        block[:, ~vectors.present] = _FAILED
        for index, row in enumerate(block, start):
            if ways is not Ways.SECOND:
                yield index, slice(index + 1, count), row[index + 1 :]
            if ways is not Ways.FIRST:
                yield index, slice(0, index), row[:index]


def all_pair_scores(
    vectors: FaceVectors, subjects: NDArray[np.int64], ways: Ways = Ways.FIRST
) -> tuple[Scores, Scores]:
    """Genuine and impostor scores of every two pictures.

    Args:
        vectors: of the pictures.
        subjects: ``(n,)`` numbers of the people.
        ways: which of two is the portrait.
    """
    genuine, impostor = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
    for index, others, values in _blocks(vectors, ways):
        same = subjects[others] == subjects[index]
        genuine.append(values[same])
        impostor.append(values[~same])
    return np.concatenate(genuine), np.concatenate(impostor)


def fold_accuracy(scores: Scores, genuine: NDArray[np.bool_], fold: NDArray[Any], folds: int) -> tuple[float, float]:
    """Mean and sample standard deviation of the accuracy over folds.

    The threshold of a fold is the one with the best accuracy on all others; the middle of the best ones where several
    are equal. With one fold it is chosen and judged on the same pairs, and the deviation is 0.
    """
    results = []
    for k in range(folds):
        test = fold == k
        train = ~test if folds > 1 else test
        threshold = _best_threshold(scores[train], genuine[train])
        results.append(float(np.mean((scores[test] >= threshold) == genuine[test])))
    return statistics.fmean(results), statistics.stdev(results) if folds > 1 else 0.0


def _best_threshold(scores: Scores, genuine: NDArray[np.bool_]) -> float:
    curve = error_curve(scores[genuine], scores[~genuine])
    wrong = curve.fmr * np.sum(~genuine) + curve.fnmr * np.sum(genuine)
    best = np.flatnonzero(wrong < wrong.min() + 0.5)
    low = curve.threshold[best[0] - 1] if best[0] else curve.threshold[0]
    return float((low + curve.threshold[best[0]]) / 2) if best[0] else float(low)


def _write_scores(path: Path, listed: PairsFile, vectors: FaceVectors, ways: Ways, *, all_pairs: bool) -> None:
    pairs = _in_ways(listed.pairs, ways)
    rows = ((p.a, p.b, p.genuine, value) for p, value in zip(pairs, _pair_scores(vectors, pairs), strict=True))
    if all_pairs:
        subjects = people(listed.images)
        rows = (
            (index, other, subjects[index] == subjects[other], value)
            for index, others, values in _blocks(vectors, ways)
            for other, value in zip(range(others.start, others.stop), values, strict=True)
        )
    try:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(("a", "b", "genuine", "score"))
            for a, b, same, value in rows:
                writer.writerow((listed.images[a], listed.images[b], int(same), f"{value:.6f}"))
    except OSError:
        raise ConfigurationError("the file of scores cannot be written") from None
