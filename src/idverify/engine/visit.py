"""One card at one counter: passwords and their attempts, the reading, the chip's proof."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from idverify.chip.access.password import AccessPassword
from idverify.chip.lds.files import FileId
from idverify.chip.session import ChipResult, DocumentSession, Phase, Progress, ReadOptions, SessionStats
from idverify.engine.transaction import Attempt, Course, Retries, RetryCause, Stage, State
from idverify.errors import OperationCancelled, WrongPasswordError
from idverify.report import CheckResult, Reason

if TYPE_CHECKING:
    from idverify.chip.access.terminal_auth import TerminalCredentials
    from idverify.chip.transport.base import Transport

Passwords = AccessPassword | Sequence[AccessPassword]
"""What opens the chip: the CAN, the MRZ, or both."""

PasswordSource = Callable[[Attempt], "Passwords | None"]
"""Asks for a password, on the transaction's thread; None: there is no other one."""


class CertainError(Exception):
    """The evidence so far decides; nothing more needs to be read. Never leaves a transaction."""


class Evidence(Protocol):
    """Who takes what is read while it comes in."""

    @property
    def unneeded(self) -> frozenset[FileId]:
        """Files that nobody asks for."""
        ...

    def arrived(self, file: FileId, raw: bytes) -> None:
        """A file has been read; raises CertainError where that is enough."""
        ...

    def weigh(self) -> None:
        """Reading goes on; raises CertainError where what is known by now is enough."""
        ...

    def complete(self, files: Mapping[FileId, bytes], unreadable: Mapping[FileId, Reason]) -> None:
        """Everything has been read; the chip's proof is to come. Raises CertainError where that is enough."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRead:
    """What came of it.

    Attributes:
        passwords: those that opened the chip.
        access: ``pace``, ``bac`` or ``none``.
        checks: the results of access control and of terminal authentication.
        files, unreadable: what was read, and what could not be.
        proofs: what the chip showed about itself; empty where it was not asked.
        stats: what it cost.
    """

    passwords: tuple[AccessPassword, ...] = field(repr=False)
    access: str
    checks: tuple[CheckResult, ...]
    files: Mapping[FileId, bytes] = field(repr=False)
    unreadable: Mapping[FileId, Reason]
    proofs: tuple[ChipResult, ...]
    stats: SessionStats


class CardVisit:
    """Reads one card for one transaction.

    Args:
        transport: the connected card.
        options: limits and choices; their time is cut to what the transaction has left.
        rng: random bytes.
        course: the transaction.
        retries: how often to ask for another password.
        on_progress: the caller's, beside the transaction's events.
        evidence: takes the files as they come in.
    """

    def __init__(
        self,
        transport: Transport,
        options: ReadOptions,
        *,
        rng: Callable[[int], bytes],
        course: Course,
        retries: Retries,
        on_progress: Callable[[Progress], None] | None,
        evidence: Evidence,
    ) -> None:
        self._transport, self._rng, self._course, self._retries = transport, rng, course, retries
        self._options = replace(options, skip=options.skip | evidence.unneeded)
        self._on_progress, self._evidence = on_progress, evidence
        self._session: DocumentSession | None = None

    def run(
        self,
        passwords: Passwords | PasswordSource,
        *,
        terminal: TerminalCredentials | None = None,
        challenge: bytes | None = None,
    ) -> CardRead:
        """Open the card, read it, and have it prove itself.

        Raises:
            TransportError, ProtocolError, MalformedDataError, OperationCancelled, ConfigurationError
        """
        with self._course.stage(Stage.CARD):
            session, used = self._open(passwords, terminal)
            with session:
                checks = list(session.checks)
                proofs: tuple[ChipResult, ...] = ()
                try:
                    if terminal is not None:
                        checks.append(session.authenticate_terminal(terminal).check)
                    session.read_all()
                    self._evidence.complete(dict(session.files), _unreadable(session))
                    proofs = session.authenticate_chip(challenge=challenge)
                except CertainError:
                    pass
                return CardRead(
                    passwords=used,
                    access=session.access,
                    checks=tuple(checks),
                    files=dict(session.files),
                    unreadable=_unreadable(session),
                    proofs=proofs,
                    stats=session.stats,
                )

    def _open(
        self, passwords: Passwords | PasswordSource, terminal: TerminalCredentials | None
    ) -> tuple[DocumentSession, tuple[AccessPassword, ...]]:
        """A password that the chip refuses is never sent twice; another one only where somebody gives it."""
        ask = passwords if callable(passwords) else None
        refused: WrongPasswordError | None = None
        for number in range(self._retries.passwords + 1 if ask is not None else 1):
            given = passwords if not callable(passwords) else self._asked(passwords, number, refused)
            if given is None:
                break
            session = self._session = DocumentSession(
                self._transport,
                options=replace(self._options, total_timeout=self._course.left),
                on_progress=self._told,
                on_file=self._evidence.arrived,
                cancel=self._course,
                rng=self._rng,
            )
            try:
                session.open(given, terminal=terminal)
            except WrongPasswordError as error:
                session.close()
                refused = error
            else:
                return session, (given,) if isinstance(given, AccessPassword) else tuple(given)
        raise refused or OperationCancelled("no password was given")

    def _asked(self, ask: PasswordSource, number: int, refused: WrongPasswordError | None) -> Passwords | None:
        attempt = Attempt(
            number=number,
            left=self._retries.passwords - number,
            cause=None if refused is None else RetryCause.WRONG_PASSWORD,
            tries_left=None if refused is None else refused.tries_left,
        )
        if refused is not None:
            self._course.tell(Stage.CARD, State.RETRYING, attempt=attempt)
        given = ask(attempt)
        self._course.check()
        return given

    def _told(self, progress: Progress) -> None:
        if self._on_progress is not None:
            self._on_progress(progress)
        recoveries = self._session.stats.recoveries if self._session is not None else 0
        if progress.phase is Phase.RECOVERING and recoveries:
            attempt = Attempt(
                number=recoveries, left=self._options.max_recoveries - recoveries, cause=RetryCause.CARD_MOVED
            )
            self._course.tell(Stage.CARD, State.RETRYING, progress=progress, attempt=attempt)
        else:
            self._course.tell(Stage.CARD, State.PROGRESS, progress=progress)
            if progress.phase is Phase.READING_FILE:
                self._evidence.weigh()


def _unreadable(session: DocumentSession) -> dict[FileId, Reason]:
    """What could not be read. Every session asks for EF.CardAccess first: where it has none, the chip showed none."""
    found = dict(session.unreadable)
    if FileId.CARD_ACCESS not in session.files:
        found.setdefault(FileId.CARD_ACCESS, Reason.FILE_ABSENT)
    return found
