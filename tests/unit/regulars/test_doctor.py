"""The doctor's judgements, on figures alone."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from regulars.doctor import (
    DatabaseFacts,
    Level,
    dead_letter_findings,
    disk_finding,
    examine,
    lag_finding,
    process_finding,
    python_finding,
    skew_finding,
)
from regulars.folder import DataFolder
from regulars.health import lag_of
from regulars.ports import free_port_block
from regulars.status import ProcessStatus

READY = ProcessStatus("churn", "worker", 1, "ready", 0, "http://127.0.0.1:8024", 100, 5, 1.0)


@pytest.mark.parametrize(("free_gb", "level"), [(10, Level.OK), (1, Level.WARNING), (0.1, Level.FAILURE)])
def test_little_disk_is_said(free_gb: float, level: Level) -> None:
    finding = disk_finding(int(free_gb * 1e9), Path("/data"))
    assert finding.level is level
    assert bool(finding.action) is (level is not Level.OK)


def test_an_old_python_is_wrong() -> None:
    assert python_finding((3, 10)).level is Level.FAILURE
    assert python_finding((3, 11)).level is Level.OK


def test_clocks_that_differ_are_said() -> None:
    assert skew_finding("ingest", timedelta(seconds=1)).level is Level.OK
    assert skew_finding("ingest", timedelta(seconds=-5)).level is Level.WARNING


def test_a_process_is_judged_by_its_state_then_by_its_restarts() -> None:
    assert process_finding(READY).level is Level.OK
    assert process_finding(replace(READY, restarts=9)).level is Level.WARNING
    unready = process_finding(replace(READY, state="unready", reason="no model"))
    assert (unready.level, unready.message) == (Level.FAILURE, "churn worker is unready: no model")


def test_lag_is_judged_by_its_time() -> None:
    assert lag_finding(replace(READY, lag_records=None)) is None
    assert (lag_finding(READY) or READY).level is Level.OK  # type: ignore[union-attr]
    late = lag_finding(replace(READY, lag_seconds=61.0))
    assert late is not None
    assert late.level is Level.WARNING


def test_dead_letters_name_the_command_that_shows_them() -> None:
    (finding,) = dead_letter_findings("profile", DatabaseFacts(timedelta(0), 3, 0))
    assert (finding.level, finding.action) == (Level.WARNING, "regulars deadletters list profile")


def test_a_standing_line_is_a_failure() -> None:
    levels = [finding.level for finding in dead_letter_findings("p", DatabaseFacts(timedelta(0), 0, 1))]
    assert levels == [Level.OK, Level.FAILURE]


def test_an_unused_folder_is_examined_without_being_made(tmp_path: Path) -> None:
    folder = DataFolder.of(tmp_path / "nothing here")
    findings = examine(folder, free_port_block())
    assert Level.FAILURE not in {finding.level for finding in findings}
    assert "regulars up" in {finding.action for finding in findings}
    assert not folder.root.exists()


def test_lag_is_summed_in_records_and_longest_in_seconds() -> None:
    metrics = (
        "# TYPE consumer_lag_records gauge\n"
        'consumer_lag_records{topic="a",partition="0"} 3.0\n'
        'consumer_lag_records{topic="b",partition="1"} 4.0\n'
        "# TYPE consumer_lag_seconds gauge\n"
        'consumer_lag_seconds{topic="a",partition="0"} 0.5\n'
        'consumer_lag_seconds{topic="b",partition="1"} 9.0\n'
    )
    assert lag_of(metrics) == (7, 9.0)
    assert lag_of("") == (None, None)
