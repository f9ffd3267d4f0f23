"""One effect and one answer per Idempotency-Key, on the real database."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, Response
from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from shared.db import Database
from shared.errors import Conflict
from shared.http.app import create_app
from shared.http.body import Router
from shared.http.idempotency import (
    KEPT_FOR,
    Answer,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    IdempotentRequest,
    idempotent,
    purge_expired,
    run_once,
)
from shared.http.tables import idempotency_table
from shared.keys import ROLES, Caller, KeyRing, issue_key, write_keys

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
TILL = Caller("key_1", "store", ROLES["store"], frozenset({"S01"}), "store S01")
REQUEST = IdempotentRequest(TILL, "store S01 POST /v1/redemptions", "k-1", "f-1")


@pytest.fixture
async def ledger(database: Database) -> Database:
    """A database with the stored answers and one table that effects write to."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    table = idempotency_table(MetaData())
    await database.execute(str(CreateTable(table).compile(dialect=dialect)))
    for index in table.indexes:
        await database.execute(str(CreateIndex(index).compile(dialect=dialect)))
    await database.execute("CREATE TABLE redeemed (id bigint GENERATED ALWAYS AS IDENTITY, code text NOT NULL)")
    return database


async def redeem(
    ledger: Database,
    request: IdempotentRequest = REQUEST,
    *,
    now: datetime = NOW,
    while_running: Callable[[], Awaitable[None]] | None = None,
) -> Answer:
    async with ledger.transaction() as tx:

        async def effect() -> Answer:
            number = await tx.fetchval("INSERT INTO redeemed (code) VALUES ('SPRING') RETURNING id")
            if while_running is not None:
                await while_running()
            return Answer.of({"redemption_id": number})

        return await run_once(tx, request, effect, now=now)


async def effects(ledger: Database) -> int:
    count: int = await ledger.fetchval("SELECT count(*) FROM redeemed")
    return count


async def test_a_repeat_gets_the_stored_answer_byte_for_byte_and_has_no_effect(ledger: Database) -> None:
    first = await redeem(ledger)
    repeat = await redeem(ledger, now=NOW + timedelta(days=30))
    assert (repeat.status, repeat.body) == (first.status, first.body)
    assert (first.replayed, repeat.replayed) == (False, True)
    assert await effects(ledger) == 1


async def test_the_key_for_another_body_is_refused_and_has_no_effect(ledger: Database) -> None:
    await redeem(ledger)
    with pytest.raises(IdempotencyKeyReused):
        await redeem(ledger, IdempotentRequest(TILL, REQUEST.scope, "k-1", "f-2"))
    assert await effects(ledger) == 1


@pytest.mark.parametrize(
    "other",
    [
        IdempotentRequest(TILL, REQUEST.scope, "k-2", "f-1"),
        IdempotentRequest(TILL, "store S02 POST /v1/redemptions", "k-1", "f-1"),
        IdempotentRequest(TILL, "store S01 POST /v1/points", "k-1", "f-1"),
    ],
    ids=["other key", "other caller", "other route"],
)
async def test_another_key_caller_or_route_is_another_request(ledger: Database, other: IdempotentRequest) -> None:
    await redeem(ledger)
    assert not (await redeem(ledger, other)).replayed
    assert await effects(ledger) == 2


async def test_while_one_runs_the_same_again_is_told_so_and_a_different_one_is_not_held_up(
    ledger: Database,
) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        started.set()
        await release.wait()

    running = asyncio.create_task(redeem(ledger, while_running=hold))
    await started.wait()
    with pytest.raises(IdempotencyInProgress):
        await redeem(ledger)
    await redeem(ledger, IdempotentRequest(TILL, REQUEST.scope, "k-2", "f-1"))
    release.set()
    first = await running
    assert (await redeem(ledger)).body == first.body
    assert await effects(ledger) == 2


async def test_of_many_at_once_exactly_one_has_the_effect(ledger: Database) -> None:
    outcomes = await asyncio.gather(*(redeem(ledger) for _ in range(30)), return_exceptions=True)
    answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
    others = [outcome for outcome in outcomes if not isinstance(outcome, Answer)]
    assert sum(not answer.replayed for answer in answers) == 1
    assert len({answer.body for answer in answers}) == 1
    assert all(isinstance(other, IdempotencyInProgress) for other in others), others
    assert await effects(ledger) == 1


async def test_a_failed_effect_leaves_nothing_and_may_be_tried_again(ledger: Database) -> None:
    async def fail() -> None:
        raise Conflict("the cap is reached")

    with pytest.raises(Conflict):
        await redeem(ledger, while_running=fail)
    assert await effects(ledger) == 0
    assert not (await redeem(ledger)).replayed
    assert await effects(ledger) == 1


async def test_a_refusal_that_was_stored_is_repeated(ledger: Database) -> None:
    async def refuse() -> Answer:
        return Answer.of({"code": "expired"}, status=409)

    for replayed in (False, True):
        async with ledger.transaction() as tx:
            answer = await run_once(tx, REQUEST, refuse, now=NOW)
        assert (answer.status, answer.replayed) == (409, replayed)


async def test_past_its_time_a_key_is_free_again(ledger: Database) -> None:
    await redeem(ledger)
    late = await redeem(ledger, now=NOW + KEPT_FOR)
    assert not late.replayed
    assert (await redeem(ledger, now=NOW + KEPT_FOR)).body == late.body
    assert await effects(ledger) == 2


async def test_only_expired_answers_are_purged(ledger: Database) -> None:
    await redeem(ledger)
    await redeem(ledger, IdempotentRequest(TILL, REQUEST.scope, "k-2", "f-1"), now=NOW + timedelta(days=1))
    async with ledger.transaction() as tx:
        assert await purge_expired(tx, NOW + KEPT_FOR) == 1
    assert (await redeem(ledger, IdempotentRequest(TILL, REQUEST.scope, "k-2", "f-1"))).replayed


async def test_over_http_a_repeat_is_marked_and_other_content_is_refused(ledger: Database, tmp_path: Path) -> None:
    token, entry = issue_key("store", "store S01")
    write_keys(tmp_path / "keys.json", [entry])
    router = Router(prefix="/v1")

    @router.post("/redemptions")
    async def redemptions(
        once: Annotated[IdempotentRequest, Depends(idempotent("campaign:redeem"))], order: dict[str, int]
    ) -> Response:
        return (await redeem(ledger, once)).response()

    app = create_app(service="sample", keys=KeyRing(tmp_path / "keys.json"), routers=[router])
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "till-3/1045"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://sample", headers=headers
    ) as client:
        first, repeat, other = [
            await client.post("/v1/redemptions", json={"payable_minor": amount}) for amount in (900, 900, 901)
        ]
    assert (first.status_code, repeat.status_code, other.status_code) == (200, 200, 422)
    assert repeat.content == first.content
    assert "idempotency-replayed" not in first.headers
    assert repeat.headers["idempotency-replayed"] == "true"
    assert other.json()["code"] == "idempotency_key_reused"
    assert await effects(ledger) == 1
