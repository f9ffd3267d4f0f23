"""Routes that are asked thousands of times a second: matched by their whole path, with no dependencies to solve.

Each has a documented twin among the ordinary routes, whose function it shares: the twin is what OpenAPI and the tests
of scopes see, and nothing but the way to the function differs.
"""

from collections.abc import Awaitable, Callable, Mapping

from starlette.datastructures import URLPath
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound, Route
from starlette.types import Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]


class DirectRoutes(BaseRoute):
    """POST routes by path; goes first among an application's routes. Anything else is for the others."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = dict(endpoints)
        # Who measures and logs asks the matched route for its path.
        self._named = {path: Route(path, endpoint, methods=["POST"]) for path, endpoint in endpoints.items()}

    @property
    def paths(self) -> frozenset[str]:
        return frozenset(self._endpoints)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in self._endpoints:
            return Match.NONE, {}
        return Match.FULL, {"route": self._named[scope["path"]]}

    def url_path_for(self, name: str, /, **path_params: object) -> URLPath:
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._endpoints[scope["path"]](Request(scope, receive, send))
        await answer(scope, receive, send)
