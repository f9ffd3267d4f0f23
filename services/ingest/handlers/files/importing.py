"""Imports as their senders see them: a file comes in, is looked at, started, stopped, asked about."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import orjson

from services.ingest.domain.digests import content_digest
from services.ingest.domain.sources import Source, SourceKind
from services.ingest.drafts import Context, Rejected, Secrets
from services.ingest.errors import ImportNotFound, ImportOver, TooManyImports, UnreadableImport
from services.ingest.handlers.files.judging import Judge
from services.ingest.handlers.files.sealed_files import FileGone, SealedFiles, Stored, store_pieces
from services.ingest.mapping.files.again import told
from services.ingest.mapping.files.columns import KINDS, Plan
from services.ingest.mapping.files.hints import hints
from services.ingest.mapping.files.items import Entry
from services.ingest.mapping.files.reading import FileReader, settled
from services.ingest.mapping.files.rows import UnreadableFile
from services.ingest.schemas.imports import ReadingIn
from services.ingest.store import imports as store
from services.ingest.store.imports import Counts, ImportRow
from services.ingest.vault import Vault
from shared.db import Database
from shared.errors import field_error
from shared.identity import mask
from shared.keys import Caller

OPEN_MAX = 100
PREVIEW_ROWS = 5
PREVIEW_REFUSALS = 20
TOO_MANY_RETRY_SECONDS = 60
MASKED = "****"


@dataclass(frozen=True, slots=True)
class Preview:
    """What the head of a file looks like to us."""

    reading: ReadingIn
    plan: Plan
    delimiter: str | None
    lines_read: int
    rows: list[tuple[int, dict[str, Any]]]
    refusals: list[tuple[int, Rejected, str | None]]
    hints: list[str]


@dataclass(frozen=True, slots=True)
class Imports:
    """The use cases of imports."""

    database: Database
    vault: Vault
    secrets: Secrets
    currency: str
    time_zone: str
    region: str

    async def receive(  # noqa: PLR0913 (what comes with a file)
        self,
        caller: Caller,
        *,
        kind: str,
        name: str,
        reading: ReadingIn,
        body: AsyncIterator[bytes],
        waits: bool,
        at: datetime,
    ) -> tuple[ImportRow, bool]:
        """Store a file and queue it, or let it wait for its start; return it, and whether it was there before.

        Raises TooManyImports, UnreadableImport.
        """
        one = _new(caller, kind, name, reading, at)
        async with self.database.transaction() as tx:
            if await store.count_open(tx) >= OPEN_MAX:
                raise TooManyImports(
                    f"{OPEN_MAX} imports are under way or wait to be started; end some first",
                    retry_after_seconds=TOO_MANY_RETRY_SECONDS,
                )
            await store.begin_upload(tx, one)
        try:
            key = await self._key(one.import_id)
            stored = await store_pieces(self.database, one.import_id, key, self.secrets.contents, body)
            return await self._received(one, stored, waits=waits, at=at)
        except BaseException:
            async with self.database.transaction() as tx:
                await store.forget(tx, one.import_id)
            raise

    async def _received(self, one: ImportRow, stored: Stored, *, waits: bool, at: datetime) -> tuple[ImportRow, bool]:
        reading = _settled(one, stored)
        # Read in another way, the same file says other things.
        told = orjson.dumps(reading.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        # So it does where the sender may say less: what is not of the sender's stores is refused.
        stores = () if one.store_ids is None else (orjson.dumps(one.store_ids),)
        digest = content_digest(self.secrets.contents, (stored.digest, one.kind.encode(), told, *stores))
        before = await store.same_file(self.database, digest)
        if before is not None:
            async with self.database.transaction() as tx:
                await store.forget(tx, one.import_id)
            return before, True
        if not waits:
            await self._check_plan(one.import_id, one.kind, reading, stored.size_bytes)
        state = "waiting" if waits else "queued"
        async with self.database.transaction() as tx:
            kept = reading.model_dump(mode="json")
            await store.uploaded(tx, one.import_id, state, kept, digest, stored.size_bytes, at)
        return await self.found(one.import_id), False

    async def seen_by(self, caller: Caller, import_id: UUID) -> ImportRow:
        """Return an import of the caller's stores. Raises ImportNotFound, also where it is of others."""
        one = await self.found(import_id)
        if not caller.may_see(one.store_ids):
            raise ImportNotFound("there is no import of this id", field="import_id")
        return one

    async def found(self, import_id: UUID) -> ImportRow:
        """Return an import. Raises ImportNotFound."""
        one = await store.import_of(self.database, import_id)
        if one is None:
            raise ImportNotFound("there is no import of this id", field="import_id")
        return one

    async def preview(self, one: ImportRow, changed: ReadingIn | None = None) -> Preview:
        """Look at the head of a file that is still there. Raises ImportOver, UnreadableImport."""
        if not one.is_open or one.state == "uploading":
            raise ImportOver("its file is no longer there; upload it again")
        reading = _merged(one, changed)
        reader = await self.reader(one.import_id, one.kind, reading, one.size_bytes)
        judge = self.judge(one, reading)
        try:
            return await asyncio.to_thread(_look, reader, judge)
        except UnreadableFile as error:
            raise _unreadable(error) from error
        except FileGone:
            raise ImportOver("its file is no longer there; upload it again") from None

    async def start(self, one: ImportRow, changed: ReadingIn | None, at: datetime) -> ImportRow:
        """Let a waiting import begin. Raises ImportOver, UnreadableImport naming what is missing."""
        if one.state != "waiting":
            raise ImportOver(f"it is {one.state}; only a waiting one can be started")
        reading = _merged(one, changed)
        await self._check_plan(one.import_id, one.kind, reading, one.size_bytes)
        return await self._move(one, ["waiting"], "queued", at, reading.model_dump(mode="json"))

    async def cancel(self, one: ImportRow, at: datetime) -> ImportRow:
        """Stop an import for good: what was accepted stays, the file is deleted. Raises ImportOver."""
        return await self._move(one, ["waiting", "queued", "running"], "cancelled", at)

    async def _move(
        self, one: ImportRow, states: list[str], state: str, at: datetime, reading: Mapping[str, Any] | None = None
    ) -> ImportRow:
        told = None if reading is None else dict(reading)
        async with self.database.transaction() as tx:
            if not await store.move(tx, one.import_id, states, state, at, reading=told):
                raise ImportOver("it has ended, or changed meanwhile; look at it again")
        return await self.found(one.import_id)

    async def _check_plan(self, import_id: UUID, kind: str, reading: ReadingIn, size_bytes: int) -> None:
        """Raise UnreadableImport where the file cannot be read or lacks a column."""
        reader = await self.reader(import_id, kind, reading, size_bytes)
        try:
            plan = await asyncio.to_thread(reader.plan)
        except UnreadableFile as error:
            raise _unreadable(error) from error
        if plan.unknown:
            names = ", ".join(plan.unknown)
            raise UnreadableImport(f"mapping names a field or a column that does not exist: {names}", field="mapping")
        if plan.missing:
            named = ", ".join(column for column, _ in plan.columns)[:500]
            raise UnreadableImport(
                f"no column was found for: {', '.join(plan.missing)}; say which with mapping=. Columns: {named}",
                field="mapping",
                errors=[field_error("mapping", f"{name} is missing", "missing_column") for name in plan.missing],
            )

    async def reader(self, import_id: UUID, kind: str, reading: ReadingIn, size_bytes: int) -> FileReader:
        """Return what reads a stored file; its methods block and belong into a thread."""
        files = SealedFiles(self.database, asyncio.get_running_loop())
        opener = files.opener(import_id, size_bytes, await self._key(import_id))
        return FileReader.of(opener, kind, reading, self.currency, self.time_zone)

    def judge(self, one: ImportRow, reading: ReadingIn) -> Judge:
        stores = None if one.store_ids is None else frozenset(one.store_ids)
        context = Context(
            source=Source(reading.source, SourceKind.IMPORT, stores),
            received_at=one.created_at,
            secrets=self.secrets,
            region=self.region,
            currency=reading.currency or self.currency,
            time_zone=reading.time_zone or self.time_zone,
        )
        return Judge(KINDS[one.kind].route, context, one.digest, reading.as_of, told(one.kind, reading))

    async def _key(self, import_id: UUID) -> bytes:
        return (await self.vault.keys_for({import_id}))[import_id]


def _new(caller: Caller, kind: str, name: str, reading: ReadingIn, at: datetime) -> ImportRow:
    own = caller.own_store_ids
    stores = None if own is None else tuple(sorted(own))
    return ImportRow(
        import_id=uuid4(),
        name=name,
        kind=kind,
        state="uploading",
        key_id=caller.key_id,
        actor=caller.actor,
        store_ids=stores,
        reading=reading.model_dump(mode="json"),
        digest=b"",
        size_bytes=0,
        created_at=at,
        started_at=None,
        changed_at=at,
        ended_at=None,
        rows_total=None,
        counts=Counts(),
        failure_code=None,
        failure=None,
    )


def _settled(one: ImportRow, stored: Stored) -> ReadingIn:
    if not stored.size_bytes:
        raise UnreadableImport("the file is empty; send it as the body: curl --data-binary @FILE")
    try:
        return settled(
            ReadingIn.model_validate(one.reading), KINDS[one.kind], one.name, stored.head, is_utf8=stored.is_utf8
        )
    except UnreadableFile as error:
        raise _unreadable(error) from error


def _merged(one: ImportRow, changed: ReadingIn | None) -> ReadingIn:
    """Return how the file is read: as before, but for what was said anew."""
    before = ReadingIn.model_validate(one.reading)
    return before if changed is None else before.model_copy(update=changed.model_dump(exclude_unset=True))


def _unreadable(error: UnreadableFile) -> UnreadableImport:
    return UnreadableImport(f"the file {error}", errors=[field_error("", str(error), error.code)])


def _look(reader: FileReader, judge: Judge) -> Preview:
    """Read the head of a file as the import would."""
    plan = reader.plan()
    entries = [] if plan.missing or plan.unknown else list(reader.head_entries())
    judged = [(entry, judge.judged(entry, place)) for place, entry in enumerate(entries)]
    refused = [
        (entry.lines[entry.place], one, entry.column_of(one.fault.field))
        for entry, one in judged
        if isinstance(one, Rejected)
    ]
    shown = [(entry.lines[0], _masked(entry)) for entry, one in judged if not isinstance(one, Rejected)]
    return Preview(
        reading=reader.reading,
        plan=plan,
        delimiter=reader.delimiter(),
        lines_read=sum(len(entry.lines) for entry in entries),
        rows=shown[:PREVIEW_ROWS],
        refusals=refused[:PREVIEW_REFUSALS],
        hints=hints(one.fault for _, one, _ in refused),
    )


def _masked(entry: Entry) -> dict[str, Any]:
    """Return an item as it may be shown to somebody who may not see contact data."""
    item = dict(entry.item or {})
    identifiers = item.get("identifiers")
    if isinstance(identifiers, list):
        item["identifiers"] = [
            {"namespace": one.get("namespace"), "masked": mask(str(one.get("namespace")), str(one.get("value")))}
            for one in identifiers
            if isinstance(one, dict)
        ]
    if isinstance(item.get("contact"), dict):
        item["contact"] = dict.fromkeys(item["contact"], MASKED)
    return item
