"""The audit log: every change is noticed, every crash is survived, erasing keeps the chain."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify import Secret, audit
from idverify.audit import Anchor, AuditLog, read_entries, verify_log
from idverify.decision import Decision, Outcome
from idverify.errors import AuditError, ConfigurationError
from idverify.report import CheckId, CheckResult, CheckStatus, VerificationReport

KEY = Secret(bytes(range(32)))
DOCUMENT = audit.pseudonym(KEY, issuing_state="VNM", document_number=Secret("000000001"))
OTHER = audit.pseudonym(KEY, issuing_state="VNM", document_number=Secret("000000002"))


def filled(path: Path, count: int = 5) -> Path:
    log = AuditLog(path, durability="os")
    for i in range(count):
        log.append("transaction", {"document": DOCUMENT if i % 2 else OTHER, "n": i})
    return path


def test_a_log_verifies_and_continues_after_reopening(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.log", 3)
    AuditLog(path).append("note", {"text": "xin chào"})
    verdict = verify_log(path)
    assert verdict.whole
    assert verdict.entries == 4
    assert [e.number for e in read_entries(path)] == [0, 1, 2, 3]


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_no_changed_byte_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = filled(tmp_path_factory.mktemp("log") / "a.log", 4)
    anchor = Anchor.sign(list(read_entries(path))[-1], OPERATOR)
    raw = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    verdict = verify_log(path, anchors=(anchor,), key=OPERATOR.public_key())
    same = [e.line() for e in read_entries_or_none(path)] == [bytes(line) + b"\n" for line in bytes(raw).splitlines()]
    assert not verdict.whole or not same


OPERATOR = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def read_entries_or_none(path: Path) -> list[audit.Entry]:
    try:
        return list(read_entries(path))
    except AuditError:
        return []


def test_removing_swapping_or_cutting_entries_is_noticed(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.log", 5)
    lines = path.read_bytes().splitlines(keepends=True)
    anchor = Anchor.sign(list(read_entries(path))[4], OPERATOR)
    for changed in (lines[1:], lines[:2] + lines[3:], [lines[1], lines[0], *lines[2:]], [*lines, lines[-1]]):
        path.write_bytes(b"".join(changed))
        assert not verify_log(path).whole
    path.write_bytes(b"".join(lines[:-1]))
    assert verify_log(path).whole, "a cut end is invisible without an anchor"
    verdict = verify_log(path, anchors=(anchor,), key=OPERATOR.public_key())
    assert verdict.problems == ("the log ends before the anchored entry 4",)


def test_a_rewritten_log_contradicts_its_anchor(tmp_path: Path) -> None:
    anchor = Anchor.sign(list(read_entries(filled(tmp_path / "a.log")))[2], OPERATOR)
    other = filled(tmp_path / "b.log")
    assert verify_log(other).whole
    assert (
        "not the one that was anchored" in verify_log(other, anchors=(anchor,), key=OPERATOR.public_key()).problems[0]
    )


def test_an_anchor_by_another_key_or_unchecked_is_a_problem(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.log")
    anchor = Anchor.from_json(Anchor.sign(list(read_entries(path))[2], OPERATOR).to_json())
    assert verify_log(path, anchors=(anchor,), key=OPERATOR.public_key()).whole
    stranger = ed25519.Ed25519PrivateKey.generate().public_key()
    assert not verify_log(path, anchors=(anchor,), key=stranger).whole
    assert not verify_log(path, anchors=(anchor,)).whole


def test_erasing_a_document_keeps_the_chain_and_the_others(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.log", 6)
    anchor = Anchor.sign(list(read_entries(path))[5], OPERATOR)
    log = AuditLog(path)
    assert log.erase(document=DOCUMENT) == 3
    assert DOCUMENT.encode() not in path.read_bytes()
    assert OTHER.encode() in path.read_bytes()
    verdict = verify_log(path, anchors=(anchor,), key=OPERATOR.public_key())
    assert verdict.whole
    assert (verdict.entries, verdict.erased) == (7, 3)
    assert next(reversed(list(read_entries(path)))).event == "erased"


def test_retention_erases_what_is_older(tmp_path: Path) -> None:
    clock = [datetime(2026, 1, 1, tzinfo=UTC)]
    log = AuditLog(tmp_path / "a.log", now=lambda: clock[0])
    log.append("transaction", {"n": 1})
    clock[0] += timedelta(days=40)
    log.append("transaction", {"n": 2})
    assert log.erase(older_than=timedelta(days=30)) == 1
    assert [e.data is None for e in read_entries(tmp_path / "a.log")] == [True, False, False]
    with pytest.raises(ConfigurationError):
        log.erase()


def test_erasing_refuses_a_broken_chain(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.log")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"".join(lines[2:]))
    before = path.read_bytes()
    with pytest.raises(AuditError, match="nothing was erased"):
        AuditLog(path).erase(document=DOCUMENT)
    assert path.read_bytes() == before


@pytest.mark.parametrize("cut", [1, 2, 40, 200])
def test_a_torn_line_is_set_aside_and_told(tmp_path: Path, cut: int) -> None:
    path = filled(tmp_path / "a.log", 3)
    raw = path.read_bytes()
    path.write_bytes(raw[:-cut])
    log = AuditLog(path)
    log.append("transaction", {"n": 9})
    entries = list(read_entries(path))
    assert [e.event for e in entries] == ["transaction", "transaction", "recovered", "transaction"]
    assert verify_log(path).whole
    assert path.with_name("a.log.torn").stat().st_size > 0


@pytest.mark.parametrize("content", [b"a picture", b"a list\nof words", b"words\n", b"[]", b"\n\n", b"{}"])
def test_a_file_that_is_no_log_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "portrait.jpg"
    path.write_bytes(content)
    with pytest.raises(AuditError, match="is no audit log"):
        AuditLog(path)
    assert path.read_bytes() == content
    assert {f.name for f in tmp_path.iterdir()} == {"portrait.jpg", "portrait.jpg.lock"}


def test_what_a_power_cut_filled_with_zeros_is_set_aside(tmp_path: Path) -> None:
    for before in (b"", filled(tmp_path / "other.log", 2).read_bytes()):
        path = tmp_path / f"{len(before)}.log"
        path.write_bytes(before + bytes(512))
        AuditLog(path)
        assert verify_log(path).whole
        assert verify_log(path).entries == before.count(b"\n") + 1


def test_a_first_line_that_is_torn_leaves_an_empty_chain(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b'{"number":0')
    AuditLog(path).append("transaction", {})
    assert [e.event for e in read_entries(path)] == ["recovered", "transaction"]
    assert verify_log(path).whole


def test_long_entries_are_found_again(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "a.log", durability="os")
    for size in (10, 20_000, 300_000, 10):
        log.append("note", {"text": "x" * size})
    assert verify_log(tmp_path / "a.log").entries == 4
    with pytest.raises(AuditError, match="cap"):
        log.append("note", {"text": "x" * audit.MAX_LINE})
    assert verify_log(tmp_path / "a.log").entries == 4


_WRITER = """
import sys
from pathlib import Path
from idverify.audit import AuditLog
log = AuditLog(Path(sys.argv[1]))
while True:
    log.append("transaction", {"text": "x" * 3000})
    print("+", flush=True)
"""


def test_killed_while_writing_the_log_is_whole_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        time.sleep(0.003)
        os.kill(process.pid, signal.SIGKILL)
        done = process.stdout.read().count(b"+") + 3
        process.wait()
        process.stdout.close()
        AuditLog(path)
        verdict = verify_log(path)
        assert verdict.whole
        assert verdict.entries >= done


def _append_some(path: str, count: int) -> None:
    log = AuditLog(Path(path), durability="os")
    for i in range(count):
        log.append("transaction", {"n": i})


def test_several_processes_share_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append_some, args=(str(path), 40)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    verdict = verify_log(path)
    assert verdict.whole
    assert verdict.entries == 120


@pytest.fixture
def as_on_windows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What Windows lacks or refuses: pread and the rights of POSIX; folders that open; open files that are replaced.

    Returns:
        the errors that the lock gave, which gives up after ten seconds there, at the first try.
    """
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc to see which files are open")
    for name in ("pread", "pwrite", "fchmod", "fchown"):
        monkeypatch.delattr(os, name)
    replace, refused = os.replace, list[int]()

    def replace_closed(source: Path, target: Path) -> None:
        held = {os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()}
        if os.path.realpath(target) in held or os.path.realpath(source) in held:
            raise PermissionError(errno.EACCES, "the file is used", str(target))
        replace(source, target)

    def locking(file: int, kind: int, count: int) -> None:
        assert (os.lseek(file, 0, os.SEEK_CUR), kind, count) == (0, 1, 1), "the same byte for everyone"
        if not refused:
            refused.append(errno.EDEADLK)
            raise OSError(errno.EDEADLK, "Resource deadlock avoided")

    monkeypatch.setattr(os, "replace", replace_closed)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_LOCK=1, locking=locking))
    monkeypatch.setattr(sys, "platform", "win32")
    return refused


def test_the_log_needs_nothing_that_windows_lacks(tmp_path: Path, as_on_windows: list[int]) -> None:
    path = filled(tmp_path / "a.log", 4)
    assert as_on_windows == [errno.EDEADLK], "a lock that is held for long is waited for"
    with path.open("ab") as file:
        file.write(b'{"dat')
    log = AuditLog(path)
    assert log.erase(document=DOCUMENT) == 2
    log.append("note", {})
    verdict = verify_log(path)
    assert verdict.whole
    assert (verdict.entries, verdict.erased) == (7, 2)


def test_a_lock_that_cannot_be_had_is_an_error(tmp_path: Path, as_on_windows: list[int]) -> None:
    def broken(*_: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    sys.modules["msvcrt"].locking = broken  # type: ignore[attr-defined]
    with pytest.raises(AuditError, match="no locks"):
        AuditLog(tmp_path / "a.log")


def test_a_transaction_leaves_codes_and_no_evidence_text(tmp_path: Path) -> None:
    report = VerificationReport(
        checks=(
            CheckResult(
                check=CheckId.DG_HASH,
                status=CheckStatus.SUCCESSFUL,
                subject="DG2",
                evidence={"note": "not for the log"},
            ),
        ),
        trust_store_id="store",
        verified_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    log = AuditLog(tmp_path / "a.log")
    log.record(Decision(Outcome.ACCEPT, "counter"), report, document=DOCUMENT, counter="7", consent="C-1")
    data = json.loads((tmp_path / "a.log").read_text())["data"]
    assert data["checks"] == [["pa.dg.hash", "successful", "ok", "DG2"]]
    assert data["context"] == {"counter": "7", "consent": "C-1"}
    assert "not for the log" not in (tmp_path / "a.log").read_text()


def test_pseudonyms_need_the_key_and_tell_documents_apart() -> None:
    assert DOCUMENT != OTHER
    assert audit.pseudonym(Secret(bytes(32)), issuing_state="VNM", document_number=Secret("000000001")) != DOCUMENT
    assert "000000001" not in DOCUMENT
    with pytest.raises(ConfigurationError):
        audit.pseudonym(Secret(b"short"), issuing_state="VNM", document_number=Secret("000000001"))


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_hostile_lines_raise_only_audit_errors(line: bytes) -> None:
    with pytest.raises(AuditError):
        audit.Entry.parse(line)


def test_a_log_in_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(AuditError):
        AuditLog(tmp_path / "missing" / "a.log")
    with pytest.raises(AuditError):
        verify_log(tmp_path / "missing.log")


@pytest.mark.parametrize(
    "line",
    [
        '{"number": 1e999, "time": "2026-01-01T00:00:00+00:00", "event": "", "previous": "", "digest": "", "hash": ""}',
        "[" * 100_000,
        '{"number": 0, "time": "2026-01-01T00:00:00Z", "event": "\\ud800", "previous": "", "digest": "", "hash": 0}',
    ],
)
def test_a_line_of_extreme_numbers_or_nesting_is_no_entry(line: str) -> None:
    with pytest.raises(AuditError):
        audit.Entry.parse(line.encode())


def test_bytes_that_are_no_text_are_no_entry(tmp_path: Path) -> None:
    """json.loads takes the bytes of a lone surrogate for text that nothing can write again."""
    log = AuditLog(tmp_path / "a.log")
    log.append("transaction", {"note": "here"})
    for broken in (b"\xed\xa0\x80!", b"\\udead"):
        line = (tmp_path / "a.log").read_bytes().replace(b"here", broken)
        with pytest.raises(AuditError):
            audit.Entry.parse(line)
        (tmp_path / "b.log").write_bytes(line)
        assert not verify_log(tmp_path / "b.log").whole


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"number": 1e999, "hash": "00", "signature": ""}',
        '{"number": -1, "hash": "00", "signature": ""}',
        '{"number": 1, "hash": "zz", "signature": ""}',
    ],
)
def test_what_is_no_anchor_is_refused_when_read(text: str) -> None:
    with pytest.raises(AuditError):
        Anchor.from_json(text)


# ---- a log that an attacker may write to, and a folder in which others may read ------------------------------------


def forged(path: Path, **changes: object) -> Path:
    """A log of one entry whose hashes fit, whatever the entry holds."""
    fields: dict[str, object] = {
        "number": 0, "time": "2026-01-01T00:00:00+00:00", "event": "transaction", "previous": audit.GENESIS,
        "data": {"document": DOCUMENT}, "salt": "00",
    } | changes  # fmt: skip
    canonical = [json.dumps(fields["data"], sort_keys=True, separators=(",", ":"))]
    fields.setdefault("digest", hashlib.sha256(f"{fields['salt']}\0{canonical[0]}".encode()).hexdigest())
    chain = [fields[name] for name in ("number", "time", "event", "previous", "digest")]
    fields["hash"] = hashlib.sha256(json.dumps(chain, separators=(",", ":")).encode()).hexdigest()
    path.write_text(json.dumps(fields, sort_keys=True, separators=(",", ":")) + "\n")
    return path


def test_the_forger_of_these_tests_can_write_a_log_that_verifies(tmp_path: Path) -> None:
    assert verify_log(forged(tmp_path / "a.log")).whole


@pytest.mark.parametrize(
    "changes",
    [
        {"data": [DOCUMENT]},
        {"data": 7},
        {"salt": 7},
        {"salt": None},
        {"time": "2026-01-01T00:00:00"},
        {"number": True},
        {"number": 0.0},
        {"number": -1},
        {"event": 7},
        {"digest": None},
    ],
)
def test_an_entry_with_fields_of_other_types_is_told_and_breaks_nothing(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    path = forged(tmp_path / "a.log", **changes)
    assert not verify_log(path).whole
    with pytest.raises(AuditError):
        AuditLog(path).erase(document=DOCUMENT, older_than=timedelta(days=1))


@pytest.mark.parametrize("change", ["second", "further", "spaced"])
def test_a_line_that_other_readers_could_read_otherwise_is_no_entry(tmp_path: Path, change: str) -> None:
    """The same name twice, a name that no hash covers, or other white space."""
    path = filled(tmp_path / "a.log", 2)
    first, second = path.read_bytes().splitlines(keepends=True)
    changed = {
        "second": first.replace(b'{"data":', b'{"data":{"document":"another"},"data":', 1),
        "further": first.replace(b'"event"', b'"decision":"reject","event"', 1),
        "spaced": first.replace(b'"event":', b'"event": ', 1),
    }[change]
    assert changed != first
    assert json.loads(changed)["hash"] == json.loads(first)["hash"]
    path.write_bytes(changed + second)
    assert not verify_log(path).whole


def test_a_long_line_hides_no_entries_behind_it(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.log", 4)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + b"x" * (audit.MAX_LINE + 1) + b"\n" + b"".join(lines[2:]))
    verdict = verify_log(path)
    assert verdict.problems == ("after entry 1: a line of the audit log is longer than any entry",)


def test_behind_an_end_without_end_no_second_chain_is_begun(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.log", 2)
    with path.open("ab") as file:
        file.write(b"x" * (5 * audit.MAX_LINE))
    with pytest.raises(AuditError, match="longer than any entry"):
        AuditLog(path)
    assert [e.number for e in list(read_entries_or_none(path))] in ([], [0, 1])


def test_every_anchor_counts_where_two_are_of_one_entry(tmp_path: Path) -> None:
    """A rewritten log that was anchored again still contradicts what was anchored before."""
    before = Anchor.sign(list(read_entries(filled(tmp_path / "a.log")))[2], OPERATOR)
    rewritten = filled(tmp_path / "b.log")
    after = Anchor.sign(list(read_entries(rewritten))[2], OPERATOR)
    for anchors in ((before, after), (after, before)):
        verdict = verify_log(rewritten, anchors=anchors, key=OPERATOR.public_key())
        assert verdict.problems == ("entry 2 is not the one that was anchored",)
    assert verify_log(rewritten, anchors=(after, after), key=OPERATOR.public_key()).whole


@pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
def test_no_file_of_the_log_is_for_others(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        path = filled(tmp_path / "a.log", 3)
        with path.open("ab") as file:
            file.write(b'{"data":{"document"')
        log = AuditLog(path)
        torn = path.with_name("a.log.torn")
        assert {f.name: stat.S_IMODE(f.stat().st_mode) for f in tmp_path.iterdir()} == dict.fromkeys(
            ("a.log", "a.log.lock", "a.log.torn"), 0o600
        )
        log.erase(document=DOCUMENT)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not torn.exists(), "what a crash cut short may be of the document that is erased"
        path.chmod(0o640)
        log.erase(document=OTHER)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640, "rights that the operator gave stay"
    finally:
        os.umask(mask)
    assert verify_log(path).whole


def test_names_that_are_numbers_are_read_back_as_they_were_hashed(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "a.log")
    log.append("note", {"scores": {9: "a", 10: "b"}})
    assert verify_log(tmp_path / "a.log").whole
    for data in ({"score": float("nan")}, {"when": datetime.now(UTC)}, {"text": "\ud800"}):
        with pytest.raises(AuditError, match="plain JSON"):
            log.append("note", data)
    with pytest.raises(AuditError, match="plain JSON"):
        log.append("\ud800", {})
    assert verify_log(tmp_path / "a.log").entries == 1


def test_a_retention_time_beyond_the_calendar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="calendar"):
        AuditLog(tmp_path / "a.log").erase(older_than=timedelta(days=999_999))
