"""What churn and recommend have to hold, on receipts written by hand; and what the recount may not know."""

import ast
from pathlib import Path

import pytest

from regulars import verification
from regulars.verification import recount
from regulars.verification.figures import compared
from tests.unit.verification.receipts import ALICE, BOB, archive_of, receipt, void

TWICE_MILK = [
    {"product_id": "milk", "amount_minor": 1, "returned": False},
    {"product_id": "milk", "amount_minor": 2, "returned": False},
]


def test_receipts_of_every_kind_count_with_what_was_sold_and_given_back() -> None:
    archive = archive_of(receipt(1, sold=500), receipt(2, "return", back=200), receipt(3, "exchange", sold=5, back=7))
    assert recount.receipts_and_amounts(archive) == {(ALICE, "USD"): (3, 505, 207)}


def test_voided_and_training_receipts_are_no_receipts() -> None:
    archive = archive_of(receipt(1, sold=500), void(2, of=1, amount=500), receipt(3, sold=5, training=True))
    assert recount.receipts_and_amounts(archive) == {}
    assert recount.receipts(archive) == {}
    assert recount.purchases(archive) == {}


def test_a_product_on_two_lines_of_a_receipt_was_bought_once() -> None:
    archive = archive_of(receipt(1, lines=TWICE_MILK), receipt(2, sold=5, who=BOB))
    assert recount.receipts(archive) == {(ALICE,): (1, 1), (BOB,): (1, 1)}
    assert recount.purchases(archive) == {("2026-03-01", "S1", "milk"): (2,)}


def test_what_came_back_is_no_purchase() -> None:
    archive = archive_of(receipt(1, "return", back=500), receipt(2, "exchange", sold=5, back=7))
    assert recount.purchases(archive) == {("2026-03-01", "S1", "milk"): (1,)}


def test_days_and_stores_stand_apart() -> None:
    archive = archive_of(
        receipt(1, sold=5), receipt(2, sold=5, store_id="S2"), receipt(3, sold=5, business_date="2026-03-02")
    )
    assert set(recount.purchases(archive)) == {
        ("2026-03-01", "S1", "milk"),
        ("2026-03-01", "S2", "milk"),
        ("2026-03-02", "S1", "milk"),
    }


@pytest.mark.parametrize(
    ("archived", "held", "differences"),
    [
        ({("a",): (1, 2)}, {("a",): (1, 2)}, []),
        ({("a",): (1, 2)}, {("a",): (1, 3)}, ["a: archive 1, 2, shop 1, 3 (x, y)"]),
        ({("a", "USD"): (1, 2)}, {}, ["a USD: archive 1, 2, shop nothing (x, y)"]),
        ({}, {("a",): (0, 2)}, ["a: archive nothing, shop 0, 2 (x, y)"]),
        ({}, {("a",): (0, 0)}, []),
    ],
)
def test_every_difference_names_both_sides(
    archived: recount.Figures, held: recount.Figures, differences: list[str]
) -> None:
    assert compared(archived, held, "shop", "x, y") == differences


@pytest.mark.parametrize("module", ["archive", "recount", "figures", "report", "delivery"])
def test_the_recount_imports_nothing_of_the_services(module: str) -> None:
    source = (Path(verification.__path__[0]) / f"{module}.py").read_text(encoding="utf-8")
    imported = [node.module or "" for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    imported += [
        name.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import) for name in node.names
    ]
    assert imported
    assert not [name for name in imported if name.partition(".")[0] == "services"]
