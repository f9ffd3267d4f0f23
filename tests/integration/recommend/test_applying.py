"""Facts, popularity, consents and sessions are a function of the set of events, whatever their order and batches."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.recommend.app import MIGRATIONS
from services.recommend.consumer import subscription
from services.recommend.domain.facts import net_receipts
from services.recommend.domain.purchases import Line, Receipt
from services.recommend.handlers.purchases import POPULARITY_KEPT_DAYS, forget_popularity
from services.recommend.store import customers, history
from shared import migrations
from shared.db import Database
from shared.events import Envelope, decode, topics_consumed_by
from shared.events.catalogue import EXAMPLES
from shared.identity import guest_subject_id
from tests.integration.recommend.conftest import apply
from tests.integration.recommend.events import (
    ANN,
    BEN,
    PARTITIONS,
    ago,
    assigned,
    bought,
    consent,
    erased,
    exchanged,
    price,
    product,
    receipt_id,
    returned,
    stock,
    viewed,
    voided,
)
from tests.unit.recommend.folding import CustomerState, state_of

DERIVED = ("receipts", "popularity", "products", "prices", "stock", "stores", "consents", "session_views",
           "erased_subjects", "assignments")  # fmt: skip
pytestmark = pytest.mark.postgres


async def contents(database: Database) -> dict[str, list[str]]:
    """Everything derived, as text, so that two histories can be compared byte for byte."""
    return {
        table: [row["line"] for row in await database.fetch(f"SELECT t::text AS line FROM {table} t ORDER BY 1")]
        for table in DERIVED
    }


async def test_popularity_is_forgotten_once_no_list_looks_back_to_it(migrated: Database) -> None:
    await apply(migrated, [bought(f"day {days}", ANN, days, "milk") for days in (0, 20, 160, 175, 300)])
    newest = await migrated.fetchval("SELECT max(day) FROM popularity")
    now = datetime.combine(newest, time(12), UTC)
    async with migrated.transaction() as tx:
        while await forget_popularity(tx, now):
            pass
    assert POPULARITY_KEPT_DAYS == 168
    kept = [row["day"] for row in await migrated.fetch("SELECT DISTINCT day FROM popularity ORDER BY day")]
    assert [(newest - day).days for day in kept] == [160, 20, 0]
    # What is taken back late is not counted below nothing where lists look.
    await apply(migrated, [voided("too late", "day 300", ANN)])
    async with migrated.transaction() as tx:
        await forget_popularity(tx, now)
    assert await migrated.fetchval("SELECT min(purchases) FROM popularity") == 1
    assert await migrated.fetchval("SELECT count(*) FROM receipts") == 5


async def wipe(database: Database) -> None:
    await database.execute(f"TRUNCATE {', '.join(DERIVED)}")


async def state(database: Database, customer_id: UUID) -> CustomerState:
    async with database.session() as session:
        return state_of(net_receipts((await customers.known(session, customer_id)).facts))


def counts(found: CustomerState) -> dict[str, int]:
    return {name: own.count for name, own in found.products.items()}


def told(event: Envelope[Any], **changes: Any) -> Envelope[Any]:
    """The same receipt, told with other fields."""
    return event.model_copy(update={"data": event.data.model_copy(update=changes)})


HISTORY = [
    told(bought("p1", ANN, 6, "wine"), status="suspended"),
    told(bought("p2", ANN, 6, "tea"), status="cancelled"),
    told(bought("e1", None, 6, "bread"), employee=True),
    told(bought("k1", BEN, 300, "milk"), device_at=ago(300.02), clock_skew_minutes=29),
    bought("a1", ANN, 20, "milk", "bread"),
    bought("a2", ANN, 10, "milk", "milk", "cheese"),
    bought("a3", ANN, 5, "wine"),
    bought("b1", BEN, 8, "milk", "tea", store="S02"),
    bought("g1", None, 7, "bread", "tea"),
    returned("r1", BEN, 4, "bread", of="a1"),
    returned("r2", ANN, 3, "cheese"),
    exchanged("x1", BEN, 2, "tea", "coffee"),
    voided("v1", "a3", ANN),
    voided("v2", "r2", BEN),
    bought("o1", ANN, 9, "oil", "rice"),
    bought("o2", ANN, 9, "oil", "rice", "salt"),
    bought("o3", ANN, 9, "oil", "salt"),
    returned("r3", ANN, 8.5, "oil", of="o1"),
    voided("v3", "o1", ANN, 8, replaced_by="o2"),
    voided("v4", "o2", ANN, 7, replaced_by="o3"),
    voided("v5", "o2", ANN, 6, replaced_by="o1"),
    consent(ANN, "granted", 9),
    consent(ANN, "withdrawn", 2),
    assigned(ANN, BEN, 2),
    assigned(ANN, ANN, 1),
    viewed("s1", "wine", 3),
    viewed("s1", "wine", 1),
    product("milk", 50),
    product("milk", 5, name="Fresh milk"),
    price("milk", 500),
    stock("milk", "0", 2),
    stock("milk", "12.5", 1),
]


async def test_every_order_and_batching_of_events_gives_the_same_tables(migrated: Database) -> None:
    await apply(migrated, HISTORY)
    expected = await contents(migrated)
    assert expected["popularity"]
    for seed in range(12):
        await wipe(migrated)
        for batch in batches(HISTORY, random.Random(seed)):
            await apply(migrated, batch)
        assert await contents(migrated) == expected, f"seed {seed}"


def batches(events: Sequence[Envelope[Any]], draw: random.Random) -> list[list[Envelope[Any]]]:
    shuffled = draw.sample(list(events), len(events))
    cuts = sorted(draw.sample(range(1, len(events)), draw.randint(0, 8)))
    return [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]


async def test_applying_everything_twice_changes_nothing(migrated: Database) -> None:
    await apply(migrated, HISTORY)
    once = await contents(migrated)
    await apply(migrated, HISTORY)
    assert await contents(migrated) == once


async def test_two_purchases_of_one_product_in_one_batch_both_count(migrated: Database) -> None:
    await apply(migrated, [bought("a1", ANN, 2, "milk"), bought("a2", ANN, 1, "milk")])
    own = (await state(migrated, ANN)).products["milk"]
    assert (own.count, own.quantity, len(own.recent)) == (2, 2.0, 2)
    assert await migrated.fetchval("SELECT sum(purchases) FROM popularity WHERE product_id = 'milk'") == 2


async def test_two_lines_of_one_product_are_one_purchase_of_their_sum(migrated: Database) -> None:
    await apply(migrated, [bought("a1", ANN, 2, "milk", "milk", "tea")])
    own = (await state(migrated, ANN)).products["milk"]
    assert (own.count, own.quantity, own.recent[0].basket_size) == (1, 2.0, 2)


async def test_a_return_that_names_its_receipt_takes_the_product_out_of_that_basket(migrated: Database) -> None:
    sales = [bought("a1", ANN, 9, "milk", "tea"), bought("a2", ANN, 5, "milk")]
    await apply(migrated, [*sales, returned("r1", ANN, 1, "milk", of="a1")])
    found = await state(migrated, ANN)
    assert counts(found) == {"milk": 1, "tea": 1}
    assert found.products["milk"].recent[0].receipt_id == str(receipt_id("a2"))
    assert found.products["tea"].recent[0].basket_size == 1


async def test_a_return_without_a_receipt_takes_from_the_latest_purchase_before_it(migrated: Database) -> None:
    sales = [bought(name, ANN, days, "milk") for name, days in (("a1", 9), ("a2", 5), ("a3", 1))]
    await apply(migrated, [*sales, returned("r1", ANN, 3, "milk")])
    kept = {purchase.receipt_id for purchase in (await state(migrated, ANN)).products["milk"].recent}
    assert kept == {str(receipt_id("a1")), str(receipt_id("a3"))}


async def test_a_guest_who_brings_back_a_customers_purchase_takes_it_from_that_customer(migrated: Database) -> None:
    await apply(migrated, [returned("r1", None, 1, "milk", of="a1"), bought("a1", ANN, 5, "milk", "tea")])
    assert counts(await state(migrated, ANN)) == {"tea": 1}


async def test_a_part_of_what_was_bought_comes_back(migrated: Database) -> None:
    await apply(migrated, [bought("a1", ANN, 5, "milk", "milk"), returned("r1", ANN, 1, "milk", of="a1")])
    assert (await state(migrated, ANN)).products["milk"].quantity == 1.0


async def test_an_exchange_gives_back_one_product_and_buys_another(migrated: Database) -> None:
    await apply(migrated, [bought("a1", ANN, 5, "milk"), exchanged("x1", ANN, 1, "milk", "tea")])
    assert counts(await state(migrated, ANN)) == {"tea": 1}


async def test_a_voided_receipt_never_was_also_when_its_void_comes_first(migrated: Database) -> None:
    await apply(migrated, [voided("v1", "a1", ANN)])
    await apply(migrated, [bought("a1", ANN, 5, "milk"), bought("a2", ANN, 4, "tea")])
    await apply(migrated, [voided("v2", "a2", BEN)])
    assert (await state(migrated, ANN)).basket_count == 0
    assert await migrated.fetchval("SELECT count(*) FROM popularity") == 0


async def test_a_voided_return_gives_the_purchase_back(migrated: Database) -> None:
    await apply(migrated, [bought("a1", ANN, 5, "milk"), returned("r1", ANN, 2, "milk", of="a1")])
    assert not (await state(migrated, ANN)).products
    await apply(migrated, [voided("v1", "r1", ANN)])
    assert counts(await state(migrated, ANN)) == {"milk": 1}


async def test_what_came_back_before_an_order_was_edited_is_not_bought(migrated: Database) -> None:
    story = [
        bought("o1", ANN, 9, "oil", "rice"),
        returned("r1", ANN, 8, "oil", of="o1"),
        voided("v1", "o1", ANN, 7, replaced_by="o2"),
        bought("o2", ANN, 9, "oil", "salt"),
        returned("r2", BEN, 6, "salt", of="o2"),
        voided("v2", "o2", ANN, 5, replaced_by="o3"),
        bought("o3", ANN, 9, "oil", "salt", "tea"),
    ]
    for order in (story, story[::-1]):
        await wipe(migrated)
        for event in order:
            await apply(migrated, [event])
        assert counts(await state(migrated, ANN)) == {"tea": 1}
        pages = [page async for page in history.receipts_before(migrated, ago(0))]
        facts = [fact for page in pages for owner, fact in page if owner == ANN]
        facts += [fact for owner, fact in await history.returns_of_others(migrated, ago(0)) if owner == ANN]
        assert counts(state_of(net_receipts(facts))) == {"tea": 1}, "training sees it as answers do"


async def test_training_receipts_never_count(migrated: Database) -> None:
    sale = bought("a1", ANN, 5, "milk")
    training = sale.model_copy(update={"data": sale.data.model_copy(update={"training": True})})
    await apply(migrated, [training])
    assert (await state(migrated, ANN)).basket_count == 0
    assert await migrated.fetchval("SELECT count(*) FROM popularity") == 0


@pytest.mark.parametrize("status", ["suspended", "cancelled"])
async def test_receipts_that_were_not_finished_never_count(migrated: Database, status: str) -> None:
    sale = bought("a1", ANN, 5, "milk")
    unfinished = sale.model_copy(update={"data": sale.data.model_copy(update={"status": status})})
    await apply(migrated, [unfinished])
    assert (await state(migrated, ANN)).basket_count == 0
    assert await migrated.fetchval("SELECT count(*) FROM popularity") == 0


async def test_a_merge_folds_two_histories_and_undoing_it_gives_each_back(migrated: Database) -> None:
    await apply(migrated, [bought("a1", ANN, 5, "milk"), bought("b1", BEN, 4, "tea")])
    alone = await state(migrated, ANN), await state(migrated, BEN)
    await apply(migrated, [assigned(BEN, ANN, 1)])
    assert counts(await state(migrated, ANN)) == counts(await state(migrated, BEN)) == {"milk": 1, "tea": 1}
    await apply(migrated, [assigned(BEN, BEN, 2)])
    assert (await state(migrated, ANN), await state(migrated, BEN)) == alone


async def test_a_claimed_guest_receipt_belongs_to_its_customer(migrated: Database) -> None:
    guest = guest_subject_id(receipt_id("g1"))
    await apply(migrated, [bought("g1", None, 3, "milk"), bought("a1", ANN, 5, "tea")])
    await apply(migrated, [assigned(guest, ANN, 1), assigned(ANN, ANN, 1)])
    assert counts(await state(migrated, ANN)) == {"milk": 1, "tea": 1}


async def test_an_absorbed_customers_id_answers_as_the_one_that_absorbed_it(migrated: Database) -> None:
    await apply(migrated, [bought("a1", ANN, 5, "milk"), assigned(BEN, ANN, 1)])
    async with migrated.session() as session:
        known = await customers.known(session, BEN)
    assert (known.customer_id, [fact.receipt_id for fact in known.facts]) == (ANN, [str(receipt_id("a1"))])


async def test_erasing_before_or_after_the_facts_gives_the_same_tables(migrated: Database) -> None:
    facts = [bought("a1", ANN, 5, "milk"), bought("b1", BEN, 4, "tea"), consent(ANN, "withdrawn"),
             viewed("s1", "milk", subject_id=ANN)]  # fmt: skip
    forgetting = erased(ANN)
    await apply(migrated, [*facts, forgetting])
    expected = await contents(migrated)
    for order in ([forgetting, *facts], [facts[0], forgetting, *facts[1:]]):
        await wipe(migrated)
        for event in order:
            await apply(migrated, [event])
        assert await contents(migrated) == expected
    assert (await state(migrated, ANN)).basket_count == 0
    assert await migrated.fetchval("SELECT sum(purchases) FROM popularity") == 2


async def test_an_erased_subject_leaves_no_trace_of_its_id(migrated: Database) -> None:
    await apply(migrated, [bought("a1", ANN, 5, "milk"), consent(ANN, "withdrawn"), erased(ANN)])
    everything = await contents(migrated)
    assert everything.pop("erased_subjects")
    assert str(ANN) not in str(everything)


async def test_popularity_has_the_partition_of_the_subject_in_its_key(migrated: Database) -> None:
    shoppers = [guest_subject_id(receipt_id(f"who{n}")) for n in range(40)]
    await apply(migrated, [bought(f"a{n}", shopper, 1, "milk") for n, shopper in enumerate(shoppers)])
    rows = await migrated.fetch("SELECT partition, purchases FROM popularity")
    assert {row["partition"] for row in rows} == set(range(PARTITIONS))
    assert sum(row["purchases"] for row in rows) == 40


baskets = st.lists(st.sampled_from("abcde"), min_size=1, max_size=4)
purchases = st.lists(st.tuples(st.sampled_from([ANN, BEN]), st.integers(0, 60), baskets), min_size=1, max_size=12)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(purchases, st.data())
async def test_state_read_back_equals_the_pure_fold_of_the_same_receipts(
    migrated: Database, wanted: list[tuple[UUID, int, list[str]]], data: st.DataObject
) -> None:
    await wipe(migrated)
    sales = [bought(f"h{n}", who, days, *names) for n, (who, days, names) in enumerate(wanted)]
    named = data.draw(st.lists(st.integers(0, len(sales) - 1), max_size=4))
    later = [returned(f"hr{n}", BEN, 0, "a", of=f"h{of}") for n, of in enumerate(named)]
    gone = data.draw(st.lists(st.integers(0, len(sales) - 1), max_size=3))
    later += [voided(f"hv{n}", f"h{of}", ANN) for n, of in enumerate(gone)]
    events = data.draw(st.permutations([*sales, *later]))
    cut = data.draw(st.integers(0, len(events)))
    for batch in (events[:cut], events[cut:]):
        await apply(migrated, batch)
    for who in (ANN, BEN):
        assert await state(migrated, who) == state_of(_kept(wanted, who, named, set(gone)))


def _kept(wanted: list[tuple[UUID, int, list[str]]], who: UUID, named: list[int], gone: set[int]) -> list[Any]:
    """Work out by hand what is left: the receipts of `who`, without voids, less one `a` per return."""
    receipts = []
    for n, (owner, days, names) in enumerate(wanted):
        left = {name: names.count(name) for name in dict.fromkeys(names)}
        left["a"] = left.get("a", 0) - named.count(n)
        lines = tuple(Line(name, float(quantity)) for name, quantity in left.items() if quantity > 0)
        if owner == who and n not in gone and lines:
            receipts.append(Receipt(str(receipt_id(f"h{n}")), ago(days), "S01", lines))
    return receipts


EXAMPLE_FILES = sorted(
    path
    for topic in topics_consumed_by("recommend")
    for event in topic.events
    for path in (EXAMPLES / event.event_type / f"v{event.event_version}").glob("*.json")
)


@pytest.mark.parametrize("path", EXAMPLE_FILES, ids=lambda path: path.relative_to(EXAMPLES).as_posix())
async def test_every_example_message_of_its_topics_is_applied(migrated: Database, path: Any) -> None:
    await apply(migrated, [decode(path.read_bytes())])


def test_every_topic_of_the_catalogue_is_subscribed() -> None:
    assert set(subscription(PARTITIONS).topics) == {topic.name for topic in topics_consumed_by("recommend")}


def test_tables_and_migrations_agree(database_dsn: str) -> None:
    migrations.upgrade(database_dsn, MIGRATIONS)
    migrations.check(database_dsn, MIGRATIONS)
