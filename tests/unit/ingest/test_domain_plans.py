"""Tracking plans: compiled once, judged quickly, and telling nothing of a person."""

import time
from typing import Any

import pytest

from services.ingest.domain.plans import (
    AS_PLANNED,
    DEPTH_MAX,
    EVENTS_MAX,
    FINDINGS_MAX,
    Action,
    InvalidPlan,
    Plan,
    compile_plan,
    sample_of,
)


def plan(schema: dict[str, Any], action: Action = Action.REFUSE, on_unplanned: Action = Action.ALLOW) -> Plan:
    return compile_plan({"Viewed": (schema, action)}, on_unplanned)


def test_an_event_as_planned_has_nothing_to_say() -> None:
    assert plan({"required": ["id"]}).judge("Viewed", {"id": 1}) is AS_PLANNED


def test_places_in_lists_are_one_kind_of_violation_and_keep_their_own_pointer() -> None:
    schema = {"properties": {"lines": {"items": {"properties": {"price": {"type": "number"}}}}}}
    fields = {"lines": [{"price": 1}, {"price": "secret"}]}
    (violation,) = plan(schema).judge("Viewed", fields).violations
    assert (violation.rule, violation.path, violation.pointer) == ("type", "/lines/*/price", "/lines/1/price")
    assert "secret" not in str(violation)


def test_no_more_violations_are_told_than_help() -> None:
    schema = {"additionalProperties": {"type": "null"}}
    judged = plan(schema).judge("Viewed", {str(number): number for number in range(50)})
    assert len(judged.violations) == FINDINGS_MAX


def test_messages_other_than_track_are_never_unplanned() -> None:
    strict = plan({}, on_unplanned=Action.REFUSE)
    assert strict.judge("$page", {}) is AS_PLANNED
    assert strict.judge("Dance", {}).action is Action.REFUSE


def test_a_sample_holds_types_and_no_contact_data_in_names() -> None:
    sample = sample_of({"a": 1, "b": "x", "c": [1], "d": {}, "e": None, "f": True, "me@example.com": 1})
    assert sample == (
        '{"a": "number", "b": "string", "c": "array", "d": "object", "e": "null", "f": "boolean", '
        '"[removed]": "number"}'
    )


def test_a_pattern_that_takes_for_ever_elsewhere_takes_no_time() -> None:
    hard = plan({"properties": {"a": {"pattern": "^(a+)+$"}}})
    started = time.perf_counter()
    assert hard.judge("Viewed", {"a": "a" * 5000 + "!"}).violations
    assert time.perf_counter() - started < 1


def test_an_events_own_definitions_may_be_referred_to() -> None:
    schema = {"$defs": {"money": {"type": "number"}}, "properties": {"price": {"$ref": "#/$defs/money"}}}
    assert plan(schema).judge("Viewed", {"price": "x"}).violations


def test_too_many_events_and_too_deep_a_schema_are_refused() -> None:
    with pytest.raises(InvalidPlan, match=f"at most {EVENTS_MAX}"):
        compile_plan({str(number): ({}, Action.DROP) for number in range(EVENTS_MAX + 1)})
    deep: dict[str, Any] = {}
    for _ in range(DEPTH_MAX + 1):
        deep = {"not": deep}
    with pytest.raises(InvalidPlan, match="deeper"):
        plan(deep)


def test_schemas_that_are_too_large_together_are_refused() -> None:
    large = {"description": "x" * 30_000}
    with pytest.raises(InvalidPlan, match="in all"):
        compile_plan({str(number): (large, Action.DROP) for number in range(10)})
