"""The whole transaction: a genuine card with its holder is accepted, and nothing else is."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import idverify
from idverify import (
    AccessPassword,
    CheckId,
    CheckStatus,
    Consent,
    FaceMatcher,
    FileId,
    MemoryTransport,
    Outcome,
    Policy,
    Reason,
    TrustStore,
    VerificationResult,
    emulator,
    verify,
    verify_files,
)
from idverify._logging import TRAFFIC
from idverify.audit import AuditLog
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.trust_store import Anchor, EntryKind, Provenance, TrustStoreBuilder
from idverify.decision import COUNTER, STRICT
from idverify.emulator import Card
from idverify.errors import ConfigurationError, ImageError, OperationCancelled, WrongPasswordError
from idverify.online import OnlineRequest
from idverify.report import CheckResult
from tests.unit.presentation.test_schema import SCHEMA

PICTURES = Path(idverify.__file__).parent / "emulator" / "pictures"
LIVE, OTHER = PICTURES / "live.jpg", PICTURES / "other.jpg"
AT = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)


@cache
def genuine() -> Card:
    return emulator.citizen_card(seed=20)


@cache
def matcher() -> FaceMatcher:
    return FaceMatcher(threads=1)


@cache
def trust() -> TrustStore:
    return TrustStore.from_certificates(genuine().trust_anchors)


def run(card: Card, live: object = LIVE, **changes: object) -> VerificationResult:
    arguments: dict[str, object] = {"trust": trust(), "live": live, "at": AT, "matcher": matcher()}
    assert genuine().can is not None
    return verify(MemoryTransport(card), AccessPassword.can(str(genuine().can)), **(arguments | changes))  # type: ignore[arg-type]


@cache
def accepted() -> VerificationResult:
    return run(genuine().fresh())


def test_a_genuine_card_and_its_holder_are_accepted() -> None:
    result = accepted()
    assert result.decision.outcome is Outcome.ACCEPT
    assert result.decision.reasons == ()
    assert result.session.access == "pace"
    for check in (CheckId.SOD_SIGNATURE, CheckId.DSC_CHAIN, CheckId.COM_SOD, CheckId.FACE_MATCH):
        assert result.report.status(check) is CheckStatus.SUCCESSFUL
    proofs = [result.report.status(c) for c in (CheckId.ACTIVE_AUTHENTICATION, CheckId.CHIP_AUTHENTICATION)]
    assert CheckStatus.SUCCESSFUL in proofs
    (score,) = result.scores
    assert score.fmr is not None
    assert score.fmr <= 1e-4
    assert score.threshold is not None
    assert score.value > score.threshold


def test_somebody_else_is_rejected() -> None:
    result = run(genuine().fresh(), OTHER)
    assert result.decision.outcome is Outcome.REJECT
    assert "face.match: below-threshold" in result.decision.reasons


@pytest.mark.parametrize("file", [FileId.DG1, FileId.DG2, FileId.DG13, FileId.DG14, FileId.DG15])
@pytest.mark.parametrize("offset", [40, -1])
def test_one_flipped_byte_in_a_group_is_never_accepted(file: FileId, offset: int) -> None:
    result = run(emulator.flip_byte(genuine(), file, offset))
    assert result.decision.outcome is Outcome.REJECT
    assert any(r.startswith(f"pa.dg.hash: hash-mismatch ({file.label})") for r in result.decision.reasons)


def test_no_flipped_byte_of_the_security_object_is_accepted() -> None:
    raw = genuine().files[FileId.SOD]
    for offset in range(0, len(raw), max(1, len(raw) // 60)):
        result = run(
            emulator.flip_byte(genuine(), FileId.SOD, offset), live=None, policy=replace(COUNTER, face_fmr=None)
        )
        assert result.decision.outcome is not Outcome.ACCEPT, f"byte {offset}"
        assert result.decision.reasons


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (emulator.foreign_csca, "pa.dsc.chain"),
        (emulator.expired_dsc, "pa.dsc.validity: expired"),
        (emulator.copied_card, "chip."),
    ],
)
def test_forgeries_are_named(tamper: object, reason: str) -> None:
    result = run(tamper(genuine()))  # type: ignore[operator]
    assert result.decision.outcome is not Outcome.ACCEPT
    assert any(r.startswith(reason) for r in result.decision.reasons), result.decision.reasons


def test_a_copy_that_hides_its_key_file_is_not_accepted() -> None:
    result = run(emulator.with_files(emulator.copied_card(genuine()), {FileId.DG15: None, FileId.DG14: None}))
    assert result.decision.outcome is not Outcome.ACCEPT
    assert any(r.startswith("chip.aa") for r in result.decision.reasons)


def test_without_an_anchor_nothing_is_accepted() -> None:
    result = run(genuine().fresh(), trust=TrustStore.from_certificates([]))
    assert result.decision.outcome is not Outcome.ACCEPT
    assert any("pa.dsc.chain" in r for r in result.decision.reasons)


def test_a_report_names_every_fault_of_a_card_not_only_the_first() -> None:
    card = emulator.flip_byte(emulator.foreign_csca(emulator.copied_card(genuine())), FileId.DG2)
    reasons = " ".join(run(card, OTHER).decision.reasons)
    for part in ("pa.dsc.chain", "(DG2)", "chip.aa", "face.match"):
        assert part in reasons


def test_an_expired_card_is_for_review() -> None:
    holder = genuine().holder
    late = (
        AT
        if holder.date_of_expiry is None
        else datetime.combine(holder.date_of_expiry, AT.timetz()) + timedelta(days=2)
    )
    if holder.date_of_expiry is None:
        pytest.fail("the invented holder of seed 20 should have a card that expires")
    result = run(genuine().fresh(), at=late)
    assert result.report.status(CheckId.DOCUMENT_VALIDITY) is CheckStatus.FAILED
    assert result.decision.outcome is not Outcome.ACCEPT


def test_no_live_picture_or_no_face_in_it_is_inconclusive() -> None:
    assert run(genuine().fresh(), None).decision.outcome is Outcome.INCONCLUSIVE
    result = run(genuine().fresh(), np.full((480, 640, 3), 127, np.uint8))
    assert result.decision.outcome is Outcome.INCONCLUSIVE
    assert "face.match: no-face (live)" in result.decision.reasons
    assert result.advice


def test_a_broken_live_picture_is_an_error_of_the_tree() -> None:
    with pytest.raises(ImageError):
        run(genuine().fresh(), b"\xff\xd8\xff not a picture")
    with pytest.raises(ConfigurationError):
        run(genuine().fresh(), Path("nowhere.jpg"))


def test_a_wrong_can_is_refused_with_advice() -> None:
    digits = str((int(str(genuine().can)) + 1) % 1_000_000).zfill(6)
    with pytest.raises(WrongPasswordError, match=r"(?i)can"):
        verify(MemoryTransport(genuine().fresh()), AccessPassword.can(digits), trust=trust(), live=LIVE)


def test_the_mrz_opens_the_chip_too_and_unprotected_chips_are_possible() -> None:
    card = genuine().fresh()
    result = verify(
        MemoryTransport(card),
        AccessPassword.from_mrz_text(card.mrz),
        trust=trust(),
        live=LIVE,
        at=AT,
        matcher=matcher(),
    )
    assert result.decision.outcome is Outcome.ACCEPT


def test_cancelling_ends_the_transaction() -> None:
    class Cancelled:
        def is_set(self) -> bool:
            return True

    with pytest.raises(OperationCancelled):
        run(genuine().fresh(), cancel=Cancelled())


def test_strict_asks_for_revocation() -> None:
    result = run(genuine().fresh(), policy=STRICT)
    assert result.decision.outcome is Outcome.REVIEW
    assert any(r.startswith("pa.dsc.revocation") for r in result.decision.reasons)


def test_an_online_service_can_reject() -> None:
    seen: list[OnlineRequest] = []

    class Service:
        def check(self, request: OnlineRequest) -> CheckResult:
            seen.append(request)
            return CheckResult(
                check=CheckId.ONLINE_DS, status=CheckStatus.FAILED, reason=Reason.SERVICE_REJECTED, subject=None
            )

    result = run(genuine().fresh(), online=Service(), device_id="D-7")
    assert result.decision.outcome is Outcome.REJECT
    assert "online.ds: service-rejected" in result.decision.reasons
    assert seen[0].signer_certificate == genuine().image.authority.dsc.der  # type: ignore[union-attr]
    assert seen[0].personal_number.reveal() == genuine().holder.number
    assert seen[0].device_id == "D-7"


def test_files_read_elsewhere_are_judged_alike() -> None:
    files = accepted().files.reveal()
    assert verify_files(files, trust=trust(), at=AT).decision.outcome is Outcome.ACCEPT
    broken = dict(files) | {FileId.DG2: files[FileId.DG2][:-1] + b"\0"}
    assert verify_files(broken, trust=trust(), at=AT).decision.outcome is Outcome.REJECT
    alone = verify_files({FileId.SOD: files[FileId.SOD]}, trust=trust(), at=AT)
    assert (alone.decision.outcome, alone.decision.policy) == (Outcome.ACCEPT, "security-object")
    with pytest.raises(ConfigurationError):
        verify_files({}, trust=trust())
    with pytest.raises(ConfigurationError, match="time zone"):
        verify_files(files, trust=trust(), at=datetime(2026, 1, 1))


def test_the_json_fits_the_published_schema_and_has_no_holder_data() -> None:
    answer = accepted().to_dict()
    jsonschema.validate(answer, SCHEMA)
    assert not found_in(json.dumps(answer, ensure_ascii=False))


def holder_words() -> Iterator[str]:
    """Every piece of the holder's data that must not show up anywhere."""
    holder, card = genuine().holder, genuine()
    yield from (holder.number, str(card.can), holder.full_name, *card.mrz.splitlines())
    details = asdict(holder)
    yield from (v for v in details.values() if isinstance(v, str) and len(v) > 5)
    yield holder.date_of_birth.strftime("%y%m%d")
    yield holder.date_of_birth.isoformat()


def found_in(text: str) -> list[str]:
    lowered = text.lower()
    return [w for w in holder_words() if w.lower() in lowered]


def test_nothing_that_is_printed_or_logged_names_the_holder(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(TRAFFIC):
        result = run(genuine().fresh())
    assert [r for r in caplog.records if r.levelno == TRAFFIC], "the traffic was not logged at all"
    texts = [repr(result), str(result.holder), repr(copy.deepcopy(result)), *(r.getMessage() for r in caplog.records)]
    texts += [repr(vars(r)) for r in caplog.records]
    assert not found_in("\n".join(texts))


def test_the_holder_is_there_for_those_who_ask() -> None:
    result = accepted()
    assert result.holder is not None
    holder = result.holder.reveal()
    assert holder.number == genuine().holder.number
    assert holder.details is not None
    assert holder.details.full_name == genuine().holder.full_name
    assert result.portrait is not None
    assert result.portrait.reveal()[:2] == b"\xff\xd8"
    assert result.portrait_format == "image/jpeg"


def test_a_key_file_that_was_to_be_skipped_is_hashed_before_its_proof_counts() -> None:
    options = idverify.ReadOptions(skip=frozenset({FileId.DG14, FileId.DG15}))
    result = run(genuine().fresh(), options=options)
    assert result.decision.outcome is Outcome.ACCEPT
    assert result.report.status(CheckId.ACTIVE_AUTHENTICATION) is CheckStatus.SUCCESSFUL
    forged = run(emulator.flip_byte(genuine(), FileId.DG15), options=options)
    assert forged.decision.outcome is Outcome.REJECT


def test_the_live_picture_is_worked_on_while_the_chip_is_being_read() -> None:
    """Its template is asked for before the last command goes to the card."""
    events: list[str] = []

    class Watched(MemoryTransport):
        def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
            events.append("apdu")
            return super().transmit(apdu, timeout=timeout)

    class Matcher:
        model = matcher().model
        calibration = matcher().calibration
        threshold = staticmethod(matcher().threshold)
        compare = staticmethod(matcher().compare)

        def analyse(self, image: object, *, kind: object) -> object:
            events.append(str(kind))
            return matcher().analyse(image, kind=kind)  # type: ignore[arg-type]

    result = verify(
        Watched(genuine().fresh()),
        AccessPassword.can(str(genuine().can)),
        trust=trust(),
        live=LIVE,
        at=AT,
        matcher=Matcher(),  # type: ignore[arg-type]
    )
    assert result.decision.outcome is Outcome.ACCEPT
    assert events.index("CaptureKind.LIVE") < len(events) - 1 - events[::-1].index("apdu")


ASKING = Policy.from_mapping(
    {"id": "asking", "extends": "counter", "checks": {"privacy.consent": {"missing": "review"}}}
)


class NoMatcher:
    """Whoever computes a template with this has computed one."""

    calibration = None

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} was used without a consent")


def test_without_a_consent_no_biometrics_are_computed_and_none_kept() -> None:
    result = run(
        genuine().fresh(), live=Path("there-is-no-such-picture.jpg"), policy=ASKING, matcher=NoMatcher(),
        finger=b"no print", finger_matcher=NoMatcher(),
    )  # fmt: skip
    assert result.decision.outcome is Outcome.REVIEW
    for check in (CheckId.CONSENT, CheckId.FACE_MATCH, CheckId.FINGER_MATCH):
        (only,) = result.report.results(check)
        assert (only.status, only.reason) == (CheckStatus.NOT_PERFORMED, Reason.CONSENT_MISSING)
    assert result.scores == ()
    assert result.live is None
    assert result.report.status(CheckId.SOD_SIGNATURE) is CheckStatus.SUCCESSFUL
    jsonschema.validate(result.to_dict(), SCHEMA)


def test_a_bank_computes_nothing_without_a_consent() -> None:
    result = run(genuine().fresh(), policy="bank-2345", matcher=NoMatcher(), pad=NoMatcher())
    assert result.decision.outcome is Outcome.INCONCLUSIVE
    for check in (CheckId.CONSENT, CheckId.FACE_MATCH, CheckId.FACE_PAD):
        (only,) = result.report.results(check)
        assert (only.status, only.reason) == (CheckStatus.NOT_PERFORMED, Reason.CONSENT_MISSING)


def test_with_a_consent_the_same_person_is_accepted_and_the_log_says_for_what(tmp_path: Path) -> None:
    consent = Consent(reference="form 2026-0031", purpose="account opening")
    result = run(genuine().fresh(), policy=ASKING, consent=consent)
    assert result.decision.outcome is Outcome.ACCEPT
    assert "0031" not in json.dumps(result.to_dict())
    entry = AuditLog(tmp_path / "log").record(result.decision, result.report)
    assert entry.data is not None
    assert entry.data["consent"] == {"purpose": "account opening", "reference-sha256": consent.fingerprint}


def test_the_age_of_the_trust_list_is_evidence_and_a_policy_can_ask_for_it() -> None:
    builder = TrustStoreBuilder()
    for der in genuine().trust_anchors:
        builder.add(
            Certificate.parse(der), EntryKind.CSCA,
            Provenance("list.ml", "master-list", Anchor.ROOT, dated="2026-01-01T00:00:00+00:00"),
        )  # fmt: skip
    store, fresh = builder.build(), Policy.from_mapping({"id": "f", "extends": "counter", "trust_list_days": 90})
    assert run(genuine().fresh(), trust=store).report.status(CheckId.TRUST_AGE) is CheckStatus.SUCCESSFUL
    old = run(genuine().fresh(), trust=store, policy=fresh)
    assert old.decision.reasons == ("trust.age: list-too-old",)
    assert run(genuine().fresh(), policy=fresh).decision.reasons == ("trust.age: list-age-unknown",)
    (age,) = verify_files(genuine().files, trust=store, at=AT).report.results(CheckId.TRUST_AGE)
    assert age.evidence["days"] == "151"
