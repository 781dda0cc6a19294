"""What each choice of the runtime is worth: processor time of one inference with and without it, in turns, one thread.

    python -m benchmarks.runtime_options
    python -m benchmarks.runtime_options --provider OpenVINOExecutionProvider    # a row more

Rows for all models: inputs and outputs bound to buffers that are used again, no memory arena, no memory patterns, fewer
graph optimisations, denormal numbers flushed by onnxruntime's option, threads that spin. For the detector: colour order
and layout inside the graph, fed with bytes, against floats made by numpy. ``benchmarks.batching`` measures batches,
``benchmarks.start`` graphs that are kept.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from idverify.biometric import default_registry
from idverify.biometric.model_card import ModelCard

Run = Callable[[], object]
SIDES = {"face-detection": (256, 320), "finger-minutiae": (384, 384)}


def session(model: bytes, change: Callable[[Any], None] | None = None, *, provider: str | None = None) -> Any:
    """As the library makes it, with one change."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if change is not None:
        change(options)
    providers: list[Any] = ["CPUExecutionProvider"]
    if provider is not None:
        providers.insert(0, (provider, {"num_of_threads": "1"}) if provider.startswith("OpenVINO") else provider)
    return ort.InferenceSession(model, options, providers=providers)


def no_arena(options: Any) -> None:
    options.enable_cpu_mem_arena = False


def no_patterns(options: Any) -> None:
    options.enable_mem_pattern = False


def basic(options: Any) -> None:
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC


def denormals(options: Any) -> None:
    options.add_session_config_entry("session.set_denormal_as_zero", "1")


def inputs_of(card: ModelCard) -> dict[str, np.ndarray]:
    """Noise of the size that a counter has; a finger's threshold as the library gives it."""
    rng, sides = np.random.default_rng(0), SIDES.get(card.task, (1, 1))
    made = {}
    for spec in card.inputs:
        if len(spec.shape) == 1:
            made[spec.name] = np.array([0.2], np.float32)
            continue
        free = [1, 1, *sides]
        shape = [n if d is None else d for d, n in zip(spec.shape, free, strict=True)]
        made[spec.name] = rng.integers(0, 256, shape).astype(spec.dtype)
    return made


def bound(inner: Any, inputs: dict[str, np.ndarray]) -> Run:
    """Inputs copied into buffers that stay, outputs into buffers that stay."""
    binding = inner.io_binding()
    held = {name: ort.OrtValue.ortvalue_from_numpy(value.copy()) for name, value in inputs.items()}
    for name, value in held.items():
        binding.bind_ortvalue_input(name, value)
    names = [output.name for output in inner.get_outputs()]
    kept = [ort.OrtValue.ortvalue_from_numpy(found.copy()) for found in inner.run(None, inputs)]
    for name, value in zip(names, kept, strict=True):
        binding.bind_ortvalue_output(name, value)

    def run() -> None:
        for name, value in inputs.items():
            held[name].update_inplace(value)
        inner.run_with_iobinding(binding)
        _ = kept  # the binding does not keep them alive

    return run


def turns(rows: dict[str, Run], rounds: int) -> dict[str, float]:
    """Median milliseconds of processor time of each row, in turns."""
    spent: dict[str, list[float]] = {name: [] for name in rows}
    for number in range(rounds + 2):
        for name, run in rows.items():
            began = time.process_time()
            run()
            if number >= 2:
                spent[name].append((time.process_time() - began) * 1000)
    return {name: median(values) for name, values in spent.items()}


def options_of(card: ModelCard, model: bytes, rounds: int, provider: str | None) -> dict[str, float]:
    inputs = inputs_of(card)
    made = {
        "as it is": session(model),
        "no memory arena": session(model, no_arena),
        "no memory patterns": session(model, no_patterns),
        "basic optimisations only": session(model, basic),
        "denormals flushed": session(model, denormals),
    }
    if provider is not None:
        made[f"on {provider}"] = session(model, provider=provider)
    rows: dict[str, Run] = {name: lambda inner=inner: inner.run(None, inputs) for name, inner in made.items()}  # type: ignore[misc]
    rows["buffers bound"] = bound(made["as it is"], inputs)
    return turns(rows, rounds)


def with_bytes(model: bytes) -> bytes:
    """The detector's graph, fed with RGB bytes, height x width x 3: cast, colour order and layout are nodes of it."""
    graph = onnx.load_from_string(model)
    name = graph.graph.input[0].name
    first = [
        helper.make_node("Cast", ["pixels"], ["pixels_float"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["pixels_float", "bgr"], ["pixels_bgr"], axis=3),
        helper.make_node("Transpose", ["pixels_bgr"], [name], perm=[0, 3, 1, 2]),
    ]
    nodes = [*first, *graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    graph.graph.initializer.append(helper.make_tensor("bgr", TensorProto.INT64, [3], [2, 1, 0]))
    del graph.graph.input[:]
    graph.graph.input.append(helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, "h", "w", 3]))
    del graph.graph.value_info[:]
    return bytes(graph.SerializeToString())


def detector(model: bytes, rounds: int) -> dict[str, float]:
    """A picture of 320 x 240 to the detector's outputs, both ways."""
    plain, folded = session(model), session(with_bytes(model))
    picture = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)

    def floats() -> Any:
        canvas = np.zeros((1, 3, 256, 320), np.float32)
        canvas[0, :, :240] = picture[:, :, ::-1].transpose(2, 0, 1)
        return plain.run(None, {"input": canvas})

    def pixels() -> Any:
        canvas = np.zeros((1, 256, 320, 3), np.uint8)
        canvas[0, :240] = picture
        return folded.run(None, {"pixels": canvas})

    for a, b in zip(floats(), pixels(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    return turns({"floats by numpy": floats, "bytes, the rest in the graph": pixels}, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--provider", metavar="NAME", help="an execution provider of onnxruntime, before the processor")
    args = parser.parse_args()
    rounds = args.rounds
    registry = default_registry()
    found = {card.id: options_of(card, registry.load(card.id), rounds, args.provider) for card in registry.cards}
    names = list(next(iter(found.values())))
    print("| ms of processor time | " + " | ".join(found) + " |\n|---|" + "---|" * len(found))
    for name in names:
        print(f"| {name} | " + " | ".join(f"{values[name]:.2f}" for values in found.values()) + " |")
    both = detector(registry.load(registry.default("face-detection").id), rounds)
    print("\ndetector, 320 x 240: " + ", ".join(f"{name} {value:.2f} ms" for name, value in both.items()))


if __name__ == "__main__":
    main()
