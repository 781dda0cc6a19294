"""How the chip proves itself: active and chip authentication, against examples and against the reader's side."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idverify.chip.access.active_auth import run_active_auth
from idverify.chip.access.chip_auth import chip_auth_choices, run_chip_auth, verify_chip_auth
from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.dg15 import DG15
from idverify.chip.lds.files import FileId
from idverify.crypto.block import Cipher
from idverify.emulator import (
    ActiveAuthKey,
    Card,
    ChipAuthKey,
    ChipAuthSpec,
    EcKey,
    Quirks,
    RsaKey,
    SeededRandom,
    citizen_card,
    copied_card,
    from_files,
    make_key,
    personalise,
    with_quirks,
)
from idverify.emulator import chip_auth as chip_side
from idverify.errors import AccessDeniedError, IdVerifyError
from tests.emulator.terminal import Terminal
from tests.shared import needs_shared, shared

VECTORS = Path(__file__).parents[1] / "vectors"


class Below(Terminal):
    """The card below secure messaging."""

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        return ResponseAPDU.parse(self.card.process(command.to_bytes()))


def chip_auth(terminal: Terminal, number: int = 0) -> Any:
    infos = DG14.parse(terminal.card.files[FileId.DG14]).security_infos
    choice = chip_auth_choices(infos)[number]
    return run_chip_auth(terminal, Below(terminal.card), choice, rng=terminal.rng)


def test_message_representative_of_appendix_f() -> None:
    data = json.loads((VECTORS / "aa_rsa_sha1.json").read_text())
    key = ActiveAuthKey(RsaKey.generate(1024, "F"), "sha1")
    made = key.message_representative(bytes.fromhex(data["rnd_ifd"]), lambda size: bytes.fromhex(data["m1"])[:size])
    assert made.hex() == data["message_representative_f"]


@pytest.mark.parametrize("hash_name", ["sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("smaller", [False, True])
def test_rsa_signature_by_hand(hash_name: str, smaller: bool) -> None:
    pair = RsaKey.generate(1024, "hand")
    key = ActiveAuthKey(pair, hash_name, smaller=smaller)
    signature = key.sign(b"12345678", SeededRandom(hash_name))
    opened = pow(int.from_bytes(signature, "big"), pair.e, pair.n)
    if opened & 0xF not in (0xC, 0xE) or opened >> (pair.n.bit_length() - 8) != 0x6A:
        assert smaller
        opened = pair.n - opened
    representative = key.message_representative(b"12345678", SeededRandom(hash_name))
    assert opened.to_bytes(pair.size, "big") == representative
    assert representative[-1] == (0xBC if hash_name == "sha1" else 0xCC)


@pytest.mark.parametrize("kind", ["rsa-1024", "rsa-2048", "secp256r1", "brainpoolP384r1", "brainpoolP224r1"])
@pytest.mark.parametrize("hash_name", ["sha224", "sha256"])
def test_active_authentication_with_the_reader(kind: str, hash_name: str) -> None:
    card = personalise("passport-aa-ecdsa", seed=3, aa=kind, aa_hash=hash_name)
    terminal = Terminal(card).bac()
    assert card.image.active_auth is not None
    evidence = run_active_auth(
        terminal,
        card.image.active_auth.key.spki(),
        rng=terminal.rng,
        signature_algorithm=card.image.active_auth.signature_oid,
    )
    assert evidence.verified
    copy = Terminal(copied_card(card)).bac()
    assert not run_active_auth(copy, card.image.active_auth.key.spki(), rng=copy.rng).verified


@pytest.mark.parametrize(
    ("kind", "quirks"),
    [
        ("secp256r1", Quirks(aa_der=True)),
        ("secp256r1", Quirks(aa_info=False)),
        ("rsa-1024", Quirks(aa_smaller=True)),
        ("rsa-1024", Quirks(aa_trailer="explicit")),
    ],
)
def test_active_authentication_quirks_are_played(kind: str, quirks: Quirks) -> None:
    card = personalise("passport-aa-ecdsa", seed=3, aa=kind, quirks=quirks)
    key = card.image.active_auth
    assert key is not None
    signature = key.sign(b"abcdefgh", SeededRandom(1))
    if quirks.aa_der:
        assert signature[0] == 0x30
        assert key.signature_oid == "1.2.840.10045.4.3.2"
    else:
        assert len(signature) in (64, 128)
    infos = DG14.parse(card.files[FileId.DG14]).security_infos
    assert (infos.active_authentication is None) == (not quirks.aa_info or kind.startswith("rsa"))


def test_leading_zeros_of_rsa_signatures_are_stripped() -> None:
    key = ActiveAuthKey(RsaKey.generate(512, "strip"), "sha1", strip_zeros=True)
    lengths = {len(key.sign(n.to_bytes(8, "big"), SeededRandom(n))) for n in range(700)}
    assert lengths == {64, 63} or lengths == {64, 63, 62}


def test_a_signature_that_does_not_fit_a_short_response_is_chained() -> None:
    card = citizen_card(seed="long", quirks=Quirks(extended_length=False))
    terminal = Terminal(card).bac()
    assert terminal.messaging is not None
    command = terminal.messaging.protect(CommandAPDU(0, 0x88, 0, 0, b"12345678", le=256))
    answer = card.process(command.to_bytes(extended=False))
    assert answer[:1] == b"\x61"
    whole = b""
    while answer[-2] == 0x61:
        whole += answer[:-2]
        answer = card.process(b"\x00\xc0\x00\x00" + bytes([answer[-1]]))
    opened = terminal.messaging.unprotect(ResponseAPDU.parse(whole + answer))
    assert len(opened.data) == 256


@pytest.mark.parametrize(
    "spec",
    [
        ChipAuthSpec("brainpoolP256r1", Cipher.AES128),
        ChipAuthSpec("secp384r1", Cipher.AES256, key_id=7),
        ChipAuthSpec("brainpoolP224r1", Cipher.DES3),
        ChipAuthSpec("dh-1", Cipher.AES192),
        ChipAuthSpec("dh-0", Cipher.DES3, key_id=1),
    ],
)
def test_chip_authentication_with_the_reader(spec: ChipAuthSpec) -> None:
    card = personalise("passport-aa-ecdsa", seed=4, ca=(spec,))
    terminal = Terminal(card).bac()
    result = chip_auth(terminal)
    assert result.proven
    assert result.cipher is spec.cipher
    terminal.messaging = result.secure_messaging
    assert terminal.read(0x1E) == card.files[FileId.COM]
    assert verify_chip_auth(card.image.chip_auth[0].key.spki(explicit=True), result.evidence)


def test_two_keys_need_the_reference() -> None:
    card = personalise("passport-aa-ecdsa", ca=(ChipAuthSpec(key_id=1), ChipAuthSpec("secp256r1", key_id=2)))
    for number in (0, 1):
        assert chip_auth(Terminal(card.fresh()).bac(), number).proven
    terminal = Terminal(card.fresh()).bac()
    oid = bytes.fromhex("04007f00070202030202")
    without = terminal.send(CommandAPDU(0, 0x22, 0x41, 0xA4, b"\x80\x0a" + oid))
    unknown = terminal.send(CommandAPDU(0, 0x22, 0x41, 0xA4, b"\x80\x0a" + oid + b"\x84\x01\x03"))
    assert (without.sw, unknown.sw) == (0x6A88, 0x6A88)


def test_copies_do_not_prove_themselves() -> None:
    card = citizen_card(seed="copied", aa="secp256r1")
    assert not chip_auth(Terminal(copied_card(card)).bac()).proven
    for quirk in ({"ca_other_key": True}, {"ca_keeps_old_keys": True}):
        assert not chip_auth(Terminal(Card(with_quirks(card.image, **quirk))).bac()).proven


def test_without_an_info_the_chip_takes_3des() -> None:
    card = citizen_card(seed="no info", aa="secp256r1", quirks=Quirks(ca_info=False))
    result = chip_auth(Terminal(card).bac())
    assert result.proven
    assert result.cipher is Cipher.DES3


@pytest.mark.parametrize("data", ["7c00", "7c028000", "7c03800104", "8000", "7c438241" + "04" * 65])
def test_chip_authentication_refuses_bad_keys_and_goes_on(data: str) -> None:
    terminal = Terminal(citizen_card(seed="bad key", aa=None)).bac()
    oid = bytes.fromhex("04007f00070202030202")
    assert terminal.send(CommandAPDU(0, 0x22, 0x41, 0xA4, b"\x80\x0a" + oid)).sw == 0x9000
    assert terminal.send(CommandAPDU(0, 0x86, 0, 0, bytes.fromhex(data), le=256)).sw == 0x6A80
    assert terminal.send(CommandAPDU(0, 0xB0, 0x9E, 0, le=4)).sw == 0x9000


def test_active_authentication_is_refused_where_there_is_no_key() -> None:
    terminal = Terminal(citizen_card(seed="no aa", aa=None)).bac()
    assert FileId.DG15 not in terminal.card.files
    assert terminal.send(CommandAPDU(0, 0x88, 0, 0, b"12345678", le=256)).sw == 0x6D00
    with pytest.raises(AccessDeniedError):
        run_active_auth(terminal, make_key("secp256r1", 0).spki(), rng=terminal.rng)


@needs_shared
def test_chip_authentication_version_2_of_the_bsi_example() -> None:
    data = json.loads(shared("vectors/eac/bsi_eac2_ecdh_aes128.json").read_text())["chip_authentication"]
    static = ChipAuthKey(EcKey.of("brainpoolP256r1", int(data["chip_private_key"], 16)), Cipher.AES128, version=2)
    assert static.protocol == data["protocol_oid"]
    nonce = bytes.fromhex(data["nonce_r_picc"])
    outcome = chip_side.agree(static, bytes.fromhex(data["terminal_ephemeral_public_key"]), lambda size: nonce)
    assert outcome.answer.hex() == "7c148108" + data["nonce_r_picc"] + "8208" + data["token_t_picc"]


@needs_shared
def test_published_set_with_its_private_keys() -> None:
    folder = shared("vectors/lds/bsi_tr03105_5")
    names = {"com": FileId.COM, "sod": FileId.SOD, **{f"dg{n}": FileId.data_group(n) for n in (1, 2, 3, 4, 14, 15)}}
    files = {file: (folder / f"{name}.bin").read_bytes() for name, file in names.items()}
    card = from_files(
        files,
        aa_key=(folder / "dg15_private_key.der").read_bytes(),
        ca_keys=[(folder / "dg14_private_key.der").read_bytes()],
    )
    terminal = Terminal(card).bac()
    assert terminal.read(2) == files[FileId.DG2]
    assert card.image.active_auth is not None
    evidence = run_active_auth(terminal, DG15.parse(files[FileId.DG15]).public_key, rng=terminal.rng)
    assert evidence.verified
    assert chip_auth(terminal).proven
    with pytest.raises(IdVerifyError):
        from_files({FileId.DG2: b""})
    assert replace(card.image, can="1").can == "1"
