"""How fast tills redeem coupons: codes nobody else holds, and one campaign whose cap they all run into."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from regulars.bench.bare import bare_server
from regulars.bench.figures import Bare, Figure, Sense, Target
from regulars.bench.pace import Run, connected, flat_out
from regulars.bench.receipts import Tills, batches, cards
from regulars.bench.temporary import POLL_SECONDS, SETTLE_SECONDS, NeverSettled, Say, Temporary
from regulars.bench.wire import Request
from regulars.demo.databases import coupon_codes
from regulars.demo.shop import Shop
from regulars.errors import RegularsError
from shared.clock import SystemClock

BATCH = 100
BASKET_MINOR = 2_000
BARE = "FastAPI + asyncpg: one capped use taken and noted"


class WrongOutcome(RegularsError):
    """A redemption was answered in a way that the benchmark did not ask for."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """`customers` hold a code of either campaign; `cap` uses of the second are to be had, everybody tries."""

    customers: int = 1_500
    cap: int = 500
    tills: int = 8

    def in_words(self) -> str:
        return (
            f"{self.customers:,} customers with a code each of two campaigns, {self.tills} tills at once, every"
            f" redemption with its own Idempotency-Key; the second campaign is capped at {self.cap:,} uses"
        )


@dataclass(frozen=True, slots=True)
class Redeemed:
    """One campaign's run: the answers by status or problem code, and what the service counts itself."""

    run: Run
    outcomes: Counter[str]
    standing: int


def measure(deployment: Temporary, say: Say, sizes: Sizes | None = None) -> list[Figure]:
    """Measure on an empty deployment, which is left filled. Raises WrongOutcome, NoAnswer, ServiceRefused."""
    sizes = sizes or Sizes()
    shop = Shop.of(deployment.credentials)
    say(f"making {sizes.customers:,} customers, one receipt each")
    asyncio.run(_make_customers(deployment, sizes))
    deployment.settle()
    say(f"redeeming {sizes.customers:,} codes at {sizes.tills} tills")
    with shop.client:
        free = _redeemed(deployment, shop, sizes, {})
        say(f"redeeming as many of a campaign that is capped at {sizes.cap:,}")
        capped = _redeemed(deployment, shop, sizes, {"cap_total_uses": sizes.cap})
    _check(free, {"redeemed": sizes.customers})
    _check(capped, {"redeemed": sizes.cap, "limit_reached": sizes.customers - sizes.cap})
    say("the bare application takes as many now")
    bare_free, bare_capped = _bare(deployment, sizes)
    return [
        Figure("redemptions of distinct codes", free.run.per_second, "redemptions/s", bare=_of(bare_free.per_second)),
        Figure("… p99 of one", free.run.spread.p99_ms, "ms", bare=_of(bare_free.spread.p99_ms)),
        Figure(
            "attempts on one capped campaign",
            capped.run.per_second,
            "attempts/s",
            bare=_of(bare_capped.per_second),
            note=f"{sizes.cap:,} redeemed, the others refused",
        ),
        Figure("… p99 of one", capped.run.spread.p99_ms, "ms", bare=_of(bare_capped.spread.p99_ms)),
        Figure("redemptions over the cap", capped.standing - sizes.cap, "", Target(Sense.AT_MOST, 0)),
    ]


def _of(value: float) -> Bare:
    return Bare(BARE, value)


async def _make_customers(deployment: Temporary, sizes: Sizes) -> None:
    tills = Tills(SystemClock().now(), lines=1, terminal_id="T2")
    requests = batches(tills.receipts(cards(sizes.customers), sizes.customers), BATCH)
    async with connected(deployment.address("ingest"), deployment.headers, 2) as opened:
        (await flat_out(opened, requests)).checked()


def _redeemed(deployment: Temporary, shop: Shop, sizes: Sizes, caps: dict[str, int]) -> Redeemed:
    campaign_id = _started(shop, caps)
    codes = _issued(deployment, campaign_id, sizes.customers)
    requests = [_redemption(code, customer_id) for customer_id, code in codes]
    run = asyncio.run(_run(deployment, requests, sizes.tills))
    outcomes = Counter("redeemed" if answer.status == 200 else str(answer.json()["code"]) for answer in run.answers)
    standing = shop.get("campaign", f"/v1/campaigns/{campaign_id}/result")["redemptions"]
    return Redeemed(run, outcomes, standing)


def _started(shop: Shop, caps: dict[str, int]) -> str:
    now = SystemClock().now()
    offer = {"percent": 10, "valid_from": now.isoformat(), "valid_until": (now + timedelta(days=30)).isoformat()}
    plan: dict[str, Any] = {"name": "Benchmark", "audience": {}, "holdout_share": 0, "offer": offer | caps}
    campaign_id: str = shop.post("campaign", "/v1/campaigns", plan)["campaign_id"]
    shop.post("campaign", f"/v1/campaigns/{campaign_id}:approve")
    shop.post("campaign", f"/v1/campaigns/{campaign_id}:start")
    return campaign_id


def _issued(deployment: Temporary, campaign_id: str, count: int) -> Sequence[tuple[str, str]]:
    """Return (customer_id, code) of all customers, once each has one. Raises NeverSettled."""
    began = time.monotonic()
    while len(codes := asyncio.run(coupon_codes(deployment.credentials, campaign_id))) < count:
        if time.monotonic() - began > SETTLE_SECONDS:
            raise NeverSettled(f"{len(codes)} of {count} coupons were issued in {SETTLE_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
    return codes


def _redemption(code: str, customer_id: str) -> Request:
    body = {
        "redeemables": [{"kind": "coupon", "id": code}],
        "customer_id": customer_id,
        "order": {
            "store_id": "S001",
            "currency": "USD",
            "lines": [{"product_id": "P00001", "amount_minor": BASKET_MINOR}],
        },
    }
    return Request("POST", "/v1/redemptions", orjson.dumps(body), (("Idempotency-Key", f"bench-{code}"),))


async def _run(deployment: Temporary, requests: Sequence[Request], tills: int) -> Run:
    async with connected(deployment.address("campaign"), deployment.headers, tills) as opened:
        return await flat_out(opened, requests)


def _check(redeemed: Redeemed, expected: dict[str, int]) -> None:
    if redeemed.outcomes != expected:
        raise WrongOutcome(f"the answers should have been {expected}; they were {dict(redeemed.outcomes)}")


def _bare(deployment: Temporary, sizes: Sizes) -> tuple[Run, Run]:
    """Return a run on things of one use each, and one on a single thing."""

    def taking(name: str, *, is_shared: bool) -> list[Request]:
        return [
            Request(
                "POST", "/take", orjson.dumps({"key": f"{name}-{number}", "id": name if is_shared else f"{number}"})
            )
            for number in range(sizes.customers)
        ]

    async def run(address: str) -> tuple[Run, Run]:
        async with connected(address, {}, sizes.tills) as opened:
            each = (await flat_out(opened, taking("each", is_shared=False))).checked()
            return each, (await flat_out(opened, taking("one", is_shared=True))).checked()

    with bare_server(deployment.credentials.database["campaign"]) as address:
        return asyncio.run(run(address))
