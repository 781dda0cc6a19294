"""Rebuilds fr-liveness.onnx, the network for presentation attack detection.

    python models/recipes/fr_liveness.py [--tarball faceplugin-face-recognition-js-0.0.1.tgz] [--out models/files]

What is changed, without changing the result (checked here against the original to 1e-4):
  * weights below 1e-20 become zero: most are denormal numbers, which slow processors down and change no output bit;
  * PReLU becomes two depthwise 1 x 1 convolutions, which onnxruntime runs faster;
  * a softmax is added, so that the outputs are shares.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from _package import Source, fetch_npm, write
from onnx import TensorProto, helper, numpy_helper

SOURCE = Source(
    requirement="faceplugin-face-recognition-js==0.0.1",
    wheel_sha256="7ea06031d9a3f83753254fcff60506a07b81b46fc84d4ee024cd041f260ec1ba",
    member="package/model/fr_liveness.onnx",
    member_sha256="afa783b7e902fdfcf323a7240cac2a1c580c25314ea4161129dc1b0d100dc32d",
)
FILE = "fr-liveness.onnx"
SHA256 = "17e456deb0b2755541b915d1fb5d3646cc133142218d35f4a712bab87d5f2d46"
TINY = 1e-20


def _flush(graph: Any) -> None:
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and (np.abs(array) < TINY).any():
            tensor.CopyFrom(numpy_helper.from_array(np.where(np.abs(array) < TINY, np.float32(0), array), tensor.name))


def _split_prelu(graph: Any) -> list[Any]:
    """PReLU(x) = a x + (1 - a) ReLU(x), channel by channel."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        slope = numpy_helper.to_array(tensors[node.input[1]]).reshape(-1, 1, 1, 1).astype(np.float32)
        out, more = node.output[0], {"group": len(slope), "kernel_shape": [1, 1]}
        graph.initializer.append(numpy_helper.from_array(slope, f"{out}.slope"))
        graph.initializer.append(numpy_helper.from_array(1 - slope, f"{out}.rest"))
        nodes += [
            helper.make_node("Relu", [node.input[0]], [f"{out}.positive"]),
            helper.make_node("Conv", [f"{out}.positive", f"{out}.rest"], [f"{out}.right"], **more),
            helper.make_node("Conv", [node.input[0], f"{out}.slope"], [f"{out}.left"], **more),
            helper.make_node("Add", [f"{out}.left", f"{out}.right"], [out]),
        ]
    return nodes


def build(data: bytes) -> bytes:
    model = onnx.load_model_from_string(data)
    graph = model.graph
    _flush(graph)
    nodes = _split_prelu(graph)
    (result,) = graph.output
    nodes.append(helper.make_node("Softmax", [result.name], ["shares"], axis=1))
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    made = helper.make_graph(
        nodes,
        "fr-liveness",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 128, 128])],
        [helper.make_tensor_value_info("shares", TensorProto.FLOAT, [1, 3])],
        kept,
    )
    model = helper.make_model(made, opset_imports=list(model.opset_import), ir_version=8, producer_name="idverify")
    onnx.checker.check_model(model, full_check=True)
    built = bytes(model.SerializeToString(deterministic=True))
    _compare(data, built)
    return built


def _compare(before: bytes, after: bytes) -> None:
    import onnxruntime as ort

    x = np.random.default_rng(0).integers(0, 256, (1, 3, 128, 128)).astype(np.float32)
    logits = ort.InferenceSession(before).run(None, {"input": x})[0]
    wanted = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    found = ort.InferenceSession(after).run(None, {"input": x})[0]
    if np.abs(found - wanted).max() > 1e-4:
        raise SystemExit("the rewritten network differs from the original")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tarball", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "files")
    args = parser.parse_args()
    write(args.out / FILE, build(fetch_npm(SOURCE, tarball=args.tarball)), SHA256)


if __name__ == "__main__":
    main()
