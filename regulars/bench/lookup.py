"""How soon a customer is found by telephone among a million: the till's question, asked over HTTP.

Nobody is asked for twice, so that no answer comes from a cache: profile asks ingest whose number it is, each time.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from regulars.bench.crowd import Asked, fill
from regulars.bench.figures import Bare, Figure, Sense, Target
from regulars.bench.ingest import WrongCount
from regulars.bench.pace import Run, at_rate, connected
from regulars.bench.start import memory_after
from regulars.bench.temporary import Say, Temporary
from regulars.bench.wire import Request
from regulars.credentials import deployment_key_file, read_deployment_key
from shared.identity import BlindIndexKeys

CONNECTIONS = 8
WARM_UP = 200
BARE = "/health/live of profile at the same rate"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many customers there are, and how many of them are asked for, at which rate."""

    customers: int = 1_000_000
    asked: int = 2_000
    per_second: float = 50.0

    def in_words(self) -> str:
        return (
            f"{self.customers:,} customers with a telephone each, {self.asked:,} of them (with a card too) asked for"
            f" by telephone, each once, at {self.per_second:g}/s over {CONNECTIONS} connections; all five services up"
        )


@dataclass(frozen=True, slots=True)
class _Runs:
    resolved: Run
    looked_up: Run
    live: Run


def measure(deployment: Temporary, say: Say, sizes: Sizes | None = None) -> list[Figure]:
    """Measure on an empty deployment, which is left filled. Raises WrongCount, UnexpectedAnswer, NoAnswer."""
    sizes = sizes or Sizes()
    keys = BlindIndexKeys.from_deployment_key(read_deployment_key(deployment_key_file(deployment.folder)))
    # Of ingest and of profile others are asked: ingest remembers a number that it read lately.
    people = [Asked.of(keys, number) for number in range(2 * (WARM_UP + sizes.asked))]
    say(f"filling ingest and profile with {sizes.customers:,} customers")
    began = time.monotonic()
    dsns = deployment.credentials.database
    asyncio.run(fill(dsns["ingest"], dsns["profile"], people, sizes.customers, say))
    fill_seconds = time.monotonic() - began
    say(f"filled in {fill_seconds:.0f} s; asking {sizes.per_second:g} times a second")
    runs = asyncio.run(_asked(deployment, people, sizes))
    return [
        *_figures("look-up by phone (profile)", runs.looked_up, runs.live),
        *_figures("whose phone it is (ingest)", runs.resolved, runs.live),
        Figure("filling the databases", fill_seconds, "s"),
        *memory_after(deployment, "profile"),
    ]


async def _asked(deployment: Temporary, people: Sequence[Asked], sizes: Sizes) -> _Runs:
    half = len(people) // 2
    resolved = await _run(deployment, "ingest", [_resolve(one) for one in people[:half]], sizes)
    looked_up = await _run(deployment, "profile", [_look_up(one) for one in people[half:]], sizes)
    live = await _run(deployment, "profile", [Request("GET", "/health/live")] * half, sizes)
    _check(resolved, people[WARM_UP:half])
    _check(looked_up, people[half + WARM_UP :])
    return _Runs(resolved, looked_up, live)


def _resolve(one: Asked) -> Request:
    return Request("POST", "/v1/subjects:resolve", _identifier(one))


def _look_up(one: Asked) -> Request:
    return Request("POST", "/v1/customers:lookup", _identifier(one))


def _identifier(one: Asked) -> bytes:
    return orjson.dumps({"namespace": "phone", "value": one.phone})


async def _run(deployment: Temporary, service: str, requests: Sequence[Request], sizes: Sizes) -> Run:
    """Ask some to warm up, then the others, whose times count."""
    async with connected(deployment.address(service), deployment.headers, CONNECTIONS) as opened:
        await at_rate(opened, requests[:WARM_UP], sizes.per_second)
        return (await at_rate(opened, requests[WARM_UP:], sizes.per_second)).checked()


def _check(run: Run, people: Sequence[Asked]) -> None:
    """Raise WrongCount unless each answer is about whom was asked for: each is the customer of their own phone."""
    for one, answer in zip(people, run.answers, strict=True):
        found = answer.json()["customer_id"]
        if found != str(one.subject_id):
            raise WrongCount(f"{one.subject_id} was asked for, {found} was found")


def _figures(what: str, run: Run, live: Run) -> list[Figure]:
    asked, bare = run.spread, live.spread
    return [
        Figure(f"{what}, p50", asked.p50_ms, "ms", bare=Bare(BARE, bare.p50_ms)),
        Figure(f"{what}, p95", asked.p95_ms, "ms", bare=Bare(BARE, bare.p95_ms)),
        Figure(f"{what}, p99", asked.p99_ms, "ms", Target(Sense.AT_MOST, 5), Bare(BARE, bare.p99_ms)),
    ]
