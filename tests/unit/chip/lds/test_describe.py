"""Files in words."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import needs_shared, shared

from idverify import _tlv
from idverify._secret import Secret
from idverify.chip.lds.card_files import AID_EMRTD, Application, EfAtrInfo, EfCvca, EfDir
from idverify.chip.lds.describe import describe
from idverify.chip.lds.details import DG11, DG12, DG16, PersonToNotify
from idverify.chip.lds.dg2 import DG2
from idverify.chip.lds.dg3 import DG3
from idverify.chip.lds.dg4 import DG4
from idverify.chip.lds.dg13_vn import CitizenDetails
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.displayed import DG5, DG7
from idverify.chip.lds.images import ImageFormat
from idverify.chip.lds.iso19794_2 import FingerView, Minutia, MinutiaeRecord, RecordFormat
from idverify.chip.lds.iso19794_4 import FingerImage, FingerImageRecord, FingerRepresentation
from idverify.chip.lds.iso19794_5 import FaceImage, FaceRecord
from idverify.chip.lds.iso39794 import (
    DataBlock,
    Part,
    face_representation,
    finger_representation,
    iris_representation,
    minutiae_representation,
)
from idverify.chip.lds.security_infos import SecurityInfos
from idverify.errors import MalformedDataError

PUBLISHED: dict[str, str] = json.loads((Path(__file__).parents[3] / "vectors" / "lds.json").read_text("utf-8"))
JPEG = b"\xff\xd8\xff\xe0" + bytes(20)
WSQ = b"\xff\xa0\xff\xa4" + bytes(20)
MINUTIAE = MinutiaeRecord(
    views=(FingerView(position=2, quality=80, minutiae=(Minutia(1, 2, 3),)),), width=30, height=40
)
PGM = b"P5\n1 1\n255\n\0"
FACE = FaceImage.of(JPEG, width=300, height=400)
FINGERS_2011 = FingerImageRecord(
    images=(
        FingerImage(
            image=WSQ, image_format=ImageFormat.WSQ, position=7, width=30, height=40,
            representation=FingerRepresentation(scale_units=2, image_resolution=(200, 197)),
        ),
    )
)  # fmt: skip
CARD_ACCESS = bytes.fromhex(PUBLISHED["card_access_citizen"])

CASES: list[tuple[bytes, str, str, str]] = [
    (bytes.fromhex(PUBLISHED["com_lds_1_7"]), "EF.COM", "data groups", "DG1, DG2, DG4, DG12"),
    (bytes.fromhex(PUBLISHED["dg1_td3"]), "DG1", "surname", "ERIKSSON"),
    (CARD_ACCESS, "EF.CardAccess", "PaceInfo", "ECDH, GM mapping, AES-128, version 2, parameter id 13"),
    (DG14.encode(SecurityInfos.parse(CARD_ACCESS)), "DG14", "ChipAuthenticationInfo", "ECDH, AES-128, version 1"),
    (DG2.encode([FACE]), "DG2", "face 1", "image/jpeg, 300 x 400 pixels, 24 bytes"),
    (DG2.encode([FACE], extensible=True), "DG2", "record", "ISO/IEC 39794-5"),
    (FaceRecord((FACE,)).encode(), "ISO/IEC 19794-5 face record", "face 1", "image/jpeg, 300 x 400 pixels, 24 bytes"),
    (DG3.encode([]), "DG3", "fingers", "none"),
    (DG4.encode([]), "DG4", "irises", "none"),
    (DG5.encode([JPEG]), "DG5", "picture 1", "image/jpeg, 24 bytes"),
    (DG7.encode([b"x"]), "DG7", "picture 1", "unknown format, 1 bytes"),
    (_tlv.encode(0x68, b"\x02\1\1"), "DG8", "object 02", "1 bytes"),
    (_tlv.encode(0x69, b"\xff"), "DG9", "content", "1 bytes of the issuer's own"),
    (DG11.of(full_name="MẪU<<THỬ", other_names=("THỬ",)).encode(), "DG11", "other name", "THỬ"),
    (DG12.of(issuing_authority="UTOPIA").encode(), "DG12", "issuing authority", "UTOPIA"),
    (CitizenDetails(full_name="Mẫu Thử").encode(), "DG13 of the Vietnamese citizen card", "full name", "Mẫu Thử"),
    (_tlv.encode(0x6D, b"opaque"), "DG13", "content", "6 bytes of the issuer's own"),
    (DG16.of([PersonToNotify(name="MẪU<<THỬ", telephone="0")]).encode(), "DG16", "person 1", "MẪU<<THỬ, 0"),
    (EfDir.encode([Application(AID_EMRTD, "eMRTD")]), "EF.DIR", "application", "A0000002471001 eMRTD"),
    (EfAtrInfo.encode(max_lengths=(9, 10)), "EF.ATR/INFO", "greatest command and response", "9 and 10 bytes"),
    (EfCvca.encode(["UTCVCA00001"]), "EF.CVCA", "trust point", "UTCVCA00001"),
    (DataBlock(Part.FINGER_IMAGE, (finger_representation(WSQ, position=1, resolution=500),)).encode(),
     "ISO/IEC 39794-4 data block", "representation 1", "right thumb: image/x-wsq, 500 pixels an inch, 24 bytes"),
    (DataBlock(Part.IRIS_IMAGE, (iris_representation(PGM, eye=2, captured=[2026], quality=(1, 2, 80)),)).encode(),
     "ISO/IEC 39794-6 data block", "representation 1",
     "left eye: image/x-portable-graymap, 12 bytes, quality 80"),
    (DataBlock(Part.FACE_IMAGE, (face_representation(JPEG, size=(3, 4)),)).encode(),
     "ISO/IEC 39794-5 data block", "representation 1", "image/jpeg, 3 x 4 pixels, 24 bytes"),
    (MINUTIAE.encode(), "ISO/IEC 19794-2:2005 finger minutiae record", "view 1",
     "finger position 2, 1 minutiae, quality 80"),
    (replace(MINUTIAE, format=RecordFormat.ANSI_2009).encode(), "ANSI/INCITS 378-2009 finger minutiae record", "image",
     "30 x 40 pixels"),
    (replace(MINUTIAE, format=RecordFormat.NBIS_RS).encode(), "nbis-rs finger minutiae record", "image",
     "30 x 40 pixels"),
    (DG3.encode([FINGERS_2011]), "DG3", "record", "ISO/IEC 19794-4:2011"),
    (DG3.encode([FINGERS_2011], extensible=True), "DG3", "record", "ISO/IEC 39794-4"),
    (DG3.encode([FINGERS_2011]), "DG3", "finger 1", "left index: image/x-wsq, 30 x 40 pixels, 24 bytes"),
    (FINGERS_2011.encode(), "ISO/IEC 19794-4 finger image record", "resolution", "508 x 500 pixels an inch"),
    (FINGERS_2011.encode(), "ISO/IEC 19794-4 finger image record", "edition", "2011"),
    (DataBlock(Part.FINGER_MINUTIAE, (minutiae_representation([(0x80, b"\0")]),)).encode(wrapped=False),
     "ISO/IEC 39794-2 data block", "representation 1", "1 objects, not interpreted"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "kind", "label", "text"), CASES, ids=[f"{k} {n}" for _, k, n, _ in CASES])
def test_each_kind_is_told_and_described(raw: bytes, kind: str, label: str, text: str) -> None:
    found = describe(raw)
    assert found.kind == kind
    value = dict(found.lines)[label]
    assert (value.reveal() if isinstance(value, Secret) else value) == text


@pytest.mark.parametrize("kind", ["DG1", "DG11", "DG13 of the Vietnamese citizen card", "DG16"])
def test_personal_data_is_secret(kind: str) -> None:
    raw = next(r for r, k, _, _ in CASES if k == kind)
    found = describe(raw)
    assert found.personal
    for word in ("ERIKSSON", "MẪU", "Mẫu", "THỬ"):
        assert word not in str(found.lines) + repr(found)


def test_other_files_are_not_personal_and_problems_are_told() -> None:
    assert not describe(CARD_ACCESS).personal
    assert describe(CARD_ACCESS + b"\0\0").problems == ("2 bytes follow the SET",)
    assert describe(bytes.fromhex(PUBLISHED["com_lds_15_99"])).problems


@needs_shared
def test_every_published_file_is_described_or_refused_as_the_index_says() -> None:
    refused = set()
    for entry in json.loads(shared("vectors/lds/index.json").read_text("utf-8")):
        name = entry["file"]
        if name.endswith("sod.bin"):
            continue
        try:
            assert describe(shared(f"vectors/{name}").read_bytes()).kind
        except MalformedDataError:
            refused.add(Path(name).stem)
    assert refused == {
        "dg14_chip_authentication_info_version_16",
        "dg15_wrong_tag_70",
        "dg2_jpeg_header_only",
        "dg2_jpeg2000_header_only",
        "dg7_empty_image",
    }


@pytest.mark.parametrize("raw", [b"", b"\x77\0", b"\x30\0", b"hello", b"FAC\0", b"\x61\0"])
def test_what_is_not_known_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedDataError):
        describe(raw)


@given(st.sampled_from([c[0] for c in CASES]), st.data())
@settings(deadline=None, max_examples=400)
def test_mutations_give_words_or_the_one_error(original: bytes, data: st.DataObject) -> None:
    raw = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedDataError):
        describe(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
