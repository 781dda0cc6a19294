"""Put a software card into vsmartcard's virtual PC/SC reader (vpcd).

vpcd is a PC/SC driver that listens on TCP port 35963 (first reader) and 35964 (second). We connect to it as the card.
Each message is a big-endian length of two bytes and that many bytes. From the reader, a message of one byte is a
control code (0 power off, 1 power on, 2 reset, 4 send the ATR); anything longer is a command APDU. The card answers the
ATR request and every APDU, and nothing else.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Final, Self

from idverify._logging import get_logger
from idverify.chip.transport.base import SoftCard
from idverify.errors import TransportError, TransportTimeout

_log = get_logger(__name__)

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 35963

_POWER_OFF, _POWER_ON, _RESET, _GET_ATR = 0, 1, 2, 4
_RETRY_SECONDS: Final = 0.1
_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)


class VpcdServer:
    """Serves one software card to one virtual reader from a thread of its own.

    The card is in the reader while the connection stands. When pcscd stops, the server tries again until it is back.
    A card that raises :class:`~idverify.errors.TransportError` leaves the reader (as if it was taken away) until
    :meth:`insert`; one that raises :class:`~idverify.errors.TransportTimeout` stays mute until it is removed.

    Args:
        card: the card; used from the server's thread only while it is in the reader.
        host, port: where vpcd listens.

    Use it as a context manager, or call :meth:`start` and :meth:`stop`. Methods may be called from any thread.
    """

    def __init__(self, card: SoftCard, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> None:
        self._card = card
        self._address = (host, port)
        self._stopping = threading.Event()
        self._wanted = threading.Event()
        self._wanted.set()
        self._connected = threading.Event()
        self._asked = threading.Event()
        self._listening = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._apdus = 0

    @property
    def card(self) -> SoftCard:
        """The card that is served."""
        return self._card

    @property
    def listening(self) -> bool:
        """Whether somebody listens there. One that asks the card for nothing (:meth:`wait_asked`) has another card."""
        return self._listening

    @property
    def connected(self) -> bool:
        """Whether the card is in the reader, or waits before one that has another card."""
        return self._connected.is_set()

    @property
    def apdus(self) -> int:
        """Command APDUs answered so far."""
        return self._apdus

    def wait_connected(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds until vpcd has taken the card."""
        return self._connected.wait(timeout)

    def wait_asked(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds until the reader has asked the card for something, as pcscd does at once."""
        return self._asked.wait(timeout)

    def start(self) -> Self:
        """Start serving; idempotent."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name=f"vpcd-card-{self._address[1]}", daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """Take the card out and end the thread; idempotent."""
        self._stopping.set()
        self._wanted.set()
        self._hang_up()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def remove(self) -> None:
        """Take the card out of the reader, at once, also in the middle of an exchange."""
        self._wanted.clear()
        self._hang_up()

    def insert(self) -> None:
        """Put the card back."""
        self._wanted.set()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _hang_up(self) -> None:
        with self._lock:
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait()
            if self._stopping.is_set():
                return
            try:
                connection = socket.create_connection(self._address, timeout=5)
            except OSError as error:
                self._listening = isinstance(error, TimeoutError)  # a full queue before a busy reader
                self._stopping.wait(_RETRY_SECONDS)
                continue
            self._listening = True
            with connection:
                with self._lock:
                    self._socket = connection
                try:
                    if self._wanted.is_set() and not self._stopping.is_set():
                        self._connected.set()
                        self._serve(connection)
                except OSError as error:
                    _log.debug("vpcd connection ended (%s)", type(error).__name__)
                finally:
                    self._connected.clear()
                    self._asked.clear()
                    with self._lock:
                        self._socket = None
            self._stopping.wait(_RETRY_SECONDS)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._card.reset()
        while (message := _receive(connection)) is not None:
            self._asked.set()
            if len(message) == 1:
                if message[0] == _GET_ATR:
                    _send(connection, self._card.atr)
                elif message[0] in (_POWER_OFF, _POWER_ON, _RESET):
                    self._card.reset()
                continue
            try:
                answer = self._card.process(message)
            except TransportTimeout:
                _receive(connection)  # mute: nothing is answered until the reader gives up
                continue
            except TransportError:
                self._wanted.clear()
                return
            except Exception as error:  # noqa: BLE001 - a broken card must not hang the PC/SC service
                _log.warning("the software card failed (%s)", type(error).__name__)
                answer = b"\x6f\x00"
            self._apdus += 1
            _send(connection, answer)


def serve(
    card: SoftCard,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    *,
    stop: threading.Event | None = None,
) -> None:
    """Serve ``card`` to a virtual reader until ``stop`` is set or the caller is interrupted (KeyboardInterrupt)."""
    stop = stop or threading.Event()
    with VpcdServer(card, host, port):
        while not stop.wait(0.5):
            pass


def _receive(connection: socket.socket) -> bytes | None:
    """One message, or None at the end of the connection."""
    header = _read(connection, 2)
    if header is None:
        return None
    (length,) = struct.unpack(">H", header)
    return _read(connection, length)


def _read(connection: socket.socket, count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        if _QUICKACK is not None:  # vpcd writes twice a message: a delayed acknowledgement would cost 40 ms each time
            connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        piece = connection.recv(count - len(data))
        if not piece:
            return None
        data += piece
    return bytes(data)


def _send(connection: socket.socket, message: bytes) -> None:
    connection.sendall(struct.pack(">H", len(message)) + message)
