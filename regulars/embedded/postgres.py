"""The embedded PostgreSQL server: one cluster on a loopback port, a role and a database per service."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import psutil

from regulars import processes
from regulars.embedded.placement import Placement, make_private_folder, place, system_folder
from regulars.errors import PortTaken, StartFailed
from regulars.files import write_private
from regulars.passwords import PasswordFile
from regulars.ports import HOST, port_is_free

SUPERUSER = "postgres"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_START_SECONDS = 60.0
_ORPHAN_SECONDS = 30.0
_POLL_SECONDS = 0.05

# Sized for a small machine that runs everything; durability stays at PostgreSQL's defaults (fsync and
# synchronous_commit on). No parallel plans: they need /dev/shm, which containers keep at 64 MB.
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "work_mem": "16MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "max_parallel_workers_per_gather": "0",
    "huge_pages": "off",
    "jit": "off",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
}


class EmbeddedPostgres:
    """PostgreSQL 18 from the wheel, with its data kept for `data_dir`.

    Passwords are random, made once and kept in DATA_DIR/secrets/postgres.json (0600). Not thread-safe.
    """

    def __init__(self, data_dir: Path, port: int) -> None:
        self.data_dir = data_dir.resolve()
        self.port = port
        self.log_file = self.data_dir / "logs" / "postgres.log"
        self._passwords = PasswordFile(self.data_dir / "secrets" / "postgres.json")
        self._placement: Placement | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The postmaster's pid while it runs, also when another process started it."""
        if self._process is not None and self._process.poll() is None:
            return self._process.pid
        postmaster = self._postmaster()
        return None if postmaster is None else postmaster.pid

    @property
    def pgdata(self) -> Path:
        return self._place().pgdata

    def start(self) -> None:
        """Start the server; return when it answers a query.

        What an earlier starter left running on the same data is shut down first.
        Raises PortTaken, StartFailed.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self._end_leftovers()
        if not port_is_free(self.port):
            raise PortTaken(self.port, "PostgreSQL")
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        self._initialise()
        placement = self._place()
        options = [f"--{name}={value}" for name, value in {**_SETTINGS, "port": str(self.port)}.items()]
        self._process = processes.spawn(
            processes.Launch(
                [str(placement.bin_dir / "postgres"), "-D", str(placement.pgdata), *options],
                log_file=self.log_file,
                env=_plain_environment(),
                cwd=placement.pgdata,
                run_as=placement.run_as,
                leash_signal=signal.SIGINT,
            )
        )
        self._wait_until_ready(self._process)

    def stop(self) -> None:
        """Shut down fast, rolling open transactions back; also a server that another process started."""
        postmaster = self._process if self._process is not None else self._postmaster()
        if postmaster is not None:
            processes.end(postmaster, (signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))
        self._process = None

    def kill(self) -> None:
        """Crash the server: SIGKILL to the postmaster; its children notice by themselves."""
        postmaster = self._process if self._process is not None else self._postmaster()
        if postmaster is not None:
            processes.end(postmaster, (signal.SIGKILL, 10.0))
        self._process = None

    def destroy(self) -> None:
        """Stop the server and delete its data, also where that lies outside the data folder."""
        self.stop()
        placement = self._place()
        self._wait_for_orphans(placement.pgdata)
        for folder in (placement.pgdata, _building(placement.pgdata), _replaced(placement.pgdata)):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(system_folder(self.data_dir), ignore_errors=True)
        self._passwords.delete()

    def dsn(self, role: str, database: str | None = None) -> str:
        """Return `postgresql://role:password@127.0.0.1:port/database`; by default the role's own database.

        Raises KeyError when the role was never created.
        """
        password = quote(self._passwords.known()[role], safe="")
        return f"postgresql://{role}:{password}@{HOST}:{self.port}/{database or role}"

    def create_database(self, name: str, *, owner: str | None = None) -> str:
        """Make the database and its role where missing, closed to every other role; return its DSN."""
        role = owner or name
        for word in (name, role):
            if _NAME.fullmatch(word) is None:
                raise ValueError(f"{word!r} is not a database name")
        password = self._passwords.get_or_make(role)
        found = self.query(
            f"SELECT 'role' FROM pg_roles WHERE rolname = '{role}'"
            f" UNION ALL SELECT 'database' FROM pg_database WHERE datname = '{name}'"
        )
        statements = []
        if "role" not in found:
            statements.append(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
        if "database" not in found:
            statements.append(f"CREATE DATABASE {name} OWNER {role}")
        statements.append(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
        self.query(";\n".join(statements))
        return self.dsn(role, name)

    def drop_database(self, name: str) -> None:
        """Drop the database, ending what is connected to it."""
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is not a database name")
        self.query(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def query(self, sql: str, database: str = SUPERUSER) -> list[str]:
        """Run SQL as superuser, each statement for itself; return its rows, columns joined by `|`.

        Raises StartFailed on an error; later statements are not run then.
        """
        result = self._psql(sql, database)
        if result.returncode != 0:
            raise StartFailed(f"PostgreSQL refused a statement: {result.stderr.strip()}")
        return result.stdout.splitlines()

    def _psql(self, sql: str, database: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **_plain_environment(),
            "PGPASSWORD": self._passwords.known()[SUPERUSER],
            "PGCONNECT_TIMEOUT": "5",
        }
        psql = str(self._place().bin_dir / "psql")
        target = ["-h", HOST, "-p", str(self.port), "-U", SUPERUSER, "-d", database]
        return subprocess.run(  # noqa: S603 - SQL goes by standard input: arguments are readable by every user
            [psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *target],
            check=False,
            capture_output=True,
            text=True,
            input=sql,
            env=environment,
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while self._psql("SELECT 1", SUPERUSER).returncode != 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_SECONDS)
                self._process = None
                raise StartFailed(f"PostgreSQL ended while starting:\n{processes.log_tail(self.log_file)}")
            if time.monotonic() > deadline:
                self.stop()
                raise StartFailed(f"PostgreSQL did not answer within {_START_SECONDS:.0f} s")

    def _initialise(self) -> None:
        """Make the cluster once, beside its place and then renamed: a half-made one is never used."""
        placement = self._place()
        made = (placement.pgdata / "PG_VERSION").exists()
        if made and self._passwords.exists():
            return
        if made:
            _set_aside(placement.pgdata)
        building = _building(placement.pgdata)
        shutil.rmtree(building, ignore_errors=True)
        make_private_folder(building, placement.run_as)
        self._run_initdb(placement, building)
        with contextlib.suppress(FileNotFoundError):
            placement.pgdata.rmdir()
        building.rename(placement.pgdata)

    def _run_initdb(self, placement: Placement, building: Path) -> None:
        password_file = building.with_name("postgres-password")
        write_private(password_file, self._passwords.get_or_make(SUPERUSER) + "\n")
        if placement.run_as is not None:
            os.chown(password_file, placement.run_as.uid, placement.run_as.gid)
        try:
            result = processes.run_as_other(
                [
                    str(placement.bin_dir / "initdb"),
                    f"--pgdata={building}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--no-locale",
                ],
                placement.run_as,
                env=_plain_environment(),
            )
        finally:
            password_file.unlink()
        if result.returncode != 0:
            raise StartFailed(f"initdb failed: {result.stderr.strip()}")

    def _end_leftovers(self) -> None:
        leftover = self._postmaster()
        if leftover is not None:
            processes.end(leftover, (signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))
        self._wait_for_orphans(self._place().pgdata)

    def _wait_for_orphans(self, pgdata: Path) -> None:
        """Wait for the children of a killed server: until they are gone a new one refuses to start."""
        _, alive = psutil.wait_procs(processes.processes_in_folder(pgdata), timeout=_ORPHAN_SECONDS)
        for process in alive:
            processes.end(process, (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))

    def _postmaster(self) -> psutil.Process | None:
        pgdata = self._place().pgdata
        try:
            pid = int((pgdata / "postmaster.pid").read_text().splitlines()[0])
            process = psutil.Process(pid)
            ours = process.cwd() == str(pgdata) and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, PermissionError, IndexError, ValueError, psutil.Error):
            return None
        return process if ours else None

    def _place(self) -> Placement:
        if self._placement is None:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            self._placement = place(self.data_dir)
        return self._placement


def _plain_environment() -> dict[str, str]:
    """Keep the caller's PG* variables from the programs."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _building(pgdata: Path) -> Path:
    return pgdata.with_name("postgres-new")


def _replaced(pgdata: Path) -> Path:
    return pgdata.with_name("postgres-replaced")


def _set_aside(pgdata: Path) -> None:
    """Move away a cluster whose passwords are gone (its data folder was deleted); one such is kept."""
    shutil.rmtree(_replaced(pgdata), ignore_errors=True)
    pgdata.rename(_replaced(pgdata))
