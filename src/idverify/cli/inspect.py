"""``idverify inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idverify.cli import _files, _known, _ui

_LARGEST = 64 * 1024 * 1024


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("inspect", help="Show any file that the library knows: EF, certificate, list, record, picture.")(
        inspect
    )


@_ui.guarded
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file.")],
    as_json: _ui.JsonOption = False,
) -> None:
    """Show what a file holds; for files of a person that is personal data."""
    data = _files.read_capped(file, _LARGEST)
    with _files.naming(file):
        found = _known.describe(data)
    if as_json:
        _ui.print_json(
            {
                "kind": found.kind,
                "size": len(data),
                "sha256": _known.digest(data),
                "fields": found.fields,
                "problems": list(found.problems),
            }
        )
        return
    _ui.say(found.kind, style="bold")
    _ui.say(f"{len(data):,} bytes, SHA-256 {_known.digest(data)}", style="dim")
    width = max((len(name) for name in found.fields), default=0) + 2
    for name, value in found.fields.items():
        lines = value if isinstance(value, list) else [value]
        for index, line in enumerate(lines or [""]):
            label = name if index == 0 else ""
            _ui.say(f"  {label:{width}}{'' if line is None else line}")
    for problem in found.problems:
        _ui.say(f"  ! {problem}", style="yellow")
