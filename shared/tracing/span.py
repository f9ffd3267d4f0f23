"""What the rest of the code sees of tracing. Without a collector nothing is loaded, and a span costs a comparison.

A span says what kind of thing happened and never to whom: routes are templates, addresses and messages stay out, and
of an exception only the type is told, because databases and parsers quote values in what they say.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from shared.telemetry import as_current

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

    from shared.tracing.collector import Telling

Value = str | int | float | bool


class Kind(Enum):
    """What a span is to the other side; the names are OpenTelemetry's."""

    SERVER = "SERVER"
    CLIENT = "CLIENT"
    CONSUMER = "CONSUMER"


class Span(Protocol):
    """What is being told."""

    def rename(self, name: str) -> None: ...

    def tell(self, name: str, value: Value) -> None: ...

    def fail(self, kind: str) -> None:
        """Mark it as failed; `kind` is the type of an exception or a status, never a message."""


class _Nobody:
    """A span without a collector."""

    def rename(self, name: str) -> None:
        """Tell nobody."""

    def tell(self, name: str, value: Value) -> None:
        """Tell nobody."""

    def fail(self, kind: str) -> None:
        """Tell nobody."""


_NOBODY = _Nobody()
_telling: "Telling | None" = None


def is_on() -> bool:
    return _telling is not None


def begin(url: str, share: float, service: str) -> None:
    """Send spans of this share of all traces to an OTLP/HTTP collector, from now until the process ends."""
    # OpenTelemetry is some 15 MB, for whoever wants it.
    from shared.tracing.collector import over_http  # noqa: PLC0415

    begin_to(over_http(url), share, service)


def begin_to(processor: "SpanProcessor", share: float, service: str) -> None:
    """Hand spans to a processor. The share goes by the trace's id: every service takes the same traces."""
    # OpenTelemetry is some 15 MB, for whoever wants it.
    from shared.tracing.collector import Telling  # noqa: PLC0415

    global _telling  # noqa: PLW0603 (a process tells of one service)
    _telling = Telling(processor, share, service)


def flush() -> None:
    """Send what waits to be sent; at the end of a process that happens by itself."""
    if _telling is not None:
        _telling.flush()


def end() -> None:
    """Make no more spans."""
    global _telling  # noqa: PLW0603 (a process tells of one service)
    if _telling is not None:
        _telling.end()
    _telling = None


@contextmanager
def span(name: str, kind: Kind, *, parent: str | None = None, links: Iterable[str | None] = ()) -> Iterator[Span]:
    """Tell how long the block takes and whether it fails; what it calls and says meanwhile is of this span.

    `parent` and `links` are W3C `traceparent`s; what is none is left out.
    """
    if _telling is None:
        yield _NOBODY
        return
    told = _telling.start(name, kind.value, parent, links)
    with as_current(told.traceparent):
        try:
            yield told
        except BaseException as error:
            told.fail(type(error).__name__)
            raise
        finally:
            told.end()
