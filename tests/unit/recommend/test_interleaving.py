"""Two lists in one: both teams get the same chance, and credit goes to whose product it was."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.recommend.domain.interleaving import NOBODYS, credits_of, interleaved, team_draft
from services.recommend.domain.reasons import Language, ReasonCode, reason
from services.recommend.domain.requests import Answer, Item, Placement, Source

lists = st.lists(st.sampled_from([f"p{n}" for n in range(12)]), unique=True, max_size=10)


@given(lists, lists, st.integers(1, 10), st.text(max_size=5))
def test_a_draft_is_a_list_of_distinct_products_of_both_as_long_as_it_can_be(
    first: list[str], second: list[str], limit: int, seed: str
) -> None:
    drafted = [each.product_id for each in team_draft(first, second, limit, seed)]
    assert len(drafted) == len(set(drafted)) == min(limit, len({*first, *second}))
    assert set(drafted) <= {*first, *second}


@given(lists, lists, st.integers(1, 10), st.text(max_size=5))
def test_a_team_brings_its_own_products_in_its_own_order(
    first: list[str], second: list[str], limit: int, seed: str
) -> None:
    drafted = team_draft(first, second, limit, seed)
    for team, own in enumerate((first, second)):
        brought = [each.product_id for each in drafted if each.team == team]
        assert brought == [product for product in own if product in brought]


@given(st.text(max_size=8))
def test_teams_without_common_products_have_the_same_number_of_places(seed: str) -> None:
    first, second = [f"a{n}" for n in range(10)], [f"b{n}" for n in range(10)]
    teams = Counter(each.team for each in team_draft(first, second, 10, seed))
    assert teams == {0: 5, 1: 5}


def test_the_first_place_is_each_teams_half_of_the_time() -> None:
    leads = Counter(team_draft(["a"], ["b"], 1, str(seed))[0].team for seed in range(2000))
    assert abs(leads[0] - 1000) < 120


def test_the_same_seed_gives_the_same_list() -> None:
    first, second = list("abcdef"), list("fedcba")
    assert team_draft(first, second, 5, "r1") == team_draft(first, second, 5, "r1")
    assert len({tuple(each.product_id for each in team_draft(first, second, 5, str(n))) for n in range(50)}) > 5


def test_of_the_same_lists_neither_team_has_an_advantage() -> None:
    same = [f"p{n}" for n in range(10)]
    places = Counter(each.team for seed in range(500) for each in team_draft(same, same, 1, str(seed)))
    assert abs(places[0] - 250) < 60


def test_credit_goes_to_the_team_of_each_product_once() -> None:
    teams = {"a": 0, "b": 1, "c": 1}
    assert credits_of(teams, ["a", "a", "b", "c", "unknown"]) == (1, 2)
    assert credits_of(teams, []) == (0, 0)


def answer(*products: str, pinned: frozenset[str] = frozenset(), level: int = 0) -> Answer:
    why = reason(ReasonCode.POPULAR, Language.ENGLISH)
    items = [
        Item(name, rank, 1.0, Source.POPULAR, why, pinned=name in pinned) for rank, name in enumerate(products, 1)
    ]
    return Answer(Placement.FOR_YOU, tuple(items), level)


def test_an_interleaved_answer_is_ranked_anew_and_as_general_as_the_more_general_of_both() -> None:
    both, teams = interleaved(answer("a", "b", "c"), answer("x", "b", "y", level=2), 4, "s")
    assert [item.rank for item in both.items] == [1, 2, 3, 4]
    assert both.fallback_level == 2
    assert {item.product_id for item in both.items} == set(teams)


@given(st.text(max_size=6), st.integers(3, 6))
def test_a_pinned_product_keeps_its_place_and_earns_nobody_credit(seed: str, limit: int) -> None:
    pinned = frozenset({"pin"})
    first, second = answer("a", "b", "pin", "c", "d", pinned=pinned), answer("x", "y", "pin", "z", "a", pinned=pinned)
    both, teams = interleaved(first, second, limit, seed)
    assert both.items[2].product_id == "pin"
    assert teams["pin"] == NOBODYS
    assert len(both.items) == limit
    assert credits_of(teams, ["pin"]) == (0, 0)
