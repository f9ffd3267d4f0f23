"""Owns simulating experiments: false alarms where nothing differs, how many people it takes to find a worse list."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from regulars.evaluation.experiments import shoppers
from regulars.evaluation.experiments.shoppers import Crowd, Response, crowd_of
from regulars.evaluation.progress import Progress
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.next_basket import NobodyToAskError, temporal_cut
from services.recommend.domain.experiments import Experiment, Method, Variant, expected_shares, variant_of
from services.recommend.domain.interleaving import credits_of, team_draft
from services.recommend.domain.outcomes import Sums, Tally
from services.recommend.domain.requests import Placement
from services.recommend.domain.significance import Difference, difference, preference, ratio_check
from services.recommend.history import Floats
from services.recommend.training.origins import HORIZON_DAYS

SIZES = (50, 100, 200, 400, 800, 1600)
RUNS = 60
A_A_PEOPLE, LOOKS = 600, 12
POWER = 0.8
CROWD_MAX = 1500
ALPHA = 0.05
ABOUT = (
    "a simulation: what customers came to buy is real, what they looked at and clicked is drawn; it shows what the "
    "instrument finds, not what recommendations do"
)


@dataclass(frozen=True)
class Found:
    """Of many experiments with so many people: the share that found the better list, and the mean estimate."""

    people: int
    ab_found: float
    ab_mean_difference: float
    ab_interval_holds_truth: float
    interleaving_found: float
    interleaving_mean_preference: float


@dataclass(frozen=True)
class Contrast:
    """Two lists compared, over growing numbers of people; None where no size found it in 80 % of experiments."""

    first: str
    second: str
    true_difference: float
    true_extra_products: float
    by_people: tuple[Found, ...]
    ab_people_needed: int | None
    interleaving_people_needed: int | None


@dataclass(frozen=True)
class FalseAlarms:
    """Shares of experiments between a list and itself that cried wolf; 0.05 is what the intervals promise."""

    experiments: int
    people: int
    click_through: float
    attributed_purchases: float
    interleaving: float
    looked_at_twelve_times: float
    always_valid: float
    split_alarms: float


def simulate(data: Evaluated, progress: Progress = lambda _: None, runs: int = RUNS) -> dict[str, Any]:
    """Return the whole report as one document. Baskets are those of the four weeks before the last four.

    Raises NobodyToAskError where nobody came back in them.
    """
    started = time.perf_counter()
    progress("what each method would have shown")
    crowd = crowd_of(data, temporal_cut(data.dataset) - HORIZON_DAYS, CROWD_MAX)
    if not crowd.size:
        raise NobodyToAskError("nobody who was known came back in the four weeks before the last four")
    progress("experiments between a list and itself")
    quiet = false_alarms(crowd, 4 * runs)
    contrasts = []
    for other in shoppers.METHODS[1:]:
        progress(f"{shoppers.METHODS[0]} against {other}")
        contrasts.append(contrast(crowd, shoppers.METHODS[0], other, runs))
    return {
        "part": "experiments",
        "about": ABOUT,
        "customers": crowd.size,
        "behaviour": {
            "looked_at": f"place ** -{shoppers.POSITION_BIAS}",
            "clicked_if_wanted": shoppers.CLICK_WANTED,
            "clicked_otherwise": shoppers.CLICK_OTHER,
            "persuaded": shoppers.PERSUADED,
        },
        "a_a": asdict(quiet),
        "contrasts": [asdict(each) for each in contrasts],
        "seconds": round(time.perf_counter() - started, 1),
    }


def experiment(name: str) -> Experiment:
    placements = frozenset({Placement.FOR_YOU})
    variants = (Variant("first"), Variant("second"))
    return Experiment(name, "", Method.AB, "simulated", placements, 1.0, variants, shoppers.ATTRIBUTION_DAYS)


@lru_cache(maxsize=8)
def _chances(crowd: Crowd, method: str) -> Floats:
    return shoppers.chances(crowd, method)


def run_ab(crowd: Crowd, methods: Sequence[str], people: int, seed: int) -> dict[str, Tally]:
    """Run one A/B experiment on customers drawn with replacement, each into the variant that serving would choose."""
    draw = np.random.default_rng(seed)
    running = experiment(f"ab-{seed}")
    customers = draw.integers(0, crowd.size, people)
    second = np.array([variant_of(running, f"{seed}-{place}").name == "second" for place in range(people)])
    parts = {"first": customers[~second], "second": customers[second]}
    return {
        name: tally_of(shoppers.responses(_chances(crowd, method)[part], draw))
        for (name, part), method in zip(parts.items(), methods, strict=True)
    }


def tally_of(response: Response) -> Tally:
    """Return the sums of the figures that a simulated list has: as if each person were added."""
    tally = Tally(people=response.clicked.size)
    ones = np.ones(response.clicked.size)
    for name, values in (("click_through", response.clicked), ("attributed_purchases", response.bought_of_it)):
        x = values.astype(np.float64)
        tally.sums[name] = Sums(*map(float, (x.sum(), ones.sum(), (x * x).sum(), ones.sum(), x.sum())))
    return tally


def run_interleaving(crowd: Crowd, methods: Sequence[str], people: int, seed: int) -> Tally:
    """Run one interleaving: every customer gets one list of both."""
    draw = np.random.default_rng(seed)
    tally = Tally()
    for place, customer in enumerate(draw.integers(0, crowd.size, people).tolist()):
        pair = [crowd.names(method)[customer] for method in methods]
        drafted = team_draft(pair[0], pair[1], shoppers.LENGTH, f"{seed}/{place}")
        shown = np.array([int(each.product_id) for each in drafted])
        clicks = draw.random(shown.size) < shoppers.click_chances(shown, crowd.baskets[customer])
        teams = {each.product_id: each.team for each in drafted}
        lost, won = credits_of(teams, [str(product) for product in shown[clicks].tolist()])
        tally.wins, tally.losses, tally.ties = (
            tally.wins + (won > lost),
            tally.losses + (won < lost),
            tally.ties + (won == lost),
        )
    tally.people = people
    return tally


def compared(tallies: dict[str, Tally], figure: str) -> Difference | None:
    first, second = tallies["first"], tallies["second"]
    return difference((first.sums[figure], first.people), (second.sums[figure], second.people))


def contrast(crowd: Crowd, first: str, second: str, runs: int) -> Contrast:
    """Compare two lists with ever more people, up to where both ways find the difference."""
    truth = shoppers.true_click_through(crowd, second) - shoppers.true_click_through(crowd, first)
    extra = shoppers.true_extra_products(crowd, second) - shoppers.true_extra_products(crowd, first)
    rows: list[Found] = []
    for people in SIZES:
        rows.append(_found(crowd, (first, second), people, truth, runs))
        if min(rows[-1].ab_found, rows[-1].interleaving_found) >= POWER:
            break
    ab = next((row.people for row in rows if row.ab_found >= POWER), None)
    interleaved = next((row.people for row in rows if row.interleaving_found >= POWER), None)
    return Contrast(first, second, truth, extra, tuple(rows), ab, interleaved)


def _found(crowd: Crowd, methods: Sequence[str], people: int, truth: float, runs: int) -> Found:
    differences = [compared(run_ab(crowd, methods, people, seed), "click_through") for seed in range(runs)]
    tallies = [run_interleaving(crowd, methods, people, runs + seed) for seed in range(runs)]
    known = [each for each in differences if each is not None]
    liked = [preference(each.wins, each.losses, each.ties) for each in tallies]
    right = [each is not None and each.p_value < ALPHA and (each.share > 0.5) == (truth > 0) for each in liked]
    return Found(
        people,
        ab_found=float(np.mean([each.is_proven and each.value * truth > 0 for each in known])),
        ab_mean_difference=float(np.mean([each.value for each in known])),
        ab_interval_holds_truth=float(np.mean([each.low <= truth <= each.high for each in known])),
        interleaving_found=float(np.mean(right)),
        interleaving_mean_preference=float(np.mean([each.share for each in liked if each is not None])),
    )


def false_alarms(crowd: Crowd, runs: int) -> FalseAlarms:
    """Compare a list with itself many times, also looking every day."""
    same = (shoppers.METHODS[0],) * 2
    clicks, bought, liked, peeked, always, split = [], [], [], [], [], []
    for seed in range(runs):
        tallies = run_ab(crowd, same, A_A_PEOPLE, 10_000 + seed)
        clicks.append(_is_proven(compared(tallies, "click_through")))
        bought.append(_is_proven(compared(tallies, "attributed_purchases")))
        whole = run_interleaving(crowd, same, A_A_PEOPLE, 20_000 + seed)
        found = preference(whole.wins, whole.losses, whole.ties)
        liked.append(found is not None and found.p_value < ALPHA)
        people = {name: tally.people for name, tally in tallies.items()}
        split.append(ratio_check(expected_shares(experiment("a-a")), people).is_alarming)
        looks = _looked_at_often(crowd, same, seed)
        peeked.append(any(each.is_proven for each in looks))
        always.append(any(each.is_proven_always for each in looks))
    shares = [float(np.mean(each)) for each in (clicks, bought, liked, peeked, always, split)]
    return FalseAlarms(runs, A_A_PEOPLE, *shares)


def _is_proven(found: Difference | None) -> bool:
    return found is not None and found.is_proven


def _looked_at_often(crowd: Crowd, same: Sequence[str], seed: int) -> list[Difference]:
    """Return what twelve looks at one growing experiment say."""
    growing = {"first": Tally(), "second": Tally()}
    looks = []
    for look in range(LOOKS):
        part = run_ab(crowd, same, A_A_PEOPLE // LOOKS, 100_000 + LOOKS * seed + look)
        for name, tally in part.items():
            _add(growing[name], tally)
        found = compared(growing, "click_through")
        looks += [] if found is None else [found]
    return looks


def _add(tally: Tally, part: Tally) -> None:
    tally.people += part.people
    for name, sums in part.sums.items():
        into = tally.sums[name]
        into.x, into.y = into.x + sums.x, into.y + sums.y
        into.xx, into.yy, into.xy = into.xx + sums.xx, into.yy + sums.yy, into.xy + sums.xy
