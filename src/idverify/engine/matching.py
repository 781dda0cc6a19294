"""The biometric half of a transaction: live samples against what the chip holds, as checks and scores.

Works on pictures, never on a card; templates are made on an executor while somebody else reads the chip.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from idverify.decision import Policy
from idverify.engine.document import ChipPicture
from idverify.engine.live import LiveFace, LiveSource, acquire, decoded
from idverify.engine.posing import LiveChallenge
from idverify.engine.transaction import Course, Retries, Stage
from idverify.errors import BiometricError, ConfigurationError, ImageError, NoFaceError, NoFingerError
from idverify.face_limits import NO_CHANGES
from idverify.report import CheckId, CheckResult, CheckStatus, Reason

if TYPE_CHECKING:
    from idverify.biometric.face.examiner import ChallengeResult
    from idverify.biometric.face.matcher import FaceMatcher, FaceSample
    from idverify.biometric.face.pad import PadScore, PassivePad
    from idverify.biometric.finger.engine import FingerMatcher
    from idverify.biometric.finger.extract import FingerSample
    from idverify.biometric.finger.template import FingerTemplate
    from idverify.biometric.image import Image

    _Pair = tuple[FingerTemplate, FingerTemplate]

_RELEASE_SECONDS: Final = 1.0
"""How long the end of a transaction waits for a camera to be let go of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchScore:
    """One biometric comparison, as it stands in reports.

    Attributes:
        modality: ``face`` or ``finger``.
        value: similarity on the model's own scale.
        threshold: the score that the policy's false match rate asks for, the best of so many comparisons taken into
            account; None where the policy asks for none, or the calibration table does not reach so far.
        fmr: false match rate at ``value`` from the model's calibration table, times the number of comparisons that it
            is the best of; None where there is no table, and where its smallest rate times that number is more than the
            policy's, so that nobody knows whether so good a score is within it.
        model: identity of the model, ``id@version``.
    """

    modality: str
    value: float
    threshold: float | None
    fmr: float | None
    model: str

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this score."""
        return {
            "modality": self.modality, "value": self.value, "threshold": self.threshold, "fmr": self.fmr,
            "model": self.model,
        }  # fmt: skip


def new_face_matcher() -> FaceMatcher:
    """The default face matcher; nothing is loaded before its first picture."""
    from idverify.biometric.face.matcher import FaceMatcher

    return FaceMatcher()


def new_pad() -> PassivePad:
    """The default presentation attack detection; nothing is loaded before its first picture."""
    from idverify.biometric.face.pad import PassivePad

    return PassivePad()


def new_finger_matcher() -> FingerMatcher:
    """The default finger matcher; nothing is loaded before its first picture."""
    from idverify.biometric.finger.engine import FingerMatcher

    return FingerMatcher()


class FaceMatching:
    """Two face templates of one transaction, and their score.

    Args:
        matcher: None where no face is compared.
        live: the live picture, encoded or as an RGB array, what takes one, or a challenge; None where there is none.
        policy: gives the false match rate and the limits of the pictures' quality, and says whether presentation attack
            detection must have run.
        executor: makes the templates.
        course: the transaction.
        retries: how often to ask for another picture.
        pad: presentation attack detection; the default one where None and the policy does not accept without it.

    Raises:
        ConfigurationError: the policy's rate lies outside the matcher's calibration table.
    """

    def __init__(
        self,
        matcher: FaceMatcher | None,
        live: bytes | Image | LiveSource | LiveChallenge | None,
        policy: Policy,
        executor: Executor,
        *,
        course: Course,
        retries: Retries,
        pad: PassivePad | None = None,
    ) -> None:
        self._pad = pad if pad is not None else new_pad() if policy.needs(CheckId.FACE_PAD) else None
        self._live_share, self._portraits_judged = policy.face_pad, bool(policy.quality.portrait)
        if matcher is not None and live is not None and policy.quality != NO_CHANGES:
            matcher = matcher.with_limits(policy.quality)
        self._matcher, self._executor, self._limit, self._course = matcher, executor, policy.face_fmr, course
        self._live: Future[LiveFace] | None = None
        self._reference: Future[FaceSample] | None = None
        self._problem = Reason.NO_PORTRAIT
        self._threshold: float | None = None
        self._found: tuple[list[CheckResult], list[MatchScore]] | None = None
        self.advice: tuple[str, ...] = ()
        self.picture: bytes | None = None
        """The live picture that was compared, encoded."""
        self._posed = isinstance(live, LiveChallenge)
        if matcher is not None and live is not None:
            if self._limit is not None and matcher.calibration is not None:
                self._threshold = matcher.threshold(self._limit)
            self._live = acquire(live, matcher, executor, course, retries, pad=self._pad)

    @property
    def asked(self) -> bool:
        """Whether there are a live picture and what compares it."""
        return self._live is not None

    @property
    def ready(self) -> bool:
        """Whether both templates are there, so that :meth:`compare` neither waits nor fails."""
        return all(
            f is not None and f.done() and not f.cancelled() and f.exception() is None
            for f in (self._live, self._reference)
        )

    def enrol(self, portrait: bytes | None, problem: Reason) -> None:
        """Start on the portrait, or say why there is none."""
        self._problem = problem
        if portrait is not None and self._live is not None and self._matcher is not None:
            self._reference = self._executor.submit(_chip_face, self._matcher, portrait, self._course)

    def abandon(self) -> None:
        """Take work that has not begun out of the queue; without effect after :meth:`compare`."""
        for future in (self._live, self._reference):
            if future is not None:
                future.cancel()

    def release(self) -> None:
        """Wait until a challenge has closed its stream, when the course has ended; a second at most."""
        if self._posed and self._live is not None:
            wait_for([self._live], timeout=_RELEASE_SECONDS)

    @property
    def posing(self) -> bool:
        """Whether a person is still being asked to move."""
        return self._posed and self._live is not None and not self._live.done()

    def compare(self) -> tuple[list[CheckResult], list[MatchScore]]:
        """The checks ``face.challenge``, ``face.quality``, ``face.pad`` and ``face.match``, and the score.

        Waits for the templates, and for the person where a challenge is posed.

        Raises:
            ImageError: the live picture cannot be decoded.
            ModelError: a model is missing or altered.
            OperationCancelled, TransportTimeout
        """
        if self._found is None:
            self._found = self._compare()
        return self._found

    def _compare(self) -> tuple[list[CheckResult], list[MatchScore]]:
        if self._matcher is None or self._live is None:
            return [_result(CheckId.FACE_MATCH, CheckStatus.NOT_PERFORMED, Reason.SAMPLE_MISSING, "live")], []
        found = self._course.wait(self._live)
        live, self.advice, self.picture = found.sample, found.advice, found.picture
        posed = [_challenged(found.challenge, found.challenges)] if self._posed else []
        if isinstance(found.problem, ImageError):
            raise found.problem
        if live is None:
            if found.problem is None:
                return [
                    *posed,
                    _result(CheckId.FACE_MATCH, CheckStatus.NOT_PERFORMED, Reason.SAMPLE_MISSING, "live"),
                ], []
            reason = Reason.NO_FACE if isinstance(found.problem, NoFaceError) else Reason.POOR_QUALITY
            return [*posed, _result(CheckId.FACE_MATCH, CheckStatus.UNDETERMINED, reason, "live")], []
        checks = [*posed, self._quality(live, "live")]
        if self._pad is not None:
            checks.append(_liveness(found.pad, self._live_share))
        if self._reference is None:
            return [*checks, _result(CheckId.FACE_MATCH, CheckStatus.UNDETERMINED, self._problem, "DG2")], []
        try:
            chip = self._course.wait(self._reference)
        except ImageError:
            return [*checks, _result(CheckId.FACE_MATCH, CheckStatus.UNDETERMINED, Reason.IMAGE_UNREADABLE, "DG2")], []
        except BiometricError:
            return [*checks, _result(CheckId.FACE_MATCH, CheckStatus.UNDETERMINED, Reason.NO_FACE, "DG2")], []
        if self._portraits_judged:
            checks.append(self._quality(chip, "DG2"))
        with self._course.stage(Stage.MATCHING):
            score = self._matcher.compare(live.template, chip.template)
        found_score = MatchScore(
            modality="face", value=score.value, threshold=self._threshold, fmr=score.fmr, model=score.model
        )
        return [*checks, _judged(CheckId.FACE_MATCH, score.fmr, self._limit)], [found_score]

    @staticmethod
    def _quality(sample: FaceSample, subject: str) -> CheckResult:
        from idverify.biometric.face.quality import QualityStatus

        evidence = {"score": f"{sample.quality.scalar}", **sample.quality.evidence}
        if sample.rivals:
            return _result(CheckId.FACE_QUALITY, CheckStatus.FAILED, Reason.SEVERAL_FACES, subject, evidence)
        status = sample.quality.status
        return _result(
            CheckId.FACE_QUALITY,
            CheckStatus.FAILED if status is QualityStatus.UNUSABLE else CheckStatus.SUCCESSFUL,
            Reason.OK if status is QualityStatus.GOOD else Reason.POOR_QUALITY,
            subject,
            evidence,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePrint:
    """A live print before it is a template.

    Attributes:
        picture: encoded, or as an array; personal data.
        position: finger by ISO/IEC 19794-2 table 5, 1 … 10; 0 where nobody said.
    """

    picture: bytes | Image = field(repr=False)
    position: int = 0


class FingerMatching:
    """Live prints, of one finger or of several, against the prints on the chip; the best comparison counts.

    Prints of named fingers are compared with those of the same finger, where the chip names it too. The false match
    rate is that of one comparison times their number, so it stays within the policy's, however many there are. Where
    the calibration table does not reach that far, the prints of the best quality decide.

    Args:
        matcher: None where no finger is compared.
        prints: tries of the live fingers.
        policy: gives the false match rate.
        executor: makes the templates.
        course: the transaction.
        dpi: resolution of the live pictures.

    Raises:
        ConfigurationError: the policy's rate lies outside the matcher's calibration table.
    """

    def __init__(
        self,
        matcher: FingerMatcher | None,
        prints: Sequence[LivePrint],
        policy: Policy,
        executor: Executor,
        *,
        course: Course,
        dpi: float = 500.0,
    ) -> None:
        self._matcher, self._executor, self._limit, self._course = matcher, executor, policy.finger_fmr, course
        self._live: list[tuple[int, Future[FingerSample]]] = []
        self._stored: list[tuple[int, Future[FingerSample]]] = []
        self._problem = Reason.NOT_READ
        if matcher is not None and prints:
            if self._limit is not None and matcher.calibration is not None:
                matcher.calibration.threshold(self._limit)  # refuses a rate that was never measured
            self._live = [(p.position, executor.submit(_live_finger, matcher, p.picture, dpi, course)) for p in prints]

    @property
    def asked(self) -> bool:
        """Whether there are live prints and what compares them."""
        return bool(self._live)

    def enrol(self, prints: Sequence[ChipPicture], problem: Reason) -> None:
        """Start on the prints of DG3, or say why there are none."""
        self._problem = problem
        if self._matcher is not None and self._live:
            self._stored = [
                (p.position, self._executor.submit(_chip_finger, self._matcher, p, self._course)) for p in prints
            ]

    def abandon(self) -> None:
        """Take work that has not begun out of the queue; without effect after :meth:`compare`."""
        for _, future in (*self._live, *self._stored):
            future.cancel()

    def compare(self) -> tuple[list[CheckResult], list[MatchScore]]:
        """The checks ``finger.quality`` and ``finger.match``, and the score; waits for the templates.

        Raises:
            ImageError: a live picture cannot be decoded.
            ModelError: a model is missing or altered.
            OperationCancelled, TransportTimeout
        """
        if self._matcher is None or not self._live:
            return [_result(CheckId.FINGER_MATCH, CheckStatus.NOT_PERFORMED, Reason.SAMPLE_MISSING, "live")], []
        probes = []
        for position, future in self._live:
            try:
                probes.append((position, self._course.wait(future)))
            except BiometricError:  # another try may be better
                continue
        if not probes:
            return [_result(CheckId.FINGER_MATCH, CheckStatus.UNDETERMINED, Reason.POOR_QUALITY, "live")], []
        checks = [self._quality([sample for _, sample in probes])]
        references = []
        for position, future in self._stored:
            try:
                references.append((position, self._course.wait(future).template()))
            except (ImageError, NoFingerError, BiometricError):
                self._problem = Reason.IMAGE_UNREADABLE
        if not references:
            return [*checks, _result(CheckId.FINGER_MATCH, CheckStatus.UNDETERMINED, self._problem, "DG3")], []
        probes.sort(key=lambda probe: probe[1].quality.value, reverse=True)
        by_print = [
            [(sample.template(), stored) for chip, stored in references if live == chip or not live or not chip]
            for live, sample in probes
        ]
        pairs = [pair for some in by_print for pair in some]
        if not pairs:  # other fingers than those that are enrolled
            return [*checks, _result(CheckId.FINGER_MATCH, CheckStatus.UNDETERMINED, Reason.SAMPLE_MISSING, "DG3")], []
        with self._course.stage(Stage.MATCHING):
            check, score = self._judge(self._matcher, pairs, self._within_table(by_print))
        return [*checks, check], [score]

    def _within_table(self, by_print: Sequence[Sequence[_Pair]]) -> list[_Pair]:
        """The comparisons of the best prints, as many as the table can tell the rate of; none where one is too many.

        Prints are chosen by their quality, before any score is known, so only what is chosen counts as a chance.
        """
        chosen: list[_Pair] = []
        for some in by_print:
            if some and self._reaches(len(chosen) + len(some)):
                chosen += some
        return chosen

    def _judge(
        self, matcher: FingerMatcher, pairs: Sequence[_Pair], chosen: Sequence[_Pair]
    ) -> tuple[CheckResult, MatchScore]:
        """The chosen comparisons decide; a good score among the others says that more could have been had."""
        check, found = self._scored(matcher, chosen or pairs)
        if check.status is not CheckStatus.SUCCESSFUL and 0 < len(chosen) < len(pairs):
            everything = self._scored(matcher, pairs)
            if everything[0].status is CheckStatus.UNDETERMINED:
                return everything
        return check, found

    def _scored(self, matcher: FingerMatcher, pairs: Sequence[_Pair]) -> tuple[CheckResult, MatchScore]:
        score = matcher.best_pair(pairs)
        threshold, fmr = self._threshold(len(pairs)), score.fmr
        if self._limit is not None and threshold is None and self._beyond_table(fmr, len(pairs)):
            fmr = None
        found = MatchScore(modality="finger", value=score.value, threshold=threshold, fmr=fmr, model=score.model)
        return _judged(CheckId.FINGER_MATCH, fmr, self._limit), found

    def _reaches(self, comparisons: int) -> bool:
        """Whether the table knows a score that the best of so many comparisons needs; true where there is no limit."""
        table = self._matcher.calibration if self._matcher is not None else None
        return table is None or self._limit is None or self._limit / comparisons >= table.smallest_fmr

    def _threshold(self, comparisons: int) -> float | None:
        """The score that the best of so many comparisons needs; None where the table does not reach so far."""
        table = self._matcher.calibration if self._matcher is not None else None
        if table is None or self._limit is None or not self._reaches(comparisons):
            return None
        return table.threshold(self._limit / comparisons)

    def _beyond_table(self, fmr: float | None, comparisons: int) -> bool:
        """Whether the score is as good as the table can tell, so that its true rate may be within the policy's."""
        table = self._matcher.calibration if self._matcher is not None else None
        return table is not None and fmr is not None and fmr <= comparisons * table.smallest_fmr * (1 + 1e-9)

    @staticmethod
    def _quality(probes: Sequence[FingerSample]) -> CheckResult:
        best = max(p.quality.value for p in probes)
        poor = best < _POOR_FINGER
        return _result(
            CheckId.FINGER_QUALITY,
            CheckStatus.FAILED if poor else CheckStatus.SUCCESSFUL,
            Reason.POOR_QUALITY if poor else Reason.OK,
            "live",
            {"score": f"{best}", "tries": f"{len(probes)}"},
        )


_POOR_FINGER = 20  # FingerQuality: below 20 try again


def _liveness(pad: PadScore | None, limit: float) -> CheckResult:
    from idverify.biometric.face.pad import LIMITS, SMALLEST_FACE

    if pad is None:
        return _result(CheckId.FACE_PAD, CheckStatus.UNDETERMINED, Reason.POOR_QUALITY, "live")
    evidence = {"score": f"{pad.live:.6f}", "model": pad.model, "limits": LIMITS}
    if pad.face < SMALLEST_FACE:
        return _result(CheckId.FACE_PAD, CheckStatus.UNDETERMINED, Reason.POOR_QUALITY, "live", evidence)
    live = pad.live >= limit
    status = CheckStatus.SUCCESSFUL if live else CheckStatus.FAILED
    reason = Reason.ABOVE_THRESHOLD if live else Reason.BELOW_THRESHOLD
    return _result(CheckId.FACE_PAD, status, reason, "live", evidence)


def _challenged(found: ChallengeResult | None, posed: int) -> CheckResult:
    """A challenge that was posed and not passed has failed, whatever the reason: a print never does what is asked."""
    from idverify.biometric.face.challenge import LIMITS

    if found is None:
        return _result(CheckId.FACE_CHALLENGE, CheckStatus.NOT_PERFORMED, Reason.SAMPLE_MISSING, "live")
    evidence = {
        "actions": " ".join(found.actions), "done": f"{found.done}", "frames": f"{found.frames}", "tries": f"{posed}",
        "unseen-blinks": f"{found.unseen}",
        "limits": LIMITS,
    }  # fmt: skip
    status = CheckStatus.SUCCESSFUL if found.passed else CheckStatus.FAILED
    return _result(CheckId.FACE_CHALLENGE, status, Reason(found.reason.value), "live", evidence)


def _judged(check: CheckId, fmr: float | None, limit: float | None) -> CheckResult:
    if limit is None:  # compared, and no policy's rate to judge it by
        return _result(check, CheckStatus.UNDETERMINED, Reason.NOT_REQUESTED)
    if fmr is None:
        return _result(check, CheckStatus.UNDETERMINED, Reason.NOT_CALIBRATED)
    if fmr <= limit:
        return _result(check, CheckStatus.SUCCESSFUL, Reason.ABOVE_THRESHOLD)
    return _result(check, CheckStatus.FAILED, Reason.BELOW_THRESHOLD)


def _result(
    check: CheckId,
    status: CheckStatus,
    reason: Reason,
    subject: str | None = None,
    evidence: dict[str, str] | None = None,
) -> CheckResult:
    return CheckResult(check=check, status=status, reason=reason, subject=subject, evidence=evidence or {})


def _chip_face(matcher: FaceMatcher, portrait: bytes, course: Course) -> FaceSample:
    from idverify.biometric.codecs import CHIP_FORMATS, decode_image
    from idverify.biometric.face.quality import CaptureKind

    with course.stage(Stage.PORTRAIT_TEMPLATE):
        return matcher.analyse(decode_image(portrait, formats=CHIP_FORMATS), kind=CaptureKind.PORTRAIT)


def _live_finger(matcher: FingerMatcher, picture: bytes | Image, dpi: float, course: Course) -> FingerSample:
    with course.stage(Stage.FINGER_TEMPLATE):
        return matcher.sample(decoded(picture), dpi=dpi)


def _chip_finger(matcher: FingerMatcher, picture: ChipPicture, course: Course) -> FingerSample:
    with course.stage(Stage.FINGER_TEMPLATE):
        return _stored_print(matcher, picture)


def _stored_print(matcher: FingerMatcher, picture: ChipPicture) -> FingerSample:
    import numpy as np

    from idverify.biometric.codecs import FINGER_FORMATS, decode_image
    from idverify.biometric.finger import constants

    low, high = constants.DPI_RANGE  # a chip may make its resolution up; records do, see finger.records
    dpi = picture.dpi if low <= picture.dpi <= high else constants.DPI
    if picture.size is None:
        return matcher.sample(decode_image(picture.data, formats=FINGER_FORMATS), dpi=dpi)
    width, height = picture.size
    if width * height != len(picture.data) or not picture.data:
        raise ImageError(f"raw finger image: expected {width} × {height} pixels, got {len(picture.data)} bytes")
    try:
        return matcher.sample(np.frombuffer(picture.data, np.uint8).reshape(height, width), dpi=dpi)
    except ConfigurationError as error:  # too small or too large for an extractor
        raise ImageError(str(error)) from None
