"""A transaction with a fingerprint: DG3 opened by terminal authentication, a live print against it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

import idverify
from idverify import AccessPassword, CheckId, CheckStatus, MemoryTransport, Outcome, Reason, TrustStore, verify
from idverify.biometric.finger.engine import FingerMatcher
from idverify.chip.access.terminal_auth import TerminalCredentials
from idverify.chip.access.terminal_key import InMemoryTerminalKey
from idverify.decision import COUNTER
from idverify.emulator import Card, TestCvPki, personalise, pkcs8
from idverify.emulator.fingers import SyntheticFinger

AT = datetime(2026, 6, 1, tzinfo=UTC)
POLICY = replace(COUNTER, id="finger", face_fmr=None, finger_fmr=1e-3)
AUTHORITY = TestCvPki(3)


def picture(seed: int, impression: int) -> bytes:
    good, encoded = cv2.imencode(".png", SyntheticFinger(seed).impression(impression))
    assert good
    return bytes(encoded)


def jpeg2000(seed: int, impression: int) -> bytes:
    good, encoded = cv2.imencode(".jp2", SyntheticFinger(seed).impression(impression))
    assert good
    return bytes(encoded)


@cache
def card() -> Card:
    return personalise("passport-eac", seed=9, cv_pki=AUTHORITY, fingers={2: jpeg2000(1, 0), 7: jpeg2000(2, 0)})


@cache
def matcher() -> FingerMatcher:
    return FingerMatcher(threads=1)


def credentials() -> TerminalCredentials:
    key = InMemoryTerminalKey.from_der(pkcs8(AUTHORITY.terminal.key))
    return TerminalCredentials.load([*AUTHORITY.chain, AUTHORITY.cvca.der], key)


def run(finger: object, *, terminal: bool = True) -> idverify.VerificationResult:
    return verify(
        MemoryTransport(card().fresh()),
        AccessPassword.from_mrz_text(card().mrz),
        trust=TrustStore.from_certificates(card().trust_anchors),
        finger=finger,  # type: ignore[arg-type]
        finger_matcher=matcher(),
        terminal=credentials() if terminal else None,
        policy=POLICY,
        at=AT,
    )


def test_another_impression_of_the_finger_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "live.png"
    path.write_bytes(picture(1, 3))
    result = run(path)
    assert result.decision.outcome is Outcome.ACCEPT, result.decision
    assert result.report.status(CheckId.TERMINAL_AUTHENTICATION) is CheckStatus.SUCCESSFUL
    assert [c.status for c in result.report.results(CheckId.DG_HASH) if c.subject == "DG3"] == [CheckStatus.SUCCESSFUL]
    (score,) = result.scores
    assert (score.modality, score.fmr is not None and score.fmr <= 1e-3) == ("finger", True)


def test_several_tries_count_together() -> None:
    blank = np.full((400, 300, 3), 255, np.uint8)
    assert run([blank, picture(2, 2)]).decision.outcome is Outcome.ACCEPT


def test_another_finger_is_rejected() -> None:
    result = run(picture(77, 0))
    assert result.decision.outcome is Outcome.REJECT
    assert "finger.match: below-threshold" in result.decision.reasons


def test_a_blank_print_is_inconclusive() -> None:
    result = run(np.full((400, 300, 3), 255, np.uint8))
    assert result.decision.outcome is Outcome.INCONCLUSIVE
    assert [c.reason for c in result.report.results(CheckId.FINGER_MATCH)] == [Reason.POOR_QUALITY]


def test_without_rights_the_finger_is_inconclusive() -> None:
    result = run(picture(1, 3), terminal=False)
    assert result.decision.outcome is Outcome.INCONCLUSIVE
    assert [c.reason for c in result.report.results(CheckId.FINGER_MATCH)] == [Reason.NOT_READ]


def test_too_many_tries_are_refused() -> None:
    with pytest.raises(idverify.errors.ConfigurationError, match="at most"):
        run([picture(1, 0)] * 11)
