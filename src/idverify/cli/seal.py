"""``idverify seal new-key|open``: reports at rest."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from idverify.cli import _files, _output, _ui


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="Sealed reports: a key for them, and opening one.")
    group.command("new-key", help="Make a key for --seal; keep it where the reports are not.")(new_key)
    group.command("open", help="Open a sealed report.")(open_)
    app.add_typer(group, name="seal")


@_ui.guarded
def new_key(
    path: Annotated[Path, typer.Argument(metavar="KEYFILE", help="Where the key goes; never overwritten.")],
) -> None:
    """Make a key of 32 random bytes, with access for its owner alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(secrets.token_hex(32) + "\n")
    _ui.say(f"{path}: whoever has it can open the reports, and without it nobody can")


@_ui.guarded
def open_(
    sealed: Annotated[Path, typer.Argument(metavar="FILE", help="A sealed report: report.html.sealed …")],
    key: Annotated[Path, typer.Option("--key", metavar="KEYFILE", help="The key that it was sealed with.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the report goes (personal data).")],
) -> None:
    """Open one report; its name is part of what was sealed."""
    from idverify.sealing import MAX_REPORT, read_key, unseal_report

    name = sealed.name.removesuffix(_output.SEALED)
    data = _files.read_capped(sealed, MAX_REPORT + 64)
    _output.write_private(out, unseal_report(data, read_key(key), context=name.encode()))
    _ui.say(f"{out}  (chứa dữ liệu cá nhân · contains personal data)")
