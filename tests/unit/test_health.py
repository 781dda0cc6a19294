"""Health: what is there, what is wrong, and how the command ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import idverify
from idverify import TrustStore, health
from idverify.biometric import models
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.trust_store import Anchor, EntryKind, Provenance, TrustStoreBuilder
from idverify.chip.transport import pcsc
from idverify.chip.transport.pcsc_readers import ReaderState
from idverify.cli import main
from idverify.emulator import TestPki
from idverify.errors import ConfigurationError, ServiceUnavailableError

AT = datetime(2026, 6, 1, tzinfo=UTC)
PKI = TestPki("health")


def reader(**changes: Any) -> ReaderState:
    state = {"name": "Reader 0", "index": 0, "present": True, "mute": False, "in_use": False, "atr": b"\x3b"}
    return ReaderState(**(state | changes))


def store(dated: datetime | None = None) -> TrustStore:
    builder = TrustStoreBuilder()
    where = Provenance("l.ml", "master-list", Anchor.ROOT, dated=dated.isoformat() if dated else None)
    for der in PKI.trust_anchors:
        builder.add(Certificate.parse(der), EntryKind.CSCA, where)
    return builder.build()


def look(**options: Any) -> tuple[str, str, str]:
    found = health(**({"readers": False, "models": False, "at": AT} | options))
    (item,) = found.items
    assert found.status is item.status
    assert json.loads(json.dumps(found.to_dict()))["items"][0]["name"] == item.name
    return item.name, item.status.value, item.problem


@pytest.mark.parametrize(
    ("readers", "status", "problem"),
    [
        ([reader()], "ok", ""),
        ([reader(), reader(mute=True, present=False)], "degraded", "does not answer"),
        ([], "failed", "no reader"),
    ],
)
def test_readers(monkeypatch: pytest.MonkeyPatch, readers: list[ReaderState], status: str, problem: str) -> None:
    monkeypatch.setattr(pcsc, "list_readers", lambda: tuple(readers))
    name, found, said = look(readers=True)
    assert (name, found) == ("readers", status)
    assert problem in said


def test_no_service_is_told_and_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise ServiceUnavailableError("no PC/SC service")

    monkeypatch.setattr(pcsc, "list_readers", refuse)
    assert look(readers=True) == ("readers", "failed", "no PC/SC service")


def test_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert look(models=True) == ("models", "ok", "")
    manifest = models.default_manifest()
    (tmp_path / "manifest.toml").write_bytes(manifest.read_bytes())
    monkeypatch.setattr(models, "default_registry", lambda: models.ModelRegistry(tmp_path / "manifest.toml"))
    name, status, problem = look(models=True)
    assert (name, status) == ("models", "failed")
    assert problem


@pytest.mark.parametrize(
    ("trust", "days", "status", "problem"),
    [
        (store(), None, "ok", ""),
        (store(), 30, "degraded", "nothing says when"),
        (store(AT - timedelta(days=30)), 30, "ok", ""),
        (store(AT - timedelta(days=31)), 30, "degraded", "31 days old"),
        (store(AT - timedelta(days=31)), None, "ok", ""),
        (TrustStoreBuilder().build(), None, "failed", "no trust anchor"),
        ("there/is/no/store", None, "failed", "the trust store"),
    ],
)
def test_trust(trust: TrustStore | str, days: int | None, status: str, problem: str) -> None:
    name, found, said = look(trust=trust, trust_list_days=days)
    assert (name, found) == ("trust", status)
    assert problem in said


def test_the_pool_of_this_process() -> None:
    with idverify.CounterPool(store(), policy="document", workers=1, limit=1) as pool:
        assert look(pool=pool) == ("pool", "ok", "")


def test_the_worst_counts_and_nothing_is_well() -> None:
    both = health(readers=False, models=False, trust="nowhere", at=AT)
    assert both.status.value == "failed"
    assert health(readers=False, models=False).status.value == "ok"
    with pytest.raises(ConfigurationError, match="time zone"):
        health(readers=False, models=False, at=datetime(2026, 1, 1))
    with pytest.raises(ConfigurationError, match="at least 1"):
        health(readers=False, models=False, trust_list_days=0)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        return code, capsys.readouterr().out

    return call


def test_the_exit_code_says_how_it_is(
    run: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pcsc, "list_readers", lambda: (reader(),))
    store(datetime.now(UTC) - timedelta(days=40)).save(tmp_path)
    monkeypatch.setenv("IDVERIFY_TRUST_STORE", str(tmp_path))
    code, out = run("health")
    assert code == 0
    assert "Reader 0 (card)" in out
    assert "newest list 40 days old" in out
    code, out = run("health", "--trust-days", 30, "--json")
    answer = json.loads(out)
    assert (code, answer["status"], len(answer["items"])) == (4, "degraded", 3)
    code, out = run("health", "--no-models", "--no-readers", "--trust", tmp_path / "none", "--json")
    assert (code, json.loads(out)["status"]) == (1, "failed")
