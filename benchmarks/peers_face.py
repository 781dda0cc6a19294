"""The face chain beside what one would build with OpenCV alone, in one run: same pictures, same networks, one thread.

Run as ``python -m benchmarks.peers_face --float lightcnn-v4-fp32.onnx``; the float network is written by
``python models/recipes/lightcnn_v4.py fp32 --to lightcnn-v4-fp32.onnx``. OpenCV's DNN module cannot load the integer
graph, whose nodes are onnxruntime's own, so it gets the float network that the integer one was made from.

One verification: find the face in a live frame of 640 x 480 and in a portrait of 240 x 320 (both decoded), align, two
embeddings, cosine. Rows are run in turns, so that a busy machine is unjust to all alike; times are of the processor.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from idverify.biometric import Image, as_image, decode_image, default_registry
from idverify.biometric.face import ARCFACE_TEMPLATE, CaptureKind, FaceMatcher, similarity_transform

PICTURES = Path(__file__).resolve().parents[1] / "src" / "idverify" / "emulator" / "pictures"
SIDE = 128


def pictures() -> tuple[Image, Image]:
    """A live frame and a portrait."""
    upright = decode_image((PICTURES / "live.jpg").read_bytes())
    frame = np.full((480, 640, 3), 120, np.uint8)
    frame[:, 140:500] = cv2.resize(upright, (360, 480), interpolation=cv2.INTER_AREA)
    portrait = cv2.resize(
        decode_image((PICTURES / "portrait.jpg").read_bytes()), (240, 320), interpolation=cv2.INTER_AREA
    )
    return as_image(frame), as_image(portrait)


def ours(frame: Image, portrait: Image) -> Callable[[], float]:
    matcher = FaceMatcher(threads=1)
    matcher.warm_up()

    def run() -> float:
        chip = matcher.template(portrait, kind=CaptureKind.PORTRAIT)
        return matcher.compare(matcher.template(frame), chip).value

    return run


def ours_cached(frame: Image, portrait: Image) -> Callable[[], float]:
    matcher = FaceMatcher(threads=1)
    chip = matcher.template(portrait, kind=CaptureKind.PORTRAIT)
    return lambda: matcher.compare(matcher.template(frame), chip).value


def opencv_detector(size: tuple[int, int]) -> Any:
    path = str(default_registry().path("yunet-2023mar"))
    return cv2.FaceDetectorYN.create(path, "", size, 0.6, 0.3, 5000)


def opencv_crop(detector: Any, image: np.ndarray) -> np.ndarray:
    detector.setInputSize((image.shape[1], image.shape[0]))
    _, faces = detector.detect(image)
    marks = max(faces, key=lambda f: f[2] * f[3])[4:14].reshape(5, 2)
    matrix = similarity_transform(marks, ARCFACE_TEMPLATE * SIDE / 112)
    return cv2.warpAffine(image, matrix, (SIDE, SIDE))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a.ravel() @ b.ravel() / np.linalg.norm(a) / np.linalg.norm(b))


def opencv_dnn(frame: Image, portrait: Image, network: Path) -> Callable[[], float]:
    detector, net = opencv_detector((640, 480)), cv2.dnn.readNet(str(network))
    live, chip = np.ascontiguousarray(frame[:, :, ::-1]), np.ascontiguousarray(portrait[:, :, ::-1])

    def embed(image: np.ndarray) -> np.ndarray:
        net.setInput(cv2.dnn.blobFromImage(opencv_crop(detector, image), 1 / 255))
        return np.array(net.forward())

    return lambda: cosine(embed(live), embed(chip))


def opencv_and_onnxruntime(frame: Image, portrait: Image, network: Path) -> Callable[[], float]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
    detector = opencv_detector((640, 480))
    live, chip = np.ascontiguousarray(frame[:, :, ::-1]), np.ascontiguousarray(portrait[:, :, ::-1])

    def embed(image: np.ndarray) -> np.ndarray:
        blob = cv2.dnn.blobFromImage(opencv_crop(detector, image), 1 / 255)
        return np.asarray(session.run(None, {"image": blob})[0])

    return lambda: cosine(embed(live), embed(chip))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--float", type=Path, required=True, dest="network")
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    frame, portrait = pictures()
    rows = {
        "idverify": ours(frame, portrait),
        "idverify, portrait's template kept": ours_cached(frame, portrait),
        "OpenCV FaceDetectorYN + DNN (float)": opencv_dnn(frame, portrait, args.network),
        "OpenCV FaceDetectorYN + onnxruntime (float)": opencv_and_onnxruntime(frame, portrait, args.network),
    }
    times: dict[str, list[float]] = {name: [] for name in rows}
    scores = {name: run() for name, run in rows.items()}
    for _ in range(args.rounds):
        for name, run in rows.items():
            start = time.process_time()
            run()
            times[name].append((time.process_time() - start) * 1000)
    print("| pipeline | ms of processor time, median | least | verifications a second and core | score |")
    print("|---|---|---|---|---|")
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"| {name} | {middle:.1f} | {min(values):.1f} | {1000 / middle:.1f} | {scores[name]:.3f} |")
    print(f"\npeak memory of all together: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
