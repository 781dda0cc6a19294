"""What the chip has proven about itself, and what that is worth.

Active and chip authentication show that the chip knows the private key to a public key it handed out itself. That is
worth something only once passive authentication vouches for that public key. So an exchange on its own is never
``successful`` here: :attr:`ChipResult.result` of a proof that verified says ``undetermined``, ``key-not-vouched``,
until :func:`gate_chip_results` has seen the report of passive authentication.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from idverify.chip.lds.files import FileId
from idverify.report import CheckId, CheckResult, CheckStatus, Reason, VerificationReport

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_NOT_RUN: Final = (CheckStatus.NOT_SUPPORTED, CheckStatus.NOT_PERFORMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipResult:
    """One protocol by which a chip shows that it is no copy.

    Attributes:
        check: ``chip.aa`` or ``chip.ca``.
        proven: the exchange verified under the public key of ``key_file``.
        status, reason: what to report where it did not.
        key_file: the file that the public key came from, or that it would come from.
        facts: further facts as text (algorithm …); never holder data.
        evidence: what can be verified again offline (challenge, response …), or None.
    """

    check: CheckId
    proven: bool = False
    status: CheckStatus = CheckStatus.NOT_PERFORMED
    reason: Reason = Reason.NOT_READ
    key_file: FileId
    facts: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    evidence: object | None = field(default=None, repr=False)

    @property
    def result(self) -> CheckResult:
        """The check before passive authentication has spoken: never ``successful``."""
        if self.proven:
            return self._result(CheckStatus.UNDETERMINED, Reason.KEY_NOT_VOUCHED)
        return self._result(self.status, self.reason)

    def _result(self, status: CheckStatus, reason: Reason) -> CheckResult:
        return CheckResult(
            check=self.check, status=status, reason=reason, subject=self.key_file.label, evidence=self.facts
        )

    def gated(self, report: VerificationReport) -> CheckResult:
        """The check in the light of passive authentication; see :func:`gate_chip_results`."""
        if self.proven:
            if _vouched(self.key_file, report):
                return self._result(CheckStatus.SUCCESSFUL, Reason.OK)
            return self._result(CheckStatus.UNDETERMINED, Reason.KEY_NOT_VOUCHED)
        if self.status in _NOT_RUN and _signed(self.key_file, report):
            # What the issuer signed for this chip is not shown: so a copy would avoid the question. DG15 is nothing
            # but a key; DG14 may hold none, and nobody can tell.
            certain = self.key_file is FileId.DG15
            return self._result(CheckStatus.FAILED if certain else CheckStatus.UNDETERMINED, Reason.KEY_MISSING)
        return self._result(self.status, self.reason)


def gate_chip_results(results: Iterable[ChipResult], report: VerificationReport) -> tuple[CheckResult, ...]:
    """The checks ``chip.aa`` and ``chip.ca``, judged after passive authentication.

    A proof counts as successful only where the SOD's signature, the path to a trusted CSCA and the hash of the file
    that holds the public key were all successful and the signer is not revoked (for EF.CardSecurity: its own
    signature check). A failed proof stays failed. Where the SOD vouches for DG15 but the chip did not hand it out, the
    check has failed (``key-missing``): leaving the key away is how a copy would avoid the question. Where that is so
    of DG14, which may hold other things than keys, the check is undetermined with the same reason.

    Args:
        results: what :meth:`~idverify.chip.session.DocumentSession.authenticate_chip` returned.
        report: what :func:`~idverify.chip.pki.passive_auth.verify_document` returned for the same read.
    """
    return tuple(r.gated(report) for r in results)


def _vouched(file: FileId, report: VerificationReport) -> bool:
    if file is FileId.CARD_SECURITY:
        return report.status(CheckId.CARD_SECURITY) is CheckStatus.SUCCESSFUL
    hashes = [c for c in report.results(CheckId.DG_HASH) if c.subject == file.label]
    return (
        report.status(CheckId.SOD_SIGNATURE) is CheckStatus.SUCCESSFUL
        and report.status(CheckId.DSC_CHAIN) is CheckStatus.SUCCESSFUL
        and report.status(CheckId.DSC_REVOCATION) is not CheckStatus.FAILED
        and bool(hashes)
        and all(c.status is CheckStatus.SUCCESSFUL for c in hashes)
    )


def _signed(file: FileId, report: VerificationReport) -> bool:
    """Whether the SOD has a hash for the file, and the file was not there to be checked."""
    return any(
        c.subject == file.label and c.status is not CheckStatus.SUCCESSFUL and c.reason is not Reason.HASH_NOT_IN_SOD
        for c in report.results(CheckId.DG_HASH)
    )
