"""Frames of a stream: from arrays, picture files, a video file or a camera.

A source is read once, by one thread, in a ``with`` block. Frames of arrays and files carry made-up times, so that tests
and replays run as fast as they can; those of a camera carry the clock's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.codecs import decode_image
from idverify.biometric.image import MAX_PIXELS, Image, as_image
from idverify.errors import ConfigurationError, ImageError

MAX_FRAMES = 100_000
"""Frames of one source at most; an endless file does not hold a counter for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One picture of a stream.

    Attributes:
        image: the picture.
        at: seconds on a clock that only rises; differences count.
        index: 0 for the first; a gap shows frames that were left out.
    """

    image: Image = field(repr=False, compare=False)
    at: float
    index: int


class FrameSource(Protocol):
    """Something that gives frames, once."""

    def __enter__(self) -> Self:
        """Opens the source."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """The frames; an ImageError ends them."""
        ...


class _Source:
    """Nothing to open, nothing to close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of what the source holds; a second time does nothing."""


class ArraySource(_Source):
    """Frames from pictures in memory."""

    def __init__(self, images: Iterable[NDArray[np.uint8]], *, fps: float = 25.0) -> None:
        """Takes RGB pictures.

        Args:
            images: each as :func:`idverify.biometric.image.as_image` takes it.
            fps: frames in a second, above 0: the times that the frames carry.

        Raises:
            ConfigurationError: ``fps`` out of range.
        """
        self._images, self._step = images, 1 / _rate(fps)

    def __iter__(self) -> Iterator[Frame]:
        """The frames.

        Raises:
            ImageError: an array is no picture.
        """
        for index, image in enumerate(self._images):
            if index >= MAX_FRAMES:
                return
            yield Frame(image=as_image(image), at=index * self._step, index=index)


class FileSource(_Source):
    """Frames from picture files, decoded one at a time."""

    def __init__(self, paths: Sequence[Path], *, fps: float = 25.0, max_pixels: int = MAX_PIXELS) -> None:
        """Takes files in their order; see :class:`ArraySource`."""
        self._paths, self._step, self._pixels = tuple(paths), 1 / _rate(fps), max_pixels

    def __iter__(self) -> Iterator[Frame]:
        """The frames.

        Raises:
            ConfigurationError: a file cannot be read.
            ImageError: a file is no picture, or over the caps.
        """
        for index, path in enumerate(self._paths[:MAX_FRAMES]):
            try:
                data = path.read_bytes()
            except OSError:
                raise ConfigurationError("a picture file of the stream cannot be read") from None
            image = decode_image(data, max_pixels=self._pixels)
            yield Frame(image=image, at=index * self._step, index=index)


class VideoSource(_Source):
    """Frames of a video file, through OpenCV.

    Video decoders are large and take hostile bytes badly: give them files of your own recording only.
    """

    def __init__(self, path: Path, *, fps: float | None = None, max_pixels: int = MAX_PIXELS) -> None:
        """Opens the file.

        Args:
            path: the file.
            fps: frames in a second; what the file says where None.
            max_pixels: cap on the pixels of a frame.

        Raises:
            ConfigurationError: no such file.
            ImageError: OpenCV finds no video in it.
        """
        import cv2

        if not path.is_file():
            raise ConfigurationError("the video file cannot be read")
        self._video: Any = cv2.VideoCapture(str(path))
        if not self._video.isOpened():
            raise ImageError("the file holds no video that can be decoded")
        told = float(self._video.get(cv2.CAP_PROP_FPS))
        self._step = 1 / _rate(fps if fps is not None else told if 1 <= told <= 1000 else 25.0)
        self._pixels = max_pixels

    def __iter__(self) -> Iterator[Frame]:
        """The frames.

        Raises:
            ImageError: a frame is over the caps.
        """
        for index in range(MAX_FRAMES):
            done, pixels = self._video.read()
            if not done:
                return
            yield Frame(image=_rgb(pixels, self._pixels), at=index * self._step, index=index)

    def close(self) -> None:
        """Closes the file."""
        self._video.release()


class CameraSource(_Source):
    """The newest frame of a camera: a slow reader skips frames and never falls behind.

    A thread of its own empties the camera's queue. A frame is given out once.
    """

    def __init__(
        self,
        camera: int | str = 0,
        *,
        size: tuple[int, int] | None = (640, 480),
        patience: float = 5.0,
        max_pixels: int = MAX_PIXELS,
        device: Any = None,
    ) -> None:
        """Opens the camera.

        Args:
            camera: OpenCV's number, device path or URL.
            size: width and height to ask for; the camera's own where None.
            patience: seconds without a frame after which the camera counts as gone.
            max_pixels: cap on the pixels of a frame.
            device: an opened object with OpenCV's ``read() -> (bool, BGR array)`` and ``release()``, in the camera's
                place: another driver, or a test's.

        Raises:
            ImageError: there is no such camera.
        """
        self._device = device if device is not None else _open_camera(camera, size)
        self._patience, self._pixels = patience, max_pixels
        self._newest: tuple[int, float, Any] | None = None
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._empty, name="idverify-camera", daemon=True)
        self._thread.start()

    def _empty(self) -> None:
        index = 0
        while not self._ended:
            done, pixels = self._device.read()
            with self._changed:
                if done:
                    self._newest = (index, time.monotonic(), pixels)
                    index += 1
                else:
                    self._ended = True
                self._changed.notify_all()

    def __iter__(self) -> Iterator[Frame]:
        """The newest frames, until the camera is closed.

        Raises:
            ImageError: the camera gives no more frames, or one over the caps.
        """
        while True:
            with self._changed:
                ready = self._changed.wait_for(lambda: self._newest is not None or self._ended, self._patience)
                newest, self._newest = self._newest, None
            if newest is None:
                if self._ended:
                    return
                if not ready:
                    raise ImageError(f"the camera gave no frame within {self._patience:g} seconds; is it connected?")
                continue
            index, at, pixels = newest
            yield Frame(image=_rgb(pixels, self._pixels), at=at, index=index)

    def close(self) -> None:
        """Lets go of the camera."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join(self._patience)
        self._device.release()


def _open_camera(camera: int | str, size: tuple[int, int] | None) -> Any:
    import cv2

    device = cv2.VideoCapture(camera)
    if not device.isOpened():
        raise ImageError(f"there is no camera {camera!r}, or another program holds it")
    device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    if size is not None:
        device.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        device.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    return device


def _rate(fps: float) -> float:
    if not 0.01 <= fps <= 1000:
        raise ConfigurationError(f"a stream has 0.01 to 1000 frames in a second, not {fps}")
    return fps


def _rgb(pixels: NDArray[np.uint8], max_pixels: int) -> Image:
    """OpenCV's BGR or grey to RGB, checked."""
    if isinstance(pixels, np.ndarray) and pixels.ndim == 3 and pixels.shape[2] == 3:
        pixels = pixels[:, :, ::-1]
    return as_image(pixels, max_pixels=max_pixels)
