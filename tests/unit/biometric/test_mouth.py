from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from idverify.biometric import Image, as_image
from idverify.biometric.face import (
    CaptureEnd,
    CaptureKind,
    CaptureOptions,
    FaceLimits,
    FaceMatcher,
    Limit,
    LimitUse,
    QualityMeasure,
    QualityStatus,
    capture,
    mouth,
)
from idverify.biometric.face.mouth import mouth_visible
from idverify.biometric.frames import ArraySource
from idverify.errors import ModelError
from tests.unit.biometric.pictures import FILES, ROOT, picture
from tests.unit.biometric.test_capture import scene

DRAWING: dict[str, Any] = runpy.run_path(str(ROOT / "models" / "recipes" / "drawn_masks.py"))
MASK = QualityMeasure.MOUTH_VISIBLE


def drawn(matcher: FaceMatcher, image: Image, kind: str, seed: int = 1) -> Image:
    face = matcher.inspect(image).face
    draw: Callable[..., np.ndarray] = DRAWING["draw"]
    return as_image(draw(image, face.landmarks, kind, np.random.default_rng(seed)))


@pytest.mark.parametrize("name", FILES)
def test_an_uncovered_face_gets_no_advice(matcher: FaceMatcher, name: str) -> None:
    component = matcher.inspect(picture(name)).quality.component(MASK)
    assert component.raw > 0.9
    assert component.advice == ""


@pytest.mark.parametrize("kind", DRAWING["KINDS"])
def test_a_drawn_mask_is_advised_against_and_never_held_against_the_picture(matcher: FaceMatcher, kind: str) -> None:
    found = 0
    for name in ("portrait", "live", "other"):
        covered = drawn(matcher, picture(name), kind)
        quality = matcher.inspect(covered).quality
        component = quality.component(MASK)
        assert component.use is LimitUse.ADVISES
        assert quality.scalar == min(c.scalar for c in quality.components if c.use is LimitUse.DECIDES)
        assert MASK.value not in quality.evidence
        assert ("remove-mask" in quality.advice) is (component.raw < 0.5)
        found += component.raw < 0.5
        portrait = matcher.inspect(covered, kind=CaptureKind.PORTRAIT).quality
        assert "remove-mask" not in portrait.advice, "nobody can take a mask off a chip"
    assert found >= 2


@pytest.mark.parametrize("place", DRAWING["BESIDE"])
def test_cloth_beside_the_mouth_is_no_mask(matcher: FaceMatcher, place: str) -> None:
    for name in ("portrait", "live", "other"):
        quality = matcher.inspect(drawn(matcher, picture(name), place)).quality
        assert "remove-mask" not in quality.advice


def test_colour_does_not_enter(matcher: FaceMatcher) -> None:
    image = picture("live")
    luma = as_image(np.repeat(mouth.grey(image)[..., np.newaxis], 3, axis=2))
    landmarks = matcher.inspect(image).face.landmarks
    assert np.abs(mouth.features(luma, landmarks) - mouth.features(image, landmarks)).max() < 0.15, "but for rounding"
    blue = as_image(np.ascontiguousarray(image[:, :, ::-1]))
    assert mouth.mouth_visible(blue, landmarks) > 0.9
    assert mouth.features(image, landmarks).shape == (mouth.FEATURES,)


def test_of_small_faces_and_impossible_landmarks_nothing_is_said(matcher: FaceMatcher) -> None:
    landmarks = matcher.inspect(picture("live")).face.landmarks
    unit = float(np.linalg.norm(landmarks[1] - landmarks[0]))
    assert np.isnan(mouth.mouth_visible(picture("live"), landmarks * (mouth.SMALLEST - 1) / unit))
    for points in (np.zeros((5, 2), np.float32), landmarks * np.float32(np.nan), landmarks * 1e6):
        assert np.isnan(mouth.mouth_visible(picture("live"), points))


@pytest.mark.parametrize("name", ["portrait", "live", "other"])
def test_a_large_face_is_judged_as_a_small_one_wherever_it_is(matcher: FaceMatcher, name: str) -> None:
    """Of large faces only the surroundings are looked at, and not every pixel."""
    image = picture(name)
    marks = matcher.inspect(image).face.landmarks
    plain = mouth_visible(image, marks)
    large = as_image(cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR))
    placed = as_image(cv2.copyMakeBorder(large, 701, 13, 333, 907, cv2.BORDER_REFLECT))
    found = mouth_visible(large, marks * 4), mouth_visible(placed, marks * 4 + np.float32([333, 701]))
    assert max(abs(plain - value) for value in found) < 0.1
    lower = placed.copy()
    lower[701 + int(marks[2, 1] * 4) :] = 60
    assert mouth_visible(as_image(lower), marks * 4 + np.float32([333, 701])) < 0.5


def test_a_policy_can_decide_by_it(matcher: FaceMatcher) -> None:
    judge = matcher.with_limits(FaceLimits(live=((MASK, Limit(0.1, 0.9)),)))
    quality = judge.inspect(drawn(matcher, picture("live"), "dark")).quality
    assert quality.status is QualityStatus.UNUSABLE
    assert quality.advice[0] == "remove-mask"
    assert float(quality.evidence[MASK.value]) < 0.1
    assert judge.inspect(picture("live")).quality.status is QualityStatus.GOOD


def test_capture_waits_for_the_mask_to_come_off(matcher: FaceMatcher) -> None:
    masked = drawn(matcher, scene("live"), "surgical")
    frames = [masked] * 3 + [scene("live")]
    steps = []
    taken = capture(ArraySource(frames, fps=5), matcher, options=CaptureOptions(keep=1, good=50), on_step=steps.append)
    assert taken.end is CaptureEnd.GOOD
    assert taken.frame.index == 3
    assert steps[0].advice == ("remove-mask",)
    assert steps[0].quality is not None
    assert steps[0].quality >= 50, "the frame is good but for the mask"
    assert steps[-1].advice == ()


def test_capture_takes_a_masked_face_where_there_is_no_other(matcher: FaceMatcher) -> None:
    masked = drawn(matcher, scene("live"), "surgical")
    taken = capture(ArraySource([masked] * 3, fps=5), matcher, options=CaptureOptions(keep=1, good=50))
    assert taken.end is CaptureEnd.END_OF_STREAM, "it waited for the end"
    assert taken.advice == ("remove-mask",)
    options = CaptureOptions(keep=1, good=50, uncovered=False)
    assert capture(ArraySource([masked] * 3, fps=5), matcher, options=options).frames == 1
    quiet = matcher.with_limits(FaceLimits(live=((MASK, Limit(0.1, 0.9, LimitUse.NOTED)),)))
    assert capture(ArraySource([masked] * 3, fps=5), quiet, options=CaptureOptions(keep=1, good=50)).frames == 1


@pytest.mark.parametrize("text", ["", "{}", '{"weights": [1, 2], "bias": 0}', '{"weights": "x", "bias": 0}', None])
def test_an_altered_table_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "mouth.json").write_text(text)
    monkeypatch.setattr(mouth.resources, "files", lambda _: tmp_path)
    with pytest.raises(ModelError, match=r"mouth\.json"):
        mouth._weights.__wrapped__()
