"""What of a batch is next, what is a repeat, a gap, or another history."""

import random
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.worker.board import HeadsBoard
from shared.worker.domain import (
    Head,
    Incoming,
    Position,
    advance,
    due,
    fair_share,
    fork_by_head,
)
from shared.worker.schedule import PAUSE_SECONDS_MAX, pause_seconds
from shared.worker.source import Heads, ProducerAwayError

EVENTS = [uuid4() for _ in range(30)]
START = Position("ingest#1", "t", 0)


def record(seq: int, event_id: UUID | None = None, prev: UUID | None = None) -> Incoming:
    return Incoming(
        "ingest#1",
        "t",
        0,
        seq,
        event_id or EVENTS[seq - 1],
        prev if prev is not None or seq == 1 else EVENTS[seq - 2],
        "PageViewed.v1",
        b"{}",
    )


def at(seq: int) -> Position:
    return replace(START, last_seq=seq, last_event_id=EVENTS[seq - 1])


def test_rule_07_what_follows_is_ready_and_what_came_before_is_a_repeat() -> None:
    result = due(at(3), [record(2), record(3), record(4), record(5)])
    assert [each.seq for each in result.ready] == [4, 5]
    assert (result.repeats, result.beyond_gap, result.fork) == (2, [], None)


def test_rule_11_a_batch_is_sorted_before_a_gap_is_seen() -> None:
    result = due(START, [record(3), record(1), record(2)])
    assert [each.seq for each in result.ready] == [1, 2, 3]


def test_rule_11_nothing_behind_a_gap_is_ready() -> None:
    result = due(START, [record(1), record(3), record(4)])
    assert [each.seq for each in result.ready] == [1]
    assert [each.seq for each in result.beyond_gap] == [3, 4]


def test_rule_07_a_successor_of_another_event_is_a_fork() -> None:
    result = due(at(3), [record(4, prev=uuid4())])
    assert result.ready == []
    assert result.fork is not None


def test_rule_07_another_event_at_the_last_place_is_a_fork() -> None:
    assert due(at(3), [record(3, event_id=uuid4())]).fork is not None


def test_rule_07_a_log_that_ends_before_the_position_is_a_fork() -> None:
    assert fork_by_head(at(3), Head(numbered=2, published=2)) is not None
    assert fork_by_head(at(3), Head(numbered=3, published=0)) is None


@given(st.lists(st.integers(1, 20), max_size=60), st.integers(0, 20), st.randoms(use_true_random=False))
def test_any_delivery_applies_a_dense_run_exactly_once(seqs: list[int], start: int, order: random.Random) -> None:
    position = START if start == 0 else at(start)
    records = [record(seq) for seq in seqs]
    order.shuffle(records)
    result = due(position, records)
    assert result.fork is None
    assert [each.seq for each in result.ready] == list(range(start + 1, start + 1 + len(result.ready)))
    assert all(each.seq > start + len(result.ready) + 1 for each in result.beyond_gap)


def test_a_position_moves_to_the_last_event_handled() -> None:
    moved = advance(at(2), [record(3), record(4)], offset=17)
    assert (moved.last_seq, moved.last_event_id, moved.next_offset) == (4, EVENTS[3], 17)


def test_repeats_alone_move_only_the_offset_and_never_back() -> None:
    position = replace(at(2), next_offset=9)
    assert advance(position, [], offset=12).next_offset == 12
    assert advance(position, [], offset=4).next_offset == 9
    assert advance(position, [], offset=12).last_seq == 2


@pytest.mark.parametrize(
    ("members", "shares"), [(1, [4]), (2, [2, 2]), (3, [2, 1, 1]), (4, [1, 1, 1, 1]), (6, [1, 1, 1, 1, 0, 0])]
)
def test_rule_10_fair_shares_cover_all_partitions_once(members: int, shares: list[int]) -> None:
    assert [fair_share(4, members, rank) for rank in range(members)] == shares


def test_rule_10_a_worker_that_sees_nobody_alive_takes_all() -> None:
    assert fair_share(4, 0, 0) == 4


def test_rule_14_a_brake_holds_for_the_code_that_met_it_and_a_fork_for_all() -> None:
    assert replace(START, braked_version="1").stands_still("1")
    assert not replace(START, braked_version="1").stands_still("2")
    assert replace(START, forked_reason="x").stands_still("2")


class Source:
    """A producer that answers, or is away."""

    away = False

    async def heads(self) -> tuple[str, Heads]:
        if self.away:
            raise ProducerAwayError("gone")
        return "ingest#1", {("t", 0): Head(5, 5)}

    async def after(self, position: Position, events_max: int = 0) -> list[Incoming]:
        raise AssertionError("not asked for")


async def test_rule_07_a_head_keeps_when_it_was_asked_for_whatever_the_board_hears_later() -> None:
    """Compared with a later time, an old head below what was applied since would be taken for a fork."""
    source = Source()
    board = HeadsBoard({"ingest": source})
    await board.poll()
    (first,) = board.of(0).values()
    await board.poll()
    (second,) = board.of(0).values()
    assert first.asked_at < second.asked_at
    source.away = True
    await board.poll()
    assert board.of(0) == {}
    assert first.asked_at > float("-inf")


def test_a_task_that_the_infrastructure_fails_is_tried_less_and_less_often() -> None:
    pauses = [pause_seconds(3600.0, times) for times in range(20)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[3], pauses[-1]) == (1.0, 8.0, PAUSE_SECONDS_MAX)
    assert pause_seconds(0.2, 0) == pause_seconds(0.2, 9) == 0.2
