"""Every word that a report can hold is there in Vietnamese and in English."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest

from idverify.chip.session import Phase
from idverify.decision import Decision, Outcome
from idverify.presentation import _texts, decision_reason, explain, grouped, outcome, rate_in_words
from idverify.presentation.wording import Text, advice, phase, reason, subject, verdict
from idverify.report import CheckId, CheckResult, CheckStatus, Reason, VerificationReport
from tests.results import NO, OK, genuine_checks

EVERYTHING = [
    *_texts.STATUSES.values(),
    *_texts.REASONS.values(),
    *_texts.SPECIFIC.values(),
    *_texts.GROUPS.values(),
    *_texts.FILES.values(),
    *_texts.HOLDER.values(),
    *_texts.ANOTHER_PERSON.values(),
    *(t for c in (*_texts.CHECKS.values(), *_texts.OUTCOMES.values()) for t in c),
]


def test_no_check_reason_status_outcome_or_phase_is_without_words() -> None:
    assert set(_texts.CHECKS) == set(CheckId)
    assert set(_texts.REASONS) == set(Reason)
    assert set(_texts.STATUSES) == set(CheckStatus)
    assert set(_texts.OUTCOMES) == {o.value for o in Outcome}
    assert {c.value.split(".")[0] for c in CheckId} == set(_texts.GROUP_OF_PREFIX)
    assert all(phase(p.name.lower()) != Text(p.name.lower(), p.name.lower()) for p in Phase)


@pytest.mark.parametrize("text", EVERYTHING)
def test_words_are_normalised_and_in_two_languages(text: Text) -> None:
    for words in text:
        assert words.strip() == words != ""
        assert unicodedata.normalize("NFC", words) == words
    assert text.en.isascii()


def test_a_reason_says_more_beside_its_check() -> None:
    card = CheckResult(check=CheckId.DOCUMENT_VALIDITY, status=NO, reason=Reason.EXPIRED)
    signer = CheckResult(check=CheckId.DSC_VALIDITY, status=NO, reason=Reason.EXPIRED)
    assert explain(card).en == "The card has expired."
    assert explain(signer).en == "The signing certificate has expired."


def test_a_success_with_a_note_says_both() -> None:
    fallback = CheckResult(check=CheckId.ACCESS_BAC, status=OK, reason=Reason.FALLBACK_FROM_PACE)
    assert explain(fallback).en.startswith("The chip was opened over a secure BAC channel. PACE did not succeed")


@pytest.mark.parametrize("status", [s for s in CheckStatus if s is not CheckStatus.SUCCESSFUL])
@pytest.mark.parametrize("check", list(CheckId))
def test_nothing_but_success_is_worded_as_success(check: CheckId, status: CheckStatus) -> None:
    for code in Reason:
        if status is CheckStatus.FAILED and code is Reason.OK:
            continue
        said = explain(CheckResult(check=check, status=status, reason=code))
        assert said.en != _texts.CHECKS[check].passed.en


def test_decision_reasons_become_sentences() -> None:
    checks = (
        CheckResult(check=CheckId.DG_HASH, status=OK, subject="DG1"),
        CheckResult(check=CheckId.DG_HASH, status=NO, reason=Reason.HASH_MISMATCH, subject="DG2"),
    )
    words = decision_reason("pa.dg.hash: hash-mismatch (DG2)", checks)
    assert words.en == "Data unaltered (DG2 · portrait): The data have been altered since the issuer signed them."
    assert "ảnh chân dung" in words.vi
    assert decision_reason("face.match: sample-missing").en == "Face: No live picture was taken."
    assert decision_reason("chip.aa: not-performed").en.endswith("Not performed.")
    assert decision_reason("something of a policy's own") == Text(*["something of a policy's own"] * 2)
    assert decision_reason("chip.zz: expired").en == "chip.zz: expired"


def test_accept_without_a_face_does_not_speak_of_the_person() -> None:
    assert "holder" in outcome("accept").passed.en
    assert "has not been checked" in outcome("accept", person_checked=False).passed.en


def test_the_verdict_speaks_of_the_person_only_where_a_comparison_decided() -> None:
    class Finger:
        modality, fmr = "finger", 1e-4

    def said(outcome: str, status: CheckStatus, reason: Reason, *reasons: str, scores: tuple[Finger, ...]) -> str:
        check = CheckResult(check=CheckId.FINGER_MATCH, status=status, reason=reason)
        report = VerificationReport(checks=(check,), trust_store_id="", verified_at=datetime(2026, 6, 1, tzinfo=UTC))
        return verdict(Decision(Outcome(outcome), "p", reasons), report, scores).passed.en

    compared = (Finger(),)
    passed, failed = CheckStatus.SUCCESSFUL, CheckStatus.FAILED
    assert "person is its holder" in said("accept", passed, Reason.ABOVE_THRESHOLD, scores=compared)
    assert "has not been checked" in said("accept", passed, Reason.ABOVE_THRESHOLD, scores=())
    unasked = said("accept", CheckStatus.UNDETERMINED, Reason.NOT_REQUESTED, scores=compared)
    assert "has not been checked" in unasked, "a finger that the policy did not ask for makes nobody the holder"
    assert "has not been checked" in said("accept", failed, Reason.BELOW_THRESHOLD, scores=compared)
    stranger = "finger.match: below-threshold"
    assert "person does not match" in said("reject", failed, Reason.BELOW_THRESHOLD, stranger, scores=compared)
    both = said(
        "reject", failed, Reason.BELOW_THRESHOLD, stranger, "pa.sod.signature: signature-invalid", scores=compared
    )
    assert "Do not rely on this card" in both
    assert "Do not rely" in said("reject", failed, Reason.BELOW_THRESHOLD, scores=compared)


def test_every_advice_has_words() -> None:
    from idverify.biometric.face.quality import ADVICE
    from idverify.biometric.finger.quality import FingerAdvice

    assert {a.value for a in FingerAdvice} == set(_texts.FINGER_ADVICE)
    assert all(advice(key).vi != key and advice(key).en != key for key in (*ADVICE, *_texts.FINGER_ADVICE))


def test_unknown_words_stand_as_they_are() -> None:
    assert subject("C=VN, CN=Somebody") == Text("C=VN, CN=Somebody", "C=VN, CN=Somebody")
    assert reason(Reason.EXPIRED) == _texts.REASONS[Reason.EXPIRED]


@pytest.mark.parametrize(
    ("fmr", "expected"),
    [
        (1e-6, "at most 1 in 1,000,000 strangers scores this high"),
        (9.6e-6, "at most 1 in 100,000 strangers scores this high"),
        (1.04e-5, "at most 1 in 96,000 strangers scores this high"),
        (0.2, "at most 1 in 5 strangers scores this high"),
        (0.6, "as usual between two strangers"),
        (0.0, "no stranger scores this high"),
    ],
)
def test_a_rate_is_rounded_to_the_cautious_side(fmr: float, expected: str) -> None:
    assert rate_in_words(fmr).en == expected


def test_groups_keep_what_was_not_asked_for_beside_the_answer() -> None:
    groups = {g.title.en: g for g in grouped(genuine_checks())}
    assert groups["Genuine data"].status is CheckStatus.SUCCESSFUL
    assert groups["Genuine data"].open == 2  # the revocation list and the group that was not read
    assert groups["Original chip"].status is CheckStatus.SUCCESSFUL
    hashes = [r for r in groups["Genuine data"].rows if r.check is CheckId.DG_HASH]
    assert [r.subjects for r in hashes] == [("DG1", "DG2", "DG13", "DG14", "DG15"), ("DG3",)]


@pytest.mark.parametrize("status", [CheckStatus.FAILED, CheckStatus.ABORTED, CheckStatus.UNDETERMINED])
def test_one_bad_result_colours_its_group(status: CheckStatus) -> None:
    bad = CheckResult(check=CheckId.SOD_SIGNATURE, status=status, reason=Reason.ALGORITHM_UNSUPPORTED)
    (group,) = grouped([*(c for c in genuine_checks() if c.check is CheckId.DG_HASH), bad])
    assert group.status is status


def test_a_group_in_which_nothing_was_done_is_not_successful() -> None:
    (group,) = grouped([CheckResult(check=CheckId.CHIP_AUTHENTICATION, status=CheckStatus.NOT_SUPPORTED)])
    assert group.status is CheckStatus.NOT_SUPPORTED
    assert grouped([]) == ()
