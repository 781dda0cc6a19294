"""The chip command by command: published exchanges byte for byte, then the rules of files and access."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from idverify.chip.access.bac import run_bac
from idverify.chip.access.password import AccessPassword
from idverify.chip.iso7816.apdu import CommandAPDU
from idverify.chip.lds.files import FileId
from idverify.chip.transport.base import SoftCard
from idverify.emulator import (
    CCCD_CARD_ACCESS,
    EMRTD_AID,
    Card,
    CardImage,
    PaceOption,
    Quirks,
    citizen_card,
    personalise,
    with_quirks,
)
from idverify.errors import CardLockedError, SecureMessagingError, WrongPasswordError
from tests.emulator.terminal import SELECT_APPLICATION, SELECT_CARD_ACCESS, Terminal
from tests.emulator.test_pace import feed

FOLDER = Path(__file__).parents[1] / "vectors"
COM_OF_APPENDIX_D = bytes.fromhex("60145f0104303130365f36063034303030305c026175")


def vector(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def citizen() -> Card:
    return citizen_card(seed="card tests", aa="brainpoolP256r1")


def test_appendix_d_from_the_first_to_the_last_command() -> None:
    bac, sm = vector("bac"), vector("sm_3des")
    image = CardImage(
        profile="icao", files={FileId.COM: COM_OF_APPENDIX_D}, mrz_information=bac["mrz"]["mrz_information"]
    )
    terminal = Terminal(Card(image, rng=feed(bac["rnd_ic"], bac["k_ic"])))
    assert terminal.raw(SELECT_APPLICATION) == "9000"
    for exchange in bac["apdus"]:
        assert terminal.raw(exchange["command"]) == exchange["response"]
    for exchange in sm["exchanges"]:
        assert terminal.raw(exchange["protected_command"]) == exchange["protected_response"]


@pytest.mark.parametrize(("name", "parameter"), [("pace_ecdh_gm", 13), ("pace_dh_gm", 0)])
def test_appendix_g_from_the_first_to_the_last_command(name: str, parameter: int) -> None:
    data = vector(name)
    image = CardImage(
        profile="icao",
        files={FileId.CARD_ACCESS: bytes.fromhex(data["ef_cardaccess"])},
        mrz_information=data["password"]["mrz_information"],
        pace=(PaceOption("GM", parameter),),
    )
    secrets = (data["map_nonce"]["chip_private_key"], data["key_agreement"]["chip_ephemeral_private_key"])
    card = Card(image, rng=feed(data["nonce_s"], *secrets))
    for exchange in data["apdus"]:
        assert card.process(bytes.fromhex(exchange["command"])).hex() == exchange["response"]


def test_it_is_a_soft_card(citizen: Card) -> None:
    assert isinstance(citizen, SoftCard)
    check = 0
    for byte in citizen.atr[1:]:
        check ^= byte
    assert citizen.atr[0] == 0x3B
    assert check == 0


def test_citizen_card_before_access(citizen: Card) -> None:
    terminal = Terminal(citizen.fresh())
    assert terminal.raw("00a4000c023f00") == "6d00"  # SELECT MF
    assert terminal.raw(SELECT_CARD_ACCESS) == "9000"
    assert terminal.raw("00b0000000") == CCCD_CARD_ACCESS.hex() + "9000"
    assert terminal.raw("00b09c0000") == CCCD_CARD_ACCESS.hex() + "9000"
    assert terminal.raw("00b000044e") == CCCD_CARD_ACCESS[4:].hex() + "6282"
    assert terminal.raw("00b0003600") == "6b00"
    assert terminal.raw("00a4020c02011d") == "6982"  # EF.CardSecurity is protected
    assert terminal.raw(SELECT_APPLICATION) == "9000"
    assert terminal.raw("00a4020c020101") == "6982"
    assert terminal.raw("00b0810000") == "6982"
    assert terminal.raw("00b0000000") == "6986"
    assert terminal.raw("00a4020c02010b") == "6982"  # nor does it say what is not there


@pytest.mark.parametrize("how", ["bac", "can", "mrz"])
def test_citizen_card_after_access(citizen: Card, how: str) -> None:
    terminal = Terminal(citizen.fresh())
    if how == "bac":
        terminal.bac()
    else:
        terminal.pace(None if how == "can" else AccessPassword.from_mrz_text(citizen.mrz))
    for file in (FileId.COM, FileId.SOD, FileId.DG1, FileId.DG13, FileId.DG14, FileId.DG15):
        assert terminal.read(file.sfi or 0) == citizen.files[file]
    for file, sw in ((FileId.DG3, 0x6982), (FileId.DG11, 0x6A82), (FileId.DG4, 0x6A82)):
        assert terminal.send(CommandAPDU(0, 0xA4, 2, 0x0C, file.fid.to_bytes(2, "big"))).sw == sw
        assert terminal.send(CommandAPDU(0, 0xB0, 0x80 | (file.sfi or 0), 0, le=10)).sw == sw


def test_wrong_keys_are_6300(citizen: Card) -> None:
    wrong = AccessPassword.mrz("000000001", "900101", "300101")
    terminal = Terminal(citizen.fresh())
    terminal.raw(SELECT_APPLICATION)
    with pytest.raises(WrongPasswordError):
        run_bac(terminal, wrong, rng=terminal.rng)
    assert terminal.card.wrong_keys == 1
    with pytest.raises(WrongPasswordError):
        Terminal(citizen.fresh()).pace(AccessPassword.can("000000"))
    card = Card(with_quirks(citizen.image, lock_after=2))
    for _ in range(2):
        with pytest.raises(WrongPasswordError):
            Terminal(card).pace(AccessPassword.can("000000"))
        card.reset()
    assert Terminal(card).raw("0022c1a40f800a04007f00070202040202830102") == "6983"


def test_external_authenticate_needs_a_fresh_challenge(citizen: Card) -> None:
    card = citizen.fresh()
    terminal = Terminal(card)
    command = "0082000028" + "11" * 40 + "28"
    assert terminal.raw(command) == "6985"  # no application yet
    terminal.raw(SELECT_APPLICATION)
    assert terminal.raw(command) == "6300"
    assert card.wrong_keys == 0  # no challenge, no attempt
    assert len(terminal.raw("0084000008")) == 20
    assert terminal.raw("0082000010" + "11" * 16) == "6700"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("", "6700"),
        ("00", "6700"),
        ("00a404", "6700"),
        ("00a4040c07a00000024710", "6700"),
        ("00a4040c07a0000002471001ffff", "6700"),
        ("00a4040c07a0000002471002", "6a82"),
        ("00a4040c", "6a82"),
        ("00a4050c02011e", "6a86"),
        ("00a404ff07a0000002471001", "6a86"),
        ("00200000", "6d00"),
        ("80b0000000", "6e00"),
        ("ffb0000000", "6e00"),
        ("04b0000000", "6e00"),
        ("01b0000000", "6881"),
        ("0cb0000000", "6988"),
        ("00840000", "6700"),
        ("0084010008", "6a86"),
        ("00b0e00000", "6a86"),
        ("00b00000", "6700"),
        ("00220000", "6a86"),
        ("0022c1a400", "6a80"),
        ("0022c1a40f800a04007f00070202040203830101", "6a80"),
        ("0022c1a40f800a04007f00070202040202830103", "6a88"),
        ("0022c1a412800a04007f0007020204020283010184010c", "6a88"),
        ("002241a40c800a04007f00070202030202", "6982"),
        ("10860000027c0000", "6985"),
        ("0086000100", "6a86"),
        ("008800000811223344556677880000", "6700"),
        ("0088000008112233445566778800", "6982"),
        ("00c0000000", "6985"),
        ("002a00be00", "6982"),
    ],
)
def test_answers_without_access(citizen: Card, command: str, answer: str) -> None:
    assert Terminal(citizen.fresh()).raw(command) == answer


def test_application_can_be_selected_by_the_beginning_of_its_name(citizen: Card) -> None:
    assert Terminal(citizen.fresh()).raw("00a4040c05a000000247") == "9000"
    with_information = Terminal(citizen.fresh()).raw("00a4040007" + EMRTD_AID.hex() + "00")
    assert with_information == "6f098407" + EMRTD_AID.hex() + "9000"


def test_a_plain_command_ends_the_session(citizen: Card) -> None:
    terminal = Terminal(citizen.fresh()).bac()
    assert terminal.raw("00b09e0000") == "6982"
    assert terminal.messaging is not None
    protected = terminal.messaging.protect(CommandAPDU(0, 0xB0, 0x9E, 0, le=4)).to_bytes()
    assert terminal.raw(protected) == "6988"


@pytest.mark.parametrize("where", [5, -3, -10])
def test_a_broken_protected_command_ends_the_session(citizen: Card, where: int) -> None:
    terminal = Terminal(citizen.fresh()).bac()
    assert terminal.messaging is not None
    broken = bytearray(terminal.messaging.protect(CommandAPDU(0, 0xB0, 0x9E, 0, le=4)).to_bytes())
    broken[where] ^= 1
    assert terminal.raw(bytes(broken)) in ("6987", "6988")
    assert terminal.raw("00b09e0000") == "6982"


def test_reset_forgets_everything_but_counters(citizen: Card) -> None:
    card = citizen.fresh()
    terminal = Terminal(card).bac()
    card.reset()
    terminal.messaging = None
    assert terminal.raw(SELECT_APPLICATION) == "9000"
    assert terminal.raw("00a4020c02011e") == "6982"


def test_short_reads_are_cut_to_what_fits(citizen: Card) -> None:
    terminal = Terminal(citizen.fresh()).bac()
    answer = terminal.send(CommandAPDU(0, 0xB0, 0x82, 0, le=256))
    assert answer.sw == 0x9000
    assert 200 < len(answer.data) < 240
    assert answer.data == citizen.files[FileId.DG2][: len(answer.data)]


def test_extended_reads(citizen: Card) -> None:
    terminal = Terminal(citizen.fresh()).bac()
    answer = terminal.send(CommandAPDU(0, 0xB0, 0x82, 0, le=30000))
    assert answer.data == citizen.files[FileId.DG2]
    assert answer.sw == 0x6282
    short = Card(with_quirks(citizen.image, extended_length=False))
    assert Terminal(short).raw("00b0000000ffff") == "6700"
    assert short.atr != citizen.atr


def test_odd_read_binary_beyond_32767() -> None:
    big = b"\x65" + b"\x83\x00\x90\x00" + bytes(range(256)) * 144
    card = personalise("passport-bac", seed=1, extra_files={FileId.DG5: big}, extended_length=True)
    terminal = Terminal(card).bac()
    terminal.send(CommandAPDU(0, 0xA4, 2, 0x0C, b"\x01\x05"))
    offset = 35000
    answer = terminal.send(CommandAPDU(0, 0xB1, 0, 0, b"\x54\x02" + offset.to_bytes(2, "big"), le=256))
    length = int(answer.data[1]) if answer.data[1] < 0x80 else int(answer.data[2])
    assert answer.data[0] == 0x53
    assert answer.data[-length:] == big[offset : offset + length]
    by_sfi = terminal.send(CommandAPDU(0, 0xB1, 0, 5, b"\x54\x01\x00", le=8))
    assert by_sfi.data == b"\x53\x06" + big[:6]
    by_fid = terminal.send(CommandAPDU(0, 0xB1, 1, 5, b"\x54\x01\x00", le=8))
    assert by_fid == by_sfi
    assert terminal.send(CommandAPDU(0, 0xB1, 0, 0, b"\x54\x03\x01\x00\x00", le=8)).sw == 0x6B00
    assert terminal.send(CommandAPDU(0, 0xB1, 0, 0, b"\x53\x01\x00", le=8)).sw == 0x6A80


def test_command_chaining_of_plain_and_protected_commands(citizen: Card) -> None:
    terminal = Terminal(citizen.fresh())
    assert terminal.raw("10a4040c04" + EMRTD_AID[:4].hex()) == "9000"
    assert terminal.raw("00a4040c03" + EMRTD_AID[4:].hex()) == "9000"
    terminal.bac()
    assert terminal.messaging is not None
    whole = terminal.messaging.protect(CommandAPDU(0, 0xA4, 2, 0x0C, b"\x01\x1e")).data
    assert terminal.raw(b"\x1c\xa4\x02\x0c\x05" + whole[:5]) == "9000"  # a protected command, cut afterwards
    answer = terminal.card.process(b"\x0c\xa4\x02\x0c" + bytes([len(whole) - 5]) + whole[5:] + b"\x00")
    assert answer[-2:].hex() == "9000"
    refused = Card(with_quirks(citizen.image, command_chaining=False))
    assert Terminal(refused).raw("10a4040c04" + EMRTD_AID[:4].hex()) == "6884"


def test_a_chain_that_is_not_continued_is_forgotten(citizen: Card) -> None:
    terminal = Terminal(citizen.fresh())
    terminal.raw("10a4040c04" + EMRTD_AID[:4].hex())
    assert terminal.raw("00b09c0004") == CCCD_CARD_ACCESS[:4].hex() + "9000"
    assert terminal.raw("00a4040c03" + EMRTD_AID[4:].hex()) == "6a82"


def test_get_response_chains(citizen: Card) -> None:
    card = Card(with_quirks(citizen.image, responses="get-response"))
    terminal = Terminal(card)
    terminal.raw(SELECT_CARD_ACCESS)
    assert terminal.raw("00b0000000") == "6136"
    assert terminal.raw("00c0000010") == CCCD_CARD_ACCESS[:16].hex() + "6126"
    assert terminal.raw("00c0000000") == CCCD_CARD_ACCESS[16:].hex() + "9000"
    assert terminal.raw("00c0000000") == "6985"


def test_get_response_that_never_ends(citizen: Card) -> None:
    card = Card(with_quirks(citizen.image, responses="get-response", endless_get_response=True))
    terminal = Terminal(card)
    terminal.raw("00b09c0000")
    for _ in range(5):
        assert terminal.raw("00c0000000")[-4:] == "6100"


def test_wrong_le_is_answered_with_the_right_one(citizen: Card) -> None:
    terminal = Terminal(Card(with_quirks(citizen.image, responses="wrong-length")))
    terminal.raw(SELECT_CARD_ACCESS)
    assert terminal.raw("00b0000000") == "6c36"
    assert terminal.raw("00b0000036") == CCCD_CARD_ACCESS.hex() + "9000"


@pytest.mark.parametrize(("status", "answer"), [(0x6700, "6700"), (0x6C00, "6c80"), (0x6A86, "6a86")])
def test_refused_le(citizen: Card, status: int, answer: str) -> None:
    terminal = Terminal(Card(with_quirks(citizen.image, refuse_le_above=128, refuse_le_status=status)))
    terminal.raw(SELECT_CARD_ACCESS)
    assert terminal.raw("00b00000ff") == answer
    assert terminal.raw("00b0000020") == CCCD_CARD_ACCESS[:32].hex() + "9000"


@pytest.mark.parametrize(
    ("style", "answer"),
    [
        ("warn", CCCD_CARD_ACCESS[-4:].hex() + "6282"),
        ("short", CCCD_CARD_ACCESS[-4:].hex() + "9000"),
        ("exact", "6c04"),
        ("refuse", "6b00"),
    ],
)
def test_reading_beyond_the_end(citizen: Card, style: Any, answer: str) -> None:
    terminal = Terminal(Card(with_quirks(citizen.image, end_of_file=style)))
    terminal.raw(SELECT_CARD_ACCESS)
    assert terminal.raw("00b0003210") == answer
    assert terminal.raw("00b0003204") == CCCD_CARD_ACCESS[-4:].hex() + "9000"


def test_plain_errors_end_the_session(citizen: Card) -> None:
    terminal = Terminal(Card(with_quirks(citizen.image, plain_errors=True))).bac()
    with pytest.raises(SecureMessagingError):
        terminal.send(CommandAPDU(0, 0xA4, 2, 0x0C, b"\x01\x0b"))
    assert terminal.raw("00a4020c02011e") == "6982"


def test_secure_messaging_breaks_where_told(citizen: Card) -> None:
    terminal = Terminal(Card(with_quirks(citizen.image, sm_fails_at=1))).bac()
    assert terminal.send(CommandAPDU(0, 0xB0, 0x9E, 0, le=4)).sw == 0x9000
    with pytest.raises(SecureMessagingError):
        terminal.send(CommandAPDU(0, 0xB0, 0x9E, 0, le=4))


def test_protected_errors_with_9000_outside(citizen: Card) -> None:
    terminal = Terminal(Card(with_quirks(citizen.image, outer_status_ok=True))).bac()
    assert terminal.messaging is not None
    command = terminal.messaging.protect(CommandAPDU(0, 0xA4, 2, 0x0C, b"\x01\x0b"))
    answer = terminal.card.process(command.to_bytes())
    assert answer[-2:].hex() == "9000"
    assert answer[:4].hex() == "99026a82"


def test_bac_needs_the_application_again_after_a_failed_pace(citizen: Card) -> None:
    quirks = {"pace_status": 0x6A80, "reselect_before_bac": True}
    terminal = Terminal(Card(with_quirks(citizen.image, **quirks)))
    terminal.raw(SELECT_APPLICATION)
    assert terminal.raw("0022c1a40f800a04007f00070202040202830102") == "6a80"
    assert terminal.raw("0084000008") == "6985"
    terminal.bac()
    assert terminal.read(0x1E) == citizen.files[FileId.COM]


@pytest.mark.parametrize("step", range(4))
def test_pace_fails_at_a_step(citizen: Card, step: int) -> None:
    terminal = Terminal(Card(with_quirks(citizen.image, pace_fails_at=step)))
    with pytest.raises(Exception, match="6A80"):
        terminal.pace()
    assert terminal.messaging is None


def test_several_pace_infos_need_the_reference() -> None:
    card = personalise("passport-pace-many", seed=1)
    terminal = Terminal(card)
    assert terminal.raw("0022c1a40f800a04007f00070202040202830102") == "6a80"
    assert terminal.raw("0022c1a412800a04007f0007020204020283010284010c") == "9000"


def test_pin_counter_of_the_identity_card() -> None:
    card = personalise("eid-eac2", seed=1)
    assert card.image.pin is not None
    wrong = "1" * 6 if card.image.pin != "1" * 6 else "2" * 6
    for left in (2, 1):
        with pytest.raises(WrongPasswordError):
            Terminal(card).pace(AccessPassword.pin(wrong))
        card.reset()
        assert card.tries_left[3] == left
    set_pin = "0022c1a40f800a04007f00070202040202830103"
    assert Terminal(card).raw(set_pin) == "63c1"  # suspended: the CAN must come first
    resumed = Terminal(card).pace(AccessPassword.can(card.can or ""))
    assert resumed.send(CommandAPDU(0, 0x2C, 3, 3)).sw == 0x6982
    with pytest.raises(CardLockedError):
        resumed.pace(AccessPassword.pin(wrong))
    card.reset()
    assert Terminal(card).raw(set_pin) == "6983"
    unblocked = Terminal(card).pace(AccessPassword.puk(card.image.puk or ""))
    assert unblocked.send(CommandAPDU(0, 0x2C, 3, 3)).sw == 0x9000
    card.reset()
    Terminal(card).pace(AccessPassword.pin(card.image.pin))
    assert card.tries_left[3] == 3


def test_a_document_without_access_control() -> None:
    terminal = Terminal(personalise("passport-open"))
    terminal.raw(SELECT_APPLICATION)
    assert terminal.read(1) == terminal.card.files[FileId.DG1]


def test_slow_after_wrong_keys(citizen: Card) -> None:
    waited: list[float] = []
    card = Card(with_quirks(citizen.image, delay_after_wrong=500), sleep=waited.append)
    for _ in range(2):
        with pytest.raises(WrongPasswordError):
            Terminal(card).pace(AccessPassword.can("000000"))
    assert waited == [0.5]


def test_nothing_secret_is_shown(citizen: Card) -> None:
    shown = repr(citizen.image) + repr(citizen.holder) + repr(citizen.image.active_auth)
    for secret in (citizen.mrz[5:14], citizen.can or "", citizen.holder.number, citizen.holder.full_name):
        assert secret not in shown


def test_remaining_switches_of_the_chip(citizen: Card) -> None:
    no_sfi = Terminal(Card(with_quirks(citizen.image, sfi_reading=False)))
    assert no_sfi.raw("00b09c0000") == "6a86"
    other_key = Terminal(Card(with_quirks(citizen.image, wrong_key=0x6988)))
    other_key.raw(SELECT_APPLICATION)
    other_key.raw("0084000008")
    assert other_key.raw("0082000028" + "11" * 40 + "28") == "6988"
    absent = Terminal(Card(with_quirks(citizen.image, select_application=0x6A82)))
    assert absent.raw(SELECT_APPLICATION) == "6a82"
    small = Terminal(Card(with_quirks(citizen.image, max_response=100))).bac()
    assert small.messaging is not None
    command = small.messaging.protect(CommandAPDU(0, 0xB0, 0x82, 0, le=5000))
    assert 80 < len(small.card.process(command.to_bytes())) <= 102
    trailing = citizen_card(seed=1, aa=None, quirks=Quirks(card_access_trailing=b"\0\0\0"))
    assert trailing.files[FileId.CARD_ACCESS] == CCCD_CARD_ACCESS + bytes(3)
    assert Terminal(trailing).pace().read(0x1E) == trailing.files[FileId.COM]
