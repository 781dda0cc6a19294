"""Passwords that open a chip: the MRZ's key data, the card access number, PIN and PUK (ICAO 9303-11 §4.3.1, §9.7.3).

Values are checked when they are given, with advice: typing the 12-digit personal number of a Vietnamese citizen card
where its 9-digit document number belongs is the mistake that counters make most.
"""

from __future__ import annotations

import enum
import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import Final, NoReturn

from idverify._secret import Secret
from idverify.chip.lds.mrz import FILLER, Mrz, check_digit
from idverify.crypto.block import Cipher
from idverify.crypto.kdf import COUNTER_PASSWORD, kdf
from idverify.errors import ConfigurationError, MalformedDataError

_DATE: Final = re.compile(r"[0-9<]{6}")
_NUMBER: Final = re.compile(r"[A-Z0-9<]{1,32}")
_DIGITS: Final = re.compile(r"[0-9]+")
_NUMBER_FIELD: Final = 9
_KEY_FIELDS: Final = ("document_number", "date_of_birth", "date_of_expiry")

_TWELVE_DIGITS: Final = (
    "this number has 12 digits. The document number of a Vietnamese citizen card has 9: it stands in the first line of "
    "the MRZ after IDVNM, and is the last 9 digits of the 12-digit personal number. Take those 9 digits here, or open "
    "the card with its CAN, the last 6 digits of the personal number"
)


class PasswordKind(enum.Enum):
    """Reference of the password in MSE:Set AT (ICAO 9303-11 §4.4.4.1; BSI TR-03110-3 §B.1)."""

    MRZ = 1
    CAN = 2
    PIN = 3
    PUK = 4


@dataclass(frozen=True, slots=True)
class AccessPassword:
    """A password of the card.

    Attributes:
        kind: what it is.
        value: the MRZ information (document number, birth, expiry, each with its check digit), or the digits.
        data_page: the whole MRZ where it was given, to be compared with DG1; else None.
    """

    kind: PasswordKind
    value: Secret[str] = field(repr=False)
    data_page: Secret[Mrz] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def can(cls, number: str) -> AccessPassword:
        """The card access number: 6 digits in the field, up to 16 allowed; on Vietnamese cards the last 6 of 12 digits.

        Raises:
            ConfigurationError: no such number.
        """
        digits = "".join(number.split())
        if re.fullmatch(r"[0-9]{12}", digits):
            _refuse("the CAN is the last 6 digits of the 12-digit personal number; give those 6 digits only")
        if not re.fullmatch(r"[0-9]{6,16}", digits):
            _refuse("a card access number (CAN) has 6 digits")
        return cls(PasswordKind.CAN, Secret(digits))

    @classmethod
    def pin(cls, number: str) -> AccessPassword:
        """The holder's PIN, 5 to 16 digits (BSI TR-03110-2 §2.3; 5 for a transport PIN).

        Raises:
            ConfigurationError: no such number.
        """
        if not re.fullmatch(r"[0-9]{5,16}", number):
            _refuse("a PIN has 5 to 16 digits")
        return cls(PasswordKind.PIN, Secret(number))

    @classmethod
    def puk(cls, number: str) -> AccessPassword:
        """The unblocking key, 6 to 16 digits.

        Raises:
            ConfigurationError: no such number.
        """
        if not re.fullmatch(r"[0-9]{6,16}", number):
            _refuse("a PUK has 6 to 16 digits")
        return cls(PasswordKind.PUK, Secret(number))

    @classmethod
    def mrz(cls, document_number: str, birth: str, expiry: str) -> AccessPassword:
        """The MRZ's key data (ICAO 9303-11 §4.3.2; appendix D.2).

        Args:
            document_number: letters and digits as printed; short ones are padded with fillers, longer ones than 9
                characters are taken in full (TD1 and TD2).
            birth, expiry: ``YYMMDD``; unknown parts of a birth date as ``<``.

        Raises:
            ConfigurationError: a value of another form, or 12 digits where 9 are meant.
        """
        number = re.sub(r"[\s\-]", "", document_number).upper()
        if re.fullmatch(r"[0-9]{12}", number):
            _refuse(_TWELVE_DIGITS)
        return cls._from_fields(number, birth.strip(), expiry.strip())

    @classmethod
    def from_mrz_text(cls, text: str) -> AccessPassword:
        """The key data out of a whole MRZ, TD1, TD2 or TD3; its check digits must be right.

        Raises:
            ConfigurationError: no MRZ, or a check digit that says that something was misread.
        """
        try:
            mrz = Mrz.parse(text.upper())
        except MalformedDataError as error:
            _refuse(str(error))
        password = cls._from_fields(mrz.document_number, mrz.date_of_birth, mrz.date_of_expiry)
        wrong = [name.replace("_", " ") for name in _KEY_FIELDS if not mrz.check_digits[name]]
        if wrong:
            _refuse(f"the check digit of {', '.join(wrong)} is wrong; read the MRZ again (0 and O, 1 and I, 8 and B)")
        return replace(password, data_page=Secret(mrz))

    @classmethod
    def _from_fields(cls, number: str, birth: str, expiry: str) -> AccessPassword:
        if not _NUMBER.fullmatch(number) or not number.strip(FILLER):
            _refuse("a document number has letters A-Z and digits only")
        for name, date in (("birth", birth), ("expiry", expiry)):
            if not _DATE.fullmatch(date):
                _refuse(f"the date of {name} must be six characters YYMMDD, got {len(date)}")
        number = number.ljust(_NUMBER_FIELD, FILLER)
        return cls(PasswordKind.MRZ, Secret("".join(f + check_digit(f) for f in (number, birth, expiry))))

    def key(self, cipher: Cipher) -> bytes:
        """Kπ = KDF(f(π), 3) (§9.7.3): SHA-1 of the MRZ information, or the digits themselves."""
        return kdf(self._encoded(), COUNTER_PASSWORD, cipher)

    def bac_seed(self) -> bytes:
        """Kseed, the first 16 bytes of SHA-1 over the MRZ information (§4.3.2; appendix D.2).

        Raises:
            ConfigurationError: not the MRZ's password.
        """
        if self.kind is not PasswordKind.MRZ:
            raise ConfigurationError("basic access control needs the MRZ: document number, birth and expiry")
        return self._encoded()[:16]

    def _encoded(self) -> bytes:
        value = self.value.reveal().encode("latin-1")
        if self.kind is PasswordKind.MRZ:
            return hashlib.sha1(value, usedforsecurity=False).digest()
        return value

    @property
    def advice(self) -> str:
        """What to look at when the chip refuses this password."""
        if self.kind is PasswordKind.CAN:
            return "Check the six digits: on a Vietnamese citizen card they are the last 6 of the 12-digit number"
        if self.kind is PasswordKind.MRZ:
            return (
                "Check document number, birth and expiry against the MRZ, not against the printed front; the document "
                "number of a Vietnamese citizen card is the 9 digits after IDVNM, not the 12-digit personal number"
            )
        return f"Check the {self.kind.name}"


def _refuse(message: str) -> NoReturn:
    raise ConfigurationError(message) from None
