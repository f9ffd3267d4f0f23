"""Sources: who may send, the digests of their keys, and their tracking plans."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.ingest.domain.bots import BotFilter
from services.ingest.domain.buckets import RateLimit
from services.ingest.domain.plans import Plan
from services.ingest.domain.sources import Source, SourceKind
from shared.customers.assignments import Reads
from shared.db import Database, Transaction


@dataclass(frozen=True, slots=True)
class SourceKey:
    """One write key of a source; `ends_at` None: until it is rotated."""

    key_digest: str
    source_id: str
    created_at: datetime
    ends_at: datetime | None

    def holds_at(self, moment: datetime) -> bool:
        return self.ends_at is None or self.ends_at > moment


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source as it is listed."""

    source_id: str
    kind: SourceKind
    name: str
    created_at: datetime
    disabled_at: datetime | None
    events_per_second: int | None
    burst: int | None
    bot_filter: BotFilter

    @property
    def limit(self) -> RateLimit | None:
        if self.events_per_second is None or self.burst is None:
            return None
        return RateLimit(self.events_per_second, self.burst)

    def source(self, plan: Plan | None = None) -> Source:
        return Source(
            self.source_id,
            self.kind,
            disabled_at=self.disabled_at,
            limit=self.limit,
            bot_filter=self.bot_filter,
            plan=plan,
        )


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A source's tracking plan, as it was sent."""

    source_id: str
    version: int
    plan: dict[str, Any]
    changed_at: datetime
    changed_by: str


_SOURCE_COLUMNS = "source_id, kind, name, created_at, disabled_at, events_per_second, burst, bot_filter"
_PLAN_COLUMNS = "source_id, version, plan, changed_at, changed_by"


async def all_sources(reads: Reads) -> list[SourceRow]:
    rows = await reads.fetch(f"SELECT {_SOURCE_COLUMNS} FROM sources ORDER BY source_id")
    return [_source(row) for row in rows]


async def source_row(reads: Reads, source_id: str) -> SourceRow | None:
    rows = await reads.fetch(f"SELECT {_SOURCE_COLUMNS} FROM sources WHERE source_id = $1", source_id)
    return _source(rows[0]) if rows else None


def _source(row: Any) -> SourceRow:  # noqa: ANN401 (a row of the driver)
    kinds = {"kind": SourceKind(row["kind"]), "bot_filter": BotFilter(row["bot_filter"])}
    return SourceRow(**{**dict(row), **kinds})


async def all_keys(reads: Reads) -> list[SourceKey]:
    """Return every key that was ever given out, ended ones too, oldest first."""
    rows = await reads.fetch(
        "SELECT key_digest, source_id, created_at, ends_at FROM source_keys ORDER BY created_at, key_digest"
    )
    return [SourceKey(**dict(row)) for row in rows]


async def create_source(tx: Transaction, source_id: str, kind: SourceKind, name: str, key_digest: str) -> bool:
    """Add a source with its first key; False when its id is taken."""
    added = await tx.execute(
        "INSERT INTO sources (source_id, kind, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        source_id,
        kind.value,
        name,
    )
    if added == 1:
        await add_key(tx, source_id, key_digest)
    return added == 1


async def lock_source(tx: Transaction, source_id: str) -> bool:
    """Let nobody else change the source until the transaction ends; False when there is none of this id."""
    return bool(await tx.fetch("SELECT 1 FROM sources WHERE source_id = $1 FOR UPDATE", source_id))


async def add_key(tx: Transaction, source_id: str, key_digest: str) -> bool:
    """Give the source one more key; False when the key is known, ended ones too."""
    added = await tx.execute(
        "INSERT INTO source_keys (key_digest, source_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        key_digest,
        source_id,
    )
    return added == 1


async def end_keys(tx: Transaction, key_digests: Collection[str], at: datetime) -> None:
    """Let these keys hold no longer than until then."""
    await tx.execute(
        "UPDATE source_keys SET ends_at = least(ends_at, $2) WHERE key_digest = ANY($1::text[])",
        list(key_digests),
        at,
    )


async def disable_source(tx: Transaction, source_id: str, at: datetime) -> bool:
    """Take the source's right to send; False when there is none of this id."""
    changed = await tx.execute(
        "UPDATE sources SET disabled_at = coalesce(disabled_at, $2) WHERE source_id = $1", source_id, at
    )
    return changed == 1


async def enable_source(tx: Transaction, source_id: str) -> bool:
    changed = await tx.execute("UPDATE sources SET disabled_at = NULL WHERE source_id = $1", source_id)
    return changed == 1


async def change_source(
    tx: Transaction, source_id: str, name: str, limit: RateLimit | None, bot_filter: BotFilter
) -> None:
    await tx.execute(
        "UPDATE sources SET name = $2, events_per_second = $3, burst = $4, bot_filter = $5 WHERE source_id = $1",
        source_id,
        name,
        None if limit is None else limit.events_per_second,
        None if limit is None else limit.burst,
        bot_filter.value,
    )


async def all_plans(reads: Reads) -> list[PlanRow]:
    rows = await reads.fetch(f"SELECT {_PLAN_COLUMNS} FROM tracking_plans")
    return [PlanRow(**dict(row)) for row in rows]


async def plan_versions(reads: Reads) -> dict[str, int]:
    rows = await reads.fetch("SELECT source_id, version FROM tracking_plans")
    return {row["source_id"]: row["version"] for row in rows}


async def plan_of(reads: Reads, source_id: str) -> PlanRow | None:
    rows = await reads.fetch(f"SELECT {_PLAN_COLUMNS} FROM tracking_plans WHERE source_id = $1", source_id)
    return PlanRow(**dict(rows[0])) if rows else None


async def put_plan(tx: Transaction, source_id: str, plan: dict[str, Any], at: datetime, actor: str) -> PlanRow:
    """Store the plan in place of the one before; versions rise over every source, so none comes twice."""
    rows = await tx.fetch(
        "INSERT INTO tracking_plans (source_id, version, plan, changed_at, changed_by)"
        " VALUES ($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, $2, $3, $4)"
        " ON CONFLICT (source_id) DO UPDATE SET version = greatest(tracking_plans.version + 1, excluded.version),"
        " plan = excluded.plan, changed_at = excluded.changed_at, changed_by = excluded.changed_by"
        f" RETURNING {_PLAN_COLUMNS}",
        source_id,
        plan,
        at,
        actor,
    )
    return PlanRow(**dict(rows[0]))


async def delete_plan(tx: Transaction, source_id: str) -> bool:
    return await tx.execute("DELETE FROM tracking_plans WHERE source_id = $1", source_id) == 1


async def put_bootstrap_sources(database: Database, sources: Sequence[tuple[str, SourceKind, str]]) -> None:
    """Make these (id, kind, key digest) exist, and what was disabled or ended stay so.

    A digest that is new for its source takes the place of all its other keys.
    """
    async with database.transaction() as tx:
        for source_id, kind, key_digest in sorted(sources):
            await tx.execute(
                "INSERT INTO sources (source_id, kind) VALUES ($1, $2)"
                " ON CONFLICT (source_id) DO UPDATE SET kind = excluded.kind",
                source_id,
                kind.value,
            )
            if await add_key(tx, source_id, key_digest):
                await tx.execute(
                    "UPDATE source_keys SET ends_at = least(ends_at, clock_timestamp())"
                    " WHERE source_id = $1 AND key_digest <> $2",
                    source_id,
                    key_digest,
                )
