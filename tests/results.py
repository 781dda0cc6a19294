"""Made-up verification results for the tests of what people see. Everybody in them is invented."""

from __future__ import annotations

from datetime import UTC, date, datetime

from idverify import Holder, MatchScore, Secret, SessionSummary, VerificationResult
from idverify.chip.lds.dg13_vn import CitizenDetails
from idverify.decision import Decision, Outcome
from idverify.report import CheckId, CheckResult, CheckStatus, Reason, VerificationReport

OK, NO = CheckStatus.SUCCESSFUL, CheckStatus.FAILED
AT = datetime(2026, 5, 17, 9, 30, 12, tzinfo=UTC)


def genuine_checks() -> tuple[CheckResult, ...]:
    """What a genuine card with the right person gives."""
    return (
        CheckResult(check=CheckId.ACCESS_PACE, status=OK, evidence={"mapping": "GM", "curve": "brainpoolP256r1"}),
        CheckResult(check=CheckId.SOD_SIGNATURE, status=OK, evidence={"algorithm": "ecdsa-with-SHA256"}),
        CheckResult(check=CheckId.DSC_CHAIN, status=OK, subject="C=VN, CN=Test DSC"),
        CheckResult(check=CheckId.DSC_VALIDITY, status=OK),
        CheckResult(check=CheckId.DSC_REVOCATION, status=CheckStatus.UNDETERMINED, reason=Reason.NO_CRL),
        *(CheckResult(check=CheckId.DG_HASH, status=OK, subject=f"DG{n}") for n in (1, 2, 13, 14, 15)),
        CheckResult(check=CheckId.DG_HASH, status=CheckStatus.NOT_PERFORMED, reason=Reason.NOT_READ, subject="DG3"),
        CheckResult(check=CheckId.COM_SOD, status=OK),
        CheckResult(check=CheckId.ISSUER_MRZ, status=OK),
        CheckResult(check=CheckId.ACTIVE_AUTHENTICATION, status=OK),
        CheckResult(check=CheckId.CHIP_AUTHENTICATION, status=CheckStatus.NOT_PERFORMED, reason=Reason.NOT_IMPLEMENTED),
        CheckResult(check=CheckId.DOCUMENT_VALIDITY, status=OK),
        CheckResult(check=CheckId.CCCD_CONSISTENCY, status=OK),
        CheckResult(check=CheckId.FACE_MATCH, status=OK, reason=Reason.ABOVE_THRESHOLD),
    )


def replaced(checks: tuple[CheckResult, ...], *new: CheckResult) -> tuple[CheckResult, ...]:
    """``checks`` with the results of the same check and subject replaced by ``new``."""
    by_key = {(c.check, c.subject): c for c in new}
    return tuple(by_key.get((c.check, c.subject), c) for c in checks)


def citizen(name: str = "Trần Thị Thử Nghiệm") -> Holder:
    """An invented citizen."""
    return Holder(
        name="TRAN, THI THU NGHIEM",
        number="001190000007",
        birth=date(1990, 3, 8),
        sex="F",
        nationality="VNM",
        expiry=date(2030, 3, 8),
        unlimited=False,
        details=CitizenDetails(
            full_name=name,
            nationality="Việt Nam",
            ethnicity="Kinh",
            religion="Không",
            place_of_origin="Xã Mẫu, Huyện Ví Dụ, Tỉnh Thử",
            place_of_residence="Số 1 đường Mẫu, phường Ví Dụ, thành phố Thử",
            identification_features="Nốt ruồi cách 1 cm dưới mắt phải",
            date_of_issue="10/05/2021",
            father="Trần Văn Cha",
            mother="Nguyễn Thị Mẹ",
        ),
    )


def result(
    outcome: Outcome = Outcome.ACCEPT,
    *,
    reasons: tuple[str, ...] = (),
    checks: tuple[CheckResult, ...] | None = None,
    score: float | None = 0.61,
    portrait: bytes | None = None,
    live: bytes | None = None,
    holder: Holder | None = None,
    advice: tuple[str, ...] = (),
) -> VerificationResult:
    """A result as a transaction gives it."""
    scores: tuple[MatchScore, ...] = ()
    if score is not None:
        fmr = 1e-6 if score > 0.306 else 0.2
        scores = (MatchScore(modality="face", value=score, threshold=0.306, fmr=fmr, model="lightcnn-v4-int8@1.0.0"),)
    return VerificationResult(
        decision=Decision(outcome, "counter", reasons),
        report=VerificationReport(
            checks=genuine_checks() if checks is None else checks, trust_store_id="test-store-1a2b3c", verified_at=AT
        ),
        scores=scores,
        session=SessionSummary(
            transport="memory", access="pace", apdus=142, bytes=23871, milliseconds={"access": 41.0, "read": 210.5}
        ),
        portrait=Secret(portrait) if portrait is not None else None,
        live=Secret(live) if live is not None else None,
        holder=Secret(holder or citizen()),
        advice=advice,
    )
