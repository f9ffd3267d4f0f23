"""Owns measuring recommendations over real HTTP: an open loop at a fixed rate beside a route that does nothing.

Open loop: a request starts at its time, whether earlier ones were answered or not, and its latency counts from that
time. A closed loop would wait with the service and hide what its customers feel.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from regulars.datasets import completejourney

RATE = 20.0
SECONDS = 20.0
WARM_UP = 40
ANSWER_SECONDS = 10.0
SEED = 7


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the moment a request was due to its whole answer."""

    requests: int
    failed: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True)
class Report:
    """What a run found. `empty` counts lists without a product, `personal` those that used a customer's history."""

    rate: float
    seconds: float
    for_you: Latency
    bare: Latency
    ratio_p50: float
    empty: int
    personal: int
    model_version: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class _Seen:
    empty: int = 0
    personal: int = 0
    model_version: str = ""


def bench_recommend(
    address: str, api_key: str, *, rate: float = RATE, seconds: float = SECONDS, households: int = 600
) -> Report:
    """Ask a running deployment for the lists of Complete Journey's households, drawn with a fixed seed.

    Raises httpx.HTTPError when it cannot be reached at all.
    """
    cards = completejourney.load(households).lines["customer_id"].unique().sort().to_list()
    return asyncio.run(measured(address, api_key, cards, rate=rate, seconds=seconds))


async def measured(
    address: str, api_key: str, cards: Sequence[str], *, rate: float = RATE, seconds: float = SECONDS
) -> Report:
    """Measure for-you for holders of these loyalty cards, and the bare route at the same rate."""
    draw = random.Random(SEED)  # noqa: S311 - a repeatable draw, no secret
    seen = _Seen()
    headers = {"Authorization": f"Bearer {api_key}"}
    async with httpx.AsyncClient(
        base_url=address, headers=headers, timeout=ANSWER_SECONDS, trust_env=False
    ) as client:
        (await client.get("/health/live")).raise_for_status()

        async def for_you() -> bool:
            return await _ask(client, draw.choice(cards), seen)

        async def bare() -> bool:
            return (await client.get("/health/live")).is_success

        for _ in range(WARM_UP):
            await for_you()
        seen.empty = seen.personal = 0
        lists = await _open_loop(for_you, rate, seconds)
        nothing = await _open_loop(bare, rate, seconds / 4)
    return Report(
        rate=rate,
        seconds=seconds,
        for_you=lists,
        bare=nothing,
        ratio_p50=round(lists.p50_ms / max(nothing.p50_ms, 1e-9), 1),
        empty=seen.empty,
        personal=seen.personal,
        model_version=seen.model_version,
    )


async def _ask(client: httpx.AsyncClient, card: str, seen: _Seen) -> bool:
    body = {"identifier": {"namespace": "loyalty_card", "value": card}, "limit": 10}
    answer = await client.post("/v1/recommendations/for-you", json=body)
    if not answer.is_success:
        return False
    found = answer.json()
    seen.empty += not found["items"]
    seen.personal += found["personalized"]
    seen.model_version = found["model_version"]
    return True


async def _open_loop(ask: Callable[[], Awaitable[bool]], rate: float, seconds: float) -> Latency:
    started = time.perf_counter()
    running: list[asyncio.Task[tuple[float, bool]]] = []
    for number in range(int(rate * seconds)):
        due = started + number / rate
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        running.append(asyncio.create_task(_timed(ask, due)))
    return _latency(await asyncio.gather(*running))


async def _timed(ask: Callable[[], Awaitable[bool]], due: float) -> tuple[float, bool]:
    try:
        is_answered = await ask()
    except httpx.HTTPError:
        is_answered = False
    return (time.perf_counter() - due) * 1000, is_answered


def _latency(timed: Sequence[tuple[float, bool]]) -> Latency:
    """Sum up; a failed request counts with the time until it failed, and as failed."""
    ordered = sorted(milliseconds for milliseconds, _ in timed)
    p50, p95, p99 = (
        round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 2) for share in (0.5, 0.95, 0.99)
    )
    failed = sum(not is_answered for _, is_answered in timed)
    return Latency(len(ordered), failed, p50, p95, p99, round(ordered[-1], 2))
