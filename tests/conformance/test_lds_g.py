"""Unit LDS_G: EF.CVCA, which tells the terminal whom the chip trusts."""

from __future__ import annotations

import pytest

from idverify.chip.lds.files import FileId
from idverify.emulator import Card
from idverify.report import CheckId, CheckStatus, Reason
from tests.conformance.extended import TERMINAL, Inspected, authority, document, procedure, usual_credentials
from tests.conformance.inspection import Case, Refused
from tests.conformance.misbehaviour import with_image

_CVCA = FileId.CVCA
MALFORMED = Refused(CheckId.DOCUMENT_CONTENTS, Reason.FILE_MALFORMED, "EF.CVCA")
_PROCEDURE = procedure(lambda: usual_credentials(authority()))


def wrong_tag() -> Card:
    return document(files={_CVCA: b"\0" + document().files[_CVCA][1:]})


def nobody_trusted() -> Card:
    """An empty file, and a chip without any trust point."""
    card = document(files={_CVCA: bytes(36)})
    return with_image(card, terminal=None)


def no_rights(result: Inspected, card: Card) -> None:
    assert result.report.status(TERMINAL) is CheckStatus.FAILED
    assert result.biometric == ()


CASES = {
    "LDS_G_01": Case(wrong_tag, MALFORMED, procedure=_PROCEDURE),
    "LDS_G_02": Case(nobody_trusted, MALFORMED, procedure=_PROCEDURE, also=no_rights),
}


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
