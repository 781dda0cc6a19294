"""A short, deterministic run of every fuzz target, and the tools' own tests."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from idverify.errors import IdVerifyError, MalformedDataError
from tests.fuzz import engine
from tests.fuzz.mutate import EXTREME, Mutator, headers, length_of, nested
from tests.fuzz.targets import CORPUS, TARGETS, Target

HANG = 30.0
"""A machine under load may be slow; what stands still is caught all the same."""

EXECUTIONS = 120
SLOW_EXECUTIONS = 60


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_values_and_own_errors_comes_out(name: str) -> None:
    target = TARGETS[name]
    tally = engine.run(target, executions=SLOW_EXECUTIONS if target.slow else EXECUTIONS, seed="short", hang=HANG)
    assert tally.executions > 0
    assert not tally.findings, "\n".join(f"{f.kind} at {f.where}\n{f.detail}" for f in tally.findings.values())


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_reach_the_parser(name: str) -> None:
    """A corpus that every parser refuses at its first byte would test nothing."""
    assert any(TARGETS[name].run(seed) for seed in TARGETS[name].corpus())


def test_the_corpus_is_small_and_nobody_is_in_it() -> None:
    files = [p for p in CORPUS.rglob("*") if p.is_file()]
    assert len(files) > 50
    assert sum(p.stat().st_size for p in files) < 200_000


def test_inputs_are_the_same_for_the_same_seed() -> None:
    def digest(seed: str) -> str:
        mutator = Mutator([b"\x30\x06\x02\x01\x05\x04\x01\x00", b"abc"], seed)
        return hashlib.sha256(b"|".join(mutator.draw() for _ in range(300))).hexdigest()

    assert digest("a") == digest("a")
    assert digest("a") != digest("b")


def test_headers_finds_the_lengths() -> None:
    inner = b"\x02\x01\x05"
    assert headers(b"\x30\x03" + inner) == [(1, 1, 3), (3, 1, 1)]
    assert headers(b"\x30\x84\xff\xff\xff\xff") == []
    assert headers(nested(0x30, 3000))  # bounded
    assert length_of(5, 2) == b"\x82\x00\x05"
    assert length_of(300) == b"\x82\x01\x2c"
    assert any(len(e) > 250_000 for e in EXTREME)


def test_a_foreign_exception_is_found_and_kept(tmp_path: Path) -> None:
    def broken(data: bytes) -> None:
        if data.startswith(b"\xff"):
            raise IndexError(1)
        raise MalformedDataError("as it should be")

    target = Target("broken", broken, ("nowhere/*",))
    tally = engine.run(target, executions=200, seed=1)
    assert [f.kind for f in tally.findings.values()] == ["IndexError"]
    path = next(iter(tally.findings.values())).save(tmp_path)
    assert path.read_bytes().startswith(b"\xff")
    assert "IndexError" in path.with_suffix(".txt").read_text()
    with pytest.raises(IdVerifyError):
        target.run(b"")


def test_a_slow_input_is_found() -> None:
    def busy(data: bytes) -> None:
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass

    target = Target("slow", busy, ("nowhere/*",))
    seconds, finding = engine.once(target, b"x", hang=0.01)
    assert seconds >= 0.02
    assert finding is not None
    assert finding.kind == "hang"
