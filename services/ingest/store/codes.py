"""The codes under which the catalogue knows products: their own ids, and their GTINs."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from shared.customers.assignments import Reads
from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class ProductCode:
    """One code of a product: `id:PRODUCT_ID` or `gtin:14 DIGITS`."""

    code: str
    product_id: str
    as_of_at: datetime


async def put_codes(tx: Transaction, codes: Iterable[ProductCode]) -> None:
    """Store the codes; of two products that claim one, the later news holds."""
    newest: dict[str, ProductCode] = {}
    for one in sorted(codes, key=lambda each: (each.as_of_at, each.product_id)):
        newest[one.code] = one
    ordered = [newest[code] for code in sorted(newest)]
    await tx.execute(
        "INSERT INTO product_codes (code, product_id, as_of_at)"
        " SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[])"
        " ON CONFLICT (code) DO UPDATE SET product_id = excluded.product_id, as_of_at = excluded.as_of_at"
        " WHERE (product_codes.as_of_at, product_codes.product_id) < (excluded.as_of_at, excluded.product_id)",
        [one.code for one in ordered],
        [one.product_id for one in ordered],
        [one.as_of_at for one in ordered],
    )


async def products_of(reads: Reads, codes: Collection[str]) -> dict[str, str]:
    """Return the product of each code that is known."""
    rows = await reads.fetch("SELECT code, product_id FROM product_codes WHERE code = ANY($1::text[])", list(codes))
    return {row["code"]: row["product_id"] for row in rows}


async def knows_gtins(reads: Reads) -> bool:
    """Whether any product has a GTIN: without one there is nothing to ask for."""
    rows = await reads.fetch("SELECT 1 FROM product_codes WHERE code >= 'gtin:' AND code < 'gtin;' LIMIT 1")
    return bool(rows)
