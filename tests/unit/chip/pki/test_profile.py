"""The form of a document signer's certificate; every departure is played in the conformance suite, unit LDS_H."""

from __future__ import annotations

import pytest
from tests.unit.chip.pki.documents import AT, document

from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.passive_auth import PassiveAuthOptions, verify_document
from idverify.chip.pki.profile import departures
from idverify.chip.pki.trust_store import TrustStore
from idverify.emulator import Name, TestPki, Validity
from idverify.emulator.certificates import DIGITAL_SIGNATURE, KEY_CERT_SIGN
from idverify.report import CheckId, CheckStatus, Reason

PKI = TestPki("profile", csca_key="secp256r1", dsc_key="secp256r1")
CSCA = Certificate.parse(PKI.csca.der)
LATE = Validity(AT, AT.replace(year=2060))


def test_the_emulator_s_certificates_are_exact() -> None:
    assert departures(Certificate.parse(PKI.dsc.der), CSCA) == ()
    assert departures(Certificate.parse(PKI.issue_dsc(2, validity=LATE).der), CSCA) == ()  # GeneralizedTime from 2050


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"serial": -5}, "serial number"),
        ({"serial": 0}, "serial number"),
        ({"serial": 1 << 160}, "serial number"),
        ({"subject": Name("vn", "O", "OU", "DS")}, "the subject names no country"),
        ({"subject": Name("VN", "O", "OU")}, "the subject has no common name"),
        ({"key_usage": (DIGITAL_SIGNATURE, KEY_CERT_SIGN)}, "not digitalSignature alone"),
        ({"key_usage": ()}, "key usage is missing"),
        ({"authority_key_id": None}, "authority key identifier is missing"),
    ],
)
def test_departures(changes: dict[str, object], words: str) -> None:
    signer = Certificate.parse(PKI.issue_dsc(3, **changes).der)  # type: ignore[arg-type]
    (found,) = departures(signer, CSCA)
    assert words in found


def test_the_issuer_s_name_is_compared_where_the_issuer_is_known() -> None:
    signer, other = Certificate.parse(PKI.dsc.der), Certificate.parse(PKI.issue_csca(name=Name("VN", "O", "", "X")).der)
    assert departures(signer) == ()
    assert departures(signer, other) == ("the issuer is not the subject of the authority's certificate",)


def test_the_check_is_made_only_where_it_is_asked_for() -> None:
    files, trust = document(PKI, signer=PKI.issue_dsc(4, key_usage=())), TrustStore.from_certificates([PKI.csca.der])
    assert verify_document(files, trust=trust, at=AT).results(CheckId.DSC_PROFILE) == ()
    options = PassiveAuthOptions(profile=True)
    (result,) = verify_document(files, trust=trust, at=AT, options=options).results(CheckId.DSC_PROFILE)
    assert (result.status, result.reason) == (CheckStatus.FAILED, Reason.PROFILE_DEVIATION)
    nobody = verify_document({}, trust=trust, at=AT, options=options).results(CheckId.DSC_PROFILE)
    assert [r.status for r in nobody] == [CheckStatus.NOT_PERFORMED]
