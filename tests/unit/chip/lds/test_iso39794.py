"""ISO/IEC 39794 data blocks, alone and in DG2."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import needs_shared, shared

from idverify import _tlv
from idverify.chip.lds import cbeff
from idverify.chip.lds.dg2 import DG2
from idverify.chip.lds.dg4 import DG4
from idverify.chip.lds.images import ImageFormat
from idverify.chip.lds.iso19794_5 import FaceImage, FeaturePoint
from idverify.chip.lds.iso39794 import (
    DataBlock,
    Part,
    Representation,
    face_representation,
    finger_representation,
    iris_representation,
    minutiae_representation,
)
from idverify.chip.lds.landmarks import LANDMARKS, read_landmarks, write_landmarks
from idverify.errors import MalformedDataError

JPEG = b"\xff\xd8\xff\xe0" + bytes(300)
J2K = b"\xff\x4f\xff\x51" + bytes(30)
WSQ = b"\xff\xa0\xff\xa4" + bytes(30)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)
PGM = b"P5\n1 1\n255\n\0"


@needs_shared
def test_published_dg2_byte_for_byte() -> None:
    raw = shared("vectors/face_39794/dg2_mandatory_fields.bin").read_bytes()
    dg2 = DG2.parse(raw)
    (block,) = dg2.data_blocks
    assert (block.part, block.generation, block.year) == (Part.FACE_IMAGE, 3, 2019)
    assert dg2.portrait.image_format is ImageFormat.JP2
    assert dg2.portrait.image == raw[76 : 76 + 15000]
    assert dg2.problems == ()
    assert DG2.encode(dg2.faces, extensible=True) == raw
    (instance,) = cbeff.parse_group(raw, 0x75, what="DG2").instances
    assert block.encode() == instance.data


def test_faces_with_size_in_dg2() -> None:
    faces = (FaceImage.of(JPEG, width=413, height=531), FaceImage.of(J2K, width=1, height=2))
    dg2 = DG2.parse(DG2.encode(faces, extensible=True))
    assert [(f.image, f.image_format, f.width, f.height) for f in dg2.faces] == [
        (JPEG, ImageFormat.JPEG, 413, 531),
        (J2K, ImageFormat.J2K, 1, 2),
    ]
    assert [b.representations[0].size for b in dg2.data_blocks] == [(413, 531), (1, 2)]
    assert dg2.problems == ()
    assert "ffd8" not in repr(dg2)


def test_a_face_that_is_no_jpeg_is_named_and_not_written() -> None:
    block = DataBlock(Part.FACE_IMAGE, (face_representation(JPEG),)).encode().replace(JPEG, b"GIF89a" + JPEG[6:])
    header = cbeff.BiometricHeader.make(format_type=0x2A)
    raw = cbeff.encode_group(0x75, [cbeff.BiometricInstance(header, block, 0x7F2E)])
    assert DG2.parse(raw).problems == ("the picture is neither JPEG nor JPEG 2000",)
    with pytest.raises(MalformedDataError, match="JPEG"):
        face_representation(b"GIF89a")


def test_another_part_in_dg2_is_refused() -> None:
    block = DataBlock(Part.FINGER_IMAGE, (finger_representation(WSQ, position=1),)).encode()
    header = cbeff.BiometricHeader.make(format_type=0x2A)
    with pytest.raises(MalformedDataError, match="no face image"):
        DG2.parse(cbeff.encode_group(0x75, [cbeff.BiometricInstance(header, block, 0x7F2E)]))


@pytest.mark.parametrize(("image", "code"), [(WSQ, 1), (J2K, 2), (PNG, 4), (PGM, 0)])
def test_finger_representations(image: bytes, code: int) -> None:
    made = finger_representation(image, position=7, impression=24)
    (found,) = DataBlock.parse(DataBlock(Part.FINGER_IMAGE, (made,)).encode()).representations
    assert found == made
    assert (found.position, found.impression, found.format_code, found.image) == (7, 24, code, image)
    assert (found.size, found.pixels_per_inch, found.quality, found.captured) == (None, None, None, None)


def test_a_finger_representation_is_laid_out_as_the_module_says() -> None:
    """ISO-IEC-39794-4-ed-1-v2: position, impression, format, data, date [4], quality [6], sampling rate [7]."""
    made = finger_representation(
        b"P5 1", position=2, resolution=500, quality=(0x0102, 3, 90), captured=(2026, 11)
    )  # fmt: skip
    assert made.encode().hex() == (
        "3039" "a003800102" "a103800100" "a203800100" "830450352031" "a407800207ea81010b"
        "a610300e" "a00780020102810103" "a10380015a" "a707800201f4810100"
    )  # fmt: skip
    assert (made.pixels_per_inch, made.quality, made.captured) == (500.0, 90, (2026, 11))


def test_sampling_rates_in_centimetres() -> None:
    rate = _tlv.encode(0x80, b"\x00\xc5") + _tlv.encode(0x81, b"\x01")
    found = Representation(Part.FINGER_IMAGE, ((0xA0, _tlv.encode(0x80, b"\2")), (0x83, WSQ), (0xA7, rate)))
    assert found.pixels_per_inch == pytest.approx(500.38)


@pytest.mark.parametrize(("image", "code"), [(J2K, 4), (PNG, 2), (PGM, 0), (b"P6 1 1", 1)])
def test_iris_representations(image: bytes, code: int) -> None:
    made = iris_representation(image, eye=2, captured=(2026, 11, 22), kind=7, distance=300, quality=(1, 1, 70))
    (found,) = DataBlock.parse(DataBlock(Part.IRIS_IMAGE, (made,)).encode(wrapped=False)).representations
    assert found == made
    assert (found.position, found.code(0xA1), found.format_code, found.image) == (2, 7, code, image)
    assert (found.captured, found.quality, found.number(0xA7, 0x80)) == ((2026, 11, 22), 70, 300)


def test_an_iris_representation_is_laid_out_as_the_module_says() -> None:
    """ISO-IEC-39794-6-ed-1-v1: the range or its error is [7], the date [8], the picture [9]."""
    made = iris_representation(b"P5 1", eye=1, captured=(2026,))
    assert made.encode().hex() == (
        "302a" "800101" "a103800101" "820108" "a303800100" "840100" "850100" "860100"
        "a703810100" "a804800207ea" "890450352031"
    )  # fmt: skip


def test_an_iris_without_range_is_read_and_named() -> None:
    """An open reader takes the date from [7] and the picture from [8]: who writes so leaves the range out."""
    made = iris_representation(PGM, eye=2, captured=(2026, 11), quality=(1, 1, 70))
    moved = tuple((t - 1 if t & 0x1F > 7 else t, v) for t, v in made.objects if t != 0xA7)
    block = DataBlock(Part.IRIS_IMAGE, (Representation(Part.IRIS_IMAGE, moved),))
    header = cbeff.BiometricHeader.make(format_type=0x2C, biometric_subtype=2)
    dg4 = DG4.parse(cbeff.encode_group(0x76, [cbeff.BiometricInstance(header, block.encode(), 0x7F2E)]))
    (found,) = dg4.data_blocks[0].representations
    assert (found.image, found.captured, found.quality, found.position) == (PGM, (2026, 11), 70, 2)
    assert dg4.problems == ("the range of the camera is missing",)
    assert not made.lacks_range


def test_pictures_that_a_part_has_no_code_for_are_not_written() -> None:
    for bad in (JPEG, b"GIF89a"):
        with pytest.raises(MalformedDataError, match="expected"):
            finger_representation(bad, position=1)
        with pytest.raises(MalformedDataError, match="expected"):
            iris_representation(bad, eye=1, captured=(2026,))
    with pytest.raises(ValueError, match="fields"):
        iris_representation(PGM, eye=1, captured=())


def test_failed_quality_and_extensions_are_skipped() -> None:
    """A quality block whose score is an error, an unknown object, and an unknown field of the version block."""
    algorithm = _tlv.encode(0xA0, _tlv.encode(0x80, b"\1"), _tlv.encode(0x81, b"\1"))
    error = _tlv.encode(0xA1, _tlv.encode(0xA1, _tlv.encode(0xA1, _tlv.encode(0x80, b"\0"))))
    made = finger_representation(WSQ, position=2)
    objects = (*made.objects, (0xA6, _tlv.encode(0x30, algorithm, error)), (0xBE, b"\x80\1\1"))
    block = DataBlock(
        Part.FINGER_IMAGE, (Representation(Part.FINGER_IMAGE, objects),), version_others=((0x82, b"\x07"),)
    )
    found = DataBlock.parse(block.encode())
    assert found == block
    assert found.encode() == block.encode()
    assert (found.representations[0].quality, found.representations[0].image) == (None, WSQ)


def test_codes_have_a_fallback_in_their_extension() -> None:
    extension = _tlv.encode(0xA1, _tlv.encode(0x80, b"\x1d"))
    found = Representation(Part.FINGER_IMAGE, ((0xA0, extension), (0x83, WSQ)))
    assert found.position == 0x1D
    assert found.code(0xA1) is None
    assert found.number(0x9F) is None


def test_minutiae_are_kept_as_they_are() -> None:
    made = minutiae_representation([(0x80, b"\0"), (0xA1, _tlv.encode(0x80, b"\1"))])
    block = DataBlock(Part.FINGER_MINUTIAE, (made,), year=2020, others=((0xA2, b"\x80\1\1"),))
    found = DataBlock.parse(block.encode())
    assert found == block
    assert found.encode() == block.encode()
    with pytest.raises(MalformedDataError, match="no picture"):
        _ = found.representations[0].image


POINTS = (FeaturePoint(1, 0x21, 0, 1), FeaturePoint(1, 0x3E, 200, 300), FeaturePoint(1, 0xC4, 65_535, 5))


def test_landmarks_are_feature_points() -> None:
    face = replace(FaceImage.of(JPEG, width=413, height=531), points=POINTS)
    dg2 = DG2.parse(DG2.encode([face], extensible=True))
    assert (dg2.portrait.points, dg2.portrait.image, dg2.problems) == (POINTS, JPEG, ())
    (representation,) = dg2.data_blocks[0].representations
    # 2.1 is the first code of id-icao-iso-iec-39794-5-ed-1-v1, 12.4 the last: 87
    blocks = representation.find(LANDMARKS)
    assert blocks is not None
    assert blocks[:25].hex() == "3017a009a007a005a103800100a10aa008a006800100810101"
    assert "800157" in blocks.hex()


def test_landmarks_of_other_kinds_and_without_place_are_skipped() -> None:
    code = nested((0xA0, 0xA0, 0xA0, 0x80), b"\1")  # as the base standard writes it: without extension
    place = nested((0xA1, 0xA0, 0xA0), _tlv.encode(0x80, b"\7") + _tlv.encode(0x81, b"\x08"))
    other = nested((0xA0, 0xA0, 0xA1, 0xA0, 0xA0, 0xA1, 0x80), b"\5")  # anthropometric
    texture = nested((0xA1, 0xA0, 0xA1), _tlv.encode(0x80, b"\1") + _tlv.encode(0x81, b"\1"))
    unknown = nested((0xA0, 0xA0, 0xA0, 0x80), b"\x58")
    blocks = [(code, place), (other, place), (code,), (code, texture), (unknown, place)]
    value = b"".join(_tlv.encode(0x30, *b) for b in blocks)
    face = face_representation(JPEG, others=((LANDMARKS, value),))
    assert read_landmarks(face) == (FeaturePoint(1, 0x22, 7, 8),)
    many = face_representation(JPEG, others=((LANDMARKS, _tlv.encode(0x30, code, place) * 1025),))
    for bad in (many, face_representation(JPEG, others=((LANDMARKS, b"\x04\1\0"),))):
        with pytest.raises(MalformedDataError):
            read_landmarks(bad)
    with pytest.raises(MalformedDataError, match=r"3\.15 is none"):
        write_landmarks([FeaturePoint(1, 0x3F, 1, 1)])


def nested(path: tuple[int, ...], value: bytes) -> bytes:
    for tag in reversed(path):
        value = _tlv.encode(tag, value)
    return value


GOOD = DataBlock(Part.FACE_IMAGE, (face_representation(JPEG[:40]),)).encode()
VERSION = _tlv.encode(0xA0, b"\x80\1\3\x81\2\x07\xe3")
SEQUENCE = _tlv.encode(0x30, b"\x80\1\0")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        _tlv.encode(0x68, VERSION, _tlv.encode(0xA1, SEQUENCE)),
        _tlv.encode(0x65, VERSION),
        _tlv.encode(0x65, _tlv.encode(0xA1, SEQUENCE), VERSION),
        _tlv.encode(0x65, VERSION, _tlv.encode(0xA1)),
        _tlv.encode(0x65, _tlv.encode(0xA0, b"\x80\1\3"), _tlv.encode(0xA1, SEQUENCE)),
        _tlv.encode(0x65, _tlv.encode(0xA0, b"\x80\0\x81\1\1"), _tlv.encode(0xA1, SEQUENCE)),
        _tlv.encode(0x65, VERSION, _tlv.encode(0xA1, b"\x04\1\0")),
        _tlv.encode(0x65, VERSION, _tlv.encode(0xA1, SEQUENCE * 33)),
        _tlv.encode(0x65, VERSION, _tlv.encode(0xA1, _tlv.encode(0x30, b"\x80\1\0" * 65))),
        _tlv.encode(0x65, VERSION, _tlv.encode(0xA1, SEQUENCE), b"\x82\0" * 70),
        b"\xa1\x84\xff\xff\xff\xff",
    ],
)
def test_blocks_refused(data: bytes) -> None:
    with pytest.raises(MalformedDataError):
        DataBlock.parse(data)


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_mutations_give_a_view_or_the_one_error(data: st.DataObject) -> None:
    faces = (FaceImage.of(JPEG[:30], width=300, height=4),)
    raw = bytearray(DG2.encode(faces, extensible=True))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedDataError):
        DG2.parse(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
