"""Who gets in, and what those who do not are told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shared.clock import FixedClock
from shared.keys import KeyRing, issue_key, new_key, read_keys, write_keys

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


async def _get(client: httpx.AsyncClient, address: str, **headers: str) -> httpx.Response:
    return await client.get(address, headers={"Authorization": "", **headers})


async def test_a_known_key_is_told_who_it_is(client: httpx.AsyncClient, sample: Any) -> None:
    answer = await _get(client, "/v1/baskets", Authorization=f"bearer {sample.store_key}")
    assert answer.json() == {"limit": 5, "actor": "store S01", "stores": ["S01"]}


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param("", id="nothing"),
        pytest.param("Bearer", id="no key"),
        pytest.param("Bearer nonsense", id="nonsense"),
        pytest.param("Basic dXNlcjpwYXNz", id="another scheme"),
        pytest.param(f"Bearer {new_key()}", id="an unknown key"),
        pytest.param("Bearer ä", id="not ASCII"),
    ],
)
async def test_anyone_else_is_unauthorized(client: httpx.AsyncClient, authorization: str) -> None:
    answer = await client.get("/v1/baskets", headers=[(b"Authorization", authorization.encode())])
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_key_without_the_scope_is_told_which_one(client: httpx.AsyncClient, sample: Any) -> None:
    answer = await _get(client, "/v1/models", Authorization=f"Bearer {sample.store_key}")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "recommend:admin" in answer.json()["message"]
    assert answer.json()["errors"][0]["scope"] == "recommend:admin"


async def test_an_administrator_may_do_everything(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/models")).status_code == 200


async def test_the_other_header_counts_only_where_the_route_says_so(client: httpx.AsyncClient, sample: Any) -> None:
    header = {"X-API-Key": sample.store_key}
    assert (await _get(client, "/api/recommend/u", **header)).status_code == 200
    assert (await _get(client, "/v1/baskets", **header)).status_code == 401


async def test_who_asks_is_settled_before_what_is_asked(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/baskets/x", json={"lines": 3}, headers={"Authorization": ""})
    assert answer.status_code == 401


async def test_a_revoked_key_stops_and_a_new_one_works_without_a_restart(
    client: httpx.AsyncClient, sample: Any
) -> None:
    key, entry = issue_key("store", "store S02")
    write_keys(sample.keys_file, [entry])
    assert (await client.get("/v1/baskets")).status_code == 401
    assert (await _get(client, "/v1/baskets", Authorization=f"Bearer {key}")).status_code == 200


async def test_an_expired_key_is_refused(client: httpx.AsyncClient, sample: Any) -> None:
    key, entry = issue_key("administrator", "guest", expires_at=NOW)
    write_keys(sample.keys_file, [*read_keys(sample.keys_file), entry])
    clock = FixedClock(NOW - timedelta(seconds=1))
    sample.app.state.keys = KeyRing(sample.keys_file, clock)
    bearer = f"Bearer {key}"
    assert (await _get(client, "/v1/baskets", Authorization=bearer)).status_code == 200
    clock.set(NOW)
    assert (await _get(client, "/v1/baskets", Authorization=bearer)).status_code == 401
