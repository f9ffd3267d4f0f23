"""What is in quarantine is read once for all who ask at the same time."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ingest.handlers.accepting import aging
from services.ingest.handlers.accepting.aging import HeldBook

NOBODY: Any = None


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """What each reading found."""
    found: list[UUID] = []

    async def held_subjects(*_: object) -> list[UUID]:
        found.append(uuid4())
        await asyncio.sleep(0)
        return [found[-1]]

    monkeypatch.setattr("services.ingest.store.identities.held_subjects", held_subjects)
    return found


async def test_who_asks_at_the_same_time_shares_one_reading(reads: list[UUID]) -> None:
    book = HeldBook(NOBODY)
    answers = await asyncio.gather(*(book.held() for _ in range(50)))
    assert len(reads) == 1
    assert set(answers) == {frozenset(reads)}


async def test_what_is_a_second_old_or_was_changed_here_is_read_again(
    reads: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    book = HeldBook(NOBODY)
    await book.held()
    book.forget()
    assert await book.held() == {reads[1]}
    monkeypatch.setattr(aging, "FRESH_SECONDS", 0.0)
    assert await book.held() == {reads[2]}
