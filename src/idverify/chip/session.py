"""One card from presentation to the last file: order of work, time-outs, progress, cancellation, recovery."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

from idverify import _telemetry
from idverify._logging import get_logger
from idverify.chip.access.chip_auth import ChipAuthResult
from idverify.chip.access.password import AccessPassword, PasswordKind
from idverify.chip.chip_proof import ChipResult, gate_chip_results
from idverify.chip.iso7816 import status
from idverify.chip.iso7816.apdu import CardChannel
from idverify.chip.iso7816.channel import ChannelStack, FileChannel, Link, SecureChannel
from idverify.chip.iso7816.filesystem import FileReader, PartialFile
from idverify.chip.iso7816.limits import REMEMBERED, LimitMemory
from idverify.chip.lds.files import FileId
from idverify.chip.lds.sod import SecurityObject
from idverify.chip.opening import Opened, Opener
from idverify.chip.proving import Prover, proven_by
from idverify.chip.reading import READ_ORDER, FileStats, Phase, Progress, ReadOptions, SessionStats
from idverify.chip.signed_list import complete, listed_groups, security_object
from idverify.chip.transport.base import CancelToken, Transport
from idverify.errors import (
    AccessDeniedError,
    CardInUseError,
    CardRemovedError,
    ConfigurationError,
    FileNotFoundOnCardError,
    IdVerifyError,
    MalformedDataError,
    OperationCancelled,
    ProtocolError,
    SecureMessagingError,
    SecurityStatusError,
    StatusWordError,
    TransportError,
    TransportTimeout,
)
from idverify.report import CheckResult, Reason

if TYPE_CHECKING:
    from datetime import date

    from idverify.chip.access.chip_auth import ChipTokenResult
    from idverify.chip.access.on_card import OnCardResult
    from idverify.chip.access.terminal_auth import TerminalCredentials
    from idverify.chip.authorising import Authoriser, TerminalResult
    from idverify.chip.general_authentication import GeneralAuthenticator
    from idverify.chip.lds.iso19794_2 import MinutiaeRecord

__all__ = [
    "CancelToken",
    "ChipResult",
    "DocumentSession",
    "FileStats",
    "Phase",
    "Progress",
    "ReadOptions",
    "SessionStats",
    "gate_chip_results",
]

_log = get_logger(__name__)
_T = TypeVar("_T")

_MAX_LENGTH_REOPENINGS: Final = 5
_PAUSE_SECONDS: Final = 0.1
_USUALLY_REFUSED: Final = (FileId.DG3, FileId.DG4)
_COUNTED: Final = (PasswordKind.PIN, PasswordKind.PUK)
_REFUSALS: Final = (status.SECURITY_STATUS, status.NOT_FOUND, 0x6985, 0x6986)


class DocumentSession:
    """Reads one document. Not thread-safe; the transport belongs to the caller and stays open.

    Where a card moves, is reset or falls silent, the session opens it anew with the same passwords and goes on at the
    byte where it was, at most ``options.max_recoveries`` times. Whether what came together is one document is for the
    hashes of passive authentication to say. Nothing is ever retried under the keys of a broken secure session, a wrong
    checksum is not recovered from, and a password that the card has refused is not tried again.

    Args:
        transport: the connected card.
        options: limits and choices.
        on_progress: called when the progress has changed.
        on_file: called with each file that has been read completely, while the next ones are still to come.
        cancel: looked at before every command.
        rng: source of random bytes for the protocols.
        memory: where limits of card models are remembered.
        clock: seconds, growing.
        pause: waits so many seconds.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        options: ReadOptions | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_file: Callable[[FileId, bytes], None] | None = None,
        cancel: CancelToken | None = None,
        rng: Callable[[int], bytes] = secrets.token_bytes,
        memory: LimitMemory = REMEMBERED,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._options = options or ReadOptions()
        self._on_progress = on_progress
        self._on_file = on_file
        self._rng = rng
        self._clock = clock
        self._pause = pause
        self._limits = memory.limits(transport.atr)
        self._link = Link(
            transport,
            apdu_timeout=self._options.apdu_timeout,
            total_timeout=self._options.total_timeout,
            cancel=cancel,
            clock=clock,
        )
        self._passwords: tuple[AccessPassword, ...] | None = None
        self._stack: ChannelStack | None = None
        self._channel: FileChannel | None = None
        self._opened: Opened | None = None
        self._opened_now: Opened | None = None  # the same after recovery: another chip identifier
        self._terminal_key: bytes | None = None  # of chip authentication on the present channel
        self._authoriser: Authoriser | GeneralAuthenticator | None = None
        self._terminal: TerminalCredentials | None = None
        self._chip_done: ChipResult | None = None  # chip authentication that must not be run again
        self._files: dict[FileId, bytes] = {}
        self._unreadable: dict[FileId, Reason] = {}
        self._security_object: SecurityObject | None = None
        self._last_progress: Progress | None = None
        self._milliseconds: dict[str, float] = {}
        self._file_stats: dict[FileId, FileStats] = {}
        self._force_short = self._options.force_short_apdu
        self._recoveries = 0
        self._length_reopenings = 0
        self._timeouts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Drop keys and passwords; what was read stays. The transport is not closed."""
        self._drop_channel()
        self._passwords = None

    # ---- what is known ------------------------------------------------------------------------------------------

    @property
    def access(self) -> str:
        """``pace``, ``bac`` or ``none``: how the chip was opened."""
        return self._opened.access if self._opened else "none"

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """The results of access control, as :meth:`open` returned them."""
        return self._opened.checks if self._opened else ()

    @property
    def files(self) -> Mapping[FileId, bytes]:
        """What has been read completely, EF.CardAccess among it."""
        return MappingProxyType(self._files)

    @property
    def unreadable(self) -> Mapping[FileId, Reason]:
        """Files that were asked for and could not be read: ``access-refused``, ``file-absent``, …"""
        return MappingProxyType(self._unreadable)

    @property
    def stats(self) -> SessionStats:
        """What the session cost so far."""
        traffic, opened = self._link.traffic, self._opened
        return SessionStats(
            apdus=traffic.apdus,
            bytes=traffic.bytes_sent + traffic.bytes_received,
            milliseconds=dict(self._milliseconds),
            files=dict(self._file_stats),
            recoveries=self._recoveries,
            protocol=opened.protocol if opened else None,
            cipher=opened.cipher if opened else None,
            extended_length=bool(self._limits.extended) and not self._force_short,
        )

    # ---- opening ------------------------------------------------------------------------------------------------

    def open(
        self,
        passwords: AccessPassword | Sequence[AccessPassword] = (),
        *,
        terminal: TerminalCredentials | None = None,
    ) -> tuple[CheckResult, ...]:
        """Open the chip: PACE where EF.CardAccess offers it, else BAC.

        PACE takes the first password; BAC the first one of the MRZ. A password that the card refuses ends the attempt:
        no other protocol and no other password is tried, so that no retry counter is used up unseen. Falling back from
        PACE to BAC happens where PACE is not offered, not supported, or fails technically, and is in the results.

        Args:
            passwords: what opens the chip; none for a chip without access control.
            terminal: the terminal's credentials, where :meth:`authenticate_terminal` is to follow: chips of the general
                authentication procedure (identity cards with terminal authentication 2) want to hear of them in PACE.

        Returns:
            ``access.pace`` and, where it was used, ``access.bac``.

        Raises:
            WrongPasswordError: the card does not accept the password.
            CardLockedError: the password is blocked, or the chip is switched off.
            ApplicationNotFoundError: the card is no eMRTD.
            AccessDeniedError: the chip cannot be opened with the passwords given.
            TransportError, ProtocolError, MalformedDataError, OperationCancelled
            ConfigurationError: the session was opened before.
        """
        if self._passwords is not None:
            raise ConfigurationError("this session was opened before; make a new one")
        self._passwords = (passwords,) if isinstance(passwords, AccessPassword) else tuple(passwords)
        self._terminal = terminal
        self._link.start_clock()
        with self._ending():
            self._recovering(lambda channel: None)
        return self.checks

    def _establish(self) -> None:
        """Open the card, in whatever state it is after a reset."""
        stack = ChannelStack(self._link, self._limits, force_short=self._force_short)
        opener = Opener(
            stack,
            self._passwords or (),
            options=self._options,
            rng=self._rng,
            tell=lambda phase: self._tell(Progress(phase)),
            timed=self._timed,
            chat=self._terminal.chat if self._terminal is not None else None,
        )
        opened = opener.open()
        before = self._opened
        if before is not None:
            if opened.card_access != before.card_access:
                raise ProtocolError("another card was presented meanwhile; start again")
            if opened.access != before.access:
                raise AccessDeniedError(f"the card opened by {before.access} first and only by {opened.access} now")
        else:
            self._opened = opened
            for file, content in opened.files.items():
                self._files.setdefault(file, content)
            self._unreadable.update(opened.unreadable)
        self._stack, self._channel, self._opened_now = stack, opened.channel, opened
        if opened.pace is not None and opened.pace.cam is not None:
            self._terminal_key = opened.pace.terminal_key_compressed  # CAM is chip authentication already

    # ---- reading ------------------------------------------------------------------------------------------------

    def read(self, file: FileId) -> bytes:
        """One file, from the card or as read before.

        Raises:
            FileNotFoundOnCardError: the chip has no such file.
            SecurityStatusError: the chip refuses it; DG3 and DG4 need terminal authentication.
            StatusWordError, MalformedDataError, SecureMessagingError, TransportError, OperationCancelled
            ConfigurationError: the session is not open, or the file lies outside the application.
        """
        found = self._files.get(file)
        if found is not None:
            return found
        if not file.in_application:
            raise ConfigurationError(f"{file.label} lies outside the application; ask for it in master_files")
        self._require_open()
        started, apdus = self._clock(), self._link.traffic.apdus
        with self._timed(Phase.READING_FILE, file=file.label), self._ending():
            self._tell(Progress(Phase.READING_FILE, file))
            partial = self._read_partial(file)
            content = bytes(partial.data)
            if file.number is not None:
                content = complete(
                    content, file.number, self._signed(), lambda count: self._beyond(file, content, count)
                )
        self._files[file] = content
        self._unreadable.pop(file, None)
        self._file_stats[file] = FileStats(
            bytes=len(content),
            apdus=self._link.traffic.apdus - apdus,
            milliseconds=(self._clock() - started) * 1000,
            ended_early=partial.ended_early,
        )
        if self._on_file is not None:
            self._on_file(file, content)
        return content

    def read_all(self, files: Iterable[FileId] | None = None) -> dict[FileId, bytes]:
        """Everything that EF.COM or EF.SOD lists, or ``files``, in an order that brings trust and portrait first.

        What the chip refuses or does not have is recorded in :attr:`unreadable`, and reading goes on.

        Args:
            files: what to read instead; files outside the application only if they were read at opening.

        Returns:
            raw bytes by file, EF.CardAccess among them where the chip has one (without ``files``).

        Raises:
            AccessDeniedError: the chip wants a password, and none was given.
            TransportError, SecureMessagingError, OperationCancelled
        """
        if files is not None:
            wanted = set(files)
            for file in sorted(wanted, key=_order):
                self._try(file)
            return {f: self._files[f] for f in sorted(wanted, key=_order) if f in self._files}
        skip = self._options.skip
        for file in (FileId.COM, FileId.SOD):
            if file not in skip:
                self._try(file)
        if self.access == "none" and self._unreadable.get(FileId.COM) is Reason.ACCESS_REFUSED:
            raise AccessDeniedError("the chip is protected; give its CAN or the MRZ")
        for file in sorted(self.listed_groups(), key=_order):
            if file not in skip:
                self._try(file)
        return dict(self._files)

    def listed_groups(self) -> frozenset[FileId]:
        """The data groups that EF.COM or EF.SOD list; where neither can be read, those that most documents have.

        The lists are not authenticated here: passive authentication compares them.
        """
        return listed_groups(self._files.get(FileId.COM), self._signed())

    def _signed(self) -> SecurityObject | None:
        raw = self._files.get(FileId.SOD)
        if self._security_object is None and raw is not None:
            self._security_object = security_object(raw)
        return self._security_object

    def _beyond(self, file: FileId, content: bytes, count: int) -> bytes:
        if self._channel is None:
            return b""
        try:
            return self._reader(self._channel).beyond(file, len(content), count)
        except (SecureMessagingError, MalformedDataError):
            self._drop_channel()
            return b""

    def _try(self, file: FileId) -> None:
        if file in self._files or file in self._unreadable:
            return
        try:
            self.read(file)
        except SecurityStatusError:
            self._unreadable[file] = Reason.ACCESS_REFUSED
        except FileNotFoundOnCardError:
            self._unreadable[file] = Reason.FILE_ABSENT
        except StatusWordError:
            self._unreadable[file] = Reason.READ_ERROR
        except MalformedDataError:
            self._unreadable[file] = Reason.FILE_MALFORMED
        except ConfigurationError:
            if file.in_application:
                raise
            self._unreadable[file] = Reason.NOT_READ

    def _reader(self, channel: FileChannel, on_bytes: Callable[[PartialFile], None] | None = None) -> FileReader:
        return FileReader(
            channel,
            self._limits,
            max_file_size=self._options.max_file_size,
            max_block=self._options.max_block,
            on_bytes=on_bytes,
        )

    def _read_partial(self, file: FileId) -> PartialFile:
        partial = PartialFile(file)
        refused_bare = 0

        def on_bytes(done: PartialFile) -> None:
            self._tell(Progress(Phase.READING_FILE, file, len(done.data), done.total))

        def action(channel: FileChannel) -> PartialFile:
            return self._reader(channel, on_bytes).read(file, partial=partial)

        while True:
            try:
                return self._recovering(action, bare_is_answer=_REFUSALS)
            except SecureMessagingError:
                # Some chips refuse a file outside the secure channel, and so end it. A lost session looks the same:
                # files that are not usually refused get a second chance.
                sw = self._bare_status
                if sw not in _REFUSALS or partial.data:
                    raise
                refused_bare += 1
                if file in _USUALLY_REFUSED or refused_bare > 1 or not self._may_recover():
                    self._drop_channel()
                    raise status.status_error(sw, command=f"READ BINARY {file.label}") from None
                self._recoveries += 1
                self._drop_channel()

    # ---- proving the chip ---------------------------------------------------------------------------------------

    def authenticate_chip(self, *, challenge: bytes | None = None) -> tuple[ChipResult, ...]:
        """Have the chip show that it is no copy, by every way that DG14 and DG15 offer.

        DG14 and DG15 are taken as read; where they have not been asked for, they are read now.

        Args:
            challenge: 8 bytes for active authentication from whoever verifies remotely; else random.

        Returns:
            one result a protocol. None is a verdict: hand them to :func:`gate_chip_results` with the report of passive
            authentication.

        Raises:
            ConfigurationError: the session is not open, or a challenge of another length.
            SecureMessagingError: an answer was protected wrongly; nothing is known about the chip then.
            TransportError, OperationCancelled
        """
        self._require_open()
        with self._timed(Phase.CHIP_AUTHENTICATION), self._ending():
            for file in (FileId.DG14, FileId.DG15):
                if file in self.listed_groups():
                    self._try(file)
            self._tell(Progress(Phase.CHIP_AUTHENTICATION))
            return self._prover(challenge).prove()

    def _prover(self, challenge: bytes | None = None) -> Prover:
        opened = self._opened
        return Prover(
            files=self._files,
            unreadable=self._unreadable,
            run=self._run_proof,
            switch=self._switch_keys,
            rng=self._rng,
            challenge=challenge,
            cam=opened.pace.cam if opened is not None and opened.pace is not None else None,
            done=self._chip_done,
        )

    def authenticate_terminal(
        self, credentials: TerminalCredentials | None = None, *, on: date | None = None
    ) -> TerminalResult:
        """Show the chip that this terminal may read DG3 and DG4.

        Version 1 (ICAO 9303-11 §7.1) runs chip authentication first where it has not run. Where EF.CardAccess asks for
        version 2, the general authentication procedure follows PACE: terminal authentication 2, then chip
        authentication 2 (BSI TR-03110-2 §2.4). Either way :meth:`authenticate_chip` reports what chip authentication
        showed and does not run it again. Afterwards :meth:`read` and :meth:`read_all` get the groups that the
        terminal's rights cover; the rights are renewed when the card has to be opened anew.

        Args:
            credentials: the terminal's certificates and key; those given to :meth:`open` where None.
            on: the terminal's day for judging its own certificates beforehand; None leaves dates to the chip.

        Returns:
            ``terminal.ta`` with its evidence. A chip that does not know the protocol, fails chip authentication or does
            not accept the terminal is a result, not an error.

        Raises:
            AccessDeniedError: chip authentication, repeated after the card had moved, was refused.
            ConfigurationError: the session is not open, the chip has no access control, or there are no credentials.
            TerminalKeyError: the terminal's key cannot sign, or does not belong to its certificate.
            TransportError, SecureMessagingError, OperationCancelled
        """
        from idverify.chip.authorising import Authoriser, without_chip
        from idverify.chip.general_authentication import GeneralAuthenticator, offers_version_2

        self._require_open()
        credentials = credentials or self._terminal
        if credentials is None:
            raise ConfigurationError("terminal authentication needs the terminal's certificates and key")
        self._try(FileId.COM)  # tells which groups the rights must cover
        authoriser: Authoriser | GeneralAuthenticator
        if self._opened is not None and offers_version_2(self._opened):
            authoriser = GeneralAuthenticator(
                credentials=credentials,
                on=on,
                rng=self._rng,
                read=self._read_outside,
                switch=self._switch_tokens,
                groups=self.listed_groups(),
            )
        else:
            self._try(FileId.DG14)
            self._try(FileId.CVCA)
            authoriser = Authoriser(credentials=credentials, on=on, rng=self._rng)
        with self._timed(Phase.CHIP_AUTHENTICATION), self._ending():
            self._tell(Progress(Phase.CHIP_AUTHENTICATION))
            if isinstance(authoriser, Authoriser) and self._terminal_key is None:
                self._chip_done = self._prover().chip()
                if not self._chip_done.proven:
                    return without_chip(self._chip_done)
            result = self._recovering(lambda channel: self._authorise(authoriser))
        self._chip_done = result.chip or self._chip_done
        if result.accepted:
            self._authoriser = authoriser
            for file in _USUALLY_REFUSED:
                if self._unreadable.get(file) is Reason.ACCESS_REFUSED:
                    del self._unreadable[file]
        return result

    def _authorise(self, authoriser: Authoriser | GeneralAuthenticator) -> TerminalResult:
        """Chip and terminal authentication on the channel as it is."""
        from idverify.chip.general_authentication import GeneralAuthenticator

        stack, opened = self._stack, self._opened_now or self._opened
        if stack is None or opened is None or self._channel is None:
            raise ConfigurationError("the session is not open")
        if isinstance(authoriser, GeneralAuthenticator):
            return authoriser.run(self._channel, opened)
        if self._terminal_key is None:
            agreed = authoriser.agree(self._channel, stack.bottom, self._files)
            self._switch_keys(agreed)
            self._chip_done = proven_by(agreed)
        if self._terminal_key is None:
            raise ConfigurationError("the session is not open")
        return authoriser.authorise(
            self._channel,
            terminal_key=self._terminal_key,
            opened=opened,
            passwords=self._passwords or (),
            ef_cvca=self._files.get(FileId.CVCA),
            groups=self.listed_groups(),
        )

    def _read_outside(self, channel: FileChannel, file: FileId) -> bytes | None:
        """A file outside the application, the master file being selected."""
        if file not in self._files:
            try:
                self._files[file] = bytes(self._reader(channel).read(file).data)
            except (StatusWordError, MalformedDataError):
                return None
            self._unreadable.pop(file, None)
        return self._files[file]

    def _switch_tokens(self, result: ChipTokenResult) -> FileChannel | None:
        """Go on under the keys of chip authentication 2, or end the session."""
        self._drop_channel()
        if result.proven and self._stack is not None:
            self._channel = self._stack.secure(result.secure_messaging)
        return self._channel

    def compare_on_card(
        self, probe: MinutiaeRecord | bytes, *, view: int = 0, reference: int | None = None, keep: int = 1
    ) -> OnCardResult:
        """Have the card compare a finger with its own reference data (ISO/IEC 24787; 7816-11).

        At most one probe is sent, and none where the card tells of no more than ``keep`` tries: a wrong finger is
        counted, and the last one locks the reference. Nothing is sent again when the way to the card breaks then.

        Args:
            probe: a finger minutiae record, ISO/IEC 19794-2:2005, parsed or encoded; brought into the card's format.
            view: which view of the record.
            reference: qualifier of the reference data, from the card's templates; the first finger where None.
            keep: tries that must be left over; 0 to risk all.

        Returns:
            the outcome with the card's counter; its ``check`` is ``finger.match``.

        Raises:
            MalformedDataError: no such record, or fewer minutiae than the card asks for.
            SecurityStatusError, StatusWordError: the card refuses.
            ConfigurationError: the session is not open.
            TransportError, SecureMessagingError, OperationCancelled
        """
        from idverify.chip.access.on_card import OnCardOutcome, OnCardResult, compare_on_card, read_templates
        from idverify.chip.lds.iso19794_2 import MinutiaeRecord
        from idverify.chip.lds.on_card import to_card_units

        self._require_open()
        record = MinutiaeRecord.parse(probe) if isinstance(probe, bytes) else probe
        with self._timed(Phase.ON_CARD_COMPARISON), self._ending():
            self._tell(Progress(Phase.ON_CARD_COMPARISON))
            templates = self._recovering(read_templates)
            template = next((t for t in templates if reference in (None, t.reference)), None)
            if template is None or self._channel is None:
                return OnCardResult(OnCardOutcome.NOT_OFFERED, reference)
            minutiae = to_card_units(record, template.card_format, view=view)
            return compare_on_card(self._channel, template, minutiae, keep=keep)

    def _run_proof(self, action: Callable[[FileChannel, CardChannel], _T]) -> _T:
        def run(channel: FileChannel) -> _T:
            if self._stack is None:
                raise ConfigurationError("the session is not open")
            return action(channel, self._stack.bottom)

        return self._recovering(run)

    def _switch_keys(self, result: ChipAuthResult) -> None:
        """Go on under the keys of chip authentication; where the chip did not prove itself, the session is over."""
        self._drop_channel()
        if result.proven and self._stack is not None:
            self._channel = self._stack.secure(result.secure_messaging)
            self._terminal_key = result.terminal_key_compressed

    # ---- recovery -----------------------------------------------------------------------------------------------

    def _recovering(self, action: Callable[[FileChannel], _T], *, bare_is_answer: tuple[int, ...] = ()) -> _T:
        """Run ``action`` on the open channel; open the card (again) where there is none."""
        while True:
            try:
                if self._channel is None:
                    if self._opened is not None:
                        self._reconnect()
                    self._establish()
                    if self._authoriser is not None:
                        self._authorise(self._authoriser)
                channel = self._channel
                if channel is None:  # for the type checker: _establish sets it
                    raise ConfigurationError("the session is not open")
                return action(channel)
            except (TransportError, SecureMessagingError) as error:
                if not self._recoverable(error, bare_is_answer):
                    raise
                _log.debug("recovering after %s", type(error).__name__)
                self._drop_channel()
                if self._opened is None:
                    self._reconnect()

    @property
    def _bare_status(self) -> int | None:
        return self._channel.bare_status if self._channel is not None else None

    def _may_recover(self) -> bool:
        return self._recoveries < self._options.max_recoveries and not self._link.expired

    def _recoverable(self, error: TransportError | SecureMessagingError, answers: tuple[int, ...]) -> bool:
        """Whether to open the card anew; counts it."""
        if self._opened is None and any(p.kind in _COUNTED for p in self._passwords or ()):
            return False  # the try may have been counted: only the caller may spend another
        extended_refused = self._link.last_was_extended and self._limits.extended is None
        if isinstance(error, SecureMessagingError):
            sw = self._bare_status
            if sw is None or sw in answers or sw == status.OK:
                return False  # a wrong checksum is no accident
            if sw == status.WRONG_LENGTH or sw >> 8 == 0x6C:
                self._length_reopenings += 1
                if extended_refused:
                    self._limits.extended = False
                return self._length_reopenings <= _MAX_LENGTH_REOPENINGS and not self._link.expired
        elif isinstance(error, CardInUseError):
            return False
        elif isinstance(error, TransportTimeout):
            self._timeouts += 1
            if self._timeouts > 1:
                return False
        if not self._may_recover():
            return False
        if isinstance(error, TransportError) and self._link.last_was_extended:
            # A reader that does not carry what it promises, or a card that only moved: that is no lasting lesson.
            moved = isinstance(error, CardRemovedError)
            self._force_short = self._force_short or extended_refused or not moved
            if extended_refused and not moved:
                self._limits.extended = False
        self._recoveries += 1
        return True

    def _reconnect(self) -> None:
        """Power-cycle the card, waiting for card, reader or service to come back."""
        deadline = self._clock() + self._options.recovery_wait.total_seconds()
        with self._timed(Phase.RECOVERING):
            self._tell(Progress(Phase.RECOVERING))
            while True:
                self._link.check()
                try:
                    self._link.transport.reconnect()
                except (CardInUseError, OperationCancelled):
                    raise
                except TransportError:
                    if self._clock() >= deadline:
                        raise
                    self._pause(_PAUSE_SECONDS)
                else:
                    return

    def _drop_channel(self) -> None:
        channel, self._channel, self._terminal_key = self._channel, None, None
        if isinstance(channel, SecureChannel):
            channel.protection.close()

    # ---- small things -------------------------------------------------------------------------------------------

    def _require_open(self) -> None:
        if self._passwords is None or self._opened is None:
            raise ConfigurationError("the session is not open")

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """Drop the keys when the caller has cancelled or the way to the card is lost."""
        try:
            yield
        except (OperationCancelled, TransportError, SecureMessagingError):
            self._drop_channel()
            raise
        except IdVerifyError:
            if self._opened is None:
                self._drop_channel()
            raise

    @contextlib.contextmanager
    def _timed(self, phase: Phase, **about: str) -> Iterator[None]:
        started, inner = self._clock(), sum(self._milliseconds.values())
        try:
            with _telemetry.span(phase.value, **about):
                yield
        finally:
            # What inner phases (reading while proving, recovering while reading) took is theirs.
            nested = sum(self._milliseconds.values()) - inner
            spent = (self._clock() - started) * 1000 - nested
            self._milliseconds[phase.value] = self._milliseconds.get(phase.value, 0.0) + max(spent, 0.0)

    def _tell(self, progress: Progress) -> None:
        if self._on_progress is not None and progress != self._last_progress:
            self._last_progress = progress
            self._on_progress(progress)


def _order(file: FileId) -> int:
    return READ_ORDER.index(file) if file in READ_ORDER else len(READ_ORDER)
