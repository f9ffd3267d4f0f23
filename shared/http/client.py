"""HTTP clients for calls between services: key, request id and trace carried on, time-outs stated."""

import httpx
from pydantic import SecretStr
from structlog.contextvars import get_contextvars

from shared.telemetry import inject_trace

CONNECT_SECONDS = 2.0
CONNECTIONS_MAX = 20


def service_client(
    base_url: str,
    key: SecretStr,
    timeout_seconds: float = 5.0,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """Return a client to keep for the process's life and close at its end.

    `timeout_seconds` bounds each read, write and wait for a free connection; connecting is bounded by 2 s and
    tried twice. `transport` replaces the network, for tests.
    """
    limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
    return httpx.AsyncClient(
        base_url=base_url,
        headers={"Authorization": f"Bearer {key.get_secret_value()}", "Accept": "application/json"},
        timeout=httpx.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)),
        transport=transport or httpx.AsyncHTTPTransport(limits=limits, retries=1, trust_env=False),
        event_hooks={"request": [_carry_context]},
        # Services call each other directly; a proxy variable of the machine must not redirect their keys.
        trust_env=False,
    )


async def _carry_context(request: httpx.Request) -> None:
    request_id = get_contextvars().get("request_id")
    if isinstance(request_id, str):
        request.headers["X-Request-ID"] = request_id
    inject_trace(request.headers)
