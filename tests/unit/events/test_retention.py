"""What tables may tell of follows from the catalogue alone."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.events import TOPICS, Topic
from shared.events.retention import LEEWAY, body_age_max, told_since, types_expiring

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_rows_go_before_the_bodies_of_their_events(topic: Topic) -> None:
    name, days = topic.name, topic.retention_days
    if days is None:
        assert body_age_max(name) is None
        assert told_since(name, NOW) is None
    else:
        assert told_since(name, NOW) == NOW - timedelta(days=days) + LEEWAY
        assert timedelta(days=days) > LEEWAY


def test_types_that_expire_are_grouped_by_their_topic() -> None:
    found = types_expiring(["PageViewed", "ReceiptRecorded", "CartChanged", "RecommendationClicked"])
    assert found == {
        "retail.behaviour.v1": ["CartChanged", "PageViewed"],
        "recommend.activity.v1": ["RecommendationClicked"],
    }
