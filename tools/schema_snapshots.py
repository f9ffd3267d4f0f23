"""Writes and checks what is generated from the event classes: JSON Schema snapshots and docs/events.md.

`python -m tools.schema_snapshots` writes; `--check` only compares, exits 1 and names who is hit.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from shared.events import TOPICS, Envelope, EventData, topic_of
from shared.events.catalogue import SCHEMAS
from tools.event_docs import events_page
from tools.schema_diff import Change, Schema, changes_between

PAGE = Path(__file__).parents[1] / "docs" / "events.md"
_WRITE = "python -m tools.schema_snapshots"


@dataclass(frozen=True)
class Difference:
    """A snapshot that no longer agrees with its class."""

    snapshot: str
    hit: str
    changes: tuple[Change, ...]

    @property
    def is_breaking(self) -> bool:
        return any(change.is_breaking for change in self.changes)

    def __str__(self) -> str:
        lines = [f"{self.snapshot} (hits {self.hit})", *(f"  {change}" for change in self.changes)]
        if self.is_breaking:
            lines.append("  a breaking change needs a new version beside the old one, with an upcast")
        return "\n".join(lines)


def current_schemas() -> dict[str, Schema]:
    """Return the schema of every class in the catalogue and of the envelope, by file name."""
    schemas = {file_name(each): schema_of(each) for topic in TOPICS for each in topic.events}
    return {"Envelope.v1.json": _envelope_schema(), **schemas}


def file_name(event: type[EventData]) -> str:
    """Return the name of a class's snapshot."""
    return f"{event.event_type}.v{event.event_version}.json"


def schema_of(model: type[BaseModel]) -> Schema:
    """Return what a reader may rely on; extra fields are allowed, for readers ignore the unknown."""
    schema: Schema = _open(model.model_json_schema())
    return schema


def differences(stored: Mapping[str, Schema], current: Mapping[str, Schema]) -> Iterator[Difference]:
    """Compare the snapshots with the classes."""
    for name in sorted(stored.keys() | current.keys()):
        changes = _changes(stored.get(name), current.get(name))
        if changes:
            yield Difference(name, _hit_by(name), tuple(changes))


def stored_schemas(folder: Path) -> dict[str, Schema]:
    """Read the snapshots."""
    return {path.name: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def main(arguments: list[str] | None = None) -> int:
    """Write or check; 0 all agrees or is written, 1 something does not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 on any difference")
    parser.add_argument("--accept-breaking", action="store_true", help="write even a breaking change")
    options = parser.parse_args(arguments)
    found = list(differences(stored_schemas(SCHEMAS), current_schemas()))
    for difference in found:
        print(difference)
    if options.check:
        return _check(found)
    if any(each.is_breaking for each in found) and not options.accept_breaking:
        print("nothing written: there is a breaking change (--accept-breaking before the first release only)")
        return 1
    _write()
    return 0


def _check(found: list[Difference]) -> int:
    stale = not PAGE.exists() or PAGE.read_text() != events_page()
    if stale:
        print("docs/events.md does not agree with the catalogue")
    if found or stale:
        print(f"run: {_WRITE}")
    return int(bool(found) or stale)


def _write() -> None:
    current = current_schemas()
    SCHEMAS.mkdir(exist_ok=True)
    for gone in stored_schemas(SCHEMAS).keys() - current.keys():
        (SCHEMAS / gone).unlink()
    for name, schema in current.items():
        (SCHEMAS / name).write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
    PAGE.write_text(events_page())


def _changes(old: Schema | None, new: Schema | None) -> list[Change]:
    if old is None:
        return [Change("", "no snapshot yet", is_breaking=False)]
    if new is None:
        return [Change("", "the class is gone, old messages could not be read", is_breaking=True)]
    return changes_between(old, new)


def _hit_by(snapshot: str) -> str:
    event_type = snapshot.partition(".")[0]
    try:
        topic = topic_of(event_type)
    except KeyError:
        return "every service" if event_type == "Envelope" else "unknown services"
    return f"{topic.name}: owner {topic.owner}; consumers {', '.join(topic.consumers)}"


def _envelope_schema() -> Schema:
    schema = schema_of(Envelope[EventData])
    schema["title"] = "Envelope"
    schema["properties"]["data"] = {"type": "object", "description": "The data of this type and version."}
    schema["$defs"].pop("EventData", None)
    return schema


def _open(schema: Any) -> Any:  # noqa: ANN401 - any JSON
    """Drop `additionalProperties: false`, which binds producers only."""
    if isinstance(schema, list):
        return [_open(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _open(each) for name, each in schema.items() if not (name == "additionalProperties" and each is False)
    }


if __name__ == "__main__":
    sys.exit(main())
