"""The codes are documented, and none that was ever published is renamed or gone."""

from __future__ import annotations

import pytest

from idverify.chip.pki.cms import Deviation
from idverify.chip.pki.deviations import Defect
from idverify.chip.pki.importer import ProblemReason
from idverify.chip.pki.path import Note
from idverify.report import CheckId, CheckStatus, Reason
from tests.docs.codes import PAGE, page

PUBLISHED = {
    CheckStatus: "successful failed undetermined not-supported not-performed aborted",
    CheckId: (
        "access.pace access.bac pa.sod.signature pa.dsc.chain pa.dsc.validity pa.dsc.revocation "
        "pa.dsc.profile pa.dg.hash pa.com-sod pa.issuer-mrz pa.card-security chip.ca chip.aa terminal.ta "
        "document.validity document.contents cccd.consistency face.match face.pad face.quality finger.match "
        "finger.quality online.ds trust.age privacy.consent pa.card-access "
    ),
    Reason: (
        "ok fallback-from-pace not-offered wrong-password sod-missing sod-malformed signature-invalid "
        "digest-mismatch content-type signer-not-found algorithm-unsupported csca-not-found chain-invalid "
        "certificate-malformed key-usage critical-extension document-type not-yet-valid expired "
        "private-key-usage revoked no-crl crl-stale crl-invalid hash-mismatch hash-not-in-sod known-deviation "
        "not-read access-refused file-absent file-malformed com-missing com-sod-differ country-mismatch "
        "country-unknown profile-deviation card-access-differs key-not-vouched key-missing chip-proof-invalid "
        "chip-refused terminal-issuer-unknown terminal-role terminal-certificate-refused "
        "terminal-proof-refused rights-insufficient date-unreadable fields-differ fields-missing check-digit "
        "above-threshold below-threshold no-portrait no-face several-faces poor-quality not-calibrated "
        "sample-missing reference-locked few-tries-left image-unreadable list-too-old list-age-unknown "
        "consent-missing consent-purpose not-requested not-implemented read-error service-unreachable "
        "service-rejected cancelled card-access-unsigned answer-malformed "
    ),
    Deviation: (
        "cms-version trailing-bytes no-signed-attributes attributes-not-der certificate-unreadable "
        "certificate-not-included several-signers signer-version digest-not-listed lds-version-info "
    ),
    Note: (
        "issuer-name-differs key-identifier-differs no-basic-constraints not-marked-as-ca no-key-usage "
        "no-extended-key-usage country-differs path-length link-certificate pinned-signer "
    ),
    Defect: (
        "ds-signature ds-encoding csca-encoding active-authentication-key-compromised "
        "chip-authentication-key-compromised certificate-or-key data-group-malformed data-group-hash-wrong "
        "sod-signature-wrong sod-invalid com-inconsistent lds mrz-wrong-data mrz-wrong-check-digit mrz chip "
        "national-use signer-revoked signer-replaced eid-data-group-malformed eid-integrity "
        "card-security-malformed chip-security-malformed power-down-required unknown "
    ),
    ProblemReason: (
        "malformed algorithm-unsupported not-a-ca issuer-not-in-store signature-invalid "
        "list-signature-invalid list-signer-not-trusted list-not-verified unknown-format unreadable too-large "
    ),
}
"""Words may be added at the ends of these lists; taking one away or changing it breaks somebody's program."""


def test_the_page_is_what_the_library_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.docs.codes"


@pytest.mark.parametrize("kind", list(PUBLISHED), ids=lambda kind: kind.__name__)
def test_published_words_stay(kind: type[CheckId]) -> None:
    published = PUBLISHED[kind].split()
    assert len(published) == len(set(published))
    missing = set(published) - {word.value for word in kind}
    assert not missing, f"published, and gone: {missing}"
