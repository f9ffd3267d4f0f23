"""Owns the catalogue in memory: what ranking knows of each product, and what an answer shows of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from services.recommend.domain.products import Product

UNREADABLE_AGE = 999


@dataclass(frozen=True, slots=True)
class Price:
    """What is asked for one unit now, in every store without a price of its own."""

    currency: str
    price_minor: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A product as the catalogue describes it. `categories` run from the department down."""

    product: Product
    brand: str | None = None
    categories: tuple[str, ...] = ()

    def priced(self, price: Price) -> "Listed":
        product = replace(self.product, price_minor=price.price_minor, currency=price.currency)
        return replace(self, product=product)


def listed_of(row: Mapping[str, Any]) -> Listed:
    """Map a row of `products`.

    Ranking compares makers: the attribute `manufacturer_id` where the chain sends it, else the brand. The attribute
    `recommendable: false` keeps what is sold but is no product (fuel, deposits, coupons) out of every list, and
    `min_age` keeps a product from people not known to be old enough; `labels` are the chain's words, with commas.
    """
    categories: Sequence[str] = row["categories"]
    attributes: Mapping[str, Any] = row["attributes"]
    maker = attributes.get("manufacturer_id")
    product = Product(
        product_id=row["product_id"],
        name=row["name"],
        department=categories[0] if categories else None,
        category=categories[-2 if len(categories) > 2 else -1] if categories else None,
        product_type=categories[-1] if categories else None,
        brand=str(maker) if maker is not None else row["brand"],
        size=row["size"],
        is_sellable=row["is_sold"] and attributes.get("recommendable") is not False,
        min_age=_age(attributes.get("min_age")),
        brand_name=row["brand"],
        labels=_labels(attributes.get("labels")),
        new_since=_new_since(row.get("launched_on"), row.get("first_seen_at")),
    )
    return Listed(product, row["brand"], tuple(categories))


def _labels(given: object) -> tuple[str, ...]:
    """Return the words of a list with commas, each once."""
    words = (word.strip() for word in given.split(",")) if isinstance(given, str) else ()
    return tuple(dict.fromkeys(word for word in words if word))


def _new_since(launched_on: date | None, first_seen_at: datetime | None) -> datetime | None:
    """Return when a product became new: its launch where the chain says it, else when it was first heard of."""
    if launched_on is not None:
        return datetime(launched_on.year, launched_on.month, launched_on.day, tzinfo=UTC)
    return first_seen_at


def _age(given: object) -> int | None:
    """Return an age limit in years; one that cannot be read keeps the product from everybody."""
    if given is None or (given == 0 and given is not False):
        return None
    text = str(given).strip()
    return int(text) if text.isdecimal() else UNREADABLE_AGE


def with_unlisted(listed: Mapping[str, Listed], product_ids: Iterable[str]) -> dict[str, Listed]:
    """Add products that were sold but never described: they have nothing but their id."""
    return dict(listed) | {name: Listed(Product(name)) for name in product_ids if name not in listed}
