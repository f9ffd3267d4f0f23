"""Spans as OpenTelemetry's SDK makes, samples and sends them; the only module that loads it."""

from collections.abc import Iterable

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from shared.telemetry import current_traceparent, valid_traceparent

LINKS_MAX = 128
EXPORT_SECONDS = 5


def over_http(url: str) -> SpanProcessor:
    """Return what sends spans to an OTLP address, in batches, from a thread of its own."""
    session = requests.Session()
    session.trust_env = False  # a proxy variable of the machine must not redirect what services do
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=EXPORT_SECONDS, session=session))


class _TraceOfTheLogs(RandomIdGenerator):
    """A trace that begins here has the id that its log lines have."""

    def generate_trace_id(self) -> int:
        current = current_traceparent()
        return super().generate_trace_id() if current is None else int(current[3:35], 16)


class Telling:
    """The spans of one process."""

    def __init__(self, processor: SpanProcessor, share: float, service: str) -> None:
        self._provider = TracerProvider(
            sampler=TraceIdRatioBased(share),
            resource=Resource.create({"service.namespace": "regulars", "service.name": service}),
            id_generator=_TraceOfTheLogs(),
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("regulars")

    def start(self, name: str, kind: str, parent: str | None, links: Iterable[str | None]) -> "Told":
        """Begin a span. Exceptions are never recorded: their texts and tracebacks hold values."""
        above = _context_of(parent)
        return Told(
            self._tracer.start_span(
                name,
                context=Context() if above is None else set_span_in_context(NonRecordingSpan(above), Context()),
                kind=SpanKind[kind],
                links=_links(links),
                record_exception=False,
                set_status_on_exception=False,
            )
        )

    def flush(self) -> None:
        self._provider.force_flush()

    def end(self) -> None:
        self._provider.shutdown()


class Told:
    """One span that is being told."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def tell(self, name: str, value: str | float | bool) -> None:  # noqa: FBT001 (the value of an attribute)
        self._span.set_attribute(name, value)

    def fail(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        self._span.end()


def _links(traceparents: Iterable[str | None]) -> list[Link]:
    distinct = dict.fromkeys(traceparents)
    contexts = (_context_of(each) for each in list(distinct)[:LINKS_MAX])
    return [Link(context) for context in contexts if context is not None]


def _context_of(traceparent: str | None) -> SpanContext | None:
    text = valid_traceparent(traceparent)
    if text is None:
        return None
    flags = TraceFlags(int(text[53:55], 16))
    return SpanContext(int(text[3:35], 16), int(text[36:52], 16), is_remote=True, trace_flags=flags)
