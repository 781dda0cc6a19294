"""The terminal view."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from idverify.decision import Outcome
from idverify.presentation.table import big_letters, verdict_table
from idverify.report import CheckId, CheckResult, Reason
from tests.results import NO, citizen, genuine_checks, replaced, result


def shown(outcome: Outcome = Outcome.ACCEPT, *, holder: bool = False, width: int = 120, **more: object) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None)
    console.print(verdict_table(result(outcome, **more), holder=holder))  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("width", [80, 120])
def test_the_verdict_stands_in_large_letters(outcome: Outcome, width: int) -> None:
    text = shown(outcome, width=width)
    for line in big_letters(outcome.value.upper()):
        assert line.rstrip() in text
    assert all(len(line) <= width for line in text.splitlines())


def test_large_letters_have_five_rows_of_one_width() -> None:
    for outcome in Outcome:
        rows = big_letters(outcome.value.upper())
        assert len(rows) == 5
        assert len({len(r) for r in rows}) == 1
        assert max(map(len, rows)) <= 72
        assert len(set(rows)) > 1


def test_holder_data_appear_only_where_asked_for() -> None:
    assert "Thử Nghiệm" not in shown()
    assert "001190000007" not in shown()
    assert "Thử Nghiệm" in shown(holder=True)


def test_reasons_checks_and_scores_are_there() -> None:
    bad = CheckResult(check=CheckId.DG_HASH, status=NO, reason=Reason.HASH_MISMATCH, subject="DG2")
    text = shown(
        Outcome.REJECT, reasons=("pa.dg.hash: hash-mismatch (DG2)",), checks=replaced(genuine_checks(), bad), score=0.11
    )
    assert "✗" in text
    assert "[DG2]" in text
    assert text.count("altered since the issuer signed them") == 2
    assert "0.110" in text


def test_markup_and_controls_in_foreign_text_are_shown_as_text() -> None:
    bad = CheckResult(check=CheckId.DSC_CHAIN, status=NO, reason=Reason.CHAIN_INVALID, subject="[red]CN[/red]\x1b[2J")
    text = shown(Outcome.REJECT, reasons=("[bold]x[/bold]",), checks=(bad,))
    assert "[red]CN[/red]" in text
    assert "[bold]x[/bold]" in text
    assert "\x1b" not in text


def test_a_name_cannot_drive_the_terminal() -> None:
    stream = io.StringIO()
    Console(file=stream, width=100, color_system=None).print(
        verdict_table(result(holder=citizen("[link=x]\x1b]0;owned\x07 Tên")), holder=True)
    )
    assert "\x1b" not in stream.getvalue()
    assert "\x07" not in stream.getvalue()
    assert "[link=x]" in stream.getvalue()
