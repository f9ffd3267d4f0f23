"""The broker port over aiokafka: the only place that knows this client.

Readers use `assign` and `seek`: the group protocol is where silent stalls were reported, and a group takes
seconds to join. Offsets are committed by a connection of its own, which may fail without any harm.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import KafkaError

from shared.kafka.port import BrokerAwayError, InRecord, OutRecord, Place

log = structlog.get_logger()

CONNECT_SECONDS = 10.0
REQUEST_SECONDS = 10.0
STOP_SECONDS = 3.0
SILENT_SECONDS = 5.0
RECORD_BYTES_MAX = 1_000_000
TOPIC_EXISTS = 36


class KafkaBroker:
    """A broker at an address, spoken to by aiokafka. Connections are opened when they are first needed."""

    def __init__(self, bootstrap_servers: str, client: str, replicas: int = 1) -> None:
        self._bootstrap = bootstrap_servers
        self._replicas = replicas
        self._client = client
        self._admin: Any = None
        self._admin_turn = asyncio.Lock()
        self._reporters: dict[str, Any] = {}

    @asynccontextmanager
    async def producer(self) -> AsyncIterator["KafkaProducer"]:
        client = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client,
            acks="all",
            linger_ms=2,
            max_batch_size=256 * 1024,
            max_request_size=RECORD_BYTES_MAX + 48_576,
            request_timeout_ms=int(REQUEST_SECONDS * 1000),
        )
        async with _opened(client):
            yield KafkaProducer(client)

    @asynccontextmanager
    async def subscriber(self, places: Mapping[Place, int]) -> AsyncIterator["KafkaSubscriber"]:
        client = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=250,
            max_partition_fetch_bytes=4 * RECORD_BYTES_MAX,
            request_timeout_ms=int(REQUEST_SECONDS * 1000),
            metadata_max_age_ms=5_000,
        )
        async with _opened(client):
            wanted = {TopicPartition(*place): offset for place, offset in places.items()}
            client.assign(list(wanted))
            for partition, offset in wanted.items():
                client.seek(partition, offset)
            yield KafkaSubscriber(client)

    async def ensure_topics(self, topics: Iterable[str], partitions: int) -> None:
        with _translated():
            async with self._admin_turn:
                try:
                    async with asyncio.timeout(CONNECT_SECONDS + REQUEST_SECONDS):
                        await self._ensure_topics(list(topics), partitions)
                except BaseException:
                    await self._drop_admin()  # it may remember brokers that are gone
                    raise

    async def _ensure_topics(self, topics: Sequence[str], partitions: int) -> None:
        admin = await self._connected_admin()
        present = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
        missing = [topic for topic in topics if topic not in present]
        if missing:
            await self._create(admin, missing, partitions)
        # A broker that creates topics by itself, when somebody asks for one, knows nothing of our number.
        narrow = {topic for topic in topics if present.get(topic, partitions) < partitions}
        if narrow:
            await admin.create_partitions({topic: NewPartitions(partitions) for topic in narrow})

    async def _create(self, admin: Any, topics: Sequence[str], partitions: int) -> None:
        wanted = [NewTopic(topic, num_partitions=partitions, replication_factor=self._replicas) for topic in topics]
        answer = await admin.create_topics(wanted)
        refused = [error for error in answer.topic_errors if error[1] not in (0, TOPIC_EXISTS)]
        if refused:
            raise BrokerAwayError(f"topics were not created: {refused}")

    async def _connected_admin(self) -> Any:
        if self._admin is None:
            admin = AIOKafkaAdminClient(
                bootstrap_servers=self._bootstrap,
                client_id=self._client,
                request_timeout_ms=int(REQUEST_SECONDS * 1000),
            )
            self._admin = admin
            await admin.start()
        return self._admin

    async def _drop_admin(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            await _stopped(admin.close())

    async def report(self, group: str, offsets: Mapping[Place, int]) -> None:
        with _translated():
            reporter = self._reporters.get(group)
            try:
                if reporter is None:
                    reporter = await self._new_reporter(group)
                places = {TopicPartition(*place): offset for place, offset in offsets.items()}
                reporter.assign(list(places))
                async with asyncio.timeout(REQUEST_SECONDS):
                    await reporter.commit(places)
            except BaseException:
                self._reporters.pop(group, None)
                if reporter is not None:
                    await _stopped(reporter.stop())
                raise

    async def _new_reporter(self, group: str) -> AIOKafkaConsumer:
        reporter = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, client_id=self._client, group_id=group, enable_auto_commit=False
        )
        await _start(reporter)
        self._reporters[group] = reporter
        return reporter

    async def close(self) -> None:
        for reporter in self._reporters.values():
            await _stopped(reporter.stop())
        self._reporters.clear()
        await self._drop_admin()


class KafkaProducer:
    """Sends with acks=all. Not idempotent: numbers make a repeat harmless, and not every broker can do it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def send(self, records: Sequence[OutRecord]) -> None:
        with _translated():
            async with asyncio.timeout(2 * REQUEST_SECONDS):
                acknowledged = [
                    await self._client.send(
                        record.topic,
                        value=record.value,
                        key=record.key,
                        partition=record.partition,
                        headers=list(record.headers),
                    )
                    for record in records
                ]
                await asyncio.gather(*acknowledged)


class KafkaSubscriber:
    """Reads assigned partitions.

    How far the broker goes is taken from its answers to fetches: asked for its latest offset, the embedded broker
    gives the start of its last batch.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._answered: dict[TopicPartition, int | None] = {}
        self._alive_at: dict[TopicPartition, float] = {}

    async def poll(self, timeout_seconds: float, records_max: int) -> list[InRecord]:
        with _translated():
            polled = await self._client.getmany(timeout_ms=int(timeout_seconds * 1000), max_records=records_max)
        self._alive_at.update(dict.fromkeys(polled, time.monotonic()))
        return [
            InRecord(record.topic, record.partition, record.offset, record.value or b"", tuple(record.headers))
            for records in polled.values()
            for record in records
        ]

    def hold(self, topics: Collection[str]) -> None:
        held = {partition for partition in self._client.assignment() if partition.topic in topics}
        before = self._client.paused()
        self._client.pause(*(held - before))
        self._client.resume(*(before - held))

    async def settle_places(self) -> frozenset[str]:
        partitions = list(self._client.assignment())
        with _translated():
            async with asyncio.timeout(SILENT_SECONDS):
                unpolled = {partition.topic for partition in partitions if not await self._is_polled(partition)}
        return frozenset(partition.topic for partition in partitions) - unpolled

    async def _is_polled(self, partition: TopicPartition) -> bool:
        """Say whether all records of a partition were polled; move a place that lies beyond the broker's end."""
        place, end = await self._client.position(partition), self._client.highwater(partition)
        if end is not None and place > end:
            self._client.seek(partition, 0)
            return False
        is_polled = bool(place == end)
        self._check_alive(partition, is_polled=is_polled)
        return is_polled

    def _check_alive(self, partition: TopicPartition, *, is_polled: bool) -> None:
        """Raise BrokerAwayError when the broker no longer answers, or answers without the records that it has."""
        now, answered = time.monotonic(), self._client.last_poll_timestamp(partition)
        if partition in self._client.paused():  # It is not asked for.
            self._alive_at[partition] = now
        if is_polled and answered != self._answered.get(partition):
            self._alive_at[partition] = now
        self._answered[partition] = answered
        if now - self._alive_at.setdefault(partition, now) > SILENT_SECONDS:
            raise BrokerAwayError(f"nothing was heard of {partition.topic}/{partition.partition} for too long")


@asynccontextmanager
async def _opened(client: Any) -> AsyncIterator[None]:
    with _translated():
        await _start(client)
    try:
        yield
    finally:
        await _stopped(client.stop())


async def _start(client: Any) -> None:
    """Start a client in the time allowed; cancelled in between it would leave a connection open, so it never is."""
    starting = asyncio.ensure_future(client.start())
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.shield(starting)
    except BaseException:
        await _stopped(_stop_once_started(client, starting))
        raise


async def _stop_once_started(client: Any, starting: "asyncio.Future[None]") -> None:
    await asyncio.wait({starting})
    await client.stop()
    starting.result()


_ending: set[asyncio.Future[None]] = set()


async def _stopped(stopping: Any) -> None:
    """Wait a little for a client to end; one that still waits for a broker that is gone ends by itself later."""
    ending = asyncio.ensure_future(stopping)
    _ending.add(ending)
    ending.add_done_callback(_ended)
    await asyncio.wait({ending}, timeout=STOP_SECONDS)


def _ended(ending: asyncio.Future[None]) -> None:
    _ending.discard(ending)
    if not ending.cancelled() and (error := ending.exception()) is not None:
        log.debug("kafka.client_ended_badly", reason=str(error))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (KafkaError, TimeoutError, OSError) as error:
        raise BrokerAwayError(f"{type(error).__name__}: {error}") from error
