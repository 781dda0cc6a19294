"""What each choice of the runtime is worth: processor time of one inference with and without it, in turns, one thread.

    python -m benchmarks.runtime_options
    python -m benchmarks.runtime_options --provider OpenVINOExecutionProvider    # a row more

Rows for all models: inputs and outputs bound to buffers that are used again, no memory arena, no memory patterns, fewer
graph optimisations, denormal numbers flushed by onnxruntime's option, threads that spin. For the detector: colour order
and layout inside the graph, fed with bytes, against floats made by numpy. For the embedding: where its time goes, by
operator, multiply-adds a second of its convolutions, and its first convolution made on four pixels at once.
``benchmarks.batching`` measures batches, ``benchmarks.start`` graphs that are kept.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter, defaultdict
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


def operators(model: bytes, inputs: dict[str, np.ndarray], rounds: int) -> None:
    """Where the embedding's time goes (by the clock, as onnxruntime's profile has it)."""
    kernels = {c.name: list(c.dims) for c in onnx.load_from_string(model).graph.initializer}
    taken: dict[tuple[str, str], list[float]] = defaultdict(list)
    shapes: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory() as folder:

        def profiled(options: Any) -> None:
            options.enable_profiling, options.profile_file_prefix = True, f"{folder}/profile"

        inner = session(model, profiled)
        for _ in range(rounds):
            inner.run(None, inputs)
        with open(inner.end_profiling(), encoding="utf-8") as stream:
            for event in json.load(stream):
                if event["name"].endswith("_kernel_time"):
                    node = event["name"].removesuffix("_kernel_time")
                    taken[event["args"]["op_name"], node].append(event["dur"] / 1000)
                    shapes[node] = next(iter(event["args"]["output_type_shape"][0].values()))
    spent, rates = Counter[str](), []
    for (kind, node), values in taken.items():
        spent[kind] += median(values)
        kernel = kernels.get(node.replace(".conv", ".weight"))
        if kind == "QLinearConv" and kernel is not None:
            rates.append((float(np.prod(shapes[node]) * np.prod(kernel[1:])) / median(values) / 1e6, node, values))
    print("\nembedding, ms: " + ", ".join(f"{kind} {ms:.2f}" for kind, ms in spent.most_common()))
    for rate, node, values in sorted(rates):
        print(f"  {node:18} {median(values):.2f} ms, {rate:5.0f} thousand million multiply-adds a second")


def wider(model: bytes, pixels: int) -> bytes:
    """The embedding's graph, whose first convolution makes that many pixels of a row at once, to the same numbers.

    Three colours a pixel are little work a copied patch; so neighbours become channels, in and out, and the kernel's
    places that see nothing of a pixel are zero.
    """
    graph = onnx.load_from_string(model)
    held = {c.name: c for c in graph.graph.initializer}
    kernel = onnx.numpy_helper.to_array(held["conv1.weight"])
    out, colours = kernel.shape[:2]
    wide = np.zeros((pixels * out, pixels * colours, 3, 3), np.int8)
    for to in range(pixels):
        for block, at in np.ndindex(3, pixels):
            if 0 <= (tap := pixels * (block - 1) + at - to + 1) < 3:
                rows = slice(to * out, (to + 1) * out)
                wide[rows, at * colours : (at + 1) * colours, :, block] = kernel[..., tap]
    held["conv1.weight"].CopyFrom(onnx.numpy_helper.from_array(wide, "conv1.weight"))
    for name in ("conv1.weight_scale", "conv1.weight_zero", "conv1.bias"):
        held[name].CopyFrom(onnx.numpy_helper.from_array(np.tile(onnx.numpy_helper.to_array(held[name]), pixels), name))
    side = graph.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    graph.graph.initializer.append(
        helper.make_tensor("blocks.shape", TensorProto.INT64, [4], [0, side, side // pixels, colours * pixels])
    )
    next(n for n in graph.graph.node if n.name == "conv1.conv").input[0] = "blocks"
    nodes = [helper.make_node("Reshape", [graph.graph.input[0].name, "blocks.shape"], ["blocks"]), *graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    return bytes(graph.SerializeToString())


def embedding(model: bytes, card: ModelCard, rounds: int) -> None:
    inputs = inputs_of(card)
    operators(model, inputs, rounds)
    made = {"one": session(model), "two": session(wider(model, 2)), "four": session(wider(model, 4))}
    for inner in made.values():
        np.testing.assert_array_equal(inner.run(None, inputs)[0], made["one"].run(None, inputs)[0])
    rows: dict[str, Run] = {name: lambda inner=inner: inner.run(None, inputs) for name, inner in made.items()}  # type: ignore[misc]
    told = ", ".join(f"{name} {ms:.2f} ms" for name, ms in turns(rows, rounds).items())
    print(f"embedding, pixels that the first convolution makes at once: {told}")


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
    chosen = registry.default("face-embedding")
    embedding(registry.load(chosen.id), chosen, rounds)
    both = detector(registry.load(registry.default("face-detection").id), rounds)
    print("\ndetector, 320 x 240: " + ", ".join(f"{name} {value:.2f} ms" for name, value in both.items()))


if __name__ == "__main__":
    main()
