"""The general authentication procedure and on-card comparison through pcscd."""

from __future__ import annotations

import pytest

from idverify.chip.access.on_card import OnCardOutcome
from idverify.chip.access.password import AccessPassword
from idverify.chip.access.terminal_auth import TerminalCredentials
from idverify.chip.access.terminal_key import InMemoryTerminalKey
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.files import FileId
from idverify.chip.lds.iso19794_2 import CardFormat, FingerView, Minutia, MinutiaeRecord, decode_card_minutiae
from idverify.chip.session import DocumentSession, ReadOptions
from idverify.chip.transport.pcsc import open_reader
from idverify.emulator import OnCardFinger, TestCvPki, another_impression, invent_minutiae, personalise, pkcs8
from idverify.emulator.pcsc_stack import VirtualReaderStack

pytestmark = pytest.mark.pcsc


@pytest.mark.parametrize("force_short_apdu", [False, True])
@pytest.mark.parametrize("profile", ["eid-eac2", "passport-eac-bac"])
def test_everything_behind_terminal_authentication(
    stack: VirtualReaderStack, profile: str, force_short_apdu: bool
) -> None:
    pki = TestCvPki("reader", kind="rsa-2048")
    card = personalise(profile, seed="reader", cv_pki=pki)
    terminal = TerminalCredentials.load(
        (*pki.chain, pki.cvca.der), InMemoryTerminalKey.from_der(pkcs8(pki.terminal.key))
    )
    password = AccessPassword.can(card.can) if card.can else AccessPassword.from_mrz_text(card.mrz)
    with stack.insert(card):
        transport = open_reader(stack.reader(0))
        options = ReadOptions(force_short_apdu=force_short_apdu)
        try:
            with DocumentSession(transport, options=options, memory=LimitMemory()) as session:
                session.open(password, terminal=terminal)
                assert session.authenticate_terminal().accepted
                files = session.read_all()
                assert session.authenticate_chip()[1].proven
        finally:
            transport.close()
    for file in (FileId.DG1, FileId.DG2, FileId.DG3, FileId.DG4):
        assert files[file] == card.files[file]


def test_a_finger_compared_on_the_card(stack: VirtualReaderStack) -> None:
    finger = invent_minutiae("reader")
    card = personalise("cccd-moc", seed="reader", on_card=[OnCardFinger(reference=1, minutiae=finger)])
    compact = decode_card_minutiae(another_impression(finger, 2), CardFormat.COMPACT)
    minutiae = tuple(Minutia(round(m.x * 1.97), round(m.y * 1.97), m.angle * 4, m.kind, 50) for m in compact)
    record = MinutiaeRecord(views=(FingerView(position=2, minutiae=minutiae),), width=500, height=600)
    with stack.insert(card):
        transport = open_reader(stack.reader(0))
        try:
            with DocumentSession(transport, memory=LimitMemory()) as session:
                session.open(AccessPassword.can(card.can or ""))
                result = session.compare_on_card(record)
        finally:
            transport.close()
    assert (result.outcome, result.tries_left) == (OnCardOutcome.MATCH, 5)
