"""What stores count: figures get in, whatever could tell a person or a device does not."""

from typing import Any

import pytest

from services.ingest.domain.sources import Source, SourceKind
from services.ingest.drafts import Draft, Rejected
from services.ingest.mapping.stores import draft_count, draft_shown_price
from services.ingest.schemas.stores import SHOWN_PRICE_EXAMPLE, STORE_COUNT_EXAMPLE
from shared.events.stores import PriceShownV1, StoreCountedV1
from tests.unit.ingest.test_mapping import NOW, drafted, judged, said

COUNT = {
    **STORE_COUNT_EXAMPLE,
    "starts_at": "2026-03-01T09:00:00+08:00",
    "ends_at": "2026-03-01T09:15:00+08:00",
}
PRICE = {**SHOWN_PRICE_EXAMPLE, "shown_at": "2026-03-01T06:00:00+08:00"}


def refused(item: dict[str, Any], source: Source | None = None) -> tuple[str, str | None]:
    one = judged(item, draft_count, *(() if source is None else (source,)))
    assert isinstance(one, Rejected), one
    return one.fault.code, one.fault.field


def test_counts_of_a_zone_and_interval_are_an_event_about_the_store() -> None:
    draft = drafted(COUNT, draft_count)
    (event,) = said(draft)
    assert isinstance(event, StoreCountedV1)
    assert (event.sensor, event.zone_id, event.counts) == ("wifi", "entrance", {"visitors": 42, "passers_by": 180})
    assert (draft.subject_kind, draft.identifiers, event.thing_key) == ("none", (), "S01")
    assert draft.occurred_at == event.ends_at


def test_the_same_interval_again_has_the_same_key_and_another_figure_another_content() -> None:
    first, again = drafted(COUNT, draft_count), drafted(dict(COUNT), draft_count)
    assert (first.key, first.content) == (again.key, again.content)
    other = drafted({**COUNT, "counts": {"visitors": 43}}, draft_count)
    assert other.key == first.key
    assert other.content != first.content
    assert drafted({**COUNT, "zone_id": "dairy"}, draft_count).key != first.key


PERSONAL = (
    "mac mac_hash device_id bssid face_id face_embedding image track_id visitor_id gender age_group customer_id phone"
    " email plate emotion name"
)


@pytest.mark.parametrize("field", PERSONAL.split())
def test_a_field_that_could_tell_a_person_or_device_is_refused(field: str) -> None:
    code, where = refused({**COUNT, field: "x"})
    assert (code, where) == ("personal_data", f"/{field}")


def test_any_other_field_is_refused_too_instead_of_ignored() -> None:
    assert refused({**COUNT, "weather": "rain"}) == ("invalid_field", "/weather")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("sensor_id", "a4:5e:60:c1:22:0f"),
        ("sensor_id", "A45E60C1220F"),
        ("zone_id", "a45e.60c1.220f"),
        ("sensor_id", "chen@example.com"),
        ("zone_id", "13912345678"),
    ],
)
def test_a_devices_address_or_contact_data_in_any_name_is_refused(place: str, value: str) -> None:
    assert refused({**COUNT, place: value}) == ("personal_data", f"/{place}")


@pytest.mark.parametrize("measure", ["faces", "device_count", "female_gender", "a4:5e:60:c1:22:0f"])
def test_a_measure_of_persons_or_devices_is_refused(measure: str) -> None:
    code, where = refused({**COUNT, "counts": {measure: 1}})
    assert (code, where) == ("personal_data", f"/counts/{measure}")


@pytest.mark.parametrize(
    ("starts_at", "ends_at"),
    [
        ("2026-03-01T09:00:00Z", "2026-03-01T09:00:30Z"),
        ("2026-03-01T09:00:00Z", "2026-03-01T09:00:00Z"),
        ("2026-03-01T09:00:00Z", "2026-03-01T08:00:00Z"),
        ("2026-02-27T09:00:00Z", "2026-03-01T09:00:00Z"),
    ],
)
def test_an_interval_is_a_minute_to_a_day(starts_at: str, ends_at: str) -> None:
    assert refused({**COUNT, "starts_at": starts_at, "ends_at": ends_at}) == ("invalid_field", "/ends_at")


def test_a_stores_key_speaks_for_its_store_alone_and_old_counts_are_not_kept() -> None:
    till = Source("till", SourceKind.POS, frozenset({"S02"}))
    assert refused(COUNT, till) == ("store_not_allowed", "/store_id")
    old = {**COUNT, "starts_at": "2024-03-01T09:00:00Z", "ends_at": "2024-03-01T09:15:00Z"}
    assert refused(old)[0] == "too_old"


def test_negative_and_unknown_figures_are_refused() -> None:
    assert refused({**COUNT, "counts": {"visitors": -1}})[0] == "invalid_field"
    assert refused({**COUNT, "counts": {}})[0] == "invalid_field"
    assert refused({**COUNT, "sensor": "satellite"}) == ("invalid_field", "/sensor")


def test_a_shown_price_is_an_event_from_the_moment_it_was_shown() -> None:
    draft = drafted(PRICE, draft_shown_price)
    (event,) = said(draft)
    assert isinstance(event, PriceShownV1)
    assert (event.price_minor, event.regular_price_minor, event.currency) == (450, 500, "CNY")
    assert draft.occurred_at < NOW
    later = drafted({**PRICE, "shown_at": "2026-03-01T07:00:00+08:00"}, draft_shown_price)
    assert later.key != draft.key
    one = judged({**PRICE, "customer_id": "7"}, draft_shown_price)
    assert isinstance(one, Rejected)
    assert isinstance(judged(PRICE, draft_shown_price), Draft)
