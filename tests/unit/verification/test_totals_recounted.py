"""The recount's own arithmetic of totals, on receipts written by hand."""

import random

from regulars.verification.recount import totals
from tests.unit.verification.receipts import ALICE, archive_of, receipt, void


def counted(*bodies: bytes) -> tuple[int, ...]:
    """Return Alice's (receipts, returns, gross, net)."""
    return totals(archive_of(*bodies)).get((ALICE, "USD"), (0, 0, 0, 0))


def test_sales_add_up() -> None:
    assert counted(receipt(1, sold=500), receipt(2, sold=250)) == (2, 0, 750, 750)


def test_a_return_lowers_net_and_not_gross() -> None:
    assert counted(receipt(1, sold=500), receipt(2, "return", back=200)) == (1, 1, 500, 300)


def test_an_exchange_is_a_sale_and_a_return() -> None:
    assert counted(receipt(1, "exchange", sold=300, back=100)) == (1, 1, 300, 200)


def test_a_training_receipt_counts_nowhere() -> None:
    assert counted(receipt(1, sold=500, training=True)) == (0, 0, 0, 0)


def test_a_voided_sale_is_gone_in_either_order() -> None:
    assert counted(receipt(1, sold=500), void(2, of=1, amount=500)) == (0, 0, 0, 0)
    assert counted(void(2, of=1, amount=500), receipt(1, sold=500)) == (0, 0, 0, 0)


def test_a_void_of_an_unknown_sale_lowers_net() -> None:
    assert counted(void(2, of=1, amount=500)) == (0, 0, 0, -500)


def test_each_void_of_an_unknown_sale_lowers_net_and_all_end_with_it() -> None:
    voids = (void(2, of=1, amount=500), void(3, of=1, amount=500))
    assert counted(*voids) == (0, 0, 0, -1000)
    assert counted(*voids, receipt(1, sold=500)) == (0, 0, 0, 0)


def test_a_training_void_takes_nothing_back() -> None:
    assert counted(receipt(1, sold=500), void(2, of=1, amount=500, training=True)) == (1, 0, 500, 500)


def test_order_and_repetition_do_not_matter() -> None:
    bodies = [receipt(1, sold=500), receipt(2, "return", back=200), receipt(3, sold=90), void(4, of=3, amount=90)]
    expected = counted(*bodies)
    for seed in range(20):
        shuffled = bodies * 2
        random.Random(seed).shuffle(shuffled)
        assert counted(*shuffled) == expected


def test_currencies_stand_apart() -> None:
    found = totals(archive_of(receipt(1, sold=500), receipt(2, sold=700, currency="EUR")))
    assert {currency: gross for (_, currency), (_, _, gross, _) in found.items()} == {"USD": 500, "EUR": 700}
