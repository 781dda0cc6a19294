"""Real readers through PC/SC (pcsc-lite, winscard), by pyscard's low-level interface.

pyscard is imported at the first call, never at import: ``pip install 'idverify-emrtd[pcsc]'`` brings it.

Time-outs. PC/SC has no time-out on an exchange. Each :class:`PcscTransport` therefore makes its calls on one thread of
its own and waits a bounded time for it. When the time is over, :class:`~idverify.errors.TransportTimeout` is raised and
that thread is given up: it ends, and lets the card go, as soon as the reader answers or is unplugged. Until then a
reader that was opened exclusively stays taken, and :meth:`PcscTransport.reconnect` may raise
:class:`~idverify.errors.CardInUseError`.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

from idverify._logging import TRAFFIC, get_logger
from idverify.errors import (
    CardInUseError,
    CardRemovedError,
    IdVerifyError,
    NoCardError,
    ReaderNotFoundError,
    ServiceUnavailableError,
    TransportError,
    TransportTimeout,
)

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
# The bits of SCARD_READERSTATE.dwEventState
_STATE_PRESENT, _STATE_EXCLUSIVE, _STATE_IN_USE, _STATE_MUTE = 0x20, 0x80, 0x100, 0x200

_NO_PYSCARD = (
    "reading cards needs pyscard, which is not installed: pip install 'idverify-emrtd[pcsc]' "
    "(on Debian and Ubuntu it needs the packages swig, libpcsclite-dev and a C compiler)"
)
_NO_SERVICE = "the PC/SC service does not answer: install and start pcscd (on Debian: apt install pcscd)"

_ERRORS: Final[dict[int, tuple[type[TransportError], str]]] = {
    0x8010001D: (ServiceUnavailableError, _NO_SERVICE),
    0x8010001E: (ServiceUnavailableError, "the PC/SC service was stopped; start pcscd again and reopen the reader"),
    0x80100003: (ServiceUnavailableError, "the PC/SC service was restarted; reopen the reader"),
    0x80100013: (TransportError, "communication with the reader failed"),
    0x80100001: (TransportError, "the PC/SC service has an internal error"),
    0x80100014: (TransportError, "the PC/SC service has an unknown error"),
    0x80100009: (ReaderNotFoundError, "there is no such reader; is it plugged in?"),
    0x80100017: (ReaderNotFoundError, "the reader is not available; it was unplugged or is switched off"),
    0x8010002E: (ReaderNotFoundError, "no reader is connected"),
    0x8010000C: (NoCardError, "there is no card in the reader"),
    0x80100066: (NoCardError, "the card does not answer; lay it flat on the reader, or turn it over"),
    0x80100067: (CardRemovedError, "the card has lost power; present it again"),
    0x80100068: (CardRemovedError, "the card was reset by another program; open it again"),
    0x80100069: (CardRemovedError, "the card was removed"),
    0x8010000B: (CardInUseError, "another program uses the card; close it and try again"),
    0x8010000A: (TransportTimeout, "the reader did not answer in time"),
    0x8010000F: (TransportError, "the card speaks neither T=0 nor T=1"),
    0x80100016: (TransportError, "the exchange with the card failed; it may have moved"),
    0x8010002F: (TransportError, "communication with the card failed; it may have moved"),
    0x80100008: (TransportError, "the answer of the card is longer than the reader carries"),
}


def scard() -> Any:
    """pyscard's low-level module.

    Raises:
        ServiceUnavailableError: pyscard is not installed, or the PC/SC library is missing.
    """
    try:
        import smartcard.scard as module
    except ImportError as error:
        if getattr(error, "name", "") in ("smartcard", "smartcard.scard"):
            raise ServiceUnavailableError(_NO_PYSCARD) from None
        raise ServiceUnavailableError("pyscard cannot be loaded: is the PC/SC library installed?") from error
    return module


def failure(result: int, doing: str) -> TransportError:
    """The exception for a PC/SC result code."""
    code = result & 0xFFFFFFFF
    kind, advice = _ERRORS.get(code, (TransportError, "the PC/SC service refused"))
    return kind(f"{doing}: {advice} (PC/SC {code:08X})")


def check(result: int, doing: str) -> None:
    """Raise :func:`failure` unless ``result`` is success."""
    if result & 0xFFFFFFFF:
        raise failure(result, doing)


@contextlib.contextmanager
def pcsc_context() -> Any:
    """A PC/SC context, released at the end."""
    api = scard()
    result, context = api.SCardEstablishContext(api.SCARD_SCOPE_SYSTEM)
    check(result, "connecting to the PC/SC service")
    try:
        yield context
    finally:
        api.SCardReleaseContext(context)


@dataclass(frozen=True, slots=True)
class ReaderState:
    """One reader.

    Attributes:
        name: the PC/SC name.
        index: its place in the list, from 0.
        present: whether a card is in it.
        atr: the card's answer to reset, empty where there is none or it does not answer.
        mute: a card is there but does not answer.
        exclusive: another program has the card to itself.
        in_use: some program has opened the card.
        changes: the reader's counter of insertions and removals.
    """

    name: str
    index: int
    present: bool = False
    atr: bytes = b""
    mute: bool = False
    exclusive: bool = False
    in_use: bool = False
    changes: int = 0


def reader_names(context: Any) -> list[str]:
    """The names of all readers, in PC/SC's order; empty where there is none."""
    result, names = scard().SCardListReaders(context, [])
    if result & 0xFFFFFFFF == 0x8010002E:
        return []
    check(result, "listing the readers")
    return list(names)


def reader_states(context: Any) -> tuple[ReaderState, ...]:
    """The state of all readers."""
    names = reader_names(context)
    if not names:
        return ()
    result, states = scard().SCardGetStatusChange(context, 0, [(name, 0) for name in names])
    if result & 0xFFFFFFFF not in (0, 0x8010000A):
        raise failure(result, "asking for the state of the readers")
    return tuple(_state(i, *state) for i, state in enumerate(states))


def _state(index: int, name: str, bits: int, atr: list[int]) -> ReaderState:
    present = bool(bits & _STATE_PRESENT)
    return ReaderState(
        name=name,
        index=index,
        present=present,
        atr=bytes(atr) if present else b"",
        mute=bool(bits & _STATE_MUTE),
        exclusive=bool(bits & _STATE_EXCLUSIVE),
        in_use=bool(bits & _STATE_IN_USE),
        changes=bits >> 16 & 0xFFFF,
    )


def list_readers() -> tuple[ReaderState, ...]:
    """All readers, each with card presence and ATR; empty where none is connected.

    Raises:
        ServiceUnavailableError: pyscard or the PC/SC service is missing.
    """
    with pcsc_context() as context:
        return reader_states(context)


def find_reader(selector: str | int | None = None) -> ReaderState:
    """The reader that ``selector`` means.

    Args:
        selector: a name or a part of one (letter case does not matter), an index from 0 (also as text), or None for
            the first reader with a card in it, else the first reader.

    Raises:
        ReaderNotFoundError: none or several match; the message lists the readers.
        ServiceUnavailableError: pyscard or the PC/SC service is missing.
    """
    return choose(list_readers(), selector)


def choose(readers: tuple[ReaderState, ...], selector: str | int | None) -> ReaderState:
    """As :func:`find_reader`, among ``readers``."""
    if not readers:
        raise ReaderNotFoundError("no reader is connected; plug one in")
    if selector is None:
        return next((r for r in readers if r.present and not r.mute), readers[0])
    listing = ", ".join(f"{r.index}: {r.name}" for r in readers)
    if isinstance(selector, str):
        exact = [r for r in readers if r.name == selector]
        found = exact or [r for r in readers if selector.casefold() in r.name.casefold()]
        if selector.isascii() and selector.isdigit() and len(selector) < 4 and not exact:
            selector = int(selector)
        elif len(found) == 1:
            return found[0]
        else:
            problem = "several readers match" if found else "no reader matches"
            raise ReaderNotFoundError(f"{problem} that name; there are {listing}")
    if not 0 <= selector < len(readers):
        raise ReaderNotFoundError(f"there is no reader number {selector}; there are {listing}")
    return readers[selector]


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
    # 3B 8n 80 01: the ATR that PC/SC part 3 §3.1.3.2.3 makes up for a contactless card. ISO/IEC 14443-4 carries whole
    # APDUs, even where a driver calls it T=0.
    connection.contactless = len(atr) >= 4 and atr[1] & 0xF0 == 0x80 and bytes(atr[2:4]) == b"\x80\x01"
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
