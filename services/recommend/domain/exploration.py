"""Owns the slot for new products: which one it shows, and with what probability it was chosen.

Chosen by a number that follows from the request's id: the same request gets the same list, and the probability that
is written down beside it is exact, so that what is learned from the slot can be weighed by it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

CANDIDATES_MAX = 50
_PRIOR_IMPRESSIONS = 20.0
_PRIOR_CLICKS = 1.0
_SPAN = 2**64


@dataclass(frozen=True, slots=True)
class Exploration:
    """`share` of the lists have the slot; in it `random_share` of the draws are uniform, the others take the best.

    A product is new for `new_days`, and until it was shown in the slot `impressions_max` times.
    """

    share: float = 1.0
    random_share: float = 0.5
    new_days: int = 28
    impressions_max: int = 1000
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Novelty:
    """A new product, how often the slot showed it, and how often it was clicked there."""

    product: int
    impressions: int = 0
    clicks: int = 0

    @property
    def click_rate(self) -> float:
        """The rate with a prior, so that one lucky click is no proof."""
        return (self.clicks + _PRIOR_CLICKS) / (self.impressions + _PRIOR_IMPRESSIONS)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the slot shows; `propensity` is the probability with which this request could have got it."""

    product: int
    propensity: float


def drawn(request_id: UUID, new: Sequence[Novelty], how: Exploration) -> Drawn | None:
    """Draw for a request, or None where this one has no slot or there is nothing new."""
    if not new or _uniform(request_id, "slot") >= how.share:
        return None
    ordered = sorted(new, key=lambda each: (-each.click_rate, each.impressions, each.product))[:CANDIDATES_MAX]
    if _uniform(request_id, "random") < how.random_share:
        chosen = ordered[int(_uniform(request_id, "which") * len(ordered))]
    else:
        chosen = ordered[0]
    return Drawn(chosen.product, propensity_of(chosen.product, ordered, how))


def propensity_of(product: int, ordered: Sequence[Novelty], how: Exploration) -> float:
    """Return the probability that a list shows the product in its slot."""
    uniform = how.random_share / len(ordered)
    greedy = (1 - how.random_share) * (ordered[0].product == product)
    return how.share * (uniform + greedy)


def _uniform(request_id: UUID, about: str) -> float:
    """Return a number in [0, 1) that is a function of the request and of what it is for."""
    digest = hashlib.blake2b(request_id.bytes + about.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _SPAN
