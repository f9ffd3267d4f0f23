"""The resolver keeps what ingest answered for a minute, and nothing else."""

from uuid import UUID

import httpx
import pytest

from services.profile import clients
from services.profile.clients import CACHE_SECONDS, IdentifierResolver
from services.profile.errors import InvalidLookup, ResolverAway

SUBJECT = UUID(int=5)


class Ingest:
    """Counts how often it is asked; answers what it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer = httpx.Response(200, json={"subject_id": str(SUBJECT), "customer_id": str(SUBJECT)})
        self.now = 100.0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return self.answer

    def resolver(self) -> IdentifierResolver:
        client = httpx.AsyncClient(transport=httpx.MockTransport(self), base_url="http://ingest")
        return IdentifierResolver(client, lambda: self.now)


async def test_an_answer_is_kept_for_a_minute_and_no_longer() -> None:
    ingest = Ingest()
    resolver = ingest.resolver()
    for seconds in (0, CACHE_SECONDS - 1, CACHE_SECONDS):
        ingest.now = 100.0 + seconds
        assert await resolver.subject_of("phone", "13912345678") == SUBJECT
    assert ingest.asked == 2


async def test_identifiers_are_kept_apart() -> None:
    ingest = Ingest()
    resolver = ingest.resolver()
    await resolver.subject_of("phone", "1")
    await resolver.subject_of("email", "1")
    assert ingest.asked == 2


async def test_a_failure_is_not_kept() -> None:
    ingest = Ingest()
    resolver, good = ingest.resolver(), ingest.answer
    ingest.answer = httpx.Response(500)
    with pytest.raises(ResolverAway):
        await resolver.subject_of("phone", "1")
    ingest.answer = good
    assert await resolver.subject_of("phone", "1") == SUBJECT


@pytest.mark.parametrize("body", [b"", b"[]", b'{"subject_id": 4}', b'{"customer_id": "x"}'])
async def test_an_answer_that_cannot_be_read_is_no_answer(body: bytes) -> None:
    ingest = Ingest()
    ingest.answer = httpx.Response(200, content=body)
    with pytest.raises(ResolverAway):
        await ingest.resolver().subject_of("phone", "1")


@pytest.mark.parametrize(
    ("body", "says"), [(b'{"message": "is too short"}', "is too short"), (b"no", "cannot stand")]
)
async def test_a_refusal_says_why(body: bytes, says: str) -> None:
    ingest = Ingest()
    ingest.answer = httpx.Response(422, content=body)
    with pytest.raises(InvalidLookup, match=says):
        await ingest.resolver().subject_of("phone", "1")


async def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "CACHED_MAX", 3)
    ingest = Ingest()
    resolver = ingest.resolver()
    for number in range(10):
        await resolver.subject_of("phone", str(number))
    assert len(resolver._known) <= 3
