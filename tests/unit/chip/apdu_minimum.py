"""The fewest commands that reading a document can take: what the reader's economy is measured by.

==================  ================================================================================================
EF.CardAccess       ceil(size / plain payload); one command where the chip has none, for it must be asked
PACE                MSE:Set AT, GENERAL AUTHENTICATE for nonce, mapping, key agreement and tokens: 5
                    (ICAO 9303-11 §4.4.4)
BAC                 GET CHALLENGE, EXTERNAL AUTHENTICATE: 2 (§4.3.4)
the application     SELECT: 1
EF.CardSecurity     ceil(size / payload), where PACE was run in the chip authentication mapping
every other file    ceil(size / payload): by short identifier without a SELECT, the header read with the content,
                    and nothing read to find the end
chip                MSE:Set KAT with 3DES: 1; else MSE:Set AT and GENERAL AUTHENTICATE: 2 (§6.2.4); none after the
authentication      chip authentication mapping
active              INTERNAL AUTHENTICATE: 1 (§6.1.3)
authentication
terminal            MSE:Set DST and PSO: Verify Certificate for each certificate, MSE:Set AT, GET CHALLENGE, EXTERNAL
authentication      AUTHENTICATE (§7.1.4); with version 2 also chip authentication of version 2: 2
==================  ================================================================================================

Not in it, so that it counts as the reader's own: looking for a file that is not there, asking for a file that the chip
refuses, GET RESPONSE for an answer longer than a short one can be, and the exchange that shows that chip authentication
has led to working keys.
"""

from __future__ import annotations

import functools
from math import ceil
from typing import Final

from idverify.chip.access.password import AccessPassword
from idverify.chip.lds.files import FileId
from idverify.chip.session import DocumentSession
from idverify.emulator import Card, TestCvPki, personalise
from idverify.emulator.portrait import default_portrait

SHORT: Final = {None: 256, "3DES": 231, "AES-128": 223, "AES-192": 223, "AES-256": 223}
"""Most plain bytes of one short answer, by cipher.

Of 256 bytes 87 81 L 01 takes 4, 99 02 SW 4 and 8E 08 MAC 10: 238 are left for the cryptogram, that is 29 blocks of 8 or
14 of 16 bytes, at least one of them padding (ICAO 9303-11 §9.8.4)."""


@functools.cache
def document(profile: str) -> Card:
    """A document whose DG2 has 20 KB; guarded groups are for terminals of :func:`authority`."""
    portrait = default_portrait()
    portrait += bytes(max(0, 20_000 - len(portrait)))
    return personalise(profile, seed="economy", portrait=portrait, cv_pki=authority())


@functools.cache
def authority() -> TestCvPki:
    """Who lets terminals in."""
    return TestCvPki("economy", kind="secp256r1")


def passwords(card: Card) -> tuple[AccessPassword, ...]:
    """The CAN, else the MRZ, else none for a chip without access control."""
    if card.can:
        return (AccessPassword.can(card.can),)
    return (AccessPassword.from_mrz_text(card.mrz),) if card.image.bac else ()


def least_commands(card: Card, session: DocumentSession, *, proofs: bool, block: int | None = None) -> int:
    """The fewest commands for what ``session`` has read.

    Args:
        card: the emulated chip, which tells what it can prove.
        session: after reading.
        proofs: chip and active authentication were run.
        block: most bytes of one answer; with short APDUs where None.
    """
    cipher = session.stats.cipher
    plain, protected = (SHORT[None], SHORT[cipher]) if block is None else (block, block)
    by_cam = any(c.evidence.get("mapping") == "CAM" for c in session.checks)
    count = {"pace": 5, "bac": 2, "none": 0}[session.access] + 1
    count += sum(
        ceil(len(raw) / (plain if file is FileId.CARD_ACCESS else protected)) for file, raw in session.files.items()
    )
    if FileId.CARD_ACCESS not in session.files:
        count += 1
    if proofs:
        count += card.image.active_auth is not None
        keys = [k for k in card.image.chip_auth if k.version == 1]  # version 2 comes with terminal authentication
        if keys and not by_cam:
            count += 1 if keys[0].protocol.endswith(".1") else 2
    return count
