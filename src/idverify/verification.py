"""The counter transaction: the one place where the chip meets the biometrics.

A card is opened, read and proven genuine while the live picture becomes a template on another thread; the portrait is
matched with it, and a policy turns the evidence into a decision. Nothing here stops at the first failed check: the
report of a forged card says everything that is wrong with it.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Union, cast

from idverify._secret import Secret
from idverify._version import __version__
from idverify.chip import cccd
from idverify.chip.lds.contents import check_contents
from idverify.chip.lds.dg1 import DG1
from idverify.chip.lds.dg2 import DG2
from idverify.chip.lds.dg3 import DG3
from idverify.chip.lds.dg13_vn import CitizenDetails
from idverify.chip.lds.files import FileId
from idverify.chip.lds.images import ImageFormat
from idverify.chip.lds.mrz import document_validity
from idverify.chip.pki.passive_auth import PassiveAuthentication, PassiveAuthOptions, examine
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.session import DocumentSession, ReadOptions, gate_chip_results
from idverify.decision import DOCUMENT, SECURITY_OBJECT, Decision, Policy, load
from idverify.errors import ConfigurationError, ImageError, MalformedDataError
from idverify.matching import (
    ChipPicture,
    FaceMatching,
    FingerMatching,
    MatchScore,
    new_face_matcher,
    new_finger_matcher,
)
from idverify.report import CheckId, CheckResult, CheckStatus, Reason, VerificationReport

if TYPE_CHECKING:
    from idverify.biometric.face.matcher import FaceMatcher
    from idverify.biometric.finger.engine import FingerMatcher
    from idverify.biometric.image import Image
    from idverify.chip.access.password import AccessPassword
    from idverify.chip.access.terminal_auth import TerminalCredentials
    from idverify.chip.session import CancelToken, Progress
    from idverify.chip.transport.base import Transport
    from idverify.consent import Consent
    from idverify.online import OnlineDocumentCheck

LivePicture = Union[Path, str, bytes, "Image"]
"""A live picture: a file, an encoded picture, or an RGB array (height, width, 3) of uint8."""

MAX_TRIES: Final = 10
MAX_STORED: Final = 20
MAX_LIVE_BYTES: Final = 64 * 1024 * 1024
"""Largest live picture file that is opened."""


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
class Holder:
    """The holder as the chip names them. Meaningful only where the report's hashes are successful.

    Attributes:
        number: the citizen's 12-digit number, else the document number.
        name: as in the MRZ: surname, comma, given names; Vietnamese names without diacritics.
        birth: date of birth, or None where the MRZ leaves it open.
        sex: ``M``, ``F`` or ``X``.
        nationality: three-letter code.
        expiry: last day of validity; None where unlimited or unreadable.
        unlimited: whether the document never expires.
        details: data group 13 of the citizen card, with diacritics; None for other documents.
    """

    number: str = field(repr=False)
    name: str = field(repr=False)
    birth: date | None = field(repr=False)
    sex: str = field(repr=False)
    nationality: str = field(repr=False)
    expiry: date | None = field(repr=False)
    unlimited: bool = field(repr=False)
    details: CitizenDetails | None = field(default=None, repr=False)


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


def verify(
    transport: Transport,
    passwords: AccessPassword | Sequence[AccessPassword],
    *,
    trust: TrustStore,
    live: LivePicture | None = None,
    policy: str | Path | Policy = "counter",
    at: datetime | None = None,
    options: ReadOptions | None = None,
    matcher: FaceMatcher | None = None,
    finger: LivePicture | Sequence[LivePicture] | None = None,
    finger_dpi: float = 500.0,
    finger_matcher: FingerMatcher | None = None,
    terminal: TerminalCredentials | None = None,
    consent: Consent | None = None,
    online: OnlineDocumentCheck | None = None,
    device_id: str = "",
    challenge: bytes | None = None,
    rng: Callable[[int], bytes] = secrets.token_bytes,
    on_progress: Callable[[Progress], None] | None = None,
    cancel: CancelToken | None = None,
    executor: Executor | None = None,
) -> VerificationResult:
    """Read a card, prove it genuine, match its portrait with a live picture, and decide.

    Work overlaps: the live picture becomes a template on another thread while the chip is read, the portrait as soon
    as DG2 is in, and passive authentication runs while the chip computes its proof.

    Args:
        transport: the connected card; it stays open.
        passwords: what opens the chip: the CAN, or the MRZ.
        trust: the trust anchors.
        live: the live picture: a file, an encoded picture, or an RGB array (height, width, 3) of uint8; None where the
            policy asks for no face.
        policy: a policy, its name, or a TOML file.
        at: inspection time, time zone aware; now where None.
        options: limits and choices of reading.
        matcher: a face matcher to share between transactions; one is made where None.
        finger: a live fingerprint, or several tries of one finger: pictures as ``live``.
        finger_dpi: resolution of the live fingerprints.
        finger_matcher: a finger matcher to share; one is made where None and a finger is given.
        terminal: the terminal's certificates and key, for reading DG3 and DG4.
        consent: the holder's consent to biometrics. Where the policy asks for one and it is missing or for another
            purpose, no picture is opened, no template is made, and DG3 and DG4 are not read.
        online: asks a service about the document signer.
        device_id: the counter's device, for the online check.
        challenge: eight bytes of the caller's for active authentication, for remote verification.
        rng: source of random bytes.
        on_progress: called on change.
        cancel: polled between commands.
        executor: runs templates and passive authentication beside the reading; several counters may share one. Two
            threads of its own where None.

    Returns:
        the decision with all evidence; a forged or a foreign card is no exception.

    Raises:
        ConfigurationError: an argument cannot be used.
        TransportError, ProtocolError, WrongPasswordError, CardLockedError: the card could not be opened or read.
        ImageError: the live picture cannot be decoded.
        ModelError: a model is missing or altered.
        OperationCancelled: the cancel token was set.
    """
    chosen, moment = load(policy), _aware(at)
    consented, withheld = _consent(chosen, consent, face=live is not None, finger=finger is not None)
    if withheld:
        live = finger = None
        options = options or ReadOptions()
        options = replace(options, skip=options.skip | {FileId.DG3, FileId.DG4})
    picture = _read_live(live) if live is not None else None
    prints = _prints(finger)
    if picture is not None and matcher is None:
        matcher = new_face_matcher()
    if prints and finger_matcher is None:
        finger_matcher = new_finger_matcher()
    clock = _Clock()
    pool = executor if executor is not None else ThreadPoolExecutor(max_workers=2, thread_name_prefix="idverify")
    samples: list[FaceMatching | FingerMatching] = []
    try:
        face = FaceMatching(matcher, picture, chosen, pool)
        samples.append(face)
        fingers = FingerMatching(finger_matcher, prints, chosen, pool, dpi=finger_dpi)
        samples.append(fingers)

        def on_file(file: FileId, raw: bytes) -> None:
            if file is FileId.DG2:
                portrait, _, problem = _portrait({file: raw})
                face.enrol(portrait, problem)
            elif file is FileId.DG3:
                fingers.enrol(*_finger_pictures(raw))

        with DocumentSession(
            transport,
            options=options or ReadOptions(),
            on_progress=on_progress,
            on_file=on_file,
            cancel=cancel,
            rng=rng,
        ) as session:
            access = list(session.open(passwords, terminal=terminal))
            if terminal is not None:
                authorised = session.authenticate_terminal(terminal)
                access.append(authorised.check)
            files = session.read_all()
            asked = {r.check for r in chosen.requirements}
            exact = PassiveAuthOptions(profile=CheckId.DSC_PROFILE in asked)
            unreadable = dict(session.unreadable)
            judging = pool.submit(  # while the chip computes its proof
                examine, files, trust=trust, at=moment, unreadable=unreadable, options=exact
            )
            chip = session.authenticate_chip(challenge=challenge)
            clock.lap("card")
            summary, opened_by = session.stats, session.access
            late, unreadable = dict(session.files), dict(session.unreadable)
        passive = judging.result()
        if late.keys() != files.keys():  # the chip's proof needed a file that was to be skipped
            files = late
            passive = examine(files, trust=trust, at=moment, unreadable=unreadable, options=exact)
        clock.lap("passive_authentication")
        checks = [*access, *passive.report.checks, *gate_chip_results(chip, passive.report)]
        checks += _document_checks(files, moment)
        if CheckId.DOCUMENT_CONTENTS in asked:
            checks += check_contents(files)
            checks += _data_page(files, passwords)
        if online is not None:
            checks.append(_ask_online(online, passive, files, device_id))
            clock.lap("online")
        if (age := chosen.judge_trust_list(trust.dated, moment)) is not None:
            checks.append(age)
        checks += consented
        scores: list[MatchScore] = []
        if not withheld and (chosen.face_fmr is not None or picture is not None):
            checks += face.compare(scores)
            clock.lap("face")
        if not withheld and (chosen.finger_fmr is not None or prints):
            checks += fingers.compare(scores)
            clock.lap("finger")
    finally:
        for sample in samples:
            sample.abandon()
        if executor is None:
            pool.shutdown(wait=False, cancel_futures=True)
    report = VerificationReport(checks=tuple(checks), trust_store_id=passive.report.trust_store_id, verified_at=moment)
    portrait, portrait_format, _ = _portrait(files)
    return VerificationResult(
        decision=chosen.decide(report, scores),
        report=report,
        scores=tuple(scores),
        session=SessionSummary(
            transport=transport.kind,
            access=opened_by,
            apdus=summary.apdus,
            bytes=summary.bytes,
            milliseconds=dict(summary.milliseconds) | clock.laps,
        ),
        portrait=Secret(portrait) if portrait is not None else None,
        portrait_format=portrait_format,
        live=Secret(picture) if isinstance(picture, bytes) else _encoded(picture),
        holder=_holder(files, moment.date()),
        files=Secret(files),
        advice=face.advice,
    )


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
    moment, clock = _aware(at), _Clock()
    asked = {r.check for r in chosen.requirements}
    exact = PassiveAuthOptions(profile=CheckId.DSC_PROFILE in asked)
    passive = examine(files, trust=trust, at=moment, unreadable=unreadable or {}, options=exact).report
    clock.lap("passive_authentication")
    report = passive.with_checks(_document_checks(files, moment)) if FileId.DG1 in files else passive
    if CheckId.DOCUMENT_CONTENTS in asked:
        report = report.with_checks(check_contents(files))
    if (age := chosen.judge_trust_list(trust.dated, moment)) is not None:
        report = report.with_checks([age])
    portrait, portrait_format, _ = _portrait(files)
    return VerificationResult(
        decision=chosen.decide(report, ()),
        report=report,
        scores=(),
        session=SessionSummary(
            transport="files", access="none", bytes=sum(map(len, files.values())), milliseconds=clock.laps
        ),
        portrait=Secret(portrait) if portrait is not None else None,
        portrait_format=portrait_format,
        holder=_holder(files, moment.date()),
        files=Secret(files),
    )


class _Clock:
    """Wall time of consecutive stages in milliseconds."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = (now - self._last) * 1000
        self._last = now


def _aware(at: datetime | None) -> datetime:
    if at is None:
        return datetime.now(UTC)
    if at.tzinfo is None:
        raise ConfigurationError("the inspection time needs a time zone, for instance datetime.now(UTC)")
    return at


def _consent(policy: Policy, consent: Consent | None, *, face: bool, finger: bool) -> tuple[list[CheckResult], bool]:
    """What the consent says, with the comparisons that are not made for want of one; and whether that is so."""
    judged = policy.judge_consent(consent)
    if judged is None:
        return [], False
    if judged.status is CheckStatus.SUCCESSFUL:
        return [judged], False
    wanted = {
        CheckId.FACE_MATCH: face or policy.face_fmr is not None,
        CheckId.FINGER_MATCH: finger or policy.finger_fmr is not None,
    }
    absent = [
        CheckResult(check=check, status=CheckStatus.NOT_PERFORMED, reason=judged.reason)
        for check, asked in wanted.items()
        if asked
    ]
    return [judged, *absent], True


def _prints(finger: LivePicture | Sequence[LivePicture] | None) -> list[bytes | Image]:
    if finger is None:
        return []
    tries: Sequence[LivePicture] = finger if isinstance(finger, list | tuple) else [cast("LivePicture", finger)]
    if len(tries) > MAX_TRIES:
        raise ConfigurationError(f"at most {MAX_TRIES} live fingerprints, got {len(tries)}")
    return [_read_live(one) for one in tries]


def _finger_pictures(raw: bytes) -> tuple[list[ChipPicture], Reason]:
    """The prints of DG3, and why there are none."""
    try:
        group = DG3.parse(raw)
    except MalformedDataError:
        return [], Reason.FILE_MALFORMED
    found = []
    for record in group.records:
        per_inch = record.image_resolution[0] * (2.54 if record.scale_units == 2 else 1.0)
        for image in record.images[:MAX_STORED]:
            size = (image.width, image.height) if image.image_format is ImageFormat.RAW else None
            found.append(ChipPicture(data=image.image, size=size, dpi=per_inch))
    found += [ChipPicture(data=r.image) for block in group.data_blocks for r in block.representations]
    return found[:MAX_STORED], Reason.OK if found else Reason.SAMPLE_MISSING


def _read_live(live: LivePicture) -> bytes | Image:
    if isinstance(live, str | Path):
        path = Path(live)
        try:
            if path.stat().st_size > MAX_LIVE_BYTES:
                raise ImageError(f"the live picture is larger than {MAX_LIVE_BYTES} bytes")
            return path.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"cannot read the live picture: {error.strerror}") from None
    return live


def _encoded(picture: Image | None) -> Secret[bytes] | None:
    if picture is None:
        return None
    from idverify.biometric.codecs import encode_png

    return Secret(encode_png(picture))


def _portrait(files: Mapping[FileId, bytes]) -> tuple[bytes | None, str | None, Reason]:
    """The portrait of DG2, its media type, and why there is none."""
    raw = files.get(FileId.DG2)
    if raw is None:
        return None, None, Reason.NO_PORTRAIT
    try:
        face = DG2.parse(raw).portrait
    except MalformedDataError:
        return None, None, Reason.FILE_MALFORMED
    return face.image, face.image_format.value, Reason.OK


def _details(files: Mapping[FileId, bytes]) -> CitizenDetails | None:
    raw = files.get(FileId.DG13)
    try:
        return CitizenDetails.parse(raw) if raw is not None else None
    except MalformedDataError:
        return None


def _mrz_file(files: Mapping[FileId, bytes]) -> DG1 | None:
    raw = files.get(FileId.DG1)
    try:
        return DG1.parse(raw) if raw is not None else None
    except MalformedDataError:
        return None


def _document_checks(files: Mapping[FileId, bytes], at: datetime) -> list[CheckResult]:
    dg1 = _mrz_file(files)
    if dg1 is None:
        malformed = FileId.DG1 in files
        return [
            CheckResult(
                check=CheckId.DOCUMENT_VALIDITY,
                status=CheckStatus.FAILED if malformed else CheckStatus.NOT_PERFORMED,
                reason=Reason.FILE_MALFORMED if malformed else Reason.NOT_READ,
            )
        ]
    checks = [document_validity(dg1.mrz, at)]
    if cccd.is_citizen_card(dg1.mrz):
        details = _details(files)
        if details is None and FileId.DG13 in files:
            checks.append(
                CheckResult(
                    check=CheckId.CCCD_CONSISTENCY, status=CheckStatus.FAILED, reason=Reason.FILE_MALFORMED,
                    subject=FileId.DG13.label,
                )
            )  # fmt: skip
        else:
            checks.append(cccd.cross_check(dg1, details))
    return checks


def _data_page(
    files: Mapping[FileId, bytes], passwords: AccessPassword | Sequence[AccessPassword]
) -> list[CheckResult]:
    """Whether DG1 names the document number and dates of the MRZ that was read from the data page, where one was."""
    from idverify.chip.access.password import AccessPassword, PasswordKind

    given = (passwords,) if isinstance(passwords, AccessPassword) else tuple(passwords)
    dg1, printed = _mrz_file(files), next((p for p in given if p.kind is PasswordKind.MRZ), None)
    if dg1 is None or printed is None:
        return []
    mrz, same = dg1.mrz, False
    try:
        stored = AccessPassword.mrz(mrz.document_number, mrz.date_of_birth, mrz.date_of_expiry)
        same = hmac.compare_digest(stored.value.reveal(), printed.value.reveal())
    except ConfigurationError:
        pass  # fields that can be no key cannot be those that opened the chip
    if same:
        return []
    return [
        CheckResult(
            check=CheckId.DOCUMENT_CONTENTS, status=CheckStatus.FAILED, reason=Reason.FIELDS_DIFFER,
            subject=FileId.DG1.label, evidence={"compared-with": "data page"},
        )
    ]  # fmt: skip


def _holder(files: Mapping[FileId, bytes], today: date) -> Secret[Holder] | None:
    dg1 = _mrz_file(files)
    if dg1 is None:
        return None
    mrz = dg1.mrz
    citizen = cccd.number_from_mrz(mrz) if cccd.is_citizen_card(mrz) else None
    return Secret(
        Holder(
            number=citizen.digits if citizen else mrz.document_number,
            name=", ".join(part for part in (mrz.surname, mrz.given_names) if part),
            birth=mrz.birth_date(today),
            sex=mrz.sex or "X",
            nationality=mrz.nationality,
            expiry=None if mrz.unlimited else mrz.expiry_date,
            unlimited=mrz.unlimited,
            details=_details(files) if citizen else None,
        )
    )


def _ask_online(
    online: OnlineDocumentCheck, passive: PassiveAuthentication, files: Mapping[FileId, bytes], device_id: str
) -> CheckResult:
    from idverify.online import OnlineRequest

    dg1 = _mrz_file(files)
    citizen = cccd.number_from_mrz(dg1.mrz) if dg1 else None
    if dg1 is None or passive.signer is None:
        return CheckResult(check=CheckId.ONLINE_DS, status=CheckStatus.NOT_PERFORMED, reason=Reason.NOT_READ)
    number = citizen.digits if citizen else dg1.mrz.document_number
    return online.check(
        OnlineRequest(signer_certificate=passive.signer.der, personal_number=Secret(number), device_id=device_id)
    )
