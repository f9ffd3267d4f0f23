"""Made-up receipts are what ingest takes, and never the same twice."""

from datetime import UTC, datetime

import orjson

from regulars.bench.receipts import LINES, Tills, batches, cards, singles
from services.ingest.schemas.receipts import ReceiptIn

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = ("store_id", "terminal_id", "business_date", "sequence_number")


def test_a_receipt_is_valid_and_adds_up() -> None:
    receipt = ReceiptIn.model_validate(Tills(NOW).receipt("6000000001"))
    assert len(receipt.lines) == LINES
    assert receipt.tenders[0].amount_minor == sum(line.amount_minor for line in receipt.lines)
    assert receipt.occurred_at < NOW


def test_no_two_receipts_share_the_tills_key() -> None:
    tills = Tills(NOW)
    written = [*tills.receipts(cards(7), 300), *tills.receipts(cards(7), 200)]
    assert len({tuple(receipt[name] for name in KEY) for receipt in written}) == 500


def test_cards_take_turns() -> None:
    written = Tills(NOW).receipts(cards(3), 7)
    values = [receipt["identifiers"][0]["value"] for receipt in written]
    assert values == [*cards(3), *cards(3), cards(3)[0]]


def test_batches_hold_every_receipt_once() -> None:
    requests = batches(Tills(NOW).receipts(cards(3), 25), 10)
    assert [len(orjson.loads(request.body)["receipts"]) for request in requests] == [10, 10, 5]


def test_a_single_receipt_is_the_whole_body() -> None:
    (request,) = singles(Tills(NOW).receipts(cards(1), 1))
    assert orjson.loads(request.body)["sequence_number"] == 1
