"""Spans, metrics and structured logs for OpenTelemetry. Needs the extra ``otel`` for :func:`observe`.

The library depends on OpenTelemetry's API alone, and only here: providers, exporters and where anything is sent are the
application's. Nothing is told before :func:`observe`, and never holder data: spans and metrics carry stages, file names
such as ``DG2``, outcomes, policies, reason codes, counts and times. An exception is told by its type, without its
message and its traceback.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from idverify import _telemetry
from idverify._logging import redact
from idverify._telemetry import COUNTERS, HISTOGRAMS, PREFIX, Attribute, Span
from idverify._version import __version__
from idverify.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_SCOPE: Final = "idverify"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Boundaries of histograms of seconds: from one verified signature to a card at 106 kbit/s."""


def observe(*, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None) -> None:
    """Tell every span and measurement from now on; a second call replaces the first.

    Args:
        tracer_provider: takes the spans; OpenTelemetry's global one where None.
        meter_provider: takes the metrics; OpenTelemetry's global one where None.

    Raises:
        ConfigurationError: ``opentelemetry-api`` is not installed.
    """
    try:
        listener = _OpenTelemetry(tracer_provider, meter_provider)
    except ImportError:
        raise ConfigurationError("spans and metrics need opentelemetry: pip install 'idverify-emrtd[otel]'") from None
    _telemetry.listen(listener)


def ignore() -> None:
    """Tell nothing any more."""
    _telemetry.listen(None)


class _OpenTelemetry:
    """Hands spans and measurements to OpenTelemetry."""

    def __init__(self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None) -> None:
        from opentelemetry import context, metrics, trace

        self._trace, self._current = trace, context.get_current
        self._tracer = trace.get_tracer(_SCOPE, __version__, tracer_provider)
        meter = metrics.get_meter(_SCOPE, __version__, meter_provider)
        self._instruments: dict[str, Any] = {}
        for name, about in COUNTERS.items():
            self._instruments[name] = meter.create_counter(PREFIX + name, description=about).add
        for name, (unit, about) in HISTOGRAMS.items():
            boundaries = _SECONDS if unit == "s" else None
            self._instruments[name] = meter.create_histogram(
                PREFIX + name, unit=unit, description=about, explicit_bucket_boundaries_advisory=boundaries
            ).record

    def context(self) -> object:
        """The context of this thread."""
        return self._current()

    @contextlib.contextmanager
    def span(self, name: str, attributes: Mapping[str, Attribute], parent: object | None) -> Iterator[Span]:
        """A span that says of an exception its type alone."""
        context: Any = parent
        with self._tracer.start_as_current_span(
            name, context, attributes=_named(attributes), record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield _Made(span)
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(self._trace.StatusCode.ERROR)
                raise

    def measure(self, name: str, value: float, attributes: Mapping[str, Attribute]) -> None:
        """A value for its instrument."""
        self._instruments[name](value, _named(attributes))


class _Made:
    def __init__(self, span: Any) -> None:
        self._span = span

    def set(self, **attributes: Attribute) -> None:
        """Attributes of the span."""
        self._span.set_attributes(_named(attributes))


def _named(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {PREFIX + key: value for key, value in attributes.items()}


class JsonFormatter(logging.Formatter):
    """Log records as one JSON object a line: time, level, logger, message, thread, and the transaction they belong to.

    An exception is told by its type. The message passes the filter that takes out what looks like holder data.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
            "thread": record.threadName,
        }
        if transaction := _telemetry.transaction_id.get():
            line["transaction"] = transaction
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
        return json.dumps(line, ensure_ascii=False)
