"""Biometric information templates of on-card comparison."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.chip.lds.cbeff import BiometricHeader
from idverify.chip.lds.iso19794_2 import CardFormat, Minutia, MinutiaType, Order, OrderMethod
from idverify.chip.lds.on_card import OnCardTemplate
from idverify.errors import MalformedDataError

EXAMPLE = bytes.fromhex(
    "7f601c"  # template
    "830195"  # reference data qualifier
    "a117"  # header
    "810108"  # finger
    "820109"  # right index
    "87020101"
    "88020005"  # compact card format
    "b107"  # parameters
    "81020c3c"  # 12 to 60 minutiae
    "820105"  # ascending, x then y
)


def test_an_example_built_by_hand() -> None:
    (found,) = OnCardTemplate.parse(EXAMPLE)
    assert found.reference == 0x95
    assert (found.min_minutiae, found.max_minutiae) == (12, 60)
    assert found.order == Order(OrderMethod.X_THEN_Y)
    assert found.features == 0
    assert found.card_format is CardFormat.COMPACT
    assert (found.header.biometric_type, found.header.biometric_subtype) == (8, 9)
    assert found.encode() == EXAMPLE


def test_a_group_of_templates() -> None:
    group = bytes.fromhex("7f61") + bytes([2 * len(EXAMPLE) + 3]) + b"\x02\1\2" + EXAMPLE * 2
    assert len(OnCardTemplate.parse(group)) == 2


def test_a_card_that_says_nothing_takes_everything() -> None:
    header = BiometricHeader.make(format_type=3)
    raw = bytes.fromhex("7f600aa10887020101") + bytes.fromhex("88020003")
    (found,) = OnCardTemplate.parse(raw)
    assert found == OnCardTemplate(header=header)
    assert found.card_format is CardFormat.NORMAL


@given(
    st.integers(0, 255),
    st.integers(0, 255),
    st.sampled_from(OrderMethod),
    st.booleans(),
    st.integers(0, 255),
    st.none() | st.binary(min_size=1, max_size=4),
)
@settings(deadline=None)
def test_what_is_written_is_read(
    low: int, high: int, method: OrderMethod, descending: bool, features: int, algorithm: bytes | None
) -> None:
    order = Order(method, descending and method is not OrderMethod.NONE)
    made = OnCardTemplate(
        header=BiometricHeader.make(format_type=5),
        min_minutiae=min(low, high),
        max_minutiae=max(low, high),
        order=order,
        features=features,
        algorithm=algorithm,
    )
    (found,) = OnCardTemplate.parse(made.encode())
    assert (found.min_minutiae, found.max_minutiae, found.order) == (made.min_minutiae, made.max_minutiae, order)
    assert (found.features, found.algorithm, found.reference) == (features, algorithm, None)
    assert found.encode() == made.encode()


def test_the_probe_is_cut_to_the_card() -> None:
    template = OnCardTemplate(
        header=BiometricHeader.make(format_type=5), min_minutiae=2, max_minutiae=2, order=Order(OrderMethod.Y_THEN_X)
    )
    probe = (Minutia(1, 9, 0, quality=50), Minutia(2, 8, 0, quality=10), Minutia(3, 7, 0, quality=90))
    assert template.select(probe) == (probe[2], probe[0])
    with pytest.raises(MalformedDataError, match="at least 2"):
        template.select(probe[:1])


def test_minutiae_beyond_the_cards_limit_go_in_the_standards_order() -> None:
    """ISO/IEC 19794-2:2011 §9.3.2: quality, distance from the centre of mass, ridge endings, the largest angle."""

    def kept(most: int, *minutiae: Minutia) -> tuple[Minutia, ...]:
        header = BiometricHeader.make(format_type=5)
        return OnCardTemplate(header=header, max_minutiae=most).select(minutiae)

    ring = [Minutia(x, 100, 5) for x in (0, 90, 100, 110, 200)]
    assert kept(3, *ring) == tuple(ring[1:4])
    assert kept(1, *ring) == (ring[2],)
    good = Minutia(0, 100, 5, quality=60)  # quality comes before distance
    assert kept(2, good, *ring[1:]) == (good, ring[2])
    assert kept(3, replace(ring[0], quality=254), *ring[1:]) == tuple(ring[1:4])  # 254 reports none
    pair = (Minutia(0, 0, 9, MinutiaType.RIDGE_ENDING), Minutia(10, 0, 9, MinutiaType.BIFURCATION))
    assert kept(1, *pair) == pair[1:]
    assert kept(1, *reversed(pair)) == pair[1:]
    twins = (Minutia(0, 0, 9), Minutia(10, 0, 8))
    assert kept(1, *twins) == twins[1:]
    assert kept(2, *pair) == pair


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "7f6000",
        "7f6100",
        "7f6003830101",
        "7f6006830201018a00",
        "7f61067f6003830101",
        "7f6007a105b10381010c",
        "7f6008a106b10481023c0c",
        "7f6007a105b103820120",
        "7f6008a106b10482020505",
        "6103020101",
    ],
)
def test_templates_refused(raw: str) -> None:
    with pytest.raises(MalformedDataError):
        OnCardTemplate.parse(bytes.fromhex(raw))


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_mutations_give_a_view_or_the_one_error(data: st.DataObject) -> None:
    raw = bytearray(EXAMPLE)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedDataError):
        OnCardTemplate.parse(bytes(raw))
