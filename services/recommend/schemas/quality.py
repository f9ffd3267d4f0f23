"""The answer of the route of quality."""

import datetime as dt

from pydantic import BaseModel, ConfigDict, Field

from services.recommend.domain.quality import Alert
from services.recommend.store.quality import QualityRow


class QualityDayOut(BaseModel):
    """One day of one placement and group. Figures that nothing is known of are not there."""

    day: dt.date
    placement: str
    group: str = Field(description="all, heavy (as many receipts as the day's median or more), light, new, anonymous")
    final: bool = Field(description="false: next baskets may still come")
    figures: dict[str, float] = Field(
        examples=[{"lists": 812, "judged": 402, "hit_rate": 0.61, "ndcg@10_min": 0.24, "latency_p95_ms": 12.4}]
    )

    @classmethod
    def of(cls, row: QualityRow) -> "QualityDayOut":
        return cls(
            day=row.day,
            placement=row.placement,
            group=row.customer_group,
            final=row.is_final,
            figures=dict(row.figures),
        )


class AlertOut(BaseModel):
    """A figure of the last seven days that is worse than in the four weeks before, by more than chance (99.9 %)."""

    placement: str
    figure: str
    usual: float
    now: float
    change_low: float
    change_high: float

    @classmethod
    def of(cls, placement: str, alert: Alert) -> "AlertOut":
        return cls(
            placement=placement,
            figure=alert.figure,
            usual=alert.usual,
            now=alert.now,
            change_low=alert.low,
            change_high=alert.high,
        )


class QualityNowOut(BaseModel):
    """How fresh this process is."""

    model_config = ConfigDict(protected_namespaces=())

    model_version: str
    model_age_days: float | None = Field(description="null before the first training")
    shelf_age_s: float | None = Field(description="since prices, stock and popularity were read")


class QualityOut(BaseModel):
    window_days: int = Field(description="a list is judged by the customer's first basket within so many days")
    now: QualityNowOut
    alerts: list[AlertOut]
    days: list[QualityDayOut] = Field(description="oldest first")
