"""How fast ingest accepts receipts and refuses repeats, and how soon what it acknowledged can be read elsewhere.

Everything runs while it is measured: the four other services consume what ingest accepts, on the same cores.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from regulars.bench.bare import bare_server
from regulars.bench.cpu import CpuSeconds, cpu_seconds, spent
from regulars.bench.figures import Bare, Figure, Sense, Spread, Target
from regulars.bench.freshness import FOLLOW_EVERY, FOLLOW_VIEWS_EVERY, figures, receipts_visible, views_visible
from regulars.bench.pace import Run, connected, flat_out
from regulars.bench.receipts import LINES, Tills, batches, cards, singles
from regulars.bench.temporary import Say, Temporary
from regulars.bench.wire import Request
from regulars.errors import RegularsError
from shared.clock import SystemClock

BARE = "FastAPI + asyncpg: the same bodies parsed, stored raw"


class WrongCount(RegularsError):
    """Not every item was answered as it should be: then a rate would mean nothing."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is sent; receipts have ten lines. `repeats` are the first of `receipts`, sent again."""

    receipts: int = 10_000
    batch: int = 100
    repeats: int = 5_000
    singles: int = 1_000
    customers: int = 1_000
    batch_connections: int = 4
    single_connections: int = 8
    visible_per_second: float = 100.0
    views_per_second: float = 500.0
    visible_seconds: float = 15.0

    def in_words(self) -> str:
        return (
            f"{self.receipts:,} receipts of {LINES} lines of {self.customers:,} cards, in batches of {self.batch}"
            f" over {self.batch_connections} connections; {self.repeats:,} of them again; {self.singles:,} more, one"
            f" a request over {self.single_connections} connections; then {self.visible_per_second:g} a second for"
            f" {self.visible_seconds:g} s, one in {FOLLOW_EVERY} followed; then {self.views_per_second:g} product"
            f" views a second, one in {FOLLOW_VIEWS_EVERY} followed; all five services at work"
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """Items a second: new ones in batches, the same again, and one a request (with their times)."""

    batched: float
    repeated: float
    single: float
    single_spread: Spread


@dataclass(frozen=True, slots=True)
class Bodies:
    """What is sent in each part, built before the clock runs."""

    fresh: Sequence[Request]
    again: Sequence[Request]
    alone: Sequence[Request]


def measure(deployment: Temporary, say: Say, sizes: Sizes | None = None) -> list[Figure]:
    """Measure on an empty deployment, which is left filled. Raises WrongCount, UnexpectedAnswer, NoAnswer."""
    sizes = sizes or Sizes()
    tills = Tills(SystemClock().now())
    holders = cards(sizes.customers)
    warm_up = batches(tills.receipts(holders, sizes.customers), sizes.batch)
    fresh = batches(tills.receipts(holders, sizes.receipts), sizes.batch)
    alone = singles(tills.receipts(holders, sizes.singles))
    bodies = Bodies(fresh, fresh[: sizes.repeats // sizes.batch], alone)
    asyncio.run(_sent(deployment, warm_up, sizes.batch_connections)).checked()
    deployment.settle()
    accepted, cost, settle_seconds = _accepted(deployment, bodies, sizes, say)
    rates = _rates(deployment, bodies, accepted, sizes, say)
    deployment.settle()
    say("now the bare application takes the same bodies")
    bare = _bare_rates(deployment, bodies, sizes)
    say(f"sending {sizes.visible_per_second:g} receipts a second, asking for one customer in {FOLLOW_EVERY}")
    visible = receipts_visible(deployment, tills, holders, sizes.visible_per_second, sizes.visible_seconds)
    say(f"sending {sizes.views_per_second:g} product views a second, asking for one shopper in {FOLLOW_VIEWS_EVERY}")
    views = views_visible(deployment, sizes.customers, sizes.views_per_second, sizes.visible_seconds)
    return [
        *_rate_figures(rates, bare),
        _cost_figure(cost, sizes.receipts),
        Figure("last acknowledgement → applied by all", settle_seconds, "s", note="after the new ones in batches"),
        *figures("receipts", visible, sizes.visible_per_second),
        *figures("product views", views, sizes.views_per_second),
    ]


def _accepted(deployment: Temporary, bodies: Bodies, sizes: Sizes, say: Say) -> tuple[Run, CpuSeconds, float]:
    """Send what is new; return the run, the processor time until all was applied, and how much later that was."""
    say(f"sending {sizes.receipts:,} receipts in batches of {sizes.batch}")
    before = cpu_seconds(deployment)
    run = asyncio.run(_sent(deployment, bodies.fresh, sizes.batch_connections))
    settle_seconds = deployment.settle()
    say(f"every service had applied everything {settle_seconds:.1f} s later")
    return run, spent(before, cpu_seconds(deployment)), settle_seconds


def _rates(deployment: Temporary, bodies: Bodies, accepted: Run, sizes: Sizes, say: Say) -> Rates:
    say(f"sending {sizes.repeats:,} of them again")
    again = asyncio.run(_sent(deployment, bodies.again, sizes.batch_connections))
    say(f"sending {sizes.singles:,} more, one by one")
    alone = asyncio.run(_sent(deployment, bodies.alone, sizes.single_connections))
    return Rates(
        batched=_counted(accepted, "accepted", sizes.receipts) / accepted.seconds,
        repeated=_counted(again, "repeat", len(bodies.again) * sizes.batch) / again.seconds,
        single=_counted(alone, "accepted", sizes.singles) / alone.seconds,
        single_spread=alone.spread,
    )


async def _sent(deployment: Temporary, requests: Sequence[Request], connections: int) -> Run:
    async with connected(deployment.address("ingest"), deployment.headers, connections) as opened:
        return await flat_out(opened, requests)


def _counted(run: Run, status: str, expected: int) -> int:
    """Return `expected`; raise WrongCount unless just so many items were answered so, and none otherwise."""
    results = (result for answer in run.checked().answers for result in answer.json()["results"])
    statuses = Counter(result["status"] for result in results)
    if statuses != {status: expected}:
        raise WrongCount(f"{expected} items should have been answered {status!r}; the answers were {dict(statuses)}")
    return expected


def _bare_rates(deployment: Temporary, bodies: Bodies, sizes: Sizes) -> Rates:
    async def sent(address: str, requests: Sequence[Request], connections: int) -> Run:
        raw = [Request("POST", "/raw", request.body) for request in requests]
        async with connected(address, {}, connections) as opened:
            return (await flat_out(opened, raw)).checked()

    with bare_server(deployment.credentials.database["ingest"]) as address:
        fresh = asyncio.run(sent(address, bodies.fresh, sizes.batch_connections))
        again = asyncio.run(sent(address, bodies.again, sizes.batch_connections))
        alone = asyncio.run(sent(address, bodies.alone, sizes.single_connections))
    return Rates(
        batched=sizes.receipts / fresh.seconds,
        repeated=len(bodies.again) * sizes.batch / again.seconds,
        single=sizes.singles / alone.seconds,
        single_spread=alone.spread,
    )


def _rate_figures(rates: Rates, bare: Rates) -> list[Figure]:
    return [
        Figure(
            "receipts accepted, in batches",
            rates.batched,
            "receipts/s",
            Target(Sense.AT_LEAST, 800),
            Bare(BARE, bare.batched),
        ),
        Figure("repeats refused, in batches", rates.repeated, "receipts/s", bare=Bare(BARE, bare.repeated)),
        Figure("receipts accepted, one a request", rates.single, "receipts/s", bare=Bare(BARE, bare.single)),
        Figure(
            "… p99 of one such request", rates.single_spread.p99_ms, "ms", bare=Bare(BARE, bare.single_spread.p99_ms)
        ),
    ]


def _cost_figure(cost: CpuSeconds, receipts: int) -> Figure:
    """Return the processor time that a receipt costs the whole deployment, from HTTP to applied by all."""
    shares = ", ".join(
        f"{name} {1000 * seconds / receipts:.2f}" for name, seconds in cost.items() if seconds / receipts > 5e-6
    )
    return Figure("processor time a receipt, all processes", 1000 * sum(cost.values()) / receipts, "ms", note=shares)
