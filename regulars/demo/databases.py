"""Looking into the services' databases from outside: how far everybody is, and who took part in a campaign."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from regulars.credentials import Credentials
from shared.db import Database, PoolLimits
from shared.events import topics_consumed_by, topics_owned_by

LIMITS = PoolLimits(size_max=1, command_seconds=60)
SERVICES = ("ingest", "profile", "recommend", "churn", "campaign")


@dataclass(frozen=True, slots=True)
class Standing:
    """How many events were said, how many of them each consumer applied, and who is behind by how many."""

    numbered: int
    applied: dict[str, int]
    behind: dict[str, int]


@asynccontextmanager
async def databases(credentials: Credentials) -> AsyncIterator[dict[str, Database]]:
    """Open every service's database."""
    async with AsyncExitStack() as stack:
        opened = {}
        for service in SERVICES:
            dsn = credentials.database[service]
            opened[service] = await Database.connect(dsn, application="demo", limits=LIMITS)
            stack.push_async_callback(opened[service].close)
        yield opened


async def standing(credentials: Credentials) -> Standing:
    """Compare every log with every consumer's positions."""
    said: dict[str, int] = {}
    applied: dict[str, int] = {}
    async with databases(credentials) as opened:
        for service, database in opened.items():
            if topics_owned_by(service):
                rows = await database.fetch(
                    "SELECT topic, count(*) AS events FROM (SELECT topic FROM numbered"
                    " UNION ALL SELECT topic FROM unnumbered) said GROUP BY 1"
                )
                said |= {row["topic"]: row["events"] for row in rows}
        behind: dict[str, int] = {}
        for service, database in opened.items():
            wanted = sum(said.get(topic.name, 0) for topic in topics_consumed_by(service))
            if wanted:
                applied[service] = await database.fetchval("SELECT coalesce(sum(last_seq), 0)::bigint FROM positions")
                behind[service] = wanted - applied[service]
    return Standing(sum(said.values()), applied, {service: events for service, events in behind.items() if events})


async def segments_are_current(credentials: Credentials, applied_at: datetime) -> bool:
    """Tell whether profile has scored everybody after this moment and looked at whoever that moved."""
    async with databases(credentials) as opened:
        current: bool = await opened["profile"].fetchval(
            "SELECT EXISTS (SELECT 1 FROM schedule_runs WHERE task = 'score' AND started_at > $1"
            " AND finished_at IS NOT NULL) AND NOT EXISTS (SELECT 1 FROM dirty)",
            applied_at,
        )
    return current


async def coupon_codes(credentials: Credentials, campaign_id: str) -> list[tuple[str, str]]:
    """Return (customer_id, code) of everybody who was issued one."""
    async with databases(credentials) as opened:
        rows = await opened["campaign"].fetch(
            "SELECT customer_id, code FROM coupons WHERE campaign_id = $1::text::uuid ORDER BY code", campaign_id
        )
    return [(str(row["customer_id"]), row["code"]) for row in rows]


async def drawn_arms(credentials: Credentials, campaign_id: str) -> dict[str, list[str]]:
    """Return the customer ids of each arm of a campaign."""
    async with databases(credentials) as opened:
        rows = await opened["campaign"].fetch(
            "SELECT arm, customer_id FROM participants WHERE campaign_id = $1::text::uuid ORDER BY customer_id",
            campaign_id,
        )
    arms: dict[str, list[str]] = {}
    for row in rows:
        arms.setdefault(row["arm"], []).append(str(row["customer_id"]))
    return arms
