"""Sending in batches: order, counting, waiting when told to, giving up with a reason."""

import json

import httpx
import pytest

from regulars.loading import sender
from regulars.loading.sender import Sender, SendFailed


def answering(handler: httpx.MockTransport) -> Sender:
    return Sender(httpx.AsyncClient(transport=handler, base_url="http://ingest"))


def accepted(request: httpx.Request) -> httpx.Response:
    items = json.loads(request.content)["receipts"]
    results = [{"status": "refused" if item["n"] % 10 == 3 else "accepted"} for item in items]
    return httpx.Response(200, json={"results": results})


async def test_everything_is_sent_and_counted_by_status() -> None:
    seen: list[int] = []
    sending = answering(httpx.MockTransport(accepted))
    sending.on_progress = seen.append
    sent = await sending.send("/v1/receipts", "receipts", ({"n": n} for n in range(250)))
    assert dict(sent.statuses) == {"accepted": 225, "refused": 25}
    assert sum(seen) == sent.items == 250
    assert sorted(item["n"] for item, _ in sent.refused) == list(range(3, 250, 10))


async def test_a_busy_ingest_is_asked_again() -> None:
    answers = iter(
        [httpx.Response(503, headers={"Retry-After": "0"}), httpx.Response(429, headers={"Retry-After": "0"})]
    )

    def busy_at_first(request: httpx.Request) -> httpx.Response:
        return next(answers, None) or accepted(request)

    sent = await answering(httpx.MockTransport(busy_at_first)).send("/v1/receipts", "receipts", [{"n": 1}])
    assert dict(sent.statuses) == {"accepted": 1}


async def test_a_refused_request_ends_the_load_with_its_answer() -> None:
    sending = answering(httpx.MockTransport(lambda request: httpx.Response(401, text="no such key")))
    with pytest.raises(SendFailed, match="401 no such key"):
        await sending.send("/v1/receipts", "receipts", [{"n": 1}])


async def test_an_ingest_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "GIVE_UP_SECONDS", 0.1)

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(SendFailed, match="gave up"):
        await answering(httpx.MockTransport(away)).send("/v1/receipts", "receipts", [{"n": 1}])
