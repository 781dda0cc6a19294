"""Deviation lists of ICAO and defect lists of BSI: reading, whom they concern, and what follows."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.chip.pki.documents import AT, document, groups
from tests.unit.crypto import der

from idverify._tlv import encode
from idverify.chip.lds.files import FileId
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.deviations import Defect, DeviationList, find
from idverify.chip.pki.importer import Importer, ImportResult, ProblemReason
from idverify.chip.pki.passive_auth import PassiveAuthOptions, examine, verify_document
from idverify.chip.pki.trust_store import Anchor, EntryKind, Provenance, TrustStore, TrustStoreBuilder
from idverify.emulator.pki import TestPki
from idverify.errors import IdVerifyError, MalformedDataError
from idverify.oids import Bsi, Icao
from idverify.report import CheckId, CheckStatus, Reason

PKI = TestPki("deviations", csca_key="secp256r1", dsc_key="secp256r1")
SIGNER = Certificate.parse(PKI.dsc.der)
ICAO = str(Icao.DEVIATION_LIST)
BSI = str(Bsi.DEFECT_LIST)


def list_signer(pki: TestPki = PKI, usage: str = str(Icao.DEVIATION_LIST_SIGNING_KEY)) -> object:
    return pki.issue_dsc(800, extended_key_usage=(usage,), document_types=(), locality="")


def description(oid: str, *parameters: bytes, text: str = "") -> bytes:
    words = der.element(0x13, text.encode()) if text else b""
    return der.sequence(words, der.oid(oid), *(der.element(0xA0, p) for p in parameters))


def line(scope: bytes, *descriptions: bytes) -> bytes:
    return der.sequence(der.element(0x30, scope), der.element(0x31, b"".join(descriptions)))


def deviation_list(*lines: bytes, pki: TestPki = PKI, signer: object = None) -> bytes:
    content = der.sequence(der.element(2, b"\0"), der.element(0x31, b"".join(lines)))
    return pki.sign(ICAO, content, signer=signer or list_signer(pki))  # type: ignore[arg-type]


def defect_list(*defects: bytes, signer: object = None) -> bytes:
    algorithm = der.oid("2.16.840.1.101.3.4.2.1")
    content = der.sequence(der.element(2, b"\0"), algorithm, der.element(0x31, b"".join(defects)))
    return PKI.sign(BSI, content, signer=signer or list_signer(usage="0.4.0.127.0.7.3.1.5.99"))  # type: ignore[arg-type]


def integer(value: int) -> bytes:
    size = value.bit_length() // 8 + 1
    return der.element(2, value.to_bytes(size, "big"))


def by_serial(tag: int = 0xA1, serial: int | None = None) -> bytes:
    return der.element(tag, SIGNER.issuer.raw + integer(SIGNER.serial_number if serial is None else serial))


def period(first: str, last: str) -> bytes:
    return der.element(0xA4, der.element(0x18, first.encode()) + der.element(0x18, last.encode()))


def numbers(*values: str) -> bytes:
    return der.element(0xA5, b"".join(der.element(0x13, v.encode()) for v in values))


def store(*lists: bytes) -> TrustStore:
    builder = TrustStoreBuilder()
    builder.add(Certificate.parse(PKI.csca.der), EntryKind.CSCA)
    for item in lists:
        builder.add_deviation_list(item)
    return builder.build()


HASH_WRONG_12 = description(f"{ICAO}.2.2", integer(12), text="the date is wrong")


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (b"", True),
        (by_serial(), True),
        (by_serial(serial=1), False),
        (der.element(0x82, SIGNER.subject_key_id or b""), True),
        (der.element(0x82, bytes(20)), False),
        (der.element(0x83, hashlib.sha256(PKI.dsc.der).digest()), True),
        (der.element(0x83, bytes(32)), False),
        (der.element(0x80, b"I<"), True),
        (der.element(0x80, b"P<"), False),
        (period("20200101000000Z", "20250101000000Z"), True),
        (period("20200101000000Z", "20210101000000Z"), False),
        (numbers("AB1234567", "123456789"), True),
        (numbers("12345678", "1234567890", "23456789"), False),
        (numbers(), False),
        (der.element(0x80, b"I<") + by_serial() + numbers("999999999"), False),
    ],
)
def test_scopes(scope: bytes, covered: bool) -> None:
    parsed = DeviationList.parse(deviation_list(line(scope, HASH_WRONG_12)))
    assert parsed.verdict.ok
    assert parsed.unreadable == 0
    found = find(
        [parsed],
        SIGNER,
        document_type="I",
        document_number="123456789",
        issued=datetime(2024, 1, 1, tzinfo=UTC),
    )
    assert [d.defect for d in found] == ([Defect.DG_HASH_WRONG] if covered else [])
    if covered:
        assert found[0].groups == (12,)
        assert found[0].text == "the date is wrong"
        unknown = find([parsed], SIGNER)
        assert bool(unknown) is (scope[:1] not in (b"\x80", b"\xa4", b"\xa5"))


@pytest.mark.parametrize(
    ("suffix", "defect"),
    [
        ("1.1", Defect.DS_SIGNATURE),
        ("1.2", Defect.DS_ENCODING),
        ("1.3", Defect.CSCA_ENCODING),
        ("1.4", Defect.AA_KEY_COMPROMISED),
        ("2.1", Defect.DG_MALFORMED),
        ("2.3", Defect.SOD_SIGNATURE_WRONG),
        ("2.4", Defect.COM_INCONSISTENT),
        ("3.1", Defect.MRZ_WRONG_DATA),
        ("3.2", Defect.MRZ_WRONG_CHECK_DIGIT),
        ("4", Defect.CHIP),
        ("5", Defect.NATIONAL_USE),
        ("77", Defect.UNKNOWN),
    ],
)
def test_every_kind_is_named(suffix: str, defect: Defect) -> None:
    parsed = DeviationList.parse(deviation_list(line(b"", description(f"{ICAO}.{suffix}"))))
    assert [d.defect for d in parsed.deviations] == [defect]


def test_a_list_speaks_of_its_own_state_only() -> None:
    other = TestPki("another state", country="DE", csca_key="secp256r1", dsc_key="secp256r1")
    parsed = DeviationList.parse(deviation_list(line(b"", HASH_WRONG_12), pki=other))
    assert parsed.country == "DE"
    assert find([parsed], SIGNER) == ()


def test_an_unreadable_line_is_left_out() -> None:
    unknown_criterion = line(der.element(0x86, b"x"), HASH_WRONG_12)
    parsed = DeviationList.parse(deviation_list(unknown_criterion, line(b"", HASH_WRONG_12)))
    assert (len(parsed.deviations), parsed.unreadable) == (1, 1)
    with pytest.raises(MalformedDataError):
        DeviationList.parse(PKI.master_list())


# ---- imports ------------------------------------------------------------------------------------------------------


def imported(*content: bytes, **options: bool) -> tuple[ImportResult, TrustStore]:
    importer = Importer(TrustStore.from_certificates([PKI.csca.der]), **options)  # type: ignore[arg-type]
    for number, data in enumerate(content):
        importer.add_bytes(data, f"list {number}")
    return importer.result(), importer.builder.build()


def test_lists_are_taken_from_whoever_may_sign_them() -> None:
    good = deviation_list(line(b"", HASH_WRONG_12))
    result, trust = imported(good)
    assert (result.lists, result.problems) == (1, ())
    assert trust.counts()[EntryKind.DEVIATION_LIST] == 1
    assert [d.defect for d in trust.deviation_lists()[0].deviations] == [Defect.DG_HASH_WRONG]
    assert imported(defect_list(der.sequence(der.element(0x80, b"key"), der.element(0x31, b""))))[0].lists == 1


def test_lists_of_others_are_refused() -> None:
    for bad, reason in (
        (deviation_list(line(b""), pki=PKI.impostor()), ProblemReason.LIST_SIGNER_NOT_TRUSTED),
        (deviation_list(line(b""), signer=list_signer(usage="1.2.3")), ProblemReason.LIST_SIGNER_NOT_TRUSTED),
        (defect_list(signer=PKI.dsc), ProblemReason.LIST_SIGNER_NOT_TRUSTED),
        (defect_list(signer=list_signer()), ProblemReason.LIST_SIGNER_NOT_TRUSTED),
        (deviation_list(line(b""))[:-1] + b"\0", ProblemReason.LIST_SIGNATURE_INVALID),
    ):
        result, trust = imported(bad)
        assert [p.reason for p in result.problems] == [reason]
        assert EntryKind.DEVIATION_LIST not in trust.counts()
        assert imported(bad, allow_unverified=True)[0].lists == 1


# ---- what follows -------------------------------------------------------------------------------------------------


def test_a_defect_list_revokes_a_signer() -> None:
    revoked = der.sequence(
        der.element(0x30, SIGNER.issuer.raw + integer(SIGNER.serial_number)),
        der.element(0x31, der.sequence(der.oid(f"{BSI}.1.1"), der.element(0x0A, b"\0"))),
    )
    report = verify_document(document(PKI), trust=store(defect_list(revoked)), at=AT)
    (result,) = report.results(CheckId.DSC_REVOCATION)
    assert (result.status, result.reason) == (CheckStatus.FAILED, Reason.REVOKED)
    assert result.evidence["known-deviations"] == "signer-revoked"
    other = PKI.issue_dsc(2)
    again = verify_document(document(PKI, signer=other), trust=store(defect_list(revoked)), at=AT)
    assert again.status(CheckId.DSC_REVOCATION) is CheckStatus.NOT_PERFORMED


def test_a_wrong_hash_that_the_state_admits_is_undetermined_but_never_successful() -> None:
    files = {**groups(), FileId.DG12: encode(0x6C, b"date"), FileId.DG15: encode(0x6F, b"key")}
    signed = document(PKI, files)
    for group in (FileId.DG12, FileId.DG1, FileId.DG15):
        number = group.number or 0
        trust = store(deviation_list(line(by_serial(), description(f"{ICAO}.2.2", integer(number)))))
        altered = {**signed, group: signed[group][:-1] + b"?"}
        (result,) = [
            c for c in verify_document(altered, trust=trust, at=AT).results(CheckId.DG_HASH) if c.subject == group.label
        ]
        excused = group is FileId.DG12
        assert result.status is (CheckStatus.UNDETERMINED if excused else CheckStatus.FAILED)
        assert result.reason is (Reason.KNOWN_DEVIATION if excused else Reason.HASH_MISMATCH)
        assert result.evidence["known-deviations"] == "data-group-hash-wrong"
        genuine = verify_document(signed, trust=trust, at=AT)
        assert all(c.status is CheckStatus.SUCCESSFUL for c in genuine.results(CheckId.DG_HASH))


def test_a_compromised_chip_key_is_not_vouched_for_any_more() -> None:
    signed = document(PKI, {**groups(), FileId.DG15: encode(0x6F, b"key")})
    trust = store(deviation_list(line(by_serial(), description(f"{ICAO}.1.4"))))
    result = examine(signed, trust=trust, at=AT)
    statuses = {c.subject: (c.status, c.reason) for c in result.report.results(CheckId.DG_HASH)}
    assert statuses["DG15"] == (CheckStatus.UNDETERMINED, Reason.KNOWN_DEVIATION)
    assert statuses["DG14"] == (CheckStatus.SUCCESSFUL, Reason.OK)
    assert [d.defect for d in result.deviations] == [Defect.AA_KEY_COMPROMISED]


def test_inconsistent_com_is_explained_and_others_are_named() -> None:
    signed = document(PKI, com=[FileId.DG1])
    lines = (
        description(f"{ICAO}.2.4"),
        description(f"{ICAO}.2.3"),
        description(f"{ICAO}.1.2"),
        description(f"{ICAO}.3.1"),
    )
    report = verify_document(signed, trust=store(deviation_list(line(by_serial(), *lines))), at=AT)
    (com,) = report.results(CheckId.COM_SOD)
    assert (com.status, com.reason) == (CheckStatus.UNDETERMINED, Reason.KNOWN_DEVIATION)
    named = {c.check: c.evidence["known-deviations"] for c in report.checks if "known-deviations" in c.evidence}
    assert named == {
        CheckId.COM_SOD: "com-inconsistent",
        CheckId.SOD_SIGNATURE: "sod-signature-wrong",
        CheckId.DSC_CHAIN: "ds-encoding",
        CheckId.ISSUER_MRZ: "mrz-wrong-data",
    }
    assert report.status(CheckId.SOD_SIGNATURE) is CheckStatus.SUCCESSFUL


def test_a_period_needs_a_known_date_of_issue() -> None:
    trust = store(deviation_list(line(period("20240101000000Z", "20250101000000Z"), description(f"{ICAO}.4"))))
    assert examine(document(PKI), trust=trust, at=AT).deviations == ()
    options = PassiveAuthOptions(issued=datetime(2024, 5, 1))
    assert [d.defect for d in examine(document(PKI), trust=trust, at=AT, options=options).deviations] == [Defect.CHIP]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_mutated_content_gives_errors_of_the_tree_only(data: st.DataObject) -> None:
    scope = by_serial() + period("20240101000000Z", "20250101000000Z") + numbers("1", "2")
    content = bytearray(der.sequence(der.element(2, b"\0"), der.element(0x31, line(scope, HASH_WRONG_12))))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    kind = data.draw(st.sampled_from([ICAO, BSI]))
    try:
        parsed = DeviationList.parse(PKI.sign(kind, bytes(content), signer=PKI.dsc))
        find([parsed], SIGNER, document_type="I", document_number="1", issued=AT)
    except IdVerifyError:
        return


def test_a_fresh_list_of_deviations_does_not_make_old_authorities_young() -> None:
    old = "2016-01-01T00:00:00+00:00"
    builder = TrustStoreBuilder()
    builder.add(
        Certificate.parse(PKI.csca.der), EntryKind.CSCA, Provenance("l.ml", "master-list", Anchor.ROOT, None, old)
    )
    fresh = Provenance("d.dl", "deviation-list", Anchor.ROOT, None, "2026-01-01T00:00:00+00:00")
    assert builder.add_deviation_list(deviation_list(line(b"", HASH_WRONG_12)), "VN", fresh)
    assert builder.build().dated == datetime.fromisoformat(old)
