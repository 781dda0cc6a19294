"""A card in software: from the bytes of a command APDU to the bytes of its answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from idverify.chip.lds.files import FileId
from idverify.emulator._apdu import (
    CLA_SM,
    SW_CONDITIONS,
    SW_NO_CHAINING,
    SW_NO_CHANNEL,
    SW_OK,
    SW_SM_WRONG,
    SW_UNKNOWN_CLA,
    SW_WRONG_LENGTH,
    Command,
    Refusal,
    objects,
)
from idverify.emulator._random import Rng, SeededRandom
from idverify.emulator.chip_os import ChipOs
from idverify.emulator.faults import Fault, FaultKind
from idverify.emulator.image import CardImage
from idverify.errors import CardRemovedError, MalformedDataError, TransportTimeout, UnsupportedAlgorithmError

_INS_GENERAL_AUTHENTICATE: Final = 0x86
_INS_GET_RESPONSE: Final = 0xC0
_MAX_CHAIN: Final = 65535
_SHORT: Final = 256
_EXTENDED: Final = 65536


class Card:
    """A personalised chip that answers APDUs; a :class:`~idverify.chip.transport.base.SoftCard`.

    :meth:`process` never raises for any bytes; only a fault that takes the card away or lets it be silent does.
    Not thread-safe.

    Args:
        image: what the chip holds.
        faults: what goes wrong, and when.
        rng: the chip's randomness; reproducible from the image's seed where None.
        sleep: how the card waits, in seconds; for faults and quirks that make it slow.
    """

    def __init__(
        self,
        image: CardImage,
        *,
        faults: Iterable[Fault] = (),
        rng: Rng | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.image = image
        self.faults = list(faults)
        self._sleep = sleep
        self._os = ChipOs(image, rng or SeededRandom(image.seed, "chip"), lambda ms: sleep(ms / 1000))
        self._extended = image.extended_length if image.quirks.extended_length is None else image.quirks.extended_length
        self.apdu_count = 0
        """Commands so far, over all resets: the index that faults count by."""
        self._ins_counts: dict[int, int] = {}
        self._protected_count = 0
        self._last_answer = b""
        self._present = True
        self._forget_transport()

    # ---- what integrators look at ---------------------------------------------------------------------------------

    @property
    def files(self) -> dict[FileId, bytes]:
        """The files on the chip, a copy."""
        return dict(self.image.files)

    @property
    def can(self) -> str | None:
        """The card access number."""
        return self.image.can

    @property
    def mrz(self) -> str:
        """The machine readable zone, lines joined."""
        return self.image.mrz

    @property
    def holder(self) -> Any:
        """The description that the card was personalised from, or None."""
        return self.image.holder

    @property
    def trust_anchors(self) -> tuple[bytes, ...]:
        """CSCA certificates, DER, that vouch for this card."""
        return self.image.trust_anchors

    @property
    def wrong_keys(self) -> int:
        """Wrong keys in a row since the last right one."""
        return self._os.wrong_keys

    @property
    def tries_left(self) -> dict[int, int]:
        """Retry counters by password reference (3 PIN, 4 PUK)."""
        return dict(self._os.tries)

    @property
    def finger_tries_left(self) -> dict[int, int]:
        """Retry counters of comparison on the card, by reference."""
        return dict(self._os.comparison.tries)

    def fresh(self, *, faults: Iterable[Fault] = (), rng: Rng | None = None) -> Card:
        """Another card with the same content, out of the box."""
        return Card(self.image, faults=faults, rng=rng, sleep=self._sleep)

    # ---- SoftCard -------------------------------------------------------------------------------------------------

    @property
    def atr(self) -> bytes:
        """ATR as a reader makes it for a contactless card (PC/SC part 3 §3.1.3.2.3.1): historical bytes say what the
        chip can do (ISO/IEC 7816-4 §12.1.1.9)."""
        third = (0x80 if self.image.quirks.command_chaining else 0) | (0x40 if self._extended else 0)
        historical = bytes((0x80, 0x73, 0x84, 0x21, third))
        body = bytes((0x80 | len(historical), 0x80, 0x01)) + historical
        check = 0
        for byte in body:
            check ^= byte
        return b"\x3b" + body + bytes([check])

    def reset(self) -> None:
        """Power on, or reset: the security state is lost; a card that was taken away is back."""
        self._present = True
        self._os.reset()
        self._forget_transport()

    def process(self, apdu: bytes) -> bytes:
        """Answer one command APDU.

        Raises:
            CardRemovedError: only by a REMOVE fault.
            TransportTimeout: only by a TIMEOUT fault.
        """
        apdu = bytes(apdu)
        faults = self._due(apdu)
        if not self._present:
            raise CardRemovedError("the emulated card is away")
        for fault in faults:
            self._before(fault)
        status = next((f.value for f in faults if f.kind is FaultKind.STATUS), None)
        if status is not None:
            self._os.drop()
            self._forget_transport()
            answer = status.to_bytes(2, "big")
        else:
            answer = self._answer(apdu)
        for fault in faults:
            answer = self._after(fault, answer)
        self._last_answer = answer
        return answer

    def _due(self, apdu: bytes) -> list[Fault]:
        index = self.apdu_count
        self.apdu_count += 1
        ins = apdu[1] if len(apdu) > 1 else -1
        nth = self._ins_counts.get(ins, 0)
        self._ins_counts[ins] = nth + 1
        return [f for f in self.faults if (f.at == index if f.ins is None else (f.ins, f.at) == (ins, nth))]

    def _before(self, fault: Fault) -> None:
        if fault.kind is FaultKind.SLOW:
            self._sleep(fault.value / 1000)
        elif fault.kind is FaultKind.RESET:
            self._os.reset()
            self._forget_transport()
        elif not fault.executed:
            self._vanish(fault)

    def _vanish(self, fault: Fault) -> None:
        if fault.kind is FaultKind.REMOVE:
            self._present = False
            raise CardRemovedError("the emulated card was taken away")
        if fault.kind is FaultKind.TIMEOUT:
            raise TransportTimeout("the emulated card does not answer")

    def _after(self, fault: Fault, answer: bytes) -> bytes:
        if fault.executed:
            self._vanish(fault)
        if fault.kind is FaultKind.FLIP and answer:
            bit = fault.value % (8 * len(answer))
            return answer[: bit // 8] + bytes([answer[bit // 8] ^ 0x80 >> bit % 8]) + answer[bit // 8 + 1 :]
        if fault.kind is FaultKind.TRUNCATE:
            return answer[: fault.value]
        if fault.kind is FaultKind.DUPLICATE:
            return self._last_answer
        if fault.kind is FaultKind.EXTEND:
            return answer[:-2] + bytes(fault.value) + answer[-2:]
        return answer

    # ---- transport: length fields, chaining, GET RESPONSE ---------------------------------------------------------

    def _forget_transport(self) -> None:
        self._chain: list[Command] = []
        self._inner_chain: list[Command] = []
        self._pending: tuple[bytes, int] | None = None
        self._reissue: tuple[bytes, bytes] | None = None

    def _answer(self, apdu: bytes) -> bytes:
        try:
            command = Command.parse(apdu)
            if command.extended and not self._extended:
                self._os.drop()
                raise Refusal(SW_WRONG_LENGTH)
            self._check_class(command.cla)
            if command.ins == _INS_GET_RESPONSE and not command.protected:
                return self._get_response(command)
            reissue, self._reissue, self._pending = self._reissue, None, None
            if reissue is not None and reissue[0] == apdu[:4] and not command.data:
                return reissue[1]
            whole = self._collect(command)
            if whole is None:
                return SW_OK.to_bytes(2, "big")
            body, sw = self._exchange(whole)
        except Refusal as refusal:
            return refusal.sw.to_bytes(2, "big")
        return self._deliver(command, apdu[:4], body, sw)

    @staticmethod
    def _check_class(cla: int) -> None:
        if cla & 0xE0 or cla & 0x0C not in (0, CLA_SM):
            raise Refusal(SW_UNKNOWN_CLA)
        if cla & 0x03:
            raise Refusal(SW_NO_CHANNEL)

    def _collect(self, command: Command) -> Command | None:
        """The command, complete; None while more parts of a chain are to come (ISO/IEC 7816-4 §5.1.1.1)."""
        if self._chain and (self._chain[0].ins != command.ins or self._chain[0].p1p2 != command.p1p2):
            self._chain = []
        if command.chained and not self._stands_alone(command):
            self._grow(self._chain, command)
            return None
        if not self._chain:
            return command
        parts, self._chain = [*self._chain, command], []
        data = b"".join(part.data for part in parts)
        if command.chained or len(data) > _MAX_CHAIN:
            raise Refusal(SW_WRONG_LENGTH)
        return command.with_data(data)

    def _stands_alone(self, command: Command) -> bool:
        """Whether a command with the chaining bit is answered at once.

        GENERAL AUTHENTICATE uses the bit to link the steps of a protocol (ICAO 9303-11 §4.4.4.3), and a command may
        have been protected part by part, so that each part is a whole protected command.
        """
        if self._chain:
            return False
        expected = 0x8E if command.protected else 0x7C
        if not command.protected and command.ins != _INS_GENERAL_AUTHENTICATE:
            return False
        try:
            tags = [tag for tag, _ in objects(command.data)]
        except Refusal:
            return False
        return bool(tags) and tags[-1] == expected

    def _grow(self, chain: list[Command], command: Command) -> None:
        if not self.image.quirks.command_chaining:
            raise Refusal(SW_NO_CHAINING)
        chain.append(command)
        if sum(len(part.data) for part in chain) > _MAX_CHAIN:
            chain.clear()
            raise Refusal(SW_WRONG_LENGTH)

    def _exchange(self, command: Command) -> tuple[bytes, int]:
        limit = self._limit(command)
        if not command.protected:
            if self._os.messaging is not None:  # ICAO 9303-11 §9.8.1: a plain command ends the session
                self._os.drop()
            answer = self._execute(command, limit)
            self._os.commit()
            return answer
        messaging = self._os.messaging
        if messaging is None:
            raise Refusal(SW_SM_WRONG)
        self._protected_count += 1
        try:
            if self.image.quirks.sm_fails_at == self._protected_count - 1:
                raise Refusal(SW_SM_WRONG)
            inner = messaging.unwrap(command)
        except Refusal:
            self._os.drop()
            raise
        data, sw = self._execute_inner(inner, messaging.room(limit))
        failed = sw >> 8 not in (0x90, 0x62, 0x63)
        if failed and self.image.quirks.plain_errors:
            self._os.drop()
            raise Refusal(sw)
        body = messaging.wrap(data, sw, ins=command.ins)
        self._os.commit()
        return body, SW_OK if self.image.quirks.outer_status_ok else sw

    def _execute_inner(self, inner: Command, room: int) -> tuple[bytes, int]:
        try:
            if inner.chained and not (inner.ins == _INS_GENERAL_AUTHENTICATE and self._os.pace_chained):
                self._grow(self._inner_chain, inner)
                return b"", SW_OK
            if self._inner_chain:
                parts, self._inner_chain = [*self._inner_chain, inner], []
                inner = inner.with_data(b"".join(part.data for part in parts if part.ins == inner.ins))
            return self._execute(inner, room)
        except Refusal as refusal:
            return b"", refusal.sw

    def _execute(self, command: Command, room: int) -> tuple[bytes, int]:
        try:
            return self._os.execute(command, room)
        except (MalformedDataError, UnsupportedAlgorithmError):
            raise Refusal(SW_CONDITIONS) from None

    def _limit(self, command: Command) -> int:
        limit = _EXTENDED if command.extended else _SHORT
        return min(limit, self.image.quirks.max_response or limit)

    def _deliver(self, command: Command, header: bytes, body: bytes, sw: int) -> bytes:
        style = self.image.quirks.responses
        limit = self._limit(command)
        if command.le is not None and not command.any_le:
            limit = min(limit, command.le)
        whole = body + sw.to_bytes(2, "big")
        if not body or (style == "direct" and len(body) <= limit):
            return whole
        if style == "wrong-length" and not command.data and command.le is not None:
            if len(body) == command.le:
                return whole
            self._reissue = (header, whole)
            return bytes((0x6C, len(body) & 0xFF))
        self._pending = (body, sw)
        return bytes((0x61, min(len(body), _SHORT) & 0xFF))

    def _get_response(self, command: Command) -> bytes:
        """GET RESPONSE (ISO/IEC 7816-4 §11.7.1)."""
        if self._pending is None or command.le is None:
            raise Refusal(SW_CONDITIONS)
        if self.image.quirks.endless_get_response:
            return bytes(command.le if command.le <= _SHORT else _SHORT) + b"\x61\x00"
        body, sw = self._pending
        part, rest = body[: command.le], body[command.le :]
        self._pending = (rest, sw) if rest else None
        if rest:
            return part + bytes((0x61, min(len(rest), _SHORT) & 0xFF))
        return part + sw.to_bytes(2, "big")


def with_quirks(image: CardImage, **changes: Any) -> CardImage:
    """The same chip with other answers, fields of :class:`~idverify.emulator.quirks.Quirks`.

    Switches of the group "Files" have no effect any more: the files are written.
    """
    return replace(image, quirks=replace(image.quirks, **changes))
