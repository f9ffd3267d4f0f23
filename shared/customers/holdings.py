"""What a service holds of a person: every table says by which column, or that it holds nothing of anybody and why.

Declared beside the service's tables; the export reads what is declared, and a test finds the table that is not.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from shared.customers.assignments import customer_of, subjects_of
from shared.db import Transaction

ROWS_MAX = 20_000
"""Of one table in one export; the export names the tables that hold more."""


@dataclass(frozen=True, slots=True)
class Held:
    """Rows of a person. `sql` returns each as a JSON object `row`, for the ids in `$1` (uuid[])."""

    sql: str


@dataclass(frozen=True, slots=True)
class Nobodys:
    """A table without a word about any person."""

    reason: str


Holding = Held | Nobodys


def by_subject(table: str) -> Held:
    return Held(f"SELECT to_jsonb(held) AS row FROM {table} held WHERE subject_id = ANY($1::uuid[])")


def by_customer(table: str) -> Held:
    return Held(f"SELECT to_jsonb(held) AS row FROM {table} held WHERE customer_id = ANY($1::uuid[])")


LOG: Mapping[str, Holding] = {
    "events": Held(
        "SELECT CASE WHEN e.body = '' THEN jsonb_build_object('event_id', e.event_id, 'type', 'Expired')"
        " ELSE convert_from(e.body, 'UTF8')::jsonb END AS row FROM events e WHERE e.event_id IN"
        " (SELECT event_id FROM numbered WHERE key = ANY($1::uuid[]::text[])"
        " UNION ALL SELECT event_id FROM unnumbered WHERE key = ANY($1::uuid[]::text[]))"
    ),
    "numbered": Held("SELECT to_jsonb(held) AS row FROM numbered held WHERE key = ANY($1::uuid[]::text[])"),
    "unnumbered": Held("SELECT to_jsonb(held) AS row FROM unnumbered held WHERE key = ANY($1::uuid[]::text[])"),
    "watermarks": Nobodys("how far the broker has the log"),
    "log_origin": Nobodys("which incarnation of the log this is"),
    "leases": Nobodys("which process does what"),
}
"""The tables of a numbered log."""

WORKER: Mapping[str, Holding] = {
    "assignments": by_subject("assignments"),
    "erased_subjects": by_subject("erased_subjects"),
    "applied_erasures": by_subject("applied_erasures"),
    "dead_letters": Held(
        "SELECT to_jsonb(held) - 'body' || jsonb_build_object('body', convert_from(held.body, 'UTF8')) AS row"
        " FROM dead_letters held WHERE EXISTS (SELECT FROM unnest($1::uuid[]) AS asked (id)"
        " WHERE position(convert_to(asked.id::text, 'UTF8') IN held.body) > 0)"
    ),
    "positions": Nobodys("how far each log was applied"),
    "worker_members": Nobodys("which processes work"),
    "schedule_runs": Nobodys("when recurring work ran"),
}
"""The tables of a consuming service, besides its own."""

ANSWERS: Holding = Held(
    "SELECT to_jsonb(held) - 'body' || jsonb_build_object('body', convert_from(held.body, 'UTF8')) AS row"
    " FROM idempotency_keys held WHERE EXISTS (SELECT FROM unnest($1::uuid[]) AS asked (id)"
    " WHERE position(convert_to(asked.id::text, 'UTF8') IN held.body) > 0)"
)
"""Stored answers that name the person."""


@dataclass(frozen=True, slots=True)
class Exported:
    """All that a service holds of one customer, by table; `truncated` names tables that hold more than fits."""

    customer_id: UUID
    tables: Mapping[str, list[dict[str, Any]]]
    truncated: list[str] = field(default_factory=list)


async def exported(tx: Transaction, holdings: Mapping[str, Holding], customer_id: UUID) -> Exported:
    """Read everything of a customer, its subjects and the id asked for, in one snapshot."""
    found_id = await customer_of(tx, customer_id)
    ids = {customer_id, found_id, *await subjects_of(tx, found_id)}
    tables: dict[str, list[dict[str, Any]]] = {}
    truncated: list[str] = []
    for table, holding in sorted(holdings.items()):
        if isinstance(holding, Held):
            rows = await _rows(tx, holding, ids)
            if len(rows) > ROWS_MAX:
                truncated.append(table)
            if rows:
                tables[table] = rows[:ROWS_MAX]
    return Exported(found_id, tables, truncated)


async def _rows(tx: Transaction, holding: Held, ids: Collection[UUID]) -> list[dict[str, Any]]:
    sql_limit = f" LIMIT {ROWS_MAX + 1}"
    return [row["row"] for row in await tx.fetch(holding.sql + sql_limit, sorted(ids))]
