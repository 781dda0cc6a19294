from __future__ import annotations

import pytest

from idverify.biometric.face import FaceMatcher


@pytest.fixture(scope="session")
def matcher() -> FaceMatcher:
    return FaceMatcher(threads=1)
