"""The registry: which model files there are, verified before they are used.

A registry is a folder with ``manifest.toml``, ``files/``, ``calibration/`` and ``LICENSES/``. An installed wheel
carries it as ``idverify/_models``; a checkout has it as ``models`` at its top. Nothing is ever fetched.
"""

from __future__ import annotations

import functools
import hashlib
import threading
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from idverify.biometric.calibration import CalibrationTable, load_table
from idverify.biometric.graph_cache import GraphCache, cache_of_environment
from idverify.biometric.model_card import ModelCard
from idverify.biometric.runtime import CPU as _CPU
from idverify.biometric.runtime import OnnxSession, difference, provider_shares, self_test, thread_count
from idverify.errors import ConfigurationError, ModelError

CPU: tuple[str, ...] = _CPU
MAX_MANIFEST_BYTES = 1024 * 1024
MAX_MODEL_BYTES = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCheck:
    """What :meth:`ModelRegistry.verify` found of one model.

    Attributes:
        card: its card.
        problem: what is wrong, in words; None where nothing is.
        difference: where another provider than the processor was tried, the largest distance of an output from the
            processor's, as a share of its length.
        shares: which share of the network's time each provider took then.
    """

    card: ModelCard
    problem: str | None
    difference: float | None = None
    shares: Mapping[str, float] | None = None


def default_manifest() -> Path:
    """The manifest of the wheel, else of the checkout.

    Raises:
        ModelError: neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_models", package.parents[1] / "models"):
        manifest = folder / "manifest.toml"
        if manifest.is_file():
            return manifest
    raise ModelError("no models: neither the installed package nor a checkout around it has a manifest.toml")


class ModelRegistry:
    """The models of one manifest. Thread-safe.

    Sessions are kept: asking twice for the same model, threads and providers gives the same session.
    """

    def __init__(
        self, manifest: Path | None = None, *, search: Sequence[Path] | None = None, graphs: Path | None = None
    ) -> None:
        """Reads the manifest; opens no model.

        Args:
            manifest: the manifest; that of the package where None.
            search: folders that hold the model files, first match wins; ``files/`` beside the manifest where None.
            graphs: folder for graphs that onnxruntime has optimised (:mod:`idverify.biometric.graph_cache`); that of
                ``IDVERIFY_GRAPH_CACHE`` where None, and none where that is not set.

        Raises:
            ModelError: the manifest is missing or malformed.
        """
        self._manifest = manifest if manifest is not None else default_manifest()
        self._search = tuple(search) if search is not None else (self._manifest.parent / "files",)
        self._cards, self._defaults = _read_manifest(self._manifest)
        self._sessions: dict[tuple[str, int, tuple[str, ...]], OnnxSession] = {}
        self._graphs = GraphCache(graphs) if graphs is not None else cache_of_environment()
        self._lock = threading.Lock()

    @property
    def manifest(self) -> Path:
        """The manifest that was read."""
        return self._manifest

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """All cards, in the manifest's order."""
        return tuple(self._cards.values())

    def card(self, model_id: str) -> ModelCard:
        """The card of a model.

        Raises:
            ConfigurationError: no model of that name.
        """
        try:
            return self._cards[model_id]
        except KeyError:
            raise ConfigurationError(f"no model {model_id!r}; there are {', '.join(sorted(self._cards))}") from None

    def default(self, task: str) -> ModelCard:
        """The card that the manifest names for a task.

        Raises:
            ConfigurationError: the manifest names none.
        """
        try:
            return self._cards[self._defaults[task]]
        except KeyError:
            raise ConfigurationError(f"the manifest names no default model for the task {task!r}") from None

    def path(self, model_id: str) -> Path:
        """Where the file of a model lies; not verified.

        Raises:
            ModelError: it is in no folder of the search path.
        """
        card = self.card(model_id)
        for folder in self._search:
            if (folder / card.file).is_file():
                return folder / card.file
        raise ModelError(
            f"the file {card.file} of {card.identity} is missing: install idverify-emrtd anew, or build it in a "
            "checkout ('idverify models build')"
        )

    def load(self, model_id: str) -> bytes:
        """The bytes of a model file, size and SHA-256 verified.

        Raises:
            ModelError: missing, or other bytes than the card says.
        """
        card, path = self.card(model_id), self.path(model_id)
        if card.size > MAX_MODEL_BYTES:
            raise ModelError(f"{card.identity} is over {MAX_MODEL_BYTES} bytes")
        try:
            with path.open("rb") as stream:
                data = stream.read(card.size + 1)
        except OSError:
            raise ModelError(f"the file {card.file} of {card.identity} cannot be read") from None
        if len(data) != card.size:
            raise ModelError(f"the file {card.file} of {card.identity} has another size than its card says")
        if hashlib.sha256(data).hexdigest() != card.sha256:
            raise ModelError(f"the file {card.file} of {card.identity} has another SHA-256 than its card says")
        return data

    def session(self, model_id: str, *, providers: Sequence[str] = CPU, threads: int | None = None) -> OnnxSession:
        """A session on a verified model; on another provider than the processor, after a numerical self-test.

        Args:
            model_id: name of the model.
            providers: onnxruntime's execution providers, in order of preference.
            threads: threads of one inference; see :func:`idverify.biometric.runtime.thread_count`.

        Raises:
            ModelError: the file is missing or altered, its graph is not that of its card, or the provider gives other
                numbers than the processor.
            ConfigurationError: unknown model, provider or thread count, or the provider does not start.
        """
        key = (model_id, thread_count(threads), tuple(providers))
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                model, card = self.load(model_id), self.card(model_id)
                session = OnnxSession(model, card, providers=key[2], threads=key[1], graphs=self._graphs)
                if key[2] != CPU:
                    self_test(session, OnnxSession(model, card, providers=CPU, threads=key[1]))
                self._sessions[key] = session
            return session

    def calibration(self, model_id: str, *, records: bool = False) -> CalibrationTable | None:
        """The measured table of a model; None where its card names none.

        Args:
            model_id: name of the model.
            records: the table for comparisons with records of minutiae from elsewhere.

        Raises:
            ModelError: the table is missing or malformed, or was measured on another file.
        """
        card = self.card(model_id)
        name = card.record_calibration if records else card.calibration
        if name is None:
            return None
        table = load_table(self._manifest.parent / "calibration" / f"{name}.json")
        if (table.id, table.model, table.model_sha256) != (name, card.identity, card.sha256):
            raise ModelError(f"the calibration table {table.id} was measured on another model than {card.identity}")
        return table

    def verify(self, *, providers: Sequence[str] = CPU) -> tuple[ModelCheck, ...]:
        """Loads every model once: bytes, graph and calibration table; problems are told, not raised.

        Args:
            providers: where they are other than the processor, each model is run on them too, and compared.
        """
        return tuple(self._checked(card, tuple(providers)) for card in self.cards)

    def _checked(self, card: ModelCard, providers: tuple[str, ...]) -> ModelCheck:
        apart: float | None = None
        shares: Mapping[str, float] | None = None
        try:
            model = self.load(card.id)
            reference = OnnxSession(model, card, providers=CPU, threads=1)
            self.calibration(card.id)
            self.calibration(card.id, records=True)
            if providers != CPU:
                elsewhere = OnnxSession(model, card, providers=providers, threads=1)
                apart = difference(elsewhere, reference)
                shares = provider_shares(model, card, providers=providers)
                self_test(elsewhere, reference)
        except (ModelError, ConfigurationError) as error:
            return ModelCheck(card=card, problem=str(error), difference=apart, shares=shares)
        return ModelCheck(card=card, problem=None, difference=apart, shares=shares)


def _read_manifest(path: Path) -> tuple[dict[str, ModelCard], dict[str, str]]:
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ModelError(f"the manifest is over {MAX_MANIFEST_BYTES} bytes")
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise ModelError("the manifest of the models cannot be read") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the manifest of the models is no TOML: {type(error).__name__}") from None
    entries, defaults = content.get("model"), content.get("defaults", {})
    if content.get("schema") != 1 or not isinstance(entries, list) or not isinstance(defaults, dict):
        raise ModelError("the manifest of the models has another schema than 1")
    cards: dict[str, ModelCard] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            raise ModelError("a model of the manifest is no table")
        card = ModelCard.from_mapping(entry)
        if card.id in cards:
            raise ModelError(f"the manifest names {card.id} twice")
        cards[card.id] = card
    for task, name in defaults.items():
        if name not in cards or cards[name].task != task:
            raise ModelError(f"the manifest's default for {task!r} is no model of that task")
    return cards, dict(defaults)


@functools.cache
def default_registry() -> ModelRegistry:
    """The registry of the package, made once in a process.

    Raises:
        ModelError: there is no manifest.
    """
    return ModelRegistry()
