"""Edited orders: whatever comes in whichever order, the last edit counts."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID, uuid5

import pytest

from services.ingest.domain.orders import OrderTold, Standing, step_of

START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
NAMES = UUID(int=7)


def told(minutes: int, *, cancels: bool = False) -> OrderTold:
    return OrderTold("1001", START + timedelta(minutes=minutes), cancels)


def standing(minutes: int = 0, content: bytes | None = b"a", *, is_cancelled: bool = False) -> Standing:
    return Standing("shop", UUID(int=1), content, START + timedelta(minutes=minutes), is_cancelled=is_cancelled)


@pytest.mark.parametrize(
    ("before", "document", "content", "step"),
    [
        (None, told(0), b"a", "first"),
        (standing(content=None), told(5), b"a", "first"),
        (standing(content=None, is_cancelled=True), told(5), b"a", "first"),
        (standing(), told(5), b"a", "repeat"),
        (standing(5), told(0), b"a", "repeat"),
        (standing(), told(5), b"b", "edit"),
        (standing(5), told(0), b"b", "superseded"),
        (standing(is_cancelled=True), told(5), b"b", "superseded"),
        (standing(), told(0), b"b", "edit"),
        (standing(content=b"b"), told(0), b"a", "superseded"),
        (standing(), told(5, cancels=True), b"x", "cancel"),
    ],
)
def test_a_document_does_what_is_left_to_do(
    before: Standing | None, document: OrderTold, content: bytes, step: str
) -> None:
    assert step_of(before, document, content, "shop") == step


def test_an_order_that_another_source_told_of_is_not_edited() -> None:
    assert step_of(standing(), told(5), b"b", "other") == "first"


def counted(history: tuple[tuple[int, bytes], ...]) -> bytes | None:
    """Return what counts after these documents."""
    now: Standing | None = None
    for minutes, content in history:
        document = told(minutes)
        step = step_of(now, document, content, "shop")
        if step in {"first", "edit"}:
            event_id = uuid5(NAMES, f"{minutes}/{content!r}")
            now = Standing("shop", event_id, content, document.edited_at, document.version(content))
        elif step == "repeat" and now is not None:
            now = now.seen(document.edited_at)
    return None if now is None else now.content


def test_whichever_order_edits_come_in_and_however_often_the_last_one_counts() -> None:
    history = ((0, b"a"), (1, b"b"), (2, b"a"), (3, b"c"), (3, b"c"))
    assert {counted(order) for order in permutations(history)} == {b"c"}
    back = ((0, b"a"), (1, b"b"), (2, b"a"))
    assert {counted(order) for order in permutations(back)} == {b"a"}
