"""Unit LDS_F: DG14. A chip authentication that cannot be run proves nothing, and the file's form says why."""

from __future__ import annotations

import pytest

from idverify._tlv import encode as tlv
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import ChipAuthenticationInfo, SecurityInfo
from idverify.emulator import _der
from idverify.report import CheckId, CheckStatus, Reason
from idverify.verification import VerificationResult
from tests.conformance.documents import declared, passport, usual, wrong_tag
from tests.conformance.inspection import Case, Refused

_DG14 = FileId.DG14
_INFOS = DG14.parse(usual(_DG14)).security_infos.infos
_ILLEGAL = "0.4.0.127.0.7.2.2.1.3"


def file_of(*infos: bytes) -> bytes:
    return tlv(0x6E, tlv(0x31, *infos))


def with_info(old: type[SecurityInfo], new: bytes) -> bytes:
    """DG14 with one kind of info written otherwise."""
    return file_of(*(new if isinstance(i, old) else i.encode() for i in _INFOS))


def with_protocol(info: SecurityInfo, protocol: bytes) -> bytes:
    """The info with another encoding in the place of its object identifier."""
    encoded = info.encode()
    return (
        encoded.replace(_der.oid(info.protocol), protocol)
        if protocol
        else tlv(0x30, encoded[2 + (encoded[1] & 0x7F if encoded[1] & 0x80 else 0) :][len(_der.oid(info.protocol)) :])
    )


_KEY = next(i for i in _INFOS if not isinstance(i, ChipAuthenticationInfo))
_PROTOCOL = next(i for i in _INFOS if isinstance(i, ChipAuthenticationInfo))

MALFORMED = Refused(CheckId.DOCUMENT_CONTENTS, Reason.FILE_MALFORMED, "DG14")


def unproven(result: VerificationResult, card: object) -> None:
    """Chip authentication did not count as passed."""
    assert result.report.status(CheckId.CHIP_AUTHENTICATION) in (CheckStatus.UNDETERMINED, CheckStatus.NOT_SUPPORTED)


def refused(raw: bytes, reaction: Refused = MALFORMED) -> Case:
    return Case(lambda: passport({_DG14: raw}), reaction, also=unproven)


CASES = {
    "LDS_F_01": refused(wrong_tag(usual(_DG14), 0x6F)),
    "LDS_F_02": refused(declared(usual(_DG14), -1)),
    "LDS_F_03": refused(declared(usual(_DG14), 1)),
    "LDS_F_04": refused(
        with_info(type(_KEY), with_protocol(_KEY, _der.oid(_ILLEGAL))),
        Refused(CheckId.DOCUMENT_CONTENTS, Reason.PROFILE_DEVIATION, "DG14", words="protocol without its key"),
    ),
    "LDS_F_05": refused(with_info(type(_KEY), with_protocol(_KEY, b""))),
    "LDS_F_06": refused(
        with_info(ChipAuthenticationInfo, _der.sequence(_der.oid(_PROTOCOL.protocol), _der.integer(10)))
    ),
    "LDS_F_07": refused(with_info(ChipAuthenticationInfo, _der.sequence(_der.oid(_PROTOCOL.protocol)))),
}


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
