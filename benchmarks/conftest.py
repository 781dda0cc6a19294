"""Versions beside the machine and the commit in the JSON of every benchmark."""

from __future__ import annotations

from typing import Any

from idverify.cli._bench_runs import machine


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    """Add processor, load and the versions that decide about speed."""
    machine_info["idverify"] = machine()
