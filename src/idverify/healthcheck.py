"""Whether everything that a counter needs is there: readers, models, trust anchors. No holder data."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from idverify.errors import ConfigurationError, IdVerifyError

if TYPE_CHECKING:
    from idverify.chip.pki.trust_store import TrustStore
    from idverify.counters import CounterPool


class HealthStatus(enum.StrEnum):
    """How something is."""

    OK = "ok"
    DEGRADED = "degraded"
    """It works, and somebody should look."""
    FAILED = "failed"
    """Nothing that needs it will work."""


_WORST: Final = (HealthStatus.FAILED, HealthStatus.DEGRADED, HealthStatus.OK)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthItem:
    """One thing that a counter needs.

    Attributes:
        name: ``readers``, ``models``, ``trust`` or ``pool``.
        status: how it is.
        problem: what is wrong, in words; empty where nothing is.
        facts: what was found, as JSON can hold it.
    """

    name: str
    status: HealthStatus
    problem: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {"name": self.name, "status": self.status.value, "problem": self.problem, **self.facts}


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How everything is.

    Attributes:
        items: one a thing that was looked at.
        at: when.
    """

    items: tuple[HealthItem, ...]
    at: datetime

    @property
    def status(self) -> HealthStatus:
        """The worst of all."""
        found = {item.status for item in self.items}
        return next((s for s in _WORST if s in found), HealthStatus.OK)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "status": self.status.value,
            "at": self.at.isoformat(),
            "items": [item.to_dict() for item in self.items],
        }


def health(
    *,
    trust: TrustStore | str | Path | None = None,
    trust_list_days: int | None = None,
    readers: bool = True,
    models: bool = True,
    pool: CounterPool | None = None,
    at: datetime | None = None,
) -> Health:
    """Look at everything that a counter needs. What is broken is told, not raised.

    Args:
        trust: the trust store, or where it lies; not looked at where None.
        trust_list_days: greatest age of its newest list in days; an older one is ``degraded``.
        readers: whether a reader must be there; not on a server.
        models: whether models must be there and unaltered (their files are hashed: a tenth of a second).
        pool: the counters that this process serves.
        at: time, with its zone; now where None.

    Raises:
        ConfigurationError: a time without a zone, or ``trust_list_days`` below 1.
    """
    moment = at if at is not None else datetime.now(UTC)
    if moment.tzinfo is None:
        raise ConfigurationError("the time needs a time zone, for instance datetime.now(UTC)")
    if trust_list_days is not None and trust_list_days < 1:
        raise ConfigurationError(f"trust_list_days must be at least 1, got {trust_list_days}")
    items = []
    if readers:
        items.append(_readers())
    if models:
        items.append(_models())
    if trust is not None:
        items.append(_trust(trust, trust_list_days, moment))
    if pool is not None:
        items.append(_pool(pool))
    return Health(items=tuple(items), at=moment)


def _readers() -> HealthItem:
    try:
        from idverify.chip.transport.pcsc import list_readers

        found = list_readers()
    except IdVerifyError as error:
        return HealthItem(name="readers", status=HealthStatus.FAILED, problem=str(error))
    facts = {"readers": [{"name": r.name, "card": r.present, "mute": r.mute} for r in found]}
    if not found:
        return HealthItem(name="readers", status=HealthStatus.FAILED, problem="no reader is connected", facts=facts)
    if any(r.mute for r in found):
        return HealthItem(
            name="readers", status=HealthStatus.DEGRADED, problem="a card does not answer its reader", facts=facts
        )
    return HealthItem(name="readers", status=HealthStatus.OK, facts=facts)


def _models() -> HealthItem:
    from idverify.biometric.models import default_registry

    try:
        checks = default_registry().verify()
    except IdVerifyError as error:
        return HealthItem(name="models", status=HealthStatus.FAILED, problem=str(error))
    wrong = [f"{c.card.identity}: {c.problem}" for c in checks if c.problem is not None]
    return HealthItem(
        name="models",
        status=HealthStatus.FAILED if wrong else HealthStatus.OK,
        problem="; ".join(wrong),
        facts={"models": [c.card.identity for c in checks]},
    )


def _trust(trust: TrustStore | str | Path, limit: int | None, at: datetime) -> HealthItem:
    from idverify.chip.pki.trust_store import ANCHORS, TrustStore

    if not isinstance(trust, TrustStore) and not Path(trust).exists():
        nothing = f"the trust store: there is none in {Path(trust).name} yet; 'idverify trust import PATH' makes it"
        return HealthItem(name="trust", status=HealthStatus.FAILED, problem=nothing)
    try:
        store = trust if isinstance(trust, TrustStore) else TrustStore.load([trust])
        anchors = sum(number for kind, number in store.counts().items() if kind in ANCHORS)
        dated = store.dated
    except (IdVerifyError, OSError) as error:
        text = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return HealthItem(name="trust", status=HealthStatus.FAILED, problem=f"the trust store: {text}")
    days = max(0, (at - dated).days) if dated is not None else None
    facts = {
        "id": store.id, "entries": len(store), "anchors": anchors,
        "dated": dated.isoformat() if dated is not None else None, "days": days,
    }  # fmt: skip
    status, problem = HealthStatus.OK, ""
    if not anchors:
        status, problem = HealthStatus.FAILED, "the trust store has no trust anchor"
    elif limit is not None and days is None:
        status, problem = HealthStatus.DEGRADED, "nothing says when the trust list was made"
    elif limit is not None and days is not None and days > limit:
        status, problem = HealthStatus.DEGRADED, f"the trust list is {days} days old; at most {limit} are wanted"
    return HealthItem(name="trust", status=status, problem=problem, facts=facts)


def _pool(pool: CounterPool) -> HealthItem:
    found = pool.health
    facts = {
        "running": found.running, "waiting": found.waiting, "queued": found.queued, "completed": found.completed,
        "failed": found.failed,
    }  # fmt: skip
    if found.waiting:
        return HealthItem(
            name="pool", status=HealthStatus.DEGRADED, problem="transactions wait for a place", facts=facts
        )
    return HealthItem(name="pool", status=HealthStatus.OK, facts=facts)
