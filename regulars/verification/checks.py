"""The invariants that `regulars verify` recounts, each from the databases themselves.

Run it when nothing is on its way, or the last events will be counted as differences.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from uuid import UUID

from regulars.verification.recount import Recount
from regulars.verification.report import Finding, Verification
from services.campaign.store.proof import prove
from shared.db import Database, PoolLimits, Row
from shared.events import topics_consumed_by, topics_owned_by

OUTGOING_SECONDS_MAX = 60
ROWS_AT_ONCE = 5_000
SERVICES = ("ingest", "profile", "recommend", "churn", "campaign")
LIMITS = PoolLimits(size_max=1, command_seconds=120)


async def verify(databases: Mapping[str, str]) -> Verification:
    """Recount everything; `databases` maps a service to the address of its database."""
    findings: list[Finding] = []
    async with AsyncExitStack() as stack:
        opened: dict[str, Database] = {}
        for service, dsn in databases.items():
            if service in SERVICES:
                opened[service] = await Database.connect(dsn, application="verify", limits=LIMITS)
                stack.push_async_callback(opened[service].close)
        for service, database in opened.items():
            if topics_owned_by(service):
                findings += [await log_density(service, database), await outgoing_age(service, database)]
        for service, database in opened.items():
            if topics_consumed_by(service):
                findings += [await applied_to_the_head(service, opened), await dead_letters(service, database)]
        findings.append(await profile_totals(opened["ingest"], opened["profile"]))
        findings += await campaign_books(opened["campaign"])
    return Verification(tuple(findings))


async def log_density(service: str, database: Database) -> Finding:
    """Numbers are 1, 2, 3 … in every partition, each naming the event before it, and every event has one."""
    holes = await database.fetch(
        "SELECT topic, partition, count(*) AS events, max(seq) AS last FROM numbered"
        " GROUP BY 1, 2 HAVING count(*) <> max(seq)"
    )
    chains = await database.fetch(
        "SELECT topic, partition, seq FROM (SELECT topic, partition, seq, prev_event_id,"
        " lag(event_id) OVER (PARTITION BY topic, partition ORDER BY seq) AS before FROM numbered) n"
        " WHERE prev_event_id IS DISTINCT FROM before"
    )
    lost = await database.fetch(
        "SELECT event_id FROM events e WHERE NOT EXISTS (SELECT 1 FROM numbered n WHERE n.event_id = e.event_id)"
        " AND NOT EXISTS (SELECT 1 FROM unnumbered u WHERE u.event_id = e.event_id)"
    )
    differences = [f"{row['topic']}/{row['partition']}: {row['events']} events up to {row['last']}" for row in holes]
    differences += [f"{row['topic']}/{row['partition']}: {row['seq']} does not follow" for row in chains]
    differences += [f"event {row['event_id']} has no number and waits for none" for row in lost]
    counted = await database.fetchval("SELECT count(*) FROM numbered")
    return Finding("numbers without a gap, each naming the one before", service, counted, differences)


async def outgoing_age(service: str, database: Database) -> Finding:
    """Nothing has waited for its number or for the broker for more than a minute."""
    waiting = await database.fetch(
        "SELECT n.topic, n.partition, count(*) AS events, max(clock_timestamp() - e.stored_at) AS age"
        " FROM numbered n JOIN events e USING (event_id)"
        " LEFT JOIN watermarks w ON (w.topic, w.partition) = (n.topic, n.partition)"
        " WHERE n.seq > coalesce(w.published_seq, 0) AND e.stored_at < clock_timestamp() - make_interval(secs => $1)"
        " GROUP BY 1, 2",
        OUTGOING_SECONDS_MAX,
    )
    unnumbered = await database.fetchval(
        "SELECT count(*) FROM unnumbered JOIN events USING (event_id)"
        " WHERE stored_at < clock_timestamp() - make_interval(secs => $1)",
        OUTGOING_SECONDS_MAX,
    )
    differences = [
        f"{row['topic']}/{row['partition']}: {row['events']} unpublished, the oldest for {row['age']}"
        for row in waiting
    ]
    if unnumbered:
        differences.append(f"{unnumbered} events wait for their numbers")
    published = await database.fetchval("SELECT coalesce(sum(published_seq), 0)::bigint FROM watermarks")
    return Finding("nothing waits for more than a minute to be published", service, published, differences)


async def applied_to_the_head(service: str, databases: Mapping[str, Database]) -> Finding:
    """Every consumer stands at the head of every line, at the very event that is the head."""
    rows = await databases[service].fetch("SELECT * FROM positions")
    positions = {(row["topic"], row["partition"]): row for row in rows}
    differences, counted = [], 0
    for topic in topics_consumed_by(service):
        for head in await _heads(databases[topic.owner], topic.name):
            position = positions.get((topic.name, head["partition"]))
            counted += head["seq"]
            if position is None or (position["last_seq"], position["last_event_id"]) != (
                head["seq"],
                head["event_id"],
            ):
                at = 0 if position is None else position["last_seq"]
                differences.append(f"{topic.name}/{head['partition']}: at {at} of {head['seq']}")
    return Finding("every consumer applied everything", service, counted, differences)


async def _heads(database: Database, topic: str) -> list[Row]:
    return await database.fetch(
        "SELECT DISTINCT ON (partition) partition, seq, event_id FROM numbered WHERE topic = $1"
        " ORDER BY partition, seq DESC",
        topic,
    )


async def dead_letters(service: str, database: Database) -> Finding:
    """No event lies among the dead letters."""
    rows = await database.fetch("SELECT topic, type, reason FROM dead_letters WHERE replayed_at IS NULL")
    differences = [f"{row['type']} ({row['topic']}): {row['reason']}" for row in rows]
    return Finding("no event lies among the dead letters", service, len(rows), differences)


async def profile_totals(ingest: Database, profile: Database) -> Finding:
    """Every subject's totals in profile are what the archive adds up to."""
    recount = Recount()
    async for body in _archived(ingest, "retail.receipts.v1"):
        recount.add(body)
    expected = {key: figures.as_tuple() for key, figures in recount.totals().items()}
    rows = await profile.fetch(
        "SELECT subject_id, currency, receipts, returns, gross_minor,"
        " gross_minor - returned_minor - unknown_void_minor AS net_minor FROM subject_totals"
    )
    held = {
        (str(row["subject_id"]), row["currency"]): (
            row["receipts"],
            row["returns"],
            row["gross_minor"],
            row["net_minor"],
        )
        for row in rows
    }
    nothing = (0, 0, 0, 0)
    differences = [
        f"subject {subject} in {currency}: archive {expected.get((subject, currency), nothing)},"
        f" profile {held.get((subject, currency), nothing)} (receipts, returns, gross, net)"
        for subject, currency in sorted(expected.keys() | held.keys())
        if expected.get((subject, currency), nothing) != held.get((subject, currency), nothing)
    ]
    return Finding("all totals are what the archive adds up to", "profile", recount.receipts, differences)


async def campaign_books(campaign: Database) -> list[Finding]:
    """Check the points ledger, the balances, the lots and every cap."""
    return [Finding(each.claim, "campaign", None, list(each.contradictions)) for each in await prove(campaign)]


async def _archived(ingest: Database, topic: str) -> AsyncIterator[bytes]:
    after = UUID(int=0)
    while rows := await ingest.fetch(
        "SELECT event_id, body FROM events WHERE topic = $1 AND event_id > $2 ORDER BY event_id LIMIT $3",
        topic,
        after,
        ROWS_AT_ONCE,
    ):
        for row in rows:
            yield row["body"]
        after = rows[-1]["event_id"]
