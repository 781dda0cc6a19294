"""What is gathered while files come in: work that was cancelled has found nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from idverify import FileId, TrustStore
from idverify.decision import load
from idverify.emulator import Card, citizen_card, flip_byte
from idverify.engine.gathering import Gathering
from idverify.engine.transaction import Course, Event, Stage
from idverify.engine.visit import CertainError


class Ends(Executor):
    """Ends every piece of work at once: cancelled, failed or done."""

    def __init__(self, how: str) -> None:
        self.how = how

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self.how == "cancelled":
            assert future.cancel()
            future.set_running_or_notify_cancel()
        elif self.how == "failed":
            future.set_exception(RuntimeError("the worker died"))
        else:
            future.set_result(fn(*args, **kwargs))
        return future


class NoFace:
    ready = False
    asked = False


def gathering(card: Card, how: str, events: list[Event]) -> Gathering:
    return Gathering(
        trust=TrustStore.from_certificates(card.trust_anchors),
        at=datetime(2026, 6, 1, tzinfo=UTC),
        policy=load("document"),
        pool=Ends(how),
        course=Course(timeout=timedelta(seconds=20), on_event=events.append),
        face=NoFace(),  # type: ignore[arg-type]
        fingers=NoFace(),  # type: ignore[arg-type]
        early=True,
    )


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_work_that_did_not_end_weighs_nothing(how: str) -> None:
    """A forged group behind a signature that nobody has verified: no event, no early end, and no exception."""
    card, events = flip_byte(citizen_card(seed=3), FileId.DG13), list[Event]()
    found = gathering(card, how, events)
    found.arrived(FileId.SOD, card.files[FileId.SOD])
    found.arrived(FileId.DG13, card.files[FileId.DG13])
    found.weigh()
    assert not [e for e in events if e.stage is Stage.DECISION]


def test_work_that_ended_rejects_early() -> None:
    """So that the test above tests something."""
    card, events = flip_byte(citizen_card(seed=3), FileId.DG13), list[Event]()
    found = gathering(card, "done", events)
    found.arrived(FileId.SOD, card.files[FileId.SOD])
    with pytest.raises(CertainError):
        found.arrived(FileId.DG13, card.files[FileId.DG13])
    assert [e.outcome for e in events if e.stage is Stage.DECISION] == ["reject"]
