"""What a proof of the chip is worth: nothing before passive authentication has vouched for its key."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from idverify.chip.chip_proof import ChipResult, gate_chip_results
from idverify.chip.lds.files import FileId
from idverify.report import CheckId, CheckResult, CheckStatus, Reason, VerificationReport

OK, FAILED = CheckStatus.SUCCESSFUL, CheckStatus.FAILED


def report(**changes: CheckStatus | None) -> VerificationReport:
    """Everything in order for DG15 and DG14, but for ``changes``; None leaves a check away."""
    wanted: dict[str, tuple[CheckId, str | None]] = {
        "signature": (CheckId.SOD_SIGNATURE, None),
        "chain": (CheckId.DSC_CHAIN, None),
        "revocation": (CheckId.DSC_REVOCATION, None),
        "card_security": (CheckId.CARD_SECURITY, None),
        "dg14": (CheckId.DG_HASH, "DG14"),
        "dg15": (CheckId.DG_HASH, "DG15"),
    }
    checks = []
    for name, (check, subject) in wanted.items():
        status = changes.get(name, OK)
        if status is not None:
            reason = Reason.OK if status is OK else Reason.NOT_READ
            checks.append(CheckResult(check=check, status=status, reason=reason, subject=subject))
    return VerificationReport(checks=tuple(checks), trust_store_id="x", verified_at=datetime(2026, 1, 1, tzinfo=UTC))


def proof(file: FileId = FileId.DG15, **more: object) -> ChipResult:
    check = CheckId.ACTIVE_AUTHENTICATION if file is FileId.DG15 else CheckId.CHIP_AUTHENTICATION
    more.setdefault("proven", True)
    return ChipResult(check=check, key_file=file, facts={"algorithm": "x"}, **more)


def gated(result: ChipResult, **changes: CheckStatus | None) -> tuple[CheckStatus, Reason]:
    (check,) = gate_chip_results([result], report(**changes))
    assert check.subject == result.key_file.label
    return check.status, check.reason


@pytest.mark.parametrize("file", [FileId.DG14, FileId.DG15, FileId.CARD_SECURITY])
def test_a_proof_with_a_vouched_key_is_successful(file: FileId) -> None:
    assert proof(file).result.status is CheckStatus.UNDETERMINED
    assert gated(proof(file)) == (OK, Reason.OK)


@pytest.mark.parametrize(
    "missing",
    [
        {"signature": FAILED},
        {"signature": CheckStatus.UNDETERMINED},
        {"signature": None},
        {"chain": FAILED},
        {"chain": CheckStatus.UNDETERMINED},
        {"chain": None},
        {"revocation": FAILED},
        {"dg15": FAILED},
        {"dg15": CheckStatus.NOT_PERFORMED},
        {"dg15": None},
    ],
)
def test_without_a_vouched_key_it_is_worth_nothing(missing: dict[str, CheckStatus | None]) -> None:
    assert gated(proof(), **missing) == (CheckStatus.UNDETERMINED, Reason.KEY_NOT_VOUCHED)


def test_an_unknown_revocation_status_is_not_the_gate_s_affair() -> None:
    assert gated(proof(), revocation=CheckStatus.UNDETERMINED) == (OK, Reason.OK)
    assert gated(proof(), revocation=None) == (OK, Reason.OK)


def test_each_file_is_gated_on_its_own_hash() -> None:
    assert gated(proof(FileId.DG14), dg15=FAILED) == (OK, Reason.OK)
    assert gated(proof(FileId.DG14), dg14=FAILED)[0] is CheckStatus.UNDETERMINED
    assert gated(proof(FileId.CARD_SECURITY), card_security=FAILED)[0] is CheckStatus.UNDETERMINED
    assert gated(proof(FileId.CARD_SECURITY), signature=FAILED) == (OK, Reason.OK)


def test_a_failed_proof_stays_failed() -> None:
    failed = proof(proven=False, status=FAILED, reason=Reason.CHIP_PROOF_INVALID)
    assert gated(failed) == (FAILED, Reason.CHIP_PROOF_INVALID)
    assert gated(failed, signature=FAILED) == (FAILED, Reason.CHIP_PROOF_INVALID)


@pytest.mark.parametrize(
    "status_reason",
    [(CheckStatus.NOT_SUPPORTED, Reason.NOT_OFFERED), (CheckStatus.NOT_PERFORMED, Reason.ACCESS_REFUSED)],
)
def test_a_chip_that_keeps_back_a_signed_key_has_failed(status_reason: tuple[CheckStatus, Reason]) -> None:
    status, reason = status_reason
    kept_back = proof(proven=False, status=status, reason=reason)
    assert gated(kept_back, dg15=CheckStatus.NOT_PERFORMED) == (FAILED, Reason.KEY_MISSING)
    assert gated(kept_back, dg15=None) == (status, reason), "no such group in the SOD: nothing was kept back"


def test_a_chip_that_keeps_dg14_back_has_proven_nothing() -> None:
    """It may hold no key at all; nobody can tell."""
    kept_back = proof(FileId.DG14, proven=False, status=CheckStatus.NOT_SUPPORTED, reason=Reason.NOT_OFFERED)
    assert gated(kept_back, dg14=CheckStatus.NOT_PERFORMED) == (CheckStatus.UNDETERMINED, Reason.KEY_MISSING)
    assert gated(kept_back, dg14=None) == (CheckStatus.NOT_SUPPORTED, Reason.NOT_OFFERED)
    assert gated(kept_back) == (CheckStatus.NOT_SUPPORTED, Reason.NOT_OFFERED), "it was there, and has no key"


def test_evidence_is_not_shown() -> None:
    assert "secret" not in repr(proof(evidence="secret"))
