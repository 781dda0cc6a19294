from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from tests.shared import shared
from tests.unit.chip.access.model_card import EcGroup, derive, group_of, oid_object

from idverify import _tlv
from idverify._secret import Secret
from idverify.chip.access.chip_auth import (
    CONFIRMATION,
    ChipAuthChoice,
    chip_auth_choices,
    run_chip_auth,
    verify_chip_auth,
)
from idverify.chip.access.domain import EcDomain, static_key
from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.security_infos import (
    ChipAuthenticationInfo,
    ChipAuthenticationPublicKeyInfo,
    SecurityInfos,
    standardized_algorithm_identifier,
)
from idverify.crypto import block
from idverify.crypto.block import Cipher
from idverify.errors import (
    AccessDeniedError,
    MalformedDataError,
    SecureMessagingError,
    StatusWordError,
    UnsupportedAlgorithmError,
)

ARCS = {Cipher.DES3: 1, Cipher.AES128: 2, Cipher.AES192: 3, Cipher.AES256: 4}
SECRET = 0x1B0A7F00DDEADBEEF


def protocol(parameter_id: int, cipher: Cipher) -> str:
    return f"0.4.0.127.0.7.2.2.3.{1 if parameter_id < 8 else 2}.{ARCS[cipher]}"


def public_key(parameter_id: int, secret: int = SECRET) -> bytes:
    group = group_of(parameter_id)
    encoded = group.encode(group.power(group.generator, secret))  # type: ignore[arg-type]
    body = encoded if parameter_id > 7 else _tlv.encode(0x02, b"\0" + encoded)
    return _tlv.encode(0x30, standardized_algorithm_identifier(parameter_id), _tlv.encode(0x03, b"\0" + body))


def choice(parameter_id: int, cipher: Cipher, key_id: int | None = None) -> ChipAuthChoice:
    return ChipAuthChoice(protocol(parameter_id, cipher), cipher, public_key(parameter_id), key_id)


class StaticCard:
    """A card that knows (or does not know) a static private key; arithmetic of another implementation."""

    def __init__(self, parameter_id: int, cipher: Cipher, *, secret: int = SECRET, kat: bool = True) -> None:
        self.group: Any = group_of(parameter_id)
        self.cipher, self.secret, self.kat = cipher, secret, kat
        self.oid = _tlv.read_tlv(oid_object(protocol(parameter_id, cipher))).value
        self.objects: dict[int, bytes] = {}
        self.sent: list[CommandAPDU] = []
        self.keys: tuple[bytes, bytes] | None = None
        self.refuse: dict[tuple[int, int], int] = {}
        self.answer = b""

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        self.sent.append(command)
        refused = self.refuse.get((command.ins, command.p2))
        if refused:
            return ResponseAPDU(b"", refused)
        if command.ins == 0x22 and command.p2 == 0xA6:
            if not self.kat:
                return ResponseAPDU(b"", 0x6A86)
            self.objects = {t.tag: t.value for t in _tlv.iter_tlv(command.data)}
            self._agree(self.objects[0x91])
            return ResponseAPDU(b"", 0x9000)
        if command.ins == 0x22:
            self.objects = {t.tag: t.value for t in _tlv.iter_tlv(command.data)}
            assert self.objects[0x80] == self.oid
            return ResponseAPDU(b"", 0x9000)
        assert (command.cla, command.ins) == (0x00, 0x86)
        child = _tlv.parse(command.data, 0x7C, what="test").first(0x80)
        assert child is not None
        self._agree(child.value)
        return ResponseAPDU(b"\x7c\x00", 0x9000)

    def _agree(self, peer: bytes) -> None:
        shared_secret = self.group.secret_bytes(self.group.power(self.group.decode(peer), self.secret))
        self.keys = derive(shared_secret, 1, self.cipher), derive(shared_secret, 2, self.cipher)


class Below:
    """The same card below secure messaging: it checks the command's code and answers 6A82, protected."""

    def __init__(self, card: StaticCard) -> None:
        self.card = card

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        card = self.card
        assert card.keys is not None
        size, mac_key = card.cipher.block_bytes, card.keys[1]
        header = block.pad(bytes((command.cla, command.ins, command.p1, command.p2)), size)
        body, code = command.data[:-10], command.data[-8:]
        data = (1).to_bytes(size, "big") + header + body
        if self._mac(data, mac_key) != code:
            return ResponseAPDU(b"", 0x6988)
        answer = bytes.fromhex("99026a82")
        return ResponseAPDU(answer + b"\x8e\x08" + self._mac((2).to_bytes(size, "big") + answer, mac_key), 0x6A82)

    def _mac(self, data: bytes, key: bytes) -> bytes:
        if self.card.cipher is not Cipher.DES3:
            data = block.pad(data, 16)
        return block.mac(self.card.cipher, key, data)


def run(card: StaticCard, chosen: ChipAuthChoice) -> Any:
    return run_chip_auth(card, Below(card), chosen, rng=os.urandom)


@pytest.mark.parametrize(
    ("parameter_id", "cipher"),
    [(13, c) for c in Cipher]
    + [(p, list(Cipher)[p % 4]) for p in range(8, 19)]
    + [(0, Cipher.DES3), (0, Cipher.AES128), (1, Cipher.AES192), (2, Cipher.AES256)],
)
def test_every_group(parameter_id: int, cipher: Cipher) -> None:
    card = StaticCard(parameter_id, cipher)
    result = run(card, choice(parameter_id, cipher))
    assert result.proven
    assert result.secure_messaging.alive
    assert verify_chip_auth(public_key(parameter_id), result.evidence)
    assert 0x84 not in card.objects
    commands = [(c.ins, c.p1, c.p2) for c in card.sent]
    if cipher is Cipher.DES3:
        assert commands == [(0x22, 0x41, 0xA6)]
    else:
        assert commands == [(0x22, 0x41, 0xA4), (0x86, 0, 0)]
    if isinstance(card.group, EcGroup):
        assert len(result.terminal_key_compressed) == card.group.size
    else:
        assert len(result.terminal_key_compressed) == 20


@pytest.mark.parametrize("cipher", [Cipher.DES3, Cipher.AES128], ids=lambda c: c.label)
def test_copy_without_the_private_key(cipher: Cipher) -> None:
    """Everything goes well until the first answer under the new keys."""
    card = StaticCard(13, cipher, secret=SECRET + 1)
    result = run(card, choice(13, cipher))
    assert not result.proven
    assert not result.secure_messaging.alive
    assert not verify_chip_auth(public_key(13), result.evidence)
    assert not verify_chip_auth(public_key(13), replace(result.evidence, verified=True))
    with pytest.raises(SecureMessagingError):
        result.secure_messaging.protect(CONFIRMATION)


@pytest.mark.parametrize(("key_id", "encoded"), [(0, "00"), (1, "01"), (65, "41"), (200, "c8"), (0x1234, "1234")])
@pytest.mark.parametrize("cipher", [Cipher.DES3, Cipher.AES256], ids=lambda c: c.label)
def test_key_identifiers(key_id: int, encoded: str, cipher: Cipher) -> None:
    card = StaticCard(12, cipher)
    assert run(card, choice(12, cipher, key_id)).proven
    assert card.objects[0x84].hex() == encoded


def test_3des_over_the_newer_commands() -> None:
    card = StaticCard(12, Cipher.DES3, kat=False)
    assert run(card, choice(12, Cipher.DES3)).proven
    assert [(c.ins, c.p2) for c in card.sent] == [(0x22, 0xA6), (0x22, 0xA4), (0x86, 0)]
    old = StaticCard(12, Cipher.DES3, kat=False)
    with pytest.raises(AccessDeniedError, match="Set KAT"):
        run(old, replace(choice(12, Cipher.DES3), inferred=True))


@pytest.mark.parametrize(
    ("step", "name"), [((0x22, 0xA4), "Set AT"), ((0x86, 0), "GENERAL"), ((0x22, 0xA6), "Set KAT")]
)
def test_refusals(step: tuple[int, int], name: str) -> None:
    cipher = Cipher.DES3 if step[1] == 0xA6 else Cipher.AES128
    card = StaticCard(12, cipher)
    card.refuse[step] = 0x6982
    with pytest.raises(AccessDeniedError, match=name) as caught:
        run(card, choice(12, cipher))
    assert isinstance(caught.value.__cause__, StatusWordError)


def test_evidence_stands_for_one_key_and_one_answer() -> None:
    evidence = run(StaticCard(13, Cipher.AES128), choice(13, Cipher.AES128)).evidence
    assert not verify_chip_auth(public_key(13, SECRET + 1), evidence)
    other = public_key(13, SECRET + 1)
    assert not verify_chip_auth(other, replace(evidence, public_key=other))
    for bit in range(8 * len(evidence.response)):
        altered = bytearray(evidence.response)
        altered[bit // 8] ^= 1 << bit % 8
        assert not verify_chip_auth(public_key(13), replace(evidence, response=bytes(altered)))
    assert not verify_chip_auth(public_key(13), replace(evidence, terminal_secret=Secret(0)))
    with pytest.raises(UnsupportedAlgorithmError):
        verify_chip_auth(public_key(13), replace(evidence, protocol="1.2.3"))
    assert str(evidence.terminal_secret.reveal()) not in repr(evidence)


# ---- what DG14 offers ------------------------------------------------------------------------------------------------


def key_info(parameter_id: int, key_id: int | None = None) -> ChipAuthenticationPublicKeyInfo:
    arc = 1 if parameter_id < 8 else 2
    return ChipAuthenticationPublicKeyInfo(f"0.4.0.127.0.7.2.2.1.{arc}", public_key(parameter_id), key_id)


def ca_info(parameter_id: int, cipher: Cipher, key_id: int | None = None, version: int = 1) -> ChipAuthenticationInfo:
    return ChipAuthenticationInfo(protocol(parameter_id, cipher), version, key_id)


def offered(*infos: Any) -> list[tuple[str, int | None, bool]]:
    found = chip_auth_choices(SecurityInfos.of(infos))
    return [(c.cipher.label, c.key_id, c.inferred) for c in found]


def test_choices() -> None:
    assert offered() == []
    assert offered(key_info(13)) == [("3DES", None, True)]
    assert offered(key_info(13, 7)) == [("3DES", 7, True)]
    assert offered(key_info(13), ca_info(13, Cipher.AES128)) == [("AES-128", None, False)]
    several = [ca_info(13, c) for c in (Cipher.DES3, Cipher.AES256, Cipher.AES128)]
    assert [label for label, *_ in offered(key_info(13), *several)] == ["AES-256", "AES-128", "3DES"]
    # identifiers pair keys and infos; one side may leave its identifier out where there is one key only
    two = offered(key_info(13, 1), key_info(12, 2), ca_info(13, Cipher.AES128, 2), ca_info(13, Cipher.DES3, 1))
    assert two == [("AES-128", 2, False), ("3DES", 1, False)]
    assert offered(key_info(13, 5), ca_info(13, Cipher.AES128)) == [("AES-128", 5, False)]
    assert offered(key_info(13), ca_info(13, Cipher.AES128, 5)) == [("AES-128", 5, False)]
    # an info for a prime field says nothing about a key on a curve
    assert offered(key_info(13), ca_info(0, Cipher.AES128)) == [("3DES", None, True)]
    assert offered(key_info(13), ca_info(13, Cipher.AES128, version=2)) == []
    broken = replace(key_info(13), public_key=key_info(13).public_key[:-1])
    assert offered(broken, ca_info(13, Cipher.AES128)) == []


@pytest.mark.parametrize("name", ["bsi_tr03105_5", "etsi_eacaa", "jmrtd_bsi2008", "icao_9303"])
def test_published_files_offer_something(name: str) -> None:
    file = "dg14_sample.bin" if name == "icao_9303" else "dg14.bin"
    infos = DG14.parse(shared(f"vectors/lds/{name}/{file}").read_bytes()).security_infos
    choices = chip_auth_choices(infos)
    assert choices
    assert choices[0].cipher is Cipher.DES3


def test_private_key_of_the_published_file() -> None:
    """The BSI reference set comes with the private key of its DG14."""
    infos = DG14.parse(shared("vectors/lds/bsi_tr03105_5/dg14.bin").read_bytes()).security_infos
    chosen = chip_auth_choices(infos)[0]
    outer = _tlv.read_tlv(shared("vectors/lds/bsi_tr03105_5/dg14_private_key.der").read_bytes())
    private = _tlv.read_tlv(outer.children()[2].value).children()[1].value  # PKCS #8, then RFC 5915
    domain = static_key(chosen.public_key).domain
    assert isinstance(domain, EcDomain)
    card = StaticCard(domain.curve.parameter_id, chosen.cipher, secret=int.from_bytes(private, "big"))
    result = run(card, chosen)
    assert result.proven
    assert verify_chip_auth(chosen.public_key, result.evidence)


def test_unusable_keys() -> None:
    for bad, error in ((b"\x30\x00", MalformedDataError), (b"", MalformedDataError)):
        with pytest.raises(error):
            run(StaticCard(13, Cipher.AES128), replace(choice(13, Cipher.AES128), public_key=bad))
