"""What a caller says about reading a chip, and what it is told."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from idverify.chip.lds.files import DATA_GROUPS, FileId
from idverify.errors import ConfigurationError

READ_ORDER: Final[tuple[FileId, ...]] = (
    FileId.COM,
    FileId.SOD,
    FileId.DG14,
    FileId.DG15,
    FileId.DG1,
    FileId.DG2,
    FileId.DG13,
    *(f for f in DATA_GROUPS if f.number not in (1, 2, 3, 4, 13, 14, 15)),
    FileId.CVCA,
    FileId.DG3,
    FileId.DG4,
)
"""What trust needs first, then holder and portrait, then the rest; last what most chips refuse without terminal
authentication, since a refusal ends the secure session of some."""


class Phase(enum.StrEnum):
    """What a session is doing."""

    CONNECTING = "connect"
    ACCESS_CONTROL = "access"
    READING_FILE = "read"
    CHIP_AUTHENTICATION = "chip"
    ON_CARD_COMPARISON = "on-card"
    RECOVERING = "recover"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a session is.

    Attributes:
        phase: what it is doing.
        file: which file it is reading, or None.
        bytes_done: bytes of that file read so far.
        bytes_total: bytes of the whole file, or None while not known.
    """

    phase: Phase
    file: FileId | None = None
    bytes_done: int = 0
    bytes_total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """Limits and choices of reading.

    Attributes:
        apdu_timeout: longest wait for one answer.
        total_timeout: longest time from :meth:`DocumentSession.open` to the last command.
        max_file_size: cap on one file in bytes, at least 1024.
        max_block: the most bytes to ask for at once, 1 … 65,535. Where card and reader do extended length, larger
            blocks save little time, and cost progress, cancellation and what is lost when a card moves.
        force_short_apdu: never use extended length.
        skip: files that :meth:`DocumentSession.read_all` leaves out.
        master_files: files outside the application to read before it is selected (EF.CardSecurity, EF.DIR,
            EF.ATR/INFO); missing ones are recorded as unreadable.
        max_recoveries: how often a session opens the card anew after it moved, was reset or fell silent; 0 … 10.
        recovery_wait: how long to wait for a card, reader or service that went away.
        fall_back_to_bac: whether BAC may open a chip that offers PACE and does not open by it (ICAO 9303-11 §4.2 lets
            BAC open it). It is reported either way; False refuses it before anything has been read.
    """

    apdu_timeout: timedelta = timedelta(seconds=5)
    total_timeout: timedelta = timedelta(seconds=60)
    max_file_size: int = 2 * 1024 * 1024
    max_block: int = 4096
    force_short_apdu: bool = False
    skip: frozenset[FileId] = frozenset()
    master_files: tuple[FileId, ...] = ()
    max_recoveries: int = 2
    recovery_wait: timedelta = timedelta(seconds=3)
    fall_back_to_bac: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.max_block <= 65535:
            raise ConfigurationError(f"max_block must be 1 … 65535, got {self.max_block}")
        if self.max_file_size < 1024:
            raise ConfigurationError(f"max_file_size must be at least 1024, got {self.max_file_size}")
        if not 0 <= self.max_recoveries <= 10:
            raise ConfigurationError(f"max_recoveries must be 0 … 10, got {self.max_recoveries}")
        if min(self.apdu_timeout, self.total_timeout) <= timedelta(0) or self.recovery_wait < timedelta(0):
            raise ConfigurationError("time-outs must be positive")
        if any(f.in_application for f in self.master_files):
            raise ConfigurationError("master_files are files outside the application")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStats:
    """What one file cost.

    Attributes:
        bytes: its size.
        apdus: commands.
        milliseconds: wall time.
        ended_early: the card's file ended before the length that its header declares.
    """

    bytes: int
    apdus: int
    milliseconds: float
    ended_early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStats:
    """What a session cost so far; no holder data.

    Attributes:
        apdus: commands sent.
        bytes: bytes exchanged in both directions.
        milliseconds: wall time by :class:`Phase` value.
        files: per file that was read.
        recoveries: how often the card was opened anew.
        protocol: dotted identifier of the PACE protocol used, or None.
        cipher: cipher of secure messaging (``AES-128``), or None.
        extended_length: whether extended length was used.
    """

    apdus: int
    bytes: int
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[FileId, FileStats] = field(default_factory=dict)
    recoveries: int = 0
    protocol: str | None = None
    cipher: str | None = None
    extended_length: bool = False
