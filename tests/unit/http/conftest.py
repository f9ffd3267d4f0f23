"""A sample service inside the skeleton, called in process."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import httpx
import pytest
import structlog
from fastapi import Depends, FastAPI, Query
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel, Field

from shared import tracing
from shared.errors import (
    Conflict,
    DomainError,
    Forbidden,
    InvalidInput,
    Malformed,
    NotFound,
    TooMany,
    TransientError,
    Unauthorized,
    Unavailable,
)
from shared.http.app import create_app
from shared.http.auth import public, requires
from shared.http.body import Router
from shared.http.health import Check
from shared.keys import Caller, KeyEntry, KeyRing, issue_key, write_keys

BODY_BYTES_MAX = 20_000


class BasketNotFound(NotFound):
    code: ClassVar[str] = "basket_not_found"


RAISED: dict[str, Callable[[], Exception]] = {
    "domain": lambda: DomainError("no"),
    "malformed": lambda: Malformed("unreadable"),
    "unauthorized": lambda: Unauthorized("who are you"),
    "forbidden": lambda: Forbidden("not for you"),
    "not_found": lambda: BasketNotFound("there is no such basket", field="basket_id"),
    "conflict": lambda: Conflict("already there", errors=[{"code": "limit_reached", "message": "cap", "id": "C1"}]),
    "invalid": lambda: InvalidInput("too small", field="/lines/0/quantity"),
    "too_many": lambda: TooMany("slow down", retry_after_seconds=7),
    "unavailable": lambda: Unavailable("not now", retry_after_seconds=3),
    "transient": lambda: TransientError("connection to 10.0.0.7 refused"),
    "bug": lambda: RuntimeError("password is hunter2"),
}


class Line(BaseModel):
    product_id: str
    quantity: int = Field(ge=1)


class Basket(BaseModel):
    lines: list[Line]
    kind: str = "sale"


@dataclass
class Sample:
    """The application with the keys to call it and the switches of its checks."""

    app: FastAPI
    keys_file: Path
    administrator_key: str
    store_key: str
    failing: dict[str, Exception] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)


def _baskets() -> Router:
    router = Router(prefix="/v1")

    @router.post("/baskets/{basket_id}")
    async def put_basket(
        basket_id: int, basket: Basket, caller: Annotated[Caller, Depends(requires("ingest:write"))]
    ) -> Basket:
        return basket

    @router.get("/baskets")
    async def list_baskets(
        caller: Annotated[Caller, Depends(requires("profile:read"))], limit: Annotated[int, Query(le=10)] = 5
    ) -> dict[str, Any]:
        return {"limit": limit, "actor": caller.actor, "stores": sorted(caller.store_ids)}

    @router.get("/models")
    async def list_models(caller: Annotated[Caller, Depends(requires("recommend:admin"))]) -> list[str]:
        return []

    @router.get("/raise/{kind}", dependencies=[Depends(public("a sample"))])
    async def raise_error(kind: str) -> None:
        error = RAISED[kind]()
        raise error

    return router


def _aliases() -> Router:
    router = Router(prefix="/api")

    @router.get("/recommend/{user}")
    async def alias(
        user: str,
        caller: Annotated[Caller, Depends(requires("recommend:read", accept_api_key_header=True))],
    ) -> list[str]:
        return [user]

    return router


@pytest.fixture(scope="package", autouse=True)
def plain_tracebacks() -> Iterator[None]:
    """Unconfigured structlog draws tracebacks with all local variables, which takes seconds each."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
    yield
    structlog.reset_defaults()


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    administrator_key, administrator = issue_key("administrator", "owner")
    store_key, store = issue_key("store", "store S01", store_ids=["S01"])
    keys_file = tmp_path / "keys.json"
    write_keys(keys_file, [administrator, store])
    failing: dict[str, Exception] = {}

    async def database() -> None:
        if "database" in failing:
            raise failing["database"]

    app = create_app(
        service="sample",
        keys=KeyRing(keys_file),
        routers=[_baskets(), _aliases()],
        readiness=[Check("database", database, timeout_seconds=0.05)],
        max_body_bytes=BODY_BYTES_MAX,
    )
    return Sample(app, keys_file, administrator_key, store_key, failing)


@pytest.fixture
async def client(sample: Sample) -> AsyncIterator[httpx.AsyncClient]:
    """A caller with the administrator's key; an exception that leaves the application fails the test."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(sample.app),
        base_url="http://sample",
        headers={"Authorization": f"Bearer {sample.administrator_key}"},
    ) as client:
        yield client


@pytest.fixture
def other_entry() -> tuple[str, KeyEntry]:
    return issue_key("marketer", "Ada")


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """What the process tells a collector; all of it."""
    exporter = InMemorySpanExporter()
    tracing.begin_to(SimpleSpanProcessor(exporter), 1.0, "sample")
    yield exporter
    tracing.end()
