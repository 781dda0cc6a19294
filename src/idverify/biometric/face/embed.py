"""Aligned crops to embeddings, as the model's card says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NewType

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.image import Image
from idverify.biometric.model_card import ModelCard
from idverify.biometric.runtime import InferenceSession
from idverify.errors import ConfigurationError, ModelError

Embedding = NewType("Embedding", NDArray[np.float32])
"""A face as a vector: ``float32``, shape ``(dim,)``, length 1, read-only. Biometric data: never log or print it."""


class FaceEmbedder:
    """Runs an embedding network. Thread-safe as its session is."""

    def __init__(self, session: InferenceSession, card: ModelCard) -> None:
        """Keeps a session and its card.

        Raises:
            ConfigurationError: the card is of another task, or has not one input and one output.
        """
        if card.task != "face-embedding" or len(card.inputs) != 1 or len(card.outputs) != 1:
            raise ConfigurationError(f"{card.identity} is no face embedding with one input and one output")
        self._session, self._card = session, card

    @property
    def card(self) -> ModelCard:
        """The model's card."""
        return self._card

    def embed(self, crops: Sequence[Image], *, mirror: bool = False) -> tuple[Embedding, ...]:
        """One embedding a crop.

        Args:
            crops: aligned faces of the card's input size.
            mirror: the direction of the mean of the crop's vector and of its mirror image's.

        Raises:
            ModelError: a crop of another size, or the network failed or gave no finite vector.
        """
        return tuple(self._both(crop) if mirror else self._unit(self._vectors([crop])[0]) for crop in crops)

    def _both(self, crop: Image) -> Embedding:
        plain, mirrored = self._vectors([crop, Image(np.ascontiguousarray(crop[:, ::-1]))])
        return self._unit(self._unit(plain) + self._unit(mirrored))

    def _vectors(self, crops: Sequence[Image]) -> list[NDArray[np.float32]]:
        """The network's vectors; in one run where it takes several pictures, which costs a little less."""
        card = self._card
        width, height = card.input_size
        if any(crop.shape != (height, width, 3) for crop in crops):
            raise ModelError(f"{card.identity} takes crops of {width} x {height} pixels")
        inputs = [prepare(crop, card) for crop in crops]
        if card.inputs[0].shape[0] is None and card.outputs[0].shape[0] is None:
            inputs = [np.concatenate(inputs)]
        outputs = [self._session.run({card.inputs[0].name: i})[card.outputs[0].name] for i in inputs]
        vectors = np.concatenate([np.asarray(output, np.float32).reshape(-1) for output in outputs])
        if vectors.size != len(crops) * card.output_dim:
            raise ModelError(f"{card.identity} gave no embedding")
        return list(vectors.reshape(len(crops), card.output_dim))

    def _unit(self, vector: NDArray[np.float32]) -> Embedding:
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length < 1e-6:
            raise ModelError(f"{self._card.identity} gave no embedding")
        vector = vector / np.float32(length)
        vector.setflags(write=False)
        return Embedding(vector)


def prepare(crop: Image, card: ModelCard) -> NDArray[Any]:
    """A crop as the network's input: channel order, ``(x - mean) / std`` for float inputs, layout, batch of one."""
    pixels: NDArray[Any] = crop if card.channel_order == "RGB" else crop[:, :, ::-1]
    if card.inputs[0].dtype == "float32":
        pixels = (pixels.astype(np.float32) - np.array(card.mean, np.float32)) / np.array(card.std, np.float32)
    if card.input_layout == "NCHW":
        pixels = pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels[np.newaxis])
