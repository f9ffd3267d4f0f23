"""Real receipts of the Complete Journey as the events that ingest makes of them."""

from typing import Any
from uuid import UUID

import polars as pl

from regulars.datasets import completejourney
from shared.events import Envelope, Source
from shared.events.receipts import ReceiptRecordedV1
from tests.integration.recommend.events import receipt_id, subject


def real_lines(households: int) -> pl.DataFrame:
    """Receipt lines; customers and baskets carry the ids that they have in serving."""
    raw = completejourney.load(households).lines
    cards = {card: str(subject(card)) for card in raw["customer_id"].unique()}
    baskets = {basket: str(receipt_id(basket)) for basket in raw["basket_id"].unique()}
    return raw.with_columns(pl.col("customer_id").replace_strict(cards), pl.col("basket_id").replace_strict(baskets))


def sales_of(lines: pl.DataFrame) -> list[Envelope[Any]]:
    return [_sale(part) for part in lines.partition_by("basket_id", maintain_order=True)]


def _sale(part: pl.DataFrame) -> Envelope[Any]:
    first = part.row(0, named=True)
    data = ReceiptRecordedV1.model_validate(
        {
            "receipt_id": first["basket_id"],
            "store_id": first["store_id"],
            "terminal_id": "T1",
            "business_date": first["at"].date(),
            "sequence_number": 1,
            "currency": "USD",
            "kind": "sale",
            "lines": [
                {
                    "line_number": number,
                    "product_id": line["product_id"],
                    "quantity": str(int(line["quantity"])),
                    "unit_price_minor": line["amount_minor"],
                    "amount_minor": line["amount_minor"],
                }
                for number, line in enumerate(part.iter_rows(named=True), 1)
            ],
        }
    )
    return Envelope.of(
        data,
        event_id=UUID(first["basket_id"]),
        occurred_at=first["at"],
        received_at=first["at"],
        subject_id=UUID(first["customer_id"]),
        subject_kind="identified",
        source=Source(id="till", kind="pos"),
    )
