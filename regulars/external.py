"""A PostgreSQL server and a broker that somebody else runs, given to `up` by their addresses."""

import asyncio
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from regulars.embedded.metadata import answers
from regulars.errors import BrokerUnavailable, StartFailed
from regulars.passwords import PasswordFile

_CONNECT_SECONDS = 5.0


class ExternalPostgres:
    """A server reached as a role that may create roles and databases. It is never started or stopped here."""

    pid = None

    def __init__(self, dsn: str, passwords_file: Path) -> None:
        self._dsn = dsn
        self._passwords = PasswordFile(passwords_file)

    @property
    def address(self) -> str:
        return urlsplit(self._dsn).netloc.rpartition("@")[2]

    def start(self) -> None:
        """Check that the server answers. Raises StartFailed."""
        self._run(["SELECT 1"])

    def stop(self) -> None:
        """Leave the server as it is."""

    def create_database(self, name: str) -> str:
        """Make the database and its role where missing; return its DSN.

        Raises StartFailed when the role exists there and its password is not known here.
        """
        exists = bool(self._run([f"SELECT 1 FROM pg_roles WHERE rolname = '{name}'"]))
        if exists and name not in self._passwords.known():
            raise StartFailed(
                f"the server {self.address} has a role {name!r} that this data folder did not make; "
                "use another server, or the data folder that belongs to it"
            )
        password = self._passwords.get_or_make(name)
        if not exists:
            self._run([f"CREATE ROLE {name} LOGIN PASSWORD '{password}'", f"GRANT {name} TO CURRENT_USER"])
        if not self._run([f"SELECT 1 FROM pg_database WHERE datname = '{name}'"]):
            self._run([f"CREATE DATABASE {name} OWNER {name}"])
        self._run([f"REVOKE ALL ON DATABASE {name} FROM PUBLIC"])
        return self.dsn(name)

    def dsn(self, role: str) -> str:
        """Return the address of a role's own database."""
        parts = urlsplit(self._dsn)
        netloc = f"{role}:{quote(self._passwords.known()[role], safe='')}@{self.address}"
        return urlunsplit((parts.scheme, netloc, f"/{role}", parts.query, ""))

    def _run(self, statements: list[str]) -> list[asyncpg.Record]:
        try:
            return asyncio.run(_execute(self._dsn, statements))
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise StartFailed(f"PostgreSQL at {self.address}: {error or type(error).__name__}") from error


class ExternalBroker:
    """Brokers reached by their address. They are never started or stopped here."""

    pid = None
    name = "external"

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers

    def start(self) -> None:
        """Check that at least one of them answers. Raises BrokerUnavailable."""
        if not any(answers(host, port) for host, port in host_ports(self.bootstrap_servers)):
            raise BrokerUnavailable(f"no broker answers at {self.bootstrap_servers}")

    def stop(self) -> None:
        """Leave the brokers as they are."""


def host_ports(bootstrap_servers: str) -> list[tuple[str, int]]:
    """Split `host:port,host:port`. Raises BrokerUnavailable when it is not of that form."""
    pairs = []
    for part in bootstrap_servers.split(","):
        host, _, port = part.strip().rpartition(":")
        if not host or not port.isdigit():
            raise BrokerUnavailable(f"{part.strip()!r} is not HOST:PORT")
        pairs.append((host.strip("[]"), int(port)))
    return pairs


async def _execute(dsn: str, statements: list[str]) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS, command_timeout=_CONNECT_SECONDS * 6)
    try:
        rows: list[asyncpg.Record] = []
        for statement in statements:
            rows = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()
