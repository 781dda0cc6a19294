"""Fingers at the command line, from an emulated card behind terminal authentication, through pcscd."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from idverify.chip.lds.dg3 import DG3
from idverify.chip.lds.files import FileId
from idverify.chip.lds.images import ImageFormat
from idverify.cli import _demo_card, emulate
from idverify.emulator import TestCvPki, pkcs8
from idverify.emulator.pcsc_stack import VirtualReaderStack
from tests.conftest import Run


@dataclass(frozen=True)
class Served:
    """A card that ``idverify emulate`` serves, and what it wrote beside it."""

    folder: Path
    password: tuple[str, str]
    reader: str

    @property
    def opened(self) -> tuple[object, ...]:
        return (*self.password, "--reader", self.reader)

    @property
    def terminal(self) -> tuple[object, ...]:
        files = self.folder / "terminal"
        return ("--terminal-certificate", files, "--terminal-key", files / "terminal.pem")

    @property
    def trust(self) -> tuple[object, ...]:
        return ("--trust", self.folder / "csca.cer")

    def print(self, name: str) -> Path:
        return self.folder / "fingers" / f"{name}.png"


@pytest.fixture
def served(stack: VirtualReaderStack, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    command = [
        sys.executable, "-m", "idverify.cli", "emulate", "--trust-out", "csca.cer", "--terminal-out", "terminal",
        *request.param,
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        try:
            stack.wait_present(0, present=True, timeout=60)
            assert process.stdout is not None
            kind, value = process.stdout.readline().split(" · ")[0].split(maxsplit=1)
            yield Served(tmp_path, (f"--{kind.lower()}", value), stack.reader())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.mark.pcsc
@pytest.mark.parametrize("served", [["--profile", "passport-eac", "--finger-out", "fingers"]], indirect=True)
def test_the_whole_flow(run: Run, served: Served, tmp_path: Path) -> None:
    def verify(*more: object) -> tuple[int, list[str]]:
        code, out, err = run("verify", *served.opened, *served.trust, "--json", *more)
        assert out, err
        return code, json.loads(out)["decision"]["reasons"]

    assert verify(*served.terminal, "--finger", f"2={served.print('2-1')}") == (0, [])
    assert (
        verify(*served.terminal, "--finger", f"7={served.print('7-1')}", "--finger", f"7={served.print('7-2')}")[0] == 0
    )
    fine = tmp_path / "fine.png"
    picture = cv2.imread(str(served.print("2-1")))
    assert picture is not None
    assert cv2.imwrite(str(fine), cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))
    assert verify(*served.terminal, "--finger", f"2={fine}", "--finger-dpi", 1000) == (0, [])
    no_match = (3, ["finger.match: below-threshold"])
    assert verify(*served.terminal, "--finger", served.print("stranger")) == no_match
    assert verify(*served.terminal, "--finger", f"7={served.print('2-1')}") == no_match
    not_read = (4, ["pa.dg.hash: access-refused (DG3)", "finger.match: not-read (DG3)"])
    assert verify("--finger", f"2={served.print('2-1')}") == not_read

    (tmp_path / "other.der").write_bytes(pkcs8(TestCvPki("another").terminal.key))
    wrong = (*served.terminal[:3], tmp_path / "other.der")
    code, out, err = run("verify", *served.opened, *served.trust, *wrong, "--finger", served.print("2-1"))
    assert (code, out) == (1, "")
    assert "not that of the terminal's certificate" in err


@pytest.mark.pcsc
@pytest.mark.parametrize("served", [["--profile", p] for p in ("eid-eac2", "passport-eac-bac")], indirect=True, ids=str)
def test_fingers_are_read_from_every_kind_of_card_that_guards_them(run: Run, served: Served) -> None:
    code, out, err = run(
        "read", *served.opened, *served.terminal, "--out", served.folder / "card", "--files", "dg3", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["files"]["DG3"]["bytes"] > 1000
    code, out, err = run("read", *served.opened, "--out", served.folder / "none", "--files", "dg3", "--json")
    assert json.loads(out)["unreadable"] == {"DG3": "access-refused"}


def test_prints_of_ones_own_are_stored_as_they_are_or_as_png(tmp_path: Path) -> None:
    picture = _demo_card.live_finger()[2]
    for name in ("2.png", "7.bmp"):
        assert cv2.imwrite(str(tmp_path / name), picture)
    stored = emulate._own_fingers([f"2={tmp_path / '2.png'}", f"7={tmp_path / '7.bmp'}"])
    assert stored[2] == (tmp_path / "2.png").read_bytes()
    card = _demo_card.demo_card(None, profile="passport-eac", fingers=stored)
    images = DG3.parse(card.files[FileId.DG3]).images
    assert [(i.position, i.image_format, i.width, i.height) for i in images] == [
        (2, ImageFormat.PNG, 388, 374), (7, ImageFormat.PNG, 388, 374)
    ]  # fmt: skip
    assert (cv2.imdecode(np.frombuffer(images[1].image, np.uint8), cv2.IMREAD_GRAYSCALE) == picture).all()
