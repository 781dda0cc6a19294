"""The files of an eMRTD: names, identifiers, tags (ICAO 9303-10 §3, table 3-1 and §4)."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileAddress:
    """Where a chip keeps a file.

    Attributes:
        fid: file identifier, two bytes as an integer.
        sfi: short EF identifier 1 … 30, or None.
    """

    fid: int
    sfi: int | None = None


class FileId(enum.Enum):
    """One elementary file.

    Attributes:
        label: the standard's name (``EF.COM``, ``DG1``).
        fid: file identifier, two bytes as an integer.
        sfi: short EF identifier, or None.
        tag: outermost tag of the content, or None where there is none.
        in_application: whether the file is inside the eMRTD application (else under the master file).
    """

    CARD_ACCESS = ("EF.CardAccess", 0x011C, 0x1C, 0x31, False)
    CARD_SECURITY = ("EF.CardSecurity", 0x011D, 0x1D, 0x30, False)
    ATR_INFO = ("EF.ATR/INFO", 0x2F01, 0x01, None, False)
    DIR = ("EF.DIR", 0x2F00, 0x1E, 0x61, False)
    COM = ("EF.COM", 0x011E, 0x1E, 0x60, True)
    SOD = ("EF.SOD", 0x011D, 0x1D, 0x77, True)
    CVCA = ("EF.CVCA", 0x011C, 0x1C, 0x42, True)
    DG1 = ("DG1", 0x0101, 0x01, 0x61, True)
    DG2 = ("DG2", 0x0102, 0x02, 0x75, True)
    DG3 = ("DG3", 0x0103, 0x03, 0x63, True)
    DG4 = ("DG4", 0x0104, 0x04, 0x76, True)
    DG5 = ("DG5", 0x0105, 0x05, 0x65, True)
    DG6 = ("DG6", 0x0106, 0x06, 0x66, True)
    DG7 = ("DG7", 0x0107, 0x07, 0x67, True)
    DG8 = ("DG8", 0x0108, 0x08, 0x68, True)
    DG9 = ("DG9", 0x0109, 0x09, 0x69, True)
    DG10 = ("DG10", 0x010A, 0x0A, 0x6A, True)
    DG11 = ("DG11", 0x010B, 0x0B, 0x6B, True)
    DG12 = ("DG12", 0x010C, 0x0C, 0x6C, True)
    DG13 = ("DG13", 0x010D, 0x0D, 0x6D, True)
    DG14 = ("DG14", 0x010E, 0x0E, 0x6E, True)
    DG15 = ("DG15", 0x010F, 0x0F, 0x6F, True)
    DG16 = ("DG16", 0x0110, 0x10, 0x70, True)

    label: str
    fid: int
    sfi: int | None
    tag: int | None
    in_application: bool

    def __init__(self, label: str, fid: int, sfi: int | None, tag: int | None, in_application: bool) -> None:
        self.label = label
        self.fid = fid
        self.sfi = sfi
        self.tag = tag
        self.in_application = in_application

    @property
    def address(self) -> FileAddress:
        """Where the standard has it."""
        return FileAddress(self.fid, self.sfi)

    @property
    def number(self) -> int | None:
        """Data group number 1 … 16, or None for another file."""
        return int(self.label[2:]) if self.label.startswith("DG") else None

    @property
    def file_name(self) -> str:
        """Name of the file in a directory of raw files: ``EF_COM.bin``, ``DG1.bin``."""
        return self.label.replace(".", "_").replace("/", "_") + ".bin"

    @classmethod
    def data_group(cls, number: int) -> FileId:
        """The data group of that number.

        Raises:
            KeyError: not 1 … 16.
        """
        return cls[f"DG{number}"]

    @classmethod
    def from_tag(cls, tag: int) -> FileId | None:
        """The data group with that outer tag as EF.COM lists it, or None."""
        return next((f for f in cls if f.number is not None and f.tag == tag), None)


DATA_GROUPS: tuple[FileId, ...] = tuple(f for f in FileId if f.number is not None)
"""DG1 … DG16."""
