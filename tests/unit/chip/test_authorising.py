"""Terminal authentication in a session: fingerprints and irises for whoever may read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache

import pytest

from idverify.chip.access.chip_auth import ChipTokenEvidence, verify_chip_token
from idverify.chip.access.password import AccessPassword
from idverify.chip.access.terminal_auth import TerminalCredentials, verify_terminal_auth
from idverify.chip.access.terminal_key import InMemoryTerminalKey
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.files import FileAddress, FileId
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.cvc import CvCertificate
from idverify.chip.pki.passive_auth import verify_document
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.session import DocumentSession, gate_chip_results
from idverify.chip.transport.memory import MemoryTransport
from idverify.crypto.block import Cipher
from idverify.emulator import (
    Card,
    Fault,
    FaultKind,
    Quirks,
    TestCvPki,
    citizen_card,
    copied_card,
    personalise,
    pkcs8,
    with_quirks,
)
from idverify.emulator.cv_pki import CvIssued
from idverify.emulator.profiles import ChipAuthSpec
from idverify.emulator.terminal_auth import ROLE_DV_DOMESTIC, ROLE_TERMINAL
from idverify.errors import ConfigurationError, TerminalKeyError, TransportError
from idverify.report import CheckResult, CheckStatus, Reason

BIOMETRIC = (FileId.DG3, FileId.DG4)


@cache
def authority(rights: int = 3) -> TestCvPki:
    return TestCvPki("authorising", rights=rights, kind="secp256r1")


@cache
def document(profile: str) -> Card:
    return personalise(profile, seed="authorising", cv_pki=authority())


def credentials(pki: TestCvPki, *, with_root: bool = True) -> TerminalCredentials:
    certificates = [*pki.chain, pki.cvca.der] if with_root else [*pki.chain]
    return TerminalCredentials.load(certificates, InMemoryTerminalKey.from_der(pkcs8(pki.terminal.key)))


def opened(card: Card) -> DocumentSession:
    session = DocumentSession(MemoryTransport(card), memory=LimitMemory(), pause=lambda seconds: None)
    session.open(AccessPassword.can(card.can) if card.can else AccessPassword.from_mrz_text(card.mrz))
    return session


@pytest.mark.parametrize("profile", ["passport-eac", "passport-eac-bac"])
@pytest.mark.parametrize("with_root", [True, False])
def test_a_terminal_with_rights_reads_everything(profile: str, with_root: bool) -> None:
    card = document(profile).fresh()
    session = opened(card)
    first = session.read_all()
    assert not set(BIOMETRIC) & set(first)
    assert all(session.unreadable[f] is Reason.ACCESS_REFUSED for f in BIOMETRIC)
    result = session.authenticate_terminal(credentials(authority(), with_root=with_root))
    assert result.accepted
    assert result.check.status is CheckStatus.SUCCESSFUL
    files = session.read_all()
    assert {f: files[f] for f in BIOMETRIC} == {f: card.files[f] for f in BIOMETRIC}
    assert result.evidence is not None
    root = CvCertificate.parse(authority().cvca.der)
    assert verify_terminal_auth(result.evidence, [root], date(2026, 1, 1))


def test_chip_authentication_before_is_not_run_again() -> None:
    card = document("passport-eac").fresh()
    session = opened(card)
    session.authenticate_chip()
    count = session.stats.apdus
    assert session.authenticate_terminal(credentials(authority())).accepted
    assert session.stats.apdus - count <= 2 + 2 * 2 + 3
    assert session.read(FileId.DG3) == card.files[FileId.DG3]


def test_rights_are_the_chip_s_to_judge() -> None:
    card = document("passport-eac").fresh()
    session = opened(card)
    assert session.authenticate_terminal(credentials(authority(1))).accepted
    session.read_all()
    assert session.read(FileId.DG3) == card.files[FileId.DG3]
    assert session.unreadable[FileId.DG4] is Reason.ACCESS_REFUSED


def test_a_terminal_of_another_authority_is_not_accepted() -> None:
    stranger = TestCvPki("stranger", kind="secp256r1", country="XX")
    session = opened(document("passport-eac").fresh())
    result = session.authenticate_terminal(credentials(stranger))
    assert (result.check.status, result.check.reason) == (CheckStatus.FAILED, Reason.TERMINAL_ISSUER_UNKNOWN)
    impostor = TestCvPki("impostor", kind="secp256r1")  # the same names, other keys
    result = session.authenticate_terminal(credentials(impostor, with_root=False))
    assert (result.check.status, result.check.reason) == (CheckStatus.FAILED, Reason.TERMINAL_CERTIFICATE_REFUSED)
    assert result.check.evidence["sw"]
    session.read_all()
    assert session.unreadable[FileId.DG3] is Reason.ACCESS_REFUSED


# Where EF.CVCA is (BSI TR-03110-3 §A.1.1.3: DG14 names it, if it is not where the standard has it)


def with_trust_file(**quirks: FileAddress) -> Card:
    return personalise("passport-eac-bac", seed="cvca", cv_pki=authority(), quirks=Quirks(**quirks))


@pytest.mark.parametrize(
    "quirks",
    [
        {"cvca_at": FileAddress(0x0120, 0x15)},
        {"cvca_at": FileAddress(0x0120)},
        {"cvca_at": FileAddress(0x0120, 0x15), "cvca_named": FileAddress(0x0120, 0x16)},
        {"cvca_at": FileAddress(0x0120, 0x15), "cvca_named": FileAddress(0x0121, 0x15)},
    ],
    ids=["both names", "no short one", "short one wrong", "long one wrong"],
)
@pytest.mark.parametrize("sfi_reading", [True, False])
def test_the_trust_file_is_read_where_dg14_says(quirks: dict[str, FileAddress], sfi_reading: bool) -> None:
    findable = quirks.get("cvca_named", quirks["cvca_at"]).fid == quirks["cvca_at"].fid or sfi_reading
    card = with_quirks(with_trust_file(**quirks).image, sfi_reading=sfi_reading)
    session = opened(Card(card))
    session.read_all()
    result = session.authenticate_terminal(credentials(authority()))
    assert (FileId.CVCA in session.files) is findable
    assert result.accepted
    if findable:
        assert session.files[FileId.CVCA] == authority().ef_cvca()
        assert "ef_cvca" not in result.check.evidence


@pytest.mark.parametrize("at", [FileAddress(0x0120, 0x15), FileAddress(0x0120)])
def test_the_trust_file_is_found_again_when_the_card_moves_while_it_is_read(at: FileAddress) -> None:
    card = with_trust_file(cvca_at=at)
    session = opened(card)
    session.read_all()
    card.faults.append(Fault(FaultKind.REMOVE, card.apdu_count))
    assert session.authenticate_terminal(credentials(authority())).accepted
    assert session.files[FileId.CVCA] == authority().ef_cvca()


def test_a_trust_file_that_is_not_where_dg14_says_is_named_and_not_looked_for_elsewhere() -> None:
    card = with_trust_file(cvca_at=FileAddress(0x011C, 0x1C), cvca_named=FileAddress(0x0120, 0x15))
    session = opened(card)
    result = session.authenticate_terminal(credentials(authority()))
    assert session.unreadable[FileId.CVCA] is Reason.FILE_ABSENT
    assert result.check.evidence["ef_cvca"] == "file-absent"
    assert result.accepted  # what the terminal knows of its own authority will do


@pytest.mark.parametrize("place", [FileAddress(0x0103, 0x15), FileAddress(0x0120, 0x1D)])
def test_a_trust_file_is_never_looked_for_in_the_place_of_another_file(place: FileAddress) -> None:
    card = with_trust_file(cvca_at=FileAddress(0x011C, 0x1C), cvca_named=place)
    session = opened(card)
    session.read_all()
    session.authenticate_terminal(credentials(authority()))
    assert session.files.get(FileId.CVCA) in (None, authority().ef_cvca())


def test_rights_are_renewed_when_the_card_moves() -> None:
    card = document("passport-eac").fresh()
    session = opened(card)
    assert session.authenticate_terminal(credentials(authority())).accepted
    card.faults.append(Fault(FaultKind.REMOVE, card.apdu_count))
    assert session.read(FileId.DG3) == card.files[FileId.DG3]
    assert session.stats.recoveries == 1


def test_a_card_that_moves_at_any_command() -> None:
    card = document("passport-eac").fresh()
    session = opened(card)
    session.authenticate_terminal(credentials(authority()))
    session.read(FileId.DG3)
    for at in range(7, card.apdu_count):
        moved = document("passport-eac").fresh(faults=[Fault(FaultKind.REMOVE, at)])
        again = opened(moved)
        try:
            assert again.authenticate_terminal(credentials(authority())).accepted, at
            assert again.read(FileId.DG3) == card.files[FileId.DG3]
        except TransportError:
            pytest.fail(f"at command {at}")


def test_documents_without_it_say_so() -> None:
    session = opened(personalise("passport-aa-ecdsa", seed="none"))
    result = session.authenticate_terminal(credentials(authority()))
    assert (result.check.status, result.check.reason) == (CheckStatus.NOT_SUPPORTED, Reason.NOT_OFFERED)
    assert not result.accepted
    assert session.authenticate_chip()[0].proven
    session = DocumentSession(MemoryTransport(citizen_card(seed="none")), memory=LimitMemory())
    with pytest.raises(ConfigurationError, match="not open"):
        session.authenticate_terminal(credentials(authority()))


# ---- the general authentication procedure ----------------------------------------------------------------------------


def opened_for(card: Card, terminal: TerminalCredentials | None, **more: object) -> DocumentSession:
    session = DocumentSession(MemoryTransport(card), memory=LimitMemory(), pause=lambda seconds: None, **more)
    session.open(AccessPassword.can(card.can or ""), terminal=terminal)
    return session


@pytest.mark.parametrize("ca", [("brainpoolP256r1", "AES-128"), ("secp384r1", "AES-256"), ("dh-2", "AES-192")])
def test_pace_then_terminal_then_chip(ca: tuple[str, str]) -> None:
    kind, label = ca
    cipher = next(c for c in Cipher if c.label == label)
    card = personalise("eid-eac2", seed=kind, cv_pki=authority(), ca=(ChipAuthSpec(kind, cipher, 1, 2),))
    session = opened_for(card, credentials(authority()))
    first = session.read_all()
    assert not set(BIOMETRIC) & set(first)
    result = session.authenticate_terminal()
    assert result.accepted
    assert result.check.evidence["version"] == "2"
    assert result.check.evidence["authority"] == authority().cvca.holder
    assert result.chip is not None
    assert result.chip.proven
    assert result.chip.facts["cipher"] == label
    assert result.chip.result.reason is Reason.KEY_NOT_VOUCHED
    files = session.read_all()
    assert {f: files[f] for f in BIOMETRIC} == {f: card.files[f] for f in BIOMETRIC}
    count = session.stats.apdus
    assert session.authenticate_chip()[1] is result.chip
    assert session.stats.apdus == count
    trust = TrustStore.from_certificates([Certificate.parse(c) for c in card.trust_anchors])
    report = verify_document(files, trust=trust, at=datetime(2026, 1, 1, tzinfo=UTC))
    (gated,) = gate_chip_results([result.chip], report)
    assert (gated.status, gated.subject) == (CheckStatus.SUCCESSFUL, "EF.CardSecurity")
    evidence = result.chip.evidence
    assert isinstance(evidence, ChipTokenEvidence)
    assert verify_chip_token(evidence.public_key, evidence)
    root = CvCertificate.parse(authority().cvca.der)
    assert result.evidence is not None
    assert verify_terminal_auth(result.evidence, [root], date(2026, 1, 1))


def test_a_copy_of_an_identity_card_is_found_out() -> None:
    card = copied_card(personalise("eid-eac2", seed="copy", cv_pki=authority()))
    copy = Card(with_quirks(card.image, ca_other_key=True))
    session = opened_for(copy, credentials(authority()))
    result = session.authenticate_terminal()
    assert result.chip is not None
    assert not result.chip.proven
    assert result.chip.result.status is CheckStatus.FAILED


def test_an_unannounced_terminal_shows_what_it_has() -> None:
    card = personalise("eid-eac2", seed="unannounced", cv_pki=authority())
    session = opened_for(card, None)
    with pytest.raises(ConfigurationError, match="certificates"):
        session.authenticate_terminal()
    assert session.authenticate_terminal(credentials(authority())).accepted
    assert session.read(FileId.DG4) == card.files[FileId.DG4]


def test_an_identity_card_that_moves_at_any_command() -> None:
    card = personalise("eid-eac2", seed="moves", cv_pki=authority())
    session = opened_for(card, credentials(authority()))
    opening = card.apdu_count
    session.authenticate_terminal()
    session.read(FileId.DG3)
    for at in range(opening, card.apdu_count):
        moved = card.fresh(faults=[Fault(FaultKind.REMOVE, at)])
        again = opened_for(moved, credentials(authority()))
        result = again.authenticate_terminal()
        assert result.accepted, at
        assert result.chip is not None
        assert result.chip.proven
        assert again.read(FileId.DG3) == card.files[FileId.DG3]


# ---- why a terminal is not let in -----------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["passport-eac", "eid-eac2"])
def test_reasons(profile: str) -> None:
    pki = authority()
    card = personalise(profile, seed="reasons", cv_pki=pki)
    old = pki.issue("IS", 7, pki.dv, ROLE_TERMINAL | 3, effective=date(2020, 1, 1), expires=date(2021, 1, 1))
    direct = pki.issue("IS", 8, pki.cvca, ROLE_TERMINAL | 3)

    def outcome(issued: CvIssued, *issuers: bytes, on: date | None = None) -> CheckResult:
        key = InMemoryTerminalKey.from_der(pkcs8(issued.key))
        terminal = TerminalCredentials.load([issued.der, *issuers], key)
        return opened_for(card.fresh(), terminal).authenticate_terminal(on=on).check

    known = (pki.dv.der, pki.cvca.der)
    check = outcome(old, *known, on=date(2026, 1, 1))
    assert (check.status, check.reason) == (CheckStatus.FAILED, Reason.EXPIRED)
    check = outcome(old, *known)  # its own chip is of 2022
    assert (check.reason, check.evidence["holder"]) == (Reason.TERMINAL_CERTIFICATE_REFUSED, old.holder)
    check = outcome(pki.terminal, *known, on=date(2023, 1, 1))
    assert check.reason is Reason.NOT_YET_VALID
    check = outcome(direct, pki.cvca.der)
    assert (check.status, check.reason) == (CheckStatus.FAILED, Reason.TERMINAL_ROLE)
    stranger = TestCvPki("stranger", kind="secp256r1", country="XX")
    check = outcome(stranger.terminal, *stranger.chain[:1], stranger.cvca.der)
    assert check.reason is Reason.TERMINAL_ISSUER_UNKNOWN
    assert check.evidence["trusted"] == pki.cvca.holder
    wrong = TerminalCredentials.load((*pki.chain, pki.cvca.der), InMemoryTerminalKey.from_der(pkcs8(pki.dv.key)))
    with pytest.raises(TerminalKeyError):
        opened_for(card.fresh(), wrong).authenticate_terminal()
    unchecked = TerminalCredentials.load(pki.chain, wrong.key)  # without the CVCA only the chip can tell
    check = opened_for(card.fresh(), unchecked).authenticate_terminal().check
    assert (check.status, check.reason) == (CheckStatus.FAILED, Reason.TERMINAL_PROOF_REFUSED)
    check = opened_for(card.fresh(), credentials(authority(1))).authenticate_terminal().check
    assert (check.status, check.reason) == (CheckStatus.SUCCESSFUL, Reason.RIGHTS_INSUFFICIENT)
    assert (check.evidence["reads"], check.evidence["missing"]) == ("DG3", "DG4")


def test_a_link_certificate_leads_to_the_new_authority() -> None:
    pki = authority()
    card = personalise("passport-eac", seed="link", cv_pki=pki)
    link = pki.link()
    dv = pki.issue("DV", 20, link, ROLE_DV_DOMESTIC | 3)
    terminal = pki.issue("IS", 20, dv, ROLE_TERMINAL | 3)
    key = InMemoryTerminalKey.from_der(pkcs8(terminal.key))
    shown = TerminalCredentials.load((terminal.der, link.der, dv.der, pki.cvca.der), key)
    session = opened_for(card, None)
    result = session.authenticate_terminal(shown)
    assert result.accepted
    assert result.evidence is not None
    assert len(result.evidence.certificates) == 3
    assert session.read(FileId.DG3) == card.files[FileId.DG3]


@pytest.mark.parametrize(("kind", "hash_name"), [("secp384r1", "sha384"), ("rsa-2048", "sha256")])
def test_other_keys_of_terminals(kind: str, hash_name: str) -> None:
    pki = TestCvPki("kinds", kind=kind, hash_name=hash_name)
    for profile in ("passport-eac-bac", "eid-eac2"):
        card = personalise(profile, seed="kinds", cv_pki=pki)
        session = DocumentSession(MemoryTransport(card), memory=LimitMemory())
        session.open(AccessPassword.from_mrz_text(card.mrz), terminal=credentials(pki))
        assert session.authenticate_terminal().accepted
        assert session.read(FileId.DG3) == card.files[FileId.DG3]


def test_a_copied_passport_is_no_exception() -> None:
    card = document("passport-eac")
    copy = Card(with_quirks(card.image, ca_other_key=True))
    session = opened(copy)
    result = session.authenticate_terminal(credentials(authority()))
    assert (result.check.status, result.check.reason) == (CheckStatus.NOT_PERFORMED, Reason.CHIP_PROOF_INVALID)
    session.read_all()
    assert session.unreadable[FileId.DG3] is Reason.ACCESS_REFUSED
    chip = session.authenticate_chip()[1]
    assert (chip.status, chip.proven) == (CheckStatus.FAILED, False)


def test_a_bare_answer_after_chip_authentication_is_no_copy() -> None:
    card = document("passport-eac").fresh()
    session = opened(card)
    session.read_all()
    card.faults.append(Fault(FaultKind.RESET, card.apdu_count + 2))  # at the first command under the new keys
    assert session.authenticate_terminal(credentials(authority())).accepted
    assert session.read(FileId.DG3) == card.files[FileId.DG3]


def test_an_identity_card_without_a_key_in_its_card_security() -> None:
    card = personalise("eid-eac2", seed="keyless", cv_pki=authority(), ca=())
    session = opened_for(card, credentials(authority()))
    result = session.authenticate_terminal()
    assert (result.check.status, result.check.reason) == (CheckStatus.NOT_SUPPORTED, Reason.NOT_OFFERED)
    whole = personalise("eid-eac2", seed="keyless", cv_pki=authority())
    damaged = Card(replace(whole.image, files={**whole.image.files, FileId.CARD_SECURITY: b"\x30\x03\x02\x01\x01"}))
    session = opened_for(damaged, credentials(authority()))
    result = session.authenticate_terminal()
    assert result.accepted
    assert result.chip is not None
    assert (result.chip.status, result.chip.reason) == (CheckStatus.FAILED, Reason.CHIP_REFUSED)
    assert session.read(FileId.DG1) == whole.files[FileId.DG1]
