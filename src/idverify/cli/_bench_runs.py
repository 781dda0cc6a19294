"""Runs of the counter benchmark: many counters, one invented citizen, cards of realistic speed."""

from __future__ import annotations

import os
import platform
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from idverify import emulator
from idverify._version import __version__
from idverify.chip.access.password import AccessPassword
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.transport.memory import MemoryTransport
from idverify.cli._demo_card import picture
from idverify.counters import CounterPool
from idverify.emulator.portrait import default_portrait
from idverify.emulator.timing import CardTiming, TimedTransport
from idverify.engine.transaction import Event, Stage
from idverify.errors import IdVerifyError

if TYPE_CHECKING:
    from idverify.biometric.face.matcher import FaceMatcher
    from idverify.emulator.card import Card

PERCENTILES: Final = ("p50", "p95", "p99")
PORTRAIT_BYTES: Final = 20_000
"""Size of the portrait of the benchmark's card."""


def bench_card(seed: int = 1) -> Card:
    """A citizen card with a portrait of 20,000 bytes: what does not fit its pixels is zeros behind their end."""
    portrait = default_portrait()
    return emulator.citizen_card(seed=seed, portrait=portrait + bytes(PORTRAIT_BYTES - len(portrait)))


@dataclass
class Record:
    """One transaction as it was measured.

    Attributes:
        outcome: the decision, or the name of the exception.
        latency_ms: from the call to the decision.
        chip_ms: what the card takes of it by the model.
        stages: wall time as in the result's session summary.
        events: everything that was told.
        transport: with the exchanges.
    """

    outcome: str = ""
    latency_ms: float = 0.0
    chip_ms: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    transport: TimedTransport | None = None
    began: float = 0.0

    @property
    def over_percent(self) -> float:
        """How much longer than the card alone by the model."""
        return 100 * (self.latency_ms / self.chip_ms - 1) if self.chip_ms else 0.0

    @property
    def card_ms(self) -> float:
        """What the emulated card really took: on a busy machine it oversleeps what the model gives it."""
        exchanges = self.transport.exchanges if self.transport is not None else []
        return sum(e.ended - e.started for e in exchanges) * 1000

    @property
    def own_ms(self) -> float:
        """What is not the card's: between its answers and the next commands, and after the last one."""
        return self.latency_ms - self.card_ms

    @property
    def own_percent(self) -> float:
        """The same in percent of what the card takes by the model."""
        return 100 * self.own_ms / self.chip_ms if self.chip_ms else 0.0

    def cpu(self) -> dict[str, float]:
        """Milliseconds of processor time by stage; the reader's side without the emulated card."""
        spent: dict[str, float] = {}
        for event in self.events:
            if event.cpu_ms is not None:
                spent[event.stage.value] = spent.get(event.stage.value, 0.0) + event.cpu_ms
        if self.transport is not None and Stage.CARD.value in spent:
            answering = sum(e.cpu_ms for e in self.transport.exchanges)
            spent[Stage.CARD.value] = max(0.0, spent[Stage.CARD.value] - answering)
            spent["emulated-card"] = answering
        return spent


def transact(pool: CounterPool, card: Card, password: AccessPassword, live: Path | bytes, kbit_s: int) -> Record:
    """One transaction, with its events."""
    timing = CardTiming(kbit_s=kbit_s) if kbit_s else None
    record = Record(transport=TimedTransport(MemoryTransport(card.fresh()), timing))
    record.began = time.perf_counter()
    try:
        result = pool.verify(
            record.transport, password, live=live, counter=threading.current_thread().name,  # type: ignore[arg-type]
            on_event=record.events.append,
        )  # fmt: skip
    except IdVerifyError as error:
        record.outcome = type(error).__name__
    else:
        record.outcome = result.decision.outcome.value
        record.stages = dict(result.session.milliseconds)
    record.latency_ms = (time.perf_counter() - record.began) * 1000
    record.chip_ms = record.transport.chip_ms if record.transport is not None else 0.0
    return record


def measure(
    numbers: Sequence[int],
    *,
    transactions: int,
    kbit_s: int,
    matcher: FaceMatcher | None = None,
    on_run: Callable[[int], None] | None = None,
) -> list[dict[str, Any]]:
    """One run for each number of counters; every counter verifies the same invented citizen again and again.

    Args:
        numbers: of counters.
        transactions: of each counter.
        kbit_s: bit rate of the card model; 0 for a card that takes no time.
        matcher: shared by all runs; one with a thread per inference where None.
        on_run: told before each run.
    """
    card, matcher = bench_card(), matcher or shared_matcher()
    trust = TrustStore.from_certificates(card.trust_anchors)
    runs = []
    for number in numbers:
        if on_run is not None:
            on_run(number)
        runs.append(_run(number, transactions, kbit_s, card, matcher, trust))
    return runs


def shared_matcher() -> FaceMatcher:
    """A warm matcher with one thread an inference."""
    from idverify.biometric.face.matcher import FaceMatcher

    matcher = FaceMatcher(threads=1)
    matcher.warm_up()
    return matcher


def _run(
    number: int, transactions: int, kbit_s: int, card: Card, matcher: FaceMatcher, trust: TrustStore
) -> dict[str, Any]:
    live, password = picture("live"), AccessPassword.can(str(card.can))
    records: list[Record] = []

    def counter(pool: CounterPool) -> None:
        for _ in range(transactions):
            records.append(transact(pool, card, password, live, kbit_s))  # appending is atomic

    with CounterPool(trust, matcher=matcher, limit=number) as pool:
        threads = [threading.Thread(target=counter, args=(pool,), name=f"counter-{n}") for n in range(number)]
        wall, cpu = time.perf_counter(), time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return summary(number, records, wall, cpu)


def summary(number: int, records: Sequence[Record], wall: float, cpu: float) -> dict[str, Any]:
    """The JSON object of one run."""
    ended = [r for r in records if r.stages]
    latencies = [r.latency_ms for r in ended]
    costs = [r.cpu() for r in ended]
    return {
        "counters": number,
        "transactions": len(records),
        "accepted": sum(r.outcome == "accept" for r in records),
        "per_second": round(len(records) / wall, 3),
        "latency_ms": {p: round(percentile(latencies, int(p[1:])), 3) for p in PERCENTILES},
        "chip_ms_p50": round(percentile([r.chip_ms for r in ended], 50), 3),
        "own_percent_p50": round(percentile([r.own_percent for r in ended], 50), 3),
        "over_chip_percent_p50": round(percentile([r.over_percent for r in ended], 50), 3),
        "cpu_ms_each": round(cpu * 1000 / len(records), 3) if records else 0.0,
        "stage_ms_p50": _medians([r.stages for r in ended]),
        "stage_cpu_ms_p50": _medians(costs),
    }


def _medians(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: round(percentile([row[name] for row in rows if name in row], 50), 3) for name in names}


def percentile(values: Sequence[float], share: int) -> float:
    """The nearest-rank percentile; 0 for no values."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * share // 100) - 1))]


def machine() -> dict[str, Any]:
    """What the figures were taken on, and of what."""
    from importlib import metadata

    versions = {"idverify": __version__}
    for name in ("numpy", "onnxruntime", "cryptography", "opencv-python-headless"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "?"
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "commit": _commit(),
        "versions": versions,
    }


def _commit() -> str | None:
    """The commit of a checkout, with ``+`` where files were changed; None for an installed package."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    try:
        run = ("git", "-C", str(root))
        head = subprocess.run([*run, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S603
        changed = subprocess.run([*run, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
