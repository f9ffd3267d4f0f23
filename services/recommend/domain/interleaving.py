"""Owns team-draft interleaving: two lists in one, and which list each product was taken from.

After Radlinski, Kurup and Joachims (2008). Two captains take turns, the first of each pair by the toss of a coin;
each takes their best product that is still free. What is clicked or bought counts for the team that brought it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

Team = int
"""0: of the first list, 1: of the second."""


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


def credits_of(teams: Mapping[str, Team], acted_on: Iterable[str]) -> tuple[int, int]:
    """Return how many products that were acted on each team brought; a product counts once."""
    found = [teams[product_id] for product_id in set(acted_on) if product_id in teams]
    return found.count(0), found.count(1)
