"""A gallery of fingers in memory, searched in two stages.

First stage: every cylinder is a short vector, its projection on smooth functions (Zernike polynomials over the cells,
the first harmonic over the directions), so that the cylinders of the probe meet those of all stored prints in matrix
products; a print's score is the sum of its best few. Nothing is trained. Second stage: the matcher's own comparison
with the most similar prints, whose templates are made anew from their minutiae: those weigh a hundredth of a template.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.finger import constants as c
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.minutiae import Floats, Minutiae
from idverify.biometric.finger.template import BASE_CELLS, SECTION_CENTRES, FingerTemplate, make_template
from idverify.biometric.score import Score
from idverify.errors import ConfigurationError

MAX_PRINTS: Final = 10_000_000
_CHUNK: Final = 512
"""Prints that are compared at once: what they give stays in the processor's cache."""


def _zernike(order: int) -> NDArray[np.float64]:
    """Zernike polynomials up to an order on the cells of a cylinder's base, ``(52, (order + 1)(order + 2) / 2)``."""
    x, y = (axis / c.RADIUS for axis in BASE_CELLS)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    columns = []
    for n in range(order + 1):
        for m in range(-n, n + 1, 2):
            total = np.zeros_like(radius)
            for k in range((n - abs(m)) // 2 + 1):
                below = math.factorial(k) * math.factorial((n + abs(m)) // 2 - k)
                below *= math.factorial((n - abs(m)) // 2 - k)
                total += (-1) ** k * math.factorial(n - k) / below * radius ** (n - 2 * k)
            columns.append(total * (np.cos(m * angle) if m >= 0 else np.sin(-m * angle)))
    return np.stack(columns, 1)


def _basis() -> Floats:
    """Orthonormal columns ``(312, 45)``."""
    turn = np.stack([np.ones(c.SECTIONS), np.cos(SECTION_CENTRES), np.sin(SECTION_CENTRES)], 1)
    cells, sections = np.linalg.qr(_zernike(c.SEARCH_ORDER))[0], np.linalg.qr(turn)[0]
    product = np.einsum("ca,sb->csab", cells, sections)
    return np.ascontiguousarray(product.reshape(len(cells) * len(sections), -1), np.float32)


_BASIS: Final = _basis()
LENGTH: Final = _BASIS.shape[1]
"""Numbers of a cylinder's vector."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored print that may be the probe's finger.

    Attributes:
        key: its name in the gallery.
        score: of the second stage. Its FMR is for the whole search: that of one comparison times the number of prints.
    """

    key: str
    score: Score


class FingerGallery:
    """Prints by name. Thread-safe; operations take turns."""

    def __init__(self, matcher: FingerMatcher) -> None:
        """An empty gallery; ``matcher`` makes the comparisons of the second stage."""
        self._matcher = matcher
        self._vectors = np.zeros((c.SEARCH_CYLINDERS, 64, LENGTH), np.float32)
        self._keys: list[str] = []
        self._prints: list[tuple[Minutiae, str]] = []
        self._place: dict[str, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._place

    def __repr__(self) -> str:
        return f"FingerGallery({len(self)} prints)"

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays, with room for growth."""
        rows = sum(a.nbytes for m, _ in self._prints for a in (m.x, m.y, m.angle, m.kind, m.score))
        return self._vectors.nbytes + rows

    def add(self, key: str, template: FingerTemplate) -> None:
        """Stores a print under a name.

        Raises:
            ConfigurationError: the name is taken, the gallery is full, or the print has too few minutiae to be found.
        """
        rows = _vectors(template)
        if rows is None:
            raise ConfigurationError("the print has too few minutiae to be found again")
        with self._lock:
            if key in self._place:
                raise ConfigurationError("the gallery holds a print of that name")
            count = len(self._keys)
            if count >= MAX_PRINTS:
                raise ConfigurationError(f"a gallery holds at most {MAX_PRINTS} prints")
            if count == self._vectors.shape[1]:
                self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)], axis=1)
            self._vectors[:, count] = rows
            self._place[key] = count
            self._keys.append(key)
            self._prints.append((template.minutiae, template.model))

    def remove(self, key: str) -> None:
        """Forgets a print; its vectors are overwritten.

        Raises:
            ConfigurationError: no such name.
        """
        with self._lock:
            if key not in self._place:
                raise ConfigurationError("the gallery holds no print of that name")
            place, last = self._place.pop(key), len(self._keys) - 1
            if place != last:
                self._vectors[:, place] = self._vectors[:, last]
                self._keys[place], self._prints[place] = self._keys[last], self._prints[last]
                self._place[self._keys[place]] = place
            self._vectors[:, last] = 0
            self._keys.pop()
            self._prints.pop()

    def similarities(self, probe: FingerTemplate) -> Floats:
        """Scores of the first stage, ``(n,)`` in the order of storage; zeros for a probe with too few minutiae."""
        with self._lock:
            return self._similarities(probe)

    def _similarities(self, probe: FingerTemplate) -> Floats:
        rows, count = _vectors(probe), len(self._keys)
        result = np.zeros(count, np.float32)
        if rows is None:
            return result
        rows = rows[: min(len(rows), probe.cylinders.count if probe.cylinders else 0)]
        most = min(c.SEARCH_BEST, len(rows))
        for low in range(0, count, _CHUNK):
            high = min(low + _CHUNK, count)
            best = self._vectors[0, low:high] @ rows.T
            product = np.empty_like(best)
            for slot in self._vectors[1:, low:high]:
                np.matmul(slot, rows.T, out=product)
                np.maximum(best, product, out=best)
            best.partition(len(rows) - most, axis=1)
            best[:, -most:].sum(1, out=result[low:high])
        return result

    def search(self, probe: FingerTemplate, *, candidates: int = 32, limit: int = 8) -> tuple[Candidate, ...]:
        """The stored prints that are most like a probe, best first.

        Args:
            probe: the live print.
            candidates: prints of the first stage that are compared in the second, 1 or more.
            limit: prints that are told at most.

        Raises:
            ConfigurationError: ``candidates`` or ``limit`` below 1.
        """
        if candidates < 1 or limit < 1:
            raise ConfigurationError("a search has at least one candidate")
        with self._lock:
            first, searched = self._similarities(probe), len(self._keys)
            order = np.argsort(-first, kind="stable")[:candidates].tolist()
            found = [(self._keys[i], *self._prints[i]) for i in order]
        compared = [
            Candidate(key, _for_all(self._matcher.compare(probe, make_template(print_, model=model)), searched))
            for key, print_, model in found
        ]
        return tuple(sorted(compared, key=lambda candidate: -candidate.score.value)[:limit])


def _for_all(score: Score, searched: int) -> Score:
    """The score with the FMR of a search: as many chances for an impostor as there are prints (union bound)."""
    if score.fmr is None or score.fmr_bounds is None:
        return score
    low, high = (min(1.0, bound * searched) for bound in score.fmr_bounds)
    return replace(score, fmr=min(1.0, score.fmr * searched), fmr_bounds=(low, high))


def _vectors(template: FingerTemplate) -> Floats | None:
    """Unit vectors of the surest cylinders ``(SEARCH_CYLINDERS, LENGTH)``, zeros where there are fewer."""
    if template.cylinders is None:
        return None
    result = np.zeros((c.SEARCH_CYLINDERS, LENGTH), np.float32)
    rows = template.cylinders.code[: c.SEARCH_CYLINDERS] @ _BASIS
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + np.float32(1e-6)
    result[: len(rows)] = rows
    return result
