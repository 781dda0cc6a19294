"""From evidence to a decision: policies.

A policy names the checks that it asks for and says what follows when one fails, could not be carried out, or is not
supported by the document. The worst consequence decides. No check that was not performed ever counts as passed.
"""

from __future__ import annotations

import enum
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final, Protocol

from idverify.consent import Consent
from idverify.errors import PolicyError
from idverify.face_limits import NO_CHANGES, CaptureKind, FaceLimits
from idverify.report import CheckId, CheckResult, CheckStatus, Reason, VerificationReport


class Outcome(enum.StrEnum):
    """What the counter should do."""

    ACCEPT = "accept"
    REJECT = "reject"
    REVIEW = "review"
    INCONCLUSIVE = "inconclusive"


_SEVERITY: Final = {Outcome.ACCEPT: 0, Outcome.REVIEW: 1, Outcome.INCONCLUSIVE: 2, Outcome.REJECT: 3}
_MISSING: Final = {CheckStatus.UNDETERMINED, CheckStatus.NOT_PERFORMED, CheckStatus.ABORTED}


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome of a policy.

    Attributes:
        outcome: what to do.
        policy: identity of the policy that decided.
        reasons: what led there, worst first, as ``check: reason`` with the subject where there is one; empty for a
            clean accept.
    """

    outcome: Outcome
    policy: str
    reasons: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this decision."""
        return {"outcome": self.outcome.value, "policy": self.policy, "reasons": list(self.reasons)}


class ScoreLike(Protocol):
    """What a policy needs to know of a comparison."""

    @property
    def modality(self) -> str:
        """``face`` or ``finger``."""
        ...

    @property
    def fmr(self) -> float | None:
        """False match rate at this score, from a measured table; None where the model has none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What one check must show.

    Attributes:
        check: the check.
        failed: consequence of ``failed``.
        missing: consequence of ``undetermined``, ``not-performed`` and ``aborted``.
        unsupported: consequence of ``not-supported``: the document does not offer it.
        instead: a check whose success makes up for this one where it is missing or not supported, never where it
            failed; None: nothing does.
    """

    check: CheckId
    failed: Outcome = Outcome.REJECT
    missing: Outcome = Outcome.INCONCLUSIVE
    unsupported: Outcome = Outcome.INCONCLUSIVE
    instead: CheckId | None = None

    def consequence(self, status: CheckStatus) -> Outcome:
        """What follows from a status."""
        if status is CheckStatus.SUCCESSFUL:
            return Outcome.ACCEPT
        if status is CheckStatus.FAILED:
            return self.failed
        return self.unsupported if status is CheckStatus.NOT_SUPPORTED else self.missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A named set of requirements.

    Attributes:
        id: its name in reports.
        about: one line for people.
        requirements: one a check.
        groups: data groups whose own hash must be successful (``DG1``, ``DG2``); any other group that was read must
            not fail either.
        face_fmr: highest false match rate at which a face counts as matched, 0 … 1; None where no face is asked for.
        finger_fmr: the same for fingerprints.
        face_pad: smallest share for a live person, 0 … 1, at which ``face.pad`` succeeds.
        no_match: consequence of a face or finger below its threshold.
        chip_proof: whether a proof by the chip's own key must have succeeded where the signed data offer one.
        chip_proof_absent: consequence where the signed data offer none.
        purposes: purposes that a consent may have been given for; empty: any. Needs a requirement on
            ``privacy.consent``.
        trust_list_days: greatest age of the newest trust list in days, at least 1; None where its age does not matter.
        trust_list_old: consequence of an older list, and of one whose age nothing says; never ``accept``.
        quality: limits of the measures of face pictures that differ from the library's. Limits for portraits make the
            portrait's quality a check of its own, ``face.quality`` of DG2.
    """

    id: str
    requirements: tuple[Requirement, ...]
    groups: tuple[str, ...] = ("DG1", "DG2")
    face_fmr: float | None = 1e-4
    finger_fmr: float | None = None
    face_pad: float = 0.5
    no_match: Outcome = Outcome.REJECT
    chip_proof: bool = True
    chip_proof_absent: Outcome = Outcome.ACCEPT
    purposes: tuple[str, ...] = ()
    trust_list_days: int | None = None
    trust_list_old: Outcome = Outcome.REVIEW
    quality: FaceLimits = NO_CHANGES
    about: str = field(default="", compare=False)
    _by_check: Mapping[CheckId, Requirement] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        table = {r.check: r for r in self.requirements}
        if len(table) != len(self.requirements):
            raise PolicyError(f"policy {self.id!r}: a check is required twice")
        for name, rate in (("face_fmr", self.face_fmr), ("finger_fmr", self.finger_fmr)):
            if rate is not None and not 0 < rate < 1:
                raise PolicyError(f"policy {self.id!r}: {name} must lie between 0 and 1, got {rate}")
        if not 0 < self.face_pad < 1:
            raise PolicyError(f"policy {self.id!r}: face_pad must lie between 0 and 1, got {self.face_pad}")
        if self.trust_list_days is not None and self.trust_list_days < 1:
            raise PolicyError(f"policy {self.id!r}: trust_list_days must be at least 1, got {self.trust_list_days}")
        if self.trust_list_old is Outcome.ACCEPT:
            raise PolicyError(f"policy {self.id!r}: trust_list_old cannot be accept; leave trust_list_days out")
        if self.purposes and CheckId.CONSENT not in table:
            raise PolicyError(f"policy {self.id!r}: purposes need a requirement on {CheckId.CONSENT}")
        object.__setattr__(self, "_by_check", table)

    def requires(self, check: CheckId) -> bool:
        """Whether the policy has a requirement on that check."""
        return check in self._by_check

    def needs(self, check: CheckId) -> bool:
        """Whether the policy has a requirement on that check and does not accept without it."""
        requirement = self._by_check.get(check)
        return requirement is not None and requirement.missing is not Outcome.ACCEPT

    def judge_consent(self, consent: Consent | None) -> CheckResult | None:
        """The check ``privacy.consent``; None where neither a consent is given nor the policy asks for one.

        Where the result is not successful, no biometrics may be computed.
        """
        if consent is None:
            if not self.requires(CheckId.CONSENT):
                return None
            return CheckResult(check=CheckId.CONSENT, status=CheckStatus.NOT_PERFORMED, reason=Reason.CONSENT_MISSING)
        allowed = not self.purposes or consent.purpose in self.purposes
        return CheckResult(
            check=CheckId.CONSENT,
            status=CheckStatus.SUCCESSFUL if allowed else CheckStatus.FAILED,
            reason=Reason.OK if allowed else Reason.CONSENT_PURPOSE,
            evidence={"purpose": consent.purpose, "reference-sha256": consent.fingerprint},
        )

    def judge_trust_list(self, dated: datetime | None, at: datetime) -> CheckResult | None:
        """The check ``trust.age``; None where nothing says when the list was made and the policy does not ask.

        Args:
            dated: when the newest list was made, or None; a list from after ``at`` is zero days old.
            at: inspection time.
        """
        if dated is None:
            if self.trust_list_days is None:
                return None
            return CheckResult(check=CheckId.TRUST_AGE, status=CheckStatus.UNDETERMINED, reason=Reason.LIST_AGE_UNKNOWN)
        days = max(0, (at - dated).days)
        old = self.trust_list_days is not None and days > self.trust_list_days
        return CheckResult(
            check=CheckId.TRUST_AGE,
            status=CheckStatus.FAILED if old else CheckStatus.SUCCESSFUL,
            reason=Reason.LIST_TOO_OLD if old else Reason.OK,
            evidence={"dated": dated.isoformat(), "days": str(days)},
        )

    def decide(self, report: VerificationReport, scores: Sequence[ScoreLike] = ()) -> Decision:
        """Apply the policy to the evidence."""
        found = sorted(self._consequences(report, scores), key=lambda item: -_SEVERITY[item[0]])
        outcome = found[0][0] if found else Outcome.ACCEPT
        return Decision(outcome, self.id, tuple(dict.fromkeys(text for _, text in found)))

    def _consequences(self, report: VerificationReport, scores: Sequence[ScoreLike]) -> Iterator[tuple[Outcome, str]]:
        for requirement in self.requirements:
            yield from self._of_check(requirement, report)
        for group in self.groups:
            results = [c for c in report.results(CheckId.DG_HASH) if c.subject == group]
            if not any(c.status is CheckStatus.SUCCESSFUL for c in results):
                failed = any(c.status is CheckStatus.FAILED for c in results)
                reason = results[0].reason if results else Reason.NOT_READ
                yield (
                    Outcome.REJECT if failed else Outcome.INCONCLUSIVE,
                    f"{CheckId.DG_HASH}: {reason} ({group})",
                )
        yield from self._chip(report)
        yield from self._purpose(report)
        yield from self._trust_list(report)
        yield from self._liveness(report)
        yield from self._quality(report)
        for modality, limit in (("face", self.face_fmr), ("finger", self.finger_fmr)):
            if limit is not None:
                yield from self._match(modality, limit, report, scores)

    def _of_check(self, requirement: Requirement, report: VerificationReport) -> Iterator[tuple[Outcome, str]]:
        results = report.results(requirement.check)
        waived = _made_up_for(requirement, report)
        if not results:
            if requirement.missing is not Outcome.ACCEPT and not waived:
                yield requirement.missing, f"{requirement.check}: {CheckStatus.NOT_PERFORMED}"
            return
        for result in results:
            if requirement.check is CheckId.DG_HASH and result.status is not CheckStatus.FAILED:
                continue  # a group that was not read is judged by `groups`, not here
            if waived and result.status is not CheckStatus.FAILED:
                continue
            consequence = requirement.consequence(result.status)
            if consequence is not Outcome.ACCEPT:
                yield consequence, _phrase(result)

    def _chip(self, report: VerificationReport) -> Iterator[tuple[Outcome, str]]:
        """ICAO 9303-11 §6: at least one proof that the chip holds a key that the signed data vouch for."""
        results = (*report.results(CheckId.CHIP_AUTHENTICATION), *report.results(CheckId.ACTIVE_AUTHENTICATION))
        if not self.chip_proof:  # not asked for; but a proof that was tried and failed shows a copy
            for result in results:
                if result.status is CheckStatus.FAILED:
                    yield Outcome.REJECT, _phrase(result)
            return
        offered = [r for r in results if r.status is not CheckStatus.NOT_SUPPORTED]
        if not offered:
            if not results:
                yield Outcome.INCONCLUSIVE, f"{CheckId.ACTIVE_AUTHENTICATION}: {CheckStatus.NOT_PERFORMED}"
            elif self.chip_proof_absent is not Outcome.ACCEPT:
                yield self.chip_proof_absent, f"{CheckId.ACTIVE_AUTHENTICATION}: {Reason.NOT_OFFERED}"
            return
        proven = any(r.status is CheckStatus.SUCCESSFUL for r in offered)
        for result in offered:
            if result.status is CheckStatus.FAILED:
                yield Outcome.REJECT, _phrase(result)
            elif result.status is not CheckStatus.SUCCESSFUL and not (proven and result.reason is Reason.NOT_REQUESTED):
                yield Outcome.INCONCLUSIVE, _phrase(result)

    def _match(
        self, modality: str, limit: float, report: VerificationReport, scores: Sequence[ScoreLike]
    ) -> Iterator[tuple[Outcome, str]]:
        check = CheckId(f"{modality}.match")
        mine = [s for s in scores if s.modality == modality]
        if not mine:
            results = report.results(check)
            phrase = _phrase(results[0]) if results else f"{check}: {Reason.SAMPLE_MISSING}"
            if results and results[0].status is CheckStatus.SUCCESSFUL:  # by a rate that nobody has kept
                phrase = f"{check}: {Reason.NOT_CALIBRATED}"
            withheld = any(r.reason in (Reason.CONSENT_MISSING, Reason.CONSENT_PURPOSE) for r in results)
            yield self._without_consent(report) if withheld else Outcome.INCONCLUSIVE, phrase
        elif all(s.fmr is None for s in mine):
            yield Outcome.INCONCLUSIVE, f"{check}: {Reason.NOT_CALIBRATED}"
        elif not any(s.fmr is not None and s.fmr <= limit for s in mine):
            yield self.no_match, f"{check}: {Reason.BELOW_THRESHOLD}"

    def _without_consent(self, report: VerificationReport) -> Outcome:
        """What follows for a comparison that was not made for want of a consent: the policy's word on the consent."""
        requirement = self._by_check.get(CheckId.CONSENT)
        outcome = requirement.consequence(report.status(CheckId.CONSENT)) if requirement else Outcome.ACCEPT
        return Outcome.INCONCLUSIVE if outcome is Outcome.ACCEPT else outcome

    def _purpose(self, report: VerificationReport) -> Iterator[tuple[Outcome, str]]:
        """A consent that another policy took may be for a purpose that this one does not know."""
        for result in report.results(CheckId.CONSENT) if self.purposes else ():
            if result.status is CheckStatus.SUCCESSFUL and result.evidence.get("purpose") not in self.purposes:
                yield Outcome.REJECT, f"{CheckId.CONSENT}: {Reason.CONSENT_PURPOSE}"

    def _trust_list(self, report: VerificationReport) -> Iterator[tuple[Outcome, str]]:
        """The age in the evidence against the age that this policy bears."""
        if self.trust_list_days is None:
            return
        ages = [r.evidence.get("days", "") for r in report.results(CheckId.TRUST_AGE)]
        if not ages or not all(re.fullmatch(r"[0-9]{1,6}", age) for age in ages):
            yield self.trust_list_old, f"{CheckId.TRUST_AGE}: {Reason.LIST_AGE_UNKNOWN}"
        elif max(map(int, ages)) > self.trust_list_days:
            yield self.trust_list_old, f"{CheckId.TRUST_AGE}: {Reason.LIST_TOO_OLD}"

    def _liveness(self, report: VerificationReport) -> Iterator[tuple[Outcome, str]]:
        """What ``face.pad`` is worth here: a share that was enough for another policy may be too small for this one,
        and a success without a share is none. A challenge that was posed and not passed is never overlooked.
        """
        if CheckId.FACE_CHALLENGE not in self._by_check:
            for result in report.results(CheckId.FACE_CHALLENGE):
                if result.status is CheckStatus.FAILED:
                    yield Outcome.REVIEW, _phrase(result)
        requirement = self._by_check.get(CheckId.FACE_PAD)
        for result in report.results(CheckId.FACE_PAD) if requirement else ():
            share = result.evidence.get("score")
            if requirement is None or result.status is not CheckStatus.SUCCESSFUL:
                continue
            if share is None:
                if requirement.missing is not Outcome.ACCEPT and not _made_up_for(requirement, report):
                    yield requirement.missing, f"{CheckId.FACE_PAD}: {Reason.SCORE_MISSING}"
                continue
            enough = re.fullmatch(r"[01]\.[0-9]{1,9}", share) is not None and float(share) >= self.face_pad
            if not enough and requirement.failed is not Outcome.ACCEPT:
                yield requirement.failed, f"{CheckId.FACE_PAD}: {Reason.BELOW_THRESHOLD} ({result.subject})"

    def _quality(self, report: VerificationReport) -> Iterator[tuple[Outcome, str]]:
        """Pictures that were good enough for another policy may not be for this one; the raw values tell."""
        requirement = self._by_check.get(CheckId.FACE_QUALITY)
        for kind in CaptureKind if requirement else ():
            if requirement is None or not self.quality.stated(kind):
                continue
            chip = kind is CaptureKind.PORTRAIT
            results = [r for r in report.results(CheckId.FACE_QUALITY) if (r.subject == "DG2") is chip]
            subject = "DG2" if chip else "live"
            if not results and requirement.missing is not Outcome.ACCEPT:
                yield requirement.missing, f"{CheckId.FACE_QUALITY}: {CheckStatus.NOT_PERFORMED} ({subject})"
            for result in results:
                kept = self.quality.judge(kind, result.evidence) if result.status is CheckStatus.SUCCESSFUL else True
                outcome = Outcome.ACCEPT if kept else requirement.missing if kept is None else requirement.failed
                if outcome is not Outcome.ACCEPT:
                    word = CheckStatus.NOT_PERFORMED if kept is None else Reason.POOR_QUALITY
                    yield outcome, f"{CheckId.FACE_QUALITY}: {word} ({subject})"

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any], *, source: str = "policy") -> Policy:
        """A policy from a mapping as TOML gives it.

        Keys: ``id``; ``about`` (one line for people); ``extends`` (a named policy to start from); ``groups``;
        ``face_fmr``, ``finger_fmr`` (false: not asked for); ``face_pad``; ``no_match``; ``chip_proof``;
        ``chip_proof_absent``; ``purposes``; ``trust_list_days`` (false: not asked for); ``trust_list_old``; a table
        ``[checks]`` of check names with ``failed``, ``missing``, ``unsupported`` and ``instead`` (a check that makes up
        for a missing one), or ``false`` to drop the check. A table replaces what the base says of that check; what it
        leaves out is ``reject`` for ``failed`` and ``inconclusive`` for the others. ``[quality.live]`` and
        ``[quality.portrait]`` hold limits of measures of face pictures: a table of ``worst``, ``best`` and ``use``
        (``decides`` where not given), or ``false``.

        Raises:
            PolicyError: with the path of every value that cannot be used.
        """
        from idverify import _policy_file

        return _policy_file.from_mapping(data, source)

    def to_mapping(self) -> dict[str, Any]:
        """The policy as :meth:`from_mapping` takes it, with everything written out."""
        from idverify import _policy_file

        return _policy_file.to_mapping(self)

    @classmethod
    def from_toml(cls, path: Path) -> Policy:
        """A policy from a TOML file; see :meth:`from_mapping`.

        Raises:
            PolicyError: the file cannot be read, or is no policy.
        """
        from idverify._policy_file import MAX_POLICY

        try:
            with path.open("rb") as file:
                raw = file.read(MAX_POLICY + 1)
            if len(raw) > MAX_POLICY:
                raise PolicyError(f"the policy file {path.name} has more than {MAX_POLICY} bytes")
            data = tomllib.loads(raw.decode("utf-8"))
        except PolicyError:
            raise
        except OSError as error:
            raise PolicyError(f"cannot read the policy file {path.name}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:  # tomllib lets int() refuse thousands of digits
            raise PolicyError(f"cannot read the policy file {path.name}: {error}") from error
        return cls.from_mapping({"id": path.stem, **data}, source=path.name)


def _made_up_for(requirement: Requirement, report: VerificationReport) -> bool:
    return requirement.instead is not None and report.status(requirement.instead) is CheckStatus.SUCCESSFUL


def _phrase(result: CheckResult) -> str:
    word = result.reason if result.reason is not Reason.OK else result.status
    return f"{result.check}: {word}" + (f" ({result.subject})" if result.subject else "")


_PASSIVE: Final = (
    Requirement(check=CheckId.SOD_SIGNATURE),
    Requirement(check=CheckId.DSC_CHAIN),
    Requirement(check=CheckId.DSC_VALIDITY),
    Requirement(check=CheckId.DG_HASH),
)
_NOT_ASKED: Final[Mapping[str, Any]] = {"missing": Outcome.ACCEPT, "unsupported": Outcome.ACCEPT}

COUNTER: Final = Policy(
    id="counter",
    about="attended counter: genuine card, the chip's own proof where it is offered, face at 1e-4",
    requirements=(
        *_PASSIVE,
        Requirement(check=CheckId.DSC_REVOCATION, **_NOT_ASKED),
        Requirement(check=CheckId.COM_SOD, missing=Outcome.ACCEPT, unsupported=Outcome.ACCEPT),
        Requirement(check=CheckId.CARD_ACCESS, failed=Outcome.REVIEW, **_NOT_ASKED),
        Requirement(check=CheckId.ISSUER_MRZ),
        Requirement(check=CheckId.DOCUMENT_VALIDITY, failed=Outcome.REVIEW, missing=Outcome.REVIEW),
        Requirement(check=CheckId.CCCD_CONSISTENCY, **_NOT_ASKED),
        Requirement(check=CheckId.TERMINAL_AUTHENTICATION, failed=Outcome.REVIEW, **_NOT_ASKED),
        Requirement(check=CheckId.FACE_PAD, failed=Outcome.REVIEW, **_NOT_ASKED),
        Requirement(check=CheckId.FACE_CHALLENGE, failed=Outcome.REVIEW, **_NOT_ASKED),
        Requirement(check=CheckId.ONLINE_DS, **_NOT_ASKED),
    ),
)
"""An attended counter: passive authentication, the chip's proof where the signed data offer one, face at FMR 1e-4."""

COUNTER_FINGER: Final = replace(
    COUNTER,
    id="counter-finger",
    about="as counter, with a fingerprint of DG3 at 1e-3 in place of the face",
    groups=("DG1", "DG2", "DG3"),
    face_fmr=None,
    finger_fmr=1e-3,
)
"""As ``counter``, with a fingerprint of DG3 at FMR 1e-3 in place of the face."""

COUNTER_BOTH: Final = replace(
    COUNTER_FINGER,
    id="counter-both",
    about="as counter, with the face at 1e-4 and a fingerprint of DG3 at 1e-3",
    face_fmr=COUNTER.face_fmr,
)
"""As ``counter``, with a fingerprint of DG3 at FMR 1e-3 beside the face."""

STRICT: Final = Policy(
    id="strict",
    about="as counter, with face at 1e-5, PACE, revocation data and a proof by the chip",
    requirements=(
        *_PASSIVE,
        Requirement(
            check=CheckId.ACCESS_PACE, failed=Outcome.REVIEW, missing=Outcome.REVIEW, unsupported=Outcome.REVIEW
        ),
        Requirement(check=CheckId.DSC_REVOCATION, missing=Outcome.REVIEW, unsupported=Outcome.REVIEW),
        Requirement(check=CheckId.COM_SOD),
        Requirement(check=CheckId.CARD_ACCESS, missing=Outcome.REVIEW, unsupported=Outcome.ACCEPT),
        Requirement(check=CheckId.ISSUER_MRZ),
        Requirement(check=CheckId.DOCUMENT_VALIDITY),
        Requirement(check=CheckId.CCCD_CONSISTENCY, missing=Outcome.ACCEPT, unsupported=Outcome.ACCEPT),
        Requirement(check=CheckId.FACE_QUALITY, failed=Outcome.INCONCLUSIVE),
        Requirement(check=CheckId.FACE_PAD, missing=Outcome.ACCEPT, unsupported=Outcome.ACCEPT),
        Requirement(check=CheckId.FACE_CHALLENGE, missing=Outcome.ACCEPT, unsupported=Outcome.ACCEPT),
        Requirement(check=CheckId.ONLINE_DS, missing=Outcome.ACCEPT, unsupported=Outcome.ACCEPT),
    ),
    face_fmr=1e-5,
    chip_proof_absent=Outcome.REVIEW,
)
"""As ``counter``, with face at FMR 1e-5; asks for PACE, revocation data, a valid document and a proof by the chip."""

DOCUMENT: Final = Policy(
    id="document",
    about="passive authentication alone: genuine files, nothing about a person",
    requirements=COUNTER.requirements,
    groups=("DG1",),
    face_fmr=None,
    chip_proof=False,
)
"""Passive authentication alone: for files that were read elsewhere."""

SECURITY_OBJECT: Final = Policy(
    id="security-object",
    about="EF.SOD alone: its signature and its signer",
    requirements=_PASSIVE[:3],
    groups=(),
    face_fmr=None,
    chip_proof=False,
)
"""EF.SOD alone: its signature and its signer. Says nothing about any holder."""

_NAMED: Final = {p.id: p for p in (COUNTER, COUNTER_FINGER, COUNTER_BOTH, STRICT, DOCUMENT, SECURITY_OBJECT)}
_EXAMPLES: Final = ("social-security-counter", "bank-2345", "airport-gate")

NAMES: Final = (*_NAMED, *_EXAMPLES)
"""Names of the policies that come with the library; the last ones are examples in TOML, to start from."""


def named(name: str) -> Policy:
    """A policy that comes with the library; :data:`NAMES` has their names.

    Raises:
        PolicyError: no such policy.
    """
    if name in _NAMED:
        return _NAMED[name]
    if name in _EXAMPLES:
        return Policy.from_mapping(tomllib.loads(source_of(name) or ""), source=name)
    raise PolicyError(f"no policy named {name!r}; there are {', '.join(NAMES)}, or give a TOML file")


def source_of(name: str) -> str | None:
    """The TOML text of an example that comes with the library, with its comments; None for another name."""
    if name not in _EXAMPLES:
        return None
    return resources.files("idverify").joinpath("policies", f"{name}.toml").read_text(encoding="utf-8")


def is_file(policy: str) -> bool:
    """Whether a text means a policy file: it has a dot or a separator of folders in it, which no name has."""
    return any(mark in policy for mark in "./\\")


def load(policy: str | Path | Policy) -> Policy:
    """A policy by name, from a TOML file, or itself.

    Raises:
        PolicyError: neither a name nor a readable policy file.
    """
    if isinstance(policy, Policy):
        return policy
    if isinstance(policy, Path) or is_file(policy):
        return Policy.from_toml(Path(policy))
    return named(policy)
