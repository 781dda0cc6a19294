from __future__ import annotations

import cv2
import numpy as np
import pytest

from idverify.biometric import Image, as_image
from idverify.biometric.face import (
    ADVICE,
    ARCFACE_TEMPLATE,
    CaptureKind,
    FaceLimits,
    FaceMatcher,
    Limit,
    LimitUse,
    QualityMeasure,
    QualityStatus,
    head_pose,
    main_face,
)
from idverify.biometric.face.measures import background_uniformity, lab, natural_colour
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

    assert set(quality._ADVICE) == set(QualityMeasure)
    assert {*quality._ADVICE.values(), "show-face", "move-back"} == set(ADVICE)
    assert all(set(words) == {"en", "vi"} and all(words.values()) for words in ADVICE.values())


# ---- colour and background -------------------------------------------------------------------------------------------

EYES = np.array([[100, 100], [140, 100], [120, 122], [104, 146], [136, 146]], np.float32)


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (54.29, 80.81, 69.89)),  # B. Lindbloom's CIE colour calculator: sRGB, D50, Bradford
        ((0, 0, 255), (29.57, 68.30, -112.03)),
        ((5, 5, 5), (1.37, 0, 0)),
    ],
)
def test_lab_of_known_colours(rgb: tuple[int, int, int], expected: tuple[float, float, float]) -> None:
    assert lab(np.array(rgb, float)) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    ("rgb", "distance"),
    [
        ((200, 150, 125), 0.0),  # a* 16, b* 21
        ((70, 45, 35), 0.0),  # dark skin: a* 11, b* 11
        ((128, 128, 128), np.hypot(5, 5)),  # grey is no colour of skin, and not unnatural either
        ((127, 128, 129), np.hypot(5, 5)),  # grey, but for rounding
        ((120, 150, 200), 100.0),  # blue
        ((110, 150, 110), 100.0),  # green
        ((255, 0, 0), np.hypot(80.81 - 25, 69.89 - 35)),
    ],
)
def test_natural_colour_is_the_distance_from_skin(rgb: tuple[int, int, int], distance: float) -> None:
    image = as_image(np.full((240, 240, 3), rgb, np.uint8))
    assert natural_colour(image, EYES) == pytest.approx(distance, abs=0.9)


def test_natural_colour_looks_at_both_cheeks_only() -> None:
    image = np.zeros((240, 240, 3), np.uint8)
    image[123:135, 88:100] = image[123:135, 140:152] = (200, 150, 125)  # 0.3 of the eyes' distance, outwards and down
    assert natural_colour(as_image(image), EYES) == 0
    assert natural_colour(as_image(image), EYES + 13) > 5
    assert np.isnan(natural_colour(as_image(image[:100]), EYES + np.array([0, 500])))


def test_background_is_what_is_beside_and_above_the_head() -> None:
    plain = np.full((300, 240, 3), 180, np.uint8)
    noisy = np.random.default_rng(1).integers(0, 256, plain.shape).astype(np.uint8)
    head = plain.copy()
    head[60:300, 60:180] = noisy[60:300, 60:180]
    assert background_uniformity(as_image(plain), EYES) == 0
    assert background_uniformity(as_image(head), EYES) == 0, "face, neck and body are no background"
    assert background_uniformity(as_image(noisy), EYES) > 50
    behind = noisy.copy()
    behind[60:300, 60:180] = 180
    assert background_uniformity(as_image(behind), EYES) > 50
    assert np.isnan(background_uniformity(as_image(np.ascontiguousarray(noisy[60:180, 80:160])), EYES - [80, 60]))
    large = cv2.resize(head, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    assert background_uniformity(as_image(large), EYES * 3 + 1) == pytest.approx(0, abs=0.5)


def test_landmarks_that_coincide_or_lie_far_off_are_not_measured() -> None:
    image = as_image(np.full((50, 50, 3), 100, np.uint8))
    for points in (np.zeros((5, 2), np.float32), EYES + 1e6, EYES - 1e6):
        assert not background_uniformity(image, points) > 0
        assert not natural_colour(image, points) > 100


def before_a(background: str) -> Image:
    image = picture("portrait")
    box = np.random.default_rng(2).integers(0, 256, (image.shape[0] // 8 + 1, image.shape[1] // 8 + 1, 3))
    noise = cv2.resize(box.astype(np.uint8), (image.shape[1], image.shape[0]), interpolation=cv2.INTER_NEAREST)
    keep = np.zeros(image.shape[:2], np.uint8)
    cv2.ellipse(keep, (240, 280), (175, 260), 0, 0, 360, 255, -1)
    keep[500:] = 255
    behind = noise if background == "crowd" else np.full_like(noise, 170)
    return as_image(np.where(keep[..., np.newaxis] > 0, image, behind))


@pytest.mark.parametrize(
    ("good", "bad", "measure", "advice"),
    [
        (
            lambda: picture("portrait"),
            lambda: as_image(picture("portrait")[:, :, ::-1]),
            QualityMeasure.NATURAL_COLOUR,
            "white-light",
        ),
        (
            lambda: before_a("wall"),
            lambda: before_a("crowd"),
            QualityMeasure.BACKGROUND_UNIFORMITY,
            "plain-background",
        ),
    ],
)
def test_colour_and_background_decide_only_where_a_policy_says_so(
    matcher: FaceMatcher, good, bad, measure: QualityMeasure, advice: str
) -> None:
    before, spoilt = (matcher.analyse(i()).quality for i in (good, bad))
    assert spoilt.component(measure).scalar < 50 <= before.component(measure).scalar
    assert spoilt.component(measure).advice == advice
    assert spoilt.component(measure).use is LimitUse.NOTED
    assert spoilt.status is QualityStatus.GOOD
    assert advice not in spoilt.advice
    assert measure.value not in spoilt.evidence
    worst, best = (40.0, 5.0) if measure is QualityMeasure.BACKGROUND_UNIFORMITY else (30.0, 0.0)
    for use, status, advised in (
        (LimitUse.ADVISES, QualityStatus.GOOD, True),
        (LimitUse.DECIDES, QualityStatus.UNUSABLE, True),
    ):
        judge = matcher.with_limits(FaceLimits(live=((measure, Limit(worst, best, use)),)))
        quality = judge.analyse(bad()).quality
        assert quality.status is status
        assert (advice in quality.advice) is advised
        assert (measure.value in quality.evidence) is (use is LimitUse.DECIDES)


def test_a_grey_portrait_is_not_unusable(matcher: FaceMatcher) -> None:
    luma = cv2.cvtColor(picture("portrait"), cv2.COLOR_RGB2GRAY)
    quality = matcher.analyse(as_image(luma), kind=CaptureKind.PORTRAIT).quality
    component = quality.component(QualityMeasure.NATURAL_COLOUR)
    assert component.raw == pytest.approx(np.hypot(5, 5))
    assert component.status is QualityStatus.GOOD
    assert quality.status is QualityStatus.GOOD


def test_what_decides_and_could_not_be_measured_is_unusable(matcher: FaceMatcher) -> None:
    x, y, w, h = (int(v) for v in matcher.analyse(picture("portrait")).face.box)
    tight = as_image(np.ascontiguousarray(picture("portrait")[y : y + h, x : x + w]))
    component = matcher.analyse(tight).quality.component(QualityMeasure.BACKGROUND_UNIFORMITY)
    assert np.isnan(component.raw)
    assert (component.scalar, component.status, component.advice) == (0, QualityStatus.NOT_MEASURED, "")
    assert component.to_dict()["raw"] is None
    limits = FaceLimits(live=((QualityMeasure.BACKGROUND_UNIFORMITY, Limit(1000.0, 10.0)),))
    quality = matcher.with_limits(limits).analyse(tight).quality
    assert quality.status is QualityStatus.UNUSABLE
    assert "background-uniformity" not in quality.evidence


def test_a_face_that_fills_the_picture_is_told_to_move_back(matcher: FaceMatcher) -> None:
    x, y, w, h = (int(v) for v in matcher.analyse(picture("portrait")).face.box)
    tight = as_image(np.ascontiguousarray(picture("portrait")[y : y + h, x : x + w]))
    assert matcher.analyse(tight).quality.component(QualityMeasure.MARGIN).advice == "move-back"


def test_limits_of_a_kind_change_that_kind_alone(matcher: FaceMatcher) -> None:
    image = picture("congress")
    yaw = abs(raw(matcher, image, QualityMeasure.YAW))
    judge = matcher.with_limits(FaceLimits(live=((QualityMeasure.YAW, Limit(yaw - 1, 1.0)),)))
    assert judge.analyse(image).quality.status is QualityStatus.UNUSABLE
    assert judge.analyse(image).quality.advice[0] == "look-straight"
    assert (
        judge.analyse(image, kind=CaptureKind.PORTRAIT).quality
        == matcher.analyse(image, kind=CaptureKind.PORTRAIT).quality
    )
    assert judge.analyse(image).template.quality == 0
    assert matcher.analyse(image).quality.status is not QualityStatus.UNUSABLE


def test_a_matcher_with_other_limits_shares_the_models() -> None:
    first = FaceMatcher(threads=1)
    second = first.with_limits(FaceLimits(live=((QualityMeasure.YAW, Limit(30.0, 5.0)),)))
    second.warm_up()
    assert first._load() is second._load()
    assert first.limits == FaceLimits()
    assert second.limits != first.limits
