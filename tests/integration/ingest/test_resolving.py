"""Other services resolve identifiers through ingest's real application, over a real socket."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from cachetools import TTLCache
from pydantic import SecretStr

from shared.customers.resolver import CACHE_SECONDS, InvalidLookup, ResolverAway, SubjectResolver
from shared.http.peer import Peer
from tests.integration.ingest.conftest import Running, receipt
from tests.integration.ingest.erasing import erase
from tests.integration.ingest.loopback import Hurdles, served
from tests.integration.ingest.test_identities import resolved

pytestmark = pytest.mark.postgres

PHONE = {"namespace": "phone", "value": "139 1234 5678"}
CARD = {"namespace": "loyalty_card", "value": "6001234567"}


@pytest.fixture
async def hurdles(ingest: Running) -> Hurdles:
    return Hurdles(ingest.app)


@pytest.fixture
async def peer(ingest: Running, hurdles: Hurdles) -> AsyncIterator[Peer]:
    async with served(hurdles) as address, Peer.at(address, SecretStr(ingest.keys.admin)) as peer:
        yield peer


def resolver(peer: Peer) -> SubjectResolver:
    """Return one that remembers nothing yet."""
    return SubjectResolver("profile", peer, "/value")


async def test_the_subject_is_the_one_that_ingest_names(ingest: Running, peer: Peer) -> None:
    expected = UUID((await resolved(ingest, PHONE))["subject_id"])
    for value in (PHONE["value"], "+8613912345678", "\uff11\uff13\uff1912345678"):
        assert await resolver(peer).subject_of("phone", value) == expected


async def test_a_number_whose_owner_was_erased_means_somebody_else_a_minute_later(
    ingest: Running, peer: Peer
) -> None:
    now = [0.0]
    known: TTLCache[tuple[str, str], UUID] = TTLCache(10, CACHE_SECONDS, lambda: now[0])
    asking = SubjectResolver("profile", peer, "/value", known=known)
    await ingest.results("/v1/receipts", receipt(identifiers=[PHONE]))
    await ingest.number()
    before = await asking.subject_of("phone", PHONE["value"])
    await erase(ingest, identifier=PHONE)
    now[0] = CACHE_SECONDS
    after = await asking.subject_of("phone", PHONE["value"])
    assert after != before
    assert after == UUID((await resolved(ingest, PHONE))["subject_id"])


async def test_a_refusal_is_told_in_ingest_s_words(peer: Peer) -> None:
    with pytest.raises(InvalidLookup, match="phone") as refused:
        await resolver(peer).subject_of("phone", "call me")
    assert "call me" not in refused.value.message


async def test_a_key_without_the_scope_resolves_nothing(ingest: Running, hurdles: Hurdles) -> None:
    async with served(hurdles) as address, Peer.at(address, SecretStr("rgl_none")) as unknown:
        with pytest.raises(ResolverAway):
            await resolver(unknown).subject_of("phone", PHONE["value"])


@pytest.mark.parametrize("hurdle", ["429", "503"])
async def test_a_bad_moment_is_over_with_the_next_question(hurdles: Hurdles, peer: Peer, hurdle: str) -> None:
    hurdles.plan.append(hurdle)  # type: ignore[arg-type]
    asking = resolver(peer)
    with pytest.raises(ResolverAway):
        await asking.subject_of("phone", PHONE["value"])
    await asking.subject_of("phone", PHONE["value"])
    assert hurdles.statuses[-1] == 200


async def test_key_request_and_trace_reach_ingest(hurdles: Hurdles, ingest: Running, peer: Peer) -> None:
    await resolver(peer).subject_of("phone", PHONE["value"])
    assert hurdles.headers[0]["authorization"] == f"Bearer {ingest.keys.admin}"
    assert hurdles.headers[0]["content-type"] == "application/json"
