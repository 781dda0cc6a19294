"""A registry of one's own: other models, other calibration tables.

The registry of the package stays as it is. A folder of the operator's starts as a copy of it, takes further models,
each looked at and tried before it is written down, and is then given to ``ModelRegistry(folder / "manifest.toml")``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from idverify.biometric.calibration import CalibrationTable
from idverify.biometric.face.embed import FaceEmbedder
from idverify.biometric.image import Image
from idverify.biometric.model_card import DTYPES, ModelCard, TensorSpec
from idverify.biometric.models import CPU, MAX_MODEL_BYTES, ModelRegistry, default_manifest
from idverify.biometric.runtime import OnnxSession, open_session
from idverify.errors import ConfigurationError, ModelError

_ELEMENT = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(int64)": "int64"}


def create_registry(folder: Path, *, base: Path | None = None) -> ModelRegistry:
    """A folder with the models, tables and licences of another registry.

    Args:
        folder: is made; must not hold a manifest yet.
        base: manifest of the registry to copy; that of the package where None.

    Raises:
        ConfigurationError: the folder holds a registry already, or cannot be written.
        ModelError: the registry to copy is missing or malformed.
    """
    source = base if base is not None else default_manifest()
    ModelRegistry(source)
    if (folder / "manifest.toml").exists():
        raise ConfigurationError("the folder holds a registry already")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in ("files", "calibration", "LICENSES"):
            shutil.copytree(source.parent / part, folder / part, dirs_exist_ok=True)
        shutil.copyfile(source, folder / "manifest.toml")
    except OSError as error:
        raise ConfigurationError(f"the registry cannot be written: {error.strerror}") from None
    return ModelRegistry(folder / "manifest.toml")


def graph_tensors(model: bytes) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs of an ONNX file, as onnxruntime sees them.

    Raises:
        ModelError: onnxruntime refuses the file, or a tensor is of a type that is not fed here.
    """
    session = open_session(model, "to be added", providers=CPU, threads=1)
    return _specs(session.get_inputs()), _specs(session.get_outputs())


def _specs(items: Sequence[Any]) -> tuple[TensorSpec, ...]:
    specs = []
    for item in items:
        dtype = _ELEMENT.get(item.type, "")
        if dtype not in DTYPES:
            raise ModelError(f"the tensor {item.name} is of the type {item.type}, which is not fed here")
        shape = tuple(d if isinstance(d, int) else None for d in item.shape)
        specs.append(TensorSpec(name=item.name, dtype=dtype, shape=shape))
    return tuple(specs)


def add_embedding_model(
    folder: Path,
    file: Path,
    *,
    model_id: str,
    version: str,
    license: str,
    license_text: str,
    source: str,
    training_data: str,
    channel_order: str = "RGB",
    mean: tuple[float, float, float] = (127.5, 127.5, 127.5),
    std: tuple[float, float, float] = (127.5, 127.5, 127.5),
    crop_scale: float = 1.0,
    default: bool = False,
) -> ModelCard:
    """Adds a face embedding network, such as an ArcFace ONNX, after trying it.

    Layout, size and dimension are read from its graph: one input of one picture, one output of one vector. It is run on
    three made-up crops: the vectors must be finite, the same for the same crop, and differ between crops. It has no
    table yet: measure one, see :func:`attach_calibration`; until then its scores carry no FMR and policies refuse them.

    Args:
        folder: of :func:`create_registry`.
        file: the ONNX file; it is copied.
        model_id: name within the registry, new there.
        version: of the file.
        license: SPDX expression.
        license_text: goes into ``LICENSES/``.
        source: whence the file comes.
        training_data: what is known and unknown, in plain words.
        channel_order: ``RGB`` or ``BGR``.
        mean: subtracted, on the scale 0 … 255; for float inputs only.
        std: divides after that.
        crop_scale: how much larger than ArcFace's frame the crop is taken.
        default: make it the default for ``face-embedding``.

    Raises:
        ConfigurationError: the name is taken, or a file cannot be read or written.
        ModelError: the graph is no such network, a field is malformed, or the network failed its trial.
    """
    registry = ModelRegistry(folder / "manifest.toml")
    if model_id in {card.id for card in registry.cards}:
        raise ConfigurationError(f"the registry has a model {model_id!r} already; give the new one another name")
    model = _read(file)
    inputs, outputs = graph_tensors(model)
    layout, size, dim = _embedding_form(inputs, outputs)
    entry = {
        "id": model_id, "version": version, "file": f"{model_id}-{version}.onnx",
        "sha256": hashlib.sha256(model).hexdigest(), "size": len(model), "license": license,
        "license_file": f"{model_id}.txt", "source": source, "training_data": training_data,
        "task": "face-embedding", "input_layout": layout, "input_size": list(size), "channel_order": channel_order,
        "mean": list(mean), "std": list(std), "output_dim": dim, "metric": "cosine", "template": "arcface",
        "crop_scale": crop_scale, "inputs": [_plain(s) for s in inputs], "outputs": [_plain(s) for s in outputs],
    }  # fmt: skip
    card = ModelCard.from_mapping(entry)
    _try(model, card)
    try:
        (folder / "files" / card.file).write_bytes(model)
        (folder / "LICENSES" / card.license_file).write_text(license_text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"the registry cannot be written: {error.strerror}") from None
    _write(folder, (*registry.cards, card), _defaults(registry, {"face-embedding": model_id} if default else {}))
    return card


def attach_calibration(folder: Path, model_id: str, table: CalibrationTable) -> ModelCard:
    """Gives a model its measured table.

    Args:
        folder: of :func:`create_registry`.
        model_id: the model that was measured.
        table: from :func:`idverify.biometric.evaluation.calibrate_faces`.

    Raises:
        ConfigurationError: no such model, or the folder cannot be written.
        ModelError: the table was measured on another file.
    """
    registry = ModelRegistry(folder / "manifest.toml")
    card = registry.card(model_id)
    if (table.model, table.model_sha256) != (card.identity, card.sha256):
        raise ModelError(f"the table {table.id} was measured on {table.model}, not on this file of {card.identity}")
    changed = dataclasses.replace(card, calibration=table.id)
    ModelCard.from_mapping(_mapping(changed))
    try:
        (folder / "calibration" / f"{table.id}.json").write_text(table.to_json(), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"the registry cannot be written: {error.strerror}") from None
    cards = tuple(changed if c.id == model_id else c for c in registry.cards)
    _write(folder, cards, _defaults(registry, {}))
    return changed


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_MODEL_BYTES:
            raise ModelError(f"the model file is over {MAX_MODEL_BYTES} bytes")
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"the model file cannot be read: {error.strerror}") from None


def _embedding_form(
    inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> tuple[str, tuple[int, int], int]:
    """Layout, width and height, and dimension."""
    if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4 or len(outputs[0].shape) != 2:
        raise ModelError("a face embedding has one input of four dimensions and one output of two")
    _, a, b, c = inputs[0].shape
    dim = outputs[0].shape[1]
    layout, sides = ("NCHW", (c, b)) if a == 3 else ("NHWC", (b, a))
    width, height = sides
    if 3 not in (a, c) or width is None or height is None or width != height or dim is None:
        raise ModelError("a face embedding takes square colour pictures of a fixed size and gives a vector of one")
    if inputs[0].shape[0] not in (None, 1) or not 16 <= width <= 1024 or not 2 <= dim <= 4096:
        raise ModelError("the batch, the size or the vector of this network is not of a form that is fed here")
    return layout, (width, height), dim


def _try(model: bytes, card: ModelCard) -> None:
    embedder = FaceEmbedder(OnnxSession(model, card, providers=CPU, threads=1), card)
    rng = np.random.default_rng(0)
    width, height = card.input_size
    rows, columns = np.mgrid[0:height, 0:width]
    ramp = np.repeat(((rows + columns) * 255 // (height + width))[:, :, np.newaxis], 3, axis=2).astype(np.uint8)
    noise = rng.integers(0, 256, (height, width, 3), np.uint8)
    first, second, again = embedder.embed([Image(ramp), Image(noise), Image(ramp)])
    if not np.allclose(first, again, atol=1e-5):
        raise ModelError(f"{card.identity} gives two vectors for one picture")
    if float(first @ second) > 0.999:
        raise ModelError(f"{card.identity} gives one vector for different pictures; are mean and std right?")


def _plain(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "dtype": spec.dtype, "shape": [-1 if d is None else d for d in spec.shape]}


def _mapping(card: ModelCard) -> dict[str, Any]:
    """A card as an entry of the manifest."""
    entry = {field.name: getattr(card, field.name) for field in dataclasses.fields(card)}
    entry |= {"inputs": [_plain(s) for s in card.inputs], "outputs": [_plain(s) for s in card.outputs]}
    return {key: list(v) if isinstance(v, tuple) else v for key, v in entry.items() if v is not None}


def _defaults(registry: ModelRegistry, more: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for task in sorted({card.task for card in registry.cards}):
        try:
            found[task] = registry.default(task).id
        except ConfigurationError:
            continue
    return found | dict(more)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(v)}" for key, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    return repr(value)


def _write(folder: Path, cards: Sequence[ModelCard], defaults: Mapping[str, str]) -> None:
    """Writes the manifest at once or not at all, and reads it again."""
    lines = [
        "# Written by idverify; each model is verified by size and SHA-256 at load.",
        "schema = 1",
        "",
        "[defaults]",
    ]
    lines += [f"{task} = {_toml(name)}" for task, name in defaults.items()]
    for card in cards:
        lines += ["", "[[model]]", *(f"{key} = {_toml(value)}" for key, value in _mapping(card).items())]
    target, fresh = folder / "manifest.toml", folder / "manifest.toml.new"
    try:
        fresh.write_text("\n".join(lines) + "\n", encoding="utf-8")
        ModelRegistry(fresh)
        os.replace(fresh, target)
    except OSError as error:
        raise ConfigurationError(f"the registry cannot be written: {error.strerror}") from None
