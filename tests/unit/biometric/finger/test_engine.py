"""From pictures to scores, on invented fingers."""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
import pytest

from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.extract import FingerExtractor, _widened, prepare
from idverify.biometric.finger.matcher import compare
from idverify.biometric.finger.minutiae import FingerPosition
from idverify.biometric.finger.quality import FingerAdvice
from idverify.biometric.finger.records import encode_record
from idverify.biometric.finger.segment import find_foreground
from idverify.biometric.score import Modality
from idverify.emulator.fingers import Placement, Sensor, SyntheticFinger
from idverify.errors import ConfigurationError, ImageError, NoFingerError

DIFFERENT = 0.25
SAME = 0.35


def test_same_finger_and_another(matcher: FingerMatcher, loop: SyntheticFinger, whorl: SyntheticFinger) -> None:
    first = matcher.template(loop.impression(0, difficulty=0.3))
    second = matcher.template(loop.impression(1, difficulty=0.3, sensor=Sensor.CAPACITIVE))
    other = matcher.template(whorl.impression(1, difficulty=0.3))
    same = matcher.compare(first, second)
    assert same.value > SAME
    assert matcher.compare(first, other).value < DIFFERENT
    assert same.modality is Modality.FINGER
    assert same.model == matcher.model


def test_score_carries_its_fmr(matcher: FingerMatcher, print_: np.ndarray) -> None:
    template = matcher.template(print_)
    score = matcher.compare(template, template)
    assert matcher.calibration is not None
    assert score.calibration == matcher.calibration.id
    assert score.fmr == matcher.calibration.smallest_fmr
    assert score.fmr_bounds is not None
    assert score.fmr_bounds[0] <= score.fmr <= score.fmr_bounds[1]


def test_a_record_has_a_table_of_its_own(matcher: FingerMatcher, print_: np.ndarray) -> None:
    template = matcher.template(print_)
    (foreign,) = matcher.template_of_record(encode_record((template.minutiae,)))
    score = matcher.compare(template, foreign)
    assert matcher.record_calibration is not None
    assert score.value > 0.5
    assert score.fmr == matcher.record_calibration.smallest_fmr
    assert score.calibration == matcher.record_calibration.id != matcher.calibration.id  # type: ignore[union-attr]
    assert matcher.compare(foreign, template).calibration == score.calibration
    assert matcher.compare(foreign, foreign).fmr is None


def test_a_record_whose_frame_lies(matcher: FingerMatcher, loop: SyntheticFinger, whorl: SyntheticFinger) -> None:
    """Coordinates stretched to 300 x 400, as one maker writes them whatever the sensor."""

    def lying(finger: SyntheticFinger) -> bytes:
        m = matcher.sample(finger.impression(1, difficulty=0.3)).minutiae
        wide, high = 300 / m.width, 400 / m.height
        angle = np.arctan2(np.sin(m.angle) * high, np.cos(m.angle) * wide)
        stretched = dataclasses.replace(m, x=m.x * wide, y=m.y * high, angle=angle, width=300, height=400)
        return encode_record((stretched,))

    probe = matcher.template(loop.impression(0, difficulty=0.3))
    (declared,) = matcher.template_of_record(lying(loop))
    found = matcher.compare_record(probe, lying(loop))
    assert matcher.compare(probe, declared).value + 0.1 < found.value
    assert found.value == matcher.compare(probe, *matcher.template_of_record(lying(loop), true_size=(388, 374))).value
    assert found.fmr == pytest.approx(2 * matcher.record_calibration.smallest_fmr)  # type: ignore[union-attr]
    assert matcher.compare_record(probe, lying(whorl)).value < 0.3
    honest = encode_record((matcher.sample(loop.impression(1, difficulty=0.3)).minutiae,))
    assert matcher.compare_record(probe, honest).fmr == matcher.record_calibration.smallest_fmr  # type: ignore[union-attr]


def test_more_tries_are_more_chances(matcher: FingerMatcher, print_: np.ndarray) -> None:
    template = matcher.template(print_)
    single, several = matcher.compare(template, template), matcher.best([template] * 3, [template] * 2)
    assert single.fmr is not None
    assert several.fmr == pytest.approx(6 * single.fmr)
    with pytest.raises(ConfigurationError):
        matcher.best([], [template])


def test_minutiae_are_found_where_they_are(matcher: FingerMatcher, print_: np.ndarray) -> None:
    """A picture shifted by 40 pixels gives the same minutiae 40 pixels further."""
    here = matcher.sample(cv2.copyMakeBorder(print_, 40, 40, 40, 40, cv2.BORDER_REPLICATE)).minutiae
    there = matcher.sample(cv2.copyMakeBorder(print_, 40, 40, 80, 0, cv2.BORDER_REPLICATE)).minutiae
    near = np.hypot(here.x[:, None] + 40 - there.x, here.y[:, None] - there.y).min(1)
    assert len(here) > 15
    assert (near < 3).mean() > 0.8


@pytest.mark.parametrize("dpi", [300, 700, 1000])
def test_resolutions(matcher: FingerMatcher, print_: np.ndarray, dpi: int) -> None:
    scale = dpi / 500
    resized = cv2.resize(print_, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    sample = matcher.sample(resized, dpi=dpi, position=FingerPosition.LEFT_INDEX)
    assert sample.scale == pytest.approx(500 / dpi)
    assert abs(sample.minutiae.width - print_.shape[1]) <= 1
    assert sample.minutiae.position is FingerPosition.LEFT_INDEX
    assert compare(sample.template(), matcher.template(print_)).value > 0.4


def test_colour_and_inverted(matcher: FingerMatcher, print_: np.ndarray) -> None:
    grey = matcher.template(print_)
    colour = matcher.template(np.repeat(print_[:, :, None], 3, axis=2))
    assert compare(grey, colour).value > 0.6
    inverted = matcher.sample(255 - print_, inverted=True).template()
    assert compare(grey, inverted).value > 0.6


def test_turned_upside_down(matcher: FingerMatcher, print_: np.ndarray) -> None:
    turned = matcher.template(cv2.rotate(print_, cv2.ROTATE_180))
    found = compare(matcher.template(print_), turned, any_rotation=True)
    assert found.value > SAME
    assert abs(math.remainder(found.rotation - math.pi, 2 * math.pi)) < 0.1


def test_mirrored_print_is_another_finger(matcher: FingerMatcher, print_: np.ndarray) -> None:
    mirrored = matcher.template(np.ascontiguousarray(print_[:, ::-1]))
    assert compare(matcher.template(print_), mirrored, any_rotation=True).value < DIFFERENT


@pytest.mark.parametrize("level", [0, 128, 255])
def test_blank_picture_is_refused(matcher: FingerMatcher, level: int) -> None:
    blank = np.full((374, 388), level, np.uint8)
    with pytest.raises(NoFingerError):
        matcher.sample(blank)
    noisy = np.clip(level + np.random.default_rng(0).normal(0, 3, blank.shape), 0, 255).astype(np.uint8)
    with pytest.raises(NoFingerError):
        matcher.sample(noisy)


@pytest.mark.parametrize(
    ("low", "high", "side", "wanted"),
    [
        (100, 200, 400, (70, 230)),  # 100 with 16 on both sides, then to a multiple of 32
        (0, 300, 388, (0, 320)),  # nothing to the left
        (150, 300, 310, (118, 310)),  # what the right lacks comes from the left
        (0, 90, 90, (0, 90)),  # the picture ends on both sides
    ],
)
def test_the_network_sees_the_surroundings(low: int, high: int, side: int, wanted: tuple[int, int]) -> None:
    assert _widened(low, high, side) == wanted


def test_noise_never_matches(matcher: FingerMatcher, print_: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (374, 388)).astype(np.uint8)
    try:
        template = matcher.template(noise)
    except NoFingerError:
        return
    assert compare(matcher.template(print_), template, any_rotation=True).value < DIFFERENT


def test_refused_pictures() -> None:
    good = np.zeros((300, 300), np.uint8)
    for bad in (good.astype(np.float32), np.zeros((300, 300, 4), np.uint8), np.zeros((3, 300), np.uint8)):
        with pytest.raises(ImageError):
            prepare(bad)
    with pytest.raises(ImageError, match="no single finger"):
        prepare(np.zeros((2500, 2500), np.uint8), dpi=500)
    for dpi in (0, 50, 9000, float("nan")):
        with pytest.raises(ConfigurationError):
            prepare(good, dpi=dpi)


def test_other_tasks_models_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="finger-minutiae"):
        FingerExtractor(model_id="yunet-2023mar")
    with pytest.raises(ConfigurationError, match="finger-minutiae"):
        FingerMatcher(model="yunet-2023mar")


def test_foreground_is_the_finger(loop: SyntheticFinger) -> None:
    small = loop.impression(0, placement=Placement(contact=(0.45, 0.4)), size=(640, 480))
    ground = find_foreground(small)
    assert 0.05 < ground.area < 0.35
    assert ground.right - ground.left < 330
    assert ground.bottom - ground.top < 330
    assert (ground.left + ground.right) / 2 == pytest.approx(320, abs=30)
    assert (ground.top + ground.bottom) / 2 == pytest.approx(240, abs=30)


def test_quality_says_what_to_do(matcher: FingerMatcher, loop: SyntheticFinger) -> None:
    good = matcher.sample(loop.impression(0, placement=Placement(contact=(0.9, 0.85)))).quality
    part = Placement(contact=(0.35, 0.3), dx=120, dy=-90)
    poor = matcher.sample(loop.impression(0, placement=part, size=(500, 500))).quality
    assert good.value > 60 > 45 > poor.value
    assert good.advice == ()
    assert FingerAdvice.CENTRE in poor.advice
    assert FingerAdvice.MORE_AREA in poor.advice


def test_sample_shows_no_minutiae(matcher: FingerMatcher, print_: np.ndarray) -> None:
    assert "array" not in repr(matcher.sample(print_))
