"""The identity of a model file and how it wants to be fed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idverify.errors import ModelError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
TASKS = frozenset({"face-detection", "face-embedding", "face-pad", "face-pose", "face-landmarks", "finger-minutiae"})
LAYOUTS = frozenset({"NCHW", "NHWC"})
DTYPES = frozenset({"float32", "uint8", "int64"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """Name, element type and shape of an input or output; None stands for a free dimension."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """One model file: what it is, whence it comes, what it wants, and what may be said of it.

    Attributes:
        id: name within the registry.
        version: version of the file; a new file is a new version.
        file: file name beside the manifest, in ``files/``.
        sha256: of the file, hexadecimal.
        size: bytes of the file.
        license: SPDX expression of the weights' licence.
        license_file: file in ``LICENSES/``.
        source: the registry package and version that the weights come from.
        training_data: what is known and unknown about the training data and its rights, in plain words.
        task: one of ``face-detection``, ``face-embedding``, ``face-pad``, ``face-pose``, ``face-landmarks``,
            ``finger-minutiae``.
        input_layout: ``NCHW`` or ``NHWC``.
        input_size: width and height in pixels; (0, 0) where free.
        channel_order: ``RGB``, ``BGR``, or ``GREY`` for one channel (mean and std then repeat the same value).
        mean: subtracted from each channel (in channel order), on the scale 0 … 255.
        std: divides each channel after that.
        output_dim: length of the embedding; 0 where the task has none.
        metric: ``cosine``, or ``none``.
        calibration: identity of the measured score-to-FMR table, or None.
        record_calibration: the same for comparisons with records of minutiae from elsewhere, or None.
        template: where the five landmarks lie in the crop, ``arcface`` or ``none``.
        crop_scale: how much larger than the template's frame the crop is taken.
        inputs: what the graph must take.
        outputs: what the graph must give.
    """

    id: str
    version: str
    file: str
    sha256: str
    size: int
    license: str
    license_file: str
    source: str
    training_data: str
    task: str
    input_layout: str
    input_size: tuple[int, int]
    channel_order: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    output_dim: int
    metric: str
    calibration: str | None
    record_calibration: str | None = None
    template: str = "none"
    crop_scale: float = 1.0
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()

    @property
    def identity(self) -> str:
        """``id@version``: what templates and scores carry."""
        return f"{self.id}@{self.version}"

    @classmethod
    def from_mapping(cls, entry: Mapping[str, Any]) -> ModelCard:
        """A card from one entry of the manifest, every field checked.

        Raises:
            ModelError: a field is missing, of another type, or not among the known words.
        """
        reader = _Reader(entry)
        card = cls(
            id=reader.text("id", _NAME),
            version=reader.text("version", _NAME),
            file=reader.text("file", _FILE),
            sha256=reader.text("sha256", _SHA256),
            size=reader.integer("size"),
            license=reader.text("license"),
            license_file=reader.text("license_file", _FILE),
            source=reader.text("source"),
            training_data=reader.text("training_data"),
            task=reader.choice("task", TASKS),
            input_layout=reader.choice("input_layout", LAYOUTS),
            input_size=reader.size("input_size"),
            channel_order=reader.choice("channel_order", frozenset({"RGB", "BGR", "GREY"})),
            mean=reader.triple("mean"),
            std=reader.triple("std"),
            output_dim=reader.integer("output_dim"),
            metric=reader.choice("metric", frozenset({"cosine", "none"})),
            calibration=reader.optional_name("calibration"),
            record_calibration=reader.optional_name("record_calibration"),
            template=reader.choice("template", frozenset({"arcface", "none"})) if "template" in entry else "none",
            crop_scale=reader.number("crop_scale") if "crop_scale" in entry else 1.0,
            inputs=reader.tensors("inputs"),
            outputs=reader.tensors("outputs"),
        )
        if 0.0 in card.std or not 0.5 <= card.crop_scale <= 2.0:
            raise ModelError(f"the model card {card.id!r} has an impossible std or crop_scale")
        return card


class _Reader:
    """Typed access to one entry of the manifest."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self._entry = entry
        self._who = str(entry.get("id", "without id"))[:64]

    def _fail(self, key: str, wanted: str) -> ModelError:
        return ModelError(f"the model card {self._who!r}: {key} must be {wanted}")

    def text(self, key: str, pattern: re.Pattern[str] | None = None) -> str:
        value = self._entry.get(key)
        if not isinstance(value, str) or not value or (pattern and not pattern.fullmatch(value)):
            raise self._fail(key, f"a text of the form {pattern.pattern}" if pattern else "a text")
        return value

    def optional_name(self, key: str) -> str | None:
        return self.text(key, _NAME) if key in self._entry else None

    def choice(self, key: str, words: frozenset[str]) -> str:
        value = self._entry.get(key)
        if not isinstance(value, str) or value not in words:
            raise self._fail(key, f"one of {', '.join(sorted(words))}")
        return value

    def integer(self, key: str) -> int:
        value = self._entry.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._fail(key, "a whole number, 0 or more")
        return value

    def number(self, key: str) -> float:
        value = self._entry.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._fail(key, "a number")
        return float(value)

    def _list(self, key: str, length: int) -> list[float]:
        value = self._entry.get(key)
        if not isinstance(value, list) or len(value) != length:
            raise self._fail(key, f"a list of {length} numbers")
        if any(not isinstance(v, int | float) or isinstance(v, bool) for v in value):
            raise self._fail(key, f"a list of {length} numbers")
        return [float(v) for v in value]

    def size(self, key: str) -> tuple[int, int]:
        width, height = self._list(key, 2)
        return int(width), int(height)

    def triple(self, key: str) -> tuple[float, float, float]:
        first, second, third = self._list(key, 3)
        return first, second, third

    def tensors(self, key: str) -> tuple[TensorSpec, ...]:
        value = self._entry.get(key)
        if not isinstance(value, list) or not value:
            raise self._fail(key, "a list of tensors")
        return tuple(self._tensor(key, item) for item in value)

    def _tensor(self, key: str, item: object) -> TensorSpec:
        if not isinstance(item, dict):
            raise self._fail(key, "a list of tables with name, dtype and shape")
        name, dtype, shape = item.get("name"), item.get("dtype"), item.get("shape")
        if not isinstance(name, str) or dtype not in DTYPES or not isinstance(shape, list):
            raise self._fail(key, "a list of tables with name, dtype and shape")
        if any(not isinstance(d, int) or isinstance(d, bool) or d < -1 for d in shape):
            raise self._fail(key, "shapes of whole numbers, -1 for a free dimension")
        return TensorSpec(name=name, dtype=str(dtype), shape=tuple(None if d == -1 else d for d in shape))
