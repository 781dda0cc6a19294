from __future__ import annotations

import pytest
from tests.unit.chip.access.scripted import ScriptedCard, feed
from tests.vectors import load, unhex

from idverify.chip.access.bac import run_bac
from idverify.chip.access.password import AccessPassword
from idverify.chip.iso7816.apdu import CommandAPDU
from idverify.errors import AccessDeniedError, CardLockedError, ConfigurationError, ProtocolError, WrongPasswordError

EXAMPLE = load("bac")
FIELDS = EXAMPLE["mrz"]
PASSWORD = AccessPassword.mrz(FIELDS["document_number"], FIELDS["date_of_birth"], FIELDS["date_of_expiry"])
CHALLENGE = ("0084000008", EXAMPLE["rnd_ic"] + "9000")


def run(card: ScriptedCard) -> object:
    return run_bac(card, PASSWORD, rng=feed(EXAMPLE["rnd_ifd"], EXAMPLE["k_ifd"]))


def test_published_run_and_the_session_after_it() -> None:
    card = ScriptedCard.of(EXAMPLE)
    sm = run_bac(card, PASSWORD, rng=feed(EXAMPLE["rnd_ifd"], EXAMPLE["k_ifd"]))
    assert not card.script
    first = load("sm_3des")["exchanges"][0]  # appendix D.4 goes on from D.3
    assert sm.protect(CommandAPDU.parse(unhex(first["command"]))).to_bytes().hex() == first["protected_command"]


def test_every_flipped_bit_of_the_proof_is_refused() -> None:
    command, genuine = (EXAMPLE["apdus"][1][k] for k in ("command", "response"))
    for bit in range(8 * (len(genuine) // 2 - 2)):
        altered = bytearray(unhex(genuine))
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(AccessDeniedError, match="does not verify"):
            run(ScriptedCard([CHALLENGE, (command, altered.hex())]))


def test_a_proof_about_other_nonces_is_refused() -> None:
    """The genuine answer, played to a terminal that drew other numbers."""
    card = ScriptedCard([CHALLENGE, (None, EXAMPLE["apdus"][1]["response"])])
    with pytest.raises(AccessDeniedError, match="other nonces"):
        run_bac(card, PASSWORD, rng=feed("00" * 8, EXAMPLE["k_ifd"]))


@pytest.mark.parametrize(
    ("sw", "error", "tries"),
    [
        ("6300", WrongPasswordError, None),
        ("6982", WrongPasswordError, None),
        ("6988", WrongPasswordError, None),
        ("63c2", WrongPasswordError, 2),
        ("63c0", CardLockedError, None),
        ("6983", CardLockedError, None),
        ("6984", CardLockedError, None),
        ("6985", AccessDeniedError, None),
        ("6f00", AccessDeniedError, None),
    ],
)
def test_refusals(sw: str, error: type[AccessDeniedError], tries: int | None) -> None:
    with pytest.raises(AccessDeniedError) as caught:
        run(ScriptedCard([CHALLENGE, (None, sw)]))
    assert type(caught.value) is error
    if isinstance(caught.value, WrongPasswordError):
        assert caught.value.tries_left == tries
        assert "9 digits" in str(caught.value)
    assert FIELDS["document_number"].rstrip("<") not in str(caught.value)


def test_no_bac_here() -> None:
    with pytest.raises(AccessDeniedError, match="CAN"):
        run(ScriptedCard([("0084000008", "6d00")]))


@pytest.mark.parametrize(
    "script",
    [
        [("0084000008", "46" * 7 + "9000")],
        [("0084000008", "9000")],
        [CHALLENGE, (None, "9000")],
        [CHALLENGE, (None, "00" * 41 + "9000")],
    ],
)
def test_answers_of_other_lengths(script: list[tuple[str | None, str]]) -> None:
    with pytest.raises(ProtocolError, match="expected"):
        run(ScriptedCard(script))


def test_misuse() -> None:
    with pytest.raises(ConfigurationError, match="MRZ"):
        run_bac(ScriptedCard([]), AccessPassword.can("123456"), rng=bytes)
    with pytest.raises(ConfigurationError, match="random"):
        run_bac(ScriptedCard([CHALLENGE]), PASSWORD, rng=lambda n: bytes(n - 1))


EXTENDED_CHALLENGE = "00840000000008"


@pytest.mark.parametrize("answer", ["6700", "6985", "00" * 256 + "9000", "9000"])
def test_a_card_that_does_not_take_the_extended_challenge_gets_the_short_one(answer: str) -> None:
    script = [(a["command"], a["response"]) for a in EXAMPLE["apdus"]]
    card = ScriptedCard([(EXTENDED_CHALLENGE, answer), *script])
    assert run_bac(card, PASSWORD, rng=feed(EXAMPLE["rnd_ifd"], EXAMPLE["k_ifd"]), probe=True).alive
    assert not card.script


def test_the_extended_challenge_is_enough_where_it_works() -> None:
    proof = EXAMPLE["apdus"][1]
    card = ScriptedCard([(EXTENDED_CHALLENGE, CHALLENGE[1]), (proof["command"], proof["response"])])
    assert run_bac(card, PASSWORD, rng=feed(EXAMPLE["rnd_ifd"], EXAMPLE["k_ifd"]), probe=True).alive
