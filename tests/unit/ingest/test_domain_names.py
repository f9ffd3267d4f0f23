"""What names and birthdays do to links: they help what is seen together, and never link by themselves."""

from uuid import UUID

from services.ingest.domain.linking import Community, United
from services.ingest.domain.links import Said, pair_of
from services.ingest.domain.marks import Marks
from services.ingest.domain.policy import MARKS_MAX
from tests.unit.ingest.test_domain_linking import FIRST, community, ids, subject

CARD, NEW_CARD, PHONE, EMAIL, NEW_PHONE, ACCOUNT, DEVICE = range(1, 8)
ANNA = ("Anna", "1990-05-17")
BERND = ("Bernd", "1988-02-02")


def people() -> Community:
    return community(
        subject(CARD, "loyalty_card"),
        subject(NEW_CARD, "loyalty_card", days=100),
        subject(PHONE, "phone"),
        subject(EMAIL, "email"),
        subject(NEW_PHONE, "phone", days=100),
        subject(ACCOUNT, "user_id"),
        subject(DEVICE, "anonymous_id"),
    )


def say(
    known: Community, *numbers: int, who: tuple[str | None, str | None] = (None, None), event: int = 1000
) -> United:
    return known.unite(ids(*numbers), Said(UUID(int=event), FIRST), Marks.of(bytes(32), *who))


def is_one(known: Community, one: int, other: int) -> bool:
    return known.customer(UUID(int=one)) == known.customer(UUID(int=other))


def test_a_replaced_card_with_the_same_phone_and_name_is_the_same_persons() -> None:
    known = people()
    say(known, CARD, PHONE, who=ANNA)
    say(known, NEW_CARD, PHONE, who=ANNA, event=1001)
    assert is_one(known, CARD, NEW_CARD)
    assert known.links[pair_of(*ids(NEW_CARD, PHONE))].by_names
    assert not known.links[pair_of(*ids(CARD, PHONE))].by_names


def test_a_second_card_with_the_same_phone_and_no_name_stays_somebody_elses() -> None:
    known = people()
    say(known, CARD, PHONE, who=ANNA)
    assert say(known, NEW_CARD, PHONE).refused == ((UUID(int=PHONE), "limit_loyalty_card"),)
    assert not is_one(known, CARD, NEW_CARD)


def test_the_same_name_alone_links_nobody() -> None:
    known = people()
    say(known, CARD, who=ANNA)
    say(known, NEW_CARD, who=ANNA, event=1001)
    assert not is_one(known, CARD, NEW_CARD)


def test_a_name_said_later_links_what_was_refused() -> None:
    known = people()
    say(known, CARD, PHONE)
    say(known, NEW_CARD, EMAIL, who=ANNA, event=1001)
    say(known, EMAIL, NEW_PHONE, event=1002)
    say(known, PHONE, EMAIL, event=1003)
    assert not is_one(known, CARD, NEW_CARD)
    say(known, CARD, who=ANNA, event=1004)
    say(known, PHONE, EMAIL, event=1005)
    assert is_one(known, CARD, NEW_CARD)


def test_what_was_said_with_the_familys_own_address_does_not_tell_whose_it_is() -> None:
    known = people()
    say(known, EMAIL, who=ANNA)
    say(known, CARD, EMAIL, event=1001)
    say(known, NEW_CARD, EMAIL, who=ANNA, event=1002)
    assert not is_one(known, CARD, NEW_CARD)


def test_a_spouse_without_a_card_who_gives_the_others_phone_is_somebody_else() -> None:
    known = people()
    say(known, CARD, PHONE, who=ANNA)
    refused = say(known, PHONE, EMAIL, who=BERND, event=1001).refused
    assert refused == ((UUID(int=EMAIL), "names_differ"),)
    assert not is_one(known, PHONE, EMAIL)
    assert is_one(known, CARD, PHONE)


def test_another_name_alone_parts_people_unless_two_identifiers_agree() -> None:
    known = people()
    say(known, CARD, PHONE, EMAIL, who=("Anna", None))
    say(known, PHONE, NEW_PHONE, who=("Bernd", None), event=1001)
    assert not is_one(known, CARD, NEW_PHONE)
    say(known, ACCOUNT, PHONE, EMAIL, who=("Carla", None), event=1002)
    assert is_one(known, CARD, ACCOUNT)


def test_a_name_of_the_other_identifiers_counts_where_the_card_tells_a_birthday_only() -> None:
    known = people()
    say(known, CARD, EMAIL, who=(None, "1990-05-17"))
    say(known, CARD, PHONE, event=1001)
    say(known, PHONE, who=("Anna", None), event=1002)
    say(known, NEW_PHONE, EMAIL, who=("Anna", None), event=1003)
    assert is_one(known, CARD, NEW_PHONE)


def test_without_names_that_spouse_cannot_be_told_apart() -> None:
    known = people()
    say(known, CARD, PHONE)
    say(known, PHONE, EMAIL, event=1001)
    assert is_one(known, CARD, EMAIL)


def test_a_nickname_or_a_mistyped_birthday_alone_parts_nobody() -> None:
    known = people()
    say(known, CARD, PHONE, who=("Robert", "1990-05-17"))
    say(known, PHONE, EMAIL, who=("Bob", "1990-05-17"), event=1001)
    assert is_one(known, CARD, EMAIL)


def test_a_second_phone_comes_by_e_mail_alone_only_with_the_same_name() -> None:
    for who, is_theirs in ((ANNA, True), ((None, None), False)):
        known = people()
        say(known, CARD, PHONE, EMAIL, who=ANNA)
        say(known, NEW_PHONE, EMAIL, who=who, event=1001)
        assert is_one(known, CARD, NEW_PHONE) is is_theirs


def test_what_a_person_decides_stands_above_names() -> None:
    known = people()
    say(known, CARD, PHONE, who=ANNA)
    say(known, EMAIL, who=BERND, event=1001)
    joined = known.join(ids(CARD, EMAIL), Said(UUID(int=1002), FIRST, "decided"))
    assert joined.refused == ()
    assert is_one(known, CARD, EMAIL)


def test_un_merged_people_stay_apart_whatever_they_are_called() -> None:
    known = people()
    say(known, CARD, PHONE, who=ANNA)
    say(known, NEW_CARD, PHONE, who=ANNA, event=1001)
    known.part(ids(NEW_CARD), UUID(int=2000))
    say(known, NEW_CARD, PHONE, who=ANNA, event=1002)
    assert not is_one(known, CARD, NEW_CARD)


def test_a_device_keeps_no_name_and_no_identifier_keeps_too_many() -> None:
    known = people()
    for day in range(1, MARKS_MAX + 9):
        say(known, ACCOUNT, DEVICE, who=(None, f"{1900 + day}-05-17"), event=1000 + day)
    assert known.marks_of(UUID(int=DEVICE)) == ()
    assert len(known.marks_of(UUID(int=ACCOUNT))) == MARKS_MAX


def test_what_is_said_again_is_kept_once_with_the_event_that_said_it_first() -> None:
    known = people()
    say(known, CARD, who=ANNA, event=1001)
    say(known, CARD, who=ANNA, event=1002)
    assert [(subject_id, by) for subject_id, _, by in known.marked] == [(UUID(int=CARD), UUID(int=1001))]
