"""A session from presentation to the last file, on emulated cards in memory."""

from __future__ import annotations

import functools
import itertools
import math
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from idverify.chip.access.password import AccessPassword
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.files import FileId
from idverify.chip.pki.passive_auth import verify_document
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.session import DocumentSession, Phase, Progress, ReadOptions
from idverify.chip.transport.memory import MAX_SHORT_APDU, MemoryTransport
from idverify.emulator import Card, Fault, FaultKind, Quirks, citizen_card, flip_byte, personalise, with_quirks
from idverify.emulator.portrait import default_portrait
from idverify.errors import (
    AccessDeniedError,
    ApplicationNotFoundError,
    CardLockedError,
    CardRemovedError,
    ConfigurationError,
    FileNotFoundOnCardError,
    IdVerifyError,
    OperationCancelled,
    ProtocolError,
    SecureMessagingError,
    SecurityStatusError,
    TransportError,
    TransportTimeout,
    WrongPasswordError,
)
from idverify.report import CheckId, CheckStatus, Reason

QUICK = {"pause": lambda seconds: None}
READ = (FileId.COM, FileId.SOD, FileId.DG1, FileId.DG2, FileId.DG13, FileId.DG14, FileId.DG15)


@pytest.fixture(scope="module")
def citizen() -> Card:
    return citizen_card(seed="session", aa="brainpoolP256r1")


def quirky(card: Card, **changes: object) -> Card:
    return Card(with_quirks(card.image, **changes), sleep=lambda seconds: None)


def session_of(card: Card, **more: object) -> DocumentSession:
    transport = MemoryTransport(card, max_apdu_size=more.pop("max_apdu_size", 65544))
    more.setdefault("memory", LimitMemory())
    return DocumentSession(transport, **QUICK, **more)


def work(session: DocumentSession, *passwords: AccessPassword) -> dict[FileId, bytes]:
    session.open(passwords)
    return session.read_all()


def can(card: Card) -> AccessPassword:
    return AccessPassword.can(card.can or "")


def mrz(card: Card) -> AccessPassword:
    return AccessPassword.from_mrz_text(card.mrz)


def wrong_can(card: Card) -> AccessPassword:
    return AccessPassword.can(f"{(int(card.can or '0') + 1) % 1000000:06d}")


# ---- the straight way -------------------------------------------------------------------------------------------


def test_a_citizen_card_is_read_with_its_can(citizen: Card) -> None:
    card = citizen.fresh()
    with session_of(card) as session:
        (check,) = session.open(can(card))
        files = session.read_all()
    assert (check.check, check.status) == (CheckId.ACCESS_PACE, CheckStatus.SUCCESSFUL)
    assert check.evidence["password"] == "CAN"
    assert session.access == "pace"
    assert set(files) == {FileId.CARD_ACCESS, *READ}
    assert all(card.files[f] == raw for f, raw in files.items())
    assert session.unreadable == {FileId.DG3: Reason.ACCESS_REFUSED}
    assert list(files)[1:] == [
        FileId.COM, FileId.SOD, FileId.DG14, FileId.DG15, FileId.DG1, FileId.DG2, FileId.DG13,
    ]  # fmt: skip
    stats = session.stats
    assert stats.cipher == "AES-128"
    assert stats.files[FileId.DG2].bytes == len(card.files[FileId.DG2])
    assert set(stats.milliseconds) == {"connect", "access", "read"}
    assert stats.recoveries == 0


def test_short_apdus_stay_near_the_arithmetic_minimum(citizen: Card) -> None:
    card = citizen.fresh()
    options = ReadOptions(force_short_apdu=True, skip=frozenset({FileId.DG3}))
    with session_of(card, options=options) as session:
        session.open(can(card))
        opened = session.stats.apdus
        files = session.read_all()
    least = sum(math.ceil(len(raw) / 223) for f, raw in files.items() if f is not FileId.CARD_ACCESS)
    assert session.stats.apdus - opened == least
    assert opened == 1 + 5 + 1, "EF.CardAccess, PACE, SELECT"


def test_the_portrait_comes_before_all_that_trust_does_not_need(citizen: Card) -> None:
    """EF.SOD and the keys of the chip first, then holder and portrait, each handed out while the rest is to come."""
    seen: list[tuple[FileId, int]] = []
    card = citizen.fresh()
    with session_of(card, on_file=lambda file, raw: seen.append((file, card.apdu_count))) as session:
        session.open(can(card))
        session.read_all()
    files = [file for file, _ in seen]
    assert files[: files.index(FileId.DG2) + 1] == [
        FileId.COM, FileId.SOD, FileId.DG14, FileId.DG15, FileId.DG1, FileId.DG2,
    ]  # fmt: skip
    assert seen[files.index(FileId.DG2)][1] < card.apdu_count, "other files follow"


def test_skipped_files_are_never_asked_for(citizen: Card) -> None:
    asked: set[int] = set()

    class Listening(MemoryTransport):
        def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
            if apdu[1] == 0xB0 and apdu[2] & 0x80:
                asked.add(apdu[2] & 0x1F)
            return super().transmit(apdu, timeout=timeout)

    skip = frozenset({FileId.DG2, FileId.DG3, FileId.COM})
    session = DocumentSession(Listening(citizen.fresh()), options=ReadOptions(skip=skip), memory=LimitMemory(), **QUICK)
    with session:
        session.open(can(citizen))
        files = session.read_all()
    assert not skip & {*files, *session.unreadable}
    assert {FileId.DG1, FileId.DG13, FileId.SOD} <= set(files)
    assert not {f.sfi for f in skip} & asked


def test_a_reader_without_extended_length(citizen: Card) -> None:
    card = citizen.fresh()
    with session_of(card, max_apdu_size=MAX_SHORT_APDU) as session:
        session.open(can(card))
        assert session.read(FileId.DG2) == card.files[FileId.DG2]
    assert not session.stats.extended_length


def test_the_limits_of_a_card_model_are_found_once(citizen: Card) -> None:
    memory = LimitMemory()
    counts = []
    for _ in range(2):
        with session_of(citizen.fresh(), memory=memory) as session:
            session.open(can(citizen))
            session.read_all()
        counts.append(session.stats.apdus)
    assert counts[1] < counts[0]


def test_the_mrz_opens_by_pace_too(citizen: Card) -> None:
    with session_of(citizen.fresh()) as session:
        (check,) = session.open([mrz(citizen)])
    assert check.evidence["password"] == "MRZ"


@pytest.mark.parametrize("sw", [0x6D00, 0x6982, 0x6A82, 0x6A86])
def test_select_mf_may_be_refused(citizen: Card, sw: int) -> None:
    with session_of(quirky(citizen, select_mf=sw)) as session:
        session.open(can(citizen))
        assert session.access == "pace"


class Counting(MemoryTransport):
    """Says how often the card was power-cycled."""

    cycles = 0

    def reconnect(self) -> None:
        self.cycles += 1
        super().reconnect()


@pytest.mark.parametrize("select_mf", [0x9000, 0x6D00], ids=["select-mf", "no-select-mf"])
def test_a_second_session_over_one_transport_opens_by_pace_too(citizen: Card, select_mf: int) -> None:
    """The first one leaves the application selected, and a citizen card cannot be led back out of it."""
    card = Card(replace(citizen.image, select_mf=select_mf))
    transport = Counting(card)
    for number, password in enumerate((AccessPassword.can(card.can or ""), AccessPassword.from_mrz_text(card.mrz))):
        with DocumentSession(transport, memory=LimitMemory(), **QUICK) as session:
            (check,) = session.open(password)
            assert (session.access, check.status) == ("pace", CheckStatus.SUCCESSFUL)
            assert session.read(FileId.DG1) == card.files[FileId.DG1]
            assert session.stats.recoveries == 0
        assert transport.cycles == number * (select_mf != 0x9000)


def test_a_chip_without_card_access_is_not_power_cycled() -> None:
    card = personalise("passport-bac", seed="two sessions")
    transport = Counting(card)
    for _ in range(2):
        with DocumentSession(transport, memory=LimitMemory(), **QUICK) as session:
            session.open(AccessPassword.from_mrz_text(card.mrz))
    assert transport.cycles == 0


def test_master_files_are_read_before_the_application(citizen: Card) -> None:
    options = ReadOptions(master_files=(FileId.DIR, FileId.CARD_SECURITY))
    with session_of(citizen.fresh(), options=options) as session:
        session.open(can(citizen))
        assert FileId.DIR in session.unreadable or FileId.DIR in session.files
        with pytest.raises(ConfigurationError, match="master_files"):
            session.read(FileId.ATR_INFO)


def test_single_reads(citizen: Card) -> None:
    with session_of(citizen.fresh()) as session:
        with pytest.raises(ConfigurationError, match="not open"):
            session.read(FileId.DG1)
        with pytest.raises(ConfigurationError, match="not open"):
            session.authenticate_chip()
        session.open(can(citizen))
        assert session.read(FileId.DG1) == citizen.files[FileId.DG1]
        count = session.stats.apdus
        assert session.read(FileId.DG1) == citizen.files[FileId.DG1]
        assert session.stats.apdus == count, "a file is read once"
        with pytest.raises(FileNotFoundOnCardError):
            session.read(FileId.DG11)
        with pytest.raises(SecurityStatusError):
            session.read(FileId.DG3)
        assert session.read(FileId.DG13) == citizen.files[FileId.DG13]
        assert session.read_all([FileId.DG13, FileId.DG1, FileId.DG12]) == {
            FileId.DG1: citizen.files[FileId.DG1],
            FileId.DG13: citizen.files[FileId.DG13],
        }
        with pytest.raises(ConfigurationError, match="opened before"):
            session.open(can(citizen))


def test_listed_but_absent_groups_are_recorded(citizen: Card) -> None:
    card = quirky(citizen, statuses={FileId.DG13: 0x6A82, FileId.DG14: 0x6581, FileId.DG15: 0x6982})
    with session_of(card) as session:
        session.open(can(card))
        files = session.read_all()
    assert FileId.DG2 in files
    assert dict(session.unreadable) == {
        FileId.DG3: Reason.ACCESS_REFUSED,
        FileId.DG13: Reason.FILE_ABSENT,
        FileId.DG14: Reason.READ_ERROR,
        FileId.DG15: Reason.ACCESS_REFUSED,
    }


def test_without_ef_com_the_groups_of_the_sod_are_read(citizen: Card) -> None:
    card = quirky(citizen, statuses={FileId.COM: 0x6A82})
    with session_of(card) as session:
        session.open(can(card))
        assert set(READ) - {FileId.COM} <= set(session.read_all())


@pytest.mark.parametrize("delta", [-8, -1, 1, 8])
def test_a_wrong_declared_length_is_put_right_by_the_signed_hash(delta: int) -> None:
    card = citizen_card(seed="delta", aa=None, quirks=Quirks(dg2_length_delta=delta))
    with session_of(card) as session:
        session.open(can(card))
        session.read(FileId.SOD)
        assert session.read(FileId.DG2) == card.files[FileId.DG2]
    assert session.stats.files[FileId.DG2].ended_early is (delta > 0)


def test_without_the_sod_the_declared_length_holds() -> None:
    card = citizen_card(seed="delta", aa=None, quirks=Quirks(dg2_length_delta=-3))
    with session_of(card) as session:
        session.open(can(card))
        assert session.read(FileId.DG2) == card.files[FileId.DG2][:-3]


def test_an_altered_file_is_handed_out_as_it_is(citizen: Card) -> None:
    card = flip_byte(citizen, FileId.DG13)
    with session_of(card) as session:
        session.open(can(card))
        assert session.read_all()[FileId.DG13] == card.files[FileId.DG13] != citizen.files[FileId.DG13]


# ---- access that fails ------------------------------------------------------------------------------------------


def test_a_wrong_can_is_tried_once_and_nothing_else_is(citizen: Card) -> None:
    card = citizen.fresh()
    with session_of(card) as session, pytest.raises(WrongPasswordError, match="CAN"):
        session.open([wrong_can(card), mrz(card)])
    assert card.wrong_keys == 1
    assert session.access == "none"


def test_a_wrong_mrz_on_a_bac_chip_is_tried_once() -> None:
    card = personalise("passport-bac", seed="wrong")
    password = AccessPassword.mrz("X00000000", "800101", "300101")
    with session_of(card) as session, pytest.raises(WrongPasswordError):
        session.open(password)
    assert card.wrong_keys == 1


def test_a_locked_card_is_another_error(citizen: Card) -> None:
    card = quirky(citizen, lock_after=1)
    with session_of(card) as session, pytest.raises(WrongPasswordError):
        session.open(wrong_can(card))
    with session_of(card) as session, pytest.raises(CardLockedError):
        session.open(can(card))


def test_a_card_of_another_kind_is_a_third_error(citizen: Card) -> None:
    card = quirky(citizen, select_application=0x6A82)
    with session_of(card) as session, pytest.raises(ApplicationNotFoundError, match="passport"):
        session.open(can(citizen))


def test_a_can_does_not_open_a_bac_chip() -> None:
    card = personalise("passport-bac", seed="can")
    with session_of(card) as session, pytest.raises(AccessDeniedError, match="MRZ"):
        session.open(AccessPassword.can("123456"))
    assert card.wrong_keys == 0


def test_without_a_password_a_protected_chip_says_so(citizen: Card) -> None:
    with session_of(citizen.fresh()) as session:
        session.open()
        with pytest.raises(AccessDeniedError, match="CAN"):
            session.read_all()


def test_bac_where_pace_is_not_offered() -> None:
    card = personalise("passport-bac", seed="bac")
    with session_of(card) as session:
        pace, bac = session.open(mrz(card))
        files = session.read_all()
    assert (pace.status, pace.reason) == (CheckStatus.NOT_SUPPORTED, Reason.NOT_OFFERED)
    assert (bac.check, bac.status, bac.reason) == (CheckId.ACCESS_BAC, CheckStatus.SUCCESSFUL, Reason.OK)
    assert session.access == "bac"
    assert files[FileId.DG2] == card.files[FileId.DG2]


@pytest.mark.parametrize(
    "trouble",
    [{"pace_status": 0x6A80}, {"pace_status": 0x6A88}, *({"pace_fails_at": step} for step in range(4))],
)
def test_falling_back_from_pace_to_bac_is_reported(citizen: Card, trouble: dict[str, int]) -> None:
    card = quirky(citizen, reselect_before_bac=True, **trouble)
    with session_of(card) as session:
        if trouble == {"pace_fails_at": 3}:
            with pytest.raises(WrongPasswordError):  # 6A80 to the token: the card judged the password
                session.open([mrz(card)])
            return
        pace, bac = session.open([can(card), mrz(card)])
        session.read(FileId.DG1)
    assert (pace.check, pace.status, pace.reason) == (CheckId.ACCESS_PACE, CheckStatus.FAILED, Reason.CHIP_REFUSED)
    assert (bac.status, bac.reason) == (CheckStatus.SUCCESSFUL, Reason.FALLBACK_FROM_PACE)
    assert session.access == "bac"


def test_without_the_mrz_there_is_no_falling_back(citizen: Card) -> None:
    with session_of(quirky(citizen, pace_status=0x6A80)) as session, pytest.raises(AccessDeniedError, match="6A80"):
        session.open(can(citizen))


# ---- proofs of the chip -----------------------------------------------------------------------------------------


def test_proofs_are_never_successful_on_their_own(citizen: Card) -> None:
    with session_of(citizen.fresh()) as session:
        session.open(can(citizen))
        active, chip = session.authenticate_chip(challenge=bytes(8))
    for result in (active, chip):
        assert result.proven
        assert result.result.status is CheckStatus.UNDETERMINED
        assert result.result.reason is Reason.KEY_NOT_VOUCHED
    assert active.check is CheckId.ACTIVE_AUTHENTICATION
    assert chip.check is CheckId.CHIP_AUTHENTICATION


def test_reading_goes_on_after_chip_authentication(citizen: Card) -> None:
    with session_of(citizen.fresh()) as session:
        session.open(can(citizen))
        session.authenticate_chip()
        assert session.read(FileId.DG2) == citizen.files[FileId.DG2]
        assert session.stats.recoveries == 0


def test_a_chip_without_keys_is_not_supported() -> None:
    card = personalise("passport-bac", seed="none")
    with session_of(card) as session:
        session.open(mrz(card))
        results = session.authenticate_chip()
    assert {r.result.status for r in results} <= {CheckStatus.NOT_SUPPORTED, CheckStatus.UNDETERMINED}


# ---- what goes wrong on the way ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [FaultKind.REMOVE, FaultKind.RESET, FaultKind.TIMEOUT])
@pytest.mark.parametrize("force_short_apdu", [True, False])
def test_one_fault_at_any_command_ends_well(citizen: Card, kind: FaultKind, force_short_apdu: bool) -> None:
    options = ReadOptions(force_short_apdu=force_short_apdu, skip=frozenset({FileId.DG3}))
    with session_of(citizen.fresh(), options=options) as session:
        session.open(can(citizen))
        session.read_all(READ)
    for at in range(0, session.stats.apdus, 9 if force_short_apdu else 1):
        card = citizen.fresh(faults=[Fault(kind, at)])
        with session_of(card, options=options) as again:
            try:
                again.open(can(card))
                files = again.read_all(READ)
            except ProtocolError:
                assert kind is FaultKind.RESET  # in the middle of access control the card forgets where it is
                assert again.access == "none"
                continue
        assert files == {f: citizen.files[f] for f in files}, at
        assert set(files) == set(READ)
        assert again.stats.recoveries <= 2


def test_a_moved_card_is_read_on_where_it_was(citizen: Card) -> None:
    options = ReadOptions(force_short_apdu=True)
    card = citizen.fresh(faults=[Fault(FaultKind.REMOVE, 60)])
    with session_of(card, options=options) as session:
        session.open(can(card))
        assert session.read(FileId.DG2) == card.files[FileId.DG2]
    blocks = math.ceil(len(card.files[FileId.DG2]) / 223)
    assert session.stats.apdus <= 2 * 7 + blocks + 3
    assert session.stats.recoveries == 1
    assert "recover" in session.stats.milliseconds


@pytest.mark.parametrize("executed", [False, True])
@pytest.mark.parametrize("at", [200, 260])
def test_a_moved_card_is_read_on_beyond_32767_bytes(at: int, executed: bool) -> None:
    """There the offset stands in the command's data, under the odd instruction (ISO/IEC 7816-4 §11.3.3)."""
    portrait = default_portrait() + bytes(range(256)) * 200
    card = citizen_card(seed="long", aa="brainpoolP256r1", portrait=portrait)
    card.faults.append(Fault(FaultKind.REMOVE, at, executed=executed))
    odd: list[int] = []

    class Listening(MemoryTransport):
        def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
            if apdu[1] == 0xB1:
                odd.append(card.apdu_count)
            return super().transmit(apdu, timeout=timeout)

    options = ReadOptions(force_short_apdu=True)
    with DocumentSession(Listening(card), options=options, memory=LimitMemory(), **QUICK) as session:
        session.open(can(card))
        assert session.read(FileId.DG2) == card.files[FileId.DG2]
    size = len(card.files[FileId.DG2])
    assert size > 60_000
    assert at in odd
    assert session.stats.recoveries == 1
    least = math.ceil(32_768 / 223) + math.ceil((size - 32_768) / 220)  # 53 81 LL takes 3 bytes of each
    assert session.stats.files[FileId.DG2].apdus <= least + 1 + 7 + 2, "opened anew, and nothing read twice"


def test_whether_two_halves_are_one_document_is_for_the_hash_to_say(citizen: Card) -> None:
    """Another card with the same CAN and the same EF.CardAccess is put down while the portrait is read."""
    other = citizen_card(seed="another", aa="brainpoolP256r1", portrait=flipped(default_portrait()))
    other = Card(replace(other.image, can=citizen.can))

    class Swap(MemoryTransport):
        def reconnect(self) -> None:
            self._card = other
            super().reconnect()

    options = ReadOptions(force_short_apdu=True)
    card = citizen.fresh(faults=[Fault(FaultKind.REMOVE, 60)])
    with DocumentSession(Swap(card), options=options, memory=LimitMemory(), **QUICK) as session:
        session.open(can(citizen))
        files = session.read_all()
    assert session.stats.recoveries == 1
    assert files[FileId.DG2] not in (citizen.files[FileId.DG2], other.files[FileId.DG2])
    trust = TrustStore.from_certificates([*citizen.trust_anchors, *other.trust_anchors])
    report = verify_document(files, trust=trust, at=datetime(2026, 6, 1, tzinfo=UTC))
    assert (CheckStatus.FAILED, Reason.HASH_MISMATCH) in [
        (c.status, c.reason) for c in report.results(CheckId.DG_HASH) if c.subject == "DG2"
    ]


def flipped(picture: bytes) -> bytes:
    """The picture with one byte changed in each half."""
    altered = bytearray(picture)
    for at in (len(altered) // 8, -40):
        altered[at] ^= 1
    return bytes(altered)


@pytest.mark.parametrize("longest", [200, 1500])
def test_a_reader_that_breaks_on_long_answers_is_read_in_short_ones(citizen: Card, longest: int) -> None:
    class Weak(MemoryTransport):
        def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
            answer = super().transmit(apdu, timeout=timeout)
            extended = len(apdu) > 5 and apdu[4] == 0
            if extended and (longest < 256 or len(answer) > longest):
                raise TransportError("the reader gave up")
            return answer

    memory = LimitMemory()
    with DocumentSession(Weak(citizen.fresh()), memory=memory, **QUICK) as session:
        session.open(can(citizen))
        assert session.read(FileId.DG2) == citizen.files[FileId.DG2]
    assert session.stats.recoveries == 1
    assert not session.stats.extended_length
    assert memory.limits(citizen.atr).extended is (longest > 256)


def test_a_reader_s_own_limit_bounds_answers_too(citizen: Card) -> None:
    seen: list[int] = []

    class Small(MemoryTransport):
        def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
            answer = super().transmit(apdu, timeout=timeout)
            seen.append(len(answer))
            return answer

    transport = Small(citizen.fresh(), max_apdu_size=1033)
    with DocumentSession(transport, memory=LimitMemory(), **QUICK) as session:
        session.open(can(citizen))
        assert session.read(FileId.DG2) == citizen.files[FileId.DG2]
    assert 900 < max(seen) <= 1033


def test_recovery_is_bounded(citizen: Card) -> None:
    faults = [Fault(FaultKind.REMOVE, at) for at in range(20, 2000, 5)]
    with session_of(citizen.fresh(faults=faults), options=ReadOptions(force_short_apdu=True)) as session:
        session.open(can(citizen))
        with pytest.raises(CardRemovedError):
            session.read(FileId.DG2)
    assert session.stats.recoveries == 2


def test_no_recovery_where_none_is_wanted(citizen: Card) -> None:
    card = citizen.fresh(faults=[Fault(FaultKind.REMOVE, 15)])
    with session_of(card, options=ReadOptions(max_recoveries=0)) as session, pytest.raises(CardRemovedError):
        work(session, can(card))


def test_a_wrong_checksum_is_final(citizen: Card) -> None:
    with session_of(citizen.fresh(faults=[Fault(FaultKind.FLIP, 9, value=40)])) as session:
        with pytest.raises(SecureMessagingError):
            work(session, can(citizen))
        assert session.stats.recoveries == 0


def test_another_card_put_down_meanwhile_is_noticed(citizen: Card) -> None:
    other = personalise("passport-pace-cam", seed="other")

    class Swap(MemoryTransport):
        def reconnect(self) -> None:
            self._card = other
            super().reconnect()

    card = citizen.fresh(faults=[Fault(FaultKind.REMOVE, 15)])
    with DocumentSession(Swap(card), memory=LimitMemory(), **QUICK) as session, pytest.raises(ProtocolError):
        work(session, can(card))


@pytest.mark.parametrize("limit", [200, 130])
@pytest.mark.parametrize("sw", [0x6700, 0x6C00])
@pytest.mark.parametrize("plain_errors", [False, True])
def test_refused_lengths_are_backed_off_and_remembered(citizen: Card, limit: int, sw: int, plain_errors: bool) -> None:
    memory = LimitMemory()
    card = quirky(citizen, refuse_le_above=limit, refuse_le_status=sw, plain_errors=plain_errors, extended_length=False)
    recoveries = []
    for _ in range(2):
        with session_of(card.fresh(), memory=memory) as session:
            session.open(can(card))
            assert session.read(FileId.DG2) == card.files[FileId.DG2]
            recoveries.append(session.stats.recoveries)
    assert recoveries == [0, 0], "a length that is too long is no accident"
    assert memory.limits(card.atr).max_le <= limit or sw == 0x6C00


def test_refusals_outside_the_secure_channel_do_not_stop_reading(citizen: Card) -> None:
    card = quirky(citizen, plain_errors=True)
    with session_of(card) as session:
        session.open(can(card))
        files = session.read_all()
        assert session.read(FileId.DG13) == card.files[FileId.DG13]
    assert set(READ) <= set(files)
    assert session.unreadable == {FileId.DG3: Reason.ACCESS_REFUSED}


def test_a_lost_secure_session_is_opened_again(citizen: Card) -> None:
    card = quirky(citizen, sm_fails_at=6)
    with session_of(card, options=ReadOptions(max_recoveries=10)) as session:
        session.open(can(card))
        try:
            session.read_all(READ)
        except SecureMessagingError:
            return  # the quirk strikes in every session: in the end this is a clear error
        assert session.stats.recoveries > 0


# ---- time, progress, cancellation -------------------------------------------------------------------------------


def test_progress_tells_changes_only(citizen: Card) -> None:
    seen: list[Progress] = []
    with session_of(citizen.fresh(), on_progress=seen.append) as session:
        session.open(can(citizen))
        session.read_all()
        session.authenticate_chip()
    assert all(a != b for a, b in itertools.pairwise(seen))
    assert [p.phase for p in seen[:2]] == [Phase.CONNECTING, Phase.ACCESS_CONTROL]
    dg2 = [p for p in seen if p.file is FileId.DG2]
    assert [p.bytes_done for p in dg2] == sorted(p.bytes_done for p in dg2)
    assert dg2[-1].bytes_done == dg2[-1].bytes_total == len(citizen.files[FileId.DG2])
    assert seen[-1].phase is Phase.CHIP_AUTHENTICATION


@pytest.mark.parametrize("after", [0, 1, 4, 8, 12])
def test_cancelling_stops_before_the_next_command(citizen: Card, after: int) -> None:
    card, cancel = citizen.fresh(), threading.Event()

    class Cancelling(MemoryTransport):
        def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
            if card.apdu_count + 1 >= after:
                cancel.set()
            return super().transmit(apdu, timeout=timeout)

    with DocumentSession(Cancelling(card), cancel=cancel, memory=LimitMemory(), **QUICK) as session:
        if not after:
            cancel.set()
        with pytest.raises(OperationCancelled):
            work(session, can(card))
    assert card.apdu_count == after


def test_the_whole_session_has_a_time_limit(citizen: Card) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 0.05
        return now[0]

    options = ReadOptions(total_timeout=timedelta(seconds=3), force_short_apdu=True)
    with (
        session_of(citizen.fresh(), options=options, clock=clock) as session,
        pytest.raises(TransportTimeout, match="whole session"),
    ):
        work(session, can(citizen))
    assert session.stats.recoveries == 0


@pytest.mark.parametrize("slow", [1, 2])
def test_every_answer_has_a_time_limit(citizen: Card, slow: int) -> None:
    """One that comes too late is taken for a card that moved; a card that is slow again is given up."""
    now = [0.0]

    def wait(seconds: float) -> None:
        now[0] += seconds

    faults = [Fault(FaultKind.SLOW, at, value=1100) for at in (20, 60)[:slow]]
    card = Card(citizen.image, faults=[*faults, Fault(FaultKind.SLOW, 10, value=900)], sleep=wait)
    options = ReadOptions(apdu_timeout=timedelta(seconds=1), force_short_apdu=True)
    transport = MemoryTransport(card, clock=lambda: now[0])
    with DocumentSession(transport, options=options, memory=LimitMemory(), clock=lambda: now[0], **QUICK) as session:
        session.open(can(card))
        if slow == 1:
            assert session.read(FileId.DG2) == card.files[FileId.DG2]
        else:
            with pytest.raises(TransportTimeout):
                session.read(FileId.DG2)
    assert session.stats.recoveries == 1


def test_a_closed_session_has_no_keys(citizen: Card) -> None:
    session = session_of(citizen.fresh())
    session.open(can(citizen))
    session.close()
    session.close()
    with pytest.raises(ConfigurationError):
        session.read(FileId.DG1)


@pytest.mark.parametrize(
    "bad",
    [
        {"max_block": 0},
        {"max_block": 70000},
        {"max_file_size": 10},
        {"max_recoveries": 11},
        {"apdu_timeout": timedelta(0)},
        {"master_files": (FileId.DG1,)},
    ],
)
def test_options_are_checked(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        ReadOptions(**bad)


def test_the_errors_are_ours(citizen: Card) -> None:
    """Whatever one answer of the card is cut to or replaced by, only our exceptions come out."""
    for at in range(16):
        for fault in (
            Fault(FaultKind.TRUNCATE, at, value=1),
            Fault(FaultKind.TRUNCATE, at, value=-3),
            Fault(FaultKind.STATUS, at, value=0x6F00),
            Fault(FaultKind.DUPLICATE, at),
            Fault(FaultKind.EXTEND, at, value=5),
        ):
            card = citizen.fresh(faults=[fault])
            with session_of(card) as session:
                try:
                    session.open(can(card))
                    files = session.read_all(READ)
                except IdVerifyError:
                    continue
            assert all(card.files[f] == raw for f, raw in files.items()), fault


# ---- chips of other makers: polite, and different wherever the standards leave it open ---------------------


@functools.cache
def maker_document(profile: str) -> Card:
    return personalise(profile, seed="other makers")


@pytest.mark.parametrize(
    "profile", ["cccd-2024", "passport-bac", "passport-open", "passport-pace-im", "passport-pace-cam"]
)
@pytest.mark.parametrize(
    "quirks",
    [
        {"select_returns_control_information": True, "sfi_reading": False},
        {"select_returns_control_information": True, "sfi_reading": False, "responses": "wrong-length"},
        {"sfi_reading": False, "end_of_file": "exact", "extended_length": False, "command_chaining": False},
        {"responses": "get-response", "end_of_file": "short", "max_response": 256, "select_mf": 0x6A86},
        {"plain_errors": True, "end_of_file": "refuse", "refuse_le_above": 200, "refuse_le_status": 0x6C00},
    ],
    ids=["control information", "T=0", "no SFI, no chaining", "get response", "plain errors"],
)
def test_chips_of_other_makers_are_read_alike(profile: str, quirks: dict[str, object]) -> None:
    card = quirky(maker_document(profile), **quirks)
    session = session_of(card)
    passwords = [AccessPassword.can(card.can)] if card.can else []
    if profile != "passport-open":
        passwords.append(AccessPassword.from_mrz_text(card.mrz))
    session.open(passwords)
    files = session.read_all()
    expected = {
        f: raw for f, raw in card.files.items() if f.number not in (None, 3, 4) or f in (FileId.COM, FileId.SOD)
    }
    assert {f: files.get(f) for f in expected} == expected
    assert all(p.proven for p in session.authenticate_chip() if p.status is not CheckStatus.NOT_SUPPORTED)
