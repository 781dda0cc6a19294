"""Chip authentication on the card's side (ICAO 9303-11 §6.2; BSI TR-03110-2 §3.4 for version 2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from idverify._tlv import encode as tlv
from idverify.crypto.block import BlockKey, Cipher
from idverify.crypto.kdf import session_keys
from idverify.emulator._random import Rng
from idverify.emulator.groups import DhKey, DhPrimeGroup, EcGroup, Group, public_key_object
from idverify.emulator.keys import EcKey
from idverify.emulator.messaging import CardMessaging
from idverify.oids import SecurityProtocol

_CIPHER_ARCS: Final = {Cipher.DES3: 1, Cipher.AES128: 2, Cipher.AES192: 3, Cipher.AES256: 4}
_NONCE_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class ChipAuthKey:
    """A static key pair of the chip and the channel that it opens.

    Attributes:
        key: EC or DH key pair; never in a ``repr``.
        cipher: cipher of the channel.
        key_id: identifier in DG14, or None where there is one key only.
        version: 1 as passports have it, 2 with terminal authentication before it.
    """

    key: EcKey | DhKey = field(repr=False)
    cipher: Cipher = Cipher.AES128
    key_id: int | None = None
    version: int = 1

    @property
    def group(self) -> Group:
        """The group of the key."""
        return EcGroup(self.key.curve) if isinstance(self.key, EcKey) else DhPrimeGroup(self.key.group)

    @property
    def protocol(self) -> str:
        """Dotted object identifier (ICAO 9303-11 §9.2.7)."""
        base = SecurityProtocol.CA_ECDH if isinstance(self.key, EcKey) else SecurityProtocol.CA_DH
        return f"{base.value}.{_CIPHER_ARCS[self.cipher]}"

    @property
    def public_key_protocol(self) -> str:
        """Dotted object identifier of the ChipAuthenticationPublicKeyInfo (§9.2.6)."""
        return str(SecurityProtocol.PK_ECDH if isinstance(self.key, EcKey) else SecurityProtocol.PK_DH)


@dataclass(frozen=True, slots=True)
class ChipAuthOutcome:
    """What a completed chip authentication leaves behind.

    Attributes:
        messaging: the new channel.
        answer: the response data: 7C with nothing (version 1), or with nonce and token (version 2).
        terminal_key: Comp(PK_DH,IFD), what terminal authentication is bound to.
    """

    messaging: CardMessaging
    answer: bytes
    terminal_key: bytes = field(repr=False)


def agree(static: ChipAuthKey, public: bytes, rng: Rng, *, secret: int | None = None) -> ChipAuthOutcome:
    """The key agreement (ICAO 9303-11 §6.2.1 step 3).

    Args:
        static: the chip's key.
        public: the terminal's ephemeral public key.
        rng: gives the nonce of version 2.
        secret: use this private key instead: a copied chip does not have the right one.

    Raises:
        Refusal: 6A80 for a key that is none.
    """
    group = static.group
    shared = group.agree(static.key.secret if secret is None else secret, public)
    if static.version == 1:
        return ChipAuthOutcome(CardMessaging.from_secret(shared, static.cipher), tlv(0x7C), group.compress(public))
    nonce = rng(_NONCE_BYTES)
    k_enc, k_mac = session_keys(shared + nonce, static.cipher)  # TR-03110-3 §A.2.3.2
    token = BlockKey(static.cipher, k_mac).mac(public_key_object(static.protocol, group, public))
    answer = tlv(0x7C, tlv(0x81, nonce), tlv(0x82, token))
    return ChipAuthOutcome(CardMessaging(static.cipher, k_enc, k_mac), answer, group.compress(public))
