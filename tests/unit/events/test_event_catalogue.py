"""The catalogue, the examples and the snapshots agree with the classes and with each other."""

import json
from collections import Counter
from pathlib import Path

import pytest

from shared.events import (
    TOPICS,
    EventData,
    Topic,
    decode,
    encode,
    event_class,
    topic_named,
    topic_of,
    topics_consumed_by,
    topics_owned_by,
)
from shared.events.catalogue import EXAMPLES, versions_of
from shared.events.receipts import ReceiptRecordedV1

SERVICES = {"ingest", "profile", "recommend", "churn", "campaign"}
FOR_THE_RETAILER = {"retail.stores.v1"}
"""Topics that no service of ours reads: they are published for the retailer's own."""
EXAMPLE_FILES = sorted(EXAMPLES.rglob("*.json"))
EVENTS = [event for topic in TOPICS for event in topic.events]


def concrete_subclasses(parent: type[EventData]) -> set[type[EventData]]:
    inside = {each for each in parent.__subclasses__() if each.__module__.startswith("shared.events.")}
    return inside | {deeper for each in inside for deeper in concrete_subclasses(each)}


def test_every_event_class_is_in_exactly_one_topic() -> None:
    counted = Counter(EVENTS)
    assert set(counted) == concrete_subclasses(EventData)
    assert set(counted.values()) == {1}


def test_all_versions_of_a_type_are_in_one_topic() -> None:
    homes = {(event.event_type, topic.name) for topic in TOPICS for event in topic.events}
    assert len(homes) == len({event_type for event_type, _ in homes})


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_names_known_services_and_an_example_of_its_own(topic: Topic) -> None:
    assert {topic.owner, *topic.consumers} <= SERVICES
    assert topic.owner not in topic.consumers
    assert topic.consumers or topic.name in FOR_THE_RETAILER
    event_type, version, _ = topic.example.split("/")
    assert event_class(event_type, int(version.removeprefix("v"))) in topic.events
    assert (EXAMPLES / topic.example).is_file()


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_every_type_and_version_has_an_example_and_a_docstring(event: type[EventData]) -> None:
    assert list((EXAMPLES / event.event_type / f"v{event.event_version}").glob("*.json"))
    assert event.__doc__


@pytest.mark.parametrize("path", EXAMPLE_FILES, ids=lambda path: path.relative_to(EXAMPLES).as_posix())
def test_an_example_decodes_and_encodes_to_itself(path: Path) -> None:
    raw = path.read_bytes()
    envelope = decode(raw, upcast=False)
    assert json.loads(encode(envelope)) == json.loads(raw)
    assert path.parent == EXAMPLES / envelope.type / f"v{envelope.version}"


@pytest.mark.parametrize("path", EXAMPLE_FILES, ids=lambda path: path.relative_to(EXAMPLES).as_posix())
def test_an_example_reads_as_the_newest_version_of_its_type(path: Path) -> None:
    envelope = decode(path.read_bytes())
    assert envelope.version == versions_of(envelope.type)[-1]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_exactly_the_older_versions_are_marked_superseded(event: type[EventData]) -> None:
    newest = versions_of(event.event_type)[-1]
    assert event.is_superseded == (event.event_version < newest)


def test_receipts_have_examples_of_each_kind() -> None:
    receipts = [decode(path.read_bytes()).data for path in (EXAMPLES / "ReceiptRecorded/v1").glob("*.json")]
    assert {each.kind for each in receipts if isinstance(each, ReceiptRecordedV1)} == {
        "sale",
        "return",
        "exchange",
    }


def test_catalogue_events_are_keyed_by_thing_and_no_others() -> None:
    for path in EXAMPLE_FILES:
        envelope = decode(path.read_bytes())
        by_thing = topic_of(envelope.type).key == "product or store"
        assert (envelope.data.thing_key is not None) == by_thing
        assert (envelope.subject_kind == "none") == by_thing


def test_topics_are_found_by_name_event_and_service() -> None:
    receipts = topic_named("retail.receipts.v1")
    assert topic_of(ReceiptRecordedV1) is receipts
    assert topic_of("ReceiptVoided") is receipts
    assert receipts in topics_consumed_by("churn")
    assert [topic.name for topic in topics_owned_by("churn")] == ["churn.warnings.v1"]
    with pytest.raises(KeyError):
        topic_named("retail.weather.v1")
    with pytest.raises(KeyError):
        topic_of("WeatherChanged")
