"""Draws masks and scarves over faces, from the detector's five landmarks: for want of photographs of people in them.

A drawing has the outline, folds, straps, shading, grain and sharpness of its kind as far as a few lines go. It is no
photograph: what is measured with it is a sign that something works, and no error rate.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Array = np.ndarray
Weave = Callable[[Array, Array, Array, np.random.Generator], Array]
"""Colour of each point: from x and y in inter-eye distances, and the skin's colour; ``(height, width, 3)`` floats."""


def _plain(x: Array, colour: Array) -> Array:
    return np.broadcast_to(colour, (*x.shape, 3)).astype(np.float32).copy()


def _pick(rng: np.random.Generator, *colours: tuple[float, float, float]) -> Array:
    return np.clip(np.array(colours[rng.integers(len(colours))]) + rng.normal(0, 10, 3), 0, 255)


def _surgical(x: Array, y: Array, skin: Array, rng: np.random.Generator) -> Array:
    cloth = _plain(x, _pick(rng, (150, 195, 220), (120, 170, 210), (150, 205, 190), (225, 228, 230), (215, 180, 195)))
    for line in np.linspace(0.75, 1.5, 3) + rng.normal(0, 0.04, 3):  # the pleats
        cloth *= (1 - rng.uniform(0.1, 0.3) * np.exp(-(((y - line) / 0.035) ** 2)))[..., np.newaxis]
    return cloth


def _ffp2(x: Array, y: Array, skin: Array, rng: np.random.Generator) -> Array:
    cloth = _plain(x, _pick(rng, (235, 235, 232), (235, 235, 232), (200, 205, 210), (60, 60, 65)))
    ridge = rng.normal(0, 0.03)
    cloth *= (1 + 0.12 * np.tanh((x - ridge) / 0.05) * rng.choice([-1, 1]))[..., np.newaxis]
    if rng.random() < 0.4:  # the printed mark of its class
        spot = (np.abs(x - 0.45) < 0.22) & (np.abs(y - 1.25) < 0.05) & (np.sin(x * 90) > 0)
        cloth[spot] = 90
    return cloth


def _cloth(x: Array, y: Array, skin: Array, rng: np.random.Generator) -> Array:
    cloth = _plain(x, rng.uniform(30, 235, 3))
    angle = rng.uniform(0, np.pi)
    for _ in range(3):  # soft folds
        fold = x * np.cos(angle) + y * np.sin(angle) + rng.uniform(-1, 1)
        cloth *= (1 + rng.uniform(-0.15, 0.15) * np.exp(-((fold / 0.15) ** 2)))[..., np.newaxis]
    return cloth


def _dark(x: Array, y: Array, skin: Array, rng: np.random.Generator) -> Array:
    return _plain(x, _pick(rng, (25, 25, 28), (30, 32, 50), (45, 40, 40)))


def _skin(x: Array, y: Array, skin: Array, rng: np.random.Generator) -> Array:
    return _plain(x, np.clip(skin * rng.uniform(0.85, 1.15) + rng.normal(0, 5, 3), 0, 255))


def _pattern(x: Array, y: Array, skin: Array, rng: np.random.Generator) -> Array:
    first, second = rng.uniform(20, 240, 3), rng.uniform(20, 240, 3)
    angle, size = rng.uniform(0, np.pi), rng.uniform(0.12, 0.4)
    u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    kind = rng.integers(4)
    if kind == 0:
        on = np.sin(2 * np.pi * u / size) > 0
    elif kind == 1:
        on = (np.sin(2 * np.pi * u / size) > 0) ^ (np.sin(2 * np.pi * v / size) > 0)
    elif kind == 2:
        on = np.hypot((u % size) - size / 2, (v % size) - size / 2) < size * 0.3
    else:  # blots
        blots = rng.normal(0, 1, (12, 12)).astype(np.float32)
        grid = cv2.resize(blots, (x.shape[1], x.shape[0]), interpolation=cv2.INTER_CUBIC)
        on = grid > 0.2
    return np.where(on[..., np.newaxis], first, second).astype(np.float32)


def _scarf(x: Array, y: Array, skin: Array, rng: np.random.Generator) -> Array:
    cloth = _plain(x, rng.uniform(20, 225, 3))
    for _ in range(rng.integers(3, 7)):
        slope, place = rng.normal(0, 0.4), rng.uniform(0.4, 2.2)
        fold = y - place - slope * x - 0.15 * np.sin(2 * x + rng.uniform(0, 6))
        cloth *= (1 - rng.uniform(0.1, 0.45) * np.exp(-((fold / rng.uniform(0.04, 0.1)) ** 2)))[..., np.newaxis]
    return cloth


def _knitted(x: Array, y: Array, skin: Array, rng: np.random.Generator) -> Array:
    grain = cv2.GaussianBlur(rng.normal(0, 1, x.shape).astype(np.float32), (0, 0), rng.uniform(0.8, 3.0))
    cloth = _plain(x, rng.uniform(40, 220, 3))
    return cloth * (1 + rng.uniform(0.1, 0.35) * grain / max(float(grain.std()), 1e-6))[..., np.newaxis]


KINDS: dict[str, Weave] = {
    "surgical": _surgical, "FFP2": _ffp2, "cloth": _cloth, "dark": _dark, "skin-coloured": _skin,
    "patterned": _pattern, "knitted": _knitted, "scarf": _scarf,
}  # fmt: skip
"""What covers mouth and nose."""
BESIDE = ("below the mouth", "on the forehead")
"""Where cloth covers neither: drawn with the same means, so that the means cannot be what is learned."""


def _outline(kind: str, nose: float, mouth: float, rng: np.random.Generator) -> Array:
    """Corners in inter-eye distances from the middle of the eyes, x to the right and y down.

    ``nose`` and ``mouth`` are where their tip and their line lie.
    """
    if kind == "on the forehead":
        wide, low = rng.uniform(1.1, 1.5), rng.uniform(-0.75, -0.5)
        return np.array([[-wide, low], [0, low - 0.08], [wide, low], [wide, -1.9], [0, -2.3], [-wide, -1.9]])
    if kind == "below the mouth":
        top, wide = mouth + rng.uniform(0.35, 0.6), rng.uniform(0.6, 1.5)
        return np.array([[-wide, top - 0.2], [0, top], [wide, top - 0.2], [wide, 3.5], [-wide, 3.5]])
    top = nose * rng.uniform(0.35, 0.8)
    jaw, chin = rng.uniform(0.72, 0.95), rng.uniform(1.75, 2.05)
    side, low = rng.uniform(0.95, 1.2), rng.uniform(1.1, 1.35)
    cheek = max(top + rng.uniform(0.05, 0.25), 0.35)
    if kind == "scarf":
        wide = rng.uniform(1.25, 1.6)
        return np.array([[0, top], [0.5, cheek - 0.05], [wide, cheek], [wide, 3.5], [-wide, 3.5], [-wide, cheek],
                         [-0.5, cheek - 0.05]])  # fmt: skip
    right = [[0.2, top + 0.03], [0.55, cheek], [side, cheek + 0.1], [side, low], [jaw, (low + chin) / 2 + 0.1],
             [0.35, chin]]  # fmt: skip
    left = [[-x, y] for x, y in reversed(right)]
    return np.array([[0, top], *right, [0, chin + 0.03], *left])


def draw(image: Array, landmarks: Array, kind: str, rng: np.random.Generator) -> Array:
    """The picture with a mask of that kind over the face; grey pictures get grey masks.

    Args:
        image: RGB uint8.
        landmarks: ``(5, 2)`` as of the detector.
        kind: key of :data:`KINDS`, or one of :data:`BESIDE`.
        rng: chance for colours, outline and folds.
    """
    points = landmarks.astype(np.float64)
    middle, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    along = points[1] - points[0]
    unit = max(float(np.hypot(*along)), 1.0)
    along = along / unit
    down = np.array([-along[1], along[0]])
    reach = float((mouth - middle) @ down) / unit
    shift = float((points[2] - (middle + mouth) / 2) @ along) / unit  # yaw: the nose leaves the axis
    height, width = image.shape[:2]
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    x = ((columns - middle[0]) * along[0] + (rows - middle[1]) * along[1]) / unit
    y = ((columns - middle[0]) * down[0] + (rows - middle[1]) * down[1]) / unit
    outline = _outline(kind, float((points[2] - middle) @ down) / unit, reach, rng)
    squeeze = np.where(outline[:, 0] * shift > 0, 1 - min(abs(shift), 0.5), 1 + 0.3 * abs(shift))
    outline = np.column_stack([outline[:, 0] * squeeze + 0.6 * shift * np.clip(outline[:, 1], 0, 1), outline[:, 1]])
    if kind in KINDS:
        outline[:, 1] *= np.where(outline[:, 1] > 0.7, max(reach, 0.6) / 1.1, 1.0)  # a head that nods
    place = middle + unit * (outline[:, :1] * along + outline[:, 1:] * down)
    alpha = _filled(place, (height, width), unit, rng, straps=kind in KINDS and kind != "scarf")
    skin = _skin_of(image, points[2], middle, unit)
    weave = KINDS[kind] if kind in KINDS else list(KINDS.values())[rng.integers(len(KINDS))]
    cloth = weave(x, y, skin, rng) * _shade(image, x, unit, rng)
    cloth += rng.normal(0, rng.uniform(1, 5), (height, width, 1))
    cloth = cv2.GaussianBlur(cloth.astype(np.float32), (0, 0), rng.uniform(0.5, 1.0))
    if np.abs(image.astype(int) - image.mean(axis=2, keepdims=True)).max() < 4:
        cloth = np.repeat(cloth.mean(axis=2, keepdims=True), 3, axis=2)
    mixed = image * (1 - alpha) + cloth * alpha
    return np.ascontiguousarray(np.clip(np.rint(mixed), 0, 255).astype(np.uint8))


def _filled(place: Array, size: tuple[int, int], unit: float, rng: np.random.Generator, *, straps: bool) -> Array:
    """The outline, rounded, as an alpha of ``(height, width, 1)``; straps to the ears."""
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.rint(place * 8).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=3)
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), max(0.06 * unit, 0.6))
    soft = np.clip((soft - 0.5) * max(0.06 * unit, 0.6) * 1.5 + 0.5, 0, 1)  # rounds the corners, keeps the edge
    if straps and rng.random() < 0.7:
        line = np.zeros(size, np.uint8)
        for corner, out in ((3, 0.35), (-3, -0.35)):
            start = place[corner]
            end = start + unit * np.array([out, -0.25])
            cv2.line(line, tuple(np.rint(start).astype(int).tolist()), tuple(np.rint(end).astype(int).tolist()), 255,
                     max(1, round(unit * 0.04)), cv2.LINE_AA)  # fmt: skip
        soft = np.maximum(soft, line.astype(np.float32) / 255 * 0.8)
    return cv2.GaussianBlur(soft, (0, 0), max(unit * rng.uniform(0.006, 0.02), 0.4))[..., np.newaxis]


def _skin_of(image: Array, nose: Array, middle: Array, unit: float) -> Array:
    """Median colour between the eyes and the nose's tip."""
    x, y = np.rint((nose + middle) / 2).astype(int)
    r = max(2, round(unit * 0.12))
    part = image[max(y - r, 0) : y + r, max(x - r, 0) : x + r].reshape(-1, 3)
    return np.median(part, axis=0) if len(part) else np.array([170.0, 130.0, 110.0])


def _shade(image: Array, x: Array, unit: float, rng: np.random.Generator) -> Array:
    """The scene's light at low frequency, and a head's roundness: a factor of ``(height, width, 1)``."""
    luma = image.astype(np.float32).mean(axis=2)
    low = cv2.GaussianBlur(luma, (0, 0), max(unit * 0.45, 1.0))
    level = np.clip(low / 150, 0.25, 1.3) ** rng.uniform(0.4, 0.9)
    round_ = 1 - rng.uniform(0.05, 0.3) * np.clip(np.abs(x), 0, 1.3) ** 2
    return (level * round_)[..., np.newaxis].astype(np.float32)
