"""From a row to an item of a route: each cell understood, each value in its place, the first fault by its column."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.ingest.domain import cells
from services.ingest.domain.cells import CellRules
from services.ingest.domain.faults import Fault, Refused
from services.ingest.mapping.files.columns import COLUMNS_MAX, Kind, Plan, Target, plan_for
from services.ingest.mapping.files.rows import Row


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a file, from one line or several; or why those lines make none."""

    lines: tuple[int, ...]
    original: bytes = field(repr=False)
    item: dict[str, Any] | None = field(default=None, repr=False)
    fault: Fault | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """Which column a field of the item came from, by JSON pointer."""
    place: int = 0
    """The line, among several, that the fault is of."""

    def column_of(self, pointer: str | None) -> str | None:
        """Return the column of a field, or of the field that it is part of."""
        while pointer:
            if pointer in self.columns:
                return self.columns[pointer]
            pointer = pointer.rpartition("/")[0]
        return None


@dataclass(slots=True)
class RowReader:
    """Understands the rows of one file."""

    kind: Kind
    rules: CellRules
    plan: Plan
    mapping: Mapping[str, str]
    provider: str | None = None
    _targets: dict[str, Target | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._targets = dict(self.plan.columns)

    def entry(self, row: Row) -> Entry:
        """Return a row's item, or why it makes none."""
        original = written_row(row)
        if row.fault is not None:
            return Entry((row.line,), original, fault=row.fault)
        building = _Building(self._currency(row), self.rules, self.provider)
        for column, value in row.cells.items():
            target = self._target(column)
            if target is None or cells.is_blank(value):
                continue
            try:
                building.put(target, value, column)
            except Refused as no:
                fault = Fault(no.fault.code, no.fault.message, "/" + "/".join(target.path))
                return Entry((row.line,), original, fault=fault, columns={fault.field or "": column})
        return Entry((row.line,), original, item=building.item(self.kind), columns=building.columns)

    def values(self, row: Row) -> dict[str, Any]:
        """Return a row's values by target, for rows that make an item only together. Raises Refused."""
        found: dict[str, Any] = {}
        building = _Building(self._currency(row), self.rules, None)
        for column, value in row.cells.items():
            target = self._target(column)
            if target is not None and not cells.is_blank(value):
                try:
                    found[target.name] = building.value(target, value)
                except Refused as no:
                    raise Refused(no.fault.code, no.fault.message, column) from no
        for target in self.kind.targets:
            if target.required and target.name not in found:
                raise Refused(
                    "missing_field", f"{target.name} is missing in this line", self.column_named(target.name)
                )
        found.setdefault("currency", self.rules.currency)
        return found

    def column_named(self, target_name: str) -> str:
        """Return which column holds a field; the field's own name where none does."""
        held = (
            column for column, target in self._targets.items() if target is not None and target.name == target_name
        )
        return next(held, target_name)

    def _target(self, column: str) -> Target | None:
        """Return what a column is; a later line of NDJSON may bring names that the head did not have."""
        if column not in self._targets and len(self._targets) < COLUMNS_MAX:
            plan = plan_for(self.kind, [*self._targets, column], self.mapping)
            self._targets[column] = plan.columns[-1][1]
        return self._targets.get(column)

    def _currency(self, row: Row) -> str:
        column = self.column_named("currency")
        value = row.cells.get(column)
        if not isinstance(value, str) or cells.is_blank(value):
            return self.rules.currency
        try:
            return cells.currency_of(value)
        except Refused:
            return self.rules.currency  # refused where its own cell is read


def written_row(row: Row) -> bytes:
    """Return a row as it is kept when it is refused: its cells by column."""
    return orjson.dumps(row.cells, default=str)


class _Building:
    """An item while its cells are put in."""

    def __init__(self, currency: str, rules: CellRules, provider: str | None) -> None:
        self._currency = currency
        self._rules = rules
        self._provider = provider
        self._item: dict[str, Any] = {}
        self._levels: dict[int, str] = {}
        self.columns: dict[str, str] = {}

    def put(self, target: Target, raw: object, column: str) -> None:
        value = self.value(target, raw)
        first = target.path[0]
        if first == "identifiers" and len(target.path) > 1:
            place = self._append("identifiers", {"namespace": target.path[1], "value": value})
            self.columns[f"/identifiers/{place}"] = column
        elif first == "consents" and len(target.path) > 1:
            state = "granted" if value else "withdrawn"
            place = self._append("consents", {"channel": target.path[1], "purpose": target.path[2], "state": state})
            self.columns[f"/consents/{place}"] = column
        elif first == "categories" and len(target.path) > 1:
            self._levels[int(target.path[1])] = value
        elif len(target.path) > 1:
            name = (
                f"{self._provider}.{target.path[1]}" if self._provider and first == "attributes" else target.path[1]
            )
            self._item.setdefault(first, {})[name] = self._attribute(raw) if first == "attributes" else value
            self.columns[f"/{first}/{name}"] = column
        else:
            self._item[first] = value
            self.columns[f"/{first}"] = column

    def value(self, target: Target, raw: object) -> Any:  # noqa: ANN401 (whatever the cell is)
        if target.cell == "money":
            return cells.minor_of(raw, self._rules, self._currency)
        return _CELLS[target.cell](raw, self._rules)

    def item(self, kind: Kind) -> dict[str, Any]:
        if self._levels and "categories" not in self._item:
            self._item["categories"] = [self._levels[level] for level in sorted(self._levels)]
        if kind.name == "prices":
            self._item.setdefault("currency", self._currency)
        if kind.name == "stores":
            self._item.setdefault("time_zone", self._rules.zone.key)
        return self._item

    def _append(self, name: str, part: dict[str, Any]) -> int:
        parts = self._item.setdefault(name, [])
        parts.append(part)
        return len(parts) - 1

    @staticmethod
    def _attribute(raw: object) -> Any:  # noqa: ANN401 (a scalar)
        return raw if isinstance(raw, bool | int | float) else cells.text_of(raw)


def _levels(raw: object, _: CellRules) -> list[str]:
    """Return `GROCERY > CHEESE` as its levels."""
    if isinstance(raw, list):
        return [cells.text_of(one) for one in raw if not cells.is_blank(one)]
    text = cells.text_of(raw)
    sign = next((one for one in (">", "|", "/") if one in text), None)
    return [part.strip() for part in text.split(sign) if part.strip()] if sign else [text]


def _quantity(raw: object, rules: CellRules) -> str:
    text = cells.plain_decimal(raw, rules)
    if text.startswith("-"):
        raise Refused("negative_amount", "is negative; send returns as receipts of kind return (NDJSON or POSLog)")
    return text


_CELLS: Mapping[str, Callable[[Any, CellRules], Any]] = {
    "text": lambda raw, _: cells.text_of(raw),
    "id": lambda raw, _: cells.id_of(raw),
    "flag": lambda raw, _: cells.flag_of(raw),
    "whole": cells.whole_of,
    "minor": cells.whole_of,
    "decimal": cells.plain_decimal,
    "quantity": _quantity,
    "moment": lambda raw, rules: cells.moment_of(raw, rules).isoformat(),
    "day": lambda raw, rules: cells.day_of(raw, rules).isoformat(),
    "levels": _levels,
    "currency": lambda raw, _: cells.currency_of(raw),
    "json": lambda raw, _: cells.json_of(raw),
}
