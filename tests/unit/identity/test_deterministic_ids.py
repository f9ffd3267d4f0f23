"""Ids and blind indexes are functions of what they name, and of a key nobody else has."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.identity import (
    BlindIndexKeys,
    TillKey,
    UnknownNamespace,
    derive_key,
    event_id_for,
    guest_subject_id,
    receipt_id_for,
    subject_id_for,
    thing_subject_id,
    transition_id,
)

SECRET = b"s" * 32
DEPLOYMENT_KEY = bytes(range(32))
KEY = TillKey("S01", "T3", date(2026, 11, 22), 1045)


def milliseconds_of(event_id: UUID) -> int:
    return event_id.int >> 80


@given(key=st.text(), at_ms=st.integers(0, 2**48 - 1))
def test_an_event_id_is_a_uuid8_that_starts_with_its_time(key: str, at_ms: int) -> None:
    event_id = event_id_for(key, at_ms, SECRET)
    assert event_id.version == 8
    assert event_id.variant == "specified in RFC 4122"
    assert milliseconds_of(event_id) == at_ms
    assert event_id == event_id_for(key, at_ms, SECRET)


def test_an_event_id_depends_on_key_and_secret() -> None:
    ids = {event_id_for(key, 1000, secret) for key in ("a", "b") for secret in (SECRET, b"t" * 32)}
    assert len(ids) == 4


def test_ids_of_one_millisecond_use_all_hash_bits() -> None:
    ids = [event_id_for(str(number), 0, SECRET).int for number in range(2000)]
    hash_bits = ((1 << 76) - (1 << 64)) | ((1 << 62) - 1)
    ever_set, ever_clear = 0, 0
    for each in ids:
        ever_set |= each
        ever_clear |= ~each
    assert ever_set & hash_bits == hash_bits
    assert ever_clear & hash_bits == hash_bits


@pytest.mark.parametrize(("at_ms", "kept"), [(-5, 0), (2**60, 2**48 - 1)])
def test_a_time_that_does_not_fit_is_clamped(at_ms: int, kept: int) -> None:
    assert milliseconds_of(event_id_for("k", at_ms, SECRET)) == kept


def test_later_events_sort_after_earlier_ones() -> None:
    assert event_id_for("z", 1, SECRET) < event_id_for("a", 2, SECRET)


def test_a_receipt_can_be_named_by_its_tills_key_alone() -> None:
    again = TillKey("S01", "T3", date(2026, 11, 22), 1045)
    assert receipt_id_for(again, SECRET) == receipt_id_for(KEY, SECRET)
    assert milliseconds_of(receipt_id_for(KEY, SECRET)) == 1795305600000


_PARTS = st.text('S0"1,[]\\ T', min_size=1, max_size=4)
_KEYS = st.builds(TillKey, _PARTS, _PARTS, st.just(KEY.business_date), st.integers(0, 20), st.integers(0, 2))


@given(one=_KEYS, other=_KEYS)
def test_different_till_keys_never_share_a_text(one: TillKey, other: TillKey) -> None:
    assert (one.text == other.text) == (one == other)


def test_each_part_of_the_tills_key_matters() -> None:
    day = KEY.business_date
    keys = [
        KEY,
        TillKey("S02", "T3", day, 1045),
        TillKey("S01", "T4", day, 1045),
        TillKey("S01", "T3", day + timedelta(days=1), 1045),
        TillKey("S01", "T3", day, 1046),
        TillKey("S01", "T3", day, 1045, 1),
    ]
    assert len({receipt_id_for(key, SECRET) for key in keys}) == len(keys)


def test_ids_of_different_purposes_never_meet() -> None:
    event_id = event_id_for("k", 1, SECRET)
    ids = {
        guest_subject_id(event_id),
        subject_id_for("loyalty_card", event_id.bytes),
        transition_id("tier", event_id, 1),
        transition_id("tier", event_id, 2),
        transition_id("warning", event_id, 1),
        thing_subject_id("product", event_id.hex),
        thing_subject_id("store", event_id.hex),
    }
    assert len(ids) == 7
    assert {each.version for each in ids} == {5}


def test_ids_stay_what_they_are() -> None:
    """Logs hold these for years: a change here orphans every event already written."""
    index = BlindIndexKeys.from_deployment_key(DEPLOYMENT_KEY).blind_index("loyalty_card", "6001234567")
    assert [
        str(receipt_id_for(KEY, SECRET)),
        index.hex()[:16],
        str(subject_id_for("loyalty_card", index)),
        str(guest_subject_id(UUID(int=1))),
        str(transition_id("tier", UUID(int=1), 1)),
        str(thing_subject_id("product", "P1")),
    ] == [
        "01a2008d-7400-8044-88e5-375ade4af5ed",
        "d1b25e6a76ef91ff",
        "968ec1ba-d487-5d15-9962-83c6d0c22e4e",
        "8442bfd7-8dab-5c43-9b29-a65b70ef6528",
        "346ac948-7fc5-5c13-a0a9-3dcd9ae55de7",
        "71e9cc1d-a8c5-5c84-bb38-297045747184",
    ]


def test_a_reissued_number_is_another_subject() -> None:
    index = b"i" * 32
    assert subject_id_for("phone", index) == subject_id_for("phone", index, 0)
    assert subject_id_for("phone", index, 1) != subject_id_for("phone", index)


def test_namespaces_have_keys_of_their_own() -> None:
    keys = BlindIndexKeys.from_deployment_key(DEPLOYMENT_KEY)
    indexes = {keys.blind_index(each, "1") for each in ("loyalty_card", "user_id", "external:crm")}
    assert len(indexes) == 3
    assert {len(each) for each in indexes} == {32}


def test_a_service_with_given_keys_makes_the_same_indexes_and_no_others() -> None:
    full = BlindIndexKeys.from_deployment_key(DEPLOYMENT_KEY)
    some = BlindIndexKeys.from_namespaces({"loyalty_card": full.namespace_key("loyalty_card")})
    assert some.blind_index("loyalty_card", "1") == full.blind_index("loyalty_card", "1")
    with pytest.raises(UnknownNamespace, match="resolve it through ingest"):
        some.blind_index("phone", "+8613912345678")


def test_a_made_up_namespace_has_no_key() -> None:
    with pytest.raises(UnknownNamespace):
        BlindIndexKeys.from_deployment_key(DEPLOYMENT_KEY).blind_index("phonee", "1")


@pytest.mark.parametrize("keys", [{"loyalty_card": b"short"}, {"nonsense": b"k" * 32}])
def test_given_keys_are_checked(keys: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="not a namespace with a key"):
        BlindIndexKeys.from_namespaces(keys)


def test_a_short_deployment_key_is_refused() -> None:
    with pytest.raises(ValueError, match="needs at least 32"):
        BlindIndexKeys.from_deployment_key(b"short")


def test_keys_of_different_purposes_differ_and_are_never_shown() -> None:
    assert derive_key(DEPLOYMENT_KEY, "event-ids") != derive_key(DEPLOYMENT_KEY, "vault")
    keys = BlindIndexKeys.from_deployment_key(DEPLOYMENT_KEY)
    keys.namespace_key("phone")
    assert repr(keys) == "<BlindIndexKeys of all namespaces>"
