"""Evidence of one transaction, gathered while files come in, and put together in the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from datetime import datetime
from typing import Final

from idverify.chip.lds.contents import check_contents
from idverify.chip.lds.files import DATA_GROUPS, FileId
from idverify.chip.pki.arriving import ArrivingDocument
from idverify.chip.pki.passive_auth import PassiveAuthentication, PassiveAuthOptions, examine
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.session import gate_chip_results
from idverify.decision import Outcome, Policy
from idverify.engine.document import check_data_page, document_checks, portrait_of, prints_of
from idverify.engine.matching import FaceMatching, FingerMatching, MatchScore
from idverify.engine.transaction import Course, Stage, State, in_thread
from idverify.engine.visit import CardRead, CertainError
from idverify.report import CheckId, CheckResult, CheckStatus, Reason, VerificationReport

Ask = Callable[[PassiveAuthentication, Mapping[FileId, bytes]], CheckResult]
"""Asks a service about the document signer."""

_KEYS: Final = frozenset({FileId.DG14, FileId.DG15})


class Clock:
    """Wall time of consecutive stages in milliseconds."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """The stage that ends now."""
        now = time.perf_counter()
        self.laps[name] = (now - self._last) * 1000
        self._last = now


class Gathering:
    """The evidence of one transaction.

    Args:
        trust: the trust anchors.
        at: inspection time, time zone aware.
        policy: names the checks.
        pool: where work goes.
        course: the transaction.
        face, fingers: compare the pictures.
        early: stop where the decision is certain.
        consented: what the consent says.
        withheld: no picture may be looked at.
        ask: asks a service about the document signer; on a thread of its own, while the chip proves itself.
    """

    def __init__(
        self,
        *,
        trust: TrustStore,
        at: datetime,
        policy: Policy,
        pool: Executor,
        course: Course,
        face: FaceMatching,
        fingers: FingerMatching,
        early: bool = False,
        consented: Sequence[CheckResult] = (),
        withheld: bool = False,
        ask: Ask | None = None,
    ) -> None:
        self._trust, self._at, self._policy, self._pool, self._course = trust, at, policy, pool, course
        self._face, self._fingers, self._early, self._ask = face, fingers, early, ask
        self._consented, self._withheld = consented, withheld
        self._named = {r.check for r in policy.requirements}
        self._exact = PassiveAuthOptions(profile=CheckId.DSC_PROFILE in self._named)
        self._arriving: Future[ArrivingDocument] | None = None
        self._judging: Future[PassiveAuthentication] | None = None
        self._asking: Future[CheckResult] | None = None
        self._judged: Mapping[FileId, bytes] = {}
        self._signer: tuple[CheckResult, ...] | None = None
        self._unweighed: dict[FileId, bytes] = {}
        self._rejected = False
        self.clock = Clock()

    # ---- while files come in ------------------------------------------------------------------------------------

    @property
    def unneeded(self) -> frozenset[FileId]:
        """Data groups that no check of the policy asks for, where only those are to be read."""
        if not self._early or CheckId.DOCUMENT_CONTENTS in self._named:
            return frozenset()
        needed = {FileId.DG1, *_KEYS} | {g for g in DATA_GROUPS if g.label in self._policy.groups}
        if self._face.asked or self._policy.face_fmr is not None:
            needed.add(FileId.DG2)
        if self._fingers.asked or self._policy.finger_fmr is not None:
            needed.add(FileId.DG3)
        if CheckId.CCCD_CONSISTENCY in self._named:
            needed.add(FileId.DG13)
        return frozenset(DATA_GROUPS) - needed

    def arrived(self, file: FileId, raw: bytes) -> None:
        """A file is in: begin what it is needed for.

        Raises:
            CertainError: the card is rejected whatever follows, and the caller wants to know no more.
        """
        if file is FileId.SOD:
            self._arriving = self._pool.submit(self._verify_signature, raw)
        elif file is FileId.DG2:
            portrait, _, problem = portrait_of({file: raw})
            self._face.enrol(portrait, problem)
        elif file is FileId.DG3:
            self._fingers.enrol(*prints_of(raw))
        self._unweighed[file] = raw
        self.weigh()

    def complete(self, files: Mapping[FileId, bytes], unreadable: Mapping[FileId, Reason]) -> None:
        """Everything is in: judge it while the chip computes its proof.

        Raises:
            CertainError: as :meth:`arrived`.
        """
        self._judged = files
        self._judging = self._pool.submit(self._examine, files, unreadable)
        self.weigh()

    def _verify_signature(self, sod: bytes) -> ArrivingDocument:
        with self._course.stage(Stage.SIGNATURE):
            return ArrivingDocument(sod, trust=self._trust, at=self._at, options=self._exact)

    def _examine(self, files: Mapping[FileId, bytes], unreadable: Mapping[FileId, Reason]) -> PassiveAuthentication:
        arriving = self._course.wait(self._arriving) if self._arriving is not None else None
        with self._course.stage(Stage.PASSIVE_AUTHENTICATION):
            if arriving is not None:
                found = arriving.examine(files, unreadable)
            else:
                found = examine(files, trust=self._trust, at=self._at, unreadable=unreadable, options=self._exact)
        if self._ask is not None and self._asking is None:
            self._asking = in_thread(self._ask_online, found, files)
        return found

    def _ask_online(self, passive: PassiveAuthentication, files: Mapping[FileId, bytes]) -> CheckResult:
        if self._ask is None:
            return CheckResult(check=CheckId.ONLINE_DS, status=CheckStatus.NOT_PERFORMED, reason=Reason.NOT_REQUESTED)
        with self._course.stage(Stage.ONLINE):
            return self._ask(passive, files)

    # ---- as early as the policy allows ----------------------------------------------------------------------------

    def weigh(self) -> None:
        """Whether what is known already rejects the card: a failed check stays failed, whatever follows.

        Raises:
            CertainError: as :meth:`arrived`.
        """
        if self._rejected or not (self._early or self._course.listened):
            return
        if not any(self._rejecting()):
            return
        self._rejected = True
        self._course.tell(Stage.DECISION, State.PROGRESS, outcome=Outcome.REJECT)
        if self._early:
            raise CertainError

    def _rejecting(self) -> list[bool]:
        found = [self._rejects(check) for check in self._signed_evidence()]
        if self._face.ready:
            _, scores = self._face.compare()
            limit, wanted = self._policy.face_fmr, self._policy.no_match is Outcome.REJECT
            found += [wanted and limit is not None and s.fmr is not None and s.fmr > limit for s in scores]
        return found

    def _signed_evidence(self) -> list[CheckResult]:
        """New results, once the signature has been verified."""
        arriving = self._arriving
        if arriving is None or not arriving.done() or arriving.cancelled() or arriving.exception() is not None:
            return []
        found: list[CheckResult] = []
        if self._signer is None:
            self._signer = arriving.result().signer_checks()
            found += self._signer
        for file, raw in self._unweighed.items():
            check = arriving.result().group(file, raw)
            if check is not None:
                found.append(check)
        self._unweighed.clear()
        return found

    def _rejects(self, check: CheckResult) -> bool:
        if check.status is not CheckStatus.FAILED:
            return False
        if check.check is CheckId.DG_HASH and check.subject in self._policy.groups:
            return True
        return any(r.check is check.check and r.failed is Outcome.REJECT for r in self._policy.requirements)

    # ---- in the end -----------------------------------------------------------------------------------------------

    def conclude(self, read: CardRead) -> tuple[VerificationReport, list[MatchScore]]:
        """The report and the scores; waits for what is still being worked on.

        Raises:
            ImageError, ModelError, TrustStoreError, OperationCancelled, TransportTimeout
        """
        self.clock.lap("card")
        passive = self._passive(read)
        self.clock.lap("passive_authentication")
        checks = [*read.checks, *passive.report.checks, *gate_chip_results(read.proofs, passive.report)]
        checks += document_checks(read.files, self._at)
        if CheckId.DOCUMENT_CONTENTS in self._named:
            checks += check_contents(read.files)
            checks += check_data_page(read.files, read.passwords)
        if (age := self._policy.judge_trust_list(self._trust.dated, self._at)) is not None:
            checks.append(age)
        checks += self._consented
        certain = self._early and (self._rejected or any(map(self._rejects, checks)))
        scores: list[MatchScore] = []
        for name, matching, limit in (
            ("face", self._face, self._policy.face_fmr),
            ("finger", self._fingers, self._policy.finger_fmr),
        ):
            if certain and matching is self._face and self._face.posing:
                checks.append(_not_awaited())
            elif not self._withheld and (limit is not None or matching.asked):
                judged, found = matching.compare()
                checks += judged
                scores += found
                self.clock.lap(name)
        if self._asking is not None:
            checks.append(self._course.wait(self._asking))
            self.clock.lap("online")
        report = VerificationReport(
            checks=tuple(checks), trust_store_id=passive.report.trust_store_id, verified_at=self._at
        )
        return report, scores

    def _passive(self, read: CardRead) -> PassiveAuthentication:
        if self._judging is not None:
            passive = self._course.wait(self._judging)
            if read.files.keys() == self._judged.keys():
                return passive
        # stopped early, or the chip's proof needed a file that was to be skipped
        return self._examine(read.files, read.unreadable)


def _not_awaited() -> CheckResult:
    """The card is rejected: nobody is kept moving before the camera."""
    return CheckResult(
        check=CheckId.FACE_MATCH, status=CheckStatus.NOT_PERFORMED, reason=Reason.SAMPLE_MISSING, subject="live"
    )
