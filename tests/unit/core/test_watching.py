"""When a partition counts as stalled, and when a reader of the broker counts as stuck."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from shared.kafka import aio
from shared.kafka.aio import SILENT_SECONDS, KafkaSubscriber
from shared.kafka.port import BrokerAwayError
from shared.worker.progress import Progress, StalledError

RECEIPTS, VIEWS = TopicPartition("receipts", 0), TopicPartition("views", 0)


class Moment:
    """A monotonic clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.now = 100.0
        clock, _, function = name.rpartition(".")
        monkeypatch.setattr(clock, SimpleNamespace(**{function: lambda: self.now}))


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Moment:
    return Moment(monkeypatch, "shared.worker.progress.time.monotonic")


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
    """A Kafka client of which the test decides places, ends, answers and what is polled."""

    def __init__(self) -> None:
        self.ends: dict[TopicPartition, int | None] = {RECEIPTS: 0, VIEWS: 0}
        self.places = {RECEIPTS: 0, VIEWS: 0}
        self.answered_at: dict[TopicPartition, int | None] = {RECEIPTS: None, VIEWS: None}
        self.polled: dict[TopicPartition, list[SimpleNamespace]] = {}
        self.held: set[TopicPartition] = set()

    def paused(self) -> set[TopicPartition]:
        return set(self.held)

    def pause(self, *partitions: TopicPartition) -> None:
        self.held |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self.held -= set(partitions)

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self.places)

    def highwater(self, partition: TopicPartition) -> int | None:
        return self.ends[partition]

    def last_poll_timestamp(self, partition: TopicPartition) -> int | None:
        return self.answered_at[partition]

    async def position(self, partition: TopicPartition) -> int:
        return self.places[partition]

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.places[partition] = offset

    async def getmany(self, **_: object) -> dict[TopicPartition, list[SimpleNamespace]]:
        return self.polled

    def answer(self, now: float) -> None:
        self.answered_at = dict.fromkeys(self.places, int(now))


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Moment:
    """The clock of the readers."""
    return Moment(monkeypatch, "shared.kafka.aio.time.monotonic")


async def test_only_topics_that_were_read_to_their_end_are_named() -> None:
    client = FakeClient()
    client.ends[RECEIPTS] = 1
    assert await KafkaSubscriber(client).settle_places() == {"views"}


async def test_a_topic_of_which_the_broker_has_said_nothing_yet_is_not_named() -> None:
    client = FakeClient()
    client.ends[RECEIPTS] = None
    assert await KafkaSubscriber(client).settle_places() == {"views"}


async def test_a_place_that_the_broker_does_not_have_moves_to_the_beginning() -> None:
    client = FakeClient()
    client.places = {RECEIPTS: 500, VIEWS: 9}
    client.ends = {RECEIPTS: 3, VIEWS: 9}
    assert await KafkaSubscriber(client).settle_places() == {"views"}
    assert client.places == {RECEIPTS: 0, VIEWS: 9}


async def test_a_reader_that_polls_nothing_while_records_wait_is_stuck(silence: Moment) -> None:
    client = FakeClient()
    client.ends[RECEIPTS] = 10
    subscriber = KafkaSubscriber(client)
    for _ in range(3):
        client.answer(silence.now)
        assert await subscriber.settle_places() == {"views"}
        silence.now += 2
    client.answer(silence.now)
    with pytest.raises(BrokerAwayError, match="receipts"):
        await subscriber.settle_places()


async def test_a_reader_whose_broker_no_longer_answers_is_stuck_though_it_was_at_the_end(silence: Moment) -> None:
    client = FakeClient()
    client.answer(silence.now)
    subscriber = KafkaSubscriber(client)
    assert await subscriber.settle_places() == {"receipts", "views"}
    silence.now += SILENT_SECONDS + 1
    with pytest.raises(BrokerAwayError, match="nothing was heard"):
        await subscriber.settle_places()


async def test_a_reader_that_is_answered_or_polls_something_is_not_stuck(silence: Moment) -> None:
    client = FakeClient()
    client.ends[RECEIPTS] = 10
    record = SimpleNamespace(topic="receipts", partition=0, offset=0, value=b"", headers=())
    client.polled = {RECEIPTS: [record]}
    subscriber = KafkaSubscriber(client)
    for _ in range(10):
        await subscriber.poll(0, 10)
        client.answer(silence.now)
        assert await subscriber.settle_places() == {"views"}
        silence.now += 2


async def test_topics_are_held_until_others_are_named() -> None:
    client = FakeClient()
    subscriber = KafkaSubscriber(client)
    subscriber.hold({"receipts"})
    assert client.held == {RECEIPTS}
    subscriber.hold({"receipts", "views"})
    assert client.held == {RECEIPTS, VIEWS}
    subscriber.hold({"views"})
    assert client.held == {VIEWS}
    subscriber.hold(())
    assert client.held == set()


async def test_a_topic_that_is_held_is_not_called_silent(silence: Moment) -> None:
    client = FakeClient()
    client.ends[RECEIPTS] = 10
    subscriber = KafkaSubscriber(client)
    subscriber.hold({"receipts"})
    for _ in range(3):
        client.answered_at[VIEWS] = int(silence.now)
        assert await subscriber.settle_places() == {"views"}
        silence.now += SILENT_SECONDS - 1
    subscriber.hold(())
    client.answered_at[VIEWS] = int(silence.now)
    assert await subscriber.settle_places() == {"views"}, "it has as long as any to answer from now on"


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
    async with asyncio.timeout(1):
        await ended.wait()
