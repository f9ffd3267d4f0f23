"""Rules and settings of placements, and every change to them: known only here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Row, Transaction

HISTORY_MAX = 200


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule as it is kept; `definition` holds all of it but id and state."""

    rule_id: UUID
    revision: int
    state: str
    definition: dict[str, Any]
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """Who did what to which thing, as it was before and is after; None: it was not there."""

    thing: str
    thing_id: str
    action: str
    actor: str
    key_id: str
    changed_at: datetime
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


async def one_writer(tx: Transaction) -> None:
    """Let changes commit one after the other: their numbers then say whether anything changed."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('recommend/policy', 0))")


async def last_change(session: Transaction) -> int:
    """Return a number that rises with every change."""
    row = await session.fetchrow("SELECT coalesce(max(change_id), 0) AS last FROM policy_changes")
    assert row is not None
    return int(row["last"])


async def all_rules(session: Transaction) -> list[RuleRow]:
    """Return every rule, in order of creation."""
    return [_rule(row) for row in await session.fetch(f"{_SELECT} ORDER BY created_at, rule_id")]


async def rule(session: Transaction, rule_id: UUID) -> RuleRow | None:
    row = await session.fetchrow(f"{_SELECT} WHERE rule_id = $1", rule_id)
    return None if row is None else _rule(row)


async def save_rule(tx: Transaction, row: RuleRow) -> None:
    await tx.execute(
        "INSERT INTO rules (rule_id, revision, state, definition, created_at, changed_at)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (rule_id) DO UPDATE SET revision = excluded.revision,"
        " state = excluded.state, definition = excluded.definition, changed_at = excluded.changed_at",
        row.rule_id,
        row.revision,
        row.state,
        row.definition,
        row.created_at,
        row.changed_at,
    )


async def delete_rule(tx: Transaction, rule_id: UUID) -> None:
    await tx.execute("DELETE FROM rules WHERE rule_id = $1", rule_id)


async def placement_settings(session: Transaction) -> dict[str, dict[str, Any]]:
    """Return what was set, by placement; a placement that nobody touched has no row."""
    rows = await session.fetch("SELECT placement, settings FROM placement_settings ORDER BY placement")
    return {row["placement"]: row["settings"] for row in rows}


async def save_placement(tx: Transaction, placement: str, settings: Mapping[str, Any], now: datetime) -> None:
    await tx.execute(
        "INSERT INTO placement_settings (placement, settings, changed_at) VALUES ($1, $2, $3)"
        " ON CONFLICT (placement) DO UPDATE SET settings = excluded.settings, changed_at = excluded.changed_at",
        placement,
        dict(settings),
        now,
    )


async def note_change(tx: Transaction, change: Change) -> None:
    await tx.execute(
        "INSERT INTO policy_changes (thing, thing_id, action, actor, key_id, changed_at, before, after)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        change.thing,
        change.thing_id,
        change.action,
        change.actor,
        change.key_id,
        change.changed_at,
        None if change.before is None else dict(change.before),
        None if change.after is None else dict(change.after),
    )


async def changes_of(session: Transaction, thing: str, thing_id: str) -> Sequence[Change]:
    """Return the latest changes of one thing, the newest first."""
    rows = await session.fetch(
        "SELECT thing, thing_id, action, actor, key_id, changed_at, before, after FROM policy_changes"
        " WHERE thing = $1 AND thing_id = $2 ORDER BY change_id DESC LIMIT $3",
        thing,
        thing_id,
        HISTORY_MAX,
    )
    return [Change(**dict(row)) for row in rows]


_SELECT = "SELECT rule_id, revision, state, definition, created_at, changed_at FROM rules"


def _rule(row: Row) -> RuleRow:
    return RuleRow(**dict(row))
