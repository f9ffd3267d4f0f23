"""When a partition counts as stalled, and when a reader of the broker counts as stuck."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from shared.kafka import aio
from shared.kafka.aio import IDLE_SETTLES_MAX, KafkaSubscriber
from shared.kafka.port import BrokerAwayError
from shared.worker.progress import Progress, StalledError

RECEIPTS, VIEWS = TopicPartition("receipts", 0), TopicPartition("views", 0)


class Moment:
    """A monotonic clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("shared.worker.progress.time.monotonic", lambda: self.now)


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Moment:
    return Moment(monkeypatch)


def test_a_partition_with_events_that_does_not_move_is_stalled(moment: Moment) -> None:
    progress = Progress("profile", stall_seconds=60)
    progress.watch(0, lambda: 5)
    moment.now += 60
    progress.check()
    moment.now += 1
    with pytest.raises(StalledError, match="partition 0: 5 events"):
        progress.check()


def test_a_partition_without_events_never_stalls_and_its_time_starts_with_the_first(moment: Moment) -> None:
    waiting = 0
    progress = Progress("profile", stall_seconds=60)
    progress.watch(0, lambda: waiting)
    moment.now += 3600
    progress.check()
    waiting = 1
    moment.now += 59
    progress.check()


def test_the_progress_of_one_partition_does_not_hide_the_stall_of_another(moment: Moment) -> None:
    progress = Progress("profile", stall_seconds=60)
    progress.watch(0, lambda: 1)
    progress.watch(1, lambda: 1)
    moment.now += 61
    progress.moved(0)
    with pytest.raises(StalledError, match="partition 1"):
        progress.check()


def test_a_partition_that_went_to_another_worker_is_not_watched(moment: Moment) -> None:
    progress = Progress("profile", stall_seconds=60)
    progress.watch(0, lambda: 1)
    progress.forget(0)
    moment.now += 3600
    progress.check()


class FakeClient:
    """A Kafka client of which the test decides places, ends and what is polled."""

    def __init__(self) -> None:
        self.first = {RECEIPTS: 0, VIEWS: 0}
        self.end = {RECEIPTS: 0, VIEWS: 0}
        self.places = {RECEIPTS: 0, VIEWS: 0}
        self.polled: dict[TopicPartition, list[SimpleNamespace]] = {}

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self.places)

    async def beginning_offsets(self, partitions: object) -> dict[TopicPartition, int]:
        return self.first

    async def end_offsets(self, partitions: object) -> dict[TopicPartition, int]:
        return self.end

    async def position(self, partition: TopicPartition) -> int:
        return self.places[partition]

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.places[partition] = offset

    async def getmany(self, **_: object) -> dict[TopicPartition, list[SimpleNamespace]]:
        return self.polled


async def test_only_topics_that_were_read_to_their_end_are_named() -> None:
    client = FakeClient()
    client.end[RECEIPTS] = 1
    assert await KafkaSubscriber(client).settle_places() == {"views"}


async def test_a_place_that_the_broker_does_not_have_moves_to_the_beginning() -> None:
    client = FakeClient()
    client.places = {RECEIPTS: 500, VIEWS: 2}
    client.first, client.end = {RECEIPTS: 0, VIEWS: 7}, {RECEIPTS: 0, VIEWS: 9}
    assert await KafkaSubscriber(client).settle_places() == {"receipts"}
    assert client.places == {RECEIPTS: 0, VIEWS: 7}


async def test_a_reader_past_the_end_goes_on_from_the_last_record() -> None:
    client = FakeClient()
    client.places[RECEIPTS], client.end[RECEIPTS] = 500, 40
    await KafkaSubscriber(client).settle_places()
    assert client.places[RECEIPTS] == 39


async def test_a_place_reached_by_polling_is_right_although_the_broker_names_an_earlier_end() -> None:
    client = FakeClient()
    batch = [SimpleNamespace(topic="receipts", partition=0, offset=o, value=b"", headers=()) for o in range(5)]
    client.polled, client.end[RECEIPTS], client.places[RECEIPTS] = {RECEIPTS: batch}, 1, 5
    subscriber = KafkaSubscriber(client)
    await subscriber.poll(0, 10)
    for _ in range(3):
        assert "receipts" in await subscriber.settle_places()
    assert client.places[RECEIPTS] == 5


async def test_an_end_that_fell_means_that_the_broker_was_emptied() -> None:
    client = FakeClient()
    batch = [SimpleNamespace(topic="receipts", partition=0, offset=o, value=b"", headers=()) for o in range(5)]
    client.polled, client.end[RECEIPTS], client.places[RECEIPTS] = {RECEIPTS: batch}, 5, 5
    subscriber = KafkaSubscriber(client)
    await subscriber.poll(0, 10)
    await subscriber.settle_places()
    client.end = {RECEIPTS: 0, VIEWS: 0}
    await subscriber.settle_places()
    assert client.places[RECEIPTS] == 0


async def test_a_reader_that_polls_nothing_while_records_wait_is_stuck() -> None:
    client = FakeClient()
    client.end[RECEIPTS] = 10
    subscriber = KafkaSubscriber(client)
    for _ in range(IDLE_SETTLES_MAX):
        await subscriber.settle_places()
    with pytest.raises(BrokerAwayError, match="receipts"):
        await subscriber.settle_places()


async def test_a_reader_that_polls_something_is_not_stuck() -> None:
    client = FakeClient()
    client.end[RECEIPTS] = 10
    record = SimpleNamespace(topic="receipts", partition=0, offset=0, value=b"", headers=())
    client.polled = {RECEIPTS: [record]}
    subscriber = KafkaSubscriber(client)
    for _ in range(3 * IDLE_SETTLES_MAX):
        await subscriber.poll(0, 10)
        await subscriber.settle_places()


async def test_a_client_that_takes_long_to_end_is_not_cut_off_halfway(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off, it would leave its connections and tasks behind, one set for each outage."""
    monkeypatch.setattr(aio, "STOP_SECONDS", 0.01)
    may_end, ended = asyncio.Event(), asyncio.Event()

    async def stop() -> None:
        await may_end.wait()
        ended.set()

    await aio._stopped(stop())
    assert not ended.is_set()
    may_end.set()
    await asyncio.wait_for(ended.wait(), 1)
