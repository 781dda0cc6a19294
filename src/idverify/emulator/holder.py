"""Holders of emulated documents: invented people, reproducible from a seed.

Nobody real is meant. The random part of an invented citizen's number always begins with 99, so that test numbers can be
told from those that a register is likely to have given out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Final, Literal, Self

from idverify.chip import cccd
from idverify.chip.lds.dg13_vn import CitizenDetails
from idverify.chip.lds.mrz import Mrz, MrzFormat
from idverify.emulator._random import Seed, SeededRandom

Sex = Literal["M", "F"]

_FAMILY: Final = (
    "Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương",
    "Lý", "Đinh", "Trịnh", "Tạ", "Quách",
)  # fmt: skip
_MIDDLE: Final[dict[str, tuple[str, ...]]] = {
    "M": ("Văn", "Đức", "Hữu", "Quang", "Minh", "Xuân", "Gia", "Thế", "Đình", "Công", "Ngọc"),
    "F": ("Thị", "Thu", "Ngọc", "Thanh", "Phương", "Thùy", "Mỹ", "Kim", "Diệu", "Ánh", "Thị Hồng"),
}
_GIVEN: Final[dict[str, tuple[str, ...]]] = {
    "M": (
        "Hùng",
        "Dũng",
        "Khôi",
        "Tuấn",
        "Nghĩa",
        "Đạt",
        "Phúc",
        "Sơn",
        "Trường",
        "Vượng",
        "Bảo",
        "Khải",
        "Lộc",
        "Ưng",
    ),
    "F": ("Hương", "Lan", "Nguyệt", "Yến", "Thảo", "Tuyết", "Vân", "Quỳnh", "Hạnh", "Đào", "Trâm", "Ái", "Ngân", "Thơ"),
}
_COMMUNES: Final = (
    "Bình Minh", "Hòa An", "Tân Lập", "Phú Thọ Hòa", "Đông Sơn", "Yên Thịnh", "Xuân Trường", "Mỹ Đức", "Thới Bình",
    "Đắk Sin",
)  # fmt: skip
_STREETS: Final = ("Hoa Sen", "Ánh Sáng", "Bờ Hồ", "Cây Đa", "Đồi Chè", "Sông Quê")
_ETHNICITIES: Final = ("Kinh", "Kinh", "Kinh", "Kinh", "Tày", "Thái", "Mường", "Khmer", "Hoa", "Ê Đê")
_FEATURES: Final = ("Nốt ruồi cách 1 cm dưới mắt trái", "Sẹo chấm trên đuôi mày phải", "Nốt ruồi trên sống mũi")
_DATE: Final = "%d/%m/%Y"
_HEX: Final = "0123456789ABCDEF"


@dataclass(frozen=True, slots=True, kw_only=True)
class CitizenHolder:
    """What a citizen card says about its holder. All of it is personal data; none shows in a ``repr``.

    Attributes:
        number: 12-digit personal number.
        full_name: family name first, with diacritics.
        date_of_birth: date of birth.
        sex: ``M`` or ``F``.
        date_of_issue: day of issue.
        date_of_expiry: last day of validity, or None for unlimited validity (issued from age 58 on).
        nationality … chip_id: further fields of DG13; None or empty where the card has nothing.
    """

    number: str = field(repr=False)
    full_name: str = field(repr=False)
    date_of_birth: date = field(repr=False)
    sex: Sex = field(repr=False)
    date_of_issue: date = field(repr=False)
    date_of_expiry: date | None = field(repr=False)
    nationality: str = field(default="Việt Nam", repr=False)
    ethnicity: str = field(default="Kinh", repr=False)
    religion: str = field(default="Không", repr=False)
    place_of_origin: str = field(default="", repr=False)
    place_of_residence: str = field(default="", repr=False)
    identification_features: str = field(default="", repr=False)
    father: str = field(default="", repr=False)
    mother: str = field(default="", repr=False)
    spouse: str | None = field(default=None, repr=False)
    old_number: str | None = field(default=None, repr=False)
    chip_id: str | None = field(default=None, repr=False)

    @classmethod
    def invent(cls, seed: Seed = 0, **known: Any) -> Self:
        """An invented citizen.

        Args:
            seed: fixes everything that is not given.
            known: fields of this class to keep; number, dates and the rest are made to fit them.
        """
        rng = SeededRandom(seed, "citizen")
        drawn: Sex = "M" if rng.below(2) else "F"
        sex: Sex = known.get("sex", drawn)
        issued = known.get("date_of_issue") or date(2022, 1, 3) + timedelta(days=rng.below(850))
        born, expiry = known.get("date_of_birth"), None
        if born is None:
            while True:
                born = date(1948, 1, 1) + timedelta(days=rng.below(58 * 365))
                expiry = expiry_by_law(born, issued)
                if expiry is None or expiry.year > issued.year + 9:
                    break
        code = rng.choice(sorted(cccd.PLACES))
        place = cccd.PLACES[code]
        family = rng.choice(_FAMILY)
        name = f"{family} {rng.choice(_MIDDLE[sex])} {rng.choice(_GIVEN[sex])}"
        father = f"{family} {rng.choice(_MIDDLE['M'])} {rng.choice(_GIVEN['M'])}"
        mother = f"{rng.choice(_FAMILY)} {rng.choice(_MIDDLE['F'])} {rng.choice(_GIVEN['F'])}"
        street = f"{rng.between(1, 199)} {rng.choice(_STREETS)}"
        home = f"{street}, {rng.choice(_COMMUNES)}, {rng.choice(sorted(cccd.PLACES.values()))}"
        adult = issued.year - born.year >= 30
        spouse_sex: Sex = "F" if sex == "M" else "M"
        spouse = f"{rng.choice(_FAMILY)} {rng.choice(_MIDDLE[spouse_sex])} {rng.choice(_GIVEN[spouse_sex])}"
        fields: dict[str, Any] = {
            "number": invent_number(rng, code, born, sex),
            "full_name": name,
            "date_of_birth": born,
            "sex": sex,
            "date_of_issue": issued,
            "date_of_expiry": expiry_by_law(born, issued),
            "ethnicity": rng.choice(_ETHNICITIES),
            "place_of_origin": f"{rng.choice(_COMMUNES)}, {place}",
            "place_of_residence": home,
            "identification_features": rng.choice(_FEATURES),
            "father": father,
            "mother": mother,
            "spouse": spouse if adult and rng.below(2) else None,
            "old_number": f"99{rng.below(10**7):07d}" if adult else None,
            "chip_id": "".join(rng.choice(_HEX) for _ in range(16)),
        }
        return cls(**{**fields, **known})

    @property
    def can(self) -> str:
        """The card access number: the last six digits of the number."""
        return self.number[-6:]

    @property
    def mrz(self) -> Mrz:
        """The machine readable zone (TD1)."""
        return cccd.citizen_mrz(
            self.number,
            full_name=self.full_name,
            date_of_birth=self.date_of_birth,
            sex=self.sex,
            date_of_expiry=self.date_of_expiry,
        )

    @property
    def qr(self) -> str:
        """The text of the card's QR code."""
        sex = "Nam" if self.sex == "M" else "Nữ"
        born, issued = (d.strftime("%d%m%Y") for d in (self.date_of_birth, self.date_of_issue))
        parts = (self.number, self.old_number or "", self.full_name, born, sex, self.place_of_residence, issued)
        return "|".join(parts)

    @property
    def details(self) -> CitizenDetails:
        """The content of DG13."""
        return CitizenDetails(
            personal_number=self.number,
            full_name=self.full_name,
            date_of_birth=self.date_of_birth.strftime(_DATE),
            sex="Nam" if self.sex == "M" else "Nữ",
            nationality=self.nationality,
            ethnicity=self.ethnicity,
            religion=self.religion,
            place_of_origin=self.place_of_origin,
            place_of_residence=self.place_of_residence,
            identification_features=self.identification_features,
            date_of_issue=self.date_of_issue.strftime(_DATE),
            date_of_expiry=self.date_of_expiry.strftime(_DATE) if self.date_of_expiry else cccd.UNLIMITED_TEXT,
            father=self.father,
            mother=self.mother,
            spouse=self.spouse,
            old_number=self.old_number,
            chip_id=self.chip_id,
        )

    def but(self, **changes: Any) -> Self:
        """The same person with other fields."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class TravelHolder:
    """Holder of a passport or of another ICAO document. Nothing shows in a ``repr``.

    Attributes:
        document_number: up to 9 characters (TD3), or more (TD1, TD2): the rest goes to the optional data.
        surname, given_names: names in Latin letters.
        date_of_birth: date of birth.
        sex: ``M``, ``F`` or ``<``.
        date_of_issue, date_of_expiry: first and last day.
        issuing_state, nationality: alpha-3 codes.
        document_code: ``P``, ``ID`` ….
        form: size of the MRZ.
        optional_data: optional data of the MRZ.
        can: card access number, or None.
    """

    document_number: str = field(repr=False)
    surname: str = field(repr=False)
    given_names: str = field(repr=False)
    date_of_birth: date = field(repr=False)
    sex: str = field(repr=False)
    date_of_issue: date = field(repr=False)
    date_of_expiry: date = field(repr=False)
    issuing_state: str = field(default="UTO", repr=False)
    nationality: str = field(default="UTO", repr=False)
    document_code: str = "P"
    form: MrzFormat = MrzFormat.TD3
    optional_data: str = field(default="", repr=False)
    can: str | None = field(default=None, repr=False)

    @classmethod
    def invent(cls, seed: Seed = 0, **known: Any) -> Self:
        """An invented traveller of Utopia.

        Args:
            seed: fixes everything that is not given.
            known: fields of this class to keep.
        """
        rng = SeededRandom(seed, "traveller")
        issued = known.get("date_of_issue") or date(2022, 1, 3) + timedelta(days=rng.below(850))
        letters = "CFGHJKLMNPRTVWXYZ"
        fields: dict[str, Any] = {
            "document_number": "X" + rng.choice(letters) + f"{rng.below(10**7):07d}",
            "surname": rng.choice(("Eriksson", "Mustermann", "Smith-Jones", "O'Connor", "Sørensen", "Van der Test")),
            "given_names": rng.choice(("Anna Maria", "Erika", "Jan", "Zoë", "Karl Heinz", "Lỹ")),
            "date_of_birth": date(1950, 1, 1) + timedelta(days=rng.below(55 * 365)),
            "sex": rng.choice(("M", "F", "<")),
            "date_of_issue": issued,
            "date_of_expiry": issued.replace(year=issued.year + 10, day=min(issued.day, 28)),
            "can": f"{rng.below(10**6):06d}",
        }
        return cls(**{**fields, **known})

    @property
    def mrz(self) -> Mrz:
        """The machine readable zone."""
        return Mrz.build(
            self.form,
            document_code=self.document_code,
            issuing_state=self.issuing_state,
            nationality=self.nationality,
            document_number=self.document_number,
            date_of_birth=self.date_of_birth.strftime("%y%m%d"),
            sex=self.sex,
            date_of_expiry=self.date_of_expiry.strftime("%y%m%d"),
            surname=self.surname,
            given_names=self.given_names,
            optional_data=self.optional_data,
        )

    def but(self, **changes: Any) -> Self:
        """The same person with other fields."""
        return replace(self, **changes)


def expiry_by_law(born: date, issued: date) -> date | None:
    """Validity of a citizen card: to the 25th, 40th or 60th birthday, the next one if issued within two years of it.

    None for unlimited validity.
    """
    for age in (25, 40, 60):
        birthday = born.replace(year=born.year + age, day=28 if (born.month, born.day) == (2, 29) else born.day)
        if birthday - issued > timedelta(days=2 * 365):
            return birthday
    return None


def invent_number(rng: SeededRandom, place_code: str, born: date, sex: Sex) -> str:
    """A 12-digit number that fits place, birth and sex (Decree 137/2015 article 7); its random part begins with 99."""
    century = 2 * (born.year // 100 - 19) + (sex == "F")
    return f"{place_code}{century}{born.year % 100:02d}99{rng.below(10**4):04d}"


def mrz_information(mrz: str) -> str:
    """What BAC keys are made of: number, birth and expiry with their check digits (ICAO 9303-11 §4.3.3).

    Args:
        mrz: the lines joined: 90, 72 or 88 characters.
    """
    if len(mrz) == 90:
        number, optional, birth, expiry = mrz[5:15], mrz[15:30], mrz[30:37], mrz[38:45]
    elif len(mrz) == 72:
        number, optional, birth, expiry = mrz[36:46], mrz[64:71], mrz[49:56], mrz[57:64]
    else:
        number, optional, birth, expiry = mrz[44:54], "", mrz[57:64], mrz[65:72]
    tail = optional.partition("<")[0]
    if number.endswith("<") and len(tail) >= 2:  # a long number goes on in the optional data
        number = number[:-1] + tail
    return number + birth + expiry
