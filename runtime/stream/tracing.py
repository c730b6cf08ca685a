"""Traces: W3C trace contexts from the headers of records, and a span of OpenTelemetry for each batch.

A batch holds the records of many traces, so its span is a trace of its own, with links to the traces of the records
that came to something: matched, or became dead letters. Matches carry the `traceparent` of their record on.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from sigmac.runtime.stream.record import Headers

if TYPE_CHECKING:
    from opentelemetry.trace import Span

log = structlog.get_logger("sigmac.service.tracing")

TRACEPARENT = "traceparent"
MAX_LINKS = 128  # of one span: OpenTelemetry's own bound
_EXPORT_TIMEOUT = 5  # seconds for one message to the collector
_CLOSE_TIMEOUT = 3  # seconds for all that is left at the end
_MAX_TRACEPARENT = 512  # bytes; later versions may add parts
# W3C Trace Context, section 3.2: version 00 has these four parts, later ones may have more.
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A place in a trace: ids in hexadecimal, as `traceparent` writes them, and its flags."""

    trace_id: str
    span_id: str
    flags: int


def parse_traceparent(value: bytes | None) -> TraceContext | None:
    """The trace context that a `traceparent` holds; None where it holds none, as the specification wants it.

    >>> parse_traceparent(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    TraceContext(trace_id='0af7651916cd43dd8448eb211c80319c', span_id='b7ad6b7169203331', flags=1)
    """
    if value is None or len(value) > _MAX_TRACEPARENT:
        return None
    parts = _PARENT.fullmatch(value.decode("latin-1").strip(" \t"))
    if parts is None:
        return None
    version, trace_id, span_id, flags, more = parts.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceContext(trace_id, span_id, int(flags, 16))


def trace_of(headers: Headers) -> TraceContext | None:
    """The trace that a record belongs to, by its headers; None where there is none, or several."""
    found = [value for name, value in headers if name.lower() == TRACEPARENT]
    return parse_traceparent(found[0]) if len(found) == 1 else None


@contextmanager
def log_trace(headers: Headers) -> Iterator[None]:
    """Log lines that are written meanwhile carry the trace id and the span id of this record."""
    context = trace_of(headers)
    if context is None:
        yield
    else:
        ids = {"trace_id": context.trace_id, "span_id": context.span_id}
        with structlog.contextvars.bound_contextvars(**ids):
            yield


class BatchSpan:
    """The span of a batch in work; this one is of no tracing and does nothing."""

    def link(self, headers: Headers) -> None:
        """Link the trace of a record, where its headers name one."""

    def count(self, **numbers: int) -> None:
        """Say how many `records`, `events`, `matches` and `dead_letters` the batch had."""


class Tracing:
    """Makes spans; this one makes none."""

    @contextmanager
    def batch(self) -> Iterator[BatchSpan]:
        """The span of a batch, from its evaluation to its commit."""
        yield _NO_SPAN

    def close(self) -> None:
        """Send what is left, in a bounded time."""


_NO_SPAN = BatchSpan()


@dataclass(frozen=True, slots=True)
class SpanExport:
    """Where the spans of a service go, an OTLP endpoint, and what they say of the service."""

    endpoint: str
    sample: float  # share of the batches that are traced
    service: str
    consumer_group: str | None = None


def open_tracing(collector: SpanExport | None, worker: int, version: str) -> Tracing:
    """The tracing of a worker: spans go to the collector, from a thread of their own.

    Without a collector, or without the OpenTelemetry packages, nothing is traced; the second is logged. A collector
    that does not answer costs spans, never records.
    """
    if collector is None:
        return Tracing()
    try:
        return _OpenTelemetry(collector, worker, version)
    except ModuleNotFoundError as error:
        log.warning(
            "nothing is traced: OpenTelemetry is not installed; pip install 'sigmac[tracing]'",
            missing=error.name,
        )
        return Tracing()


class _OpenTelemetry(Tracing):
    def __init__(self, collector: SpanExport, worker: int, version: str):
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

        self._provider = TracerProvider(
            sampler=TraceIdRatioBased(collector.sample),
            resource=Resource.create(
                {
                    "service.name": collector.service,
                    "service.version": version,
                    "service.instance.id": f"worker-{worker}",
                }
            ),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint=collector.endpoint, timeout=_EXPORT_TIMEOUT)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("sigmac", version)
        self._attributes = {"messaging.operation.type": "process"}
        if collector.consumer_group is not None:
            self._attributes["messaging.system"] = "kafka"
            self._attributes["messaging.consumer.group.name"] = collector.consumer_group

    @contextmanager
    def batch(self) -> Iterator[BatchSpan]:
        from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

        with self._tracer.start_as_current_span(
            "process batch",
            kind=SpanKind.CONSUMER,
            attributes=self._attributes,
            # The text of an exception may quote an event.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            context = span.get_span_context()
            ids = {
                "trace_id": format_trace_id(context.trace_id),
                "span_id": format_span_id(context.span_id),
            }
            with structlog.contextvars.bound_contextvars(**ids):
                try:
                    yield _RecordedSpan(span)
                except BaseException as error:
                    span.set_status(StatusCode.ERROR, type(error).__qualname__)
                    raise

    def close(self) -> None:
        # A collector that does not answer would hold it up for as many batches of spans as wait.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSE_TIMEOUT)
        if closing.is_alive():
            log.warning("some spans were not sent: the collector does not answer")


class _RecordedSpan(BatchSpan):
    def __init__(self, span: Span):
        self._span = span
        self._linked: set[TraceContext] = set()

    def link(self, headers: Headers) -> None:
        if len(self._linked) == MAX_LINKS or not self._span.is_recording():
            return
        context = trace_of(headers)
        if context is not None and context not in self._linked:
            from opentelemetry.trace import SpanContext, TraceFlags

            self._linked.add(context)
            trace_id, span_id = int(context.trace_id, 16), int(context.span_id, 16)
            flags = TraceFlags(context.flags)
            self._span.add_link(SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags))

    def count(self, **numbers: int) -> None:
        for name, number in numbers.items():
            known = "messaging.batch.message_count" if name == "records" else f"sigmac.{name}"
            self._span.set_attribute(known, number)
