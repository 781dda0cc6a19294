"""The PC/SC transport against a real pcscd with virtual readers."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from idverify.chip.iso7816.apdu import CommandAPDU
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.files import FileId
from idverify.chip.session import DocumentSession, ReadOptions
from idverify.chip.transport.pcsc import PcscTransport, find_reader, list_readers, open_reader
from idverify.chip.transport.pcsc_events import ReaderEventKind, wait_events, wait_for_card
from idverify.emulator.pcsc_stack import VirtualReaderStack
from idverify.errors import (
    CardInUseError,
    CardRemovedError,
    IdVerifyError,
    NoCardError,
    OperationCancelled,
    ReaderNotFoundError,
    ServiceUnavailableError,
    TransportError,
    TransportTimeout,
)
from tests.unit.chip.fakes import CONTACTLESS_ATR, FileCard, content

pytestmark = pytest.mark.pcsc

SELECT = bytes.fromhex("00A4040C07A0000002471001")
FILES = {
    FileId.COM: bytes.fromhex("60165F0104303130375F36063034303030305C046175636D")[:24],
    FileId.DG1: content(0x61, 95),
    FileId.DG2: content(0x75, 20_000),
}


def a_card(**switches: object) -> FileCard:
    return FileCard(dict(FILES), **switches)


def read(reader: str, **options: object) -> tuple[DocumentSession, dict[FileId, bytes]]:
    transport = open_reader(reader)
    try:
        with DocumentSession(transport, options=ReadOptions(**options), memory=LimitMemory()) as session:
            session.open()
            return session, session.read_all([FileId.COM, FileId.DG1, FileId.DG2])
    finally:
        transport.close()


def test_readers_show_presence_and_atr(stack: VirtualReaderStack) -> None:
    name = stack.reader(1)
    assert not find_reader(name).present
    with stack.insert(a_card(), slot=1):
        state = find_reader(name)
        assert state.present
        assert state.atr == CONTACTLESS_ATR
        assert state in list_readers()
        assert find_reader(None).name == name, "without a name the reader with a card is taken"
        assert find_reader(name[3:].lower()).name == name
        assert find_reader(str(state.index)).name == name
    with pytest.raises(ReaderNotFoundError, match="several"):
        find_reader("virtual")
    with pytest.raises(ReaderNotFoundError, match="Virtual PCD"):
        find_reader("no such reader")
    with pytest.raises(ReaderNotFoundError):
        find_reader(99)


def test_an_empty_reader_is_its_own_error(stack: VirtualReaderStack) -> None:
    with pytest.raises(NoCardError):
        open_reader(stack.reader(0))


@pytest.mark.parametrize("force_short_apdu", [True, False])
def test_a_card_is_read_through_pcscd(stack: VirtualReaderStack, force_short_apdu: bool) -> None:
    card = a_card()
    card.files[FileId.CARD_ACCESS] = bytes.fromhex("31143012060A04007F0007020204020202010202010D")
    with stack.insert(card):
        session, files = read(stack.reader(0), force_short_apdu=force_short_apdu)
    assert files == FILES
    assert session.stats.extended_length is not force_short_apdu
    assert session.stats.apdus < (84 if force_short_apdu else 12)


def test_t0_sends_no_le_with_data_and_fetches_the_answer(stack: VirtualReaderStack) -> None:
    card = a_card(atr=bytes.fromhex("3B6500002063CBBD80"))
    pending: list[bytes] = []

    def case_4(command: CommandAPDU) -> bytes | None:
        if command.ins == 0x88:
            pending.append(bytes(20))
            return b"\x61\x14"
        if command.ins == 0xC0:
            return pending.pop() + b"\x90\x00"
        return None

    card.hook = case_4
    with stack.insert(card):
        transport = open_reader(stack.reader(0))
        assert transport.protocol == "T=0"
        assert transport.max_apdu_size == 261
        assert transport.transmit(bytes.fromhex("00880000080102030405060708 00".replace(" ", ""))) == b"\x61\x14"
        assert card.raw_log[-1] == bytes.fromhex("00880000080102030405060708"), "case 4 goes out without Le"
        transport.transmit(bytes.fromhex("00A40000"))
        assert card.raw_log[-1] == bytes.fromhex("00A4000000"), "case 1 goes out with P3 = 0"
        transport.close()


def test_t1_carries_extended_length(stack: VirtualReaderStack) -> None:
    card = a_card(atr=bytes.fromhex("3B80800101"))
    with stack.insert(card):
        transport = open_reader(stack.reader(0))
        assert transport.protocol == "T=1"
        transport.transmit(SELECT)
        response = transport.transmit(bytes.fromhex("00B08200000FFF"))
        assert response[:-2] == FILES[FileId.DG2][:4095]
        transport.close()


def test_a_second_program_is_told_that_the_card_is_in_use(stack: VirtualReaderStack) -> None:
    with stack.insert(a_card()):
        first = open_reader(stack.reader(0))
        with pytest.raises(CardInUseError, match="another program"):
            open_reader(stack.reader(0))
        assert find_reader(stack.reader(0)).exclusive
        first.close()
        second = open_reader(stack.reader(0))
        second.close()


def test_a_shared_card_is_held_by_a_transaction(stack: VirtualReaderStack) -> None:
    with stack.insert(a_card()):
        first = open_reader(stack.reader(0), exclusive=False)
        assert first.transmit(SELECT) == b"\x90\x00"
        with pytest.raises(CardInUseError):
            open_reader(stack.reader(0), exclusive=False, connect_timeout=timedelta(seconds=0.5))
        first.close()


def test_two_readers_at_once_in_two_threads(stack: VirtualReaderStack) -> None:
    results: dict[int, dict[FileId, bytes] | BaseException] = {}
    cards = [a_card(), FileCard({**FILES, FileId.DG2: content(0x75, 30_000)})]

    def work(slot: int) -> None:
        try:
            results[slot] = read(stack.reader(slot), force_short_apdu=True)[1]
        except IdVerifyError as error:
            results[slot] = error

    with stack.insert(cards[0], 0), stack.insert(cards[1], 1):
        threads = [threading.Thread(target=work, args=(slot,)) for slot in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert results == {0: FILES, 1: cards[1].files}


def at_offset(offset: int, action):
    """A hook that does something once, when the card is read at that offset."""
    done = threading.Event()

    def hook(command: CommandAPDU) -> bytes | None:
        if (
            command.ins == 0xB0
            and not command.p1 & 0x80
            and command.p1 << 8 | command.p2 >= offset
            and not done.is_set()
        ):
            done.set()
            return action()
        return None

    return hook


def test_a_card_that_moves_is_read_on_where_it_was(stack: VirtualReaderStack) -> None:
    card = a_card()
    with stack.insert(card) as server:

        def move() -> None:
            def back() -> None:
                time.sleep(1.0)  # pcscd looks every 0.4 s
                server.insert()

            threading.Thread(target=back, daemon=True).start()
            server.remove()

        card.hook = at_offset(9000, move)
        session, files = read(stack.reader(0), force_short_apdu=True, recovery_wait=timedelta(seconds=30))
    assert files == FILES
    assert session.stats.recoveries >= 1
    first_blocks = [c for c in card.log if c.ins == 0xB0 and c.p1 == 0x82 and (c.le or 0) > 1]
    assert len(first_blocks) == 1, "the file was not started again"


def test_a_card_taken_away_for_good_is_a_clear_error(stack: VirtualReaderStack) -> None:
    card = a_card()
    with stack.insert(card) as server:
        card.hook = at_offset(2000, lambda: server.remove())
        started = time.monotonic()
        with pytest.raises((CardRemovedError, NoCardError)):
            read(stack.reader(0), force_short_apdu=True, recovery_wait=timedelta(seconds=0.5))
        assert time.monotonic() - started < 10


def test_a_mute_card_is_a_time_out_and_the_reader_can_be_used_again(stack: VirtualReaderStack) -> None:
    card = a_card()
    release = threading.Event()
    card.hook = at_offset(0, lambda: (release.wait(60), None)[1])
    with stack.insert(card):
        transport = open_reader(stack.reader(0))
        transport.transmit(SELECT)
        started = time.monotonic()
        with pytest.raises(TransportTimeout, match=r"0\.3 s"):
            transport.transmit(bytes.fromhex("00B0000000"), timeout=timedelta(seconds=0.3))
        assert time.monotonic() - started < 30, "it waited for the card"
        with pytest.raises(TransportError):
            transport.transmit(SELECT)
        with pytest.raises(TransportTimeout):
            transport.reconnect()
        release.set()
        deadline = time.monotonic() + 60
        while True:
            try:
                transport.reconnect()
                break
            except TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert transport.transmit(SELECT) == b"\x90\x00"
        transport.close()


def test_reconnect_power_cycles_the_card(stack: VirtualReaderStack) -> None:
    card = a_card()
    with stack.insert(card):
        transport = open_reader(stack.reader(0))
        resets = card.resets
        transport.reconnect()
        assert card.resets > resets
        assert transport.atr == CONTACTLESS_ATR
        transport.close()
        transport.close()
        with pytest.raises(CardRemovedError):
            transport.transmit(SELECT)


def test_pcscd_killed_and_started_again(stack: VirtualReaderStack) -> None:
    if not stack.own:
        pytest.skip("pcscd is not ours to kill")
    card = a_card()
    with stack.insert(card):
        transport = open_reader(stack.reader(0))
        transport.transmit(SELECT)
        stack.stop_service(kill=True)
        with pytest.raises(ServiceUnavailableError):
            transport.transmit(SELECT)
        with pytest.raises(ServiceUnavailableError, match="pcscd"):
            transport.reconnect()
        with pytest.raises(ServiceUnavailableError, match="pcscd"):
            list_readers()
        stack.start_service()
        stack.wait_present(0, present=True)
        transport.reconnect()
        assert transport.transmit(SELECT) == b"\x90\x00"
        transport.close()


def test_pcscd_restarted_in_the_middle_of_a_file(stack: VirtualReaderStack) -> None:
    if not stack.own:
        pytest.skip("pcscd is not ours to kill")
    card = a_card()
    with stack.insert(card):

        def restart() -> None:
            stack.stop_service(kill=True)
            threading.Thread(target=stack.start_service, daemon=True).start()

        card.hook = at_offset(5000, restart)
        session, files = read(
            stack.reader(0), force_short_apdu=True, max_recoveries=4, recovery_wait=timedelta(seconds=10)
        )
        assert files == FILES
        assert session.stats.recoveries >= 1


def test_insertion_and_removal_events(stack: VirtualReaderStack) -> None:
    cancel = threading.Event()
    seen: list[tuple[ReaderEventKind, str]] = []

    def watch() -> None:
        for event in wait_events(timeout=timedelta(seconds=30), cancel=cancel):
            seen.append((event.kind, event.reader.name))

    watcher = threading.Thread(target=watch)
    with stack.insert(a_card(), 1):
        watcher.start()
        wait_until(lambda: len(seen) == 1)
        with stack.insert(a_card(), 0):
            wait_until(lambda: len(seen) == 2)
        wait_until(lambda: len(seen) == 3)
    wait_until(lambda: len(seen) == 4)
    cancel.set()
    watcher.join(60)
    assert not watcher.is_alive()
    inserted, removed = ReaderEventKind.CARD_INSERTED, ReaderEventKind.CARD_REMOVED
    first, second = stack.reader(0), stack.reader(1)
    assert seen == [(inserted, second), (inserted, first), (removed, first), (removed, second)]


def test_waiting_for_a_card(stack: VirtualReaderStack) -> None:
    with pytest.raises(TransportTimeout):
        wait_for_card(timeout=timedelta(seconds=0.2))
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(OperationCancelled):
        wait_for_card(cancel=cancel)
    with pytest.raises(ReaderNotFoundError):
        wait_for_card("no such reader", timeout=timedelta(seconds=0.2))
    found: list[str] = []
    waiter = threading.Thread(target=lambda: found.append(wait_for_card(timeout=timedelta(seconds=20)).name))
    waiter.start()
    with stack.insert(a_card(), 1):
        waiter.join(20)
    assert found == [stack.reader(1)]


def test_a_transport_is_made_by_name_only(stack: VirtualReaderStack) -> None:
    with pytest.raises(ReaderNotFoundError):
        PcscTransport("no such reader")


def wait_until(condition, timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
