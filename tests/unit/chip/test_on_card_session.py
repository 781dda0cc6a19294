"""Fingers compared on the card, through a whole session."""

from __future__ import annotations

import pytest

from idverify.chip.access.on_card import OnCardOutcome
from idverify.chip.access.password import AccessPassword
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.iso19794_2 import CardFormat, FingerView, Minutia, MinutiaeRecord, decode_card_minutiae
from idverify.chip.session import DocumentSession
from idverify.chip.transport.memory import MemoryTransport
from idverify.emulator import Card, Fault, FaultKind, OnCardFinger, another_impression, invent_minutiae, personalise
from idverify.errors import ConfigurationError, MalformedDataError, SecureMessagingError, TransportError
from idverify.report import CheckStatus

FINGERS = {1: invent_minutiae("right index"), 2: invent_minutiae("left index")}


def record_of(compact: bytes) -> MinutiaeRecord:
    """The same finger in pixels of a sensor with 500 dpi."""
    minutiae = tuple(
        Minutia(round(m.x * 1.97), round(m.y * 1.97), m.angle * 4, m.kind, 60)
        for m in decode_card_minutiae(compact, CardFormat.COMPACT)
    )
    return MinutiaeRecord(views=(FingerView(position=2, minutiae=minutiae),), width=500, height=600)


def document(**more: object) -> Card:
    fingers = [OnCardFinger(reference=n, minutiae=raw) for n, raw in FINGERS.items()]
    return personalise("cccd-moc", seed="session", on_card=fingers, **more)


def opened(card: Card) -> DocumentSession:
    session = DocumentSession(MemoryTransport(card), memory=LimitMemory(), pause=lambda seconds: None)
    session.open(AccessPassword.can(card.can or ""))
    return session


def test_each_finger_is_compared_with_its_own_reference() -> None:
    card = document()
    session = opened(card)
    session.read_all()
    for reference, raw in FINGERS.items():
        probe = record_of(another_impression(raw, reference))
        result = session.compare_on_card(probe, reference=reference)
        assert (result.outcome, result.reference, result.tries_left) == (OnCardOutcome.MATCH, reference, 5)
        assert session.compare_on_card(probe.encode(), reference=reference).outcome is OnCardOutcome.MATCH
        other = session.compare_on_card(probe, reference=3 - reference)
        assert (other.outcome, other.tries_left) == (OnCardOutcome.NO_MATCH, 4)
    assert session.compare_on_card(probe, reference=7).outcome is OnCardOutcome.NOT_OFFERED
    assert session.authenticate_chip()[0].proven  # the session goes on


def test_a_wrong_finger_never_locks_the_card_by_default() -> None:
    card = document()
    session = opened(card)
    probe = record_of(invent_minutiae("somebody else"))
    outcomes = [session.compare_on_card(probe, reference=1).outcome for _ in range(7)]
    assert outcomes == [OnCardOutcome.NO_MATCH] * 4 + [OnCardOutcome.NOT_TRIED] * 3
    assert card._os.comparison.tries[1] == 1


@pytest.mark.parametrize("executed", [False, True])
@pytest.mark.parametrize("kind", [FaultKind.REMOVE, FaultKind.TIMEOUT])
def test_a_probe_is_not_sent_again_when_the_card_moves(kind: FaultKind, executed: bool) -> None:
    card = document()
    session = opened(card)
    card.faults.append(Fault(kind, 0, ins=0x21, executed=executed))
    with pytest.raises(TransportError):
        session.compare_on_card(record_of(invent_minutiae("somebody else")), reference=1)
    assert card._os.comparison.tries[1] == (4 if executed else 5)
    result = session.compare_on_card(record_of(another_impression(FINGERS[1], 5)), reference=1)
    assert result.outcome is OnCardOutcome.MATCH  # the next call opens the card anew


def test_an_altered_answer_is_no_match() -> None:
    card = document()
    session = opened(card)
    card.faults.append(Fault(FaultKind.FLIP, 0, ins=0x21, value=20))
    with pytest.raises(SecureMessagingError):
        session.compare_on_card(record_of(another_impression(FINGERS[1], 5)), reference=1)


def test_cards_without_it_and_probes_that_are_none() -> None:
    session = opened(personalise("cccd-2021", seed="plain"))
    result = session.compare_on_card(record_of(FINGERS[1]))
    assert result.outcome is OnCardOutcome.NOT_OFFERED
    assert result.check.status is CheckStatus.NOT_SUPPORTED
    session = opened(document())
    for bad in (b"", b"FMR\0 20\0", record_of(FINGERS[1][:9])):
        with pytest.raises(MalformedDataError):
            session.compare_on_card(bad)
    closed = DocumentSession(MemoryTransport(document()), memory=LimitMemory())
    with pytest.raises(ConfigurationError, match="not open"):
        closed.compare_on_card(record_of(FINGERS[1]))
