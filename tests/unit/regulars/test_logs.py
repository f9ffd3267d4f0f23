"""Rotation and following of logs."""

from pathlib import Path

import pytest

from regulars.logs import Follower, rotate


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    return tmp_path / "ingest-api.log"


def test_a_small_or_missing_log_is_left_alone(log_file: Path) -> None:
    assert not rotate(log_file, 10)
    log_file.write_text("short")
    assert not rotate(log_file, 10)
    assert log_file.read_text() == "short"


def test_a_large_log_is_moved_and_its_writer_goes_on(log_file: Path) -> None:
    with log_file.open("a") as writer:
        writer.write("x" * 20)
        writer.flush()
        assert rotate(log_file, 10)
        writer.write("after")
    assert log_file.read_text() == "after"
    assert log_file.with_name("ingest-api.log.1").read_text() == "x" * 20


def test_only_so_many_old_logs_are_kept(log_file: Path) -> None:
    for letter in "abcde":
        log_file.write_text(letter * 20)
        rotate(log_file, 10, files_kept=3)
    kept = {path.name[-1]: path.read_text()[0] for path in log_file.parent.glob("*.log.*")}
    assert kept == {"1": "e", "2": "d", "3": "c"}


def test_a_follower_gives_whole_lines_once(log_file: Path) -> None:
    log_file.write_text("one\ntwo\nthree\n")
    follower = Follower(log_file, 2)
    assert follower.first == ["two", "three"]
    with log_file.open("a") as writer:
        writer.write("four\nfi")
        writer.flush()
        assert follower.new_lines() == ["four"]
        writer.write("ve\n")
    assert follower.new_lines() == ["five"]
    assert follower.new_lines() == []


def test_a_follower_of_a_rotated_log_starts_over(log_file: Path) -> None:
    log_file.write_text("old\n" * 10)
    follower = Follower(log_file, 0)
    rotate(log_file, 10)
    log_file.write_text("new\n")
    assert follower.new_lines() == ["new"]


def test_a_log_may_appear_later(log_file: Path) -> None:
    follower = Follower(log_file, 5)
    assert follower.new_lines() == []
    log_file.write_text("first\n")
    assert follower.new_lines() == ["first"]
