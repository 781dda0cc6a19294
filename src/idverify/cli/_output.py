"""Writing what a transaction leaves behind: files that only their owner can read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from idverify.cli import _ui

if TYPE_CHECKING:
    from idverify.consent import Consent
    from idverify.verification import VerificationResult


def private_directory(path: Path) -> Path:
    """The directory, made with access for its owner alone where it is not there yet."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write_private(path: Path, data: bytes) -> None:
    """Write a file with access for its owner alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def write_json(path: Path, answer: Mapping[str, Any]) -> None:
    """Write a JSON object."""
    write_private(path, (json.dumps(answer, ensure_ascii=False, indent=2) + "\n").encode())


def write_reports(result: VerificationResult, out: Path) -> tuple[Path, Path]:
    """Write ``report.json`` (no holder data) and ``report.html`` (with holder data); return their paths."""
    from idverify.presentation import html_report

    directory = private_directory(out)
    machine, human = directory / "report.json", directory / "report.html"
    write_json(machine, result.to_dict())
    write_private(human, html_report(result).encode())
    return machine, human


AuditOption = Annotated[
    Path | None, typer.Option("--audit", metavar="LOG", help="Append the outcome to this audit log; no holder data.")
]

XmlOption = Annotated[
    Path | None,
    typer.Option("--xml", metavar="FILE", help="Write the results as XML after BSI TR-03135; no holder data."),
]

ConsentOption = Annotated[
    str | None,
    typer.Option("--consent", metavar="REFERENCE", help="Where the holder's consent is recorded; its hash is kept."),
]
PurposeOption = Annotated[
    str | None, typer.Option("--purpose", metavar="TEXT", help="What the consent was given for, in a few words.")
]


def consent_of(reference: str | None, purpose: str | None) -> Consent | None:
    """The consent that the two options mean.

    Raises:
        typer.BadParameter: one without the other.
    """
    from idverify.consent import Consent

    if reference is None and purpose is None:
        return None
    if reference is None or purpose is None:
        raise typer.BadParameter("--consent and --purpose go together: where it is recorded, and what it is for")
    return Consent(reference=reference, purpose=purpose)


def finish(
    result: VerificationResult,
    *,
    as_json: bool,
    out: Path | None,
    holder: bool,
    audit: Path | None = None,
    xml: Path | None = None,
) -> None:
    """Record a result, write its reports, show it, and leave with the exit code of its outcome."""
    if audit is not None:
        from idverify.audit import AuditLog

        AuditLog(audit).record(result.decision, result.report)
    if xml is not None:
        from idverify.presentation.tr03135 import tr03135_xml

        write_private(xml, tr03135_xml(result))
    written = write_reports(result, out) if out is not None else None
    if as_json:
        _ui.print_json(result.to_dict())
    else:
        from idverify.presentation.table import verdict_table

        console = _ui.stdout()
        console.print(verdict_table(result, holder=holder))
        if written is not None:
            console.print(
                f"\n{written[0]}\n{written[1]}  (chứa dữ liệu cá nhân · contains personal data)", markup=False
            )
    _ui.leave(_ui.OUTCOME_EXIT[result.decision.outcome.value])
