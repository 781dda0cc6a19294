"""From a document signer to a country signing CA that is trusted (ICAO 9303-12 §5, §7.1; RFC 5280 §6).

Names and key identifiers only say where to look first. Whether one certificate issued another, its signature decides;
whether a CSCA may be relied on, the store. Link certificates are CSCAs like others, in both directions: a link in the
store is an anchor, and one that the document brings along needs an anchor above it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.trust_store import Candidate, Provenance, TrustStore
from idverify.errors import IdVerifyError, UnsupportedAlgorithmError
from idverify.oids import Extension, Icao
from idverify.report import CheckStatus, Reason

MAX_LENGTH: Final = 6
MAX_SIGNATURES: Final = 200

_HANDLED: Final = frozenset(
    {
        Extension.KEY_USAGE,
        Extension.BASIC_CONSTRAINTS,
        Extension.EXTENDED_KEY_USAGE,
        Extension.AUTHORITY_KEY_IDENTIFIER,
        Extension.SUBJECT_KEY_IDENTIFIER,
        Extension.PRIVATE_KEY_USAGE_PERIOD,
        Extension.SUBJECT_ALT_NAME,
        Extension.ISSUER_ALT_NAME,
        Extension.CERTIFICATE_POLICIES,
        Extension.CRL_DISTRIBUTION_POINTS,
        Icao.DOCUMENT_TYPE_LIST,
        Icao.DOCUMENT_TYPE_LIST_OLD,
        Icao.NAME_CHANGE,
    }
)


class Purpose(enum.StrEnum):
    """What the certificate at the lower end signs."""

    DOCUMENT = "document-signer"
    MASTER_LIST = "master-list-signer"
    DEVIATION_LIST = "deviation-list-signer"
    DEFECT_LIST = "defect-list-signer"


_EXTENDED_USAGE: Final = {
    Purpose.MASTER_LIST: str(Icao.CSCA_MASTER_LIST_SIGNING_KEY),
    Purpose.DEVIATION_LIST: str(Icao.DEVIATION_LIST_SIGNING_KEY),
}
_ANY_USAGE: Final = "2.5.29.37.0"
_ICAO_USAGES: Final = "2.23.136.1.1."
_OTHER_USAGES: Final = frozenset(f"1.3.6.1.5.5.7.3.{n}" for n in (1, 2, 3, 8, 9))
"""TLS servers and clients, code, time stamps, OCSP answers (RFC 5280 §4.2.1.12)."""


class Note(enum.StrEnum):
    """Oddities of a path that do not break it; they stand in the evidence."""

    ISSUER_NAME_DIFFERS = "issuer-name-differs"
    KEY_ID_DIFFERS = "key-identifier-differs"
    NO_BASIC_CONSTRAINTS = "no-basic-constraints"
    NOT_MARKED_AS_CA = "not-marked-as-ca"
    NO_KEY_USAGE = "no-key-usage"
    NO_EXTENDED_KEY_USAGE = "no-extended-key-usage"
    COUNTRY_DIFFERS = "country-differs"
    PATH_LENGTH = "path-length"
    LINK_USED = "link-certificate"
    PINNED = "pinned-signer"


@dataclass(frozen=True, slots=True)
class Path:
    """The outcome of path building.

    Attributes:
        status: SUCCESSFUL, FAILED, or NOT_SUPPORTED where an algorithm is not known here.
        reason: why.
        certificates: from the signer up to the anchor; the signer alone where no issuer was found.
        provenance: where the anchor comes from, or None.
        notes: oddities.
        same_name: certificates with the issuer's name whose key did not issue the signer.
    """

    status: CheckStatus
    reason: Reason
    certificates: tuple[Certificate, ...]
    provenance: Provenance | None = None
    notes: tuple[Note, ...] = ()
    same_name: int = 0

    @property
    def ok(self) -> bool:
        """Whether the path ends in a trust anchor."""
        return self.status is CheckStatus.SUCCESSFUL

    @property
    def signer(self) -> Certificate:
        """The certificate at the lower end."""
        return self.certificates[0]

    @property
    def anchor(self) -> Certificate | None:
        """The trust anchor, or None."""
        return self.certificates[-1] if self.ok else None


@dataclass
class _Search:
    trust: TrustStore
    at: datetime | None
    extra: tuple[Certificate, ...]
    signatures: int = 0
    same_name: int = 0
    named: bool = False
    unsupported: bool = False
    not_ca: bool = False
    critical: bool = False
    too_long: bool = False
    notes: list[Note] = field(default_factory=list)


def build_path(
    signer: Certificate,
    trust: TrustStore,
    *,
    at: datetime | None = None,
    extra: Iterable[Certificate] = (),
    purpose: Purpose = Purpose.DOCUMENT,
) -> Path:
    """Find the way from ``signer`` to a trust anchor.

    Validity in time is not judged here (:func:`validity`), but of several ways one that is valid at ``at`` is taken.

    Args:
        signer: the lower end.
        trust: the store.
        at: preferred time.
        extra: certificates that came along; not trusted, but they may link.
        purpose: what ``signer`` signs.
    """
    if purpose is Purpose.DOCUMENT and trust.is_pinned(signer):
        pinned = next((e for e in (trust.get(signer.fingerprint),) if e), None)
        return Path(CheckStatus.SUCCESSFUL, Reason.OK, (signer,), pinned.provenance if pinned else None, (Note.PINNED,))
    flaw = _signer_flaw(signer, purpose)
    search = _Search(trust, at, tuple(c for c in extra if c != signer))
    found = _ascend(signer, (signer,), search)
    if found is not None:
        certificates, provenance, notes = found
        notes = (*_signer_notes(signer, purpose), *notes)
        if flaw is not None:
            return Path(CheckStatus.FAILED, flaw, certificates, provenance, notes, search.same_name)
        return Path(CheckStatus.SUCCESSFUL, Reason.OK, certificates, provenance, notes, search.same_name)
    if flaw is not None and trust.get(signer.fingerprint) is not None:
        return Path(CheckStatus.FAILED, flaw, (signer,))  # a CSCA that signs with its own hand
    if search.unsupported:
        return Path(CheckStatus.NOT_SUPPORTED, Reason.ALGORITHM_UNSUPPORTED, (signer,))
    if search.critical:
        reason = Reason.CRITICAL_EXTENSION
    elif search.not_ca:
        reason = Reason.KEY_USAGE
    else:
        reason = Reason.CHAIN_INVALID if search.named or search.too_long else Reason.CSCA_NOT_FOUND
    # BSI TR-03135-1: without an anchor to judge by there is no verdict; with one that does not fit there is.
    status = CheckStatus.UNDETERMINED if reason is Reason.CSCA_NOT_FOUND else CheckStatus.FAILED
    notes = (Note.PATH_LENGTH,) if search.too_long else ()
    return Path(status, reason, (signer,), notes=notes, same_name=search.same_name)


_Found = tuple[tuple[Certificate, ...], Provenance, tuple[Note, ...]]


def _ascend(child: Certificate, below: tuple[Certificate, ...], search: _Search) -> _Found | None:
    """The best continuation above ``child``, or None."""
    best: _Found | None = None
    for candidate in _candidates(child, search):
        if search.signatures >= MAX_SIGNATURES:
            break
        issuer = candidate.certificate
        if issuer in below or not _issued(child, issuer, search):
            continue
        if not may_issue(issuer):
            search.not_ca = True
            continue
        if _unhandled(issuer):
            search.critical = True
            continue
        if _too_long(issuer, below, search.trust):
            search.too_long = True
            continue
        notes = _issuer_notes(child, issuer)
        if candidate.trusted:
            found: _Found | None = ((*below, issuer), candidate.provenance, notes)
        elif len(below) < MAX_LENGTH:
            above = _ascend(issuer, (*below, issuer), search)
            found = (above[0], above[1], (*notes, Note.LINK_USED, *above[2])) if above else None
        else:
            found = None
        if found is not None:
            if search.at is None or all(c.valid_at(search.at) for c in found[0][1:]):
                return found
            best = best or found
    return best


def _candidates(child: Certificate, search: _Search) -> Iterable[Candidate]:
    key_id = child.authority_key_id.key_id if child.authority_key_id else None
    yield from search.trust.likely(child.issuer, key_id, child.issuer.country or child.country)
    for certificate in search.extra:
        if certificate.subject.matches(child.issuer) or (key_id and certificate.subject_key_id == key_id):
            yield Candidate(certificate, False, Provenance(source="document"))


def _issued(child: Certificate, issuer: Certificate, search: _Search) -> bool:
    """Whether the signature of ``child`` verifies under the key of ``issuer``."""
    if search.signatures >= MAX_SIGNATURES:
        return False
    search.signatures += 1
    same_name = issuer.subject.matches(child.issuer)
    key_id = child.authority_key_id.key_id if child.authority_key_id else None
    same_key = key_id is not None and issuer.subject_key_id == key_id
    try:
        if child.verify(issuer.public_key):
            return True
    except UnsupportedAlgorithmError:
        if same_key or (same_name and key_id is None):
            search.unsupported = not _families_differ(child, issuer)
        return False
    except IdVerifyError:
        return False
    if same_name:
        search.same_name += 1
    if same_key or (same_name and key_id is None):
        search.named = True  # this should have been the issuer
    return False


def _families_differ(child: Certificate, issuer: Certificate) -> bool:
    """Whether the key simply is of another family than the signature: then it is not the issuer's."""
    try:
        return child.signature_algorithm.scheme.startswith("rsa") == (issuer.public_key.curve is not None)
    except IdVerifyError:
        return False


def _unhandled(certificate: Certificate) -> bool:
    """Whether it has a critical extension that is unknown here, or one that cannot be read (RFC 5280 §4.2)."""
    critical = certificate.critical_extensions
    return not critical <= _HANDLED or not critical.isdisjoint(certificate.unreadable_extensions)


def _too_long(issuer: Certificate, below: Sequence[Certificate], trust: TrustStore) -> bool:
    """Whether more CAs follow than the issuer's path length allows (RFC 5280 §4.2.1.9).

    Self-issued certificates do not count. ICAO 9303-12 §7.1.1 sets 0 for every CSCA, and a link that changes the name
    is not self-issued: one that the store holds, or that says NameChange, is a link and no CA of somebody else.
    """
    limit = issuer.basic_constraints.path_length if issuer.basic_constraints else None
    if limit is None:
        return False
    counted = [c for c in below[1:] if not c.names_itself and not c.changes_name and trust.get(c.fingerprint) is None]
    return len(counted) > limit


def may_issue(certificate: Certificate) -> bool:
    """Whether its extensions allow it to issue certificates.

    ICAO 9303-12 §7.1.1 asks for keyCertSign and CA=true. The real lists hold CSCAs with only one of them; a
    certificate with neither is none. One without any extensions (version 1) is left to the store's judgement.
    """
    usage, constraints = certificate.key_usage, certificate.basic_constraints
    if usage is not None:
        return "key_cert_sign" in usage
    return constraints.ca if constraints is not None else certificate.version < 3


def _signer_flaw(signer: Certificate, purpose: Purpose) -> Reason | None:
    usage, constraints, extended = signer.key_usage, signer.basic_constraints, signer.extended_key_usage
    if usage is not None and "digital_signature" not in usage:
        return Reason.KEY_USAGE
    if constraints is not None and constraints.ca:
        return Reason.KEY_USAGE
    wanted = _EXTENDED_USAGE.get(purpose)
    if purpose is Purpose.DEFECT_LIST:  # BSI's own usage; whoever may sign documents may not sign such a list
        return None if extended and extended.isdisjoint(_EXTENDED_USAGE.values()) else Reason.KEY_USAGE
    if extended is not None:
        if wanted is not None and wanted not in extended:
            return Reason.KEY_USAGE
        if wanted is None and _for_other_things(extended):
            return Reason.KEY_USAGE  # a list signer signs no documents, and neither does a server
    if _unhandled(signer):
        return Reason.CRITICAL_EXTENSION
    return None


def _for_other_things(usages: frozenset[str]) -> bool:
    """Whether the usages name something else than documents (RFC 5280 §4.2.1.12: then it may do nothing but that).

    A CSCA certifies signers of lists, of seals and of travel records, and its own servers (ICAO 9303-12 §7.1); who
    holds the key of one of these must not be able to make passports. Document signers carry no extended usage; what is
    neither ICAO's nor one of the well-known ones is let pass.
    """
    if not usages.isdisjoint((_ANY_USAGE, str(Icao.LDS_SECURITY_OBJECT))):
        return False
    return any(u.startswith(_ICAO_USAGES) or u in _OTHER_USAGES for u in usages)


def _signer_notes(signer: Certificate, purpose: Purpose) -> Sequence[Note]:
    notes = []
    if signer.key_usage is None:
        notes.append(Note.NO_KEY_USAGE)
    if purpose is not Purpose.DOCUMENT and signer.extended_key_usage is None:
        notes.append(Note.NO_EXTENDED_KEY_USAGE)
    return notes


def _issuer_notes(child: Certificate, issuer: Certificate) -> tuple[Note, ...]:
    notes = []
    if not issuer.subject.matches(child.issuer):
        notes.append(Note.ISSUER_NAME_DIFFERS)
    key_id = child.authority_key_id.key_id if child.authority_key_id else None
    if key_id is not None and issuer.subject_key_id not in (None, key_id):
        notes.append(Note.KEY_ID_DIFFERS)
    if issuer.country != child.country:
        notes.append(Note.COUNTRY_DIFFERS)
    if issuer.basic_constraints is None:
        notes.append(Note.NO_BASIC_CONSTRAINTS)
    elif not issuer.basic_constraints.ca:
        notes.append(Note.NOT_MARKED_AS_CA)
    if issuer.key_usage is None:
        notes.append(Note.NO_KEY_USAGE)
    return tuple(notes)


@dataclass(frozen=True, slots=True)
class Validity:
    """Validity of a path at one time.

    Attributes:
        status: SUCCESSFUL or FAILED.
        reason: OK, NOT_YET_VALID or EXPIRED.
        certificate: the first certificate of the path that is not valid then, or None.
    """

    status: CheckStatus
    reason: Reason = Reason.OK
    certificate: Certificate | None = None


def validity(certificates: Sequence[Certificate], at: datetime) -> Validity:
    """Whether every certificate of a path is valid at ``at`` (RFC 5280 §6.1.3, shell model)."""
    for certificate in certificates:
        if at < certificate.not_before:
            return Validity(CheckStatus.FAILED, Reason.NOT_YET_VALID, certificate)
        if at > certificate.not_after:
            return Validity(CheckStatus.FAILED, Reason.EXPIRED, certificate)
    return Validity(CheckStatus.SUCCESSFUL)
