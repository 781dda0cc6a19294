"""Basic access control (ICAO 9303-11 §4.3)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final

from idverify.chip.access._commands import fail, refuse_password
from idverify.chip.access.password import AccessPassword
from idverify.chip.iso7816.apdu import CardChannel, CommandAPDU
from idverify.chip.secure_messaging import SecureMessaging
from idverify.crypto.block import MAC_BYTES, BlockKey, Cipher
from idverify.crypto.kdf import session_keys
from idverify.errors import AccessDeniedError, ConfigurationError, ProtocolError

_NONCE: Final = 8
_KEY: Final = 16
_CRYPTOGRAM: Final = 2 * _NONCE + _KEY
_CONDITIONS: Final = 0x6985


def run_bac(
    channel: CardChannel, password: AccessPassword, *, rng: Callable[[int], bytes], probe: bool = False
) -> SecureMessaging:
    """Prove that the MRZ was read, and agree on session keys. The application must be selected already.

    Args:
        channel: the card, without secure messaging.
        password: the MRZ's key data.
        rng: random bytes: 8 for RND.IFD, then 16 for K.IFD.
        probe: encode GET CHALLENGE with extended length first: the last chance to see without risk whether the card
            takes it, since under secure messaging a refusal ends the session.

    Returns:
        the secure session.

    Raises:
        WrongPasswordError: the card does not accept the key.
        CardLockedError: the card blocks access.
        AccessDeniedError: the card offers no BAC, or does not know the key itself.
        ConfigurationError: a password of another kind than the MRZ's, or a random source of wrong lengths.
    """
    enc, mac = (BlockKey(Cipher.DES3, k) for k in session_keys(password.bac_seed(), Cipher.DES3))
    # §4.3.4.1 GET CHALLENGE
    challenge = channel.send(CommandAPDU(0x00, 0x84, 0x00, 0x00, le=_NONCE, extended=probe))
    if probe and not (challenge.ok and len(challenge.data) == _NONCE):
        challenge = channel.send(CommandAPDU(0x00, 0x84, 0x00, 0x00, le=_NONCE))
    if not challenge.ok:
        fail(challenge.sw, command="GET CHALLENGE", advice="The card may offer PACE only; open it with the CAN")
    rnd_ic = challenge.data
    if len(rnd_ic) != _NONCE:
        raise ProtocolError(f"GET CHALLENGE: expected {_NONCE} bytes, got {len(rnd_ic)}")
    rnd_ifd, k_ifd = rng(_NONCE), rng(_KEY)
    if len(rnd_ifd) != _NONCE or len(k_ifd) != _KEY:
        raise ConfigurationError("the random source does not give the number of bytes asked for")
    # §4.3.4.2 EXTERNAL AUTHENTICATE with E(KEnc, RND.IFD ‖ RND.IC ‖ K.IFD) and its MAC
    cryptogram = enc.encrypt(rnd_ifd + rnd_ic + k_ifd)
    data = cryptogram + mac.mac(cryptogram)
    answer = channel.send(CommandAPDU(0x00, 0x82, 0x00, 0x00, data=data, le=_CRYPTOGRAM + MAC_BYTES))
    if answer.sw == _CONDITIONS:  # not a verdict on the key: no challenge was kept, or the files are open
        fail(answer.sw, command="EXTERNAL AUTHENTICATE", advice="The chip may have no basic access control")
    if not answer.ok:
        refuse_password(answer.sw, command="EXTERNAL AUTHENTICATE", password=password)
    if len(answer.data) != _CRYPTOGRAM + MAC_BYTES:
        raise ProtocolError(f"EXTERNAL AUTHENTICATE: expected {_CRYPTOGRAM + MAC_BYTES} bytes, got {len(answer.data)}")
    cryptogram, checksum = answer.data[:_CRYPTOGRAM], answer.data[_CRYPTOGRAM:]
    if not hmac.compare_digest(mac.mac(cryptogram), checksum):
        raise AccessDeniedError(
            "EXTERNAL AUTHENTICATE: the card's proof does not verify; the card does not know the key"
        )
    plain = enc.decrypt(cryptogram)
    if not hmac.compare_digest(plain[: 2 * _NONCE], rnd_ic + rnd_ifd):
        raise AccessDeniedError("EXTERNAL AUTHENTICATE: the card's proof is about other nonces; it may be replayed")
    seed = bytes(a ^ b for a, b in zip(k_ifd, plain[2 * _NONCE :], strict=True))
    ssc = int.from_bytes(rnd_ic[4:] + rnd_ifd[4:], "big")  # §9.8.6.3
    return SecureMessaging(Cipher.DES3, *session_keys(seed, Cipher.DES3), ssc=ssc)
