"""The files outside the application: is EF.CardSecurity signed, and does EF.CardAccess say what the signed files say?

EF.CardAccess is read before anything is protected, and nobody signs it. Whoever stands between reader and chip, and
every copy, can write another one: without the stronger protocol, or without PACE altogether, so that the weaker one is
taken. The same infos stand in DG14 and EF.CardSecurity under a signature (ICAO 9303-11 §9.2.11), and an inspection
system must compare them (§4.2 step 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import (
    SecurityInfos,
    standardized_algorithm_identifier,
)
from idverify.chip.pki import path, revocation
from idverify.chip.pki.cms import SignedData
from idverify.chip.pki.signer_checks import PassiveAuthOptions, find_path, path_evidence, result, signature_evidence
from idverify.chip.pki.trust_store import TrustStore
from idverify.errors import IdVerifyError
from idverify.oids import Bsi
from idverify.report import CheckId, CheckResult, CheckStatus, Reason

_ACCESS: Final = FileId.CARD_ACCESS
_Offer = tuple[str, int, int | None, bytes | None]
"""Protocol, version, reference of the domain parameters, and the parameters themselves where they are not standard."""


# ---- EF.CardSecurity ---------------------------------------------------------------------------------------------


def verify_card_security(
    raw: bytes, *, trust: TrustStore, at: datetime, options: PassiveAuthOptions | None = None
) -> tuple[CheckResult, bytes | None]:
    """EF.CardSecurity: signature and path in one (BSI TR-03110-3 A.1.2.5; ICAO 9303-11 §4.4.5.3).

    Returns:
        the result of ``pa.card-security``, and the SecurityInfos inside. They are to be relied on only where the
        result is successful; None where the file cannot be read.
    """
    moment = at if at.tzinfo else at.replace(tzinfo=UTC)
    chosen = options or PassiveAuthOptions()
    try:
        signed = SignedData.parse(raw, what="EF.CardSecurity", allow_trailing=True)
    except IdVerifyError:
        return result(CheckId.CARD_SECURITY, CheckStatus.FAILED, Reason.FILE_MALFORMED), None
    verdict = signed.verify({Bsi.SECURITY_OBJECT})
    evidence = signature_evidence(verdict)
    if not verdict.ok:
        return result(CheckId.CARD_SECURITY, verdict.status, verdict.reason, **evidence), signed.content
    if chosen.refuses(verdict.deviations):
        return result(CheckId.CARD_SECURITY, CheckStatus.FAILED, Reason.FILE_MALFORMED, **evidence), signed.content
    found = find_path(verdict.signer, signed, trust, moment)
    if found is None or not found.ok:
        status = found.status if found else CheckStatus.FAILED
        reason = found.reason if found else Reason.SIGNER_NOT_FOUND
        return result(CheckId.CARD_SECURITY, status, reason, **evidence), signed.content
    evidence |= path_evidence(found)
    valid = path.validity(found.certificates, moment)
    revoked = revocation.check(found.certificates, trust, moment, max_age=chosen.crl_max_age)
    if revoked.status is CheckStatus.FAILED:
        return result(CheckId.CARD_SECURITY, CheckStatus.FAILED, Reason.REVOKED, **evidence), signed.content
    return result(CheckId.CARD_SECURITY, valid.status, valid.reason, **evidence), signed.content


def card_security(
    files: Mapping[FileId, bytes], *, trust: TrustStore, at: datetime, options: PassiveAuthOptions
) -> tuple[CheckResult, SecurityInfos | None]:
    """``pa.card-security``: EF.CardSecurity, and that it repeats EF.CardAccess (§9.2.11).

    Returns:
        the result, and the infos of EF.CardSecurity where signature and path are good.
    """
    judged, content = verify_card_security(files[FileId.CARD_SECURITY], trust=trust, at=at, options=options)
    access = files.get(_ACCESS)
    if judged.status is not CheckStatus.SUCCESSFUL or content is None:
        return judged, None
    malformed = result(CheckId.CARD_SECURITY, CheckStatus.FAILED, Reason.FILE_MALFORMED, **judged.evidence)
    try:
        signed = SecurityInfos.parse(content, what="EF.CardSecurity", lenient=True)
    except IdVerifyError:
        return malformed, None
    if access is None:
        return judged, signed
    try:
        offered = SecurityInfos.parse_card_access(access).infos
    except IdVerifyError:
        return malformed, signed
    known = {i.raw for i in signed.infos}
    missing = " ".join(dict.fromkeys(i.protocol for i in offered if i.raw not in known))
    if missing:
        evidence = {**judged.evidence, "only-in-card-access": missing}
        return result(CheckId.CARD_SECURITY, CheckStatus.FAILED, Reason.CARD_ACCESS_DIFFERS, **evidence), signed
    return judged, signed


# ---- EF.CardAccess -----------------------------------------------------------------------------------------------


def card_access(
    files: Mapping[FileId, bytes],
    *,
    missing: Mapping[FileId, Reason],
    so_far: Iterable[CheckResult],
    security: SecurityInfos | None,
) -> CheckResult | None:
    """``pa.card-access``: EF.CardAccess offers the ways of PACE that the signed files name, all of them and no other.

    What is compared is what a way of PACE is made of: protocol, version and domain parameters. Order, encoding, other
    or unknown infos and bytes behind the structure do not matter, nor whether the number of standard parameters is
    repeated in a PACEDomainParameterInfo. Where nothing signed names any way of PACE, the check is undetermined
    (``card-access-unsigned``); where the chip hides EF.CardAccess although DG14 names ways of PACE, it has failed.

    Args:
        files: the files as read.
        missing: files that could not be read, and why.
        so_far: the other results of passive authentication, which say whether DG14 is to be relied on.
        security: the infos of EF.CardSecurity where it is to be relied on.

    Returns:
        None where neither EF.CardAccess nor a signed way of PACE is there, and nothing says that the chip has no
        EF.CardAccess.
    """
    offered, malformed = _offered(files.get(_ACCESS))
    signed, why = _signed_in_dg14(files, so_far)
    named = {FileId.DG14: signed, FileId.CARD_SECURITY: _offers(security) if security else None}
    sources = {file: offers for file, offers in named.items() if offers}
    check = CheckId.CARD_ACCESS
    if _ACCESS not in files and missing.get(_ACCESS) is not Reason.FILE_ABSENT:
        unread = missing.get(_ACCESS, Reason.NOT_READ)
        return result(check, CheckStatus.NOT_PERFORMED, unread) if sources or _ACCESS in missing else None
    if sources:
        return _compared(offered, sources, malformed)
    if malformed:
        return result(check, CheckStatus.UNDETERMINED, Reason.FILE_MALFORMED)
    if why is not None:  # DG14 could say something, and is not to be had or not to be relied on
        return result(check, CheckStatus.UNDETERMINED, why)
    if offered:
        evidence = {"only-in-card-access": _named(offered)}
        return result(check, CheckStatus.UNDETERMINED, Reason.CARD_ACCESS_UNSIGNED, **evidence)
    return result(check, CheckStatus.NOT_SUPPORTED, Reason.NOT_OFFERED)


def _compared(offered: frozenset[_Offer], sources: Mapping[FileId, frozenset[_Offer]], malformed: bool) -> CheckResult:
    evidence = {"compared-with": " ".join(file.label for file in sources)}
    for file, signed in sources.items():
        if signed - offered:
            evidence["only-in-dg14" if file is FileId.DG14 else "only-in-card-security"] = _named(signed - offered)
        if offered - signed:
            evidence["only-in-card-access"] = _named(offered - signed)
    if len(evidence) > 1:
        reason = Reason.FILE_MALFORMED if malformed else Reason.CARD_ACCESS_DIFFERS
        return result(CheckId.CARD_ACCESS, CheckStatus.FAILED, reason, None, **evidence)
    return result(CheckId.CARD_ACCESS, CheckStatus.SUCCESSFUL, Reason.OK, None, **evidence)


def _offered(raw: bytes | None) -> tuple[frozenset[_Offer], bool]:
    """What EF.CardAccess offers, and whether it cannot be read."""
    if raw is None:
        return frozenset(), False
    try:
        return _offers(SecurityInfos.parse_card_access(raw)), False
    except IdVerifyError:
        return frozenset(), True


def _signed_in_dg14(
    files: Mapping[FileId, bytes], so_far: Iterable[CheckResult]
) -> tuple[frozenset[_Offer] | None, Reason | None]:
    """What DG14 offers where passive authentication vouches for it, else why it says nothing (None: not signed)."""
    checks = tuple(so_far)
    for check in checks:
        if check.check in (CheckId.SOD_SIGNATURE, CheckId.DSC_CHAIN) and check.status is not CheckStatus.SUCCESSFUL:
            return None, check.reason
        if check.check is CheckId.DSC_REVOCATION and check.status is CheckStatus.FAILED:
            return None, check.reason
    group = FileId.DG14
    hashed = next((c for c in checks if c.check is CheckId.DG_HASH and c.subject == group.label), None)
    if hashed is None:
        return None, None
    if hashed.status is not CheckStatus.SUCCESSFUL or group not in files:
        return None, hashed.reason
    try:
        return _offers(DG14.parse(files[group], lenient=True).security_infos), None
    except IdVerifyError:
        return None, Reason.FILE_MALFORMED


def _offers(infos: SecurityInfos) -> frozenset[_Offer]:
    """The ways of PACE that can be read; nobody can be led to one that cannot."""
    offers: set[_Offer] = set()
    for info in infos.pace:
        own = infos.find_pace_domain_parameters(info)
        standard = standardized_algorithm_identifier(info.parameter_id) if info.parameter_id is not None else None
        explicit = None if own is None or own.domain_parameter == standard else own.domain_parameter
        offers.add((info.protocol, info.version, info.parameter_id, explicit))
    return frozenset(offers)


def _named(offers: Iterable[_Offer]) -> str:
    """Protocol and reference of the parameters, as evidence."""
    return " ".join(sorted({p if number is None else f"{p}/{number}" for p, _, number, _ in offers}))
