"""Cursors belong to their list and filters, or are refused."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.errors import InvalidInput
from shared.http.pagination import decode_cursor, encode_cursor, next_cursor

FILTERS = {"store_id": "S01", "since": datetime(2026, 1, 1, tzinfo=UTC)}
Position = TypeAdapter[tuple[datetime, UUID]](tuple[datetime, UUID])
LAST = (datetime(2026, 11, 22, 9, 12, 44, 123456, tzinfo=UTC), UUID(int=7))


def test_a_cursor_gives_its_position_back_exactly() -> None:
    assert decode_cursor(encode_cursor(LAST, FILTERS), FILTERS, Position) == LAST


@given(st.tuples(st.integers(-(2**60), 2**60), st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_position_survives_the_way(position: tuple[int, str]) -> None:
    assert decode_cursor(encode_cursor(position, {}), {}, TypeAdapter[tuple[int, str]](tuple[int, str])) == position


def test_the_first_page_has_no_position() -> None:
    assert decode_cursor(None, FILTERS, Position) is None


def test_the_order_of_filters_does_not_matter() -> None:
    cursor = encode_cursor(LAST, FILTERS)
    assert decode_cursor(cursor, dict(reversed(FILTERS.items())), Position) == LAST


@pytest.mark.parametrize("filters", [{}, {**FILTERS, "store_id": "S02"}])
def test_a_cursor_of_other_filters_is_refused(filters: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="other filters") as refused:
        decode_cursor(encode_cursor(LAST, FILTERS), filters, Position)
    assert refused.value.field == "cursor"


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(InvalidInput, match="another list"):
        decode_cursor(encode_cursor(("x",), FILTERS), FILTERS, Position)


@given(st.text())
def test_any_other_text_is_refused_as_input(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        decode_cursor(text, FILTERS, Position)
    assert refused.value.code == "invalid_cursor"


@given(st.integers(min_value=0), st.integers(0, 63))
def test_a_changed_cursor_is_refused(index: int, letter: int) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    cursor = encode_cursor((1, 2, 3), FILTERS)
    index %= len(cursor) - 1  # The last letter holds unused bits.
    changed = cursor[:index] + alphabet[letter] + cursor[index + 1 :]
    if changed != cursor:
        with pytest.raises(InvalidInput):
            decode_cursor(changed, FILTERS, TypeAdapter[tuple[int, int, int]](tuple[int, int, int]))


def test_a_short_page_is_the_last() -> None:
    assert next_cursor([1, 2], 3, LAST, FILTERS) is None
    assert next_cursor([1, 2, 3], 3, LAST, FILTERS) == encode_cursor(LAST, FILTERS)
