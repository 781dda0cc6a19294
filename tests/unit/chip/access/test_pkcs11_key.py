"""Terminal keys in SoftHSM2, a real PKCS #11 module: every algorithm, and a passport read with one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from idverify import Secret
from idverify.chip.access.password import AccessPassword
from idverify.chip.access.pkcs11_key import Pkcs11TerminalKey
from idverify.chip.access.terminal_auth import TerminalCredentials
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds import _der
from idverify.chip.lds.files import FileId
from idverify.chip.session import DocumentSession
from idverify.chip.transport.memory import MemoryTransport
from idverify.crypto import signature as sig
from idverify.crypto.signature import PublicKey, Scheme, SignatureAlgorithm
from idverify.emulator import TestCvPki, personalise
from idverify.emulator.keys import EcKey, RsaKey
from idverify.errors import ConfigurationError, TerminalKeyError

pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 (the extra pkcs11) is not installed")
MODULES = [*Path("/usr/lib").glob("softhsm/libsofthsm2.so"), *Path("/usr/lib").glob("*/softhsm/libsofthsm2.so")]
pytestmark = pytest.mark.skipif(
    not MODULES or shutil.which("softhsm2-util") is None, reason="SoftHSM2 (Debian: softhsm2) is not installed"
)
TOKEN, PIN = "inspection", Secret("4711")
AUTHORITIES = {
    kind: TestCvPki("pkcs11", kind=kind, hash_name=name)
    for kind, name in (("secp256r1", "sha256"), ("brainpoolP384r1", "sha384"), ("rsa-2048", "sha256"))
}


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A token with the keys of every authority's terminal."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--so-pin", "1234", "--pin", PIN.reveal()],
            check=True,
            capture_output=True,
        )
        library = pkcs11.lib(str(MODULES[0]))
        library.reinitialize()
        with library.get_token(token_label=TOKEN).open(user_pin=PIN.reveal(), rw=True) as session:
            for kind, pki in AUTHORITIES.items():
                store(session, kind, pki.terminal.key)
        yield MODULES[0]


def store(session: Any, label: str, key: EcKey | RsaKey) -> None:
    a = pkcs11.Attribute
    common = {
        a.CLASS: pkcs11.ObjectClass.PRIVATE_KEY,
        a.TOKEN: True,
        a.LABEL: label,
        a.ID: label.encode(),
        a.SIGN: True,
        a.SENSITIVE: True,
        a.EXTRACTABLE: False,
    }
    if isinstance(key, EcKey):
        size = key.curve.order_bytes
        own = {
            a.KEY_TYPE: pkcs11.KeyType.EC,
            a.EC_PARAMS: _der.encode_oid(key.curve.oid),
            a.VALUE: key.secret.to_bytes(size, "big"),
        }
    else:
        numbers = {
            a.MODULUS: key.n,
            a.PUBLIC_EXPONENT: key.e,
            a.PRIVATE_EXPONENT: key.d,
            a.PRIME_1: key.p,
            a.PRIME_2: key.q,
            a.EXPONENT_1: key.d % (key.p - 1),
            a.EXPONENT_2: key.d % (key.q - 1),
            a.COEFFICIENT: pow(key.q, -1, key.p),
        }
        own = {k: v.to_bytes((v.bit_length() + 7) // 8, "big") for k, v in numbers.items()}
        own[a.KEY_TYPE] = pkcs11.KeyType.RSA
    session.create_object({**common, **own})


Opener = Callable[..., Pkcs11TerminalKey]


@pytest.fixture
def opener(module: Path) -> Iterator[Opener]:
    opened: list[Pkcs11TerminalKey] = []

    def open_key(key: str, **more: Any) -> Pkcs11TerminalKey:
        opened.append(Pkcs11TerminalKey.open(module, **{"token": TOKEN, "pin": PIN, "label": key, **more}))
        return opened[-1]

    yield open_key
    for key in opened:
        key.close()


@pytest.mark.parametrize("kind", AUTHORITIES)
def test_a_passport_is_read_with_a_key_in_the_module(opener: Opener, kind: str) -> None:
    pki = AUTHORITIES[kind]
    card = personalise("passport-eac", seed=kind, cv_pki=pki)
    terminal = TerminalCredentials.load((*pki.chain, pki.cvca.der), opener(kind))
    with DocumentSession(MemoryTransport(card), memory=LimitMemory()) as session:
        session.open(AccessPassword.can(card.can or ""), terminal=terminal)
        assert session.authenticate_terminal().accepted
        assert session.read(FileId.DG3) == card.files[FileId.DG3]


@pytest.mark.parametrize("name", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("scheme", [Scheme.RSA_PKCS1, Scheme.RSA_PSS])
def test_rsa_algorithms(opener: Opener, scheme: Scheme, name: str) -> None:
    size = {"sha1": 20, "sha256": 32, "sha512": 64}[name]
    algorithm = SignatureAlgorithm(scheme, name, *((name, size) if scheme is Scheme.RSA_PSS else ()))
    key = AUTHORITIES["rsa-2048"].terminal.key
    assert isinstance(key, RsaKey)
    signature = opener("rsa-2048").sign(b"abc", algorithm)
    assert sig.verify(PublicKey.rsa(key.n, key.e), algorithm, signature, b"abc")


def test_what_goes_wrong(opener: Opener, module: Path, tmp_path: Path) -> None:
    for more in ({"pin": Secret("0000")}, {"token": "nowhere"}, {"label": "nothing"}, {"key_id": b"other"}):
        with pytest.raises(TerminalKeyError) as caught:
            opener("secp256r1", **more)
        assert "0000" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="label"):
        opener("secp256r1", label=None)
    (tmp_path / "other.so").write_bytes(b"no library")
    for other in (tmp_path / "other.so", tmp_path / "missing.so"):
        with pytest.raises(ConfigurationError, match="loaded"):
            Pkcs11TerminalKey.open(other, token=TOKEN, label="x")
    key = opener("secp256r1", label=None, key_id=b"secp256r1")
    for algorithm in (SignatureAlgorithm(Scheme.RSA_PKCS1, "sha256"), SignatureAlgorithm(Scheme.ECDSA, "sha256")):
        with pytest.raises(TerminalKeyError):
            key.sign(b"abc", algorithm)
    key.close()
    key.close()
    with pytest.raises(TerminalKeyError, match="closed"):
        key.sign(b"abc", SignatureAlgorithm(Scheme.ECDSA_PLAIN, "sha256"))
    assert PIN.reveal() not in repr(key)
