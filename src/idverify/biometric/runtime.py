"""The one place that owns onnxruntime.

onnxruntime is imported when the first session is made, never at import of this package.

Chosen by measurement (docs/models.md, Runtime): one thread an inference; the arena and memory patterns as they are;
no binding of inputs and outputs and no batches, which gain nothing here; optimised graphs on disk only where somebody
names a folder for them (:mod:`idverify.biometric.graph_cache`), since they save a start little. However many sessions
there are, they run on as many threads at once as :mod:`idverify.limits` allow.

A provider other than the processor is asked for by name, must be the one that really runs, and must give the numbers
that the processor gives, see :func:`self_test`. Named alone it must run the whole network; named before
``CPUExecutionProvider`` it may leave parts of it to the processor, see :func:`provider_shares`.

Denormal numbers, which slow float networks down, are removed from weights when a model file is built, not by
onnxruntime's option: that option switches the calling thread to another arithmetic and leaves it so, for the
application's own numbers too.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from idverify import limits
from idverify.biometric.graph_cache import GraphCache, graph_name
from idverify.biometric.model_card import ModelCard, TensorSpec
from idverify.errors import ConfigurationError, ModelError

TELEMETRY_VARIABLE = "ORT_DISABLE_TELEMETRY"
"""onnxruntime's own variable: with ``1`` it reports to nobody. The library sets it where it is not set."""
THREADS_VARIABLE = "IDVERIFY_THREADS"
"""Environment variable with the number of threads of one inference; an argument goes before it."""

MAX_THREADS = 256
CPU: tuple[str, ...] = ("CPUExecutionProvider",)

_ELEMENT = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int64)": "int64"}

Tensor = NDArray[Any]
"""An input or output of a session."""


class InferenceSession(Protocol):
    """A loaded model. ``run`` may be called from many threads at once."""

    def run(self, inputs: Mapping[str, Tensor], /) -> Mapping[str, Tensor]:
        """Outputs by name, for inputs by name."""
        ...


def thread_count(threads: int | None = None) -> int:
    """Threads for one inference: the argument, else ``IDVERIFY_THREADS``, else 1.

    One thread costs the least processor time a picture and lets concurrent counters share the cores; a desktop that
    serves one counter gains latency from 2.

    Raises:
        ConfigurationError: not a whole number from 1 to 256.
    """
    value: int | str = threads if threads is not None else os.environ.get(THREADS_VARIABLE, 1)
    try:
        count = int(value)
    except ValueError:
        raise ConfigurationError(f"{THREADS_VARIABLE} must be a whole number from 1 to {MAX_THREADS}") from None
    if not 1 <= count <= MAX_THREADS:
        raise ConfigurationError(f"the number of threads is 1 to {MAX_THREADS}, not {count}")
    return count


def _onnxruntime() -> Any:
    """onnxruntime, told to report nothing.

    Its wheels of 2026 send usage events to their maker over the network, and keep an identifier of the device under the
    user's cache folder. The variable is read when the module is loaded and leaves both out; the function is for an
    onnxruntime that the application had loaded before. Who sets the variable has decided otherwise.
    """
    os.environ.setdefault(TELEMETRY_VARIABLE, "1")
    import onnxruntime

    if os.environ[TELEMETRY_VARIABLE] == "1":
        onnxruntime.disable_telemetry_events()
    return onnxruntime


def open_session(
    model: bytes, name: str, *, providers: Sequence[str], threads: int | None = None, draft: Path | None = None
) -> Any:
    """onnxruntime's own session, with this library's options.

    Args:
        model: the ONNX file.
        name: what to call it in messages.
        providers: onnxruntime's execution providers, in order of preference. A provider that is named without
            ``CPUExecutionProvider`` has to run every node.
        threads: threads of one inference, see :func:`thread_count`; no more than :mod:`idverify.limits` allow in all.
        draft: where to write the optimised graph.

    Raises:
        ModelError: onnxruntime refuses the graph.
        ConfigurationError: a provider is not there, does not run the whole graph, or the thread count is out of range.
    """
    _check_providers(providers)
    options = _options(providers, threads)
    if draft is not None:
        options.optimized_model_filepath = str(draft)
    return _session(model, name, options, providers)


def _check_providers(providers: Sequence[str]) -> None:
    ort = _onnxruntime()

    missing = [p for p in providers if p not in ort.get_available_providers()]
    if missing or not providers:
        raise ConfigurationError(f"onnxruntime here has no provider {', '.join(missing) or '(none was named)'}")


def _options(providers: Sequence[str], threads: int | None) -> Any:
    ort = _onnxruntime()

    options = ort.SessionOptions()
    options.intra_op_num_threads = _threads_within_limits(threads)
    options.inter_op_num_threads = 1
    options.log_severity_level = 4 if CPU[0] not in providers else 3  # a refusal is told below, once
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if CPU[0] not in providers:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def _threads_within_limits(threads: int | None) -> int:
    return min(thread_count(threads), limits.get_limits().threads)


def _session(model: bytes, name: str, options: Any, providers: Sequence[str]) -> Any:
    ort = _onnxruntime()

    count = {"num_of_threads": str(options.intra_op_num_threads)}
    told = [count if p == "OpenVINOExecutionProvider" else {} for p in providers]  # it would take every core
    more: dict[str, Any] = {"provider_options": told} if any(told) else {}
    try:
        return ort.InferenceSession(model, options, providers=list(providers), **more)
    except Exception as error:
        # onnxruntime's exceptions share no base class
        if "fallback to CPU EP has been explicitly disabled" in str(error):
            raise ConfigurationError(
                f"{', '.join(providers)} does not run all of {name}; name {CPU[0]} after it to let the rest run there"
            ) from None
        raise ModelError(f"onnxruntime cannot load the model {name}: {type(error).__name__}") from error


class OnnxSession:
    """A session of onnxruntime whose graph has been held against its card.

    Thread-safe: onnxruntime runs one session from several threads.
    """

    def __init__(
        self,
        model: bytes,
        card: ModelCard,
        *,
        providers: Sequence[str],
        threads: int | None = None,
        graphs: GraphCache | None = None,
    ) -> None:
        """Makes the session from bytes that have been verified.

        Args:
            model: the ONNX file.
            card: its card.
            providers, threads: as of :func:`open_session`.
            graphs: where optimised graphs are kept for the processor, under the card's SHA-256; nowhere where None.

        Raises:
            ModelError: onnxruntime refuses the graph, or its inputs and outputs are not those of the card.
            ConfigurationError: a provider is not there or does not start, or the thread count is out of range.
        """
        self._card, self._threads = card, _threads_within_limits(threads)
        if graphs is not None and tuple(providers) == CPU:
            self._session = _session_of_cache(model, card, self._threads, graphs)
        else:
            self._session = open_session(model, card.identity, providers=providers, threads=threads)
        if (running := self._session.get_providers())[0] != providers[0]:
            raise ConfigurationError(f"onnxruntime runs {card.identity} on {running[0]}, not on {providers[0]}")
        _check("input", self._session.get_inputs(), card.inputs, card.identity)
        _check("output", self._session.get_outputs(), card.outputs, card.identity)
        self._outputs = [spec.name for spec in card.outputs]

    @property
    def card(self) -> ModelCard:
        """The card that the graph was held against."""
        return self._card

    def run(self, inputs: Mapping[str, Tensor], /) -> Mapping[str, Tensor]:
        """Outputs by name; waits where the process runs as many inferences as :mod:`idverify.limits` allow.

        Raises:
            ModelError: an input has another name, type or shape than the card says, or onnxruntime fails.
            OperationCancelled, TransportTimeout: the transaction that this was for ended while it waited.
        """
        for spec in self._card.inputs:
            array = inputs.get(spec.name)
            if array is None or array.dtype != np.dtype(spec.dtype) or not _fits(array.shape, spec.shape):
                got = "nothing" if array is None else f"{array.dtype}{list(array.shape)}"
                raise ModelError(f"{self._card.identity} wants {spec.name}: {spec.dtype}{list(spec.shape)}, got {got}")
        with limits.INFERENCE.share(self._threads):
            try:
                values = self._session.run(self._outputs, dict(inputs))
            except Exception as error:
                raise ModelError(f"onnxruntime failed in {self._card.identity}: {type(error).__name__}") from error
        return dict(zip(self._outputs, values, strict=True))


DIFFERENCE = 0.02
"""Largest distance of an output from the processor's, as a share of its length, that :func:`self_test` lets pass."""

_SAME = 1e-6
"""The same for a graph that was optimised before: it is made of the same kernels."""

_FREE = 64
"""What a free dimension is taken as in the self-test; a multiple of all strides."""


def self_test(session: OnnxSession, reference: OnnxSession) -> None:
    """Runs a model on one made-up input on two providers and compares all outputs.

    Args:
        session: on the provider that is to be used.
        reference: the same model on the processor.

    Raises:
        ModelError: it fails, or gives other numbers.
    """
    if not difference(session, reference) <= DIFFERENCE:
        raise ModelError(f"{session.card.identity} gives other numbers on this provider than on the processor")


def difference(session: OnnxSession, reference: OnnxSession) -> float:
    """Largest distance of two sessions' outputs for one made-up input, as a share of the reference's length.

    Infinite where shapes differ, or where the reference is no number or nothing but zeros, which would tell nothing.

    Raises:
        ModelError: one of them fails.
    """
    inputs = probe(session.card)
    wanted = reference.run(inputs)
    return max(_apart(found, wanted[name]) for name, found in session.run(inputs).items())


def probe(card: ModelCard) -> dict[str, Tensor]:
    """A made-up input: noise from 0 to 255, and nought for a threshold, so that nothing is held back."""
    rng = np.random.default_rng(0)
    inputs: dict[str, Tensor] = {}
    for spec in card.inputs:
        free = [1, *[_FREE] * (len(spec.shape) - 1)]
        shape = [n if d is None else d for d, n in zip(spec.shape, free, strict=True)]
        noise = rng.integers(0, 256, shape)
        inputs[spec.name] = (noise if len(shape) > 1 else noise * 0).astype(spec.dtype)
    return inputs


def _apart(found: Tensor, right: Tensor) -> float:
    a, b = np.asarray(found, np.float64), np.asarray(right, np.float64)
    length = float(np.linalg.norm(b))
    if a.shape != b.shape or not np.isfinite(a).all() or not 0 < length < np.inf:
        return float("inf")
    if b.ndim == 2 and len(b) > 1:  # rows sorted by a score may change places: each must have its like
        apart = np.linalg.norm(a[:, np.newaxis] - b[np.newaxis], axis=2) if len(b) <= _MOST_ROWS else None
        if apart is not None:
            return float(max(np.linalg.norm(apart.min(0)), np.linalg.norm(apart.min(1)))) / length
    return float(np.linalg.norm(a - b)) / length


_MOST_ROWS = 1024


def provider_shares(model: bytes, card: ModelCard, *, providers: Sequence[str]) -> dict[str, float]:
    """Which share of a network's time each provider takes, for one made-up input: says what was left to the processor.

    onnxruntime writes its profile to a temporary folder, which is deleted.

    Raises:
        ModelError: onnxruntime refuses the graph or fails.
        ConfigurationError: as :func:`open_session`.
    """
    _check_providers(providers)
    options = _options(providers, 1)
    with tempfile.TemporaryDirectory(prefix="idverify-") as folder:
        options.enable_profiling, options.profile_file_prefix = True, str(Path(folder) / "profile")
        session = _session(model, card.identity, options, providers)
        try:
            with limits.INFERENCE.share(1):
                for _ in range(3):
                    session.run(None, probe(card))
        except Exception as error:
            raise ModelError(f"onnxruntime failed in {card.identity}: {type(error).__name__}") from error
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    spent: dict[str, float] = {}
    for event in events:
        provider = event.get("args", {}).get("provider")
        if event.get("cat") == "Node" and provider:
            spent[provider] = spent.get(provider, 0.0) + float(event["dur"])
    total = sum(spent.values()) or 1.0
    return {provider: each / total for provider, each in spent.items()}


def _session_of_cache(model: bytes, card: ModelCard, threads: int, graphs: GraphCache) -> Any:
    """A session on the processor from a graph that was optimised before, or from the model, whose graph is then kept.

    A graph is kept only if it gives the model's numbers; when it is read again, its hash stands for that.
    """
    ort = _onnxruntime()

    name = graph_name(card.sha256, onnxruntime=ort.__version__, providers=CPU, threads=threads, options=_KEPT)
    kept = graphs.read(name)
    if kept is not None:
        try:
            return _as_it_is(kept, card, threads)
        except ModelError:  # of the right hash, and yet no graph for this onnxruntime: made anew below
            pass
    with graphs.draft() as draft:
        if draft is not None:
            with contextlib.suppress(OSError, ModelError):  # a full disk, for one
                session = open_session(model, card.identity, providers=CPU, threads=threads, draft=draft)
                if _same_numbers(made := draft.read_bytes(), session, card, threads):
                    graphs.keep(name, made)
                return session
    return open_session(model, card.identity, providers=CPU, threads=threads)


_KEPT = "all optimisations, one thread across nodes, no spinning"


def _as_it_is(graph: bytes, card: ModelCard, threads: int) -> Any:
    ort = _onnxruntime()

    options = _options(CPU, threads)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return _session(graph, card.identity, options, CPU)


def _same_numbers(graph: bytes, session: Any, card: ModelCard, threads: int) -> bool:
    names, inputs = [spec.name for spec in card.outputs], probe(card)
    try:
        with limits.INFERENCE.share(threads):
            wanted, found = session.run(names, inputs), _as_it_is(graph, card, threads).run(names, inputs)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"onnxruntime failed in {card.identity}: {type(error).__name__}") from error
    return all(_apart(a, b) <= _SAME for a, b in zip(found, wanted, strict=True))


def _fits(shape: Sequence[object], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(w is None or s == w for s, w in zip(shape, wanted, strict=True))


def _check(kind: str, found: Sequence[Any], wanted: Sequence[TensorSpec], who: str) -> None:
    """Names, element types and shapes of the graph against the card; a free dimension must be free in both."""
    names = {item.name: item for item in found}
    if set(names) != {spec.name for spec in wanted}:
        raise ModelError(f"{who}: the graph's {kind}s are {sorted(names)}, the card says {[s.name for s in wanted]}")
    for spec in wanted:
        item = names[spec.name]
        shape = tuple(d if isinstance(d, int) else None for d in item.shape)
        if _ELEMENT.get(item.type) != spec.dtype or shape != spec.shape:
            raise ModelError(
                f"{who}: the {kind} {spec.name} is {item.type}{list(shape)}, "
                f"the card says {spec.dtype}{list(spec.shape)}"
            )
