"""Requests made up from the OpenAPI document: no server error, and no answer that the document does not tell of.

`INGEST_MADE_UP_REQUESTS` says how many for each route and way; the suite makes a few.
"""

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.ingest.api import routers
from shared.http.app import create_app
from shared.keys import KeyRing, write_keys
from tests.integration.ingest.conftest import Running

pytestmark = pytest.mark.postgres

EXAMPLES = int(os.environ.get("INGEST_MADE_UP_REQUESTS", "2"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
HEADERS_OF_OURS = {"authorization", "x-api-key", "content-length", "host"}


@cache
def operations() -> dict[str, Any]:
    """Return every operation of the document by method and path; nothing is opened for it."""
    with tempfile.TemporaryDirectory() as folder:
        write_keys(Path(folder) / "keys.json", [])
        app = create_app(service="ingest", keys=KeyRing(Path(folder) / "keys.json"), routers=routers())
    schema: Any = schemathesis.openapi.from_dict(app.openapi())
    found = (each.ok() for each in schema.get_all_operations())
    return {f"{one.method.upper()} {one.path}": one for one in found}


def ways() -> list[tuple[str, GenerationMode]]:
    """Return each operation with requests that keep to its document and, where they can, requests that break it."""
    good = [(name, GenerationMode.POSITIVE) for name in operations()]
    return good + [(name, GenerationMode.NEGATIVE) for name, one in operations().items() if _can_be_broken(one)]


def _can_be_broken(operation: Any) -> bool:
    # Of a path without a pattern every text is right.
    return bool(operation.query or operation.body or operation.headers)


async def send(ingest: Running, case: Any) -> Any:
    """Send a made-up request in process, with keys that hold."""
    asked = case.as_transport_kwargs(base_url="http://ingest")
    headers = {name: value for name, value in asked["headers"].items() if name.lower() not in HEADERS_OF_OURS}
    is_clients = "clients" in (case.operation.tags or ())
    body = {name: asked[name] for name in ("json", "data", "content") if asked.get(name) is not None}
    if "data" in body:
        data = body.pop("data")
        body["content"] = data if isinstance(data, str | bytes) else repr(data)
    request = ingest.client.build_request(
        asked["method"], asked["url"], headers=headers, params=asked.get("params"), **body
    )
    auth: Any = (ingest.keys.write_key, "") if is_clients else None
    if not is_clients:
        request.headers["Authorization"] = f"Bearer {ingest.keys.admin}"
    return await ingest.client.send(request, auth=auth)


@pytest.mark.parametrize(("operation", "mode"), ways(), ids=lambda part: getattr(part, "value", part))
@settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES < 20,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
async def test_no_request_makes_a_server_error_or_an_undocumented_answer(
    ingest: Running, operation: str, mode: GenerationMode, data: st.DataObject
) -> None:
    case = data.draw(operations()[operation].as_strategy(generation_mode=mode))
    response = await send(ingest, case)
    case.validate_response(response, checks=CHECKS)
