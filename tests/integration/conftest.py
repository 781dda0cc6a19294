"""A real PC/SC service with virtual readers for the whole session."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from idverify.emulator.pcsc_stack import VirtualReaderStack

REQUIRED = os.environ.get("IDVERIFY_REQUIRE_PCSC") == "1" or os.environ.get("CI", "").lower() in ("1", "true")


@pytest.fixture(scope="session")
def _stack() -> Iterator[VirtualReaderStack]:
    reason = VirtualReaderStack.why_not()
    if reason is not None:
        if REQUIRED:
            pytest.fail(f"a PC/SC service is required here: {reason}")
        pytest.skip(reason)
    with VirtualReaderStack(lock_timeout=600) as stack:
        yield stack


@pytest.fixture
def stack(_stack: VirtualReaderStack) -> Iterator[VirtualReaderStack]:
    """Both virtual readers, empty before and after each test."""
    for slot in (0, 1):
        _stack.wait_present(slot, present=False)
    yield _stack
    if _stack.own:
        _stack.start_service()  # where a test has stopped it
    for slot in (0, 1):
        _stack.wait_present(slot, present=False)
