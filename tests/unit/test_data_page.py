"""The MRZ of the data page beside that of the chip. Every person here is invented."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from idverify._tlv import encode as tlv
from idverify.chip.access.password import AccessPassword
from idverify.chip.lds.files import FileId
from idverify.chip.lds.mrz import Mrz, MrzFormat
from idverify.engine.document import check_data_page
from idverify.report import CheckId, CheckStatus, Reason

FIELDS = {
    "document_code": "P", "issuing_state": "UTO", "document_number": "L898902C3", "date_of_birth": "740812", "sex": "F",
    "date_of_expiry": "320415", "surname": "ERIKSSON", "given_names": "ANNA MARIA", "optional_data": "ZE184226B",
}  # fmt: skip


def mrz(form: MrzFormat = MrzFormat.TD3, **changes: str) -> Mrz:
    return Mrz.build(form, **{**FIELDS, **changes})  # type: ignore[arg-type]


def judged(stored: Mrz, *passwords: AccessPassword) -> list[tuple[CheckStatus, Reason, str | None]]:
    checks = check_data_page({FileId.DG1: tlv(0x61, tlv(0x5F1F, stored.text.encode()))}, passwords)
    assert all((c.check, c.subject) == (CheckId.DOCUMENT_CONTENTS, "DG1") for c in checks)
    for check in checks:
        assert not {"ERIKSSON", "ANNA", "L898902C3"} & set(" ".join(check.evidence.values()).split())
    return [(c.status, c.reason, c.evidence.get("fields")) for c in checks]


def differs(fields: str | None) -> list[tuple[CheckStatus, Reason, str | None]]:
    return [(CheckStatus.FAILED, Reason.FIELDS_DIFFER, fields)]


PRINTED = AccessPassword.from_mrz_text(mrz().text)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"surname": "ERIKSEN"}, "name"),
        ({"given_names": "ANNA"}, "name"),
        ({"nationality": "D"}, "nationality"),
        ({"sex": "M"}, "sex"),
        ({"document_code": "PM"}, "document_code"),
        ({"issuing_state": "XXA", "nationality": "UTO"}, "issuing_state"),
        ({"optional_data": ""}, "optional_data_1"),
        ({"document_number": "L898902C4"}, "document_number"),
        ({"date_of_expiry": "320416", "surname": "X"}, "name date_of_expiry"),
    ],
)
def test_what_differs_is_named(change: dict[str, str], fields: str) -> None:
    assert judged(mrz(**change), PRINTED) == differs(fields)


def test_the_same_mrz_says_nothing() -> None:
    assert judged(mrz(), PRINTED) == []
    assert judged(mrz(), AccessPassword.from_mrz_text("\n".join(mrz().lines).lower())) == []


def test_a_check_digit_alone_and_another_format_differ_too() -> None:
    text = mrz().text
    other = text[:-1] + str((int(text[-1]) + 1) % 10)
    assert judged(Mrz.parse(other), PRINTED) == differs("check_digits")
    small = {k: v for k, v in FIELDS.items() if k != "optional_data"}
    assert judged(Mrz.build(MrzFormat.TD1, **{**small, "document_code": "I"}), PRINTED) == differs("format")


def test_of_number_and_dates_alone_only_these_are_compared() -> None:
    typed = AccessPassword.mrz("L898902C3", "740812", "320415")
    assert typed.data_page is None
    assert judged(mrz(surname="ERIKSEN"), typed) == []
    assert judged(mrz(document_number="L898902C4"), typed) == differs(None)
    assert judged(mrz(surname="ERIKSEN"), AccessPassword.can("123456")) == []


def test_the_data_page_is_part_of_no_key_and_of_no_picture_of_the_password() -> None:
    assert replace(PRINTED, data_page=None) == PRINTED == AccessPassword.mrz("L898902C3", "740812", "320415")
    assert "ERIKSSON" not in repr(PRINTED)
    with pytest.raises(TypeError):
        pickle.dumps(PRINTED)
