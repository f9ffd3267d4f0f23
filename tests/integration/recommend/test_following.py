"""What is in memory is what is in the database, after whatever happened to the people in it."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any
from uuid import UUID, uuid5

import pytest

from services.recommend.domain.facts import net_baskets
from services.recommend.domain.sharing import Share
from services.recommend.serving import following as following_module
from services.recommend.serving.customers import Customers
from services.recommend.serving.following import Following
from services.recommend.serving.past import Past
from services.recommend.store import changes, customers
from shared.db import Database
from shared.events import Envelope
from tests.fixtures.waiting import until
from tests.integration.recommend.conftest import Running, apply
from tests.integration.recommend.events import (
    ANN,
    BEN,
    assigned,
    bought,
    consent,
    erased,
    exchanged,
    product,
    returned,
    voided,
)

pytestmark = pytest.mark.postgres

_SPACE = UUID(int=99)
CAT, DAN = (uuid5(_SPACE, name) for name in ("cat", "dan"))
PEOPLE = (ANN, BEN, CAT, DAN)
PRODUCTS = ("milk", "tea", "bread", "rice")

Told = tuple[UUID, frozenset[str], dict[str, Any], int]


async def read_up(follower: Following) -> None:
    """Look until nobody is left who was never read, and once more for what came meanwhile."""
    while True:
        await follower.look()
        if not follower.is_loading:
            return


def in_memory(kept: Customers, asked: UUID) -> Told | None:
    found = kept.find(asked)
    if found is None:
        return None
    past = kept.past(found)
    return found.customer_id, found.withdrawn_channels, dict(past.products), past.basket_count


async def in_database(database: Database, asked: UUID) -> Told | None:
    async with database.session() as session:
        known = await customers.known(session, asked)
    if not known.facts and not known.withdrawn_channels:
        return None
    past = Past(net_baskets(known.facts))
    return known.customer_id, known.withdrawn_channels, dict(past.products), past.basket_count


async def assert_same(database: Database, kept: Customers, ids: Sequence[UUID]) -> None:
    for asked in ids:
        assert in_memory(kept, asked) == await in_database(database, asked), asked


class Happening:
    """Draws what may happen to four people, one event after the other."""

    def __init__(self, seed: int) -> None:
        self._draw = Random(seed)
        self._receipts: list[tuple[str, UUID | None]] = []
        self._version = 0
        self.guests: list[UUID] = []

    def next(self) -> Envelope[Any]:
        return self._draw.choice([
            self._buys, self._buys, self._buys, self._gives_back, self._changes_mind, self._is_voided,
            self._is_assigned, self._is_assigned, self._objects, self._is_erased,
        ])()  # fmt: skip

    def _somebody(self) -> UUID:
        return self._draw.choice(PEOPLE)

    def _some(self) -> list[str]:
        return self._draw.sample(PRODUCTS, self._draw.randint(1, 3))

    def _named(self, by: UUID | None) -> str:
        self._receipts.append((f"r{len(self._receipts)}", by))
        return self._receipts[-1][0]

    def _buys(self) -> Envelope[Any]:
        by = None if self._draw.random() < 0.3 else self._somebody()
        event = bought(self._named(by), by, self._draw.uniform(0, 400), *self._some())
        if by is None:
            self.guests.append(event.subject_id)
        return event

    def _gives_back(self) -> Envelope[Any]:
        # A receipt that may not have come yet, or never will.
        of = f"r{self._draw.randint(0, len(self._receipts) + 2)}" if self._draw.random() < 0.7 else None
        by = self._somebody() if self._draw.random() < 0.7 else None
        return returned(self._named(by), by, self._draw.uniform(0, 300), *self._some(), of=of)

    def _changes_mind(self) -> Envelope[Any]:
        by = self._somebody()
        return exchanged(self._named(by), by, self._draw.uniform(0, 300), *self._draw.sample(PRODUCTS, 2))

    def _is_voided(self) -> Envelope[Any]:
        return voided(
            f"v{self._draw.random()}", f"r{self._draw.randint(0, len(self._receipts) + 2)}", self._somebody()
        )

    def _is_assigned(self) -> Envelope[Any]:
        self._version += 1
        whose = self._draw.choice([*PEOPLE, *self.guests])
        return assigned(whose, self._somebody(), self._version)

    def _objects(self) -> Envelope[Any]:
        state, channel = self._draw.choice(["withdrawn", "granted"]), self._draw.choice(["any", "email"])
        return consent(self._somebody(), state, self._draw.uniform(0, 300), channel)

    def _is_erased(self) -> Envelope[Any]:
        return erased(self._somebody()) if self._draw.random() < 0.3 else self._buys()


@pytest.mark.parametrize("seed", range(6))
async def test_memory_is_the_database_after_whatever_happened(migrated: Database, seed: int) -> None:
    happening, draw = Happening(seed), Random(seed)
    kept = Customers(100)
    follower = Following(migrated, kept)
    await apply(migrated, [happening.next() for _ in range(10)])
    await read_up(follower)
    for _ in range(25):
        await apply(migrated, [happening.next() for _ in range(draw.randint(1, 3))])
        if draw.random() < 0.7:
            await follower.look()
            for asked in PEOPLE:
                # Not everybody is in memory who is in the database: whoever is wanted comes.
                follower.want(asked)
            await follower.look()
            await assert_same(migrated, kept, [*PEOPLE, *(one for one in happening.guests if kept.find(one))])
    afresh = Customers(100)
    await read_up(Following(migrated, afresh))
    for asked in (*PEOPLE, *happening.guests):
        told = in_memory(afresh, asked)
        assert told is None or told == await in_database(migrated, asked)


@pytest.mark.parametrize(
    "event",
    [
        bought("b", ANN, 1, "tea"),
        returned("b", ANN, 1, "milk", of="a"),
        returned("b", BEN, 1, "milk", of="a"),
        returned("b", None, 1, "milk", of="a"),
        exchanged("b", ANN, 1, "milk", "tea"),
        voided("b", "a", BEN),
        consent(ANN, "withdrawn", 1, "email"),
        erased(ANN),
        assigned(ANN, BEN, 2),
        assigned(BEN, ANN, 2),
        assigned(CAT, ANN, 2),
    ],
    ids=lambda event: event.type,
)
async def test_every_kind_of_event_reaches_all_whom_it_touches(migrated: Database, event: Envelope[Any]) -> None:
    before = [bought("a", ANN, 9, "milk", "bread"), bought("c", BEN, 8, "rice"), bought("d", CAT, 7, "tea")]
    await apply(migrated, [*before, assigned(CAT, BEN, 1)])
    kept = Customers(100)
    follower = Following(migrated, kept)
    await read_up(follower)
    await assert_same(migrated, kept, (ANN, BEN, CAT))
    await apply(migrated, [event])
    await follower.look()
    await assert_same(migrated, kept, (ANN, BEN, CAT))


async def test_a_return_that_commits_after_the_sale_it_names_reaches_whose_sale_it_was(migrated: Database) -> None:
    kept = Customers(100)
    follower = Following(migrated, kept)
    await read_up(follower)
    async with migrated.transaction() as late:
        await following_dispatch(late, returned("r", BEN, 1, "milk", of="a"))
        await apply(migrated, [bought("a", ANN, 9, "milk", "tea")])
        await follower.look()
        assert set((in_memory(kept, ANN) or ((), (), ()))[2]) == {"milk", "tea"}
    await follower.look()
    assert set((in_memory(kept, ANN) or ((), (), ()))[2]) == {"tea"}


async def following_dispatch(tx: Any, event: Envelope[Any]) -> None:
    from services.recommend.consumer import subscription  # noqa: PLC0415 - as the fixture does
    from tests.integration.recommend.events import PARTITIONS  # noqa: PLC0415

    await subscription(PARTITIONS).dispatch(tx, [event])


async def test_the_most_recently_active_come_into_memory_first_and_no_more_than_fit(migrated: Database) -> None:
    people = [uuid5(_SPACE, str(number)) for number in range(40)]
    await apply(migrated, [bought(f"a{n}", person, n * 9.0, "milk") for n, person in enumerate(people)])
    kept = Customers(30)
    await read_up(Following(migrated, kept))
    assert [kept.find(person) is not None for person in people] == [True] * 30 + [False] * 10


async def test_only_the_customers_of_a_share_come_into_memory(migrated: Database) -> None:
    people = [uuid5(_SPACE, str(number)) for number in range(30)]
    await apply(migrated, [bought(f"a{n}", person, n, "milk") for n, person in enumerate(people)])
    share, kept = Share(2, 3), Customers(100)
    follower = Following(migrated, kept, share)
    await read_up(follower)
    for person in people:
        follower.want(person)
    await follower.look()
    assert {person for person in people if kept.find(person)} == {person for person in people if share.holds(person)}


@pytest.mark.parametrize("change", ["epoch", "asleep", "behind", "too many"])
async def test_what_cannot_be_followed_is_read_anew(
    migrated: Database, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await apply(migrated, [bought("a", ANN, 9, "milk")])
    kept = Customers(100)
    follower = Following(migrated, kept)
    await read_up(follower)
    # As by another database in its place: nothing of it was noted.
    await migrated.execute("DELETE FROM receipts")
    await follower.look()
    assert kept.find(ANN) is not None
    mark = follower._mark
    assert mark is not None
    if change == "epoch":
        follower._mark = changes.Mark("another", mark.upto, mark.at)
    elif change == "asleep":
        follower._mark = changes.Mark(mark.epoch, mark.upto, mark.at.replace(year=mark.at.year - 1))
    elif change == "behind":
        follower._mark = changes.Mark(mark.epoch, mark.upto + 1000, mark.at)
    else:
        monkeypatch.setattr(following_module, "CHANGES_MAX", 0)
        await apply(migrated, [bought("b", BEN, 9, "milk")])
    await read_up(follower)
    assert kept.find(ANN) is None


async def test_tables_that_a_rebuild_put_in_place_are_read_anew(migrated: Database) -> None:
    async with migrated.session() as session:
        before = (await changes.since(session, 0)).mark
    await migrated.execute("CREATE TABLE made (LIKE receipts INCLUDING ALL)")
    await migrated.execute("CREATE SCHEMA replaced; ALTER TABLE receipts SET SCHEMA replaced")
    await migrated.execute("ALTER TABLE made RENAME TO receipts")
    try:
        async with migrated.session() as session:
            assert (await changes.since(session, 0)).mark.epoch != before.epoch
    finally:
        await migrated.execute("DROP TABLE receipts; ALTER TABLE replaced.receipts SET SCHEMA public")
        await migrated.execute("DROP SCHEMA replaced")


async def test_more_changes_than_are_read_at_once_are_forgotten_and_read_on(
    migrated: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [uuid5(_SPACE, str(number)) for number in range(40)]
    await apply(migrated, [bought(f"a{n}", person, 3, "milk") for n, person in enumerate(people)])
    kept = Customers(100)
    follower = Following(migrated, kept)
    await read_up(follower)
    monkeypatch.setattr(following_module, "READ_MAX", 5)
    await apply(migrated, [bought(f"b{n}", person, 2, "tea") for n, person in enumerate(people)])
    await follower.look()
    assert follower.is_loading
    for person in people:
        told = in_memory(kept, person)
        assert told is None or set(told[2]) == {"milk", "tea"}
    await read_up(follower)
    await assert_same(migrated, kept, people)


async def test_an_applied_receipt_changes_the_next_list_without_being_asked_for(recommend: Running) -> None:
    await recommend.apply(*(product(name) for name in PRODUCTS), bought("a", ANN, 3, "milk"))
    await recommend.refresh()
    await until(lambda: _bought(recommend, {"milk"}), 10)
    # Past the fixture, which has the process look: nobody but the database tells it.
    await apply(recommend.database, [bought("b", ANN, 1, "tea")])
    await until(lambda: _bought(recommend, {"milk", "tea"}), 10)


async def _bought(recommend: Running, products: set[str]) -> bool:
    answer = await recommend.recommend("buy-again", customer_id=str(ANN), limit=10)
    return {item["id"] for item in answer["items"] if item["source"] in {"ranked", "own_products"}} == products


async def test_looks_at_the_same_time_follow_one_another(migrated: Database) -> None:
    await apply(migrated, [bought(f"a{n}", person, 3, "milk") for n, person in enumerate(PEOPLE)])
    kept = Customers(100)
    follower = Following(migrated, kept)
    await asyncio.gather(*(follower.look() for _ in range(5)))
    await assert_same(migrated, kept, PEOPLE)
