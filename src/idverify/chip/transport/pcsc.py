"""Cards in real readers through PC/SC (pcsc-lite, winscard), by pyscard's low-level interface.

Time-outs. PC/SC has no time-out on an exchange. Each :class:`PcscTransport` therefore makes its calls on one thread of
its own and waits a bounded time for it. When the time is over, :class:`~idverify.errors.TransportTimeout` is raised and
that thread is given up: it ends, and lets the card go, as soon as the reader answers or is unplugged. Until then a
reader that was opened exclusively stays taken, and :meth:`PcscTransport.reconnect` may raise
:class:`~idverify.errors.CardInUseError`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from idverify._logging import TRAFFIC, get_logger
from idverify.chip.transport.pcsc_readers import (
    ReaderState,
    check,
    choose,
    failure,
    find_reader,
    is_contactless,
    list_readers,
    scard,
)
from idverify.errors import (
    CardInUseError,
    CardRemovedError,
    IdVerifyError,
    TransportError,
    TransportTimeout,
)

__all__ = [
    "PcscTransport",
    "ReaderState",
    "choose",
    "failure",
    "find_reader",
    "is_contactless",
    "list_readers",
    "open_reader",
]

_log = get_logger(__name__)
_T = TypeVar("_T")

MAX_EXTENDED_APDU: Final = 65544
MAX_SHORT_APDU: Final = 261
CONNECT_TIMEOUT: Final = timedelta(seconds=10)

_T0, _T1 = 1, 2
_SHARE_EXCLUSIVE, _SHARE_SHARED = 1, 2
_RESET_CARD, _UNPOWER_CARD = 1, 2
_GET_FEATURES: Final = 3400  # CM_IOCTL_GET_FEATURE_REQUEST, PC/SC part 10 §2.2
_FEATURE_TLV_PROPERTIES: Final = 0x12
_PROPERTY_MAX_APDU_DATA: Final = 0x0A


class _Caller:
    """Runs calls one after the other on a thread of its own, each with a bounded wait."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="pcsc", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, reply = job
            try:
                reply.put((function(), None))
            except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
                reply.put((None, error))

    def call(self, function: Callable[[], _T], timeout: float | None) -> _T:
        """Raises queue.Empty when ``timeout`` seconds are over."""
        reply: queue.SimpleQueue[tuple[_T, Exception | None]] = queue.SimpleQueue()
        self._jobs.put((function, reply))
        value, error = reply.get(timeout=timeout)
        if error is not None:
            raise error
        return value

    def finish(self, last: Callable[[], Any]) -> None:
        """Queue ``last`` and end the thread after it, without waiting."""
        self._jobs.put((last, queue.SimpleQueue()))
        self._jobs.put(None)

    @property
    def alive(self) -> bool:
        """Whether the thread has not ended."""
        return self._thread.is_alive()

    def join(self, timeout: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(timeout)


@dataclass(slots=True)
class _Connection:
    """What the thread holds; touched on that thread only."""

    context: Any = None
    card: Any = None
    protocol: int = _T1
    atr: bytes = b""
    max_apdu_size: int = MAX_EXTENDED_APDU
    contactless: bool = False

    def release(self) -> None:
        api = scard()
        if self.card is not None:
            api.SCardDisconnect(self.card, _RESET_CARD)
            self.card = None
        if self.context is not None:
            api.SCardReleaseContext(self.context)
            self.context = None


class PcscTransport:
    """A card in a PC/SC reader. Make it with :func:`open_reader`."""

    kind = "pcsc"

    def __init__(self, reader: str, *, exclusive: bool = True, connect_timeout: timedelta = CONNECT_TIMEOUT) -> None:
        self._reader = reader
        self._exclusive = exclusive
        self._connect_timeout = connect_timeout.total_seconds()
        self._caller: _Caller | None = None
        self._given_up: _Caller | None = None
        self._connection = _Connection()
        self._open()

    @property
    def reader(self) -> str:
        """The reader's PC/SC name."""
        return self._reader

    @property
    def atr(self) -> bytes:
        """The card's answer to reset."""
        return self._connection.atr

    @property
    def protocol(self) -> str:
        """``T=0`` or ``T=1`` (contactless cards are always T=1)."""
        return "T=0" if self._connection.protocol == _T0 else "T=1"

    @property
    def max_apdu_size(self) -> int:
        """Largest command APDU in bytes, as the reader says; 261 under T=0."""
        return self._connection.max_apdu_size

    def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
        """Send one command APDU; return the response.

        Under T=0 the commands of cases 1 and 4 go out as ISO/IEC 7816-3 §12.1 maps them to TPDUs; the answers 61xx and
        6Cxx are the channel's business.

        Raises:
            CardRemovedError: the card is gone, or was reset by another program.
            TransportTimeout: no answer within ``timeout``; the transport must be reconnected.
            ReaderNotFoundError, ServiceUnavailableError: the reader was unplugged, pcscd stopped; reconnect when back.
            TransportError: anything else.
        """
        connection = self._connection
        return self._call(
            lambda: _transmit(connection, bytes(apdu)), None if timeout is None else timeout.total_seconds()
        )

    def reconnect(self) -> None:
        """Power-cycle the card, or open the reader anew where that is not possible (card, reader or pcscd was gone).

        Raises:
            NoCardError, ReaderNotFoundError, ServiceUnavailableError, CardInUseError: as :func:`open_reader`.
        """
        if self._caller is not None:
            connection, share = self._connection, self._share
            try:
                self._call(lambda: _power_cycle(connection, share), self._connect_timeout)
            except TransportError as error:
                _log.debug("reopening the reader (%s)", type(error).__name__)
            else:
                return
        self.close()
        try:
            self._open()
        except CardInUseError:
            if self._given_up is not None and self._given_up.alive:
                raise TransportTimeout("the reader has still not answered; take the card away, or replug it") from None
            raise

    def close(self) -> None:
        """Reset the card and let it go; idempotent, never raises."""
        caller, self._caller = self._caller, None
        if caller is not None:
            caller.finish(self._connection.release)
            caller.join(5.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def _share(self) -> int:
        return _SHARE_EXCLUSIVE if self._exclusive else _SHARE_SHARED

    def _open(self) -> None:
        scard()  # a missing pyscard is told before a thread is started
        connection, reader, share = _Connection(), self._reader, self._share
        self._connection = connection
        self._caller = _Caller()
        try:
            self._call(lambda: _connect(connection, reader, share), self._connect_timeout)
        except TransportTimeout as error:
            self.close()
            if self._exclusive:
                raise
            raise CardInUseError("another program holds the card; close it and try again") from error
        except BaseException:
            self.close()
            raise

    def _call(self, function: Callable[[], _T], timeout: float | None) -> _T:
        caller = self._caller
        if caller is None:
            raise CardRemovedError("the card has been let go; open it again")
        try:
            return caller.call(function, timeout)
        except IdVerifyError:
            raise
        except queue.Empty:
            self._caller, self._given_up = None, caller
            caller.finish(self._connection.release)
            raise TransportTimeout(
                f"the card or the reader did not answer within {timeout:g} s; present the card again"
            ) from None
        except Exception as error:  # pyscard's own exceptions on values it cannot convert
            raise TransportError(f"the PC/SC library failed ({type(error).__name__})") from error


def open_reader(
    selector: str | int | None = None, *, exclusive: bool = True, connect_timeout: timedelta = CONNECT_TIMEOUT
) -> PcscTransport:
    """Connect to the card in a reader.

    Args:
        selector: as for :func:`find_reader`.
        exclusive: no other program may use the card meanwhile. With False the card is shared, and this program holds a
            transaction: others wait.
        connect_timeout: the longest wait for the connection.

    Raises:
        NoCardError: the reader is empty, or the card does not answer.
        CardInUseError: another program has the card.
        ReaderNotFoundError: no reader matches.
        ServiceUnavailableError: pyscard or the PC/SC service is missing.
        TransportTimeout: the reader did not answer within ``connect_timeout``.
    """
    return PcscTransport(find_reader(selector).name, exclusive=exclusive, connect_timeout=connect_timeout)


def _connect(connection: _Connection, reader: str, share: int) -> None:
    api = scard()
    result, context = api.SCardEstablishContext(api.SCARD_SCOPE_SYSTEM)
    check(result, "connecting to the PC/SC service")
    connection.context = context
    result, card, protocol = api.SCardConnect(context, reader, share, _T0 | _T1)
    check(result, f"opening the card in {reader}")
    connection.card = card
    connection.protocol = protocol
    if share == _SHARE_SHARED:
        check(api.SCardBeginTransaction(card), "reserving the card")
    _learn(connection)


def _power_cycle(connection: _Connection, share: int) -> None:
    api = scard()
    result, protocol = api.SCardReconnect(connection.card, share, _T0 | _T1, _UNPOWER_CARD)
    check(result, "powering the card again")
    connection.protocol = protocol
    if share == _SHARE_SHARED:
        api.SCardBeginTransaction(connection.card)
    _learn(connection)


def _learn(connection: _Connection) -> None:
    """ATR, and how much the reader carries."""
    result, _, _, protocol, atr = scard().SCardStatus(connection.card)
    check(result, "asking for the card's answer to reset")
    connection.atr = bytes(atr)
    connection.protocol = protocol or connection.protocol
    # ISO/IEC 14443-4 carries whole APDUs, even where a driver calls it T=0.
    connection.contactless = is_contactless(connection.atr)
    if connection.protocol == _T0 and not connection.contactless:
        connection.max_apdu_size = MAX_SHORT_APDU
    else:
        connection.max_apdu_size = _reader_limit(connection.card)


def _reader_limit(card: Any) -> int:
    """The reader's largest command (PC/SC part 10 §2.6.15, dwMaxAPDUDataSize); extended where it does not say."""
    api = scard()
    result, features = api.SCardControl(card, api.SCARD_CTL_CODE(_GET_FEATURES), [])
    if result & 0xFFFFFFFF:
        return MAX_EXTENDED_APDU
    control = _find_tlv(bytes(features), _FEATURE_TLV_PROPERTIES)
    if control is None or len(control) != 4:
        return MAX_EXTENDED_APDU
    result, properties = api.SCardControl(card, int.from_bytes(control, "big"), [])
    value = None if result & 0xFFFFFFFF else _find_tlv(bytes(properties), _PROPERTY_MAX_APDU_DATA)
    if value is None:
        return MAX_EXTENDED_APDU
    size = int.from_bytes(value, "little")
    return MAX_SHORT_APDU if size < 256 else min(size + 9, MAX_EXTENDED_APDU)


def _find_tlv(data: bytes, tag: int) -> bytes | None:
    """One value of PC/SC's flat lists of one-byte tag, one-byte length, value."""
    position = 0
    while position + 2 <= len(data):
        end = position + 2 + data[position + 1]
        if data[position] == tag and end <= len(data):
            return data[position + 2 : end]
        position = end
    return None


def _as_tpdu(apdu: bytes) -> bytes:
    """A short APDU as T=0 carries it: case 1 with P3 = 0, case 4 without Le (ISO/IEC 7816-3 §12.1)."""
    if len(apdu) == 4:
        return apdu + b"\0"
    if len(apdu) > 5 and len(apdu) == 6 + apdu[4]:
        return apdu[:-1]
    return apdu


def _transmit(connection: _Connection, apdu: bytes) -> bytes:
    api = scard()
    if connection.protocol == _T0 and not connection.contactless:
        apdu = _as_tpdu(apdu)
    header = api.SCARD_PCI_T0 if connection.protocol == _T0 else api.SCARD_PCI_T1
    result, response = api.SCardTransmit(connection.card, header, list(apdu))
    code = result & 0xFFFFFFFF
    if not code and len(response) >= 2:
        return bytes(response)
    code = code or 0x80100016  # vpcd reports success without an answer when its card goes away
    _log.log(TRAFFIC, "exchange failed, PC/SC %08X", code)
    error = failure(code, "talking to the card")
    if type(error) is TransportError:
        status = api.SCardStatus(connection.card)[0] & 0xFFFFFFFF
        if status in (0x80100069, 0x80100068, 0x8010000C, 0x80100067, 0x80100017):
            raise failure(status, "talking to the card")
    raise error
