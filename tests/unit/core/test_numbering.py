"""Which number an event gets, and which partition a key has."""

from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from shared.log.domain import Heads, Waiting, partition_of

keys = st.uuids().map(str)


def waiting(count: int, topic: str = "t") -> list[Waiting]:
    return [Waiting(uuid4(), topic, str(uuid4())) for _ in range(count)]


@given(keys, st.integers(1, 64))
def test_a_key_has_one_partition_and_it_exists(key: str, partitions: int) -> None:
    assert partition_of(key, partitions) == partition_of(key, partitions)
    assert 0 <= partition_of(key, partitions) < partitions


@given(st.lists(keys, max_size=60), st.integers(1, 6))
def test_numbers_are_dense_and_each_names_the_event_before_it(subjects: list[str], partitions: int) -> None:
    events = [Waiting(uuid4(), "t", key) for key in subjects]
    numbers, _ = Heads().assign(events, partitions)
    for partition in range(partitions):
        line = [number for number in numbers if number.partition == partition]
        assert [number.seq for number in line] == list(range(1, len(line) + 1))
        assert [number.prev_event_id for number in line] == [None, *(number.event_id for number in line)][: len(line)]


def test_numbering_goes_on_where_the_heads_end() -> None:
    first, heads = Heads().assign(waiting(5), 1)
    second, _ = heads.assign(waiting(2), 1)
    assert [number.seq for number in second] == [6, 7]
    assert second[0].prev_event_id == first[-1].event_id


def test_heads_that_were_not_committed_are_not_kept() -> None:
    heads = Heads()
    heads.assign(waiting(5), 1)
    again, _ = heads.assign(waiting(1), 1)
    assert again[0].seq == 1


def test_topics_are_numbered_apart() -> None:
    numbers, _ = Heads().assign([*waiting(2, "a"), *waiting(3, "b")], 1)
    assert [(number.topic, number.seq) for number in numbers] == [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("b", 3)]


def test_the_order_given_is_the_order_numbered() -> None:
    events = waiting(50)
    numbers, _ = Heads().assign(events, 1)
    assert [number.event_id for number in numbers] == [event.event_id for event in events]
    assert all(isinstance(number.event_id, UUID) for number in numbers)
