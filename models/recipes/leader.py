"""Rebuilds leader-fast.onnx: LEADER, the minutiae network of PyPI ``pyfing``, as a graph made for CPUs.

    python models/recipes/leader.py [--wheel pyfing-0.7.3-py2.py3-none-any.whl] [--out models/files]
        [--exact | --distilled FILE.npz]

What is rewritten without changing the result (checked against the original to 1e-5):

* NCHW; the mean of every layer norm that follows a convolution is folded into its weights, that of the others into
  the next convolution; variances are one matrix product;
* reduction and adjustment of every bottleneck are one convolution where that is cheaper;
* channels are padded with zeros to multiples of eight, the block of onnxruntime's convolutions;
* the heads work at half resolution: a 5 × 5 kernel on a doubled picture is four 3 × 3 kernels on the picture itself;
* the heads of direction and type run on 9 × 9 patches around the minutiae alone.

What is refitted (left out with ``--exact``): five bottlenecks get fewer hidden units, and they, the stems and the
context layers a rectifier instead of GELU. All weights were then distilled from the original: ``leader_distil.py`` made
``leader_fast.npz``. ``--distilled`` takes the weights of another run of it, and writes a graph of that file's name.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
from _package import Source, fetch, sha256, write
from onnx import TensorProto, helper, numpy_helper

SOURCE = Source(
    requirement="pyfing==0.7.3",
    wheel_sha256="4e11f7abd61d0782746161892862e554d845d73725e2a9822c13adf9231fd138",
    member="pyfing/models/LEADER.weights.h5",
    member_sha256="0cbf12af936482d10ba54b23f40a9b192ab767df2f81bc96c5954585735fefe6",
)
FILE = "leader-fast.onnx"
SHA256 = "88f1c5572bb23cfd26c78da9027acd413c9ab28a9a1d3137ed2f898d79019378"
DISTILLED = Path(__file__).with_name("leader_fast.npz")
DISTILLED_SHA256 = "80b9b9d5f943b93b1308174e8ffc4f9d3702535f5f03e75c7dfeda30cb7adff8"
MAX_MINUTIAE = 256

Array = np.ndarray
Weights = dict[str, list[Array]]
BOTTLENECKS = ("enc1_0", "enc1_1", "enc1_2", "enc1_3", "dec1_3", "dec1_2", "dec1_1", "dec1_0")
HEADS = ("head_0_ibc", "head_1_ibc", "head_2_ibc")
SEPARABLE = ("enc0_0", "enc0_1", "enc0_2", "enc0_3", "dec0_3", "dec0_2", "dec0_1", "dec0_0")


def read_weights(h5: bytes) -> Weights:
    """Weights by the layer names of the original; Keras numbers its layers in the order of the graph."""
    layers = h5py.File(io.BytesIO(h5), "r")["layers"]

    def get(kind: str, index: int) -> list[Array]:
        group = layers[kind if index == 0 else f"{kind}_{index}"]["vars"]
        return [np.asarray(group[str(i)], np.float64) for i in range(len(group))]

    names = ["stem0_conv", "stem0_dilated_conv", "stem1_conv", "stem1_dilated_conv"]
    names += ["attention_conv_d1", "attention_conv_d3", "attention_conv_d6", "attention_s"]
    names += [f"{block}_conv_{part}" for block in BOTTLENECKS for part in ("exp", "red", "adj")]
    names += [
        "head_0_ibc_conv_exp", "head_0_ibc_conv_red", "head_1_ibc_conv_exp", "head_0_ibc_conv_adj",
        "head_1_ibc_conv_red", "head_2_ibc_conv_exp", "head_2_ibc_conv_red", "head_1_ibc_conv_adj", "head_0_conv1",
        "head_2_ibc_conv_adj", "head_0_conv2", "head_1_conv1", "head_conv_pos", "head_2_conv1", "head_1_conv2", "nms",
        "head_conv_dir", "head_2_conv2", "head_conv_typ",
    ]  # fmt: skip
    weights: Weights = {}
    for index, name in enumerate(names):
        kernel, *bias = get("conv2d", index)
        weights[name] = [kernel.transpose(3, 2, 0, 1), *bias]
    for index, name in enumerate((*BOTTLENECKS, *HEADS)):
        weights[f"{name}_dw"] = [get("depthwise_conv2d", index)[0].transpose(2, 3, 0, 1)]
    norms = ("stem0", *SEPARABLE, "stem1", *BOTTLENECKS, *HEADS, "head_0", "head_1", "head_2")
    for index, name in enumerate(norms):
        weights[f"{name}_ln"] = get("layer_normalization", index)
    for index, name in enumerate(SEPARABLE):
        depth, point, bias = get("separable_conv2d", index)
        weights[f"{name}_sepdw"] = [depth.transpose(2, 3, 0, 1)]
        weights[f"{name}_seppw"] = [point.transpose(3, 2, 0, 1), bias]
    return weights


def read_distilled(path: Path) -> Weights:
    """The refitted weights: every array of the network, named ``layer.index``."""
    data = path.read_bytes()
    if sha256(data) != DISTILLED_SHA256:
        print(f"{path.name}: SHA-256 {sha256(data)} is not the pinned one")
    weights: Weights = {}
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        for name in sorted(arrays.files):
            layer, index = name.rsplit(".", 1)
            held = weights.setdefault(layer, [])
            if int(index) != len(held):
                raise SystemExit(f"{path.name}: {name} is out of order")
            held.append(arrays[name].astype(np.float64))
    return weights


def _padded(array: Array, size: int, axis: int) -> Array:
    pad = [(0, 0)] * array.ndim
    pad[axis] = (0, size - array.shape[axis])
    return np.pad(array, pad)


def _spread(array: Array, axis: int, parts: tuple[tuple[int, int], ...]) -> Array:
    """Cuts an axis into parts of (length, padded length)."""
    cuts = np.cumsum([length for length, _ in parts])[:-1]
    pieces = np.split(array, cuts, axis)
    return np.concatenate([_padded(p, size, axis) for p, (_, size) in zip(pieces, parts, strict=True)], axis)


def pad_channels(weights: Weights) -> dict[str, int]:
    """Pads odd channel counts to multiples of eight, in place; returns the true count behind every layer norm."""
    real = {name: weights[f"{name}_dw"][0].shape[0] for name in (*BOTTLENECKS, *HEADS)}
    chain = {"dec1_3": ("dec1_2",), "dec1_2": ("dec1_1",), "dec1_1": ("dec1_0",), "dec1_0": HEADS}
    for block, users in chain.items():
        kernel, bias = weights[f"{block}_conv_adj"]
        out, wide = len(bias), -len(bias) // 8 * -8
        weights[f"{block}_conv_adj"] = [_padded(kernel, wide, 0), _padded(bias, wide, 0)]
        if f"{block}_fit2" in weights:
            weights[f"{block}_fit2"] = [_padded(weights[f"{block}_fit2"][0], wide, 0)]
        for user in users:
            parts = ((out, wide), (real[user] - out, real[user] - out))
            weights[f"{user}_dw"] = [_spread(weights[f"{user}_dw"][0], 0, parts)]
            weights[f"{user}_ln"] = [_spread(v, 0, parts) for v in weights[f"{user}_ln"]]
            for layer, axis in (("conv_exp", 1), ("conv_adj", 1), ("fit1", 1)):
                if f"{user}_{layer}" in weights:
                    kernel, *bias1 = weights[f"{user}_{layer}"]
                    weights[f"{user}_{layer}"] = [_spread(kernel, axis, parts), *bias1]
            if f"{user}_conv_red" in weights:
                kernel, bias = weights[f"{user}_conv_red"]
                weights[f"{user}_conv_red"] = [_spread(kernel, 0, parts), _spread(bias, 0, parts)]
    return real


class Graph:
    """Writes the network node by node."""

    def __init__(self, weights: Weights, *, rectified: bool = False) -> None:
        """Takes the weights; ``rectified`` where stems and context were refitted with rectifiers."""
        self.weights, self.rectified = weights, rectified
        self.real = pad_channels(weights)
        self.nodes: list[Any] = []
        self.constants: dict[bytes, tuple[str, Any]] = {}

    def constant(self, value: Any, kind: Any = np.float32) -> str:
        array = np.ascontiguousarray(value, kind)
        key = repr((array.shape, array.dtype.str)).encode() + array.tobytes()
        if key not in self.constants:
            name = f"c{len(self.constants)}"
            self.constants[key] = (name, numpy_helper.from_array(array, name))
        return self.constants[key][0]

    def ints(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def node(self, kind: str, *inputs: str, count: int = 1, **attributes: Any) -> Any:
        number = len(self.nodes)
        names = [f"n{number}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=f"{kind}_{number}", **attributes))
        return names[0] if count == 1 else names

    def conv(self, x: str, kernel: Array, bias: Array | None = None, *, dilation: int = 1, groups: int = 1,
             padded: bool = True) -> str:  # fmt: skip
        side = kernel.shape[2]
        pad = dilation * (side // 2) if padded else 0
        inputs = [x, self.constant(kernel)] + ([] if bias is None else [self.constant(bias)])
        return str(self.node("Conv", *inputs, pads=[pad] * 4, dilations=[dilation] * 2, group=groups,
                             kernel_shape=[side, side]))  # fmt: skip

    def gelu(self, x: str) -> str:
        return str(self.node("Gelu", x))

    def weighed_sum(self, x: str, weight: Array) -> str:
        """Weighted sum over the channels, one channel out."""
        flat = self.node("Reshape", x, self.ints(0, 0, -1))
        rows = self.node("MatMul", self.constant(weight.reshape(1, -1)), flat)
        shape = self.node("Concat", self.ints(-1, 1), self.node("Shape", x, start=2), axis=0)
        return str(self.node("Reshape", rows, shape))

    def inverse_root(self, variance: str) -> str:
        return str(self.node("Reciprocal", self.node("Sqrt", self.node("Add", variance, self.constant(1e-3)))))

    def norm(self, x: str, gain: Array, shift: Array) -> str:
        """Layer norm of what is centred and scaled by the gain already."""
        root = self.inverse_root(self.weighed_sum(self.node("Mul", x, x), 1 / (gain * gain * len(gain))))
        return str(self.node("Add", self.node("Mul", x, root), self.constant(shift.reshape(1, -1, 1, 1))))

    @staticmethod
    def centred(kernel: Array, bias: Array, gain: Array) -> tuple[Array, Array]:
        """A convolution whose output is centred over the channels and scaled by the gain."""
        return (kernel - kernel.mean(0)) * gain.reshape(-1, 1, 1, 1), (bias - bias.mean()) * gain

    def pool(self, x: str, largest: bool) -> str:
        return str(self.node("MaxPool" if largest else "AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]))

    def stem(self, name: str, image: str, largest: bool) -> str:
        near, near_bias = self.weights[f"{name}_conv"]
        far, far_bias = self.weights[f"{name}_dilated_conv"]
        gain, shift = self.weights[f"{name}_ln"]
        half = len(near_bias)
        kernel = np.zeros((2 * half, 1, 9, 9))
        kernel[:half, :, 2:7, 2:7] = near
        kernel[half:, :, ::2, ::2] = far
        centred = self.centred(kernel, np.concatenate([near_bias, far_bias]), gain)
        normal = self.norm(self.conv(image, *centred), gain, shift)
        if not self.rectified:
            return self.pool(self.gelu(normal), largest)
        if largest:  # a rectifier may follow the largest value
            return str(self.node("Relu", self.pool(normal, True)))
        return self.pool(str(self.node("Relu", normal)), False)

    def separable(self, name: str, x: str) -> str:
        (depth,), (point, bias), (gain, shift) = (self.weights[f"{name}_{k}"] for k in ("sepdw", "seppw", "ln"))
        spread = self.conv(x, depth, groups=len(depth))
        return self.gelu(self.norm(self.conv(spread, *self.centred(point, bias, gain)), gain, shift))

    def halve(self, x: str, channels: int) -> str:
        first, second = self.node("Split", x, self.ints(channels // 2, channels // 2), count=2, axis=1)
        return str(self.node("Concat", self.pool(first, True), self.pool(second, False), axis=1))

    def double(self, x: str, skip: str) -> str:
        big = self.node("Resize", x, "", self.constant([1, 1, 2, 2]), mode="nearest",
                        coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
        return str(self.node("Concat", big, skip, axis=1))

    def hidden(self, name: str, x: str, *, padded: bool = True) -> str:
        """Depthwise convolution, layer norm, expansion and activation of a bottleneck."""
        (depth,), (gain, shift), channels = self.weights[f"{name}_dw"], self.weights[f"{name}_ln"], self.real[name]
        refitted = f"{name}_fit1" in self.weights
        kernel, bias = self.weights[f"{name}_fit1" if refitted else f"{name}_conv_exp"]
        spread = self.conv(x, depth, groups=len(depth), padded=padded)
        even = np.full(len(depth), 1 / channels)
        mean = self.weighed_sum(spread, even)
        variance = self.node("Sub", self.weighed_sum(self.node("Mul", spread, spread), even),
                             self.node("Mul", mean, mean))  # fmt: skip
        scaled = self.node("Mul", spread, self.inverse_root(variance))
        flat = kernel[:, :, 0, 0]
        matrix = flat * gain
        matrix = matrix - matrix.sum(1, keepdims=True) / channels
        expanded = self.conv(scaled, matrix[:, :, None, None], flat @ shift + bias)
        return str(self.node("Relu", expanded)) if refitted else self.gelu(expanded)

    def bottleneck(self, name: str, x: str, *, around: str | None = None, parts: int = 1) -> list[str]:
        """The block, its output channels in ``parts``; ``around`` is the middle of x where x is an unpadded patch."""
        inner = self.hidden(name, x, padded=around is None)
        x = around or x
        adjust, adjust_bias = self.weights[f"{name}_conv_adj"]
        if f"{name}_fit2" in self.weights:
            (direct,), bias = self.weights[f"{name}_fit2"], adjust_bias
        else:
            reduce, reduce_bias = self.weights[f"{name}_conv_red"]
            flat = adjust[:, :, 0, 0]
            direct, bias = (flat @ reduce[:, :, 0, 0])[:, :, None, None], flat @ reduce_bias + adjust_bias
            if direct.size + adjust.size > reduce.size + adjust.size:
                x = str(self.node("Add", self.conv(inner, reduce, reduce_bias), x))
                cuts = np.split(np.arange(len(adjust)), parts)
                return [self.conv(x, adjust[cut], adjust_bias[cut]) for cut in cuts]
        cuts = np.split(np.arange(len(adjust)), parts)
        return [str(self.node("Add", self.conv(inner, direct[c]), self.conv(x, adjust[c], bias[c]))) for c in cuts]

    @staticmethod
    def phases(kernel: Array) -> Array:
        """A 5 × 5 kernel on a doubled picture as 3 × 3 kernels, ``(out, 2, 2, in, 3, 3)`` by the pixel's parity."""
        taps = {0: (0, 0, 1, 1, 2), 1: (0, 1, 1, 2, 2)}
        result = np.zeros((len(kernel), 2, 2, kernel.shape[1], 3, 3))
        for row in (0, 1):
            for column in (0, 1):
                for i in range(5):
                    for j in range(5):
                        result[:, row, column, :, taps[row][i], taps[column][j]] += kernel[:, :, i, j]
        return result

    def head(self, number: int, y: str) -> str:
        gain, shift = self.weights[f"head_{number}_ln"]
        y = self.norm(self.conv(y, *self.centred(*self.weights[f"head_{number}_conv1"], gain)), gain, shift)
        return self.gelu(self.conv(y, *self.weights[f"head_{number}_conv2"]))

    def features(self, image: str) -> str:
        """The 56 channels at half resolution that all heads share."""
        x, fine = self.stem("stem0", image, True), self.stem("stem1", image, False)
        skips = []
        for i, width in enumerate((16, 32, 64, 128)):
            skips.append(self.separable(f"enc0_{i}", x))
            x = self.halve(skips[-1], width)
        for i in (3, 2, 1, 0):
            x = self.double(self.separable(f"dec0_{i}", x), skips[i])
        context = [self.conv(x, *self.weights[f"attention_conv_d{d}"], dilation=d) for d in (1, 3, 6)]
        context = [str(self.node("Relu", y)) if self.rectified else self.gelu(y) for y in context]
        gate = self.node("Sigmoid", self.conv(self.node("Concat", *context, axis=1), *self.weights["attention_s"]))
        x = self.node("Concat", self.node("Mul", x, gate), fine, axis=1)
        skips = []
        for i in range(4):
            first, second = self.bottleneck(f"enc1_{i}", x, parts=2)
            skips.append(self.node("Concat", first, second, axis=1))
            x = self.node("Concat", self.pool(first, True), self.pool(second, False), axis=1)
        for i in (3, 2, 1, 0):
            (x,) = self.bottleneck(f"dec1_{i}", x)
            x = self.double(x, skips[i])
        return str(x)

    def patches(self, x: str, rows: str, columns: str, width: str) -> str:
        """9 × 9 patches of the features around half-resolution places."""
        channels = sum(len(self.weights[k][1]) for k in ("dec1_0_conv_adj", "enc1_0_conv_adj"))
        wide = self.node("Pad", x, self.ints(0, 0, 4, 4, 0, 0, 4, 4))
        lines = self.node("Reshape", self.node("Transpose", wide, perm=[0, 2, 3, 1]), self.ints(-1, channels))
        step = self.node("Add", width, self.ints(8))
        cube = self.ints(-1, 1, 1)
        down = self.node(
            "Add", self.node("Reshape", rows, cube), self.constant(np.arange(9).reshape(1, 9, 1), np.int64)
        )
        over = self.node(
            "Add", self.node("Reshape", columns, cube), self.constant(np.arange(9).reshape(1, 1, 9), np.int64)
        )
        index = self.node("Add", self.node("Mul", down, step), over)
        return str(self.node("Transpose", self.node("Gather", lines, index, axis=0), perm=[0, 3, 1, 2]))

    def build(self) -> Any:
        x = self.features("image")
        kernel, bias = self.weights["head_conv_pos"]
        (y,) = self.bottleneck("head_0_ibc", x)
        spots = self.conv(self.head(0, y), self.phases(kernel)[0].reshape(4, -1, 3, 3), np.repeat(bias, 4))
        likely = self.node("Sigmoid", self.node("DepthToSpace", spots, blocksize=2))
        soft = self.conv(likely, self.weights["nms"][0])
        peak = self.node("Equal", self.node("MaxPool", soft, kernel_shape=[7, 7], pads=[3] * 4, strides=[1, 1]), soft)
        scores = self.node(
            "Reshape", self.node("Mul", soft, self.node("Cast", peak, to=TensorProto.FLOAT)), self.ints(-1)
        )
        found = self.node("Cast", self.node("GreaterOrEqual", scores, "threshold"), to=TensorProto.INT64)
        count = self.node("Min", self.node("ReduceSum", found, keepdims=1), self.ints(MAX_MINUTIAE))
        best, place = self.node("TopK", scores, self.node("Max", count, self.ints(1)), count=2, axis=0)
        _, width = self.node("Split", self.node("Shape", "image", start=2), self.ints(1, 1), count=2, axis=0)
        row, column, two = self.node("Div", place, width), self.node("Mod", place, width), self.ints(2)
        patch = self.patches(x, self.node("Div", row, two), self.node("Div", column, two), self.node("Div", width, two))
        middle = self.node("Slice", patch, self.ints(3, 3), self.ints(6, 6), self.ints(2, 3))
        odd = self.node("Add", self.node("Mul", self.node("Mod", row, two), two), self.node("Mod", column, two))
        odd = self.node("Reshape", odd, self.ints(-1, 1))
        outputs = []
        for number, name in ((1, "head_conv_dir"), (2, "head_conv_typ")):
            (y,) = self.bottleneck(f"head_{number}_ibc", patch, around=middle)
            kernel, bias = self.weights[name]
            size = len(kernel)
            four = self.phases(kernel).reshape(size, 4, -1, 3, 3).swapaxes(0, 1).reshape(4 * size, -1, 3, 3)
            y = self.conv(self.head(number, y), four, np.tile(bias, 4), padded=False)
            outputs.append(self.node("GatherND", self.node("Reshape", y, self.ints(-1, 4, size)), odd, batch_dims=1))

        def flat(name: str) -> str:
            return str(self.node("Cast", self.node("Reshape", name, self.ints(-1, 1)), to=TensorProto.FLOAT))

        parts = [flat(column), flat(row), outputs[0], self.node("Sigmoid", outputs[1]), flat(best)]
        self.nodes.append(helper.make_node("Concat", parts, ["minutiae"], name="minutiae", axis=1))
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, "height", "width"])
        threshold = helper.make_tensor_value_info("threshold", TensorProto.FLOAT, [1])
        result = helper.make_tensor_value_info("minutiae", TensorProto.FLOAT, ["count", 6])
        tensors = [tensor for _, tensor in self.constants.values()]
        graph = helper.make_graph(self.nodes, "leader", [image, threshold], [result], tensors)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9, producer_name="idverify"
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def build(h5: bytes, distilled: Path | None) -> bytes:
    weights = read_weights(h5)
    if distilled is not None:
        weights |= read_distilled(distilled)
    return bytes(Graph(weights, rectified=distilled is not None).build().SerializeToString(deterministic=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "files")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--exact", action="store_true", help="the original's function, as leader-exact.onnx")
    other.add_argument("--distilled", type=Path, metavar="FILE.npz", help="of leader_distil.py, as FILE.onnx")
    args = parser.parse_args()
    h5 = fetch(SOURCE, wheel=args.wheel)
    if args.exact:
        (args.out / "leader-exact.onnx").write_bytes(build(h5, None))
    elif args.distilled is not None:
        (args.out / f"{args.distilled.stem}.onnx").write_bytes(build(h5, args.distilled))
    else:
        write(args.out / FILE, build(h5, DISTILLED), SHA256)


if __name__ == "__main__":
    main()
