"""From a score to a false match rate, by measured tables.

A table is a JSON file that names its model, its data, its protocol and its confidence intervals. Between its points
``log10(FMR)`` is linear in the score. Nothing is extrapolated: above its last point the rate stays at the smallest one
that was measured, an upper bound, and a threshold for a smaller rate is refused. Rates move with the population:
operators measure their own table on their own data.
"""

from __future__ import annotations

import bisect
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from idverify.errors import ConfigurationError, ModelError

MAX_TABLE_BYTES = 1024 * 1024
MAX_POINTS = 4_096


@dataclass(frozen=True, slots=True)
class CalibrationPoint:
    """One measured point.

    Attributes:
        score: the threshold.
        fmr: share of impostor comparisons with a score of at least this.
        low: lower end of the 95 % confidence interval of ``fmr``.
        high: upper end.
        fnmr: share of genuine comparisons below the threshold, on the same data.
    """

    score: float
    fmr: float
    low: float
    high: float
    fnmr: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationTable:
    """A measured table of score against FMR for one model file.

    Attributes:
        id: name of the table.
        model: identity of the model, ``id@version``.
        model_sha256: the file that was measured.
        metric: the metric of the scores.
        data: the data set, in words.
        protocol: which comparisons were made, in words.
        interval: how the confidence intervals were made, in words.
        genuine: number of genuine comparisons.
        impostor: number of impostor comparisons.
        points: rising scores, falling rates.
    """

    id: str
    model: str
    model_sha256: str
    metric: str
    data: str
    protocol: str
    interval: str
    genuine: int
    impostor: int
    points: tuple[CalibrationPoint, ...]
    _scores: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ModelError where the points are not strictly monotone rates within their intervals."""
        _check_points(self.id, self.points, self.impostor)
        object.__setattr__(self, "_scores", tuple(p.score for p in self.points))

    @property
    def smallest_fmr(self) -> float:
        """The smallest rate that was measured."""
        return self.points[-1].fmr

    def fmr(self, score: float) -> float:
        """The false match rate at a score: 1 below the table, its smallest rate above it.

        Raises:
            ConfigurationError: the score is no finite number.
        """
        return self._at(score, tuple(p.fmr for p in self.points))

    def bounds(self, score: float) -> tuple[float, float]:
        """The 95 % confidence interval of :meth:`fmr` at a score."""
        low = self._at(score, tuple(p.low for p in self.points))
        return low, self._at(score, tuple(p.high for p in self.points))

    def _at(self, score: float, rates: Sequence[float]) -> float:
        if not math.isfinite(score):
            raise ConfigurationError("a score is a finite number")
        right = bisect.bisect_right(self._scores, score)
        if right == 0:
            return 1.0
        if right == len(rates):
            return rates[-1]
        x0, x1 = self._scores[right - 1], self._scores[right]
        return _between(score, x0, x1, rates[right - 1], rates[right])

    def threshold(self, fmr: float) -> float:
        """The score at which the false match rate is ``fmr``.

        Raises:
            ConfigurationError: ``fmr`` is below the smallest or above the largest rate that was measured.
        """
        largest = self.points[0].fmr
        if not self.smallest_fmr <= fmr <= largest:
            raise ConfigurationError(
                f"the table {self.id} was measured for FMR {self.smallest_fmr:g} to {largest:g} "
                f"({self.impostor} impostor pairs); {fmr:g} is not within and is not extrapolated"
            )
        for before, after in itertools.pairwise(self.points):
            if after.fmr <= fmr:
                share = math.log(before.fmr / fmr) / math.log(before.fmr / after.fmr)
                return before.score + share * (after.score - before.score)
        return self.points[-1].score  # pragma: no cover - the range check leaves nothing here

    @classmethod
    def from_json(cls, text: str) -> CalibrationTable:
        """A table from its JSON text.

        Raises:
            ModelError: not such a table.
        """
        try:
            entry: dict[str, Any] = json.loads(text)
            points = tuple(CalibrationPoint(*(float(v) for v in row)) for row in entry["points"][: MAX_POINTS + 1])
            return cls(
                id=str(entry["id"]),
                model=str(entry["model"]),
                model_sha256=str(entry["model_sha256"]),
                metric=str(entry["metric"]),
                data=str(entry["data"]),
                protocol=str(entry["protocol"]),
                interval=str(entry["interval"]),
                genuine=int(entry["genuine"]),
                impostor=int(entry["impostor"]),
                points=points,
            )
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ModelError(f"the calibration table is malformed: {type(error).__name__}") from None

    def to_json(self) -> str:
        """The table as JSON text, one point a line."""
        head = {
            name: getattr(self, name)
            for name in (
                "id", "model", "model_sha256", "metric", "data", "protocol", "interval", "genuine", "impostor",
            )
        }  # fmt: skip
        rows = ",\n  ".join(json.dumps([p.score, p.fmr, p.low, p.high, p.fnmr]) for p in self.points)
        body = json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}")
        return f'{body},\n "columns": ["score", "fmr", "low", "high", "fnmr"],\n "points": [\n  {rows}\n ]\n}}\n'


def _between(score: float, x0: float, x1: float, y0: float, y1: float) -> float:
    """Linear in the score on log10 of the rate."""
    share = (score - x0) / (x1 - x0)
    return float(math.exp((1 - share) * math.log(y0) + share * math.log(y1)))


def _check_points(who: str, points: Sequence[CalibrationPoint], impostor: int) -> None:
    if not 2 <= len(points) <= MAX_POINTS:
        raise ModelError(f"the calibration table {who} has {len(points)} points; 2 to {MAX_POINTS} are needed")
    for point in points:
        if not (math.isfinite(point.score) and 0 < point.low <= point.fmr <= point.high <= 1 and 0 <= point.fnmr <= 1):
            raise ModelError(f"the calibration table {who} has a point that is no rate with its interval")
    for before, after in itertools.pairwise(points):
        if after.score <= before.score or after.fmr >= before.fmr:
            raise ModelError(f"the calibration table {who} is not strictly monotone")
    if points[-1].fmr * impostor < 1:
        raise ModelError(f"the calibration table {who} claims a rate below one of its {impostor} impostor pairs")


def load_table(path: Path) -> CalibrationTable:
    """Reads a table from a file.

    Raises:
        ModelError: the file is missing, too large, or no such table.
    """
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise ModelError(f"the calibration table {path.name} is over {MAX_TABLE_BYTES} bytes")
        return CalibrationTable.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise ModelError(f"the calibration table {path.name} cannot be read") from None
