"""Owns turning ranked candidates into the list that is shown: rules, diversity, frequency cap, the slot for new ones.

The hard limits come first and are never widened: whatever is put in, pinned or explored comes out of `allowed`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from services.recommend.domain.arranging import Applied, moved, placed, places_of, put_in, stepped_back, within_quotas
from services.recommend.domain.diversity import Diversity
from services.recommend.domain.exploration import Drawn, Exploration, Novelty, drawn
from services.recommend.domain.requests import Effect, Outcome, Request, Source
from services.recommend.domain.rules import RuleKind
from services.recommend.history import Bools, Floats, Ints, Matrix
from services.recommend.ranking.spreading import DEPTH, diversified

POOL_MIN = 60
POOL_MAX = 400


@dataclass(frozen=True, slots=True)
class Pool:
    """Candidates, best first, each allowed: where they came from, and the level of the chain that named them.

    `instead` names what a substitute stands in for.
    """

    products: Ints
    scores: Floats
    sources: tuple[Source, ...]
    levels: tuple[int, ...]
    instead: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reshaping:
    """What is to be done to one list. `capped` steps back; `explore` draws from what is new, at `explore_place`."""

    rules: tuple[Applied, ...] = ()
    diversity: Diversity = Diversity.OFF
    capped: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    explore: Exploration | None = None
    new: tuple[Novelty, ...] = ()

    @property
    def is_idle(self) -> bool:
        return not (self.rules or self.capped.size or self.new) and self.diversity is Diversity.OFF

    def depth(self, wanted: int) -> int:
        """Return how many candidates are needed so that there is something else to show."""
        return wanted if self.is_idle else min(max(wanted * DEPTH, POOL_MIN), POOL_MAX)

    def of_kind(self, kind: RuleKind) -> list[Applied]:
        return [each for each in self.rules if each.rule.kind is kind]


@dataclass(frozen=True, slots=True)
class Shelved:
    """What the shelf answers for one request: what may be shown, why not, ids, kinds, and the rest by popularity."""

    allowed: Bools
    why_not: Callable[[str], str]
    product_ids: Callable[[Ints], tuple[str, ...]]
    index: Mapping[str, int]
    types: Ints
    vectors: Matrix
    spare: Callable[[], Ints]


@dataclass(frozen=True, slots=True)
class Reranked:
    """Products in the order shown, those that are pinned, what was explored, and what each rule did."""

    products: tuple[int, ...]
    pinned: frozenset[int] = frozenset()
    explored: Drawn | None = None
    effects: tuple[Effect, ...] = ()


def rerank(pool: Pool, request: Request, how: Reshaping, shelf: Shelved) -> Reranked:
    """Return what is shown: at most `limit` + `spare` products, each of them allowed, none twice."""
    wanted = request.limit + request.spare
    if how.is_idle:
        return Reranked(tuple(pool.products[:wanted].tolist()))
    return _Reranking(pool, request, how, shelf).result(wanted)


class _Reranking:
    """One list on its way; each step notes what it did."""

    def __init__(self, pool: Pool, request: Request, how: Reshaping, shelf: Shelved) -> None:
        self._pool = pool
        self._request = request
        self._how = how
        self._shelf = shelf
        self._effects: list[Effect] = []
        self._spare: Ints | None = None

    def result(self, wanted: int) -> Reranked:
        pinned = self._pins()
        order = moved(self._pool.products, self._how.rules)
        order = self._diversified(order, wanted)
        order = stepped_back(order, self._how.capped)
        order = self._with_injected(order, frozenset(pinned.values()))
        explored = self._explored(order, pinned)
        fixed = dict(pinned)
        if explored is not None:
            fixed[self._explore_place(pinned)] = explored.product
        products = placed(fixed, self._free(order, fixed, wanted), wanted)
        self._note_moves(products)
        return Reranked(tuple(products), frozenset(pinned.values()), explored, tuple(self._effects))

    def _pins(self) -> dict[int, int]:
        """Give each pin that passes the hard limits its place; say of the others why not."""
        wanted: list[tuple[int, int]] = []
        passing: list[tuple[Applied, int]] = []
        for each in self._how.of_kind(RuleKind.PIN):
            (product_id,) = each.rule.selector.product_ids
            product = self._shelf.index.get(product_id, -1)
            if product < 0 or not self._shelf.allowed[product]:
                self._note(each, Outcome.LEFT_OUT, (product_id,), self._shelf.why_not(product_id))
            else:
                wanted.append((each.rule.place or 1, product))
                passing.append((each, product))
        fixed = places_of(wanted, self._request.limit)
        place_of = {product: place for place, product in fixed.items()}
        for each, product in passing:
            self._note_pin(each, place_of.get(product))
        return fixed

    def _note_pin(self, each: Applied, place: int | None) -> None:
        names = tuple(each.rule.selector.product_ids)
        if place is None:
            self._note(each, Outcome.NO_EFFECT, names, "beyond_the_list")
        elif place == each.rule.place:
            self._note(each, Outcome.PINNED, names)
        else:
            self._note(each, Outcome.PINNED_ELSEWHERE, names, "place_taken")

    def _diversified(self, order: Ints, wanted: int) -> Ints:
        if self._how.diversity is Diversity.OFF:
            return order
        types, vectors = self._shelf.types[order], self._shelf.vectors[order]
        return diversified(order, types, vectors, self._how.diversity, wanted)

    def _with_injected(self, order: Ints, pinned: frozenset[int]) -> Ints:
        injects = self._how.of_kind(RuleKind.INJECT)
        # The most important is put in last, so that it comes out in front where two want one place.
        for each in reversed(injects):
            open_ = order[~np.isin(order, list(pinned))]
            spare = self._all_spare()
            order, chosen = put_in(open_, each, spare[~np.isin(spare, list(pinned))])
            outcome = Outcome.PUT_IN if chosen.size else Outcome.NO_EFFECT
            self._note(
                each, outcome, self._shelf.product_ids(chosen), None if chosen.size else "nothing_may_be_shown"
            )
        return order

    def _explored(self, order: Ints, pinned: Mapping[int, int]) -> Drawn | None:
        """Draw what is new, unless it is shown anyway, or a quota says how many there may be."""
        how, request = self._how.explore, self._request
        if how is None or request.request_id is None or len(pinned) >= request.limit:
            return None
        shown = {*order[: request.limit].tolist(), *pinned.values()}
        bounded = [each.members for each in self._how.of_kind(RuleKind.QUOTA) if each.rule.at_most is not None]
        new = [
            each
            for each in self._how.new
            if each.product not in shown and not any(members[each.product] for members in bounded)
        ]
        return drawn(request.request_id, new, how)

    def _explore_place(self, pinned: Mapping[int, int]) -> int:
        assert self._how.explore is not None
        limit = self._request.limit
        wanted = min(self._how.explore.place or limit, limit)
        nearest = [*range(wanted, 0, -1), *range(wanted + 1, limit + 1)]
        place: int = next(each for each in nearest if each not in pinned)
        return place

    def _free(self, order: Ints, fixed: Mapping[int, int], wanted: int) -> list[int]:
        """Fill the places between, under the quotas; the lists' own limit comes first, then what is spare."""
        quotas = self._how.of_kind(RuleKind.QUOTA)
        order = order[~np.isin(order, list(fixed.values()))]
        room = self._request.limit - len(fixed)
        if not quotas:
            short = order.size < wanted - len(fixed)
            whole: list[int] = (self._filled(order) if short else order).tolist()
            return whole
        chosen, unmet = within_quotas(order, quotas, list(fixed.values()), room, self._all_spare())
        if not chosen and not fixed:
            # Rules may thin a list, never empty it: a widget without products is worse than a full quota.
            chosen = order.tolist()
            unmet = quotas
        self._note_quotas(quotas, unmet, chosen, order, room)
        if self._request.spare:
            more, _ = within_quotas(order, quotas, [*fixed.values(), *chosen], self._request.spare, self._all_spare())
            chosen += more
        return chosen

    def _filled(self, order: Ints) -> Ints:
        spare = self._all_spare()
        return np.concatenate((order, spare[~np.isin(spare, order)]))

    def _all_spare(self) -> Ints:
        if self._spare is None:
            self._spare = self._shelf.spare()
        return self._spare

    def _note_quotas(
        self, quotas: list[Applied], unmet: list[Applied], chosen: list[int], order: Ints, room: int
    ) -> None:
        plain = order[:room]
        for each in quotas:
            gone = plain[each.members[plain] & ~np.isin(plain, chosen)]
            came = np.array([p for p in chosen if each.members[p] and p not in plain], np.int64)
            if each in unmet:
                self._note(each, Outcome.UNMET, self._shelf.product_ids(came), "too_few_may_be_shown")
            elif gone.size:
                self._note(each, Outcome.HELD_BACK, self._shelf.product_ids(gone))
            elif came.size:
                self._note(each, Outcome.PUT_IN, self._shelf.product_ids(came))
            else:
                self._note(each, Outcome.NO_EFFECT, (), "kept_already")

    def _note_moves(self, products: list[int]) -> None:
        plain = self._pool.products[: len(products)].tolist()
        changed = [p for place, p in enumerate(products) if place >= len(plain) or plain[place] != p]
        lost = [p for p in plain if p not in products]
        for kind, affected in ((RuleKind.BOOST, changed), (RuleKind.BURY, [*changed, *lost])):
            for each in self._how.of_kind(kind):
                mine = np.array([p for p in affected if each.members[p]], np.int64)
                outcome = Outcome.MOVED if mine.size else Outcome.NO_EFFECT
                self._note(each, outcome, self._shelf.product_ids(mine))

    def _note(self, each: Applied, outcome: Outcome, names: tuple[str, ...] = (), detail: str | None = None) -> None:
        rule = each.rule
        self._effects.append(Effect(rule.rule_id, rule.name, rule.kind.value, outcome, names, detail))
