"""Hostile files cost little memory; what they cost in time is in ``benchmarks/bench_hostile.py``."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest

from idverify.errors import IdVerifyError
from tests.fuzz.mutate import EXTREME, hostile
from tests.fuzz.targets import TARGETS

MAX_BYTES = 50_000_000
"""What one hostile input may cost, for every parser there is."""


@pytest.mark.parametrize("name", TARGETS)
def test_a_hostile_file_costs_less_than_50_megabytes(name: str) -> None:
    target = TARGETS[name]
    seeds = sorted(target.corpus(), key=len)
    inputs = [*EXTREME, *hostile(seeds[len(seeds) // 2])]
    for seed in seeds[:1]:  # what is made once and kept is none of the input's
        with contextlib.suppress(IdVerifyError):
            target.run(seed)
    tracemalloc.start()
    try:
        for number, raw in enumerate(inputs):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            with contextlib.suppress(IdVerifyError):
                target.run(raw)
            peak = tracemalloc.get_traced_memory()[1] - before
            assert peak < MAX_BYTES, f"input {number}: {peak} bytes for {len(raw)}"
    finally:
        tracemalloc.stop()


def test_the_measure_sees_what_an_input_costs() -> None:
    tracemalloc.start()
    try:
        kept = bytearray(MAX_BYTES + 1)
        assert tracemalloc.get_traced_memory()[1] > MAX_BYTES
        del kept
    finally:
        tracemalloc.stop()
