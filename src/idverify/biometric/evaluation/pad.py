"""Presentation attack detection measured as ISO/IEC 30107-3 asks: APCER for each species, BPCER, never one mean.

A picture is accepted as bona fide where its score is at least the threshold. APCER of a species is the share of its
attacks that are accepted (13.2.2), BPCER the share of bona fide presentations that are refused (13.2.4). A picture
without a face is refused: it counts as an attack that failed and as a bona fide presentation that failed; how many
there were is told apart (non-response).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idverify.biometric.codecs import decode_image
from idverify.biometric.evaluation.metrics import wilson_interval
from idverify.biometric.face.detect import main_face
from idverify.biometric.face.matcher import FaceMatcher
from idverify.biometric.face.pad import LIMITS, PassivePad
from idverify.errors import ConfigurationError, NoFaceError

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PadItem:
    """One presentation.

    Attributes:
        name: of its file.
        species: of the attack instrument, in words; None for a bona fide presentation.
        score: 0 … 1; None where no face was found.
    """

    name: str
    species: str | None
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PadRate:
    """A share with its 95 % interval (Wilson), presentations taken as independent.

    Attributes:
        events: accepted attacks, or refused bona fide presentations.
        trials: of how many.
    """

    events: int
    trials: int

    @property
    def value(self) -> float:
        """The share."""
        return self.events / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        """Its interval."""
        return wilson_interval(self.events, self.trials)


@dataclass(frozen=True, slots=True, kw_only=True)
class PadEvaluation:
    """What was measured.

    Attributes:
        model: identity of the model.
        threshold: from which a presentation counts as bona fide.
        apcer: by species.
        bpcer: of bona fide presentations; None where there were none.
        no_response: presentations without a face.
        items: every presentation with its score.
    """

    model: str
    threshold: float
    apcer: Mapping[str, PadRate]
    bpcer: PadRate | None
    no_response: int
    items: tuple[PadItem, ...]

    @property
    def apcer_max(self) -> float | None:
        """APCER of the worst species: the figure to be judged by (13.2.3)."""
        return max((rate.value for rate in self.apcer.values()), default=None)

    def to_json(self) -> dict[str, Any]:
        """The figures as plain values; rates are fractions."""

        def plain(rate: PadRate) -> dict[str, Any]:
            return {"rate": rate.value, "interval": list(rate.interval), "n": rate.trials}

        return {
            "model": self.model,
            "threshold": self.threshold,
            "apcer": {species: plain(rate) for species, rate in self.apcer.items()},
            "apcer_max": self.apcer_max,
            "bpcer": plain(self.bpcer) if self.bpcer else None,
            "no_response": self.no_response,
            "scores": [{"name": i.name, "species": i.species, "score": i.score} for i in self.items],
            "limits": LIMITS,
        }


def pad_rates(items: Iterable[PadItem], *, threshold: float, model: str = "") -> PadEvaluation:
    """The rates of scored presentations at a threshold.

    Raises:
        ConfigurationError: no presentation at all.
    """
    kept = tuple(items)
    if not kept:
        raise ConfigurationError("there is no presentation to measure")

    def passed(item: PadItem) -> bool:
        return item.score is not None and item.score >= threshold

    apcer = {}
    for species in sorted({i.species for i in kept if i.species is not None}):
        attacks = [i for i in kept if i.species == species]
        apcer[species] = PadRate(events=sum(map(passed, attacks)), trials=len(attacks))
    honest = [i for i in kept if i.species is None]
    refused = PadRate(events=sum(not passed(i) for i in honest), trials=len(honest)) if honest else None
    return PadEvaluation(
        model=model,
        threshold=threshold,
        apcer=apcer,
        bpcer=refused,
        no_response=sum(i.score is None for i in kept),
        items=kept,
    )


def species_of(path: Path) -> str:
    """Species by folder, ``spoof/print/a.jpg``; by the word after the last ``_``, ``F1_print.jpg``; or ``unknown``."""
    if path.parent.name != "spoof":
        return path.parent.name
    word = path.stem.rsplit("_", 1)[-1]
    return word if "_" in path.stem and word.isalpha() else "unknown"


def evaluate_pad(
    folder: Path,
    *,
    pad: PassivePad | None = None,
    matcher: FaceMatcher | None = None,
    threshold: float = 0.5,
    species: Callable[[Path], str] = species_of,
    on_progress: Callable[[int, int], None] | None = None,
) -> PadEvaluation:
    """Scores ``folder/live/**`` and ``folder/spoof/**``.

    Args:
        folder: of the pictures.
        pad: the detector to measure; the default one where None.
        matcher: finds the faces; the default one where None.
        threshold: from which a presentation counts as bona fide.
        species: names the attack instrument of a file under ``spoof``.
        on_progress: called after each picture with how many are done and how many there are.

    Raises:
        ConfigurationError: no pictures, or a file cannot be read.
        ImageError: a picture cannot be decoded.
        ModelError: a model is missing, altered or failed.
    """
    pad = pad if pad is not None else PassivePad()
    matcher = matcher if matcher is not None else FaceMatcher()
    files = [
        (path, None if kind == "live" else species(path))
        for kind in ("live", "spoof")
        for path in sorted((folder / kind).rglob("*"))
        if path.suffix.lower() in _SUFFIXES
    ]
    items = []
    for done, (path, instrument) in enumerate(files, 1):
        try:
            data = path.read_bytes()
        except OSError:
            raise ConfigurationError("a picture of the presentations cannot be read") from None
        image = decode_image(data)
        score: float | None
        try:
            score = pad.score(image, main_face(matcher.detect(image), image)).live
        except NoFaceError:
            score = None
        items.append(PadItem(name=path.name, species=instrument, score=score))
        if on_progress is not None:
            on_progress(done, len(files))
    return pad_rates(items, threshold=threshold, model=pad.model)
