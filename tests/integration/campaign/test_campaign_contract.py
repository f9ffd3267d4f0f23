"""What every service must hold: examples through the consumer, migrations, scopes, problems, any order of facts."""

import itertools
import re
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.campaign.app import MIGRATIONS
from services.campaign.consumer import subscription
from services.campaign.handlers.facts import Facts
from services.campaign.tables import metadata
from shared import migrations
from shared.events import Envelope, decode, topics_consumed_by
from shared.events.catalogue import EXAMPLES
from shared.http.auth import api_routes, assert_every_route_has_scope
from shared.http.problem import Problem
from tests.integration.campaign.world import DAY, NOW, World, consent, entered, warned

pytestmark = pytest.mark.postgres

TYPES = sorted({each.event_type for topic in topics_consumed_by("campaign") for each in topic.events})
FILES = sorted(file for name in TYPES for file in (EXAMPLES / name).rglob("*.json"))
UNUSED = {
    "AttributesChanged",
    "ComplaintOpened",
    "IdentityDecided",
    "InquiryOpened",
    "LifecycleChanged",
    "PriceChanged",
    "RecommendationClicked",
    "RecommendationsShown",
    "ReviewWritten",
    "SocialMention",
    "StaffChanged",
    "StockChanged",
    "SurveyAnswered",
}


def example(file: Path) -> Envelope[Any]:
    return decode(file.read_bytes())


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parts[-3]}-{file.stem}")
async def test_an_example_is_applied_twice_without_harm(world: World, file: Path) -> None:
    event = example(file)
    await world.apply(event)
    await world.apply(event)
    await world.assert_books_hold()


async def test_all_examples_are_applied_as_one_batch(world: World) -> None:
    await world.apply(*(example(file) for file in FILES))
    await world.assert_books_hold()


def test_every_type_has_a_handler_or_is_left_out_on_purpose(world: World) -> None:
    followed = subscription(Facts(None))  # type: ignore[arg-type]  # never called here
    assert set(TYPES) - set(followed.handlers) == UNUSED
    assert set(followed.topics) == {topic.name for topic in topics_consumed_by("campaign")}


def test_the_tables_are_what_the_migrations_make(campaign_dsn: str) -> None:
    migrations.check(campaign_dsn, MIGRATIONS)


def test_every_table_says_what_a_rebuild_does_with_it() -> None:
    assert {table.info.get("class") for table in metadata.tables.values()} <= {"derived", "owned", "computed"}
    assert metadata.tables["points_accounts"].info == {"class": "owned"}
    assert metadata.tables["receipts"].info == {"class": "derived"}


def test_every_route_declares_its_scope(world: World) -> None:
    assert_every_route_has_scope(world.app)


async def test_every_route_answers_errors_in_the_one_shape(world: World) -> None:
    stranger = httpx.AsyncClient(transport=httpx.ASGITransport(world.app), base_url="http://campaign")
    known = world.client()
    walked = 0
    async with stranger:
        for route in api_routes(world.app):
            address = re.sub(r"{[^}]*}", "nobody", route.path or "")
            for method in route.methods or ():
                for client in (stranger, known):
                    answer = await client.request(method, address, content=b"{")
                    if answer.status_code >= 400:
                        Problem.model_validate(answer.json())
                        walked += 1
    assert walked > 2 * 14


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("POST", "/v1/campaigns", "till"),
        ("POST", "/v1/redemptions", "analyst"),
        ("POST", "/v1/points/adjustments", "till"),
        ("POST", f"/v1/campaigns/{UUID(int=1)}:start", "marketer"),
    ],
)
async def test_a_key_without_the_scope_is_refused(world: World, method: str, path: str, role: str) -> None:
    answer = await world.client(role).request(method, path, json={})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_the_highest_n_is_the_state_in_any_order(world: World) -> None:
    for order in itertools.permutations([1, 2, 3]):
        customer_id = uuid4()
        segment_id = uuid4().hex
        for n in order:
            await world.apply(
                entered(customer_id, segment_id, n), warned(customer_id, ["high", "watch", "critical"][n - 1], n)
            )
        row = await world.database.fetchrow(
            "SELECT memberships.n, level FROM segment_memberships AS memberships JOIN warnings USING (customer_id)"
            " WHERE customer_id = $1",
            customer_id,
        )
        assert row is not None
        assert (row["n"], row["level"]) == (3, "critical")


async def test_the_latest_consent_is_the_state_in_any_order(world: World) -> None:
    for order in itertools.permutations([0, 1, 2]):
        subject_id = uuid4()
        for n in order:
            await world.apply(consent(subject_id, ["granted", "withdrawn", "granted"][n], at=NOW + n * DAY))
        state = await world.database.fetchval("SELECT state FROM consents WHERE subject_id = $1", subject_id)
        assert state == "granted"
