from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import shared
from tests.vectors import load, unhex

from idverify import _tlv
from idverify.chip.access.domain import (
    DhDomain,
    EcDomain,
    from_algorithm_identifier,
    standardized,
    static_key,
)
from idverify.chip.access.password import AccessPassword
from idverify.chip.lds.security_infos import SecurityInfos, standardized_algorithm_identifier
from idverify.crypto import block, ec
from idverify.crypto.block import Cipher
from idverify.crypto.curves import by_parameter_id
from idverify.crypto.kdf import session_keys
from idverify.errors import MalformedDataError, UnsupportedAlgorithmError

PUBLISHED = ["pace_ecdh_gm", "pace_dh_gm", "bsi_eac2_ecdh_aes128", "bsi_eac2_dh_aes128"]


def example_of(name: str) -> Any:
    if name.startswith("bsi"):
        return json.loads(shared(f"vectors/eac/{name}.json").read_text())["pace"]
    return load(name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_generic_mapping_step_by_step(name: str) -> None:
    example = example_of(name)
    domain: Any = standardized(example["domain_parameters"]["parameter_id"])
    mapping, agreement = example["map_nonce"], example["key_agreement"]
    if example["password"]["type"] == "pin":
        key = AccessPassword.pin(example["password"]["value"]).key(Cipher.AES128)
        assert key.hex() == example["password"]["k_pi"]
        assert block.decrypt(Cipher.AES128, key, unhex(example["encrypted_nonce_z"])).hex() == example["nonce_s"]
    terminal = domain.key(int(mapping["terminal_private_key"], 16))
    assert terminal.public.hex() == mapping["terminal_public_key"]
    mapped = domain.map_generic(unhex(example["nonce_s"]), terminal, unhex(mapping["chip_public_key"]))
    encoded = (
        ec.encode_point(domain.curve, mapped.generator)
        if isinstance(domain, EcDomain)
        else domain.group.encode(mapped.generator)
    )
    assert encoded.hex() == mapping["mapped_generator"]
    ephemeral = mapped.key(int(agreement["terminal_ephemeral_private_key"], 16))
    assert ephemeral.public.hex() == agreement["terminal_ephemeral_public_key"]
    secret = ephemeral.agree(unhex(agreement["chip_ephemeral_public_key"]))
    assert secret.hex() == agreement["shared_secret_k"]
    ks_enc, ks_mac = session_keys(secret, Cipher.AES128)
    assert (ks_enc.hex(), ks_mac.hex()) == (example["ks_enc"], example["ks_mac"])
    tokens = example["mutual_authentication"]
    data = mapped.public_key_object(example["protocol_oid"], unhex(agreement["chip_ephemeral_public_key"]))
    assert data.hex() == tokens["token_input_data_terminal"]
    assert block.mac(Cipher.AES128, ks_mac, data).hex() == tokens["token_terminal"]


@pytest.mark.parametrize("name", ["bsi_eac2_ecdh_aes128", "bsi_eac2_dh_aes128"])
def test_published_static_agreement(name: str) -> None:
    """Shared secret of chip authentication, and the compressed key that terminal authentication signs."""
    example = json.loads(shared(f"vectors/eac/{name}.json").read_text())
    values, terminal = example["chip_authentication"], example["terminal_authentication"]
    domain: Any = standardized(example["pace"]["domain_parameters"]["parameter_id"])
    key = domain.key(int(values["terminal_ephemeral_private_key"], 16))
    assert key.public.hex() == values["terminal_ephemeral_public_key"]
    assert key.agree(unhex(values["chip_public_key"])).hex() == values["shared_secret_k"]
    assert domain.compress(key.public).hex() == terminal["compressed_ephemeral_public_key_pcd"]


def test_unsigned_integers_travel_without_leading_zeros() -> None:
    domain = standardized(0)
    assert isinstance(domain, DhDomain)
    short = next(k for k in (domain.key(n) for n in range(2, 4000)) if len(k.public) < domain.group.size)
    assert short.public[0] != 0
    padded = short.public.rjust(domain.group.size, b"\0")
    assert domain.same(padded, short.public)
    other = domain.generate(os.urandom)
    assert other.agree(padded) == other.agree(short.public)
    assert len(other.agree(short.public)) == domain.group.size


@pytest.mark.parametrize("parameter_id", [3, 7, 19, 31, 200])
def test_reserved_identifiers(parameter_id: int) -> None:
    with pytest.raises(UnsupportedAlgorithmError):
        standardized(parameter_id)


def test_integrated_mapping_of_numbers_without_a_point() -> None:
    domain = standardized(13)
    for number in (0, 1, domain.field_prime - 1):  # −t² + t⁴ = 0
        with pytest.raises(MalformedDataError, match="no point"):
            domain.map_integrated(number)


def test_nonce_of_zero_maps_to_the_shared_point() -> None:
    domain = standardized(12)
    assert isinstance(domain, EcDomain)
    key, peer = domain.key(5), domain.key(7)
    assert domain.map_generic(bytes(16), key, peer.public).generator == ec.base_multiply(domain.curve, 35)


CURVE = by_parameter_id(12)
SPKI = _tlv.encode(
    0x30,
    standardized_algorithm_identifier(12),
    _tlv.encode(0x03, b"\0" + ec.encode_point(CURVE, ec.base_multiply(CURVE, 77))),
)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(SPKI) - 1), st.integers(0, 255), st.booleans())
def test_altered_keys_are_read_or_refused(position: int, byte: int, cut: bool) -> None:
    altered = SPKI[:position] if cut else SPKI[:position] + bytes([byte]) + SPKI[position + 1 :]
    try:
        key = static_key(altered)
    except (MalformedDataError, UnsupportedAlgorithmError):
        return
    assert isinstance(key.domain, EcDomain)
    ec.decode_point(key.domain.curve, key.public)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_arbitrary_parameters_are_refused(data: bytes) -> None:
    for candidate in (data, _tlv.encode(0x30, data), _tlv.encode(0x30, unhex("06072a8648ce3d0201"), data)):
        with pytest.raises((MalformedDataError, UnsupportedAlgorithmError)):
            from_algorithm_identifier(candidate)


@pytest.mark.parametrize("name", ["eac_example_ecdh", "eac_example_dh", "npa_ca_version_3", "slovenia"])
def test_parameters_of_real_files(name: str) -> None:
    infos = SecurityInfos.parse_card_access(shared(f"vectors/cardaccess/{name}.bin").read_bytes())
    kind = DhDomain if name.endswith("_dh") else EcDomain
    for info in infos.infos:
        parameters = getattr(info, "domain_parameter", None)
        if parameters:
            assert isinstance(from_algorithm_identifier(parameters), kind)
