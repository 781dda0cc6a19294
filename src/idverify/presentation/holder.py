"""The holder's details as labelled lines, for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from idverify.presentation import _texts
from idverify.presentation._texts import Text

if TYPE_CHECKING:
    from idverify.engine.document import Holder


@dataclass(frozen=True, slots=True)
class HolderLine:
    """One detail.

    Attributes:
        key: stable name of the detail (``name``, ``number`` …).
        label: what it is called.
        value: its value, ready to show; holder data.
    """

    key: str
    label: Text
    value: str = ""

    def __repr__(self) -> str:
        return f"HolderLine({self.key!r})"


def _date(value: date | None) -> str:
    return "" if value is None else f"{value:%d/%m/%Y}"


def _sex(code: str) -> str:
    words = _texts.SEXES.get(code)
    return code if words is None else f"{words.vi} · {words.en}"


def holder_lines(holder: Holder) -> tuple[HolderLine, ...]:
    """The details that are there, in the order of the card; empty ones are left out."""
    details = holder.details
    values: dict[str, str | None] = {
        "name": (details.full_name if details else None) or holder.name,
        "number": holder.number,
        "birth": _date(holder.birth),
        "sex": _sex(holder.sex),
        "nationality": (details.nationality if details else None) or holder.nationality,
        "expiry": "Không thời hạn · Unlimited" if holder.unlimited else _date(holder.expiry),
    }
    if details:
        values |= {
            "ethnicity": details.ethnicity,
            "religion": details.religion,
            "place_of_origin": details.place_of_origin,
            "place_of_residence": details.place_of_residence,
            "identification_features": details.identification_features,
            "issue_date": details.date_of_issue,
            "father": details.father,
            "mother": details.mother,
            "spouse": details.spouse,
            "old_number": details.old_number,
        }
    return tuple(HolderLine(key, _texts.HOLDER[key], value) for key, value in values.items() if value)
