"""Coupons at the till: what would apply, redeeming exactly once, and rolling back."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from services.campaign import saying
from services.campaign.domain.coupons import Coupon, Order, Reason, Verdict, code_as_typed, judge
from services.campaign.errors import AlreadyRolledBack, RedemptionNotFound, StoreNotAllowed, refusal
from services.campaign.handlers.customers import Customers, Who
from services.campaign.store import redemptions as store
from services.campaign.store.facts import products_in
from services.campaign.store.redemptions import Item, Redemption
from shared.clock import Clock
from shared.customers import subjects_of
from shared.db import Database, Transaction
from shared.events.campaign import CouponRedeemedV1
from shared.keys import Caller
from shared.log import Outgoing, append

_UNKNOWN = Verdict(reason=Reason.NOT_FOUND, message="there is no such coupon")
_CAP_MESSAGES = {
    "code_uses": "this coupon was used as often as it may be",
    "campaign_uses": "this offer was used as often as it may be",
    "campaign_discount": "this offer has no money left for the discount",
    "customer_uses": "this customer used the offer as often as they may",
}


@dataclass(frozen=True, slots=True)
class Basket:
    """What a till asks: the codes as typed, whose they are, and the order."""

    codes: Sequence[str]
    who: Who
    order: Order
    receipt_key: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """One coupon of a basket with its verdict; the coupon is None where the code is unknown."""

    code: str
    coupon: Coupon | None
    verdict: Verdict

    @property
    def status(self) -> str:
        if self.verdict.reason is not None:
            return "inapplicable"
        return "applied" if self.verdict.discount_minor else "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a basket's coupons do together."""

    judged: Sequence[Judged]
    order: Order
    redemption_id: UUID | None = None

    @property
    def refused(self) -> list[Judged]:
        return [each for each in self.judged if each.verdict.reason is not None]

    @property
    def discount_minor(self) -> int:
        return sum(each.verdict.discount_minor for each in self.judged)

    @property
    def payable_minor(self) -> int:
        return self.order.total_minor - self.discount_minor


@dataclass(frozen=True, slots=True)
class Redemptions:
    """The use cases of tills."""

    database: Database
    clock: Clock
    currency: str
    customers: Customers

    async def validate(self, basket: Basket, caller: Caller) -> Outcome:
        """Say what redeeming would do; nothing is taken, and caps may be gone when it is."""
        check_store(caller, basket.order.store_id)
        customer_id = await self.customers.find(self.database, basket.who)
        async with self.database.transaction() as tx:
            return await self._judge(tx, basket, customer_id)

    async def qualify(self, who: Who, order: Order, caller: Caller) -> Outcome:
        """Say which of a customer's own coupons apply to an order, each judged alone; the best first."""
        check_store(caller, order.store_id)
        customer_id = await self.customers.find(self.database, who)
        assert customer_id is not None
        coupons = {coupon.code: coupon for coupon, _ in await self.coupons_of(customer_id)}
        judged: list[Judged] = []
        async with self.database.transaction() as tx:
            for code in coupons:
                alone = Basket([code], Who(customer_id=customer_id), order)
                judged += (await self._judged(tx, alone, coupons, customer_id)).judged
        judged.sort(key=lambda each: (each.verdict.reason is not None, -each.verdict.discount_minor, each.code))
        return Outcome(judged, order)

    async def coupons_of(self, customer_id: UUID) -> list[tuple[Coupon, datetime]]:
        subject_ids = await subjects_of(self.database, customer_id)
        return await store.coupons_of(self.database, [*subject_ids, customer_id], self.currency)

    async def redeem(self, tx: Transaction, basket: Basket, customer_id: UUID | None, caller: Caller) -> Outcome:
        """Redeem all coupons or none: caps, redemption and event in the transaction given.

        `customer_id`: whom `who` names, found before. Raises RedemptionRefused (one class per reason), with
        nothing to be kept of the transaction, and StoreNotAllowed.
        """
        check_store(caller, basket.order.store_id)
        await store.hold_holders(tx, [code_as_typed(code) for code in basket.codes])
        outcome = await self._judge(tx, basket, customer_id)
        if outcome.refused:
            raise _refused(outcome.judged)
        taken = [(each.coupon, each.verdict.discount_minor) for each in outcome.judged if each.status == "applied"]
        items = [_item(coupon, discount_minor) for coupon, discount_minor in taken if coupon is not None]
        redemption = self._redemption(basket, outcome, customer_id, caller)
        await store.add_redemption(tx, redemption, items)
        await append(tx, [_event(redemption, item, n=1, at=redemption.redeemed_at) for item in items])
        # The caps come last: every till of a campaign waits for them, so they are held for the shortest time.
        reached = await store.take_caps(tx, items)
        if reached:
            raise _over(outcome.judged, reached)
        return Outcome(outcome.judged, outcome.order, redemption.redemption_id)

    def _redemption(self, basket: Basket, outcome: Outcome, customer_id: UUID | None, caller: Caller) -> Redemption:
        holders = [each.coupon.customer_id for each in outcome.judged if each.coupon is not None]
        return Redemption(
            redemption_id=uuid4(),
            customer_id=customer_id or holders[0],
            store_id=basket.order.store_id,
            receipt_key=basket.receipt_key,
            currency=basket.order.currency,
            total_minor=basket.order.total_minor,
            discount_minor=outcome.discount_minor,
            redeemed_at=self.clock.now(),
            redeemed_by=caller.actor,
        )

    async def _judge(self, tx: Transaction, basket: Basket, customer_id: UUID | None) -> Outcome:
        codes = [code_as_typed(code) for code in basket.codes]
        return await self._judged(tx, basket, await store.coupons_by_code(tx, codes, self.currency), customer_id)

    async def _judged(
        self, tx: Transaction, basket: Basket, coupons: Mapping[str, Coupon], customer_id: UUID | None
    ) -> Outcome:
        """Judge a basket's codes, one after the other, by what is known of them."""
        payable_minor = basket.order.total_minor
        judged: list[Judged] = []
        for given in basket.codes:
            coupon = coupons.get(code_as_typed(given))
            verdict = _UNKNOWN
            if coupon is not None:
                verdict = judge(
                    coupon,
                    basket.order,
                    customer_id=customer_id,
                    product_ids=await _products_of(tx, coupon, basket.order),
                    payable_minor=payable_minor,
                    now=self.clock.now(),
                )
            payable_minor -= verdict.discount_minor
            judged.append(Judged(given, coupon, verdict))
        return Outcome(judged, basket.order)

    async def roll_back(self, tx: Transaction, redemption_id: UUID, reason: str | None, caller: Caller) -> Redemption:
        """Take a redemption back, once; every cap gets back what it gave.

        Raises RedemptionNotFound, AlreadyRolledBack, StoreNotAllowed.
        """
        now = self.clock.now()
        found = await store.find_redemption(tx, redemption_id)
        if found is None:
            raise RedemptionNotFound("there is no such redemption", field="redemption_id")
        redemption, items = found
        check_store(caller, redemption.store_id)
        if not await store.add_rollback(tx, redemption_id, reason, caller.actor, now):
            raise AlreadyRolledBack("this redemption was rolled back already")
        await store.give_caps_back(tx, items)
        await append(tx, [_event(redemption, item, n=2, at=now) for item in items])
        return redemption


async def put_uses_right(tx: Transaction, subject_ids: Collection[UUID], at: datetime) -> None:
    """Count each use of a coupon as its holder's, where that was counted as a customer's who turned out another.

    `subject_ids` were assigned in this transaction. A use is moved once; told again, nothing is left to move.
    """
    coupon_ids = await store.coupons_held_by(tx, subject_ids)
    for use in await store.misplaced_uses(tx, coupon_ids) if coupon_ids else ():
        await store.move_use(tx, use, at)


def check_store(caller: Caller, store_id: str) -> None:
    """Raise StoreNotAllowed unless the caller's key is for this store."""
    if not caller.serves_store(store_id):
        raise StoreNotAllowed("this key is not for that store", field="/order/store_id")


async def _products_of(tx: Transaction, coupon: Coupon, order: Order) -> set[str] | None:
    offer = coupon.offer
    if not offer.product_ids and not offer.categories:
        return None
    in_order = {line.product_id for line in order.lines}
    wanted = in_order & set(offer.product_ids)
    return wanted | await products_in(tx, in_order, offer.categories)


def _item(coupon: Coupon, discount_minor: int) -> Item:
    return Item(
        coupon.coupon_id,
        coupon.campaign_id,
        coupon.customer_id,
        discount_minor,
        coupon.offer.uses_per_customer,
    )


def _refused(judged: Sequence[Judged]) -> Exception:
    errors = [
        _error(place, each, each.verdict.reason, each.verdict.message)
        for place, each in enumerate(judged)
        if each.verdict.reason is not None
    ]
    first = next(each.verdict for each in judged if each.verdict.reason is not None)
    assert first.reason is not None
    return refusal(first.reason, first.message, errors)


def _over(judged: Sequence[Judged], reached: Mapping[UUID, str]) -> Exception:
    limits = {
        place: reached[each.coupon.coupon_id]
        for place, each in enumerate(judged)
        if each.coupon is not None and each.coupon.coupon_id in reached
    }
    errors = [
        {**_error(place, judged[place], Reason.LIMIT_REACHED, _CAP_MESSAGES[limit]), "limit": limit}
        for place, limit in limits.items()
    ]
    return refusal(Reason.LIMIT_REACHED, _CAP_MESSAGES[next(iter(limits.values()))], errors)


def _error(place: int, each: Judged, reason: Reason, message: str) -> Mapping[str, object]:
    error: dict[str, object] = {
        "field": f"/redeemables/{place}",
        "id": each.code,
        "code": reason.value,
        "message": message,
    }
    # Which limit it was; a cap that is only met when it is taken is named there.
    return {**error, "limit": "code_uses"} if reason is Reason.LIMIT_REACHED else error


def _event(redemption: Redemption, item: Item, *, n: int, at: datetime) -> Outgoing:
    data = CouponRedeemedV1(
        customer_id=item.customer_id,
        redemption_id=redemption.redemption_id,
        coupon_id=item.coupon_id,
        campaign_id=str(item.campaign_id),
        n=n,
        state="redeemed" if n == 1 else "rolled_back",
        store_id=redemption.store_id,
        discount_minor=item.discount_minor,
        currency=redemption.currency,
    )
    return saying.coupon_redeemed(saying.About(item.customer_id, at, at, store_id=redemption.store_id), data)
