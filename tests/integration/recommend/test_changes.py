"""What changed of whom can be followed: nothing is missed, whatever order transactions commit in."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from services.recommend.store import changes
from services.recommend.store.changes import CHANNEL, KEPT_SECONDS, Mark
from shared.db import Database
from shared.errors import TransientError
from tests.fixtures.waiting import until
from tests.integration.recommend.conftest import apply
from tests.integration.recommend.events import (
    ANN,
    BEN,
    assigned,
    bought,
    consent,
    erased,
    returned,
    stock,
    viewed,
    voided,
)

pytestmark = pytest.mark.postgres


async def mark(database: Database) -> Mark:
    async with database.session() as session:
        return (await changes.since(session, 0)).mark


async def changed(database: Database, since: Mark) -> set[UUID]:
    async with database.session() as session:
        return set((await changes.since(session, since.upto)).changed_in)


async def touched(database: Database, *subject_ids: UUID) -> set[tuple[UUID, UUID]]:
    async with database.session() as session:
        found = await changes.touched(session, subject_ids)
    return {(each.subject_id, each.customer_id) for each in found}


async def test_everything_that_a_list_reads_of_a_person_is_noted(migrated: Database) -> None:
    for event in (
        bought("a", ANN, 3, "milk"),
        consent(ANN, "withdrawn"),
        assigned(ANN, BEN, 1),
        voided("v", "a", BEN),
        erased(ANN),
    ):
        before = await mark(migrated)
        await apply(migrated, [event])
        assert ANN in await changed(migrated, before), event.type


async def test_what_no_list_reads_of_a_person_is_not_noted(migrated: Database) -> None:
    await apply(migrated, [bought("a", ANN, 3, "milk"), voided("v", "a", ANN)])
    before = await mark(migrated)
    again = [bought("a", ANN, 3, "milk"), voided("v2", "a", ANN)]
    await apply(migrated, [*again, stock("milk", "1"), viewed("s", "milk")])
    assert not await changed(migrated, before)


async def test_a_subject_is_noted_once_with_its_last_transaction(migrated: Database) -> None:
    before = await mark(migrated)
    await apply(migrated, [bought("a", ANN, 3, "milk")])
    between = await mark(migrated)
    await apply(migrated, [bought("b", ANN, 2, "milk")])
    assert await migrated.fetchval("SELECT count(*) FROM changed_subjects") == 1
    assert await changed(migrated, before) == await changed(migrated, between) == {ANN}


async def test_a_transaction_that_commits_late_is_not_missed(migrated: Database) -> None:
    before = await mark(migrated)
    async with migrated.transaction() as late:
        await changes.note(late, [ANN])
        async with migrated.transaction() as early:
            await changes.note(early, [BEN])
        async with migrated.session() as session:
            first = await changes.since(session, before.upto)
        assert set(first.changed_in) == {BEN}
    assert ANN in await changed(migrated, first.mark)


async def test_what_was_read_before_is_known_by_its_transaction(migrated: Database) -> None:
    async with migrated.transaction() as held:
        await changes.note(held, [ANN])
        await apply(migrated, [bought("b", BEN, 2, "milk")])
        async with migrated.session() as session:
            first = await changes.since(session, 1)
            again = await changes.since(session, first.mark.upto)
    assert first.changed_in == again.changed_in == {BEN: first.changed_in[BEN]}


async def test_a_subjects_change_touches_its_customer_and_whose_receipt_it_gave_back(migrated: Database) -> None:
    third = uuid4()
    given_back = returned("r", BEN, 1, "milk", of="a")
    await apply(migrated, [bought("a", ANN, 5, "milk"), given_back, assigned(BEN, third, 1)])
    assert await touched(migrated, BEN) == {(BEN, third), (ANN, ANN)}
    assert await touched(migrated, ANN) == {(ANN, ANN)}


async def test_guests_whom_nobody_claimed_touch_nobody_but_whose_receipt_they_gave_back(migrated: Database) -> None:
    guest = returned("r", None, 1, "milk", of="a")
    await apply(migrated, [bought("a", ANN, 5, "milk"), guest])
    assert await touched(migrated, guest.subject_id) == {(ANN, ANN)}
    await apply(migrated, [assigned(guest.subject_id, BEN, 1)])
    assert (guest.subject_id, BEN) in await touched(migrated, guest.subject_id)


async def test_a_change_wakes_who_listens(migrated: Database) -> None:
    heard: list[bool] = []
    listening = asyncio.create_task(migrated.listen(CHANNEL, lambda: heard.append(True)))
    try:
        await until(lambda: _is_listened_to(migrated), 10)
        await apply(migrated, [bought("a", ANN, 3, "milk")])
        await until(lambda: _said(heard), 10)
        assert len(heard) == 1
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_a_lost_listener_says_so(migrated: Database) -> None:
    listening = asyncio.create_task(migrated.listen(CHANNEL, lambda: None))
    await until(lambda: _is_listened_to(migrated), 10)
    await migrated.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'LISTEN %' AND datname ="
        " current_database()"
    )
    with pytest.raises(TransientError):
        await listening


async def _is_listened_to(database: Database) -> bool:
    return bool(
        await database.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'LISTEN %' AND datname = current_database()"
        )
    )


async def _said(heard: list[bool]) -> bool:
    return bool(heard)


async def test_old_changes_are_forgotten_and_young_ones_kept(migrated: Database) -> None:
    await apply(migrated, [bought("a", ANN, 3, "milk"), bought("b", BEN, 3, "milk")])
    await migrated.execute(
        "UPDATE changed_subjects SET changed_at = changed_at - $2::interval WHERE subject_id = $1",
        ANN,
        timedelta(seconds=KEPT_SECONDS + 1),
    )
    async with migrated.session() as session:
        assert [await changes.forget(session, 10) for _ in range(2)] == [1, 0]
    assert [row["subject_id"] for row in await migrated.fetch("SELECT subject_id FROM changed_subjects")] == [BEN]
