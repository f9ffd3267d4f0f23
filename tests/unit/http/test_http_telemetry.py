"""What a log line may hold, and how a trace is carried."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import structlog

from shared.telemetry import begin_trace, child_traceparent, configure_logging, plain_values_only

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Logging as a service has it; call it for the lines written so far. Everything is put back afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    configured = structlog.get_config()
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logging("json", "info", "sample")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:], root.level = before
    structlog.configure(**configured)


def test_a_line_is_json_with_a_static_name_and_fields(logged: Any) -> None:
    structlog.get_logger().info("batch_applied", events=3, subject_id=UUID(int=1))
    (line,) = logged()
    assert line["event"] == "batch_applied"
    assert (line["service"], line["level"], line["events"], line["subject_id"]) == (
        "sample",
        "info",
        3,
        str(UUID(int=1)),
    )
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None


def test_the_standard_librarys_loggers_are_folded_in(logged: Any) -> None:
    logging.getLogger("alembic").warning("moved to %s", "0002")
    logging.getLogger("uvicorn.access").info("GET /v1/customers/42?phone=1")
    logging.getLogger("httpx").info("HTTP Request: GET http://x/secret")
    (line,) = logged()
    assert (line["event"], line["logger"], line["service"]) == ("moved to 0002", "alembic", "sample")


@pytest.mark.parametrize("level", ["info", "warning", "error", "critical"])
def test_every_level_has_its_lines(logged: Any, level: str) -> None:
    getattr(structlog.get_logger(), level)("happened")
    assert [(line["event"], line["level"]) for line in logged()] == [("happened", level)]


@pytest.mark.parametrize("gone", [BrokenPipeError(), ValueError("I/O operation on closed file")])
def test_a_line_that_nobody_can_read_any_more_fails_nothing(
    logged: Any, monkeypatch: pytest.MonkeyPatch, gone: Exception
) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise gone

    monkeypatch.setattr(sys, "stderr", Gone())
    configure_logging("json", "info", "sample")
    structlog.get_logger().info("request_served")
    assert logged() == []


def test_lines_below_the_level_are_left_out(logged: Any) -> None:
    structlog.get_logger().debug("noise")
    assert logged() == []


def test_an_exception_is_told_without_the_rows_values(logged: Any) -> None:
    refusal = ValueError("duplicate key\nDETAIL:  Key (phone)=(13912345678) already exists.\nHINT: none")
    structlog.get_logger().error("apply_failed", exc_info=refusal)
    (line,) = logged()
    assert "ValueError: duplicate key" in line["exception"]
    assert "13912345678" not in line["exception"]
    assert "HINT" in line["exception"]


def test_an_exception_is_told_without_the_arguments_of_a_query(logged: Any) -> None:
    refusal = ValueError("invalid input for query argument $2: '13912345678' (an integer is required)")
    structlog.get_logger().error("apply_failed", exc_info=refusal)
    (line,) = logged()
    assert "invalid input for query argument $2: (left out)" in line["exception"]
    assert "13912345678" not in line["exception"]


def test_a_newline_in_a_value_does_not_make_a_second_line(logged: Any) -> None:
    structlog.get_logger().info("refused", reason='a\n{"event": "forged"}')
    assert [line["event"] for line in logged()] == ["refused"]


def test_objects_are_named_by_type_and_never_written_out() -> None:
    class Customer:
        phone = "13912345678"

        def __repr__(self) -> str:
            return self.phone

    written = plain_values_only(
        None,
        "info",
        {
            "customer": Customer(),
            "body": {"phone": "13912345678"},
            "rows": [{"phone": "1"}, ("2",), "kept"],
            "raw": b"13912345678",
            "at": datetime(2026, 1, 1, tzinfo=UTC),
            "ratio": 0.5,
            "note": "x" * 400,
            "many": list(range(30)),
        },
    )
    assert written["customer"] == "<Customer>"
    assert written["body"] == "<dict>"
    assert written["rows"] == ["<dict>", "<tuple>", "kept"]
    assert written["raw"] == "<bytes>"
    assert written["at"] == "2026-01-01 00:00:00+00:00"
    assert written["ratio"] == 0.5
    assert len(written["note"]) == 301
    assert written["many"][-1] == "and 10 more"


def test_a_valid_trace_is_continued_under_a_new_span() -> None:
    assert begin_trace(TRACEPARENT) == TRACEPARENT[3:35]
    child = child_traceparent()
    assert child is not None
    assert child.startswith(TRACEPARENT[:36])
    assert child != TRACEPARENT
    assert child_traceparent() != child


@pytest.mark.parametrize(
    "given", [None, "", "00-zz-00-01", TRACEPARENT.upper(), f"00-{'0' * 32}-00f067aa0ba902b7-01", TRACEPARENT + "\n"]
)
def test_anything_else_begins_a_new_trace(given: str | None) -> None:
    trace_id = begin_trace(given)
    assert len(trace_id) == 32
    assert trace_id != TRACEPARENT[3:35]
