"""EF.CardAccess against the signed copies of it (ICAO 9303-11 §4.2 step 3, §9.2.11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import pytest

from idverify import _tlv
from idverify.chip.access.password import AccessPassword
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import (
    PaceDomainParameterInfo,
    PaceInfo,
    SecurityInfo,
    SecurityInfos,
    TerminalAuthenticationInfo,
    UnknownSecurityInfo,
    standardized_algorithm_identifier,
)
from idverify.chip.pki.passive_auth import verify_document
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.transport.memory import MemoryTransport
from idverify.crypto.block import Cipher
from idverify.decision import COUNTER, STRICT, Outcome
from idverify.emulator import Card, PaceOption, Quirks, downgraded_card, personalise, with_files
from idverify.errors import MalformedDataError
from idverify.report import CheckId, CheckResult, CheckStatus, Reason
from idverify.verification import VerificationResult, verify

AT = datetime(2026, 6, 1, tzinfo=UTC)
ACCESS, GROUP = FileId.CARD_ACCESS, FileId.DG14
CHECK = CheckId.CARD_ACCESS
OK, FAILED, UNDETERMINED = CheckStatus.SUCCESSFUL, CheckStatus.FAILED, CheckStatus.UNDETERMINED
GM_128, GM_256 = "0.4.0.127.0.7.2.2.4.2.2", "0.4.0.127.0.7.2.2.4.2.4"
FAMILY = GM_128.rpartition(".")[0]


@cache
def document(profile: str = "passport-eac") -> Card:
    return personalise(profile, seed="card access")


def sloppy(profile: str = "passport-eac") -> Card:
    """As issued by somebody who has not repeated EF.CardAccess in DG14."""
    return personalise(profile, seed="card access", quirks=Quirks(dg14_pace=False))


def judged(
    card: Card, *, absent: bool = False, trust: TrustStore | None = None, without: tuple[FileId, ...] = ()
) -> CheckResult | None:
    """``pa.card-access`` of the card's files."""
    files = {f: raw for f, raw in card.files.items() if f not in without}
    unreadable = {ACCESS: Reason.FILE_ABSENT} if absent else {}
    unreadable |= dict.fromkeys(without, Reason.NOT_READ)
    store = TrustStore.from_certificates(card.trust_anchors) if trust is None else trust
    report = verify_document(files, trust=store, at=AT, unreadable=unreadable)
    found = report.results(CHECK)
    assert len(found) <= 1
    return found[0] if found else None


def outcome(result: CheckResult | None) -> tuple[CheckStatus, Reason]:
    assert result is not None
    return result.status, result.reason


def infos(card: Card) -> list[SecurityInfo]:
    return list(SecurityInfos.parse_card_access(card.files[ACCESS]).infos)


def with_access(card: Card, *offered: SecurityInfo) -> Card:
    return with_files(card, {ACCESS: SecurityInfos.of(offered).encode()})


def signed_with(*, access: list[SecurityInfo], dg14: list[SecurityInfo]) -> Card:
    """A document whose issuer wrote these infos into EF.CardAccess and DG14."""
    raw = DG14.encode(SecurityInfos.of(dg14))
    return personalise(
        "passport-eac", seed="issuer", extra_files={GROUP: raw, ACCESS: SecurityInfos.of(access).encode()}
    )


PACE = PaceInfo(GM_128, 2, 13)


# ---- documents as they are issued --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "profile",
    [
        "cccd-2021", "cccd-2024", "passport-pace-im", "passport-pace-cam", "passport-pace-many", "passport-pace-3des",
        "passport-eac", "eid-eac2",
    ],
)  # fmt: skip
def test_a_genuine_document_says_the_same_twice(profile: str) -> None:
    result = judged(document(profile))
    assert outcome(result) == (OK, Reason.OK)
    assert result is not None
    both = profile in ("passport-pace-cam", "eid-eac2")
    assert result.evidence == {"compared-with": "DG14 EF.CardSecurity" if both else "DG14"}


HARMLESS: dict[str, tuple[list[SecurityInfo], list[SecurityInfo]]] = {
    "another order": ([PACE, PaceInfo(GM_256, 2, 17)], [PaceInfo(GM_256, 2, 17), PACE]),
    "more in DG14": ([PACE], [PACE, TerminalAuthenticationInfo(version=1, cvca_fid=0x011C, cvca_sfi=0x1C)]),
    "EF.CVCA named in DG14 only": (
        [TerminalAuthenticationInfo(version=1), PACE],
        [TerminalAuthenticationInfo(version=1, cvca_fid=0x011C), PACE],
    ),
    "unknown in EF.CardAccess": ([PACE, UnknownSecurityInfo("1.2.3.4", b"\x02\x01\x01")], [PACE]),
    "the number of standard parameters again": (
        [PACE],
        [PACE, PaceDomainParameterInfo(FAMILY, standardized_algorithm_identifier(13), 13)],
    ),
    "twice": ([PACE, PACE], [PACE]),
    "parameters that nobody refers to": (
        [PACE],
        [PACE, PaceDomainParameterInfo(FAMILY, standardized_algorithm_identifier(12), 77)],
    ),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_differences(name: str) -> None:
    access, dg14 = HARMLESS[name]
    assert outcome(judged(signed_with(access=access, dg14=dg14))) == (OK, Reason.OK)


def test_encoding_and_trailing_bytes_do_not_matter() -> None:
    card = document()
    long_form = _tlv.encode(0x31, *(i.raw for i in infos(card)))
    long_form = b"\x31\x81" + long_form[1:] + b"\0\0\0"
    assert outcome(judged(with_files(card, {ACCESS: long_form}))) == (OK, Reason.OK)


def test_an_issuer_who_did_not_repeat_it_leaves_the_question_open() -> None:
    card = sloppy()
    result = judged(card)
    assert outcome(result) == (UNDETERMINED, Reason.CARD_ACCESS_UNSIGNED)
    assert result is not None
    assert result.evidence == {"only-in-card-access": f"{GM_128}/13"}
    ungrouped = personalise("passport-pace-im", seed="no DG14", groups=(FileId.DG1, FileId.DG2), ca=())
    assert outcome(judged(ungrouped)) == (UNDETERMINED, Reason.CARD_ACCESS_UNSIGNED)


def test_card_security_does_where_dg14_says_nothing() -> None:
    card = sloppy("passport-pace-cam")
    result = judged(card)
    assert outcome(result) == (OK, Reason.OK)
    assert result is not None
    assert result.evidence == {"compared-with": "EF.CardSecurity"}
    result = judged(downgraded_card(card, "GM"))
    assert outcome(result) == (FAILED, Reason.CARD_ACCESS_DIFFERS)
    assert result is not None
    assert set(result.evidence) == {"compared-with", "only-in-card-security"}


def test_without_pace_there_is_nothing_to_compare() -> None:
    for profile in ("passport-bac", "passport-eac-bac"):
        assert outcome(judged(document(profile), absent=True)) == (CheckStatus.NOT_SUPPORTED, Reason.NOT_OFFERED)
        assert judged(document(profile)) is None, "files that somebody else has read, and no word of EF.CardAccess"


def test_files_without_card_access_may_not_have_been_read() -> None:
    assert outcome(judged(document(), without=(ACCESS,))) == (CheckStatus.NOT_PERFORMED, Reason.NOT_READ)


# ---- altered ones ------------------------------------------------------------------------------------------------

ALTERED: dict[str, tuple[str, Callable[[Card], Card], set[str]]] = {
    "without CAM": ("passport-pace-cam", lambda c: downgraded_card(c, "GM"), {"only-in-dg14", "only-in-card-security"}),
    "without the stronger ciphers": (
        "passport-pace-many",
        lambda c: with_access(c, *(i for i in infos(c) if not isinstance(i, PaceInfo) or i.cipher == "AES-128")),
        {"only-in-dg14"},
    ),
    "without PACE": (
        "passport-eac",
        lambda c: with_access(c, *(i for i in infos(c) if not isinstance(i, PaceInfo))),
        {"only-in-dg14"},
    ),
    "another way": (
        "passport-eac",
        lambda c: with_access(c, PaceInfo("0.4.0.127.0.7.2.2.4.2.1", 2, 13)),
        {"only-in-dg14", "only-in-card-access"},
    ),
    "one way more": (
        "passport-eac",
        lambda c: with_access(c, *infos(c), PaceInfo(GM_256, 2, 8)),
        {"only-in-card-access"},
    ),
    "another group": (
        "passport-eac",
        lambda c: with_access(c, PaceInfo(GM_128, 2, 12)),
        {"only-in-dg14", "only-in-card-access"},
    ),
    "parameters of its own under the same number": (
        "passport-eac",
        lambda c: with_access(
            c, *infos(c), PaceDomainParameterInfo(FAMILY, standardized_algorithm_identifier(12), 13)
        ),
        {"only-in-dg14", "only-in-card-access"},
    ),
    "one that cannot be read": (
        "passport-eac",
        lambda c: with_files(c, {ACCESS: c.files[ACCESS].replace(PACE.encode(), PACE.encode()[:-1] + b"\xff")}),
        {"only-in-dg14", "only-in-card-access"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_card_access_has_failed(name: str) -> None:
    profile, alter, expected = ALTERED[name]
    result = judged(alter(document(profile)))
    assert outcome(result) == (FAILED, Reason.CARD_ACCESS_DIFFERS)
    assert result is not None
    assert set(result.evidence) - {"compared-with"} == expected


@pytest.mark.parametrize("profile", ["passport-eac", "cccd-2021"])
def test_one_that_is_hidden_or_unreadable_has_failed(profile: str) -> None:
    hidden = judged(downgraded_card(document(profile)), absent=True)
    assert outcome(hidden) == (FAILED, Reason.CARD_ACCESS_DIFFERS)
    assert hidden is not None
    assert hidden.evidence["only-in-dg14"] == f"{GM_128}/13"
    garbled = judged(with_files(document(profile), {ACCESS: b"\x31\x05\x30\x7f\x00\x00\x00"}))
    assert outcome(garbled) == (FAILED, Reason.FILE_MALFORMED)


def test_every_byte_counts_or_means_nothing() -> None:
    """One altered bit in EF.CardAccess: noticed, or the ways of PACE are still those that were signed."""
    card = document()
    raw, noticed = card.files[ACCESS], 0
    pace = {(i.protocol, i.version, i.parameter_id) for i in SecurityInfos.parse_card_access(raw).pace}
    for at in range(len(raw)):
        altered = raw[:at] + bytes([raw[at] ^ 1 << at % 8]) + raw[at + 1 :]
        status, _ = outcome(judged(with_files(card, {ACCESS: altered})))
        if status is OK:
            same = SecurityInfos.parse_card_access(altered).pace
            assert {(i.protocol, i.version, i.parameter_id) for i in same} == pace
        else:
            assert status is FAILED
            noticed += 1
    assert noticed >= len(PACE.encode())


# ---- what is not to be relied on ---------------------------------------------------------------------------------


def test_a_dg14_that_nobody_vouches_for_settles_nothing() -> None:
    card = document()
    downgraded = with_access(card, PaceInfo(GM_128, 2, 12))
    empty = TrustStore.from_certificates([])
    assert outcome(judged(card, trust=empty)) == (UNDETERMINED, Reason.CSCA_NOT_FOUND)
    forged = DG14.encode(SecurityInfos.of([PaceInfo(GM_128, 2, 12)]))
    assert outcome(judged(with_files(downgraded, {GROUP: forged}))) == (UNDETERMINED, Reason.HASH_MISMATCH)
    assert outcome(judged(card, without=(GROUP,))) == (UNDETERMINED, Reason.NOT_READ)
    assert outcome(judged(card, without=(FileId.SOD,))) == (UNDETERMINED, Reason.NOT_READ)
    broken = personalise("passport-eac", seed="broken", extra_files={GROUP: b"\x6e\x03\x31\x01\x30"})
    assert outcome(judged(broken)) == (UNDETERMINED, Reason.FILE_MALFORMED)


def test_one_broken_info_of_dg14_does_not_hide_the_others() -> None:
    raw = DG14.encode(SecurityInfos.of([PaceInfo(GM_256, 9, 17), PACE]))
    with pytest.raises(MalformedDataError):
        DG14.parse(raw)
    card = personalise("passport-eac", seed="half", extra_files={GROUP: raw, ACCESS: SecurityInfos.of([PACE]).encode()})
    assert outcome(judged(card)) == (OK, Reason.OK)


# ---- the whole: whoever stands between reader and chip -----------------------------------------------------------

FACELESS = (replace(COUNTER, id="counter", face_fmr=None), replace(STRICT, id="strict", face_fmr=None))


def transaction(card: Card, password: AccessPassword, *, strict: bool) -> VerificationResult:
    trust = TrustStore.from_certificates(card.trust_anchors)
    return verify(MemoryTransport(card), password, trust=trust, policy=FACELESS[strict], at=AT)


@pytest.mark.parametrize(
    ("profile", "mappings", "access"),
    [("passport-pace-cam", ("GM",), "pace"), ("passport-eac", (), "bac"), ("cccd-2021", (), "bac")],
)
def test_a_downgrade_between_reader_and_a_genuine_chip_is_not_accepted(
    profile: str, mappings: tuple[str, ...], access: str
) -> None:
    """The chip is genuine and proves itself; only EF.CardAccess was exchanged on the way."""
    card = document(profile)
    password = AccessPassword.from_mrz_text(card.mrz)
    assert transaction(card.fresh(), password, strict=False).decision.outcome is Outcome.ACCEPT
    for strict, expected in ((False, Outcome.REVIEW), (True, Outcome.REJECT)):
        result = transaction(downgraded_card(card, *mappings), password, strict=strict)
        assert result.session.access == access
        assert result.report.status(CheckId.CHIP_AUTHENTICATION) is OK
        assert result.decision.outcome is expected
        assert "pa.card-access: card-access-differs" in result.decision.reasons


def test_a_sloppy_issuer_s_document_is_accepted_at_a_counter_and_reviewed_where_strict() -> None:
    card = sloppy()
    password = AccessPassword.can(card.can or "")
    assert transaction(card.fresh(), password, strict=False).decision.outcome is Outcome.ACCEPT
    result = transaction(card.fresh(), password, strict=True)
    kept = tuple(r for r in STRICT.requirements if r.check is CHECK)
    alone = replace(STRICT, id="alone", requirements=kept, groups=(), face_fmr=None, chip_proof=False)
    assert alone.decide(result.report).outcome is Outcome.REVIEW
    assert "pa.card-access: card-access-unsigned" in result.decision.reasons


def test_one_of_several_options_taken_away() -> None:
    options = (PaceOption("GM", 13, Cipher.AES256), PaceOption("GM", 13, Cipher.AES128))
    card = personalise("passport-eac", seed="options", pace=options)
    weaker = with_access(card, *(i for i in infos(card) if not isinstance(i, PaceInfo) or i.cipher == "AES-128"))
    assert outcome(judged(card)) == (OK, Reason.OK)
    result = judged(weaker)
    assert outcome(result) == (FAILED, Reason.CARD_ACCESS_DIFFERS)
    assert result is not None
    assert result.evidence["only-in-dg14"] == f"{GM_256}/13"
