"""What the documents show is true: their commands and options exist, their links lead somewhere.

That their blocks run is shown by ``tests/docs``.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from idverify import Policy
from idverify.cli._app import app
from idverify.report import CheckId, CheckStatus, Reason

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / n for n in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


SHELL = [(page, line) for page in PAGES for code in blocks(page, "(?:bash|console)") for line in code.splitlines()]
COMMANDS = [(page.name, line) for page, line in SHELL if re.match(r"(\$ )?(\S+ .*\| )?idverify ", line)]


def test_the_first_example_is_ten_lines_at_most() -> None:
    (first, *_) = blocks(ROOT / "README.md", "python")
    assert len([line for line in first.splitlines() if line.strip()]) <= 10


def options(words: list[str]) -> set[str]:
    """The options of the command that ``words`` names."""
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands"), "a command group, not a command"
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_commands_and_options_of_the_documents_exist(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    words = words[words.index("idverify") + 1 :]
    known = options([w for w in words if not w.startswith("-")][:2])
    used = {w for w in words if w.startswith("--")}
    assert used <= known, f"{page}: {line}"


def test_every_command_is_documented() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    command: Any = typer.main.get_command(app)
    for name, part in command.commands.items():
        assert f"idverify {name}" in text
        for inner in getattr(part, "commands", {}):
            assert f"`{inner}`" in text or f"idverify {name} {inner}" in text


def test_the_policy_of_the_documents_is_one() -> None:
    import tomllib

    found = [tomllib.loads(code) for page in PAGES for code in blocks(page, "toml")]
    assert found
    for data in found:
        assert Policy.from_mapping(data).id == data["id"]


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http", "mailto:")):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_statuses_and_examples_use_the_words_of_the_library() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert all(f"`{status}`" in index for status in CheckStatus)
    for page in PAGES:
        for check, reason in re.findall(r'"([a-z.-]+): ([a-z-]+) \(', page.read_text(encoding="utf-8")):
            assert check in set(CheckId)
            assert reason in set(Reason)


def test_the_picture_of_the_report_is_small() -> None:
    assert (ROOT / "docs" / "images" / "report.png").stat().st_size < 300_000


def test_documents_have_no_secrets_of_a_workplace() -> None:
    for page in PAGES:
        assert not re.search(r"/home/|/root/|localhost:\d|10\.\d+\.\d+\.\d+", page.read_text(encoding="utf-8"))
