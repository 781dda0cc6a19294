"""Passive authentication: a table of documents with expected results, the shared documents, and mutations."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import shared
from tests.unit.chip.pki.documents import AT, document, groups

from idverify._tlv import encode
from idverify.chip.lds.files import FileId
from idverify.chip.pki import passive_auth
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.crl import RevocationList
from idverify.chip.pki.passive_auth import PassiveAuthOptions, verify_card_security, verify_document
from idverify.chip.pki.path import Note, build_path
from idverify.chip.pki.trust_store import EntryKind, TrustStore, TrustStoreBuilder
from idverify.emulator.certificates import (
    CRL_SIGN,
    DIGITAL_SIGNATURE,
    KEY_CERT_SIGN,
    IssuedCertificate,
    Name,
    Scheme,
    Validity,
)
from idverify.emulator.pki import TestPki
from idverify.emulator.signed_data import CmsQuirks, ef_sod, security_object
from idverify.oids import Icao
from idverify.report import CheckId, CheckStatus, Reason, VerificationReport

PKI = TestPki("passive", csca_key="secp256r1", dsc_key="secp256r1")
FOREIGN = PKI.impostor()
BRAINPOOL = TestPki("passive", explicit_parameters=False)
RSA = TestPki("passive", csca_key="rsa-2048", dsc_key="rsa-2048", country="DE")

SIG, CHAIN, VALID, REVOKED = (
    CheckId.SOD_SIGNATURE,
    CheckId.DSC_CHAIN,
    CheckId.DSC_VALIDITY,
    CheckId.DSC_REVOCATION,
)
HASH, COM, ISSUER = CheckId.DG_HASH, CheckId.COM_SOD, CheckId.ISSUER_MRZ
OK, FAILED, UNDETERMINED, NOT_PERFORMED, NOT_SUPPORTED = (
    CheckStatus.SUCCESSFUL,
    CheckStatus.FAILED,
    CheckStatus.UNDETERMINED,
    CheckStatus.NOT_PERFORMED,
    CheckStatus.NOT_SUPPORTED,
)
Result = tuple[CheckStatus, Reason]
GENUINE: dict[CheckId, Result] = {
    SIG: (OK, Reason.OK),
    CHAIN: (OK, Reason.OK),
    VALID: (OK, Reason.OK),
    REVOKED: (NOT_PERFORMED, Reason.NO_CRL),
    HASH: (OK, Reason.OK),
    COM: (OK, Reason.OK),
    ISSUER: (OK, Reason.OK),
}
EARLY = Validity(datetime(2010, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC))
JANUARY = datetime(2024, 1, 1, tzinfo=UTC)
LOCAL_USAGE = ("2.5.29.16", False, encode(0x30, encode(0x80, b"20240101000000")))
LATE = Validity(datetime(2030, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))


def store(
    *anchors: IssuedCertificate,
    helpers: tuple[IssuedCertificate, ...] = (),
    pinned: tuple[IssuedCertificate, ...] = (),
    signers: tuple[IssuedCertificate, ...] = (),
    crls: tuple[bytes, ...] = (),
) -> TrustStore:
    builder = TrustStoreBuilder()
    kinds = (
        (EntryKind.CSCA, anchors),
        (EntryKind.INTERMEDIATE, helpers),
        (EntryKind.PINNED_SIGNER, pinned),
        (EntryKind.DOCUMENT_SIGNER, signers),
    )
    for kind, issued in kinds:
        for item in issued:
            builder.add(Certificate.parse(item.der), kind)
    for crl in crls:
        builder.add_revocation_list(RevocationList.parse(crl))
    return builder.build()


def without(files: dict[FileId, bytes], *names: FileId) -> dict[FileId, bytes]:
    return {k: v for k, v in files.items() if k not in names}


def flip(files: dict[FileId, bytes], name: FileId, position: int = -1) -> dict[FileId, bytes]:
    changed = bytearray(files[name])
    changed[position] ^= 1
    return {**files, name: bytes(changed)}


@dataclass
class Case:
    """One line of the table: a document, a store, and what differs from a genuine document's results."""

    name: str
    files: Callable[[], dict[FileId, bytes]]
    trust: Callable[[], TrustStore] = field(default=lambda: store(PKI.csca))
    expected: dict[CheckId, Result] = field(default_factory=dict)
    options: PassiveAuthOptions = field(default_factory=PassiveAuthOptions)
    at: datetime = AT
    notes: set[Note] = field(default_factory=set)


def signed_by(signer: Callable[[], IssuedCertificate], **sod: object) -> Callable[[], dict[FileId, bytes]]:
    return lambda: document(PKI, signer=signer(), **sod)


def with_digest(name: str) -> dict[FileId, bytes]:
    """EF.SOD whose digestAlgorithm is not the hash of its signature algorithm (RFC 5652 §5.3 does not ask for it)."""
    content = security_object({f.number: d for f, d in groups().items() if f.number}, hash_name="sha256")
    return {**document(PKI), FileId.SOD: ef_sod(PKI.sign(str(Icao.LDS_SECURITY_OBJECT), content, digest_name=name))}


NEW = PKI.issue_csca(2)
RENAMED = PKI.issue_csca(3, name=Name("VN", "Another Ministry", "Country Signing", "CSCA 3"))
LINK_NEW = PKI.issue_link(PKI.csca, NEW)
LINK_OLD = PKI.issue_link(NEW, PKI.csca)
LINK_RENAMED = PKI.issue_link(PKI.csca, RENAMED)
LINK_NAMED = PKI.issue_link(PKI.csca, RENAMED, more_extensions=((str(Icao.NAME_CHANGE), False, b"\x05\x00"),))
SUB_CA = PKI.issue_dsc(
    50, subject=Name("VN", "Somebody", "CA", "Sub CA"), key_usage=(KEY_CERT_SIGN,), ca=True, document_types=()
)
UNDER_SUB_CA = PKI.issue_dsc(51, issuer=SUB_CA)
UNKNOWN = ("1.3.6.1.4.1.99999.1", True, b"\x05\x00")
ODD_CSCA = PKI.issue_csca(10, more_extensions=(UNKNOWN,))
CONSTRAINED = PKI.issue_csca(11, more_extensions=(("2.5.29.30", True, encode(0x30)),))
UNDER_NEW = PKI.issue_dsc(2, issuer=NEW)
UNDER_RENAMED = PKI.issue_dsc(3, issuer=RENAMED)
NOT_A_CA = PKI.issue_csca(4, ca=False, key_usage=(DIGITAL_SIGNATURE,))
ONLY_USAGE = PKI.issue_csca(5, ca=False)
ONLY_CONSTRAINTS = PKI.issue_csca(6, key_usage=())
NEITHER = PKI.issue_csca(7, ca=None, key_usage=())
NO_CRL_SIGN = PKI.issue_csca(8, key_usage=(KEY_CERT_SIGN,))
CHAIN_LOST = {CHAIN: (UNDETERMINED, Reason.CSCA_NOT_FOUND)}
HASH_LOST = {HASH: (FAILED, Reason.HASH_MISMATCH)}
FRESH = PKI.crl([1, 2])
STALE = PKI.crl([1], next_update=AT - timedelta(days=1))
OLD_LIST = PKI.crl([PKI.dsc.serial], this_update=datetime(2025, 1, 1, tzinfo=UTC), number=0)
REVOKING = PKI.crl([1, PKI.dsc.serial])

CASES = [
    # genuine documents, plain and odd
    Case("genuine", lambda: document(PKI)),
    Case("indefinite lengths", lambda: document(PKI, quirks=CmsQuirks(indefinite_length=True))),
    Case("signer by key identifier", lambda: document(PKI, quirks=CmsQuirks(signer_by_key_id=True))),
    Case("issuer with another string type", lambda: document(PKI, quirks=CmsQuirks(issuer_strings="printable"))),
    Case("attributes in another order", lambda: document(PKI, quirks=CmsQuirks(attributes_order="reversed"))),
    Case("version 1 security object", lambda: document(PKI, lds_version=("0108", "040000"))),
    Case("negative serial number", signed_by(lambda: PKI.issue_dsc(9, serial=-7))),
    Case("serial number zero", signed_by(lambda: PKI.issue_dsc(9, serial=0))),
    Case("BOOLEAN TRUE as 01", signed_by(lambda: PKI.issue_dsc(9, true_byte=1))),
    Case(
        "document signer without key usage",
        signed_by(lambda: PKI.issue_dsc(9, key_usage=())),
        notes={Note.NO_KEY_USAGE},
    ),
    Case(
        "document signer without identifiers",
        signed_by(lambda: PKI.issue_dsc(9, authority_key_id=None, subject_key_id=False)),
    ),
    Case("names in printable strings", signed_by(lambda: PKI.issue_dsc(9, strings="printable"))),
    Case("country in small letters", signed_by(lambda: PKI.issue_dsc(9, subject=Name("vn", "Ministry", "DS", "DS 9")))),
    Case("NULL after ecdsa", lambda: document(PKI, scheme=Scheme("ecdsa", "sha256", null_parameters=True))),
    Case("SHA-1 throughout", lambda: document(PKI, scheme=Scheme("ecdsa", "sha1"), hash_name="sha1")),
    Case("message digest of another hash than the signature's", lambda: with_digest("sha384")),
    Case("message digest of SHA-1 under a signature with SHA-256", lambda: with_digest("sha1")),
    Case("signer's certificate twice", lambda: document(PKI, quirks=CmsQuirks(more_certificates=(PKI.dsc.der,)))),
    Case(
        "certificates of a stranger with the signer's names beside it",
        lambda: document(PKI, quirks=CmsQuirks(more_certificates=(FOREIGN.dsc.der, FOREIGN.csca.der))),
    ),
    Case("Germany's one letter", lambda: document(RSA, groups("D")), lambda: store(RSA.csca)),
    Case(
        "RSA with PSS", lambda: document(RSA, groups("D"), scheme=Scheme("rsa-pss", "sha256")), lambda: store(RSA.csca)
    ),
    Case(
        "plain rsaEncryption",
        lambda: document(RSA, groups("D"), quirks=CmsQuirks(plain_rsa=True)),
        lambda: store(RSA.csca),
    ),
    Case("several CSCAs of one name", lambda: document(PKI), lambda: store(FOREIGN.csca, NEW, PKI.csca)),
    Case(
        "signer from the store",
        lambda: document(PKI, quirks=CmsQuirks(certificates=False)),
        lambda: store(PKI.csca, signers=(PKI.dsc,)),
    ),
    Case("pinned signer", lambda: document(PKI), lambda: store(pinned=(PKI.dsc,)), notes={Note.PINNED}),
    # rollover
    Case("new key, link in the store", signed_by(lambda: UNDER_NEW), lambda: store(PKI.csca, LINK_NEW)),
    Case(
        "new key, link is no anchor",
        signed_by(lambda: UNDER_NEW),
        lambda: store(PKI.csca, helpers=(LINK_NEW,)),
        notes={Note.LINK_USED},
    ),
    Case(
        "old key, link back from the new one",
        lambda: document(PKI),
        lambda: store(NEW, helpers=(LINK_OLD,)),
        notes={Note.LINK_USED},
    ),
    Case(
        "new name, link in the store",
        signed_by(lambda: UNDER_RENAMED),
        lambda: store(PKI.csca, helpers=(LINK_RENAMED,)),
        notes={Note.LINK_USED},
    ),
    Case("new key without link", signed_by(lambda: UNDER_NEW), lambda: store(PKI.csca), CHAIN_LOST),
    Case("link without anchor", signed_by(lambda: UNDER_NEW), lambda: store(helpers=(LINK_NEW,)), CHAIN_LOST),
    Case("links in a circle", signed_by(lambda: UNDER_NEW), lambda: store(helpers=(LINK_NEW, LINK_OLD)), CHAIN_LOST),
    # odd anchors
    Case(
        "CSCA with CA=false and keyCertSign",
        signed_by(lambda: PKI.issue_dsc(9, issuer=ONLY_USAGE)),
        lambda: store(ONLY_USAGE),
        notes={Note.NOT_MARKED_AS_CA},
    ),
    Case(
        "CSCA without key usage",
        signed_by(lambda: PKI.issue_dsc(9, issuer=ONLY_CONSTRAINTS)),
        lambda: store(ONLY_CONSTRAINTS),
        notes={Note.NO_KEY_USAGE},
    ),
    Case(
        "issuer may not sign certificates",
        signed_by(lambda: PKI.issue_dsc(9, issuer=NOT_A_CA)),
        lambda: store(NOT_A_CA),
        {CHAIN: (FAILED, Reason.KEY_USAGE)},
    ),
    Case(
        "issuer with neither extension",
        signed_by(lambda: PKI.issue_dsc(9, issuer=NEITHER)),
        lambda: store(NEITHER),
        {CHAIN: (FAILED, Reason.KEY_USAGE)},
    ),
    # forgeries
    Case("foreign CSCA of the same names", lambda: document(FOREIGN), lambda: store(PKI.csca), CHAIN_LOST),
    Case(
        "same name, other key, no identifier",
        lambda: document(FOREIGN, signer=FOREIGN.issue_dsc(9, authority_key_id=None)),
        lambda: store(PKI.csca),
        {CHAIN: (FAILED, Reason.CHAIN_INVALID)},
    ),
    Case(
        "forged identifier of the right CSCA",
        lambda: document(FOREIGN, signer=FOREIGN.issue_dsc(9, authority_key_id=PKI.csca.key_id)),
        lambda: store(PKI.csca),
        {CHAIN: (FAILED, Reason.CHAIN_INVALID)},
    ),
    Case(
        "a CA below the CSCA that nobody knows",
        lambda: document(PKI, signer=UNDER_SUB_CA, quirks=CmsQuirks(more_certificates=(SUB_CA.der,))),
        expected={CHAIN: (FAILED, Reason.CHAIN_INVALID)},
        notes={Note.PATH_LENGTH},
    ),
    Case(
        "a link that changes the name, brought by the document",
        lambda: document(PKI, signer=UNDER_RENAMED, quirks=CmsQuirks(more_certificates=(LINK_NAMED.der,))),
        notes={Note.LINK_USED},
    ),
    Case(
        "a link of the same name, brought by the document",
        lambda: document(PKI, signer=UNDER_NEW, quirks=CmsQuirks(more_certificates=(LINK_NEW.der,))),
        notes={Note.LINK_USED},
    ),
    Case(
        "critical extension that nobody knows, in the signer",
        signed_by(lambda: PKI.issue_dsc(9, more_extensions=(UNKNOWN,))),
        expected={CHAIN: (FAILED, Reason.CRITICAL_EXTENSION)},
    ),
    Case(
        "extension that nobody knows, not critical",
        signed_by(lambda: PKI.issue_dsc(9, more_extensions=((UNKNOWN[0], False, UNKNOWN[2]),))),
    ),
    Case(
        "critical extension that nobody knows, in the CSCA",
        signed_by(lambda: PKI.issue_dsc(9, issuer=ODD_CSCA)),
        lambda: store(ODD_CSCA),
        {CHAIN: (FAILED, Reason.CRITICAL_EXTENSION)},
    ),
    Case(
        "name constraints",
        signed_by(lambda: PKI.issue_dsc(9, issuer=CONSTRAINED)),
        lambda: store(CONSTRAINED),
        {CHAIN: (FAILED, Reason.CRITICAL_EXTENSION)},
    ),
    Case(
        "key usage that cannot be read",
        signed_by(lambda: PKI.issue_dsc(9, key_usage=(), more_extensions=(("2.5.29.15", True, b"\x04\x00"),))),
        expected={CHAIN: (FAILED, Reason.CRITICAL_EXTENSION)},
        notes={Note.NO_KEY_USAGE},
    ),
    Case("nothing is trusted", lambda: document(PKI), lambda: store(), CHAIN_LOST),
    Case(
        "signer is self-signed",
        lambda: document(PKI, signer=PKI.csca),
        lambda: store(),
        {CHAIN: (UNDETERMINED, Reason.CSCA_NOT_FOUND)},
    ),
    Case(
        "the CSCA signs the document itself",
        lambda: document(PKI, signer=PKI.csca),
        expected={CHAIN: (FAILED, Reason.KEY_USAGE)},
    ),
    Case("signer is a CA", signed_by(lambda: PKI.issue_dsc(9, ca=True)), expected={CHAIN: (FAILED, Reason.KEY_USAGE)}),
    Case(
        "signer may not sign",
        signed_by(lambda: PKI.issue_dsc(9, key_usage=(CRL_SIGN,))),
        expected={CHAIN: (FAILED, Reason.KEY_USAGE)},
    ),
    Case(
        "a list signer signs a document",
        signed_by(lambda: PKI.issue_dsc(9, extended_key_usage=(str(Icao.CSCA_MASTER_LIST_SIGNING_KEY),))),
        expected={CHAIN: (FAILED, Reason.KEY_USAGE)},
    ),
    *(
        Case(
            f"a certificate for {what} signs a document",
            signed_by(lambda usage=usage: PKI.issue_dsc(9, extended_key_usage=usage)),
            expected={CHAIN: (FAILED, Reason.KEY_USAGE)},
        )
        for what, usage in {
            "servers": ("1.3.6.1.5.5.7.3.1",),
            "clients": ("1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.4"),
            "deviation lists": (str(Icao.DEVIATION_LIST_SIGNING_KEY),),
            "travel records": ("2.23.136.1.1.9.8.1",),
        }.items()
    ),
    *(
        Case(f"signer with {what}", signed_by(lambda usage=usage: PKI.issue_dsc(9, extended_key_usage=usage)))
        for what, usage in {
            "any usage beside a server's": ("1.3.6.1.5.5.7.3.1", "2.5.29.37.0"),
            "the usage of document signing": ("1.3.6.1.5.5.7.3.36",),
            "the security object as its usage": (str(Icao.LDS_SECURITY_OBJECT),),
            "a usage of its state's own": ("1.2.250.1.1",),
        }.items()
    ),
    Case(
        "signer of another country",
        lambda: document(PKI, signer=PKI.issue_dsc(9, subject=Name("FR", "Ministry", "DS", "DS"))),
        expected={ISSUER: (FAILED, Reason.COUNTRY_MISMATCH)},
    ),
    Case(
        "MRZ of another state",
        lambda: document(PKI, groups("FRA")),
        expected={ISSUER: (FAILED, Reason.COUNTRY_MISMATCH)},
    ),
    Case("MRZ of no state", lambda: document(PKI, groups("QQQ")), expected={ISSUER: (FAILED, Reason.COUNTRY_MISMATCH)}),
    Case(
        "document type that the signer may not sign",
        lambda: document(PKI, groups(code="V<")),
        expected={ISSUER: (FAILED, Reason.DOCUMENT_TYPE)},
    ),
    # signature and content
    Case(
        "signature's last byte",
        lambda: flip(document(RSA, groups("D")), FileId.SOD),
        lambda: store(RSA.csca),
        {SIG: (FAILED, Reason.SIGNATURE_INVALID)},
    ),
    Case(
        "content type differs",
        lambda: document(PKI, quirks=CmsQuirks(content_type="1.2.840.113549.1.7.1")),
        expected={
            SIG: (FAILED, Reason.CONTENT_TYPE),
            CHAIN: (NOT_PERFORMED, Reason.CONTENT_TYPE),
            VALID: (NOT_PERFORMED, Reason.CONTENT_TYPE),
            REVOKED: (NOT_PERFORMED, Reason.SIGNER_NOT_FOUND),
            ISSUER: (NOT_PERFORMED, Reason.SIGNER_NOT_FOUND),
        },
    ),
    Case(
        "no signer certificate anywhere",
        lambda: document(PKI, quirks=CmsQuirks(certificates=False)),
        expected={
            SIG: (FAILED, Reason.SIGNER_NOT_FOUND),
            CHAIN: (NOT_PERFORMED, Reason.SIGNER_NOT_FOUND),
            VALID: (NOT_PERFORMED, Reason.SIGNER_NOT_FOUND),
            REVOKED: (NOT_PERFORMED, Reason.SIGNER_NOT_FOUND),
            ISSUER: (NOT_PERFORMED, Reason.SIGNER_NOT_FOUND),
        },
    ),
    Case(
        "CMS version, strict",
        lambda: document(PKI, quirks=CmsQuirks(version=1)),
        expected={SIG: (FAILED, Reason.SOD_MALFORMED)},
    ),
    Case(
        "CMS version, lenient",
        lambda: document(PKI, quirks=CmsQuirks(version=1)),
        options=PassiveAuthOptions(strict=False),
    ),
    Case(
        "trailing byte, strict",
        lambda: {**document(PKI), FileId.SOD: document(PKI)[FileId.SOD] + b"\0"},
        expected={SIG: (FAILED, Reason.SOD_MALFORMED)},
    ),
    Case(
        "trailing byte, lenient",
        lambda: {**document(PKI), FileId.SOD: document(PKI)[FileId.SOD] + b"\0"},
        options=PassiveAuthOptions(strict=False),
    ),
    Case(
        "security object of version 2",
        lambda: document(PKI, version=2),
        expected={
            SIG: (FAILED, Reason.SOD_MALFORMED),
            HASH: (UNDETERMINED, Reason.SOD_MALFORMED),
            COM: (UNDETERMINED, Reason.SOD_MALFORMED),
        },
    ),
    # data groups
    Case("DG1 changed", lambda: flip(document(PKI), FileId.DG1), expected=HASH_LOST),
    Case("DG2 changed", lambda: flip(document(PKI), FileId.DG2), expected=HASH_LOST),
    Case(
        "byte appended to DG14",
        lambda: {**document(PKI), FileId.DG14: groups()[FileId.DG14] + b"\0"},
        expected=HASH_LOST,
    ),
    Case(
        "group added that is not signed",
        lambda: {**document(PKI), FileId.DG15: encode(0x6F, b"key")},
        expected={HASH: (FAILED, Reason.HASH_NOT_IN_SOD)},
    ),
    Case(
        "group not read", lambda: without(document(PKI), FileId.DG2), expected={HASH: (NOT_PERFORMED, Reason.NOT_READ)}
    ),
    Case("groups swapped", lambda: {**document(PKI), FileId.DG2: groups()[FileId.DG14]}, expected=HASH_LOST),
    # EF.COM
    Case(
        "EF.COM hides a group",
        lambda: document(PKI, com=[FileId.DG1, FileId.DG2]),
        expected={COM: (FAILED, Reason.COM_SOD_DIFFER)},
    ),
    Case(
        "EF.COM lists too much",
        lambda: document(PKI, com=[*groups(), FileId.DG15]),
        expected={COM: (FAILED, Reason.COM_SOD_DIFFER)},
    ),
    Case(
        "EF.COM lists a fingerprint group that is not signed",
        lambda: document(PKI, com=[*groups(), FileId.DG3]),
        expected={COM: (UNDETERMINED, Reason.COM_SOD_DIFFER)},
    ),
    Case(
        "EF.COM missing",
        lambda: without(document(PKI), FileId.COM),
        expected={COM: (NOT_PERFORMED, Reason.COM_MISSING)},
    ),
    Case(
        "EF.COM is noise",
        lambda: {**document(PKI), FileId.COM: b"\x60\x05noise"},
        expected={COM: (FAILED, Reason.FILE_MALFORMED)},
    ),
    Case(
        "DG1 missing",
        lambda: without(document(PKI), FileId.DG1),
        expected={HASH: (NOT_PERFORMED, Reason.NOT_READ), ISSUER: (NOT_PERFORMED, Reason.NOT_READ)},
    ),
    # time
    Case(
        "signer expired",
        signed_by(lambda: PKI.issue_dsc(9, validity=EARLY)),
        expected={VALID: (FAILED, Reason.EXPIRED)},
    ),
    Case(
        "signer not yet valid",
        signed_by(lambda: PKI.issue_dsc(9, validity=LATE)),
        expected={VALID: (FAILED, Reason.NOT_YET_VALID)},
    ),
    Case(
        "CSCA expired",
        signed_by(lambda: PKI.issue_dsc(9, issuer=PKI.issue_csca(validity=EARLY))),
        lambda: store(PKI.issue_csca(validity=EARLY)),
        {VALID: (FAILED, Reason.EXPIRED)},
    ),
    Case(
        "everything expired",
        signed_by(lambda: PKI.issue_dsc(9, validity=EARLY)),
        lambda: store(PKI.issue_csca(validity=EARLY)),
        {VALID: (FAILED, Reason.EXPIRED)},
    ),
    Case(
        "a valid CSCA beside an expired one of the same key",
        lambda: document(PKI),
        lambda: store(PKI.issue_csca(validity=EARLY), PKI.csca),
    ),
    Case("last second of the signer", lambda: document(PKI), at=datetime(2046, 1, 4, tzinfo=UTC)),
    Case(
        "one second later",
        lambda: document(PKI),
        expected={VALID: (FAILED, Reason.EXPIRED)},
        at=datetime(2046, 1, 4, 0, 0, 1, tzinfo=UTC),
    ),
    Case(
        "signed within validity", lambda: document(PKI, quirks=CmsQuirks(signing_time=datetime(2024, 1, 1, tzinfo=UTC)))
    ),
    Case(
        "signed before the signer was valid",
        lambda: document(PKI, quirks=CmsQuirks(signing_time=datetime(2019, 1, 1, tzinfo=UTC))),
        expected={VALID: (FAILED, Reason.NOT_YET_VALID)},
    ),
    Case(
        "signed while the private key might be used",
        lambda: document(
            PKI,
            signer=PKI.issue_dsc(9, private_key_usage=Validity(JANUARY, JANUARY + timedelta(days=90))),
            quirks=CmsQuirks(signing_time=JANUARY + timedelta(days=90)),
        ),
    ),
    Case(
        "signed after the private key's time",
        lambda: document(
            PKI,
            signer=PKI.issue_dsc(9, private_key_usage=Validity(JANUARY, JANUARY + timedelta(days=90))),
            quirks=CmsQuirks(signing_time=JANUARY + timedelta(days=91)),
        ),
        expected={VALID: (UNDETERMINED, Reason.PRIVATE_KEY_USAGE)},
    ),
    Case(
        "private key's time without time zone",
        lambda: document(
            PKI,
            signer=PKI.issue_dsc(9, more_extensions=(LOCAL_USAGE,)),
            quirks=CmsQuirks(signing_time=JANUARY - timedelta(days=1)),
        ),
        expected={VALID: (UNDETERMINED, Reason.PRIVATE_KEY_USAGE)},
    ),
    Case(
        "issue date given by the caller",
        lambda: document(PKI),
        options=PassiveAuthOptions(issued=datetime(2047, 1, 1, tzinfo=UTC)),
        expected={VALID: (FAILED, Reason.EXPIRED)},
    ),
    # revocation
    Case(
        "not on a fresh list", lambda: document(PKI), lambda: store(PKI.csca, crls=(FRESH,)), {REVOKED: (OK, Reason.OK)}
    ),
    Case(
        "revoked", lambda: document(PKI), lambda: store(PKI.csca, crls=(REVOKING,)), {REVOKED: (FAILED, Reason.REVOKED)}
    ),
    Case(
        "revoked by a stale list",
        lambda: document(PKI),
        lambda: store(PKI.csca, crls=(PKI.crl([PKI.dsc.serial], next_update=AT - timedelta(days=1)),)),
        {REVOKED: (FAILED, Reason.REVOKED)},
    ),
    Case(
        "stale list",
        lambda: document(PKI),
        lambda: store(PKI.csca, crls=(STALE,)),
        {REVOKED: (UNDETERMINED, Reason.CRL_STALE)},
    ),
    Case(
        "list without next update",
        lambda: document(PKI),
        lambda: store(PKI.csca, crls=(PKI.crl(next_update=None),)),
        {REVOKED: (UNDETERMINED, Reason.CRL_STALE)},
    ),
    Case(
        "list older than the policy allows",
        lambda: document(PKI),
        lambda: store(PKI.csca, crls=(FRESH,)),
        {REVOKED: (UNDETERMINED, Reason.CRL_STALE)},
        PassiveAuthOptions(crl_max_age=timedelta(days=30)),
    ),
    Case(
        "list within the policy",
        lambda: document(PKI),
        lambda: store(PKI.csca, crls=(FRESH,)),
        {REVOKED: (OK, Reason.OK)},
        PassiveAuthOptions(crl_max_age=timedelta(days=300)),
    ),
    Case(
        "forged list",
        lambda: document(PKI),
        lambda: store(PKI.csca, crls=(FOREIGN.crl(),)),
        {REVOKED: (UNDETERMINED, Reason.CRL_INVALID)},
    ),
    Case(
        "forged list cannot revoke",
        lambda: document(PKI),
        lambda: store(PKI.csca, crls=(FRESH, FOREIGN.crl([PKI.dsc.serial]))),
        {REVOKED: (OK, Reason.OK)},
    ),
    Case(
        "newer list decides",
        lambda: document(PKI),
        lambda: store(PKI.csca, crls=(OLD_LIST, FRESH)),
        {REVOKED: (OK, Reason.OK)},
    ),
    Case(
        "list signed with the CSCA's next key",
        lambda: document(PKI),
        lambda: store(PKI.csca, NEW, crls=(PKI.crl([PKI.dsc.serial], issuer=NEW),)),
        {REVOKED: (FAILED, Reason.REVOKED)},
    ),
    Case(
        "revoked by the list of the older key, beside a newer list of the next key",
        lambda: document(PKI),
        lambda: store(PKI.csca, NEW, crls=(OLD_LIST, PKI.crl([1], issuer=NEW))),
        {REVOKED: (FAILED, Reason.REVOKED)},
    ),
    Case(
        "cleared by the newest of the lists of both keys",
        lambda: document(PKI),
        lambda: store(
            PKI.csca, NEW, crls=(STALE, PKI.crl([1], issuer=NEW, this_update=datetime(2026, 2, 1, tzinfo=UTC)))
        ),
        {REVOKED: (OK, Reason.OK)},
    ),
    Case(
        "list under the name that the CSCA took later",
        lambda: document(PKI),
        lambda: store(PKI.csca, RENAMED, LINK_RENAMED, crls=(PKI.crl([PKI.dsc.serial], issuer=RENAMED),)),
        {REVOKED: (FAILED, Reason.REVOKED)},
    ),
    Case(
        "list of another CSCA of the country without link",
        lambda: document(PKI),
        lambda: store(PKI.csca, RENAMED, crls=(PKI.crl([PKI.dsc.serial], issuer=RENAMED),)),
    ),
    Case(
        "list of a CSCA that may not sign lists",
        signed_by(lambda: PKI.issue_dsc(9, issuer=NO_CRL_SIGN)),
        lambda: store(NO_CRL_SIGN, crls=(PKI.crl(issuer=NO_CRL_SIGN),)),
        {REVOKED: (UNDETERMINED, Reason.CRL_INVALID)},
    ),
    # nothing there
    Case(
        "EF.SOD missing",
        lambda: without(document(PKI), FileId.SOD),
        expected={
            SIG: (NOT_PERFORMED, Reason.SOD_MISSING),
            CHAIN: (NOT_PERFORMED, Reason.SOD_MISSING),
            VALID: (NOT_PERFORMED, Reason.SOD_MISSING),
            REVOKED: (NOT_PERFORMED, Reason.SIGNER_NOT_FOUND),
            HASH: (UNDETERMINED, Reason.SOD_MISSING),
            COM: (UNDETERMINED, Reason.SOD_MISSING),
            ISSUER: (NOT_PERFORMED, Reason.SIGNER_NOT_FOUND),
        },
    ),
    Case(
        "EF.SOD is noise",
        lambda: {**document(PKI), FileId.SOD: b"\x77\x03abc"},
        expected={
            SIG: (FAILED, Reason.SOD_MALFORMED),
            CHAIN: (NOT_PERFORMED, Reason.SOD_MALFORMED),
            VALID: (NOT_PERFORMED, Reason.SOD_MALFORMED),
            REVOKED: (NOT_PERFORMED, Reason.SIGNER_NOT_FOUND),
            HASH: (UNDETERMINED, Reason.SOD_MALFORMED),
            COM: (UNDETERMINED, Reason.SOD_MALFORMED),
            ISSUER: (NOT_PERFORMED, Reason.SIGNER_NOT_FOUND),
        },
    ),
]


def worst(report: VerificationReport, check: CheckId) -> Result:
    status = report.status(check)
    return status, next((c.reason for c in report.results(check) if c.status is status), Reason.NOT_READ)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name.replace(" ", "-"))
def test_table(case: Case) -> None:
    report = verify_document(case.files(), trust=case.trust(), at=case.at, options=case.options)
    assert {check: worst(report, check) for check in GENUINE} == {**GENUINE, **case.expected}
    notes = next(c.evidence.get("notes", "") for c in report.results(CHAIN))
    assert case.notes <= set(notes.split())


def test_the_table_is_as_long_as_promised_and_has_no_line_twice() -> None:
    assert len(CASES) >= 40
    assert len({c.name for c in CASES}) == len(CASES)


# ---- the shared documents -----------------------------------------------------------------------------------------

_SETS = ("bsi_tr03105_5", "jmrtd_bsi2008", "etsi_eacaa", "nl_test_2006")


def read_set(name: str) -> dict[FileId, bytes]:
    files = {}
    for file in FileId:
        path = shared(f"vectors/lds/{name}/{file.label.removeprefix('EF.').lower()}.bin")
        if path.exists() and file is not FileId.CARD_SECURITY:
            files[file] = path.read_bytes()
    return files


@pytest.mark.parametrize("name", _SETS)
def test_shared_documents_come_out_as_their_index_says(name: str) -> None:
    index = {e["file"]: e for e in json.loads(shared("vectors/sod/index.json").read_text())}
    entry, files = index[f"lds/{name}/sod.bin"], read_set(name)
    at = datetime.fromisoformat(entry["document_signer"]["not_before"])
    report = verify_document(files, trust=store(PKI.csca), at=at)
    assert worst(report, SIG) == (OK, Reason.OK)
    assert worst(report, CHAIN) == (UNDETERMINED, Reason.CSCA_NOT_FOUND)
    assert worst(report, VALID) == (OK, Reason.OK)
    hashes = {c.subject: c for c in report.results(HASH)}
    for number, matches in entry["dg_hash_matches"].items():
        group = FileId.data_group(int(number))
        expected = (OK if matches else FAILED) if group in files else NOT_PERFORMED
        assert hashes[group.label].status is expected
    for label in entry["dgs_present_but_not_in_sod"]:
        if FileId[label.upper()] in files:
            assert hashes[label.upper()].reason is Reason.HASH_NOT_IN_SOD
    signer = next(c for c in report.results(SIG)).evidence
    assert signer["dsc-serial"] == entry["document_signer"]["serial"].removeprefix("0x")
    assert ("weak" in signer) is ("sha1" in entry["signature_algorithm"])


def test_altered_groups_of_the_shared_document_fail() -> None:
    files = read_set("etsi_eacaa")
    altered = {
        FileId.DG1: "dg1_country_changed",
        FileId.DG15: "dg15_exponent_65538",
        FileId.DG14: "dg14_chip_authentication_info_version_16",
    }
    for group, name in altered.items():
        data = shared(f"vectors/lds/etsi_eacaa/altered/{name}.bin").read_bytes()
        report = verify_document({**files, group: data}, trust=store(), at=AT)
        assert [c.reason for c in report.results(HASH) if c.subject == group.label] == [Reason.HASH_MISMATCH]


def test_every_altered_shared_security_object_is_rejected() -> None:
    seen = 0
    for entry in json.loads(shared("vectors/sod/index.json").read_text()):
        if "altered" not in entry:
            continue
        files = {FileId.SOD: shared("vectors/" + entry["file"]).read_bytes()}
        report = verify_document(files, trust=store(), at=AT)
        assert report.status(SIG) is FAILED, entry["file"]
        lenient = verify_document(files, trust=store(), at=AT, options=PassiveAuthOptions(strict=False))
        assert (lenient.status(SIG) is OK) is bool(entry["cms_valid"]), entry["file"]
        seen += 1
    assert seen == 13


def test_new_zealand_s_signer_is_not_found_under_a_csca_that_only_shares_its_name() -> None:
    trust = TrustStore.load([shared("vectors/masterlists/nl_ml_2025_12_20.ml")])
    sod = shared("vectors/sod/nz_2013.bin").read_bytes()
    report = verify_document({FileId.SOD: sod}, trust=trust, at=datetime(2014, 1, 1, tzinfo=UTC))
    assert worst(report, SIG) == (OK, Reason.OK)
    assert worst(report, CHAIN) == (UNDETERMINED, Reason.CSCA_NOT_FOUND)
    assert int(report.results(CHAIN)[0].evidence["same-name-other-key"]) >= 1
    issued, inspected = report.results(VALID)[1], report.results(VALID)[0]
    assert (inspected.subject, issued.subject) == ("inspection", "issue")
    assert issued.evidence["at"].startswith("2011-10-18")
    expired = verify_document({FileId.SOD: sod}, trust=trust, at=AT).results(VALID)[0]
    assert (expired.reason, expired.evidence["valid-at-issue"]) == (Reason.EXPIRED, "true")


def test_card_security_of_the_issued_card_leads_to_its_csca() -> None:
    raw = shared("vectors/cardsecurity/npa_issued_card.bin").read_bytes()
    trust = TrustStore.load([shared("vectors/certificates/csca_germany_013.cer")])
    at = datetime(2014, 1, 1, tzinfo=UTC)
    result, infos = verify_card_security(raw, trust=trust, at=at)
    assert (result.status, result.reason) == (OK, Reason.OK)
    assert infos is not None
    assert infos[0] == 0x31
    assert verify_card_security(raw, trust=store(PKI.csca), at=at)[0].reason is Reason.CSCA_NOT_FOUND
    assert verify_card_security(raw, trust=trust, at=AT)[0].reason is Reason.EXPIRED
    assert verify_card_security(raw[:-1], trust=trust, at=at)[0].reason is Reason.FILE_MALFORMED
    altered = bytearray(raw)
    altered[-1] ^= 1
    assert verify_card_security(bytes(altered), trust=trust, at=at)[0].status is not OK
    sod = read_set("bsi_tr03105_5")[FileId.SOD]
    assert verify_card_security(sod, trust=trust, at=at)[0].status is FAILED
    report = verify_document({FileId.CARD_SECURITY: raw}, trust=trust, at=at)
    assert report.status(CheckId.CARD_SECURITY) is OK


def test_card_security_of_the_test_authority() -> None:
    raw = PKI.card_security(encode(0x31))
    assert verify_card_security(raw, trust=store(PKI.csca), at=AT)[0].status is OK
    revoked = verify_card_security(raw, trust=store(PKI.csca, crls=(REVOKING,)), at=AT)[0]
    assert revoked.reason is Reason.REVOKED


# ---- details ------------------------------------------------------------------------------------------------------


def test_reasons_why_files_were_not_read_are_handed_on() -> None:
    files = without(document(PKI), FileId.DG2, FileId.COM)
    reasons = {FileId.DG2: Reason.READ_ERROR, FileId.COM: Reason.CHIP_REFUSED}
    report = verify_document(files, trust=store(PKI.csca), at=AT, unreadable=reasons)
    assert [c.reason for c in report.results(HASH) if c.subject == "DG2"] == [Reason.READ_ERROR]
    assert worst(report, COM) == (NOT_PERFORMED, Reason.CHIP_REFUSED)
    gone = verify_document({}, trust=store(), at=AT, unreadable={FileId.SOD: Reason.CHIP_REFUSED})
    assert worst(gone, SIG) == (NOT_PERFORMED, Reason.CHIP_REFUSED)


def test_examine_hands_out_what_it_found() -> None:
    result = passive_auth.examine(document(PKI), trust=store(PKI.csca), at=AT.replace(tzinfo=None))
    assert result.report.verified_at == AT
    assert result.signer == Certificate.parse(PKI.dsc.der)
    assert result.path is not None
    assert result.path.anchor == Certificate.parse(PKI.csca.der)
    assert result.security_object is not None
    assert set(result.security_object.hashes) == {1, 2, 14}
    assert passive_auth.signer_certificate(document(PKI)[FileId.SOD]) == PKI.dsc.der
    assert passive_auth.signer_certificate(b"") is None


def test_a_weak_message_digest_is_flagged_like_a_weak_signature() -> None:
    for name, weak in (("sha384", None), ("sha1", "true")):
        (result,) = verify_document(with_digest(name), trust=store(PKI.csca), at=AT).results(SIG)
        assert (result.status, result.evidence.get("weak")) == (OK, weak)


def test_certificates_of_the_country_are_decoded_only_where_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a large store a country has many; the one whose name and key identifier fit is enough."""
    trust = store(PKI.csca, *(PKI.issue_csca(n, name=Name("VN", "Many", "CA", f"{n}")) for n in range(20, 40)))
    decoded: list[int] = []
    real = TrustStore._candidate
    monkeypatch.setattr(TrustStore, "_candidate", lambda self, n: decoded.append(n) or real(self, n))
    assert build_path(Certificate.parse(PKI.dsc.der), trust, at=AT).ok
    assert len(decoded) == 1
    assert len(trust.candidates(Certificate.parse(PKI.dsc.der).issuer)) == 21


def test_an_expired_link_is_not_taken_where_a_valid_way_exists() -> None:
    expired = PKI.issue_link(PKI.csca, NEW, validity=EARLY)
    path = build_path(Certificate.parse(UNDER_NEW.der), store(PKI.csca, expired, NEW), at=AT)
    assert path.ok
    assert path.anchor == Certificate.parse(NEW.der)


# ---- mutations ----------------------------------------------------------------------------------------------------

_RANK = {OK: 0, NOT_PERFORMED: 1, NOT_SUPPORTED: 1, UNDETERMINED: 1, FAILED: 2}
_FAMILIES = {
    "ecdsa": lambda: (document(PKI), store(PKI.csca)),
    "ecdsa brainpool, named curve": lambda: (document(BRAINPOOL), store(BRAINPOOL.csca)),
    "rsa-pkcs1": lambda: (document(RSA, groups("D")), store(RSA.csca)),
    "rsa-pss": lambda: (document(RSA, groups("D"), scheme=Scheme("rsa-pss", "sha256")), store(RSA.csca)),
}
_DECIDING = (SIG, CHAIN, VALID, HASH)


@pytest.mark.parametrize("family", _FAMILIES)
def test_mutated_files_never_come_out_better_and_changes_of_groups_are_always_caught(family: str) -> None:
    files, trust = _FAMILIES[family]()
    original = verify_document(files, trust=trust, at=AT)
    assert all(original.status(c) is OK for c in _DECIDING)
    tried = caught = 0
    for name in (FileId.SOD, FileId.DG1, FileId.DG2, FileId.DG14):
        step = 7 if name is FileId.SOD else 5
        for position in range(0, len(files[name]), step):
            for change in (0x01, 0x80):
                data = bytearray(files[name])
                data[position] ^= change
                report = verify_document({**files, name: bytes(data)}, trust=trust, at=AT)
                tried += 1
                accepted = all(report.status(c) is OK for c in _DECIDING)
                caught += not accepted
                if name is not FileId.SOD:
                    assert [c.status for c in report.results(HASH) if c.subject == name.label] == [FAILED]
                elif accepted:  # only bytes that nobody signed may change without consequence
                    before = passive_auth.examine(files, trust=trust, at=AT)
                    after = passive_auth.examine({**files, name: bytes(data)}, trust=trust, at=AT)
                    assert after.signer == before.signer
                    assert dict(after.security_object.hashes) == dict(before.security_object.hashes)  # type: ignore[union-attr]
                for check in (*GENUINE,):
                    assert _RANK[report.status(check)] >= min(_RANK[original.status(check)], 1)
    print(f"{family}: {tried} mutations, {caught} caught")
    assert caught > 0.9 * tried


@given(st.dictionaries(st.sampled_from(list(FileId)), st.binary(max_size=300), max_size=6))
@settings(max_examples=100, deadline=None)
def test_no_bytes_make_it_raise(files: dict[FileId, bytes]) -> None:
    report = verify_document(files, trust=store(PKI.csca), at=AT)
    assert not any(report.status(c) is OK for c in (SIG, CHAIN, HASH, ISSUER))
    assert {c.check for c in report.checks} >= set(GENUINE) - {HASH}


def test_evidence_holds_no_personal_data() -> None:
    report = verify_document(document(PKI), trust=store(PKI.csca), at=AT)
    text = json.dumps(report.to_dict())
    assert "MAU" not in text
    assert "<<" not in text
    assert "issuing-state" in text
    assert all(isinstance(v, str) for c in report.checks for v in dataclasses.asdict(c)["evidence"].values())
