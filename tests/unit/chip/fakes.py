"""A plain file card for tests of the lower floors: no access control, every limit a switch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from idverify import _tlv
from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU
from idverify.chip.iso7816.filesystem import EMRTD_AID
from idverify.chip.lds.files import FileId
from idverify.errors import MalformedDataError

CONTACTLESS_ATR = bytes.fromhex("3B80800101")


def content(tag: int, size: int) -> bytes:
    """A data object of exactly ``size`` bytes in all with a recognisable value."""
    value = size - 2
    while len(_tlv.encode(tag, bytes(value))) > size:
        value -= 1
    whole = _tlv.encode(tag, bytes(i * 7 & 0xFF for i in range(value)))
    assert len(whole) == size
    return whole


@dataclass
class FileCard:
    """Answers SELECT and READ BINARY as ISO/IEC 7816-4 says, but for its switches."""

    files: dict[FileId, bytes]
    atr: bytes = CONTACTLESS_ATR
    extended: bool = True
    sfi: bool = True
    max_le: int = 65536
    over_read_sw: int | None = None  # status for Le beyond the end of file; None: 6282 with the data
    max_frame: int = 65536  # shorter answers with 9000
    select_mf_sw: int = 0x9000
    application: bool = True
    no_le_select: bool = True
    hook: Callable[[CommandAPDU], bytes | None] | None = None
    log: list[CommandAPDU] = field(default_factory=list)
    raw_log: list[bytes] = field(default_factory=list)
    resets: int = 0

    def reset(self) -> None:
        self.resets += 1
        self._in_application = False
        self._current: bytes | None = None

    def process(self, apdu: bytes) -> bytes:
        self.raw_log.append(apdu)
        if len(apdu) > 5 and apdu[4] == 0 and not self.extended:
            return b"\x67\x00"
        try:
            command = CommandAPDU.parse(apdu)
        except MalformedDataError:
            return b"\x67\x00"
        self.log.append(command)
        if self.hook is not None and (answer := self.hook(command)) is not None:
            return answer
        return self._answer(command).to_bytes()

    def _find(self, *, fid: int | None = None, sfi: int | None = None) -> bytes | None:
        for file, data in self.files.items():
            if file.in_application == self._in_application and (file.fid == fid or (sfi and file.sfi == sfi)):
                return data
        return None

    def _answer(self, c: CommandAPDU) -> ResponseAPDU:
        if c.ins == 0xA4:
            return ResponseAPDU(b"", self._select(c))
        if c.ins not in (0xB0, 0xB1):
            return ResponseAPDU(b"", 0x6D00)
        if c.ins == 0xB1:
            if self._current is None:
                return ResponseAPDU(b"", 0x6986)
            offset = int.from_bytes(_tlv.parse(c.data, 0x54, what="offset").value, "big")
            le = c.le or 0
            room = le - (2 if le < 0x82 else 3 if le < 0x103 else 4)
            piece = self._current[offset : offset + min(room, self.max_frame)]
            return ResponseAPDU(_tlv.encode(0x53, piece), 0x9000)
        if c.p1 & 0x80:
            if not self.sfi:
                return ResponseAPDU(b"", 0x6A86)
            data = self._find(sfi=c.p1 & 0x1F)
            if data is None:
                return ResponseAPDU(b"", 0x6A82)
            self._current, offset = data, c.p2
        else:
            offset = c.p1 << 8 | c.p2
        if self._current is None:
            return ResponseAPDU(b"", 0x6986)
        if c.le is None or c.le > self.max_le:
            return ResponseAPDU(b"", 0x6700)
        rest = self._current[offset:]
        if offset > len(self._current):
            return ResponseAPDU(b"", 0x6B00)
        if c.le > len(rest) and self.over_read_sw is not None:
            sw = self.over_read_sw
            return ResponseAPDU(b"", sw | (len(rest) & 0xFF) if sw == 0x6C00 else sw)
        piece = rest[: min(c.le, self.max_frame)]
        return ResponseAPDU(piece, 0x6282 if len(piece) == len(rest) < c.le else 0x9000)

    def _select(self, c: CommandAPDU) -> int:
        if c.p1 == 0x04:
            if not self.application or c.data != EMRTD_AID:
                return 0x6A82
            self._in_application, self._current = True, None
            return 0x9000
        if c.p1 == 0x00:
            if self.select_mf_sw == 0x9000:
                self._in_application, self._current = False, None
            return self.select_mf_sw
        found = self._find(fid=int.from_bytes(c.data, "big"))
        if found is None:
            return 0x6A82
        self._current = found
        return 0x9000
