"""What can be known to fail without a card is told before a reader is opened; and every answer for machines is JSON."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)

from idverify.chip.lds.files import FileId
from idverify.chip.transport import pcsc
from idverify.chip.transport.memory import MemoryTransport
from idverify.cli import emulate
from idverify.emulator import Card, citizen_card
from tests.conftest import Run


@cache
def card() -> Card:
    return citizen_card(seed=31)


@pytest.fixture
def run(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("IDVERIFY_CAN", card().can or "")
    return run


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: object) -> None:
        raise AssertionError("the reader was opened")

    monkeypatch.setattr(pcsc, "open_reader", opened)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A trust anchor, pictures that are none, and a folder where a file belongs."""
    (tmp_path / "csca.cer").write_bytes(card().trust_anchors[0])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "noise.jpg").write_bytes(b"noise")
    whole = cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    (tmp_path / "whole.jpg").write_bytes(whole)
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--face", "nowhere.jpg"], "nowhere.jpg: No such file"),
        (["--face", "empty.jpg"], "empty.jpg: the picture is empty"),
        (["--face", "noise.jpg"], "noise.jpg: the bytes are of no known picture format"),
        (["--face", "half.jpg"], "half.jpg: a JPEG segment"),
        (["--face", "folder"], "folder: Is a directory"),
        (["--finger", "2=half.jpg"], "half.jpg: a JPEG segment"),
        (["--out", "whole.jpg"], "whole.jpg is a file; --out names a directory"),
        (["--out", "whole.jpg/report"], "nothing can be written into"),
        (["--xml", "folder"], "it is a directory"),
        (["--xml", "no/such.xml"], "there is no directory"),
        (["--audit", "no/such.log"], "cannot open the audit log such.log"),
        (["--audit", "noise.jpg"], "noise.jpg is no audit log"),
        (["--audit", "a.log", "--audit-key", "noise.jpg"], "noise.jpg holds no key"),
        (["--out", "out", "--seal", "noise.jpg"], "noise.jpg holds no key"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_verify_looks_at_everything_else_first(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str
) -> None:
    monkeypatch.chdir(place)
    code, out, err = run("verify", "--trust", "csca.cer", *options, "--json")
    assert code == 1, err
    assert words in json.loads(out)["error"]["message"]
    assert words in err
    assert not (place / "out").exists()
    assert (place / "noise.jpg").read_bytes() == b"noise"


@pytest.mark.usefixtures("untouched")
def test_read_asks_where_the_files_go_first(run: Run, place: Path) -> None:
    for wrong in (place / "whole.jpg", place / "whole.jpg" / "inside"):
        assert run("read", "--out", wrong)[0] == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.usefixtures("untouched")
def test_a_folder_that_cannot_be_written_is_told(run: Run, place: Path) -> None:
    (place / "folder").chmod(0o500)
    code, _, err = run("verify", "--trust", place / "csca.cer", "--out", place / "folder" / "report")
    assert (code, "nothing can be written into" in err) == (1, True)


@pytest.mark.parametrize("key", ["--audit-key", "--seal"])
def test_a_key_without_its_file_is_usage(run: Run, place: Path, key: str) -> None:
    assert run("verify", "--trust", place / "csca.cer", key, place / "whole.jpg")[0] == 2


def test_a_good_picture_reaches_the_transaction(run: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcsc, "open_reader", lambda *_: MemoryTransport(card().fresh()))
    code, out, _ = run("verify", "--trust", place / "csca.cer", "--face", place / "whole.jpg", "--json")
    assert code == 4
    checks = {c["check"]: c for c in json.loads(out)["checks"]}
    assert checks["face.match"]["reason"] == "no-face"


def test_what_was_asked_for_and_is_not_there_is_a_failure(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcsc, "open_reader", lambda *_: MemoryTransport(card().fresh()))
    code, _, err = run("read", "--files", "dg3", "--out", tmp_path / "card")
    assert code == 1
    assert "nothing of --files could be read (DG3: access-refused)" in err
    code, out, _ = run("read", "--files", "dg1,dg3", "--out", tmp_path / "card", "--json")
    assert (code, list(json.loads(out)["files"])) == (0, ["DG1"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["read", "--out", "x", "--can", "12"], "6 digits"),
        (["read", "--json", "--out", "x", "--files", "dg99"], "unknown file 'dg99'"),
        (["check"], "DIR"),
        (["face", "compare", "a", "b", "--fmr", "3"], "--fmr"),
        (["demo", "--policy", "lenient"], "no policy named 'lenient'"),
        (["nothing"], "nothing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_with_json_is_an_object_too(run: Run, arguments: list[str], words: str) -> None:
    code, out, err = run(*arguments, *([] if "--json" in arguments else ["--json"]))
    assert code == 2
    assert words in json.loads(out)["error"]["message"]
    assert err


def test_an_unexpected_error_with_json_is_an_object_too(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("004190000001")

    monkeypatch.setattr("idverify.cli._known.describe", broken)
    (tmp_path / "x").write_bytes(b"x")
    code, out, err = run("inspect", tmp_path / "x", "--json")
    assert (code, json.loads(out)["error"]["type"]) == (1, "RuntimeError")
    assert "004190000001" not in out + err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["evaluate", "finger", "nowhere", "--det", "no/det.png"], "--det no/det.png: there is no directory no"),
        (["evaluate", "finger", "nowhere", "--det", "det.pdf"], "--det det.pdf: a plot is written as .png or .svg"),
        (["evaluate", "finger", "nowhere", "--scores", "folder"], "--scores folder: it is a directory"),
        (["evaluate", "finger", "nowhere", "--discard", "no/a.svg"], "--discard no/a.svg"),
        (["evaluate", "face", "--pairs", "nowhere", "--images", "nowhere", "--det", "no/a.png"], "--det no/a.png"),
        (["bench", "--out", "no/a.json"], "--out no/a.json"),
        (["bench", "--timeline", "no/a.png"], "--timeline no/a.png"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_where_figures_go_is_asked_before_they_are_measured(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(place)
    code, _, err = run(*arguments)
    assert (code, words in err) == (1, True), err


def test_plots_need_their_extra_before_anything_is_measured(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    without = lambda name, *more: None if name == "matplotlib" else real(name, *more)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", without)
    code, _, err = run("evaluate", "finger", place / "nowhere", "--det", place / "det.png")
    assert (code, "pip install 'idverify-emrtd[eval]'" in err) == (1, True)


def test_emulate_tells_a_reader_with_another_card_from_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulate, "_POLLED_SECONDS", 0.1)
    monkeypatch.setattr(emulate, "_TAKEN_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("emulate", "--port", port)
    assert (code, out) == (1, "")
    assert f"vpcd 127.0.0.1:{port} takes no card: there is one in that reader" in err
    assert "--port" in err


# ---- files whose names or contents surprise ----------------------------------------------------------------------


def test_a_policy_file_may_have_any_name_with_a_dot_or_a_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "desk.policy").write_text('extends = "counter"\nid = "desk"\n')
    code, out, _ = run("policy", "check", tmp_path / "desk.policy", "--json")
    assert (code, json.loads(out)["id"]) == (0, "desk")
    assert 'extends = "counter"' in run("policy", "show", tmp_path / "desk.policy")[1]
    code, out, _ = run("policy", "check", "nowhere.policy")
    assert (code, "nowhere.policy: No such file" in out) == (1, True)


def test_a_dry_run_over_nothing_says_so(run: Run, tmp_path: Path) -> None:
    code, _, err = run("policy", "dry-run", "counter", tmp_path)
    assert (code, "no report" in err) == (1, True)


def test_a_file_that_cannot_be_written_is_named_itself(run: Run, place: Path) -> None:
    code, _, err = run("finger", "extract", place / "whole.jpg", "--out", place / "no" / "a.iso")
    assert (code, "--out" in err, ".tmp" in err) == (1, True, False)
    code, _, err = run("finger", "extract", place / "whole.jpg", "--out", place / "a.iso")
    assert (code, "whole.jpg: no ridges" in err) == (1, True)


def private(key: Any, form: PrivateFormat, encoding: Encoding = Encoding.PEM, password: bytes = b"") -> bytes:
    locked = BestAvailableEncryption(password) if password else NoEncryption()
    data: bytes = key.private_bytes(encoding, form, locked)
    return data


@pytest.mark.parametrize(
    "name", ["pkcs8", "sec1", "pkcs1", "encrypted", "old", "ssh", "der", "sealed", "p12", "eddsa", "cut"]
)
def test_inspect_names_a_private_key_and_shows_nothing_of_it(run: Run, tmp_path: Path, name: str) -> None:
    curve, modulus = ec.generate_private_key(ec.BrainpoolP256R1()), rsa.generate_private_key(65537, 2048)
    edwards, old, password = ed25519.Ed25519PrivateKey.generate(), PrivateFormat.TraditionalOpenSSL, b"secret"
    data, kind, words = {
        "pkcs8": (private(curve, PrivateFormat.PKCS8), "private key, PKCS #8", "ec brainpoolP256r1"),
        "sec1": (
            b"-----BEGIN EC PARAMETERS-----\nBgg=\n-----END EC PARAMETERS-----\n" + private(curve, old),
            "private key of an elliptic curve, SEC 1",
            "ec brainpoolP256r1",
        ),
        "pkcs1": (private(modulus, old, Encoding.DER), "RSA private key, PKCS #1", "rsa-2048"),
        "encrypted": (private(curve, PrivateFormat.PKCS8, password=password), "encrypted private key, PKCS #8", ""),
        "old": (private(modulus, old, password=password), "private key, PEM (rsa private key)", ""),
        "ssh": (private(edwards, PrivateFormat.OpenSSH), "private key, PEM (openssh private key)", ""),
        "der": (private(modulus, PrivateFormat.PKCS8, Encoding.DER), "private key, PKCS #8", "rsa-2048"),
        "sealed": (
            private(curve, PrivateFormat.PKCS8, Encoding.DER, password),
            "encrypted private key, PKCS #8",
            "",
        ),
        "p12": (
            pkcs12.serialize_key_and_certificates(b"x", curve, None, None, BestAvailableEncryption(password)),
            "PKCS #12 file",
            "",
        ),
        "cut": (private(modulus, PrivateFormat.PKCS8)[:400], "private key, PEM (private key)", ""),
        "eddsa": (private(edwards, PrivateFormat.PKCS8, Encoding.DER), "private key, PKCS #8", "of a kind"),
    }[name]
    (tmp_path / "key").write_bytes(data)
    code, out, err = run("inspect", tmp_path / "key")
    assert (code, err) == (0, "")
    assert out.startswith(kind)
    assert words in out
    assert "a secret of its owner" in out
    answer = json.loads(run("inspect", tmp_path / "key", "--json")[1])
    assert set(answer["fields"]) <= {"its public key"}
    secrets = (f"{curve.private_numbers().private_value:x}", f"{modulus.private_numbers().d:x}"[:40])
    assert not any(secret in (out + json.dumps(answer)).lower() for secret in secrets)


def test_inspect_knows_public_keys_and_empty_files(run: Run, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    (tmp_path / "key").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    out = run("inspect", tmp_path / "key")[1]
    assert out.startswith("public key\n")
    assert "secret" not in out
    (tmp_path / "empty").touch()
    code, _, err = run("inspect", tmp_path / "empty")
    assert (code, err) == (1, "idverify: empty: the file is empty\n")


# ---- encodings ---------------------------------------------------------------------------------------------------


def outside(encoding: str, *arguments: object) -> tuple[int, bytes, bytes]:
    """A command in a process of its own, whose streams have that encoding."""
    environment = os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "80"}
    command = [sys.executable, "-m", "idverify", *map(os.fspath, arguments)]  # type: ignore[arg-type]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii", "utf-8"])
def test_what_an_encoding_lacks_ends_no_command(tmp_path: Path, encoding: str) -> None:
    """Redirected into a file, Windows gives a program an encoding without Vietnamese."""
    sod = tmp_path / "EF_SOD.bin"
    sod.write_bytes(card().fresh().files[FileId.SOD])
    (tmp_path / "csca.cer").write_bytes(card().trust_anchors[0])
    code, out, err = outside(encoding, "check", sod, "--trust", tmp_path / "csca.cer")
    assert (code, err) == (0, b""), err
    assert ("CHẤP NHẬN · ACCEPT".encode(encoding, "replace")) in out
    code, out, err = outside(encoding, "check", sod, "--trust", tmp_path / "csca.cer", "--json")
    assert (code, json.loads(out.decode(encoding))["decision"]["outcome"]) == (0, "accept")


@pytest.mark.skipif(sys.platform != "linux", reason="names of files that are no text")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8:surrogateescape", "ascii"])
def test_a_name_that_is_no_text_is_still_json(tmp_path: Path, encoding: str) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv")
    Path(name).write_text("a,b\n")
    code, out, _ = outside(encoding, "trust", "import", name, "--store", tmp_path / "store", "--json")
    assert code == 1
    assert json.loads(out.decode())["problems"][0]["reason"] == "unknown-format"
    code, _, err = outside(encoding, "inspect", name)
    assert (code, b"unexpected" in err) == (1, False)
