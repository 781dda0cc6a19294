"""DG14: security options of the chip (ICAO 9303-10 §4.7.14): SecurityInfos, signed through the EF.SOD."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

from idverify import _tlv
from idverify.chip.lds.security_infos import SecurityInfos

TAG: Final = 0x6E


@dataclass(frozen=True, slots=True, kw_only=True)
class DG14:
    """The chip's SecurityInfos.

    Attributes:
        raw: the file as read, which is what is hashed.
        security_infos: its content.
    """

    raw: bytes = field(repr=False)
    security_infos: SecurityInfos

    @classmethod
    def parse(cls, raw: bytes, *, lenient: bool = False) -> Self:
        """Read the file; bytes after the SET or after the template are left out of the view.

        Args:
            raw: the file.
            lenient: keep an info of a known protocol that cannot be read as unknown.

        Raises:
            MalformedDataError: another tag, no SET of SecurityInfo, or an info of a known protocol that breaks its
                definition.
        """
        outer = _tlv.parse(raw, TAG, what="DG14", allow_trailing=True)
        return cls(raw=raw, security_infos=SecurityInfos.parse(outer.value, what="DG14", lenient=lenient))

    @staticmethod
    def encode(security_infos: SecurityInfos) -> bytes:
        """The file that holds ``security_infos``, in their order."""
        return _tlv.encode(TAG, security_infos.encode())
