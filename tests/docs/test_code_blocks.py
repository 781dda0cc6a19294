"""Every code block of the README and of the documentation runs.

A page is followed from its top to its end in an empty folder: its Python shares one namespace, its commands go through
the command line in this process, and the reader holds a software card. What a page takes for granted (a certificate, a
camera's picture, a list) is made when it is first named. What cannot run carries a comment before its fence,
``<!-- not run: reason -->``, and these are counted.
"""

from __future__ import annotations

import base64
import contextlib
import io
import itertools
import json
import os
import re
import runpy
import shlex
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import idverify
import idverify.emulator
from idverify import MemoryTransport, Policy, TrustStore, decision
from idverify.audit import Anchor, AuditLog
from idverify.chip.transport import pcsc, pcsc_events
from idverify.chip.transport.pcsc_readers import ReaderState
from idverify.cli import _demo_card, main
from idverify.emulator import Card, CitizenHolder, TestPki, citizen_card
from idverify.errors import ServiceUnavailableError

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
PICTURES = Path(idverify.emulator.__file__).parent / "pictures"
RUN = ("python", "console", "bash", "toml")
SHOWN = ("json", "text")
"""Languages of blocks that are looked at, not followed."""
NOT_RUN = 11
"""Blocks that carry a reason why they are not run. A new one is a decision: change this number with it."""

_MARKER = r"(?:<!-- (?P<marker>not run|file): (?P<note>[^\n]+?) -->\n)?"
_BLOCK = re.compile(rf"^{_MARKER}```(?P<language>[a-z]*)[^\n]*\n(?P<code>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """One fenced block; ``note`` is the reason why it is not run, or the file that it is written to."""

    language: str
    code: str
    marker: str | None
    note: str | None
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(m["language"], m["code"], m["marker"], m["note"], text.count("\n", 0, m.start("language")) + 1)
        for m in _BLOCK.finditer(text)
    ]


# ---- what the pages take for granted ---------------------------------------------------------------------------------


class World:
    """The folder of one page: the card in the reader, and things that are made when they are named."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        holder = CitizenHolder.invent(4)
        self.pki = TestPki(4)
        self.card: Card = citizen_card(seed=4, holder=holder.but(number=holder.number[:6] + "123456"), pki=self.pki)
        self.operator = Ed25519PrivateKey.generate()
        self.makers: dict[str, Callable[[Path], object]] = {
            "csca.cer": lambda path: path.write_bytes(self.card.trust_anchors[0]),
            "csca-of-the-list-signer.cer": lambda path: path.write_bytes(self.pki.csca.der),
            "master-list.ml": lambda path: path.write_bytes(self.pki.master_list()),
            "icao.ldif": self._ldif,
            "card": self._files,
            "b.iso": self._record,
            "a.png": lambda path: self._print(path, 0),
            "b.png": lambda path: self._print(path, 1),
            "lfw": self._faces,
            "fingers": self._fingers,
            "terminal": self._terminal,
            "pairs.txt": lambda path: path.write_text("1\t1\nChip\t1\t2\nChip\t1\tOther\t1\n", encoding="utf-8"),
            "fvc2002/db1_b": self._prints,
            "store-of-may": lambda path: self._store(path, self.card.trust_anchors),
            "store-of-june": lambda path: self._store(path, TestPki("june").trust_anchors),
            "anchors.jsonl": self._anchors,
            "operator.pem": self._operator,
            "operator-private.pem": self._operator_private,
        }
        for name, picture in {
            "camera": "live", "a": "live", "b": "chip", "portrait": "chip", "me": "portrait", "stranger": "other",
            "somebody": "live",
        }.items():  # fmt: skip
            self.makers[f"{name}.jpg"] = lambda path, picture=picture: shutil.copy(PICTURES / f"{picture}.jpg", path)

    def provide(self, words: str) -> None:
        """Make what ``words`` name and is not there; not what a command makes itself."""
        words = re.sub(r"--out anchors\.jsonl\b", "", words)
        for name, make in self.makers.items():
            path = self.folder / name
            if re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w-]|\.\w)", words) and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                make(path)

    def _files(self, folder: Path) -> None:
        folder.mkdir()
        for file, data in self.card.files.items():
            (folder / file.file_name).write_bytes(data)

    def _ldif(self, path: Path) -> None:
        value = base64.b64encode(TestPki("ldif", country="DE").csca.der).decode()
        path.write_text(f"dn: c=DE,dc=data\nuserCertificate;binary:: {value}\n", encoding="ascii")

    def _faces(self, folder: Path) -> None:
        for person, number, picture in (("Chip", 1, "chip"), ("Chip", 2, "live"), ("Other", 1, "other")):
            (folder / person).mkdir(parents=True, exist_ok=True)
            shutil.copy(PICTURES / f"{picture}.jpg", folder / person / f"{person}_{number:04}.jpg")

    def _print(self, path: Path, seed: int) -> None:
        """A picture of ridges: a whorl that a detector of minutiae has something to say about."""
        y, x = np.mgrid[0:400, 0:320].astype(np.float32)
        phase = np.hypot(x - 160, (y - 190) / 1.2) * 0.7 + 2 * np.arctan2(y - 190, x - 160) + 0.15 * seed * x / 320
        for n, (column, row) in enumerate(np.random.default_rng(1).uniform((60, 80), (260, 320), (24, 2))):
            phase += np.arctan2(y - row, x - column) * (1 if n % 2 else -1)
        inside = ((x - 160) / 140) ** 2 + ((y - 200) / 180) ** 2 < 1
        picture = np.where(inside, 128 + 110 * np.sin(phase), 255).astype(np.uint8)
        assert cv2.imwrite(str(path), picture)

    def _record(self, path: Path) -> None:
        picture = path.with_name("second-impression.png")
        self._print(picture, 0)
        assert main(["finger", "extract", str(picture), "--out", str(path)]) == 0

    def _prints(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        for finger in (101, 102):
            for take in (1, 2):
                self._print(folder / f"{finger}_{take}.png", finger * 3 + take)

    def _fingers(self, folder: Path) -> None:
        """Live prints, and a card in the reader whose DG3 holds other impressions of them."""
        fingers = _demo_card.stored_fingers()
        self.card = citizen_card(seed=4, holder=self.card.holder, pki=self.pki, fingers=fingers)
        folder.mkdir()
        for name, picture in _demo_card.live_fingers().items():
            (folder / f"{name}.png").write_bytes(picture)

    def _terminal(self, folder: Path) -> None:
        authority = idverify.emulator.TestCvPki(4)
        folder.mkdir()
        for name, issued in {"cvca": authority.cvca, "dv": authority.dv, "terminal": authority.terminal}.items():
            (folder / f"{name}.cvcert").write_bytes(issued.der)
        (folder / "terminal.pem").write_bytes(_demo_card.pem(authority.terminal.key))

    def _store(self, folder: Path, anchors: tuple[bytes, ...]) -> None:
        folder.mkdir()
        TrustStore.from_certificates(anchors).save(folder)

    def _anchors(self, path: Path) -> None:
        head = AuditLog(self.folder / "counter.log").head()
        assert head is not None
        path.write_text(Anchor.sign(head, self.operator).to_json() + "\n", encoding="utf-8")

    def _operator(self, path: Path) -> None:
        pem = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        path.write_bytes(self.operator.public_key().public_bytes(*pem))

    def _operator_private(self, path: Path) -> None:
        form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        path.write_bytes(self.operator.private_bytes(*form))

    @property
    def fingerprint(self) -> str:
        """The first digits of a certificate's fingerprint, in place of the one that a page prints."""
        (entry, *_) = TrustStore.from_certificates(self.card.trust_anchors).entries()
        return entry.fingerprint.hex()[:16]


# ---- following a page ------------------------------------------------------------------------------------------------


class Follower:
    """Runs the blocks of one page in order."""

    def __init__(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        self.world, self.capsys = world, capsys
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.code = 0
        self.output = ""

    def follow(self, block: Block, where: str) -> None:
        if block.language == "python":
            self.world.provide(block.code)
        if block.language == "python" and block.marker == "file":
            assert block.note is not None
            (self.world.folder / block.note).write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            exec(compile(block.code, where, "exec"), self.names)  # our own documents
        elif block.language == "toml":
            policy = tomllib.loads(block.code)
            (self.world.folder / f"{policy['id']}.toml").write_text(block.code, encoding="utf-8")
            assert Policy.from_mapping(policy).id == policy["id"]
            if policy["id"] in decision.NAMES:  # shown as it comes with the library
                assert Policy.from_mapping(policy) == decision.named(policy["id"])
        elif block.language == "bash":
            for line in filter(None, map(str.strip, block.code.splitlines())):
                self.command(line)
        elif block.language == "console":
            self.console(block.code)

    def command(self, line: str, *, wanted: int | None = 0) -> None:
        """One command; ``exit code N`` in its comment says how it ends, else it must end as ``wanted``."""
        self.world.provide(line)
        words = shlex.split(line, comments=True)
        said = re.search(r"#.*\bexit code (\d)", line)
        wanted = int(said[1]) if said else wanted
        self.capsys.readouterr()
        if words[:2] == ["echo", "$?"]:
            self.output = f"{self.code}\n"
            return
        if words[0] == "python":
            runpy.run_path(str(self.world.folder / words[1]), run_name="__main__")
            self.code = 0
        else:
            assert "idverify" in words, f"this is no command of ours, and its block is not marked: {line}"
            arguments = [a.replace("6b5fa6fe45cc4e85", self.world.fingerprint) for a in words]
            arguments = arguments[words.index("idverify") + 1 :]
            with self.standard_input(arguments):
                self.code = main(arguments)
        out, err = self.capsys.readouterr()
        self.output = out + err
        open_end = wanted is None or (words[2:3] == ["compare"] and self.code in (0, 3, 4))
        assert open_end or self.code == wanted, f"{line}: exit code {self.code}\n{self.output}"
        if "--json" in words:
            json.loads(out)

    @contextlib.contextmanager
    def standard_input(self, arguments: list[str]) -> Iterator[None]:
        values = {"--can": self.world.card.can, "--qr": self.world.card.holder.qr, "--mrz": self.world.card.mrz}
        given = [values[a] for a, b in itertools.pairwise(arguments) if b == "-" and a in values]
        with pytest.MonkeyPatch.context() as patch:
            for value in given:
                patch.setattr("sys.stdin", io.StringIO(value))
            yield

    def console(self, code: str) -> None:
        """Commands after ``$``, then what they print: each line shown comes in this order, … stands for any text."""
        shown: list[str] = []
        for line in [*code.splitlines(), "$"]:
            if not line.startswith("$"):
                shown.append(line)
                continue
            self.compare(shown)
            shown = []
            if line[1:].strip():
                self.command(line[1:].strip(), wanted=None)

    def compare(self, shown: list[str]) -> None:
        def plain(text: str) -> str:
            return " ".join(text.split())

        patterns = [".*?".join(map(re.escape, plain(line).split("…"))) for line in shown if line.strip()]
        assert re.search(".*?".join(patterns), plain(self.output), re.S), f"{shown} is not in\n{self.output}"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    reader = ReaderState(name="Virtual PCD 00 00", index=0, present=True, mute=False, in_use=False, atr=world.card.atr)

    def no_service(_: object) -> Any:
        raise ServiceUnavailableError("no PC/SC service in this test")

    def opened(*_: object, **__: object) -> MemoryTransport:
        return MemoryTransport(world.card.fresh())

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pcsc, "open_reader", opened)
    monkeypatch.setattr(pcsc, "list_readers", lambda: (reader,))
    monkeypatch.setattr(idverify, "open_reader", opened, raising=False)
    monkeypatch.setattr(pcsc_events, "wait_for_card", lambda *_, **__: reader)
    monkeypatch.setattr("idverify.cli.demo._over_pcsc", no_service)
    monkeypatch.setenv("IDVERIFY_TRUST_STORE", str(tmp_path / "the-store-of-this-user"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    return world


FOLLOWED = [page for page in PAGES if any(b.language in RUN and b.marker != "not run" for b in blocks(page))]


@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_page_can_be_followed(page: Path, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    if page.name == "observe.md" and not os.environ.get("CI"):
        pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk, of the group dev")
    if page.name == "tutorial.md":  # from zero: it takes nothing for granted
        world.makers.clear()
    follower = Follower(world, capsys)
    for block in blocks(page):
        if block.marker != "not run":
            follower.follow(block, f"{page.name}:{block.line}")
    if page.name == "tutorial.md":  # it ends where it says
        assert follower.code == 3


def test_the_ten_lines_print_the_evidence(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    follower = Follower(world, capsys)
    first = next(b for b in blocks(ROOT / "README.md") if b.language == "python")
    follower.follow(first, "README.md")
    out = capsys.readouterr().out
    assert out.startswith("accept")
    assert "face.match successful above-threshold" in out


def test_what_is_not_run_says_why() -> None:
    marked = [(page.name, b) for page in PAGES for b in blocks(page) if b.marker == "not run"]
    assert all(len(b.note or "") > 10 for _, b in marked)
    assert len(marked) == NOT_RUN, [(name, b.line, b.note) for name, b in marked]


def test_every_block_has_a_language_that_is_followed_or_shown() -> None:
    for page in PAGES:
        fences = re.findall(r"^ *```", page.read_text(encoding="utf-8"), re.M)
        found = blocks(page)
        assert len(fences) == 2 * len(found), f"{page.name}: a fence that is not at the line's start, or never ends"
        for block in found:
            assert block.language in RUN + SHOWN, f"{page.name}:{block.line}: ```{block.language}"


def test_a_page_that_is_wrong_is_noticed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    follower = Follower(world, capsys)
    with pytest.raises(AssertionError, match="exit code 3"):
        follower.command("idverify demo --transport memory --attack name")
    with pytest.raises(AssertionError, match="is not in"):
        follower.console("$ idverify readers\nno such reader\n")
    with pytest.raises(AssertionError, match="not marked"):
        follower.command("rm -rf nothing")
    with pytest.raises(ZeroDivisionError):
        follower.follow(Block("python", "1 / 0\n", None, None, 1), "here")


def test_no_page_of_the_site_links_to_what_the_site_does_not_have() -> None:
    site = ROOT / "docs"
    for page in sorted(site.rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            file = (page.parent / target).resolve()
            assert file.is_relative_to(site), f"{page.name}: {target} is not on the site"
            assert file.is_file(), f"{page.name}: {target}"
