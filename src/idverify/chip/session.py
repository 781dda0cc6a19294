"""One card from presentation to the last file: order of work, time-outs, progress, cancellation, recovery."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self

from idverify.chip.access.chip_auth import ChipAuthResult
from idverify.chip.access.password import AccessPassword
from idverify.chip.chip_proof import ChipResult, gate_chip_results
from idverify.chip.collecting import Collector
from idverify.chip.iso7816.channel import Link
from idverify.chip.iso7816.limits import REMEMBERED, LimitMemory
from idverify.chip.lds.files import FileId
from idverify.chip.metering import Meter
from idverify.chip.proving import Prover
from idverify.chip.reading import FileStats, Phase, Progress, ReadOptions, SessionStats
from idverify.chip.recovering import OpenCard
from idverify.chip.transport.base import CancelToken, Transport
from idverify.errors import AccessDeniedError, ConfigurationError
from idverify.report import CheckResult, Reason

if TYPE_CHECKING:
    from datetime import date

    from idverify.chip.access.on_card import OnCardResult
    from idverify.chip.access.terminal_auth import TerminalCredentials
    from idverify.chip.authorising import TerminalResult
    from idverify.chip.lds.iso19794_2 import MinutiaeRecord
    from idverify.chip.terminal_rights import TerminalRights

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
        self._rng = rng
        self._meter = Meter(clock, on_progress)
        link = Link(
            transport,
            apdu_timeout=self._options.apdu_timeout,
            total_timeout=self._options.total_timeout,
            cancel=cancel,
            clock=clock,
        )
        self._card = OpenCard(
            link, memory.limits(transport.atr), options=self._options, meter=self._meter, rng=rng, pause=pause
        )
        self._files = Collector(self._card, options=self._options, meter=self._meter, on_file=on_file)
        self._terminal: TerminalCredentials | None = None
        self._rights: TerminalRights | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Drop keys and passwords; what was read stays. The transport is not closed."""
        self._card.close()

    # ---- what is known ------------------------------------------------------------------------------------------

    @property
    def access(self) -> str:
        """``pace``, ``bac`` or ``none``: how the chip was opened."""
        return self._card.opened.access if self._card.opened else "none"

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """The results of access control, as :meth:`open` returned them."""
        return self._card.opened.checks if self._card.opened else ()

    @property
    def files(self) -> Mapping[FileId, bytes]:
        """What has been read completely, EF.CardAccess among it."""
        return MappingProxyType(self._files.files)

    @property
    def unreadable(self) -> Mapping[FileId, Reason]:
        """Files that were asked for and could not be read: ``access-refused``, ``file-absent``, …"""
        return MappingProxyType(self._files.unreadable)

    @property
    def stats(self) -> SessionStats:
        """What the session cost so far."""
        traffic, opened = self._card.link.traffic, self._card.opened
        return SessionStats(
            apdus=traffic.apdus,
            bytes=traffic.bytes_sent + traffic.bytes_received,
            milliseconds=dict(self._meter.milliseconds),
            files=dict(self._files.stats),
            recoveries=self._card.recoveries,
            protocol=opened.protocol if opened else None,
            cipher=opened.cipher if opened else None,
            extended_length=self._card.extended_length,
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
        PACE to BAC happens where PACE is not offered, not supported, or fails technically before the chip had to prove
        that it knows the password; it is in the results, and ``options.fall_back_to_bac`` can refuse it.

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
        if self._card.passwords is not None:
            raise ConfigurationError("this session was opened before; make a new one")
        self._terminal = terminal
        given = (passwords,) if isinstance(passwords, AccessPassword) else tuple(passwords)
        self._files.take(self._card.open(given, terminal))
        return self.checks

    # ---- reading ------------------------------------------------------------------------------------------------

    def read(self, file: FileId) -> bytes:
        """One file, from the card or as read before.

        Raises:
            FileNotFoundOnCardError: the chip has no such file.
            SecurityStatusError: the chip refuses it; DG3 and DG4 need terminal authentication.
            StatusWordError, MalformedDataError, SecureMessagingError, TransportError, OperationCancelled
            ConfigurationError: the session is not open, or the file lies outside the application.
        """
        return self._files.read(file)

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
            self._files.read_many(wanted)
            return self._files.ordered(wanted)
        skip = self._options.skip
        self._files.read_many({FileId.COM, FileId.SOD} - skip)
        if self.access == "none" and self.unreadable.get(FileId.COM) is Reason.ACCESS_REFUSED:
            raise AccessDeniedError("the chip is protected; give its CAN or the MRZ")
        self._files.read_many(self.listed_groups() - skip)
        return dict(self._files.files)

    def listed_groups(self) -> frozenset[FileId]:
        """The data groups that EF.COM or EF.SOD list; where neither can be read, those that most documents have.

        The lists are not authenticated here: passive authentication compares them.
        """
        return self._files.listed_groups()

    # ---- proving the chip, and the terminal to it ---------------------------------------------------------------

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
        self._card.require_open()
        with self._meter.timed(Phase.CHIP_AUTHENTICATION), self._card.ending():
            self._files.read_many({FileId.DG14, FileId.DG15} & self.listed_groups())
            self._meter.tell(Progress(Phase.CHIP_AUTHENTICATION))
            return self._prover(challenge).prove()

    def _prover(self, challenge: bytes | None = None) -> Prover:
        return Prover(
            files=self._files.files,
            unreadable=self._files.unreadable,
            run=self._card.run_below,
            switch=self._switch_keys,
            rng=self._rng,
            challenge=challenge,
            mappings=self._card.mappings,
            done=self._rights.chip_done if self._rights is not None else None,
        )

    def _switch_keys(self, result: ChipAuthResult) -> None:
        """Go on under the keys of chip authentication; where the chip did not prove itself, the session is over."""
        self._card.switch(result.secure_messaging if result.proven else None, result.terminal_key_compressed)

    def authenticate_terminal(
        self, credentials: TerminalCredentials | None = None, *, on: date | None = None
    ) -> TerminalResult:
        """Show the chip that this terminal may read DG3 and DG4.

        Version 1 (ICAO 9303-11 §7.1) runs chip authentication first where it has not run. Where EF.CardAccess asks for
        version 2, the general authentication procedure follows PACE: terminal authentication 2, then chip
        authentication 2 (BSI TR-03110-2 §2.4); its key is in EF.CardSecurity and bound to no data group, so groups that
        were read before are forgotten and read again. Either way :meth:`authenticate_chip` reports what chip
        authentication showed and does not run it again. Afterwards :meth:`read` and :meth:`read_all` get the groups
        that the terminal's rights cover; the rights are renewed when the card has to be opened anew.

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
        from idverify.chip.terminal_rights import TerminalRights

        self._card.require_open()
        credentials = credentials or self._terminal
        if credentials is None:
            raise ConfigurationError("terminal authentication needs the terminal's certificates and key")
        self._rights = TerminalRights(
            self._card,
            self._files,
            meter=self._meter,
            rng=self._rng,
            credentials=credentials,
            on=on,
            prove=lambda: self._prover().chip(),
            chip_done=self._rights.chip_done if self._rights is not None else None,
        )
        return self._rights.gain()

    # ---- comparing on the card ----------------------------------------------------------------------------------

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

        self._card.require_open()
        record = MinutiaeRecord.parse(probe) if isinstance(probe, bytes) else probe
        with self._meter.timed(Phase.ON_CARD_COMPARISON), self._card.ending():
            self._meter.tell(Progress(Phase.ON_CARD_COMPARISON))
            templates = self._card.run(read_templates)
            template = next((t for t in templates if reference in (None, t.reference)), None)
            channel = self._card.channel
            if template is None or channel is None:
                return OnCardResult(OnCardOutcome.NOT_OFFERED, reference)
            minutiae = to_card_units(record, template.card_format, view=view)
            return compare_on_card(channel, template, minutiae, keep=keep)
