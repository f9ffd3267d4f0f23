"""Routes that are asked thousands of times a second: matched by their whole path, with no dependencies to solve.

Each has a documented twin among the ordinary routes, whose function it shares: the twin is what OpenAPI and the tests
of scopes see, and nothing but the way to the function differs.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import URLPath
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound, Route
from starlette.types import Receive, Scope, Send

from shared.http.body import parse_json

Endpoint = Callable[[Request], Awaitable[Response]]
M = TypeVar("M", bound=BaseModel)
_JSON = frozenset({"application/json", "application/json; charset=utf-8"})


class DirectRoutes(BaseRoute):
    """POST routes by path; goes first among an application's routes. Anything else is for the others.

    Where endpoints do not look at the query, a request that has one is for the others too: `with_query=False`.
    """

    def __init__(self, endpoints: Mapping[str, Endpoint], *, with_query: bool = True) -> None:
        self._endpoints = dict(endpoints)
        self._with_query = with_query
        # Who measures and logs asks the matched route for its path.
        self._named = {path: Route(path, endpoint, methods=["POST"]) for path, endpoint in endpoints.items()}

    @property
    def paths(self) -> frozenset[str]:
        return frozenset(self._endpoints)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in self._endpoints:
            return Match.NONE, {}
        if scope["query_string"] and not self._with_query:
            return Match.NONE, {}
        return Match.FULL, {"route": self._named[scope["path"]]}

    def url_path_for(self, name: str, /, **path_params: object) -> URLPath:
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._endpoints[scope["path"]](Request(scope, receive, send))
        await answer(scope, receive, send)


async def body_in(request: Request, model: type[M]) -> M:
    """Return the body as a model, refusing what is none of it as the framework does.

    Raises RequestValidationError: no JSON, not said to be JSON, or not of the model's shape.
    """
    body = await request.body()
    document = _document(body, request.headers.get("content-type", ""))
    try:
        return model.model_validate(document, from_attributes=True)
    except ValidationError as error:
        items = error.errors(include_url=False)
        if not body:
            items = [{"type": "missing", "loc": (), "msg": "Field required", "input": None}]
        located = [{**item, "loc": ("body", *item["loc"])} for item in items]
        raise RequestValidationError(located, body=document) from error


def _document(body: bytes, content_type: str) -> object:
    if content_type not in _JSON and not _is_json(content_type):
        return body
    try:
        return parse_json(body) if body else None
    except json.JSONDecodeError as error:
        at = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "JSON decode error", "input": {}}
        raise RequestValidationError([{**at, "ctx": {"error": error.msg}}], body=error.doc) from error


def _is_json(content_type: str) -> bool:
    kind, _, subtype = content_type.partition(";")[0].strip().lower().partition("/")
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))
