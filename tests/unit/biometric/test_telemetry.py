"""onnxruntime reports to its maker unless it is told not to: the library uses no network and leaves no files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

from idverify.biometric import runtime

PROGRAM = """
import time
from idverify.biometric.models import default_registry
from idverify.biometric.runtime import open_session
registry = default_registry()
open_session(registry.load(registry.cards[0].id), "test", providers=["CPUExecutionProvider"])
time.sleep(1)
"""


def test_a_session_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    """The identifier of the device and the queue of events would lie under .cache/Microsoft."""
    left_out = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "XDG_CACHE_HOME", runtime.TELEMETRY_VARIABLE)
    environment = {k: v for k, v in os.environ.items() if k not in left_out} | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True)
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")] == []


@pytest.mark.parametrize(("given", "kept", "told"), [(None, "1", 1), ("1", "1", 1), ("0", "0", 0)])
def test_what_the_user_has_set_holds(monkeypatch: pytest.MonkeyPatch, given: str | None, kept: str, told: int) -> None:
    calls: list[int] = []
    monkeypatch.setattr(onnxruntime, "disable_telemetry_events", lambda: calls.append(1))
    if given is None:
        monkeypatch.setenv(runtime.TELEMETRY_VARIABLE, "")  # so that it is put back
        monkeypatch.delenv(runtime.TELEMETRY_VARIABLE)
    else:
        monkeypatch.setenv(runtime.TELEMETRY_VARIABLE, given)
    assert runtime._onnxruntime() is onnxruntime
    assert os.environ[runtime.TELEMETRY_VARIABLE] == kept
    assert len(calls) == told
