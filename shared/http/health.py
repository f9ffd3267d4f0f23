"""Health and metrics routes: live (the loop turns), ready (checks pass, no shutting down), /metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from fastapi import APIRouter, Depends
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from starlette.responses import Response

from shared.errors import DomainError, Unavailable
from shared.http.auth import public

RETRY_AFTER_SECONDS = 1

log = structlog.get_logger()


class NotReady(Unavailable):
    code = "not_ready"


class NotLive(Unavailable):
    code = "not_live"


@dataclass(frozen=True, slots=True)
class Check:
    """A named condition: `probe` returns when it holds and raises when it does not."""

    name: str
    probe: Callable[[], Awaitable[None]]
    timeout_seconds: float = 1.0


@dataclass(slots=True)
class Draining:
    """Whether the process was told to stop; it is then unready while it still answers requests."""

    started: bool = False

    def start(self) -> None:
        self.started = True


async def failures(checks: Sequence[Check]) -> list[dict[str, object]]:
    """Run all checks at once; return one item of `errors` for each that raised or took too long."""
    outcomes = await asyncio.gather(*(_failure(check) for check in checks))
    return [
        {"check": check.name, "code": "check_failed", "message": reason}
        for check, reason in zip(checks, outcomes, strict=True)
        if reason is not None
    ]


async def _failure(check: Check) -> str | None:
    try:
        async with asyncio.timeout(check.timeout_seconds):
            await check.probe()
    except TimeoutError:
        return f"no answer within {check.timeout_seconds:g} s"
    except DomainError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - a probe fails in any way; which is what is reported.
        log.warning("check_failed", check=check.name, kind=type(error).__name__, reason=str(error))
        return type(error).__name__
    return None


def health_router(draining: Draining, readiness: Sequence[Check], liveness: Sequence[Check]) -> APIRouter:
    """Return the routes; failing answers 503 naming the failed checks."""
    router = APIRouter(tags=["health"], dependencies=[Depends(public("asked by supervisors and load balancers"))])

    @router.get("/health/live", summary="Is this process working at all?")
    async def live() -> dict[str, str]:
        failed = await failures(liveness)
        if failed:
            raise NotLive(_named(failed), retry_after_seconds=RETRY_AFTER_SECONDS, errors=failed)
        return {"status": "live"}

    @router.get("/health/ready", summary="Should this process be sent requests?")
    async def ready() -> dict[str, str]:
        if draining.started:
            raise NotReady("this process is shutting down", retry_after_seconds=RETRY_AFTER_SECONDS)
        failed = await failures(readiness)
        if failed:
            raise NotReady(_named(failed), retry_after_seconds=RETRY_AFTER_SECONDS, errors=failed)
        return {"status": "ready"}

    @router.get("/metrics", summary="Figures in Prometheus' text format", response_class=Response)
    async def metrics() -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return router


def _named(failed: Sequence[dict[str, object]]) -> str:
    return "; ".join(f"{item['check']}: {item['message']}" for item in failed)
