"""Templates of our own engine on a card that compares fingers itself: enrolled with one print, asked with another."""

from __future__ import annotations

import contextlib
from functools import cache

import pytest

from idverify import AccessPassword, CheckStatus, MemoryTransport
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.minutiae import Minutiae
from idverify.biometric.finger.records import decode_card, encode_card, encode_record
from idverify.chip.access.on_card import OnCardOutcome
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.session import DocumentSession
from idverify.chip.transport.pcsc import open_reader
from idverify.emulator import Card, OnCardFinger, personalise
from idverify.emulator.fingers import SyntheticFinger
from idverify.emulator.pcsc_stack import VirtualReaderStack


@cache
def matcher() -> FingerMatcher:
    return FingerMatcher(threads=1)


@cache
def minutiae(seed: int, impression: int) -> Minutiae:
    return matcher().sample(SyntheticFinger(seed).impression(impression)).minutiae


@cache
def enrolled() -> Card:
    fingers = [
        OnCardFinger(reference=1, minutiae=encode_card(minutiae(1, 0))),
        OnCardFinger(reference=2, minutiae=encode_card(minutiae(4, 0))),
    ]
    return personalise("cccd-moc", seed="our templates", on_card=fingers)


def opened() -> DocumentSession:
    card = enrolled().fresh()
    session = DocumentSession(MemoryTransport(card), memory=LimitMemory(), pause=lambda seconds: None)
    session.open(AccessPassword.can(card.can or ""))
    return session


def test_another_impression_is_accepted_and_another_finger_counted() -> None:
    session = opened()
    for reference, seed in ((1, 1), (2, 4)):
        other = encode_record((minutiae(5 - seed, 1),))
        refused = session.compare_on_card(other, reference=reference)
        assert (refused.outcome, refused.tries_left) == (OnCardOutcome.NO_MATCH, 4)
        assert refused.check.status is CheckStatus.FAILED
        for impression in (1, 2):
            probe = encode_record((minutiae(seed, impression),))
            same = session.compare_on_card(probe, reference=reference)
            assert (same.outcome, same.tries_left) == (OnCardOutcome.MATCH, 5)  # the counter starts anew
            assert same.check.status is CheckStatus.SUCCESSFUL


@pytest.mark.pcsc
def test_enrolled_and_compared_through_pcscd(stack: VirtualReaderStack) -> None:
    """Enrolment with one impression, then, over the reader: another finger, a match, and the tries that are left."""
    card = enrolled().fresh()
    outcomes = []
    with stack.insert(card):
        for seed, impression in ((4, 1), (1, 1)):
            with (
                contextlib.closing(open_reader(stack.reader(0))) as transport,
                DocumentSession(transport, memory=LimitMemory()) as session,
            ):
                session.open(AccessPassword.can(card.can or ""))
                result = session.compare_on_card(encode_record((minutiae(seed, impression),)), reference=1)
                outcomes.append((result.outcome, result.tries_left, result.check.status))
    assert outcomes == [
        (OnCardOutcome.NO_MATCH, 4, CheckStatus.FAILED),
        (OnCardOutcome.MATCH, 5, CheckStatus.SUCCESSFUL),
    ]


def test_a_card_takes_what_it_has_room_for() -> None:
    assert len(minutiae(1, 0)) > 60
    assert len(decode_card(encode_card(minutiae(1, 0)))) == 60
