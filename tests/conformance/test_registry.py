"""The table is complete, true and up to date."""

from __future__ import annotations

from tests.conformance.cases import DOCUMENT, NOT_APPLICABLE, NOT_COVERED, UNITS, covered, rows, titles, unit_of
from tests.conformance.generate import document


def test_every_case_has_exactly_one_fate() -> None:
    fates = [*covered(), *NOT_COVERED, *NOT_APPLICABLE]
    assert sorted(fates) == sorted(titles())
    assert len(titles()) == 337
    assert {unit_of(c) for c in titles()} == set(UNITS)


def test_every_reason_is_said() -> None:
    assert all(row.remark for row in rows())
    assert all(row.reaction for row in rows() if row.state == "covered")


def test_the_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run: python -m tests.conformance.generate"
