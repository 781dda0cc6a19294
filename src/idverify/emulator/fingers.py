"""Invented fingers: many impressions of a finger that no one has, from a seed.

For tests, demonstrations, the emulator's DG3 and benchmarks, so that nobody's finger is needed. The way is that of
SFinGe (R. Cappelli, "Synthetic fingerprint generation", Handbook of Fingerprint Recognition, chapter 7): an orientation
field of cores and deltas (B. Sherlock, D. Monro, "A model for interpreting fingerprint topology", 1993), ridges that
grow from noise under filters along it, which leaves minutiae where they meet; then for every impression placement,
skin distortion, contact, pressure, moisture, wear and a sensor. Rates measured on such prints are no rates of people.
"""

from __future__ import annotations

import enum
import functools
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from idverify.errors import ConfigurationError

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]

WIDTH: Final = 400
"""Master print, pixels at 500 dpi: 20 × 26 mm."""
HEIGHT: Final = 520
PERIOD: Final = 9.0
"""Mean ridge period in pixels (0.46 mm)."""
BEND: Final = 0.15
"""Spread in radians by which a finger's own flow differs from its class's: without it such fingers are too alike."""
WARP: Final = 20.0
"""Spread in pixels by which the flow of a class is displaced."""
_ORIENTATIONS: Final = 24
_GROWTH: Final = 14
_KERNEL: Final = 21


class Pattern(enum.Enum):
    """Class of a finger, after Henry."""

    ARCH = "arch"
    TENTED_ARCH = "tented-arch"
    LEFT_LOOP = "left-loop"
    RIGHT_LOOP = "right-loop"
    WHORL = "whorl"


_SHARES: Final = {
    Pattern.ARCH: 0.037,
    Pattern.TENTED_ARCH: 0.029,
    Pattern.LEFT_LOOP: 0.338,
    Pattern.RIGHT_LOOP: 0.317,
    Pattern.WHORL: 0.279,
}
"""Natural shares of the classes (C. Wilson et al., "Neural network fingerprint classification", 1994)."""


class Sensor(enum.Enum):
    """Model of a sensor: what lies between skin and picture."""

    OPTICAL = "optical"
    CAPACITIVE = "capacitive"
    THERMAL = "thermal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How a finger is laid on. Lengths in pixels at 500 dpi.

    Attributes:
        dx, dy: shift.
        rotation: degrees counter-clockwise.
        distortion: largest displacement of the skin.
        pressure: -1 light … 1 hard: width of the ridges and size of the contact.
        moisture: -1 dry (broken ridges) … 1 wet (closed valleys).
        wear: 0 none … 1: scratches and blotches.
        contact: half axes of the contact as shares of the master print, 0.2 … 1.
    """

    dx: float = 0.0
    dy: float = 0.0
    rotation: float = 0.0
    distortion: float = 0.0
    pressure: float = 0.0
    moisture: float = 0.0
    wear: float = 0.0
    contact: tuple[float, float] = (0.85, 0.85)

    def __post_init__(self) -> None:
        """Raises ConfigurationError where a value is out of range."""
        numbers = (self.dx, self.dy, self.rotation, self.distortion, self.pressure, self.moisture, self.wear)
        if not all(math.isfinite(v) for v in (*numbers, *self.contact)):
            raise ConfigurationError("a placement is made of finite numbers")
        if not (-1 <= self.pressure <= 1 and -1 <= self.moisture <= 1 and 0 <= self.wear <= 1):
            raise ConfigurationError("pressure and moisture lie between -1 and 1, wear between 0 and 1")
        if not all(0.2 <= v <= 1 for v in self.contact) or not 0 <= self.distortion <= 40:
            raise ConfigurationError("contact lies between 0.2 and 1, distortion between 0 and 40")


class SyntheticFinger:
    """One invented finger. Deterministic from its seed; the master print is grown at the first impression."""

    def __init__(self, seed: int, *, pattern: Pattern | None = None) -> None:
        """Chooses the finger.

        Args:
            seed: any whole number, 0 or more.
            pattern: its class; drawn with the natural shares where None.

        Raises:
            ConfigurationError: a negative seed.
        """
        if seed < 0:
            raise ConfigurationError("a seed is 0 or more")
        rng = np.random.default_rng([seed, 1])
        drawn = list(_SHARES)[int(rng.choice(len(_SHARES), p=list(_SHARES.values())))]
        self.seed = seed
        self.pattern = pattern if pattern is not None else drawn

    def __repr__(self) -> str:
        return f"SyntheticFinger({self.seed}, pattern={self.pattern})"

    @functools.cached_property
    def master(self) -> Floats:
        """The whole ridge pattern, ``(HEIGHT, WIDTH)``, -1 valley … 1 ridge."""
        return _grow(self.orientation, np.random.default_rng([self.seed, 3]))

    @functools.cached_property
    def orientation(self) -> Floats:
        """Direction of the ridges, ``(HEIGHT, WIDTH)``, radians in 0 … π, counter-clockwise from the x axis."""
        flow = _orientation(self.pattern, np.random.default_rng([self.seed, 2]))
        return _own(flow, np.random.default_rng([self.seed, 7]))

    def placement(self, number: int, *, difficulty: float = 0.5) -> Placement:
        """The placement of impression ``number``, drawn from the seed.

        Args:
            number: 0 or more.
            difficulty: 0 … 1, spread of everything.

        Raises:
            ConfigurationError: out of range.
        """
        if number < 0 or not 0 <= difficulty <= 1:
            raise ConfigurationError("an impression is numbered from 0, its difficulty lies between 0 and 1")
        rng = np.random.default_rng([self.seed, 4, number])
        d = difficulty
        shift, turn = rng.normal(0, 30 * d, 2), rng.normal(0, 12 * d)
        pressure, moisture = rng.uniform(-d, d, 2)
        reach = 0.85 - 0.25 * d * rng.uniform(0, 1, 2) + 0.1 * pressure
        return Placement(
            dx=float(shift[0]), dy=float(shift[1]), rotation=float(turn), distortion=float(abs(rng.normal(0, 8 * d))),
            pressure=float(pressure), moisture=float(moisture), wear=float(rng.uniform(0, d)),
            contact=(float(np.clip(reach[0], 0.3, 1)), float(np.clip(reach[1], 0.3, 1))),
        )  # fmt: skip

    def impression(
        self, number: int = 0, *, placement: Placement | None = None, sensor: Sensor = Sensor.OPTICAL,
        size: tuple[int, int] = (388, 374), difficulty: float = 0.5,
    ) -> Picture:  # fmt: skip
        """A picture of the finger at 500 dpi.

        Args:
            number: of the impression; its noise, and its placement where none is given, are drawn from it.
            placement: how the finger is laid on.
            sensor: model of the sensor.
            size: width and height of the picture, 64 … 2048.
            difficulty: of the drawn placement.

        Returns:
            ``uint8``, shape ``(height, width)``; dark ridges.

        Raises:
            ConfigurationError: out of range.
        """
        if not all(64 <= side <= 2048 for side in size):
            raise ConfigurationError("the sides of a picture are 64 to 2048 pixels")
        if placement is None:
            placement = self.placement(number, difficulty=difficulty)
        rng = np.random.default_rng([self.seed, 5, number])
        ridges, contact = _lay(self.master, placement, size, rng)
        return _sense(_skin(ridges, contact, placement, rng), contact, sensor, rng)


def _orientation(pattern: Pattern, rng: np.random.Generator) -> Floats:
    """Zero-pole model: every core turns the direction by half, every delta back; arches have a sine instead."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    cx, cy = WIDTH / 2 + rng.normal(0, 8), HEIGHT * 0.42 + rng.normal(0, 10)
    if pattern is Pattern.ARCH:
        height = rng.uniform(0.7, 1.1)
        lift = np.exp(-(((y - cy * 1.15) / (0.3 * HEIGHT)) ** 2))
        flow = np.mod(-np.arctan(height * lift * np.sin((x - cx) / WIDTH * 2 * math.pi)), math.pi)
        return np.asarray(flow, np.float32)
    wide, low = rng.uniform(95, 125), cy + rng.uniform(120, 150)
    cores, deltas = [(cx, cy)], []
    if pattern is Pattern.WHORL:
        cores = [(cx, cy), (cx + rng.normal(0, 8), cy + rng.uniform(25, 60))]
        deltas = [(cx - wide, low + rng.normal(0, 12)), (cx + wide, low + rng.normal(0, 12))]
    elif pattern is Pattern.TENTED_ARCH:
        deltas = [(cx + rng.normal(0, 3), cy + rng.uniform(90, 120))]
    else:
        side = 1 if pattern is Pattern.LEFT_LOOP else -1
        deltas = [(cx + side * wide * 0.8, low)]
    turn = np.zeros_like(x)
    for px, py in deltas:
        turn += np.arctan2(-(y - py), x - px)
    for px, py in cores:
        turn -= np.arctan2(-(y - py), x - px)
    return np.asarray(np.mod(-turn / 2, math.pi), np.float32)


def _own(flow: Floats, rng: np.random.Generator) -> Floats:
    """The flow of one finger: that of its class, smoothly displaced and bent."""
    cv2 = _cv2()
    size = (flow.shape[1], flow.shape[0])
    warp = cv2.resize(rng.normal(0, WARP, (4, 3, 2)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    bend = cv2.resize(rng.normal(0, BEND, (5, 4)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[0 : flow.shape[0], 0 : flow.shape[1]].astype(np.float32)
    double = np.stack([np.cos(2 * flow), np.sin(2 * flow)], -1)
    double = cv2.remap(double, x + warp[..., 0], y + warp[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(np.mod(np.arctan2(double[..., 1], double[..., 0]) / 2 + bend, math.pi), np.float32)


def _filters(period: float) -> list[Any]:
    half = _KERNEL // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    kernels = []
    for step in range(_ORIENTATIONS):
        angle = step * math.pi / _ORIENTATIONS
        across = x * math.sin(angle) + y * math.cos(angle)
        wave = np.cos(2 * math.pi * across / period) * np.exp(-(x * x + y * y) / (2 * (0.42 * period) ** 2))
        wave -= wave.mean()
        kernels.append((wave / np.abs(wave).sum()).astype(np.float32))
    return kernels


def _grow(orientation: Floats, rng: np.random.Generator) -> Floats:
    """Ridges from noise: filters along the field, again and again, each result squashed."""
    cv2 = _cv2()
    period = PERIOD * float(rng.uniform(0.92, 1.1))
    index = np.rint(orientation / math.pi * _ORIENTATIONS).astype(int) % _ORIENTATIONS
    kernels = _filters(period)
    field = rng.normal(0, 1, orientation.shape).astype(np.float32)
    boxes = [np.nonzero(index == k) for k in range(_ORIENTATIONS)]
    for _ in range(_GROWTH):
        result = np.zeros_like(field)
        for kernel, place in zip(kernels, boxes, strict=True):
            if len(place[0]):
                result[place] = cv2.filter2D(field, -1, kernel, borderType=cv2.BORDER_REFLECT_101)[place]
        field = np.tanh(result * (3.0 / max(float(result.std()), 1e-6))).astype(np.float32)
    # the period varies smoothly over a finger
    grid = rng.normal(0, 1, (5, 4, 2)).astype(np.float32)
    bend = cv2.resize(grid, (field.shape[1], field.shape[0]), interpolation=cv2.INTER_CUBIC) * 6
    y, x = np.mgrid[0 : field.shape[0], 0 : field.shape[1]].astype(np.float32)
    bent: Floats = cv2.remap(
        field, x + bend[..., 0], y + bend[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return bent


def _lay(
    master: Floats, placement: Placement, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Floats, Floats]:  # fmt: skip
    """The ridges as they touch the sensor, and how well each pixel touches, 0 … 1."""
    cv2 = _cv2()
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    u, v = x - width / 2 - placement.dx, y - height / 2 - placement.dy
    angle = math.radians(placement.rotation)
    cos, sin = math.cos(angle), math.sin(angle)
    across, down = cos * u - sin * v, sin * u + cos * v
    grid = rng.normal(0, 1, (4, 4, 2)).astype(np.float32)
    skin = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    skin *= placement.distortion / max(float(np.abs(skin).max()), 1e-6)
    rows, columns = master.shape
    map_x = across + columns / 2 + skin[..., 0]
    map_y = down + rows / 2 + skin[..., 1]
    ridges = cv2.remap(master, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    a = placement.contact[0] * columns / 2 * (1 + 0.1 * placement.pressure)
    b = placement.contact[1] * rows / 2 * (1 + 0.1 * placement.pressure)
    edge = cv2.resize(rng.normal(0, 1, (9, 9)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    reach = 1 - np.sqrt((across / a) ** 2 + (down / b) ** 2) + 0.04 * edge
    return ridges, np.clip(reach / 0.12, 0, 1).astype(np.float32)


def _skin(ridges: Floats, contact: Floats, placement: Placement, rng: np.random.Generator) -> Floats:
    """Ink of the ridges, 0 … 1: width by pressure, closed valleys when wet, gaps when dry, scratches, pores."""
    cv2 = _cv2()
    shape = ridges.shape

    def cloud(spread: float) -> Floats:
        noise: Floats = cv2.GaussianBlur(rng.normal(0, 1, shape).astype(np.float32), (0, 0), spread)
        return noise / max(float(noise.std()), 1e-6)

    level = 0.25 * placement.pressure + 0.35 * max(placement.moisture, 0) + 0.12 * cloud(12)
    ink = 1 / (1 + np.exp(-5 * (ridges + level)))
    dry = max(-placement.moisture, 0) + 0.15
    ink *= 1 / (1 + np.exp(-4 * (cloud(1.2) + 2.2 - 2.4 * dry)))
    for _ in range(int(rng.poisson(4 * placement.wear))):
        start, end = rng.uniform(0, 1, (2, 2)) * (shape[1], shape[0])
        line = np.zeros(shape, np.uint8)
        cv2.line(line, tuple(int(c) for c in start), tuple(int(c) for c in end), 255, int(rng.integers(1, 4)))
        ink *= 1 - 0.9 * cv2.GaussianBlur(line, (0, 0), 0.8).astype(np.float32) / 255
    if placement.wear:
        ink *= 1 - placement.wear * np.clip(cloud(7) - 2.0, 0, 1)
    result: Floats = (ink * contact).astype(np.float32)
    return result


def _sense(ink: Floats, contact: Floats, sensor: Sensor, rng: np.random.Generator) -> Picture:
    cv2 = _cv2()
    shape = ink.shape
    blur, ground, depth, noise = {
        Sensor.OPTICAL: (0.7, 235.0, 200.0, 4.0),
        Sensor.CAPACITIVE: (0.5, 150.0, 130.0, 10.0),
        Sensor.THERMAL: (0.9, 205.0, 150.0, 7.0),
    }[sensor]
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    tilt = rng.uniform(-8, 8, 2)
    light = ground + tilt[0] * (x / shape[1] - 0.5) + tilt[1] * (y / shape[0] - 0.5)
    picture = light - depth * cv2.GaussianBlur(ink, (0, 0), blur)
    if sensor is not Sensor.OPTICAL:
        picture += 0.35 * (255 - ground) * contact  # skin between the ridges couples too
    picture += rng.normal(0, noise, shape)
    if sensor is Sensor.CAPACITIVE:
        picture += rng.normal(0, 3, (1, shape[1]))
    result: Picture = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return result


def _cv2() -> Any:
    import cv2

    return cv2
