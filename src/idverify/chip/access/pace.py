"""Password authenticated connection establishment (ICAO 9303-11 §4.4; BSI TR-03110-2 §3.2, TR-03110-3 §B.1).

PACE runs before the application is selected. Generic, integrated and chip authentication mapping, DH and ECDH, 3DES and
AES, every standardised group.
"""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from idverify import _tlv
from idverify.chip.access._commands import (
    COUNTED,
    fail,
    general_authenticate,
    perhaps_counted,
    refuse_password,
    require,
    tries_left,
)
from idverify.chip.access.domain import (
    AgreementKey,
    DhDomain,
    Domain,
    EcDomain,
    Randomness,
    from_algorithm_identifier,
    standardized,
    static_key,
)
from idverify.chip.access.mapping import GenericMapping, IntegratedMapping, Mapping
from idverify.chip.access.password import AccessPassword, PasswordKind
from idverify.chip.iso7816.apdu import CardChannel, CommandAPDU
from idverify.chip.lds import _der
from idverify.chip.lds.security_infos import PaceInfo, SecurityInfos
from idverify.chip.secure_messaging import SecureMessaging
from idverify.crypto import ec
from idverify.crypto.block import BlockKey, Cipher, unpad
from idverify.crypto.dh import is_prime_order
from idverify.crypto.kdf import session_keys
from idverify.errors import (
    AccessDeniedError,
    CardLockedError,
    MalformedDataError,
    ProtocolError,
    UnsupportedAlgorithmError,
)

CIPHERS: Final = {c.label: c for c in Cipher}
"""Ciphers by the name that :class:`~idverify.chip.lds.security_infos.PaceInfo` gives them."""

_PREFERENCE: Final = ("CAM", "GM", "IM")
_VERSION: Final = 2
_MAX_NONCE: Final = 64
_LONG_ELEMENT: Final = 220
_ENCRYPTED_NONCE, _MAPPING_DATA, _MAPPING_ANSWER = 0x80, 0x81, 0x82
_TERMINAL_KEY, _CHIP_KEY, _TERMINAL_TOKEN, _CHIP_TOKEN = 0x83, 0x84, 0x85, 0x86
_CAR_TAGS: Final = (0x87, 0x88)
_CHIP_AUTHENTICATION_DATA: Final = 0x8A
_MAX_CAR: Final = 16


@dataclass(frozen=True, slots=True)
class CamEvidence:
    """What chip authentication mapping left: it proves the chip genuine once its static key is vouched for.

    Attributes:
        curve: the name of the curve.
        chip_mapping_key: PK_Map,IC, the encoded point.
        chip_authentication_data: CA_IC, a scalar as long as the curve's order.
    """

    curve: str
    chip_mapping_key: bytes = field(repr=False)
    chip_authentication_data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PaceResult:
    """A session that PACE opened.

    Attributes:
        secure_messaging: the session.
        protocol: dotted identifier of the protocol.
        mapping: ``GM``, ``IM`` or ``CAM``.
        cipher: the cipher.
        domain: name of the group.
        password: which password opened the chip.
        ephemeral_chip_key: PK_DH,IC, encoded.
        ephemeral_terminal_key: PK_DH,IFD, encoded.
        chip_identifier: ID_IC = Comp(PK_DH,IC), for terminal authentication (§7.1.2).
        terminal_key_compressed: Comp(PK_DH,IFD), likewise.
        authority_references: certification authority references that the card named, the most recent first.
        cam: evidence of chip authentication mapping, or None.
        tries_left: the password's counter that MSE:Set AT told, or None.
    """

    secure_messaging: SecureMessaging = field(repr=False)
    protocol: str
    mapping: str
    cipher: Cipher
    domain: str
    password: PasswordKind
    ephemeral_chip_key: bytes = field(repr=False)
    ephemeral_terminal_key: bytes = field(repr=False)
    chip_identifier: bytes = field(repr=False)
    terminal_key_compressed: bytes = field(repr=False)
    authority_references: tuple[bytes, ...] = ()
    cam: CamEvidence | None = field(default=None, repr=False)
    tries_left: int | None = None


def supported_pace(infos: SecurityInfos, *, preference: Iterable[str] = _PREFERENCE) -> tuple[PaceInfo, ...]:
    """The PACEInfos that this library can run, best first.

    Args:
        infos: EF.CardAccess.
        preference: mappings in order; those left out are not taken. Within one mapping longer keys go first.
    """
    order = list(preference)
    usable = []
    for info in infos.pace:
        if info.mapping not in order:
            continue
        try:
            domain_of(info, infos)
        except (MalformedDataError, UnsupportedAlgorithmError):
            continue
        usable.append(info)
    return tuple(
        sorted(usable, key=lambda i: (order.index(i.mapping), i.key_agreement == "DH", -_strength(CIPHERS[i.cipher])))
    )


def _strength(cipher: Cipher) -> int:
    return 0 if cipher is Cipher.DES3 else cipher.key_bytes


def domain_of(info: PaceInfo, offered: SecurityInfos | None = None) -> Domain:
    """The domain parameters that a PACEInfo means (§9.2.3, §9.2.4).

    EF.CardAccess is signed by nobody when PACE runs. A prime field in it must be a standardised one, or come with a
    subgroup of prime order (X9.42, which §9.5 asks for): in others whoever answers could compute logarithms and so
    find the password out, or get through without it by a key of small order.

    Raises:
        UnsupportedAlgorithmError: a version or parameters that this library does not know, or that are not sound.
        MalformedDataError: explicit parameters that cannot be read.
    """
    if info.version != _VERSION:
        raise UnsupportedAlgorithmError(f"PACE version {info.version} is not supported")
    explicit = offered.find_pace_domain_parameters(info) if offered is not None else None
    if explicit is not None:
        domain = from_algorithm_identifier(explicit.domain_parameter, what="PACE domain parameters")
    elif info.parameter_id is None:
        raise UnsupportedAlgorithmError("PACE: the card names no domain parameters")
    else:
        domain = standardized(info.parameter_id)
    if isinstance(domain, EcDomain) != (info.key_agreement == "ECDH"):
        raise UnsupportedAlgorithmError(f"PACE: {info.key_agreement} over {domain.name}")
    if isinstance(domain, DhDomain) and not is_prime_order(domain.group):
        raise UnsupportedAlgorithmError(f"PACE: no subgroup of prime order in the {domain.name}")
    if info.mapping == "IM" and isinstance(domain, EcDomain) and domain.curve.p % 4 != 3:
        raise UnsupportedAlgorithmError(f"PACE: integrated mapping is not defined on {domain.name}")
    return domain


def run_pace(
    channel: CardChannel,
    info: PaceInfo,
    password: AccessPassword,
    *,
    rng: Randomness,
    offered: SecurityInfos | None = None,
    chat: bytes | None = None,
    before_token: Callable[[], None] | None = None,
) -> PaceResult:
    """Open the chip with a password.

    Args:
        channel: the card, without secure messaging and with no application selected.
        info: the protocol to run.
        password: MRZ, CAN, PIN or PUK.
        rng: random bytes: for the mapping (a scalar, or the nonce t), then for the ephemeral key; rejected draws are
            repeated.
        offered: all of EF.CardAccess: gives explicit domain parameters, and tells whether the reference of the
            parameters must be sent because several are offered (DO'84', §4.4.4.1).
        chat: a certificate holder authorization template, whole (tag 7F4C), for terminal authentication.
        before_token: called before the terminal's token is sent: from then on the card has to prove that it knows the
            password, and an error is no reason to take a weaker protocol.

    Returns:
        the secure session and what later protocols need of this run.

    Raises:
        WrongPasswordError: the card does not accept the password; ``tries_left`` where it says so.
        CardLockedError: the password is blocked or suspended.
        AccessDeniedError: the card refuses the protocol (its cause is then the :class:`StatusWordError`), or does not
            prove that it knows the password.
        ProtocolError, MalformedDataError: an answer that does not follow the protocol.
        UnsupportedAlgorithmError: parameters that this library does not know.
    """
    domain = domain_of(info, offered)
    left = _set_authentication_template(channel, info, password, offered=offered, chat=chat)
    with perhaps_counted(f"the {password.kind.name}") if password.kind in COUNTED else contextlib.nullcontext():
        return _prove(channel, info, password, domain, rng=rng, tries=left, before_token=before_token)


def _prove(
    channel: CardChannel,
    info: PaceInfo,
    password: AccessPassword,
    domain: Domain,
    *,
    rng: Randomness,
    tries: int | None,
    before_token: Callable[[], None] | None,
) -> PaceResult:
    """Steps 1 to 4 (§4.4.3): from the encrypted nonce to the tokens. A card may count a try as soon as they begin."""
    cipher = CIPHERS[info.cipher]
    nonce = _nonce(channel, password, cipher)
    mapping: Mapping = IntegratedMapping(domain, cipher, rng) if info.mapping == "IM" else GenericMapping(domain, rng)
    ephemeral = _map(channel, mapping, nonce, long=domain.element_bytes > _LONG_ELEMENT)
    key, chip_key, secret = _agree(channel, ephemeral, rng)
    ks_enc, ks_mac = session_keys(secret, cipher)
    if before_token is not None:
        before_token()
    final = _exchange_tokens(channel, info, password, ephemeral, BlockKey(cipher, ks_mac), key.public, chip_key)
    return PaceResult(
        secure_messaging=SecureMessaging(cipher, ks_enc, ks_mac),
        protocol=info.protocol,
        mapping=info.mapping,
        cipher=cipher,
        domain=domain.name,
        password=password.kind,
        ephemeral_chip_key=chip_key,
        ephemeral_terminal_key=key.public,
        chip_identifier=ephemeral.compress(chip_key),
        terminal_key_compressed=ephemeral.compress(key.public),
        authority_references=tuple(final[t] for t in _CAR_TAGS if 0 < len(final.get(t, b"")) <= _MAX_CAR),
        cam=_cam(info, domain, mapping.chip_key, BlockKey(cipher, ks_enc), final),
        tries_left=tries,
    )


def _set_authentication_template(
    channel: CardChannel,
    info: PaceInfo,
    password: AccessPassword,
    *,
    offered: SecurityInfos | None,
    chat: bytes | None,
) -> int | None:
    """MSE:Set AT for mutual authentication (§4.4.4.1); the password's counter where the card tells it."""
    oid = _tlv.read_tlv(_der.encode_oid(info.protocol)).value
    data = _tlv.encode(0x80, oid) + _tlv.encode(0x83, bytes([password.kind.value]))
    if info.parameter_id is not None and offered is not None and len({i.parameter_id for i in offered.pace}) > 1:
        data += _tlv.encode(0x84, _minimal(info.parameter_id))
    data += chat or b""
    command = "MSE:Set AT (PACE)"
    response = channel.send(CommandAPDU(0x00, 0x22, 0xC1, 0xA4, data=data))
    if response.ok:
        return None
    left = tries_left(response.sw)
    name = password.kind.name
    if left == 0 or response.sw in (0x6283, 0x6983):
        refuse_password(response.sw if left is None else 0x63C0, command=command, password=password)
    if left == 1 and password.kind is PasswordKind.PIN:  # TR-03110-2 §3.3: suspended until the CAN was given
        raise CardLockedError(
            "The PIN is suspended: one try is left. Open the card with its CAN first and then give the PIN once more"
        )
    if left is None:
        advice = {
            0x6A80: "The card does not know this protocol after all; try another one that EF.CardAccess lists",
            0x6A88: f"The card has no {name}, or not these domain parameters; try another password",
            0x6D00: "The card does not know PACE; try BAC",
        }.get(response.sw, "")
        fail(response.sw, command=command, advice=advice)
    return left  # a warning: the protocol is set up all the same


def _nonce(channel: CardChannel, password: AccessPassword, cipher: Cipher) -> bytes:
    """Step 1: s = D(Kπ, z) (§4.4.3.3)."""
    command = "GENERAL AUTHENTICATE (PACE, encrypted nonce)"
    response, objects = general_authenticate(channel, b"", last=False)
    if not response.ok:
        if tries_left(response.sw) is not None or response.sw in (0x6983, 0x6984, 0x6985):
            refuse_password(response.sw, command=command, password=password)
        fail(response.sw, command=command)
    z = require(objects, _ENCRYPTED_NONCE, what=command)
    if len(z) > _MAX_NONCE or len(z) % cipher.block_bytes:
        raise ProtocolError(f"{command}: a nonce of {len(z)} bytes")
    return BlockKey(cipher, password.key(cipher)).decrypt(z)


def _map(channel: CardChannel, mapping: Mapping, nonce: bytes, *, long: bool) -> Domain:
    """Step 2: exchange of mapping data (§4.4.5.2)."""
    response, objects = general_authenticate(channel, _tlv.encode(_MAPPING_DATA, mapping.data), last=False, long=long)
    if not response.ok:
        fail(response.sw, command="GENERAL AUTHENTICATE (PACE, mapping)")
    return mapping.map(nonce, objects.get(_MAPPING_ANSWER))


def _agree(channel: CardChannel, domain: Domain, rng: Randomness) -> tuple[AgreementKey, bytes, bytes]:
    """Step 3: key agreement over the ephemeral domain: the terminal's key, the card's encoded key, the secret K."""
    command = "GENERAL AUTHENTICATE (PACE, key agreement)"
    key = domain.generate(rng)
    response, objects = general_authenticate(
        channel, _tlv.encode(_TERMINAL_KEY, key.public), last=False, long=domain.element_bytes > _LONG_ELEMENT
    )
    if not response.ok:
        fail(response.sw, command=command)
    chip_key = require(objects, _CHIP_KEY, what=command)
    if domain.same(chip_key, key.public):  # §4.4.1
        raise ProtocolError(f"{command}: the card sent the terminal's own key back")
    return key, chip_key, key.agree(chip_key)


def _exchange_tokens(
    channel: CardChannel,
    info: PaceInfo,
    password: AccessPassword,
    domain: Domain,
    mac: BlockKey,
    terminal_key: bytes,
    chip_key: bytes,
) -> dict[int, bytes]:
    """Step 4: T_IFD over the card's key, T_IC over the terminal's (§4.4.3.4)."""
    command = "GENERAL AUTHENTICATE (PACE, mutual authentication)"
    token = mac.mac(domain.public_key_object(info.protocol, chip_key))
    response, objects = general_authenticate(channel, _tlv.encode(_TERMINAL_TOKEN, token), last=True)
    if not response.ok:
        refuse_password(response.sw, command=command, password=password)
    expected = mac.mac(domain.public_key_object(info.protocol, terminal_key))
    if not hmac.compare_digest(expected, require(objects, _CHIP_TOKEN, what=command)):
        raise AccessDeniedError(f"{command}: the card's token does not verify; it may be no genuine card")
    return dict(objects)


def _cam(
    info: PaceInfo, domain: Domain, mapping_key: bytes, enc: BlockKey, final: dict[int, bytes]
) -> CamEvidence | None:
    """Decrypt the chip authentication data (§4.4.3.5.2 to §4.4.3.5.4)."""
    if info.mapping != "CAM" or not isinstance(domain, EcDomain):
        return None
    what = "PACE chip authentication data"
    encrypted = require(final, _CHIP_AUTHENTICATION_DATA, what=what)
    iv = enc.encrypt_block(b"\xff" * enc.cipher.block_bytes)
    data = unpad(enc.decrypt(encrypted, iv), what=what)
    if len(data) != domain.curve.order_bytes:
        raise MalformedDataError(f"{what}: expected {domain.curve.order_bytes} bytes, got {len(data)}")
    return CamEvidence(domain.curve.name, mapping_key, data)


def verify_cam(evidence: CamEvidence, public_key: bytes) -> bool:
    """Whether the chip knows the private key of its static key: PK_Map,IC = CA_IC · PK_IC (§4.4.3.5.2).

    It proves the chip genuine only where the key comes from EF.CardSecurity, or from a DG14, whose signature passed.

    Args:
        evidence: of a run of PACE.
        public_key: the SubjectPublicKeyInfo of the static key, DER.

    Raises:
        MalformedDataError, UnsupportedAlgorithmError: a key that cannot be read.
    """
    key = static_key(public_key)
    domain = key.domain
    if not isinstance(domain, EcDomain) or domain.curve.name != evidence.curve:
        return False
    scalar = int.from_bytes(evidence.chip_authentication_data, "big")
    if not 1 <= scalar < domain.curve.n:
        return False
    product = ec.multiply_public(domain.curve, scalar, ec.decode_point(domain.curve, key.public))
    return hmac.compare_digest(ec.encode_point(domain.curve, product), evidence.chip_mapping_key)


def _minimal(number: int) -> bytes:
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
