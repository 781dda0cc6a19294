"""``--xml`` of ``check``."""

from __future__ import annotations

import json
import stat
import sys
from importlib import resources
from pathlib import Path

import pytest
from lxml import etree

from idverify.cli import main
from idverify.emulator import personalise


def test_check_writes_valid_xml_for_its_owner_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = personalise("passport-bac", seed="xml")
    folder, anchor, target = tmp_path / "files", tmp_path / "csca.cer", tmp_path / "report.xml"
    folder.mkdir()
    for file, data in card.files.items():
        (folder / file.file_name).write_bytes(data)
    anchor.write_bytes(card.trust_anchors[0])
    arguments = ["check", str(folder), "--trust", str(anchor), "--at", "2026-05-17", "--xml", str(target), "--json"]
    main(arguments)
    outcome = json.loads(capsys.readouterr().out)["decision"]["outcome"]
    root = etree.fromstring(target.read_bytes())
    schema = resources.files("idverify.presentation").joinpath("tr03135.xsd").read_bytes()
    etree.XMLSchema(etree.fromstring(schema)).assertValid(root)
    assert root.find("{*}Decision").get("outcome") == outcome
    if sys.platform != "win32":
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
