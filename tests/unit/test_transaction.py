"""Waiting for work that ends at the moment when the wait is given up."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import timedelta

import pytest

from idverify.engine.transaction import Course


class _Late(Future[int]):
    """Ends between the time-out of a wait and whoever handles it."""

    def result(self, timeout: float | None = None) -> int:
        if not self.done():
            self.set_result(7)
            raise TimeoutError
        return super().result(timeout)


def test_work_that_ends_just_after_a_time_out_is_no_time_out() -> None:
    assert Course(timeout=timedelta(seconds=5)).wait(_Late()) == 7


def test_a_time_out_of_the_work_itself_is_handed_on() -> None:
    future: Future[int] = Future()
    future.set_exception(TimeoutError("of the work"))
    with pytest.raises(TimeoutError, match="of the work"):
        Course(timeout=timedelta(seconds=5)).wait(future)
