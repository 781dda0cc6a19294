"""Viet Nam's citizen card: the 12-digit number, the QR code, the MRZ, and whether they agree.

Sources: Circular 59/2021/TT-BCA and Decree 137/2015/ND-CP (number), Circular 07/2016/TT-BCA annex 1 (place codes).
The QR code is unsigned: a source for the key of the chip and a cross-check, never evidence.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from idverify._secret import Secret
from idverify.chip.lds.dg1 import DG1
from idverify.chip.lds.dg13_vn import CitizenDetails
from idverify.chip.lds.mrz import FILLER, UNLIMITED_EXPIRY, Mrz, MrzFormat, check_digit, transliterate
from idverify.errors import ConfigurationError, MalformedDataError
from idverify.report import CheckId, CheckResult, CheckStatus, Reason

STATE: Final = "VNM"
UNLIMITED_TEXT: Final = "Không thời hạn"
MAX_QR_CHARACTERS: Final = 4096

PLACES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "001": "Hà Nội", "002": "Hà Giang", "004": "Cao Bằng", "006": "Bắc Kạn", "008": "Tuyên Quang",
        "010": "Lào Cai", "011": "Điện Biên", "012": "Lai Châu", "014": "Sơn La", "015": "Yên Bái",
        "017": "Hòa Bình", "019": "Thái Nguyên", "020": "Lạng Sơn", "022": "Quảng Ninh", "024": "Bắc Giang",
        "025": "Phú Thọ", "026": "Vĩnh Phúc", "027": "Bắc Ninh", "030": "Hải Dương", "031": "Hải Phòng",
        "033": "Hưng Yên", "034": "Thái Bình", "035": "Hà Nam", "036": "Nam Định", "037": "Ninh Bình",
        "038": "Thanh Hóa", "040": "Nghệ An", "042": "Hà Tĩnh", "044": "Quảng Bình", "045": "Quảng Trị",
        "046": "Thừa Thiên Huế", "048": "Đà Nẵng", "049": "Quảng Nam", "051": "Quảng Ngãi", "052": "Bình Định",
        "054": "Phú Yên", "056": "Khánh Hòa", "058": "Ninh Thuận", "060": "Bình Thuận", "062": "Kon Tum",
        "064": "Gia Lai", "066": "Đắk Lắk", "067": "Đắk Nông", "068": "Lâm Đồng", "070": "Bình Phước",
        "072": "Tây Ninh", "074": "Bình Dương", "075": "Đồng Nai", "077": "Bà Rịa - Vũng Tàu",
        "079": "Hồ Chí Minh", "080": "Long An", "082": "Tiền Giang", "083": "Bến Tre", "084": "Trà Vinh",
        "086": "Vĩnh Long", "087": "Đồng Tháp", "089": "An Giang", "091": "Kiên Giang", "092": "Cần Thơ",
        "093": "Hậu Giang", "094": "Sóc Trăng", "095": "Bạc Liêu", "096": "Cà Mau",
    }
)  # fmt: skip
"""Place of birth registration by code. Codes stay after provinces were merged in 2025; 100 and above are countries."""


@dataclass(frozen=True, slots=True)
class PersonalNumber:
    """The 12-digit number ``PPP C YY RRRRRR``: place, century and sex, year of birth, random digits.

    Attributes:
        digits: all twelve.
    """

    digits: str = field(repr=False)

    @property
    def place_code(self) -> str:
        """Three digits: province, or country, where the birth was registered."""
        return self.digits[:3]

    @property
    def place(self) -> str | None:
        """Name of the province, or None where the code is a country's or unknown."""
        return PLACES.get(self.place_code)

    @property
    def abroad(self) -> bool:
        """Whether the birth was registered in another country."""
        return self.place_code >= "100"

    @property
    def sex(self) -> str:
        """``M`` or ``F``: the parity of the fourth digit."""
        return "FM"[int(self.digits[3]) % 2 == 0]

    @property
    def birth_year(self) -> int:
        """Four-digit year: 0 and 1 stand for the twentieth century, 2 and 3 for the twenty-first, and so on."""
        return 1900 + int(self.digits[3]) // 2 * 100 + int(self.digits[4:6])

    @property
    def can(self) -> Secret[str]:
        """The card access number: the last six digits."""
        return Secret(self.digits[-6:])

    @property
    def document_number(self) -> Secret[str]:
        """The 9-digit document number of the MRZ (the key of BAC): the last nine digits."""
        return Secret(self.digits[-9:])

    @property
    def warnings(self) -> tuple[str, ...]:
        """Codes of what is unusual but allowed: ``unknown-place-code``."""
        return () if self.abroad or self.place is not None else ("unknown-place-code",)


def parse_number(text: str) -> PersonalNumber:
    """Read a typed or scanned 12-digit number; spaces, dots and hyphens are dropped.

    Raises:
        ConfigurationError: not twelve digits. The message says what was probably meant.
    """
    digits = re.sub(r"[\s.\-]", "", text)
    if not (digits.isascii() and digits.isdigit()):
        raise ConfigurationError("personal number: expected 12 digits, got other characters")
    if len(digits) != 12:
        hint = {
            9: "; nine digits are the document number of the MRZ, or an old identity card",
            6: "; six digits are the card access number (CAN)",
        }.get(len(digits), "")
        raise ConfigurationError(f"personal number: expected 12 digits, got {len(digits)}{hint}")
    return PersonalNumber(digits)


def can_from_number(number: str) -> Secret[str]:
    """The card access number: the last six digits of the 12-digit number.

    Raises:
        ConfigurationError: not twelve digits.
    """
    return parse_number(number).can


@dataclass(frozen=True, slots=True, kw_only=True)
class CitizenQr:
    """What the QR code of a citizen card says, none of it signed, all of it personal data.

    Attributes:
        number: the 12-digit number.
        old_number: the former number, or None.
        full_name: with diacritics, NFC.
        date_of_birth, date_of_issue: or None where they cannot be read.
        sex: ``M``, ``F`` or None.
        address: place of residence.
        extra: further fields of newer cards, as written.
    """

    number: PersonalNumber = field(repr=False)
    old_number: str | None = field(repr=False)
    full_name: str = field(repr=False)
    date_of_birth: datetime.date | None = field(repr=False)
    sex: str | None = field(repr=False)
    address: str = field(repr=False)
    date_of_issue: datetime.date | None = field(repr=False)
    extra: tuple[str, ...] = field(default=(), repr=False)


def parse_qr(text: str) -> CitizenQr:
    """Read the QR code ``number|old number|name|ddmmyyyy|Nam/Nữ|address|issue ddmmyyyy``.

    Six fields (no old number) and more than seven (cards of 2024) are read too.

    Raises:
        MalformedDataError: another structure, or no 12-digit number at its start.
    """
    if len(text) > MAX_QR_CHARACTERS:
        raise MalformedDataError(f"QR: {len(text)} characters are beyond the cap of {MAX_QR_CHARACTERS}")
    fields = [unicodedata.normalize("NFC", f).strip() for f in text.strip("\ufeff \t\r\n").split("|")]
    if len(fields) < 6:
        raise MalformedDataError(f"QR: expected at least 6 fields apart by '|', got {len(fields)}")
    if not re.fullmatch(r"[0-9]{12}", fields[0]):
        raise MalformedDataError("QR: the first field is not a 12-digit number")
    if len(fields) == 6 or (fields[1] and not fields[1].isdecimal()):
        fields.insert(1, "")
    fields += [""] * (7 - len(fields))
    return CitizenQr(
        number=PersonalNumber(fields[0]),
        old_number=fields[1] or None,
        full_name=fields[2],
        date_of_birth=_compact_date(fields[3]),
        sex=sex_from_text(fields[4]),
        address=fields[5],
        date_of_issue=_compact_date(fields[6]),
        extra=tuple(fields[7:]),
    )


def sex_from_text(text: str) -> str | None:
    """``M`` for Nam, ``F`` for Nữ, else None."""
    return {"NAM": "M", "NU": "F"}.get(transliterate(text))


def split_name(full_name: str) -> tuple[str, str]:
    """Family name (the first word) and given names (the rest), as the MRZ of the card writes them."""
    family, _, given = " ".join(full_name.split()).partition(" ")
    return family, given


def citizen_mrz(
    number: str, *, full_name: str, date_of_birth: datetime.date, sex: str, date_of_expiry: datetime.date | None
) -> Mrz:
    """The MRZ of a citizen card (TD1).

    Args:
        number: the 12-digit number.
        full_name: family name first.
        date_of_birth: the date of birth.
        sex: ``M`` or ``F``.
        date_of_expiry: None for unlimited validity.

    Raises:
        ConfigurationError: a value that does not fit.
    """
    digits = parse_number(number).digits
    surname, given = split_name(full_name)
    optional = digits + FILLER * 2
    return Mrz.build(
        MrzFormat.TD1,
        document_code="ID",
        issuing_state=STATE,
        document_number=digits[-9:],
        optional_data=optional + check_digit(optional),
        date_of_birth=date_of_birth.strftime("%y%m%d"),
        sex=sex,
        date_of_expiry=UNLIMITED_EXPIRY if date_of_expiry is None else date_of_expiry.strftime("%y%m%d"),
        surname=surname,
        given_names=given,
    )


def number_from_mrz(mrz: Mrz) -> PersonalNumber | None:
    """The 12-digit number in the optional data of a citizen card's MRZ, or None for another document."""
    if mrz.format is not MrzFormat.TD1 or mrz.issuing_state != STATE:
        return None
    found = re.fullmatch(r"([0-9]{12})<*[0-9]?", mrz.optional_data_1)
    return PersonalNumber(found[1]) if found else None


def is_citizen_card(mrz: Mrz) -> bool:
    """Whether the MRZ is that of Viet Nam's citizen card: TD1, code I…, VNM, 12 digits in the optional data."""
    return mrz.document_code.startswith("I") and number_from_mrz(mrz) is not None


def cross_check(dg1: DG1, dg13: CitizenDetails | None) -> CheckResult:
    """Compare DG1 with itself, with the rules of the number, and with DG13 (``cccd.consistency``).

    Compared with DG13: number, name (without diacritics), birth, sex, expiry. ``evidence["fields"]`` names the fields
    that differ, ``evidence["missing"]`` those that DG13 lacks; values never leave. An unknown place code is a warning
    only (``evidence["warnings"]``).

    Returns:
        successful; failed (fields-differ); undetermined (fields-missing, or not-read without DG13); not-supported for
        another document.
    """

    def result(status: CheckStatus, reason: Reason, **evidence: str) -> CheckResult:
        return CheckResult(
            check=CheckId.CCCD_CONSISTENCY,
            status=status,
            reason=reason,
            subject="DG1" if dg13 is None else "DG1, DG13",
            evidence={k: v for k, v in evidence.items() if v},
        )

    mrz = dg1.mrz
    number = number_from_mrz(mrz)
    if number is None or not is_citizen_card(mrz):
        return result(CheckStatus.NOT_SUPPORTED, Reason.NOT_OFFERED)
    differ = list(_inside_mrz(mrz, number))
    missing: list[str] = []
    if dg13 is not None:
        for name, agrees in _against_details(mrz, number, dg13):
            if agrees is None:
                missing.append(name)
            elif not agrees:
                differ.append(name)
    warnings = ", ".join(number.warnings)
    fields = ", ".join(dict.fromkeys(differ))
    if differ:
        return result(
            CheckStatus.FAILED, Reason.FIELDS_DIFFER, fields=fields, missing=", ".join(missing), warnings=warnings
        )
    if dg13 is None:
        return result(CheckStatus.UNDETERMINED, Reason.NOT_READ, warnings=warnings)
    if missing:
        return result(CheckStatus.UNDETERMINED, Reason.FIELDS_MISSING, missing=", ".join(missing), warnings=warnings)
    return result(CheckStatus.SUCCESSFUL, Reason.OK, warnings=warnings)


def _inside_mrz(mrz: Mrz, number: PersonalNumber) -> Iterator[str]:
    """Names of the MRZ fields that the number contradicts."""
    if mrz.document_number != number.document_number.reveal():
        yield "document_number"
    optional = mrz.text[15:30]
    if optional[14] != FILLER and check_digit(optional[:14]) != optional[14]:
        yield "personal_number"
    if mrz.date_of_birth[:2].isdecimal() and int(mrz.date_of_birth[:2]) != number.birth_year % 100:
        yield "date_of_birth"
    if mrz.sex != FILLER and mrz.sex != number.sex:
        yield "sex"


def _against_details(mrz: Mrz, number: PersonalNumber, details: CitizenDetails) -> Iterator[tuple[str, bool | None]]:
    """Each compared field of DG13 and whether it agrees; None where it is missing or cannot be read."""
    written, name = details.personal_number, details.full_name
    yield "personal_number", None if written is None else written == number.digits
    yield "full_name", None if name is None else _same_name(mrz, name)
    birth = _written_date(details.date_of_birth)
    yield (
        "date_of_birth",
        None if birth is None else birth.strftime("%y%m%d") == mrz.date_of_birth and birth.year == number.birth_year,
    )
    sex = None if details.sex is None else sex_from_text(details.sex)
    yield "sex", None if sex is None else sex == mrz.sex
    if details.date_of_expiry is not None and transliterate(details.date_of_expiry) == transliterate(UNLIMITED_TEXT):
        yield "date_of_expiry", mrz.unlimited
    else:
        expiry = _written_date(details.date_of_expiry)
        yield "date_of_expiry", None if expiry is None else expiry == mrz.expiry_date


def _same_name(mrz: Mrz, full_name: str) -> bool:
    """Whether the name agrees, a truncated MRZ name with its beginning (ICAO 9303-3 §4.6)."""
    written = transliterate(full_name).replace(FILLER, "")
    shown = mrz.name.replace(FILLER, "")
    if not shown or not written:
        return False
    truncated = len(mrz.name) == mrz.format.columns
    return written.startswith(shown) if truncated else written == shown


def _written_date(text: str | None) -> datetime.date | None:
    """A date written ``dd/mm/yyyy`` (or with dots or hyphens)."""
    found = re.fullmatch(r"\s*([0-9]{1,2})[/.\-]([0-9]{1,2})[/.\-]([0-9]{4})\s*", text or "")
    return _real_date(found[3], found[2], found[1]) if found else None


def _compact_date(text: str) -> datetime.date | None:
    """A date written ``ddmmyyyy``."""
    found = re.fullmatch(r"([0-9]{2})([0-9]{2})([0-9]{4})", text)
    return _real_date(found[3], found[2], found[1]) if found else _written_date(text)


def _real_date(year: str, month: str, day: str) -> datetime.date | None:
    try:
        return datetime.date(int(year), int(month), int(day))
    except ValueError:
        return None
