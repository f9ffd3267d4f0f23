"""The demo's campaign: planned and started before the held-back weeks, redeemed and judged after them.

Nobody of this history ever received these coupons, so what follows from them is simulated and says so: the tills'
redemptions, and the response. What is real is the machinery, and the comparison of two groups that were treated
alike.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from regulars.credentials import Credentials
from regulars.demo import simulation
from regulars.demo.databases import coupon_codes, drawn_arms
from regulars.demo.shop import ServiceRefused, Shop
from regulars.demo.story import CampaignFacts
from regulars.loading.completejourney import History

OUTCOME_DAYS = 55
MIN_BASKET_MINOR = 1000
REDEEMING_SHARE = 0.3
LIFT_SHARE = 0.25
SEED = 20170101
SEGMENTS = ("needs_attention", "hibernating")
"""Of all that profile publishes, the two of customers who have gone quiet, whether they came often or rarely."""
WIN_BACK: dict[str, Any] = {
    "name": "Come back for 10 %",
    "audience": {"segments_any": list(SEGMENTS), "churn_levels": ["watch", "elevated", "high", "critical"]},
    "holdout_share": 0.3,
    "outcome_days": OUTCOME_DAYS,
    "channel": "file",
    "template": {"subject": "We miss you", "body": "{{ discount }} off your next basket with {{ code }}."},
}
OFFER: dict[str, Any] = {
    "percent": 10,
    "min_basket_minor": MIN_BASKET_MINOR,
    "cap_total_uses": 500,
    "cap_total_discount_minor": 100_000,
}
SAME_TREATMENT: dict[str, Any] = {
    "name": "A/A: two groups, treated alike",
    "audience": {},
    "holdout_share": 0.5,
    "outcome_days": OUTCOME_DAYS,
    "dry": True,
}


@dataclass(frozen=True, slots=True)
class NextBasket:
    """What a customer really bought on a visit after the cut, as an order that a till asks about."""

    card: str
    order: dict[str, Any]


def next_order(lines: pl.DataFrame, card: str, from_day: int, min_basket_minor: int) -> dict[str, Any] | None:
    """Return the store and the lines of a customer's first large enough basket from a day on; None without one."""
    later = lines.filter((pl.col("customer_id") == card) & (pl.col("day") >= from_day))
    sums = later.group_by("basket_id", maintain_order=True).agg(pl.col("amount_minor").sum(), pl.col("day").first())
    large = sums.filter(pl.col("amount_minor") >= min_basket_minor).sort("day", maintain_order=True)
    if large.is_empty():
        return None
    basket = later.filter(pl.col("basket_id") == large["basket_id"][0])
    bought = basket.select("product_id", "amount_minor").rows(named=True)
    return {"store_id": basket["store_id"][0], "lines": bought}


@dataclass
class Campaigning:
    """The campaigns of one demo. `card_of` tells the loyalty card behind a customer id."""

    shop: Shop
    credentials: Credentials
    history: History
    card_of: Mapping[str, str]
    cut_day: int

    def start(self, now: datetime) -> CampaignFacts:
        """Start the win-back campaign and the A/A beside it."""
        offer = OFFER | {"valid_from": now.isoformat(), "valid_until": (now + timedelta(days=400)).isoformat()}
        self.win_back, checked, arms = self._started(WIN_BACK | {"offer": offer})
        self.same_treatment, _, _ = self._started(SAME_TREATMENT)
        return CampaignFacts(WIN_BACK["name"], self._segments(), checked, arms, MIN_BASKET_MINOR)

    def _segments(self) -> list[dict[str, Any]]:
        """Return the audience's segments as profile describes them: id, name, description."""
        known = self.shop.get("profile", "/v1/segments")["segments"]
        return [segment for segment in known if segment["id"] in SEGMENTS]

    def _started(self, plan: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, int]]:
        campaign_id = self.shop.post("campaign", "/v1/campaigns", plan)["campaign_id"]
        path = f"/v1/campaigns/{campaign_id}"
        checked = self.shop.post("campaign", f"{path}:check")
        self.shop.post("campaign", f"{path}:approve")
        return campaign_id, checked, self.shop.post("campaign", f"{path}:start")["arms"]

    def redeem_as_tills_would(self, facts: CampaignFacts) -> None:
        """Let some treated customers bring their code on their next real visit; the first of them tries it twice."""
        codes = asyncio.run(coupon_codes(self.credentials, self.win_back))
        facts.example_code = codes[0][1] if codes else ""
        baskets = {code: basket for customer_id, code in codes if (basket := self._next_basket(customer_id))}
        facts.came_again = len(baskets)
        redeeming = list(baskets.items())[: math.ceil(len(baskets) * REDEEMING_SHARE)]
        for code, basket in redeeming:
            self._redeem(facts, code, basket, key=f"demo-{code}")
        for code, basket in redeeming[:1]:
            facts.tried_again += 1
            self._redeem(facts, code, basket, key=f"demo-{code}-again")
        facts.result = self.shop.get("campaign", f"/v1/campaigns/{self.win_back}/result")

    def _redeem(self, facts: CampaignFacts, code: str, basket: NextBasket, *, key: str) -> None:
        try:
            self.shop.redeem(code, basket.card, basket.order, key)
        except ServiceRefused as refused:
            if not refused.code:
                raise
            facts.refused[refused.code] = facts.refused.get(refused.code, 0) + 1

    def _next_basket(self, customer_id: str) -> NextBasket | None:
        """Return a customer's first basket since the cut that the offer is good for, None where there was none."""
        card = self.card_of[customer_id]
        order = next_order(self.history.lines, card, self.cut_day, MIN_BASKET_MINOR)
        return None if order is None else NextBasket(card, order | {"currency": self.history.till.currency})

    def same_treatment_result(self) -> dict[str, Any]:
        """Return the A/A's result: any difference in it is chance."""
        return self.shop.get("campaign", f"/v1/campaigns/{self.same_treatment}/result")

    def simulated_response(self) -> dict[str, Any]:
        """Return the A/A's two groups compared again, with a known extra given to one of them."""
        drawn = asyncio.run(drawn_arms(self.credentials, self.same_treatment))
        arms = {arm: [self.card_of[each] for each in drawn[arm]] for arm in ("treated", "hold_out")}
        later = self.history.lines.filter(pl.col("day") >= self.cut_day)
        spend = dict(later.group_by("customer_id").agg(pl.col("amount_minor").sum()).iter_rows())
        return asdict(simulation.simulate(arms, spend, lift_share=LIFT_SHARE, seed=SEED))
