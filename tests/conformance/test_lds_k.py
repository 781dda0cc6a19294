"""Unit LDS_K: EF.ATR/INFO and the lengths of APDUs that it announces."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from idverify._tlv import encode as tlv
from idverify.chip.lds.files import FileId
from idverify.chip.reading import ReadOptions
from idverify.emulator import Card, _der
from idverify.report import CheckId, Reason
from idverify.verification import VerificationResult
from tests.conformance.documents import passport
from tests.conformance.inspection import Accepted, Case, Reaction, Refused

_FILE = FileId.ATR_INFO
_CAPABILITIES = tlv(0x47, bytes.fromhex("8421C0"))
_OPTIONS = ReadOptions(master_files=(_FILE,))


class Measured(Card):
    """Remembers the longest command and the longest answer."""

    longest = (0, 0)

    def process(self, apdu: bytes) -> bytes:
        answer = super().process(apdu)
        self.longest = (max(self.longest[0], len(apdu)), max(self.longest[1], len(answer)))
        return answer


def announcing(content: bytes) -> Callable[[], Card]:
    return lambda: Measured(passport({_FILE: _CAPABILITIES + content}).image)


def kept(command: int, response: int) -> Callable[[VerificationResult, Card], None]:
    """The reader used extended length, and kept within what was announced."""

    def also(result: VerificationResult, card: Card) -> None:
        assert isinstance(card, Measured)
        assert card.longest[0] <= command
        assert 258 < card.longest[1] <= response

    return also


def case(content: bytes, reaction: Reaction, also: Callable[[VerificationResult, Card], None] | None = None) -> Case:
    return Case(announcing(content), reaction, options=_OPTIONS, also=also)


CASES = {
    "LDS_K_01": case(tlv(0x7F66, _der.integer(0x0780) * 2), Accepted(), kept(0x0780, 0x0780)),
    "LDS_K_02": case(tlv(0x7F66, bytes.fromhex("0203010000") * 2), Accepted(), kept(0x10000, 0x10000)),
    "LDS_K_03": case(
        tlv(0x7F66, _der.integer(0x0780)), Refused(CheckId.DOCUMENT_CONTENTS, Reason.FILE_MALFORMED, "EF.ATR/INFO")
    ),
    "LDS_K_04": case(
        tlv(0x7F65, _der.integer(0x0780) * 2),
        Refused(CheckId.DOCUMENT_CONTENTS, Reason.PROFILE_DEVIATION, "EF.ATR/INFO", words="7F66"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
