"""Unit LDS_A: EF.COM. It is not signed, so a wrong one is refused for its form, or for contradicting EF.SOD."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from idverify._tlv import encode as tlv
from idverify.chip.lds.files import FileId
from idverify.emulator import Card
from idverify.report import CheckId, Reason
from tests.conformance.documents import BAC, declared, passport, usual, wrong_tag
from tests.conformance.inspection import Accepted, Case, Refused

_COM = FileId.COM
_TAGS = bytes([0x61, 0x75, 0x6E])


def com(raw: bytes) -> Callable[[], Card]:
    return lambda: passport({_COM: raw})


def built(lds: bytes | None = b"0107", unicode: bytes | None = b"040000", tags: bytes | None = _TAGS) -> bytes:
    parts = ((0x5F01, lds), (0x5F36, unicode), (0x5C, tags))
    return tlv(0x60, *(tlv(tag, value) for tag, value in parts if value is not None))


def form(words: str) -> Refused:
    return Refused(CheckId.DOCUMENT_CONTENTS, Reason.PROFILE_DEVIATION, "EF.COM", words=words)


MALFORMED = Refused(CheckId.COM_SOD, Reason.FILE_MALFORMED)

CASES = {
    "LDS_A_01": Case(com(wrong_tag(usual(_COM), 0x61)), MALFORMED),
    "LDS_A_02": Case(com(declared(usual(_COM), -1)), MALFORMED),
    "LDS_A_03": Case(com(declared(usual(_COM), 1)), MALFORMED),
    "LDS_A_04": Case(com(built(lds=b"0300")), form("LDS version")),
    "LDS_A_05": Case(com(built(lds=None)), form("LDS version is missing")),
    "LDS_A_06": Case(com(built(unicode=b"050000")), form("Unicode version")),
    "LDS_A_07": Case(com(built(unicode=None)), form("Unicode version is missing")),
    "LDS_A_08": Case(com(built(tags=_TAGS[1:])), Refused(CheckId.COM_SOD, Reason.COM_SOD_DIFFER)),
    "LDS_A_09": Case(com(built(tags=None)), MALFORMED),
    "LDS_A_10": Case(
        lambda: passport(profile=replace(BAC, lds_version="0108", security_object_v1=True)),
        Accepted(),
        note="the security object is of version 1, as LDS 1.8 asks",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
