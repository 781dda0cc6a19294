"""Whether a document signer was revoked (ICAO 9303-12 §7.2; RFC 5280 §6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.crl import RevocationList, RevokedCertificate
from idverify.chip.pki.names import Name
from idverify.chip.pki.trust_store import TrustStore
from idverify.errors import IdVerifyError
from idverify.report import CheckStatus, Reason

CLOCK_SKEW: Final = timedelta(days=1)
"""A list dated this far in the future is taken: counters' clocks and time zones differ."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """The outcome of a revocation check.

    Attributes:
        status: SUCCESSFUL (a fresh list that is verified does not name it), FAILED (revoked), UNDETERMINED (only stale
            or unusable lists), NOT_PERFORMED (no list of this issuer).
        reason: OK, REVOKED, CRL_STALE, CRL_INVALID or NO_CRL.
        certificate: the certificate that is revoked, or None.
        line: what the list says of it, or None.
        used: the list that decided, or None.
    """

    status: CheckStatus
    reason: Reason = Reason.OK
    certificate: Certificate | None = None
    line: RevokedCertificate | None = None
    used: RevocationList | None = None


def check(
    path: Sequence[Certificate], trust: TrustStore, at: datetime, *, max_age: timedelta | None = None
) -> Revocation:
    """Look every certificate below the anchor up in the lists of its issuer.

    A country's CSCA signs its lists with its newest key (ICAO 9303-12 §7.2), so a list is believed when it verifies
    under any trusted CSCA of that name. Where lists of several of its keys are there, the newest one of each key may
    revoke, since a state may go on with one list a key; the newest of all clears. A list that is stale still revokes,
    but clears nobody.

    Args:
        path: from the signer up to the anchor.
        trust: the store with the lists.
        at: time of the inspection.
        max_age: how old a list may be at most, whatever it says itself; None: until its ``nextUpdate``.
    """
    lower = path[:-1] or path
    outcomes = [_check_one(c, trust, at, max_age) for c in lower]
    for wanted in (CheckStatus.FAILED, CheckStatus.UNDETERMINED, CheckStatus.NOT_PERFORMED):
        found = next((o for o in outcomes if o.status is wanted), None)
        if found is not None:
            return found
    return outcomes[0]


def _check_one(certificate: Certificate, trust: TrustStore, at: datetime, max_age: timedelta | None) -> Revocation:
    if not trust.has_revocation_lists:
        return Revocation(CheckStatus.NOT_PERFORMED, Reason.NO_CRL)
    names = (certificate.issuer, *_later_names(certificate, trust))
    lists = [crl for name in names for crl in trust.revocation_lists(name)]
    if not lists:
        return Revocation(CheckStatus.NOT_PERFORMED, Reason.NO_CRL)
    current: dict[tuple[bytes, bool], RevocationList] = {}  # the newest list of each key; a partial one replaces none
    for crl in sorted(lists, key=lambda crl: (crl.this_update, crl.number or 0)):
        key = signing_key(crl, trust)
        if key is not None:
            current[key, bool(crl.unknown_critical)] = crl
    if not current:
        return Revocation(CheckStatus.UNDETERMINED, Reason.CRL_INVALID)
    newest_first = sorted(current.values(), key=lambda crl: (crl.this_update, crl.number or 0), reverse=True)
    for crl in newest_first:
        line = crl.revoked.get(certificate.serial_number)
        if line is not None:
            return Revocation(CheckStatus.FAILED, Reason.REVOKED, certificate, line, crl)
    newest = newest_first[0]
    if newest.unknown_critical:
        return Revocation(CheckStatus.UNDETERMINED, Reason.CRL_INVALID, used=newest)
    if not fresh(newest, at, max_age):
        return Revocation(CheckStatus.UNDETERMINED, Reason.CRL_STALE, used=newest)
    return Revocation(CheckStatus.SUCCESSFUL, used=newest)


def fresh(crl: RevocationList, at: datetime, max_age: timedelta | None = None) -> bool:
    """Whether a list may still clear a certificate at that time."""
    if crl.this_update > at + CLOCK_SKEW:
        return True  # newer than the moment that is judged: it knows everything that was known then
    limit = crl.next_update
    if max_age is not None:
        oldest = crl.this_update + max_age
        limit = oldest if limit is None else min(limit, oldest)
    return limit is not None and at <= limit


def _later_names(certificate: Certificate, trust: TrustStore) -> Sequence[Name]:
    """Names that the issuer took later, as link certificates tell (ICAO 9303-12 §7.2 and appendix D.3)."""
    names = [certificate.issuer]
    links = [
        c.certificate
        for c in trust.candidates(certificate.issuer)
        if not c.certificate.names_itself and (c.trusted or _issued_by_anchor(c.certificate, trust))
    ]
    for _ in links:
        for link in links:
            if any(n.matches(link.issuer) for n in names) and not any(n.matches(link.subject) for n in names):
                names.append(link.subject)
    return names[1:]


def _issued_by_anchor(link: Certificate, trust: TrustStore) -> bool:
    """Whether a trusted CSCA of the link's issuer name signed it: a directory's word alone renames nobody."""
    key_id = link.authority_key_id.key_id if link.authority_key_id else None
    for candidate in trust.likely(link.issuer, key_id):
        issuer = candidate.certificate
        if not candidate.trusted or not issuer.subject.matches(link.issuer):
            continue
        try:
            if link.verify(issuer.public_key):
                return True
        except IdVerifyError:
            continue
    return False


def signing_key(crl: RevocationList, trust: TrustStore) -> bytes | None:
    """Which key of a trusted CSCA with the list's issuer name signed it (SHA-1 of its bits), or None."""
    for candidate in trust.likely(crl.issuer, crl.authority_key_id):
        issuer = candidate.certificate
        if not candidate.trusted or not issuer.subject.matches(crl.issuer):
            continue
        if issuer.key_usage is not None and "crl_sign" not in issuer.key_usage:
            continue
        try:
            if crl.verify(issuer.public_key):
                return issuer.public_key_bits_sha1
        except IdVerifyError:
            continue
    return None
