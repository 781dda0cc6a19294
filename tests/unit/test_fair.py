"""Fair queues: no counter starves, places are handed over, work in a closed queue ends."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest

from idverify.engine.fair import FairDoor, FairExecutor
from idverify.errors import ConfigurationError, OperationCancelled, TransportTimeout


def held(pool: FairExecutor) -> tuple[threading.Event, Future[Any]]:
    """A worker that is busy until the event is set."""
    release, begun = threading.Event(), threading.Event()
    future = pool.submit("held", lambda: (begun.set(), release.wait(60)))
    assert begun.wait(60)
    return release, future


def test_one_job_of_each_counter_in_turn_and_each_counters_jobs_in_order() -> None:
    pool, done = FairExecutor(1), []
    release, _ = held(pool)
    busy, calm = pool.of("busy"), pool.of("calm")
    futures = [busy.submit(done.append, f"busy {n}") for n in range(30)]
    futures += [calm.submit(done.append, f"calm {n}") for n in range(2)]
    assert pool.queued == 32
    release.set()
    for future in futures:
        future.result(60)
    assert done[:4] == ["busy 0", "calm 0", "busy 1", "calm 1"]
    assert done[4:] == [f"busy {n}" for n in range(2, 30)]
    pool.close()


def test_results_and_exceptions_come_back_and_workers_survive() -> None:
    pool = FairExecutor(2)
    share = pool.of("a")
    assert list(share.map(lambda n: n * n, range(20))) == [n * n for n in range(20)]
    for error in (ValueError("bad"), SystemExit(3)):

        def fail(error: BaseException = error) -> None:
            raise error

        failing = share.submit(fail)
        assert failing.exception(60) is error
    assert share.submit(lambda a, *, b: a + b, 1, b=2).result(60) == 3
    pool.close()


def test_what_was_cancelled_or_left_in_a_closed_pool_is_not_begun() -> None:
    pool, done = FairExecutor(1), []
    release, running = held(pool)
    cancelled, left = pool.submit("a", lambda: done.append(1)), pool.submit("a", lambda: done.append(2))
    assert cancelled.cancel()
    closing = threading.Thread(target=pool.close)
    closing.start()
    with pytest.raises(CancelledError):
        left.result(60)
    release.set()
    closing.join(60)
    assert running.result(60) == (None, True)
    assert done == []
    with pytest.raises(OperationCancelled):
        pool.submit("a", lambda: None)
    with pytest.raises(ConfigurationError):
        FairExecutor(0)


def test_a_free_place_goes_to_the_counter_that_holds_the_fewest() -> None:
    door, order = FairDoor(2), []
    door.enter("busy", 1)
    door.enter("busy", 1)
    threads = []
    for number, counter in enumerate(["busy", "busy", "calm"]):

        def wait(counter: str = counter) -> None:
            with door.entered(counter, 60):
                order.append(counter)
                time.sleep(0.02)

        threads.append(threading.Thread(target=wait))
        threads[-1].start()
        while door.waiting <= number:
            time.sleep(0.001)
    door.leave("busy")
    while door.waiting > 2 or len(order) < 1:
        time.sleep(0.001)
    assert order[0] == "calm"
    door.leave("busy")
    for thread in threads:
        thread.join(60)
    assert order == ["calm", "busy", "busy"]
    assert (door.inside, door.waiting) == (0, 0)


def test_who_cancels_at_the_door_does_not_wait_for_a_place() -> None:
    door, token = FairDoor(1), threading.Event()
    door.enter("a", 1)
    threading.Timer(0.1, token.set).start()
    started = time.monotonic()
    with pytest.raises(OperationCancelled):
        door.enter("b", 30, token)
    assert time.monotonic() - started < 20
    assert (door.inside, door.waiting) == (1, 0)


def test_patience_ends_and_a_place_is_never_lost() -> None:
    door = FairDoor(1)
    door.enter("a", 1)
    with pytest.raises(TransportTimeout, match="all 1 places"):
        door.enter("b", 0.01)
    assert (door.inside, door.waiting) == (1, 0)
    door.leave("a")
    failures, inside, most = [], 0, 0
    lock = threading.Lock()

    def visit() -> None:
        nonlocal inside, most
        for _ in range(50):
            try:
                with door.entered(threading.current_thread().name, 0.0005):
                    with lock:
                        inside += 1
                        most = max(most, inside)
                    with lock:
                        inside -= 1
            except TransportTimeout:
                failures.append(1)

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == 1
    assert (door.inside, door.waiting) == (0, 0)


def test_a_token_that_raises_at_the_door_costs_no_place() -> None:
    class Broken:
        def is_set(self) -> bool:
            raise ValueError("a token of somebody else's")

    door = FairDoor(1)
    door.enter("a", 1)
    with pytest.raises(ValueError, match="somebody"):
        door.enter("b", 5, Broken())
    assert (door.inside, door.waiting) == (1, 0)
    door.leave("a")
    door.enter("c", 0)
    assert door.inside == 1


def test_no_more_wait_at_the_door_than_it_has_room_for() -> None:
    door = FairDoor(1, 1)
    door.enter("a", 1)
    waiting = threading.Thread(target=lambda: door.enter("b", 30))
    waiting.start()
    while door.waiting < 1:
        time.sleep(0.001)
    started = time.monotonic()
    with pytest.raises(TransportTimeout, match="1 wait already"):
        door.enter("c", 30)
    assert time.monotonic() - started < 20
    door.check(1)
    with pytest.raises(TransportTimeout, match="1 wait already"):
        door.check(2)
    door.leave("a")
    waiting.join(60)
    assert (door.inside, door.waiting) == (1, 0)
    FairDoor(1).check(10_000)
