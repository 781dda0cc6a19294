"""The page of symptoms quotes what the library says, and leaves out none of the cards that break readers."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from idverify.report import CheckId, CheckStatus, Reason

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"`([^`\n]+)`", PAGE)
SHORTEST = 12
"""A piece of a message with fewer characters proves nothing."""


@pytest.fixture(scope="module")
def texts() -> str:
    """Every string of the library; a formatted one in its pieces."""
    found: list[str] = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return "\n".join(found)


def pieces(quoted: str) -> list[str]:
    """What must stand in the source: the text between gaps (…), numbers, and words in brackets or quotes."""
    return [p for p in re.split(r"…|\b[0-9A-F]{4}\b|\b\d+\b|\([^)]*\)|'[^']*'|\"[^\"]*\"|: ", quoted) if p]


def test_messages_are_quoted_as_they_are(texts: str) -> None:
    commands = ("idverify ", "apt-get ", "python ", "--", "pip ")
    checked = 0
    for quoted in QUOTED:
        if " " not in quoted or quoted.startswith(commands) or quoted.split()[0] in set(CheckId):
            continue
        for piece in map(str.strip, pieces(quoted)):
            if len(piece) >= SHORTEST and "." not in piece.split(" ")[0]:
                words = piece.strip(".,;: ")
                assert words in texts or all(w in texts for w in words.split(". ")), f"nothing says {words!r}"
                checked += 1
    assert checked > 35


def test_every_known_oddity_has_a_symptom() -> None:
    named = {int(n) for group in re.findall(r"\[(\d+(?:, \d+)*)\]", PAGE) for n in group.split(", ")}
    cards = (ROOT / "tests" / "conformance" / "test_robustness.py").read_text(encoding="utf-8")
    played = {int(n) for n in re.findall(r"def test_robustness_(\d+)_", cards)}
    assert named == played


def test_checks_statuses_and_reasons_exist() -> None:
    checks, statuses, reasons = set(CheckId), set(CheckStatus), set(Reason)
    named = 0
    for quoted in QUOTED:
        check, *rest = re.sub(r" \(\w+\)$", "", quoted).split()
        if check in checks:
            assert all(word in statuses or word in reasons for word in rest), quoted
            named += 1
        elif re.fullmatch(r"[a-z]+(-[a-z]+)+", quoted):
            assert quoted in reasons | statuses | {"com-sod-differ"}, quoted
            named += 1
    assert named > 40
