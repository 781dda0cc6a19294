"""The chip's secure messaging and BAC against the worked examples of ICAO 9303-11 appendix D."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.crypto.block import Cipher
from idverify.emulator._apdu import Command, Refusal
from idverify.emulator.bac import key_seed, mutual_authenticate
from idverify.emulator.messaging import CardMessaging

FOLDER = Path(__file__).parents[1] / "vectors"
BAC: dict[str, Any] = json.loads((FOLDER / "bac.json").read_text())
SM: dict[str, Any] = json.loads((FOLDER / "sm_3des.json").read_text())
MRZ_INFORMATION: str = BAC["mrz"]["mrz_information"]


def channel() -> CardMessaging:
    return CardMessaging(
        Cipher.DES3, bytes.fromhex(SM["ks_enc"]), bytes.fromhex(SM["ks_mac"]), bytes.fromhex(SM["ssc_initial"])
    )


def test_bac_key_seed_of_appendix_d2() -> None:
    assert key_seed(MRZ_INFORMATION).hex() == BAC["k_seed"]


def test_bac_of_appendix_d3_byte_for_byte() -> None:
    command = Command.parse(bytes.fromhex(BAC["apdus"][1]["command"]))
    data, opened = mutual_authenticate(
        command,
        mrz_information=MRZ_INFORMATION,
        challenge=bytes.fromhex(BAC["rnd_ic"]),
        rng=lambda size: bytes.fromhex(BAC["k_ic"]),
        wrong=0x6300,
    )
    assert data.hex() == BAC["response_data"]
    # and the channel that is open now carries on with appendix D.4
    first = SM["exchanges"][0]
    opened.unwrap(Command.parse(bytes.fromhex(first["protected_command"])))
    assert opened.wrap(b"", 0x9000, ins=0xA4).hex() + "9000" == first["protected_response"]


def test_secure_messaging_of_appendix_d4_byte_for_byte() -> None:
    sm = channel()
    for exchange in SM["exchanges"]:
        command = sm.unwrap(Command.parse(bytes.fromhex(exchange["protected_command"])))
        plain = Command.parse(bytes.fromhex(exchange["command"]))
        assert command == plain
        data = bytes.fromhex(exchange["response_data"])
        assert sm.wrap(data, 0x9000, ins=command.ins).hex() + "9000" == exchange["protected_response"]


def test_every_bit_of_every_protected_command_counts() -> None:
    for number, exchange in enumerate(SM["exchanges"]):
        raw = bytes.fromhex(exchange["protected_command"])
        for bit in range(len(raw) * 8 - 8):  # the outer Le is not protected
            sm = channel()
            for earlier in SM["exchanges"][:number]:
                sm.unwrap(Command.parse(bytes.fromhex(earlier["protected_command"])))
                sm.wrap(b"", 0x9000, ins=0)
            changed = bytearray(raw)
            changed[bit // 8] ^= 0x80 >> bit % 8
            with pytest.raises(Refusal):
                sm.unwrap(Command.parse(bytes(changed)))


def test_a_replayed_command_is_refused() -> None:
    sm = channel()
    command = Command.parse(bytes.fromhex(SM["exchanges"][0]["protected_command"]))
    sm.unwrap(command)
    with pytest.raises(Refusal) as refused:
        sm.unwrap(command)
    assert refused.value.sw == 0x6988


def test_no_checksum_at_all_is_6987() -> None:
    with pytest.raises(Refusal) as refused:
        channel().unwrap(Command.parse(bytes.fromhex("0cb0000003970104" + "00")))
    assert refused.value.sw == 0x6987


@pytest.mark.parametrize(
    ("change", "sw"),
    [
        ({"mrz_information": "L898902C<369080619406237"}, 0x6300),
        ({"challenge": bytes(8)}, 0x6300),
        ({"challenge": None}, 0x6300),
    ],
)
def test_bac_refuses_another_key_or_challenge(change: dict[str, Any], sw: int) -> None:
    arguments: dict[str, Any] = {"mrz_information": MRZ_INFORMATION, "challenge": bytes.fromhex(BAC["rnd_ic"])}
    arguments.update(change)
    with pytest.raises(Refusal) as refused:
        mutual_authenticate(
            Command.parse(bytes.fromhex(BAC["apdus"][1]["command"])), rng=bytes, wrong=0x6300, **arguments
        )
    assert refused.value.sw == sw


@settings(max_examples=60, deadline=None)
@given(cipher=st.sampled_from(Cipher), limit=st.integers(32, 65536))
def test_room_is_exact(cipher: Cipher, limit: int) -> None:
    sm = CardMessaging(cipher, bytes(range(cipher.key_bytes)), bytes(range(cipher.key_bytes)))
    room = sm.room(limit)
    assert len(sm.wrap(bytes(room), 0x9000, ins=0xB0)) <= limit
    assert len(sm.wrap(bytes(room + 1 + cipher.block_bytes), 0x9000, ins=0xB0)) > limit or room == 0
