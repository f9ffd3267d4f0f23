"""A purchase is credited once: to the last list that showed the product before it, in time."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from services.recommend.domain.attribution import Bought, Touch, credited
from tests.unit.recommend.factories import day

SPACE = UUID(int=5)


def touch(name: str, at: float, product: str, *, clicked: bool = False) -> Touch:
    return Touch(day(at), uuid5(SPACE, name), product, clicked)


def bought(name: str, at: float, product: str) -> Bought:
    return Bought(day(at), uuid5(SPACE, name), product)


def credits_to(touches: list[Touch], purchases: list[Bought], days: int = 7) -> list[tuple[UUID, str]]:
    return [(each.touch.request_id, each.touch.product_id) for each in credited(touches, purchases, days)]


def test_a_product_bought_after_it_was_shown_is_credited_to_the_list() -> None:
    assert credits_to([touch("l1", 0, "milk")], [bought("r1", 3, "milk")]) == [(uuid5(SPACE, "l1"), "milk")]


def test_the_last_list_before_the_purchase_gets_the_credit() -> None:
    touches = [touch("l2", 2, "milk"), touch("l1", 0, "milk"), touch("l3", 4, "milk")]
    assert credits_to(touches, [bought("r1", 3, "milk")]) == [(uuid5(SPACE, "l2"), "milk")]


def test_what_was_bought_before_or_at_the_showing_is_nobodys() -> None:
    assert credits_to([touch("l1", 3, "milk")], [bought("r1", 2, "milk"), bought("r2", 3, "milk")]) == []


def test_the_window_ends_after_so_many_days_to_the_moment() -> None:
    touches = [touch("l1", 0, "milk")]
    assert len(credits_to(touches, [bought("r1", 7, "milk")])) == 1
    assert credits_to(touches, [bought("r1", 7.001, "milk")]) == []


def test_an_older_list_does_not_step_in_for_a_later_one() -> None:
    """The last touch has the credit or nobody: what was shown later without effect is not skipped."""
    touches = [touch("l1", 0, "milk"), touch("l2", 1, "milk")]
    assert credits_to(touches, [bought("r1", 8, "milk")]) == [(uuid5(SPACE, "l2"), "milk")]
    assert credits_to(touches, [bought("r1", 9, "milk")]) == []


def test_another_product_and_a_second_line_earn_nothing() -> None:
    purchases = [bought("r1", 1, "milk"), bought("r1", 1, "milk"), bought("r1", 1, "bread")]
    assert len(credits_to([touch("l1", 0, "milk")], purchases)) == 1


def test_each_receipt_that_holds_the_product_is_credited() -> None:
    assert len(credits_to([touch("l1", 0, "milk")], [bought("r1", 1, "milk"), bought("r2", 2, "milk")])) == 2


def test_a_click_stays_with_its_touch() -> None:
    touches = [touch("l1", 0, "milk", clicked=True), touch("l2", 1, "milk")]
    assert [each.touch.clicked for each in credited(touches, [bought("r1", 0.5, "milk")], 7)] == [True]
    assert [each.touch.clicked for each in credited(touches, [bought("r1", 2, "milk")], 7)] == [False]


@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), max_size=20),
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from("abcd")), max_size=20),
    st.integers(1, 10),
)
def test_no_purchase_is_credited_twice_and_none_without_a_showing_in_time(
    shown: list[tuple[int, str]], sold: list[tuple[int, str]], days: int
) -> None:
    touches = [touch(f"l{n}", at, product) for n, (at, product) in enumerate(shown)]
    purchases = [bought(f"r{n}", at, product) for n, (at, product) in enumerate(sold)]
    found = credited(touches, purchases, days)
    assert len({(each.receipt_id, each.touch.product_id) for each in found}) == len(found)
    in_time = sum(any(s == product and 0 < at - t <= days for t, s in shown) for at, product in sold)
    assert len(found) == in_time
    assert credited(list(reversed(touches)), list(reversed(purchases)), days).__len__() == len(found)
