"""When the demo may ask for a campaign by segment: once profile has scored everybody it knew of."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from regulars.demo.databases import segments_are_current
from tests.integration.verification.conftest import Books

pytestmark = pytest.mark.postgres

APPLIED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL_LOOKED_AT = "DELETE FROM dirty"


def scored(began: str, ended: str) -> str:
    return f"INSERT INTO schedule_runs (task, started_at, finished_at) VALUES ('score', {began}, {ended})"


@pytest.mark.parametrize(
    ("statements", "current"),
    [
        ((ALL_LOOKED_AT,), False),
        ((ALL_LOOKED_AT, scored("'2026-03-01 11:59Z'", "'2026-03-01 12:01Z'")), False),
        ((ALL_LOOKED_AT, scored("'2026-03-01 12:01Z'", "NULL")), False),
        ((scored("'2026-03-01 12:01Z'", "'2026-03-01 12:02Z'"),), False),
        ((ALL_LOOKED_AT, scored("'2026-03-01 12:01Z'", "'2026-03-01 12:02Z'")), True),
    ],
    ids=["never scored", "began before", "not ended", "marks are left", "scored and looked at"],
)
async def test_segments_are_current_after_a_later_scoring_with_no_mark_left(
    books: Books, *, statements: tuple[str, ...], current: bool
) -> None:
    books.forge("profile", *statements)
    credentials = SimpleNamespace(database=books.addresses())
    assert await segments_are_current(credentials, APPLIED_AT) is current  # type: ignore[arg-type]
