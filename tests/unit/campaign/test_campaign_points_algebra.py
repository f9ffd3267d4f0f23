"""The algebra of points: what receipts are worth, and wallets under any sequence of events."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.campaign.domain.points import Account, Cause, Family, Kind, Lot, Member, Wallet

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UNIT = 100
YEAR = timedelta(days=365)


def member(number: int, **parts: Any) -> Member:
    return Member(UUID(int=number), NOW + timedelta(hours=number), **parts)


def family(sold_minor: int, *returned_minor: int, own: int = 0) -> Family:
    returns = tuple(member(n, named_returned_minor=each) for n, each in enumerate(returned_minor, 2))
    return Family(UUID(int=1), member(1, sold_minor=sold_minor, own_returned_minor=own), returns)


def test_only_whole_points_of_what_is_left_count() -> None:
    assert family(4124).worth(UNIT) == (41, 0)
    assert family(4124, 450).worth(UNIT) == (41, 5)
    assert family(4124, 4124).worth(UNIT) == (41, 41)
    assert family(99).worth(UNIT) == (0, 0)


def test_a_return_without_its_sale_takes_nothing_yet() -> None:
    assert Family(UUID(int=1), None, (member(2, named_returned_minor=500),)).worth(UNIT) == (0, 0)


def test_a_return_that_names_no_sale_takes_whole_points() -> None:
    assert family(0, own=450).worth(UNIT) == (0, 4)


def test_an_exchange_is_worth_what_was_paid_on_top() -> None:
    assert family(1590, own=1290).worth(UNIT) == (15, 12)


def test_a_voided_sale_is_worth_nothing_and_its_returns_neither() -> None:
    voided = Family(UUID(int=1), member(1, sold_minor=900, void_id=UUID(int=9)), family(0, 500).returns)
    assert voided.worth(UNIT) == (9, 9)


@given(st.integers(0, 10_000), st.lists(st.integers(1, 3000), max_size=6))
def test_returning_in_pieces_is_worth_what_returning_at_once_is(sold_minor: int, pieces: list[int]) -> None:
    assert family(sold_minor, *pieces).worth(UNIT) == family(sold_minor, sum(pieces)).worth(UNIT)


@given(st.integers(0, 10_000), st.lists(st.integers(1, 5000), min_size=1, max_size=4), st.integers(0, 3))
def test_a_family_ends_at_the_same_worth_in_whatever_order_its_receipts_come(
    sold_minor: int, returned: list[int], voided: int
) -> None:
    whole = family(sold_minor, *returned)
    members = [whole.sale, *whole.returns]
    target = members[voided % len(members)]
    assert target is not None
    void_id = UUID(int=99)
    ends = set()
    for order in list(permutations([*(each.receipt_id for each in members if each), void_id]))[:60]:
        wallet, seen = Wallet(), set()
        for event_id in order:
            seen.add(event_id)
            now = known(whole, seen, target.receipt_id, void_id)
            for cause, so_far in now.growth({event_id}) if now.sale is not None else []:
                wallet.settle(Lot(whole.family_id, NOW + YEAR), so_far.worth(UNIT), cause)
        lot = wallet.lots.get(whole.family_id)
        ends.add((lot, wallet.debt))
        assert sum(posting.points for posting in wallet.postings) == wallet.active - wallet.debt
    assert len(ends) == 1


def known(whole: Family, seen: set[UUID], voided_id: UUID, void_id: UUID) -> Family:
    """What is stored once the events in `seen` have come."""

    def stored(each: Member) -> Member:
        is_voided = each.receipt_id == voided_id and void_id in seen
        return Member(
            each.receipt_id,
            each.occurred_at,
            each.sold_minor,
            each.own_returned_minor,
            each.named_returned_minor,
            void_id if is_voided else None,
            NOW if is_voided else None,
        )

    sale = stored(whole.sale) if whole.sale and whole.sale.receipt_id in seen else None
    return Family(whole.family_id, sale, tuple(stored(each) for each in whole.returns if each.receipt_id in seen))


class PointsMachine(RuleBasedStateMachine):
    """Earn, return, spend, adjust and expire in any sequence: the books always hold."""

    def __init__(self) -> None:
        super().__init__()
        self.wallet = Wallet()
        self.worth: dict[UUID, tuple[int, int]] = {}
        self.now = NOW
        self.number = 0
        self.spent = 0

    def next_id(self) -> UUID:
        self.number += 1
        return UUID(int=self.number)

    @rule(points=st.integers(1, 100))
    def earn(self, points: int) -> None:
        lot_id = self.next_id()
        self.worth[lot_id] = (points, 0)
        self.settle(lot_id)

    @precondition(lambda self: self.worth)
    @rule(data=st.data())
    def bring_back(self, data: st.DataObject) -> None:
        lot_id = data.draw(st.sampled_from(sorted(self.worth)))
        earned, taken_back = self.worth[lot_id]
        self.worth[lot_id] = (earned, data.draw(st.integers(taken_back, max(earned, taken_back))))
        self.settle(lot_id)

    @precondition(lambda self: self.worth)
    @rule(data=st.data())
    def void_a_return(self, data: st.DataObject) -> None:
        lot_id = data.draw(st.sampled_from(sorted(self.worth)))
        earned, taken_back = self.worth[lot_id]
        self.worth[lot_id] = (earned, data.draw(st.integers(0, taken_back)))
        self.settle(lot_id)

    @rule(points=st.integers(1, 150))
    def unnamed_return(self, points: int) -> None:
        lot_id = self.next_id()
        self.worth[lot_id] = (0, points)
        self.settle(lot_id)

    @rule(points=st.integers(1, 150))
    def spend(self, points: int) -> None:
        before = self.wallet.active
        taken = self.wallet.take(points, Kind.SPENT, str(self.next_id()), self.now)
        assert taken == min(points, before)
        self.spent += taken

    @rule(points=st.integers(1, 50))
    def give(self, points: int) -> None:
        self.wallet.add(Lot(self.next_id(), self.now + YEAR, earned=points), str(self.number), self.now)

    @rule(days=st.integers(1, 200))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days)
        self.wallet.expire(self.now)

    def settle(self, lot_id: UUID) -> None:
        lot = Lot(lot_id, self.now + YEAR)
        self.wallet.settle(lot, self.worth[lot_id], Cause(self.next_id(), self.now))

    def total(self, account: Account) -> int:
        return sum(
            line.points for posting in self.wallet.postings for line in posting.lines if line.account is account
        )

    @invariant()
    def every_posting_balances(self) -> None:
        assert all(sum(line.points for line in posting.lines) == 0 for posting in self.wallet.postings)

    @invariant()
    def every_balance_is_its_lines(self) -> None:
        assert self.total(Account.ACTIVE) == self.wallet.active
        assert self.total(Account.DEBT) == -self.wallet.debt
        assert self.total(Account.REDEEMED) == self.spent
        assert self.total(Account.EXPIRED) == sum(lot.expired for lot in self.wallet.lots.values())

    @invariant()
    def nothing_is_owed_while_there_are_points(self) -> None:
        assert self.wallet.debt >= 0
        assert self.wallet.active == 0 or self.wallet.debt == 0
        assert all(lot.remaining >= 0 and lot.expired >= 0 for lot in self.wallet.lots.values())

    @invariant()
    def what_was_issued_is_what_receipts_are_worth(self) -> None:
        assert -self.total(Account.ISSUED) == sum(earned - back for earned, back in self.worth.values())

    @invariant()
    def no_two_postings_have_one_cause(self) -> None:
        causes = [(posting.source, posting.source_id, posting.kind) for posting in self.wallet.postings]
        assert len(causes) == len(set(causes))


PointsMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestPoints = PointsMachine.TestCase
