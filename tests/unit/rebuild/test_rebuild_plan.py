"""How far lines are filled: as far as live, never farther; and as its log is, where history was replaced."""

from uuid import UUID, uuid4

from shared.rebuild.domain import (
    Differences,
    Goal,
    Plan,
    Rebuilt,
    Served,
    TableFinding,
    forks_said,
    moved_on,
    place_of,
    plan_of,
)
from shared.rebuild.report import lines_of
from shared.worker.domain import Position

LAST = uuid4()


def at(seq: int, *, topic: str = "t", origin: str = "ingest#1", event_id: UUID = LAST, **more: str) -> Position:
    return Position(origin, topic, 0, seq, event_id if seq else None, **more)  # type: ignore[arg-type]


def served(*positions: Position) -> Served:
    origins = frozenset(position.origin for position in positions)
    return Served(origins, {place_of(position): position.last_seq for position in positions})


def test_a_line_is_filled_exactly_as_far_as_it_was_applied() -> None:
    plan = plan_of([at(7)], served(at(9)), ())
    assert plan.goals == (Goal("ingest#1", "t", 0, 7, LAST),)
    assert plan.events == 7
    assert not plan.reconciled
    assert forks_said(plan) == ()


def test_a_line_of_which_nothing_was_applied_has_no_goal() -> None:
    assert plan_of([at(0)], served(at(9)), ()).goals == ()


def test_a_goal_is_met_only_by_the_same_event_at_the_same_number() -> None:
    goal = Goal("ingest#1", "t", 0, 7, LAST)
    assert goal.is_met(at(7))
    assert not goal.is_met(at(7, event_id=uuid4()))
    assert not goal.is_met(at(6))
    assert not goal.is_met(None)
    assert Goal("ingest#1", "t", 0, 7, None).is_met(at(7, event_id=uuid4()))
    assert Goal("ingest#1", "t", 0, 0, None).is_met(None)


def test_a_line_with_another_history_is_filled_as_far_as_its_log_goes() -> None:
    place = place_of(at(7))
    for applied, head, forked in (
        (at(7), 9, {place}),  # the log says so
        (at(7, forked_reason="told"), 9, set()),  # the worker has found it
        (at(7), 5, set()),  # the log is shorter than what was applied
    ):
        plan = plan_of([applied], served(at(head)), forked)
        assert plan.goals == (Goal(*place, head, None),)
        assert plan.reconciled == {place}
        assert "filled as its log is now" in forks_said(plan)[0]


def test_what_only_a_log_that_is_gone_had_is_left_out_and_said() -> None:
    plan = plan_of([at(7), at(3, origin="ingest#2")], served(at(9, origin="ingest#2")), ())
    assert [goal.origin for goal in plan.goals] == ["ingest#2"]
    assert forks_said(plan) == ("ingest#1 is served no more: what only it had is not in the new tables",)


def test_goals_follow_live_but_not_where_history_was_replaced() -> None:
    replaced = at(7, topic="replaced")
    plan = plan_of([at(7), replaced], served(at(9), at(5, topic="replaced")), ())
    moved = moved_on(plan, [at(8), at(7, topic="replaced"), at(2, topic="new"), at(0, topic="nothing yet")])
    assert {(goal.topic, goal.seq) for goal in moved.goals} == {("t", 8), ("replaced", 5), ("new", 2)}
    assert moved_on(Plan((), frozenset(), frozenset({"ingest#1"})), [at(8)]).goals == ()


def test_the_report_names_tables_rows_and_what_to_do() -> None:
    finding = TableFinding("receipts", 1200, 1201, Differences(2, 0, 1, ("(a)", "(b)")))
    rebuilt = Rebuilt("profile", 5000, 2.0, (TableFinding("voids", 10, 10), finding))
    lines = list(lines_of(rebuilt))
    assert lines[0] == "  voids: 10 rows, equal"
    assert "DIFFERS: 1 rows have other values, 2 are only live, 0 only anew; the first: (a), (b)" in lines[1]
    assert "5,000 events applied anew in 2.0 s (2,500/s)" in lines[2]
    assert lines[3].endswith("run it again with --accept")
    assert not rebuilt.is_equal
    swapped = rebuilt.swapped(0.012)
    assert list(lines_of(swapped))[3].endswith("nothing was applied for 12 ms meanwhile")
    assert swapped.document()["is_swapped"] is True
    assert swapped.document()["findings"][1]["differences"]["sample"] == ("(a)", "(b)")


def test_a_replaced_history_is_a_difference_even_if_all_rows_are_equal() -> None:
    finding = TableFinding("voids", 10, 10)
    assert Rebuilt("profile", 1, 1.0, (finding,)).is_equal
    assert not Rebuilt("profile", 1, 1.0, (finding,), notes=("ingest#1 is served no more",)).is_equal
    assert list(lines_of(Rebuilt("profile", 1, 1.0, (finding,))))[-1].endswith("nothing was changed")
