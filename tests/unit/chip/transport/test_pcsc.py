"""The PC/SC transport without PC/SC: what is missing, what the error codes mean, what the reader carries."""

from __future__ import annotations

import builtins
import sys
import threading
import types
from collections.abc import Iterator
from datetime import timedelta

import pytest

from idverify.chip.transport import pcsc, pcsc_events
from idverify.chip.transport.pcsc import PcscTransport, ReaderState, choose, failure
from idverify.chip.transport.pcsc_events import ReaderEventKind
from idverify.errors import (
    CardInUseError,
    CardRemovedError,
    NoCardError,
    ReaderNotFoundError,
    ServiceUnavailableError,
    TransportError,
    TransportTimeout,
)

REMOVED, RESET, NO_SERVICE, NOT_TRANSACTED, SHARING = 0x80100069, 0x80100068, 0x8010001D, 0x80100016, 0x8010000B


class FakeScard(types.ModuleType):
    """As much of smartcard.scard as the transport uses."""

    SCARD_SCOPE_SYSTEM = 2
    SCARD_PCI_T0, SCARD_PCI_T1 = 1, 2

    def __init__(self) -> None:
        super().__init__("smartcard.scard")
        self.readers = ["Alpha 00 00", "Beta 01 00"]
        self.bits = {"Alpha 00 00": 0x10, "Beta 01 00": 0x20}
        self.connect_result = 0
        self.protocol = 2
        self.atr = [0x3B, 0x80, 0x80, 0x01, 0x01]
        self.transmit_result: tuple[int, list[int]] = (0, [0x90, 0x00])
        self.status_result = 0
        self.features: dict[int, list[int]] = {}
        self.reconnect_result = 0
        self.gate: threading.Event | None = None
        self.calls: list[tuple] = []
        self.contexts = 0

    def SCardEstablishContext(self, scope):
        self.contexts += 1
        return 0, object()

    def SCardReleaseContext(self, context):
        self.contexts -= 1
        return 0

    def SCardListReaders(self, context, groups):
        return (0, list(self.readers)) if self.readers else (0x8010002E, [])

    def SCardGetStatusChange(self, context, timeout, states):
        known = [(n, self.bits.get(n, 0), self.atr) for n, _ in states]
        return (0x8010000A if timeout else 0), known

    def SCardConnect(self, context, reader, share, protocols):
        self.calls.append(("connect", reader, share))
        if self.gate is not None:
            self.gate.wait(5)
        return self.connect_result, 7, self.protocol

    def SCardReconnect(self, card, share, protocols, how):
        self.calls.append(("reconnect", how))
        return self.reconnect_result, self.protocol

    def SCardDisconnect(self, card, how):
        self.calls.append(("disconnect", how))
        return 0

    def SCardBeginTransaction(self, card):
        self.calls.append(("begin",))
        return 0

    def SCardStatus(self, card):
        return self.status_result, "reader", 0, self.protocol, self.atr

    def SCardControl(self, card, code, data):
        if code in self.features:
            return 0, self.features[code]
        return NOT_TRANSACTED, []

    def SCARD_CTL_CODE(self, code):
        return 0x42000000 + code

    def SCardTransmit(self, card, header, apdu):
        self.calls.append(("transmit", header, bytes(apdu)))
        if self.gate is not None:
            self.gate.wait(5)
        return self.transmit_result


def wait_for_workers() -> None:
    """A worker that still ends would release its context at another test's fake."""
    for thread in threading.enumerate():
        if thread.name == "pcsc":
            thread.join(5)


@pytest.fixture
def scard(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeScard]:
    wait_for_workers()
    fake = FakeScard()
    package = types.ModuleType("smartcard")
    package.scard = fake
    monkeypatch.setitem(sys.modules, "smartcard", package)
    monkeypatch.setitem(sys.modules, "smartcard.scard", fake)
    yield fake
    if fake.gate is not None:
        fake.gate.set()
    wait_for_workers()


@pytest.fixture
def transport(scard: FakeScard):
    made = PcscTransport("Beta 01 00")
    yield made
    if scard.gate is not None:
        scard.gate.set()
    made.close()


def test_a_missing_pyscard_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest, **more):
        if name.startswith("smartcard"):
            raise ModuleNotFoundError("No module named 'smartcard'", name="smartcard")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    for attempt in (pcsc.list_readers, pcsc.find_reader, lambda: PcscTransport("x"), pcsc.open_reader):
        with pytest.raises(ServiceUnavailableError, match=r"pip install 'idverify-emrtd\[pcsc\]'"):
            attempt()


def test_a_missing_pcsc_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest, **more):
        if name.startswith("smartcard"):
            raise ImportError("libpcsclite.so.1: cannot open shared object file", name="smartcard.scard._scard")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ServiceUnavailableError, match="PC/SC library"):
        pcsc.list_readers()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (NO_SERVICE, ServiceUnavailableError),
        (0x8010001E, ServiceUnavailableError),
        (0x80100003, ServiceUnavailableError),
        (0x80100017, ReaderNotFoundError),
        (0x8010000C, NoCardError),
        (0x80100066, NoCardError),
        (REMOVED, CardRemovedError),
        (RESET, CardRemovedError),
        (SHARING, CardInUseError),
        (0x8010000A, TransportTimeout),
        (0x80100999, TransportError),
        (REMOVED - (1 << 32), CardRemovedError),
    ],
)
def test_result_codes_have_their_errors(code: int, kind: type[TransportError]) -> None:
    error = failure(code, "talking to the card")
    assert type(error) is kind
    assert f"{code & 0xFFFFFFFF:08X}" in str(error)


def test_readers_are_chosen_by_name_part_or_number() -> None:
    readers = (
        ReaderState("ACS ACR1252 PICC 0", 0),
        ReaderState("ACS ACR1252 SAM 0", 1, present=True, mute=True),
        ReaderState("Identiv uTrust 1", 2, present=True),
    )
    assert choose(readers, None).index == 2, "the first with a card that answers"
    assert choose(readers[:1], None).index == 0
    assert choose(readers, "picc").index == 0
    contactless = ReaderState("Z", 3, present=True, atr=bytes.fromhex("3B80800101"))
    assert choose((*readers, contactless), None).index == 3, "a passport is contactless, a SAM is not"
    assert choose(readers, "ACS ACR1252 SAM 0").index == 1
    assert choose(readers, 1).index == choose(readers, "1").index == 1
    for selector in ("ACS", "none", 3, -1, "3"):
        with pytest.raises(ReaderNotFoundError, match="0: ACS ACR1252 PICC 0"):
            choose(readers, selector)
    with pytest.raises(ReaderNotFoundError, match="plug"):
        choose((), None)


def test_states(scard: FakeScard) -> None:
    scard.bits["Beta 01 00"] = 0x20 | 0x80 | 0x100 | 5 << 16
    alpha, beta = pcsc.list_readers()
    assert alpha == ReaderState("Alpha 00 00", 0)
    assert (beta.present, beta.exclusive, beta.in_use, beta.changes) == (True, True, True, 5)
    assert beta.atr == bytes(scard.atr)
    scard.readers = []
    assert pcsc.list_readers() == ()
    assert scard.contexts == 0


def test_the_reader_s_own_limit_is_kept(scard: FakeScard) -> None:
    get_features, properties = 0x42000000 + 3400, 0x42330012
    scard.features[get_features] = [0x06, 4, 0, 0, 0, 1, 0x12, 4, 0x42, 0x33, 0x00, 0x12]
    for size, limit in ((0, 261), (255, 261), (1024, 1033), (0x10000, 65544)):
        scard.features[properties] = [0x01, 2, 0, 0, 0x0A, 4, *size.to_bytes(4, "little")]
        transport = PcscTransport("Beta 01 00")
        assert transport.max_apdu_size == limit
        transport.close()
    scard.features[properties] = [0x0A, 4, 1]  # cut off
    transport = PcscTransport("Beta 01 00")
    assert transport.max_apdu_size == 65544
    transport.close()


def test_t0_maps_commands_to_tpdus(scard: FakeScard) -> None:
    scard.protocol, scard.atr = 1, [0x3B, 0x65, 0, 0, 0x20, 0x63, 0xCB, 0xBD, 0x80]
    transport = PcscTransport("Beta 01 00")
    assert (transport.protocol, transport.max_apdu_size) == ("T=0", 261)
    for apdu, wire in (("00A40000", "00A4000000"), ("00B0000000", "00B0000000"), ("00A4000C023F00", "00A4000C023F00"),
                       ("00A40000023F0000", "00A40000023F00")):  # fmt: skip
        transport.transmit(bytes.fromhex(apdu))
        assert scard.calls[-1] == ("transmit", 1, bytes.fromhex(wire))
    transport.close()


def test_a_contactless_card_called_t0_gets_whole_apdus(scard: FakeScard) -> None:
    scard.protocol = 1
    transport = PcscTransport("Beta 01 00")
    transport.transmit(bytes.fromhex("00A40000023F0000"))
    assert scard.calls[-1][2] == bytes.fromhex("00A40000023F0000")
    assert transport.max_apdu_size == 65544
    transport.close()


@pytest.mark.parametrize(
    ("result", "status", "kind"),
    [
        (REMOVED, 0, CardRemovedError),
        (NOT_TRANSACTED, 0, TransportError),
        (NOT_TRANSACTED, REMOVED, CardRemovedError),
        (0x8010002F, 0x8010000C, NoCardError),
        (NO_SERVICE, 0, ServiceUnavailableError),
        (0, 0, TransportError),
    ],
)
def test_failed_exchanges(scard: FakeScard, transport: PcscTransport, result, status, kind) -> None:
    scard.transmit_result, scard.status_result = (result, [1]), status
    with pytest.raises(kind) as caught:
        transport.transmit(b"\0\xb0\0\0\0")
    assert type(caught.value) is kind


def test_a_late_answer_is_a_time_out_and_the_card_is_let_go_after_it(scard: FakeScard, transport) -> None:
    scard.gate = threading.Event()
    with pytest.raises(TransportTimeout, match=r"0\.05 s"):
        transport.transmit(b"\0\xb0\0\0\0", timeout=timedelta(seconds=0.05))
    scard.connect_result = SHARING
    gate, scard.gate = scard.gate, None
    with pytest.raises(TransportTimeout, match="still not answered"):
        transport.reconnect()
    gate.set()
    scard.connect_result = 0
    transport.reconnect()
    assert transport.transmit(b"\0\xb0\0\0\0") == b"\x90\x00"


def test_reconnect_power_cycles_and_reopens_where_that_fails(scard: FakeScard, transport) -> None:
    transport.reconnect()
    assert scard.calls[-1] == ("reconnect", 2)
    scard.reconnect_result = NO_SERVICE
    transport.reconnect()
    assert ("disconnect", 1) in scard.calls
    assert scard.calls[-1] == ("connect", "Beta 01 00", 1)
    assert scard.contexts == 1


def test_a_shared_card_that_stays_taken_is_in_use(scard: FakeScard) -> None:
    scard.gate = threading.Event()
    with pytest.raises(CardInUseError):
        PcscTransport("Beta 01 00", exclusive=False, connect_timeout=timedelta(seconds=0.05))
    scard.gate.set()


def test_a_failed_connection_leaves_nothing_open(scard: FakeScard) -> None:
    scard.connect_result = SHARING
    with pytest.raises(CardInUseError):
        PcscTransport("Beta 01 00")
    assert scard.contexts == 0
    assert not [t for t in threading.enumerate() if t.name == "pcsc"]


def test_foreign_exceptions_become_ours(scard: FakeScard, transport) -> None:
    def broken(card, header, apdu):
        raise OverflowError("x")

    scard.SCardTransmit = broken
    with pytest.raises(TransportError, match="OverflowError"):
        transport.transmit(b"\0\xb0\0\0\0")


def test_a_with_block_lets_the_card_go(scard: FakeScard) -> None:
    with PcscTransport("Beta 01 00") as transport:
        assert transport.transmit(b"\0\xb0\0\0\0") == b"\x90\x00"
    assert ("disconnect", 1) in scard.calls


def test_closing_resets_the_card_once(scard: FakeScard) -> None:
    transport = PcscTransport("Beta 01 00")
    transport.close()
    transport.close()
    assert scard.calls.count(("disconnect", 1)) == 1
    with pytest.raises(CardRemovedError):
        transport.transmit(b"\0\xb0\0\0\0")


def test_events_from_two_looks() -> None:
    def state(**more):
        return ReaderState("R", 0, **more)

    def kinds(before, now):
        return [e.kind for e in pcsc_events._differences(before, now)]

    added, gone = ReaderEventKind.READER_ADDED, ReaderEventKind.READER_REMOVED
    inserted, removed = ReaderEventKind.CARD_INSERTED, ReaderEventKind.CARD_REMOVED
    assert kinds({}, {"R": state()}) == [added]
    assert kinds({}, {"R": state(present=True)}) == [added, inserted]
    assert kinds({"R": state(present=True)}, {}) == [removed, gone]
    assert kinds({"R": state()}, {}) == [gone]
    assert kinds({"R": state(changes=1)}, {"R": state(present=True, changes=2)}) == [inserted]
    assert kinds({"R": state(present=True, changes=2)}, {"R": state(present=True, changes=4)}) == [removed, inserted]
    assert kinds({"R": state(present=True, changes=2)}, {"R": state(present=True, changes=2)}) == []
