"""The invariants of delivery: numbers without a gap, nothing left waiting, every consumer at the head."""

from collections.abc import Mapping

from regulars.verification.report import Basis, Finding
from shared.db import Database, Row
from shared.events import topics_consumed_by

OUTGOING_SECONDS_MAX = 60


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
    return Finding(Basis.TABLES, "numbers without a gap, each naming the one before", service, counted, differences)


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
    return Finding(
        Basis.TABLES, "nothing waits for more than a minute to be published", service, published, differences
    )


async def applied_to_the_head(service: str, databases: Mapping[str, Database]) -> Finding:
    """Every consumer stands at the head of every line, at the very event that is the head."""
    rows = await databases[service].fetch("SELECT * FROM positions")
    positions = {(row["topic"], row["partition"]): row for row in rows}
    differences, counted = [], 0
    for topic in topics_consumed_by(service):
        for head in await _heads(databases[topic.owner], topic.name):
            counted += head["seq"]
            position = positions.get((topic.name, head["partition"]))
            at = (0, None) if position is None else (position["last_seq"], position["last_event_id"])
            if at != (head["seq"], head["event_id"]):
                other = ", at another event" if at[0] == head["seq"] else ""
                differences.append(f"{topic.name}/{head['partition']}: at {at[0]} of {head['seq']}{other}")
    return Finding(Basis.TABLES, "every consumer applied everything", service, counted, differences)


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
    return Finding(Basis.TABLES, "no event lies among the dead letters", service, len(rows), differences)
