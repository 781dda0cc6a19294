"""The whole transaction against a card that takes no time: what is ours alone, and four counters at once.

    pytest benchmarks/bench_verification.py --benchmark-enable

``extra_info.cpu_ms`` has the processor time by stage; the emulated card's own stands beside it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import pytest

from idverify import AccessPassword, CounterPool, FaceMatcher, TrustStore, verify_files
from idverify.cli._bench_runs import Record, bench_card, shared_matcher, transact
from idverify.cli._demo_card import picture
from idverify.engine.fair import FairExecutor


@pytest.fixture(scope="module")
def card() -> Any:
    return bench_card()


@pytest.fixture(scope="module")
def trust(card: Any) -> TrustStore:
    return TrustStore.from_certificates(card.trust_anchors)


@pytest.fixture(scope="module")
def matcher() -> FaceMatcher:
    return shared_matcher()


def test_files(benchmark: Any, card: Any, trust: TrustStore) -> None:
    """Passive authentication, document checks and policy without a card."""
    assert benchmark(verify_files, card.files, trust=trust).decision.outcome == "accept"


@pytest.mark.parametrize("counters", [1, 4])
def test_transaction(benchmark: Any, card: Any, trust: TrustStore, matcher: FaceMatcher, counters: int) -> None:
    password, live = AccessPassword.can(str(card.can)), picture("live")
    records: list[Record] = []
    with CounterPool(trust, matcher=matcher, limit=counters) as pool, ThreadPoolExecutor(counters) as threads:

        def run() -> None:
            records.extend(threads.map(lambda _: transact(pool, card, password, live, 0), range(counters)))

        benchmark.pedantic(run, rounds=8, warmup_rounds=1)
    assert {r.outcome for r in records} == {"accept"}
    costs = [r.cpu() for r in records]
    benchmark.extra_info["cpu_ms"] = {name: round(median(c[name] for c in costs), 3) for name in costs[0]}


def test_queue(benchmark: Any) -> None:
    """One job through the fair queue and back."""
    pool = FairExecutor(1)
    share = pool.of("a")
    assert benchmark(lambda: share.submit(int).result()) == 0
    pool.close()
