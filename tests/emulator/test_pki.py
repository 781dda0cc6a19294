"""The test authority against a second implementation: OpenSSL through pyca, and the openssl command."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import cms, x509
from cryptography import x509 as pyca
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from idverify.emulator.certificates import Scheme
from idverify.emulator.keys import EcKey, RsaKey, make_key, pkcs8
from idverify.emulator.pki import TestPki
from idverify.emulator.signed_data import CmsQuirks

CURVES = ("brainpoolP256r1", "secp256r1", "brainpoolP384r1", "secp521r1")


@pytest.mark.parametrize("kind", [*CURVES, "rsa-2048"])
@pytest.mark.parametrize("hash_name", ["sha256", "sha384", "sha512"])
def test_certificates_verify_in_openssl(kind: str, hash_name: str) -> None:
    pki = TestPki(1, csca_key=kind, dsc_key=kind, hash_name=hash_name, explicit_parameters=False)
    csca, dsc = (pyca.load_der_x509_certificate(c.der) for c in (pki.csca, pki.dsc))
    csca.verify_directly_issued_by(csca)
    dsc.verify_directly_issued_by(csca)
    usage = csca.extensions.get_extension_for_class(pyca.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.crl_sign
    assert not usage.value.digital_signature
    constraints = csca.extensions.get_extension_for_class(pyca.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    assert dsc.extensions.get_extension_for_class(pyca.KeyUsage).value.digital_signature
    ski = csca.extensions.get_extension_for_class(pyca.SubjectKeyIdentifier).value
    assert ski == pyca.SubjectKeyIdentifier.from_public_key(csca.public_key())
    assert dsc.extensions.get_extension_for_class(pyca.AuthorityKeyIdentifier).value.key_identifier == ski.digest


def test_explicit_parameters_are_the_default_and_pyca_refuses_them() -> None:
    certificate = pyca.load_der_x509_certificate(TestPki(1).csca.der)
    with pytest.raises((ValueError, UnsupportedAlgorithm), match="explicit"):
        certificate.public_key()
    key = x509.Certificate.load(TestPki(1).csca.der).public_key
    assert key["algorithm"]["parameters"].name == "specified"


def test_rsa_pss_verifies_in_openssl() -> None:
    pki = TestPki(1, csca_key="rsa-2048", dsc_key="rsa-2048", pss=True)
    csca = pyca.load_der_x509_certificate(pki.csca.der)
    csca.verify_directly_issued_by(csca)
    pyca.load_der_x509_certificate(pki.dsc.der).verify_directly_issued_by(csca)
    key = RsaKey.generate(2048, 1)
    public = _public(key)
    assert isinstance(public, rsa.RSAPublicKey)
    signature = key.sign_pss(b"message", "sha512", mgf_hash="sha256", salt_bytes=20)
    public.verify(signature, b"message", padding.PSS(padding.MGF1(hashes.SHA256()), 20), hashes.SHA512())


@pytest.mark.parametrize("curve", CURVES)
def test_ecdsa_verifies_in_openssl_and_is_repeatable(curve: str) -> None:
    key = make_key(curve, "x")
    assert isinstance(key, EcKey)
    signature = key.sign(b"message", "sha256")
    assert signature == key.sign(b"message", "sha256")
    public = _public(key)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature, b"message", ec.ECDSA(hashes.SHA256()))
    assert EcKey.from_pkcs8(pkcs8(key)) == key


def test_same_seed_same_bytes_other_seed_same_names() -> None:
    one, again, other = TestPki(5), TestPki(5), TestPki(6)
    assert (one.csca.der, one.dsc.der) == (again.csca.der, again.dsc.der)
    assert one.sod({1: b"a"}) == again.sod({1: b"a"})
    assert one.csca.der != other.csca.der
    assert one.csca.spec.subject == other.csca.spec.subject == one.impostor().csca.spec.subject
    assert one.impostor().csca.key_id != one.csca.key_id


def test_link_certificate_is_signed_by_the_old_key() -> None:
    pki = TestPki(2, explicit_parameters=False)
    new = pki.issue_csca(2)
    link = pyca.load_der_x509_certificate(pki.issue_link(pki.csca, new).der)
    link.verify_directly_issued_by(pyca.load_der_x509_certificate(pki.csca.der))
    assert link.issuer == link.subject  # equal names do not mean self-signed
    assert link.public_key() == pyca.load_der_x509_certificate(new.der).public_key()


def test_crl_verifies_in_openssl() -> None:
    pki = TestPki(3, explicit_parameters=False)
    crl = pyca.load_der_x509_crl(pki.crl([pki.dsc.serial, 7]))
    public = pyca.load_der_x509_certificate(pki.csca.der).public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(public)
    assert crl.get_revoked_certificate_by_serial_number(pki.dsc.serial) is not None
    assert crl.get_revoked_certificate_by_serial_number(8) is None
    assert len(pyca.load_der_x509_crl(pki.crl())) == 0


def test_flaws_are_written() -> None:
    pki = TestPki(
        1, country="vn", flaws={"true_byte": 1, "serial": -5}, csca_scheme=Scheme("ecdsa", null_parameters=True)
    )
    certificate = x509.Certificate.load(pki.csca.der)
    assert certificate.serial_number == -5
    assert certificate["signature_algorithm"].dump().endswith(b"\x05\x00")
    assert certificate.issuer.native["country_name"] == "vn"
    assert b"\x01\x01\x01" in pki.csca.der
    assert b"\x01\x01\xff" not in pki.csca.der


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not there")
@pytest.mark.parametrize(
    ("kind", "quirks", "pss"),
    [
        ("brainpoolP256r1", CmsQuirks(), False),
        ("brainpoolP256r1", CmsQuirks(indefinite_length=True), False),
        ("secp384r1", CmsQuirks(signer_by_key_id=True, digest_null=True), False),
        ("rsa-2048", CmsQuirks(plain_rsa=True), False),
        ("rsa-2048", CmsQuirks(leading_zero=True), False),
        ("rsa-2048", CmsQuirks(signed_attributes=False, content_type="1.2.840.113549.1.7.1"), False),
        ("brainpoolP256r1", CmsQuirks(signing_time=datetime(2024, 1, 1, tzinfo=UTC)), False),
        ("brainpoolP256r1", CmsQuirks(content_type="1.2.840.113549.1.7.1"), False),
        ("rsa-2048", CmsQuirks(), True),
        ("rsa-2048", CmsQuirks(leading_zero=True), True),
    ],
)
def test_signed_data_verifies_in_openssl(kind: str, quirks: CmsQuirks, pss: bool, tmp_path: Path) -> None:
    pki = TestPki(4, csca_key=kind, dsc_key=kind, explicit_parameters=False, pss=pss)
    sod = pki.sod({1: b"one", 2: b"two"}, quirks=quirks)
    assert sod[0] == 0x77
    body = sod[2 if sod[1] < 0x80 else 2 + (sod[1] & 0x7F) :]
    (tmp_path / "sod.der").write_bytes(body)
    (tmp_path / "ca.der").write_bytes(pki.csca.der)
    subprocess.run(["openssl", "x509", "-inform", "DER", "-in", "ca.der", "-out", "ca.pem"], cwd=tmp_path, check=True)
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-in", "sod.der", "-CAfile", "ca.pem", "-purpose", "any"]
    done = subprocess.run([*command, "-binary", "-out", "out.der"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.der").read_bytes()[0] == 0x30
    if quirks.leading_zero:
        info = cms.ContentInfo.load(body)["content"]["signer_infos"][0]
        assert info["signature"].native[0] == 0


def test_master_list_holds_the_certificates() -> None:
    pki = TestPki(1)
    others = [TestPki(s, country="UT").csca.der for s in range(3)]
    content = cms.ContentInfo.load(pki.master_list(others))["content"]
    assert content["encap_content_info"]["content_type"].dotted == "2.23.136.1.1.2"
    raw = content["encap_content_info"]["content"].native
    assert all(der in raw for der in others)


def test_wrong_scheme_for_the_key_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot sign"):
        Scheme("rsa-pkcs1").sign(make_key("secp256r1", 0), b"")
    with pytest.raises(ValueError, match="zero byte"):
        TestPki().sod({1: b""}, quirks=CmsQuirks(leading_zero=True))


def _public(key: EcKey | RsaKey) -> object:
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    return load_der_public_key(key.spki())
