"""What all five services promise alike: scopes, one shape of errors, a document, and settings as documented."""

import json
import os
import re

import httpx
import pytest

from shared.http.auth import DeclaredPublic, api_routes, assert_every_route_has_scope, declared_access
from shared.http.problem import MEDIA_TYPE, Problem
from tests.contract.conftest import IDENTITY_KEYS, KEY, NAMES, NOBODY, Served, service
from tools.service_settings import ROOT, settings_classes, variables

pytestmark = pytest.mark.postgres

EXAMPLE = ROOT / ".env.example"
GIVEN = {
    "DATABASE_URL": f"postgresql://service@{NOBODY}/service",
    "VAULT_DATABASE_URL": f"postgresql://vault@{NOBODY}/vault",
    "BOOTSTRAP_SERVERS": NOBODY,
    "PORT": "8001",
    "KEYS_FILE": "keys.json",
    "SERVICE_KEY": "unused",
    "DATA_DIR": "data",
    "CURRENCY": "USD",
    "TIME_ZONE": "UTC",
    "DEPLOYMENT_KEY": KEY,
    "IDENTITY_KEYS": json.dumps(IDENTITY_KEYS),
}
"""What somebody who starts a service by hand writes after the names that .env.example leaves open."""


def is_problem(answer: httpx.Response) -> bool:
    Problem.model_validate_json(answer.content)
    return answer.headers["content-type"].startswith(MEDIA_TYPE)


@pytest.mark.parametrize("ready", NAMES, indirect=True)
async def test_every_route_declares_a_scope_and_answers_a_stranger_in_the_one_shape(served: Served) -> None:
    assert_every_route_has_scope(served.app)
    walked = 0
    for route in api_routes(served.app):
        is_public = any(isinstance(mark, DeclaredPublic) for mark in declared_access(route))
        path = re.sub(r"{[^}]*}", "nobody", route.path or "")
        for method in (route.methods or set()) - {"HEAD", "OPTIONS"}:
            answer = await served.stranger.request(method, path, json={})
            where = f"{method} {route.path}: {answer.status_code} {answer.text[:200]}"
            assert is_public or answer.status_code == 401, where
            assert answer.status_code < 400 or is_problem(answer), where
            walked += 1
    assert walked > 3


@pytest.mark.parametrize("ready", NAMES, indirect=True)
async def test_broken_input_to_any_route_is_answered_in_the_one_shape(served: Served) -> None:
    for route in api_routes(served.app):
        path = re.sub(r"{[^}]*}", "nobody", route.path or "")
        for method in (route.methods or set()) - {"HEAD", "OPTIONS"}:
            answer = await served.client.request(method, path, content=b'{"broken": ')
            where = f"{method} {route.path}: {answer.status_code} {answer.text[:200]}"
            assert answer.status_code != 500, where
            assert answer.status_code < 400 or is_problem(answer), where


@pytest.mark.parametrize("ready", NAMES, indirect=True)
async def test_unknown_paths_and_methods_are_answered_in_the_one_shape(served: Served) -> None:
    unknown = await served.client.get("/v1/no-such-thing")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "route_not_found")
    assert is_problem(unknown)
    wrong = await served.client.delete("/health/ready")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert is_problem(wrong)


@pytest.mark.parametrize("ready", NAMES, indirect=True)
async def test_the_document_of_every_api_can_be_built(served: Served) -> None:
    document = served.app.openapi()
    assert document["info"]["title"]
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert operations
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def example_lines() -> dict[str, str]:
    """Return what .env.example writes after each name, optional ones included."""
    lines = (
        re.fullmatch(r"(?:# )?([A-Z0-9_]+)=(.*)", line) for line in EXAMPLE.read_text(encoding="utf-8").splitlines()
    )
    return {line[1]: line[2] for line in lines if line is not None}


@pytest.mark.parametrize("name", NAMES)
def test_settings_load_from_the_example_and_its_defaults_are_the_codes_own(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    written = example_lines()
    fields = variables(settings_classes()[name])
    prefix = f"{name.upper()}_"
    for variable in [each for each in os.environ if each.startswith(prefix)]:
        monkeypatch.delenv(variable)
    for variable, field in fields.items():
        if field.is_required():
            monkeypatch.setenv(variable, GIVEN[variable.removeprefix(prefix)])
    least = service(name).settings.load()
    for variable, field in fields.items():
        if not field.is_required() and written[variable]:
            monkeypatch.setenv(variable, written[variable])
    assert service(name).settings.load() == least
