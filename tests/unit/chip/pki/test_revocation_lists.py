"""Which lists may clear a document signer, and which may not hide that it was revoked."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.unit.chip.pki.documents import AT

from idverify.chip.pki import revocation
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.crl import RevocationList
from idverify.chip.pki.trust_store import EntryKind, TrustStoreBuilder
from idverify.emulator import certificates
from idverify.emulator.certificates import IssuedCertificate, Name
from idverify.emulator.pki import TestPki
from idverify.report import CheckStatus

PKI = TestPki()
RENAMED = PKI.issue_csca(3, name=Name("VN", "Another Ministry", "Country Signing", "CSCA 3"))
LINK = PKI.issue_link(PKI.csca, RENAMED)
STRANGER = PKI.issue_csca(4, name=Name("VN", "A Third Office", "Country Signing", "CSCA 4"))
LATER = datetime(2026, 3, 1, tzinfo=UTC)


def judge(
    anchors: tuple[IssuedCertificate, ...], crls: tuple[bytes, ...], helpers: tuple[IssuedCertificate, ...] = ()
) -> CheckStatus:
    builder = TrustStoreBuilder()
    for kind, issued in ((EntryKind.CSCA, anchors), (EntryKind.INTERMEDIATE, helpers)):
        for item in issued:
            builder.add(Certificate.parse(item.der), kind)
    for crl in crls:
        builder.add_revocation_list(RevocationList.parse(crl))
    path = [Certificate.parse(PKI.dsc.der), Certificate.parse(PKI.csca.der)]
    return revocation.check(path, builder.build(), AT).status


def test_a_partial_list_does_not_hide_what_the_whole_one_revokes(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = PKI.crl([PKI.dsc.serial])
    plain = certificates._extension
    monkeypatch.setattr(  # an extension that is not handled, as of a delta list (RFC 5280 §5.2.4), in place of another
        certificates,
        "_extension",
        lambda kind, value: plain("2.5.29.27" if kind == "2.5.29.20" else kind, value, critical=kind == "2.5.29.20"),
    )
    partial = PKI.crl([1], this_update=LATER, number=2)
    assert RevocationList.parse(partial).unknown_critical == {"2.5.29.27"}
    assert judge((PKI.csca,), (whole, partial)) is CheckStatus.FAILED
    assert judge((PKI.csca,), (PKI.crl([1]), partial)) is CheckStatus.UNDETERMINED


def test_a_list_under_the_old_name_does_not_hide_one_under_the_later_name() -> None:
    revoking = PKI.crl([PKI.dsc.serial], issuer=RENAMED, this_update=LATER)
    assert judge((PKI.csca, RENAMED, LINK), (PKI.crl([1]), revoking)) is CheckStatus.FAILED


def test_a_link_that_no_anchor_signed_brings_no_lists() -> None:
    forged = PKI.issue_link(PKI.issue_csca(9), STRANGER)  # names the CSCA as its issuer, under a key of its own
    assert Certificate.parse(forged.der).issuer.matches(Certificate.parse(PKI.csca.der).subject)
    lists = (PKI.crl([1], issuer=STRANGER),)
    assert judge((PKI.csca, STRANGER), lists, (forged,)) is CheckStatus.NOT_PERFORMED
    genuine = PKI.issue_link(PKI.csca, STRANGER)
    assert judge((PKI.csca, STRANGER), lists, (genuine,)) is CheckStatus.SUCCESSFUL
