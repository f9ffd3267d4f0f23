"""Owns which of their own coupons a person is reminded of, on which product; never a higher price for anybody.

What is shown is the coupon that saves this person the most in expectation: how likely they are to buy the product,
times what the coupon takes off. Nothing here guesses what somebody would be willing to pay.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.recommend.domain.products import Product

PRIOR_BASKETS = 5.0
"""How many baskets of everybody's the customer's own count against."""


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon issued to the customer. Exactly one of `percent` and `amount_minor` says what it takes off.

    It is for the products named and those of the categories; naming neither, for any. `used` counts redemptions.
    """

    coupon_id: UUID
    campaign_id: str
    currency: str
    percent: int | None = None
    amount_minor: int | None = None
    min_basket_minor: int = 0
    categories: frozenset[str] = frozenset()
    product_ids: frozenset[str] = frozenset()
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    uses_max: int = 1
    used: int = 0

    def works_at(self, now: datetime) -> bool:
        """Say whether it may be used at a moment; its end is excluded."""
        has_begun = self.starts_at is None or self.starts_at <= now
        is_over = self.expires_at is not None and now >= self.expires_at
        return has_begun and not is_over and self.used < self.uses_max

    def covers(self, product: Product) -> bool:
        """Say whether it is for a product; one without a price in its currency has nothing to take off."""
        if product.price_minor is None or product.currency != self.currency:
            return False
        if not self.categories and not self.product_ids:
            return True
        return product.product_id in self.product_ids or not self.categories.isdisjoint(product.groups)

    def discount_minor(self, price_minor: int) -> int:
        """Return what it takes off one unit: never less than nothing, never more than the price."""
        taken = (self.amount_minor or 0) if self.percent is None else price_minor * self.percent // 100
        return min(max(taken, 0), price_minor)


@dataclass(frozen=True, slots=True)
class PersonalOffer:
    """A coupon on a product: what the shelf asks of everybody, and what this person pays. Minor units."""

    coupon_id: UUID
    campaign_id: str
    product_id: str
    currency: str
    shelf_price_minor: int
    price_minor: int
    min_basket_minor: int = 0
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        """Nobody is ever asked for more than the shelf asks of everybody."""
        if not 0 <= self.price_minor <= self.shelf_price_minor:
            raise ValueError(f"an offer of {self.price_minor} is not between nothing and {self.shelf_price_minor}")

    @property
    def discount_minor(self) -> int:
        return self.shelf_price_minor - self.price_minor


def offer_on(coupon: Coupon, product: Product, now: datetime) -> PersonalOffer | None:
    """Return the offer that a coupon makes on a product at a moment, None where it takes nothing off."""
    if not coupon.works_at(now) or not coupon.covers(product):
        return None
    assert product.price_minor is not None
    discount_minor = coupon.discount_minor(product.price_minor)
    if not discount_minor:
        return None
    return PersonalOffer(
        coupon.coupon_id,
        coupon.campaign_id,
        product.product_id,
        coupon.currency,
        product.price_minor,
        product.price_minor - discount_minor,
        coupon.min_basket_minor,
        coupon.expires_at,
    )


def best_offer(coupons: Iterable[Coupon], product: Product, now: datetime) -> PersonalOffer | None:
    """Return what saves the most on a product; of equals the one that expires first."""
    offers = [found for coupon in coupons if (found := offer_on(coupon, product, now)) is not None]
    return min(offers, key=_preference, default=None)


def _preference(offer: PersonalOffer) -> tuple[int, bool, str, int]:
    until = offer.expires_at.isoformat() if offer.expires_at else ""
    return -offer.discount_minor, offer.expires_at is None, until, offer.coupon_id.int


def expected_saving(offer: PersonalOffer, chance: float) -> float:
    return offer.discount_minor * chance


def spread_over_coupons(ranked: Sequence[tuple[int, UUID]]) -> list[int]:
    """Return products so that every coupon's best comes before any coupon's second; `ranked` is best first."""
    seen: dict[UUID, int] = {}
    keyed = []
    for place, (product, coupon_id) in enumerate(ranked):
        turn = seen.get(coupon_id, 0)
        seen[coupon_id] = turn + 1
        keyed.append((turn, place, product))
    return [product for _, _, product in sorted(keyed)]
