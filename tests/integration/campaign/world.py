"""The service as its tests use it: events applied directly, HTTP called in process, a clock that is set."""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
from fastapi import FastAPI

from services.campaign.app import build_api, build_parts, channels, point_rules
from services.campaign.consumer import subscription
from services.campaign.handlers.facts import Facts
from services.campaign.handlers.points import Points
from services.campaign.handlers.sending import Preparing, Sending
from services.campaign.settings import Settings
from services.campaign.store.proof import prove
from shared.clock import FixedClock
from shared.customers.resolver import SubjectResolver
from shared.db import Database, PoolLimits, Transaction
from shared.events import Envelope, EventData, Source
from shared.events.customers import ConsentChangedV1, SubjectAssignedV1
from shared.events.receipts import ReceiptLine, ReceiptRecordedV1, ReceiptVoidedV1, ReturnsOf
from shared.events.segments import SegmentEnteredV1
from shared.events.warnings import Reason, WarningRaisedV1
from shared.http.peer import Answer
from shared.identity import NEVER_REISSUED, BlindIndexKeys
from shared.keys import KeyEntry, issue_key, write_keys

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
KEYS = BlindIndexKeys.from_deployment_key(b"d" * 32)
SOURCE = Source(id="till", kind="pos")
DAY = timedelta(days=1)


class FakeIngest:
    """Ingest's answers, as far as campaign asks."""

    def __init__(self) -> None:
        self.subjects: dict[tuple[str, str], UUID] = {}
        self.addresses: dict[UUID, str] = {}

    async def ask(self, method: str, path: str, document: object = None) -> Answer:
        assert isinstance(document, dict)
        subject_id = self.subjects[document["namespace"], document["value"]]
        return Answer(200, orjson.dumps({"subject_id": str(subject_id)}))

    async def email_addresses(self, customer_ids: Sequence[UUID]) -> Mapping[UUID, str]:
        return {each: self.addresses[each] for each in customer_ids if each in self.addresses}


@dataclass
class World:
    """One campaign service."""

    database: Database
    settings: Settings
    clock: FixedClock
    ingest: FakeIngest
    app: FastAPI
    keys: dict[str, str]
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, role: str = "administrator") -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://campaign",
            headers={"Authorization": f"Bearer {self.keys[role]}"},
        )
        self.clients.append(client)
        return client

    async def apply(self, *events: Envelope[Any]) -> None:
        """Apply events as the worker would: one transaction."""
        async with self.database.transaction() as tx:
            await self.apply_in(tx, *events)

    async def apply_in(self, tx: Transaction, *events: Envelope[Any]) -> None:
        await subscription(Facts(Points(point_rules(self.settings), self.clock))).dispatch(tx, events)

    async def expire_points(self) -> None:
        await Points(point_rules(self.settings), self.clock).expire(self.database)

    async def prepare(self) -> None:
        await Preparing(self.database, self.clock, self.settings.currency).run()

    def sending(self, **changed: Any) -> Sending:
        parts: dict[str, Any] = {
            "database": self.database,
            "clock": self.clock,
            "currency": self.settings.currency,
            "channels": channels(self.settings),
            "addresses": self.ingest,
            "batch_max": self.settings.messages_per_batch,
        }
        return Sending(**{**parts, **changed})

    def allow_email(self) -> None:
        """Let e-mail campaigns start, as they do with a mail server."""
        parts = self.app.state.parts
        with_mail = replace(parts.campaigns, channels=frozenset({"file", "email"}))
        self.app.state.parts = replace(parts, campaigns=with_mail)

    def outbox(self) -> list[str]:
        """Every line of every file of the outbox."""
        folder = self.settings.data_dir / "outbox"
        return [line for file in sorted(folder.glob("*.ndjson")) for line in file.read_text().splitlines()]

    async def assert_books_hold(self) -> None:
        broken = [proved for proved in await prove(self.database) if not proved.holds]
        assert not broken, broken

    async def started(self, **plan: Any) -> str:
        """Plan, approve and start a campaign, and prepare what its customers get; return its id."""
        client = self.client()
        answer = await client.post("/v1/campaigns", json=campaign_plan(**plan))
        assert answer.status_code == 201, answer.text
        campaign_id: str = answer.json()["campaign_id"]
        for action in ("approve", "start"):
            answer = await client.post(f"/v1/campaigns/{campaign_id}:{action}")
            assert answer.status_code == 200, answer.text
        await self.prepare()
        return campaign_id

    async def codes(self, campaign_id: str) -> dict[UUID, str]:
        rows = await self.database.fetch(
            "SELECT customer_id, code FROM coupons WHERE campaign_id = $1", UUID(campaign_id)
        )
        return {row["customer_id"]: row["code"] for row in rows}

    async def segment(self, people: int) -> tuple[str, list[UUID]]:
        """Put new customers into a new segment; return both."""
        segment_id, customer_ids = f"segment-{uuid4().hex[:8]}", [uuid4() for _ in range(people)]
        await self.apply(*(entered(customer_id, segment_id) for customer_id in customer_ids))
        return segment_id, customer_ids

    async def coupon(self, **offer: Any) -> tuple[UUID, str]:
        """Issue one coupon; return its holder and code."""
        segment_id, [customer_id] = await self.segment(1)
        plan = {"audience": {"segments_any": [segment_id]}, "holdout_share": 0, "offer": {**OFFER, **offer}}
        codes = await self.codes(await self.started(**plan))
        return customer_id, codes[customer_id]


@asynccontextmanager
async def open_world(dsn: str, folder: Path, *, pool: int = 10) -> AsyncIterator[World]:
    keys, entries = _keys()
    write_keys(folder / "keys.json", entries)
    settings = Settings(
        database_url=dsn,
        bootstrap_servers="127.0.0.1:1",
        port=8005,
        keys_file=folder / "keys.json",
        service_key="unused",
        peers={"ingest": "http://127.0.0.1:1"},
        data_dir=folder / "data",
        currency="CNY",
        time_zone="Asia/Shanghai",
        identity_keys={name: base64.b64encode(KEYS.namespace_key(name)).decode() for name in NEVER_REISSUED},
    )
    limits = PoolLimits(size_min=1, size_max=pool, acquire_seconds=20)
    database = await Database.connect(dsn, application="tests", limits=limits)
    clock, ingest = FixedClock(NOW), FakeIngest()
    app = build_api(settings)
    app.state.database, app.state.clock = database, clock
    app.state.parts = build_parts(
        settings, database, clock, SubjectResolver("campaign", ingest, "/identifier", settings.blind_index_keys())
    )
    world = World(database, settings, clock, ingest, app, keys)
    try:
        yield world
    finally:
        for client in world.clients:
            await client.aclose()
        await database.close()


def _keys() -> tuple[dict[str, str], list[KeyEntry]]:
    asked = {
        "administrator": ("administrator", ["*"]),
        "till": ("store", ["*"]),
        "till-S02": ("store", ["S02"]),
        "marketer": ("marketer", ["*"]),
        "analyst": ("analyst", ["*"]),
    }
    issued = {name: issue_key(role, name, store_ids=stores) for name, (role, stores) in asked.items()}
    return {name: key for name, (key, _) in issued.items()}, [entry for _, entry in issued.values()]


OFFER: dict[str, Any] = {
    "amount_minor": 500,
    "valid_from": NOW.isoformat(),
    "valid_until": (NOW + 30 * DAY).isoformat(),
}


def campaign_plan(**changed: Any) -> dict[str, Any]:
    plan = {
        "name": "Win back",
        "holdout_share": 0.2,
        "offer": OFFER,
        "template": {"body": "{{ discount }} off with {{ code }}"},
    }
    return {**plan, **changed}


def redemption(code: str, *, total_minor: int = 3000, **changed: Any) -> dict[str, Any]:
    order = {
        "receipt_key": {"terminal_id": "T3", "business_date": "2026-11-22", "sequence_number": 1045},
        "store_id": "S01",
        "currency": "CNY",
        "lines": [{"product_id": "P100", "quantity": "1", "amount_minor": total_minor}],
    }
    order.update(changed.pop("order", {}))
    return {"redeemables": [{"kind": "coupon", "id": code}], "order": order, **changed}


def once(key: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": key or uuid4().hex}


def envelope(data: EventData, subject_id: UUID, *, event_id: UUID | None = None, at: datetime = NOW) -> Envelope[Any]:
    return Envelope.of(
        data,
        event_id=event_id or uuid4(),
        occurred_at=at,
        received_at=at,
        subject_id=subject_id,
        subject_kind="identified",
        source=SOURCE,
        store_id="S01",
    )


def entered(customer_id: UUID, segment_id: str, n: int = 1) -> Envelope[Any]:
    data = SegmentEnteredV1(customer_id=customer_id, n=n, at=NOW, segment_id=segment_id, segment_name=segment_id)
    return envelope(data, customer_id)


def warned(customer_id: UUID, level: Any, n: int = 1) -> Envelope[Any]:
    data = WarningRaisedV1(
        warning_id=uuid4(),
        customer_id=customer_id,
        n=n,
        level=level,
        probability_8w=0.7,
        expected_weeks=(1, 4),
        value_at_risk_minor=10_000,
        currency="CNY",
        reasons=(Reason(code="gap", text="a longer gap than usual"),),
        as_of=NOW.date(),
        model_version="1",
    )
    return envelope(data, customer_id)


def assigned(subject_id: UUID, customer_id: UUID, version: int = 1) -> Envelope[Any]:
    data = SubjectAssignedV1(subject_id=subject_id, customer_id=customer_id, version=version, cause="merged")
    return envelope(data, subject_id)


def consent(subject_id: UUID, state: Any, channel: Any = "any", at: datetime = NOW) -> Envelope[Any]:
    return envelope(ConsentChangedV1(channel=channel, purpose="marketing", state=state), subject_id, at=at)


def sale(subject_id: UUID, amount_minor: int, *, receipt_id: UUID | None = None, at: datetime = NOW) -> Envelope[Any]:
    return _receipt("sale", subject_id, amount_minor, receipt_id, None, at)


def goods_back(
    subject_id: UUID,
    amount_minor: int,
    *,
    of: UUID | None,
    receipt_id: UUID | None = None,
    at: datetime = NOW,
) -> Envelope[Any]:
    return _receipt("return", subject_id, amount_minor, receipt_id, of, at)


def void(subject_id: UUID, receipt_id: UUID, at: datetime = NOW, *, replaced_by: UUID | None = None) -> Envelope[Any]:
    void_id = uuid4()
    data = ReceiptVoidedV1(
        receipt_id=void_id,
        store_id="S01",
        terminal_id="T3",
        business_date=date(2026, 11, 22),
        sequence_number=1,
        currency="CNY",
        voids_receipt_id=receipt_id,
        replaced_by_receipt_id=replaced_by,
        amount_minor=1,
    )
    return envelope(data, subject_id, event_id=void_id, at=at)


def _receipt(
    kind: Any, subject_id: UUID, amount_minor: int, receipt_id: UUID | None, of: UUID | None, at: datetime
) -> Envelope[Any]:
    receipt_id = receipt_id or uuid4()
    line = ReceiptLine(
        line_number=1, product_id="P100", quantity="1", unit_price_minor=amount_minor, amount_minor=amount_minor
    )
    original = ReturnsOf(receipt_id=of, store_id="S01", business_date=date(2026, 11, 22)) if of else None
    data = ReceiptRecordedV1(
        receipt_id=receipt_id,
        store_id="S01",
        terminal_id="T3",
        business_date=date(2026, 11, 22),
        sequence_number=1,
        currency="CNY",
        kind=kind,
        lines=(line,),
        returns_of=original,
    )
    return envelope(data, subject_id, event_id=receipt_id, at=at)
