"""A card that is opened anew when it has moved, was reset or fell silent, and the rules for when that is right."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakSet

from idverify._logging import get_logger
from idverify.chip.access._commands import COUNTED
from idverify.chip.access.password import AccessPassword
from idverify.chip.iso7816 import status
from idverify.chip.iso7816.apdu import CardChannel
from idverify.chip.iso7816.channel import ChannelStack, FileChannel, Link, MessageProtection, SecureChannel
from idverify.chip.iso7816.limits import CardLimits
from idverify.chip.metering import Meter
from idverify.chip.opening import Opened, Opener
from idverify.chip.reading import Phase, Progress, ReadOptions
from idverify.chip.transport.base import Transport
from idverify.errors import (
    AccessDeniedError,
    CardInUseError,
    CardRemovedError,
    ConfigurationError,
    IdVerifyError,
    OperationCancelled,
    ProtocolError,
    SecureMessagingError,
    TransportError,
    TransportTimeout,
)

if TYPE_CHECKING:
    from idverify.chip.access.pace import CamEvidence
    from idverify.chip.access.terminal_auth import TerminalCredentials

_log = get_logger(__name__)
_T = TypeVar("_T")

_WITH_CARD_ACCESS: Final[WeakSet[Transport]] = WeakSet()
"""Transports whose card has shown an EF.CardAccess to an earlier session."""
_MAX_LENGTH_REOPENINGS: Final = 5
_PAUSE_SECONDS: Final = 0.1


def _met(transport: Transport) -> bool:
    """Whether an earlier session over it has read EF.CardAccess."""
    try:
        return transport in _WITH_CARD_ACCESS
    except TypeError:
        return False


class OpenCard:
    """One card and the passwords that open it, as often as needed. Not thread-safe.

    Nothing is ever retried under the keys of a broken secure session; a wrong checksum is not recovered from; a
    password that is counted, or that the card has refused, is not tried again.

    Args:
        link: the way to the card.
        limits: what is known of cards of its kind.
        options: limits and choices.
        meter: what time is spent on.
        rng: random bytes.
        pause: waits so many seconds.

    Attributes:
        passwords: what opens the card; None before :meth:`open` and after :meth:`close`.
        opened: how the card was opened first.
        terminal_key: Comp(PK_DH,IFD) of chip authentication on the present channel, or None.
        recoveries: how often the card was opened anew.
        mappings: what PACE with chip authentication mapping left, once for each time that the card was opened; None for
            a time without it.
        renew: called on the channel of a card that was opened anew, before it is used; or None.
    """

    def __init__(
        self,
        link: Link,
        limits: CardLimits,
        *,
        options: ReadOptions,
        meter: Meter,
        rng: Callable[[int], bytes],
        pause: Callable[[float], None],
    ) -> None:
        self.link = link
        self.limits = limits
        self.passwords: tuple[AccessPassword, ...] | None = None
        self.opened: Opened | None = None
        self.terminal_key: bytes | None = None
        self.recoveries = 0
        self.mappings: list[CamEvidence | None] = []
        self.renew: Callable[[], object] | None = None
        self._options = options
        self._meter = meter
        self._rng = rng
        self._pause = pause
        self._terminal: TerminalCredentials | None = None
        self._stack: ChannelStack | None = None
        self._channel: FileChannel | None = None
        self._opened_now: Opened | None = None  # the same after recovery: another chip identifier
        self._force_short = options.force_short_apdu
        self._length_reopenings = 0
        self._timeouts = 0

    # ---- state --------------------------------------------------------------------------------------------------

    @property
    def channel(self) -> FileChannel | None:
        """The way to the card's files, or None while there is none."""
        return self._channel

    @property
    def bare_status(self) -> int | None:
        """The unprotected status word that has ended the present channel, or None."""
        return self._channel.bare_status if self._channel is not None else None

    @property
    def extended_length(self) -> bool:
        """Whether extended length works here and is used."""
        return bool(self.limits.extended) and not self._force_short

    def require_open(self) -> None:
        """Raise where the card has not been opened.

        Raises:
            ConfigurationError
        """
        if self.passwords is None or self.opened is None:
            raise ConfigurationError("the session is not open")

    def present(self) -> tuple[FileChannel, CardChannel, Opened]:
        """The channel, what is below its secure messaging, and how the card was opened this time.

        Raises:
            ConfigurationError: the session is not open.
        """
        opened = self._opened_now or self.opened
        if self._channel is None or self._stack is None or opened is None:
            raise ConfigurationError("the session is not open")
        return self._channel, self._stack.bottom, opened

    def open(self, passwords: tuple[AccessPassword, ...], terminal: TerminalCredentials | None) -> Opened:
        """Open the card for the first time; see :meth:`idverify.chip.session.DocumentSession.open`."""
        self.passwords, self._terminal = passwords, terminal
        self.link.start_clock()
        with self.ending():
            self.run(lambda channel: None)
        return self.present()[2]

    def close(self) -> None:
        """Drop keys and passwords."""
        self.drop()
        self.passwords = None

    def drop(self) -> None:
        """Drop the keys; the next :meth:`run` opens the card anew."""
        channel, self._channel, self.terminal_key = self._channel, None, None
        if isinstance(channel, SecureChannel):
            channel.protection.close()

    def switch(self, protection: MessageProtection | None, terminal_key: bytes | None = None) -> FileChannel | None:
        """Go on under new keys; with None the session is over until the card is opened anew."""
        self.drop()
        if protection is not None and self._stack is not None:
            self._channel = self._stack.secure(protection)
            self.terminal_key = terminal_key
        return self._channel

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        """Drop the keys when the caller has cancelled or the way to the card is lost."""
        try:
            yield
        except (OperationCancelled, TransportError, SecureMessagingError):
            self.drop()
            raise
        except IdVerifyError:
            if self.opened is None:
                self.drop()
            raise

    # ---- running ------------------------------------------------------------------------------------------------

    def run(self, action: Callable[[FileChannel], _T], *, bare_is_answer: tuple[int, ...] = ()) -> _T:
        """Run ``action`` on the open channel; open the card (again) where there is none.

        Args:
            action: may run more than once.
            bare_is_answer: unprotected status words that are the card's answer and no accident.
        """
        while True:
            try:
                return action(self._ready())
            except (TransportError, SecureMessagingError) as error:
                if not self._recoverable(error, bare_is_answer):
                    raise
                _log.debug("recovering after %s", type(error).__name__)
                self.drop()
                if self.opened is None:
                    self._reconnect()

    def run_below(self, action: Callable[[FileChannel, CardChannel], _T]) -> _T:
        """As :meth:`run`, for an action that also wants what is below secure messaging."""
        return self.run(lambda channel: action(channel, self.present()[1]))

    def may_recover(self) -> bool:
        """Whether the card may be opened anew once more."""
        return self.recoveries < self._options.max_recoveries and not self.link.expired

    def _ready(self) -> FileChannel:
        if self._channel is None:
            if self.opened is not None:
                self._reconnect()
            self._establish()
            if self.renew is not None:
                self.renew()
        return self.present()[0]

    def _establish(self) -> None:
        """Open the card, in whatever state it is after a reset."""
        stack = ChannelStack(self.link, self.limits, force_short=self._force_short)
        opener = Opener(
            stack,
            self.passwords or (),
            options=self._options,
            rng=self._rng,
            tell=lambda phase: self._meter.tell(Progress(phase)),
            timed=self._meter.timed,
            chat=self._terminal.chat if self._terminal is not None else None,
            restart=self._reconnect if self.opened is None and _met(self.link.transport) else None,
        )
        opened = opener.open()
        before = self.opened
        if before is None:
            self.opened = opened
        elif opened.card_access != before.card_access:
            raise ProtocolError("another card was presented meanwhile; start again")
        elif opened.access != before.access:
            raise AccessDeniedError(f"the card opened by {before.access} first and only by {opened.access} now")
        if opened.card_access is not None:
            with contextlib.suppress(TypeError):  # a transport of the application that cannot be remembered
                _WITH_CARD_ACCESS.add(self.link.transport)
        self._stack, self._channel, self._opened_now = stack, opened.channel, opened
        self.mappings.append(opened.pace.cam if opened.pace is not None else None)
        if opened.pace is not None and opened.pace.cam is not None:
            self.terminal_key = opened.pace.terminal_key_compressed  # CAM is chip authentication already

    def _recoverable(self, error: TransportError | SecureMessagingError, answers: tuple[int, ...]) -> bool:
        """Whether to open the card anew; counts it."""
        if self.opened is None and any(p.kind in COUNTED for p in self.passwords or ()):
            return False  # the try may have been counted: only the caller may spend another
        extended_refused = self.link.last_was_extended and self.limits.extended is None
        if isinstance(error, SecureMessagingError):
            sw = error.bare_status  # of the channel that broke: while the card is being opened there is no other
            if sw is None or sw in answers or sw == status.OK:
                return False  # a wrong checksum is no accident
            if sw == status.WRONG_LENGTH or sw >> 8 == 0x6C:
                self._length_reopenings += 1
                if extended_refused:
                    self.limits.extended = False
                return self._length_reopenings <= _MAX_LENGTH_REOPENINGS and not self.link.expired
        elif isinstance(error, CardInUseError):
            return False
        elif isinstance(error, TransportTimeout):
            self._timeouts += 1
            if self._timeouts > 1:
                return False
        if not self.may_recover():
            return False
        if isinstance(error, TransportError) and self.link.last_was_extended:
            # A reader that does not carry what it promises, or a card that only moved: that is no lasting lesson.
            moved = isinstance(error, CardRemovedError)
            self._force_short = self._force_short or extended_refused or not moved
            if extended_refused and not moved:
                self.limits.extended = False
        self.recoveries += 1
        return True

    def _reconnect(self) -> None:
        """Power-cycle the card, waiting for card, reader or service to come back."""
        deadline = self._meter.clock() + self._options.recovery_wait.total_seconds()
        with self._meter.timed(Phase.RECOVERING):
            self._meter.tell(Progress(Phase.RECOVERING))
            while True:
                self.link.check()
                try:
                    self.link.transport.reconnect()
                except (CardInUseError, OperationCancelled):
                    raise
                except TransportError:
                    if self._meter.clock() >= deadline:
                        raise
                    self._pause(_PAUSE_SECONDS)
                else:
                    return
