"""The forms of a receipt's fields made one before it is read, and its product codes after: see `domain.quality`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from services.ingest.domain import quality
from services.ingest.domain.faults import Refused
from services.ingest.domain.quality import Correction, Rule
from shared.events.receipts import ReceiptLine

Fields = Mapping[str, Any]
Codes = Mapping[str, str | None]
"""What the catalogue says of codes: `id:PRODUCT_ID` and `gtin:14 DIGITS`, each to a product_id; None: unknown."""
_CODE_NAMES = ("product_id", "gtin", "productId", "sku", "id")
_LINES_IN = ((None, "lines"), ("properties", "products"), ("document", "line_items"))
"""Where an item holds its lines: a receipt, a client's message, a shop's webhook."""


def standard_receipt(fields: Fields) -> tuple[Fields, list[Correction]]:
    """Return a receipt's fields in their one form, and what that changed. Raises Refused for a wrong GTIN."""
    made = _Standard(fields)
    made.field("currency", quality.CURRENCY, quality.currency_code)
    made.field("business_date", quality.DATE, quality.iso_date)
    made.field("occurred_at", quality.TIME, quality.iso_time)
    made.lines()
    return quality.replaced(fields, made.changes), made.corrections


class _Standard:
    """One item on its way into its one form."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.changes: dict[str, Any] = {}
        self.corrections: list[Correction] = []

    def field(self, name: str, rule: Rule, form: Any) -> None:  # noqa: ANN401 (a function of text)
        said = self.fields.get(name)
        if not isinstance(said, str):
            return
        standard = form(said)
        if standard != said:
            self.changes[name] = standard
            self.corrections.append(Correction(rule.name, f"/{name}"))

    def lines(self) -> None:
        lines = self.fields.get("lines")
        if not isinstance(lines, list) or all(_is_standard(line) for line in lines):
            return
        is_numbered = any(not isinstance(line, Mapping) or "line_number" in line for line in lines)
        standard = [self._line(place, line, is_numbered=is_numbered) for place, line in enumerate(lines)]
        if any(new is not old for new, old in zip(standard, lines, strict=True)):
            self.changes["lines"] = standard

    def _line(self, place: int, line: Any, *, is_numbered: bool) -> Any:  # noqa: ANN401 (whatever was sent)
        if not isinstance(line, Mapping):
            return line
        changes: dict[str, Any] = {}
        if not is_numbered:
            changes["line_number"] = place + 1
            self.corrections.append(Correction(quality.LINE_NUMBER.name, f"/lines/{place}/line_number"))
        product_id = line.get("product_id")
        if product_id is None and "gtin" in line:
            changes["product_id"] = gtin_of(line["gtin"], f"/lines/{place}/gtin")
            self.corrections.append(Correction(quality.GTIN.name, f"/lines/{place}/product_id"))
        elif isinstance(product_id, str):
            digits = quality.plain_gtin(product_id)
            if digits is not None and digits != product_id:
                changes["product_id"] = digits
                self.corrections.append(Correction(quality.PRODUCT_DIGITS.name, f"/lines/{place}/product_id"))
        return quality.replaced(line, changes)


def _is_standard(line: object) -> bool:
    """Whether a line needs no second look, as nearly all do."""
    if not isinstance(line, dict) or "line_number" not in line:
        return False
    product_id = line.get("product_id")
    return isinstance(product_id, str) and product_id.isalnum() and product_id.isascii()


def gtin_of(said: object, field: str) -> str:
    """Return a GTIN's digits. Raises Refused where it is none."""
    digits = quality.plain_gtin(str(said)) if isinstance(said, str | int) and not isinstance(said, bool) else None
    if digits is None:
        raise Refused(
            "invalid_gtin", "is no GTIN of 8, 12, 13 or 14 digits whose check digit fits; scan it again", field
        )
    return digits


def codes_asked(items: Iterable[object]) -> set[str]:
    """Return what the catalogue should be asked about the products of unread receipts, messages and orders."""
    asked: set[str] = set()
    for said in _codes_said(items):
        if len(said) >= quality.LONG_CODE_CHARS:
            code = quality.plain_gtin(said) or said
            meant = quality.gtins_meant(code)
            asked.update(f"gtin:{gtin}" for gtin, _ in meant)
            if meant:
                asked.add(f"id:{code}")
    return asked


def _codes_said(items: Iterable[object]) -> Iterator[str]:
    for line in _lines_said(items):
        for name in _CODE_NAMES:
            said = line.get(name)
            if isinstance(said, str | int) and not isinstance(said, bool):
                yield str(said)


def _lines_said(items: Iterable[object]) -> Iterator[Fields]:
    """Yield whatever may name a product: lines, products, or the message itself."""
    for item in items:
        if not isinstance(item, Mapping):
            continue
        for outer, inner in _LINES_IN:
            holder = item if outer is None else item.get(outer)
            if not isinstance(holder, Mapping):
                continue
            lines = holder.get(inner)
            yield from (line for line in (lines if isinstance(lines, list) else ()) if isinstance(line, Mapping))
            if outer == "properties":
                yield holder


def known_products(lines: Sequence[ReceiptLine], codes: Codes) -> tuple[tuple[ReceiptLine, ...], list[Correction]]:
    """Return the lines with their products' own ids, where the catalogue knows a code only as a product's GTIN."""
    if not codes:
        return tuple(lines), []
    corrections: list[Correction] = []
    known: list[ReceiptLine] = []
    for place, line in enumerate(lines):
        product_id, rule = product_of(line.product_id, codes)
        if rule is None:
            known.append(line)
            continue
        known.append(line.model_copy(update={"product_id": product_id}))
        corrections.append(Correction(rule.name, f"/lines/{place}/product_id"))
    return tuple(known), corrections


def product_of(code: str, codes: Codes) -> tuple[str, Rule | None]:
    """Return the product that a code means, and the rule that says so; the code itself where nothing is certain."""
    if codes.get(f"id:{code}") is not None:
        return code, None
    found = {
        product_id: rule
        for gtin, rule in reversed(quality.gtins_meant(code))
        if (product_id := codes.get(f"gtin:{gtin}")) is not None
    }
    if len(found) != 1:
        # Two readings that both name a product: neither is certain.
        return code, None
    return next(iter(found.items()))
