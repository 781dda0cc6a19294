"""Commands on their way: encoding, parsing, the processor stack, and a traced exchange. No card, no secure messaging.

pytest benchmarks/bench_apdu.py --benchmark-enable
"""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU
from idverify.chip.iso7816.channel import ChannelStack, Link
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.transport.trace import RecordingTransport

READ = CommandAPDU(0x00, 0xB0, 0, 0, le=256)
ANSWER = bytes(223) + b"\x90\x00"


class Echo:
    """A card that always says the same."""

    kind, atr, max_apdu_size = "memory", b"\x3b\x80\x80\x01\x01", 65_544

    def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
        return ANSWER

    def reconnect(self) -> None: ...

    def close(self) -> None: ...


def test_encode_short(benchmark: Any) -> None:
    assert benchmark(READ.to_bytes) == bytes.fromhex("00B0000000")


def test_encode_extended(benchmark: Any) -> None:
    command = CommandAPDU(0x00, 0xB0, 0, 0, data=bytes(300), le=4096)
    assert len(benchmark(command.to_bytes)) > 300


def test_parse(benchmark: Any) -> None:
    assert benchmark(ResponseAPDU.parse, ANSWER).sw == 0x9000


def test_stack(benchmark: Any) -> None:
    """Format, GET RESPONSE, wrong length, link: what every plain command goes through."""
    stack = ChannelStack(Link(Echo()), LimitMemory().limits(Echo.atr))
    assert benchmark(stack.bottom.send, READ).sw == 0x9000


def test_traced(benchmark: Any) -> None:
    """The same, written down for a replay."""
    transport = RecordingTransport(Echo(), io.StringIO())
    assert benchmark(transport.transmit, READ.to_bytes()) == ANSWER
