"""The commands of the audit log, of fingers, and of comparing and exporting trust stores."""

from __future__ import annotations

import csv
import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from idverify import FileId, TrustStore
from idverify.audit import Anchor, AuditLog
from idverify.emulator import TestPki, citizen_card
from tests.conftest import Run
from tests.shared import shared

# ---- the audit log ----------------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of three transactions, an anchor on the second, and the operator's key."""
    path, key = tmp_path / "audit.log", Ed25519PrivateKey.generate()
    with_entries = AuditLog(path)
    entries = [
        with_entries.append("transaction", {"decision": {"outcome": word}}) for word in ("accept", "reject", "review")
    ]
    (tmp_path / "anchors").write_text(Anchor.sign(entries[1], key).to_json() + "\n")
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "operator.pem").write_bytes(pem)
    return path


def test_a_whole_log_verifies(run: Run, log: Path, tmp_path: Path) -> None:
    code, out, _ = run(
        "audit", "verify", log, "--anchor", tmp_path / "anchors", "--key", tmp_path / "operator.pem", "--json"
    )
    answer = json.loads(out)
    assert code == 0
    assert (answer["whole"], answer["entries"], answer["anchors"], answer["problems"]) == (True, 3, 1, [])
    assert "WHOLE" in run("audit", "verify", log)[1]
    listed = run("audit", "list", log)[1]
    assert [word in listed for word in ("accept", "reject", "review")] == [True] * 3
    assert len(json.loads(run("audit", "list", log, "--json")[1])["entries"]) == 3


def test_a_changed_or_cut_log_does_not(run: Run, log: Path, tmp_path: Path) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines).replace(b"reject", b"accept", 1))
    code, out, _ = run("audit", "verify", log)
    assert code == 3
    assert "NOT WHOLE" in out
    log.write_bytes(lines[0])
    assert run("audit", "verify", log)[0] == 0  # nobody can tell without an anchor
    code, out, _ = run("audit", "verify", log, "--anchor", tmp_path / "anchors", "--key", tmp_path / "operator.pem")
    assert code == 3
    assert "ends before the anchored entry" in out


def test_check_writes_into_the_log(run: Run, tmp_path: Path) -> None:
    from idverify.emulator import citizen_card

    card = citizen_card(seed=33)
    (tmp_path / "EF_SOD.bin").write_bytes(card.files[FileId.SOD])
    (tmp_path / "csca.cer").write_bytes(card.trust_anchors[0])
    log = tmp_path / "audit.log"
    for _ in range(2):
        assert run("check", tmp_path / "EF_SOD.bin", "--trust", tmp_path / "csca.cer", "--audit", log)[0] == 0
    answer = json.loads(run("audit", "list", log, "--json")[1])
    assert [e["data"]["decision"]["policy"] for e in answer["entries"]] == ["security-object"] * 2
    assert run("audit", "verify", log)[0] == 0


def operator(tmp_path: Path, passphrase: bytes | None = None) -> None:
    key = Ed25519PrivateKey.generate()
    cipher = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    (tmp_path / "operator.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, cipher))
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "operator.pem").write_bytes(pem)


def test_an_operator_signs_anchors(run: Run, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    operator(tmp_path, b"open sesame")
    anchors, key = tmp_path / "mine", tmp_path / "operator.key"
    code, _, err = run("audit", "anchor", log, "--key", key)
    assert code == 1
    assert "IDVERIFY_OPERATOR_PASSPHRASE" in err
    monkeypatch.setenv("IDVERIFY_OPERATOR_PASSPHRASE", "open sesame")
    for number in (2, 3):
        code, out, _ = run("audit", "anchor", log, "--key", key, "--out", anchors, "--json")
        assert code == 0
        assert json.loads(out)["number"] == number
        AuditLog(log).append("transaction", {})
    checked = ("audit", "verify", log, "--anchor", anchors, "--key", tmp_path / "operator.pem")
    assert run(*checked)[0] == 0
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:3]))
    code, out, _ = run(*checked)
    assert code == 3
    assert "ends before the anchored entry 3" in out
    outside = json.loads(run("audit", "anchor", log)[1])  # for a key that lies elsewhere
    assert bytes.fromhex(outside["message"]) == Anchor.message(2, outside["hash"])
    assert "signature" in run("audit", "anchor", log, "--key", key)[1]


def test_a_log_that_is_not_whole_is_not_anchored(run: Run, log: Path, tmp_path: Path) -> None:
    operator(tmp_path)
    log.write_bytes(log.read_bytes().replace(b"reject", b"accept", 1))
    for arguments in ((), ("--json",)):
        out = run("audit", "anchor", log, "--key", tmp_path / "operator.key", "--out", tmp_path / "a", *arguments)
        assert out[0] == 3
        assert "were changed" in out[1]
    assert not (tmp_path / "a").exists()
    (tmp_path / "empty.log").touch()
    assert "no entry" in run("audit", "anchor", tmp_path / "empty.log", "--key", tmp_path / "operator.key")[1]
    assert run("audit", "anchor", log, "--key", tmp_path / "operator.pem")[0] == 3


def test_a_document_s_entries_are_found_and_erased_by_its_pseudonym(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, key = tmp_path / "audit.log", tmp_path / "audit.key"
    assert run("seal", "new-key", key)[0] == 0
    for seed in (33, 34):
        card = citizen_card(seed=seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        for file, data in card.files.items():
            (folder / f"{file.file_name}").write_bytes(data)
        (folder / "csca.cer").write_bytes(card.trust_anchors[0])
        arguments = ("check", folder, "--trust", folder / "csca.cer", "--audit", log, "--audit-key", key)
        assert run(*arguments)[0] == 0
    assert card.holder.number not in log.read_text()
    monkeypatch.setattr("sys.stdin", io.StringIO(f" {card.holder.number}\n"))
    who = json.loads(run("audit", "pseudonym", "--key", key, "--json")[1])["pseudonym"]
    assert json.loads(run("audit", "erase", log, "--document", who, "--json")[1]) == {"erased": 1}
    assert run("audit", "verify", log)[0] == 0
    assert who not in log.read_text()
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run("audit", "pseudonym", "--key", key)[0] == 2
    assert run("check", tmp_path / "33", "--trust", folder / "csca.cer", "--audit-key", key)[0] == 2


def test_what_is_no_log_and_no_key_is_a_technical_failure(run: Run, log: Path, tmp_path: Path) -> None:
    assert run("audit", "verify", tmp_path / "nowhere")[0] == 1
    (tmp_path / "no.pem").write_text("no key")
    assert run("audit", "verify", log, "--key", tmp_path / "no.pem")[0] == 1


# ---- trust ------------------------------------------------------------------------------------------------------


@pytest.fixture
def stores(run: Run, tmp_path: Path) -> tuple[Path, Path]:
    """Two stores; the second has one authority more."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.cer").write_bytes(TestPki(seed=name).csca.der)
    older, newer = tmp_path / "older", tmp_path / "newer"
    assert run("trust", "import", tmp_path / "one.cer", "--store", older)[0] == 0
    assert run("trust", "import", tmp_path / "one.cer", tmp_path / "two.cer", "--store", newer)[0] == 0
    return older, newer


def test_two_stores_are_compared(run: Run, stores: tuple[Path, Path]) -> None:
    code, out, _ = run("trust", "diff", *stores, "--json")
    answer = json.loads(out)
    assert (code, len(answer["added"]), answer["removed"]) == (0, 1, [])
    assert run("trust", "diff", *stores)[1].startswith("+ ")
    assert run("trust", "diff", *reversed(stores))[1].startswith("- ")
    assert "no difference" in run("trust", "diff", stores[0], stores[0])[1]


def test_a_store_is_exported_and_comes_back(run: Run, stores: tuple[Path, Path], tmp_path: Path) -> None:
    wanted = TrustStore.load([stores[1]]).id
    assert run("trust", "export", "--store", stores[1], "--out", tmp_path / "copy.idvstore")[0] == 0
    assert TrustStore.load([tmp_path / "copy.idvstore"]).id == wanted
    code, out, _ = run("trust", "export", "--store", stores[1], "--out", tmp_path / "files", "--json")
    assert (code, json.loads(out)["written"]) == (0, 2)
    assert {p.suffix for p in (tmp_path / "files").iterdir()} == {".cer"}
    assert TrustStore.load([tmp_path / "files"]).id == wanted
    assert run("trust", "export", "--store", stores[1], "--out", tmp_path / "none", "--country", "ZZ")[0] == 0
    assert not any((tmp_path / "none").iterdir())
    assert run("trust", "export", "--store", stores[1], "--out", tmp_path / "x.idvstore", "--country", "VN")[0] == 1


# ---- fingers ----------------------------------------------------------------------------------------------------


@pytest.fixture
def prints() -> Path:
    return shared("fingers/fvc2002/db1_b")


def test_fingers_are_told_apart(run: Run, prints: Path) -> None:
    code, out, err = run("finger", "compare", prints / "101_1.png", prints / "101_2.png", "--json")
    same = json.loads(out)
    assert same["score"]["modality"] == "finger"
    assert (code, same["match"]) == (0, True), err
    code, out, _ = run("finger", "compare", prints / "101_1.png", prints / "102_1.png", "--json")
    other = json.loads(out)
    assert (code, other["match"]) == (3, False)
    assert other["score"]["value"] < same["score"]["value"]


def test_a_template_is_written_for_its_owner_and_compares(run: Run, prints: Path, tmp_path: Path) -> None:
    record = tmp_path / "finger.iso"
    code, out, _ = run("finger", "extract", prints / "101_1.png", "--out", record, "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["bytes"] == record.stat().st_size
    assert answer["minutiae"] > 10
    assert record.read_bytes()[:4] == b"FMR\0"
    assert os.stat(record).st_mode & 0o077 == 0
    code, out, _ = run("finger", "compare", record, prints / "101_2.png")
    assert code == 0
    assert run("finger", "compare", prints / "102_1.png", record)[0] == 3
    assert run("finger", "compare", record, record)[0] == 4  # two records: nothing was measured
    assert run("inspect", record)[1].startswith("ISO/IEC 19794-2")
    (tmp_path / "cut.iso").write_bytes(record.read_bytes()[:20])
    code, out, err = run("finger", "compare", tmp_path / "cut.iso", record)
    assert (code, out) == (1, "")
    assert "cut.iso" in err


def test_fingers_are_evaluated(run: Run, prints: Path, tmp_path: Path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    for name in ("101_1", "101_2", "102_1", "102_2"):
        (folder / f"{name}.png").write_bytes((prints / f"{name}.png").read_bytes())
    scores = tmp_path / "scores.csv"
    code, out, _ = run("evaluate", "finger", folder, "--impostors", "all", "--scores", scores, "--json")
    answer = json.loads(out)
    assert code == 0
    wanted = {"eer", "fmr100", "fmr1000", "zerofmr", "fte", "genuine", "impostor"}
    assert wanted | {"extract_ms_median", "compare_ms_median"} <= set(answer)
    assert (answer["genuine"], answer["impostor"]) == (2, 4)
    with scores.open(newline="") as stream:
        assert next(csv.DictReader(stream)).keys() == {"a", "b", "genuine", "score"}
    assert "EER" in run("evaluate", "finger", folder, "--impostors", "all")[1]


# ---- faces ------------------------------------------------------------------------------------------------------


def test_faces_are_evaluated(run: Run, tmp_path: Path) -> None:
    images = shared("faces/lfw_dev/images")
    people = sorted(p.name for p in images.iterdir() if (p / f"{p.name}_0002.jpg").exists())[:2]
    a, b = people
    pairs = tmp_path / "pairs.txt"
    pairs.write_text(f"1\t2\n{a}\t1\t2\n{b}\t1\t2\n{a}\t1\t{b}\t1\n{a}\t2\t{b}\t2\n")
    det, scores = tmp_path / "det.png", tmp_path / "scores.csv"
    code, out, err = run(
        "evaluate", "face", "--pairs", pairs, "--images", images, "--scores", scores, "--det", det, "--json"
    )
    assert code == 0, err
    answer = json.loads(out)
    wanted = {"accuracy_mean", "accuracy_std", "eer", "fnmr_at_fmr", "threshold_at_fmr", "fte", "images", "genuine"}
    assert wanted | {"impostor", "ms_per_image_median"} <= set(answer)
    assert answer["images"] == 4
    assert det.read_bytes()[:4] == b"\x89PNG"
    assert scores.read_text().startswith("a,b,genuine,score\n")
    assert "EER" in run("evaluate", "face", "--pairs", pairs, "--images", images)[1]
    base = ("evaluate", "face", "--pairs", pairs, "--images", images)
    code, out, _ = run(*base, "--chip", "15000", "--sweep", "1", "--json")
    assert code == 0
    told = json.loads(out)
    assert [row["name"] for row in told["sweep"]][:2] == ["clean", "half size"]
    assert {row["genuine"] for row in told["sweep"]} == {1}
    assert (told["ways"], told["genuine"], answer["ways"], answer["genuine"]) == ("both", 4, "first", 2)
    assert "the second of two" in run(*base, "--chip", "15000", "--chip-colour", "--ways", "second")[1]
    assert run(*base, "--chip-colour")[0] == 2
    assert "three times the light" in run(*base, "--sweep", "1")[1]
    assert run(*base, "--chip", "10")[0] == 2


# ---- privacy ----------------------------------------------------------------------------------------------------


def test_entries_are_erased_by_age_or_document_and_the_log_stays_whole(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "counter.log"
    old = AuditLog(path, now=lambda: datetime(2020, 1, 1, tzinfo=UTC))
    old.append("transaction", {"document": "aa"})
    AuditLog(path).append("transaction", {"document": "bb"})
    assert run("audit", "erase", path)[0] == 2
    assert json.loads(run("audit", "erase", path, "--older-than", 30, "--json")[1]) == {"erased": 1}
    assert "1 entries lost their data" in run("audit", "erase", path, "--document", "bb")[1]
    code, out, _ = run("audit", "verify", path, "--json")
    assert (code, json.loads(out)["erased"]) == (0, 2)
    code, _, err = run("audit", "erase", tmp_path / "none.log", "--older-than", 1)
    assert (code, "no such file" in err) == (1, True)
    assert not (tmp_path / "none.log").exists()


@pytest.fixture
def key(run: Run, tmp_path: Path) -> Path:
    path = tmp_path / "reports.key"
    assert run("seal", "new-key", path)[0] == 0
    assert path.stat().st_mode & 0o777 == 0o600
    code, _, err = run("seal", "new-key", path)
    assert (code, "exists" in err) == (1, True)
    return path


def test_sealed_reports_show_nothing_and_open_with_their_key_alone(run: Run, key: Path, tmp_path: Path) -> None:
    code, _, _ = run("demo", "--transport", "memory", "--out", tmp_path / "out", "--seal", key)
    assert code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.html.sealed", "report.json.sealed"]
    for path in (tmp_path / "out").iterdir():
        raw = path.read_bytes()
        assert raw.startswith(b"IDVR\x01")
        assert b"accept" not in raw
        assert path.stat().st_mode & 0o777 == 0o600
    opened = tmp_path / "report.json"
    assert run("seal", "open", tmp_path / "out" / "report.json.sealed", "--key", key, "--out", opened)[0] == 0
    assert json.loads(opened.read_text())["decision"]["outcome"] == "accept"
    assert opened.stat().st_mode & 0o777 == 0o600
    moved = tmp_path / "report.html.sealed"
    moved.write_bytes((tmp_path / "out" / "report.json.sealed").read_bytes())
    code, _, err = run("seal", "open", moved, "--key", key, "--out", tmp_path / "x")
    assert (code, "does not open" in err) == (1, True)
    other = tmp_path / "other.key"
    run("seal", "new-key", other)
    assert run("seal", "open", tmp_path / "out" / "report.json.sealed", "--key", other, "--out", tmp_path / "x")[0] == 1
    assert not (tmp_path / "x").exists()


def test_a_key_that_is_none_is_told_before_the_card_is_touched(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.key").write_text("short")
    code, _, err = run("demo", "--transport", "memory", "--out", tmp_path / "out", "--seal", tmp_path / "bad.key")
    assert (code, "holds no key" in err) == (1, True)
    assert not (tmp_path / "out").exists()
    assert run("demo", "--transport", "memory", "--seal", tmp_path / "bad.key")[0] == 2


def test_a_consent_is_given_whole_or_not_at_all(run: Run, tmp_path: Path) -> None:
    assert run("demo", "--transport", "memory", "--consent", "form 7")[0] == 2
    policy = tmp_path / "asking.toml"
    policy.write_text('extends = "counter"\n[checks."privacy.consent"]\nmissing = "review"\n')
    code, out, _ = run("demo", "--transport", "memory", "--policy", policy, "--json")
    assert (code, json.loads(out)["scores"]) == (4, [])
    code, out, _ = run(
        "demo", "--transport", "memory", "--policy", policy, "--consent", "form 7", "--purpose", "account", "--json"
    )
    assert (code, "form 7" in out) == (0, False)
