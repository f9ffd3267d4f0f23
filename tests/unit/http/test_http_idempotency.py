"""What of an idempotent request can be decided without a database."""

from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends
from pydantic import BaseModel

from shared.http.app import create_app
from shared.http.auth import assert_every_route_has_scope
from shared.http.body import Router
from shared.http.idempotency import Answer, IdempotentRequest, fingerprint, idempotent
from shared.keys import KeyRing


class Redemption(BaseModel):
    code: str


def _app(sample: Any, seen: list[IdempotentRequest]) -> Any:
    router = Router(prefix="/v1")

    @router.post("/redemptions")
    async def redeem(
        once: Annotated[IdempotentRequest, Depends(idempotent("campaign:redeem"))], redemption: Redemption
    ) -> None:
        seen.append(once)

    return create_app(service="sample", keys=KeyRing(sample.keys_file), routers=[router])


async def _post(sample: Any, *, key: str | None, token: str | None = None, body: bytes = b'{"code": "A"}') -> Any:
    seen: list[IdempotentRequest] = []
    app = _app(sample, seen)
    assert_every_route_has_scope(app)
    headers = {"Authorization": f"Bearer {token or sample.store_key}", "Content-Type": "application/json"}
    if key is not None:
        headers["Idempotency-Key"] = key
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sample") as client:
        return await client.post("/v1/redemptions", content=body, headers=headers), seen


@pytest.mark.parametrize("key", [None, ""])
async def test_without_a_key_the_request_is_malformed(sample: Any, key: str | None) -> None:
    answer, seen = await _post(sample, key=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert seen == []


async def test_an_endless_key_is_refused(sample: Any) -> None:
    answer, _ = await _post(sample, key="k" * 256)
    assert answer.status_code == 422


async def test_a_caller_without_the_scope_gets_no_further(sample: Any) -> None:
    answer, _ = await _post(sample, key=None, token="rgl_wrong")
    assert answer.status_code == 401


async def test_the_scope_is_the_actor_and_the_route(sample: Any) -> None:
    answer, (once,) = await _post(sample, key="k-1")
    assert answer.status_code == 200
    assert (once.scope, once.key) == ("store S01 POST /v1/redemptions", "k-1")


def test_spacing_and_order_do_not_make_another_request_but_values_do() -> None:
    same = fingerprint(b'{"a": 1, "b": [2, 3]}')
    assert fingerprint(b'{"b":[2,3],"a":1}') == same
    assert fingerprint(b'{"b":[3,2],"a":1}') != same
    assert fingerprint(b'{"a": 1, "b": [2, 3]}', "dry_run=1") != same
    assert fingerprint(b"not json") != fingerprint(b"not  json")


def test_an_answer_keeps_its_bytes_and_says_when_it_is_repeated() -> None:
    answer = Answer.of(Redemption(code="A"), status=201)
    response = answer.response()
    assert (response.status_code, response.body, response.media_type) == (201, b'{"code":"A"}', "application/json")
    assert "idempotency-replayed" not in response.headers
    replay = Answer(409, b"{}", replayed=True).response()
    assert replay.headers["idempotency-replayed"] == "true"
    assert replay.media_type == "application/problem+json"
