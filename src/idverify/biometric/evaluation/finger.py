"""Finger matching measured on pictures in FVC's layout: ``DIR/NNN_k.png``, impression k of finger NNN.

Protocol: R. Cappelli et al., "Performance evaluation of fingerprint verification systems", IEEE TPAMI 28, 2006.
Genuine: every two impressions of a finger. Impostor: the first impressions of every two fingers (``first``), or every
two impressions of different fingers (``all``). A folder of such folders is pooled: comparisons stay within each, and
one score scale has to serve them all.

The counter case: every picture against the records (``DIR/NNN_k.iso``) of the other pictures, as another maker's
enrolment. Each of two impressions is once the picture and once the record.
"""

from __future__ import annotations

import csv
import itertools
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from idverify.biometric.calibration import CalibrationPoint, CalibrationTable
from idverify.biometric.codecs import decode_image
from idverify.biometric.evaluation.discard import DiscardCurve, error_versus_discard
from idverify.biometric.evaluation.metrics import (
    ErrorCurve,
    Scores,
    equal_error_rate,
    error_curve,
    fmr_at,
    fnmr_at,
    fnmr_at_fmr,
    threshold_at_fmr,
    wilson_interval,
)
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.matcher import similarity
from idverify.biometric.finger.template import FingerTemplate
from idverify.errors import BiometricError, ConfigurationError

SUFFIXES = (".png", ".tif", ".tiff", ".bmp")
RECORDS = (".iso", ".fmr")
MAX_FILES = 100_000
Impostors = Literal["first", "all"]
_NAME = re.compile(r"(\d{1,6})_(\d{1,4})")
PROTOCOL = "every two impressions within a database"
_MIN_EVENTS = 3


@dataclass(frozen=True, slots=True)
class Impression:
    """One picture: its file, its database (folder), its finger and the number of the impression."""

    file: Path
    database: str
    finger: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerEvaluation:
    """What was measured; rates are fractions.

    Attributes:
        model: identity of the minutiae model.
        eer: equal error rate.
        fmr100: FNMR at FMR 1 %.
        fmr1000: FNMR at FMR 0.1 %.
        zerofmr: FNMR at the smallest threshold without a false match.
        intervals: 95 % intervals of the three FNMR, comparisons taken as independent.
        fte: share of pictures without a template; their comparisons count as score 0.
        images: number of pictures.
        genuine: number of genuine comparisons.
        impostor: number of impostor comparisons.
        extract_ms_median: wall-clock milliseconds from picture to template, median.
        compare_ms_median: wall-clock milliseconds of a comparison, median.
        databases: the same four rates by folder, where several were pooled.
        curve: the DET curve.
        discard: FNMR over the share of genuine comparisons left out for the lower quality of their two pictures, at the
            threshold of FMR 0.1 % (``fmr1000``) and at that where 5 % of all fail (``fnmr5``).
    """

    model: str
    eer: float
    fmr100: float
    fmr1000: float
    zerofmr: float
    intervals: dict[str, tuple[float, float]]
    fte: float
    images: int
    genuine: int
    impostor: int
    extract_ms_median: float
    compare_ms_median: float
    databases: dict[str, dict[str, float]]
    curve: ErrorCurve = field(repr=False, compare=False)
    discard: dict[str, DiscardCurve] = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The figures as plain values; of the discard curves their FNMR at 0, 10, 20 and 30 %, and their area."""
        answer = {n: getattr(self, n) for n in self.__slots__ if n not in ("curve", "discard")}
        shares = (0.0, 0.1, 0.2, 0.3)
        answer["discard"] = {
            name: {"fnmr": {f"{share:g}": curve.at(share) for share in shares}, "area": curve.area}
            for name, curve in self.discard.items()
        }
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerScores:
    """All comparisons of an evaluation.

    Attributes:
        impressions: the pictures.
        first, second: indices of the compared pictures, ``(n,)``.
        genuine: whether they show one finger, ``(n,)`` bool.
        score: ``(n,)`` float32.
        quality: of every picture, 0 … 100; 0 where it gave no template.
        failed: indices of pictures without a template.
        extract_ms, compare_ms: wall-clock times.
    """

    impressions: tuple[Impression, ...]
    first: np.ndarray
    second: np.ndarray
    genuine: np.ndarray
    score: Scores
    quality: np.ndarray
    failed: tuple[int, ...]
    extract_ms: tuple[float, ...]
    compare_ms: tuple[float, ...]


def find_impressions(folder: Path) -> tuple[Impression, ...]:
    """The pictures of a folder in FVC's layout, or of its subfolders, sorted.

    Raises:
        ConfigurationError: no folder, none or too many pictures.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is no folder")
    found = []
    for file in itertools.islice(sorted(folder.rglob("*")), MAX_FILES):
        match = _NAME.fullmatch(file.stem)
        if match and file.suffix.lower() in SUFFIXES and file.is_file():
            database = file.parent.relative_to(folder).as_posix()
            found.append(Impression(file, database, match[1], int(match[2])))
    if len(found) < 2:
        raise ConfigurationError(f"{folder} holds no pictures named NNN_k{'|'.join(SUFFIXES)}")
    return tuple(found)


def pairs_of(impressions: tuple[Impression, ...], impostors: Impostors) -> list[tuple[int, int, bool]]:
    """The comparisons of the protocol: two indices, and whether they show one finger."""
    pairs = []
    lowest: dict[tuple[str, str], int] = {}
    for impression in impressions:
        key = (impression.database, impression.finger)
        lowest[key] = min(impression.number, lowest.get(key, impression.number))
    for (i, a), (j, b) in itertools.combinations(enumerate(impressions), 2):
        if a.database != b.database:
            continue
        genuine = a.finger == b.finger
        first = all(x.number == lowest[x.database, x.finger] for x in (a, b))
        if genuine or impostors == "all" or first:
            pairs.append((i, j, genuine))
    return pairs


def score_fingers(
    folder: Path,
    *,
    impostors: Impostors = "first",
    records: bool = False,
    matcher: FingerMatcher | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> FingerScores:
    """Extracts every picture and makes every comparison of the protocol.

    Args:
        folder: the pictures.
        impostors: ``first`` or ``all``.
        records: the references are the records beside the pictures, each taken for one in its picture's frame,
            whatever frame it declares.
        matcher: the matcher to measure.
        on_progress: called after each picture with pictures done and all.

    Raises:
        ConfigurationError: no pictures, no record beside one, or an unknown protocol.
        ImageError: a picture cannot be decoded.
        MalformedDataError: a record is none.
    """
    if impostors not in ("first", "all"):
        raise ConfigurationError("impostors are 'first' or 'all'")
    matcher = matcher if matcher is not None else FingerMatcher(threads=1)
    impressions = find_impressions(folder)
    pairs = pairs_of(impressions, impostors)
    probes: list[FingerTemplate | None] = []
    references: list[FingerTemplate | None] = []
    extract_ms, quality = [], []
    matcher.warm_up()
    for done, impression in enumerate(impressions, 1):
        picture = decode_image(impression.file.read_bytes())
        start = time.perf_counter()
        try:
            sample = matcher.sample(picture)
            probes.append(sample.template())
            quality.append(sample.quality.value)
        except BiometricError:
            probes.append(None)
            quality.append(0)
        extract_ms.append(1e3 * (time.perf_counter() - start))
        if records:
            references.append(_record_beside(impression, matcher, (picture.shape[1], picture.shape[0])))
        if on_progress is not None:
            on_progress(done, len(impressions))
    if records:
        pairs = [pair for i, j, genuine in pairs for pair in ((i, j, genuine), (j, i, genuine))]
    scores, compare_ms = [], []
    for i, j, _ in pairs:
        a, b = probes[i], (references if records else probes)[j]
        start = time.perf_counter()
        scores.append(similarity(a, b) if a is not None and b is not None else 0.0)
        compare_ms.append(1e3 * (time.perf_counter() - start))
    table = np.array(pairs, np.int64).reshape(-1, 3)
    return FingerScores(
        impressions=impressions, first=table[:, 0], second=table[:, 1], genuine=table[:, 2].astype(bool),
        score=np.array(scores, np.float32), quality=np.array(quality),
        failed=tuple(i for i, t in enumerate(probes) if t is None),
        extract_ms=tuple(extract_ms), compare_ms=tuple(compare_ms),
    )  # fmt: skip


def _record_beside(impression: Impression, matcher: FingerMatcher, size: tuple[int, int]) -> FingerTemplate | None:
    for suffix in RECORDS:
        file = impression.file.with_suffix(suffix)
        if file.is_file():
            found = matcher.template_of_record(file.read_bytes(), true_size=size)
            return found[0] if found else None
    raise ConfigurationError(f"{impression.file.name} has no record beside it ({', '.join(RECORDS)})")


def rates_of(genuine: Scores, impostor: Scores) -> dict[str, float]:
    """EER, FMR100, FMR1000 and ZeroFMR, fractions."""
    zero = threshold_at_fmr(impostor, 0.5 / len(impostor))
    return {
        "eer": equal_error_rate(genuine, impostor)[0],
        "fmr100": fnmr_at_fmr(genuine, impostor, 0.01),
        "fmr1000": fnmr_at_fmr(genuine, impostor, 0.001),
        "zerofmr": fnmr_at(genuine, zero),
    }


def evaluate_fingers(
    folder: Path,
    *,
    impostors: Impostors = "first",
    records: bool = False,
    matcher: FingerMatcher | None = None,
    scores: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> FingerEvaluation:
    """Error rates on a folder in FVC's layout, or on a folder of such folders.

    Args:
        folder: the pictures, 500 dpi.
        impostors: ``first`` as FVC does, or ``all``.
        records: compare pictures with the records beside them; see :func:`score_fingers`.
        matcher: the matcher to measure; the package's on one thread where None.
        scores: writes every comparison as ``a,b,genuine,score`` to this CSV file.
        on_progress: called after each picture with pictures done and all.

    Raises:
        ConfigurationError: no pictures, no genuine or no impostor comparison, or the CSV file cannot be written.
        ImageError: a picture cannot be decoded.
        MalformedDataError: a record is none.
    """
    matcher = matcher if matcher is not None else FingerMatcher(threads=1)
    found = score_fingers(folder, impostors=impostors, records=records, matcher=matcher, on_progress=on_progress)
    if scores is not None:
        _write_scores(folder, found, scores)
    genuine, impostor = found.score[found.genuine], found.score[~found.genuine]
    if not len(genuine) or not len(impostor):
        raise ConfigurationError("an evaluation needs two impressions of a finger, and two fingers")
    rates = rates_of(genuine, impostor)
    names = np.array([i.database for i in found.impressions])[found.first]
    databases = {}
    for name in sorted(set(names.tolist())):
        here = names == name
        parts = found.score[here & found.genuine], found.score[here & ~found.genuine]
        if len(set(names.tolist())) > 1 and all(len(p) for p in parts):
            databases[name] = rates_of(*parts)
    intervals = {
        k: wilson_interval(round(rates[k] * len(genuine)), len(genuine)) for k in ("fmr100", "fmr1000", "zerofmr")
    }
    return FingerEvaluation(
        model=matcher.model, **rates, intervals=intervals, fte=len(found.failed) / len(found.impressions),
        images=len(found.impressions), genuine=len(genuine), impostor=len(impostor),
        extract_ms_median=statistics.median(found.extract_ms), compare_ms_median=statistics.median(found.compare_ms),
        databases=databases, curve=error_curve(genuine, impostor), discard=_discard(found, genuine, impostor),
    )  # fmt: skip


def _discard(found: FingerScores, genuine: Scores, impostor: Scores) -> dict[str, DiscardCurve]:
    lower = np.minimum(found.quality[found.first], found.quality[found.second])[found.genuine]
    return {
        "fmr1000": error_versus_discard(genuine, lower, threshold=threshold_at_fmr(impostor, 0.001)),
        "fnmr5": error_versus_discard(genuine, lower, fnmr=0.05),
    }


def _write_scores(folder: Path, found: FingerScores, path: Path) -> None:
    def name(index: int) -> str:
        return found.impressions[index].file.relative_to(folder).as_posix()

    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["a", "b", "genuine", "score"])
            for i, j, genuine, score in zip(found.first, found.second, found.genuine, found.score, strict=True):
                writer.writerow([name(i), name(j), int(genuine), f"{score:.6f}"])
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from None


def calibrate_fingers(
    found: FingerScores, *, table_id: str, model: str, model_sha256: str, data: str, protocol: str = PROTOCOL,
    rounds: int = 1000, seed: int = 0,
) -> CalibrationTable:  # fmt: skip
    """A table of score against FMR, with intervals from a bootstrap over fingers.

    Args:
        found: every comparison (impostors ``all``).
        table_id: name of the table.
        model: identity of the model.
        model_sha256: of its file.
        data: the pictures, in words.
        protocol: which comparisons were made, in words.
        rounds: bootstrap rounds.
        seed: of the bootstrap.

    Raises:
        ConfigurationError: too few impostor comparisons.
    """
    genuine, impostor = found.score[found.genuine], found.score[~found.genuine]
    rates = [m * 10.0**-e for e in range(1, 9) for m in (5.0, 2.0, 1.0)]
    rates = [r for r in rates if r * len(impostor) >= _MIN_EVENTS]
    if len(rates) < 2 or not len(genuine):
        raise ConfigurationError("calibration needs more comparisons")
    thresholds = np.array(sorted({threshold_at_fmr(impostor, r) for r in rates}))
    low, high = _bootstrap(found, thresholds, rounds, seed)
    points: list[CalibrationPoint] = []
    for threshold, lower, upper in zip(thresholds, low, high, strict=True):
        rate = fmr_at(impostor, threshold)
        if not rate or (points and rate >= points[-1].fmr):
            continue
        bounds = min(rate, max(float(lower), 0.1 / len(impostor))), max(rate, float(upper))
        points.append(CalibrationPoint(round(float(threshold), 7), rate, *bounds, fnmr_at(genuine, threshold)))
    return CalibrationTable(
        id=table_id, model=model, model_sha256=model_sha256, metric="mcc-global", data=data,
        protocol=protocol, interval=f"95 %, bootstrap over fingers, {rounds} rounds",
        genuine=len(genuine), impostor=len(impostor), points=tuple(points),
    )  # fmt: skip


def _bootstrap(found: FingerScores, thresholds: np.ndarray, rounds: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """95 % intervals of the FMR, whole fingers drawn anew within the pool."""
    keys = [f"{i.database}/{i.finger}" for i in found.impressions]
    order = {k: n for n, k in enumerate(sorted(set(keys)))}
    fingers = np.array([order[k] for k in keys])
    other = ~found.genuine
    a, b, score = fingers[found.first[other]], fingers[found.second[other]], found.score[other]
    count = len(order)
    block = a * count + b
    total = np.bincount(block, minlength=count * count).astype(float)
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=rounds).astype(float)
    low, high = np.zeros(len(thresholds)), np.zeros(len(thresholds))
    size = np.einsum("ra,ab,rb->r", weights, total.reshape(count, count), weights, optimize=True)
    for index, threshold in enumerate(thresholds):
        passed = np.bincount(block, weights=score >= np.float32(threshold), minlength=count * count)
        events = np.einsum("ra,ab,rb->r", weights, passed.reshape(count, count), weights, optimize=True)
        low[index], high[index] = np.percentile(events / np.maximum(size, 1), [2.5, 97.5])
    return low, high
