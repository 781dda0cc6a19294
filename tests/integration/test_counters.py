"""Many counters in one process: shared models, fair queues, isolated failures, asyncio."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

import idverify
from idverify import AccessPassword, FaceMatcher, MemoryTransport, Outcome, TrustStore, emulator
from idverify.chip.transport.base import Transport
from idverify.counters import CounterPool
from idverify.emulator import Card, Fault, FaultKind
from idverify.emulator.timing import CardTiming, TimedTransport
from idverify.engine.fair import FairDoor
from idverify.errors import ConfigurationError, IdVerifyError, OperationCancelled, TransportTimeout, WrongPasswordError

PICTURES = Path(idverify.__file__).parent / "emulator" / "pictures"
AT = datetime(2026, 6, 1, tzinfo=UTC)


@cache
def card() -> Card:
    return emulator.citizen_card(seed=31)


@pytest.fixture(scope="module")
def matcher() -> FaceMatcher:
    return FaceMatcher(threads=1)


def password() -> AccessPassword:
    return AccessPassword.can(str(card().can))


def pool(matcher: FaceMatcher, **options: object) -> CounterPool:
    return CounterPool(TrustStore.from_certificates(card().trust_anchors), matcher=matcher, **options)  # type: ignore[arg-type]


def options(**more: object) -> dict[str, object]:
    return {"live": PICTURES / "live.jpg", "at": AT} | more


def test_many_counters_share_one_pool_and_failures_stay_where_they_are(matcher: FaceMatcher) -> None:
    def counter(number: int, shared: CounterPool) -> str:
        faulty = number % 5 == 4
        chip = card().fresh(faults=[Fault(FaultKind.REMOVE, at=n) for n in range(12, 16)] if faulty else ())
        live = PICTURES / ("other.jpg" if number % 5 == 3 else "live.jpg")
        try:
            no_recovery = idverify.ReadOptions(max_recoveries=0)
            result = shared.verify(MemoryTransport(chip), password(), **options(live=live, options=no_recovery))  # type: ignore[arg-type]
        except IdVerifyError as error:
            return type(error).__name__
        return result.decision.outcome.value

    with pool(matcher, limit=4) as shared, ThreadPoolExecutor(10) as counters:
        shared.warm_up()
        outcomes = list(counters.map(lambda n: counter(n, shared), range(20)))
        health = shared.health
    for number, outcome in enumerate(outcomes):
        assert outcome == {3: "reject", 4: "CardRemovedError"}.get(number % 5, "accept"), number
    assert (health.completed, health.failed, health.running, health.waiting) == (16, 4, 0, 0)


def test_asyncio_serves_several_counters_without_blocking_the_loop(matcher: FaceMatcher) -> None:
    async def run() -> tuple[list[Outcome], int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        ticker = asyncio.create_task(tick())
        with pool(matcher) as shared:
            results = await asyncio.gather(
                *(shared.averify(MemoryTransport(card().fresh()), password(), **options()) for _ in range(4))
            )
        ticker.cancel()
        return [r.decision.outcome for r in results], ticks

    outcomes, ticks = asyncio.run(run())
    assert outcomes == [Outcome.ACCEPT] * 4
    assert ticks > 3


class Held(MemoryTransport):
    """A card that does not answer its first command until it is let go on."""

    def __init__(self, inner: Card) -> None:
        super().__init__(inner)
        self.reached, self.further = threading.Event(), threading.Event()
        self.count = 0

    def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
        self.count += 1
        self.reached.set()
        assert self.further.wait(30)
        return super().transmit(apdu, timeout=timeout)


def test_cancelling_the_task_ends_the_transaction(matcher: FaceMatcher) -> None:
    async def run() -> tuple[int, int]:
        slow = Held(card().fresh())
        with pool(matcher) as shared:
            task = asyncio.create_task(shared.averify(slow, password(), **options()))
            while not slow.reached.is_set():
                await asyncio.sleep(0.005)
            task.cancel()
            for _ in range(10):  # the task hears of it
                await asyncio.sleep(0)
            slow.further.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            return slow.count, shared.health.failed

    count, failed = asyncio.run(run())
    assert count < 10
    assert failed == 1


def test_errors_reach_the_awaiting_task(matcher: FaceMatcher) -> None:
    async def run() -> None:
        wrong = AccessPassword.can(str((int(str(card().can)) + 1) % 10**6).zfill(6))
        with pool(matcher) as shared:
            await shared.averify(MemoryTransport(card().fresh()), wrong, **options())

    with pytest.raises(WrongPasswordError):
        asyncio.run(run())


def test_the_door_is_fair_and_patient() -> None:
    door = FairDoor(1)
    order: list[int] = []
    door.enter("", 1)

    def wait(number: int) -> None:
        with door.entered("", 60):
            order.append(number)

    threads = []
    for number in range(5):
        thread = threading.Thread(target=wait, args=(number,))
        thread.start()
        threads.append(thread)
        while door.waiting <= number:
            time.sleep(0.001)
    with pytest.raises(TransportTimeout):
        door.enter("", 0.01)
    door.leave("")
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]
    assert (door.inside, door.waiting) == (0, 0)


def test_limits_are_checked(matcher: FaceMatcher) -> None:
    with pytest.raises(ConfigurationError):
        pool(matcher, limit=0)


def test_a_cancel_token_of_the_caller_counts_in_a_pool(matcher: FaceMatcher) -> None:
    token = threading.Event()
    token.set()
    with pool(matcher) as shared, pytest.raises(OperationCancelled):
        shared.verify(MemoryTransport(card().fresh()), password(), **options(cancel=token))


@pytest.mark.parametrize("rate", [106, 212, 424, 848])
def test_frame_times_follow_the_standard(rate: int) -> None:
    timing = CardTiming(kbit_s=rate, think_ms={}, other_ms=0, per_byte_ms=0)
    bit = {106: 128, 212: 64, 424: 32, 848: 16}[rate] / 13_560  # milliseconds, from the carrier's periods
    one = timing.transfer_ms(253)
    assert one == pytest.approx((256 * 9 + 3) * bit)
    two = timing.transfer_ms(254)  # a full I-block, its R(ACK) with both delays, and one byte more
    assert two == pytest.approx((256 * 9 + 3 + 3 * 9 + 3 + 4 * 9 + 3) * bit + (1236 + 1172) / 13_560)
    assert timing.transfer_ms(0) == pytest.approx((3 * 9 + 3) * bit)
    whole = timing.exchange_ms(bytes(5), bytes(225))
    assert whole == pytest.approx((8 * 9 + 3 + 228 * 9 + 3) * bit + (1236 + 1172) / 13_560)


def test_a_card_that_thinks_longer_than_its_waiting_time_asks_for_more() -> None:
    timing = CardTiming(kbit_s=106, think_ms={0x88: 200.0}, other_ms=0, per_byte_ms=0, fwi=8)
    assert timing.waiting_ms == pytest.approx(77.33, abs=0.01)  # 256 × 16 / fc × 2^8
    asked = timing.exchange_ms(b"\0\x88\0\0", b"\x90\0") - timing.exchange_ms(b"\0\0\0\0", b"\x90\0") - 200
    assert asked == pytest.approx(2 * ((2 * (4 * 9 + 3)) * 128 + 1236 + 1172) / 13_560)


def test_a_timed_card_waits_for_what_is_left() -> None:
    waits: list[float] = []
    slow: Transport = TimedTransport(MemoryTransport(card().fresh()), CardTiming(kbit_s=106), sleep=waits.append)
    answer = slow.transmit(bytes.fromhex("00A4040C07A0000002471001"))
    assert answer[-2:] == b"\x90\x00"
    assert isinstance(slow, TimedTransport)
    assert 0 < sum(waits) * 1000 <= slow.chip_ms
    with pytest.raises(ConfigurationError):
        CardTiming(kbit_s=115)


def test_models_that_fail_to_load_end_their_transactions_and_load_when_they_are_back(tmp_path: Path) -> None:
    """The shared matcher: every counter hears of the missing file, and none has to be started again afterwards."""
    from idverify.biometric.models import ModelRegistry, default_manifest
    from idverify.errors import ModelError

    manifest = tmp_path / "manifest.toml"
    manifest.write_bytes(default_manifest().read_bytes())
    for name in ("files", "calibration", "LICENSES"):
        (tmp_path / name).symlink_to(default_manifest().parent / name)
    (tmp_path / "files").rename(tmp_path / "gone")
    shared_matcher = FaceMatcher(ModelRegistry(manifest), threads=1)

    def outcome(shared: CounterPool, number: int) -> str:
        try:
            result = shared.verify(MemoryTransport(card().fresh()), password(), counter=str(number), **options())  # type: ignore[arg-type]
        except ModelError as error:
            return type(error).__name__
        return result.decision.outcome.value

    with pool(shared_matcher, limit=4) as shared, ThreadPoolExecutor(4) as counters:
        assert list(counters.map(lambda n: outcome(shared, n), range(4))) == ["ModelError"] * 4
        (tmp_path / "gone").rename(tmp_path / "files")
        assert list(counters.map(lambda n: outcome(shared, n), range(4))) == ["accept"] * 4
        assert (shared.health.completed, shared.health.failed, shared.health.queued) == (4, 4, 0)


def test_the_deadline_of_a_transaction_holds_at_the_door_too(matcher: FaceMatcher) -> None:
    with pool(matcher, limit=1) as shared, ThreadPoolExecutor(1) as first:
        slow = Held(card().fresh())
        running = first.submit(shared.verify, slow, password(), **options())  # type: ignore[arg-type]
        assert slow.reached.wait(60)
        with pytest.raises(TransportTimeout):  # while the first one still holds the only place
            shared.verify(MemoryTransport(card().fresh()), password(), **options(timeout=timedelta(seconds=0.2)))  # type: ignore[arg-type]
        slow.further.set()
        assert running.result().decision.outcome is Outcome.ACCEPT


def test_a_transaction_of_a_closed_pool_is_cancelled(matcher: FaceMatcher) -> None:
    shared = pool(matcher)
    shared.close()
    with pytest.raises(OperationCancelled):
        shared.verify(MemoryTransport(card().fresh()), password(), **options())  # type: ignore[arg-type]


def test_tasks_wait_at_the_door_and_no_more_of_them_than_it_has_room_for(matcher: FaceMatcher) -> None:
    release = threading.Event()

    def slow(_: object) -> Path:
        release.wait(30)
        return PICTURES / "live.jpg"

    async def run() -> list[object]:
        with pool(matcher, limit=1, waiting=2) as shared:

            def start(counter: str) -> asyncio.Task[idverify.VerificationResult]:
                transport = MemoryTransport(card().fresh())
                chosen = options(live=slow)
                return asyncio.create_task(shared.averify(transport, password(), counter=counter, **chosen))  # type: ignore[arg-type]

            tasks = [start("busy")]
            while not shared.health.running:
                await asyncio.sleep(0.01)
            tasks += [start("busy"), start("calm")]
            while shared.health.waiting < 2:
                await asyncio.sleep(0.01)
            with pytest.raises(TransportTimeout, match="2 wait already"):
                await start("another")
            release.set()
            return [(await task).decision.outcome for task in tasks]

    assert asyncio.run(run()) == [Outcome.ACCEPT] * 3


def test_networks_of_many_counters_run_within_the_limits_of_the_process(matcher: FaceMatcher) -> None:
    from idverify import limits

    before, most, over = limits.get_limits(), 0, threading.Event()
    limits.set_limits(threads=1)

    def watch() -> None:
        nonlocal most
        while not over.wait(0.0005):
            most = max(most, limits.usage().threads)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with pool(matcher, limit=8, workers=4) as shared, ThreadPoolExecutor(8) as counters:
            work = [
                counters.submit(shared.verify, MemoryTransport(card().fresh()), password(), **options())  # type: ignore[arg-type]
                for _ in range(8)
            ]
            assert [f.result(120).decision.outcome for f in work] == [Outcome.ACCEPT] * 8
    finally:
        over.set()
        watcher.join(60)
        limits.set_limits(threads=before.threads)
    assert most == 1
    assert limits.usage() == limits.Usage(threads=0, decoding=0, waiting=0)
