"""Commands as the chip sees them (ISO/IEC 7816-4 §5.1), and how it refuses them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Self

from idverify import _tlv
from idverify.errors import MalformedDataError

SW_OK: Final = 0x9000
SW_END_OF_FILE: Final = 0x6282
SW_WRONG: Final = 0x6300
SW_WRONG_LENGTH: Final = 0x6700
SW_NO_CHANNEL: Final = 0x6881
SW_NO_CHAINING: Final = 0x6884
SW_SECURITY: Final = 0x6982
SW_BLOCKED: Final = 0x6983
SW_REFERENCE_DATA: Final = 0x6984
SW_CONDITIONS: Final = 0x6985
SW_NO_FILE_SELECTED: Final = 0x6986
SW_SM_MISSING: Final = 0x6987
SW_SM_WRONG: Final = 0x6988
SW_WRONG_DATA: Final = 0x6A80
SW_NOT_SUPPORTED: Final = 0x6A81
SW_NOT_FOUND: Final = 0x6A82
SW_WRONG_P1P2: Final = 0x6A86
SW_NO_REFERENCE: Final = 0x6A88
SW_WRONG_OFFSET: Final = 0x6B00
SW_UNKNOWN_INS: Final = 0x6D00
SW_UNKNOWN_CLA: Final = 0x6E00

CLA_CHAIN: Final = 0x10
CLA_SM: Final = 0x0C


Answer = tuple[bytes, int]
"""Response data and status word."""


class Refusal(Exception):  # noqa: N818 - a chip refuses; nothing is in error
    """The chip answers this status word and no data. Never leaves the emulator."""

    def __init__(self, sw: int) -> None:
        super().__init__(f"{sw:04X}")
        self.sw = sw


@dataclass(frozen=True, slots=True)
class Command:
    """A command APDU as decoded.

    Attributes:
        cla, ins, p1, p2: the header.
        data: the data field; never in a ``repr``.
        le: the greatest number of response bytes, or None where the command asks for none.
        any_le: Le was all zeros: as much as there is.
        extended: the length fields are extended ones.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = field(default=b"", repr=False)
    le: int | None = None
    any_le: bool = False
    extended: bool = False

    @classmethod
    def parse(cls, apdu: bytes) -> Self:
        """Decode; the four cases, short and extended.

        Raises:
            Refusal: 6700.
        """
        if len(apdu) < 4:
            raise Refusal(SW_WRONG_LENGTH)
        cla, ins, p1, p2 = apdu[:4]
        body = apdu[4:]
        extended = len(body) >= 3 and body[0] == 0
        width = 2 if extended else 1
        at = 1 if extended else 0
        if not body:
            return cls(cla, ins, p1, p2)
        if len(body) == at + width:
            return cls(cla, ins, p1, p2, b"", *_le(body[at:]), extended)
        count = int.from_bytes(body[at : at + width], "big")
        data, rest = body[at + width : at + width + count], body[at + width + count :]
        if not count or len(data) != count or len(rest) not in (0, width):
            raise Refusal(SW_WRONG_LENGTH)
        le, any_le = _le(rest) if rest else (None, False)
        return cls(cla, ins, p1, p2, data, le, any_le, extended)

    @property
    def p1p2(self) -> int:
        """P1 and P2 as one number."""
        return self.p1 << 8 | self.p2

    @property
    def chained(self) -> bool:
        """Not the last command of a chain (ISO/IEC 7816-4 §5.1.1.1)."""
        return bool(self.cla & CLA_CHAIN)

    @property
    def protected(self) -> bool:
        """Secure messaging with the header authenticated (CLA xC)."""
        return self.cla & CLA_SM == CLA_SM

    def with_data(self, data: bytes) -> Command:
        """The same command with other data."""
        return replace(self, data=data)


def _le(raw: bytes) -> tuple[int, bool]:
    value = int.from_bytes(raw, "big")
    return value or 1 << 8 * len(raw), not value


def objects(data: bytes, *, sw: int = SW_WRONG_DATA) -> list[tuple[int, bytes]]:
    """Tags and values of the data objects in ``data``.

    Raises:
        Refusal: ``sw``, where the bytes are no data objects.
    """
    try:
        return [(t.tag, t.value) for t in _tlv.iter_tlv(data)]
    except MalformedDataError:
        raise Refusal(sw) from None


def unique_objects(data: bytes, *, sw: int = SW_WRONG_DATA) -> dict[int, bytes]:
    """The same as a mapping; a tag that comes twice is refused."""
    found = objects(data, sw=sw)
    out = dict(found)
    if len(out) != len(found):
        raise Refusal(sw)
    return out
