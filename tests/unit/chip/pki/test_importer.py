"""Imports: the real master lists, LDIF, PEM, directories; bad entries that must not spoil the good ones."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509 as pyca
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import shared

from idverify.chip.pki import ldif
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.importer import Importer, ImportResult, ProblemReason, update
from idverify.chip.pki.master_list import MasterList
from idverify.chip.pki.path import Purpose, build_path
from idverify.chip.pki.trust_store import Anchor, EntryKind, TrustStore
from idverify.emulator.pki import TestPki
from idverify.errors import IdVerifyError, MalformedDataError, TrustStoreError

VN = TestPki("import", csca_key="secp256r1", dsc_key="secp256r1")
DE = TestPki("import of another", country="DE", csca_key="secp256r1", dsc_key="secp256r1")
LISTS = {"de": ("de_ml_2025_06_25.ml", "de_csca_2024.cer"), "nl": ("nl_ml_2025_12_20.ml", "nl_csca_7.cer")}


def certificate(path: Path) -> Certificate:
    return Certificate.parse(path.read_bytes())


def run(*data: tuple[str, bytes], **options: object) -> tuple[ImportResult, TrustStore]:
    importer = Importer(**options)  # type: ignore[arg-type]
    for name, content in data:
        importer.add_bytes(content, name)
    return importer.result(), importer.builder.build()


def reasons(result: ImportResult) -> list[ProblemReason]:
    return [p.reason for p in result.problems]


# ---- the real lists -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LISTS)
def test_real_lists_verify_to_their_roots_and_import_whole(name: str) -> None:
    path, root = (shared(f"vectors/masterlists/{n}") for n in LISTS[name])
    index = next(
        e
        for e in json.loads(shared("vectors/masterlists/index.json").read_text())
        if e["file"] == f"masterlists/{path.name}"
    )
    parsed = MasterList.parse(path.read_bytes())
    assert parsed.verdict.ok
    assert parsed.version == index["list_version"]
    assert parsed.verdict.signer is not None
    roots = TrustStore.from_certificates([certificate(root)])
    chain = build_path(parsed.verdict.signer, roots, purpose=Purpose.MASTER_LIST)
    assert chain.ok
    assert build_path(parsed.verdict.signer, roots).reason.value == "key-usage"  # a list signer signs no documents

    importer = Importer(roots=[certificate(root)], at=datetime(2026, 1, 1, tzinfo=UTC))
    seen: list[tuple[int, int]] = []
    importer._progress = lambda _, done, total: seen.append((done, total))
    importer.add_path(path)
    result = importer.result()
    assert (result.parsed, result.usable, result.rejected) == (index["certificates"], index["certificates"], 0)
    expected = index["self_signed_certificates"] + index.get("link_certificates_whose_issuer_key_is_in_the_list", 0)
    assert result.verified == expected
    assert result.countries == index["distinct_country_codes"]
    assert len(result.problems) == index["certificates"] - expected
    assert set(reasons(result)) <= {ProblemReason.ISSUER_NOT_IN_STORE}
    assert not result.refused
    assert (index["certificates"], index["certificates"]) in seen
    assert {e.provenance.anchor for e in importer.builder.build().entries()} == {Anchor.ROOT}
    assert set(result.to_dict()) >= {"parsed", "usable", "verified", "rejected", "countries", "problems"}


def test_the_other_list_gives_one_missing_issuer() -> None:
    importer = Importer()
    for path, _ in LISTS.values():
        importer.add_path(shared(f"vectors/masterlists/{path}"))
    result = importer.result()
    assert (result.parsed, result.usable, result.verified) == (954, 954, 943)
    assert len(importer.builder) == 599
    assert len(result.problems) == 11


@pytest.mark.filterwarnings("ignore")  # pyca warns of what countries do; here that is expected
def test_openssl_agrees_about_every_certificate_that_it_can_judge() -> None:
    path = shared(f"vectors/masterlists/{LISTS['de'][0]}")
    judged = compared = 0
    for der in MasterList.parse(path.read_bytes()).entries:
        mine = Certificate.parse(der)
        try:
            theirs = pyca.load_der_x509_certificate(der)
            theirs.public_key()
        except (ValueError, UnsupportedAlgorithm):
            continue
        judged += 1
        assert theirs.serial_number == mine.serial_number
        assert theirs.not_valid_after_utc == mine.not_after
        assert theirs.tbs_certificate_bytes == mine.tbs
        if not mine.names_itself:
            continue
        try:
            theirs.verify_directly_issued_by(theirs)
            verified = True
        except InvalidSignature:
            verified = False
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue  # it gives no opinion: names in different encodings, weak hashes
        compared += 1
        assert verified is mine.self_signed, mine.label
    assert judged > 400
    assert compared > 300


def test_a_list_under_a_foreign_root_is_refused_unless_asked_for() -> None:
    path, root = shared(f"vectors/masterlists/{LISTS['de'][0]}"), shared(f"vectors/masterlists/{LISTS['nl'][1]}")
    refused = Importer(roots=[certificate(root)])
    refused.add_path(path)
    result = refused.result()
    assert (result.parsed, result.rejected, result.refused) == (0, 559, True)
    assert reasons(result) == [ProblemReason.LIST_SIGNER_NOT_TRUSTED]
    with pytest.raises(TrustStoreError, match="list-signer-not-trusted"):
        TrustStore.load([path], roots=[certificate(root)])
    forced = Importer(roots=[certificate(root)], allow_unverified=True)
    forced.add_path(path)
    assert forced.result().usable == 559
    assert {e.provenance.anchor for e in forced.builder.build().entries()} == {Anchor.UNVERIFIED}


# ---- lists of the test authority ----------------------------------------------------------------------------------


def test_who_vouches_for_a_list() -> None:
    mine = VN.master_list([VN.csca.der, DE.csca.der])
    result, store = run(("l.ml", mine))
    assert {e.provenance.anchor for e in store.entries()} == {Anchor.LIST}
    assert result.self_vouched == ("l.ml",)
    third = TestPki("a third state", country="FR")
    both, store = run(("l.ml", VN.master_list([VN.csca.der, DE.csca.der])), ("m.ml", DE.master_list([third.csca.der])))
    assert both.self_vouched == ("l.ml",)  # the second hangs on what the first one brought, and nobody named that
    anchors = {e.country: e.provenance.anchor for e in store.entries()}
    assert anchors == {"VN": Anchor.LIST, "DE": Anchor.LIST, "FR": Anchor.STORE}
    assert (result.parsed, result.verified, result.added, result.lists) == (2, 2, 2, 1)

    without_itself = VN.master_list([DE.csca.der])
    result, store = run(("l.ml", without_itself))
    assert reasons(result) == [ProblemReason.LIST_SIGNER_NOT_TRUSTED]
    assert len(store) == 0
    result, store = run(("l.ml", without_itself), ("csca.cer", VN.csca.der))  # named beside it, in whatever order
    assert {e.provenance.anchor for e in store.entries()} == {Anchor.OPERATOR}
    assert len(store) == 2
    result, store = run(("l.ml", without_itself), base=TrustStore.from_certificates([VN.csca.der]))
    assert {e.provenance.anchor for e in store.entries()} == {Anchor.STORE, Anchor.OPERATOR}

    stranger = VN.impostor()
    result, store = run(("l.ml", stranger.master_list()), base=TrustStore.from_certificates([VN.csca.der]))
    assert reasons(result) == [ProblemReason.LIST_SIGNER_NOT_TRUSTED]
    assert len(store) == 1


def test_an_altered_list_is_refused_whole() -> None:
    raw = VN.master_list([VN.csca.der, DE.csca.der])
    place = raw.index(DE.csca.der) + len(DE.csca.der) - 1
    altered = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
    result, store = run(("l.ml", altered))
    assert reasons(result) == [ProblemReason.LIST_SIGNATURE_INVALID]
    assert (result.rejected, len(store)) == (2, 0)
    result, store = run(("l.ml", altered), allow_unverified=True)
    assert ProblemReason.LIST_NOT_VERIFIED in reasons(result)
    assert len(store) >= 1


def test_a_document_signer_cannot_sign_a_list() -> None:
    content = MasterList.parse(VN.master_list()).signed.content
    forged = VN.sign("2.23.136.1.1.2", content, signer=VN.issue_dsc(5, extended_key_usage=("1.3.6.1.5.5.7.3.1",)))
    result, store = run(("l.ml", forged))
    assert reasons(result) == [ProblemReason.LIST_SIGNER_NOT_TRUSTED]
    assert len(store) == 0


def test_bad_entries_are_reported_and_left_out() -> None:
    unreadable = b"\x30\x03\x02\x01\x00"
    odd_key = bytearray(DE.csca.der)
    spki = odd_key.index(bytes.fromhex("2a8648ce3d0201"))
    odd_key[spki + 6] = 0x09  # a kind of key that nobody knows
    result, store = run(("l.ml", VN.master_list([VN.csca.der, unreadable, bytes(odd_key)])))
    assert (result.parsed, result.usable, result.rejected) == (2, 1, 2)
    assert sorted(reasons(result)) == [ProblemReason.ALGORITHM_UNSUPPORTED, ProblemReason.MALFORMED]
    assert {e.data for e in store.entries()} == {VN.csca.der}


def test_a_certificate_whose_signature_is_wrong_is_named() -> None:
    broken = bytearray(DE.csca.der)
    broken[-1] ^= 1
    link = DE.issue_link(DE.issue_csca(2), DE.issue_csca(3))
    result, _ = run(("l.ml", VN.master_list([VN.csca.der, bytes(broken), link.der])))
    assert (result.usable, result.verified) == (3, 1)
    assert sorted(reasons(result)) == [ProblemReason.ISSUER_NOT_IN_STORE, ProblemReason.SIGNATURE_INVALID]


# ---- single files -------------------------------------------------------------------------------------------------


def pem(der: bytes, label: str = "CERTIFICATE") -> bytes:
    body = base64.encodebytes(der)
    return b"-----BEGIN " + label.encode() + b"-----\n" + body + b"-----END " + label.encode() + b"-----\n"


def test_single_files_are_told_by_their_content(tmp_path: Path) -> None:
    content = {
        "csca.pem": b"some text before\n" + pem(VN.csca.der) + pem(DE.csca.der),
        "list.bin": VN.master_list(),
        "crl.pem": pem(VN.crl([3]), "X509 CRL"),
        "dsc.der": VN.dsc.der,
        "readme.txt": b"nothing",
        ".hidden": DE.dsc.der,
    }
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    store = TrustStore.load([tmp_path])
    assert store.counts() == {EntryKind.CSCA: 2, EntryKind.DOCUMENT_SIGNER: 1, EntryKind.CRL: 1}
    named = TrustStore.load([tmp_path / "dsc.der"])  # a signer that was named by itself is trusted by itself
    assert named.counts() == {EntryKind.PINNED_SIGNER: 1}
    for bad in ("readme.txt", "absent.cer"):
        with pytest.raises(TrustStoreError):
            TrustStore.load([tmp_path / bad])
    assert TrustStore.load([tmp_path / "csca.pem", tmp_path / "crl.pem"]).counts()[EntryKind.CRL] == 1


def test_a_private_key_in_a_pem_file_is_not_touched() -> None:
    result, store = run(("key.pem", pem(b"secret", "PRIVATE KEY") + pem(VN.csca.der)))
    assert (result.parsed, len(store)) == (1, 1)


def test_a_store_can_be_added_to_another(tmp_path: Path) -> None:
    TrustStore.from_certificates([VN.csca.der]).save(tmp_path)
    assert len(TrustStore.load([tmp_path, _write(tmp_path / "de.cer", DE.csca.der)])) == 2


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_updates_add_and_keep(tmp_path: Path) -> None:
    target = tmp_path / "trust"
    first = update(target, [_write(tmp_path / "vn.cer", VN.csca.der)], at=datetime(2026, 1, 1, tzinfo=UTC))
    assert (first.added, len(TrustStore.open(target))) == (1, 1)
    second = update(target, [_write(tmp_path / "de.cer", DE.csca.der), tmp_path / "vn.cer"])
    assert (second.parsed, second.added, len(TrustStore.open(target))) == (2, 1, 2)
    again = update(target, [tmp_path / "de.cer"])
    assert again.added == 0
    noise = _write(tmp_path / "noise.cer", b"noise")
    with pytest.raises(TrustStoreError, match=r"noise\.cer: unknown-format"):
        update(tmp_path / "other", [noise])
    told = update(tmp_path / "other", [noise], report_refusal=True)
    assert (told.stored, told.refused, reasons(told)) == (False, True, [ProblemReason.UNKNOWN_FORMAT])
    assert not (tmp_path / "other").is_file()
    added = {e.provenance.added for e in TrustStore.open(target).entries()}
    assert added == {"2026-01-01T00:00:00+00:00", None}


# ---- LDIF ---------------------------------------------------------------------------------------------------------


def attribute(name: str, value: bytes) -> str:
    text = f"{name}:: {base64.b64encode(value).decode()}"
    return "\n ".join(text[i : i + 76] for i in range(0, len(text), 76))


def directory(*entries: str) -> bytes:
    records = (
        f"dn: cn={n},o=dsc,c=VN,dc=data,dc=download,dc=pkd\nobjectClass: top\n{e}\n" for n, e in enumerate(entries)
    )
    return ("version: 1\n# a comment\n that goes on\n\n" + "\n".join(records)).encode()


def test_a_public_key_directory_is_imported() -> None:
    raw = directory(
        attribute("userCertificate;binary", VN.dsc.der),
        attribute("certificateRevocationList;binary", VN.crl([9])),
        attribute("CscaMasterListData", VN.master_list([VN.csca.der, DE.csca.der])),
        attribute("cACertificate;binary", VN.issue_link(VN.csca, VN.issue_csca(2)).der),
        attribute("userCertificate;binary", b"\x30\x00"),
        "userCertificate;binary:: !!!!",
        "userCertificate;binary:< file:///etc/hostname",
    )
    result, store = run(("pkd.ldif", raw))
    assert store.counts() == {
        EntryKind.CSCA: 2,
        EntryKind.INTERMEDIATE: 1,  # a directory vouches for nothing
        EntryKind.DOCUMENT_SIGNER: 1,
        EntryKind.CRL: 1,
    }
    assert (result.parsed, result.usable, result.verified, result.rejected) == (4, 4, 4, 3)
    assert reasons(result) == [ProblemReason.MALFORMED] * 3
    assert all("line" in p.subject for p in result.problems)
    assert ldif.looks_like(raw)
    assert not ldif.looks_like(VN.csca.der)


def test_ldif_lines_are_unfolded_and_told_apart() -> None:
    entries = list(ldif.parse(b"dn: c=V\n N\nA:: aGk=\nb;binary: x\n\n\ndn:: Yz1ERQ==\r\nbroken\r\nc: y"))
    assert [(e.dn, e.values, e.damaged) for e in entries] == [
        ("c=VN", (("a", b"hi"), ("b", b"x")), ()),
        ("c=DE", (("c", b"y"),), ("line",)),
    ]
    assert [e.line for e in entries] == [1, 7]


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_noise_is_never_fatal(data: bytes) -> None:
    for name, content in (
        ("x", data),
        ("x.ldif", b"dn: c=VN\n" + data),
        ("x.pem", b"-----BEGIN CERTIFICATE-----\n" + data),
        ("x.cer", VN.csca.der[: len(data)] + data),
        ("x.ml", b"\x30\x82\x01\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + data),
    ):
        try:
            result, _ = run((name, content))
        except IdVerifyError as error:
            pytest.fail(f"{name}: {error}")
        assert result.usable == 0


def test_mutated_master_lists_are_refused_or_unchanged() -> None:
    raw = VN.master_list([VN.csca.der, DE.csca.der])
    genuine = {VN.csca.der, DE.csca.der}
    for position in range(0, len(raw), 9):
        altered = bytearray(raw)
        altered[position] ^= 0x10
        _, store = run(("l.ml", bytes(altered)))
        assert {e.data for e in store.entries()} in (set(), genuine), position


def test_a_list_with_bytes_behind_it_and_other_content_types() -> None:
    with pytest.raises(MalformedDataError):
        MasterList.parse(VN.sign("2.23.136.1.1.1", b"\x30\x00"))
    assert MasterList.parse(VN.master_list() + b"\0").verdict.ok
