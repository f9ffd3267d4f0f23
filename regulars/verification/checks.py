"""Everything that `regulars verify` checks, in one run over all databases.

Run it when nothing is on its way, or the last events will be counted as differences.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from regulars.verification import delivery, figures
from regulars.verification.recount import PointRule
from regulars.verification.report import Basis, Finding, Verification
from services.campaign.store.proof import prove
from shared.db import Database, PoolLimits
from shared.events import topics_consumed_by, topics_owned_by

SERVICES = ("ingest", "profile", "recommend", "churn", "campaign")
LIMITS = PoolLimits(size_max=1, command_seconds=120)


async def verify(databases: Mapping[str, str], rule: PointRule) -> Verification:
    """Check everything; `databases` maps a service to the address of its database, `rule` is that of points.

    Raises TransientError when a database is away.
    """
    async with _opened(databases) as opened:
        findings = [*await _figures(opened, rule), *await _delivery(opened), *await own_proof(opened["campaign"])]
    return Verification(tuple(findings))


@asynccontextmanager
async def _opened(databases: Mapping[str, str]) -> AsyncIterator[dict[str, Database]]:
    async with AsyncExitStack() as stack:
        opened: dict[str, Database] = {}
        for service in SERVICES:
            opened[service] = await Database.connect(databases[service], application="verify", limits=LIMITS)
            stack.push_async_callback(opened[service].close)
        yield opened


async def _figures(opened: Mapping[str, Database], rule: PointRule) -> list[Finding]:
    archive = await figures.read_archive(opened["ingest"])
    return [
        await figures.profile_totals(archive, opened["profile"]),
        await figures.churn_receipts(archive, opened["churn"]),
        await figures.recommend_receipts(archive, opened["recommend"]),
        await figures.recommend_popularity(archive, opened["recommend"]),
        await figures.campaign_points(archive, opened["campaign"], rule),
    ]


async def _delivery(opened: Mapping[str, Database]) -> list[Finding]:
    findings: list[Finding] = []
    for service, database in opened.items():
        if topics_owned_by(service):
            findings += [
                await delivery.log_density(service, database),
                await delivery.outgoing_age(service, database),
            ]
    for service, database in opened.items():
        if topics_consumed_by(service):
            findings += [
                await delivery.applied_to_the_head(service, opened),
                await delivery.dead_letters(service, database),
            ]
    return findings


async def own_proof(campaign: Database) -> list[Finding]:
    """Let campaign prove its own books: postings, balances, lots and every cap, from its own tables.

    Spending, expiry, coupons and redemptions are known to campaign alone, so no archive can tell them again.
    """
    proved = await prove(campaign)
    return [Finding(Basis.OWN_PROOF, each.claim, "campaign", None, list(each.contradictions)) for each in proved]
