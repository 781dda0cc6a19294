"""Minutiae records: bytes of the standards, round trips, another vendor's files, damage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.biometric.finger.minutiae import FingerPosition, Minutiae
from idverify.biometric.finger.records import (
    CardFormat,
    RecordFormat,
    decode_card,
    decode_record,
    detect_format,
    encode_card,
    encode_record,
)
from idverify.chip.lds import iso19794_2 as chip_reader
from idverify.errors import ConfigurationError, MalformedDataError
from tests.shared import shared
from tests.unit.biometric.finger.prints import invented

ONE = Minutiae(
    x=np.array([100.0]), y=np.array([50.0]), angle=np.array([math.pi / 2]), kind=np.array([2]), score=np.array([0.9]),
    width=300, height=400, position=FingerPosition.LEFT_INDEX, quality=77,
)  # fmt: skip


def test_bytes_of_2005() -> None:
    """ISO/IEC 19794-2:2005 §7: 24 bytes of header, 4 of view, 6 a minutia, 2 of extended data; 90° is 64 steps."""
    assert encode_record((ONE,)).hex() == (
        "464d5200" "20323000" "00000024" "0000" "012c" "0190" "00c5" "00c5" "01" "00"
        "07" "00" "4d" "01" "8064" "0032" "40" "5a" "0000"
    )  # fmt: skip


def test_bytes_of_ansi_378() -> None:
    """INCITS 378-2004 §6: two bytes of length, owner and type, angles in steps of 2°."""
    assert encode_record((ONE,), RecordFormat.ANSI_2004).hex() == (
        "464d5200" "20323000" "0026" "0001" "0000" "0000" "012c" "0190" "00c5" "00c5" "01" "00"
        "07" "00" "4d" "01" "8064" "0032" "2d" "5a" "0000"
    )  # fmt: skip


@pytest.mark.parametrize("form", RecordFormat)
def test_round_trip(form: RecordFormat) -> None:
    views = tuple(invented(seed, 30 + seed) for seed in range(3))
    record = decode_record(encode_record(views, form))
    assert record.format is form
    assert record.problems == ()
    assert (record.width, record.height, record.resolution) == (360, 400, (197, 197))
    for view, again in zip(views, record.views, strict=True):
        best = view.best(255)
        np.testing.assert_allclose(again.x, best.x, atol=0.51)
        np.testing.assert_allclose(again.y, best.y, atol=0.51)
        step = math.radians(2) if form is RecordFormat.ANSI_2004 else math.radians(360 / 256)
        assert np.abs(np.angle(np.exp(1j * (again.angle - best.angle)))).max() <= step / 2 + 1e-5
        np.testing.assert_allclose(again.score, best.score, atol=0.0051)
        assert (again.kind == best.kind).all()


def test_the_chip_floor_reads_what_is_written() -> None:
    """A second reader: that of the card's data groups, written apart from this one."""
    print_ = invented(4)
    found = chip_reader.MinutiaeRecord.parse(encode_record((print_,)))
    best = print_.best(255)
    assert [(m.x, m.y) for m in found.views[0].minutiae] == [
        (round(float(x)), round(float(y))) for x, y in zip(best.x, best.y, strict=True)
    ]
    assert found.problems == ()


@pytest.mark.parametrize("form", CardFormat)
def test_card_formats(form: CardFormat) -> None:
    print_ = invented(5, 50)
    raw = encode_card(print_, form, most=30)
    again = decode_card(raw, form)
    assert len(again) == 30
    assert (np.diff(np.round(again.x, 2)) >= 0).all()
    per_mm = {CardFormat.NORMAL: 100, CardFormat.COMPACT: 10}[form]
    best = {(round(float(x)), round(float(y))) for x, y in zip(print_.best(30).x, print_.best(30).y, strict=True)}
    slack = 0.6 * 500 / 25.4 / per_mm + 0.6
    for x, y in zip(again.x, again.y, strict=True):
        assert min(abs(x - a) + abs(y - b) for a, b in best) <= 2 * slack
    other = chip_reader.decode_card_minutiae(raw, chip_reader.CardFormat[form.name])
    assert len(other) == 30


def test_large_prints_fit_the_compact_card_by_a_shift() -> None:
    wide = invented(6, 20, width=900, height=400)
    assert 0 < len(decode_card(encode_card(wide))) <= 20


def test_declared_frame_may_lie() -> None:
    """A fixed frame of 300 × 400 for whatever sensor: each axis is mapped by itself, and the direction with them."""
    raw = encode_record((ONE,))
    (view,) = decode_record(raw, true_size=(388, 374)).views
    assert view.x[0] == pytest.approx(100 * 388 / 300)
    assert view.y[0] == pytest.approx(50 * 374 / 400)
    assert view.angle[0] == pytest.approx(math.pi / 2)
    slant = Minutiae(
        x=ONE.x, y=ONE.y, angle=np.array([math.pi / 4]), kind=ONE.kind, score=ONE.score, width=300, height=400
    )
    (view,) = decode_record(encode_record((slant,)), true_size=(600, 400)).views
    assert view.angle[0] == pytest.approx(math.atan2(1, 2), abs=0.01)


def test_other_resolutions_come_at_500_dpi() -> None:
    raw = bytearray(encode_record((ONE,)))
    raw[18:22] = (394).to_bytes(2, "big") * 2
    (view,) = decode_record(bytes(raw)).views
    assert view.x[0] == pytest.approx(50, abs=0.1)
    raw[18:22] = bytes(4)
    record = decode_record(bytes(raw))
    assert record.views[0].x[0] == 100
    assert "impossible" in record.problems[0]


def test_wrong_lengths_are_tolerated_within_bounds() -> None:
    raw = bytearray(encode_record((ONE,)))
    raw[11] += 5
    assert "length" in decode_record(bytes(raw)).problems[0]
    raw[11] += 20
    with pytest.raises(MalformedDataError, match="declares"):
        decode_record(bytes(raw))


def test_another_vendors_records() -> None:
    files = sorted(shared("fingers/fvc2002/db1_b").glob("*.iso"))
    assert len(files) == 80
    for file in files:
        record = decode_record(file.read_bytes(), true_size=(388, 374))
        assert record.format is RecordFormat.ISO_2005
        assert (record.width, record.height) == (300, 400)
        assert len(record.views[0]) > 5
        assert float(record.views[0].x.max()) < 388


def test_published_damaged_headers_are_refused() -> None:
    files = sorted(shared("vectors/finger_invalid").glob("*.bin"))
    assert files
    for file in files:
        with pytest.raises(MalformedDataError):
            decode_record(file.read_bytes())


@pytest.mark.parametrize("form", RecordFormat)
def test_every_cut_is_refused(form: RecordFormat) -> None:
    raw = encode_record((invented(1, 10), invented(2, 8)), form)
    for end in range(len(raw) - 9):
        with pytest.raises(MalformedDataError):
            decode_record(raw[:end])


@pytest.mark.parametrize("form", RecordFormat)
def test_mutations_end_in_a_record_or_in_one_exception(form: RecordFormat) -> None:
    raw = encode_record((invented(1, 20),), form)
    rng = np.random.default_rng(7)
    refused = 0
    for _ in range(1500):
        data = bytearray(raw)
        for place in rng.integers(0, min(len(data), 60), rng.integers(1, 5)):
            data[place] = int(rng.integers(256))
        try:
            record = decode_record(bytes(data))
        except MalformedDataError:
            refused += 1
        else:
            assert all(np.isfinite(v.x).all() for v in record.views)
    assert refused > 500


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"FMR\0 20\0", b"FMR\x00030\0"]))
def test_noise_is_refused_or_read(noise: bytes, head: bytes) -> None:
    for read in (decode_record, decode_card, detect_format):
        try:
            read(head + noise)
        except MalformedDataError:
            continue


def test_callers_mistakes() -> None:
    with pytest.raises(ConfigurationError):
        encode_record(())
    with pytest.raises(ConfigurationError):
        decode_record(encode_record((ONE,)), true_size=(0, 5))
    with pytest.raises(ConfigurationError):
        decode_record(encode_record((ONE,)), true_dpi=float("nan"))
