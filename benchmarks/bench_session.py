"""Reading a whole document with a portrait of 20 KB: the reader's side of every profile, in memory, through pcscd.

    pytest benchmarks/bench_session.py --benchmark-enable

``extra_info`` has the processor time (``cpu_ms``), commands and bytes; the clock of a shared machine lies.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import pytest
from tests.unit.chip.apdu_minimum import document as documents
from tests.unit.chip.apdu_minimum import least_commands, passwords

from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.files import FileId
from idverify.chip.secure_messaging import SecureMessaging
from idverify.chip.session import DocumentSession, ReadOptions
from idverify.chip.transport.base import Transport
from idverify.chip.transport.memory import MemoryTransport
from idverify.chip.transport.pcsc import open_reader
from idverify.chip.transport.trace import RecordingTransport, ReplayTransport
from idverify.crypto.block import BlockKey, Cipher, pad
from idverify.emulator import PROFILES, Card, SeededRandom
from idverify.emulator.pcsc_stack import VirtualReaderStack


@pytest.fixture(scope="module")
def card() -> Card:
    return documents("cccd-2021")


def whole_read(
    transport: Transport, card: Card, memory: LimitMemory, options: ReadOptions, rng: Any = os.urandom
) -> DocumentSession:
    with DocumentSession(transport, options=options, memory=memory, rng=rng) as session:
        session.open(passwords(card))
        files = session.read_all()
        session.authenticate_chip()
    assert len(files[FileId.DG2]) > 20_000
    return session


def reads() -> Iterator[Any]:
    for profile in PROFILES:
        for mode in ("short", "extended"):
            if mode == "short" and profile == "passport-pace-3des":
                continue  # public keys of 256 bytes do not go into short commands
            if mode == "extended" and not PROFILES[profile].extended_length:
                continue
            yield pytest.param(profile, mode == "short", id=f"{profile}-{mode}")


@pytest.mark.parametrize(("profile", "force_short_apdu"), list(reads()))
def test_whole_read_reader_side(benchmark: Any, profile: str, force_short_apdu: bool) -> None:
    """The reader's side alone, by kind of document: the card's answers are played back from a recording.

    All files but those that the chip refuses, chip and active authentication, on a model of card that is known.
    ``least_apdus`` is the arithmetic minimum of ``tests/unit/chip/apdu_minimum.py``.
    """
    document = documents(profile)
    memory, options = LimitMemory(), ReadOptions(force_short_apdu=force_short_apdu)
    for _ in range(2):  # what there is to know of the model
        whole_read(MemoryTransport(document.fresh()), document, memory, options)
    trace = io.StringIO()
    recorder = RecordingTransport(MemoryTransport(document.fresh()), trace, include_data=True)
    whole_read(recorder, document, memory, options, SeededRandom("reader"))
    lines = trace.getvalue().splitlines()
    cpu: list[float] = []

    def run(replay: ReplayTransport) -> DocumentSession:
        started = time.process_time()
        session = whole_read(replay, document, memory, options, SeededRandom("reader"))
        cpu.append((time.process_time() - started) * 1000)
        return session

    session = benchmark.pedantic(run, setup=lambda: ((ReplayTransport(lines),), {}), rounds=10, warmup_rounds=2)
    least = least_commands(document, session, proofs=True, block=None if force_short_apdu else options.max_block)
    benchmark.extra_info.update(
        apdus=session.stats.apdus, least_apdus=least, bytes=session.stats.bytes, cpu_ms=round(median(cpu), 2)
    )


@pytest.mark.parametrize("force_short_apdu", [True, False], ids=["short", "extended"])
def test_whole_read_in_memory(benchmark: Any, card: Card, force_short_apdu: bool) -> None:
    """Both sides together: the emulated chip does its half of the cryptography on the same core."""
    memory, options = LimitMemory(), ReadOptions(force_short_apdu=force_short_apdu)
    session = benchmark.pedantic(
        lambda: whole_read(MemoryTransport(card), card, memory, options), rounds=5, warmup_rounds=1
    )
    benchmark.extra_info.update(apdus=session.stats.apdus, bytes=session.stats.bytes)


@pytest.fixture(scope="module")
def stack() -> Iterator[VirtualReaderStack]:
    reason = VirtualReaderStack.why_not()
    if reason is not None:
        pytest.skip(reason)
    with VirtualReaderStack(lock_timeout=600) as started:
        yield started


@pytest.mark.parametrize("force_short_apdu", [True, False], ids=["short", "extended"])
def test_whole_read_over_pcscd(benchmark: Any, card: Card, stack: VirtualReaderStack, force_short_apdu: bool) -> None:
    """Connecting to the reader is part of it."""
    memory, options = LimitMemory(), ReadOptions(force_short_apdu=force_short_apdu)

    def run() -> DocumentSession:
        transport = open_reader(stack.reader(0))
        try:
            return whole_read(transport, card, memory, options)
        finally:
            transport.close()

    with stack.insert(card):
        session = benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    benchmark.extra_info.update(apdus=session.stats.apdus, bytes=session.stats.bytes)


@pytest.mark.parametrize("cipher", [Cipher.DES3, Cipher.AES128, Cipher.AES256], ids=lambda c: c.label)
def test_protected_read_binary(benchmark: Any, cipher: Cipher) -> None:
    """The reader's half: protect one READ BINARY, open its answer of 223 (231) bytes."""
    keys = bytes(range(cipher.key_bytes)), bytes(range(1, cipher.key_bytes + 1))
    messaging = SecureMessaging(cipher, *keys)
    block = messaging.max_response_data()
    command = CommandAPDU(0x00, 0xB0, 0x01, 0x00, le=block)

    def answer() -> tuple[tuple[SecureMessaging, ResponseAPDU], dict[str, Any]]:
        ssc = (2).to_bytes(cipher.block_bytes, "big")
        enc, mac = BlockKey(cipher, keys[0]), BlockKey(cipher, keys[1])
        iv = None if cipher is Cipher.DES3 else enc.encrypt_block(ssc)
        cryptogram = b"\x01" + enc.encrypt(pad(bytes(block), cipher.block_bytes), iv)
        body = b"\x87\x81" + bytes([len(cryptogram)]) + cryptogram + b"\x99\x02\x90\x00"
        checksum = mac.mac_blocks(pad(ssc + body, cipher.block_bytes))
        return (SecureMessaging(cipher, *keys), ResponseAPDU(body + b"\x8e\x08" + checksum, 0x9000)), {}

    def exchange(session: SecureMessaging, response: ResponseAPDU) -> None:
        session.protect(command)
        if len(session.unprotect(response).data) != block:
            raise AssertionError

    benchmark.pedantic(exchange, setup=answer, rounds=300)
