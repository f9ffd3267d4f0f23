"""Owns what a person's own coupons are for among what may be shown: the products, and the words."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from services.recommend.domain.offers import (
    PRIOR_BASKETS,
    Coupon,
    PersonalOffer,
    best_offer,
    expected_saving,
    spread_over_coupons,
)
from services.recommend.domain.reasons import Language, Reason, ReasonCode, reason
from services.recommend.domain.requests import MAX_LIMIT
from services.recommend.domain.rules import Selector
from services.recommend.history import Bools, Floats, History
from services.recommend.knowledge import Knowledge
from services.recommend.serving.ranked import NOTHING, Ranked, sized
from services.recommend.serving.selecting import ProductNames
from shared.money import major_text


class Offering:
    """One request's coupons. `of` holds what `ranked` found, by product."""

    def __init__(self, coupons: Sequence[Coupon], now: datetime) -> None:
        """Take the person's coupons; those that do not work at this moment are left out."""
        self.of: dict[int, PersonalOffer] = {}
        self._coupons = [coupon for coupon in coupons if coupon.works_at(now)]
        self._now = now

    def ranked(self, knowledge: Knowledge, names: ProductNames, history: History, allowed: Bools) -> Ranked:
        """Return the products whose offers save this person the most in expectation, coupon by coupon."""
        if not self._coupons:
            return NOTHING
        assortment = knowledge.assortment
        chance = _chances(history, sized(knowledge.popularity.chain[1], len(assortment)))
        priced = allowed & ~np.isnan(assortment.price_minor)
        for coupon in self._coupons:
            for number in _likeliest(priced & _covered(coupon, names, chance.size), chance):
                found = best_offer(self._coupons, assortment.products[number], self._now)
                if found is not None:
                    self.of[number] = found
        return self._spread(chance)

    def _spread(self, chance: Floats) -> Ranked:
        saving = {number: expected_saving(offer, float(chance[number])) for number, offer in self.of.items()}
        ranked = sorted(saving, key=lambda number: (-saving[number], number))
        spread = spread_over_coupons([(number, self.of[number].coupon_id) for number in ranked])
        return np.array(spread, np.int64), np.array([saving[number] for number in spread], np.float64)


def told(offer: PersonalOffer, language: Language) -> Reason:
    """Say what the coupon takes off."""
    saving = f"{major_text(offer.discount_minor, offer.currency)} {offer.currency}"
    return reason(ReasonCode.COUPON, language, saving=saving)


def chances_of_buying(own_count: Floats, own_baskets: float, share_of_all: Floats) -> Floats:
    """Return how likely each product is in the next basket: the own rate, shrunk to everybody's."""
    return np.asarray((own_count + PRIOR_BASKETS * share_of_all) / (own_baskets + PRIOR_BASKETS))


def _chances(history: History, share: Floats) -> Floats:
    count = np.zeros(share.size)
    count[history.products] = history.count
    return chances_of_buying(count, float(history.basket_count), share)


def _covered(coupon: Coupon, names: ProductNames, size: int) -> Bools:
    """Return the products that a coupon names itself or by a category; all, where it names none."""
    if not coupon.product_ids and not coupon.categories:
        return np.ones(size, np.bool_)
    mask = np.zeros(size, np.bool_)
    for part in (Selector(product_ids=coupon.product_ids), Selector(categories=coupon.categories)):
        if not part.is_empty:
            mask |= names.mask(part)
    return mask


def _likeliest(mask: Bools, chance: Floats) -> list[int]:
    """Return the products that are bought the likeliest, as many as a list may hold."""
    found = np.flatnonzero(mask)
    kept: list[int] = found[np.argsort(-chance[found], kind="stable")][:MAX_LIMIT].tolist()
    return kept
