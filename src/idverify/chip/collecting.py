"""Collecting the files of one card: each once, in order, to the byte where the card moved, and why one is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from idverify.chip.iso7816 import status
from idverify.chip.iso7816.channel import FileChannel
from idverify.chip.iso7816.filesystem import FileReader, PartialFile
from idverify.chip.lds.files import FileId
from idverify.chip.lds.sod import SecurityObject
from idverify.chip.metering import Meter
from idverify.chip.opening import Opened
from idverify.chip.reading import READ_ORDER, FileStats, Phase, Progress, ReadOptions
from idverify.chip.recovering import OpenCard
from idverify.chip.signed_list import complete, cvca_address, listed_groups, security_object
from idverify.errors import (
    ConfigurationError,
    FileNotFoundOnCardError,
    MalformedDataError,
    SecureMessagingError,
    SecurityStatusError,
    StatusWordError,
)
from idverify.report import Reason

_USUALLY_REFUSED: Final = (FileId.DG3, FileId.DG4)
_REFUSALS: Final = (status.SECURITY_STATUS, status.NOT_FOUND, 0x6985, 0x6986)


class Collector:
    """The files of one card, as read so far. Not thread-safe.

    Args:
        card: the card.
        options: limits and choices.
        meter: what time is spent on.
        on_file: called with each file that has been read completely.

    Attributes:
        files: what has been read completely.
        unreadable: files that were asked for and could not be read, and why.
        stats: what each file cost.
    """

    def __init__(
        self,
        card: OpenCard,
        *,
        options: ReadOptions,
        meter: Meter,
        on_file: Callable[[FileId, bytes], None] | None = None,
    ) -> None:
        self.files: dict[FileId, bytes] = {}
        self.unreadable: dict[FileId, Reason] = {}
        self.stats: dict[FileId, FileStats] = {}
        self._card = card
        self._options = options
        self._meter = meter
        self._on_file = on_file
        self._security_object: SecurityObject | None = None

    def take(self, opened: Opened) -> None:
        """Take over what was read while the card was opened."""
        for file, content in opened.files.items():
            self.files.setdefault(file, content)
        self.unreadable.update(opened.unreadable)

    def allow_again(self) -> None:
        """Forget that DG3 and DG4 were refused: the terminal has other rights now."""
        for file in _USUALLY_REFUSED:
            if self.unreadable.get(file) is Reason.ACCESS_REFUSED:
                del self.unreadable[file]

    def forget_groups(self) -> None:
        """Forget the data groups and EF.SOD: they have to be read on the channel that the chip has proven itself on."""
        for file in [f for f in self.files if f.number is not None or f is FileId.SOD]:
            del self.files[file]
        self._security_object = None

    def read(self, file: FileId) -> bytes:
        """One file, from the card or as read before; see :meth:`idverify.chip.session.DocumentSession.read`."""
        found = self.files.get(file)
        if found is not None:
            return found
        if not file.in_application:
            raise ConfigurationError(f"{file.label} lies outside the application; ask for it in master_files")
        self._card.require_open()
        started, apdus = self._meter.clock(), self._card.link.traffic.apdus
        with self._meter.timed(Phase.READING_FILE, file=file.label), self._card.ending():
            self._meter.tell(Progress(Phase.READING_FILE, file))
            partial = self._read_partial(file)
            content = bytes(partial.data)
            if file.number is not None:
                content = complete(
                    content, file.number, self._signed(), lambda count: self._beyond(file, content, count)
                )
        self.files[file] = content
        self.unreadable.pop(file, None)
        self.stats[file] = FileStats(
            bytes=len(content),
            apdus=self._card.link.traffic.apdus - apdus,
            milliseconds=(self._meter.clock() - started) * 1000,
            ended_early=partial.ended_early,
        )
        if self._on_file is not None:
            self._on_file(file, content)
        return content

    def attempt(self, file: FileId) -> None:
        """Read ``file``, or note why it cannot be read.

        Raises:
            SecureMessagingError, TransportError, OperationCancelled
        """
        if file in self.files or file in self.unreadable:
            return
        try:
            self.read(file)
        except SecurityStatusError:
            self.unreadable[file] = Reason.ACCESS_REFUSED
        except FileNotFoundOnCardError:
            self.unreadable[file] = Reason.FILE_ABSENT
        except StatusWordError:
            self.unreadable[file] = Reason.READ_ERROR
        except MalformedDataError:
            self.unreadable[file] = Reason.FILE_MALFORMED
        except ConfigurationError:
            if file.in_application:
                raise
            self.unreadable[file] = Reason.NOT_READ

    def read_many(self, files: Iterable[FileId]) -> None:
        """Those of ``files`` that the card gives, in the order that brings trust and portrait first."""
        for file in sorted(files, key=_order):
            self.attempt(file)

    def ordered(self, files: Iterable[FileId]) -> dict[FileId, bytes]:
        """Those of ``files`` that were read, in the same order."""
        return {f: self.files[f] for f in sorted(files, key=_order) if f in self.files}

    def read_outside(self, channel: FileChannel, file: FileId) -> bytes | None:
        """A file outside the application, the master file being selected; None where it cannot be read."""
        if file not in self.files:
            try:
                self.files[file] = bytes(self.reader(channel).read(file).data)
            except (StatusWordError, MalformedDataError):
                return None
            self.unreadable.pop(file, None)
        return self.files[file]

    def listed_groups(self) -> frozenset[FileId]:
        """The data groups that EF.COM or EF.SOD list; where neither can be read, those that most documents have.

        The lists are not authenticated here: passive authentication compares them.
        """
        return listed_groups(self.files.get(FileId.COM), self._signed())

    def reader(self, channel: FileChannel, on_bytes: Callable[[PartialFile], None] | None = None) -> FileReader:
        """A reader of files on ``channel`` within the limits."""
        return FileReader(
            channel,
            self._card.limits,
            max_file_size=self._options.max_file_size,
            max_block=self._options.max_block,
            on_bytes=on_bytes,
        )

    def _signed(self) -> SecurityObject | None:
        raw = self.files.get(FileId.SOD)
        if self._security_object is None and raw is not None:
            self._security_object = security_object(raw)
        return self._security_object

    def _beyond(self, file: FileId, content: bytes, count: int) -> bytes:
        if self._card.channel is None:
            return b""
        try:
            return self.reader(self._card.channel).beyond(file, len(content), count)
        except (SecureMessagingError, MalformedDataError):
            self._card.drop()
            return b""

    def _read_partial(self, file: FileId) -> PartialFile:
        elsewhere = cvca_address(self.files.get(FileId.DG14)) if file is FileId.CVCA else None
        partial = PartialFile(file, address=elsewhere)
        refused_bare = 0

        def on_bytes(done: PartialFile) -> None:
            self._meter.tell(Progress(Phase.READING_FILE, file, len(done.data), done.total))

        def action(channel: FileChannel) -> PartialFile:
            return self.reader(channel, on_bytes).read(file, partial=partial)

        while True:
            try:
                return self._card.run(action, bare_is_answer=_REFUSALS)
            except SecureMessagingError:
                # Some chips refuse a file outside the secure channel, and so end it. A lost session looks the same:
                # files that are not usually refused get a second chance.
                sw = self._card.bare_status
                if sw not in _REFUSALS or partial.data:
                    raise
                refused_bare += 1
                if file in _USUALLY_REFUSED or refused_bare > 1 or not self._card.may_recover():
                    self._card.drop()
                    raise status.status_error(sw, command=f"READ BINARY {file.label}") from None
                self._card.recoveries += 1
                self._card.drop()


def _order(file: FileId) -> int:
    return READ_ORDER.index(file) if file in READ_ORDER else len(READ_ORDER)
