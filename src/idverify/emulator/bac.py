"""Basic access control on the card's side (ICAO 9303-11 §4.3; ISO/IEC 11770-2 key establishment mechanism 6)."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from idverify.crypto.block import BlockKey, Cipher
from idverify.crypto.kdf import session_keys
from idverify.emulator._apdu import SW_WRONG_LENGTH, Command, Refusal
from idverify.emulator._random import Rng
from idverify.emulator.messaging import CardMessaging

CHALLENGE_BYTES: Final = 8
_CRYPTOGRAM_BYTES: Final = 32
_KEY_BYTES: Final = 16


def key_seed(mrz_information: str) -> bytes:
    """K_seed (ICAO 9303-11 §9.7.2): the first 16 bytes of SHA-1 over number, birth and expiry with check digits."""
    return hashlib.sha1(mrz_information.encode("ascii"), usedforsecurity=False).digest()[:_KEY_BYTES]


def mutual_authenticate(
    command: Command, *, mrz_information: str, challenge: bytes | None, rng: Rng, wrong: int
) -> tuple[bytes, CardMessaging]:
    """EXTERNAL AUTHENTICATE of BAC (§4.3.4.2): response data, and the channel that is open afterwards.

    Args:
        command: the command, with E_IFD ‖ M_IFD.
        mrz_information: what the terminal must know.
        challenge: RND.IC of the GET CHALLENGE just before, or None where there was none.
        rng: gives K.IC, 16 bytes.
        wrong: status word for a key that is not ours.

    Raises:
        Refusal: 6700 for another length, else ``wrong``.
    """
    if len(command.data) != _CRYPTOGRAM_BYTES + 8:
        raise Refusal(SW_WRONG_LENGTH)
    k_enc, k_mac = session_keys(key_seed(mrz_information), Cipher.DES3)
    enc, mac = BlockKey(Cipher.DES3, k_enc), BlockKey(Cipher.DES3, k_mac)
    cryptogram, checksum = command.data[:_CRYPTOGRAM_BYTES], command.data[_CRYPTOGRAM_BYTES:]
    if challenge is None or not hmac.compare_digest(mac.mac(cryptogram), checksum):
        raise Refusal(wrong)
    plain = enc.decrypt(cryptogram)
    rnd_ifd, rnd_ic, k_ifd = plain[:8], plain[8:16], plain[16:]
    if not hmac.compare_digest(rnd_ic, challenge):
        raise Refusal(wrong)
    k_ic = rng(_KEY_BYTES)
    answer = enc.encrypt(challenge + rnd_ifd + k_ic)
    secret = bytes(a ^ b for a, b in zip(k_ifd, k_ic, strict=True))
    ssc = challenge[4:] + rnd_ifd[4:]  # §9.8.6.3
    return answer + mac.mac(answer), CardMessaging.from_secret(secret, Cipher.DES3, ssc)
