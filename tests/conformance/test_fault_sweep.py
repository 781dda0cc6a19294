"""One fault at every command of a full EAC read: a right result or a clean error, no hang, no wrong verdict."""

from __future__ import annotations

import time
from functools import cache

import pytest

from idverify.chip.access.password import AccessPassword
from idverify.chip.access.terminal_auth import TerminalCredentials
from idverify.chip.access.terminal_key import InMemoryTerminalKey
from idverify.chip.chip_proof import gate_chip_results
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.files import FileId
from idverify.chip.pki.passive_auth import verify_document
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.session import DocumentSession, ReadOptions
from idverify.chip.transport.memory import MemoryTransport
from idverify.crypto.block import Cipher
from idverify.emulator import Card, ChipAuthSpec, Fault, FaultKind, PaceOption, TestCvPki, personalise, pkcs8
from idverify.errors import IdVerifyError, TransportError, WrongPasswordError
from idverify.report import CheckId, CheckResult, CheckStatus
from tests.conformance.reading import AT

FAULTS = {
    "remove": lambda at: Fault(FaultKind.REMOVE, at),
    "remove-executed": lambda at: Fault(FaultKind.REMOVE, at, executed=True),
    "timeout": lambda at: Fault(FaultKind.TIMEOUT, at),
    "timeout-executed": lambda at: Fault(FaultKind.TIMEOUT, at, executed=True),
    "reset": lambda at: Fault(FaultKind.RESET, at),
    "status-6f00": lambda at: Fault(FaultKind.STATUS, at, value=0x6F00),
    "status-6988": lambda at: Fault(FaultKind.STATUS, at, value=0x6988),
    "status-9000": lambda at: Fault(FaultKind.STATUS, at, value=0x9000),
    "flip-data": lambda at: Fault(FaultKind.FLIP, at, value=8 * (7 + at % 5) + at % 8),
    "flip-status": lambda at: Fault(FaultKind.FLIP, at, value=-1 - at % 16),
    "cut": lambda at: Fault(FaultKind.TRUNCATE, at, value=-1 - at % 3),
    "nothing": lambda at: Fault(FaultKind.TRUNCATE, at, value=0),
    "duplicate": lambda at: Fault(FaultKind.DUPLICATE, at),
    "longer": lambda at: Fault(FaultKind.EXTEND, at, value=1 + at % 4),
    "slow": lambda at: Fault(FaultKind.SLOW, at, value=4900),
    "too-slow": lambda at: Fault(FaultKind.SLOW, at, value=5100),
}
RECOVERABLE = ("remove", "remove-executed", "timeout", "timeout-executed", "nothing", "slow", "too-slow")
"""What a card that moved or thought does: the visit must succeed all the same."""


class Clock:
    """Time that passes while the card is slow, and not else."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


CLOCK = Clock()


@cache
def passport() -> Card:
    """Everything there is, over a fast curve."""
    card = personalise(
        "passport-eac",
        seed="sweep",
        pace=(PaceOption("GM", 12, Cipher.AES128),),
        ca=(ChipAuthSpec("secp256r1"),),
        aa="secp256r1",
        cv_pki=authority(),
    )
    return Card(card.image, sleep=CLOCK.sleep)


@cache
def authority() -> TestCvPki:
    return TestCvPki("sweep", kind="secp256r1")


@cache
def credentials() -> TerminalCredentials:
    key = InMemoryTerminalKey.from_der(pkcs8(authority().terminal.key))
    return TerminalCredentials.load([*authority().chain, authority().cvca.der], key)


@cache
def trust() -> TrustStore:
    return TrustStore.from_certificates(passport().trust_anchors)


def session_on(card: Card) -> DocumentSession:
    return DocumentSession(
        MemoryTransport(card, clock=CLOCK),
        memory=LimitMemory(),
        options=ReadOptions(),
        pause=lambda seconds: None,
        clock=CLOCK,
    )


def visit(card: Card) -> tuple[DocumentSession, dict[FileId, bytes], dict[CheckId, CheckResult], bool]:
    with session_on(card) as session:
        session.open([AccessPassword.can(card.can or ""), AccessPassword.from_mrz_text(card.mrz)])
        session.read_all()
        proofs = session.authenticate_chip(challenge=bytes(range(8)))
        session.authenticate_terminal(credentials())
        files = session.read_all()
    report = verify_document(
        {f: raw for f, raw in files.items() if f.in_application}, trust=trust(), at=AT, unreadable=session.unreadable
    )
    gated = {c.check: c for c in gate_chip_results(proofs, report)}
    whole = report.status(CheckId.DG_HASH) is CheckStatus.SUCCESSFUL
    return session, files, gated, whole


@cache
def commands() -> int:
    session, files, gated, _ = visit(passport().fresh())
    assert all(c.status is CheckStatus.SUCCESSFUL for c in gated.values())
    assert {FileId.DG2, FileId.DG3, FileId.DG4} <= set(files)
    return session.stats.apdus


@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_a_fault_at_every_command(kind: str) -> None:
    ended_well = 0
    for at in range(commands()):
        card = passport().fresh(faults=[FAULTS[kind](at)])
        started = time.monotonic()
        try:
            session, files, gated, _ = visit(card)
        except WrongPasswordError:
            assert kind not in RECOVERABLE
            assert card.wrong_keys <= 1
            continue
        except IdVerifyError:
            assert kind not in RECOVERABLE, f"at command {at}"
            assert card.wrong_keys == 0, f"a key was counted, and nobody said so, at command {at}"
            continue
        finally:
            assert time.monotonic() - started < 20
            assert card.apdu_count < 12 * commands()
        ended_well += 1
        assert card.wrong_keys == 0
        assert session.stats.recoveries == (0 if kind == "slow" else session.stats.recoveries)
        wrong = {f.label for f, raw in files.items() if raw != passport().files.get(f)}
        if kind.startswith(("flip", "cut", "duplicate", "longer", "status")):
            wrong -= {"EF.CardAccess", "EF.ATR/INFO"}  # plain: nothing vouches for them, so no verdict hangs on them
        assert not wrong, f"at command {at}"
        for check, result in gated.items():
            if result.status is CheckStatus.SUCCESSFUL:
                continue
            # an answer altered on its way may fail a proof or leave it open; a card that only moved may not
            assert kind not in RECOVERABLE, f"{check} {result.reason} at command {at}"
        if kind in RECOVERABLE:
            assert session.access == "pace"
            assert {FileId.DG2, FileId.DG3, FileId.DG4} <= set(files)
            assert card.wrong_keys == 0
    assert ended_well >= (commands() if kind in RECOVERABLE else 1)


# ---- passwords with a retry counter --------------------------------------------------------------------------------

_PIN = 3  # reference of the password (BSI TR-03110-3 §B.1)


@cache
def identity_card() -> Card:
    """A card whose PIN has a retry counter of 3."""
    card = personalise("eid-eac2", seed="sweep", pace=(PaceOption("GM", 12, Cipher.AES128),))
    return Card(card.image, sleep=CLOCK.sleep)


def visit_with_pin(card: Card) -> DocumentSession:
    with session_on(card) as session:
        session.open(AccessPassword.pin(card.image.pin or ""))
        session.read(FileId.DG1)
    return session


@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_a_fault_never_uses_up_a_try_unseen(kind: str) -> None:
    """The right PIN, and one fault at every command: the counter stands where it stood, or the error tells it."""
    total = visit_with_pin(identity_card().fresh()).stats.apdus
    reported = 0
    for at in range(total):
        card = identity_card().fresh(faults=[FAULTS[kind](at)])
        full = card.tries_left[_PIN]
        try:
            visit_with_pin(card)
        except WrongPasswordError as refused:
            told, left = refused.tries_left, card.tries_left[_PIN]
            assert told == left or (told is None and left == full), f"at command {at}"
            reported += left < full
        except IdVerifyError:
            assert card.tries_left[_PIN] == full, f"at command {at}"
        else:
            assert card.tries_left[_PIN] == full, f"at command {at}"
    assert reported == (1 if kind == "flip-data" else 0), "an altered nonce makes the right PIN a wrong one"


def test_a_lost_answer_never_makes_the_reader_spend_a_second_try() -> None:
    """A wrong PIN, and the answer that counts it lost: the card is not opened anew with the same PIN."""
    wrong = AccessPassword.pin(f"{(int(identity_card().image.pin or '0') + 1) % 1_000_000:06d}")
    full, told = identity_card().fresh().tries_left[_PIN], 0
    for kind in ("remove-executed", "timeout-executed", "too-slow", "nothing"):
        for at in range(12):
            card = identity_card().fresh(faults=[FAULTS[kind](at)])
            with session_on(card) as session, pytest.raises(IdVerifyError) as caught:
                session.open(wrong)
            assert card.tries_left[_PIN] >= 2
            assert session.stats.recoveries == 0
            words = "the PIN was being checked: the try may have been counted"
            if isinstance(caught.value, TransportError) and card.tries_left[_PIN] < full:
                assert words in str(caught.value)
                told += 1
            assert at or words not in str(caught.value), "nothing of the PIN was sent yet"
    assert told == 4, "the lost answer that had counted, for each kind of fault"
