"""Which subjects become one customer."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.linking import SUBJECTS_MAX, Community, KnownSubject
from shared.identity import strength_rank

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def subject(number: int, namespace: str = "phone", days: int = 0) -> KnownSubject:
    return KnownSubject(
        UUID(int=number), strength_rank(namespace), FIRST + timedelta(days=days), namespace == "anonymous_id"
    )


def community(*subjects: KnownSubject, **assigned: int) -> Community:
    known = {one.subject_id: one for one in subjects}
    customer_of = {UUID(int=int(name[1:])): UUID(int=customer) for name, customer in assigned.items()}
    return Community(known, customer_of)


def ids(*numbers: int) -> list[UUID]:
    return [UUID(int=number) for number in numbers]


def test_the_loyalty_card_survives_whichever_was_seen_first() -> None:
    people = community(subject(1, "phone", days=0), subject(2, "loyalty_card", days=9))
    united = people.unite(ids(1, 2))
    assert united.customer_id == UUID(int=2)
    assert united.moved == (UUID(int=1),)


def test_of_two_equal_identifiers_the_one_seen_first_survives() -> None:
    people = community(subject(1, "phone", days=5), subject(2, "phone", days=1))
    assert people.unite(ids(1, 2)).customer_id == UUID(int=2)


def test_of_two_equal_identifiers_seen_at_once_the_smaller_id_survives() -> None:
    people = community(subject(2), subject(1))
    assert people.unite(ids(2, 1)).customer_id == UUID(int=1)


def test_everybody_who_shares_a_customer_moves_along() -> None:
    people = community(subject(1), subject(2), subject(3, "loyalty_card"), s1=1, s2=1)
    united = people.unite(ids(2, 3))
    assert united.customer_id == UUID(int=3)
    assert united.moved == (UUID(int=1), UUID(int=2))
    assert people.customer(UUID(int=1)) == UUID(int=3)


def test_linking_what_is_linked_moves_nobody() -> None:
    people = community(subject(1), subject(2))
    people.unite(ids(1, 2))
    assert people.unite(ids(2, 1)).moved == ()


def test_a_customer_never_grows_past_the_limit() -> None:
    many = [subject(number) for number in range(1, SUBJECTS_MAX + 2)]
    people = community(*many)
    for number in range(2, SUBJECTS_MAX + 1):
        assert people.unite(ids(1, number)).moved
    refused = people.unite(ids(1, SUBJECTS_MAX + 1))
    assert refused.moved == ()
    assert refused.refused == ((UUID(int=SUBJECTS_MAX + 1), "too_many_subjects"),)


def test_a_device_joins_the_first_person_seen_with_it() -> None:
    people = community(subject(1, "user_id"), subject(9, "anonymous_id"))
    assert people.unite(ids(1, 9)).moved == (UUID(int=9),)


def test_a_shared_tablet_does_not_make_one_customer_of_two() -> None:
    people = community(subject(1, "user_id"), subject(2, "user_id"), subject(9, "anonymous_id"))
    people.unite(ids(1, 9))
    second = people.unite(ids(2, 9))
    assert second.moved == ()
    assert second.refused == ((UUID(int=9), "device_is_shared"),)
    assert people.customer(UUID(int=1)) != people.customer(UUID(int=2))


def test_devices_alone_are_nobody() -> None:
    people = community(subject(8, "anonymous_id"), subject(9, "anonymous_id"))
    assert people.unite(ids(8, 9)).moved == ()


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=30))
def test_members_and_customers_always_agree(links: list[tuple[int, int]]) -> None:
    people = community(*(subject(number, "loyalty_card" if number % 3 else "phone") for number in range(1, 13)))
    for one, other in links:
        people.unite(ids(one, other))
    assert {member for members in people.members.values() for member in members} == set(people.known)
    for customer, members in people.members.items():
        assert customer in members
        assert {people.customer(member) for member in members} == {customer}


@given(st.permutations([(1, 2), (2, 3), (4, 5), (5, 1), (6, 7)]))
def test_who_is_one_customer_does_not_depend_on_the_order_of_links(links: list[tuple[int, int]]) -> None:
    people = community(*(subject(number) for number in range(1, 8)))
    for one, other in links:
        people.unite(ids(one, other))
    assert {frozenset(members) for members in people.members.values()} == {
        frozenset(ids(1, 2, 3, 4, 5)),
        frozenset(ids(6, 7)),
    }
