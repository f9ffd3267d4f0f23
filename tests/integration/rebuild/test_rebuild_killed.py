"""A rebuild that is killed or frozen at any phase leaves the live tables as they were, and the next one runs."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from tests.faults.harness import Child, python
from tests.fixtures.waiting import until
from tests.integration.rebuild.history import history
from tests.integration.rebuild.world import Living, say

pytestmark = pytest.mark.postgres
PHASES = ("filling", "comparing", "swapping: about to take effect", "tidying away")


@pytest.fixture(scope="session")
def postgres(durable_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """These tests kill what is connected to it."""
    return durable_postgres


@pytest.fixture
def service_name() -> str:
    return "profile"


@pytest.fixture
def children() -> Iterator[list[Child]]:
    started: list[Child] = []
    try:
        yield started
    finally:
        for child in started:
            child.kill()


def rebuild_process(live: Living, log_dsn: str, folder: Path, phase: str, told: signal.Signals) -> Child:
    words = (live.name, live.dsn, log_dsn, str(folder), phase, told.name)
    child = Child("rebuild", python("tests.fixtures.processes.rebuild_process", *words), folder)
    child.start()
    return child


@pytest.mark.parametrize("phase", PHASES)
async def test_a_rebuild_killed_at_any_phase_leaves_live_as_it_was(
    live: Living, log_dsn: str, tmp_path: Path, phase: str, children: list[Child]
) -> None:
    derived = await live.rows("derived")
    child = rebuild_process(live, log_dsn, tmp_path, phase, signal.SIGKILL)
    children.append(child)

    async def ended() -> bool:
        return child.exit_code is not None

    await until(ended, 60)
    assert child.exit_code == -signal.SIGKILL, child.log_file.read_text()
    assert await live.rows("derived") == derived
    await _next_one_runs(live)


async def test_a_rebuild_frozen_inside_the_swap_holds_live_up_for_seconds_and_changes_nothing(
    live: Living, log_dsn: str, tmp_path: Path, children: list[Child]
) -> None:
    derived = await live.rows("derived")
    child = rebuild_process(live, log_dsn, tmp_path, "swapping: about", signal.SIGSTOP)
    children.append(child)
    await until(child.is_frozen, 60)

    async def is_answered() -> bool:
        return bool(await live.database.fetchval("SELECT count(*) > 0 FROM receipts"))

    assert await until(is_answered, 5) < 4
    await _next_one_runs(live)
    child.signal(signal.SIGCONT)

    async def ended() -> bool:
        return child.exit_code is not None

    await until(ended, 60)
    assert child.exit_code == 1
    assert "RebuildFailed" in child.log_file.read_text()
    assert await live.rows("derived", without=["positions"]) != derived
    assert (await live.rebuild(check=True)).is_equal


async def _next_one_runs(live: Living) -> None:
    """Let life go on, then rebuild; the lease of the one that is gone ends by itself."""
    await say(live.producer, history(2, 20))
    await live.catch_up()

    async def is_free() -> bool:
        return not await live.database.fetchval(
            "SELECT EXISTS (SELECT FROM leases WHERE name = 'rebuild' AND expires_at > clock_timestamp())"
        )

    await until(is_free, 10)
    rebuilt = await live.rebuild()
    assert rebuilt.is_swapped
    assert await live.schemas() == {"public"}
