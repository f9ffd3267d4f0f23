"""POSLog, the ARTS standard's XML of tills (2.x and 6), as receipts: one transaction after the other.

Document types and entities are refused: a receipt needs none, and they are how XML is made to read other files or to
grow without end. Names count, name spaces do not: versions differ in them. What is no retail transaction (signing on,
cash management) is left out. Card numbers are not read. Taxes that stand beside prices are left out: the amounts of
lines are what the shop sells for, tenders what was paid.
"""

from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element, ParseError, tostring

import orjson
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from services.ingest.domain import cells
from services.ingest.domain.cells import CellRules
from services.ingest.domain.faults import Fault, Refused
from services.ingest.mapping.files.items import Entry
from services.ingest.mapping.files.rows import UnreadableFile

ELEMENTS_MAX = 100_000
"""In one transaction: 2,000 lines have far fewer."""
XML_CHARS_MAX = 300_000
"""Of a transaction that is kept since it could not be read."""
_OF_TENDERS = frozenset({"Amount", "TenderChange"})
_TENDERS: Mapping[str, str] = {
    "cash": "cash",
    "creditdebit": "card",
    "credit": "card",
    "debit": "card",
    "check": "check",
    "cheque": "check",
    "giftcard": "gift_card",
    "giftcertificate": "gift_card",
    "storedvalue": "gift_card",
    "voucher": "voucher",
    "coupon": "coupon",
    "customeraccount": "account",
}
_PIECES = frozenset({"", "ea", "each", "pcs", "pc", "un", "unit"})
_UNFINISHED: Mapping[str, str] = {"suspended": "suspended", "cancelled": "cancelled", "canceled": "cancelled"}
_LOYALTY = ("LoyaltyCardNumber", "LoyaltyAccountID", "LoyaltyID", "AccountNumber", "CustomerID")


def transactions(file: BinaryIO) -> Iterator[tuple[int, Element]]:
    """Yield the retail transactions of a POSLog with their places in it, from 1. Raises UnreadableFile."""
    root: Element | None = None
    number = elements = 0
    try:
        for event, element in iterparse(file, events=("start", "end"), forbid_dtd=True):
            if event == "start":
                root = element if root is None else root
                elements += 1
                if elements > ELEMENTS_MAX:
                    raise UnreadableFile(f"holds a transaction of more than {ELEMENTS_MAX:,} elements", "too_large")
            elif _name(element) == "Transaction":
                number += 1
                if _find(element, "RetailTransaction") is not None:
                    yield number, element
                elements = 0
                element.clear()
                assert root is not None
                root.clear()
    except DefusedXmlException as error:
        raise UnreadableFile(
            "holds a document type or an entity, which is not read; export it without a DOCTYPE", "unsafe_xml"
        ) from error
    except ParseError as error:
        raise UnreadableFile(f"is no XML: {error}", "malformed_xml") from error
    if not number:
        raise UnreadableFile("holds no Transaction; is it a POSLog?", "empty_file")


def count_transactions(file: BinaryIO) -> int:
    return sum(1 for _ in transactions(file))


def entries(file: BinaryIO, rules: CellRules) -> Iterator[Entry]:
    """Yield one entry per retail transaction. Raises UnreadableFile."""
    for number, element in transactions(file):
        try:
            receipt = _Transaction(element, rules).receipt()
        except Refused as no:
            kept = orjson.dumps(_kept(number, element))
            yield Entry((number,), kept, fault=Fault(no.fault.code, no.fault.message, no.fault.field))
        else:
            # Given up before anything was rung up: there is nothing to keep.
            if "status" not in receipt or receipt.get("lines"):
                yield Entry((number,), orjson.dumps(receipt), item=receipt)


class _Transaction:
    """One retail transaction. Its methods raise Refused naming the element."""

    def __init__(self, element: Element, rules: CellRules) -> None:
        retail = _find(element, "RetailTransaction")
        assert retail is not None
        self._all = element
        self._retail = retail
        self._rules = rules
        code = _text(element, "CurrencyCode") or _text(retail, "CurrencyCode")
        self._currency = cells.currency_of(code) if code else rules.currency

    def receipt(self) -> dict[str, Any]:
        """Return it in the shape of `POST /v1/receipts`."""
        moment = _need(self._all, "EndDateTime", "BeginDateTime", "POSLogDateTime")
        receipt = {
            **_key(self._all),
            "occurred_at": cells.moment_of(moment, self._rules).isoformat(),
            "currency": self._currency,
            "identifiers": self._identifiers(),
            "training": self._flag("TrainingModeFlag"),
            "staff_id": _text(self._all, "OperatorID"),
            **self._unfinished(),
        }
        voided = self._voided()
        if voided is not None:
            return {**receipt, "kind": "void", "returns_of": voided}
        lines = self._lines()
        kind = _kind(lines)
        if kind != "exchange":
            lines = [{**line, "returned": False} for line in lines]
        return {
            **receipt,
            "kind": kind,
            "lines": lines,
            "discounts": self._discounts(),
            "tenders": self._tenders(),
            "returns_of": self._returns_of(),
        }

    def _flag(self, name: str) -> bool:
        said = self._all.get(name) or self._retail.get(name) or "false"
        return said.casefold() in {"true", "1"}

    def _status(self) -> str:
        return (self._retail.get("TransactionStatus") or self._all.get("TransactionStatus") or "").casefold()

    def _unfinished(self) -> dict[str, Any]:
        """Return what keeps an unfinished transaction out of every figure."""
        status = "cancelled" if self._flag("CancelFlag") else _UNFINISHED.get(self._status())
        return {} if status is None else {"status": status}

    def _voided(self) -> dict[str, Any] | None:
        """Return the key of the transaction that this one takes back, if it does."""
        for link in self._retail.iter():
            if _name(link) == "TransactionLink" and "void" in (link.get("ReasonCode") or "").casefold():
                return _key(link)
        if self._status() in {"postvoided", "voided"} and not self._flag("CancelFlag"):
            raise Refused(
                "missing_field",
                "was voided after it was finished; send the transaction that voids it, with its TransactionLink",
                "/RetailTransaction/TransactionLink",
            )
        return None

    def _identifiers(self) -> list[dict[str, str]]:
        found: dict[str, str] = {}
        account = next((one for one in self._retail.iter() if _name(one) == "LoyaltyAccount"), None)
        if account is not None and (card := _first_deep(account, _LOYALTY)):
            found["loyalty_card"] = card
        customer = _find(self._retail, "Customer")
        if customer is not None:
            found["external:pos"] = _text(customer, "CustomerID") or ""
            found["email"] = _first_deep(customer, ("EMailAddress",)) or ""
        return [{"namespace": namespace, "value": cells.id_of(value)} for namespace, value in found.items() if value]

    def _items(self) -> Iterator[tuple[int, Element, Element]]:
        """Yield the lines that stand: their number, and what kind of line each is."""
        for place, item in enumerate(_each(self._retail, "LineItem"), start=1):
            if (item.get("VoidFlag") or item.get("CancelFlag") or "false").casefold() in {"true", "1"}:
                continue
            number = _text(item, "SequenceNumber")
            for part in item:
                if _name(part) in {"Sale", "Return", "Discount", "Tender"}:
                    yield cells.whole_of(number, self._rules) if number else place, item, part

    def _lines(self) -> list[dict[str, Any]]:
        return [self._line(number, part) for number, _, part in self._items() if _name(part) in {"Sale", "Return"}]

    def _line(self, number: int, part: Element) -> dict[str, Any]:
        where = f"/LineItem/{number}"
        quantity = self._number(part, "Quantity", where)
        pieces = Decimal(1) if quantity is None else quantity
        unit = self._minor(part, ("RegularSalesUnitPrice", "ActualSalesUnitPrice"), where)
        amount = self._minor(part, ("ExtendedAmount",), where)
        if amount is None:
            actual = self._minor(part, ("ActualSalesUnitPrice", "RegularSalesUnitPrice"), where)
            if actual is None:
                raise Refused(
                    "missing_field", "a line has an ExtendedAmount or a unit price", f"{where}/ExtendedAmount"
                )
            amount = int((actual * pieces).to_integral_value(ROUND_HALF_UP))
        line = {
            "line_number": number,
            "product_id": cells.id_of(_product(part, where)),
            "quantity": cells.plain_decimal(abs(pieces), self._rules),
            "unit_price_minor": abs(unit if unit is not None else int(amount / pieces) if pieces else amount),
            "amount_minor": abs(amount),
            "returned": _name(part) == "Return" or amount < 0 or pieces < 0,
            "discounts": self._modifiers(part, where),
        }
        measure = _unit(part)
        return line if measure is None else {**line, "unit": measure}

    def _modifiers(self, part: Element, where: str) -> list[dict[str, Any]]:
        """Return what took a line's price down; what put it up is in the amount."""
        found = []
        for modifier in _each(part, "RetailPriceModifier"):
            if (modifier.get("VoidFlag") or "false").casefold() in {"true", "1"}:
                continue
            amount = _find(modifier, "Amount")
            if amount is None or (amount.get("Action") or "Subtract").casefold() != "subtract":
                continue
            found.append(self._discount(modifier, f"{where}/RetailPriceModifier"))
        return [one for one in found if one["amount_minor"]]

    def _discount(self, element: Element, where: str) -> dict[str, Any]:
        coupon = _first_deep(element, ("CouponID", "CouponCode"))
        code = coupon or _first_deep(element, ("PromotionID", "PriceDerivationRuleID", "ReasonCode"))
        method = (element.get("MethodCode") or element.get("TypeCode") or "discount").casefold()
        amount = self._minor(element, ("Amount",), where)
        return {
            "kind": "coupon" if coupon else "".join(sign for sign in method if sign.isalnum())[:64] or "discount",
            "code": code,
            "amount_minor": abs(amount or 0),
        }

    def _discounts(self) -> list[dict[str, Any]]:
        """Return the discounts on the whole receipt."""
        found = [
            self._discount(part, f"/LineItem/{number}")
            for number, _, part in self._items()
            if _name(part) == "Discount"
        ]
        return [one for one in found if one["amount_minor"]]

    def _tenders(self) -> list[dict[str, Any]]:
        found = []
        for number, _, part in self._items():
            if _name(part) != "Tender":
                continue
            paid = self._minor(part, ("Amount",), f"/LineItem/{number}/Amount") or 0
            change = _find(part, "TenderChange")
            back = 0 if change is None else self._minor(change, ("Amount",), f"/LineItem/{number}/TenderChange") or 0
            kind = (part.get("TenderType") or "other").casefold()
            known = _TENDERS.get(kind, "".join(sign for sign in kind if sign.isalnum())[:64] or "other")
            found.append({"kind": known, "amount_minor": abs(abs(paid) - abs(back))})
        return found

    def _returns_of(self) -> dict[str, Any] | None:
        """Return the original that the first linked line names, with all lines that name it too."""
        original: dict[str, Any] | None = None
        lines: list[dict[str, Any]] = []
        for number, _, part in self._items():
            link = _find(part, "TransactionLink") if _name(part) == "Return" else None
            if link is None:
                continue
            key = _key(link)
            original = original or key
            line = _text(link, "LineItemSequenceNumber")
            if key == original and line:
                quantity = self._number(part, "Quantity", f"/LineItem/{number}") or Decimal(1)
                text = cells.plain_decimal(abs(quantity), self._rules)
                lines.append({"line_number": cells.whole_of(line, self._rules), "quantity": text})
        return None if original is None else {**original, "lines": lines}

    def _number(self, element: Element, name: str, where: str) -> Decimal | None:
        text = _text(element, name)
        if not text:
            return None
        try:
            return cells.decimal_of(text, self._rules)
        except Refused as no:
            raise Refused(no.fault.code, no.fault.message, f"{where}/{name}") from no

    def _minor(self, element: Element, names: tuple[str, ...], where: str) -> int | None:
        for name in names:
            number = self._number(element, name, where)
            if number is not None:
                minor = cells.minor_of(abs(number), self._rules, self._currency)
                return -minor if number < 0 else minor
        return None


def _kind(lines: list[dict[str, Any]]) -> str:
    returned = {line["returned"] for line in lines}
    if returned == {True}:
        return "return"
    return "exchange" if True in returned else "sale"


def _key(element: Element) -> dict[str, Any]:
    """Return the till's key of a transaction, or of the one that a link names. Raises Refused."""
    unit = _find(element, "BusinessUnit")
    store = _text(element, "RetailStoreID") or (None if unit is None else _text(unit, "UnitID"))
    if not store:
        raise Refused("missing_field", "names no store: RetailStoreID, or BusinessUnit/UnitID", "/RetailStoreID")
    number = _need(element, "SequenceNumber", "TransactionSequenceNumber")
    if not number.isdecimal():
        raise Refused("invalid_field", "is no whole number", "/SequenceNumber")
    return {
        "store_id": store,
        "terminal_id": _need(element, "WorkstationID"),
        "business_date": _need(element, "BusinessDayDate")[:10],
        "sequence_number": int(number[:18]),
    }


def _kept(number: int, element: Element) -> dict[str, Any]:
    """Return a transaction that could not be read as it is kept: its XML, without what names a payment card."""
    for tender in (one for one in element.iter() if _name(one) == "Tender"):
        for part in list(tender):
            if _name(part) not in _OF_TENDERS:
                tender.remove(part)
    text = tostring(element, encoding="unicode")
    if len(text) > XML_CHARS_MAX:
        return {"transaction": number, "key": _key_or_nothing(element)}
    return {"poslog": text}


def _key_or_nothing(element: Element) -> dict[str, Any]:
    try:
        return _key(element)
    except Refused:
        return {}


def _product(part: Element, where: str) -> str:
    found = _text(part, "ItemID") or _first_deep(part, ("POSItemID", "AlternativeItemID"))
    if not found:
        raise Refused("missing_field", "a line names its product: ItemID or POSItemID", f"{where}/ItemID")
    return found


def _unit(part: Element) -> str | None:
    quantity = _find(part, "Quantity")
    code = "" if quantity is None else (quantity.get("UnitOfMeasureCode") or "").casefold()
    return None if code in _PIECES else code[:64]


def _need(element: Element, *names: str) -> str:
    for name in names:
        if found := _text(element, name):
            return found
    raise Refused("missing_field", f"lacks {names[0]}", f"/{names[0]}")


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _each(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _name(child) == name)


def _find(element: Element, name: str) -> Element | None:
    return next(_each(element, name), None)


def _text(element: Element, name: str) -> str | None:
    found = _find(element, name)
    return None if found is None or not (found.text or "").strip() else (found.text or "").strip()


def _first_deep(element: Element, names: tuple[str, ...]) -> str | None:
    """Return the text of the first of these elements, however deep it stands."""
    for name in names:
        for found in element.iter():
            if _name(found) == name and (found.text or "").strip():
                return (found.text or "").strip()
    return None
