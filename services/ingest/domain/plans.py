"""Tracking plans: what a source said it would send, as one JSON Schema per event, and what it sends instead.

A schema comes from people and runs on every event: regular expressions run in linear time, nothing is fetched,
and no message ever quotes a value.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import jsonschema_rs

from services.ingest.domain.privacy import scrubbed_text

EVENTS_MAX = 200
SCHEMA_BYTES_MAX = 32_000
PLAN_BYTES_MAX = 256_000
DEPTH_MAX = 20
FINDINGS_MAX = 5
"""Violations told of one event; one that breaks everything says no more by fifty."""
NAME_CHARS_MAX = 200
PATH_CHARS_MAX = 300
SAMPLE_FIELDS_MAX = 40
UNPLANNED = "unplanned"
MESSAGES = frozenset({"$identify", "$group", "$page", "$screen"})
"""Names under which messages other than track have their schema, over their traits or properties."""

_REGEX_BYTES_MAX = 1_000_000
_LOCAL_REFERENCE = "#/$defs/"
_MASK = "the value"
_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", type(None): "null"}


class Action(StrEnum):
    """What to do with an event that is not as planned."""

    ALLOW = "allow"
    DROP = "drop"
    REFUSE = "refuse"


class InvalidPlan(ValueError):
    """A plan that cannot be used; says which part and how to mend it."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which an event is not as planned; holds no value of the event."""

    event: str
    rule: str
    """The keyword of JSON Schema that does not hold (required, type, …), or `unplanned`."""
    path: str
    """JSON pointer to the place, indices of lists as `*`."""
    message: str
    pointer: str
    """JSON pointer to this one place."""
    sample: str
    """The event's fields with types in place of values, as JSON."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a plan says of one event."""

    action: Action
    violations: tuple[Violation, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedEvent:
    validator: jsonschema_rs.Draft202012Validator
    on_violation: Action


AS_PLANNED = Judgement(Action.ALLOW)


@dataclass(frozen=True, slots=True)
class Plan:
    """A tracking plan, compiled once."""

    events: Mapping[str, PlannedEvent]
    on_unplanned: Action

    def judge(self, name: str, fields: Mapping[str, Any]) -> Judgement:
        """Say whether an event is as planned. Only track events can be unplanned."""
        planned = self.events.get(name)
        if planned is None:
            return AS_PLANNED if name in MESSAGES else Judgement(self.on_unplanned, (_unplanned(name, fields),))
        if planned.validator.is_valid(fields):
            return AS_PLANNED
        return Judgement(planned.on_violation, tuple(_violations(name, planned.validator, fields)))


def compile_plan(
    schemas: Mapping[str, tuple[Mapping[str, Any], Action]], on_unplanned: Action = Action.ALLOW
) -> Plan:
    """Compile schemas by event name, each with what to do about violations. Raises InvalidPlan."""
    if len(schemas) > EVENTS_MAX:
        raise InvalidPlan(f"names {len(schemas)} events, at most {EVENTS_MAX} are taken", "/events")
    if sum(len(json.dumps(schema)) for schema, _ in schemas.values()) > PLAN_BYTES_MAX:
        raise InvalidPlan(f"its schemas are larger than {PLAN_BYTES_MAX // 1000} kB in all", "/events")
    events = {
        name: PlannedEvent(_validator(schema, f"/events/{_escaped(name)}/schema"), action)
        for name, (schema, action) in schemas.items()
    }
    return Plan(events, on_unplanned)


def _validator(schema: Mapping[str, Any], field: str) -> jsonschema_rs.Draft202012Validator:
    if len(json.dumps(schema)) > SCHEMA_BYTES_MAX:
        raise InvalidPlan(f"is larger than {SCHEMA_BYTES_MAX // 1000} kB; plan the fields that count", field)
    _check_parts(schema, field)
    try:
        return jsonschema_rs.Draft202012Validator(
            dict(schema),
            mask=_MASK,
            offline=True,
            validate_formats=True,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=_REGEX_BYTES_MAX, dfa_size_limit=_REGEX_BYTES_MAX),
        )
    except ValueError as error:
        reason = str(error).partition("\n")[0][:300]
        raise InvalidPlan(f"is no JSON Schema (draft 2020-12) that can be used here: {reason}", field) from error


def _check_parts(schema: Mapping[str, Any], field: str) -> None:
    for place, depth, part in _parts(schema):
        if depth > DEPTH_MAX:
            raise InvalidPlan(f"is nested deeper than {DEPTH_MAX} levels", field)
        reference = part.get("$ref") if isinstance(part, Mapping) else None
        if isinstance(part, Mapping) and ("$dynamicRef" in part or ("$schema" in part and place)):
            raise InvalidPlan("uses $dynamicRef or an inner $schema; neither is taken", field + place)
        if not isinstance(reference, str):
            continue
        if not reference.startswith(_LOCAL_REFERENCE):
            raise InvalidPlan(f"$ref leads out of the schema; only {_LOCAL_REFERENCE}NAME is taken", field + place)
        if place.startswith("/$defs/"):
            # Definitions that refer to one another can make one event's check take for ever.
            raise InvalidPlan("a definition refers to another; write it out", field + place)


def _parts(document: object) -> Iterator[tuple[str, int, object]]:
    waiting: list[tuple[str, int, object]] = [("", 0, document)]
    while waiting:
        place, depth, part = waiting.pop()
        yield place, depth, part
        if depth > DEPTH_MAX:
            continue
        if isinstance(part, Mapping):
            waiting += [(f"{place}/{_escaped(str(name))}", depth + 1, inner) for name, inner in part.items()]
        elif isinstance(part, list):
            waiting += [(f"{place}/{index}", depth + 1, inner) for index, inner in enumerate(part)]


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _unplanned(name: str, fields: Mapping[str, Any]) -> Violation:
    message = "this event is not in the source's tracking plan"
    return Violation(_clean(name), UNPLANNED, "", message, "", sample_of(fields))


def _violations(
    name: str, validator: jsonschema_rs.Draft202012Validator, fields: Mapping[str, Any]
) -> Iterator[Violation]:
    sample = sample_of(fields)
    for number, error in enumerate(validator.iter_errors(fields)):
        if number == FINDINGS_MAX:
            return
        parts = [part if isinstance(part, int) else _escaped(_clean(part)) for part in error.instance_path]
        pointer = "".join(f"/{part}" for part in parts)[:PATH_CHARS_MAX]
        path = "".join("/*" if isinstance(part, int) else f"/{part}" for part in parts)[:PATH_CHARS_MAX]
        yield Violation(_clean(name), error.kind.name, path, _clean(error.message), pointer, sample)


def sample_of(fields: Mapping[str, Any]) -> str:
    """Return the fields' names and the types of their values: enough to see a mistake, nothing of a person."""
    shown = {_clean(str(name)): _type_of(value) for name, value in list(fields.items())[:SAMPLE_FIELDS_MAX]}
    return json.dumps(shown, ensure_ascii=False)


def _type_of(value: object) -> str:
    return _TYPES.get(type(value), "object")


def _clean(text: str) -> str:
    """Return a text without contact data: names of events and fields are the sender's own choice."""
    return scrubbed_text(text)[:NAME_CHARS_MAX]
