"""Live samples on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

_LAST: Final = 10
"""The left little finger (ISO/IEC 19794-2:2005 table 5)."""

FingerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--finger",
        metavar="[POSITION=]IMAGE",
        help="Live fingerprint; again for more tries, or for other fingers: 1 right thumb … 5, 6 left thumb … 10.",
    ),
]


def fingers_of(given: list[str]) -> dict[int, list[Path]] | None:
    """The prints by finger; 0 for those without a position. ``./2=a.png`` is a file of that name.

    Raises:
        typer.BadParameter: no finger has that position.
    """
    found: dict[int, list[Path]] = {}
    for one in given:
        position, _, path = one.partition("=")
        named = bool(path) and position.isascii() and position.isdigit() and len(position) <= 2
        if named and int(position) > _LAST:
            raise typer.BadParameter(f"a finger's position is 1 … {_LAST}, got {position}", param_hint="--finger")
        found.setdefault(int(position) if named else 0, []).append(Path(path if named else one))
    return found or None
