"""What tables may tell of follows from the catalogue, and from what a deployment says otherwise."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.events import TOPICS, Topic
from shared.events.retention import (
    DAYS_MAX,
    DAYS_MIN,
    LEEWAY,
    body_age_max,
    days_kept,
    keep,
    told_since,
    types_expiring,
)

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


BEHAVIOUR, SHOWN = "retail.behaviour.v1", "recommend.activity.v1"


@pytest.fixture
def kept_otherwise() -> Iterator[None]:
    keep({BEHAVIOUR: 90})
    yield
    keep({})


@pytest.mark.usefixtures("kept_otherwise")
def test_a_deployment_says_otherwise_and_rows_still_go_before_bodies() -> None:
    assert (days_kept(BEHAVIOUR), days_kept(SHOWN), days_kept("retail.receipts.v1")) == (90, 400, None)
    assert body_age_max(BEHAVIOUR) == timedelta(days=90)
    assert told_since(BEHAVIOUR, NOW) == NOW - timedelta(days=90) + LEEWAY
    keep({SHOWN: 31})
    assert (days_kept(BEHAVIOUR), days_kept(SHOWN)) == (400, 31)


@pytest.mark.parametrize("name", ["retail.receipts.v1", "profile.segments.v1", "retail.nothing.v1"])
def test_what_is_kept_for_ever_cannot_be_given_a_time(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is no topic whose events expire; .*retail.behaviour.v1"):
        keep({name: 90})


@pytest.mark.parametrize("days", [-1, 0, DAYS_MIN - 1, DAYS_MAX + 1])
def test_days_that_no_table_could_keep_to_are_refused(days: int) -> None:
    with pytest.raises(ValueError, match=f"for {days} days; give it {DAYS_MIN} to {DAYS_MAX}"):
        keep({BEHAVIOUR: days})
    assert days_kept(BEHAVIOUR) == 400, "nothing of it holds"


def test_no_service_reads_whom_else_a_receipt_named() -> None:
    """The ids there stay when one of them is erased, since the event is another's: nothing may be made of them."""
    services = Path(__file__).parents[3] / "services"
    consumers = [path for path in services.rglob("*.py") if path.relative_to(services).parts[0] != "ingest"]
    assert len(consumers) > 50
    assert not [path for path in consumers if "other_subject_ids" in path.read_text(encoding="utf-8")]
