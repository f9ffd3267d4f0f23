"""What is known of trained versions besides their files: trainings, and how a version in the shadow did."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.db import Database, Transaction

TRAININGS_KEPT = 100


@dataclass(frozen=True, slots=True)
class Training:
    """A training that the schedule started; `said` is its last line."""

    training_id: UUID
    state: str
    started_at: datetime
    finished_at: datetime | None
    said: str


@dataclass(frozen=True, slots=True)
class ShadowRow:
    """A version that answers beside the one in use, for a share of the lists."""

    version: str
    share: float
    started_at: datetime


@dataclass(frozen=True, slots=True)
class ShadowSums:
    """Sums over lists that two versions made of the same question. Times are of the thread's processor time."""

    lists: int = 0
    agreement: float = 0.0
    took_ms: float = 0.0
    in_use_ms: float = 0.0
    failures: int = 0
    dropped: int = 0

    def plus(self, other: "ShadowSums") -> "ShadowSums":
        return ShadowSums(
            self.lists + other.lists,
            self.agreement + other.agreement,
            self.took_ms + other.took_ms,
            self.in_use_ms + other.in_use_ms,
            self.failures + other.failures,
            self.dropped + other.dropped,
        )


async def last_training(session: Transaction) -> Training | None:
    row = await session.fetchrow(
        "SELECT training_id, state, started_at, finished_at, said FROM trainings ORDER BY started_at DESC LIMIT 1"
    )
    return None if row is None else Training(**dict(row))


async def begin_training(database: Database, training_id: UUID, now: datetime) -> None:
    """Write down that one starts; one that never ended was killed with its worker. Old ones go."""
    async with database.transaction() as tx:
        await tx.execute(
            "UPDATE trainings SET state = 'failed', finished_at = $1, said = 'ended with its worker; ' || said"
            " WHERE state = 'running'",
            now,
        )
        await tx.execute(
            "INSERT INTO trainings (training_id, state, started_at, said) VALUES ($1, 'running', $2, '')",
            training_id,
            now,
        )
        await tx.execute(
            "DELETE FROM trainings WHERE started_at < (SELECT min(started_at) FROM (SELECT started_at FROM trainings"
            " ORDER BY started_at DESC LIMIT $1) AS latest)",
            TRAININGS_KEPT,
        )


async def say(database: Database, training_id: UUID, line: str) -> None:
    await database.execute("UPDATE trainings SET said = $2 WHERE training_id = $1", training_id, line)


async def end_training(database: Database, training_id: UUID, state: str, line: str, now: datetime) -> None:
    await database.execute(
        "UPDATE trainings SET state = $2, said = $3, finished_at = $4 WHERE training_id = $1",
        training_id,
        state,
        line,
        now,
    )


async def shadow(session: Transaction) -> ShadowRow | None:
    row = await session.fetchrow("SELECT version, share, started_at FROM shadows LIMIT 1")
    return None if row is None else ShadowRow(**dict(row))


async def set_shadow(tx: Transaction, version: str, share: float, actor: str, now: datetime) -> None:
    """Put one version into the shadow in place of any other."""
    await tx.execute("DELETE FROM shadows")
    await tx.execute(
        "INSERT INTO shadows (version, share, started_at, started_by) VALUES ($1, $2, $3, $4)",
        version,
        share,
        now,
        actor,
    )


async def end_shadow(session: Transaction, version: str) -> bool:
    return bool(await session.execute("DELETE FROM shadows WHERE version = $1", version))


async def add_shadow_sums(session: Transaction, version: str, day: date, sums: ShadowSums) -> None:
    await session.execute(
        "INSERT INTO shadow_days AS s (version, day, lists, agreement, took_ms, in_use_ms, failures, dropped)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (version, day) DO UPDATE SET"
        " lists = s.lists + excluded.lists, agreement = s.agreement + excluded.agreement,"
        " took_ms = s.took_ms + excluded.took_ms, in_use_ms = s.in_use_ms + excluded.in_use_ms,"
        " failures = s.failures + excluded.failures, dropped = s.dropped + excluded.dropped",
        version,
        day,
        sums.lists,
        sums.agreement,
        sums.took_ms,
        sums.in_use_ms,
        sums.failures,
        sums.dropped,
    )


async def shadow_sums(session: Transaction) -> Mapping[str, ShadowSums]:
    """Return each version's sums over all days."""
    rows = await session.fetch(
        "SELECT version, sum(lists)::int AS lists, sum(agreement) AS agreement, sum(took_ms) AS took_ms,"
        " sum(in_use_ms) AS in_use_ms, sum(failures)::int AS failures, sum(dropped)::int AS dropped"
        " FROM shadow_days GROUP BY version"
    )
    return {row["version"]: ShadowSums(*(row[name] for name in ShadowSums.__slots__)) for row in rows}
