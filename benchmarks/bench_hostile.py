"""How long a parser looks at a hostile file before it refuses it: the slowest input of each.

    pytest benchmarks/bench_hostile.py --benchmark-enable

``extra_info`` has processor time, for the clock of a shared machine lies: ``worst_ms`` of the slowest input, the
``input`` it was, and its ``bytes``. The target is 50 ms for each parser; some names here stand for several.
Inputs: 4 GB lengths, object identifiers and integers of 256 KB, nesting 3000 deep, 131,000 elements, a good file cut,
over-long, or with one of these inside.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from tests.fuzz.mutate import EXTREME, hostile
from tests.fuzz.targets import TARGETS

from idverify.errors import IdVerifyError


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_files(benchmark: Any, name: str) -> None:
    target = TARGETS[name]
    seeds = sorted(target.corpus(), key=len)
    inputs = [*EXTREME, *hostile(seeds[len(seeds) // 2])]

    def look(raw: bytes) -> float:
        started = time.process_time()
        with contextlib.suppress(IdVerifyError):
            target.run(raw)
        return time.process_time() - started

    look(seeds[0])  # what is made once is none of the input's
    costs = [min(look(raw), look(raw)) for raw in inputs]
    worst = max(range(len(inputs)), key=costs.__getitem__)
    benchmark.extra_info.update(worst_ms=round(1e3 * costs[worst], 2), input=worst, bytes=len(inputs[worst]))
    benchmark.pedantic(lambda: look(inputs[worst]), rounds=3)
