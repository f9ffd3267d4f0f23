"""Reading receipts and voids as ingest archived them.

It knows their wire form and neither the services' functions nor their tables, so that a mistake of theirs is not
repeated by what is recounted from here.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says, as far as anything is recounted; amounts positive, minor units.

    `bought` are the products of the lines that were not given back, each once.
    """

    subject_id: str
    store_id: str
    day: str
    currency: str
    kind: str
    training: bool
    sold_minor: int
    returned_minor: int
    bought: tuple[str, ...]
    returns_receipt_id: str | None


@dataclass(frozen=True, slots=True)
class Void:
    """What a void says; the receipt that it takes back, or is replaced by, may never have arrived."""

    subject_id: str
    currency: str
    amount_minor: int
    replaced_by: str | None = None


@dataclass(slots=True)
class Archive:
    """Feed it every archived receipt and void, in any order and as often as you like.

    `receipts` are by their ids, `voids` by the receipt that they take back and then by their own ids.
    """

    receipts: dict[str, Receipt] = field(default_factory=dict)
    voids: dict[str, dict[str, Void]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, body: bytes) -> None:
        event = orjson.loads(body)
        data = event["data"]
        if data.get("status", "completed") != "completed":
            return
        if event["type"] == "ReceiptRecorded":
            self.receipts[data["receipt_id"]] = _receipt(event["subject_id"], data)
        elif event["type"] == "ReceiptVoided" and not data["training"]:
            replaced_by = data.get("replaced_by_receipt_id")
            void = Void(event["subject_id"], data["currency"], data["amount_minor"], replaced_by)
            self.voids[data["voids_receipt_id"]][data["receipt_id"]] = void

    def in_its_place(self, receipt_id: str) -> str:
        """Return the receipt that stands for this one now: itself, unless its order was edited."""
        passed = {receipt_id}
        while (later := self._replacement_of(receipt_id)) is not None and later not in passed:
            passed.add(later)
            receipt_id = later
        return receipt_id

    def _replacement_of(self, receipt_id: str) -> str | None:
        voids = self.voids.get(receipt_id, {})
        return next((void.replaced_by for _, void in sorted(voids.items()) if void.replaced_by is not None), None)

    def counted(self) -> Iterator[tuple[str, Receipt]]:
        """Return what counts, by id: not rung up in training and not voided."""
        for receipt_id, receipt in self.receipts.items():
            if not receipt.training and receipt_id not in self.voids:
                yield receipt_id, receipt


def _receipt(subject_id: str, data: dict[str, Any]) -> Receipt:
    given_back = [line for line in data["lines"] if data["kind"] == "return" or line["returned"]]
    kept = [line for line in data["lines"] if data["kind"] != "return" and not line["returned"]]
    original = data.get("returns_of")
    return Receipt(
        subject_id=subject_id,
        store_id=sys.intern(data["store_id"]),
        day=sys.intern(data["business_date"]),
        currency=sys.intern(data["currency"]),
        kind=sys.intern(data["kind"]),
        training=data["training"],
        sold_minor=sum(line["amount_minor"] for line in kept),
        returned_minor=sum(line["amount_minor"] for line in given_back),
        bought=tuple({sys.intern(line["product_id"]) for line in kept}),
        returns_receipt_id=original["receipt_id"] if original else None,
    )
