"""Owns what rules do to an order of products: moving, putting in, keeping numbers, and holding places.

Products are indices into the assortment; every function returns a new order and never a product that it was not
given. Nothing here widens what may be shown: the caller gives only products that passed the hard limits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.recommend.domain.rules import Rule, RuleKind
from services.recommend.history import Bools, Ints


@dataclass(frozen=True, slots=True)
class Applied:
    """A rule that holds for a list, and the mask of the products that it is about."""

    rule: Rule
    members: Bools


def moved(order: Ints, applied: Sequence[Applied]) -> Ints:
    """Apply boosts and buries: factors divide or multiply the place, then places are taken off or added."""
    moves = [each for each in applied if each.rule.kind in {RuleKind.BOOST, RuleKind.BURY}]
    if not moves:
        return order
    factor, shift = np.ones(order.size), np.zeros(order.size)
    for each in moves:
        hit = each.members[order]
        sign = -1.0 if each.rule.kind is RuleKind.BOOST else 1.0
        if each.rule.factor is not None:
            factor[hit] *= each.rule.factor**sign
        if each.rule.places is not None:
            # Half a place more: who is moved by one passes its neighbour.
            shift[hit] += sign * (each.rule.places + 0.5)
    wanted = np.arange(1, order.size + 1) * factor + shift
    return order[np.argsort(wanted, kind="stable")]


def put_in(order: Ints, each: Applied, spare: Ints) -> tuple[Ints, Ints]:
    """Apply an inject: put up to `count` of its products at its place; return the order and what was put there.

    Its products that already stand before the place stay there and do not count. `spare` are products that nobody
    named, best first.
    """
    start, count = (each.rule.place or 1) - 1, each.rule.count or 1
    front, rest = order[:start], order[start:]
    extra = spare[each.members[spare]][:count]
    extra = extra[~np.isin(extra, order)]
    chosen = np.concatenate((rest[each.members[rest]], extra))[:count].astype(np.int64)
    return np.concatenate((front, chosen, rest[~np.isin(rest, chosen)])).astype(np.int64), chosen


@dataclass(slots=True)
class _Tally:
    """One quota while a list is being filled."""

    each: Applied
    held: int = 0

    def is_full_for(self, product: int) -> bool:
        most = self.each.rule.at_most
        return most is not None and self.held >= most and bool(self.each.members[product])

    def needs(self, product: int) -> bool:
        """Say whether the list must not lose the product."""
        least = self.each.rule.at_least
        return least is not None and self.held <= least and bool(self.each.members[product])

    @property
    def missing(self) -> int:
        return max((self.each.rule.at_least or 0) - self.held, 0)


class _Filling:
    """The free places of a list, filled under quotas."""

    def __init__(self, quotas: Sequence[Applied], fixed: Sequence[int]) -> None:
        """Products with a fixed place count, and are never taken out."""
        self.tallies = [_Tally(each) for each in quotas]
        self.chosen: list[int] = []
        self._taken = set(fixed)
        for product in fixed:
            self._count(product, 1)

    def offer(self, product: int) -> bool:
        """Take a product if it is not there yet and no quota is full."""
        if product in self._taken or any(tally.is_full_for(product) for tally in self.tallies):
            return False
        self._taken.add(product)
        self.chosen.append(product)
        self._count(product, 1)
        return True

    def give_way(self, protected: Sequence[_Tally]) -> bool:
        """Take out the last product that none of these quotas needs."""
        for place in range(len(self.chosen) - 1, -1, -1):
            product = self.chosen[place]
            if not any(tally.needs(product) for tally in protected):
                del self.chosen[place]
                self._taken.discard(product)
                self._count(product, -1)
                return True
        return False

    def restore(self, before: list[int]) -> None:
        for product in self.chosen:
            self._count(product, -1)
            self._taken.discard(product)
        self.chosen = before
        for product in before:
            self._count(product, 1)
            self._taken.add(product)

    def _count(self, product: int, change: int) -> None:
        for tally in self.tallies:
            tally.held += change * bool(tally.each.members[product])


def within_quotas(
    order: Ints, quotas: Sequence[Applied], fixed: Sequence[int], room: int, spare: Ints
) -> tuple[list[int], list[Applied]]:
    """Return `room` products that keep the quotas, best first, and the quotas that could not be met.

    An upper bound holds always; a lower one as far as there are products, the most important first. `fixed` products
    have places of their own and count. `spare` is what nobody named, best first.
    """
    filling = _Filling(quotas, fixed)
    pool = order.tolist()
    for product in pool:
        if len(filling.chosen) >= room:
            break
        filling.offer(product)
    for product in spare.tolist() if len(filling.chosen) < room else ():
        filling.offer(product)
        if len(filling.chosen) >= room:
            break
    for number, tally in enumerate(filling.tallies):
        if tally.missing:
            _reach(
                filling,
                tally,
                filling.tallies[: number + 1],
                [*pool, *spare[tally.each.members[spare]].tolist()],
                room,
            )
    unmet = [tally.each for tally in filling.tallies if tally.missing]
    return filling.chosen, unmet


def _reach(filling: _Filling, tally: _Tally, protected: Sequence[_Tally], pool: Sequence[int], room: int) -> None:
    """Bring in what a quota lacks; each product takes the place of the last that may go."""
    for product in pool:
        if not tally.missing:
            return
        if not tally.each.members[product] or product in filling.chosen:
            continue
        before = list(filling.chosen)
        made_room = len(filling.chosen) < room or filling.give_way(protected)
        if not (made_room and filling.offer(product)):
            filling.restore(before)


def placed(fixed: Mapping[int, int], rest: Sequence[int], limit: int) -> list[int]:
    """Return the list: `fixed` maps places (from 1) to products, the rest goes between them.

    Where the rest does not reach a fixed place, that product comes nearer.
    """
    waiting = iter(rest)
    out: list[int] = []
    for place in range(1, limit + 1):
        product = fixed.get(place)
        product = next(waiting, None) if product is None else product
        if product is None:
            break
        out.append(product)
    missing = [fixed[place] for place in sorted(fixed) if fixed[place] not in out]
    return out + missing[: limit - len(out)]


def places_of(wanted: Sequence[tuple[int, int]], limit: int) -> dict[int, int]:
    """Give each (place, product), the most important first, its place, or else the next free one.

    A place past the limit is on no list.
    """
    out: dict[int, int] = {}
    for place, product in wanted:
        if place > limit or product in out.values():
            continue
        nearest = [*range(place, limit + 1), *range(place - 1, 0, -1)]
        free = next((each for each in nearest if each not in out), None)
        if free is not None:
            out[free] = product
    return out


def stepped_back(order: Ints, capped: Ints) -> Ints:
    """Return the order with the capped products after all others: a full list comes before a fresh one."""
    if not capped.size:
        return order
    late = np.isin(order, capped)
    return np.concatenate((order[~late], order[late]))
