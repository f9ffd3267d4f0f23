"""`/v1/sources`: who may send through the clients' routes, how much, and what became of it."""

from datetime import timedelta
from typing import Annotated

from fastapi import Path, Query

from services.ingest.api.dependencies import Admin, IngestDep, Reader
from services.ingest.domain.buckets import RateLimit
from services.ingest.domain.figures import Figures
from services.ingest.errors import SourceNotFound
from services.ingest.handlers.sources import registering
from services.ingest.handlers.sources.registering import ListedSource
from services.ingest.schemas.sources import (
    DayFiguresOut,
    FiguresOut,
    KeyOut,
    LimitIn,
    RotatedOut,
    RotateIn,
    SourceChangeIn,
    SourceFiguresOut,
    SourceIn,
    SourceMade,
    SourceOut,
    SourcesOut,
)
from services.ingest.store import figures
from shared.events import topics_owned_by
from shared.http.body import Router

router = Router(prefix="/v1/sources", tags=["sources"])

SourceId = Annotated[str, Path(max_length=64)]
UNSENT_LOOKED_AT_MAX = 1000
DAYS_MAX = 400


@router.get("")
async def list_sources(ingest: IngestDep, _caller: Admin) -> SourcesOut:
    """List all sources; their keys are stored hashed and shown to nobody."""
    listed = await registering.list_sources(ingest.database, ingest.clock.now())
    return SourcesOut(sources=[_shown(one) for one in listed])


@router.post("", status_code=201)
async def create_source(asked: SourceIn, ingest: IngestDep, _caller: Admin) -> SourceMade:
    """Make a source; its write key is in this answer and nowhere else."""
    source_id, write_key = await registering.create_source(ingest.database, asked.kind, asked.id, asked.name)
    ingest.sources.forget()
    return SourceMade(source_id=source_id, kind=asked.kind, write_key=write_key)


@router.patch("/{source_id}")
async def change_source(source_id: SourceId, asked: SourceChangeIn, ingest: IngestDep, _caller: Admin) -> SourceOut:
    """Set a source's name, its limit and what is done about crawlers; it holds within a second everywhere."""
    sets_limit = "limit" in asked.model_fields_set
    change = registering.Change(asked.name, asked.bot_filter, sets_limit, _limit(asked.limit))
    changed = await registering.change_source(ingest.database, source_id, change, ingest.clock.now())
    ingest.sources.forget()
    return _shown(changed)


@router.post("/{source_id}:rotate")
async def rotate_source(source_id: SourceId, asked: RotateIn, ingest: IngestDep, _caller: Admin) -> RotatedOut:
    """Make a new write key; the one before it holds beside it until the time given. Older ones end at once."""
    write_key, until = await registering.rotate_source(
        ingest.database, source_id, ingest.clock.now(), asked.old_key_until
    )
    ingest.sources.forget()
    return RotatedOut(source_id=source_id, write_key=write_key, old_key_until=until)


@router.post("/{source_id}:disable", status_code=204)
async def disable_source(source_id: SourceId, ingest: IngestDep, _caller: Admin) -> None:
    """Refuse everything that the source sends from now on, within a second in every process."""
    await registering.disable_source(ingest.database, source_id, ingest.clock.now())
    ingest.sources.forget()


@router.post("/{source_id}:enable", status_code=204)
async def enable_source(source_id: SourceId, ingest: IngestDep, _caller: Admin) -> None:
    """Take what the source sends again, with the keys that still hold."""
    await registering.enable_source(ingest.database, source_id)
    ingest.sources.forget()


@router.get("/{source_id}/figures")
async def figures_of_source(
    source_id: Annotated[str, Path(max_length=128, description="of a source, or of an API key that sends")],
    ingest: IngestDep,
    _caller: Reader,
    days: Annotated[int, Query(ge=1, le=DAYS_MAX, description="how many days back, today included")] = 30,
) -> SourceFiguresOut:
    """Tell what became of what a source sent, by day, and how long its oldest event waits to be published.

    Figures of other processes are at most about a second old.
    """
    await ingest.tally.flush()
    now = ingest.clock.now()
    since = ingest.tally.day_of(now) - timedelta(days=days - 1)
    found = await figures.figures_of(ingest.database, source_id, since)
    if not found and await ingest.sources.named(source_id) is None:
        raise SourceNotFound(f"there is no source {source_id}, and no key of this id has sent", field="source_id")
    topics = [topic.name for topic in topics_owned_by("ingest")]
    unsent_at = await figures.oldest_unsent_at(
        ingest.database, source_id, topics, ingest.settings.partitions, UNSENT_LOOKED_AT_MAX
    )
    return SourceFiguresOut(
        source_id=source_id,
        last_seen_at=max((one.last_seen_at for one in found), default=None),
        oldest_unsent_at=unsent_at,
        oldest_unsent_seconds=None if unsent_at is None else max((now - unsent_at).total_seconds(), 0.0),
        totals=FiguresOut.model_validate(sum((one.figures for one in found), Figures())),
        days=[DayFiguresOut(day=one.day, **FiguresOut.model_validate(one.figures).model_dump()) for one in found],
    )


def _limit(asked: LimitIn | None) -> RateLimit | None:
    return None if asked is None else RateLimit(asked.events_per_second, asked.burst)


def _shown(listed: ListedSource) -> SourceOut:
    row = listed.row
    return SourceOut(
        source_id=row.source_id,
        kind=row.kind,
        name=row.name,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        keys=[KeyOut(created_at=key.created_at, ends_at=key.ends_at) for key in listed.keys],
        limit=None if row.limit is None else LimitIn.model_validate(row.limit),
        bot_filter=row.bot_filter,
    )
