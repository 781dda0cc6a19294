"""Unit LDS_B: DG1. Every document here is signed as it is; what is wrong is what it says."""

from __future__ import annotations

import pytest

from idverify._tlv import encode as tlv
from idverify.chip.lds.files import FileId
from idverify.emulator import Card
from idverify.emulator.holder import mrz_information
from idverify.report import CheckId, CheckStatus, Reason
from idverify.verification import VerificationResult
from tests.conformance.documents import HOLDER, declared, dg1, mrz, passport, usual, wrong_digit, wrong_tag
from tests.conformance.inspection import Accepted, Case, Reaction, Refused
from tests.conformance.misbehaviour import with_image

_DG1 = FileId.DG1
_BIRTH, _EXPIRY = HOLDER.mrz.date_of_birth, HOLDER.mrz.date_of_expiry
_OPTIONAL = "ZE184226B<<<<<"


def said(reaction: Reaction, note: str = "", **fields: str) -> Case:
    """A document whose chip says otherwise than its data page."""
    return Case(lambda: passport({_DG1: dg1(mrz(**fields))}), reaction, note=note)


def both_say(**fields: str) -> Card:
    """A document whose data page and chip say so."""
    return with_image(passport({_DG1: dg1(mrz(**fields))}), mrz=mrz(**fields))


def field(words: str) -> Refused:
    return Refused(CheckId.DOCUMENT_CONTENTS, Reason.PROFILE_DEVIATION, "DG1", words=words)


def raw(content: bytes) -> Case:
    return Case(lambda: passport({_DG1: content}), Refused(CheckId.DOCUMENT_CONTENTS, Reason.FILE_MALFORMED, "DG1"))


def name_is(surname: str, given: str, text: str) -> Case:
    def also(result: VerificationResult, card: Card) -> None:
        assert result.holder is not None
        assert result.holder.reveal().name == ", ".join(part for part in (surname, given) if part)

    return Case(lambda: both_say(name=text), Accepted(), also=also)


def unknown_birth(birth: str) -> Case:
    def also(result: VerificationResult, card: Card) -> None:
        assert result.holder is not None
        assert result.holder.reveal().birth is None

    def document() -> Card:
        """Data page, keys and DG1 leave out the same part of the date."""
        text = mrz(birth=birth)
        return with_image(passport({_DG1: dg1(text)}), mrz=text, mrz_information=mrz_information(text))

    return Case(document, Accepted(), also=also)


CASES = {
    "LDS_B_01": Case(lambda: both_say(optional=_OPTIONAL), Accepted()),
    "LDS_B_02": name_is("NGUYEN VAN", "A", "NGUYEN<VAN<<A"),
    "LDS_B_03": name_is("ARKFREITH", "", "ARKFREITH"),
    "LDS_B_05": raw(wrong_tag(usual(_DG1), 0x62)),
    "LDS_B_06": raw(declared(usual(_DG1), -1)),
    "LDS_B_07": raw(declared(usual(_DG1), 1)),
    "LDS_B_08": said(field("document_code"), code="X<"),
    "LDS_B_09": said(field("issuing_state"), state="U1O"),
    "LDS_B_10": said(field("name"), name=""),
    "LDS_B_11": said(
        Refused(CheckId.DOCUMENT_CONTENTS, Reason.FIELDS_DIFFER, "DG1"),
        "the whole MRZ of the data page was given to open the chip",
        name="MUSTERFRAU<<ANOTHER",
    ),
    "LDS_B_12": said(
        Refused(CheckId.DOCUMENT_CONTENTS, Reason.FIELDS_DIFFER, "DG1"),
        "the MRZ that opened the chip is that of the data page",
        number=("X" if mrz()[44] != "X" else "Y") + mrz()[45:53],
    ),
    "LDS_B_13": said(field("check digit of document_number"), number_check=wrong_digit(mrz()[44:53])),
    "LDS_B_14": said(field("nationality"), nationality="U1O"),
    "LDS_B_15": said(field("date_of_birth"), birth="9A" + _BIRTH[2:]),
    "LDS_B_16": said(field("date_of_birth"), birth=_BIRTH[:2] + "1332"),
    "LDS_B_17": said(field("check digit of date_of_birth"), birth_check=wrong_digit(_BIRTH)),
    "LDS_B_18": said(field("sex"), sex="A"),
    "LDS_B_19": said(
        Refused(CheckId.DOCUMENT_VALIDITY, Reason.DATE_UNREADABLE, status=CheckStatus.UNDETERMINED),
        expiry="3A" + _EXPIRY[2:],
    ),
    "LDS_B_20": said(
        Refused(CheckId.DOCUMENT_VALIDITY, Reason.DATE_UNREADABLE, status=CheckStatus.UNDETERMINED),
        expiry=_EXPIRY[:2] + "1332",
    ),
    "LDS_B_21": said(
        Refused(CheckId.DOCUMENT_VALIDITY, Reason.CHECK_DIGIT, status=CheckStatus.UNDETERMINED),
        expiry_check=wrong_digit(_EXPIRY),
    ),
    "LDS_B_22": said(field("check digit of optional_data"), optional=_OPTIONAL, optional_check=wrong_digit(_OPTIONAL)),
    "LDS_B_23": said(field("check digit of composite"), composite=str((int(mrz()[87]) + 1) % 10)),
    "LDS_B_24": raw(tlv(0x61, b"")),
    "LDS_B_25": unknown_birth(_BIRTH[:4] + "<<"),
    "LDS_B_26": unknown_birth(_BIRTH[:2] + "<<" + _BIRTH[4:]),
    "LDS_B_27": unknown_birth("<<" + _BIRTH[2:]),
    "LDS_B_28": unknown_birth("<<<<<<"),
}


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
