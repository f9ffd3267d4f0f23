"""Receipt lines gathered into receipts, as the till that sold them would have sent them.

A file may hold a basket's lines anywhere. What does not fit into memory at once is gathered in shares: the file is
read once per share, and each share holds the baskets whose number falls into it. The order of the receipts is a
function of the file, so that an interrupted import goes on where it was.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from services.ingest.domain.cells import id_of
from services.ingest.domain.faults import Fault, Refused
from services.ingest.mapping.files.items import Entry, RowReader, written_row
from services.ingest.mapping.files.rows import Row

ROWS_AT_ONCE = 100_000
SEQUENCE_NUMBER_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a basket that could be read, or not."""

    number: int
    values: dict[str, Any]
    original: bytes
    fault: Fault | None = None


def baskets(
    rows: Callable[[], Iterator[Row]], rows_total: int, reader: RowReader, until: date | None
) -> Iterator[Entry]:
    """Yield one entry per basket, share by share, in the order of their first lines.

    A basket with a line that cannot be read is refused whole: half a receipt would be a wrong receipt. `until` leaves
    out what was sold after that day.
    """
    shares = max(1, -(-rows_total // ROWS_AT_ONCE))
    for share in range(shares):
        gathered: dict[str, list[Row]] = {}
        for row in rows():
            basket_id = _basket_of(row, reader)
            if zlib.crc32(basket_id.encode("utf-8", "replace")) % shares == share:
                gathered.setdefault(basket_id or f"\0{row.line}", []).append(row)
        for basket_id in list(gathered):
            entry = _entry([_line(row, reader) for row in gathered.pop(basket_id)], reader)
            if until is None or entry.item is None or entry.item["business_date"] <= until.isoformat():
                yield entry


def till_of(basket_id: str) -> tuple[str, int]:
    """Return the terminal and sequence number of a basket, made from its id alone.

    Whatever else is loaded before or after, the same basket has the same till's key.
    """
    digest = blake2b(basket_id.encode(), digest_size=10).digest()
    return f"file-{digest[:6].hex()}", int.from_bytes(digest[6:]) % SEQUENCE_NUMBER_MAX + 1


def _basket_of(row: Row, reader: RowReader) -> str:
    """Return which basket a row belongs to, whatever else is wrong with it, so that its basket is refused with it."""
    basket = row.cells.get(reader.column_named("basket_id"))
    try:
        return "" if basket is None else id_of(basket)
    except Refused:
        return str(basket)


def _line(row: Row, reader: RowReader) -> _Line:
    original = written_row(row)
    if row.fault is not None:
        return _Line(row.line, {}, original, row.fault)
    try:
        return _Line(row.line, reader.values(row), original)
    except Refused as no:
        return _Line(row.line, {}, original, no.fault)


def _entry(lines: Sequence[_Line], reader: RowReader) -> Entry:
    numbers = tuple(line.number for line in lines)
    original = b"[" + b",".join(line.original for line in lines) + b"]"
    fault = _fault(lines, reader)
    if fault is not None:
        place, why = fault
        pointer = f"/lines/{place}"
        return Entry(
            numbers, original, fault=Fault(why.code, why.message, pointer), columns=_named(pointer, why), place=place
        )
    ordered = sorted(lines, key=lambda line: (datetime.fromisoformat(line.values["timestamp"]), line.number))
    receipt = _receipt([line.values for line in ordered], reader.rules.zone)
    return Entry(tuple(line.number for line in ordered), orjson.dumps(receipt), item=receipt)


def _named(pointer: str, why: Fault) -> dict[str, str]:
    return {} if why.field is None else {pointer: why.field}


def _fault(lines: Sequence[_Line], reader: RowReader) -> tuple[int, Fault] | None:
    """Return the first line that is wrong, by its place, and why."""
    for place, line in enumerate(lines):
        if line.fault is not None:
            return place, line.fault
    first = lines[0].values
    for name in ("customer_id", "store_id", "currency"):
        for place, line in enumerate(lines):
            if line.values.get(name) != first.get(name):
                message = f"is not the {name} of the basket's first line; give each receipt a basket_id of its own"
                return place, Fault("basket_mixed", message, reader.column_named(name))
    return None


def _receipt(lines: Sequence[dict[str, Any]], zone: ZoneInfo) -> dict[str, Any]:
    first = lines[0]
    terminal_id, sequence_number = till_of(first["basket_id"])
    occurred_at = datetime.fromisoformat(first["timestamp"]).astimezone(zone)
    return {
        "store_id": first.get("store_id") or "web",
        "terminal_id": terminal_id,
        "business_date": occurred_at.date().isoformat(),
        "sequence_number": sequence_number,
        "kind": "sale",
        "occurred_at": occurred_at.isoformat(),
        "currency": first["currency"],
        "identifiers": [{"namespace": "loyalty_card", "value": first["customer_id"]}],
        "lines": [_receipt_line(number, line) for number, line in enumerate(lines, start=1)],
    }


def _receipt_line(number: int, line: dict[str, Any]) -> dict[str, Any]:
    amount_minor, discount_minor = line.get("amount", 0), line.get("discount", 0)
    quantity = line.get("quantity", "1")
    before_minor = amount_minor + discount_minor
    pieces = Decimal(quantity)
    return {
        "line_number": number,
        "product_id": line["product_id"],
        "quantity": quantity,
        "unit_price_minor": round(before_minor / pieces) if pieces > 0 else before_minor,
        "amount_minor": amount_minor,
        "discounts": [{"kind": "discount", "amount_minor": discount_minor}] if discount_minor else [],
    }
