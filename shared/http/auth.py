"""Who may call a route: `requires("profile:read")` as a dependency, `public("why")` where nobody is asked.

Both leave a mark that `routes_without_scope` finds, so that a route that declares neither fails the tests.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from fastapi import FastAPI, params
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.requests import Request
from structlog.contextvars import bind_contextvars

from shared.errors import Forbidden, Unauthorized
from shared.keys import SCOPES, Caller, KeyRing

KEYS_STATE = "keys"


@dataclass(frozen=True)
class ScopeRequired:
    """The dependency behind `requires`: answers the `Caller`, or raises `Unauthorized` or `Forbidden`."""

    scope: str
    accept_api_key_header: bool = False

    async def __call__(self, request: Request) -> Caller:
        caller = authenticated(request, accept_api_key_header=self.accept_api_key_header)
        if not caller.has_scope(self.scope):
            raise Forbidden(
                f"this key lacks the scope {self.scope}",
                errors=[{"code": "missing_scope", "message": "scope needed", "scope": self.scope}],
            )
        return caller


@dataclass(frozen=True)
class DeclaredPublic:
    """The dependency behind `public`: lets everyone in, and says why."""

    reason: str

    async def __call__(self) -> None:
        return None


@cache
def requires(scope: str, *, accept_api_key_header: bool = False) -> ScopeRequired:
    """Return the dependency for `scope`: `caller: Annotated[Caller, Depends(requires("profile:read"))]`.

    `accept_api_key_header` also takes the key from `X-API-Key`, for the aliases of other products' clients.
    """
    return ScopeRequired(scope, accept_api_key_header)


def public(reason: str) -> DeclaredPublic:
    """Return the dependency that marks a route as open to all, or guarded by other means: say which."""
    return DeclaredPublic(reason)


def authenticated(request: Request, *, accept_api_key_header: bool = False) -> Caller:
    """Return who is calling; raise `Unauthorized` without a key that holds."""
    key = presented_key(request, accept_api_key_header=accept_api_key_header)
    if key is None:
        raise Unauthorized("an API key is needed: Authorization: Bearer rgl_...")
    ring: KeyRing = getattr(request.app.state, KEYS_STATE)
    caller = ring.caller(key)
    if caller is None:
        raise Unauthorized("this API key is not known here, or no longer holds")
    bind_contextvars(key_id=caller.key_id)
    return caller


def presented_key(request: Request, *, accept_api_key_header: bool = False) -> str | None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials:
        return credentials.strip()
    return request.headers.get("x-api-key") if accept_api_key_header else None


def declared_access(route: RouteContext) -> list[ScopeRequired | DeclaredPublic]:
    """Return every access mark on a route, its routers' dependencies included."""
    dependant = getattr(route, "dependant", None)
    return [] if dependant is None else list(_marks(dependant))


def _marks(dependant: Dependant) -> Iterator[ScopeRequired | DeclaredPublic]:
    if isinstance(dependant.call, ScopeRequired | DeclaredPublic):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from _marks(inner)


def api_routes(app: FastAPI) -> list[RouteContext]:
    """Return every route with an endpoint of ours, those of included routers under their full paths."""
    return [route for route in iter_route_contexts(app.routes) if isinstance(route.original_route, APIRoute)]


def routes_without_scope(app: FastAPI) -> list[str]:
    """Return what is wrong with the access that `app`'s routes declare, one sentence for each fault."""
    faults: list[str] = []
    for route in api_routes(app):
        marks = declared_access(route)
        name = f"{'/'.join(sorted(route.methods or ()))} {route.path}"
        if not marks:
            faults.append(f"{name} declares no scope: add requires(...) or public(...)")
        faults += [
            f"{name} requires {mark.scope!r}, which shared.keys.SCOPES does not list"
            for mark in marks
            if isinstance(mark, ScopeRequired) and mark.scope not in SCOPES
        ]
    return faults


def assert_every_route_has_scope(app: FastAPI) -> None:
    """Fail, naming them, when routes declare neither a known scope nor that they are public."""
    faults = routes_without_scope(app)
    assert not faults, "\n".join(faults)


def depends(mark: ScopeRequired | DeclaredPublic) -> params.Depends:
    """Wrap a mark for `dependencies=[...]` of a router or route."""
    return params.Depends(mark)
