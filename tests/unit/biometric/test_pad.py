from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from idverify.biometric import as_image, encode_png
from idverify.biometric.evaluation import PadItem, evaluate_pad, pad_rates
from idverify.biometric.evaluation.pad import species_of
from idverify.biometric.face import DetectedFace, FaceMatcher, PassivePad, main_face
from idverify.biometric.face.pad import surroundings
from idverify.errors import BiometricError, ConfigurationError
from tests.shared import shared
from tests.unit.biometric.pictures import FILES, picture


def test_photographs_of_people_score_as_live(matcher: FaceMatcher) -> None:
    pad = PassivePad(threads=1)
    assert pad.model == "fr-liveness@1.0.0"
    for name in ("portrait", "live", "other"):
        image = picture(name)
        score = pad.score(image, main_face(matcher.detect(image), image))
        assert score.live > 0.9
        assert score.model == pad.model
        assert score.face > 80


def test_the_nine_pictures_are_a_smoke_test(matcher: FaceMatcher, capsys: pytest.CaptureFixture[str]) -> None:
    """Four live pictures and five attacks: too few for a rate, and one attack is missed."""
    found = evaluate_pad(shared("pad"), matcher=matcher)
    with capsys.disabled():
        print()
        for item in found.items:
            print(f"  smoke test, no measurement: {item.species or 'live':8s} {item.score:.3f}  {item.name}")
    scores = {item.name: item.score for item in found.items}
    assert len(scores) == 9
    assert found.bpcer is not None
    assert (found.bpcer.events, found.bpcer.trials) == (0, 4)
    assert {s: (r.events, r.trials) for s, r in found.apcer.items()} == {
        "print": (0, 1),
        "screen": (0, 1),
        "unknown": (1, 3),
    }
    assert scores["vietmoney_fake_001.jpg"] is not None
    assert scores["vietmoney_fake_001.jpg"] > 0.5
    assert found.apcer_max == pytest.approx(1 / 3)


def item(species: str | None, score: float | None) -> PadItem:
    return PadItem(name="x", species=species, score=score)


def test_rates_are_told_by_species_and_the_worst_counts() -> None:
    items = [item("print", 0.1), item("print", 0.9), item("screen", 0.2), item("screen", None)]
    items += [item(None, 0.8), item(None, 0.5), item(None, 0.4), item(None, None)]
    found = pad_rates(items, threshold=0.5, model="m@1")
    assert {s: r.value for s, r in found.apcer.items()} == {"print": 0.5, "screen": 0.0}
    assert found.apcer_max == 0.5
    assert found.bpcer is not None
    assert found.bpcer.value == 0.5
    assert found.bpcer.interval[0] < 0.5 < found.bpcer.interval[1]
    assert found.no_response == 2
    answer = found.to_json()
    assert answer["apcer"]["print"] == {"rate": 0.5, "interval": list(found.apcer["print"].interval), "n": 2}
    assert "masks" in answer["limits"]
    with pytest.raises(ConfigurationError):
        pad_rates([], threshold=0.5)
    assert pad_rates([item(None, 1.0)], threshold=0.5).apcer_max is None
    assert pad_rates([item("print", 1.0)], threshold=0.5).bpcer is None


def test_folders_and_names_tell_the_species(tmp_path: Path, matcher: FaceMatcher) -> None:
    assert species_of(Path("a/spoof/print/x_1.jpg")) == "print"
    assert species_of(Path("a/spoof/F2_screen.jpg")) == "screen"
    assert species_of(Path("a/spoof/fake_001.jpg")) == "unknown"
    for place in ("live/a.jpg", "spoof/mask/b.jpg"):
        (tmp_path / place).parent.mkdir(parents=True)
        shutil.copy(FILES["live"], tmp_path / place)
    (tmp_path / "live/empty.png").write_bytes(encode_png(as_image(np.zeros((64, 64, 3), np.uint8))))
    (tmp_path / "live/notes.txt").write_text("no picture", encoding="utf-8")
    seen: list[tuple[int, int]] = []
    found = evaluate_pad(tmp_path, matcher=matcher, on_progress=lambda a, b: seen.append((a, b)))
    assert (found.no_response, list(found.apcer), seen[-1]) == (1, ["mask"], (3, 3))
    assert found.bpcer is not None
    assert found.bpcer.value == 0.5
    with pytest.raises(ConfigurationError, match="no presentation"):
        evaluate_pad(tmp_path / "none", matcher=matcher)


def test_the_surroundings_stay_in_the_picture() -> None:
    image = as_image(np.zeros((100, 200, 3), np.uint8))
    image[:, 150:] = 200
    assert surroundings(image, (10, 10, 20, 20), side=32).shape == (32, 32, 3)
    # A box of 20 pixels at the right edge: 54 pixels that end there, so nearly all of them are bright.
    assert (surroundings(image, (175, 40, 20, 20), side=32) == 200).mean() > 0.85
    assert surroundings(image, (-50, -50, 300, 300), side=16).shape == (16, 16, 3)
    for box in ((0.0, 0.0, 0.0, 5.0), (float("nan"), 0.0, 5.0, 5.0)):
        with pytest.raises(BiometricError):
            surroundings(image, box, side=16)


def test_other_models_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="presentation attack"):
        PassivePad(model="yunet-2023mar")
    image = as_image(np.zeros((50, 50, 3), np.uint8))
    face = DetectedFace(box=(0, 0, 0, 0), landmarks=np.zeros((5, 2), np.float32), confidence=1.0)
    with pytest.raises(BiometricError):
        PassivePad().score(image, face)
