"""Somebody between reader and chip alters, cuts, exchanges or replays answers: nothing of it is ever taken.

The access protocols and proofs are run one by one, below whatever recovers from a lost exchange, so that every single
altered byte has to be noticed by the protocol itself. Where the change carries no meaning (``harmless``), the same
bytes as without it must come out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.chip.access.active_auth import ActiveAuthEvidence, run_active_auth, verify_active_auth
from idverify.chip.access.bac import run_bac
from idverify.chip.access.chip_auth import chip_auth_choices, run_chip_auth
from idverify.chip.access.pace import run_pace, verify_cam
from idverify.chip.access.password import AccessPassword
from idverify.chip.access.terminal_auth import TerminalCredentials, run_terminal_auth
from idverify.chip.access.terminal_key import InMemoryTerminalKey
from idverify.chip.iso7816.apdu import CardChannel, CommandAPDU
from idverify.chip.iso7816.channel import ChannelStack, Link
from idverify.chip.iso7816.limits import CardLimits, LimitMemory
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.dg15 import DG15
from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import ChipAuthenticationPublicKeyInfo, SecurityInfos
from idverify.chip.pki.cms import SignedData
from idverify.chip.pki.cvc import CvChain
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.session import DocumentSession, ReadOptions
from idverify.chip.transport.memory import MemoryTransport
from idverify.crypto.block import Cipher
from idverify.decision import STRICT, Outcome
from idverify.emulator import Card, ChipAuthSpec, PaceOption, TestCvPki, personalise, pkcs8, with_files
from idverify.errors import AccessDeniedError, IdVerifyError, WrongPasswordError
from idverify.report import CheckId, CheckStatus, Reason
from idverify.verification import verify
from tests.conformance.reading import AT

SELECT = CommandAPDU(0x00, 0xA4, 0x04, 0x0C, data=bytes.fromhex("a0000002471001"))
READ_COM = CommandAPDU(0x00, 0xB0, 0x9E, 0x00, le=8)
Alter = Callable[[int, bytes], bytes]


class Wire:
    """A card behind somebody who sees every answer, and alters them once he is armed."""

    def __init__(self, card: Card, alter: Alter) -> None:
        self.card, self.alter = card, alter
        self.armed = False
        self.answers: list[bytes] = []

    @property
    def atr(self) -> bytes:
        return self.card.atr

    def reset(self) -> None:
        self.card.reset()

    def process(self, apdu: bytes) -> bytes:
        answer = self.card.process(apdu)
        if not self.armed:
            return answer
        self.answers.append(answer)
        return self.alter(len(self.answers) - 1, answer)


def genuine(number: int, answer: bytes) -> bytes:
    return answer


@cache
def authority() -> TestCvPki:
    return TestCvPki("middle", kind="secp256r1")


@cache
def document(mapping: str) -> Card:
    """Everything there is, over a fast curve."""
    return personalise(
        "passport-pace-cam" if mapping == "CAM" else "passport-eac",
        seed="middle",
        pace=(PaceOption(mapping, 12, Cipher.AES128),),
        ca=(ChipAuthSpec("secp256r1"),),
        aa="secp256r1",
        cv_pki=authority(),
    )


def static_keys(card: Card) -> Iterator[bytes]:
    content = SignedData.parse(card.files[FileId.CARD_SECURITY], what="EF.CardSecurity").content
    for info in SecurityInfos.parse(content, what="EF.CardSecurity").of_type(ChipAuthenticationPublicKeyInfo):
        yield info.public_key


def stack_on(wire: Wire) -> ChannelStack:
    return ChannelStack(Link(MemoryTransport(wire)), CardLimits())


def open_by_pace(wire: Wire, mapping: str) -> bool:
    """Whether a session came out, in which the chip answers, and the proof of CAM where that was run."""
    card, stack = wire.card, stack_on(wire)
    infos = SecurityInfos.parse_card_access(card.files[FileId.CARD_ACCESS])
    info = next(i for i in infos.pace if i.mapping == mapping)
    wire.armed = True
    result = run_pace(stack.plain(), info, AccessPassword.can(card.can or ""), rng=os.urandom, offered=infos)
    wire.armed = False
    channel = stack.secure(result.secure_messaging)
    if not channel.send(SELECT).ok or not channel.send(READ_COM).data:
        return False
    return result.cam is None or any(verify_cam(result.cam, key) for key in static_keys(card))


def open_by_bac(wire: Wire, stack: ChannelStack, *, armed: bool = False) -> CardChannel:
    plain = stack.plain()
    assert plain.send(SELECT).ok
    wire.armed = armed
    messaging = run_bac(plain, AccessPassword.from_mrz_text(wire.card.mrz), rng=os.urandom)
    wire.armed = False
    return stack.secure(messaging)


def prove_chip(wire: Wire) -> bool:
    stack = stack_on(wire)
    channel = open_by_bac(wire, stack)
    (choice, *_) = chip_auth_choices(DG14.parse(wire.card.files[FileId.DG14]).security_infos)
    wire.armed = True
    return run_chip_auth(channel, stack.plain(), choice, rng=os.urandom).proven


def prove_actively(wire: Wire) -> bool:
    stack = stack_on(wire)
    channel = open_by_bac(wire, stack)
    wire.armed = True
    return run_active_auth(channel, DG15.parse(wire.card.files[FileId.DG15]).public_key, rng=os.urandom).verified


def authorise(wire: Wire) -> bool:
    stack = stack_on(wire)
    channel = open_by_bac(wire, stack)
    (choice, *_) = chip_auth_choices(DG14.parse(wire.card.files[FileId.DG14]).security_infos)
    result = run_chip_auth(channel, stack.plain(), choice, rng=os.urandom)
    secure = stack.secure(result.secure_messaging)
    key = InMemoryTerminalKey.from_der(pkcs8(authority().terminal.key))
    credentials = TerminalCredentials.load([*authority().chain, authority().cvca.der], key)
    chain = credentials.chain([authority().cvca.holder])
    assert isinstance(chain, CvChain)
    identity = AccessPassword.from_mrz_text(wire.card.mrz).value.reveal()[:-14].encode()
    wire.armed = True
    run_terminal_auth(
        secure, credentials, chain, version=1, chip_identifier=identity,
        terminal_key_compressed=result.terminal_key_compressed,
    )  # fmt: skip
    return True


PROTOCOLS: dict[str, tuple[str, Callable[[Wire], bool]]] = {
    "PACE-GM": ("GM", lambda wire: open_by_pace(wire, "GM")),
    "PACE-IM": ("IM", lambda wire: open_by_pace(wire, "IM")),
    "PACE-CAM": ("CAM", lambda wire: open_by_pace(wire, "CAM")),
    "BAC": ("GM", lambda wire: open_by_bac(wire, stack_on(wire), armed=True).send(READ_COM).ok),
    "chip authentication": ("GM", prove_chip),
    "active authentication": ("GM", prove_actively),
    "terminal authentication": ("GM", authorise),
}


def run(name: str, alter: Alter = genuine) -> tuple[bool, list[bytes]]:
    """Whether the protocol ended well, and the chip's answers to it."""
    mapping, protocol = PROTOCOLS[name]
    wire = Wire(document(mapping).fresh(), alter)
    try:
        return protocol(wire), wire.answers
    except IdVerifyError:
        return False, wire.answers


def harmless(name: str, number: int, altered: bytes) -> bool:
    """Whether the answer says nothing but its status word, so that the rest of it may be anything.

    It does with integrated mapping in step 2: an empty object, or none (ICAO 9303-11 table 6).
    """
    return name == "PACE-IM" and number == 2 and altered[-2:] == b"\x90\x00"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_without_interference_it_ends_well(name: str) -> None:
    well, answers = run(name)
    assert well
    assert all(a[-2:] == b"\x90\x00" for a in answers)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_altered_byte_is_taken(name: str) -> None:
    """Every byte of every answer, status words too: one bit, and all bits."""
    for number, answer in enumerate(run(name)[1]):
        for at in range(len(answer)):
            for flip in (1 << at % 8, 0xFF):

                def alter(n: int, raw: bytes, number: int = number, at: int = at, flip: int = flip) -> bytes:
                    return raw[:at] + bytes([raw[at] ^ flip]) + raw[at + 1 :] if n == number else raw

                well, got = run(name, alter)
                altered = alter(number, got[number])
                assert not well or harmless(name, number, altered), f"answer {number}, byte {at}, {flip:02X}"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_cut_or_longer_answer_is_taken(name: str) -> None:
    for number, answer in enumerate(run(name)[1]):
        for length in range(len(answer)):
            cut: Alter = lambda n, raw, number=number, length=length: raw[:length] if n == number else raw  # noqa: E731
            well, got = run(name, cut)
            assert not well or harmless(name, number, got[number][:length]), f"answer {number} cut to {length}"
        if len(answer) > 2 and not harmless(name, number, answer):
            longer: Alter = lambda n, raw, number=number: raw[:-2] + b"\0" + raw[-2:] if n == number else raw  # noqa: E731
            assert not run(name, longer)[0], f"answer {number} with a byte more"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_answer_of_an_earlier_run_is_taken(name: str) -> None:
    """The same chip, the same document: one answer of an earlier run, or all of them from one on."""
    earlier = run(name)[1]
    replayed = 0
    for number in range(len(earlier)):
        for onwards in (False, True):

            def replay(n: int, raw: bytes, number: int = number, onwards: bool = onwards) -> bytes:
                return earlier[n] if n == number or (onwards and n > number) else raw

            well, answers = run(name, replay)
            if all(replay(n, raw) == raw for n, raw in enumerate(answers)):
                continue  # an answer without content is the same in every run
            replayed += 1
            assert not well, f"answer {number}{' and those after it' if onwards else ''}"
    assert replayed


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_exchanged_answers_are_taken(name: str) -> None:
    """An answer in the place of the next one, held back or given twice."""
    for number in range(1, len(run(name)[1])):
        held: list[bytes] = []

        def exchange(n: int, raw: bytes, number: int = number, held: list[bytes] = held) -> bytes:
            held.append(raw)
            return held[number - 1] if n == number else raw

        well, answers = run(name, exchange)
        assert not well or answers[number] == answers[number - 1] or harmless(name, number, answers[number - 1])


def test_evidence_of_active_authentication_stands_for_one_answer() -> None:
    for profile in ("cccd-2021", "passport-aa-ecdsa"):  # RSA with message recovery, ECDSA
        card = personalise(profile, seed="middle")
        wire = Wire(card, genuine)
        key = DG15.parse(card.files[FileId.DG15]).public_key
        evidence = run_active_auth(open_by_bac(wire, stack_on(wire)), key, rng=os.urandom)
        assert evidence.verified
        for at in range(len(evidence.response)):
            raw = evidence.response
            altered = raw[:at] + bytes([raw[at] ^ 1 << at % 8]) + raw[at + 1 :]
            values = evidence.to_dict() | {"response": altered.hex()}
            assert not verify_active_auth(key, ActiveAuthEvidence.from_dict(values))


def test_a_whole_visit_cannot_be_replayed() -> None:
    """From whichever answer on: the session that was overheard says nothing to a later one."""
    card = document("GM")

    def visit(alter: Alter) -> list[bytes]:
        wire = Wire(card.fresh(), alter)
        wire.armed = True
        with DocumentSession(MemoryTransport(wire), memory=LimitMemory(), pause=lambda seconds: None) as session:
            session.open(AccessPassword.can(card.can or ""))
            session.read(FileId.DG1)
            session.authenticate_chip()
        return wire.answers

    overheard = visit(genuine)
    for start in range(len(overheard) - 1):  # the last one is the answer of a proof: a result, judged above

        def replay(n: int, raw: bytes, start: int = start) -> bytes:
            return overheard[min(n, len(overheard) - 1)] if n >= start else raw

        with pytest.raises(IdVerifyError):
            visit(replay)


class Persistent(Wire):
    """Is there from the first answer on, and when the reader begins anew too."""

    def __init__(self, card: Card, alter: Alter) -> None:
        super().__init__(card, alter)
        self.armed = True


@given(
    st.integers(0, 60), st.integers(-40, 40), st.integers(1, 255), st.sampled_from(("once", "always", "from then on"))
)
@settings(max_examples=120, deadline=None)
def test_a_transaction_accepts_what_came_unaltered_only(number: int, at: int, flip: int, how: str) -> None:
    """One byte somewhere in a transaction: the same data come out, or an error, or no acceptance; nothing else."""
    card = document("GM")
    trust = TrustStore.from_certificates(card.trust_anchors)

    def alter(n: int, raw: bytes) -> bytes:
        hit = {"once": n == number, "always": n % 61 == number, "from then on": n >= number}[how]
        where = at % len(raw) if raw else 0
        return raw[:where] + bytes([raw[where] ^ flip]) + raw[where + 1 :] if hit and raw else raw

    wire = Persistent(card.fresh(), alter)
    try:
        result = verify(
            MemoryTransport(wire), AccessPassword.can(card.can or ""), trust=trust, policy="document", at=AT,
            timeout=timedelta(seconds=30),
        )  # fmt: skip
    except IdVerifyError:
        return
    if result.decision.outcome is Outcome.ACCEPT:
        genuine_hashes = {c.subject for c in result.report.results(CheckId.DG_HASH) if c.reason is Reason.OK}
        assert {"DG1", "DG2", "DG14", "DG15"} <= genuine_hashes
        assert result.holder is not None
        assert result.holder.reveal().number in card.mrz.replace("\n", "")


# ---- from PACE to BAC --------------------------------------------------------------------------------------------

GENERAL_AUTHENTICATE = 0x86
SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda raw: b"\x90\x00",
    "no such object": lambda raw: b"\x7c\x00\x90\x00",
    "another tag": lambda raw: raw[:2] + b"\x99" + raw[3:],
    "no TLV": lambda raw: b"\xff" * 40 + b"\x90\x00",
    "one bit": lambda raw: raw[:-3] + bytes([raw[-3] ^ 1]) + raw[-2:],
    "out of order": lambda raw: b"\x6f\x00",
}


class Spoiler:
    """A card on whose so-many-th answer to GENERAL AUTHENTICATE somebody lays hands, each time."""

    def __init__(self, card: Card, steps: tuple[int, ...], alter: Callable[[bytes], bytes]) -> None:
        self.card, self.steps, self.alter = card, steps, alter
        self.seen = 0

    @property
    def atr(self) -> bytes:
        return self.card.atr

    def reset(self) -> None:
        self.card.reset()

    def process(self, apdu: bytes) -> bytes:
        answer = self.card.process(apdu)
        if apdu[1] != GENERAL_AUTHENTICATE:
            return answer
        self.seen += 1
        return self.alter(answer) if self.seen in self.steps else answer


def spoilt_open(
    card: Card, steps: tuple[int, ...], alter: Callable[[bytes], bytes], *, fall_back: bool = True
) -> DocumentSession:
    options = ReadOptions(max_recoveries=0, fall_back_to_bac=fall_back)
    session = DocumentSession(
        MemoryTransport(Spoiler(card.fresh(), steps, alter)), options=options, memory=LimitMemory()
    )
    session.open(AccessPassword.from_mrz_text(card.mrz))
    return session


@pytest.mark.parametrize(("step", "how"), [(s, h) for s in (1, 2, 3) for h in SPOILT if (s, h) != (1, "one bit")])
def test_a_spoilt_pace_falls_back_before_the_proof_only_and_says_so(step: int, how: str) -> None:
    card = document("GM")
    session = spoilt_open(card, (step,), SPOILT[how])
    pace, bac = session.checks
    assert (pace.check, pace.status) == (CheckId.ACCESS_PACE, CheckStatus.FAILED)
    assert pace.reason is (Reason.CHIP_REFUSED if how == "out of order" else Reason.ANSWER_MALFORMED)
    assert (bac.status, bac.reason) == (CheckStatus.SUCCESSFUL, Reason.FALLBACK_FROM_PACE)
    with pytest.raises(AccessDeniedError, match="not allowed"):
        spoilt_open(card, (step,), SPOILT[how], fall_back=False)


def test_an_altered_nonce_looks_like_a_wrong_password_and_ends_it() -> None:
    with pytest.raises(WrongPasswordError):
        spoilt_open(document("GM"), (1,), SPOILT["one bit"])


@pytest.mark.parametrize("how", SPOILT)
def test_without_the_card_s_token_there_is_no_falling_back(how: str) -> None:
    """The terminal has shown that it knows the password, and the card has not."""
    for mapping in ("GM", "CAM"):
        with pytest.raises(IdVerifyError):
            spoilt_open(document(mapping), (4,), SPOILT[how])


def test_nor_by_way_of_another_mapping() -> None:
    """The token of one mapping is kept back, and the next mapping is refused."""
    card = personalise("passport-pace-cam", seed="middle")
    second = spoilt_open(card, (4,), SPOILT["cut off"])
    (pace,) = second.checks
    assert (pace.status, pace.evidence["mapping"]) == (CheckStatus.SUCCESSFUL, "GM")
    assert pace.evidence["failed-before"].startswith("0.4.0.127.0.7.2.2.4.6.2 (")
    with pytest.raises(IdVerifyError):
        spoilt_open(card, (4, 5), SPOILT["cut off"])


@pytest.mark.parametrize(
    ("access", "status", "reason"),
    [
        (b"\x31\x05\x30\x7f\x00\x00\x00", CheckStatus.NOT_PERFORMED, Reason.FILE_MALFORMED),
        (  # the version and the parameters of the only PACEInfo are gone
            bytes.fromhex("310e300c060a04007f00070202040202"),
            CheckStatus.NOT_SUPPORTED,
            Reason.ALGORITHM_UNSUPPORTED,
        ),
    ],
)
def test_a_garbled_card_access_is_no_chip_without_pace(access: bytes, status: CheckStatus, reason: Reason) -> None:
    card = with_files(document("GM"), {FileId.CARD_ACCESS: access})
    with DocumentSession(MemoryTransport(card), memory=LimitMemory()) as session:
        pace, bac = session.open(AccessPassword.from_mrz_text(card.mrz))
    assert (pace.status, pace.reason) == (status, reason)
    assert bac.reason is Reason.FALLBACK_FROM_PACE
    with pytest.raises(AccessDeniedError, match="not allowed"):
        spoilt_open(card, (), SPOILT["cut off"], fall_back=False)


def test_a_chip_without_pace_is_opened_by_bac_though_falling_back_is_refused() -> None:
    card = personalise("passport-bac", seed="middle")
    session = spoilt_open(card, (), SPOILT["cut off"], fall_back=False)
    assert [c.reason for c in session.checks] == [Reason.NOT_OFFERED, Reason.OK]


def test_strict_does_not_accept_a_chip_that_fell_back() -> None:
    card = document("GM")
    trust = TrustStore.from_certificates(card.trust_anchors)
    only = tuple(r for r in STRICT.requirements if r.check is CheckId.ACCESS_PACE)
    policy = replace(STRICT, id="alone", requirements=only, face_fmr=None)
    for steps, expected in (((), Outcome.ACCEPT), ((2,), Outcome.REVIEW)):
        wire = Spoiler(card.fresh(), steps, SPOILT["no TLV"])
        password = AccessPassword.from_mrz_text(card.mrz)
        result = verify(MemoryTransport(wire), password, trust=trust, policy=policy, at=AT)
        assert result.decision.outcome is expected
