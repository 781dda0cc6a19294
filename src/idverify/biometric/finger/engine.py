"""Two prints: the same finger, and how surely? Extraction, comparison and calibration in one object."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.calibration import CalibrationTable
from idverify.biometric.finger import constants as c
from idverify.biometric.finger.extract import TASK, FingerExtractor, FingerSample
from idverify.biometric.finger.matcher import Comparison, compare
from idverify.biometric.finger.minutiae import FingerPosition
from idverify.biometric.finger.records import decode_record
from idverify.biometric.finger.template import RECORD, FingerTemplate, make_template
from idverify.biometric.models import CPU, ModelRegistry, default_registry
from idverify.biometric.score import Modality, Score
from idverify.errors import ConfigurationError


class FingerMatcher:
    """Matches fingers. Thread-safe; share one. The network is opened at the first picture."""

    def __init__(
        self, registry: ModelRegistry | None = None, *, model: str | None = None, threads: int | None = None,
        providers: Sequence[str] = CPU,
    ) -> None:  # fmt: skip
        """Chooses the model.

        Args:
            registry: where models come from; that of the package where None.
            model: minutiae model by id; the registry's default where None.
            threads: threads of one inference.
            providers: onnxruntime's execution providers.

        Raises:
            ConfigurationError: no such model, or of another task.
            ModelError: its calibration table was measured on another model.
        """
        self._registry = registry if registry is not None else default_registry()
        self._card = self._registry.card(model) if model is not None else self._registry.default(TASK)
        if self._card.task != TASK:
            raise ConfigurationError(f"{self._card.identity} is a model for {self._card.task}, not for {TASK}")
        self._table = self._registry.calibration(self._card.id)
        self._record_table = self._registry.calibration(self._card.id, records=True)
        self._threads, self._providers = threads, tuple(providers)
        self._extractor: FingerExtractor | None = None
        self._lock = threading.Lock()

    @property
    def model(self) -> str:
        """Identity of the minutiae model, ``id@version``."""
        return self._card.identity

    @property
    def calibration(self) -> CalibrationTable | None:
        """The measured table of score against FMR, for prints of this model."""
        return self._table

    @property
    def record_calibration(self) -> CalibrationTable | None:
        """The same for prints of this model against records of minutiae from elsewhere."""
        return self._record_table

    def warm_up(self) -> None:
        """Opens the network."""
        with self._lock:
            if self._extractor is None:
                self._extractor = FingerExtractor(
                    self._registry, model_id=self._card.id, threads=self._threads, providers=self._providers
                )

    def sample(
        self, picture: NDArray[np.uint8], *, dpi: float = c.DPI, position: FingerPosition = FingerPosition.UNKNOWN,
        inverted: bool = False,
    ) -> FingerSample:  # fmt: skip
        """Everything found in one picture; see :meth:`FingerExtractor.extract`."""
        self.warm_up()
        extractor = self._extractor
        if extractor is None:  # pragma: no cover - warm_up has just set it
            raise ConfigurationError("the extractor is not open")
        return extractor.extract(picture, dpi=dpi, position=position, inverted=inverted)

    def template(self, picture: NDArray[np.uint8], *, dpi: float = c.DPI) -> FingerTemplate:
        """The template of one picture.

        Raises:
            ImageError, ConfigurationError, NoFingerError: as :meth:`FingerExtractor.extract`.
        """
        return self.sample(picture, dpi=dpi).template()

    def template_of_record(
        self, data: bytes, *, true_size: tuple[int, int] | None = None, true_dpi: float = c.DPI
    ) -> tuple[FingerTemplate, ...]:
        """The templates of a minutiae record's views; see :func:`~idverify.biometric.finger.records.decode_record`."""
        record = decode_record(data, true_size=true_size, true_dpi=true_dpi)
        return tuple(make_template(view) for view in record.views)

    def compare(self, probe: FingerTemplate, reference: FingerTemplate) -> Score:
        """Compares two templates.

        The FMR comes from the table for two prints of this model, or from that for a print against a record of
        minutiae; two records, or another model, have none. The table for records was measured on one other maker's:
        measure your own where it matters.
        """
        return self.score(compare(probe, reference), probe, reference)

    def compare_record(self, probe: FingerTemplate, data: bytes) -> Score:
        """Compares a print with a minutiae record whose frame may lie.

        Some makers write one fixed frame whatever the sensor. Where the declared frame is another than the probe's,
        the record is tried in both, the second stretched to the probe's (both prints from one kind of sensor); the
        better one counts, and the FMR is that of so many comparisons. Who knows the frame gives it to
        :meth:`template_of_record`.

        Args:
            probe: the live print.
            data: the record; of several views the best one counts.

        Raises:
            MalformedDataError: no such record.
            ConfigurationError: the record has no view.
        """
        declared = self.template_of_record(data)
        size = (probe.minutiae.width, probe.minutiae.height)
        frames = {(t.minutiae.width, t.minutiae.height) for t in declared}
        stretched = self.template_of_record(data, true_size=size) if frames - {size} and min(size) >= 1 else ()
        return self.best([probe], [*declared, *stretched])

    def score(self, found: Comparison, probe: FingerTemplate, reference: FingerTemplate) -> Score:
        """A comparison as a score with its FMR."""
        table = {
            frozenset({self.model}): self._table,
            frozenset({self.model, RECORD}): self._record_table,
        }.get(frozenset({probe.model, reference.model}))
        return Score(
            value=found.value,
            model=self.model,
            fmr=table.fmr(found.value) if table else None,
            fmr_bounds=table.bounds(found.value) if table else None,
            calibration=table.id if table else None,
            modality=Modality.FINGER,
        )

    def best(self, probes: Sequence[FingerTemplate], references: Sequence[FingerTemplate]) -> Score:
        """The best of all comparisons of several tries with several stored prints of one finger.

        The FMR is multiplied by the number of comparisons (Bonferroni): more tries are more chances for an impostor.

        Raises:
            ConfigurationError: an empty list.
        """
        return self.best_pair([(p, r) for p in probes for r in references])

    def best_pair(self, pairs: Sequence[tuple[FingerTemplate, FingerTemplate]]) -> Score:
        """The best of several comparisons, of one finger or of several.

        The FMR is multiplied by the number of comparisons: an upper bound however they depend on each other
        (Bonferroni; the scores of one person's fingers are not independent, so no product or sum is taken).

        Args:
            pairs: a live print and a stored one, chosen before any score is known.

        Raises:
            ConfigurationError: an empty list.
        """
        scores = [self.compare(probe, reference) for probe, reference in pairs]
        if not scores:
            raise ConfigurationError("nothing to compare")
        top = max(scores, key=lambda s: s.value)
        if top.fmr is None or top.fmr_bounds is None:
            return top
        low, high = (min(1.0, bound * len(scores)) for bound in top.fmr_bounds)
        return Score(
            value=top.value, model=top.model, fmr=min(1.0, top.fmr * len(scores)), fmr_bounds=(low, high),
            calibration=top.calibration, modality=Modality.FINGER,
        )  # fmt: skip
