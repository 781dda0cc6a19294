"""PACE on the card's side (ICAO 9303-11 §4.4; BSI TR-03110-2 §3.2), with all three mappings."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final, Literal

from idverify._tlv import encode as tlv
from idverify.crypto.block import BlockKey, Cipher, pad
from idverify.crypto.kdf import COUNTER_PASSWORD, kdf, session_keys
from idverify.emulator._apdu import SW_CONDITIONS, SW_WRONG, SW_WRONG_DATA, Refusal, unique_objects
from idverify.emulator._random import Rng
from idverify.emulator.groups import Group, by_parameter_id, public_key_object
from idverify.emulator.keys import EcKey
from idverify.emulator.messaging import CardMessaging

Mapping = Literal["GM", "IM", "CAM"]

MRZ: Final = 1
CAN: Final = 2
PIN: Final = 3
PUK: Final = 4

_ID_PACE: Final = "0.4.0.127.0.7.2.2.4"
_ARCS: Final[dict[tuple[str, str], int]] = {
    ("DH", "GM"): 1,
    ("ECDH", "GM"): 2,
    ("DH", "IM"): 3,
    ("ECDH", "IM"): 4,
    ("ECDH", "CAM"): 6,
}
_CIPHER_ARCS: Final = {Cipher.DES3: 1, Cipher.AES128: 2, Cipher.AES192: 3, Cipher.AES256: 4}
_NONCE_BYTES: Final = 16
# ICAO 9303-11 §4.4.3.3.2
_C0: Final = {
    16: bytes.fromhex("a668892a7c41e3ca739f40b057d85904"),
    32: bytes.fromhex("d463d65234124ef7897054986dca0a174e28df758cbaa03f240616414d5a1676"),
}
_C1: Final = {
    16: bytes.fromhex("a4e136ac725f738b01c1f60217c188ad"),
    32: bytes.fromhex("54bd7255f0aaf831bec3423fcf39d69b6cbf066677d0faae5aadd99df8e53517"),
}


@dataclass(frozen=True, slots=True)
class PaceOption:
    """One way of PACE that a chip offers.

    Attributes:
        mapping: ``GM``, ``IM`` or ``CAM``.
        parameter_id: standardised domain parameters, 0 … 2 (DH) or 8 … 18 (ECDH).
        cipher: cipher of nonce and channel.
    """

    mapping: Mapping = "GM"
    parameter_id: int = 13
    cipher: Cipher = Cipher.AES128

    @property
    def key_agreement(self) -> str:
        """``DH`` or ``ECDH``."""
        return "ECDH" if self.parameter_id >= 8 else "DH"

    @property
    def protocol(self) -> str:
        """Dotted object identifier (ICAO 9303-11 §9.2.3)."""
        return f"{_ID_PACE}.{_ARCS[self.key_agreement, self.mapping]}.{_CIPHER_ARCS[self.cipher]}"


def password_key(kind: int, password: str, cipher: Cipher) -> bytes:
    """K_π (ICAO 9303-11 §9.7.3).

    Args:
        kind: reference of the password, 1 … 4.
        password: the MRZ information (number, birth, expiry with check digits), or the digits.
        cipher: what the key is for.
    """
    secret = password.encode("latin-1")
    if kind == MRZ:
        secret = hashlib.sha1(secret, usedforsecurity=False).digest()
    return kdf(secret, COUNTER_PASSWORD, cipher)


@dataclass(frozen=True, slots=True)
class PaceOutcome:
    """What a completed run leaves behind.

    Attributes:
        messaging: the channel.
        chip_key: Comp(PK_DH,IC), the chip's name in terminal authentication.
        terminal_key: Comp(PK_DH,IFD), bound to terminal authentication where the mapping is CAM.
        option: how it was run.
        password: which password was used.
    """

    messaging: CardMessaging
    chip_key: bytes = field(repr=False)
    terminal_key: bytes = field(repr=False)
    option: PaceOption
    password: int


class PaceRun:
    """The four steps of one run; GENERAL AUTHENTICATE brings them one by one.

    Args:
        option: the way that MSE:Set AT chose.
        kind: reference of the password.
        password: the password, see :func:`password_key`.
        rng: gives the nonce, then the private keys.
        static_key: the chip authentication key, for the chip authentication mapping.
        references: certification authority references to return at the end, most recent first.
        empty_mapping_data: answer the integrated mapping with an empty object 82, as the standard asks; else nothing.
    """

    def __init__(
        self,
        option: PaceOption,
        kind: int,
        password: str,
        *,
        rng: Rng,
        static_key: EcKey | None = None,
        references: tuple[str, ...] = (),
        empty_mapping_data: bool = True,
    ) -> None:
        self._option = option
        self.kind = kind
        self._rng = rng
        self._group: Group = by_parameter_id(option.parameter_id)
        self._key = BlockKey(option.cipher, password_key(kind, password, option.cipher))
        self._static_key = static_key
        self._references = references
        self._empty_mapping_data = empty_mapping_data
        self._step = 0
        self._nonce = b""
        self._map_secret = 0
        self._generator = b""
        self._own_public = b""
        self._peer_public = b""
        self._secret = b""
        self.outcome: PaceOutcome | None = None

    @property
    def number(self) -> int:
        """The step that comes next, 0 … 3; 4 when the run is over."""
        return self._step

    @property
    def last_step(self) -> bool:
        """Whether the next command is the last one: it must not be chained any more."""
        return self._step == 3

    def step(self, data: bytes) -> bytes:
        """The answer to one GENERAL AUTHENTICATE, without status word.

        Raises:
            Refusal: 6A80 for wrong data, 6300 for a wrong token, 6985 where the run is over.
        """
        steps = (self._encrypted_nonce, self._map_nonce, self._agree, self._authenticate)
        if self._step >= len(steps):
            raise Refusal(SW_CONDITIONS)
        outer = unique_objects(data)
        if set(outer) != {0x7C}:
            raise Refusal(SW_WRONG_DATA)
        answer = steps[self._step](unique_objects(outer[0x7C]))
        self._step += 1
        return answer

    def _encrypted_nonce(self, found: dict[int, bytes]) -> bytes:
        if found:
            raise Refusal(SW_WRONG_DATA)
        self._nonce = self._rng(self._nonce_bytes)
        return tlv(0x7C, tlv(0x80, self._key.encrypt(self._nonce)))

    @property
    def _nonce_bytes(self) -> int:
        """§4.4.3.3: a multiple of the block; not below the key's length for the integrated mapping."""
        if self._option.mapping == "IM" and self._option.cipher.key_bytes > _NONCE_BYTES:
            return 2 * _NONCE_BYTES
        return _NONCE_BYTES

    def _map_nonce(self, found: dict[int, bytes]) -> bytes:
        given = _only(found, 0x81)
        if self._option.mapping == "IM":
            if len(given) != self._option.cipher.key_bytes:
                raise Refusal(SW_WRONG_DATA)
            number = pseudo_random_number(self._nonce, given, self._option.cipher, self._group.field_prime)
            self._generator = self._group.map_integrated(number)
            return tlv(0x7C, tlv(0x82)) if self._empty_mapping_data else b""
        self._map_secret = self._group.draw(self._rng)
        nonce = int.from_bytes(self._nonce, "big")
        self._generator = self._group.map_generic(nonce, self._map_secret, given)
        return tlv(0x7C, tlv(0x82, self._group.public(self._map_secret)))

    def _agree(self, found: dict[int, bytes]) -> bytes:
        self._peer_public = _only(found, 0x83)
        secret = self._group.draw(self._rng)
        self._own_public = self._group.public(secret, self._generator)
        self._secret = self._group.agree(secret, self._peer_public)
        if self._own_public == self._peer_public:  # §4.4.1 step 3
            raise Refusal(SW_WRONG)
        return tlv(0x7C, tlv(0x84, self._own_public))

    def _authenticate(self, found: dict[int, bytes]) -> bytes:
        given = _only(found, 0x85)
        k_enc, k_mac = session_keys(self._secret, self._option.cipher)
        protocol = self._option.protocol
        mac = BlockKey(self._option.cipher, k_mac)
        expected = mac.mac(public_key_object(protocol, self._group, self._own_public))
        if not hmac.compare_digest(expected, given):
            raise Refusal(SW_WRONG)
        token = mac.mac(public_key_object(protocol, self._group, self._peer_public))
        body = tlv(0x86, token)
        body += b"".join(tlv(tag, name.encode()) for tag, name in zip((0x87, 0x88), self._references, strict=False))
        if self._option.mapping == "CAM" and self._static_key is not None:
            body += tlv(
                0x8A, encrypted_chip_authentication_data(self._static_key, self._map_secret, k_enc, self._cipher)
            )
        self.outcome = PaceOutcome(
            CardMessaging(self._option.cipher, k_enc, k_mac),
            self._group.compress(self._own_public),
            self._group.compress(self._peer_public),
            self._option,
            self.kind,
        )
        return tlv(0x7C, body)

    @property
    def _cipher(self) -> Cipher:
        return self._option.cipher


def pseudo_random_number(s: bytes, t: bytes, cipher: Cipher, prime: int) -> int:
    """R_p(s, t) of the integrated mapping (ICAO 9303-11 §4.4.3.3.2, figure 2)."""
    size = len(s)
    blocks = -(-(prime.bit_length() + 64) // (8 * size))
    key = BlockKey(cipher, t).encrypt(s)
    out = b""
    for _ in range(blocks):
        current = BlockKey(cipher, key[: cipher.key_bytes])
        key, more = current.encrypt(_C0[size]), current.encrypt(_C1[size])
        out += more
    return int.from_bytes(out, "big") % prime


def encrypted_chip_authentication_data(static: EcKey, map_secret: int, k_enc: bytes, cipher: Cipher) -> bytes:
    """A_IC of the chip authentication mapping (ICAO 9303-11 §4.4.3.5)."""
    order = static.curve.n
    data = pow(static.secret, -1, order) * map_secret % order
    key = BlockKey(cipher, k_enc)
    block = cipher.block_bytes
    return key.encrypt(pad(data.to_bytes(static.curve.order_bytes, "big"), block), key.encrypt_block(b"\xff" * block))


def _only(found: dict[int, bytes], tag: int) -> bytes:
    if set(found) != {tag}:
        raise Refusal(SW_WRONG_DATA)
    return found[tag]
