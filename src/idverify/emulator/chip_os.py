"""The chip's operating system: what each command does in which security state (ISO/IEC 7816-4; ICAO 9303-10 §3)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final

from idverify.chip.lds.files import FileId
from idverify.emulator import bac, chip_auth, pace
from idverify.emulator._apdu import (
    SW_BLOCKED,
    SW_CONDITIONS,
    SW_NO_REFERENCE,
    SW_OK,
    SW_SECURITY,
    SW_UNKNOWN_INS,
    SW_WRONG,
    SW_WRONG_DATA,
    SW_WRONG_LENGTH,
    SW_WRONG_P1P2,
    Answer,
    Command,
    Refusal,
    unique_objects,
)
from idverify.emulator._random import Rng
from idverify.emulator.active_auth import CHALLENGE_BYTES
from idverify.emulator.chip_auth import ChipAuthKey
from idverify.emulator.chip_files import ChipFiles
from idverify.emulator.image import CardImage
from idverify.emulator.keys import EcKey
from idverify.emulator.match_on_card import OnCardComparison
from idverify.emulator.messaging import CardMessaging
from idverify.emulator.terminal_auth import TerminalSession, TrustPoints, dotted

_PIN_TRIES: Final = 3


class ChipOs:
    """Security state and commands of one chip.

    Args:
        image: what the chip holds.
        rng: the chip's randomness.
        delay: called with milliseconds where the chip slows itself down.
    """

    def __init__(self, image: CardImage, rng: Rng, delay: Callable[[int], object]) -> None:
        self.image = image
        self.quirks = image.quirks
        self._rng = rng
        self._delay = delay
        self.wrong_keys = 0
        self.tries = {pace.PIN: _PIN_TRIES, pace.PUK: 10}
        self._trust = TrustPoints(image.terminal) if image.terminal else None
        self._wrong_key = image.wrong_key if self.quirks.wrong_key is None else self.quirks.wrong_key
        self.comparison = OnCardComparison(image.fingers)
        self._files = ChipFiles(image, self)
        self._commands: dict[int, Callable[[Command, int], Answer]] = {
            0x20: self._verify,
            0x21: self._verify,
            0x22: self._manage_environment,
            0x2A: self._perform_operation,
            0x2C: self._reset_retry_counter,
            0x82: self._external_authenticate,
            0x84: self._get_challenge,
            0x86: self._general_authenticate,
            0x88: self._internal_authenticate,
            0xA4: self._select_file,
            0xB0: self._files.read_binary,
            0xB1: self._files.read_binary_odd,
            0xCA: self._get_data,
            0xCB: self._get_data,
        }
        self.reset()

    def reset(self) -> None:
        """Power on: everything but the retry counters and the trust points is forgotten."""
        self._files.reset()
        self._must_reselect = False
        self.drop()

    def drop(self) -> None:
        """Forget the secure channel and every right that came with it."""
        self.messaging: CardMessaging | None = None
        self._next_messaging: CardMessaging | None = None
        self.access: str | None = None
        self._challenge: bytes | None = None
        self._pace_run: pace.PaceRun | None = None
        self._ca_key: ChipAuthKey | None = None
        self._password: int | None = None
        self._chip_name = b""
        self._terminal_key: bytes | None = None
        self._terminal = TerminalSession(self._trust) if self._trust else None
        self.chip_authenticated = False

    @property
    def pace_chained(self) -> bool:
        """Whether the next GENERAL AUTHENTICATE belongs to a running PACE."""
        return self._pace_run is not None

    def commit(self) -> None:
        """Switch to the channel that the last command has agreed on."""
        if self._next_messaging is not None:
            self.messaging, self._next_messaging = self._next_messaging, None

    def execute(self, command: Command, room: int) -> Answer:
        """Carry out a plain command.

        Args:
            command: the command, without secure messaging.
            room: greatest number of response bytes that can travel.

        Raises:
            Refusal: the status word that the chip answers.
        """
        handler = self._commands.get(command.ins)
        if handler is None:
            raise Refusal(SW_UNKNOWN_INS)
        if command.ins not in (0x82, 0x84):
            self._challenge = None
        return handler(command, room)

    def may_read(self, file: FileId) -> bool:
        """Whether an authenticated terminal has the right to a guarded file."""
        return self._terminal is not None and self._terminal.may_read(file)

    def _select_file(self, command: Command, room: int) -> Answer:
        answer = self._files.select(command, room)
        if command.p1 == 0x04:
            self._must_reselect = False
        return answer

    # ---- access control -------------------------------------------------------------------------------------------

    def _get_challenge(self, command: Command, room: int) -> Answer:
        """GET CHALLENGE (ICAO 9303-11 §4.3.4.1)."""
        if command.data or command.p1p2 or command.le is None:
            raise Refusal(SW_WRONG_P1P2 if command.p1p2 else SW_WRONG_LENGTH)
        if command.le != bac.CHALLENGE_BYTES and not command.any_le:
            raise Refusal(SW_WRONG_LENGTH)
        if not self._files.in_application and self.messaging is None:
            raise Refusal(SW_CONDITIONS)
        if self._must_reselect:
            raise Refusal(SW_CONDITIONS)
        self._challenge = self._rng(bac.CHALLENGE_BYTES)
        return self._challenge, SW_OK

    def _external_authenticate(self, command: Command, room: int) -> Answer:
        """EXTERNAL AUTHENTICATE: BAC outside a secure channel, terminal authentication inside one."""
        challenge, self._challenge = self._challenge, None
        if command.p1p2:
            raise Refusal(SW_WRONG_P1P2)
        if self.messaging is not None:
            return self._authenticate_terminal(command, challenge)
        if not self.image.bac or not self._files.in_application or self._must_reselect:
            raise Refusal(SW_CONDITIONS)
        self._refuse_locked()
        try:
            data, opened = bac.mutual_authenticate(
                command,
                mrz_information=self.image.mrz_information,
                challenge=challenge,
                rng=self._rng,
                wrong=self._wrong_key,
            )
        except Refusal as refusal:
            if challenge is not None and refusal.sw == self._wrong_key:
                self._count_wrong_key()
            raise
        self.wrong_keys = 0
        self._next_messaging, self.access = opened, "bac"
        information = self.image.mrz_information
        self._chip_name = information[:-14].encode()  # number with its check digit (ICAO 9303-11 §7.1.2)
        return data, SW_OK

    def _refuse_locked(self) -> None:
        limit = self.quirks.lock_after
        if limit is not None and self.wrong_keys >= limit:
            raise Refusal(SW_BLOCKED)
        if self.quirks.delay_after_wrong and self.wrong_keys:
            self._delay(self.quirks.delay_after_wrong * self.wrong_keys)

    def _count_wrong_key(self) -> None:
        self.wrong_keys += 1

    def _manage_environment(self, command: Command, room: int) -> Answer:
        """MANAGE SECURITY ENVIRONMENT: SET."""
        handlers = {
            0xC1A4: self._set_pace,
            0x41A4: self._set_chip_authentication,
            0x41A6: self._set_key_agreement,
            0x81A4: self._set_terminal,
            0x81B6: self._set_issuer,
        }
        handler = handlers.get(command.p1p2)
        if handler is None:
            raise Refusal(SW_WRONG_P1P2)
        self._pace_run = None  # another protocol begins: one that was broken off is over
        return handler(command.data)

    def _set_pace(self, data: bytes) -> Answer:
        """MSE:Set AT for PACE (ICAO 9303-11 §4.4.4.1)."""
        if not self.image.pace:
            raise Refusal(SW_WRONG_DATA)
        if self.quirks.pace_status is not None:
            self._must_reselect = self.quirks.reselect_before_bac
            raise Refusal(self.quirks.pace_status)
        found = unique_objects(data)
        protocol = dotted(found.get(0x80, b""))
        options = [o for o in self.image.pace if o.protocol == protocol]
        if not options or len(found.get(0x83, b"")) != 1:
            raise Refusal(SW_WRONG_DATA)
        if 0x84 in found:
            number = int.from_bytes(found[0x84], "big")
            options = [o for o in options if o.parameter_id == number]
            if not options:
                raise Refusal(SW_NO_REFERENCE)
        elif len(options) > 1 or self.quirks.needs_parameter_id:
            raise Refusal(SW_WRONG_DATA)
        kind = found[0x83][0]
        password = self.image.password(kind)
        if password is None:
            raise Refusal(SW_NO_REFERENCE)
        self._refuse_locked()
        left = self.tries.get(kind)
        if left == 0:
            raise Refusal(SW_BLOCKED)
        if kind == pace.PIN and left == 1 and self._password != pace.CAN:  # suspended (TR-03110-2 §3.3.2)
            raise Refusal(0x63C1)
        option = options[0]
        asked = self._trust is not None and 0x7F4C in found
        self._pace_run = pace.PaceRun(
            option,
            kind,
            password,
            rng=self._rng,
            static_key=self._mapping_key(option),
            references=self._trust.references if self._trust and asked else (),
            empty_mapping_data=self.quirks.empty_mapping_data,
        )
        if kind == pace.PIN and left is not None and 1 < left < _PIN_TRIES:
            return b"", 0x63C0 | left
        return b"", SW_OK

    def _reset_retry_counter(self, command: Command, room: int) -> Answer:
        """RESET RETRY COUNTER (TR-03110-3 §B.8): the PUK unblocks the PIN."""
        if command.p1p2 != 0x0303:
            raise Refusal(SW_WRONG_P1P2)
        if self._password != pace.PUK:
            raise Refusal(SW_SECURITY)
        self.tries[pace.PIN] = _PIN_TRIES
        return b"", SW_OK

    def _mapping_key(self, option: pace.PaceOption) -> EcKey | None:
        """The static key that the chip authentication mapping proves."""
        for entry in self.image.chip_auth:
            if isinstance(entry.key, EcKey) and entry.key.curve.parameter_id == option.parameter_id:
                return entry.key
        return None

    def _general_authenticate(self, command: Command, room: int) -> Answer:
        """GENERAL AUTHENTICATE: the steps of PACE, or chip authentication."""
        if command.p1p2:
            raise Refusal(SW_WRONG_P1P2)
        if self._pace_run is not None:
            return self._pace_step(self._pace_run, command)
        if self._ca_key is not None:
            return self._chip_authentication_step(self._ca_key, command.data)
        raise Refusal(SW_CONDITIONS)

    def _pace_step(self, run: pace.PaceRun, command: Command) -> Answer:
        try:
            if command.chained == run.last_step:  # ICAO 9303-11 §4.4.4.3: all but the last are chained
                raise Refusal(SW_CONDITIONS)
            if self.quirks.pace_fails_at == run.number:
                raise Refusal(SW_WRONG_DATA)
            data = run.step(command.data)
        except Refusal as refusal:
            self._pace_run = None
            self._must_reselect = self.quirks.reselect_before_bac
            if run.last_step and refusal.sw == SW_WRONG:
                raise Refusal(self._wrong_pace_password(run)) from None
            raise
        if run.outcome is not None:
            self._pace_run = None
            self._open_by_pace(run.outcome)
        return data, SW_OK

    def _wrong_pace_password(self, run: pace.PaceRun) -> int:
        self._count_wrong_key()
        if run.kind in self.tries:
            self.tries[run.kind] = max(0, self.tries[run.kind] - 1)
            return 0x63C0 | self.tries[run.kind]
        return self._wrong_key

    def _open_by_pace(self, outcome: pace.PaceOutcome) -> None:
        self.wrong_keys = 0
        if outcome.password == pace.PIN:
            self.tries[pace.PIN] = _PIN_TRIES
        self._next_messaging, self.access, self._password = outcome.messaging, "pace", outcome.password
        self._chip_name = outcome.chip_key
        self._terminal = TerminalSession(self._trust) if self._trust else None
        self._terminal_key = outcome.terminal_key if outcome.option.mapping == "CAM" else None
        self.chip_authenticated = outcome.option.mapping == "CAM"

    # ---- the chip proves itself -----------------------------------------------------------------------------------

    def _internal_authenticate(self, command: Command, room: int) -> Answer:
        """INTERNAL AUTHENTICATE: active authentication (ICAO 9303-11 §6.1.3)."""
        self._require_channel()
        if self.image.active_auth is None:
            raise Refusal(SW_UNKNOWN_INS)
        if command.p1p2:
            raise Refusal(SW_WRONG_P1P2)
        if len(command.data) != CHALLENGE_BYTES:
            raise Refusal(SW_WRONG_LENGTH)
        return self.image.active_auth.sign(command.data, self._rng), SW_OK

    def _set_chip_authentication(self, data: bytes) -> Answer:
        """MSE:Set AT for chip authentication (ICAO 9303-11 §6.2.4.2)."""
        self._require_channel()
        self._ca_key = None
        found = unique_objects(data)
        protocol = dotted(found.get(0x80, b""))
        if not any(k.protocol == protocol for k in self.image.chip_auth):
            raise Refusal(SW_WRONG_DATA)
        self._ca_key = self._choose_key(found.get(0x84), lambda k: k.protocol == protocol)
        return b"", SW_OK

    def _set_key_agreement(self, data: bytes) -> Answer:
        """MSE:Set KAT: chip authentication with 3DES in one command (§6.2.4.1)."""
        self._require_channel()
        found = unique_objects(data)
        if 0x91 not in found:
            raise Refusal(SW_WRONG_DATA)
        key = self._choose_key(found.get(0x84), lambda k: k.protocol.endswith(".1"))
        self._agree(key, found[0x91])
        return b"", SW_OK

    def _choose_key(self, reference: bytes | None, fits: Callable[[ChipAuthKey], bool]) -> ChipAuthKey:
        keys = [k for k in self.image.chip_auth if fits(k)]
        if reference is not None:
            number = int.from_bytes(reference, "big")
            keys = [k for k in keys if k.key_id in (number, None)]
        elif len(keys) > 1:
            raise Refusal(SW_NO_REFERENCE)
        if not keys:
            raise Refusal(SW_NO_REFERENCE)
        return keys[0]

    def _chip_authentication_step(self, key: ChipAuthKey, data: bytes) -> Answer:
        self._ca_key = None
        outer = unique_objects(data)
        inner = unique_objects(outer.get(0x7C, b""))
        if set(outer) != {0x7C} or set(inner) != {0x80}:
            raise Refusal(SW_WRONG_DATA)
        return self._agree(key, inner[0x80]), SW_OK

    def _agree(self, key: ChipAuthKey, public: bytes) -> bytes:
        if key.version >= 2 and self._terminal is not None:
            expected = self._terminal.terminal_key
            if self._terminal.rights is None or expected is None:
                raise Refusal(SW_CONDITIONS)
            if not hmac.compare_digest(expected, key.group.compress(public)):
                raise Refusal(SW_WRONG)
        secret = key.key.secret % (key.group.scalar_order - 1) + 1 if self.quirks.ca_other_key else None
        outcome = chip_auth.agree(key, public, self._rng, secret=secret)
        if not self.quirks.ca_keeps_old_keys:
            self._next_messaging = outcome.messaging
        self._terminal_key = outcome.terminal_key
        self.chip_authenticated = True
        return outcome.answer

    # ---- the terminal proves itself -------------------------------------------------------------------------------

    def _terminal_session(self) -> TerminalSession:
        self._require_channel()
        if self._terminal is None:
            raise Refusal(SW_CONDITIONS)
        return self._terminal

    def _set_issuer(self, data: bytes) -> Answer:
        self._terminal_session().set_issuer(data)
        return b"", SW_OK

    def _perform_operation(self, command: Command, room: int) -> Answer:
        """PERFORM SECURITY OPERATION: Verify Certificate (TR-03110-3 §B.4)."""
        if command.p1p2 != 0x00BE:
            raise Refusal(SW_WRONG_P1P2)
        self._terminal_session().verify_certificate(command.data)
        return b"", SW_OK

    def _set_terminal(self, data: bytes) -> Answer:
        self._terminal_session().set_terminal(data)
        return b"", SW_OK

    def _authenticate_terminal(self, command: Command, challenge: bytes | None) -> Answer:
        session = self._terminal_session()
        key = session.terminal_key or self._terminal_key
        if key is None:  # version 1 needs chip authentication first
            raise Refusal(SW_CONDITIONS)
        session.authenticate(command.data, chip_name=self._chip_name, challenge=challenge, terminal_key=key)
        return b"", SW_OK

    # ---- comparison on the card -----------------------------------------------------------------------------------

    def _get_data(self, command: Command, room: int) -> Answer:
        """GET DATA for the biometric information templates (ISO/IEC 7816-4 §11.4.3, 7816-11 §6)."""
        self._require_fingers()
        wanted = command.p1p2 == 0x7F61 if command.ins == 0xCA else unique_objects(command.data) == {0x5C: b"\x7f\x61"}
        if not wanted:
            raise Refusal(SW_NO_REFERENCE)
        return self.comparison.information(), SW_OK

    def _verify(self, command: Command, room: int) -> Answer:
        """VERIFY with a biometric probe (ISO/IEC 7816-4 §11.5.6, 24787)."""
        self._require_fingers()
        if command.p1:
            raise Refusal(SW_WRONG_P1P2)
        return b"", self.comparison.verify(command.p2 & 0x1F, command.data)

    def _require_fingers(self) -> None:
        if not self.image.fingers:
            raise Refusal(SW_UNKNOWN_INS)
        self._require_channel()

    def _require_channel(self) -> None:
        if self.access is None and not self._files.unprotected:
            raise Refusal(SW_SECURITY)
