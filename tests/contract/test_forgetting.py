"""An erasure leaves, in every service, what the rewritten history leaves: byte for byte, whenever it comes."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID, uuid5

import pytest

from shared.customers.erasures import applied_erasure
from shared.db import Database
from shared.events import Envelope, EventData, Source, SubjectKind, decode, encode, topic_of
from shared.events.behaviour import ProductViewedV2
from shared.events.catalogue import TOPICS
from shared.events.customers import AttributesChangedV1, ConsentChangedV1, CustomerErasedV1, SubjectAssignedV1
from shared.events.feedback import ComplaintOpenedV1
from shared.events.forgetting import forgotten
from shared.events.receipts import ReceiptLine, ReceiptRecordedV1, ReceiptVoidedV1, ReturnsOf, Tender
from shared.events.segments import SegmentEnteredV1
from shared.events.warnings import Reason, WarningRaisedV1
from shared.service import Work
from tests.contract.conftest import Ready

pytestmark = pytest.mark.postgres

SPACE = UUID(int=77)
ANNA, BORIS, CARLA = (uuid5(SPACE, name) for name in ("anna", "boris", "carla"))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONSUMERS = ("profile", "recommend", "churn", "campaign")
OF_THE_MOMENT = frozenset(
    {
        "applied_erasures",
        "schedule_runs",
        "leases",
        "alembic_version",
        "dirty",
        "hook_failures",
        "changed_subjects",
    }
)
LOG = frozenset({"events", "unnumbered", "numbered", "watermarks", "log_origin"})

Event = Envelope[Any]


def event(
    name: str, data: EventData, subject_id: UUID = ANNA, kind: SubjectKind = "identified", hours: int = 0
) -> Event:
    at = NOON + timedelta(hours=hours)
    event_id = uuid5(SPACE, name)
    source = Source(id="till", kind="pos")
    return Envelope.of(
        data,
        event_id=event_id,
        occurred_at=at,
        received_at=at,
        subject_id=subject_id,
        subject_kind=kind,
        source=source,
    )


def receipt(name: str, subject_id: UUID = ANNA, hours: int = 0, **changes: Any) -> Event:
    line = ReceiptLine(line_number=1, product_id="P1", quantity="2", unit_price_minor=500, amount_minor=1000)
    fields: dict[str, Any] = {
        "receipt_id": uuid5(SPACE, name),
        "store_id": "S1",
        "terminal_id": "T1",
        "business_date": date(2026, 3, 1),
        "sequence_number": len(name),
        "currency": "USD",
        "kind": "sale",
        "lines": (line,),
        "tenders": (Tender(kind="card", amount_minor=1000, reference="psp-77"),),
        "other_subject_ids": (BORIS,),
        **changes,
    }
    return event(name, ReceiptRecordedV1(**fields), subject_id, hours=hours)


def void(name: str, of: str) -> Event:
    data = ReceiptVoidedV1(
        receipt_id=uuid5(SPACE, name), store_id="S1", terminal_id="T1", business_date=date(2026, 3, 1),
        sequence_number=99, currency="USD", voids_receipt_id=uuid5(SPACE, of), amount_minor=1000,
    )  # fmt: skip
    return event(name, data)


def assigned(subject_id: UUID, customer_id: UUID, version: int) -> Event:
    data = SubjectAssignedV1(
        subject_id=subject_id, customer_id=customer_id, version=version, cause="linked",
        namespace="loyalty_card", masked="****1111",
    )  # fmt: skip
    return event(f"assigned-{subject_id}-{version}", data, subject_id)


RETURNS_OF = ReturnsOf(receipt_id=uuid5(SPACE, "sale"), store_id="S1", business_date=date(2026, 3, 1))
WARNING = WarningRaisedV1(
    warning_id=uuid5(SPACE, "w"),
    customer_id=ANNA,
    n=1,
    level="high",
    probability_8w=0.5,
    expected_weeks=(1, 4),
    value_at_risk_minor=9,
    currency="USD",
    reasons=(Reason(code="silent", text="silent"),),
    as_of=date(2026, 3, 1),
    model_version="m",
)
HISTORY: tuple[Event, ...] = (
    assigned(ANNA, ANNA, 1),
    assigned(BORIS, ANNA, 1),
    assigned(CARLA, CARLA, 1),
    receipt("sale"),
    receipt("boris-buys", BORIS, hours=1),
    receipt("back", hours=2, kind="return", returns_of=RETURNS_OF),
    receipt("wrong", hours=3),
    void("void", "wrong"),
    receipt("carla", CARLA, hours=4, other_subject_ids=()),
    event("likes", AttributesChangedV1(attributes={"city": "Wuhan"})),
    event("allows", ConsentChangedV1(channel="email", purpose="marketing", state="granted")),
    event("objects", ConsentChangedV1(channel="any", purpose="personalisation", state="withdrawn"), BORIS),
    event("complains", ComplaintOpenedV1(complaint_id="c1", channel="store", text="call me")),
    event("looks", ProductViewedV2(product_id="P1", session_id="s1", channel="web")),
    event(
        "entered", SegmentEnteredV1(customer_id=ANNA, segment_id="champions", segment_name="Champions", n=1, at=NOON)
    ),
    event("warned", WARNING),
)
ERASURES: tuple[Event, ...] = tuple(
    event(
        f"erased-{subject_id}",
        CustomerErasedV1(erasure_id=uuid5(SPACE, "erasure"), customer_id=ANNA, subject_ids=(ANNA, BORIS)),
        subject_id,
    )
    for subject_id in (ANNA, BORIS)
)


def rewritten(history: Sequence[Event]) -> list[Event]:
    """Return the history as the archive tells it after the erasure."""
    told: list[Event] = []
    for each in history:
        if each.subject_id not in {ANNA, BORIS}:
            told.append(each)
        elif body := forgotten(encode(each)):
            told.append(decode(body))
    return told


async def after(database: Database, work: Work, batches: Sequence[Sequence[Event]]) -> dict[str, list[str]]:
    """Apply the batches to empty tables; return every row that is left."""
    assert work.subscription is not None
    tables = await names(database)
    await database.execute(
        f"TRUNCATE {', '.join(sorted(tables | LOG | {'applied_erasures'}))} RESTART IDENTITY CASCADE"
    )
    for batch in batches:
        async with database.transaction() as tx:
            await work.subscription.dispatch(tx, batch)
    return {table: await rows(database, table) for table in sorted(tables)}


async def names(database: Database) -> set[str]:
    found = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in found} - OF_THE_MOMENT - LOG


async def rows(database: Database, table: str) -> list[str]:
    found = await database.fetch(f"SELECT to_jsonb(t)::text AS row FROM {table} t")
    return sorted(row["row"] for row in found)


def of_the_service(history: Sequence[Event], name: str) -> list[Event]:
    """Return what the service consumes."""
    topics = {topic.name for topic in TOPICS if name in topic.consumers}
    return [each for each in history if topic_of(each.data).name in topics]


@pytest.mark.parametrize("ready", CONSUMERS, indirect=True)
async def test_an_erasure_leaves_what_the_rewritten_history_leaves(ready: Ready, work: tuple[Database, Work]) -> None:
    database, works = work
    history = of_the_service(HISTORY, ready.service.name)
    expected = await after(database, works, [[each] for each in (*rewritten(history), *ERASURES)])
    for seed in range(8):
        draw = Random(seed)
        events = [*history, *ERASURES, *draw.sample(history, 3)]
        if seed:
            draw.shuffle(events)
        cuts = sorted({0, len(events), *draw.sample(range(len(events)), 5)})
        batches = [events[start:end] for start, end in pairwise(cuts)]
        left = await after(database, works, batches)
        different = {table for table in expected if left[table] != expected[table]}
        assert not different, {table: (left[table], expected[table]) for table in different}


@pytest.mark.parametrize("ready", CONSUMERS, indirect=True)
async def test_after_an_erasure_no_row_and_no_own_event_names_the_person(
    ready: Ready, work: tuple[Database, Work]
) -> None:
    database, works = work
    history = of_the_service(HISTORY, ready.service.name)
    left = await after(database, works, [history, ERASURES])
    remembered = {"erased_subjects", "warning_counters"}
    for table, found in left.items():
        for row in found:
            assert table in remembered or (str(ANNA) not in row and str(BORIS) not in row), (table, row)
    for said in await database.fetch("SELECT type, body FROM events"):
        assert said["type"] == "WarningClosed" or str(ANNA).encode() not in said["body"], said


@pytest.mark.parametrize("ready", CONSUMERS, indirect=True)
async def test_a_service_says_which_subjects_it_has_forgotten(ready: Ready, work: tuple[Database, Work]) -> None:
    database, works = work
    await after(database, works, [of_the_service(HISTORY, ready.service.name), ERASURES[:1]])
    found = await applied_erasure(database, uuid5(SPACE, "erasure"))
    assert found.subject_ids == (ANNA,)
    assert found.applied_at is not None


def test_the_history_has_what_it_should() -> None:
    told = rewritten(HISTORY)
    assert [each.subject_kind for each in told].count("guest") == 5
    assert len(told) == 7
