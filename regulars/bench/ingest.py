"""How fast ingest accepts receipts and refuses repeats, and how soon what it acknowledged can be read elsewhere.

Everything runs while it is measured: the four other services consume what ingest accepts, on the same cores.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from regulars.bench.bare import bare_server
from regulars.bench.cpu import CpuSeconds, cpu_seconds, spent
from regulars.bench.figures import Bare, Figure, Sense, Spread, Target
from regulars.bench.pace import Run, connected, flat_out
from regulars.bench.receipts import LINES, Tills, batches, cards, singles
from regulars.bench.temporary import Say, Temporary
from regulars.bench.visible import Sending, Visible, acknowledged_to_visible
from regulars.bench.wire import Request
from regulars.credentials import deployment_key_file, read_deployment_key
from regulars.errors import RegularsError
from shared.clock import SystemClock
from shared.identity import BlindIndexKeys, normalise, subject_id_for

BARE = "FastAPI + asyncpg: the same bodies parsed, stored raw"
FOLLOW_EVERY = 5


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
    visible_seconds: float = 15.0

    def in_words(self) -> str:
        return (
            f"{self.receipts:,} receipts of {LINES} lines of {self.customers:,} cards, in batches of {self.batch}"
            f" over {self.batch_connections} connections; {self.repeats:,} of them again; {self.singles:,} more, one"
            f" a request over {self.single_connections} connections; then {self.visible_per_second:g} a second for"
            f" {self.visible_seconds:g} s, one in {FOLLOW_EVERY} followed; all five services at work"
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
    visible = _visible(deployment, tills, holders, sizes)
    return [
        *_rate_figures(rates, bare),
        _cost_figure(cost, sizes.receipts),
        Figure("last acknowledgement → applied by all", settle_seconds, "s", note="after the new ones in batches"),
        *_visible_figures(visible),
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


def _visible(deployment: Temporary, tills: Tills, holders: Sequence[str], sizes: Sizes) -> Visible:
    count = round(sizes.visible_per_second * sizes.visible_seconds)
    followed = holders[: -(-count // FOLLOW_EVERY)]
    others = holders[len(followed) :]
    ids = customer_ids(deployment, followed)
    sendings = []
    for number in range(count):
        is_followed = number % FOLLOW_EVERY == 0
        card = followed[number // FOLLOW_EVERY] if is_followed else others[number % len(others)]
        request = Request("POST", "/v1/receipts", orjson.dumps(tills.receipt(card)))
        sendings.append(Sending(request, ids[card] if is_followed else None))
    addresses = deployment.credentials.addresses
    return asyncio.run(acknowledged_to_visible(addresses, deployment.headers, sendings, sizes.visible_per_second))


def customer_ids(deployment: Temporary, holders: Sequence[str]) -> Mapping[str, UUID]:
    """Return the customer id behind each loyalty card: the deployment's own key can tell."""
    keys = BlindIndexKeys.from_deployment_key(read_deployment_key(deployment_key_file(deployment.folder)))
    return {
        card: subject_id_for("loyalty_card", keys.blind_index("loyalty_card", normalise("loyalty_card", card)))
        for card in holders
    }


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


def _visible_figures(visible: Visible) -> list[Figure]:
    seen, accepted = Spread.of(visible.seen_ms), Spread.of(visible.accept_ms)
    return [
        Figure("acknowledged → visible, p50", seen.p50_ms / 1000, "s", note=f"{seen.count} followed"),
        Figure("acknowledged → visible, p95", seen.p95_ms / 1000, "s"),
        Figure("acknowledged → visible, p99", seen.p99_ms / 1000, "s", Target(Sense.AT_MOST, 1.0)),
        Figure("receipts a second meanwhile", visible.per_second, "receipts/s", Target(Sense.AT_LEAST, 95)),
        Figure("due → acknowledged at that rate, p99", accepted.p99_ms, "ms"),
    ]
