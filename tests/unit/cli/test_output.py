"""Files with holder data: for their owner alone, whatever lay in their place before."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from idverify.cli._output import write_private


@pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
@pytest.mark.parametrize("before", ["nothing", "readable", "link", "link to nowhere"])
def test_a_private_file_is_one_of_its_own(tmp_path: Path, before: str) -> None:
    """Others may have put a file or a link there: it is replaced, never written into."""
    path, elsewhere = tmp_path / "report.html", tmp_path / "elsewhere"
    elsewhere.write_bytes(b"of somebody else")
    if before == "readable":
        path.touch()
        path.chmod(0o666)
    elif before == "link":
        path.symlink_to(elsewhere)
    elif before == "link to nowhere":
        path.symlink_to(tmp_path / "nowhere")
    already_open = os.open(path, os.O_RDONLY) if before == "readable" else None
    write_private(path, b"holder data")
    assert not path.is_symlink()
    assert path.read_bytes() == b"holder data"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert elsewhere.read_bytes() == b"of somebody else"
    assert not (tmp_path / "nowhere").exists()
    if already_open is not None:
        assert os.read(already_open, 100) == b"", "whoever held the old file open sees nothing"
        os.close(already_open)
    assert {p.name for p in tmp_path.iterdir()} == {"report.html", "elsewhere"}


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_private(tmp_path / "taken", b"x")
    with pytest.raises(FileNotFoundError):
        write_private(tmp_path / "no" / "folder", b"x")
    assert [p.name for p in tmp_path.rglob("*")] == ["taken"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_private(tmp_path / "pipe", b"report")
    assert os.read(reader, 100) == b"report"
    os.close(reader)
