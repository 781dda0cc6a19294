"""DG5 to DG12, DG16, EF.DIR, EF.ATR/INFO, EF.CVCA. Every person here is invented."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import needs_shared, shared

from idverify import _tlv
from idverify.chip.lds.card_files import AID_EMRTD, Application, EfAtrInfo, EfCvca, EfDir
from idverify.chip.lds.details import DG11, DG12, DG16, PersonToNotify
from idverify.chip.lds.displayed import DG5, DG7, Features
from idverify.chip.lds.images import ImageFormat
from idverify.errors import MalformedDataError

BIRTH = datetime.date(1970, 12, 1)
JPEG = b"\xff\xd8\xff\xe0" + bytes(20)


@needs_shared
def test_published_dg11_byte_for_byte() -> None:
    raw = shared("vectors/lds/parts/dg11.bin").read_bytes()
    dg11 = DG11.parse(raw)
    assert dg11.full_name == "Test<<Tester"
    assert dg11.date_of_birth == BIRTH
    assert dg11.place_of_birth == "Northampton"
    assert dg11.personal_number is None
    assert dg11.encode() == raw == dg11.raw
    assert DG11.of(full_name="Test<<Tester", date_of_birth=BIRTH, place_of_birth="Northampton").encode() == raw
    assert repr(dg11) == "DG11()"


@needs_shared
def test_published_dg12_byte_for_byte() -> None:
    raw = shared("vectors/lds/parts/dg12.bin").read_bytes()
    dg12 = DG12.parse(raw)
    assert (dg12.issuing_authority, dg12.date_of_issue) == ("TESTER", datetime.date(2018, 3, 26))
    assert dg12.encode() == raw
    assert DG12.of(issuing_authority="TESTER").issuing_authority == "TESTER"


def test_other_names_stand_in_a_group() -> None:
    made = DG11.of(
        full_name="MẪU<<THỬ", other_names=("MẪU<<A", "MẪU<<B"), personal_number="1", permanent_address="Đường Thử"
    )
    found = DG11.parse(made.encode())
    assert found == made
    assert found.other_names == ("MẪU<<A", "MẪU<<B")
    assert found.text(0x5F42) == "Đường Thử"
    assert found.tag_list == bytes.fromhex("5f0e5f0f5f105f42")
    assert DG11(objects=((0x5F0F, b"MAU"),)).other_names == ("MAU",)


def test_other_persons() -> None:
    group = _tlv.encode(0x02, b"\1") + _tlv.encode(0x5F1A, b"MAU<<CON")
    dg12 = DG12.parse(_tlv.encode(0x6C, _tlv.encode(0xA0, group)))
    assert dg12.other_persons == ("MAU<<CON",)
    assert dg12.tag_list is None
    assert dg12.encode() == dg12.raw


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"19701201", BIRTH),
        (bytes.fromhex("19701201"), BIRTH),
        (b"19701301", None),
        (b"1970", None),
        (b"1970ab01", None),
        (bytes.fromhex("1970ab01"), None),
        (b"\xff" * 8, None),
    ],
)
def test_dates_as_digits_or_packed(value: bytes, expected: datetime.date | None) -> None:
    assert DG11(objects=((0x5F2B, value),)).date_of_birth == expected
    assert DG11(objects=()).date_of_birth is None


def test_text_that_is_not_utf8_is_latin1() -> None:
    assert DG11(objects=((0x5F0E, b"M\xfcller"),)).full_name == "Müller"


def test_persons_to_notify() -> None:
    persons = (
        PersonToNotify(recorded=BIRTH, name="MẪU<<MỘT", telephone="0", address="Đường Thử"),
        PersonToNotify(name="MẪU<<HAI"),
    )
    made = DG16.of(persons)
    found = DG16.parse(made.encode())
    assert found.persons == persons
    assert found == made
    assert "MẪU" not in repr(found.persons)
    with pytest.raises(ValueError, match="at most"):
        DG16.of(persons * 9)


@pytest.mark.parametrize("raw", [b"\x6b\x03\x5f\x0e\x05", b"\x6c\0", b"", _tlv.encode(0x6B, b"\x04\0" * 65)])
def test_dg11_refused(raw: bytes) -> None:
    with pytest.raises(MalformedDataError):
        DG11.parse(raw)


@needs_shared
def test_dg16_is_no_dg15() -> None:
    with pytest.raises(MalformedDataError, match="number of persons"):
        DG16.parse(shared("vectors/lds/etsi_eacaa/altered/dg15_wrong_tag_70.bin").read_bytes())


@needs_shared
def test_published_dg7_without_its_bytes_is_refused() -> None:
    with pytest.raises(MalformedDataError, match="declares 8198 bytes"):
        DG7.parse(shared("vectors/lds/parts/dg7_empty_image.bin").read_bytes())


@pytest.mark.parametrize("kind", [DG5, DG7])
def test_displayed_pictures_round_trip(kind: type[DG5] | type[DG7]) -> None:
    raw = kind.encode([JPEG, b"strange"])
    found = kind.parse(raw)
    assert found.images == (JPEG, b"strange")
    assert found.formats == (ImageFormat.JPEG, None)
    assert found.problems == ()
    assert "strange" not in repr(found)
    with pytest.raises(ValueError, match="at most"):
        kind.encode([b"x"] * 17)


@pytest.mark.parametrize(
    "raw",
    [
        _tlv.encode(0x65),
        _tlv.encode(0x65, b"\x5f\x40\0"),
        _tlv.encode(0x65, b"\x02\1\1\x5f\x43\0"),
        _tlv.encode(0x65, b"\x02\1\1", b"\x5f\x40\0" * 17),
        DG7.encode([]),
    ],
)
def test_displayed_pictures_refused(raw: bytes) -> None:
    with pytest.raises(MalformedDataError):
        DG5.parse(raw)


def test_a_wrong_count_is_named() -> None:
    assert DG5.parse(_tlv.encode(0x65, b"\x02\1\2\x5f\x40\1x")).problems == ("the number of instances is wrong",)


@pytest.mark.parametrize(("tag", "number"), [(0x66, 6), (0x68, 8), (0x69, 9), (0x6A, 10)])
def test_features_stay_the_issuers_own(tag: int, number: int) -> None:
    raw = _tlv.encode(tag, b"\x02\1\1\x5f\x44\1x")
    found = Features.parse(raw)
    assert (found.number, found.objects) == (number, ((0x02, b"\1"), (0x5F44, b"x")))
    assert found.encode() == raw
    with pytest.raises(MalformedDataError):
        Features.parse(b"\x67" + raw[1:])


# ---- files beside the application ----------------------------------------------------------------------------------


def test_directory_of_applications() -> None:
    raw = bytes.fromhex("61094f07a0000002471001") + b"\0\0" + bytes.fromhex("610f4f08a0000002472001015003414243")
    found = EfDir.parse(raw[:13] + bytes.fromhex("610f4f08a0000002472001015003414243"))
    assert found.has_emrtd
    assert found.applications == (
        Application(AID_EMRTD),
        Application(bytes.fromhex("a000000247200101"), "ABC"),
    )
    assert EfDir.encode(found.applications) == raw[:11] + raw[13:]
    assert not EfDir.parse(raw[13:]).has_emrtd


@given(
    st.lists(
        st.builds(Application, st.binary(min_size=1, max_size=16), st.text("ABC ", max_size=9)), min_size=1, max_size=5
    )
)
@settings(deadline=None)
def test_directories_round_trip(applications: list[Application]) -> None:
    assert EfDir.parse(EfDir.encode(applications)).applications == tuple(applications)


@pytest.mark.parametrize("raw", ["", "0000", "6100", "61024f00", "6203800101", "61134f11" + "00" * 17, "61094f07" * 2])
def test_directories_refused(raw: str) -> None:
    with pytest.raises(MalformedDataError):
        EfDir.parse(bytes.fromhex(raw))


@pytest.mark.parametrize(("extended", "chaining"), [(True, False), (False, True), (True, True), (False, False)])
def test_what_the_card_can_do(extended: bool, chaining: bool) -> None:
    raw = EfAtrInfo.encode(extended_length=extended, command_chaining=chaining, max_lengths=(1000, 65536))
    found = EfAtrInfo.parse(raw + b"\0")
    assert (found.extended_length, found.command_chaining) == (extended, chaining)
    assert found.max_lengths == (1000, 65536)


def test_a_card_that_says_less() -> None:
    found = EfAtrInfo.parse(bytes.fromhex("43019047021401"))
    assert found.capabilities == bytes.fromhex("1401")
    assert (found.extended_length, found.command_chaining, found.max_lengths) == (False, False, None)
    assert EfAtrInfo.parse(b"\x43\1\x90").capabilities is None
    with pytest.raises(MalformedDataError):
        EfAtrInfo.parse(b"\0\0")
    with pytest.raises(MalformedDataError, match="two lengths"):
        _ = EfAtrInfo.parse(bytes.fromhex("7f6603020101")).max_lengths


def test_trust_points() -> None:
    raw = EfCvca.encode(["UTCVCA00002", "UTCVCA00001"])
    assert len(raw) == 36
    assert EfCvca.parse(raw).references == ("UTCVCA00002", "UTCVCA00001")
    assert raw.startswith(bytes.fromhex("420b5554435643413030303032420b"))
    with pytest.raises(ValueError, match="one or two"):
        EfCvca.encode([])


@pytest.mark.parametrize(
    "raw", ["", "00" * 36, "4200" + "00" * 34, "43024142", "420141420142420143", "4211" + "41" * 17]
)
def test_trust_points_refused(raw: str) -> None:
    with pytest.raises(MalformedDataError):
        EfCvca.parse(bytes.fromhex(raw))


def read_all(raw: bytes) -> None:
    dg16 = DG16.parse(raw)
    _ = dg16.persons


Case = tuple[Callable[[bytes], object], bytes]
ALL: list[Case] = [
    (DG11.parse, DG11.of(full_name="A", other_names=("B",), date_of_birth=BIRTH).encode()),
    (read_all, DG16.of([PersonToNotify(name="A")]).encode()),
    (DG5.parse, DG5.encode([JPEG])),
    (EfDir.parse, EfDir.encode([Application(AID_EMRTD, "x")])),
    (EfAtrInfo.parse, EfAtrInfo.encode(max_lengths=(1, 2))),
    (EfCvca.parse, EfCvca.encode(["UTCVCA00001"])),
]


@given(st.sampled_from(ALL), st.data())
@settings(deadline=None, max_examples=300)
def test_mutations_give_a_view_or_the_one_error(
    one: tuple[Callable[[bytes], object], bytes], data: st.DataObject
) -> None:
    parse, original = one
    raw = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedDataError):
        parse(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
