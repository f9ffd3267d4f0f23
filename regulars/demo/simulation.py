"""A simulated response, always shown as one: replayed history cannot tell what a coupon would have changed.

The real spend of everybody drawn stays as it was. Only the treated get a made-up extra on top, of a size that is
known here, so that the estimate can be held against the truth.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.campaign.domain.result import ArmFigures, Comparison, compare

EXTRA_BUYERS = 0.5


@dataclass(frozen=True, slots=True)
class Simulated:
    """The true extra spend per treated customer, minor units, and what the comparison made of it."""

    true_lift: float
    comparison: Comparison


def simulate(
    arms: Mapping[str, Sequence[str]], spend_minor: Mapping[str, int], *, lift_share: float, seed: int
) -> Simulated:
    """Add a known lift to the treated customers' real spend and compare the arms again.

    `arms` names the customers of `treated` and `hold_out`; `spend_minor` is their real spend in the window. Half of
    the treated respond, each with an exponentially distributed extra; the mean extra of all treated is
    `lift_share` of the mean real spend.
    """
    draw = random.Random(seed)  # noqa: S311 (a simulation, nothing secret)
    drawn = [*arms["treated"], *arms["hold_out"]]
    mean_minor = sum(spend_minor.get(customer, 0) for customer in drawn) / len(drawn)
    extra_of_responders = lift_share * mean_minor / EXTRA_BUYERS
    extras = [
        round(draw.expovariate(1 / extra_of_responders)) if draw.random() < EXTRA_BUYERS else 0
        for _ in arms["treated"]
    ]
    treated = [spend_minor.get(customer, 0) + extra for customer, extra in zip(arms["treated"], extras, strict=True)]
    held_out = [spend_minor.get(customer, 0) for customer in arms["hold_out"]]
    comparison = compare(
        _figures(treated),
        _figures(held_out),
        holdout_share=len(held_out) / len(drawn),
        smallest_effect_share=lift_share,
        is_window_over=True,
    )
    return Simulated(sum(extras) / len(extras), comparison)


def _figures(spends: Sequence[int]) -> ArmFigures:
    return ArmFigures(
        customers=len(spends),
        buyers=sum(spend > 0 for spend in spends),
        net_minor=sum(spends),
        net_squares=sum(spend * spend for spend in spends),
    )
