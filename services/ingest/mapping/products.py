"""The product codes of a web shop's messages: GTINs in one form before they are read, known products after."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.ingest.domain import quality
from services.ingest.domain.quality import Correction
from services.ingest.mapping.behaviour import PRODUCT_IDS
from services.ingest.mapping.standard import Codes, Fields, product_of
from shared.events import EventData

_OF_THE_MESSAGE = ("product_id", "productId", "sku")
"""Names of the one product that a message is about; its `id` may be anything."""


def standard_products(properties: Fields, place: str = "/properties") -> tuple[Fields, tuple[Correction, ...]]:
    """Return a message's properties with certain GTINs as plain digits, and what that changed."""
    corrections: list[Correction] = []
    fields = _plain(properties, _OF_THE_MESSAGE, place, corrections)
    products = properties.get("products")
    if isinstance(products, list):
        plain = [
            _plain(one, PRODUCT_IDS, f"{place}/products/{number}", corrections) if isinstance(one, Mapping) else one
            for number, one in enumerate(products)
        ]
        if any(new is not old for new, old in zip(plain, products, strict=True)):
            fields = {**fields, "products": plain}
    return fields, tuple(corrections)


def _plain(fields: Fields, names: Sequence[str], place: str, corrections: list[Correction]) -> Fields:
    name = next((one for one in names if fields.get(one)), None)
    said = None if name is None else fields[name]
    if not isinstance(said, str) or name is None or (said.isascii() and said.isalnum()):
        return fields
    digits = quality.plain_gtin(said)
    if digits is None:
        return fields
    corrections.append(Correction(quality.PRODUCT_DIGITS.name, f"{place}/{name}"))
    return {**fields, name: digits}


def with_known_products(data: EventData, codes: Codes) -> tuple[EventData, tuple[Correction, ...]]:
    """Return an event with its products' own ids, where the catalogue knows a code only as a product's GTIN."""
    if not codes:
        return data, ()
    corrections: list[Correction] = []
    changes: dict[str, Any] = {}
    if isinstance(product_id := getattr(data, "product_id", None), str):
        changes["product_id"] = _known(product_id, codes, "/properties/product_id", corrections)
    if product_ids := getattr(data, "product_ids", ()):
        changes["product_ids"] = tuple(
            _known(one, codes, f"/properties/products/{place}/product_id", corrections)
            for place, one in enumerate(product_ids)
        )
    if lines := getattr(data, "lines", ()):
        changes["lines"] = tuple(
            line.model_copy(
                update={
                    "product_id": _known(
                        line.product_id, codes, f"/properties/products/{place}/product_id", corrections
                    )
                }
            )
            for place, line in enumerate(lines)
        )
    return (data.model_copy(update=changes), tuple(corrections)) if corrections else (data, ())


def _known(code: str, codes: Codes, field: str, corrections: list[Correction]) -> str:
    product_id, rule = product_of(code, codes)
    if rule is not None:
        corrections.append(Correction(rule.name, field))
    return product_id
