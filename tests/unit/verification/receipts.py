"""Receipts and voids as ingest archives them, written by hand."""

from typing import Any

import orjson

from regulars.verification.archive import Archive

ALICE = "11111111-1111-1111-1111-111111111111"
BOB = "22222222-2222-2222-2222-222222222222"


def receipt(number: int, kind: str = "sale", sold: int = 0, back: int = 0, who: str = ALICE, **changes: Any) -> bytes:
    """Return a receipt with a line of milk that was sold and a line of bread that came back, where not zero."""
    lines = [{"product_id": "milk", "amount_minor": sold, "returned": False}] if sold else []
    lines += [{"product_id": "bread", "amount_minor": back, "returned": kind == "exchange"}] if back else []
    data = {"receipt_id": str(number), "kind": kind, "currency": "USD", "lines": lines, "training": False}
    data |= {"store_id": "S1", "business_date": "2026-03-01", "returns_of": None} | changes
    return orjson.dumps({"type": "ReceiptRecorded", "subject_id": who, "data": data})


def goods_back(number: int, of: int, back: int, **changes: Any) -> bytes:
    """Return a return that names its sale."""
    return receipt(number, "return", back=back, returns_of={"receipt_id": str(of)}, **changes)


def void(number: int, of: int, amount: int, who: str = ALICE, **changes: Any) -> bytes:
    data = {"receipt_id": str(number), "voids_receipt_id": str(of), "currency": "USD", "amount_minor": amount}
    data |= {"training": False} | changes
    return orjson.dumps({"type": "ReceiptVoided", "subject_id": who, "data": data})


def archive_of(*bodies: bytes) -> Archive:
    archive = Archive()
    for body in bodies:
        archive.add(body)
    return archive
