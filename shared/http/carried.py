"""What goes with each call to another service: who asked and in which trace; and what a collector is told of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from structlog.contextvars import get_contextvars

from shared import tracing
from shared.telemetry import child_traceparent, current_traceparent

HTTP_PORT = 80


def carried_headers() -> dict[str, str]:
    """Return the headers by which the other side's lines and spans are found beside our own."""
    headers: dict[str, str] = {}
    request_id = get_contextvars().get("request_id")
    if isinstance(request_id, str):
        headers["X-Request-ID"] = request_id
    # While a call is told of as a span, the other side's spans hang on that one.
    traceparent = current_traceparent() if tracing.is_on() else child_traceparent()
    if traceparent is not None:
        headers["traceparent"] = traceparent
    return headers


@contextmanager
def told(method: str, host: str | None, port: int | None) -> Iterator[tracing.Span]:
    """Tell of a call whom it goes to; not its path, which may name a customer. The caller tells the status."""
    with tracing.span(method, tracing.Kind.CLIENT, parent=current_traceparent()) as span:
        span.tell("http.request.method", method)
        span.tell("server.address", host or "")
        span.tell("server.port", port or HTTP_PORT)
        yield span
