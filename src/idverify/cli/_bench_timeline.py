"""The picture of one transaction: what the card did, what we did meanwhile, and what was left to do after the card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.reading import Phase
from idverify.cli._bench_runs import Record, bench_card, shared_matcher, transact
from idverify.cli._demo_card import picture
from idverify.counters import CounterPool
from idverify.engine.transaction import Stage, State
from idverify.errors import ConfigurationError

if TYPE_CHECKING:
    from idverify.biometric.face.matcher import FaceMatcher

LANES: Final = (
    ("card answers", None),
    ("between commands", None),
    ("live template", Stage.LIVE_TEMPLATE),
    ("signature and path", Stage.SIGNATURE),
    ("portrait template", Stage.PORTRAIT_TEMPLATE),
    ("passive authentication", Stage.PASSIVE_AUTHENTICATION),
    ("matching", Stage.MATCHING),
    ("decision", Stage.DECISION),
)
"""Rows of the picture."""

_PHASES: Final = {Phase.ACCESS_CONTROL: "PACE", Phase.CHIP_AUTHENTICATION: "proof"}
_SUFFIXES: Final = {".png": "png", ".svg": "svg"}
_CARD, _SIDE, _WORK = "#1b9e77", "#d95f02", "#7570b3"


@dataclass(frozen=True)
class Timeline:
    """One transaction with its spans in milliseconds since its begin.

    Attributes:
        record: as measured.
        spans: by lane, from and to.
        last_answer: when the card's last answer was there.
        decision: when it was decided.
        phases: labels of what the card was asked for, with their begin.
    """

    record: Record
    spans: dict[str, list[tuple[float, float]]]
    last_answer: float
    decision: float
    phases: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, record: Record) -> Timeline:
        """The spans of a transaction that came to a decision."""
        exchanges = record.transport.exchanges if record.transport is not None else []
        card = [((e.started - record.began) * 1000, (e.ended - record.began) * 1000) for e in exchanges]
        decision = next(e.at_ms for e in record.events if e.stage is Stage.DECISION and e.outcome and _ended(e.state))
        edges = [0.0, *(t for span in card for t in span), decision]
        spans = {"card answers": card, "between commands": list(zip(edges[::2], edges[1::2], strict=True))}
        for label, stage in LANES[2:]:
            begun = [e.at_ms for e in record.events if e.stage is stage and e.state is State.STARTED]
            ended = [e.at_ms for e in record.events if e.stage is stage and _ended(e.state)]
            spans[label] = list(zip(begun, ended, strict=False))
        phases: list[tuple[str, float]] = []
        for event in record.events:
            progress = event.progress
            label = (
                "" if progress is None else progress.file.label if progress.file else _PHASES.get(progress.phase, "")
            )
            if label and (not phases or phases[-1][0] != label):
                phases.append((label, event.at_ms))
        return cls(record, spans, card[-1][1] if card else 0.0, decision, tuple(phases))

    def to_dict(self) -> dict[str, Any]:
        """Figures of this transaction."""
        between = sum(b - a for a, b in self.spans["between commands"])
        return {
            "latency_ms": round(self.record.latency_ms, 3),
            "chip_ms": round(self.record.chip_ms, 3),
            "card_ms": round(self.record.card_ms, 3),
            "own_ms": round(self.record.own_ms, 3),
            "own_percent": round(self.record.own_percent, 3),
            "over_chip_percent": round(self.record.over_percent, 3),
            "between_commands_ms": round(between - (self.decision - self.last_answer), 3),
            "after_last_answer_ms": round(self.decision - self.last_answer, 3),
            "to_the_caller_ms": round(self.record.latency_ms - self.decision, 3),
            "apdus": len(self.spans["card answers"]),
        }


def _ended(state: State) -> bool:
    return state in (State.FINISHED, State.FAILED)


def record_timelines(transactions: int, kbit_s: int, matcher: FaceMatcher | None = None) -> list[Timeline]:
    """Transactions of one counter, one after the other, the one with the least work of ours first."""
    from idverify.chip.access.password import AccessPassword

    card, used = bench_card(), matcher or shared_matcher()
    password = AccessPassword.can(str(card.can))
    with CounterPool(TrustStore.from_certificates(card.trust_anchors), matcher=used, limit=1) as pool:
        transact(pool, card, password, picture("live"), 0)  # what is made on first use is made here
        records = [transact(pool, card, password, picture("live"), kbit_s) for _ in range(transactions)]
    return sorted((Timeline.of(r) for r in records if r.stages), key=lambda t: t.record.own_percent)


def median_of(timelines: Sequence[Timeline]) -> Timeline:
    """The transaction in the middle.

    Raises:
        ConfigurationError: none came to a decision.
    """
    if not timelines:
        raise ConfigurationError("no transaction came to a decision")
    return timelines[(len(timelines) - 1) // 2]


def draw(timeline: Timeline, path: Path, *, kbit_s: int) -> None:
    """Write the picture.

    Raises:
        ConfigurationError: another suffix than .png or .svg, matplotlib is missing, or the file cannot be written.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigurationError(f"the timeline is a .png or .svg file, not {path.name}")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigurationError("plots need matplotlib: pip install 'idverify-emrtd[eval]'") from None
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for row, (label, stage) in enumerate(LANES):
        colour = _WORK if stage is not None else _CARD if row == 0 else _SIDE
        spans = [(a, max(b - a, timeline.decision / 700)) for a, b in timeline.spans[label]]
        axes.broken_barh(spans, (row - 0.38, 0.76), color=colour, linewidth=0)
    for label, at in _apart(timeline.phases, timeline.decision / 60):
        axes.axvline(at, color="0.85", linewidth=0.6, zorder=0)
        axes.text(at, -0.62, label, rotation=35, fontsize=7, va="bottom", ha="left")
    axes.axvline(timeline.last_answer, color=_CARD, linewidth=1.2, linestyle="--")
    axes.axvline(timeline.decision, color="black", linewidth=1.2)
    figures = timeline.to_dict()
    axes.set_title(
        f"Citizen card, portrait of 20,000 bytes, {kbit_s} kbit/s: {figures['latency_ms']:.0f} ms to the decision. "
        f"The card answered for {figures['card_ms']:.0f} ms (by its model {figures['chip_ms']:.0f} ms);\n"
        f"ours alone were {figures['own_ms']:.1f} ms ({figures['own_percent']:.1f} %): "
        f"{figures['between_commands_ms']:.1f} ms between commands, "
        f"{figures['after_last_answer_ms']:.1f} ms from the last answer (dashed) to the decision (black)",
        fontsize=9,
        pad=58,
        loc="left",
    )
    axes.set_yticks(range(len(LANES)), [label for label, _ in LANES])
    axes.set_ylim(len(LANES) - 0.5, -0.6)
    axes.set_xlim(0, timeline.decision * 1.01)
    axes.set_xlabel("milliseconds since the card was presented")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    form = _SUFFIXES[path.suffix.lower()]
    try:
        figure.savefig(path, format=form, dpi=130, metadata={"Date": None} if form == "svg" else None)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path.name}: {error.strerror}") from None


def _apart(phases: Sequence[tuple[str, float]], least: float) -> list[tuple[str, float]]:
    """Labels that would cover each other, put together."""
    found: list[tuple[str, float]] = []
    for label, at in phases:
        if found and at - found[-1][1] < least:
            found[-1] = (f"{found[-1][0]}, {label}", found[-1][1])
        else:
            found.append((label, at))
    return found
