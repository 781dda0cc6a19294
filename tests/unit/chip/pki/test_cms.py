"""CMS SignedData: the shared files, the deviations of the field, and what must never verify."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from asn1crypto import cms as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import shared

from idverify.chip.lds.sod import EfSod
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.cms import Deviation, SignedData
from idverify.emulator.certificates import Scheme
from idverify.emulator.pki import TestPki
from idverify.emulator.signed_data import CmsQuirks
from idverify.errors import IdVerifyError, MalformedDataError
from idverify.oids import Bsi, Icao
from idverify.report import CheckStatus, Reason

LDS = str(Icao.LDS_SECURITY_OBJECT)
CONTENT = b"the content that is signed"
EC = TestPki("cms", csca_key="secp256r1", dsc_key="secp256r1")
RSA = TestPki("cms", csca_key="rsa-2048", dsc_key="rsa-2048")


def label(value: object) -> str:
    """A name for a case that is the same in every process."""
    return {EC: "ec", RSA: "rsa"}[value] if isinstance(value, TestPki) else str(value)


def verify(encoded: bytes, **options: object) -> tuple[SignedData, CheckStatus, Reason]:
    signed = SignedData.parse(encoded, **options)  # type: ignore[arg-type]
    verdict = signed.verify({LDS})
    return signed, verdict.status, verdict.reason


@pytest.mark.parametrize("entry", ["genuine", "altered"])
def test_every_shared_security_object_comes_out_as_its_index_says(entry: str) -> None:
    seen = 0
    for item in json.loads(shared("vectors/sod/index.json").read_text()):
        if ("altered" in item) is not (entry == "altered"):
            continue
        seen += 1
        expected = item["cms_valid"] if entry == "altered" else item["signature_ok"]
        try:
            shell = EfSod.parse(shared("vectors/" + item["file"]).read_bytes())
            signed, status, reason = verify(shell.cms)
        except MalformedDataError:
            assert not expected, item["file"]
            continue
        assert (status is CheckStatus.SUCCESSFUL) is expected, item["file"]
        if entry == "genuine":
            assert not signed.deviations
            assert f"{signed.verify({LDS}).signer.serial_number:#x}" == item["document_signer"]["serial"]  # type: ignore[union-attr]
        elif expected:  # what a strict reader refuses all the same is told
            assert Deviation.VERSION in signed.deviations or shell.trailing
        elif item.get("message_digest_ok") is False:
            assert reason is Reason.DIGEST_MISMATCH
        elif "signature_last_byte" in item["file"]:
            assert reason is Reason.SIGNATURE_INVALID
    assert seen == (13 if entry == "altered" else 5)


def test_every_shared_card_security_verifies() -> None:
    for item in json.loads(shared("vectors/cardsecurity/index.json").read_text()):
        signed = SignedData.parse(shared("vectors/" + item["file"]).read_bytes())
        verdict = signed.verify({Bsi.SECURITY_OBJECT})
        assert verdict.ok
        assert signed.content_type == item["econtent_type"]


@pytest.mark.parametrize(
    ("pki", "scheme"),
    [
        (EC, Scheme("ecdsa", "sha1")),
        (EC, Scheme("ecdsa", "sha256", null_parameters=True)),
        (EC, Scheme("ecdsa", "sha512")),
        (RSA, Scheme("rsa-pkcs1", "sha1")),
        (RSA, Scheme("rsa-pkcs1", "sha224")),
        (RSA, Scheme("rsa-pkcs1", "sha512")),
        (RSA, Scheme("rsa-pss", "sha256")),
        (RSA, Scheme("rsa-pss", "sha384", salt_bytes=20)),
        (RSA, Scheme("rsa-pss", "sha512", mgf_hash="sha1")),
    ],
    ids=label,
)
def test_algorithms(pki: TestPki, scheme: Scheme) -> None:
    encoded = pki.sign(LDS, CONTENT, scheme=scheme)
    signed = SignedData.parse(encoded)
    verdict = signed.verify({LDS})
    assert verdict.ok
    assert verdict.weak is (scheme.hash_name == "sha1")
    assert scheme.hash_name in str(verdict.algorithm)
    assert signed.content == CONTENT
    assert verdict.signer == Certificate.parse(pki.dsc.der)


@pytest.mark.parametrize(
    ("pki", "quirks", "deviations"),
    [
        (EC, CmsQuirks(indefinite_length=True), set()),
        (EC, CmsQuirks(attributes_order="reversed"), set()),
        (EC, CmsQuirks(issuer_strings="printable"), set()),
        (EC, CmsQuirks(signer_by_key_id=True), set()),
        (EC, CmsQuirks(digest_null=True), set()),
        (EC, CmsQuirks(signing_time=datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)), set()),
        (EC, CmsQuirks(signed_attributes=False), {Deviation.NO_SIGNED_ATTRIBUTES}),
        (EC, CmsQuirks(version=1), {Deviation.VERSION}),
        (RSA, CmsQuirks(plain_rsa=True), set()),
        (RSA, CmsQuirks(leading_zero=True, strip_leading_zero=True), set()),
    ],
    ids=label,
)
def test_odd_but_honest_structures_verify(pki: TestPki, quirks: CmsQuirks, deviations: set[Deviation]) -> None:
    encoded = pki.sign(LDS, CONTENT, quirks=quirks)
    signed, status, reason = verify(encoded)
    assert (status, reason) == (CheckStatus.SUCCESSFUL, Reason.OK)
    verdict = signed.verify({LDS})
    assert set(verdict.deviations) == deviations
    assert verdict.signing_time == quirks.signing_time or quirks.leading_zero


def test_what_the_attributes_do_not_vouch_for_fails() -> None:
    disagree = EC.sign(LDS, CONTENT, quirks=CmsQuirks(attribute_content_type="1.2.840.113549.1.7.1"))
    assert verify(disagree)[1:] == (CheckStatus.FAILED, Reason.DIGEST_MISMATCH)
    data = EC.sign(LDS, CONTENT, quirks=CmsQuirks(content_type="1.2.840.113549.1.7.1"))
    assert verify(data)[1:] == (CheckStatus.FAILED, Reason.CONTENT_TYPE)
    encoded = EC.sign(LDS, CONTENT)
    changed = encoded.replace(CONTENT, CONTENT[:-1] + b"D")
    assert verify(changed)[1:] == (CheckStatus.FAILED, Reason.DIGEST_MISMATCH)


def test_attributes_that_are_missing_or_given_twice_fail() -> None:
    """RFC 5652 §11.1, §11.2: exactly one content type and one message digest."""
    outer = reference.ContentInfo.load(EC.sign(LDS, CONTENT))
    key, scheme = EC.dsc.key, Scheme("ecdsa")
    info = outer["content"]["signer_infos"][0]
    original = [a.dump() for a in info["signed_attrs"]]
    for attributes in (original[:1], original[1:], [original[0], *original], [*original, original[1]], []):
        info["signed_attrs"] = reference.CMSAttributes([reference.CMSAttribute.load(a) for a in attributes])
        message = b"\x31" + info["signed_attrs"].dump(force=True)[1:]
        info["signature"] = scheme.sign(key, message)
        encoded = outer.dump(force=True)
        if attributes:
            assert verify(encoded)[1] is CheckStatus.FAILED
        else:
            assert verify(encoded)[1] is not CheckStatus.SUCCESSFUL


def test_the_signer_s_certificate_may_come_from_elsewhere() -> None:
    encoded = EC.sign(LDS, CONTENT, quirks=CmsQuirks(certificates=False))
    signed = SignedData.parse(encoded)
    assert signed.verify({LDS}).reason is Reason.SIGNER_NOT_FOUND
    verdict = signed.verify({LDS}, extra=[Certificate.parse(RSA.dsc.der), Certificate.parse(EC.dsc.der)])
    assert verdict.ok
    assert Deviation.CERTIFICATE_NOT_INCLUDED in verdict.deviations


def test_a_certificate_of_the_same_name_and_number_with_another_key_does_not_verify() -> None:
    impostor = EC.impostor()
    twin = impostor.issue_dsc(serial=EC.dsc.serial)
    encoded = EC.sign(LDS, CONTENT, quirks=CmsQuirks(certificates=False))
    verdict = SignedData.parse(encoded).verify({LDS}, extra=[Certificate.parse(twin.der)])
    assert (verdict.status, verdict.reason) == (CheckStatus.FAILED, Reason.SIGNATURE_INVALID)


def test_few_signatures_are_checked_however_many_signers_and_certificates_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eight signers under each of 64 certificates of one name and number would take seconds on a slow curve."""
    checked: list[object] = []
    from idverify.crypto import signature as sig

    real = sig.verify
    monkeypatch.setattr(sig, "verify", lambda *arguments: checked.append(arguments) or real(*arguments))
    genuine = reference.ContentInfo.load(EC.sign(LDS, CONTENT))
    content = genuine["content"]
    certificate, signer = content["certificates"][0].dump(), content["signer_infos"][0].dump()

    def altered(raw: bytes, number: int) -> bytes:
        return raw[:-2] + bytes([raw[-2] ^ 0x55, number])

    content["certificates"] = [reference.CertificateChoices.load(altered(certificate, n)) for n in range(64)]
    content["signer_infos"] = [reference.SignerInfo.load(altered(signer, n)) for n in range(8)]
    signed = SignedData.parse(genuine.dump(force=True))
    assert (len(signed.certificates), len(signed.signers)) == (64, 8)
    assert not signed.verify({LDS}).ok
    assert 8 <= len(checked) <= 64


def test_bytes_behind_the_structure_are_refused_or_told() -> None:
    encoded = EC.sign(LDS, CONTENT) + b"\0"
    with pytest.raises(MalformedDataError):
        SignedData.parse(encoded)
    assert SignedData.parse(encoded, allow_trailing=True).deviations == (Deviation.TRAILING_BYTES,)


def test_other_structures_are_refused() -> None:
    for bad in (b"", b"\x30\x00", b"\x30\x80\x00\x00", EC.dsc.der, CONTENT, EC.crl()):
        with pytest.raises(MalformedDataError):
            SignedData.parse(bad)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_no_mutation_verifies_other_content_or_leaks_an_exception(data: st.DataObject) -> None:
    encoded = bytearray(RSA.sign(LDS, CONTENT))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        signed = SignedData.parse(bytes(encoded))
        ok = signed.verify({LDS}).ok
    except IdVerifyError:
        return
    assert not ok or signed.content == CONTENT
