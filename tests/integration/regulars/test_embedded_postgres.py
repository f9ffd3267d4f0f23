"""The embedded PostgreSQL, started for real: roles, restarts, crashes, odd paths."""

import asyncio
import os
import shutil
import stat
import tempfile
from pathlib import Path

import asyncpg
import psutil
import pytest

from regulars import processes
from regulars.embedded.placement import system_folder, wheel_bin_dir
from regulars.embedded.postgres import EmbeddedPostgres
from regulars.errors import PortTaken, StartFailed
from regulars.external import ExternalPostgres
from regulars.ports import free_port
from shared.db import Database

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="session")
def postgres(durable_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """The server as a deployment has it."""
    return durable_postgres


@pytest.fixture
def hidden_folder(suite_folder: Path) -> Path:
    """A folder that no other user can enter, with a space in its name."""
    return Path(tempfile.mkdtemp(prefix="closed to others ", dir=suite_folder))


async def _fetchval(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_an_empty_database_is_given_to_each_test(database_dsn: str) -> None:
    assert await _fetchval(database_dsn, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


async def test_commits_are_durable(postgres: EmbeddedPostgres) -> None:
    assert postgres.query("SHOW fsync; SHOW synchronous_commit; SHOW full_page_writes") == ["on"] * 3


async def test_a_role_reaches_its_own_database_only(postgres: EmbeddedPostgres) -> None:
    own = postgres.create_database("role_a")
    postgres.create_database("role_b")
    assert await _fetchval(own, "SELECT current_user") == "role_a"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _fetchval(postgres.dsn("role_a", "role_b"), "SELECT 1")


async def test_a_wrong_password_is_refused(postgres: EmbeddedPostgres) -> None:
    dsn = postgres.create_database("role_a")
    password = dsn.split(":")[2].split("@")[0]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await _fetchval(dsn.replace(password, "guess"), "SELECT 1")


async def test_only_loopback_is_listened_on(postgres: EmbeddedPostgres) -> None:
    assert postgres.query("SHOW listen_addresses; SHOW unix_socket_directories") == ["127.0.0.1", ""]


async def test_passwords_are_for_the_owner_alone(postgres: EmbeddedPostgres) -> None:
    mode = (postgres.data_dir / "secrets" / "postgres.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_creating_a_database_twice_changes_nothing(postgres: EmbeddedPostgres) -> None:
    assert postgres.create_database("twice") == postgres.create_database("twice")


@pytest.mark.parametrize("name", ["Upper", "semi;colon", "", "a" * 64, "1st"])
def test_odd_database_names_are_refused(postgres: EmbeddedPostgres, name: str) -> None:
    with pytest.raises(ValueError, match="not a database name"):
        postgres.create_database(name)


def test_data_outlives_a_stop_and_a_crash(private_postgres: EmbeddedPostgres) -> None:
    server = private_postgres
    server.query("CREATE TABLE kept AS SELECT 1 AS n")
    server.stop()
    assert server.pid is None
    server.start()
    server.query("INSERT INTO kept VALUES (2)")
    server.kill()
    server.start()
    assert server.query("SELECT n FROM kept ORDER BY n") == ["1", "2"]


def test_a_start_waits_for_the_orphans_of_a_crash(private_postgres: EmbeddedPostgres) -> None:
    before = {process.pid for process in processes.processes_in_folder(private_postgres.pgdata)}
    assert len(before) > 1
    private_postgres.kill()
    private_postgres.start()
    after = {process.pid for process in processes.processes_in_folder(private_postgres.pgdata)}
    assert not before & after


def test_a_server_left_by_another_starter_is_ended_first(private_postgres: EmbeddedPostgres) -> None:
    old_pid = private_postgres.pid
    successor = EmbeddedPostgres(private_postgres.data_dir, free_port())
    assert successor.pid == old_pid
    successor.start()
    try:
        assert successor.pid != old_pid
        assert not psutil.pid_exists(old_pid or 0) or psutil.Process(old_pid).status() == psutil.STATUS_ZOMBIE
    finally:
        successor.stop()


def test_stop_ends_every_process(private_postgres: EmbeddedPostgres) -> None:
    private_postgres.stop()
    assert processes.processes_in_folder(private_postgres.pgdata) == []


def test_a_taken_port_is_named(private_postgres: EmbeddedPostgres, suite_folder: Path) -> None:
    second = EmbeddedPostgres(suite_folder / "second", private_postgres.port)
    with pytest.raises(PortTaken, match=f"port {private_postgres.port} \\(PostgreSQL\\) is in use"):
        second.start()


def test_a_folder_closed_to_others_works_and_is_left_alone(hidden_folder: Path) -> None:
    server = EmbeddedPostgres(hidden_folder, free_port())
    try:
        server.start()
        assert server.query("SELECT 1") == ["1"]
        assert stat.S_IMODE(hidden_folder.stat().st_mode) == 0o700
        if os.geteuid() == 0:
            assert server.pgdata.is_relative_to(system_folder(hidden_folder))
            assert psutil.Process(server.pid).username() == "nobody"
    finally:
        server.destroy()
    assert not system_folder(hidden_folder).exists()
    assert list(hidden_folder.glob("postgres*")) == []


def test_a_deleted_data_folder_begins_anew(hidden_folder: Path) -> None:
    server = EmbeddedPostgres(hidden_folder, free_port())
    server.start()
    server.create_database("forgotten")
    server.stop()
    (hidden_folder / "secrets" / "postgres.json").unlink()
    try:
        server.start()
        assert server.query("SELECT 1 FROM pg_database WHERE datname = 'forgotten'") == []
    finally:
        server.destroy()


async def test_the_database_fixture_is_a_working_pool(database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.execute("CREATE TABLE t (n int)")
    async with database.transaction() as transaction:
        assert await transaction.fetchval("SELECT count(*) FROM t") == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
def test_programs_that_the_server_may_not_reach_are_copied(
    hidden_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = wheel_bin_dir().parent.parent
    for source in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(source, hidden_folder / "wheel" / source.name, symlinks=True)
    hidden = hidden_folder / "wheel" / package.name / "pginstall18" / "bin"
    monkeypatch.setattr("regulars.embedded.placement.wheel_bin_dir", lambda: hidden)
    server = EmbeddedPostgres(hidden_folder / "data", free_port())
    try:
        server.start()
        programs = Path(psutil.Process(server.pid).exe())
        assert programs.is_relative_to(system_folder(hidden_folder / "data"))
        assert server.query("SELECT count(*) > 100 FROM pg_timezone_names") == ["t"]
    finally:
        server.destroy()
    assert stat.S_IMODE(hidden_folder.stat().st_mode) == 0o700
    assert not system_folder(hidden_folder / "data").exists()


def test_a_server_run_by_others_is_given_roles_and_databases(
    private_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    private_postgres.query("CREATE ROLE chief LOGIN CREATEDB CREATEROLE PASSWORD 'chief'")
    dsn = f"postgresql://chief:chief@127.0.0.1:{private_postgres.port}/postgres"
    external = ExternalPostgres(dsn, tmp_path / "passwords.json")
    external.start()
    own = external.create_database("profile")
    assert external.create_database("profile") == own
    assert asyncio.run(_fetchval(own, "SELECT current_user || '/' || current_database()")) == "profile/profile"
    stranger = ExternalPostgres(dsn, tmp_path / "others.json")
    with pytest.raises(StartFailed, match="has a role 'profile' that this data folder did not make"):
        stranger.create_database("profile")


def test_a_server_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    port = free_port()
    external = ExternalPostgres(f"postgresql://chief:secret@127.0.0.1:{port}/x", tmp_path / "p.json")
    with pytest.raises(StartFailed, match=f"PostgreSQL at 127.0.0.1:{port}") as caught:
        external.start()
    assert "secret" not in str(caught.value)
