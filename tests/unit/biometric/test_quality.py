from __future__ import annotations

import cv2
import numpy as np
import pytest

from idverify.biometric import Image, as_image
from idverify.biometric.face import (
    ADVICE,
    ARCFACE_TEMPLATE,
    CaptureKind,
    FaceMatcher,
    QualityMeasure,
    QualityStatus,
    head_pose,
    main_face,
)
from tests.unit.biometric.pictures import picture


def raw(matcher: FaceMatcher, image: Image, measure: QualityMeasure) -> float:
    return matcher.analyse(image).quality.component(measure).raw


def test_good_photographs_are_good(matcher: FaceMatcher) -> None:
    for name in ("portrait", "live", "other"):
        quality = matcher.analyse(picture(name)).quality
        assert quality.status is QualityStatus.GOOD
        assert quality.advice == ()
        assert {c.measure for c in quality.components} == set(QualityMeasure)


@pytest.mark.parametrize(
    ("change", "measure", "advice"),
    [
        (lambda x: cv2.GaussianBlur(x, (0, 0), 9), QualityMeasure.SHARPNESS, "hold-still"),
        (lambda x: (x * 0.12).astype(np.uint8), QualityMeasure.UNDER_EXPOSURE, "more-light"),
        (
            lambda x: np.clip(x.astype(int) * 2.6 + 60, 0, 255).astype(np.uint8),
            QualityMeasure.OVER_EXPOSURE,
            "less-light",
        ),
        (lambda x: (x // 8 + 100).astype(np.uint8), QualityMeasure.DYNAMIC_RANGE, "more-light"),
        (
            lambda x: cv2.resize(x, (144, 192), interpolation=cv2.INTER_AREA),
            QualityMeasure.INTER_EYE_DISTANCE,
            "come-closer",
        ),
    ],
)
def test_what_is_spoilt_is_measured_and_advised(
    matcher: FaceMatcher, change, measure: QualityMeasure, advice: str
) -> None:
    spoilt = as_image(np.ascontiguousarray(change(picture("portrait"))))
    before = matcher.analyse(picture("portrait")).quality.component(measure)
    quality = matcher.analyse(spoilt).quality
    assert quality.component(measure).scalar < 50 <= before.scalar
    assert quality.component(measure).advice == advice
    assert advice in quality.advice
    assert quality.scalar <= quality.component(measure).scalar


def test_light_from_one_side(matcher: FaceMatcher) -> None:
    image = picture("portrait").astype(np.float32)
    middle = main_face(matcher.detect(picture("portrait")), picture("portrait")).landmarks[2, 0]
    image[:, int(middle) :] *= 0.25
    measure = QualityMeasure.ILLUMINATION_UNIFORMITY
    assert raw(matcher, as_image(image.astype(np.uint8)), measure) < 0.5 * raw(matcher, picture("portrait"), measure)


def test_cut_face_has_no_margin(matcher: FaceMatcher) -> None:
    image = picture("portrait")
    x, _, w, _ = matcher.analyse(image).face.box
    cut = as_image(np.ascontiguousarray(image[:, int(x + 0.25 * w) :]))
    component = matcher.analyse(cut).quality.component(QualityMeasure.MARGIN)
    assert component.raw < 0.05
    assert component.scalar < 50
    assert component.advice == "centre-face"


def test_mirrored_picture_mirrors_the_pose(matcher: FaceMatcher) -> None:
    image = picture("congress")
    mirrored = as_image(image[:, ::-1])
    # The face looks to the image's left. The detector itself is not symmetric, hence no equality.
    assert raw(matcher, image, QualityMeasure.YAW) < -8
    assert raw(matcher, mirrored, QualityMeasure.YAW) > 8


@pytest.mark.parametrize("degrees", [-20, 12])
def test_roll_is_the_turn_of_the_picture(matcher: FaceMatcher, degrees: int) -> None:
    image = picture("portrait")
    turned = cv2.warpAffine(image, cv2.getRotationMatrix2D((240, 270), -degrees, 1.0), (480, 640))
    expected = raw(matcher, image, QualityMeasure.ROLL) + degrees
    assert raw(matcher, as_image(turned), QualityMeasure.ROLL) == pytest.approx(expected, abs=6)


def turned_face(yaw: float, pitch: float) -> np.ndarray:
    """The template as a rigid face with its nose 0.48 inter-eye distances out, turned and projected in parallel."""
    eye = np.linalg.norm(ARCFACE_TEMPLATE[1] - ARCFACE_TEMPLATE[0])
    points = np.column_stack([ARCFACE_TEMPLATE - ARCFACE_TEMPLATE.mean(axis=0), [0, 0, -0.48 * eye, 0, 0]])
    y, p = np.radians(yaw), np.radians(pitch)
    # The camera looks along +z; a positive yaw brings the nose to +x, a positive pitch to +y (down).
    around_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    around_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    return ((around_x @ around_y @ points.T).T[:, :2]).astype(np.float32)


@pytest.mark.parametrize("yaw", [-35, -10, 0, 20])
@pytest.mark.parametrize("pitch", [-20, 0, 20])
def test_pose_of_a_turned_rigid_face(yaw: float, pitch: float) -> None:
    found_yaw, found_pitch, _ = head_pose(turned_face(yaw, pitch))
    assert found_yaw == pytest.approx(yaw, abs=5)
    assert found_pitch == pytest.approx(pitch, abs=5)


def test_coinciding_landmarks_do_not_fail() -> None:
    assert all(np.isfinite(head_pose(np.zeros((5, 2), np.float32))))


def test_portraits_have_limits_of_their_own(matcher: FaceMatcher) -> None:
    small = as_image(cv2.resize(picture("portrait"), (150, 200), interpolation=cv2.INTER_AREA))
    live = matcher.analyse(small, kind=CaptureKind.LIVE).quality.component(QualityMeasure.INTER_EYE_DISTANCE)
    chip = matcher.analyse(small, kind=CaptureKind.PORTRAIT).quality.component(QualityMeasure.INTER_EYE_DISTANCE)
    assert live.raw == chip.raw
    assert live.scalar < chip.scalar


def test_every_advice_has_words_in_both_languages(matcher: FaceMatcher) -> None:
    from idverify.biometric.face import quality

    used = {limit.advice for limits in (quality._LIVE, quality._PORTRAIT) for limit in limits.values()}
    assert used <= set(ADVICE)
    assert all(set(words) == {"en", "vi"} and all(words.values()) for words in ADVICE.values())
