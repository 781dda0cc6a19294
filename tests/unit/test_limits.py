"""What all counters of a process use together: never more than the limits, no wait without an end, nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from idverify import limits
from idverify.engine.transaction import Course, Stage
from idverify.errors import ConfigurationError, OperationCancelled, TransportTimeout
from idverify.limits import Budget


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = limits.get_limits()
    yield
    limits.set_limits(threads=before.threads, decoding=before.decoding)
    assert limits.usage() == limits.Usage(threads=0, decoding=0, waiting=0)


def until(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.mark.parametrize("total", [1, 2, 5])
def test_no_more_is_lent_than_there_is_whatever_the_shares(total: int) -> None:
    budget, used, most, lock = Budget(lambda: total, "test"), 0, 0, threading.Lock()

    def work(seed: int) -> None:
        nonlocal used, most
        for turn in range(40):
            units = 1 + (seed + turn) % total
            with budget.share(units):
                with lock:
                    used += units
                    most = max(most, used)
                time.sleep(0.0002)
                with lock:
                    used -= units

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == total
    assert (budget.lent, budget.waiting, used) == (0, 0, 0)


def test_a_share_comes_in_the_order_of_asking_and_a_large_one_is_not_passed_by() -> None:
    budget, order = Budget(lambda: 2, "test"), []
    with budget.share(1):
        threads = []
        for place, units in enumerate([2, 1, 1]):

            def work(place: int = place, units: int = units) -> None:
                with budget.share(units):
                    order.append(place)
                    time.sleep(0.01)

            threads.append(threading.Thread(target=work))
            threads[-1].start()
            until(lambda place=place: budget.waiting == place + 1)
        assert order == []
    for thread in threads:
        thread.join(60)
    assert order[0] == 0
    assert sorted(order) == [0, 1, 2]


def test_a_share_larger_than_the_whole_is_lent_alone_and_no_thread_waits_for_itself() -> None:
    budget = Budget(lambda: 3, "test")
    with budget.share(100), budget.share(2), budget.share(3):
        assert budget.lent == 100
    assert budget.lent == 0


def test_a_wait_ends_with_the_transaction_and_loses_nothing() -> None:
    budget = Budget(lambda: 1, "test")
    token, clock = threading.Event(), [0.0]
    late = Course(timeout=timedelta(seconds=30), clock=lambda: clock[0])
    cancelled = Course(timeout=timedelta(seconds=30), cancel=token)
    with budget.share(1):
        found: list[BaseException] = []

        def work(course: Course) -> None:
            try:
                with course.stage(Stage.LIVE_TEMPLATE), budget.share(1):
                    found.append(AssertionError("it ran"))
            except BaseException as error:  # noqa: BLE001
                found.append(error)

        threads = [threading.Thread(target=work, args=(course,)) for course in (late, cancelled)]
        for thread in threads:
            thread.start()
        until(lambda: budget.waiting == 2)
        clock[0] = 31.0
        token.set()
        for thread in threads:
            thread.join(60)
        assert {type(error) for error in found} == {TransportTimeout, OperationCancelled}
        assert (budget.lent, budget.waiting) == (1, 0)
    with budget.share(1):
        assert budget.lent == 1


def test_a_share_that_comes_in_the_moment_in_which_the_wait_ends_is_given_back() -> None:
    budget = Budget(lambda: 1, "test")
    for _ in range(30):
        holding = threading.Event()

        def hold(holding: threading.Event = holding) -> None:
            with budget.share(1):
                holding.set()
                time.sleep(0.05)

        holder = threading.Thread(target=hold)
        holder.start()
        assert holding.wait(60)
        end = time.monotonic() + 0.05

        def check(end: float = end) -> None:
            if time.monotonic() >= end:
                raise TransportTimeout("over")

        try:
            with limits.heeding(check), budget.share(1):
                pass
        except TransportTimeout:
            pass
        holder.join(60)
        assert (budget.lent, budget.waiting) == (0, 0)


def test_more_units_let_those_in_who_wait() -> None:
    limits.set_limits(threads=1)
    inside = threading.Event()

    def work() -> None:
        with limits.INFERENCE.share(1):
            inside.set()

    with limits.INFERENCE.share(1):
        thread = threading.Thread(target=work)
        thread.start()
        until(lambda: limits.usage().waiting == 1)
        limits.set_limits(threads=2)
        assert inside.wait(60)
    thread.join(60)


def test_limits_out_of_range_are_refused_and_leave_everything_as_it_was() -> None:
    before = limits.get_limits()
    for wrong in ({"threads": 0}, {"threads": 5000}, {"decoding": 1000}, {"threads": 1, "decoding": 1 << 50}):
        with pytest.raises(ConfigurationError):
            limits.set_limits(**wrong)
    assert limits.get_limits() == before


def told_by(statement: str, **variables: str) -> str:
    code = f"from idverify import limits; {statement}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **variables}, check=False
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def test_the_environment_names_limits_and_the_processors_are_the_default() -> None:
    ask = "print(limits.get_limits().threads, limits.get_limits().decoding >> 20)"
    assert told_by(ask) == f"{limits.cores()} 512"
    assert told_by(ask, IDVERIFY_MAX_THREADS="7", IDVERIFY_DECODER_MIB="64") == "7 64"
    assert "IDVERIFY_MAX_THREADS must be" in told_by(ask, IDVERIFY_MAX_THREADS="many")
    assert "IDVERIFY_DECODER_MIB must be" in told_by(ask, IDVERIFY_DECODER_MIB="0")
    first = "limits.INFERENCE.share(1).__enter__()"  # while nothing is lent yet
    assert "IDVERIFY_MAX_THREADS must be" in told_by(first, IDVERIFY_MAX_THREADS="many")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_begins_with_nothing_lent() -> None:
    """Threads of the parent hold everything; the child has none of them, and must not wait for them."""
    statement = """
import os, threading, time
limits.set_limits(threads=1)
held, done = threading.Event(), threading.Event()
def hold():
    with limits.INFERENCE.share(1):
        held.set(); done.wait(30)
thread = threading.Thread(target=hold); thread.start(); held.wait(60)
waiting = threading.Thread(target=lambda: limits.INFERENCE.share(1).__enter__(), daemon=True); waiting.start()
while limits.usage().waiting == 0: time.sleep(0.001)
child = os.fork()
if child == 0:
    with limits.INFERENCE.share(1):
        os._exit(7 if limits.usage().waiting == 0 else 8)
for _ in range(500):
    pid, status = os.waitpid(child, os.WNOHANG)
    if pid: break
    time.sleep(0.02)
else:
    os.kill(child, 9)
done.set(); thread.join()
print(os.waitstatus_to_exitcode(status) if pid else "hangs", limits.usage().threads)
""".replace("\n", "\n")
    code = "import warnings; warnings.simplefilter('ignore')\nfrom idverify import limits\n" + statement
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split()[0] == "7"
