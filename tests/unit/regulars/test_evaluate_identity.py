"""The made-up world of the identity evaluation, and how it is scored."""

from datetime import timedelta

import pytest

from regulars.evaluation import identity
from regulars.evaluation.identity import Door, evaluate, linked, pairwise, resolvable, summary
from regulars.evaluation.identity_names import Told
from regulars.evaluation.identity_world import START, Household, Person, Record, World, make_world

HOMES = [Household(2, 1), Household(1, 0), Household(2, 0, (1930, 1950)), Household(2, 2)] * 20
OTHER_CARD = ("loyalty_card", "6007654321")
CARD, PHONE, EMAIL = ("loyalty_card", "6001234567"), ("phone", "13912345678"), ("email", "chen@example.com")


def world(*said: tuple[int, tuple[tuple[str, str], ...]]) -> World:
    records = [
        Record(START + timedelta(days=day), person, identifiers, is_receipt=True)
        for day, (person, identifiers) in enumerate(said)
    ]
    return World([], records)


def test_pairwise_figures_are_those_of_the_definition() -> None:
    assert pairwise(["a", "a", "b", "b"], [1, 1, 1, 2]) == {
        "precision": pytest.approx(1 / 3),
        "recall": pytest.approx(1 / 2),
        "f1": pytest.approx(2 / 5),
    }
    assert pairwise(["a", "a"], ["x", "x"]) == {"precision": 1.0, "recall": 1.0, "f1": 1.0}


def test_the_interval_of_equal_worlds_is_a_point() -> None:
    assert summary([{"recall": 0.5}] * 5)["recall"] == {"mean": 0.5, "interval": [0.5, 0.5]}


def test_one_seed_makes_one_world() -> None:
    assert make_world(HOMES, 7).records == make_world(HOMES, 7).records
    assert make_world(HOMES, 7).records != make_world(HOMES, 8).records


def test_records_come_in_the_order_of_time() -> None:
    times = [record.at for record in make_world(HOMES, 7).records]
    assert times == sorted(times)


def test_a_family_that_shares_nothing_has_no_phone_of_two() -> None:
    made = make_world(HOMES, 7, shares=False)
    for kind in ("phone", "email"):
        owners: dict[object, set[int]] = {}
        for person in made.people:
            for _, pair in getattr(person, kind)[:1]:
                owners.setdefault(pair, set()).add(person.number)
        assert {len(people) for people in owners.values()} == {1}


def test_what_only_a_shared_phone_says_is_not_counted() -> None:
    couple = world((1, (CARD, PHONE)), (2, (PHONE,)), (1, (PHONE,)))
    assert resolvable(couple) == [True, False, False]


def test_the_world_is_linked_by_ingests_own_rules() -> None:
    made = world((1, (CARD, PHONE)), (1, (PHONE, EMAIL)), (1, (EMAIL,)), (2, (("phone", "13800138000"),)))
    first, second, third, nobody = linked(made)
    assert first == second == third
    assert nobody == ("guest", 3)


def test_the_evaluation_prints_what_it_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "real_households", lambda: HOMES)
    steps: list[str] = []
    report = evaluate(steps.append, seeds=(1, 2))
    assert report["seeds"] == [1, 2]
    assert steps
    assert set(report["baselines"]) == {"link_everything", "strongest_only", "knowing_all", "without_names"}
    assert report["baselines"]["knowing_all"]["precision"] == 1.0
    assert report["metrics"]["precision"] > report["baselines"]["link_everything"]["precision"]
    assert report["metrics"]["recall"] > report["baselines"]["strongest_only"]["recall"]
    for name, (low, high) in report["intervals"].items():
        assert low <= report["metrics"][name] <= high


def test_the_real_households_are_read() -> None:
    homes = identity.real_households()
    assert len(homes) > 700
    assert {home.adults for home in homes} == {1, 2}
    assert {START.year - home.born[0] for home in homes} == {24, 34, 44, 54, 64, 84}


def test_couples_are_called_differently_and_children_after_their_parents() -> None:
    homes: dict[int, list[Person]] = {}
    for person in make_world(HOMES, 7).people:
        homes.setdefault(person.household, []).append(person)
    for members in homes.values():
        adults = HOMES[members[0].household].adults
        assert len({one.called.given_name for one in members[:adults]}) == adults
        assert {one.called.family_name for one in members[adults:]} <= {members[0].called.family_name}
        assert all(one.called.born.year >= START.year - 18 for one in members[adults:])


def test_the_first_adult_is_as_old_as_the_data_say() -> None:
    for person in make_world(HOMES, 7).people:
        low, high = HOMES[person.household].born
        if person.called is person.family[0]:
            assert low <= person.called.born.year <= high


def test_names_change_nothing_about_who_says_what_when() -> None:
    told = {(one.given_name, one.birthday) for one in (record.told for record in make_world(HOMES, 7).records)}
    assert len(told) > 50
    assert all(record.told == Told() for record in make_world(HOMES, 7).records if _is_till(record))


def _is_till(record: Record) -> bool:
    return record.is_receipt and not any(namespace == "user_id" for namespace, _ in record.identifiers)


def test_the_same_name_makes_one_of_two_cards_and_reading_none_makes_two() -> None:
    said = [
        Record(START, 1, (CARD, PHONE), is_receipt=False, told=Told("Anna", "Berg", "1990-05-17")),
        Record(START + timedelta(days=9), 1, (OTHER_CARD, PHONE), is_receipt=False, told=Told("ANNA")),
    ]
    first, second = linked(World([], said))
    assert first == second
    first, second = linked(World([], said), Door(reads_names=False))
    assert first != second
