"""An inspection of an emulated document, and the reactions that a case can ask of the reader.

The guideline knows two answers of an inspection system: the procedure was successful, or it failed. Here *successful*
is a decision ``accept`` without any reason against it, and *failed* is any other decision together with the check that
must say why, or the exception that must end the reading. The policy asks for exact documents: all of passive
authentication, the chip's own proof, the form of every file and of the signer's certificate.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pytest

import idverify
from idverify.chip.access.password import AccessPassword
from idverify.chip.iso7816.limits import REMEMBERED
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.reading import ReadOptions
from idverify.chip.transport.memory import MemoryTransport
from idverify.decision import Outcome, Policy
from idverify.emulator import Card
from idverify.errors import IdVerifyError
from idverify.report import CheckId, CheckStatus, Reason
from idverify.verification import VerificationResult

AT: Final = datetime(2026, 6, 1, tzinfo=UTC)

INSPECTION: Final = Policy.from_mapping(
    {
        "id": "inspection",
        "extends": "counter",
        "face_fmr": False,
        "checks": {
            "document.contents": {"missing": "accept"},
            "document.validity": {},
            "pa.com-sod": {},
            "pa.dsc.profile": {},
            "pa.card-security": {"missing": "accept"},
        },
    }
)


def passwords_of(card: Card) -> list[AccessPassword]:
    """The CAN, where the card has one, then the MRZ."""
    can = [AccessPassword.can(card.can)] if card.can else []
    return [*can, AccessPassword.from_mrz_text(card.mrz)]


def trust_in(anchors: Iterable[bytes]) -> TrustStore:
    """A store of those CSCA certificates."""
    return TrustStore.from_certificates(anchors)


def inspect(
    card: Card,
    *,
    trust: TrustStore | None = None,
    passwords: Sequence[AccessPassword] | None = None,
    options: ReadOptions | None = None,
    policy: Policy = INSPECTION,
) -> VerificationResult:
    """Read the document, judge it, decide."""
    REMEMBERED.forget()  # what another document has taught
    return idverify.verify(
        MemoryTransport(card),
        passwords_of(card) if passwords is None else passwords,
        trust=trust if trust is not None else trust_in(card.trust_anchors),
        policy=policy,
        at=AT,
        options=options,
    )


class Reaction:
    """What a case requires."""

    def judge(self, inspection: Callable[[], VerificationResult]) -> VerificationResult | None:
        """Run the inspection; fail the test where the reaction is another one."""
        raise NotImplementedError


@dataclass(frozen=True)
class Accepted(Reaction):
    """The inspection is successful."""

    def judge(self, inspection: Callable[[], VerificationResult]) -> VerificationResult:
        result = inspection()
        assert (result.decision.outcome, result.decision.reasons) == (Outcome.ACCEPT, ())
        return result

    def __str__(self) -> str:
        return "accepted"


@dataclass(frozen=True)
class Refused(Reaction):
    """The inspection fails, and this check says why."""

    check: CheckId
    reason: Reason
    subject: str | None = None
    status: CheckStatus = CheckStatus.FAILED
    words: str = ""

    def judge(self, inspection: Callable[[], VerificationResult]) -> VerificationResult:
        result = inspection()
        assert result.decision.outcome is not Outcome.ACCEPT
        found = [c for c in result.report.results(self.check) if self.subject in (None, c.subject)]
        assert (self.status, self.reason) in [(c.status, c.reason) for c in found], found
        assert any(self.words in c.evidence.get("deviations", "") for c in found), found
        return result

    def __str__(self) -> str:
        where = f" of {self.subject}" if self.subject else ""
        why = f"{self.reason}: {self.words}" if self.words else str(self.reason)
        return f"`{self.check}`{where}: {self.status} ({why})"


@dataclass(frozen=True)
class Raises(Reaction):
    """Reading ends with this exception."""

    error: type[IdVerifyError]

    def judge(self, inspection: Callable[[], VerificationResult]) -> None:
        with pytest.raises(self.error) as caught:
            inspection()
        assert type(caught.value) is self.error

    def __str__(self) -> str:
        return f"`{self.error.__name__}`"


@dataclass(frozen=True)
class Case:
    """One test case.

    Attributes:
        document: makes the emulated document, or several: each must be met with the same reaction.
        reaction: what is required.
        trust: the trust store; the card's own CSCA where None.
        passwords: what opens the chip; its CAN and its MRZ where None.
        options: limits and choices of reading.
        also: a further condition on the result and the card.
        procedure: another inspection procedure than the standard one.
        note: how the case was understood, where its title leaves that open.
    """

    document: Callable[[], Card | Iterable[Card]]
    reaction: Reaction
    trust: Callable[[Card], TrustStore] | None = None
    passwords: Callable[[Card], Sequence[AccessPassword]] | None = None
    options: ReadOptions | None = None
    also: Callable[[Any, Card], None] | None = None
    procedure: Callable[[Card], Any] | None = None
    note: str = field(default="")

    def run(self) -> None:
        """Inspect; fail where the reaction is not the required one."""
        made = self.document()
        cards = [made] if isinstance(made, Card) else list(made)
        assert cards
        for card in cards:
            result = self.reaction.judge(functools.partial(self._inspect, card))
            if self.also is not None and result is not None:
                self.also(result, card)

    def _inspect(self, card: Card) -> Any:
        if self.procedure is not None:
            return self.procedure(card)
        return inspect(
            card,
            trust=self.trust(card) if self.trust else None,
            passwords=self.passwords(card) if self.passwords else None,
            options=self.options,
        )
