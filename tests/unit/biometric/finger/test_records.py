"""Minutiae records: bytes of the standards, round trips, another vendor's files, damage."""

from __future__ import annotations

import math
import random
import time
from dataclasses import replace

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
from idverify.errors import ConfigurationError, MalformedDataError
from idverify.formats.minutiae import MinutiaeRecord
from tests.shared import needs_shared, shared
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


def prints(form: RecordFormat, *sizes: int) -> tuple[Minutiae, ...]:
    """Invented prints, as many as the format takes."""
    return tuple(invented(seed, size) for seed, size in enumerate(sizes))[: 1 if form is RecordFormat.NBIS_RS else None]


@pytest.mark.parametrize("form", RecordFormat)
def test_round_trip(form: RecordFormat) -> None:
    views = prints(form, 30, 31, 32)
    record = decode_record(encode_record(views, form))
    assert record.format is form
    assert len(record.problems) == (form is RecordFormat.NBIS_RS)
    assert (record.width, record.height, record.resolution) == (360, 400, (197, 197))
    for view, again in zip(views, record.views, strict=True):
        best = view.best(255)
        np.testing.assert_allclose(again.x, best.x, atol=0.51)
        np.testing.assert_allclose(again.y, best.y, atol=0.51)
        step = 2 * math.pi / form.angle_steps
        assert np.abs(np.angle(np.exp(1j * (again.angle - best.angle)))).max() <= step / 2 + 1e-5
        np.testing.assert_allclose(again.score, best.score, atol=0.51 / form.best_quality)
        assert (again.kind == best.kind).all()


def test_bytes_of_2011() -> None:
    """ISO/IEC 19794-2:2011 §8: 15 bytes of header; length, capture head with one quality, 16 bytes, 6 a minutia."""
    assert encode_record((ONE,), RecordFormat.ISO_2011).hex() == (
        "464d5200" "30333000" "0000003c" "0001" "00"
        "0000002d" + "ff" * 9 + "00" "0000" "0000" "01" "4d00000000"
        "07" "00" "00c5" "00c5" "00" "012c" "0190" "60" "01" "8064" "0032" "40" "5a" "0000"
    )  # fmt: skip


def test_bytes_of_ansi_378_2009() -> None:
    """INCITS 378-2009 §6: 21 bytes of header, 17 a view, 6 a minutia, angles in steps of 2°."""
    tail = (
        "0000002e" "0001" "0000" "00" "0000" "01" "00"
        "07" "00" "00" "4d" "0001" "0000" "012c" "0190" "00c5" "00c5" "01" "8064" "0032" "2d" "5a" "0000"
    )  # fmt: skip
    assert encode_record((ONE,), RecordFormat.ANSI_2009).hex() == "464d520030333000" + tail
    assert encode_record((ONE,), RecordFormat.ANSI_2009_AM1).hex() == "464d520030333500" + tail


def test_formats_of_one_version_are_told_by_their_lengths() -> None:
    """Version 2.0 is ISO's of 2005 and INCITS' of 2004, version 3.0 ISO's of 2011 and INCITS' of 2009."""
    for count in (1, 2, 60):
        views = tuple(invented(seed, 30) for seed in range(count))
        for form in RecordFormat:
            assert detect_format(encode_record(views[: None if form is not RecordFormat.NBIS_RS else 1], form)) is form
    large = tuple(invented(seed, 5) for seed in range(100))
    bulky = MinutiaeRecord.parse(encode_record(large))
    bulky = replace(bulky, views=tuple(replace(v, extended=((9, bytes(700)),)) for v in bulky.views))
    for form in (RecordFormat.ISO_2005, RecordFormat.ANSI_2004):  # beyond 64 KiB
        raw = replace(bulky, format=form).encode()
        assert len(raw) > 0x10000
        assert MinutiaeRecord.parse(raw) == replace(bulky, format=form)


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
    assert len(raw) == 30 * form.size


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


@needs_shared
@pytest.mark.parametrize("base", ["fvc2002/db1_b", "fvc2002/db3_b", "fvc2004/db2_b", "fvc2004/db4_b"])
def test_another_vendors_records_byte_for_byte(base: str) -> None:
    files = sorted(shared(f"fingers/{base}").glob("*.iso"))
    assert len(files) == 80
    for file in files:
        raw = file.read_bytes()
        record = MinutiaeRecord.parse(raw)
        assert record.encode() == raw
        for form in RecordFormat:  # and through every other format
            other = replace(record, format=form, product=(0, 0) if "ISO" in form.value else (1, 2))
            assert [v.minutiae for v in MinutiaeRecord.parse(other.encode()).views] == [
                v.minutiae for v in record.views
            ]


def test_published_damaged_headers_are_refused() -> None:
    files = sorted(shared("vectors/finger_invalid").glob("*.bin"))
    assert files
    for file in files:
        with pytest.raises(MalformedDataError):
            decode_record(file.read_bytes())


def test_ten_thousand_mutations() -> None:
    """Records of every format, changed, cut, grown and spliced: a record or the one error, none slower than 2 s."""
    seeds = [encode_record(prints(form, 20, 9), form) for form in RecordFormat]
    rng, refused, slowest = random.Random(7), 0, 0.0
    for turn in range(10_000):
        data = mutate(bytearray(seeds[turn % len(seeds)]), seeds, rng)
        start = time.thread_time()  # the machine may have other work
        try:
            record = decode_record(data)
        except MalformedDataError:
            refused += 1
        else:
            assert all(np.isfinite(v.x).all() and np.isfinite(v.angle).all() for v in record.views)
        slowest = max(slowest, time.thread_time() - start)
    assert 4_000 < refused < 10_000
    assert slowest < 2


def mutate(data: bytearray, seeds: list[bytes], rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 5)):
        kind, at = rng.randrange(6), rng.randrange(len(data) or 1)
        if kind < 3 and data:
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 3:
            del data[at : at + rng.randint(1, 9)]
        elif kind == 4:
            data[at:at] = rng.randbytes(rng.randint(1, 9))
        else:
            other = rng.choice(seeds)
            data[at:] = other[rng.randrange(len(other)) :]
    return bytes(data)


@pytest.mark.parametrize("form", RecordFormat)
def test_every_cut_is_refused(form: RecordFormat) -> None:
    raw = encode_record(prints(form, 10, 8), form)
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
    with pytest.raises(ConfigurationError, match="1 to 1 views"):
        encode_record((ONE, ONE), RecordFormat.NBIS_RS)
    with pytest.raises(ConfigurationError):
        decode_record(encode_record((ONE,)), true_size=(0, 5))
    with pytest.raises(ConfigurationError):
        decode_record(encode_record((ONE,)), true_dpi=float("nan"))
