"""From evidence to paper: policies, decisions, reports, the audit log.

pytest benchmarks/bench_decision.py --benchmark-enable
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from idverify import TrustStore, VerificationResult, verify_files
from idverify.audit import AuditLog, verify_log
from idverify.cli._bench_runs import bench_card
from idverify.decision import COUNTER, STRICT, Policy

POLICY = """
id = "bench"
extends = "counter"
face_fmr = 1e-5
[checks]
"pa.dsc.revocation" = {failed = "reject", missing = "review"}
"""


@pytest.fixture(scope="module")
def result() -> VerificationResult:
    card = bench_card()
    return verify_files(card.files, trust=TrustStore.from_certificates(card.trust_anchors))


@pytest.mark.parametrize("policy", [COUNTER, STRICT], ids=lambda p: p.id)
def test_decide(benchmark: Any, result: VerificationResult, policy: Policy) -> None:
    assert benchmark(policy.decide, result.report, result.scores).policy == policy.id


def test_load_policy(benchmark: Any, tmp_path: Path) -> None:
    path = tmp_path / "bench.toml"
    path.write_text(POLICY, encoding="utf-8")
    assert benchmark(Policy.from_toml, path).id == "bench"


def test_report_as_json(benchmark: Any, result: VerificationResult) -> None:
    assert len(benchmark(lambda: json.dumps(result.to_dict()))) > 1000


@pytest.mark.parametrize("durability", ["os", "fsync"])
def test_audit_entry(benchmark: Any, result: VerificationResult, tmp_path: Path, durability: Any) -> None:
    log = AuditLog(tmp_path / "audit.log", durability=durability)
    assert benchmark(log.record, result.decision, result.report).event == "transaction"


def test_audit_walk(benchmark: Any, result: VerificationResult, tmp_path: Path) -> None:
    """A thousand entries verified."""
    path = tmp_path / "audit.log"
    log = AuditLog(path, durability="os")
    for _ in range(1000):
        log.record(result.decision, result.report)
    assert benchmark.pedantic(verify_log, args=(path,), rounds=5, warmup_rounds=1).whole
