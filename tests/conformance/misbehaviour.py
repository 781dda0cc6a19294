"""Chips that answer wrongly where no switch of the emulator does it: at one step, in one data object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from idverify import _tlv
from idverify._tlv import encode as tlv
from idverify.crypto.block import BlockKey, Cipher
from idverify.crypto.kdf import session_keys
from idverify.emulator import Card
from idverify.emulator._apdu import Command
from idverify.emulator.bac import key_seed
from idverify.emulator.messaging import CardMessaging

GENERAL_AUTHENTICATE = 0x86
EXTERNAL_AUTHENTICATE = 0x82
MANAGE_ENVIRONMENT = 0x22
Alter = Callable[[bytes, bytes], bytes]
"""Command and right answer to the answer that is sent."""


class Altered(Card):
    """Alters the answers to one instruction outside the secure channel.

    Args:
        card: the polite card.
        ins: instruction byte.
        at: which of these commands, counted from the last reset; None for every one.
        alter: what becomes of the answer.
        protected: whether commands under secure messaging are meant.
    """

    def __init__(self, card: Card, ins: int, at: int | None, alter: Alter, *, protected: bool = False) -> None:
        super().__init__(card.image)
        self._ins, self._at, self._alter, self._protected = ins, at, alter, protected
        self._seen = 0
        self.commands: list[bytes] = []

    def reset(self) -> None:
        super().reset()
        self._seen = 0

    def process(self, apdu: bytes) -> bytes:
        self.commands.append(apdu)
        answer = super().process(apdu)
        if len(apdu) < 4 or apdu[1] != self._ins or bool(apdu[0] & 0x0C) != self._protected:
            return answer
        number, self._seen = self._seen, self._seen + 1
        return self._alter(apdu, answer) if self._at in (None, number) else answer


class Witness(Card):
    """Remembers the commands as the chip understands them, chains joined and the secure channel opened.

    Args:
        card: the polite card.
        refuse: status word that such a command is answered with, or None to carry it out.
    """

    def __init__(self, card: Card, refuse: Callable[[Command], int | None] = lambda command: None) -> None:
        super().__init__(card.image)
        self.understood: list[Command] = []
        right = self._os.execute

        def execute(command: Command, room: int) -> tuple[bytes, int]:
            self.understood.append(command)
            sw = refuse(command)
            return right(command, room) if sw is None else (b"", sw)

        self._os.execute = execute  # type: ignore[method-assign]

    def data_of(self, ins: int) -> list[bytes]:
        """The data of every command with that instruction."""
        return [c.data for c in self.understood if c.ins == ins]


class BrokenChannel(Card):
    """Protects the answers under secure messaging wrongly, from the second one of every session on.

    Args:
        card: the polite card.
        damage: what becomes of the data objects (cryptogram, status, or neither), before they are authenticated.
        checksum: what becomes of the checksum's data object.
    """

    def __init__(
        self,
        card: Card,
        *,
        damage: Callable[[list[bytes]], list[bytes]] = lambda objects: objects,
        checksum: Callable[[bytes], bytes] = lambda value: tlv(0x8E, value),
    ) -> None:
        super().__init__(card.image)
        self._damage, self._checksum_object = damage, checksum
        self._spoiled: CardMessaging | None = None

    def process(self, apdu: bytes) -> bytes:
        answer = super().process(apdu)
        messaging = self._os.messaging
        if messaging is not None and messaging is not self._spoiled:
            self._spoiled = messaging
            if apdu[0] & 0x0C == 0:
                self._spoil(messaging)
        return answer

    def _spoil(self, messaging: CardMessaging) -> None:
        right = messaging.wrap
        counted = iter(range(1000))

        def wrap(data: bytes, sw: int, *, ins: int) -> bytes:
            whole = right(data, sw, ins=ins)
            if next(counted) == 0:
                return whole
            objects = [t.raw for t in _tlv.iter_tlv(whole)][:-1]
            body = b"".join(self._damage(objects))
            block = messaging.cipher.block_bytes
            value = messaging._checksum(_padded(messaging._counter() + body, block))
            return body + self._checksum_object(value)

        messaging.wrap = wrap  # type: ignore[method-assign]


def _padded(data: bytes, block: int) -> bytes:
    return data + b"\x80" + bytes(-(len(data) + 1) % block)


def refusing(sw: int) -> Alter:
    """The bare status word."""
    return lambda apdu, answer: sw.to_bytes(2, "big")


def objects_of(answer: bytes) -> list[_tlv.Tlv]:
    """The data objects inside 7C of an answer to GENERAL AUTHENTICATE."""
    return list(_tlv.read_tlv(answer[:-2]).children())


def retagged(old: int, new: int) -> Alter:
    """One data object under another tag."""

    def alter(apdu: bytes, answer: bytes) -> bytes:
        inner = [tlv(new, o.value) if o.tag == old else o.raw for o in objects_of(answer)]
        return tlv(0x7C, *inner) + answer[-2:]

    return alter


def valued(tag: int, change: Callable[[bytes], bytes | None]) -> Alter:
    """One data object with another value, or left away where None."""

    def alter(apdu: bytes, answer: bytes) -> bytes:
        inner = []
        for item in objects_of(answer):
            value = change(item.value) if item.tag == tag else item.value
            inner.append(b"" if value is None else tlv(item.tag, value))
        return tlv(0x7C, *inner) + answer[-2:]

    return alter


def added(tag: int, value: bytes) -> Alter:
    """A data object more."""
    return lambda apdu, answer: tlv(0x7C, *(o.raw for o in objects_of(answer)), tlv(tag, value)) + answer[-2:]


def flipped(position: int) -> Callable[[bytes], bytes]:
    """One bit of a value inverted."""

    def change(value: bytes) -> bytes:
        raw = bytearray(value)
        raw[position] ^= 1
        return bytes(raw)

    return change


def wrong_bac_cryptogram(card: Card) -> Alter:
    """The answer to EXTERNAL AUTHENTICATE with another content under a right checksum."""
    _, k_mac = session_keys(key_seed(card.image.mrz_information), Cipher.DES3)

    def alter(apdu: bytes, answer: bytes) -> bytes:
        cryptogram = flipped(0)(answer[:32])
        return cryptogram + BlockKey(Cipher.DES3, k_mac).mac(cryptogram) + answer[-2:]

    return alter


def with_image(card: Card, **fields: object) -> Card:
    """The card with other fields of its image."""
    return Card(replace(card.image, **fields))  # type: ignore[arg-type]
