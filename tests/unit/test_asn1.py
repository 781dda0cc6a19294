"""The one door to asn1crypto."""

from __future__ import annotations

import pytest
from asn1crypto import core, x509
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify import _asn1, _tlv
from idverify.errors import MalformedDataError, UnsupportedAlgorithmError
from tests.shared import shared


def nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = _tlv.encode(0x30, data)
    return data


def test_scan_counts_the_bytes_of_one_element() -> None:
    data = bytes.fromhex("3006020101040101")
    assert _asn1.scan(data, what="x") == len(data)
    assert _asn1.scan(data + b"\0\0", what="x", allow_trailing=True) == len(data)
    with pytest.raises(MalformedDataError, match="2 bytes follow"):
        _asn1.scan(data + b"\0\0", what="x")


def test_scan_follows_indefinite_lengths() -> None:
    data = bytes.fromhex("3080 2480 040101 0401020000 020103 0000".replace(" ", ""))
    assert _asn1.scan(data, what="x") == len(data)
    for end in range(len(data)):
        with pytest.raises(MalformedDataError):
            _asn1.scan(data[:end], what="x")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "cut off"),
        (b"\x30", "cut off"),
        (b"\x30\x84\xff\xff\xff\xff", "declares 4294967295 bytes"),
        (b"\x30\x89" + bytes(9), "too long"),
        (b"\x30\x03\x02\x02\x01", "declares 2 bytes, only 1"),
        (b"\x04\x80\0\0", "primitive element has indefinite"),
        (b"\x1f\x81\x81\x81\x81\x01\x00", "a tag is too long"),
        (b"\x30\x02\x1f\x81", "cut off"),
        (nested(_asn1.MAX_DEPTH + 1), "nested deeper"),
        (_tlv.encode(0x06, b"\x81" * 256 * 1024), "object identifier of 262144 bytes"),
        (_tlv.encode(0x02, bytes(_asn1.MAX_INTEGER_BYTES + 1)), "integer of"),
    ],
)
def test_scan_refuses(data: bytes, words: str) -> None:
    with pytest.raises(MalformedDataError, match=words):
        _asn1.scan(data, what="x")


def test_scan_caps_the_number_of_elements() -> None:
    data = _tlv.encode(0x30, b"\x05\0" * 50)
    assert _asn1.scan(data, what="x", max_elements=51) == len(data)
    with pytest.raises(MalformedDataError, match="more than 50"):
        _asn1.scan(data, what="x", max_elements=50)


def test_scan_caps_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_asn1, "MAX_BYTES", 4)
    with pytest.raises(MalformedDataError, match="beyond the cap of 4"):
        _asn1.scan(b"\x04\x03abc", what="x")


@given(st.binary(max_size=120))
@settings(deadline=None, max_examples=300)
def test_scan_of_any_bytes_ends_inside_them(data: bytes) -> None:
    try:
        end = _asn1.scan(data, what="x", allow_trailing=True)
    except MalformedDataError:
        return
    assert 0 < end <= len(data)


def test_load_gives_the_value_and_its_bytes() -> None:
    data = bytes.fromhex("020105")
    value = _asn1.load(core.Integer, data, what="x")
    assert _asn1.native(value, what="x") == 5
    assert _asn1.contents(value, what="x") == b"\5"
    assert _asn1.dump(value, what="x") == data
    padded = _asn1.load(core.Integer, data + b"\0", what="x", allow_trailing=True)
    assert _asn1.dump(padded, what="x") == data
    with pytest.raises(MalformedDataError):
        _asn1.load(core.OctetString, data, what="x")


def test_guard_turns_foreign_errors_into_ours_and_drops_their_words() -> None:
    with pytest.raises(MalformedDataError) as caught, _asn1.guard("x"):
        raise UnicodeDecodeError("utf-8", b"NGUYEN", 0, 1, "NGUYEN")
    assert "NGUYEN" not in str(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(UnsupportedAlgorithmError), _asn1.guard("x"):
        raise UnsupportedAlgorithmError("kept")


@pytest.mark.parametrize(
    "error", [ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError]
)
def test_guard_knows_every_error_that_leaks(error: type[Exception]) -> None:
    with pytest.raises(MalformedDataError, match=error.__name__), _asn1.guard("x"):
        raise error


@given(st.data())
@settings(deadline=None, max_examples=120)
def test_mutated_certificates_never_leak_a_foreign_error(data: st.DataObject) -> None:
    raw = bytearray(shared("vectors/certificates/dsc_nz_2011.cer").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        certificate = _asn1.load(x509.Certificate, bytes(raw), what="certificate")
        with _asn1.guard("certificate"):
            certificate.native  # noqa: B018 - decoding is what is tested
    except MalformedDataError:
        pass
