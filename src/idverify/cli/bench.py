"""``idverify bench``: the counter benchmark, with emulated cards of realistic speed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from idverify.cli import _output, _ui
from idverify.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.table import Table

_RATES = (0, 106, 212, 424, 848)


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
        str,
        typer.Option("--kbit", metavar="RATE,…", help="The card's bit rates: 106, 212, 424, 848; 0 for no waiting."),
    ] = "424",
    timeline: Annotated[
        list[Path] | None,
        typer.Option(
            "--timeline", metavar="FILE", help="Draw one counter's median transaction: .png, .svg. Repeatable."
        ),
    ] = None,
    soak: Annotated[
        int, typer.Option("--soak", min=0, max=10_000_000, help="So many transactions with faults in between instead.")
    ] = 0,
    faults: Annotated[
        float, typer.Option("--faults", min=0.0, max=1.0, help="Share of the soak's transactions with a fault.")
    ] = 0.01,
    kinds: Annotated[
        str, typer.Option("--fault-kinds", metavar="KIND,…", help="Which faults; all where left out.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Also write every figure there, as JSON.")
    ] = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """Measure transactions a second and their latency with emulated counters."""
    numbers = _numbers(counters, "--counters", range(1, 1025))
    rates = _numbers(kbit_s, "--kbit", _RATES)
    from idverify.cli._bench_runs import machine

    _output.check_written((out, "--out"))
    _output.check_plots(*((file, "--timeline") for file in timeline or ()))
    answer: dict[str, Any] = {"machine": machine()}
    if soak:
        answer["soak"] = _soak(soak, numbers[-1], faults, rates[0], [k for k in kinds.split(",") if k])
    elif timeline:
        answer |= _timeline(timeline, transactions, rates[0])
    else:
        answer["runs"] = _runs(numbers, transactions, rates)
    if out is not None:
        _write(out, answer)
    if as_json:
        _ui.print_json(answer)
    else:
        _show(answer)
    if soak and not answer["soak"]["isolated"]:
        raise typer.Exit(_ui.Exit.FAILURE)


def _write(path: Path, answer: Mapping[str, Any]) -> None:
    try:
        path.write_text(json.dumps(answer, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write {path.name}: {error.strerror}") from None


def _numbers(text: str, option: str, allowed: Sequence[int]) -> list[int]:
    try:
        numbers = [int(n) for n in text.split(",")]
    except ValueError:
        raise ConfigurationError(f"{option} takes numbers with commas between them, such as 1,4,16") from None
    wrong = [n for n in numbers if n not in allowed]
    if wrong:
        known = f"{allowed[0]} to {allowed[-1]}" if len(allowed) > 9 else ", ".join(map(str, allowed))
        raise ConfigurationError(f"{option} takes numbers from {known}, not {wrong[0]}")
    return numbers


def _runs(numbers: Sequence[int], transactions: int, rates: Sequence[int]) -> list[dict[str, Any]]:
    from idverify.cli._bench_runs import measure, shared_matcher

    matcher = shared_matcher()
    return [
        {"kbit_s": rate} | run
        for rate in rates
        for run in measure(numbers, transactions=transactions, kbit_s=rate, matcher=matcher)
    ]


def _timeline(files: Sequence[Path], transactions: int, rate: int) -> dict[str, Any]:
    from idverify.cli._bench_timeline import draw, median_of, record_timelines

    timelines = record_timelines(transactions, rate)
    median = median_of(timelines)
    for file in files:
        draw(median, file, kbit_s=rate)
    return {"kbit_s": rate, "timeline": median.to_dict(), "all": [t.to_dict() for t in timelines]}


def _soak(transactions: int, counters: int, faults: float, rate: int, kinds: Sequence[str]) -> dict[str, Any]:
    from idverify.cli._bench_soak import KINDS, Soak, resident_mib

    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise ConfigurationError(f"--fault-kinds takes {', '.join(KINDS)}; not {', '.join(sorted(unknown))}")

    def told(done: int) -> None:
        _ui.stderr().print(f"{done} of {transactions}, {resident_mib():.0f} MiB")

    return Soak(
        transactions, counters=counters, faults=faults, kbit_s=rate, kinds=tuple(kinds) or KINDS, on_progress=told
    ).run()


# ---- for people ------------------------------------------------------------------------------------------------------


def _show(answer: Mapping[str, Any]) -> None:
    out = _ui.stdout()
    if "soak" in answer:
        out.print_json(data=answer["soak"])
    elif "timeline" in answer:
        for name, value in answer["timeline"].items():
            out.print(f"{name.replace('_', ' '):24} {value:10.1f}")
    else:
        out.print(_latencies(answer["runs"]))
        out.print(_costs(answer["runs"]))


def _latencies(runs: Sequence[Mapping[str, Any]]) -> Table:
    from rich.table import Table

    from idverify.cli._bench_runs import PERCENTILES

    table = Table(
        box=None, header_style="dim", padding=(0, 1, 0, 0), title="citizen card, portrait of 20,000 bytes; milliseconds"
    )
    for title in ("kbit/s", "desks", "a second", *PERCENTILES, "card", "ours", "over", "CPU", "accepted"):
        table.add_column(title, justify="right", no_wrap=True)
    for run in runs:
        timed = bool(run["chip_ms_p50"])
        table.add_row(
            str(run["kbit_s"] or "∞"), str(run["counters"]), f"{run['per_second']:.1f}",
            *(f"{run['latency_ms'][p]:.0f}" for p in PERCENTILES), f"{run['chip_ms_p50']:.0f}",
            f"{run['own_percent_p50']:.1f}%" if timed else "–",
            f"{run['over_chip_percent_p50']:+.1f}%" if timed else "–",
            f"{run['cpu_ms_each']:.0f}", f"{run['accepted']}/{run['transactions']}",
        )  # fmt: skip
    return table


def _costs(runs: Sequence[Mapping[str, Any]]) -> Table:
    """Processor time by stage."""
    from rich.table import Table

    table = Table(
        box=None, header_style="dim", title="processor time of one transaction by stage, median; milliseconds"
    )
    table.add_column("stage")
    shown = [runs[0], runs[-1]] if len(runs) > 1 else list(runs)
    for run in shown:
        table.add_column(f"{run['counters']} at {run['kbit_s'] or '∞'} kbit/s", justify="right")
    for stage in dict.fromkeys(stage for run in shown for stage in run["stage_cpu_ms_p50"]):
        table.add_row(stage, *(f"{run['stage_cpu_ms_p50'].get(stage, 0):.2f}" for run in shown))
    return table
