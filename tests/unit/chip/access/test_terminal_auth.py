"""Terminal authentication and chip authentication 2: the published examples, then what a chip may refuse."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from tests.unit.chip.access.scripted import ScriptedCard, feed
from tests.vectors import load

from idverify._secret import Secret
from idverify.chip.access.chip_auth import chip_auth_choices, chip_auth_plans, run_chip_auth_2, verify_chip_token
from idverify.chip.access.pace import run_pace
from idverify.chip.access.password import AccessPassword
from idverify.chip.access.terminal_auth import (
    TerminalCredentials,
    document_number_of,
    run_terminal_auth,
    verify_terminal_auth,
)
from idverify.chip.access.terminal_key import InMemoryTerminalKey, RemoteTerminalKey
from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU
from idverify.chip.lds.security_infos import SecurityInfos
from idverify.chip.pki.cms import SignedData
from idverify.chip.pki.cvc import CvCertificate, CvChain
from idverify.emulator.cv_pki import TestCvPki
from idverify.errors import (
    AccessDeniedError,
    ConfigurationError,
    ProtocolError,
    SecureMessagingError,
    StatusWordError,
    TerminalKeyError,
    TerminalRefusedError,
)

KINDS = ["ecdh", "dh"]
PKI = TestCvPki("terminal authentication")
CREDENTIALS = TerminalCredentials.load(
    (PKI.terminal.der, PKI.dv.der, PKI.cvca.der), RemoteTerminalKey(lambda m, a: PKI.terminal.sign(m))
)
AT = date(2026, 1, 1)


def example(kind: str) -> dict[str, Any]:
    loaded: dict[str, Any] = load(f"eac2_{kind}")
    return loaded


def do(tag: str, value: str) -> str:
    """A data object as hexadecimal text, written out by hand."""
    size = len(value) // 2
    length = f"{size:02x}" if size < 128 else f"81{size:02x}" if size < 256 else f"82{size:04x}"
    return tag + length + value


def apdu(header: str, data: str, le: str = "") -> str:
    size = len(data) // 2
    if size < 256 and len(le) <= 2:
        return header + f"{size:02x}" + data + le
    return header + f"00{size:04x}" + data + ("0000" if le else "")


def step(tag: str, value: str, *, last: bool = False, le: str = "00") -> str:
    return apdu("00860000" if last else "10860000", do("7c", do(tag, value) if tag else ""), le)


def answer(*objects: tuple[str, str]) -> str:
    return do("7c", "".join(do(t, v) for t, v in objects)) + "9000"


def oid(dotted: str) -> str:
    arcs = [int(a) for a in dotted.split(".")]
    return bytes([arcs[0] * 40 + arcs[1], *arcs[2:]]).hex()


@pytest.mark.parametrize("kind", KINDS)
def test_pace_of_the_published_example(kind: str) -> None:
    """PACE with the PIN, and the first protected command: MSE:Set DST with the reference of the CVCA."""
    published = example(kind)
    pace = published["pace"]
    agreed = pace["key_agreement"]
    order = int(pace["domain_parameters"]["q"], 16) if kind == "dh" else 1 << 256
    secrets = [
        (int(secret, 16) % order).to_bytes((order - 1).bit_length() // 8, "big").hex()
        for secret in (pace["map_nonce"]["terminal_private_key"], agreed["terminal_ephemeral_private_key"])
    ]
    card = ScriptedCard(
        [
            (apdu("0022c1a4", do("80", oid(pace["protocol_oid"])) + "830103"), "9000"),
            (step("", ""), answer(("80", pace["encrypted_nonce_z"]))),
            (
                step("81", pace["map_nonce"]["terminal_public_key"]),
                answer(("82", pace["map_nonce"]["chip_public_key"])),
            ),
            (step("83", agreed["terminal_ephemeral_public_key"]), answer(("84", agreed["chip_ephemeral_public_key"]))),
            (
                step("85", pace["mutual_authentication"]["token_terminal"], last=True),
                answer(("86", pace["mutual_authentication"]["token_chip"]), ("87", b"DETESTCVCA00003".hex())),
            ),
        ]
    )
    infos = SecurityInfos.parse_card_access(bytes.fromhex(published["ef_cardaccess"]))
    result = run_pace(
        card,
        infos.pace[0],
        AccessPassword.pin(pace["password"]["value"]),
        rng=feed(*secrets),
        offered=infos,
    )
    assert not card.script
    assert result.chip_identifier.hex() == published["terminal_authentication"]["id_picc"]
    assert result.authority_references == (b"DETESTCVCA00003",)
    encryption, mac = pace["secure_messaging_samples"]
    command = CommandAPDU(0, 0x22, 0x81, 0xB6, data=bytes.fromhex(encryption["plaintext"]))
    protected = result.secure_messaging.protect(command)
    assert protected.data.hex().startswith(do("87", "01" + encryption["ciphertext"]))
    response = bytes.fromhex(mac["authenticated_data"] + do("8e", mac["mac"]))
    assert result.secure_messaging.unprotect(ResponseAPDU(response, 0x9000)).ok


def credentials_of(published: dict[str, Any]) -> TerminalCredentials:
    chain = [bytes.fromhex(published[f"{n}_certificate"]) for n in ("cvca", "dv", "terminal")]
    key = InMemoryTerminalKey.from_der(bytes.fromhex(published["terminal_private_key_pkcs8"]))
    return TerminalCredentials.load(chain, key)


def inside(certificate: str) -> str:
    assert certificate[:6] == "7f2182"
    return certificate[10:]


@pytest.mark.parametrize("kind", KINDS)
def test_terminal_authentication_2_of_the_published_example(kind: str) -> None:
    published = example(kind)["terminal_authentication"]
    credentials = credentials_of(published)
    terminal, dv = credentials.certificate, credentials.issuers[1]
    anchor = dv.authority_reference
    chain = credentials.chain([anchor])
    assert isinstance(chain, CvChain)
    assert chain.certificates == (dv, terminal)
    assert terminal.public_key.oid == published["signature_oid"]
    key = published["compressed_ephemeral_public_key_pcd"]
    final = None if kind == "ecdh" else apdu("00820000", published["signature_s_pcd"])  # ECDSA is not reproducible
    script: list[tuple[str | None, str]] = [
        (apdu("002281b6", do("83", anchor.encode().hex())), "9000"),
        (apdu("002a00be", inside(published["dv_certificate"])), "9000"),
        (apdu("002281b6", do("83", dv.holder_reference.encode().hex())), "9000"),
        (apdu("002a00be", inside(published["terminal_certificate"])), "9000"),
        (
            apdu(
                "002281a4",
                do("80", oid(published["signature_oid"]))
                + do("83", terminal.holder_reference.encode().hex())
                + do("91", key),
            ),
            "9000",
        ),
        ("0084000008", published["nonce_r_picc"] + "9000"),
        (final, "9000"),
    ]
    card = ScriptedCard(script)
    evidence = run_terminal_auth(
        card,
        credentials,
        chain,
        version=2,
        chip_identifier=bytes.fromhex(published["id_picc"]),
        terminal_key_compressed=bytes.fromhex(key),
        auxiliary=bytes.fromhex(published["auxiliary_data"]),
    )
    assert not card.script
    assert evidence.message.hex() == published["signed_data"]
    root = credentials.issuers[0]
    day = terminal.effective
    assert verify_terminal_auth(evidence, [root], day)
    assert verify_terminal_auth(replace(evidence, signature=bytes.fromhex(published["signature_s_pcd"])), [root], day)
    assert published["id_picc"] not in repr(evidence)


@pytest.mark.parametrize("kind", KINDS)
def test_chip_authentication_2_of_the_published_example(kind: str) -> None:
    whole = example(kind)
    published = whole["chip_authentication"]
    access = SecurityInfos.parse_card_access(bytes.fromhex(whole["ef_cardaccess"]))
    (plan,) = chip_auth_plans(access)
    assert plan.protocol == published["protocol_oid"]
    security = SignedData.parse(bytes.fromhex(whole["ef_cardsecurity"]), what="EF.CardSecurity").content
    (choice,) = chip_auth_choices(SecurityInfos.parse(security), version=2)
    assert choice.protocol == plan.protocol
    assert chip_auth_choices(SecurityInfos.parse(security)) == ()  # nothing for version 1
    key = plan.domain.key(int(published["terminal_ephemeral_private_key"], 16))
    assert key.public.hex() == published["terminal_ephemeral_public_key"]
    assert (
        plan.domain.compress(key.public).hex()
        == whole["terminal_authentication"]["compressed_ephemeral_public_key_pcd"]
    )
    reference = "" if choice.key_id is None else do("84", f"{choice.key_id:02x}")

    def card(token: str) -> ScriptedCard:
        return ScriptedCard(
            [
                (apdu("002241a4", do("80", oid(plan.protocol)) + reference), "9000"),
                (
                    step("80", key.public.hex(), last=True),
                    answer(("81", published["nonce_r_picc"]), ("82", token)),
                ),
            ]
        )

    result = run_chip_auth_2(card(published["token_t_picc"]), choice, key)
    assert result.proven
    assert result.secure_messaging.alive
    assert verify_chip_token(choice.public_key, result.evidence)
    assert not verify_chip_token(choice.public_key + b"\0", result.evidence)
    assert not verify_chip_token(choice.public_key, replace(result.evidence, nonce=bytes(8)))
    assert not verify_chip_token(choice.public_key, replace(result.evidence, terminal_secret=Secret(0)))
    for bit in range(64):
        token = (int(published["token_t_picc"], 16) ^ 1 << bit).to_bytes(8, "big").hex()
        wrong = run_chip_auth_2(card(token), choice, key)
        assert not wrong.proven
        assert not verify_chip_token(choice.public_key, replace(wrong.evidence, verified=True))
        with pytest.raises(SecureMessagingError):
            wrong.secure_messaging.protect(CommandAPDU(0, 0xB0, 0, 0, le=1))
    script = card(published["token_t_picc"])
    script.script[1] = (script.script[1][0], "7c009000")
    with pytest.raises(ProtocolError):
        run_chip_auth_2(script, choice, key)
    script = card(published["token_t_picc"])
    script.script[1] = (script.script[1][0], "6982")
    with pytest.raises(AccessDeniedError):
        run_chip_auth_2(script, choice, key)


# ---- what a chip may refuse -----------------------------------------------------------------------------------------


class Chip:
    """Accepts everything but one command."""

    def __init__(self, refuse: tuple[int, int, int] | None = None, challenge: bytes = b"challeng") -> None:
        self.refuse = refuse
        self.challenge = challenge
        self.sent: list[CommandAPDU] = []

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        self.sent.append(command)
        if self.refuse is not None and (command.ins, command.p2) == self.refuse[:2]:
            return ResponseAPDU(b"", self.refuse[2])
        return ResponseAPDU(self.challenge if command.ins == 0x84 else b"", 0x9000)


def run(chip: Chip, credentials: TerminalCredentials = CREDENTIALS, **more: Any) -> Any:
    chain = credentials.chain([PKI.cvca.holder], AT)
    assert isinstance(chain, CvChain)
    arguments = {"version": 1, "chip_identifier": b"T220001293", "terminal_key_compressed": b"\1" * 32, **more}
    return run_terminal_auth(chip, credentials, chain, **arguments)


def test_version_1_names_the_certificate_only() -> None:
    chip = Chip()
    evidence = run(chip)
    assert [(c.ins, c.p2) for c in chip.sent] == [
        (0x22, 0xB6),
        (0x2A, 0xBE),
        (0x22, 0xB6),
        (0x2A, 0xBE),
        (0x22, 0xA4),
        (0x84, 0),
        (0x82, 0),
    ]
    assert chip.sent[4].data.hex() == do("83", PKI.terminal.holder.encode().hex())
    assert evidence.message == b"T220001293" + b"challeng" + b"\1" * 32
    roots = [CvCertificate.parse(PKI.cvca.der)]
    assert verify_terminal_auth(evidence, roots, AT)
    assert not verify_terminal_auth(evidence, [], AT)
    assert not verify_terminal_auth(evidence, roots, date(2060, 1, 1))
    assert not verify_terminal_auth(replace(evidence, challenge=bytes(8)), roots, AT)
    assert not verify_terminal_auth(replace(evidence, certificates=()), roots, AT)
    assert not verify_terminal_auth(replace(evidence, certificates=(b"\0",)), roots, AT)
    assert not verify_terminal_auth(replace(evidence, certificates=(PKI.dv.der,)), roots, AT)
    assert b"T220001293".hex() not in repr(evidence)
    assert "T220001293" not in repr(evidence)


@pytest.mark.parametrize(
    ("refuse", "step", "holder"),
    [
        ((0x22, 0xB6, 0x6A88), "issuer", PKI.dv.holder),
        ((0x2A, 0xBE, 0x6300), "certificate", PKI.dv.holder),
        ((0x2A, 0xBE, 0x6A88), "issuer", PKI.dv.holder),
        ((0x22, 0xA4, 0x6A88), "terminal", PKI.terminal.holder),
        ((0x82, 0x00, 0x6300), "proof", PKI.terminal.holder),
    ],
)
def test_refusals_say_which_step_and_which_certificate(refuse: tuple[int, int, int], step: str, holder: str) -> None:
    with pytest.raises(TerminalRefusedError) as caught:
        run(Chip(refuse))
    assert (caught.value.step, caught.value.holder, caught.value.sw) == (step, holder, refuse[2])
    assert isinstance(caught.value.__cause__, StatusWordError)
    assert f"{refuse[2]:04X}" in str(caught.value)


def test_challenges_that_are_none() -> None:
    with pytest.raises(StatusWordError):
        run(Chip((0x84, 0, 0x6985)))
    with pytest.raises(ProtocolError):
        run(Chip(challenge=b"short"))


def test_a_key_that_is_not_the_certificate_s_is_not_shown_to_the_chip() -> None:
    chip = Chip()
    wrong = replace(CREDENTIALS, key=RemoteTerminalKey(lambda m, a: PKI.dv.sign(m)))
    with pytest.raises(TerminalKeyError, match="belong"):
        run(chip, wrong)
    assert chip.sent[-1].ins == 0x84


def test_arguments_that_do_not_go_together() -> None:
    for more in ({"version": 3}, {"auxiliary": b"\x67\x00"}):
        with pytest.raises(ConfigurationError):
            run(Chip(), **more)
    chain = CREDENTIALS.chain([PKI.cvca.holder])
    assert isinstance(chain, CvChain)
    with pytest.raises(ConfigurationError):
        run_terminal_auth(
            Chip(),
            CREDENTIALS,
            replace(chain, certificates=chain.certificates[:1]),
            version=1,
            chip_identifier=b"",
            terminal_key_compressed=b"",
        )
    for certificates in ((PKI.dv.der,), (PKI.terminal.der, PKI.terminal.der), [PKI.dv.der] * 65):
        with pytest.raises(ConfigurationError):
            TerminalCredentials.load(certificates, CREDENTIALS.key)


def test_the_chip_s_name_after_bac() -> None:
    assert document_number_of(AccessPassword.mrz("T22000129", "640812", "101031")) == b"T220001293"
    assert document_number_of(AccessPassword.mrz("D2314589", "640812", "101031"))[:9] == b"D2314589<"
    with pytest.raises(ConfigurationError):
        document_number_of(AccessPassword.can("123456"))


def test_auxiliary_data_are_announced_and_signed() -> None:
    chip = Chip()
    auxiliary = bytes.fromhex("670473020600")
    evidence = run(chip, version=2, auxiliary=auxiliary, chip_identifier=os.urandom(32))
    assert auxiliary in chip.sent[4].data
    assert evidence.message.endswith(auxiliary)
