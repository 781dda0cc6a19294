"""The face chain beside what one would take instead, in one run: same pictures, same networks, one thread.

    python models/recipes/lightcnn_v4.py fp32 --to lightcnn-v4-fp32.onnx
    python -m benchmarks.peers_face --float lightcnn-v4-fp32.onnx

One verification: find the face in a live frame of 640 x 480 and in a portrait of 240 x 320 (both decoded), align, make
two templates, compare. Rows are run in turns, so that a busy machine is unjust to all alike; times are of the
processor. ``--memory`` measures each row's peak in a process of its own, ``--cores 2`` runs two verifications at once.

The peers get the same weights: YuNet by OpenCV's FaceDetectorYN, since neither insightface nor uniface has a detector
class for it, and LightCNN in their own alignment and recognition classes. What they can load is the float network; the
rows that say "integer graph" put a shim before ours that turns their float blobs into bytes. face_recognition (dlib)
has weights of its own, and other accuracy. insightface, uniface and face_recognition are optional: a row whose package
is missing is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from idverify.biometric import Image, as_image, decode_image, default_registry
from idverify.biometric.face import ARCFACE_TEMPLATE, CaptureKind, FaceMatcher, similarity_transform

PICTURES = Path(__file__).resolve().parents[1] / "src" / "idverify" / "emulator" / "pictures"
SIDE = 128

Embed = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A BGR picture and five landmarks to a vector."""
Work = Callable[[], float]


def pictures() -> tuple[Image, Image]:
    """A live frame and a portrait."""
    upright = decode_image((PICTURES / "live.jpg").read_bytes())
    frame = np.full((480, 640, 3), 120, np.uint8)
    frame[:, 140:500] = cv2.resize(upright, (360, 480), interpolation=cv2.INTER_AREA)
    portrait = cv2.resize(
        decode_image((PICTURES / "portrait.jpg").read_bytes()), (240, 320), interpolation=cv2.INTER_AREA
    )
    return as_image(frame), as_image(portrait)


def ours(frame: Image, portrait: Image, *, kept: bool = False, mirror: bool = True) -> Work:
    matcher = FaceMatcher(threads=1, **({} if mirror else {"mirror": ()}))
    chip = matcher.template(portrait, kind=CaptureKind.PORTRAIT) if kept else None

    def run() -> float:
        reference = chip if chip is not None else matcher.template(portrait, kind=CaptureKind.PORTRAIT)
        return matcher.compare(matcher.template(frame), reference).value

    return run


def with_opencv_detector(frame: Image, portrait: Image, embed: Embed) -> Work:
    path = str(default_registry().path("yunet-2023mar"))
    detector = cv2.FaceDetectorYN.create(path, "", (640, 480), 0.6, 0.3, 5000)
    live, chip = np.ascontiguousarray(frame[:, :, ::-1]), np.ascontiguousarray(portrait[:, :, ::-1])

    def template(image: np.ndarray) -> np.ndarray:
        detector.setInputSize((image.shape[1], image.shape[0]))
        _, faces = detector.detect(image)
        return embed(image, max(faces, key=lambda f: f[2] * f[3])[4:14].reshape(5, 2))

    return lambda: cosine(template(live), template(chip))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a.ravel() @ b.ravel() / np.linalg.norm(a) / np.linalg.norm(b))


def crop(image: np.ndarray, marks: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(image, similarity_transform(marks, ARCFACE_TEMPLATE * SIDE / 112), (SIDE, SIDE))


def session(network: Path) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])


class AsBytes:
    """Our integer graph behind the face of a float network: BGR / 255 in NCHW is made RGB bytes in NHWC."""

    def __init__(self) -> None:
        self.inner = session(default_registry().path("lightcnn-v4-int8"))

    def run(self, names: object, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        (blob,) = inputs.values()
        pixels = np.rint(blob[:, ::-1].transpose(0, 2, 3, 1) * 255).astype(np.uint8)
        found: list[np.ndarray] = self.inner.run(None, {"image": np.ascontiguousarray(pixels)})
        return found


def opencv_dnn(network: Path) -> Embed:
    net = cv2.dnn.readNet(str(network))

    def embed(image: np.ndarray, marks: np.ndarray) -> np.ndarray:
        net.setInput(cv2.dnn.blobFromImage(crop(image, marks), 1 / 255))
        return np.array(net.forward())

    return embed


def opencv_and_onnxruntime(network: Path) -> Embed:
    inner = session(network)
    return lambda image, marks: np.asarray(
        inner.run(None, {"image": cv2.dnn.blobFromImage(crop(image, marks), 1 / 255)})[0]
    )


def insightface(network: Path, runtime: Any) -> Embed:
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX
    from insightface.utils import face_align

    recogniser = ArcFaceONNX(str(network), session=session(network))
    recogniser.input_mean, recogniser.input_std = 0.0, 255.0
    recogniser.session = runtime
    # its blobs swap the channels, the network wants BGR: RGB in
    return lambda image, marks: np.asarray(
        recogniser.get_feat(face_align.norm_crop(image[:, :, ::-1].copy(), marks, image_size=SIDE))
    )


def uniface(network: Path, runtime: Any) -> Embed:
    from uniface.recognition.base import BaseRecognizer, PreprocessConfig

    class Recogniser(BaseRecognizer):
        def __init__(self) -> None:
            config = PreprocessConfig(input_mean=0.0, input_std=255.0, input_size=(SIDE, SIDE))
            super().__init__(model_path=str(network), preprocessing=config, providers=["CPUExecutionProvider"])

    recogniser = Recogniser()
    recogniser.session = runtime
    return lambda image, marks: np.asarray(recogniser.get_embedding(image[:, :, ::-1].copy(), marks))


def dlib(frame: Image, portrait: Image) -> Work:
    import face_recognition

    def run() -> float:
        a, b = (face_recognition.face_encodings(image)[0] for image in (frame, portrait))
        return float(1 - np.linalg.norm(a - b))

    return run


def rows(network: Path) -> dict[str, tuple[str, Callable[[], Work]]]:
    """For each row the package that it needs, and what makes it."""
    frame, portrait = pictures()
    found: dict[str, tuple[str, Callable[[], Work]]] = {
        "idverify": ("", lambda: ours(frame, portrait)),
        "idverify, portraits not mirrored": ("", lambda: ours(frame, portrait, mirror=False)),
        "idverify, portrait's template kept": ("", lambda: ours(frame, portrait, kept=True)),
    }
    for name, package, make in (
        ("OpenCV FaceDetectorYN + DNN, float", "", lambda: opencv_dnn(network)),
        ("OpenCV FaceDetectorYN + onnxruntime, float", "", lambda: opencv_and_onnxruntime(network)),
        ("insightface, float", "insightface", lambda: insightface(network, session(network))),
        ("insightface, integer graph", "insightface", lambda: insightface(network, AsBytes())),
        ("uniface, float", "uniface", lambda: uniface(network, session(network))),
        ("uniface, integer graph", "uniface", lambda: uniface(network, AsBytes())),
    ):
        found[name] = package, lambda make=make: with_opencv_detector(frame, portrait, make())  # type: ignore[misc]
    found["face_recognition (dlib), weights of its own"] = "face_recognition", lambda: dlib(frame, portrait)
    return {n: row for n, row in found.items() if not row[0] or importlib.util.find_spec(row[0])}


def peak_mb() -> float:
    """Largest resident size of this process since it was started; getrusage would count its parent's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def peaks(network: Path, names: list[str]) -> dict[str, float]:
    """Peak memory of each row in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.peers_face", "--float", str(network), "--only"]
    return {
        n: float(subprocess.run([*command, n], check=True, capture_output=True, text=True).stdout.split()[-1])
        for n in names
    }


def measure(runs: Mapping[str, list[Work]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of processor time a verification, by row; a row of two runs both at once, on two threads."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    with ThreadPoolExecutor(max(map(len, runs.values()))) as pool:
        for _ in range(rounds):
            for name, works in runs.items():
                start = time.process_time()
                for future in [pool.submit(work) for work in works]:
                    future.result()
                times[name].append((time.process_time() - start) * 1000 / len(works))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--float", type=Path, required=True, dest="network")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cores", type=int, default=1, help="verifications at the same time")
    parser.add_argument("--memory", action="store_true", help="peak memory of each row, in a process of its own")
    parser.add_argument("--only", help="run one row a few times and print this process's peak memory")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    made = rows(args.network)
    if args.only:
        work = made[args.only][1]()
        for _ in range(3):
            work()
        print(f"{peak_mb():.0f}")
        return
    runs = {name: [make() for _ in range(args.cores)] for name, (_, make) in made.items()}
    scores = {name: works[0]() for name, works in runs.items()}
    times = measure(runs, args.rounds)
    memory = peaks(args.network, list(made)) if args.memory else {}
    print(f"| pipeline | ms of processor time, median | least | a second on {args.cores} core(s) | score | peak MB |")
    print("|---|---|---|---|---|---|")
    for name, values in times.items():
        middle, peak = statistics.median(values), f"{memory[name]:.0f}" if name in memory else ""
        rate = args.cores * 1000 / middle
        print(f"| {name} | {middle:.1f} | {min(values):.1f} | {rate:.1f} | {scores[name]:.3f} | {peak} |")


if __name__ == "__main__":
    main()
