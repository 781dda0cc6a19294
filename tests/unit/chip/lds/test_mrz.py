"""The machine readable zone."""

from __future__ import annotations

import contextlib
import datetime
import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import shared

from idverify.chip.lds.mrz import Mrz, MrzFormat, check_digit, document_validity, transliterate
from idverify.errors import ConfigurationError, MalformedDataError
from idverify.report import CheckId, CheckStatus, Reason

PUBLISHED: dict[str, Any] = json.loads((Path(__file__).parents[3] / "vectors" / "mrz.json").read_text("utf-8"))
TD3 = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<L898902C36UTO7408122F1204159ZE184226B<<<<<10"


def fields_of(mrz: Mrz, names: list[str]) -> dict[str, str]:
    return {n: getattr(mrz, "optional_data_1" if n == "optional_data" else n) for n in names}


@pytest.mark.parametrize("example", PUBLISHED["check_digits"], ids=lambda e: e["input"][:12])
def test_published_check_digits(example: dict[str, str]) -> None:
    assert check_digit(example["input"]) == example["digit"]


@pytest.mark.parametrize("zone", PUBLISHED["zones"], ids=lambda z: z["source"])
def test_published_zones(zone: dict[str, Any]) -> None:
    mrz = Mrz.parse(zone["text"])
    assert mrz.format.name == zone["type"].upper()
    assert fields_of(mrz, list(zone["fields"])) == zone["fields"]
    assert dict(mrz.check_digits) == zone["check_digits"]
    assert mrz.check_digits_ok is all(zone["check_digits"].values())


def test_every_zone_of_the_shared_index() -> None:
    entries = json.loads(shared("vectors/mrz/mrz.json").read_text("utf-8"))["mrz"]
    refused = 0
    for entry in entries:
        try:
            mrz = Mrz.parse(entry["mrz"])
        except MalformedDataError:
            assert not entry["all_check_digits_ok"]
            assert "fields" not in entry
            refused += 1
            continue
        assert fields_of(mrz, list(entry["fields"])) == entry["fields"]
        assert dict(mrz.check_digits) == entry["check_digits"]
        assert mrz.check_digits_ok is entry["all_check_digits_ok"]
    assert (len(entries), refused) == (25, 1)


@pytest.mark.parametrize("zone", [z for z in PUBLISHED["zones"] if all(z["check_digits"].values())],
                         ids=lambda z: z["source"])  # fmt: skip
def test_published_zones_are_built_again(zone: dict[str, Any]) -> None:
    mrz = Mrz.parse(zone["text"])
    long = len(mrz.document_number) > 9
    built = Mrz.build(
        mrz.format,
        document_code=mrz.document_code,
        issuing_state=mrz.issuing_state,
        document_number=mrz.document_number,
        date_of_birth=mrz.date_of_birth,
        sex=mrz.sex,
        date_of_expiry=mrz.date_of_expiry,
        nationality=mrz.nationality,
        surname=mrz.surname,
        given_names=mrz.given_names,
        optional_data="" if long else mrz.optional_data_1,
        optional_data_2=mrz.optional_data_2,
    )
    assert built.text == zone["text"]


DATES = st.dates(datetime.date(1930, 1, 1), datetime.date(2029, 12, 31)).map(lambda d: d.strftime("%y%m%d"))
NAMES = st.text(string.ascii_uppercase, min_size=1, max_size=14)
ALNUM = string.ascii_uppercase + string.digits


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_what_is_built_is_read(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(MrzFormat))
    longest = {MrzFormat.TD1: 22, MrzFormat.TD2: 14, MrzFormat.TD3: 9}[form]
    number = data.draw(st.text(ALNUM, min_size=1, max_size=longest))
    space = {MrzFormat.TD1: 15, MrzFormat.TD2: 7, MrzFormat.TD3: 14}[form]
    optional = "" if len(number) > 9 else data.draw(st.text(ALNUM, max_size=space))
    surname, given_names = data.draw(NAMES), data.draw(st.lists(NAMES, max_size=1).map(" ".join))
    wanted = {
        "document_code": data.draw(st.sampled_from(["P", "ID", "I", "AC"])),
        "issuing_state": data.draw(st.sampled_from(["VNM", "UTO", "D"])),
        "document_number": number,
        "date_of_birth": data.draw(DATES),
        "sex": data.draw(st.sampled_from("MF<")),
        "date_of_expiry": data.draw(DATES),
        "nationality": data.draw(st.sampled_from(["VNM", "UTO", "D"])),
        "surname": surname,
        "given_names": given_names,
    }
    mrz = Mrz.build(form, optional_data=optional, **wanted)
    assert Mrz.parse("\n".join(mrz.lines)) == mrz
    assert mrz.problems == ()
    width = form.columns - (0 if form is MrzFormat.TD1 else 5)
    if len(surname) + len(given_names) + 2 > width:
        del wanted["surname"], wanted["given_names"]
        assert mrz.surname
        assert mrz.given_names
    for name, value in wanted.items():
        assert getattr(mrz, name) == value, name
    if len(number) <= 9:
        assert mrz.optional_data_1 == optional


@given(st.sampled_from(PUBLISHED["zones"]), st.data())
@settings(deadline=None, max_examples=150)
def test_one_wrong_character_never_passes_unseen(zone: dict[str, Any], data: st.DataObject) -> None:
    mrz = Mrz.parse(zone["text"])
    line = mrz.lines[1]
    if not mrz.check_digits_ok:
        return
    index = data.draw(st.integers(0, len(line) - 1).filter(lambda i: line[i].isdigit()))
    other = data.draw(st.sampled_from([d for d in string.digits if d != line[index]]))
    lines = list(mrz.lines)
    lines[1] = line[:index] + other + line[index + 1 :]
    assert not Mrz.parse("".join(lines)).check_digits_ok


@given(st.text(max_size=100))
@settings(deadline=None)
def test_any_text_is_a_zone_or_the_one_error(text: str) -> None:
    with contextlib.suppress(MalformedDataError):
        Mrz.parse(text)


@given(st.sampled_from([90, 72, 88]).flatmap(lambda n: st.text(ALNUM + "<", min_size=n, max_size=n)))
@settings(deadline=None, max_examples=200)
def test_any_zone_has_views_without_errors(text: str) -> None:
    mrz = Mrz.parse(text)
    for name in dir(Mrz):
        if isinstance(getattr(Mrz, name), property):
            getattr(mrz, name)
    mrz.birth_date(datetime.date(2026, 1, 1))
    document_validity(mrz, datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "got 0"), (TD3[:-1], "got 87"), (TD3 + "<", "got 89"), (TD3.lower(), "outside"), ("É" + TD3[1:], "outside")],
)
def test_other_lengths_and_alphabets_are_refused(text: str, words: str) -> None:
    with pytest.raises(MalformedDataError, match=words) as caught:
        Mrz.parse(text)
    assert "ERIKSSON" not in str(caught.value)


@pytest.mark.parametrize(
    ("position", "character", "problem"),
    [
        (0, "X", "document_code"),
        (2, "9", "issuing_state"),
        (5, "9", "name"),
        (54, "1", "nationality"),
        (59, "9", "date_of_birth"),
        (64, "Z", "sex"),
        (67, "9", "date_of_expiry"),
    ],
)
def test_fields_that_break_the_standard_are_named(position: int, character: str, problem: str) -> None:
    mrz = Mrz.parse(TD3[:position] + character + TD3[position + 1 :])
    assert problem in mrz.problems


@pytest.mark.parametrize("birth", ["7408<<", "74<<<<", "<<0812", "<<<<<<"])
def test_unknown_parts_of_the_birth_are_allowed(birth: str) -> None:
    mrz = Mrz.build(
        MrzFormat.TD3, document_code="P", issuing_state="UTO", document_number="X1", date_of_birth=birth, sex="X",
        date_of_expiry="300101", surname="Test",
    )  # fmt: skip
    assert mrz.problems == ()
    assert mrz.sex == "<"
    assert mrz.birth_date(datetime.date(2026, 1, 1)) is None
    assert mrz.given_names == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nguyễn Thị Đào", "NGUYEN<THI<DAO"),
        ("Lương Hữu Phước", "LUONG<HUU<PHUOC"),
        ("O'Brien-Smith", "OBRIEN<SMITH"),
        ("Weiß Øster Łódź", "WEISS<OESTER<LODZ"),
        ("  a  b ", "A<B"),
        ("漢字", ""),
    ],
)
def test_transliteration(text: str, expected: str) -> None:
    assert transliterate(text) == expected


@given(st.text(max_size=40))
@settings(deadline=None)
def test_transliteration_gives_characters_of_the_zone_and_is_stable(text: str) -> None:
    once = transliterate(text)
    assert set(once) <= set(ALNUM + "<")
    assert "<<" not in once
    assert transliterate(once) == once


@pytest.mark.parametrize(
    "change",
    [
        {"document_number": "X" * 33},
        {"document_number": "A-1"},
        {"issuing_state": "UTOP"},
        {"sex": "MF"},
        {"date_of_birth": "19740812"},
        {"surname": "漢"},
        {"optional_data": "1" * 15},
        {"optional_data_2": "ZZ"},
        {"document_number": "1234567890"},
    ],
    ids=lambda c: next(iter(c)),
)
def test_values_that_do_not_fit_are_refused_without_quoting_them(change: dict[str, str]) -> None:
    values = {
        "document_code": "P", "issuing_state": "UTO", "document_number": "X1", "date_of_birth": "740812", "sex": "F",
        "date_of_expiry": "300101", "surname": "Test",
    }  # fmt: skip
    with pytest.raises(ConfigurationError) as caught:
        Mrz.build(MrzFormat.TD3, **{**values, **change})
    assert next(iter(change.values())) not in str(caught.value)


def test_nothing_of_the_holder_shows() -> None:
    mrz = Mrz.parse(TD3)
    assert repr(mrz) == "Mrz(format=<MrzFormat.TD3: (2, 44)>)"


@pytest.mark.parametrize(
    ("birth", "at", "year"),
    [("740812", "2026-01-01", 1974), ("260101", "2026-01-01", 2026), ("260102", "2026-01-01", 1926)],
)
def test_birth_is_in_the_hundred_years_before(birth: str, at: str, year: int) -> None:
    mrz = Mrz.build(
        MrzFormat.TD1, document_code="ID", issuing_state="UTO", document_number="X1", date_of_birth=birth, sex="F",
        date_of_expiry="300101", surname="Test",
    )  # fmt: skip
    found = mrz.birth_date(datetime.date.fromisoformat(at))
    assert found is not None
    assert found.year == year


@pytest.mark.parametrize(
    ("state", "expiry", "at", "status", "reason"),
    [
        ("UTO", "300101", "2030-01-01T23:59", CheckStatus.SUCCESSFUL, Reason.OK),
        ("UTO", "300101", "2030-01-02T00:00", CheckStatus.FAILED, Reason.EXPIRED),
        ("VNM", "991231", "2030-01-02T00:00", CheckStatus.SUCCESSFUL, Reason.OK),
        ("VNM", "991231", "2105-01-02T00:00", CheckStatus.SUCCESSFUL, Reason.OK),
        ("UTO", "991231", "2105-01-02T00:00", CheckStatus.FAILED, Reason.EXPIRED),
        ("UTO", "300230", "2026-01-01T00:00", CheckStatus.UNDETERMINED, Reason.DATE_UNREADABLE),
        ("UTO", "<<<<<<", "2026-01-01T00:00", CheckStatus.UNDETERMINED, Reason.DATE_UNREADABLE),
    ],
)
def test_document_validity(state: str, expiry: str, at: str, status: CheckStatus, reason: Reason) -> None:
    mrz = Mrz.build(
        MrzFormat.TD1, document_code="ID", issuing_state=state, document_number="X1", date_of_birth="740812", sex="F",
        date_of_expiry=expiry, surname="Test",
    )  # fmt: skip
    result = document_validity(mrz, datetime.datetime.fromisoformat(at).replace(tzinfo=datetime.UTC))
    assert (result.check, result.status, result.reason) == (CheckId.DOCUMENT_VALIDITY, status, reason)


def test_an_expiry_with_a_wrong_check_digit_is_no_evidence() -> None:
    mrz = Mrz.parse(TD3[:71] + "0" + TD3[72:])
    result = document_validity(mrz, datetime.datetime(2010, 1, 1, tzinfo=datetime.UTC))
    assert (result.status, result.reason) == (CheckStatus.UNDETERMINED, Reason.CHECK_DIGIT)
