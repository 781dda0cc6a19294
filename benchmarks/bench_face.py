"""The face chain and its stages, on one thread.

    pytest benchmarks/bench_face.py --benchmark-enable --benchmark-json=face.json

`chain` is what a counter does for one person: decode the chip's portrait and a live frame of 640 × 480, find, align,
measure and embed both, compare. `extra_info.cpu_ms` holds the processor time; the clock of a shared machine lies.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from idverify.biometric import (
    CHIP_FORMATS,
    Image,
    as_image,
    decode_image,
    default_registry,
    encode_jpeg,
    encode_jpeg2000,
)
from idverify.biometric.face import CaptureKind, FaceDetector, FaceMatcher, align_face, assess, main_face

PICTURES = Path(__file__).resolve().parents[1] / "src" / "idverify" / "emulator" / "pictures"


@pytest.fixture(scope="module", autouse=True)
def one_core() -> Any:
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


@pytest.fixture(scope="module")
def matcher() -> FaceMatcher:
    found = FaceMatcher(threads=1)
    found.warm_up()
    return found


@pytest.fixture(scope="module")
def frame() -> bytes:
    """A landscape frame as a counter's camera gives it: 640 × 480, the face 140 pixels wide."""
    upright = decode_image((PICTURES / "live.jpg").read_bytes())
    canvas = np.full((480, 640, 3), 120, np.uint8)
    canvas[:, 140:500] = cv2.resize(upright, (360, 480), interpolation=cv2.INTER_AREA)
    return encode_jpeg(as_image(canvas), quality=90)


@pytest.fixture(scope="module")
def portrait() -> bytes:
    """A DG2-like portrait: 240 × 320, grey, JPEG 2000 of 15 KB."""
    upright = decode_image((PICTURES / "portrait.jpg").read_bytes())
    small = cv2.cvtColor(cv2.resize(upright, (240, 320), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return encode_jpeg2000(as_image(small), max_bytes=15_000)


def measure(benchmark: Any, work: Callable[[], object]) -> None:
    work()
    start = time.process_time()
    for _ in range(10):
        work()
    benchmark.extra_info["cpu_ms"] = round((time.process_time() - start) * 100, 2)
    benchmark.pedantic(work, rounds=15, iterations=1, warmup_rounds=2)


def test_chain(benchmark: Any, matcher: FaceMatcher, frame: bytes, portrait: bytes) -> None:
    def work() -> float:
        live = matcher.template(decode_image(frame))
        chip = matcher.template(decode_image(portrait, formats=CHIP_FORMATS), kind=CaptureKind.PORTRAIT)
        return matcher.compare(live, chip).value

    assert work() > matcher.threshold(1e-4)
    measure(benchmark, work)


def test_decode_frame(benchmark: Any, frame: bytes) -> None:
    measure(benchmark, lambda: decode_image(frame))


def test_decode_portrait(benchmark: Any, portrait: bytes) -> None:
    measure(benchmark, lambda: decode_image(portrait))


@pytest.mark.parametrize("which", ["frame", "portrait"])
def test_detect(benchmark: Any, matcher: FaceMatcher, request: pytest.FixtureRequest, which: str) -> None:
    image: Image = decode_image(request.getfixturevalue(which))
    measure(benchmark, lambda: matcher.detect(image))


@pytest.mark.parametrize("size", [(640, 480), (1280, 960), (2048, 1536)])
def test_inspect(benchmark: Any, matcher: FaceMatcher, frame: bytes, size: tuple[int, int]) -> None:
    """All that a frame costs before its embedding, by the size of the camera's picture."""
    image = as_image(cv2.resize(decode_image(frame), size, interpolation=cv2.INTER_LINEAR))
    measure(benchmark, lambda: matcher.inspect(image))


def test_straighten(benchmark: Any, matcher: FaceMatcher, frame: bytes) -> None:
    """The second look at a live face."""
    image, detector = decode_image(frame), FaceDetector(default_registry().session("yunet-2023mar", threads=1))
    face = main_face(detector.detect(image), image)
    measure(benchmark, lambda: detector.straighten(image, face))


@pytest.mark.parametrize("which", ["frame", "portrait", "3 megapixels"])
def test_quality(benchmark: Any, matcher: FaceMatcher, frame: bytes, portrait: bytes, which: str) -> None:
    image = decode_image(portrait if which == "portrait" else frame)
    if which == "3 megapixels":
        image = as_image(cv2.resize(image, (2048, 1536), interpolation=cv2.INTER_LINEAR))
    view = matcher.inspect(image)
    measure(benchmark, lambda: assess(image, view.face, view.crop))


def test_align(benchmark: Any, matcher: FaceMatcher, frame: bytes) -> None:
    image = decode_image(frame)
    landmarks = main_face(matcher.detect(image), image).landmarks
    measure(benchmark, lambda: align_face(image, landmarks, side=128))


def test_template(benchmark: Any, matcher: FaceMatcher, frame: bytes) -> None:
    image = decode_image(frame)
    measure(benchmark, lambda: matcher.template(image))


def test_compare(benchmark: Any, matcher: FaceMatcher, frame: bytes) -> None:
    template = matcher.template(decode_image(frame))
    measure(benchmark, lambda: matcher.compare(template, template))
