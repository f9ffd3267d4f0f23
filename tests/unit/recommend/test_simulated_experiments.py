"""The simulator is honest: a list against itself shows nothing, a worse one is found, and the truth is printed."""

import json
from io import StringIO
from uuid import UUID

import numpy as np
import pytest
from rich.console import Console

from regulars.cli.simulated_experiments import render_experiments
from regulars.evaluation.experiments import shoppers
from regulars.evaluation.experiments.run import (
    compared,
    contrast,
    false_alarms,
    run_ab,
    run_interleaving,
    simulate,
    tally_of,
)
from regulars.evaluation.experiments.shoppers import Crowd, Response
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.next_basket import NobodyToAskError
from services.recommend.domain.attribution import Bought, Touch, credited
from services.recommend.domain.outcomes import Outcome, Tally
from tests.unit.recommend.factories import dataset, day, town


def crowd(good: int = 4, poor: int = 1, size: int = 60) -> Crowd:
    """Customers of whose coming basket a good list holds more than a poor one."""
    baskets = [frozenset(range(100 * n, 100 * n + 6)) for n in range(size)]
    lists = {
        name: np.array([[*range(n, n + hits), *range(n + 50, n + 60 - hits)] for n in range(0, 100 * size, 100)])
        for name, hits in (("tifu_knn", good), ("personal_top", poor), ("popularity", 0))
    }
    return Crowd(lists, baskets)


def test_what_is_clicked_follows_the_place_and_whether_it_is_wanted() -> None:
    shown, basket = np.array([1, 2, 3, 4]), frozenset({2, 4})
    chances = shoppers.click_chances(shown, basket)
    assert chances[0] == pytest.approx(shoppers.CLICK_OTHER)
    assert chances[1] == pytest.approx(2**-0.7 * shoppers.CLICK_WANTED)
    assert chances[3] < chances[1]


def test_the_true_click_through_is_what_endless_trying_comes_to() -> None:
    people = crowd(size=5)
    tried = np.repeat(shoppers.chances(people, "tifu_knn"), 2000, axis=0)
    found = shoppers.responses(tried, np.random.default_rng(2))
    assert shoppers.true_click_through(people, "tifu_knn") == pytest.approx(found.clicked.mean(), abs=0.02)


def test_what_is_wanted_is_bought_however_little_it_is_looked_at_and_credited_as_the_service_would() -> None:
    people = crowd(size=1)
    found = shoppers.responses(shoppers.chances(people, "tifu_knn"), np.random.default_rng(3))
    shown, basket = people.names("tifu_knn")[0], people.baskets[0]
    touches = [Touch(day(0), UUID(int=1), product) for product in shown]
    purchases = [Bought(day(1), UUID(int=2), str(product)) for product in basket]
    assert found.bought_of_it[0] >= len(credited(touches, purchases, 7)) == 4


def test_sums_made_at_once_are_those_of_people_added_one_by_one() -> None:
    response = Response(np.array([True, False, True]), np.array([2, 0, 1]))
    one_by_one = Tally()
    for clicked, bought in zip(response.clicked, response.bought_of_it, strict=True):
        one_by_one.add(Outcome(lists=1, clicked_lists=int(clicked), attributed=int(bought)))
    at_once = tally_of(response)
    for name in ("click_through", "attributed_purchases"):
        assert at_once.sums[name] == one_by_one.sums[name]
    assert at_once.people == one_by_one.people


def test_a_better_list_brings_more_extra_products_only_where_it_shows_what_was_not_to_be_bought() -> None:
    people = crowd()
    assert shoppers.true_extra_products(people, "popularity") > shoppers.true_extra_products(people, "tifu_knn")


def test_a_list_against_itself_shows_nothing() -> None:
    quiet = false_alarms(crowd(), 40)
    assert max(quiet.click_through, quiet.attributed_purchases, quiet.interleaving) < 0.2
    assert quiet.always_valid <= quiet.looked_at_twelve_times
    assert quiet.split_alarms < 0.05


def test_a_worse_list_is_found_and_by_interleaving_with_fewer_people() -> None:
    found = contrast(crowd(), "tifu_knn", "personal_top", 20)
    assert found.true_difference < 0
    assert found.ab_people_needed is not None
    assert found.interleaving_people_needed is not None
    assert found.interleaving_people_needed <= found.ab_people_needed
    assert all(row.ab_interval_holds_truth > 0.75 for row in found.by_people)
    assert found.by_people[-1].ab_mean_difference == pytest.approx(found.true_difference, abs=0.05)


def test_an_experiment_is_the_same_when_run_again() -> None:
    people = crowd()
    pair = ("tifu_knn", "popularity")
    assert run_ab(people, pair, 80, 5) == run_ab(people, pair, 80, 5)
    assert run_interleaving(people, pair, 80, 5) == run_interleaving(people, pair, 80, 5)
    found = compared(run_ab(people, pair, 400, 5), "click_through")
    assert found is not None
    assert found.value < 0


def test_the_report_of_made_up_receipts_says_that_it_is_a_simulation() -> None:
    table, assortment = dataset(town())
    report = simulate(Evaluated("town", table, assortment), runs=3)
    assert json.loads(json.dumps(report))["about"].startswith("a simulation")
    printed = StringIO()
    render_experiments(report, Console(file=printed, width=120))
    assert "a simulation" in printed.getvalue()
    assert "true difference" in printed.getvalue()


def test_receipts_without_anybody_coming_back_are_told() -> None:
    table, assortment = dataset(town(weeks=1))
    with pytest.raises(NobodyToAskError, match="nobody who was known came back"):
        simulate(Evaluated("town", table, assortment), runs=1)
