"""The result in a terminal: a verdict in letters five rows high, then every check. Needs rich (the extra ``cli``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as RichText

from idverify.presentation import _texts
from idverify.presentation.holder import holder_lines
from idverify.presentation.wording import (
    advice,
    check_title,
    decision_reason,
    grouped,
    printable,
    rate_in_words,
    verdict,
)
from idverify.presentation.wording import status as status_text
from idverify.presentation.wording import subject as subject_text
from idverify.report import CheckStatus

if TYPE_CHECKING:
    from idverify.verification import VerificationResult

_BANNER = {
    "accept": "bold #ffffff on #0a6b3d",
    "reject": "bold #ffffff on #a3171f",
    "review": "bold #2b1d00 on #f5b324",
    "inconclusive": "bold #ffffff on #3f4d5a",
}
_COLOUR = {
    CheckStatus.SUCCESSFUL: "green",
    CheckStatus.FAILED: "bold red",
    CheckStatus.ABORTED: "bold red",
    CheckStatus.UNDETERMINED: "yellow",
    CheckStatus.NOT_PERFORMED: "yellow",
    CheckStatus.NOT_SUPPORTED: "bright_black",
}
_SIGN = {
    CheckStatus.SUCCESSFUL: "✓",
    CheckStatus.FAILED: "✗",
    CheckStatus.ABORTED: "✗",
    CheckStatus.UNDETERMINED: "?",
    CheckStatus.NOT_PERFORMED: "?",
    CheckStatus.NOT_SUPPORTED: "–",
}

_GLYPHS = {
    "A": (" ███ ", "█   █", "█████", "█   █", "█   █"),
    "C": (" ████", "█    ", "█    ", "█    ", " ████"),
    "E": ("█████", "█    ", "████ ", "█    ", "█████"),
    "I": ("███", " █ ", " █ ", " █ ", "███"),
    "J": ("  ███", "   █ ", "   █ ", "█  █ ", " ██  "),
    "L": ("█    ", "█    ", "█    ", "█    ", "█████"),
    "N": ("█   █", "██  █", "█ █ █", "█  ██", "█   █"),
    "O": (" ███ ", "█   █", "█   █", "█   █", " ███ "),
    "P": ("████ ", "█   █", "████ ", "█    ", "█    "),
    "R": ("████ ", "█   █", "████ ", "█  █ ", "█   █"),
    "S": (" ████", "█    ", " ███ ", "    █", "████ "),
    "T": ("█████", "  █  ", "  █  ", "  █  ", "  █  "),
    "U": ("█   █", "█   █", "█   █", "█   █", " ███ "),
    "V": ("█   █", "█   █", "█   █", " █ █ ", "  █  "),
    "W": ("█   █", "█   █", "█ █ █", "██ ██", "█   █"),
    "X": ("█   █", " █ █ ", "  █  ", " █ █ ", "█   █"),
}


def big_letters(word: str) -> tuple[str, ...]:
    """``word`` in five rows of blocks; letters without a glyph are left out."""
    return tuple(" ".join(_GLYPHS[c][row] for c in word if c in _GLYPHS) for row in range(5))


def _verdict(result: VerificationResult) -> Padding:
    kind = result.decision.outcome.value
    text = verdict(result.decision, result.report, result.scores)
    lines = (*big_letters(text.title.en), "", f"{text.title.vi} · {text.title.en}", text.passed.vi, text.passed.en)
    return Padding(RichText("\n".join(lines), no_wrap=True, overflow="ellipsis"), (1, 3), style=_BANNER[kind])


def _reasons(result: VerificationResult) -> Iterator[RenderableType]:
    for code in result.decision.reasons:
        words = decision_reason(code, result.report.checks)
        mark = ("▌ ", _BANNER[result.decision.outcome.value].split()[-1])
        yield RichText.assemble(mark, printable(words.vi))
        yield RichText.assemble(mark, (printable(words.en), "dim"))
    for key in result.advice:
        words = advice(key)
        yield RichText.assemble(("▌ ", "cyan"), printable(words.vi), (f" · {printable(words.en)}", "dim"))


def _checks(result: VerificationResult) -> Table:
    table = Table(box=None, expand=True, show_header=False, padding=(0, 1))
    table.add_column(width=1)
    table.add_column(ratio=5)
    table.add_column(ratio=7)
    for index, group in enumerate(grouped(result.report.checks)):
        if index:
            table.add_row("", "", "")
        table.add_row("", RichText.assemble((group.title.vi, "bold underline"), (f"  {group.title.en}", "dim")), "")
        for row in group.rows:
            colour, title = _COLOUR[row.status], check_title(row.check)
            what = RichText.assemble((title.vi, ""), ("\n" + title.en, "dim"))
            said = row.explanation
            why = RichText(said.vi, style="" if row.status is CheckStatus.SUCCESSFUL else colour)
            if row.status is not CheckStatus.SUCCESSFUL:
                why = RichText.assemble((f"{status_text(row.status).vi}. ", colour), why)
            if row.subjects:
                about = ", ".join(subject_text(s).vi if s in _texts.SUBJECTS else s for s in row.subjects)
                why.append(f" [{printable(about)}]", style="cyan")
            why.append("\n" + said.en, style="dim")
            table.add_row(RichText(_SIGN[row.status], style=colour), what, why)
    return table


def _scores(result: VerificationResult) -> Iterator[RenderableType]:
    for score in result.scores:
        line = RichText.assemble(
            (f"{score.modality} ", "bold"),
            (f"{score.value:.3f}", "bold"),
            f" (ngưỡng · threshold {score.threshold:.3f})" if score.threshold is not None else "",
        )
        if score.fmr is not None:
            words = rate_in_words(score.fmr)
            line.append(f"  {words.vi} · {words.en}", style="dim")
        yield line


def _holder(result: VerificationResult) -> Table | None:
    if result.holder is None:
        return None
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(style="dim")
    table.add_column()
    for line in holder_lines(result.holder.reveal()):
        value = RichText(printable(line.value), style="bold" if line.key in ("name", "number") else "")
        table.add_row(f"{line.label.vi} · {line.label.en}", value)
    return table


def _session(result: VerificationResult) -> RichText:
    session, parts = result.session, []
    if session.access not in ("", "none"):
        parts.append(f"{session.transport} · {session.access.upper()}")
    if session.apdus:
        parts.append(f"{session.apdus} APDU, {session.bytes:,} bytes")
    parts.append(f"trust store {result.report.trust_store_id}")
    parts.append(f"{result.verified_at.isoformat(timespec='seconds')}")
    return RichText(" · ".join(parts), style="dim")


def verdict_table(result: VerificationResult, *, holder: bool = False) -> Group:
    """What the terminal shows.

    Args:
        result: the transaction.
        holder: show the holder's details too (personal data).
    """
    parts: list[RenderableType] = [_verdict(result), *_reasons(result), ""]
    details = _holder(result) if holder else None
    if details is not None:
        parts += [details, ""]
    parts += [_checks(result), "", *_scores(result), _session(result)]
    return Group(*(p if isinstance(p, str | Padding) else Padding(p, (0, 1)) for p in parts))
