"""Recorded reports under another policy."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idverify import decision
from idverify.decision import COUNTER, Outcome
from idverify.dry_run import MAX_REPORT, Recorded, dry_run
from idverify.errors import MalformedDataError
from idverify.report import CheckId, CheckResult, CheckStatus, Reason, VerificationReport
from tests import results
from tests.conftest import Run
from tests.unit.test_decision import FRESH

ONE = {"check": "chip.aa", "status": "successful", "reason": "ok"}
GATE = decision.named("airport-gate")


def recorded(**changes: Any) -> dict[str, Any]:
    """The report.json of a transaction, with some of it replaced or left out."""
    whole = results.result().to_dict()
    return {k: v for k, v in (whole | changes).items() if v is not ...}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in {
        "monday/1/report.json": recorded(),
        "monday/2/report.json": recorded(decision={"outcome": "review", "policy": "old", "reasons": ["x"]}),
        "tuesday/report.json": recorded(decision=..., scores=...),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(data))
    (tmp_path / "notes.txt").write_text("no report")
    return tmp_path


def test_a_report_comes_back_as_it_was() -> None:
    original = results.result()
    again = Recorded.from_json(json.dumps(original.to_dict()).encode())
    assert again.report == original.report
    assert again.decision == original.decision
    assert COUNTER.decide(again.report, again.scores) == COUNTER.decide(original.report, original.scores)


def test_what_would_change_is_told_with_reasons(folder: Path) -> None:
    run = dry_run(GATE, [folder])
    assert [v.name for v in run.verdicts] == ["monday/1/report.json", "monday/2/report.json", "tuesday/report.json"]
    first, second, third = run.verdicts
    assert first.changed
    assert first.old is not None
    assert (first.old.outcome, first.new.outcome) == (Outcome.ACCEPT, Outcome.INCONCLUSIVE)
    assert "face.pad: not-performed" in first.new.reasons
    assert second.changed
    assert not third.changed, "nobody says what was decided"
    assert "face.match: not-calibrated" in third.new.reasons, "a match without its score has no rate"
    assert run.table() == {("accept", "inconclusive"): 1, ("review", "inconclusive"): 1, ("none", "inconclusive"): 1}
    assert run.problems == ()


def test_what_a_report_lacks_is_never_accepted(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(recorded(checks=[])))
    for name in decision.NAMES:
        (verdict,) = dry_run(decision.named(name), [path]).verdicts
        assert verdict.new.outcome is not Outcome.ACCEPT
    path.write_text(json.dumps(recorded()))
    (verdict,) = dry_run(FRESH, [path]).verdicts
    assert "trust.age: list-age-unknown" in verdict.new.reasons


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{}", b"null", b"\xff", b"[" * 100_000,
        json.dumps(recorded(scores=[{"modality": "face"}])).encode(),
        json.dumps(recorded(scores=[{"modality": "face", "fmr": -1}])).encode(),
        json.dumps(recorded(scores=[{"modality": "face", "fmr": "0"}])).encode(),
        json.dumps(recorded(scores=[{"modality": "face", "fmr": float("nan")}])).encode(),
        json.dumps(recorded(scores=[{"modality": "face", "fmr": True}])).encode(),
        json.dumps(recorded(scores=7)).encode(),
        json.dumps(recorded(decision={"outcome": "perhaps", "policy": "x", "reasons": []})).encode(),
        json.dumps(recorded(decision="accept")).encode(),
        json.dumps(recorded(verified_at="2026-01-01T00:00:00")).encode(),
        json.dumps(recorded(verified_at=5)).encode(),
        json.dumps(recorded(checks=[ONE | {"check": "pa.nothing"}])).encode(),
        json.dumps(recorded(checks=[ONE | {"status": "failed"}])).encode(),
        json.dumps(recorded(checks=[ONE | {"subject": 5}])).encode(),
        json.dumps(recorded(checks=[ONE | {"evidence": [1]}])).encode(),
        json.dumps(recorded(checks=[ONE | {"evidence": {"a": 1}}])).encode(),
        json.dumps(recorded(checks=[ONE | {"subject": "\ud800"}])).encode(),
        json.dumps(recorded(checks=["x"])).encode(),
        json.dumps(recorded(checks={})).encode(),
        json.dumps(recorded(checks=recorded()["checks"] * 200)).encode(),
        json.dumps(recorded(trust_store=...)).encode(),
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedDataError):
        Recorded.from_json(data)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_noise_is_no_report(data: bytes) -> None:
    with pytest.raises(MalformedDataError):
        Recorded.from_json(data)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_the_folder_does_not_stop_the_run(folder: Path) -> None:
    os.mkfifo(folder / "endless.json")
    assert len(dry_run(GATE, [folder]).verdicts) == 3


def test_files_that_are_no_reports_are_named_and_the_others_judged(folder: Path) -> None:
    (folder / "broken.json").write_text("{")
    (folder / "large.json").write_bytes(b" " * (MAX_REPORT + 1))
    run = dry_run(COUNTER, [folder])
    assert [name for name, _ in run.problems] == ["broken.json", "large.json"]
    assert len(run.verdicts) == 3
    with pytest.raises(FileNotFoundError):
        dry_run(COUNTER, [folder / "wednesday"])


# ---- the command line ------------------------------------------------------------------------------------------------


def test_the_dry_run_as_a_table_and_as_json(run: Run, folder: Path) -> None:
    code, out, _ = run("policy", "dry-run", "airport-gate", folder)
    assert code == 0
    assert "3 reports under airport-gate: 2 would have another outcome" in out
    assert "monday/1/report.json: accept → inconclusive" in out
    assert "face.pad: not-performed" in out
    code, out, _ = run("policy", "dry-run", "airport-gate", folder, "--json")
    answer = json.loads(out)
    assert (code, answer["reports"], answer["changed"]) == (0, 3, 2)
    assert answer["table"][0] == {"old": "accept", "new": "inconclusive", "reports": 1}
    (folder / "broken.json").write_text("{")
    code, out, _ = run("policy", "dry-run", "counter", folder)
    assert code == 1
    assert "broken.json: no report.json of a transaction" in out
    assert run("policy", "dry-run", "counter", folder / "wednesday")[0] == 1
    (folder / "empty").mkdir()
    assert run("policy", "dry-run", "counter", folder / "empty")[0] == 1, "nothing was judged"


def test_policies_are_listed_shown_and_checked(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("policy", "list", "--json")
    assert code == 0
    assert tuple(p["id"] for p in json.loads(out)["policies"]) == decision.NAMES
    assert all(name in run("policy", "list")[1] for name in decision.NAMES)
    for name in decision.NAMES:
        mine = tmp_path / f"{name}.toml"
        for how in ((), ("--full",)):
            code, out, _ = run("policy", "show", name, *how)
            mine.write_text(out, encoding="utf-8")
            assert (code, decision.load(mine)) == (0, decision.named(name))
            assert run("policy", "show", mine, *how)[1] == out
        assert run("policy", "check", mine)[0] == 0
    assert json.loads(run("policy", "show", "strict", "--json")[1])["id"] == "strict"
    assert "somebody must look on" in run("policy", "check", "counter")[1]


def test_a_policy_that_cannot_be_used_is_told_by_path(run: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "mine.toml"
    wrong.write_text('extends = "counter"\nface_fmr = 2\n[checks."chip.aa"]\nfailed = "perhaps"\n')
    code, out, _ = run("policy", "check", wrong)
    assert code == 1
    assert "mine.toml: face_fmr: expected a rate" in out
    assert "mine.toml: checks.chip.aa.failed: 'perhaps' is none of" in out
    code, out, _ = run("policy", "check", wrong, "--json")
    assert (code, len(json.loads(out)["problems"])) == (1, 2)
    code, out, _ = run("policy", "check", "unknown", "--json")
    assert (code, json.loads(out)["usable"]) == (1, False)


def test_reports_have_no_more_checks_than_a_document_can_give() -> None:
    one = CheckResult(check=CheckId.DG_HASH, status=CheckStatus.NOT_PERFORMED, reason=Reason.NOT_READ)
    with pytest.raises(MalformedDataError):
        VerificationReport.from_dict(
            VerificationReport(checks=(one,) * 1001, trust_store_id="t", verified_at=results.AT).to_dict()
        )
