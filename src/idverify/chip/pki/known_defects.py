"""What issuing states and BSI say of a document's kind, held against its checks (ICAO 9303-12 §10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from idverify.chip.lds.dg1 import DG1
from idverify.chip.lds.files import FileId
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.deviations import Defect, KnownDeviation, find
from idverify.chip.pki.trust_store import TrustStore
from idverify.errors import IdVerifyError
from idverify.report import CheckId, CheckResult, CheckStatus, Reason

_ABOUT: Mapping[Defect, CheckId] = {
    Defect.SOD_SIGNATURE_WRONG: CheckId.SOD_SIGNATURE,
    Defect.SOD_INVALID: CheckId.SOD_SIGNATURE,
    Defect.SIGNER_REVOKED: CheckId.DSC_REVOCATION,
    Defect.COM_INCONSISTENT: CheckId.COM_SOD,
    Defect.MRZ_OTHER: CheckId.ISSUER_MRZ,
    Defect.MRZ_WRONG_DATA: CheckId.ISSUER_MRZ,
    Defect.MRZ_WRONG_CHECK_DIGIT: CheckId.ISSUER_MRZ,
}
"""The check under which a defect is named; the others stand under the signer's path."""

_KEY_GROUPS = {Defect.AA_KEY_COMPROMISED: "DG15", Defect.CA_KEY_COMPROMISED: "DG14"}
_NEVER_EXCUSED = frozenset({"DG1", "DG2", "DG14", "DG15"})


def known_deviations(
    files: Mapping[FileId, bytes], signer: Certificate | None, trust: TrustStore, issued: datetime | None
) -> tuple[KnownDeviation, ...]:
    """ICAO 9303-12 §10: what the issuing state says of this document's kind."""
    lists = trust.deviation_lists()
    if not lists or signer is None:
        return ()
    code = number = None
    try:
        mrz = DG1.parse(files[FileId.DG1]).mrz
        code, number = mrz.document_code.strip("<"), mrz.document_number
    except (KeyError, IdVerifyError):
        pass  # what is not known of a document does not fall under a list
    if issued is not None and issued.tzinfo is None:
        issued = issued.replace(tzinfo=UTC)
    return find(lists, signer, document_type=code, document_number=number, issued=issued)


def deviate(check: CheckResult, known: Sequence[KnownDeviation]) -> CheckResult:
    """Name the defects that concern a check; take trust away where they say so, and never add any."""
    names: list[str] = []
    status, reason = check.status, check.reason
    for deviation in known:
        groups = {f"DG{n}" for n in deviation.groups}
        if deviation.defect in _KEY_GROUPS:
            if check.check is not CheckId.DG_HASH or check.subject != _KEY_GROUPS[deviation.defect]:
                continue
            if status is CheckStatus.SUCCESSFUL:  # the key in it proves nothing any more
                status, reason = CheckStatus.UNDETERMINED, Reason.KNOWN_DEVIATION
        elif deviation.defect in (Defect.DG_HASH_WRONG, Defect.DG_MALFORMED):
            if check.check is not CheckId.DG_HASH or check.subject not in groups:
                continue
            excused = deviation.defect is Defect.DG_HASH_WRONG and check.subject not in _NEVER_EXCUSED
            if excused and reason is Reason.HASH_MISMATCH:
                status, reason = CheckStatus.UNDETERMINED, Reason.KNOWN_DEVIATION
        elif check.check is not _ABOUT.get(deviation.defect, CheckId.DSC_CHAIN):
            continue
        elif deviation.defect is Defect.SIGNER_REVOKED:
            status, reason = CheckStatus.FAILED, Reason.REVOKED
        elif deviation.defect is Defect.COM_INCONSISTENT and reason is Reason.COM_SOD_DIFFER:
            status, reason = CheckStatus.UNDETERMINED, Reason.KNOWN_DEVIATION
        names.append(deviation.defect.value)
    if not names:
        return check
    evidence = {**check.evidence, "known-deviations": " ".join(dict.fromkeys(names))}
    return CheckResult(check=check.check, status=status, reason=reason, subject=check.subject, evidence=evidence)
