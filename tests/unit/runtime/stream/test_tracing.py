"""Traces: what headers name, and spans that a real collector receives."""

from __future__ import annotations

import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as wire
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as services
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from structlog.testing import capture_logs

from sigmac.runtime.stream.record import Headers
from sigmac.runtime.stream.tracing import (
    MAX_LINKS,
    SpanExport,
    TraceContext,
    Tracing,
    log_trace,
    open_tracing,
    parse_traceparent,
    trace_of,
)

ROOT = Path(__file__).resolve().parents[4]
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01".encode()
HEADERS: Headers = (("other", None), ("traceparent", PARENT), ("tracestate", b"a=1"))


def export(endpoint: str, sample: float = 1.0) -> SpanExport:
    return SpanExport(endpoint, sample, "edge", "group-one")


# Headers


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        (PARENT, 1),
        (f"00-{TRACE}-{SPAN}-00".encode(), 0),
        (f" 00-{TRACE}-{SPAN}-ff\t".encode(), 255),
        # A later version may have more parts.
        (f"01-{TRACE}-{SPAN}-01".encode(), 1),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings".encode(), 1),
    ],
)
def test_a_traceparent_names_a_place_in_a_trace(value: bytes, flags: int) -> None:
    assert parse_traceparent(value) == TraceContext(TRACE, SPAN, flags)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"00",
        PARENT[:-1],
        PARENT + b"0",
        PARENT + b"-more",
        PARENT.upper(),
        PARENT + b"\n",
        f"ff-{TRACE}-{SPAN}-01".encode(),
        f"00-{'0' * 32}-{SPAN}-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
        f"00-{TRACE[:-1]}g-{SPAN}-01".encode(),
        f"00_{TRACE}_{SPAN}_01".encode(),
        f"01-{TRACE}-{SPAN}-01.more".encode(),
        b"01-" + TRACE.encode() + b"-" + SPAN.encode() + b"-01-" + b"x" * 10_000,
        "００-".encode() + PARENT[3:],
        b"\xff\xfe\x00",
    ],
)
def test_anything_else_names_none(value: bytes | None) -> None:
    assert parse_traceparent(value) is None


def test_a_record_has_one_trace_or_none() -> None:
    assert trace_of(HEADERS) == TraceContext(TRACE, SPAN, 1)
    assert trace_of((("TraceParent", PARENT),)) == TraceContext(TRACE, SPAN, 1)
    assert trace_of(()) is None
    assert trace_of((*HEADERS, ("traceparent", PARENT))) is None


def test_lines_about_a_record_carry_its_trace() -> None:
    log = structlog.get_logger()
    with capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        with log_trace(HEADERS):
            log.info("inside")
        with log_trace((("traceparent", b"nonsense"),)):
            log.info("without")
        log.info("outside")
    assert (lines[0]["trace_id"], lines[0]["span_id"]) == (TRACE, SPAN)
    assert "trace_id" not in lines[1]
    assert "trace_id" not in lines[2]


# Spans


class Collector(services.TraceServiceServicer):  # type: ignore[misc]
    """Receives spans as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.received: queue.Queue[wire.ExportTraceServiceRequest] = queue.Queue()

    def Export(self, request: Any, context: Any) -> Any:
        self.received.put(request)
        return wire.ExportTraceServiceResponse()

    def spans(self) -> tuple[dict[str, str], list[Span]]:
        """What the resource says of itself, and the spans of one message."""
        (resource,) = self.received.get(timeout=20).resource_spans
        said = {each.key: each.value.string_value for each in resource.resource.attributes}
        return said, [span for scope in resource.scope_spans for span in scope.spans]


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    made = Collector()
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        services.add_TraceServiceServicer_to_server(made, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield made, f"http://127.0.0.1:{port}"
        server.stop(None).wait()


def attributes(span: Span) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, str(each.value.WhichOneof("value")))
        for each in span.attributes
    }


def test_a_batch_is_a_span_with_links_to_the_traces_of_its_records(
    collector: tuple[Collector, str],
) -> None:
    received, endpoint = collector
    tracing = open_tracing(export(endpoint), 3, "1.2.3")
    with tracing.batch() as span:
        for headers in (HEADERS, HEADERS, (), (("traceparent", b"nonsense"),)):
            span.link(headers)
        span.count(records=10, events=12, matches=2, dead_letters=1)
    tracing.close()
    resource, (sent,) = received.spans()
    assert resource["service.name"] == "edge"
    assert resource["service.version"] == "1.2.3"
    assert resource["service.instance.id"] == "worker-3"
    assert (sent.name, sent.kind) == ("process batch", Span.SPAN_KIND_CONSUMER)
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in sent.links] == [(TRACE, SPAN)]
    assert attributes(sent) == {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": "group-one",
        "messaging.batch.message_count": 10,
        "sigmac.events": 12,
        "sigmac.matches": 2,
        "sigmac.dead_letters": 1,
    }


def test_links_of_a_span_are_bounded(collector: tuple[Collector, str]) -> None:
    received, endpoint = collector
    tracing = open_tracing(export(endpoint), 0, "1")
    with tracing.batch() as span:
        for number in range(1, 3 * MAX_LINKS):
            span.link((("traceparent", f"00-{number:032x}-{SPAN}-01".encode()),))
    tracing.close()
    _, (sent,) = received.spans()
    assert [int(link.trace_id.hex(), 16) for link in sent.links] == list(range(1, MAX_LINKS + 1))


def test_a_batch_that_fails_says_so_without_a_word_of_the_event(
    collector: tuple[Collector, str],
) -> None:
    received, endpoint = collector
    tracing = open_tracing(export(endpoint), 0, "1")
    with pytest.raises(KeyError), tracing.batch():
        raise KeyError("mallory")
    tracing.close()
    _, (sent,) = received.spans()
    assert (sent.status.code, sent.status.message) == (Status.STATUS_CODE_ERROR, "KeyError")
    assert b"mallory" not in sent.SerializeToString()


def test_lines_of_a_batch_carry_its_span(collector: tuple[Collector, str]) -> None:
    received, endpoint = collector
    tracing = open_tracing(export(endpoint), 0, "1")
    log = structlog.get_logger()
    with capture_logs([structlog.contextvars.merge_contextvars]) as lines, tracing.batch():
        log.info("inside")
    tracing.close()
    _, (sent,) = received.spans()
    assert lines[0]["trace_id"] == sent.trace_id.hex()
    assert lines[0]["span_id"] == sent.span_id.hex()


def test_a_share_of_nothing_sends_nothing(collector: tuple[Collector, str]) -> None:
    received, endpoint = collector
    tracing = open_tracing(export(endpoint, sample=0), 0, "1")
    with tracing.batch() as span:
        span.link(HEADERS)
        span.count(records=1)
    tracing.close()
    assert received.received.empty()


def test_a_collector_that_is_silent_holds_nothing_up() -> None:
    before = set(threading.enumerate())
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        tracing = open_tracing(export(f"http://127.0.0.1:{silent.getsockname()[1]}"), 0, "1")
        with capture_logs() as lines:
            with tracing.batch() as span:
                span.count(records=1)
            tracing.close()
    assert [line["log_level"] for line in lines] == ["warning"]
    # The exporter still tries, with delays from `random`, which would disturb a later test's random values.
    for thread in set(threading.enumerate()) - before:
        thread.join()


# Without OpenTelemetry


def test_without_a_configuration_nothing_is_traced() -> None:
    tracing = open_tracing(None, 0, "1")
    assert type(tracing) is Tracing
    with tracing.batch() as span:
        span.link(HEADERS)
        span.count(records=1)
    tracing.close()


def test_opentelemetry_is_imported_only_where_it_is_configured() -> None:
    program = "import sys, sigmac.runtime.stream.tracing; print('opentelemetry' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_without_the_packages_it_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with capture_logs() as lines:
        tracing = open_tracing(export("http://127.0.0.1:4317"), 0, "1")
    assert type(tracing) is Tracing
    assert "pip install 'sigmac[tracing]'" in lines[0]["event"]
