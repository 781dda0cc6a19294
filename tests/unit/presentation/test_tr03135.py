"""The XML export: valid against the published schema, faithful to the checks, silent about the holder."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from idverify.presentation.tr03135 import NAMESPACE, SCHEMA, combined, integrity, tr03135_xml
from idverify.report import CheckId, CheckResult, CheckStatus, Reason, VerificationReport
from tests import results

NS = {"t": NAMESPACE}
PROFILES = ("inspection", "statistics")


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    source = resources.files("idverify.presentation").joinpath(SCHEMA).read_bytes()
    return etree.XMLSchema(etree.fromstring(source))


def read(data: bytes, schema: etree.XMLSchema) -> etree._Element:
    root = etree.fromstring(data)
    schema.assertValid(root)
    return root


def report_of(*checks: CheckResult) -> VerificationReport:
    return VerificationReport(checks=checks, trust_store_id="store", verified_at=results.AT)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_genuine_card_is_valid_and_complete(schema: etree.XMLSchema, profile: str) -> None:
    result = results.result()
    root = read(tr03135_xml(result, profile=profile), schema)
    assert sorted(e.get("id") for e in root.iter("{*}*") if e.get("id")) == sorted(
        c.check.value for c in result.report.checks
    )
    assert root.find("t:Decision", NS).get("outcome") == result.decision.outcome.value
    groups = {e.tag.split("}")[1]: e.get("result") for e in root.find(".//t:ElectronicCheck", NS)}
    assert groups == {
        "ChipAccess": "successful",
        "ChipAuthenticity": "successful",
        "SecurityObjects": "successful",
        "IssuerCertificates": "undetermined",  # no revocation list
        "ChipContents": "successful",
        "IssuingState": "successful",
    }
    assert root.find("t:DocumentCheck", NS).get("result") == "undetermined"


def test_every_check_and_status_is_valid_alone(schema: etree.XMLSchema) -> None:
    for check, status in itertools.product(CheckId, CheckStatus):
        one = CheckResult(check=check, status=status, reason=Reason.READ_ERROR, subject="DG2")
        root = read(tr03135_xml(report_of(one)), schema)
        (element,) = root.xpath("//*[@id]")
        assert element.get("id") == check.value
        assert (element.get("result") or "not-performed").replace(" ", "-") == status.value
        assert root.find("t:OtherChecks", NS) is None  # every check has its place


def test_a_forged_group_fails_the_document(schema: etree.XMLSchema) -> None:
    bad = CheckResult(check=CheckId.DG_HASH, status=CheckStatus.FAILED, reason=Reason.HASH_MISMATCH, subject="DG2")
    root = read(tr03135_xml(report_of(*results.replaced(results.genuine_checks(), bad))), schema)
    assert root.xpath("//t:DataGroup[@subject='DG2']/@integrity", namespaces=NS) == ["not identical"]
    assert root.xpath("//t:DataGroup[@subject='DG3']/@integrity", namespaces=NS) == ["present"]
    assert root.find(".//t:ChipContents", NS).get("result") == "failed"
    assert root.find("t:DocumentCheck", NS).get("result") == "failed"


def test_a_portrait_that_was_not_read_is_not_covered_by_the_others() -> None:
    unread = CheckResult(check=CheckId.DG_HASH, status=CheckStatus.NOT_PERFORMED, reason=Reason.NOT_READ, subject="DG2")
    data = tr03135_xml(report_of(*results.replaced(results.genuine_checks(), unread)))
    assert etree.fromstring(data).find(".//t:ChipContents", NS).get("result") == "undetermined"


def test_statistics_single_nobody_out(schema: etree.XMLSchema) -> None:
    result = results.result()
    data = tr03135_xml(result, profile="statistics", transaction=uuid.UUID(int=7))
    root = read(data, schema)
    assert root.find("t:Time", NS).text == "2026-05-17T09:00:00Z"
    assert {e.get("name") for e in root.iter("{*}Evidence")} <= {"algorithm", "mapping"}
    for tag in ("TransactionID", "Score", "Reason", "Duration", "TrustStore"):
        assert not list(root.iter(f"{{*}}{tag}"))
    assert b"Test DSC" not in data
    full = tr03135_xml(result, transaction=uuid.UUID(int=7))
    assert b"Test DSC" in full
    assert read(full, schema).find("t:TransactionID", NS).text == str(uuid.UUID(int=7))


@pytest.mark.parametrize("profile", PROFILES)
def test_no_profile_holds_data_of_the_holder(profile: str) -> None:
    result = results.result()
    assert result.holder is not None
    holder = result.holder.reveal()
    text = tr03135_xml(result, profile=profile).decode()
    for word in (holder.number, *holder.name.split(", "), holder.birth.isoformat()):
        assert word not in text


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_makes_well_formed_xml(schema: etree.XMLSchema, subject: str, value: str) -> None:
    check = CheckResult(
        check=CheckId.DSC_CHAIN, status=CheckStatus.SUCCESSFUL, subject=subject, evidence={value: value}
    )
    report = replace(report_of(check), trust_store_id=value)
    read(tr03135_xml(report), schema)


@given(st.lists(st.sampled_from(CheckStatus)))
def test_combined_is_never_better_than_a_part(statuses: list[CheckStatus]) -> None:
    outcome = combined(statuses)
    if outcome is CheckStatus.SUCCESSFUL:
        assert set(statuses) <= {CheckStatus.SUCCESSFUL, CheckStatus.NOT_SUPPORTED}
    assert (outcome is CheckStatus.FAILED) == (CheckStatus.FAILED in statuses)


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (CheckStatus.SUCCESSFUL, Reason.OK, "identical"),
        (CheckStatus.FAILED, Reason.HASH_MISMATCH, "not identical"),
        (CheckStatus.FAILED, Reason.HASH_NOT_IN_SOD, "non conformance"),
        (CheckStatus.UNDETERMINED, Reason.ALGORITHM_UNSUPPORTED, "non conformance"),
        (CheckStatus.NOT_PERFORMED, Reason.ACCESS_REFUSED, "present"),
        (CheckStatus.NOT_PERFORMED, Reason.FILE_ABSENT, "not present"),
        (CheckStatus.ABORTED, Reason.CANCELLED, "aborted"),
    ],
)
def test_integrity_values(status: CheckStatus, reason: Reason, expected: str) -> None:
    assert integrity(CheckResult(check=CheckId.DG_HASH, status=status, reason=reason, subject="DG1")) == expected
