"""DG11, DG12 and DG16: details in text (ICAO 9303-10 §4.7.11, §4.7.12, §4.7.16).

Each file is a list of data objects, announced by a tag list. Objects are kept in order, so that a file is written back
byte for byte; what they mean is read by tag.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from idverify import _tlv
from idverify.errors import MalformedDataError

TAG_LIST: Final = 0x5C
COUNT: Final = 0x02
GROUP: Final = 0xA0
MAX_OBJECTS: Final = 64
MAX_PERSONS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """A file of data objects; everything in it is personal data.

    Attributes:
        raw: the file as read, which is what is hashed; empty where it was made here.
        objects: tag and value of every object after the tag list, in order.
        tag_list: the value of the tag list, or None where it is missing.
    """

    TAG: ClassVar[int]
    NAME: ClassVar[str]
    TAGS: ClassVar[dict[int, str]] = {}
    """Known text objects and the words for them."""

    raw: bytes = field(default=b"", repr=False, compare=False)
    objects: tuple[tuple[int, bytes], ...] = field(repr=False)
    tag_list: bytes | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file.

        Raises:
            MalformedDataError: another tag, bytes that are no data objects, or more than :data:`MAX_OBJECTS`.
        """
        children = _objects(raw, cls.TAG, cls.NAME)
        tag_list = next((c.value for c in children if c.tag == TAG_LIST), None)
        return cls(raw=raw, objects=tuple((c.tag, c.value) for c in children if c.tag != TAG_LIST), tag_list=tag_list)

    def encode(self) -> bytes:
        """The file, its tag list first."""
        parts = [_tlv.encode(t, v) for t, v in self.objects]
        if self.tag_list is not None:
            parts.insert(0, _tlv.encode(TAG_LIST, self.tag_list))
        return _tlv.encode(self.TAG, *parts)

    def value(self, tag: int) -> bytes | None:
        """The value of the first object of that tag, or None."""
        return next((v for t, v in self.objects if t == tag), None)

    def text(self, tag: int) -> str | None:
        """The text of that object; bytes that are not UTF-8 are read as Latin-1. None where it is missing."""
        value = self.value(tag)
        return None if value is None else _text(value)

    def date(self, tag: int) -> datetime.date | None:
        """The date of that object, eight digits or four bytes of packed digits; None where missing or impossible."""
        value = self.value(tag)
        if value is None:
            return None
        digits = value.hex() if len(value) == 4 else _text(value)
        if len(digits) != 8 or not (digits.isascii() and digits.isdigit()):
            return None
        try:
            return datetime.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        except ValueError:
            return None

    def group(self, tag: int) -> tuple[str, ...]:
        """The texts of that tag inside the group A0 { 02 count, … } (other names, other persons).

        Raises:
            MalformedDataError: the group is not readable.
        """
        found: list[str] = []
        for outer, value in self.objects:
            if outer == GROUP:
                found += (_text(c.value) for c in _tlv.iter_tlv(value, what=self.NAME) if c.tag == tag)
            elif outer == tag:
                found.append(_text(value))
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class DG11(Details):
    """Additional personal details (ICAO 9303-10 §4.7.11)."""

    TAG = 0x6B
    NAME = "DG11"
    TAGS = {  # noqa: RUF012 - annotated in the base class
        0x5F0E: "full name",
        0x5F10: "personal number",
        0x5F2B: "date of birth",
        0x5F11: "place of birth",
        0x5F42: "permanent address",
        0x5F12: "telephone",
        0x5F13: "profession",
        0x5F14: "title",
        0x5F15: "personal summary",
        0x5F17: "other valid travel documents",
        0x5F18: "custody information",
    }
    OTHER_NAME: ClassVar[int] = 0x5F0F
    PROOF_OF_CITIZENSHIP: ClassVar[int] = 0x5F16

    @property
    def full_name(self) -> str | None:
        """Full name in national characters, primary and secondary identifier apart by ``<<``."""
        return self.text(0x5F0E)

    @property
    def personal_number(self) -> str | None:
        """Personal number."""
        return self.text(0x5F10)

    @property
    def date_of_birth(self) -> datetime.date | None:
        """Full date of birth."""
        return self.date(0x5F2B)

    @property
    def place_of_birth(self) -> str | None:
        """Place of birth, parts apart by ``<``."""
        return self.text(0x5F11)

    @property
    def other_names(self) -> tuple[str, ...]:
        """Other names."""
        return self.group(self.OTHER_NAME)

    @classmethod
    def of(
        cls,
        *,
        full_name: str | None = None,
        other_names: Sequence[str] = (),
        personal_number: str | None = None,
        date_of_birth: datetime.date | None = None,
        place_of_birth: str | None = None,
        permanent_address: str | None = None,
    ) -> Self:
        """Details with the given objects, in the order of the standard's table."""
        others = [_tlv.encode(COUNT, bytes([len(other_names)]))] if other_names else []
        others += (_tlv.encode(cls.OTHER_NAME, n.encode()) for n in other_names)
        values = (
            (0x5F0E, full_name and full_name.encode()),
            (GROUP, b"".join(others)),
            (0x5F10, personal_number and personal_number.encode()),
            (0x5F2B, date_of_birth and date_of_birth.strftime("%Y%m%d").encode()),
            (0x5F11, place_of_birth and place_of_birth.encode()),
            (0x5F42, permanent_address and permanent_address.encode()),
        )
        objects = tuple((t, v) for t, v in values if isinstance(v, bytes) and v)
        return cls(objects=objects, tag_list=_tag_list(objects, cls.OTHER_NAME))


@dataclass(frozen=True, slots=True, kw_only=True)
class DG12(Details):
    """Additional document details (ICAO 9303-10 §4.7.12)."""

    TAG = 0x6C
    NAME = "DG12"
    TAGS = {  # noqa: RUF012 - annotated in the base class
        0x5F19: "issuing authority",
        0x5F26: "date of issue",
        0x5F1B: "endorsements and observations",
        0x5F1C: "tax and exit requirements",
        0x5F55: "personalisation time",
        0x5F56: "personalisation system",
    }
    OTHER_PERSON: ClassVar[int] = 0x5F1A
    FRONT_IMAGE: ClassVar[int] = 0x5F1D
    REAR_IMAGE: ClassVar[int] = 0x5F1E

    @property
    def issuing_authority(self) -> str | None:
        """Issuing authority."""
        return self.text(0x5F19)

    @property
    def date_of_issue(self) -> datetime.date | None:
        """Date of issue."""
        return self.date(0x5F26)

    @property
    def other_persons(self) -> tuple[str, ...]:
        """Other persons on the document."""
        return self.group(self.OTHER_PERSON)

    @classmethod
    def of(
        cls,
        *,
        issuing_authority: str | None = None,
        date_of_issue: datetime.date | None = None,
        endorsements: str | None = None,
    ) -> Self:
        """Details with the given objects, in the order of the standard's table."""
        values = (
            (0x5F19, issuing_authority and issuing_authority.encode()),
            (0x5F26, date_of_issue and date_of_issue.strftime("%Y%m%d").encode()),
            (0x5F1B, endorsements and endorsements.encode()),
        )
        objects = tuple((t, v) for t, v in values if isinstance(v, bytes) and v)
        return cls(objects=objects, tag_list=_tag_list(objects, cls.OTHER_PERSON))


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonToNotify:
    """One person of DG16, all of it personal data.

    Attributes:
        recorded: date of the entry, or None.
        name, telephone, address: texts, or None.
    """

    recorded: datetime.date | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)
    telephone: str | None = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DG16(Details):
    """Persons to notify (ICAO 9303-10 §4.7.16): 70 { 02 count, A1 { … }, A2 { … } … }."""

    TAG = 0x70
    NAME = "DG16"

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file.

        Raises:
            MalformedDataError: as for :class:`Details`, or no count of persons at its start.
        """
        children = _objects(raw, cls.TAG, cls.NAME)
        if not children or children[0].tag != COUNT:
            raise MalformedDataError(f"{cls.NAME}: the number of persons (tag 02) is missing")
        return cls(raw=raw, objects=tuple((c.tag, c.value) for c in children))

    @property
    def persons(self) -> tuple[PersonToNotify, ...]:
        """The persons, in order.

        Raises:
            MalformedDataError: an entry is not readable.
        """
        return tuple(self._person(v) for t, v in self.objects if 0xA1 <= t <= 0xA1 + MAX_PERSONS)

    def _person(self, value: bytes) -> PersonToNotify:
        inner = DG16(objects=tuple((c.tag, c.value) for c in _tlv.iter_tlv(value, what=self.NAME)))
        return PersonToNotify(
            recorded=inner.date(0x5F50),
            name=inner.text(0x5F51),
            telephone=inner.text(0x5F52),
            address=inner.text(0x5F53),
        )

    @classmethod
    def of(cls, persons: Sequence[PersonToNotify]) -> Self:
        """A file with the given persons.

        Raises:
            ValueError: more than :data:`MAX_PERSONS`.
        """
        if len(persons) > MAX_PERSONS:
            raise ValueError(f"at most {MAX_PERSONS} persons")
        objects = [(COUNT, bytes([len(persons)]))]
        for index, person in enumerate(persons):
            values = (
                (0x5F50, person.recorded and person.recorded.strftime("%Y%m%d")),
                (0x5F51, person.name),
                (0x5F52, person.telephone),
                (0x5F53, person.address),
            )
            objects.append((0xA1 + index, b"".join(_tlv.encode(t, v.encode()) for t, v in values if v)))
        return cls(objects=tuple(objects))


def _objects(raw: bytes, tag: int, name: str) -> tuple[_tlv.Tlv, ...]:
    children = _tlv.parse(raw, tag, what=name, allow_trailing=True).children(what=name)
    if len(children) > MAX_OBJECTS:
        raise MalformedDataError(f"{name}: {len(children)} objects are beyond the cap of {MAX_OBJECTS}")
    return children


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _tag_list(objects: Sequence[tuple[int, bytes]], grouped: int) -> bytes:
    return b"".join(_tlv.encode_tag(grouped if t == GROUP else t) for t, _ in objects)
