"""Owns a customer's purchases grouped by product, type, category, brand and department at once.

What is said of a visit (its age, its worth, its store) becomes a figure of every group by summing over the visits
that held it; several products of one group in one visit are one purchase of it.
"""

from dataclasses import dataclass

import numpy as np

from services.recommend.domain.purchases import KEPT_BASKETS
from services.recommend.history import Floats, History, Ints

RHYTHM = (
    "basket_share",
    "count",
    "ago_baskets",
    "gap_baskets",
    "due_baskets",
    "gap_days",
    "last_gap_days",
)
NEVER_BASKETS = 1000.0
_SPAN = 1 << 12


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups by ascending key; `visit` holds each one's visits, the latest first, from `starts[group]` on."""

    keys: Ints
    starts: Ints
    visit: Ints

    @property
    def size(self) -> int:
        return self.keys.size

    def sums(self, by_visit: Floats) -> Floats:
        """Return groups + 1 rows of sums of a visits x columns table; the last row, of no group, is zero."""
        out = np.zeros((self.size + 1, by_visit.shape[1]))
        if self.size:
            np.add.reduceat(by_visit[self.visit], self.starts, axis=0, out=out[:-1])
        return out

    def places(self, wanted: Ints) -> Ints:
        """Return the group of each key, `size` for a key without one."""
        if not self.size:
            return np.zeros(wanted.shape, np.int64)
        found = np.minimum(np.searchsorted(self.keys, wanted), self.size - 1)
        return np.where(self.keys[found] == wanted, found, self.size)


def groups_of(history: History, keys: Ints) -> Groups:
    """Group purchases by `keys` (levels x products; -1: in no group), leaving out those before the kept visits."""
    kept = history.ago < KEPT_BASKETS
    of_levels = keys[:, history.product[kept]]
    codes = np.sort((of_levels * _SPAN + history.ago[kept])[of_levels >= 0])
    codes = codes[np.flatnonzero(np.diff(codes, prepend=-1))]
    owners = codes // _SPAN
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    return Groups(owners[starts], starts, history.basket_at.size - 1 - codes % _SPAN)


def rhythm(history: History, groups: Groups) -> tuple[Floats, Floats]:
    """Return (groups + 1 rows of RHYTHM, time of each group's last purchase in days, -inf for no group)."""
    out = np.zeros((groups.size + 1, len(RHYTHM)))
    out[-1, RHYTHM.index("ago_baskets")] = NEVER_BASKETS
    last_at = np.full(groups.size + 1, -np.inf)
    if not groups.size:
        return out, last_at
    at = history.basket_at[groups.visit]
    ends = np.append(groups.starts[1:], at.size) - 1
    last_at[:-1] = at[groups.starts]
    counts = ends - groups.starts + 1
    gaps = np.maximum(counts - 1, 1)
    newest, oldest = groups.visit[groups.starts], groups.visit[ends]
    ago = history.basket_at.size - 1 - newest
    gap_baskets, gap_days = (newest - oldest) / gaps, (last_at[:-1] - at[ends]) / gaps
    columns = (
        counts / max(history.basket_count, 1),
        counts,
        ago,
        gap_baskets,
        ago / np.maximum(gap_baskets, 0.5) * (counts > 1),
        gap_days,
        last_at[:-1] - at[np.minimum(groups.starts + 1, ends)],
    )
    out[:-1] = np.stack(columns, axis=1)
    return out, last_at
