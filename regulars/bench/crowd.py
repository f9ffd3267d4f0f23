"""A million customers put straight into the databases of ingest and profile, some of whom have a known telephone.

Nobody could send so many through the front door in the time of a benchmark. Every customer has a telephone, two
receipts and a moment; those who are asked for have a loyalty card, twenty receipts and a consent besides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from regulars.bench.temporary import Say
from shared.db import Database, PoolLimits
from shared.identity import BlindIndexKeys, mask, normalise, subject_id_for

LIMITS = PoolLimits(size_max=1, command_seconds=120)
AT_ONCE = 100_000
"""Customers a statement: each statement stays far below the time that the database allows it."""
STORES = 100
PRODUCTS = 20_000
RECEIPTS = 2
RECEIPTS_ASKED = 20

PEOPLE = """
CREATE TABLE bench_people (
    n int PRIMARY KEY, phone uuid NOT NULL, card uuid, blind_index bytea NOT NULL, masked text NOT NULL,
    receipts int NOT NULL
)
"""
OTHERS = """
INSERT INTO bench_people
SELECT n, md5('phone' || n)::uuid, NULL, sha256(n::text::bytea),
    '139****' || lpad((n % 10000)::text, 4, '0'), $3
FROM generate_series($1::int, $2::int) AS n
"""
INGEST = """
INSERT INTO subjects (subject_id, namespace, blind_index, generation, masked, first_seen_at, last_seen_at)
SELECT phone, 'phone', blind_index, 0, masked, now() - interval '300 days', now() - interval '1 day'
FROM bench_people WHERE n BETWEEN $1 AND $2
UNION ALL
SELECT card, 'loyalty_card', sha256(blind_index), 0, '60******' || n % 100, now() - interval '300 days',
    now() - interval '1 day'
FROM bench_people WHERE n BETWEEN $1 AND $2 AND card IS NOT NULL;

INSERT INTO assignments (subject_id, customer_id, version, cause, event_id)
SELECT subject_id, phone, 1, 'seen_together', subject_id
FROM bench_people, unnest(ARRAY[phone, card]) AS subject_id WHERE n BETWEEN $1 AND $2 AND card IS NOT NULL
"""
PROFILE = """
INSERT INTO subjects (subject_id, kind, namespace, masked, masked_version)
SELECT phone, 'identified', 'phone', masked, 1 FROM bench_people WHERE n BETWEEN $1 AND $2
UNION ALL
SELECT card, 'identified', 'loyalty_card', '60******' || n % 100, 1
FROM bench_people WHERE n BETWEEN $1 AND $2 AND card IS NOT NULL;

INSERT INTO assignments (subject_id, customer_id, version)
SELECT subject_id, phone, 1 FROM bench_people, unnest(ARRAY[phone, card]) AS subject_id
WHERE n BETWEEN $1 AND $2 AND card IS NOT NULL;

INSERT INTO receipts (receipt_id, event_id, subject_id, kind, training, voided, store_id, occurred_at, business_date,
    utc_offset_minutes, currency, sold_minor, returned_minor, items, used_coupon, channel, lines)
SELECT id, id, coalesce(card, phone), 'sale', false, false, 'S' || n % {stores}, at, at::date, -300, 'USD', 1500, 0,
    3, false, 'store',
    jsonb_build_array(
        jsonb_build_array('P' || n % {products}, '1', 500), jsonb_build_array('P' || (n + i) % {products}, '2', 1000)
    )
FROM bench_people, generate_series(1, receipts) AS i,
    LATERAL (SELECT md5(n || '/' || i)::uuid AS id, now() - make_interval(days => i * 7 + n % 7) AS at) AS made
WHERE n BETWEEN $1 AND $2;

INSERT INTO subject_totals (subject_id, currency, receipts, returns, items, gross_minor, returned_minor,
    unknown_void_minor, first_at, last_at)
SELECT coalesce(card, phone), 'USD', receipts, 0, receipts * 3, receipts * 1500, 0, 0,
    now() - make_interval(days => receipts * 7 + n % 7), now() - make_interval(days => 7 + n % 7)
FROM bench_people WHERE n BETWEEN $1 AND $2;

INSERT INTO customers (customer_id, currency, receipts, net_minor, lifecycle, rfm_cell, refreshed_at)
SELECT phone, 'USD', receipts, receipts * 1500, 'active', '555', now() FROM bench_people WHERE n BETWEEN $1 AND $2;

INSERT INTO moments (event_id, subject_id, occurred_at, type, detail)
SELECT md5('moment' || n)::uuid, phone, now() - interval '1 day', 'ProductViewed',
    jsonb_build_object('product_id', 'P' || n % {products})
FROM bench_people WHERE n BETWEEN $1 AND $2;

INSERT INTO consents (subject_id, channel, purpose, state, policy_version, occurred_at, event_id)
SELECT phone, 'sms', 'marketing', 'granted', 'v1', now(), phone
FROM bench_people WHERE n BETWEEN $1 AND $2 AND receipts = {receipts_asked}
"""
SURROUNDINGS = """
INSERT INTO stores
SELECT 'S' || n, 'Store ' || n, 'North', 'Town', 'America/New_York', 'store', true, now(), gen_random_uuid()
FROM generate_series(0, {stores} - 1) AS n;

INSERT INTO products
SELECT 'P' || n, 'Product ' || n, 'Brand', ARRAY['Grocery', 'Category ' || n % 300], now(), gen_random_uuid()
FROM generate_series(0, {products} - 1) AS n;

INSERT INTO rfm_bounds
SELECT 'USD', now(), 1000000, ARRAY[7, 14, 30, 90], ARRAY[1, 2, 5, 10], ARRAY[1000, 3000, 9000, 20000]
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody who will be looked up."""

    phone: str
    subject_id: UUID
    blind_index: bytes

    @classmethod
    def of(cls, keys: BlindIndexKeys, number: int) -> "Asked":
        """Make up a telephone; no two numbers give the same."""
        phone = normalise("phone", f"+86139{number:08d}")
        index = keys.blind_index("phone", phone)
        return cls(phone, subject_id_for("phone", index), index)


async def fill(ingest_dsn: str, profile_dsn: str, asked: Sequence[Asked], customers: int, say: Say) -> None:
    """Fill two empty databases with this many customers, those asked for among them."""
    await _fill(ingest_dsn, [], _statements(INGEST), asked, customers)
    say("ingest knows everybody")
    await _fill(profile_dsn, _statements(SURROUNDINGS), _statements(PROFILE), asked, customers)


async def _fill(dsn: str, once: Sequence[str], each: Sequence[str], asked: Sequence[Asked], customers: int) -> None:
    database = await Database.connect(dsn, application="bench-fill", limits=LIMITS)
    try:
        await _people(database, asked, customers)
        for statement in once:
            await database.execute(statement)
        for start in range(1, customers + 1, AT_ONCE):
            for statement in each:
                await database.execute(statement, start, start + AT_ONCE - 1)
        await database.execute("DROP TABLE bench_people")
        await database.execute("VACUUM ANALYZE")
    finally:
        await database.close()


async def _people(database: Database, asked: Sequence[Asked], customers: int) -> None:
    """List everybody, those asked for first."""
    await database.execute(PEOPLE)
    rows = [
        (n, one.subject_id, UUID(int=n), one.blind_index, mask("phone", one.phone), RECEIPTS_ASKED)
        for n, one in enumerate(asked, start=1)
    ]
    async with database.transaction() as tx:
        await tx.copy("bench_people", ("n", "phone", "card", "blind_index", "masked", "receipts"), rows)
    for start in range(len(asked) + 1, customers + 1, AT_ONCE):
        await database.execute(OTHERS, start, min(start + AT_ONCE - 1, customers), RECEIPTS)


def _statements(text: str) -> list[str]:
    return text.format(stores=STORES, products=PRODUCTS, receipts_asked=RECEIPTS_ASKED).split(";")
