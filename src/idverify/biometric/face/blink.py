"""Both eyes closed for a moment and opened again, while the rest of the face stayed as it was.

No eye state model is used. The face is aligned by its five landmarks and then, since these move when lids do, laid upon
the same person's own straight looks by what is not eye (affine; G. Evangelidis and E. Psarakis, "Parametric image
alignment using enhanced correlation coefficient maximization", IEEE PAMI 30(10), 2008). Each region is compared with
the mean of those looks by normalised cross-correlation, the best over a few pixels, so that light and contrast drop
out. How much a region departs is told against how much it departed while nothing happened: noise and compression drop
out too. A blink is a departure of both eyes, not of brows, cheeks, nose and mouth, that comes and goes. The limits were
chosen on pictures whose lids were closed by a program, and judged on those of other people
(``benchmarks/measure_challenge.py``, docs/models.md); they have not been tried on people.

What it cannot tell: lids of paper, lids on a video, two pictures shown in turn, eyes behind the holes of a print.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.face.align import align_face
from idverify.biometric.image import Image, grey

SIDE: Final = 128
CROP_SCALE: Final = 0.95
"""The aligned face: eyes 42 pixels apart, at (43, 58) and (85, 58)."""

MIN_INTER_EYE: Final = 30.0
"""Pixels between the eyes below which nothing was measured."""

FRAMES: Final = 6
"""Straight looks that are needed before a blink can be told."""

Grey = NDArray[np.float32]

_EYES: Final = MappingProxyType({"left": (43, 58, 13, 8), "right": (85, 58, 13, 8)})
"""Centre, half width and half height in the aligned face."""

_REST: Final = MappingProxyType(
    {
        "bridge": (64, 58, 8, 9), "nose": (64, 82, 14, 11), "mouth": (64, 107, 20, 9),
        "left cheek": (41, 78, 12, 7), "right cheek": (87, 78, 12, 7),
        "left brow": (43, 41, 15, 6), "right brow": (85, 41, 15, 6),
    }
)  # fmt: skip
_SLACK = 3
"""Pixels that a region may lie elsewhere after all."""

_FACE: Final = (slice(34, 120), slice(26, 102))
_EYELESS: Final = ((slice(46, 70), slice(26, 60)), (slice(46, 70), slice(68, 102)))
"""By what a face is laid upon another: the first without the others."""

_MIDDLE: Final = (66, 116, 30, 98)
"""Rows and columns of nose and mouth, by which the first guess is made, within this many pixels."""
_FAR = 8
_STEPS = 15

_FLOOR = 0.004
"""Departure that is noise anyhow, as 1 - correlation."""

_MEMORY = 2.5
"""Seconds of the past in which a blink is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlinkLimits:
    """What counts as a blink. Departures are natural logarithms of multiples of the noise.

    Attributes:
        eyes: how much more than the rest of the face both eyes depart, in two frames that follow each other.
        rest: how much the rest may depart on average, from ``around`` seconds before to ``around`` seconds after.
        bridge: how much the skin between the eyes may depart meanwhile.
        back: share of the eyes' departure, and what is added to it, below which they are open.
        around: seconds.
        closed: longest time in seconds from open to open eyes.
    """

    eyes: float = 1.0
    rest: float = 1.5
    bridge: float = 2.2
    back: tuple[float, float] = (0.35, 0.2)
    around: float = 0.3
    closed: float = 1.6


@dataclass(frozen=True, slots=True)
class _Look:
    """One frame: when, and how much eyes, bridge and rest departed."""

    at: float
    eyes: float
    rest: float
    bridge: float

    @property
    def contrast(self) -> float:
        return self.eyes - max(self.rest, 0.0)


def eye_view(image: Image, landmarks: NDArray[np.float32]) -> Grey:
    """The aligned face in grey, ``(128, 128)``, as :class:`BlinkWatch` takes it.

    Raises:
        BiometricError: the landmarks cannot be aligned.
    """
    import cv2

    crop = grey(align_face(image, landmarks, side=SIDE, crop_scale=CROP_SCALE))
    return np.asarray(cv2.GaussianBlur(crop.astype(np.float32), (0, 0), 0.9), np.float32)


class BlinkWatch:
    """Watches one face for a blink. Not thread-safe; one for each blink."""

    def __init__(self, limits: BlinkLimits | None = None) -> None:
        """Takes the limits; the defaults where None."""
        self._limits = limits if limits is not None else BlinkLimits()
        self._straight: deque[Grey] = deque(maxlen=FRAMES)
        self._mean: Grey | None = None
        self._noise: Mapping[str, float] = {}
        self._looks: deque[_Look] = deque(maxlen=256)

    def look(self, view: Grey) -> None:
        """A straight look with open eyes: what the blink will be told from. The last six count."""
        self._straight.append(view)
        self._mean = None

    @property
    def ready(self) -> bool:
        """Whether there were enough straight looks."""
        return len(self._straight) == FRAMES

    def feed(self, view: Grey, at: float) -> bool:
        """Takes the next frame; True where a blink has ended within the last moments.

        Args:
            view: from :func:`eye_view`.
            at: seconds on the frames' clock.
        """
        if not self.ready:
            return False
        if self._mean is None:
            self._learn()
        self._looks.append(self._depart(view, at))
        while at - self._looks[0].at > _MEMORY:
            self._looks.popleft()
        return self._blinked()

    def _learn(self) -> None:
        """The mean look, and how much each look departs from the mean of the others."""
        first = self._straight[0]
        stack = np.stack([first, *(_laid(view, first) for view in list(self._straight)[1:])])
        total = stack.sum(axis=0)
        self._mean = np.asarray(total / len(stack), np.float32)
        others = [np.asarray((total - view) / (len(stack) - 1), np.float32) for view in stack]
        self._noise = {
            name: float(np.median([_departure(v, mean, box) for v, mean in zip(stack, others, strict=True)]))
            for name, box in (*_EYES.items(), *_REST.items())
        }

    def _depart(self, view: Grey, at: float) -> _Look:
        mean = self._mean if self._mean is not None else view
        view = _laid(view, mean)
        found = {
            name: float(np.log((_departure(view, mean, box) + _FLOOR) / (self._noise[name] + _FLOOR)))
            for name, box in (*_EYES.items(), *_REST.items())
        }
        rest = float(np.mean([found[name] for name in _REST]))
        return _Look(at, min(found[name] for name in _EYES), rest, found["bridge"])

    def _blinked(self) -> bool:
        looks = list(self._looks)
        return any(self._is_blink(looks, i) for i in range(1, len(looks) - 2))

    def _is_blink(self, looks: list[_Look], first: int) -> bool:
        """Whether the eyes are closed in this frame and the next, open before and after, and nothing else happened."""
        limits, pair = self._limits, looks[first : first + 2]
        if min(look.contrast for look in pair) < limits.eyes or max(look.bridge for look in pair) > limits.bridge:
            return False
        start, end = pair[0].at, pair[1].at
        if looks[-1].at < end + limits.around:  # what follows at once must be seen too
            return False
        if any(look.rest > limits.rest for look in looks if start - limits.around <= look.at <= end + limits.around):
            return False
        share, more = limits.back
        open_ = share * min(look.eyes for look in pair) + more
        before = [k.at for k in looks[:first] if k.eyes < open_]
        after = [k.at for k in looks[first + 2 :] if k.eyes < open_]
        return bool(before and after) and after[0] - before[-1] <= limits.closed


def _laid(view: Grey, mean: Grey) -> Grey:
    """The view moved, turned and stretched so that what is not eye lies where it lies in the mean."""
    import cv2

    top, bottom, left, right = _MIDDLE
    around = view[top - _FAR : bottom + _FAR, left - _FAR : right + _FAR]
    match = np.nan_to_num(cv2.matchTemplate(around, mean[top:bottom, left:right], cv2.TM_CCOEFF_NORMED), nan=-1.0)
    down, along = np.unravel_index(int(np.argmax(match)), match.shape)
    matrix = np.array([[1, 0, float(along) - _FAR], [0, 1, float(down) - _FAR]], np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _STEPS, 1e-3)
    with contextlib.suppress(cv2.error):  # it did not converge: the first guess stays
        _, better = cv2.findTransformECC(mean, view, matrix.copy(), cv2.MOTION_AFFINE, criteria, _mask(), 5)
        found = np.asarray(better, np.float64)
        if np.isfinite(found).all() and abs(np.linalg.det(found[:, :2]) - 1) < 0.35 and np.abs(found[:, 2]).max() < 30:
            matrix = found.astype(np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(view, matrix, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


@cache
def _mask() -> NDArray[np.uint8]:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[_FACE] = 1
    for eye in _EYELESS:
        mask[eye] = 0
    return mask


def _departure(view: Grey, mean: Grey, box: tuple[int, int, int, int]) -> float:
    """1 - the best normalised cross-correlation of a region of the mean within a few pixels of its place; 0 … 2."""
    import cv2

    x, y, wide, high = box
    where = mean[y - high : y + high + 1, x - wide : x + wide + 1]
    around = view[y - high - _SLACK : y + high + 1 + _SLACK, x - wide - _SLACK : x + wide + 1 + _SLACK]
    found = float(np.max(np.nan_to_num(cv2.matchTemplate(around, where, cv2.TM_CCOEFF_NORMED), nan=0.0)))
    return 1 - min(max(found, -1.0), 1.0)
