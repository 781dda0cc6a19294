"""The card's side of vpcd's socket protocol, against a listener that plays the reader."""

from __future__ import annotations

import socket
import struct
import threading
import time

import pytest

from idverify.chip.lds.files import FileId
from idverify.chip.transport.vpcd import VpcdServer, serve
from idverify.errors import CardRemovedError, TransportTimeout
from tests.unit.chip.fakes import CONTACTLESS_ATR, FileCard, content

PATIENCE = 60.0
"""Seconds for what does happen, however busy the machine is."""

READ = bytes.fromhex("00B0810000")


class Reader:
    """vpcd's side: listens, sends control codes and commands."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.port = self.listener.getsockname()[1]
        self.connection: socket.socket | None = None

    def accept(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(PATIENCE)

    def tell(self, message: bytes) -> None:
        self.connection.sendall(struct.pack(">H", len(message)))
        self.connection.sendall(message)

    def ask(self, message: bytes) -> bytes:
        self.tell(message)
        return self.receive()

    def receive(self) -> bytes:
        header = self._exactly(2)
        return self._exactly(struct.unpack(">H", header)[0])

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.connection.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.listener.close()


@pytest.fixture
def reader():
    made = Reader()
    yield made
    made.close()


def a_card() -> FileCard:
    card = FileCard({FileId.DG1: content(0x61, 95)})
    card.reset()
    return card


def test_atr_power_and_apdus(reader: Reader) -> None:
    card = a_card()
    with VpcdServer(card, port=reader.port) as server:
        reader.accept()
        assert server.wait_connected(PATIENCE)
        assert reader.ask(b"\x04") == CONTACTLESS_ATR
        resets = card.resets
        reader.tell(b"\x01")
        reader.tell(b"\x02")
        reader.tell(b"\x00")
        assert reader.ask(bytes.fromhex("00A4040C07A0000002471001")) == b"\x90\x00"
        assert card.resets == resets + 3
        assert reader.ask(READ) == card.files[FileId.DG1] + b"\x62\x82"
        reader.tell(b"\x07")  # an unknown control code
        assert reader.ask(READ)[-2:] == b"\x62\x82"
        assert server.apdus == 3
        assert server.card is card
    assert not server.connected
    with pytest.raises((EOFError, ConnectionError)):
        reader.ask(b"\x04")
    server.stop()


def test_a_reader_that_has_another_card_listens_and_asks_for_nothing(reader: Reader) -> None:
    with VpcdServer(a_card(), port=reader.port) as server:
        assert server.wait_connected(5)
        assert server.listening
        assert not server.wait_asked(0.2)
        reader.accept()
        assert reader.ask(b"\x04") == CONTACTLESS_ATR
        assert server.wait_asked(0)
        reader.close()
        deadline = time.monotonic() + 5
        while server.listening and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not server.listening
        assert not server.wait_asked(0)


def test_it_comes_back_after_the_reader_was_gone(reader: Reader) -> None:
    with VpcdServer(a_card(), port=reader.port):
        reader.accept()
        assert reader.ask(b"\x04") == CONTACTLESS_ATR
        reader.connection.close()
        reader.accept()
        assert reader.ask(b"\x04") == CONTACTLESS_ATR


def test_it_waits_for_a_reader_that_does_not_listen_yet() -> None:
    with socket.socket() as taken:  # bound, so that nobody else gets the port meanwhile
        taken.bind(("127.0.0.1", 0))
        with VpcdServer(a_card(), port=taken.getsockname()[1]) as server:
            assert not server.wait_connected(0.2)
            taken.listen()
            assert server.wait_connected(PATIENCE)


def test_removing_and_inserting(reader: Reader) -> None:
    with VpcdServer(a_card(), port=reader.port) as server:
        reader.accept()
        assert reader.ask(b"\x04") == CONTACTLESS_ATR
        server.remove()
        with pytest.raises((EOFError, ConnectionError)):
            reader.ask(b"\x04")
        reader.listener.settimeout(0.4)
        with pytest.raises(TimeoutError):
            reader.accept()
        server.insert()
        reader.listener.settimeout(PATIENCE)
        reader.accept()
        assert reader.ask(b"\x04") == CONTACTLESS_ATR


def test_a_card_that_vanishes_leaves_the_reader(reader: Reader) -> None:
    card = a_card()

    def vanish(command: object) -> bytes:
        raise CardRemovedError("gone")

    with VpcdServer(card, port=reader.port) as server:
        reader.accept()
        card.hook = vanish
        with pytest.raises((EOFError, ConnectionError)):
            reader.ask(READ)
        deadline = time.monotonic() + PATIENCE
        while server.connected and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not server.connected


def test_a_mute_card_does_not_answer(reader: Reader) -> None:
    card = a_card()

    def mute(command: object) -> bytes:
        raise TransportTimeout("mute")

    with VpcdServer(card, port=reader.port):
        reader.accept()
        card.hook = mute
        reader.connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            reader.ask(READ)


def test_a_broken_card_answers_6f00_and_does_not_hang_the_reader(reader: Reader) -> None:
    card = a_card()

    def broken(command: object) -> bytes:
        raise KeyError("x")

    with VpcdServer(card, port=reader.port):
        reader.accept()
        card.hook = broken
        assert reader.ask(READ) == b"\x6f\x00"


def test_serve_ends_when_it_is_told(reader: Reader) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(a_card(), "127.0.0.1", reader.port), kwargs={"stop": stop})
    thread.start()
    reader.accept()
    assert reader.ask(b"\x04") == CONTACTLESS_ATR
    stop.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
