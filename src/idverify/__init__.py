"""Read chip ID cards, prove them genuine, and match the holder's face.

The names below are the public surface; each is loaded when it is first used, so that ``import idverify`` stays cheap
and a server without a reader, or without models, needs neither. Errors are in :mod:`idverify.errors`, the software
card for tests in :mod:`idverify.emulator`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from idverify import errors
from idverify._version import __version__

if TYPE_CHECKING:
    from idverify._secret import Secret
    from idverify.biometric.face.matcher import FaceMatcher, FaceTemplate
    from idverify.chip.access.password import AccessPassword, PasswordKind
    from idverify.chip.lds.files import FileId
    from idverify.chip.pki.passive_auth import verify_document
    from idverify.chip.pki.trust_store import TrustStore
    from idverify.chip.session import DocumentSession, Phase, Progress, ReadOptions
    from idverify.chip.transport.base import SoftCard, Transport
    from idverify.chip.transport.memory import MemoryTransport
    from idverify.chip.transport.pcsc import list_readers, open_reader
    from idverify.consent import Consent
    from idverify.counters import CounterPool
    from idverify.decision import Decision, Outcome, Policy, Requirement
    from idverify.engine.document import Holder
    from idverify.engine.matching import MatchScore
    from idverify.engine.posing import LiveChallenge
    from idverify.engine.transaction import Attempt, Event, Retries, RetryCause, Stage, State
    from idverify.healthcheck import Health, health
    from idverify.report import CheckId, CheckResult, CheckStatus, Reason, VerificationReport
    from idverify.verification import SessionSummary, VerificationResult, averify, verify, verify_files

_HOME: Final = {
    "AccessPassword": "idverify.chip.access.password",
    "Attempt": "idverify.engine.transaction",
    "CheckId": "idverify.report",
    "CheckResult": "idverify.report",
    "CheckStatus": "idverify.report",
    "Consent": "idverify.consent",
    "CounterPool": "idverify.counters",
    "Decision": "idverify.decision",
    "DocumentSession": "idverify.chip.session",
    "Event": "idverify.engine.transaction",
    "FaceMatcher": "idverify.biometric.face.matcher",
    "FaceTemplate": "idverify.biometric.face.matcher",
    "FileId": "idverify.chip.lds.files",
    "Health": "idverify.healthcheck",
    "Holder": "idverify.engine.document",
    "LiveChallenge": "idverify.engine.posing",
    "MatchScore": "idverify.engine.matching",
    "MemoryTransport": "idverify.chip.transport.memory",
    "Outcome": "idverify.decision",
    "PasswordKind": "idverify.chip.access.password",
    "Phase": "idverify.chip.session",
    "Policy": "idverify.decision",
    "Progress": "idverify.chip.session",
    "ReadOptions": "idverify.chip.session",
    "Reason": "idverify.report",
    "Requirement": "idverify.decision",
    "Retries": "idverify.engine.transaction",
    "RetryCause": "idverify.engine.transaction",
    "Secret": "idverify._secret",
    "SessionSummary": "idverify.verification",
    "SoftCard": "idverify.chip.transport.base",
    "Stage": "idverify.engine.transaction",
    "State": "idverify.engine.transaction",
    "Transport": "idverify.chip.transport.base",
    "TrustStore": "idverify.chip.pki.trust_store",
    "VerificationReport": "idverify.report",
    "VerificationResult": "idverify.verification",
    "averify": "idverify.verification",
    "health": "idverify.healthcheck",
    "list_readers": "idverify.chip.transport.pcsc",
    "open_reader": "idverify.chip.transport.pcsc",
    "verify": "idverify.verification",
    "verify_document": "idverify.chip.pki.passive_auth",
    "verify_files": "idverify.verification",
}

__all__ = [
    "AccessPassword",
    "Attempt",
    "CheckId",
    "CheckResult",
    "CheckStatus",
    "Consent",
    "CounterPool",
    "Decision",
    "DocumentSession",
    "Event",
    "FaceMatcher",
    "FaceTemplate",
    "FileId",
    "Health",
    "Holder",
    "LiveChallenge",
    "MatchScore",
    "MemoryTransport",
    "Outcome",
    "PasswordKind",
    "Phase",
    "Policy",
    "Progress",
    "ReadOptions",
    "Reason",
    "Requirement",
    "Retries",
    "RetryCause",
    "Secret",
    "SessionSummary",
    "SoftCard",
    "Stage",
    "State",
    "Transport",
    "TrustStore",
    "VerificationReport",
    "VerificationResult",
    "__version__",
    "averify",
    "errors",
    "health",
    "list_readers",
    "open_reader",
    "verify",
    "verify_document",
    "verify_files",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'idverify' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
