"""Faults at a chosen command, and a chip that answers whatever bytes come."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.chip.iso7816.apdu import CommandAPDU
from idverify.emulator import Card, Fault, FaultKind, citizen_card, personalise
from idverify.errors import CardRemovedError, TransportTimeout
from tests.emulator.terminal import SELECT_CARD_ACCESS, Terminal


@pytest.fixture(scope="module")
def citizen() -> Card:
    return citizen_card(seed="faults", aa="secp256r1")


def test_removed_until_reset(citizen: Card) -> None:
    card = citizen.fresh(faults=[Fault(FaultKind.REMOVE, at=1)])
    assert Terminal(card).raw(SELECT_CARD_ACCESS) == "9000"
    for _ in range(2):
        with pytest.raises(CardRemovedError):
            card.process(SELECT_CARD_ACCESS)
    card.reset()
    assert Terminal(card).raw(SELECT_CARD_ACCESS) == "9000"
    assert card.apdu_count == 4


@pytest.mark.parametrize("executed", [False, True])
def test_timeout_before_and_after_the_command(citizen: Card, executed: bool) -> None:
    card = citizen.fresh(faults=[Fault(FaultKind.TIMEOUT, at=0, executed=executed)])
    with pytest.raises(TransportTimeout):
        card.process(SELECT_CARD_ACCESS)
    assert card.process(b"\x00\xb0\x00\x00\x01").hex() == ("319000" if executed else "6986")


def test_slow(citizen: Card) -> None:
    waited: list[float] = []
    card = Card(citizen.image, faults=[Fault(FaultKind.SLOW, at=0, value=250)], sleep=waited.append)
    assert Terminal(card).raw(SELECT_CARD_ACCESS) == "9000"
    assert waited == [0.25]


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (Fault(FaultKind.STATUS, at=1, value=0x6F00), "6f00"),
        (Fault(FaultKind.FLIP, at=1, value=0), "b1349000"),
        (Fault(FaultKind.FLIP, at=1, value=-1), "31349001"),
        (Fault(FaultKind.TRUNCATE, at=1, value=1), "31"),
        (Fault(FaultKind.TRUNCATE, at=1, value=-1), "313490"),
        (Fault(FaultKind.TRUNCATE, at=1, value=0), ""),
        (Fault(FaultKind.DUPLICATE, at=1), "9000"),
        (Fault(FaultKind.EXTEND, at=1, value=2), "313400009000"),
        (Fault(FaultKind.RESET, at=1), "6986"),
        (Fault(FaultKind.STATUS, ins=0xB0, value=0x6A82), "6a82"),
        (Fault(FaultKind.STATUS, ins=0xB0, at=1, value=0x6A82), "31349000"),
    ],
)
def test_wrong_answers(citizen: Card, fault: Fault, answer: str) -> None:
    terminal = Terminal(citizen.fresh(faults=[fault]))
    assert terminal.raw(SELECT_CARD_ACCESS) == "9000"
    assert terminal.raw("00b0000002") == answer


def test_a_status_fault_drops_the_session(citizen: Card) -> None:
    terminal = Terminal(citizen.fresh()).bac()
    terminal.card.faults.append(Fault(FaultKind.STATUS, at=terminal.card.apdu_count, value=0x6988))
    assert terminal.raw("0cb09e000d9701048e0800112233445566770000") == "6988"
    assert terminal.messaging is not None
    protected = terminal.messaging.protect(CommandAPDU(0, 0xB0, 0x9E, 0, le=4)).to_bytes()
    assert terminal.raw(protected) == "6988"


@settings(max_examples=300, deadline=None)
@given(
    apdus=st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.builds(
                lambda cla, ins, p1, p2, data: bytes([cla, ins, p1, p2, len(data)]) + data + b"\0",
                st.sampled_from([0, 0x0C, 0x10, 0x1C]),
                st.sampled_from([0x22, 0x2A, 0x2C, 0x82, 0x84, 0x86, 0x88, 0xA4, 0xB0, 0xB1, 0xC0]),
                st.sampled_from([0, 1, 2, 3, 4, 8, 0x41, 0x81, 0x9E, 0xC1]),
                st.sampled_from([0, 0x0C, 0xA4, 0xA6, 0xB6, 0xBE]),
                st.one_of(
                    st.binary(max_size=60),
                    st.sampled_from(
                        [
                            bytes.fromhex("800a04007f00070202040202830102"),
                            bytes.fromhex("7c00"),
                            bytes.fromhex("7c028100"),
                            bytes.fromhex("800a04007f00070202030202"),
                            bytes.fromhex("540100"),
                            bytes.fromhex("a0000002471001"),
                            bytes.fromhex("011c"),
                            bytes.fromhex("7f4e8107"),
                        ]
                    ),
                ),
            ),
        ),
        max_size=8,
    )
)
def test_the_chip_answers_whatever_comes(citizen: Card, apdus: list[bytes]) -> None:
    card = citizen.fresh()
    for apdu in apdus:
        answer = card.process(apdu)
        assert len(answer) >= 2
        assert answer[-2] in (0x61, 0x62, 0x63, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x90)


EAC = personalise("passport-eac", seed="fuzz")


@settings(max_examples=150, deadline=None)
@given(
    commands=st.lists(
        st.tuples(
            st.sampled_from([0, 0x10]),
            st.sampled_from([0x22, 0x2A, 0x82, 0x84, 0x86, 0x88, 0xA4, 0xB0, 0xB1]),
            st.sampled_from([0, 1, 2, 4, 0x41, 0x81, 0x9E, 0xC1]),
            st.sampled_from([0, 0x0C, 0xA4, 0xA6, 0xB6, 0xBE]),
            st.binary(max_size=80),
            st.sampled_from([None, 1, 8, 256, 65536]),
        ),
        max_size=6,
    )
)
def test_the_chip_answers_whatever_comes_inside_a_session(
    commands: list[tuple[int, int, int, int, bytes, int]],
) -> None:
    terminal = Terminal(EAC.fresh()).bac()
    for cla, ins, p1, p2, data, le in commands:
        answer = terminal.send(CommandAPDU(cla, ins, p1, p2, data, le))
        assert answer.sw >> 8 in (0x62, 0x63, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6D, 0x90)
