"""The terminal's certificates and key on the command line: what is let in, what is refused, and how it is said."""

from __future__ import annotations

import io
import json
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from idverify import MemoryTransport
from idverify.chip.lds.files import FileId
from idverify.chip.transport import pcsc
from idverify.emulator import Card, TestCvPki, personalise, pkcs8
from idverify.emulator.terminal_auth import ROLE_TERMINAL
from tests.conftest import Run
from tests.unit.chip.access.test_pkcs11_key import MODULES, PIN, TOKEN, store

AUTHORITY = TestCvPki("command line")
PASSPHRASE = "open sesame"
CARD_FILES = {"DG1", "DG2", "DG3", "DG4", "DG14", "DG15", "EF.CardAccess", "EF.COM", "EF.CVCA", "EF.SOD"}


@cache
def card() -> Card:
    return personalise("passport-eac", seed="command line", cv_pki=AUTHORITY)


@pytest.fixture
def run(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("IDVERIFY_CAN", card().can or "")
    monkeypatch.setattr(pcsc, "open_reader", lambda *_: MemoryTransport(card().fresh()))
    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Certificates, and the key in every form, beside files that are none of these."""
    made = tmp_path / "terminal"
    made.mkdir()
    der = pkcs8(AUTHORITY.terminal.key)
    key = load_der_private_key(der, None)
    locked = BestAvailableEncryption(PASSPHRASE.encode())
    for name, data in {
        "cvca.cvcert": AUTHORITY.cvca.der, "dv.cvcert": AUTHORITY.dv.der, "is.cvcert": AUTHORITY.terminal.der,
        "readme.txt": b"-----BEGIN nothing", "key.der": der,
        "key.pem": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "sec1.pem": b"-----BEGIN EC PARAMETERS-----\nBgg=\n-----END EC PARAMETERS-----\n"
        + key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        "locked.pem": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked),
        "locked.der": key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, locked),
        "old.pem": key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, locked),
    }.items():  # fmt: skip
        (made / name).write_bytes(data)
    return made


def read(run: Run, folder: Path, *more: object) -> tuple[int, str, str]:
    return run("read", "--out", folder.parent / "card", "--json", *more)


@pytest.mark.parametrize("key", ["key.der", "key.pem", "sec1.pem"])
def test_every_file_is_read_with_the_terminals_certificates_and_key(run: Run, folder: Path, key: str) -> None:
    code, out, err = read(run, folder, "--terminal-certificate", folder, "--terminal-key", folder / key)
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert set(answer["files"]) == CARD_FILES
    assert [(c["check"], c["status"]) for c in answer["checks"]][-1] == ("terminal.ta", "successful")
    for group in ("DG3", "DG4"):
        assert (folder.parent / "card" / f"{group}.bin").read_bytes() == card().files[FileId[group]]
    again = read(run, folder)
    assert (again[0], json.loads(again[1])["unreadable"]) == (0, {"DG3": "access-refused", "DG4": "access-refused"})


def test_of_several_certificates_the_key_says_which(run: Run, folder: Path) -> None:
    """A folder with last month's certificates: of other keys, and of the same one for a shorter time."""
    past = AUTHORITY.issue("IS", 1, AUTHORITY.dv, ROLE_TERMINAL | 3, expires=date(2021, 12, 31))
    others = [
        AUTHORITY.issue("IS", 2, AUTHORITY.dv, ROLE_TERMINAL | 3, expires=date(2049, 12, 31)),
        AUTHORITY.issue("IS", 3, AUTHORITY.dv, ROLE_TERMINAL | 3, key=TestCvPki("r", kind="rsa-2048").terminal.key),
    ]
    for number, issued in enumerate((past, *others)):
        (folder / f"{number}.cvcert").write_bytes(issued.der)
    code, out, err = read(run, folder, "--terminal-certificate", folder, "--terminal-key", folder / "key.pem")
    assert (code, err) == (0, "")
    assert json.loads(out)["checks"][-1]["evidence"]["terminal"] == "UTTESTIS00001"


@pytest.mark.parametrize("key", ["locked.pem", "locked.der", "old.pem"])
def test_the_passphrase_comes_from_the_environment_or_standard_input(
    run: Run, folder: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--terminal-certificate", folder, "--terminal-key", folder / key)
    code, _, err = read(run, folder, *given)
    assert (code, err) == (
        1,
        f"idverify: {key}: the private key is encrypted; give its passphrase (--terminal-secret)\n",
    )
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSPHRASE + "\n"))
    assert read(run, folder, *given, "--terminal-secret", "-")[::2] == (0, "")
    code, _, err = read(run, folder, *given, "--terminal-secret", PASSPHRASE)
    assert code == 0
    assert err.startswith("note: --terminal-secret on the command line can be seen in the process list")
    assert PASSPHRASE not in err
    monkeypatch.setenv("IDVERIFY_TERMINAL_SECRET", PASSPHRASE)
    assert read(run, folder, *given)[::2] == (0, "")
    monkeypatch.setenv("IDVERIFY_TERMINAL_SECRET", "close sesame")
    code, _, err = read(run, folder, *given)
    assert (code, "does not open" in err, "close" in err) == (1, True, False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--terminal-certificate", "x"], "--terminal-key, or --terminal-pkcs11"),
        (["--terminal-token", "x"], "--terminal-key, or --terminal-pkcs11"),
        (["--terminal-key", "x"], "--terminal-certificate"),
        (["--terminal-certificate", "x", "--terminal-key", "x", "--terminal-pkcs11", "x"], "give one"),
        (["--terminal-certificate", "x", "--terminal-key", "x", "--terminal-token", "x"], "go together"),
        (["--terminal-certificate", "x", "--terminal-pkcs11", "x", "--terminal-token", "x"], "go together"),
        (
            ["--terminal-certificate", "x", "--terminal-key", "x", "--can", "-", "--terminal-secret", "-"],
            "--can already",
        ),
    ],
)
def test_options_that_do_not_go_together_are_usage(
    run: Run, options: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "csca.cer").write_bytes(card().trust_anchors[0])
    for command in (["read", "--out", tmp_path / "card"], ["verify", "--trust", tmp_path / "csca.cer"]):
        monkeypatch.setattr("sys.stdin", io.StringIO(card().can or ""))
        code, out, err = run(*command, *options)
        assert (code, out) == (2, "")
        assert words in err


def test_what_cannot_be_used_is_told_before_the_card_is_touched(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def untouched(*_: object) -> None:
        raise AssertionError("the reader was opened")

    monkeypatch.setattr(pcsc, "open_reader", untouched)
    (tmp_path / "other.der").write_bytes(pkcs8(TestCvPki("another").terminal.key))
    (tmp_path / "rsa.der").write_bytes(pkcs8(TestCvPki("another", kind="rsa-2048").terminal.key))
    (tmp_path / "224.der").write_bytes(pkcs8(TestCvPki("another", kind="brainpoolP224r1").terminal.key))
    (tmp_path / "empty").mkdir()
    (tmp_path / "renewed").write_bytes(AUTHORITY.issue("IS", 2, AUTHORITY.dv, ROLE_TERMINAL | 3).der)
    (tmp_path / "noise").write_bytes(b"\x7f\x21\x02\x00\x00")
    alone = ["--terminal-certificate", folder / "is.cvcert", "--terminal-certificate", folder / "dv.cvcert"]
    for certificates, key, words in (
        ([folder], "nowhere.der", "nowhere.der: No such file"),
        ([folder], folder / "cvca.cvcert", "cvca.cvcert: expected a private key"),
        ([folder], "other.der", "not that of the terminal's certificate UTTESTIS00001"),
        (alone[1::2], "other.der", "not that of the terminal's certificate UTTESTIS00001"),
        (alone[1::2], "224.der", "not that of the terminal's certificate UTTESTIS00001"),
        ([folder], "rsa.der", "cannot make ecdsa-plain"),
        ([folder / "missing"], folder / "key.der", "missing: No such file"),
        ([folder / "dv.cvcert"], folder / "key.der", "none of the certificates is a terminal's"),
        ([folder, "renewed"], "other.der", "the terminal's certificate UTTESTIS00001, UTTESTIS00002"),
        (["empty"], folder / "key.der", "empty: the folder holds no card verifiable certificate"),
        (["noise"], folder / "key.der", "noise: CV certificate"),
    ):
        given = [v for c in certificates for v in ("--terminal-certificate", tmp_path / c)]
        code, out, err = run("read", "--out", tmp_path / "card", *given, "--terminal-key", tmp_path / key)
        assert (code, out) == (1, ""), err
        assert words in err
        assert len(err.splitlines()) == 1


def test_a_terminal_that_the_chip_does_not_let_in_is_a_failure_of_read_and_a_result_of_verify(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "csca.cer").write_bytes(card().trust_anchors[0])
    stranger = TestCvPki("another", country="XX")
    late = AUTHORITY.issue("IS", 1, AUTHORITY.dv, ROLE_TERMINAL | 3, expires=date(2021, 12, 31))
    for name, certificates, key, reason in (
        ("unknown", (*stranger.chain, stranger.cvca.der), stranger.terminal.key, "terminal-issuer-unknown"),
        ("late", (AUTHORITY.dv.der, AUTHORITY.cvca.der, late.der), late.key, "terminal-certificate-refused"),
    ):
        made = tmp_path / name
        made.mkdir()
        for number, der in enumerate(certificates):
            (made / f"{number}.cvcert").write_bytes(der)
        (made / "key.der").write_bytes(pkcs8(key))
        given = ("--terminal-certificate", made, "--terminal-key", made / "key.der")
        code, out, err = read(run, folder, *given)
        assert code == 1
        answer = json.loads(out)
        assert answer["checks"][-1]["reason"] == reason
        assert answer["unreadable"] == {"DG3": "access-refused", "DG4": "access-refused"}
        assert "idverify: terminal.ta failed: " in err
        assert ("expired on 2021-12-31" in err) is (name == "late")
        code, out, _ = run("verify", "--trust", tmp_path / "csca.cer", "--policy", "document", "--json", *given)
        assert (code, json.loads(out)["decision"]["reasons"]) == (4, [f"terminal.ta: {reason}"])


# ---- security modules --------------------------------------------------------------------------------------------


def test_without_its_extra_a_security_module_says_what_to_install(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pkcs11", None)
    given = ("--terminal-pkcs11", "module.so", "--terminal-token", "t", "--terminal-key-label", "k")
    code, _, err = read(run, folder, "--terminal-certificate", folder, *given)
    assert code == 1
    assert "idverify-emrtd[pkcs11]" in err


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """SoftHSM2 with the terminal's key."""
    import shutil
    import subprocess

    pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 (the extra pkcs11) is not installed")
    if not MODULES or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM2 (Debian: softhsm2) is not installed")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    command = ["softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--so-pin", "1234", "--pin", PIN.reveal()]
    subprocess.run(command, check=True, capture_output=True)
    library = pkcs11.lib(str(MODULES[0]))
    library.reinitialize()
    with library.get_token(token_label=TOKEN).open(user_pin=PIN.reveal(), rw=True) as session:
        store(session, "terminal", AUTHORITY.terminal.key)
        store(session, "another", TestCvPki("another").terminal.key)
    return MODULES[0]


def test_the_key_stays_in_a_security_module(
    run: Run, folder: Path, module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDVERIFY_TERMINAL_SECRET", PIN.reveal())
    given = ("--terminal-certificate", folder, "--terminal-pkcs11", module, "--terminal-token", TOKEN)
    code, out, err = read(run, folder, *given, "--terminal-key-label", "terminal")
    assert (code, err) == (0, "")
    assert set(json.loads(out)["files"]) == CARD_FILES
    code, _, err = read(run, folder, *given, "--terminal-key-label", "another")
    assert (code, "not that of the terminal's certificate" in err) == (1, True)
    code, _, err = read(run, folder, *given, "--terminal-key-label", "no such key")
    assert (code, "does not give the key" in err) == (1, True)
    monkeypatch.setenv("IDVERIFY_TERMINAL_SECRET", "0000")
    code, _, err = read(run, folder, *given, "--terminal-key-label", "terminal")
    assert (code, "0000" in err) == (1, False)


def test_at_a_terminal_a_secret_is_asked_for_and_not_shown(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked: list[tuple[str, dict[str, object]]] = []

    def prompt(text: str, **options: object) -> str:
        asked.append((text, options))
        return PASSPHRASE

    monkeypatch.setattr("sys.stdin", Keyboard())
    monkeypatch.setattr("typer.prompt", prompt)
    given = ("--terminal-certificate", folder, "--terminal-key", folder / "locked.pem", "--terminal-secret", "-")
    assert read(run, folder, *given)[::2] == (0, "")
    assert asked == [("terminal-secret", {"hide_input": True, "err": True})]
