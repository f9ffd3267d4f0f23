"""Owns receipts as they are kept: products and signed quantities, and which purchases a return takes back.

Quantities are whole millionths of a unit, so that what was bought less what came back is exactly nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.recommend.domain.purchases import Line, Receipt

MILLIONTHS = 1_000_000


@dataclass(frozen=True, slots=True)
class Fact:
    """A receipt that counts. `moved` pairs a product with what was bought (0 and above) or given back (below 0).

    `returns_id` names the receipt that a return takes back from; None where the customer had no receipt at hand.
    `replaced_by` names the receipt that was recorded in place of this one, of an order that was edited: this one
    counts for nothing any more, and only says what returns that name it mean now.
    """

    receipt_id: str
    at: datetime
    store_id: str
    moved: Sequence[tuple[str, int]]
    returns_id: str | None = None
    replaced_by: str | None = None

    @property
    def gives_back(self) -> bool:
        return bool(self.moved) and min([quantity for _, quantity in self.moved]) < 0


def net_baskets(facts: Iterable[Fact]) -> list[tuple[Fact, Mapping[str, int]]]:
    """Return what was bought and kept, receipt by receipt; one of which nothing was kept is left out.

    A return that names its receipt takes from that one, or from the one that counts in its place now. Any other takes
    from the customer's latest purchases of the product before it. A product goes when as much came back as was
    bought.
    """
    distinct = {fact.receipt_id: fact for fact in facts}
    returns = [fact for fact in distinct.values() if fact.gives_back]
    if not returns:
        return [(fact, dict(fact.moved)) for fact in distinct.values() if fact.moved and fact.replaced_by is None]
    bought = {fact.receipt_id: _bought(fact) for fact in distinct.values()}
    for fact in sorted(returns, key=lambda fact: (fact.at, fact.receipt_id)):
        _take_back(fact, distinct, bought)
    return [(distinct[receipt_id], quantities) for receipt_id, quantities in bought.items() if quantities]


def net_receipts(facts: Iterable[Fact]) -> list[Receipt]:
    """Return the same as receipts."""
    return [_receipt(fact, quantities.items()) for fact, quantities in net_baskets(facts)]


def _receipt(fact: Fact, bought: Iterable[tuple[str, int]]) -> Receipt:
    lines = tuple([Line(product_id, quantity / MILLIONTHS) for product_id, quantity in bought])
    return Receipt(fact.receipt_id, fact.at, fact.store_id, lines)


def _bought(fact: Fact) -> dict[str, int]:
    if fact.replaced_by is not None:
        return {}
    return {product_id: quantity for product_id, quantity in fact.moved if quantity >= 0}


def _take_back(fact: Fact, facts: dict[str, Fact], bought: dict[str, dict[str, int]]) -> None:
    for product_id, quantity in fact.moved:
        left = -quantity
        for receipt_id in _places(fact, product_id, facts, bought) if left > 0 else ():
            held = bought[receipt_id][product_id]
            taken = min(held, left)
            left -= taken
            if taken == held:
                del bought[receipt_id][product_id]
            else:
                bought[receipt_id][product_id] = held - taken
            if not left:
                break


def _standing(receipt_id: str, facts: Mapping[str, Fact]) -> str:
    """Return the receipt that counts in place of one whose order was edited, however often; else itself."""
    passed = set()
    while receipt_id in facts and receipt_id not in passed:
        passed.add(receipt_id)
        receipt_id = facts[receipt_id].replaced_by or receipt_id
    return receipt_id


def _places(fact: Fact, product_id: str, facts: dict[str, Fact], bought: dict[str, dict[str, int]]) -> list[str]:
    """Return the receipts that the product can be taken back from, in the order of taking."""
    if fact.returns_id is not None:
        named = _standing(fact.returns_id, facts)
        return [named] if product_id in bought.get(named, {}) else []
    earlier = [
        (facts[receipt_id].at, receipt_id)
        for receipt_id, quantities in bought.items()
        if product_id in quantities and receipt_id != fact.receipt_id and facts[receipt_id].at <= fact.at
    ]
    return [receipt_id for _, receipt_id in sorted(earlier, reverse=True)]
