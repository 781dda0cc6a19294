"""DG1: the machine readable zone on the chip (ICAO 9303-10 §4.7.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

from idverify import _tlv
from idverify.chip.lds.mrz import Mrz
from idverify.errors import MalformedDataError

TAG: Final = 0x61
_MRZ: Final = 0x5F1F


@dataclass(frozen=True, slots=True, kw_only=True)
class DG1:
    """The MRZ data of the holder.

    Attributes:
        raw: the file as read, which is what is hashed.
        mrz: its machine readable zone.
    """

    raw: bytes = field(repr=False)
    mrz: Mrz = field(repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file; bytes after the template are left out of the view.

        Raises:
            MalformedDataError: another tag, no MRZ, or an MRZ of another length or alphabet.
        """
        outer = _tlv.parse(raw, TAG, what="DG1", allow_trailing=True)
        inner = outer.first(_MRZ, what="DG1")
        if inner is None:
            raise MalformedDataError("DG1: the MRZ (tag 5F1F) is missing")
        if not inner.value.isascii():
            raise MalformedDataError("DG1: the MRZ has characters outside A-Z, 0-9 and the filler")
        return cls(raw=raw, mrz=Mrz.parse(inner.value.decode("ascii")))

    @staticmethod
    def encode(mrz: Mrz) -> bytes:
        """The file that holds ``mrz``."""
        return _tlv.encode(TAG, _tlv.encode(_MRZ, mrz.text.encode("ascii")))
