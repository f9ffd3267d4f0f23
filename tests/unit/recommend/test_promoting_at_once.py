"""Several processes change what is in use in the same moment, on one folder: the pointer holds, and all is told."""

import json
import multiprocessing
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from shared.registry import (
    KEPT_VERSIONS,
    By,
    Change,
    ChangedMeanwhileError,
    CorruptArtefactError,
    Manifest,
    Metric,
    Registry,
    RegistryError,
    UnknownVersionError,
    Verdict,
    not_worse,
)

METRIC = "ndcg@10_min"
AT = datetime(2026, 11, 1, tzinfo=UTC)
ROUNDS = 12
SPAWN = multiprocessing.get_context("spawn")
Work = Callable[[Path, str, int], None]


def manifest(number: int, value: float) -> Manifest:
    created_at = (AT + timedelta(seconds=number)).isoformat()
    return Manifest(
        "recommend", created_at, created_at, created_at, "code", metrics={METRIC: Metric(value, value, value)}
    )


def saved(registry: Registry, number: int, value: float = 0.2) -> str:
    return registry.save(manifest(number, value), {"a": f"{number}".encode()}, prune=False).version


def by(actor: str) -> By:
    return By.of(actor, AT)


def promoting(folder: Path, actor: str, number: int) -> None:
    """As a person does by hand: one of the versions that are there."""
    registry = Registry(folder, "recommend")
    there = registry.versions()
    registry.promote(there[number % len(there)].version, not_worse(METRIC), by(actor))


def rolling_back(folder: Path, actor: str, number: int) -> None:
    try:
        Registry(folder, "recommend").rollback(by(actor))
    except UnknownVersionError:
        # Nothing to return to: somebody else was quicker.
        return


def training(folder: Path, actor: str, number: int) -> None:
    """As a training ends: store, promote through the gate, drop what is old."""
    registry = Registry(folder, "recommend")
    version = saved(registry, 100 + number)
    registry.promote(version, not_worse(METRIC), by(actor))
    registry.prune({version})


WORK: dict[str, Work] = {"promoting": promoting, "rolling_back": rolling_back, "training": training}


def in_step(kind: str, actor: str, folder: Path, barrier: Barrier) -> None:
    """Do one thing a round, all processes in the same moment; a version that was just dropped may be refused."""
    for number in range(ROUNDS):
        barrier.wait(60)
        try:
            WORK[kind](folder, actor, number)
        except (UnknownVersionError, CorruptArtefactError) as error:
            assert kind == "promoting", error  # noqa: PT017 - only who chose an old version may find it gone


def raced(folder: Path, *kinds: str) -> list[Change]:
    """Let processes of these kinds work at once, while the pointer is read all the time; return what was told."""
    barrier = SPAWN.Barrier(len(kinds))
    processes = [
        SPAWN.Process(target=in_step, args=(kind, f"{kind} {place}", folder, barrier), daemon=True)
        for place, kind in enumerate(kinds)
    ]
    with pointer_read_all_the_time(folder) as seen:
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
    assert [process.exitcode for process in processes] == [0] * len(kinds)
    registry = Registry(folder, "recommend")
    assert registry.current() in seen
    registry.load()
    return registry.changes()


class pointer_read_all_the_time:  # noqa: N801 - used as a function
    """What is in use can be read and loaded at every moment, as the API processes do."""

    def __init__(self, folder: Path) -> None:
        self._registry = Registry(folder, "recommend")
        self._seen: set[str | None] = set()
        self._failures: list[BaseException] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> set[str | None]:
        self._thread.start()
        return self._seen

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        assert self._failures == []

    def _read(self) -> None:
        while not self._ends.wait(0.001):
            self._look()
        self._look()

    def _look(self) -> None:
        try:
            self._registry.versions()
            self._seen.add(self._registry.load().manifest.version)
        except RegistryError as error:
            self._failures.append(error)


def is_one_chain(changes: list[Change]) -> bool:
    """Say whether each change began with what the one before it had left in use."""
    return all(after.before == before.in_use for before, after in pairwise(changes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four versions alike, the first in use."""
    registry = Registry(tmp_path, "recommend")
    versions = [saved(registry, number) for number in range(4)]
    registry.promote(versions[0], not_worse(METRIC), by("first"))
    return tmp_path


def test_two_promotions_in_one_moment_leave_one_in_use_and_tell_of_both(folder: Path) -> None:
    changes = raced(folder, "promoting", "promoting")
    assert Counter(each.actor for each in changes) == {"first": 1, "promoting 0": ROUNDS, "promoting 1": ROUNDS}
    assert is_one_chain(changes)
    assert changes[-1].in_use == Registry(folder, "recommend").current()


def test_a_promotion_against_a_rollback_leaves_what_the_later_one_said(folder: Path) -> None:
    changes = raced(folder, "promoting", "rolling_back")
    assert is_one_chain(changes)
    assert {"promoted", "rolled_back"} <= {each.action for each in changes}
    assert changes[-1].in_use == Registry(folder, "recommend").current()


def test_a_training_that_ends_in_the_moment_of_promotions_and_rollbacks_drops_nothing_that_is_in_use(
    folder: Path,
) -> None:
    changes = raced(folder, "training", "promoting", "rolling_back")
    assert is_one_chain(changes)
    assert {"training 0", "promoting 1"} <= {each.actor for each in changes}
    registry = Registry(folder, "recommend")
    assert len(registry.versions()) <= KEPT_VERSIONS + 2
    assert not list((folder / "recommend").glob(".dropped-*"))


def test_a_version_that_is_dropped_between_its_check_and_its_promotion_does_not_come_into_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(tmp_path, "recommend")
    old, *newer = (saved(registry, number) for number in range(8))
    registry.promote(newer[-1], not_worse(METRIC), by("first"))
    other = Registry(tmp_path, "recommend")
    checked = registry.load
    monkeypatch.setattr(registry, "load", lambda version: (checked(version), other.prune())[0])
    with pytest.raises(UnknownVersionError, match=old):
        registry.promote(old, not_worse(METRIC), by("late"))
    assert other.current() == newer[-1]
    assert [each.actor for each in other.changes()] == ["first"]


def test_the_second_of_two_is_judged_against_the_first(tmp_path: Path) -> None:
    registry = Registry(tmp_path, "recommend")
    good, worse = saved(registry, 1, 0.3), saved(registry, 2, 0.2)
    assert registry.promote(good, not_worse(METRIC), by("one")).passed
    assert not registry.promote(worse, not_worse(METRIC), by("two")).passed
    refused = registry.changes()[-1]
    assert (refused.action, refused.version, refused.before, refused.in_use) == ("refused", worse, good, good)
    assert "0.2000 against 0.3000" in refused.reason


def test_a_rollback_that_is_asked_for_twice_goes_back_once(tmp_path: Path) -> None:
    registry = Registry(tmp_path, "recommend")
    first, second, third = (saved(registry, number) for number in range(3))
    for version in (first, second, third):
        registry.promote(version, not_worse(METRIC), by("one"))
    assert registry.rollback(by("two"), leaving=third) == second
    with pytest.raises(ChangedMeanwhileError, match=f"{second} is"):
        registry.rollback(by("two"), leaving=third)
    assert registry.current() == second


def test_changes_are_bounded_and_a_pointer_of_before_them_is_read(tmp_path: Path) -> None:
    registry = Registry(tmp_path, "recommend")
    version = saved(registry, 1)
    (tmp_path / "recommend" / "current.json").write_text(json.dumps({"promoted": [version]}))
    assert (registry.current(), registry.changes()) == (version, [])
    for number in range(110):
        registry.promote(version, lambda *_: Verdict(passed=False, reason="no"), by(f"{number}"))
    assert [each.actor for each in registry.changes()] == [f"{number}" for number in range(10, 110)]


def test_a_pointer_that_cannot_be_read_is_told_as_damage(tmp_path: Path) -> None:
    registry = Registry(tmp_path, "recommend")
    version = saved(registry, 1)
    (tmp_path / "recommend" / "current.json").write_text("{")
    with pytest.raises(CorruptArtefactError, match=r"current\.json"):
        registry.current()
    with pytest.raises(CorruptArtefactError):
        registry.promote(version, not_worse(METRIC), by("one"))


def test_what_a_killed_process_left_of_a_dropped_version_goes_with_the_next(tmp_path: Path) -> None:
    registry = Registry(tmp_path, "recommend")
    saved(registry, 1)
    left = tmp_path / "recommend" / ".dropped-20200101T000000000000-aaaaaaaa"
    left.mkdir()
    (left / "manifest.json").write_text("{}")
    assert registry.prune() == set()
    assert not left.exists()
