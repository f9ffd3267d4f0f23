"""Direct routes answer like their documented twins: errors, limits, names and measured times included."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from shared.errors import Malformed
from shared.http.app import create_app
from shared.http.auth import requires
from shared.http.direct import DirectRoutes
from shared.keys import KeyRing, issue_key, write_keys

WRITES = requires("ingest:write")
PATH = "/v1/baskets"


async def take(request: Request) -> Response:
    body = await request.body()
    if body == b"bug":
        raise RuntimeError("a bug")
    if not body:
        raise Malformed("the body is empty", field="/")
    return Response(body)


async def take_directly(request: Request) -> Response:
    await WRITES(request)
    return await take(request)


@pytest.fixture
async def clients(tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Two services that differ in nothing but how the route is reached: directly, and through the framework."""
    key, entry = issue_key("administrator", "tests")
    write_keys(tmp_path / "keys.json", [entry])
    opened = []
    for is_direct in (True, False):
        router = APIRouter()
        router.add_api_route(PATH, take, methods=["POST"], dependencies=[Depends(WRITES)])
        app = create_app(
            service="direct" if is_direct else "twin",
            keys=KeyRing(tmp_path / "keys.json"),
            routers=[router],
            max_body_bytes=100,
            unlogged_routes=[PATH],
        )
        if is_direct:
            app.router.routes.insert(0, DirectRoutes({PATH: take_directly}))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {key}", "X-Request-ID": "same"}
        opened.append(httpx.AsyncClient(transport=transport, base_url="http://sample", headers=headers))
    yield opened[0], opened[1]
    for client in opened:
        await client.aclose()


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        pytest.param("POST", PATH, b"milk", {}, 200, id="taken"),
        pytest.param("POST", PATH, b"", {}, 400, id="an error of the domain"),
        pytest.param("POST", PATH, b"bug", {}, 500, id="a bug"),
        pytest.param("POST", PATH, b"m" * 101, {}, 413, id="too large"),
        pytest.param("POST", PATH, b"milk", {"Authorization": "Bearer no"}, 401, id="no key"),
        pytest.param("GET", PATH, b"", {}, 405, id="another method"),
        pytest.param("POST", PATH + "/", b"milk", {}, 404, id="another path"),
        pytest.param("GET", "/health/live", b"", {}, 200, id="a route that is not direct"),
    ],
)
async def test_a_direct_route_answers_as_its_twin_does(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
) -> None:
    direct, twin = [await client.request(method, path, content=body, headers=headers) for client in clients]
    assert direct.status_code == twin.status_code == status
    assert direct.content == twin.content
    assert direct.headers.get("content-type") == twin.headers.get("content-type")
    assert direct.headers["x-request-id"] == "same"


async def test_its_time_is_measured_under_its_path(clients: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    def measured() -> float:
        labels = {"service": "direct", "method": "POST", "route": PATH, "status": "200"}
        return REGISTRY.get_sample_value("http_server_request_duration_seconds_count", labels) or 0.0

    before = measured()
    await clients[0].post(PATH, content=b"milk")
    assert measured() == before + 1


async def test_only_what_fails_has_a_line_in_the_log(clients: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    for client in clients:
        with capture_logs() as lines:
            await client.post(PATH, content=b"milk")
            await client.post(PATH, content=b"")
        served = [(line["log_level"], line["status"]) for line in lines if line["event"] == "request_served"]
        assert served == [("debug", 200), ("info", 400)]
