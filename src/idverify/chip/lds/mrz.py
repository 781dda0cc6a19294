"""The machine readable zone in its three sizes (ICAO 9303-3 §4, 9303-4 §4.2, 9303-5 §4.2, 9303-6 §4.2).

Everything in a :class:`Mrz` is data of the holder: no field shows in a ``repr``, no message quotes one.
"""

from __future__ import annotations

import datetime
import enum
import re
import unicodedata
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Self

from idverify.errors import ConfigurationError, MalformedDataError
from idverify.report import CheckId, CheckResult, CheckStatus, Reason

FILLER: Final = "<"
UNLIMITED_EXPIRY: Final = "991231"
"""Expiry of a Vietnamese citizen card of unlimited validity."""

_CHARACTERS: Final = re.compile(r"[A-Z0-9<]*")
_WEIGHTS: Final = (7, 3, 1)
_NUMBER_LENGTH: Final = 9
_DOCUMENT_CODES: Final = "PIAC"  # ICAO 9303-4 §4.2.2.3, 9303-5 §4.2.2.2


class MrzFormat(enum.Enum):
    """Size of the document: lines and characters a line."""

    TD1 = (3, 30)
    TD2 = (2, 36)
    TD3 = (2, 44)

    @property
    def lines(self) -> int:
        """Number of lines."""
        return self.value[0]

    @property
    def columns(self) -> int:
        """Characters a line."""
        return self.value[1]


_FORMATS: Final = {f.lines * f.columns: f for f in MrzFormat}


def check_digit(text: str) -> str:
    """The check digit over ``text`` (ICAO 9303-3 §4.9): weights 7, 3, 1; A = 10 … Z = 35; filler = 0.

    Raises:
        MalformedDataError: a character outside A-Z, 0-9 and the filler.
    """
    if not _CHARACTERS.fullmatch(text):
        raise MalformedDataError("MRZ: a character outside A-Z, 0-9 and the filler")
    total = sum((0 if c == FILLER else int(c, 36)) * _WEIGHTS[i % 3] for i, c in enumerate(text))
    return str(total % 10)


# Letters without a canonical decomposition (ICAO 9303-3 §6, table A)
_LETTERS: Final = str.maketrans(
    {"Đ": "D", "Ð": "D", "Ħ": "H", "ı": "I", "Ł": "L", "Ŋ": "N", "Ø": "OE", "Œ": "OE", "Æ": "AE", "ẞ": "SS", "Þ": "TH"}
)


def transliterate(text: str) -> str:
    """``text`` in the characters of the MRZ: diacritics dropped, ``đ`` to D, spaces and hyphens to fillers.

    Apostrophes and full stops vanish (ICAO 9303-3 §4.6); letters of other scripts become fillers.
    """
    upper = unicodedata.normalize("NFD", text.replace("ß", "ẞ").replace("ı", "I").upper().translate(_LETTERS))
    plain = "".join(c for c in upper if not unicodedata.combining(c) and c not in "'’‘`.,")
    return re.sub(r"<+", FILLER, re.sub(r"[^A-Z0-9]", FILLER, plain)).strip(FILLER)


@dataclass(frozen=True, slots=True)
class Mrz:
    """A machine readable zone, as read.

    Attributes:
        format: TD1, TD2 or TD3.
        text: all lines joined, 90, 72 or 88 characters.

    Equality is equality of the text. Views that hold fillers only at their end come without them.
    """

    format: MrzFormat
    text: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an MRZ; white space and line ends are dropped. Check digits are not judged here.

        Raises:
            MalformedDataError: another length than 90, 72 or 88, or a character outside A-Z, 0-9 and the filler.
        """
        joined = "".join(text.split())
        form = _FORMATS.get(len(joined))
        if form is None:
            raise MalformedDataError(
                f"MRZ: expected 90 (TD1), 72 (TD2) or 88 (TD3) characters, got {len(joined)}; "
                "copy every line in full, fillers included"
            )
        if not _CHARACTERS.fullmatch(joined):
            raise MalformedDataError("MRZ: a character outside A-Z, 0-9 and the filler")
        return cls(form, joined)

    @classmethod
    def build(
        cls,
        form: MrzFormat,
        *,
        document_code: str,
        issuing_state: str,
        document_number: str,
        date_of_birth: str,
        sex: str,
        date_of_expiry: str,
        surname: str,
        given_names: str = "",
        nationality: str | None = None,
        optional_data: str = "",
        optional_data_2: str = "",
    ) -> Self:
        """Compose an MRZ with its check digits.

        Args:
            form: the size.
            document_code: one or two letters (``P``, ``ID``).
            issuing_state, nationality: up to three letters; the nationality is the issuing state where not given.
            document_number: one of more than nine characters flows into the optional data (TD1 and TD2 only).
            date_of_birth, date_of_expiry: ``YYMMDD``; unknown parts as fillers.
            sex: ``M``, ``F``, or ``<`` or ``X`` for unspecified.
            surname, given_names: any Latin script; :func:`transliterate` is applied, and names that are too long are
                truncated (ICAO 9303-3 §4.6).
            optional_data: the optional data of TD2 and TD3, the first of TD1.
            optional_data_2: the second of TD1.

        Raises:
            ConfigurationError: a value that does not fit its field. The message names the field only.
        """
        space = {MrzFormat.TD1: 15, MrzFormat.TD2: 7, MrzFormat.TD3: 14}[form]
        number, optional = _fit(document_number, 32, "document_number").rstrip(FILLER), optional_data
        if len(number) > _NUMBER_LENGTH:
            if form is MrzFormat.TD3:
                raise ConfigurationError("MRZ: a TD3 document number has at most nine characters")
            tail = number[_NUMBER_LENGTH:] + check_digit(number)
            optional = tail + (FILLER + optional_data if optional_data else "")
            number_field = number[:_NUMBER_LENGTH] + FILLER
        else:
            number_field = number.ljust(_NUMBER_LENGTH, FILLER)
            number_field += check_digit(number_field)
        optional = _fit(optional, space, "optional_data")
        state = _fit(issuing_state, 3, "issuing_state")
        birth, expiry = (
            _fit(d, 6, n) for d, n in ((date_of_birth, "date_of_birth"), (date_of_expiry, "date_of_expiry"))
        )
        middle = birth + check_digit(birth) + _fit(sex.replace("X", FILLER), 1, "sex") + expiry + check_digit(expiry)
        nation = state if nationality is None else _fit(nationality, 3, "nationality")
        head = _fit(document_code, 2, "document_code") + state
        if form is MrzFormat.TD1:
            line1 = head + number_field + optional
            line2 = middle + nation + _fit(optional_data_2, 11, "optional_data_2")
            composite = line1[5:30] + line2[0:7] + line2[8:15] + line2[18:29]
            return cls(form, line1 + line2 + check_digit(composite) + _name_field(surname, given_names, 30))
        if optional_data_2:
            raise ConfigurationError("MRZ: only TD1 has a second optional data field")
        line2 = number_field + nation + middle + optional
        if form is MrzFormat.TD3:
            line2 += check_digit(optional) if optional.strip(FILLER) else FILLER
        line2 += check_digit(line2[0:10] + line2[13:20] + line2[21:])
        return cls(form, head + _name_field(surname, given_names, form.columns - 5) + line2)

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines."""
        width = self.format.columns
        return tuple(self.text[i : i + width] for i in range(0, len(self.text), width))

    def _at(self, td1: tuple[int, int], td2: tuple[int, int], td3: tuple[int, int]) -> str:
        start, end = {MrzFormat.TD1: td1, MrzFormat.TD2: td2, MrzFormat.TD3: td3}[self.format]
        return self.text[start:end]

    @property
    def document_code(self) -> str:
        """Document code, one or two characters."""
        return self.text[0:2].rstrip(FILLER)

    @property
    def issuing_state(self) -> str:
        """Issuing state or organisation, up to three letters."""
        return self.text[2:5].rstrip(FILLER)

    @property
    def number_field(self) -> str:
        """The nine characters of the document number field, with fillers: what BAC keys are made of, where not long."""
        return self._at((5, 14), (36, 45), (44, 53))

    @property
    def _number_check(self) -> str:
        return self._at((14, 15), (45, 46), (53, 54))

    @property
    def _long_number(self) -> tuple[str, str] | None:
        """Tail of a long document number and its check digit (ICAO 9303-5 §4.2.2.2 note j), or None."""
        if self.format is MrzFormat.TD3 or self._number_check != FILLER:
            return None
        head = self._optional_field.partition(FILLER)[0]
        return (head[:-1], head[-1]) if len(head) >= 2 else None

    @property
    def document_number(self) -> str:
        """The document number, a long one in full, without trailing fillers."""
        long = self._long_number
        return (self.number_field + long[0]) if long else self.number_field.rstrip(FILLER)

    @property
    def _optional_field(self) -> str:
        return self._at((15, 30), (64, 71), (72, 86))

    @property
    def optional_data_1(self) -> str:
        """The optional data field of TD2 and TD3, the first of TD1; with the tail of a long document number."""
        return self._optional_field.rstrip(FILLER)

    @property
    def optional_data_2(self) -> str:
        """The second optional data field of TD1, else empty."""
        return self.text[48:59].rstrip(FILLER) if self.format is MrzFormat.TD1 else ""

    @property
    def date_of_birth(self) -> str:
        """``YYMMDD``; unknown parts are fillers."""
        return self._at((30, 36), (49, 55), (57, 63))

    @property
    def sex(self) -> str:
        """``M``, ``F`` or ``<``."""
        return self._at((37, 38), (56, 57), (64, 65))

    @property
    def date_of_expiry(self) -> str:
        """``YYMMDD``."""
        return self._at((38, 44), (57, 63), (65, 71))

    @property
    def nationality(self) -> str:
        """Up to three letters."""
        return self._at((45, 48), (46, 49), (54, 57)).rstrip(FILLER)

    @property
    def name(self) -> str:
        """The name field without trailing fillers."""
        return self._at((60, 90), (5, 36), (5, 44)).rstrip(FILLER)

    @property
    def surname(self) -> str:
        """Primary identifier, words apart by spaces: what stands before the first ``<<``."""
        return self.name.partition(FILLER * 2)[0].replace(FILLER, " ").strip()

    @property
    def given_names(self) -> str:
        """Secondary identifier, words apart by spaces. Further ``<<`` (Vietnamese cards) count as one space."""
        return " ".join(self.name.partition(FILLER * 2)[2].replace(FILLER, " ").split())

    @property
    def check_digits(self) -> MappingProxyType[str, bool]:
        """Whether each check digit is right: ``document_number``, ``date_of_birth``, ``date_of_expiry``,
        ``optional_data`` (TD3 only), ``composite``."""
        long = self._long_number
        if long:
            number_ok = check_digit(self.number_field + long[0]) == long[1]
        else:
            number_ok = check_digit(self.number_field) == self._number_check
        text = self.text
        result = {
            "document_number": number_ok,
            "date_of_birth": check_digit(self.date_of_birth) == self._at((36, 37), (55, 56), (63, 64)),
            "date_of_expiry": check_digit(self.date_of_expiry) == self._at((44, 45), (63, 64), (71, 72)),
        }
        if self.format is MrzFormat.TD3:
            optional, digit = text[72:86], text[86]
            # ICAO 9303-4 §4.2.2.2: 0 or filler where there are no optional data
            result["optional_data"] = check_digit(optional) == digit or (not optional.strip(FILLER) and digit == FILLER)
        if self.format is MrzFormat.TD1:
            composite, digit = text[5:30] + text[30:37] + text[38:45] + text[48:59], text[59]
        else:
            line = self.lines[1]
            composite, digit = line[0:10] + line[13:20] + line[21:-1], line[-1]
        result["composite"] = check_digit(composite) == digit
        return MappingProxyType(result)

    @property
    def check_digits_ok(self) -> bool:
        """Whether every check digit is right."""
        return all(self.check_digits.values())

    @property
    def problems(self) -> tuple[str, ...]:
        """Names of the fields that do not follow ICAO 9303-3 … -6 (never their values)."""
        found = []
        if self.document_code[:1] not in tuple(_DOCUMENT_CODES):
            found.append("document_code")
        if not re.fullmatch(r"[A-Z]{1,3}", self.issuing_state):
            found.append("issuing_state")
        if not self.document_number:
            found.append("document_number")
        if not re.fullmatch(r"[A-Z]{1,3}", self.nationality):
            found.append("nationality")
        if not _plausible(self.date_of_birth, unknown=True):
            found.append("date_of_birth")
        if self.sex not in ("M", "F", FILLER):
            found.append("sex")
        if not _plausible(self.date_of_expiry, unknown=False):
            found.append("date_of_expiry")
        if not self.surname or re.search(r"\d", self.name):
            found.append("name")
        found.extend(f"check digit of {name}" for name, ok in self.check_digits.items() if not ok)
        return tuple(found)

    def birth_date(self, at: datetime.date) -> datetime.date | None:
        """The date of birth in the hundred years up to ``at``, or None where a part is unknown or impossible."""
        found = _date(self.date_of_birth, at.year - at.year % 100)
        if found is not None and found > at:
            found = _date(self.date_of_birth, at.year - at.year % 100 - 100)
        return found

    @property
    def unlimited(self) -> bool:
        """Whether the document says that it never expires: Viet Nam writes 991231."""
        return self.issuing_state == "VNM" and self.date_of_expiry == UNLIMITED_EXPIRY

    @property
    def expiry_date(self) -> datetime.date | None:
        """The date of expiry, or None where it is unknown, impossible or unlimited.

        The year is in this century: there are no chips from the last one.
        """
        return None if self.unlimited else _date(self.date_of_expiry, 2000)


def document_validity(mrz: Mrz, at: datetime.datetime) -> CheckResult:
    """Whether the document is still valid on the day of ``at`` (``document.validity``).

    Successful through the whole day of expiry in the time zone of ``at``, and always where validity is unlimited.
    Undetermined where the date cannot be read or its check digit is wrong. The result never holds the date.
    """

    def result(status: CheckStatus, reason: Reason = Reason.OK) -> CheckResult:
        return CheckResult(check=CheckId.DOCUMENT_VALIDITY, status=status, reason=reason, subject="DG1")

    if not mrz.check_digits["date_of_expiry"]:
        return result(CheckStatus.UNDETERMINED, Reason.CHECK_DIGIT)
    if mrz.unlimited:
        return result(CheckStatus.SUCCESSFUL)
    expiry = mrz.expiry_date
    if expiry is None:
        return result(CheckStatus.UNDETERMINED, Reason.DATE_UNREADABLE)
    if at.date() > expiry:
        return result(CheckStatus.FAILED, Reason.EXPIRED)
    return result(CheckStatus.SUCCESSFUL)


def _fit(value: str, width: int, name: str) -> str:
    text = value.upper().replace(" ", FILLER)
    if len(text) > width or not _CHARACTERS.fullmatch(text):
        raise ConfigurationError(f"MRZ: {name} does not fit {width} characters of A-Z, 0-9 and the filler")
    return text.ljust(width, FILLER)


def _name_field(surname: str, given_names: str, width: int) -> str:
    primary, secondary = transliterate(surname), transliterate(given_names)
    if not primary:
        raise ConfigurationError("MRZ: the surname has no letter that an MRZ can show")
    both = f"{primary}<<{secondary}" if secondary else primary
    if secondary and len(both) > width:  # at least one letter of the given names stays (ICAO 9303-3 §4.6)
        keep = max(1, width - len(primary) - 2)
        both = f"{primary[: width - 2 - keep].rstrip(FILLER)}<<{secondary[:keep]}"
    return both[:width].ljust(width, FILLER)


def _date(text: str, century: int) -> datetime.date | None:
    if not (len(text) == 6 and text.isdecimal()):
        return None
    try:
        return datetime.date(century + int(text[:2]), int(text[2:4]), int(text[4:]))
    except ValueError:
        return None


def _plausible(text: str, *, unknown: bool) -> bool:
    """Whether ``text`` is a date in some century; with ``unknown``, whole parts may be fillers (ICAO 9303-3 §4.8)."""
    parts = [text[i : i + 2] for i in (0, 2, 4)]
    if not all(p.isdecimal() or (unknown and p == FILLER * 2) for p in parts):
        return False
    known = [p if p.isdecimal() else default for p, default in zip(parts, ("00", "01", "01"), strict=True)]
    return _date("".join(known), 2000) is not None
