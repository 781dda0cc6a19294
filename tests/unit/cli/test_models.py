"""``idverify models add`` and ``calibrate``: another network, from its file to scores with a false match rate."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from idverify.biometric import ModelRegistry, as_image, encode_jpeg
from idverify.biometric.face import FaceMatcher
from tests.conftest import Run
from tests.unit.biometric.pictures import picture
from tests.unit.biometric.test_registration import network


def add(run: Run, folder: Path, file: Path, *more: object) -> tuple[int, str, str]:
    (folder / "licence.txt").write_text("Do as you like.", encoding="utf-8")
    return run(
        "models", "add", file, "--registry", folder / "ours", "--id", "mine", "--version", "2", "--license", "MIT",
        "--license-file", folder / "licence.txt", "--source", "a test", "--training-data", "none: drawn at random",
        *more,
    )  # fmt: skip


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Three people, fourteen pictures: darker, blurred and smaller copies of five photographs."""
    made = {"One": ("portrait", "live", "congress"), "Two": ("other",), "Three": ("astronaut",)}
    for person, names in made.items():
        folder = tmp_path / "faces" / person
        folder.mkdir(parents=True)
        for name in names:
            image = picture(name)
            for i in range(2 if person == "One" else 4):
                changed = cv2.GaussianBlur(np.clip(image * (1 - 0.1 * i), 0, 255).astype(np.uint8), (0, 0), 1 + i / 2)
                (folder / f"{name}{i}.jpg").write_bytes(encode_jpeg(as_image(changed)))
    return tmp_path / "faces"


def test_a_network_is_added_measured_and_then_has_a_rate(run: Run, tmp_path: Path, faces: Path) -> None:
    code, out, _ = add(run, tmp_path, network(tmp_path / "n.onnx"), "--json")
    assert code == 0
    assert json.loads(out)["dimension"] == 8
    code, out, err = run(
        "models", "calibrate", "--registry", tmp_path / "ours", "--model", "mine", "--faces", faces,
        "--data", "fourteen test pictures", "--json",
    )  # fmt: skip
    assert code == 0, err
    table = json.loads(out)
    assert (table["table"], table["genuine"], table["impostor"]) == ("mine-2-own", 15 + 6 + 6, 24 + 24 + 16)
    assert [p["fmr"] for p in table["points"]] == sorted((p["fmr"] for p in table["points"]), reverse=True)
    matcher = FaceMatcher(ModelRegistry(tmp_path / "ours" / "manifest.toml"), model="mine", threads=1)
    template = matcher.template(picture("live"))
    assert matcher.compare(template, template).fmr == table["points"][-1]["fmr"]


def test_what_is_no_such_network_is_refused_and_not_written_down(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no graph")
    code, _, err = add(run, tmp_path, tmp_path / "bad.onnx")
    assert code == 1
    assert "onnxruntime cannot load" in err
    constant = network(tmp_path / "constant.onnx", weight=0.0)
    code, _, err = add(run, tmp_path, constant)
    assert code == 1
    assert "one vector for different pictures" in err
    assert "mine" not in {c.id for c in ModelRegistry(tmp_path / "ours" / "manifest.toml").cards}


def test_people_read_what_was_measured(run: Run, tmp_path: Path, faces: Path) -> None:
    code, out, _ = add(run, tmp_path, network(tmp_path / "n.onnx"), "--channel-order", "BGR", "--default")
    assert code == 0
    assert "112 × 112 pixels, 8 numbers" in out
    code, out, err = run(
        "models", "calibrate", "--registry", tmp_path / "ours", "--model", "mine", "--faces", faces,
        "--data", "test pictures", "--table", "own-1",
    )  # fmt: skip
    assert code == 0, err
    assert "own-1: 27 genuine, 64 impostor" in out
    card = ModelRegistry(tmp_path / "ours" / "manifest.toml").default("face-embedding")
    assert (card.id, card.channel_order, card.calibration) == ("mine", "BGR", "own-1")


def test_the_folder_of_optimised_graphs_is_shown_and_emptied(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IDVERIFY_GRAPH_CACHE", raising=False)
    assert run("models", "cache")[0] == 2
    folder = tmp_path / "graphs"
    assert json.loads(run("models", "cache", "--dir", folder, "--json")[1])["graphs"] == []
    ModelRegistry(graphs=folder).session("yunet-2023mar")
    monkeypatch.setenv("IDVERIFY_GRAPH_CACHE", str(folder))
    assert "1 graphs" in run("models", "cache")[1]
    told = json.loads(run("models", "cache", "--clear", "--json")[1])
    assert (len(told["graphs"]), told["cleared"]) == (1, True)
    assert list(folder.iterdir()) == []
