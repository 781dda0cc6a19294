"""Chip authentication (ICAO 9303-11 §6.2; BSI TR-03110-1 §3.4, TR-03110-2 §3.4, TR-03110-3 §B.2).

An ephemeral-static key agreement that opens a new secure session. In version 1 only an answer under the new keys shows
that the chip knows its private key, so a run ends with one exchange under them; before that nothing is proven. In
version 2, which follows terminal authentication, the chip sends a nonce and a token. The proof is worth something where
passive authentication vouches for the key's file: the caller gates the verdict.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from idverify import _tlv
from idverify._secret import Secret
from idverify.chip.access._commands import fail, general_authenticate, require
from idverify.chip.access.domain import AgreementKey, Domain, from_algorithm_identifier, static_key
from idverify.chip.iso7816.apdu import CardChannel, CommandAPDU, ResponseAPDU
from idverify.chip.lds import _der
from idverify.chip.lds.security_infos import (
    ID_CA_DH,
    ID_CA_ECDH,
    ChipAuthenticationDomainParameterInfo,
    ChipAuthenticationInfo,
    ChipAuthenticationPublicKeyInfo,
    SecurityInfos,
)
from idverify.chip.secure_messaging import SecureMessaging
from idverify.crypto.block import BlockKey, Cipher
from idverify.crypto.kdf import session_keys
from idverify.errors import (
    MalformedDataError,
    SecureMessagingError,
    UnsupportedAlgorithmError,
)

_CIPHERS: Final = {c.label: c for c in Cipher}
_VERSION: Final = 1
_VERSION_2: Final = 2
_MAX_NONCE: Final = 64
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
class ChipTokenEvidence:
    """What a run of version 2 left. :func:`verify_chip_token` judges it again; the same warnings hold.

    Attributes:
        protocol: dotted identifier.
        public_key: the chip's SubjectPublicKeyInfo, DER.
        terminal_secret: the terminal's ephemeral private key.
        nonce: r_IC.
        token: T_IC.
        verified: whether the token verified.
    """

    protocol: str
    public_key: bytes = field(repr=False)
    terminal_secret: Secret[int] = field(repr=False)
    nonce: bytes = field(repr=False)
    token: bytes = field(repr=False)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipTokenResult:
    """A run of version 2.

    Attributes:
        secure_messaging: the new session; dead where the chip did not prove itself.
        evidence: with the verdict.
        domain: name of the group.
        cipher: cipher of the new session.
    """

    secure_messaging: SecureMessaging = field(repr=False)
    evidence: ChipTokenEvidence = field(repr=False)
    domain: str
    cipher: Cipher

    @property
    def proven(self) -> bool:
        """Whether the chip sent the right token."""
        return self.evidence.verified


@dataclass(frozen=True, slots=True)
class ChipAuthPlan:
    """Chip authentication version 2 as far as it is known before the chip's key is: enough for the ephemeral key.

    Attributes:
        protocol: dotted identifier.
        domain: the group.
        key_id: the key's identifier, or None.
    """

    protocol: str
    domain: Domain
    key_id: int | None = None


def chip_auth_plans(infos: SecurityInfos) -> tuple[ChipAuthPlan, ...]:
    """What EF.CardAccess says of chip authentication version 2 (TR-03110-3 §A.1.1.2), best cipher first."""
    plans: list[ChipAuthPlan] = []
    for parameters in infos.of_type(ChipAuthenticationDomainParameterInfo):
        try:
            domain = from_algorithm_identifier(parameters.domain_parameter, what="chip authentication parameters")
        except (MalformedDataError, UnsupportedAlgorithmError):
            continue
        plans += [
            ChipAuthPlan(i.protocol, domain, i.key_id)
            for i in infos.chip_authentication
            if i.version == _VERSION_2
            and i.key_id == parameters.key_id
            and i.protocol.startswith(parameters.protocol + ".")
        ]
    return tuple(sorted(plans, key=lambda p: -int(p.protocol.rpartition(".")[2])))


def chip_auth_choices(infos: SecurityInfos, *, version: int = _VERSION) -> tuple[ChipAuthChoice, ...]:
    """The ways that the file offers and this library can run, best first: AES before 3DES, longer keys first.

    A key without any ChipAuthenticationInfo for it (early chips) is taken for 3DES with MSE:Set KAT, the only variant
    of their time.

    Args:
        infos: DG14, or EF.CardSecurity for version 2.
        version: 1, or 2 for what follows terminal authentication.
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
            if i.version == version
        ]
        if not matching and version == _VERSION:
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


def run_chip_auth_2(channel: CardChannel, choice: ChipAuthChoice, key: AgreementKey) -> ChipTokenResult:
    """Version 2: agree on new session keys under a nonce of the chip, and check its token (TR-03110-2 §3.4).

    On return the old session is over on the card, as after :func:`run_chip_auth`.

    Args:
        channel: the card under the secure messaging of PACE, the terminal authenticated.
        choice: one of :func:`chip_auth_choices` of EF.CardSecurity for version 2.
        key: the ephemeral key that terminal authentication announced; of the group of ``choice``.

    Returns:
        the new session and the evidence. A wrong token is a result, not an error: then ``proven`` is False and the
        session dead.

    Raises:
        AccessDeniedError: the card refuses; the cause is the StatusWordError.
        ProtocolError, MalformedDataError: an answer without nonce or token.
        UnsupportedAlgorithmError: a key that cannot be used.
        SecureMessagingError, TransportError: the present session broke.
    """
    what = "GENERAL AUTHENTICATE (chip authentication 2)"
    static = static_key(choice.public_key)
    _set_authentication_template(channel, choice)
    response, objects = general_authenticate(channel, _tlv.encode(0x80, key.public), last=True)
    if not response.ok:
        fail(response.sw, command=what)
    nonce, token = require(objects, 0x81, what=what), require(objects, 0x82, what=what)
    if len(nonce) > _MAX_NONCE:
        raise MalformedDataError(f"{what}: a nonce of {len(nonce)} bytes")
    ks_enc, ks_mac = session_keys(key.agree(static.public) + nonce, choice.cipher)  # TR-03110-3 §A.2.3.2
    messaging = SecureMessaging(choice.cipher, ks_enc, ks_mac)
    mac = BlockKey(choice.cipher, ks_mac)
    verified = hmac.compare_digest(mac.mac(static.domain.public_key_object(choice.protocol, key.public)), token)
    if not verified:
        messaging.close()
    evidence = ChipTokenEvidence(
        protocol=choice.protocol,
        public_key=choice.public_key,
        terminal_secret=Secret(key.reveal()),
        nonce=nonce,
        token=token,
        verified=verified,
    )
    return ChipTokenResult(
        secure_messaging=messaging,
        evidence=evidence,
        domain=static.domain.name,
        cipher=choice.cipher,
    )


def verify_chip_token(public_key: bytes, evidence: ChipTokenEvidence) -> bool:
    """Whether the evidence of version 2 holds under the key of an EF.CardSecurity that is vouched for.

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
    _, ks_mac = session_keys(key.agree(static.public) + evidence.nonce, cipher)
    expected = BlockKey(cipher, ks_mac).mac(static.domain.public_key_object(evidence.protocol, key.public))
    return hmac.compare_digest(expected, evidence.token)


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
