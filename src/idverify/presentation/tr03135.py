"""XML export of a verification after BSI TR-03135 (version 2.5), as far as it is public.

TR-03135-1 §6.2 logs inspections as XML and names the schema files (``ct4v3.xsd``, ``dc4v4.xsd``, ``dce4v4.xsd``,
``dcc4v4.xsd``, ``bc4v3.xsd``); part 3 §7.24 puts their elements into its feedback. The texts of parts 1 to 3 are public
and were used; the schema files themselves were not at hand. Hence a namespace and a schema of our own
(``tr03135.xsd`` beside this module), which keep what the text fixes: the division into access, chip authenticity,
security objects, issuer certificates, chip contents and issuing state (part 1 §5.6), the combined, background and
biometric checks beside it (§3.6, §6.2), the states and results of a check (§3.5.1, §3.5.2), the integrity values of a
data group (table 5.42), and how single results become one (tables 5.31, 5.39, 5.41, 5.72). Nothing here claims to be
valid against the schemas of the guideline.

Two profiles after §6.3: ``inspection`` holds every result with its evidence and the scores, and no data of the
holder; ``statistics`` holds in addition nothing that could single out a document or a transaction: no evidence but
the algorithms, no subjects but data groups, no scores, no durations, the time rounded down to the hour.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal
from xml.etree import ElementTree as Xml  # writing only; nothing is parsed here

from idverify._version import __version__
from idverify.report import CheckId, CheckResult, CheckStatus, Reason, VerificationReport

if TYPE_CHECKING:
    from idverify.verification import VerificationResult

Profile = Literal["inspection", "statistics"]

NAMESPACE: Final = "urn:idverify:tr03135:1"
VERSION: Final = "1.0"
SCHEMA: Final = "tr03135.xsd"
"""Name of the schema file beside this module."""

_RESULTS: Final[Mapping[CheckStatus, str]] = MappingProxyType(
    {
        CheckStatus.SUCCESSFUL: "successful",
        CheckStatus.FAILED: "failed",
        CheckStatus.UNDETERMINED: "undetermined",
        CheckStatus.NOT_SUPPORTED: "not supported",
        CheckStatus.ABORTED: "aborted",
    }
)
"""TR-03135-1 §3.5.2; a check that was not performed has no result, its process stays ``initiated`` (§3.5.1)."""

_INTEGRITY: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.HASH_MISMATCH: "not identical",
        Reason.FILE_ABSENT: "not present",
        Reason.ALGORITHM_UNSUPPORTED: "non conformance",
        Reason.HASH_NOT_IN_SOD: "non conformance",
        Reason.FILE_MALFORMED: "non conformance",
        Reason.KNOWN_DEVIATION: "non conformance",
    }
)
"""TR-03135-1 table 5.42; other groups that were not compared are ``present``."""


@dataclass(frozen=True, slots=True)
class _Group:
    """A group of checks: its element, the clause of part 1, and its checks with their elements.

    Attributes:
        any_way: the checks are ways to one end: one that succeeded suffices where none failed.
    """

    element: str
    clause: str
    checks: tuple[tuple[CheckId, str], ...]
    any_way: bool = False


_ELECTRONIC: Final = (
    _Group(
        "ChipAccess",
        "5.6",
        (
            (CheckId.ACCESS_PACE, "PACE"),
            (CheckId.ACCESS_BAC, "BAC"),
            (CheckId.TERMINAL_AUTHENTICATION, "TerminalAuthentication"),
        ),
        any_way=True,
    ),
    _Group(
        "ChipAuthenticity",
        "5.6.4.1",
        ((CheckId.ACTIVE_AUTHENTICATION, "ActiveAuthentication"), (CheckId.CHIP_AUTHENTICATION, "ChipAuthentication")),
        any_way=True,
    ),
    _Group(
        "SecurityObjects",
        "5.6.4.2",
        (
            (CheckId.SOD_SIGNATURE, "EFSODVerification"),
            (CheckId.CARD_SECURITY, "EFCardSecurityVerification"),
            (CheckId.CARD_ACCESS, "EFCardAccessVerification"),
        ),
    ),
    _Group(
        "IssuerCertificates",
        "5.6.4.3",
        (
            (CheckId.DSC_CHAIN, "DSCertificateSignature"),
            (CheckId.DSC_VALIDITY, "CertificateValidity"),
            (CheckId.DSC_REVOCATION, "DSCertificateRevocation"),
            (CheckId.DSC_PROFILE, "CertificateProfile"),
        ),
    ),
    _Group("ChipContents", "5.6.4.4", ((CheckId.COM_SOD, "EFSODEFCOMComparison"), (CheckId.DG_HASH, "DataGroup"))),
    _Group("IssuingState", "5.6.4.5", ((CheckId.ISSUER_MRZ, "DG1DSCertificateComparison"),)),
)

_BESIDE: Final = (
    _Group(
        "BackgroundChecks", "3.6", ((CheckId.ONLINE_DS, "OnlineDocumentSigner"), (CheckId.TRUST_AGE, "TrustListAge"))
    ),
    _Group(
        "BiometricChecks",
        "3.6",
        (
            (CheckId.FACE_MATCH, "FaceMatch"),
            (CheckId.FACE_PAD, "FacePresentationAttackDetection"),
            (CheckId.FACE_CHALLENGE, "FaceChallenge"),
            (CheckId.FACE_QUALITY, "FaceQuality"),
            (CheckId.FINGER_MATCH, "FingerMatch"),
            (CheckId.FINGER_QUALITY, "FingerQuality"),
        ),
    ),
    _Group(
        "ApplicationChecks",
        "6.2",
        (
            (CheckId.DOCUMENT_VALIDITY, "DocumentValidity"),
            (CheckId.DOCUMENT_CONTENTS, "FileConformity"),
            (CheckId.CCCD_CONSISTENCY, "DG1DG13Comparison"),
            (CheckId.CONSENT, "HolderConsent"),
        ),
    ),
)

_FILE_NAME: Final = re.compile(r"(?:DG(?:1[0-6]|[1-9])|EF\.[A-Za-z/]+)")
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ALGORITHMS: Final = frozenset({"algorithm", "hash", "signature", "mapping", "cipher", "protocol"})
"""Evidence that says how a document was made, not which one it is."""


def tr03135_xml(
    subject: VerificationResult | VerificationReport,
    *,
    profile: Profile = "inspection",
    transaction: uuid.UUID | None = None,
) -> bytes:
    """The XML document of a verification.

    Args:
        subject: a result, or a report alone.
        profile: ``inspection``, or ``statistics`` without anything that singles out a document or a transaction.
        transaction: identifier to log; never in the profile ``statistics``.

    Returns:
        UTF-8 with an XML declaration, valid against the schema beside this module.
    """
    report = subject if isinstance(subject, VerificationReport) else subject.report
    whole = None if isinstance(subject, VerificationReport) else subject
    slim = profile == "statistics"
    root = Xml.Element("Transaction", {"xmlns": NAMESPACE, "schemaVersion": VERSION, "profile": profile})
    if transaction is not None and not slim:
        Xml.SubElement(root, "TransactionID").text = str(transaction)
    moment = report.verified_at.astimezone(UTC)
    if slim:
        moment = moment.replace(minute=0, second=0, microsecond=0)
    Xml.SubElement(root, "Time").text = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    component = Xml.SubElement(root, "Component", {"name": "idverify", "version": __version__})
    if not slim:
        Xml.SubElement(component, "TrustStore").text = _clean(report.trust_store_id)
    if whole is not None:
        _session(component, whole, slim)
    known = [c for group in (*_ELECTRONIC, *_BESIDE) for c, _ in group.checks]
    document = Xml.SubElement(root, "DocumentCheck")
    electronic = Xml.SubElement(document, "ElectronicCheck")
    outcomes = [_group(electronic, group, report, slim) for group in _ELECTRONIC]
    _state(electronic, combined(o for o in outcomes if o is not None))
    _state(document, combined(o for o in outcomes if o is not None))
    for group in _BESIDE:
        if any(report.results(check) for check, _ in group.checks):
            _group(root, group, report, slim)
    if rest := [c for c in report.checks if c.check not in known]:
        others = Xml.SubElement(root, "OtherChecks")
        for result in rest:
            _check(others, "Check", result, slim)
    if whole is not None:
        _decision(root, whole, slim)
    Xml.indent(root, " ")
    document_bytes: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return document_bytes + b"\n"


def combined(statuses: Iterable[CheckStatus]) -> CheckStatus:
    """One result out of several (TR-03135-1 tables 5.31 and 5.72).

    Failed where one failed; else aborted, undetermined (which a check that was not performed makes it too),
    successful; not supported where every check is. ``not-performed`` where there is none, or none was performed.
    """
    found = set(statuses)
    if not found - {CheckStatus.NOT_PERFORMED}:
        return CheckStatus.NOT_PERFORMED
    if CheckStatus.NOT_PERFORMED in found:
        found.add(CheckStatus.UNDETERMINED)
    order = (CheckStatus.FAILED, CheckStatus.ABORTED, CheckStatus.UNDETERMINED, CheckStatus.SUCCESSFUL)
    return next((s for s in order if s in found), CheckStatus.NOT_SUPPORTED)


def integrity(result: CheckResult) -> str:
    """The integrity value of a data group (TR-03135-1 table 5.42)."""
    if result.status is CheckStatus.SUCCESSFUL:
        return "identical"
    if result.status is CheckStatus.ABORTED:
        return "aborted"
    return _INTEGRITY.get(result.reason, "not identical" if result.status is CheckStatus.FAILED else "present")


def _contents(report: VerificationReport) -> list[CheckStatus]:
    """Tables 5.39 to 5.41. A group that is present but was not read weighs only where it is DG1 or DG2."""
    statuses = [c.status for c in report.results(CheckId.COM_SOD)]
    for result in report.results(CheckId.DG_HASH):
        value = integrity(result)
        if value not in ("present", "not present") or result.subject in ("DG1", "DG2"):
            statuses.append(result.status)
    return statuses


def _group(parent: Xml.Element, group: _Group, report: VerificationReport, slim: bool) -> CheckStatus | None:
    results = [(name, result) for check, name in group.checks for result in report.results(check)]
    if not results:
        return None
    element = Xml.SubElement(parent, group.element, {"clause": group.clause})
    for name, result in results:
        _check(element, name, result, slim)
    statuses = _contents(report) if group.element == "ChipContents" else [r.status for _, r in results]
    if group.any_way and CheckStatus.SUCCESSFUL in statuses:
        statuses = [s for s in statuses if s in (CheckStatus.SUCCESSFUL, CheckStatus.FAILED, CheckStatus.ABORTED)]
    outcome = combined(statuses)
    _state(element, outcome)
    return outcome


def _state(element: Xml.Element, status: CheckStatus) -> None:
    """State of the checking process (§3.5.1) and, where it ended, its result (§3.5.2)."""
    states = {CheckStatus.ABORTED: "aborted", CheckStatus.NOT_PERFORMED: "initiated"}
    element.set("state", states.get(status, "terminated"))
    if status in _RESULTS:
        element.set("result", _RESULTS[status])


def _check(parent: Xml.Element, name: str, result: CheckResult, slim: bool) -> None:
    element = Xml.SubElement(parent, name, {"id": result.check.value})
    _state(element, result.status)
    element.set("reason", result.reason.value)
    if result.check is CheckId.DG_HASH:
        element.set("integrity", integrity(result))
    if result.subject is not None and (not slim or _FILE_NAME.fullmatch(result.subject)):
        element.set("subject", _clean(result.subject))
    for key, value in sorted(result.evidence.items()):
        if not slim or key in _ALGORITHMS:
            Xml.SubElement(element, "Evidence", {"name": _clean(key)}).text = _clean(value)


def _session(component: Xml.Element, result: VerificationResult, slim: bool) -> None:
    session = result.session
    element = Xml.SubElement(component, "Session", {"transport": session.transport, "access": session.access})
    if not slim:
        element.set("apdus", str(session.apdus))
        element.set("bytes", str(session.bytes))
        for name, value in sorted(session.milliseconds.items()):
            Xml.SubElement(element, "Duration", {"phase": name, "milliseconds": f"{value:.3f}"})


def _decision(root: Xml.Element, result: VerificationResult, slim: bool) -> None:
    decision = result.decision
    element = Xml.SubElement(root, "Decision", {"outcome": decision.outcome.value, "policy": _clean(decision.policy)})
    if slim:
        return
    for reason in decision.reasons:
        Xml.SubElement(element, "Reason").text = _clean(reason)
    for score in result.scores:
        made = Xml.SubElement(element, "Score", {"modality": score.modality, "model": _clean(score.model)})
        for name, value in (("value", score.value), ("threshold", score.threshold), ("fmr", score.fmr)):
            if value is not None:
                made.set(name, repr(float(value)))


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold (XML 1.0 §2.2)."""
    return _NO_XML.sub("\ufffd", text)
