"""Facts are a function of the set of events: however they come, the tables hold the same."""

import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest

from services.churn.app import MIGRATIONS
from services.churn.history import History
from services.churn.store.history import read_history
from shared import migrations
from shared.db import Database
from shared.events import decode, topics_consumed_by
from shared.events.catalogue import EXAMPLES
from shared.identity import guest_subject_id
from tests.integration.churn.shops import (
    ANNA,
    BORIS,
    MONDAY,
    SUBSCRIPTION,
    apply,
    assigned,
    coupon,
    empty,
    erased,
    named,
    product,
    receipt,
    snapshot,
    void,
)

pytestmark = pytest.mark.postgres

TYPES = sorted({each.event_type for topic in topics_consumed_by("churn") for each in topic.events})
FILES = sorted(file for name in TYPES for file in (EXAMPLES / name).rglob("*.json"))
YESTERDAY = MONDAY - timedelta(days=1)


async def history(database: Database) -> History:
    return await read_history(
        database, since=MONDAY - timedelta(days=400), until=MONDAY, currency="USD", category_level=2
    )


def test_the_tables_are_those_of_the_migrations(churn_dsn: str) -> None:
    migrations.check(churn_dsn, MIGRATIONS)


async def test_any_order_of_a_short_history_gives_the_same_tables(database: Database) -> None:
    events = [
        receipt("r1"),
        void("v1", "r1"),
        assigned(ANNA, BORIS),
        erased(named("carl")),
        receipt("r3", subject_id=named("carl")),
    ]
    expected = None
    for order in itertools.islice(itertools.permutations(events), None, None, 3):
        await empty(database)
        for event in order:
            await apply(database, event)
        found = await snapshot(database)
        expected = expected or found
        assert found == expected, [event.type for event in order]


async def test_a_shuffled_history_with_repeats_in_batches_gives_the_same_tables(database: Database) -> None:
    events = [receipt(f"r{n}", subject_id=[ANNA, BORIS][n % 2], lines=[(f"P{n % 3}", 100 * n)]) for n in range(1, 40)]
    events += [void(f"v{n}", f"r{n}") for n in range(1, 40, 5)]
    events += [product(f"P{n}", "FOOD", f"C{n}") for n in range(3)]
    events += [receipt("put aside", status="suspended"), receipt("given up", status="cancelled")]
    late = datetime(2025, 1, 4, 11, 18, tzinfo=UTC)
    events += [receipt("late", day=late.date(), device_at=late, clock_skew_minutes=42)]
    events += [assigned(BORIS, ANNA, 1), assigned(BORIS, BORIS, 2)]
    await apply(database, *events)
    expected = await snapshot(database)
    for seed in range(5):
        await empty(database)
        shuffled = random.Random(seed).choices(events, k=30) + random.Random(seed).sample(events, len(events))
        for start in range(0, len(shuffled), 7):
            await apply(database, *shuffled[start : start + 7])
        assert await snapshot(database) == expected


async def test_redelivered_receipt_counts_once(database: Database) -> None:
    await apply(database, receipt("r1"), receipt("r1"))
    await apply(database, receipt("r1"))
    assert (await history(database)).visits.spend_minor.tolist() == [1000]


@pytest.mark.parametrize("void_first", [True, False])
async def test_a_voided_sale_is_no_visit(database: Database, *, void_first: bool) -> None:
    events = [receipt("r1"), void("v1", "r1")]
    for event in reversed(events) if void_first else events:
        await apply(database, event)
    assert len((await history(database)).visits.day) == 0


async def test_a_void_in_training_mode_takes_nothing_back(database: Database) -> None:
    await apply(database, receipt("r1"), void("v1", "r1", training=True))
    assert len((await history(database)).visits.day) == 1


async def test_a_sale_in_training_mode_is_no_visit(database: Database) -> None:
    await apply(database, receipt("r1", training=True))
    assert len((await history(database)).visits.day) == 0


@pytest.mark.parametrize("status", ["suspended", "cancelled"])
async def test_a_receipt_that_was_not_finished_is_no_visit(database: Database, status: str) -> None:
    await apply(database, receipt("r1", status=status))
    assert len((await history(database)).visits.day) == 0


async def test_a_return_lowers_the_spend_of_its_day_and_is_no_visit_by_itself(database: Database) -> None:
    await apply(
        database,
        receipt("r1", lines=[("P1", 1000)]),
        receipt("r2", kind="return", lines=[("P2", 300)]),
        receipt("r3", kind="return", lines=[("P2", 200)], day=YESTERDAY),
    )
    visits = (await history(database)).visits
    assert visits.day.tolist() == [MONDAY.toordinal()]
    assert visits.spend_minor.tolist() == [700]
    assert visits.items.tolist() == [1]


async def test_more_brought_back_than_bought_is_a_visit_without_spend(database: Database) -> None:
    await apply(database, receipt("r1"), receipt("r2", kind="return", lines=[("P2", 3000)]))
    assert (await history(database)).visits.spend_minor.tolist() == [0]


async def test_an_exchange_counts_what_was_kept(database: Database) -> None:
    await apply(database, receipt("r1", kind="exchange", lines=[("P1", 900), ("P2", 400)], returned=[2]))
    visits = (await history(database)).visits
    assert (visits.spend_minor.tolist(), visits.items.tolist()) == ([500], [1])


async def test_two_baskets_of_a_day_are_one_visit_in_the_store_and_hour_of_the_first(database: Database) -> None:
    await apply(
        database,
        receipt("late", hour=18, store_id="S0", lines=[("P1", 100), ("P2", 200)]),
        receipt("early", hour=9, store_id="S9", lines=[("P1", 50)], utc_offset_minutes=-60),
        product("P1", "FOOD", "CHEESE"),
        product("P2", "FOOD"),
    )
    found = await history(database)
    visits = found.visits
    assert (visits.spend_minor.tolist(), visits.items.tolist(), visits.hour.tolist()) == ([350], [3], [8])
    assert found.store_ids[visits.store[0]] == "S9"
    assert len(visits.category) == 2


async def test_coupons_are_a_part_of_the_discounts(database: Database) -> None:
    await apply(database, receipt("r1", discounts=(coupon(100), coupon(40, "loyalty"))))
    visits = (await history(database)).visits
    assert (visits.discount_minor.tolist(), visits.coupon_minor.tolist()) == ([140], [100])


async def test_another_currency_is_a_visit_without_money(database: Database) -> None:
    await apply(database, receipt("r1", currency="EUR"))
    assert (await history(database)).visits.spend_minor.tolist() == [0]


async def test_products_unknown_to_the_catalogue_share_one_category(database: Database) -> None:
    await apply(database, receipt("r1", lines=[("P8", 100), ("P9", 100)]))
    assert len((await history(database)).visits.category) == 1


async def test_the_newest_description_of_a_product_counts(database: Database) -> None:
    later = product("P1", "FOOD", "CHEESE")
    earlier = product("P1", "FOOD", "MILK", at=later.occurred_at - timedelta(hours=1))
    await apply(database, later)
    await apply(database, earlier)
    assert await database.fetchval("SELECT categories FROM products") == ["FOOD", "CHEESE"]


async def test_a_guest_is_no_customer_until_claimed(database: Database) -> None:
    guest = named("a guest")
    await apply(database, receipt("r1", subject_id=guest, subject_kind="guest"))
    assert (await history(database)).customer_ids == ()
    await apply(database, assigned(guest, ANNA))
    assert (await history(database)).customer_ids == (ANNA,)


async def test_a_merge_folds_subjects_and_an_unmerge_gives_them_back(database: Database) -> None:
    await apply(database, receipt("r1"), receipt("r2", subject_id=BORIS, day=YESTERDAY))
    apart = await history(database)
    await apply(database, assigned(BORIS, ANNA, 1))
    merged = await history(database)
    assert merged.customer_ids == (ANNA,)
    assert merged.visits.day.tolist() == [YESTERDAY.toordinal(), MONDAY.toordinal()]
    await apply(database, assigned(BORIS, BORIS, 2))
    again = await history(database)
    assert again.customer_ids == apart.customer_ids
    assert again.visits.day.tolist() == apart.visits.day.tolist()


async def test_an_erasure_leaves_what_a_history_of_guests_would_have_left(database: Database) -> None:
    theirs = [receipt("r1"), receipt("r2", day=YESTERDAY), void("v1", "r2")]
    await apply(database, *theirs, erased(ANNA))
    forgotten = await snapshot(database)
    await empty(database)
    rewritten = [
        receipt(name, subject_id=guest_subject_id(named(f"event of {name}")), subject_kind="guest", day=day)
        for name, day in (("r1", MONDAY), ("r2", YESTERDAY))
    ]
    await apply(database, *rewritten, void("v1", "r2"), erased(ANNA))
    assert await snapshot(database) == forgotten
    assert (await history(database)).customer_ids == ()


async def test_a_receipt_that_comes_after_the_erasure_is_a_guests(database: Database) -> None:
    await apply(database, erased(ANNA))
    await apply(database, receipt("r1"))
    assert (await history(database)).customer_ids == ()


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parts[-3]}-{file.stem}")
async def test_an_example_is_applied_twice_without_harm(database: Database, file: object) -> None:
    event = decode(file.read_bytes())  # type: ignore[attr-defined]
    await apply(database, event)
    await apply(database, event)


async def test_all_examples_are_applied_as_one_batch(database: Database) -> None:
    await apply(database, *(decode(file.read_bytes()) for file in FILES))
    assert await database.fetchval("SELECT count(*) FROM receipts") > 0


def test_what_is_consumed_is_what_the_catalogue_says() -> None:
    assert set(SUBSCRIPTION.topics) == {topic.name for topic in topics_consumed_by("churn")}
    assert set(SUBSCRIPTION.handlers) <= set(TYPES)
