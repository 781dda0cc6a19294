"""Unit ISO7816_C: reading files of any size from chips that end them in their own way."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from idverify.chip.lds.files import FileId
from idverify.chip.reading import ReadOptions
from idverify.emulator import Card, Quirks
from idverify.report import CheckId, CheckStatus, Reason
from idverify.verification import VerificationResult
from tests.conformance.documents import dg2, face_record, passport, small_portrait
from tests.conformance.inspection import Accepted, Case, Refused
from tests.conformance.misbehaviour import Altered

_DG2 = FileId.DG2
_ODD = 0xB1


def sized(count: int) -> bytes:
    """DG2 with a portrait that is filled up behind its end."""
    return dg2(record=face_record(picture=small_portrait() + bytes(count)))


def listened(make: Callable[[], Card]) -> Callable[[], Card]:
    """The card, remembering the commands."""
    return lambda: Altered(make(), 0x00, None, lambda apdu, answer: answer)


def whole(odd: bool) -> Callable[[VerificationResult, Card], None]:
    """Every byte of DG2 arrived, and the odd instruction was used or not."""

    def also(result: VerificationResult, card: Card) -> None:
        assert isinstance(card, Altered)
        assert result.files.reveal()[_DG2] == card.files[_DG2]
        assert any(c[1] == _ODD for c in card.commands) == odd

    return also


def ends(how: str) -> Callable[[], Iterable[Card]]:
    """Chips whose files end that way; DG1 is shorter than the first block that is asked for."""

    def documents() -> Iterable[Card]:
        for sfi in (True, False):
            yield listened(lambda sfi=sfi: passport(quirks=Quirks(end_of_file=how, sfi_reading=sfi)))()  # type: ignore

    return documents


def read_beyond(result: VerificationResult, card: Card) -> None:
    """All of DG1 arrived."""
    assert result.files.reveal()[FileId.DG1] == card.files[FileId.DG1]


CASES = {
    "ISO7816_C_01": Case(
        lambda: (
            passport(quirks=Quirks(statuses={_DG2: sw}, sfi_reading=sfi)) for sw in (0x6A82,) for sfi in (True, False)
        ),
        Refused(CheckId.DG_HASH, Reason.FILE_ABSENT, "DG2", status=CheckStatus.NOT_PERFORMED),
    ),
    "ISO7816_C_02": Case(
        listened(lambda: passport({_DG2: sized(30_000)})),
        Accepted(),
        options=ReadOptions(force_short_apdu=True),
        also=whole(odd=False),
    ),
    "ISO7816_C_03": Case(ends("short"), Accepted(), also=read_beyond, note="9000 with the bytes that there are"),
    "ISO7816_C_04": Case(ends("refuse"), Accepted(), also=read_beyond),
    "ISO7816_C_05": Case(ends("warn"), Accepted(), also=read_beyond),
    "ISO7816_C_06": Case(ends("exact"), Accepted(), also=read_beyond),
    "ISO7816_C_07": Case(listened(lambda: passport({_DG2: sized(40_000)})), Accepted(), also=whole(odd=True)),
    "ISO7816_C_08": Case(
        lambda: passport({_DG2: dg2(record=face_record()[: -len(small_portrait())])}),
        Refused(CheckId.DOCUMENT_CONTENTS, Reason.FILE_MALFORMED, "DG2"),
        note="a face without any byte of a picture",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
