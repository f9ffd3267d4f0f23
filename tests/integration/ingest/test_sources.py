"""Sources: keys that rotate, limits, figures, and disabling at once in every process."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from alembic import command

from regulars.embedded.postgres import EmbeddedPostgres
from services.ingest.app import MIGRATIONS, build_api
from services.ingest.domain.sources import SourceKind
from services.ingest.handlers.sources.registering import SourceBook
from services.ingest.store import sources as store
from services.ingest.store.sources import SourceRow, put_bootstrap_sources
from shared import migrations
from shared.customers.assignments import Reads
from shared.db import Database, DatabaseAwayError
from shared.keys import WRITE_PREFIX, KeyLimit, digest, issue_key, new_key, read_keys, verify_checksum, write_keys
from tests.fixtures.postgres import fresh_database
from tests.fixtures.waiting import until
from tests.integration.ingest.conftest import Running, receipt
from tests.integration.ingest.test_clients import track
from tests.integration.ingest.test_webhooks import ORDER, connect, hook

pytestmark = pytest.mark.postgres


def bearer(ingest: Running) -> dict[str, str]:
    return {"Authorization": f"Bearer {ingest.keys.admin}"}


async def made(ingest: Running, **asked: Any) -> dict[str, Any]:
    answer = await ingest.post("/v1/sources", {"kind": "server", **asked})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def changed(ingest: Running, source_id: str, **change: Any) -> httpx.Response:
    return await ingest.client.patch(f"/v1/sources/{source_id}", json=change, headers=bearer(ingest))


async def figures(ingest: Running, source_id: str) -> dict[str, Any]:
    answer = await ingest.get(f"/v1/sources/{source_id}/figures")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_write_key_has_a_prefix_and_a_checksum_and_is_stored_hashed(ingest: Running) -> None:
    source = await made(ingest, id="shop")
    assert source["write_key"].startswith(WRITE_PREFIX)
    assert verify_checksum(source["write_key"], WRITE_PREFIX)
    stored = await ingest.database.fetchval("SELECT key_digest FROM source_keys WHERE source_id = 'shop'")
    assert stored == digest(source["write_key"])


async def test_a_mistyped_write_key_is_told_from_an_unknown_one(ingest: Running) -> None:
    key = new_key(WRITE_PREFIX)
    unknown = await ingest.send("/v1/track", track(), key)
    mistyped = await ingest.send("/v1/track", track(), key[:-1])
    assert (unknown.status_code, mistyped.status_code) == (401, 401)
    assert "mistyped" not in unknown.json()["message"]
    assert "mistyped" in mistyped.json()["message"]


async def test_two_keys_hold_while_one_is_rotated_and_never_three(ingest: Running) -> None:
    first = (await made(ingest, id="shop"))["write_key"]
    second = (await ingest.post("/v1/sources/shop:rotate", {})).json()
    assert await statuses(ingest, first, second["write_key"]) == [200, 200]
    third = (await ingest.post("/v1/sources/shop:rotate", {})).json()
    assert await statuses(ingest, first, second["write_key"], third["write_key"]) == [401, 200, 200]
    (shop,) = [one for one in (await ingest.get("/v1/sources")).json()["sources"] if one["source_id"] == "shop"]
    assert [key["ends_at"] is None for key in shop["keys"]] == [False, True]


async def test_the_old_key_ends_when_it_was_said_to(ingest: Running) -> None:
    first = (await made(ingest, id="shop"))["write_key"]
    ends_at = datetime.now(UTC) + timedelta(seconds=0.4)
    second = (await ingest.post("/v1/sources/shop:rotate", {"old_key_until": ends_at.isoformat()})).json()
    assert await statuses(ingest, first, second["write_key"]) == [200, 200]

    async def has_ended() -> bool:
        return await statuses(ingest, first, second["write_key"]) == [401, 200]

    assert await until(has_ended, 5) < 2


@pytest.mark.parametrize("days", [-1, 91])
async def test_an_old_key_can_neither_end_in_the_past_nor_hold_for_ever(ingest: Running, days: int) -> None:
    key = (await made(ingest, id="shop"))["write_key"]
    ends_at = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    answer = await ingest.post("/v1/sources/shop:rotate", {"old_key_until": ends_at})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_moment")
    assert answer.json()["errors"][0]["field"] == "/old_key_until"
    assert await statuses(ingest, key) == [200]


async def statuses(ingest: Running, *keys: str) -> list[int]:
    return [(await ingest.send("/v1/track", track(), key)).status_code for key in keys]


async def test_migrating_again_brings_no_rotated_key_back(ingest: Running) -> None:
    given = [("shop", SourceKind.SERVER, digest("first"))]
    await put_bootstrap_sources(ingest.database, given)
    await ingest.post("/v1/sources/shop:rotate", {"old_key_until": datetime.now(UTC).isoformat()})
    await put_bootstrap_sources(ingest.database, given)
    assert await SourceBook(ingest.database).holder("first") is None
    await put_bootstrap_sources(ingest.database, [("shop", SourceKind.SERVER, digest("renewed"))])
    assert await SourceBook(ingest.database).holder("renewed") is not None


async def test_a_disabled_source_is_refused_within_a_second_in_every_process(ingest: Running) -> None:
    key = (await made(ingest, id="shop"))["write_key"]
    other = build_api(ingest.settings)
    async with (
        other.router.lifespan_context(other),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=other), base_url="http://other") as client,
    ):
        for _ in range(2):
            assert (await client.post("/v1/track", json=track(), auth=(key, ""))).status_code == 200
        await ingest.post("/v1/sources/shop:disable", None)
        assert await statuses(ingest, key) == [403]

        async def is_refused() -> bool:
            return (await client.post("/v1/track", json=track(), auth=(key, ""))).status_code == 403

        assert await until(is_refused, 5) < 1
        assert (await ingest.post("/v1/sources/shop:enable", None)).status_code == 204
        assert await statuses(ingest, key) == [200]


async def test_one_reading_serves_all_who_ask_at_once(ingest: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[object] = []
    all_sources = store.all_sources

    async def counted(session: Reads) -> list[SourceRow]:
        reads.append(session)
        return await all_sources(session)

    monkeypatch.setattr(store, "all_sources", counted)
    book = SourceBook(ingest.database)
    found = await asyncio.gather(*(book.holder(ingest.keys.write_key) for _ in range(20)))
    assert {one.source_id for one in found if one is not None} == {"shop-server"}
    assert len(reads) == 1


async def test_a_source_past_its_limit_is_told_when_to_come_again(ingest: Running) -> None:
    key = (await made(ingest, id="shop"))["write_key"]
    answer = await changed(ingest, "shop", limit={"events_per_second": 1, "burst": 3})
    assert answer.json()["limit"] == {"events_per_second": 1, "burst": 3}
    batch = {"batch": [track(number=number) for number in range(3)]}
    assert (await ingest.send("/v1/batch", batch, key)).status_code == 200
    again = await ingest.send("/v1/batch", batch, key)
    assert (again.status_code, again.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(again.headers["retry-after"]) <= 3
    assert await ingest.count("events") == 3
    assert (await figures(ingest, "shop"))["totals"]["limited"] == 3
    await changed(ingest, "shop", limit=None)
    assert (await ingest.send("/v1/batch", batch, key)).status_code == 200


async def test_what_a_change_leaves_out_stays(ingest: Running) -> None:
    await made(ingest, id="shop", name="Shop")
    await changed(ingest, "shop", limit={"events_per_second": 5, "burst": 5}, bot_filter="flag")
    answer = (await changed(ingest, "shop", name="Web shop")).json()
    assert (answer["name"], answer["bot_filter"], answer["limit"]["burst"]) == ("Web shop", "flag", 5)
    assert (await changed(ingest, "shop", limit={"events_per_second": 0, "burst": 1})).status_code == 422
    assert (await changed(ingest, "nobody", name="x")).json()["code"] == "source_not_found"


async def test_figures_tell_what_became_of_what_a_source_sent(ingest: Running) -> None:
    key = (await made(ingest, id="shop"))["write_key"]
    late = (datetime.now(UTC) - timedelta(hours=3)).isoformat()
    batch = [
        track(number=1),
        track(number=1),
        track(number=1, properties={"product_id": "P2"}),
        track(number=2, event=""),
        track(number=3, timestamp=late),
    ]
    await ingest.send("/v1/batch", {"batch": batch}, key)
    found = await figures(ingest, "shop")
    assert {name: count for name, count in found["totals"].items() if count} == {
        "accepted": 2,
        "repeated": 1,
        "conflicts": 1,
        "refused": 1,
        "late": 1,
    }
    assert len(found["days"]) == 1
    assert found["last_seen_at"] is not None
    assert 0 <= found["oldest_unsent_seconds"] < 60


async def test_nothing_is_unsent_when_all_is_published(ingest: Running) -> None:
    key = (await made(ingest, id="shop"))["write_key"]
    await ingest.send("/v1/track", track(), key)
    await ingest.number()
    assert (await figures(ingest, "shop"))["oldest_unsent_seconds"] is not None
    await ingest.database.execute(
        "INSERT INTO watermarks (topic, partition, published_seq)"
        " SELECT topic, partition, max(seq) FROM numbered GROUP BY 1, 2"
    )
    assert (await figures(ingest, "shop"))["oldest_unsent_seconds"] is None


async def test_an_api_key_that_sends_has_figures_too_and_a_stranger_has_none(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt())
    (source_id,) = await key_ids(ingest)
    assert (await figures(ingest, source_id))["totals"]["accepted"] == 1
    answer = await ingest.get("/v1/sources/nobody/figures")
    assert (answer.status_code, answer.json()["code"]) == (404, "source_not_found")


async def key_ids(ingest: Running) -> list[str]:
    await ingest.app.state.ingest.tally.flush()
    rows = await ingest.database.fetch("SELECT source_id FROM source_figures")
    return [row["source_id"] for row in rows]


async def test_figures_of_two_processes_add_up_and_none_is_lost_when_the_database_is_away(ingest: Running) -> None:
    key = (await made(ingest, id="shop"))["write_key"]
    other = build_api(ingest.settings)
    async with (
        other.router.lifespan_context(other),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=other), base_url="http://other") as client,
    ):
        await client.post("/v1/track", json=track(number=1), auth=(key, ""))
        await ingest.send("/v1/track", track(number=2), key)
    # The other process has written its counts as it ended.
    assert (await figures(ingest, "shop"))["totals"]["accepted"] == 2


async def test_counts_that_could_not_be_written_are_kept_for_the_next_time(
    ingest: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = ingest.app.state.ingest.tally

    async def away(*_: object) -> None:
        raise DatabaseAwayError("gone")

    await ingest.results("/v1/receipts", receipt())
    with monkeypatch.context() as patch:
        patch.setattr("services.ingest.store.figures.add_figures", away)
        with pytest.raises(DatabaseAwayError):
            await tally.flush()
    (source_id,) = await key_ids(ingest)
    assert (await figures(ingest, source_id))["totals"]["accepted"] == 1


async def test_accepting_waits_for_no_row_of_figures(ingest: Running) -> None:
    key = (await made(ingest, id="shop"))["write_key"]
    await ingest.send("/v1/track", track(number=1), key)
    await figures(ingest, "shop")
    async with ingest.database.transaction() as tx:
        await tx.execute("SELECT 1 FROM source_figures FOR UPDATE")
        async with asyncio.timeout(1):
            answer = await ingest.send("/v1/track", track(number=2), key)
    assert answer.json()["results"][0]["status"] == "accepted"


def test_keys_that_sources_had_before_they_could_have_two_still_hold(postgres: EmbeddedPostgres) -> None:
    for dsn in fresh_database(postgres):
        command.upgrade(migrations._config(dsn, MIGRATIONS), "0002")
        asyncio.run(executed(dsn, "INSERT INTO sources (source_id, kind, key_digest) VALUES ('a', 'web', 'd')"))
        migrations.upgrade(dsn, MIGRATIONS)
        assert asyncio.run(fetched(dsn, "SELECT source_id FROM source_keys WHERE key_digest = 'd'")) == "a"


async def executed(dsn: str, sql: str) -> None:
    database = await Database.connect(dsn, application="tests")
    try:
        await database.execute(sql)
    finally:
        await database.close()


async def fetched(dsn: str, sql: str) -> object:
    database = await Database.connect(dsn, application="tests")
    try:
        return await database.fetchval(sql)
    finally:
        await database.close()


async def test_an_api_key_is_held_to_the_limit_of_its_entry_on_every_route_that_takes_items(ingest: Running) -> None:
    path = ingest.settings.keys_file
    for route, items in (
        ("/v1/receipts", {"receipts": [receipt(number) for number in range(3)]}),
        ("/v1/catalogue/stock", {"stock": [{"product_id": "P1", "store_id": "S01", "quantity": "1"}] * 3}),
        ("/v1/store-counts", {"store_counts": [{}] * 3}),
    ):
        key, entry = issue_key("store", "till 9", limit=KeyLimit(1, 3))
        write_keys(path, [*read_keys(path), entry])
        assert (await ingest.post(route, items, key)).status_code == 200
        refused = await ingest.post(route, items, key)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) >= 1
        figures = (await ingest.get(f"/v1/sources/{entry.caller.key_id}/figures")).json()["totals"]
        assert figures["limited"] == 3
        assert (await ingest.post(route, items)).status_code == 200


async def test_a_shops_webhooks_are_held_to_its_sources_limit(ingest: Running) -> None:
    await connect(ingest)
    limit = {"limit": {"events_per_second": 1, "burst": 1}}
    headers = {"Authorization": f"Bearer {ingest.keys.admin}"}
    assert (await ingest.client.patch("/v1/sources/shop-server", json=limit, headers=headers)).status_code == 200
    answers = [(await hook(ingest, "orders/create", ORDER)).status_code for _ in range(2)]
    assert answers == [200, 429]
