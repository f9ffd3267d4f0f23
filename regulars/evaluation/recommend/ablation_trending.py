"""Owns what the generator of what rises brings: whether next week buys more of it, week after week."""

from collections.abc import Callable

import numpy as np

from regulars.evaluation.progress import Progress
from regulars.evaluation.recommend.ablation_report import AS_SERVED, Figures, Section, section
from regulars.evaluation.recommend.data import Evaluated
from services.recommend.generators.popular import WINDOWS_DAYS, Popularity
from services.recommend.generators.switches import Generator
from services.recommend.history import Floats, Ints
from services.recommend.knowledge import popularity_before

WEEKS = 12
WEEK_DAYS = 7.0
TOP = 10
_LEAST_HISTORY_DAYS = float(max(WINDOWS_DAYS))


def trending(data: Evaluated, before: float, progress: Progress) -> list[Section]:
    """Make the chain's list at the start of each of the last weeks before `before`, and look at the week after it.

    `bought` is the share of that week's purchases that the ten products are, `rise` how many times their share of
    the 28 days before it that is, product by product (the median of the ten).
    """
    progress("trending: the weeks before the test")
    starts = [before - WEEK_DAYS * week for week in range(WEEKS, 0, -1)]
    starts = [start for start in starts if start - float(data.dataset.at.min()) >= _LEAST_HISTORY_DAYS]
    if not starts:
        return []
    ways: dict[str, Callable[[Popularity], Floats]] = {
        AS_SERVED: lambda known: known.trending(known.product_count),
        f"without {Generator.TRENDING.value}": lambda known: known.lately,
    }
    rows = {name: _figures(data, starts, scores) for name, scores in ways.items()}
    return [section("trending: the week after", rows)]


def _figures(data: Evaluated, starts: list[float], scores: Callable[[Popularity], Floats]) -> Figures:
    found = [_week(data, start, scores) for start in starts]
    return {name: np.array([each[name] for each in found]) for name in found[0]}


def _week(data: Evaluated, start: float, scores: Callable[[Popularity], Floats]) -> dict[str, float]:
    known = popularity_before(data.dataset, start)
    shown = np.argsort(-scores(known), kind="stable")[:TOP]
    bought = _shares(data, start, start + WEEK_DAYS)[shown]
    rise = bought / np.maximum(known.chain[1][shown], 1e-12)
    return {"bought": float(bought.sum()), "rise": float(np.median(rise))}


def _shares(data: Evaluated, since: float, before: float) -> Floats:
    lines: Ints = data.dataset.lines_between(since, before)[0]
    counts = np.bincount(data.dataset.product[lines], minlength=len(data.dataset.product_ids))
    shares: Floats = counts / max(lines.size, 1)
    return shares
