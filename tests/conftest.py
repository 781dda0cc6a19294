"""What holds for every test: one way to run a command, and for properties the same examples each time, without a clock.

``pytest --hypothesis-profile=explore`` looks for new examples instead; ``--hypothesis-seed`` says which.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

Run = Callable[..., tuple[int, str, str]]
"""Runs a command in this process; gives its exit code, standard output and standard error."""

_COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None, print_blob=True)

settings.register_profile("same", _COMMON, derandomize=True)
settings.register_profile("explore", _COMMON, derandomize=False)
settings.load_profile("same")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line, wide, without colour, and without what the environment would say to it."""
    from idverify.cli import main

    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    for name in [n for n in os.environ if n.startswith("IDVERIFY_") and n != "IDVERIFY_SHARED"]:
        monkeypatch.delenv(name)

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call
