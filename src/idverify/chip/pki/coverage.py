"""What a trust store covers at one time: countries, how long their authorities last, lists and their age.

For the people who keep a store up to date. Nothing here decides anything about a document.
"""

from __future__ import annotations

import enum
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from idverify.chip.pki import revocation
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.trust_store import EntryKind, Provenance, TrustEntry, TrustStore
from idverify.errors import IdVerifyError

YEAR: Final = timedelta(days=365)
FAR: Final = timedelta(days=5 * 365)
_SIGNERS: Final = (EntryKind.DOCUMENT_SIGNER, EntryKind.PINNED_SIGNER)


class Horizon(enum.StrEnum):
    """How long a country's newest authority is still valid."""

    LONG = "long"
    """Five years and more."""
    MIDDLE = "middle"
    """One year to five."""
    SHORT = "short"
    """Less than a year."""
    EXPIRED = "expired"
    """Every certificate has ended; documents from its time are still judged by it."""
    NONE = "none"
    """No authority in the store."""


class Freshness(enum.StrEnum):
    """The state of a country's revocation lists."""

    FRESH = "fresh"
    STALE = "stale"
    UNVERIFIED = "unverified"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """What the store has of one country.

    Attributes:
        code: two letters as in its certificates; empty where they name none.
        authorities: country signing certificates, links included.
        valid: how many of them are valid now.
        expired: how many of them have ended.
        until: latest end of validity, or None without authorities.
        horizon: the same as a step.
        signers: document signers in the store.
        revocation: state of its revocation lists.
    """

    code: str
    authorities: int
    valid: int
    expired: int
    until: datetime | None
    horizon: Horizon
    signers: int
    revocation: Freshness

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "code": self.code,
            "authorities": self.authorities,
            "valid": self.valid,
            "expired": self.expired,
            "until": self.until.isoformat() if self.until else None,
            "horizon": self.horizon.value,
            "signers": self.signers,
            "revocation": self.revocation.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One list or file that entries come from.

    Attributes:
        provenance: what the store says of it.
        entries: how many entries of the store come from it.
        age: time since the list was signed, where that is not known since it was added, or None.
    """

    provenance: Provenance
    entries: int
    age: timedelta | None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        days = {"days": self.age.days} if self.age is not None else {}
        return {**self.provenance.to_dict(), "entries": self.entries, **days}


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationState:
    """One revocation list.

    Attributes:
        country: of its issuer.
        issuer: its issuer's name.
        this_update, next_update: its dates.
        revoked: how many certificates it names.
        state: whether it may clear a certificate now.
    """

    country: str
    issuer: str
    this_update: datetime
    next_update: datetime | None
    revoked: int
    state: Freshness

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "country": self.country,
            "issuer": self.issuer,
            "this_update": self.this_update.isoformat(),
            "next_update": self.next_update.isoformat() if self.next_update else None,
            "revoked": self.revoked,
            "state": self.state.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a store covers.

    Attributes:
        at: the time.
        store: identity of the store.
        dated: when the newest list was signed (:attr:`TrustStore.dated`), or None.
        countries: by code.
        sources: the newest first.
        revocation_lists: by country.
        endings: year to the number of authorities whose validity ends in it.
        deviation_lists: number of deviation lists and defect lists.
        unreadable: entries that cannot be read.
    """

    at: datetime
    store: str
    dated: datetime | None
    countries: tuple[Country, ...]
    sources: tuple[Source, ...]
    revocation_lists: tuple[RevocationState, ...]
    endings: dict[int, int]
    deviation_lists: int
    unreadable: int

    @property
    def covered(self) -> tuple[Country, ...]:
        """The countries with an authority."""
        return tuple(c for c in self.countries if c.authorities)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "at": self.at.isoformat(),
            "dated": self.dated.isoformat() if self.dated else None,
            "countries": [c.to_dict() for c in self.countries],
            "sources": [s.to_dict() for s in self.sources],
            "revocation_lists": [r.to_dict() for r in self.revocation_lists],
            "unreadable": self.unreadable,
        }


def coverage(trust: TrustStore, at: datetime, *, on_progress: Callable[[int, int], None] | None = None) -> Coverage:
    """Look through a whole store. Every certificate is decoded: half a millisecond each.

    Args:
        trust: the store.
        at: the time that validity and freshness are judged at, time zone aware.
        on_progress: called with entries done and entries in all.

    Raises:
        TrustStoreError: the store's file is damaged.
    """
    authorities: dict[str, list[Certificate]] = defaultdict(list)
    signers: Counter[str] = Counter()
    sources: Counter[Provenance] = Counter()
    lists: list[RevocationState] = []
    unreadable = 0
    for number, entry in enumerate(trust.entries()):
        if on_progress is not None:
            on_progress(number, len(trust))
        sources[entry.provenance] += 1
        try:
            if entry.kind is EntryKind.CRL:
                lists.append(_revocation_state(entry, trust, at))
            elif entry.kind is EntryKind.CSCA:
                authorities[entry.country].append(Certificate.parse(entry.data))
            elif entry.kind in _SIGNERS:
                signers[entry.country] += 1
        except IdVerifyError:
            unreadable += 1
    codes = {*authorities, *signers, *(state.country for state in lists)}
    return Coverage(
        at=at,
        store=trust.id,
        dated=trust.dated,
        countries=tuple(_country(c, authorities[c], signers[c], lists, at) for c in sorted(codes)),
        sources=_sources(sources, at),
        revocation_lists=tuple(sorted(lists, key=lambda s: (s.country, s.issuer, s.this_update))),
        endings=dict(Counter(c.not_after.year for found in authorities.values() for c in found)),
        deviation_lists=trust.counts().get(EntryKind.DEVIATION_LIST, 0),
        unreadable=unreadable,
    )


def _country(
    code: str, authorities: list[Certificate], signers: int, lists: list[RevocationState], at: datetime
) -> Country:
    until = max((c.not_after for c in authorities), default=None)
    states = {state.state for state in lists if state.country == code}
    best = next((s for s in (Freshness.FRESH, Freshness.STALE, Freshness.UNVERIFIED) if s in states), Freshness.NONE)
    return Country(
        code=code,
        authorities=len(authorities),
        valid=sum(c.valid_at(at) for c in authorities),
        expired=sum(c.not_after < at for c in authorities),
        until=until,
        horizon=_horizon(until, at),
        signers=signers,
        revocation=best,
    )


def _horizon(until: datetime | None, at: datetime) -> Horizon:
    if until is None:
        return Horizon.NONE
    left = until - at
    if left < timedelta(0):
        return Horizon.EXPIRED
    return Horizon.SHORT if left < YEAR else Horizon.MIDDLE if left < FAR else Horizon.LONG


def _sources(found: Counter[Provenance], at: datetime) -> tuple[Source, ...]:
    made = []
    for provenance, entries in found.items():
        when = provenance.instant
        made.append(Source(provenance=provenance, entries=entries, age=at - when if when else None))
    return tuple(sorted(made, key=lambda s: (s.age is None, s.age or timedelta(0), -s.entries, s.provenance.source)))


def _revocation_state(entry: TrustEntry, trust: TrustStore, at: datetime) -> RevocationState:
    from idverify.chip.pki.crl import RevocationList

    crl = RevocationList.parse(entry.data)
    if revocation.signing_key(crl, trust) is None:
        state = Freshness.UNVERIFIED
    else:
        state = Freshness.FRESH if revocation.fresh(crl, at) else Freshness.STALE
    return RevocationState(
        country=entry.country,
        issuer=crl.issuer.text,
        this_update=crl.this_update,
        next_update=crl.next_update,
        revoked=len(crl.revoked),
        state=state,
    )
