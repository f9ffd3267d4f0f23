"""Whose a receipt is that names several identifiers, when they turn out not to be one person's."""

from typing import Any

import pytest

from tests.integration.ingest.conftest import Running
from tests.integration.ingest.test_deciding import OTHER_CARD, customers, said_together
from tests.integration.ingest.test_identities import CARD, EMAIL, PHONE, resolved

pytestmark = pytest.mark.postgres


async def registered(ingest: Running, *identifiers: dict[str, str]) -> None:
    body = {"identifiers": list(identifiers), "attributes": {"city": "Wuhan"}}
    (result,) = await ingest.results("/v1/customers", body)
    assert result["status"] == "accepted", result
    await ingest.number()


async def bearer_of(ingest: Running, message_id: str) -> str:
    (envelope,) = [one for one in await ingest.envelopes() if str(one.event_id) == message_id]
    return str(envelope.subject_id)


async def subject(ingest: Running, identifier: dict[str, str]) -> str:
    found: dict[str, Any] = await resolved(ingest, identifier)
    subject_id: str = found["subject_id"]
    return subject_id


async def test_a_registered_card_bears_what_is_bought_with_it(ingest: Running) -> None:
    await registered(ingest, CARD, PHONE)
    message_id = await said_together(ingest, 1, CARD, PHONE)
    assert await bearer_of(ingest, message_id) == await subject(ingest, CARD)


async def test_a_card_that_nobody_registered_stands_back_for_the_phone_beside_it(ingest: Running) -> None:
    message_id = await said_together(ingest, 1, CARD, PHONE)
    assert await bearer_of(ingest, message_id) == await subject(ingest, PHONE)
    card, phone = await customers(ingest, CARD, PHONE)
    assert card == phone == await subject(ingest, CARD)


async def test_alone_it_bears_its_receipts_all_the_same(ingest: Running) -> None:
    message_id = await said_together(ingest, 1, CARD)
    assert await bearer_of(ingest, message_id) == await subject(ingest, CARD)


async def test_a_familys_phone_stands_back_for_an_email_of_ones_own(ingest: Running) -> None:
    await registered(ingest, CARD, PHONE, EMAIL)
    await registered(ingest, OTHER_CARD, PHONE)
    message_id = await said_together(ingest, 1, PHONE, EMAIL)
    assert await bearer_of(ingest, message_id) == await subject(ingest, EMAIL)
    email, card = await customers(ingest, EMAIL, CARD)
    assert email == card


async def test_where_all_are_in_doubt_the_strongest_bears(ingest: Running) -> None:
    await registered(ingest, CARD, PHONE)
    await registered(ingest, OTHER_CARD, PHONE)
    third = {"namespace": "loyalty_card", "value": "6005555555"}
    message_id = await said_together(ingest, 1, third, PHONE)
    assert await bearer_of(ingest, message_id) == await subject(ingest, third)


async def test_what_is_said_about_a_person_stays_with_the_strongest(ingest: Running) -> None:
    await registered(ingest, CARD, PHONE, EMAIL)
    await registered(ingest, OTHER_CARD, PHONE)
    body = {"identifiers": [PHONE, EMAIL], "attributes": {"city": "Xi'an"}}
    await ingest.results("/v1/customers", body)
    await ingest.number()
    *_, said = [one for one in await ingest.envelopes() if one.type == "AttributesChanged"]
    assert str(said.subject_id) == await subject(ingest, PHONE)
