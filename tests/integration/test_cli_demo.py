"""The demonstration: accepted for its holder, and for nobody and nothing else."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

import idverify.emulator
from idverify.cli._demo_card import Attack
from idverify.emulator import citizen_card, pcsc_stack
from idverify.emulator.pcsc_stack import VirtualReaderStack
from idverify.errors import ServiceUnavailableError
from tests.conftest import Run
from tests.unit.presentation.test_schema import SCHEMA

PICTURES = Path(idverify.emulator.__file__).parent / "pictures"


def test_the_holder_of_a_genuine_card_is_accepted(run: Run, tmp_path: Path) -> None:
    code, out, err = run("demo", "--transport", "memory", "--out", tmp_path / "out", "--json")
    answer = json.loads(out)
    assert code == 0
    assert err.strip() == "transport: memory"
    jsonschema.validate(answer, SCHEMA)
    assert answer["decision"]["outcome"] == "accept"
    assert answer["session"]["access"] == "pace"
    (score,) = answer["scores"]
    assert score["value"] > score["threshold"]
    assert score["fmr"] <= 1e-4
    assert json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8")) == answer
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 2
    assert "CHẤP NHẬN" in page


def test_somebody_else_is_rejected(run: Run) -> None:
    code, out, _ = run("demo", "--transport", "memory", "--live", PICTURES / "other.jpg")
    assert code == 3
    assert "TỪ CHỐI · REJECT" in out
    assert "The face does not match the portrait in the chip." in out
    assert "The card has passed; the person does not match its holder." in out


REASONS = {
    Attack.PORTRAIT: "pa.dg.hash: hash-mismatch (DG2)",
    Attack.NAME: "pa.dg.hash: hash-mismatch (DG1)",
    Attack.CITIZEN: "pa.dg.hash: hash-mismatch (DG13)",
    Attack.SIGNATURE: "pa.sod.signature: signature-invalid",
    Attack.ISSUER: "pa.dsc.chain: ",
    Attack.EXPIRED_SIGNER: "pa.dsc.validity: expired",
    Attack.COPY: "chip.",
}


@pytest.mark.parametrize("attack", list(Attack))
def test_no_forgery_is_accepted_and_the_reason_is_named(run: Run, attack: Attack) -> None:
    code, out, _ = run("demo", "--transport", "memory", "--attack", attack.value, "--json")
    decision = json.loads(out)["decision"]
    # an authority that nobody knows may be a gap in the trust store: inconclusive; everything else is a rejection
    assert (code, decision["outcome"]) in ([(3, "reject"), (4, "inconclusive")][: 1 + (attack is Attack.ISSUER)])
    assert any(reason.startswith(REASONS[attack]) for reason in decision["reasons"]), decision["reasons"]


def test_a_portrait_of_ones_own(run: Run) -> None:
    code, _, _ = run(
        "demo",
        "--transport",
        "memory",
        "--portrait",
        PICTURES / "other.jpg",
        "--live",
        PICTURES / "other.jpg",
        "--json",
    )
    assert code == 0


def test_a_live_picture_without_a_face_is_inconclusive(run: Run, tmp_path: Path) -> None:
    import numpy as np

    from idverify.biometric.codecs import encode_png
    from idverify.biometric.image import as_image

    (tmp_path / "wall.png").write_bytes(encode_png(as_image(np.full((480, 640, 3), 128, np.uint8))))
    code, out, _ = run("demo", "--transport", "memory", "--live", tmp_path / "wall.png", "--json")
    assert code == 4
    assert json.loads(out)["decision"]["reasons"] == ["face.match: no-face (live)"]


def test_a_live_picture_that_is_none_is_a_technical_failure(run: Run, tmp_path: Path) -> None:
    (tmp_path / "noise.jpg").write_bytes(b"\xff\xd8\xff noise")
    code, _, err = run("demo", "--transport", "memory", "--live", tmp_path / "noise.jpg")
    assert code == 1
    assert "Traceback" not in err


class NoStack:
    """A machine without PC/SC."""

    def __init__(self, **_: object) -> None: ...

    def __enter__(self) -> None:
        raise ServiceUnavailableError("pcscd is missing: apt install pcscd")

    def __exit__(self, *_: object) -> None: ...


def test_fingers_behind_terminal_authentication(run: Run) -> None:
    code, out, _ = run("demo", "--transport", "memory", "--finger", "--json")
    answer = json.loads(out)
    assert (code, answer["decision"]["policy"]) == (0, "counter-both")
    assert [s["modality"] for s in answer["scores"]] == ["face", "finger"]
    assert [c["status"] for c in answer["checks"] if c["check"] == "terminal.ta"] == ["successful"]
    code, out, err = run("demo", "--transport", "memory", "--finger", "--policy", "counter", "--json")
    assert code == 0
    assert "policy counter does not ask for it, so --finger decides nothing" in err
    found = [c["reason"] for c in json.loads(out)["checks"] if c["check"] == "finger.match"]
    assert found == ["not-requested"]


def test_auto_says_that_it_runs_in_memory(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcsc_stack, "VirtualReaderStack", NoStack)
    code, out, err = run("demo", "--json")
    assert code == 0
    assert json.loads(out)["session"]["transport"] == "memory"
    assert "in memory: pcscd is missing" in err
    code, out, err = run("demo", "--transport", "pcsc")
    assert (code, out) == (1, "")
    assert "pcscd is missing" in err


# ---- over a real PC/SC service -----------------------------------------------------------------------------------


@pytest.mark.pcsc
def test_auto_takes_the_virtual_reader(run: Run, stack: VirtualReaderStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcsc_stack, "VirtualReaderStack", lambda **_: contextlib.nullcontext(stack))
    code, out, err = run("demo", "--json")
    assert code == 0
    assert json.loads(out)["session"]["transport"] == "pcsc"
    assert "transport: pcsc" in err


@pytest.mark.pcsc
def test_readers_read_check_and_verify(run: Run, stack: VirtualReaderStack, tmp_path: Path) -> None:
    card = citizen_card(seed=31)
    (tmp_path / "csca.cer").write_bytes(card.trust_anchors[0])
    reader, trust = stack.reader(), tmp_path / "csca.cer"
    with stack.insert(card):
        found = json.loads(run("readers", "--json")[1])["readers"]
        assert [r["card"] for r in found if r["name"] == reader] == [True]
        assert reader in run("readers")[1]

        code, out, err = run("read", "--can", card.can, "--reader", reader, "--out", tmp_path / "files")
        assert code == 0, err
        assert "process list" in err
        assert (card.can or "") not in out + err
        for file, data in card.files.items():
            path = tmp_path / "files" / file.file_name
            assert not path.exists() or path.read_bytes() == data
        assert {"EF_CardAccess.bin", "EF_COM.bin", "EF_SOD.bin", "DG1.bin", "DG2.bin", "DG13.bin"} <= {
            p.name for p in (tmp_path / "files").iterdir()
        }
        session = (tmp_path / "files" / "session.json").read_text(encoding="utf-8")
        for secret in (card.can or "", *card.mrz.split(), card.holder.full_name):
            assert secret not in session
        summary = json.loads(session)
        assert summary["access"] == "pace"
        assert summary["files"]["DG2"]["bytes"] == len((tmp_path / "files" / "DG2.bin").read_bytes())
        assert summary["unreadable"] == {"DG3": "access-refused"}
        assert run("check", tmp_path / "files", "--trust", trust)[0] == 0

        arguments = ("verify", "--reader", reader, "--trust", trust, "--face", PICTURES / "live.jpg", "--json")
        code, out, err = run(*arguments, "--mrz", card.mrz)
        assert code == 0, err
        assert json.loads(out)["session"]["transport"] == "pcsc"
        assert run("verify", "--reader", reader, "--trust", trust, "--can", card.can, "--json")[0] == 4

        code, out, err = run("read", "--can", "000000", "--reader", reader, "--out", tmp_path / "no")
        assert code == 1
        assert not (tmp_path / "no").exists()
    code, out, err = run("read", "--can", card.can, "--reader", "no such reader", "--out", tmp_path / "no")
    assert (code, out) == (1, "")


@pytest.mark.pcsc
def test_passwords_from_standard_input_and_environment(
    run: Run, stack: VirtualReaderStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    card = citizen_card(seed=32)
    arguments = ("--reader", stack.reader(), "--files", "com,sod", "--out", tmp_path / "files")
    with stack.insert(card):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{card.can}\n"))
        code, _, err = run("read", "--can", "-", *arguments)
        assert code == 0, err
        assert "process list" not in err
        assert {p.name for p in (tmp_path / "files").iterdir()} == {"EF_COM.bin", "EF_SOD.bin", "session.json"}
        monkeypatch.setenv("IDVERIFY_CAN", card.can or "")
        code, _, err = run("read", *arguments)
        assert code == 0, err
        assert "process list" not in err
        monkeypatch.delenv("IDVERIFY_CAN")
        code, _, err = run("read", "--qr", card.holder.qr, *arguments)
        assert code == 0, err
        lines = card.mrz.splitlines() if "\n" in card.mrz else [card.mrz[i : i + 30] for i in (0, 30, 60)]
        code, _, err = run(
            "read", "--number", lines[0][5:14], "--birth", lines[1][:6], "--expiry", lines[1][8:14], *arguments
        )
        assert code == 0, err


@pytest.mark.pcsc
def test_emulate_serves_a_card_until_it_is_stopped(run: Run, stack: VirtualReaderStack, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "idverify.cli", "emulate", "--trust-out", str(tmp_path / "csca.cer")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            stack.wait_present(0, present=True, timeout=60)
            assert process.stdout is not None
            said = process.stdout.readline()
            can = said.split()[1]
            arguments = ("verify", "--reader", stack.reader(), "--trust", tmp_path / "csca.cer", "--can", can)
            assert run(*arguments, "--policy", "document")[0] == 0
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    assert process.returncode == 0


def test_emulate_names_the_profiles(run: Run) -> None:
    code, _, err = run("emulate", "--profile", "passport-of-utopia")
    assert code == 2
    assert "cccd-2021" in err
