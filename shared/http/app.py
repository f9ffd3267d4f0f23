"""Puts one service's API together: its routers inside the skeleton that all services share."""

from collections.abc import Collection, Mapping, Sequence

from fastapi import APIRouter, FastAPI
from starlette.types import Lifespan

from shared.http.auth import KEYS_STATE
from shared.http.docs import add_docs
from shared.http.health import Check, Draining, health_router
from shared.http.middleware import ACTIVE_REQUESTS_MAX, BodyLimit, RequestEdge
from shared.http.openapi import document_problems
from shared.http.problem import install_problem_handlers
from shared.keys import KeyRing
from shared.settings import ServiceSettings

BODY_BYTES_MAX = 5_000_000


def create_app(  # noqa: PLR0913 - the one place of wiring; every part is named where it is called
    *,
    service: str,
    keys: KeyRing,
    routers: Sequence[APIRouter],
    lifespan: Lifespan[FastAPI] | None = None,
    readiness: Sequence[Check] = (),
    liveness: Sequence[Check] = (),
    settings: ServiceSettings | None = None,
    version: str = "0.1.0",
    description: str = "",
    max_body_bytes: int = BODY_BYTES_MAX,
    max_body_bytes_at: Mapping[str, int] | None = None,
    max_active_requests: int = ACTIVE_REQUESTS_MAX,
    unlogged_routes: Collection[str] = (),
) -> FastAPI:
    """Return the application of `service`.

    Successes of `unlogged_routes` are measured but have no line each in the log.

    Handlers find `settings`, `keys`, `service` and `draining` on `request.app.state`; the lifespan adds more.
    """
    draining = Draining()
    app = FastAPI(
        title=f"Regulars {service}",
        version=version,
        description=description,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        # The request edge measures and carries the trace itself.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.service = service
    app.state.settings = settings
    app.state.draining = draining
    setattr(app.state, KEYS_STATE, keys)
    for router in (*routers, health_router(draining, readiness, liveness)):
        # The routes themselves, complete as they were declared. Of an included router each is built a second time at
        # the first request, and the router is searched before its routes at every request.
        app.router.routes.extend(router.routes)
    add_docs(app)
    install_problem_handlers(app)
    document_problems(app)
    # Added last is outermost.
    app.add_middleware(BodyLimit, bytes_max=max_body_bytes, bytes_max_at=max_body_bytes_at)
    app.add_middleware(
        RequestEdge,
        service=service,
        active_requests_max=max_active_requests,
        unlogged_routes=frozenset(unlogged_routes),
    )
    return app
