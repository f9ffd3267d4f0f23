"""Spans tell what happened, in the trace of the logs, and nothing of what was said."""

import subprocess
import sys
from typing import Any

import asyncpg
import httpx
import pytest
import structlog
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import SecretStr

from shared import tracing
from shared.http.client import service_client
from shared.telemetry import begin_trace, current_traceparent
from shared.tracing.collector import LINKS_MAX
from tests.fixtures.spans import collecting
from tests.unit.http.conftest import RAISED

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = f"00-{TRACE}-00f067aa0ba902b7-01"
CANARY = "13988887777"


def document(exporter: InMemorySpanExporter) -> str:
    return "\n".join(span.to_json() for span in exporter.get_finished_spans())


async def test_a_request_is_a_span_named_by_its_route(
    exporter: InMemorySpanExporter, client: httpx.AsyncClient
) -> None:
    answer = await client.get("/v1/baskets", params={"limit": 3}, headers={"traceparent": CALLER})
    assert answer.status_code == 200
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind) == ("GET /v1/baskets", SpanKind.SERVER)
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/v1/baskets",
        "http.response.status_code": 200,
    }
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}-{span.parent.span_id:016x}" == CALLER[3:52]


async def test_a_trace_that_begins_here_is_the_one_in_the_log(
    exporter: InMemorySpanExporter, client: httpx.AsyncClient
) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await client.get("/v1/baskets")
    (span,) = exporter.get_finished_spans()
    assert span.parent is None
    assert span.context is not None
    assert [line["trace_id"] for line in lines if line["event"] == "request_served"] == [
        f"{span.context.trace_id:032x}"
    ]


@pytest.mark.parametrize("path", [f"/v1/baskets/{CANARY}x", f"/{CANARY}", f"/v1/baskets?limit={CANARY}"])
async def test_what_an_address_names_is_in_no_span(
    exporter: InMemorySpanExporter, client: httpx.AsyncClient, path: str
) -> None:
    await client.get(path, headers={"User-Agent": CANARY, "Authorization": f"Bearer {CANARY}"})
    await client.post(path, json={"name": CANARY})
    assert len(exporter.get_finished_spans()) == 2
    assert CANARY not in document(exporter)


async def test_an_error_of_the_database_tells_its_kind_and_none_of_its_values(
    exporter: InMemorySpanExporter, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL quotes the row that it refuses."""

    def refused() -> Exception:
        error = asyncpg.UniqueViolationError(f"Key (phone)=({CANARY}) already exists.")
        error.detail = f"Key (phone)=({CANARY}) already exists."
        error.add_note(CANARY)
        return error

    monkeypatch.setitem(RAISED, "bug", refused)
    answer = await client.get("/v1/raise/bug")
    assert answer.status_code == 500
    (span,) = exporter.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert not span.events
    assert CANARY not in document(exporter)


def test_an_exception_that_leaves_a_span_tells_its_type_alone(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match=CANARY), tracing.span("process x", tracing.Kind.CONSUMER):
        raise ValueError(CANARY)
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes or {}) == {"error.type": "ValueError"}
    assert CANARY not in document(exporter)


async def test_a_call_to_another_service_carries_its_own_span(exporter: InMemorySpanExporter) -> None:
    sent: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers)
        return httpx.Response(503)

    begin_trace(CALLER)
    transport = httpx.MockTransport(answer)
    async with service_client("http://peer:8100", SecretStr(CANARY), 1.0, transport=transport) as client:
        await client.get(f"/v1/customers/{CANARY}", params={"q": CANARY})
    (span,) = exporter.get_finished_spans()
    assert span.context is not None
    assert (span.name, span.kind) == ("GET", SpanKind.CLIENT)
    assert sent[0]["traceparent"][3:52] == f"{TRACE}-{span.context.span_id:016x}"
    assert span.attributes is not None
    assert (span.attributes["server.address"], span.attributes["http.response.status_code"]) == ("peer", 503)
    assert CANARY not in document(exporter)
    assert current_traceparent() == CALLER


def test_links_are_distinct_and_bounded(exporter: InMemorySpanExporter) -> None:
    many: list[Any] = [f"00-{number:032x}-{number:016x}-01" for number in range(1, LINKS_MAX + 50)]
    with tracing.span("process x", tracing.Kind.CONSUMER, links=[None, "no traceparent", *many[:3], *many]):
        pass
    (span,) = exporter.get_finished_spans()
    assert len(span.links) == LINKS_MAX - 2  # two of the first were none
    assert span.links[0].context.trace_id == 1


def test_every_service_takes_the_same_share_of_traces() -> None:
    exporters = []
    for name in ("ingest", "profile"):
        exporters.append(InMemorySpanExporter())
        tracing.begin_to(SimpleSpanProcessor(exporters[-1]), 0.5, name)
        for number in range(1, 200):
            parent = f"00-{(number * 0x9E3779B97F4A7C15F39CC0605CEDC834) % 2**128:032x}-{number:016x}-01"
            with tracing.span("request", tracing.Kind.SERVER, parent=parent):
                pass
    tracing.end()
    first, second = ({span.context.trace_id for span in each.get_finished_spans()} for each in exporters)
    assert first == second
    assert 50 < len(first) < 150


def test_without_a_collector_nothing_is_loaded_or_made() -> None:
    loaded = "import shared.service, sys; print('opentelemetry.sdk' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True, text=True)
    assert said.stdout.split() == ["False"]
    assert not tracing.is_on()
    before = current_traceparent()
    with tracing.span("request", tracing.Kind.SERVER) as span:
        span.rename("x")
        span.tell("a", 1)
        span.fail("E")
        assert current_traceparent() == before


def test_spans_reach_a_collector_over_http() -> None:
    with collecting() as collector:
        tracing.begin(collector.url, 1.0, "sample-api")
        try:
            with tracing.span("request", tracing.Kind.SERVER):
                pass
            tracing.flush()
        finally:
            tracing.end()
        assert [(process, span.name) for process, span in collector.spans()] == [("sample-api", "request")]
