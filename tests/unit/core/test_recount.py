"""The checker of the kill tests, checked: it must see what it is there to see."""

import random
from uuid import UUID, uuid4

from tests.faults.harness import Ledger, recount

SUBJECT, OTHER = uuid4(), uuid4()


def ledger(*events: UUID) -> Ledger:
    made = Ledger()
    made.note((event, SUBJECT) for event in events)
    return made


def test_a_ledger_that_agrees_with_the_tables_is_exact() -> None:
    one, two = uuid4(), uuid4()
    assert recount(ledger(one, two), [two, one], {SUBJECT: 2}).is_exact


def test_a_lost_a_doubled_and_an_unasked_event_are_each_seen() -> None:
    one, two, stranger = uuid4(), uuid4(), uuid4()
    found = recount(ledger(one, two), [one, one, stranger], {SUBJECT: 2})
    assert (found.lost, found.doubled, found.unasked) == ({two}, {one}, {stranger})
    assert not found.is_exact


def test_a_tally_that_is_wrong_is_seen_even_if_every_event_stands_once() -> None:
    one = uuid4()
    found = recount(ledger(one), [one], {SUBJECT: 2, OTHER: 1})
    assert found.wrong_tallies == {SUBJECT: (1, 2), OTHER: (0, 1)}
    assert not found.is_exact


def test_a_repeat_in_the_ledger_counts_once() -> None:
    one = uuid4()
    assert recount(ledger(one, one), [one], {SUBJECT: 1}).is_exact


def test_what_is_said_again_was_acknowledged_before() -> None:
    events = [uuid4() for _ in range(5)]
    assert set(ledger(*events).some(random.Random(1), 3)) <= set(events)
    assert len(ledger(*events).some(random.Random(1), 30)) == 5
