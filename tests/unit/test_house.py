"""Rules of the house that a linter does not know."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
_FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_the_library_asserts_nothing_evaluates_nothing_and_unpickles_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}: validation by assert vanishes under -O"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in _FORBIDDEN_CALLS, f"line {node.lineno}: {node.func.id}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {a.name for a in node.names} | {getattr(node, "module", None) or ""}
            assert not names & {"pickle", "marshal", "shelve"}, f"line {node.lineno}: pickles"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: bare except"
        if isinstance(node, ast.keyword) and node.arg == "shell":
            assert isinstance(node.value, ast.Constant), f"line {node.value.lineno}: shell"
            assert not node.value.value, f"line {node.value.lineno}: shell"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_asn1crypto_is_met_behind_its_door(path: Path) -> None:
    """Only modules that also use the bounded door may name asn1crypto, and none calls its ``load`` itself."""
    text = path.read_text(encoding="utf-8")
    if re.search(r"^\s*(?:from|import) asn1crypto", text, re.M) and path.name != "_asn1.py":
        assert "_asn1" in text or "emulator" in path.parts
        assert not re.search(r"\b(?:cms|x509|core|keys|algos|crl)\.\w+\.load\(", text)


def test_decrepit_ciphers_have_one_user() -> None:
    users = [p.name for p in SOURCES if "decrepit" in p.read_text(encoding="utf-8")]
    assert users == ["block.py"]


def test_onnxruntime_has_one_owner() -> None:
    importers = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(n.partition(".")[0] == "onnxruntime" for n in names):
                importers.append(path.name)
    assert set(importers) <= {"runtime.py"}
