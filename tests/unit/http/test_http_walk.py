"""What must hold for every route of any service, shown on the sample."""

from typing import Any

import httpx
from fastapi import FastAPI

from shared.http.app import create_app
from shared.http.auth import api_routes, assert_every_route_has_scope, routes_without_scope
from shared.http.auth import requires as requires_scope
from shared.http.body import Router
from shared.http.problem import Problem
from shared.keys import KeyRing


def _address(template: str) -> str:
    return template.replace("{kind}", "bug").replace("{basket_id}", "not-a-number").replace("{user}", "u")


async def test_every_route_answers_errors_in_the_one_shape(sample: Any) -> None:
    transport = httpx.ASGITransport(sample.app)
    walked = 0
    async with httpx.AsyncClient(transport=transport, base_url="http://sample") as stranger:
        for route in api_routes(sample.app):
            for method in {*(route.methods or ()), "TRACE"}:
                answer = await stranger.request(method, _address(route.path or ""), content=b"{")
                if answer.status_code >= 400:
                    Problem.model_validate(answer.json())
                    assert answer.headers["content-type"] == "application/problem+json"
                    walked += 1
    assert walked >= len(api_routes(sample.app))


def test_every_route_declares_who_may_call_it(sample: Any) -> None:
    assert_every_route_has_scope(sample.app)


def test_a_route_without_a_scope_is_named(sample: Any) -> None:
    router = Router(prefix="/v1")

    @router.get("/forgotten")
    async def forgotten() -> None:
        return None

    app = create_app(service="sample", keys=KeyRing(sample.keys_file), routers=[router])
    assert routes_without_scope(app) == ["GET /v1/forgotten declares no scope: add requires(...) or public(...)"]


def test_a_misspelt_scope_is_named(sample: Any) -> None:
    from fastapi import Depends  # noqa: PLC0415 - beside its only use

    router = Router(prefix="/v1", dependencies=[Depends(requires_scope("profil:read"))])

    @router.get("/misspelt")
    async def misspelt() -> None:
        return None

    app = create_app(service="sample", keys=KeyRing(sample.keys_file), routers=[router])
    assert routes_without_scope(app) == [
        "GET /v1/misspelt requires 'profil:read', which shared.keys.SCOPES does not list"
    ]


def test_routes_are_served_as_they_were_declared_and_built_only_once(sample: Any) -> None:
    assert all(route.original_route in sample.app.routes for route in api_routes(sample.app))


def test_a_plain_fastapi_route_outside_any_router_is_walked_too() -> None:
    app = FastAPI(openapi_url=None)

    @app.get("/bare")
    async def bare() -> None:
        return None

    assert len(routes_without_scope(app)) == 1


async def test_the_document_describes_problems_and_scopes_on_every_operation(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert "HTTPValidationError" not in str(document)
    assert set(document["components"]["schemas"]["Problem"]["required"]) >= {"code", "message", "request_id"}
    for methods in document["paths"].values():
        for operation in methods.values():
            for status in ("4XX", "5XX", "422", "503"):
                content = operation["responses"][status]["content"]
                assert content["application/problem+json"]["schema"]["$ref"].endswith("/Problem")
    guarded = document["paths"]["/v1/baskets"]["get"]
    assert guarded["x-required-scopes"] == ["profile:read"]
    assert guarded["security"] == [{"bearer": []}]
    assert {"bearer": []} in document["paths"]["/api/recommend/{user}"]["get"]["security"]
    assert "security" not in document["paths"]["/health/live"]["get"]


async def test_the_document_is_the_same_when_asked_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/openapi.json")
    assert (await client.get("/openapi.json")).content == first.content


async def test_the_human_documentation_is_served(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")
    assert answer.status_code == 200
    assert "Regulars sample" in answer.text
