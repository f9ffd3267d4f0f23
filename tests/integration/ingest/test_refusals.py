"""Refusals: found by filters, opened, corrected, replayed one by one and in bulk, discarded."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ingest.store.refusals import RefusalFilter, oldest_refusals, refusals_page
from shared.db import Row
from shared.keys import issue_key, read_keys, write_keys
from tests.integration.ingest.conftest import Running, receipt
from tests.integration.ingest.test_clients import order, track
from tests.integration.ingest.test_plans import put_plan

pytestmark = pytest.mark.postgres

CANARY = "13987654321"


def wrong(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A receipt whose currency does not exist."""
    return receipt(number, **({"currency": "XYZ"} | changes))


async def listed(ingest: Running, **filters: Any) -> list[dict[str, Any]]:
    answer = await ingest.get("/v1/refusals", **filters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def refused(ingest: Running, *items: dict[str, Any]) -> list[str]:
    """Send receipts that are refused; return their refusals' ids, oldest first."""
    for item in items:
        (result,) = await ingest.results("/v1/receipts", item)
        assert result["status"] in {"refused", "conflict"}
    return [one["refusal_id"] for one in reversed(await listed(ingest))]


async def acted(ingest: Running, refusal_id: str, verb: str, body: Any, key: str | None = None) -> dict[str, Any]:
    answer = await ingest.post(f"/v1/refusals/{refusal_id}:{verb}", body, key)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_refusals_are_found_by_code_source_kind_time_and_state(ingest: Running) -> None:
    await ingest.results("/v1/receipts", wrong())
    await ingest.send("/v1/track", track(event=""))
    await ingest.results("/v1/receipts", receipt(2))
    await ingest.results("/v1/receipts", receipt(2, coupons=["X"]))
    assert [one["code"] for one in await listed(ingest)] == ["key_reused", "missing_field", "invalid_field"]
    assert [one["kind"] for one in await listed(ingest, code="missing_field")] == ["messages"]
    assert [one["code"] for one in await listed(ingest, source_id="shop-server")] == ["missing_field"]
    assert len(await listed(ingest, kind="receipts")) == 2
    assert len(await listed(ingest, outcome="conflict")) == 1
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    assert len(await listed(ingest, since=hour_ago)) == 3
    assert await listed(ingest, until=hour_ago) == []
    assert len(await listed(ingest, state="open")) == 3
    assert await listed(ingest, state="resolved") == []


async def test_pages_follow_one_another_and_a_cursor_belongs_to_its_filters(ingest: Running) -> None:
    await refused(ingest, *(wrong(number) for number in range(1, 6)))
    first = (await ingest.get("/v1/refusals", limit=3)).json()
    second = (await ingest.get("/v1/refusals", limit=3, cursor=first["next_cursor"])).json()
    assert len({one["refusal_id"] for one in first["items"] + second["items"]}) == 5
    other = await ingest.get("/v1/refusals", limit=3, cursor=first["next_cursor"], code="too_large")
    assert (other.status_code, other.json()["code"]) == (422, "invalid_cursor")


async def test_opening_shows_what_was_sent_and_who_asked_is_kept(ingest: Running) -> None:
    item = wrong(identifiers=[{"namespace": "phone", "value": CANARY}])
    (refusal_id,) = await refused(ingest, item)
    opened = await acted(ingest, refusal_id, "open", {"purpose": "till support"})
    assert opened["original"] == item
    assert opened["is_forgotten"] is False
    row = await ingest.database.fetchrow("SELECT actor, purpose, refusal_id::text AS id FROM reveals")
    assert row is not None
    assert (row["actor"], row["purpose"], row["id"]) == ("tests", "till support", refusal_id)
    assert CANARY not in json.dumps(await listed(ingest))


async def test_opening_needs_a_purpose_and_the_scope(ingest: Running) -> None:
    (refusal_id,) = await refused(ingest, wrong())
    assert (await ingest.post(f"/v1/refusals/{refusal_id}:open", {"purpose": " "})).status_code == 422
    assert (
        await ingest.post(f"/v1/refusals/{refusal_id}:open", {"purpose": "x y z"}, ingest.keys.store)
    ).status_code == 403
    assert await ingest.count("reveals") == 0


async def test_what_was_forgotten_is_opened_no_more(ingest: Running) -> None:
    (refusal_id,) = await refused(ingest, wrong())
    await ingest.vault.execute("DELETE FROM subject_keys")
    ingest.app.state.ingest.vault._kept.clear()
    opened = await acted(ingest, refusal_id, "open", {"purpose": "till support"})
    assert (opened["original"], opened["is_forgotten"]) == (None, True)
    answer = await acted(ingest, refusal_id, "replay", {})
    assert (answer["result"], answer["is_forgotten"]) == (None, True)


async def test_a_corrected_receipt_is_accepted_in_the_refusals_place(ingest: Running) -> None:
    (refusal_id,) = await refused(ingest, wrong())
    answer = await acted(ingest, refusal_id, "correct", {"item": receipt(), "note": "currency mistyped"})
    assert answer["result"]["status"] == "accepted"
    refusal = answer["refusal"]
    assert (refusal["resolution"], refusal["resolved_by"]) == ("corrected", "tests")
    assert refusal["resolution_note"] == "currency mistyped"
    (envelope,) = await ingest.envelopes()
    assert refusal["resolved_event_id"] == str(envelope.event_id)
    opened = await acted(ingest, refusal_id, "open", {"purpose": "audit of till 3"})
    assert opened["original"]["currency"] == "XYZ"
    again = await ingest.post(f"/v1/refusals/{refusal_id}:correct", {"item": receipt(9)})
    assert (again.status_code, again.json()["code"]) == (409, "already_resolved")
    assert await ingest.count("events") == 1


async def test_a_correction_that_is_wrong_too_leaves_the_refusal_open(ingest: Running) -> None:
    (refusal_id,) = await refused(ingest, wrong())
    answer = await acted(ingest, refusal_id, "correct", {"item": wrong(lines=[])})
    assert answer["result"]["status"] == "refused"
    assert answer["refusal"]["resolution"] is None


async def test_a_correction_speaks_for_the_source_of_the_original(ingest: Running) -> None:
    await ingest.results("/v1/receipts", wrong(), ingest.keys.store)
    (one,) = await listed(ingest)
    answer = await acted(ingest, one["refusal_id"], "correct", {"item": receipt(store_id="S02")})
    assert answer["result"]["code"] == "store_not_allowed"
    answer = await acted(ingest, one["refusal_id"], "correct", {"item": receipt()})
    assert answer["result"]["status"] == "accepted"
    (envelope,) = await ingest.envelopes()
    assert (envelope.source.id, envelope.source.kind) == (one["source_id"], "pos")


async def test_a_message_is_corrected_under_its_own_number_and_as_of_when_it_came(ingest: Running) -> None:
    await ingest.send("/v1/track", track(event=""))
    (one,) = await listed(ingest)
    answer = await acted(ingest, one["refusal_id"], "correct", {"item": track()})
    assert answer["result"]["status"] == "accepted"
    (envelope,) = await ingest.envelopes()
    assert envelope.source.id == "shop-server"
    assert envelope.received_at == datetime.fromisoformat(one["received_at"])
    (repeat,) = (await ingest.send("/v1/track", track())).json()["results"]
    assert repeat["status"] == "repeat"


async def test_a_replay_after_the_cause_was_mended_stores_it_once_however_often(ingest: Running) -> None:
    await put_plan(ingest, on_unplanned="refuse")
    message = {"type": "track", "anonymousId": "d", "event": "Dance"}
    await ingest.send("/v1/track", message)
    (one,) = await listed(ingest)
    first = await acted(ingest, one["refusal_id"], "replay", {})
    assert (first["result"]["status"], first["refusal"]["resolution"]) == ("refused", None)
    await put_plan(ingest, on_unplanned="allow")
    second = await acted(ingest, one["refusal_id"], "replay", {})
    assert (second["result"]["status"], second["refusal"]["resolution"]) == ("accepted", "replayed")
    third = await acted(ingest, one["refusal_id"], "replay", {})
    assert (third["result"], third["refusal"]) == (None, second["refusal"])
    # A crash between storing and resolving: the next replay finds what was stored, although it has no number.
    await ingest.database.execute("UPDATE refusals SET resolution = NULL, resolved_at = NULL")
    fourth = await acted(ingest, one["refusal_id"], "replay", {})
    assert (fourth["result"]["status"], fourth["refusal"]["resolution"]) == ("repeat", "replayed")
    assert await ingest.count("events") == 1


async def bulk(ingest: Running, **asked: Any) -> dict[str, Any]:
    answer = await ingest.post("/v1/refusals:replay", asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_bulk_replay_takes_what_its_filter_names_and_twice_applies_once(ingest: Running) -> None:
    await put_plan(ingest, on_unplanned="refuse")
    for number in range(5):
        await ingest.send("/v1/track", track("Dance", number=number))
    await ingest.results("/v1/receipts", wrong())
    await put_plan(ingest, on_unplanned="allow")
    first = await bulk(ingest, filter={"code": "off_plan"})
    assert (first["looked_at"], first["accepted"], first["next_cursor"]) == (5, 5, None)
    second = await bulk(ingest, filter={"code": "off_plan"})
    assert second["looked_at"] == 0
    assert await ingest.count("events") == 5
    assert [one["code"] for one in await listed(ingest, state="open")] == ["invalid_field"]


async def test_a_bulk_replay_goes_on_behind_what_stays_refused(ingest: Running) -> None:
    await refused(ingest, *(wrong(number) for number in range(1, 6)))
    first = await bulk(ingest, limit=3)
    assert (first["looked_at"], first["refused"]) == (3, 3)
    second = await bulk(ingest, limit=3, cursor=first["next_cursor"])
    assert (second["looked_at"], second["refused"], second["next_cursor"]) == (2, 2, None)
    assert len(await listed(ingest, state="open")) == 5


async def test_a_bulk_replay_is_bounded(ingest: Running) -> None:
    answer = await ingest.post("/v1/refusals:replay", {"limit": 501})
    assert answer.status_code == 422
    assert (await ingest.post("/v1/refusals:replay", {"filter": {"colour": "red"}})).status_code == 422


async def test_conflicts_of_a_till_that_began_anew_are_accepted_as_a_new_epoch_once(ingest: Running) -> None:
    morning = [receipt(number) for number in (1, 2, 3)]
    anew = [receipt(number, lines=[{**receipt()["lines"][0], "product_id": "P9"}]) for number in (1, 2, 3)]
    await ingest.results("/v1/receipts", {"receipts": morning})
    conflicts = await refused(ingest, *anew)
    assert len(conflicts) == 3
    plain = await ingest.post(f"/v1/refusals/{conflicts[0]}:replay", {})
    assert (plain.status_code, plain.json()["code"]) == (409, "not_replayable")
    for _ in range(2):
        await ingest.database.execute("UPDATE refusals SET resolution = NULL, resolved_at = NULL")
        await bulk(ingest, as_new_epoch=True)
    assert await ingest.count("events") == 6
    epochs = [envelope.data.sequence_epoch for envelope in await ingest.envelopes()]
    assert sorted(epochs) == [0, 0, 0, 1, 1, 1]
    assert {one["resolution"] for one in await listed(ingest)} == {"new_epoch"}


async def test_a_conflict_that_has_no_epochs_says_what_else_to_do(ingest: Running) -> None:
    await ingest.send("/v1/track", order())
    await ingest.send("/v1/track", order(number=2, total=99))
    (one,) = await listed(ingest)
    for body in ({}, {"as_new_epoch": True}):
        answer = await ingest.post(f"/v1/refusals/{one['refusal_id']}:replay", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_replayable")
    assert "correct it" in answer.json()["message"]


async def test_a_discarded_refusal_says_why_and_is_replayed_no_more(ingest: Running) -> None:
    first, second = await refused(ingest, wrong(1), wrong(2))
    discarded = await acted(ingest, first, "discard", {"reason": "test of the till"})
    assert (discarded["resolution"], discarded["resolution_note"]) == ("discarded", "test of the till")
    again = await acted(ingest, first, "discard", {"reason": "another reason"})
    assert again["resolution_note"] == "test of the till"
    assert (await acted(ingest, first, "replay", {}))["result"] is None
    many = await ingest.post("/v1/refusals:discard", {"filter": {"code": "invalid_field"}, "reason": "all tests"})
    assert many.json() == {"discarded": 1}
    everything = await ingest.post("/v1/refusals:discard", {"filter": {}, "reason": "by mistake"})
    assert everything.status_code == 422
    assert (await listed(ingest, state="resolved"))[0]["refusal_id"] == second


async def test_a_key_for_one_store_resolves_nothing(ingest: Running) -> None:
    (refusal_id,) = await refused(ingest, wrong())
    for path, body in (
        (f"/v1/refusals/{refusal_id}:replay", {}),
        (f"/v1/refusals/{refusal_id}:correct", {"item": receipt()}),
        (f"/v1/refusals/{refusal_id}:discard", {"reason": "because"}),
        ("/v1/refusals:replay", {}),
    ):
        answer = await ingest.post(path, body, ingest.keys.store)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path


async def test_a_replay_says_no_more_than_its_source_might(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt(store_id="S02"), ingest.keys.store)
    (one,) = await listed(ingest)
    answer = await acted(ingest, one["refusal_id"], "replay", {})
    assert answer["result"]["code"] == "store_not_allowed"


async def test_what_was_no_json_object_is_replayed_as_that(ingest: Running) -> None:
    await ingest.send("/v1/batch", {"batch": ["nonsense"]})
    (one,) = await listed(ingest)
    assert (await acted(ingest, one["refusal_id"], "replay", {}))["result"]["code"] == "invalid_item"


async def test_an_input_of_a_kind_that_is_not_known_here_cannot_be_replayed(ingest: Running) -> None:
    (refusal_id,) = await refused(ingest, wrong())
    await ingest.database.execute("UPDATE refusals SET kind = 'telegrams'")
    answer = await ingest.post(f"/v1/refusals/{refusal_id}:replay", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_replayable")
    assert (await bulk(ingest))["left"] == 1


async def test_an_unknown_refusal_is_not_found(ingest: Running) -> None:
    answer = await ingest.get("/v1/refusals/00000000-0000-0000-0000-000000000001")
    assert (answer.status_code, answer.json()["code"]) == (404, "refusal_not_found")


async def test_an_auditor_without_the_scope_to_write_cannot_resolve(ingest: Running) -> None:
    key, entry = issue_key("analyst", "auditor")
    path = ingest.settings.keys_file
    write_keys(path, [*read_keys(path), entry])
    (refusal_id,) = await refused(ingest, wrong())
    assert (await ingest.post(f"/v1/refusals/{refusal_id}:replay", {}, key)).status_code == 403


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "yesterday"])
async def test_a_time_that_no_calendar_of_ours_has_is_refused(ingest: Running, moment: str) -> None:
    assert (await ingest.get("/v1/refusals", since=moment)).status_code == 422
    assert (await ingest.post("/v1/refusals:replay", {"filter": {"until": moment}})).status_code == 422
    assert (await ingest.post("/v1/sources/shop-web:rotate", {"old_key_until": moment})).status_code == 422


async def test_nothing_of_a_person_stands_in_the_clear_in_any_table(ingest: Running) -> None:
    mail = "canary@example.com"
    await put_plan(ingest, on_unplanned="refuse")
    people = [{"namespace": "phone", "value": CANARY}, {"namespace": "email", "value": mail}]
    await refused(ingest, wrong(identifiers=people))
    await ingest.send("/v1/track", track(f"Mailed {mail}", properties={mail: CANARY, "to": mail}))
    await ingest.results("/v1/receipts", receipt(5, identifiers=people, currency="cny"))
    data = {"complaint_id": "c-1", "channel": "web", "text": f"call {CANARY} or {mail}"}
    await ingest.results("/v1/feedback", {"type": "complaint", "data": data, "identifiers": people})
    for one in await listed(ingest):
        await acted(ingest, one["refusal_id"], "discard", {"reason": f"asked {mail} by {CANARY}"})
    await ingest.get("/v1/quality")
    tables = await ingest.database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for row in tables:
        dump = await ingest.database.fetchval(
            f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {row['tablename']} t"
        )
        for text in (CANARY, mail, "canary"):
            assert text not in dump, row["tablename"]
            assert text.encode().hex() not in dump, row["tablename"]


class Asked:
    """Keeps what the store asks, and answers that there is nothing."""

    sql = ""
    args: tuple[object, ...] = ()

    async def fetch(self, sql: str, *args: object) -> list[Row]:
        self.sql, self.args = sql, args
        return []


async def test_the_few_open_refusals_are_found_without_reading_the_many_resolved_ones(ingest: Running) -> None:
    await ingest.database.execute(
        "INSERT INTO refusals (refusal_id, outcome, kind, source_id, code, message, key_id, sealed, received_at,"
        " resolution, resolved_at) SELECT gen_random_uuid(), 'refused', 'receipts', 's', 'c', 'm', gen_random_uuid(),"
        " '', now() - number * interval '1 second', CASE WHEN number % 4000 > 0 THEN 'discarded' END,"
        " CASE WHEN number % 4000 > 0 THEN now() END FROM generate_series(1, 8000) AS number"
    )
    await ingest.database.execute("ANALYZE refusals")
    asked = Asked()
    for find in (oldest_refusals, refusals_page):
        await find(asked, RefusalFilter(is_open=True), None, 50)
        plan = await ingest.database.fetch(f"EXPLAIN {asked.sql}", *asked.args)
        assert any("refusals_open_idx" in row["QUERY PLAN"] for row in plan), find.__name__
