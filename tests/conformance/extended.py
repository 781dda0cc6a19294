"""The advanced inspection procedure: terminal authentication, then DG3 and DG4 (BSI TR-03110-1 §2.4)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from idverify.chip.access.terminal_auth import TerminalCredentials
from idverify.chip.access.terminal_key import InMemoryTerminalKey
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.contents import check_contents
from idverify.chip.lds.dg1 import DG1
from idverify.chip.lds.files import FileId
from idverify.chip.lds.mrz import document_validity
from idverify.chip.pki.passive_auth import PassiveAuthOptions, examine
from idverify.chip.session import DocumentSession, gate_chip_results
from idverify.chip.transport.memory import MemoryTransport
from idverify.decision import Decision
from idverify.emulator import Card, CvIssued, Profile, TestCvPki, pkcs8
from idverify.report import CheckId, VerificationReport
from tests.conformance.documents import BIOMETRIC, PACE, fingers, irises, passport
from tests.conformance.inspection import AT, INSPECTION, passwords_of, trust_in
from tests.conformance.misbehaviour import with_image

EAC = replace(BIOMETRIC, name="conformance-ta", ta=1)
"""BAC, chip and terminal authentication, as in the guideline's default configuration."""
EAC_PACE = replace(PACE, name="conformance-ta-pace", groups=BIOMETRIC.groups, ta=1)

GROUPS = (FileId.DG3, FileId.DG4)


@dataclass(frozen=True)
class Inspected:
    """What the procedure left."""

    decision: Decision
    report: VerificationReport
    files: dict[FileId, bytes]

    @property
    def biometric(self) -> tuple[str, ...]:
        """Which of DG3 and DG4 could be read."""
        return tuple(g.label for g in GROUPS if g in self.files)


@functools.cache
def authority(kind: str = "secp256r1", hash_name: str = "sha256", *, rights: int = 3, pss: bool = True) -> TestCvPki:
    """An authority of terminals."""
    return TestCvPki(5105, kind=kind, hash_name=hash_name, rights=rights, pss=pss)


def document(pki: TestCvPki | None = None, profile: Profile = EAC, **changes: Any) -> Card:
    """A passport with fingerprints and irises behind terminal authentication under ``pki``."""
    contents = {FileId.DG3: fingers(2, 7), FileId.DG4: irises()}
    files = {f: raw for f, raw in contents.items() if f in profile.groups} | dict(changes.pop("files", {}))
    return passport(files, profile=profile, cv_pki=pki or authority(), **changes)


def credentials(certificates: Iterable[bytes], terminal: CvIssued) -> TerminalCredentials:
    """What a terminal has."""
    return TerminalCredentials.load(certificates, InMemoryTerminalKey.from_der(pkcs8(terminal.key)))


def usual_credentials(pki: TestCvPki) -> TerminalCredentials:
    """The authority's own chain."""
    return credentials((*pki.chain, pki.cvca.der), pki.terminal)


def procedure(has: Callable[[], TerminalCredentials]) -> Callable[[Card], Inspected]:
    """The advanced inspection procedure with these credentials."""

    def inspect(card: Card) -> Inspected:
        session = DocumentSession(MemoryTransport(card), memory=LimitMemory(), pause=lambda seconds: None)
        access = session.open(passwords_of(card))
        session.read_all()
        terminal = session.authenticate_terminal(has())
        files = session.read_all()
        proofs = session.authenticate_chip()
        options = PassiveAuthOptions(profile=True)
        passive = examine(
            files, trust=trust_in(card.trust_anchors), at=AT, unreadable=session.unreadable, options=options
        ).report
        report = passive.with_checks(
            [
                *access,
                terminal.check,
                *gate_chip_results(proofs, passive),
                document_validity(DG1.parse(files[FileId.DG1]).mrz, AT),
                *check_contents(files),
            ]
        )
        return Inspected(INSPECTION.decide(report), report, files)

    return inspect


def trusting(card: Card, *cvca: CvIssued) -> Card:
    """The card with other trust points."""
    trust = card.image.terminal
    assert trust is not None
    return with_image(card, terminal=replace(trust, cvca=tuple(c.der for c in cvca)))


TERMINAL = CheckId.TERMINAL_AUTHENTICATION
