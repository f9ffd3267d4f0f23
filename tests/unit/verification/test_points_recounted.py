"""The recount's own arithmetic of points, on receipts written by hand: one point for each 100 of net spend."""

import random

from regulars.verification.recount import PointRule, points
from tests.unit.verification.receipts import ALICE, BOB, archive_of, goods_back, receipt, void

RULE = PointRule("USD", 100)


def worth(*bodies: bytes, units_minor: dict[str, int] | None = None, who: str = ALICE) -> tuple[int, ...]:
    """Return somebody's (points earned, points taken back)."""
    return points(archive_of(*bodies), RULE, units_minor or {}).get((who,), (0, 0))


def test_a_sale_earns_its_whole_points_only() -> None:
    assert worth(receipt(1, sold=599)) == (5, 0)
    assert worth(receipt(1, sold=99)) == (0, 0)


def test_each_sale_is_rounded_by_itself() -> None:
    assert worth(receipt(1, sold=150), receipt(2, sold=150)) == (2, 0)


def test_a_return_that_names_its_sale_leaves_the_points_of_what_is_left() -> None:
    assert worth(receipt(1, sold=599), goods_back(2, of=1, back=150)) == (5, 1)


def test_returns_in_small_pieces_take_as_much_as_one() -> None:
    pieces = [goods_back(number, of=1, back=50) for number in range(2, 6)]
    assert worth(receipt(1, sold=599), *pieces) == worth(receipt(1, sold=599), goods_back(2, of=1, back=200))


def test_more_cannot_be_brought_back_than_was_sold() -> None:
    assert worth(receipt(1, sold=300), goods_back(2, of=1, back=900)) == (3, 3)


def test_a_return_takes_from_whoever_bought() -> None:
    bodies = (receipt(1, sold=500, who=BOB), goods_back(2, of=1, back=200, who=ALICE))
    assert worth(*bodies, who=BOB) == (5, 2)
    assert worth(*bodies, who=ALICE) == (0, 0)


def test_a_return_whose_sale_is_unknown_takes_nothing() -> None:
    assert worth(goods_back(2, of=1, back=500)) == (0, 0)


def test_a_return_that_names_no_sale_takes_its_own_whole_points() -> None:
    assert worth(receipt(1, "return", back=250)) == (0, 2)


def test_an_exchange_earns_what_was_bought_and_loses_what_came_back() -> None:
    assert worth(receipt(1, "exchange", sold=500, back=150)) == (5, 2)
    assert worth(receipt(1, "exchange", sold=100, back=350)) == (1, 3)


def test_a_voided_sale_gives_all_of_it_back() -> None:
    assert worth(receipt(1, sold=500), void(2, of=1, amount=500)) == (5, 5)


def test_goods_back_before_an_order_was_edited_are_taken_from_the_sale_that_stands() -> None:
    bodies = [
        receipt(1, sold=1000),
        goods_back(2, of=1, back=300),
        void(3, of=1, amount=1000, replaced_by_receipt_id="4"),
        receipt(4, sold=1200),
        void(5, of=4, amount=1200, replaced_by_receipt_id="6"),
        receipt(6, sold=1100),
    ]
    assert worth(*bodies) == worth(*reversed(bodies)) == (33, 22 + 3)
    circle = void(7, of=6, amount=1100, replaced_by_receipt_id="1")
    assert worth(*bodies, circle) == (33, 33)


def test_a_voided_return_takes_nothing() -> None:
    assert worth(receipt(1, sold=500), goods_back(2, of=1, back=200), void(3, of=2, amount=200)) == (5, 0)


def test_training_earns_nothing_and_takes_nothing() -> None:
    assert worth(receipt(1, sold=500, training=True)) == (0, 0)
    assert worth(receipt(1, sold=500), goods_back(2, of=1, back=200, training=True)) == (5, 0)


def test_another_currency_earns_nothing_and_takes_nothing() -> None:
    assert worth(receipt(1, sold=500, currency="EUR")) == (0, 0)
    assert worth(receipt(1, sold=500), goods_back(2, of=1, back=200, currency="EUR")) == (5, 0)


def test_a_receipt_is_worth_what_the_rule_was_when_its_points_were_given() -> None:
    assert worth(receipt(1, sold=500), receipt(2, sold=500), units_minor={"1": 50, "2": 100}) == (15, 0)


def test_a_receipt_without_points_is_held_against_the_dearest_rule_there_was() -> None:
    assert worth(receipt(1, sold=500), receipt(2, sold=2000), units_minor={"2": 1000}) == (2, 0)


def test_order_and_repetition_do_not_matter() -> None:
    bodies = [receipt(1, sold=500), goods_back(2, of=1, back=200), receipt(3, sold=90), void(4, of=3, amount=90)]
    expected = worth(*bodies)
    for seed in range(20):
        shuffled = bodies * 2
        random.Random(seed).shuffle(shuffled)
        assert worth(*shuffled) == expected
