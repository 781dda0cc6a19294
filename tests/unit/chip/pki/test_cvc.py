"""CV certificates: the shared chains, the test authority's, and chains that must not be."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import shared

from idverify.chip.pki.cvc import Chat, CvCertificate, CvChain, CvProblem, Role, build_chain, chain_for_chip
from idverify.emulator.cv_pki import TestCvPki
from idverify.errors import IdVerifyError, MalformedDataError

ROLES = {
    "cvca": Role.CVCA,
    "dv (official domestic)": Role.DV_DOMESTIC,
    "dv (foreign / non-official)": Role.DV_FOREIGN,
    "terminal": Role.TERMINAL,
}
PKI = TestCvPki("cvc")


def test_every_shared_certificate_comes_out_as_its_index_says() -> None:
    entries = [e for e in json.loads(shared("vectors/cvc/index.json").read_text()) if e["file"].endswith(".cvcert")]
    folders: dict[str, dict[str, CvCertificate]] = defaultdict(dict)
    parsed = {}
    for entry in entries:
        certificate = CvCertificate.parse(shared("vectors/" + entry["file"]).read_bytes())
        parsed[entry["file"]] = certificate
        folders[entry["file"].rsplit("/", 1)[0]][certificate.holder_reference] = certificate
        assert (certificate.authority_reference, certificate.holder_reference) == (entry["car"], entry["chr"])
        assert certificate.public_key.oid == entry["public_key_oid"]
        assert certificate.public_key.algorithm.hash == entry["hash"]
        assert certificate.chat.terminal_type == entry["chat_type"]
        assert certificate.chat.rights.hex() == entry["chat"]
        assert certificate.chat.role is ROLES[entry["role"]]
        assert certificate.effective.isoformat() == entry["effective"]
        assert certificate.expires.isoformat() == entry["expires"]
        assert (certificate.public_key.curve is not None) is entry["domain_parameters_included"]
    everywhere = {reference: c for folder in folders.values() for reference, c in folder.items()}
    for entry in entries:
        certificate = parsed[entry["file"]]
        near = {**everywhere, **folders[entry["file"].rsplit("/", 1)[0]]}  # two folders use the same references
        own = entry["verified_with"] == "own key"
        issuer = certificate if own else near[entry["car"]]
        root = issuer
        while root.public_key.curve is None and not root.self_issued:
            root = near[root.authority_reference]
        assert certificate.verify(issuer.public_key, root.public_key.curve) is entry["signature_ok"], entry["file"]
        altered = bytearray(certificate.raw)
        altered[-1] ^= 1
        assert not CvCertificate.parse(bytes(altered)).verify(issuer.public_key, root.public_key.curve)
    assert len(entries) == 15


@pytest.mark.parametrize("folder", ["npa_ecdh", "npa_dh", "npa_zz", "nl_test_orig"])
def test_shared_chains_lead_to_their_cvca(folder: str) -> None:
    last = "is" if folder.startswith("nl") else "terminal"
    root, dv, terminal = (
        CvCertificate.parse(shared(f"vectors/cvc/{folder}/{n}.cvcert").read_bytes()) for n in ("cvca", "dv", last)
    )
    day = max(terminal.effective, dv.effective)
    found = build_chain(terminal, [dv], [root], day)
    assert isinstance(found, CvChain)
    assert found.certificates == (dv, terminal)
    assert found.rights == terminal.chat.effective_rights(dv.chat.rights)
    assert build_chain(terminal, [dv], [root], date(2030, 1, 1)) is CvProblem.EXPIRED
    assert build_chain(terminal, [dv], [root], date(2001, 1, 1)) is CvProblem.NOT_YET_VALID
    assert build_chain(terminal, [], [root], day) is CvProblem.ISSUER_NOT_FOUND
    assert build_chain(terminal, [dv], [], day) is CvProblem.ISSUER_NOT_FOUND


def test_a_link_leads_from_the_old_cvca_to_the_new_one() -> None:
    old, link, dv, terminal = (
        CvCertificate.parse(shared(f"vectors/cvc/{n}.cvcert").read_bytes())
        for n in ("nl_test_orig/cvca", "nl_test_new/cvca", "nl_test_new/dv", "nl_test_new/is")
    )
    assert not link.self_issued
    found = build_chain(terminal, [dv, link], [old], terminal.effective)
    assert isinstance(found, CvChain)
    assert found.certificates == (link, dv, terminal)


@pytest.mark.parametrize("kind", ["brainpoolP256r1", "secp384r1", "rsa-2048"])
def test_the_test_authority_s_chain(kind: str) -> None:
    pki = TestCvPki("kinds", kind=kind)
    root, dv, terminal = (CvCertificate.parse(c.der) for c in (pki.cvca, pki.dv, pki.terminal))
    assert root.self_issued
    assert root.verify(root.public_key)
    found = build_chain(terminal, [dv], [root], terminal.effective)
    assert isinstance(found, CvChain)
    other = CvCertificate.parse(TestCvPki("others", kind=kind).cvca.der)
    assert build_chain(terminal, [dv], [other], terminal.effective) is CvProblem.SIGNATURE_INVALID
    assert build_chain(terminal, [terminal], [root], terminal.effective) is CvProblem.ISSUER_NOT_FOUND
    assert build_chain(dv, [], [root], dv.effective) != CvProblem.ROLE


def test_rights_are_cut_by_every_issuer() -> None:
    assert Chat("x", b"\x03").effective_rights(b"\xc1") == b"\x01"
    assert Chat("x", b"\xc3").effective_rights(b"\xff") == b"\x03"
    assert Chat("x", b"\x00\x00\x00\x01\x10").effective_rights(b"\x80\x1f\xff\xff\x10") == b"\x00\x00\x00\x01\x10"


def parsed(*names: str) -> list[CvCertificate]:
    return [CvCertificate.parse(shared(f"vectors/cvc/{n}.cvcert").read_bytes()) for n in names]


def test_a_chain_is_found_from_the_references_of_a_chip() -> None:
    old, link, old_dv, new_dv, terminal = parsed(
        "nl_test_orig/cvca", "nl_test_new/cvca", "nl_test_orig/dv", "nl_test_new/dv", "nl_test_new/is"
    )
    pool = [old_dv, new_dv, link, old]
    for references, expected in (
        (["NLCVCAA00002", "NLCVCAA00001"], (new_dv, terminal)),  # the chip knows the link already
        (["NLCVCAA00001"], (link, new_dv, terminal)),
    ):
        found = chain_for_chip(terminal, pool, references, terminal.effective)
        assert isinstance(found, CvChain)
        assert found.certificates == expected
        assert found.anchor == references[0 if len(references) == 2 else -1]
        assert found.key is not None
        assert found.rights == b"\x01"
    # the other document verifier has the same name and another key: its signature tells
    assert chain_for_chip(terminal, [old_dv, old], ["NLCVCAA00001"]) is CvProblem.SIGNATURE_INVALID
    assert chain_for_chip(terminal, pool, ["XXCVCA00001"]) is CvProblem.ISSUER_NOT_FOUND
    assert chain_for_chip(terminal, pool, ["NLCVCAA00001"], date(2010, 1, 1)) is CvProblem.EXPIRED
    assert isinstance(chain_for_chip(terminal, pool, ["NLCVCAA00001"]), CvChain)  # dates are left to the chip


def test_a_chain_without_the_cvca_s_certificate_is_for_the_chip_to_judge() -> None:
    dv, terminal = parsed("npa_ecdh/dv", "npa_ecdh/terminal")
    found = chain_for_chip(terminal, [dv], [dv.authority_reference])
    assert isinstance(found, CvChain)
    assert found.key is None  # the curve is the CVCA's
    rsa_dv, rsa_terminal = parsed("npa_dh/dv", "npa_dh/terminal")
    found = chain_for_chip(rsa_terminal, [rsa_dv], [rsa_dv.authority_reference])
    assert isinstance(found, CvChain)
    assert found.key is not None
    assert chain_for_chip(terminal, [], [terminal.authority_reference]) is CvProblem.ROLE


def test_descriptions_and_rights() -> None:
    lines = dict(CvCertificate.parse(PKI.terminal.der).describe())
    assert lines["holder reference (CHR)"] == "UTTESTIS00001"
    assert lines["role"] == "terminal"
    assert lines["rights"] == "03 DG3 DG4"
    assert lines["signs with"] == "ecdsa-plain sha256"
    authentication = parsed("npa_ecdh/terminal")[0]
    assert authentication.chat.reads == ()
    assert dict(authentication.describe())["terminal type"] == "authentication terminal"
    assert authentication.chat.encode().hex() == "7f4c12060904007f0007030102025305" + authentication.chat.rights.hex()
    hostile = CvCertificate.parse(PKI.terminal.der.replace(b"UTTESTIS00001", b"UTTEST\x1b[2J001"))
    assert "\x1b" not in "".join(v for _, v in hostile.describe())


def test_other_bytes_are_refused() -> None:
    raw = PKI.terminal.der
    for bad in (b"", raw[:-1], raw + b"\0", b"\x7f\x21\x00", bytes(9000)):
        with pytest.raises(MalformedDataError):
            CvCertificate.parse(bad)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_mutated_certificates_never_verify(data: st.DataObject) -> None:
    raw = bytearray(PKI.dv.der)
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= data.draw(st.integers(1, 255))
    root = CvCertificate.parse(PKI.cvca.der)
    try:
        assert not CvCertificate.parse(bytes(raw)).verify(root.public_key)
    except IdVerifyError:
        return
