"""Private keys of terminals: the published ones, every curve, RSA, remote signers."""

from __future__ import annotations

import json
from random import Random

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec as pyca_ec
from tests.shared import shared

from idverify import Secret
from idverify.chip.access.terminal_key import InMemoryTerminalKey, RemoteTerminalKey
from idverify.chip.pki.cvc import CvCertificate
from idverify.crypto import curves
from idverify.crypto import signature as sig
from idverify.crypto.ec import PrivateScalar
from idverify.crypto.signature import PublicKey, Scheme, SignatureAlgorithm
from idverify.emulator.keys import make_key
from idverify.errors import ConfigurationError, TerminalKeyError

PLAIN = SignatureAlgorithm(Scheme.ECDSA_PLAIN, "sha256")
PSS = SignatureAlgorithm(Scheme.RSA_PSS, "sha256", "sha256", 32)


def test_every_shared_key_signs_for_its_certificate() -> None:
    """PKCS #8 and SEC 1, named and explicit curves, RSA; brainpoolP224r1 and secp192r1, which few libraries have."""
    entries = [e for e in json.loads(shared("vectors/cvc/index.json").read_text()) if "private_key" in e]
    assert {e["private_key_format"] for e in entries} == {"pkcs8", "sec1"}
    for entry in entries:
        certificate = CvCertificate.parse(shared("vectors/" + entry["file"]).read_bytes())
        key = InMemoryTerminalKey.from_der(shared("vectors/" + entry["private_key"]).read_bytes())
        folder = shared("vectors/" + entry["file"]).parent
        curve = CvCertificate.parse((folder / "cvca.cvcert").read_bytes()).public_key.curve
        algorithm = certificate.public_key.algorithm
        signature = key.sign(b"message", algorithm)
        public = certificate.public_key.resolve(curve)
        assert sig.verify(public, algorithm, signature, b"message"), entry["file"]
        assert not sig.verify(public, algorithm, signature, b"massage")


@pytest.mark.parametrize("curve", curves.CURVES, ids=lambda c: c.name)
def test_every_curve(curve: curves.Curve) -> None:
    scalar = PrivateScalar(curve, curve.n // 3)
    key = InMemoryTerminalKey(scalar)
    point = scalar.public_point()
    public = PublicKey.ec(curve, point.x, point.y)
    for name in ("sha1", "sha256", "sha512"):
        algorithm = SignatureAlgorithm(Scheme.ECDSA_PLAIN, name)
        signature = key.sign(b"abc", algorithm)
        assert len(signature) == 2 * curve.order_bytes
        assert sig.verify(public, algorithm, signature, b"abc")
    assert str(curve.n // 3) not in repr(key)


@pytest.mark.parametrize("scheme", [Scheme.RSA_PSS, Scheme.RSA_PKCS1])
def test_rsa(scheme: Scheme) -> None:
    numbers = make_key("rsa-2048", "terminal key")._pyca()  # type: ignore[union-attr]
    der = numbers.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    key = InMemoryTerminalKey.from_der(der)
    algorithm = SignatureAlgorithm(scheme, "sha256", *(("sha256", 32) if scheme is Scheme.RSA_PSS else ()))
    public = PublicKey.rsa(numbers.private_numbers().public_numbers.n, numbers.private_numbers().public_numbers.e)
    signature = key.sign(b"abc", algorithm)
    assert sig.verify(public, algorithm, signature, b"abc")
    with pytest.raises(TerminalKeyError, match="ecdsa"):
        key.sign(b"abc", PLAIN)


def test_other_keys_are_refused() -> None:
    ed25519 = bytes.fromhex("302e020100300506032b657004220420" + "11" * 32)
    for bad in (b"", b"\x30\x00", bytes(20000), ed25519, b"\x30\x03\x02\x01\x01"):
        with pytest.raises(ConfigurationError):
            InMemoryTerminalKey.from_der(bad)
    with pytest.raises(TerminalKeyError):
        InMemoryTerminalKey(PrivateScalar(curves.by_name("secp256r1"), 7)).sign(b"", PSS)
    koblitz = pyca_ec.generate_private_key(pyca_ec.SECP256K1()).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ConfigurationError):
        InMemoryTerminalKey.from_der(koblitz)


def test_a_remote_signer() -> None:
    asked = []

    def signer(message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        asked.append((message, algorithm.hash))
        return b"signature"

    assert RemoteTerminalKey(signer).sign(b"abc", PLAIN) == b"signature"
    assert asked == [(b"abc", "sha256")]

    def down(message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        raise OSError("secret.internal.example is down")

    with pytest.raises(TerminalKeyError) as caught:
        RemoteTerminalKey(down).sign(b"abc", PLAIN)
    assert "internal" not in str(caught.value)
    for answer in (b"", bytes(5000)):
        with pytest.raises(TerminalKeyError):
            RemoteTerminalKey(lambda m, a, answer=answer: answer).sign(b"abc", PLAIN)


def key_files() -> dict[str, bytes]:
    """One key in every container that openssl writes."""
    key = pyca_ec.generate_private_key(pyca_ec.BrainpoolP256R1())
    pkcs8, sec1 = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
    pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
    bare, locked = serialization.NoEncryption(), serialization.BestAvailableEncryption(b"passphrase")
    return {
        "pkcs8.pem": key.private_bytes(pem, pkcs8, bare), "pkcs8.der": key.private_bytes(der, pkcs8, bare),
        "sec1.pem": key.private_bytes(pem, sec1, bare), "sec1.der": key.private_bytes(der, sec1, bare),
        "locked.pem": key.private_bytes(pem, pkcs8, locked), "locked.der": key.private_bytes(der, pkcs8, locked),
        "locked-sec1.pem": key.private_bytes(pem, sec1, locked),
    }  # fmt: skip


def test_every_container_holds_the_same_key() -> None:
    files = key_files()
    curve = curves.by_name("brainpoolP256r1")
    numbers = serialization.load_der_private_key(files["pkcs8.der"], None).public_key().public_numbers()  # type: ignore[union-attr]
    public = PublicKey.ec(curve, numbers.x, numbers.y)  # type: ignore[union-attr]
    for name, data in files.items():
        key = InMemoryTerminalKey.load(data, Secret("passphrase"))
        assert key.curve == curve
        assert sig.verify(public, PLAIN, key.sign(b"abc", PLAIN), b"abc"), name
        around = b"Bag Attributes\n" + data + b"\n-----BEGIN CERTIFICATE-----\nAA==\n" if name.endswith("pem") else data
        assert sig.verify(public, PLAIN, InMemoryTerminalKey.load(around, Secret("passphrase")).sign(b"", PLAIN), b"")
        if name.startswith("locked"):
            for wrong in (None, Secret("other"), Secret("")):
                with pytest.raises(ConfigurationError, match="passphrase") as caught:
                    InMemoryTerminalKey.load(data, wrong)
                assert "other" not in str(caught.value).split()


def test_damaged_key_files_are_refused_cleanly() -> None:
    random, files = Random(7), list(key_files().values())
    refused = 0
    for _ in range(600):
        data = bytearray(random.choice(files))
        for _ in range(random.randint(1, 4)):
            at = random.randrange(len(data))
            data[at : at + random.choice((0, 1, 1, 9))] = random.randbytes(random.choice((0, 1, 1, 4)))
        try:
            InMemoryTerminalKey.load(bytes(data), Secret("passphrase"))
        except ConfigurationError:
            refused += 1
    assert refused > 400
    with pytest.raises(ConfigurationError, match="beyond the cap"):
        InMemoryTerminalKey.load(bytes(20000))
