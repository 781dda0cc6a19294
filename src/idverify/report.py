"""Evidence: what was checked, how it came out, and why (after BSI TR-03135-1).

A report is not a verdict: ``bool(report)`` raises. Only a policy (:mod:`idverify.decision`) turns evidence into a
decision.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NoReturn

from idverify.errors import MalformedDataError

MAX_CHECKS: Final = 1000
"""Most checks of a recorded report."""


class CheckStatus(enum.StrEnum):
    """How a check came out, in the words of BSI TR-03135."""

    SUCCESSFUL = "successful"
    FAILED = "failed"
    UNDETERMINED = "undetermined"
    NOT_SUPPORTED = "not-supported"
    NOT_PERFORMED = "not-performed"
    ABORTED = "aborted"


class CheckId(enum.StrEnum):
    """Names of the checks, as they stand in reports and policies."""

    ACCESS_PACE = "access.pace"
    ACCESS_BAC = "access.bac"
    SOD_SIGNATURE = "pa.sod.signature"
    DSC_CHAIN = "pa.dsc.chain"
    DSC_VALIDITY = "pa.dsc.validity"
    DSC_REVOCATION = "pa.dsc.revocation"
    DSC_PROFILE = "pa.dsc.profile"
    DG_HASH = "pa.dg.hash"
    COM_SOD = "pa.com-sod"
    ISSUER_MRZ = "pa.issuer-mrz"
    CARD_SECURITY = "pa.card-security"
    CARD_ACCESS = "pa.card-access"
    CHIP_AUTHENTICATION = "chip.ca"
    ACTIVE_AUTHENTICATION = "chip.aa"
    TERMINAL_AUTHENTICATION = "terminal.ta"
    DOCUMENT_VALIDITY = "document.validity"
    DOCUMENT_CONTENTS = "document.contents"
    CCCD_CONSISTENCY = "cccd.consistency"
    FACE_MATCH = "face.match"
    FACE_PAD = "face.pad"
    FACE_CHALLENGE = "face.challenge"
    FACE_QUALITY = "face.quality"
    FINGER_MATCH = "finger.match"
    FINGER_QUALITY = "finger.quality"
    ONLINE_DS = "online.ds"
    TRUST_AGE = "trust.age"
    CONSENT = "privacy.consent"


class Reason(enum.StrEnum):
    """Stable machine codes for why a check came out as it did. Codes are added, never renamed."""

    OK = "ok"
    # access
    FALLBACK_FROM_PACE = "fallback-from-pace"
    NOT_OFFERED = "not-offered"
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 - a reason code
    # passive authentication
    SOD_MISSING = "sod-missing"
    SOD_MALFORMED = "sod-malformed"
    SIGNATURE_INVALID = "signature-invalid"
    DIGEST_MISMATCH = "digest-mismatch"
    CONTENT_TYPE = "content-type"
    SIGNER_NOT_FOUND = "signer-not-found"
    ALGORITHM_UNSUPPORTED = "algorithm-unsupported"
    CSCA_NOT_FOUND = "csca-not-found"
    CHAIN_INVALID = "chain-invalid"
    CERTIFICATE_MALFORMED = "certificate-malformed"
    KEY_USAGE = "key-usage"
    CRITICAL_EXTENSION = "critical-extension"
    DOCUMENT_TYPE = "document-type"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    PRIVATE_KEY_USAGE = "private-key-usage"
    REVOKED = "revoked"
    NO_CRL = "no-crl"
    CRL_STALE = "crl-stale"
    CRL_INVALID = "crl-invalid"
    HASH_MISMATCH = "hash-mismatch"
    HASH_NOT_IN_SOD = "hash-not-in-sod"
    KNOWN_DEVIATION = "known-deviation"
    NOT_READ = "not-read"
    ACCESS_REFUSED = "access-refused"
    FILE_ABSENT = "file-absent"
    FILE_MALFORMED = "file-malformed"
    COM_MISSING = "com-missing"
    COM_SOD_DIFFER = "com-sod-differ"
    COUNTRY_MISMATCH = "country-mismatch"
    COUNTRY_UNKNOWN = "country-unknown"
    PROFILE_DEVIATION = "profile-deviation"
    CARD_ACCESS_DIFFERS = "card-access-differs"
    CARD_ACCESS_UNSIGNED = "card-access-unsigned"
    # chip
    KEY_NOT_VOUCHED = "key-not-vouched"
    KEY_MISSING = "key-missing"
    CHIP_PROOF_INVALID = "chip-proof-invalid"
    CHIP_REFUSED = "chip-refused"
    ANSWER_MALFORMED = "answer-malformed"
    # terminal
    TERMINAL_ISSUER_UNKNOWN = "terminal-issuer-unknown"
    TERMINAL_ROLE = "terminal-role"
    TERMINAL_CERTIFICATE_REFUSED = "terminal-certificate-refused"
    TERMINAL_PROOF_REFUSED = "terminal-proof-refused"
    RIGHTS_INSUFFICIENT = "rights-insufficient"
    # document
    DATE_UNREADABLE = "date-unreadable"
    FIELDS_DIFFER = "fields-differ"
    FIELDS_MISSING = "fields-missing"
    CHECK_DIGIT = "check-digit"
    # biometrics
    ABOVE_THRESHOLD = "above-threshold"
    BELOW_THRESHOLD = "below-threshold"
    NO_PORTRAIT = "no-portrait"
    NO_FACE = "no-face"
    SEVERAL_FACES = "several-faces"
    POOR_QUALITY = "poor-quality"
    NOT_CALIBRATED = "not-calibrated"
    SAMPLE_MISSING = "sample-missing"
    REFERENCE_LOCKED = "reference-locked"
    FEW_TRIES_LEFT = "few-tries-left"
    IMAGE_UNREADABLE = "image-unreadable"
    SCORE_MISSING = "score-missing"
    # active challenge
    TIME_OUT = "time-out"
    WRONG_ACTION = "wrong-action"
    FACE_LOST = "face-lost"
    FACE_JUMPED = "face-jumped"
    FROZEN = "frozen"
    FACE_CHANGED = "face-changed"
    END_OF_STREAM = "end-of-stream"
    # trust store and privacy
    LIST_TOO_OLD = "list-too-old"
    LIST_AGE_UNKNOWN = "list-age-unknown"
    CONSENT_MISSING = "consent-missing"
    CONSENT_PURPOSE = "consent-purpose"
    # general
    NOT_REQUESTED = "not-requested"
    NOT_IMPLEMENTED = "not-implemented"
    READ_ERROR = "read-error"
    SERVICE_UNREACHABLE = "service-unreachable"
    SERVICE_REJECTED = "service-rejected"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The outcome of one check.

    Attributes:
        check: what was checked.
        status: how it came out.
        reason: why, as a stable code.
        subject: what it was about (``DG2``, a certificate's subject); never holder data.
        evidence: further facts as text (algorithm, key identifier, dates); never holder data.
    """

    check: CheckId
    status: CheckStatus
    reason: Reason = Reason.OK
    subject: str | None = None
    evidence: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.status is CheckStatus.FAILED and self.reason is Reason.OK:
            raise ValueError("a failed check needs a reason")

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this result."""
        result: dict[str, Any] = {"check": self.check.value, "status": self.status.value, "reason": self.reason.value}
        if self.subject is not None:
            result["subject"] = self.subject
        if self.evidence:
            result["evidence"] = dict(self.evidence)
        return result

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CheckResult:
        """Back from :meth:`to_dict`.

        Raises:
            MalformedDataError: no such object.
        """
        try:
            subject, evidence = data.get("subject"), data.get("evidence", {})
            if not isinstance(subject, str | None) or not all(isinstance(v, str) for v in evidence.values()):
                raise TypeError
            return cls(
                check=CheckId(data["check"]), status=CheckStatus(data["status"]), reason=Reason(data["reason"]),
                subject=subject, evidence=dict(evidence),
            )  # fmt: skip
        except (KeyError, ValueError, TypeError, AttributeError):
            raise MalformedDataError("a recorded check has other fields than check, status, reason") from None


_WORST_FIRST = (
    CheckStatus.FAILED,
    CheckStatus.ABORTED,
    CheckStatus.UNDETERMINED,
    CheckStatus.NOT_PERFORMED,
    CheckStatus.NOT_SUPPORTED,
    CheckStatus.SUCCESSFUL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationReport:
    """All results of one document, in the order in which they were made.

    Attributes:
        checks: the results.
        trust_store_id: identity of the trust store's content that was used.
        verified_at: the inspection time that validity was judged at (time zone aware).
    """

    checks: tuple[CheckResult, ...]
    trust_store_id: str
    verified_at: datetime

    def results(self, check: CheckId) -> tuple[CheckResult, ...]:
        """Every result of that check (data group hashes have one a group)."""
        return tuple(c for c in self.checks if c.check is check)

    def status(self, check: CheckId) -> CheckStatus:
        """The worst status among the results of that check; NOT_PERFORMED where there is none."""
        found = {c.status for c in self.checks if c.check is check}
        return next((s for s in _WORST_FIRST if s in found), CheckStatus.NOT_PERFORMED)

    def with_checks(self, more: Iterable[CheckResult]) -> VerificationReport:
        """A report with further results at its end."""
        return VerificationReport(
            checks=(*self.checks, *more), trust_store_id=self.trust_store_id, verified_at=self.verified_at
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this report."""
        return {
            "checks": [c.to_dict() for c in self.checks],
            "trust_store": self.trust_store_id,
            "verified_at": self.verified_at.isoformat(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> VerificationReport:
        """Back from :meth:`to_dict`, or from a whole ``report.json``.

        Raises:
            MalformedDataError: no such object, or more than 1000 checks.
        """
        try:
            checks, store, moment = data["checks"], data["trust_store"], datetime.fromisoformat(data["verified_at"])
            if not isinstance(checks, list) or len(checks) > MAX_CHECKS or moment.tzinfo is None:
                raise ValueError
            results = tuple(CheckResult.from_dict(c) for c in checks)
        except (KeyError, ValueError, TypeError, AttributeError):
            raise MalformedDataError("a recorded report has no checks, trust store or time that can be read") from None
        return cls(checks=results, trust_store_id=str(store), verified_at=moment)

    def __bool__(self) -> NoReturn:
        raise TypeError("a report has no truth value; apply a policy")
