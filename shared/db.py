"""The one door to PostgreSQL: pools with deadlines, and the only place where a transaction is committed.

A query that waits for ever is worse than one that fails: asyncpg has no deadline of its own, so every pool
sets one, and every session tells the server to end it when it sits idle inside a transaction.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

import asyncpg
import orjson

from shared.errors import TransientError

Row = asyncpg.Record

UNDO_SECONDS = 2.0
COMMANDS_PER_TRANSACTION = 6
"""How many commands of the longest duration allowed a transaction may take in all."""
UNACKNOWLEDGED_SECONDS = 5.0
REASON_CHARS_MAX = 2000

_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver is surprised by a session that the server is just ending
    asyncpg.OperatorInterventionError,  # shut down, starting up, cancelled
    asyncpg.InsufficientResourcesError,  # disk, memory, connections
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    # A migration ran beside this process: the driver has forgotten its plans by now, the same work succeeds.
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
    OSError,  # with it ConnectionError and TimeoutError
)


class DatabaseAwayError(TransientError):
    """The database did not answer in time or ended the session; the same work may succeed later."""


def is_transient(error: BaseException) -> bool:
    """Say whether the infrastructure failed, so that the same work may succeed later."""
    return isinstance(error, TransientError) or _is_away(error)


def _is_away(error: BaseException | None) -> bool:
    """Tell a database that is away from a query that can never run, and from a file of ours that is missing."""
    if isinstance(error, asyncpg.InterfaceError) and "the server expects" in str(error):
        return False  # another number of arguments than the query has places
    if isinstance(error, OSError) and error.filename is not None:
        return False
    return isinstance(error, _AWAY)


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How long and how much one process may ask of its database."""

    size_min: int = 1
    size_max: int = 8
    connect_seconds: float = 5.0
    acquire_seconds: float = 5.0
    command_seconds: float = 10.0
    idle_in_transaction_seconds: float = 2.0
    lock_wait_seconds: float = 2.0


class Transaction:
    """One open transaction. Statements only: beginning and ending it is `Database.transaction`'s business."""

    __slots__ = ("_afterwards", "_connection")

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._afterwards: list[Callable[[], object]] = []

    async def execute(self, sql: str, *args: object) -> int:
        """Run a statement; return how many rows it touched."""
        status: str = await self._connection.execute(sql, *args)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        await self._connection.executemany(sql, rows)

    async def fetch(self, sql: str, *args: object) -> list[Row]:
        rows: list[Row] = await self._connection.fetch(sql, *args)
        return rows

    async def fetchrow(self, sql: str, *args: object) -> Row | None:
        row: Row | None = await self._connection.fetchrow(sql, *args)
        return row

    async def fetchval(self, sql: str, *args: object) -> Any:
        return await self._connection.fetchval(sql, *args)

    async def copy(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Insert many rows by COPY, the quickest way in; no conflict is tolerated."""
        await self._connection.copy_records_to_table(table, records=rows, columns=columns)

    async def acknowledge(self) -> None:
        """Make a commit that changes nothing wait for the standby as one that does: a repeat is acknowledged too."""
        await self._connection.execute("SELECT pg_logical_emit_message(true, 'ack', '')")

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo what is inside, and only that, when it raises."""
        told = len(self._afterwards)
        try:
            async with _block(self._connection):
                yield
        except BaseException:
            del self._afterwards[told:]
            raise

    def on_commit(self, do: Callable[[], object]) -> None:
        """Have something done once all this is committed, such as counting it: work that is undone is tried again."""
        self._afterwards.append(do)

    def committed(self) -> None:
        """Do what was to be done after the commit; `Database` alone knows when that is."""
        for do in self._afterwards:
            do()


class Database:
    """A pool of connections to one service's own database."""

    def __init__(self, pool: Any, limits: PoolLimits) -> None:
        self._pool = pool
        self._limits = limits

    @classmethod
    async def connect(
        cls, dsn: str, *, application: str, limits: PoolLimits | None = None, schema: str | None = None
    ) -> Self:
        """Open the pool; with a `schema` its statements see the tables of that schema and no others.

        Raises DatabaseAwayError when the server cannot be reached within `limits.connect_seconds`.
        """
        limits = limits or PoolLimits()
        with _translated():
            pool = await asyncpg.create_pool(
                dsn,
                min_size=limits.size_min,
                max_size=limits.size_max,
                timeout=limits.connect_seconds,
                command_timeout=limits.command_seconds,
                server_settings=_server_settings(application, limits) | ({"search_path": schema} if schema else {}),
                init=_register_json,
                reset=_as_it_is,
            )
        return cls(pool, limits)

    async def close(self) -> None:
        """Wait for running work up to the command deadline, then close every connection."""
        try:
            async with asyncio.timeout(self._limits.command_seconds):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def transaction(self, *, isolation: str = "read_committed") -> AsyncIterator[Transaction]:
        """Commit what is inside when it ends, undo it when it raises.

        Raises DatabaseAwayError for every failure that is the infrastructure's and not the work's.
        """
        async with self._connection() as connection:
            tx = Transaction(connection)
            async with _block(connection, isolation=isolation):
                yield tx
        tx.committed()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Transaction]:
        """Statements that commit one by one: reads, and single writes."""
        async with self._connection() as connection:
            session = Transaction(connection)
            yield session
        session.committed()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        with _translated():
            async with self._pool.acquire(timeout=self._limits.acquire_seconds) as connection:
                try:
                    yield connection
                except (TimeoutError, asyncio.CancelledError):
                    # Tidying up would wait for a session that may be frozen, and its failure would hide why we leave.
                    _drop(connection)
                    raise

    async def fetch(self, sql: str, *args: object) -> list[Row]:
        async with self.session() as session:
            return await session.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: object) -> Row | None:
        async with self.session() as session:
            return await session.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        async with self.session() as session:
            return await session.fetchval(sql, *args)

    async def execute(self, sql: str, *args: object) -> int:
        async with self.session() as session:
            return await session.execute(sql, *args)

    async def listen(self, channel: str, heard: Callable[[], object]) -> None:
        """Call `heard` at every notification, on a connection of the pool, until it is lost.

        Raises DatabaseAwayError when it is. Notifications come quickly, not surely: who must not miss one also looks.
        """
        lost = asyncio.Event()
        async with self._connection() as connection:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(channel, lambda *_: heard())
            await lost.wait()
            raise DatabaseAwayError(f"the connection that listens to {channel} was lost")

    async def settle(self) -> None:
        """Make one synchronous commit.

        After a COMMIT of unknown outcome this waits until whatever was committed before it is durable (on the
        synchronous standby too), so that what is read next is the truth.
        """
        async with self.transaction() as tx:
            await tx.acknowledge()

    async def ping(self) -> None:
        """Raise DatabaseAwayError unless the database answers."""
        await self.fetchval("SELECT 1")


@asynccontextmanager
async def _block(connection: Any, **options: str) -> AsyncIterator[None]:
    """Commit what is inside (a transaction or a savepoint), or undo it within a bound.

    A session that cannot even undo is dropped: the server undoes what a lost session left. Whatever goes wrong
    while undoing, the caller sees why it was undone; a cancellation stays a cancellation.
    """
    block = connection.transaction(**options)
    await block.start()
    try:
        yield
        await block.commit()
    except TimeoutError:
        _drop(connection)
        raise
    except BaseException:
        try:
            async with asyncio.timeout(UNDO_SECONDS):
                await block.rollback()
        except (*_AWAY, asyncpg.PostgresError):
            _drop(connection)
        raise


def _drop(connection: Any) -> None:
    """End a session at once; it may have ended by itself already, and left the pool."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


def storable(text: str, chars_max: int) -> str:
    """Return text as a text column can hold it: no NUL, no lone surrogates, at most `chars_max` characters."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")[:chars_max]


def reason_of(error: BaseException) -> str:
    """Return why something failed, as a text column keeps it for people: the error's kind and what it says.

    Without the values that the database quotes: they are of the event that failed, and may be a person's.
    """
    said = str(error)
    if isinstance(error, asyncpg.PostgresError):
        said = said.partition("\nDETAIL:")[0]
    if isinstance(error, asyncpg.DataError):
        said = said.partition(":")[0]
    return storable(f"{type(error).__name__}: {said}", REASON_CHARS_MAX)


class _translated:  # noqa: N801 (reads as a word at its place of use)
    """Turn the driver's infrastructure failures into DatabaseAwayError; leave every other error as it is."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if _is_away(error):
            raise DatabaseAwayError(f"{type(error).__name__}: {error}") from error


def _server_settings(application: str, limits: PoolLimits) -> dict[str, str]:
    return {
        "application_name": application[:63],
        "timezone": "UTC",
        "idle_in_transaction_session_timeout": str(int(limits.idle_in_transaction_seconds * 1000)),
        "lock_timeout": str(int(limits.lock_wait_seconds * 1000)),
        "statement_timeout": str(int(limits.command_seconds * 1000)),
        "transaction_timeout": str(int(limits.command_seconds * COMMANDS_PER_TRANSACTION * 1000)),
        "client_connection_check_interval": "1000",
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "2",
        # A client frozen while it is being answered: it acknowledges nothing, but its kernel keeps the connection.
        "tcp_user_timeout": str(int(UNACKNOWLEDGED_SECONDS * 1000)),
    }


async def _as_it_is(connection: Any) -> None:
    """Give a connection back without the driver's RESET ALL: nothing here sets a session's state.

    Settings are those of the start, locks are a transaction's, and a transaction ends before its connection does.
    """


async def _register_json(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda data: orjson.loads(data[1:]),
    )
