"""Where the shared measuring data lie, if they are there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_CANDIDATE = Path(os.environ.get("IDVERIFY_SHARED", Path(__file__).resolve().parents[2] / "shared"))
SHARED: Path | None = _CANDIDATE if (_CANDIDATE / "data").is_dir() else None
"""Folder with the ``data`` folder of vectors, faces and fingers, or None."""

needs_shared = pytest.mark.skipif(SHARED is None, reason="the shared data folder is not beside this checkout")


def shared(relative: str) -> Path:
    """A path inside the shared data; skips the test where the data are not there."""
    if SHARED is None:
        pytest.skip("the shared data folder is not beside this checkout")
    return SHARED / "data" / relative
