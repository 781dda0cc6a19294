"""The citizen card: number, QR code, MRZ, DG13, and whether they agree. Every person here is invented."""

from __future__ import annotations

import contextlib
import datetime
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify import _tlv
from idverify.chip import cccd
from idverify.chip.lds.dg1 import DG1
from idverify.chip.lds.dg13_vn import FIELD_NAMES, CitizenDetails
from idverify.chip.lds.mrz import Mrz, MrzFormat
from idverify.errors import ConfigurationError, MalformedDataError
from idverify.report import CheckId, CheckStatus, Reason

NUMBER = "001203012345"
NAME = "Nguyễn Thị Đào Ánh"
DETAILS = CitizenDetails(
    personal_number="001303012345",
    full_name=NAME,
    date_of_birth="05/04/2003",
    sex="Nữ",
    nationality="Việt Nam",
    ethnicity="Kinh",
    religion="Không",
    place_of_origin="Phường Mẫu, Hà Nội",
    place_of_residence="Số 1 Đường Thử, Hà Nội",
    identification_features="Nốt ruồi C: 1 cm trên sau đuôi mắt trái",
    date_of_issue="06/05/2021",
    date_of_expiry="05/04/2028",
    father="Nguyễn Văn Thử",
    mother="Trần Thị Mẫu",
    old_number="012345678",
    chip_id="ABCDEF0123456789",
)


def zone(**change: object) -> Mrz:
    values: dict[str, object] = {
        "number": "001303012345",
        "full_name": NAME,
        "date_of_birth": datetime.date(2003, 4, 5),
        "sex": "F",
        "date_of_expiry": datetime.date(2028, 4, 5),
        **change,
    }
    return cccd.citizen_mrz(str(values.pop("number")), **values)  # type: ignore[arg-type]


def dg1(mrz: Mrz) -> DG1:
    return DG1.parse(DG1.encode(mrz))


def test_number() -> None:
    number = cccd.parse_number(" 001 203.012-345 ")
    assert number.digits == NUMBER
    assert (number.place_code, number.place, number.abroad) == ("001", "Hà Nội", False)
    assert (number.sex, number.birth_year) == ("M", 2003)
    assert number.can.reveal() == "012345"
    assert number.document_number.reveal() == "203012345"
    assert cccd.can_from_number(NUMBER).reveal() == "012345"
    assert number.warnings == ()
    assert repr(number) == "PersonalNumber()"


@pytest.mark.parametrize(
    ("digit", "sex", "century"),
    [("0", "M", 1900), ("1", "F", 1900), ("2", "M", 2000), ("3", "F", 2000), ("4", "M", 2100), ("9", "F", 2300)],
)
def test_century_and_sex(digit: str, sex: str, century: int) -> None:
    number = cccd.parse_number(f"079{digit}85000001")
    assert (number.sex, number.birth_year) == (sex, century + 85)


@pytest.mark.parametrize(
    ("code", "abroad", "warned"), [("096", False, False), ("003", False, True), ("101", True, False)]
)
def test_places(code: str, abroad: bool, warned: bool) -> None:
    number = cccd.parse_number(code + "203012345")
    assert number.abroad is abroad
    assert number.warnings == (("unknown-place-code",) if warned else ())


def test_there_were_sixty_three_provinces() -> None:
    assert len(cccd.PLACES) == 63
    assert all(len(code) == 3 and code < "097" for code in cccd.PLACES)
    assert all(unicodedata.is_normalized("NFC", name) for name in cccd.PLACES.values())


@pytest.mark.parametrize(
    ("text", "words"),
    [("203012345", "document number"), ("012345", "CAN"), ("0012030123456", "got 13"),
     ("00120301234x", "other characters"), ("", "other characters"), ("٠٠١٢٠٣٠١٢٣٤٥", "other characters")],
)  # fmt: skip
def test_other_numbers_are_refused_with_advice(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        cccd.parse_number(text)
    assert not text or text not in str(caught.value)


QR = "001303012345|012345678|Nguyễn Thị Đào Ánh|05042003|Nữ|Số 1 Đường Thử, Hà Nội|06052021"


def test_qr_of_seven_fields() -> None:
    qr = cccd.parse_qr("\ufeff" + QR + "\r\n")
    assert qr.number.digits == "001303012345"
    assert qr.old_number == "012345678"
    assert qr.full_name == NAME
    assert qr.date_of_birth == datetime.date(2003, 4, 5)
    assert qr.sex == "F"
    assert qr.address == "Số 1 Đường Thử, Hà Nội"
    assert qr.date_of_issue == datetime.date(2021, 5, 6)
    assert qr.extra == ()
    assert "Nguy" not in repr(qr)
    assert "0013" not in repr(qr)


def test_qr_without_old_number_of_six_fields_and_of_more() -> None:
    seven = cccd.parse_qr(QR)
    fields = QR.split("|")
    empty = cccd.parse_qr("|".join([fields[0], "", *fields[2:]]))
    six = cccd.parse_qr("|".join([fields[0], *fields[2:]]))
    assert empty == six == replace(seven, old_number=None)
    more = cccd.parse_qr(QR + "||Nguyễn Văn Thử|Trần Thị Mẫu")
    assert replace(more, extra=()) == seven
    assert more.extra == ("", "Nguyễn Văn Thử", "Trần Thị Mẫu")
    nine = cccd.parse_qr("|".join([fields[0], *fields[2:], "x", "y"]))
    assert (nine.full_name, nine.extra) == (NAME, ("x", "y"))


def test_qr_text_is_composed_and_odd_dates_are_none() -> None:
    qr = cccd.parse_qr(unicodedata.normalize("NFD", QR).replace("05042003", "31022003").replace("06052021", ""))
    assert qr.full_name == NAME
    assert qr.date_of_birth is None
    assert qr.date_of_issue is None


@pytest.mark.parametrize(
    "text", ["", "x", "1|2|3|4|5|6|7", "https://example.com", "a" * 5000, "00130301234|" + QR[13:]]
)
def test_other_codes_are_refused(text: str) -> None:
    with pytest.raises(MalformedDataError):
        cccd.parse_qr(text)


@given(st.text(st.sampled_from("0123456789|Nữam x\n"), max_size=80))
@settings(deadline=None)
def test_any_code_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(MalformedDataError):
        assert len(cccd.parse_qr(text).number.digits) == 12


def test_zone_of_the_card() -> None:
    mrz = zone()
    assert mrz.lines == (
        "IDVNM3030123457001303012345<<8",
        "0304052F2804051VNM<<<<<<<<<<<6",
        "NGUYEN<<THI<DAO<ANH<<<<<<<<<<<",
    )
    assert mrz.problems == ()
    assert cccd.is_citizen_card(mrz)
    number = cccd.number_from_mrz(mrz)
    assert number is not None
    assert number.digits == "001303012345"
    assert zone(date_of_expiry=None).unlimited


def test_other_documents_are_no_citizen_cards() -> None:
    foreign = Mrz.build(
        MrzFormat.TD1, document_code="ID", issuing_state="UTO", document_number="X1", date_of_birth="740812", sex="F",
        date_of_expiry="300101", surname="Test", optional_data="001303012345",
    )  # fmt: skip
    passport = Mrz.build(
        MrzFormat.TD3, document_code="P", issuing_state="VNM", document_number="X1", date_of_birth="740812", sex="F",
        date_of_expiry="300101", surname="Test",
    )  # fmt: skip
    for mrz in (foreign, passport):
        assert cccd.number_from_mrz(mrz) is None
        assert not cccd.is_citizen_card(mrz)
        assert cccd.cross_check(dg1(mrz), None).status is CheckStatus.NOT_SUPPORTED


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_numbers_survive_the_zone(data: st.DataObject) -> None:
    birth = data.draw(st.dates(datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)))
    female = data.draw(st.booleans())
    place, random = data.draw(st.integers(0, 999)), data.draw(st.integers(0, 999999))
    century = (birth.year // 100 - 19) * 2 + female
    digits = f"{place:03}{century}{birth.year % 100:02}{random:06}"
    mrz = zone(number=digits, date_of_birth=birth, sex="FM"[not female])
    number = cccd.number_from_mrz(Mrz.parse("\n".join(mrz.lines)))
    assert number is not None
    assert number.digits == digits
    details = replace(
        DETAILS, personal_number=digits, date_of_birth=birth.strftime("%d/%m/%Y"), sex="Nữ" if female else "Nam"
    )
    assert cccd.cross_check(dg1(mrz), details).status is CheckStatus.SUCCESSFUL


def test_agreement() -> None:
    result = cccd.cross_check(dg1(zone()), CitizenDetails.parse(DETAILS.encode()))
    assert (result.check, result.status, result.reason) == (
        CheckId.CCCD_CONSISTENCY,
        CheckStatus.SUCCESSFUL,
        Reason.OK,
    )
    assert result.evidence == {}


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"personal_number": "001303012346"}, "personal_number"),
        ({"full_name": "Nguyễn Thị Đào"}, "full_name"),
        ({"full_name": "Nguyễn Thị Đào Ánh Ngọc"}, "full_name"),
        ({"full_name": "—"}, "full_name"),
        ({"date_of_birth": "06/04/2003"}, "date_of_birth"),
        ({"date_of_birth": "05/04/1903"}, "date_of_birth"),
        ({"sex": "Nam"}, "sex"),
        ({"date_of_expiry": "05/04/2029"}, "date_of_expiry"),
        ({"date_of_expiry": "Không thời hạn"}, "date_of_expiry"),
        ({"sex": "Nam", "full_name": "Lê Văn Khác"}, "full_name, sex"),
    ],
)
def test_fields_that_differ_are_named_and_never_quoted(change: dict[str, str], fields: str) -> None:
    result = cccd.cross_check(dg1(zone()), replace(DETAILS, **change))
    assert (result.status, result.reason) == (CheckStatus.FAILED, Reason.FIELDS_DIFFER)
    assert result.evidence == {"fields": fields}
    for value in [*change.values(), "NGUYEN", "001303012345"]:
        assert value not in str(result.to_dict())


@pytest.mark.parametrize("name", ["personal_number", "full_name", "date_of_birth", "sex", "date_of_expiry"])
def test_missing_fields_leave_it_open(name: str) -> None:
    result = cccd.cross_check(dg1(zone()), replace(DETAILS, **{name: None}))
    assert (result.status, result.reason) == (CheckStatus.UNDETERMINED, Reason.FIELDS_MISSING)
    assert result.evidence == {"missing": name}


def test_without_dg13_it_stays_open_unless_dg1_contradicts_itself() -> None:
    assert cccd.cross_check(dg1(zone()), None).reason is Reason.NOT_READ
    contradicting = zone(sex="M")
    result = cccd.cross_check(dg1(contradicting), None)
    assert (result.status, result.evidence) == (CheckStatus.FAILED, {"fields": "sex"})


@pytest.mark.parametrize(
    ("mrz", "fields"),
    [
        (zone(date_of_birth=datetime.date(2004, 4, 5)), "date_of_birth"),
        (Mrz.parse(zone().text[:5] + "303012346" + zone().text[14:]), "document_number"),
        (Mrz.parse(zone().text[:29] + "0" + zone().text[30:]), "personal_number"),
    ],
)
def test_the_number_binds_the_zone(mrz: Mrz, fields: str) -> None:
    assert cccd.cross_check(dg1(mrz), None).evidence == {"fields": fields}


def test_unlimited_validity_agrees() -> None:
    details = replace(DETAILS, date_of_expiry=unicodedata.normalize("NFD", "KHÔNG THỜI HẠN"))
    assert cccd.cross_check(dg1(zone(date_of_expiry=None)), details).status is CheckStatus.SUCCESSFUL


def test_an_unknown_place_is_a_warning() -> None:
    result = cccd.cross_check(dg1(zone(number="003303012345")), replace(DETAILS, personal_number="003303012345"))
    assert result.status is CheckStatus.SUCCESSFUL
    assert result.evidence == {"warnings": "unknown-place-code"}


@pytest.mark.parametrize("given", ["Thị Đào Ánh", "Thị  Đào   Ánh"])
def test_a_truncated_or_spread_name_agrees(given: str) -> None:
    long = "Nguyễn Hoàng Phương Thảo Uyên Nhi"
    mrz = zone(full_name=long)
    assert len(mrz.name) == 30
    assert cccd.cross_check(dg1(mrz), replace(DETAILS, full_name=long)).status is CheckStatus.SUCCESSFUL
    spread = Mrz.parse(zone().text.replace("NGUYEN<<THI<DAO<ANH", "NGUYEN<<THI<<DAO<ANH")[:90])
    assert cccd.cross_check(dg1(spread), replace(DETAILS, full_name=f"Nguyễn {given}")).status is CheckStatus.SUCCESSFUL


# ---- DG13 ----------------------------------------------------------------------------------------------------------


def test_details_round_trip() -> None:
    raw = DETAILS.encode()
    found = CitizenDetails.parse(raw)
    assert found == DETAILS
    assert found.problems == ()
    assert found.raw == raw
    assert found.encode() == raw
    assert repr(found) == "CitizenDetails(problems=())"


def test_details_are_laid_out_as_on_the_card() -> None:
    raw = CitizenDetails(personal_number="001303012345", sex="Nữ").encode()
    outer = _tlv.parse(raw, 0x6D, what="x").children()[0]
    version, oid, fields = outer.children()
    assert version.raw.hex() == "020101"
    assert oid.raw.hex() == "060628d316010008"
    assert [c.value.hex() for c in fields.children()] == [
        "020101130c303031333033303132333435",
        "0201040c044ee1bbaf",
        "02010e",
        "02010f",
    ]


def item(number: int, *values: bytes) -> bytes:
    return _tlv.encode(0x30, _tlv.encode(0x02, bytes([number])), *values)


def text(value: str) -> bytes:
    return _tlv.encode(0x0C, value.encode())


FIELDS = (item(1, _tlv.encode(0x13, b"001303012345")), item(2, text(NAME)), item(14), item(15))


@pytest.mark.parametrize(
    "content",
    [
        _tlv.encode(0x30, bytes.fromhex("020101060628d316010008"), _tlv.encode(0x31, *FIELDS)),
        _tlv.encode(0x30, _tlv.encode(0x31, *FIELDS)),
        _tlv.encode(0x31, *FIELDS),
        _tlv.encode(0x30, *FIELDS),
        _tlv.encode(0x31, *reversed(FIELDS)),
    ],
    ids=["card", "outer sequence", "bare set", "sequence of fields", "other order"],
)
def test_shapes_seen(content: bytes) -> None:
    found = CitizenDetails.parse(_tlv.encode(0x6D, content))
    assert (found.personal_number, found.full_name) == ("001303012345", NAME)
    assert (found.spouse, found.old_number) == (None, None)


@pytest.mark.parametrize(
    ("value", "father", "mother"),
    [
        (_tlv.encode(0x30, text("Cha"), text("Mẹ")), "Cha", "Mẹ"),
        (text("Cha") + text("Mẹ"), "Cha", "Mẹ"),
        (_tlv.encode(0x30, _tlv.encode(0x30, text("Cha")), _tlv.encode(0x30, text("Mẹ"))), "Cha", "Mẹ"),
        (_tlv.encode(0x30, text(""), text("Mẹ")), None, "Mẹ"),
        (_tlv.encode(0x30, _tlv.encode(0x30), text("Mẹ")), None, "Mẹ"),
        (_tlv.encode(0x30, text("Cha")), "Cha", None),
        (b"", None, None),
    ],
)
def test_parents(value: bytes, father: str | None, mother: str | None) -> None:
    found = CitizenDetails.parse(_tlv.encode(0x6D, _tlv.encode(0x31, item(13, value))))
    assert (found.father, found.mother) == (father, mother)


def test_unknown_and_unreadable_fields_are_kept_as_bytes() -> None:
    raw = _tlv.encode(
        0x6D,
        _tlv.encode(0x31, item(17, text("O+")), item(6, b"\x0c\2\xff\xff"), item(7, b"\x04\1\1"), item(1, text("a")),
                    item(1, text("b"))),
    )  # fmt: skip
    found = CitizenDetails.parse(raw)
    assert found.others == {17: text("O+"), 6: b"\x0c\2\xff\xff", 7: b"\x04\1\1"}
    assert found.personal_number == "a"
    assert found.problems == (
        "field 6 is no text",
        "field 7 is no text",
        "field 1 occurs twice; the first one counts",
    )
    assert CitizenDetails.parse(found.encode()).others == found.others


def test_texts_are_composed() -> None:
    raw = _tlv.encode(0x6D, _tlv.encode(0x31, item(2, text(" " + unicodedata.normalize("NFD", NAME)))))
    assert CitizenDetails.parse(raw).full_name == NAME


def nested(depth: int) -> bytes:
    value = text("x")
    for _ in range(depth):
        value = _tlv.encode(0x30, value)
    return value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        DETAILS.encode()[:-1],
        b"\x6e" + DETAILS.encode()[1:],
        _tlv.encode(0x6D, b""),
        _tlv.encode(0x6D, b"\x30\0"),
        _tlv.encode(0x6D, b"\x04\5OPAQUE"),
        _tlv.encode(0x6D, _tlv.encode(0x31, b"\x30\0")),
        _tlv.encode(0x6D, _tlv.encode(0x31, _tlv.encode(0x30, text("x")))),
        _tlv.encode(0x6D, nested(60)),
        b"\x6d\x84\xff\xff\xff\xff\x30",
    ],
)
def test_other_contents_are_refused(raw: bytes) -> None:
    with pytest.raises(MalformedDataError):
        CitizenDetails.parse(raw)


def test_deep_and_long_texts_stay_bytes() -> None:
    long = _tlv.encode(0x0C, b"x" * 5000)
    found = CitizenDetails.parse(_tlv.encode(0x6D, _tlv.encode(0x31, item(2, nested(9)), item(3, long))))
    assert found.full_name is None
    assert set(found.others) == {2, 3}


@given(
    st.dictionaries(
        st.sampled_from(sorted(FIELD_NAMES.values())), st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
    )
)
@settings(deadline=None, max_examples=80)
def test_any_text_survives(values: dict[str, str]) -> None:
    clean = {k: v for k, v in ((k, unicodedata.normalize("NFC", v).strip()) for k, v in values.items()) if v}
    made = CitizenDetails(**clean)  # type: ignore[arg-type]
    assert CitizenDetails.parse(made.encode()) == made


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_mutations_give_details_or_the_one_error(data: st.DataObject) -> None:
    raw = bytearray(DETAILS.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedDataError):
        cccd.cross_check(dg1(zone()), CitizenDetails.parse(bytes(raw)))
