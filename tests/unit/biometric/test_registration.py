from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from idverify.biometric import CalibrationPoint, CalibrationTable, ModelRegistry, default_registry
from idverify.biometric.face import FaceMatcher
from idverify.biometric.registration import add_embedding_model, attach_calibration, create_registry, graph_tensors
from idverify.errors import ConfigurationError, ModelError
from tests.unit.biometric.pictures import picture


def network(path: Path, *, side: int = 112, dim: int = 8, weight: float = 1.0, shape: Any = None) -> Path:
    """Average-pools the picture and projects it: a face embedding in form."""
    rng = np.random.default_rng(3)
    matrix = (rng.normal(size=(3 * 16, dim)) * weight).astype(np.float32)
    bias = np.full(dim, 1e-3, np.float32)
    nodes = [
        helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[side // 4] * 2, strides=[side // 4] * 2),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "n",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape or ["n", 3, side, side])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", dim])],
        [numpy_helper.from_array(matrix, "w"), numpy_helper.from_array(bias, "b")],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


ABOUT: dict[str, Any] = {
    "license": "MIT",
    "license_text": "Do as you like.",
    "source": 'a test, with "quotes"',
    "training_data": "None:\nthe weights were drawn at random.",
}


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    create_registry(tmp_path / "models")
    return tmp_path / "models"


def test_a_copy_holds_what_the_package_holds(registry: Path) -> None:
    mine = ModelRegistry(registry / "manifest.toml")
    assert mine.cards == default_registry().cards
    assert mine.load("yunet-2023mar") == default_registry().load("yunet-2023mar")
    with pytest.raises(ConfigurationError, match="already"):
        create_registry(registry)


def test_a_network_is_added_tried_and_used(registry: Path, tmp_path: Path) -> None:
    file = network(tmp_path / "n.onnx")
    card = add_embedding_model(registry, file, model_id="mine", version="2", default=True, **ABOUT)
    assert (card.input_layout, card.input_size, card.output_dim, card.calibration) == ("NCHW", (112, 112), 8, None)
    mine = ModelRegistry(registry / "manifest.toml")
    assert mine.card("mine") == card
    assert mine.default("face-embedding").id == "mine"
    assert mine.default("face-detection").id == "yunet-2023mar"
    assert mine.cards[:-1] == default_registry().cards
    matcher = FaceMatcher(mine, threads=1)
    template = matcher.template(picture("live"))
    assert template.model == "mine@2"
    assert matcher.compare(template, template).fmr is None
    with pytest.raises(ConfigurationError, match="already"):
        add_embedding_model(registry, file, model_id="mine", version="3", **ABOUT)


def table(card: Any, **changes: Any) -> CalibrationTable:
    points = (
        CalibrationPoint(score=0.1, fmr=0.1, low=0.05, high=0.2, fnmr=0.0),
        CalibrationPoint(score=0.5, fmr=0.01, low=0.005, high=0.02, fnmr=0.1),
    )
    entry = {
        "id": "mine-at-home", "model": card.identity, "model_sha256": card.sha256, "metric": "cosine", "data": "test",
        "protocol": "test", "interval": "test", "genuine": 100, "impostor": 1000, "points": points,
    }  # fmt: skip
    return CalibrationTable(**(entry | changes))


def test_a_table_is_attached_to_the_file_that_was_measured(registry: Path, tmp_path: Path) -> None:
    card = add_embedding_model(registry, network(tmp_path / "n.onnx"), model_id="mine", version="2", **ABOUT)
    with pytest.raises(ModelError, match="not on this file"):
        attach_calibration(registry, "mine", table(card, model_sha256="0" * 64))
    attach_calibration(registry, "mine", table(card))
    mine = ModelRegistry(registry / "manifest.toml")
    found = mine.calibration("mine")
    assert found is not None
    assert found.threshold(0.01) == 0.5
    assert mine.default("face-embedding").id == default_registry().default("face-embedding").id
    assert FaceMatcher(mine, model="mine", threads=1).threshold(0.1) == pytest.approx(0.1)


def test_what_is_no_face_embedding_is_refused(registry: Path, tmp_path: Path) -> None:
    def add(file: Path, **more: Any) -> None:
        add_embedding_model(registry, file, **({"model_id": "mine", "version": "1", **ABOUT} | more))

    text = tmp_path / "text.onnx"
    text.write_bytes(b"no network")
    with pytest.raises(ModelError, match="cannot load"):
        add(text)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        add(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="square"):
        add(network(tmp_path / "free.onnx", shape=["n", 3, "h", "w"]))
    with pytest.raises(ModelError, match="one input"):
        add(Path(default_registry().path("yunet-2023mar")))
    with pytest.raises(ModelError, match="one vector for different pictures"):
        add(network(tmp_path / "dull.onnx", weight=0.0))
    with pytest.raises(ModelError, match="no embedding"):
        add(network(tmp_path / "nan.onnx", weight=float("nan")))
    with pytest.raises(ModelError, match="id must be"):
        add(network(tmp_path / "n.onnx"), model_id="../x")
    assert ModelRegistry(registry / "manifest.toml").cards == default_registry().cards
    assert not (registry / "files" / "mine-1.onnx").exists()


def test_tensors_are_read_from_the_graph(tmp_path: Path) -> None:
    inputs, outputs = graph_tensors(network(tmp_path / "n.onnx").read_bytes())
    assert (inputs[0].name, inputs[0].dtype, inputs[0].shape) == ("x", "float32", (None, 3, 112, 112))
    assert outputs[0].shape == (None, 8)
