"""Owns which promotions run at a moment: a price for a time, truly below the usual one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PricePeriod:
    """A price from a moment on, its end excluded (None: until the next); without a store in all that have no own."""

    product_id: str
    store_id: str | None
    price_minor: int
    valid_from_at: datetime
    valid_until_at: datetime | None = None

    def holds_at(self, now: datetime) -> bool:
        return self.valid_from_at <= now and (self.valid_until_at is None or now < self.valid_until_at)

    @property
    def is_temporary(self) -> bool:
        return self.valid_until_at is not None


@dataclass(frozen=True, slots=True)
class Promotion:
    """A product below its usual price for now. Prices in minor units of the product's currency."""

    product_id: str
    price_minor: int
    usual_price_minor: int
    until_at: datetime

    @property
    def percent(self) -> int:
        """Whole percent off the usual price, rounded down: never promised more than there is."""
        return (self.usual_price_minor - self.price_minor) * 100 // self.usual_price_minor


def promotions_at(periods: Iterable[PricePeriod], store_id: str | None, now: datetime) -> Mapping[str, Promotion]:
    """Return what is on offer in a store, by product.

    A store's own price outweighs the chain's. Of several that hold the one that began last does, as at the till. The
    usual price is the standing one (without an end) that began last; without it nobody can say what is saved. At
    least one whole percent must be.
    """
    own: dict[str, list[PricePeriod]] = {}
    chain: dict[str, list[PricePeriod]] = {}
    for period in periods:
        if period.holds_at(now) and period.store_id in {None, store_id}:
            (chain if period.store_id is None else own).setdefault(period.product_id, []).append(period)
    found = (_promotion(own.get(name, []), chain.get(name, [])) for name in own.keys() | chain.keys())
    return {each.product_id: each for each in found if each is not None}


def _promotion(own: list[PricePeriod], chain: list[PricePeriod]) -> Promotion | None:
    now = _latest(own) or _latest(chain)
    usual = _latest([each for each in own if not each.is_temporary]) or _latest(
        [each for each in chain if not each.is_temporary]
    )
    if now is None or usual is None or now.valid_until_at is None or usual.price_minor <= 0:
        return None
    found = Promotion(now.product_id, now.price_minor, usual.price_minor, now.valid_until_at)
    return found if found.percent >= 1 else None


def _latest(periods: list[PricePeriod]) -> PricePeriod | None:
    """Return the one that began last; of several the lowest, so that no order of arrival decides."""
    return max(periods, key=lambda each: (each.valid_from_at, -each.price_minor), default=None)
