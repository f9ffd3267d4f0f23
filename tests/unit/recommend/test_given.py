"""A list is given again only to whom it would be made the same."""

from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from services.recommend.domain.diversity import Diversity
from services.recommend.domain.reasons import Language, ReasonCode, reason
from services.recommend.domain.requests import Answer, Context, Filters, Item, Placement, Request, Source
from services.recommend.ranking.features import Prepared
from services.recommend.serving.given import MOMENT_SECONDS, Given, GivenLists, key_of
from services.recommend.serving.live import Shelf
from services.recommend.serving.preparing import Preparations
from services.recommend.store.shelf import StoreSales
from tests.unit.recommend.factories import day

NOW = day(20).replace(hour=9, minute=0, second=0)
ASKED = Request(Placement.FOR_YOU, Context(NOW, ("p1",), "S1", "web"), limit=5, customer_age=30)


def answer(items: int, placement: Placement = Placement.FOR_YOU) -> Answer:
    why = reason(ReasonCode.POPULAR)
    return Answer(placement, tuple(Item(f"p{n}", n + 1, 1.0, Source.POPULAR, why) for n in range(items)), 0)


def test_the_same_question_of_the_same_state_within_a_minute_has_the_same_key() -> None:
    later = replace(ASKED, context=replace(ASKED.context, now=NOW + timedelta(seconds=MOMENT_SECONDS - 1)))
    assert key_of(ASKED, 7) == key_of(later, 7)


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, placement=Placement.DISCOVER),
        replace(ASKED, limit=6),
        replace(ASKED, spare=6),
        replace(ASKED, diversity=Diversity.LOW),
        replace(ASKED, filters=Filters(in_stock=False)),
        replace(ASKED, filters=Filters(exclude_ids=frozenset({"p2"}))),
        replace(ASKED, customer_age=17),
        replace(ASKED, personalized=False),
        replace(ASKED, segments=("regulars",)),
        replace(ASKED, language=Language.CHINESE),
        replace(ASKED, context=replace(ASKED.context, items=("p1", "p2"))),
        replace(ASKED, context=replace(ASKED.context, store_id="S2")),
        replace(ASKED, context=replace(ASKED.context, channel=None)),
        replace(ASKED, context=replace(ASKED.context, now=NOW + timedelta(seconds=MOMENT_SECONDS))),
    ],
)
def test_whatever_a_list_depends_on_makes_another_key(other: Request) -> None:
    assert key_of(other, 7) != key_of(ASKED, 7)


def test_another_state_other_rules_and_other_capped_products_make_another_key() -> None:
    others: list[tuple[int, tuple[str, ...], frozenset[str]]] = [
        (7, (), frozenset()),
        (8, (), frozenset()),
        (7, ("r1",), frozenset()),
        (7, (), frozenset({"p1"})),
    ]
    assert len({key_of(ASKED, version, rules, capped) for version, rules, capped in others}) == 4


def test_every_field_of_a_question_is_in_its_key_or_says_why_not() -> None:
    # The version of a state stands for its customer; nothing that is drawn by the request's id is kept.
    of_whom = {"customer_id", "request_id"}
    assert set(Request.__dataclass_fields__) - of_whom == {
        "placement", "context", "limit", "filters", "customer_age", "personalized", "language", "diversity", "spare",
        "segments",
    }  # fmt: skip
    assert set(Context.__dataclass_fields__) == {"now", "items", "store_id", "channel"}


def test_lists_made_under_another_policy_are_gone() -> None:
    lists, one, other = GivenLists(), object(), object()
    lists.under(one).keep("a", Given(answer(3), 3))
    assert lists.under(one).find("a") is not None
    assert lists.under(other).find("a") is None
    assert lists.under(one).find("a") is None


def test_lists_that_are_forgotten_leave_their_room() -> None:
    lists = GivenLists(items_max=8)
    lists.keep("before", Given(answer(7), 7))
    lists.forget()
    lists.keep("after", Given(answer(7), 7))
    assert (len(lists), lists.find("before")) == (1, None)
    assert lists.find("after") is not None


def test_lists_asked_for_longest_ago_go_when_their_products_are_too_many() -> None:
    lists = GivenLists(items_max=33)
    for name in ("a", "b", "c"):
        lists.keep(name, Given(answer(10), 10))
    assert lists.find("a") is not None
    lists.keep("d", Given(answer(9), 10))
    assert [lists.find(name) is not None for name in "abcd"] == [True, False, True, True]
    lists.keep("large", Given(answer(100), 100))
    assert len(lists) == 0


def test_empty_lists_are_bounded_as_well() -> None:
    lists = GivenLists(items_max=10)
    for number in range(50):
        lists.keep(number, Given(answer(0), 10))
    assert len(lists) == 10


def test_a_list_is_cut_once_and_written_once_in_every_way() -> None:
    given, written = Given(answer(6), 2), []

    def write() -> bytes:
        written.append(1)
        return b"[]"

    assert [item.product_id for item in given.alone.items] == ["p0", "p1"]
    assert given.alone is given.alone
    assert given.written("one", write) == given.written("one", write) == b"[]"
    given.written("other", write)
    assert len(written) == 2


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"stores": [StoreSales("S1", ["p1"], [0.25])]}, True),
        ({"stores": [StoreSales("S1", ["p1", "p2"], [0.5, 0.1])]}, False),
        ({"stores": []}, False),
        ({"chain": {"p1": [1, 2, 4]}}, False),
        ({"out_of_stock": {"S1": frozenset({"p2"})}}, False),
        ({"out_of_stock": {}}, False),
        ({"listed": {}}, False),
        ({"prices": {}}, False),
    ],
)
def test_a_shelf_shows_the_same_only_if_nothing_on_it_changed(change: dict[str, object], same: bool) -> None:  # noqa: FBT001
    shelf = Shelf((1, 1), {}, {}, {"S1": frozenset({"p1"})}, {"p1": [1, 2, 3]}, [StoreSales("S1", ["p1"], [0.5])])
    # Descriptions and prices that did not change are the same objects.
    assert replace(shelf, **change).shows_what(shelf) == same  # type: ignore[arg-type]


def test_what_is_prepared_is_prepared_once_for_a_state_and_kind_of_list() -> None:
    made: list[int] = []
    preparations = Preparations(kept_max=2)

    def prepare() -> Prepared:
        made.append(len(made))
        return cast("Prepared", ("prepared", len(made)))

    first = preparations.of(1, 50, prepare)
    assert preparations.of(1, 50, prepare) is first
    assert preparations.of(1, 120, prepare) != first
    preparations.of(1, 50, prepare)
    preparations.of(2, 50, prepare)
    assert len(preparations) == 2
    assert preparations.of(1, 50, prepare) is first
    assert len(made) == 3
    for _ in range(2):
        preparations.of(None, 50, prepare)
    assert (len(made), len(preparations)) == (5, 2)
