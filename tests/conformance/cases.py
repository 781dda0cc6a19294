"""The registry: every case of BSI TR-03105 part 5.1 v1.5 by identifier, and what becomes of it here.

A case is *covered* where a test states the required reaction and the reader shows it. Everything else has its reason:
``not covered`` (the reader or the emulator falls short, or the required reaction is not known), or ``not applicable``
(the guideline has no such case any more, or it concerns what this library does not do).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.conformance.inspection import Case

FOLDER: Final = Path(__file__).parent
DOCUMENT: Final = FOLDER.parents[1] / "docs" / "conformance.md"

UNITS: Final = {
    "ISO7816_A": "Application selection",
    "ISO7816_B": "Basic access control and secure messaging",
    "ISO7816_C": "Reading binary files",
    "ISO7816_D": "Chip authentication",
    "ISO7816_E": "Terminal authentication",
    "ISO7816_F": "Active authentication",
    "ISO7816_G": "PACE",
    "LDS_A": "EF.COM",
    "LDS_B": "DG1",
    "LDS_C": "DG2",
    "LDS_D": "DG3",
    "LDS_E": "DG4",
    "LDS_F": "DG14",
    "LDS_G": "EF.CVCA",
    "LDS_H": "EF.SOD",
    "LDS_I": "DG15",
    "LDS_J": "EF.CardSecurity",
    "LDS_K": "EF.ATR/INFO",
}

_WHERE: Final = (
    "the title alone does not say which reaction is required; the reader looks where DG14 says, by either identifier, "
    "names the file as absent, and goes on with the authority that it knows (`tests/unit/chip/test_authorising.py`)"
)

NOT_COVERED: Final[dict[str, str]] = {
    "ISO7816_E_22": _WHERE,
    "ISO7816_E_23": _WHERE,
    "ISO7816_G_38": "the title alone does not say which SecurityInfo is missing, nor which reaction is required",
    "LDS_C_12": "the title alone does not say which type is meant, nor which reaction is required",
    "LDS_H_89": "the title alone does not say whether a future version is to be accepted; the reader accepts it",
}
"""Cases without a test, and why."""

NOT_APPLICABLE: Final[dict[str, str]] = {
    "ISO7816_E_20": "deleted in version 1.1 of the guideline",
    "ISO7816_E_21": "deleted in version 1.1 of the guideline",
    "ISO7816_E_25": "deleted in version 1.2 of the guideline",
    "ISO7816_F_03": "deleted in version 1.5 of the guideline",
    "ISO7816_G_37": "deleted in version 1.41 of the guideline",
    "LDS_H_16": "deleted in version 1.5 of the guideline",
    "LDS_H_34": "deleted in version 1.1 of the guideline",
    "LDS_H_35": "deleted in version 1.1 of the guideline",
}
"""Cases that are none, and why."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        case: identifier.
        title: short title.
        state: ``covered``, ``not covered`` or ``not applicable``.
        reaction: what is required, where it is tested.
        remark: the test, or the reason.
    """

    case: str
    title: str
    state: str
    reaction: str
    remark: str


def titles() -> dict[str, str]:
    """Identifier to short title, in the guideline's order."""
    lines = (FOLDER / "cases.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t", 1) for line in lines)


def unit_of(case: str) -> str:
    """The unit of a case."""
    return case.rpartition("_")[0]


def module_of(unit: str) -> str:
    """The test module of a unit."""
    return f"test_{unit.lower()}"


def covered() -> dict[str, Case]:
    """Every case with a test."""
    found: dict[str, Case] = {}
    for unit in UNITS:
        if (FOLDER / f"{module_of(unit)}.py").exists():
            found.update(importlib.import_module(f"tests.conformance.{module_of(unit)}").CASES)
    return found


def rows() -> list[Row]:
    """The table, complete; a case that nobody has decided on is an error.

    Raises:
        KeyError: such a case.
    """
    tests = covered()
    out = []
    for case, title in titles().items():
        if case in tests:
            name = f"{module_of(unit_of(case))}.py::test_case[{case}]"
            note = f"; {tests[case].note}" if tests[case].note else ""
            out.append(Row(case, title, "covered", str(tests[case].reaction), f"`{name}`{note}"))
        elif case in NOT_APPLICABLE:
            out.append(Row(case, title, "not applicable", "", NOT_APPLICABLE[case]))
        else:
            out.append(Row(case, title, "not covered", "", NOT_COVERED[case]))
    return out
