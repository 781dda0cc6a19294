"""Passive authentication: is what the chip holds what the issuing state signed? (ICAO 9303-11 §5.1; BSI TR-03135-1)

Every check is made, whatever the others said, and gives one :class:`~idverify.report.CheckResult`. No bytes of a
document make these functions raise.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from idverify import _tlv
from idverify.chip.lds.com import EfCom
from idverify.chip.lds.files import DATA_GROUPS, FileId
from idverify.chip.lds.sod import EfSod, SecurityObject
from idverify.chip.pki import countries, path, signer_checks
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.cms import Deviation, SignedData, Verdict
from idverify.chip.pki.deviations import KnownDeviation
from idverify.chip.pki.known_defects import deviate, known_deviations
from idverify.chip.pki.master_files import card_access, card_security, verify_card_security
from idverify.chip.pki.signer_checks import PassiveAuthOptions, find_path, result, signature_evidence
from idverify.chip.pki.trust_store import TrustStore
from idverify.crypto.signature import WEAK_HASHES, digest
from idverify.errors import IdVerifyError, MalformedDataError, UnsupportedAlgorithmError
from idverify.oids import Icao
from idverify.report import CheckId, CheckResult, CheckStatus, Reason, VerificationReport

__all__ = [
    "OpenedSecurityObject",
    "PassiveAuthOptions",
    "PassiveAuthentication",
    "examine",
    "group_hash",
    "open_security_object",
    "signer_certificate",
    "verify_card_security",
    "verify_document",
]

_EAC_GROUPS = frozenset({FileId.DG3, FileId.DG4})
_MAX_TRIED = 3
"""Signers whose paths are looked for: documents have one, and every path costs up to 200 signatures."""


@dataclass(frozen=True, slots=True)
class PassiveAuthentication:
    """The report, and what it was made from.

    Attributes:
        report: the results.
        security_object: the signed hash list, or None. It is to be relied on only as far as the report says.
        signer: the document signer's certificate, or None.
        path: the path from it to a trusted CSCA, or None.
        deviations: known defects of such documents, from the store's deviation lists.
    """

    report: VerificationReport
    security_object: SecurityObject | None = field(repr=False)
    signer: Certificate | None
    path: path.Path | None
    deviations: tuple[KnownDeviation, ...] = ()


@dataclass
class _Sod:
    """EF.SOD taken apart as far as it goes."""

    reason: Reason | None = None
    signed: SignedData | None = None
    verdict: Verdict | None = None
    content: SecurityObject | None = None
    content_reason: Reason | None = None
    deviations: tuple[Deviation, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenedSecurityObject:
    """EF.SOD verified, and the path from its signer; see :func:`open_security_object`."""

    raw: bytes | None = field(repr=False)
    sod: _Sod = field(repr=False)
    found: path.Path | None = field(repr=False)

    def checks(self, trust: TrustStore, at: datetime, options: PassiveAuthOptions) -> tuple[CheckResult, ...]:
        """Those that need no other file."""
        return (
            _signature(self.sod, options, {}),
            *_signer(self.found, self.sod, trust, at, options),
        )


def verify_document(
    files: Mapping[FileId, bytes],
    *,
    trust: TrustStore,
    at: datetime,
    unreadable: Mapping[FileId, Reason] | None = None,
    options: PassiveAuthOptions | None = None,
) -> VerificationReport:
    """Passive authentication of raw files.

    Args:
        files: the files as read; EF.SOD alone is possible.
        trust: the trust anchors.
        at: time of the inspection; one without time zone is taken as UTC.
        unreadable: files that could not be read, and why. EF.CardAccess as ``file-absent`` says that the chip showed
            none; without that word it may not have been asked for.
        options: how strictly to judge.

    Returns:
        a report with ``pa.sod.signature``, ``pa.dsc.chain``, ``pa.dsc.validity``, ``pa.dsc.revocation``, ``pa.dg.hash``
        for every group that is signed or was read, ``pa.com-sod``, ``pa.issuer-mrz``, ``pa.card-security`` where
        EF.CardSecurity was read, ``pa.card-access`` where EF.CardAccess or a signed way of PACE is there, and
        ``pa.dsc.profile`` where the options ask for it.

    Raises:
        TrustStoreError: the trust store's file is damaged.
    """
    return examine(files, trust=trust, at=at, unreadable=unreadable, options=options).report


def examine(
    files: Mapping[FileId, bytes],
    *,
    trust: TrustStore,
    at: datetime,
    unreadable: Mapping[FileId, Reason] | None = None,
    options: PassiveAuthOptions | None = None,
    opened: OpenedSecurityObject | None = None,
) -> PassiveAuthentication:
    """:func:`verify_document` with the intermediate results.

    ``opened`` is taken instead of EF.SOD's own verification where it came from the same bytes, store and time.
    """
    chosen = options or PassiveAuthOptions()
    moment = at if at.tzinfo else at.replace(tzinfo=UTC)
    missing = unreadable or {}
    if opened is None or opened.raw != files.get(FileId.SOD):
        opened = open_security_object(files.get(FileId.SOD), trust=trust, at=moment)
    sod, found = opened.sod, opened.found
    signer = sod.verdict.signer if sod.verdict else None
    checks = [
        _signature(sod, chosen, missing),
        *_signer(found, sod, trust, moment, chosen),
        *_hashes(files, sod, missing),
        _com_sod(files, sod, missing),
        _issuer(files, found, missing),
    ]
    if chosen.profile:
        checks.append(signer_checks.form(found, _no_signer(sod)))
    issued = chosen.issued or (sod.verdict.signing_time if sod.verdict else None)
    known = known_deviations(files, found.signer if found is not None else None, trust, issued)
    checks = [deviate(check, known) for check in checks]
    security = None
    if FileId.CARD_SECURITY in files:
        check, security = card_security(files, trust=trust, at=moment, options=chosen)
        checks.append(check)
    access = card_access(files, missing=missing, so_far=checks, security=security)
    if access is not None:
        checks.append(access)
    report = VerificationReport(checks=tuple(checks), trust_store_id=trust.id, verified_at=moment)
    return PassiveAuthentication(report, sod.content, signer, found, known)


def open_security_object(raw: bytes | None, *, trust: TrustStore, at: datetime) -> OpenedSecurityObject:
    """The costly half of passive authentication, which needs EF.SOD alone: its signature, and the signer's path."""
    moment = at if at.tzinfo else at.replace(tzinfo=UTC)
    sod = _open_sod(raw, trust, moment)
    signer = sod.verdict.signer if sod.verdict else None
    return OpenedSecurityObject(raw, sod, find_path(signer, sod.signed, trust, moment))


def group_hash(opened: OpenedSecurityObject, file: FileId, raw: bytes) -> CheckResult | None:
    """``pa.dg.hash`` of one data group; None for other files."""
    return next((r for r in _hashes({file: raw}, opened.sod, {}) if r.subject == file.label), None)


def signer_certificate(sod: bytes) -> bytes | None:
    """The document signer's certificate in EF.SOD (DER), or None where there is none. Nothing is verified."""
    try:
        signed = SignedData.parse(EfSod.parse(sod).cms, what="EF.SOD")
        return next((c.der for s in signed.signers for c in signed.certificates if s.names(c)), None)
    except IdVerifyError:
        return None


# ---- EF.SOD ------------------------------------------------------------------------------------------------------


def _open_sod(raw: bytes | None, trust: TrustStore, at: datetime) -> _Sod:
    if raw is None:
        return _Sod(Reason.SOD_MISSING)
    try:
        shell = EfSod.parse(raw)
        signed = SignedData.parse(shell.cms, what="EF.SOD")
    except IdVerifyError:
        return _Sod(Reason.SOD_MALFORMED)
    extra: list[Certificate] = []
    for signer in signed.signers:  # old documents may leave the certificate to the directory
        if signer.issuer is not None and signer.serial_number is not None:
            extra += trust.document_signers(signer.issuer, signer.serial_number)
        elif signer.key_id is not None:
            extra += trust.document_signers_by_key(signer.key_id)
    verdicts = signed.verdicts({Icao.LDS_SECURITY_OBJECT}, extra=extra)
    good = [v for v in verdicts if v.ok]
    verdict = good[0] if good else verdicts[0]
    if len(good) > 1:  # every one of them signed the same content; one whose path is trusted is enough
        verdict = next((v for v in good[:_MAX_TRIED] if _trusted(v.signer, signed, trust, at)), verdict)
    sod = _Sod(signed=signed, verdict=verdict, deviations=verdict.deviations)
    if shell.trailing:
        sod.deviations = (*sod.deviations, Deviation.TRAILING_BYTES)
    try:
        sod.content = SecurityObject.parse(signed.content)
        if (sod.content.version == 1) != (sod.content.lds_version is not None):  # ICAO 9303-10 §4.6.2.3
            sod.deviations = (*sod.deviations, Deviation.VERSION_INFO)
    except UnsupportedAlgorithmError:
        sod.content_reason = Reason.ALGORITHM_UNSUPPORTED
    except MalformedDataError:
        sod.content_reason = Reason.SOD_MALFORMED
    return sod


def _trusted(signer: Certificate | None, signed: SignedData, trust: TrustStore, at: datetime) -> bool:
    found = find_path(signer, signed, trust, at)
    return found is not None and found.ok


def _signature(sod: _Sod, options: PassiveAuthOptions, missing: Mapping[FileId, Reason]) -> CheckResult:
    """ICAO 9303-11 §5.1 step 2: the signature of the document security object."""
    check = CheckId.SOD_SIGNATURE
    if sod.verdict is None:
        if sod.reason is Reason.SOD_MISSING:
            return result(check, CheckStatus.NOT_PERFORMED, missing.get(FileId.SOD, Reason.SOD_MISSING))
        return result(check, CheckStatus.FAILED, Reason.SOD_MALFORMED)
    evidence = signature_evidence(sod.verdict)
    if sod.deviations:
        evidence["deviations"] = " ".join(sod.deviations)
    if not sod.verdict.ok:
        return result(check, sod.verdict.status, sod.verdict.reason, **evidence)
    if sod.content_reason is not None:
        unsupported = sod.content_reason is Reason.ALGORITHM_UNSUPPORTED
        status = CheckStatus.NOT_SUPPORTED if unsupported else CheckStatus.FAILED
        return result(check, status, sod.content_reason, **evidence)
    if options.refuses(sod.deviations):
        return result(check, CheckStatus.FAILED, Reason.SOD_MALFORMED, **evidence)
    return result(check, CheckStatus.SUCCESSFUL, Reason.OK, **evidence)


def _signer(
    found: path.Path | None, sod: _Sod, trust: TrustStore, at: datetime, options: PassiveAuthOptions
) -> tuple[CheckResult, ...]:
    """Path, validity and revocation of the signer."""
    why = _no_signer(sod)
    issued = options.issued or (sod.verdict.signing_time if sod.verdict else None)
    return (
        signer_checks.chain(found, why),
        *signer_checks.validity(found, why, at, issued),
        signer_checks.revoked(found, trust, at, options),
    )


def _no_signer(sod: _Sod) -> Reason:
    return sod.reason or (sod.verdict.reason if sod.verdict else Reason.SIGNER_NOT_FOUND)


# ---- data groups -------------------------------------------------------------------------------------------------


def _hashes(files: Mapping[FileId, bytes], sod: _Sod, missing: Mapping[FileId, Reason]) -> Sequence[CheckResult]:
    """ICAO 9303-11 §5.1 step 3: every group's hash against the signed one."""
    check, results = CheckId.DG_HASH, []
    for group in DATA_GROUPS:
        raw = files.get(group)
        signed = sod.content.hashes.get(group.number or 0) if sod.content else None
        if sod.content is None:
            if raw is not None:
                reason = sod.reason or sod.content_reason or Reason.SOD_MALFORMED
                results.append(result(check, CheckStatus.UNDETERMINED, reason, group.label))
        elif signed is None:
            if raw is not None:
                results.append(result(check, CheckStatus.FAILED, Reason.HASH_NOT_IN_SOD, group.label))
        elif raw is None:
            reason = missing.get(group, Reason.NOT_READ)
            results.append(result(check, CheckStatus.NOT_PERFORMED, reason, group.label))
        else:
            name = sod.content.hash_algorithm
            evidence = {"algorithm": name} | ({"weak": "true"} if name in WEAK_HASHES else {})
            same = hmac.compare_digest(digest(name, raw), signed)
            status = CheckStatus.SUCCESSFUL if same else CheckStatus.FAILED
            results.append(result(check, status, Reason.OK if same else Reason.HASH_MISMATCH, group.label, **evidence))
    return results


def _com_sod(files: Mapping[FileId, bytes], sod: _Sod, missing: Mapping[FileId, Reason]) -> CheckResult:
    """EF.COM lists what EF.SOD signs (BSI TR-03135-1): a group missing in the unsigned list may have been hidden."""
    check = CheckId.COM_SOD
    raw = files.get(FileId.COM)
    if raw is None:
        return result(check, CheckStatus.NOT_PERFORMED, missing.get(FileId.COM, Reason.COM_MISSING))
    try:
        listed = set(EfCom.parse(raw).data_groups)
    except IdVerifyError:
        return result(check, CheckStatus.FAILED, Reason.FILE_MALFORMED)
    if sod.content is None:
        return result(check, CheckStatus.UNDETERMINED, sod.reason or sod.content_reason or Reason.SOD_MALFORMED)
    signed = {FileId.data_group(n) for n in sod.content.hashes}
    evidence = {}
    if signed - listed:
        evidence["only-in-sod"] = _labels(signed - listed)
    if listed - signed:
        evidence["only-in-com"] = _labels(listed - signed)
    if not evidence:
        return result(check, CheckStatus.SUCCESSFUL)
    # groups behind extended access control that were not read cannot mislead anybody
    harmless = not signed - listed and listed - signed <= _EAC_GROUPS - set(files)
    return result(
        check, CheckStatus.UNDETERMINED if harmless else CheckStatus.FAILED, Reason.COM_SOD_DIFFER, **evidence
    )


def _labels(groups: set[FileId]) -> str:
    return " ".join(g.label for g in DATA_GROUPS if g in groups)


def _issuer(files: Mapping[FileId, bytes], found: path.Path | None, missing: Mapping[FileId, Reason]) -> CheckResult:
    """Whether the state in the MRZ is the one whose certificates signed (ICAO 9303-12 §7.1.1; TR-03135-1)."""
    check = CheckId.ISSUER_MRZ
    raw = files.get(FileId.DG1)
    if raw is None:
        return result(check, CheckStatus.NOT_PERFORMED, missing.get(FileId.DG1, Reason.NOT_READ))
    try:
        code, state = _document_code_and_state(raw)
    except IdVerifyError:
        return result(check, CheckStatus.FAILED, Reason.FILE_MALFORMED)
    if found is None:
        return result(check, CheckStatus.NOT_PERFORMED, Reason.SIGNER_NOT_FOUND)
    evidence = {"issuing-state": state}
    known = 0
    for name, certificate in (("dsc", found.signer), ("csca", found.anchor)):
        country = (certificate.country or certificate.issuer.country) if certificate else None
        if certificate is None or country is None:
            continue
        known += 1
        evidence[f"{name}-country"] = country
        # the alternative name decides only for states that the table of codes does not know
        if not countries.same_state(country, state) and (countries.alpha2(state) or certificate.mrz_country != state):
            return result(check, CheckStatus.FAILED, Reason.COUNTRY_MISMATCH, **evidence)
    types = found.signer.document_types
    if types is not None and not types & {code, code[:1], code.ljust(2, "<")}:
        evidence["document-types"] = " ".join(sorted(types))
        return result(check, CheckStatus.FAILED, Reason.DOCUMENT_TYPE, **evidence)
    if not known:
        return result(check, CheckStatus.UNDETERMINED, Reason.COUNTRY_UNKNOWN, **evidence)
    return result(check, CheckStatus.SUCCESSFUL, Reason.OK, **evidence)


def _document_code_and_state(dg1: bytes) -> tuple[str, str]:
    """Document code and issuing state: the first five characters of every MRZ (ICAO 9303-4, -5, -6 §4.2)."""
    mrz = _tlv.parse(dg1, 0x61, what="DG1", allow_trailing=True).first(0x5F1F, what="DG1")
    if mrz is None or len(mrz.value) < 5:
        raise MalformedDataError("DG1: there is no MRZ")
    try:
        text = mrz.value[:5].decode("ascii")
    except UnicodeDecodeError:
        raise MalformedDataError("DG1: the MRZ is not ASCII") from None
    return text[:2].strip("<"), text[2:].strip("<")
