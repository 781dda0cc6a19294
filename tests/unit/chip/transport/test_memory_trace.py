"""The transport in memory, recording and playing back."""

from __future__ import annotations

import contextlib
import io
import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.chip.lds.files import FileId
from idverify.chip.transport.base import SoftCard, Transport
from idverify.chip.transport.memory import MemoryTransport
from idverify.chip.transport.trace import RecordingTransport, ReplayTransport
from idverify.errors import (
    CardRemovedError,
    ConfigurationError,
    IdVerifyError,
    MalformedDataError,
    TransportError,
    TransportTimeout,
)
from tests.unit.chip.fakes import FileCard, content

SELECT = bytes.fromhex("00A4040C07A0000002471001")
READ = bytes.fromhex("00B0810000")


def a_card() -> FileCard:
    return FileCard({FileId.DG1: content(0x61, 95)})


def test_a_soft_card_is_a_transport() -> None:
    card = a_card()
    transport = MemoryTransport(card)
    assert isinstance(card, SoftCard)
    assert isinstance(transport, Transport)
    assert (transport.kind, transport.atr, card.resets) == ("memory", card.atr, 1)
    assert transport.transmit(SELECT) == b"\x90\x00"
    assert transport.transmit(READ)[:-2] == card.files[FileId.DG1]


def test_reconnect_resets_and_close_lets_go() -> None:
    card = a_card()
    transport = MemoryTransport(card)
    transport.transmit(SELECT)
    transport.reconnect()
    assert transport.transmit(READ) == b"\x6a\x82", "the application is no longer selected"
    transport.close()
    transport.close()
    with pytest.raises(CardRemovedError):
        transport.transmit(READ)
    transport.reconnect()
    assert transport.transmit(SELECT) == b"\x90\x00"


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (CardRemovedError("gone"), CardRemovedError),
        (TransportTimeout("late"), TransportTimeout),
        (MalformedDataError("x"), TransportError),
        (ZeroDivisionError(), TransportError),
    ],
)
def test_whatever_a_soft_card_raises_is_a_transport_error(raised: Exception, expected: type[Exception]) -> None:
    card = a_card()

    def fail(command: object) -> bytes:
        raise raised

    card.hook = fail
    with pytest.raises(expected):
        MemoryTransport(card).transmit(READ)


def test_a_slow_card_is_a_time_out() -> None:
    times = iter([0.0, 2.0, 2.0, 2.5])
    transport = MemoryTransport(a_card(), clock=lambda: next(times))
    with pytest.raises(TransportTimeout):
        transport.transmit(SELECT, timeout=timedelta(seconds=1))
    transport.transmit(SELECT, timeout=timedelta(seconds=1))


def test_a_command_longer_than_the_way_is_refused() -> None:
    with pytest.raises(TransportError, match="longer"):
        MemoryTransport(a_card(), max_apdu_size=261).transmit(bytes(262))


# ---- traces -----------------------------------------------------------------------------------------------------


def record(include_data: bool) -> list[dict]:
    sink = io.StringIO()
    transport = RecordingTransport(MemoryTransport(a_card()), sink, include_data=include_data)
    assert isinstance(transport, Transport)
    transport.transmit(SELECT)
    transport.transmit(READ)
    transport.transmit(bytes.fromhex("0CB08100000D9701008E08AABBCCDDEEFF001100"))
    transport.reconnect()
    transport.transmit(bytes.fromhex("00B08100001000"))
    transport.close()
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def test_a_recording_holds_headers_lengths_and_status_words_only() -> None:
    lines = record(include_data=False)
    assert lines[0] == {"version": 1, "kind": "memory", "atr": "3B80800101", "max_apdu_size": 65544, "data": False}
    assert lines[1]["select"] == "A0000002471001"
    for line in lines:
        line.pop("ms", None)
    assert lines[2] == {
        "n": 2, "header": "00B08100", "lc": 0, "le": 256, "ext": False, "length": 95, "sw": "6282",
    }  # fmt: skip
    assert lines[3]["lc"] == 13
    assert lines[4] == {"event": "reconnect"}
    assert (lines[5]["le"], lines[5]["ext"]) == (4096, True)
    whole = json.dumps(lines)
    assert a_card().files[FileId.DG1].hex().upper()[:20] not in whole
    assert "AABBCCDD" not in whole


def test_a_recording_with_data_plays_back() -> None:
    lines = [json.dumps(line) for line in record(include_data=True)]
    replay = ReplayTransport(lines)
    assert isinstance(replay, Transport)
    assert (replay.atr.hex(), replay.max_apdu_size) == ("3b80800101", 65544)
    assert replay.transmit(SELECT) == b"\x90\x00"
    assert replay.transmit(READ)[:-2] == a_card().files[FileId.DG1]
    with pytest.raises(TransportError, match="differs"):
        replay.transmit(READ)
    replay.reconnect()
    with pytest.raises(TransportError, match="no reconnect"):
        replay.reconnect()
    assert replay.finished
    with pytest.raises(TransportError, match="ends here"):
        replay.transmit(SELECT)
    replay.close()


def test_recorded_errors_play_back_as_themselves() -> None:
    card = a_card()

    def fail(command: object) -> bytes:
        raise CardRemovedError("gone")

    card.hook = fail
    sink = io.StringIO()
    transport = RecordingTransport(MemoryTransport(card), sink, include_data=True)
    with pytest.raises(CardRemovedError):
        transport.transmit(READ)
    with pytest.raises(CardRemovedError):
        ReplayTransport(sink.getvalue().splitlines()).transmit(READ)
    for name in ("NoSuchError", "IdVerifyError", "annotations", "__doc__"):
        lines = sink.getvalue().replace("CardRemovedError", name).splitlines()
        with pytest.raises(TransportError):
            ReplayTransport(lines).transmit(READ)


def test_a_trace_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.touch(0o644)  # an old one
    transport = RecordingTransport(MemoryTransport(a_card()), path, include_data=True)
    transport.transmit(SELECT)
    transport.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ReplayTransport(path).transmit(SELECT) == b"\x90\x00"
    with pytest.raises(ConfigurationError):
        RecordingTransport(MemoryTransport(a_card()), tmp_path / "no" / "such" / "folder")
    with pytest.raises(ConfigurationError):
        ReplayTransport(tmp_path / "missing")


def test_a_recording_without_data_cannot_play() -> None:
    with pytest.raises(ConfigurationError, match="without data"):
        ReplayTransport([json.dumps(line) for line in record(include_data=False)])


HEADER = '{"version":1,"atr":"3B00","max_apdu_size":261,"data":true}'


@settings(max_examples=100, deadline=None)
@given(
    lines=st.lists(
        st.one_of(
            st.text(max_size=60),
            st.sampled_from(
                ['{"n":1}', '{"command":"00A40000","response":"zz"}', '{"command":5}', "[]", "[" * 3000, "null"]
            ),
        ),
        max_size=4,
    )
)
def test_hostile_traces_raise_ours(lines: list[str]) -> None:
    for text in (lines, [HEADER, *lines]):
        with contextlib.suppress(IdVerifyError):
            ReplayTransport(text).transmit(bytes.fromhex("00A40000"))
