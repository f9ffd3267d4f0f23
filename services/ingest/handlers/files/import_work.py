"""Working imports off, in the worker: batch by batch, each stored together with how far the file was read.

A worker that is killed loses nothing but its batch; the next one goes on from the stored place. One that was frozen
and deposed meanwhile finds that the place is no longer the one it knows, and its batch is undone.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

import structlog

from services.ingest import metrics
from services.ingest.domain.faults import Fault
from services.ingest.drafts import Result
from services.ingest.handlers.accepting.acceptor import Acceptor
from services.ingest.handlers.files.importing import Imports
from services.ingest.handlers.files.judging import Judge
from services.ingest.handlers.files.sealed_files import FileGone
from services.ingest.handlers.quality.cataloguing import CodeBook
from services.ingest.handlers.sources.counting import Tally
from services.ingest.mapping.files.items import Entry
from services.ingest.mapping.files.rows import UnreadableFile
from services.ingest.schemas.imports import ReadingIn
from services.ingest.store import imports as store
from services.ingest.store.imports import Counts, ImportRow, RefusedLine
from shared.clock import Clock
from shared.db import Transaction, is_transient, reason_of, storable

log = structlog.get_logger()

BATCH_ITEMS = 400
UPLOAD_HOURS = 1
WAITING_HOURS = 24
REPORT_DAYS = 90
NAME_CHARS_MAX = 500


class ImportMoved(Exception):
    """The import was cancelled, or another worker went on with it."""


@dataclass(frozen=True, slots=True)
class ImportWork:
    """The worker's recurring tasks: work off what is queued, one file after the other, and clean up."""

    imports: Imports
    acceptor: Acceptor
    tally: Tally
    codes: CodeBook
    clock: Clock
    batch_items: int = BATCH_ITEMS

    async def run(self) -> None:
        """Work until nothing waits."""
        while (one := await store.next_import(self.imports.database)) is not None:
            await self._work_off(one)

    async def clean(self) -> None:
        """End what was begun and left, whose files are deleted; forget the reports of what ended long ago."""
        now = self.clock.now()
        before = (now - timedelta(hours=UPLOAD_HOURS), now - timedelta(hours=WAITING_HOURS))
        for import_id in await store.abandoned(self.imports.database, *before):
            async with self.imports.database.transaction() as tx:
                await store.move(tx, import_id, ["uploading", "waiting"], "expired", now)
        async with self.imports.database.transaction() as tx:
            await store.forget_ended(tx, now - timedelta(days=REPORT_DAYS))

    async def _work_off(self, one: ImportRow) -> None:
        try:
            await self._import(one)
        except (ImportMoved, FileGone):
            log.info("import.moved", import_id=str(one.import_id))
        except UnreadableFile as error:
            await self._fail(one, error.code, f"the file {error}")
        except Exception as error:
            if is_transient(error):
                raise
            # Otherwise it would be tried again for ever, and keep all others waiting.
            metrics.INGEST_BESIDE_FAILURES.labels("imports").inc()
            log.exception("import.failed", import_id=str(one.import_id))
            await self._fail(one, "internal_error", reason_of(error).partition(":")[0])

    async def _import(self, one: ImportRow) -> None:
        reading = ReadingIn.model_validate(one.reading)
        reader = await self.imports.reader(one.import_id, one.kind, reading, one.size_bytes)
        rows_total = one.rows_total
        if rows_total is None:
            rows_total = await asyncio.to_thread(reader.count_rows)
        begun = await store.begin(self.imports.database, one, rows_total, self.clock.now())
        if begun is None:
            raise ImportMoved
        judge = self.imports.judge(begun, reading)
        entries = islice(reader.entries(rows_total), begun.counts.records, None)
        while batch := await asyncio.to_thread(_next, entries, self.batch_items):
            begun = await self._store(begun, judge, batch)
        await self._end(begun)

    async def _store(self, one: ImportRow, judge: Judge, batch: Sequence[Entry]) -> ImportRow:
        """Store one batch and the place behind it; return the import as it is then. Raises ImportMoved."""
        judge = judge.knowing(await self.codes.codes_for(entry.item for entry in batch))
        judged = await asyncio.to_thread(lambda: [judge.judged(entry, place) for place, entry in enumerate(batch)])
        moved = one

        async def also(tx: Transaction, results: Sequence[Result]) -> None:
            nonlocal moved
            more = _counted(batch, results)
            if not await store.advance(tx, one, more, self.clock.now()):
                raise ImportMoved
            lines = [line for result in results for line in _lines(batch[result.place], result)]
            if lines:
                await store.add_lines(tx, one.import_id, lines)
            moved = store.advanced(one, more)

        results = await self.acceptor.accept(judged, also)
        self.tally.note(judged, results)
        await self.tally.flush()
        await self.codes.learn(judged, results)
        metrics.INGEST_IMPORTED_ROWS.labels(one.kind).inc(moved.counts.rows - one.counts.rows)
        return moved

    async def _end(self, one: ImportRow) -> None:
        async with self.imports.database.transaction() as tx:
            await store.move(tx, one.import_id, ["running"], "done", self.clock.now())
        log.info("import.done", import_id=str(one.import_id), rows=one.counts.rows, refused=one.counts.refused)

    async def _fail(self, one: ImportRow, code: str, reason: str) -> None:
        async with self.imports.database.transaction() as tx:
            now = self.clock.now()
            await store.move(tx, one.import_id, ["queued", "running"], "failed", now, failure=(code, reason))


def _next(entries: Iterator[Entry], count: int) -> list[Entry]:
    return list(islice(entries, count))


def _counted(batch: Sequence[Entry], results: Sequence[Result]) -> Counts:
    statuses = [result.status for result in results]
    return Counts(
        records=len(batch),
        rows=sum(len(entry.lines) for entry in batch),
        accepted=statuses.count("accepted"),
        repeated=statuses.count("repeat"),
        conflicts=statuses.count("conflict"),
        refused=statuses.count("refused"),
    )


def _lines(entry: Entry, result: Result) -> list[RefusedLine]:
    """Return what the report says of an item's lines: nothing where all is well."""
    if result.code is None or result.message is None:
        return []
    place = _place(entry, result.field)
    fault = Fault(result.code, result.message, result.field)
    return [
        _line(entry, number, result, fault if at == place else _of_another(entry.lines[place], fault))
        for at, number in enumerate(entry.lines)
    ]


def _place(entry: Entry, pointer: str | None) -> int:
    """Return which of an item's lines a fault is of."""
    parts = (pointer or "").split("/")
    if len(entry.lines) > 1 and parts[1:2] == ["lines"] and len(parts) > 2 and parts[2].isdigit():
        return min(int(parts[2]), len(entry.lines) - 1)
    return entry.place


def _of_another(line: int, fault: Fault) -> Fault:
    return Fault(fault.code, f"its receipt is not taken because of line {line}", None)


def _line(entry: Entry, number: int, result: Result, fault: Fault) -> RefusedLine:
    return RefusedLine(
        line=number,
        status=result.status,
        code=fault.code,
        message=fault.message,
        field=_storable(fault.field),
        column=_storable(entry.column_of(fault.field)),
        message_id=_storable(result.message_id),
    )


def _storable(name: str | None) -> str | None:
    """Return a name out of a file as a text column can hold it."""
    return None if name is None else storable(name, NAME_CHARS_MAX)
