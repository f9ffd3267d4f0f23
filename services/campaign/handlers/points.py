"""Points: settled with every receipt and void, adjusted by hand, run out with time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, cast
from uuid import UUID

from services.campaign import saying
from services.campaign.domain.points import Borrowed, Family, Kind, Lot, Posting, Wallet
from services.campaign.domain.tiers import Tier, tier_of
from services.campaign.errors import MemberNotFound, PointsExceeded
from services.campaign.store import points as store
from services.campaign.store.points import Balance, LotOrigin
from shared.clock import Clock
from shared.customers import customer_of, customers_of, subjects_of
from shared.db import Database, Transaction
from shared.events import SubjectKind
from shared.log import Outgoing, append

EXPIRED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class PointRules:
    """What a purchase is worth: one point per `unit_minor` of net spend in `currency`, valid `valid_days`."""

    currency: str
    unit_minor: int
    valid_days: int

    def expires_at(self, earned_at: datetime) -> datetime:
        return earned_at + timedelta(days=self.valid_days)


@dataclass(frozen=True, slots=True)
class Points:
    """The use cases of points."""

    rules: PointRules
    clock: Clock

    async def settle(self, tx: Transaction, family_ids: Collection[UUID], fresh: Collection[UUID]) -> None:
        """Bring the points of these families (whose rows are locked) to what their receipts are worth.

        `fresh`: the ids of the receipts and voids that this transaction stored.
        """
        families, owners = await store.load_families(tx, family_ids, self.rules.currency)
        if not families:
            return
        wallets = await store.lock_wallets(
            tx,
            {subject_id for subject_id, _ in owners.values()},
            families,
            with_open_lots={owners[each.family_id][0] for each in families.values() if _may_lose(each)},
        )
        units = await store.units_of(tx, families)
        for family_id in sorted(families):
            self._settle_family(wallets[owners[family_id][0]], families[family_id], fresh, units)
        origins = {family_id: self._origin(family) for family_id, family in families.items()}
        await store.save_wallets(tx, wallets, origins)
        await self._say(tx, wallets, dict(owners.values()))

    def _settle_family(
        self, wallet: Wallet, family: Family, fresh: Collection[UUID], units: Mapping[UUID, int]
    ) -> None:
        unit_minor = units.get(family.family_id, self.rules.unit_minor)
        assert family.sale is not None
        lot = Lot(family.family_id, self.rules.expires_at(family.sale.occurred_at))
        for cause, so_far in family.growth(fresh):
            wallet.settle(lot, so_far.worth(unit_minor), cause)

    def _origin(self, family: Family) -> LotOrigin:
        assert family.sale is not None
        return LotOrigin(self.rules.unit_minor, family.sale.occurred_at)

    async def _say(self, tx: Transaction, wallets: Mapping[UUID, Wallet], kinds: Mapping[UUID, str]) -> None:
        customers = await customers_of(tx, [subject_id for subject_id, wallet in wallets.items() if wallet.postings])
        said: list[Outgoing] = []
        now = self.clock.now()
        for subject_id, wallet in sorted(wallets.items()):
            for posting in wallet.postings:
                kind = cast("SubjectKind", kinds[subject_id])
                about = saying.About(subject_id, posting.at, now, kind)
                said.append(
                    saying.points_posted(
                        about, posting, customers[subject_id], _receipt_of(posting), self._expiry_of(posting)
                    )
                )
        await append(tx, said)

    def _expiry_of(self, posting: Posting) -> datetime | None:
        return self.rules.expires_at(posting.at) if posting.kind is Kind.EARNED else None

    async def adjust(
        self,
        tx: Transaction,
        *,
        customer_id: UUID,
        points: int,
        request_id: UUID,
        kind: Literal[Kind.ADJUSTED, Kind.SPENT],
    ) -> Balance:
        """Give points by hand (as a lot of their own) or take them; return the balance afterwards.

        They are given to whom `customer_id` names, and taken from there first: what the other subjects of the
        customer give is kept as borrowed, and given back should they turn out to be somebody else.

        Raises PointsExceeded when more is to be taken than the customer has, debts counted.
        """
        named_id = customer_id
        subject_ids = await _held_subjects(tx, named_id)
        now = self.clock.now()
        wallets = await store.lock_wallets(tx, subject_ids, (), with_open_lots=subject_ids)
        origins: dict[UUID, LotOrigin] = {}
        if points > 0:
            lot = Lot(request_id, self.rules.expires_at(now), earned=points)
            wallets[named_id if named_id in wallets else subject_ids[0]].add(lot, str(request_id), now)
            origins[request_id] = LotOrigin(0, now)
        else:
            borrowed = _take(wallets, -points, Spending(request_id, named_id, kind, now))
            await store.add_borrowed(tx, borrowed)
        await store.save_wallets(tx, wallets, origins)
        await self._say(tx, wallets, await store.kinds_of(tx, wallets))
        balance = await store.balance_of(tx, subject_ids, now)
        assert balance is not None
        return balance

    async def give_back(self, tx: Transaction, subject_ids: Collection[UUID]) -> None:
        """Give back what was borrowed between subjects who are not, or no longer, one customer; whoever spent pays.

        `subject_ids` were assigned in this transaction. Each loan is settled once; it stays settled when the two
        become one customer again, whose points are the same either way.
        """
        found = await store.borrowed_apart(tx, subject_ids)
        wallets: dict[UUID, Wallet] = {}
        while not wallets.keys() >= (people := {end for one in found for end in (one.subject_id, one.borrower_id)}):
            wallets = await store.lock_wallets(tx, people, {one.lot_id for one in found}, with_open_lots=people)
            # Asked again under the lock: another worker may have been told of the other half, or of one more.
            found = await store.borrowed_apart(tx, subject_ids)
        now = self.clock.now()
        for one in found:
            wallets[one.subject_id].get_back(one, now)
            wallets[one.borrower_id].pay_for(one, now)
        await store.save_wallets(tx, wallets, {})
        await self._say(tx, wallets, await store.kinds_of(tx, wallets))

    async def expire(self, database: Database) -> None:
        """Let points run out whose time has come; a scheduled task."""
        while subject_ids := await store.subjects_expiring(database, self.clock.now(), EXPIRED_AT_ONCE):
            async with database.transaction() as tx:
                await self._expire(tx, subject_ids)

    async def _expire(self, tx: Transaction, subject_ids: Sequence[UUID]) -> None:
        wallets = await store.lock_wallets(tx, subject_ids, (), with_open_lots=subject_ids)
        now = self.clock.now()
        for wallet in wallets.values():
            wallet.expire(now)
        await store.save_wallets(tx, wallets, {})
        await self._say(tx, wallets, await store.kinds_of(tx, wallets))


@dataclass(frozen=True, slots=True)
class Spending:
    """What points are taken for, and whom the request names."""

    request_id: UUID
    named_id: UUID
    kind: Kind
    at: datetime


def _take(wallets: Mapping[UUID, Wallet], points: int, spending: Spending) -> list[Borrowed]:
    """Take points from the subjects of one customer, whom was named first; all or none. Return what others gave."""
    available = sum(wallet.active - wallet.debt for wallet in wallets.values())
    if points > available:
        raise PointsExceeded(f"the customer has {max(available, 0)} points, {points} were asked for", field="/points")
    borrowed: list[Borrowed] = []
    for subject_id in sorted(wallets, key=lambda one: (one != spending.named_id, one)):
        wallet = wallets[subject_id]
        before = dict(wallet.lots)
        points -= wallet.take(points, spending.kind, f"{spending.request_id}/{subject_id}", spending.at)
        if subject_id != spending.named_id and spending.named_id in wallets:
            borrowed += _lent(subject_id, before, wallet, spending)
    return borrowed


def _lent(subject_id: UUID, before: Mapping[UUID, Lot], wallet: Wallet, spending: Spending) -> list[Borrowed]:
    """Return what a subject's lots gave."""
    return [
        Borrowed(
            spending.request_id,
            lot_id,
            subject_id,
            spending.named_id,
            lot.remaining - wallet.lots[lot_id].remaining,
            spending.kind,
            spending.at,
        )
        for lot_id, lot in sorted(before.items())
        if lot.remaining > wallet.lots[lot_id].remaining
    ]


async def _held_subjects(tx: Transaction, named_id: UUID) -> list[UUID]:
    """Return a customer's subjects, who stay one customer until the transaction ends.

    So nothing is taken from somebody who is being found to be somebody else. Never assigned ones are alone.
    """
    while True:
        customer_id = await customer_of(tx, named_id)
        await store.hold_assignments(tx, customer_id)
        if await customer_of(tx, named_id) == customer_id:
            return await subjects_of(tx, customer_id)


def _may_lose(family: Family) -> bool:
    """Whether points may have to come from other lots, or a debt be paid from this one."""
    return bool(family.returns) or (
        family.sale is not None and (family.sale.void_id is not None or family.sale.own_returned_minor > 0)
    )


def _receipt_of(posting: Posting) -> UUID | None:
    return UUID(posting.source_id.partition("/")[0]) if posting.source == "receipt" else None


@dataclass(frozen=True, slots=True)
class Membership:
    """A member as `GET /v1/members` shows them."""

    customer_id: UUID
    balance: Balance
    lots: Sequence[Lot]
    tier: Tier
    next_tier: Tier | None


async def membership_of(database: Database, customer_id: UUID, now: datetime) -> Membership:
    """Fold a customer's subjects. Raises MemberNotFound when none of them ever had points."""
    customer_id = await customer_of(database, customer_id)
    subject_ids = await subjects_of(database, customer_id)
    balance = await store.balance_of(database, subject_ids, now)
    if balance is None:
        raise MemberNotFound("this customer has no points account", field="customer_id")
    tier, next_tier = tier_of(balance.growth)
    return Membership(customer_id, balance, await store.open_lots(database, subject_ids), tier, next_tier)
