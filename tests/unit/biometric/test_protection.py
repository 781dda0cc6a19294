from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from idverify._secret import Secret
from idverify.biometric.face import Embedding, FaceTemplate
from idverify.biometric.protection import seal, unseal
from idverify.errors import ConfigurationError, MalformedDataError

KEY = Secret(bytes(range(32)))


def template(dim: int = 8, quality: float | None = 71.0) -> FaceTemplate:
    vector = np.arange(1, dim + 1, dtype=np.float32)
    vector /= np.linalg.norm(vector)
    return FaceTemplate(embedding=Embedding(vector), model="model@1", quality=quality)


@pytest.mark.parametrize("quality", [None, 0.0, 71.0])
def test_what_is_sealed_opens_unchanged(quality: float | None) -> None:
    mine = template(256, quality)
    back = unseal(seal(mine, KEY, context=b"record 7"), KEY, context=b"record 7")
    assert (back.model, back.quality) == ("model@1", quality)
    assert np.array_equal(back.embedding, mine.embedding)
    with pytest.raises(ValueError, match="read-only"):
        back.embedding[0] = 0.0


def test_the_form_is_the_documented_one() -> None:
    sealed = seal(template(), KEY, context=b"c", rng=lambda n: bytes([9]) * n)
    assert sealed[:17] == b"IDVT\x01" + bytes([9]) * 12
    plain = AESGCM(KEY.reveal()).decrypt(bytes([9]) * 12, sealed[17:], b"IDVT\x01" + b"c")
    assert plain[7:14] == b"model@1"
    assert np.allclose(np.frombuffer(plain[14:], "<f4"), template().embedding)


def test_nonces_are_drawn_anew() -> None:
    assert seal(template(), KEY) != seal(template(), KEY)


def test_every_flipped_bit_is_noticed() -> None:
    sealed = seal(template(), KEY)
    for place in range(len(sealed) * 8):
        altered = bytearray(sealed)
        altered[place // 8] ^= 1 << place % 8
        with pytest.raises(MalformedDataError):
            unseal(bytes(altered), KEY)


def test_another_key_or_context_does_not_open() -> None:
    sealed = seal(template(), KEY, context=b"a")
    with pytest.raises(MalformedDataError, match="does not open"):
        unseal(sealed, KEY, context=b"b")
    with pytest.raises(MalformedDataError, match="does not open"):
        unseal(sealed, Secret(bytes(32)), context=b"a")


@given(st.binary(max_size=200))
def test_foreign_bytes_are_our_error(data: bytes) -> None:
    for candidate in (data, b"IDVT\x01" + data):
        with pytest.raises(MalformedDataError):
            unseal(candidate, KEY)


@pytest.mark.parametrize(
    "plain", [b"", bytes(6), b"\x01" + bytes(6) + b"m", b"\x01\x7f\xc0\x00\x00\x00\x01m\x00\x00\x80\x3f", bytes(7)]
)
def test_nonsense_under_the_right_key_is_our_error(plain: bytes) -> None:
    nonce = bytes(12)
    sealed = b"IDVT\x01" + nonce + AESGCM(KEY.reveal()).encrypt(nonce, plain, b"IDVT\x01")
    with pytest.raises(MalformedDataError, match="holds no template"):
        unseal(sealed, KEY)


def test_wrong_keys_and_templates_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="32 octets"):
        seal(template(), Secret(b"short"))
    with pytest.raises(ConfigurationError, match="32 octets"):
        unseal(seal(template(), KEY), Secret(bytes(16)))
    with pytest.raises(ConfigurationError, match="another form"):
        seal(template(5000), KEY)
    with pytest.raises(ConfigurationError, match="randomness"):
        seal(template(), KEY, rng=lambda n: b"")


def test_sealed_bytes_hold_nothing_to_read() -> None:
    sealed = seal(template(), KEY)
    assert b"model" not in sealed
    assert template().embedding[:1].tobytes() not in sealed
