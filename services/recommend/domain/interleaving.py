"""Owns team-draft interleaving: two lists in one, and which list each product was taken from.

After Radlinski, Kurup and Joachims (2008). Two captains take turns, the first of each pair by the toss of a coin;
each takes their best product that is still free. What is clicked or bought counts for the team that brought it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from services.recommend.domain.requests import Answer, Item

Team = int
"""0: of the first list, 1: of the second."""
NOBODYS: Team = -1
"""A pinned product: it was on both lists by order, not by merit."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """A product on the combined list, and the team that took it."""

    product_id: str
    team: Team


def team_draft(first: Sequence[str], second: Sequence[str], limit: int, seed: str) -> list[Drafted]:
    """Combine two lists of distinct products; the same seed gives the same list.

    Both teams have the same number of places (one more at most for one of them), unless a list runs out.
    """
    # Not for secrets: the coin must only be fair, and fall the same way when asked again.
    coin = Random(seed)  # noqa: S311
    waiting = (list(reversed(first)), list(reversed(second)))
    taken: dict[str, Team] = {}
    while len(taken) < limit and any(waiting):
        leading = coin.randrange(2)
        for team in (leading, 1 - leading):
            _take(waiting[team], taken, team, limit)
    return [Drafted(product_id, team) for product_id, team in taken.items()]


def _take(waiting: list[str], taken: dict[str, Team], team: Team, limit: int) -> None:
    while waiting and len(taken) < limit:
        product_id = waiting.pop()
        if product_id not in taken:
            taken[product_id] = team
            return


def interleaved(first: Answer, second: Answer, limit: int, seed: str) -> tuple[Answer, dict[str, Team]]:
    """Return one answer made of two, and each product's team. Pinned products keep their places."""
    pinned = [item for item in first.items if item.pinned and item.rank <= limit]
    fixed = {item.product_id for item in pinned}
    lists = [[item.product_id for item in each.items if item.product_id not in fixed] for each in (first, second)]
    drafted = team_draft(lists[0], lists[1], limit - len(pinned), seed)
    items = [{item.product_id: item for item in each.items} for each in (first, second)]
    ordered = [items[each.team][each.product_id] for each in drafted]
    for item in pinned:
        ordered.insert(item.rank - 1, item)
    depth = max(first.fallback_level, second.fallback_level)
    answer = replace(first, items=_ranked(ordered), fallback_level=depth)
    return answer, dict.fromkeys(fixed, NOBODYS) | {each.product_id: each.team for each in drafted}


def _ranked(items: Sequence[Item]) -> tuple[Item, ...]:
    return tuple(replace(item, rank=rank) for rank, item in enumerate(items, start=1))


def credits_of(teams: Mapping[str, Team], acted_on: Iterable[str]) -> tuple[int, int]:
    """Return how many products that were acted on each team brought; a product counts once."""
    found = [teams[product_id] for product_id in set(acted_on) if product_id in teams]
    return found.count(0), found.count(1)
