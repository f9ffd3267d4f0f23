"""What recommend is asked in a benchmark is the same every time, and of people who really shopped."""

import orjson
import polars as pl
import pytest

from regulars.bench import replicated
from regulars.bench.lists import LIMIT, OPEN_BASKET, Contents, Shopping
from regulars.bench.pace import Run
from regulars.bench.wire import Answer, Request
from regulars.datasets import completejourney


@pytest.fixture(scope="module")
def lines() -> pl.DataFrame:
    return completejourney.load(12).lines


@pytest.fixture(scope="module")
def shopping(lines: pl.DataFrame) -> Shopping:
    return Shopping.of(lines)


def body(request: Request) -> dict[str, object]:
    found: dict[str, object] = orjson.loads(request.body)
    return found


def test_each_card_has_its_last_basket_and_its_store(lines: pl.DataFrame, shopping: Shopping) -> None:
    assert set(shopping.cards) == set(lines["customer_id"])
    for card in shopping.cards:
        own = lines.filter(pl.col("customer_id") == card)
        last = own.filter(pl.col("at") == own["at"].max())
        assert set(shopping.baskets[card]) >= set(last["product_id"])
        assert shopping.stores[card] in set(last["store_id"])


def test_the_order_of_cards_is_drawn_once(lines: pl.DataFrame, shopping: Shopping) -> None:
    assert Shopping.of(lines).cards == shopping.cards
    assert sorted(shopping.cards) != shopping.cards


def test_each_household_is_asked_for_once_before_any_is_asked_again(shopping: Shopping) -> None:
    asked = [request.body for request in shopping.for_you(12)]
    assert len(set(asked)) == 12
    assert [request.body for request in shopping.for_you(24)] == asked * 2
    assert {request.body for request in shopping.unchanged(30, 3)} == set(asked[:3])


def test_every_kind_asks_its_own_placement(shopping: Shopping) -> None:
    for kind, path in (
        ("for_you", "for-you"),
        ("basket", "basket"),
        ("similar", "similar"),
        ("trending", "trending"),
    ):
        (request,) = getattr(shopping, kind)(1)
        assert request.path == f"/v1/recommendations/{path}"
        assert body(request)["limit"] == LIMIT
        assert ("identifier" in body(request)) == (kind in {"for_you", "basket"})
    (basket,) = shopping.basket(1)
    assert body(basket)["context"] == {"items": list(shopping.baskets[shopping.cards[0]][:OPEN_BASKET])}


def test_what_lists_held_is_counted() -> None:
    def answer(items: int, level: int, *, personal: bool) -> Answer:
        found = {"items": [{}] * items, "personalized": personal, "fallback_level": level}
        return Answer(200, orjson.dumps(found))

    run = Run([answer(3, 0, personal=True), answer(0, 2, personal=False), Answer(503, b"")], [1.0] * 3, 1.0)
    assert Contents.of(run) == Contents(failed=1, empty=1, personal=1, first=1)
    assert Contents.of(run).in_words(3) == "1 of 3 personal, 1 empty, 1 failed"


def test_copied_customers_take_what_their_baskets_and_products_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicated, "NEAREST", 10)
    sizes = replicated.Sizes(households=3, customers=60, products=3000, asked=5)
    said: list[str] = []
    found = {figure.name: figure for figure in replicated.figures(said.append, sizes)}
    assert len(said) == 3
    assert "baskets" in found["memory a customer"].note
    assert found["for-you over 3,000 products, untrained, p99"].value > 0
    assert found["nearest 10 of 3,000, exact: recall"].value == 1.0
    assert found["nearest 10 of 3,000, graph: recall"].value > 0.8
