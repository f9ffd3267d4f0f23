"""How soon a customer is found by telephone among a million: the till's question, asked over HTTP.

Nobody is asked for twice, so that no answer comes from a cache: profile asks ingest whose number it is, each time.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import orjson

from regulars.bench.bare import bare_server, fill_found
from regulars.bench.cpu import CpuSeconds, cpu_seconds, spent
from regulars.bench.crowd import Asked, fill
from regulars.bench.figures import Bare, Figure, Sense, Target
from regulars.bench.ingest import WrongCount
from regulars.bench.pace import Run, at_rate, connected, punctually
from regulars.bench.start import memory_after
from regulars.bench.temporary import Say, Temporary
from regulars.bench.wire import Request
from regulars.credentials import deployment_key_file, read_deployment_key
from regulars.state import POSTGRES
from shared.identity import BlindIndexKeys

CONNECTIONS = 8
WARM_UP = 200
BARE = "FastAPI and asyncpg: one row by its key among as many, the same answer, same rate"
LOOKUP_TARGET_MS = 5
ASKED = ("profile api", "ingest api", f"{POSTGRES} server")
"""Whom a look-up asks; what they do besides counts too, the less the higher the rate."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many customers there are, and how many of them are asked for at each rate."""

    customers: int = 1_000_000
    asked: int = 2_000
    per_second: tuple[float, ...] = (50.0, 200.0)

    def in_words(self) -> str:
        rates = " and at ".join(f"{rate:g}/s" for rate in self.per_second)
        return (
            f"{self.customers:,} customers with a telephone each, {self.asked:,} of them (with a card too) asked for"
            f" by telephone at {rates}, each once, over {CONNECTIONS} connections; all five services up"
        )


@dataclass(frozen=True, slots=True)
class _Runs:
    """The same number of questions at one rate: of ingest, of profile, and the bare ones."""

    per_second: float
    resolved: Run
    looked_up: Run
    bare: Run
    cpu: CpuSeconds
    """What the look-ups took of each process."""


def measure(deployment: Temporary, say: Say, sizes: Sizes | None = None) -> list[Figure]:
    """Measure on an empty deployment, which is left filled. Raises WrongCount, UnexpectedAnswer, NoAnswer."""
    sizes = sizes or Sizes()
    keys = BlindIndexKeys.from_deployment_key(read_deployment_key(deployment_key_file(deployment.folder)))
    # Of ingest and of profile, and at each rate, others are asked: ingest remembers a number that it read lately.
    count = 2 * len(sizes.per_second) * (WARM_UP + sizes.asked)
    people = [Asked.of(keys, number) for number in range(count)]
    say(f"filling ingest and profile with {sizes.customers:,} customers")
    began = time.monotonic()
    dsns = deployment.credentials.database
    asyncio.run(fill(dsns["ingest"], dsns["profile"], people, sizes.customers, say))
    fill_seconds = time.monotonic() - began
    say(f"filled in {fill_seconds:.0f} s")
    strangers = iter(people)
    with bare_server(dsns["profile"]) as bare_address:
        asyncio.run(fill_found(dsns["profile"], sizes.customers, _shown(deployment, next(strangers))))
        figures = []
        for per_second in sizes.per_second:
            say(f"asking {per_second:g} times a second")
            runs = punctually(_asked(deployment, bare_address, strangers, sizes.asked, per_second))
            figures += _figures(runs)
    return [*figures, Figure("filling the databases", fill_seconds, "s"), *memory_after(deployment, "profile")]


def _shown(deployment: Temporary, one: Asked) -> str:
    """Return what a customer's answer looks like: the bare one is to be as long."""

    async def asked() -> str:
        async with connected(deployment.address("profile"), deployment.headers, 1) as opened:
            return (await opened.ask(_look_up(one))).checked().body.decode()

    return asyncio.run(asked())


async def _asked(
    deployment: Temporary, bare_address: str, strangers: Iterator[Asked], count: int, per_second: float
) -> _Runs:
    of_ingest, of_profile = [list(islice(strangers, WARM_UP + count)) for _ in range(2)]
    bare = await _run(bare_address, {}, [_bare(number) for number in range(1, WARM_UP + count + 1)], per_second)
    headers = deployment.headers
    resolved = await _run(deployment.address("ingest"), headers, [_resolve(one) for one in of_ingest], per_second)
    before = cpu_seconds(deployment)
    looked_up = await _run(deployment.address("profile"), headers, [_look_up(one) for one in of_profile], per_second)
    cpu = spent(before, cpu_seconds(deployment))
    _check(resolved, of_ingest[WARM_UP:])
    _check(looked_up, of_profile[WARM_UP:])
    return _Runs(per_second, resolved, looked_up, bare, {name: used / len(of_profile) for name, used in cpu.items()})


def _bare(number: int) -> Request:
    return Request("POST", "/found", orjson.dumps({"key": f"key-{number}"}))


def _resolve(one: Asked) -> Request:
    return Request("POST", "/v1/subjects:resolve", _identifier(one))


def _look_up(one: Asked) -> Request:
    return Request("POST", "/v1/customers:lookup", _identifier(one))


def _identifier(one: Asked) -> bytes:
    return orjson.dumps({"namespace": "phone", "value": one.phone})


async def _run(address: str, headers: Mapping[str, str], requests: Sequence[Request], per_second: float) -> Run:
    """Ask some to warm up, then the others, whose times count."""
    async with connected(address, headers, CONNECTIONS) as opened:
        await at_rate(opened, requests[:WARM_UP], per_second)
        return (await at_rate(opened, requests[WARM_UP:], per_second)).checked()


def _check(run: Run, people: Sequence[Asked]) -> None:
    """Raise WrongCount unless each answer is about whom was asked for: each is the customer of their own phone."""
    for one, answer in zip(people, run.answers, strict=True):
        found = answer.json()["customer_id"]
        if found != str(one.subject_id):
            raise WrongCount(f"{one.subject_id} was asked for, {found} was found")


def _figures(runs: _Runs) -> list[Figure]:
    at = f"at {runs.per_second:g}/s"
    return [
        *_spread(f"look-up by phone (profile) {at}", runs.looked_up, runs.bare),
        *_spread(f"whose phone it is (ingest) {at}", runs.resolved, runs.bare),
        Figure(
            f"processor time a look-up {at}",
            1000 * sum(runs.cpu[name] for name in ASKED),
            "ms",
            note=", ".join(f"{name} {1000 * runs.cpu[name]:.2f}" for name in ASKED),
        ),
    ]


def _spread(what: str, run: Run, bare_run: Run) -> list[Figure]:
    asked, bare = run.spread, bare_run.spread
    return [
        Figure(f"{what}, p50", asked.p50_ms, "ms", bare=Bare(BARE, bare.p50_ms)),
        Figure(f"{what}, p95", asked.p95_ms, "ms", bare=Bare(BARE, bare.p95_ms)),
        Figure(f"{what}, p99", asked.p99_ms, "ms", Target(Sense.AT_MOST, LOOKUP_TARGET_MS), Bare(BARE, bare.p99_ms)),
    ]
