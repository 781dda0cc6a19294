from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.chip.access import model_card
from tests.unit.chip.access.model_card import EcGroup, ModelCard, derive, group_of, oid_object
from tests.unit.chip.access.scripted import ScriptedCard, feed
from tests.vectors import load, unhex

from idverify import _tlv
from idverify._secret import Secret
from idverify.chip.access.domain import EcDomain, from_algorithm_identifier, standardized
from idverify.chip.access.mapping import pseudo_random
from idverify.chip.access.pace import PaceResult, run_pace, supported_pace, verify_cam
from idverify.chip.access.password import AccessPassword, PasswordKind
from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU
from idverify.chip.lds.security_infos import (
    ChipAuthenticationPublicKeyInfo,
    PaceDomainParameterInfo,
    PaceInfo,
    SecurityInfos,
    standardized_algorithm_identifier,
)
from idverify.chip.secure_messaging import SecureMessaging
from idverify.crypto import block, dh, ec
from idverify.crypto.block import Cipher
from idverify.crypto.curves import by_parameter_id
from idverify.errors import (
    AccessDeniedError,
    CardLockedError,
    CardRemovedError,
    IdVerifyError,
    MalformedDataError,
    ProtocolError,
    UnsupportedAlgorithmError,
    WrongPasswordError,
)

EXAMPLES = ["ecdh_gm", "dh_gm", "ecdh_im", "dh_im", "ecdh_cam"]
CAN = AccessPassword.can("500540")
ARCS = {("DH", "GM"): 1, ("ECDH", "GM"): 2, ("DH", "IM"): 3, ("ECDH", "IM"): 4, ("ECDH", "CAM"): 6}
CIPHER_ARCS = {Cipher.DES3: 1, Cipher.AES128: 2, Cipher.AES192: 3, Cipher.AES256: 4}
READ = CommandAPDU(0, 0xB0, 0, 0, le=8)


def password_of(example: dict[str, object]) -> AccessPassword:
    fields = example["password"]
    assert isinstance(fields, dict)
    if fields["type"] == "raw":  # H.1 and H.2 name the MRZ, but use the key of these digits
        return AccessPassword(PasswordKind.CAN, Secret(fields["value"]))
    return AccessPassword.mrz(fields["document_number"], fields["date_of_birth"], fields["date_of_expiry"])


def info_of(mapping: str, parameter_id: int, cipher: Cipher) -> PaceInfo:
    agreement = "DH" if parameter_id < 8 else "ECDH"
    return PaceInfo(f"0.4.0.127.0.7.2.2.4.{ARCS[agreement, mapping]}.{CIPHER_ARCS[cipher]}", 2, parameter_id)


def card_for(info: PaceInfo, cipher: Cipher, **options: object) -> ModelCard:
    assert info.parameter_id is not None
    nonce = 32 if cipher in (Cipher.AES192, Cipher.AES256) else 16
    return ModelCard(
        info.protocol,
        info.parameter_id,
        cipher,
        info.mapping,
        b"500540",
        nonce_bytes=nonce,
        **options,  # type: ignore[arg-type]
    )


def assert_same_session(result: PaceResult, card: ModelCard) -> None:
    other = SecureMessaging(card.cipher, *card.session_keys)
    if card.cipher is Cipher.DES3:  # the model leaves the parity bits as they fall, DES does not look at them
        assert result.secure_messaging.protect(READ).data == other.protect(READ).data
    else:
        assert result.secure_messaging.protect(READ) == other.protect(READ)


# ---- published examples -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_published_run(name: str) -> None:
    example = load(f"pace_{name}")
    parameter_id = example["domain_parameters"]["parameter_id"]
    info = PaceInfo(example["protocol_oid"], 2, parameter_id)
    mapping, agreement = example["map_nonce"], example["key_agreement"]
    ephemeral = agreement["terminal_ephemeral_private_key"]
    if parameter_id == 0:  # the examples have exponents longer than the order of the subgroup
        ephemeral = (int(ephemeral, 16) % int(example["domain_parameters"]["q"], 16)).to_bytes(20, "big").hex()
    script = [(a["command"], a["response"]) for a in example["apdus"]]
    if example["password"]["type"] == "raw":
        script[0] = (script[0][0][:-2] + "02", script[0][1])
    card = ScriptedCard(script)
    rng = feed(mapping.get("nonce_t") or mapping["terminal_private_key"], ephemeral)
    result = run_pace(card, info, password_of(example), rng=rng)
    assert not card.script
    assert result.ephemeral_chip_key.hex() == agreement["chip_ephemeral_public_key"]
    assert result.ephemeral_terminal_key.hex() == agreement["terminal_ephemeral_public_key"]
    expected = SecureMessaging(Cipher.AES128, unhex(example["ks_enc"]), unhex(example["ks_mac"]))
    assert result.secure_messaging.protect(READ) == expected.protect(READ)
    assert (result.cam is not None) == (name == "ecdh_cam")


def test_published_certification_authority_reference() -> None:
    example = load("pace_dh_gm")
    q = int(example["domain_parameters"]["q"], 16)
    script = [(a["command"], a["response"]) for a in example["apdus"]]
    script[-1] = (script[-1][0], example["final_response_data_with_car"] + "9000")
    secrets = [example["map_nonce"]["terminal_private_key"], example["key_agreement"]["terminal_ephemeral_private_key"]]
    rng = feed(*((int(s, 16) % q).to_bytes(20, "big").hex() for s in secrets))
    result = run_pace(ScriptedCard(script), PaceInfo(example["protocol_oid"], 2, 0), password_of(example), rng=rng)
    assert result.authority_references == (b"DETESTCVCA00003",)


@pytest.mark.parametrize("name", ["ecdh_im", "dh_im"])
def test_published_pseudo_random_numbers(name: str) -> None:
    example = load(f"pace_{name}")
    mapping = example["map_nonce"]
    prime = standardized(example["domain_parameters"]["parameter_id"]).field_prime
    number = pseudo_random(Cipher.AES128, unhex(example["nonce_s"]), unhex(mapping["nonce_t"]), prime)
    assert number == int(mapping["r_p_s_t"], 16)


def test_published_chip_authentication_mapping() -> None:
    example = load("pace_ecdh_cam")
    mapping, agreement, proof = (example[k] for k in ("map_nonce", "key_agreement", "chip_authentication"))
    rng = feed(mapping["terminal_private_key"], agreement["terminal_ephemeral_private_key"])
    info = PaceInfo(example["protocol_oid"], 2, 13)
    cam = run_pace(ScriptedCard.of(example), info, password_of(example), rng=rng).cam
    assert cam is not None
    assert cam.chip_authentication_data.hex() == proof["chip_authentication_data"]
    raw = unhex(proof["chip_authentication_public_key_info"])
    key = SecurityInfos.parse(_tlv.encode(0x31, raw)).chip_authentication_keys[0].public_key
    assert verify_cam(cam, key)
    other = PublicKeys.ec(13, 12345)
    assert not verify_cam(cam, other)
    assert not verify_cam(cam, PublicKeys.ec(12, 12345))
    assert proof["chip_authentication_data"] not in repr(cam)


class PublicKeys:
    """SubjectPublicKeyInfos with standardised domain parameters."""

    @staticmethod
    def ec(parameter_id: int, secret: int) -> bytes:
        curve = by_parameter_id(parameter_id)
        body = b"\0" + ec.encode_point(curve, ec.base_multiply(curve, secret))
        return _tlv.encode(0x30, standardized_algorithm_identifier(parameter_id), _tlv.encode(0x03, body))


# ---- every group, mapping, cipher against another implementation ----------------------------------------------------


@pytest.mark.parametrize("cipher", list(Cipher), ids=lambda c: c.label)
@pytest.mark.parametrize("parameter_id", range(8, 19))
def test_generic_mapping_on_every_curve(parameter_id: int, cipher: Cipher) -> None:
    info = info_of("GM", parameter_id, cipher)
    card = card_for(info, cipher)
    result = run_pace(card, info, CAN, rng=os.urandom)
    assert_same_session(result, card)
    assert (result.mapping, result.password, result.cam) == ("GM", PasswordKind.CAN, None)
    assert result.chip_identifier == card.chip_key[1 : 1 + len(card.chip_key) // 2]
    assert 0x84 not in card.template


@pytest.mark.parametrize(
    ("parameter_id", "cipher"),
    [(0, Cipher.DES3), (0, Cipher.AES128), (1, Cipher.AES192), (2, Cipher.AES256)],
)
@pytest.mark.parametrize("mapping", ["GM", "IM"])
def test_prime_fields(parameter_id: int, cipher: Cipher, mapping: str) -> None:
    info = info_of(mapping, parameter_id, cipher)
    card = card_for(info, cipher)
    assert_same_session(run_pace(card, info, CAN, rng=os.urandom), card)


@pytest.mark.parametrize(
    ("parameter_id", "cipher"),
    [(13, c) for c in Cipher] + [(p, list(Cipher)[p % 4]) for p in range(8, 19) if p not in (10, 13)],
)
def test_integrated_mapping(parameter_id: int, cipher: Cipher) -> None:
    info = info_of("IM", parameter_id, cipher)
    card = card_for(info, cipher)
    assert_same_session(run_pace(card, info, CAN, rng=os.urandom), card)


@pytest.mark.parametrize(
    ("parameter_id", "cipher"),
    [(13, Cipher.AES128), (12, Cipher.AES192), (14, Cipher.AES256), (16, Cipher.AES256), (18, Cipher.AES128)],
)
def test_chip_authentication_mapping(parameter_id: int, cipher: Cipher) -> None:
    info = info_of("CAM", parameter_id, cipher)
    card = card_for(info, cipher, static_secret=0xC0FFEE)
    result = run_pace(card, info, CAN, rng=os.urandom)
    assert_same_session(result, card)
    assert result.cam is not None
    assert verify_cam(result.cam, PublicKeys.ec(parameter_id, 0xC0FFEE))
    assert not verify_cam(result.cam, PublicKeys.ec(parameter_id, 0xC0FFEF))


@pytest.mark.parametrize("password", [CAN, AccessPassword.pin("500540"), AccessPassword.puk("500540")])
def test_password_kinds(password: AccessPassword) -> None:
    info = info_of("GM", 12, Cipher.AES128)
    card = card_for(info, Cipher.AES128)
    assert run_pace(card, info, password, rng=os.urandom).password is password.kind
    assert card.template[0x83] == bytes([password.kind.value])


# ---- choice and parameters -----------------------------------------------------------------------------------------


def test_reference_of_domain_parameters_where_several_are_offered() -> None:
    infos = [info_of("GM", 12, Cipher.AES128), info_of("GM", 13, Cipher.AES128)]
    for info in infos:
        card = card_for(info, Cipher.AES128)
        run_pace(card, info, CAN, rng=os.urandom, offered=SecurityInfos.of(infos))
        assert card.template[0x84] == bytes([info.parameter_id or 0])
    alone = card_for(infos[0], Cipher.AES128)
    same = SecurityInfos.of([infos[0], info_of("IM", 12, Cipher.AES128)])
    run_pace(alone, infos[0], CAN, rng=os.urandom, offered=same)
    assert 0x84 not in alone.template


def test_template_for_terminal_authentication_is_sent() -> None:
    chat = unhex("7f4c12060904007f0007030102025305fe0f01ffff")
    info = info_of("GM", 12, Cipher.AES128)
    card = card_for(info, Cipher.AES128, authority_references=unhex("8703414141") + unhex("8803424242"))
    result = run_pace(card, info, CAN, rng=os.urandom, chat=chat)
    assert _tlv.encode(0x7F4C, card.template[0x7F4C]) == chat
    assert result.authority_references == (b"AAA", b"BBB")


def test_explicit_domain_parameters() -> None:
    curve = by_parameter_id(13)
    number = [_tlv.encode(0x02, b"\0" + v.to_bytes(32, "big")) for v in (curve.p, curve.n)]
    octets = [_tlv.encode(0x04, v.to_bytes(32, "big")) for v in (curve.a, curve.b)]
    field = _tlv.encode(0x30, unhex("06072a8648ce3d0101"), number[0])
    base = _tlv.encode(0x04, ec.encode_point(curve, ec.base_point(curve)))
    explicit = _tlv.encode(0x30, unhex("020101"), field, _tlv.encode(0x30, *octets), base, number[1], unhex("020101"))
    algorithm = _tlv.encode(0x30, unhex("06072a8648ce3d0201"), explicit)
    assert from_algorithm_identifier(algorithm) == EcDomain(curve)
    info = PaceInfo("0.4.0.127.0.7.2.2.4.2.2", 2, 40)
    offered = SecurityInfos.of([info, PaceDomainParameterInfo("0.4.0.127.0.7.2.2.4.2", algorithm, 40)])
    assert supported_pace(offered) == (info,)
    card = ModelCard(info.protocol, 13, Cipher.AES128, "GM", b"500540")
    assert_same_session(run_pace(card, info, CAN, rng=os.urandom, offered=offered), card)
    assert supported_pace(SecurityInfos.of([info])) == ()
    group = dh.by_parameter_id(2)
    numbers = [_tlv.encode(0x02, b"\0" + v.to_bytes(256, "big")) for v in (group.p, group.g)]
    pkcs3 = _tlv.encode(0x30, unhex("06092a864886f70d010301"), _tlv.encode(0x30, *numbers))
    assert from_algorithm_identifier(pkcs3) == standardized(2)


def test_preference() -> None:
    wanted = [
        info_of("CAM", 13, Cipher.AES128),
        info_of("GM", 13, Cipher.AES256),
        info_of("GM", 13, Cipher.AES128),
        info_of("GM", 12, Cipher.DES3),
        info_of("GM", 2, Cipher.AES256),
        info_of("IM", 13, Cipher.AES128),
    ]
    useless = [
        info_of("IM", 10, Cipher.AES128),
        PaceInfo(wanted[1].protocol, 1, 13),
        PaceInfo(wanted[1].protocol, 2, 5),
    ]
    useless.append(PaceInfo(wanted[1].protocol, 2, 0))  # a prime field under a protocol for curves
    offered = SecurityInfos.of([*useless, *reversed(wanted)])
    assert supported_pace(offered) == tuple(wanted)
    assert supported_pace(offered, preference=("IM",)) == (wanted[-1],)
    for info in useless:
        with pytest.raises(UnsupportedAlgorithmError):
            run_pace(ScriptedCard([]), info, CAN, rng=os.urandom)


# ---- wrong and hostile cards ---------------------------------------------------------------------------------------


def test_wrong_password() -> None:
    info = info_of("GM", 12, Cipher.AES128)
    with pytest.raises(WrongPasswordError, match="last 6") as caught:
        run_pace(card_for(info, Cipher.AES128), info, AccessPassword.can("314159"), rng=os.urandom)
    assert caught.value.tries_left is None
    assert "314159" not in str(caught.value)


class Refusing:
    """Answers one step with a status word."""

    def __init__(self, card: ModelCard, step: int, sw: int) -> None:
        self.card, self.left, self.sw = card, step, sw

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        answer = self.card.send(command)
        self.left -= 1
        return answer if self.left >= 0 else ResponseAPDU(b"", self.sw)


@pytest.mark.parametrize(
    ("step", "sw", "error", "tries"),
    [
        (0, 0x6A80, AccessDeniedError, None),
        (0, 0x6A88, AccessDeniedError, None),
        (0, 0x6D00, AccessDeniedError, None),
        (0, 0x63C0, CardLockedError, None),
        (0, 0x6283, CardLockedError, None),
        (1, 0x6982, AccessDeniedError, None),
        (1, 0x6983, CardLockedError, None),
        (2, 0x6A80, AccessDeniedError, None),
        (3, 0x6300, AccessDeniedError, None),
        (4, 0x6300, WrongPasswordError, None),
        (4, 0x6A80, WrongPasswordError, None),
        (4, 0x6982, WrongPasswordError, None),
        (4, 0x63C2, WrongPasswordError, 2),
        (4, 0x63C1, WrongPasswordError, 1),
        (4, 0x63C0, CardLockedError, None),
        (4, 0x6983, CardLockedError, None),
        (4, 0x6984, CardLockedError, None),
        (4, 0x6985, CardLockedError, None),
        (4, 0x6F00, AccessDeniedError, None),
    ],
)
def test_status_words(step: int, sw: int, error: type[AccessDeniedError], tries: int | None) -> None:
    info = info_of("GM", 12, Cipher.AES128)
    with pytest.raises(AccessDeniedError) as caught:
        run_pace(Refusing(card_for(info, Cipher.AES128), step, sw), info, CAN, rng=os.urandom)
    assert type(caught.value) is error
    assert f"{sw:04X}" in str(caught.value)
    if isinstance(caught.value, WrongPasswordError):
        assert caught.value.tries_left == tries


class Warned(Refusing):
    """Sets up the protocol with a warning about the password's counter."""

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        answer = self.card.send(command)
        return ResponseAPDU(b"", self.sw) if command.ins == 0x22 else answer


def test_a_transport_s_own_kind_of_error_stays_within_our_tree() -> None:
    """Somebody's transport raises a kind of its own while the PIN is judged; it is made in a way of its own, too."""

    class LinkLost(CardRemovedError):
        def __init__(self, *, port: int) -> None:
            super().__init__(f"port {port}")

    class Breaks:
        def __init__(self) -> None:
            self.card = card_for(info_of("GM", 12, Cipher.AES128), Cipher.AES128)

        def send(self, command: CommandAPDU) -> ResponseAPDU:
            if self.card.step == 3:
                raise LinkLost(port=7)
            return self.card.send(command)

    with pytest.raises(CardRemovedError, match=r"port 7\. .*may have been counted"):
        run_pace(Breaks(), info_of("GM", 12, Cipher.AES128), AccessPassword.pin("500540"), rng=os.urandom)


def test_counter_told_at_set_up() -> None:
    info = info_of("GM", 12, Cipher.AES128)
    card = Warned(card_for(info, Cipher.AES128), 0, 0x63C2)
    assert run_pace(card, info, AccessPassword.pin("500540"), rng=os.urandom).tries_left == 2
    suspended = Warned(card_for(info, Cipher.AES128), 0, 0x63C1)
    with pytest.raises(CardLockedError, match="suspended"):
        run_pace(suspended, info, AccessPassword.pin("500540"), rng=os.urandom)
    assert run_pace(suspended, info, CAN, rng=os.urandom).tries_left == 1


@pytest.mark.parametrize(("step", "sent", "tag"), [(2, 0x81, 0x82), (3, 0x83, 0x84)])
def test_reflected_keys_are_refused(step: int, sent: int, tag: int) -> None:
    info = info_of("GM", 12, Cipher.AES128)
    card = card_for(info, Cipher.AES128)

    class Reflecting:
        def send(self, command: CommandAPDU) -> ResponseAPDU:
            answer = card.send(command)
            if card.step != step:
                return answer
            mine = _tlv.parse(command.data, 0x7C, what="test").first(sent)
            assert mine is not None
            return ResponseAPDU(_tlv.encode(0x7C, _tlv.encode(tag, mine.value)), 0x9000)

    with pytest.raises(ProtocolError, match="own key"):
        run_pace(Reflecting(), info, CAN, rng=os.urandom)


def replaced(step: int, body: bytes) -> Callable[[int, bytes], bytes]:
    return lambda at, genuine: body if at == step else genuine


POINT = ec.encode_point(by_parameter_id(12), ec.base_multiply(by_parameter_id(12), 99))


@pytest.mark.parametrize(
    ("step", "body"),
    [
        (1, b""),
        (1, _tlv.encode(0x80, bytes(15))),
        (1, _tlv.encode(0x80, bytes(80))),
        (1, _tlv.encode(0x80, bytes(16)) * 2),
        (2, b""),
        (2, _tlv.encode(0x82, b"")),
        (2, _tlv.encode(0x82, POINT[:-1])),
        (2, _tlv.encode(0x82, POINT[:-1] + bytes([POINT[-1] ^ 1]))),
        (2, _tlv.encode(0x82, b"\0")),
        (2, _tlv.encode(0x82, b"\x04" + bytes(64))),
        (3, b""),
        (3, _tlv.encode(0x84, POINT[:-1] + bytes([POINT[-1] ^ 1]))),
        (3, _tlv.encode(0x84, b"\x02" + POINT[1:33])),
        (4, b""),
        (4, _tlv.encode(0x86, bytes(8))),
        (4, _tlv.encode(0x86, b"")),
        (4, _tlv.encode(0x86, bytes(7))),
        (4, b"\x86\x80"),
    ],
)
def test_hostile_answers(step: int, body: bytes) -> None:
    info = info_of("GM", 12, Cipher.AES128)
    with pytest.raises((ProtocolError, MalformedDataError)):
        run_pace(card_for(info, Cipher.AES128, tamper=replaced(step, body)), info, CAN, rng=os.urandom)


def test_every_flipped_bit_of_the_cards_token_is_refused() -> None:
    example = load("pace_ecdh_gm")
    secrets = example["map_nonce"]["terminal_private_key"], example["key_agreement"]["terminal_ephemeral_private_key"]
    for bit in range(0, 64, 5):
        script = [(a["command"], a["response"]) for a in example["apdus"]]
        token = bytearray(unhex(script[-1][1]))
        token[4 + bit // 8] ^= 1 << bit % 8
        script[-1] = (script[-1][0], token.hex())
        with pytest.raises(AccessDeniedError, match="does not verify"):
            run_pace(
                ScriptedCard(script), PaceInfo(example["protocol_oid"], 2, 13), password_of(example), rng=feed(*secrets)
            )


@pytest.mark.parametrize("element", [0, 1, -1, 2])
def test_small_subgroups_of_prime_fields(element: int) -> None:
    info = info_of("GM", 0, Cipher.AES128)
    group = dh.by_parameter_id(0)
    for step, tag in ((2, 0x82), (3, 0x84)):
        body = _tlv.encode(tag, group.encode(element % group.p))
        with pytest.raises(MalformedDataError):
            run_pace(card_for(info, Cipher.AES128, tamper=replaced(step, body)), info, CAN, rng=os.urandom)


# ---- explicit prime fields: EF.CardAccess is not signed when PACE runs ----------------------------------------------


def dh_offer(p: int, g: int, q: int | None) -> tuple[PaceInfo, SecurityInfos]:
    """EF.CardAccess with these parameters: PKCS #3 without an order, X9.42 with one."""
    numbers = [_tlv.encode(0x02, b"\0" + v.to_bytes((v.bit_length() + 7) // 8, "big")) for v in (p, g, q) if v]
    oid = unhex("06092a864886f70d010301" if q is None else "06072a8648ce3e0201")
    algorithm = _tlv.encode(0x30, oid, _tlv.encode(0x30, *numbers))
    info = PaceInfo("0.4.0.127.0.7.2.2.4.1.2", 2, 40)
    return info, SecurityInfos.of([info, PaceDomainParameterInfo("0.4.0.127.0.7.2.2.4.1", algorithm, 40)])


class Impostor:
    """Knows no password: its key has a small order, so that the shared secret is one of a few numbers."""

    def __init__(self, info: PaceInfo, p: int, order: int) -> None:
        self.info, self.p, self.order = info, p, order
        self.key = next(k for h in range(2, 99) if (k := pow(h, (p - 1) // order, p)) != 1)
        self.token = b""

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        if command.ins == 0x22:
            return ResponseAPDU(b"", 0x9000)
        got = next(_tlv.iter_tlv(_tlv.parse(command.data, 0x7C, what="test").value, what="test"), None)
        if got is None:
            body = _tlv.encode(0x80, os.urandom(16))
        elif got.tag == 0x81:
            body = _tlv.encode(0x82, self.encode(5))
        elif got.tag == 0x83:
            self.terminal_key, body = got.value, _tlv.encode(0x84, self.encode(self.key))
        else:
            body = _tlv.encode(0x86, self.forge(got.value))
        return ResponseAPDU(_tlv.encode(0x7C, body), 0x9000)

    def forge(self, token: bytes) -> bytes:
        for power in range(self.order):
            secret = pow(self.key, power, self.p).to_bytes((self.p.bit_length() + 7) // 8, "big")
            mac = derive(secret, 2, Cipher.AES128)
            if block.mac(Cipher.AES128, mac, self.public_key(self.encode(self.key))) == token:
                return block.mac(Cipher.AES128, mac, self.public_key(self.terminal_key))
        return bytes(8)

    def public_key(self, value: bytes) -> bytes:
        return _tlv.encode(0x7F49, oid_object(self.info.protocol), _tlv.encode(0x84, value))

    @staticmethod
    def encode(element: int) -> bytes:
        return element.to_bytes((element.bit_length() + 7) // 8, "big")


GROUP = dh.by_parameter_id(1)


@pytest.mark.parametrize("order", [None, "composite"])
def test_a_chip_without_the_password_does_not_get_through_by_a_key_of_small_order(order: str | None) -> None:
    assert GROUP.q is not None
    q = None if order is None else 3 * GROUP.q
    g = next(
        g for h in range(2, 99) if pow(g := pow(h, (GROUP.p - 1) // (3 * GROUP.q), GROUP.p), GROUP.q, GROUP.p) != 1
    )
    info, offered = dh_offer(GROUP.p, g, q)
    with pytest.raises(UnsupportedAlgorithmError, match="prime order"):
        run_pace(Impostor(info, GROUP.p, 3), info, CAN, rng=os.urandom, offered=offered)
    assert supported_pace(offered) == ()


def test_the_impostor_gets_through_where_nothing_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test above tests something."""
    info, offered = dh_offer(GROUP.p, 5, None)
    monkeypatch.setattr("idverify.chip.access.pace.is_prime_order", lambda group: True)
    assert run_pace(Impostor(info, GROUP.p, 3), info, CAN, rng=os.urandom, offered=offered).secure_messaging.alive


def test_a_modulus_of_known_factors_is_refused() -> None:
    """Its maker computes logarithms in the small fields, and tries all passwords on one run."""
    q = dh.by_parameter_id(0).q
    assert q is not None
    factors = [r for k in range(1 << 351, (1 << 351) + 4000) if dh._is_prime(r := 2 * k * q + 1)][:2]
    p = factors[0] * factors[1]
    one = pow(2, (factors[0] - 1) // q, factors[0])
    g = 1 + factors[1] * ((one - 1) * pow(factors[1], -1, factors[0]) % factors[0])
    assert (pow(g, q, p), p.bit_length() >= dh.MIN_BITS, (p - 1) % q) == (1, True, 0)
    _, offered = dh_offer(p, g, q)
    assert supported_pace(offered) == ()


def test_an_explicit_subgroup_of_prime_order_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert GROUP.q is not None
    g = pow(GROUP.g, 7, GROUP.p)  # another generator: none of the standardised groups
    info, offered = dh_offer(GROUP.p, g, GROUP.q)
    assert supported_pace(offered) == (info,)
    group = group_of(1)
    group.generator = g
    monkeypatch.setattr(model_card, "group_of", lambda parameter_id: group)
    card = ModelCard(info.protocol, 1, Cipher.AES128, "GM", b"500540")
    assert_same_session(run_pace(card, info, CAN, rng=os.urandom, offered=offered), card)


@pytest.mark.parametrize("n", [1, 0, 4, 561, 1_373_653, 25_326_001, 3_215_031_751, (1 << 127) - 3])
def test_composites_and_pseudoprimes_are_no_primes(n: int) -> None:
    assert not dh._is_prime(n)


@pytest.mark.parametrize("openssl", [True, False])
def test_primes_are_primes(monkeypatch: pytest.MonkeyPatch, openssl: bool) -> None:
    if not openssl:
        monkeypatch.setattr(dh._libcrypto, "power", lambda *arguments: None)
    for n in (2, 3, 37, 41, 7919, (1 << 127) - 1, *(group.q for group in dh.GROUPS if group.q)):
        assert dh._is_prime(n)
    assert dh._is_prime(dh.by_parameter_id(0).p)
    assert not dh._is_prime(dh.by_parameter_id(0).p * 41)


def test_integrated_mapping_takes_no_mapping_data() -> None:
    info = info_of("IM", 12, Cipher.AES128)
    card = card_for(info, Cipher.AES128, tamper=replaced(2, b""))  # 7C00, as good as 7C028200
    assert_same_session(run_pace(card, info, CAN, rng=os.urandom), card)
    with pytest.raises(ProtocolError, match="where none belong"):
        run_pace(card_for(info, Cipher.AES128, tamper=replaced(2, unhex("820101"))), info, CAN, rng=os.urandom)
    for cipher, size in ((Cipher.AES256, 16), (Cipher.AES128, 32)):
        with pytest.raises(MalformedDataError, match="nonce"):
            pseudo_random(cipher, bytes(size), bytes(cipher.key_bytes), by_parameter_id(12).p)


@pytest.mark.parametrize("body", [b"", _tlv.encode(0x8A, bytes(16)), _tlv.encode(0x8A, bytes(15))])
def test_bad_chip_authentication_data(body: bytes) -> None:
    info = info_of("CAM", 13, Cipher.AES128)

    def tamper(step: int, genuine: bytes) -> bytes:
        return genuine[:10] + body if step == 4 else genuine

    with pytest.raises((ProtocolError, MalformedDataError)):
        run_pace(card_for(info, Cipher.AES128, static_secret=5, tamper=tamper), info, CAN, rng=os.urandom)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=80), min_size=5, max_size=5), st.sampled_from(["GM", "IM", "CAM"]))
def test_arbitrary_answers_raise_errors_of_our_tree(answers: list[bytes], mapping: str) -> None:
    class Noise:
        def send(self, command: CommandAPDU) -> ResponseAPDU:
            data = answers.pop()
            wrapped = _tlv.encode(0x7C, data) if len(data) % 2 else data
            return ResponseAPDU(wrapped if command.ins == 0x86 else b"", 0x9000)

    with pytest.raises(IdVerifyError):
        run_pace(Noise(), info_of(mapping, 13, Cipher.AES128), CAN, rng=os.urandom)


@pytest.mark.parametrize(
    ("build", "error"),
    [
        (lambda: PublicKeys.ec(13, 7)[:-1], MalformedDataError),
        (lambda: _tlv.encode(0x30), MalformedDataError),
        (lambda: PublicKeys.ec(13, 7).replace(b"\x02\x01\x0d", b"\x02\x01\x13"), UnsupportedAlgorithmError),
        (lambda: PublicKeys.ec(13, 7).replace(b"\x02\x01\x0d", b"\x02\x01\x0c"), MalformedDataError),
    ],
)
def test_static_keys_that_cannot_be_used(build: Callable[[], bytes], error: type[Exception]) -> None:
    info = info_of("CAM", 13, Cipher.AES128)
    card = card_for(info, Cipher.AES128, static_secret=7)
    cam = run_pace(card, info, CAN, rng=os.urandom).cam
    assert cam is not None
    assert verify_cam(cam, ChipAuthenticationPublicKeyInfo("0.4.0.127.0.7.2.2.1.2", PublicKeys.ec(13, 7)).public_key)
    with pytest.raises(error):
        verify_cam(cam, build())


def test_model_group_is_another_implementation() -> None:
    """The Jacobian and the affine point encoding give the same point, but for its sign."""
    for parameter_id in (9, 12, 13, 17):
        group, domain = group_of(parameter_id), standardized(parameter_id)
        assert isinstance(domain, EcDomain)
        assert isinstance(group, EcGroup)
        point = domain.map_integrated(1234567).generator
        assert point is not None
        other: Any = group.integrated(1234567)
        assert point.x == int(other.x())
        assert int(other.y()) in (point.y, domain.field_prime - point.y)
