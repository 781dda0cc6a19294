"""A card in this process: the emulator without a reader between."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from idverify.chip.transport.base import SoftCard
from idverify.errors import CardRemovedError, IdVerifyError, TransportError, TransportTimeout

MAX_EXTENDED_APDU: Final = 65544
"""Header, extended Lc, 65,535 bytes, extended Le (ISO/IEC 7816-4 §5.2)."""
MAX_SHORT_APDU: Final = 261
"""Header, Lc, 255 bytes, Le."""


class MemoryTransport:
    """A :class:`~idverify.chip.transport.base.SoftCard` as a transport.

    Args:
        card: the card; it is reset when the transport is made.
        max_apdu_size: the largest command in bytes; 261 plays a reader without extended length.
        clock: seconds, growing; replaced in tests.

    The time-out is checked after the card has answered: a software card cannot be interrupted.
    """

    kind = "memory"

    def __init__(
        self,
        card: SoftCard,
        *,
        max_apdu_size: int = MAX_EXTENDED_APDU,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._card = card
        self._max_apdu_size = max_apdu_size
        self._clock = clock
        self._closed = False
        card.reset()

    @property
    def atr(self) -> bytes:
        """The card's answer to reset."""
        return self._card.atr

    @property
    def max_apdu_size(self) -> int:
        """Largest command APDU in bytes."""
        return self._max_apdu_size

    def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
        """Send one command APDU; return the response APDU.

        Raises:
            TransportError: the transport is closed, the command is too long for it, or the software card failed.
            CardRemovedError, TransportTimeout: played by the card, or its answer took longer than ``timeout``.
        """
        if self._closed:
            raise CardRemovedError("the card has been let go; open it again")
        if len(apdu) > self._max_apdu_size:
            raise TransportError(f"a command of {len(apdu)} bytes is longer than this way carries")
        started = self._clock()
        try:
            answer = self._card.process(bytes(apdu))
        except TransportError:
            raise
        except IdVerifyError as error:
            raise TransportError(f"the software card failed: {error}") from error
        except Exception as error:  # the card is foreign code, this is its edge
            raise TransportError(f"the software card failed ({type(error).__name__})") from error
        if timeout is not None and self._clock() - started > timeout.total_seconds():
            raise TransportTimeout(f"the software card needed longer than {timeout.total_seconds():g} s")
        return answer

    def reconnect(self) -> None:
        """Reset the card."""
        self._card.reset()
        self._closed = False

    def close(self) -> None:
        """Let the card go; its security state is gone."""
        if not self._closed:
            self._closed = True
            self._card.reset()
