"""What was recommended: written down and said, once each, after it was answered."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from uuid import UUID, uuid5

import structlog

from services.recommend import metrics
from services.recommend.domain.requests import Item
from services.recommend.store import activity, exposures, people
from services.recommend.store.activity import ShownRow
from services.recommend.store.exposures import ExploredRow
from shared.customers.erasures import erased_among
from shared.db import Database, Transaction
from shared.errors import TransientError
from shared.events import Envelope, Source
from shared.events.recommend import Experiment, RecommendationsShownV1, ShownItem
from shared.identity import guest_subject_id
from shared.log import Outgoing, append

log = structlog.get_logger()

WAITING_MAX = 20_000
FLUSH_ROWS = 100
EVENTS_AT_ONCE = 5
"""Making an event of a list takes a third of a millisecond: who asks meanwhile is answered between so many."""
SOURCE = Source(id="recommend", kind="service")
ACTIVITY = UUID("0f3a9c52-6d1e-5c47-9b60-3e1f7a2d8c11")
"""The namespace of the ids of what this service says."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A list that was answered, with its items."""

    row: ShownRow
    items: Sequence[Item]


class ShownBuffer:
    """Lists that were answered and are not yet written down: no answer waits for a write."""

    def __init__(self, database: Database) -> None:
        """Start empty."""
        self._database = database
        self._waiting: deque[Shown] = deque()
        self._writing = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, shown: Shown) -> None:
        """Remember a list; the oldest goes when the database is away for too long."""
        if len(self._waiting) >= WAITING_MAX:
            self._waiting.popleft()
            metrics.SHOWN_DROPPED.labels("away").inc()
        self._waiting.append(shown)
        metrics.SHOWN_WAITING.set(len(self._waiting))

    async def flush(self) -> None:
        """Write down and say what waits; it goes on waiting where the database is away."""
        async with self._writing:
            while self._waiting:
                batch = list(islice(self._waiting, FLUSH_ROWS))
                try:
                    await self._write(batch)
                except TransientError as away:
                    log.warning("shown.waits", lists=len(self._waiting), reason=str(away))
                    return
                self._let_go(batch)

    async def _write(self, batch: Sequence[Shown]) -> None:
        """Write a batch; of one that cannot be written only the lists at fault are lost. Raises TransientError."""
        try:
            async with self._database.transaction() as tx:
                await write_down(tx, batch)
        except TransientError:
            raise
        except Exception:
            # Whatever a value is that the database refuses: it must not keep all the others from being written.
            if len(batch) == 1:
                metrics.SHOWN_DROPPED.labels("unwritable").inc()
                log.exception("shown.unwritable", request_id=str(batch[0].row.request_id))
                return
            middle = len(batch) // 2
            await self._write(batch[:middle])
            await self._write(batch[middle:])

    def _let_go(self, written: Sequence[Shown]) -> None:
        """Take out what was written; of it the oldest may have gone meanwhile, when the place was needed."""
        gone = {id(shown) for shown in written}
        while self._waiting and id(self._waiting[0]) in gone:
            self._waiting.popleft()
        metrics.SHOWN_WAITING.set(len(self._waiting))


async def write_down(tx: Transaction, batch: Sequence[Shown]) -> None:
    """Keep lists and say that they were shown; those of people who were erased meanwhile are nobody's."""
    await people.hold_off_erasures(tx)
    told = await _without_erased(tx, batch)
    await activity.insert_shown(tx, [shown.row for shown in told])
    await _keep_explored(tx, told)
    await append(tx, await _said(told))


async def _said(told: Sequence[Shown]) -> list[Outgoing]:
    said = []
    for number, shown in enumerate(told, start=1):
        said.append(Outgoing.of(_shown_event(shown)))
        if not number % EVENTS_AT_ONCE:
            await asyncio.sleep(0)
    return said


async def _without_erased(tx: Transaction, batch: Sequence[Shown]) -> list[Shown]:
    """Take the person off lists that were answered before an erasure came and are written after it."""
    named = {shown.row.customer_id for shown in batch if shown.row.customer_id is not None}
    erased = await erased_among(tx, named) if named else set()
    return [_nobodys(shown) if shown.row.customer_id in erased else shown for shown in batch]


def _nobodys(shown: Shown) -> Shown:
    row = replace(shown.row, customer_id=None, session_id=None, experiment_id=None, variant=None, unit=None)
    return replace(shown, row=row)


async def _keep_explored(tx: Transaction, batch: Sequence[Shown]) -> None:
    """Write down what lists showed to learn about it."""
    rows = [
        ExploredRow(shown.row.request_id, shown.row.shown_at, item.product_id, item.propensity)
        for shown in batch
        for item in shown.items
        if item.propensity is not None
    ]
    if rows:
        await exposures.insert_explored(tx, rows)
        for placement in [shown.row.placement for shown in batch if any(item.propensity for item in shown.items)]:
            tx.on_commit(metrics.EXPLORED.labels(placement).inc)


def _experiment_of(row: ShownRow) -> Experiment | None:
    if row.experiment_id is None or row.variant is None:
        return None
    return Experiment(id=row.experiment_id, variant=row.variant)


def _shown_event(shown: Shown) -> Envelope[RecommendationsShownV1]:
    row = shown.row
    event_id = uuid5(ACTIVITY, f"shown/{row.request_id}/{row.placement}")
    return Envelope.of(
        RecommendationsShownV1(
            request_id=row.request_id,
            customer_id=row.customer_id,
            session_id=row.session_id,
            placement=row.placement,
            model_version=row.model_version,
            experiment=_experiment_of(row),
            fallback_level=row.fallback_level,
            items=tuple(
                ShownItem(
                    product_id=item.product_id,
                    rank=item.rank,
                    score=item.score,
                    source=item.source.value,
                    propensity=item.propensity,
                )
                for item in shown.items
            ),
        ),
        event_id=event_id,
        occurred_at=row.shown_at,
        received_at=row.shown_at,
        subject_id=row.customer_id or guest_subject_id(event_id),
        subject_kind="guest" if row.customer_id is None else "identified",
        source=SOURCE,
    )
