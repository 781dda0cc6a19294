"""Sixty-four counters at once: inferences, threads and memory of decoders stay within the process's limits."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from idverify import limits
from idverify.biometric import ModelRegistry, as_image, encode_jpeg, encode_jpeg2000, encode_png
from idverify.biometric.codecs import probe_image, working_bytes
from idverify.biometric.face import FaceMatcher, PassivePad
from tests.unit.biometric.pictures import picture

COUNTERS = 64


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = limits.get_limits()
    yield
    limits.set_limits(threads=before.threads, decoding=before.decoding)
    assert limits.usage() == limits.Usage(threads=0, decoding=0, waiting=0)


class Watched:
    """onnxruntime that counts threads at work, of all sessions together."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.most, self.runs, self._lock = 0, 0, 0, threading.Lock()
        made, watched = ort.InferenceSession, self

        class Session:
            def __init__(self, model: bytes, options: Any, providers: list[str]) -> None:
                self.inner, self.threads = made(model, options, providers=providers), options.intra_op_num_threads

            def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
                with watched._lock:
                    watched.now += self.threads
                    watched.most, watched.runs = max(watched.most, watched.now), watched.runs + 1
                time.sleep(0.001)
                try:
                    return self.inner.run(names, inputs)
                finally:
                    with watched._lock:
                        watched.now -= self.threads

            def __getattr__(self, name: str) -> Any:
                return getattr(self.inner, name)

        monkeypatch.setattr(ort, "InferenceSession", Session)


@pytest.mark.parametrize("threads", [2, 3])
def test_sixty_four_counters_with_several_matchers_never_run_on_more_threads(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    watched, portrait = Watched(monkeypatch), picture("portrait")
    limits.set_limits(threads=threads)
    one, two, pad = (
        FaceMatcher(ModelRegistry(), threads=1),
        FaceMatcher(ModelRegistry(), threads=2),
        PassivePad(ModelRegistry()),
    )
    face = one.analyse(portrait).face
    failures: list[BaseException] = []

    def counter(number: int) -> None:
        try:
            matcher = one if number % 2 else two
            assert matcher.detect(portrait)
            pad.score(portrait, face)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    counters = [threading.Thread(target=counter, args=(n,)) for n in range(COUNTERS)]
    for thread in counters:
        thread.start()
    for thread in counters:
        thread.join(120)
    assert failures == []
    assert watched.runs >= 2 * COUNTERS
    assert 2 <= watched.most <= threads


def test_a_session_takes_no_more_threads_than_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    limits.set_limits(threads=2)
    session = ModelRegistry().session("yunet-2023mar", threads=8)
    session.run({"input": np.zeros((1, 3, 64, 64), np.float32)})
    assert watched.most == 2


DECODE = """
import sys, threading
from idverify import limits
from idverify.biometric import decode_image
limits.set_limits(decoding=int(sys.argv[2]))
data = open(sys.argv[1], "rb").read()

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

import cv2, numpy
cv2.setNumThreads(1)
decode_image(open(sys.argv[3], "rb").read())
before = peak()
threads = [threading.Thread(target=decode_image, args=(data,)) for _ in range(64)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print((peak() - before) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no peak memory to be asked for here")
def test_sixty_four_large_pictures_at_once_are_decoded_within_the_limit(tmp_path: Path) -> None:
    large, small = tmp_path / "large.jpg", tmp_path / "small.jpg"
    large.write_bytes(encode_jpeg(as_image(np.zeros((3000, 3000, 3), np.uint8))))
    small.write_bytes(encode_jpeg(as_image(np.zeros((30, 30, 3), np.uint8))))

    def growth(mib: int) -> int:
        command = [sys.executable, "-c", DECODE, str(large), str(mib << 20), str(small)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)

    each = working_bytes(probe_image(large.read_bytes())) >> 20
    assert growth(2 * each + 1) < 3 * each


def test_what_a_picture_is_lent_is_what_decoding_it_takes() -> None:
    image = as_image(np.zeros((300, 200, 3), np.uint8))
    found = [working_bytes(probe_image(e(image))) // 60_000 for e in (encode_jpeg, encode_png, encode_jpeg2000)]
    assert found == [12, 8, 20]
