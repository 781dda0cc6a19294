"""Live samples on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from idverify.cli import _files

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

DpiOption = Annotated[
    float, typer.Option("--finger-dpi", min=100, max=2000, help="True resolution of the live fingerprints.")
]


def fingers_of(given: list[str]) -> dict[int, list[Path]] | None:
    """The prints by finger; 0 for those without a position. ``./2=a.png`` is a file of that name.

    Raises:
        typer.BadParameter: no finger has that position, or there are too many prints.
    """
    from idverify.verification import MAX_TRIES

    if len(given) > MAX_TRIES:
        raise typer.BadParameter(f"at most {MAX_TRIES} live fingerprints, got {len(given)}", param_hint="--finger")
    found: dict[int, list[Path]] = {}
    for one in given:
        position, _, path = one.partition("=")
        named = bool(path) and position.isascii() and position.isdigit() and len(position) <= 2
        if named and int(position) > _LAST:
            raise typer.BadParameter(f"a finger's position is 1 … {_LAST}, got {position}", param_hint="--finger")
        found.setdefault(int(position) if named else 0, []).append(Path(path if named else one))
    return found or None


def pictures(prints: dict[int, list[Path]]) -> dict[int, list[bytes]]:
    """The pictures of the prints, each of which can be decoded.

    Raises:
        ImageError, OSError: one cannot, or cannot be read.
    """
    return {position: [_files.read_picture(path) for path in paths] for position, paths in prints.items()}
