"""The demo's campaign: whom it is for, and which baskets its codes are brought to."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import polars as pl
import pytest

from regulars.demo.campaigning import MIN_BASKET_MINOR, OFFER, SEGMENTS, WIN_BACK, Campaigning, next_order
from regulars.demo.shop import ServiceRefused
from regulars.demo.story import CampaignFacts
from services.campaign.schemas.campaigns import CampaignPlan
from services.profile.domain.segments import BY_ID

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CUT_DAY = 100
LINES = pl.DataFrame(
    [
        ("anna", "before", 99, "S1", "P1", 5_000),
        ("anna", "small", 101, "S1", "P1", MIN_BASKET_MINOR - 1),
        ("anna", "good", 103, "S2", "P1", MIN_BASKET_MINOR - 1),
        ("anna", "good", 103, "S2", "P2", 1),
        ("anna", "later", 109, "S3", "P3", 9_000),
        ("boris", "before too", 90, "S1", "P1", 9_000),
        ("cleo", "too small", 110, "S1", "P1", 10),
        ("dora", "on the day", 100, "S1", "P4", 2_000),
    ],
    schema=["customer_id", "basket_id", "day", "store_id", "product_id", "amount_minor"],
    orient="row",
)


def order_of(card: str) -> dict[str, Any] | None:
    return next_order(LINES, card, CUT_DAY, MIN_BASKET_MINOR)


def test_the_next_basket_is_the_first_large_enough_one_since_the_cut() -> None:
    assert order_of("anna") == {
        "store_id": "S2",
        "lines": [
            {"product_id": "P1", "amount_minor": MIN_BASKET_MINOR - 1},
            {"product_id": "P2", "amount_minor": 1},
        ],
    }


def test_a_basket_of_the_first_held_back_day_is_a_next_basket() -> None:
    assert order_of("dora") == {"store_id": "S1", "lines": [{"product_id": "P4", "amount_minor": 2_000}]}


def test_the_order_of_lines_does_not_choose_the_basket() -> None:
    assert next_order(LINES.reverse(), "anna", CUT_DAY, MIN_BASKET_MINOR)["store_id"] == "S2"  # type: ignore[index]


@pytest.mark.parametrize("card", ["boris", "cleo", "nobody"])
def test_without_a_real_large_enough_basket_there_is_none(card: str) -> None:
    assert order_of(card) is None


def test_the_audience_is_of_segments_and_of_churn_levels() -> None:
    offer = OFFER | {"valid_from": NOW.isoformat(), "valid_until": (NOW + timedelta(days=9)).isoformat()}
    audience = CampaignPlan.model_validate(WIN_BACK | {"offer": offer}).audience
    assert audience.segments_any == list(SEGMENTS)
    assert set(SEGMENTS) <= BY_ID.keys()
    assert audience.churn_levels == ["watch", "elevated", "high", "critical"]


@dataclass
class FakeShop:
    """Redeems each code once, as campaign does."""

    refuses: dict[str, httpx.Response] = field(default_factory=dict)
    redeemed: list[tuple[str, str, str]] = field(default_factory=list)

    def get(self, service: str, path: str) -> dict[str, Any]:
        if path == "/v1/segments":
            return {"segments": [{"id": each, "name": each, "description": ""} for each in ("champions", *SEGMENTS)]}
        return {"redemptions": len(self.redeemed), "path": f"{service}{path}"}

    def post(self, service: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return {"campaign_id": "c1", "audience": 4, "arms": {"treated": 3, "hold_out": 1}} if service else {}

    def redeem(self, code: str, card: str, order: dict[str, Any], key: str) -> None:
        assert order["currency"] == "USD"
        if code in self.refuses:
            raise ServiceRefused("campaign", "/v1/redemptions", self.refuses[code])
        if any(code == known for known, _, _ in self.redeemed):
            raise ServiceRefused("campaign", "/v1/redemptions", problem("limit_reached"))
        assert key not in {known for _, _, known in self.redeemed}
        self.redeemed.append((code, card, key))


def problem(code: str) -> httpx.Response:
    return httpx.Response(409, headers={"content-type": "application/problem+json"}, json={"code": code})


def redeemed_at(shop: FakeShop, cards: list[str], monkeypatch: pytest.MonkeyPatch) -> CampaignFacts:
    """Let holders of codes C0, C1, … go shopping."""

    async def codes(*_: object) -> list[tuple[str, str]]:
        return [(f"id of {card}", f"C{number}") for number, card in enumerate(cards)]

    monkeypatch.setattr("regulars.demo.campaigning.coupon_codes", codes)
    history = SimpleNamespace(lines=LINES, till=SimpleNamespace(currency="USD"))
    card_of = {f"id of {card}": card for card in cards}
    campaigning = Campaigning(shop, None, history, card_of, CUT_DAY)  # type: ignore[arg-type]
    facts = campaigning.start(NOW)
    campaigning.redeem_as_tills_would(facts)
    return facts


def test_only_who_came_again_brings_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = FakeShop()
    facts = redeemed_at(shop, ["boris", "anna", "cleo", "dora"], monkeypatch)
    assert [(code, card) for code, card, _ in shop.redeemed] == [("C1", "anna")]
    assert (facts.came_again, facts.tried_again, facts.refused) == (2, 1, {"limit_reached": 1})
    assert [segment["id"] for segment in facts.segments] == list(SEGMENTS)


def test_nobody_who_came_again_redeems_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = FakeShop()
    facts = redeemed_at(shop, ["boris", "cleo"], monkeypatch)
    assert (shop.redeemed, facts.came_again, facts.tried_again, facts.refused) == ([], 0, 0, {})


def test_an_empty_audience_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = redeemed_at(FakeShop(), [], monkeypatch)
    assert (facts.example_code, facts.came_again) == ("", 0)


def test_refusals_are_counted_by_their_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = redeemed_at(FakeShop({"C0": problem("expired")}), ["dora"], monkeypatch)
    assert facts.refused == {"expired": 2}


def test_an_answer_without_a_code_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServiceRefused, match="502 bad gateway"):
        redeemed_at(FakeShop({"C0": httpx.Response(502, text="bad gateway")}), ["dora"], monkeypatch)
