"""The signer of a signed file: the path to an authority that is trusted, its validity, its revocation.

The checks of EF.SOD's signer and of EF.CardSecurity's are the same (ICAO 9303-11 §5.1 step 1; 9303-12 §5 and §7.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from idverify.chip.pki import path, profile, revocation
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.cms import NOT_EXACT, NOT_STRICT, Deviation, SignedData, Verdict
from idverify.chip.pki.trust_store import TrustStore
from idverify.report import CheckId, CheckResult, CheckStatus, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class PassiveAuthOptions:
    """How strictly to judge.

    Attributes:
        strict: refuse an EF.SOD that deviates from ICAO's profile although its signature verifies: another CMS version
            than 3, bytes behind the structure. Otherwise the deviation only stands in the evidence.
        profile: ask for ICAO's exact profile. ``strict`` then also refuses a signer version that does not fit its
            identifier, a digest that is not listed, and version information that does not fit the security object's
            version; and the form of the document signer's certificate (ICAO 9303-12 §7.1) is judged as
            ``pa.dsc.profile``. Honest documents of several issuers do not pass.
        crl_max_age: how old a revocation list may be; None: until the list's own ``nextUpdate``.
        issued: when the document was issued, if known better than by the signing time in EF.SOD.
    """

    strict: bool = True
    profile: bool = False
    crl_max_age: timedelta | None = None
    issued: datetime | None = None

    def refuses(self, deviations: Iterable[Deviation]) -> bool:
        """Whether one of the deviations is too much."""
        return self.strict and not (NOT_EXACT if self.profile else NOT_STRICT).isdisjoint(deviations)


def find_path(
    signer: Certificate | None, signed: SignedData | None, trust: TrustStore, at: datetime
) -> path.Path | None:
    """The path from the signer of ``signed``; None where there is no signer."""
    if signer is None or signed is None:
        return None
    return path.build_path(signer, trust, at=at, extra=signed.certificates)


def chain(found: path.Path | None, why: Reason) -> CheckResult:
    """``pa.dsc.chain``: the path to a CSCA that is trusted (ICAO 9303-11 §5.1 step 1; 9303-12 §5).

    Args:
        found: the path.
        why: the reason where there is no signer, and so no path; for all of these functions.
    """
    if found is None:
        return result(CheckId.DSC_CHAIN, CheckStatus.NOT_PERFORMED, why)
    return result(CheckId.DSC_CHAIN, found.status, found.reason, **path_evidence(found))


def form(found: path.Path | None, why: Reason) -> CheckResult:
    """``pa.dsc.profile``: the form of the document signer's certificate (ICAO 9303-12 §7.1)."""
    if found is None:
        return result(CheckId.DSC_PROFILE, CheckStatus.NOT_PERFORMED, why)
    issuer = found.certificates[1] if len(found.certificates) > 1 else None
    problems = profile.departures(found.signer, issuer)
    if problems:
        evidence = {"deviations": "; ".join(problems)}
        return result(CheckId.DSC_PROFILE, CheckStatus.FAILED, Reason.PROFILE_DEVIATION, **evidence)
    return result(CheckId.DSC_PROFILE, CheckStatus.SUCCESSFUL)


def validity(found: path.Path | None, why: Reason, at: datetime, issued: datetime | None) -> tuple[CheckResult, ...]:
    """``pa.dsc.validity`` at the inspection and, where its time is known, at the document's issue."""
    if found is None:
        return (result(CheckId.DSC_VALIDITY, CheckStatus.NOT_PERFORMED, why),)
    now = path.validity(found.certificates, at)
    evidence = {"at": at.isoformat(), **_period_evidence(found, now)}
    results = []
    if issued is not None:
        issued = issued if issued.tzinfo else issued.replace(tzinfo=UTC)
        then = path.validity(found.certificates[:1], issued)
        more = {"at": issued.isoformat(), **_period_evidence(found, then)}
        usage = found.signer.private_key_usage
        status, reason = then.status, then.reason
        if usage is not None and not (usage[0] or issued) <= issued <= (usage[1] or issued):
            more["private-key-usage"] = "outside"
            if status is CheckStatus.SUCCESSFUL:  # ICAO 9303-12 §7.1.1; the certificate itself was valid: for people
                status, reason = CheckStatus.UNDETERMINED, Reason.PRIVATE_KEY_USAGE
        results.append(result(CheckId.DSC_VALIDITY, status, reason, "issue", **more))
        evidence["valid-at-issue"] = "true" if then.status is CheckStatus.SUCCESSFUL else "false"
    return (result(CheckId.DSC_VALIDITY, now.status, now.reason, "inspection", **evidence), *results)


def _period_evidence(found: path.Path, outcome: path.Validity) -> dict[str, str]:
    evidence = {
        "dsc-not-before": found.signer.not_before.isoformat(),
        "dsc-not-after": found.signer.not_after.isoformat(),
    }
    if outcome.certificate is not None:
        evidence["certificate"] = outcome.certificate.label
    return evidence


def revoked(found: path.Path | None, trust: TrustStore, at: datetime, options: PassiveAuthOptions) -> CheckResult:
    """``pa.dsc.revocation``: what the store's revocation lists say of the path (ICAO 9303-12 §7.1)."""
    if found is None:
        return result(CheckId.DSC_REVOCATION, CheckStatus.NOT_PERFORMED, Reason.SIGNER_NOT_FOUND)
    outcome = revocation.check(found.certificates, trust, at, max_age=options.crl_max_age)
    evidence = {}
    if outcome.used is not None:
        evidence["crl-issuer"] = outcome.used.issuer.text
        evidence["crl-this-update"] = outcome.used.this_update.isoformat()
        if outcome.used.next_update is not None:
            evidence["crl-next-update"] = outcome.used.next_update.isoformat()
    if outcome.line is not None and outcome.certificate is not None:
        evidence["certificate"] = outcome.certificate.label
        evidence["revoked"] = outcome.line.date.isoformat()
        if outcome.line.reason:
            evidence["revocation-reason"] = outcome.line.reason
    return result(CheckId.DSC_REVOCATION, outcome.status, outcome.reason, **evidence)


def signature_evidence(verdict: Verdict) -> dict[str, str]:
    evidence = {}
    if verdict.algorithm:
        evidence["algorithm"] = verdict.algorithm
    if verdict.weak:
        evidence["weak"] = "true"
    if verdict.signing_time:
        evidence["signing-time"] = verdict.signing_time.isoformat()
    if verdict.signer:
        evidence |= certificate_evidence("dsc", verdict.signer)
    if verdict.deviations:
        evidence["deviations"] = " ".join(dict.fromkeys(verdict.deviations))
    return evidence


def path_evidence(found: path.Path) -> dict[str, str]:
    evidence = certificate_evidence("dsc", found.signer)
    if found.anchor is not None:
        evidence |= certificate_evidence("csca", found.anchor)
        evidence["path-length"] = str(len(found.certificates))
    if found.provenance is not None:
        evidence["trust-source"] = found.provenance.source
        evidence["trust-anchor"] = found.provenance.anchor.value
    if found.notes:
        evidence["notes"] = " ".join(dict.fromkeys(found.notes))
    if found.same_name:
        evidence["same-name-other-key"] = str(found.same_name)
    if any(c.weak for c in found.certificates):
        evidence["weak"] = "true"
    return evidence


def certificate_evidence(prefix: str, certificate: Certificate) -> dict[str, str]:
    evidence = {
        f"{prefix}-subject": certificate.subject.text,
        f"{prefix}-serial": f"{certificate.serial_number:x}",
        f"{prefix}-not-before": certificate.not_before.isoformat(),
        f"{prefix}-not-after": certificate.not_after.isoformat(),
    }
    if certificate.subject_key_id:
        evidence[f"{prefix}-ski"] = certificate.subject_key_id.hex()
    return evidence


def result(
    check: CheckId, status: CheckStatus, reason: Reason = Reason.OK, subject: str | None = None, **evidence: str
) -> CheckResult:
    return CheckResult(check=check, status=status, reason=reason, subject=subject, evidence=evidence)
