"""Calls to ingest: what is asked, what is read of the answer, and what its absence means."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import SecretStr

from services.campaign.clients import REVEALED_AT_ONCE, Ingest
from shared.errors import TransientError
from shared.http.client import service_client

Answering = Callable[[httpx.Request], httpx.Response]


def ingest(answering: Answering) -> Ingest:
    transport = httpx.MockTransport(answering)
    return Ingest(service_client("http://ingest", SecretStr("key"), transport=transport))


def refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


@pytest.mark.parametrize(
    "answering",
    [refuse, lambda _: httpx.Response(503), lambda _: httpx.Response(200, text="{}")],
    ids=["unreachable", "unavailable", "another shape"],
)
async def test_without_an_answer_messages_wait(answering: Answering) -> None:
    with pytest.raises(TransientError):
        await ingest(answering).email_addresses([uuid4()])


async def test_addresses_are_read_for_a_purpose_and_in_pages() -> None:
    customer_ids = [uuid4() for _ in range(REVEALED_AT_ONCE + 3)]
    asked: list[Any] = []

    def answering(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        asked.append(body)
        return httpx.Response(200, json={"customers": [revealed(each) for each in body["customer_ids"]]})

    addresses = await ingest(answering).email_addresses(customer_ids)
    assert [len(body["customer_ids"]) for body in asked] == [REVEALED_AT_ONCE, 3]
    assert {body["purpose"] for body in asked} == {"campaign e-mail"}
    assert addresses == {each: f"{each}@mail.example" for each in customer_ids if each.int % 2}


def revealed(customer_id: str) -> dict[str, Any]:
    """Every other customer has an e-mail address; all have a phone."""
    subject_id = str(uuid4())
    contacts = [{"subject_id": subject_id, "namespace": "phone", "field": "phone", "value": "+8613912345678"}]
    if UUID(customer_id).int % 2:
        mail = {"subject_id": subject_id, "namespace": "email", "field": "email"}
        contacts.append({**mail, "value": f"{customer_id}@mail.example"})
    return {"customer_id": customer_id, "contacts": contacts}
