"""Digests, identifiers, times, shares of a total, and what is kept out of events."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.ingest.domain.digests import content_digest, key_digest, message_key, order_key
from services.ingest.domain.faults import Refused
from services.ingest.domain.identifiers import identify
from services.ingest.domain.mentions import Mentioned
from services.ingest.domain.policy import Policy
from services.ingest.domain.privacy import (
    REMOVED,
    holds_card_number,
    is_clean,
    is_personal,
    scrubbed,
    scrubbed_text,
    without_card_numbers,
)
from services.ingest.domain.sealing import UnsealingError, guest_key_id, new_key, pack, seal, unpack, unseal
from services.ingest.domain.shares import spread
from services.ingest.domain.sources import Source, SourceKind
from services.ingest.domain.times import AHEAD_MAX, check_age, check_business_date, check_moment, corrected
from shared.events.retention import LEEWAY
from shared.identity import BlindIndexKeys

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYS = BlindIndexKeys.from_deployment_key(bytes(32))


def pairs(*given_: tuple[str, str]) -> list[tuple[str, str, str]]:
    return [(space, value, f"/identifiers/{place}/value") for place, (space, value) in enumerate(given_)]


def test_the_key_of_a_message_names_its_source() -> None:
    assert message_key("a", "1") != message_key("b", "1")
    assert message_key("a", "b:1") != message_key("a:b", "1")


def test_a_sale_and_its_refund_have_keys_of_their_own() -> None:
    assert order_key("sale", "1001") != order_key("refund", "1001")
    assert order_key("refund", "1001", "r1") != order_key("refund", "1001", "r2")


def test_digests_depend_on_the_secret() -> None:
    assert key_digest(b"one", "key") != key_digest(b"two", "key")
    assert content_digest(b"one", [b"x"]) != content_digest(b"two", [b"x"])


@given(st.lists(st.binary(max_size=8), max_size=4), st.lists(st.binary(max_size=8), max_size=4))
def test_contents_are_the_same_only_when_their_parts_are(one: list[bytes], other: list[bytes]) -> None:
    assert (content_digest(b"k", one) == content_digest(b"k", other)) == (one == other)


def test_the_strongest_identifier_comes_first() -> None:
    people = identify(KEYS, pairs(("phone", "13912345678"), ("loyalty_card", "6001234567")), "CN")
    assert [one.namespace for one in people.identifiers] == ["loyalty_card", "phone"]


def test_one_person_in_two_spellings_is_one_identifier() -> None:
    people = identify(KEYS, pairs(("phone", "139 1234 5678"), ("phone", "+86 13912345678")), "CN")
    assert len(people.identifiers) == 1


@pytest.mark.parametrize("value", ["null", "anonymous", "000000", "13800138000", ""])
def test_what_names_nobody_is_left_out_and_said(value: str) -> None:
    people = identify(KEYS, pairs(("loyalty_card", "6001234567"), ("phone", value)), "CN")
    assert [one.namespace for one in people.identifiers] == ["loyalty_card"]
    assert people.ignored is not None
    assert people.ignored.code == "identifier_ignored"
    assert people.ignored.field == "/identifiers/1/value"


@pytest.mark.parametrize(
    ("namespace", "value", "code", "field"),
    [
        ("shoe_size", "42", "invalid_identifier", "/identifiers/0/namespace"),
        ("phone", "call me", "invalid_identifier", "/identifiers/0/value"),
        ("email", "not-an-address", "invalid_identifier", "/identifiers/0/value"),
        ("card_token", "4111111111111111", "card_number", "/identifiers/0/value"),
    ],
)
def test_an_identifier_that_is_wrong_is_refused_by_name(namespace: str, value: str, code: str, field: str) -> None:
    with pytest.raises(Refused) as refused:
        identify(KEYS, pairs((namespace, value)), "CN")
    assert refused.value.fault.code == code
    assert refused.value.fault.field == field
    assert value not in refused.value.fault.message


def test_cards_and_user_ids_are_never_issued_again_but_phones_are() -> None:
    given_ = pairs(("loyalty_card", "6001234567"), ("phone", "13912345678"), ("anonymous_id", "device-1"))
    card, phone, device = identify(KEYS, given_, "CN").identifiers
    assert not card.may_be_reissued
    assert phone.may_be_reissued
    assert not device.may_be_reissued
    assert phone.subject_id(0) != phone.subject_id(1)


@pytest.mark.parametrize(
    "moment", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2300, 1, 1, tzinfo=UTC), NOW + timedelta(hours=25)]
)
def test_times_that_no_working_clock_shows_are_refused(moment: datetime) -> None:
    with pytest.raises(Refused, match="clock"):
        check_moment(moment, NOW, "/occurred_at")


def test_a_clock_that_is_a_little_ahead_is_believed() -> None:
    check_moment(NOW + timedelta(hours=23), NOW, "/occurred_at")
    check_business_date(date(2026, 3, 2), NOW, "/business_date")


def test_business_days_of_the_future_are_refused() -> None:
    with pytest.raises(Refused):
        check_business_date(date(2026, 3, 9), NOW, "/business_date")


def test_behaviour_of_years_ago_is_refused() -> None:
    kept = timedelta(days=400)
    check_age(NOW - timedelta(days=399), NOW, kept, "/timestamp")
    with pytest.raises(Refused, match="400 days"):
        check_age(NOW - timedelta(days=401), NOW, kept, "/timestamp")


def test_what_a_log_keeps_for_ever_may_be_of_any_age() -> None:
    check_age(NOW - timedelta(days=9000), NOW, None, "/timestamp")


def test_rows_go_before_bodies_however_far_ahead_a_sender_is() -> None:
    assert AHEAD_MAX + timedelta(hours=12) < LEEWAY


def test_a_device_that_is_hours_off_is_corrected() -> None:
    said, sent = NOW - timedelta(hours=7), NOW - timedelta(hours=5)
    assert corrected(said, sent, NOW) == NOW - timedelta(hours=2)


def test_transit_time_is_not_taken_for_a_wrong_clock() -> None:
    said = NOW - timedelta(hours=7)
    assert corrected(said, NOW - timedelta(minutes=4), NOW) == said
    assert corrected(said, None, NOW) == said


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_shares_add_up_to_the_total_to_the_last_minor_unit(total_minor: int, weights: list[int]) -> None:
    shares = spread(total_minor, weights)
    assert sum(shares) == total_minor
    assert all(share >= 0 for share in shares)


def test_shares_follow_the_weights() -> None:
    assert spread(1000, [300, 700]) == [300, 700]
    assert spread(1100, [300, 700]) == [330, 770]
    assert spread(100, [1, 1, 1]) == [34, 33, 33]
    assert spread(5, [0, 0]) == [3, 2]


def test_contact_data_do_not_travel_in_properties() -> None:
    clean = scrubbed(
        {"email": "a@b.cn", "First Name": "Li", "note": "call 13912345678 or write to x@y.com", "size": 3, "ok": True}
    )
    assert clean == {"note": f"call {REMOVED} or write to {REMOVED}", "size": 3, "ok": True}


def test_an_events_own_identifiers_are_taken_out_wherever_they_stand() -> None:
    clean = scrubbed({"deep": [{"who": "user-77 was here", "number": 4711}]}, ["user-77", "4711"])
    assert clean == {"deep": [{"who": f"{REMOVED} was here", "number": REMOVED}]}


@pytest.mark.parametrize(
    "text", ["6901234567892", "order 20260301-00017", "12.5", "P100", "2026-03-01", "0012345678905"]
)
def test_bar_codes_order_numbers_and_dates_are_no_phone_numbers(text: str) -> None:
    assert scrubbed_text(text) == text


def test_a_products_number_may_look_like_a_phone_number() -> None:
    assert scrubbed({"product_id": "13912345678", "note": 13912345678}) == {
        "product_id": "13912345678",
        "note": REMOVED,
    }


SUSPICIOUS = st.sampled_from(
    ["email", "Phone", "product_id", "user-77", 'a"b', "\\", "a@example.org", "+8613912345678", "13912345678", "milk"]
)
VALUES = st.one_of(
    SUSPICIOUS, st.text(max_size=12), st.integers(0, 10**14), st.floats(0, 1e9), st.none(), st.booleans()
)


@given(
    st.dictionaries(st.one_of(SUSPICIOUS, st.text(max_size=6)), VALUES, max_size=6),
    st.lists(st.one_of(SUSPICIOUS, st.text('ab"\\7', min_size=1, max_size=4)), max_size=3),
)
def test_what_is_clean_at_one_look_has_nothing_to_take_out(fields: dict[str, object], secrets: list[str]) -> None:
    assume(is_clean(fields, secrets) and not any(is_personal(name) for name in fields))
    assert scrubbed(fields, secrets) == fields
    for name, value in fields.items():
        assert scrubbed_text(name, secrets) == name
        assert scrubbed(value, secrets, name) == value


@pytest.mark.parametrize(
    "fields",
    [
        {"note": "write to a@example.org"},
        {"note": "call 13912345678"},
        {"number": 13912345678},
        {"note": 'is a"b here'},
        {'a"b': 1},
        {"deep": {"email": "x"}},
        {"deep": []},
    ],
)
def test_what_may_hold_contact_data_is_looked_at_closely(fields: dict[str, object]) -> None:
    assert not is_clean(fields, ['a"b'])


def test_personal_fields_go_and_the_rest_of_the_object_stays() -> None:
    assert scrubbed({"email": "x", "name": "Chen", "sku": "P1", "price": 4.5}) == {"sku": "P1", "price": 4.5}
    assert scrubbed({"deep": [{"phone": "1"}], "first name": "Li"}) == {"deep": [{}]}


def test_a_small_document_is_sealed_as_it_came_and_a_large_one_packed() -> None:
    small, large = b'{"a":1}', b'{"a":"' + b"milk " * 1000 + b'"}'
    assert pack(small) == small
    assert len(pack(large)) < len(large) / 10
    for document in (small, large, b"x" * 20, b"x\x9c", b""):
        assert unpack(pack(document)) == document


def test_names_of_personal_fields_are_known_in_every_spelling() -> None:
    assert is_personal("E-Mail")
    assert is_personal("shipping_address")
    assert not is_personal("category")


def test_card_numbers_are_found_and_taken_out() -> None:
    assert holds_card_number("paid with 4111 1111 1111 1111 today")
    assert not holds_card_number("reference 4111111111111112")
    assert not holds_card_number("0000000000000000")
    assert without_card_numbers('{"a": "4111111111111111"}') == f'{{"a": "{REMOVED}"}}'


@pytest.mark.parametrize(
    ("document", "stands"),
    [
        ('{"phone": "+8613912345678"}', True),
        ('{"phone": "0139 1234-5678"}', True),
        ('{"phone": "１３９１２３４５６７８"}', True),  # noqa: RUF001
        ('{"note": "Chen@Example.COM called"}', True),
        ('{"phone": "13912345679"}', False),
        ('{"phone": "1391234"}', False),
    ],
)
def test_a_person_is_found_in_what_was_refused_however_it_was_typed(document: str, stands: bool) -> None:  # noqa: FBT001
    mentioned = Mentioned.of(["+8613912345678", "chen@example.com"])
    assert mentioned.stands_in(document.encode()) is stands


def test_nobody_is_found_anywhere() -> None:
    assert not Mentioned.of([])
    assert not Mentioned.of([]).stands_in(b"anything")


def test_what_was_sealed_opens_only_in_its_own_place() -> None:
    key = new_key()
    sealed = seal(key, b"13912345678", "vault_entries/1/identifier")
    assert unseal(key, sealed, "vault_entries/1/identifier") == b"13912345678"
    assert b"13912345678" not in sealed
    for other_key, place in ((key, "vault_entries/2/identifier"), (new_key(), "vault_entries/1/identifier")):
        with pytest.raises(UnsealingError):
            unseal(other_key, sealed, place)


def test_a_changed_or_cut_ciphertext_does_not_open() -> None:
    key = new_key()
    sealed = seal(key, b"x", "t/r/f")
    for broken in (sealed[:-1], sealed[:5], bytes([sealed[0] ^ 1]) + sealed[1:]):
        with pytest.raises(UnsealingError):
            unseal(key, broken, "t/r/f")


@given(st.binary(max_size=2000))
def test_packing_loses_nothing(document: bytes) -> None:
    assert unpack(pack(document)) == document


def test_guests_of_a_month_share_a_key() -> None:
    assert guest_key_id("2026-03") == guest_key_id("2026-03")
    assert guest_key_id("2026-03") != guest_key_id("2026-04")


@pytest.mark.parametrize("kind", list(SourceKind))
def test_only_secret_sources_record_receipts_and_link(kind: SourceKind) -> None:
    source = Source("s", kind)
    is_public = kind in {SourceKind.WEB, SourceKind.APP}
    assert source.may_record_receipts is not is_public
    assert source.may_link is not is_public


def test_a_tills_key_speaks_for_its_stores_alone() -> None:
    till = Source("till", SourceKind.POS, frozenset({"S01"}))
    assert till.speaks_for("S01")
    assert not till.speaks_for("S02")
    assert Source("server", SourceKind.SERVER).speaks_for("S02")


@pytest.mark.parametrize(
    ("silent_days", "is_alone", "stays"),
    [(179, True, True), (181, True, False), (181, False, True), (0, True, False), (-1, False, False)],
)
def test_a_phone_that_comes_alone_after_a_long_silence_proves_nothing(
    silent_days: int,
    is_alone: bool,  # noqa: FBT001
    stays: bool,  # noqa: FBT001
) -> None:
    """It may be its next holder's."""
    at = NOW + timedelta(days=silent_days)
    assert Policy().stays_fresh("phone", NOW, at, is_alone=is_alone) is stays
