"""What a chip holds once it is personalised: files, keys, rules. Immutable; a :class:`Card` runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from idverify.chip.lds.files import FileId
from idverify.emulator._apdu import SW_OK, SW_WRONG
from idverify.emulator._random import Seed
from idverify.emulator.active_auth import ActiveAuthKey
from idverify.emulator.chip_auth import ChipAuthKey
from idverify.emulator.match_on_card import OnCardFinger
from idverify.emulator.pace import CAN, MRZ, PIN, PUK, PaceOption
from idverify.emulator.quirks import Quirks
from idverify.emulator.terminal_auth import TerminalTrust

EMRTD_AID: Final = bytes.fromhex("A0000002471001")
"""Application identifier of the eMRTD application (ICAO 9303-10 §3.9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardImage:
    """A personalised chip.

    Attributes:
        profile: name of the profile it was made from.
        files: every file's bytes; a file that is not here does not exist on the chip.
        mrz: the machine readable zone, lines joined.
        mrz_information: number, birth and expiry with their check digits: the key of BAC and of PACE with the MRZ.
        can, pin, puk: the other passwords, where the chip has them.
        bac: whether basic access control opens the chip.
        pace: the ways of PACE that it offers, in the order of EF.CardAccess.
        active_auth: key of active authentication.
        chip_auth: keys of chip authentication.
        terminal: what terminal authentication trusts, or None.
        fingers: enrolled fingers for comparison on the card.
        guarded: files that only an authenticated terminal with the right may read.
        select_mf: status word of SELECT MF.
        wrong_key: status word for a wrong key.
        extended_length: whether extended APDUs are understood.
        quirks: deviations.
        seed: what fixes the chip's randomness.
        trust_anchors: CSCA certificates, DER, that vouch for it.
        holder: the typed description that it was personalised from, or None.
        authority: the test authority that signed, or None.
    """

    profile: str
    files: Mapping[FileId, bytes] = field(repr=False)
    mrz: str = field(default="", repr=False)
    mrz_information: str = field(default="", repr=False)
    can: str | None = field(default=None, repr=False)
    pin: str | None = field(default=None, repr=False)
    puk: str | None = field(default=None, repr=False)
    bac: bool = True
    pace: tuple[PaceOption, ...] = ()
    active_auth: ActiveAuthKey | None = None
    chip_auth: tuple[ChipAuthKey, ...] = ()
    terminal: TerminalTrust | None = None
    fingers: tuple[OnCardFinger, ...] = ()
    guarded: frozenset[FileId] = frozenset({FileId.DG3, FileId.DG4})
    select_mf: int = SW_OK
    wrong_key: int = SW_WRONG
    extended_length: bool = True
    quirks: Quirks = field(default_factory=Quirks)
    seed: Seed = 0
    trust_anchors: tuple[bytes, ...] = field(default=(), repr=False)
    holder: Any = field(default=None, repr=False)
    authority: Any = field(default=None, repr=False)

    def password(self, kind: int) -> str | None:
        """The password of that reference (1 MRZ, 2 CAN, 3 PIN, 4 PUK), or None."""
        known = {MRZ: self.mrz_information or None, CAN: self.can, PIN: self.pin, PUK: self.puk}
        return known.get(kind)
