"""How long a contactless card takes: frame times of ISO/IEC 14443, and a card's time to think.

The emulator answers in microseconds; a real card does not. :class:`TimedTransport` waits for what is left of the time
that the model gives, so that benchmarks and tests of overlap meet a card of realistic speed.

What the standard fixes is computed: bits, frames, pauses between frames, chained blocks and requests for more time, of
a card of type A (clauses as in the 2018 editions of ISO/IEC 14443-3 and -4). What a card thinks is its own affair:
:data:`DEFAULT_THINK_MS` are assumptions, named as such. What a reader adds on its way to the host is nothing here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from idverify.chip.transport.base import Transport
from idverify.errors import ConfigurationError

CARRIER_KHZ: Final = 13_560
"""The field's frequency fc."""
BIT_RATES: Final[Mapping[int, int]] = MappingProxyType({106: 128, 212: 64, 424: 32, 848: 16})
"""Nominal kbit/s, and how many periods of the carrier one bit takes (ISO/IEC 14443-3 §6.1, 14443-2 §8)."""

_BITS_PER_BYTE: Final = 9  # eight bits and odd parity (14443-3 §6.2.3.2, standard frame)
_START_BITS, _END_BITS = 1, 2  # start and end of communication (14443-2 §8.1.3; 14443-3 §6.2.3.2)
_BLOCK_OVERHEAD: Final = 3  # PCB, and CRC of two bytes; neither CID nor NAD (14443-4 §7.1)
_R_BLOCK: Final = 3  # PCB and CRC (14443-4 §7.1.1)
_WTX_BLOCK: Final = 4  # PCB, WTXM, CRC (14443-4 §7.1.1, §7.3)
_FRAME_DELAY_PERIODS: Final = 1236, 1172  # card after reader, reader after card: 14443-3 §6.2.1.1 (n = 9), §6.2.1.2

DEFAULT_THINK_MS: Final[Mapping[int, float]] = MappingProxyType(
    {0x22: 5.0, 0x82: 20.0, 0x84: 5.0, 0x86: 90.0, 0x88: 180.0, 0xA4: 5.0, 0xB0: 3.0, 0xB1: 3.0}
)
"""Assumed thinking time by instruction, in milliseconds: GENERAL AUTHENTICATE 90, INTERNAL AUTHENTICATE (RSA-2048) 180,
EXTERNAL AUTHENTICATE 20, SELECT and MSE 5, READ BINARY 3. Assumptions, not measurements: replace them by your card's,
as ``session.json`` and traces of your reader show them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardTiming:
    """A model of a contactless card's time.

    Attributes:
        kbit_s: bit rate in both directions: 106, 212, 424 or 848.
        frame: largest frame in bytes, of reader and card alike (FSD and FSC, 14443-4 §5.2.3, §5.1); 256 is the most
            that cards without the extension of 2018 do.
        think_ms: by instruction byte.
        other_ms: thinking time of other instructions.
        per_byte_ms: thinking time of each byte of data in both directions (secure messaging).
        fwi: the card's frame waiting time is 256 × 16 / fc × 2^fwi (14443-4 §7.2); whoever thinks longer asks for more.
    """

    kbit_s: int = 424
    frame: int = 256
    think_ms: Mapping[int, float] = field(default_factory=lambda: DEFAULT_THINK_MS)
    other_ms: float = 3.0
    per_byte_ms: float = 0.004
    fwi: int = 8

    def __post_init__(self) -> None:
        if self.kbit_s not in BIT_RATES:
            raise ConfigurationError(f"the bit rate must be one of {', '.join(map(str, BIT_RATES))} kbit/s")
        if not 16 <= self.frame <= 4096:
            raise ConfigurationError("the frame size must be 16 … 4096 bytes")
        if not 0 <= self.fwi <= 14:
            raise ConfigurationError("FWI must be 0 … 14")

    def frame_ms(self, size: int) -> float:
        """Time on the air of one frame of ``size`` bytes, prologue and CRC among them."""
        bits = _START_BITS + size * _BITS_PER_BYTE + _END_BITS
        return bits * BIT_RATES[self.kbit_s] / CARRIER_KHZ

    @property
    def turn_ms(self) -> float:
        """Two frame delay times: from one block of the reader's to its next, frames and thinking aside."""
        return sum(_FRAME_DELAY_PERIODS) / CARRIER_KHZ

    @property
    def waiting_ms(self) -> float:
        """The frame waiting time."""
        return 256 * 16 / CARRIER_KHZ * float(1 << self.fwi)

    def transfer_ms(self, size: int) -> float:
        """Time of ``size`` bytes one way: chained I-blocks, each but the last answered by R(ACK) (14443-4 §7.5.2)."""
        room = self.frame - _BLOCK_OVERHEAD
        blocks = max(1, -(-size // room))
        last = size - (blocks - 1) * room
        full, acknowledged = self.frame_ms(self.frame), self.frame_ms(_R_BLOCK) + self.turn_ms
        return (blocks - 1) * (full + acknowledged) + self.frame_ms(last + _BLOCK_OVERHEAD)

    def exchange_ms(self, command: bytes, response: bytes) -> float:
        """Time of one command and its response: frames, delays, thinking, requests for more time."""
        ins = command[1] if len(command) > 1 else 0
        think = self.think_ms.get(ins, self.other_ms) + self.per_byte_ms * (len(command) + len(response))
        extensions = max(0, math.ceil(think / self.waiting_ms) - 1)
        asking = extensions * (2 * self.frame_ms(_WTX_BLOCK) + self.turn_ms)
        return self.transfer_ms(len(command)) + think + asking + self.turn_ms + self.transfer_ms(len(response))


@dataclass(frozen=True, slots=True)
class Exchange:
    """When one command was with the card; seconds of ``time.perf_counter``.

    Attributes:
        ins: instruction byte.
        started: when it left for the card.
        ended: when its answer was there.
        due_ms: what the model gives.
        cpu_ms: processor time of whatever answers in this process.
    """

    ins: int
    started: float
    ended: float
    due_ms: float
    cpu_ms: float


class TimedTransport:
    """A transport that takes as long as a real card would.

    Attributes:
        exchanges: every command so far.

    Args:
        inner: the emulated card's transport.
        timing: the model; None for a card that takes no time.
        sleep: waits so many seconds.
    """

    def __init__(
        self, inner: Transport, timing: CardTiming | None, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._inner, self._timing, self._sleep = inner, timing, sleep
        self.exchanges: list[Exchange] = []

    @property
    def chip_ms(self) -> float:
        """What the card took so far by the model."""
        return sum(e.due_ms for e in self.exchanges)

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
        started, cpu = time.perf_counter(), time.thread_time()
        response = self._inner.transmit(apdu, timeout=timeout)
        cpu = time.thread_time() - cpu
        due = self._timing.exchange_ms(apdu, response) if self._timing is not None else 0.0
        left = due / 1000 - (time.perf_counter() - started)
        if left > 0:
            self._sleep(left)
        ins = apdu[1] if len(apdu) > 1 else 0
        self.exchanges.append(Exchange(ins, started, time.perf_counter(), due, cpu * 1000))
        return response

    def reconnect(self) -> None:
        """As the inner transport."""
        self._inner.reconnect()

    def close(self) -> None:
        """As the inner transport."""
        self._inner.close()
