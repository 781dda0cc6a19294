"""The 2011 editions of ISO/IEC 19794-4, -5 and -6: bytes, round trips, damage, and inside DG2 to DG4."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from idverify.chip.lds.dg2 import DG2
from idverify.chip.lds.dg3 import DG3
from idverify.chip.lds.dg4 import DG4
from idverify.chip.lds.images import ImageFormat
from idverify.chip.lds.iso19794_4 import FingerImage, FingerImageRecord, FingerRepresentation
from idverify.chip.lds.iso19794_5 import FaceImage, FaceRecord, FaceRepresentation, FeaturePoint
from idverify.chip.lds.iso19794_6 import IrisImage, IrisImageRecord, IrisRepresentation
from idverify.errors import MalformedDataError
from idverify.formats.representation import Capture

WSQ = b"\xff\xa0\xff\xa4" + bytes(range(60))
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(50))
JP2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(40)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)
TAKEN = bytes.fromhex("07ea0b1a0e0f100123")
CAPTURE = Capture(time=TAKEN, technology=2, vendor=3, device=4, qualities=((80, 5, 6), (70, 7, 8)))

FINGER = FingerImage(
    image=WSQ, image_format=ImageFormat.WSQ, position=7, width=300, height=400, view_number=1, quality=80,
    impression_type=8, representation=FingerRepresentation(capture=CAPTURE, scale_units=2, image_resolution=(197, 198)),
)  # fmt: skip
FACE = FaceImage(
    image=JPEG, image_format=ImageFormat.JPEG, width=300, height=400, gender=1, eye_color=2, hair_color=3,
    property_mask=b"\1\2\3", expression=b"\0\1", pose=b"\1\2\3", pose_uncertainty=b"\4\5\6",
    points=(FeaturePoint(1, 0x31, 5, 6), FeaturePoint(1, 0x32, 7, 8)), quality=80,
    representation=FaceRepresentation(
        capture=CAPTURE, subject_height=170, sampling_rate_level=3, post_acquisition=0x0102, cross_reference=1
    ),
)  # fmt: skip
IRIS = IrisImage(
    image=JP2, image_format=ImageFormat.JP2, eye=2, number=1, quality=80, rotation=5, rotation_uncertainty=6,
    representation=IrisRepresentation(
        capture=CAPTURE, image_type=3, format_code=0x0A, properties=5, width=64, height=48, range=200,
        localisation=bytes(range(12)),
    ),
)  # fmt: skip
FINGERS, FACES, IRISES = FingerImageRecord(images=(FINGER,)), FaceRecord((FACE,)), IrisImageRecord(images=(IRIS,))
HEAD = TAKEN.hex() + "02000300040250000500064600070008"


def test_bytes_of_a_finger_image_record() -> None:
    """ISO/IEC 19794-4:2011 §8: 16 bytes of header; then length, capture head, 18 bytes of the image, its length."""
    length = 4 + 14 + 11 + 18 + 4 + len(WSQ)
    assert FINGERS.encode().hex() == (
        "46495200" "30323000" f"{16 + length:08x}" "0001" "00" "01"
        f"{length:08x}" + HEAD + "07" "01" "02" "01f4" "01f4" "00c5" "00c6" "08" "02" "08" "012c" "0190"
        f"{len(WSQ):08x}" + WSQ.hex()
    )  # fmt: skip


def test_bytes_of_a_face_record() -> None:
    """ISO/IEC 19794-5:2011 §5: 17 bytes of header; 17 of facial information, 8 a point, 11 of the image, its length."""
    length = 4 + 14 + 11 + 17 + 16 + 11 + 4 + len(JPEG)
    assert FACES.encode().hex() == (
        "46414300" "30333000" f"{17 + length:08x}" "0001" "00" "0000"
        f"{length:08x}" + HEAD + "0002" "01" "02" "03" "aa" "010203" "0001" "010203" "040506"
        "0131000500060000" "0132000700080000" "01" "00" "012c" "0190" "03" "0102" "01" "01"
        f"{len(JPEG):08x}" + JPEG.hex()
    )  # fmt: skip


def test_bytes_of_an_iris_image_record() -> None:
    """ISO/IEC 19794-6:2011 §6: 16 bytes of header; number, 27 bytes of the image, its length."""
    length = 4 + 14 + 11 + 2 + 27 + 4 + len(JP2)
    assert IRISES.encode().hex() == (
        "49495200" "30323000" f"{16 + length:08x}" "0001" "00" "01"
        f"{length:08x}" + HEAD + "0001" "02" "03" "0a" "05" "0040" "0030" "08" "00c8" "0005" "0006"
        "000102030405060708090a0b" f"{len(JP2):08x}" + JP2.hex()
    )  # fmt: skip


Parse = Callable[[bytes], FingerImageRecord | FaceRecord | IrisImageRecord]
RECORDS: list[tuple[Parse, FingerImageRecord | FaceRecord | IrisImageRecord]] = [
    (FingerImageRecord.parse, FINGERS),
    (FaceRecord.parse, FACES),
    (IrisImageRecord.parse, IRISES),
]


@pytest.mark.parametrize(("parse", "record"), RECORDS)
def test_round_trips(parse: Parse, record: FingerImageRecord) -> None:
    found = parse(record.encode())
    assert found == record
    assert (found.edition, found.problems) == (2011, ())
    assert found.encode() == record.encode()
    for secret in (WSQ, JPEG, JP2, TAKEN):
        assert repr(secret)[2:20] not in repr(found)


def test_several_representations_with_certificates_and_extended_data() -> None:
    certified = replace(CAPTURE, certifications=((0x0102, 3), (4, 5)), qualities=())
    more = replace(FINGER.representation or FingerRepresentation(), capture=certified, extended=b"\0\1\0\x08more")
    images = (replace(FINGER, quality=254, representation=more), replace(FINGER, position=2, quality=254,
              representation=replace(more, compression=6, capture=Capture()), image=PNG,
              image_format=ImageFormat.PNG))  # fmt: skip
    record = FingerImageRecord(images=images, certified=True)
    found = FingerImageRecord.parse(record.encode())
    assert found == record
    assert found.encode()[14:16] == b"\1\2"  # certification flag; fingers
    assert [found.compression_name(i) for i in found.images] == ["WSQ", "PNG"]
    assert found.pixels_per_inch(found.images[0]) == pytest.approx((500.4, 502.9), abs=0.1)
    eyes = IrisImageRecord(
        images=(
            replace(IRIS, representation=replace(IRIS.representation, extended=b"xy")),  # type: ignore[type-var]
            replace(IRIS, eye=1, number=2),
        )
    )
    assert IrisImageRecord.parse(eyes.encode()) == eyes
    faces = FaceRecord((FACE, replace(FACE, data_type=3, image=PNG, image_format=ImageFormat.PNG)), 1)
    assert FaceRecord.parse(faces.encode()) == faces


@pytest.mark.parametrize(("parse", "record"), RECORDS)
def test_lengths_that_lie_by_a_few_bytes(parse: Parse, record: FingerImageRecord) -> None:
    raw = record.encode()
    head = 17 if raw[:3] == b"FAC" else 16
    for wrong in (-8, 8):
        for at in (8, head):
            changed = raw[:at] + (int.from_bytes(raw[at : at + 4], "big") + wrong).to_bytes(4, "big") + raw[at + 4 :]
            found = parse(changed)
            assert [i.image for i in getattr(found, "images", getattr(found, "faces", ()))]
            problems = (*found.problems, *(p for f in getattr(found, "faces", ()) for p in f.problems))
            assert any("declared length" in p for p in problems) or wrong < 0
    for wrong in (-9, 9, 1 << 20):
        for at in (8, head):
            value = int.from_bytes(raw[at : at + 4], "big") + wrong
            with pytest.raises(MalformedDataError):
                parse(raw[:at] + (value % (1 << 32)).to_bytes(4, "big") + raw[at + 4 :])


@pytest.mark.parametrize(("parse", "record"), RECORDS)
def test_every_cut_is_refused_or_named(parse: Parse, record: FingerImageRecord) -> None:
    raw = record.encode()
    for end in range(len(raw) - 9):
        with pytest.raises(MalformedDataError):
            parse(raw[:end])
    with pytest.raises(MalformedDataError):
        parse(raw + bytes(9))
    assert "bytes follow the last representation" in parse(raw + b"\0").problems


@pytest.mark.parametrize(("parse", "record"), RECORDS)
def test_counts_beyond_the_caps_are_refused(parse: Parse, record: FingerImageRecord) -> None:
    raw = record.encode()
    for count in (b"\0\0", b"\0\2", b"\xff\xff"):
        with pytest.raises(MalformedDataError):
            parse(raw[:12] + count + raw[14:])


@pytest.mark.parametrize(("parse", "record"), RECORDS)
def test_mutations_give_a_record_or_the_one_error(parse: Parse, record: FingerImageRecord) -> None:
    raw, rng, refused = record.encode(), random.Random(7), 0
    for _ in range(2000):
        data = bytearray(raw)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(raw) - 40)] = rng.randrange(256)
        try:
            parse(bytes(data)).encode()
        except MalformedDataError:
            refused += 1
    assert 500 < refused < 2000


def test_codes_that_do_not_fit_are_named() -> None:
    wrong = replace(FINGER, representation=replace(FINGER.representation, compression=6))  # type: ignore[type-var]
    assert FingerImageRecord.parse(FingerImageRecord(images=(wrong,)).encode()).problems == (
        "the compression algorithm is not that of the picture",
    )
    assert FaceRecord.parse(FaceRecord((replace(FACE, data_type=2),)).encode()).faces[0].problems == (
        "the image data type is not that of the picture",
    )
    raw = bytearray(FACES.encode())
    raw[14] = 1
    assert "certification flag" in FaceRecord.parse(bytes(raw)).problems[0]
    odd = replace(IRIS, representation=replace(IRIS.representation, format_code=7))  # type: ignore[type-var]
    assert IrisImageRecord.parse(IrisImageRecord(images=(odd,)).encode()).problems == (
        "the image format is not a code of the standard",
    )


def test_numbers_that_do_not_fit_are_not_written() -> None:
    with pytest.raises(ValueError, match="field"):
        FingerImageRecord(images=(replace(FINGER, width=1 << 16),)).encode()
    with pytest.raises(ValueError, match="field"):
        FaceRecord((replace(FACE, height=1 << 16),)).encode()
    with pytest.raises(ValueError, match="field"):
        IrisImageRecord(images=(replace(IRIS, eye=256),)).encode()
    with pytest.raises(ValueError, match="field"):
        Capture(qualities=((256, 0, 0),)).encode(certified=False)


def test_inside_the_data_groups() -> None:
    assert DG2.parse(DG2.encode([FACE])).faces == (FACE,)
    dg3 = DG3.parse(DG3.encode([FINGERS]))
    assert (dg3.records, dg3.problems) == ((FINGERS,), ())
    assert dg3.resolutions == pytest.approx((500.4,), abs=0.1)
    assert DG4.parse(DG4.encode([IRISES])).records == (IRISES,)


def test_data_groups_in_39794_of_either_edition() -> None:
    fingers = DG3.parse(DG3.encode([FINGERS, FingerImageRecord(images=(replace(FINGER, representation=None),))],
                                   extensible=True))  # fmt: skip
    assert [(i.position, i.impression_type, i.image) for i in fingers.images] == [(7, 8, WSQ)] * 2
    assert (fingers.resolutions, fingers.problems) == ((500.0, 500.0), ())
    assert {i.data_tag for i in fingers.instances} == {0x7F2E}
    assert [i.header.biometric_subtype for i in fingers.instances] == [0x0A, 0x0A]
    eyes = DG4.parse(DG4.encode([IRISES], extensible=True, captured=(2026,)))
    assert [(i.eye, i.image) for i in eyes.images] == [(2, JP2)]
    assert eyes.data_blocks[0].representations[0].code(0xA1) == 3
    with pytest.raises(ValueError, match="year"):
        DG4.encode([IRISES], extensible=True)


def test_several_images_of_a_record_are_several_representations() -> None:
    record = FingerImageRecord(images=(FINGER, replace(FINGER, position=8), replace(FINGER, position=9)))
    dg3 = DG3.parse(DG3.encode([record], extensible=True))
    (block,) = dg3.data_blocks
    assert [r.position for r in block.representations] == [7, 8, 9]
    assert [i.position_name for i in dg3.images] == ["left index", "left middle", "left ring"]
    assert len(dg3.resolutions) == 3
    eyes = IrisImageRecord(images=(IRIS, replace(IRIS, eye=1)))
    dg4 = DG4.parse(DG4.encode([eyes], extensible=True, captured=(2026, 11)))
    assert [i.eye for i in dg4.images] == [2, 1]
    assert [r.captured for r in dg4.data_blocks[0].representations] == [(2026, 11)] * 2


def test_raw_pixels_become_grey_maps_and_others_are_refused() -> None:
    raw = replace(FINGER, image=bytes(12), image_format=ImageFormat.RAW, width=3, height=4, representation=None)
    (image,) = DG3.parse(DG3.encode([FingerImageRecord(images=(raw,), compression=0)], extensible=True)).images
    assert (image.image_format, image.image) == (ImageFormat.PGM, b"P5\n3 4\n255\n" + bytes(12))
    iris = IrisImage(image=bytes(12), image_format=ImageFormat.RAW, eye=1)
    record = IrisImageRecord(images=(iris,), width=3, height=4, depth=8, format_code=2)
    (eye,) = DG4.parse(DG4.encode([record], extensible=True, captured=(2026,))).images
    assert eye.image_format is ImageFormat.PGM
    with pytest.raises(MalformedDataError, match="raw pixels"):
        DG3.encode([FingerImageRecord(images=(replace(raw, width=5),))], extensible=True)
    with pytest.raises(MalformedDataError, match="raw pixels"):
        DG4.encode([replace(record, width=5)], extensible=True, captured=(2026,))
    jpeg = replace(raw, image=JPEG, image_format=ImageFormat.JPEG)
    with pytest.raises(MalformedDataError, match="expected PGM"):
        DG3.encode([FingerImageRecord(images=(jpeg,))], extensible=True)


def test_a_wrong_subtype_of_a_block_is_named() -> None:
    raw = bytearray(DG3.encode([FINGERS], extensible=True))
    at = raw.index(bytes.fromhex("82010a"))
    raw[at + 2] = 0x09
    assert DG3.parse(bytes(raw)).problems == ("the biometric subtype is not that of the record",)
    with contextlib.suppress(MalformedDataError):
        DG3.parse(bytes(raw[:-1]))
