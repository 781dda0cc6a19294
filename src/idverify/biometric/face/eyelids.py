"""Eyes of a photograph closed by a program, for tests and trials: a caricature of a blink.

The eyes are found as what is dark between brighter neighbours near the landmarks, for landmarks miss the middle of an
eye by a tenth of the eyes' distance. Lids have the shape of half an ellipse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.image import Image, grey

Pixels = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lids:
    """How lids look; lengths in distances between the eyes.

    Attributes:
        way: ``pull``: the skin between brow and eye is drawn down; ``paint``: a lid of the skin's colour is painted.
        lashes: darkness of the line along the lid, 0 … 1.
        width, height: half the width of an eye and half its height when open.
        lower: share of the eye's height that the lower lid rises.
        seed: of the painted skin's texture.
    """

    way: Literal["pull", "paint"] = "pull"
    lashes: float = 0.5
    width: float = 0.24
    height: float = 0.085
    lower: float = 0.2
    seed: int = 0


def find_eyes(image: Image, landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """The two irises, ``(2, 2)``: dark, with something brighter on either side, near the landmarks."""
    import cv2

    luma = grey(image).astype(np.float32)
    left, right = np.asarray(landmarks[:2], np.float64)
    apart = max(float(np.hypot(*(right - left))), 1.0)
    soft = np.asarray(cv2.GaussianBlur(luma, (0, 0), 0.06 * apart), np.float32)
    aside = max(2, round(0.12 * apart))
    beside = (np.roll(soft, aside, 1) + np.roll(soft, -aside, 1)) / 2
    rows, columns = np.mgrid[0 : luma.shape[0], 0 : luma.shape[1]]
    found = []
    for x, y in (left, right):
        near = (np.abs(columns - x) < 0.14 * apart) & (rows - y < 0.09 * apart) & (rows - y > -0.06 * apart)
        away = ((columns - x) ** 2 + 2 * (rows - y) ** 2) / apart**2
        cost = np.where(near, soft - beside + 0.25 * soft + 60 * away, np.inf)
        row, column = np.unravel_index(int(np.argmin(cost)), cost.shape)
        found.append((float(column), float(row)))
    return np.array(found)


def close_eyes(image: Image, eyes: NDArray[np.float64], share: float, lids: Lids | None = None) -> Image:
    """The picture with both eyes closed by a share, 0 open … 1 closed.

    Args:
        image: the picture.
        eyes: from :func:`find_eyes`.
        share: how far.
        lids: how they look.
    """
    if share <= 0:
        return image
    chosen, done = lids if lids is not None else Lids(), image.astype(np.float32)
    along = eyes[1] - eyes[0]
    apart = max(float(np.hypot(*along)), 1.0)
    for number in range(2):
        _close(image, done, eyes[number], along / apart, apart, min(share, 1.0), chosen, chosen.seed + number)
    return Image(np.clip(np.rint(done), 0, 255).astype(np.uint8))


def _close(
    image: Image, done: Pixels, eye: NDArray[np.float64], along: NDArray[np.float64], apart: float, share: float,
    lids: Lids, seed: int,
) -> None:  # fmt: skip
    import cv2

    height, width = image.shape[:2]
    reach = np.ceil(0.45 * apart)
    x0, y0 = (int(max(0, v - reach)) for v in eye)
    x1, y1 = int(min(width, eye[0] + reach)), int(min(height, eye[1] + reach))
    if x1 <= x0 or y1 <= y0:
        return
    rows, columns = np.mgrid[y0:y1, x0:x1].astype(np.float64)
    down = np.array([-along[1], along[0]])
    u = (columns - eye[0]) * along[0] + (rows - eye[1]) * along[1]  # along the eye, and v across it
    v = (columns - eye[0]) * down[0] + (rows - eye[1]) * down[1]
    arch = np.clip(1 - (u / (lids.width * apart)) ** 2, 0, None)
    upper, lower = -1.15 * lids.height * apart * np.sqrt(arch), 0.9 * lids.height * apart * np.sqrt(arch)
    meet = lower - (lower - upper) * lids.lower
    top, bottom = upper + share * (meet - upper), lower + share * (meet - lower)
    brow, cheek = 0.27 * apart, 0.20 * apart
    source = np.where((v > -brow) & (v <= top), -brow + (v + brow) * (upper + brow) / (top + brow), v)
    source = np.where((v >= bottom) & (v < cheek), cheek - (cheek - v) * (cheek - lower) / (cheek - bottom), source)
    source = np.where(arch > 0, source, v)
    found: Any = cv2.remap(
        image, (eye[0] + u * along[0] + source * down[0]).astype(np.float32),
        (eye[1] + u * along[1] + source * down[1]).astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
    lid = np.asarray(found, np.float32)
    if lids.way == "paint":
        lid = _painted(image, lid, eye, down, apart, v, (upper, top), seed)
    line = np.exp(-(((v - top) / max(0.7, 0.022 * apart)) ** 2)) * np.clip(arch * 3, 0, 1) * share * lids.lashes
    lid *= (1 - 0.75 * line)[..., None].astype(np.float32)
    inside = np.clip((1 - np.abs(u) / (lids.width * apart)) * 8, 0, 1)[..., None].astype(np.float32)
    part = done[y0:y1, x0:x1]
    part[...] = part * (1 - inside) + lid * inside


def _painted(
    image: Image, under: Pixels, eye: NDArray[np.float64], down: NDArray[np.float64], apart: float,
    v: NDArray[np.float64], between: tuple[NDArray[np.float64], NDArray[np.float64]], seed: int,
) -> Pixels:  # fmt: skip
    """A lid of the colour of the skin above and below the eye, a little darker at its edge, with some texture."""
    import cv2

    upper, top = between
    skin = (_colour(image, eye - 0.17 * apart * down) + _colour(image, eye + 0.18 * apart * down)) / 2
    texture = np.random.default_rng(seed).normal(0, 4, v.shape).astype(np.float32)
    texture = np.asarray(cv2.GaussianBlur(texture, (0, 0), max(0.6, 0.01 * apart)), np.float32)
    depth = np.clip((v - upper) / np.maximum(top - upper, 1), 0, 1)
    lid = skin * (0.97 - 0.1 * depth)[..., None] + texture[..., None]
    cover = np.clip(1.2 - np.abs(v - (upper + top) / 2) / np.maximum((top - upper) / 2 + 0.5, 0.5), 0, 1)
    soft = np.asarray(cv2.GaussianBlur(cover.astype(np.float32), (0, 0), max(0.5, 0.012 * apart)), np.float32)[
        ..., None
    ]
    return np.asarray(under * (1 - soft) + lid * soft, np.float32)


def _colour(image: Image, at: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y = (int(np.clip(v, 2, n - 3)) for v, n in zip(np.rint(at), (image.shape[1], image.shape[0]), strict=True))
    return np.asarray(image[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).mean(axis=0), np.float64)
