"""The commands: names, exit codes, one JSON object, one line for an error."""

from __future__ import annotations

import builtins
import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from idverify import _version
from idverify.cli import _files, _trust, _ui, main
from idverify.emulator import Card, TestPki, citizen_card
from idverify.errors import ConfigurationError, IdVerifyError, MalformedDataError
from tests.conftest import Run

COMMANDS = [
    ["demo"], ["readers"], ["read"], ["check"], ["verify"], ["face", "compare"], ["evaluate", "face"],
    ["evaluate", "pad"],
    ["trust", "import"], ["trust", "list"], ["trust", "show"], ["trust", "status"], ["models", "list"],
    ["models", "verify"], ["models", "cache"], ["models", "build"], ["models", "add"], ["models", "calibrate"],
    ["emulate"], ["inspect"],
]  # fmt: skip


@pytest.fixture(scope="module")
def card() -> Card:
    return citizen_card(seed=30)


@pytest.fixture
def folder(card: Card, tmp_path: Path) -> Path:
    """The raw files of a genuine card, and its authority's certificate beside them."""
    directory = tmp_path / "files"
    directory.mkdir()
    for file, data in card.files.items():
        (directory / file.file_name).write_bytes(data)
    (tmp_path / "csca.cer").write_bytes(card.trust_anchors[0])
    return directory


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(run: Run, command: list[str]) -> None:
    code, out, _ = run(*command, "--help")
    assert code == 0
    assert "Usage: idverify " + " ".join(command) in out


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"idverify {_version.__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["check"],
        ["demo", "--transport", "carrier-pigeon"],
        ["read", "--out", "x"],
        ["read", "--can", "12", "--out", "x"],
        ["read", "--number", "123456789", "--birth", "900308", "--out", "x"],
        ["read", "--can", "123456", "--files", "dg99", "--out", "x"],
        ["check", ".", "--at", "yesterday"],
        ["models", "build", "no-such-recipe"],
        ["evaluate", "face"],
        ["check", ".", "--policy", "lenient"],
        ["check", ".", "--policy", "nowhere.toml"],
        ["verify", "--can", "123456", "--trust", ".", "--policy", "lenient"],
        ["verify", "--can", "123456", "--trust", ".", "--finger", "11=a.png"],
        ["verify", "--can", "123456", "--trust", ".", "--face", "a.jpg", "--challenge", "0"],
        ["demo", "--policy", "lenient"],
        ["policy", "show", "lenient"],
        ["policy", "dry-run", "lenient", "."],
        ["emulate", "--profile", "lenient"],
        ["emulate", "--profile", "passport-bac", "--terminal-out", "x"],
        ["emulate", "--finger", "a.png"],
        ["emulate", "--finger", "2=a.png", "--finger", "2=b.png"],
        ["emulate", "--finger", "2=a.png", "--finger-out", "x"],
        ["verify", "--can", "123456", "--trust", ".", *["--finger=a.png"] * 11],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2_without_an_answer(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err
    if "lenient" in arguments:
        assert ("counter-finger" if "emulate" not in arguments else "passport-eac") in err, "the choices are named"


def technical(result: tuple[int, str, str]) -> str:
    """The one line of a technical failure."""
    code, out, err = result
    assert (code, out) == (1, "")
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("idverify: ")
    return lines[0]


def test_technical_failures_are_one_line(run: Run, tmp_path: Path, folder: Path) -> None:
    assert "no such file" in technical(run("check", tmp_path / "nowhere", "--trust", tmp_path / "csca.cer"))
    assert "--trust" in technical(run("check", folder, "--trust", tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    nothing = "the directory holds no certificate, list or trust store"
    assert f"empty: {nothing}" in technical(run("check", folder, "--trust", tmp_path / "empty"))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("nothing")
    assert f"notes: {nothing}" in technical(run("check", folder, "--trust", tmp_path / "notes"))
    neither = "readme.txt: unknown-format (neither a certificate, a list nor a trust store)"
    assert neither in technical(run("check", folder, "--trust", tmp_path / "notes" / "readme.txt"))
    assert "EF_SOD.bin" in technical(run("check", tmp_path / "empty", "--trust", tmp_path / "csca.cer"))
    (tmp_path / "noise.bin").write_bytes(b"\x00\x01noise")
    assert "known" in technical(run("inspect", tmp_path / "noise.bin"))
    assert "noise.bin" in technical(run("face", "compare", tmp_path / "noise.bin", tmp_path / "noise.bin"))
    assert "trust import" in technical(run("trust", "status", "--store", tmp_path / "no-store"))
    assert "missing.jpg" in technical(run("demo", "--transport", "memory", "--live", tmp_path / "missing.jpg"))


def test_a_technical_failure_with_json_is_an_object_too(run: Run, tmp_path: Path) -> None:
    code, out, err = run("inspect", tmp_path / "nowhere", "--json")
    assert code == 1
    assert json.loads(out)["error"]["type"] == "FileNotFoundError"
    assert err.startswith("idverify: nowhere: ")


def test_an_unexpected_error_is_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("004190000001 in a message of somebody else")

    monkeypatch.setattr("idverify.cli._known.describe", broken)
    (tmp_path / "x").write_bytes(b"x")
    line = technical(run("inspect", tmp_path / "x"))
    assert "RuntimeError" in line
    assert "004190000001" not in line
    monkeypatch.setenv("IDVERIFY_DEBUG", "1")
    assert "Traceback" in run("inspect", tmp_path / "x")[2]


def test_error_lines_carry_no_long_numbers(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def leaking(*_: object) -> None:
        raise IdVerifyError("number 004190000001\nIDVNM1900000017004190000001<<8")

    monkeypatch.setattr("idverify.cli._known.describe", leaking)
    (tmp_path / "x").write_bytes(b"x")
    line = technical(run("inspect", tmp_path / "x"))
    assert "190000001" not in line
    assert "<<" not in line


def test_without_its_extra_the_command_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "typer":
            raise ModuleNotFoundError("No module named 'typer'", name="typer")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    code = main(["--version"])
    monkeypatch.undo()
    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    assert err == "idverify: the command line needs typer: pip install 'idverify-emrtd[cli]'\n"


def test_a_missing_extra_of_one_command_is_named(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def without(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib.figure")

    monkeypatch.setattr("idverify.cli._known.describe", without)
    (tmp_path / "x").write_bytes(b"x")
    assert "idverify-emrtd[eval]" in technical(run("inspect", tmp_path / "x"))


# ---- check ------------------------------------------------------------------------------------------------------


def test_check_accepts_a_genuine_card(run: Run, folder: Path, tmp_path: Path) -> None:
    code, out, err = run("check", folder, "--trust", tmp_path / "csca.cer", "--json", "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert answer["decision"] == {"outcome": "accept", "policy": "document", "reasons": []}
    assert {"checks", "scores", "session", "trust_store", "verified_at", "idverify"} <= set(answer)
    assert answer == json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "CHẤP NHẬN" in page


def test_reports_are_for_their_owner_alone(run: Run, folder: Path, tmp_path: Path) -> None:
    run("check", folder, "--trust", tmp_path / "csca.cer", "--out", tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "out").iterdir()} == {0o600}


def test_the_machine_report_holds_no_holder_data(run: Run, folder: Path, tmp_path: Path, card: Card) -> None:
    _, out, _ = run("check", folder, "--trust", tmp_path / "csca.cer", "--json")
    for secret in (card.can or "", *card.mrz.split()):
        assert secret not in out
    text = run("check", folder, "--trust", tmp_path / "csca.cer")[1]
    name = card.holder.full_name
    assert name not in text
    assert name in run("check", folder, "--trust", tmp_path / "csca.cer", "--holder")[1]


@pytest.mark.parametrize("name", ["DG1.bin", "DG2.bin", "DG13.bin", "EF_SOD.bin"])
def test_check_rejects_an_altered_file(run: Run, folder: Path, tmp_path: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(data)
    code, out, _ = run("check", folder, "--trust", tmp_path / "csca.cer", "--json")
    assert code == 3
    reasons = json.loads(out)["decision"]["reasons"]
    wanted = "pa.sod.signature" if name == "EF_SOD.bin" else f"({name.removesuffix('.bin')})"
    assert any(wanted in reason for reason in reasons)
    assert "TỪ CHỐI · REJECT" in run("check", folder, "--trust", tmp_path / "csca.cer")[1]


def test_check_does_not_accept_an_unknown_authority_or_another_time(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.cer").write_bytes(TestPki(seed="another state").csca.der)
    code, out, _ = run("check", folder, "--trust", tmp_path / "other.cer", "--json")
    assert code in (3, 4)
    assert json.loads(out)["decision"]["reasons"] == ["pa.dsc.chain: csca-not-found"]
    assert run("check", folder, "--trust", tmp_path / "csca.cer", "--at", "2199-01-01")[0] == 3


def test_check_takes_the_security_object_alone(run: Run, folder: Path, tmp_path: Path) -> None:
    code, out, _ = run("check", folder / "EF_SOD.bin", "--trust", tmp_path / "csca.cer", "--json")
    assert code == 0
    assert json.loads(out)["decision"]["policy"] == "security-object"


def test_check_without_a_chip_and_a_face_is_not_counter_service(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run("check", folder, "--trust", tmp_path / "csca.cer", "--policy", "counter")[0] == 4


def test_check_uses_the_users_trust_store(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "data"))
    assert "trust import" in technical(run("check", folder))
    assert run("trust", "import", tmp_path / "csca.cer")[0] == 0
    assert _trust.default_store().is_dir()
    assert run("check", folder)[0] == 0


# ---- files ------------------------------------------------------------------------------------------------------


def test_names_of_files_are_taken_in_any_spelling(folder: Path) -> None:
    expected = _files.load_directory(folder)
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.replace("EF_", "ef.").lower())
    (folder / "notes.txt").write_text("not a file of the chip")
    assert _files.load_directory(folder) == expected


def test_a_file_in_two_spellings_is_refused(folder: Path) -> None:
    (folder / "com.bin").write_bytes(b"\x60\x00")
    with pytest.raises(ConfigurationError, match="twice"):
        _files.load_directory(folder)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "EF_SOD.bin").write_bytes(bytes(_files.MAX_FILE + 1))
    with pytest.raises(ConfigurationError, match="more than"):
        _files.load_directory(tmp_path)


def test_selections_of_files() -> None:
    chosen = _files.parse_selection("com, SOD,ef.cardaccess,dg1,dg1")
    assert chosen is not None
    assert [f.label for f in chosen] == ["EF.COM", "EF.SOD", "EF.CardAccess", "DG1"]
    assert _files.parse_selection(" all ") is None


# ---- trust ------------------------------------------------------------------------------------------------------


def test_trust_import_list_show_status(run: Run, tmp_path: Path) -> None:
    pki = TestPki(seed="a state")
    (tmp_path / "csca.cer").write_bytes(pki.csca.der)
    (tmp_path / "list.ml").write_bytes(pki.master_list())
    store = tmp_path / "store"
    code, out, _ = run("trust", "import", tmp_path / "csca.cer", tmp_path / "list.ml", "--store", store, "--json")
    answer = json.loads(out)
    assert code == 0
    assert {"parsed", "usable", "verified", "rejected", "countries", "problems"} <= set(answer)
    assert answer["verified"] == answer["usable"] == answer["parsed"] >= 1
    assert answer["problems"] == []
    status = json.loads(run("trust", "status", "--store", store, "--json")[1])
    listed = json.loads(run("trust", "list", "--store", store, "--json")[1])
    assert status["id"] == listed["id"]
    assert status["entries"] == len(listed["entries"])
    fingerprint = listed["entries"][0]["fingerprint"]
    shown = json.loads(run("trust", "show", fingerprint[:12], "--store", store, "--json")[1])
    assert shown["fields"]["subject"] == listed["entries"][0]["subject"]
    assert json.loads(run("trust", "list", "--store", store, "--country", "ZZ", "--json")[1])["entries"] == []
    for command in (["list"], ["status"], ["show", fingerprint]):
        assert fingerprint[:16] in run("trust", *command, "--store", store)[1] or command == ["status"]
    assert "entries begin with" in technical(run("trust", "show", "zz", "--store", store))


def test_trust_status_writes_a_page_with_a_map(run: Run, tmp_path: Path) -> None:
    store, page = tmp_path / "store", tmp_path / "status.html"
    (tmp_path / "csca.cer").write_bytes(TestPki(seed="a state").csca.der)
    assert run("trust", "import", tmp_path / "csca.cer", "--store", store)[0] == 0
    code, out, _ = run("trust", "status", "--store", store, "--html", page)
    assert code == 0
    assert str(page) in out
    assert 'href="#c-VN"' in page.read_text(encoding="utf-8")
    future = json.loads(run("trust", "status", "--store", store, "--at", "2199-01-01", "--json")[1])
    assert future["expired"] == 1
    assert [(c["code"], c["horizon"]) for c in future["coverage"]["countries"]] == [("VN", "expired")]
    assert "cannot be written" in technical(run("trust", "status", "--store", store, "--html", tmp_path))


def test_trust_import_reports_what_it_cannot_use(run: Run, tmp_path: Path) -> None:
    (tmp_path / "csca.cer").write_bytes(TestPki(seed="a state").csca.der)
    (tmp_path / "junk.cer").write_bytes(b"junk")
    code, out, _ = run(
        "trust", "import", tmp_path / "csca.cer", tmp_path / "junk.cer", "--store", tmp_path / "s", "--json"
    )
    answer = json.loads(out)
    assert code == 1
    assert answer["usable"] == 1
    assert {"subject", "reason"} == set(answer["problems"][0])
    assert "no such file" in technical(run("trust", "import", tmp_path / "nowhere", "--store", tmp_path / "s"))


def test_trust_import_takes_no_foreign_list_and_says_why(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list.ml").write_bytes(TestPki(seed="a state").master_list())
    (tmp_path / "root.cer").write_bytes(TestPki(seed="another state").csca.der)
    foreign = ("trust", "import", tmp_path / "list.ml", "--root", tmp_path / "root.cer", "--store", tmp_path / "s")
    code, out, _ = run(*foreign)
    assert code == 1
    assert "no store was made" in out
    assert "list-signer-not-trusted" in out
    assert "--allow-unverified" in out
    code, out, _ = run(*foreign, "--json")
    assert code == 1
    assert [p["reason"] for p in json.loads(out)["problems"]] == ["list-signer-not-trusted"]
    assert not list((tmp_path / "s").glob("*.idvstore"))
    code, out, _ = run(*foreign, "--allow-unverified")
    assert code == 0
    assert "list-not-verified" in out
    code, out, _ = run("trust", "import", tmp_path / "list.ml", "--store", tmp_path / "t")
    assert code == 0
    assert "vouched for only by itself" in out


# ---- inspect ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("EF_CardAccess.bin", "EF.CardAccess", "PaceInfo"),
        ("EF_COM.bin", "EF.COM", "DG13"),
        ("EF_SOD.bin", "EF.SOD", "sha256"),
        ("DG1.bin", "DG1", "IDVNM"),
        ("DG2.bin", "DG2", "jpeg"),
        ("DG13.bin", "DG13", "full name"),
        ("DG14.bin", "DG14", "pk-ecdh"),
        ("DG15.bin", "DG15", "rsa"),
        ("../csca.cer", "X.509 certificate", "subject"),
    ],
)
def test_inspect_knows_the_files_of_a_card(run: Run, folder: Path, name: str, kind: str, words: str) -> None:
    code, out, err = run("inspect", folder / name)
    assert (code, err) == (0, "")
    assert out.startswith(kind)
    assert words in out
    answer = json.loads(run("inspect", folder / name, "--json")[1])
    assert answer["kind"].startswith(kind)
    assert answer["size"] == (folder / name).stat().st_size
    assert answer["problems"] == []


def test_inspect_says_of_an_altered_security_object_what_it_is_and_where_it_breaks(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    sod = (folder / "EF_SOD.bin").read_bytes()
    at = sod.index(b"\x02\x01", sod.index(bytes.fromhex("0606678108010101"))) + 2  # the version, behind the type
    kind = bytes.fromhex("06092a864886f70d0107")
    broken = {
        "LDS security object: expected version 0 or 1": sod[:at] + b"\x05" + sod[at + 1 :],
        "the content type is not id-signedData": sod.replace(kind + b"\x02", kind + b"\x03", 1),
    }
    for words, data in broken.items():
        assert data != sod
        (tmp_path / "sod").write_bytes(data)
        code, out, _ = run("inspect", tmp_path / "sod")
        assert code == 0
        assert out.startswith("looks like EF.SOD, but does not read as one")
        assert words in out.splitlines()[-1]
        assert ("issued by" in out) == ("version" in words), "what reads is shown"
    (tmp_path / "sod").write_bytes(sod[:-40])
    assert "EF.SOD" in technical(run("inspect", tmp_path / "sod"))


def test_inspect_goes_by_content_and_reads_pem(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "unnamed").write_bytes((folder / "DG1.bin").read_bytes())
    assert run("inspect", tmp_path / "unnamed")[1].startswith("DG1")
    import ssl

    pem = ssl.DER_cert_to_PEM_cert((tmp_path / "csca.cer").read_bytes())
    (tmp_path / "csca.pem").write_text(pem)
    assert run("inspect", tmp_path / "csca.pem")[1].startswith("X.509 certificate")


def test_inspect_never_fails_otherwise_than_cleanly(folder: Path) -> None:
    from idverify.cli._known import describe

    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        for cut in range(0, len(data), max(1, len(data) // 40)):
            try:
                describe(data[:cut])
            except MalformedDataError:
                continue


# ---- faces and models -------------------------------------------------------------------------------------------


def pictures() -> Path:
    import idverify.emulator

    return Path(idverify.emulator.__file__).parent / "pictures"


def test_face_compare_tells_people_apart(run: Run) -> None:
    same = run("face", "compare", pictures() / "portrait.jpg", pictures() / "live.jpg", "--json")
    assert same[0] == 0
    answer = json.loads(same[1])
    assert answer["match"] is True
    assert {"modality", "value", "threshold", "fmr", "model"} == set(answer["score"])
    first, second = answer["measures"]
    assert [first["scalar"], second["scalar"]] == answer["quality"]
    assert {"measure", "raw", "scalar", "status", "use", "advice"} == set(first["components"][0])
    code, out, _ = run("face", "compare", pictures() / "portrait.jpg", pictures() / "other.jpg")
    assert code == 3
    assert "DIFFERENT PERSONS" in out


def test_models_list_and_verify(run: Run) -> None:
    listed = json.loads(run("models", "list", "--json")[1])["models"]
    assert all(m["license"] and m["training_data"] and len(m["sha256"]) == 64 for m in listed)
    code, out, _ = run("models", "verify", "--json")
    assert code == 0
    assert [m["ok"] for m in json.loads(out)["models"]] == [True] * len(listed)
    code, out, _ = run("models", "verify", "--provider", "NoSuchProvider", "--json")
    assert code == 1
    assert all("NoSuchProvider" in m["problem"] and m["difference"] is None for m in json.loads(out)["models"])
    assert "training data" in run("models", "list")[1]


def test_an_altered_model_is_a_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from idverify.biometric import models

    registry = models.ModelRegistry(search=[])
    monkeypatch.setattr(models, "default_registry", lambda: registry)
    code, out, _ = run("models", "verify")
    assert code == 1
    assert "missing" in out


# ---- small parts ------------------------------------------------------------------------------------------------


def test_moments_have_a_time_zone() -> None:
    assert _ui.moment("2026-05-17").isoformat() == "2026-05-17T12:00:00+00:00"
    assert _ui.moment("2026-05-17T09:30:00+07:00").utcoffset().total_seconds() == 7 * 3600
    assert _ui.moment("2026-05-17T09:30").tzinfo is not None
    assert _ui.moment(None).tzinfo is not None


def test_exit_codes_of_outcomes() -> None:
    from idverify import Outcome

    assert {o.value: int(_ui.OUTCOME_EXIT[o.value]) for o in Outcome} == {
        "accept": 0,
        "reject": 3,
        "review": 4,
        "inconclusive": 4,
    }


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from idverify.cli import main; main(['--help']); "
        "print(*{m.partition('.')[0] for m in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stderr.split()) & {"onnxruntime", "cv2", "numpy", "smartcard", "matplotlib", "asn1crypto"}


def test_the_module_runs_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "idverify.cli", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"idverify {_version.__version__}\n")


# ---- a person before the camera


def test_verify_asks_a_person_to_move_and_takes_no_recording_that_does_not(
    run: Run, card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cv2

    from idverify import MemoryTransport
    from idverify.biometric.codecs import decode_image
    from idverify.biometric.face.actions import PROMPTS, Action
    from idverify.chip.transport import pcsc

    (tmp_path / "csca.cer").write_bytes(card.trust_anchors[0])
    still = cv2.cvtColor(decode_image((pictures() / "live.jpg").read_bytes()), cv2.COLOR_RGB2BGR)
    video = cv2.VideoWriter(str(tmp_path / "still.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, still.shape[1::-1])
    for shift in range(24):  # a blink is asked for only after several straight looks
        video.write(cv2.convertScaleAbs(still, beta=shift))
    video.release()
    monkeypatch.setattr(pcsc, "open_reader", lambda *_, **__: MemoryTransport(card.fresh()))
    given = ("verify", "--can", card.can, "--trust", tmp_path / "csca.cer", "--at", "2026-06-01", "--json")
    code, out, err = run(*given, "--challenge", tmp_path / "still.avi")
    answer = json.loads(out)
    assert (code, answer["decision"]["outcome"]) == (4, "review")
    (check,) = [c for c in answer["checks"] if c["check"] == "face.challenge"]
    assert (check["status"], check["reason"], check["evidence"]["tries"]) == ("failed", "end-of-stream", "1")
    assert "Hãy nhìn thẳng vào máy ảnh · Look straight into the camera" in err
    assert any(PROMPTS[action.value]["en"] in err for action in Action)
    monkeypatch.setattr(pcsc, "open_reader", lambda *_, **__: pytest.fail("no reader is wanted without a recording"))
    code, out, err = run(*given, "--challenge", tmp_path / "nowhere.avi")
    assert (code, json.loads(out)["error"]["type"]) == (1, "ConfigurationError")


# ---- what a newcomer types --------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["empty folder", "other file"])
def test_what_can_be_no_anchor_makes_no_store(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    given = tmp_path / "given"
    if wrong == "other file":
        given.write_bytes(b"%PDF-1.7")
    else:
        given.mkdir()
    code, out, _ = run("trust", "import", given, "--store", tmp_path / "store")
    assert (code, "no store was made" in out) == (1, True)
    assert "given: unknown-format (neither a certificate, a list nor a trust store)" in out
    assert "there is no trust store at" in technical(run("trust", "status", "--store", tmp_path / "store"))
    monkeypatch.setenv("IDVERIFY_TRUST_STORE", str(tmp_path / "store"))
    assert "no trust anchors: give --trust PATH" in technical(run("check", folder))


def test_a_file_where_a_folder_belongs(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    line = technical(run("check", folder, "--trust", tmp_path / "csca.cer", "--out", tmp_path / "taken"))
    assert line == "idverify: taken is a file; --out names a directory"


def test_an_audit_log_that_is_none(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello\n")
    code, out, _ = run("audit", "verify", tmp_path / "notes.txt")
    assert code == 3
    assert "at the beginning: a line of the audit log is no entry" in out
    line = technical(run("check", folder, "--trust", tmp_path / "csca.cer", "--audit", tmp_path / "no" / "such.log"))
    assert "cannot open the audit log such.log" in line


def test_evaluate_pad_tells_species_apart(run: Run, tmp_path: Path) -> None:
    for place, name in (("live/a.jpg", "live"), ("spoof/print/b.jpg", "other"), ("spoof/c_screen.jpg", "portrait")):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pictures() / f"{name}.jpg", tmp_path / place)
    code, out, _ = run("evaluate", "pad", tmp_path, "--json")
    answer = json.loads(out)
    assert code == 0
    assert {s: (r["rate"], r["n"]) for s, r in answer["apcer"].items()} == {"print": (1.0, 1), "screen": (1.0, 1)}
    assert answer["bpcer"]["rate"] == 0.0
    code, out, _ = run("evaluate", "pad", tmp_path)
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[1:3]] == [["APCER", "print"], ["APCER", "screen"]]
    assert "BPCER" in out
    assert run("evaluate", "pad", tmp_path / "nowhere")[0] == 1
