"""Writes docs/conformance.md from the registry: ``python -m tests.conformance.generate``."""

from __future__ import annotations

from collections import Counter

from tests.conformance.cases import DOCUMENT, UNITS, Row, rows, unit_of

_HEAD = """# Conformance

The test suite in `tests/conformance` follows BSI TR-03105 part 5.1, version 1.5 (10 February 2020), the test plan for
inspection systems. For every case the software card is personalised or misbehaves as the case asks, the reader inspects
it, and the test states the reaction that is required.

*Accepted* means: the policy decides `accept` and has nothing against the document. Every other reaction is a decision
that is not `accept`, together with the check of the report that says why, or the exception that ends the reading. The
suite's policy extends `counter` by `document.contents` (is every file exactly as the standard asks?), `pa.dsc.profile`
(is the signer's certificate?) and `document.validity`; it compares no face. Documents in the field deviate in many of
these points: the policies that come with the library tolerate what does not touch the signatures.

Version 1.5 moved many cases to ICAO's own test plan and gives their titles only. Their required reaction is taken from
the title and from ICAO Doc 9303; a case whose title leaves it open is not called covered.

The documents here are this library's own, made after the descriptions. The published files of the guideline's reference
passport pass the same checks of form; they are not part of this repository.
A covered case says what this test does, not that a test laboratory has confirmed it.

This page is generated: `python -m tests.conformance.generate`. A test fails where it is out of date.
"""


def document() -> str:
    """The page."""
    table = rows()
    states = ("covered", "not covered", "not applicable")
    lines = [_HEAD, "| unit | cases | " + " | ".join(states) + " |", "|---|--:|--:|--:|--:|"]
    for unit, title in UNITS.items():
        lines.append(_sum(f"{unit} {title}", [r for r in table if unit_of(r.case) == unit], states))
    lines.append(_sum("**all**", table, states))
    for unit, title in UNITS.items():
        lines += ["", f"## {unit}: {title}", "", "| case | title | state | required reaction | test, or reason |"]
        lines.append("|---|---|---|---|---|")
        lines += [
            f"| {r.case} | {_cell(r.title)} | {r.state} | {_cell(r.reaction)} | {_cell(r.remark)} |"
            for r in table
            if unit_of(r.case) == unit
        ]
    return "\n".join(lines) + "\n"


def _sum(name: str, part: list[Row], states: tuple[str, ...]) -> str:
    counts = Counter(r.state for r in part)
    return f"| {name} | {len(part)} | " + " | ".join(str(counts[s]) for s in states) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
