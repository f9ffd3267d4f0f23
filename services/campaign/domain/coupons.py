"""Coupons: their codes, what they take off a basket, and why one does not apply."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.campaign.domain.campaigns import Offer

# Crockford's base 32: no I, L, O and U, which are misread or make words.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans({"I": "1", "L": "1", "O": "0", "U": "V"})
CODE_BYTES = 8
_CODE_CHARS = 12
_GROUP_CHARS = 4


class Reason(StrEnum):
    """Why a coupon is refused: the stable codes that tills are programmed against."""

    NOT_FOUND = "not_found"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    WRONG_CUSTOMER = "wrong_customer"
    WRONG_CURRENCY = "wrong_currency"
    MIN_BASKET_NOT_MET = "min_basket_not_met"
    NOT_APPLICABLE = "not_applicable"
    LIMIT_REACHED = "limit_reached"


def code_from(random_bytes: bytes) -> str:
    """Return a code of 60 random bits as a person can type it: `7K3M-Q9TD-0WXA`."""
    number = int.from_bytes(random_bytes, "big")
    characters = "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in range(_CODE_CHARS))
    return "-".join(characters[start : start + _GROUP_CHARS] for start in range(0, _CODE_CHARS, _GROUP_CHARS))


def code_as_typed(text: str) -> str:
    """Return the code that was meant: case, spaces, dashes and misread letters make no difference."""
    characters = "".join(part for part in text.upper().translate(_MISREAD) if part.isalnum())
    return "-".join(characters[start : start + _GROUP_CHARS] for start in range(0, len(characters), _GROUP_CHARS))


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A line of the basket; `amount_minor` is what it costs before coupons."""

    product_id: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Order:
    """The basket at the till."""

    store_id: str
    currency: str
    lines: tuple[OrderLine, ...]

    @property
    def total_minor(self) -> int:
        return sum(line.amount_minor for line in self.lines)


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon as it stands; the counts are those of the moment it was read, the caps decide at the end."""

    coupon_id: UUID
    campaign_id: UUID
    customer_id: UUID
    code: str
    offer: Offer
    currency: str
    uses: int = 0
    is_withdrawn: bool = False
    is_exhausted: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one coupon does to a basket: a discount, or a reason why not, with a sentence."""

    discount_minor: int = 0
    reason: Reason | None = None
    message: str = ""


def judge(  # noqa: PLR0913 - what the decision depends on
    coupon: Coupon,
    order: Order,
    *,
    customer_id: UUID | None,
    product_ids: Collection[str] | None,
    payable_minor: int,
    now: datetime,
) -> Verdict:
    """Decide what a coupon takes off.

    `customer_id`: whom the till named, if it named somebody. `product_ids`: the products that the offer is for;
    None: all. `payable_minor`: what is left of the basket after the coupons before this one.
    """
    refused = _refusal(coupon, order, customer_id, now)
    if refused is not None:
        return refused
    eligible_minor = sum(
        line.amount_minor for line in order.lines if product_ids is None or line.product_id in product_ids
    )
    if eligible_minor == 0:
        return Verdict(reason=Reason.NOT_APPLICABLE, message="nothing in the basket is part of this offer")
    return Verdict(min(discount_minor(coupon.offer, eligible_minor), payable_minor))


def _refusal(coupon: Coupon, order: Order, customer_id: UUID | None, now: datetime) -> Verdict | None:
    offer = coupon.offer
    refusals: Sequence[tuple[bool, Reason, str]] = (
        (coupon.is_withdrawn, Reason.WITHDRAWN, "this coupon was withdrawn"),
        (now < offer.valid_from, Reason.NOT_YET_VALID, f"valid from {offer.valid_from.isoformat()}"),
        (now >= offer.valid_until, Reason.EXPIRED, f"valid until {offer.valid_until.isoformat()}"),
        (
            customer_id is not None and customer_id != coupon.customer_id,
            Reason.WRONG_CUSTOMER,
            "this coupon is another customer's",
        ),
        (coupon.is_exhausted, Reason.LIMIT_REACHED, "this coupon was used as often as it may be"),
        (order.currency != coupon.currency, Reason.WRONG_CURRENCY, f"this coupon is in {coupon.currency}"),
        (
            order.total_minor < offer.min_basket_minor,
            Reason.MIN_BASKET_NOT_MET,
            f"needs a basket of {offer.min_basket_minor} minor units",
        ),
    )
    for holds, reason, message in refusals:
        if holds:
            return Verdict(reason=reason, message=message)
    return None


def discount_minor(offer: Offer, eligible_minor: int) -> int:
    """Return what an offer takes off an amount, minor units, half up; never more than the amount.

    Raises ValueError for an offer that is neither a percentage nor an amount.
    """
    if offer.percent is not None:
        return min((eligible_minor * offer.percent * 2 + 100) // 200, eligible_minor)
    if offer.amount_minor is not None:
        return min(offer.amount_minor, eligible_minor)
    raise ValueError("an offer is a percentage or an amount")
