"""What a card can carry: stated in its ATR or EF.ATR/INFO, found out once, remembered for cards with the same ATR."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from idverify import _tlv
from idverify.chip.iso7816.apdu import MAX_EXTENDED
from idverify.errors import MalformedDataError

MAX_REMEMBERED: Final = 256
_STEPS: Final = (192, 128, 64, 32)


@dataclass(slots=True)
class CardLimits:
    """Limits of one card model.

    Attributes:
        extended: extended length works (True), does not (False), or is not known (None).
        max_le: the greatest number of plain bytes asked for that the card did not refuse, 1 … 65,536.
        max_response: bytes of a response that the card says it can send with extended length (EF.ATR/INFO), or None.
        max_command: bytes of a command that the card says it can take with extended length, or None.
        sfi: reading application files by short EF identifier works, does not, or is not known.
        over_read: asking for more bytes than a file has is answered with what is there (not with an error).
        info_read: EF.ATR/INFO has been looked for.
        claims_extended: the ATR states extended length. That alone is not believed, since some that state it refuse.
    """

    extended: bool | None = None
    max_le: int = MAX_EXTENDED
    max_response: int | None = None
    max_command: int | None = None
    sfi: bool | None = None
    over_read: bool | None = None
    info_read: bool = False
    claims_extended: bool = False

    def refuse_le(self, le: int) -> bool:
        """Note that ``le`` plain bytes were refused; False when there is nothing smaller to try."""
        if le > 256:
            self.extended = False
            self.max_le = min(self.max_le, 256)
            return True
        lower = next((s for s in _STEPS if s < le), None)
        if lower is None:
            return False
        self.max_le = min(self.max_le, lower)
        return True


class LimitMemory:
    """Limits by ATR, for the :data:`MAX_REMEMBERED` cards seen last. Thread-safe; holds nothing about a holder."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, CardLimits] = OrderedDict()

    def limits(self, atr: bytes) -> CardLimits:
        """The limits of cards with this ATR; new ones start from what the ATR says."""
        with self._lock:
            found = self._known.get(atr)
            if found is None:
                stated = _stated_extended(atr)
                found = CardLimits(extended=False if stated is False else None, claims_extended=stated is True)
                self._known[atr] = found
                while len(self._known) > MAX_REMEMBERED:
                    self._known.popitem(last=False)
            else:
                self._known.move_to_end(atr)
            return found

    def forget(self) -> None:
        """Forget all."""
        with self._lock:
            self._known.clear()


REMEMBERED: Final = LimitMemory()
"""The memory of this process."""


def _stated_extended(atr: bytes) -> bool | None:
    """What the card capabilities in the historical bytes say of extended length; None where they say nothing.

    ISO/IEC 7816-4 §8.1.1.2.7: third software function table, bit 7.
    """
    capabilities = card_capabilities(historical_bytes(atr))
    if capabilities is None or len(capabilities) < 3:
        return None
    return bool(capabilities[2] & 0x40)


def historical_bytes(atr: bytes) -> bytes:
    """The historical bytes of an ATR (ISO/IEC 7816-3 §8.2); empty where it is cut off."""
    if len(atr) < 2:
        return b""
    count, present, position = atr[1] & 0xF, atr[1] >> 4, 2
    for _ in range(8):  # TA TB TC TD of each round; more rounds than this exist in no card
        position += (present & 0x7).bit_count()
        if not present & 0x8 or position >= len(atr):
            break
        present = atr[position] >> 4
        position += 1
    return atr[position : position + count]


def card_capabilities(historical: bytes) -> bytes | None:
    """The compact-TLV object 7x of historical bytes (ISO/IEC 7816-4 §8.1.1.1), or None."""
    if historical[:1] not in (b"\x00", b"\x80"):
        return None
    body = historical[1:-3] if historical[0] == 0 else historical[1:]
    position = 0
    while position < len(body):
        tag, length = body[position] >> 4, body[position] & 0xF
        value = body[position + 1 : position + 1 + length]
        if tag == 7 and len(value) == length:
            return value
        position += 1 + length
    return None


def note_atr_info(limits: CardLimits, content: bytes) -> None:
    """Take the extended length information out of EF.ATR/INFO: DO'7F66' with two INTEGERs (ISO/IEC 7816-4 §12.7.1).

    Anything that cannot be read is left alone.
    """
    try:
        for tlv in _tlv.iter_tlv(content, what="EF.ATR/INFO", skip_padding=True):
            if tlv.tag != 0x7F66:
                continue
            sizes = [int.from_bytes(c.value, "big") for c in tlv.children(what="EF.ATR/INFO") if c.tag == 0x02]
            if len(sizes) >= 2:
                limits.max_command = max(sizes[0], 256)
                limits.max_response = max(sizes[1], 256)
    except MalformedDataError:
        return
