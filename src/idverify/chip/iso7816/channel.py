"""The way of a command to the card as a stack of small processors.

From the top::

    ChainingProcessor       command data that do not fit go out in a chain (ISO/IEC 7816-4 §5.3.3)
    SecureProcessor         secure messaging, where the session has it
    WrongLengthProcessor    6Cxx: the same command again with the right Le (§5.3.4); plain commands only
    GetResponseProcessor    61xx: fetch the rest (§5.3.4), capped
    FormatProcessor         short or extended length (§5.2), with fall-back
    Link                    the transport: time-outs, cancellation, counting, traffic log

Each has only ``send``. A :class:`ChannelStack` builds them; a new one is built when the card was opened anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol

from idverify._logging import TRAFFIC, get_logger
from idverify.chip.iso7816 import status
from idverify.chip.iso7816.apdu import (
    MAX_EXTENDED,
    MAX_SHORT_DATA,
    MAX_SHORT_LE,
    CardChannel,
    CommandAPDU,
    ResponseAPDU,
)
from idverify.chip.iso7816.limits import CardLimits
from idverify.chip.transport.base import CancelToken, Transport
from idverify.errors import (
    ConfigurationError,
    IdVerifyError,
    MalformedDataError,
    OperationCancelled,
    SecureMessagingError,
    TransportError,
    TransportTimeout,
)

_log = get_logger(__name__)

MAX_RESPONSE_BYTES: Final = 2 * MAX_EXTENDED
"""Cap on one response put together from 61xx pieces."""
MAX_GET_RESPONSES: Final = 600
_SM_BITS: Final = 0x0C
_CHAIN_BIT: Final = 0x10
_GET_RESPONSE: Final = 0xC0
_EXTENDED_OVERHEAD: Final = 9  # header 4, Lc 3, Le 2
_EXTENDED_REFUSED: Final = (0x6700, 0x6A86, 0x6A87, 0x6B00, 0x6D00, 0x6E00, 0x6F00)
_CHAIN_REFUSED: Final = (0x6884, 0x6800, 0x6883, 0x6A86, 0x6D00, 0x6E00)


class MessageProtection(Protocol):
    """What a channel needs of secure messaging: :class:`idverify.chip.secure_messaging.SecureMessaging`."""

    @property
    def alive(self) -> bool:
        """Whether the keys are still there."""
        ...

    def protect(self, command: CommandAPDU) -> CommandAPDU:
        """The protected command."""
        ...

    def unprotect(self, response: ResponseAPDU) -> ResponseAPDU:
        """The plain response; raises SecureMessagingError and is dead then."""
        ...

    def max_response_data(self, max_response: int = ...) -> int:
        """Plain bytes that fit a protected response of that size."""
        ...

    def max_command_data(self, max_data: int = ...) -> int:
        """Plain bytes that fit a protected command of that size."""
        ...

    def close(self) -> None:
        """Drop the keys."""
        ...


@dataclass(slots=True)
class Traffic:
    """Counters of one link.

    Attributes:
        apdus: commands sent, those of fall-backs and GET RESPONSE among them.
        bytes_sent, bytes_received: bytes of commands and of responses with their status words.
    """

    apdus: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class Link:
    """The bottom: one transport with time-outs and cancellation.

    Args:
        transport: the way to the card.
        apdu_timeout: longest wait for one answer, or None.
        total_timeout: longest time from :meth:`start_clock` to the last command, or None.
        cancel: looked at before every command.
        clock: seconds, growing.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        apdu_timeout: timedelta | None = None,
        total_timeout: timedelta | None = None,
        cancel: CancelToken | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.transport = transport
        self.traffic = Traffic()
        self.last_was_extended = False
        self._apdu_timeout = apdu_timeout
        self._total_timeout = total_timeout
        self._cancel = cancel
        self._clock = clock
        self._deadline: float | None = None

    def start_clock(self) -> None:
        """Start the total time-out, once."""
        if self._deadline is None and self._total_timeout is not None:
            self._deadline = self._clock() + self._total_timeout.total_seconds()

    @property
    def expired(self) -> bool:
        """Whether the total time is over."""
        return self._deadline is not None and self._clock() >= self._deadline

    def check(self) -> None:
        """Raise when the caller has cancelled or the total time is over.

        Raises:
            OperationCancelled, TransportTimeout
        """
        if self._cancel is not None and self._cancel.is_set():
            raise OperationCancelled("reading was cancelled")
        if self.expired:
            raise TransportTimeout("the time for the whole session is over")

    def exchange(self, apdu: bytes) -> ResponseAPDU:
        """Send one encoded command.

        Raises:
            OperationCancelled, TransportError
        """
        self.check()
        timeout = self._apdu_timeout
        if self._deadline is not None:
            left = timedelta(seconds=max(self._deadline - self._clock(), 0.001))
            timeout = left if timeout is None else min(timeout, left)
        self.last_was_extended = len(apdu) > 5 and apdu[4] == 0
        self.traffic.apdus += 1
        self.traffic.bytes_sent += len(apdu)
        try:
            raw = self.transport.transmit(apdu, timeout=timeout)
        except IdVerifyError:
            raise
        except Exception as error:  # a transport of the application is foreign code
            raise TransportError(f"the transport failed ({type(error).__name__})") from error
        self.traffic.bytes_received += len(raw)
        if len(raw) < 2:  # some readers hand this out when the card leaves the field
            raise TransportError("the card's answer has no status word; it may have moved")
        response = ResponseAPDU.parse(raw)
        if _log.isEnabledFor(TRAFFIC):
            _log.log(
                TRAFFIC, "%s [%d] -> %04X [%d]", apdu[:4].hex().upper(), len(apdu) - 4, response.sw, len(response.data)
            )
        return response


class FormatProcessor:
    """Encodes commands, short or extended.

    A command that only asks for a long answer goes out short (Le = 256) where extended length is known not to work.
    Where that is not known, a plain one that the card refuses is sent again in short form, and the outcome is
    remembered in ``limits``.
    """

    def __init__(self, link: Link, limits: CardLimits, *, force_short: bool = False) -> None:
        self._link = link
        self._limits = limits
        self._force_short = force_short

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        """As :meth:`CardChannel.send`.

        Raises:
            ConfigurationError: the command data need extended length, which does not work here.
        """
        if not command.needs_extended:
            return self._link.exchange(command.to_bytes())
        short = len(command.data) <= MAX_SHORT_DATA
        if self._force_short or self._limits.extended is False or not self._fits(command):
            if not short:
                raise ConfigurationError(
                    f"a command of {len(command.data)} bytes needs extended length, which card or reader does not have"
                )
            return self._link.exchange(_shortened(command).to_bytes())
        response = self._link.exchange(command.to_bytes())
        if self._limits.extended is None:
            refused = response.sw in _EXTENDED_REFUSED or response.sw >> 8 == 0x6C
            if refused and short and not command.cla & _SM_BITS:
                again = self._link.exchange(_shortened(command).to_bytes())
                if again.sw != response.sw:
                    self._limits.extended = False
                return again
            told = response.sw in (status.OK, status.END_OF_FILE) or response.sw >> 8 == 0x61
            if told and len(response.data) <= (command.le or 0):  # not a card that took the first byte for a short Le
                self._limits.extended = True
            elif self._limits.claims_extended and not refused and not told:
                self._limits.extended = True  # "no such file", from a card that states it and has read the command
        return response

    def _fits(self, command: CommandAPDU) -> bool:
        return len(command.data) + _EXTENDED_OVERHEAD <= self._link.transport.max_apdu_size


def _shortened(command: CommandAPDU) -> CommandAPDU:
    """The same command for short length fields; the answer may be cut to 256 bytes."""
    return replace(command, le=min(command.le, MAX_SHORT_LE) if command.le else None, extended=False)


class GetResponseProcessor:
    """Fetches what a card announces with 61xx.

    Raises MalformedDataError beyond :data:`MAX_RESPONSE_BYTES` or :data:`MAX_GET_RESPONSES`, or for an empty piece.
    """

    def __init__(self, inner: CardChannel) -> None:
        self._inner = inner

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        """As :meth:`CardChannel.send`."""
        response = self._inner.send(command)
        if response.sw >> 8 != 0x61:
            return response
        data = bytearray(response.data)
        for _ in range(MAX_GET_RESPONSES):
            le = response.sw & 0xFF or MAX_SHORT_LE
            response = self._inner.send(CommandAPDU(0x00, _GET_RESPONSE, 0, 0, le=le))
            if response.sw >> 8 == 0x6C:
                le = response.sw & 0xFF or MAX_SHORT_LE
                response = self._inner.send(CommandAPDU(0x00, _GET_RESPONSE, 0, 0, le=le))
            data += response.data
            if len(data) > MAX_RESPONSE_BYTES:
                raise MalformedDataError("GET RESPONSE: the card sends more than any response may have")
            if response.sw >> 8 != 0x61:
                return ResponseAPDU(bytes(data), response.sw)
            if not response.data:
                raise MalformedDataError("GET RESPONSE: the card announces more data, but sends none")
        raise MalformedDataError("GET RESPONSE: the card never comes to an end")


class WrongLengthProcessor:
    """Sends a plain command again with the Le that 6Cxx asks for, once.

    A protected command is not repeated: under secure messaging a plain error ends the session.
    """

    def __init__(self, inner: CardChannel) -> None:
        self._inner = inner

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        """As :meth:`CardChannel.send`."""
        response = self._inner.send(command)
        le = response.sw & 0xFF or MAX_SHORT_LE
        if response.sw >> 8 != 0x6C or command.cla & _SM_BITS or command.le in (None, le):
            return response
        return self._inner.send(replace(command, le=le))


class SecureProcessor:
    """Protects commands and opens responses.

    Attributes:
        bare_status: the status word of an answer that came without protection and so ended the session, else None.
    """

    def __init__(self, inner: CardChannel, protection: MessageProtection) -> None:
        self._inner = inner
        self.protection = protection
        self.bare_status: int | None = None

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        """As :meth:`CardChannel.send`.

        Raises:
            SecureMessagingError: the answer does not verify. The keys are gone.
        """
        protected = self.protection.protect(command)
        try:
            response = self._inner.send(protected)
        except IdVerifyError:
            self.protection.close()  # the counters of the two sides may differ now
            raise
        try:
            return self.protection.unprotect(response)
        except SecureMessagingError as error:
            if not response.data:
                error.bare_status = self.bare_status = response.sw
            raise


class ChainingProcessor:
    """Splits command data that do not fit into a chain of commands; each link is protected on its own.

    With extended length the data go out whole. Where a card refuses the chain at its first link, and extended length
    has not been found not to work, the command is tried whole. A command that is itself a link of a protocol's chain
    (GENERAL AUTHENTICATE, ICAO 9303-11 §4.4.4.3) is never split: the card could not tell the two chains apart.
    """

    def __init__(self, inner: CardChannel, limits: CardLimits, room: Callable[[bool], int], *, whole: bool) -> None:
        self._inner = inner
        self._limits = limits
        self._room = room
        self._whole = whole

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        """As :meth:`CardChannel.send`; the answer to the last link, or to the first one refused."""
        short, extended = self._room(False), self._room(True)
        size = len(command.data)
        linked = bool(command.cla & _CHAIN_BIT)
        if linked or size <= short or (self._limits.extended and self._whole and size <= extended):
            return self._inner.send(command)
        for start in range(0, size, short):
            piece = command.data[start : start + short]
            if start + short >= size:
                return self._inner.send(replace(command, data=piece))
            link = CommandAPDU(command.cla | _CHAIN_BIT, command.ins, command.p1, command.p2, piece)
            response = self._inner.send(link)
            if response.ok:
                continue
            may_try = self._limits.extended is None and self._whole and size <= extended
            if start == 0 and may_try and response.sw in _CHAIN_REFUSED:
                return self._inner.send(command)
            return response
        raise ConfigurationError("an empty chain")


class FileChannel(CardChannel, Protocol):
    """A channel that knows how much it can carry."""

    @property
    def max_response_data(self) -> int:
        """The most plain bytes that one answer can bring, 1 … 65,536."""
        ...

    @property
    def bare_status(self) -> int | None:
        """See :class:`SecureProcessor`; None on a plain channel."""
        ...


class PlainChannel:
    """The stack without secure messaging."""

    bare_status: int | None = None

    def __init__(self, stack: ChannelStack) -> None:
        self._stack = stack
        self._top = ChainingProcessor(stack.bottom, stack.limits, stack.command_room, whole=stack.may_extend)

    @property
    def max_response_data(self) -> int:
        """As :class:`FileChannel` says."""
        return self._stack.response_room

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        """As :meth:`CardChannel.send`."""
        return self._top.send(command)


class SecureChannel:
    """The stack with secure messaging. Any error under it ends the session: open the chip anew."""

    def __init__(self, stack: ChannelStack, protection: MessageProtection) -> None:
        self._stack = stack
        self.protection = protection
        self._secure = SecureProcessor(stack.bottom, protection)
        self._top = ChainingProcessor(
            self._secure,
            stack.limits,
            lambda extended: protection.max_command_data(stack.command_room(extended)),
            whole=stack.may_extend,
        )

    @property
    def max_response_data(self) -> int:
        """As :class:`FileChannel` says."""
        return max(self.protection.max_response_data(self._stack.response_room), 1)

    @property
    def bare_status(self) -> int | None:
        """The unprotected status word that ended the session, or None."""
        return self._secure.bare_status

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        """As :meth:`CardChannel.send`.

        Raises:
            SecureMessagingError: the answer does not verify, or the session was dead before.
        """
        if (command.le or 0) > MAX_SHORT_LE and not self._stack.extended_possible:
            command = replace(command, le=MAX_SHORT_LE)
        return self._top.send(command)


class ChannelStack:
    """Builds the processors over one link.

    Args:
        link: the way to the card.
        limits: what is known of the card; updated as more is found out.
        force_short: never use extended length.
    """

    def __init__(self, link: Link, limits: CardLimits, *, force_short: bool = False) -> None:
        self.link = link
        self.limits = limits
        self.force_short = force_short
        self.bottom: CardChannel = WrongLengthProcessor(
            GetResponseProcessor(FormatProcessor(link, limits, force_short=force_short))
        )

    def plain(self) -> PlainChannel:
        """A channel without secure messaging."""
        return PlainChannel(self)

    def secure(self, protection: MessageProtection) -> SecureChannel:
        """A channel under ``protection``."""
        return SecureChannel(self, protection)

    @property
    def may_extend(self) -> bool:
        """Whether extended length is allowed and the reader carries it."""
        return not self.force_short and self.link.transport.max_apdu_size > MAX_SHORT_DATA + 6

    @property
    def extended_possible(self) -> bool:
        """Whether extended length works or may work."""
        return self.may_extend and self.limits.extended is not False

    @property
    def response_room(self) -> int:
        """Bytes of a response on the wire, without status word: 256, or more where extended length is known to work."""
        return self.extended_room if self.limits.extended else MAX_SHORT_LE

    @property
    def extended_room(self) -> int:
        """As :attr:`response_room`, if extended length works; 256 where it is not allowed."""
        if not self.may_extend:
            return MAX_SHORT_LE
        room = MAX_EXTENDED if self.limits.max_response is None else self.limits.max_response - 2
        return max(MAX_SHORT_LE, min(room, self.link.transport.max_apdu_size - _EXTENDED_OVERHEAD + 1, MAX_EXTENDED))

    def command_room(self, extended: bool) -> int:
        """Bytes of command data on the wire in a short or an extended command."""
        if not extended or not self.may_extend:
            return MAX_SHORT_DATA
        room = self.link.transport.max_apdu_size
        if self.limits.max_command is not None:
            room = min(room, self.limits.max_command)
        return max(MAX_SHORT_DATA, min(room - _EXTENDED_OVERHEAD, MAX_EXTENDED - 1))
