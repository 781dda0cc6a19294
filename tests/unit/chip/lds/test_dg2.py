"""DG2, its templates and its face records."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import needs_shared, shared

from idverify import _tlv
from idverify.chip.lds import cbeff
from idverify.chip.lds.dg2 import DG2
from idverify.chip.lds.images import ImageFormat, sniff
from idverify.chip.lds.iso19794_5 import FaceImage, FaceRecord, FeaturePoint
from idverify.errors import MalformedDataError

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(200))
JP2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(100)
J2K = b"\xff\x4f\xff\x51" + bytes(100)
POINTS = (FeaturePoint(1, 0xC1, 120, 160), FeaturePoint(1, 0xC2, 200, 161, 5))


def face(image: bytes = JPEG, *, points: tuple[FeaturePoint, ...] = ()) -> FaceImage:
    return replace(FaceImage.of(image, width=413, height=531), points=points)


@needs_shared
def test_published_dg2_byte_for_byte() -> None:
    raw = shared("vectors/lds/bsi_tr03105_5/dg2.bin").read_bytes()
    dg2 = DG2.parse(raw)
    (portrait,) = dg2.faces
    assert portrait is dg2.portrait
    assert portrait.image_format is ImageFormat.JP2
    assert len(portrait.image) == 15045 - 46
    assert (portrait.image_type, portrait.data_type, portrait.points) == (1, 1, ())
    assert dg2.problems == ()
    assert DG2.encode(dg2.faces) == raw == dg2.raw


@needs_shared
@pytest.mark.parametrize("name", ["dg2_jpeg_header_only", "dg2_jpeg2000_header_only"])
def test_files_that_lack_thousands_of_bytes_are_refused(name: str) -> None:
    with pytest.raises(MalformedDataError, match="8176 more than there are"):
        DG2.parse(shared(f"vectors/lds/parts/{name}.bin").read_bytes())


@pytest.mark.parametrize(("image", "form"), [(JPEG, ImageFormat.JPEG), (JP2, ImageFormat.JP2), (J2K, ImageFormat.J2K)])
@pytest.mark.parametrize("points", [(), POINTS])
def test_what_is_written_is_read(image: bytes, form: ImageFormat, points: tuple[FeaturePoint, ...]) -> None:
    made = face(image, points=points)
    dg2 = DG2.parse(DG2.encode([made]))
    assert dg2.faces == (made,)
    assert dg2.portrait.image_format is form
    assert dg2.problems == ()
    assert image.hex()[:20] not in repr(dg2) + repr(made)


def test_several_faces_in_one_record_and_in_several_templates() -> None:
    faces = (face(JPEG, points=POINTS), face(J2K), face(JP2))
    assert DG2.parse(DG2.encode(faces)).faces == faces
    header = cbeff.BiometricHeader.make(format_type=8, biometric_type=2)
    raw = cbeff.encode_group(0x75, [cbeff.BiometricInstance(header, FaceRecord(faces).encode())])
    assert DG2.parse(raw).faces == faces
    with pytest.raises(ValueError, match="at least one"):
        DG2.encode([])


@given(
    st.lists(
        st.builds(
            FaceImage,
            image=st.binary(min_size=1, max_size=50).map(lambda b: JPEG[:4] + b),
            image_format=st.just(ImageFormat.JPEG),
            width=st.integers(0, 0xFFFF),
            height=st.integers(0, 0xFFFF),
            gender=st.integers(0, 255),
            hair_color=st.integers(0, 255),
            property_mask=st.binary(min_size=3, max_size=3),
            expression=st.binary(min_size=2, max_size=2),
            pose=st.binary(min_size=3, max_size=3),
            points=st.lists(
                st.builds(FeaturePoint, *(st.integers(0, 255),) * 2, *(st.integers(0, 0xFFFF),) * 3), max_size=4
            ).map(tuple),
            quality=st.integers(0, 0xFFFF),
        ),
        min_size=1,
        max_size=3,
    )
)
@settings(deadline=None, max_examples=80)
def test_records_round_trip(faces: list[FaceImage]) -> None:
    record = FaceRecord(tuple(faces))
    assert FaceRecord.parse(record.encode()) == record


@pytest.mark.parametrize("wrong", [*range(-8, 0), *range(1, 9)])
def test_robustness_lengths_off_by_a_few_bytes_lose_no_byte(wrong: int) -> None:
    """Each declared length in turn is wrong by up to eight bytes; the picture still comes out whole."""
    record = FaceRecord((face(JPEG, points=POINTS),)).encode()
    for position in (8, 14):
        length = struct.unpack_from(">I", record, position)[0] + wrong
        data = record[:position] + struct.pack(">I", length) + record[position + 4 :]
        found = FaceRecord.parse(data)
        assert found.faces[0].image == JPEG
        assert [*found.problems, *found.faces[0].problems] != []


@pytest.mark.parametrize("wrong", range(1, 9))
@pytest.mark.parametrize("tag", [0x75, 0x7F61, 0x7F60, 0x5F2E])
def test_robustness_templates_off_by_a_few_bytes(tag: int, wrong: int) -> None:
    made = face(bytes(JPEG) + bytes(400))
    raw = DG2.encode([made])
    position = raw.index(_tlv.encode_tag(tag)) + len(_tlv.encode_tag(tag))
    assert raw[position] == 0x82
    for sign in (-1, 1):
        length = int.from_bytes(raw[position + 1 : position + 3], "big") + sign * wrong
        changed = raw[: position + 1] + length.to_bytes(2, "big") + raw[position + 3 :]
        dg2 = DG2.parse(changed)
        image = dg2.portrait.image
        assert dg2.problems
        # only the innermost length can cost bytes of the picture, and only those it leaves out
        assert image == (made.image[:-wrong] if (tag, sign) == (0x5F2E, -1) else made.image)


@pytest.mark.parametrize("missing", range(1, 9))
def test_robustness_a_file_short_by_a_few_bytes(missing: int) -> None:
    raw = DG2.encode([face()])
    dg2 = DG2.parse(raw[:-missing])
    assert dg2.portrait.image == JPEG[:-missing]
    assert "the declared length of the record is wrong" in dg2.problems


def test_nine_bytes_are_too_many() -> None:
    with pytest.raises(MalformedDataError):
        DG2.parse(DG2.encode([face()])[:-9])


def test_a_length_without_the_feature_points_is_met_in_the_field() -> None:
    record = FaceRecord((face(JPEG, points=POINTS * 3),)).encode()
    length = struct.unpack_from(">I", record, 14)[0] - 6 * 8
    found = FaceRecord.parse(record[:14] + struct.pack(">I", length) + record[18:])
    assert found.faces[0].image == JPEG
    assert found.faces[0].problems == ("the declared length of the face is wrong",)


def test_the_picture_decides_on_its_format() -> None:
    made = replace(face(JP2), data_type=0)
    found = DG2.parse(DG2.encode([made]))
    assert found.portrait.image_format is ImageFormat.JP2
    assert found.problems == ("the image data type is not that of the picture",)
    strange = replace(face(), image=b"GIF89a", data_type=9)
    assert DG2.parse(DG2.encode([strange])).portrait.image_format is ImageFormat.RAW
    with pytest.raises(MalformedDataError, match="JPEG"):
        FaceImage.of(b"GIF89a", width=1, height=1)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"gender": 3}, "gender"),
        ({"eye_color": 8}, "eye color"),
        ({"hair_color": 9}, "hair color"),
        ({"pose": b"\xb6\0\0"}, "pose angle"),
        ({"pose_uncertainty": b"\0\0\xff"}, "pose angle uncertainty"),
        ({"image_type": 5}, "face image type"),
    ],
)
def test_codes_outside_the_standard_are_named(change: dict[str, int | bytes], problem: str) -> None:
    made = replace(face(), **change)  # type: ignore[arg-type]
    assert DG2.parse(DG2.encode([made])).problems == (f"the {problem} is not a code of the standard",)


def record_with(position: int, value: bytes) -> bytes:
    record = FaceRecord((face(),)).encode()
    return record[:position] + value + record[position + len(value) :]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"FAC\x00010\x00",
        record_with(0, b"FMR\0"),
        record_with(4, b"020\0"),
        record_with(8, b"\xff\xff\xff\xff"),
        record_with(12, b"\0\0"),
        record_with(12, b"\0\2"),
        record_with(12, b"\xff\xff"),
        record_with(14, b"\0\0\0\x10"),
        record_with(14, b"\xff\xff\xff\xff"),
        record_with(18, b"\xff\xff"),
        record_with(18, b"\x00\xff"),
        FaceRecord((face(),)).encode()[: 14 + 32],
    ],
    ids=["empty", "header only", "magic", "version", "4 GB", "no face", "two faces", "faces", "face too short",
         "face 4 GB", "points", "points beyond", "no picture"],
)  # fmt: skip
def test_records_refused(data: bytes) -> None:
    with pytest.raises(MalformedDataError):
        FaceRecord.parse(data)


def group(*parts: bytes, count: int = 1) -> bytes:
    return _tlv.encode(0x75, _tlv.encode(0x7F61, _tlv.encode(0x02, bytes([count])), *parts))


HEADER = cbeff.BiometricHeader.make(format_type=8, biometric_type=2)
BLOCK = _tlv.encode(0x5F2E, FaceRecord((face(),)).encode())
GOOD = _tlv.encode(0x7F60, HEADER.encode(), BLOCK)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x76" + group(GOOD)[1:],
        _tlv.encode(0x75, GOOD),
        _tlv.encode(0x75, _tlv.encode(0x7F61, GOOD)),
        group(GOOD, count=0),
        group(GOOD, count=2),
        group(GOOD, count=17),
        group(_tlv.encode(0x7F60, BLOCK)),
        group(_tlv.encode(0x7F60, HEADER.encode())),
        group(_tlv.encode(0x7F60, HEADER.encode(), _tlv.encode(0x7D, b"x"))),
        group(_tlv.encode(0x7F60, HEADER.encode(), _tlv.encode(0x04, b"x"))),
        group(_tlv.encode(0x7F60, _tlv.encode(0xA1, _tlv.encode(0x87, b"\1\1")), BLOCK)),
        group(_tlv.encode(0x7F60, _tlv.encode(0xA1, _tlv.encode(0x88, b"\0\x08")), BLOCK)),
        group(_tlv.encode(0x7F60, cbeff.BiometricHeader.make(format_type=9).encode(), BLOCK)),
        group(_tlv.encode(0x7F60, cbeff.BiometricHeader.make(format_type=8, format_owner=0x102).encode(), BLOCK)),
        b"\x75\x84\xff\xff\xff\xff",
    ],
    ids=["tag", "no group", "no count", "none", "two announced", "too many", "no header", "no block", "encrypted",
         "other block", "no type", "no owner", "other type", "other owner", "4 GB"],
)  # fmt: skip
def test_templates_refused(raw: bytes) -> None:
    with pytest.raises(MalformedDataError):
        DG2.parse(raw)


def test_another_biometric_type_is_named() -> None:
    header = cbeff.BiometricHeader.make(format_type=8, biometric_type=8)
    raw = group(_tlv.encode(0x7F60, header.encode(), BLOCK))
    assert DG2.parse(raw).problems == ("the biometric type is not the face",)


def test_headers_read_back() -> None:
    header = cbeff.BiometricHeader.make(format_type=7, biometric_type=8, biometric_subtype=9, version=0x0101)
    raw = cbeff.encode_group(0x63, [cbeff.BiometricInstance(header, b"data")])
    (instance,) = cbeff.parse_group(raw, 0x63, what="DG3").instances
    found = instance.header
    assert (found.version, found.biometric_type, found.biometric_subtype) == (0x0101, 8, 9)
    assert (found.format_owner, found.format_type, instance.data) == (0x0101, 7, b"data")


def test_an_empty_group_with_random_bytes() -> None:
    raw = cbeff.encode_group(0x63, [], discretionary=b"12345678")
    assert cbeff.parse_group(raw, 0x63, what="DG3") == cbeff.BiometricGroup(())


@pytest.mark.parametrize(
    ("image", "form"),
    [(b"", None), (b"\x89PNG\r\n\x1a\n", ImageFormat.PNG), (b"\xff\xa0\xff\xa4", ImageFormat.WSQ), (b"BM", None)],
)
def test_formats_are_told_by_their_first_bytes(image: bytes, form: ImageFormat | None) -> None:
    assert sniff(image) is form


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_mutations_give_a_view_or_the_one_error(data: st.DataObject) -> None:
    raw = bytearray(DG2.encode([face(JPEG[:40], points=POINTS), face(J2K[:20])]))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedDataError):
        found = DG2.parse(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
        assert all(0 < len(f.image) < len(raw) for f in found.faces)
