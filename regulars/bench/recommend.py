"""How quickly recommend answers over HTTP with a whole chain's year in it: one API process on one core.

Open loop for what is ranked at the request: a request starts at its time, whether earlier ones were answered or not,
and its latency counts from that time. Closed loop for what was made before.
"""

import asyncio
import os
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from uuid import UUID

import orjson

from regulars.bench.figures import Bare, Figure, Sense, Spread, Target
from regulars.bench.history import load_year
from regulars.bench.lists import Contents, Shopping
from regulars.bench.pace import Connections, Run, at_rate, connected, flat_out, punctually
from regulars.bench.receipts import Tills, cards
from regulars.bench.start import memory_after
from regulars.bench.temporary import Say, Temporary
from regulars.bench.visible import Doors, Sending, Visible, acknowledged_to_visible
from regulars.bench.wire import Request
from regulars.credentials import deployment_key_file, read_deployment_key
from regulars.errors import RegularsError
from regulars.training import train
from shared.clock import SystemClock
from shared.identity import BlindIndexKeys, normalise, subject_id_for

CONNECTIONS = 8
WARM_UP = 100
READ_SECONDS = 120.0
POLL_SECONDS = 0.5
MADE_BEFORE_TARGET_MS = 8
LINES = 3
OWN = frozenset({"ranked", "own_products"})


class NeverRead(RegularsError):
    """The API process had not read the customers and the trained version into memory within two minutes."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many households (None: all), how many lists of each kind, and how many receipts are followed."""

    households: int | None = None
    ranked: int = 1_000
    per_second: float = 50.0
    made_before: int = 3_000
    offered: int = 1_500
    offered_per_second: float = 300.0
    unchanged: int = 200
    followed: int = 100
    receipts_per_second: float = 10.0

    def in_words(self) -> str:
        who = "all households" if self.households is None else f"{self.households} households"
        return (
            f"a year of {who} of Complete Journey, sent through ingest and trained on; {self.ranked:,} lists at"
            f" {self.per_second:g}/s (open loop, each household once), {self.made_before:,} of each kind over"
            f" {CONNECTIONS} connections (closed loop) and {self.offered:,} at {self.offered_per_second:g}/s (open"
            f" loop); the API process on one core, the clients on the others"
        )


@dataclass(frozen=True, slots=True)
class _Timed:
    """What was asked, the run, and the processor time that the API process took of it.

    `offered` is another run of the kind, at a rate that does not wait for answers.
    """

    what: str
    run: Run
    cpu_ms: float
    offered: Run | None = None


def measure(deployment: Temporary, say: Say, sizes: Sizes | None = None) -> list[Figure]:
    """Measure on an empty deployment, which is left filled. Raises RegularsError."""
    sizes = sizes or Sizes()
    shopping = Shopping.of(load_year(deployment, sizes.households, say).lines)
    began = time.monotonic()
    train(deployment.folder, "recommend", say)
    training_seconds = time.monotonic() - began
    peak_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
    api = _pinned(deployment)
    say("waiting until the API process has read the customers")
    remembered = asyncio.run(_read_up(deployment, len(shopping.cards)))
    timed = punctually(_ranked(deployment, api, shopping, sizes, say))
    made = punctually(_made_before(deployment, api, shopping, sizes, say))
    say("following receipts into lists")
    visible = _followed(deployment, sizes, shopping.products())
    return [
        *_ranked_figures(timed),
        *(figure for each in made for figure in _made_figures(each)),
        *_visible_figures(visible),
        Figure("training", training_seconds, "s", Target(Sense.AT_MOST, 600), note="the gate included"),
        Figure("training, peak memory", peak_gb, "GB", Target(Sense.AT_MOST, 3), note="of the largest child so far"),
        *_memory(deployment, remembered),
    ]


def _pinned(deployment: Temporary) -> int:
    """Keep the API process on the first core and everything here off it; return its pid."""
    api = next(each for each in deployment.processes() if (each.service, each.role) == ("recommend", "api"))
    assert api.pid is not None
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        for thread in Path(f"/proc/{api.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {cores[0]})
        os.sched_setaffinity(0, set(cores[1:]))
    return api.pid


async def _read_up(deployment: Temporary, customers: int) -> int:
    """Wait until all are in memory, or no more come, and the trained version answers; return how many are.

    Raises NeverRead.
    """
    async with connected(deployment.address("recommend"), deployment.headers, 1) as opened:
        give_up_at, before = time.monotonic() + READ_SECONDS, -1
        while time.monotonic() < give_up_at:
            found = await _metric(opened, "recommend_customers_remembered")
            if (found >= customers or 0 < found == before) and await _is_served(opened):
                return found
            before = found
            await asyncio.sleep(4 * POLL_SECONDS)
    raise NeverRead(
        f"after {READ_SECONDS:.0f} s the trained version did not answer yet, or customers still came: {before} of"
        f" {customers} were in memory"
    )


async def _is_served(opened: Connections) -> bool:
    """Say whether the version that was trained answers."""
    found = (await opened.ask(Request("GET", "/v1/models"))).checked().json()
    return any(each["in_use"] and each["version"] == found["serving"] for each in found["models"])


async def _metric(opened: Connections, name: str) -> int:
    answer = (await opened.ask(Request("GET", "/metrics"))).checked().body.decode()
    line = next(line for line in answer.splitlines() if line.startswith(f"{name} "))
    return round(float(line.rpartition(" ")[2]))


async def _ranked(deployment: Temporary, api: int, shopping: Shopping, sizes: Sizes, say: Say) -> list[_Timed]:
    """Ask for lists that nobody asked for before, then for the same ones again, and for what costs nothing."""
    count = min(sizes.ranked, len(shopping.cards))
    health = [Request("GET", "/health/live")] * (count // 4)
    asked = (
        ("for-you, ranked at the request", shopping.for_you(count)),
        ("for-you, the same again", shopping.for_you(count)),
        ("basket, ranked at the request", shopping.basket(count)),
        ("/health/live", health),
    )
    timed = []
    async with connected(deployment.address("recommend"), deployment.headers, 4 * CONNECTIONS) as opened:
        await flat_out(opened, shopping.trending(WARM_UP))
        for what, requests in asked:
            say(f"asking {sizes.per_second:g} times a second: {what}")
            before = _cpu_seconds(api)
            run = await at_rate(opened, requests, sizes.per_second)
            timed.append(_Timed(what, run, 1000 * (_cpu_seconds(api) - before) / len(requests)))
    return timed


async def _made_before(deployment: Temporary, api: int, shopping: Shopping, sizes: Sizes, say: Say) -> list[_Timed]:
    many, some = sizes.made_before, sizes.offered
    asked = (
        ("similar", shopping.similar(many), shopping.similar(some, place=1)),
        ("trending in a store", shopping.trending(many), shopping.trending(some)),
        (
            "for-you of unchanged customers",
            shopping.unchanged(many, sizes.unchanged),
            shopping.unchanged(some, sizes.unchanged),
        ),
    )
    timed = []
    async with (
        connected(deployment.address("recommend"), deployment.headers, CONNECTIONS) as opened,
        connected(deployment.address("recommend"), deployment.headers, 4 * CONNECTIONS) as punctual,
    ):
        for what, requests, offered in asked:
            say(f"asking over {CONNECTIONS} connections, then {sizes.offered_per_second:g} times a second: {what}")
            await flat_out(opened, requests[: sizes.unchanged])
            before = _cpu_seconds(api)
            run = (await flat_out(opened, requests)).checked()
            cpu_ms = 1000 * (_cpu_seconds(api) - before) / len(requests)
            at_a_rate = (await at_rate(punctual, offered, sizes.offered_per_second)).checked()
            timed.append(_Timed(what, run, cpu_ms, at_a_rate))
    return timed


def _cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has taken, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _followed(deployment: Temporary, sizes: Sizes, products: Sequence[str]) -> Visible:
    """Send second receipts of people who have one, and ask for each one's list until it holds what was bought.

    `products` are known to the catalogue, and enough that nobody buys one twice.
    """
    tills, sold = Tills(SystemClock().now(), lines=LINES), cycle(products)
    holders = cards(sizes.followed)
    ids = _customer_ids(deployment, holders)
    doors = Doors(
        deployment.address("ingest"), deployment.address("recommend"), deployment.headers, deployment.headers
    )

    def sending(card: str) -> Sending:
        receipt = tills.receipt(card)
        for line in receipt["lines"]:
            line["product_id"] = next(sold)
        return Sending(Request("POST", "/v1/receipts", orjson.dumps(receipt)), ids[card])

    def sent() -> Visible:
        sendings = [sending(card) for card in holders]
        return asyncio.run(acknowledged_to_visible(doors, _own_products_of, sendings, sizes.receipts_per_second))

    sent()
    return sent()


async def _own_products_of(askers: Connections, customer_id: UUID) -> int:
    """Return how many products on a customer's list are there because they bought them."""
    body = {"customer_id": str(customer_id), "limit": 20, "include": []}
    answer = await askers.ask(Request("POST", "/v1/recommendations/buy-again", orjson.dumps(body)))
    return sum(item["source"] in OWN for item in answer.checked().json()["items"])


def _customer_ids(deployment: Temporary, holders: Sequence[str]) -> Mapping[str, UUID]:
    keys = BlindIndexKeys.from_deployment_key(read_deployment_key(deployment_key_file(deployment.folder)))
    space = "loyalty_card"
    return {card: subject_id_for(space, keys.blind_index(space, normalise(space, card))) for card in holders}


def _ranked_figures(timed: Sequence[_Timed]) -> list[Figure]:
    bare = timed[-1].run.spread
    figures = []
    for each in timed[:-1]:
        figures += _spread(each, bare)
    contents = [Contents.of(each.run) for each in timed[:-1]]
    missing = sum(found.failed + found.empty for found in contents)
    return [*figures, Figure("lists that failed or were empty", missing, "", Target(Sense.AT_MOST, 0))]


def _spread(timed: _Timed, bare: Spread) -> list[Figure]:
    found, what = timed.run.spread, timed.what
    note = Contents.of(timed.run).in_words(found.count)
    live = "/health/live at the same rate"
    return [
        Figure(f"{what}, p50", found.p50_ms, "ms", Target(Sense.AT_MOST, 8), Bare(live, bare.p50_ms), note),
        Figure(f"{what}, p95", found.p95_ms, "ms", Target(Sense.AT_MOST, 15), Bare(live, bare.p95_ms)),
        Figure(f"{what}, p99", found.p99_ms, "ms", Target(Sense.AT_MOST, 25), Bare(live, bare.p99_ms)),
        Figure(f"{what}, processor time of the API", timed.cpu_ms, "ms"),
    ]


def _made_figures(timed: _Timed) -> list[Figure]:
    found, what = timed.run.spread, timed.what
    assert timed.offered is not None
    offered = timed.offered.spread
    rate = f"{what}, at {round(timed.offered.per_second)}/s"
    return [
        Figure(f"{what}, a second", timed.run.per_second, "1/s", Target(Sense.AT_LEAST, 300)),
        Figure(f"{rate}, p50", offered.p50_ms, "ms"),
        Figure(f"{rate}, p99", offered.p99_ms, "ms", Target(Sense.AT_MOST, MADE_BEFORE_TARGET_MS)),
        Figure(f"{what}, p99 of the closed loop", found.p99_ms, "ms", note=f"{CONNECTIONS} ask without a pause"),
        Figure(f"{what}, processor time of the API", timed.cpu_ms, "ms"),
    ]


def _visible_figures(visible: Visible) -> list[Figure]:
    seen, label = Spread.of(visible.seen_ms), "receipt acknowledged → in the list"
    return [
        Figure(f"{label}, p50", seen.p50_ms / 1000, "s", note=f"{seen.count} followed, asked for every 25 ms"),
        Figure(f"{label}, p99", seen.p99_ms / 1000, "s", Target(Sense.AT_MOST, 2.0)),
    ]


def _memory(deployment: Temporary, remembered: int) -> list[Figure]:
    figures = []
    for figure in memory_after(deployment, "recommend"):
        target = Target(Sense.AT_MOST, 1_500) if " api," in figure.name else None
        note = f"{remembered:,} customers in memory" if target else ""
        figures.append(Figure(figure.name, figure.value, figure.unit, target, note=note))
    return figures
