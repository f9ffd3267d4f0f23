"""Owns what to show of a product type that is due where the customer's usual products of it are not to be had."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.recommend.assortment import Assortment
from services.recommend.domain.due import CHANCE_DAYS, LATE_RATIO, MIN_PURCHASES, SAID_FROM_CHANCE, SAID_FROM_RATIO
from services.recommend.generators.rhythm import HORIZONS_DAYS, Rhythms, expected, occasions_of, shopping_of
from services.recommend.history import Bools, Floats, History, Ints

_HORIZON = HORIZONS_DAYS.index(CHANCE_DAYS)
_USUAL_BRAND = 2.0
_ON_OFFER = 1.0


@dataclass(frozen=True, slots=True)
class DueType:
    """The rhythm of a product type that is due, and the chance that it is bought within CHANCE_DAYS."""

    gap_days: float
    since_days: float
    chance: float


def due_types(history: History, keys: Ints, rhythms: Rhythms, now: float) -> Mapping[int, DueType]:
    """Return the types that are due, the most probable first; `keys` are those of the history's purchase lines."""
    occasions = occasions_of(history.at, keys)
    chance = expected(occasions, shopping_of(history, now), rhythms, now).probability[_HORIZON]
    since = np.floor(now) - occasions.last_day
    ratio = since / np.maximum(occasions.median_gap, 1.0)
    often: Bools = occasions.count >= MIN_PURCHASES
    due = often & (chance >= SAID_FROM_CHANCE) & (ratio >= SAID_FROM_RATIO) & (ratio <= LATE_RATIO)
    order = np.flatnonzero(due)[np.argsort(-chance[due], kind="stable")]
    return {
        int(occasions.keys[row]): DueType(float(occasions.median_gap[row]), float(since[row]), float(chance[row]))
        for row in order
    }


def stand_ins(  # noqa: PLR0913, PLR0917 - what a choice within a type depends on
    due: Mapping[int, DueType],
    type_keys: Ints,
    assortment: Assortment,
    own: Ints,
    popular: Floats,
    promoted: Ints,
    allowed: Bools,
) -> tuple[Ints, Floats]:
    """Return one product for each due type of which no own product may be shown, with the type's chance as score.

    Of the type's products the usual brand comes first, then what is on offer, then what people buy.
    """
    brands = assortment.level("typed_brand")
    usual = np.unique(brands[own])
    is_own = np.zeros(len(assortment), np.bool_)
    is_own[own] = True
    worth = popular.copy()
    worth[np.isin(brands, usual[usual >= 0])] += _USUAL_BRAND
    worth[promoted] += _ON_OFFER
    chosen, chances = [], []
    for key, rhythm in due.items():
        of_type = np.flatnonzero(type_keys == key)
        of_type = of_type[allowed[of_type]]
        if of_type.size and not is_own[of_type].any():
            chosen.append(int(of_type[np.argmax(worth[of_type])]))
            chances.append(rhythm.chance)
    return np.array(chosen, np.int64), np.array(chances, np.float64)
