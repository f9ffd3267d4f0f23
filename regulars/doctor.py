"""Finds what is wrong with a deployment; every finding says what to do."""

import asyncio
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import asyncpg

from regulars.credentials import Credentials, deployment_key_file, read_deployment_key
from regulars.embedded.metadata import answers
from regulars.errors import BrokerUnavailable, StartFailed
from regulars.external import host_ports
from regulars.folder import DataFolder
from regulars.ports import port_is_free
from regulars.services_table import SERVICES, PortPlan
from regulars.state import RunState, running_state
from regulars.status import ProcessStatus, collect
from shared.clock import SystemClock, read_offset
from shared.keys import KeysFileError, read_keys

PYTHON_MIN = (3, 11)
DISK_BYTES_WARNED = 2_000_000_000
DISK_BYTES_NEEDED = 500_000_000
CLOCK_SKEW_MAX = timedelta(seconds=2)
LAG_SECONDS_WARNED = 60.0
RESTARTS_WARNED = 3
_CONNECT_SECONDS = 3.0


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """`action` says what to do; it is empty when all is well."""

    check: str
    level: Level
    message: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What one database says: its clock against ours, dead letters, and lines that stand still."""

    skew: timedelta
    dead_letters: int
    standing: int


@dataclass(frozen=True, slots=True)
class Patient:
    """What the checks look at."""

    folder: DataFolder
    port_base: int
    state: RunState | None
    credentials: Credentials | None
    processes: tuple[ProcessStatus, ...]


def examine(folder: DataFolder, port_base: int) -> list[Finding]:
    """Run every check; `port_base` is where `up` would start if nothing runs."""
    state = running_state(folder)
    processes = tuple(collect(state)) if state is not None else ()
    patient = Patient(folder, port_base, state, _credentials(folder), processes)
    return [finding for check in _CHECKS for finding in check(patient)]


def python_finding(version: tuple[int, int]) -> Finding:
    text = ".".join(map(str, version))
    if version >= PYTHON_MIN:
        return Finding("python", Level.OK, f"Python {text}")
    needed = ".".join(map(str, PYTHON_MIN))
    return Finding("python", Level.FAILURE, f"Python {text} is too old", f"install Python {needed} or newer")


def disk_finding(free_bytes: int, folder: Path) -> Finding:
    text = f"{free_bytes / 1e9:.1f} GB free at {folder}"
    if free_bytes >= DISK_BYTES_WARNED:
        return Finding("disk", Level.OK, text)
    level = Level.WARNING if free_bytes >= DISK_BYTES_NEEDED else Level.FAILURE
    return Finding("disk", level, text, "free some space, or move the data: --data-dir DIR")


def skew_finding(name: str, skew: timedelta) -> Finding:
    text = f"the clock of database {name} differs by {abs(skew.total_seconds()):.1f} s"
    if abs(skew) <= CLOCK_SKEW_MAX:
        return Finding("clock", Level.OK, text)
    return Finding("clock", Level.WARNING, text, "let both machines take their time from NTP")


def process_finding(process: ProcessStatus) -> Finding:
    name = f"{process.service} {process.role}"
    log = f"regulars logs {process.service}"
    if process.state != "ready":
        return Finding("process", Level.FAILURE, f"{name} is {process.state}: {process.reason}", log)
    if process.restarts >= RESTARTS_WARNED:
        text = f"{name} was started again {process.restarts} times"
        return Finding("process", Level.WARNING, text, log)
    return Finding("process", Level.OK, f"{name} is ready")


def lag_finding(process: ProcessStatus) -> Finding | None:
    if process.lag_records is None:
        return None
    seconds = process.lag_seconds or 0.0
    text = f"{process.service} lags by {process.lag_records} events, {seconds:.0f} s"
    if seconds <= LAG_SECONDS_WARNED:
        return Finding("lag", Level.OK, text)
    action = f"wait if it shrinks; otherwise: regulars logs {process.service}"
    return Finding("lag", Level.WARNING, text, action)


def dead_letter_findings(name: str, facts: DatabaseFacts) -> Iterator[Finding]:
    level = Level.WARNING if facts.dead_letters else Level.OK
    action = f"regulars deadletters list {name}" if facts.dead_letters else ""
    yield Finding("dead letters", level, f"{name}: {facts.dead_letters} dead letters", action)
    if facts.standing:
        yield Finding(
            "dead letters",
            Level.FAILURE,
            f"{name}: {facts.standing} lines stand still (too many dead letters, or a forked log)",
            f"read regulars logs {name}, repair the cause, then: regulars deadletters resume {name}",
        )


def _python(patient: Patient) -> Iterator[Finding]:  # noqa: ARG001 - the checks are called alike
    yield python_finding(sys.version_info[:2])


def _disk(patient: Patient) -> Iterator[Finding]:
    root = patient.folder.root
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    yield disk_finding(shutil.disk_usage(existing).free, existing)


def _clock_offset(patient: Patient) -> Iterator[Finding]:
    path = patient.folder.clock_offset_file
    if not path.exists():
        return
    try:
        offset = read_offset(path)
    except ValueError as error:
        yield Finding("clock", Level.FAILURE, str(error), f"repair or delete {path}")
        return
    if offset:
        text = f"the services' clock is shifted by {offset}"
        yield Finding("clock", Level.WARNING, text, f"for real use delete {path}")


def _key_files(patient: Patient) -> Iterator[Finding]:
    folder = patient.folder
    path = deployment_key_file(folder)
    if not path.exists():
        yield Finding("keys", Level.WARNING, f"no deployment key at {path}", "regulars up makes one")
        return
    try:
        read_deployment_key(path)
        keys = read_keys(folder.keys_file)
    except (StartFailed, KeysFileError) as error:
        yield Finding("keys", Level.FAILURE, str(error), "restore the file from a back-up")
        return
    yield Finding("keys", Level.OK, f"the deployment key and {len(keys)} API keys can be read")
    for file in (path, folder.keys_file, folder.credentials_file):
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
            yield Finding("keys", Level.WARNING, f"{file} can be read by others", f"chmod 600 '{file}'")


def _ports(patient: Patient) -> Iterator[Finding]:
    if patient.state is not None:
        return
    ports = PortPlan(patient.port_base)
    wanted = {ports.postgres: "PostgreSQL", ports.broker: "broker"}
    for service in SERVICES:
        wanted |= {ports.api(service): f"{service.name} api", ports.worker(service): f"{service.name} worker"}
    taken = {port: purpose for port, purpose in wanted.items() if not port_is_free(port)}
    for port, purpose in taken.items():
        text = f"port {port} ({purpose}) is in use by another program"
        yield Finding("port", Level.FAILURE, text, "regulars up --port-base with another number")
    if not taken:
        yield Finding("port", Level.OK, f"the ports from {patient.port_base} on are free")


def _running(patient: Patient) -> Iterator[Finding]:
    if patient.state is None:
        yield Finding("process", Level.WARNING, f"nothing runs on {patient.folder.root}", "regulars up")
        return
    for process in patient.processes:
        yield process_finding(process)
        lag = lag_finding(process)
        if lag is not None:
            yield lag
    for warning in patient.state.warnings:
        yield Finding("broker", Level.WARNING, warning, "regulars up --broker HOST:PORT")


def _broker(patient: Patient) -> Iterator[Finding]:
    if patient.state is None or patient.credentials is None:
        return
    address = patient.credentials.bootstrap_servers
    try:
        reached = any(answers(host, port) for host, port in host_ports(address))
    except BrokerUnavailable as error:
        yield Finding("broker", Level.FAILURE, str(error), "give it as HOST:PORT")
        return
    if reached:
        yield Finding("broker", Level.OK, f"the broker at {address} answers")
    else:
        action = "regulars logs broker; events are kept and sent when it is back"
        yield Finding("broker", Level.FAILURE, f"no broker answers at {address}", action)


def _databases(patient: Patient) -> Iterator[Finding]:
    if patient.state is None or patient.credentials is None:
        return
    for name, dsn in patient.credentials.database.items():
        try:
            facts = asyncio.run(_database_facts(dsn))
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            text = f"database {name} cannot be reached: {error or type(error).__name__}"
            yield Finding("database", Level.FAILURE, text, "regulars logs postgres")
            continue
        yield Finding("database", Level.OK, f"database {name} answers")
        yield skew_finding(name, facts.skew)
        yield from dead_letter_findings(name, facts)


_CHECKS: tuple[Callable[[Patient], Iterator[Finding]], ...] = (
    _python,
    _disk,
    _clock_offset,
    _key_files,
    _ports,
    _running,
    _broker,
    _databases,
)


async def _database_facts(dsn: str) -> DatabaseFacts:
    connection = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS, command_timeout=_CONNECT_SECONDS)
    try:
        theirs: datetime = await connection.fetchval("SELECT clock_timestamp()")
        skew = theirs.astimezone(UTC) - SystemClock().now()
        consumes = await connection.fetchval("SELECT to_regclass('dead_letters') IS NOT NULL")
        if not consumes:
            return DatabaseFacts(skew, 0, 0)
        dead = await connection.fetchval("SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL")
        standing = await connection.fetchval(
            "SELECT count(*) FROM positions WHERE braked_version IS NOT NULL OR forked_reason IS NOT NULL"
        )
        return DatabaseFacts(skew, dead, standing)
    finally:
        await connection.close()


def _credentials(folder: DataFolder) -> Credentials | None:
    try:
        return Credentials.read(folder.credentials_file)
    except (FileNotFoundError, ValueError):
        return None
