"""Policies: what follows from which evidence."""

from __future__ import annotations

import copy
import pickle
import tomllib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idverify import Consent, _policy_file, decision
from idverify.decision import COUNTER, DOCUMENT, SECURITY_OBJECT, STRICT, Outcome, Policy, Requirement
from idverify.errors import ConfigurationError, PolicyError
from idverify.face_limits import DEFAULTS, CaptureKind, FaceLimits, Limit, LimitUse, QualityMeasure
from idverify.report import CheckId, CheckResult, CheckStatus, Reason, VerificationReport

AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Score:
    modality: str
    fmr: float | None


MATCH = Score("face", 1e-6)


def result(check: CheckId, status: CheckStatus = CheckStatus.SUCCESSFUL, subject: str | None = None) -> CheckResult:
    reason = Reason.HASH_MISMATCH if status is CheckStatus.FAILED else Reason.OK
    return CheckResult(check=check, status=status, reason=reason, subject=subject)


CLEAN = (
    result(CheckId.ACCESS_PACE),
    result(CheckId.SOD_SIGNATURE),
    result(CheckId.DSC_CHAIN),
    result(CheckId.DSC_VALIDITY),
    result(CheckId.DSC_REVOCATION),
    result(CheckId.DG_HASH, subject="DG1"),
    result(CheckId.DG_HASH, subject="DG2"),
    result(CheckId.COM_SOD),
    result(CheckId.CARD_ACCESS),
    result(CheckId.ISSUER_MRZ),
    result(CheckId.CHIP_AUTHENTICATION),
    result(CheckId.ACTIVE_AUTHENTICATION),
    result(CheckId.DOCUMENT_VALIDITY),
    CheckResult(
        check=CheckId.FACE_QUALITY,
        status=CheckStatus.SUCCESSFUL,
        subject="live",
        evidence={
            "yaw": "-3.2",
            "pitch": "4.0",
            "roll": "0.5",
            "illumination-uniformity": "0.62",
            "inter-eye-distance": "88.0",
            "face-size": "0.41",
        },
    ),
    result(CheckId.FACE_MATCH),
)


def report(*checks: CheckResult) -> VerificationReport:
    return VerificationReport(checks=checks, trust_store_id="t", verified_at=AT)


def with_(*changed: CheckResult) -> VerificationReport:
    keys = {(c.check, c.subject) for c in changed}
    return report(*(c for c in CLEAN if (c.check, c.subject) not in keys), *changed)


def test_clean_evidence_is_accepted_without_reasons() -> None:
    assert COUNTER.decide(report(*CLEAN), [MATCH]) == decision.Decision(Outcome.ACCEPT, "counter", ())
    assert STRICT.decide(report(*CLEAN), [MATCH]).outcome is Outcome.ACCEPT


@pytest.mark.parametrize("check", [CheckId.SOD_SIGNATURE, CheckId.DSC_CHAIN, CheckId.DSC_VALIDITY, CheckId.ISSUER_MRZ])
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (CheckStatus.FAILED, Outcome.REJECT),
        (CheckStatus.UNDETERMINED, Outcome.INCONCLUSIVE),
        (CheckStatus.NOT_PERFORMED, Outcome.INCONCLUSIVE),
        (CheckStatus.ABORTED, Outcome.INCONCLUSIVE),
        (CheckStatus.NOT_SUPPORTED, Outcome.INCONCLUSIVE),
    ],
)
def test_a_required_check_that_is_not_successful_never_accepts(
    check: CheckId, status: CheckStatus, outcome: Outcome
) -> None:
    decided = COUNTER.decide(with_(result(check, status)), [MATCH])
    assert decided.outcome is outcome
    assert decided.reasons[0].startswith(check.value)


@pytest.mark.parametrize("check", [c.check for c in CLEAN if c.check in {r.check for r in STRICT.requirements}])
def test_strict_notices_a_check_that_is_absent(check: CheckId) -> None:
    absent = report(*(c for c in CLEAN if c.check is not check))
    assert STRICT.decide(absent, [MATCH]).outcome is not Outcome.ACCEPT


@pytest.mark.parametrize("group", ["DG1", "DG2"])
def test_a_group_that_was_not_read_is_inconclusive(group: str) -> None:
    missing = report(*(c for c in CLEAN if c.subject != group))
    assert COUNTER.decide(missing, [MATCH]).outcome is Outcome.INCONCLUSIVE
    not_read = CheckResult(
        check=CheckId.DG_HASH, status=CheckStatus.NOT_PERFORMED, reason=Reason.NOT_READ, subject=group
    )
    decided = COUNTER.decide(with_(not_read), [MATCH])
    assert decided.outcome is Outcome.INCONCLUSIVE
    assert f"pa.dg.hash: not-read ({group})" in decided.reasons


def test_any_altered_group_rejects() -> None:
    assert COUNTER.decide(with_(result(CheckId.DG_HASH, CheckStatus.FAILED, "DG13")), [MATCH]).outcome is Outcome.REJECT


@pytest.mark.parametrize("check", [CheckId.ACTIVE_AUTHENTICATION, CheckId.CHIP_AUTHENTICATION])
def test_a_copied_chip_is_rejected_even_if_the_other_proof_succeeds(check: CheckId) -> None:
    assert COUNTER.decide(with_(result(check, CheckStatus.FAILED)), [MATCH]).outcome is Outcome.REJECT
    undetermined = with_(result(check, CheckStatus.UNDETERMINED))
    assert COUNTER.decide(undetermined, [MATCH]).outcome is Outcome.INCONCLUSIVE


def test_a_second_chip_proof_may_be_left_out_on_request_only() -> None:
    skipped = CheckResult(
        check=CheckId.ACTIVE_AUTHENTICATION, status=CheckStatus.NOT_PERFORMED, reason=Reason.NOT_REQUESTED
    )
    assert COUNTER.decide(with_(skipped), [MATCH]).outcome is Outcome.ACCEPT
    alone = report(*(c for c in CLEAN if not c.check.startswith("chip.")), skipped)
    assert COUNTER.decide(alone, [MATCH]).outcome is Outcome.INCONCLUSIVE


def test_a_document_without_chip_proof_is_accepted_by_counter_and_reviewed_by_strict() -> None:
    none = with_(
        result(CheckId.ACTIVE_AUTHENTICATION, CheckStatus.NOT_SUPPORTED),
        result(CheckId.CHIP_AUTHENTICATION, CheckStatus.NOT_SUPPORTED),
    )
    assert COUNTER.decide(none, [MATCH]).outcome is Outcome.ACCEPT
    assert STRICT.decide(none, [MATCH]).outcome is Outcome.REVIEW
    unasked = report(*(c for c in CLEAN if not c.check.startswith("chip.")))
    assert COUNTER.decide(unasked, [MATCH]).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("scores", "outcome"),
    [
        ([], Outcome.INCONCLUSIVE),
        ([Score("face", None)], Outcome.INCONCLUSIVE),
        ([Score("finger", 1e-9)], Outcome.INCONCLUSIVE),
        ([Score("face", 1e-3)], Outcome.REJECT),
        ([Score("face", 1e-4)], Outcome.ACCEPT),
        ([Score("face", 1e-2), Score("face", 1e-5)], Outcome.ACCEPT),
    ],
)
def test_faces_are_judged_by_false_match_rate(scores: list[Score], outcome: Outcome) -> None:
    assert COUNTER.decide(report(*CLEAN), scores).outcome is outcome


def test_an_expired_document_is_reviewed_at_the_counter_and_rejected_by_strict() -> None:
    expired = with_(result(CheckId.DOCUMENT_VALIDITY, CheckStatus.FAILED))
    assert COUNTER.decide(expired, [MATCH]).outcome is Outcome.REVIEW
    assert STRICT.decide(expired, [MATCH]).outcome is Outcome.REJECT


def test_the_worst_consequence_decides_and_stands_first() -> None:
    both = with_(
        result(CheckId.DOCUMENT_VALIDITY, CheckStatus.FAILED), result(CheckId.SOD_SIGNATURE, CheckStatus.FAILED)
    )
    decided = COUNTER.decide(both, [MATCH])
    assert decided.outcome is Outcome.REJECT
    assert decided.reasons[0].startswith("pa.sod.signature")
    assert len(decided.reasons) == 2


@given(st.lists(st.sampled_from(CLEAN), unique=True), st.lists(st.sampled_from([MATCH, Score("face", None)])))
def test_less_evidence_is_never_better(kept: list[CheckResult], scores: list[Score]) -> None:
    """Accept needs every required check: dropping evidence never turns into a pass."""
    decided = COUNTER.decide(report(*kept), scores)
    needed = {CheckId.SOD_SIGNATURE, CheckId.DSC_CHAIN, CheckId.DSC_VALIDITY, CheckId.ISSUER_MRZ}
    if decided.outcome is Outcome.ACCEPT:
        assert needed <= {c.check for c in kept}
        assert {"DG1", "DG2"} <= {c.subject for c in kept}
        assert MATCH in scores


def test_document_and_security_object_ask_for_no_person() -> None:
    offline = report(*(c for c in CLEAN if c.check.startswith(("pa.", "document."))))
    assert DOCUMENT.decide(offline).outcome is Outcome.ACCEPT
    alone = report(*(result(c) for c in (CheckId.SOD_SIGNATURE, CheckId.DSC_CHAIN, CheckId.DSC_VALIDITY)))
    assert SECURITY_OBJECT.decide(alone).outcome is Outcome.ACCEPT
    assert DOCUMENT.decide(alone).outcome is Outcome.INCONCLUSIVE


def test_a_copy_is_rejected_even_where_no_proof_is_asked_for() -> None:
    offline = [c for c in CLEAN if c.check.startswith(("pa.", "document."))]
    for check in (CheckId.ACTIVE_AUTHENTICATION, CheckId.CHIP_AUTHENTICATION):
        copied = report(*offline, result(check, CheckStatus.FAILED))
        assert DOCUMENT.decide(copied).outcome is Outcome.REJECT
        assert DOCUMENT.decide(report(*offline, result(check, CheckStatus.UNDETERMINED))).outcome is Outcome.ACCEPT


def test_toml_extends_a_named_policy(tmp_path: Path) -> None:
    path = tmp_path / "bank.toml"
    path.write_text(
        'extends = "counter"\nface_fmr = 1e-5\nchip_proof_absent = "reject"\n'
        '[checks]\n"document.validity" = {failed = "reject"}\n"pa.issuer-mrz" = false\n'
    )
    policy = decision.load(path)
    assert (policy.id, policy.face_fmr, policy.chip_proof_absent) == ("bank", 1e-5, Outcome.REJECT)
    assert Requirement(check=CheckId.DOCUMENT_VALIDITY) in policy.requirements
    assert CheckId.ISSUER_MRZ not in {r.check for r in policy.requirements}
    assert policy.groups == COUNTER.groups


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"id": "x"}, "accept everything"),
        ({"id": "x", "extends": "nobody"}, "no policy named"),
        ({"id": "x", "extends": "counter", "colour": 1}, "unknown key 'colour'"),
        ({"id": "x", "extends": "counter", "face_fmr": 2}, "face_fmr"),
        ({"id": "x", "extends": "counter", "face_fmr": True}, "face_fmr"),
        ({"id": "x", "extends": "counter", "groups": ["DG17"]}, "groups"),
        ({"id": "x", "extends": "counter", "no_match": "maybe"}, "no_match"),
        ({"id": "x", "extends": "counter", "checks": {"pa.nothing": {}}}, "pa.nothing"),
        ({"id": "x", "extends": "counter", "checks": {"chip.aa": {"failed": "shrug"}}}, "checks.chip.aa.failed"),
        ({"id": "x", "extends": "counter", "chip_proof": "yes"}, "chip_proof"),
        ({"extends": "counter"}, "id"),
    ],
)
def test_a_malformed_policy_is_refused_with_its_path(data: dict[str, object], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        Policy.from_mapping(data)


def test_an_unreadable_policy_file_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("= nonsense")
    with pytest.raises(PolicyError, match=r"broken\.toml"):
        decision.load(path)
    with pytest.raises(PolicyError, match="no policy named"):
        decision.load("lenient")


def test_evidence_has_no_truth_value() -> None:
    with pytest.raises(TypeError):
        bool(report(*CLEAN))


def test_a_failed_check_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="reason"):
        CheckResult(check=CheckId.DSC_CHAIN, status=CheckStatus.FAILED)


def test_the_worst_status_of_several_results_counts() -> None:
    mixed = with_(result(CheckId.DG_HASH, CheckStatus.FAILED, "DG2"))
    assert mixed.status(CheckId.DG_HASH) is CheckStatus.FAILED
    assert report().status(CheckId.DG_HASH) is CheckStatus.NOT_PERFORMED


# ---- consent ---------------------------------------------------------------------------------------------------------

ASKING = Policy.from_mapping(
    {
        "id": "asking", "extends": "counter", "purposes": ["account"],
        "checks": {"privacy.consent": {"missing": "review", "failed": "reject"}},
    }
)  # fmt: skip
CONSENT = Consent(reference="form 7", purpose="account")


def test_a_policy_that_asks_for_a_consent_gets_its_check() -> None:
    given = ASKING.judge_consent(CONSENT)
    assert given is not None
    assert given.status is CheckStatus.SUCCESSFUL
    assert given.evidence == {"purpose": "account", "reference-sha256": CONSENT.fingerprint}
    missing = ASKING.judge_consent(None)
    assert missing is not None
    assert (missing.status, missing.reason) == (CheckStatus.NOT_PERFORMED, Reason.CONSENT_MISSING)
    other = ASKING.judge_consent(Consent(reference="form 7", purpose="marketing"))
    assert other is not None
    assert (other.status, other.reason) == (CheckStatus.FAILED, Reason.CONSENT_PURPOSE)
    assert COUNTER.judge_consent(None) is None
    assert COUNTER.judge_consent(CONSENT) is not None


def test_the_policy_says_what_follows_from_a_missing_consent() -> None:
    withheld = CheckResult(check=CheckId.FACE_MATCH, status=CheckStatus.NOT_PERFORMED, reason=Reason.CONSENT_MISSING)
    missing = ASKING.judge_consent(None)
    assert missing is not None
    assert ASKING.decide(with_(missing, withheld)) == decision.Decision(
        Outcome.REVIEW, "asking", ("privacy.consent: consent-missing", "face.match: consent-missing")
    )
    lenient = Policy.from_mapping(
        {"id": "l", "extends": "counter", "checks": {"privacy.consent": {"missing": "accept"}}}
    )
    assert lenient.decide(with_(missing, withheld)).outcome is Outcome.INCONCLUSIVE


def test_a_report_without_a_word_on_consent_does_not_pass_where_one_is_asked_for() -> None:
    assert ASKING.decide(report(*CLEAN), [MATCH]) == decision.Decision(
        Outcome.REVIEW, "asking", ("privacy.consent: not-performed",)
    )


def test_a_consent_for_another_purpose_does_not_pass_later_either() -> None:
    taken = COUNTER.judge_consent(Consent(reference="form 7", purpose="marketing"))
    assert taken is not None
    assert COUNTER.decide(with_(taken), [MATCH]).outcome is Outcome.ACCEPT
    assert ASKING.decide(with_(taken), [MATCH]) == decision.Decision(
        Outcome.REJECT, "asking", ("privacy.consent: consent-purpose",)
    )


# ---- age of trust lists ----------------------------------------------------------------------------------------------

FRESH = Policy.from_mapping({"id": "fresh", "extends": "counter", "trust_list_days": 90})


@pytest.mark.parametrize(
    ("age", "status", "outcome"),
    [
        (timedelta(days=-3), CheckStatus.SUCCESSFUL, Outcome.ACCEPT),
        (timedelta(days=90, hours=23), CheckStatus.SUCCESSFUL, Outcome.ACCEPT),
        (timedelta(days=91), CheckStatus.FAILED, Outcome.REVIEW),
        (None, CheckStatus.UNDETERMINED, Outcome.REVIEW),
    ],
)
def test_an_old_list_and_one_of_unknown_age_are_for_review(
    age: timedelta | None, status: CheckStatus, outcome: Outcome
) -> None:
    judged = FRESH.judge_trust_list(None if age is None else AT - age, AT)
    assert judged is not None
    assert judged.status is status
    assert FRESH.decide(with_(judged), [MATCH]).outcome is outcome


def test_the_age_is_judged_from_the_evidence_not_from_the_policy_of_the_day() -> None:
    judged = COUNTER.judge_trust_list(AT - timedelta(days=200), AT)
    assert judged is not None
    assert judged.status is CheckStatus.SUCCESSFUL
    assert COUNTER.decide(with_(judged), [MATCH]).outcome is Outcome.ACCEPT
    assert FRESH.decide(with_(judged), [MATCH]).reasons == ("trust.age: list-too-old",)
    assert FRESH.decide(report(*CLEAN), [MATCH]).reasons == ("trust.age: list-age-unknown",)
    assert COUNTER.judge_trust_list(None, AT) is None
    odd = CheckResult(check=CheckId.TRUST_AGE, status=CheckStatus.SUCCESSFUL, evidence={"days": "-1"})
    assert FRESH.decide(with_(odd), [MATCH]).reasons == ("trust.age: list-age-unknown",)


@pytest.mark.parametrize(
    "more",
    [
        {"trust_list_days": 0},
        {"trust_list_days": True},
        {"trust_list_days": 1.5},
        {"trust_list_old": "accept"},
        {"trust_list_old": "soon"},
        {"purposes": "account"},
        {"purposes": [""]},
        {"purposes": ["account"]},
    ],
)
def test_ages_and_purposes_that_cannot_be_used_are_refused(more: dict[str, object]) -> None:
    with pytest.raises(PolicyError):
        Policy.from_mapping({"id": "x", "extends": "counter"} | more)


# ---- policies as data ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", decision.NAMES)
def test_every_policy_survives_being_written_out(name: str) -> None:
    policy = decision.named(name)
    assert policy.id == name
    assert policy.about
    assert Policy.from_mapping(policy.to_mapping()) == policy
    assert Policy.from_mapping(tomllib.loads(_policy_file.to_toml(policy))) == policy


@given(
    about=st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\x7f"), min_size=1).filter(str.strip),
    rate=st.floats(min_value=1e-12, max_value=0.999) | st.just(False),
    outcomes=st.lists(st.sampled_from(["reject", "review", "inconclusive"]), min_size=3, max_size=3),
    days=st.integers(1, 10**6) | st.just(False),
)
def test_any_policy_survives_being_written_out(about: str, rate: object, outcomes: list[str], days: object) -> None:
    policy = Policy.from_mapping(
        {
            "id": "any", "about": about, "extends": "strict", "face_fmr": rate, "no_match": outcomes[0],
            "trust_list_days": days, "trust_list_old": outcomes[1],
            "checks": {"privacy.consent": {"missing": outcomes[2]}}, "purposes": [about],
        }
    )  # fmt: skip
    again = Policy.from_mapping(tomllib.loads(_policy_file.to_toml(policy)))
    assert (again, again.about) == (policy, policy.about)


def test_policies_for_fingers_ask_for_what_the_finger_is_compared_with() -> None:
    for policy in (decision.COUNTER_FINGER, decision.COUNTER_BOTH):
        assert "DG3" in policy.groups
        assert not any("DG3" in note for note in _policy_file.weaknesses(policy))
        assert policy.decide(report(*CLEAN), [MATCH]).outcome is Outcome.INCONCLUSIVE
    unsigned = Policy.from_mapping({"id": "x", "extends": "counter", "finger_fmr": 1e-3})
    assert any("DG3 is not asked for" in note for note in _policy_file.weaknesses(unsigned))


def test_everything_that_is_wrong_is_told_at_once_with_its_path() -> None:
    data = {
        "id": "x", "extends": "counter", "face_fmr": "low", "colour": 1, "trust_list_days": 0,
        "checks": {"chip.aa": {"failed": "shrug"}, "pa.nothing": {}, "face.pad": {"late": "review"}},
    }  # fmt: skip
    with pytest.raises(PolicyError) as caught:
        Policy.from_mapping(data, source="bank.toml")
    paths = [p.removeprefix("bank.toml: ").split(":")[0].split(";")[0] for p in caught.value.problems]
    assert sorted(paths) == [
        "checks", "checks.chip.aa.failed", "checks.face.pad", "face_fmr", "trust_list_days", "unknown key 'colour'"
    ]  # fmt: skip
    assert all(p in str(caught.value) for p in caught.value.problems)


def test_a_policy_file_has_a_cap(tmp_path: Path) -> None:
    path = tmp_path / "long.toml"
    path.write_text("#" * (_policy_file.MAX_POLICY + 1))
    with pytest.raises(PolicyError, match="bytes"):
        decision.load(path)


def test_an_unattended_gate_and_a_bank_do_not_accept_without_a_liveness_test() -> None:
    age = CheckResult(check=CheckId.TRUST_AGE, status=CheckStatus.SUCCESSFUL, evidence={"days": "3"})
    consent = result(CheckId.CONSENT)
    consistent = result(CheckId.CCCD_CONSISTENCY)
    scored = replace(result(CheckId.FACE_PAD), evidence={"score": "0.900000"})
    everything = with_(age, consent, consistent, scored)
    for name, missing, failed in (
        ("airport-gate", Outcome.REVIEW, Outcome.REVIEW),
        ("bank-2345", Outcome.INCONCLUSIVE, Outcome.REVIEW),
    ):
        policy = decision.named(name)
        assert policy.decide(everything, [MATCH]).outcome is Outcome.ACCEPT
        assert policy.decide(with_(age, consent, consistent), [MATCH]).outcome is missing
        caught = with_(age, consent, consistent, result(CheckId.FACE_PAD, CheckStatus.FAILED))
        assert policy.decide(caught, [MATCH]).outcome is failed
        # A success that no score stands behind is somebody's word: it was accepted before, and is missing now.
        bare = policy.decide(with_(age, consent, consistent, result(CheckId.FACE_PAD)), [MATCH])
        assert (bare.outcome, bare.reasons) == (missing, ("face.pad: score-missing",))


MOVED = result(CheckId.FACE_CHALLENGE)
STOOD = CheckResult(check=CheckId.FACE_CHALLENGE, status=CheckStatus.FAILED, reason=Reason.TIME_OUT, subject="live")


def test_a_passed_challenge_makes_up_for_a_passive_test_that_is_missing_never_for_one_that_failed() -> None:
    gate = decision.named("airport-gate")
    age = CheckResult(check=CheckId.TRUST_AGE, status=CheckStatus.SUCCESSFUL, evidence={"days": "3"})
    for state, accepted in (
        (None, True), (CheckStatus.UNDETERMINED, True), (CheckStatus.NOT_PERFORMED, True),
        (CheckStatus.SUCCESSFUL, True), (CheckStatus.FAILED, False),
    ):  # fmt: skip
        passive = [] if state is None else [result(CheckId.FACE_PAD, state)]
        decided = gate.decide(with_(age, MOVED, *passive), [MATCH])
        assert (decided.outcome is Outcome.ACCEPT) is accepted, state
    weak = replace(result(CheckId.FACE_PAD), evidence={"score": "0.1"})
    assert gate.decide(with_(age, MOVED, weak), [MATCH]).outcome is Outcome.REVIEW
    assert gate.decide(with_(age, STOOD), [MATCH]).reasons == (
        "face.pad: not-performed", "face.challenge: time-out (live)"
    )  # fmt: skip


def test_a_challenge_that_was_posed_and_not_passed_is_never_overlooked() -> None:
    silent = replace(
        COUNTER, requirements=tuple(r for r in COUNTER.requirements if r.check is not CheckId.FACE_CHALLENGE)
    )
    for policy, outcome in ((COUNTER, Outcome.REVIEW), (STRICT, Outcome.REJECT), (silent, Outcome.REVIEW)):
        decided = policy.decide(with_(STOOD), [MATCH])
        assert (decided.outcome, decided.reasons) == (outcome, ("face.challenge: time-out (live)",))
        assert policy.decide(with_(MOVED), [MATCH]).outcome is Outcome.ACCEPT


def test_what_makes_up_for_a_check_is_read_written_and_refused_where_it_is_no_check() -> None:
    gate = decision.named("airport-gate")
    assert gate.to_mapping()["checks"]["face.pad"]["instead"] == "face.challenge"
    assert Policy.from_mapping(tomllib.loads(_policy_file.to_toml(gate))) == gate
    with pytest.raises(PolicyError, match=r"checks.face.pad.instead: 'smile' is none of"):
        Policy.from_mapping({"id": "x", "extends": "counter", "checks": {"face.pad": {"instead": "smile"}}})
    posed = Policy.from_mapping(
        {"id": "x", "extends": "counter", "checks": {"face.challenge": {"failed": "review", "missing": "review"}}}
    )
    assert _policy_file.weaknesses(posed) == ()


@given(st.sampled_from(decision.NAMES), st.sets(st.sampled_from(CLEAN)), st.booleans())
def test_no_policy_accepts_what_was_not_checked(name: str, kept: set[CheckResult], matched: bool) -> None:
    """Whatever a report lacks, accept needs every check that the policy does not itself let go missing."""
    policy = decision.named(name)
    age = CheckResult(check=CheckId.TRUST_AGE, status=CheckStatus.SUCCESSFUL, evidence={"days": "3"})
    evidence = report(*kept, age)
    decided = policy.decide(evidence, [MATCH] if matched else [])
    if decided.outcome is Outcome.ACCEPT:
        for requirement in policy.requirements:
            if requirement.missing is not Outcome.ACCEPT and requirement.check is not CheckId.DG_HASH:
                assert evidence.status(requirement.check) is CheckStatus.SUCCESSFUL
        assert matched or policy.face_fmr is None


def test_what_a_policy_lets_through_is_named() -> None:
    loose = Policy.from_mapping(
        {
            "id": "loose", "extends": "counter", "face_fmr": 0.01, "no_match": "accept", "chip_proof": False,
            "groups": ["DG1"],
            "checks": {
                "pa.dsc.chain": False, "pa.sod.signature": {"missing": "accept"}, "pa.issuer-mrz": {"failed": "accept"},
            },
        }
    )  # fmt: skip
    paths = {note.split(":")[0] for note in _policy_file.weaknesses(loose)}
    assert paths == {
        "checks.pa.dsc.chain", "checks.pa.sod.signature", "checks.pa.issuer-mrz.failed", "no_match", "chip_proof",
        "groups", "checks.face.pad", "face_fmr",
    }  # fmt: skip
    assert _policy_file.weaknesses(decision.named("bank-2345")) == ()


# ---- limits of pictures ----------------------------------------------------------------------------------------------


def strict_with(**tables: object) -> Policy:
    return Policy.from_mapping({"id": "own", "extends": "strict", "quality": tables})


def picture(subject: str = "live", **raw: str) -> CheckResult:
    evidence = {key.replace("_", "-"): value for key, value in raw.items()}
    return CheckResult(
        check=CheckId.FACE_QUALITY, status=CheckStatus.SUCCESSFUL, subject=subject, evidence={"score": "80"} | evidence
    )


def test_limits_are_read_over_those_of_the_base_and_survive_being_written_out() -> None:
    policy = strict_with(
        live={"yaw": {"worst": 30}, "roll": False, "background-uniformity": {"worst": 60, "best": 5, "use": "advises"}},
        portrait={"inter-eye-distance": {"worst": 30, "best": 60}, "natural-colour": {"best": 5}},
    )
    live, portrait = policy.quality.of(CaptureKind.LIVE), policy.quality.of(CaptureKind.PORTRAIT)
    assert live[QualityMeasure.YAW] == Limit(30.0, 10.0)
    assert live[QualityMeasure.ROLL] == Limit(45.0, 8.0, LimitUse.NOTED)
    assert live[QualityMeasure.BACKGROUND_UNIFORMITY] == Limit(60.0, 5.0, LimitUse.ADVISES)
    assert live[QualityMeasure.PITCH] == DEFAULTS[CaptureKind.LIVE][QualityMeasure.PITCH]
    assert portrait[QualityMeasure.INTER_EYE_DISTANCE] == Limit(30.0, 60.0)
    assert portrait[QualityMeasure.NATURAL_COLOUR] == Limit(30.0, 5.0), "a limit that is stated decides"
    assert portrait[QualityMeasure.YAW] == DEFAULTS[CaptureKind.PORTRAIT][QualityMeasure.YAW]
    assert Policy.from_mapping(tomllib.loads(_policy_file.to_toml(policy))) == policy
    assert Policy.from_mapping(policy.to_mapping()) == policy
    assert hash(policy) == hash(Policy.from_mapping(policy.to_mapping()))
    assert pickle.loads(pickle.dumps(policy)) == copy.deepcopy(policy) == policy
    gate = Policy.from_mapping({"id": "g", "extends": "airport-gate", "quality": {"live": {"yaw": {"worst": 25}}}})
    assert gate.quality.of(CaptureKind.LIVE)[QualityMeasure.YAW].worst == 25
    assert gate.quality.of(CaptureKind.LIVE)[QualityMeasure.PITCH].worst == 35


def test_without_a_table_nothing_changes() -> None:
    for policy in (COUNTER, STRICT, DOCUMENT, SECURITY_OBJECT):
        assert policy.quality == FaceLimits()
        assert "quality" not in policy.to_mapping()
        for kind in CaptureKind:
            assert policy.quality.of(kind) == DEFAULTS[kind]


@pytest.mark.parametrize(
    ("tables", "path", "word"),
    [
        ({"live": {"smile": {"worst": 1, "best": 2}}}, "quality.live.smile", "no such measure"),
        ({"live": {"single-face": {"worst": 3, "best": 1}}}, "quality.live.single-face", "no such measure"),
        ({"live": {"yaw": {"worst": 10, "best": 10}}}, "quality.live.yaw", "below worst"),
        ({"live": {"yaw": {"worst": 5, "best": 30}}}, "quality.live.yaw", "below worst"),
        ({"live": {"sharpness": {"worst": 90, "best": 30}}}, "quality.live.sharpness", "above worst"),
        ({"live": {"yaw": {"worst": float("nan")}}}, "quality.live.yaw", "numbers between"),
        ({"live": {"yaw": {"worst": float("inf")}}}, "quality.live.yaw", "numbers between"),
        ({"live": {"yaw": {"worst": 10**400}}}, "quality.live.yaw", "numbers"),
        ({"live": {"yaw": {"worst": 90}}}, "quality.live.yaw", "write false"),
        ({"live": {"under-exposure": {"worst": 1.0}}}, "quality.live.under-exposure", "write false"),
        ({"portrait": {"inter-eye-distance": {"worst": 0}}}, "quality.portrait.inter-eye-distance", "write false"),
        ({"portrait": {"dynamic-range": {"best": 9}}}, "quality.portrait.dynamic-range", "between 0 and 8"),
        ({"live": {"yaw": {"worst": True}}}, "quality.live.yaw", "are numbers"),
        ({"live": {"yaw": {"worst": "30"}}}, "quality.live.yaw", "are numbers"),
        ({"live": {"yaw": {"use": "refuses"}}}, "quality.live.yaw", "none of decides"),
        ({"live": {"yaw": {"least": 3}}}, "quality.live.yaw", "expected false or a table"),
        ({"live": {"yaw": {}}}, "quality.live.yaw", "expected false or a table"),
        ({"live": {"yaw": True}}, "quality.live.yaw", "expected false or a table"),
        ({"live": 3}, "quality.live", "expected a table"),
        ({"lives": {}}, "quality", "expected tables live and portrait"),
    ],
)
def test_limits_that_mean_nothing_are_refused_with_their_path(tables: dict[str, object], path: str, word: str) -> None:
    with pytest.raises(PolicyError) as caught:
        strict_with(**tables)
    (problem,) = caught.value.problems
    assert problem.startswith(f"policy: {path}: ")
    assert word in problem


def test_limits_are_checked_outside_of_files_too() -> None:
    for stated in (((QualityMeasure.YAW, Limit(120.0, 10.0)),), ((QualityMeasure.SINGLE_FACE, Limit(3.0, 1.0)),)):
        with pytest.raises(ConfigurationError, match=r"live\.(yaw|single-face): "):
            FaceLimits(live=stated)
    twice = (QualityMeasure.YAW, Limit(30.0, 10.0))
    with pytest.raises(ConfigurationError, match="twice"):
        FaceLimits(portrait=(twice, twice))


@pytest.mark.parametrize(
    ("found", "outcome", "reason"),
    [
        (picture(yaw="29.9"), Outcome.ACCEPT, None),
        (picture(yaw="-30.0"), Outcome.INCONCLUSIVE, "face.quality: poor-quality (live)"),
        (picture(yaw="31"), Outcome.INCONCLUSIVE, "face.quality: poor-quality (live)"),
        (picture(), Outcome.INCONCLUSIVE, "face.quality: not-performed (live)"),
        (picture(yaw="nan"), Outcome.INCONCLUSIVE, "face.quality: not-performed (live)"),
        (picture(yaw="1e1"), Outcome.INCONCLUSIVE, "face.quality: not-performed (live)"),
        (picture(yaw="3", sharpness="9"), Outcome.INCONCLUSIVE, "face.quality: poor-quality (live)"),
    ],
)
def test_recorded_values_are_judged_by_the_limits_of_this_policy(
    found: CheckResult, outcome: Outcome, reason: str | None
) -> None:
    policy = strict_with(live={"yaw": {"worst": 30}})
    decided = policy.decide(with_(found), [MATCH])
    assert (decided.outcome, decided.reasons) == (outcome, (reason,) if reason else ())
    assert STRICT.decide(with_(found), [MATCH]).outcome is Outcome.ACCEPT


def test_limits_for_portraits_ask_for_the_portraits_quality() -> None:
    policy = strict_with(portrait={"inter-eye-distance": {"worst": 40, "best": 60}})
    assert policy.decide(report(*CLEAN), [MATCH]).reasons == ("face.quality: not-performed (DG2)",)
    good = with_(picture("DG2", inter_eye_distance="55"))
    assert policy.decide(good, [MATCH]).outcome is Outcome.ACCEPT
    small = with_(picture("DG2", inter_eye_distance="39"))
    assert policy.decide(small, [MATCH]).reasons == ("face.quality: poor-quality (DG2)",)


def test_what_limits_let_through_is_named() -> None:
    policy = Policy.from_mapping(
        {
            "id": "own", "extends": "counter",
            "quality": {
                "live": {"yaw": {"worst": 60}, "roll": False, "pitch": {"worst": 30}, "sharpness": {"worst": 5}},
            },
        }
    )  # fmt: skip
    paths = [note.split(":")[0] for note in _policy_file.weaknesses(policy)]
    assert [p for p in paths if p.startswith("quality")] == [
        "quality", "quality.live.sharpness", "quality.live.yaw", "quality.live.roll",
    ]  # fmt: skip
