"""Who takes part in an experiment, which variant they get, and what may run beside what."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.domain.experiments import (
    PLACES,
    Experiment,
    Method,
    Treatment,
    Variant,
    definition_faults,
    expected_shares,
    experiment_for,
    free_places,
    place_of,
    start_faults,
    takes_part,
    variant_of,
)
from services.recommend.domain.requests import Placement
from services.recommend.domain.significance import ratio_check

PEOPLE = [f"customer {n}" for n in range(20_000)]


def experiment(name: str = "e1", **changes: Any) -> Experiment:
    made = Experiment(
        experiment_id=name,
        about="",
        method=Method.AB,
        layer="home",
        placements=frozenset({Placement.FOR_YOU}),
        share=1.0,
        variants=(Variant("control"), Variant("other")),
        attribution_days=7,
        places=(0, PLACES),
    )
    return replace(made, **changes)


def test_a_person_gets_the_same_variant_for_ever() -> None:
    running = experiment()
    assert [variant_of(running, each).name for each in PEOPLE] == [variant_of(running, each).name for each in PEOPLE]
    assert variant_of(running, "customer 1").name == "control"  # a change of the hash would move everybody


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5))
def test_people_come_to_variants_in_proportion_to_the_weights(weights: list[int]) -> None:
    running = experiment(variants=tuple(Variant(f"v{n}", weight) for n, weight in enumerate(weights)))
    found = Counter(variant_of(running, each).name for each in PEOPLE[:5000])
    assert ratio_check(expected_shares(running), found).p_value > 1e-5


def test_the_share_of_the_traffic_takes_part() -> None:
    running = experiment(share=0.2, places=(3000, 5000))
    part = sum(takes_part(running, each) for each in PEOPLE)
    assert part == pytest.approx(4000, abs=200)


def test_two_experiments_of_a_layer_never_share_anybody() -> None:
    left, right = experiment("l", places=(0, 5000)), experiment("r", places=(5000, PLACES))
    assert not any(takes_part(left, each) and takes_part(right, each) for each in PEOPLE)
    assert all(experiment_for([left, right], Placement.FOR_YOU, each) for each in PEOPLE)


def test_layers_and_variants_are_drawn_independently() -> None:
    first, second = experiment("a", places=(0, 5000)), experiment("b", layer="basket", places=(0, 5000))
    both = sum(takes_part(first, each) and takes_part(second, each) for each in PEOPLE)
    assert both == pytest.approx(5000, abs=250)
    pairs = Counter((variant_of(first, each).name, variant_of(second, each).name) for each in PEOPLE)
    assert all(count == pytest.approx(5000, abs=250) for count in pairs.values())


def test_an_experiment_that_holds_no_places_has_nobody() -> None:
    assert not any(takes_part(experiment(places=None), each) for each in PEOPLE[:100])


def test_a_list_of_another_placement_takes_no_part() -> None:
    assert experiment_for([experiment()], Placement.BASKET, "customer 1") is None


@given(st.lists(st.integers(1, 4000), max_size=6), st.integers(1, PLACES))
def test_places_given_out_never_overlap(widths: list[int], wanted: int) -> None:
    taken: list[tuple[int, int]] = []
    for width in [*widths, wanted]:
        found = free_places(taken, width)
        if found is None:
            assert sum(end - first for first, end in taken) + width > PLACES
            continue
        assert found[1] - found[0] == width
        assert 0 <= found[0] < found[1] <= PLACES
        assert all(found[1] <= first or end <= found[0] for first, end in taken)
        taken.append(found)


def test_a_gap_left_by_a_stopped_experiment_is_used_again() -> None:
    assert free_places([(0, 2000), (5000, PLACES)], 3000) == (2000, 5000)
    assert free_places([(0, 2000), (5000, PLACES)], 3001) is None


def test_a_full_layer_says_how_much_room_there_is() -> None:
    running = [experiment("first", places=(0, 7000))]
    assert start_faults(experiment("second", share=0.3, places=None), running) == {}
    faults = start_faults(experiment("second", share=0.5, places=None), running)
    assert "room for 0.3000" in faults["share"]


def test_one_placement_has_one_layer_at_a_time() -> None:
    faults = start_faults(experiment("second", layer="other", share=0.1), [experiment("first", places=(0, 10))])
    assert "first runs on for-you in layer home" in faults["layer"]
    elsewhere = experiment("second", layer="other", placements=frozenset({Placement.BASKET}))
    assert start_faults(elsewhere, [experiment("first")]) == {}


@pytest.mark.parametrize(
    ("changes", "field", "cure"),
    [
        ({"variants": (Variant("a"), Variant("a"))}, "variants", "give each its own"),
        ({"variants": (Variant("a"), Variant("interleaved"))}, "variants", "choose another name"),
        (
            {"method": Method.INTERLEAVING, "variants": (Variant("a"), Variant("b"), Variant("c"))},
            "variants",
            "exactly two",
        ),
        ({"method": Method.INTERLEAVING, "variants": (Variant("a", 2), Variant("b"))}, "variants", "same weight"),
        ({"placements": frozenset()}, "placements", "at least one"),
    ],
)
def test_a_wrong_definition_names_the_field_and_the_cure(changes: dict[str, Any], field: str, cure: str) -> None:
    assert cure in definition_faults(experiment(**changes))[field]


def test_a_sound_definition_has_no_fault() -> None:
    assert definition_faults(experiment()) == {}


def test_versions_of_an_experiment_are_those_that_its_variants_name() -> None:
    variants = (Variant("a"), Variant("b", treatment=Treatment(model_version="20260101T0")))
    assert experiment(variants=variants).model_versions == {"20260101T0"}


def test_places_differ_between_salts() -> None:
    assert [place_of("a", each) for each in PEOPLE[:5]] != [place_of("b", each) for each in PEOPLE[:5]]
