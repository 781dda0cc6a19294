"""Finger engine: extraction by frame, template, comparison, first of a 1:N search by brute force. One thread.

The prints are invented ones; a real sensor's frame of 388 × 374 and a full 640 × 480 one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.matcher import similarity
from idverify.biometric.finger.records import encode_record
from idverify.biometric.finger.segment import find_foreground
from idverify.biometric.finger.template import make_template
from idverify.emulator.fingers import SyntheticFinger


@pytest.fixture(scope="module")
def matcher() -> FingerMatcher:
    found = FingerMatcher(threads=1)
    found.warm_up()
    return found


@pytest.fixture(scope="module")
def fingers() -> tuple[SyntheticFinger, SyntheticFinger]:
    return SyntheticFinger(11), SyntheticFinger(12)


@pytest.mark.parametrize("size", [(300, 300), (388, 374), (640, 480)])
def test_extract(benchmark: Any, matcher: FingerMatcher, fingers: Any, size: tuple[int, int]) -> None:
    picture = fingers[0].impression(0, size=size)
    sample = benchmark(matcher.sample, picture)
    assert len(sample.minutiae) > 10


def test_foreground(benchmark: Any, fingers: Any) -> None:
    assert benchmark(find_foreground, fingers[0].impression(0)).area > 0


def test_template(benchmark: Any, matcher: FingerMatcher, fingers: Any) -> None:
    minutiae = matcher.sample(fingers[0].impression(0)).minutiae
    assert benchmark(make_template, minutiae).cylinders is not None


@pytest.mark.parametrize("genuine", [True, False])
def test_compare(benchmark: Any, matcher: FingerMatcher, fingers: Any, genuine: bool) -> None:
    probe = matcher.template(fingers[0].impression(0, difficulty=0.3))
    other = matcher.template(fingers[0 if genuine else 1].impression(1, difficulty=0.3))
    assert (benchmark(similarity, probe, other) > 0.3) == genuine


@pytest.mark.parametrize("genuine", [True, False])
def test_compare_with_a_record(benchmark: Any, matcher: FingerMatcher, fingers: Any, genuine: bool) -> None:
    """A print with a record of minutiae from elsewhere: the wider search of the counter."""
    probe = matcher.template(fingers[0].impression(0, difficulty=0.3))
    other = matcher.sample(fingers[0 if genuine else 1].impression(1, difficulty=0.3)).minutiae
    (record,) = matcher.template_of_record(encode_record((other,)))
    assert (benchmark(similarity, probe, record) > 0.3) == genuine


def test_compare_with_a_hundred(benchmark: Any, matcher: FingerMatcher, fingers: Any) -> None:
    probe = matcher.template(fingers[0].impression(0, difficulty=0.3))
    minutiae = matcher.sample(fingers[1].impression(1)).minutiae
    rng = np.random.default_rng(0)
    gallery = [make_template(minutiae.select(rng.permutation(len(minutiae))[:40])) for _ in range(100)]
    assert max(benchmark(lambda: [similarity(probe, g) for g in gallery])) < 0.3
