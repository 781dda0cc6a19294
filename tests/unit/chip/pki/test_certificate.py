"""Certificates, names and country codes as they are really written."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import shared
from tests.unit.crypto import der

from idverify.chip.pki import countries
from idverify.chip.pki.certificate import BasicConstraints, Certificate
from idverify.chip.pki.crl import RevocationList
from idverify.chip.pki.names import Name
from idverify.emulator import certificates as made
from idverify.emulator.pki import TestPki
from idverify.errors import IdVerifyError, MalformedDataError, UnsupportedAlgorithmError

PKI = TestPki("certificates", csca_key="secp256r1", dsc_key="secp256r1", explicit_parameters=False)


def test_every_field_agrees_with_openssl_s() -> None:
    for issued in (PKI.csca, PKI.dsc, PKI.issue_link(PKI.csca, PKI.issue_csca(2))):
        mine, theirs = Certificate.parse(issued.der), pyca.load_der_x509_certificate(issued.der)
        assert mine.serial_number == theirs.serial_number
        assert (mine.not_before, mine.not_after) == (theirs.not_valid_before_utc, theirs.not_valid_after_utc)
        assert mine.tbs == theirs.tbs_certificate_bytes
        assert mine.signature == theirs.signature
        assert mine.subject.raw == theirs.subject.public_bytes()
        assert mine.issuer.raw == theirs.issuer.public_bytes()
        extensions = {e.oid.dotted_string: e for e in theirs.extensions}
        assert mine.critical_extensions == {oid for oid, e in extensions.items() if e.critical}
        assert mine.subject_key_id == extensions["2.5.29.14"].value.digest
        assert mine.authority_key_id is not None
        assert mine.authority_key_id.key_id == extensions["2.5.29.35"].value.key_identifier
        assert mine.public_key_bits_sha1 == pyca.SubjectKeyIdentifier.from_public_key(theirs.public_key()).digest
        assert mine.fingerprint.hex() == theirs.fingerprint(hashes.SHA256()).hex()
    csca, dsc = Certificate.parse(PKI.csca.der), Certificate.parse(PKI.dsc.der)
    assert csca.basic_constraints == BasicConstraints(True, 0)
    assert csca.key_usage == {"key_cert_sign", "crl_sign"}
    assert dsc.key_usage == {"digital_signature"}
    assert dsc.document_types == {"I", "ID", "P"}
    assert dsc.mrz_country == "VNM"
    assert csca.self_signed
    assert csca.names_itself
    assert not dsc.self_signed
    assert dsc.verify(csca.public_key)
    assert csca.valid_at(datetime(2026, 1, 1, tzinfo=UTC))
    assert {csca, Certificate.parse(PKI.csca.der)} == {csca}


def test_odd_certificates_are_read() -> None:
    odd = Certificate.parse(PKI.issue_csca(3, serial=-5, true_byte=1, ca=False, path_length=0).der)
    assert odd.serial_number == -5
    assert odd.basic_constraints == BasicConstraints(False, 0)
    assert "2.5.29.19" in odd.critical_extensions
    assert odd.self_signed
    bare = Certificate.parse(
        PKI.issue_dsc(3, key_usage=(), document_types=(), locality="", authority_key_id=None, subject_key_id=False).der
    )
    assert (bare.key_usage, bare.document_types, bare.mrz_country) == (None, None, None)
    assert (bare.authority_key_id, bare.subject_key_id, bare.basic_constraints) == (None, None, None)


def test_shared_certificates_and_their_relations() -> None:
    csca = Certificate.parse(shared("vectors/certificates/csca_germany_013.cer").read_bytes())
    assert csca.self_signed
    for path in sorted(shared("vectors/certificates").glob("dsc_*.cer")):
        signer = Certificate.parse(path.read_bytes())
        assert not signer.self_signed
    index = {Path(e["file"]).parent.name: e for e in json.loads(shared("vectors/sod/index.json").read_text())[:5]}
    bdr = Certificate.parse(shared("vectors/certificates/dsc_bdr_test_2008.cer").read_bytes())
    assert str(bdr.public_key) == "ec brainpoolP224r1 explicit"
    assert f"{bdr.serial_number:#x}" == index["jmrtd_bsi2008"]["document_signer"]["serial"]
    assert bdr.weak


def test_viet_nam_s_csca_is_usable() -> None:
    """Fifteen countries write explicit parameters, which other libraries refuse."""
    from idverify.chip.pki.master_list import MasterList

    entries = MasterList.parse(shared("vectors/masterlists/nl_ml_2025_12_20.ml").read_bytes()).entries
    found = [c for c in map(Certificate.parse, entries) if c.country == "VN"]
    assert [str(c.public_key) for c in found] == ["ec brainpoolP512r1 explicit"]
    assert found[0].self_signed


@given(st.data())
@settings(max_examples=250, deadline=None)
def test_mutated_certificates_give_errors_of_the_tree_only(data: st.DataObject) -> None:
    raw = bytearray(PKI.dsc.der)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        certificate = Certificate.parse(bytes(raw))
    except MalformedDataError:
        return
    for name in (
        "subject_key_id", "authority_key_id", "key_usage", "extended_key_usage", "basic_constraints",
        "private_key_usage", "document_types", "mrz_country", "self_signed", "weak", "label", "country",
    ):  # fmt: skip
        getattr(certificate, name)
    try:
        verified = certificate.verify(Certificate.parse(PKI.csca.der).public_key)
    except IdVerifyError:
        return
    assert not verified or certificate.tbs == Certificate.parse(PKI.dsc.der).tbs


def test_the_unsigned_algorithm_must_be_the_signed_one() -> None:
    rsa = TestPki("certificates", csca_key="rsa-2048", dsc_key="rsa-2048")
    for raw, parse in ((rsa.csca.der, Certificate.parse), (rsa.crl(), RevocationList.parse)):
        algorithm = bytes.fromhex("2a864886f70d01010b0500")
        assert raw.count(algorithm) == 2
        place = raw.rindex(algorithm)
        parse(raw)
        for changed in ("2a864886f70d01010b0501", "2a864886f70d0101050500"):
            with pytest.raises(MalformedDataError):
                parse(raw[:place] + bytes.fromhex(changed) + raw[place + 11 :])


# ---- names --------------------------------------------------------------------------------------------------------


def name(*attributes: tuple[str, int, bytes]) -> Name:
    sets = (der.element(0x31, der.sequence(der.oid(oid), der.element(tag, value))) for oid, tag, value in attributes)
    return Name.parse(der.sequence(*sets))


C, CN, O = "2.5.4.6", "2.5.4.3", "2.5.4.10"  # noqa: E741


def test_names_are_compared_as_people_mean_them() -> None:
    plain = name((C, 0x13, b"VN"), (CN, 0x13, b"CSCA Viet Nam"))
    assert plain.country == "VN"
    assert plain.text == "C=VN, CN=CSCA Viet Nam"
    for same in (
        name((C, 0x13, b"vn"), (CN, 0x0C, b"csca viet nam")),
        name((C, 0x0C, b"VN"), (CN, 0x1E, "CSCA Viet Nam".encode("utf-16-be"))),
        name((C, 0x13, b"VN"), (CN, 0x14, b"  CSCA  Viet Nam ")),
        name((C, 0x13, b"VN"), (CN, 0x1C, "CSCA Viet Nam".encode("utf-32-be"))),
    ):
        assert plain.matches(same)
    for other in (
        name((CN, 0x13, b"CSCA Viet Nam"), (C, 0x13, b"VN")),
        name((C, 0x13, b"VN"), (CN, 0x13, b"CSCA VietNam")),
        name((C, 0x13, b"VN"), (O, 0x13, b"CSCA Viet Nam")),
        name((C, 0x13, b"VN")),
        name((C, 0x13, b"VN"), (CN, 0x03, b"CSCA Viet Nam")),
    ):
        assert not plain.matches(other)
    assert name((CN, 0x13, b"x")).country is None
    assert "\n" not in name((CN, 0x0C, b"a\nb\x1b[31m")).text


def test_attributes_in_one_set_have_no_order() -> None:
    first = der.sequence(der.oid(C), der.element(0x13, b"VN"))
    second = der.sequence(der.oid(CN), der.element(0x13, b"x"))
    one, two = (Name.parse(der.sequence(der.element(0x31, a + b))) for a, b in ((first, second), (second, first)))
    assert one.matches(two)


def test_hostile_names_are_refused() -> None:
    for bad in (b"", b"\x31\x00", der.sequence(b"\x31"), der.sequence(der.element(0x31, der.sequence())), bytes(9000)):
        with pytest.raises(MalformedDataError):
            Name.parse(bad)


# ---- countries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("two", "three"),
    [("VN", "VNM"), ("vn", "VNM"), ("DE", "D<<"), ("DE", "D"), ("DEU", "D"), ("UN", "UNO"), ("EU", "EUE"),
     ("GB", "GBD"), ("KS", "RKS"), ("XK", "UNK"), ("HK", "CHN"), ("CN", "HKG"), ("ZW", "ZWE"),
     ("VNM", "VNM"), ("TW", "TWN")],
)  # fmt: skip
def test_one_state_in_two_codes(two: str, three: str) -> None:
    assert countries.same_state(two, three)


@pytest.mark.parametrize(
    ("two", "three"), [("VN", "D"), ("DE", "VNM"), ("", "VNM"), ("VN", ""), ("V", "VNM"), ("AT", "AUS")]
)
def test_two_states(two: str, three: str) -> None:
    assert not countries.same_state(two, three)


def test_every_country_of_the_real_lists_is_in_the_table() -> None:
    from idverify.chip.pki.master_list import MasterList

    codes: set[str] = set()
    for path in shared("vectors/masterlists").glob("*.ml"):
        codes |= {c.country or "" for c in map(Certificate.parse, MasterList.parse(path.read_bytes()).entries)}
    assert {c for c in codes if countries.alpha3(c) is None} == {"EU", "KS", "UN"}
    assert countries.alpha3("vn") == "VNM"


# ---- revocation lists ---------------------------------------------------------------------------------------------


def test_revocation_lists_agree_with_openssl() -> None:
    raw = PKI.crl([5, 2**70], number=17)
    mine, theirs = RevocationList.parse(raw), pyca.load_der_x509_crl(raw)
    assert set(mine.revoked) == {r.serial_number for r in theirs} == {5, 2**70}
    assert (mine.this_update, mine.next_update) == (theirs.last_update_utc, theirs.next_update_utc)
    assert mine.tbs == theirs.tbs_certlist_bytes
    assert mine.number == 17
    assert mine.authority_key_id == PKI.csca.key_id
    csca = Certificate.parse(PKI.csca.der)
    assert mine.issuer.matches(csca.subject)
    assert mine.verify(csca.public_key)
    assert not mine.verify(Certificate.parse(PKI.dsc.der).public_key)
    assert RevocationList.parse(PKI.crl(next_update=None)).next_update is None
    assert RevocationList.parse(PKI.crl()).revoked == {}


def revocation_list(extensions: bytes = b"", entry: bytes = b"") -> bytes:
    scheme, key = made.Scheme("ecdsa"), PKI.csca.key
    time = der.element(0x17, b"260101000000Z")
    body = der.sequence(
        der.element(2, b"\1"),
        scheme.algorithm(),
        Certificate.parse(PKI.csca.der).subject.raw,
        time,
        der.sequence(der.sequence(der.element(2, b"\5"), time, der.sequence(entry))) if entry else b"",
        der.element(0xA0, der.sequence(extensions)) if extensions else b"",
    )
    return der.sequence(body, scheme.algorithm(), der.element(3, b"\0" + scheme.sign(key, body)))


def test_reasons_and_critical_extensions_of_revocation_lists() -> None:
    reason = der.sequence(der.oid("2.5.29.21"), der.element(4, der.element(0x0A, b"\1")))
    assert RevocationList.parse(revocation_list(entry=reason)).revoked[5].reason == "key-compromise"
    strange = der.sequence(der.oid("2.5.29.28"), b"\x01\x01\xff", der.element(4, der.sequence()))
    assert RevocationList.parse(revocation_list(strange)).unknown_critical == {"2.5.29.28"}


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_mutated_revocation_lists_give_errors_of_the_tree_only(data: st.DataObject) -> None:
    raw = bytearray(PKI.crl([5]))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        crl = RevocationList.parse(bytes(raw))
        verified = crl.verify(Certificate.parse(PKI.csca.der).public_key)
    except (MalformedDataError, UnsupportedAlgorithmError):
        return
    assert not verified or crl.tbs == RevocationList.parse(PKI.crl([5])).tbs
