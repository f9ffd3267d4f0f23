"""Completes the OpenAPI document: the problem shape on every operation, the scope each one needs."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from shared.http.auth import ScopeRequired, api_routes, declared_access
from shared.http.problem import MEDIA_TYPE, Problem

_REF = "#/components/schemas/{model}"
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API key, rgl_..."},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_ANSWERS = {
    "400": "The request cannot be read, such as malformed JSON.",
    "401": "No API key, or one that does not hold.",
    "403": "The key lacks the scope named in the answer.",
    "413": "The body is too large.",
    "422": "A field is wrong; `errors` names each.",
    "4XX": "Refused; `code` says why.",
    "503": "Not now; ask again after `Retry-After` seconds.",
    "5XX": "Failed on our side; quote `request_id`.",
}
_KEY_ANSWERS = frozenset({"401", "403"})


def document_problems(app: FastAPI) -> None:
    """Replace `app.openapi` by one that adds error answers and security; the document is built once."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        if "x-problems" not in document:
            _complete(app, document)
            document["x-problems"] = "every error answer is an RFC 9457 problem, see the schema Problem"
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way of extending it


def _complete(app: FastAPI, document: dict[str, Any]) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    _, definitions = models_json_schema([(Problem, "serialization")], ref_template=_REF)
    schemas.update(definitions["$defs"])
    components["securitySchemes"] = _SECURITY
    scopes = _scopes(app)
    for path, method, operation in _operations(document):
        required = scopes.get((path, method), [])
        _add_answers(operation, needs_key=bool(required))
        if required:
            _add_security(operation, required)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document.get("paths", {}).items():
        for method, operation in methods.items():
            yield path, method, operation


def _scopes(app: FastAPI) -> dict[tuple[str, str], list[ScopeRequired]]:
    return {
        (route.path_format or "", method.lower()): [
            mark for mark in declared_access(route) if isinstance(mark, ScopeRequired)
        ]
        for route in api_routes(app)
        for method in route.methods or ()
    }


def _add_answers(operation: dict[str, Any], *, needs_key: bool) -> None:
    answers = operation["responses"]
    if "HTTPValidationError" in str(answers.get("422")):
        del answers["422"]
    for status, description in _ANSWERS.items():
        if needs_key or status not in _KEY_ANSWERS:
            answer = answers.setdefault(status, {"description": description})
            answer.setdefault("content", {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}})


def _add_security(operation: dict[str, Any], required: list[ScopeRequired]) -> None:
    operation["security"] = [{"bearer": []}]
    if any(mark.accept_api_key_header for mark in required):
        operation["security"].append({"api_key": []})
    operation["x-required-scopes"] = sorted({mark.scope for mark in required})
