from __future__ import annotations

import pytest
from tests.vectors import load

from idverify.chip.access.password import AccessPassword, PasswordKind
from idverify.chip.lds.mrz import Mrz, MrzFormat
from idverify.crypto.block import Cipher
from idverify.errors import ConfigurationError

BAC = load("bac")


def test_published_mrz_information() -> None:
    fields = BAC["mrz"]
    password = AccessPassword.mrz(fields["document_number"], fields["date_of_birth"], fields["date_of_expiry"])
    assert password.value.reveal() == fields["mrz_information"]
    assert password.bac_seed().hex() == BAC["k_seed"]
    same = AccessPassword.mrz("L898902C", fields["date_of_birth"], fields["date_of_expiry"])  # without the filler
    assert same.value == password.value


def test_long_document_number_from_both_formats() -> None:
    for case in BAC["other_key_seeds"]:
        for form in ("mrz_td1", "mrz_td2"):
            password = AccessPassword.from_mrz_text(case[form])
            assert password.value.reveal() == case["mrz_information"]
            assert password.bac_seed().hex() == case["k_seed"]
    assert AccessPassword.mrz("D23145890734", "340712", "950712").bac_seed().hex() == case["k_seed"]


@pytest.mark.parametrize("name", ["pace_ecdh_gm", "pace_dh_gm", "pace_ecdh_cam"])
def test_published_password_keys(name: str) -> None:
    fields = load(name)["password"]
    password = AccessPassword.mrz(fields["document_number"], fields["date_of_birth"], fields["date_of_expiry"])
    assert password.key(Cipher.AES128).hex() == fields["k_pi"]


def test_digits_are_the_key_themselves() -> None:
    expected = load("pace_ecdh_im")["password"]["k_pi"]
    for make in (AccessPassword.can, AccessPassword.pin, AccessPassword.puk):
        assert make("123456").key(Cipher.AES128).hex() == expected
    assert [k.value for k in PasswordKind] == [1, 2, 3, 4]
    assert AccessPassword.can(" 123 456 ").value.reveal() == "123456"


def test_citizen_card_from_its_mrz() -> None:
    mrz = Mrz.build(
        MrzFormat.TD1,
        document_code="ID",
        issuing_state="VNM",
        document_number="099000001",
        optional_data="001099000001<<8",
        date_of_birth="900101",
        sex="M",
        date_of_expiry="300101",
        surname="Nguyễn",
        given_names="Văn An",
    )
    text = "\n".join(mrz.lines)
    password = AccessPassword.from_mrz_text(text)
    assert password.value == AccessPassword.mrz("099000001", "900101", "300101").value


@pytest.mark.parametrize("number", ["001099000001", "001 099 000 001", "001-099-000001"])
def test_twelve_digits_are_explained(number: str) -> None:
    with pytest.raises(ConfigurationError, match="last 9 digits") as caught:
        AccessPassword.mrz(number, "900101", "300101")
    assert "099000001" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AccessPassword.can("001099000001"), "last 6 digits"),
        (lambda: AccessPassword.can("12345"), "6 digits"),
        (lambda: AccessPassword.can("12345a"), "6 digits"),
        (lambda: AccessPassword.can("١٢٣٤٥٦"), "6 digits"),
        (lambda: AccessPassword.pin("1234"), "PIN"),
        (lambda: AccessPassword.puk("12345"), "PUK"),
        (lambda: AccessPassword.mrz("", "900101", "300101"), "document number"),
        (lambda: AccessPassword.mrz("<<<", "900101", "300101"), "document number"),
        (lambda: AccessPassword.mrz("ĐA123", "900101", "300101"), "document number"),
        (lambda: AccessPassword.mrz("B1234567", "19900101", "300101"), "date of birth"),
        (lambda: AccessPassword.mrz("B1234567", "900101", "3001"), "date of expiry"),
        (lambda: AccessPassword.from_mrz_text("P<UTO"), "MRZ"),
    ],
)
def test_refusals_say_what_is_meant(make: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()  # type: ignore[operator]


def test_misread_mrz_is_refused() -> None:
    right = BAC["other_key_seeds"][0]["mrz_td2"]
    for wrong in (right[:36] + "O" + right[37:], right.replace("340712", "340713"), right.replace("950712", "950717")):
        with pytest.raises(ConfigurationError, match="check digit"):
            AccessPassword.from_mrz_text(wrong)


def test_values_stay_out_of_sight() -> None:
    for password in (AccessPassword.can("271828"), AccessPassword.mrz("B1234567", "900101", "300101")):
        assert "271828" not in repr(password)
        assert "B1234567" not in repr(password)
        assert "B1234567" not in password.advice
    with pytest.raises(ConfigurationError, match="needs the MRZ"):
        AccessPassword.can("271828").bac_seed()
