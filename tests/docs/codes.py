"""Writes docs/reference/codes.md from the library's own words: ``python -m tests.docs.codes``."""

from __future__ import annotations

from pathlib import Path

from idverify.chip.pki.cms import Deviation
from idverify.chip.pki.deviations import Defect
from idverify.chip.pki.importer import ProblemReason
from idverify.chip.pki.path import Note
from idverify.presentation import _texts
from idverify.report import CheckId, CheckStatus, Reason

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "codes.md"

_HEAD = """# Checks, statuses and reason codes

<!-- written by: python -m tests.docs.codes -->

Every check of a report has a name, a status and a reason code. Codes are added, never renamed and never used for \
something else; programs may rely on them. The words beside them are those of the reports and may become better. \
`report.schema.json`, in the package `idverify.presentation`, is the JSON Schema of the whole report.
"""

_STATUS = {
    CheckStatus.SUCCESSFUL: "it was made and passed",
    CheckStatus.FAILED: "it was made and did not pass",
    CheckStatus.UNDETERMINED: "it was made, and what is known does not suffice for an answer",
    CheckStatus.NOT_SUPPORTED: "the document does not offer it, or uses what is not known here",
    CheckStatus.NOT_PERFORMED: "it was not made",
    CheckStatus.ABORTED: "it was begun and not finished",
}


def page() -> str:
    """The page's text."""
    parts = [_HEAD, "## Statuses\n", "The words of BSI TR-03135.\n", "| status | meaning |", "|---|---|"]
    parts += [f"| `{status.value}` | {_STATUS[status]} |" for status in CheckStatus]
    parts += ["\n## Checks\n", "| check | what is checked | said where it passed |", "|---|---|---|"]
    parts += [f"| `{c.value}` | {_texts.CHECKS[c].title.en} | {_texts.CHECKS[c].passed.en} |" for c in CheckId]
    parts += ["\n## Reason codes\n", "| code | meaning |", "|---|---|"]
    parts += [f"| `{r.value}` | {_texts.REASONS[r].en} |" for r in Reason]
    parts += ["\n## Words in the evidence\n", "They explain a result; by themselves they decide nothing.\n"]
    for title, words in (
        ("`deviations` of a signature: departures from ICAO's profile of the security object", Deviation),
        ("`notes` of a path: oddities between a signer and its authority", Note),
        ("`known-deviations`: what the issuing state or BSI says of such documents", Defect),
        ("`problems` of `trust import`", ProblemReason),
    ):
        parts.append(f"- {title}: {', '.join(f'`{w.value}`' for w in words)}.")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
