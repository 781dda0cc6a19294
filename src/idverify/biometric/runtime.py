"""The one place that owns onnxruntime.

onnxruntime is imported when the first session is made, never at import of this package.

Chosen by measurement (docs/models.md, Runtime): one thread an inference; the arena and memory patterns as they are;
no binding of inputs and outputs and no batches, which gain nothing here; no optimised graphs on disk, which would save
some ten milliseconds of a start and would be files that no hash vouches for.

A provider other than the processor is asked for by name, must be the one that really runs, and must give the numbers
that the processor gives, see :func:`self_test`.

Denormal numbers, which slow float networks down, are removed from weights when a model file is built, not by
onnxruntime's option: that option switches the calling thread to another arithmetic and leaves it so, for the
application's own numbers too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.model_card import ModelCard, TensorSpec
from idverify.errors import ConfigurationError, ModelError

THREADS_VARIABLE = "IDVERIFY_THREADS"
"""Environment variable with the number of threads of one inference; an argument goes before it."""

MAX_THREADS = 256

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


def open_session(model: bytes, name: str, *, providers: Sequence[str], threads: int | None = None) -> Any:
    """onnxruntime's own session, with this library's options.

    Args:
        model: the ONNX file.
        name: what to call it in messages.
        providers: onnxruntime's execution providers.
        threads: threads of one inference, see :func:`thread_count`.

    Raises:
        ModelError: onnxruntime refuses the graph.
        ConfigurationError: a provider is not there, or the thread count is out of range.
    """
    import onnxruntime as ort

    missing = [p for p in providers if p not in ort.get_available_providers()]
    if missing or not providers:
        raise ConfigurationError(f"onnxruntime here has no provider {', '.join(missing) or '(none was named)'}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = thread_count(threads)
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(model, options, providers=list(providers))
    except Exception as error:
        # onnxruntime's exceptions share no base class
        raise ModelError(f"onnxruntime cannot load the model {name}: {type(error).__name__}") from error


class OnnxSession:
    """A session of onnxruntime whose graph has been held against its card.

    Thread-safe: onnxruntime runs one session from several threads.
    """

    def __init__(self, model: bytes, card: ModelCard, *, providers: Sequence[str], threads: int | None = None) -> None:
        """Makes the session from bytes that have been verified.

        Raises:
            ModelError: onnxruntime refuses the graph, or its inputs and outputs are not those of the card.
            ConfigurationError: a provider is not there or does not start, or the thread count is out of range.
        """
        self._session = open_session(model, card.identity, providers=providers, threads=threads)
        self._card = card
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
        """Outputs by name.

        Raises:
            ModelError: an input has another name, type or shape than the card says, or onnxruntime fails.
        """
        for spec in self._card.inputs:
            array = inputs.get(spec.name)
            if array is None or array.dtype != np.dtype(spec.dtype) or not _fits(array.shape, spec.shape):
                got = "nothing" if array is None else f"{array.dtype}{list(array.shape)}"
                raise ModelError(f"{self._card.identity} wants {spec.name}: {spec.dtype}{list(spec.shape)}, got {got}")
        try:
            values = self._session.run(self._outputs, dict(inputs))
        except Exception as error:
            raise ModelError(f"onnxruntime failed in {self._card.identity}: {type(error).__name__}") from error
        return dict(zip(self._outputs, values, strict=True))


DIFFERENCE = 0.02
"""Largest distance of an output from the processor's, as a share of its length, that :func:`self_test` lets pass."""

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
    rng = np.random.default_rng(0)
    inputs: dict[str, Tensor] = {}
    for spec in session.card.inputs:
        free = [1, *[_FREE] * (len(spec.shape) - 1)]
        shape = [n if d is None else d for d, n in zip(spec.shape, free, strict=True)]
        inputs[spec.name] = rng.integers(0, 256, shape).astype(spec.dtype)
    wanted = reference.run(inputs)
    for name, found in session.run(inputs).items():
        right = np.asarray(wanted[name], np.float64)
        off = np.linalg.norm(np.asarray(found, np.float64) - right) if found.shape == right.shape else np.inf
        if not off <= DIFFERENCE * np.linalg.norm(right):
            raise ModelError(f"{session.card.identity} gives other numbers on this provider than on the processor")


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
