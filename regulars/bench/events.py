"""How fast ingest alone takes events of web shops and apps, refuses repeats, and numbers and publishes.

Client, service and database share the machine's cores; nobody consumes. The worker runs only where it is measured.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from regulars.bench.alone import Alone
from regulars.bench.bare import bare_server
from regulars.bench.figures import Bare, Figure, Sense, Target
from regulars.bench.ingest import WrongCount
from regulars.bench.pace import Run, at_rate, connected, connected_to_each, flat_out
from regulars.bench.shoppers import Shoppers, write_key_headers
from regulars.bench.temporary import Say
from regulars.bench.wire import Request
from shared.clock import SystemClock

BARE = "FastAPI + asyncpg: the same bodies parsed, stored raw under a unique key"
PUBLISHED_SECONDS = 120.0
POLL_SECONDS = 0.05
ALL_PUBLISHED = (
    "SELECT NOT EXISTS (SELECT FROM unnumbered) AND"
    " (SELECT coalesce(sum(last), 0) FROM (SELECT max(seq) AS last FROM numbered GROUP BY topic, partition) lines)"
    " = (SELECT coalesce(sum(published_seq), 0) FROM watermarks)"
)
"""Every number of every line lies under its watermark."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is sent. `repeats` are the first of `batched`, sent again."""

    batched: int = 40_000
    batch: int = 100
    repeats: int = 20_000
    singles: int = 8_000
    customers: int = 2_000
    connections: int = 32
    many_connections: int = 256
    paced_per_second: float = 500.0
    paced_seconds: float = 10.0

    def in_words(self) -> str:
        return (
            f"ingest alone: {self.batched:,} product views of {self.customers:,} customers in batches of"
            f" {self.batch}, {self.repeats:,} of them again, then {self.singles:,} one a request, over"
            f" {self.connections} connections ({self.many_connections} where it says so)"
        )


@dataclass(frozen=True, slots=True)
class Bodies:
    """What is sent in each part, built before the clock runs."""

    batched: Sequence[Request]
    again: Sequence[Request]
    batched_by_two: Sequence[Request]
    alone: Sequence[Request]
    alone_of_many: Sequence[Request]
    alone_by_two: Sequence[Request]
    paced: Sequence[Request]


def measure(alone: Alone, say: Say, sizes: Sizes | None = None) -> list[Figure]:
    """Measure on an empty ingest, which is left filled. Raises WrongCount, UnexpectedAnswer, NoAnswer."""
    sizes = sizes or Sizes()
    shoppers = Shoppers(SystemClock().now(), sizes.customers)
    bodies = _bodies(shoppers, sizes)
    _send(alone.addresses, alone, _batches(shoppers.messages(sizes.customers * 2), sizes.batch), 4)
    say("events in batches, then again, then one a request")
    runs = _accepted(alone, bodies, sizes)
    say("now the bare application takes the same bodies")
    bare = _bare(alone, bodies, sizes)
    say("numbering and publishing what was accepted")
    published = _published_per_second(alone)
    return [*_batch_figures(runs, bare, sizes), *_single_figures(runs, bare, sizes), _published(published)]


def _bodies(shoppers: Shoppers, sizes: Sizes) -> Bodies:
    batched = _batches(shoppers.messages(sizes.batched), sizes.batch)
    return Bodies(
        batched,
        batched[: sizes.repeats // sizes.batch],
        _batches(shoppers.messages(sizes.batched), sizes.batch),
        _singles(shoppers.messages(sizes.singles)),
        _singles(shoppers.messages(sizes.singles)),
        _singles(shoppers.messages(sizes.singles)),
        _singles(shoppers.messages(round(sizes.paced_per_second * sizes.paced_seconds))),
    )


def _batches(messages: Sequence[Mapping[str, Any]], size: int) -> list[Request]:
    return [
        Request("POST", "/v1/batch", orjson.dumps({"batch": messages[start : start + size]}))
        for start in range(0, len(messages), size)
    ]


def _singles(messages: Sequence[Mapping[str, Any]]) -> list[Request]:
    return [Request("POST", "/v1/track", orjson.dumps(message)) for message in messages]


def _accepted(alone: Alone, bodies: Bodies, sizes: Sizes) -> dict[str, Run]:
    one, two = alone.addresses[:1], alone.addresses
    runs = {
        "batched": _send(one, alone, bodies.batched, sizes.connections),
        "again": _send(one, alone, bodies.again, sizes.connections),
        "batched by two": _send(two, alone, bodies.batched_by_two, sizes.connections),
        "alone": _send(one, alone, bodies.alone, sizes.connections),
        "alone of many": _send(one, alone, bodies.alone_of_many, sizes.many_connections),
        "alone of many by two": _send(two, alone, bodies.alone_by_two, sizes.many_connections),
        "paced": _paced(one[0], alone, bodies.paced, sizes),
    }
    for name, run in runs.items():
        _count(run, "repeat" if name == "again" else "accepted")
    return runs


def _count(run: Run, status: str) -> None:
    """Raise WrongCount unless every item was answered so."""
    found = Counter(result["status"] for answer in run.checked().answers for result in answer.json()["results"])
    if found.keys() != {status}:
        raise WrongCount(f"every item should have been answered {status!r}; the answers were {dict(found)}")


def _send(addresses: Sequence[str], alone: Alone, requests: Sequence[Request], connections: int) -> Run:
    async def sent() -> Run:
        async with connected_to_each(
            addresses, write_key_headers(alone.secrets.write_keys["server"]), connections
        ) as opened:
            return await flat_out(opened, requests)

    return asyncio.run(sent())


def _paced(address: str, alone: Alone, requests: Sequence[Request], sizes: Sizes) -> Run:
    async def sent() -> Run:
        async with connected(
            address, write_key_headers(alone.secrets.write_keys["server"]), sizes.connections
        ) as opened:
            return await at_rate(opened, requests, sizes.paced_per_second)

    return asyncio.run(sent())


def _bare(alone: Alone, bodies: Bodies, sizes: Sizes) -> dict[str, Run]:
    """Return what the bare application did with each part."""
    parts = {
        "batched": (bodies.batched, sizes.connections),
        "again": (bodies.again, sizes.connections),
        "alone": (bodies.alone, sizes.connections),
        "alone of many": (bodies.alone_of_many, sizes.many_connections),
    }
    with bare_server(alone.dsn) as address:
        runs = {
            name: _send([address], alone, _raw(requests), connections)
            for name, (requests, connections) in parts.items()
        }
        runs["paced"] = _paced(address, alone, _raw(bodies.paced), sizes)
    return {name: run.checked() for name, run in runs.items()}


def _raw(requests: Sequence[Request]) -> list[Request]:
    return [Request("POST", "/raw", request.body) for request in requests]


def _published_per_second(alone: Alone) -> float:
    """Start the worker on what waits; return how many events a second it numbers and publishes from the first on."""

    async def watch() -> tuple[int, float]:
        connection = await asyncpg.connect(alone.dsn)
        try:
            waiting = await connection.fetchval("SELECT count(*) FROM unnumbered")
            with alone.working():
                async with asyncio.timeout(PUBLISHED_SECONDS):
                    await _until(connection, "SELECT EXISTS (SELECT FROM numbered)")
                    began = time.perf_counter()
                    await _until(connection, ALL_PUBLISHED)
            return waiting, time.perf_counter() - began
        finally:
            await connection.close()

    waiting, seconds = asyncio.run(watch())
    return waiting / seconds


async def _until(connection: "asyncpg.Connection[asyncpg.Record]", question: str) -> None:
    """Ask until the answer is true."""
    while not await connection.fetchval(question):  # noqa: ASYNC110 (the database is asked, not this process)
        await asyncio.sleep(POLL_SECONDS)


def _batch_figures(runs: Mapping[str, Run], bare: Mapping[str, Run], sizes: Sizes) -> Iterator[Figure]:
    unit = "events/s"
    by_one = runs["batched"].per_second * sizes.batch
    by_two = runs["batched by two"].per_second * sizes.batch
    limit = Bare(BARE, bare["batched"].per_second * sizes.batch)
    yield Figure("events accepted, in batches", by_one, unit, Target(Sense.AT_LEAST, 15_000), limit)
    yield Figure("events accepted, in batches, by two API processes", by_two, unit, bare=limit)
    again = runs["again"].per_second * sizes.batch
    limit = Bare(BARE, bare["again"].per_second * sizes.batch)
    yield Figure("repeats refused, in batches", again, unit, Target(Sense.AT_LEAST, 10_000), limit)


def _single_figures(runs: Mapping[str, Run], bare: Mapping[str, Run], sizes: Sizes) -> Iterator[Figure]:
    few, many = Bare(BARE, bare["alone"].per_second), Bare(BARE, bare["alone of many"].per_second)
    at_few = f"events accepted, one a request, {sizes.connections} connections"
    at_many = f"events accepted, one a request, {sizes.many_connections} connections"
    by_two = runs["alone of many by two"].per_second
    yield Figure(at_few, runs["alone"].per_second, "events/s", Target(Sense.AT_LEAST, 2_000), few)
    yield Figure(at_many, runs["alone of many"].per_second, "events/s", Target(Sense.AT_LEAST, 3_000), many)
    yield Figure(f"{at_many}, by two API processes", by_two, "events/s", bare=many)
    at = f"at {sizes.paced_per_second:g}/s offered"
    ours, its = runs["paced"].spread, bare["paced"].spread
    yield Figure(f"due → acknowledged {at}, p50", ours.p50_ms, "ms", Target(Sense.AT_MOST, 5), Bare(BARE, its.p50_ms))
    yield Figure(
        f"due → acknowledged {at}, p99", ours.p99_ms, "ms", Target(Sense.AT_MOST, 25), Bare(BARE, its.p99_ms)
    )


def _published(per_second: float) -> Figure:
    return Figure("numbered and published by one leader", per_second, "events/s", Target(Sense.AT_LEAST, 10_000))
