"""The snapshots agree with the classes, and a change is found, judged and laid at somebody's door."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from shared.events import event_class
from shared.events.catalogue import EXAMPLES, SCHEMAS
from shared.events.receipts import ReceiptRecordedV1
from tools import schema_snapshots
from tools.event_docs import events_page
from tools.schema_diff import Schema, changes_between
from tools.schema_snapshots import current_schemas, differences, main, schema_of, stored_schemas


def test_snapshots_agree_with_the_classes() -> None:
    assert [str(each) for each in differences(stored_schemas(SCHEMAS), current_schemas())] == []


def test_the_events_page_agrees_with_the_catalogue() -> None:
    assert schema_snapshots.PAGE.read_text() == events_page()


def test_check_passes_on_the_repository(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    assert capsys.readouterr().out == ""


def test_every_example_meets_its_snapshot() -> None:
    schemas = stored_schemas(SCHEMAS)
    for path in EXAMPLES.rglob("*.json"):
        event_type, version = path.relative_to(EXAMPLES).parts[:2]
        envelope = json.loads(path.read_text())
        Draft202012Validator(schemas["Envelope.v1.json"]).validate(envelope)
        Draft202012Validator(schemas[f"{event_type}.{version}.json"]).validate(envelope["data"])


def _set(*path: str, to: object) -> Callable[[Schema], None]:
    def change(schema: Schema) -> None:
        for step in path[:-1]:
            schema = schema[step]
        schema[path[-1]] = to

    return change


def _remove_currency(schema: Schema) -> None:
    del schema["properties"]["currency"]


def _require_weather(schema: Schema) -> None:
    schema["properties"]["weather"] = {"type": "string"}
    schema["required"].append("weather")


def _require_channel(schema: Schema) -> None:
    schema["required"].append("channel")


def _remove_exchange(schema: Schema) -> None:
    schema["properties"]["kind"]["enum"].remove("exchange")


def _forbid_null_staff(schema: Schema) -> None:
    schema["properties"]["staff_id"]["anyOf"].pop()


_LINE = ("$defs", "ReceiptLine", "properties")

BREAKING: dict[str, tuple[Callable[[Schema], None], str]] = {
    "a removed field": (_remove_currency, "currency: field removed"),
    "a new required field": (_require_weather, "weather: required field added"),
    "a field that becomes required": (_require_channel, "channel: is now required"),
    "a removed value": (_remove_exchange, "kind: value exchange removed"),
    "null no longer allowed": (_forbid_null_staff, "staff_id: no longer allows null"),
    "another type": (_set(*_LINE, "quantity", "type", to="number"), "lines[].quantity: no longer allows string"),
    "a lower maximum": (_set(*_LINE, "amount_minor", "maximum", to=5), "lines[].amount_minor: narrowed"),
    "a new minimum length": (_set("properties", "coupons", "minItems", to=1), "coupons: narrowed"),
    "another pattern": (_set("properties", "currency", "pattern", to="^CNY$"), "currency: pattern"),
    "another format": (_set("properties", "receipt_id", "format", to="uri"), "receipt_id: no longer allows"),
    "a list of values": (_set("properties", "currency", "enum", to=["CNY"]), "currency: narrowed to a list"),
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_breaking_change_is_caught_and_names_who_is_hit(name: str) -> None:
    change, expected = BREAKING[name]
    stored, changed = current_schemas(), current_schemas()
    change(changed["ReceiptRecorded.v1.json"])
    (difference,) = differences(stored, changed)
    assert difference.is_breaking
    assert f"BREAKING {expected}" in str(difference)
    assert "owner ingest; consumers profile, recommend, churn, campaign" in str(difference)


def _add_optional(schema: Schema) -> None:
    schema["properties"]["weather"] = {"type": "string", "default": "unknown"}


COMPATIBLE: dict[str, tuple[Callable[[Schema], None], str]] = {
    "an optional field": (_add_optional, "weather: optional field added"),
    "a higher maximum": (_set(*_LINE, "amount_minor", "maximum", to=10**16), "lines[].amount_minor: widened"),
    "another description": (_set("description", to="Other words."), "(whole): wording"),
}


@pytest.mark.parametrize("name", COMPATIBLE)
def test_a_compatible_change_is_shown_but_does_not_break(name: str) -> None:
    change, expected = COMPATIBLE[name]
    changed = copy.deepcopy(schema_of(ReceiptRecordedV1))
    change(changed)
    found = changes_between(schema_of(ReceiptRecordedV1), changed)
    assert [each.is_breaking for each in found] == [False]
    assert str(found[0]).startswith(expected)


def test_what_widens_one_way_narrows_the_other() -> None:
    class Narrow(BaseModel):
        size: Annotated[int, Field(ge=1, le=9)]

    class Wide(BaseModel):
        size: Annotated[int, Field(ge=0)] | None

    assert all(each.is_breaking for each in changes_between(schema_of(Wide), schema_of(Narrow)))
    assert not any(each.is_breaking for each in changes_between(schema_of(Narrow), schema_of(Wide)))


def test_pairs_and_maps_are_compared_too() -> None:
    class Before(BaseModel):
        pair: tuple[float, str]
        names: dict[str, str]

    class After(BaseModel):
        pair: tuple[float, int]
        names: dict[str, int]

    found = {str(each) for each in changes_between(schema_of(Before), schema_of(After))}
    assert "BREAKING pair[1]: no longer allows string" in found
    assert "BREAKING names{}: no longer allows string" in found


def test_a_vanished_class_is_breaking_and_a_new_one_is_not() -> None:
    one: dict[str, Any] = {"ReceiptVoided.v1.json": {"type": "object"}}
    (gone,) = differences(one, {})
    (new,) = differences({}, one)
    assert gone.is_breaking
    assert not new.is_breaking


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the tool work on empty places, where nothing of the repository is at risk."""
    monkeypatch.setattr(schema_snapshots, "SCHEMAS", tmp_path / "schemas")
    monkeypatch.setattr(schema_snapshots, "PAGE", tmp_path / "events.md")
    (tmp_path / "schemas").mkdir()
    return tmp_path


def test_check_of_a_stale_repository_exits_1_and_changes_nothing(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"]) == 1
    assert "docs/events.md does not agree" in capsys.readouterr().out
    assert list((copied / "schemas").iterdir()) == []


def test_writing_makes_check_pass_and_refuses_a_breaking_change(copied: Path) -> None:
    assert main([]) == 0
    assert main(["--check"]) == 0
    snapshot = copied / "schemas" / "ReceiptRecorded.v1.json"
    schema = schema_of(ReceiptRecordedV1)
    _add_optional(schema)
    snapshot.write_text(json.dumps(schema))
    assert main([]) == 1
    assert main(["--accept-breaking"]) == 0
    assert main(["--check"]) == 0


def test_schemas_leave_unknown_fields_to_the_reader() -> None:
    assert event_class("ReceiptRecorded", 1) is ReceiptRecordedV1
    assert "additionalProperties" not in schema_of(ReceiptRecordedV1)
