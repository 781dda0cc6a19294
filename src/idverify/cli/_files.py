"""Directories of raw files, and names of files on the command line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from idverify.errors import BiometricError, ConfigurationError, MalformedDataError, UnsupportedAlgorithmError

if TYPE_CHECKING:
    from idverify.chip.lds.files import FileId

MAX_FILE = 4 * 1024 * 1024
"""Largest raw file that is opened."""
LARGEST_PICTURE = 64 * 1024 * 1024
"""Largest picture file that is opened."""


def read_capped(path: Path, limit: int = MAX_FILE) -> bytes:
    """The bytes of a file.

    Raises:
        ConfigurationError: the file is larger than ``limit``.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise ConfigurationError(f"{path.name} has more than {limit:,} bytes, the most that is read of such a file")
    return data


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """What goes wrong with the bytes of a file names the file."""
    try:
        yield
    except (MalformedDataError, UnsupportedAlgorithmError, BiometricError, ConfigurationError) as error:
        raise type(error)(f"{path.name}: {error}") from None


def read_picture(path: Path) -> bytes:
    """The bytes of a picture that can be decoded.

    Raises:
        ImageError: it cannot, or is larger than any; the message names the file.
        OSError: it cannot be read.
    """
    from idverify.biometric.codecs import decode_image

    data = read_capped(path, LARGEST_PICTURE)
    with naming(path):
        decode_image(data)
    return data


def load_directory(path: Path) -> dict[FileId, bytes]:
    """The raw files of a directory as ``idverify read`` writes it, or an ``EF_SOD.bin`` alone.

    Raises:
        ConfigurationError: there is none.
    """
    from idverify.chip.lds.files import FileId

    if not path.exists():
        raise ConfigurationError(f"{path.name}: no such file or directory")
    if path.is_file():
        return {FileId.SOD: read_capped(path)}
    names = {_key(file.file_name): file for file in FileId}
    files: dict[FileId, bytes] = {}
    for entry in sorted(path.iterdir()):
        file = names.get(_key(entry.name))
        if file is None or not entry.is_file():
            continue
        if file in files:
            raise ConfigurationError(f"{path.name}: {entry.name} is there twice under different spellings")
        files[file] = read_capped(entry)
    if not files:
        raise ConfigurationError(f"{path.name}: none of EF_COM.bin, EF_SOD.bin, DG1.bin … is here")
    return files


def _key(name: str) -> str:
    """A file's name without case and punctuation: ``EF_COM.bin``, ``ef.com.bin`` and ``com.bin`` are one."""
    return "".join(c for c in name.lower() if c.isalnum()).removeprefix("ef")


def parse_selection(text: str) -> tuple[FileId, ...] | None:
    """``all`` as None; else the files that the comma-separated names mean (``com,sod,dg1``).

    Raises:
        typer.BadParameter: an unknown name.
    """
    from idverify.chip.lds.files import FileId

    if text.strip().lower() == "all":
        return None
    names = {_key(file.label): file for file in FileId}
    chosen: list[FileId] = []
    for part in text.split(","):
        key = _key(part)
        if key not in names:
            known = ", ".join(["all", "cardaccess", "com", "sod", "dg1 … dg16"])
            raise typer.BadParameter(f"unknown file {part.strip()!r}; known: {known}", param_hint="--files")
        chosen.append(names[key])
    return tuple(dict.fromkeys(chosen))
