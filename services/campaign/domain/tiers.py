"""Tiers of membership, by the growth value of the last year."""

from dataclasses import dataclass

GROWTH_DAYS = 365


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier from a growth value on: net points earned in the last `GROWTH_DAYS` days."""

    code: str
    from_growth: int
    benefits: tuple[str, ...]


TIERS: tuple[Tier, ...] = (
    Tier("member", 0, ("points on every purchase",)),
    Tier("silver", 500, ("points on every purchase", "birthday coupon")),
    Tier("gold", 2_000, ("points on every purchase", "birthday coupon", "early access to offers")),
    Tier("platinum", 5_000, ("points on every purchase", "birthday coupon", "early access to offers", "own adviser")),
)


def tier_of(growth_value: int) -> tuple[Tier, Tier | None]:
    """Return the tier that a growth value gives, and the next one above it if there is one."""
    place = max(index for index, tier in enumerate(TIERS) if index == 0 or growth_value >= tier.from_growth)
    return TIERS[place], TIERS[place + 1] if place + 1 < len(TIERS) else None
