"""On-card biometric comparison: the card compares a probe with its own reference (ISO/IEC 24787; 7816-11).

The card says what it wants (biometric information template), gets minutiae in its format, number and order
(ISO/IEC 19794-2:2005 §8), and answers yes or no. Every no is counted, and the last one blocks the reference: nothing
here sends a probe twice, and the counter is asked for before one is sent.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from idverify import _tlv
from idverify.chip.access._commands import perhaps_counted, tries_left
from idverify.chip.iso7816.apdu import MAX_SHORT_LE, CardChannel, CommandAPDU, ResponseAPDU
from idverify.chip.iso7816.status import meaning
from idverify.chip.lds.iso19794_2 import CardTemplate, Minutia
from idverify.chip.lds.on_card import OnCardTemplate
from idverify.errors import MalformedDataError, SecurityStatusError, StatusWordError
from idverify.report import CheckId, CheckResult, CheckStatus, Reason

_GET_DATA: Final = 0xCA
_GET_DATA_ODD: Final = 0xCB
_VERIFY: Final = 0x20
_VERIFY_ODD: Final = 0x21
_GROUP: Final = 0x7F61
_INSTANCE: Final = 0x7F60
_BLOCKED: Final = (0x6983, 0x6984)
_NO_SUCH_COMMAND: Final = (0x6D00, 0x6A81, 0x6E00)
_NO_SUCH_DATA: Final = (*_NO_SUCH_COMMAND, 0x6A86, 0x6A88, 0x6A82, 0x6A80)


class OnCardOutcome(enum.StrEnum):
    """What came of a comparison."""

    MATCH = "match"
    NO_MATCH = "no-match"
    LOCKED = "locked"
    NOT_TRIED = "not-tried"
    NOT_OFFERED = "not-offered"


@dataclass(frozen=True, slots=True)
class OnCardResult:
    """One comparison on the card.

    Attributes:
        outcome: ``not-tried`` where too few tries were left for one to be risked, ``not-offered`` where the card
            compares no such finger.
        reference: qualifier of the reference data, or None.
        tries_left: the counter afterwards, as far as the card tells.
    """

    outcome: OnCardOutcome
    reference: int | None
    tries_left: int | None = None

    @property
    def check(self) -> CheckResult:
        """``finger.match``. The score, and with it the false match rate, stays on the card."""
        status, reason = _CHECKS[self.outcome]
        facts = {"compared": "on-card"}
        if self.reference is not None:
            facts["reference"] = str(self.reference)
        if self.tries_left is not None:
            facts["tries_left"] = str(self.tries_left)
        return CheckResult(check=CheckId.FINGER_MATCH, status=status, reason=reason, evidence=facts)


_CHECKS: Final = {
    OnCardOutcome.MATCH: (CheckStatus.SUCCESSFUL, Reason.OK),
    OnCardOutcome.NO_MATCH: (CheckStatus.FAILED, Reason.BELOW_THRESHOLD),
    OnCardOutcome.LOCKED: (CheckStatus.NOT_PERFORMED, Reason.REFERENCE_LOCKED),
    OnCardOutcome.NOT_TRIED: (CheckStatus.NOT_PERFORMED, Reason.FEW_TRIES_LEFT),
    OnCardOutcome.NOT_OFFERED: (CheckStatus.NOT_SUPPORTED, Reason.NOT_OFFERED),
}


def read_templates(channel: CardChannel) -> tuple[OnCardTemplate, ...]:
    """The card's biometric information templates (ISO/IEC 7816-11 §6): GET DATA of 7F61, else of a single 7F60.

    Returns:
        none where the card has none, or does not know the command.

    Raises:
        SecurityStatusError: the card wants access control first.
        StatusWordError: another refusal.
        MalformedDataError: an answer that is no such template.
    """
    for tag in (_GROUP, _INSTANCE):
        for ins in (_GET_DATA, _GET_DATA_ODD):
            response = channel.send(_get_data(ins, tag))
            if response.ok and response.data:
                return OnCardTemplate.parse(response.data)
            if not response.ok and response.sw not in _NO_SUCH_DATA:
                raise _refusal(response, "GET DATA (biometric information template)")
    return ()


def _get_data(ins: int, tag: int) -> CommandAPDU:
    """GET DATA with the tag in P1 and P2, or in a tag list (ISO/IEC 7816-4 §11.4.3)."""
    if ins == _GET_DATA:
        return CommandAPDU(0x00, ins, tag >> 8, tag & 0xFF, le=MAX_SHORT_LE)
    wanted = _tlv.encode(0x5C, tag.to_bytes(2, "big"))
    return CommandAPDU(0x00, ins, 0x3F, 0xFF, data=wanted, le=MAX_SHORT_LE)


def read_tries(channel: CardChannel, template: OnCardTemplate) -> int | None:
    """Tries left for the template's reference: VERIFY without data (ISO/IEC 7816-4 §11.5.6); 0 where blocked.

    Returns:
        None where the card does not tell.
    """
    sw = channel.send(CommandAPDU(0x00, _VERIFY, 0x00, template.reference or 0)).sw
    return 0 if sw in _BLOCKED else tries_left(sw)


def compare_on_card(
    channel: CardChannel, template: OnCardTemplate, minutiae: Sequence[Minutia], *, keep: int = 1
) -> OnCardResult:
    """Have the card compare a probe; at most one probe is sent.

    Args:
        channel: the card, access control done.
        template: which reference, and what the card asks of a probe.
        minutiae: the probe in units of ``template.card_format``; see
            :func:`~idverify.chip.lds.on_card.to_card_units`. The best are chosen and brought into the card's order.
        keep: tries that must be left over: where the card tells of no more than these, nothing is sent; 0 to risk all.

    Raises:
        MalformedDataError: fewer minutiae than the card asks for, or numbers that its format cannot hold.
        SecurityStatusError: the card wants access control first.
        StatusWordError: the card does not take the probe (6A80), or has no such reference (6A88).
    """
    try:
        probe = CardTemplate(template.select(tuple(minutiae))).encode(template.card_format)
    except ValueError as error:
        raise MalformedDataError(f"the probe does not fit the card's format: {error}") from None
    before = read_tries(channel, template)
    if before == 0:
        return OnCardResult(OnCardOutcome.LOCKED, template.reference, 0)
    if before is not None and before <= keep:
        return OnCardResult(OnCardOutcome.NOT_TRIED, template.reference, before)
    with perhaps_counted("a finger"):
        response = channel.send(CommandAPDU(0x00, _VERIFY_ODD, 0x00, template.reference or 0, data=probe))
        if response.sw in _NO_SUCH_COMMAND:  # not counted: the card did not know the command
            response = channel.send(CommandAPDU(0x00, _VERIFY, 0x00, template.reference or 0, data=probe))
    left = tries_left(response.sw)
    if response.ok:
        return OnCardResult(OnCardOutcome.MATCH, template.reference, read_tries(channel, template))
    if response.sw in _BLOCKED or left == 0:
        outcome = OnCardOutcome.NO_MATCH if left == 0 else OnCardOutcome.LOCKED
        return OnCardResult(outcome, template.reference, 0)
    if left is not None or response.sw == 0x6300:
        return OnCardResult(OnCardOutcome.NO_MATCH, template.reference, left)
    raise _refusal(response, "VERIFY (on-card comparison)")


def _refusal(response: ResponseAPDU, command: str) -> StatusWordError:
    kind = SecurityStatusError if response.sw == 0x6982 else StatusWordError
    return kind(response.sw, command=command, meaning=meaning(response.sw))
