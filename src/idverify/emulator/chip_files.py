"""The chip's files: selection, reading, and who may know of what (ICAO 9303-10 §3; ISO/IEC 7816-4 §11.1 and §11.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from idverify._tlv import encode as tlv
from idverify.chip.lds.files import FileAddress, FileId
from idverify.emulator._apdu import (
    SW_END_OF_FILE,
    SW_NO_FILE_SELECTED,
    SW_NOT_FOUND,
    SW_OK,
    SW_SECURITY,
    SW_WRONG_DATA,
    SW_WRONG_LENGTH,
    SW_WRONG_OFFSET,
    SW_WRONG_P1P2,
    Answer,
    Command,
    Refusal,
    unique_objects,
)
from idverify.emulator.image import EMRTD_AID, CardImage

_MASTER_FILE: Final = 0x3F00
_PUBLIC: Final = (FileId.CARD_ACCESS, FileId.DIR, FileId.ATR_INFO)


class Rights(Protocol):
    """What the present session may do."""

    @property
    def access(self) -> str | None:
        """How the chip was opened: ``bac``, ``pace``, or not."""
        ...

    def may_read(self, file: FileId) -> bool:
        """Whether the terminal has the right to a guarded file."""
        ...


class ChipFiles:
    """Selection and reading.

    Args:
        image: what the chip holds.
        rights: asked for every file.
    """

    def __init__(self, image: CardImage, rights: Rights) -> None:
        self.image = image
        self.quirks = image.quirks
        self._rights = rights
        self._select_mf = image.select_mf if self.quirks.select_mf is None else self.quirks.select_mf
        self.reset()

    def reset(self) -> None:
        """The master file is selected, and no file in it."""
        self.in_application = False
        self._current: FileId | None = None

    def select(self, command: Command, room: int) -> Answer:
        """SELECT (ISO/IEC 7816-4 §11.1.1; ICAO 9303-10 §3.6.1)."""
        if command.p2 & 0xF3 or (self.quirks.select_returns_control_information and command.p2 & 0x0C == 0x0C):
            raise Refusal(SW_WRONG_P1P2)
        if command.p1 == 0x04:
            return self._select_application(command)
        if command.p1 == 0x00 and command.data in (b"", _MASTER_FILE.to_bytes(2, "big")):
            return self._select_master_file()
        if command.p1 not in (0x00, 0x02, 0x08):
            raise Refusal(SW_WRONG_P1P2)
        if command.p1 == 0x08 and len(command.data) == 4:  # path from the master file: DF, then EF
            raise Refusal(SW_NOT_FOUND)
        if len(command.data) != 2:
            raise Refusal(SW_WRONG_DATA if command.p1 == 0x08 else SW_WRONG_LENGTH)
        file = self._find(lambda f: self._place(f).fid == int.from_bytes(command.data, "big"))
        self._current = file
        size = len(self.image.files[file])
        body = tlv(0x80, min(size, 0xFFFF).to_bytes(2, "big")) + tlv(0x83, self._place(file).fid.to_bytes(2, "big"))
        return self._control_information(command, tlv(0x62, body))

    def _select_application(self, command: Command) -> Answer:
        if self.quirks.select_application is not None:
            raise Refusal(self.quirks.select_application)
        if not command.data or not EMRTD_AID.startswith(command.data) or len(command.data) < 5:
            raise Refusal(SW_NOT_FOUND)
        self.in_application, self._current = True, None
        return self._control_information(command, tlv(0x6F, tlv(0x84, EMRTD_AID)))

    def _select_master_file(self) -> Answer:
        if self._select_mf != SW_OK:
            raise Refusal(self._select_mf)
        self.in_application, self._current = False, None
        return b"", SW_OK

    @staticmethod
    def _control_information(command: Command, template: bytes) -> Answer:
        wanted = command.p2 & 0x0C != 0x0C and command.le is not None
        return template[: command.le] if wanted else b"", SW_OK

    def _find(self, matches: Callable[[FileId], bool]) -> FileId:
        """The file of the current directory, if this session may know of it."""
        file = next((f for f in FileId if f.in_application == self.in_application and matches(f)), None)
        if file not in _PUBLIC and self._rights.access is None and not self.unprotected:
            raise Refusal(SW_SECURITY)  # ICAO 9303-11 §4.4.2: also for files that are not there
        if file is None:
            raise Refusal(SW_NOT_FOUND)
        status = self.quirks.statuses.get(file)
        if status is not None:
            raise Refusal(status)
        if file not in self.image.files:
            raise Refusal(SW_NOT_FOUND)
        if file is FileId.CARD_SECURITY and self._rights.access != "pace" and not self.unprotected:
            raise Refusal(SW_SECURITY)
        if file in self.image.guarded and not self._rights.may_read(file):
            raise Refusal(SW_SECURITY)
        return file

    def _place(self, file: FileId) -> FileAddress:
        """Where this chip keeps a file."""
        elsewhere = self.quirks.cvca_at if file is FileId.CVCA else None
        return elsewhere or file.address

    @property
    def unprotected(self) -> bool:
        """A chip without access control (ICAO 9303-11 §4.2: allowed once, and still met)."""
        return not self.image.bac and not self.image.pace

    def read_binary(self, command: Command, room: int) -> Answer:
        """READ BINARY, even instruction (ISO/IEC 7816-4 §11.3.3)."""
        if command.le is None or command.data:
            raise Refusal(SW_WRONG_LENGTH)
        if command.p1 & 0x80:
            if command.p1 & 0x60 or not self.quirks.sfi_reading:
                raise Refusal(SW_WRONG_P1P2)
            sfi = command.p1 & 0x1F
            self._current = self._find(lambda f: self._place(f).sfi == sfi)
            offset = command.p2
        else:
            offset = command.p1p2
        return self._slice(command, offset, room)

    def read_binary_odd(self, command: Command, room: int) -> Answer:
        """READ BINARY, odd instruction: the offset in object 54, the data in object 53; beyond 32,767 bytes."""
        if command.le is None:
            raise Refusal(SW_WRONG_LENGTH)
        found = unique_objects(command.data)
        if set(found) != {0x54} or not 1 <= len(found[0x54]) <= 4:
            raise Refusal(SW_WRONG_DATA)
        if command.p1p2:
            short = command.p1p2 <= 0x1F
            self._current = self._find(lambda f: command.p1p2 == (self._place(f).sfi if short else self._place(f).fid))
        inner = min(command.le, room)
        inner -= 2 if inner < 0x82 else 3 if inner < 0x103 else 4
        data, sw = self._slice(command, int.from_bytes(found[0x54], "big"), max(inner, 0))
        return tlv(0x53, data), sw

    def _slice(self, command: Command, offset: int, room: int) -> Answer:
        le = command.le or 0
        limit = self.quirks.refuse_le_above
        if limit is not None and le > limit:
            sw = self.quirks.refuse_le_status
            raise Refusal(sw | limit & 0xFF if sw == 0x6C00 else sw)
        if self._current is None:
            raise Refusal(SW_NO_FILE_SELECTED)
        content = self.image.files[self._find(lambda f: f is self._current)]
        if offset >= len(content):
            raise Refusal(SW_WRONG_OFFSET)
        data = content[offset : offset + min(le, room)]
        beyond = offset + le > len(content) and not command.any_le and command.ins == 0xB0
        if beyond and self.quirks.end_of_file in ("exact", "refuse"):
            left = len(content) - offset
            exact = 0x6C00 | left if left < 0x100 else SW_WRONG_LENGTH
            raise Refusal(exact if self.quirks.end_of_file == "exact" else SW_WRONG_OFFSET)
        ended = beyond and offset + len(data) == len(content) and self.quirks.end_of_file == "warn"
        return data, SW_END_OF_FILE if ended else SW_OK
