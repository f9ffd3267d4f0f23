"""`up`, `down`, `status`, `doctor` and `logs` on real processes: a small set of fake services."""

import json
import os
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from regulars import background
from regulars.child import PROJECT_ROOT
from regulars.credentials import Credentials
from regulars.deployment import UpOptions
from regulars.embedded.broker import EmbeddedBroker
from regulars.embedded.postgres import EmbeddedPostgres
from regulars.errors import AlreadyRunning, StartFailed
from regulars.folder import DataFolder
from regulars.ports import free_port_block, port_is_free
from regulars.processes import ProcessIdentity
from regulars.services_table import PortPlan
from regulars.state import ProcessRecord, RunState, running_state
from regulars.supervisor import Supervisor
from shared.keys import KeyRing
from tests.fixtures.fake_regulars import PROGRAM
from tests.fixtures.fake_services import FAKE_SERVICES

pytestmark = [pytest.mark.postgres, pytest.mark.broker]


@dataclass(frozen=True)
class Deployment:
    """A data folder and a block of ports; `regulars` runs the command line on them."""

    folder: DataFolder
    base: int

    @property
    def options(self) -> UpOptions:
        return UpOptions(self.folder, self.base, services=FAKE_SERVICES)

    def regulars(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*PROGRAM, words[0], "--data-dir", str(self.folder.root), *words[1:]]
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=PROJECT_ROOT, timeout=120)

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.regulars("up", "--detach", "--port-base", str(self.base))

    def state(self) -> RunState:
        state = running_state(self.folder)
        assert state is not None
        return state

    def record(self, service: str, role: str) -> ProcessRecord:
        return next(record for record in self.state().processes if (record.service, record.role) == (service, role))

    def identities(self) -> list[ProcessIdentity]:
        return [record.identity for record in self.state().processes if record.identity is not None]


def _until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.05)


def _deployment(suite_folder: Path) -> Iterator[Deployment]:
    root = Path(tempfile.mkdtemp(prefix="deployment ", dir=suite_folder))
    root.chmod(0o711)
    deployment = Deployment(DataFolder.of(root), free_port_block())
    try:
        yield deployment
    finally:
        background.stop(deployment.folder)


@pytest.fixture
def fresh(suite_folder: Path) -> Iterator[Deployment]:
    """A deployment that was not started."""
    yield from _deployment(suite_folder)


@pytest.fixture(scope="module")
def started(suite_folder: Path) -> Iterator[Deployment]:
    """A running deployment, shared by the tests that leave it running."""
    for deployment in _deployment(suite_folder):
        result = deployment.up()
        assert result.returncode == 0, result.stderr
        yield deployment


def test_up_says_what_it_does_and_where_everything_is(fresh: Deployment) -> None:
    result = fresh.up()
    assert result.returncode == 0, result.stderr
    assert "ready: 4 of 4 processes" in result.stdout
    assert f"http://127.0.0.1:{fresh.base + 1}" in result.stdout
    assert str(fresh.folder.credentials_file) in result.stdout


def test_status_shows_every_process_as_ready(started: Deployment) -> None:
    document = json.loads(started.regulars("status", "--json").stdout)
    rows = {(row["service"], row["role"]): row for row in document["processes"]}
    assert set(rows) == {
        ("postgres", "server"),
        ("broker", "server"),
        *((name, role) for name in ("alpha", "beta") for role in ("api", "worker")),
    }
    assert {row["state"] for row in rows.values()} == {"ready"}
    assert all(row["memory_mb"] > 0 for row in rows.values())
    assert rows["alpha", "api"]["lag_records"] is None
    assert (rows["alpha", "worker"]["lag_records"], rows["alpha", "worker"]["lag_seconds"]) == (7, 2.5)


def test_credentials_open_what_they_name(started: Deployment) -> None:
    path = started.folder.credentials_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    credentials = Credentials.read(path)
    assert set(credentials.database) == {"alpha", "beta", "vault"}
    assert credentials.bootstrap_servers == f"127.0.0.1:{started.base + 11}"
    assert httpx.get(credentials.addresses["beta"]).status_code == 200
    caller = KeyRing(started.folder.keys_file).caller(credentials.api_key)
    assert caller is not None
    assert caller.role == "administrator"


def test_a_service_gets_its_settings_and_no_others(started: Deployment) -> None:
    credentials = Credentials.read(started.folder.credentials_file)
    alpha = httpx.get(f"{credentials.addresses['alpha']}/settings").json()
    beta = httpx.get(f"{credentials.addresses['beta']}/settings").json()
    assert beta["DATABASE_URL"] == credentials.database["beta"]
    assert json.loads(beta["PEERS"])["alpha"] == credentials.addresses["alpha"]
    granted = {"DEPLOYMENT_KEY", "VAULT_DATABASE_URL", "BOOTSTRAP_SOURCES", "IDENTITY_KEYS"}
    assert granted <= set(alpha)
    assert not granted & set(beta)
    assert {source["kind"] for source in json.loads(alpha["BOOTSTRAP_SOURCES"])} == {"server", "web"}
    assert credentials.write_key not in json.dumps(alpha)


async def test_migrations_ran_in_the_services_own_database(started: Deployment) -> None:
    credentials = Credentials.read(started.folder.credentials_file)
    connection = await asyncpg.connect(credentials.database["beta"])
    try:
        assert await connection.fetchval("SELECT count(*) FROM migrated") >= 1
    finally:
        await connection.close()


def test_a_second_up_on_the_same_folder_is_refused(started: Deployment) -> None:
    for words in (("up",), ("up", "--detach")):
        result = started.regulars(*words)
        assert result.returncode == 1
        assert "already running" in result.stderr
    assert started.record("alpha", "api").restarts >= 0


def test_a_killed_process_is_started_again_and_counted(started: Deployment) -> None:
    before = started.record("beta", "api")
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    _until(lambda: started.record("beta", "api").restarts == before.restarts + 1)
    assert started.record("beta", "api").pid not in (None, before.pid)


@pytest.mark.parametrize("engine", ["broker", "postgres"])
def test_a_killed_engine_is_started_again(started: Deployment, engine: str) -> None:
    before = started.record(engine, "server")
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    _until(lambda: started.record(engine, "server").restarts == before.restarts + 1)
    _until(lambda: started.record(engine, "server").pid not in (None, before.pid))


def test_doctor_finds_nothing_wrong(started: Deployment) -> None:
    _until(lambda: started.regulars("doctor", "--json").returncode == 0)
    document = json.loads(started.regulars("doctor", "--json").stdout)
    assert document["ok"] is True
    checks = {finding["check"] for finding in document["findings"]}
    assert {"python", "disk", "keys", "process", "lag", "broker", "database", "clock"} <= checks


def test_doctor_names_an_unready_process(started: Deployment) -> None:
    wish = started.folder.service_folder("alpha") / "be-unready"
    wish.touch()
    try:
        result = started.regulars("doctor")
    finally:
        wish.unlink()
    assert result.returncode == 1
    assert "alpha api is unready: asked to be unready" in result.stdout
    assert "what to do: regulars logs alpha" in result.stdout


def test_logs_are_shown_by_service_and_by_process(started: Deployment) -> None:
    both = started.regulars("logs", "alpha").stdout
    assert "alpha-api | ALPHA api serves" in both
    assert "alpha-worker | ALPHA worker serves" in both
    assert "alpha-worker" not in started.regulars("logs", "alpha-api").stdout


def test_logs_of_an_unknown_service_are_wrong_usage(started: Deployment) -> None:
    result = started.regulars("logs", "gamma")
    assert result.returncode == 2
    assert "alpha-api" in result.stderr


def test_nothing_survives_down(fresh: Deployment) -> None:
    fresh.up()
    identities = fresh.identities()
    assert len(identities) == 6
    result = fresh.regulars("down")
    assert result.returncode == 0
    assert [identity for identity in identities if identity.process() is not None] == []
    ports = PortPlan(fresh.base)
    assert all(port_is_free(port) for port in (ports.postgres, ports.broker, fresh.base + 1, fresh.base + 21))


def test_down_and_status_of_nothing_say_so(fresh: Deployment) -> None:
    assert "nothing was running" in fresh.regulars("down").stdout
    status = fresh.regulars("status", "--json")
    assert (status.returncode, json.loads(status.stdout)) == (1, {"processes": []})


def test_orphans_of_a_killed_supervisor_are_gone_after_down(fresh: Deployment) -> None:
    fresh.up()
    identities = fresh.identities()
    os.kill(fresh.state().supervisor.pid, signal.SIGKILL)
    _until(lambda: running_state(fresh.folder) is None)
    fresh.regulars("down")
    assert [identity for identity in identities if identity.process() is not None] == []


def test_up_after_a_killed_supervisor_keeps_data_and_keys(fresh: Deployment) -> None:
    fresh.up()
    first = Credentials.read(fresh.folder.credentials_file)
    os.kill(fresh.state().supervisor.pid, signal.SIGKILL)
    _until(lambda: running_state(fresh.folder) is None)
    result = fresh.up()
    assert result.returncode == 0, result.stdout + result.stderr
    assert Credentials.read(fresh.folder.credentials_file) == first


def test_interrupting_up_in_the_foreground_stops_everything(fresh: Deployment) -> None:
    command = [*PROGRAM, "up", "--data-dir", str(fresh.folder.root), "--port-base", str(fresh.base)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT) as process:
        assert process.stdout is not None
        assert any("Ctrl-C" in line for line in process.stdout)
        identities = fresh.identities()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert [identity for identity in identities if identity.process() is not None] == []


def test_a_stop_during_the_start_leaves_nothing(fresh: Deployment) -> None:
    command = [*PROGRAM, "up", "--data-dir", str(fresh.folder.root), "--port-base", str(fresh.base)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT) as process:
        assert process.stdout is not None
        assert any("starting PostgreSQL" in line for line in process.stdout)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert port_is_free(PortPlan(fresh.base).postgres)


def test_a_taken_port_is_named_before_anything_starts(fresh: Deployment) -> None:
    with socket.create_server(("127.0.0.1", fresh.base + 2)):
        result = fresh.regulars("up", "--port-base", str(fresh.base))
    assert result.returncode == 1
    assert f"port {fresh.base + 2} (beta api) is in use" in result.stderr
    assert "PostgreSQL" not in result.stdout


def test_a_failed_migration_stops_the_start_and_is_quoted(fresh: Deployment) -> None:
    folder = fresh.folder.service_folder("beta")
    folder.mkdir(parents=True)
    (folder / "fail-migration").touch()
    result = fresh.up()
    assert result.returncode == 1
    assert "the migration of beta failed" in result.stdout
    assert "asked to fail" in result.stdout
    assert port_is_free(PortPlan(fresh.base).postgres)


def test_a_process_that_does_not_become_ready_is_named(fresh: Deployment) -> None:
    folder = fresh.folder.service_folder("beta")
    folder.mkdir(parents=True)
    (folder / "be-unready").touch()

    class NeverAsked:
        stop = False

        def wait(self, seconds: float) -> None:
            time.sleep(seconds)

    supervisor = Supervisor(fresh.options, lambda _: None, NeverAsked(), ready_seconds=3.0)
    with pytest.raises(StartFailed, match=r"beta worker: asked to be unready"):
        supervisor.run(lambda _: pytest.fail("was not ready"))
    assert port_is_free(PortPlan(fresh.base).postgres)


def test_a_deployment_inside_a_block_is_gone_after_it(fresh: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "PROGRAM", PROGRAM)
    lines: list[str] = []
    with background.running(fresh.options, lines.append) as credentials:
        assert httpx.get(credentials.addresses["alpha"]).status_code == 200
        identities = fresh.identities()
        with pytest.raises(AlreadyRunning), background.running(fresh.options, lines.append):
            pytest.fail("a second one was started")
    assert any("everything is ready" in line for line in lines)
    assert [identity for identity in identities if identity.process() is not None] == []


def test_given_servers_are_used_and_left_running(
    fresh: Deployment, private_postgres: EmbeddedPostgres, private_broker: EmbeddedBroker
) -> None:
    password = json.loads((private_postgres.data_dir / "secrets" / "postgres.json").read_text())["postgres"]
    dsn = f"postgresql://postgres:{password}@127.0.0.1:{private_postgres.port}/postgres"
    given = ("--postgres", dsn, "--broker", private_broker.bootstrap_servers)
    result = fresh.regulars("up", "--detach", "--port-base", str(fresh.base), *given)
    assert result.returncode == 0, result.stdout + result.stderr
    credentials = Credentials.read(fresh.folder.credentials_file)
    assert credentials.bootstrap_servers == private_broker.bootstrap_servers
    assert f":{private_postgres.port}/alpha" in credentials.database["alpha"]
    rows = json.loads(fresh.regulars("status", "--json").stdout)["processes"]
    assert {row["state"] for row in rows} == {"ready"}
    supervisor = psutil.Process(fresh.state().supervisor.pid)
    assert not [word for word in supervisor.cmdline() if password in word]
    fresh.regulars("down")
    assert private_postgres.query("SELECT 1") == ["1"]
    assert private_broker.pid is not None
