"""What is not stored a second time: only what was committed, for a minute, and never another's."""

from dataclasses import replace
from uuid import UUID

from services.ingest.handlers.accepting.lately import KEPT_MAX, KEPT_SECONDS, Lately
from services.ingest.handlers.accepting.settling import Ready
from tests.unit.ingest.drafts import ready_of

CARD, PHONE, DEVICE = ("loyalty_card", "6001"), ("phone", "+8613912345678"), ("anonymous_id", "d-1")


def ids(one: Ready) -> tuple[UUID, ...]:
    return tuple(subject.subject_id for subject in one.subjects)


def test_what_was_not_committed_is_stored_again() -> None:
    lately, one = Lately(), ready_of(CARD, PHONE)
    for _ in range(2):
        assert tuple(lately.unknown_subjects([one])) == ids(one)
        assert [link.subject_ids for link in lately.unknown_links([one], set())] == [ids(one)]


def test_what_was_committed_is_not() -> None:
    lately, one = Lately(), ready_of(CARD, PHONE)
    lately.committed([one])
    assert lately.unknown_subjects([one]) == {}
    assert lately.unknown_links([one], set()) == []


def test_known_subjects_in_another_company_are_a_link_of_their_own() -> None:
    lately = Lately()
    lately.committed([ready_of(CARD), ready_of(PHONE)])
    both = ready_of(CARD, PHONE)
    assert lately.unknown_subjects([both]) == {}
    assert [link.subject_ids for link in lately.unknown_links([both], set())] == [ids(both)]


def test_a_request_that_says_the_same_twice_stores_it_once() -> None:
    one, again = ready_of(CARD, PHONE), ready_of(CARD, PHONE)
    assert len(Lately().unknown_subjects([one, again])) == 2
    (link,) = Lately().unknown_links([one, again], set())
    assert link.event_id == one.event_id


def test_a_person_seen_for_the_first_time_is_linked_alone_and_a_device_never() -> None:
    card, device = ready_of(CARD), ready_of(DEVICE)
    assert [link.subject_ids for link in Lately().unknown_links([card], set(ids(card)))] == [ids(card)]
    assert Lately().unknown_links([card], set()) == []
    assert Lately().unknown_links([device], set(ids(device))) == []


def test_a_source_that_may_not_link_names_one_subject() -> None:
    one = ready_of(CARD, PHONE)
    public = replace(one, draft=replace(one.draft, links=False))
    assert Lately().unknown_links([public], set()) == []


def test_it_is_forgotten_after_a_minute_however_often_it_was_said() -> None:
    now = 0.0
    lately, one = Lately(lambda: now), ready_of(CARD, PHONE)
    for moment in (0.0, KEPT_SECONDS):
        now = moment
        lately.tidy()
        lately.committed([one])
        assert lately.unknown_subjects([one]) == {}
    now = KEPT_SECONDS + 1
    lately.tidy()
    assert len(lately.unknown_subjects([one])) == 2
    assert len(lately.unknown_links([one], set())) == 1


def test_it_has_a_limit() -> None:
    lately, one = Lately(), ready_of(CARD, PHONE)
    lately.tidy()
    lately.committed([one])
    lately._stored.update(UUID(int=number) for number in range(KEPT_MAX))
    lately.tidy()
    assert len(lately.unknown_subjects([one])) == 2
