"""Unit ISO7816_A: selecting the application."""

from __future__ import annotations

import pytest

from idverify.emulator import Quirks
from idverify.errors import ApplicationNotFoundError
from idverify.report import CheckId, CheckStatus
from idverify.verification import VerificationResult
from tests.conformance.documents import PLAIN, passport
from tests.conformance.inspection import Accepted, Case, Raises


def opened(access: str) -> object:
    def also(result: VerificationResult, card: object) -> None:
        assert result.session.access == access
        expected = CheckStatus.SUCCESSFUL if access == "bac" else CheckStatus.NOT_PERFORMED
        assert result.report.status(CheckId.ACCESS_BAC) is expected

    return also


CASES = {
    "ISO7816_A_01": Case(lambda: passport(profile=PLAIN), Accepted(), passwords=lambda card: (), also=opened("none")),
    "ISO7816_A_02": Case(passport, Accepted(), also=opened("bac")),
    "ISO7816_A_03": Case(
        lambda: (passport(quirks=Quirks(select_application=sw)) for sw in (0x6A82, 0x6A81)),
        Raises(ApplicationNotFoundError),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
