"""Faults that a card plays at a chosen command: the card moves, answers late, answers wrongly."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class FaultKind(enum.StrEnum):
    """What goes wrong."""

    REMOVE = "remove"
    """The card is taken away: every exchange fails until the next reset."""
    TIMEOUT = "timeout"
    """No answer in time."""
    SLOW = "slow"
    """The answer comes after :attr:`Fault.value` milliseconds."""
    RESET = "reset"
    """The card loses power for a moment: its security state is gone when the command arrives."""
    STATUS = "status"
    """The answer is the bare status word :attr:`Fault.value`; the secure channel is dropped."""
    FLIP = "flip"
    """Bit :attr:`Fault.value` of the answer is inverted, counted from the first bit, modulo its length."""
    TRUNCATE = "truncate"
    """The answer is cut to :attr:`Fault.value` bytes; a negative number leaves so many away at its end."""
    DUPLICATE = "duplicate"
    """The answer before is sent once more."""
    EXTEND = "extend"
    """:attr:`Fault.value` zero bytes stand before the status word."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        kind: what goes wrong.
        at: index of the command that it hits, counted from 0 over the life of the card, resets included.
        value: see :class:`FaultKind`.
        executed: the command is carried out and only its answer is lost (REMOVE, TIMEOUT).
        ins: hit the ``at``-th command with this instruction byte instead.
    """

    kind: FaultKind
    at: int = 0
    value: int = 0
    executed: bool = False
    ins: int | None = None
