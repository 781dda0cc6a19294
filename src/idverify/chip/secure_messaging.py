"""Secure messaging of eMRTDs (ICAO 9303-11 §9.8; ISO/IEC 7816-4 §10): a pure state machine without I/O.

It is unforgiving. A response whose MAC does not verify, that lacks DO'99' or DO'8E', or that comes without protection,
ends the session: the keys are dropped, and every later call raises. Nothing is retried on the same keys.

    even INS:  command  [87 (01 ‖ cryptogram)] [97 Le] 8E        response  [87 (01 ‖ cryptogram)] 99 SW 8E
    odd INS:   command  [85 (cryptogram)]      [97 Le] 8E        response  [85 (cryptogram)]      99 SW 8E
"""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

from idverify import _tlv
from idverify.chip.iso7816.apdu import MAX_EXTENDED, MAX_SHORT_DATA, MAX_SHORT_LE, CommandAPDU, ResponseAPDU
from idverify.crypto.block import MAC_BYTES, BlockKey, Cipher, pad, unpad
from idverify.crypto.kdf import session_keys
from idverify.errors import ConfigurationError, MalformedDataError, SecureMessagingError

_SM_CLASS: Final = 0x0C  # secure messaging, header authenticated (§9.8.4)
_CRYPTOGRAM_ODD: Final = 0x85
_CRYPTOGRAM: Final = 0x87
_EXPECTED_LENGTH: Final = 0x97
_STATUS: Final = 0x99
_CHECKSUM: Final = 0x8E
_CHECKSUM_OBJECT_BYTES: Final = 2 + MAC_BYTES
_STATUS_OBJECT_BYTES: Final = 4
_MAX_DATA: Final = 65_000
_PADDING_INDICATOR: Final = b"\x01"


class SecureMessaging:
    """One session's keys and counter. A failed :meth:`unprotect` kills the session for good.

    Commands and responses must alternate. Not thread-safe.

    Args:
        cipher: 3DES or AES.
        ks_enc, ks_mac: session keys of ``cipher.key_bytes`` bytes.
        ssc: start value of the send sequence counter; zero but after BAC (§9.8.6.3).
    """

    __slots__ = ("_awaiting", "_keys", "_ssc", "cipher")

    def __init__(self, cipher: Cipher, ks_enc: bytes, ks_mac: bytes, *, ssc: int = 0) -> None:
        if not 0 <= ssc < 1 << 8 * cipher.block_bytes:
            raise ValueError("the send sequence counter does not fit a block")
        self.cipher = cipher
        self._ssc = ssc
        self._keys: tuple[BlockKey, BlockKey] | None = (BlockKey(cipher, ks_enc), BlockKey(cipher, ks_mac))
        self._awaiting: int | None = None  # INS of the command whose response is due

    @classmethod
    def from_shared_secret(cls, cipher: Cipher, secret: bytes) -> SecureMessaging:
        """The session that follows PACE or chip authentication: keys from the shared secret, counter zero (§9.7.4)."""
        return cls(cipher, *session_keys(secret, cipher))

    def __repr__(self) -> str:
        return f"SecureMessaging({self.cipher.label}, {'alive' if self.alive else 'dead'})"

    @property
    def alive(self) -> bool:
        """Whether the keys are still there."""
        return self._keys is not None

    def close(self) -> None:
        """Drop the keys; idempotent."""
        self._keys = None
        self._awaiting = None

    def max_response_data(self, max_response: int = MAX_SHORT_LE) -> int:
        """The most plain bytes whose protected response has at most ``max_response`` bytes without its status word.

        231 (3DES) and 223 (AES) for short APDUs.
        """
        room = max_response - _STATUS_OBJECT_BYTES - _CHECKSUM_OBJECT_BYTES
        room -= room % self.cipher.block_bytes
        while room > 0:
            if self._response_bytes(room) <= max_response:
                return room - 1
            room -= self.cipher.block_bytes
        return 0

    def _response_bytes(self, cryptogram: int) -> int:
        header = 1 + len(_tlv.encode_length(cryptogram + 1)) + 1
        return header + cryptogram + _STATUS_OBJECT_BYTES + _CHECKSUM_OBJECT_BYTES

    def max_command_data(self, max_data: int = MAX_SHORT_DATA) -> int:
        """The most plain command bytes, without Le, whose protected data field has at most ``max_data`` bytes."""
        room = max_data - _CHECKSUM_OBJECT_BYTES - 4  # 4: a DO'97' of two bytes
        room -= room % self.cipher.block_bytes
        while room > 0:
            if 1 + len(_tlv.encode_length(room + 1)) + 1 + room + 4 + _CHECKSUM_OBJECT_BYTES <= max_data:
                return room - 1
            room -= self.cipher.block_bytes
        return 0

    # ---- commands -----------------------------------------------------------------------------------------------

    def protect(self, command: CommandAPDU) -> CommandAPDU:
        """The protected form of a command; the counter goes up by one.

        Raises:
            SecureMessagingError: the session is dead, or the last command's response is still due (then it dies).
            ConfigurationError: the command is too long, or protected already; the session stays alive.
        """
        enc, mac = self._require_keys()
        if self._awaiting is not None:
            self._die("a command was to be protected before the last response was checked")
        if command.cla & _SM_CLASS:
            raise ConfigurationError("the command is protected already")
        if len(command.data) > _MAX_DATA:
            raise ConfigurationError(f"command data of {len(command.data)} bytes are too long for secure messaging")
        counter = self._next_counter()
        header = bytes((command.cla | _SM_CLASS, command.ins, command.p1, command.p2))
        body = b""
        if command.data:
            cryptogram = enc.encrypt(pad(command.data, self.cipher.block_bytes), self._iv(enc, counter))
            if command.ins & 1:
                body = _tlv.encode(_CRYPTOGRAM_ODD, cryptogram)
            else:
                body = _tlv.encode(_CRYPTOGRAM, _PADDING_INDICATOR, cryptogram)
        if command.le is not None:
            if command.le <= MAX_SHORT_LE:
                body += bytes((_EXPECTED_LENGTH, 1, command.le & 0xFF))
            else:
                body += bytes((_EXPECTED_LENGTH, 2)) + (command.le & 0xFFFF).to_bytes(2, "big")
        block = self.cipher.block_bytes
        authenticated = counter + pad(header, block)  # §9.8.4 figure 5; without data and Le the header is all there is
        if body:
            authenticated += pad(body, block)
        body += bytes((_CHECKSUM, MAC_BYTES)) + mac.mac_blocks(authenticated)
        extended = len(body) > MAX_SHORT_DATA or (command.le or 0) > MAX_SHORT_LE
        self._awaiting = command.ins
        return CommandAPDU(
            header[0],
            command.ins,
            command.p1,
            command.p2,
            data=body,
            le=MAX_EXTENDED if extended else MAX_SHORT_LE,
        )

    # ---- responses ----------------------------------------------------------------------------------------------

    def unprotect(self, response: ResponseAPDU) -> ResponseAPDU:
        """The plain form of a protected response; the counter goes up by one.

        Raises:
            SecureMessagingError: anything is wrong with it, or the session is dead. The session is dead afterwards.
        """
        enc, mac = self._require_keys()
        if self._awaiting is None:
            self._die("a response came without a command")
        self._awaiting = None
        counter = self._next_counter()
        data = response.data
        checksum_at = len(data) - _CHECKSUM_OBJECT_BYTES
        if checksum_at < 0 or data[checksum_at : checksum_at + 2] != bytes((_CHECKSUM, MAC_BYTES)):
            what = "without protection" if not data else "without a cryptographic checksum"
            self._die(f"the card answered {response.sw:04X} {what}")
        authenticated = data[:checksum_at]
        expected = mac.mac_blocks(pad(counter + authenticated, self.cipher.block_bytes))
        if not hmac.compare_digest(expected, data[checksum_at + 2 :]):
            self._die(f"the cryptographic checksum of a response ({response.sw:04X}) does not verify")
        try:
            plain, status = self._open(authenticated, enc, counter)
        except MalformedDataError as error:
            self._die(str(error))
        if status != response.sw:
            self._die(f"the protected status word {status:04X} is not the plain one {response.sw:04X}")
        return ResponseAPDU(plain, status)

    def _open(self, authenticated: bytes, enc: BlockKey, counter: bytes) -> tuple[bytes, int]:
        objects = list(_tlv.iter_tlv(authenticated, what="protected response"))
        tags = [o.tag for o in objects]
        if tags not in ([_STATUS], [_CRYPTOGRAM, _STATUS], [_CRYPTOGRAM_ODD, _STATUS]):
            raise MalformedDataError(
                "protected response: expected an optional cryptogram and a status word, got the data objects "
                + (" ".join(f"{t:X}" for t in tags) or "none")
            )
        status = objects[-1].value
        if len(status) != 2:
            raise MalformedDataError(f"protected response: a status word of {len(status)} bytes")
        if len(objects) == 1:
            return b"", int.from_bytes(status, "big")
        cryptogram = objects[0].value
        if objects[0].tag == _CRYPTOGRAM:
            if cryptogram[:1] != _PADDING_INDICATOR:
                raise MalformedDataError("protected response: the padding indicator is not 01")
            cryptogram = cryptogram[1:]
        if not cryptogram:
            raise MalformedDataError("protected response: an empty cryptogram")
        padded = enc.decrypt(cryptogram, self._iv(enc, counter))
        return unpad(padded, what="protected response"), int.from_bytes(status, "big")

    # ---- state --------------------------------------------------------------------------------------------------

    def _iv(self, enc: BlockKey, counter: bytes) -> bytes | None:
        """§9.8.6.1: zero for 3DES; §9.8.7.1: E(KSEnc, SSC) for AES."""
        return None if self.cipher is Cipher.DES3 else enc.encrypt_block(counter)

    def _next_counter(self) -> bytes:
        self._ssc += 1
        if self._ssc >> 8 * self.cipher.block_bytes:
            self._die("the send sequence counter is used up")
        return self._ssc.to_bytes(self.cipher.block_bytes, "big")

    def _require_keys(self) -> tuple[BlockKey, BlockKey]:
        if self._keys is None:
            raise SecureMessagingError("the secure session has ended; open the chip anew")
        return self._keys

    def _die(self, why: str) -> NoReturn:
        self.close()
        raise SecureMessagingError(f"secure messaging: {why}. The session is over; open the chip anew") from None
