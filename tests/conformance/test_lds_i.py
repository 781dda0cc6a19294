"""Unit LDS_I: DG15. Active authentication without a readable key proves nothing."""

from __future__ import annotations

import pytest

from idverify.chip.lds.files import FileId
from idverify.report import CheckId, CheckStatus, Reason
from idverify.verification import VerificationResult
from tests.conformance.documents import ACTIVE, declared, passport, usual, wrong_tag
from tests.conformance.inspection import Case, Refused

_DG15 = FileId.DG15
_USUAL = usual(_DG15, ACTIVE)


def unproven(result: VerificationResult, card: object) -> None:
    assert result.report.status(CheckId.ACTIVE_AUTHENTICATION) is CheckStatus.UNDETERMINED


def refused(raw: bytes) -> Case:
    reaction = Refused(CheckId.DOCUMENT_CONTENTS, Reason.FILE_MALFORMED, "DG15")
    return Case(lambda: passport({_DG15: raw}, profile=ACTIVE), reaction, also=unproven)


CASES = {
    "LDS_I_01": refused(wrong_tag(_USUAL, 0x70)),
    "LDS_I_02": refused(declared(_USUAL, -1)),
    "LDS_I_03": refused(declared(_USUAL, 1)),
}


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
