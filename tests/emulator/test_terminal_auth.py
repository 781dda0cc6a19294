"""Terminal authentication: published certificates and signature, then a whole run through secure messaging."""

from __future__ import annotations

import hashlib
import json
from datetime import date

import pytest

from idverify._tlv import encode as tlv
from idverify.chip.iso7816.apdu import CommandAPDU
from idverify.chip.lds.files import FileId
from idverify.emulator import Card, TerminalTrust, TestCvPki, personalise
from idverify.emulator._apdu import Refusal
from idverify.emulator.terminal_auth import (
    ROLE_DV_DOMESTIC,
    ROLE_TERMINAL,
    CvCertificate,
    TerminalSession,
    TrustPoints,
)
from tests.emulator.terminal import Terminal
from tests.emulator.test_proofs import chip_auth
from tests.shared import needs_shared, shared


def inside(certificate: bytes) -> bytes:
    """What PSO: Verify Certificate takes: the certificate without its outermost tag."""
    size = 2 if certificate[2] < 0x80 else 2 + 1 + (certificate[2] & 0x7F)
    return certificate[max(size, 3) :]


@needs_shared
@pytest.mark.parametrize(
    ("folder", "terminal"), [("npa_ecdh", "terminal"), ("npa_dh", "terminal"), ("nl_test_orig", "is")]
)
def test_published_chains_verify(folder: str, terminal: str) -> None:
    read = {name: shared(f"vectors/cvc/{folder}/{name}.cvcert").read_bytes() for name in ("cvca", "dv", terminal)}
    points = TrustPoints(TerminalTrust((read["cvca"],), date(2008, 1, 1)))
    session = TerminalSession(points)
    session.set_issuer(tlv(0x83, points.references[0].encode()))
    session.verify_certificate(inside(read["dv"]))
    dv = CvCertificate.parse(inside(read["dv"]), CvCertificate.parse_whole(read["cvca"]).key)
    session.set_issuer(tlv(0x83, dv.holder.encode()))
    session.verify_certificate(inside(read[terminal]))
    for bit in range(0, 8 * len(read["dv"]) - 80, 97):
        broken = bytearray(inside(read["dv"]))
        broken[bit // 8] ^= 0x80 >> bit % 8
        session.set_issuer(tlv(0x83, points.references[0].encode()))
        with pytest.raises(Refusal):
            session.verify_certificate(bytes(broken))


@needs_shared
def test_link_certificate_of_the_dutch_test_set() -> None:
    old, new = (shared(f"vectors/cvc/{name}/cvca.cvcert").read_bytes() for name in ("nl_test_orig", "nl_test_new"))
    points = TrustPoints(TerminalTrust((old,), date(2008, 1, 1)))
    session = TerminalSession(points)
    session.set_issuer(tlv(0x83, b"NLCVCAA00001"))
    session.verify_certificate(inside(new))
    assert points.references == ("NLCVCAA00002", "NLCVCAA00001")
    assert points.today == date(2008, 11, 22)
    session.set_issuer(tlv(0x83, b"NLCVCAA00002"))
    session.verify_certificate(inside(shared("vectors/cvc/nl_test_new/dv.cvcert").read_bytes()))


@needs_shared
@pytest.mark.parametrize("kind", ["ecdh", "dh"])
def test_signature_of_the_bsi_example(kind: str) -> None:
    data = json.loads(shared(f"vectors/eac/bsi_eac2_{kind}_aes128.json").read_text())["terminal_authentication"]
    chain = [bytes.fromhex(data[f"{name}_certificate"]) for name in ("cvca", "dv", "terminal")]
    points = TrustPoints(TerminalTrust((chain[0],), date(2010, 3, 24)))
    session = TerminalSession(points)
    holder = points.references[0]
    for certificate in chain[1:]:
        session.set_issuer(tlv(0x83, holder.encode()))
        session.verify_certificate(inside(certificate))
        found = certificate.index(b"\x5f\x20")
        holder = certificate[found + 3 : found + 3 + certificate[found + 2]].decode()
    key = bytes.fromhex(data["compressed_ephemeral_public_key_pcd"])
    session.set_terminal(tlv(0x83, holder.encode()) + tlv(0x91, key))
    arguments = {
        "chip_name": bytes.fromhex(data["id_picc"]),
        "challenge": bytes.fromhex(data["nonce_r_picc"]),
        "terminal_key": key,
    }
    with pytest.raises(Refusal):
        session.authenticate(bytes.fromhex(data["signature_s_pcd"])[:-1] + b"\0", **arguments)
    session.authenticate(bytes.fromhex(data["signature_s_pcd"]), **arguments)
    assert session.rights == 0  # an authentication terminal has no right to an inspection system's groups


def present(terminal: Terminal, pki: TestCvPki, chain: tuple[bytes, ...] | None = None) -> list[int]:
    """Send the chain; the status words of every PSO."""
    issuer, out = pki.cvca.holder, []
    for certificate in chain or pki.chain:
        terminal.send(CommandAPDU(0, 0x22, 0x81, 0xB6, tlv(0x83, issuer.encode())))
        out.append(terminal.send(CommandAPDU(0, 0x2A, 0, 0xBE, inside(certificate))).sw)
        found = certificate.index(b"\x5f\x20")
        issuer = certificate[found + 3 : found + 3 + certificate[found + 2]].decode()
    return out


def authenticate(terminal: Terminal, pki: TestCvPki, chip_name: bytes, key: bytes) -> int:
    terminal.send(CommandAPDU(0, 0x22, 0x81, 0xA4, tlv(0x83, pki.terminal.holder.encode())))
    challenge = terminal.send(CommandAPDU(0, 0x84, 0, 0, le=8)).data
    return terminal.send(CommandAPDU(0, 0x82, 0, 0, pki.terminal.sign(chip_name + challenge + key))).sw


@pytest.mark.parametrize(
    ("kind", "hash_name"), [("brainpoolP256r1", "sha256"), ("secp384r1", "sha384"), ("rsa-2048", "sha256")]
)
@pytest.mark.parametrize("rights", [0, 1, 2, 3])
def test_a_whole_run_after_bac(kind: str, hash_name: str, rights: int) -> None:
    pki = TestCvPki(7, kind=kind, hash_name=hash_name, rights=rights)
    card = personalise("passport-eac-bac", seed=7, cv_pki=pki)
    terminal = Terminal(card).bac()
    assert terminal.read(0x1C) == pki.ef_cvca()
    assert terminal.send(CommandAPDU(0, 0xB0, 0x83, 0, le=4)).sw == 0x6982
    result = chip_auth(terminal)
    terminal.messaging = result.secure_messaging
    assert present(terminal, pki) == [0x9000, 0x9000]
    name = card.image.mrz_information[:10].encode()
    assert authenticate(terminal, pki, name, result.terminal_key_compressed) == 0x9000
    assert terminal.read(3) == (card.files[FileId.DG3] if rights & 1 else b"")
    assert terminal.read(4) == (card.files[FileId.DG4] if rights & 2 else b"")


def test_the_wrong_signature_and_the_wrong_order() -> None:
    pki = TestCvPki(8)
    card = personalise("passport-eac-bac", seed=8, cv_pki=pki)
    early = Terminal(card.fresh()).bac()
    assert present(early, pki) == [0x9000, 0x9000]
    name = card.image.mrz_information[:10].encode()
    assert authenticate(early, pki, name, b"") == 0x6985  # chip authentication comes first
    terminal = Terminal(card.fresh()).bac()
    result = chip_auth(terminal)
    terminal.messaging = result.secure_messaging
    assert authenticate(terminal, pki, name, result.terminal_key_compressed) == 0x6985
    present(terminal, pki)
    assert authenticate(terminal, pki, name[:-1], result.terminal_key_compressed) == 0x6300
    assert terminal.send(CommandAPDU(0, 0xB0, 0x83, 0, le=4)).sw == 0x6982
    no_challenge = terminal.send(CommandAPDU(0, 0x82, 0, 0, pki.terminal.sign(b"")))
    assert no_challenge.sw == 0x6985


def test_chains_that_a_chip_refuses() -> None:
    pki, other = TestCvPki(9), TestCvPki(10)
    card = personalise("passport-eac-bac", seed=9, cv_pki=pki)

    def run(*chain: bytes) -> list[int]:
        return present(Terminal(card.fresh()).bac(), pki, chain)

    expired = pki.issue("DV", 3, pki.cvca, ROLE_DV_DOMESTIC | 3, effective=date(2020, 1, 1), expires=date(2021, 1, 1))
    direct = pki.issue("IS", 4, pki.cvca, ROLE_TERMINAL | 3)
    under_terminal = pki.issue("IS", 5, pki.terminal, ROLE_TERMINAL | 3)
    assert run(other.dv.der) == [0x6300]
    assert run(expired.der) == [0x6300]
    assert run(direct.der) == [0x6300]
    assert run(pki.dv.der, pki.terminal.der, under_terminal.der) == [0x9000, 0x9000, 0x6300]
    assert run(pki.link().der) == [0x9000]
    terminal = Terminal(card.fresh()).bac()
    assert terminal.send(CommandAPDU(0, 0x22, 0x81, 0xB6, tlv(0x83, b"XXTEST00001"))).sw == 0x6A88
    assert terminal.send(CommandAPDU(0, 0x2A, 0, 0xBE, inside(pki.dv.der))).sw == 0x6985
    assert terminal.send(CommandAPDU(0, 0x22, 0x81, 0xB6, b"\x83")).sw == 0x6A80


def test_date_moves_with_accurate_certificates_only() -> None:
    pki = TestCvPki(11)
    late = date(2030, 6, 1)
    foreign = pki.foreign_dv()
    from_foreign = pki.issue("IS", 6, foreign, ROLE_TERMINAL | 1, effective=late)
    points = TrustPoints(TerminalTrust((pki.cvca.der,), date(2022, 1, 1)))
    session = TerminalSession(points)
    for issuer, certificate in ((pki.cvca, foreign), (foreign, from_foreign)):
        session.set_issuer(tlv(0x83, issuer.holder.encode()))
        session.verify_certificate(inside(certificate.der))
    assert points.today == date(2022, 1, 1)
    session.set_issuer(tlv(0x83, pki.cvca.holder.encode()))
    session.verify_certificate(inside(pki.dv.der))
    assert points.today == date(2024, 1, 1)


def test_trust_points_outlive_a_reset() -> None:
    pki = TestCvPki(12)
    card = personalise("passport-eac-bac", seed=12, cv_pki=pki)
    assert present(Terminal(card).bac(), pki, (pki.link().der,)) == [0x9000]
    card.reset()
    terminal = Terminal(card).bac()
    assert terminal.send(CommandAPDU(0, 0x22, 0x81, 0xB6, tlv(0x83, pki.link().holder.encode()))).sw == 0x9000


def test_version_2_before_chip_authentication() -> None:
    pki = TestCvPki(13)
    card = personalise("eid-eac2", seed=13, cv_pki=pki)
    terminal = Terminal(card).pace()
    present(terminal, pki)
    static = card.image.chip_auth[0]
    secret = 4711
    ephemeral = static.group.public(secret)
    compressed = static.group.compress(ephemeral)
    chosen = tlv(0x80, bytes.fromhex("04007f000702020202" + "03")) + tlv(0x83, pki.terminal.holder.encode())
    assert terminal.send(CommandAPDU(0, 0x22, 0x81, 0xA4, chosen + tlv(0x91, compressed))).sw == 0x9000
    oid = tlv(0x80, bytes.fromhex("04007f00070202030202"))
    terminal.send(CommandAPDU(0, 0x22, 0x41, 0xA4, oid))
    early = terminal.send(CommandAPDU(0, 0x86, 0, 0, tlv(0x7C, tlv(0x80, ephemeral)), le=256))
    assert early.sw == 0x6985  # the terminal is not authenticated yet
    challenge = terminal.send(CommandAPDU(0, 0x84, 0, 0, le=8)).data
    name = card._os._chip_name
    assert len(name) == 32
    signature = pki.terminal.sign(name + challenge + compressed)
    assert terminal.send(CommandAPDU(0, 0x82, 0, 0, signature)).sw == 0x9000
    terminal.send(CommandAPDU(0, 0x22, 0x41, 0xA4, oid))
    other = terminal.send(CommandAPDU(0, 0x86, 0, 0, tlv(0x7C, tlv(0x80, static.group.public(4712))), le=256))
    assert other.sw == 0x6300  # another key than the one that was announced
    terminal.send(CommandAPDU(0, 0x22, 0x41, 0xA4, oid))
    done = terminal.send(CommandAPDU(0, 0x86, 0, 0, tlv(0x7C, tlv(0x80, ephemeral)), le=256))
    assert done.sw == 0x9000
    assert done.data[:4].hex() == "7c148108"
    shared_secret = static.group.agree(secret, static.key.public_bytes)
    k_mac = hashlib.sha1(shared_secret + done.data[4:12] + b"\0\0\0\x02").digest()[:16]
    from idverify.crypto.block import Cipher, mac
    from idverify.emulator.groups import public_key_object

    token = mac(Cipher.AES128, k_mac, public_key_object(static.protocol, static.group, ephemeral))
    assert done.data[-8:] == token


def test_references_come_with_pace_when_asked_for() -> None:
    pki = TestCvPki(14)
    card = personalise("passport-eac", seed=14, cv_pki=pki)
    run = Card(card.image)
    chat = bytes.fromhex("7f4c0e060904007f00070301020153013f")
    run.process(
        bytes.fromhex("0022c1a4") + bytes([15 + len(chat)]) + bytes.fromhex("800a04007f00070202040202830102") + chat
    )
    assert run._os._pace_run is not None
    assert run._os._pace_run._references == (pki.cvca.holder,)
