"""Compares two versions of a JSON Schema: what changed, and whether it breaks whoever reads the messages."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

# For each limit: whether a larger figure is the narrower one.
_LIMITS = {
    "minimum": True,
    "exclusiveMinimum": True,
    "minLength": True,
    "minItems": True,
    "minProperties": True,
    "maximum": False,
    "exclusiveMaximum": False,
    "maxLength": False,
    "maxItems": False,
    "maxProperties": False,
}
_EXACT = ("pattern", "format", "const")


@dataclass(frozen=True)
class Change:
    """One difference between two schemas; `path` names the field, empty for the whole."""

    path: str
    what: str
    is_breaking: bool

    def __str__(self) -> str:
        return f"{'BREAKING ' if self.is_breaking else ''}{self.path or '(whole)'}: {self.what}"


def changes_between(old: Schema, new: Schema) -> list[Change]:
    """List what changed, breaking changes first.

    Breaking: a removed field, a new or newly required field, a type or limit that is narrower or other. Old
    messages must stay readable (logs are replayed for years), and readers must keep finding what they read.
    """
    found = list(_Comparison(old, new).compare(old, new, ""))
    if not found and old != new:
        found = [Change("", "wording or defaults changed", is_breaking=False)]
    return sorted(found, key=lambda change: (not change.is_breaking, change.path))


@dataclass(frozen=True)
class _Comparison:
    old_root: Schema
    new_root: Schema

    def compare(self, old: Schema, new: Schema, path: str) -> Iterator[Change]:
        before = _variants(old, self.old_root)
        after = _variants(new, self.new_root)
        for kind in before.keys() - after.keys():
            yield Change(path, f"no longer allows {kind}", is_breaking=True)
        for kind in after.keys() - before.keys():
            yield Change(path, f"now also allows {kind}", is_breaking=False)
        for kind in before.keys() & after.keys():
            yield from self._compare_variant(before[kind], after[kind], path)

    def _compare_variant(self, old: Schema, new: Schema, path: str) -> Iterator[Change]:
        yield from _limits(old, new, path)
        yield from _values(old, new, path)
        yield from self._fields(old, new, path)
        yield from self._contents(old, new, path)

    def _fields(self, old: Schema, new: Schema, path: str) -> Iterator[Change]:
        before, after = old.get("properties", {}), new.get("properties", {})
        required_before, required_after = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(before.keys() - after.keys()):
            yield Change(_join(path, name), "field removed", is_breaking=True)
        for name in sorted(after.keys() - before.keys()):
            required = name in required_after
            yield Change(_join(path, name), f"{'required' if required else 'optional'} field added", required)
        for name in sorted(before.keys() & after.keys()):
            if name in required_after - required_before:
                yield Change(_join(path, name), "is now required", is_breaking=True)
            if name in required_before - required_after:
                yield Change(_join(path, name), "is no longer required", is_breaking=False)
            yield from self.compare(before[name], after[name], _join(path, name))

    def _contents(self, old: Schema, new: Schema, path: str) -> Iterator[Change]:
        for keyword, suffix in (("items", "[]"), ("additionalProperties", "{}")):
            before, after = old.get(keyword), new.get(keyword)
            if isinstance(before, dict) and isinstance(after, dict):
                yield from self.compare(before, after, path + suffix)
        pairs = zip(old.get("prefixItems", ()), new.get("prefixItems", ()), strict=False)
        for position, (before, after) in enumerate(pairs):
            yield from self.compare(before, after, f"{path}[{position}]")


def _variants(schema: Schema, root: Schema) -> dict[str, Schema]:
    """Split a schema into what it allows, by JSON type (and format, which tells a UUID from a date)."""
    schema = _resolved(schema, root)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices is None:
        return {_kind(schema): schema}
    return {kind: each for choice in choices for kind, each in _variants(choice, root).items()}


def _kind(schema: Schema) -> str:
    return " ".join(str(schema[word]) for word in ("type", "format") if word in schema) or "anything"


def _resolved(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = root["$defs"][name]
    return schema


def _limits(old: Schema, new: Schema, path: str) -> Iterator[Change]:
    for limit, larger_is_narrower in _LIMITS.items():
        before, after = old.get(limit), new.get(limit)
        if before == after:
            continue
        narrower = after is not None and (before is None or (after > before) == larger_is_narrower)
        verb = "narrowed" if narrower else "widened"
        yield Change(path, f"{verb}: {limit} {_shown(before)} → {_shown(after)}", narrower)


def _values(old: Schema, new: Schema, path: str) -> Iterator[Change]:
    for word in _EXACT:
        if old.get(word) != new.get(word):
            gone = word not in new
            what = f"{word} {_shown(old.get(word))} → {_shown(new.get(word))}"
            yield Change(path, what, is_breaking=not gone)
    before, after = old.get("enum"), new.get("enum")
    if before is None and after is not None:
        yield Change(path, "narrowed to a list of values", is_breaking=True)
    elif before is not None and after is None:
        yield Change(path, "no longer a list of values", is_breaking=False)
    elif before is not None and after is not None:
        yield from (Change(path, f"value {value} removed", True) for value in before if value not in after)
        yield from (Change(path, f"value {value} added", False) for value in after if value not in before)


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
