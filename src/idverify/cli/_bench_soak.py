"""Soak: thousands of transactions of many counters with faults in between, and what became of memory and fairness."""

from __future__ import annotations

import itertools
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from idverify import emulator
from idverify.chip.access.password import AccessPassword
from idverify.chip.lds.files import FileId
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.session import ReadOptions
from idverify.chip.transport.memory import MemoryTransport
from idverify.cli._bench_runs import PERCENTILES, bench_card, percentile, shared_matcher
from idverify.cli._demo_card import picture
from idverify.counters import CounterPool
from idverify.emulator.faults import Fault, FaultKind
from idverify.emulator.timing import CardTiming, TimedTransport
from idverify.errors import IdVerifyError, ModelError, ReaderNotFoundError

if TYPE_CHECKING:
    from idverify.biometric.face.matcher import FaceMatcher
    from idverify.emulator.card import Card

EXPECTED: Final = {
    "none": "accept",
    "card-moved": "accept",
    "card-gone": "CardRemovedError",
    "wrong-password": "WrongPasswordError",
    "forged-file": "reject",
    "somebody-else": "reject",
    "reader-vanished": "ReaderNotFoundError",
    "garbled-answer": "SecureMessagingError",
    "model-missing": "ModelError",
}
"""How a transaction with each fault must end."""

KINDS: Final = tuple(kind for kind in EXPECTED if kind != "none")

_SAMPLES: Final = 40
_WARM_SHARE: Final = 0.1
_FAST: Final = ReadOptions(recovery_wait=timedelta(milliseconds=50))


class VanishingReader(MemoryTransport):
    """A reader that is unplugged after so many commands, and does not come back."""

    def __init__(self, card: Card, after: int) -> None:
        super().__init__(card)
        self._left = after

    def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
        """As the inner one until it is gone."""
        self._left -= 1
        if self._left < 0:
            raise ReaderNotFoundError("the reader has been unplugged")
        return super().transmit(apdu, timeout=timeout)

    def reconnect(self) -> None:
        """There is nothing to connect to."""
        raise ReaderNotFoundError("the reader has been unplugged")


class MissingModel:
    """A matcher whose models cannot be loaded."""

    model = "missing@0"
    calibration = None

    def analyse(self, *_: object, **__: object) -> None:
        """Fails as a registry does whose file is gone."""
        raise ModelError("the model file is missing")


@dataclass
class Tally:
    """What one counter has seen."""

    ended: int = 0
    latencies: list[float] = field(default_factory=list)
    longest_gap: float = 0.0
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass
class Soak:
    """One soak.

    Attributes:
        transactions: in all.
        counters: how many.
        faults: share of transactions with a fault, 0 … 1.
        kbit_s: bit rate of the card model; 0 for a card that takes no time.
        kinds: of faults.
        seed: of the faults.
        matcher: shared by all; a warm one is made where None.
        on_progress: told how many have ended.
    """

    transactions: int
    counters: int = 64
    faults: float = 0.01
    kbit_s: int = 0
    kinds: tuple[str, ...] = KINDS
    seed: int = 1
    matcher: FaceMatcher | None = None
    on_progress: Callable[[int], None] = lambda _: None

    def run(self) -> dict[str, Any]:
        """The JSON object of the soak; ``isolated`` and ``flat`` are its verdicts."""
        self._card = bench_card()
        self._forged = emulator.flip_byte(self._card, FileId.DG1, 40)
        self._password = AccessPassword.can(str(self._card.can))
        self._wrong = AccessPassword.can(str((int(str(self._card.can)) + 1) % 10**6).zfill(6))
        self._live, self._other = picture("live"), picture("other")
        tickets, tallies = itertools.count(), [Tally() for _ in range(self.counters)]
        memory: list[tuple[int, float]] = []
        every = max(1, self.transactions // _SAMPLES)
        lock = threading.Lock()
        done = 0

        def counter(number: int, pool: CounterPool) -> None:
            nonlocal done
            tally, last = tallies[number], time.perf_counter()
            while (ticket := next(tickets)) < self.transactions:
                fault = self._fault(ticket)
                started = time.perf_counter()
                end = self._one(pool, fault, f"counter-{number}", ticket)
                now = time.perf_counter()
                tally.ended += 1
                tally.ends[fault, end] += 1
                tally.latencies.append((now - started) * 1000)
                tally.longest_gap, last = max(tally.longest_gap, now - last), now
                with lock:
                    done += 1
                    if done % every == 0:
                        memory.append((done, resident_mib()))
                        self.on_progress(done)

        trust = TrustStore.from_certificates(self._card.trust_anchors)
        with CounterPool(trust, matcher=self.matcher or shared_matcher(), limit=self.counters) as pool:
            threads = [threading.Thread(target=counter, args=(n, pool)) for n in range(self.counters)]
            wall, cpu = time.perf_counter(), time.process_time()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            health = pool.health
        return self._verdict(tallies, memory, wall, cpu) | {
            "left_in_pool": health.running + health.waiting + health.queued
        }

    def _fault(self, ticket: int) -> str:
        chosen = random.Random(f"{self.seed}:{ticket}")  # noqa: S311 - which fault, not a key
        return chosen.choice(self.kinds) if chosen.random() < self.faults else "none"

    def _one(self, pool: CounterPool, fault: str, counter: str, ticket: int) -> str:
        where = random.Random(f"{self.seed}:{ticket}:where").randrange(12, 20)  # noqa: S311
        card = (self._forged if fault == "forged-file" else self._card).fresh(faults=_card_faults(fault, where))
        plain = VanishingReader(card, where) if fault == "reader-vanished" else MemoryTransport(card)
        transport = TimedTransport(plain, CardTiming(kbit_s=self.kbit_s) if self.kbit_s else None)
        more: dict[str, Any] = {"matcher": MissingModel()} if fault == "model-missing" else {}
        try:
            result = pool.verify(
                transport,
                self._wrong if fault == "wrong-password" else self._password,
                live=self._other if fault == "somebody-else" else self._live,
                counter=counter,
                options=_FAST,
                **more,
            )
        except IdVerifyError as error:
            return type(error).__name__
        return result.decision.outcome.value

    def _verdict(
        self, tallies: Sequence[Tally], memory: Sequence[tuple[int, float]], wall: float, cpu: float
    ) -> dict[str, Any]:
        ends = sum((t.ends for t in tallies), Counter())
        astray = {f"{fault}: {end}": n for (fault, end), n in ends.items() if EXPECTED[fault] != end}
        latencies = [ms for t in tallies for ms in t.latencies]
        warm = [mib for done, mib in memory if done >= self.transactions * _WARM_SHARE]
        growth = slope(memory, self.transactions * _WARM_SHARE)
        each = sorted(t.ended for t in tallies)
        return {
            "transactions": sum(each),
            "counters": self.counters,
            "kbit_s": self.kbit_s,
            "seconds": round(wall, 1),
            "per_second": round(sum(each) / wall, 2),
            "cpu_ms_each": round(cpu * 1000 / sum(each), 2),
            "latency_ms": {p: round(percentile(latencies, int(p[1:])), 1) for p in PERCENTILES},
            "per_counter": {"fewest": each[0], "most": each[-1]},
            "longest_gap_seconds": round(max(t.longest_gap for t in tallies), 2),
            "faults": {
                fault: sum(n for (kind, _), n in ends.items() if kind == fault) for fault in EXPECTED if fault != "none"
            },
            "astray": astray,
            "isolated": not astray,
            "memory_mib": [[done, round(mib, 1)] for done, mib in memory],
            "memory_growth_mib_per_1000": round(growth * 1000, 3),
            "memory_spread_mib": round(max(warm) - min(warm), 1) if warm else None,
        }


def _card_faults(fault: str, where: int) -> tuple[Fault, ...]:
    if fault == "card-moved":
        return (Fault(FaultKind.REMOVE, at=where),)
    if fault == "card-gone":
        return tuple(Fault(FaultKind.REMOVE, at=n) for n in range(where, where + 400))
    if fault == "garbled-answer":
        return (Fault(FaultKind.FLIP, at=where, value=30),)
    return ()


def resident_mib() -> float:
    """Resident memory of this process; 0 where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return 0.0
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # elsewhere the peak must do: bytes on macOS, else KiB
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def slope(points: Sequence[tuple[int, float]], start: float) -> float:
    """Growth a transaction by Theil and Sen: the median slope of all pairs of points from ``start`` on."""
    late = [(x, y) for x, y in points if x >= start]
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.combinations(late, 2) if b[0] != a[0])
    return slopes[len(slopes) // 2] if slopes else 0.0
