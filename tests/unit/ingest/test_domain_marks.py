"""Names and birthdays as blind marks: what is one spelling, what cannot be compared, who may be one person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.marks import (
    Difference,
    Marks,
    are_same,
    difference,
    given_name_of_full,
    standard_birthday,
    standard_given_name,
)

KEY, OTHER_KEY = bytes(32), bytes(range(32))


def marks(given_name: str | None = None, birthday: str | None = None) -> Marks:
    found = Marks.of(KEY, given_name, birthday)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "typed", ["José", "JOSE", " jose ", "Jose Luis", "Jose-Luis", "\uff2a\uff2f\uff33\uff25", "jose\u0301"], ids=ascii
)
def test_a_given_name_has_one_spelling(typed: str) -> None:
    assert standard_given_name(typed) == "jose"


def test_a_decomposed_hangul_name_is_the_composed_one() -> None:
    assert standard_given_name("\u1106\u1175\u11ab") == standard_given_name("민")


@pytest.mark.parametrize("typed", ["", "  ", "J.", "J", "null", "Test", "女士", "Mr.", "123", "a" * 201])
def test_what_names_nobody_leaves_no_mark(typed: str) -> None:
    assert standard_given_name(typed) is None
    assert Marks.of(KEY, typed, None) is None


def test_one_chinese_character_is_a_name_and_no_initial() -> None:
    assert standard_given_name("伟") == "伟"


@pytest.mark.parametrize(
    ("full", "given"),
    [
        ("王伟", "伟"),
        ("王 小明", "小明"),
        ("欧阳娜娜", "娜娜"),
        ("欧阳娜", "娜"),
        ("欧阳", "阳"),
        ("司马光远", "光远"),
    ],
)
def test_the_given_name_of_a_chinese_full_name_is_its_end(full: str, given: str) -> None:
    assert given_name_of_full(full) == given


@pytest.mark.parametrize("full", ["Chen Li", "Li", "伟", "先生", "王伟 Wang", "一二三四五", ""])
def test_a_full_name_that_may_be_either_way_round_tells_no_given_name(full: str) -> None:
    assert given_name_of_full(full) is None


@pytest.mark.parametrize(
    "typed",
    [
        "1990-05-17",
        "1990/5/17",
        "19900517",
        "1990.05.17",
        "1990年5月17日",
        "1990-05-17T00:00:00Z",
        "\uff11\uff19\uff19\uff10-05-17",
    ],
)
def test_a_birthday_has_one_spelling(typed: str) -> None:
    assert standard_birthday(typed) == "1990-05-17"


@pytest.mark.parametrize(
    "typed",
    ["17.05.1990", "05/17/90", "1990", "1990-13-01", "1990-02-30", "1850-05-17", "1990-01-01", "199005171"],
)
def test_no_birthday_is_guessed_and_a_forms_first_of_january_is_none(typed: str) -> None:
    assert standard_birthday(typed) is None


def test_a_mark_is_another_under_another_key() -> None:
    mine, theirs = marks("Anna", "1990-05-17"), Marks.of(OTHER_KEY, "Anna", "1990-05-17")
    assert theirs is not None
    assert mine.given[1:] != theirs.given[1:]
    assert mine.born != theirs.born
    assert b"anna" not in mine.given


def test_a_name_and_a_birthday_are_never_taken_for_each_other() -> None:
    assert marks(birthday="1990-05-17").born not in marks("Anna").given


@pytest.mark.parametrize(
    ("one", "other", "is_same", "by"),
    [
        (("Anna", "1990-05-17"), ("anna", "19900517"), True, "none"),
        (("Anna", None), ("ANNA", "1990-05-17"), True, "none"),
        ((None, "1990-05-17"), ("Anna", "1990-05-17"), True, "none"),
        (("Anna", "1990-05-17"), ("Bernd", "1988-02-02"), False, "both"),
        (("Bob", "1990-05-17"), ("Robert", "1990-05-17"), False, "none"),
        (("Anna", "1990-05-17"), ("Anna", "1990-05-18"), False, "none"),
        ((None, "1990-05-17"), (None, "1990-05-18"), False, "none"),
        (("Anna", None), ("Bernd", "1990-05-17"), False, "name"),
        (("Anna", None), (None, "1990-05-17"), False, "none"),
        (("Wei", "1990-05-17"), ("伟", "1990-05-17"), True, "none"),
        (("Wei", None), ("伟", None), False, "none"),
        (("Wei", "1990-05-17"), ("伟", "1988-02-02"), False, "none"),
    ],
)
def test_two_sayings_agree_differ_or_tell_nothing(
    one: tuple[str | None, str | None],
    other: tuple[str | None, str | None],
    is_same: bool,  # noqa: FBT001 (a column of the table above)
    by: Difference,
) -> None:
    first, second = [marks(*one)], [marks(*other)]
    assert (are_same(first, second), difference(first, second)) == (is_same, by)


def test_one_slip_among_many_sayings_makes_no_other_person() -> None:
    said = [marks("Anna", "1990-05-17"), marks("Bernd", "1988-02-02")]
    assert difference(said, [marks("Anna", "1975-07-07")]) == "none"


def test_nobody_is_told_from_nobody() -> None:
    assert not are_same([], [])
    assert difference([], [marks("Anna", "1990-05-17")]) == "none"


names = st.sampled_from([None, "Anna", "Bernd", "伟", "Wei"])
days = st.sampled_from([None, "1990-05-17", "1988-02-02"])
said = st.lists(st.builds(lambda name, day: Marks.of(KEY, name, day), names, days), max_size=4)


@given(said, said)
def test_both_questions_are_symmetric_and_never_contradict(
    one: list[Marks | None], other: list[Marks | None]
) -> None:
    first, second = [each for each in one if each], [each for each in other if each]
    assert are_same(first, second) == are_same(second, first)
    assert difference(first, second) == difference(second, first)
    assert not are_same(first, second) or difference(first, second) == "none"


@given(st.text(max_size=40))
def test_a_standard_name_is_its_own_standard(typed: str) -> None:
    standard = standard_given_name(typed)
    assert standard is None or standard_given_name(standard) == standard
