"""A synthetic camera: a person with depth, or a flat picture of one, moved before a lens. For tests and trials.

It makes frames from one photograph: with depth, the face is bent over an ellipsoid with a nose and turned; flat, the
whole photograph is turned like a print in the hand. It is a caricature of either, and no measure of real attacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.face.detect import DetectedFace
from idverify.biometric.face.eyelids import close_eyes, find_eyes
from idverify.biometric.frames import Frame
from idverify.biometric.image import Image

_NOSE = 0.55
"""Depth of the nose tip over the head's surface, and below it that of the ellipsoid, in inter-eye distances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """How the person, or the print, stands in one frame.

    Attributes:
        yaw: degrees; positive: the nose points to the image's right.
        scale: size in the frame; 1 as in the photograph.
        shift: pixels to the right and down.
        light: factor on the pixels.
        noise: standard deviation of the sensor's noise in grey levels.
        closed: how far the eyes are closed, 0 … 1.
    """

    yaw: float = 0.0
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    light: float = 1.0
    noise: float = 2.0
    closed: float = 0.0


class SyntheticCamera:
    """Frames of a scripted person, the same for the same seed. A frame source."""

    def __init__(
        self,
        photograph: Image,
        face: DetectedFace,
        script: Iterable[Placing],
        *,
        size: tuple[int, int] = (640, 480),
        fps: float = 10.0,
        flat: bool = False,
        seed: int = 0,
    ) -> None:
        """Takes a photograph with its face.

        Args:
            photograph: of one person, looking straight.
            face: where the face is.
            script: one placing a frame; a :class:`SyntheticPerson` never ends.
            size: width and height of the frames.
            fps: frames in a second.
            flat: a print of the photograph in the hand, not a person.
            seed: of the noise.
        """
        self._photograph, self._face, self._script = photograph, face, script
        self._size, self._step, self._flat, self._seed = size, 1 / fps, flat, seed
        self._closed: tuple[float, Image] = (0.0, photograph)

    def __enter__(self) -> SyntheticCamera:
        """Nothing to open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def __iter__(self) -> Iterator[Frame]:
        """The frames."""
        noise = np.random.default_rng(self._seed)
        for index, placing in enumerate(self._script):
            pixels = self._render(placing).astype(np.float32) * placing.light
            if placing.noise:
                pixels += noise.normal(0, placing.noise, pixels.shape)
            image = Image(np.ascontiguousarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)))
            yield Frame(image=image, at=index * self._step, index=index)

    def _render(self, placing: Placing) -> NDArray[np.uint8]:
        """Looks up, for each pixel of the frame, where it lies in the photograph."""
        import cv2

        width, height = self._size
        eyes = self._face.inter_eye
        centre = np.asarray(self._face.landmarks[2], np.float64)
        fit = min(1.0, 0.3 * width / max(self._face.box[2], 1.0)) * placing.scale
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
        x = (columns - width / 2 - placing.shift[0]) / fit
        y = (rows - height / 2 - placing.shift[1]) / fit
        x, y = _flat(x, y, placing.yaw, eyes) if self._flat else _bent(x, y, placing.yaw, eyes)
        found: Any = cv2.remap(
            self._looking(placing.closed), (x + centre[0]).astype(np.float32), (y + centre[1]).astype(np.float32),
            cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(110, 112, 115),
        )  # fmt: skip
        return np.asarray(found, np.uint8)

    def _looking(self, closed: float) -> Image:
        """The photograph with its eyes closed so far."""
        if self._closed[0] != closed:
            eyes = find_eyes(self._photograph, self._face.landmarks)
            self._closed = closed, close_eyes(self._photograph, eyes, closed)
        return self._closed[1]


class SyntheticPerson:
    """A script that does what is asked, at a person's pace: give :meth:`hear` the prompts of a challenge.

    Args:
        turn: degrees of a turn of the head.
        near: size when asked to come closer.
        step: degrees that the head turns from one frame to the next.
        noise: of the sensor, see :class:`Placing`.
        blinks: whether the person blinks when asked to.
    """

    def __init__(
        self, *, turn: float = 45.0, near: float = 1.5, step: float = 15.0, noise: float = 2.0, blinks: bool = True
    ) -> None:
        self._goals = {"turn-left": (turn, 1.0), "turn-right": (-turn, 1.0), "come-closer": (0.0, near)}
        self._step, self._noise, self._goal = step, noise, (0.0, 1.0)
        self._blinks, self._lids = blinks, 0

    def hear(self, prompt: str) -> None:
        """What is asked now: a key of :data:`~idverify.biometric.face.actions.PROMPTS`."""
        self._goal = self._goals.get(prompt, (0.0, 1.0))
        self._lids = len(_BLINK) if prompt == "blink" and self._blinks else 0

    def __iter__(self) -> Iterator[Placing]:
        """Placings without end."""
        yaw, scale = 0.0, 1.0
        while True:
            closed = _BLINK[-self._lids] if self._lids else 0.0
            self._lids = max(0, self._lids - 1)
            yield Placing(yaw=yaw, scale=scale, noise=self._noise, closed=closed)
            yaw += min(max(self._goal[0] - yaw, -self._step), self._step)
            scale += min(max(self._goal[1] - scale, -0.1), 0.1)


_BLINK = (0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0, 0.5)
"""Lids from the prompt on, frame by frame: it takes a moment to hear it."""

Coordinates = NDArray[np.float64]


def _flat(x: Coordinates, y: Coordinates, yaw: float, eyes: float) -> tuple[Coordinates, Coordinates]:
    """A plane turned about its upright axis, ten inter-eye distances from the lens."""
    angle, distance = np.radians(yaw), 10 * eyes
    depth = distance * np.cos(angle) - x * np.sin(angle)
    along = x * distance / np.maximum(depth, 1e-3 * distance)
    return along, y * (distance + along * np.sin(angle)) / distance


def _bent(x: Coordinates, y: Coordinates, yaw: float, eyes: float) -> tuple[Coordinates, Coordinates]:
    """A head under parallel light rays: x' = x cos + z sin, solved for x by iteration; still far from the face."""
    angle = np.radians(yaw)
    inside = np.exp(-((np.hypot(x / 1.5, (y + 0.1 * eyes) / 1.9) / eyes) ** 6))
    low, high = x / np.cos(angle) - 1.5 * eyes, x / np.cos(angle) + 1.5 * eyes
    source = x
    for _ in range(20):
        wanted = (x - _depth(source, y, eyes) * np.sin(angle)) / np.cos(angle)
        source = np.clip(source + 0.5 * (wanted - source), low, high)
    return inside * source + (1 - inside) * x, y


def _depth(x: Coordinates, y: Coordinates, eyes: float) -> Coordinates:
    """Height over the plane of eyes and mouth: a bowl with a nose."""
    bowl = -0.25 * np.minimum((x / eyes) ** 2, 4.0)
    nose = _NOSE * np.exp(-((x / (0.28 * eyes)) ** 2) - (y / (0.4 * eyes)) ** 2)
    return eyes * (bowl + nose)
