"""What a rebuild does where the new tables are not what the live ones are, and who may run one when."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from services.profile.domain.profile import Chain
from services.profile.handlers import refresh
from shared.db import Database, Transaction
from shared.errors import Unavailable
from shared.events import Envelope
from shared.rebuild.domain import Rebuilt, TableFinding
from shared.rebuild.errors import AnotherRuns, RebuildFailed
from shared.rebuild.report import lines_of
from shared.worker.subscription import Handler, Subscription
from tests.fixtures.waiting import until
from tests.integration.profile.histories import NOON, receipt
from tests.integration.rebuild.history import history, person
from tests.integration.rebuild.world import Living, say, service_of

pytestmark = pytest.mark.postgres

BUGS = {
    "profile": "UPDATE subject_totals SET gross_minor = gross_minor + 1 WHERE receipts > 0",
    "recommend": "UPDATE popularity SET purchases = purchases + 1 WHERE store_id = 'S1'",
    "churn": "UPDATE receipts SET sold_minor = sold_minor * 2 WHERE kind = 'sale'",
    "campaign": "DELETE FROM consents",
}
TABLES = {"profile": "subject_totals", "recommend": "popularity", "churn": "receipts", "campaign": "consents"}


def differing(rebuilt: Rebuilt) -> dict[str, TableFinding]:
    return {finding.table: finding for finding in rebuilt.findings if finding.differences}


@pytest.mark.parametrize("service_name", BUGS)
async def test_what_a_bug_did_is_told_by_table_and_mended_when_accepted(live: Living) -> None:
    right = await live.rows("derived")
    await live.database.execute(BUGS[live.name])
    wrong, owned = await live.rows("derived"), await live.rows("owned", without=["leases"])
    for check in (True, False):
        told = await live.rebuild(check=check)
        assert set(differing(told)) == {TABLES[live.name]}
        assert not told.is_equal
        assert not told.is_swapped
        assert await live.rows("derived") == wrong
    assert any("DIFFERS" in line for line in lines_of(told))
    mended = await live.rebuild(accept=True)
    assert mended.is_swapped
    assert await live.rows("derived") == right
    assert await live.rows("owned", without=["leases", "score_requests"]) == {
        table: rows for table, rows in owned.items() if table != "score_requests"
    }
    assert (await live.rebuild(check=True)).is_equal


@pytest.mark.parametrize("service_name", ["profile"])
async def test_rows_that_differ_are_counted_and_the_first_are_named(live: Living) -> None:
    await live.database.execute("DELETE FROM products WHERE product_id IN ('P1', 'P2')")
    await live.database.execute("UPDATE products SET name = 'other' WHERE product_id = 'P3'")
    await live.database.execute(
        "INSERT INTO products (product_id, name, categories, occurred_at, event_id)"
        " VALUES ('P999', 'unheard of', '{}', now(), gen_random_uuid())"
    )
    found = differing(await live.rebuild(check=True))["products"].differences
    assert found is not None
    assert (found.changed, found.only_live, found.only_next) == (1, 1, 2)
    assert found.sample == ("(P1)", "(P2)", "(P3)")


@pytest.mark.parametrize("service_name", ["profile"])
async def test_only_the_difference_in_memberships_is_published_and_only_once(live: Living) -> None:
    chain, at = Chain("USD", "America/New_York"), NOON + timedelta(days=20)
    live.clock.set(at)
    await _refresh_all(live, chain)
    said = await live.database.fetchval("SELECT count(*) FROM events")
    # As if a handler had lost all purchases of one customer.
    lost = person(7)
    for table in ("receipts", "subject_totals"):
        await live.database.execute(f"DELETE FROM {table} WHERE subject_id = $1", lost)
    await live.database.execute("INSERT INTO dirty (customer_id) VALUES ($1)", lost)
    await _refresh_all(live, chain)
    wrong = await _said_since(live, said)
    assert wrong
    await live.rebuild(accept=True)
    await _refresh_all(live, chain)
    mended = (await _said_since(live, said))[len(wrong) :]
    assert len(mended) == len(wrong)
    assert {row["key"] for row in mended} == {str(lost)}
    await live.rebuild()
    await _refresh_all(live, chain)
    assert len(await _said_since(live, said)) == len(wrong) + len(mended)


@pytest.mark.parametrize("service_name", ["churn"])
async def test_scores_that_rest_on_mended_facts_are_asked_for_again(live: Living) -> None:
    await live.database.execute(
        "INSERT INTO scorings (as_of, model_version, customers, levels, moved_warnings, scored_at)"
        " VALUES ('2026-03-01', 'rule', 0, '{}', true, now())"
    )
    await live.rebuild()
    assert await live.database.fetchval("SELECT count(*) FROM score_requests") == 0
    await live.database.execute(BUGS["churn"])
    await live.rebuild(accept=True)
    asked = await live.database.fetchrow("SELECT as_of::text, state, asked_by FROM score_requests")
    assert asked is not None
    assert tuple(asked) == ("2026-03-01", "pending", "rebuild")


@pytest.mark.parametrize("service_name", ["profile"])
async def test_a_mended_handler_differs_by_intent_and_is_accepted(live: Living) -> None:
    def doubled(database: Database) -> Subscription:
        async def also_elsewhere(tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
            await live.subscription.handlers["StoreChanged"](tx, events)
            await tx.execute("UPDATE stores SET city = 'Springfield'")

        handlers: dict[str, Handler] = {**live.subscription.handlers, "StoreChanged": also_elsewhere}
        return Subscription(live.subscription.topics, handlers)

    told = await live.rebuild(subscription=doubled)
    assert set(differing(told)) == {"stores"}
    assert (await live.rebuild(accept=True, subscription=doubled)).is_swapped
    assert await live.database.fetchval("SELECT count(*) FROM stores WHERE city = 'Springfield'") > 0


@pytest.mark.parametrize("service_name", ["profile"])
async def test_the_worker_goes_on_from_the_right_position_after_the_swap(live: Living) -> None:
    following = asyncio.create_task(live.follow(live.subscription))
    try:
        await live.rebuild()
        await say(live.producer, [receipt("after the swap", subject_id=person(1))])

        async def is_level() -> bool:
            return await live.behind() == 0

        await until(is_level, 20)
        assert not following.done()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert (await live.rebuild(check=True)).is_equal


@pytest.mark.parametrize("service_name", ["profile"])
async def test_two_at_once_are_refused(live: Living) -> None:
    waiting = asyncio.Event()

    def said(line: str) -> None:
        if line.startswith("filling"):
            waiting.set()

    first = asyncio.create_task(live.rebuild(say=said))
    await waiting.wait()
    with pytest.raises(AnotherRuns, match="under way"):
        await live.rebuild()
    assert (await first).is_swapped


@pytest.mark.parametrize("service_name", ["profile"])
async def test_a_rebuild_never_passes_the_live_positions(live: Living) -> None:
    derived = await live.rows("derived")
    await say(live.producer, history(3, 30))
    rebuilt = await live.rebuild()
    assert rebuilt.is_equal
    assert await live.rows("derived") == derived
    assert await live.behind() > 0


@pytest.mark.parametrize("service_name", ["profile"])
async def test_dead_letters_are_made_again_and_wait_as_before(live: Living) -> None:
    async def fails(tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
        if any(event.subject_id == person(5) for event in events):
            raise ValueError("cannot be applied")
        await live.subscription.handlers["ReceiptRecorded"](tx, events)

    broken = Subscription(live.subscription.topics, {**live.subscription.handlers, "ReceiptRecorded": fails})
    await say(live.producer, [receipt(f"poison {number}", subject_id=person(5)) for number in range(3)])
    await say(live.producer, [receipt("another's", subject_id=person(6))])
    await live.catch_up(broken)
    waiting = await live.database.fetchval("SELECT count(*) FROM dead_letters")
    assert waiting == 3
    told = await live.rebuild(check=True)
    letters = differing(told)["dead_letters"].differences
    assert letters is not None
    assert letters.only_live == 3
    assert (await live.rebuild(accept=True)).is_swapped
    assert await live.database.fetchval("SELECT count(*) FROM dead_letters") == 0
    assert await live.database.fetchval("SELECT count(*) FROM receipts WHERE subject_id = $1", person(5)) >= 3


@pytest.mark.parametrize("service_name", ["profile"])
async def test_code_that_cannot_apply_what_was_applied_is_not_swapped_in(live: Living) -> None:
    async def fails(tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
        raise ValueError("cannot be applied")

    handlers = dict.fromkeys(live.subscription.handlers, fails)
    derived = await live.rows("derived")
    with pytest.raises(RebuildFailed, match="too many events in a row"):
        await live.rebuild(accept=True, subscription=lambda _: Subscription(live.subscription.topics, handlers))
    assert await live.rows("derived") == derived
    assert await live.schemas() == {"public"}


@pytest.mark.parametrize("service_name", ["profile"])
async def test_tables_of_an_older_revision_are_not_swapped_in(live: Living, postgres: EmbeddedPostgres) -> None:
    def migrate(line: str) -> None:
        if line == "swapping":
            name = live.dsn.rpartition("/")[2]
            postgres.query("UPDATE alembic_version SET version_num = '9999'", database=name)

    derived = await live.rows("derived")
    with pytest.raises(RebuildFailed, match="migrated meanwhile"):
        await live.rebuild(say=migrate)
    assert await live.rows("derived") == derived
    assert await live.schemas() == {"public"}
    with pytest.raises(Unavailable, match="run migrate"):
        await live.rebuild()


@pytest.mark.parametrize("service_name", ["recommend"])
async def test_days_that_no_list_looks_back_to_go_on_both_sides(live: Living) -> None:
    last = await live.database.fetchval("SELECT max(day) FROM popularity")
    first = await live.database.fetchval("SELECT min(day) FROM popularity")
    assert (last - first).days > 10
    live.clock.set(NOON + timedelta(days=168 + 5))
    rebuilt = await live.rebuild()
    assert rebuilt.is_equal
    assert rebuilt.is_swapped
    assert await live.database.fetchval("SELECT min(day) FROM popularity") == (NOON + timedelta(days=5)).date()


@pytest.mark.parametrize("service_name", ["profile"])
async def test_a_restored_producer_is_followed_by_accepting_its_history(live: Living) -> None:
    # Ingest came back from a back-up: its log goes on under a new name.
    await live.producer.execute("INSERT INTO log_origin (service, incarnation) VALUES ('ingest', 2)")
    await live.catch_up()
    told = await live.rebuild(check=True)
    assert any("ingest#1 is served no more" in note for note in told.notes)
    assert (await live.rebuild(accept=True)).is_swapped
    origins = await live.database.fetch("SELECT DISTINCT origin FROM positions WHERE topic LIKE 'retail.%'")
    assert [row["origin"] for row in origins] == ["ingest#2"]


@pytest.mark.parametrize("service_name", ["profile"])
async def test_a_forked_line_is_filled_as_its_log_is_now(live: Living) -> None:
    forked = await live.database.fetchrow(
        "UPDATE positions SET forked_reason = 'told by a test', last_event_id = gen_random_uuid()"
        " WHERE topic = 'retail.receipts.v1' AND partition = 1 RETURNING last_seq"
    )
    assert forked is not None
    told = await live.rebuild(check=True)
    assert any("retail.receipts.v1/1 was filled as its log is now" in note for note in told.notes)
    await live.rebuild(accept=True)
    after = await live.database.fetchrow(
        "SELECT last_seq, forked_reason FROM positions WHERE topic = 'retail.receipts.v1' AND partition = 1"
    )
    assert after is not None
    assert tuple(after) == (forked["last_seq"], None)


async def _refresh_all(live: Living, chain: Chain) -> None:
    while await refresh.refresh(live.database, live.clock, chain):
        pass


async def _said_since(live: Living, before: int) -> list[Any]:
    rows = await live.database.fetch("SELECT key, type FROM events ORDER BY stored_at, event_id")
    return rows[before:]


@pytest.mark.parametrize("name", BUGS)
def test_derived_tables_can_be_moved(name: str) -> None:
    metadata = import_module(f"services.{name}.tables").metadata
    rebuildable = service_of(name).rebuild
    assert rebuildable is not None
    assert set(rebuildable.discarded) <= set(metadata.tables)
    for table in metadata.tables.values():
        assert table.info["class"] in {"derived", "computed", "owned"}
        for key in table.foreign_keys:
            pair = {table.info["class"], key.column.table.info["class"]}
            assert pair == {"owned"} or "derived" not in pair, f"{table.name} would refer to a table that moved away"
        if table.info["class"] == "derived":
            assert not any(column.identity for column in table.columns), f"{table.name} has serial ids"
            assert table.primary_key.columns
            assert not table.dialect_options["postgresql"]["partition_by"]
