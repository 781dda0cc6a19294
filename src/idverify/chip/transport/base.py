"""The narrow waist between a card and everything above it."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol, runtime_checkable


@runtime_checkable
class Transport(Protocol):
    """One connected card. Not thread-safe; one session at a time.

    Implementations raise :class:`~idverify.errors.TransportError` (or a subclass) and nothing else.
    """

    @property
    def kind(self) -> str:
        """``pcsc``, ``memory``, ``replay`` …: the word that reports use."""
        ...

    @property
    def atr(self) -> bytes:
        """Answer to reset (ISO/IEC 7816-3 §8), or the reader's ATR for a contactless card (PC/SC part 3 §3.1.3.2.3)."""
        ...

    @property
    def max_apdu_size(self) -> int:
        """Largest command APDU in bytes that this way can carry: 261 for short APDUs only."""
        ...

    def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
        """Send one command APDU; return the response APDU with its status word.

        Raises:
            CardRemovedError: the card is gone.
            TransportTimeout: no answer within ``timeout``.
            TransportError: anything else that breaks the way.
        """
        ...

    def reconnect(self) -> None:
        """Power-cycle or re-open the same card; its security state is gone afterwards.

        Raises:
            CardRemovedError, NoCardError, TransportError
        """
        ...

    def close(self) -> None:
        """Let the card go; idempotent, never raises."""
        ...


@runtime_checkable
class SoftCard(Protocol):
    """A card in software, as :class:`~idverify.emulator.Card` is one."""

    @property
    def atr(self) -> bytes:
        """Answer to reset."""
        ...

    def reset(self) -> None:
        """Power on, or reset: all security state is lost."""
        ...

    def process(self, apdu: bytes) -> bytes:
        """Answer one command APDU with a response APDU."""
        ...


@runtime_checkable
class CancelToken(Protocol):
    """Anything with ``is_set()``, as :class:`threading.Event` has."""

    def is_set(self) -> bool:
        """Whether the caller wants to stop."""
        ...
