"""Presentation attack detection from one picture: a signal, never alone a verdict.

A network looks at the face and what is around it and says how much it resembles a live person rather than a print or a
screen. It has been seen to miss attacks and to doubt honest people; :mod:`idverify.biometric.evaluation.pad` measures
it on pictures of one's own, and :mod:`idverify.biometric.face.challenge` asks the person to move.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.face.detect import DetectedFace
from idverify.biometric.face.embed import prepare
from idverify.biometric.image import Image
from idverify.biometric.models import CPU, ModelRegistry, default_registry
from idverify.biometric.runtime import InferenceSession
from idverify.errors import BiometricError, ConfigurationError, ModelError

LIMITS = (
    "trained on unstated data; tells prints and screens it resembles, no masks, no injected video; "
    "compressed and retouched pictures of live people score low"
)
"""What must be said wherever a score is shown."""

SMALLEST_FACE = 80
"""Width of a face in pixels below which the network was not tried: a score of such a face settles nothing."""

_AROUND = 2.7
_LIVE = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PadScore:
    """What the network says of one picture.

    Attributes:
        live: share for a live person, 0 … 1.
        model: identity of the model, ``id@version``.
        face: width of the face in pixels; below :data:`SMALLEST_FACE` the score means little.
    """

    live: float
    model: str
    face: int


class PassivePad:
    """Runs the network. Thread-safe; nothing is loaded before the first picture."""

    def __init__(
        self,
        registry: ModelRegistry | None = None,
        *,
        model: str | None = None,
        threads: int | None = None,
        providers: Sequence[str] = CPU,
    ) -> None:
        """Chooses the model.

        Args:
            registry: where models come from; that of the package where None.
            model: by id; the registry's default for ``face-pad`` where None. Its first output is the share of class 0,
                a live person.
            threads: threads of one inference.
            providers: onnxruntime's execution providers.

        Raises:
            ConfigurationError: there is no such model, or it is of another task.
            ModelError: the registry's manifest is missing or malformed.
        """
        self._registry = registry if registry is not None else default_registry()
        self._card = self._registry.card(model) if model else self._registry.default("face-pad")
        if self._card.task != "face-pad":
            raise ConfigurationError(f"{self._card.id} is no model for presentation attack detection")
        self._threads, self._providers = threads, tuple(providers)
        self._lock = threading.Lock()
        self._session: InferenceSession | None = None

    @property
    def model(self) -> str:
        """Identity of the model, ``id@version``."""
        return self._card.identity

    def score(self, image: Image, face: DetectedFace) -> PadScore:
        """How much a face resembles a live person's.

        Args:
            image: the whole picture as the camera gave it; not cut out, not scaled up.
            face: the face in it.

        Raises:
            BiometricError: the face has no area within the picture.
            ModelError: the model is missing, altered or failed.
        """
        card = self._card
        crop = surroundings(image, face.box, side=card.input_size[0])
        output = self._load().run({card.inputs[0].name: prepare(crop, card)})[card.outputs[0].name]
        shares = np.asarray(output, np.float64).reshape(-1)
        if len(shares) != card.output_dim or not np.isfinite(shares).all():
            raise ModelError(f"{card.identity} gave no shares")
        return PadScore(live=float(np.clip(shares[_LIVE], 0.0, 1.0)), model=card.identity, face=round(face.box[2]))

    def _load(self) -> InferenceSession:
        if self._session is None:
            with self._lock:
                self._session = self._registry.session(self._card.id, threads=self._threads, providers=self._providers)
        return self._session


def surroundings(image: Image, box: tuple[float, float, float, float], *, side: int, around: float = _AROUND) -> Image:
    """The face with what is around it: ``around`` times the box, less where the picture ends, moved inwards.

    Raises:
        BiometricError: the box has no area within the picture.
    """
    import cv2

    height, width = image.shape[:2]
    left, top, wide, high = box
    if not np.isfinite(box).all() or wide < 1 or high < 1:
        raise BiometricError("the face has no area")
    scale = min((height - 1) / high, (width - 1) / wide, around)
    span = np.array([wide * scale, high * scale])
    low = np.array([left + wide / 2, top + high / 2]) - span / 2
    low = np.minimum(np.maximum(low, 0), np.array([width - 1, height - 1]) - span)
    x, y = (max(0, int(v)) for v in low)
    part: NDArray[np.uint8] = image[y : y + int(span[1]), x : x + int(span[0])]
    if part.size == 0:
        raise BiometricError("the face has no area within the picture")
    return Image(np.ascontiguousarray(cv2.resize(part, (side, side), interpolation=cv2.INTER_LINEAR)))
