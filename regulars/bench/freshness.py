"""How soon what ingest acknowledged can be read in profile, while all five services are at work."""

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

import orjson

from regulars.bench.figures import Figure, Sense, Spread, Target
from regulars.bench.receipts import Tills
from regulars.bench.shoppers import Shoppers, write_key_headers
from regulars.bench.temporary import Temporary
from regulars.bench.visible import Doors, Sending, Visible, acknowledged_to_visible, moments_of, receipts_of
from regulars.bench.wire import Request
from regulars.credentials import deployment_key_file, read_deployment_key
from shared.clock import SystemClock
from shared.identity import BlindIndexKeys, normalise, subject_id_for

FOLLOW_EVERY = 5
FOLLOW_VIEWS_EVERY = 100
"""Each one followed is asked for forty times a second: a few among many, so that asking is not what is measured."""


def receipts_visible(
    deployment: Temporary, tills: Tills, holders: Sequence[str], per_second: float, seconds: float
) -> Visible:
    """Send receipts of these cards, each followed card's only one. Raises NeverVisible and what sending raises."""
    count = round(per_second * seconds)
    followed = holders[: -(-count // FOLLOW_EVERY)]
    others = holders[len(followed) :]
    ids = _customer_ids(deployment, "loyalty_card", followed)
    sendings = []
    for number in range(count):
        is_followed = number % FOLLOW_EVERY == 0
        card = followed[number // FOLLOW_EVERY] if is_followed else others[number % len(others)]
        request = Request("POST", "/v1/receipts", orjson.dumps(tills.receipt(card)))
        sendings.append(Sending(request, ids[card] if is_followed else None))
    return asyncio.run(
        acknowledged_to_visible(_doors(deployment, deployment.headers), receipts_of, sendings, per_second)
    )


def views_visible(deployment: Temporary, customers: int, per_second: float, seconds: float) -> Visible:
    """Send product views; the shoppers followed are new and look once. Raises as `receipts_visible`."""
    count = round(per_second * seconds)
    followed = {number: f"followed-{number}" for number in range(0, count, FOLLOW_VIEWS_EVERY)}
    ids = _customer_ids(deployment, "user_id", list(followed.values()))
    sendings = []
    for number, message in enumerate(Shoppers(SystemClock().now(), customers).messages(count)):
        user_id = followed.get(number)
        if user_id is not None:
            message |= {"userId": user_id, "anonymousId": user_id}
        request = Request("POST", "/v1/track", orjson.dumps(message))
        sendings.append(Sending(request, None if user_id is None else ids[user_id]))
    sending = write_key_headers(deployment.credentials.write_key)
    return asyncio.run(acknowledged_to_visible(_doors(deployment, sending), moments_of, sendings, per_second))


def figures(what: str, visible: Visible, per_second: float) -> list[Figure]:
    """Return the figures of one run; `what` was sent."""
    seen, accepted = Spread.of(visible.seen_ms), Spread.of(visible.accept_ms)
    label = f"{what} at {per_second:g}/s"
    return [
        Figure(f"{label}, acknowledged → visible, p50", seen.p50_ms / 1000, "s", note=f"{seen.count} followed"),
        Figure(f"{label}, acknowledged → visible, p95", seen.p95_ms / 1000, "s"),
        Figure(f"{label}, acknowledged → visible, p99", seen.p99_ms / 1000, "s", Target(Sense.AT_MOST, 1.0)),
        Figure(f"{label}, sent a second", visible.per_second, "events/s", Target(Sense.AT_LEAST, per_second * 0.95)),
        Figure(f"{label}, due → acknowledged, p99", accepted.p99_ms, "ms"),
    ]


def _doors(deployment: Temporary, sending: Mapping[str, str]) -> Doors:
    return Doors(deployment.address("ingest"), deployment.address("profile"), sending, deployment.headers)


def _customer_ids(deployment: Temporary, namespace: str, values: Sequence[str]) -> Mapping[str, UUID]:
    """Return the customer id behind each identifier: the deployment's own key can tell."""
    keys = BlindIndexKeys.from_deployment_key(read_deployment_key(deployment_key_file(deployment.folder)))
    return {
        value: subject_id_for(namespace, keys.blind_index(namespace, normalise(namespace, value))) for value in values
    }
