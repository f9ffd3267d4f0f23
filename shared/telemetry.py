"""Logs and trace context: one line per event, named statically, with scalar fields and its trace.

Log identifiers, never objects: a field that is not a plain value is replaced by the name of its type, so that
no request body or row with personal data ends up in a log by accident.
"""

import logging
import re
import secrets
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal
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

_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


def configure_logging(format: Literal["console", "json"], level: str, service: str) -> None:  # noqa: A002
    """Send structlog and the standard library's loggers through one chain to standard error."""
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
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    _take_over_standard_logging(handler, level)


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
        event["exception"] = _DATABASE_DETAIL.sub("DETAIL: (left out)", text)
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


def valid_traceparent(text: str | None) -> str | None:
    """Return a W3C `traceparent` as it is; None for what is none."""
    return text if text is not None and _TRACEPARENT.fullmatch(text) else None


def begin_trace(incoming: str | None) -> str:
    """Make the caller's trace (W3C `traceparent`) or else a new one current; return its trace id."""
    incoming = valid_traceparent(incoming)
    if incoming is None:
        incoming = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
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
    return None if current is None else f"{current[:36]}{secrets.token_hex(8)}{current[52:]}"


def inject_trace(headers: MutableMapping[str, str]) -> None:
    """Add `traceparent` to outgoing headers when a trace is current."""
    traceparent = child_traceparent()
    if traceparent is not None:
        headers["traceparent"] = traceparent
