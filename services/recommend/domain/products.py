"""Owns what a product is to this service: its attributes, and whether it may be shown."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Product:
    """Attributes from the catalogue; None where the chain does not say. Prices in minor units of `currency`.

    `brand` is the maker that ranking compares, `brand_name` what is printed on it; `labels` are the chain's own words
    (organic, own brand, …); `new_since` is when it was launched, else first heard of.
    """

    product_id: str
    name: str | None = None
    department: str | None = None
    category: str | None = None
    product_type: str | None = None
    brand: str | None = None
    size: str | None = None
    price_minor: int | None = None
    currency: str | None = None
    is_sellable: bool = True
    min_age: int | None = None
    brand_name: str | None = None
    labels: tuple[str, ...] = ()
    new_since: datetime | None = None

    @property
    def groups(self) -> tuple[str | None, ...]:
        """What it belongs to, from the widest to the narrowest: "a category of any level" is one of these."""
        return self.department, self.category, self.product_type

    @property
    def typed_brand(self) -> str | None:
        """The brand within a product type: the level at which people are loyal."""
        if self.product_type is None or self.brand is None:
            return None
        return f"{self.product_type}\x1f{self.brand}"
