"""Both sides of every protocol, each with code of its own, over the whole channel."""

from __future__ import annotations

import os

import pytest

from idverify import emulator
from idverify.chip.access.active_auth import run_active_auth, verify_active_auth
from idverify.chip.access.bac import run_bac
from idverify.chip.access.chip_auth import chip_auth_choices, run_chip_auth, verify_chip_auth
from idverify.chip.access.pace import run_pace, supported_pace
from idverify.chip.access.password import AccessPassword
from idverify.chip.iso7816.apdu import CardChannel, CommandAPDU
from idverify.chip.iso7816.channel import ChannelStack, Link
from idverify.chip.iso7816.limits import CardLimits
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.dg15 import DG15
from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import SecurityInfos
from idverify.chip.secure_messaging import SecureMessaging
from idverify.chip.transport.memory import MemoryTransport
from idverify.errors import AccessDeniedError, WrongPasswordError

SELECT = CommandAPDU(0x00, 0xA4, 0x04, 0x0C, data=bytes.fromhex("a0000002471001"))
PACE_PROFILES = [
    "cccd-2021",
    "passport-pace-im",
    "passport-pace-cam",
    "passport-pace-many",
    "passport-pace-3des",
    "passport-eac",
]


def stack_of(card: emulator.Card) -> ChannelStack:
    return ChannelStack(Link(MemoryTransport(card)), CardLimits())


def mrz(card: emulator.Card) -> AccessPassword:
    return AccessPassword.from_mrz_text(card.mrz)


def open_by_bac(stack: ChannelStack, card: emulator.Card) -> CardChannel:
    plain = stack.plain()
    assert plain.send(SELECT).ok
    return stack.secure(run_bac(plain, mrz(card), rng=os.urandom))


def read(channel: CardChannel, file: FileId) -> bytes:
    assert file.sfi is not None
    response = channel.send(CommandAPDU(0x00, 0xB0, 0x80 | file.sfi, 0x00, le=64))
    assert response.sw in (0x9000, 0x6282)
    return response.data


@pytest.mark.parametrize("profile", PACE_PROFILES)
def test_every_pace_that_a_profile_offers(profile: str) -> None:
    card = emulator.personalise(profile, seed=11)
    infos = SecurityInfos.parse_card_access(card.files[FileId.CARD_ACCESS])
    usable = supported_pace(infos)
    assert len(usable) == len(infos.pace)
    for info in usable:
        card.reset()
        stack = stack_of(card)
        result = run_pace(stack.plain(), info, mrz(card), rng=os.urandom, offered=infos)
        assert (result.cam is not None) == (info.mapping == "CAM")
        channel = stack.secure(result.secure_messaging)
        assert channel.send(SELECT).ok
        assert card.files[FileId.DG1].startswith(read(channel, FileId.DG1))


def test_wrong_can_and_wrong_mrz() -> None:
    card = emulator.citizen_card(seed=12)
    infos = SecurityInfos.parse_card_access(card.files[FileId.CARD_ACCESS])
    wrong = AccessPassword.can(f"{(int(card.can or '0') + 1) % 1_000_000:06}")
    with pytest.raises(WrongPasswordError):
        run_pace(stack_of(card).plain(), infos.pace[0], wrong, rng=os.urandom, offered=infos)
    plain = stack_of(card).plain()
    assert plain.send(SELECT).ok
    with pytest.raises(WrongPasswordError, match="9 digits"):
        run_bac(plain, AccessPassword.mrz("000000000", "900101", "300101"), rng=os.urandom)


def test_open_chip_is_not_taken_for_a_locked_one() -> None:
    card = emulator.personalise("passport-open", seed=13)
    with pytest.raises(AccessDeniedError) as caught:
        open_by_bac(stack_of(card), card)
    assert type(caught.value) is AccessDeniedError


@pytest.mark.parametrize("profile", ["cccd-2021", "passport-aa-rsa", "passport-aa-ecdsa"])
def test_active_authentication_and_copies(profile: str) -> None:
    card = emulator.personalise(profile, seed=14)
    key = DG15.parse(card.files[FileId.DG15]).public_key
    evidence = run_active_auth(open_by_bac(stack_of(card), card), key, rng=os.urandom)
    assert evidence.verified
    assert verify_active_auth(key, evidence)
    copy = emulator.copied_card(card)
    channel = open_by_bac(stack_of(copy), copy)
    assert not run_active_auth(channel, key, rng=os.urandom).verified


@pytest.mark.parametrize("profile", ["cccd-2021", "passport-eac", "passport-eac-bac"])
def test_chip_authentication_and_what_follows(profile: str) -> None:
    card = emulator.personalise(profile, seed=15)
    stack = stack_of(card)
    channel: CardChannel
    if FileId.CARD_ACCESS in card.files:
        infos = SecurityInfos.parse_card_access(card.files[FileId.CARD_ACCESS])
        result = run_pace(stack.plain(), infos.pace[0], mrz(card), rng=os.urandom, offered=infos)
        old: SecureMessaging = result.secure_messaging
        channel = stack.secure(old)
        assert channel.send(SELECT).ok
    else:
        channel = open_by_bac(stack, card)
    (choice, *_) = chip_auth_choices(DG14.parse(card.files[FileId.DG14]).security_infos)
    chip = run_chip_auth(channel, stack.plain(), choice, rng=os.urandom)
    assert chip.proven
    assert verify_chip_auth(choice.public_key, chip.evidence)
    again = stack.secure(chip.secure_messaging)
    assert card.files[FileId.DG1].startswith(read(again, FileId.DG1))
