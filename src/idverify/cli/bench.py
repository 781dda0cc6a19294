"""``idverify bench``: the counter benchmark, with emulated cards of realistic speed."""

from __future__ import annotations

import os
import platform
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from idverify.cli import _ui
from idverify.errors import ConfigurationError

if TYPE_CHECKING:
    from idverify.biometric.face.matcher import FaceMatcher


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench", help="Measure transactions a second and their latency with emulated counters.")(bench)


@_ui.guarded
def bench(
    counters: Annotated[
        str, typer.Option("--counters", metavar="N,N…", help="Numbers of counters to measure.")
    ] = "1,4,16,64",
    transactions: Annotated[
        int, typer.Option("--transactions", min=1, max=1_000_000, help="Transactions of each counter.")
    ] = 3,
    kbit_s: Annotated[
        int, typer.Option("--kbit", metavar="RATE", help="The card's bit rate: 106, 212, 424, 848; 0 for no waiting.")
    ] = 424,
    as_json: _ui.JsonOption = False,
) -> None:
    """Measure transactions a second and their latency with emulated counters."""
    try:
        numbers = [int(n) for n in counters.split(",")]
    except ValueError:
        raise ConfigurationError("--counters takes numbers with commas between them, such as 1,4,16") from None
    if not numbers or not all(1 <= n <= 1024 for n in numbers):
        raise ConfigurationError("--counters takes numbers from 1 to 1024")
    runs = measure(numbers, transactions=transactions, kbit_s=kbit_s)
    if as_json:
        _ui.print_json({"machine": machine(), "kbit_s": kbit_s, "runs": runs})
        return
    from rich.table import Table

    table = Table(box=None, header_style="dim", title=f"citizen card, {kbit_s or '∞'} kbit/s, milliseconds")
    for title in ("counters", "a second", "p50", "p95", "p99", "chip alone p50", "over chip", "CPU each", "accepted"):
        table.add_column(title, justify="right")
    for run in runs:
        chip = run["chip_ms_p50"]
        over = f"{100 * (run['latency_ms']['p50'] / chip - 1):+.1f} %" if chip else "–"
        table.add_row(
            str(run["counters"]), f"{run['per_second']:.1f}", *(f"{run['latency_ms'][p]:.0f}" for p in PERCENTILES),
            f"{chip:.0f}", over, f"{run['cpu_ms_each']:.0f}", f"{run['accepted']}/{run['transactions']}",
        )  # fmt: skip
    _ui.stdout().print(table)


PERCENTILES = ("p50", "p95", "p99")


def measure(
    numbers: list[int], *, transactions: int, kbit_s: int, matcher: FaceMatcher | None = None
) -> list[dict[str, Any]]:
    """One run for each number of counters; every counter verifies the same invented citizen again and again.

    Args:
        numbers: of counters.
        transactions: of each counter.
        kbit_s: bit rate of the card model; 0 for a card that takes no time.
        matcher: shared by all runs; one with a thread per inference where None.
    """
    from idverify import emulator
    from idverify.biometric.face.matcher import FaceMatcher
    from idverify.chip.pki.trust_store import TrustStore

    card = emulator.citizen_card(seed=1)
    matcher = matcher or FaceMatcher(threads=1)
    matcher.warm_up()
    trust = TrustStore.from_certificates(card.trust_anchors)
    return [_run(n, transactions, kbit_s, card, matcher, trust) for n in numbers]


def _run(number: int, transactions: int, kbit_s: int, card: Any, matcher: FaceMatcher, trust: Any) -> dict[str, Any]:
    from idverify.chip.access.password import AccessPassword
    from idverify.chip.transport.memory import MemoryTransport
    from idverify.cli._demo_card import picture
    from idverify.counters import CounterPool
    from idverify.emulator.timing import CardTiming, TimedTransport
    from idverify.errors import IdVerifyError

    live, password = picture("live"), AccessPassword.can(str(card.can))
    latencies: list[float] = []
    chip: list[float] = []
    stages: dict[str, list[float]] = {}
    outcomes: list[str] = []
    lock = threading.Lock()

    def counter(pool: CounterPool) -> None:
        for _ in range(transactions):
            plain = MemoryTransport(card.fresh())
            transport = TimedTransport(plain, CardTiming(kbit_s=kbit_s)) if kbit_s else plain
            started = time.perf_counter()
            try:
                result = pool.verify(transport, password, live=live)
            except IdVerifyError as error:
                with lock:
                    outcomes.append(type(error).__name__)
                continue
            spent = (time.perf_counter() - started) * 1000
            with lock:
                latencies.append(spent)
                outcomes.append(result.decision.outcome.value)
                if isinstance(transport, TimedTransport):
                    chip.append(transport.chip_ms)
                for stage, value in result.session.milliseconds.items():
                    stages.setdefault(stage, []).append(value)

    with CounterPool(trust, matcher=matcher, limit=number) as pool:
        threads = [threading.Thread(target=counter, args=(pool,)) for _ in range(number)]
        wall, cpu = time.perf_counter(), time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    done = len(outcomes)
    return {
        "counters": number,
        "transactions": done,
        "accepted": outcomes.count("accept"),
        "per_second": round(done / wall, 3),
        "latency_ms": {p: round(percentile(latencies, int(p[1:])), 3) for p in PERCENTILES},
        "chip_ms_p50": round(percentile(chip, 50), 3),
        "cpu_ms_each": round(cpu * 1000 / done, 3) if done else 0.0,
        "stage_ms_p50": {stage: round(percentile(values, 50), 3) for stage, values in stages.items()},
    }


def percentile(values: list[float], share: int) -> float:
    """The nearest-rank percentile; 0 for no values."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * share // 100) - 1))]


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    from importlib import metadata

    versions = {}
    for name in ("numpy", "onnxruntime", "cryptography", "opencv-python-headless"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "?"
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "versions": versions,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
