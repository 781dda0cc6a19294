"""The chip's PACE against the worked examples of ICAO 9303-11 appendices G, H and I."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idverify.crypto.block import Cipher
from idverify.emulator._apdu import Command, Refusal
from idverify.emulator.keys import EcKey
from idverify.emulator.pace import (
    CAN,
    MRZ,
    PaceOption,
    PaceRun,
    encrypted_chip_authentication_data,
    password_key,
    pseudo_random_number,
)

FOLDER = Path(__file__).parents[1] / "vectors"


def vector(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return loaded


def feed(*values: str) -> Callable[[int], bytes]:
    """A random source that gives these values one after the other, padded on the left."""
    queue = [bytes.fromhex(v) for v in values]
    return lambda size: queue.pop(0).rjust(size, b"\0")


def replay(run: PaceRun, apdus: list[dict[str, str]]) -> None:
    for exchange in apdus[1:]:
        answer = run.step(Command.parse(bytes.fromhex(exchange["command"])).data)
        assert answer.hex() + "9000" == exchange["response"]


@pytest.mark.parametrize(
    ("name", "option"), [("pace_ecdh_gm", PaceOption("GM", 13)), ("pace_dh_gm", PaceOption("GM", 0))]
)
def test_generic_mapping_of_appendix_g_byte_for_byte(name: str, option: PaceOption) -> None:
    data = vector(name)
    assert option.protocol == data["protocol_oid"]
    secrets = (data["map_nonce"]["chip_private_key"], data["key_agreement"]["chip_ephemeral_private_key"])
    run = PaceRun(option, MRZ, data["password"]["mrz_information"], rng=feed(data["nonce_s"], *secrets))
    replay(run, data["apdus"])
    assert run.outcome is not None
    expected_key = data["key_agreement"]["chip_ephemeral_public_key"]
    if option.key_agreement == "ECDH":
        assert run.outcome.chip_key.hex() == expected_key[2:66]


@pytest.mark.parametrize(
    ("name", "option"), [("pace_ecdh_im", PaceOption("IM", 13)), ("pace_dh_im", PaceOption("IM", 0))]
)
def test_integrated_mapping_of_appendix_h_byte_for_byte(name: str, option: PaceOption) -> None:
    data = vector(name)
    assert option.protocol == data["protocol_oid"]
    rng = feed(data["nonce_s"], data["key_agreement"]["chip_ephemeral_private_key"])
    # the example's key is that of the text 123456, whatever its command names
    replay(PaceRun(option, CAN, "123456", rng=rng, empty_mapping_data=False), data["apdus"])


def test_integrated_mapping_answers_an_empty_object_by_default() -> None:
    data = vector("pace_ecdh_im")
    run = PaceRun(PaceOption("IM", 13), CAN, "123456", rng=feed(data["nonce_s"]))
    commands = [Command.parse(bytes.fromhex(e["command"])).data for e in data["apdus"]]
    run.step(commands[1])
    assert run.step(commands[2]).hex() == "7c028200"  # §4.4.5.2.2


def test_pseudo_random_number_of_appendix_h() -> None:
    for name in ("pace_ecdh_im", "pace_dh_im"):
        data = vector(name)
        prime = {"pace_ecdh_im": "a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377"}.get(name)
        number = pseudo_random_number(
            bytes.fromhex(data["nonce_s"]),
            bytes.fromhex(data["map_nonce"]["nonce_t"]),
            Cipher.AES128,
            int(prime or data["domain_parameters"]["p"], 16),
        )
        assert number == int(data["map_nonce"]["r_p_s_t"], 16)


def test_chip_authentication_mapping_of_appendix_i() -> None:
    data = vector("pace_ecdh_cam")
    assert PaceOption("CAM", 13).protocol == data["protocol_oid"]
    static = EcKey.of("brainpoolP256r1", int(data["chip_authentication"]["chip_static_private_key_derived"], 16))
    assert static.public_bytes.hex() == data["chip_authentication"]["chip_static_public_key"]
    encrypted = encrypted_chip_authentication_data(
        static, int(data["map_nonce"]["chip_private_key"], 16), bytes.fromhex(data["ks_enc"]), Cipher.AES128
    )
    assert encrypted.hex() == data["chip_authentication"]["encrypted_chip_authentication_data"]
    # the ephemeral key of the example is not published: its first two steps can be replayed
    rng = feed(data["nonce_s"], data["map_nonce"]["chip_private_key"])
    run = PaceRun(PaceOption("CAM", 13), MRZ, data["password"]["mrz_information"], rng=rng, static_key=static)
    replay(run, data["apdus"][:3])


def test_password_keys_of_the_examples() -> None:
    data = vector("pace_ecdh_gm")["password"]
    assert password_key(MRZ, data["mrz_information"], Cipher.AES128).hex() == data["k_pi"]
    assert password_key(CAN, "123456", Cipher.AES128).hex() == vector("pace_ecdh_im")["password"]["k_pi"]


def test_a_wrong_token_is_6300_and_the_run_is_over() -> None:
    data = vector("pace_ecdh_gm")
    secrets = (data["map_nonce"]["chip_private_key"], data["key_agreement"]["chip_ephemeral_private_key"])
    run = PaceRun(PaceOption(), MRZ, data["password"]["mrz_information"], rng=feed(data["nonce_s"], *secrets))
    replay(run, data["apdus"][:4])
    with pytest.raises(Refusal) as refused:
        run.step(bytes.fromhex("7c0a8508c2b0bd78d94ba867"))
    assert refused.value.sw == 0x6300
    assert run.outcome is None


@pytest.mark.parametrize("data", ["", "7c", "7c028000", "7d00", "7c007c00", "7c0381" + "04", "7c0281", "7c04810083"])
def test_first_step_refuses_other_data(data: str) -> None:
    run = PaceRun(PaceOption(), MRZ, "x", rng=bytes)
    with pytest.raises(Refusal) as refused:
        run.step(bytes.fromhex(data))
    assert refused.value.sw == 0x6A80


@pytest.mark.parametrize("point", ["04" + "00" * 64, "02" + "11" * 32, "00", "04" + "ff" * 64])
def test_points_off_the_curve_are_refused(point: str) -> None:
    run = PaceRun(PaceOption(), MRZ, "x", rng=lambda n: b"\x01" * n)
    run.step(bytes.fromhex("7c00"))
    raw = bytes.fromhex(point)
    with pytest.raises(Refusal) as refused:
        run.step(bytes([0x7C, len(raw) + 2, 0x81, len(raw)]) + raw)
    assert refused.value.sw == 0x6A80
