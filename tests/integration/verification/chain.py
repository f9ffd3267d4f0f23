"""A small chain in an honest state: said, numbered, published and applied by the services' own handlers."""

from datetime import timedelta

from services.campaign.consumer import subscription as campaign_subscription
from services.campaign.handlers.facts import Facts
from services.campaign.handlers.points import PointRules, Points
from services.churn.consumer import subscription as churn_subscription
from services.profile.consumer import subscription as profile_subscription
from services.recommend.consumer import subscription as recommend_subscription
from shared.clock import FixedClock
from shared.db import Database
from shared.events import decode, topics_consumed_by
from shared.log import Outgoing, append
from shared.worker.subscription import Subscription
from tests.integration.profile.histories import BORIS, NOON, PARTITIONS, product, receipt, returns_of, void

Chain = dict[str, Database]
"""Every service's database, by the service."""

HISTORY = (
    product("P1", "DAIRY"),
    receipt("anna buys", lines=(("P1", "1", 4100), ("P2", "2", 900))),
    receipt("anna brings back", kind="return", lines=(("P1", "1", 550),), returns_of=returns_of("anna buys")),
    receipt("anna buys again", at=NOON + timedelta(days=7)),
    receipt("boris buys", subject_id=BORIS, lines=(("P1", "1", 2000),), store_id="S2"),
    receipt("boris buys in error", subject_id=BORIS, lines=(("P3", "1", 7000),)),
    void("it is voided", of="boris buys in error", amount_minor=7000, subject_id=BORIS),
    void("a void of nobody knows what", of="never seen", amount_minor=300, subject_id=BORIS),
    receipt(
        "a guest swaps", subject_id=None, kind="exchange", lines=(("P1", "1", 900), ("P4", "1", 300)), returned=[2]
    ),
    receipt("the till is tried", lines=(("P1", "1", 9900),), training=True),
    receipt("paid in euro", lines=(("P1", "1", 800),), currency="EUR"),
)


async def make_honest(chain: Chain) -> None:
    """Let the history happen in empty, migrated databases."""
    async with chain["ingest"].transaction() as tx:
        await append(tx, [Outgoing.of(event) for event in HISTORY])
    # Campaign first: what it says of points is applied by profile.
    for service in ("campaign", "profile", "recommend", "churn"):
        for owner in ("ingest", "campaign"):
            await _apply(chain[service], _subscription(service), chain[owner])
    for database in chain.values():
        if await database.fetchval("SELECT to_regclass('numbered') IS NOT NULL"):
            await _number_and_publish(database)
    for service, database in chain.items():
        for topic in topics_consumed_by(service):
            await _stand_at_the_head(database, chain[topic.owner], topic.owner, topic.name)


def _subscription(service: str) -> Subscription:
    match service:
        case "profile":
            return profile_subscription(PARTITIONS)
        case "recommend":
            return recommend_subscription(PARTITIONS)
        case "churn":
            return churn_subscription()
        case _:
            rules = PointRules("USD", unit_minor=100, valid_days=365)
            return campaign_subscription(Facts(Points(rules, FixedClock(NOON))))


async def _apply(database: Database, subscription: Subscription, producer: Database) -> None:
    rows = await producer.fetch(
        "SELECT body FROM events WHERE topic = ANY($1) ORDER BY event_id", list(subscription.topics)
    )
    async with database.transaction() as tx:
        await subscription.dispatch(tx, [decode(row["body"]) for row in rows])


async def _number_and_publish(database: Database) -> None:
    await database.execute(
        "INSERT INTO numbered (topic, partition, seq, event_id, prev_event_id, key)"
        " SELECT topic, 0, row_number() OVER line, event_id, lag(event_id) OVER line, key FROM events"
        " WINDOW line AS (PARTITION BY topic ORDER BY event_id)"
    )
    await database.execute("DELETE FROM unnumbered")
    await database.execute(
        "INSERT INTO watermarks (topic, partition, published_seq) SELECT topic, 0, max(seq) FROM numbered GROUP BY 1"
    )


async def _stand_at_the_head(database: Database, producer: Database, origin: str, topic: str) -> None:
    head = await producer.fetchrow(
        "SELECT seq, event_id FROM numbered WHERE topic = $1 ORDER BY seq DESC LIMIT 1", topic
    )
    if head is not None:
        await database.execute(
            "INSERT INTO positions (origin, topic, partition, last_seq, last_event_id) VALUES ($1, $2, 0, $3, $4)",
            origin,
            topic,
            head["seq"],
            head["event_id"],
        )
