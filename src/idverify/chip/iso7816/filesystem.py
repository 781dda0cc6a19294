"""Selecting applications and reading files (ICAO 9303-10 §3.6, §3.7; ISO/IEC 7816-4 §7, §11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from idverify import _asn1, _tlv
from idverify.chip.iso7816 import status
from idverify.chip.iso7816.apdu import MAX_EXTENDED, MAX_SHORT_LE, CardChannel, CommandAPDU, ResponseAPDU
from idverify.chip.iso7816.channel import FileChannel
from idverify.chip.iso7816.limits import CardLimits
from idverify.chip.lds.files import FileAddress, FileId
from idverify.errors import (
    ApplicationNotFoundError,
    CardLockedError,
    FileNotFoundOnCardError,
    MalformedDataError,
    SecureMessagingError,
    StatusWordError,
)

EMRTD_AID: Final = bytes.fromhex("A0000002471001")
"""Application identifier of the LDS1 eMRTD application (ICAO 9303-10 §3.4)."""

MASTER_FILE: Final = 0x3F00
MAX_EVEN_OFFSET: Final = 0x7FFF
"""READ BINARY with even INS addresses 15 bits; beyond, the odd INS B1 is used (ISO/IEC 7816-4 §11.3.3)."""
HEADER_BYTES: Final = 8
"""Enough for tag and length of any file."""
_LEAST: Final = 2
_HEADER_STEPS: Final = (HEADER_BYTES, 4, _LEAST)  # the smaller ones for files that are smaller than that
_LENGTH_STEPS: Final = (MAX_SHORT_LE, 192, 128, 64, *_HEADER_STEPS)

_SELECT, _READ, _READ_ODD = 0xA4, 0xB0, 0xB1
_NO_APPLICATION: Final = (0x6A80, 0x6A81, 0x6A82, 0x6A86, 0x6D00, 0x6E00, 0x6999)
_SFI_REFUSED: Final = (0x6700, 0x6A80, 0x6A81, 0x6A82, 0x6A86, 0x6B00, 0x6D00, 0x6985, 0x6986)
_NO_OUTER_OBJECT: Final = (FileId.ATR_INFO, FileId.DIR, FileId.CVCA)


def _select(channel: CardChannel, p1: int, name: bytes) -> ResponseAPDU:
    """SELECT without response data, or with, where a card insists on returning its control information."""
    response = channel.send(CommandAPDU(0x00, _SELECT, p1, 0x0C, name))
    if response.sw in (0x6A86, 0x6B00, 0x6700):
        response = channel.send(CommandAPDU(0x00, _SELECT, p1, 0x00, name, le=MAX_SHORT_LE))
    return response


def select_application(channel: CardChannel, aid: bytes = EMRTD_AID) -> None:
    """SELECT by application identifier, without response data (ICAO 9303-10 §3.6.1.1).

    Raises:
        ApplicationNotFoundError: the card has no such application: it is no passport or chip ID card.
        CardLockedError: the application is deactivated or terminated.
        StatusWordError: anything else.
    """
    response = _select(channel, 0x04, aid)
    if response.sw in (0x6283, 0x6285):
        raise CardLockedError(
            f"SELECT application: the card answered {response.sw:04X} ({status.meaning(response.sw)}); "
            "this chip has been switched off by its issuer"
        )
    if response.sw in _NO_APPLICATION:
        raise ApplicationNotFoundError(
            response.sw,
            command="SELECT application",
            meaning="no eMRTD application",
            advice="Is this a chip ID card or passport, and not a bank or transport card?",
        )
    if response.sw != status.OK and response.sw >> 8 not in (0x61, 0x62):
        raise status.status_error(response.sw, command="SELECT application")


def select_master_file(channel: CardChannel) -> int:
    """SELECT MF (ISO/IEC 7816-4 §11.2.2); returns the status word: many cards refuse, and that does not matter."""
    return channel.send(CommandAPDU(0x00, _SELECT, 0x00, 0x0C, MASTER_FILE.to_bytes(2, "big"))).sw


def select_file(channel: CardChannel, file: FileId, fid: int | None = None) -> None:
    """SELECT an elementary file of the current directory by its identifier (ICAO 9303-10 §3.6.1.2).

    Args:
        channel: the card.
        file: which one.
        fid: the identifier that this chip has it under, where it is not the standard's.

    Raises:
        FileNotFoundOnCardError, SecurityStatusError, StatusWordError
    """
    sw = _select(channel, 0x02, (file.fid if fid is None else fid).to_bytes(2, "big")).sw
    if sw != status.OK and sw >> 8 not in (0x61, 0x62):
        raise status.status_error(sw, command=f"SELECT {file.label}")


@dataclass(slots=True)
class PartialFile:
    """How far a file has been read; kept to go on after an interruption.

    Attributes:
        file: which one.
        data: the bytes from offset 0.
        total: bytes of the whole file as its first header says, or None while not known or without such a header.
        ended_early: the card's file ended before ``total`` bytes.
        address: where the chip has it, if not where the standard says.
    """

    file: FileId
    data: bytearray = field(default_factory=bytearray, repr=False)
    total: int | None = None
    ended_early: bool = False
    address: FileAddress | None = None

    @property
    def place(self) -> FileAddress:
        """Where to read it."""
        return self.address or self.file.address


@dataclass(frozen=True, slots=True)
class _Block:
    data: bytes = field(repr=False)
    sw: int
    asked: int

    @property
    def end(self) -> bool:
        """Whether the card said, or showed, that the file ends here."""
        return self.sw in (status.END_OF_FILE, status.WRONG_OFFSET) or not self.data


class FileReader:
    """Reads files through one channel in blocks that are as large as card, reader and secure messaging allow.

    The first READ BINARY addresses the file by its short identifier and brings tag, length and content at once, so
    that a file of n bytes takes ceil(n / block) commands (ICAO 9303-10 §3.6.3). Cards without short identifiers get a
    SELECT first. What the card refuses is remembered in ``limits``.

    Args:
        channel: a plain or secure channel.
        limits: what is known of the card.
        max_file_size: cap in bytes; a file that declares more is refused before it is read.
        max_block: the most bytes to ask for at once, 1 … 65,535.
        probe: bytes to ask for at most while it is not known whether extended length works; 0 for not trying (under
            secure messaging a refusal would end the session).
        on_bytes: called with (bytes done, bytes in total or None) after every block.
    """

    def __init__(
        self,
        channel: FileChannel,
        limits: CardLimits,
        *,
        max_file_size: int,
        max_block: int,
        probe: int = 0,
        on_bytes: Callable[[PartialFile], None] | None = None,
    ) -> None:
        self._channel = channel
        self._limits = limits
        self._max_file_size = max_file_size
        self._max_block = max_block
        self._probe = probe
        self._on_bytes = on_bytes
        self._asked = 0

    def block(self) -> int:
        """The most bytes to ask for now, 1 … 65,535."""
        room = self._channel.max_response_data
        if self._limits.extended is None:
            room = max(room, self._probe)
        return max(1, min(room, self._limits.max_le, self._max_block, MAX_EXTENDED - 1))

    def read(
        self, file: FileId, *, partial: PartialFile | None = None, by_fid: bool = False, here: bool = False
    ) -> PartialFile:
        """Read a whole file, or the rest of one.

        Args:
            file: which one. Its directory must be the current one.
            partial: what an interrupted read left; it is filled further and returned.
            by_fid: select by file identifier, without trying the short one.
            here: outside the application: where the card knows the short identifier and has no such file (6A82), do not
                look for the file identifier in the same directory.

        Raises:
            FileNotFoundOnCardError: there is no such file (6A82).
            SecurityStatusError: access rights do not suffice (6982).
            StatusWordError: another error.
            MalformedDataError: the file has no readable header, or is larger than the cap.
            SecureMessagingError: the session is over; a length that the card did not stand is remembered.
        """
        partial = PartialFile(file) if partial is None else partial
        try:
            if partial.data:
                self._reselect(partial)
                ended = False
            else:
                ended = self._start(partial, by_fid, here)
            self._rest(partial, ended)
        except SecureMessagingError:
            sw = self._channel.bare_status
            if sw is not None and (sw == status.WRONG_LENGTH or sw >> 8 == 0x6C):
                self._limits.refuse_le(self._asked)
            elif sw == status.WRONG_OFFSET and self._asked > HEADER_BYTES:
                self._limits.over_read = False  # so said by a chip that ends the session with every error
            raise
        return partial

    def beyond(self, file: FileId, offset: int, count: int) -> bytes:
        """Up to ``count`` bytes that follow the declared end of the current file; empty where there are none."""
        if offset <= MAX_EVEN_OFFSET:
            block = self._command(offset >> 8, offset & 0xFF, count)
        else:
            block = self._odd(file, offset, count)
        return block.data if block.sw in (status.OK, status.END_OF_FILE) else b""

    # ---- the first block ----------------------------------------------------------------------------------------

    def _start(self, partial: PartialFile, by_fid: bool, here: bool) -> bool:
        file, place = partial.file, partial.place
        by_sfi = not by_fid and place.sfi is not None and (not file.in_application or self._limits.sfi is not False)
        if by_sfi:
            block = self._first(file, 0x80 | (place.sfi or 0), 0)
            if file.in_application:
                elsewhere = partial.address is not None and block.sw == status.NOT_FOUND  # its two names may differ
                refused = elsewhere or (block.sw in _SFI_REFUSED and not self._limits.sfi)
            else:
                refused = block.sw not in (status.OK, status.END_OF_FILE, *([status.NOT_FOUND] if here else []))
            if refused:
                by_sfi = False
            elif file.in_application and block.sw in (status.OK, status.END_OF_FILE):
                self._limits.sfi = True
        if not by_sfi:
            select_file(self._channel, file, place.fid)
            block = self._first(file, 0, 0)
            if file.in_application and place.sfi is not None and block.data and not by_fid and not self._limits.sfi:
                self._limits.sfi = False
        if block.sw == status.WRONG_OFFSET:
            block = _Block(b"", status.END_OF_FILE, block.asked)
        self._require(file, block)
        partial.total = self._declared(file, block)
        self._add(partial, block)
        return block.end

    def _first(self, file: FileId, p1: int, p2: int) -> _Block:
        """The first block; where its length is refused, a smaller one, and the reason is worked out."""
        self._asked = HEADER_BYTES if self._limits.over_read is False else self.block()
        refused: list[int] = []
        first_sw = 0
        while True:
            block = self._command(p1, p2, self._asked)
            first_sw = first_sw or block.sw
            if block.sw not in (status.WRONG_LENGTH, status.WRONG_OFFSET) or self._asked <= _LEAST:
                break
            refused.append(self._asked)
            # Some say "wrong offset" where the file is shorter than Le: then a smaller limit is not what is wrong.
            steps = _HEADER_STEPS if block.sw == status.WRONG_OFFSET else _LENGTH_STEPS
            self._asked = min(next((s for s in steps if s < self._asked), _LEAST), self._channel.max_response_data)
        if refused and block.data:
            total = self._declared(file, block)
            if total is not None and total < min(refused):
                self._limits.over_read = False
            elif total is not None and first_sw == status.WRONG_LENGTH:
                self._limits.refuse_le(min(refused))
        return block

    def _declared(self, file: FileId, block: _Block) -> int | None:
        """Bytes of the file by its header; None for a file that has to be read to its end."""
        if file in _NO_OUTER_OBJECT or block.data[1:2] == b"\x80":
            return None  # the second: indefinite length, seen in EF.SOD
        try:
            total = _tlv.read_header(block.data, what=file.label).total
        except MalformedDataError as error:
            raise MalformedDataError(f"{error}; the file cannot be read") from None
        if total > self._max_file_size:
            raise MalformedDataError(
                f"{file.label}: the file declares {total} bytes, beyond the cap of {self._max_file_size}"
            )
        return total

    # ---- the others ---------------------------------------------------------------------------------------------

    def _reselect(self, partial: PartialFile) -> None:
        """Make the file current again."""
        file, place = partial.file, partial.place
        if place.sfi is not None and (not file.in_application or self._limits.sfi is not False):
            block = self._command(0x80 | place.sfi, 0, 1)
            if block.data:
                return
        select_file(self._channel, file, place.fid)

    def _rest(self, partial: PartialFile, ended: bool) -> None:
        while not ended and (partial.total is None or len(partial.data) < partial.total):
            offset = len(partial.data)
            if partial.total is None and offset >= self._max_file_size:
                raise MalformedDataError(f"{partial.file.label}: no end within the cap of {self._max_file_size} bytes")
            wanted = self.block()
            if partial.total is not None:
                wanted = min(wanted, partial.total - offset)
            block = self._at(partial.file, offset, wanted)
            while partial.total is None and block.sw == status.WRONG_OFFSET and wanted > 1:
                wanted //= 2  # a file of unknown length on a card that refuses to read past the end
                block = self._at(partial.file, offset, wanted)
            self._add(partial, block)
            ended = block.end or (
                partial.total is None and len(block.data) < block.asked and self._limits.over_read is not False
            )
        if partial.total is None:
            _trim(partial)
        elif len(partial.data) < partial.total:
            partial.ended_early = True

    def _at(self, file: FileId, offset: int, wanted: int) -> _Block:
        while True:
            self._asked = wanted
            if offset <= MAX_EVEN_OFFSET:
                block = self._command(offset >> 8, offset & 0xFF, wanted)
            else:
                block = self._odd(file, offset, wanted)
            if block.sw == status.WRONG_LENGTH and self._limits.refuse_le(self._asked):
                wanted = min(wanted, self.block())
                continue
            if block.sw != status.WRONG_OFFSET:
                self._require(file, block)
            return block

    def _command(self, p1: int, p2: int, le: int) -> _Block:
        """READ BINARY (ICAO 9303-10 §3.6.3.2)."""
        response = self._channel.send(CommandAPDU(0x00, _READ, p1, p2, le=le))
        exact = response.sw & 0xFF or MAX_SHORT_LE
        if response.sw >> 8 == 0x6C and exact < le:
            le = exact
            response = self._channel.send(CommandAPDU(0x00, _READ, p1, p2, le=le))
        return _Block(response.data[:le], response.sw, le)

    def _odd(self, file: FileId, offset: int, wanted: int) -> _Block:
        """READ BINARY with odd INS: offset in DO'54', content in DO'53' (ISO/IEC 7816-4 §11.3.3)."""
        overhead = 2 if wanted < 0x80 else 3 if wanted < 0x100 else 4
        if wanted + overhead > self.block():
            wanted = max(1, self.block() - overhead)
        where = _tlv.encode(0x54, offset.to_bytes(3 if offset > 0xFFFF else 2, "big"))
        response: ResponseAPDU = self._channel.send(
            CommandAPDU(0x00, _READ_ODD, 0, 0, where, le=min(wanted + overhead, MAX_EXTENDED))
        )
        if not response.data:
            return _Block(b"", response.sw, wanted)
        tlv = _tlv.parse(response.data, 0x53, what=f"{file.label} (READ BINARY B1)")
        return _Block(tlv.value[:wanted], response.sw, wanted)

    # ---- outcomes -----------------------------------------------------------------------------------------------

    @staticmethod
    def _require(file: FileId, block: _Block) -> None:
        if block.sw not in (status.OK, status.END_OF_FILE):
            raise status.status_error(block.sw, command=f"READ BINARY {file.label}")

    def _add(self, partial: PartialFile, block: _Block) -> None:
        partial.data += block.data
        if partial.total is not None:
            del partial.data[partial.total :]  # what follows the file's content is no part of it
        if self._on_bytes is not None:
            self._on_bytes(partial)


def _trim(partial: PartialFile) -> None:
    """Cut the padding behind an object of indefinite length."""
    if partial.data[1:2] == b"\x80" and partial.file not in _NO_OUTER_OBJECT:
        try:
            end = _asn1.scan(bytes(partial.data), what=partial.file.label, allow_trailing=True)
        except MalformedDataError:
            return  # the parser will say what is wrong with it
        del partial.data[end:]


def read_card_access(reader: FileReader, channel: CardChannel) -> bytes | None:
    """EF.CardAccess, before any application is selected (ICAO 9303-11 §4.2); None where the card has none.

    Short identifier first; where the card does not know those, SELECT by file identifier; then SELECT MF, and SELECT
    by file identifier: Viet Nam's citizen card refuses SELECT MF, other cards need it.
    """
    not_here = False
    for by_fid in (False, True):
        try:
            if by_fid and select_master_file(channel) != status.OK and not not_here:
                return None
            content = reader.read(FileId.CARD_ACCESS, by_fid=by_fid, here=not by_fid).data
        except (MalformedDataError, StatusWordError) as error:
            not_here = isinstance(error, FileNotFoundOnCardError)
            continue
        if content[:1] == b"\x31":
            return bytes(content)
    return None
