"""Unit LDS_J: EF.CardSecurity repeats, signed, what EF.CardAccess says to everybody (ICAO 9303-11 §9.2.11)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import (
    CardInfo,
    ChipAuthenticationPublicKeyInfo,
    PaceInfo,
    SecurityInfo,
    SecurityInfos,
)
from idverify.chip.pki.cms import SignedData
from idverify.emulator import Card, _der
from idverify.report import CheckId, Reason
from tests.conformance.documents import CAM, PKI, passport, usual
from tests.conformance.inspection import Accepted, Case, Refused

_FILE = FileId.CARD_SECURITY
_INFOS = SecurityInfos.parse(SignedData.parse(usual(_FILE, CAM)).content).infos


def signed(infos: Iterable[bytes]) -> Callable[[], Card]:
    raw = PKI.card_security(_der.set_of(*infos, sort=False))
    return lambda: passport(stored={_FILE: raw}, profile=CAM)


def encoded(*infos: SecurityInfo) -> list[bytes]:
    return [i.encode() for i in infos]


_WITHOUT_PACE = [i for i in _INFOS if not isinstance(i, PaceInfo)]
_PACE = next(i for i in _INFOS if isinstance(i, PaceInfo))
_KEY = next(i for i in _INFOS if isinstance(i, ChipAuthenticationPublicKeyInfo))
_OTHER_PARAMETERS = PaceInfo(_PACE.protocol, _PACE.version, 13)
_KEY_WITHOUT_PROTOCOL = _der.sequence(_KEY.encode()[2 + (_KEY.encode()[1] & 0x7F) :][len(_der.oid(_KEY.protocol)) :])

DIFFERS = Refused(CheckId.CARD_SECURITY, Reason.CARD_ACCESS_DIFFERS)

CASES = {
    "LDS_J_01": Case(signed(encoded(*_INFOS, CardInfo("https://card.example/info"))), Accepted()),
    "LDS_J_02": Case(signed(encoded(*_WITHOUT_PACE)), DIFFERS),
    "LDS_J_03": Case(
        signed(encoded(*_WITHOUT_PACE, _OTHER_PARAMETERS)),
        DIFFERS,
        note="the parameters are standardised ones, named in the PACEInfo",
    ),
    "LDS_J_04": Case(
        signed([*encoded(*(i for i in _INFOS if i is not _KEY)), _KEY_WITHOUT_PROTOCOL]),
        Refused(CheckId.CHIP_AUTHENTICATION, Reason.FILE_MALFORMED, "EF.CardSecurity"),
    ),
}


def test_the_usual_document_is_accepted() -> None:
    Case(lambda: passport(profile=CAM), Accepted()).run()


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
