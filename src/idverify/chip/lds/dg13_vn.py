"""DG13 of Viet Nam's citizen card: the holder's details in Vietnamese.

DG13 is left to the issuer (ICAO 9303-10 §4.7.13). On the citizen card it is::

    6D { SEQUENCE { INTEGER 1, OBJECT IDENTIFIER 1.0.10646.1.0.8, SET { SEQUENCE { INTEGER n, value … } … } } }

Fields are found by their number, never by position. What has another shape stays bytes and is hash-checked only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Self

from idverify import _tlv
from idverify.chip.lds import _der
from idverify.errors import MalformedDataError

TAG: Final = 0x6D
ID_UTF8: Final = "1.0.10646.1.0.8"
MAX_DEPTH: Final = 4
MAX_FIELDS: Final = 128
MAX_TEXT_BYTES: Final = 4096

FIELD_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "personal_number",
        2: "full_name",
        3: "date_of_birth",
        4: "sex",
        5: "nationality",
        6: "ethnicity",
        7: "religion",
        8: "place_of_origin",
        9: "place_of_residence",
        10: "identification_features",
        11: "date_of_issue",
        12: "date_of_expiry",
        14: "spouse",
        15: "old_number",
        16: "chip_id",
    }
)
"""Names of the fields with one text; 13 holds father and mother."""

_PARENTS: Final = 13
_PRINTABLE: Final = frozenset({1, 3, 11, 15, 16})
_EMPTY_ALLOWED: Final = (14, 15)  # written as their number alone where there is none
_TEXT_TAGS: Final = frozenset({_der.UTF8_STRING, _der.PRINTABLE_STRING, _der.IA5_STRING, 0x12, 0x14, 0x1A})


@dataclass(frozen=True, slots=True, kw_only=True)
class CitizenDetails:
    """The holder's details, all of them personal data: none shows in a ``repr``.

    Texts are in Unicode NFC; None is a field that the card does not have or leaves empty.

    Attributes:
        personal_number: 12 digits.
        full_name: with diacritics.
        date_of_birth: ``dd/mm/yyyy``.
        sex: ``Nam`` or ``Nữ``.
        nationality, ethnicity, religion, place_of_origin, place_of_residence, identification_features: as written.
        date_of_issue: ``dd/mm/yyyy``.
        date_of_expiry: ``dd/mm/yyyy`` or ``Không thời hạn``.
        father, mother, spouse: names.
        old_number: the former 9-digit number.
        chip_id: 16 characters.
        others: fields of other numbers, and fields whose content is no text: the bytes after the number.
        problems: deviations that did not hinder reading; never with values.
        raw: the file as read, which is what is hashed; empty where it was made here.
    """

    personal_number: str | None = field(default=None, repr=False)
    full_name: str | None = field(default=None, repr=False)
    date_of_birth: str | None = field(default=None, repr=False)
    sex: str | None = field(default=None, repr=False)
    nationality: str | None = field(default=None, repr=False)
    ethnicity: str | None = field(default=None, repr=False)
    religion: str | None = field(default=None, repr=False)
    place_of_origin: str | None = field(default=None, repr=False)
    place_of_residence: str | None = field(default=None, repr=False)
    identification_features: str | None = field(default=None, repr=False)
    date_of_issue: str | None = field(default=None, repr=False)
    date_of_expiry: str | None = field(default=None, repr=False)
    father: str | None = field(default=None, repr=False)
    mother: str | None = field(default=None, repr=False)
    spouse: str | None = field(default=None, repr=False)
    old_number: str | None = field(default=None, repr=False)
    chip_id: str | None = field(default=None, repr=False)
    others: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    problems: tuple[str, ...] = field(default=(), compare=False)
    raw: bytes = field(default=b"", repr=False, compare=False)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read DG13.

        Raises:
            MalformedDataError: another tag, or not the citizen card's structure. Such a file is still hash-checked.
        """
        what = "DG13"
        outer = _tlv.parse(raw, TAG, what=what, allow_trailing=True)
        texts: dict[str, str] = {}
        others: dict[int, bytes] = {}
        problems: list[str] = []
        seen: set[int] = set()
        for item in _items(outer, what=what):
            parts = item.children(what=what)
            if not parts or parts[0].tag != _der.INTEGER:
                raise MalformedDataError("DG13: a field does not begin with its number")
            number = _der.decode_unsigned(parts[0], what=what)
            if number in seen:
                problems.append(f"field {number} occurs twice; the first one counts")
                continue
            seen.add(number)
            try:
                values = [t for p in parts[1:] for t in _texts(p, depth=0)]
            except MalformedDataError:
                problems.append(f"field {number} is no text")
                values = None
            if values is None or (number not in FIELD_NAMES and number != _PARENTS):
                others[number] = b"".join(p.raw for p in parts[1:])
            elif number == _PARENTS:
                texts.update((k, v) for k, v in zip(("father", "mother"), values, strict=False) if v)
            elif values and values[0]:
                texts[FIELD_NAMES[number]] = values[0]
        if not seen:
            raise MalformedDataError("DG13: no field of the citizen card inside")
        return cls(**texts, others=MappingProxyType(others), problems=tuple(problems), raw=raw)

    def encode(self) -> bytes:
        """The file that holds these details, fields in ascending order."""
        items: dict[int, bytes] = {}
        for number, name in FIELD_NAMES.items():
            value: str | None = getattr(self, name)
            if value is not None:
                items[number] = _text(value, printable=number in _PRINTABLE)
            elif number in _EMPTY_ALLOWED:
                items[number] = b""
        if self.father is not None or self.mother is not None:
            items[_PARENTS] = _tlv.encode(_der.SEQUENCE, _text(self.father or ""), _text(self.mother or ""))
        items.update(self.others)
        fields = (_tlv.encode(_der.SEQUENCE, _der.encode_unsigned(n), items[n]) for n in sorted(items))
        content = _der.encode_unsigned(1) + _der.encode_oid(ID_UTF8) + _tlv.encode(_der.SET, *fields)
        return _tlv.encode(TAG, _tlv.encode(_der.SEQUENCE, content))


def _items(outer: _tlv.Tlv, *, what: str) -> Iterator[_tlv.Tlv]:
    """The field sequences, below SEQUENCE { version, OID, SET }, SEQUENCE { SET } or a bare SET."""
    found = outer.children(what=what)
    for _ in range(2):
        inner = next((c for c in found if c.tag == _der.SET), None)
        if inner is not None:
            found = inner.children(what=what)
            break
        if len(found) == 1 and found[0].tag == _der.SEQUENCE:
            found = found[0].children(what=what)
    if len(found) > MAX_FIELDS:
        raise MalformedDataError(f"DG13: {len(found)} fields are beyond the cap of {MAX_FIELDS}")
    for item in found:
        yield _der.expect(item, _der.SEQUENCE, what=what)


def _texts(tlv: _tlv.Tlv, *, depth: int) -> Iterator[str]:
    """Every text inside, in order; an empty SEQUENCE or NULL is an empty text."""
    if tlv.tag in _TEXT_TAGS:
        if len(tlv.value) > MAX_TEXT_BYTES:
            raise MalformedDataError("DG13: a text is beyond the cap")
        try:
            yield unicodedata.normalize("NFC", tlv.value.decode("utf-8")).strip()
        except UnicodeDecodeError:
            raise MalformedDataError("DG13: a text is not UTF-8") from None
    elif tlv.tag == _der.NULL:
        yield ""
    elif tlv.tag in (_der.SEQUENCE, _der.SET) and depth < MAX_DEPTH:
        children = tlv.children(what="DG13")
        if not children:
            yield ""
        for child in children:
            yield from _texts(child, depth=depth + 1)
    else:
        raise MalformedDataError("DG13: a field is no text")


def _text(value: str, *, printable: bool = False) -> bytes:
    tag = _der.PRINTABLE_STRING if printable and value.isascii() else _der.UTF8_STRING
    return _tlv.encode(tag, unicodedata.normalize("NFC", value).encode("utf-8"))
