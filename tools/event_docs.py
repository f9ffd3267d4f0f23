"""Renders docs/events.md from the catalogue and the event classes."""

from typing import Any

from shared.events import TOPICS, Envelope, EventData, Topic
from shared.events.catalogue import EXAMPLES

_HEAD = """# Events

Generated from `shared/events` by `python -m tools.schema_snapshots`; do not edit.

Services meet in these topics only. A message is one envelope, JSON in UTF-8, at most 900 kB. Readers
ignore fields they do not know. Money is integer minor units with an ISO 4217 currency, quantities are
decimal text, times are RFC 3339 in UTC. An additive change keeps the version; any other makes a new one
beside it, and reading turns the old into the new (`upcast`).

| topic | key | owner | consumers | kept |
|---|---|---|---|---|
"""


def events_page() -> str:
    """Return the whole page."""
    rows = "".join(_topic_row(topic) for topic in TOPICS)
    envelope = f"\n## The envelope\n\n{_field_table(Envelope[EventData].model_json_schema())}"
    return _HEAD + rows + envelope + "".join(_topic_section(topic) for topic in TOPICS)


def _topic_row(topic: Topic) -> str:
    kept = "for ever" if topic.retention_days is None else f"{topic.retention_days} days"
    anchor = topic.name.replace(".", "")
    cells = (
        f"[{topic.name}](#{anchor})",
        topic.key,
        topic.owner,
        ", ".join(topic.consumers) or "(the retailer's own)",
        kept,
    )
    return f"| {' | '.join(cells)} |\n"


def _topic_section(topic: Topic) -> str:
    events = "".join(_event_section(event) for event in topic.events)
    example = f"[example](../shared/events/examples/{topic.example})"
    return f"\n## {topic.name}\n\n{topic.about} {example}.\n{events}"


def _event_section(event: type[EventData]) -> str:
    name, version = event.event_type, event.event_version
    folder = EXAMPLES / name / f"v{version}"
    examples = ", ".join(
        f"[{path.stem}](../shared/events/examples/{path.relative_to(EXAMPLES).as_posix()})"
        for path in sorted(folder.glob("*.json"))
    )
    schema = f"[schema](../shared/events/schemas/{name}.v{version}.json)"
    about = " ".join((event.__doc__ or "").split())
    table = _field_table(event.model_json_schema())
    return f"\n### {name}, version {version}\n\n{about}\n\n{table}\n{schema}; examples: {examples}\n"


def _field_table(schema: dict[str, Any]) -> str:
    """Render the fields of a class, then those of each part it is made of."""
    parts = schema.get("$defs", {})
    tables = "".join(
        f"\n{name}: {part.get('description', '')}\n\n{_rows(part)}"
        for name, part in parts.items()
        if part.get("properties")
    )
    return _rows(schema) + tables


def _rows(schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = (
        (f"`{name}`", _type(field), "yes" if name in required else "", field.get("description", ""))
        for name, field in schema["properties"].items()
    )
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
    return f"| field | type | required | |\n|---|---|---|---|\n{table}"


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(_type(each) for each in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "prefixItems" in field:
        return "[" + ", ".join(_type(each) for each in field["prefixItems"]) + "]"
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    return str(field.get("format") or field.get("type") or "any")
