"""Receipts as a till would have written them, from the lines of a data set."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from regulars.loading.completejourney import History
from regulars.loading.receipts import Till, numbered_baskets, receipts

TILL = Till("USD", "America/New_York")


def line(basket: str, at: datetime, product: str = "P1", **changes: Any) -> dict[str, Any]:
    return {
        "customer_id": "7",
        "basket_id": basket,
        "product_id": product,
        "store_id": "S1",
        "at": at,
        "day": (at.date() - date(2017, 1, 1)).days,
        "line_number": 1,
        "quantity": 1.0,
        "amount_minor": 250,
        "retail_discount_minor": 0,
        "coupon_discount_minor": 0,
        "coupon_match_minor": 0,
    } | changes


def written(rows: list[dict[str, Any]], till: Till = TILL) -> list[dict[str, Any]]:
    frame = pl.DataFrame(rows)
    return list(receipts(frame, numbered_baskets(frame), till))


NOON = datetime(2017, 3, 4, 17, tzinfo=UTC)


def test_a_basket_is_one_receipt_with_a_line_a_product() -> None:
    (receipt,) = written([line("b1", NOON), line("b1", NOON, "P2", line_number=2, amount_minor=100)])
    assert [each["product_id"] for each in receipt["lines"]] == ["P1", "P2"]
    assert receipt["tenders"] == [{"kind": "card", "amount_minor": 350}]
    assert receipt["identifiers"] == [{"namespace": "loyalty_card", "value": "7"}]
    assert receipt["occurred_at"] == "2017-03-04T12:00:00-05:00"
    assert receipt["business_date"] == "2017-03-04"


def test_receipts_come_in_time_order_and_are_numbered_within_a_stores_day() -> None:
    rows = [line("b2", NOON + timedelta(hours=1)), line("b1", NOON), line("b3", NOON + timedelta(days=1))]
    found = written(rows)
    assert [receipt["sequence_number"] for receipt in found] == [1, 2, 1]
    assert found == sorted(found, key=lambda receipt: receipt["occurred_at"])


def test_a_basket_keeps_its_number_when_fewer_customers_are_loaded() -> None:
    everybody = pl.DataFrame([line("b1", NOON, customer_id="1"), line("b2", NOON + timedelta(minutes=1))])
    numbers = numbered_baskets(everybody)
    (receipt,) = receipts(everybody.filter(pl.col("customer_id") == "7"), numbers, TILL)
    assert receipt["sequence_number"] == 2


def test_discounts_are_what_lies_between_price_and_amount() -> None:
    (receipt,) = written([line("b1", NOON, quantity=2.0, retail_discount_minor=50, coupon_discount_minor=100)])
    (sold,) = receipt["lines"]
    assert sold["unit_price_minor"] * 2 - sold["amount_minor"] == 150
    assert {each["kind"]: each["amount_minor"] for each in sold["discounts"]} == {"loyalty": 50, "coupon": 100}


def test_quantities_are_decimal_text_without_idle_zeros() -> None:
    amounts = [written([line("b1", NOON, quantity=q)])[0]["lines"][0]["quantity"] for q in (1.0, 0.0, 10.0, 1.25)]
    assert amounts == ["1", "0", "10", "1.25"]


def test_a_shift_by_weeks_keeps_weekday_and_hour_across_a_change_to_summer_time() -> None:
    shifted = Till("USD", "America/New_York", shift=timedelta(weeks=3))
    at = datetime(2017, 3, 5, 4, 30, tzinfo=UTC)  # Saturday 23:30 in New York, winter time
    (receipt,) = written([line("b1", at)], shifted)
    assert receipt["occurred_at"] == "2017-03-25T23:30:00-04:00"
    assert receipt["business_date"] == "2017-03-25"


def test_the_history_ends_on_the_last_date_and_keeps_its_weekdays() -> None:
    history = History(households=5, last_date=date(2026, 11, 21))
    assert history.date_of(0).weekday() == date(2017, 1, 1).weekday()
    last = history.date_of(history.day_of(date(2026, 11, 21)))
    assert last == date(2026, 11, 21)
    assert history.lines["day"].max() <= history.day_of(last)  # type: ignore[operator]


def test_what_nobody_recommends_is_marked_and_fuel_is_counted_in_gallons() -> None:
    history = History(households=40, last_date=date(2026, 11, 21))
    products = {each["product_id"]: each for each in history.products}
    fuel = {key for key, each in products.items() if "GASOLINE" in each["categories"]}
    assert fuel
    assert not any(products[key]["is_sold"] for key in fuel)
    assert sum(each["is_sold"] for each in products.values()) > 0.9 * len(products)
    gallons = history.lines.filter(pl.col("product_id").is_in(list(fuel)))["quantity"].median()
    assert isinstance(gallons, float)
    assert 2 < gallons < 40


def test_tills_keys_of_a_history_are_unique() -> None:
    history = History(households=40, last_date=date(2026, 11, 21))
    keys = [(r["store_id"], r["business_date"], r["sequence_number"]) for r in history.receipts(0, 400)]
    assert len(keys) == len(set(keys)) == history.receipt_count(0, 400)
