"""Unit LDS_E: DG4. The chip hands it out without terminal authentication here: what counts is what is inside."""

from __future__ import annotations

import pytest

from idverify.chip.lds.dg4 import DG4
from idverify.chip.lds.files import FileId
from idverify.chip.lds.images import ImageFormat
from idverify.emulator import Card
from idverify.report import CheckId, Reason
from idverify.verification import VerificationResult
from tests.conformance.documents import (
    BIOMETRIC,
    IRIS_HEADER,
    changed,
    declared,
    fingers,
    iris,
    irises,
    passport,
    second_without_data,
    two_irises,
    without_count,
    wrong_tag,
)
from tests.conformance.inspection import Accepted, Case, Refused


def document(raw: bytes) -> Card:
    return passport({FileId.DG3: fingers(2, 7), FileId.DG4: raw}, profile=BIOMETRIC, guarded=False)


def refused(raw: bytes) -> Case:
    return Case(lambda: document(raw), Refused(CheckId.DOCUMENT_CONTENTS, Reason.FILE_MALFORMED, "DG4"))


def deviating(raw: bytes, words: str) -> Case:
    reaction = Refused(CheckId.DOCUMENT_CONTENTS, Reason.PROFILE_DEVIATION, "DG4", words=words)
    return Case(lambda: document(raw), reaction)


def images(raw: bytes, form: ImageFormat) -> Case:
    def also(result: VerificationResult, card: Card) -> None:
        found = DG4.parse(result.files.reveal()[FileId.DG4]).images
        assert [(i.eye, i.image_format) for i in found] == [(1, form), (2, form)]

    return Case(lambda: document(raw), Accepted(), also=also)


CASES = {
    "LDS_E_01": images(irises(0x0E), ImageFormat.JP2),
    "LDS_E_02": images(irises(0x02), ImageFormat.RAW),
    "LDS_E_03": refused(wrong_tag(two_irises(), 0x77)),
    "LDS_E_04": deviating(declared(two_irises(), -1), "length"),
    "LDS_E_05": deviating(declared(two_irises(), 1), "length"),
    "LDS_E_06": refused(without_count(two_irises())),
    "LDS_E_07": refused(two_irises(changed(IRIS_HEADER, t87=b"\x01\xff"))),
    "LDS_E_08": refused(two_irises(changed(IRIS_HEADER, t87=None))),
    "LDS_E_09": refused(two_irises(changed(IRIS_HEADER, t88=b"\x00\x0f"))),
    "LDS_E_10": refused(two_irises(changed(IRIS_HEADER, t88=None))),
    "LDS_E_11": deviating(two_irises(changed(IRIS_HEADER, t82=b"\xfe")), "biometric subtype"),
    "LDS_E_12": deviating(two_irises(changed(IRIS_HEADER, t82=None)), "biometric subtype is missing"),
    "LDS_E_13": refused(two_irises(record=b"FIS\0" + iris(1).encode()[4:])),
    "LDS_E_14": refused(second_without_data(two_irises())),
}


def test_the_usual_file_is_exact() -> None:
    assert DG4.parse(two_irises()).problems == ()


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
