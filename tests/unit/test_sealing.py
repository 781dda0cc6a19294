"""Sealed reports: their form, and that nothing but the right key, context and octets opens them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from idverify import Secret, sealing
from idverify.errors import ConfigurationError, MalformedDataError
from idverify.sealing import read_key, seal_report, unseal_report

KEY = Secret(bytes(range(32)))


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_what_is_sealed_opens_unchanged(report: bytes, context: bytes) -> None:
    assert unseal_report(seal_report(report, KEY, context=context), KEY, context=context) == report


def test_the_form_is_the_documented_one_and_every_nonce_is_new() -> None:
    sealed = seal_report(b"report", KEY, context=b"7", rng=lambda n: bytes([9]) * n)
    assert sealed[:17] == b"IDVR\x01" + bytes([9]) * 12
    assert AESGCM(KEY.reveal()).decrypt(bytes([9]) * 12, sealed[17:], b"IDVR\x01" + b"7") == b"report"
    assert len({seal_report(b"report", KEY)[5:17] for _ in range(100)}) == 100


def test_every_changed_bit_another_key_and_another_context_are_noticed() -> None:
    sealed = seal_report(b"report", KEY, context=b"7")
    for position in range(8 * len(sealed)):
        altered = bytearray(sealed)
        altered[position // 8] ^= 1 << position % 8
        with pytest.raises(MalformedDataError):
            unseal_report(bytes(altered), KEY, context=b"7")
    for wrong, context in ((Secret(bytes(32)), b"7"), (KEY, b"8"), (KEY, b"")):
        with pytest.raises(MalformedDataError, match="does not open"):
            unseal_report(sealed, wrong, context=context)
    for length in range(len(sealed)):
        with pytest.raises(MalformedDataError):
            unseal_report(sealed[:length], KEY, context=b"7")


def test_keys_nonces_and_sizes_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in (b"", bytes(16), bytes(33)):
        with pytest.raises(ConfigurationError, match="32 octets"):
            seal_report(b"", Secret(key))
        with pytest.raises(ConfigurationError, match="32 octets"):
            unseal_report(seal_report(b"", KEY), Secret(key))
    with pytest.raises(ConfigurationError, match="randomness"):
        seal_report(b"", KEY, rng=lambda n: b"")
    monkeypatch.setattr(sealing, "MAX_REPORT", 10)
    assert unseal_report(seal_report(bytes(10), KEY), KEY) == bytes(10)
    with pytest.raises(ConfigurationError, match="cap"):
        seal_report(bytes(11), KEY)
    with pytest.raises(MalformedDataError):
        unseal_report(bytes(100), KEY)


def test_keys_from_files(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for content in (KEY.reveal(), KEY.reveal().hex().encode(), KEY.reveal().hex().upper().encode() + b"\n"):
        path.write_bytes(content)
        assert read_key(path) == KEY
    for content in (b"", bytes(31), bytes(33), b"zz" * 32, KEY.reveal().hex().encode() + b"00", b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(ConfigurationError, match="no key"):
            read_key(path)
    with pytest.raises(ConfigurationError, match="cannot read"):
        read_key(tmp_path / "none")
