"""How long a contactless card takes: frame times of ISO/IEC 14443 and a card's time to think.

The emulator answers in microseconds; a real card does not. :class:`TimedTransport` waits for what is left of the time
that the model gives, so that benchmarks and tests of overlap meet a card of realistic speed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from idverify.chip.transport.base import Transport
from idverify.errors import ConfigurationError

_BIT_RATES: Final = (106, 212, 424, 848)
_BITS_PER_BYTE: Final = 9  # type A: eight bits and parity (ISO/IEC 14443-3 §6.2.3.1)
_FRAME_OVERHEAD: Final = 3  # PCB and two CRC bytes (ISO/IEC 14443-4 §7.1)
_FRAME_DELAY_MS: Final = (
    0.0864 + 0.2
)  # frame delay time 1172/fc (14443-3 §6.2.1.1), and an assumed 0.2 ms of the reader

DEFAULT_THINK_MS: Final[Mapping[int, float]] = MappingProxyType(
    {0x22: 5.0, 0x82: 20.0, 0x84: 5.0, 0x86: 90.0, 0x88: 180.0, 0xA4: 5.0, 0xB0: 3.0, 0xB1: 3.0}
)
"""Assumed thinking time by instruction, in milliseconds. Assumptions, not measurements: replace them by your card's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardTiming:
    """A model of a contactless card's time.

    Attributes:
        kbit_s: bit rate in both directions: 106, 212, 424 or 848.
        frame: largest frame in bytes (FSC and FSD).
        think_ms: by instruction byte.
        other_ms: thinking time of other instructions.
        per_byte_ms: thinking time of each byte of data in both directions (secure messaging).
    """

    kbit_s: int = 424
    frame: int = 256
    think_ms: Mapping[int, float] = field(default_factory=lambda: DEFAULT_THINK_MS)
    other_ms: float = 3.0
    per_byte_ms: float = 0.004

    def __post_init__(self) -> None:
        if self.kbit_s not in _BIT_RATES:
            raise ConfigurationError(f"the bit rate must be one of {', '.join(map(str, _BIT_RATES))} kbit/s")
        if not 16 <= self.frame <= 4096:
            raise ConfigurationError("the frame size must be 16 … 4096 bytes")

    def transfer_ms(self, size: int) -> float:
        """Time of ``size`` bytes on the air: chained blocks, each but the last with its acknowledgement."""
        blocks = max(1, -(-size // (self.frame - _FRAME_OVERHEAD)))
        sent = size + blocks * _FRAME_OVERHEAD + (blocks - 1) * _FRAME_OVERHEAD
        return sent * _BITS_PER_BYTE / self.kbit_s + (2 * blocks - 1) * _FRAME_DELAY_MS

    def exchange_ms(self, command: bytes, response: bytes) -> float:
        """Time of one command and its response, thinking included."""
        ins = command[1] if len(command) > 1 else 0
        think = self.think_ms.get(ins, self.other_ms) + self.per_byte_ms * (len(command) + len(response))
        return self.transfer_ms(len(command)) + think + self.transfer_ms(len(response))


class TimedTransport:
    """A transport that takes as long as a real card would.

    Attributes:
        chip_ms: what the card took so far by the model.

    Args:
        inner: the emulated card's transport.
        timing: the model.
        sleep: waits so many seconds.
    """

    def __init__(self, inner: Transport, timing: CardTiming, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._inner, self._timing, self._sleep = inner, timing, sleep
        self.chip_ms = 0.0

    @property
    def kind(self) -> str:
        """As the inner transport."""
        return self._inner.kind

    @property
    def atr(self) -> bytes:
        """As the inner transport."""
        return self._inner.atr

    @property
    def max_apdu_size(self) -> int:
        """As the inner transport."""
        return self._inner.max_apdu_size

    def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
        """Exchange one command, and wait for the rest of the card's time."""
        started = time.perf_counter()
        response = self._inner.transmit(apdu, timeout=timeout)
        due = self._timing.exchange_ms(apdu, response)
        self.chip_ms += due
        left = due / 1000 - (time.perf_counter() - started)
        if left > 0:
            self._sleep(left)
        return response

    def reconnect(self) -> None:
        """As the inner transport."""
        self._inner.reconnect()

    def close(self) -> None:
        """As the inner transport."""
        self._inner.close()
