from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from idverify.biometric import as_image, encode_png
from idverify.biometric.frames import ArraySource, CameraSource, FileSource, VideoSource
from idverify.errors import ConfigurationError, ImageError


def plain(value: int, shape: tuple[int, int] = (24, 32)) -> Any:
    image = np.zeros((*shape, 3), np.uint8)
    image[:, :, 0] = value
    return as_image(image)


def test_arrays_carry_made_up_times() -> None:
    with ArraySource([plain(1), np.zeros((4, 4), np.uint8)], fps=10) as source:
        frames = list(source)
    assert [(f.index, f.at) for f in frames] == [(0, 0.0), (1, 0.1)]
    assert frames[0].image[0, 0, 0] == 1
    assert frames[1].image.shape == (4, 4, 3)
    assert "array" not in repr(frames[0])


def test_arrays_that_are_no_pictures_are_our_error() -> None:
    with pytest.raises(ImageError):
        list(ArraySource([np.zeros((4, 4), np.float32)]))  # type: ignore[list-item]
    with pytest.raises(ConfigurationError):
        ArraySource([], fps=0)


def test_files_are_read_in_their_order(tmp_path: Path) -> None:
    paths = []
    for value in (7, 9):
        paths.append(tmp_path / f"{value}.png")
        paths[-1].write_bytes(encode_png(plain(value)))
    assert [f.image[0, 0, 0] for f in FileSource(paths)] == [7, 9]
    with pytest.raises(ConfigurationError, match="cannot be read"):
        list(FileSource([tmp_path / "none.png"]))
    paths[0].write_bytes(b"no picture")
    with pytest.raises(ImageError):
        list(FileSource(paths))
    with pytest.raises(ImageError):
        list(FileSource(paths[1:], max_pixels=10))


def test_video_files_give_rgb_and_their_times(tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no video")
    for value in (40, 200):
        writer.write(np.ascontiguousarray(plain(value, (48, 64))[:, :, ::-1]))
    writer.release()
    with VideoSource(path) as source:
        frames = list(source)
    assert [f.at for f in frames] == pytest.approx([0.0, 0.2])
    assert [int(f.image[20, 20, 0]) for f in frames] == pytest.approx([40, 200], abs=12)
    assert max(int(f.image[20, 20, 2]) for f in frames) < 15
    with VideoSource(path, max_pixels=10) as source, pytest.raises(ImageError):
        list(source)


def test_what_is_no_video_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        VideoSource(tmp_path / "none.avi")
    path = tmp_path / "text.avi"
    path.write_bytes(b"no video")
    with pytest.raises(ImageError, match="no video"):
        VideoSource(path)


class Device:
    """A camera with OpenCV's interface that gives a frame each time it is released."""

    def __init__(self, frames: int) -> None:
        self.left, self.released = frames, False
        self.gate = threading.Semaphore(0)
        self.asked = self.given = 0

    def read(self) -> tuple[bool, Any]:
        self.asked += 1
        if not self.gate.acquire(timeout=60) or self.left == 0:
            return False, None
        self.left -= 1
        self.given += 1
        return True, np.full((4, 4, 3), self.given, np.uint8)

    def release(self) -> None:
        self.released = True


def test_a_slow_reader_gets_the_newest_frame() -> None:
    device = Device(5)
    with CameraSource(device=device) as source:
        stream = iter(source)
        device.gate.release(4)
        until = time.monotonic() + 60
        while device.asked < 5:  # who asks for the fifth frame has put down the fourth
            assert time.monotonic() < until
            time.sleep(0.002)
        frame = next(stream)
        assert (frame.index, int(frame.image[0, 0, 0])) == (3, 4)
        device.gate.release()
        assert next(stream).index == 4
        device.gate.release()
        assert next(stream, None) is None
    assert device.released


def test_a_silent_camera_is_told() -> None:
    device = Device(1)
    with CameraSource(device=device, patience=0.05) as source, pytest.raises(ImageError, match="no frame within"):
        next(iter(source))
    device.gate.release(2)


def test_no_camera_is_our_error() -> None:
    with pytest.raises(ImageError, match="no camera"):
        CameraSource("/nonexistent/camera")
