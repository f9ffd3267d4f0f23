"""Which subjects become one customer."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.linking import Community, United
from services.ingest.domain.links import Cause, KnownSubject, Said, pair_of
from services.ingest.domain.policy import SUBJECTS_MAX

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
SAID = Said(UUID(int=1000), FIRST)


def subject(number: int, namespace: str = "phone", days: int = 0) -> KnownSubject:
    return KnownSubject(UUID(int=number), namespace, FIRST + timedelta(days=days))


def community(*subjects: KnownSubject, **assigned: int) -> Community:
    known = {one.subject_id: one for one in subjects}
    customer_of = {UUID(int=int(name[1:])): UUID(int=customer) for name, customer in assigned.items()}
    return Community(known, customer_of)


def unite(people: Community, *numbers: int, event: int = 1000, cause: Cause = "seen_together") -> United:
    return people.unite(ids(*numbers), Said(UUID(int=event), FIRST, cause))


def ids(*numbers: int) -> list[UUID]:
    return [UUID(int=number) for number in numbers]


def test_the_loyalty_card_survives_whichever_was_seen_first() -> None:
    people = community(subject(1, "phone", days=0), subject(2, "loyalty_card", days=9))
    united = unite(people, 1, 2)
    assert united.customer_id == UUID(int=2)
    assert united.moved == (UUID(int=1),)


def test_of_two_equal_identifiers_the_one_seen_first_survives() -> None:
    people = community(subject(1, "phone", days=5), subject(2, "phone", days=1))
    assert unite(people, 1, 2).customer_id == UUID(int=2)


def test_of_two_equal_identifiers_seen_at_once_the_smaller_id_survives() -> None:
    people = community(subject(2), subject(1))
    assert unite(people, 2, 1).customer_id == UUID(int=1)


def test_everybody_who_shares_a_customer_moves_along() -> None:
    people = community(subject(1), subject(2), subject(3, "loyalty_card"), s1=1, s2=1)
    united = unite(people, 2, 3)
    assert united.customer_id == UUID(int=3)
    assert united.moved == (UUID(int=1), UUID(int=2))
    assert people.customer(UUID(int=1)) == UUID(int=3)


def test_linking_what_is_linked_moves_nobody() -> None:
    people = community(subject(1), subject(2))
    unite(people, 1, 2)
    assert unite(people, 2, 1).moved == ()


def test_a_customer_never_grows_past_the_limit() -> None:
    many = [subject(number, "external:crm") for number in range(1, SUBJECTS_MAX + 2)]
    people = community(*many)
    for number in range(2, SUBJECTS_MAX + 1):
        assert unite(people, number - 1, number).moved
    refused = unite(people, SUBJECTS_MAX, SUBJECTS_MAX + 1)
    assert refused.moved == ()
    assert refused.refused == ((UUID(int=SUBJECTS_MAX + 1), "too_many_subjects"),)


def test_a_device_joins_the_first_person_seen_with_it() -> None:
    people = community(subject(1, "user_id"), subject(9, "anonymous_id"))
    assert unite(people, 1, 9).moved == (UUID(int=9),)


def test_a_shared_tablet_does_not_make_one_customer_of_two() -> None:
    people = community(subject(1, "user_id"), subject(2, "user_id"), subject(9, "anonymous_id"))
    unite(people, 1, 9)
    second = unite(people, 2, 9)
    assert second.moved == ()
    assert second.refused == ((UUID(int=9), "device_is_shared"),)
    assert people.customer(UUID(int=1)) != people.customer(UUID(int=2))


def test_devices_alone_are_nobody() -> None:
    people = community(subject(8, "anonymous_id"), subject(9, "anonymous_id"))
    assert unite(people, 8, 9).moved == ()


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=30))
def test_members_and_customers_always_agree(links: list[tuple[int, int]]) -> None:
    people = community(*(subject(number, "loyalty_card" if number % 3 else "phone") for number in range(1, 13)))
    for one, other in links:
        unite(people, one, other)
    assert {member for members in people.members.values() for member in members} == set(people.known)
    for customer, members in people.members.items():
        assert customer in members
        assert {people.customer(member) for member in members} == {customer}


@given(st.permutations([(1, 2), (2, 3), (4, 5), (5, 1), (6, 7)]))
def test_who_is_one_customer_does_not_depend_on_the_order_of_links(links: list[tuple[int, int]]) -> None:
    people = community(*(subject(number) for number in range(1, 8)))
    for one, other in links:
        unite(people, one, other)
    assert {frozenset(members) for members in people.members.values()} == {
        frozenset(ids(1, 2, 3, 4, 5)),
        frozenset(ids(6, 7)),
    }


def customers(people: Community) -> set[frozenset[int]]:
    return {frozenset(one.int for one in members) for members in people.members.values()}


def test_two_loyalty_cards_with_one_phone_stay_two_customers() -> None:
    people = community(subject(1, "loyalty_card"), subject(2, "loyalty_card"), subject(3, "phone"))
    unite(people, 1, 3)
    assert unite(people, 2, 3).refused == ((UUID(int=3), "limit_loyalty_card"),)
    assert customers(people) == {frozenset({1}), frozenset({2}), frozenset({3})}
    assert {link.reason for link in people.links.values()} == {"contested"}


def test_two_loyalty_cards_that_share_phone_and_email_are_one_customer() -> None:
    people = community(
        subject(1, "loyalty_card"), subject(2, "loyalty_card"), subject(3, "phone"), subject(4, "email")
    )
    unite(people, 1, 3, 4)
    unite(people, 2, 3)
    assert unite(people, 2, 4).refused == ()
    assert customers(people) == {frozenset({1, 2, 3, 4})}
    assert {link.state for link in people.links.values()} == {"made"}


def test_a_contested_phone_links_nobody_until_its_cards_turn_out_to_be_one_persons() -> None:
    people = community(
        subject(1, "loyalty_card"), subject(2, "loyalty_card"), subject(3, "phone"), subject(4, "email")
    )
    unite(people, 1, 3)
    unite(people, 2, 3)
    assert unite(people, 4, 3).refused == ((UUID(int=3), "contested"),)
    unite(people, 1, 4)
    unite(people, 2, 4)
    assert customers(people) == {frozenset({1, 2, 3, 4})}


def test_one_saying_is_one_piece_of_evidence() -> None:
    people = community(
        subject(1, "loyalty_card"),
        subject(2, "loyalty_card"),
        subject(3, "phone"),
        subject(4, "phone"),
        subject(5, "email"),
    )
    unite(people, 1, 3, 5)
    unite(people, 4, 5)
    unite(people, 2, 4)
    assert customers(people) == {frozenset({1, 3, 5}), frozenset({2, 4})}


def test_a_family_that_shares_both_phones_is_one_customer_only_where_an_email_agrees_too() -> None:
    people = community(
        subject(1, "loyalty_card"), subject(2, "loyalty_card"), subject(3, "phone"), subject(4, "phone")
    )
    unite(people, 1, 3)
    unite(people, 2, 4)
    unite(people, 1, 4)
    unite(people, 2, 3)
    assert people.customer(UUID(int=1)) != people.customer(UUID(int=2))


def test_what_a_quarantined_card_stood_against_is_tried_again() -> None:
    people = community(subject(1, "loyalty_card"), subject(2, "loyalty_card"), subject(3, "phone"))
    unite(people, 1, 3)
    unite(people, 2, 3)
    assert customers(people) == {frozenset({1}), frozenset({2}), frozenset({3})}
    people.hold(UUID(int=2), UUID(int=77))
    assert customers(people) == {frozenset({1, 3}), frozenset({2})}


def test_what_waited_for_a_contested_phone_follows_when_its_cards_are_one() -> None:
    people = community(
        subject(1, "loyalty_card"), subject(2, "loyalty_card"), subject(3, "phone"), subject(4, "user_id")
    )
    unite(people, 1, 3)
    unite(people, 2, 3)
    assert unite(people, 4, 3).refused == ((UUID(int=3), "contested"),)
    people.join(ids(1, 2), Said(UUID(int=50), FIRST, "decided"))
    assert customers(people) == {frozenset({1, 2, 3, 4})}


def test_a_person_says_whose_a_contested_phone_is() -> None:
    people = community(subject(1, "loyalty_card"), subject(2, "loyalty_card"), subject(3, "phone"))
    unite(people, 1, 3)
    unite(people, 2, 3)
    people.join(ids(2, 3), Said(UUID(int=2001), FIRST, "decided"))
    unite(people, 1, 3)
    assert customers(people) == {frozenset({1}), frozenset({2, 3})}


def test_two_user_ids_are_never_one_customer_unless_the_shop_renamed_one() -> None:
    people = community(subject(1, "user_id"), subject(2, "user_id"), subject(3, "phone"), subject(4, "email"))
    unite(people, 1, 3, 4)
    assert unite(people, 2, 3, 4).refused == (
        (UUID(int=3), "limit_user_id"),
        (UUID(int=4), "limit_user_id"),
    )
    assert unite(people, 1, 2, cause="alias").refused == ()
    assert customers(people) == {frozenset({1, 2, 3, 4})}


def test_subjects_that_were_parted_are_not_linked_again_by_what_they_share() -> None:
    people = community(subject(1, "loyalty_card"), subject(2, "phone"), subject(3, "email"))
    unite(people, 1, 2)
    unite(people, 1, 3)
    assert people.part(ids(2), UUID(int=2000)) == (UUID(int=2),)
    assert unite(people, 1, 2, event=1001).refused == ((UUID(int=2), "kept_apart"),)
    assert unite(people, 3, 2, event=1002).refused == ((UUID(int=2), "kept_apart"),)
    assert customers(people) == {frozenset({1, 3}), frozenset({2})}


def test_a_person_may_link_what_was_parted() -> None:
    people = community(subject(1, "loyalty_card"), subject(2, "phone"))
    unite(people, 1, 2)
    people.part(ids(2), UUID(int=2000))
    united = people.join(ids(2, 1), Said(UUID(int=2001), FIRST, "decided"))
    assert united.moved == (UUID(int=2),)
    assert people.apart == set()


def test_the_link_of_one_event_is_taken_back() -> None:
    people = community(subject(1, "loyalty_card"), subject(2, "phone"), subject(3, "email"))
    unite(people, 1, 2, event=11)
    unite(people, 2, 3, event=12)
    assert people.take_back(UUID(int=12), ids(1), UUID(int=2000)) == (UUID(int=3),)
    assert customers(people) == {frozenset({1, 2}), frozenset({3})}


def test_a_link_that_others_bear_out_is_not_taken_back_alone() -> None:
    people = community(subject(1, "loyalty_card"), subject(2, "phone"), subject(3, "email"))
    unite(people, 1, 2, event=11)
    unite(people, 1, 3, event=12)
    unite(people, 2, 3, event=13)
    before = dict(people.links)
    assert people.take_back(UUID(int=12), ids(1), UUID(int=2000)) is None
    assert people.links == before
    assert customers(people) == {frozenset({1, 2, 3})}


def test_parting_makes_room_for_what_the_wrong_link_kept_out() -> None:
    """What stands after a wrong link was taken back is what would stand without it."""
    people = community(
        *(subject(number, "loyalty_card") for number in (1, 2)), subject(3, "phone"), subject(4, "phone")
    )
    unite(people, 1, 3, event=11)
    unite(people, 2, 4, event=12)
    wrong = community(
        *(subject(number, "loyalty_card") for number in (1, 2)), subject(3, "phone"), subject(4, "phone")
    )
    unite(wrong, 1, 3, event=11)
    unite(wrong, 1, 4, event=99)
    assert unite(wrong, 2, 4, event=12).refused
    wrong.take_back(UUID(int=99), ids(1), UUID(int=2000))
    assert customers(wrong) == customers(people)


def test_an_identifier_seen_with_too_many_is_put_aside_and_frees_them() -> None:
    """A cashier's own card."""
    people = community(subject(1, "loyalty_card"), *(subject(number, "phone") for number in range(2, 10)))
    shared: tuple[UUID, ...] = ()
    for number in range(2, 10):
        shared += unite(people, 1, number, event=number).shared
    assert shared == (UUID(int=1),)
    assert customers(people) == {frozenset({number}) for number in range(1, 10)}
    assert {link.state for link in people.links.values()} == {"held"}


def test_a_phone_of_four_cards_is_nobodys() -> None:
    people = community(*(subject(number, "loyalty_card") for number in range(1, 5)), subject(9, "phone"))
    for number in range(1, 5):
        unite(people, number, 9, event=number)
    assert people.known[UUID(int=9)].is_held
    assert len(customers(people)) == 5


def test_one_that_is_in_quarantine_stands_back_for_the_next() -> None:
    people = community(subject(1, "loyalty_card"), subject(2, "phone"), subject(3, "email"))
    people.hold(UUID(int=1), UUID(int=2000))
    unite(people, 1, 2, 3)
    assert customers(people) == {frozenset({1}), frozenset({2, 3})}


def test_a_release_makes_the_links_that_were_held_and_lasts() -> None:
    people = community(subject(1, "loyalty_card"), *(subject(number, "phone") for number in range(2, 6)))
    people.hold(UUID(int=1), UUID(int=2000))
    for number in range(2, 5):
        unite(people, 1, number)
    assert people.release(UUID(int=1), UUID(int=2001)) == tuple(ids(2, 3, 4))
    assert customers(people) == {frozenset({1, 2, 3, 4}), frozenset({5})}
    assert people.known[UUID(int=1)].quarantine == "released"


def test_a_claimed_receipt_joins_and_leaves_again() -> None:
    people = community(subject(1, "loyalty_card"), subject(2, "guest"))
    assert unite(people, 1, 2, cause="claimed").moved == (UUID(int=2),)
    assert people.let_go(UUID(int=2), UUID(int=2000)) == (UUID(int=2),)


def test_a_claimed_receipt_and_what_took_it_back_go_with_the_identifier_that_is_parted() -> None:
    people = community(subject(1, "loyalty_card"), subject(2), subject(3, "guest"), subject(4, "guest"))
    unite(people, 1, 2)
    unite(people, 2, 3, cause="claimed", event=1001)
    unite(people, 3, 4, cause="refers_to", event=1002)
    assert len(set(map(people.customer, ids(1, 2, 3, 4)))) == 1
    people.part(ids(2), UUID(int=2000))
    assert customers(people) == {frozenset({1}), frozenset({2, 3, 4})}


_NAMESPACES = ("loyalty_card", "user_id", "phone", "email", "anonymous_id")


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from(["link", "part", "hold", "release"]))),
)
def test_customers_are_the_components_of_the_links_that_hold(steps: list[tuple[int, int, str]]) -> None:
    people = community(*(subject(number, _NAMESPACES[number % 5]) for number in range(1, 13)))
    for event, (one, other, step) in enumerate(steps, start=100):
        if step == "link" and one != other:
            unite(people, *sorted((one, other), key=lambda number: people.known[UUID(int=number)].rank), event=event)
        elif step == "part":
            people.part(ids(one), UUID(int=event))
        elif step == "hold":
            people.hold(UUID(int=one), UUID(int=event))
        elif step == "release" and people.known[UUID(int=one)].is_held:
            people.release(UUID(int=one), UUID(int=event))
    made = [link.pair for link in people.links.values() if link.state == "made"]
    found = {UUID(int=number): {UUID(int=number)} for number in range(1, 13)}
    for left, right in made:
        together = found[left] | found[right]
        found.update(dict.fromkeys(together, together))
    assert {frozenset(part) for part in found.values()} == {frozenset(part) for part in people.members.values()}
    for customer, members in people.members.items():
        assert customer == min(members, key=lambda one: (people.known[one].rank, one.int))
        assert not any(pair_of(a, b) in people.apart for a in members for b in members if a != b)
