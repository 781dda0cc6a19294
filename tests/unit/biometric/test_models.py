from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from idverify import limits
from idverify.biometric import ModelCard, ModelRegistry, default_registry
from idverify.biometric.face import FaceMatcher, PassivePad
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.models import CPU, default_manifest
from idverify.biometric.runtime import THREADS_VARIABLE, OnnxSession, difference, probe, provider_shares, thread_count
from idverify.errors import ConfigurationError, ModelError
from tests.unit.biometric.pictures import picture

YUNET = "yunet-2023mar"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A registry of one's own to spoil, with the detector alone."""
    source = default_manifest().parent
    (tmp_path / "files").mkdir()
    text = (source / "manifest.toml").read_text(encoding="utf-8")
    first = text.split("[[model]]")
    (tmp_path / "manifest.toml").write_text(
        "schema = 1\n[defaults]\nface-detection = 'yunet-2023mar'\n[[model]]" + first[1], encoding="utf-8"
    )
    shutil.copy(default_registry().path(YUNET), tmp_path / "files")
    return tmp_path


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "manifest.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_every_model_of_the_package_verifies() -> None:
    checks = default_registry().verify()
    assert {c.card.id for c in checks} >= {YUNET, "lightcnn-v4-int8"}
    assert [c.problem for c in checks if c.problem] == []


def test_every_card_names_a_licence_text_and_says_what_is_known() -> None:
    folder = default_manifest().parent / "LICENSES"
    for card in default_registry().cards:
        assert "Permission is hereby granted" in (folder / card.license_file).read_text(encoding="utf-8")
        assert len(card.training_data) > 60
        assert card.source.startswith(("PyPI ", "npm "))


def test_models_stay_small() -> None:
    assert sum(card.size for card in default_registry().cards) < 20_000_000


def test_recipes_pin_the_files_of_the_manifest() -> None:
    recipes = default_manifest().parent / "recipes"
    if not recipes.is_dir():
        pytest.skip("an installed package carries no recipes")
    text = "".join(p.read_text(encoding="utf-8") for p in recipes.glob("*.py"))
    for card in default_registry().cards:
        assert card.sha256 in text
        assert card.file in text


def test_untouched_copy_works(copy: Path) -> None:
    registry = ModelRegistry(copy / "manifest.toml")
    out = registry.session(YUNET).run({"input": np.zeros((1, 3, 64, 96), np.float32)})
    assert out["kps_8"].shape == (1, 8 * 12, 10)
    assert registry.session(YUNET) is registry.session(YUNET)
    assert registry.session(YUNET, threads=2) is not registry.session(YUNET, threads=1)
    assert registry.default("face-detection").id == YUNET


def test_one_changed_bit_is_refused(copy: Path) -> None:
    path = next((copy / "files").iterdir())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    registry = ModelRegistry(copy / "manifest.toml")
    with pytest.raises(ModelError, match="SHA-256"):
        registry.session(YUNET)
    assert "SHA-256" in (registry.verify()[0].problem or "")


def test_another_size_is_refused(copy: Path) -> None:
    path = next((copy / "files").iterdir())
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="size"):
        ModelRegistry(copy / "manifest.toml").load(YUNET)


def test_missing_file_is_refused(copy: Path) -> None:
    next((copy / "files").iterdir()).unlink()
    with pytest.raises(ModelError, match="missing"):
        ModelRegistry(copy / "manifest.toml").session(YUNET)


def test_search_path_goes_in_order(copy: Path, tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    name = next((copy / "files").iterdir()).name
    (first / name).write_bytes(b"other")
    registry = ModelRegistry(copy / "manifest.toml", search=[first, copy / "files"])
    assert registry.path(YUNET) == first / name
    with pytest.raises(ModelError):
        registry.load(YUNET)
    assert len(ModelRegistry(copy / "manifest.toml", search=[copy / "files", first]).load(YUNET)) > 100_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "input"', 'name = "inputs"'),
        ('name = "cls_8", dtype = "float32"', 'name = "cls_8", dtype = "uint8"'),
        (
            'name = "input", dtype = "float32", shape = [1, 3, -1, -1]',
            'name = "input", dtype = "float32", shape = [1, 3, 640, 640]',
        ),
        (
            'name = "bbox_8", dtype = "float32", shape = [1, -1, 4]',
            'name = "bbox_8", dtype = "float32", shape = [1, -1, 5]',
        ),
        ('  { name = "kps_32", dtype = "float32", shape = [1, -1, 10] },\n', ""),
    ],
)
def test_graph_of_another_shape_is_refused(copy: Path, old: str, new: str) -> None:
    edit(copy, old, new)
    with pytest.raises(ModelError, match=r"the card says|the graph's"):
        ModelRegistry(copy / "manifest.toml").session(YUNET)


def test_bytes_that_are_no_graph_are_refused(copy: Path) -> None:
    path = next((copy / "files").iterdir())
    noise = b"\x08\x08" + bytes(500)
    path.write_bytes(noise)
    card = default_registry().card(YUNET)
    edit(copy, card.sha256, hashlib.sha256(noise).hexdigest())
    edit(copy, f"size = {card.size}", f"size = {len(noise)}")
    with pytest.raises(ModelError, match="onnxruntime cannot load"):
        ModelRegistry(copy / "manifest.toml").session(YUNET)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("schema = 1", "schema = 2"),
        ('file = "yunet', 'file = "../yunet'),
        ('task = "face-detection"', 'task = "something"'),
        ("size = 2", "size = -2"),
        ("std = [1.0, 1.0, 1.0]", "std = [1.0, 0.0, 1.0]"),
        ("mean = [0.0, 0.0, 0.0]", "mean = [0.0]"),
        ('channel_order = "BGR"', 'channel_order = "CMYK"'),
        ("face-detection = 'yunet-2023mar'", "face-detection = 'nothing'"),
        ("face-detection = 'yunet-2023mar'", "face-embedding = 'yunet-2023mar'"),
        ('id = "yunet-2023mar"', "id = 5"),
        ("[[model]]", "[[model]"),
        ("[[model]]", "[model]"),
    ],
)
def test_malformed_manifest_is_our_error(copy: Path, old: str, new: str) -> None:
    edit(copy, old, new)
    with pytest.raises(ModelError):
        ModelRegistry(copy / "manifest.toml")


def test_missing_manifest_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        ModelRegistry(tmp_path / "manifest.toml")


def test_unknown_names_are_told() -> None:
    with pytest.raises(ConfigurationError, match="yunet-2023mar"):
        default_registry().card("nothing")
    with pytest.raises(ConfigurationError, match="face-pose"):
        default_registry().default("face-pose")
    with pytest.raises(ConfigurationError, match="NoSuchProvider"):
        default_registry().session(YUNET, providers=["NoSuchProvider"])


def test_table_of_another_file_is_refused(copy: Path) -> None:
    edit(copy, 'metric = "none"', 'metric = "none"\ncalibration = "lightcnn-v4-int8-1.2.0-lfw-dev"')
    shutil.copytree(default_manifest().parent / "calibration", copy / "calibration")
    with pytest.raises(ModelError, match="another model"):
        ModelRegistry(copy / "manifest.toml").calibration(YUNET)


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"input": np.zeros((1, 3, 64, 64), np.uint8)},
        {"input": np.zeros((1, 4, 64, 64), np.float32)},
        {"input": np.zeros((3, 64, 64), np.float32)},
    ],
)
def test_wrong_inputs_are_our_error(inputs: dict[str, np.ndarray]) -> None:
    with pytest.raises(ModelError, match="wants input"):
        default_registry().session(YUNET).run(inputs)


def test_failing_graph_is_our_error() -> None:
    with pytest.raises(ModelError, match="onnxruntime failed"):
        default_registry().session(YUNET).run({"input": np.zeros((1, 3, 33, 47), np.float32)})


def test_threads_come_from_argument_then_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(THREADS_VARIABLE, raising=False)
    assert thread_count() == 1
    monkeypatch.setenv(THREADS_VARIABLE, "3")
    assert thread_count() == 3
    assert thread_count(2) == 2
    for wrong in ("many", "0", "1000"):
        monkeypatch.setenv(THREADS_VARIABLE, wrong)
        with pytest.raises(ConfigurationError):
            thread_count()


def test_cards_read_back_every_field() -> None:
    entry = tomllib.loads(default_manifest().read_text(encoding="utf-8"))["model"][1]
    card = ModelCard.from_mapping(entry)
    assert card == default_registry().card("lightcnn-v4-int8")
    assert card.identity == "lightcnn-v4-int8@1.2.0"
    assert card.input_size == (128, 128)
    assert card.inputs[0].shape == (None, 128, 128, 3)
    for key in entry:
        if key not in {"template", "crop_scale", "calibration"}:
            with pytest.raises(ModelError, match=key):
                ModelCard.from_mapping({k: v for k, v in entry.items() if k != key})


def test_import_is_light_and_constructors_load_nothing() -> None:
    code = (
        "import sys, idverify.biometric, idverify.biometric.face, idverify.biometric.evaluation as e;"
        "from idverify.biometric.face import FaceMatcher; FaceMatcher().threshold(1e-4);"
        "print(sorted({'cv2', 'onnxruntime', 'matplotlib', 'onnx', 'socket'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_session_leaves_the_arithmetic_of_the_thread_alone() -> None:
    default_registry().session(YUNET).run({"input": np.zeros((1, 3, 64, 64), np.float32)})
    assert np.nextafter(np.float32(0), np.float32(1)) > 0
    assert sys.float_info.min / 2 > 0


def test_no_weight_is_denormal() -> None:
    import onnx
    from onnx import numpy_helper

    for card in default_registry().cards:
        for constant in onnx.load_from_string(default_registry().load(card.id)).graph.initializer:
            values = numpy_helper.to_array(constant)
            if values.dtype == np.float32:
                assert not ((values != 0) & (np.abs(values) < np.finfo(np.float32).tiny)).any(), constant.name


class Elsewhere:
    """onnxruntime as it would be with a provider of another vendor; its numbers are the processor's, or changed."""

    name = "OpenVINOExecutionProvider"

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, starts: bool = True, change: float = 0.0) -> None:
        made = ort.InferenceSession
        elsewhere = self
        self.told: list[dict[str, str]] = []

        class Session:
            def __init__(self, model: bytes, options: Any, providers: list[str], provider_options: Any = ({},)) -> None:
                if providers[0] == elsewhere.name:
                    elsewhere.told.append(provider_options[0])
                options.add_session_config_entry("session.disable_cpu_ep_fallback", "0")  # it runs every node
                self.inner = made(model, options, providers=["CPUExecutionProvider"])
                self.other = starts and providers[0] == elsewhere.name

            def get_providers(self) -> list[str]:
                return [elsewhere.name] * self.other + ["CPUExecutionProvider"]

            def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
                found = self.inner.run(names, inputs)
                return [v + np.float32(change) * np.abs(v).max() for v in found] if self.other else found

            def __getattr__(self, name: str) -> Any:
                return getattr(self.inner, name)

        monkeypatch.setattr(ort, "get_available_providers", lambda: [self.name, "CPUExecutionProvider"])
        monkeypatch.setattr(ort, "InferenceSession", Session)


@pytest.mark.parametrize("model", [YUNET, "lightcnn-v4-int8", "fr-liveness", "leader-fast"])
def test_another_provider_must_give_the_numbers_of_the_processor(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    other = Elsewhere(monkeypatch)
    assert ModelRegistry().session(model, providers=(Elsewhere.name, *CPU), threads=2).card.id == model
    assert [told["num_of_threads"] for told in other.told] == [str(min(2, limits.cores()))]
    Elsewhere(monkeypatch, change=0.5)
    with pytest.raises(ModelError, match="other numbers"):
        ModelRegistry().session(model, providers=(Elsewhere.name,))
    Elsewhere(monkeypatch, change=float("nan"))
    with pytest.raises(ModelError, match="other numbers"):
        ModelRegistry().session(model, providers=(Elsewhere.name,))


def test_a_provider_that_does_not_start_is_not_replaced_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    Elsewhere(monkeypatch, starts=False)
    with pytest.raises(ConfigurationError, match="not on OpenVINO"):
        ModelRegistry().session(YUNET, providers=(Elsewhere.name, *CPU))


def test_the_made_up_input_makes_every_output_say_something() -> None:
    """A threshold of some hundred would hold every minutia back, and a comparison of nothing always passes."""
    registry = ModelRegistry()
    for card in registry.cards:
        for name, found in registry.session(card.id).run(probe(card)).items():
            assert found.size > 1, name
            assert np.linalg.norm(found) > 0, name
            assert len(np.unique(found)) > 1 or found.size == 1, name


def test_rows_that_change_places_are_the_same_and_other_rows_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    session = ModelRegistry().session("leader-fast")
    reference = ModelRegistry().session("leader-fast")
    rows = reference.run(probe(reference.card))["minutiae"]

    def gives(found: np.ndarray) -> float:
        monkeypatch.setattr(session, "run", lambda _: {"minutiae": found})
        return difference(session, reference)

    assert gives(rows[::-1].copy()) == 0
    assert gives(rows[:-1]) == np.inf
    assert gives(np.repeat(rows[:1], len(rows), axis=0)) > 0.1
    assert gives(np.zeros_like(rows)) > 0.1
    assert gives(np.full_like(rows, np.nan)) == np.inf


def test_the_processor_alone_takes_all_of_the_time() -> None:
    card = default_registry().card(YUNET)
    assert provider_shares(default_registry().load(YUNET), card, providers=CPU) == {CPU[0]: pytest.approx(1.0)}
    with pytest.raises(ConfigurationError, match="has no provider"):
        provider_shares(default_registry().load(YUNET), card, providers=("NoSuchProvider",))


def test_a_provider_that_is_named_alone_runs_everything_or_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime itself refuses, where it was told to; with the processor named after it, it was not told to."""
    strict = []

    def session(model: bytes, options: Any, providers: list[str], **more: Any) -> Any:
        strict.append(options.get_session_config_entry("session.disable_cpu_ep_fallback"))
        raise RuntimeError("nodes are assigned to CPU, but fallback to CPU EP has been explicitly disabled by the user")

    card, model = default_registry().card(YUNET), default_registry().load(YUNET)
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["OtherExecutionProvider", *CPU])
    monkeypatch.setattr(ort, "InferenceSession", session)
    with pytest.raises(ConfigurationError, match="name CPUExecutionProvider after it"):
        OnnxSession(model, card, providers=("OtherExecutionProvider",))
    assert strict == ["1"]


def test_verifying_on_another_provider_tells_how_far_apart_the_numbers_are(monkeypatch: pytest.MonkeyPatch) -> None:
    Elsewhere(monkeypatch, change=0.5)
    checks = ModelRegistry().verify(providers=(Elsewhere.name, *CPU))
    assert all("other numbers" in (c.problem or "") for c in checks)
    assert all(c.difference is not None and c.difference > 0.02 for c in checks)
    assert [c.difference for c in ModelRegistry().verify()] == [None] * len(checks)
    checks = ModelRegistry().verify(providers=("NoSuchProvider",))
    assert all("no provider" in (c.problem or "") for c in checks)


def test_every_matcher_asks_for_the_provider_that_it_was_given() -> None:
    for matcher in (FaceMatcher(providers=["NoSuchProvider"]), FingerMatcher(providers=["NoSuchProvider"])):
        with pytest.raises(ConfigurationError, match="no provider NoSuchProvider"):
            matcher.warm_up()
    face = FaceMatcher().analyse(picture("portrait")).face
    with pytest.raises(ConfigurationError, match="no provider NoSuchProvider"):
        PassivePad(providers=["NoSuchProvider"]).score(picture("portrait"), face)
