"""Identifiers become subjects: derived where their keys are held, else asked of ingest and kept for a minute."""

from uuid import UUID

import pytest
from cachetools import TTLCache
from prometheus_client import REGISTRY

from shared.customers.resolver import CACHE_SECONDS, CACHED_MAX, PATH, InvalidLookup, ResolverAway, SubjectResolver
from shared.http.peer import Answer
from shared.identity import NEVER_REISSUED, BlindIndexKeys, subject_id_for
from tests.fixtures.asking import MadeUp, says

SUBJECT = UUID(int=5)
FOUND = says({"subject_id": str(SUBJECT), "customer_id": str(UUID(int=6)), "is_known": True})
ALL = BlindIndexKeys.from_deployment_key(b"d" * 32)
HELD = BlindIndexKeys.from_namespaces({name: ALL.namespace_key(name) for name in NEVER_REISSUED})


def resolver(ingest: MadeUp, keys: BlindIndexKeys | None = None, cached_max: int = CACHED_MAX) -> SubjectResolver:
    """Return one whose cache goes by a clock of the test's, which stands."""
    known: TTLCache[tuple[str, str], UUID] = TTLCache(cached_max, CACHE_SECONDS, lambda: 100.0)
    return SubjectResolver("tests", ingest, "/value", keys or BlindIndexKeys.from_namespaces({}), known)


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("subjects_resolved_total", {"service": "tests", "outcome": outcome}) or 0.0


class TestAsking:
    async def test_ingest_is_asked_for_the_value_as_it_was_given(self) -> None:
        ingest = MadeUp(FOUND)
        assert await resolver(ingest).subject_of("phone", "139 1234 5678") == SUBJECT
        assert ingest.asked == [("POST", PATH, {"namespace": "phone", "value": "139 1234 5678"})]

    async def test_an_answer_is_kept_for_a_minute_and_no_longer(self) -> None:
        ingest, now = MadeUp(FOUND), [100.0]
        known: TTLCache[tuple[str, str], UUID] = TTLCache(CACHED_MAX, CACHE_SECONDS, lambda: now[0])
        asking = SubjectResolver("tests", ingest, "/value", known=known)
        for seconds in (0, CACHE_SECONDS - 1, CACHE_SECONDS):
            now[0] = 100.0 + seconds
            assert await asking.subject_of("phone", "13912345678") == SUBJECT
        assert len(ingest.asked) == 2

    async def test_identifiers_are_kept_apart(self) -> None:
        ingest = MadeUp(FOUND)
        asking = resolver(ingest)
        for namespace in ("phone", "email", "phone"):
            await asking.subject_of(namespace, "1")
        assert len(ingest.asked) == 2

    async def test_what_is_kept_is_bounded(self) -> None:
        asking = resolver(MadeUp(FOUND), cached_max=3)
        for number in range(10):
            await asking.subject_of("phone", str(number))
        assert len(asking.known) == 3

    @pytest.mark.parametrize("answer", [None, says({}, 500), says({}, 401), says({"message": "later"}, 503)])
    async def test_a_failure_says_when_to_ask_again_and_is_not_kept(self, answer: Answer | None) -> None:
        ingest = MadeUp(answer)
        asking = resolver(ingest)
        with pytest.raises(ResolverAway) as away:
            await asking.subject_of("phone", "1")
        assert away.value.retry_after_seconds == 2
        ingest.answer = FOUND
        assert await asking.subject_of("phone", "1") == SUBJECT

    @pytest.mark.parametrize("body", [b"", b"[]", b"7", b'{"subject_id": 4}', b'{"customer_id": "x"}'])
    async def test_an_answer_that_cannot_be_read_is_no_answer(self, body: bytes) -> None:
        with pytest.raises(ResolverAway):
            await resolver(MadeUp(Answer(200, body))).subject_of("phone", "1")

    @pytest.mark.parametrize("status", [400, 422])
    @pytest.mark.parametrize(
        ("body", "reason"), [(b'{"message": "is too short"}', "is too short"), (b"no", "cannot stand")]
    )
    async def test_a_refusal_says_why_and_where_and_is_not_kept(self, status: int, body: bytes, reason: str) -> None:
        ingest = MadeUp(Answer(status, body))
        asking = resolver(ingest)
        for _ in range(2):
            with pytest.raises(InvalidLookup, match=reason) as refused:
                await asking.subject_of("phone", "1")
            assert refused.value.field == "/value"
        assert len(ingest.asked) == 2

    async def test_every_outcome_is_counted(self) -> None:
        before = {outcome: counted(outcome) for outcome in ("asked", "cached", "refused", "away", "derived")}
        ingest = MadeUp(FOUND)
        asking = resolver(ingest, HELD)
        for _ in range(2):
            await asking.subject_of("phone", "1")
        await asking.subject_of("loyalty_card", "6001234567")
        for answer, kind in ((says({}, 422), InvalidLookup), (None, ResolverAway)):
            ingest.answer = answer
            with pytest.raises(kind):
                await asking.subject_of("phone", "2")
        assert {outcome: counted(outcome) - count for outcome, count in before.items()} == dict.fromkeys(before, 1)


class TestDeriving:
    async def test_a_card_is_derived_here_however_it_is_typed(self) -> None:
        ingest = MadeUp(None)
        expected = subject_id_for("loyalty_card", ALL.blind_index("loyalty_card", "6001234567"))
        assert await resolver(ingest, HELD).subject_of("loyalty_card", " 6001-2345 67") == expected
        assert ingest.asked == []

    async def test_without_its_key_a_card_is_asked_for_like_anything(self) -> None:
        assert await resolver(MadeUp(FOUND)).subject_of("loyalty_card", "6001234567") == SUBJECT

    async def test_a_placeholder_names_nobody_and_is_not_repeated(self) -> None:
        with pytest.raises(InvalidLookup) as refused:
            await resolver(MadeUp(None), HELD).subject_of("loyalty_card", "000000")
        assert refused.value.field == "/value"
        assert "000000" not in refused.value.message

    async def test_a_namespace_that_is_none_is_refused_without_asking(self) -> None:
        ingest = MadeUp(FOUND)
        with pytest.raises(InvalidLookup, match="loyalty_card, user_id") as refused:
            await resolver(ingest).subject_of("shoe_size", "42")
        assert refused.value.field == "/namespace"
        assert ingest.asked == []
