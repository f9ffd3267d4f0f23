"""The keys of everything ever accepted, and the epochs of terminals."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from hashlib import blake2b
from uuid import UUID

from services.ingest.domain.epochs import Epoch
from services.ingest.domain.runs import RUNS_MAX
from services.ingest.store.ranges import EVERYTHING, runs_of, text_of
from shared.customers.assignments import Reads
from shared.db import Transaction
from shared.records import record

TerminalDay = tuple[str, str, date]


@record
class Claim:
    """A key that a request brings, with what it says under it."""

    key_digest: bytes
    content_digest: bytes
    event_id: UUID


async def claim_keys(tx: Transaction, claims: Iterable[Claim]) -> dict[bytes, Claim]:
    """Take every key that nobody has; return those that somebody had before, as they were taken.

    A concurrent request with the same key is waited for.
    """
    ordered = sorted(claims, key=lambda claim: claim.key_digest)
    if not ordered:
        return {}
    digests = [claim.key_digest for claim in ordered]
    rows = await tx.fetch(
        "INSERT INTO dedup_keys (key_digest, content_digest, event_id)"
        " SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::uuid[]) ON CONFLICT DO NOTHING RETURNING key_digest",
        digests,
        [claim.content_digest for claim in ordered],
        [claim.event_id for claim in ordered],
    )
    if len(rows) == len(ordered):
        return {}
    fresh = {row["key_digest"] for row in rows}
    return await known_keys(tx, [digest for digest in digests if digest not in fresh])


async def known_keys(reads: Reads, digests: Collection[bytes]) -> dict[bytes, Claim]:
    """Return the keys among `digests` that were ever taken."""
    rows = await reads.fetch(
        "SELECT key_digest, content_digest, event_id FROM dedup_keys WHERE key_digest = ANY($1::bytea[])",
        list(digests),
    )
    return {row["key_digest"]: Claim(row["key_digest"], row["content_digest"], row["event_id"]) for row in rows}


async def epochs_of(reads: Reads, days: Collection[TerminalDay]) -> dict[TerminalDay, tuple[Epoch, ...]]:
    """Return the epochs of each terminal's day that is known, with all numbers that came."""
    return await _epochs(reads, dict.fromkeys(days, EVERYTHING))


async def epochs_around(
    reads: Reads, numbers: Mapping[TerminalDay, Iterable[int]]
) -> dict[TerminalDay, tuple[Epoch, ...]]:
    """Return the epochs of each terminal's day that is known; of the numbers that came only those asked about.

    Whoever accepts a receipt asks about its number alone: a day may have a thousand runs.
    """
    asked = {day: text_of([(number, number) for number in set(some)]) for day, some in numbers.items()}
    return await _epochs(reads, asked)


async def _epochs(reads: Reads, asked: Mapping[TerminalDay, str]) -> dict[TerminalDay, tuple[Epoch, ...]]:
    days = sorted(asked)
    rows = await reads.fetch(
        "SELECT store_id, terminal_id, business_date, epoch, opened_at, last_sequence, last_at,"
        " received * asked.numbers::int8multirange AS received"
        " FROM terminal_epochs JOIN unnest($1::text[], $2::text[], $3::date[], $4::text[])"
        " AS asked (store_id, terminal_id, business_date, numbers) USING (store_id, terminal_id, business_date)"
        " ORDER BY epoch",
        [day[0] for day in days],
        [day[1] for day in days],
        [day[2] for day in days],
        [asked[day] for day in days],
    )
    found: dict[TerminalDay, tuple[Epoch, ...]] = {}
    for row in rows:
        day = (row["store_id"], row["terminal_id"], row["business_date"])
        epoch = Epoch(row["epoch"], row["opened_at"], row["last_sequence"], row["last_at"], runs_of(row["received"]))
        found[day] = (*found.get(day, ()), epoch)
    return found


async def lock_days(tx: Transaction, days: Collection[TerminalDay], *, exclusive: bool) -> None:
    """Lock terminals' days until the transaction ends, in one order for everybody."""
    ordered = sorted(_lock_number(day) for day in days)
    if exclusive:
        await tx.execute("SELECT pg_advisory_xact_lock(day) FROM unnest($1::bigint[]) AS day", ordered)
    else:
        await tx.execute("SELECT pg_advisory_xact_lock_shared(day) FROM unnest($1::bigint[]) AS day", ordered)


def _lock_number(day: TerminalDay) -> int:
    """Return a number for a day; two days that share one merely wait for each other."""
    text = f"{len(day[0])}/{day[0]}/{day[1]}/{day[2]}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


_UNION = "terminal_epochs.received + excluded.received"


async def raise_epochs(tx: Transaction, changed: Mapping[TerminalDay, Sequence[Epoch]]) -> None:
    """Keep how far each terminal has counted. Only ever widens, so that concurrent requests agree."""
    rows = sorted(
        ((*day, epoch.number, epoch) for day, epochs in changed.items() for epoch in epochs), key=lambda row: row[:4]
    )
    if not rows:
        return
    await tx.execute(
        "INSERT INTO terminal_epochs"
        " (store_id, terminal_id, business_date, epoch, opened_at, last_sequence, last_at, received)"
        " SELECT store_id, terminal_id, business_date, epoch, opened_at, last_sequence, last_at,"
        " received::int8multirange FROM unnest($1::text[], $2::text[], $3::date[], $4::int[], $5::timestamptz[],"
        " $6::bigint[], $7::timestamptz[], $8::text[]) AS epochs (store_id, terminal_id, business_date, epoch,"
        " opened_at, last_sequence, last_at, received)"
        " ON CONFLICT (store_id, terminal_id, business_date, epoch) DO UPDATE"
        " SET opened_at = least(terminal_epochs.opened_at, excluded.opened_at),"
        " last_sequence = greatest(terminal_epochs.last_sequence, excluded.last_sequence),"
        " last_at = greatest(terminal_epochs.last_at, excluded.last_at),"
        f" received = CASE WHEN (SELECT count(*) FROM unnest({_UNION})) <= {RUNS_MAX}"
        f" THEN {_UNION} ELSE terminal_epochs.received END",
        [row[0] for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
        [row[3] for row in rows],
        [row[4].opened_at for row in rows],
        [row[4].last_sequence for row in rows],
        [row[4].last_at for row in rows],
        [text_of(row[4].received) for row in rows],
    )
