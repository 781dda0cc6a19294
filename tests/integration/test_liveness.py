"""Presentation attack detection within a transaction: run where a policy does not accept without it, and judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import idverify
from idverify import (
    AccessPassword,
    CheckId,
    CheckStatus,
    FaceMatcher,
    MemoryTransport,
    Outcome,
    Reason,
    TrustStore,
    VerificationResult,
    emulator,
    verify,
)
from idverify.biometric.face import DetectedFace, PadScore, PassivePad
from idverify.biometric.image import Image
from idverify.decision import COUNTER, Policy, Requirement
from idverify.emulator import Card

LIVE = (Path(idverify.__file__).parent / "emulator" / "pictures" / "live.jpg").read_bytes()
AT = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
UNATTENDED = Policy(
    id="unattended",
    requirements=(
        *(r for r in COUNTER.requirements if r.check is not CheckId.FACE_PAD),
        Requirement(check=CheckId.FACE_PAD, failed=Outcome.REVIEW, missing=Outcome.INCONCLUSIVE),
    ),
)


class Says(PassivePad):
    """Detection with a ready answer, that counts how often it was asked."""

    def __init__(self, live: float, *, face: int = 200) -> None:
        super().__init__()
        self.answer, self.asked = PadScore(live=live, model="says@1", face=face), 0

    def score(self, image: Image, face: DetectedFace) -> PadScore:
        self.asked += 1
        return self.answer


@cache
def genuine() -> Card:
    return emulator.citizen_card(seed=71)


@cache
def matcher() -> FaceMatcher:
    return FaceMatcher(threads=1)


def run(**changes: Any) -> VerificationResult:
    card = genuine().fresh()
    trust = TrustStore.from_certificates(card.trust_anchors)
    arguments: dict[str, Any] = {"live": LIVE, "at": AT, "matcher": matcher(), "policy": UNATTENDED} | changes
    return verify(MemoryTransport(card), AccessPassword.can(str(card.can)), trust=trust, **arguments)


def test_a_policy_that_needs_it_gets_it_with_its_score_and_its_limits() -> None:
    result = run()
    (check,) = result.report.results(CheckId.FACE_PAD)
    assert (check.status, check.reason) == (CheckStatus.SUCCESSFUL, Reason.ABOVE_THRESHOLD)
    assert float(check.evidence["score"]) > 0.9
    assert check.evidence["model"].startswith("fr-liveness@")
    assert "no masks" in check.evidence["limits"]
    assert result.decision.outcome is Outcome.ACCEPT


@pytest.mark.parametrize(
    ("pad", "status", "outcome"),
    [
        (Says(0.49), CheckStatus.FAILED, Outcome.REVIEW),
        (Says(0.5), CheckStatus.SUCCESSFUL, Outcome.ACCEPT),
        (Says(0.99, face=79), CheckStatus.UNDETERMINED, Outcome.INCONCLUSIVE),
    ],
)
def test_its_answer_is_judged(pad: Says, status: CheckStatus, outcome: Outcome) -> None:
    result = run(pad=pad)
    (check,) = result.report.results(CheckId.FACE_PAD)
    assert (check.status, pad.asked) == (status, 1)
    assert result.decision.outcome is outcome


def test_the_matched_face_does_not_make_up_for_a_suspected_attack() -> None:
    result = run(pad=Says(0.01))
    assert result.report.status(CheckId.FACE_MATCH) is CheckStatus.SUCCESSFUL
    assert result.decision.reasons == ("face.pad: below-threshold (live)",)


def test_without_a_face_there_is_no_liveness_and_no_accept() -> None:
    result = run(live=np.full((480, 640, 3), 127, np.uint8))
    assert not result.report.results(CheckId.FACE_PAD)
    assert result.decision.outcome is Outcome.INCONCLUSIVE
    assert "face.pad: not-performed" in result.decision.reasons


def test_an_attended_counter_runs_it_only_where_it_is_given() -> None:
    assert not run(policy="counter").report.results(CheckId.FACE_PAD)
    suspected = run(policy="counter", pad=Says(0.1))
    assert suspected.report.status(CheckId.FACE_PAD) is CheckStatus.FAILED
    assert suspected.decision.outcome is Outcome.REVIEW


def test_the_share_of_the_policy_decides_and_a_stricter_one_judges_old_evidence_anew() -> None:
    strict = replace(UNATTENDED, face_pad=0.9)
    assert run(pad=Says(0.8), policy=strict).decision.outcome is Outcome.REVIEW
    lenient = run(pad=Says(0.8))
    assert lenient.decision.outcome is Outcome.ACCEPT
    again = strict.decide(lenient.report, lenient.scores)
    assert (again.outcome, again.reasons) == (Outcome.REVIEW, ("face.pad: below-threshold (live)",))
