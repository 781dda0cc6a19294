"""Invented fingers: the same from the same seed, different else, and within bounds."""

from __future__ import annotations

import collections
import math

import numpy as np
import pytest

from idverify.emulator.fingers import HEIGHT, PERIOD, WIDTH, Pattern, Placement, Sensor, SyntheticFinger
from idverify.errors import ConfigurationError


@pytest.fixture(scope="module")
def finger() -> SyntheticFinger:
    return SyntheticFinger(5, pattern=Pattern.RIGHT_LOOP)


def test_same_seed_same_print(finger: SyntheticFinger) -> None:
    again = SyntheticFinger(5, pattern=Pattern.RIGHT_LOOP)
    assert (finger.impression(3) == again.impression(3)).all()
    assert (finger.impression(3) != finger.impression(4)).mean() > 0.2


def test_ridges_have_the_period_of_a_finger(finger: SyntheticFinger) -> None:
    master = finger.master
    assert master.shape == (HEIGHT, WIDTH)
    assert -1 <= master.min() < -0.8 < 0.8 < master.max() <= 1
    power = np.abs(np.fft.fftshift(np.fft.fft2(master * np.outer(np.hanning(HEIGHT), np.hanning(WIDTH))))) ** 2
    v, u = np.meshgrid(np.fft.fftshift(np.fft.fftfreq(HEIGHT)), np.fft.fftshift(np.fft.fftfreq(WIDTH)), indexing="ij")
    radius = np.hypot(u, v)
    middle = float((radius * power).sum() / power.sum())
    assert 1 / middle == pytest.approx(PERIOD, rel=0.2)


@pytest.mark.parametrize(
    ("pattern", "turns"),
    [(Pattern.ARCH, 0), (Pattern.TENTED_ARCH, 0), (Pattern.LEFT_LOOP, 0), (Pattern.WHORL, 0)],
)
def test_cores_and_deltas_balance(pattern: Pattern, turns: int) -> None:
    """The Poincaré index around the whole print is cores minus deltas."""
    field = SyntheticFinger(1, pattern=pattern).orientation
    ring = np.concatenate([field[2, 2:-2], field[2:-2, -3], field[-3, 2:-2][::-1], field[2:-2, 2][::-1]]).astype(float)
    steps = np.diff(np.append(ring, ring[0]))
    steps = (steps + math.pi / 2) % math.pi - math.pi / 2
    assert round(float(steps.sum()) / math.pi) == turns


@pytest.mark.parametrize("sensor", Sensor)
def test_sensors(finger: SyntheticFinger, sensor: Sensor) -> None:
    picture = finger.impression(0, sensor=sensor, size=(300, 320))
    assert picture.shape == (320, 300)
    assert picture.dtype == np.uint8
    assert picture.std() > 10


def test_placement_moves_the_print(finger: SyntheticFinger) -> None:
    here = finger.impression(0, placement=Placement(contact=(0.5, 0.5)), size=(400, 400)).astype(float)
    right = finger.impression(0, placement=Placement(contact=(0.5, 0.5), dx=80), size=(400, 400)).astype(float)
    weights = 255 - here.mean(0), 255 - right.mean(0)
    middle = [float((w - w.min()) @ np.arange(400) / (w - w.min()).sum()) for w in weights]
    assert middle[1] - middle[0] == pytest.approx(80, abs=25)


def test_classes_have_their_natural_shares() -> None:
    found = collections.Counter(SyntheticFinger(seed).pattern for seed in range(400))
    assert found[Pattern.WHORL] / 400 == pytest.approx(0.279, abs=0.08)
    assert found[Pattern.ARCH] / 400 == pytest.approx(0.037, abs=0.03)


def test_callers_mistakes(finger: SyntheticFinger) -> None:
    for bad in ({"pressure": 2.0}, {"dx": float("nan")}, {"contact": (0.1, 0.5)}, {"distortion": -1.0}):
        with pytest.raises(ConfigurationError):
            Placement(**bad)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        SyntheticFinger(-1)
    with pytest.raises(ConfigurationError):
        finger.impression(0, size=(10, 10))
    with pytest.raises(ConfigurationError):
        finger.placement(-1)
