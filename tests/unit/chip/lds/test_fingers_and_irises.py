"""DG3 and DG4, ISO/IEC 19794-4, -6 and -2."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import needs_shared, shared

from idverify.chip.lds import cbeff
from idverify.chip.lds import iso19794_2 as fmr
from idverify.chip.lds.dg3 import DG3, subtype
from idverify.chip.lds.dg4 import DG4
from idverify.chip.lds.images import ImageFormat
from idverify.chip.lds.iso19794_4 import FingerImage, FingerImageRecord
from idverify.chip.lds.iso19794_6 import IrisImage, IrisImageRecord
from idverify.chip.lds.iso39794 import DataBlock, Part, face_representation, finger_representation, iris_representation
from idverify.errors import MalformedDataError

WSQ = b"\xff\xa0\xff\xa4" + bytes(range(100))
JP2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(100)
JPEG = b"\xff\xd8\xff\xe0" + bytes(20)


def finger(position: int = 2, image: bytes = WSQ, **more: int) -> FingerImage:
    return FingerImage(image=image, image_format=ImageFormat.WSQ, position=position, width=300, height=400, **more)  # type: ignore[arg-type]


def finger_record(*images: FingerImage) -> FingerImageRecord:
    return FingerImageRecord(images=images or (finger(),))


def iris_record(*images: IrisImage) -> IrisImageRecord:
    found = images or (IrisImage(image=JP2, image_format=ImageFormat.JP2, eye=1),)
    return IrisImageRecord(images=found, width=160, height=150)


# ---- published files -----------------------------------------------------------------------------------------------


@needs_shared
def test_published_dg3_byte_for_byte() -> None:
    raw = shared("vectors/lds/bsi_tr03105_5/dg3.bin").read_bytes()
    dg3 = DG3.parse(raw)
    assert [i.position_name for i in dg3.images] == ["right index", "left index"]
    assert [i.header.biometric_subtype for i in dg3.instances] == [0x09, 0x0A]
    assert [len(i.image) for i in dg3.images] == [16435 - 46, 15977 - 46]
    assert {i.image_format for i in dg3.images} == {ImageFormat.WSQ}
    assert [(i.width, i.height, i.quality) for i in dg3.images] == [(620, 620, 100)] * 2
    assert {r.image_resolution for r in dg3.records} == {(500, 500)}
    assert dg3.problems == ()
    assert DG3.encode(dg3.records) == raw == dg3.raw


@needs_shared
def test_published_dg4_byte_for_byte() -> None:
    raw = shared("vectors/lds/bsi_tr03105_5/dg4.bin").read_bytes()
    dg4 = DG4.parse(raw)
    assert [i.eye for i in dg4.images] == [1, 2]
    assert [len(i.image) for i in dg4.images] == [6445 - 59, 6777 - 59]
    assert {i.image_format for i in dg4.images} == {ImageFormat.JP2}
    assert [(r.width, r.height, r.depth) for r in dg4.records] == [(163, 149, 24), (160, 152, 24)]
    assert dg4.problems == ()
    assert DG4.encode(dg4.records) == raw == dg4.raw


@needs_shared
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_published_records_that_are_cut_off_are_refused(cut: int) -> None:
    with pytest.raises(MalformedDataError, match="cut off"):
        fmr.MinutiaeRecord.parse(shared(f"vectors/finger_invalid/fmr_header_cut_by_{cut}.bin").read_bytes())


@needs_shared
def test_the_whole_header_would_have_been_a_record_without_minutiae() -> None:
    raw = shared("vectors/finger_invalid/fmr_header_cut_by_1.bin").read_bytes() + b"\0"
    record = fmr.MinutiaeRecord.parse(raw)
    assert (record.width, record.height, record.resolution) == (300, 400, (197, 197))
    assert record.views[0].minutiae == ()
    assert record.encode() == raw


# ---- DG3 and DG4 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("position", "code"), [(1, 0x05), (2, 0x09), (5, 0x15), (6, 0x06), (7, 0x0A), (10, 0x16), (0, 0), (13, 0)]
)
def test_subtypes_say_hand_and_finger(position: int, code: int) -> None:
    assert subtype(position) == code


def test_fingers_round_trip() -> None:
    records = (finger_record(finger(1), finger(2)), finger_record(finger(7)))
    dg3 = DG3.parse(DG3.encode(records))
    assert dg3.records == records
    assert [i.position for i in dg3.images] == [1, 2, 7]
    assert "0001" not in repr(dg3)


def test_a_chip_without_fingers() -> None:
    raw = DG3.encode([], discretionary=b"random--")
    assert DG3.parse(raw).images == ()
    assert b"random--" in raw
    assert DG4.parse(DG4.encode([])).images == ()


def test_irises_round_trip() -> None:
    images = (
        IrisImage(image=JP2, image_format=ImageFormat.JP2, eye=1),
        IrisImage(image=JP2 + b"x", image_format=ImageFormat.JP2, eye=1, number=2),
        IrisImage(image=b"raw pixels", image_format=ImageFormat.RAW, eye=2, quality=80),
    )
    record = iris_record(*images)
    dg4 = DG4.parse(DG4.encode([record]))
    assert dg4.records == (record,)
    assert dg4.images == images


def instance(data: bytes, format_type: int, **header: int) -> cbeff.BiometricInstance:
    return cbeff.BiometricInstance(cbeff.BiometricHeader.make(format_type=format_type, **header), data)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ({}, "the biometric subtype is missing"),
        ({"biometric_subtype": 0x0A}, "the biometric subtype is not that of the record"),
        ({"biometric_type": 2, "biometric_subtype": 9}, "the biometric type is not the finger"),
    ],
)
def test_odd_finger_headers_are_named(header: dict[str, int], problem: str) -> None:
    raw = cbeff.encode_group(0x63, [instance(finger_record().encode(), 7, **header)])
    assert DG3.parse(raw).problems == (problem,)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ({}, "the biometric subtype is missing"),
        ({"biometric_subtype": 2}, "the biometric subtype is not that of the record"),
        ({"biometric_type": 8, "biometric_subtype": 1}, "the biometric type is not the iris"),
    ],
)
def test_odd_iris_headers_are_named(header: dict[str, int], problem: str) -> None:
    raw = cbeff.encode_group(0x76, [instance(iris_record().encode(), 9, **header)])
    assert DG4.parse(raw).problems == (problem,)


def test_formats_that_are_not_theirs_are_refused() -> None:
    face = DataBlock(Part.FACE_IMAGE, (face_representation(JPEG),)).encode()
    for tag, parse in ((0x63, DG3.parse), (0x76, DG4.parse)):
        for bad in (
            instance(b"FAC", 8),
            instance(finger_record().encode(), 7, format_owner=0x0102),
            instance(face, 0x28),
            instance(face, 0x2C),
        ):
            with pytest.raises(MalformedDataError):
                parse(cbeff.encode_group(tag, [bad]))


def test_blocks_of_iso_39794() -> None:
    block = DataBlock(Part.FINGER_IMAGE, (finger_representation(WSQ, position=3),))
    dg3 = DG3.parse(cbeff.encode_group(0x63, [instance(block.encode(), 0x28, biometric_subtype=0x0D)]))
    assert dg3.data_blocks == (block,)
    (image,) = dg3.images
    assert (image.position_name, image.image, image.image_format) == ("right middle", WSQ, ImageFormat.WSQ)
    eyes = DataBlock(Part.IRIS_IMAGE, (iris_representation(JP2, eye=2, captured=(2026, 1, 2)),))
    dg4 = DG4.parse(cbeff.encode_group(0x76, [instance(eyes.encode(), 0x2C, biometric_subtype=2)]))
    assert [(i.eye, i.image_format) for i in dg4.images] == [(2, ImageFormat.JP2)]


# ---- ISO/IEC 19794-4 -----------------------------------------------------------------------------------------------


def test_several_views_of_one_finger() -> None:
    images = (finger(2, view_count=2), finger(2, WSQ + b"x", view_count=2, view_number=2), finger(3))
    record = finger_record(*images)
    encoded = record.encode()
    assert encoded[18] == 2  # fingers, not views
    assert FingerImageRecord.parse(encoded) == record


@pytest.mark.parametrize(
    ("compression", "image", "problem"),
    [
        (2, WSQ, None),
        (4, JP2, None),
        (3, JPEG, None),
        (0, b"pixels", None),
        (2, JPEG, "the compression algorithm is not that of the picture"),
        (9, WSQ, "the compression algorithm is not that of the picture"),
    ],
)
def test_compression_against_the_picture(compression: int, image: bytes, problem: str | None) -> None:
    record = replace(finger_record(finger(image=image)), compression=compression)
    assert FingerImageRecord.parse(record.encode()).problems == ((problem,) if problem else ())


def test_lengths_off_by_a_few_bytes() -> None:
    encoded = finger_record().encode()
    for wrong in (-8, 3, 8):
        changed = encoded[:8] + (len(encoded) + wrong).to_bytes(6, "big") + encoded[14:]
        found = FingerImageRecord.parse(changed)
        assert found.images[0].image == WSQ
        assert found.problems == ("the declared length of the record is wrong",)
    for wrong in (3, 8):
        changed = encoded[:32] + struct.pack(">I", len(encoded) - 32 + wrong) + encoded[36:]
        assert FingerImageRecord.parse(changed).images[0].image == WSQ


def cut(record: bytes, position: int, value: bytes) -> bytes:
    return record[:position] + value + record[position + len(value) :]


FIR = finger_record().encode()
IIR = iris_record().encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        FIR[:31],
        cut(FIR, 0, b"FAC"),
        cut(FIR, 4, b"020"),
        cut(FIR, 8, b"\0\0\xff\xff\xff\xff"),
        cut(FIR, 18, b"\0"),
        cut(FIR, 18, b"\x02"),
        cut(FIR, 18, b"\xff"),
        cut(FIR, 32, b"\xff\xff\xff\xff"),
        cut(FIR, 32, b"\0\0\0\0"),
        cut(FIR, 37, b"\xff"),
        FIR[:46],
        FIR + bytes(9),
    ],
)
def test_finger_records_refused(data: bytes) -> None:
    with pytest.raises(MalformedDataError):
        FingerImageRecord.parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        IIR[:44],
        cut(IIR, 0, b"FAC"),
        cut(IIR, 4, b"020"),
        cut(IIR, 8, b"\xff\xff\xff\xff"),
        cut(IIR, 14, b"\0"),
        cut(IIR, 14, b"\2"),
        cut(IIR, 15, b"\0\x2e"),
        cut(IIR, 46, b"\0\0"),
        cut(IIR, 46, b"\0\2"),
        cut(IIR, 46, b"\xff\xff"),
        cut(IIR, 55, b"\xff\xff\xff\xff"),
        cut(IIR, 55, b"\0\0\0\0"),
        IIR[:59],
        IIR + bytes(9),
    ],
)
def test_iris_records_refused(data: bytes) -> None:
    with pytest.raises(MalformedDataError):
        IrisImageRecord.parse(data)


def test_iris_lengths_off_by_a_few_bytes() -> None:
    assert IrisImageRecord.parse(cut(IIR, 8, struct.pack(">I", len(IIR) + 5))).images[0].image == JP2
    assert IrisImageRecord.parse(IIR[:-5]).images[0].image == JP2[:-5]
    assert IrisImageRecord.parse(IIR + b"\0").problems[-1] == "bytes follow the last image"
    assert "the image format is not a code of the standard" in IrisImageRecord.parse(cut(IIR, 21, b"\0\7")).problems


# ---- ISO/IEC 19794-2 -----------------------------------------------------------------------------------------------

KINDS = st.sampled_from(fmr.MinutiaType)
MINUTIAE = st.builds(
    fmr.Minutia,
    x=st.integers(0, 0x3FFF),
    y=st.integers(0, 0x3FFF),
    angle=st.integers(0, 255),
    kind=KINDS,
    quality=st.integers(0, 255),
    reserved=st.integers(0, 3),
)
VIEWS = st.builds(
    fmr.FingerView,
    position=st.integers(0, 255),
    view_number=st.integers(0, 15),
    impression_type=st.integers(0, 15),
    quality=st.integers(0, 255),
    minutiae=st.lists(MINUTIAE, max_size=12).map(tuple),
    extended=st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=12)), max_size=2).map(tuple),
)


@given(st.lists(VIEWS, min_size=1, max_size=3), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
@settings(deadline=None, max_examples=80)
def test_minutiae_records_round_trip(views: list[fmr.FingerView], width: int, device: int) -> None:
    record = fmr.MinutiaeRecord(views=tuple(views), width=width, height=1, capture_device=device)
    assert fmr.MinutiaeRecord.parse(record.encode()) == record


def test_a_minutia_is_laid_out_as_the_standard_says() -> None:
    view = fmr.FingerView(
        position=2, quality=90, minutiae=(fmr.Minutia(100, 200, 64, fmr.MinutiaType.BIFURCATION, 77),)
    )
    encoded = fmr.MinutiaeRecord(views=(view,), width=300, height=400).encode()
    assert encoded.hex() == (
        "464d520020323000" "00000024" "0000" "012c0190" "00c500c5" "0100" "02005a01" "8064" "00c8" "40" "4d" "0000"
    )  # fmt: skip


FMR_BYTES = fmr.MinutiaeRecord(
    views=(fmr.FingerView(position=2, minutiae=(fmr.Minutia(1, 2, 3),), extended=((1, b"abcd"),)),), width=9, height=9
).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        FMR_BYTES[:23],
        cut(FMR_BYTES, 0, b"FAC"),
        cut(FMR_BYTES, 4, b"030"),
        cut(FMR_BYTES, 8, b"\xff\xff\xff\xff"),
        cut(FMR_BYTES, 22, b"\0"),
        cut(FMR_BYTES, 22, b"\xff"),
        cut(FMR_BYTES, 22, b"\2"),
        cut(FMR_BYTES, 27, b"\xff"),
        cut(FMR_BYTES, 34, b"\xff\xff"),
        cut(FMR_BYTES, 38, b"\0\3"),
        cut(FMR_BYTES, 38, b"\0\x09"),
        cut(FMR_BYTES, 34, b"\0\x03"),
        FMR_BYTES + bytes(9),
    ],
)
def test_minutiae_records_refused(data: bytes) -> None:
    with pytest.raises(MalformedDataError):
        fmr.MinutiaeRecord.parse(data)


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 63), KINDS), max_size=20))
@settings(deadline=None)
def test_compact_minutiae_round_trip(values: list[tuple[int, int, int, fmr.MinutiaType]]) -> None:
    minutiae = tuple(fmr.Minutia(x, y, a, k) for x, y, a, k in values)
    encoded = fmr.encode_card_minutiae(minutiae, fmr.CardFormat.COMPACT)
    assert len(encoded) == 3 * len(minutiae)
    assert fmr.decode_card_minutiae(encoded, fmr.CardFormat.COMPACT) == minutiae


def test_card_formats_are_laid_out_as_the_standard_says() -> None:
    minutia = fmr.Minutia(0x12, 0x34, 0x3F, fmr.MinutiaType.RIDGE_ENDING)
    assert fmr.encode_card_minutiae([minutia], fmr.CardFormat.COMPACT).hex() == "12347f"
    assert fmr.encode_card_minutiae([minutia], fmr.CardFormat.NORMAL).hex() == "401200343f"
    assert fmr.decode_card_minutiae(bytes.fromhex("401200343f"), fmr.CardFormat.NORMAL) == (minutia,)
    template = fmr.CardTemplate((minutia,), ((0x83, b"\1\2"),))
    assert template.encode().hex() == "7f2e09810312347f83020102"
    assert fmr.CardTemplate.parse(template.encode()) == template
    assert fmr.CardTemplate.parse(template.encode()[3:]) == template


@pytest.mark.parametrize(
    "minutia", [fmr.Minutia(256, 0, 0), fmr.Minutia(0, -1, 0), fmr.Minutia(0, 0, 64), fmr.Minutia(1 << 14, 0, 0)]
)
def test_numbers_beyond_the_compact_format_are_refused(minutia: fmr.Minutia) -> None:
    with pytest.raises(ValueError):
        fmr.encode_card_minutiae([minutia], fmr.CardFormat.COMPACT)


@pytest.mark.parametrize("minutia", [fmr.Minutia(1 << 14, 0, 0), fmr.Minutia(0, -1, 0), fmr.Minutia(0, 0, 256)])
def test_numbers_beyond_the_other_formats_are_refused(minutia: fmr.Minutia) -> None:
    with pytest.raises(ValueError):
        fmr.encode_card_minutiae([minutia], fmr.CardFormat.NORMAL)
    with pytest.raises(ValueError):
        fmr.MinutiaeRecord(views=(fmr.FingerView(position=1, minutiae=(minutia,)),), width=1, height=1).encode()


@pytest.mark.parametrize(
    "data",
    [
        "",
        "7f2e00",
        "7f2e028101",
        "7f2e03810112",
        "7f2e0482021234",
        "8102",
        "7f2e05810312347f00",
        "7f2e820307" + "81820303" + "00" * 771,
    ],
)
def test_card_templates_refused(data: str) -> None:
    with pytest.raises(MalformedDataError):
        fmr.CardTemplate.parse(bytes.fromhex(data))


def points() -> tuple[fmr.Minutia, ...]:
    return fmr.Minutia(2, 1, 30), fmr.Minutia(1, 2, 20), fmr.Minutia(1, 1, 10)


@pytest.mark.parametrize(
    ("byte", "angles"),
    [
        (0x00, [30, 20, 10]),
        (0x03, [30, 20, 10]),
        (0x05, [10, 20, 30]),
        (0x06, [30, 20, 10]),
        (0x09, [10, 30, 20]),
        (0x0A, [20, 30, 10]),
        (0x0D, [10, 20, 30]),
        (0x0E, [30, 20, 10]),
    ],
)
def test_orders(byte: int, angles: list[int]) -> None:
    order = fmr.Order.from_byte(byte)
    assert [m.angle for m in order.arrange(points())] == angles


def test_polar_order_starts_at_the_centre_of_mass() -> None:
    order = fmr.Order.from_byte(0x11)
    assert order.arrange(points())[0].angle == 10
    assert fmr.Order.from_byte(0x12).arrange(points())[-1].angle == 10
    assert order.arrange(()) == ()


@given(st.integers(0, 255))
def test_order_bytes_that_the_standard_knows_round_trip(byte: int) -> None:
    try:
        order = fmr.Order.from_byte(byte)
    except MalformedDataError:
        assert byte > 0x13
    else:
        assert order.to_byte() in (byte, 0)


def test_minutiae_stay_out_of_repr() -> None:
    view = fmr.FingerView(position=2, minutiae=(fmr.Minutia(123, 2, 3),))
    assert "123" not in repr(view) + repr(view.minutiae)


@given(st.sampled_from([FIR, IIR, FMR_BYTES]), st.data())
@settings(deadline=None, max_examples=300)
def test_mutations_give_a_record_or_the_one_error(original: bytes, data: st.DataObject) -> None:
    raw = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cutoff = data.draw(st.integers(0, len(raw)))
    for parse in (FingerImageRecord.parse, IrisImageRecord.parse, fmr.MinutiaeRecord.parse):
        with contextlib.suppress(MalformedDataError):
            parse(bytes(raw[:cutoff]))


def test_hostile_counts_end_quickly() -> None:
    view = fmr.FingerView(position=1, minutiae=(fmr.Minutia(1, 2, 3),) * 255)
    with pytest.raises(MalformedDataError, match="minutiae"):
        fmr.MinutiaeRecord.parse(fmr.MinutiaeRecord(views=(view,) * 17, width=1, height=1).encode())
    many = cut(IIR, 14, b"\xff") + bytes(3) * 300
    with pytest.raises(MalformedDataError):
        IrisImageRecord.parse(many)
