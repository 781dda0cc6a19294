"""``idverify read``: the raw files of a card, to a directory."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from idverify._version import __version__
from idverify.cli import _files, _output, _passwords, _progress, _terminal, _ui

if TYPE_CHECKING:
    from collections.abc import Mapping

    from idverify.chip.access.terminal_auth import TerminalCredentials
    from idverify.chip.lds.files import FileId
    from idverify.chip.session import DocumentSession
    from idverify.chip.transport.base import Transport
    from idverify.report import CheckResult


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("read", help="Read a card's raw files to a directory.")(read)


def session_summary(
    session: DocumentSession, transport: Transport, files: Mapping[FileId, bytes], access: tuple[CheckResult, ...]
) -> dict[str, Any]:
    """What ``session.json`` holds: how the card was read and what it cost; no holder data."""
    return {
        "idverify": __version__,
        "transport": transport.kind,
        "access": session.access,
        "protocol": session.stats.protocol,
        "cipher": session.stats.cipher,
        "extended_length": session.stats.extended_length,
        "recoveries": session.stats.recoveries,
        "checks": [result.to_dict() for result in access],
        "files": {file.label: _cost(session, file, data) for file, data in files.items()},
        "unreadable": {file.label: reason.value for file, reason in session.unreadable.items()},
        "apdus": session.stats.apdus,
        "bytes": session.stats.bytes,
        "milliseconds": {name: round(value, 3) for name, value in session.stats.milliseconds.items()},
    }


def _cost(session: DocumentSession, file: FileId, data: bytes) -> dict[str, Any]:
    cost = session.stats.files.get(file)
    entry: dict[str, Any] = {"bytes": len(data)}
    if cost is not None:
        entry |= {"apdus": cost.apdus, "milliseconds": round(cost.milliseconds, 3)}
    return entry


@_ui.guarded
def read(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go; made if need be.")],
    files: Annotated[
        str,
        typer.Option("--files", metavar="all|com,sod,dg1,…", help="What to read; the groups that EF.COM lists else."),
    ] = "all",
    reader: _passwords.ReaderOption = None,
    can: _passwords.CanOption = None,
    mrz: _passwords.MrzOption = None,
    number: _passwords.NumberOption = None,
    birth: _passwords.BirthOption = None,
    expiry: _passwords.ExpiryOption = None,
    qr: _passwords.QrOption = None,
    terminal_certificate: _terminal.CertificateOption = None,
    terminal_key: _terminal.KeyOption = None,
    terminal_pkcs11: _terminal.ModuleOption = None,
    terminal_token: _terminal.TokenOption = None,
    terminal_key_label: _terminal.LabelOption = None,
    terminal_secret: _terminal.SecretOption = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """Read raw files; EF_SOD.bin, DG1.bin … and session.json in DIR."""
    from idverify.chip.transport.pcsc import open_reader

    selection = _files.parse_selection(files)
    _output.check_directory(out)
    given_terminal = _terminal.Given(
        certificates=terminal_certificate, key=terminal_key,
        module=terminal_pkcs11, token=terminal_token, label=terminal_key_label, secret=terminal_secret,
    )  # fmt: skip
    keys = _passwords.passwords(context, can=can, mrz=mrz, number=number, birth=birth, expiry=expiry, qr=qr)
    with (
        _terminal.credentials(context, given_terminal, _ui.moment(None).date()) as terminal,
        contextlib.closing(open_reader(reader)) as transport,
    ):
        found, summary, refusal = read_card(transport, keys, selection, terminal)
    directory = _output.private_directory(out)
    for file, data in found.items():
        _output.write_private(directory / file.file_name, data)
    _output.write_json(directory / "session.json", summary)
    if as_json:
        _ui.print_json(summary)
    else:
        _show(summary, directory)
    if selection is not None and not found:
        refused = ", ".join(f"{label}: {reason}" for label, reason in summary["unreadable"].items())
        _ui.stderr().print(f"idverify: nothing of --files could be read ({refused})", style="red", markup=False)
        _ui.leave(_ui.Exit.FAILURE)
    if refusal is not None:
        from idverify.presentation.wording import explain

        about = f" ({refusal.evidence['holder']})" if "holder" in refusal.evidence else ""
        words = f"{refusal.check} {refusal.status}: {explain(refusal).en}{about}"
        _ui.stderr().print(f"idverify: {words}", style="red", markup=False)
        _ui.leave(_ui.Exit.FAILURE)


def read_card(
    transport: Transport,
    keys: Any,
    selection: tuple[FileId, ...] | None,
    terminal: TerminalCredentials | None = None,
) -> tuple[dict[FileId, bytes], dict[str, Any], CheckResult | None]:
    """Open the card, read the selection (None: everything), and sum up; last why the terminal was not let in."""
    from idverify.chip.lds.files import FileId
    from idverify.chip.session import DocumentSession, ReadOptions

    outside = tuple(f for f in selection or () if not f.in_application and f is not FileId.CARD_ACCESS)
    options = ReadOptions(master_files=outside)
    with (
        _ui.progress() as display,
        DocumentSession(transport, options=options, on_progress=_progress.reporter(display)) as session,
    ):
        access, refusal = session.open(keys, terminal=terminal), None
        if terminal is not None:
            result = session.authenticate_terminal()
            access = (*access, result.check)
            refusal = None if result.accepted else result.check
        found = session.read_all() if selection is None else session.read_all(selection)
        return dict(found), session_summary(session, transport, found, access), refusal


def _show(summary: dict[str, Any], directory: Path) -> None:
    for label, cost in summary["files"].items():
        _ui.say(f"✓ {label:14}{cost['bytes']:>8,} bytes", style="green")
    for label, reason in summary["unreadable"].items():
        _ui.say(f"– {label:14}{reason}", style="dim")
    total = sum(summary["milliseconds"].values())
    total_cost = f"{summary['apdus']} APDU, {summary['bytes']:,} bytes, {total / 1000:.1f} s"
    _ui.say(f"{summary['access'].upper()}, {total_cost} → {directory}")
    _ui.say("chứa dữ liệu cá nhân · contains personal data", style="yellow")
