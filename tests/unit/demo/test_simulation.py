"""The simulated response: its truth is known, and the comparison finds it as often as it claims."""

import random

from regulars.demo.simulation import simulate

PEOPLE = [str(number) for number in range(600)]
ARMS = {"treated": PEOPLE[:300], "hold_out": PEOPLE[300:]}
SPEND = {customer: 5_000 + 37 * int(customer) % 9_000 for customer in PEOPLE}


def test_the_same_seed_tells_the_same_story() -> None:
    assert simulate(ARMS, SPEND, lift_share=0.2, seed=1) == simulate(ARMS, SPEND, lift_share=0.2, seed=1)


def test_the_true_lift_is_about_what_was_asked_for() -> None:
    mean = sum(SPEND.values()) / len(SPEND)
    lifts = [simulate(ARMS, SPEND, lift_share=0.2, seed=seed).true_lift for seed in range(30)]
    assert abs(sum(lifts) / len(lifts) / mean - 0.2) < 0.02


def test_the_interval_holds_the_true_lift_about_nineteen_times_in_twenty() -> None:
    held = 0
    for seed in range(200):
        order = random.Random(seed).sample(PEOPLE, len(PEOPLE))
        simulated = simulate({"treated": order[:300], "hold_out": order[300:]}, SPEND, lift_share=0.2, seed=seed)
        spend = simulated.comparison.spend
        held += spend.low <= simulated.true_lift <= spend.high
    assert 184 <= held < 200


def test_customers_who_bought_nothing_count_with_nothing() -> None:
    some = dict.fromkeys(PEOPLE[250:350], 8000)
    simulated = simulate(ARMS, some, lift_share=0.5, seed=3)
    assert abs(simulated.comparison.spend.value - simulated.true_lift) < 1
