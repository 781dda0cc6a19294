"""The counter transaction: the one place where the chip meets the biometrics.

A card is opened, read and proven genuine while the live picture becomes a template on another thread; the portrait is
matched with it, and a policy turns the evidence into a decision. Nothing here stops at the first failed check, unless
the caller asks for an early decision: the report of a forged card says everything that is wrong with it.

The rooms of the engine are in :mod:`idverify.engine`.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

from idverify import _telemetry
from idverify._secret import Secret
from idverify._version import __version__
from idverify.chip.lds.contents import check_contents
from idverify.chip.lds.files import FileId
from idverify.chip.pki.passive_auth import PassiveAuthentication, PassiveAuthOptions, examine
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.session import ReadOptions
from idverify.decision import DOCUMENT, SECURITY_OBJECT, Decision, Policy, load
from idverify.engine.asynchronous import AsyncCourse
from idverify.engine.document import Holder, document_checks, holder_of, personal_number, portrait_of
from idverify.engine.gathering import Clock, Gathering
from idverify.engine.live import LivePicture, LiveSource, read_live
from idverify.engine.matching import (
    FaceMatching,
    FingerMatching,
    LivePrint,
    MatchScore,
    new_face_matcher,
    new_finger_matcher,
)
from idverify.engine.posing import LiveChallenge
from idverify.engine.transaction import Attempt, Course, Event, Retries, Stage, State
from idverify.engine.visit import CardVisit, Passwords, PasswordSource
from idverify.errors import ConfigurationError
from idverify.report import CheckId, CheckResult, CheckStatus, Reason, VerificationReport

if TYPE_CHECKING:
    from idverify.biometric.face.matcher import FaceMatcher
    from idverify.biometric.face.pad import PassivePad
    from idverify.biometric.finger.engine import FingerMatcher
    from idverify.chip.access.terminal_auth import TerminalCredentials
    from idverify.chip.session import CancelToken, Progress
    from idverify.chip.transport.base import Transport
    from idverify.consent import Consent
    from idverify.online import OnlineDocumentCheck

AsyncPasswordSource = Callable[[Attempt], "Awaitable[Passwords | None]"]
AsyncLiveSource = Callable[[Attempt], "Awaitable[LivePicture | None]"]

LiveFingers = LivePicture | Sequence[LivePicture] | Mapping[int, LivePicture | Sequence[LivePicture]]
"""A live print, several of one finger, or those of several fingers by position (ISO/IEC 19794-2 table 5: 1 … 10)."""

MAX_TRIES: Final = 10
"""Most live prints of a transaction, of all fingers together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """What reading cost; no holder data.

    Attributes:
        transport: ``pcsc``, ``memory`` …, or ``files`` where nothing was read from a card.
        access: ``pace``, ``bac`` or ``none``.
        apdus: commands sent.
        bytes: bytes exchanged in both directions.
        milliseconds: wall time by stage.
    """

    transport: str
    access: str
    apdus: int = 0
    bytes: int = 0
    milliseconds: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this summary."""
        return {
            "transport": self.transport, "access": self.access, "apdus": self.apdus, "bytes": self.bytes,
            "milliseconds": {k: round(v, 3) for k, v in self.milliseconds.items()},
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationResult:
    """Decision, evidence and what was read.

    Attributes:
        decision: what the policy decided.
        report: every check.
        scores: the biometric comparisons.
        session: what reading cost.
        portrait: the portrait as it stands on the chip (JPEG or JPEG 2000), or None.
        portrait_format: ``image/jpeg`` or ``image/jp2``, or None.
        live: the live picture as it was given, encoded as PNG or as the caller's file; None where there is none.
        holder: the holder's data, or None where DG1 was not read.
        files: the raw files by identifier.
        advice: keys of advice for the person (``show-face``); the words are in
            :data:`idverify.biometric.face.ADVICE`.
    """

    decision: Decision
    report: VerificationReport
    scores: tuple[MatchScore, ...]
    session: SessionSummary
    portrait: Secret[bytes] | None = None
    portrait_format: str | None = None
    live: Secret[bytes] | None = None
    holder: Secret[Holder] | None = None
    files: Secret[Mapping[FileId, bytes]] = field(default_factory=lambda: Secret({}))
    advice: tuple[str, ...] = ()

    @property
    def verified_at(self) -> datetime:
        """The inspection time."""
        return self.report.verified_at

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of decision, checks, scores and session; no holder data."""
        return {
            "decision": self.decision.to_dict(),
            **self.report.to_dict(),
            "scores": [s.to_dict() for s in self.scores],
            "session": self.session.to_dict(),
            "advice": list(self.advice),
            "idverify": __version__,
        }


class TransactionOptions(TypedDict, total=False):
    """The keyword arguments that :func:`verify`, :func:`averify` and the counter pool have in common."""

    policy: str | Path | Policy
    at: datetime | None
    options: ReadOptions | None
    matcher: FaceMatcher | None
    pad: PassivePad | None
    finger: LiveFingers | None
    finger_dpi: float
    finger_matcher: FingerMatcher | None
    terminal: TerminalCredentials | None
    consent: Consent | None
    online: OnlineDocumentCheck | None
    device_id: str
    challenge: bytes | None
    rng: Callable[[int], bytes]
    timeout: timedelta | None
    retries: Retries | None
    early: bool
    on_event: Callable[[Event], None] | None
    on_progress: Callable[[Progress], None] | None
    cancel: CancelToken | None
    executor: Executor | None


@_telemetry.transaction
def verify(
    transport: Transport,
    passwords: Passwords | PasswordSource,
    *,
    trust: TrustStore,
    live: LivePicture | LiveSource | LiveChallenge | None = None,
    policy: str | Path | Policy = "counter",
    at: datetime | None = None,
    options: ReadOptions | None = None,
    matcher: FaceMatcher | None = None,
    pad: PassivePad | None = None,
    finger: LiveFingers | None = None,
    finger_dpi: float = 500.0,
    finger_matcher: FingerMatcher | None = None,
    terminal: TerminalCredentials | None = None,
    consent: Consent | None = None,
    online: OnlineDocumentCheck | None = None,
    device_id: str = "",
    challenge: bytes | None = None,
    rng: Callable[[int], bytes] = secrets.token_bytes,
    timeout: timedelta | None = None,
    retries: Retries | None = None,
    early: bool = False,
    on_event: Callable[[Event], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    cancel: CancelToken | None = None,
    executor: Executor | None = None,
) -> VerificationResult:
    """Read a card, prove it genuine, match its portrait with a live picture, and decide.

    Work overlaps: the live picture is taken and becomes a template on other threads while the chip is read, the
    portrait as soon as DG2 is in, the security object's signature and the signer's path are verified while the data
    groups come in, and the rest of passive authentication while the chip computes its proof. That proof comes last,
    where the card's own computing hides the most of ours.

    Args:
        transport: the connected card; it stays open.
        passwords: what opens the chip: the CAN, or the MRZ; or a function that is asked for it, and again where the
            chip does not accept it. It gives None to stop.
        trust: the trust anchors.
        live: the live picture: a file, an encoded picture, or an RGB array (height, width, 3) of uint8; or a function
            that takes one, and again where it is poor; or a :class:`LiveChallenge`, whose person is asked to move;
            None where the policy asks for no face.
        policy: a policy, its name, or a TOML file.
        at: inspection time, time zone aware; now where None.
        options: limits and choices of reading.
        matcher: a face matcher to share between transactions; one is made where None.
        pad: presentation attack detection, which then runs whatever the policy says; where None, the default one runs
            if the policy does not accept without ``face.pad``.
        finger: a live fingerprint, several tries of one finger, or a mapping of the finger's position
            (ISO/IEC 19794-2 table 5: 1 right thumb … 5 right little finger, 6 … 10 left; 0 unknown) to its tries:
            pictures as ``live``, at most ten in all. Named fingers are compared with the same finger of DG3. The best
            comparison counts, with a false match rate times their number.
        finger_dpi: resolution of the live fingerprints.
        finger_matcher: a finger matcher to share; one is made where None and a finger is given.
        terminal: the terminal's certificates and key, for reading DG3 and DG4.
        consent: the holder's consent to biometrics. Where the policy asks for one and it is missing or for another
            purpose, no picture is opened, no template is made, and DG3 and DG4 are not read.
        online: asks a service about the document signer.
        device_id: the counter's device, for the online check.
        challenge: eight bytes of the caller's for active authentication, for remote verification.
        rng: source of random bytes.
        timeout: from the call to the decision, whatever is waited for; that of ``options.total_timeout`` where None.
        retries: how often another password, picture or challenge is asked for; two, two and one where None.
        early: decide as soon as the policy can: groups that it does not name are not read, and a card whose evidence
            already leads to a rejection is not read to its end. What was left out stands as not performed. Where
            False, everything is read, and the report of a forged card says all that is wrong with it.
        on_event: called for each event, one at a time, on the thread where it happens.
        on_progress: called when the progress of reading has changed; also in ``on_event``.
        cancel: looked at before each command and step, and while something is waited for.
        executor: runs templates and passive authentication beside the reading; several counters may share one. Two
            threads of its own where None.

    Returns:
        the decision with all evidence; a forged or a foreign card is no exception.

    Raises:
        ConfigurationError: an argument cannot be used.
        TransportTimeout: the time is over.
        TransportError, ProtocolError, WrongPasswordError, CardLockedError: the card could not be opened or read.
        ImageError: the live picture cannot be decoded.
        ModelError: a model is missing or altered.
        TerminalKeyError: the terminal's key does not sign, or does not belong to its certificate; it says nothing of
            the card, so it is no result.
        TrustStoreError: the trust store's file is damaged.
        OperationCancelled: the cancel token was set.
    """
    chosen, reading = load(policy), options or ReadOptions()
    moment, tries = _aware(at), retries or Retries()
    posed = isinstance(live, LiveChallenge)
    consented, withheld = _consent(chosen, consent, face=live is not None, posed=posed, finger=finger is not None)
    if withheld:
        live = finger = None
        reading = replace(reading, skip=reading.skip | {FileId.DG3, FileId.DG4})
    picture = live if live is None or callable(live) or isinstance(live, LiveChallenge) else read_live(live)
    prints = _prints(finger)
    if picture is not None and matcher is None:
        matcher = new_face_matcher()
    if prints and finger_matcher is None:
        finger_matcher = new_finger_matcher()
    course = Course(timeout=timeout if timeout is not None else reading.total_timeout, cancel=cancel, on_event=on_event)
    pool = executor if executor is not None else ThreadPoolExecutor(max_workers=2, thread_name_prefix="idverify")
    with contextlib.ExitStack() as ending:
        if executor is None:
            ending.callback(pool.shutdown, wait=False, cancel_futures=True)
        ending.callback(course.end)
        face = FaceMatching(matcher, picture, chosen, pool, course=course, retries=tries, pad=pad)
        for last in (face.release, course.end, face.abandon):  # in the end backwards
            ending.callback(last)
        fingers = FingerMatching(finger_matcher, prints, chosen, pool, course=course, dpi=finger_dpi)
        ending.callback(fingers.abandon)
        evidence = Gathering(
            trust=trust, at=moment, policy=chosen, pool=pool, course=course, face=face, fingers=fingers, early=early,
            consented=consented, withheld=withheld,
            ask=None if online is None else lambda passive, files: _ask_online(online, passive, files, device_id),
        )  # fmt: skip
        visit = CardVisit(
            transport, reading, rng=rng, course=course, retries=tries, on_progress=on_progress, evidence=evidence
        )
        read = visit.run(passwords, terminal=terminal, challenge=challenge)
        report, scores = evidence.conclude(read)
        course.tell(Stage.DECISION, State.STARTED)
        course.check()
        with _telemetry.span("decision"):
            decision = chosen.decide(report, scores)
        course.tell(Stage.DECISION, State.FINISHED, outcome=decision.outcome)
    portrait, portrait_format, _ = portrait_of(read.files)
    return VerificationResult(
        decision=decision,
        report=report,
        scores=tuple(scores),
        session=SessionSummary(
            transport=transport.kind,
            access=read.access,
            apdus=read.stats.apdus,
            bytes=read.stats.bytes,
            milliseconds=dict(read.stats.milliseconds) | evidence.clock.laps,
        ),
        portrait=Secret(portrait) if portrait is not None else None,
        portrait_format=portrait_format,
        live=Secret(face.picture) if face.picture is not None else None,
        holder=holder_of(read.files, moment.date()),
        files=Secret(read.files),
        advice=face.advice,
    )


async def averify(
    transport: Transport,
    passwords: Passwords | PasswordSource | AsyncPasswordSource,
    *,
    trust: TrustStore,
    live: LivePicture | LiveSource | AsyncLiveSource | LiveChallenge | None = None,
    **options: Unpack[TransactionOptions],
) -> VerificationResult:
    """:func:`verify` for asyncio, by the same engine on a thread of its own: the event loop is never blocked.

    ``on_event`` and ``on_progress`` are called on the event loop; what asks for passwords and pictures may be a
    coroutine function, which runs there too. Cancelling the task ends the transaction: the card session is closed
    before ``CancelledError`` leaves. Arguments and errors are those of :func:`verify`.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="idverify-reader") as reader:
        return await run_async(
            lambda opened, taken, rest: verify(transport, opened, trust=trust, live=taken, **rest),
            passwords, live, options, reader,
        )  # fmt: skip


async def run_async(
    call: Callable[[Any, Any, TransactionOptions], VerificationResult],
    passwords: Passwords | PasswordSource | AsyncPasswordSource,
    live: LivePicture | LiveSource | AsyncLiveSource | LiveChallenge | None,
    options: TransactionOptions,
    reader: Executor,
) -> VerificationResult:
    """A transaction on a thread of ``reader``, its callbacks brought to the running event loop."""
    course = AsyncCourse(options.get("cancel"))
    adapted = options.copy()
    adapted["cancel"] = course
    for_event, for_progress = course.told(options.get("on_event")), course.told(options.get("on_progress"))
    adapted["on_event"], adapted["on_progress"] = for_event, for_progress
    opened = course.asked(passwords)
    taken = live.adapted(course.told, course.asked) if isinstance(live, LiveChallenge) else course.asked(live)
    return await course.run(lambda: call(opened, taken, adapted), reader)


def verify_files(
    files: Mapping[FileId, bytes],
    *,
    trust: TrustStore,
    at: datetime | None = None,
    policy: str | Path | Policy | None = None,
    unreadable: Mapping[FileId, Reason] | None = None,
) -> VerificationResult:
    """Judge raw files that were read elsewhere: passive authentication without a card.

    Args:
        files: raw files; EF.SOD alone is possible.
        trust: the trust anchors.
        at: inspection time, time zone aware; now where None.
        policy: ``document`` where None, or ``security-object`` for EF.SOD alone.
        unreadable: files that the reader could not read, and why.

    Raises:
        ConfigurationError: there is no file, or the policy cannot be used.
    """
    if not files:
        raise ConfigurationError("there is no file to check: expected at least EF_SOD.bin")
    alone = not any(f.number is not None for f in files)
    chosen = load(policy if policy is not None else (SECURITY_OBJECT if alone else DOCUMENT))
    moment, clock = _aware(at), Clock()
    asked = {r.check for r in chosen.requirements}
    exact = PassiveAuthOptions(profile=CheckId.DSC_PROFILE in asked)
    passive = examine(files, trust=trust, at=moment, unreadable=unreadable or {}, options=exact).report
    clock.lap("passive_authentication")
    report = passive.with_checks(document_checks(files, moment)) if FileId.DG1 in files else passive
    if CheckId.DOCUMENT_CONTENTS in asked:
        report = report.with_checks(check_contents(files))
    if (age := chosen.judge_trust_list(trust.dated, moment)) is not None:
        report = report.with_checks([age])
    portrait, portrait_format, _ = portrait_of(files)
    return VerificationResult(
        decision=chosen.decide(report, ()),
        report=report,
        scores=(),
        session=SessionSummary(
            transport="files", access="none", bytes=sum(map(len, files.values())), milliseconds=clock.laps
        ),
        portrait=Secret(portrait) if portrait is not None else None,
        portrait_format=portrait_format,
        holder=holder_of(files, moment.date()),
        files=Secret(files),
    )


def _aware(at: datetime | None) -> datetime:
    if at is None:
        return datetime.now(UTC)
    if at.tzinfo is None:
        raise ConfigurationError("the inspection time needs a time zone, for instance datetime.now(UTC)")
    return at


def _consent(
    policy: Policy, consent: Consent | None, *, face: bool, posed: bool, finger: bool
) -> tuple[list[CheckResult], bool]:
    """What the consent says, with the comparisons that are not made for want of one; and whether that is so."""
    judged = policy.judge_consent(consent)
    if judged is None:
        return [], False
    if judged.status is CheckStatus.SUCCESSFUL:
        return [judged], False
    wanted = {
        CheckId.FACE_MATCH: face or policy.face_fmr is not None,
        CheckId.FACE_PAD: policy.needs(CheckId.FACE_PAD),
        CheckId.FACE_CHALLENGE: posed or policy.needs(CheckId.FACE_CHALLENGE),
        CheckId.FINGER_MATCH: finger or policy.finger_fmr is not None,
    }
    absent = [
        CheckResult(check=check, status=CheckStatus.NOT_PERFORMED, reason=judged.reason)
        for check, asked in wanted.items()
        if asked
    ]
    return [judged, *absent], True


def _prints(finger: LiveFingers | None) -> list[LivePrint]:
    if finger is None:
        return []
    by_position: Mapping[int, Any] = finger if isinstance(finger, Mapping) else {0: finger}
    if strange := [p for p in by_position if not isinstance(p, int) or not 0 <= p <= 10]:
        raise ConfigurationError(f"a finger's position is 0 … 10, got {strange[0]!r}")
    tries: list[tuple[int, LivePicture]] = [
        (int(position), one)
        for position, given in by_position.items()
        for one in (given if isinstance(given, list | tuple) else [given])
    ]
    if len(tries) > MAX_TRIES:
        raise ConfigurationError(f"at most {MAX_TRIES} live fingerprints, got {len(tries)}")
    return [LivePrint(picture=read_live(one), position=position) for position, one in tries]


def _ask_online(
    online: OnlineDocumentCheck, passive: PassiveAuthentication, files: Mapping[FileId, bytes], device_id: str
) -> CheckResult:
    from idverify.online import OnlineRequest

    number = personal_number(files)
    if number is None or passive.signer is None:
        return CheckResult(check=CheckId.ONLINE_DS, status=CheckStatus.NOT_PERFORMED, reason=Reason.NOT_READ)
    return online.check(
        OnlineRequest(signer_certificate=passive.signer.der, personal_number=number, device_id=device_id)
    )
