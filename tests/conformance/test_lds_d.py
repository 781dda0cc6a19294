"""Unit LDS_D: DG3. The chip hands it out without terminal authentication here: what counts is what is inside."""

from __future__ import annotations

import pytest

from idverify.chip.lds.dg3 import DG3
from idverify.chip.lds.files import FileId
from idverify.chip.lds.images import ImageFormat
from idverify.emulator import Card
from idverify.report import CheckId, Reason
from idverify.verification import VerificationResult
from tests.conformance.documents import (
    BIOMETRIC,
    FINGER_HEADER,
    changed,
    declared,
    finger,
    fingers,
    irises,
    passport,
    second_without_data,
    two_fingers,
    without_count,
    wrong_tag,
)
from tests.conformance.inspection import Accepted, Case, Reaction, Refused


def document(raw: bytes) -> Card:
    return passport({FileId.DG3: raw, FileId.DG4: irises()}, profile=BIOMETRIC, guarded=False)


def case(raw: bytes, reaction: Reaction) -> Case:
    return Case(lambda: document(raw), reaction)


def refused(raw: bytes) -> Case:
    return case(raw, Refused(CheckId.DOCUMENT_CONTENTS, Reason.FILE_MALFORMED, "DG3"))


def deviating(raw: bytes, words: str) -> Case:
    return case(raw, Refused(CheckId.DOCUMENT_CONTENTS, Reason.PROFILE_DEVIATION, "DG3", words=words))


def images(raw: bytes, form: ImageFormat, count: int) -> Case:
    def also(result: VerificationResult, card: Card) -> None:
        found = DG3.parse(result.files.reveal()[FileId.DG3]).images
        assert [i.image_format for i in found] == [form] * count
        assert all(i.image in card.files[FileId.DG3] for i in found)

    return Case(lambda: document(raw), Accepted(), also=also)


CASES = {
    "LDS_D_01": images(fingers(2, 7, compression=4), ImageFormat.JP2, 2),
    "LDS_D_02": images(fingers(2, 7), ImageFormat.WSQ, 2),
    "LDS_D_03": images(fingers(1, 2, 7), ImageFormat.WSQ, 3),
    "LDS_D_04": refused(wrong_tag(two_fingers(), 0x64)),
    "LDS_D_05": deviating(declared(two_fingers(), -1), "length"),
    "LDS_D_06": deviating(declared(two_fingers(), 1), "length"),
    "LDS_D_07": refused(without_count(two_fingers())),
    "LDS_D_08": refused(two_fingers(changed(FINGER_HEADER, t87=b"\x01\xff"))),
    "LDS_D_09": refused(two_fingers(changed(FINGER_HEADER, t87=None))),
    "LDS_D_10": refused(two_fingers(changed(FINGER_HEADER, t88=b"\x00\x09"))),
    "LDS_D_11": refused(two_fingers(changed(FINGER_HEADER, t88=None))),
    "LDS_D_12": deviating(two_fingers(changed(FINGER_HEADER, t82=b"\xfe")), "biometric subtype"),
    "LDS_D_13": deviating(two_fingers(changed(FINGER_HEADER, t82=None)), "biometric subtype is missing"),
    "LDS_D_14": refused(two_fingers(record=b"PIR\0" + finger(2)[4:])),
    "LDS_D_15": refused(second_without_data(two_fingers())),
    "LDS_D_16": images(fingers(2, 7, compression=0), ImageFormat.RAW, 2),
}


def test_the_usual_file_is_exact() -> None:
    assert DG3.parse(two_fingers()).problems == ()


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
