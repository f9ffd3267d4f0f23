"""What runs now, how it is, and how far it lags."""

import socket
from dataclasses import dataclass

import psutil

from regulars.embedded.metadata import answers
from regulars.errors import BrokerUnavailable
from regulars.external import host_ports
from regulars.health import Health, probe_all
from regulars.state import BROKER, POSTGRES, ProcessRecord, RunState

_CONNECT_SECONDS = 1.0
_WITHOUT_LAG = "api"


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One line of `regulars status`. `state` is ready, unready (see `reason`) or restarting."""

    service: str
    role: str
    pid: int | None
    state: str
    restarts: int
    address: str
    memory_mb: int | None
    lag_records: int | None
    lag_seconds: float | None
    reason: str = ""


def collect(state: RunState) -> list[ProcessStatus]:
    """Ask every process of a running deployment."""
    services = [record for record in state.processes if record.service not in (POSTGRES, BROKER)]
    asked = probe_all((record.address, record.role != _WITHOUT_LAG) for record in services)
    health = dict(zip(services, asked, strict=True))
    return [_status(record, health.get(record)) for record in state.processes]


def _status(record: ProcessRecord, health: Health | None) -> ProcessStatus:
    health = health or _engine_health(record)
    process = record.identity.process() if record.identity else None
    ours = record.identity is not None
    gone = process is None and (ours or record.service not in (POSTGRES, BROKER))
    return ProcessStatus(
        service=record.service,
        role=record.role,
        pid=None if process is None else process.pid,
        state="restarting" if gone else "ready" if health.ready else "unready",
        restarts=record.restarts,
        address=record.address,
        memory_mb=None if process is None else memory_mb(process),
        lag_records=health.lag_records,
        lag_seconds=health.lag_seconds,
        reason=health.reason,
    )


def _engine_health(record: ProcessRecord) -> Health:
    try:
        pairs = host_ports(record.address)
    except BrokerUnavailable as error:
        return Health(ready=False, reason=str(error))
    check = answers if record.service == BROKER else _accepts
    ready = any(check(host, port, _CONNECT_SECONDS) for host, port in pairs)
    return Health(ready, "" if ready else "no answer")


def _accepts(host: str, port: int, timeout_seconds: float) -> bool:
    try:
        with socket.create_connection((host, port), timeout=timeout_seconds):
            return True
    except OSError:
        return False


def memory_mb(process: psutil.Process) -> int:
    """Return the memory of a process and its children, in MB; shared pages are counted once where that is known."""
    total = 0
    for member in (process, *_children(process)):
        try:
            total += _memory_bytes(member)
        except psutil.NoSuchProcess:
            continue
    return round(total / 1e6)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _memory_bytes(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    return int(getattr(full, "pss", full.rss))
