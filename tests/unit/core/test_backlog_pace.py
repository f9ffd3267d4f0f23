"""How much of a backlog is numbered beside live traffic."""

from shared.log.domain import BACKLOG_PER_SECOND, LIVE_SECONDS, BacklogPace

BATCH = 2000


def test_without_live_traffic_the_backlog_takes_whole_batches() -> None:
    pace = BacklogPace(BATCH)
    assert [pace.quota(now, 0) for now in (0.0, 0.05, 0.1)] == [BATCH] * 3


def test_beside_live_traffic_the_backlog_keeps_to_its_share() -> None:
    pace = BacklogPace(BATCH)
    pace.quota(0.0, 1)
    taken = sum(pace.quota(step / 20, 10) for step in range(1, 20 * 60))
    assert 0.9 * 60 * BACKLOG_PER_SECOND < taken <= 60 * BACKLOG_PER_SECOND


def test_live_batches_that_are_full_never_starve_the_backlog() -> None:
    pace = BacklogPace(BATCH)
    pace.quota(0.0, BATCH)
    assert pace.quota(0.5, BATCH) == BACKLOG_PER_SECOND // 2


def test_after_a_pause_the_share_is_one_batch_at_most() -> None:
    pace = BacklogPace(BATCH)
    pace.quota(0.0, 1)
    assert pace.quota(LIVE_SECONDS, 1) == BATCH


def test_the_backlog_gives_way_until_live_traffic_has_been_quiet_for_a_while() -> None:
    pace = BacklogPace(BATCH)
    pace.quota(0.0, 1)
    assert pace.quota(0.1, 0) == BACKLOG_PER_SECOND // 10
    assert pace.quota(LIVE_SECONDS + 0.1, 0) == BATCH


def test_a_share_too_small_for_one_event_is_saved_up() -> None:
    pace = BacklogPace(BATCH)
    pace.quota(0.0, 1)
    assert pace.quota(0.0005, 1) == 0
    assert pace.quota(0.0015, 1) == 1
