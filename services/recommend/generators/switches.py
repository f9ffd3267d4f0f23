"""Owns the names of the generators, and switching one off: in training, evaluation and serving alike."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum


class Generator(StrEnum):
    """What names candidates. Each is a file of this folder."""

    OWN_PRODUCTS = "own_products"
    TIFU = "tifu"
    UP_CF = "up_cf"
    USER_CF = "user_cf"
    POPULAR = "popular"
    BASKET_ITEMS = "basket_items"
    OWN_TRIPS = "own_trips"
    ITEM_VECTORS = "item_vectors"
    TRENDING = "trending"
    SESSIONS = "vsknn"
    ASSOCIATIONS = "associations"
    PROMOTIONS = "promotions"
    SEGMENTS = "segments"


class UnknownGeneratorError(ValueError):
    """A name is no generator's."""


@dataclass(frozen=True, slots=True)
class Switches:
    """Which generators are off; what is off names no candidate, and its score is zero wherever it is read."""

    off: frozenset[Generator] = frozenset()

    def has(self, generator: Generator) -> bool:
        return generator not in self.off

    def without(self, *generators: Generator) -> "Switches":
        return Switches(self.off.union(generators))


EVERYTHING = Switches()


def switches_of(names: Iterable[str]) -> Switches:
    """Return the switches with these generators off. Raises UnknownGeneratorError that lists the names there are."""
    known = {generator.value: generator for generator in Generator}
    given = list(names)
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise UnknownGeneratorError(f"no generator: {', '.join(unknown)}; there are {', '.join(known)}")
    return Switches(frozenset(known[name] for name in given))


def names_of(off: Collection[Generator]) -> list[str]:
    return sorted(generator.value for generator in off)
