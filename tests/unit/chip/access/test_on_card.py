"""On-card comparison: what the card asks for, probes in its format, and a counter that is never spent unseen."""

from __future__ import annotations

import pytest
from tests.emulator.terminal import Terminal
from tests.unit.chip.access.scripted import ScriptedCard

from idverify.chip.access.on_card import OnCardOutcome, compare_on_card, read_templates, read_tries
from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU
from idverify.chip.lds.iso19794_2 import (
    CardFormat,
    FingerView,
    Minutia,
    MinutiaeRecord,
    MinutiaType,
    Order,
    OrderMethod,
    decode_card_minutiae,
)
from idverify.chip.lds.on_card import OnCardTemplate, to_card_units
from idverify.emulator import Card, OnCardFinger, another_impression, invent_minutiae, personalise
from idverify.errors import (
    CardRemovedError,
    MalformedDataError,
    SecurityStatusError,
    StatusWordError,
    TransportError,
    TransportTimeout,
)
from idverify.report import CheckId, CheckStatus, Reason

FINGER = invent_minutiae("on card")


def minutiae_of(raw: bytes) -> tuple[Minutia, ...]:
    return decode_card_minutiae(raw, CardFormat.COMPACT)


GENUINE = minutiae_of(another_impression(FINGER, "again"))
IMPOSTOR = minutiae_of(invent_minutiae("somebody else"))


def card_with(**more: object) -> Card:
    return personalise("cccd-moc", seed="on card", on_card=[OnCardFinger(reference=3, minutiae=FINGER, **more)])


def test_the_right_finger_and_another_one() -> None:
    card = card_with()
    terminal = Terminal(card).pace()
    (template,) = read_templates(terminal)
    assert (template.reference, template.card_format, template.max_minutiae) == (3, CardFormat.COMPACT, 60)
    assert read_tries(terminal, template) == 5
    result = compare_on_card(terminal, template, GENUINE)
    assert (result.outcome, result.tries_left) == (OnCardOutcome.MATCH, 5)
    assert (result.check.check, result.check.status) == (CheckId.FINGER_MATCH, CheckStatus.SUCCESSFUL)
    for left in (4, 3, 2):
        result = compare_on_card(terminal, template, IMPOSTOR)
        assert (result.outcome, result.tries_left) == (OnCardOutcome.NO_MATCH, left)
        assert (result.check.status, result.check.reason) == (CheckStatus.FAILED, Reason.BELOW_THRESHOLD)
        assert result.check.evidence["tries_left"] == str(left)
    assert compare_on_card(terminal, template, GENUINE).tries_left == 5  # a match gives the tries back


def test_the_last_try_is_not_spent_unless_asked_for_and_then_the_card_locks() -> None:
    card = card_with(tries=2)
    terminal = Terminal(card).pace()
    (template,) = read_templates(terminal)
    assert compare_on_card(terminal, template, IMPOSTOR).tries_left == 1
    spared = compare_on_card(terminal, template, IMPOSTOR)
    assert (spared.outcome, spared.tries_left) == (OnCardOutcome.NOT_TRIED, 1)
    assert (spared.check.status, spared.check.reason) == (CheckStatus.NOT_PERFORMED, Reason.FEW_TRIES_LEFT)
    assert read_tries(terminal, template) == 1
    last = compare_on_card(terminal, template, IMPOSTOR, keep=0)
    assert (last.outcome, last.tries_left) == (OnCardOutcome.NO_MATCH, 0)
    locked = compare_on_card(terminal, template, GENUINE, keep=0)
    assert (locked.outcome, locked.tries_left) == (OnCardOutcome.LOCKED, 0)
    assert locked.check.reason is Reason.REFERENCE_LOCKED
    card.reset()
    terminal = Terminal(card).pace()
    assert compare_on_card(terminal, template, GENUINE).outcome is OnCardOutcome.LOCKED


@pytest.mark.parametrize("method", [OrderMethod.X_THEN_Y, OrderMethod.Y_THEN_X, OrderMethod.ANGLE])
@pytest.mark.parametrize("descending", [False, True])
def test_order_and_number_are_what_the_card_asks_for(method: OrderMethod, descending: bool) -> None:
    terminal = Terminal(card_with(order=Order(method, descending), max_minutiae=30)).pace()
    (template,) = read_templates(terminal)
    assert len(GENUINE) > 30
    assert compare_on_card(terminal, template, GENUINE[::-1]).outcome is not OnCardOutcome.LOCKED
    with pytest.raises(MalformedDataError, match="at least"):
        compare_on_card(terminal, template, GENUINE[:5])
    wide = (Minutia(300, 0, 0),) * 10
    with pytest.raises(MalformedDataError, match="format"):
        compare_on_card(terminal, template, wide)


def test_access_control_comes_first_and_cards_without_it_have_none() -> None:
    with pytest.raises(SecurityStatusError):
        read_templates(Terminal(card_with()))
    assert read_templates(Terminal(personalise("passport-eac", seed="none")).pace()) == ()


TEMPLATE = OnCardTemplate.parse(OnCardFinger(reference=3, minutiae=FINGER).information)[0]


def probe_commands() -> tuple[str, str]:
    data = bytes.fromhex("7f2e") + bytes([2 + 3 * 36, 0x81, 3 * 36])
    chosen = TEMPLATE.select(GENUINE)
    data += b"".join(bytes((m.x, m.y, m.kind << 6 | m.angle)) for m in chosen)
    return tuple(f"00{ins}0003{len(data):02x}{data.hex()}" for ins in ("21", "20"))  # type: ignore[return-value]


def test_commands_byte_for_byte() -> None:
    odd, even = probe_commands()
    card = ScriptedCard([("00200003", "63c5"), (odd, "9000"), ("00200003", "9000")])
    assert compare_on_card(card, TEMPLATE, GENUINE).tries_left is None
    card = ScriptedCard([("00200003", "6a88"), (odd, "6d00"), (even, "63c2")])
    assert compare_on_card(card, TEMPLATE, GENUINE).tries_left == 2
    information = OnCardFinger(reference=3, minutiae=FINGER).information.hex()
    card = ScriptedCard(
        [("00ca7f6100", "6a88"), ("00cb3fff045c027f6100", "6d00"), ("00ca7f6000", information + "9000")]
    )
    assert read_templates(card) == (TEMPLATE,)


@pytest.mark.parametrize(
    ("sw", "outcome", "left"),
    [
        (0x6300, OnCardOutcome.NO_MATCH, None),
        (0x63C0, OnCardOutcome.NO_MATCH, 0),
        (0x63CF, OnCardOutcome.NO_MATCH, 15),
        (0x6983, OnCardOutcome.LOCKED, 0),
        (0x6984, OnCardOutcome.LOCKED, 0),
    ],
)
def test_status_words(sw: int, outcome: OnCardOutcome, left: int | None) -> None:
    odd, _ = probe_commands()
    result = compare_on_card(ScriptedCard([("00200003", "6a88"), (odd, f"{sw:04x}")]), TEMPLATE, GENUINE)
    assert (result.outcome, result.tries_left) == (outcome, left)
    assert result.check.status is not CheckStatus.SUCCESSFUL


@pytest.mark.parametrize("sw", [0x6A80, 0x6A88, 0x6982, 0x6700, 0x6F00])
def test_a_refused_probe_is_sent_once(sw: int) -> None:
    odd, _ = probe_commands()
    card = ScriptedCard([("00200003", "6a88"), (odd, f"{sw:04x}")])
    with pytest.raises(StatusWordError) as caught:
        compare_on_card(card, TEMPLATE, GENUINE)
    assert caught.value.sw == sw
    assert not card.script


@pytest.mark.parametrize("kind", [TransportTimeout, CardRemovedError])
def test_an_answer_that_is_lost_may_have_been_counted(kind: type[TransportError]) -> None:
    class Lost:
        def send(self, command: CommandAPDU) -> ResponseAPDU:
            if not command.data:
                return ResponseAPDU(b"", 0x63C5)
            raise kind("the card was removed")

    with pytest.raises(
        kind, match=r"the card was removed\. This was while a finger was being checked: the try may have"
    ):
        compare_on_card(Lost(), TEMPLATE, GENUINE)


def test_hostile_templates_are_refused() -> None:
    class Hostile:
        def __init__(self, data: bytes) -> None:
            self.data = data

        def send(self, command: CommandAPDU) -> ResponseAPDU:
            return ResponseAPDU(self.data, 0x9000)

    for data in (b"\x7f\x61\x03\x02\x01\x00", b"\x7f\x60\x00", b"\x7f\x61\x84\xff\xff\xff\xff", b"\x30\x00"):
        with pytest.raises(MalformedDataError):
            read_templates(Hostile(data))


def test_records_become_card_units() -> None:
    """197 pixels a centimetre: 1.97 pixels are 0.1 mm; 256 steps become 64."""
    minutiae = (
        Minutia(197, 394, 0, MinutiaType.RIDGE_ENDING, 80),
        Minutia(0, 0, 255, MinutiaType.BIFURCATION, 20),
        Minutia(99, 98, 130),
    )
    record = MinutiaeRecord(views=(FingerView(position=2, minutiae=minutiae),), width=400, height=500)
    compact = to_card_units(record, CardFormat.COMPACT)
    assert [(m.x, m.y, m.angle, m.quality) for m in compact] == [(100, 200, 0, 80), (0, 0, 0, 20), (50, 50, 33, 0)]
    assert compact[0].kind is MinutiaType.RIDGE_ENDING
    normal = to_card_units(record, CardFormat.NORMAL)
    assert (normal[0].x, normal[0].y, normal[0].angle) == (1000, 2000, 0)
    tall = MinutiaeRecord(
        views=(FingerView(position=2, minutiae=tuple(Minutia(10, y, 0) for y in range(0, 1000, 20))),),
        width=400,
        height=1000,
    )
    kept = to_card_units(tall, CardFormat.COMPACT)
    assert 20 < len(kept) < 50
    assert all(0 <= m.y <= 255 for m in kept)
    low = MinutiaeRecord(views=(FingerView(position=2, minutiae=(Minutia(10, 990, 0),)),), width=400, height=1000)
    assert to_card_units(low, CardFormat.COMPACT)[0].y == 0
    for bad in (1, -1):
        with pytest.raises(MalformedDataError):
            to_card_units(record, CardFormat.COMPACT, view=bad)
