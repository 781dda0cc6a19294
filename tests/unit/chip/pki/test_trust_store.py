"""The trust store: finding, opening, damage, updates that are cut off, readers beside a writer."""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
import sys
import textwrap
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import shared

from idverify import emulator
from idverify.chip.pki import store_file
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.crl import RevocationList
from idverify.chip.pki.trust_store import Anchor, EntryKind, Provenance, TrustStore, TrustStoreBuilder, export, is_store
from idverify.emulator.pki import TestPki
from idverify.errors import IdVerifyError, MalformedDataError, TrustStoreError

VN = TestPki("store", csca_key="secp256r1", dsc_key="secp256r1")
DE = TestPki("another store", country="DE", csca_key="secp256r1", dsc_key="secp256r1")
CSCAS = [Certificate.parse(c.der) for c in (VN.csca, VN.issue_csca(2), VN.impostor().csca, DE.csca, DE.issue_csca(2))]


@pytest.fixture(scope="module")
def both_lists() -> TrustStore:
    names = ("de_ml_2025_06_25.ml", "nl_ml_2025_12_20.ml")
    return TrustStore.load([shared(f"vectors/masterlists/{n}") for n in names])


def builder() -> TrustStoreBuilder:
    new = TrustStoreBuilder()
    provenance = Provenance("list.ml", "master-list", Anchor.ROOT, "C=UT, CN=Signer", "2026-01-01", "2026-02-02")
    for certificate in CSCAS:
        new.add(certificate, EntryKind.CSCA, provenance)
    new.add(Certificate.parse(VN.dsc.der), EntryKind.PINNED_SIGNER)
    new.add(Certificate.parse(DE.dsc.der), EntryKind.DOCUMENT_SIGNER)
    new.add_revocation_list(RevocationList.parse(VN.crl([5])))
    new.add_deviation_list(b"\x30\x00", "DE")
    return new


def test_candidates_come_by_name_key_and_country_likeliest_first() -> None:
    store = TrustStore.from_certificates(CSCAS)
    dsc = Certificate.parse(VN.dsc.der)
    assert dsc.authority_key_id is not None
    found = store.candidates(dsc.issuer, dsc.authority_key_id.key_id)
    assert found[0].certificate == CSCAS[0]
    assert {c.certificate for c in found} == set(CSCAS[:3])
    assert all(c.trusted for c in found)
    assert not store.candidates(Certificate.parse(TestPki("x", country="FR").csca.der).issuer, None)
    by_key = store.candidates(CSCAS[3].issuer, CSCAS[1].subject_key_id, "VN")
    assert by_key[0].certificate == CSCAS[1]


def test_signers_lists_and_pins_are_found() -> None:
    store = builder().build()
    signer, pinned = Certificate.parse(DE.dsc.der), Certificate.parse(VN.dsc.der)
    assert store.document_signers(signer.issuer, signer.serial_number) == (signer,)
    assert store.document_signers(signer.issuer, signer.serial_number + 1) == ()
    assert signer.subject_key_id is not None
    assert signer in store.document_signers_by_key(signer.subject_key_id)
    assert store.is_pinned(pinned)
    assert not store.is_pinned(signer)
    assert [crl.revoked.keys() for crl in store.revocation_lists(CSCAS[0].subject)] == [{5}]
    assert store.revocation_lists(CSCAS[3].subject) == ()
    assert store.counts() == {
        EntryKind.CSCA: 5,
        EntryKind.DOCUMENT_SIGNER: 1,
        EntryKind.PINNED_SIGNER: 1,
        EntryKind.CRL: 1,
        EntryKind.DEVIATION_LIST: 1,
    }
    assert store.countries() == {"DE": 2, "VN": 3}
    entry = store.get(CSCAS[0].fingerprint)
    assert entry is not None
    assert entry.trusted
    assert entry.provenance.issuer == "C=UT, CN=Signer"
    assert store.get(bytes(32)) is None


def test_a_file_holds_what_was_put_in(tmp_path: Path) -> None:
    store = builder().build()
    for path in (tmp_path / "directory", tmp_path / "single.idvstore"):
        store.save(path)
        again = TrustStore.open(path)
        assert is_store(path)
        assert (again.id, len(again)) == (store.id, len(store))
        assert {(e.kind, e.data, e.provenance, e.country) for e in again.entries()} == {
            (e.kind, e.data, e.provenance, e.country) for e in store.entries()
        }
        assert TrustStore.load([path]).id == store.id
    assert not is_store(tmp_path)


def test_identity_follows_the_content_only() -> None:
    assert TrustStore.from_certificates(CSCAS).id == TrustStore.from_certificates(reversed(CSCAS)).id
    assert TrustStore.from_certificates(CSCAS).id != TrustStore.from_certificates(CSCAS[1:]).id
    other_source = TrustStoreBuilder()
    for certificate in CSCAS:
        other_source.add(certificate, EntryKind.CSCA, Provenance("elsewhere"))
    assert other_source.build().id == TrustStore.from_certificates(CSCAS).id
    pinned = TrustStoreBuilder()
    pinned.add(CSCAS[0], EntryKind.PINNED_SIGNER)
    assert pinned.build().id != TrustStore.from_certificates(CSCAS[:1]).id


def test_differences_and_removal() -> None:
    old = TrustStore.from_certificates(CSCAS[:3])
    change = TrustStoreBuilder(old)
    assert change.add(CSCAS[4], EntryKind.CSCA)
    assert not change.add(CSCAS[4], EntryKind.CSCA)
    assert change.remove(CSCAS[0].fingerprint) == 1
    difference = old.difference(change.build())
    assert [e.data for e in difference.added] == [CSCAS[4].der]
    assert [e.data for e in difference.removed] == [CSCAS[0].der]


def test_an_export_can_be_imported_again(tmp_path: Path) -> None:
    store = TrustStoreBuilder(builder().build())
    store.remove(hashlib.sha256(b"\x30\x00").digest())
    whole = store.build()
    assert export(whole, tmp_path / "out") == 8
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert index["id"] == whole.id
    assert {e["kind"] for e in index["entries"]} == {"csca", "document-signer", "pinned-signer", "crl"}
    assert all(
        hashlib.sha256((tmp_path / "out" / e["file"]).read_bytes()).hexdigest() == e["sha256"] for e in index["entries"]
    )
    again = TrustStore.load([tmp_path / "out"])
    assert {e.data for e in again.entries()} == {e.data for e in whole.entries()}
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TrustStoreError):
        export(whole, tmp_path / "file" / "out")


def test_an_empty_store_opens_and_finds_nothing(tmp_path: Path) -> None:
    TrustStoreBuilder().build().save(tmp_path / "empty.idvstore")
    empty = TrustStore.open(tmp_path / "empty.idvstore")
    assert len(empty) == 0
    assert empty.candidates(CSCAS[0].issuer, b"key", "VN") == ()


def test_stores_that_are_none_are_refused(tmp_path: Path) -> None:
    for name, data in {"empty": b"", "noise": b"\0" * 100, "short": b"IDVTRUST"}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(TrustStoreError):
            TrustStore.open(tmp_path / name)
    with pytest.raises(TrustStoreError):
        TrustStore.open(tmp_path / "absent")
    with pytest.raises(TrustStoreError):
        TrustStore.load([tmp_path / "absent"])
    with pytest.raises(TrustStoreError):
        TrustStore.load([tmp_path / "noise"])
    with pytest.raises(MalformedDataError):
        TrustStore.from_certificates([b"noise"])


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_noticed(data: st.DataObject) -> None:
    store = builder().build()
    raw = bytearray(builder()._encode())
    position = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        raw[position] ^= data.draw(st.integers(1, 255))
    else:
        del raw[position:]
    try:
        damaged = TrustStore(store_file.StoreFile(bytes(raw)))
        entries = {(e.kind, e.data) for e in damaged.entries()}
    except TrustStoreError:
        return
    pytest.fail(f"a change at byte {position} went unnoticed: {entries == {(e.kind, e.data) for e in store.entries()}}")


def test_both_shared_lists_round_trip(both_lists: TrustStore, tmp_path: Path) -> None:
    both_lists.save(tmp_path)
    opened = TrustStore.open(tmp_path)
    assert (len(opened), opened.id) == (599, both_lists.id)
    for entry in list(opened.entries())[::37]:
        certificate = Certificate.parse(entry.data)
        found = opened.candidates(certificate.subject, certificate.subject_key_id)
        assert found[0].certificate.subject_key_id == certificate.subject_key_id
        assert certificate in {c.certificate for c in found}


_KILLED = """
    import os, sys
    from pathlib import Path
    from idverify.chip.pki import store_file
    from idverify.chip.pki.trust_store import TrustStore, TrustStoreBuilder, EntryKind
    from idverify.chip.pki.certificate import Certificate

    path, more = Path(sys.argv[1]), Path(sys.argv[2])
    store_file._CHUNK = 700
    old = TrustStore.open(path).id
    change = TrustStoreBuilder(TrustStore.open(path))
    change.add(Certificate.parse(more.read_bytes()), EntryKind.CSCA)
    new = change.build().id
    deaths = 0
    for fatal in range(200):
        child = os.fork()
        if child == 0:
            calls = 0
            def mortal(name, real):
                def call(*args, **kwargs):
                    global calls
                    calls += 1
                    if calls > fatal:
                        if name == "write":
                            real(args[0], args[1][: len(args[1]) // 2])
                        os._exit(9)
                    return real(*args, **kwargs)
                return call
            for name in ("write", "fsync", "close", "chmod", "replace", "open"):
                setattr(store_file.os, name, mortal(name, getattr(os, name)))
            with store_file.locked(path):
                change.write(path)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        state = TrustStore.open(path)
        assert state.id in (old, new), fatal
        assert len(list(state.entries())) == len(state)
        if code == 0:
            assert state.id == new
            break
        deaths += 1
        TrustStoreBuilder(TrustStore.open(path)).remove(Certificate.parse(more.read_bytes()).fingerprint)
        restore = TrustStoreBuilder(state)
        restore.remove(Certificate.parse(more.read_bytes()).fingerprint)
        with store_file.locked(path):
            restore.write(path)
        assert TrustStore.open(path).id == old
    left = [p.name for p in path.parent.iterdir() if p.name.endswith(".tmp")]
    print(deaths, left)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_an_update_killed_at_every_write_leaves_the_old_or_the_new_store(tmp_path: Path) -> None:
    path, more = tmp_path / "trust.idvstore", tmp_path / "more.cer"
    TrustStore.from_certificates(CSCAS[:4]).save(path)
    more.write_bytes(CSCAS[4].der)
    script = textwrap.dedent(_KILLED)
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), str(more)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    deaths, left = done.stdout.split(" ", 1)
    assert int(deaths) >= 8
    assert left.strip() == "[]"


def test_readers_beside_a_writer_see_one_state_or_the_other(tmp_path: Path) -> None:
    path = tmp_path / "trust.idvstore"
    states = [TrustStore.from_certificates(CSCAS[:2]), TrustStore.from_certificates(CSCAS)]
    states[0].save(path)
    expected = {s.id: len(s) for s in states}
    problems: list[object] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                seen = TrustStore.open(path)
                if expected.get(seen.id) != len(list(seen.entries())):
                    problems.append(seen)
            except IdVerifyError as error:
                problems.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(30):
        states[turn % 2].save(path)
    stop.set()
    for reader in readers:
        reader.join()
    assert problems == []


_UPDATER = """
    import sys
    from pathlib import Path
    from idverify.chip.pki.trust_store import TrustStore

    path, first, second = map(Path, sys.argv[1:])
    states = [TrustStore.open(first), TrustStore.open(second)]
    print("ready", flush=True)
    for turn in range(100_000):
        states[turn % 2].save(path)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_an_updater_that_is_killed_leaves_one_state_or_the_other_to_every_reader(tmp_path: Path) -> None:
    """A process of its own updates without a pause and dies at any moment; this one reads all the while."""
    first, second, path = (tmp_path / f"{n}.idvstore" for n in ("first", "second", "trust"))
    states = [TrustStore.from_certificates(CSCAS[:2]), TrustStore.from_certificates(CSCAS)]
    for state, place in zip(states, (first, second), strict=True):
        state.save(place)
    states[0].save(path)
    sizes = {s.id: len(s) for s in states}
    seen: set[str] = set()
    for turn in range(6):
        command = [sys.executable, "-c", textwrap.dedent(_UPDATER), *map(str, (path, first, second))]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as updater:
            assert updater.stdout is not None
            assert updater.stdout.readline() == b"ready\n"
            met, until = set[str](), time.monotonic() + 20
            for number in itertools.count():
                opened = TrustStore.open(path)
                assert len(list(opened.entries())) == sizes[opened.id]
                met.add(opened.id)
                if (met == set(sizes) and number >= 11 * turn) or time.monotonic() > until:
                    break
            updater.kill()
        seen |= met
        opened = TrustStore.open(path)
        assert len(list(opened.entries())) == sizes[opened.id]
    assert seen == set(sizes)
    states[1].save(path)  # the dead updater's lock and its half-written file are in nobody's way
    assert TrustStore.open(path).id == states[1].id
    assert not list(tmp_path.glob(".*.tmp"))


def test_an_open_store_keeps_its_snapshot_when_the_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "trust.idvstore"
    TrustStore.from_certificates(CSCAS[:2]).save(path)
    before = TrustStore.open(path)
    TrustStore.from_certificates(CSCAS[2:]).save(path)
    assert {e.data for e in before.entries()} == {c.der for c in CSCAS[:2]}


def test_a_country_that_is_a_path_stays_inside_the_folder(tmp_path: Path) -> None:
    odd = TrustStore.from_certificates([emulator.TestPki(5, country="/x").csca.der])
    assert next(iter(odd.entries())).country == "/X"
    assert export(odd, tmp_path / "out") == 1
    (written,) = (tmp_path / "out").glob("*.cer")
    assert written.name.startswith("X-csca-")


def test_the_newest_list_that_somebody_vouches_for_says_how_old_a_store_is() -> None:
    def listed(dated: str | None, anchor: Anchor = Anchor.ROOT, added: str | None = None) -> Provenance:
        return Provenance("l.ml", "master-list", anchor, None, dated, added)

    old, new = "2025-01-01T00:00:00+00:00", "2026-01-01T00:00:00+07:00"
    builder = TrustStoreBuilder()
    assert builder.build().dated is None
    assert builder.add(CSCAS[0], EntryKind.CSCA, listed(old))
    assert builder.add(CSCAS[1], EntryKind.CSCA, listed("2026-02-01T00:00:00+00:00", Anchor.UNVERIFIED))
    assert builder.add(CSCAS[2], EntryKind.CSCA, Provenance(added="2026-03-01T00:00:00+00:00"))
    assert builder.build().dated == datetime.fromisoformat(old)
    assert not builder.add(CSCAS[0], EntryKind.CSCA, listed(new, Anchor.LIST)), "another standing renews nothing"
    assert not builder.add(CSCAS[0], EntryKind.CSCA, listed("2024-01-01T00:00:00+00:00"))
    assert not builder.add(CSCAS[0], EntryKind.CSCA, listed("soon"))
    assert (builder.renewed, builder.build().dated) == (0, datetime.fromisoformat(old))
    assert not builder.add(CSCAS[0], EntryKind.CSCA, listed(new))
    assert (builder.renewed, builder.build().dated) == (1, datetime.fromisoformat(new))


def test_a_store_without_lists_is_as_old_as_its_last_addition() -> None:
    builder = TrustStoreBuilder()
    builder.add(CSCAS[0], EntryKind.CSCA, Provenance(added="2026-03-01T00:00:00+00:00"))
    builder.add(CSCAS[1], EntryKind.CSCA, Provenance(added="2026-03-01T00:00:00"))
    builder.add(CSCAS[2], EntryKind.CSCA)
    assert builder.build().dated == datetime.fromisoformat("2026-03-01T00:00:00+00:00")
    assert not builder.add(CSCAS[0], EntryKind.CSCA, Provenance(added="2026-02-01T00:00:00+00:00"))
    assert builder.build().dated == datetime.fromisoformat("2026-03-01T00:00:00+00:00")
    assert not builder.add(CSCAS[0], EntryKind.CSCA, Provenance(added="2026-04-01T00:00:00+00:00"))
    assert builder.build().dated == datetime.fromisoformat("2026-04-01T00:00:00+00:00")
