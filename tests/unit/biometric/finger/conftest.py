from __future__ import annotations

import numpy as np
import pytest

from idverify.biometric.finger.engine import FingerMatcher
from idverify.emulator.fingers import Pattern, SyntheticFinger

Picture = np.ndarray


@pytest.fixture(scope="session")
def matcher() -> FingerMatcher:
    return FingerMatcher(threads=1)


@pytest.fixture(scope="session")
def loop() -> SyntheticFinger:
    return SyntheticFinger(11, pattern=Pattern.LEFT_LOOP)


@pytest.fixture(scope="session")
def whorl() -> SyntheticFinger:
    return SyntheticFinger(12, pattern=Pattern.WHORL)


@pytest.fixture(scope="session")
def print_(loop: SyntheticFinger) -> Picture:
    return loop.impression(0, difficulty=0.2)
