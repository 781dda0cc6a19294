"""Unit LDS_C: DG2. Every document here is signed as it is; what is wrong is its structure or its codes."""

from __future__ import annotations

import pytest

from idverify._tlv import encode as tlv
from idverify.biometric.codecs import decode_image
from idverify.chip.lds.files import FileId
from idverify.chip.lds.iso19794_5 import FaceRecord, FeaturePoint
from idverify.emulator import Card
from idverify.report import CheckId, Reason
from idverify.verification import VerificationResult
from tests.conformance.documents import (
    FACE_HEADER,
    changed,
    declared,
    dg2,
    face_record,
    jpeg2000,
    passport,
    usual,
    without_count,
    wrong_tag,
)
from tests.conformance.inspection import Accepted, Case, Refused

_DG2 = FileId.DG2
_POINTS = tuple(FeaturePoint(1, 0x30 + n, 40 + n, 60 + n) for n in range(8))


def refused(raw: bytes) -> Case:
    return Case(lambda: passport({_DG2: raw}), Refused(CheckId.DOCUMENT_CONTENTS, Reason.FILE_MALFORMED, "DG2"))


def deviating(raw: bytes, words: str, note: str = "") -> Case:
    reaction = Refused(CheckId.DOCUMENT_CONTENTS, Reason.PROFILE_DEVIATION, "DG2", words=words)
    return Case(lambda: passport({_DG2: raw}), reaction, note=note)


def shown(raw: bytes, media_type: str) -> Case:
    """The portrait can be shown."""

    def also(result: VerificationResult, card: Card) -> None:
        assert result.portrait is not None
        assert result.portrait_format == media_type
        assert decode_image(result.portrait.reveal()).shape[2] == 3

    return Case(lambda: passport({_DG2: raw}), Accepted(), also=also)


def patched(position: int, new: bytes, **changes: object) -> bytes:
    """A face record with other bytes at ``position``."""
    record = face_record(**changes)
    return record[:position] + new + record[position + len(new) :]


def too_short_by_the_points() -> bytes:
    """The face's length leaves the feature points out (ISO/IEC 19794-5 §5.5.1)."""
    record = face_record(points=_POINTS)
    length = int.from_bytes(record[14:18], "big") - 8 * len(_POINTS)
    return record[:14] + length.to_bytes(4, "big") + record[18:]


CASES = {
    "LDS_C_01": shown(dg2(record=face_record(picture=jpeg2000())), "image/jp2"),
    "LDS_C_02": shown(dg2(record=face_record()), "image/jpeg"),
    "LDS_C_03": shown(dg2(record=face_record(picture=jpeg2000(), points=_POINTS)), "image/jp2"),
    "LDS_C_04": refused(wrong_tag(usual(_DG2), 0x76)),
    "LDS_C_05": deviating(declared(usual(_DG2), -1), "length"),
    "LDS_C_06": deviating(declared(usual(_DG2), 1), "length"),
    "LDS_C_07": refused(without_count(dg2())),
    "LDS_C_08": refused(dg2(changed(FACE_HEADER, t87=b"\x01\xff"))),
    "LDS_C_09": refused(dg2(changed(FACE_HEADER, t87=None))),
    "LDS_C_10": refused(dg2(changed(FACE_HEADER, t88=b"\x00\x09"))),
    "LDS_C_11": refused(dg2(changed(FACE_HEADER, t88=None))),
    "LDS_C_13": deviating(dg2(changed(FACE_HEADER, t81=b"\x08")), "biometric type"),
    "LDS_C_14": refused(dg2(record=patched(0, b"FAD\0"))),
    "LDS_C_15": refused(dg2(record=patched(4, b"099\0"))),
    "LDS_C_16": deviating(dg2(record=too_short_by_the_points()), "declared length"),
    "LDS_C_17": deviating(dg2(record=face_record(gender=0x7F)), "gender"),
    "LDS_C_18": deviating(dg2(record=face_record(eye_color=0x7F)), "eye color"),
    "LDS_C_19": deviating(dg2(record=face_record(hair_color=0x7F)), "hair color"),
    "LDS_C_20": deviating(dg2(record=face_record(pose=b"\xf0\x00\x00")), "pose angle"),
    "LDS_C_21": deviating(dg2(record=face_record(pose=b"\x00\xf0\x00")), "pose angle"),
    "LDS_C_22": deviating(dg2(record=face_record(pose=b"\x00\x00\xf0")), "pose angle"),
    "LDS_C_23": deviating(dg2(record=face_record(pose_uncertainty=b"\xf0\x00\x00")), "pose angle uncertainty"),
    "LDS_C_24": deviating(dg2(record=face_record(pose_uncertainty=b"\x00\xf0\x00")), "pose angle uncertainty"),
    "LDS_C_25": deviating(dg2(record=face_record(pose_uncertainty=b"\x00\x00\xf0")), "pose angle uncertainty"),
    "LDS_C_26": deviating(dg2(record=face_record(image_type=0x7F)), "face image type"),
    "LDS_C_27": deviating(dg2(record=face_record(data_type=0x7F)), "image data type"),
    "LDS_C_28": refused(
        tlv(0x75, tlv(0x7F61, tlv(0x02, b"\x01"), tlv(0x7F60, tlv(0xA1, *(tlv(t, v) for t, v in FACE_HEADER.items())))))
    ),
}


def test_the_usual_record_is_exact() -> None:
    assert FaceRecord.parse(face_record()).problems == ()


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
