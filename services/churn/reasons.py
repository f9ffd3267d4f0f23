"""Owns why: the families of evidence that raised a customer's risk lately, in words with figures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.churn.features import FAMILIES, Features
from services.churn.visits import Floats

REFERENCE_WEEKS = (8, 10, 12)
HISTORY_WEEKS = 12
REASONS_MAX = 3
RISE_MIN = 0.05
CHANGE_MIN = 0.15
LONG_STANDING = "long_standing_low_frequency"


@dataclass(frozen=True)
class Evidence:
    """The figure shown for a family; it agrees with a risen risk when it moved in the `worse` direction."""

    code: str
    column: str
    worse: int
    english: str
    chinese: str
    scale: float = 1.0


EVIDENCE: dict[str, Evidence] = {
    "silence": Evidence(
        "silent_for_longer",
        "silence_days",
        +1,
        "No visit for {now} days; {usual} at the same point before.",
        "已有{now}天未到店,此前同期为{usual}天。",
    ),
    "visits": Evidence(
        "comes_less_often",
        "visits_28d",
        -1,
        "Came {now} times in 4 weeks; usually {usual} times.",
        "近4周到店{now}次,通常为{usual}次。",
    ),
    "spend": Evidence(
        "spends_less",
        "spend_28d_minor",
        -1,
        "Spent {percent} % of the usual amount in 4 weeks.",
        "近4周消费为平常的{percent}%。",
    ),
    "categories": Evidence(
        "drops_categories",
        "categories_28d",
        -1,
        "Bought from {now} categories in 4 weeks; usually {usual}.",
        "近4周购买{now}个品类,通常为{usual}个。",
    ),
    "basket": Evidence(
        "smaller_baskets",
        "items_per_visit_28d",
        -1,
        "{now} items per visit; usually {usual}.",
        "每次购买{now}件,通常为{usual}件。",
    ),
    "discounts": Evidence(
        "uses_fewer_discounts",
        "discount_share_28d",
        -1,
        "Discounts made up {now} % of prices; usually {usual} %.",
        "优惠占价格的{now}%,通常为{usual}%。",
        scale=100.0,
    ),
    "habits": Evidence(
        "leaves_the_usual_store",
        "main_store_share_28d",
        -1,
        "{now} % of visits in the usual store; before {usual} %.",
        "{now}%的到店在常去门店,此前为{usual}%。",
        scale=100.0,
    ),
    "rhythm": Evidence(
        "longer_gaps",
        "gap_last3_mean_days",
        +1,
        "The last gaps between visits averaged {now} days; usually {usual}.",
        "最近几次到店平均间隔{now}天,通常为{usual}天。",
    ),
}
_LONG_STANDING_TEXT = {
    "en": "Has come rarely for a long time; nothing changed in the last weeks.",
    "zh": "长期到店较少,近几周没有变化。",
}


@dataclass(frozen=True)
class Reason:
    """`now` and `usual` in the unit of the text (amounts in minor units), `since` the day the change began.

    `rise` is how much the family's contribution to the log-odds rose; 0 for a standing reason.
    """

    code: str
    now: float
    usual: float
    since: int
    rise: float
    text: dict[str, str]


def reasons(
    history: Sequence[Features], contributions: Floats, contributions_before: Floats
) -> list[tuple[Reason, ...]]:
    """Up to three reasons per customer, the largest rise first.

    `history[w]` are the features of w weeks ago, w = 0..12. Contributions have a column per family and the
    intercept (`scorer.family_contributions`), now and as the mean over `REFERENCE_WEEKS` ago. A family is a
    reason when its contribution rose and its evidence moved the same way; if none did, the risk is told as
    standing, never with a false cause.
    """
    rise = (contributions - contributions_before)[:, : len(FAMILIES)]
    table = {family: _Moves.of(history, evidence) for family, evidence in EVIDENCE.items()}
    return [_reasons_of(row, rise[row], table, history[0]) for row in range(len(rise))]


def _reasons_of(row: int, rise: Floats, moves: dict[str, "_Moves"], now: Features) -> tuple[Reason, ...]:
    order = np.argsort(-np.nan_to_num(rise, nan=-np.inf), kind="stable")
    ranked = [(FAMILIES[column], float(rise[column])) for column in order]
    found = [
        moves[family].reason(row, by, now.day)
        for family, by in ranked
        if by >= RISE_MIN and moves[family].agrees(row)
    ]
    return tuple(found[:REASONS_MAX]) or (_standing(row, now),)


def _standing(row: int, now: Features) -> Reason:
    visits = float(now.column("visits_112d")[row]) / 4
    return Reason(LONG_STANDING, visits, visits, now.day, 0.0, dict(_LONG_STANDING_TEXT))


@dataclass(frozen=True)
class _Moves:
    """One family's evidence by week: `weekly[w]` of w weeks ago, and what was usual at the reference."""

    evidence: Evidence
    weekly: Floats
    usual: Floats

    @classmethod
    def of(cls, history: Sequence[Features], evidence: Evidence) -> "_Moves":
        weekly = np.stack([week.column(evidence.column) for week in history]) * evidence.scale
        known = weekly[list(REFERENCE_WEEKS)]
        count = (~np.isnan(known)).sum(axis=0)
        total = np.nansum(known, axis=0)
        return cls(evidence, weekly, np.where(count > 0, total / np.maximum(count, 1), np.nan))

    def agrees(self, row: int) -> bool:
        now, usual = self.weekly[0, row], self.usual[row]
        if np.isnan(now) or np.isnan(usual):
            return False
        change = self.evidence.worse * (now - usual)
        return bool(change > 0 and change >= CHANGE_MIN * max(abs(usual), 1e-9))

    def reason(self, row: int, rise: float, day: int) -> Reason:
        now, usual = float(self.weekly[0, row]), float(self.usual[row])
        figures = {"now": _short(now), "usual": _short(usual), "percent": _short(100 * now / (usual or 1))}
        text = {
            "en": self.evidence.english.format(**figures),
            "zh": self.evidence.chinese.format(**figures),
        }
        return Reason(self.evidence.code, now, usual, self._since(row, day), rise, text)

    def _since(self, row: int, day: int) -> int:
        """Find the start of the latest run of weeks on the worse side of half-way between usual and now."""
        if self.evidence.column == "silence_days":
            return day - int(self.weekly[0, row])
        middle = (self.weekly[0, row] + self.usual[row]) / 2
        worse = self.evidence.worse * (self.weekly[:, row] - middle) > 0
        run = int(np.argmin(worse)) if not worse.all() else len(worse)
        return day - 7 * max(run, 1)


def _short(value: float) -> str:
    """Whole from 10 up, else one decimal, without a trailing zero."""
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}".removesuffix(".0")
