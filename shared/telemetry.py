"""Logs and trace context: one line per event, named statically, with scalar fields and its trace.

Log identifiers, never objects: a field that is not a plain value is replaced by the name of its type, so that
no request body or row with personal data ends up in a log by accident.
"""

import logging
import random
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TextIO
from uuid import UUID

import orjson
import structlog
from structlog.typing import EventDict, Processor

TEXT_CHARS_MAX = 300
LIST_ITEMS_MAX = 20
# Written by the processors themselves; an exception's text is cut by `_exception_without_details`.
_OWN_FIELDS = frozenset({"event", "exception", "level", "logger", "service", "timestamp"})
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
# PostgreSQL puts the values of the offending row into these lines of its messages.
_DATABASE_DETAIL = re.compile(r"^DETAIL: .*$", re.MULTILINE)
# And its driver those that it cannot send.
_DRIVER_ARGUMENT = re.compile(r"(query argument \$\d+): .*$", re.MULTILINE)

# Names of requests and traces keep nobody out; asking the system for each is three calls of it a request.
_random = random.Random()  # noqa: S311
_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


def configure_logging(format: Literal["console", "json"], level: str, service: str) -> None:  # noqa: A002
    """Send structlog and the standard library's loggers through one chain to standard error.

    Our own lines go there directly: by way of the standard library each takes twice the time, and there is one for
    nearly every request.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _naming(service),
        structlog.processors.format_exc_info,
        _exception_without_details,
        plain_values_only,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(format)],
        )
    )
    lines = _Lines(sys.stderr)
    structlog.configure(
        processors=[*shared, _renderer(format)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    _take_over_standard_logging(handler, level)


class _Lines:
    """Writes finished lines to a stream. One that nobody reads any more fails no request."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = msg


def _take_over_standard_logging(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # The application writes its own access line; these repeat it, with whole addresses in them.
    for name in ("uvicorn.access", "httpx", "httpcore", "aiokafka"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _renderer(format: str) -> Processor:  # noqa: A002
    if format == "console":
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer(serializer=_json)


def _json(event: Mapping[str, Any], **_options: object) -> str:
    return orjson.dumps(event, default=str).decode()


def _naming(service: str) -> Processor:
    def add_service(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add_service


def _exception_without_details(_logger: object, _method: str, event: EventDict) -> EventDict:
    text = event.get("exception")
    if isinstance(text, str):
        text = _DATABASE_DETAIL.sub("DETAIL: (left out)", text)
        event["exception"] = _DRIVER_ARGUMENT.sub(r"\1: (left out)", text)
    return event


def plain_values_only(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Keep scalars and short lists of them; replace anything else by the name of its type."""
    for name, value in event.items():
        if name not in _OWN_FIELDS and not name.startswith("_"):
            event[name] = _plain(value)
    return event


def _plain(value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return value if len(value) <= TEXT_CHARS_MAX else value[:TEXT_CHARS_MAX] + "…"
        case Enum():
            return _plain(value.value)
        case UUID() | date() | datetime() | Decimal() | Path():
            return str(value)
        case list() | tuple() | set() | frozenset():
            return _plain_list(list(value))
        case _:
            return f"<{type(value).__name__}>"


def _plain_list(values: Sequence[object]) -> list[object]:
    shown = [
        f"<{type(v).__name__}>" if isinstance(v, list | tuple | set) else _plain(v) for v in values[:LIST_ITEMS_MAX]
    ]
    return shown if len(values) <= LIST_ITEMS_MAX else [*shown, f"and {len(values) - LIST_ITEMS_MAX} more"]


def random_hex(count: int) -> str:
    """Return so many random bytes as text: to tell things apart, never to keep anybody out."""
    return f"{_random.getrandbits(8 * count):0{2 * count}x}"


def valid_traceparent(text: str | None) -> str | None:
    """Return a W3C `traceparent` as it is; None for what is none."""
    return text if text is not None and _TRACEPARENT.fullmatch(text) else None


def begin_trace(incoming: str | None) -> str:
    """Make the caller's trace (W3C `traceparent`) or else a new one current; return its trace id."""
    incoming = valid_traceparent(incoming)
    if incoming is None:
        incoming = f"00-{random_hex(16)}-{random_hex(8)}-01"
    _traceparent.set(incoming)
    return incoming[3:35]


def current_traceparent() -> str | None:
    """Return the `traceparent` to store with an event, or None outside any request or record."""
    return _traceparent.get()


@contextmanager
def as_current(traceparent: str) -> Iterator[None]:
    """Have this `traceparent` be the current one inside the block."""
    token = _traceparent.set(traceparent)
    try:
        yield
    finally:
        _traceparent.reset(token)


def child_traceparent() -> str | None:
    """Return a `traceparent` of the same trace with a span id of its own, for a call to another process."""
    current = _traceparent.get()
    return None if current is None else f"{current[:36]}{random_hex(8)}{current[52:]}"
