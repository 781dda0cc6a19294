"""Spans, metrics and structured logs of whole transactions, in OpenTelemetry's own exporters."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

if not os.environ.get("CI"):
    pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk, of the group dev")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import idverify
from idverify import AccessPassword, CounterPool, FaceMatcher, MemoryTransport, TrustStore, _telemetry, averify, verify
from idverify.emulator import Card, Fault, FaultKind, citizen_card, flip_byte
from idverify.errors import ConfigurationError, WrongPasswordError
from idverify.observability import JsonFormatter, ignore, observe

LIVE = Path(idverify.__file__).parent / "emulator" / "pictures" / "live.jpg"


@cache
def card() -> Card:
    return citizen_card(seed="observed")


@cache
def matcher() -> FaceMatcher:
    return FaceMatcher(threads=1)


class Observed:
    """What was told since the beginning of a test."""

    def __init__(self) -> None:
        self.exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracer_provider, self._meters = (
            TracerProvider(shutdown_on_exit=False),
            MeterProvider([self._reader], shutdown_on_exit=False),
        )
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        observe(tracer_provider=self.tracer_provider, meter_provider=self._meters)

    def close(self) -> None:
        ignore()
        self.tracer_provider.shutdown()
        self._meters.shutdown()

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [s for s in self.spans if s.name == f"idverify.{name}"]

    def metrics(self) -> dict[str, list[Any]]:
        data = self._reader.get_metrics_data()
        found: dict[str, list[Any]] = {}
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[metric.name] = list(metric.data.data_points)
        return found

    def everything(self) -> str:
        """All of it as text."""
        return "\n".join([*(s.to_json() for s in self.spans), repr(self.metrics())])


@pytest.fixture
def observed() -> Iterator[Observed]:
    told = Observed()
    yield told
    told.close()


def run(what: Card, **more: Any) -> idverify.VerificationResult:
    arguments: dict[str, Any] = {
        "trust": TrustStore.from_certificates(card().trust_anchors), "live": LIVE, "matcher": matcher()
    }  # fmt: skip
    password = more.pop("password", AccessPassword.can(str(card().can)))
    return verify(MemoryTransport(what), password, **(arguments | more))


def test_a_transaction_is_one_tree_of_spans(observed: Observed) -> None:
    result = run(card().fresh())
    (whole,) = observed.named("transaction")
    by_id = {s.context.span_id: s for s in observed.spans}
    parents = {s.name: by_id[s.parent.span_id].name if s.parent else None for s in observed.spans}
    assert {s.context.trace_id for s in observed.spans} == {whole.context.trace_id}
    assert parents == {
        "idverify.transaction": None,
        "idverify.card": "idverify.transaction",
        "idverify.connect": "idverify.card",
        "idverify.access": "idverify.card",
        "idverify.read": "idverify.card",
        "idverify.chip": "idverify.card",
        "idverify.live-template": "idverify.transaction",
        "idverify.portrait-template": "idverify.transaction",
        "idverify.signature": "idverify.transaction",
        "idverify.passive-authentication": "idverify.transaction",
        "idverify.matching": "idverify.transaction",
        "idverify.decision": "idverify.transaction",
    }
    files = {(s.attributes or {})["idverify.file"] for s in observed.named("read")}
    assert {"EF.COM", "EF.SOD", "DG1", "DG2"} <= files
    attributes = dict(whole.attributes or {})
    assert len(str(attributes.pop("idverify.transaction"))) == 16
    assert attributes == {
        "idverify.outcome": "accept", "idverify.policy": "counter", "idverify.reasons": (),
        "idverify.transport": "memory", "idverify.access": "pace", "idverify.apdus": result.session.apdus,
        "idverify.bytes": result.session.bytes,
    }  # fmt: skip


def test_transactions_are_counted_by_outcome_and_first_reason(observed: Observed) -> None:
    run(card().fresh())
    run(flip_byte(card(), idverify.FileId.DG1).fresh())
    with pytest.raises(WrongPasswordError):
        run(card().fresh(), password=AccessPassword.can(f"{(int(str(card().can)) + 1) % 1000000:06d}"))
    metrics = observed.metrics()
    counted = {
        (p.attributes["idverify.outcome"], p.attributes["idverify.reason"]): p.value
        for p in metrics["idverify.transactions"]
    }
    assert counted == {
        ("accept", ""): 1, ("reject", "pa.dg.hash: hash-mismatch"): 1, ("error", "WrongPasswordError"): 1
    }  # fmt: skip
    durations = {p.attributes["idverify.outcome"]: p for p in metrics["idverify.transaction.duration"]}
    assert {k: p.count for k, p in durations.items()} == {"accept": 1, "reject": 1, "error": 1}
    assert 0 < durations["accept"].sum < 60
    (apdus,) = metrics["idverify.card.apdus"]
    assert apdus.count == 2
    assert apdus.sum > 20
    stages = {p.attributes["idverify.stage"] for p in metrics["idverify.stage.duration"]}
    assert {"transaction", "card", "access", "read", "live-template", "passive-authentication", "matching"} <= stages


def test_an_exception_is_told_by_its_type_alone(observed: Observed) -> None:
    wrong = f"{(int(str(card().can)) + 1) % 1000000:06d}"
    with pytest.raises(WrongPasswordError) as caught:
        run(card().fresh(), password=AccessPassword.can(wrong))
    (whole,) = observed.named("transaction")
    assert (whole.attributes or {})["error.type"] == "WrongPasswordError"
    assert not whole.status.is_ok
    assert whole.status.description is None
    assert all(not s.events for s in observed.spans)
    assert str(caught.value) not in observed.everything()


def test_a_card_that_moves_is_a_retry(observed: Observed) -> None:
    run(card().fresh(faults=[Fault(FaultKind.REMOVE, 14)]))
    (moved,) = observed.metrics()["idverify.retries"]
    assert (dict(moved.attributes), moved.value) == ({"idverify.cause": "card-moved"}, 1)
    assert observed.named("recover")


def test_a_pool_tells_how_long_work_has_waited(observed: Observed) -> None:
    with CounterPool(TrustStore.from_certificates(card().trust_anchors), matcher=matcher(), workers=1) as pool:
        pool.verify(MemoryTransport(card().fresh()), AccessPassword.can(str(card().can)), live=LIVE)
    waits = {p.attributes["idverify.queue"]: p for p in observed.metrics()["idverify.queue.wait"]}
    assert waits["door"].count == 1
    assert waits["work"].count >= 4
    assert {s.context.trace_id for s in observed.spans} == {observed.named("transaction")[0].context.trace_id}


def test_a_transaction_stands_under_the_span_of_its_caller(observed: Observed) -> None:
    tracer = observed.tracer_provider.get_tracer("application")

    async def counter() -> None:
        with tracer.start_as_current_span("citizen"):
            await averify(
                MemoryTransport(card().fresh()), AccessPassword.can(str(card().can)),
                trust=TrustStore.from_certificates(card().trust_anchors), live=LIVE, matcher=matcher(),
            )  # fmt: skip

    asyncio.run(counter())
    (whole,), (citizen,) = observed.named("transaction"), [s for s in observed.spans if s.name == "citizen"]
    assert whole.parent is not None
    assert whole.parent.span_id == citizen.context.span_id


def test_nobody_is_told_before_and_after(observed: Observed) -> None:
    ignore()
    assert not _telemetry.listening()
    run(card().fresh())
    assert observed.spans == ()
    assert observed.metrics() == {}


def test_without_being_asked_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import sys, idverify, idverify.observability; from idverify.emulator import citizen_card;"
        "from idverify import *; card = citizen_card(seed=1);"
        "verify_files(card.files, trust=TrustStore.from_certificates(card.trust_anchors));"
        "assert not [m for m in sys.modules if m.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigurationError, match=r"idverify-emrtd\[otel\]"):
        observe()
    assert not _telemetry.listening()


def test_log_lines_are_json_and_joined_by_their_transaction() -> None:
    text = io.StringIO()
    handler, logger = logging.StreamHandler(text), logging.getLogger("idverify")
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(1)
    try:
        run(card().fresh(faults=[Fault(FaultKind.REMOVE, 14)]))
        logging.getLogger("idverify.test").warning("number %s", "001190000007")
        try:
            raise ValueError("Nguyen Van An")
        except ValueError:
            logging.getLogger("idverify.test").exception("it failed")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    lines = [json.loads(line) for line in text.getvalue().splitlines()]
    assert all({"time", "level", "logger", "message", "thread"} <= set(line) for line in lines)
    inside = [line["transaction"] for line in lines if line["logger"].startswith("idverify.chip")]
    assert len(inside) > 10
    assert len(set(inside)) == 1
    assert lines[-2]["message"] == "number <redacted>"
    assert "transaction" not in lines[-1]
    assert lines[-1]["exception"] == "ValueError"
    assert "Nguyen" not in text.getvalue()


def test_listening_costs_next_to_nothing_while_nobody_listens() -> None:
    """One comparison: no object is made for a span."""
    assert _telemetry.span("a") is _telemetry.span("b")
    assert _telemetry.context() is None
    job = object
    assert _telemetry.queued("work", job) is job
