"""Sources: who holds a write key, making, changing, rotating and disabling them, and their tracking plans."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from services.ingest.domain.bots import BotFilter
from services.ingest.domain.buckets import RateLimit
from services.ingest.domain.plans import Action, InvalidPlan, Plan, compile_plan
from services.ingest.domain.sources import Source, SourceKind
from services.ingest.errors import BadMoment, BadPlan, PlanNotFound, SourceExists, SourceNotFound
from services.ingest.store import sources as store
from services.ingest.store.sources import PlanRow, SourceKey, SourceRow
from shared.clock import Clock, SystemClock
from shared.db import Database, Transaction
from shared.errors import field_error
from shared.keys import WRITE_PREFIX, digest, new_key

log = structlog.get_logger()

FRESH_SECONDS = 0.5
OVERLAP = timedelta(days=7)
OVERLAP_MAX = timedelta(days=90)
CLOCKS_DIFFER_MAX = timedelta(minutes=5)
"""A moment so little past was meant as now."""


@dataclass(slots=True)
class SourceBook:
    """All sources with their keys and plans, read again twice a second, so that a disabled one is refused at once."""

    database: Database
    clock: Clock = field(default_factory=SystemClock)
    _by_id: dict[str, Source] = field(default_factory=dict)
    _keys: dict[str, SourceKey] = field(default_factory=dict)
    _plans: dict[str, tuple[int, Plan | None]] = field(default_factory=dict)
    _read_at: float = float("-inf")
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def holder(self, write_key: str) -> Source | None:
        """Return the source of a write key, disabled ones too; None when there is none, or the key has ended."""
        await self._refresh()
        key = self._keys.get(digest(write_key))
        return self._by_id[key.source_id] if key is not None and key.holds_at(self.clock.now()) else None

    async def ids(self) -> list[str]:
        await self._refresh()
        return sorted(self._by_id)

    async def named(self, source_id: str) -> Source | None:
        await self._refresh()
        return self._by_id.get(source_id)

    def forget(self) -> None:
        """Read again at the next question."""
        self._read_at = float("-inf")

    async def _refresh(self) -> None:
        if self._is_fresh():
            return
        async with self._reading:
            # Whoever waited here finds it read.
            if not self._is_fresh():
                await self._read()

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._read_at < FRESH_SECONDS

    async def _read(self) -> None:
        asked_at = time.monotonic()
        async with self.database.session() as session:
            rows = await store.all_sources(session)
            keys = await store.all_keys(session)
            versions = await store.plan_versions(session)
            if versions != {source_id: version for source_id, (version, _) in self._plans.items()}:
                plans = await store.all_plans(session)
                self._plans = {row.source_id: (row.version, _usable(row)) for row in plans}
        compiled_plans = {source_id: plan for source_id, (_, plan) in self._plans.items()}
        self._by_id = {row.source_id: row.source(compiled_plans.get(row.source_id)) for row in rows}
        self._keys = {key.key_digest: key for key in keys if key.source_id in self._by_id}
        self._read_at = asked_at


def _usable(row: PlanRow) -> Plan | None:
    """Return a stored plan, compiled; one that this version cannot use must not keep every source out."""
    try:
        return compiled(row.plan)
    except InvalidPlan as error:
        log.error("plan.unusable", source_id=row.source_id, reason=f"{error.field} {error.message}")  # noqa: TRY400
        return None


def compiled(document: Mapping[str, Any]) -> Plan:
    """Compile a plan as it is stored. Raises InvalidPlan."""
    on_violation = Action(document["on_violation"])
    schemas = {
        name: (planned["schema"], Action(planned.get("on_violation") or on_violation))
        for name, planned in document["events"].items()
    }
    return compile_plan(schemas, Action(document["on_unplanned"]))


@dataclass(frozen=True, slots=True)
class ListedSource:
    """A source with the keys that still hold."""

    row: SourceRow
    keys: tuple[SourceKey, ...]


async def list_sources(database: Database, now: datetime) -> list[ListedSource]:
    keys = await store.all_keys(database)
    return [
        ListedSource(row, tuple(key for key in keys if key.source_id == row.source_id and key.holds_at(now)))
        for row in await store.all_sources(database)
    ]


async def create_source(database: Database, kind: SourceKind, source_id: str | None, name: str) -> tuple[str, str]:
    """Make a source; return its id and its write key, which is shown this once.

    Raises SourceExists.
    """
    made_id = source_id or f"src_{secrets.token_hex(6)}"
    write_key = new_key(WRITE_PREFIX)
    async with database.transaction() as tx:
        if not await store.create_source(tx, made_id, kind, name, digest(write_key)):
            raise SourceExists(f"there is a source {made_id} already; choose another id", field="/id")
    return made_id, write_key


async def rotate_source(
    database: Database, source_id: str, now: datetime, old_until: datetime | None
) -> tuple[str, datetime]:
    """Give the source a new key; return it, and until when the newest one before it holds beside it.

    Never more than two keys hold: older ones end now. Raises SourceNotFound, BadMoment.
    """
    until = old_until or now + OVERLAP
    if now - CLOCKS_DIFFER_MAX <= until < now:
        until = now
    if not now <= until <= now + OVERLAP_MAX:
        message = f"the old key may hold from now until {OVERLAP_MAX.days} days from now"
        raise BadMoment(message, field="/old_key_until", errors=[field_error("/old_key_until", message)])
    write_key = new_key(WRITE_PREFIX)
    async with database.transaction() as tx:
        if not await store.lock_source(tx, source_id):
            raise SourceNotFound(f"there is no source {source_id}", field="source_id")
        live = [key for key in await store.all_keys(tx) if key.source_id == source_id and key.holds_at(now)]
        await store.end_keys(tx, [key.key_digest for key in live[:-1]], now)
        await store.end_keys(tx, [key.key_digest for key in live[-1:]], until)
        await store.add_key(tx, source_id, digest(write_key))
    return write_key, until


@dataclass(frozen=True, slots=True)
class Change:
    """What to change of a source; None: nothing. A limit can be taken away, so it is told apart."""

    name: str | None
    bot_filter: BotFilter | None
    sets_limit: bool
    limit: RateLimit | None


async def change_source(database: Database, source_id: str, change: Change, now: datetime) -> ListedSource:
    """Set a source's name, limit and bot filter. Raises SourceNotFound."""
    async with database.transaction() as tx:
        row = await _locked(tx, source_id)
        await store.change_source(
            tx,
            source_id,
            row.name if change.name is None else change.name,
            change.limit if change.sets_limit else row.limit,
            change.bot_filter or row.bot_filter,
        )
    return next(one for one in await list_sources(database, now) if one.row.source_id == source_id)


async def disable_source(database: Database, source_id: str, at: datetime) -> None:
    """Refuse everything that the source sends from now on. Raises SourceNotFound."""
    async with database.transaction() as tx:
        if not await store.disable_source(tx, source_id, at):
            raise SourceNotFound(f"there is no source {source_id}", field="source_id")


async def enable_source(database: Database, source_id: str) -> None:
    """Take what the source sends again. Raises SourceNotFound."""
    async with database.transaction() as tx:
        if not await store.enable_source(tx, source_id):
            raise SourceNotFound(f"there is no source {source_id}", field="source_id")


async def put_plan(database: Database, source_id: str, plan: dict[str, Any], at: datetime, actor: str) -> PlanRow:
    """Store a source's tracking plan once it compiles. Raises BadPlan, SourceNotFound."""
    try:
        # Outside of the transaction, and of the loop: a large plan takes a while.
        await asyncio.to_thread(compiled, plan)
    except InvalidPlan as error:
        raise BadPlan(
            f"{error.field} {error.message}", field=error.field, errors=[field_error(error.field, error.message)]
        ) from error
    async with database.transaction() as tx:
        await _locked(tx, source_id)
        return await store.put_plan(tx, source_id, plan, at, actor)


async def plan_of(database: Database, source_id: str) -> PlanRow:
    """Return a source's tracking plan. Raises PlanNotFound."""
    found = await store.plan_of(database, source_id)
    if found is None:
        raise PlanNotFound(f"the source {source_id} has no tracking plan", field="source_id")
    return found


async def delete_plan(database: Database, source_id: str) -> None:
    """Take everything from the source again. Raises PlanNotFound."""
    async with database.transaction() as tx:
        if not await store.delete_plan(tx, source_id):
            raise PlanNotFound(f"the source {source_id} has no tracking plan", field="source_id")


async def _locked(tx: Transaction, source_id: str) -> SourceRow:
    row = await store.source_row(tx, source_id) if await store.lock_source(tx, source_id) else None
    if row is None:
        raise SourceNotFound(f"there is no source {source_id}", field="source_id")
    return row
