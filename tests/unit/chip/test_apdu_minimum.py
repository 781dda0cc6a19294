"""How many commands a whole document takes, beside the fewest that it can take."""

from __future__ import annotations

import pytest

from idverify.chip.access.terminal_auth import TerminalCredentials
from idverify.chip.access.terminal_key import InMemoryTerminalKey
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.files import FileId
from idverify.chip.session import DocumentSession, ReadOptions
from idverify.chip.transport.memory import MemoryTransport
from idverify.emulator import PROFILES, Card, pkcs8
from tests.unit.chip.apdu_minimum import SHORT, authority, document, least_commands, passwords

ALLOWED = 5
"""Commands above the fewest that a document may take, the proofs of its chip among them."""

SHORT_OVER = {
    "cccd-2021": (1, 3),  # DG3 refused; two GET RESPONSE for a signature of 256 bytes, an exchange under the new keys
    "cccd-2024": (1, 1),  # DG3 refused; an exchange under the new keys
    "cccd-moc": (1, 1),
    "passport-bac": (2, 0),  # EF.CardAccess looked for by short identifier, then by SELECT MF and SELECT
    "passport-open": (2, 0),
    "passport-pace-im": (0, 1),  # an exchange under the new keys
    "passport-pace-cam": (0, 0),
    "passport-pace-many": (0, 0),
    "passport-eac": (2, 1),  # DG3 and DG4 refused
    "passport-eac-bac": (4, 1),  # EF.CardAccess looked for, DG3 and DG4 refused
    "eid-eac2": (2, 0),
    "passport-aa-rsa": (2, 0),
    "passport-aa-ecdsa": (2, 0),
}
"""Commands above the fewest with short APDUs, in reading and in the proofs after it. Every one has its reason."""

ATR_INFO = 2
"""EF.ATR/INFO looked for by both identifiers: once for a model of card that takes extended length."""


def over(card: Card, options: ReadOptions, memory: LimitMemory, block: int | None = None) -> tuple[int, int]:
    """Read and prove all; the commands above the fewest, in reading and in proving."""
    with DocumentSession(MemoryTransport(card.fresh()), options=options, memory=memory) as session:
        session.open(passwords(card))
        files = session.read_all()
        read, least_read = session.stats.apdus, least_commands(card, session, proofs=False, block=block)
        session.authenticate_chip()
    assert all(card.files[f] == raw for f, raw in files.items())
    assert len(files[FileId.DG2]) > 20_000
    for file, cost in session.stats.files.items():
        assert cost.apdus == -(-cost.bytes // (block or SHORT[session.stats.cipher])), file
    least = least_commands(card, session, proofs=True, block=block)
    return read - least_read, session.stats.apdus - read - (least - least_read)


@pytest.mark.parametrize("profile", SHORT_OVER)
def test_a_whole_read_with_short_apdus_stays_at_the_minimum(profile: str) -> None:
    found = over(document(profile), ReadOptions(force_short_apdu=True), LimitMemory())
    assert sum(found) <= ALLOWED
    assert found == SHORT_OVER[profile]


@pytest.mark.parametrize("profile", [p for p in PROFILES if PROFILES[p].extended_length])
def test_a_whole_read_with_extended_length_stays_at_the_minimum(profile: str) -> None:
    options, memory = ReadOptions(), LimitMemory()
    visits = [over(document(profile), options, memory, options.max_block) for _ in range(3)]
    known = SHORT_OVER.get(profile, (0, 1))[0]
    assert visits[2] == (known, min(SHORT_OVER.get(profile, (0, 1))[1], 1)), "no GET RESPONSE for a long signature"
    looked_for = ATR_INFO if FileId.ATR_INFO not in document(profile).files else 0
    assert sum(v[0] - known for v in visits) == looked_for


def test_extended_length_is_found_out_before_bac_and_remembered() -> None:
    """A chip with BAC alone has no file to try it on: GET CHALLENGE shows it, at no cost where it works."""
    for profile, works in (("passport-aa-rsa", True), ("passport-bac", False)):
        memory, costs = LimitMemory(), []
        for _ in range(2):
            card = document(profile).fresh()
            with DocumentSession(MemoryTransport(card), memory=memory) as session:
                session.open(passwords(card))
                session.read(FileId.DG2)
            costs.append(session.stats.files[FileId.DG2].apdus)
            assert memory.limits(card.atr).extended is works
            assert session.stats.recoveries == 0
        assert costs == ([5, 5] if works else [87, 87])


@pytest.mark.parametrize(("profile", "most"), [("passport-eac", 2), ("passport-eac-bac", 3), ("eid-eac2", 3)])
def test_a_whole_read_with_terminal_authentication_stays_at_the_minimum(profile: str, most: int) -> None:
    """Above it: EF.CardAccess looked for; a certificate cut in two; the exchange that shows the chip's key; the master
    file and the application selected once more for version 2."""
    pki, card = authority(), document(profile)
    key = InMemoryTerminalKey.from_der(pkcs8(pki.terminal.key))
    credentials = TerminalCredentials.load([*pki.chain, pki.cvca.der], key)
    options = ReadOptions(force_short_apdu=True)
    with DocumentSession(MemoryTransport(card.fresh()), options=options, memory=LimitMemory()) as session:
        session.open(passwords(card), terminal=credentials)
        assert session.authenticate_terminal().accepted
        files = session.read_all()
        session.authenticate_chip()
    assert {FileId.DG2, FileId.DG3, FileId.DG4} <= set(files)
    terminal = 2 * len(pki.chain) + 3 + (2 if card.image.chip_auth[0].version == 2 else 0)
    found = session.stats.apdus - least_commands(card, session, proofs=True) - terminal
    assert found == most
    assert most <= ALLOWED


def test_the_profiles_are_all_there() -> None:
    """But for the one over Diffie-Hellman: its public keys of 256 bytes do not go into short commands."""
    assert set(PROFILES) - set(SHORT_OVER) == {"passport-pace-3des"}
