"""The bounded TLV reader."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify import _tlv
from idverify.errors import MalformedDataError

TAGS = st.one_of(
    st.integers(0x01, 0xFE).filter(lambda t: t & 0x1F != 0x1F),
    st.integers(0x1F, 0x7F).map(lambda b: 0x5F00 | b),
    st.builds(lambda a, b: 0x7F0000 | (0x80 | a) << 8 | b, st.integers(1, 0x7F), st.integers(0, 0x7F)),
)


@given(TAGS, st.binary(max_size=400), st.binary(max_size=8))
@settings(deadline=None)
def test_what_is_written_is_read(tag: int, value: bytes, rest: bytes) -> None:
    encoded = _tlv.encode(tag, value)
    tlv = _tlv.read_tlv(encoded + rest)
    assert (tlv.tag, tlv.value, tlv.raw) == (tag, value, encoded)
    header = _tlv.read_header(encoded)
    assert (header.tag, header.length, header.total) == (tag, len(value), len(encoded))


@given(st.lists(st.tuples(TAGS, st.binary(max_size=60)), max_size=12))
@settings(deadline=None)
def test_sequences_are_read_in_order(items: list[tuple[int, bytes]]) -> None:
    data = b"".join(_tlv.encode(t, v) for t, v in items)
    assert [(t.tag, t.value) for t in _tlv.iter_tlv(data)] == items
    outer = _tlv.parse(_tlv.encode(0x30, data), 0x30, what="x")
    assert [(t.tag, t.value) for t in outer.children()] == items
    if items:
        assert outer.first(items[0][0]) == outer.children()[0]


@given(st.binary(max_size=80))
@settings(deadline=None, max_examples=300)
def test_any_bytes_give_objects_or_the_one_error(data: bytes) -> None:
    try:
        found = list(_tlv.iter_tlv(data))
    except MalformedDataError:
        return
    assert b"".join(t.raw for t in found) == data


@pytest.mark.parametrize(
    ("length", "expected"),
    [(0, "00"), (0x7F, "7f"), (0x80, "8180"), (0xFF, "81ff"), (0x100, "820100"), (0x10000, "83010000")],
)
def test_lengths_are_minimal(length: int, expected: str) -> None:
    assert _tlv.encode_length(length).hex() == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("", "expected a tag"),
        ("5f", "cut off"),
        ("30", "is missing"),
        ("3082", "cut off"),
        ("308201", "cut off"),
        ("3080", "indefinite"),
        ("308500000000000", "beyond the cap"),
        ("30ff", "beyond the cap"),
        ("1f81818101", "longer than"),
        ("7fffffffff01", "longer than"),
        ("0403aabb", "only 2 are there"),
        ("0484ffffffff00", "only 1 are there"),
    ],
)
def test_refused(data: str, words: str) -> None:
    with pytest.raises(MalformedDataError, match=words):
        _tlv.read_tlv(bytes.fromhex(data + "0" * (len(data) % 2)))


def test_every_truncation_is_refused() -> None:
    whole = _tlv.encode(0x7F61, _tlv.encode(0x02, b"\1"), _tlv.encode(0x5F2E, bytes(200)))
    for end in range(len(whole)):
        with pytest.raises(MalformedDataError):
            _tlv.parse(whole[:end], 0x7F61, what="x")


def test_parse_wants_the_tag_and_nothing_after_it() -> None:
    data = bytes.fromhex("040101")
    assert _tlv.parse(data, 0x04, what="x").value == b"\1"
    with pytest.raises(MalformedDataError, match="expected tag 30, got 4"):
        _tlv.parse(data, 0x30, what="x")
    with pytest.raises(MalformedDataError, match="1 bytes follow"):
        _tlv.parse(data + b"\0", 0x04, what="x")
    assert _tlv.parse(data + b"\0", 0x04, what="x", allow_trailing=True).raw == data


def test_padding_is_skipped_only_on_request() -> None:
    data = bytes.fromhex("0000040101000004010200")
    assert [t.value for t in _tlv.iter_tlv(data, skip_padding=True)] == [b"\1", b"\2"]
    assert [t.tag for t in _tlv.iter_tlv(data[:2])] == [0]


def test_number_of_objects_is_capped() -> None:
    data = b"\x04\0" * (_tlv.MAX_ELEMENTS + 1)
    assert len(list(_tlv.iter_tlv(data[:-2]))) == _tlv.MAX_ELEMENTS
    with pytest.raises(MalformedDataError, match="more than"):
        list(_tlv.iter_tlv(data))


def test_constructed_is_bit_six_of_the_first_byte() -> None:
    assert _tlv.read_tlv(bytes.fromhex("7f6100")).constructed
    assert not _tlv.read_tlv(bytes.fromhex("5f2e00")).constructed
    assert not _tlv.read_tlv(bytes.fromhex("0200")).constructed


def test_values_stay_out_of_repr() -> None:
    assert "abcdef" not in repr(_tlv.read_tlv(b"\x04\x06abcdef"))


@pytest.mark.parametrize("tag", [-1, 1 << 32])
def test_impossible_tags_are_refused(tag: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        _tlv.encode_tag(tag)
