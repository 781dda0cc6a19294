"""Chip authentication, version 1 (ICAO 9303-11 §6.2; BSI TR-03110-1 §3.4, TR-03110-3 §B.2).

An ephemeral-static key agreement that opens a new secure session. That the chip knows its private key shows only in an
answer under the new keys, so a run ends with one exchange under them; before that nothing is proven. The proof is worth
something where passive authentication vouches for the key's file: the caller gates the verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from idverify import _tlv
from idverify._secret import Secret
from idverify.chip.access._commands import fail, general_authenticate
from idverify.chip.access.domain import AgreementKey, static_key
from idverify.chip.iso7816.apdu import CardChannel, CommandAPDU, ResponseAPDU
from idverify.chip.lds import _der
from idverify.chip.lds.security_infos import (
    ID_CA_DH,
    ID_CA_ECDH,
    ChipAuthenticationInfo,
    ChipAuthenticationPublicKeyInfo,
    SecurityInfos,
)
from idverify.chip.secure_messaging import SecureMessaging
from idverify.crypto.block import Cipher
from idverify.errors import (
    MalformedDataError,
    SecureMessagingError,
    UnsupportedAlgorithmError,
)

_CIPHERS: Final = {c.label: c for c in Cipher}
_VERSION: Final = 1
_KAT_REFUSED: Final = frozenset({0x6A80, 0x6A81, 0x6A86, 0x6D00})
CONFIRMATION: Final = CommandAPDU(0x00, 0xB0, 0x9E, 0x00, le=8)
"""READ BINARY of EF.COM by its short identifier: any authentic answer to it, an error too, proves the new keys."""


@dataclass(frozen=True, slots=True)
class ChipAuthChoice:
    """A way to run chip authentication that the chip offers.

    Attributes:
        protocol: dotted identifier, id-CA-(DH|ECDH)-….
        cipher: cipher of the new session.
        public_key: the chip's SubjectPublicKeyInfo, DER.
        key_id: the key's identifier, or None.
        inferred: whether the chip names no protocol, so that 3DES was taken from the kind of key alone.
    """

    protocol: str
    cipher: Cipher
    public_key: bytes = field(repr=False)
    key_id: int | None = None
    inferred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipAuthEvidence:
    """What a run left. :func:`verify_chip_auth` judges it again.

    It convinces whoever trusts the terminal: with its private key the terminal could have made it up (ICAO 9303-11
    §6.2: transcripts are not transferable). Together with recorded traffic that key opens the session: guard it.

    Attributes:
        protocol: dotted identifier.
        public_key: the chip's SubjectPublicKeyInfo, DER.
        terminal_secret: the terminal's ephemeral private key.
        command: the first command under the new keys, before protection.
        response: its protected response with status word.
        verified: whether that response verified.
    """

    protocol: str
    public_key: bytes = field(repr=False)
    terminal_secret: Secret[int] = field(repr=False)
    command: CommandAPDU
    response: bytes = field(repr=False)
    verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipAuthResult:
    """A run of chip authentication.

    Attributes:
        secure_messaging: the new session, one exchange old; dead where the chip did not prove itself.
        evidence: with the verdict.
        domain: name of the group.
        cipher: cipher of the new session.
        terminal_key_compressed: Comp(PK_DH,IFD), for terminal authentication (§7.1.2).
    """

    secure_messaging: SecureMessaging = field(repr=False)
    evidence: ChipAuthEvidence = field(repr=False)
    domain: str
    cipher: Cipher
    terminal_key_compressed: bytes = field(repr=False)

    @property
    def proven(self) -> bool:
        """Whether the chip answered under the new keys."""
        return self.evidence.verified


def chip_auth_choices(infos: SecurityInfos) -> tuple[ChipAuthChoice, ...]:
    """The ways that DG14 offers and this library can run, best first: AES before 3DES, longer keys first.

    A key without any ChipAuthenticationInfo for it (early chips) is taken for 3DES with MSE:Set KAT, the only variant
    of their time. Infos of version 2 and 3 ask for terminal authentication first and are left out.
    """
    choices: list[ChipAuthChoice] = []
    for key in infos.chip_authentication_keys:
        try:
            static_key(key.public_key)
        except (MalformedDataError, UnsupportedAlgorithmError):
            continue
        matching = [i for i in infos.chip_authentication if _belongs(i, key, infos)]
        choices += [
            ChipAuthChoice(i.protocol, _CIPHERS[i.cipher], key.public_key, key.key_id if i.key_id is None else i.key_id)
            for i in matching
            if i.version == _VERSION
        ]
        if not matching:
            protocol = (ID_CA_DH if key.key_agreement == "DH" else ID_CA_ECDH) + ".1"
            choices.append(ChipAuthChoice(protocol, Cipher.DES3, key.public_key, key.key_id, inferred=True))
    return tuple(sorted(choices, key=lambda c: (c.cipher is Cipher.DES3, -c.cipher.key_bytes)))


def _belongs(info: ChipAuthenticationInfo, key: ChipAuthenticationPublicKeyInfo, infos: SecurityInfos) -> bool:
    """Whether the key is the one that an info means: same kind, same identifier, or no doubt which (§9.2.6, §9.2.7)."""
    if info.key_agreement != key.key_agreement:
        return False
    if info.key_id == key.key_id:
        return True
    alone = sum(k.key_agreement == key.key_agreement for k in infos.chip_authentication_keys) == 1
    return alone and None in (info.key_id, key.key_id)


def run_chip_auth(
    channel: CardChannel,
    inner: CardChannel,
    choice: ChipAuthChoice,
    *,
    rng: Callable[[int], bytes],
    confirmation: CommandAPDU = CONFIRMATION,
) -> ChipAuthResult:
    """Agree on new session keys with the chip's static key, and see an answer under them.

    On return the old session is over on the card: take ``secure_messaging`` of the result from then on. Where the card
    refuses (AccessDeniedError), the old session goes on (§6.2.2).

    Args:
        channel: the card under the present secure messaging.
        inner: the same card below secure messaging: the first exchange under the new keys goes there.
        choice: one of :func:`chip_auth_choices`.
        rng: random bytes for the ephemeral key; rejected draws are repeated.
        confirmation: the first command under the new keys; a harmless one.

    Returns:
        the new session and the evidence. A chip that does not know its private key is a result, not an error: then
        ``proven`` is False and the session dead.

    Raises:
        AccessDeniedError: the card refuses the protocol; the cause is the StatusWordError.
        MalformedDataError, UnsupportedAlgorithmError: a key that cannot be used.
        SecureMessagingError, TransportError: the present session broke.
    """
    static = static_key(choice.public_key)
    key = static.domain.generate(rng)
    if choice.cipher is not Cipher.DES3 or not _set_key_agreement_template(channel, choice, key):
        _set_authentication_template(channel, choice)
        _general_authenticate(channel, key)
    messaging = SecureMessaging.from_shared_secret(choice.cipher, key.agree(static.public))
    response = inner.send(messaging.protect(confirmation))
    evidence = ChipAuthEvidence(
        protocol=choice.protocol,
        public_key=choice.public_key,
        terminal_secret=Secret(key.reveal()),
        command=confirmation,
        response=response.to_bytes(),
        verified=_opens(messaging, response),
    )
    return ChipAuthResult(
        secure_messaging=messaging,
        evidence=evidence,
        domain=static.domain.name,
        cipher=choice.cipher,
        terminal_key_compressed=static.domain.compress(key.public),
    )


def verify_chip_auth(public_key: bytes, evidence: ChipAuthEvidence) -> bool:
    """Whether the evidence holds under the key of a DG14 that passive authentication vouches for.

    Args:
        public_key: the SubjectPublicKeyInfo; the one inside the evidence must be the same, byte for byte.
        evidence: of an earlier run. Its own verdict is not looked at.

    Raises:
        MalformedDataError, UnsupportedAlgorithmError: a key or protocol that cannot be used.
    """
    if public_key != evidence.public_key:
        return False
    static = static_key(public_key)
    cipher = _cipher_of(evidence.protocol)
    try:
        key = static.domain.key(evidence.terminal_secret.reveal())
    except ValueError:
        return False
    messaging = SecureMessaging.from_shared_secret(cipher, key.agree(static.public))
    messaging.protect(evidence.command)
    return _opens(messaging, ResponseAPDU.parse(evidence.response))


def _opens(messaging: SecureMessaging, response: ResponseAPDU) -> bool:
    try:
        messaging.unprotect(response)
    except SecureMessagingError:
        return False
    return True


def _cipher_of(protocol: str) -> Cipher:
    family, _, arc = protocol.rpartition(".")
    if family not in (ID_CA_DH, ID_CA_ECDH) or arc not in ("1", "2", "3", "4"):
        raise UnsupportedAlgorithmError(f"chip authentication: unknown protocol {protocol}")
    return list(Cipher)[int(arc) - 1]


def _set_key_agreement_template(channel: CardChannel, choice: ChipAuthChoice, key: AgreementKey) -> bool:
    """MSE:Set KAT (§6.2.4.1), 3DES only; False where the card does not know it and the other way is left to try."""
    data = _tlv.encode(0x91, key.public) + _key_reference(choice)
    response = channel.send(CommandAPDU(0x00, 0x22, 0x41, 0xA6, data=data))
    if response.ok:
        return True
    if response.sw not in _KAT_REFUSED or choice.inferred:
        fail(response.sw, command="MSE:Set KAT (chip authentication)")
    return False


def _set_authentication_template(channel: CardChannel, choice: ChipAuthChoice) -> None:
    """MSE:Set AT for internal authentication (§6.2.4.2)."""
    oid = _tlv.read_tlv(_der.encode_oid(choice.protocol)).value
    data = _tlv.encode(0x80, oid) + _key_reference(choice)
    response = channel.send(CommandAPDU(0x00, 0x22, 0x41, 0xA4, data=data))
    if not response.ok:
        fail(response.sw, command="MSE:Set AT (chip authentication)")


def _general_authenticate(channel: CardChannel, key: AgreementKey) -> None:
    """GENERAL AUTHENTICATE with the ephemeral public key (§6.2.4.2)."""
    response, _ = general_authenticate(channel, _tlv.encode(0x80, key.public), last=True)
    if not response.ok:
        fail(response.sw, command="GENERAL AUTHENTICATE (chip authentication)")


def _key_reference(choice: ChipAuthChoice) -> bytes:
    """DO'84': the key's identifier as an unsigned integer of the least number of bytes (BSI TR-03110-3 §B.2.1)."""
    if choice.key_id is None:
        return b""
    return _tlv.encode(0x84, choice.key_id.to_bytes(max(1, (choice.key_id.bit_length() + 7) // 8), "big"))
