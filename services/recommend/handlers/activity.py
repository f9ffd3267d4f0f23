"""What was recommended and what came of it: written down and said, once each."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from services.recommend import metrics
from services.recommend.domain.requests import Item
from services.recommend.store import activity, exposures
from services.recommend.store.activity import ActivityRow, ShownRow
from services.recommend.store.exposures import ExploredRow
from shared.db import Database, Transaction
from shared.errors import TransientError
from shared.events import Envelope, Source
from shared.events.recommend import Experiment, RecommendationClickedV1, RecommendationsShownV1, ShownItem
from shared.identity import guest_subject_id
from shared.log import Outgoing, append

WAITING_MAX = 20_000
FLUSH_ROWS = 1000
SOURCE = Source(id="recommend", kind="service")
_ACTIVITY = UUID("0f3a9c52-6d1e-5c47-9b60-3e1f7a2d8c11")


@dataclass(frozen=True, slots=True)
class Shown:
    """A list that was answered, with its items."""

    row: ShownRow
    items: Sequence[Item]


@dataclass(frozen=True, slots=True)
class Reported:
    """What a front end says that somebody did with a recommended product. `reported_id` is the front end's own."""

    reported_id: str
    request_id: UUID
    product_id: str
    action: str
    occurred_at: datetime
    rank: int | None = None
    placement: str | None = None
    customer_id: UUID | None = None

    @property
    def event_id(self) -> UUID:
        return uuid5(_ACTIVITY, f"reported/{self.reported_id}")


class ShownBuffer:
    """Lists that were answered and are not yet written down: no answer waits for a write."""

    def __init__(self, database: Database) -> None:
        """Start empty."""
        self._database = database
        self._waiting: deque[Shown] = deque()

    def add(self, shown: Shown) -> None:
        """Remember a list; the oldest goes when the database is away for too long."""
        if len(self._waiting) >= WAITING_MAX:
            self._waiting.popleft()
            metrics.SHOWN_DROPPED.inc()
        self._waiting.append(shown)

    async def flush(self) -> None:
        """Write down and say what waits; it goes on waiting where the database is away."""
        while self._waiting:
            batch = [self._waiting[place] for place in range(min(len(self._waiting), FLUSH_ROWS))]
            try:
                async with self._database.transaction() as tx:
                    await activity.insert_shown(tx, [shown.row for shown in batch])
                    await _keep_explored(tx, batch)
                    await append(tx, [Outgoing.of(_shown_event(shown)) for shown in batch])
            except TransientError:
                return
            written = {shown.row.request_id for shown in batch}
            self._waiting = deque(shown for shown in self._waiting if shown.row.request_id not in written)


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


async def report(database: Database, reported: Sequence[Reported], now: datetime) -> dict[str, str]:
    """Write down and say what is new; return accepted, repeat or unknown_request by the front end's ids."""
    async with database.transaction() as tx:
        known = await activity.shown_by_request(tx, {each.request_id for each in reported})
        once = {each.event_id: each for each in reversed(reported)}
        answered = {
            event_id: known.get(each.request_id)
            for event_id, each in once.items()
            if each.request_id in known or each.placement is not None
        }
        events = [_activity_event(once[event_id], shown, now) for event_id, shown in answered.items()]
        fresh = await append(tx, [Outgoing.of(event) for event in events])
        rows = [_activity_row(once[event_id], answered[event_id]) for event_id in fresh]
        await activity.insert_activity(tx, rows)
    outcomes = {
        event_id: "accepted" if event_id in fresh else "repeat" if event_id in answered else "unknown_request"
        for event_id in once
    }
    for event_id, outcome in outcomes.items():
        metrics.EVENTS.labels(once[event_id].action, outcome).inc()
    return {once[event_id].reported_id: outcome for event_id, outcome in outcomes.items()}


def _customer_of(each: Reported, shown: ShownRow | None) -> UUID | None:
    return shown.customer_id if shown is not None and shown.customer_id is not None else each.customer_id


def _activity_row(each: Reported, shown: ShownRow | None) -> ActivityRow:
    return ActivityRow(
        each.event_id,
        each.occurred_at,
        each.request_id,
        _customer_of(each, shown),
        each.product_id,
        each.action,
    )


def _activity_event(each: Reported, shown: ShownRow | None, now: datetime) -> Envelope[RecommendationClickedV1]:
    customer_id = _customer_of(each, shown)
    return Envelope.of(
        RecommendationClickedV1.model_validate(
            {
                "request_id": each.request_id,
                "customer_id": customer_id,
                "placement": shown.placement if shown is not None else each.placement,
                "product_id": each.product_id,
                "rank": each.rank if shown is None else _rank_in(shown, each),
                "action": each.action,
            }
        ),
        event_id=each.event_id,
        occurred_at=each.occurred_at,
        received_at=now,
        subject_id=customer_id or guest_subject_id(each.event_id),
        subject_kind="guest" if customer_id is None else "identified",
        source=SOURCE,
    )


def _rank_in(shown: ShownRow, each: Reported) -> int | None:
    if each.product_id in shown.product_ids:
        return shown.product_ids.index(each.product_id) + 1
    return each.rank


def _experiment_of(row: ShownRow) -> Experiment | None:
    if row.experiment_id is None or row.variant is None:
        return None
    return Experiment(id=row.experiment_id, variant=row.variant)


def _shown_event(shown: Shown) -> Envelope[RecommendationsShownV1]:
    row = shown.row
    event_id = uuid5(_ACTIVITY, f"shown/{row.request_id}/{row.placement}")
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
