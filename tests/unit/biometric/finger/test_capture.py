"""Capture from a sensor that invents its finger, and from files."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from idverify.biometric.codecs import encode_png
from idverify.biometric.finger.capture import (
    FileSensor,
    FingerCaptureEnd,
    FingerCaptureOptions,
    FingerCaptureStep,
    capture_finger,
)
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.minutiae import FingerPosition
from idverify.biometric.finger.quality import FingerAdvice
from idverify.biometric.image import as_image
from idverify.emulator.finger_sensor import SyntheticSensor
from idverify.emulator.fingers import Placement, SyntheticFinger
from idverify.errors import ConfigurationError, ImageError, NoFingerError, OperationCancelled

CORNER = Placement(contact=(0.3, 0.3), dx=110, dy=-90)
FLAT = Placement(contact=(0.9, 0.85))


def test_a_capture_ends_with_the_first_good_print(matcher: FingerMatcher, loop: SyntheticFinger) -> None:
    steps: list[FingerCaptureStep] = []
    options = FingerCaptureOptions(seconds=600)  # drawing and reading prints takes a busy machine its time
    with SyntheticSensor(loop, [None, None, CORNER, FLAT, FLAT]) as sensor:
        found = capture_finger(
            sensor, matcher, position=FingerPosition.LEFT_INDEX, options=options, on_step=steps.append
        )
    assert found.end is FingerCaptureEnd.GOOD
    assert found.seen == 4
    assert [s.index for s in steps] == [0, 2, 3]  # the second empty frame says nothing new
    assert steps[0].advice == (FingerAdvice.PLACE,)
    assert steps[0].quality is None
    assert {FingerAdvice.CENTRE, FingerAdvice.MORE_AREA} <= set(steps[1].advice)
    assert steps[2].good == 1
    assert found.best.quality.value >= 50
    assert found.best.minutiae.position is FingerPosition.LEFT_INDEX
    assert "array" not in repr(found)


def test_the_best_of_a_stream_is_kept_in_order(matcher: FingerMatcher, loop: SyntheticFinger) -> None:
    options = FingerCaptureOptions(good=100, keep=2, seconds=600)
    with SyntheticSensor(loop, [CORNER, FLAT, CORNER]) as sensor:
        found = capture_finger(sensor, matcher, options=options)
    assert found.end is FingerCaptureEnd.END_OF_STREAM
    assert len(found.samples) == 2
    assert found.samples[0].quality.value > found.samples[1].quality.value
    same = matcher.best(found.templates(), [matcher.template(loop.impression(9, difficulty=0.2))])
    assert same.value > 0.35


def test_time_and_cancelling_end_a_capture(matcher: FingerMatcher, loop: SyntheticFinger) -> None:
    with SyntheticSensor(loop, [CORNER, CORNER, FLAT], fps=0.01) as sensor:  # a frame in 100 s by the sensor's clock
        found = capture_finger(sensor, matcher, options=FingerCaptureOptions(seconds=150))
    assert (found.end, found.seen) == (FingerCaptureEnd.TIME_OUT, 2)
    stop = threading.Event()
    stop.set()
    with SyntheticSensor(loop) as sensor, pytest.raises(OperationCancelled):
        capture_finger(sensor, matcher, cancel=stop)


def test_empty_glass_is_no_finger(matcher: FingerMatcher, loop: SyntheticFinger) -> None:
    with SyntheticSensor(loop, [None] * 3) as sensor, pytest.raises(NoFingerError):
        capture_finger(sensor, matcher)


def test_files_are_a_sensor(tmp_path: Path, matcher: FingerMatcher, loop: SyntheticFinger) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(encode_png(as_image(255 - loop.impression(0, placement=FLAT))))
    with FileSensor([file], inverted=True) as sensor:
        assert capture_finger(sensor, matcher).end is FingerCaptureEnd.GOOD
    (tmp_path / "b.png").write_bytes(b"no picture")
    with FileSensor([tmp_path / "b.png"]) as sensor, pytest.raises(ImageError):
        capture_finger(sensor, matcher)
    with pytest.raises(ConfigurationError):
        FileSensor([file], dpi=20)


def test_a_drawn_stream_is_always_the_same(loop: SyntheticFinger) -> None:
    first, second = (list(SyntheticSensor(loop, 2)) for _ in range(2))
    assert [f.at for f in first] == [0.0, 0.1, 0.2]
    assert all((a.image == b.image).all() for a, b in zip(first, second, strict=True))
    for wrong in ({"fps": 0.0}, {"placements": []}):
        with pytest.raises(ConfigurationError):
            SyntheticSensor(loop, **wrong)  # type: ignore[arg-type]


def test_options_are_checked() -> None:
    for wrong in ({"good": 0}, {"keep": 17}, {"seconds": 0.0}, {"frames": 0}):
        with pytest.raises(ConfigurationError):
            FingerCaptureOptions(**wrong)  # type: ignore[arg-type]
