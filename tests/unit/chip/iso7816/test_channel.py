"""The processors between a protocol and the transport."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from idverify.chip.iso7816 import channel as ch
from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU
from idverify.chip.iso7816.channel import ChannelStack, Link
from idverify.chip.iso7816.limits import CardLimits, LimitMemory, card_capabilities, historical_bytes, note_atr_info
from idverify.chip.iso7816.status import meaning, status_error
from idverify.chip.secure_messaging import SecureMessaging
from idverify.crypto.block import Cipher
from idverify.errors import (
    CardRemovedError,
    ConfigurationError,
    FileNotFoundOnCardError,
    MalformedDataError,
    OperationCancelled,
    SecureMessagingError,
    TransportError,
    TransportTimeout,
)


class Script:
    """A transport that answers from a list and keeps what was sent."""

    kind = "script"
    atr = b"\x3b\x00"

    def __init__(self, *answers: str | Exception, max_apdu_size: int = 65544) -> None:
        self.answers = list(answers)
        self.sent: list[str] = []
        self.timeouts: list[timedelta | None] = []
        self.max_apdu_size = max_apdu_size

    def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
        self.sent.append(apdu.hex().upper())
        self.timeouts.append(timeout)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return bytes.fromhex(answer)

    def reconnect(self) -> None: ...
    def close(self) -> None: ...


def stack(script: Script, limits: CardLimits | None = None, **options: object) -> ChannelStack:
    return ChannelStack(Link(script), limits or CardLimits(), **options)


READ = CommandAPDU(0x00, 0xB0, 0x00, 0x00, le=256)
LONG = CommandAPDU(0x00, 0xB0, 0x00, 0x00, le=4096)


def test_get_response_collects_all_pieces() -> None:
    script = Script("010203 6102", "0405 6101", "06 9000")
    response = stack(script).plain().send(READ)
    assert response == ResponseAPDU(bytes([1, 2, 3, 4, 5, 6]), 0x9000)
    assert script.sent == ["00B0000000", "00C0000002", "00C0000001"]


def test_get_response_with_a_wrong_length_is_asked_again() -> None:
    script = Script("6110", "6C04", "01020304 9000")
    assert stack(script).plain().send(READ).data == b"\1\2\3\4"
    assert script.sent[-1] == "00C0000004"


def test_a_get_response_chain_that_brings_nothing_is_stopped() -> None:
    with pytest.raises(MalformedDataError, match="sends none"):
        stack(Script("6101", "6101")).plain().send(READ)


def test_a_get_response_chain_without_end_is_stopped() -> None:
    script = Script("6101", *["00 6101"] * 700)
    with pytest.raises(MalformedDataError, match="never"):
        stack(script).plain().send(READ)
    assert len(script.sent) == 1 + ch.MAX_GET_RESPONSES


def test_a_get_response_chain_that_grows_beyond_all_bounds_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ch, "MAX_RESPONSE_BYTES", 1000)
    script = Script("6100", *["00" * 256 + "6100"] * 20)
    with pytest.raises(MalformedDataError, match="more than any"):
        stack(script).plain().send(READ)
    assert len(script.sent) == 5


def test_wrong_le_is_corrected_once() -> None:
    script = Script("6C05", "0102030405 9000")
    assert len(stack(script).plain().send(READ).data) == 5
    assert script.sent == ["00B0000000", "00B0000005"]
    script = Script("6C05", "6C04")
    assert stack(script).plain().send(READ).sw == 0x6C04
    assert len(script.sent) == 2


def test_wrong_le_for_a_command_without_le_is_no_reason_to_repeat() -> None:
    script = Script("6C05")
    assert stack(script).plain().send(CommandAPDU(0, 0xA4, 0, 0)).sw == 0x6C05


def test_extended_length_unknown_refused_and_remembered() -> None:
    limits = CardLimits()
    script = Script("6700", "AA 9000", "BB 9000")
    channel = stack(script, limits).plain()
    assert channel.send(LONG).data == b"\xaa"
    assert limits.extended is False
    channel.send(LONG)
    assert script.sent == ["00B00000001000", "00B0000000", "00B0000000"]


def test_an_error_that_is_not_about_length_says_nothing_about_extended_length() -> None:
    limits = CardLimits()
    script = Script("6700", "6700", "6A82")
    channel = stack(script, limits).plain()
    assert channel.send(LONG).sw == 0x6700
    assert limits.extended is None
    assert channel.send(LONG).sw == 0x6A82
    assert limits.extended is None
    assert len(script.sent) == 3


@pytest.mark.parametrize(
    ("sw", "known"), [("6A82", True), ("6982", True), ("6985", True), ("6700", None), ("6C10", None), ("6D00", None)]
)
def test_a_card_that_states_extended_length_and_reads_it_is_believed(sw: str, known: bool | None) -> None:
    limits = CardLimits(claims_extended=True)
    script = Script(sw, sw, sw)
    assert stack(script, limits).bottom.send(LONG).sw == int(sw, 16)
    assert script.sent[0] == "00B00000001000"
    assert limits.extended is known


@pytest.mark.parametrize(("answer", "works"), [("1122334455667788 9000", True), ("00" * 256 + " 9000", None)])
def test_a_short_answer_asked_for_with_extended_length_shows_it(answer: str, works: bool | None) -> None:
    """256 bytes for 8: a card that took the first length byte for Le = 256."""
    limits = CardLimits()
    script = Script(answer)
    stack(script, limits).plain().send(CommandAPDU(0, 0x84, 0, 0, le=8, extended=True))
    assert script.sent == ["00840000000008"]
    assert limits.extended is works


def test_a_short_command_refused_with_extended_length_is_sent_again_with_its_own_le() -> None:
    limits = CardLimits()
    script = Script("6700", "1122334455667788 9000")
    assert len(stack(script, limits).plain().send(CommandAPDU(0, 0x84, 0, 0, le=8, extended=True)).data) == 8
    assert script.sent == ["00840000000008", "0084000008"]
    assert limits.extended is False


def test_extended_length_that_worked_is_not_taken_back() -> None:
    limits = CardLimits()
    channel = stack(Script("AA 9000", "6700"), limits).plain()
    channel.send(LONG)
    assert limits.extended is True
    assert channel.send(LONG).sw == 0x6700
    assert limits.extended is True


@pytest.mark.parametrize("options", [{"force_short": True}, {}])
def test_no_extended_command_where_the_reader_or_the_caller_forbids_it(options: dict[str, bool]) -> None:
    script = Script("AA 9000", max_apdu_size=65544 if options else 261)
    built = stack(script, CardLimits(extended=True), **options)
    if options:
        assert built.response_room == 256
    built.plain().send(LONG)
    assert script.sent[0] == ("00B0000000" if options else "00B00000001000")
    assert not stack(Script(max_apdu_size=261)).may_extend


def test_long_data_without_extended_length_cannot_go_out_whole() -> None:
    bottom = stack(Script(), force_short=True).bottom
    with pytest.raises(ConfigurationError, match="extended length"):
        bottom.send(CommandAPDU(0, 0x2A, 0, 0xBE, bytes(300)))


def test_long_data_are_chained() -> None:
    script = Script("9000", "9000", "AA 9000")
    data = bytes(range(256)) * 2 + b"\1\2\3"
    response = stack(script).plain().send(CommandAPDU(0x00, 0x2A, 0x00, 0xBE, data, le=256))
    assert response.data == b"\xaa"
    sent = [bytes.fromhex(s) for s in script.sent]
    assert [s[0] for s in sent] == [0x10, 0x10, 0x00]
    assert b"".join(s[5 : 5 + s[4]] for s in sent) == data
    assert sent[0][-1:] == data[254:255], "a link but the last asks for no data"
    assert sent[2][-1] == 0


def test_long_data_go_out_whole_with_extended_length() -> None:
    script = Script("9000")
    stack(script, CardLimits(extended=True)).plain().send(CommandAPDU(0, 0x2A, 0, 0xBE, bytes(300)))
    assert script.sent == ["002A00BE00012C" + "00" * 300]


def test_a_refused_chain_is_tried_whole() -> None:
    script = Script("6884", "9000")
    assert stack(script).plain().send(CommandAPDU(0, 0x22, 0x41, 0xA6, bytes(300))).ok
    assert script.sent[1].startswith("002241A600012C")
    script = Script("9000", "6A80")
    assert stack(script).plain().send(CommandAPDU(0, 0x22, 0x41, 0xA6, bytes(600))).sw == 0x6A80
    assert len(script.sent) == 2


def test_the_card_s_command_limit_is_kept() -> None:
    limits = CardLimits(extended=True, max_command=500)
    script = Script(*["9000"] * 4)
    stack(script, limits).plain().send(CommandAPDU(0, 0x2A, 0, 0xBE, bytes(600)))
    assert [len(s) // 2 for s in script.sent] == [260, 260, 95]


# ---- time, cancellation, hostile transports ---------------------------------------------------------------------


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_total_time_bounds_every_wait() -> None:
    clock, script = Clock(), Script("9000", "9000")
    link = Link(script, apdu_timeout=timedelta(seconds=5), total_timeout=timedelta(seconds=20), clock=clock)
    link.exchange(b"\0\xa4\0\0")
    link.start_clock()
    clock.now += 18
    link.exchange(b"\0\xa4\0\0")
    assert script.timeouts == [timedelta(seconds=5), timedelta(seconds=2)]
    clock.now += 2
    with pytest.raises(TransportTimeout, match="whole session"):
        link.exchange(b"\0\xa4\0\0")
    assert len(script.sent) == 2


def test_cancelling_is_seen_before_the_next_command() -> None:
    cancel, script = threading.Event(), Script("9000")
    link = Link(script, cancel=cancel)
    link.exchange(b"\0\xa4\0\0")
    cancel.set()
    with pytest.raises(OperationCancelled):
        link.exchange(b"\0\xa4\0\0")
    assert len(script.sent) == 1


def test_foreign_exceptions_of_a_transport_become_ours() -> None:
    with pytest.raises(TransportError, match="KeyError"):
        stack(Script(KeyError("x"))).plain().send(READ)


@pytest.mark.parametrize("answer", ["", "90"])
def test_an_answer_without_status_word_is_none(answer: str) -> None:
    with pytest.raises(TransportError, match="no status word"):
        stack(Script(answer)).plain().send(READ)


def test_traffic_is_counted_with_every_fall_back() -> None:
    script = Script("6102", "0102 9000")
    built = stack(script)
    built.plain().send(READ)
    traffic = built.link.traffic
    assert (traffic.apdus, traffic.bytes_sent, traffic.bytes_received) == (2, 10, 6)


# ---- under secure messaging -------------------------------------------------------------------------------------


def session() -> tuple[SecureMessaging, SecureMessaging]:
    keys = bytes(range(16)), bytes(range(16, 32))
    return SecureMessaging(Cipher.AES128, *keys), SecureMessaging(Cipher.AES128, *keys)


def test_a_bare_error_ends_the_secure_session_and_is_remembered() -> None:
    for answer, bare in [("6700", 0x6700), ("6C10", 0x6C10), ("6988", 0x6988), ("9000", 0x9000)]:
        script = Script(answer)
        channel = stack(script).secure(session()[0])
        with pytest.raises(SecureMessagingError):
            channel.send(READ)
        assert channel.bare_status == bare
        assert not channel.protection.alive
        with pytest.raises(SecureMessagingError):
            channel.send(READ)
        assert len(script.sent) == 1, "nothing is retried on a dead session"


def test_a_bad_checksum_is_no_bare_status() -> None:
    channel = stack(Script("990290008E080102030405060708 9000")).secure(session()[0])
    with pytest.raises(SecureMessagingError):
        channel.send(READ)
    assert channel.bare_status is None


def test_a_broken_transport_ends_the_secure_session() -> None:
    channel = stack(Script(CardRemovedError("gone"))).secure(session()[0])
    with pytest.raises(CardRemovedError):
        channel.send(READ)
    assert not channel.protection.alive


def test_blocks_fit_the_protected_response() -> None:
    protection = session()[0]
    built = stack(Script())
    assert built.secure(protection).max_response_data == 223
    assert built.plain().max_response_data == 256
    built = stack(Script(), CardLimits(extended=True, max_response=1000))
    assert built.plain().max_response_data == 998
    assert built.secure(protection).max_response_data == protection.max_response_data(998)


def test_chained_commands_are_protected_link_by_link() -> None:
    ours, _ = session()
    answers: list[str] = []

    class Chip(Script):
        def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
            self.sent.append(apdu.hex().upper())
            answers.append(apdu.hex())
            assert len(apdu) <= 261
            return b"\x90\x00"

    channel = stack(Chip()).secure(ours)
    with pytest.raises(SecureMessagingError):
        channel.send(CommandAPDU(0, 0x2A, 0, 0xBE, bytes(400)))
    assert answers[0].startswith("1c2a00be")


# ---- limits -----------------------------------------------------------------------------------------------------


def test_limits_are_kept_by_atr_and_bounded() -> None:
    memory = LimitMemory()
    first = memory.limits(b"\x3b\x00")
    first.extended = False
    assert memory.limits(b"\x3b\x00") is first
    for i in range(300):
        memory.limits(i.to_bytes(3, "big"))
    assert memory.limits(b"\x3b\x00") is not first
    memory.forget()


@pytest.mark.parametrize(
    ("atr", "historical"),
    [
        ("3B80800101", ""),
        ("3B8F8001804F0CA000000306030001000000006A", "804F0CA00000030603000100000000"),
        ("3B6500002063CBBD80", "2063CBBD80"),
        ("3B", ""),
        ("", ""),
        ("3BFF", ""),
    ],
)
def test_historical_bytes(atr: str, historical: str) -> None:
    assert historical_bytes(bytes.fromhex(atr)).hex().upper() == historical


def test_card_capabilities_deny_or_leave_open() -> None:
    assert card_capabilities(bytes.fromhex("8073C00140")) == bytes.fromhex("C00140")
    assert card_capabilities(bytes.fromhex("8031B073F72140")) == bytes.fromhex("F72140")
    assert card_capabilities(b"\x10\x73") is None
    deny = bytes([0x3B, 0x85, 0x80, 0x01]) + bytes.fromhex("8073C00180") + b"\0"
    allow = bytes([0x3B, 0x85, 0x80, 0x01]) + bytes.fromhex("8073C001C0") + b"\0"
    assert LimitMemory().limits(deny).extended is False
    assert LimitMemory().limits(allow).extended is None


def test_ef_atr_info_tells_the_buffer_sizes() -> None:
    limits = CardLimits()
    note_atr_info(limits, bytes.fromhex("470390118C 7F660802020800 02020400".replace(" ", "")))
    assert (limits.max_command, limits.max_response) == (2048, 1024)
    for garbage in (b"", b"\xff" * 20, bytes.fromhex("7F6602"), bytes.fromhex("7F66040201FF00")):
        other = CardLimits()
        note_atr_info(other, garbage)
        assert other == CardLimits()


@pytest.mark.parametrize(
    ("sw", "text"),
    [
        (0x9000, "success"),
        (0x63C2, "2 tries"),
        (0x6110, "16 more"),
        (0x6C00, "256 bytes"),
        (0x6F12, "diagnosis"),
        (0x1234, "unknown"),
        (0x6999, "applet"),
    ],
)
def test_every_status_word_has_a_meaning(sw: int, text: str) -> None:
    assert text in meaning(sw)


def test_status_errors_have_their_class() -> None:
    assert isinstance(status_error(0x6A82, command="READ BINARY"), FileNotFoundOnCardError)
    assert "security status" in str(status_error(0x6982, command="READ BINARY"))
