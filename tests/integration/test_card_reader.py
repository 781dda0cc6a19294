"""Emulated documents in virtual readers: the whole way through pcscd."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import cache

import pytest

from idverify.chip.access.password import AccessPassword
from idverify.chip.access.terminal_auth import TerminalCredentials
from idverify.chip.access.terminal_key import InMemoryTerminalKey
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.files import FileId
from idverify.chip.session import DocumentSession, ReadOptions
from idverify.chip.transport.pcsc import open_reader
from idverify.emulator import Card, Fault, FaultKind, TestCvPki, citizen_card, personalise, pkcs8, with_quirks
from idverify.emulator.pcsc_stack import VirtualReaderStack
from idverify.errors import CardLockedError, IdVerifyError, WrongPasswordError

pytestmark = pytest.mark.pcsc


@cache
def citizen() -> Card:
    return citizen_card(seed="reader")


def password(card: Card) -> AccessPassword:
    return AccessPassword.can(card.can) if card.can else AccessPassword.from_mrz_text(card.mrz)


def read(stack: VirtualReaderStack, card: Card, slot: int = 0, **options: object):
    transport = open_reader(stack.reader(slot))
    try:
        with DocumentSession(transport, options=ReadOptions(**options), memory=LimitMemory()) as session:
            session.open(password(card))
            files = session.read_all()
            proofs = session.authenticate_chip()
            return session, files, proofs
    finally:
        transport.close()


def signed_files(card: Card) -> dict[FileId, bytes]:
    return {f: raw for f, raw in card.files.items() if f in (FileId.COM, FileId.SOD) or f.number not in (None, 3, 4)}


@pytest.mark.parametrize("force_short_apdu", [False, True])
def test_a_citizen_card(stack: VirtualReaderStack, force_short_apdu: bool) -> None:
    card = citizen().fresh()
    with stack.insert(card):
        session, files, proofs = read(stack, card, force_short_apdu=force_short_apdu)
    assert session.access == "pace"
    assert {f: files[f] for f in signed_files(card)} == signed_files(card)
    assert all(p.proven for p in proofs)
    assert session.stats.extended_length is not force_short_apdu


@pytest.mark.parametrize(
    "profile", ["passport-bac", "passport-pace-im", "passport-pace-cam", "passport-aa-rsa", "passport-aa-ecdsa"]
)
def test_other_documents(stack: VirtualReaderStack, profile: str) -> None:
    card = personalise(profile, seed="reader")
    with stack.insert(card):
        session, files, proofs = read(stack, card)
    assert session.access == ("pace" if "pace" in profile else "bac")
    assert {f: files.get(f) for f in signed_files(card)} == signed_files(card)
    assert all(p.proven for p in proofs if p.result.status.value == "undetermined")


def test_fingerprints_behind_terminal_authentication(stack: VirtualReaderStack) -> None:
    authority = TestCvPki("reader")
    card = personalise("passport-eac", seed="reader", cv_pki=authority)
    key = InMemoryTerminalKey.from_der(pkcs8(authority.terminal.key))
    credentials = TerminalCredentials.load([*authority.chain, authority.cvca.der], key)
    with (
        stack.insert(card),
        open_reader(stack.reader(0)) as transport,
        DocumentSession(transport, memory=LimitMemory()) as session,
    ):
        session.open(password(card))
        proofs = session.authenticate_chip()
        assert session.authenticate_terminal(credentials).accepted
        files = session.read_all()
    assert all(p.proven for p in proofs)
    assert (files[FileId.DG3], files[FileId.DG4]) == (card.files[FileId.DG3], card.files[FileId.DG4])


class ContactCard(Card):
    """The same chip with contacts, under T=0."""

    @property
    def atr(self) -> bytes:
        return bytes.fromhex("3B6500002063CBBD80")


def test_a_document_with_contacts_under_t0(stack: VirtualReaderStack) -> None:
    card = ContactCard(with_quirks(citizen().image, responses="wrong-length", extended_length=False))
    with stack.insert(card):
        session, files, proofs = read(stack, card)
    assert {f: files[f] for f in signed_files(card)} == signed_files(card)
    assert all(p.proven for p in proofs)
    assert not session.stats.extended_length


def test_two_documents_at_once(stack: VirtualReaderStack) -> None:
    cards = [citizen().fresh(), personalise("passport-bac", seed="two")]
    results: dict[int, object] = {}

    def work(slot: int) -> None:
        try:
            results[slot] = read(stack, cards[slot], slot)[1]
        except IdVerifyError as error:
            results[slot] = error

    with stack.insert(cards[0], 0), stack.insert(cards[1], 1):
        threads = [threading.Thread(target=work, args=(slot,)) for slot in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    for slot, card in enumerate(cards):
        files = results[slot]
        assert isinstance(files, dict), files
        assert files[FileId.DG2] == card.files[FileId.DG2]


def test_a_wrong_can_costs_one_try(stack: VirtualReaderStack) -> None:
    card = Card(with_quirks(citizen().image, lock_after=2))
    wrong = AccessPassword.can(f"{(int(card.can) + 1) % 1000000:06d}")
    with stack.insert(card):
        for expected in (WrongPasswordError, WrongPasswordError, CardLockedError):
            transport = open_reader(stack.reader(0))
            with DocumentSession(transport, memory=LimitMemory()) as session, pytest.raises(expected):
                session.open([wrong, AccessPassword.from_mrz_text(card.mrz)])
            transport.close()
    assert card.wrong_keys == 2


def test_a_card_that_leaves_the_field_in_the_middle(stack: VirtualReaderStack) -> None:
    card = citizen().fresh(faults=[Fault(FaultKind.REMOVE, 50)])
    with stack.insert(card) as server:
        back = threading.Event()

        def put_back() -> None:
            while not back.wait(0.05):
                if not server.connected:
                    back.wait(1.0)  # pcscd looks every 0.4 s
                    server.insert()

        helper = threading.Thread(target=put_back)
        helper.start()
        try:
            session, files, _ = read(stack, card, force_short_apdu=True, recovery_wait=timedelta(seconds=30))
        finally:
            back.set()
            helper.join()
    assert files[FileId.DG2] == card.files[FileId.DG2]
    assert session.stats.recoveries >= 1
