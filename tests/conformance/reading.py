"""Reads an emulated card as a counter does, and keeps everything that came out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from idverify.chip.access.password import AccessPassword
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.files import FileId
from idverify.chip.pki.passive_auth import verify_document
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.session import DocumentSession, ReadOptions, gate_chip_results
from idverify.chip.transport.memory import MemoryTransport
from idverify.emulator import Card
from idverify.report import CheckId, CheckStatus, Reason, VerificationReport

AT = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Reading:
    """What a session left."""

    session: DocumentSession
    report: VerificationReport

    @property
    def files(self) -> dict[FileId, bytes]:
        return dict(self.session.files)

    def status(self, check: CheckId) -> CheckStatus:
        return self.report.status(check)

    def hashes(self) -> dict[str | None, CheckStatus]:
        return {c.subject: c.status for c in self.report.results(CheckId.DG_HASH)}

    def failed(self) -> dict[CheckId, Reason]:
        return {c.check: c.reason for c in self.report.checks if c.status is CheckStatus.FAILED}


def passwords_of(card: Card) -> list[AccessPassword]:
    """The CAN, where the card has one, then the MRZ."""
    can = [AccessPassword.can(card.can)] if card.can else []
    return [*can, AccessPassword.from_mrz_text(card.mrz)]


def open_session(
    card: Card,
    passwords: Sequence[AccessPassword] | None = None,
    *,
    options: ReadOptions | None = None,
    memory: LimitMemory | None = None,
) -> DocumentSession:
    """An open session; nothing is read yet."""
    session = DocumentSession(
        MemoryTransport(card), options=options, memory=memory or LimitMemory(), pause=lambda seconds: None
    )
    session.open(passwords_of(card) if passwords is None else passwords)
    return session


def read(
    card: Card,
    passwords: Sequence[AccessPassword] | None = None,
    *,
    options: ReadOptions | None = None,
    anchors: Iterable[bytes] | None = None,
    memory: LimitMemory | None = None,
) -> Reading:
    """A whole visit: open, read everything, let the chip prove itself, verify."""
    session = open_session(card, passwords, options=options, memory=memory)
    session.read_all()
    proofs = session.authenticate_chip()
    trust = TrustStore.from_certificates(card.trust_anchors if anchors is None else anchors)
    report = verify_document(
        {f: raw for f, raw in session.files.items() if f.in_application},
        trust=trust,
        at=AT,
        unreadable=session.unreadable,
    )
    gated = gate_chip_results(proofs, report)
    return Reading(session, report.with_checks([*session.checks, *gated]))
