"""Copies that avoid the question: everything that the issuer signed, and no key of the chip's.

A copy has all files of a genuine document and speaks every protocol, but not with the chip's private keys. It may keep
back what leads to the question, announce another protocol than the one it would be caught by, or let a genuine chip
answer for it while the files come from itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import pytest

from idverify.chip.access.password import AccessPassword
from idverify.chip.access.terminal_auth import TerminalCredentials
from idverify.chip.access.terminal_key import InMemoryTerminalKey
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.com import EfCom
from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import PaceInfo, SecurityInfos, TerminalAuthenticationInfo
from idverify.chip.pki.passive_auth import verify_document
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.session import DocumentSession, gate_chip_results
from idverify.chip.transport.memory import MemoryTransport
from idverify.decision import COUNTER, STRICT, Outcome
from idverify.emulator import Card, Fault, FaultKind, TestCvPki, copied_card, personalise, pkcs8, with_files
from idverify.errors import AccessDeniedError
from idverify.report import CheckId, CheckStatus, Reason, VerificationReport
from idverify.verification import VerificationResult, verify

AT = datetime(2026, 6, 1, tzinfo=UTC)
FACELESS = replace(COUNTER, id="faceless", face_fmr=None)
QUICK = {"pause": lambda seconds: None, "memory": LimitMemory()}


@cache
def document(profile: str, seed: str = "copies") -> Card:
    return personalise(profile, seed=seed, cv_pki=terminals())


@cache
def terminals() -> TestCvPki:
    return TestCvPki("copies", kind="secp256r1")


def credentials() -> TerminalCredentials:
    key = InMemoryTerminalKey.from_der(pkcs8(terminals().terminal.key))
    return TerminalCredentials.load([*terminals().chain, terminals().cvca.der], key)


def password(card: Card) -> AccessPassword:
    return AccessPassword.can(card.can) if card.can else AccessPassword.from_mrz_text(card.mrz)


def judged(card: Card, terminal: TerminalCredentials | None = None) -> VerificationResult:
    trust = TrustStore.from_certificates(card.trust_anchors)
    return verify(MemoryTransport(card), password(card), trust=trust, policy=FACELESS, at=AT, terminal=terminal)


def chip(report: VerificationReport) -> tuple[CheckStatus, Reason, str | None]:
    (result,) = report.results(CheckId.CHIP_AUTHENTICATION)
    return result.status, result.reason, result.subject


def without_dg14(card: Card) -> Card:
    return with_files(card, {FileId.DG14: None})


def without_dg14_and_unlisted(card: Card) -> Card:
    listed = [g for g in EfCom.parse(card.files[FileId.COM]).data_groups if g is not FileId.DG14]
    return with_files(card, {FileId.DG14: None, FileId.COM: EfCom.encode(listed, lds_version="0107")})


def without_card_security(card: Card) -> Card:
    return with_files(card, {FileId.CARD_SECURITY: None})


def without_keys(card: Card) -> Card:
    return without_card_security(without_dg14(card))


@pytest.mark.parametrize("profile", ["passport-pace-im", "passport-pace-cam", "cccd-2021", "passport-eac-bac"])
def test_the_genuine_documents_are_accepted(profile: str) -> None:
    result = judged(document(profile).fresh())
    assert result.decision.outcome is Outcome.ACCEPT
    assert chip(result.report)[0] is CheckStatus.SUCCESSFUL


@pytest.mark.parametrize(
    ("profile", "alter", "expected"),
    [
        ("passport-pace-im", without_dg14, (CheckStatus.UNDETERMINED, Reason.KEY_MISSING, "DG14")),
        ("passport-pace-im", without_dg14_and_unlisted, (CheckStatus.UNDETERMINED, Reason.KEY_MISSING, "DG14")),
        ("passport-eac-bac", without_dg14, (CheckStatus.UNDETERMINED, Reason.KEY_MISSING, "DG14")),
        ("passport-pace-cam", without_card_security, (CheckStatus.FAILED, Reason.CHIP_PROOF_INVALID, "DG14")),
        ("passport-pace-cam", without_keys, (CheckStatus.NOT_PERFORMED, Reason.KEY_MISSING, "EF.CardSecurity")),
    ],
)
def test_a_copy_that_keeps_its_key_back_is_not_accepted(
    profile: str, alter: Callable[[Card], Card], expected: tuple[CheckStatus, Reason, str]
) -> None:
    result = judged(alter(copied_card(document(profile))))
    assert result.decision.outcome is not Outcome.ACCEPT
    assert chip(result.report) == expected


def test_a_document_without_any_key_still_has_nothing_to_show() -> None:
    result = judged(document("passport-bac").fresh())
    assert chip(result.report) == (CheckStatus.NOT_SUPPORTED, Reason.NOT_OFFERED, "DG14")
    assert result.decision.outcome is Outcome.ACCEPT
    assert STRICT.chip_proof_absent is Outcome.REVIEW


def test_a_genuine_card_without_its_card_security_proves_itself_with_the_key_of_dg14() -> None:
    result = judged(without_card_security(document("passport-pace-cam")))
    assert chip(result.report) == (CheckStatus.SUCCESSFUL, Reason.OK, "DG14")


def test_announcing_version_2_of_terminal_authentication_spares_nobody_version_1() -> None:
    """The copy claims a procedure for which it has no key, so that chip authentication would not be asked for."""
    copy = copied_card(document("passport-eac"))
    pace = [i for i in SecurityInfos.parse_card_access(copy.files[FileId.CARD_ACCESS]).infos if isinstance(i, PaceInfo)]
    access = SecurityInfos.of([TerminalAuthenticationInfo(version=2), *pace]).encode()
    result = judged(with_files(copy, {FileId.CARD_ACCESS: access}), credentials())
    assert chip(result.report) == (CheckStatus.FAILED, Reason.CHIP_PROOF_INVALID, "DG14")
    assert result.decision.outcome is Outcome.REJECT


# ---- a genuine chip answers for the copy -------------------------------------------------------------------------


class Relay(MemoryTransport):
    """A device that lets a genuine chip answer, and after the next reset a copy of another document."""

    def __init__(self, genuine: Card, copy: Card) -> None:
        super().__init__(genuine)
        self.copy = copy
        self.resets = 0

    def reconnect(self) -> None:
        self.resets += 1
        self._card = self.copy
        super().reconnect()


def helped(helper: Card, victim: Card) -> Card:
    """A copy of ``victim`` that opens as ``helper`` does."""
    copy = copied_card(victim)
    return Card(replace(copy.image, can=helper.can, pin=helper.image.pin))


def test_a_mapping_shown_by_another_chip_before_the_card_moved_is_worth_nothing() -> None:
    """EF.CardSecurity is bound to the data groups by the secure channel alone."""
    helper, victim = document("passport-pace-cam", "helper"), document("passport-pace-cam", "victim")
    card = helper.fresh()
    trust = TrustStore.from_certificates([*helper.trust_anchors, *victim.trust_anchors])
    with DocumentSession(Relay(card, helped(helper, victim)), **QUICK) as session:
        session.open(password(helper))
        assert FileId.CARD_SECURITY in session.files
        card.faults.append(Fault(FaultKind.REMOVE, card.apdu_count))
        session.read_all()
        assert session.stats.recoveries == 1
        assert all(session.files[f] == victim.files[f] for f in (FileId.SOD, FileId.DG1, FileId.DG2))
        proofs = session.authenticate_chip()
        report = verify_document(session.files, trust=trust, at=AT)
    assert report.status(CheckId.CARD_SECURITY) is CheckStatus.SUCCESSFUL
    assert {c.status for c in report.results(CheckId.DG_HASH)} == {CheckStatus.SUCCESSFUL}
    (_, proof) = gate_chip_results(proofs, report)
    assert (proof.status, proof.reason) == (CheckStatus.FAILED, Reason.CHIP_PROOF_INVALID)


def test_a_genuine_card_that_moved_shows_its_mapping_each_time() -> None:
    genuine = document("passport-pace-cam")
    card = genuine.fresh(faults=[Fault(FaultKind.REMOVE, 14)])
    trust = TrustStore.from_certificates(genuine.trust_anchors)
    transport = Relay(card, card)
    result = verify(transport, password(card), trust=trust, policy=FACELESS, at=AT)
    assert transport.resets == 1
    assert chip(result.report) == (CheckStatus.SUCCESSFUL, Reason.OK, "EF.CardSecurity")
    assert result.decision.outcome is Outcome.ACCEPT


def test_what_was_read_before_chip_authentication_2_is_read_again_under_its_keys() -> None:
    card = document("eid-eac2").fresh()
    with DocumentSession(MemoryTransport(card), **QUICK) as session:
        session.open(password(card), terminal=credentials())
        before = session.read(FileId.DG1)
        session.read(FileId.SOD)
        assert session.authenticate_terminal().accepted
        assert not {FileId.DG1, FileId.SOD} & set(session.files)
        assert session.read(FileId.DG1) == before


@pytest.mark.parametrize("accepts_the_terminal", [True, False])
def test_a_copy_does_not_take_over_after_chip_authentication_2(accepts_the_terminal: bool) -> None:
    helper, victim = document("eid-eac2", "helper"), document("eid-eac2", "victim")
    copy = helped(helper, victim)
    if not accepts_the_terminal:
        stranger = personalise("eid-eac2", seed="stranger", cv_pki=TestCvPki("stranger", kind="secp256r1"))
        copy = Card(replace(copy.image, terminal=stranger.image.terminal))
    relay = Relay(helper.fresh(), copy)
    with DocumentSession(relay, **QUICK) as session:
        session.open(password(helper), terminal=credentials())
        assert session.authenticate_terminal().accepted
        relay._card.faults.append(Fault(FaultKind.REMOVE, relay._card.apdu_count + 2))  # type: ignore[attr-defined]
        with pytest.raises(AccessDeniedError, match="not shown its key again"):
            session.read_all()
        assert not {FileId.DG1, FileId.DG2} & set(session.files)
