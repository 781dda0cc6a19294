"""A process killed in the middle of transactions leaves a whole audit chain and a whole trust store behind."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from idverify import TrustStore
from idverify.audit import AuditLog, read_entries, verify_log

_COUNTERS = """
import sys, threading, time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from idverify import AccessPassword, CounterPool, MemoryTransport, TrustStore
from idverify.audit import AuditLog
from idverify.decision import COUNTER
from idverify.emulator import TestPki, citizen_card

folder, card = Path(sys.argv[1]), citizen_card(seed=4)
store = folder / "trust.idvstore"
small = TrustStore.from_certificates(card.trust_anchors)
large = TrustStore.from_certificates([*card.trust_anchors, TestPki("another").csca.der])
telling = threading.Lock()

def tell(*words):
    with telling:
        print(*words, flush=True)

def update():
    while True:
        for state in (large, small):
            state.save(store)

def counter(number, pool):
    log = AuditLog(folder / "audit.log")
    while True:
        result = pool.verify(MemoryTransport(card.fresh()), AccessPassword.can(card.can), counter=str(number),
                             at=datetime(2026, 6, 1, tzinfo=UTC))
        entry = log.record(result.decision, result.report, counter=str(number))
        tell("recorded", entry.number, entry.hash)

small.save(store)
tell("stores", small.id, large.id)
with CounterPool(small, policy=replace(COUNTER, face_fmr=None), workers=2) as pool:
    threads = [threading.Thread(target=update)] + [
        threading.Thread(target=counter, args=(n, pool)) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_in_the_middle_of_transactions_chain_and_store_are_whole(tmp_path: Path) -> None:
    log, store = tmp_path / "audit.log", tmp_path / "trust.idvstore"
    generator = random.Random(11)
    before, seen = 0, set()
    for death in itertools.count(1):
        process = subprocess.Popen([sys.executable, "-c", _COUNTERS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        _, small, large = process.stdout.readline().split()
        acknowledged = [process.stdout.readline().split()[1:] for _ in range(generator.randint(1, 8))]
        time.sleep(generator.random() * 0.05)  # anywhere: reading, proving, writing the log, replacing the store
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += [line.split()[1:] for line in process.stdout.read().splitlines() if line.count(" ") == 2]
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()

        AuditLog(log)  # opening mends a torn last line, and says so
        verdict = verify_log(log)
        assert verdict.whole, f"death {death}: {verdict.problems}"
        entries = {str(e.number): e for e in read_entries(log)}
        for number, digest in acknowledged:  # whatever was acknowledged is there
            if len(digest) == 64:
                assert entries[number].hash == digest
        assert verdict.entries >= before + len(acknowledged) - 1
        before = verdict.entries

        state = TrustStore.open(store)
        assert state.id in (small, large)
        assert len(list(state.entries())) == len(state)
        seen.add(state.id)
        if death == 6:
            break
    assert {e.event for e in entries.values()} <= {"transaction", "recovered"}
    assert all(e.data is not None and e.data["decision"]["outcome"] == "accept"
               for e in entries.values() if e.event == "transaction")  # fmt: skip
    AuditLog(log).append("transaction", {"after": "the deaths"})  # the chain goes on
    assert verify_log(log).whole
    assert seen
