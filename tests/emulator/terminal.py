"""A small terminal for the emulator's own tests: commands as bytes, and the reader's secure messaging over them."""

from __future__ import annotations

from collections.abc import Callable

from idverify.chip.access.bac import run_bac
from idverify.chip.access.pace import run_pace
from idverify.chip.access.password import AccessPassword
from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU
from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import SecurityInfos
from idverify.chip.secure_messaging import SecureMessaging
from idverify.emulator import EMRTD_AID, Card, SeededRandom
from idverify.emulator._random import Rng

SELECT_APPLICATION = bytes.fromhex("00a4040c07") + EMRTD_AID
SELECT_CARD_ACCESS = bytes.fromhex("00a4020c02011c")


class Terminal:
    """Sends commands to a card; protected ones once it is open."""

    def __init__(self, card: Card, rng: Rng | None = None) -> None:
        self.card = card
        self.rng: Callable[[int], bytes] = rng or SeededRandom("terminal")
        self.messaging: SecureMessaging | None = None

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        """A channel as the access protocols want one."""
        if self.messaging is None:
            return ResponseAPDU.parse(self.card.process(command.to_bytes()))
        answer = self.card.process(self.messaging.protect(command).to_bytes())
        return self.messaging.unprotect(ResponseAPDU.parse(answer))

    def raw(self, apdu: str | bytes) -> str:
        """A command as it is; the answer in hexadecimal."""
        return self.card.process(bytes.fromhex(apdu) if isinstance(apdu, str) else apdu).hex()

    def bac(self) -> Terminal:
        """Open by BAC."""
        self.raw(SELECT_APPLICATION)
        self.messaging = run_bac(self, AccessPassword.from_mrz_text(self.card.mrz), rng=self.rng)
        return self

    def pace(self, password: AccessPassword | None = None, number: int = 0) -> Terminal:
        """Open by the so-many-th PACEInfo, then select the application."""
        infos = SecurityInfos.parse_card_access(self.card.files[FileId.CARD_ACCESS])
        if password is None:
            password = AccessPassword.can(self.card.can or "")
        self.messaging = run_pace(self, infos.pace[number], password, rng=self.rng).secure_messaging
        self.send(CommandAPDU(0, 0xA4, 4, 0x0C, EMRTD_AID))
        return self

    def read(self, sfi: int, le: int = 200) -> bytes:
        """A file by its short identifier, until it ends."""
        out = b""
        while True:
            p1 = 0x80 | sfi if not out else len(out) >> 8
            answer = self.send(CommandAPDU(0, 0xB0, p1, len(out) & 0xFF, le=le))
            if answer.sw not in (0x9000, 0x6282) or not answer.data:
                return out
            out += answer.data
