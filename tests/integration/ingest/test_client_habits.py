"""Every odd habit of the clients that are in the field, one by one, without the clients."""

import gzip
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from tests.integration.ingest.conftest import Running

pytestmark = pytest.mark.postgres

TRACK: dict[str, Any] = {"type": "track", "messageId": "m-1", "anonymousId": "device-1", "event": "Game Won"}
CONTENT_TYPES = (
    "application/json",
    "application/json; charset=utf-8",
    "text/plain",
    "text/plain;charset=UTF-8",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "",
)
FULL_AND_SHORT = ("track", "t", "identify", "i", "page", "p", "screen", "s", "group", "g", "alias", "a")


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("compressed", [False, True])
async def test_json_is_read_under_any_content_type(ingest: Running, content_type: str, *, compressed: bool) -> None:
    body = orjson.dumps({"batch": [TRACK]})
    answer = await ingest.client.post(
        "/v1/batch",
        content=gzip.compress(body) if compressed else body,
        headers={"Content-Type": content_type},
        auth=(ingest.keys.write_key, ""),
    )
    assert answer.status_code == 200
    assert answer.json()["success"] is True
    assert answer.json()["results"][0]["status"] == "accepted"


@pytest.mark.parametrize("name", FULL_AND_SHORT)
async def test_every_path_of_one_message_takes_plain_text_and_the_key_in_the_body(ingest: Running, name: str) -> None:
    said = {**TRACK, "userId": "u-1", "groupId": "club", "previousId": "u-0", "name": "Home"}
    body = orjson.dumps({**said, "writeKey": ingest.keys.write_key})
    answer = await ingest.client.post(f"/v1/{name}", content=body, headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["results"][0]["status"]) == (200, "accepted")


HABITS: Mapping[str, Mapping[str, Any]] = {
    "no device": {"userId": "u-1", "anonymousId": None},
    "nobody but a device": {"userId": None},
    "a blank user": {"userId": ""},
    "a user of spaces": {"userId": "  "},
    "a number for a user": {"userId": 4711},
    "a fraction for a user": {"userId": 47.11},
    "a number for a device": {"anonymousId": 4711},
    "blanks around an id": {"userId": "  u-1 "},
    "no number of its own": {"messageId": None},
    "a blank number": {"messageId": ""},
    "no properties": {"properties": None},
    "no context": {"context": None},
    "no traits": {"traits": None},
    "no time": {"timestamp": None, "sentAt": None},
    "a blank time": {"timestamp": ""},
    "a time with milliseconds": {"timestamp": "2026-11-22T01:00:00.123Z"},
    "a time with microseconds": {"timestamp": "2026-11-22T01:00:00.123456+00:00"},
    "a time without zone": {"timestamp": "2026-11-22T01:00:00"},
    "RudderStack's time": {"originalTimestamp": "2026-11-22T01:00:00.000Z", "sentAt": "2026-11-22T01:00:01.000Z"},
    "fields nobody knows": {
        "channel": "server",
        "receivedAt": "2026-11-22T01:00:00Z",
        "rudderId": "x",
        "_m": {"a": 1},
    },
    "integrations": {"integrations": {"All": True, "Mixpanel": False}},
}


@pytest.mark.parametrize("habit", HABITS)
async def test_each_habit_is_understood(ingest: Running, habit: str) -> None:
    message = {**TRACK, "timestamp": "2026-11-22T01:00:00Z", **HABITS[habit]}
    answer = await ingest.send("/v1/batch", {"batch": [message], "sentAt": "2026-11-22T01:00:02Z"})
    (found,) = answer.json()["results"]
    assert (found["status"], found["code"]) == ("accepted", None)


@pytest.mark.parametrize("given", ["4711", 4711, " 4711 "])
async def test_an_id_is_one_however_it_is_written(ingest: Running, given: object) -> None:
    await ingest.send("/v1/batch", {"batch": [{**TRACK, "userId": given, "anonymousId": None}]})
    asked = await ingest.post("/v1/subjects:resolve", {"namespace": "user_id", "value": "4711"})
    (envelope,) = await ingest.envelopes()
    assert str(envelope.subject_id) == asked.json()["subject_id"]


async def test_what_a_batch_says_of_all_its_messages_holds_for_each(ingest: Running) -> None:
    context = {"traits": {"plan": "gold"}}
    batch = [{"type": "identify", "messageId": "i", "userId": "u-1"}]
    await ingest.send("/v1/batch", {"batch": batch, "context": context, "sentAt": "2026-11-22T01:00:02Z"})
    (envelope,) = await ingest.envelopes()
    assert envelope.data.attributes == {"plan": "gold"}


@pytest.mark.parametrize(
    "wanted",
    [
        "authorization,content-type",
        "x-retry-count",
        "anonymousid,sentat",
        "rsa-signature,rsa-key",
        "content-encoding",
    ],
)
@pytest.mark.parametrize("path", ["/v1/t", "/v1/b", "/v1/batch", "/beacon/v1/batch", "/v1/projects/x/settings"])
async def test_a_browser_may_send_the_headers_that_its_client_sends(ingest: Running, path: str, wanted: str) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": wanted}
    answer = await ingest.client.options(path, headers={"Origin": "https://shop.example", **asked})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-headers"] == wanted
    assert int(answer.headers["access-control-max-age"]) >= 900


async def test_a_page_that_closes_sends_its_last_events_by_beacon(ingest: Running) -> None:
    answer = await ingest.client.post(
        "/beacon/v1/batch",
        params={"writeKey": ingest.keys.web_write_key},
        content=orjson.dumps({"batch": [TRACK]}),
        headers={"Content-Type": "text/plain;charset=UTF-8", "Origin": "https://shop.example"},
    )
    assert answer.status_code == 200
    assert await ingest.count("events") == 1


REFUSED: Mapping[str, tuple[bytes, int, str]] = {
    "no JSON": (b"batch=1", 400, "malformed_json"),
    "nothing": (b"", 400, "malformed_json"),
    "a list": (b"[]", 400, "malformed_json"),
    "an empty batch": (b'{"batch": []}', 400, "malformed_json"),
    "cut gzip": (gzip.compress(b'{"batch": []}')[:-9], 400, "malformed_json"),
    "a batch of too many": (orjson.dumps({"batch": [1] * 2501}), 400, "malformed_json"),
    "too much": (b" " * 32_000_001, 413, "body_too_large"),
    "too much inflated": (gzip.compress(b" " * 32_000_001), 413, "body_too_large"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_no_retry_mends_is_refused_with_code_and_message(ingest: Running, case: str) -> None:
    body, status, code = REFUSED[case]
    answer = await ingest.client.post("/v1/batch", content=body, auth=(ingest.keys.write_key, ""))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert isinstance(answer.json()["message"], str)
    assert "retry-after" not in answer.headers
