from datetime import date, timedelta
from uuid import UUID

import pytest

from services.churn.domain import Level, State
from services.churn.episodes import (
    ALREADY_LOST,
    LEVEL_NAMES,
    ClosedWarning,
    OpenWarning,
    Standing,
    fates,
    may_be_warned,
)

AS_OF = date(2026, 3, 29)
ONE = UUID(int=1)
OPENED = AS_OF - timedelta(days=14)


def _fate(standing: Standing | None, level: int = 2) -> tuple[str | None, int | None]:
    fate = fates({ONE: OpenWarning(UUID(int=9), ONE, level, OPENED)}, {ONE: standing} if standing else {})
    return fate.closed.get(ONE), fate.changed.get(ONE)


def test_levels_and_states_are_those_of_the_domain() -> None:
    assert [level.name.lower() for level in Level] == list(LEVEL_NAMES)
    assert State.ALREADY_LOST == ALREADY_LOST


def test_a_warning_of_the_same_level_is_left_alone() -> None:
    assert _fate(Standing(2, "at_risk", OPENED)) == (None, None)


@pytest.mark.parametrize("level", [1, 3, 4])
def test_another_level_changes_the_warning(level: int) -> None:
    assert _fate(Standing(level, "at_risk", OPENED)) == (None, level)


def test_a_warning_lapses_when_the_customer_is_lost() -> None:
    assert _fate(Standing(0, "already_lost", OPENED)) == ("lapsed", None)


def test_a_customer_who_came_back_has_returned_and_one_whose_score_fell_is_cleared() -> None:
    assert _fate(Standing(0, "active", OPENED + timedelta(days=1))) == ("returned", None)
    assert _fate(Standing(0, "active", OPENED)) == ("cleared", None)


def test_a_visit_alone_does_not_end_a_warning() -> None:
    assert _fate(Standing(2, "at_risk", AS_OF)) == (None, None)


def test_the_warning_of_an_absorbed_customer_is_cleared() -> None:
    assert _fate(None) == ("cleared", None)


def _may(level: int = 1, last: ClosedWarning | None = None, *, is_open: bool = False) -> bool:
    return may_be_warned(level, last, is_open=is_open, as_of=AS_OF, cooldown_days=28)


def test_only_who_has_a_level_and_no_open_warning_is_warned_of() -> None:
    assert _may()
    assert not _may(0)
    assert not _may(is_open=True)


def test_there_is_peace_for_four_weeks_unless_it_got_two_levels_worse() -> None:
    lately = ClosedWarning(1, AS_OF - timedelta(days=27))
    assert not _may(1, lately)
    assert not _may(2, lately)
    assert _may(3, lately)
    assert _may(1, ClosedWarning(1, AS_OF - timedelta(days=28)))
