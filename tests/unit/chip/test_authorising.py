"""Terminal authentication in a session: fingerprints and irises for whoever may read them."""

from __future__ import annotations

from datetime import date
from functools import cache

import pytest

from idverify.chip.access.password import AccessPassword
from idverify.chip.access.terminal_auth import TerminalCredentials, verify_terminal_auth
from idverify.chip.access.terminal_key import InMemoryTerminalKey
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.files import FileId
from idverify.chip.pki.cvc import CvCertificate
from idverify.chip.session import DocumentSession
from idverify.chip.transport.memory import MemoryTransport
from idverify.emulator import Card, Fault, FaultKind, TestCvPki, citizen_card, personalise, pkcs8
from idverify.errors import AccessDeniedError, ConfigurationError, TransportError
from idverify.report import CheckStatus, Reason

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
    with pytest.raises(AccessDeniedError, match="chip authentication"):
        session.authenticate_terminal(credentials(authority()))
    session = DocumentSession(MemoryTransport(citizen_card(seed="none")), memory=LimitMemory())
    with pytest.raises(ConfigurationError, match="not open"):
        session.authenticate_terminal(credentials(authority()))
