"""Secure messaging on the card's side (ICAO 9303-11 §9.8; BSI TR-03110-3 appendix F).

Written apart from the reader's :mod:`idverify.chip.secure_messaging`, and pinned by the worked example of
ICAO 9303-11 appendix D.4, so that an error in one cannot hide behind the same error in the other.
"""

from __future__ import annotations

import hmac

from idverify._tlv import encode as tlv
from idverify.crypto.block import BlockKey, Cipher, pad, unpad
from idverify.crypto.kdf import session_keys
from idverify.emulator._apdu import CLA_SM, SW_SM_MISSING, SW_SM_WRONG, Command, Refusal, objects
from idverify.errors import MalformedDataError

_MAC_TAG = 0x8E
_STATUS_TAG = 0x99
_LE_TAG = 0x97
_PADDED_CRYPTOGRAM = 0x87
_BARE_CRYPTOGRAM = 0x85


class CardMessaging:
    """One secure channel, seen from the chip.

    Args:
        cipher: block cipher of the channel.
        k_enc, k_mac: session keys.
        ssc: start of the send sequence counter, one block; zero where None (PACE, chip authentication).
    """

    def __init__(self, cipher: Cipher, k_enc: bytes, k_mac: bytes, ssc: bytes | None = None) -> None:
        self.cipher = cipher
        self._enc = BlockKey(cipher, k_enc)
        self._mac = BlockKey(cipher, k_mac)
        self._ssc = int.from_bytes(ssc or b"\0", "big")

    @classmethod
    def from_secret(cls, secret: bytes, cipher: Cipher, ssc: bytes | None = None) -> CardMessaging:
        """The channel whose keys come from a shared secret (ICAO 9303-11 §9.7.1)."""
        return cls(cipher, *session_keys(secret, cipher), ssc)

    def unwrap(self, command: Command) -> Command:
        """The command inside a protected one.

        Raises:
            Refusal: 6987, data objects are missing; 6988, they are wrong or their checksum does not fit.
        """
        self._ssc += 1
        found = objects(command.data, sw=SW_SM_WRONG)
        tags = [tag for tag, _ in found]
        if _MAC_TAG not in tags:
            raise Refusal(SW_SM_MISSING)
        cryptogram_tag = _BARE_CRYPTOGRAM if command.ins & 1 else _PADDED_CRYPTOGRAM
        if tags not in (
            [_MAC_TAG],
            [cryptogram_tag, _MAC_TAG],
            [_LE_TAG, _MAC_TAG],
            [cryptogram_tag, _LE_TAG, _MAC_TAG],
        ):
            raise Refusal(SW_SM_WRONG)
        header = bytes((command.cla, command.ins, command.p1, command.p2))
        covered = b"".join(tlv(tag, value) for tag, value in found[:-1])
        if command.data != covered + tlv(_MAC_TAG, found[-1][1]):  # lengths that are not minimal
            raise Refusal(SW_SM_WRONG)
        if not self._checksum_fits(header, covered, found[-1][1]):
            raise Refusal(SW_SM_WRONG)
        values = dict(found)
        data = self._decrypt(values.get(cryptogram_tag), padded=cryptogram_tag == _PADDED_CRYPTOGRAM)
        le, any_le, wide = None, False, False
        if (raw := values.get(_LE_TAG)) is not None:
            if len(raw) not in (1, 2):
                raise Refusal(SW_SM_WRONG)
            le = int.from_bytes(raw, "big") or 1 << 8 * len(raw)
            any_le, wide = not any(raw), len(raw) == 2
        cla = command.cla & ~CLA_SM
        return Command(cla, command.ins, command.p1, command.p2, data, le, any_le, wide or command.extended)

    def wrap(self, data: bytes, sw: int, *, ins: int) -> bytes:
        """The protected response, without the status word that follows it outside.

        Args:
            data: response data.
            sw: the status word to protect.
            ins: instruction of the command: an odd one has its cryptogram in tag 85.
        """
        self._ssc += 1
        body = b""
        if data:
            cryptogram = self._enc.encrypt(pad(data, self.cipher.block_bytes), self._iv())
            body = tlv(_BARE_CRYPTOGRAM, cryptogram) if ins & 1 else tlv(_PADDED_CRYPTOGRAM, b"\x01" + cryptogram)
        body += tlv(_STATUS_TAG, sw.to_bytes(2, "big"))
        return body + tlv(_MAC_TAG, self._checksum(pad(self._counter() + body, self.cipher.block_bytes)))

    def room(self, limit: int) -> int:
        """How many bytes of plain response data fit a protected response of at most ``limit`` bytes."""
        block = self.cipher.block_bytes
        cryptogram = (limit - 4 - 10 - 5) // block * block
        return max(0, cryptogram - 1)

    def _counter(self) -> bytes:
        block = self.cipher.block_bytes
        return (self._ssc % (1 << 8 * block)).to_bytes(block, "big")

    def _iv(self) -> bytes | None:
        return None if self.cipher is Cipher.DES3 else self._enc.encrypt_block(self._counter())

    def _checksum(self, padded: bytes) -> bytes:
        return self._mac.mac_blocks(padded)

    def _checksum_fits(self, header: bytes, covered: bytes, given: bytes) -> bool:
        block = self.cipher.block_bytes
        text = self._counter() + pad(header, block)
        # With a header alone some terminals pad the padded header again; chips in the field take both.
        texts = [pad(text + covered, block)] if covered else [text, pad(text, block)]
        return any(hmac.compare_digest(self._checksum(t), given) for t in texts)

    def _decrypt(self, value: bytes | None, *, padded: bool) -> bytes:
        if value is None:
            return b""
        if padded:
            if not value.startswith(b"\x01"):
                raise Refusal(SW_SM_WRONG)
            value = value[1:]
        try:
            return unpad(self._enc.decrypt(value, self._iv()))
        except MalformedDataError:
            raise Refusal(SW_SM_WRONG) from None
