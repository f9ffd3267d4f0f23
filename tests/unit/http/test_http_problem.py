"""Every way a request can fail answers in the one shape."""

from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from shared.http.problem import json_pointer

SHAPE = {"type", "title", "status", "detail", "code", "message", "request_id", "errors"}
JSON = {"Content-Type": "application/json"}


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert set(problem) == SHAPE
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"urn:regulars:problem:{code}"
    assert problem["detail"] == problem["message"] != ""
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("domain", 422, "refused"),
        ("malformed", 400, "malformed_request"),
        ("unauthorized", 401, "unauthorized"),
        ("forbidden", 403, "forbidden"),
        ("not_found", 404, "basket_not_found"),
        ("conflict", 409, "conflict"),
        ("invalid", 422, "invalid_input"),
        ("too_many", 429, "too_many_requests"),
        ("unavailable", 503, "unavailable"),
        ("transient", 503, "unavailable"),
        ("bug", 500, "internal_error"),
    ],
)
async def test_each_kind_of_error_has_its_status_and_code(
    client: httpx.AsyncClient, kind: str, status: int, code: str
) -> None:
    assert_problem(await client.get(f"/v1/raise/{kind}"), status, code)


async def test_a_named_field_becomes_an_item_of_errors(client: httpx.AsyncClient) -> None:
    problem = (await client.get("/v1/raise/invalid")).json()
    assert problem["errors"] == [{"field": "/lines/0/quantity", "code": "invalid_input", "message": "too small"}]


async def test_errors_that_a_refusal_brings_are_passed_on_whole(client: httpx.AsyncClient) -> None:
    problem = (await client.get("/v1/raise/conflict")).json()
    assert problem["errors"] == [{"code": "limit_reached", "message": "cap", "id": "C1"}]


@pytest.mark.parametrize(("kind", "seconds"), [("too_many", "7"), ("unavailable", "3"), ("transient", "2")])
async def test_refusals_for_now_say_after_how_many_whole_seconds_to_ask_again(
    client: httpx.AsyncClient, kind: str, seconds: str
) -> None:
    assert (await client.get(f"/v1/raise/{kind}")).headers["retry-after"] == seconds


async def test_an_unknown_caller_is_told_the_scheme(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/raise/unauthorized")).headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("kind", ["bug", "transient"])
async def test_internals_stay_in_the_log_and_out_of_the_answer(client: httpx.AsyncClient, kind: str) -> None:
    with capture_logs() as lines:
        answer = await client.get(f"/v1/raise/{kind}")
    assert "hunter2" not in answer.text
    assert "10.0.0.7" not in answer.text
    expected = {"bug": "request_failed", "transient": "dependency_away"}[kind]
    assert expected in {line["event"] for line in lines}


async def test_each_wrong_field_is_named_by_its_pointer(client: httpx.AsyncClient) -> None:
    body = {"lines": [{"product_id": "P1", "quantity": 0}, {"quantity": "x"}], "kind": 3}
    problem = assert_problem(await client.post("/v1/baskets/1", json=body), 422, "invalid_input")
    assert {error["field"] for error in problem["errors"]} == {
        "/lines/0/quantity",
        "/lines/1/product_id",
        "/lines/1/quantity",
        "/kind",
    }
    assert all(error["message"] and error["code"] and error["in"] == "body" for error in problem["errors"])


async def test_wrong_parameters_are_named(client: httpx.AsyncClient) -> None:
    problem = assert_problem(await client.get("/v1/baskets?limit=11"), 422, "invalid_input")
    assert problem["errors"][0]["field"] == "limit"
    assert problem["errors"][0]["in"] == "query"


async def test_the_offending_value_is_never_repeated(client: httpx.AsyncClient) -> None:
    body = {"lines": [{"product_id": "P1", "quantity": "13912345678x"}]}
    assert "13912345678" not in (await client.post("/v1/baskets/1", json=body)).text


async def test_a_missing_body_is_a_wrong_field(client: httpx.AsyncClient) -> None:
    assert_problem(await client.post("/v1/baskets/1"), 422, "invalid_input")


@pytest.mark.parametrize(
    "body",
    [b'{"lines": [', b"\xff\xfe", b'{"kind": NaN}', b'{"kind": "\\ud800"}', b'{"kind": "a\\u0000b"}', b"[" * 15_000],
    ids=["cut", "not utf-8", "NaN", "lone surrogate", "NUL", "too deep"],
)
async def test_a_body_that_is_not_json_is_malformed(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/v1/baskets/1", content=body, headers=JSON)
    assert_problem(answer, 400, "malformed_json")


async def test_an_escaped_backslash_is_not_taken_for_a_nul(client: httpx.AsyncClient) -> None:
    body = rb'{"lines": [], "kind": "a\\u0000b"}'
    answer = await client.post("/v1/baskets/1", content=body, headers=JSON)
    assert answer.json()["kind"] == r"a\u0000b"


async def test_a_nul_in_the_address_is_refused(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/api/recommend/a%00b"), 400, "malformed_request")
    assert_problem(await client.get("/v1/baskets?limit=%00"), 400, "malformed_request")


async def test_a_body_without_its_type_is_told_which_to_send(client: httpx.AsyncClient) -> None:
    assert_problem(await client.post("/v1/baskets/1", content=b'{"lines": []}'), 415, "unsupported_media_type")


async def test_an_unknown_route_and_a_wrong_method_have_codes(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/v1/nowhere"), 404, "route_not_found")
    assert_problem(await client.get("/v1/baskets/"), 404, "route_not_found")
    refused = await client.delete("/v1/baskets")
    assert_problem(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        (["lines", 0, "quantity"], {"lines": [{"quantity": 1}]}, "/lines/0/quantity"),
        (["lines", 0, "quantity"], {"lines": [{}]}, "/lines/0/quantity"),
        (["receipt", "lines"], {"lines": 3}, "/lines"),
        (["a/b~c"], {"a/b~c": 1}, "/a~1b~0c"),
        (["lines", 4], {"lines": []}, "/lines"),
        ([], {}, ""),
    ],
    ids=["present", "missing", "union alternative left out", "escaped", "past the end", "whole body"],
)
def test_pointers_lead_into_the_document(path: list[str | int], body: object, pointer: str) -> None:
    assert json_pointer(path, body) == pointer
